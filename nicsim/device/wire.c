/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <rte_branch_prediction.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "edit.h"
#include "function.h"
#include "log.h"
#include "nic.h"
#include "packet.h"
#include "pipeline.h"
#include "util.h"

#define N_DESC   512
#define N_MBUFS 2047            /* Both rings' and some to spare. */

/* Bytes of a frame in an mbuf.  Drivers that receive into frames of the
 * kernel's (af_packet) want mbufs of these frames' size, whatever the MTU. */
#define SMALL_ROOM  2048
#define BIG_ROOM   16384

struct wire {
    uint16_t port;
    bool interrupt;             /* Its receive queue wakes us. */
    uint32_t max_frame;
    struct rte_mempool *pool;
    struct rte_mbuf *tx[BURST];
    uint16_t n_tx;
    struct nicsim_counter rx_count, tx_count;
    uint64_t tx_dropped;
};

/* Lets the loop's epoll see the receive queue's interrupt, if there is one. */
static bool
watch_interrupt(struct nic *nic, uint16_t port)
{
    /* Some drivers' descriptors are eventfds that nobody reads. */
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = 3 };
    int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(port, 0);

    return fd >= 0 && !epoll_ctl(nic->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Opens the port that EAL made of --wire, or ends the process.  Without a wire
 * this does nothing. */
void
wire_open(struct nic *nic)
{
    struct rte_eth_conf conf = { .intr_conf = { .rxq = 1 } };
    struct rte_eth_dev_info info;
    uint16_t n_rxd = N_DESC, n_txd = N_DESC;
    uint16_t room;
    struct wire *wire;
    uint16_t port;
    int error;

    if (!nic->opts.wire) {
        return;
    }
    port = rte_eth_find_next(0);
    if (port == RTE_MAX_ETHPORTS) {
        fatal("--wire=%s: DPDK made no port of it", nic->opts.wire);
    }
    wire = nic->wire = zalloc(1, sizeof *wire);
    if (!wire) {
        fatal("out of memory");
    }
    wire->port = port;
    wire->max_frame = nic->opts.wire_mtu + FRAME_OVERHEAD;
    room = wire->max_frame <= SMALL_ROOM ? SMALL_ROOM : BIG_ROOM;
    wire->pool = rte_pktmbuf_pool_create("wire", N_MBUFS, 64, 0,
                                         RTE_PKTMBUF_HEADROOM + room,
                                         SOCKET_ID_ANY);
    if (!wire->pool) {
        fatal("no memory for the wire's packets (%s): --mem=%u is too small",
              rte_strerror(rte_errno), nic->opts.mem);
    }

    error = rte_eth_dev_info_get(port, &info);
    if (!error) {
        error = rte_eth_dev_configure(port, 1, 1, &conf);
        if (error) {
            conf.intr_conf.rxq = 0;
            error = rte_eth_dev_configure(port, 1, 1, &conf);
        }
    }
    if (!error) {
        error = rte_eth_dev_adjust_nb_rx_tx_desc(port, &n_rxd, &n_txd);
    }
    if (!error && rte_eth_dev_set_mtu(port, nic->opts.wire_mtu)
        && nic->opts.wire_mtu != 1500) {
        log_line("wire: its driver does not take MTU %u, going on",
                 nic->opts.wire_mtu);
    }
    if (!error) {
        error = rte_eth_rx_queue_setup(port, 0, n_rxd, SOCKET_ID_ANY, NULL,
                                       wire->pool);
    }
    if (!error) {
        error = rte_eth_tx_queue_setup(port, 0, n_txd, SOCKET_ID_ANY, NULL);
    }
    if (!error) {
        error = rte_eth_dev_start(port);
    }
    if (error) {
        fatal("--wire=%s: can't start the port: %s", nic->opts.wire,
              rte_strerror(-error));
    }
    error = rte_eth_promiscuous_enable(port);
    if (error && error != -ENOTSUP) {
        log_line("wire: not promiscuous: %s", rte_strerror(-error));
    }
    if (conf.intr_conf.rxq) {
        wire->interrupt = watch_interrupt(nic, port);
    }
    wire_check_link(nic);
}

/* Stops and closes the wire, if there is one. */
void
wire_close(struct nic *nic)
{
    if (nic->wire) {
        rte_eth_dev_stop(nic->wire->port);
        rte_eth_dev_close(nic->wire->port);
        rte_mempool_free(nic->wire->pool);
        free(nic->wire);
        nic->wire = NULL;
    }
}

/* Describes 'mbuf' in 'p'.  Returns false if it can't be taken. */
static bool
from_mbuf(struct packet *p, const struct rte_mbuf *mbuf)
{
    if (mbuf->nb_segs > NICSIM_MAX_TX_SEGS || mbuf->pkt_len < 14) {
        return false;
    }
    p->len = mbuf->pkt_len;
    p->n_frags = 0;
    for (const struct rte_mbuf *m = mbuf; m; m = m->next) {
        if (m->data_len) {
            p->frags[p->n_frags].data = rte_pktmbuf_mtod(m, const uint8_t *);
            p->frags[p->n_frags++].len = m->data_len;
        }
    }
    packet_pull(p);

    switch (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
    case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
        p->flags |= PACKET_IP_CSUM_GOOD;
        break;
    case RTE_MBUF_F_RX_IP_CKSUM_BAD:
        p->flags |= PACKET_IP_CSUM_BAD;
        break;
    }
    switch (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
    case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
        p->flags |= PACKET_L4_CSUM_GOOD;
        break;
    case RTE_MBUF_F_RX_L4_CKSUM_BAD:
        p->flags |= PACKET_L4_CSUM_BAD;
        break;
    }
    if (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
        /* The kernel took it off for af_packet, which can't be told not
         * to. */
        p->l3_ofs = p->l4_ofs = 0;
        edit_push_vlan(p, 0x8100, mbuf->vlan_tci);
    }
    return true;
}

/* Takes a burst from the wire through the rules.  Returns the number of
 * frames. */
unsigned int
wire_poll(struct nic *nic)
{
    struct wire *wire = nic->wire;
    struct rte_mbuf *mbufs[BURST];
    struct packet *packets[BURST];
    unsigned int n, n_packets = 0;

    if (!wire) {
        return 0;
    }
    n = rte_eth_rx_burst(wire->port, 0, mbufs, BURST);
    if (likely(!n)) {
        return 0;
    }
    for (unsigned int i = 0; i < n; i++) {
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
    }
    for (unsigned int i = 0; i < n; i++) {
        struct packet *p = &nic->frames[n_packets];

        if (likely(from_mbuf(p, mbufs[i]))) {
            count(&wire->rx_count, p->len);
            packets[n_packets++] = p;
        }
    }
    if (likely(n_packets)) {
        pipeline_run(nic, NICSIM_VPORT_UPLINK, packets, n_packets);
        pipeline_flush(nic);
    }
    rte_pktmbuf_free_bulk(mbufs, n);
    return n;
}

/* Sends 'p' to the wire, by the next wire_flush() at the latest.  Returns
 * false, and counts it, if there is no wire or no room. */
bool
wire_send(struct nic *nic, struct packet *p)
{
    struct wire *wire = nic->wire;
    struct rte_mbuf *mbuf;

    if (!wire) {
        return false;
    }
    if (unlikely(p->len > wire->max_frame)) {
        wire->tx_dropped++;
        return false;
    }
    if (wire->n_tx == BURST) {
        wire_flush(nic);
    }
    mbuf = rte_pktmbuf_alloc(wire->pool);
    if (unlikely(!mbuf)) {
        wire->tx_dropped++;
        return false;
    }
    packet_read(p, 0, (uint8_t *) rte_pktmbuf_append(mbuf, p->len), p->len);
    wire->tx[wire->n_tx++] = mbuf;
    return true;
}

/* Sends what wire_send() has collected. */
void
wire_flush(struct nic *nic)
{
    struct nicsim_vport_stats *stats = &nic->vports[NICSIM_VPORT_UPLINK];
    struct wire *wire = nic->wire;
    uint32_t lens[BURST];
    uint16_t sent;

    if (!wire || !wire->n_tx) {
        return;
    }
    for (uint16_t i = 0; i < wire->n_tx; i++) {
        lens[i] = wire->tx[i]->pkt_len;
    }
    sent = rte_eth_tx_burst(wire->port, 0, wire->tx, wire->n_tx);
    for (uint16_t i = 0; i < sent; i++) {
        count(&wire->tx_count, lens[i]);
    }
    if (unlikely(sent < wire->n_tx)) {
        /* They were counted as out when they were put here. */
        for (uint16_t i = sent; i < wire->n_tx; i++) {
            stats->out.packets--;
            stats->out.bytes -= lens[i];
        }
        stats->out_dropped += wire->n_tx - sent;
        wire->tx_dropped += wire->n_tx - sent;
        rte_pktmbuf_free_bulk(wire->tx + sent, wire->n_tx - sent);
    }
    wire->n_tx = 0;
}

/* Looks at the wire's link state and tells the PF's driver of a change.  To be
 * called now and then. */
void
wire_check_link(struct nic *nic)
{
    struct rte_eth_link link = { 0 };

    if (nic->wire && !rte_eth_link_get_nowait(nic->wire->port, &link)) {
        bool up = link.link_status == RTE_ETH_LINK_UP;

        functions_set_link(nic, up,
                           up && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN
                           ? link.link_speed : 0);
    }
}

/* Whether the wire wakes us when a frame comes. */
bool
wire_has_interrupt(const struct nic *nic)
{
    return nic->wire && nic->wire->interrupt;
}

/* Has the wire wake us when a frame comes from now on, if it can.  Frames that
 * came before have to be looked for after this. */
void
wire_arm(struct nic *nic)
{
    if (wire_has_interrupt(nic)) {
        /* Some drivers want it anew after each interrupt.  Those whose
         * interrupts are always on have no such call. */
        rte_eth_dev_rx_intr_enable(nic->wire->port, 0);
    }
}

/* The wire's own counters. */
void
wire_stats(const struct nic *nic, struct nicsim_counter *rx,
           struct nicsim_counter *tx, uint64_t *tx_dropped)
{
    if (nic->wire) {
        *rx = nic->wire->rx_count;
        *tx = nic->wire->tx_count;
        *tx_dropped = nic->wire->tx_dropped;
    }
}
