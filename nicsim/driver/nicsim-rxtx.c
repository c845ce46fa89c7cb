/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-rxtx.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <ethdev_driver.h>
#include <rte_atomic.h>
#include <rte_flow.h>
#include <rte_net.h>
#include <rte_prefetch.h>

#include "nicsim-port.h"

/* Adds to a counter that one thread writes and others read. */
static inline void
counter_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* Receiving. */

#define RX_REFILL_BATCH 64

/* What the flags of a descriptor say, in an mbuf's words. */
#define RX_OL(F)                                                        \
    (((F) & NICSIM_RX_HASH ? RTE_MBUF_F_RX_RSS_HASH : 0)                \
     | ((F) & NICSIM_RX_MARK ? (RTE_MBUF_F_RX_FDIR                      \
                                | RTE_MBUF_F_RX_FDIR_ID) : 0)           \
     | ((F) & NICSIM_RX_IP_GOOD ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : 0)      \
     | ((F) & NICSIM_RX_IP_BAD ? RTE_MBUF_F_RX_IP_CKSUM_BAD : 0)        \
     | ((F) & NICSIM_RX_L4_GOOD ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : 0)      \
     | ((F) & NICSIM_RX_L4_BAD ? RTE_MBUF_F_RX_L4_CKSUM_BAD : 0))
#define RX_OL2(F) RX_OL(F), RX_OL((F) + 1)
#define RX_OL4(F) RX_OL2(F), RX_OL2((F) + 2)
#define RX_OL8(F) RX_OL4(F), RX_OL4((F) + 4)
#define RX_OL16(F) RX_OL8(F), RX_OL8((F) + 8)
#define RX_OL32(F) RX_OL16(F), RX_OL16((F) + 16)
#define RX_OL64(F) RX_OL32(F), RX_OL32((F) + 32)
static const uint64_t rx_ol_flags[128] = { RX_OL64(0), RX_OL64(64) };

/* Puts new buffers into free descriptors and hands them over. */
static void
rx_refill(struct nicsim_rxq *rxq)
{
    uint32_t size = rxq->mask + 1;
    uint32_t n_free = size - (rxq->filled - rxq->next);
    uint32_t filled = rxq->filled;

    while (n_free >= rxq->refill_at) {
        uint32_t slot = filled & rxq->mask;
        struct rte_mbuf **mbufs = &rxq->mbufs[slot];
        struct nicsim_rx_desc *d = &rxq->ring[slot];
        uint32_t n = RTE_MIN(n_free, (uint32_t) RX_REFILL_BATCH);

        n = RTE_MIN(n, size - slot);
        if (unlikely(rte_mempool_get_bulk(rxq->mp, (void **) mbufs, n))) {
            counter_add(&rxq->no_mbuf, n);
            break;
        }
        for (uint32_t i = 0; i < n; i++) {
            d[i].addr = (uintptr_t) mbufs[i]->buf_addr + RTE_PKTMBUF_HEADROOM;
            d[i].len = rxq->room;
        }
        filled += n;
        n_free -= n;
    }
    if (filled != rxq->filled) {
        rxq->filled = filled;
        __atomic_store_n(&rxq->regs->tail, filled, __ATOMIC_RELEASE);
    }
}

/* Makes 'm' what descriptor 'd' says, but for the chain. */
static inline void
rx_fill_mbuf(const struct nicsim_rxq *rxq, const struct nicsim_rx_desc *d,
             struct rte_mbuf *m)
{
    uint16_t flags = d->flags;

    memcpy((char *) m + offsetof(struct rte_mbuf, rearm_data), &rxq->rearm,
           sizeof rxq->rearm);
    m->ol_flags = rx_ol_flags[flags & 127] & rxq->ol_mask;
    m->packet_type = 0;
    m->pkt_len = d->len;
    m->data_len = d->len;
    m->vlan_tci = 0;
    m->hash.rss = d->hash;
    m->hash.fdir.hi = d->mark;
    if (unlikely(flags & NICSIM_RX_META) && rte_flow_dynf_metadata_avail()) {
        *RTE_FLOW_DYNF_METADATA(m) = d->meta;
        m->ol_flags |= RTE_MBUF_DYNFLAG_RX_METADATA;
    }
}

/* Adds 'm', from a descriptor that is not a whole frame, to the unfinished
 * frame.  Returns the frame if that finished it, else NULL. */
static struct rte_mbuf *
rx_chain(struct nicsim_rxq *rxq, const struct nicsim_rx_desc *d,
         struct rte_mbuf *m)
{
    struct rte_mbuf *first = rxq->first;

    if (unlikely(d->flags & NICSIM_RX_ERROR)) {
        counter_add(&rxq->errors, 1);
        rte_pktmbuf_free(m);
        rte_pktmbuf_free(first);
        rxq->first = NULL;
        return NULL;
    }
    if (!first) {
        rxq->first = rxq->last = m;
        return NULL;
    }
    first->nb_segs++;
    first->pkt_len += m->data_len;
    rxq->last->next = m;
    rxq->last = m;
    if (!(d->flags & NICSIM_RX_EOP)) {
        return NULL;
    }
    rxq->first = NULL;
    return first;
}

static uint16_t
nicsim_rx_burst(void *rxq_, struct rte_mbuf **pkts, uint16_t n_pkts)
{
    struct nicsim_rxq *rxq = rxq_;
    uint32_t head = __atomic_load_n(&rxq->regs->head, __ATOMIC_ACQUIRE);
    uint32_t next = rxq->next;
    uint32_t n_avail = head - next;
    uint16_t n = 0;

    /* What a broken device could say otherwise would make us read mbufs that
     * are not there. */
    if (unlikely(n_avail > rxq->filled - next)) {
        n_avail = rxq->filled - next;
    }
    while (n_avail && n < n_pkts) {
        uint32_t slot = next & rxq->mask;
        const struct nicsim_rx_desc *d = &rxq->ring[slot];
        struct rte_mbuf *m = rxq->mbufs[slot];

        rte_prefetch0(rxq->mbufs[(next + 4) & rxq->mask]);
        rx_fill_mbuf(rxq, d, m);
        next++;
        n_avail--;
        if (unlikely((d->flags & (NICSIM_RX_EOP | NICSIM_RX_ERROR))
                     != NICSIM_RX_EOP || rxq->first)) {
            m = rx_chain(rxq, d, m);
            if (!m) {
                continue;
            }
        }
        pkts[n++] = m;
    }
    rxq->next = next;
    if (rxq->mask + 1 - (rxq->filled - next) >= rxq->refill_at) {
        rx_refill(rxq);
    }
    return n;
}

static uint32_t
nicsim_rx_queue_count(void *rxq_)
{
    const struct nicsim_rxq *rxq = rxq_;

    return (rxq->regs
            ? __atomic_load_n(&rxq->regs->head, __ATOMIC_ACQUIRE) - rxq->next
            : 0);
}

static int
nicsim_rx_descriptor_status(void *rxq_, uint16_t offset)
{
    const struct nicsim_rxq *rxq = rxq_;

    if (offset > rxq->mask) {
        return -EINVAL;
    }
    if (offset < nicsim_rx_queue_count(rxq_)) {
        return RTE_ETH_RX_DESC_DONE;
    }
    return (offset < rxq->filled - rxq->next ? RTE_ETH_RX_DESC_AVAIL
            : RTE_ETH_RX_DESC_UNAVAIL);
}

/* Transmitting. */

#define TX_FLAGS_KNOWN                                                  \
    (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK                     \
     | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6  \
     | RTE_MBUF_F_TX_VLAN)
#define TX_FLAGS_REFUSED (RTE_MBUF_F_TX_OFFLOAD_MASK & ~TX_FLAGS_KNOWN)

/* Offload requests that make a descriptor more than address and length. */
#define TX_FLAGS_WORK                                                   \
    (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK                     \
     | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_VLAN | TX_FLAGS_REFUSED)

/* Checks the offload requests of 'm'.  Returns 0 or a positive errno:  ENOTSUP
 * for what the NIC can't do, EINVAL for nonsense. */
static int
tx_check(const struct rte_mbuf *m)
{
    uint64_t ol = m->ol_flags;
    uint64_t l4 = ol & RTE_MBUF_F_TX_L4_MASK;
    uint32_t headers = m->l2_len + m->l3_len;
    uint32_t l4_len = 0;

    if (ol & TX_FLAGS_REFUSED) {
        return ENOTSUP;
    }
    if (ol & RTE_MBUF_F_TX_TCP_SEG) {
        if ((l4 && l4 != RTE_MBUF_F_TX_TCP_CKSUM)
            || !m->tso_segsz
            || m->l4_len < sizeof(struct rte_tcp_hdr)
            || m->pkt_len > NICSIM_MAX_TSO) {
            return EINVAL;
        }
        l4 = RTE_MBUF_F_TX_TCP_CKSUM;
        l4_len = m->l4_len;
    }
    if (!l4 && !(ol & RTE_MBUF_F_TX_IP_CKSUM)) {
        return 0;
    }
    if (!(ol & RTE_MBUF_F_TX_IPV6) == !(ol & RTE_MBUF_F_TX_IPV4)
        && (ol & RTE_MBUF_F_TX_IPV6 || l4)) {
        /* Both, or neither. */
        return EINVAL;
    }
    if (ol & RTE_MBUF_F_TX_IPV6) {
        if (ol & RTE_MBUF_F_TX_IP_CKSUM
            || m->l3_len < sizeof(struct rte_ipv6_hdr)) {
            return EINVAL;
        }
    } else if (m->l3_len < sizeof(struct rte_ipv4_hdr)) {
        return EINVAL;
    }
    if (m->l2_len < RTE_ETHER_HDR_LEN) {
        return EINVAL;
    }
    if (!l4_len) {
        l4_len = (l4 == RTE_MBUF_F_TX_TCP_CKSUM ? sizeof(struct rte_tcp_hdr)
                  : l4 == RTE_MBUF_F_TX_UDP_CKSUM ? sizeof(struct rte_udp_hdr)
                  : l4 ? sizeof(struct rte_sctp_hdr)
                  : 0);
    }
    return headers + l4_len > m->pkt_len ? EINVAL : 0;
}

static uint16_t
nicsim_tx_prepare(void *txq __rte_unused, struct rte_mbuf **pkts,
                  uint16_t n_pkts)
{
    for (uint16_t i = 0; i < n_pkts; i++) {
        const struct rte_mbuf *m = pkts[i];
        int error = (m->nb_segs > NICSIM_MAX_TX_SEGS || !m->pkt_len ? EINVAL
                     : tx_check(m));

        if (error) {
            rte_errno = error;
            return i;
        }
    }
    return n_pkts;
}

/* Gives the mbufs of all descriptors back that the device is done with. */
static void
tx_clean(struct nicsim_txq *txq)
{
    /* The device has read all that is before its head: nobody may write to
     * these descriptors and buffers before we have seen that. */
    uint32_t head = __atomic_load_n(&txq->regs->head, __ATOMIC_ACQUIRE);
    uint32_t n = head - txq->clean;

    if (unlikely(n > txq->tail - txq->clean)) {
        return;
    }
    while (n) {
        uint32_t slot = txq->clean & txq->mask;
        uint32_t k = RTE_MIN(n, txq->mask + 1 - slot);
        struct rte_mbuf **mbufs = &txq->mbufs[slot];

        if (txq->fast_free) {
            rte_mempool_put_bulk(mbufs[0]->pool, (void **) mbufs, k);
        } else {
            rte_pktmbuf_free_bulk(mbufs, k);
        }
        txq->clean += k;
        n -= k;
    }
}

int
nicsim_tx_done_cleanup(void *txq_, uint32_t n __rte_unused)
{
    struct nicsim_txq *txq = txq_;
    uint32_t clean = txq->clean;

    if (!txq->regs) {
        return 0;
    }
    tx_clean(txq);
    return txq->clean - clean;
}

/* Returns how many descriptors are free, after a look at what the device is
 * done with if these are fewer than 'n'. */
static uint32_t
tx_get_free(struct nicsim_txq *txq, uint32_t n)
{
    uint32_t size = txq->mask + 1;

    if (size - (txq->tail - txq->clean) < n) {
        tx_clean(txq);
    }
    return size - (txq->tail - txq->clean);
}

/* Fills what descriptor 'd' says of a whole packet with offload requests. */
static uint16_t
tx_fill_offloads(struct nicsim_tx_desc *d, const struct rte_mbuf *m)
{
    uint64_t ol = m->ol_flags;
    uint16_t flags = 0;

    if (ol & RTE_MBUF_F_TX_IP_CKSUM) {
        flags |= NICSIM_TX_IPV4_CSUM;
    }
    if (ol & RTE_MBUF_F_TX_TCP_SEG) {
        flags |= NICSIM_TX_TSO | NICSIM_TX_TCP_CSUM;
        if (!(ol & RTE_MBUF_F_TX_IPV6)) {
            flags |= NICSIM_TX_IPV4_CSUM;
        }
        d->mss = m->tso_segsz;
    } else {
        switch (ol & RTE_MBUF_F_TX_L4_MASK) {
        case RTE_MBUF_F_TX_TCP_CKSUM:
            flags |= NICSIM_TX_TCP_CSUM;
            break;
        case RTE_MBUF_F_TX_UDP_CKSUM:
            flags |= NICSIM_TX_UDP_CSUM;
            break;
        case RTE_MBUF_F_TX_SCTP_CKSUM:
            flags |= NICSIM_TX_SCTP_CSUM;
            break;
        }
    }
    if (ol & RTE_MBUF_F_TX_IPV6) {
        flags |= NICSIM_TX_IPV6;
    }
    if (ol & RTE_MBUF_F_TX_VLAN) {
        flags |= NICSIM_TX_VLAN;
        d->vlan_tci = m->vlan_tci;
    }
    d->l2_len = m->l2_len;
    d->l3_len = m->l3_len;
    d->l4_len = m->l4_len;
    return flags;
}

/* Puts the chain 'm' into the descriptors from txq->tail on, which are free.
 * Returns the number used. */
static uint32_t
tx_put_chain(struct nicsim_txq *txq, struct rte_mbuf *m)
{
    uint32_t tail = txq->tail;
    struct nicsim_tx_desc *d = &txq->ring[tail & txq->mask];
    uint16_t flags = m->ol_flags & TX_FLAGS_WORK ? tx_fill_offloads(d, m) : 0;

    for (const struct rte_mbuf *seg = m; seg; seg = seg->next) {
        if (seg->data_len) {
            d = &txq->ring[tail & txq->mask];
            d->addr = (uintptr_t) rte_pktmbuf_mtod(seg, void *);
            d->len = seg->data_len;
            d->flags = tail == txq->tail ? flags : 0;
            txq->mbufs[tail++ & txq->mask] = NULL;
        }
    }
    d->flags |= NICSIM_TX_EOP;
    txq->mbufs[(tail - 1) & txq->mask] = m;
    return tail - txq->tail;
}

static void
tx_refuse(struct nicsim_txq *txq, struct rte_mbuf *m)
{
    counter_add(&txq->refused, 1);
    rte_pktmbuf_free(m);
}

/* Sends the not so simple packet 'm': offloads, several segments, or nothing
 * in it.  Returns the number of descriptors used; 0 if there is no room; -1 if
 * the packet was refused and freed. */
static int
tx_put_special(struct nicsim_txq *txq, struct rte_mbuf *m)
{
    if (!m->pkt_len || m->nb_segs > NICSIM_MAX_TX_SEGS
        || (txq->fast_free && m->nb_segs > 1)
        || (m->ol_flags & TX_FLAGS_WORK && tx_check(m))) {
        tx_refuse(txq, m);
        return -1;
    }

    /* Nothing may be written before there is room for all: in a full ring, the
     * next slot has a frame that the device has yet to read. */
    if (tx_get_free(txq, m->nb_segs) < m->nb_segs) {
        return 0;
    }
    return tx_put_chain(txq, m);
}

static void
tx_kick(struct nicsim_txq *txq)
{
    uint64_t one = 1;

    if (!__atomic_exchange_n(&txq->bar->kick_wanted, 0, __ATOMIC_SEQ_CST)) {
        return;                         /* Another queue's thread does it. */
    }
    /* The eventfd can't be full: the device reads it before it sleeps. */
    if (write(txq->doorbell, &one, sizeof one) == sizeof one) {
        counter_add(&txq->kicks, 1);
    }
}

static uint16_t
nicsim_tx_burst(void *txq_, struct rte_mbuf **pkts, uint16_t n_pkts)
{
    struct nicsim_txq *txq = txq_;
    uint32_t size = txq->mask + 1;
    uint32_t start = txq->tail;
    uint32_t n_free = size - (start - txq->clean);
    uint16_t n;

    if (unlikely(__atomic_load_n(txq->dead, __ATOMIC_RELAXED))) {
        return 0;
    }
    if (size - n_free >= txq->clean_at || n_free < n_pkts) {
        tx_clean(txq);
        n_free = size - (start - txq->clean);
    }
    for (n = 0; n < n_pkts; n++) {
        struct rte_mbuf *m = pkts[n];

        if (likely(n + 4 < n_pkts)) {
            rte_prefetch0(pkts[n + 4]);
        }
        if (likely(!(m->ol_flags & TX_FLAGS_WORK) && m->nb_segs == 1
                   && m->data_len)) {
            uint32_t slot = txq->tail & txq->mask;
            struct nicsim_tx_desc *d = &txq->ring[slot];

            if (unlikely(!n_free)) {
                break;
            }
            d->addr = (uintptr_t) rte_pktmbuf_mtod(m, void *);
            d->len = m->data_len;
            d->flags = NICSIM_TX_EOP;
            txq->mbufs[slot] = m;
            txq->tail++;
            n_free--;
        } else {
            int used = tx_put_special(txq, m);

            if (!used) {
                break;
            }
            if (used > 0) {
                txq->tail += used;
                n_free = size - (txq->tail - txq->clean);
            }
        }
    }
    if (txq->tail != start) {
        /* All descriptors must be visible before the new tail is. */
        __atomic_store_n(&txq->regs->tail, txq->tail, __ATOMIC_RELEASE);
        /* The new tail must be visible before we look whether the device
         * might sleep (see hw.h). */
        rte_smp_mb();
        if (unlikely(txq->bar->kick_wanted)) {
            tx_kick(txq);
        }
    }
    return n;
}

/* 'offset' counts from where the next packet goes: what the device has yet to
 * send is in the slots before that, which are the last ones of the ring. */
static int
nicsim_tx_descriptor_status(void *txq_, uint16_t offset)
{
    const struct nicsim_txq *txq = txq_;
    uint32_t n_full;

    if (offset > txq->mask) {
        return -EINVAL;
    }
    if (!txq->regs) {
        return RTE_ETH_TX_DESC_UNAVAIL;
    }
    n_full = txq->tail - __atomic_load_n(&txq->regs->head, __ATOMIC_ACQUIRE);
    return (offset + n_full > txq->mask ? RTE_ETH_TX_DESC_FULL
            : RTE_ETH_TX_DESC_DONE);
}

void
nicsim_rxtx_set_functions(struct rte_eth_dev *dev)
{
    dev->rx_pkt_burst = nicsim_rx_burst;
    dev->tx_pkt_burst = nicsim_tx_burst;
    dev->tx_pkt_prepare = nicsim_tx_prepare;
    dev->rx_queue_count = nicsim_rx_queue_count;
    dev->rx_descriptor_status = nicsim_rx_descriptor_status;
    dev->tx_descriptor_status = nicsim_tx_descriptor_status;
}
