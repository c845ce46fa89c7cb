/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef GUEST_SIGBUS_H
#define GUEST_SIGBUS_H 1

/* Memory of a guest's that is not there
 * =====================================
 *
 * The memory of a guest, and the log of what was written to it, are files of
 * its hypervisor's, which can make them shorter, or take their pages away, at
 * any moment.  A thread that touches them then gets SIGBUS, which ends the
 * process.  With this module it costs the guest alone.
 *
 * - Whoever maps a guest's file says so with guest_sigbus_add(), before the
 *   memory is touched, and takes that back with guest_sigbus_remove() before
 *   it is unmapped, when no thread touches it any more.
 *
 * - A SIGBUS that tells of an address in such a mapping, whichever thread gets
 *   it, is the guest's.  The whole mapping is replaced by memory of this
 *   process's own, which is zero, and the thread goes on.  (The whole mapping,
 *   since that is as many mappings of the kernel's afterwards as before, whose
 *   number is limited; and since pages of any size can be replaced so, without
 *   that theirs has to be known.)
 *
 * - The guest that the mapping belongs to is marked: guest_sigbus_is_broken().
 *   Whoever serves it has to ask that now and then, and to end what there is
 *   between them.  Until then all that is read may be zeros.
 *
 * - Any other SIGBUS is none of our business: what was to be done with it
 *   before is done, and our handler stays.
 *
 * A library may touch a guest's memory before its user can know where that is
 * mapped.  For this, guest_sigbus_expect() has the calling thread look into
 * the list of the kernel's which files are mapped where it got a SIGBUS.
 *
 * Who else catches SIGBUS
 * -----------------------
 *
 * A library that installs a handler of its own with sigaction(), and be it for
 * a moment, as DPDK does whenever its heap grows, takes ours away, in all
 * threads.  DPDK's jumps (siglongjmp()) to where its own thread called it
 * from; a thread that touches a guest's memory at this moment would go on on
 * the other's stack.  So a program that uses such a library defines
 * sigaction() itself, which libraries then find before that of the C library,
 * and hands calls for SIGBUS over to guest_sigbus_action() while
 * guest_sigbus_is_caught() is true.  That keeps the library's handler as the
 * one to be called for what is not a guest's.
 *
 * A handler that wants to know no more than the number of the signal (no
 * SA_SIGINFO) can only be about what the thread does that installs it.  It is
 * called for that thread alone, if installed by guest_sigbus_action().
 *
 * Thread-safety
 * -------------
 *
 * guest_sigbus_add() and guest_sigbus_remove() may be called from any thread.
 * guest_sigbus_expect() is about the calling thread.  guest_sigbus_init() is
 * to be called by one thread. */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "guest-file.h"

/* Files of one guest that guest_sigbus_expect() knows at most: as many regions
 * of memory, new and old ones, and logs. */
#define GUEST_SIGBUS_MAX_FILES 32

/* A guest, as far as its memory is concerned.  To be zeroed before it is used,
 * and not to go before all its mappings have been removed. */
struct guest_sigbus {
    bool broken;                /* Atomic: memory was not there. */

    /* Files of its that may be mapped.  Not to be changed while a thread
     * expects it, but by that thread. */
    unsigned int n_files;
    struct guest_file files[GUEST_SIGBUS_MAX_FILES];
};

int guest_sigbus_init(void);
bool guest_sigbus_is_caught(void);
int guest_sigbus_action(const struct sigaction *, struct sigaction *old);

int guest_sigbus_add(struct guest_sigbus *, void *start, size_t len);
void guest_sigbus_remove(struct guest_sigbus *, const void *start);

void guest_sigbus_add_file(struct guest_sigbus *, const struct guest_file *);
void guest_sigbus_expect(struct guest_sigbus *);

/* Returns true if memory of 'guest' was not there when it was touched. */
static inline bool
guest_sigbus_is_broken(const struct guest_sigbus *guest)
{
    return __atomic_load_n(&guest->broken, __ATOMIC_RELAXED);
}

#endif /* guest-sigbus.h */
