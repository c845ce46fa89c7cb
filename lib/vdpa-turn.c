/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-turn.h"

#include "util.h"

/* What a port may use before it stands back even if nobody else wants
 * anything, and how long it takes until a microsecond of that is forgotten.  A
 * handshake with 16 queue pairs takes a few tens of milliseconds. */
#define CREDIT (250 * 1000)
#define FORGET 200

/* How much more is clearly more, and for how long after a turn that counts:
 * hypervisors think for less than that. */
#define CLEARLY_MORE (10 * 1000)
#define MOMENT (5 * 1000)

/* Those who stand back pause for so many times as long as they used: behind
 * others, and if nobody else wants anything. */
#define PAUSES_BEHIND 19
#define PAUSES_ALONE 1
#define MAX_PAUSE (1000 * 1000)

/* Returns what is on 'account' at 'now'. */
long long
vdpa_account_used(struct vdpa_account *account, long long now)
{
    long long forgotten = (now - account->updated) / FORGET;

    if (forgotten > 0) {
        account->used = MAX(account->used - forgotten, 0);
        account->updated = now;
    }
    return account->used;
}

/* Returns true if whoever has used so much stands back behind somebody. */
static bool
is_behind(const struct vdpa_turns *turns, long long used, long long now)
{
    return (now < turns->favoured_until
            && used > turns->favoured_used + CLEARLY_MORE);
}

/* Returns when whoever has 'account' may have a turn, as far as it is known
 * now: 'now' or later. */
long long
vdpa_turns_next(const struct vdpa_turns *turns, struct vdpa_account *account,
                long long now)
{
    long long used = vdpa_account_used(account, now);

    if (now >= turns->pause_until) {
        return now;
    } else if (used > CREDIT) {
        return turns->pause_until;
    } else if (is_behind(turns, used, now)) {
        return MIN(turns->pause_until, turns->favoured_until);
    } else {
        return now;
    }
}

/* Charges a turn to 'account'. */
void
vdpa_turns_charge(struct vdpa_turns *turns, struct vdpa_account *account,
                  long long began, long long ended)
{
    long long used = vdpa_account_used(account, ended);
    long long took = MAX(ended - began, 0);
    long long pauses = 0;

    if (is_behind(turns, used, began)) {
        pauses = PAUSES_BEHIND;
    } else {
        turns->favoured_used = used;
        turns->favoured_until = ended + MOMENT;
        if (used > CREDIT) {
            pauses = PAUSES_ALONE;
        }
    }
    if (pauses) {
        turns->pause_until = ended + MIN(took * pauses, MAX_PAUSE);
    }
    account->used += took;
}
