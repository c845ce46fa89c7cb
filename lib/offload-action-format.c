/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The actions of rules as text: see offload-rule-format.h. */

#include <config.h>
#include "offload-rule-format.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include <rte_flow.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* Actions with a name only, and the beginnings of others. */
static const char *
action_name(enum rte_flow_action_type type)
{
    switch ((int) type) {
#define NAME(TYPE, TEXT) case RTE_FLOW_ACTION_TYPE_##TYPE: return TEXT;
    NAME(COUNT, "count")
    NAME(DROP, "drop")
    NAME(JUMP, "jump")
    NAME(MARK, "mark")
    NAME(METER, "meter")
    NAME(SAMPLE, "sample")
    NAME(PORT_ID, "port_id")
    NAME(REPRESENTED_PORT, "represented_port")
    NAME(PORT_REPRESENTOR, "port_representor")
    NAME(SET_MAC_SRC, "set_mac_src")
    NAME(SET_MAC_DST, "set_mac_dst")
    NAME(SET_IPV4_SRC, "set_ipv4_src")
    NAME(SET_IPV4_DST, "set_ipv4_dst")
    NAME(SET_IPV6_SRC, "set_ipv6_src")
    NAME(SET_IPV6_DST, "set_ipv6_dst")
    NAME(SET_TTL, "set_ttl")
    NAME(SET_IPV4_DSCP, "set_ipv4_dscp")
    NAME(SET_IPV6_DSCP, "set_ipv6_dscp")
    NAME(SET_TP_SRC, "set_tp_src")
    NAME(SET_TP_DST, "set_tp_dst")
    NAME(OF_POP_VLAN, "of_pop_vlan")
    NAME(OF_PUSH_VLAN, "of_push_vlan")
    NAME(OF_SET_VLAN_VID, "of_set_vlan_vid")
    NAME(OF_SET_VLAN_PCP, "of_set_vlan_pcp")
    NAME(OF_POP_MPLS, "of_pop_mpls")
    NAME(MODIFY_FIELD, "modify_field")
    NAME(VXLAN_ENCAP, "vxlan_encap")
    NAME(VXLAN_DECAP, "vxlan_decap")
    NAME(RAW_ENCAP, "raw_encap")
    NAME(RAW_DECAP, "raw_decap")
#undef NAME
    default: return NULL;
    }
}

static void
put_name(struct ds *s, const struct rte_flow_action *action)
{
    const char *name = action_name(action->type);

    if (name) {
        ds_put_cstr(s, name);
    } else {
        ds_put_format(s, "action_%d", (int) action->type);
    }
}

static const char *
field_name(enum rte_flow_field_id id)
{
    switch ((int) id) {
    case RTE_FLOW_FIELD_MAC_SRC: return "mac_src";
    case RTE_FLOW_FIELD_MAC_DST: return "mac_dst";
    case RTE_FLOW_FIELD_IPV4_SRC: return "ipv4_src";
    case RTE_FLOW_FIELD_IPV4_DST: return "ipv4_dst";
    case RTE_FLOW_FIELD_IPV4_DSCP: return "ipv4_dscp";
    case RTE_FLOW_FIELD_IPV4_ECN: return "ipv4_ecn";
    case RTE_FLOW_FIELD_IPV4_TTL: return "ipv4_ttl";
    case RTE_FLOW_FIELD_IPV6_SRC: return "ipv6_src";
    case RTE_FLOW_FIELD_IPV6_DST: return "ipv6_dst";
    case RTE_FLOW_FIELD_IPV6_DSCP: return "ipv6_dscp";
    case RTE_FLOW_FIELD_IPV6_ECN: return "ipv6_ecn";
    case RTE_FLOW_FIELD_IPV6_HOPLIMIT: return "ipv6_hoplimit";
    case RTE_FLOW_FIELD_TCP_PORT_SRC: return "tcp_port_src";
    case RTE_FLOW_FIELD_TCP_PORT_DST: return "tcp_port_dst";
    case RTE_FLOW_FIELD_UDP_PORT_SRC: return "udp_port_src";
    case RTE_FLOW_FIELD_UDP_PORT_DST: return "udp_port_dst";
    default: return "other";
    }
}

static void
put_mac(struct ds *s, const void *bytes)
{
    struct eth_addr mac;

    memcpy(&mac, bytes, sizeof mac);
    ds_put_format(s, " mac_addr "ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
}

static void
put_address(struct ds *s, int family, const void *bytes)
{
    char text[INET6_ADDRSTRLEN];

    ds_put_format(s, " ipv%c_addr %s", family == AF_INET ? '4' : '6',
                  inet_ntop(family, bytes, text, sizeof text));
}

static void
put_hex(struct ds *s, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ds_put_format(s, "%02x", bytes[i]);
    }
}

static void
put_modify_field(struct ds *s,
                 const struct rte_flow_action_modify_field *modify)
{
    size_t size = sizeof modify->src.value;

    /* Nothing but zeros at the end need be told. */
    while (size > 1 && !modify->src.value[size - 1]) {
        size--;
    }
    ds_put_format(s, " op set dst_type %s dst_level %"PRIu32
                  " dst_offset %"PRIu32" src_type value src_value ",
                  field_name(modify->dst.field), modify->dst.level,
                  modify->dst.offset);
    put_hex(s, modify->src.value, size);
    ds_put_format(s, " width %"PRIu32, modify->width);
}

/* The definition of vxlan_encap, as a pattern. */
static void
put_vxlan_encap(struct ds *s, const struct rte_flow_action_vxlan_encap *encap)
{
    ds_put_cstr(s, " {");
    for (const struct rte_flow_item *item = encap->definition;
         item->type != RTE_FLOW_ITEM_TYPE_END; item++) {
        ds_put_char(s, ' ');
        offload_rule_format_item(s, item);
        ds_put_cstr(s, " /");
    }
    ds_put_cstr(s, " end }");
}

static void
put_action(struct ds *s, const struct rte_flow_action *action)
{
    const void *conf = action->conf;

    put_name(s, action);
    switch ((int) action->type) {
    case RTE_FLOW_ACTION_TYPE_JUMP: {
        const struct rte_flow_action_jump *jump = conf;

        ds_put_format(s, " group %"PRIu32, jump->group);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_MARK: {
        const struct rte_flow_action_mark *mark = conf;

        ds_put_format(s, " id %"PRIu32, mark->id);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_METER: {
        const struct rte_flow_action_meter *meter = conf;

        ds_put_format(s, " mtr_id %"PRIu32, meter->mtr_id);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_SAMPLE: {
        const struct rte_flow_action_sample *sample = conf;

        ds_put_format(s, " ratio %"PRIu32" { ", sample->ratio);
        offload_rule_format_actions(s, sample->actions);
        ds_put_cstr(s, " }");
        break;
    }
    case RTE_FLOW_ACTION_TYPE_PORT_ID: {
        const struct rte_flow_action_port_id *port_id = conf;

        ds_put_format(s, " id %"PRIu32, port_id->id);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT: {
        const struct rte_flow_action_ethdev *ethdev = conf;

        ds_put_format(s, " ethdev_port_id %"PRIu16, ethdev->port_id);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR: {
        const struct rte_flow_action_ethdev *ethdev = conf;

        ds_put_format(s, " port_id %"PRIu16, ethdev->port_id);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
        put_mac(s, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_DST:
        put_address(s, AF_INET, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_DST:
        put_address(s, AF_INET6, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_SET_TTL: {
        const struct rte_flow_action_set_ttl *set = conf;

        ds_put_format(s, " ttl_value %"PRIu8, set->ttl_value);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_DSCP:
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_DSCP: {
        const struct rte_flow_action_set_dscp *set = conf;

        ds_put_format(s, " dscp_value %"PRIu8, set->dscp);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_SET_TP_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_TP_DST: {
        const struct rte_flow_action_set_tp *set = conf;

        ds_put_format(s, " port %"PRIu16, ntohs(set->port));
        break;
    }
    case RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN: {
        const struct rte_flow_action_of_push_vlan *push = conf;

        ds_put_format(s, " ethertype 0x%04"PRIx16, ntohs(push->ethertype));
        break;
    }
    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_VID: {
        const struct rte_flow_action_of_set_vlan_vid *set = conf;

        ds_put_format(s, " vlan_vid %"PRIu16, ntohs(set->vlan_vid));
        break;
    }
    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_PCP: {
        const struct rte_flow_action_of_set_vlan_pcp *set = conf;

        ds_put_format(s, " vlan_pcp %"PRIu8, set->vlan_pcp);
        break;
    }
    case RTE_FLOW_ACTION_TYPE_OF_POP_MPLS: {
        const struct rte_flow_action_of_pop_mpls *pop = conf;

        ds_put_format(s, " ethertype 0x%04"PRIx16, ntohs(pop->ethertype));
        break;
    }
    case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD:
        put_modify_field(s, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
        put_vxlan_encap(s, conf);
        break;
    case RTE_FLOW_ACTION_TYPE_RAW_ENCAP: {
        const struct rte_flow_action_raw_encap *encap = conf;

        ds_put_cstr(s, " { ");
        put_hex(s, encap->data, encap->size);
        ds_put_cstr(s, " }");
        break;
    }
    case RTE_FLOW_ACTION_TYPE_RAW_DECAP: {
        const struct rte_flow_action_raw_decap *decap = conf;

        ds_put_format(s, " { size %"PRIuSIZE" }", decap->size);
        break;
    }
    default:
        break;
    }
}

void
offload_rule_format_actions(struct ds *s,
                            const struct rte_flow_action *actions)
{
    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
        put_action(s, actions);
        ds_put_cstr(s, " / ");
    }
    ds_put_cstr(s, "end");
}

void
offload_rule_format_action_names(struct ds *s,
                                 const struct rte_flow_action *actions)
{
    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
        put_name(s, actions);
        if (actions->type == RTE_FLOW_ACTION_TYPE_SAMPLE) {
            const struct rte_flow_action_sample *sample = actions->conf;

            ds_put_cstr(s, " { ");
            offload_rule_format_action_names(s, sample->actions);
            ds_put_cstr(s, " }");
        } else if (actions->type == RTE_FLOW_ACTION_TYPE_MODIFY_FIELD) {
            const struct rte_flow_action_modify_field *modify = actions->conf;

            ds_put_format(s, " %s %"PRIu32"+%"PRIu32,
                          field_name(modify->dst.field), modify->dst.offset,
                          modify->width);
        }
        ds_put_cstr(s, " / ");
    }
    ds_put_cstr(s, "end");
}
