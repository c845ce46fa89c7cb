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
format_item(struct ds *s, const struct rte_flow_item *item)
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
            format_ports(s, spec->src_port, mask->src_port, spec->dst_port,
                         mask->dst_port);
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
    default:
        ds_put_format(s, "item_%d", (int) item->type);
        break;
    }
}

static void
format_conf(struct ds *s, const char *text, enum format format,
            const void *bytes)
{
    ds_put_format(s, "%s ", text);
    format_value(s, format, 0, &(struct value) { .bytes = bytes });
}

static void
format_action(struct ds *s, const struct rte_flow_action *action)
{
    const void *conf = action->conf;

    switch ((int) action->type) {
    case RTE_FLOW_ACTION_TYPE_COUNT:
        ds_put_cstr(s, "count");
        break;
    case RTE_FLOW_ACTION_TYPE_DROP:
        ds_put_cstr(s, "drop");
        break;
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT: {
        const struct rte_flow_action_ethdev *ethdev = conf;

        ds_put_format(s, "represented_port ethdev_port_id %"PRIu16,
                      ethdev->port_id);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
        format_conf(s, "set_mac_src mac_addr", FORMAT_MAC, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
        format_conf(s, "set_mac_dst mac_addr", FORMAT_MAC, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC:
        format_conf(s, "set_ipv4_src ipv4_addr", FORMAT_IPV4, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_DST:
        format_conf(s, "set_ipv4_dst ipv4_addr", FORMAT_IPV4, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_SRC:
        format_conf(s, "set_ipv6_src ipv6_addr", FORMAT_IPV6, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_DST:
        format_conf(s, "set_ipv6_dst ipv6_addr", FORMAT_IPV6, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_TTL: {
        const struct rte_flow_action_set_ttl *set = conf;

        ds_put_format(s, "set_ttl ttl_value %"PRIu8, set->ttl_value);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_DSCP:
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_DSCP: {
        const struct rte_flow_action_set_dscp *set = conf;

        ds_put_format(s, "set_ipv%c_dscp dscp_value %"PRIu8,
                      action->type == RTE_FLOW_ACTION_TYPE_SET_IPV4_DSCP
                      ? '4' : '6', set->dscp);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_SET_TP_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_TP_DST: {
        const struct rte_flow_action_set_tp *set = conf;

        ds_put_format(s, "set_tp_%s port %"PRIu16,
                      action->type == RTE_FLOW_ACTION_TYPE_SET_TP_SRC
                      ? "src" : "dst", ntohs(set->port));
        break;
    }
    case RTE_FLOW_ACTION_TYPE_OF_POP_VLAN:
        ds_put_cstr(s, "of_pop_vlan");
        break;
    case RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN: {
        const struct rte_flow_action_of_push_vlan *push = conf;

        ds_put_format(s, "of_push_vlan ethertype 0x%04"PRIx16,
                      ntohs(push->ethertype));
        break;
    }
    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_VID: {
        const struct rte_flow_action_of_set_vlan_vid *set = conf;

        ds_put_format(s, "of_set_vlan_vid vlan_vid %"PRIu16,
                      ntohs(set->vlan_vid));
        break;
    }
    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_PCP: {
        const struct rte_flow_action_of_set_vlan_pcp *set = conf;

        ds_put_format(s, "of_set_vlan_pcp vlan_pcp %"PRIu8, set->vlan_pcp);
        break;
    }
    default:
        ds_put_format(s, "action_%d", (int) action->type);
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
        format_item(s, items);
        ds_put_cstr(s, " / ");
    }
    ds_put_cstr(s, "end actions ");
    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
        format_action(s, actions);
        ds_put_cstr(s, " / ");
    }
    ds_put_cstr(s, "end");
}
