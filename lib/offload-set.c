/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-set.h"

#include <netinet/in.h>
#include <string.h>

#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "offload-actions.h"
#include "offload-form.h"
#include "offload-match.h"
#include "offload-mpls.h"
#include "offload-refusal.h"
#include "offload-support.h"
#include "packets.h"
#include "util.h"

/* A field, as rte_flow rewrites it. */
struct set_field {
    enum rte_flow_action_type type;     /* For the whole, or END. */
    enum rte_flow_field_id id;          /* For modify_field. */
    unsigned int n_bits;                /* At most 128. */
};

#define MAX_FIELD_SIZE 16

/* Protocols of IPv6 behind which NICs may look for another. */
#define IPPROTO_HIP   139
#define IPPROTO_SHIM6 140

static const struct set_field field_eth_src = {
    RTE_FLOW_ACTION_TYPE_SET_MAC_SRC, RTE_FLOW_FIELD_MAC_SRC, 48
};
static const struct set_field field_eth_dst = {
    RTE_FLOW_ACTION_TYPE_SET_MAC_DST, RTE_FLOW_FIELD_MAC_DST, 48
};
static const struct set_field field_ipv4_src = {
    RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC, RTE_FLOW_FIELD_IPV4_SRC, 32
};
static const struct set_field field_ipv4_dst = {
    RTE_FLOW_ACTION_TYPE_SET_IPV4_DST, RTE_FLOW_FIELD_IPV4_DST, 32
};
static const struct set_field field_ipv4_dscp = {
    RTE_FLOW_ACTION_TYPE_SET_IPV4_DSCP, RTE_FLOW_FIELD_IPV4_DSCP, 6
};
static const struct set_field field_ipv4_ecn = {
    RTE_FLOW_ACTION_TYPE_END, RTE_FLOW_FIELD_IPV4_ECN, 2
};
static const struct set_field field_ipv4_ttl = {
    RTE_FLOW_ACTION_TYPE_SET_TTL, RTE_FLOW_FIELD_IPV4_TTL, 8
};
static const struct set_field field_ipv6_src = {
    RTE_FLOW_ACTION_TYPE_SET_IPV6_SRC, RTE_FLOW_FIELD_IPV6_SRC, 128
};
static const struct set_field field_ipv6_dst = {
    RTE_FLOW_ACTION_TYPE_SET_IPV6_DST, RTE_FLOW_FIELD_IPV6_DST, 128
};
static const struct set_field field_ipv6_dscp = {
    RTE_FLOW_ACTION_TYPE_SET_IPV6_DSCP, RTE_FLOW_FIELD_IPV6_DSCP, 6
};
static const struct set_field field_ipv6_ecn = {
    RTE_FLOW_ACTION_TYPE_END, RTE_FLOW_FIELD_IPV6_ECN, 2
};
static const struct set_field field_ipv6_hlimit = {
    RTE_FLOW_ACTION_TYPE_SET_TTL, RTE_FLOW_FIELD_IPV6_HOPLIMIT, 8
};
static const struct set_field fields_tcp[] = {
    { RTE_FLOW_ACTION_TYPE_SET_TP_SRC, RTE_FLOW_FIELD_TCP_PORT_SRC, 16 },
    { RTE_FLOW_ACTION_TYPE_SET_TP_DST, RTE_FLOW_FIELD_TCP_PORT_DST, 16 },
};
static const struct set_field fields_udp[] = {
    { RTE_FLOW_ACTION_TYPE_SET_TP_SRC, RTE_FLOW_FIELD_UDP_PORT_SRC, 16 },
    { RTE_FLOW_ACTION_TYPE_SET_TP_DST, RTE_FLOW_FIELD_UDP_PORT_DST, 16 },
};

/* Returns bit 'i' of a field of 'n_bits' bits whose last one is the last of
 * 'bytes'.  Bit 0 is the most significant one. */
static bool
field_bit(const uint8_t *bytes, unsigned int n_bits, unsigned int i)
{
    unsigned int pos = ROUND_UP(n_bits, 8) - n_bits + i;

    return (bytes[pos / 8] >> (7 - pos % 8)) & 1;
}

/* Adds what sets the bits of 'field' that are 1 in 'mask' to those of 'value'.
 * Both have the field's size, in network byte order. */
static void
set_field(struct offload_action_list *list, const struct set_field *field,
          const void *value_, const void *mask_)
{
    size_t size = DIV_ROUND_UP(field->n_bits, 8);
    const uint8_t *value = value_;
    const uint8_t *mask = mask_;
    bool whole = true;
    unsigned int i, end;

    for (i = 0; i < field->n_bits; i++) {
        whole = whole && field_bit(mask, field->n_bits, i);
    }
    if (whole && field->type != RTE_FLOW_ACTION_TYPE_END) {
        list->oa->forms_used |= OFFLOAD_FORM_MODIFY_FIELD;
        if (!(list->forms & OFFLOAD_FORM_MODIFY_FIELD)) {
            /* Each of these configurations begins with the value. */
            memcpy(offload_action_add(list, field->type), value, size);
            return;
        }
    }

    for (i = 0; i < field->n_bits; i = end) {
        struct rte_flow_action_modify_field *modify;

        end = i;
        while (end < field->n_bits && field_bit(mask, field->n_bits, end)) {
            end++;
        }
        if (end == i) {
            end++;
            continue;
        }
        modify = &offload_action_add(list, RTE_FLOW_ACTION_TYPE_MODIFY_FIELD)
                 ->modify_field;
        modify->operation = RTE_FLOW_MODIFY_SET;
        modify->dst.field = field->id;
        modify->dst.offset = i;
        modify->src.field = RTE_FLOW_FIELD_VALUE;
        BUILD_ASSERT_DECL(sizeof modify->src.value == MAX_FIELD_SIZE);
        memcpy(modify->src.value, value, size);
        modify->width = end - i;
    }
}

/* Notes that the bits of '*addr' that 'mask' has are those of 'value'. */
static void
note_mac(struct eth_addr *addr, struct eth_addr *addr_mask,
         struct eth_addr value, struct eth_addr mask)
{
    for (size_t i = 0; i < ETH_ADDR_LEN; i++) {
        addr->ea[i] = (addr->ea[i] & ~mask.ea[i]) | (value.ea[i] & mask.ea[i]);
        addr_mask->ea[i] |= mask.ea[i];
    }
}

static bool
parse_set_ethernet(struct offload_action_list *list,
                   const struct ovs_key_ethernet *key,
                   const struct ovs_key_ethernet *mask)
{
    struct offload_packet *packet = &list->packet;

    note_mac(&packet->src, &packet->src_mask, key->eth_src, mask->eth_src);
    note_mac(&packet->dst, &packet->dst_mask, key->eth_dst, mask->eth_dst);
    set_field(list, &field_eth_src, &key->eth_src, &mask->eth_src);
    set_field(list, &field_eth_dst, &key->eth_dst, &mask->eth_dst);
    return true;
}

/* A rewrite of addresses changes the checksum of layer 4.  In fragments Open
 * vSwitch and NICs differ in whether they mend, and even find, it. */
static bool
check_addr_rewrite(struct offload_action_list *list)
{
    return (list->packet.unfragmented
            || offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_FRAGMENT));
}

/* TOS or traffic class: two fields for rte_flow.  What is known of the ECN
 * bits need not be set. */
static void
set_tos(struct offload_action_list *list, uint8_t tos, uint8_t mask,
        const struct set_field *dscp, const struct set_field *ecn)
{
    uint8_t value = tos >> 2;
    uint8_t bits = mask >> 2;

    set_field(list, dscp, &value, &bits);
    if (!(list->packet.ecn_known
          && !((list->packet.ecn ^ tos) & mask & IP_ECN_MASK))) {
        value = tos & IP_ECN_MASK;
        bits = mask & IP_ECN_MASK;
        set_field(list, ecn, &value, &bits);
        list->packet.ecn = (list->packet.ecn & ~bits) | (value & bits);
    }
}

/* The protocol and the fragment type in the key say what the packet is; they
 * are not rewritten. */
static bool
parse_set_ipv4(struct offload_action_list *list,
               const struct ovs_key_ipv4 *key, const struct ovs_key_ipv4 *mask)
{
    if (list->packet.eth_type != htons(ETH_TYPE_IP)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_NO_HEADER);
    }
    if ((mask->ipv4_src || mask->ipv4_dst) && !check_addr_rewrite(list)) {
        return false;
    }
    set_field(list, &field_ipv4_src, &key->ipv4_src, &mask->ipv4_src);
    set_field(list, &field_ipv4_dst, &key->ipv4_dst, &mask->ipv4_dst);
    set_tos(list, key->ipv4_tos, mask->ipv4_tos, &field_ipv4_dscp,
            &field_ipv4_ecn);
    set_field(list, &field_ipv4_ttl, &key->ipv4_ttl, &mask->ipv4_ttl);
    return true;
}

static bool
parse_set_ipv6(struct offload_action_list *list,
               const struct ovs_key_ipv6 *key, const struct ovs_key_ipv6 *mask)
{
    if (list->packet.eth_type != htons(ETH_TYPE_IPV6)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_NO_HEADER);
    }
    if (mask->ipv6_label & htonl(IPV6_LABEL_MASK)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_IPV6_LABEL);
    }
    if (!is_all_zeros(&mask->ipv6_src, sizeof mask->ipv6_src)
        || !is_all_zeros(&mask->ipv6_dst, sizeof mask->ipv6_dst)) {
        if (!check_addr_rewrite(list)) {
            return false;
        }
        if (!list->packet.ip_proto_known) {
            /* With a routing header the checksum is not over this address,
             * and behind any header a NIC may not find layer 4. */
            offload_match_exclude_ipv6_ext(list->om);
        } else if (list->packet.ip_proto == IPPROTO_MH
                   || list->packet.ip_proto == IPPROTO_HIP
                   || list->packet.ip_proto == IPPROTO_SHIM6) {
            return offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_IPV6_EXT);
        }
    }
    set_field(list, &field_ipv6_src, &key->ipv6_src, &mask->ipv6_src);
    set_field(list, &field_ipv6_dst, &key->ipv6_dst, &mask->ipv6_dst);
    set_tos(list, key->ipv6_tclass, mask->ipv6_tclass, &field_ipv6_dscp,
            &field_ipv6_ecn);
    set_field(list, &field_ipv6_hlimit, &key->ipv6_hlimit,
              &mask->ipv6_hlimit);
    return true;
}

/* TCP's and UDP's keys have the same form: two ports. */
static bool
parse_set_ports(struct offload_action_list *list, const ovs_be16 key[2],
                const ovs_be16 mask[2], uint8_t ip_proto,
                const struct set_field fields[2])
{
    BUILD_ASSERT_DECL(sizeof(struct ovs_key_tcp) == 2 * sizeof *key
                      && offsetof(struct ovs_key_tcp, tcp_src) == 0);
    BUILD_ASSERT_DECL(sizeof(struct ovs_key_udp) == 2 * sizeof *key
                      && offsetof(struct ovs_key_udp, udp_src) == 0);

    if (!list->packet.ip_proto_known || list->packet.ip_proto != ip_proto) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_NO_HEADER);
    }
    if (!list->packet.unfragmented) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_FRAGMENT);
    }
    for (size_t i = 0; i < 2; i++) {
        set_field(list, &fields[i], &key[i], &mask[i]);
    }
    return true;
}

/* A part of a label can't be set. */
static bool
parse_set_mpls(struct offload_action_list *list,
               const struct ovs_key_mpls *key, const struct ovs_key_mpls *mask)
{
    if (mask->mpls_lse != OVS_BE32_MAX) {
        return (!mask->mpls_lse
                || offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_MPLS));
    }
    return offload_mpls_set(list, key->mpls_lse);
}

/* What a SET or SET_MASKED that is translated may hold. */
union set_key {
    struct ovs_key_ethernet eth;
    struct ovs_key_ipv4 ipv4;
    struct ovs_key_ipv6 ipv6;
    struct ovs_key_tcp tcp;
    struct ovs_key_udp udp;
    struct ovs_key_mpls mpls;
    ovs_be16 ports[2];
};

/* Returns the size that an attribute of 'type' has if it is one that is
 * translated, else 0 and the reason. */
static size_t
set_key_size(enum ovs_key_attr type, enum offload_refusal_code *code)
{
    *code = OFFLOAD_REFUSAL_ACTION_OTHER;
    switch (type) {
#define OFFLOAD_SET(ATTR, NAME, RTE_FLOW, REFUSAL)      \
    case OVS_KEY_ATTR_##ATTR:                           \
        *code = OFFLOAD_REFUSAL_##REFUSAL;              \
        break;
    OFFLOAD_SETS
#undef OFFLOAD_SET

    case OVS_KEY_ATTR_UNSPEC:
    case OVS_KEY_ATTR_ENCAP:
    case OVS_KEY_ATTR_IN_PORT:
    case OVS_KEY_ATTR_VLAN:
    case OVS_KEY_ATTR_ETHERTYPE:
    case OVS_KEY_ATTR_TCP_FLAGS:
    case OVS_KEY_ATTR_PACKET_TYPE:
    case __OVS_KEY_ATTR_MAX:
    default:
        break;
    }
    if (*code) {
        return 0;
    }
    return (type == OVS_KEY_ATTR_ETHERNET ? sizeof(struct ovs_key_ethernet)
            : type == OVS_KEY_ATTR_IPV4 ? sizeof(struct ovs_key_ipv4)
            : type == OVS_KEY_ATTR_IPV6 ? sizeof(struct ovs_key_ipv6)
            : type == OVS_KEY_ATTR_TCP ? sizeof(struct ovs_key_tcp)
            : type == OVS_KEY_ATTR_MPLS ? sizeof(struct ovs_key_mpls)
            : sizeof(struct ovs_key_udp));
}

/* SET holds a whole key; SET_MASKED holds the key and then a mask of the same
 * form. */
bool
offload_set_parse(struct offload_action_list *list, const struct nlattr *set,
                  bool masked)
{
    enum offload_refusal_code code;
    const struct nlattr *a = nl_attr_get(set);
    union set_key key, mask;
    size_t left = nl_attr_get_size(set);
    size_t size;

    if (!nl_attr_is_valid(a, left)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    size = set_key_size(nl_attr_type(a), &code);
    if (!size) {
        return offload_refuse(list->refusal, code);
    }
    if (nl_attr_get_size(a) != (masked ? 2 * size : size)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    memcpy(&key, nl_attr_get(a), size);
    if (masked) {
        memcpy(&mask, (const uint8_t *) nl_attr_get(a) + size, size);
    } else {
        memset(&mask, 0xff, sizeof mask);
    }

    switch (nl_attr_type(a)) {
    case OVS_KEY_ATTR_ETHERNET:
        return parse_set_ethernet(list, &key.eth, &mask.eth);
    case OVS_KEY_ATTR_IPV4:
        return parse_set_ipv4(list, &key.ipv4, &mask.ipv4);
    case OVS_KEY_ATTR_IPV6:
        return parse_set_ipv6(list, &key.ipv6, &mask.ipv6);
    case OVS_KEY_ATTR_TCP:
        return parse_set_ports(list, key.ports, mask.ports, IPPROTO_TCP,
                               fields_tcp);
    case OVS_KEY_ATTR_UDP:
        return parse_set_ports(list, key.ports, mask.ports, IPPROTO_UDP,
                               fields_udp);
    case OVS_KEY_ATTR_MPLS:
        return parse_set_mpls(list, &key.mpls, &mask.mpls);
    default:
        OVS_NOT_REACHED();
    }
}
