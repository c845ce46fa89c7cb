/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_flow.h>
#include <rte_ip.h>

#include "nicsim-flow.h"
#include "nicsim-port.h"

/* Where items may stand in a pattern: the same layer or a lower one than the
 * item before may not follow, but for a second tag. */
enum layer {
    LAYER_META,                         /* Anywhere. */
    LAYER_ETH,
    LAYER_VLAN,
    LAYER_IP,
    LAYER_IP_EXT,
    LAYER_L4,
};

/* A pattern on its way into a rule. */
struct pattern {
    const struct nicsim_port *port;
    const struct rte_flow_attr *attr;
    struct nicsim_rule *rule;
    struct rte_flow_error *error;

    enum layer layer;                   /* Of the last item. */
    bool port_seen;
    bool mark_seen;
    bool eth_seen;
    unsigned int n_vlans;

    /* What the last Ethernet or VLAN item says of the header behind it. */
    const struct rte_flow_item *type_item;      /* NULL: nothing. */
    uint16_t type;                      /* Host order. */
    int more_vlans;                     /* 0, 1, or -1: not said. */
};

/* Where a field of an item goes to in struct nicsim_key. */
#define KEY_NONE -1                     /* The key has no room for it. */
#define KEY_ELSE -2                     /* The item's function does it. */

struct field {
    const char *name;
    uint16_t offset, size;              /* In the item. */
    int key;                            /* Offset in the key, or KEY_*. */
};

#define FIELD(STRUCT, MEMBER, NAME, KEY)                                \
    { NAME, offsetof(struct STRUCT, MEMBER),                            \
      sizeof(((struct STRUCT *) NULL)->MEMBER), KEY }
#define IN_KEY(MEMBER) ((int) offsetof(struct nicsim_key, MEMBER))

struct item_info {
    enum rte_flow_item_type type;
    uint32_t bit;                       /* NICSIM_ITEM_*. */
    enum layer layer;
    size_t size;                        /* Of spec, last and mask. */
    const void *default_mask;
    const struct field *fields;         /* Up to one without a name. */

    /* Does what copying fields does not.  'spec' and 'mask' are NULL if the
     * item only asks for the header's presence. */
    int (*parse)(struct pattern *, const struct rte_flow_item *,
                 const void *spec, const void *mask);
};

static int refuse_item(struct pattern *, const struct rte_flow_item *,
                       enum rte_flow_error_type, const char *why);

/* Asks for 'bits' of 'present' to be set ('want') or not.  Returns false if
 * the rule asks for the contrary already. */
static bool
require(struct pattern *p, uint32_t bits, bool want)
{
    struct nicsim_key *key = &p->rule->key;
    struct nicsim_key *mask = &p->rule->mask;
    uint32_t asked = mask->present & bits;

    if ((key->present & asked) != (want ? asked : 0)) {
        return false;
    }
    mask->present |= bits;
    if (want) {
        key->present |= bits;
    }
    return true;
}

static int
contradiction(struct pattern *p, const struct rte_flow_item *item)
{
    return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                       "contradicts the rest of the pattern");
}

/* Ethernet and VLAN. */

static bool
is_tpid(uint16_t type)
{
    return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ;
}

/* Takes what 'item' says of the type of the header behind it. */
static int
set_type(struct pattern *p, const struct rte_flow_item *item,
         rte_be16_t type, rte_be16_t mask, const char *field)
{
    p->type_item = NULL;
    if (mask == RTE_BE16(0xffff)) {
        p->type_item = item;
        p->type = rte_be_to_cpu_16(type);
    } else if (mask) {
        char why[64];

        snprintf(why, sizeof why, "field %s can be matched as a whole or not "
                 "at all", field);
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK, why);
    }
    return 0;
}

static const struct field eth_fields[] = {
    FIELD(rte_flow_item_eth, dst, "dst", IN_KEY(eth_dst)),
    FIELD(rte_flow_item_eth, src, "src", IN_KEY(eth_src)),
    FIELD(rte_flow_item_eth, type, "type", KEY_ELSE),
    { NULL, 0, 0, 0 }
};

static int
parse_eth(struct pattern *p, const struct rte_flow_item *item,
          const void *spec_, const void *mask_)
{
    const struct rte_flow_item_eth *spec = spec_;
    const struct rte_flow_item_eth *mask = mask_;

    p->eth_seen = true;
    if (!spec) {
        return 0;
    }
    if (mask->reserved) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                           "field reserved can not be matched");
    }
    if (mask->has_vlan) {
        p->more_vlans = spec->has_vlan;
    }
    return set_type(p, item, spec->type, mask->type, "type");
}

static const struct field vlan_fields[] = {
    FIELD(rte_flow_item_vlan, tci, "tci", KEY_ELSE),
    FIELD(rte_flow_item_vlan, inner_type, "inner_type", KEY_ELSE),
    { NULL, 0, 0, 0 }
};

static int
parse_vlan(struct pattern *p, const struct rte_flow_item *item,
           const void *spec_, const void *mask_)
{
    const struct rte_flow_item_vlan *spec = spec_;
    const struct rte_flow_item_vlan *mask = mask_;
    bool outer = !p->n_vlans++;
    struct nicsim_key *km = &p->rule->mask;
    struct nicsim_key *k = &p->rule->key;

    if (p->more_vlans == 0
        || !require(p, outer ? NICSIM_P_VLAN : NICSIM_P_VLAN2, true)) {
        return contradiction(p, item);
    }
    if (p->type_item) {
        if (!is_tpid(p->type)) {
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                               "follows a header whose type says otherwise");
        }
        *(outer ? &km->vlan_tpid : &km->vlan2_tpid) = 0xffff;
        *(outer ? &k->vlan_tpid : &k->vlan2_tpid) = rte_cpu_to_be_16(p->type);
    }
    p->type_item = NULL;
    p->more_vlans = -1;
    if (!spec) {
        return 0;
    }
    if (mask->reserved) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                           "field reserved can not be matched");
    }
    if (mask->has_more_vlan) {
        if (!outer) {
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                               "field has_more_vlan can not be matched "
                               "behind two tags");
        }
        p->more_vlans = spec->has_more_vlan;
    }
    *(outer ? &km->vlan_tci : &km->vlan2_tci) = mask->tci;
    *(outer ? &k->vlan_tci : &k->vlan2_tci) = spec->tci & mask->tci;
    return set_type(p, item, spec->inner_type, mask->inner_type,
                    "inner_type");
}

/* Brings the layer-2 part of the pattern to its end, before an item of a
 * higher layer or at the pattern's end.  'type' is the EtherType that the
 * following item wants, or 0; 'item' is that one or NULL. */
static int
finish_l2(struct pattern *p, uint16_t type, const struct rte_flow_item *item)
{
    uint32_t more = (p->n_vlans == 0 ? NICSIM_P_VLAN
                     : p->n_vlans == 1 ? NICSIM_P_VLAN2
                     : 0);
    const struct rte_flow_item *type_item = p->type_item;

    if (type_item && is_tpid(p->type)) {
        /* A tag of which nothing but its TPID is asked. */
        if (type || item) {
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                               "follows a header whose type says otherwise");
        }
        if (!more || p->more_vlans == 0) {
            return contradiction(p, type_item);
        }
        require(p, more, true);
        if (p->n_vlans) {
            p->rule->mask.vlan2_tpid = 0xffff;
            p->rule->key.vlan2_tpid = rte_cpu_to_be_16(p->type);
        } else {
            p->rule->mask.vlan_tpid = 0xffff;
            p->rule->key.vlan_tpid = rte_cpu_to_be_16(p->type);
        }
        return 0;
    }
    if (type_item) {
        if (type && type != p->type) {
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                               "follows a header whose type says otherwise");
        }
        if (p->more_vlans == 1) {
            /* No tag can stand before a header of another type. */
            return contradiction(p, type_item);
        }
        type = p->type;
    }
    if (type) {
        p->rule->mask.eth_type = 0xffff;
        p->rule->key.eth_type = rte_cpu_to_be_16(type);
    }
    if (more && p->more_vlans >= 0) {
        require(p, more, p->more_vlans);
    } else if (more && (type_item || (item && (p->eth_seen || p->n_vlans)))) {
        /* What stands right behind another header is not behind a tag. */
        require(p, more, false);
    }
    return 0;
}

/* IP. */

static const struct field ipv4_fields[] = {
    FIELD(rte_flow_item_ipv4, hdr.version_ihl, "version_ihl", KEY_NONE),
    FIELD(rte_flow_item_ipv4, hdr.type_of_service, "tos", IN_KEY(ip_tos)),
    FIELD(rte_flow_item_ipv4, hdr.total_length, "length", KEY_NONE),
    FIELD(rte_flow_item_ipv4, hdr.packet_id, "packet_id", KEY_NONE),
    FIELD(rte_flow_item_ipv4, hdr.fragment_offset, "fragment_offset",
          KEY_ELSE),
    FIELD(rte_flow_item_ipv4, hdr.time_to_live, "ttl", IN_KEY(ip_ttl)),
    FIELD(rte_flow_item_ipv4, hdr.next_proto_id, "proto", IN_KEY(ip_proto)),
    FIELD(rte_flow_item_ipv4, hdr.hdr_checksum, "hdr_checksum", KEY_NONE),
    FIELD(rte_flow_item_ipv4, hdr.src_addr, "src", IN_KEY(ip_src)),
    FIELD(rte_flow_item_ipv4, hdr.dst_addr, "dst", IN_KEY(ip_dst)),
    { NULL, 0, 0, 0 }
};

/* Takes a fragment word, IPv4's or IPv6's, all in host order.  'offset' are
 * its bits of the fragment offset, 'one' the lowest of them, 'more' the bit
 * that says that more fragments follow.  Two ranges have a meaning of their
 * own: every offset but 0 (a later fragment), and, of IPv4, every word but 0
 * (any fragment). */
static int
parse_frag(struct pattern *p, const struct rte_flow_item *item,
           const char *field, uint16_t spec, uint16_t mask, uint16_t last,
           uint16_t offset, uint16_t one, uint16_t more)
{
    uint16_t exact = mask;

    spec &= mask;
    last &= mask;
    if (last && last != spec) {
        uint16_t any = offset | more;

        if ((mask & any) == any && (spec & any) == 1 && (last & any) == any
            && one == 1 && !((spec ^ last) & ~any)) {
            exact &= ~any;
            require(p, NICSIM_P_FRAG, true);
        } else if ((mask & offset) == offset && (spec & offset) == one
                   && (last & offset) == offset
                   && !((spec ^ last) & ~offset)) {
            exact &= ~offset;
            require(p, NICSIM_P_LATER_FRAG, true);
        } else {
            char why[128];

            snprintf(why, sizeof why, "field %s: no range but that of all "
                     "fragments or all later fragments", field);
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_LAST, why);
        }
    }
    p->rule->mask.ip_frag = rte_cpu_to_be_16(exact);
    p->rule->key.ip_frag = rte_cpu_to_be_16(spec & exact);
    return 0;
}

static int
parse_ipv4(struct pattern *p, const struct rte_flow_item *item,
           const void *spec_, const void *mask_)
{
    const struct rte_flow_item_ipv4 *spec = spec_;
    const struct rte_flow_item_ipv4 *mask = mask_;
    const struct rte_flow_item_ipv4 *last = item->last;
    int error;

    error = finish_l2(p, RTE_ETHER_TYPE_IPV4, item);
    if (error) {
        return error;
    }
    require(p, NICSIM_P_IPV4, true);
    if (spec) {
        error = parse_frag(
            p, item, "fragment_offset",
            rte_be_to_cpu_16(spec->hdr.fragment_offset),
            rte_be_to_cpu_16(mask->hdr.fragment_offset),
            last ? rte_be_to_cpu_16(last->hdr.fragment_offset) : 0,
            RTE_IPV4_HDR_OFFSET_MASK, 1, RTE_IPV4_HDR_MF_FLAG);
    }
    return error;
}

static const struct field ipv6_fields[] = {
    FIELD(rte_flow_item_ipv6, hdr.vtc_flow, "vtc_flow", KEY_ELSE),
    FIELD(rte_flow_item_ipv6, hdr.payload_len, "length", KEY_NONE),
    FIELD(rte_flow_item_ipv6, hdr.proto, "proto", IN_KEY(ip_proto)),
    FIELD(rte_flow_item_ipv6, hdr.hop_limits, "hop", IN_KEY(ip_ttl)),
    FIELD(rte_flow_item_ipv6, hdr.src_addr, "src", IN_KEY(ip_src)),
    FIELD(rte_flow_item_ipv6, hdr.dst_addr, "dst", IN_KEY(ip_dst)),
    { NULL, 0, 0, 0 }
};

static int
parse_ipv6(struct pattern *p, const struct rte_flow_item *item,
           const void *spec_, const void *mask_)
{
    const struct rte_flow_item_ipv6 *spec = spec_;
    const struct rte_flow_item_ipv6 *mask = mask_;
    struct nicsim_key *km = &p->rule->mask;
    struct nicsim_key *k = &p->rule->key;
    uint32_t m, s;
    int error;

    error = finish_l2(p, RTE_ETHER_TYPE_IPV6, item);
    if (error) {
        return error;
    }
    require(p, NICSIM_P_IPV6, true);
    if (!spec) {
        return 0;
    }
    m = rte_be_to_cpu_32(mask->hdr.vtc_flow);
    s = rte_be_to_cpu_32(spec->hdr.vtc_flow) & m;
    if (m >> 28) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                           "field vtc_flow: the version can not be matched");
    }
    km->ip_tos = m >> RTE_IPV6_HDR_TC_SHIFT;
    k->ip_tos = s >> RTE_IPV6_HDR_TC_SHIFT;
    km->ip6_label = rte_cpu_to_be_32(m & RTE_IPV6_HDR_FL_MASK);
    k->ip6_label = rte_cpu_to_be_32(s & RTE_IPV6_HDR_FL_MASK);
    if (mask->reserved) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                           "field reserved can not be matched");
    }
#define EXT(FIELD, BIT)                                                 \
    if (mask->has_##FIELD##_ext) {                                      \
        require(p, NICSIM_P_EXT_##BIT, spec->has_##FIELD##_ext);        \
    }
    EXT(hop, HOP)
    EXT(route, ROUTE)
    EXT(frag, FRAG)
    EXT(auth, AUTH)
    EXT(esp, ESP)
    EXT(dest, DEST)
    EXT(mobil, MOBIL)
    EXT(hip, HIP)
    EXT(shim6, SHIM6)
#undef EXT
    return 0;
}

static const struct rte_flow_item_ipv6_frag_ext frag_ext_mask = {
    .hdr = { .next_header = 0 },
};

static const struct field frag_ext_fields[] = {
    FIELD(rte_flow_item_ipv6_frag_ext, hdr.next_header, "next_hdr", KEY_NONE),
    FIELD(rte_flow_item_ipv6_frag_ext, hdr.reserved, "reserved", KEY_NONE),
    FIELD(rte_flow_item_ipv6_frag_ext, hdr.frag_data, "frag_data", KEY_ELSE),
    FIELD(rte_flow_item_ipv6_frag_ext, hdr.id, "id", KEY_NONE),
    { NULL, 0, 0, 0 }
};

static int
parse_frag_ext(struct pattern *p, const struct rte_flow_item *item,
               const void *spec_, const void *mask_)
{
    const struct rte_flow_item_ipv6_frag_ext *spec = spec_;
    const struct rte_flow_item_ipv6_frag_ext *mask = mask_;
    const struct rte_flow_item_ipv6_frag_ext *last = item->last;

    if (!(p->rule->key.present & NICSIM_P_IPV6)) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                           "does not follow ipv6");
    }
    if (!require(p, NICSIM_P_EXT_FRAG, true)) {
        return contradiction(p, item);
    }
    return (!spec ? 0
            : parse_frag(p, item, "frag_data",
                         rte_be_to_cpu_16(spec->hdr.frag_data),
                         rte_be_to_cpu_16(mask->hdr.frag_data),
                         last ? rte_be_to_cpu_16(last->hdr.frag_data) : 0,
                         RTE_IPV6_EHDR_FO_MASK, 1 << RTE_IPV6_EHDR_FO_SHIFT,
                         RTE_IPV6_EHDR_MF_MASK));
}

/* Layer 4. */

/* Asks for the layer-4 header that 'bit' and 'proto' stand for, over IPv4 or
 * IPv6 or, if 'type' is nonzero, only over the one that has this EtherType. */
static int
parse_l4(struct pattern *p, const struct rte_flow_item *item, uint32_t bit,
         uint8_t proto, uint16_t type)
{
    struct nicsim_key *km = &p->rule->mask;
    struct nicsim_key *k = &p->rule->key;

    if (p->layer < LAYER_IP) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                           "does not follow ipv4 or ipv6");
    }
    if (type && k->eth_type != rte_cpu_to_be_16(type)) {
        return contradiction(p, item);
    }
    if (k->present & NICSIM_P_EXT_FRAG
        || (k->present & NICSIM_P_IPV6 && k->ip_proto != (proto & km->ip_proto)
            && km->ip_proto)) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                           "can not be matched behind an IPv6 extension "
                           "header, nor where proto says otherwise");
    }
    if (k->ip_proto != (proto & km->ip_proto)
        || k->present & NICSIM_P_LATER_FRAG
        || !require(p, bit, true)) {
        return contradiction(p, item);
    }
    km->ip_proto = 0xff;
    k->ip_proto = proto;
    return 0;
}

static const struct field tcp_fields[] = {
    FIELD(rte_flow_item_tcp, hdr.src_port, "src", IN_KEY(l4_src)),
    FIELD(rte_flow_item_tcp, hdr.dst_port, "dst", IN_KEY(l4_dst)),
    FIELD(rte_flow_item_tcp, hdr.sent_seq, "sent_seq", KEY_NONE),
    FIELD(rte_flow_item_tcp, hdr.recv_ack, "recv_ack", KEY_NONE),
    FIELD(rte_flow_item_tcp, hdr.data_off, "data_off", KEY_ELSE),
    FIELD(rte_flow_item_tcp, hdr.tcp_flags, "flags", IN_KEY(tcp_flags) + 1),
    FIELD(rte_flow_item_tcp, hdr.rx_win, "rx_win", KEY_NONE),
    FIELD(rte_flow_item_tcp, hdr.cksum, "cksum", KEY_NONE),
    FIELD(rte_flow_item_tcp, hdr.tcp_urp, "tcp_urp", KEY_NONE),
    { NULL, 0, 0, 0 }
};

static int
parse_tcp(struct pattern *p, const struct rte_flow_item *item,
          const void *spec_, const void *mask_)
{
    const struct rte_flow_item_tcp *spec = spec_;
    const struct rte_flow_item_tcp *mask = mask_;

    if (spec && mask->hdr.data_off) {
        /* The reserved bits beside it are flags, too. */
        if (mask->hdr.data_off & 0xf0) {
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                               "field data_off can not be matched");
        }
        ((uint8_t *) &p->rule->mask.tcp_flags)[0] = mask->hdr.data_off;
        ((uint8_t *) &p->rule->key.tcp_flags)[0] = (spec->hdr.data_off
                                                    & mask->hdr.data_off);
    }
    return parse_l4(p, item, NICSIM_P_TCP, IPPROTO_TCP, 0);
}

static const struct field udp_fields[] = {
    FIELD(rte_flow_item_udp, hdr.src_port, "src", IN_KEY(l4_src)),
    FIELD(rte_flow_item_udp, hdr.dst_port, "dst", IN_KEY(l4_dst)),
    FIELD(rte_flow_item_udp, hdr.dgram_len, "dgram_len", KEY_NONE),
    FIELD(rte_flow_item_udp, hdr.dgram_cksum, "dgram_cksum", KEY_NONE),
    { NULL, 0, 0, 0 }
};

static int
parse_udp(struct pattern *p, const struct rte_flow_item *item,
          const void *spec __rte_unused, const void *mask __rte_unused)
{
    return parse_l4(p, item, NICSIM_P_UDP, IPPROTO_UDP, 0);
}

static const struct field sctp_fields[] = {
    FIELD(rte_flow_item_sctp, hdr.src_port, "src", IN_KEY(l4_src)),
    FIELD(rte_flow_item_sctp, hdr.dst_port, "dst", IN_KEY(l4_dst)),
    FIELD(rte_flow_item_sctp, hdr.tag, "tag", KEY_NONE),
    FIELD(rte_flow_item_sctp, hdr.cksum, "cksum", KEY_NONE),
    { NULL, 0, 0, 0 }
};

static int
parse_sctp(struct pattern *p, const struct rte_flow_item *item,
           const void *spec __rte_unused, const void *mask __rte_unused)
{
    return parse_l4(p, item, NICSIM_P_SCTP, IPPROTO_SCTP, 0);
}

static const struct field icmp_fields[] = {
    FIELD(rte_flow_item_icmp, hdr.icmp_type, "type", IN_KEY(icmp_type)),
    FIELD(rte_flow_item_icmp, hdr.icmp_code, "code", IN_KEY(icmp_code)),
    FIELD(rte_flow_item_icmp, hdr.icmp_cksum, "cksum", KEY_NONE),
    FIELD(rte_flow_item_icmp, hdr.icmp_ident, "ident", KEY_NONE),
    FIELD(rte_flow_item_icmp, hdr.icmp_seq_nb, "seq", KEY_NONE),
    { NULL, 0, 0, 0 }
};

static int
parse_icmp(struct pattern *p, const struct rte_flow_item *item,
           const void *spec __rte_unused, const void *mask __rte_unused)
{
    return parse_l4(p, item, NICSIM_P_ICMP, IPPROTO_ICMP,
                    RTE_ETHER_TYPE_IPV4);
}

static const struct field icmp6_fields[] = {
    FIELD(rte_flow_item_icmp6, type, "type", IN_KEY(icmp_type)),
    FIELD(rte_flow_item_icmp6, code, "code", IN_KEY(icmp_code)),
    FIELD(rte_flow_item_icmp6, checksum, "checksum", KEY_NONE),
    { NULL, 0, 0, 0 }
};

static int
parse_icmp6(struct pattern *p, const struct rte_flow_item *item,
            const void *spec __rte_unused, const void *mask __rte_unused)
{
    return parse_l4(p, item, NICSIM_P_ICMP6, IPPROTO_ICMPV6,
                    RTE_ETHER_TYPE_IPV6);
}

/* Metadata. */

static const struct field port_id_fields[] = {
    FIELD(rte_flow_item_port_id, id, "id", KEY_ELSE),
    { NULL, 0, 0, 0 }
};

/* Takes a port item: 'id' under 'mask', whose whole is 'all'. */
static int
parse_port(struct pattern *p, const struct rte_flow_item *item, uint32_t id,
           uint32_t mask, uint32_t all)
{
    const char *why;
    uint32_t vport;

    if (p->port_seen) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                           "is a second port item");
    }
    p->port_seen = true;
    if (!mask) {
        return 0;                       /* Any port, explicitly. */
    }
    if (mask != all) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                           "the port can be matched as a whole or not at "
                           "all");
    }
    why = nicsim_flow_find_vport(p->port, id, &vport);
    if (why) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, why);
    }
    p->rule->mask.vport = 0xffff;
    p->rule->key.vport = vport;
    return 0;
}

static int
parse_port_id(struct pattern *p, const struct rte_flow_item *item,
              const void *spec_, const void *mask_)
{
    const struct rte_flow_item_port_id *spec = spec_;
    const struct rte_flow_item_port_id *mask = mask_;

    return parse_port(p, item, spec ? spec->id : 0, spec ? mask->id : 0,
                      UINT32_MAX);
}

static const struct field ethdev_fields[] = {
    FIELD(rte_flow_item_ethdev, port_id, "ethdev_port_id", KEY_ELSE),
    { NULL, 0, 0, 0 }
};

static int
parse_represented_port(struct pattern *p, const struct rte_flow_item *item,
                       const void *spec_, const void *mask_)
{
    const struct rte_flow_item_ethdev *spec = spec_;
    const struct rte_flow_item_ethdev *mask = mask_;

    return parse_port(p, item, spec ? spec->port_id : 0,
                      spec ? mask->port_id : 0, UINT16_MAX);
}

static const struct field mark_fields[] = {
    FIELD(rte_flow_item_mark, id, "id", IN_KEY(mark)),
    { NULL, 0, 0, 0 }
};

static int
parse_mark(struct pattern *p, const struct rte_flow_item *item,
           const void *spec, const void *mask __rte_unused)
{
    if (!p->attr->group) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                           "has no meaning in group 0, where no packet has "
                           "a mark yet");
    }
    if (!spec) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                           "needs a value");
    }
    if (p->mark_seen) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                           "is a second mark item");
    }
    p->mark_seen = true;
    return 0;
}

/* All items. */

#define ITEM(TYPE, BIT, LAYER, STRUCT, MASK, FIELDS, PARSE)             \
    { RTE_FLOW_ITEM_TYPE_##TYPE, NICSIM_ITEM_##BIT, LAYER,              \
      sizeof(struct STRUCT), MASK, FIELDS, PARSE }

static const struct item_info items[] = {
    ITEM(PORT_ID, PORT, LAYER_META, rte_flow_item_port_id,
         &rte_flow_item_port_id_mask, port_id_fields, parse_port_id),
    ITEM(REPRESENTED_PORT, PORT, LAYER_META, rte_flow_item_ethdev,
         &rte_flow_item_ethdev_mask, ethdev_fields, parse_represented_port),
    ITEM(MARK, MARK, LAYER_META, rte_flow_item_mark,
         &rte_flow_item_mark_mask, mark_fields, parse_mark),
    ITEM(ETH, ETH, LAYER_ETH, rte_flow_item_eth,
         &rte_flow_item_eth_mask, eth_fields, parse_eth),
    ITEM(VLAN, VLAN, LAYER_VLAN, rte_flow_item_vlan,
         &rte_flow_item_vlan_mask, vlan_fields, parse_vlan),
    ITEM(IPV4, IPV4, LAYER_IP, rte_flow_item_ipv4,
         &rte_flow_item_ipv4_mask, ipv4_fields, parse_ipv4),
    ITEM(IPV6, IPV6, LAYER_IP, rte_flow_item_ipv6,
         &rte_flow_item_ipv6_mask, ipv6_fields, parse_ipv6),
    ITEM(IPV6_FRAG_EXT, IPV6_FRAG, LAYER_IP_EXT, rte_flow_item_ipv6_frag_ext,
         &frag_ext_mask, frag_ext_fields, parse_frag_ext),
    ITEM(TCP, TCP, LAYER_L4, rte_flow_item_tcp,
         &rte_flow_item_tcp_mask, tcp_fields, parse_tcp),
    ITEM(UDP, UDP, LAYER_L4, rte_flow_item_udp,
         &rte_flow_item_udp_mask, udp_fields, parse_udp),
    ITEM(SCTP, SCTP, LAYER_L4, rte_flow_item_sctp,
         &rte_flow_item_sctp_mask, sctp_fields, parse_sctp),
    ITEM(ICMP, ICMP, LAYER_L4, rte_flow_item_icmp,
         &rte_flow_item_icmp_mask, icmp_fields, parse_icmp),
    ITEM(ICMP6, ICMP6, LAYER_L4, rte_flow_item_icmp6,
         &rte_flow_item_icmp6_mask, icmp6_fields, parse_icmp6),
};

static const struct item_info *
find_item(int type)
{
    for (unsigned int i = 0; i < RTE_DIM(items); i++) {
        if ((int) items[i].type == type) {
            return &items[i];
        }
    }
    return NULL;
}

uint32_t
nicsim_flow_item_bit(enum rte_flow_item_type type)
{
    const struct item_info *info = find_item(type);

    return info ? info->bit : 0;
}

static int
refuse_item(struct pattern *p, const struct rte_flow_item *item,
            enum rte_flow_error_type type, const char *why)
{
    const void *cause = (type == RTE_FLOW_ERROR_TYPE_ITEM_SPEC ? item->spec
                         : type == RTE_FLOW_ERROR_TYPE_ITEM_MASK ? item->mask
                         : type == RTE_FLOW_ERROR_TYPE_ITEM_LAST ? item->last
                         : item);
    char name[32];

    return nicsim_flow_refuse(p->error, ENOTSUP, type, cause, "item %s: %s",
                              nicsim_flow_item_name(item->type, name,
                                                    sizeof name), why);
}

static bool
any_byte(const uint8_t *a, const uint8_t *mask, size_t n)
{
    while (n--) {
        if (*a++ & *mask++) {
            return true;
        }
    }
    return false;
}

/* Copies the fields of 'item' into the key. */
static int
parse_fields(struct pattern *p, const struct rte_flow_item *item,
             const struct item_info *info, const void *mask_)
{
    const uint8_t *spec = item->spec;
    const uint8_t *last = item->last;
    const uint8_t *mask = mask_;
    const struct field *f;
    char why[80];

    for (f = info->fields; f->name; f++) {
        uint8_t *km = (uint8_t *) &p->rule->mask + f->key;
        uint8_t *k = (uint8_t *) &p->rule->key + f->key;

        if (!any_byte(mask + f->offset, mask + f->offset, f->size)) {
            continue;
        }
        if (f->key == KEY_NONE) {
            snprintf(why, sizeof why, "field %s can not be matched", f->name);
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK, why);
        }
        if (last && f->key != KEY_ELSE
            && any_byte(last + f->offset, mask + f->offset, f->size)
            && memcmp(last + f->offset, spec + f->offset, f->size)) {
            snprintf(why, sizeof why, "field %s can not be matched by a "
                     "range", f->name);
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_LAST, why);
        }
        if (f->key == KEY_ELSE) {
            continue;
        }
        for (unsigned int i = 0; i < f->size; i++) {
            km[i] = mask[f->offset + i];
            k[i] = spec[f->offset + i] & mask[f->offset + i];
        }
    }
    return 0;
}

/* Ranges of fields that item functions treat, but for fragment words, which
 * know what to do with them. */
static int
refuse_other_ranges(struct pattern *p, const struct rte_flow_item *item,
                    const struct item_info *info, const void *mask_)
{
    const uint8_t *spec = item->spec;
    const uint8_t *last = item->last;
    const uint8_t *mask = mask_;
    const struct field *f;
    char why[80];

    for (f = info->fields; last && f->name; f++) {
        if (f->key == KEY_ELSE && strncmp(f->name, "frag", 4)
            && any_byte(last + f->offset, mask + f->offset, f->size)
            && memcmp(last + f->offset, spec + f->offset, f->size)) {
            snprintf(why, sizeof why, "field %s can not be matched by a "
                     "range", f->name);
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_LAST, why);
        }
    }
    return 0;
}

static int
parse_item(struct pattern *p, const struct rte_flow_item *item)
{
    const struct item_info *info = find_item(item->type);
    const void *mask = NULL;
    int error;

    if (!info) {
        return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                           item->type == RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR
                           ? "what software sends does not pass the rules; "
                           "use represented_port"
                           : "the NIC can not match this");
    }
    if (info->layer != LAYER_META) {
        bool second_tag = (info->layer == LAYER_VLAN
                           && p->layer == LAYER_VLAN && p->n_vlans < 2);

        if (info->layer == LAYER_VLAN && p->n_vlans >= 2) {
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                               "the NIC looks at two tags only");
        }
        if (info->layer <= p->layer && !second_tag) {
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                               "can not stand here in the pattern");
        }
    }
    if (!item->spec) {
        if (item->mask || item->last) {
            return refuse_item(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                               "has a mask or last, but no spec");
        }
    } else {
        mask = item->mask ? item->mask : info->default_mask;
        error = parse_fields(p, item, info, mask);
        if (!error) {
            error = refuse_other_ranges(p, item, info, mask);
        }
        if (error) {
            return error;
        }
    }
    error = info->parse(p, item, item->spec, mask);
    if (!error) {
        p->rule->items |= info->bit;
        if (info->layer != LAYER_META) {
            p->layer = info->layer;
        }
    }
    return error;
}

int
nicsim_flow_parse_pattern(const struct nicsim_port *port,
                          const struct rte_flow_attr *attr,
                          const struct rte_flow_item pattern[],
                          struct nicsim_rule *rule,
                          struct rte_flow_error *error)
{
    struct pattern p = {
        .port = port,
        .attr = attr,
        .rule = rule,
        .error = error,
        .more_vlans = -1,
    };
    const struct rte_flow_item *item;
    int ret;

    if (!pattern) {
        return nicsim_flow_refuse(error, EINVAL,
                                  RTE_FLOW_ERROR_TYPE_ITEM_NUM, NULL,
                                  "there is no pattern");
    }
    for (item = pattern; item->type != RTE_FLOW_ITEM_TYPE_END; item++) {
        if (item->type == RTE_FLOW_ITEM_TYPE_VOID) {
            continue;
        }
        ret = parse_item(&p, item);
        if (ret) {
            return ret;
        }
    }
    if (p.layer < LAYER_IP) {
        ret = finish_l2(&p, 0, NULL);
        if (ret) {
            return ret;
        }
    }
    if (!p.port_seen) {
        rule->mask.vport = 0xffff;
        rule->key.vport = nicsim_port_vport(port);
    }
    return 0;
}
