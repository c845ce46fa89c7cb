/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "mlx5-fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ethdev_driver.h>

#include "nicsim/driver/nicsim-util.h"


/* What cards can do, as far as validation asks.  doc/guides/nics/mlx5.rst of
 * DPDK 22.11 says which card is the first to have a feature: ASO metering,
 * Geneve TLV options, integrity, pushing a tag on what comes from the wire and
 * popping one of what comes from a VF (the steering format) need a ConnectX-6
 * Dx.  A BlueField-2 has the ConnectX-6 Dx's switch.
 *
 * Nothing there says which cards match the IPv4 header length, and keep
 * registers with copies of a packet (reg_c_preserve, which the driver calls a
 * limitation of the ConnectX-5): those are assumed to go with the steering
 * format, as is misc5. */
struct mlx5_fake_card {
    const char *name;
    unsigned int steering_format;
    bool aso_meters;
    bool geneve_options;
    bool integrity;
    bool ipv4_ihl;
    bool reg_c_preserve;
    bool misc5;
};

static const struct mlx5_fake_card cards[] = {
    {
        .name = "cx5",
        .steering_format = MLX5_STEERING_LOGIC_FORMAT_CONNECTX_5,
    },
    {
        .name = "cx6dx",
        .steering_format = MLX5_STEERING_LOGIC_FORMAT_CONNECTX_6DX,
        .aso_meters = true,
        .geneve_options = true,
        .integrity = true,
        .ipv4_ihl = true,
        .reg_c_preserve = true,
        .misc5 = true,
    },
    {
        .name = "bf2",
        .steering_format = MLX5_STEERING_LOGIC_FORMAT_CONNECTX_6DX,
        .aso_meters = true,
        .geneve_options = true,
        .integrity = true,
        .ipv4_ihl = true,
        .reg_c_preserve = true,
        .misc5 = true,
    },
};

/* Bits of register C0 that are the port's, and those that are free. */
#define PORT_MASK 0xffff0000
#define FREE_MASK 0x0000ffff

const struct mlx5_fake_card *
mlx5_fake_card_find(const char *name)
{
    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        if (!strcmp(cards[i].name, name)) {
            return &cards[i];
        }
    }
    return NULL;
}

static void
set_capabilities(struct mlx5_fake *fake)
{
    const struct mlx5_fake_config *config = &fake->config;
    const struct mlx5_fake_card *card = config->card;
    struct mlx5_hca_attr *attr = &fake->cdev.config.hca_attr;
    struct mlx5_dev_ctx_shared *sh = fake->sh;

    fake->cdev.config.devx = 1;
    attr->steering_format_version = card->steering_format;
    attr->flow_counters_dump = 1;
    attr->pkt_integrity_match = card->integrity;
    attr->outer_ipv4_ihl = card->ipv4_ihl;
    attr->inner_ipv4_ihl = card->ipv4_ihl;
    attr->reg_c_preserve = card->reg_c_preserve;
    attr->modify_outer_ip_ecn = 1;
    attr->log_max_ft_sampler_num = 8;
    attr->tunnel_stateless_geneve_rx = 1;
    attr->geneve_max_opt_len = 1;
    if (card->geneve_options && config->flex_profile == 0) {
        attr->geneve_tlv_opt = 1;
        attr->max_geneve_tlv_options = 1;
        attr->max_geneve_tlv_option_data_len = 1;
    }

    sh->steering_format_version = card->steering_format;
    sh->meter_aso_en = card->aso_meters;
    sh->flow_hit_aso_en = card->aso_meters;
    sh->misc5_cap = card->misc5;
    sh->tunnel_header_0_1 = card->misc5;
    sh->tunnel_header_2_3 = card->misc5;
    sh->dr_root_drop_action_en = 1;
    sh->dev_cap.mpls_en = config->flex_profile != 2;
}

/* As mlx5_set_metadata_mask() does. */
static void
set_registers(struct mlx5_dev_ctx_shared *sh, unsigned int dv_xmeta_en)
{
    sh->dv_regc0_mask = FREE_MASK;
    sh->dv_mark_mask = MLX5_FLOW_MARK_MASK;
    sh->dv_meta_mask = UINT32_MAX;
    if (dv_xmeta_en == MLX5_XMETA_MODE_META16) {
        sh->dv_meta_mask = FREE_MASK;
    } else if (dv_xmeta_en == MLX5_XMETA_MODE_META32) {
        sh->dv_mark_mask = FREE_MASK & MLX5_FLOW_MARK_MASK;
    }
    for (int i = 0; i < MLX5_MREG_C_NUM; i++) {
        sh->flow_mreg_c[i] = REG_C_0 + i;
    }
}

struct mlx5_fake *
mlx5_fake_create(const struct mlx5_fake_config *config)
{
    static uint16_t next_domain;
    struct mlx5_dev_ctx_shared *sh;
    struct mlx5_fake *fake;

    fake = nicsim_zalloc(sizeof *fake);
    sh = nicsim_zalloc(sizeof *sh + RTE_MAX_ETHPORTS * sizeof sh->port[0]);
    if (!fake || !sh) {
        free(fake);
        free(sh);
        return NULL;
    }
    fake->config = *config;
    fake->sh = sh;
    fake->domain_id = ++next_domain;
    fake->order.format_0 = (config->card->steering_format
                            == MLX5_STEERING_LOGIC_FORMAT_CONNECTX_5);
    fake->order.mark_is_tag = config->dv_xmeta_en == MLX5_XMETA_MODE_LEGACY;
    fake->order.icmp_parser = config->flex_profile == 2;
    fake->order.rdma_core = config->rdma_core;

    sh->cdev = &fake->cdev;
    sh->refcnt = 1;
    sh->esw_mode = 1;
    sh->max_port = RTE_MAX_ETHPORTS;
    sh->config.dv_flow_en = 1;
    sh->config.dv_esw_en = 1;
    sh->config.dv_xmeta_en = config->dv_xmeta_en;
    sh->config.decap_en = 1;
    sh->config.fdb_def_rule = 1;
    sh->config.allow_duplicate_pattern = 1;
    /* Something else than NULL: the driver only looks whether it could be
     * made. */
    sh->pop_vlan_action = sh;
    set_capabilities(fake);
    set_registers(sh, config->dv_xmeta_en);

    sh->mtrmng = &fake->mtrmng;
    fake->mtrmng.pools_mng.pools = fake->pools;
    fake->mtrmng.pools_mng.n = RTE_DIM(fake->pools);
    fake->mtrmng.def_policy[MLX5_MTR_DOMAIN_TRANSFER] = &fake->policy;
    return fake;
}

void
mlx5_fake_destroy(struct mlx5_fake *fake)
{
    if (!fake) {
        return;
    }
    for (unsigned int id = 0; id < RTE_MAX_ETHPORTS; id++) {
        mlx5_fake_remove_port(fake, id);
    }
    for (unsigned int i = 0; i < RTE_DIM(fake->pools); i++) {
        free(fake->pools[i]);
    }
    free(fake->sh);
    free(fake);
}

struct mlx5_priv *
mlx5_fake_port(const struct mlx5_fake *fake, uint16_t port_id)
{
    struct mlx5_priv *priv;

    if (port_id >= RTE_MAX_ETHPORTS
        || rte_eth_devices[port_id].state == RTE_ETH_DEV_UNUSED) {
        return NULL;
    }
    priv = rte_eth_devices[port_id].data->dev_private;
    return priv->sh == fake->sh ? priv : NULL;
}

int
mlx5_fake_add_port(struct mlx5_fake *fake, uint16_t port_id, bool uplink,
                   unsigned int vf)
{
    struct rte_eth_dev *dev = &rte_eth_devices[port_id];
    struct rte_eth_dev_data *data;
    struct mlx5_priv *priv;

    if (port_id >= RTE_MAX_ETHPORTS || dev->state != RTE_ETH_DEV_UNUSED) {
        return EEXIST;
    }
    data = nicsim_zalloc(sizeof *data);
    priv = nicsim_zalloc(sizeof *priv);
    if (!data || !priv) {
        free(data);
        free(priv);
        return ENOMEM;
    }
    priv->sh = fake->sh;
    priv->dev_data = data;
    priv->dev_port = 1;
    priv->mtu = RTE_ETHER_MTU;
    priv->master = uplink;
    priv->representor = !uplink;
    priv->representor_id = uplink ? UINT16_MAX : vf;
    priv->pf_bond = -1;
    priv->domain_id = fake->domain_id;
    priv->vport_id = uplink ? UINT16_MAX : vf + 1;
    priv->vport_meta_tag = (uint32_t) (uplink ? 0xffff : vf + 1) << 16;
    priv->vport_meta_mask = PORT_MASK;
    priv->fdb_def_rule = 1;
    priv->sampler_en = 1;
    priv->mtr_en = 1;
    priv->mtr_reg_share = 1;
    priv->mtr_color_reg = REG_C_3;
    priv->mtr_sfx_reg = REG_C_3;
    TAILQ_INIT(&priv->flow_meters);

    data->port_id = port_id;
    data->dev_private = priv;
    data->mtu = RTE_ETHER_MTU;
    fake->sh->port[port_id].ih_port_id = port_id;
    fake->sh->port[port_id].devx_ih_port_id = port_id;
    dev->data = data;
    dev->state = RTE_ETH_DEV_ATTACHED;
    return 0;
}

void
mlx5_fake_remove_port(struct mlx5_fake *fake, uint16_t port_id)
{
    struct mlx5_priv *priv = mlx5_fake_port(fake, port_id);
    struct rte_eth_dev *dev = &rte_eth_devices[port_id];
    struct mlx5_legacy_flow_meter *meter;

    if (!priv) {
        return;
    }
    while ((meter = TAILQ_FIRST(&priv->flow_meters))) {
        mlx5_fake_remove_meter(fake, port_id, meter->fm.meter_id);
    }
    if (priv->mtr_idx_tbl) {
        /* As it has entries, freeing it would be refused; they are few. */
        for (unsigned int i = 0; i < MLX5_FAKE_METERS; i++) {
            struct mlx5_aso_mtr_pool *pool
                = fake->pools[i / MLX5_ASO_MTRS_PER_POOL];
            struct mlx5_aso_mtr *aso
                = pool ? &pool->mtrs[i % MLX5_ASO_MTRS_PER_POOL] : NULL;

            if (aso && aso->state == ASO_METER_READY
                && aso->offset == port_id) {
                mlx5_fake_remove_meter(fake, port_id, aso->fm.meter_id);
            }
        }
        mlx5_l3t_destroy(priv->mtr_idx_tbl);
    }
    dev->state = RTE_ETH_DEV_UNUSED;
    free(dev->data);
    dev->data = NULL;
    free(priv);
}

/* Meters have the driver's default policy: red packets are dropped. */
static void
set_meter(struct mlx5_flow_meter_info *meter, uint32_t mtr_id)
{
    memset(meter, 0, sizeof *meter);
    meter->meter_id = mtr_id;
    meter->transfer = 1;
    meter->def_policy = 1;
    meter->is_enable = 1;
    meter->active_state = 1;
}

static int
add_aso_meter(struct mlx5_fake *fake, struct mlx5_priv *priv,
              uint32_t mtr_id)
{
    union mlx5_l3t_data data;
    unsigned int i;

    if (!priv->mtr_idx_tbl) {
        priv->mtr_idx_tbl = mlx5_l3t_create(MLX5_L3T_TYPE_DWORD);
        if (!priv->mtr_idx_tbl) {
            return ENOMEM;
        }
    }
    for (i = 0; i < MLX5_FAKE_METERS; i++) {
        struct mlx5_aso_mtr_pool **pool
            = &fake->pools[i / MLX5_ASO_MTRS_PER_POOL];
        struct mlx5_aso_mtr *aso;

        if (!*pool) {
            *pool = nicsim_zalloc(sizeof **pool);
            if (!*pool) {
                return ENOMEM;
            }
            fake->mtrmng.pools_mng.n_valid++;
        }
        aso = &(*pool)->mtrs[i % MLX5_ASO_MTRS_PER_POOL];
        if (aso->state == ASO_METER_FREE) {
            /* Numbers of meters begin at 1. */
            data.dword = i + 1;
            if (mlx5_l3t_set_entry(priv->mtr_idx_tbl, mtr_id, &data)) {
                return EEXIST;
            }
            set_meter(&aso->fm, mtr_id);
            aso->state = ASO_METER_READY;
            aso->offset = priv->dev_data->port_id;
            return 0;
        }
    }
    return ENOSPC;
}

int
mlx5_fake_add_meter(struct mlx5_fake *fake, uint16_t port_id,
                    uint32_t mtr_id)
{
    struct mlx5_priv *priv = mlx5_fake_port(fake, port_id);
    struct mlx5_legacy_flow_meter *meter;

    if (!priv) {
        return ENODEV;
    }
    if (fake->sh->meter_aso_en) {
        return add_aso_meter(fake, priv, mtr_id);
    }
    meter = nicsim_zalloc(sizeof *meter);
    if (!meter) {
        return ENOMEM;
    }
    set_meter(&meter->fm, mtr_id);
    TAILQ_INSERT_TAIL(&priv->flow_meters, meter, next);
    return 0;
}

void
mlx5_fake_remove_meter(struct mlx5_fake *fake, uint16_t port_id,
                       uint32_t mtr_id)
{
    struct mlx5_priv *priv = mlx5_fake_port(fake, port_id);
    struct mlx5_legacy_flow_meter *meter;
    union mlx5_l3t_data data;

    if (priv && fake->sh->meter_aso_en) {
        if (priv->mtr_idx_tbl
            && !mlx5_l3t_get_entry(priv->mtr_idx_tbl, mtr_id, &data)) {
            unsigned int i = data.dword - 1;

            /* Once for the reference just taken, once for the entry. */
            mlx5_l3t_clear_entry(priv->mtr_idx_tbl, mtr_id);
            mlx5_l3t_clear_entry(priv->mtr_idx_tbl, mtr_id);
            fake->pools[i / MLX5_ASO_MTRS_PER_POOL]
                ->mtrs[i % MLX5_ASO_MTRS_PER_POOL].state = ASO_METER_FREE;
        }
    } else if (priv) {
        TAILQ_FOREACH (meter, &priv->flow_meters, next) {
            if (meter->fm.meter_id == mtr_id) {
                TAILQ_REMOVE(&priv->flow_meters, meter, next);
                free(meter);
                break;
            }
        }
    }
}
