/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Megaflows to be offered to the NIC again
 * ========================================
 *
 * dpif-netdev offers a megaflow once.  If it was refused because the NIC had
 * no room, or has lost its rule because of something that passes, it waits
 * here: for room, or for the next opportunity.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread.  The lock is taken after all
 * others. */

#ifndef OFFLOAD_RETRY_H
#define OFFLOAD_RETRY_H 1

#include <stdbool.h>

struct offload_flow;

/* Has 'flow' wait until the NIC has room, or, if 'soon', until somebody has
 * time. */
void offload_retry_add(struct offload_flow *flow, bool soon);

/* Has 'flow' no longer wait. */
void offload_retry_remove(struct offload_flow *flow);

/* To be called when a rule went: one of those that wait for room may try. */
void offload_retry_room(void);

/* Returns a reference to a record that may try now, and does not wait any
 * more, or NULL. */
struct offload_flow *offload_retry_pop(void);

#endif /* offload-retry.h */
