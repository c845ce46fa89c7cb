/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The life of queues: set up, given to the device, taken back, released.  The
 * packet loops are in nicsim-rxtx.c. */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <ethdev_driver.h>
#include <rte_malloc.h>

#include "nicsim-log.h"
#include "nicsim-port.h"
#include "nicsim-rxtx.h"

/* Free descriptors of a receive ring that are worth a refill. */
#define RX_REFILL_AT 32

/* Used descriptors of a transmit ring that are worth a look at what the device
 * is done with.  Early enough that the mbufs are in the cache still. */
#define TX_CLEAN_AT 64

/* The number of descriptors to have when 'n' were asked for. */
static uint32_t
ring_size(uint16_t n)
{
    uint32_t size = rte_align32pow2(n);

    return RTE_MAX(RTE_MIN(size, (uint32_t) NICSIM_MAX_DESC),
                   (uint32_t) NICSIM_MIN_DESC);
}

int
nicsim_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id,
                      uint16_t n_desc, unsigned int socket_id,
                      const struct rte_eth_rxconf *conf,
                      struct rte_mempool *mp)
{
    struct nicsim_port *port = dev->data->dev_private;
    uint32_t room = rte_pktmbuf_data_room_size(mp) - RTE_PKTMBUF_HEADROOM;
    uint64_t offloads = conf->offloads | dev->data->dev_conf.rxmode.offloads;
    uint32_t size = ring_size(n_desc);
    struct rte_mbuf model;
    struct nicsim_rxq *rxq;

    if (conf->rx_deferred_start) {
        NICSIM_LOG(ERR, "%s: queues can not be started one by one",
                   nicsim_port_name(port));
        return -ENOTSUP;
    }
    rxq = rte_zmalloc_socket("nicsim rxq", sizeof *rxq, RTE_CACHE_LINE_SIZE,
                             socket_id);
    if (!rxq) {
        return -ENOMEM;
    }
    rxq->ring = rte_zmalloc_socket("nicsim rx ring", size * sizeof *rxq->ring,
                                   RTE_CACHE_LINE_SIZE, socket_id);
    rxq->mbufs = rte_zmalloc_socket("nicsim rx mbufs",
                                    size * sizeof *rxq->mbufs,
                                    RTE_CACHE_LINE_SIZE, socket_id);
    if (!rxq->ring || !rxq->mbufs) {
        rte_free(rxq->ring);
        rte_free(rxq->mbufs);
        rte_free(rxq);
        return -ENOMEM;
    }
    rxq->mask = size - 1;
    rxq->refill_at = (conf->rx_free_thresh
                      ? RTE_MIN((uint32_t) conf->rx_free_thresh, size / 2)
                      : RX_REFILL_AT);
    rxq->room = room;
    rxq->mp = mp;
    rxq->port = port;
    rxq->queue_id = queue_id;
    rxq->offloads = offloads;

    /* All that a new buffer needs in one store. */
    memset(&model, 0, sizeof model);
    model.data_off = RTE_PKTMBUF_HEADROOM;
    model.refcnt = 1;
    model.nb_segs = 1;
    model.port = dev->data->port_id;
    memcpy(&rxq->rearm,
           (char *) &model + offsetof(struct rte_mbuf, rearm_data),
           sizeof rxq->rearm);

    /* The hash costs nothing, and OVS takes it without asking for it. */
    rxq->ol_mask = (RTE_MBUF_F_RX_FDIR | RTE_MBUF_F_RX_FDIR_ID
                    | RTE_MBUF_F_RX_RSS_HASH);
    if (offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) {
        rxq->ol_mask |= RTE_MBUF_F_RX_IP_CKSUM_MASK;
    }
    if (offloads & (RTE_ETH_RX_OFFLOAD_UDP_CKSUM
                    | RTE_ETH_RX_OFFLOAD_TCP_CKSUM
                    | RTE_ETH_RX_OFFLOAD_SCTP_CKSUM)) {
        rxq->ol_mask |= RTE_MBUF_F_RX_L4_CKSUM_MASK;
    }
    dev->data->rx_queues[queue_id] = rxq;
    return 0;
}

int
nicsim_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id,
                      uint16_t n_desc, unsigned int socket_id,
                      const struct rte_eth_txconf *conf)
{
    struct nicsim_port *port = dev->data->dev_private;
    uint64_t offloads = conf->offloads | dev->data->dev_conf.txmode.offloads;
    uint32_t size = ring_size(n_desc);
    struct nicsim_txq *txq;

    if (conf->tx_deferred_start) {
        NICSIM_LOG(ERR, "%s: queues can not be started one by one",
                   nicsim_port_name(port));
        return -ENOTSUP;
    }
    txq = rte_zmalloc_socket("nicsim txq", sizeof *txq, RTE_CACHE_LINE_SIZE,
                             socket_id);
    if (!txq) {
        return -ENOMEM;
    }
    txq->ring = rte_zmalloc_socket("nicsim tx ring", size * sizeof *txq->ring,
                                   RTE_CACHE_LINE_SIZE, socket_id);
    txq->mbufs = rte_zmalloc_socket("nicsim tx mbufs",
                                    size * sizeof *txq->mbufs,
                                    RTE_CACHE_LINE_SIZE, socket_id);
    if (!txq->ring || !txq->mbufs) {
        rte_free(txq->ring);
        rte_free(txq->mbufs);
        rte_free(txq);
        return -ENOMEM;
    }
    txq->mask = size - 1;
    txq->clean_at = TX_CLEAN_AT;
    txq->port = port;
    txq->queue_id = queue_id;
    txq->offloads = offloads;
    txq->dead = &port->dead;
    txq->fast_free = (offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE
                      && !(offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS));
    dev->data->tx_queues[queue_id] = txq;
    return 0;
}

void
nicsim_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id)
{
    struct nicsim_rxq *rxq = dev->data->rx_queues[queue_id];

    if (rxq) {
        rte_free(rxq->ring);
        rte_free(rxq->mbufs);
        rte_free(rxq);
    }
}

void
nicsim_tx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id)
{
    struct nicsim_txq *txq = dev->data->tx_queues[queue_id];

    if (txq) {
        rte_free(txq->ring);
        rte_free(txq->mbufs);
        rte_free(txq);
    }
}

/* Sets up (or takes away, if 'ring' is NULL) one ring at the device. */
static int
ring_setup(struct nicsim_port *port, uint16_t queue, bool is_tx,
           const void *ring, uint32_t n_desc)
{
    struct nicsim_msg msg = { .type = NICSIM_RING_SETUP };

    msg.ring.fn = port->fn;
    msg.ring.queue = queue;
    msg.ring.is_tx = is_tx;
    msg.ring.ring = (uintptr_t) ring;
    msg.ring.n_desc = n_desc;
    return nicsim_port_call(port, &msg,
                            ring ? "set up a ring" : "take a ring away");
}

/* Fills the whole ring of 'rxq' with buffers. */
static int
rxq_fill(struct nicsim_rxq *rxq)
{
    uint32_t n = rxq->mask + 1;

    if (rte_mempool_get_bulk(rxq->mp, (void **) rxq->mbufs, n)) {
        NICSIM_LOG(ERR, "%s: mempool %s has not the %u buffers that queue %u "
                   "needs", nicsim_port_name(rxq->port), rxq->mp->name, n,
                   rxq->queue_id);
        return ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        rxq->ring[i].addr = ((uintptr_t) rxq->mbufs[i]->buf_addr
                             + RTE_PKTMBUF_HEADROOM);
        rxq->ring[i].len = rxq->room;
    }
    rxq->next = 0;
    rxq->filled = n;
    rxq->first = rxq->last = NULL;
    return 0;
}

int
nicsim_queues_setup(struct nicsim_port *port)
{
    struct rte_eth_dev_data *data = port->dev->data;
    uint32_t frame = data->mtu + NICSIM_L2_OVERHEAD;
    int error;

    for (uint16_t i = 0; i < data->nb_rx_queues; i++) {
        struct nicsim_rxq *rxq = data->rx_queues[i];

        if (frame > rxq->room
            && !(rxq->offloads & RTE_ETH_RX_OFFLOAD_SCATTER)) {
            NICSIM_LOG(ERR, "%s: frames of %u bytes (MTU %u) do not fit into "
                       "buffers of %u bytes without the scatter offload",
                       nicsim_port_name(port), frame, data->mtu, rxq->room);
            return EINVAL;
        }
        rxq->regs = &port->bar->rx[i];
        rxq->regs->tail = 0;
        error = rxq_fill(rxq);
        if (!error) {
            error = ring_setup(port, i, false, rxq->ring, rxq->mask + 1);
        }
        if (error) {
            return error;
        }
    }
    for (uint16_t i = 0; i < data->nb_tx_queues; i++) {
        struct nicsim_txq *txq = data->tx_queues[i];

        txq->bar = port->bar;
        txq->regs = &port->bar->tx[i];
        txq->regs->tail = 0;
        txq->doorbell = port->doorbell;
        txq->tail = txq->clean = 0;
        error = ring_setup(port, i, true, txq->ring, txq->mask + 1);
        if (error) {
            return error;
        }
    }
    return 0;
}

void
nicsim_queues_start(struct nicsim_port *port)
{
    struct rte_eth_dev_data *data = port->dev->data;

    for (uint16_t i = 0; i < data->nb_rx_queues; i++) {
        struct nicsim_rxq *rxq = data->rx_queues[i];

        __atomic_store_n(&rxq->regs->tail, rxq->filled, __ATOMIC_RELEASE);
        data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
    }
    for (uint16_t i = 0; i < data->nb_tx_queues; i++) {
        data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
    }
}

void
nicsim_queues_stop(struct nicsim_port *port)
{
    struct rte_eth_dev_data *data = port->dev->data;
    bool dead = nicsim_port_is_dead(port);

    for (uint16_t i = 0; i < data->nb_rx_queues; i++) {
        struct nicsim_rxq *rxq = data->rx_queues[i];

        data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
        if (!rxq || !rxq->regs) {
            continue;
        }
        if (!dead) {
            ring_setup(port, i, false, NULL, 0);
        }
        for (; rxq->next != rxq->filled; rxq->next++) {
            rte_mbuf_raw_free(rxq->mbufs[rxq->next & rxq->mask]);
        }
        rte_pktmbuf_free(rxq->first);
        rxq->first = NULL;
        rxq->regs = NULL;
    }
    for (uint16_t i = 0; i < data->nb_tx_queues; i++) {
        struct nicsim_txq *txq = data->tx_queues[i];

        data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
        if (!txq || !txq->regs) {
            continue;
        }
        if (!dead) {
            ring_setup(port, i, true, NULL, 0);
        }
        for (; txq->clean != txq->tail; txq->clean++) {
            rte_pktmbuf_free(txq->mbufs[txq->clean & txq->mask]);
        }
        txq->regs = NULL;
        txq->bar = NULL;
    }
}
