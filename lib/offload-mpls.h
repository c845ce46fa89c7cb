/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * MPLS -> rte_flow
 * ================
 *
 * DPDK 22.11 has an action that removes a label.  Which label to push can be
 * said in bytes only: RAW_DECAP takes layer 2 away, RAW_ENCAP puts it back
 * with the label behind it.  To replace the first label, RAW_DECAP takes that
 * away, too.
 *
 * So every byte of layer 2 has to be known.  What actions before have written
 * is; of the rest, the rule is narrowed to what the packet at hand has:
 * addresses and tags, with DEI bits of 0, of which Open vSwitch does not tell.
 * Other packets of the megaflow stay in software.
 *
 * Thread-safety
 * -------------
 *
 * As of the list that is added to. */

#ifndef OFFLOAD_MPLS_H
#define OFFLOAD_MPLS_H 1

#include <stdbool.h>

#include "openvswitch/types.h"

struct offload_action_list;
struct ovs_action_push_mpls;

/* Each adds what does the datapath action of its name, and returns true if
 * successful, otherwise false with the list's '*refusal'. */
bool offload_mpls_pop(struct offload_action_list *, ovs_be16 eth_type);
bool offload_mpls_push(struct offload_action_list *,
                       const struct ovs_action_push_mpls *);
bool offload_mpls_set(struct offload_action_list *, ovs_be32 lse);

#endif /* offload-mpls.h */
