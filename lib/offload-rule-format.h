/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Rules as text
 * =============
 *
 * Prints a rule as the "flow create" command of dpdk-testpmd that makes it,
 * for logs, "ovs-appctl" and tests.
 *
 * testpmd has no words for a few fields, so that a command that holds them is
 * to be read, not to be typed: "has_hop_ext", "has_route_ext", "has_auth_ext"
 * and "has_dest_ext" of item ipv6, and "data_off" of item tcp, whose low four
 * bits are TCP flags 8 to 11; others of ARP, MPLS, VXLAN, Geneve and UDP.
 * testpmd has the actions of a sample and the headers of an encapsulation
 * stored beforehand ("set sample_actions", "set vxlan", "set raw_encap"): here
 * they stand in braces. */

#ifndef OFFLOAD_RULE_FORMAT_H
#define OFFLOAD_RULE_FORMAT_H 1

#include <stdint.h>

struct ds;
struct rte_flow_action;
struct rte_flow_attr;
struct rte_flow_item;

/* Appends the command that creates, by ethdev 'port_id', the rule of 'attr',
 * 'items' and 'actions', without a new-line.  Knows the items and actions of
 * offload-match.h and offload-actions.h. */
void offload_rule_format(struct ds *, uint16_t port_id,
                         const struct rte_flow_attr *attr,
                         const struct rte_flow_item *items,
                         const struct rte_flow_action *actions);

/* The parts: one item, a list of actions, and the same without their
 * values. */
void offload_rule_format_item(struct ds *, const struct rte_flow_item *);
void offload_rule_format_actions(struct ds *, const struct rte_flow_action *);
void offload_rule_format_action_names(struct ds *,
                                      const struct rte_flow_action *);

#endif /* offload-rule-format.h */
