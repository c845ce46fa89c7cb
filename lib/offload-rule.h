/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Rules in the NIC
 * ================
 *
 * The one way by which rules get into a NIC and out of it.  Callers hold an
 * opaque struct offload_rule; how the rule was put there is known here only.
 * Today that is rte_flow's synchronous interface, by Open vSwitch's own
 * wrappers for it.
 *
 * A NIC that was removed, or whose process died, answers EIO or ENODEV.  It
 * has no rules any more, so there offload_rule_destroy() succeeds.
 *
 * Thread-safety
 * -------------
 *
 * Functions may be called from several threads at once for different rules;
 * rte_flow serializes what a driver can't do in parallel.  For one rule, and
 * between creation of rules with the same match, the caller serializes.  The
 * caller also makes sure that 'netdev', which entered into a rule, is neither
 * reconfigured nor destroyed while a function runs, and not destroyed before
 * the rule. */

#ifndef OFFLOAD_RULE_H
#define OFFLOAD_RULE_H 1

#include <stdbool.h>
#include <stdint.h>

#include <rte_flow.h>

struct ds;
struct netdev;
struct offload_actions;
struct offload_match;
struct offload_refusal;
struct offload_rule;

/* Counters of one rule since it was created. */
struct offload_rule_stats {
    uint64_t n_packets;
    uint64_t n_bytes;           /* Ethernet frames without FCS; of packets in
                                 * a tunnel, the inner ones. */
};

/* The attributes of megaflows' rules: over all ports of the eSwitch, in
 * 'group'.  Megaflows do not overlap, so that one priority does. */
void offload_rule_attr(struct rte_flow_attr *, uint32_t group);

/* Puts a rule into 'group' of the NIC of 'netdev', a port with a DPDK device
 * that is in the NIC's eSwitch.  The rule keeps 'netdev', without a
 * reference, but not 'om' and 'oa'.
 *
 * Returns 0 and the rule in '*rulep', to be destroyed by the caller, or a
 * positive errno and the reason, with the NIC's own words, in '*refusal'. */
int offload_rule_create(struct netdev *netdev, uint32_t group,
                        const struct offload_match *om,
                        const struct offload_actions *oa,
                        struct offload_rule **rulep,
                        struct offload_refusal *refusal);

/* Puts a rule of lowest priority into 'group', which sends packets that
 * entered by the port of 'netdev', with 'mark', to that port's ethdev.
 * 'domain' is that of the NIC.  Otherwise like offload_rule_create(). */
int offload_rule_create_miss(struct netdev *netdev, uint32_t group,
                             uint32_t mark, uint16_t domain,
                             struct offload_rule **rulep,
                             struct offload_refusal *refusal);

/* Takes 'rule' out of the NIC.  Returns 0, and 'rule' is freed, or a positive
 * errno, and 'rule' is still there. */
int offload_rule_destroy(struct offload_rule *rule);

/* Frees 'rule' without a word to the NIC, because that forgets its rules by
 * itself. */
void offload_rule_abandon(struct offload_rule *rule);

/* Reads the counters of 'rule' into '*stats'.  Fields that the NIC does not
 * supply stay as they are.  Returns 0 or a positive errno. */
int offload_rule_query(struct offload_rule *rule,
                       struct offload_rule_stats *stats);

/* Returns the "flow create" command that 'rule' is. */
const char *offload_rule_text(const struct offload_rule *rule);

/* Returns true if 'error', from a function above, says that the NIC is no
 * longer there. */
bool offload_rule_nic_gone(int error);

#endif /* offload-rule.h */
