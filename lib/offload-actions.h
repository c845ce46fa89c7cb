/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Megaflow actions -> rte_flow actions
 * ====================================
 *
 * The result of the rte_flow actions is that of the megaflow's actions, on
 * every packet that the rule matches: the same bytes, out of the same port.
 * What can't be said exactly is refused by name.
 *
 * All rules count: the first action is COUNT.  The last one is DROP or
 * REPRESENTED_PORT, which delivers to what the ethdev stands for: a
 * representor's VF, or, for the uplink's ethdev, the wire.
 *
 * Checksums over rewritten fields are the NIC's to mend.
 *
 * Nothing is allocated: a struct offload_actions holds its actions and what
 * they point to, and is meant for the stack.
 *
 * Thread-safety
 * -------------
 *
 * A struct offload_actions belongs to its caller. */

#ifndef OFFLOAD_ACTIONS_H
#define OFFLOAD_ACTIONS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_flow.h>

#include "openvswitch/types.h"

struct nlattr;
struct offload_match;
struct offload_refusal;

/* COUNT, pop, push with VID and PCP, two addresses of Ethernet and of IP, TTL,
 * DSCP, two ports, output and END make 15. */
#define OFFLOAD_MAX_ACTIONS 24

union offload_action_conf {
    struct rte_flow_action_count count;
    struct rte_flow_action_ethdev ethdev;
    struct rte_flow_action_set_mac set_mac;
    struct rte_flow_action_set_ipv4 set_ipv4;
    struct rte_flow_action_set_ipv6 set_ipv6;
    struct rte_flow_action_set_ttl set_ttl;
    struct rte_flow_action_set_dscp set_dscp;
    struct rte_flow_action_set_tp set_tp;
    struct rte_flow_action_of_push_vlan push_vlan;
    struct rte_flow_action_of_set_vlan_vid vlan_vid;
    struct rte_flow_action_of_set_vlan_pcp vlan_pcp;
};

struct offload_actions {
    struct rte_flow_action actions[OFFLOAD_MAX_ACTIONS]; /* Ends with END. */
    size_t n_actions;                                    /* Without END. */
    union offload_action_conf confs[OFFLOAD_MAX_ACTIONS];

    odp_port_t out_port;        /* ODPP_NONE if packets are dropped. */
};

/* Finds the ethdev of datapath port 'port_no', to be output to.  Returns true
 * and its DPDK port number in '*port_id', or false and '*refusal'. */
typedef bool offload_resolve_port_func(odp_port_t port_no, uint16_t *port_id,
                                       struct offload_refusal *refusal,
                                       void *aux);

/* Translates the 'actions_len' bytes of datapath actions at 'actions' into
 * '*oa', which must then not be copied, since it points into itself.  'om' is
 * the translated match of the same megaflow: it says what is known of the
 * packets, and becomes narrower where an action needs that.
 *
 * Returns true if successful, otherwise false with the reason in
 * '*refusal'. */
bool offload_actions_init(struct offload_actions *oa,
                          const struct nlattr *actions, size_t actions_len,
                          struct offload_match *om,
                          offload_resolve_port_func *resolve, void *aux,
                          struct offload_refusal *refusal);

#endif /* offload-actions.h */
