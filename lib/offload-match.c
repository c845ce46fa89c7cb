/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-match.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>

#include "flow.h"
#include "openvswitch/match.h"
#include "offload-form.h"
#include "offload-refusal.h"
#include "offload-support.h"
#include "packets.h"
#include "util.h"

/* The translation of one match.  'mask' loses each field that has been dealt
 * with; what is left at the end was not understood. */
struct match_parser {
    const struct flow *key;         /* One packet, all fields. */
    struct flow flow;               /* 'key', with 'mask' applied. */
    struct flow mask;
    struct offload_match *om;
    struct offload_refusal *refusal;
};

#define MATCHED(MP, FIELD) \
    (!is_all_zeros(&(MP)->mask.FIELD, sizeof (MP)->mask.FIELD))
#define MATCHED_NONZERO(MP, FIELD) \
    (!is_all_zeros(&(MP)->flow.FIELD, sizeof (MP)->flow.FIELD))
#define CONSUME(MP, FIELD) \
    memset(&(MP)->mask.FIELD, 0, sizeof (MP)->mask.FIELD)

static void
add_item(struct offload_match *om, enum rte_flow_item_type type,
         const void *spec, const void *mask, const void *last)
{
    ovs_assert(om->n_items < OFFLOAD_MAX_ITEMS - 1);
    om->items[om->n_items++] = (struct rte_flow_item) {
        .type = type,
        .spec = spec,
        .mask = mask,
        .last = last,
    };
    om->items[om->n_items].type = RTE_FLOW_ITEM_TYPE_END;
}

void
offload_match_add(struct offload_match *om, enum rte_flow_item_type type,
                  const void *spec, const void *mask, const void *last)
{
    add_item(om, type, spec, mask, last);
}

/* A new field of struct flow has to be thought about: the tables name all that
 * is in it. */
BUILD_ASSERT_DECL(FLOW_WC_SEQ == 42);
#define SIZEOF_FIELD(FIELD, ...) + sizeof(((struct flow *) NULL)->FIELD)
#define OFFLOAD_ZERO SIZEOF_FIELD
#define OFFLOAD_FIELD SIZEOF_FIELD
#define OFFLOAD_NO_FIELD SIZEOF_FIELD
BUILD_ASSERT_DECL((0 OFFLOAD_ZERO_FIELDS OFFLOAD_FIELDS OFFLOAD_NO_FIELDS)
                  + sizeof(((struct flow *) NULL)->pad1)
                  + sizeof(((struct flow *) NULL)->pad2)
                  + sizeof(((struct flow *) NULL)->pad3)
                  == sizeof(struct flow));
#undef OFFLOAD_ZERO
#undef OFFLOAD_FIELD
#undef OFFLOAD_NO_FIELD

/* The port where packets enter.  Those of a tunnel may do so by any port: the
 * rules that lead to the tunnel's group say by which.  "Any" has to be said,
 * since without an item some NICs take the port that makes the rule. */
static void
add_port_item(struct offload_match *om, uint16_t port_id, bool any,
              unsigned int forms)
{
    om->forms_used |= OFFLOAD_FORM_ITEM_PORT_ID;
    if (any) {
        add_item(om, (forms & OFFLOAD_FORM_ITEM_PORT_ID
                      ? RTE_FLOW_ITEM_TYPE_PORT_ID
                      : RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT), NULL, NULL,
                 NULL);
    } else if (forms & OFFLOAD_FORM_ITEM_PORT_ID) {
        om->port_id.spec.id = port_id;
        om->port_id.mask.id = UINT32_MAX;
        add_item(om, RTE_FLOW_ITEM_TYPE_PORT_ID, &om->port_id.spec,
                 &om->port_id.mask, NULL);
    } else {
        om->port.spec.port_id = port_id;
        om->port.mask.port_id = UINT16_MAX;
        add_item(om, RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, &om->port.spec,
                 &om->port.mask, NULL);
    }
}

/* Packets that were just received, or recirculated by rules only, have zeros
 * in all metadata but recirc_id and tunnel, so that a match on zero is none.
 * What recirc_id and tunnel say is said by the group of the rule, and by the
 * items of offload-tunnel.h. */
static bool
parse_metadata(struct match_parser *mp)
{
    struct offload_refusal *refusal = mp->refusal;

    if (mp->mask.recirc_id != UINT32_MAX && mp->key->recirc_id) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_RECIRC);
    }
    CONSUME(mp, recirc_id);

#define OFFLOAD_ZERO(FIELD, NAME, REFUSAL)                              \
    if (MATCHED_NONZERO(mp, FIELD)) {                                   \
        return offload_refuse(refusal, OFFLOAD_REFUSAL_##REFUSAL);      \
    }                                                                   \
    CONSUME(mp, FIELD);
    OFFLOAD_ZERO_FIELDS
#undef OFFLOAD_ZERO

    CONSUME(mp, in_port);
    return true;
}

/* The TPID of a tag that packets have: that of the packet at hand unless the
 * match asks for another, which can't be since tags have these two. */
static bool
parse_tpid(struct match_parser *mp, size_t i, ovs_be16 *tpid)
{
    ovs_be16 mask = mp->mask.vlans[i].tpid;

    if (mask && mask != OVS_BE16_MAX) {
        return offload_refuse(mp->refusal, OFFLOAD_REFUSAL_MATCH_VLAN_TPID);
    }
    *tpid = (eth_type_vlan(mp->key->vlans[i].tpid) ? mp->key->vlans[i].tpid
             : htons(ETH_TYPE_VLAN_8021Q));
    return true;
}

/* Layer 2: one item for Ethernet, one for each tag of the packet at hand, of
 * two at most.  How many tags there are is always said: by 'has_vlan' and
 * 'has_more_vlan', since NICs differ in what items without these match, and
 * by the EtherType behind the last tag. */
static bool
parse_l2(struct match_parser *mp)
{
    struct offload_refusal *refusal = mp->refusal;
    struct offload_match *om = mp->om;
    ovs_be16 *type, *type_mask;
    unsigned int n_vlans = 0;
    ovs_be16 tpid = 0;

    if (mp->mask.dl_type && mp->mask.dl_type != OVS_BE16_MAX) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_ETH_TYPE_MASKED);
    }
    if (mp->mask.dl_type && ntohs(mp->flow.dl_type) < ETH_TYPE_MIN) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_ETH_TYPE_NONE);
    }
    om->packet.eth_type = mp->flow.dl_type;

    /* Open vSwitch uses the place of the DEI bit for "there is a tag". */
    while (n_vlans < FLOW_MAX_VLAN_HEADERS
           && mp->key->vlans[n_vlans].tci & htons(VLAN_CFI)) {
        n_vlans++;
    }
    for (size_t i = n_vlans; i < FLOW_MAX_VLAN_HEADERS; i++) {
        if (MATCHED_NONZERO(mp, vlans[i])) {
            return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
        }
    }
    if (n_vlans < FLOW_MAX_VLAN_HEADERS && MATCHED(mp, vlans[n_vlans])
        && n_vlans && !mp->mask.dl_type) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_VLAN_SECOND);
    }
    /* A tag that was not taken for one: it is cut short, or Open vSwitch is
     * told to look at fewer tags (vlan-limit) than a NIC does. */
    if (n_vlans < FLOW_MAX_VLAN_HEADERS && eth_type_vlan(om->packet.eth_type)
        && (!n_vlans || MATCHED(mp, vlans[n_vlans])
            || (int) n_vlans < flow_vlan_limit)) {
        return offload_refuse(refusal,
                              MATCHED(mp, vlans[n_vlans]) && n_vlans
                              ? OFFLOAD_REFUSAL_MATCH_VLAN_SECOND
                              : OFFLOAD_REFUSAL_MATCH_ETH_TYPE_VLAN);
    }
    om->packet.n_vlans = n_vlans;

    memcpy(&om->eth.spec.dst, &mp->flow.dl_dst, sizeof om->eth.spec.dst);
    memcpy(&om->eth.mask.dst, &mp->mask.dl_dst, sizeof om->eth.mask.dst);
    memcpy(&om->eth.spec.src, &mp->flow.dl_src, sizeof om->eth.spec.src);
    memcpy(&om->eth.mask.src, &mp->mask.dl_src, sizeof om->eth.mask.src);
    om->eth.spec.has_vlan = n_vlans > 0;
    om->eth.mask.has_vlan = 1;
    add_item(om, RTE_FLOW_ITEM_TYPE_ETH, &om->eth.spec, &om->eth.mask, NULL);
    type = &om->eth.spec.type;
    type_mask = &om->eth.mask.type;

    for (size_t i = 0; i < n_vlans; i++) {
        struct rte_flow_item_vlan *spec = &om->vlans[i].spec;
        struct rte_flow_item_vlan *mask = &om->vlans[i].mask;

        if (!parse_tpid(mp, i, &tpid)) {
            return false;
        }
        *type = tpid;
        *type_mask = OVS_BE16_MAX;
        spec->tci = mp->flow.vlans[i].tci & htons(~VLAN_CFI);
        mask->tci = mp->mask.vlans[i].tci & htons(~VLAN_CFI);
        if (i + 1 < n_vlans) {
            spec->has_more_vlan = 1;
            mask->has_more_vlan = 1;
        }
        add_item(om, RTE_FLOW_ITEM_TYPE_VLAN, spec, mask, NULL);
        type = &spec->inner_type;
        type_mask = &mask->inner_type;
    }
    *type = mp->flow.dl_type;
    *type_mask = mp->mask.dl_type;

    CONSUME(mp, dl_dst);
    CONSUME(mp, dl_src);
    CONSUME(mp, dl_type);
    CONSUME(mp, vlans);
    return true;
}

/* What is to be matched of fragmentation. */
enum frag {
    FRAG_ANYTHING,
    FRAG_NO,
    FRAG_FIRST,
    FRAG_LATER,
};

/* A mask of one bit only leaves two of the three kinds open: take the one of
 * the packet at hand. */
static bool
parse_frag(struct match_parser *mp, enum frag *frag)
{
    uint8_t bits = mp->key->nw_frag & FLOW_NW_FRAG_MASK;

    if (!(mp->mask.nw_frag & FLOW_NW_FRAG_MASK)) {
        *frag = FRAG_ANYTHING;
    } else if (!bits) {
        *frag = FRAG_NO;
    } else if (bits == FLOW_NW_FRAG_ANY) {
        *frag = FRAG_FIRST;
    } else if (bits == FLOW_NW_FRAG_MASK) {
        *frag = FRAG_LATER;
    } else {
        return offload_refuse(mp->refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
    }

    CONSUME(mp, nw_frag);
    mp->om->packet.unfragmented = *frag == FRAG_NO;
    return true;
}

static bool
parse_ipv4(struct match_parser *mp, enum frag frag)
{
    struct offload_match *om = mp->om;
    struct rte_ipv4_hdr *spec = &om->ipv4.spec.hdr;
    struct rte_ipv4_hdr *mask = &om->ipv4.mask.hdr;
    const void *last = NULL;

    spec->type_of_service = mp->flow.nw_tos;
    mask->type_of_service = mp->mask.nw_tos;
    spec->time_to_live = mp->flow.nw_ttl;
    mask->time_to_live = mp->mask.nw_ttl;
    spec->next_proto_id = mp->flow.nw_proto;
    mask->next_proto_id = mp->mask.nw_proto;
    spec->src_addr = mp->flow.nw_src;
    mask->src_addr = mp->mask.nw_src;
    spec->dst_addr = mp->flow.nw_dst;
    mask->dst_addr = mp->mask.nw_dst;

    switch (frag) {
    case FRAG_ANYTHING:
        break;
    case FRAG_NO:
        mask->fragment_offset = htons(RTE_IPV4_HDR_MF_FLAG
                                      | RTE_IPV4_HDR_OFFSET_MASK);
        break;
    case FRAG_FIRST:
        spec->fragment_offset = htons(RTE_IPV4_HDR_MF_FLAG);
        mask->fragment_offset = htons(RTE_IPV4_HDR_MF_FLAG
                                      | RTE_IPV4_HDR_OFFSET_MASK);
        break;
    case FRAG_LATER:
        /* An offset that is not 0: a range.  The item's other fields have
         * ranges of one value. */
        spec->fragment_offset = htons(1);
        mask->fragment_offset = htons(RTE_IPV4_HDR_OFFSET_MASK);
        om->ipv4.last = om->ipv4.spec;
        om->ipv4.last.hdr.fragment_offset = htons(RTE_IPV4_HDR_OFFSET_MASK);
        last = &om->ipv4.last;
        break;
    }
    add_item(om, RTE_FLOW_ITEM_TYPE_IPV4, &om->ipv4.spec, &om->ipv4.mask,
             last);

    om->packet.ip_proto = mp->flow.nw_proto;
    om->packet.ip_proto_known = mp->mask.nw_proto == UINT8_MAX;

    CONSUME(mp, nw_src);
    CONSUME(mp, nw_dst);
    return true;
}

/* Returns true if Open vSwitch looks behind a header of type 'proto', so that
 * it is not what a sound packet has for nw_proto. */
static bool
is_ipv6_ext(uint8_t proto)
{
    return (proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING
            || proto == IPPROTO_FRAGMENT || proto == IPPROTO_AH
            || proto == IPPROTO_DSTOPTS);
}

static bool
parse_ipv6(struct match_parser *mp, enum frag frag)
{
    struct offload_match *om = mp->om;
    struct rte_ipv6_hdr *spec = &om->ipv6.spec.hdr;
    struct rte_ipv6_hdr *mask = &om->ipv6.mask.hdr;
    struct rte_ipv6_fragment_ext *frag_spec = &om->ipv6_frag.spec.hdr;
    struct rte_ipv6_fragment_ext *frag_mask = &om->ipv6_frag.mask.hdr;
    const void *frag_last = NULL;

    if (mp->mask.nw_proto && mp->mask.nw_proto != UINT8_MAX) {
        return offload_refuse(mp->refusal,
                              OFFLOAD_REFUSAL_MATCH_IP_PROTO_MASKED);
    }
    om->packet.ip_proto = mp->flow.nw_proto;
    om->packet.ip_proto_known = mp->mask.nw_proto != 0;
    if (om->packet.ip_proto_known
        && (frag == FRAG_LATER ? om->packet.ip_proto != IPPROTO_FRAGMENT
                               : is_ipv6_ext(om->packet.ip_proto))) {
        return offload_refuse(mp->refusal, OFFLOAD_REFUSAL_MATCH_IPV6_EXT);
    }

    spec->vtc_flow = htonl((uint32_t) mp->flow.nw_tos << RTE_IPV6_HDR_TC_SHIFT)
                     | mp->flow.ipv6_label;
    mask->vtc_flow = htonl((uint32_t) mp->mask.nw_tos << RTE_IPV6_HDR_TC_SHIFT)
                     | (mp->mask.ipv6_label & htonl(IPV6_LABEL_MASK));
    spec->hop_limits = mp->flow.nw_ttl;
    mask->hop_limits = mp->mask.nw_ttl;
    memcpy(spec->src_addr, &mp->flow.ipv6_src, sizeof spec->src_addr);
    memcpy(mask->src_addr, &mp->mask.ipv6_src, sizeof mask->src_addr);
    memcpy(spec->dst_addr, &mp->flow.ipv6_dst, sizeof spec->dst_addr);
    memcpy(mask->dst_addr, &mp->mask.ipv6_dst, sizeof mask->dst_addr);
    add_item(om, RTE_FLOW_ITEM_TYPE_IPV6, &om->ipv6.spec, &om->ipv6.mask,
             NULL);

    switch (frag) {
    case FRAG_NO:
        om->ipv6.mask.has_frag_ext = 1;
        /* Fall through. */
    case FRAG_ANYTHING:
        spec->proto = mp->flow.nw_proto;
        mask->proto = mp->mask.nw_proto;
        if (!om->packet.ip_proto_known
            && (mp->mask.nw_tos || mp->mask.nw_ttl || mp->mask.ipv6_label
                || frag == FRAG_ANYTHING)) {
            /* A chain of extension headers that breaks off makes Open vSwitch
             * forget these fields; a NIC may not notice. */
            offload_match_exclude_ipv6_ext(om);
        }
        break;

    case FRAG_FIRST:
    case FRAG_LATER:
        om->ipv6.spec.has_frag_ext = 1;
        om->ipv6.mask.has_frag_ext = 1;
        spec->proto = IPPROTO_FRAGMENT;
        mask->proto = UINT8_MAX;
        if (frag == FRAG_FIRST) {
            /* Nothing but the fragment header before the protocol, for the
             * same reason. */
            if (om->packet.ip_proto_known) {
                frag_spec->next_header = om->packet.ip_proto;
                frag_mask->next_header = UINT8_MAX;
            } else {
                offload_match_exclude_ipv6_ext(om);
            }
            frag_spec->frag_data = htons(RTE_IPV6_EHDR_MF_MASK);
            frag_mask->frag_data = htons(RTE_IPV6_EHDR_MF_MASK
                                         | RTE_IPV6_EHDR_FO_MASK);
        } else {
            frag_spec->frag_data = htons(1 << RTE_IPV6_EHDR_FO_SHIFT);
            frag_mask->frag_data = htons(RTE_IPV6_EHDR_FO_MASK);
            om->ipv6_frag.last = om->ipv6_frag.spec;
            om->ipv6_frag.last.hdr.frag_data = htons(RTE_IPV6_EHDR_FO_MASK);
            frag_last = &om->ipv6_frag.last;
        }
        add_item(om, RTE_FLOW_ITEM_TYPE_IPV6_FRAG_EXT, &om->ipv6_frag.spec,
                 &om->ipv6_frag.mask, frag_last);
        break;
    }

    CONSUME(mp, ipv6_src);
    CONSUME(mp, ipv6_dst);
    CONSUME(mp, ipv6_label);
    return true;
}

/* A field of ICMP or ICMPv6 is one byte, in the low half of tp_src or tp_dst
 * whose high half is 0 in every packet. */
static bool
icmp_field(ovs_be16 value, ovs_be16 mask, uint8_t *spec_byte,
           uint8_t *mask_byte)
{
    *spec_byte = ntohs(value) & UINT8_MAX;
    *mask_byte = ntohs(mask) & UINT8_MAX;
    return !(ntohs(value) >> 8);
}

/* Whether Open vSwitch looks for neighbor discovery in 'key', of ICMPv6. */
static bool
is_nd_message(const struct flow *key)
{
    return ((key->tp_src == htons(ND_NEIGHBOR_SOLICIT)
             || key->tp_src == htons(ND_NEIGHBOR_ADVERT)) && !key->tp_dst);
}

/* Returns true if a field is matched that is from neighbor discovery. */
static bool
nd_is_matched(const struct match_parser *mp)
{
    return (MATCHED(mp, nd_target) || MATCHED(mp, arp_sha)
            || MATCHED(mp, arp_tha) || MATCHED(mp, tcp_flags)
            || MATCHED(mp, igmp_group_ip4));
}

/* Has 'mp' match a bit more of a byte, if it has to be, so that the byte of
 * the packet at hand matches and 'other', which that is not, does not. */
static void
exclude_byte(ovs_be16 key, uint8_t other, ovs_be16 *flow, ovs_be16 *mask)
{
    uint8_t differs = (ntohs(key) & UINT8_MAX) ^ other;
    ovs_be16 bit;

    if (differs && !(differs & ntohs(*mask))) {
        bit = htons(1 << (31 - clz32(differs)));
        *mask |= bit;
        *flow |= key & bit;
    }
}

/* Masks of several types may cover neighbor discovery, but the packet at hand
 * is none, and so has zeros in all its fields.  So has each packet that is
 * not: has 'mp' match only such. */
static bool
parse_not_nd(struct match_parser *mp)
{
    if (MATCHED_NONZERO(mp, nd_target) || MATCHED_NONZERO(mp, arp_sha)
        || MATCHED_NONZERO(mp, arp_tha) || MATCHED_NONZERO(mp, tcp_flags)
        || MATCHED_NONZERO(mp, igmp_group_ip4)) {
        return offload_refuse(mp->refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
    }
    if (mp->key->tp_src == htons(ND_NEIGHBOR_SOLICIT)
        || mp->key->tp_src == htons(ND_NEIGHBOR_ADVERT)) {
        /* Of code 0 it would be. */
        mp->flow.tp_src = mp->key->tp_src;
        mp->mask.tp_src = OVS_BE16_MAX;
        exclude_byte(mp->key->tp_dst, 0, &mp->flow.tp_dst, &mp->mask.tp_dst);
    } else {
        exclude_byte(mp->key->tp_src, ND_NEIGHBOR_SOLICIT, &mp->flow.tp_src,
                     &mp->mask.tp_src);
        exclude_byte(mp->key->tp_src, ND_NEIGHBOR_ADVERT, &mp->flow.tp_src,
                     &mp->mask.tp_src);
    }
    CONSUME(mp, nd_target);
    CONSUME(mp, arp_sha);
    CONSUME(mp, arp_tha);
    CONSUME(mp, tcp_flags);
    CONSUME(mp, igmp_group_ip4);
    return true;
}

/* Neighbor discovery, of the type of the packet at hand.  The items are of
 * sound messages, where Open vSwitch has zeros for others.  That an option is
 * absent can't be said. */
static bool
parse_nd(struct match_parser *mp)
{
    uint8_t type = ntohs(mp->key->tp_src);
    struct offload_match *om = mp->om;

    if (MATCHED(mp, tcp_flags)
        || MATCHED(mp, igmp_group_ip4)
        || (MATCHED(mp, arp_sha) && !MATCHED_NONZERO(mp, arp_sha))
        || (MATCHED(mp, arp_tha) && !MATCHED_NONZERO(mp, arp_tha))) {
        return offload_refuse(mp->refusal, OFFLOAD_REFUSAL_MATCH_ND);
    }

    if (type == ND_NEIGHBOR_SOLICIT) {
        om->l4.nd_ns.spec.type = type;
        om->l4.nd_ns.mask.type = UINT8_MAX;
        om->l4.nd_ns.mask.code = UINT8_MAX;
        memcpy(om->l4.nd_ns.spec.target_addr, &mp->flow.nd_target,
               sizeof om->l4.nd_ns.spec.target_addr);
        memcpy(om->l4.nd_ns.mask.target_addr, &mp->mask.nd_target,
               sizeof om->l4.nd_ns.mask.target_addr);
        add_item(om, RTE_FLOW_ITEM_TYPE_ICMP6_ND_NS, &om->l4.nd_ns.spec,
                 &om->l4.nd_ns.mask, NULL);
    } else {
        om->l4.nd_na.spec.type = type;
        om->l4.nd_na.mask.type = UINT8_MAX;
        om->l4.nd_na.mask.code = UINT8_MAX;
        memcpy(om->l4.nd_na.spec.target_addr, &mp->flow.nd_target,
               sizeof om->l4.nd_na.spec.target_addr);
        memcpy(om->l4.nd_na.mask.target_addr, &mp->mask.nd_target,
               sizeof om->l4.nd_na.mask.target_addr);
        add_item(om, RTE_FLOW_ITEM_TYPE_ICMP6_ND_NA, &om->l4.nd_na.spec,
                 &om->l4.nd_na.mask, NULL);
    }
    if (MATCHED(mp, arp_sha)) {
        om->nd_sla.spec.type = ND_OPT_SOURCE_LINKADDR;
        om->nd_sla.mask.type = UINT8_MAX;
        memcpy(&om->nd_sla.spec.sla, &mp->flow.arp_sha,
               sizeof om->nd_sla.spec.sla);
        memcpy(&om->nd_sla.mask.sla, &mp->mask.arp_sha,
               sizeof om->nd_sla.mask.sla);
        add_item(om, RTE_FLOW_ITEM_TYPE_ICMP6_ND_OPT_SLA_ETH,
                 &om->nd_sla.spec, &om->nd_sla.mask, NULL);
    }
    if (MATCHED(mp, arp_tha)) {
        om->nd_tla.spec.type = ND_OPT_TARGET_LINKADDR;
        om->nd_tla.mask.type = UINT8_MAX;
        memcpy(&om->nd_tla.spec.tla, &mp->flow.arp_tha,
               sizeof om->nd_tla.spec.tla);
        memcpy(&om->nd_tla.mask.tla, &mp->mask.arp_tha,
               sizeof om->nd_tla.mask.tla);
        add_item(om, RTE_FLOW_ITEM_TYPE_ICMP6_ND_OPT_TLA_ETH,
                 &om->nd_tla.spec, &om->nd_tla.mask, NULL);
    }

    CONSUME(mp, tp_src);
    CONSUME(mp, tp_dst);
    CONSUME(mp, nd_target);
    CONSUME(mp, arp_sha);
    CONSUME(mp, arp_tha);
    return true;
}

static bool
parse_l4(struct match_parser *mp, enum frag frag)
{
    struct offload_refusal *refusal = mp->refusal;
    struct offload_match *om = mp->om;
    bool ports = MATCHED(mp, tp_src) || MATCHED(mp, tp_dst);
    bool v4 = om->packet.eth_type == htons(ETH_TYPE_IP);
    bool possible = true;

    if (frag == FRAG_LATER) {
        /* There is no layer 4 in these: all fields are 0. */
        if (MATCHED_NONZERO(mp, tp_src) || MATCHED_NONZERO(mp, tp_dst)
            || MATCHED_NONZERO(mp, tcp_flags)) {
            return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
        }
        CONSUME(mp, tp_src);
        CONSUME(mp, tp_dst);
        CONSUME(mp, tcp_flags);
        return true;
    }
    if (!om->packet.ip_proto_known) {
        if (ports || MATCHED(mp, tcp_flags)) {
            return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_L4_NO_PROTO);
        }
        return true;
    }

    /* The item is there also if none of its fields is matched, for NICs that
     * want it before a rewrite of ports; but not for fragments, in which many
     * NICs see no layer 4. */
    if (frag != FRAG_NO && !ports && !MATCHED(mp, tcp_flags)) {
        return true;
    }

    enum rte_flow_item_type type;
    const void *spec, *mask;

    if (om->packet.ip_proto == IPPROTO_TCP) {
        uint16_t flags = ntohs(mp->flow.tcp_flags);
        uint16_t flags_mask = ntohs(mp->mask.tcp_flags);

        type = RTE_FLOW_ITEM_TYPE_TCP;
        spec = &om->l4.tcp.spec;
        mask = &om->l4.tcp.mask;
        om->l4.tcp.spec.hdr.src_port = mp->flow.tp_src;
        om->l4.tcp.mask.hdr.src_port = mp->mask.tp_src;
        om->l4.tcp.spec.hdr.dst_port = mp->flow.tp_dst;
        om->l4.tcp.mask.hdr.dst_port = mp->mask.tp_dst;
        om->l4.tcp.spec.hdr.tcp_flags = flags & UINT8_MAX;
        om->l4.tcp.mask.hdr.tcp_flags = flags_mask & UINT8_MAX;
        /* Flags 8 to 11 share a byte with the data offset.  There are but
         * these 12. */
        om->l4.tcp.spec.hdr.data_off = (flags >> 8) & 0xf;
        om->l4.tcp.mask.hdr.data_off = (flags_mask >> 8) & 0xf;
        possible = !(flags >> 12);
        CONSUME(mp, tcp_flags);
    } else if (om->packet.ip_proto == IPPROTO_UDP) {
        type = RTE_FLOW_ITEM_TYPE_UDP;
        spec = &om->l4.udp.spec;
        mask = &om->l4.udp.mask;
        om->l4.udp.spec.hdr.src_port = mp->flow.tp_src;
        om->l4.udp.mask.hdr.src_port = mp->mask.tp_src;
        om->l4.udp.spec.hdr.dst_port = mp->flow.tp_dst;
        om->l4.udp.mask.hdr.dst_port = mp->mask.tp_dst;
    } else if (om->packet.ip_proto == IPPROTO_SCTP) {
        type = RTE_FLOW_ITEM_TYPE_SCTP;
        spec = &om->l4.sctp.spec;
        mask = &om->l4.sctp.mask;
        om->l4.sctp.spec.hdr.src_port = mp->flow.tp_src;
        om->l4.sctp.mask.hdr.src_port = mp->mask.tp_src;
        om->l4.sctp.spec.hdr.dst_port = mp->flow.tp_dst;
        om->l4.sctp.mask.hdr.dst_port = mp->mask.tp_dst;
    } else if (v4 && om->packet.ip_proto == IPPROTO_ICMP) {
        struct rte_icmp_hdr *s = &om->l4.icmp.spec.hdr;
        struct rte_icmp_hdr *m = &om->l4.icmp.mask.hdr;

        type = RTE_FLOW_ITEM_TYPE_ICMP;
        spec = &om->l4.icmp.spec;
        mask = &om->l4.icmp.mask;
        possible = (icmp_field(mp->flow.tp_src, mp->mask.tp_src,
                               &s->icmp_type, &m->icmp_type)
                    && icmp_field(mp->flow.tp_dst, mp->mask.tp_dst,
                                  &s->icmp_code, &m->icmp_code));
    } else if (!v4 && om->packet.ip_proto == IPPROTO_ICMPV6) {
        struct rte_flow_item_icmp6 *s = &om->l4.icmp6.spec;
        struct rte_flow_item_icmp6 *m = &om->l4.icmp6.mask;

        if (nd_is_matched(mp)) {
            if (is_nd_message(mp->key)) {
                return parse_nd(mp);
            } else if (!parse_not_nd(mp)) {
                return false;
            }
        }
        type = RTE_FLOW_ITEM_TYPE_ICMP6;
        spec = s;
        mask = m;
        possible = (icmp_field(mp->flow.tp_src, mp->mask.tp_src,
                               &s->type, &m->type)
                    && icmp_field(mp->flow.tp_dst, mp->mask.tp_dst,
                                  &s->code, &m->code));
    } else if (om->packet.ip_proto == IPPROTO_IGMP
               || om->packet.ip_proto == IPPROTO_ICMP
               || om->packet.ip_proto == IPPROTO_ICMPV6) {
        /* Open vSwitch looks into these, even if they are of the other
         * version of IP. */
        if (ports || MATCHED(mp, igmp_group_ip4)) {
            return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_L4_OTHER);
        }
        return true;
    } else {
        /* No layer 4 that Open vSwitch looks into: its fields are 0. */
        CONSUME(mp, tp_src);
        CONSUME(mp, tp_dst);
        if (MATCHED_NONZERO(mp, tp_src) || MATCHED_NONZERO(mp, tp_dst)) {
            return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
        }
        return true;
    }

    if (!possible) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
    }
    add_item(om, type, spec, mask, NULL);
    om->packet.has_l4_item = true;
    CONSUME(mp, tp_src);
    CONSUME(mp, tp_dst);
    return true;
}

static bool
parse_ip(struct match_parser *mp)
{
    enum frag frag = FRAG_ANYTHING;

    if (!parse_frag(mp, &frag)
        || !(mp->om->packet.eth_type == htons(ETH_TYPE_IP)
             ? parse_ipv4(mp, frag) : parse_ipv6(mp, frag))
        || !parse_l4(mp, frag)) {
        return false;
    }

    mp->om->packet.ecn_known = (mp->mask.nw_tos & IP_ECN_MASK) == IP_ECN_MASK;
    mp->om->packet.ecn = mp->flow.nw_tos & IP_ECN_MASK;
    CONSUME(mp, nw_tos);
    CONSUME(mp, nw_ttl);
    CONSUME(mp, nw_proto);
    return true;
}

/* ARP: of Ethernet and IPv4, or Open vSwitch sees zeros; and of an operation
 * that fits into one byte, or it sees 0 for it. */
static void
parse_arp(struct match_parser *mp)
{
    struct rte_flow_item_arp_eth_ipv4 *spec = &mp->om->arp.spec;
    struct rte_flow_item_arp_eth_ipv4 *mask = &mp->om->arp.mask;

    if (!MATCHED(mp, nw_src) && !MATCHED(mp, nw_dst)
        && !MATCHED(mp, nw_proto) && !MATCHED(mp, arp_sha)
        && !MATCHED(mp, arp_tha)) {
        return;
    }

    spec->hrd = htons(ARP_HRD_ETHERNET);
    mask->hrd = OVS_BE16_MAX;
    spec->pro = htons(ARP_PRO_IP);
    mask->pro = OVS_BE16_MAX;
    spec->hln = ETH_ADDR_LEN;
    mask->hln = UINT8_MAX;
    spec->pln = sizeof(ovs_be32);
    mask->pln = UINT8_MAX;
    if (mp->mask.nw_proto) {
        spec->op = htons(mp->flow.nw_proto);
        mask->op = htons(0xff00 | mp->mask.nw_proto);
    }
    memcpy(&spec->sha, &mp->flow.arp_sha, sizeof spec->sha);
    memcpy(&mask->sha, &mp->mask.arp_sha, sizeof mask->sha);
    memcpy(&spec->tha, &mp->flow.arp_tha, sizeof spec->tha);
    memcpy(&mask->tha, &mp->mask.arp_tha, sizeof mask->tha);
    spec->spa = mp->flow.nw_src;
    mask->spa = mp->mask.nw_src;
    spec->tpa = mp->flow.nw_dst;
    mask->tpa = mp->mask.nw_dst;
    add_item(mp->om, RTE_FLOW_ITEM_TYPE_ARP_ETH_IPV4, spec, mask, NULL);

    CONSUME(mp, nw_src);
    CONSUME(mp, nw_dst);
    CONSUME(mp, nw_proto);
    CONSUME(mp, arp_sha);
    CONSUME(mp, arp_tha);
}

/* The top label. */
static bool
parse_mpls(struct match_parser *mp)
{
    struct rte_flow_item_mpls *spec = &mp->om->mpls.spec;
    struct rte_flow_item_mpls *mask = &mp->om->mpls.mask;

    BUILD_ASSERT_DECL(sizeof *spec == sizeof(ovs_be32));
    if (MATCHED(mp, mpls_lse[1]) || MATCHED(mp, mpls_lse[2])) {
        return offload_refuse(mp->refusal, OFFLOAD_REFUSAL_MATCH_MPLS);
    }
    if (MATCHED(mp, mpls_lse[0])) {
        memcpy(spec, &mp->flow.mpls_lse[0], sizeof *spec);
        memcpy(mask, &mp->mask.mpls_lse[0], sizeof *mask);
        add_item(mp->om, RTE_FLOW_ITEM_TYPE_MPLS, spec, mask, NULL);
    }
    CONSUME(mp, mpls_lse);
    return true;
}

/* Layer 3 that is not IP. */
static bool
parse_other_l3(struct match_parser *mp)
{
    ovs_be16 eth_type = mp->om->packet.eth_type;

    if (eth_type == htons(ETH_TYPE_ARP)) {
        parse_arp(mp);
    } else if (eth_type == htons(ETH_TYPE_RARP)) {
        if (MATCHED(mp, nw_src) || MATCHED(mp, nw_dst)
            || MATCHED(mp, nw_proto) || MATCHED(mp, arp_sha)
            || MATCHED(mp, arp_tha)) {
            return offload_refuse(mp->refusal, OFFLOAD_REFUSAL_MATCH_RARP);
        }
    } else if (eth_type_mpls(eth_type)) {
        return parse_mpls(mp);
    } else if (eth_type == htons(ETH_TYPE_NSH)) {
        if (MATCHED(mp, nsh)) {
            return offload_refuse(mp->refusal, OFFLOAD_REFUSAL_MATCH_NSH);
        }
    }
    return true;
}

/* What is left to be matched may be fields of protocols that the packets are
 * known not to have: these are zero.  Open vSwitch takes ICMPv6 for itself in
 * IPv4, too. */
static void
forget_absent_fields(struct match_parser *mp)
{
    const struct offload_packet *packet = &mp->om->packet;
    bool ip = (packet->eth_type == htons(ETH_TYPE_IP)
               || packet->eth_type == htons(ETH_TYPE_IPV6));

#define FORGET(FIELD)                           \
    if (!MATCHED_NONZERO(mp, FIELD)) {          \
        CONSUME(mp, FIELD);                     \
    }
    if (ip && packet->ip_proto_known && packet->ip_proto != IPPROTO_ICMPV6) {
        FORGET(nd_target);
        FORGET(arp_sha);
        FORGET(arp_tha);
        if (packet->ip_proto != IPPROTO_TCP) {
            FORGET(tcp_flags);
        }
        if (packet->ip_proto != IPPROTO_IGMP) {
            FORGET(igmp_group_ip4);
        }
    }
    if (packet->eth_type == htons(ETH_TYPE_ARP)) {
        FORGET(nd_target);
    }
#undef FORGET
}

bool
offload_match_init(struct offload_match *om, const struct match *match,
                   const struct offload_match_params *params,
                   struct offload_refusal *refusal)
{
    struct match_parser mp = {
        .key = &match->flow,
        .mask = match->wc.masks,
        .om = om,
        .refusal = refusal,
    };
    const uint8_t *key = (const uint8_t *) &match->flow;
    const uint8_t *mask = (const uint8_t *) &match->wc.masks;
    uint8_t *flow = (uint8_t *) &mp.flow;

    for (size_t i = 0; i < sizeof mp.flow; i++) {
        flow[i] = key[i] & mask[i];
    }

    memset(om, 0, sizeof *om);
    om->key = &match->flow;
    om->recirculated = match->flow.recirc_id != 0;
    add_port_item(om, params->port_id, params->tunnel != NULL,
                  params->forms);
    if (params->tunnel) {
        if (!offload_tunnel_match(om, params->tunnel, &match->flow, &mp.flow,
                                  &mp.mask, refusal)) {
            return false;
        }
    } else if (flow_tnl_dst_is_set(&match->flow.tunnel)) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_TUNNEL_PORT);
    } else {
        CONSUME(&mp, tunnel);
    }

    if (!parse_metadata(&mp) || !parse_l2(&mp)) {
        return false;
    }
    if (om->packet.eth_type == htons(ETH_TYPE_IP)
        || om->packet.eth_type == htons(ETH_TYPE_IPV6)) {
        if (!parse_ip(&mp)) {
            return false;
        }
    } else if (!parse_other_l3(&mp)) {
        return false;
    }

    forget_absent_fields(&mp);
    if (!is_all_zeros(&mp.mask, sizeof mp.mask)) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_OTHER);
    }
    return true;
}

void
offload_match_exclude_ipv6_ext(struct offload_match *om)
{
    /* Where fragments are matched, 'has_frag_ext' is so in 'spec'. */
    om->ipv6.mask.has_hop_ext = 1;
    om->ipv6.mask.has_route_ext = 1;
    om->ipv6.mask.has_frag_ext = 1;
    om->ipv6.mask.has_auth_ext = 1;
    om->ipv6.mask.has_dest_ext = 1;
    /* Open vSwitch takes these for protocols, but NICs may look behind. */
    om->ipv6.mask.has_mobil_ext = 1;
    om->ipv6.mask.has_hip_ext = 1;
    om->ipv6.mask.has_shim6_ext = 1;
}

/* Adds the item of layer 4, or makes the one that there is match the ports of
 * the packet at hand.  ICMP has type and code in their place. */
static bool
pin_ports(struct offload_match *om)
{
    const struct flow *key = om->key;
    bool v4 = om->packet.eth_type == htons(ETH_TYPE_IP);
    enum rte_flow_item_type type;
    const void *spec, *mask;

    switch (key->nw_proto) {
    case IPPROTO_TCP:
        om->l4.tcp.spec.hdr.src_port = key->tp_src;
        om->l4.tcp.mask.hdr.src_port = OVS_BE16_MAX;
        om->l4.tcp.spec.hdr.dst_port = key->tp_dst;
        om->l4.tcp.mask.hdr.dst_port = OVS_BE16_MAX;
        type = RTE_FLOW_ITEM_TYPE_TCP;
        spec = &om->l4.tcp.spec;
        mask = &om->l4.tcp.mask;
        break;
    case IPPROTO_UDP:
        om->l4.udp.spec.hdr.src_port = key->tp_src;
        om->l4.udp.mask.hdr.src_port = OVS_BE16_MAX;
        om->l4.udp.spec.hdr.dst_port = key->tp_dst;
        om->l4.udp.mask.hdr.dst_port = OVS_BE16_MAX;
        type = RTE_FLOW_ITEM_TYPE_UDP;
        spec = &om->l4.udp.spec;
        mask = &om->l4.udp.mask;
        break;
    case IPPROTO_SCTP:
        om->l4.sctp.spec.hdr.src_port = key->tp_src;
        om->l4.sctp.mask.hdr.src_port = OVS_BE16_MAX;
        om->l4.sctp.spec.hdr.dst_port = key->tp_dst;
        om->l4.sctp.mask.hdr.dst_port = OVS_BE16_MAX;
        type = RTE_FLOW_ITEM_TYPE_SCTP;
        spec = &om->l4.sctp.spec;
        mask = &om->l4.sctp.mask;
        break;
    case IPPROTO_ICMP:
        om->l4.icmp.spec.hdr.icmp_type = ntohs(key->tp_src);
        om->l4.icmp.mask.hdr.icmp_type = UINT8_MAX;
        om->l4.icmp.spec.hdr.icmp_code = ntohs(key->tp_dst);
        om->l4.icmp.mask.hdr.icmp_code = UINT8_MAX;
        type = RTE_FLOW_ITEM_TYPE_ICMP;
        spec = &om->l4.icmp.spec;
        mask = &om->l4.icmp.mask;
        if (!v4) {
            return false;
        }
        break;
    case IPPROTO_ICMPV6:
        om->l4.icmp6.spec.type = ntohs(key->tp_src);
        om->l4.icmp6.mask.type = UINT8_MAX;
        om->l4.icmp6.spec.code = ntohs(key->tp_dst);
        om->l4.icmp6.mask.code = UINT8_MAX;
        type = RTE_FLOW_ITEM_TYPE_ICMP6;
        spec = &om->l4.icmp6.spec;
        mask = &om->l4.icmp6.mask;
        if (v4) {
            return false;
        }
        break;
    default:
        /* Not part of the hash. */
        return true;
    }
    if (!om->packet.has_l4_item) {
        add_item(om, type, spec, mask, NULL);
        om->packet.has_l4_item = true;
    }
    return true;
}

static void
pin_arp(struct offload_match *om)
{
    const struct flow *key = om->key;
    bool has_item = om->arp.mask.hrd != 0;

    om->arp.spec.hrd = htons(ARP_HRD_ETHERNET);
    om->arp.mask.hrd = OVS_BE16_MAX;
    om->arp.spec.pro = htons(ARP_PRO_IP);
    om->arp.mask.pro = OVS_BE16_MAX;
    om->arp.spec.hln = ETH_ADDR_LEN;
    om->arp.mask.hln = UINT8_MAX;
    om->arp.spec.pln = sizeof(ovs_be32);
    om->arp.mask.pln = UINT8_MAX;
    om->arp.spec.op = htons(key->nw_proto);
    om->arp.mask.op = OVS_BE16_MAX;
    om->arp.spec.spa = key->nw_src;
    om->arp.mask.spa = OVS_BE32_MAX;
    om->arp.spec.tpa = key->nw_dst;
    om->arp.mask.tpa = OVS_BE32_MAX;
    if (!has_item) {
        add_item(om, RTE_FLOW_ITEM_TYPE_ARP_ETH_IPV4, &om->arp.spec,
                 &om->arp.mask, NULL);
    }
}

bool
offload_match_pin_hash(struct offload_match *om, uint32_t *hash)
{
    const struct flow *key = om->key;
    ovs_be16 eth_type = om->packet.eth_type;

    *hash = flow_hash_5tuple(key, 0);
    if (eth_type == htons(ETH_TYPE_IP)) {
        om->ipv4.spec.hdr.src_addr = key->nw_src;
        om->ipv4.mask.hdr.src_addr = OVS_BE32_MAX;
        om->ipv4.spec.hdr.dst_addr = key->nw_dst;
        om->ipv4.mask.hdr.dst_addr = OVS_BE32_MAX;
        om->ipv4.spec.hdr.next_proto_id = key->nw_proto;
        om->ipv4.mask.hdr.next_proto_id = UINT8_MAX;
        return om->packet.unfragmented && pin_ports(om);
    } else if (eth_type == htons(ETH_TYPE_IPV6)) {
        memcpy(om->ipv6.spec.hdr.src_addr, &key->ipv6_src,
               sizeof om->ipv6.spec.hdr.src_addr);
        memset(om->ipv6.mask.hdr.src_addr, 0xff,
               sizeof om->ipv6.mask.hdr.src_addr);
        memcpy(om->ipv6.spec.hdr.dst_addr, &key->ipv6_dst,
               sizeof om->ipv6.spec.hdr.dst_addr);
        memset(om->ipv6.mask.hdr.dst_addr, 0xff,
               sizeof om->ipv6.mask.hdr.dst_addr);
        om->ipv6.spec.hdr.proto = key->nw_proto;
        om->ipv6.mask.hdr.proto = UINT8_MAX;
        return (om->packet.unfragmented && !is_ipv6_ext(key->nw_proto)
                && pin_ports(om));
    } else if (eth_type == htons(ETH_TYPE_ARP)) {
        pin_arp(om);
        return true;
    }
    /* Other packets all have the same hash. */
    return eth_type && !eth_type_vlan(eth_type);
}

static void
pin_mac(uint8_t *spec, uint8_t *mask, struct eth_addr key,
        struct eth_addr except)
{
    for (size_t i = 0; i < ETH_ADDR_LEN; i++) {
        mask[i] |= ~except.ea[i];
        spec[i] |= key.ea[i] & ~except.ea[i];
    }
}

void
offload_match_pin_l2(struct offload_match *om, struct eth_addr dst_mask,
                     struct eth_addr src_mask, unsigned int first_tag)
{
    pin_mac(om->eth.spec.dst.addr_bytes, om->eth.mask.dst.addr_bytes,
            om->key->dl_dst, dst_mask);
    pin_mac(om->eth.spec.src.addr_bytes, om->eth.mask.src.addr_bytes,
            om->key->dl_src, src_mask);
    for (size_t i = first_tag; i < om->packet.n_vlans; i++) {
        om->vlans[i].spec.tci = om->key->vlans[i].tci & htons(~VLAN_CFI);
        om->vlans[i].mask.tci = OVS_BE16_MAX;
    }
}
