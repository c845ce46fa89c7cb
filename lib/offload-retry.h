/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Records that wait for something
 * ===============================
 *
 * dpif-netdev offers a megaflow once.  If it was refused because the NIC had
 * no room, or has lost its rule because of something that passes, or if the
 * NIC does not give up its rule, its record waits here: for room, for a
 * moment, or for a second to pass.  A thread of the provider's own looks after
 * those whose time has come (offload-provider.c).
 *
 * Thread-safety: all functions may be called from any thread. */

#ifndef OFFLOAD_RETRY_H
#define OFFLOAD_RETRY_H 1

#include <stdbool.h>
#include <stdint.h>

struct offload_flow;

/* Whether a record waits, and for what. */
enum offload_retry {
    OFFLOAD_RETRY_NO,
    OFFLOAD_RETRY_ROOM,         /* For room in the NIC. */
    OFFLOAD_RETRY_SOON,         /* For the thread to have time. */
    OFFLOAD_RETRY_LATER,        /* For a second to pass. */
};

#define OFFLOAD_RETRY_MS 1000

/* Has 'flow' wait for 'what'; if it waits already, for what comes first. */
void offload_retry_add(struct offload_flow *flow, enum offload_retry what);

/* Has 'flow' no longer wait. */
void offload_retry_remove(struct offload_flow *flow);

/* To be called when a rule went: one of those that wait for room may try. */
void offload_retry_room(void);

/* Has all that wait for time to pass wait no longer. */
void offload_retry_hurry(void);

/* Returns a reference to a record that may try now, and does not wait any
 * more, or NULL. */
struct offload_flow *offload_retry_pop(void);

/* Returns a number that changes when a record may try, and has the caller's
 * poll_block() return then, or when a record's time has come. */
uint64_t offload_retry_seq(void);
void offload_retry_wait(uint64_t seq);

#endif /* offload-retry.h */
