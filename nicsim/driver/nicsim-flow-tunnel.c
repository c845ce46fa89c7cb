/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-flow-pattern.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_geneve.h>
#include <rte_vxlan.h>

#define GRE_KEY_FLAG 0x20               /* In the first byte. */

/* Bits of the first byte of Geneve's header that are the options' length. */
#define GENEVE_OPT_LEN 0x3f

/* Begins what is common to all tunnels. */
static void
set_type(struct nicsim_pattern *p, uint8_t type)
{
    p->rule->mask.tunnel.type = 0xff;
    p->rule->key.tunnel.type = type;
}

/* UDP tunnels: the port tells which. */
static int
parse_udp_tunnel(struct nicsim_pattern *p, const struct rte_flow_item *item,
                 uint8_t type, uint16_t port)
{
    if (!(p->k->present & NICSIM_P_UDP)) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "does not follow udp");
    }
    if (!p->km->l4_dst) {
        p->k->l4_dst = rte_cpu_to_be_16(port);
    } else if (p->km->l4_dst != 0xffff) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "needs a UDP destination port that is "
                                     "matched as a whole or not at all");
    }
    p->km->l4_dst = 0xffff;
    set_type(p, type);
    return 0;
}

static const struct nicsim_item_field vxlan_fields[] = {
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan, flags, "flags", 0),
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan, rsvd0, "rsvd0", 1),
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan, vni, "vni", 4),
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan, rsvd1, "rsvd1", 7),
    NICSIM_FIELDS_END
};

static int
parse_vxlan(struct nicsim_pattern *p, const struct rte_flow_item *item,
            const void *spec __rte_unused, const void *mask __rte_unused)
{
    return parse_udp_tunnel(p, item, NICSIM_TUNNEL_VXLAN,
                            RTE_VXLAN_DEFAULT_PORT);
}

static const struct nicsim_item_field vxlan_gpe_fields[] = {
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan_gpe, flags, "flags", 0),
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan_gpe, rsvd0, "rsvd0", 1),
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan_gpe, protocol, "protocol", 3),
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan_gpe, vni, "vni", 4),
    NICSIM_FIELD_TUNNEL(rte_flow_item_vxlan_gpe, rsvd1, "rsvd1", 7),
    NICSIM_FIELDS_END
};

static int
parse_vxlan_gpe(struct nicsim_pattern *p, const struct rte_flow_item *item,
                const void *spec __rte_unused, const void *mask __rte_unused)
{
    return parse_udp_tunnel(p, item, NICSIM_TUNNEL_VXLAN_GPE,
                            RTE_VXLAN_GPE_DEFAULT_PORT);
}

static const struct nicsim_item_field geneve_fields[] = {
    NICSIM_FIELD_TUNNEL(rte_flow_item_geneve, ver_opt_len_o_c_rsvd0,
                        "ver_opt_len_o_c_rsvd0", 0),
    NICSIM_FIELD_TUNNEL(rte_flow_item_geneve, protocol, "protocol", 2),
    NICSIM_FIELD_TUNNEL(rte_flow_item_geneve, vni, "vni", 4),
    NICSIM_FIELD_TUNNEL(rte_flow_item_geneve, rsvd1, "rsvd1", 7),
    NICSIM_FIELDS_END
};

static int
parse_geneve(struct nicsim_pattern *p, const struct rte_flow_item *item,
             const void *spec __rte_unused, const void *mask __rte_unused)
{
    return parse_udp_tunnel(p, item, NICSIM_TUNNEL_GENEVE,
                            RTE_GENEVE_DEFAULT_PORT);
}

static const struct nicsim_item_field geneve_opt_fields[] = {
    NICSIM_FIELD_TO(rte_flow_item_geneve_opt, option_class, "option_class",
                    FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_geneve_opt, option_type, "option_type",
                    FUNCTION),
    NICSIM_FIELD_TO(rte_flow_item_geneve_opt, option_len, "option_len",
                    FUNCTION),
    NICSIM_FIELDS_END
};

static void
copy_masked(uint8_t *k, uint8_t *km, const void *spec_, const void *mask_,
            size_t n)
{
    const uint8_t *spec = spec_, *mask = mask_;

    for (size_t i = 0; i < n; i++) {
        km[i] = mask[i];
        k[i] = spec[i] & mask[i];
    }
}

/* The first of these items is about the packet's first option, and so on: as
 * everywhere in a pattern, order counts. */
static int
parse_geneve_opt(struct nicsim_pattern *p, const struct rte_flow_item *item,
                 const void *spec_, const void *mask_)
{
    const struct rte_flow_item_geneve_opt *spec = spec_;
    const struct rte_flow_item_geneve_opt *mask = mask_;
    struct nicsim_tunnel *k = &p->rule->key.tunnel;
    struct nicsim_tunnel *km = &p->rule->mask.tunnel;
    uint32_t n, ofs = p->n_opts;

    if (k->type != NICSIM_TUNNEL_GENEVE) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "does not follow geneve");
    }
    if (!spec || (mask->option_len & 0x1f) != 0x1f) {
        return nicsim_pattern_refuse_mask(p, item, "needs the option's "
                                          "length");
    }
    n = 4 + (spec->option_len & 0x1f) * 4;
    if ((km->header[0] & GENEVE_OPT_LEN) != GENEVE_OPT_LEN
        || ofs + n > (k->header[0] & GENEVE_OPT_LEN) * 4u) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "needs a geneve item with the length of "
                                     "all options");
    }
    if (ofs + n > NICSIM_GENEVE_OPTS) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "the NIC looks at 64 bytes of options");
    }
    copy_masked(k->options + ofs, km->options + ofs, &spec->option_class,
                &mask->option_class, 2);
    copy_masked(k->options + ofs + 2, km->options + ofs + 2,
                &spec->option_type, &mask->option_type, 1);
    copy_masked(k->options + ofs + 3, km->options + ofs + 3,
                &spec->option_len, &mask->option_len, 1);
    if (mask->data && n > 4) {
        if (!spec->data) {
            return nicsim_pattern_refuse(p, item,
                                         RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
                                         "has a mask for data, but no data");
        }
        copy_masked(k->options + ofs + 4, km->options + ofs + 4, spec->data,
                    mask->data, n - 4);
    }
    p->n_opts += n;
    return 0;
}

static const struct nicsim_item_field gre_fields[] = {
    NICSIM_FIELD_TUNNEL(rte_flow_item_gre, c_rsvd0_ver, "c_rsvd0_ver", 0),
    NICSIM_FIELD_TUNNEL(rte_flow_item_gre, protocol, "protocol", 2),
    NICSIM_FIELDS_END
};

static int
parse_gre(struct nicsim_pattern *p, const struct rte_flow_item *item,
          const void *spec __rte_unused, const void *mask __rte_unused)
{
    if (p->layer != NICSIM_LAYER_3
        || !(p->k->present & (NICSIM_P_IPV4 | NICSIM_P_IPV6))) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "does not follow ipv4 or ipv6");
    }
    if (p->k->ip_proto != (IPPROTO_GRE & p->km->ip_proto)) {
        return nicsim_pattern_contradiction(p, item);
    }
    p->k->ip_proto = IPPROTO_GRE;
    p->km->ip_proto = 0xff;
    set_type(p, NICSIM_TUNNEL_GRE);
    return 0;
}

/* The item is a bare word. */
struct gre_key {
    rte_be32_t key;
};

static const struct gre_key gre_key_mask = { .key = 0xffffffff };

static const struct nicsim_item_field gre_key_fields[] = {
    NICSIM_FIELD_TUNNEL(gre_key, key, "value", 4),
    NICSIM_FIELDS_END
};

static int
parse_gre_key(struct nicsim_pattern *p, const struct rte_flow_item *item,
              const void *spec __rte_unused, const void *mask __rte_unused)
{
    struct nicsim_tunnel *k = &p->rule->key.tunnel;
    struct nicsim_tunnel *km = &p->rule->mask.tunnel;

    if (k->type != NICSIM_TUNNEL_GRE) {
        return nicsim_pattern_refuse(p, item, RTE_FLOW_ERROR_TYPE_ITEM,
                                     "does not follow gre");
    }
    if (km->header[0] & ~k->header[0] & GRE_KEY_FLAG) {
        return nicsim_pattern_contradiction(p, item);
    }
    km->header[0] |= GRE_KEY_FLAG;
    k->header[0] |= GRE_KEY_FLAG;
    return 0;
}

#define ROW NICSIM_ITEM_ROW
const struct nicsim_item nicsim_tunnel_items[] = {
    { ROW(VXLAN, VXLAN, TUNNEL, rte_flow_item_vxlan,
          &rte_flow_item_vxlan_mask, vxlan_fields),
      .parse = parse_vxlan },
    { ROW(VXLAN_GPE, VXLAN_GPE, TUNNEL, rte_flow_item_vxlan_gpe,
          &rte_flow_item_vxlan_gpe_mask, vxlan_gpe_fields),
      .parse = parse_vxlan_gpe },
    { ROW(GENEVE, GENEVE, TUNNEL, rte_flow_item_geneve,
          &rte_flow_item_geneve_mask, geneve_fields),
      .parse = parse_geneve },
    { ROW(GENEVE_OPT, GENEVE_OPT, TUNNEL_OPT, rte_flow_item_geneve_opt,
          &rte_flow_item_geneve_opt_mask, geneve_opt_fields),
      .repeated = true, .parse = parse_geneve_opt },
    { ROW(GRE, GRE, TUNNEL, rte_flow_item_gre,
          &rte_flow_item_gre_mask, gre_fields),
      .parse = parse_gre },
    { ROW(GRE_KEY, GRE_KEY, TUNNEL_OPT, gre_key,
          &gre_key_mask, gre_key_fields),
      .parse = parse_gre_key },
    { .fields = NULL }
};
