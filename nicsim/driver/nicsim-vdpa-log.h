/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * A file descriptor for a guest's dirty log
 * =========================================
 *
 * The NIC marks the pages of a guest that it writes in a bitmap, which the
 * hypervisor shares with us.  It needs the file for that, but librte_vhost
 * closes the file once it has mapped it, and tells the address only.  The
 * kernel gives the file of a mapping back through /proc/self/map_files, if the
 * process is privileged (CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN) and the
 * kernel has that directory. */

#ifndef NICSIM_VDPA_LOG_H
#define NICSIM_VDPA_LOG_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns whether nicsim_vdpa_log_open() can work in this process.  It is
 * tried once, with a mapping of our own. */
bool nicsim_vdpa_log_possible(void);

/* Opens the file that is mapped, shared and writable, at all of the 'len'
 * bytes at 'addr'.  Returns 0 and stores a descriptor that the caller must
 * close in '*fdp' and the offset of 'addr' in the file in '*offsetp', or
 * returns a positive errno. */
int nicsim_vdpa_log_open(uint64_t addr, uint64_t len, int *fdp,
                         uint64_t *offsetp);

#endif /* nicsim-vdpa-log.h */
