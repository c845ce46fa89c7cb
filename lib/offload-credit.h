/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What a rule counted too late
 * ============================
 *
 * Open vSwitch asks for a megaflow's counters for the last time when it
 * removes the megaflow; an offload thread removes the rule a little later.
 * What hit the rule in between would be lost.  It is kept here, for a while,
 * for the megaflow's successor: the same match, with other actions perhaps.
 *
 * Thread-safety: all functions may be called from any thread.  The lock is
 * taken after all others. */

#ifndef OFFLOAD_CREDIT_H
#define OFFLOAD_CREDIT_H 1

#include "offload-rule.h"
#include "openvswitch/types.h"

/* Keeps 'stats' for the next megaflow 'ufid'. */
void offload_credit_give(const ovs_u128 *ufid,
                         const struct offload_rule_stats *stats);

/* Adds to '*stats' what is there for 'ufid', which is spent then. */
void offload_credit_take(const ovs_u128 *ufid,
                         struct offload_rule_stats *stats);

#endif /* offload-credit.h */
