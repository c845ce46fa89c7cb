/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-retry.h"

#include "offload-flow.h"
#include "openvswitch/list.h"
#include "openvswitch/thread.h"
#include "ovs-atomic.h"
#include "util.h"

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;

/* Records, by their 'retry_node'.  Each is a reference. */
static struct ovs_list want_room OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&want_room);
static struct ovs_list soon OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&soon);

/* How many there are in 'soon', to be looked at without the lock. */
static atomic_count n_soon = ATOMIC_COUNT_INIT(0);

/* Takes 'flow' out of its list.  The caller has its reference then. */
static void
take(struct offload_flow *flow)
    OVS_REQUIRES(mutex)
{
    ovs_list_remove(&flow->retry_node);
    if (flow->retry == OFFLOAD_RETRY_SOON) {
        atomic_count_dec(&n_soon);
    }
    flow->retry = OFFLOAD_RETRY_NO;
}

static void
put_soon(struct offload_flow *flow)
    OVS_REQUIRES(mutex)
{
    ovs_list_push_back(&soon, &flow->retry_node);
    flow->retry = OFFLOAD_RETRY_SOON;
    atomic_count_inc(&n_soon);
}

void
offload_retry_add(struct offload_flow *flow, bool is_soon)
    OVS_EXCLUDED(mutex)
{
    ovs_mutex_lock(&mutex);
    if (flow->retry == OFFLOAD_RETRY_NO) {
        ovs_refcount_ref(&flow->ref_cnt);
        if (is_soon) {
            put_soon(flow);
        } else {
            ovs_list_push_back(&want_room, &flow->retry_node);
            flow->retry = OFFLOAD_RETRY_ROOM;
        }
    }
    ovs_mutex_unlock(&mutex);
}

void
offload_retry_remove(struct offload_flow *flow)
    OVS_EXCLUDED(mutex)
{
    bool waited;

    ovs_mutex_lock(&mutex);
    waited = flow->retry != OFFLOAD_RETRY_NO;
    if (waited) {
        take(flow);
    }
    ovs_mutex_unlock(&mutex);
    if (waited) {
        offload_flow_unref(flow);
    }
}

void
offload_retry_room(void)
    OVS_EXCLUDED(mutex)
{
    ovs_mutex_lock(&mutex);
    if (!ovs_list_is_empty(&want_room)) {
        struct offload_flow *flow
            = CONTAINER_OF(ovs_list_front(&want_room), struct offload_flow,
                           retry_node);

        take(flow);
        put_soon(flow);
    }
    ovs_mutex_unlock(&mutex);
}

struct offload_flow *
offload_retry_pop(void)
    OVS_EXCLUDED(mutex)
{
    struct offload_flow *flow = NULL;

    if (!atomic_count_get(&n_soon)) {
        return NULL;
    }
    ovs_mutex_lock(&mutex);
    if (!ovs_list_is_empty(&soon)) {
        flow = CONTAINER_OF(ovs_list_front(&soon), struct offload_flow,
                            retry_node);
        take(flow);
    }
    ovs_mutex_unlock(&mutex);
    return flow;
}
