/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-actions.h"

#include <netinet/in.h>
#include <string.h>

#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "offload-match.h"
#include "offload-refusal.h"
#include "packets.h"
#include "util.h"

struct actions_parser {
    struct offload_actions *oa;
    struct offload_match *om;
    struct offload_refusal *refusal;
    bool tagged;                /* The packet has a tag at this point. */
    bool overflow;              /* 'oa' was too small. */
};

/* Adds an action of 'type'.  Returns its configuration, zeroed, to be filled
 * in. */
static union offload_action_conf *
add_action(struct actions_parser *ap, enum rte_flow_action_type type)
{
    struct offload_actions *oa = ap->oa;
    union offload_action_conf *conf;

    if (oa->n_actions >= OFFLOAD_MAX_ACTIONS - 1) {
        ap->overflow = true;
        return &oa->confs[OFFLOAD_MAX_ACTIONS - 1];
    }

    conf = &oa->confs[oa->n_actions];
    memset(conf, 0, sizeof *conf);
    oa->actions[oa->n_actions].type = type;
    oa->actions[oa->n_actions].conf = conf;
    oa->n_actions++;
    return conf;
}

/* Adds an action that has no configuration. */
static void
add_bare_action(struct actions_parser *ap, enum rte_flow_action_type type)
{
    size_t n = ap->oa->n_actions;

    add_action(ap, type);
    ap->oa->actions[n].conf = NULL;
}

/* What a rewrite's mask asks for. */
enum part {
    PART_NONE,                  /* Leave the field alone. */
    PART_WHOLE,
    PART_SOME,                  /* Some of its bits. */
};

static enum part
part_of(const void *mask, size_t size)
{
    return (is_all_zeros(mask, size) ? PART_NONE
            : is_all_ones(mask, size) ? PART_WHOLE
            : PART_SOME);
}
#define PART_OF(MASK) part_of(&(MASK), sizeof (MASK))

static bool
parse_set_ethernet(struct actions_parser *ap,
                   const struct ovs_key_ethernet *key,
                   const struct ovs_key_ethernet *mask)
{
    enum part src = PART_OF(mask->eth_src);
    enum part dst = PART_OF(mask->eth_dst);

    if (src == PART_SOME || dst == PART_SOME) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_PART);
    }
    if (src == PART_WHOLE) {
        memcpy(add_action(ap, RTE_FLOW_ACTION_TYPE_SET_MAC_SRC)
               ->set_mac.mac_addr, &key->eth_src, ETH_ADDR_LEN);
    }
    if (dst == PART_WHOLE) {
        memcpy(add_action(ap, RTE_FLOW_ACTION_TYPE_SET_MAC_DST)
               ->set_mac.mac_addr, &key->eth_dst, ETH_ADDR_LEN);
    }
    return true;
}

/* A rewrite of addresses changes the checksum of layer 4.  In fragments Open
 * vSwitch and NICs differ in whether they mend, and even find, it. */
static bool
check_addr_rewrite(struct actions_parser *ap)
{
    return (ap->om->unfragmented
            || offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_FRAGMENT));
}

/* TOS or traffic class.  rte_flow has an action for the upper six bits. */
static bool
parse_set_tos(struct actions_parser *ap, uint8_t tos, uint8_t mask,
              enum rte_flow_action_type type)
{
    if (!mask) {
        return true;
    }
    if (mask & IP_ECN_MASK
        && !((mask & IP_ECN_MASK) == IP_ECN_MASK && ap->om->ecn_known
             && ap->om->ecn == (tos & IP_ECN_MASK))) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_ECN);
    }
    if (!(mask & IP_DSCP_MASK)) {
        return true;
    }
    if ((mask & IP_DSCP_MASK) != IP_DSCP_MASK) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_PART);
    }
    add_action(ap, type)->set_dscp.dscp = tos >> 2;
    return true;
}

static bool
parse_set_ttl(struct actions_parser *ap, uint8_t ttl, uint8_t mask)
{
    if (mask == UINT8_MAX) {
        add_action(ap, RTE_FLOW_ACTION_TYPE_SET_TTL)->set_ttl.ttl_value = ttl;
    } else if (mask) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_PART);
    }
    return true;
}

/* The protocol and the fragment type in the key say what the packet is; they
 * are not rewritten. */
static bool
parse_set_ipv4(struct actions_parser *ap, const struct ovs_key_ipv4 *key,
               const struct ovs_key_ipv4 *mask)
{
    enum part src = PART_OF(mask->ipv4_src);
    enum part dst = PART_OF(mask->ipv4_dst);

    if (ap->om->eth_type != htons(ETH_TYPE_IP)) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_NO_HEADER);
    }
    if (src == PART_SOME || dst == PART_SOME) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_PART);
    }
    if ((src == PART_WHOLE || dst == PART_WHOLE) && !check_addr_rewrite(ap)) {
        return false;
    }
    if (src == PART_WHOLE) {
        add_action(ap, RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC)->set_ipv4.ipv4_addr
            = key->ipv4_src;
    }
    if (dst == PART_WHOLE) {
        add_action(ap, RTE_FLOW_ACTION_TYPE_SET_IPV4_DST)->set_ipv4.ipv4_addr
            = key->ipv4_dst;
    }
    return (parse_set_tos(ap, key->ipv4_tos, mask->ipv4_tos,
                          RTE_FLOW_ACTION_TYPE_SET_IPV4_DSCP)
            && parse_set_ttl(ap, key->ipv4_ttl, mask->ipv4_ttl));
}

static bool
parse_set_ipv6(struct actions_parser *ap, const struct ovs_key_ipv6 *key,
               const struct ovs_key_ipv6 *mask)
{
    enum part src = PART_OF(mask->ipv6_src);
    enum part dst = PART_OF(mask->ipv6_dst);

    if (ap->om->eth_type != htons(ETH_TYPE_IPV6)) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_NO_HEADER);
    }
    if (src == PART_SOME || dst == PART_SOME) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_PART);
    }
    if (mask->ipv6_label & htonl(IPV6_LABEL_MASK)) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_IPV6_LABEL);
    }
    if (src == PART_WHOLE || dst == PART_WHOLE) {
        if (!check_addr_rewrite(ap)) {
            return false;
        }
        if (!ap->om->ip_proto_known) {
            /* With a routing header the checksum is not over this address,
             * and behind any header a NIC may not find layer 4. */
            offload_match_exclude_ipv6_ext(ap->om);
        }
    }
    if (src == PART_WHOLE) {
        memcpy(add_action(ap, RTE_FLOW_ACTION_TYPE_SET_IPV6_SRC)
               ->set_ipv6.ipv6_addr, &key->ipv6_src, sizeof key->ipv6_src);
    }
    if (dst == PART_WHOLE) {
        memcpy(add_action(ap, RTE_FLOW_ACTION_TYPE_SET_IPV6_DST)
               ->set_ipv6.ipv6_addr, &key->ipv6_dst, sizeof key->ipv6_dst);
    }
    return (parse_set_tos(ap, key->ipv6_tclass, mask->ipv6_tclass,
                          RTE_FLOW_ACTION_TYPE_SET_IPV6_DSCP)
            && parse_set_ttl(ap, key->ipv6_hlimit, mask->ipv6_hlimit));
}

/* TCP's and UDP's keys have the same form: two ports. */
static bool
parse_set_ports(struct actions_parser *ap, const ovs_be16 key[2],
                const ovs_be16 mask[2], uint8_t ip_proto)
{
    static const enum rte_flow_action_type types[] = {
        RTE_FLOW_ACTION_TYPE_SET_TP_SRC,
        RTE_FLOW_ACTION_TYPE_SET_TP_DST,
    };

    BUILD_ASSERT_DECL(sizeof(struct ovs_key_tcp) == 2 * sizeof *key
                      && offsetof(struct ovs_key_tcp, tcp_src) == 0);
    BUILD_ASSERT_DECL(sizeof(struct ovs_key_udp) == 2 * sizeof *key
                      && offsetof(struct ovs_key_udp, udp_src) == 0);

    if (!ap->om->ip_proto_known || ap->om->ip_proto != ip_proto) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_NO_HEADER);
    }
    if (!ap->om->unfragmented) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_FRAGMENT);
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        enum part part = PART_OF(mask[i]);

        if (part == PART_SOME) {
            return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_SET_PART);
        } else if (part == PART_WHOLE) {
            add_action(ap, types[i])->set_tp.port = key[i];
        }
    }
    return true;
}

/* What a SET or SET_MASKED that is translated may hold. */
union set_key {
    struct ovs_key_ethernet eth;
    struct ovs_key_ipv4 ipv4;
    struct ovs_key_ipv6 ipv6;
    struct ovs_key_tcp tcp;
    struct ovs_key_udp udp;
    ovs_be16 ports[2];
};

/* Returns the size that an attribute of 'type' has if it is one that is
 * translated, else 0 and the reason. */
static size_t
set_key_size(enum ovs_key_attr type, enum offload_refusal_code *code)
{
    *code = OFFLOAD_REFUSAL_ACTION_OTHER;
    switch (type) {
    case OVS_KEY_ATTR_ETHERNET:
        return sizeof(struct ovs_key_ethernet);
    case OVS_KEY_ATTR_IPV4:
        return sizeof(struct ovs_key_ipv4);
    case OVS_KEY_ATTR_IPV6:
        return sizeof(struct ovs_key_ipv6);
    case OVS_KEY_ATTR_TCP:
        return sizeof(struct ovs_key_tcp);
    case OVS_KEY_ATTR_UDP:
        return sizeof(struct ovs_key_udp);

    case OVS_KEY_ATTR_SCTP:
        *code = OFFLOAD_REFUSAL_SET_SCTP;
        return 0;
    case OVS_KEY_ATTR_ICMP:
    case OVS_KEY_ATTR_ICMPV6:
        *code = OFFLOAD_REFUSAL_SET_ICMP;
        return 0;
    case OVS_KEY_ATTR_ARP:
        *code = OFFLOAD_REFUSAL_SET_ARP;
        return 0;
    case OVS_KEY_ATTR_ND:
    case OVS_KEY_ATTR_ND_EXTENSIONS:
        *code = OFFLOAD_REFUSAL_SET_ND;
        return 0;
    case OVS_KEY_ATTR_MPLS:
        *code = OFFLOAD_REFUSAL_SET_MPLS;
        return 0;
    case OVS_KEY_ATTR_NSH:
        *code = OFFLOAD_REFUSAL_SET_NSH;
        return 0;
    case OVS_KEY_ATTR_TUNNEL:
    case OVS_KEY_ATTR_TUNNEL_INFO:
        *code = OFFLOAD_REFUSAL_SET_TUNNEL;
        return 0;
    case OVS_KEY_ATTR_PRIORITY:
    case OVS_KEY_ATTR_SKB_MARK:
    case OVS_KEY_ATTR_DP_HASH:
    case OVS_KEY_ATTR_RECIRC_ID:
    case OVS_KEY_ATTR_CT_STATE:
    case OVS_KEY_ATTR_CT_ZONE:
    case OVS_KEY_ATTR_CT_MARK:
    case OVS_KEY_ATTR_CT_LABELS:
    case OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4:
    case OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV6:
        *code = OFFLOAD_REFUSAL_SET_METADATA;
        return 0;

    case OVS_KEY_ATTR_UNSPEC:
    case OVS_KEY_ATTR_ENCAP:
    case OVS_KEY_ATTR_IN_PORT:
    case OVS_KEY_ATTR_VLAN:
    case OVS_KEY_ATTR_ETHERTYPE:
    case OVS_KEY_ATTR_TCP_FLAGS:
    case OVS_KEY_ATTR_PACKET_TYPE:
    case __OVS_KEY_ATTR_MAX:
    default:
        return 0;
    }
}

/* SET holds a whole key; SET_MASKED holds the key and then a mask of the same
 * form. */
static bool
parse_set(struct actions_parser *ap, const struct nlattr *set, bool masked)
{
    enum offload_refusal_code code;
    const struct nlattr *a = nl_attr_get(set);
    union set_key key, mask;
    size_t left = nl_attr_get_size(set);
    size_t size;

    if (!nl_attr_is_valid(a, left)) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    size = set_key_size(nl_attr_type(a), &code);
    if (!size) {
        return offload_refuse(ap->refusal, code);
    }
    if (nl_attr_get_size(a) != (masked ? 2 * size : size)) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    memcpy(&key, nl_attr_get(a), size);
    if (masked) {
        memcpy(&mask, (const uint8_t *) nl_attr_get(a) + size, size);
    } else {
        memset(&mask, 0xff, sizeof mask);
    }

    switch (nl_attr_type(a)) {
    case OVS_KEY_ATTR_ETHERNET:
        return parse_set_ethernet(ap, &key.eth, &mask.eth);
    case OVS_KEY_ATTR_IPV4:
        return parse_set_ipv4(ap, &key.ipv4, &mask.ipv4);
    case OVS_KEY_ATTR_IPV6:
        return parse_set_ipv6(ap, &key.ipv6, &mask.ipv6);
    case OVS_KEY_ATTR_TCP:
        return parse_set_ports(ap, key.ports, mask.ports, IPPROTO_TCP);
    case OVS_KEY_ATTR_UDP:
        return parse_set_ports(ap, key.ports, mask.ports, IPPROTO_UDP);
    default:
        OVS_NOT_REACHED();
    }
}

/* Open vSwitch pushes a tag with a DEI bit of 0.  So does OF_PUSH_VLAN onto a
 * packet without a tag. */
static bool
parse_push_vlan(struct actions_parser *ap, const struct nlattr *a)
{
    const struct ovs_action_push_vlan *vlan;

    if (nl_attr_get_size(a) != sizeof *vlan) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    if (ap->tagged) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_VLAN_PUSH_SECOND);
    }
    vlan = nl_attr_get(a);
    add_action(ap, RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN)->push_vlan.ethertype
        = vlan->vlan_tpid;
    add_action(ap, RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_VID)->vlan_vid.vlan_vid
        = vlan->vlan_tci & htons(VLAN_VID_MASK);
    add_action(ap, RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_PCP)->vlan_pcp.vlan_pcp
        = vlan_tci_to_pcp(vlan->vlan_tci);
    ap->tagged = true;
    return true;
}

static bool
parse_pop_vlan(struct actions_parser *ap)
{
    if (!ap->tagged) {
        return offload_refuse(ap->refusal, OFFLOAD_REFUSAL_VLAN_POP_NONE);
    }
    add_bare_action(ap, RTE_FLOW_ACTION_TYPE_OF_POP_VLAN);
    /* If there was a second tag, it is the EtherType that was matched. */
    ap->tagged = eth_type_vlan(ap->om->eth_type);
    return true;
}

static enum offload_refusal_code
untranslated_action(enum ovs_action_attr type)
{
    switch (type) {
    case OVS_ACTION_ATTR_USERSPACE:
        return OFFLOAD_REFUSAL_ACTION_USERSPACE;
    case OVS_ACTION_ATTR_RECIRC:
        return OFFLOAD_REFUSAL_ACTION_RECIRC;
    case OVS_ACTION_ATTR_HASH:
        return OFFLOAD_REFUSAL_ACTION_HASH;
    case OVS_ACTION_ATTR_SAMPLE:
        return OFFLOAD_REFUSAL_ACTION_SAMPLE;
    case OVS_ACTION_ATTR_CLONE:
        return OFFLOAD_REFUSAL_ACTION_CLONE;
    case OVS_ACTION_ATTR_CT:
        return OFFLOAD_REFUSAL_ACTION_CT;
    case OVS_ACTION_ATTR_CT_CLEAR:
        return OFFLOAD_REFUSAL_ACTION_CT_CLEAR;
    case OVS_ACTION_ATTR_METER:
        return OFFLOAD_REFUSAL_ACTION_METER;
    case OVS_ACTION_ATTR_TRUNC:
        return OFFLOAD_REFUSAL_ACTION_TRUNC;
    case OVS_ACTION_ATTR_CHECK_PKT_LEN:
        return OFFLOAD_REFUSAL_ACTION_CHECK_PKT_LEN;
    case OVS_ACTION_ATTR_LB_OUTPUT:
        return OFFLOAD_REFUSAL_ACTION_LB_OUTPUT;
    case OVS_ACTION_ATTR_TUNNEL_PUSH:
        return OFFLOAD_REFUSAL_ACTION_TNL_PUSH;
    case OVS_ACTION_ATTR_TUNNEL_POP:
        return OFFLOAD_REFUSAL_ACTION_TNL_POP;
    case OVS_ACTION_ATTR_PUSH_MPLS:
    case OVS_ACTION_ATTR_POP_MPLS:
    case OVS_ACTION_ATTR_ADD_MPLS:
        return OFFLOAD_REFUSAL_ACTION_MPLS;
    case OVS_ACTION_ATTR_PUSH_ETH:
    case OVS_ACTION_ATTR_POP_ETH:
        return OFFLOAD_REFUSAL_ACTION_ETH;
    case OVS_ACTION_ATTR_PUSH_NSH:
    case OVS_ACTION_ATTR_POP_NSH:
        return OFFLOAD_REFUSAL_ACTION_NSH;

    case OVS_ACTION_ATTR_UNSPEC:
    case OVS_ACTION_ATTR_OUTPUT:
    case OVS_ACTION_ATTR_SET:
    case OVS_ACTION_ATTR_SET_MASKED:
    case OVS_ACTION_ATTR_PUSH_VLAN:
    case OVS_ACTION_ATTR_POP_VLAN:
    case OVS_ACTION_ATTR_DROP:
    case __OVS_ACTION_ATTR_MAX:
    default:
        return OFFLOAD_REFUSAL_ACTION_OTHER;
    }
}

bool
offload_actions_init(struct offload_actions *oa,
                     const struct nlattr *actions, size_t actions_len,
                     struct offload_match *om,
                     offload_resolve_port_func *resolve, void *aux,
                     struct offload_refusal *refusal)
{
    struct actions_parser ap = {
        .oa = oa,
        .om = om,
        .refusal = refusal,
        .tagged = om->tagged,
    };
    bool done = false;          /* After the fate of the packet. */
    struct rte_flow_action_ethdev *output = NULL;
    const struct nlattr *a;
    size_t left;

    oa->n_actions = 0;
    oa->out_port = ODPP_NONE;
    add_action(&ap, RTE_FLOW_ACTION_TYPE_COUNT);

    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        if (done) {
            return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_OUTPUTS);
        }

        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_OUTPUT:
            if (nl_attr_get_size(a) != sizeof oa->out_port) {
                return offload_refuse(refusal,
                                      OFFLOAD_REFUSAL_ACTION_MALFORMED);
            }
            oa->out_port = nl_attr_get_odp_port(a);
            output = &add_action(&ap, RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT)
                     ->ethdev;
            done = true;
            break;

        case OVS_ACTION_ATTR_DROP:
            add_bare_action(&ap, RTE_FLOW_ACTION_TYPE_DROP);
            done = true;
            break;

        case OVS_ACTION_ATTR_SET:
        case OVS_ACTION_ATTR_SET_MASKED:
            if (!parse_set(&ap, a,
                           nl_attr_type(a) == OVS_ACTION_ATTR_SET_MASKED)) {
                return false;
            }
            break;

        case OVS_ACTION_ATTR_PUSH_VLAN:
            if (!parse_push_vlan(&ap, a)) {
                return false;
            }
            break;

        case OVS_ACTION_ATTR_POP_VLAN:
            if (!parse_pop_vlan(&ap)) {
                return false;
            }
            break;

        default:
            return offload_refuse(refusal,
                                  untranslated_action(nl_attr_type(a)));
        }
    }
    if (left) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    if (!done) {
        /* A packet that goes nowhere is dropped, whatever was rewritten. */
        oa->n_actions = 1;
        ap.overflow = false;
        add_bare_action(&ap, RTE_FLOW_ACTION_TYPE_DROP);
    }
    if (ap.overflow) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_TOO_MANY);
    }
    if (output && !resolve(oa->out_port, &output->port_id, refusal, aux)) {
        return false;
    }
    oa->actions[oa->n_actions].type = RTE_FLOW_ACTION_TYPE_END;
    oa->actions[oa->n_actions].conf = NULL;
    return true;
}
