/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * A VF that answers itself, and is as awkward as told
 * ===================================================
 *
 *     net_fakevf<N>[,rxq=N][,txq=N][,reta=0|1][,strict=0|1][,file=PATH]
 *
 * A DPDK driver for tests of those who use Ethernet devices.  What is sent
 * comes back on a receive queue: the one that the redirection table has for
 * the packet's source port, or the modulo of that without a table (reta=0).
 * As a NIC, it leaves out what is not for its address, unless it may be
 * promiscuous.
 *
 * With strict=1 each packet must have passed tx_pkt_prepare(), and have at
 * least 60 bytes there.  Others are refused, and counted in "oerrors" if they
 * come all the same.
 *
 * 'rxq' and 'txq' are the queues that it has.  'file' is the path of a file
 * whose lines, when it is there, say what goes wrong:
 *
 *     untrusted  it may not be promiscuous, and says so
 *     reset      the PF resets it: it stands still, and asks for a reset
 *     stuck      that reset fails
 *
 * "reset" happens when the line appears. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_alarm.h>
#include <rte_ip.h>
#include <rte_kvargs.h>
#include <rte_malloc.h>
#include <rte_ring.h>
#include <rte_udp.h>

#define MAX_QUEUES 16
#define RETA_SIZE 64
#define RING_SIZE 1024
#define MIN_FRAME 60

/* How often to look at the file, in microseconds. */
#define INTERVAL 20000

struct queue {
    struct fake *fake;
    struct rte_ring *ring;      /* What is to be received. */
    uint64_t n_in, n_out, n_bad;
};

struct fake {
    struct rte_eth_dev *dev;
    char file[256];
    int rxq, txq, has_reta, strict;
    int was_asked;              /* The file had "reset" the last time. */
    int broken;                 /* Since a reset of the PF. */
    uint16_t reta[RETA_SIZE];
    struct queue rx[MAX_QUEUES], tx[MAX_QUEUES];
};

/* Put on packets by tx_pkt_prepare(). */
#define PREPARED 0x600d

static int mark_offset = -1;

static uint32_t *
mark(struct rte_mbuf *pkt)
{
    return RTE_MBUF_DYNFIELD(pkt, mark_offset, uint32_t *);
}

RTE_LOG_REGISTER(fake_logtype, pmd.net.fakevf, INFO);
#define LOG(DEV, ...) \
    rte_log(RTE_LOG_INFO, fake_logtype, "fakevf: %s: " \
            RTE_FMT(RTE_FMT_HEAD(__VA_ARGS__,) "\n", \
                    (DEV)->device->name, RTE_FMT_TAIL(__VA_ARGS__,)))

static int
says(const struct fake *fake, const char *word)
{
    FILE *file = fake->file[0] ? fopen(fake->file, "re") : NULL;
    char line[32];
    int found = 0;

    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        found |= !strcmp(line, word);
    }
    if (file) {
        fclose(file);
    }
    return found;
}

/* Packets
 * ------- */

static uint16_t
fake_prepare(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
    const struct queue *q = queue;

    for (uint16_t i = 0; q->fake->strict && i < n; i++) {
        if (pkts[i]->pkt_len < MIN_FRAME) {
            rte_errno = EINVAL;
            return i;
        }
        *mark(pkts[i]) = PREPARED;
    }
    return n;
}

static unsigned int
source_port(const struct rte_mbuf *pkt)
{
    const struct rte_udp_hdr *udp;

    if (pkt->data_len < RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr)
                        + sizeof *udp) {
        return 0;
    }
    udp = rte_pktmbuf_mtod_offset(pkt, const struct rte_udp_hdr *,
                                  RTE_ETHER_HDR_LEN
                                  + sizeof(struct rte_ipv4_hdr));
    return rte_be_to_cpu_16(udp->src_port);
}

static uint16_t
fake_tx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
    struct queue *q = queue;
    struct fake *fake = q->fake;
    struct rte_eth_dev_data *data = fake->dev->data;
    uint16_t i;

    if (fake->broken) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        struct rte_mbuf *pkt = pkts[i];
        const struct rte_ether_hdr *eth
            = rte_pktmbuf_mtod(pkt, const struct rte_ether_hdr *);
        unsigned int hash = source_port(pkt);
        unsigned int to = (fake->has_reta ? fake->reta[hash % RETA_SIZE]
                           : hash % data->nb_rx_queues);

        if (fake->strict
            && (*mark(pkt) != PREPARED || pkt->pkt_len < MIN_FRAME)) {
            q->n_bad++;
            rte_pktmbuf_free(pkt);
            continue;
        }
        if (!data->promiscuous
            && !rte_is_multicast_ether_addr(&eth->dst_addr)
            && !rte_is_same_ether_addr(&eth->dst_addr, data->mac_addrs)) {
            rte_pktmbuf_free(pkt);
            continue;
        }
        *mark(pkt) = 0;
        if (rte_ring_enqueue(fake->rx[to].ring, pkt)) {
            break;
        }
        q->n_out++;
    }
    return i;
}

static uint16_t
fake_rx(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
    struct queue *q = queue;

    if (q->fake->broken) {
        return 0;
    }
    n = rte_ring_dequeue_burst(q->ring, (void **) pkts, n, NULL);
    for (uint16_t i = 0; i < n; i++) {
        pkts[i]->ol_flags = 0;
    }
    q->n_in += n;
    return n;
}

/* Life
 * ---- */

static struct fake *
fake_from_dev(const struct rte_eth_dev *dev)
{
    return *(struct fake **) dev->data->dev_private;
}

static void
drop_all(struct fake *fake)
{
    for (int i = 0; i < MAX_QUEUES; i++) {
        void *pkt;

        while (fake->rx[i].ring && !rte_ring_dequeue(fake->rx[i].ring, &pkt)) {
            rte_pktmbuf_free(pkt);
        }
    }
}

static int
fake_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
    const struct fake *fake = fake_from_dev(dev);

    info->max_mac_addrs = 1;
    info->max_rx_pktlen = 9100;
    info->min_mtu = RTE_ETHER_MIN_MTU;
    info->max_mtu = 9000;
    info->max_rx_queues = fake->rxq;
    info->max_tx_queues = fake->txq;
    info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER;
    info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    info->flow_type_rss_offloads = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP;
    info->reta_size = fake->has_reta ? RETA_SIZE : 0;
    return 0;
}

/* The table is spread over all queues, until somebody says otherwise. */
static int
fake_configure(struct rte_eth_dev *dev)
{
    struct fake *fake = fake_from_dev(dev);

    for (int i = 0; i < RETA_SIZE; i++) {
        fake->reta[i] = i % RTE_MAX(dev->data->nb_rx_queues, 1);
    }
    return 0;
}

static int
fake_start(struct rte_eth_dev *dev)
{
    dev->data->dev_link.link_status = RTE_ETH_LINK_UP;
    return 0;
}

static int
fake_stop(struct rte_eth_dev *dev)
{
    dev->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
    drop_all(fake_from_dev(dev));
    return 0;
}

static int
fake_reset(struct rte_eth_dev *dev)
{
    struct fake *fake = fake_from_dev(dev);

    if (says(fake, "stuck")) {
        LOG(dev, "reset fails");
        return -EAGAIN;
    }
    drop_all(fake);
    fake->broken = 0;
    dev->data->promiscuous = 0;
    dev->data->mtu = RTE_ETHER_MTU;
    LOG(dev, "reset");
    return 0;
}

static int
fake_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue,
                    uint16_t n_desc __rte_unused,
                    unsigned int socket_id __rte_unused,
                    const struct rte_eth_rxconf *conf __rte_unused,
                    struct rte_mempool *pool __rte_unused)
{
    dev->data->rx_queues[queue] = &fake_from_dev(dev)->rx[queue];
    return 0;
}

static int
fake_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue,
                    uint16_t n_desc __rte_unused,
                    unsigned int socket_id __rte_unused,
                    const struct rte_eth_txconf *conf __rte_unused)
{
    dev->data->tx_queues[queue] = &fake_from_dev(dev)->tx[queue];
    return 0;
}

static int
fake_mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
    LOG(dev, "MTU %u", mtu);
    return 0;
}

static int
fake_promiscuous(struct rte_eth_dev *dev)
{
    return says(fake_from_dev(dev), "untrusted") ? -EPERM : 0;
}

static int
fake_ok(struct rte_eth_dev *dev __rte_unused)
{
    return 0;
}

static int
fake_link_update(struct rte_eth_dev *dev __rte_unused,
                 int wait __rte_unused)
{
    return 0;
}

static int
fake_reta_update(struct rte_eth_dev *dev,
                 struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
    struct fake *fake = fake_from_dev(dev);
    unsigned int queues = 0;

    for (int i = 0; i < size && i < RETA_SIZE; i++) {
        if (reta[i / RTE_ETH_RETA_GROUP_SIZE].mask
            & (UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE)) {
            fake->reta[i] = reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[
                i % RTE_ETH_RETA_GROUP_SIZE];
        }
        queues |= 1u << fake->reta[i];
    }
    LOG(dev, "spread over 0x%x", queues);
    return 0;
}

static int
fake_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
    const struct fake *fake = fake_from_dev(dev);

    for (int i = 0; i < MAX_QUEUES; i++) {
        stats->ipackets += fake->rx[i].n_in;
        stats->opackets += fake->tx[i].n_out;
        stats->oerrors += fake->tx[i].n_bad;
    }
    return 0;
}

static void
fake_look(void *fake_)
{
    struct fake *fake = fake_;
    int asked = says(fake, "reset");

    if (asked && !fake->was_asked) {
        fake->broken = 1;
        LOG(fake->dev, "asks for a reset");
        rte_eth_dev_callback_process(fake->dev, RTE_ETH_EVENT_INTR_RESET,
                                     NULL);
    }
    fake->was_asked = asked;
    rte_eal_alarm_set(INTERVAL, fake_look, fake);
}

static int
fake_close(struct rte_eth_dev *dev)
{
    struct fake *fake = fake_from_dev(dev);

    rte_eal_alarm_cancel(fake_look, fake);
    drop_all(fake);
    for (int i = 0; i < MAX_QUEUES; i++) {
        rte_ring_free(fake->rx[i].ring);
    }
    rte_free(fake);
    dev->data->mac_addrs = NULL;
    return 0;
}

static const struct eth_dev_ops fake_ops = {
    .dev_infos_get = fake_infos_get,
    .dev_configure = fake_configure,
    .dev_start = fake_start,
    .dev_stop = fake_stop,
    .dev_close = fake_close,
    .dev_reset = fake_reset,
    .rx_queue_setup = fake_rx_queue_setup,
    .tx_queue_setup = fake_tx_queue_setup,
    .mtu_set = fake_mtu_set,
    .promiscuous_enable = fake_promiscuous,
    .promiscuous_disable = fake_ok,
    .allmulticast_enable = fake_ok,
    .allmulticast_disable = fake_ok,
    .link_update = fake_link_update,
    .stats_get = fake_stats_get,
    .reta_update = fake_reta_update,
};

static int
parse_number(const char *key __rte_unused, const char *value, void *number)
{
    *(int *) number = atoi(value);
    return 0;
}

static int
parse_file(const char *key __rte_unused, const char *value, void *fake_)
{
    struct fake *fake = fake_;

    snprintf(fake->file, sizeof fake->file, "%s", value);
    return 0;
}

static int
fake_probe(struct rte_vdev_device *vdev)
{
    static const char *const keys[] = {
        "rxq", "txq", "reta", "strict", "file", NULL
    };
    static const struct rte_mbuf_dynfield field = {
        .name = "fakevf_mark",
        .size = sizeof(uint32_t),
        .align = __alignof__(uint32_t),
    };
    static struct rte_ether_addr mac = { { 0x02, 0xfa, 0xce, 0, 0, 1 } };
    struct rte_kvargs *kvargs = rte_kvargs_parse(rte_vdev_device_args(vdev),
                                                 keys);
    struct rte_eth_dev *dev;
    struct fake *fake;

    mark_offset = rte_mbuf_dynfield_register(&field);
    if (!kvargs || mark_offset < 0) {
        return -EINVAL;
    }
    fake = rte_zmalloc("fakevf", sizeof *fake, 0);
    fake->rxq = fake->txq = 2;
    fake->has_reta = 1;
    rte_kvargs_process(kvargs, "rxq", parse_number, &fake->rxq);
    rte_kvargs_process(kvargs, "txq", parse_number, &fake->txq);
    rte_kvargs_process(kvargs, "reta", parse_number, &fake->has_reta);
    rte_kvargs_process(kvargs, "strict", parse_number, &fake->strict);
    rte_kvargs_process(kvargs, "file", parse_file, fake);
    rte_kvargs_free(kvargs);

    dev = rte_eth_vdev_allocate(vdev, sizeof fake);
    if (!dev) {
        rte_free(fake);
        return -ENOMEM;
    }
    for (int i = 0; i < MAX_QUEUES; i++) {
        char name[RTE_RING_NAMESIZE];

        snprintf(name, sizeof name, "fakevf%u_%d", dev->data->port_id, i);
        fake->rx[i].fake = fake->tx[i].fake = fake;
        fake->rx[i].ring = rte_ring_create(name, RING_SIZE, 0, 0);
    }
    *(struct fake **) dev->data->dev_private = fake;
    fake->dev = dev;
    dev->data->mac_addrs = &mac;
    dev->data->dev_link.link_speed = RTE_ETH_SPEED_NUM_10G;
    dev->data->dev_link.link_duplex = RTE_ETH_LINK_FULL_DUPLEX;
    dev->dev_ops = &fake_ops;
    dev->rx_pkt_burst = fake_rx;
    dev->tx_pkt_burst = fake_tx;
    dev->tx_pkt_prepare = fake_prepare;
    rte_eth_dev_probing_finish(dev);
    rte_eal_alarm_set(INTERVAL, fake_look, fake);
    return 0;
}

static int
fake_remove(struct rte_vdev_device *vdev)
{
    struct rte_eth_dev *dev
        = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

    if (dev) {
        rte_eth_dev_close(dev->data->port_id);
    }
    return 0;
}

static struct rte_vdev_driver fakevf_driver = {
    .probe = fake_probe,
    .remove = fake_remove,
};

RTE_PMD_REGISTER_VDEV(net_fakevf, fakevf_driver);
