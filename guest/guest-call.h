/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef GUEST_CALL_H
#define GUEST_CALL_H 1

/* Interrupting a guest, and being kicked by it
 * ============================================
 *
 * A guest is interrupted, and kicks, by eventfds that its hypervisor has made
 * and keeps.  What a process can do to an eventfd, whoever else has it can do
 * at the same moment: fill its counter, so that a write() waits, empty it, so
 * that a read() waits, and clear O_NONBLOCK, which is the open file's and not
 * the descriptor's, so that these do wait.  A look before the write(), by
 * poll() or by setting O_NONBLOCK, only makes that moment short.
 *
 * The kernel itself, when it interrupts, adds to a counter without waiting,
 * and stops at the largest number.  guest_call() has it do so: it submits an
 * asynchronous read of no bytes (io_submit(2)), which is complete at once,
 * with the eventfd as the one to be told.  That costs about 600 ns, a write()
 * 250 ns.  (io_uring tells an eventfd too, but only one that was registered
 * with the ring before: there would have to be a ring, and its memory, for
 * each virtqueue; and many systems do not have io_uring at all.)
 *
 * A thread makes itself what it needs for that with its first call.  If the
 * kernel does not give it one (fs.aio-max-nr), it uses one that all threads
 * share, which guest_call_init() has made.  Only if there is none (a kernel
 * without asynchronous I/O) does guest_call() write, after it set O_NONBLOCK.
 * Then a hypervisor that means harm has that short moment, of which
 * guest_call_init() tells.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread. */

#include <stdbool.h>
#include <stdint.h>

int guest_call_init(void);
int guest_call(int fd);
int guest_kick_take(int fd, uint64_t *np);

#endif /* guest-call.h */
