/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-rule-format.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include <rte_flow.h>
#include <rte_ip.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* How a field is written. */
enum format {
    FORMAT_DECIMAL,
    FORMAT_HEX,
    FORMAT_MAC,
    FORMAT_IPV4,
    FORMAT_IPV6,
};

/* One field of an item.  Numbers are in host byte order in 'number', other
 * values where 'bytes' points. */
struct value {
    uint64_t number;
    const void *bytes;
};

static void
format_value(struct ds *s, enum format format, unsigned int n_bits,
             const struct value *value)
{
    char text[INET6_ADDRSTRLEN];
    struct eth_addr mac;

    switch (format) {
    case FORMAT_DECIMAL:
        ds_put_format(s, "%"PRIu64, value->number);
        break;
    case FORMAT_HEX:
        ds_put_cstr(s, "0x");
        for (int i = DIV_ROUND_UP(n_bits, 4) - 1; i >= 0; i--) {
            ds_put_format(s, "%x",
                          (unsigned int) (value->number >> (4 * i)) & 0xf);
        }
        break;
    case FORMAT_MAC:
        memcpy(&mac, value->bytes, sizeof mac);
        ds_put_format(s, ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
        break;
    case FORMAT_IPV4:
        ds_put_cstr(s, inet_ntop(AF_INET, value->bytes, text, sizeof text));
        break;
    case FORMAT_IPV6:
        ds_put_cstr(s, inet_ntop(AF_INET6, value->bytes, text, sizeof text));
        break;
    }
}

/* Appends " NAME is VALUE", " NAME spec VALUE NAME mask VALUE", the same with
 * "last" between for a range of numbers, or nothing if the mask is 0. */
static void
format_field(struct ds *s, const char *name, enum format format,
             unsigned int n_bits, const struct value *spec,
             const struct value *mask, const struct value *last)
{
    bool exact, range;

    if (mask->bytes) {
        if (is_all_zeros(mask->bytes, n_bits / 8)) {
            return;
        }
        exact = is_all_ones(mask->bytes, n_bits / 8);
        range = false;
    } else {
        if (!mask->number) {
            return;
        }
        exact = mask->number == UINT64_MAX >> (64 - n_bits);
        range = last && last->number != spec->number;
    }

    if (exact && !range) {
        ds_put_format(s, " %s is ", name);
        format_value(s, format, n_bits, spec);
        return;
    }
    ds_put_format(s, " %s spec ", name);
    format_value(s, format, n_bits, spec);
    if (range) {
        ds_put_format(s, " %s last ", name);
        format_value(s, format, n_bits, last);
    }
    ds_put_format(s, " %s mask ", name);
    format_value(s, format == FORMAT_DECIMAL ? FORMAT_HEX : format, n_bits,
                 mask);
}

static void
format_number(struct ds *s, const char *name, enum format format,
              unsigned int n_bits, uint64_t spec, uint64_t mask)
{
    format_field(s, name, format, n_bits, &(struct value) { .number = spec },
                 &(struct value) { .number = mask }, NULL);
}

static void
format_range(struct ds *s, const char *name, ovs_be16 spec, ovs_be16 mask,
             ovs_be16 last)
{
    format_field(s, name, FORMAT_HEX, 16,
                 &(struct value) { .number = ntohs(spec) },
                 &(struct value) { .number = ntohs(mask) },
                 &(struct value) { .number = ntohs(last) });
}

static void
format_bytes(struct ds *s, const char *name, enum format format,
             const void *spec, const void *mask)
{
    unsigned int n_bits = (format == FORMAT_MAC ? 48
                           : format == FORMAT_IPV4 ? 32 : 128);

    format_field(s, name, format, n_bits, &(struct value) { .bytes = spec },
                 &(struct value) { .bytes = mask }, NULL);
}

static void
format_eth(struct ds *s, const struct rte_flow_item_eth *spec,
           const struct rte_flow_item_eth *mask)
{
    format_bytes(s, "dst", FORMAT_MAC, &spec->dst, &mask->dst);
    format_bytes(s, "src", FORMAT_MAC, &spec->src, &mask->src);
    format_number(s, "type", FORMAT_HEX, 16, ntohs(spec->type),
                  ntohs(mask->type));
    format_number(s, "has_vlan", FORMAT_DECIMAL, 1, spec->has_vlan,
                  mask->has_vlan);
}

static void
format_vlan(struct ds *s, const struct rte_flow_item_vlan *spec,
            const struct rte_flow_item_vlan *mask)
{
    format_number(s, "tci", FORMAT_HEX, 16, ntohs(spec->tci),
                  ntohs(mask->tci));
    format_number(s, "inner_type", FORMAT_HEX, 16, ntohs(spec->inner_type),
                  ntohs(mask->inner_type));
    format_number(s, "has_more_vlan", FORMAT_DECIMAL, 1, spec->has_more_vlan,
                  mask->has_more_vlan);
}

static void
format_ipv4(struct ds *s, const struct rte_ipv4_hdr *spec,
            const struct rte_ipv4_hdr *mask, const struct rte_ipv4_hdr *last)
{
    format_number(s, "version_ihl", FORMAT_HEX, 8, spec->version_ihl,
                  mask->version_ihl);
    format_number(s, "tos", FORMAT_HEX, 8, spec->type_of_service,
                  mask->type_of_service);
    format_range(s, "fragment_offset", spec->fragment_offset,
                 mask->fragment_offset,
                 last ? last->fragment_offset : spec->fragment_offset);
    format_number(s, "ttl", FORMAT_DECIMAL, 8, spec->time_to_live,
                  mask->time_to_live);
    format_number(s, "proto", FORMAT_DECIMAL, 8, spec->next_proto_id,
                  mask->next_proto_id);
    format_bytes(s, "src", FORMAT_IPV4, &spec->src_addr, &mask->src_addr);
    format_bytes(s, "dst", FORMAT_IPV4, &spec->dst_addr, &mask->dst_addr);
}

static void
format_ipv6(struct ds *s, const struct rte_flow_item_ipv6 *spec,
            const struct rte_flow_item_ipv6 *mask)
{
    uint32_t vtc = ntohl(spec->hdr.vtc_flow);
    uint32_t vtc_mask = ntohl(mask->hdr.vtc_flow);

    format_number(s, "tc", FORMAT_HEX, 8,
                  (vtc & RTE_IPV6_HDR_TC_MASK) >> RTE_IPV6_HDR_TC_SHIFT,
                  (vtc_mask & RTE_IPV6_HDR_TC_MASK) >> RTE_IPV6_HDR_TC_SHIFT);
    format_number(s, "flow", FORMAT_HEX, 20, vtc & RTE_IPV6_HDR_FL_MASK,
                  vtc_mask & RTE_IPV6_HDR_FL_MASK);
    format_number(s, "proto", FORMAT_DECIMAL, 8, spec->hdr.proto,
                  mask->hdr.proto);
    format_number(s, "hop", FORMAT_DECIMAL, 8, spec->hdr.hop_limits,
                  mask->hdr.hop_limits);
    format_bytes(s, "src", FORMAT_IPV6, spec->hdr.src_addr,
                 mask->hdr.src_addr);
    format_bytes(s, "dst", FORMAT_IPV6, spec->hdr.dst_addr,
                 mask->hdr.dst_addr);
    format_number(s, "has_frag_ext", FORMAT_DECIMAL, 1, spec->has_frag_ext,
                  mask->has_frag_ext);
    format_number(s, "has_hop_ext", FORMAT_DECIMAL, 1, spec->has_hop_ext,
                  mask->has_hop_ext);
    format_number(s, "has_route_ext", FORMAT_DECIMAL, 1, spec->has_route_ext,
                  mask->has_route_ext);
    format_number(s, "has_auth_ext", FORMAT_DECIMAL, 1, spec->has_auth_ext,
                  mask->has_auth_ext);
    format_number(s, "has_dest_ext", FORMAT_DECIMAL, 1, spec->has_dest_ext,
                  mask->has_dest_ext);
    format_number(s, "has_mobil_ext", FORMAT_DECIMAL, 1, spec->has_mobil_ext,
                  mask->has_mobil_ext);
    format_number(s, "has_hip_ext", FORMAT_DECIMAL, 1, spec->has_hip_ext,
                  mask->has_hip_ext);
    format_number(s, "has_shim6_ext", FORMAT_DECIMAL, 1, spec->has_shim6_ext,
                  mask->has_shim6_ext);
}

static void
format_ipv6_frag(struct ds *s, const struct rte_ipv6_fragment_ext *spec,
                 const struct rte_ipv6_fragment_ext *mask,
                 const struct rte_ipv6_fragment_ext *last)
{
    format_number(s, "next_hdr", FORMAT_DECIMAL, 8, spec->next_header,
                  mask->next_header);
    format_range(s, "frag_data", spec->frag_data, mask->frag_data,
                 last ? last->frag_data : spec->frag_data);
}

static void
format_ports(struct ds *s, ovs_be16 src, ovs_be16 src_mask, ovs_be16 dst,
             ovs_be16 dst_mask)
{
    format_number(s, "src", FORMAT_DECIMAL, 16, ntohs(src), ntohs(src_mask));
    format_number(s, "dst", FORMAT_DECIMAL, 16, ntohs(dst), ntohs(dst_mask));
}

static void
format_arp(struct ds *s, const struct rte_flow_item_arp_eth_ipv4 *spec,
           const struct rte_flow_item_arp_eth_ipv4 *mask)
{
    format_number(s, "hrd", FORMAT_DECIMAL, 16, ntohs(spec->hrd),
                  ntohs(mask->hrd));
    format_number(s, "pro", FORMAT_HEX, 16, ntohs(spec->pro),
                  ntohs(mask->pro));
    format_number(s, "hln", FORMAT_DECIMAL, 8, spec->hln, mask->hln);
    format_number(s, "pln", FORMAT_DECIMAL, 8, spec->pln, mask->pln);
    format_number(s, "op", FORMAT_DECIMAL, 16, ntohs(spec->op),
                  ntohs(mask->op));
    format_bytes(s, "sha", FORMAT_MAC, &spec->sha, &mask->sha);
    format_bytes(s, "spa", FORMAT_IPV4, &spec->spa, &mask->spa);
    format_bytes(s, "tha", FORMAT_MAC, &spec->tha, &mask->tha);
    format_bytes(s, "tpa", FORMAT_IPV4, &spec->tpa, &mask->tpa);
}

static void
format_mpls(struct ds *s, const struct rte_flow_item_mpls *spec,
            const struct rte_flow_item_mpls *mask)
{
    ovs_be32 lse, lse_mask;

    memcpy(&lse, spec, sizeof lse);
    memcpy(&lse_mask, mask, sizeof lse_mask);
    format_number(s, "label", FORMAT_DECIMAL, 20, mpls_lse_to_label(lse),
                  mpls_lse_to_label(lse_mask));
    format_number(s, "tc", FORMAT_DECIMAL, 3, mpls_lse_to_tc(lse),
                  mpls_lse_to_tc(lse_mask));
    format_number(s, "s", FORMAT_DECIMAL, 1, mpls_lse_to_bos(lse),
                  mpls_lse_to_bos(lse_mask));
    format_number(s, "ttl", FORMAT_DECIMAL, 8, mpls_lse_to_ttl(lse),
                  mpls_lse_to_ttl(lse_mask));
}

static void
format_integrity(struct ds *s, const struct rte_flow_item_integrity *spec,
                 const struct rte_flow_item_integrity *mask)
{
    format_number(s, "level", FORMAT_DECIMAL, 32, spec->level, mask->level);
    format_number(s, "value", FORMAT_HEX, 16, spec->value, mask->value);
}

static void
format_vxlan(struct ds *s, const struct rte_vxlan_hdr *spec,
             const struct rte_vxlan_hdr *mask)
{
    uint32_t flags = ntohl(spec->vx_flags);
    uint32_t flags_mask = ntohl(mask->vx_flags);
    uint32_t vni = ntohl(spec->vx_vni);
    uint32_t vni_mask = ntohl(mask->vx_vni);

    format_number(s, "flags", FORMAT_HEX, 8, flags >> 24, flags_mask >> 24);
    format_number(s, "rsvd0", FORMAT_HEX, 24, flags & 0xffffff,
                  flags_mask & 0xffffff);
    format_number(s, "vni", FORMAT_DECIMAL, 24, vni >> 8, vni_mask >> 8);
    format_number(s, "last_rsvd", FORMAT_HEX, 8, vni & 0xff, vni_mask & 0xff);
}

static void
format_geneve(struct ds *s, const struct rte_flow_item_geneve *spec,
              const struct rte_flow_item_geneve *mask)
{
    uint16_t word = ntohs(spec->ver_opt_len_o_c_rsvd0);
    uint16_t word_mask = ntohs(mask->ver_opt_len_o_c_rsvd0);

    format_number(s, "ver", FORMAT_DECIMAL, 2, word >> 14, word_mask >> 14);
    format_number(s, "optlen", FORMAT_DECIMAL, 6, (word >> 8) & 0x3f,
                  (word_mask >> 8) & 0x3f);
    format_number(s, "o", FORMAT_DECIMAL, 1, (word >> 7) & 1,
                  (word_mask >> 7) & 1);
    format_number(s, "protocol", FORMAT_HEX, 16, ntohs(spec->protocol),
                  ntohs(mask->protocol));
    format_number(s, "vni", FORMAT_DECIMAL, 24,
                  spec->vni[0] << 16 | spec->vni[1] << 8 | spec->vni[2],
                  mask->vni[0] << 16 | mask->vni[1] << 8 | mask->vni[2]);
}

static void
format_words(struct ds *s, const char *name, const uint32_t *words, size_t n)
{
    ds_put_format(s, " %s 0x", name);
    for (size_t i = 0; i < n; i++) {
        ds_put_format(s, "%08"PRIx32, ntohl((OVS_FORCE ovs_be32) words[i]));
    }
}

static void
format_geneve_opt(struct ds *s, const struct rte_flow_item_geneve_opt *spec,
                  const struct rte_flow_item_geneve_opt *mask)
{
    format_number(s, "class", FORMAT_HEX, 16, ntohs(spec->option_class),
                  ntohs(mask->option_class));
    format_number(s, "type", FORMAT_HEX, 8, spec->option_type,
                  mask->option_type);
    /* There are five bits of length. */
    format_number(s, "length", FORMAT_DECIMAL, 5, spec->option_len & 0x1f,
                  mask->option_len & 0x1f);
    if (spec->data && mask->data) {
        format_words(s, "data spec", spec->data, spec->option_len & 0x1f);
        format_words(s, "data mask", mask->data, spec->option_len & 0x1f);
    }
}

void
offload_rule_format_item(struct ds *s, const struct rte_flow_item *item)
{
    static const struct rte_flow_item_tcp no_tcp;
    static const struct rte_flow_item_icmp no_icmp;
    static const struct rte_flow_item_icmp6 no_icmp6;

    /* Items of this project have spec and mask; those of others need not. */
    bool empty = !item->spec || !item->mask;

    switch ((int) item->type) {
    case RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT: {
        const struct rte_flow_item_ethdev *spec = item->spec;
        const struct rte_flow_item_ethdev *mask = item->mask;

        ds_put_cstr(s, "represented_port");
        if (!empty) {
            format_number(s, "ethdev_port_id", FORMAT_DECIMAL, 16,
                          spec->port_id, mask->port_id);
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_PORT_ID: {
        const struct rte_flow_item_port_id *spec = item->spec;
        const struct rte_flow_item_port_id *mask = item->mask;

        ds_put_cstr(s, "port_id");
        if (!empty) {
            format_number(s, "id", FORMAT_DECIMAL, 32, spec->id, mask->id);
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_INTEGRITY:
        ds_put_cstr(s, "integrity");
        if (!empty) {
            format_integrity(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_ETH:
        ds_put_cstr(s, "eth");
        if (!empty) {
            format_eth(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_VLAN:
        ds_put_cstr(s, "vlan");
        if (!empty) {
            format_vlan(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_IPV4:
        ds_put_cstr(s, "ipv4");
        if (!empty) {
            format_ipv4(s, item->spec, item->mask, item->last);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_IPV6:
        ds_put_cstr(s, "ipv6");
        if (!empty) {
            format_ipv6(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_IPV6_FRAG_EXT:
        ds_put_cstr(s, "ipv6_frag_ext");
        if (!empty) {
            format_ipv6_frag(s, item->spec, item->mask, item->last);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_TCP: {
        const struct rte_tcp_hdr *spec = empty ? &no_tcp.hdr : item->spec;
        const struct rte_tcp_hdr *mask = empty ? &no_tcp.hdr : item->mask;

        ds_put_cstr(s, "tcp");
        format_ports(s, spec->src_port, mask->src_port, spec->dst_port,
                     mask->dst_port);
        format_number(s, "flags", FORMAT_HEX, 8, spec->tcp_flags,
                      mask->tcp_flags);
        format_number(s, "data_off", FORMAT_HEX, 8, spec->data_off,
                      mask->data_off);
        break;
    }
    case RTE_FLOW_ITEM_TYPE_UDP: {
        const struct rte_udp_hdr *spec = item->spec;
        const struct rte_udp_hdr *mask = item->mask;

        ds_put_cstr(s, "udp");
        if (!empty) {
            const struct rte_udp_hdr *last = item->last;

            format_ports(s, spec->src_port, mask->src_port, spec->dst_port,
                         mask->dst_port);
            format_range(s, "dgram_cksum", spec->dgram_cksum,
                         mask->dgram_cksum,
                         last ? last->dgram_cksum : spec->dgram_cksum);
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_SCTP: {
        const struct rte_sctp_hdr *spec = item->spec;
        const struct rte_sctp_hdr *mask = item->mask;

        ds_put_cstr(s, "sctp");
        if (!empty) {
            format_ports(s, spec->src_port, mask->src_port, spec->dst_port,
                         mask->dst_port);
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_ICMP: {
        const struct rte_icmp_hdr *spec = empty ? &no_icmp.hdr : item->spec;
        const struct rte_icmp_hdr *mask = empty ? &no_icmp.hdr : item->mask;

        ds_put_cstr(s, "icmp");
        format_number(s, "type", FORMAT_DECIMAL, 8, spec->icmp_type,
                      mask->icmp_type);
        format_number(s, "code", FORMAT_DECIMAL, 8, spec->icmp_code,
                      mask->icmp_code);
        break;
    }
    case RTE_FLOW_ITEM_TYPE_ICMP6: {
        const struct rte_flow_item_icmp6 *spec
            = empty ? &no_icmp6 : item->spec;
        const struct rte_flow_item_icmp6 *mask
            = empty ? &no_icmp6 : item->mask;

        ds_put_cstr(s, "icmp6");
        format_number(s, "type", FORMAT_DECIMAL, 8, spec->type, mask->type);
        format_number(s, "code", FORMAT_DECIMAL, 8, spec->code, mask->code);
        break;
    }
    case RTE_FLOW_ITEM_TYPE_ARP_ETH_IPV4:
        ds_put_cstr(s, "arp_eth_ipv4");
        if (!empty) {
            format_arp(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_MPLS:
        ds_put_cstr(s, "mpls");
        if (!empty) {
            format_mpls(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_VXLAN:
        ds_put_cstr(s, "vxlan");
        if (!empty) {
            format_vxlan(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_GENEVE:
        ds_put_cstr(s, "geneve");
        if (!empty) {
            format_geneve(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_GENEVE_OPT:
        ds_put_cstr(s, "geneve_opt");
        if (!empty) {
            format_geneve_opt(s, item->spec, item->mask);
        }
        break;
    case RTE_FLOW_ITEM_TYPE_GRE: {
        const struct rte_flow_item_gre *spec = item->spec;
        const struct rte_flow_item_gre *mask = item->mask;

        ds_put_cstr(s, "gre");
        if (!empty) {
            format_number(s, "c_rsvd0_ver", FORMAT_HEX, 16,
                          ntohs(spec->c_rsvd0_ver), ntohs(mask->c_rsvd0_ver));
            format_number(s, "protocol", FORMAT_HEX, 16,
                          ntohs(spec->protocol), ntohs(mask->protocol));
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_GRE_KEY: {
        const ovs_be32 *spec = item->spec;
        const ovs_be32 *mask = item->mask;

        ds_put_cstr(s, "gre_key");
        if (!empty) {
            format_number(s, "value", FORMAT_HEX, 32, ntohl(*spec),
                          ntohl(*mask));
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_ICMP6_ND_NS: {
        const struct rte_flow_item_icmp6_nd_ns *spec = item->spec;
        const struct rte_flow_item_icmp6_nd_ns *mask = item->mask;

        ds_put_cstr(s, "icmp6_nd_ns");
        if (!empty) {
            format_bytes(s, "target_addr", FORMAT_IPV6, spec->target_addr,
                         mask->target_addr);
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_ICMP6_ND_NA: {
        const struct rte_flow_item_icmp6_nd_na *spec = item->spec;
        const struct rte_flow_item_icmp6_nd_na *mask = item->mask;

        ds_put_cstr(s, "icmp6_nd_na");
        if (!empty) {
            format_bytes(s, "target_addr", FORMAT_IPV6, spec->target_addr,
                         mask->target_addr);
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_ICMP6_ND_OPT_SLA_ETH: {
        const struct rte_flow_item_icmp6_nd_opt_sla_eth *spec = item->spec;
        const struct rte_flow_item_icmp6_nd_opt_sla_eth *mask = item->mask;

        ds_put_cstr(s, "icmp6_nd_opt_sla_eth");
        if (!empty) {
            format_bytes(s, "sla", FORMAT_MAC, &spec->sla, &mask->sla);
        }
        break;
    }
    case RTE_FLOW_ITEM_TYPE_ICMP6_ND_OPT_TLA_ETH: {
        const struct rte_flow_item_icmp6_nd_opt_tla_eth *spec = item->spec;
        const struct rte_flow_item_icmp6_nd_opt_tla_eth *mask = item->mask;

        ds_put_cstr(s, "icmp6_nd_opt_tla_eth");
        if (!empty) {
            format_bytes(s, "tla", FORMAT_MAC, &spec->tla, &mask->tla);
        }
        break;
    }
    default:
        ds_put_format(s, "item_%d", (int) item->type);
        break;
    }
}

void
offload_rule_format(struct ds *s, uint16_t port_id,
                    const struct rte_flow_attr *attr,
                    const struct rte_flow_item *items,
                    const struct rte_flow_action *actions)
{
    ds_put_format(s, "flow create %"PRIu16" group %"PRIu32
                  " priority %"PRIu32"%s%s%s pattern ", port_id, attr->group,
                  attr->priority, attr->ingress ? " ingress" : "",
                  attr->egress ? " egress" : "",
                  attr->transfer ? " transfer" : "");
    for (; items->type != RTE_FLOW_ITEM_TYPE_END; items++) {
        offload_rule_format_item(s, items);
        ds_put_cstr(s, " / ");
    }
    ds_put_cstr(s, "end actions ");
    offload_rule_format_actions(s, actions);
}
