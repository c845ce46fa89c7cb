/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Megaflow match -> rte_flow items
 * ================================
 *
 * The one rule that everything here obeys: a packet that the items match is
 * a packet that the megaflow matches in software.  The other direction is not
 * needed.  A packet of the megaflow that the items do not match arrives in
 * software and finds the megaflow there.  So items may be *narrower* than the
 * megaflow, and are, on purpose, where a NIC can't tell packets apart as
 * Open vSwitch does:
 *
 *    - A megaflow that leaves open whether there is a VLAN tag, or its TPID,
 *      becomes items for the kind of packet that made the megaflow.
 *
 *    - IPv6: Open vSwitch's protocol is the one behind all extension headers,
 *      a NIC's is the fixed header's.  Items that ask for a protocol match
 *      packets without extension headers only.
 *
 *    - An unfragmented IPv6 packet that has a fragment header (an "atomic
 *      fragment") is left to software.
 *
 *    - Items of TCP, UDP, SCTP, ICMP and ICMPv6 match whole, sound headers
 *      only.  Open vSwitch sees zeros in place of a damaged header's fields.
 *
 * What can't be said even so is refused by name.  In particular metadata:
 * fresh from a port, a packet has none, so a match on zero in it holds always
 * and needs no item, and a match on anything else is refused.  A tunnel's
 * metadata is in the outer headers, see offload-tunnel.h.
 *
 * Nothing is allocated: a struct offload_match holds its items and what they
 * point to, about 3 kB, and is meant for the stack.
 *
 * Thread-safety
 * -------------
 *
 * A struct offload_match belongs to its caller; the functions touch nothing
 * else. */

#ifndef OFFLOAD_MATCH_H
#define OFFLOAD_MATCH_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_flow.h>

#include "offload-tunnel.h"
#include "openvswitch/types.h"

struct match;
struct netdev;
struct offload_refusal;

/* Port, outer headers, eth, two tags, IP, fragment header, layer 4, two
 * options of neighbor discovery, end. */
#define OFFLOAD_MAX_ITEMS (12 + OFFLOAD_MAX_TUNNEL_ITEMS)

/* A tag that an action has pushed. */
struct offload_tag {
    ovs_be16 tpid, tci;
};

/* What is known of each packet that some items match. */
struct offload_packet {
    unsigned int n_vlans;       /* It has so many VLAN tags; if 2, perhaps
                                 * more. */
    ovs_be16 eth_type;          /* Behind these tags; 0 if anything. */
    uint8_t ip_proto;           /* If 'ip_proto_known'. */
    bool ip_proto_known;
    bool unfragmented;          /* IP, and no fragment. */
    bool has_l4_item;           /* The last item is the one of 'ip_proto'. */
    bool ecn_known;             /* The ECN bits of TOS or traffic class ... */
    uint8_t ecn;                /* ... are these. */
    bool encapsulated;          /* It was put into a tunnel. */
    bool hash_gone;             /* Open vSwitch has forgotten its hash. */
    int growth;                 /* Its frame is longer than Ethernet's header
                                 * and the port's MTU by so much, at most. */

    /* How actions have changed layer 2 since the match. */
    struct eth_addr dst, src;   /* These bits were set ... */
    struct eth_addr dst_mask, src_mask; /* ... where these have a 1. */
    unsigned int n_popped;      /* So many of the matched tags are gone. */
    unsigned int n_pushed;      /* So many are in front, the last first. */
    struct offload_tag pushed[2];
};

struct offload_match {
    struct rte_flow_item items[OFFLOAD_MAX_ITEMS];  /* Ends with END. */
    size_t n_items;                                 /* Without END. */
    struct offload_packet packet;
    unsigned int forms_used;    /* OFFLOAD_FORM_* that made a difference. */
    const struct flow *key;     /* One packet, all fields.  Borrowed. */
    bool recirculated;          /* Packets were, since they were received. */
    struct offload_tunnel_match tunnel; /* Type NONE if there is none. */

    /* What 'items' point to. */
    struct {
        struct rte_flow_item_ethdev spec, mask;
    } port;
    struct {
        struct rte_flow_item_port_id spec, mask;
    } port_id;
    struct {
        struct rte_flow_item_eth spec, mask;
    } eth;
    struct {
        struct rte_flow_item_vlan spec, mask;
    } vlans[2];
    struct {
        struct rte_flow_item_arp_eth_ipv4 spec, mask;
    } arp;
    struct {
        struct rte_flow_item_mpls spec, mask;
    } mpls;
    struct {
        struct rte_flow_item_ipv4 spec, mask, last;
    } ipv4;
    struct {
        struct rte_flow_item_ipv6 spec, mask;
    } ipv6;
    struct {
        struct rte_flow_item_ipv6_frag_ext spec, mask, last;
    } ipv6_frag;
    union {
        struct {
            struct rte_flow_item_tcp spec, mask;
        } tcp;
        struct {
            struct rte_flow_item_udp spec, mask;
        } udp;
        struct {
            struct rte_flow_item_sctp spec, mask;
        } sctp;
        struct {
            struct rte_flow_item_icmp spec, mask;
        } icmp;
        struct {
            struct rte_flow_item_icmp6 spec, mask;
        } icmp6;
        struct {
            struct rte_flow_item_icmp6_nd_ns spec, mask;
        } nd_ns;
        struct {
            struct rte_flow_item_icmp6_nd_na spec, mask;
        } nd_na;
    } l4;
    struct {
        struct rte_flow_item_icmp6_nd_opt_sla_eth spec, mask;
    } nd_sla;
    struct {
        struct rte_flow_item_icmp6_nd_opt_tla_eth spec, mask;
    } nd_tla;
};

/* Where packets come from. */
struct offload_match_params {
    uint16_t port_id;           /* The ethdev that represents the port where
                                 * they enter the NIC (the uplink's is it). */
    const struct netdev *tunnel;        /* The port of the tunnel that they
                                         * arrive in, or NULL. */
    unsigned int forms;         /* Those of offload-form.h. */
};

/* Translates 'match' of a megaflow into '*om', which must then not be copied,
 * since it points into itself.  'match->flow' holds the fields of one packet
 * of the megaflow, also where 'match->wc' does not ask.  What the match says
 * of recirc_id is left to the caller, who puts the rule into the right
 * group.
 *
 * Returns true if successful, otherwise false with the reason in
 * '*refusal'. */
bool offload_match_init(struct offload_match *om, const struct match *match,
                        const struct offload_match_params *params,
                        struct offload_refusal *refusal);

/* Narrows 'om', a match on IPv6, to packets without extension headers (other
 * than the fragment header, where the match is on that): for actions whose
 * result depends on them. */
void offload_match_exclude_ipv6_ext(struct offload_match *om);

/* Narrows 'om' to packets that have the same addresses, protocol and ports as
 * the packet at hand, so that Open vSwitch's hash over these is the same for
 * all of them, and stores that in '*hash'.  Returns false if items can't say
 * that. */
bool offload_match_pin_hash(struct offload_match *om, uint32_t *hash);

/* Narrows 'om' to packets whose Ethernet addresses are those of the packet at
 * hand where 'dst_mask' and 'src_mask' have a 0, and so are their tags, from
 * number 'first_tag' on, with DEI bits of 0. */
void offload_match_pin_l2(struct offload_match *om, struct eth_addr dst_mask,
                          struct eth_addr src_mask, unsigned int first_tag);

/* Adds an item, for the parts of the translation. */
void offload_match_add(struct offload_match *om, enum rte_flow_item_type type,
                       const void *spec, const void *mask, const void *last);

#endif /* offload-match.h */
