/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Tunnels -> rte_flow
 * ===================
 *
 * A packet that arrives in a tunnel passes two megaflows in Open vSwitch: one
 * of the uplink, with tnl_pop, and one of the tunnel port, which matches the
 * tunnel's metadata and the inner headers.  The first becomes a rule that
 * jumps to the tunnel port's group (offload-group.h).  The packet stays as it
 * is, so that if it misses there, software gets all of it.  The second becomes
 * a rule of that group: it matches the outer headers, the tunnel's header and
 * the inner headers, and its first action takes the outer ones off.
 *
 * Open vSwitch drops what is wrong with the outer headers: a bad checksum,
 * IPv4 options, reserved bits in VXLAN's header.  Rules match only packets
 * that have none of this: item integrity speaks of the outermost checksums.
 *
 * A packet that leaves in a tunnel is given the header that Open vSwitch has
 * prepared in tnl_push.  The NIC fills in lengths and checksums.  The source
 * port of UDP is made of the packet's hash, in software and in the NIC: a
 * template with source port 0 says so to the NIC.
 *
 * Thread-safety
 * -------------
 *
 * The structs belong to their callers; nothing else is touched. */

#ifndef OFFLOAD_TUNNEL_H
#define OFFLOAD_TUNNEL_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_flow.h>

#include "openvswitch/types.h"

struct flow;
struct netdev;
struct offload_action_list;
struct offload_match;
struct offload_refusal;
struct ovs_action_push_tnl;

enum offload_tunnel_type {
    OFFLOAD_TUNNEL_NONE,
    OFFLOAD_TUNNEL_VXLAN,
    OFFLOAD_TUNNEL_GENEVE,
    OFFLOAD_TUNNEL_GRE,
};

/* Geneve options of one packet: more are refused. */
#define OFFLOAD_MAX_GENEVE_OPTS 8
#define OFFLOAD_MAX_GENEVE_LEN 64       /* Bytes of all options' data. */

/* Port, integrity, Ethernet, IP, UDP, Geneve and its options. */
#define OFFLOAD_MAX_TUNNEL_ITEMS (5 + OFFLOAD_MAX_GENEVE_OPTS)

/* The outer headers that a rule matches. */
struct offload_tunnel_match {
    enum offload_tunnel_type type;
    size_t header_len;          /* Bytes of all outer headers. */

    struct {
        struct rte_flow_item_integrity spec, mask;
    } integrity;
    struct {
        struct rte_flow_item_eth spec, mask;
    } eth;
    struct {
        struct rte_flow_item_ipv4 spec, mask;
    } ipv4;
    struct {
        struct rte_flow_item_ipv6 spec, mask;
    } ipv6;
    struct {
        struct rte_flow_item_udp spec, mask, last;
    } udp;
    struct {
        struct rte_flow_item_vxlan spec, mask;
    } vxlan;
    struct {
        struct rte_flow_item_geneve spec, mask;
    } geneve;
    struct {
        struct rte_flow_item_geneve_opt spec, mask;
        uint32_t data[OFFLOAD_MAX_GENEVE_LEN / 4];
        uint32_t data_mask[OFFLOAD_MAX_GENEVE_LEN / 4];
    } opts[OFFLOAD_MAX_GENEVE_OPTS];
    struct {
        struct rte_flow_item_gre spec, mask;
    } gre;
    struct {
        ovs_be32 spec, mask;
    } gre_key;
};

/* Returns the type of tunnel that 'netdev' is a port of, or NONE if it is not
 * one that the provider serves. */
enum offload_tunnel_type offload_tunnel_type_of(const struct netdev *netdev);

/* Adds to 'om' items for the outer headers of packets that entered by tunnel
 * port 'tnl', and had metadata as 'flow' and 'mask' say; 'key' is 'flow' with
 * all fields of one packet.  What 'mask' asks of the tunnel is cleared in it,
 * as far as it was understood. */
bool offload_tunnel_match(struct offload_match *om, const struct netdev *tnl,
                          const struct flow *key, const struct flow *flow,
                          struct flow *mask, struct offload_refusal *refusal);

/* Adds the action that takes off the outer headers of 'match'. */
bool offload_tunnel_pop(struct offload_action_list *,
                        const struct offload_tunnel_match *match);

/* Adds the action that does 'push'. */
bool offload_tunnel_push(struct offload_action_list *,
                         const struct ovs_action_push_tnl *push);

#endif /* offload-tunnel.h */
