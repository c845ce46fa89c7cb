/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_TURN_H
#define VDPA_TURN_H 1

/* Whose turn it is
 * ================
 *
 * librte_vhost has one thread for all sockets, and some of what a hypervisor
 * may rightly ask for takes it long: memory is mapped, and changes of rings
 * wait until all threads that move packets have let go of them.  So only one
 * port at a time has something under way there, how long that took is charged
 * to the port's account, and whose account shows the least is next.
 *
 * That alone would let others have a turn whenever a hypervisor thinks about
 * its next message.  So for a moment after a turn, ports that have used
 * clearly more stand back: all of them together get a small share.
 *
 * An account is worked off with time.  Who has more on it than a number of
 * honest handshakes cost has half of the time at most, also if nobody else
 * wants anything.
 *
 * Times are in microseconds.  Not thread-safe. */

#include <stdbool.h>

struct vdpa_account {
    long long used;             /* As of 'updated'. */
    long long updated;
};

struct vdpa_turns {
    long long pause_until;      /* Of those who have to stand back. */
    long long favoured_until;   /* For so long those have to who have used */
    long long favoured_used;    /* clearly more than this. */
};

long long vdpa_account_used(struct vdpa_account *, long long now);
long long vdpa_turns_next(const struct vdpa_turns *, struct vdpa_account *,
                          long long now);
void vdpa_turns_charge(struct vdpa_turns *, struct vdpa_account *,
                       long long began, long long ended);

#endif /* vdpa-turn.h */
