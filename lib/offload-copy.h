/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Copies of a megaflow
 * ====================
 *
 * Each PMD thread that receives packets of a megaflow has a copy of it, and
 * all of these share a rule.  Open vSwitch asks for the counters of each copy
 * and adds them up, so that what the rule counts is told to one: the one that
 * asks first.  What it was told stays its own.
 *
 * dpif-netdev names a megaflow by a pointer to its mega_ufid, which is in the
 * copy at hand (struct dp_netdev_flow).  A reference to each is kept, so that
 * its address is not another's, and so that the end of the last one is seen.
 *
 * Thread-safety: for one struct offload_copies, the caller serializes. */

#ifndef OFFLOAD_COPY_H
#define OFFLOAD_COPY_H 1

#include <stdbool.h>
#include <stddef.h>

#include "offload-rule.h"
#include "openvswitch/types.h"

struct dp_netdev_flow;
struct nlattr;

struct offload_copy {
    struct dp_netdev_flow *flow;        /* A reference. */
    struct offload_rule_stats told;     /* What it was told. */
};

struct offload_copies {
    struct offload_copy *copies;
    size_t n, allocated;
    struct offload_rule_stats told;     /* To all, and to those gone. */
};

/* Notes that the megaflow has the copy that 'mega_ufid' points into. */
void offload_copies_add(struct offload_copies *, const ovs_u128 *mega_ufid);

/* Tells that copy of what is new in 'total', and stores in '*stats' all that
 * it has ever been told. */
void offload_copies_tell(struct offload_copies *, const ovs_u128 *mega_ufid,
                         const struct offload_rule_stats *total,
                         struct offload_rule_stats *stats);

/* Forgets copies that are dead.  Returns true if there are others. */
bool offload_copies_alive(struct offload_copies *);

/* Returns false if there are copies, but none that has 'actions'; then
 * '*newp' and '*new_lenp' are the actions of one of them, until the next grace
 * period. */
bool offload_copies_have_actions(struct offload_copies *,
                                 const struct nlattr *actions, size_t len,
                                 const struct nlattr **newp,
                                 size_t *new_lenp);

/* Makes '*mega_ufid', which is that of a megaflow in the making, one that no
 * megaflow with the same values under another mask has. */
void offload_copy_add_mask(ovs_u128 *mega_ufid);

/* Forgets all copies. */
void offload_copies_clear(struct offload_copies *);

#endif /* offload-copy.h */
