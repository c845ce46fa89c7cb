/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Ports of a card that is not there, as DPDK's mlx5 driver has them
 * =================================================================
 *
 * A 'struct mlx5_fake' stands for one card in switchdev mode: the driver's
 * shared context with the capabilities that firmware would have told.  Its
 * ports, the uplink and representors of VFs in one E-Switch, have the private
 * data of ethdevs that the driver probed, as far as its validation looks at
 * them.  They are entries of the private table of mlx5-world.c, at the ids of
 * nicsim's own ethdevs.
 *
 * The structs are the driver's private ones, from DPDK's source package, and
 * have to be laid out here as they were when the archive was compiled.
 * mlx5_fake_is_understood() asks the driver itself whether they are. */

#ifndef NICSIM_MLX5_FAKE_H
#define NICSIM_MLX5_FAKE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mlx5.h>
#include <mlx5_flow.h>

#include "mlx5-order.h"

#define MLX5_FAKE_METERS 4096           /* Of one card. */

/* What the command line says of a card. */
struct mlx5_fake_config {
    const struct mlx5_fake_card *card;
    unsigned int dv_xmeta_en;           /* Devarg of the driver, 0 to 2. */
    unsigned int flex_profile;          /* FLEX_PARSER_PROFILE_ENABLE in the
                                         * firmware's configuration: 0 has
                                         * Geneve's options, 2 has ICMP. */
    unsigned int rdma_core;             /* Major version. */
};

struct mlx5_fake {
    struct mlx5_fake_config config;
    struct mlx5_order order;
    struct mlx5_dev_ctx_shared *sh;
    struct mlx5_common_device cdev;
    struct mlx5_flow_mtr_mng mtrmng;
    struct mlx5_flow_meter_def_policy policy;
    struct mlx5_aso_mtr_pool *pools[MLX5_FAKE_METERS / MLX5_ASO_MTRS_PER_POOL];
    uint16_t domain_id;

    /* The one type of Geneve options that a card knows at a time. */
    struct mlx5_geneve_tlv_option_resource geneve;
};

/* Finds the card called 'name', or returns NULL. */
const struct mlx5_fake_card *mlx5_fake_card_find(const char *name);

/* Returns NULL if there is no memory. */
struct mlx5_fake *mlx5_fake_create(const struct mlx5_fake_config *);

/* Removes its ports, too. */
void mlx5_fake_destroy(struct mlx5_fake *);

int mlx5_fake_add_port(struct mlx5_fake *, uint16_t port_id, bool uplink,
                       unsigned int vf);
void mlx5_fake_remove_port(struct mlx5_fake *, uint16_t port_id);

int mlx5_fake_add_meter(struct mlx5_fake *, uint16_t port_id,
                        uint32_t mtr_id);
void mlx5_fake_remove_meter(struct mlx5_fake *, uint16_t port_id,
                            uint32_t mtr_id);

/* The private data of the port with 'port_id', if it is one of 'fake'. */
struct mlx5_priv *mlx5_fake_port(const struct mlx5_fake *, uint16_t port_id);

/* Returns true if the driver reads, in the structs of this file, what was
 * written there; otherwise false, with the first field that it does not see in
 * 'what'.  Uses two ids of ethdevs that nobody has for a moment. */
bool mlx5_fake_is_understood(char *what, size_t size);

#endif /* mlx5-fake.h */
