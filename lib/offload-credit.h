/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What a rule counted too late
 * ============================
 *
 * Open vSwitch asks for a megaflow's counters for the last time when it
 * removes the megaflow; an offload thread removes the rule a little later.
 * What hit the rule in between would be lost.  It is kept here, for a while,
 * for the megaflow's successor, if that can't be of another OpenFlow rule: it
 * has the same match and the same actions, and nothing has changed in the
 * meantime that makes Open vSwitch look at megaflows again (flow tables,
 * ports, MAC learning).
 *
 * Thread-safety: all functions may be called from any thread. */

#ifndef OFFLOAD_CREDIT_H
#define OFFLOAD_CREDIT_H 1

#include "offload-rule.h"
#include "openvswitch/types.h"

struct nlattr;

/* Keeps 'stats' for the next megaflow 'ufid' with 'actions'. */
void offload_credit_give(const ovs_u128 *ufid, const struct nlattr *actions,
                         size_t actions_len,
                         const struct offload_rule_stats *stats);

/* Adds to '*stats' what is there for 'ufid' with 'actions', which is spent
 * then. */
void offload_credit_take(const ovs_u128 *ufid, const struct nlattr *actions,
                         size_t actions_len,
                         struct offload_rule_stats *stats);

/* To be called when Open vSwitch is about to revalidate all megaflows. */
void offload_credit_revalidate(void);

#endif /* offload-credit.h */
