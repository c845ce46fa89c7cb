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
 * A rule that the NIC has forgotten, because its device was closed or the NIC
 * removed, or for a reason of the NIC's own, is gone: offload_rule_destroy()
 * succeeds, and offload_rule_query() tells.
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
struct offload_actions;
struct offload_ethdev;
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

/* Puts a rule into 'group' of the NIC of ethdev 'port_id', which is in the
 * NIC's eSwitch.  'name' is the port's, for the log; neither is kept, nor are
 * 'om' and 'oa'.
 *
 * Returns 0 and the rule in '*rulep', to be destroyed by the caller, or a
 * positive errno and the reason, with the NIC's own words, in '*refusal'. */
int offload_rule_create(const char *name, uint16_t port_id, uint32_t group,
                        const struct offload_match *om,
                        const struct offload_actions *oa,
                        struct offload_rule **rulep,
                        struct offload_refusal *refusal);

/* Puts a rule of lowest priority into 'group', which sends packets that
 * entered by the port of ethdev 'port_id', or by any port if 'any', with
 * 'mark', to that ethdev.
 * 'domain' is that of the NIC.  Otherwise like offload_rule_create(). */
int offload_rule_create_miss(const char *name, uint16_t port_id, bool any,
                             uint32_t group, uint32_t mark, uint16_t domain,
                             struct offload_rule **rulep,
                             struct offload_refusal *refusal);

/* Takes 'rule' out of the NIC.  Returns 0, and 'rule' is freed, or a positive
 * errno, and 'rule' is still there. */
int offload_rule_destroy(struct offload_rule *rule);

/* Frees 'rule' without a word to the NIC, because that forgets it by
 * itself. */
void offload_rule_abandon(struct offload_rule *rule);

/* Reads the counters of 'rule' into '*stats'.  Fields that the NIC does not
 * supply stay as they are.  Returns 0 or a positive errno: ENODEV if the NIC
 * is gone, ENOENT if it is there but has forgotten the rule, another one if it
 * did not say. */
int offload_rule_query(struct offload_rule *rule,
                       struct offload_rule_stats *stats);

/* Returns the "flow create" command that 'rule' is. */
const char *offload_rule_text(const struct offload_rule *rule);

/* Returns the ethdev that 'rule' was made by. */
const struct offload_ethdev *offload_rule_ethdev(const struct offload_rule *);

#endif /* offload-rule.h */
