/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Are the driver's structs as this object was compiled to believe?  A header
 * that differs moves fields silently.  So the driver itself is asked: each
 * field that mlx5-fake.c sets decides about some rule.  With the field in one
 * state the rule has to be refused, with the other it has to be accepted, and
 * with everything as it was, refused again. */

#include "mlx5-fake.h"

#include <stdio.h>
#include <string.h>

#include <ethdev_driver.h>
#include <rte_flow.h>


enum { UPLINK, VF, N_PORTS };

struct probe {
    const char *field;
    void (*set)(struct mlx5_fake *, struct mlx5_priv *vf, bool on);
    const char *items;                  /* Names of 'known_items'. */
    const char *actions;                /* Names of 'known_actions'. */
    const char *off_says;               /* Words of the refusal, or NULL. */
};

/* Items and actions that rules are made of, by one letter each. */

static const struct rte_flow_item_ethdev port_vf = { .port_id = VF };
static const struct rte_flow_item_ethdev port_mask = { .port_id = 0xffff };
static const struct rte_flow_item_integrity integrity = { .l3_ok = 1 };
static const struct rte_flow_item_ipv4 ihl = { .hdr.version_ihl = 0x05 };
static const struct rte_flow_item_ipv4 ihl_mask = { .hdr.version_ihl = 0x0f };
static const struct rte_flow_item_udp vxlan_port = {
    .hdr.dst_port = RTE_BE16(4789),
};
static const struct rte_flow_item_udp udp_mask = {
    .hdr.dst_port = RTE_BE16(0xffff),
};
static const struct rte_flow_item_vxlan rsvd1 = { .rsvd1 = 0xff };
static const struct rte_flow_item_geneve geneve = {
    .ver_opt_len_o_c_rsvd0 = RTE_BE16(2 << 8),
};
static const struct rte_flow_item_geneve geneve_mask = {
    .ver_opt_len_o_c_rsvd0 = RTE_BE16(0x3f00),
};
static uint32_t option_data = RTE_BE32(7), option_data_mask = UINT32_MAX;
static const struct rte_flow_item_geneve_opt option = {
    .option_class = RTE_BE16(0x102),
    .option_type = 1,
    .option_len = 1,
    .data = &option_data,
};
static const struct rte_flow_item_geneve_opt option_mask = {
    .option_class = RTE_BE16(0xffff),
    .option_type = 0xff,
    .option_len = 0x1f,
    .data = &option_data_mask,
};

static const struct {
    char name;
    struct rte_flow_item item;
} known_items[] = {
    { 'p', { RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, &port_vf, NULL,
             &port_mask } },
    { 'i', { RTE_FLOW_ITEM_TYPE_INTEGRITY, &integrity, NULL, &integrity } },
    { 'e', { RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL, NULL } },
    { 'v', { RTE_FLOW_ITEM_TYPE_VLAN, NULL, NULL, NULL } },
    { '4', { RTE_FLOW_ITEM_TYPE_IPV4, NULL, NULL, NULL } },
    { 'h', { RTE_FLOW_ITEM_TYPE_IPV4, &ihl, NULL, &ihl_mask } },
    { 'u', { RTE_FLOW_ITEM_TYPE_UDP, NULL, NULL, NULL } },
    { 'w', { RTE_FLOW_ITEM_TYPE_UDP, &vxlan_port, NULL, &udp_mask } },
    { 'x', { RTE_FLOW_ITEM_TYPE_VXLAN, NULL, NULL, NULL } },
    { 'r', { RTE_FLOW_ITEM_TYPE_VXLAN, &rsvd1, NULL, &rsvd1 } },
    { 'g', { RTE_FLOW_ITEM_TYPE_GENEVE, &geneve, NULL, &geneve_mask } },
    { 'o', { RTE_FLOW_ITEM_TYPE_GENEVE_OPT, &option, NULL, &option_mask } },
    { 'm', { RTE_FLOW_ITEM_TYPE_MPLS, NULL, NULL, NULL } },
};

static const struct rte_flow_action_ethdev to_uplink = { .port_id = UPLINK };
static const struct rte_flow_action_jump jump = { .group = 5 };
static const struct rte_flow_action_mark mark = { .id = 0x1234 };
static const struct rte_flow_action_set_meta meta = {
    .data = 7,
    .mask = 0xff,
};
static const struct rte_flow_action_meter meter = { .mtr_id = 3 };
static const struct rte_flow_action_set_ttl ttl = { .ttl_value = 3 };
static const struct rte_flow_action mirror_actions[] = {
    { RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, &to_uplink },
    { RTE_FLOW_ACTION_TYPE_END, NULL },
};
static const struct rte_flow_action_sample mirror = {
    .ratio = 1,
    .actions = mirror_actions,
};

static const struct {
    char name;
    struct rte_flow_action action;
} known_actions[] = {
    { 'c', { RTE_FLOW_ACTION_TYPE_COUNT, NULL } },
    { 'o', { RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, &to_uplink } },
    { 'd', { RTE_FLOW_ACTION_TYPE_SET_META, &meta } },
    { 'j', { RTE_FLOW_ACTION_TYPE_JUMP, &jump } },
    { 'm', { RTE_FLOW_ACTION_TYPE_MARK, &mark } },
    { 'M', { RTE_FLOW_ACTION_TYPE_METER, &meter } },
    { 'p', { RTE_FLOW_ACTION_TYPE_OF_POP_VLAN, NULL } },
    { 's', { RTE_FLOW_ACTION_TYPE_SAMPLE, &mirror } },
    { 't', { RTE_FLOW_ACTION_TYPE_SET_TTL, &ttl } },
};

/* Fields. */

#define SETTER(NAME, STATEMENT)                                         \
static void                                                             \
set_##NAME(struct mlx5_fake *fake __rte_unused,                         \
           struct mlx5_priv *vf __rte_unused, bool on)                  \
{                                                                       \
    STATEMENT;                                                          \
}

#define ATTR fake->cdev.config.hca_attr

SETTER(domain, vf->domain_id = fake->domain_id + !on)
SETTER(esw_mode, fake->sh->esw_mode = on)
SETTER(esw_en, fake->sh->config.dv_esw_en = on)
SETTER(xmeta, fake->sh->config.dv_xmeta_en = on)
SETTER(mreg, fake->sh->flow_mreg_c[2] = on ? REG_C_2 : REG_NON)
SETTER(mark_mask, fake->sh->dv_mark_mask = on ? 0xffff : 0xff)
SETTER(devx, fake->cdev.config.devx = on)
SETTER(integrity, ATTR.pkt_integrity_match = on)
SETTER(outer_ihl, ATTR.outer_ipv4_ihl = on)
SETTER(inner_ihl, ATTR.inner_ipv4_ihl = on)
SETTER(geneve, ATTR.tunnel_stateless_geneve_rx = on)
SETTER(geneve_options, ATTR.geneve_tlv_opt = on)
SETTER(geneve_length, ATTR.max_geneve_tlv_option_data_len = on)
SETTER(geneve_type, fake->geneve.option_class = option.option_class;
       fake->geneve.option_type = option.option_type + !on;
       fake->geneve.length = option.option_len;
       fake->sh->geneve_tlv_option_resource = &fake->geneve)
SETTER(preserve, ATTR.reg_c_preserve = on)
SETTER(sampler, vf->sampler_en = on)
SETTER(format, fake->sh->steering_format_version = on)
SETTER(pop, fake->sh->pop_vlan_action = on ? fake : NULL)
SETTER(mpls, fake->sh->dev_cap.mpls_en = on)
SETTER(misc5, fake->sh->tunnel_header_0_1 = 0; fake->sh->misc5_cap = on)
SETTER(tunnel, fake->sh->misc5_cap = 0; fake->sh->tunnel_header_0_1 = on)
SETTER(meters, vf->mtr_en = on)
SETTER(policy, fake->mtrmng.def_policy[MLX5_MTR_DOMAIN_TRANSFER]
                   = on ? &fake->policy : NULL)
SETTER(source, vf->representor_id = on ? UINT16_MAX : VF;
       fake->sh->steering_format_version = 0)

static void
set_meter(struct mlx5_fake *fake, struct mlx5_priv *vf __rte_unused, bool on)
{
    fake->sh->meter_aso_en = 1;
    if (on) {
        mlx5_fake_add_meter(fake, VF, meter.mtr_id);
    } else {
        mlx5_fake_remove_meter(fake, VF, meter.mtr_id);
    }
}

static void
set_old_meter(struct mlx5_fake *fake, struct mlx5_priv *vf __rte_unused,
              bool on)
{
    fake->sh->meter_aso_en = 0;
    if (on) {
        mlx5_fake_add_meter(fake, VF, meter.mtr_id);
    } else {
        mlx5_fake_remove_meter(fake, VF, meter.mtr_id);
    }
}

static const struct probe probes[] = {
    { "domain_id", set_domain, "pe4", "co",
      "port does not belong to E-Switch being configured" },
    { "esw_mode", set_esw_mode, "pe4", "co", NULL },
    { "dv_esw_en", set_esw_en, "pe4", "co", NULL },
    { "dv_xmeta_en", set_xmeta, "pe4", "dj", NULL },
    { "flow_mreg_c", set_mreg, "pe4", "mj",
      "no metadata registers to support mark action" },
    { "dv_mark_mask", set_mark_mask, "pe4", "mj",
      "mark id exceeds the limit" },
    { "devx", set_devx, "pe4", "co", "count action not supported" },
    { "pkt_integrity_match", set_integrity, "pie4", "co",
      "packet integrity integrity_item not supported" },
    { "outer_ipv4_ihl", set_outer_ihl, "peh", "co",
      "IPV4 ihl offload not supported" },
    { "inner_ipv4_ihl", set_inner_ihl, "pe4wxeh", "co",
      "IPV4 ihl offload not supported" },
    { "tunnel_stateless_geneve_rx", set_geneve, "pe4ug", "co", NULL },
    { "geneve_tlv_opt", set_geneve_options, "pe4ugo", "co",
      "Geneve TLV opt not supported" },
    { "max_geneve_tlv_option_data_len", set_geneve_length, "pe4ugo", "co",
      "Geneve TLV opt length not supported" },
    { "geneve_tlv_option_resource", set_geneve_type, "pe4ugo", "co",
      "Only one Geneve TLV option supported" },
    { "reg_c_preserve", set_preserve, "pe4", "sto",
      "sample before modify action is not supported" },
    { "sampler_en", set_sampler, "pe4", "so",
      "sample action not supported" },
    { "steering_format_version", set_format, "pev4", "po",
      "pop vlan action not supported for egress" },
    { "representor_id", set_source, "pev4", "po",
      "pop vlan action not supported for egress" },
    { "pop_vlan_action", set_pop, "pev4", "po", NULL },
    { "mpls_en", set_mpls, "pe4um", "co", NULL },
    { "misc5_cap", set_misc5, "pe4wr", "co", NULL },
    { "tunnel_header_0_1", set_tunnel, "pe4wr", "co", NULL },
    { "mtr_idx_tbl", set_meter, "pe4", "Mo", "Meter not found" },
    { "flow_meters", set_old_meter, "pe4", "Mo", "Meter not found" },
    { "mtr_en", set_meters, "pe4", "Mo", "meter action not supported" },
    { "def_policy", set_policy, "pe4", "Mo", NULL },
};

static bool
accepts(const char *items, const char *actions, const char **words)
{
    const struct rte_flow_attr attr = { .group = 1, .transfer = 1 };
    struct rte_flow_item pattern[8] = { { .type = RTE_FLOW_ITEM_TYPE_END } };
    struct rte_flow_action list[8] = { { .type = RTE_FLOW_ACTION_TYPE_END } };
    struct rte_flow_error error = { .message = NULL };
    bool accepted;

    for (size_t i = 0; items[i]; i++) {
        for (size_t j = 0; j < RTE_DIM(known_items); j++) {
            if (items[i] == known_items[j].name) {
                pattern[i] = known_items[j].item;
            }
        }
    }
    for (size_t i = 0; actions[i]; i++) {
        for (size_t j = 0; j < RTE_DIM(known_actions); j++) {
            if (actions[i] == known_actions[j].name) {
                list[i] = known_actions[j].action;
            }
        }
    }
    accepted = !mlx5_flow_validate(&rte_eth_devices[VF], &attr, pattern, list,
                                   &error);
    *words = error.message ? error.message : "";
    return accepted;
}

/* Returns true if the field of 'probe' decides. */
static bool
field_decides(const struct mlx5_fake_config *config,
              const struct probe *probe)
{
    struct mlx5_fake *fake = mlx5_fake_create(config);
    const char *words = "no memory";
    bool ok = false;

    if (fake && !mlx5_fake_add_port(fake, UPLINK, true, 0)
        && !mlx5_fake_add_port(fake, VF, false, 0)) {
        struct mlx5_priv *vf = mlx5_fake_port(fake, VF);

        /* What "mtr_en" and "def_policy" need beside. */
        if (probe->set == set_meters || probe->set == set_policy) {
            mlx5_fake_add_meter(fake, VF, meter.mtr_id);
        }
        ok = true;
        for (int on = 0; on <= 2 && ok; on++) {
            bool accepted;

            probe->set(fake, vf, on == 1);
            accepted = accepts(probe->items, probe->actions, &words);
            ok = accepted == (on == 1);
            if (ok && !accepted && probe->off_says) {
                ok = !strcmp(words, probe->off_says);
            }
        }
        /* So that the port is still found. */
        vf->sh = fake->sh;
    }
    mlx5_fake_destroy(fake);
    return ok;
}

bool
mlx5_fake_is_understood(char *what, size_t size)
{
    const struct mlx5_fake_config config = {
        .card = mlx5_fake_card_find("cx6dx"),
        .dv_xmeta_en = 1,
    };

    what[0] = '\0';
    for (size_t i = 0; i < RTE_DIM(probes); i++) {
        if (!field_decides(&config, &probes[i])) {
            snprintf(what, size, "%s", probes[i].field);
            return false;
        }
    }
    return true;
}
