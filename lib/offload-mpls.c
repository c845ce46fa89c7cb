/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-mpls.h"

#include <string.h>

#include "odp-netlink.h"
#include "offload-actions.h"
#include "offload-match.h"
#include "offload-refusal.h"
#include "packets.h"
#include "util.h"

/* Nothing is known of what is behind the labels. */
static void
forget_upper_layers(struct offload_packet *packet)
{
    packet->ip_proto_known = false;
    packet->unfragmented = false;
    packet->ecn_known = false;
}

bool
offload_mpls_pop(struct offload_action_list *list, ovs_be16 eth_type)
{
    struct offload_packet *packet = &list->packet;

    if (!eth_type_mpls(packet->eth_type)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_NO_HEADER);
    }
    offload_action_add(list, RTE_FLOW_ACTION_TYPE_OF_POP_MPLS)
        ->pop_mpls.ethertype = eth_type;
    packet->eth_type = eth_type;
    packet->hash_gone = true;
    packet->growth -= MPLS_HLEN;
    forget_upper_layers(packet);
    return true;
}

static void
put(struct offload_header *header, const void *data, size_t n)
{
    memcpy(header->bytes + header->size, data, n);
    header->size += n;
}

/* Puts an address: 'set' where 'mask' has a 1, and what is matched. */
static void
put_mac(struct offload_header *header, const uint8_t matched[ETH_ADDR_LEN],
        struct eth_addr set, struct eth_addr mask)
{
    for (size_t i = 0; i < ETH_ADDR_LEN; i++) {
        uint8_t byte = (matched[i] & ~mask.ea[i]) | (set.ea[i] & mask.ea[i]);

        put(header, &byte, 1);
    }
}

/* Puts layer 2 of the list's packets, up to the last tag, and narrows the
 * match to what it takes from there. */
static void
put_l2(struct offload_action_list *list, struct offload_header *header)
{
    const struct offload_packet *packet = &list->packet;
    struct offload_match *om = list->om;

    offload_match_pin_l2(om, packet->dst_mask, packet->src_mask,
                         packet->n_popped);
    put_mac(header, om->eth.spec.dst.addr_bytes, packet->dst,
            packet->dst_mask);
    put_mac(header, om->eth.spec.src.addr_bytes, packet->src,
            packet->src_mask);
    for (size_t i = packet->n_pushed; i; i--) {
        put(header, &packet->pushed[i - 1].tpid, sizeof(ovs_be16));
        put(header, &packet->pushed[i - 1].tci, sizeof(ovs_be16));
    }
    for (size_t i = packet->n_popped; i < om->packet.n_vlans; i++) {
        const ovs_be16 *tpid = (i ? &om->vlans[i - 1].spec.inner_type
                                : &om->eth.spec.type);

        put(header, tpid, sizeof *tpid);
        put(header, &om->vlans[i].spec.tci, sizeof(ovs_be16));
    }
}

/* Puts layer 2, of 'eth_type', and 'lse' in place of layer 2 and 'n' bytes
 * behind it. */
static bool
replace_l2(struct offload_action_list *list, size_t n, ovs_be16 eth_type,
           ovs_be32 lse)
{
    struct offload_actions *oa = list->oa;
    union offload_action_conf *conf;
    struct offload_header *header;

    if (oa->n_headers >= OFFLOAD_MAX_HEADERS) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_TOO_MANY);
    }
    header = &oa->headers[oa->n_headers++];
    header->size = 0;
    put_l2(list, header);
    put(header, &eth_type, sizeof eth_type);
    conf = offload_action_add(list, RTE_FLOW_ACTION_TYPE_RAW_DECAP);
    conf->raw_decap.size = header->size + n;
    put(header, &lse, sizeof lse);
    conf = offload_action_add(list, RTE_FLOW_ACTION_TYPE_RAW_ENCAP);
    conf->raw_encap.data = header->bytes;
    conf->raw_encap.size = header->size;

    list->packet.eth_type = eth_type;
    forget_upper_layers(&list->packet);
    return true;
}

/* The label goes behind all tags, or in front of the first label, which is the
 * same place.  A tag that Open vSwitch takes for an EtherType is behind it,
 * but a NIC counts all tags. */
bool
offload_mpls_push(struct offload_action_list *list,
                  const struct ovs_action_push_mpls *push)
{
    ovs_be16 eth_type = list->packet.eth_type;

    if (!eth_type_mpls(push->mpls_ethertype)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    if (!eth_type || eth_type_vlan(eth_type)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_PUSH_MPLS);
    }
    list->packet.growth += MPLS_HLEN;
    return replace_l2(list, 0, push->mpls_ethertype, push->mpls_lse);
}

bool
offload_mpls_set(struct offload_action_list *list, ovs_be32 lse)
{
    ovs_be16 eth_type = list->packet.eth_type;

    if (!eth_type_mpls(eth_type)) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_SET_NO_HEADER);
    }
    return replace_l2(list, MPLS_HLEN, eth_type, lse);
}
