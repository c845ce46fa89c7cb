/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-reach.h"

#include <stdlib.h>

#include "hash.h"
#include "odp-util.h"
#include "offload-flow.h"
#include "offload-lock.h"
#include "offload-retry.h"
#include "openvswitch/hmap.h"
#include "openvswitch/thread.h"
#include "util.h"

/* Packets of a port at a place in a NIC. */
struct where {
    uint16_t domain;
    struct offload_place place;
    const struct offload_port *port;    /* Where packets enter the NIC: NULL,
                                         * for any, if they left a tunnel. */
};

struct waiter {
    struct hmap_node where_node;        /* In 'by_where'. */
    struct hmap_node flow_node;         /* In 'by_flow'. */
    struct offload_flow *flow;          /* Is here for no longer than it has
                                         * a reference to itself: see
                                         * remove_flow(). */
    struct where where;
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct hmap by_where OVS_GUARDED_BY(mutex)
    = HMAP_INITIALIZER(&by_where);
static struct hmap by_flow OVS_GUARDED_BY(mutex) = HMAP_INITIALIZER(&by_flow);

static struct where
make_where(uint16_t domain, const struct offload_place *place,
           const struct offload_port *port)
{
    return (struct where) {
        .domain = domain,
        .place = *place,
        .port = place->tunnel == ODPP_NONE ? port : NULL,
    };
}

static uint32_t
hash_where(const struct where *where)
{
    return hash_pointer(where->port,
                        hash_3words(where->domain, where->place.recirc_id,
                                    odp_to_u32(where->place.tunnel)));
}

static bool
where_equal(const struct where *a, const struct where *b)
{
    return (a->port == b->port && a->domain == b->domain
            && a->place.recirc_id == b->place.recirc_id
            && a->place.tunnel == b->place.tunnel);
}

static struct waiter *
find(const struct offload_flow *flow)
    OVS_REQUIRES(mutex)
{
    struct waiter *w;

    HMAP_FOR_EACH_WITH_HASH (w, flow_node, hash_pointer(flow, 0), &by_flow) {
        if (w->flow == flow) {
            return w;
        }
    }
    return NULL;
}

static void
forget(struct waiter *w)
    OVS_REQUIRES(mutex)
{
    hmap_remove(&by_where, &w->where_node);
    hmap_remove(&by_flow, &w->flow_node);
    free(w);
}

void
offload_reach_forget(struct offload_flow *flow)
    OVS_EXCLUDED(mutex)
{
    struct waiter *w;

    offload_lock(&mutex, REACH);
    w = find(flow);
    if (w) {
        forget(w);
    }
    offload_unlock(&mutex, REACH);
}

static void
wait_for(struct offload_flow *flow, const struct where *where)
    OVS_EXCLUDED(mutex)
{
    struct waiter *w;

    offload_lock(&mutex, REACH);
    w = find(flow);
    if (w) {
        hmap_remove(&by_where, &w->where_node);
    } else {
        w = xmalloc(sizeof *w);
        w->flow = flow;
        hmap_insert(&by_flow, &w->flow_node, hash_pointer(flow, 0));
    }
    w->where = *where;
    hmap_insert(&by_where, &w->where_node, hash_where(where));
    offload_unlock(&mutex, REACH);
}

/* Waits before it looks: a jump that comes in between then finds 'flow'. */
bool
offload_reach_check(struct offload_flow *flow,
                    struct offload_group *group, uint16_t domain,
                    const struct offload_place *place,
                    const struct offload_port *port)
    OVS_EXCLUDED(mutex)
{
    if (!offload_group_is_reached(group, port)) {
        const struct where where = make_where(domain, place, port);

        wait_for(flow, &where);
        if (!offload_group_is_reached(group, port)) {
            return false;
        }
        offload_reach_forget(flow);
    }
    return true;
}

void
offload_reach_found(uint16_t domain, const struct offload_place *place,
                    const struct offload_port *port)
    OVS_EXCLUDED(mutex)
{
    const struct where where = make_where(domain, place, port);
    uint32_t hash = hash_where(&where);
    struct waiter *w;
    bool again = true;

    offload_lock(&mutex, REACH);
    while (again) {
        again = false;
        HMAP_FOR_EACH_WITH_HASH (w, where_node, hash, &by_where) {
            if (where_equal(&w->where, &where)) {
                offload_retry_add(w->flow, OFFLOAD_RETRY_SOON);
                forget(w);
                again = true;
                break;
            }
        }
    }
    offload_unlock(&mutex, REACH);
}
