/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Megaflow actions -> rte_flow actions
 * ====================================
 *
 * The result of the rte_flow actions is that of the megaflow's actions, on
 * every packet that the rule matches: the same bytes, out of the same ports.
 * What can't be said exactly is refused by name, and then the whole megaflow
 * stays in software, so that nothing is sent twice or never.
 *
 *    - All rules count: the first action is COUNT.
 *
 *    - rte_flow has one fate for a packet.  So the last output of a list is
 *      the rule's fate, and each one before is SAMPLE with a ratio of 1, which
 *      does its own list of actions to a copy of the packet as it is at that
 *      point.  Rewrites between outputs stand between the samples.
 *
 *    - REPRESENTED_PORT delivers to what the ethdev stands for: a
 *      representor's VF, or, for the uplink's ethdev, the wire.  PORT_ID does
 *      the same.
 *
 *    - A clone in the middle of a list becomes a sample if it has one output,
 *      at its end, because its rewrites must not be seen behind it.
 *
 *    - recirc and tnl_pop end a list.  They become JUMP to a group, see
 *      offload-group.h.
 *
 * Checksums over rewritten fields are the NIC's to mend.
 *
 * Nothing is allocated: a struct offload_actions holds its actions and what
 * they point to, about 25 kB, and is meant for the stack.
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

#include "offload-match.h"
#include "openvswitch/types.h"

struct nlattr;
struct offload_refusal;

/* A NIC takes far fewer, and says so. */
#define OFFLOAD_MAX_ACTIONS    64   /* Of the rule, with END. */
#define OFFLOAD_MAX_SUBACTIONS 16   /* Of a sample, with END. */
#define OFFLOAD_MAX_SAMPLES    16
#define OFFLOAD_MAX_CONFS     128
#define OFFLOAD_MAX_HEADERS     4
#define OFFLOAD_HEADER_SIZE   512   /* As TNL_PUSH_HEADER_SIZE. */

union offload_action_conf {
    struct rte_flow_action_count count;
    struct rte_flow_action_ethdev ethdev;
    struct rte_flow_action_port_id port_id;
    struct rte_flow_action_jump jump;
    struct rte_flow_action_mark mark;
    struct rte_flow_action_meter meter;
    struct rte_flow_action_modify_field modify_field;
    struct rte_flow_action_sample sample;
    struct rte_flow_action_set_mac set_mac;
    struct rte_flow_action_set_ipv4 set_ipv4;
    struct rte_flow_action_set_ipv6 set_ipv6;
    struct rte_flow_action_set_ttl set_ttl;
    struct rte_flow_action_set_dscp set_dscp;
    struct rte_flow_action_set_tp set_tp;
    struct rte_flow_action_of_push_vlan push_vlan;
    struct rte_flow_action_of_set_vlan_vid vlan_vid;
    struct rte_flow_action_of_set_vlan_pcp vlan_pcp;
    struct rte_flow_action_of_pop_mpls pop_mpls;
    struct rte_flow_action_vxlan_encap vxlan_encap;
    struct rte_flow_action_raw_encap raw_encap;
    struct rte_flow_action_raw_decap raw_decap;
};

/* An encapsulation, in both forms. */
struct offload_header {
    uint8_t bytes[OFFLOAD_HEADER_SIZE];
    size_t size;
    struct rte_flow_item items[5];      /* Ethernet, IP, UDP, VXLAN, END. */
    struct rte_flow_item_eth eth;
    struct rte_flow_item_ipv4 ipv4;
    struct rte_flow_item_ipv6 ipv6;
    struct rte_flow_item_udp udp;
    struct rte_flow_item_vxlan vxlan;
};

struct offload_actions {
    struct rte_flow_action actions[OFFLOAD_MAX_ACTIONS]; /* Ends with END. */
    struct rte_flow_action samples[OFFLOAD_MAX_SAMPLES]
                                  [OFFLOAD_MAX_SUBACTIONS];
    union offload_action_conf confs[OFFLOAD_MAX_CONFS];
    struct offload_header headers[OFFLOAD_MAX_HEADERS];
    size_t n_samples, n_confs, n_headers;

    unsigned int forms_used;    /* OFFLOAD_FORM_* that made a difference. */
};

/* What translation asks its caller.  Each function returns true if successful,
 * otherwise false with '*refusal'. */
struct offload_actions_ops {
    /* Finds the ethdev of datapath port 'port_no', to be output to, and stores
     * its DPDK port number in '*port_id'.  Frames are 'growth' bytes longer
     * there than the MTU of their input port and Ethernet's header. */
    bool (*output)(odp_port_t port_no, int growth, uint16_t *port_id,
                   struct offload_refusal *refusal, void *aux);

    /* Finds the group of packets with 'recirc_id', or, if that is 0, of those
     * that are to leave tunnel port 'tnl_port'.  'hash_gone' is true if Open
     * vSwitch would calculate their hash anew. */
    bool (*jump)(uint32_t recirc_id, odp_port_t tnl_port, bool hash_gone,
                 uint32_t *group, struct offload_refusal *refusal, void *aux);

    /* Finds the NIC's meter for the datapath's meter 'id'. */
    bool (*meter)(uint32_t id, uint32_t *mtr_id,
                  struct offload_refusal *refusal, void *aux);

    /* Finds the mark with which the NIC is to send packets to software for the
     * action 'userspace', and the ethdev to which. */
    bool (*userspace)(const struct nlattr *userspace, uint32_t *mark,
                      uint16_t *port_id, struct offload_refusal *refusal,
                      void *aux);
};

/* Translates the 'actions_len' bytes of datapath actions at 'actions' into
 * '*oa', which must then not be copied, since it points into itself.  'om' is
 * the translated match of the same megaflow: it says what is known of the
 * packets, and becomes narrower where an action needs that.  'forms' are
 * those of offload-form.h.
 *
 * Returns true if successful, otherwise false with the reason in
 * '*refusal'. */
bool offload_actions_init(struct offload_actions *oa,
                          const struct nlattr *actions, size_t actions_len,
                          struct offload_match *om, unsigned int forms,
                          const struct offload_actions_ops *ops, void *aux,
                          struct offload_refusal *refusal);

/* A list of actions while it is made, for the parts of the translation. */
struct offload_action_list {
    struct offload_actions *oa;
    struct offload_match *om;
    struct offload_packet packet;       /* What is known at this point. */
    struct rte_flow_action *actions;    /* The rule's, or a sample's. */
    size_t n, max;
    unsigned int forms;
    bool overflow;                      /* 'oa' was too small. */
    struct offload_refusal *refusal;
};

/* Adds an action of 'type'.  Returns its configuration, zeroed, to be filled
 * in. */
union offload_action_conf *offload_action_add(struct offload_action_list *,
                                              enum rte_flow_action_type type);

/* Adds an action that has no configuration. */
void offload_action_add_bare(struct offload_action_list *,
                             enum rte_flow_action_type type);

#endif /* offload-actions.h */
