/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-copy.h"

#include <stdlib.h>
#include <string.h>

#include "dpif-netdev-private-flow.h"
#include "flow.h"
#include "netlink.h"
#include "odp-util.h"
#include "ovs-rcu.h"
#include "util.h"

static struct dp_netdev_flow *
flow_from_ufid(const ovs_u128 *mega_ufid)
{
    return CONTAINER_OF(CONST_CAST(ovs_u128 *, mega_ufid),
                        struct dp_netdev_flow, mega_ufid);
}

/* Finds or makes the copy.  NULL if its megaflow is being freed. */
static struct offload_copy *
get_copy(struct offload_copies *cs, const ovs_u128 *mega_ufid)
{
    struct dp_netdev_flow *flow = flow_from_ufid(mega_ufid);
    struct offload_copy *copy;

    for (size_t i = 0; i < cs->n; i++) {
        if (cs->copies[i].flow == flow) {
            return &cs->copies[i];
        }
    }
    offload_copies_alive(cs);
    if (!ovs_refcount_try_ref_rcu(&flow->ref_cnt)) {
        return NULL;
    }
    if (cs->n >= cs->allocated) {
        cs->copies = x2nrealloc(cs->copies, &cs->allocated,
                                sizeof *cs->copies);
    }
    copy = &cs->copies[cs->n++];
    memset(copy, 0, sizeof *copy);
    copy->flow = flow;
    return copy;
}

void
offload_copies_add(struct offload_copies *cs, const ovs_u128 *mega_ufid)
{
    get_copy(cs, mega_ufid);
}

void
offload_copies_tell(struct offload_copies *cs, const ovs_u128 *mega_ufid,
                    const struct offload_rule_stats *total,
                    struct offload_rule_stats *stats)
{
    struct offload_copy *copy = get_copy(cs, mega_ufid);

    if (!copy) {
        memset(stats, 0, sizeof *stats);
        return;
    }
    /* Nobody listens to one that is dead. */
    if (!copy->flow->dead && total->n_packets >= cs->told.n_packets) {
        copy->told.n_packets += total->n_packets - cs->told.n_packets;
        copy->told.n_bytes += total->n_bytes - cs->told.n_bytes;
        cs->told = *total;
    }
    *stats = copy->told;
}

bool
offload_copies_alive(struct offload_copies *cs)
{
    size_t n = 0;

    for (size_t i = 0; i < cs->n; i++) {
        if (cs->copies[i].flow->dead) {
            dp_netdev_flow_unref(cs->copies[i].flow);
        } else {
            cs->copies[n++] = cs->copies[i];
        }
    }
    cs->n = n;
    return cs->n > 0;
}

bool
offload_copies_have_actions(struct offload_copies *cs,
                            const struct nlattr *actions, size_t len,
                            const struct nlattr **newp, size_t *new_lenp)
{
    if (!offload_copies_alive(cs)) {
        return true;
    }
    for (size_t i = 0; i < cs->n; i++) {
        const struct dp_netdev_actions *a
            = ovsrcu_get(struct dp_netdev_actions *,
                         &cs->copies[i].flow->actions);

        if (a->size == len && !memcmp(a->actions, actions, len)) {
            return true;
        }
        *newp = a->actions;
        *new_lenp = a->size;
    }
    return false;
}

void
offload_copy_add_mask(ovs_u128 *mega_ufid)
{
    const struct dp_netdev_flow *flow = flow_from_ufid(mega_ufid);
    ovs_u128 hashes[2];
    struct flow mask;

    miniflow_expand(&flow->cr.mask->mf, &mask);
    hashes[0] = *mega_ufid;
    odp_flow_key_hash(&mask, sizeof mask, &hashes[1]);
    odp_flow_key_hash(hashes, sizeof hashes, mega_ufid);
}

void
offload_copies_clear(struct offload_copies *cs)
{
    for (size_t i = 0; i < cs->n; i++) {
        dp_netdev_flow_unref(cs->copies[i].flow);
    }
    free(cs->copies);
    memset(cs, 0, sizeof *cs);
}
