/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-retry.h"

#include "offload-flow.h"
#include "offload-lock.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/thread.h"
#include "ovs-thread.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;

/* Records, by their 'retry_node'.  Each is a reference.  In 'later', the first
 * is the one whose time comes first. */
static struct ovs_list want_room OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&want_room);
static struct ovs_list soon OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&soon);
static struct ovs_list later OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&later);

static struct seq *
get_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

static struct offload_flow *
first(const struct ovs_list *list)
{
    return CONTAINER_OF(ovs_list_front(list), struct offload_flow,
                        retry_node);
}

/* Takes 'flow' out of its list.  The caller has its reference then. */
static void
take(struct offload_flow *flow)
    OVS_REQUIRES(mutex)
{
    ovs_list_remove(&flow->retry_node);
    flow->retry = OFFLOAD_RETRY_NO;
}

static void
put(struct offload_flow *flow, enum offload_retry what)
    OVS_REQUIRES(mutex)
{
    ovs_list_push_back(what == OFFLOAD_RETRY_ROOM ? &want_room
                       : what == OFFLOAD_RETRY_SOON ? &soon : &later,
                       &flow->retry_node);
    flow->retry = what;
    flow->retry_due = time_msec() + OFFLOAD_RETRY_MS;
}

void
offload_retry_add(struct offload_flow *flow, enum offload_retry what)
    OVS_EXCLUDED(mutex)
{
    offload_lock(&mutex, LEAF);
    if (flow->retry == OFFLOAD_RETRY_NO) {
        ovs_refcount_ref(&flow->ref_cnt);
        put(flow, what);
    } else if (flow->retry != OFFLOAD_RETRY_SOON
               && flow->retry != what
               && what != OFFLOAD_RETRY_ROOM) {
        take(flow);
        put(flow, what);
    }
    offload_unlock(&mutex, LEAF);
    if (what != OFFLOAD_RETRY_ROOM) {
        seq_change(get_seq());
    }
}

void
offload_retry_remove(struct offload_flow *flow)
    OVS_EXCLUDED(mutex)
{
    bool waited;

    offload_lock(&mutex, LEAF);
    waited = flow->retry != OFFLOAD_RETRY_NO;
    if (waited) {
        take(flow);
    }
    offload_unlock(&mutex, LEAF);
    if (waited) {
        offload_flow_unref(flow);
    }
}

void
offload_retry_room(void)
    OVS_EXCLUDED(mutex)
{
    bool any;

    offload_lock(&mutex, LEAF);
    any = !ovs_list_is_empty(&want_room);
    if (any) {
        struct offload_flow *flow = first(&want_room);

        take(flow);
        put(flow, OFFLOAD_RETRY_SOON);
    }
    offload_unlock(&mutex, LEAF);
    if (any) {
        seq_change(get_seq());
    }
}

void
offload_retry_hurry(void)
    OVS_EXCLUDED(mutex)
{
    offload_lock(&mutex, LEAF);
    while (!ovs_list_is_empty(&later)) {
        struct offload_flow *flow = first(&later);

        take(flow);
        put(flow, OFFLOAD_RETRY_SOON);
    }
    offload_unlock(&mutex, LEAF);
    seq_change(get_seq());
}

struct offload_flow *
offload_retry_pop(void)
    OVS_EXCLUDED(mutex)
{
    struct offload_flow *flow = NULL;

    offload_lock(&mutex, LEAF);
    if (!ovs_list_is_empty(&soon)) {
        flow = first(&soon);
    } else if (!ovs_list_is_empty(&later)
               && first(&later)->retry_due <= time_msec()) {
        flow = first(&later);
    }
    if (flow) {
        take(flow);
    }
    offload_unlock(&mutex, LEAF);
    return flow;
}

uint64_t
offload_retry_seq(void)
{
    return seq_read(get_seq());
}

void
offload_retry_wait(uint64_t seq)
    OVS_EXCLUDED(mutex)
{
    seq_wait(get_seq(), seq);
    offload_lock(&mutex, LEAF);
    if (!ovs_list_is_empty(&soon)) {
        poll_immediate_wake();
    } else if (!ovs_list_is_empty(&later)) {
        poll_timer_wait_until(first(&later)->retry_due);
    }
    offload_unlock(&mutex, LEAF);
}
