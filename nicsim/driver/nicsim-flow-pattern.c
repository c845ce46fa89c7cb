/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-flow-pattern.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "nicsim-flow.h"
#include "nicsim-port.h"

static const struct nicsim_item *
find_in(const struct nicsim_item *table, int type)
{
    for (; table->fields; table++) {
        if ((int) table->type == type) {
            return table;
        }
    }
    return NULL;
}

static const struct nicsim_item *
find_item(int type)
{
    const struct nicsim_item *info = find_in(nicsim_items, type);

    return info ? info : find_in(nicsim_tunnel_items, type);
}

uint32_t
nicsim_flow_item_bit(enum rte_flow_item_type type)
{
    const struct nicsim_item *info = find_item(type);

    return info ? info->bit : 0;
}

/* Refusing. */

int
nicsim_pattern_refuse(struct nicsim_pattern *p,
                      const struct rte_flow_item *item,
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

int
nicsim_pattern_refuse_mask(struct nicsim_pattern *p,
                           const struct rte_flow_item *item, const char *why)
{
    return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM_MASK, why);
}

static int
refuse_item(struct nicsim_pattern *p, const struct rte_flow_item *item,
            const char *why)
{
    return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM, why);
}

int
nicsim_pattern_contradiction(struct nicsim_pattern *p,
                             const struct rte_flow_item *item)
{
    return refuse_item(p, item, "contradicts the rest of the pattern");
}

static int
refuse_field(struct nicsim_pattern *p, const struct rte_flow_item *item,
             const struct nicsim_item_field *f, enum rte_flow_error_type type,
             const char *how)
{
    char why[96];

    snprintf(why, sizeof why, "field %s can not be matched%s", f->name, how);
    return nicsim_pattern_refuse(p, item, type, why);
}

bool
nicsim_pattern_require(struct nicsim_pattern *p, uint32_t bits, bool want)
{
    uint32_t asked = p->km->present & bits;

    if ((p->k->present & asked) != (want ? asked : 0)) {
        return false;
    }
    p->km->present |= bits;
    if (want) {
        p->k->present |= bits;
    }
    return true;
}

/* Fields. */

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

/* Where field 'f' goes to in the rule's key and mask. */
static void
find_target(struct nicsim_pattern *p, const struct nicsim_item_field *f,
            uint8_t **k, uint8_t **km)
{
    struct nicsim_match *key = &p->rule->key, *mask = &p->rule->mask;

    switch (f->target) {
    case NICSIM_TO_META:
        *k = (uint8_t *) &key->meta + f->to;
        *km = (uint8_t *) &mask->meta + f->to;
        break;

    case NICSIM_TO_TUNNEL:
        *k = (uint8_t *) &key->tunnel + f->to;
        *km = (uint8_t *) &mask->tunnel + f->to;
        break;

    default:
        *k = (uint8_t *) p->k + f->to;
        *km = (uint8_t *) p->km + f->to;
        break;
    }
}

/* Copies the fields of 'item' into the key. */
static int
parse_fields(struct nicsim_pattern *p, const struct rte_flow_item *item,
             const struct nicsim_item *info, const void *mask_)
{
    const uint8_t *spec = item->spec;
    const uint8_t *last = item->last;
    const uint8_t *mask = mask_;
    const struct nicsim_item_field *f;

    for (f = info->fields; f->name; f++) {
        const uint8_t *m = mask + f->offset;
        uint8_t *k, *km;

        if (!any_byte(m, m, f->size)) {
            continue;
        }
        if (f->target == NICSIM_TO_NOTHING) {
            return refuse_field(p, item, f, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
                                "");
        }
        if (last && f->target != NICSIM_TO_RANGE
            && any_byte(last + f->offset, m, f->size)
            && memcmp(last + f->offset, spec + f->offset, f->size)) {
            return refuse_field(p, item, f, RTE_FLOW_ERROR_TYPE_ITEM_LAST,
                                " by a range");
        }
        if (f->target == NICSIM_TO_FUNCTION || f->target == NICSIM_TO_RANGE) {
            continue;
        }
        find_target(p, f, &k, &km);
        for (unsigned int i = 0; i < f->size; i++) {
            km[i] = m[i];
            k[i] = spec[f->offset + i] & m[i];
        }
    }
    return 0;
}

/* Layers. */

static bool
is_tpid(uint16_t type)
{
    return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ;
}

int
nicsim_pattern_finish_l2(struct nicsim_pattern *p, uint16_t type,
                         const struct rte_flow_item *item)
{
    uint32_t more = (p->n_vlans == 0 ? NICSIM_P_VLAN
                     : p->n_vlans == 1 ? NICSIM_P_VLAN2
                     : 0);
    const struct rte_flow_item *type_item = p->type_item;

    if (type_item && is_tpid(p->type)) {
        /* A tag of which nothing but its TPID is asked. */
        if (type || item) {
            return refuse_item(p, item,
                               "follows a header whose type says otherwise");
        }
        if (!more || p->more_vlans == 0) {
            return nicsim_pattern_contradiction(p, type_item);
        }
        nicsim_pattern_require(p, more, true);
        if (p->n_vlans) {
            p->km->vlan2_tpid = 0xffff;
            p->k->vlan2_tpid = rte_cpu_to_be_16(p->type);
        } else {
            p->km->vlan_tpid = 0xffff;
            p->k->vlan_tpid = rte_cpu_to_be_16(p->type);
        }
        return 0;
    }
    if (type_item) {
        if (type && type != p->type) {
            return refuse_item(p, item,
                               "follows a header whose type says otherwise");
        }
        if (p->more_vlans == 1) {
            /* No tag can stand before a header of another type. */
            return nicsim_pattern_contradiction(p, type_item);
        }
        type = p->type;
    }
    if (type) {
        p->km->eth_type = 0xffff;
        p->k->eth_type = rte_cpu_to_be_16(type);
    }
    if (more && p->more_vlans >= 0) {
        nicsim_pattern_require(p, more, p->more_vlans);
    } else if (more && (type_item || (item && (p->eth_seen || p->n_vlans)))) {
        /* What stands right behind another header is not behind a tag. */
        nicsim_pattern_require(p, more, false);
    }
    return 0;
}

/* Asks for the layer-4 header that 'info' stands for, over IPv4 or IPv6 or, if
 * it has an EtherType, only over the one of this type. */
static int
parse_l4(struct nicsim_pattern *p, const struct rte_flow_item *item,
         const struct nicsim_item *info)
{
    struct nicsim_key *km = p->km;
    struct nicsim_key *k = p->k;
    uint8_t proto = info->proto;

    if (!(k->present & (NICSIM_P_IPV4 | NICSIM_P_IPV6))) {
        return refuse_item(p, item, "does not follow ipv4 or ipv6");
    }
    if (info->eth_type && k->eth_type != rte_cpu_to_be_16(info->eth_type)) {
        return nicsim_pattern_contradiction(p, item);
    }
    if (k->present & NICSIM_P_EXT_FRAG
        || (k->present & NICSIM_P_IPV6 && k->ip_proto != (proto & km->ip_proto)
            && km->ip_proto)) {
        return refuse_item(p, item, "can not be matched behind an IPv6 "
                           "extension header, nor where proto says "
                           "otherwise");
    }
    if (k->ip_proto != (proto & km->ip_proto)
        || k->present & NICSIM_P_LATER_FRAG
        || !nicsim_pattern_require(p, info->present, true)) {
        return nicsim_pattern_contradiction(p, item);
    }
    km->ip_proto = 0xff;
    k->ip_proto = proto;
    return 0;
}

/* Begins the inner stack. */
static void
enter_tunnel(struct nicsim_pattern *p)
{
    p->k = &p->rule->key.inner;
    p->km = &p->rule->mask.inner;
    p->inner = true;
    p->layer = NICSIM_LAYER_META;
    p->eth_seen = false;
    p->n_vlans = 0;
    p->type_item = NULL;
    p->more_vlans = -1;
}

/* Finds out whether 'item' may stand where it does. */
static int
check_layer(struct nicsim_pattern *p, const struct rte_flow_item *item,
            const struct nicsim_item *info)
{
    if (info->layer == NICSIM_LAYER_META) {
        return (p->seen & info->bit && !info->repeated
                ? refuse_item(p, item, "stands twice in the pattern") : 0);
    }
    if (info->layer >= NICSIM_LAYER_TUNNEL && p->inner) {
        return refuse_item(p, item, "the NIC does not look into a tunnel in a "
                           "tunnel");
    }
    if (info->layer < NICSIM_LAYER_TUNNEL
        && p->layer >= NICSIM_LAYER_TUNNEL) {
        enter_tunnel(p);
    }
    if (info->layer == NICSIM_LAYER_VLAN && p->n_vlans >= 2) {
        return refuse_item(p, item, "the NIC looks at two tags only");
    }
    return (info->layer < p->layer
            || (info->layer == p->layer && !info->repeated)
            ? refuse_item(p, item, "can not stand here in the pattern") : 0);
}

static int
parse_item(struct nicsim_pattern *p, const struct rte_flow_item *item)
{
    const struct nicsim_item *info = find_item(item->type);
    const void *mask = NULL;
    int error;

    if (!info) {
        return refuse_item(p, item,
                           item->type == RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR
                           ? "what software sends does not pass the rules; "
                           "use represented_port"
                           : "the NIC can not match this");
    }
    error = check_layer(p, item, info);
    if (error) {
        return error;
    }
    if (!item->spec) {
        if (item->mask || item->last) {
            return nicsim_pattern_refuse(p, item,
                                         RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                                         "has a mask or last, but no spec");
        }
    } else {
        mask = item->mask ? item->mask : info->default_mask;
        error = parse_fields(p, item, info, mask);
    }
    if (!error && info->layer == NICSIM_LAYER_3 && info->eth_type) {
        error = nicsim_pattern_finish_l2(p, info->eth_type, item);
        if (!error) {
            nicsim_pattern_require(p, info->present, true);
        }
    } else if (!error && info->layer == NICSIM_LAYER_4) {
        error = parse_l4(p, item, info);
    }
    if (!error && info->parse) {
        error = info->parse(p, item, item->spec, mask);
    }
    if (!error) {
        p->rule->items |= info->bit;
        p->seen |= info->bit;
        if (info->layer != NICSIM_LAYER_META) {
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
    struct nicsim_pattern p = {
        .port = port,
        .attr = attr,
        .rule = rule,
        .error = error,
        .k = &rule->key.outer,
        .km = &rule->mask.outer,
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
    if (p.layer < NICSIM_LAYER_3) {
        ret = nicsim_pattern_finish_l2(&p, 0, NULL);
        if (ret) {
            return ret;
        }
    }
    if (!(p.seen & (NICSIM_ITEM_PORT | NICSIM_ITEM_PORT_ID))) {
        rule->mask.meta.vport = 0xffff;
        rule->key.meta.vport = nicsim_port_vport(port);
    }
    return 0;
}
