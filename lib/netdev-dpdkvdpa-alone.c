/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "netdev-dpdkvdpa-alone.h"

#include <errno.h>

#include <rte_ethdev.h>

#include "dp-packet.h"
#include "hash.h"
#include "netdev-provider.h"
#include "openvswitch/netdev.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vdpa-port.h"
#include "vdpa-status.h"

VLOG_DEFINE_THIS_MODULE(dpdkvdpa_alone);

/* Returns the VF of the relay of 'netdev', or NULL if it has none or that has
 * gone. */
static const struct vdpa_vf *
get_vf(const struct netdev *netdev)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);
    struct vdpa_relay *relay = vdpa_port_get_relay(port);

    return relay && !vdpa_vf_is_removed(relay->vf) ? relay->vf : NULL;
}

static void
alone_destruct(struct netdev *netdev OVS_UNUSED)
{
    /* dealloc() does it all. */
}

static int
alone_get_numa_id(const struct netdev *netdev)
{
    return vdpa_port_get_numa_id(vdpa_port_from_netdev(netdev));
}

static int
alone_send(struct netdev *netdev, int qid OVS_UNUSED,
           struct dp_packet_batch *batch, bool concurrent_txq OVS_UNUSED)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);
    uint64_t orig;

    atomic_add_relaxed(&port->tx_dropped, dp_packet_batch_size(batch), &orig);
    dp_packet_delete_batch(batch, true);
    return 0;
}

static int
alone_set_etheraddr(struct netdev *netdev OVS_UNUSED,
                    const struct eth_addr mac OVS_UNUSED)
{
    /* The guest has an address, the port does not need one. */
    return EOPNOTSUPP;
}

static int
alone_get_etheraddr(const struct netdev *netdev, struct eth_addr *mac)
{
    const struct vdpa_vf *vf = get_vf(netdev);
    struct rte_ether_addr ea;

    memset(mac, 0, sizeof *mac);
    if (vf && !rte_eth_macaddr_get(vf->port_id, &ea)) {
        memcpy(mac->ea, ea.addr_bytes, ETH_ADDR_LEN);
    }
    return 0;
}

static int
alone_get_mtu(const struct netdev *netdev, int *mtup)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);

    ovs_mutex_lock(&port->mutex);
    *mtup = port->mtu;
    ovs_mutex_unlock(&port->mutex);
    return 0;
}

static int
alone_set_mtu(struct netdev *netdev, int mtu)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);

    if (mtu < RTE_ETHER_MIN_MTU || !vdpa_port_is_mtu_ok(port, mtu)) {
        return EINVAL;
    }
    ovs_mutex_lock(&port->mutex);
    if (mtu != port->requested_mtu) {
        port->requested_mtu = mtu;
        netdev_request_reconfigure(netdev);
    }
    ovs_mutex_unlock(&port->mutex);
    return 0;
}

static int
alone_get_ifindex(const struct netdev *netdev)
{
    /* As OVS does for its DPDK ports: 24 bits, positive (RFC 2863). */
    return hash_string(netdev_get_name(netdev), 0) % 0xfffffe + 1;
}

static int
alone_get_carrier(const struct netdev *netdev, bool *carrier)
{
    *carrier = vdpa_port_get_link(vdpa_port_from_netdev(netdev), NULL);
    return 0;
}

static long long int
alone_get_carrier_resets(const struct netdev *netdev)
{
    long long int resets;

    vdpa_port_get_link(vdpa_port_from_netdev(netdev), &resets);
    return resets;
}

static int
alone_set_miimon_interval(struct netdev *netdev OVS_UNUSED,
                          long long int interval OVS_UNUSED)
{
    return EOPNOTSUPP;
}

static int
alone_get_stats(const struct netdev *netdev, struct netdev_stats *stats)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);

    memset(stats, 0, sizeof *stats);
    atomic_read_relaxed(&port->tx_dropped, &stats->tx_dropped);
    return 0;
}

static int
alone_get_custom_stats(const struct netdev *netdev,
                       struct netdev_custom_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    vdpa_status_get_custom_stats(vdpa_port_from_netdev(netdev), stats);
    return 0;
}

static int
alone_get_features(const struct netdev *netdev,
                   enum netdev_features *current,
                   enum netdev_features *advertised,
                   enum netdev_features *supported,
                   enum netdev_features *peer)
{
    const struct vdpa_vf *vf = get_vf(netdev);
    struct rte_eth_link link;

    *current = *advertised = *supported = *peer = 0;
    memset(&link, 0, sizeof link);
    if (vf) {
        rte_eth_link_get_nowait(vf->port_id, &link);
    }
    if (link.link_status == RTE_ETH_LINK_UP) {
        switch (link.link_speed) {
        case RTE_ETH_SPEED_NUM_10M:
            *current = NETDEV_F_10MB_FD;
            break;
        case RTE_ETH_SPEED_NUM_100M:
            *current = NETDEV_F_100MB_FD;
            break;
        case RTE_ETH_SPEED_NUM_1G:
            *current = NETDEV_F_1GB_FD;
            break;
        case RTE_ETH_SPEED_NUM_10G:
            *current = NETDEV_F_10GB_FD;
            break;
        case RTE_ETH_SPEED_NUM_40G:
            *current = NETDEV_F_40GB_FD;
            break;
        case RTE_ETH_SPEED_NUM_100G:
            *current = NETDEV_F_100GB_FD;
            break;
        default:
            *current = NETDEV_F_OTHER;
            break;
        }
    }
    return 0;
}

static int
alone_get_config(const struct netdev *netdev, struct smap *args)
{
    vdpa_port_get_config(vdpa_port_from_netdev(netdev), args);
    return 0;
}

static int
alone_get_status(const struct netdev *netdev, struct smap *args)
{
    vdpa_status_get(vdpa_port_from_netdev(netdev), args);
    return 0;
}

static int
alone_update_flags(struct netdev *netdev, enum netdev_flags off,
                   enum netdev_flags on, enum netdev_flags *old_flagsp)
{
    /* There is nothing that could be up or down but the relay. */
    if ((off | on) & ~(NETDEV_UP | NETDEV_PROMISC)) {
        return EINVAL;
    }
    if (off & NETDEV_UP) {
        VLOG_WARN("%s: a port without a representor cannot be set down",
                  netdev_get_name(netdev));
        return EOPNOTSUPP;
    }
    *old_flagsp = NETDEV_UP | NETDEV_PROMISC;
    return 0;
}

static int
alone_reconfigure(struct netdev *netdev)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);
    int requested_mtu;
    bool mtu_changed;

    if (!vdpa_port_is_configured(port)) {
        return ENODEV;
    }

    ovs_mutex_lock(&port->mutex);
    netdev->n_rxq = port->options.n_rxq;
    netdev->n_txq = 1;
    requested_mtu = port->requested_mtu;
    mtu_changed = requested_mtu != port->mtu;
    ovs_mutex_unlock(&port->mutex);
    if (mtu_changed) {
        vdpa_port_set_mtu(port, requested_mtu);
    }
    netdev_change_seq_changed(netdev);
    return 0;
}

static int
alone_rxq_construct(struct netdev_rxq *rxq OVS_UNUSED)
{
    return 0;
}

static void
alone_rxq_destruct(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static int
alone_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
               int *qfill)
{
    struct vdpa_port *port = vdpa_port_from_netdev(rxq->netdev);
    struct vdpa_relay *relay = vdpa_port_get_relay(port);

    if (qfill) {
        *qfill = 0;
    }
    if (!relay
        || !vdpa_relay_run(relay, rxq->queue_id, netdev_n_rxq(rxq->netdev))) {
        return EAGAIN;
    }

    /* An empty batch: OVS then counts the time as this queue's work. */
    batch->count = 0;
    return 0;
}

/* What is missing here is what concerns every dpdkvdpa port, and the
 * allocation of memory: netdev_dpdkvdpa_register() fills that in. */
struct netdev_class netdev_dpdkvdpa_alone_class = {
    .type = "dpdkvdpa",
    .is_pmd = true,
    .destruct = alone_destruct,
    .get_config = alone_get_config,
    .get_numa_id = alone_get_numa_id,
    .send = alone_send,
    .set_etheraddr = alone_set_etheraddr,
    .get_etheraddr = alone_get_etheraddr,
    .get_mtu = alone_get_mtu,
    .set_mtu = alone_set_mtu,
    .get_ifindex = alone_get_ifindex,
    .get_carrier = alone_get_carrier,
    .get_carrier_resets = alone_get_carrier_resets,
    .set_miimon_interval = alone_set_miimon_interval,
    .get_stats = alone_get_stats,
    .get_custom_stats = alone_get_custom_stats,
    .get_features = alone_get_features,
    .get_status = alone_get_status,
    .update_flags = alone_update_flags,
    .reconfigure = alone_reconfigure,
    .rxq_construct = alone_rxq_construct,
    .rxq_destruct = alone_rxq_destruct,
    .rxq_recv = alone_rxq_recv,
};
