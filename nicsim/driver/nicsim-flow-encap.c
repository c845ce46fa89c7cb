/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-flow-action.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

/* What an encapsulation has where its definition has 0. */
#define DEFAULT_TTL 64

/* Takes 'n' bytes of 'data' into the rule's data, for '*hw'. */
static int
add_data(struct nicsim_actions *a, const struct rte_flow_action *action,
         const void *data, size_t n, struct nicsim_action *hw)
{
    struct nicsim_rule *rule = a->rule;

    if (n > NICSIM_MAX_ENCAP || n > NICSIM_RULE_DATA - rule->data_len) {
        return nicsim_action_refuse_conf(a, action, "the headers are longer "
                                         "than the NIC has room for");
    }
    memcpy(rule->data + rule->data_len, data, n);
    hw->arg = rule->data_len;
    hw->field = n;
    rule->data_len += n;
    return 0;
}

int
nicsim_action_raw_encap(struct nicsim_actions *a,
                        const struct rte_flow_action *action,
                        struct nicsim_action *hw)
{
    const struct rte_flow_action_raw_encap *conf = action->conf;

    if (!conf->data || !conf->size) {
        return nicsim_action_refuse_conf(a, action, "has no data");
    }
    if (conf->preserve) {
        for (size_t i = 0; i < conf->size; i++) {
            if (conf->preserve[i]) {
                return nicsim_action_refuse_conf(a, action, "the NIC can not "
                                                 "preserve bits");
            }
        }
    }
    return add_data(a, action, conf->data, conf->size, hw);
}

/* What is removed is what the rule matches; the size has to say the same. */
int
nicsim_action_raw_decap(struct nicsim_actions *a,
                        const struct rte_flow_action *action,
                        struct nicsim_action *hw)
{
    const struct rte_flow_action_raw_decap *conf = action->conf;

    if (!conf->size || conf->size > UINT16_MAX) {
        return nicsim_action_refuse_conf(a, action, "has no size that makes "
                                         "sense");
    }
    hw->arg = conf->size;
    return 0;
}

/* A header that is being made of items. */
struct header {
    uint8_t data[NICSIM_MAX_ENCAP];
    size_t n;
    uint8_t *type;                      /* Where the EtherType of the next
                                         * header is, if that is layer 3, */
    uint8_t *proto;                     /* or the protocol, or NULL. */
};

static void *
put(struct header *h, const void *spec, size_t n)
{
    uint8_t *at = h->data + h->n;

    memcpy(at, spec, n);
    h->n += n;
    return at;
}

/* Fills in the EtherType 'type' unless there is one. */
static void
put_type(struct header *h, uint16_t type)
{
    if (!h->type[0] && !h->type[1]) {
        h->type[0] = type >> 8;
        h->type[1] = type;
    }
}

/* Adds 'item' to 'h'.  '*layer' counts what there is already: Ethernet, tags,
 * IP, UDP, VXLAN.  Returns false if it can't follow. */
static bool
put_item(struct header *h, const struct rte_flow_item *item, int *layer)
{
    enum { NONE, ETH, TAG, TAG2, IP, UDP, VXLAN };
    struct rte_ipv4_hdr *ipv4;
    struct rte_ipv6_hdr *ipv6;
    struct rte_udp_hdr *udp;
    struct rte_vxlan_hdr *vxlan;
    uint8_t *at;

    switch ((int) item->type) {
    case RTE_FLOW_ITEM_TYPE_ETH:
        if (*layer != NONE) {
            return false;
        }
        at = put(h, item->spec, sizeof(struct rte_ether_hdr));
        h->type = at + 12;
        *layer = ETH;
        return true;

    case RTE_FLOW_ITEM_TYPE_VLAN:
        if (*layer != ETH && *layer != TAG) {
            return false;
        }
        put_type(h, RTE_ETHER_TYPE_VLAN);
        at = put(h, item->spec, sizeof(struct rte_vlan_hdr));
        h->type = at + 2;
        *layer += 1;
        return true;

    case RTE_FLOW_ITEM_TYPE_IPV4:
        if (*layer < ETH || *layer >= IP) {
            return false;
        }
        put_type(h, RTE_ETHER_TYPE_IPV4);
        ipv4 = put(h, item->spec, sizeof *ipv4);
        ipv4->version_ihl = ipv4->version_ihl ? ipv4->version_ihl : 0x45;
        ipv4->time_to_live = (ipv4->time_to_live ? ipv4->time_to_live
                              : DEFAULT_TTL);
        h->proto = &ipv4->next_proto_id;
        *layer = IP;
        return true;

    case RTE_FLOW_ITEM_TYPE_IPV6:
        if (*layer < ETH || *layer >= IP) {
            return false;
        }
        put_type(h, RTE_ETHER_TYPE_IPV6);
        ipv6 = put(h, item->spec, sizeof *ipv6);
        if (!(ipv6->vtc_flow & RTE_BE32(0xf0000000))) {
            ipv6->vtc_flow |= RTE_BE32(0x60000000);
        }
        ipv6->hop_limits = ipv6->hop_limits ? ipv6->hop_limits : DEFAULT_TTL;
        h->proto = &ipv6->proto;
        *layer = IP;
        return true;

    case RTE_FLOW_ITEM_TYPE_UDP:
        if (*layer != IP) {
            return false;
        }
        *h->proto = *h->proto ? *h->proto : IPPROTO_UDP;
        udp = put(h, item->spec, sizeof *udp);
        if (!udp->dst_port) {
            udp->dst_port = RTE_BE16(RTE_VXLAN_DEFAULT_PORT);
        }
        *layer = UDP;
        return true;

    case RTE_FLOW_ITEM_TYPE_VXLAN:
        if (*layer != UDP) {
            return false;
        }
        vxlan = put(h, item->spec, sizeof *vxlan);
        if (!(vxlan->vx_flags & RTE_BE32(0xff000000))) {
            vxlan->vx_flags |= RTE_BE32(0x08000000);
        }
        *layer = VXLAN;
        return true;

    case RTE_FLOW_ITEM_TYPE_END:
        return *layer == VXLAN;

    default:
        return false;
    }
}

int
nicsim_action_vxlan_encap(struct nicsim_actions *a,
                          const struct rte_flow_action *action,
                          struct nicsim_action *hw)
{
    const struct rte_flow_action_vxlan_encap *conf = action->conf;
    const struct rte_flow_item *item = conf->definition;
    struct header h = { .n = 0 };
    int layer = 0;

    if (!item) {
        return nicsim_action_refuse_conf(a, action, "has no definition");
    }
    for (;; item++) {
        if (item->type == RTE_FLOW_ITEM_TYPE_VOID) {
            continue;
        }
        if (item->type != RTE_FLOW_ITEM_TYPE_END && !item->spec) {
            return nicsim_action_refuse_conf(a, action, "an item of the "
                                             "definition has no spec");
        }
        if (!put_item(&h, item, &layer)) {
            return nicsim_action_refuse_conf(a, action, "the definition must "
                                             "be eth, up to two vlan, ipv4 "
                                             "or ipv6, udp, vxlan");
        }
        if (item->type == RTE_FLOW_ITEM_TYPE_END) {
            return add_data(a, action, h.data, h.n, hw);
        }
    }
}
