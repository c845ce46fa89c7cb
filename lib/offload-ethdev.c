/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-ethdev.h"

#include <rte_ethdev.h>

#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(offload_ethdev);

static atomic_count generations[RTE_MAX_ETHPORTS];

static int
destroyed_cb(uint16_t port_id, enum rte_eth_event_type event OVS_UNUSED,
             void *cb_arg OVS_UNUSED, void *ret_param OVS_UNUSED)
{
    if (port_id < ARRAY_SIZE(generations)) {
        atomic_count_inc(&generations[port_id]);
    }
    return 0;
}

void
offload_ethdev_init(void)
{
    if (rte_eth_dev_callback_register(RTE_ETH_ALL, RTE_ETH_EVENT_DESTROY,
                                      destroyed_cb, NULL)) {
        VLOG_ERR("devices that go will not be noticed");
    }
}

struct offload_ethdev
offload_ethdev_get(uint16_t port_id)
{
    return (struct offload_ethdev) {
        .port_id = port_id,
        .generation = atomic_count_get(&generations[port_id]),
    };
}

bool
offload_ethdev_is_current(const struct offload_ethdev *ethdev)
{
    return (atomic_count_get(&generations[ethdev->port_id])
            == ethdev->generation);
}

bool
offload_ethdev_is_gone(const struct offload_ethdev *ethdev)
{
    return (!offload_ethdev_is_current(ethdev)
            || !rte_eth_dev_is_valid_port(ethdev->port_id)
            || rte_eth_dev_is_removed(ethdev->port_id) == 1);
}

bool
offload_ethdev_keeps_rules(uint16_t port_id)
{
    struct rte_eth_dev_info info;

    return (!rte_eth_dev_info_get(port_id, &info)
            && info.dev_capa & RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP);
}
