/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The world as DPDK's mlx5 driver sees it in here
 * ===============================================
 *
 * The personality mlx5-dv is linked with the archive of DPDK's own driver,
 * unchanged.  This file defines some of the functions and tables that the
 * archive's code uses, so that the linker does not look for them in DPDK's
 * shared libraries.  They are not visible outside of the shared object, so
 * nothing of them is in the way of the process's own, or of the real driver
 * if that is loaded, too.
 *
 * - The table of ethdevs is a private one.  It has the fake ports of
 *   mlx5-dv.c at the very ids that the application knows, and nothing else,
 *   so no id has to be translated.
 * - The driver registers itself when it is loaded, with buses and devices that
 *   this process may have.  Here there are no buses: it never probes.
 * - rdma-core is a table of functions ("glue") that are not there.
 *   Validation needs none of them, and the library is not needed either. */


#include <errno.h>
#include <stdlib.h>

#include <bus_auxiliary_driver.h>
#include <bus_pci_driver.h>
#include <ethdev_driver.h>
#include <mlx5_glue.h>
#include <rte_flow.h>

/* Ethdevs. */

struct rte_eth_dev rte_eth_devices[RTE_MAX_ETHPORTS];

int
rte_eth_dev_is_valid_port(uint16_t port_id)
{
    return (port_id < RTE_MAX_ETHPORTS
            && rte_eth_devices[port_id].state != RTE_ETH_DEV_UNUSED);
}

uint16_t
rte_eth_find_next_of(uint16_t port_id __rte_unused,
                     const struct rte_device *parent __rte_unused)
{
    return RTE_MAX_ETHPORTS;
}

uint16_t
rte_eth_find_next_sibling(uint16_t port_id __rte_unused,
                          uint16_t ref_port_id __rte_unused)
{
    return RTE_MAX_ETHPORTS;
}

/* Buses. */

void
rte_pci_register(struct rte_pci_driver *driver __rte_unused)
{
}

void
rte_pci_unregister(struct rte_pci_driver *driver __rte_unused)
{
}

void
rte_auxiliary_register(struct rte_auxiliary_driver *driver __rte_unused)
{
}

void
rte_auxiliary_unregister(struct rte_auxiliary_driver *driver __rte_unused)
{
}

/* The driver sets variables for rdma-core when it is loaded. */
int
setenv(const char *name __rte_unused, const char *value __rte_unused,
       int overwrite __rte_unused)
{
    return 0;
}

/* rdma-core. */

static int
fork_init(void)
{
    return 0;
}

static const struct mlx5_glue no_glue = {
    .version = MLX5_GLUE_VERSION,
    .fork_init = fork_init,
};

const struct mlx5_glue *mlx5_glue = &no_glue;
