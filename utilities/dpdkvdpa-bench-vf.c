/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * A NIC that costs nothing
 * ========================
 *
 *     net_bench<N>[,size=BYTES][,flows=N]
 *
 * dpdkvdpa-bench measures what is between a guest and a NIC.  On a machine of
 * two cores there is none for a NIC's other end, so that this DPDK driver has
 * no other end: it receives as many packets as are asked for, and what is sent
 * is counted and freed.
 *
 * DPDK's own net_null does the same with packets of whatever was in memory.
 * These here are UDP packets over IPv4 from 'flows' (1) ports, of 'size' (64)
 * bytes without FCS, since a switch has to look at them, and they have what
 * other NICs tell of a packet: that its checksums are right, and a hash.  All
 * buffers of the pool are filled when the queue is set up.  Where others use
 * the same pool, what they wrote comes in again, as their frame. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_ip.h>
#include <rte_kvargs.h>
#include <rte_udp.h>

#define MAX_QUEUES 16
#define MIN_SIZE 60
#define MAX_SIZE 9018
#define MAX_FLOWS 32768
#define FIRST_PORT 1024

#define ARG_SIZE "size"
#define ARG_FLOWS "flows"

#define HEADERS_LEN (sizeof(struct rte_ether_hdr) \
                     + sizeof(struct rte_ipv4_hdr) \
                     + sizeof(struct rte_udp_hdr))

struct bench_rxq {
    struct rte_mempool *pool;
    uint64_t packets;
    uint64_t bytes;
    uint64_t no_mbuf;
    uint16_t size;
    uint16_t port_id;
} __rte_cache_aligned;

struct bench_txq {
    uint64_t packets;
    uint64_t bytes;
} __rte_cache_aligned;

struct bench_dev {
    struct bench_rxq rxqs[MAX_QUEUES];
    struct bench_txq txqs[MAX_QUEUES];
    struct rte_ether_addr mac;
    unsigned int size;
    unsigned int flows;
};

/* Packets. */

static void
fill_mbuf(struct rte_mempool *pool __rte_unused, void *dev_, void *mbuf,
          unsigned int index)
{
    static const struct rte_ether_hdr eth = {
        .dst_addr.addr_bytes = { 0x02, 0, 0, 0, 0, 0x01 },
        .src_addr.addr_bytes = { 0x02, 0, 0, 0, 0, 0xfe },
        .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
    };
    const struct bench_dev *dev = dev_;
    struct rte_mbuf *m = mbuf;
    uint8_t *data = (uint8_t *) m->buf_addr + RTE_PKTMBUF_HEADROOM;
    unsigned int ip_len = dev->size - sizeof eth;
    struct rte_ipv4_hdr ip = {
        .version_ihl = RTE_IPV4_VHL_DEF,
        .total_length = rte_cpu_to_be_16(ip_len),
        .time_to_live = 64,
        .next_proto_id = IPPROTO_UDP,
        .src_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 254)),
        .dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 1)),
    };
    struct rte_udp_hdr udp = {
        .src_port = rte_cpu_to_be_16(FIRST_PORT + index % dev->flows),
        .dst_port = RTE_BE16(9),
        .dgram_len = rte_cpu_to_be_16(ip_len - sizeof ip),
    };

    ip.hdr_checksum = rte_ipv4_cksum(&ip);
    memset(data, 0, dev->size);
    memcpy(data, &eth, sizeof eth);
    memcpy(data + sizeof eth, &ip, sizeof ip);
    memcpy(data + sizeof eth + sizeof ip, &udp, sizeof udp);
}

static uint16_t
bench_rx(void *rxq_, struct rte_mbuf **pkts, uint16_t n)
{
    struct bench_rxq *rxq = rxq_;

    if (rte_pktmbuf_alloc_bulk(rxq->pool, pkts, n)) {
        rxq->no_mbuf++;
        return 0;
    }
    for (uint16_t i = 0; i < n; i++) {
        struct rte_mbuf *m = pkts[i];
        const struct rte_udp_hdr *udp
            = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *,
                                      HEADERS_LEN - sizeof *udp);

        m->data_len = m->pkt_len = rxq->size;
        m->port = rxq->port_id;
        m->hash.rss = udp->src_port * 2654435761u;
        m->ol_flags = (RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD
                       | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
    }
    rxq->packets += n;
    rxq->bytes += (uint64_t) n * rxq->size;
    return n;
}

static uint16_t
bench_tx(void *txq_, struct rte_mbuf **pkts, uint16_t n)
{
    struct bench_txq *txq = txq_;
    uint64_t bytes = 0;

    for (uint16_t i = 0; i < n; i++) {
        bytes += pkts[i]->pkt_len;
    }
    txq->packets += n;
    txq->bytes += bytes;
    rte_pktmbuf_free_bulk(pkts, n);
    return n;
}

/* Operations of the ethdev. */

static int
bench_infos_get(struct rte_eth_dev *eth_dev __rte_unused,
                struct rte_eth_dev_info *info)
{
    info->max_mac_addrs = 1;
    info->max_rx_pktlen = MAX_SIZE;
    info->max_mtu = MAX_SIZE - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN;
    info->max_rx_queues = info->max_tx_queues = MAX_QUEUES;
    info->rx_offload_capa = (RTE_ETH_RX_OFFLOAD_CHECKSUM
                             | RTE_ETH_RX_OFFLOAD_RSS_HASH
                             | RTE_ETH_RX_OFFLOAD_SCATTER);
    info->tx_offload_capa = (RTE_ETH_TX_OFFLOAD_MULTI_SEGS
                             | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
    info->flow_type_rss_offloads = RTE_ETH_RSS_PROTO_MASK;
    return 0;
}

static int
bench_configure(struct rte_eth_dev *eth_dev __rte_unused)
{
    return 0;
}

static int
bench_start(struct rte_eth_dev *eth_dev)
{
    struct rte_eth_dev_data *data = eth_dev->data;

    data->dev_link.link_status = RTE_ETH_LINK_UP;
    for (uint16_t i = 0; i < data->nb_rx_queues; i++) {
        data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
    }
    for (uint16_t i = 0; i < data->nb_tx_queues; i++) {
        data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
    }
    return 0;
}

static int
bench_stop(struct rte_eth_dev *eth_dev)
{
    struct rte_eth_dev_data *data = eth_dev->data;

    data->dev_link.link_status = RTE_ETH_LINK_DOWN;
    for (uint16_t i = 0; i < data->nb_rx_queues; i++) {
        data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
    }
    for (uint16_t i = 0; i < data->nb_tx_queues; i++) {
        data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
    }
    return 0;
}

static int
bench_close(struct rte_eth_dev *eth_dev)
{
    /* It is a part of the private data, which ethdev frees. */
    eth_dev->data->mac_addrs = NULL;
    return 0;
}

static int
bench_rx_queue_setup(struct rte_eth_dev *eth_dev, uint16_t queue,
                     uint16_t n_desc __rte_unused,
                     unsigned int socket_id __rte_unused,
                     const struct rte_eth_rxconf *conf __rte_unused,
                     struct rte_mempool *pool)
{
    struct bench_dev *dev = eth_dev->data->dev_private;
    struct bench_rxq *rxq = &dev->rxqs[queue];

    if (rte_pktmbuf_data_room_size(pool) < RTE_PKTMBUF_HEADROOM + dev->size) {
        return -EINVAL;
    }
    rxq->pool = pool;
    rxq->size = dev->size;
    rxq->port_id = eth_dev->data->port_id;
    rte_mempool_obj_iter(pool, fill_mbuf, dev);
    eth_dev->data->rx_queues[queue] = rxq;
    return 0;
}

static int
bench_tx_queue_setup(struct rte_eth_dev *eth_dev, uint16_t queue,
                     uint16_t n_desc __rte_unused,
                     unsigned int socket_id __rte_unused,
                     const struct rte_eth_txconf *conf __rte_unused)
{
    struct bench_dev *dev = eth_dev->data->dev_private;

    eth_dev->data->tx_queues[queue] = &dev->txqs[queue];
    return 0;
}

static int
bench_mtu_set(struct rte_eth_dev *eth_dev __rte_unused,
              uint16_t mtu __rte_unused)
{
    return 0;
}

static int
bench_mac_addr_set(struct rte_eth_dev *eth_dev __rte_unused,
                   struct rte_ether_addr *addr __rte_unused)
{
    return 0;
}

/* It always receives all. */
static int
bench_enable(struct rte_eth_dev *eth_dev __rte_unused)
{
    return 0;
}

static int
bench_link_update(struct rte_eth_dev *eth_dev __rte_unused,
                  int wait_to_complete __rte_unused)
{
    return 0;
}

static int
bench_stats_get(struct rte_eth_dev *eth_dev, struct rte_eth_stats *stats)
{
    const struct bench_dev *dev = eth_dev->data->dev_private;

    for (unsigned int i = 0; i < MAX_QUEUES; i++) {
        stats->ipackets += dev->rxqs[i].packets;
        stats->ibytes += dev->rxqs[i].bytes;
        stats->rx_nombuf += dev->rxqs[i].no_mbuf;
        stats->opackets += dev->txqs[i].packets;
        stats->obytes += dev->txqs[i].bytes;
        if (i < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
            stats->q_ipackets[i] = dev->rxqs[i].packets;
            stats->q_ibytes[i] = dev->rxqs[i].bytes;
            stats->q_opackets[i] = dev->txqs[i].packets;
            stats->q_obytes[i] = dev->txqs[i].bytes;
        }
    }
    return 0;
}

static int
bench_stats_reset(struct rte_eth_dev *eth_dev)
{
    struct bench_dev *dev = eth_dev->data->dev_private;

    for (unsigned int i = 0; i < MAX_QUEUES; i++) {
        struct bench_rxq *rxq = &dev->rxqs[i];

        rxq->packets = rxq->bytes = rxq->no_mbuf = 0;
        dev->txqs[i] = (struct bench_txq) { .packets = 0 };
    }
    return 0;
}

static const struct eth_dev_ops bench_ops = {
    .dev_infos_get = bench_infos_get,
    .dev_configure = bench_configure,
    .dev_start = bench_start,
    .dev_stop = bench_stop,
    .dev_close = bench_close,
    .rx_queue_setup = bench_rx_queue_setup,
    .tx_queue_setup = bench_tx_queue_setup,
    .mtu_set = bench_mtu_set,
    .mac_addr_set = bench_mac_addr_set,
    .promiscuous_enable = bench_enable,
    .promiscuous_disable = bench_enable,
    .allmulticast_enable = bench_enable,
    .allmulticast_disable = bench_enable,
    .link_update = bench_link_update,
    .stats_get = bench_stats_get,
    .stats_reset = bench_stats_reset,
};

/* Plugging. */

static int
parse_number(const char *key, const char *value, void *number_)
{
    bool is_size = !strcmp(key, ARG_SIZE);
    unsigned long int min = is_size ? MIN_SIZE : 1;
    unsigned long int max = is_size ? MAX_SIZE : MAX_FLOWS;
    unsigned int *number = number_;
    unsigned long int n;
    char *end;

    errno = 0;
    n = value ? strtoul(value, &end, 10) : 0;
    if (!value || errno || end == value || *end || n < min || n > max) {
        return -EINVAL;
    }
    *number = n;
    return 0;
}

static int
parse_args(const char *args, struct bench_dev *dev)
{
    static const char *const keys[] = { ARG_SIZE, ARG_FLOWS, NULL };
    struct rte_kvargs *kvargs = rte_kvargs_parse(args, keys);
    int error = -EINVAL;

    if (kvargs) {
        error = rte_kvargs_process(kvargs, ARG_SIZE, parse_number,
                                   &dev->size);
        if (!error) {
            error = rte_kvargs_process(kvargs, ARG_FLOWS, parse_number,
                                       &dev->flows);
        }
        rte_kvargs_free(kvargs);
    }
    return error;
}

static int
bench_probe(struct rte_vdev_device *vdev)
{
    struct rte_eth_dev *eth_dev;
    struct bench_dev *dev;
    int error;

    if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
        return -ENOTSUP;
    }
    eth_dev = rte_eth_vdev_allocate(vdev, sizeof *dev);
    if (!eth_dev) {
        return -ENOMEM;
    }
    dev = eth_dev->data->dev_private;
    dev->size = 64;
    dev->flows = 1;
    error = parse_args(rte_vdev_device_args(vdev), dev);
    if (error) {
        rte_eth_dev_release_port(eth_dev);
        return error;
    }

    rte_eth_random_addr(dev->mac.addr_bytes);
    eth_dev->data->mac_addrs = &dev->mac;
    eth_dev->data->promiscuous = 1;
    eth_dev->data->all_multicast = 1;
    eth_dev->data->dev_link = (struct rte_eth_link) {
        .link_speed = RTE_ETH_SPEED_NUM_100G,
        .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
        .link_autoneg = RTE_ETH_LINK_FIXED,
        .link_status = RTE_ETH_LINK_DOWN,
    };
    eth_dev->dev_ops = &bench_ops;
    eth_dev->rx_pkt_burst = bench_rx;
    eth_dev->tx_pkt_burst = bench_tx;
    rte_eth_dev_probing_finish(eth_dev);
    return 0;
}

static int
bench_remove(struct rte_vdev_device *vdev)
{
    struct rte_eth_dev *eth_dev
        = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

    if (eth_dev) {
        bench_close(eth_dev);
        rte_eth_dev_release_port(eth_dev);
    }
    return 0;
}

static struct rte_vdev_driver bench_driver = {
    .probe = bench_probe,
    .remove = bench_remove,
};

RTE_PMD_REGISTER_VDEV(net_bench, bench_driver);
RTE_PMD_REGISTER_PARAM_STRING(net_bench, ARG_SIZE "=<int> " ARG_FLOWS
                              "=<int>");
