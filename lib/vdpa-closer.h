/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_CLOSER_H
#define VDPA_CLOSER_H 1

/* Closing what a hypervisor handed over
 * =====================================
 *
 * close() may wait for whoever made the file: for a FUSE file system to hear
 * of it, for a TCP socket to linger, or, if nobody else has it, for gigabytes
 * of memory to be freed.  A socket takes the files that are still queued in it
 * along.  So files of hypervisors are closed in a thread made for that, which
 * nobody waits for.
 *
 * Thread-safety
 * -------------
 *
 * May be called from any thread; 'done_cb' comes from the one that was
 * made. */

#include <stdint.h>

void vdpa_close(const int fds[], unsigned int n,
                void (*done_cb)(uint64_t aux), uint64_t aux);

#endif /* vdpa-closer.h */
