/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-flow-pattern.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "nicsim/bytes.h"
#include "nicsim-flow.h"
#include "nicsim-port.h"

/* Ethernet and VLAN. */

static bool
is_tpid(uint16_t type)
{
    return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ;
}

/* Takes what 'item' says of the type of the header behind it. */
static int
set_type(struct nicsim_pattern *p, const struct rte_flow_item *item,
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
        return nicsim_pattern_refuse_mask(p, item, why);
    }
    return 0;
}

static const struct nicsim_item_field eth_fields[] = {
    NICSIM_FIELD(rte_flow_item_eth, dst, "dst", eth_dst),
    NICSIM_FIELD(rte_flow_item_eth, src, "src", eth_src),
    NICSIM_FIELD_TO(rte_flow_item_eth, type, "type", FUNCTION),
    NICSIM_FIELDS_END
};

static int
parse_eth(struct nicsim_pattern *p, const struct rte_flow_item *item,
          const void *spec_, const void *mask_)
{
    const struct rte_flow_item_eth *spec = spec_;
    const struct rte_flow_item_eth *mask = mask_;

    p->eth_seen = true;
    if (!spec) {
        return 0;
    }
    if (mask->reserved) {
        return nicsim_pattern_refuse_mask(p, item, "field reserved can not be "
                                          "matched");
    }
    if (mask->has_vlan) {
        p->more_vlans = spec->has_vlan;
    }
    return set_type(p, item, spec->type, mask->type, "type");
}

static const struct nicsim_item_field vlan_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_vlan, tci, "tci", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_vlan, inner_type, "inner_type", FUNCTION),
    NICSIM_FIELDS_END
};

static int
parse_vlan(struct nicsim_pattern *p, const struct rte_flow_item *item,
           const void *spec_, const void *mask_)
{
    const struct rte_flow_item_vlan *spec = spec_;
    const struct rte_flow_item_vlan *mask = mask_;
    bool outer = !p->n_vlans++;
    struct nicsim_key *km = p->km;
    struct nicsim_key *k = p->k;

    if (p->more_vlans == 0
        || !nicsim_pattern_require(p, outer ? NICSIM_P_VLAN : NICSIM_P_VLAN2,
                                   true)) {
        return nicsim_pattern_contradiction(p, item);
    }
    if (p->type_item) {
        if (!is_tpid(p->type)) {
            return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                         "follows a header whose type says "
                                         "otherwise");
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
        return nicsim_pattern_refuse_mask(p, item, "field reserved can not be "
                                          "matched");
    }
    if (mask->has_more_vlan) {
        if (!outer) {
            return nicsim_pattern_refuse_mask(p, item, "field has_more_vlan "
                                              "can not be matched behind two "
                                              "tags");
        }
        p->more_vlans = spec->has_more_vlan;
    }
    *(outer ? &km->vlan_tci : &km->vlan2_tci) = mask->tci;
    *(outer ? &k->vlan_tci : &k->vlan2_tci) = spec->tci & mask->tci;
    return set_type(p, item, spec->inner_type, mask->inner_type,
                    "inner_type");
}

/* Layer 3. */

static const struct nicsim_item_field ipv4_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_ipv4, hdr.version_ihl, "version_ihl",
                    FUNCTION),
    NICSIM_FIELD(rte_flow_item_ipv4, hdr.type_of_service, "tos", ip_tos),
    NICSIM_FIELD_TO(rte_flow_item_ipv4, hdr.total_length, "length", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_ipv4, hdr.packet_id, "packet_id", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_ipv4, hdr.fragment_offset,
                    "fragment_offset", RANGE),
    NICSIM_FIELD(rte_flow_item_ipv4, hdr.time_to_live, "ttl", ip_ttl),
    NICSIM_FIELD(rte_flow_item_ipv4, hdr.next_proto_id, "proto", ip_proto),
    NICSIM_FIELD_TO(rte_flow_item_ipv4, hdr.hdr_checksum, "hdr_checksum",
                    NOTHING),
    NICSIM_FIELD(rte_flow_item_ipv4, hdr.src_addr, "src", ip_src),
    NICSIM_FIELD(rte_flow_item_ipv4, hdr.dst_addr, "dst", ip_dst),
    NICSIM_FIELDS_END
};

/* Takes a fragment word, IPv4's or IPv6's, all in host order.  'offset' are
 * its bits of the fragment offset, 'one' the lowest of them, 'more' the bit
 * that says that more fragments follow.  Two ranges have a meaning of their
 * own: every offset but 0 (a later fragment), and, of IPv4, every word but 0
 * (any fragment). */
static int
parse_frag(struct nicsim_pattern *p, const struct rte_flow_item *item,
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
            nicsim_pattern_require(p, NICSIM_P_FRAG, true);
        } else if ((mask & offset) == offset && (spec & offset) == one
                   && (last & offset) == offset
                   && !((spec ^ last) & ~offset)) {
            exact &= ~offset;
            nicsim_pattern_require(p, NICSIM_P_LATER_FRAG, true);
        } else {
            char why[128];

            snprintf(why, sizeof why, "field %s: no range but that of all "
                     "fragments or all later fragments", field);
            return nicsim_pattern_refuse(p, item,
                                         RTE_FLOW_ERROR_TYPE_ITEM_LAST, why);
        }
    }
    p->km->ip_frag = rte_cpu_to_be_16(exact);
    p->k->ip_frag = rte_cpu_to_be_16(spec & exact);
    return 0;
}

static int
parse_ipv4(struct nicsim_pattern *p, const struct rte_flow_item *item,
           const void *spec_, const void *mask_)
{
    const struct rte_flow_item_ipv4 *spec = spec_;
    const struct rte_flow_item_ipv4 *mask = mask_;
    const struct rte_flow_item_ipv4 *last = item->last;
    uint8_t m;

    if (!spec) {
        return 0;
    }
    m = mask->hdr.version_ihl;
    if (m) {
        /* The only header lengths that can be told apart are that without
         * options and all others. */
        if ((m != 0xff && m != 0x0f)
            || (spec->hdr.version_ihl & m) != (0x45 & m)) {
            return nicsim_pattern_refuse_mask(
                p, item, "field version_ihl can be matched as 0x45 only");
        }
        nicsim_pattern_require(p, NICSIM_P_IP_OPTIONS, false);
    }
    return parse_frag(p, item, "fragment_offset",
                      rte_be_to_cpu_16(spec->hdr.fragment_offset),
                      rte_be_to_cpu_16(mask->hdr.fragment_offset),
                      last ? rte_be_to_cpu_16(last->hdr.fragment_offset) : 0,
                      RTE_IPV4_HDR_OFFSET_MASK, 1, RTE_IPV4_HDR_MF_FLAG);
}

static const struct nicsim_item_field ipv6_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_ipv6, hdr.vtc_flow, "vtc_flow", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_ipv6, hdr.payload_len, "length", NOTHING),
    NICSIM_FIELD(rte_flow_item_ipv6, hdr.proto, "proto", ip_proto),
    NICSIM_FIELD(rte_flow_item_ipv6, hdr.hop_limits, "hop", ip_ttl),
    NICSIM_FIELD(rte_flow_item_ipv6, hdr.src_addr, "src", ip_src),
    NICSIM_FIELD(rte_flow_item_ipv6, hdr.dst_addr, "dst", ip_dst),
    NICSIM_FIELDS_END
};

static int
parse_ipv6(struct nicsim_pattern *p, const struct rte_flow_item *item,
           const void *spec_, const void *mask_)
{
    const struct rte_flow_item_ipv6 *spec = spec_;
    const struct rte_flow_item_ipv6 *mask = mask_;
    struct nicsim_key *km = p->km;
    struct nicsim_key *k = p->k;
    uint32_t m, s;

    if (!spec) {
        return 0;
    }
    m = rte_be_to_cpu_32(mask->hdr.vtc_flow);
    s = rte_be_to_cpu_32(spec->hdr.vtc_flow) & m;
    if (m >> 28) {
        return nicsim_pattern_refuse_mask(p, item, "field vtc_flow: the "
                                          "version can not be matched");
    }
    km->ip_tos = m >> RTE_IPV6_HDR_TC_SHIFT;
    k->ip_tos = s >> RTE_IPV6_HDR_TC_SHIFT;
    km->ip6_label = rte_cpu_to_be_32(m & RTE_IPV6_HDR_FL_MASK);
    k->ip6_label = rte_cpu_to_be_32(s & RTE_IPV6_HDR_FL_MASK);
    if (mask->reserved) {
        return nicsim_pattern_refuse_mask(p, item, "field reserved can not be "
                                          "matched");
    }
#define EXT(FIELD, BIT)                                                 \
    if (mask->has_##FIELD##_ext) {                                      \
        nicsim_pattern_require(p, NICSIM_P_EXT_##BIT,                   \
                               spec->has_##FIELD##_ext);                \
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

static const struct nicsim_item_field arp_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_arp_eth_ipv4, hrd, "hrd", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_arp_eth_ipv4, pro, "pro", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_arp_eth_ipv4, hln, "hln", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_arp_eth_ipv4, pln, "pln", FUNCTION),
    NICSIM_FIELD(rte_flow_item_arp_eth_ipv4, op, "op", arp_oper),
    NICSIM_FIELD(rte_flow_item_arp_eth_ipv4, sha, "sha", arp_sha),
    NICSIM_FIELD(rte_flow_item_arp_eth_ipv4, spa, "spa", ip_src),
    NICSIM_FIELD(rte_flow_item_arp_eth_ipv4, tha, "tha", arp_tha),
    NICSIM_FIELD(rte_flow_item_arp_eth_ipv4, tpa, "tpa", ip_dst),
    NICSIM_FIELDS_END
};

/* The NIC knows the form that the item is named after, and no other. */
static int
parse_arp(struct nicsim_pattern *p, const struct rte_flow_item *item,
          const void *spec_, const void *mask_)
{
    const struct rte_flow_item_arp_eth_ipv4 *spec = spec_;
    const struct rte_flow_item_arp_eth_ipv4 *mask = mask_;

    return (spec && ((spec->hrd ^ RTE_BE16(RTE_ARP_HRD_ETHER)) & mask->hrd
                     || (spec->pro ^ RTE_BE16(RTE_ETHER_TYPE_IPV4)) & mask->pro
                     || (spec->hln ^ RTE_ETHER_ADDR_LEN) & mask->hln
                     || (spec->pln ^ 4) & mask->pln)
            ? nicsim_pattern_contradiction(p, item) : 0);
}

static const struct nicsim_item_field mpls_fields[] = {
    NICSIM_FIELD(rte_flow_item_mpls, label_tc_s, "label_tc_s", mpls),
    NICSIM_FIELD__(rte_flow_item_mpls, ttl, "ttl", STACK,
                   offsetof(struct nicsim_key, mpls) + 3),
    NICSIM_FIELDS_END
};

/* MPLS has two EtherTypes. */
static int
parse_mpls(struct nicsim_pattern *p, const struct rte_flow_item *item,
           const void *spec __rte_unused, const void *mask __rte_unused)
{
    uint16_t type = (p->type_item && p->type == RTE_ETHER_TYPE_MPLSM
                     ? RTE_ETHER_TYPE_MPLSM : RTE_ETHER_TYPE_MPLS);
    int error = nicsim_pattern_finish_l2(p, type, item);

    if (!error) {
        nicsim_pattern_require(p, NICSIM_P_MPLS, true);
    }
    return error;
}

static const struct rte_flow_item_ipv6_frag_ext frag_ext_mask = {
    .hdr = { .next_header = 0 },
};

static const struct nicsim_item_field frag_ext_fields[] = {
    NICSIM_FIELD(rte_flow_item_ipv6_frag_ext, hdr.next_header, "next_hdr",
                 ip6_frag_next),
    NICSIM_FIELD_TO(rte_flow_item_ipv6_frag_ext, hdr.reserved, "reserved",
                    NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_ipv6_frag_ext, hdr.frag_data, "frag_data",
                    RANGE),
    NICSIM_FIELD_TO(rte_flow_item_ipv6_frag_ext, hdr.id, "id", NOTHING),
    NICSIM_FIELDS_END
};

static int
parse_frag_ext(struct nicsim_pattern *p, const struct rte_flow_item *item,
               const void *spec_, const void *mask_)
{
    const struct rte_flow_item_ipv6_frag_ext *spec = spec_;
    const struct rte_flow_item_ipv6_frag_ext *mask = mask_;
    const struct rte_flow_item_ipv6_frag_ext *last = item->last;

    if (!(p->k->present & NICSIM_P_IPV6)) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                           "does not follow ipv6");
    }
    if (!nicsim_pattern_require(p, NICSIM_P_EXT_FRAG, true)) {
        return nicsim_pattern_contradiction(p, item);
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

static const struct nicsim_item_field tcp_fields[] = {
    NICSIM_FIELD(rte_flow_item_tcp, hdr.src_port, "src", l4_src),
    NICSIM_FIELD(rte_flow_item_tcp, hdr.dst_port, "dst", l4_dst),
    NICSIM_FIELD_TO(rte_flow_item_tcp, hdr.sent_seq, "sent_seq", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_tcp, hdr.recv_ack, "recv_ack", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_tcp, hdr.data_off, "data_off", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_tcp, hdr.tcp_flags, "flags", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_tcp, hdr.rx_win, "rx_win", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_tcp, hdr.cksum, "cksum", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_tcp, hdr.tcp_urp, "tcp_urp", NOTHING),
    NICSIM_FIELDS_END
};

static int
parse_tcp(struct nicsim_pattern *p, const struct rte_flow_item *item,
          const void *spec_, const void *mask_)
{
    const struct rte_flow_item_tcp *spec = spec_;
    const struct rte_flow_item_tcp *mask = mask_;
    uint8_t m[2], s[2];

    if (!spec) {
        return 0;
    }
    /* The reserved bits beside the data offset are flags, too. */
    if (mask->hdr.data_off & 0xf0) {
        return nicsim_pattern_refuse_mask(p, item, "field data_off can not "
                                          "be matched");
    }
    m[0] = mask->hdr.data_off;
    m[1] = mask->hdr.tcp_flags;
    s[0] = spec->hdr.data_off & m[0];
    s[1] = spec->hdr.tcp_flags & m[1];
    memcpy(&p->km->tcp_flags, m, sizeof m);
    memcpy(&p->k->tcp_flags, s, sizeof s);
    return 0;
}

static const struct nicsim_item_field udp_fields[] = {
    NICSIM_FIELD(rte_flow_item_udp, hdr.src_port, "src", l4_src),
    NICSIM_FIELD(rte_flow_item_udp, hdr.dst_port, "dst", l4_dst),
    NICSIM_FIELD_TO(rte_flow_item_udp, hdr.dgram_len, "dgram_len", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_udp, hdr.dgram_cksum, "dgram_cksum", RANGE),
    NICSIM_FIELDS_END
};

/* Whether there is a checksum can be told, but not which. */
static int
parse_udp(struct nicsim_pattern *p, const struct rte_flow_item *item,
          const void *spec_, const void *mask_)
{
    const struct rte_flow_item_udp *spec = spec_;
    const struct rte_flow_item_udp *mask = mask_;
    const struct rte_flow_item_udp *last = item->last;
    uint16_t from, to;

    if (!spec || !mask->hdr.dgram_cksum) {
        return 0;
    }
    from = rte_be_to_cpu_16(spec->hdr.dgram_cksum);
    to = last ? rte_be_to_cpu_16(last->hdr.dgram_cksum) : 0;
    if (mask->hdr.dgram_cksum != 0xffff
        || !((!from && !to) || (from == 1 && to == 0xffff))) {
        return nicsim_pattern_refuse_mask(p, item, "field dgram_cksum can be "
                                          "matched as 0 or from 1 to 0xffff "
                                          "only");
    }
    nicsim_pattern_require(p, NICSIM_P_UDP_CSUM, from != 0);
    return 0;
}

static const struct nicsim_item_field sctp_fields[] = {
    NICSIM_FIELD(rte_flow_item_sctp, hdr.src_port, "src", l4_src),
    NICSIM_FIELD(rte_flow_item_sctp, hdr.dst_port, "dst", l4_dst),
    NICSIM_FIELD_TO(rte_flow_item_sctp, hdr.tag, "tag", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_sctp, hdr.cksum, "cksum", NOTHING),
    NICSIM_FIELDS_END
};

static const struct nicsim_item_field icmp_fields[] = {
    NICSIM_FIELD(rte_flow_item_icmp, hdr.icmp_type, "type", icmp_type),
    NICSIM_FIELD(rte_flow_item_icmp, hdr.icmp_code, "code", icmp_code),
    NICSIM_FIELD_TO(rte_flow_item_icmp, hdr.icmp_cksum, "cksum", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_icmp, hdr.icmp_ident, "ident", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_icmp, hdr.icmp_seq_nb, "seq", NOTHING),
    NICSIM_FIELDS_END
};

static const struct nicsim_item_field icmp6_fields[] = {
    NICSIM_FIELD(rte_flow_item_icmp6, type, "type", icmp_type),
    NICSIM_FIELD(rte_flow_item_icmp6, code, "code", icmp_code),
    NICSIM_FIELD_TO(rte_flow_item_icmp6, checksum, "checksum", NOTHING),
    NICSIM_FIELDS_END
};

/* Neighbor discovery.  Solicitations and advertisements differ in their type
 * only. */

static const struct nicsim_item_field nd_ns_fields[] = {
    NICSIM_FIELD(rte_flow_item_icmp6_nd_ns, type, "type", icmp_type),
    NICSIM_FIELD(rte_flow_item_icmp6_nd_ns, code, "code", icmp_code),
    NICSIM_FIELD_TO(rte_flow_item_icmp6_nd_ns, checksum, "checksum", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_icmp6_nd_ns, reserved, "reserved", NOTHING),
    NICSIM_FIELD(rte_flow_item_icmp6_nd_ns, target_addr, "target_addr",
                 nd_target),
    NICSIM_FIELDS_END
};

static const struct nicsim_item_field nd_na_fields[] = {
    NICSIM_FIELD(rte_flow_item_icmp6_nd_na, type, "type", icmp_type),
    NICSIM_FIELD(rte_flow_item_icmp6_nd_na, code, "code", icmp_code),
    NICSIM_FIELD_TO(rte_flow_item_icmp6_nd_na, checksum, "checksum", NOTHING),
    NICSIM_FIELD_TO(rte_flow_item_icmp6_nd_na, rso_reserved, "rso_reserved",
                    NOTHING),
    NICSIM_FIELD(rte_flow_item_icmp6_nd_na, target_addr, "target_addr",
                 nd_target),
    NICSIM_FIELDS_END
};

static int
parse_nd(struct nicsim_pattern *p, const struct rte_flow_item *item,
         const void *spec __rte_unused, const void *mask __rte_unused)
{
    uint8_t type = item->type == RTE_FLOW_ITEM_TYPE_ICMP6_ND_NS ? 135 : 136;

    if (p->k->icmp_type != (type & p->km->icmp_type) || p->k->icmp_code) {
        return nicsim_pattern_contradiction(p, item);
    }
    p->k->icmp_type = type;
    p->km->icmp_type = p->km->icmp_code = 0xff;
    return 0;
}

static const struct nicsim_item_field nd_sla_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_icmp6_nd_opt_sla_eth, type, "type",
                    FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_icmp6_nd_opt_sla_eth, length, "length",
                    FUNCTION),
    NICSIM_FIELD(rte_flow_item_icmp6_nd_opt_sla_eth, sla, "sla", arp_sha),
    NICSIM_FIELDS_END
};

static const struct nicsim_item_field nd_tla_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_icmp6_nd_opt_tla_eth, type, "type",
                    FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_icmp6_nd_opt_tla_eth, length, "length",
                    FUNCTION),
    NICSIM_FIELD(rte_flow_item_icmp6_nd_opt_tla_eth, tla, "tla", arp_tha),
    NICSIM_FIELDS_END
};

/* Both options' items have the same form. */
static int
parse_nd_opt(struct nicsim_pattern *p, const struct rte_flow_item *item,
             const void *spec_, const void *mask_)
{
    const struct rte_flow_item_icmp6_nd_opt_sla_eth *spec = spec_;
    const struct rte_flow_item_icmp6_nd_opt_sla_eth *mask = mask_;
    bool sla = item->type == RTE_FLOW_ITEM_TYPE_ICMP6_ND_OPT_SLA_ETH;
    uint8_t type = sla ? 1 : 2;

    if (!(p->k->present & NICSIM_P_ND)) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "does not follow icmp6_nd_ns or "
                                     "icmp6_nd_na");
    }
    if (spec && ((spec->type ^ type) & mask->type
                 || (spec->length ^ 1) & mask->length)) {
        return nicsim_pattern_contradiction(p, item);
    }
    if (is_zero(sla ? p->k->arp_sha : p->k->arp_tha, RTE_ETHER_ADDR_LEN)) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                                     "needs an address, not all zeros");
    }
    return 0;
}

/* Metadata. */

static const struct nicsim_item_field port_id_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_port_id, id, "id", FUNCTION),
    NICSIM_FIELDS_END
};

/* Takes a port item: 'id' under 'mask', whose whole is 'all'. */
static int
parse_port(struct nicsim_pattern *p, const struct rte_flow_item *item,
           uint32_t id, uint32_t mask, uint32_t all)
{
    const char *why;
    uint32_t vport;

    if (p->seen & (NICSIM_ITEM_PORT | NICSIM_ITEM_PORT_ID)) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "is a second port item");
    }
    if (!mask) {
        return 0;                       /* Any port, explicitly. */
    }
    if (mask != all) {
        return nicsim_pattern_refuse_mask(p, item, "the port can be matched "
                                          "as a whole or not at all");
    }
    why = nicsim_flow_find_vport(p->port, id, &vport);
    if (why) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                                     why);
    }
    p->rule->mask.meta.vport = 0xffff;
    p->rule->key.meta.vport = vport;
    return 0;
}

static int
parse_port_id(struct nicsim_pattern *p, const struct rte_flow_item *item,
              const void *spec_, const void *mask_)
{
    const struct rte_flow_item_port_id *spec = spec_;
    const struct rte_flow_item_port_id *mask = mask_;

    return parse_port(p, item, spec ? spec->id : 0, spec ? mask->id : 0,
                      UINT32_MAX);
}

static const struct nicsim_item_field ethdev_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_ethdev, port_id, "ethdev_port_id",
                    FUNCTION),
    NICSIM_FIELDS_END
};

static int
parse_represented_port(struct nicsim_pattern *p,
                       const struct rte_flow_item *item,
                       const void *spec_, const void *mask_)
{
    const struct rte_flow_item_ethdev *spec = spec_;
    const struct rte_flow_item_ethdev *mask = mask_;

    return parse_port(p, item, spec ? spec->port_id : 0,
                      spec ? mask->port_id : 0, UINT16_MAX);
}

/* What all items need that match what a rule has set. */
static int
check_register(struct nicsim_pattern *p, const struct rte_flow_item *item,
               const void *spec)
{
    if (!p->attr->group) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "has no meaning in group 0, where no "
                                     "packet has one yet");
    }
    return (spec ? 0
            : nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                                    "needs a value"));
}

static const struct nicsim_item_field mark_fields[] = {
    NICSIM_FIELD_META(rte_flow_item_mark, id, "id", mark),
    NICSIM_FIELDS_END
};

static const struct nicsim_item_field meta_fields[] = {
    NICSIM_FIELD_META(rte_flow_item_meta, data, "data", meta),
    NICSIM_FIELDS_END
};

static int
parse_register(struct nicsim_pattern *p, const struct rte_flow_item *item,
               const void *spec, const void *mask __rte_unused)
{
    return check_register(p, item, spec);
}

static const struct nicsim_item_field tag_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_tag, data, "data", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_tag, index, "index", FUNCTION),
    NICSIM_FIELDS_END
};

static int
parse_tag(struct nicsim_pattern *p, const struct rte_flow_item *item,
          const void *spec_, const void *mask_)
{
    const struct rte_flow_item_tag *spec = spec_;
    const struct rte_flow_item_tag *mask = mask_;
    int error = check_register(p, item, spec);

    if (error) {
        return error;
    }
    if (mask->index != 0xff) {
        return nicsim_pattern_refuse_mask(p, item, "needs the index");
    }
    if (spec->index >= NICSIM_N_TAGS) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                                     "the NIC has no tag of this index");
    }
    if (p->seen_tags & (1u << spec->index)) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "stands twice in the pattern");
    }
    p->seen_tags |= 1u << spec->index;
    p->rule->mask.meta.tags[spec->index] = mask->data;
    p->rule->key.meta.tags[spec->index] = spec->data & mask->data;
    return 0;
}

static const struct nicsim_item_field integrity_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_integrity, level, "level", FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_integrity, value, "value", FUNCTION),
    NICSIM_FIELDS_END
};

/* The bits of outer checksums are the outer stack's, wherever the item
 * stands. */
static int
parse_integrity(struct nicsim_pattern *p, const struct rte_flow_item *item,
                const void *spec_, const void *mask_)
{
    const struct rte_flow_item_integrity *spec = spec_;
    const struct rte_flow_item_integrity *mask = mask_;
    struct nicsim_key *k = &p->rule->key.outer;
    struct nicsim_key *km = &p->rule->mask.outer;
    struct rte_flow_item_integrity rest;

    if (!spec) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                                     "needs a value");
    }
    if (spec->level > 1) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                                     "only the outermost level is checked");
    }
    if (!mask->value) {
        return nicsim_pattern_refuse_mask(p, item, "asks for nothing");
    }
    rest = *mask;
    rest.ipv4_csum_ok = 0;
    rest.l4_csum_ok = 0;
    if (rest.value) {
        return nicsim_pattern_refuse_mask(p, item, "no fields but "
                                          "ipv4_csum_ok and l4_csum_ok can "
                                          "be matched");
    }
    if (mask->ipv4_csum_ok) {
        km->present |= NICSIM_P_IP_OK;
        k->present |= spec->ipv4_csum_ok ? NICSIM_P_IP_OK : 0;
    }
    if (mask->l4_csum_ok) {
        km->present |= NICSIM_P_L4_OK;
        k->present |= spec->l4_csum_ok ? NICSIM_P_L4_OK : 0;
    }
    return 0;
}

/* All items but those of tunnels. */

#define ROW NICSIM_ITEM_ROW
const struct nicsim_item nicsim_items[] = {
    { ROW(PORT_ID, PORT_ID, META, rte_flow_item_port_id,
          &rte_flow_item_port_id_mask, port_id_fields),
      .repeated = true, .parse = parse_port_id },
    { ROW(REPRESENTED_PORT, PORT, META, rte_flow_item_ethdev,
          &rte_flow_item_ethdev_mask, ethdev_fields),
      .repeated = true, .parse = parse_represented_port },
    { ROW(MARK, MARK, META, rte_flow_item_mark,
          &rte_flow_item_mark_mask, mark_fields),
      .parse = parse_register },
    { ROW(META, META, META, rte_flow_item_meta,
          &rte_flow_item_meta_mask, meta_fields),
      .parse = parse_register },
    { ROW(TAG, TAG, META, rte_flow_item_tag,
          &rte_flow_item_tag_mask, tag_fields),
      .repeated = true, .parse = parse_tag },
    { ROW(INTEGRITY, INTEGRITY, META, rte_flow_item_integrity,
          &rte_flow_item_integrity_mask, integrity_fields),
      .parse = parse_integrity },
    { ROW(ETH, ETH, ETH, rte_flow_item_eth,
          &rte_flow_item_eth_mask, eth_fields),
      .parse = parse_eth },
    { ROW(VLAN, VLAN, VLAN, rte_flow_item_vlan,
          &rte_flow_item_vlan_mask, vlan_fields),
      .repeated = true, .parse = parse_vlan },
    { ROW(IPV4, IPV4, 3, rte_flow_item_ipv4,
          &rte_flow_item_ipv4_mask, ipv4_fields),
      .present = NICSIM_P_IPV4, .eth_type = RTE_ETHER_TYPE_IPV4,
      .parse = parse_ipv4 },
    { ROW(IPV6, IPV6, 3, rte_flow_item_ipv6,
          &rte_flow_item_ipv6_mask, ipv6_fields),
      .present = NICSIM_P_IPV6, .eth_type = RTE_ETHER_TYPE_IPV6,
      .parse = parse_ipv6 },
    { ROW(ARP_ETH_IPV4, ARP, 3, rte_flow_item_arp_eth_ipv4,
          &rte_flow_item_arp_eth_ipv4_mask, arp_fields),
      .present = NICSIM_P_ARP, .eth_type = RTE_ETHER_TYPE_ARP,
      .parse = parse_arp },
    { ROW(MPLS, MPLS, 3, rte_flow_item_mpls,
          &rte_flow_item_mpls_mask, mpls_fields),
      .parse = parse_mpls },
    { ROW(IPV6_FRAG_EXT, IPV6_FRAG, 3_EXT, rte_flow_item_ipv6_frag_ext,
          &frag_ext_mask, frag_ext_fields),
      .parse = parse_frag_ext },
    { ROW(TCP, TCP, 4, rte_flow_item_tcp,
          &rte_flow_item_tcp_mask, tcp_fields),
      .present = NICSIM_P_TCP, .proto = IPPROTO_TCP, .parse = parse_tcp },
    { ROW(UDP, UDP, 4, rte_flow_item_udp,
          &rte_flow_item_udp_mask, udp_fields),
      .present = NICSIM_P_UDP, .proto = IPPROTO_UDP, .parse = parse_udp },
    { ROW(SCTP, SCTP, 4, rte_flow_item_sctp,
          &rte_flow_item_sctp_mask, sctp_fields),
      .present = NICSIM_P_SCTP, .proto = IPPROTO_SCTP },
    { ROW(ICMP, ICMP, 4, rte_flow_item_icmp,
          &rte_flow_item_icmp_mask, icmp_fields),
      .present = NICSIM_P_ICMP, .proto = IPPROTO_ICMP,
      .eth_type = RTE_ETHER_TYPE_IPV4 },
    { ROW(ICMP6, ICMP6, 4, rte_flow_item_icmp6,
          &rte_flow_item_icmp6_mask, icmp6_fields),
      .present = NICSIM_P_ICMP6, .proto = IPPROTO_ICMPV6,
      .eth_type = RTE_ETHER_TYPE_IPV6 },
    { ROW(ICMP6_ND_NS, ND_NS, 4, rte_flow_item_icmp6_nd_ns,
          &rte_flow_item_icmp6_nd_ns_mask, nd_ns_fields),
      .present = NICSIM_P_ICMP6 | NICSIM_P_ND, .proto = IPPROTO_ICMPV6,
      .eth_type = RTE_ETHER_TYPE_IPV6, .parse = parse_nd },
    { ROW(ICMP6_ND_NA, ND_NA, 4, rte_flow_item_icmp6_nd_na,
          &rte_flow_item_icmp6_nd_na_mask, nd_na_fields),
      .present = NICSIM_P_ICMP6 | NICSIM_P_ND, .proto = IPPROTO_ICMPV6,
      .eth_type = RTE_ETHER_TYPE_IPV6, .parse = parse_nd },
    { ROW(ICMP6_ND_OPT_SLA_ETH, ND_SLA, ND_SLA,
          rte_flow_item_icmp6_nd_opt_sla_eth,
          &rte_flow_item_icmp6_nd_opt_sla_eth_mask, nd_sla_fields),
      .parse = parse_nd_opt },
    { ROW(ICMP6_ND_OPT_TLA_ETH, ND_TLA, ND_TLA,
          rte_flow_item_icmp6_nd_opt_tla_eth,
          &rte_flow_item_icmp6_nd_opt_tla_eth_mask, nd_tla_fields),
      .parse = parse_nd_opt },
    { .fields = NULL }
};
