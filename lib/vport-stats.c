/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "vport-stats.h"

#include <string.h>

#include <rte_ethdev.h>

#include "netdev.h"
#include "netdev-dpdk.h"
#include "netdev-dpdkvdpa.h"
#include "util.h"

/* Names of extended statistics, as mlx5 has them. */
struct counter_names {
    const char *names[4];       /* Received packets, bytes; sent ones. */
    unsigned int overhead;      /* Bytes that it counts beyond a frame's. */
};

static const struct counter_names counters[] = {
    /* Of a port of the eSwitch. */
    { { "rx_vport_packets", "rx_vport_bytes",
        "tx_vport_packets", "tx_vport_bytes" }, 0 },
    /* Of the wire, with the FCS. */
    { { "rx_phy_packets", "rx_phy_bytes",
        "tx_phy_packets", "tx_phy_bytes" }, RTE_ETHER_CRC_LEN },
};

static bool
is_of_eswitch(struct netdev *netdev, int port_id)
{
    struct rte_eth_dev_info info;

    return ((netdev_is_dpdkvdpa(netdev)
             || !strcmp(netdev_get_type(netdev), "dpdk"))
            && port_id >= 0 && rte_eth_dev_is_valid_port(port_id)
            && !rte_eth_dev_info_get(port_id, &info)
            && (info.switch_info.domain_id
                != RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID));
}

static bool
read_counters(uint16_t port_id, const struct counter_names *c,
              uint64_t values[4])
{
    uint64_t ids[4];

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        if (rte_eth_xstats_get_id_by_name(port_id, c->names[i], &ids[i])) {
            return false;
        }
    }
    return (rte_eth_xstats_get_by_id(port_id, ids, values, ARRAY_SIZE(ids))
            == ARRAY_SIZE(ids));
}

void
vport_stats_get(struct netdev *netdev, struct netdev_stats *stats)
{
    int port_id = netdev_dpdk_get_port_id(netdev);
    uint64_t values[4];

    if (!is_of_eswitch(netdev, port_id)) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
        if (read_counters(port_id, &counters[i], values)) {
            stats->rx_packets = values[0];
            stats->rx_bytes = values[1] - values[0] * counters[i].overhead;
            stats->tx_packets = values[2];
            stats->tx_bytes = values[3] - values[2] * counters[i].overhead;
            return;
        }
    }
}
