/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-virtq.h"

#include <linux/virtio_net.h>

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_net.h>

#include "coverage.h"
#include "util.h"
#include "vdpa-guest-memory.h"
#include "vdpa-requests.h"
#include "vdpa-virtq-chain.h"
#include "vdpa-virtq-ring.h"

COVERAGE_DEFINE(vdpa_guest_bad_packet);
COVERAGE_DEFINE(vdpa_guest_queue_shared);

/* Bytes of a frame: the largest datagram, its Ethernet header and two VLAN
 * tags. */
#define MAX_FRAME (UINT16_MAX + RTE_ETHER_HDR_LEN + 8)

/* Its address is the calling thread's own. */
static __thread char this_thread;

/* Counts a packet that is dropped, since it is none. */
static void
virtq_drop(struct vdpa_virtq *vq)
{
    COVERAGE_INC(vdpa_guest_bad_packet);
    count_error(vq);
}

/* The calling thread begins to work on 'vq', or ends that.  If another thread
 * does so at the same time, it is counted: that must never be. */
static inline void
virtq_begin(struct vdpa_virtq *vq)
{
    const void *server;

    atomic_read_relaxed(&vq->server, &server);
    if (OVS_UNLIKELY(server)) {
        COVERAGE_INC(vdpa_guest_queue_shared);
    }
    atomic_store_relaxed(&vq->server, &this_thread);
}

static inline void
virtq_end(struct vdpa_virtq *vq)
{
    const void *server;

    atomic_read_relaxed(&vq->server, &server);
    if (OVS_UNLIKELY(server != &this_thread)) {
        COVERAGE_INC(vdpa_guest_queue_shared);
    }
    atomic_store_relaxed(&vq->server, NULL);
    virtq_lacks_memory(vq);
}

/* Receiving
 * ========= */

enum outcome {
    TAKEN,                      /* It is in the packet. */
    DROPPED,                    /* It is no packet. */
    NO_ROOM,                    /* It has to wait for packet buffers. */
    BROKEN,                     /* It is nothing that may be in a ring. */
};

/* Appends a segment to 'pkt', whose last one is '*lastp'. */
static bool
add_segment(struct rte_mbuf *pkt, struct rte_mbuf **lastp,
            struct rte_mempool *pool)
{
    struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);

    if (!seg) {
        return false;
    }
    (*lastp)->next = seg;
    *lastp = seg;
    pkt->nb_segs++;
    return true;
}

/* Copies the buffer of 'chain' into 'pkt', that is empty. */
static inline enum outcome
receive_chain(struct chain *chain, struct rte_mbuf *pkt,
              struct rte_mempool *pool, bool linear)
{
    struct vdpa_virtq *vq = chain->vq;
    enum outcome outcome = TAKEN;
    struct rte_mbuf *last = pkt;
    unsigned int hdr_len = 0;
    struct piece piece;
    union {
        struct virtio_net_hdr hdr;
        uint8_t bytes[sizeof(struct virtio_net_hdr_mrg_rxbuf)];
    } hdr;

    while (chain_next(chain, &piece)) {
        if (OVS_UNLIKELY(piece.writable)) {
            chain_break(chain, "a buffer that is to be sent is writable");
            break;
        }

        /* A chain is followed to its end also if its packet is dropped. */
        while (piece.len && outcome == TAKEN) {
            uint32_t len;
            const uint8_t *p = piece_map(chain, &piece, &len);

            if (OVS_UNLIKELY(!p)) {
                break;
            }
            if (hdr_len < vq->hdr_len) {
                uint32_t n = MIN(len, vq->hdr_len - hdr_len);

                memcpy(hdr.bytes + hdr_len, p, n);
                hdr_len += n;
                p += n;
                len -= n;
            }
            if (OVS_UNLIKELY(len > MAX_FRAME - pkt->pkt_len)) {
                outcome = DROPPED;
                break;
            }
            while (len) {
                uint32_t n = MIN(len, rte_pktmbuf_tailroom(last));

                rte_memcpy(rte_pktmbuf_mtod_offset(last, void *,
                                                   last->data_len), p, n);
                last->data_len += n;
                pkt->pkt_len += n;
                p += n;
                len -= n;
                if (len) {
                    if (linear) {
                        outcome = DROPPED;
                        break;
                    } else if (!add_segment(pkt, &last, pool)) {
                        outcome = NO_ROOM;
                        break;
                    }
                }
            }
        }
    }
    if (OVS_UNLIKELY(chain->broken)) {
        return BROKEN;
    }
    if (outcome == TAKEN
        && (pkt->pkt_len < RTE_ETHER_HDR_LEN
            || (vq->has_requests
                && !vdpa_requests_read(pkt, &hdr.hdr)))) {
        return DROPPED;
    }
    return outcome;
}

/* Frees all but the first segment of 'pkt', which is as it was when it was
 * new. */
static void
empty_packet(struct rte_mbuf *pkt)
{
    rte_pktmbuf_free(pkt->next);
    pkt->next = NULL;
    rte_pktmbuf_reset(pkt);
}

/* Copies up to 'n_avail' packets that the guest sends, with as many packet
 * buffers in 'pkts'.  Returns the number of packets. */
static unsigned int
receive_burst(struct vdpa_virtq *vq, struct rte_mempool *pool, bool linear,
              struct rte_mbuf **pkts, unsigned int n_avail)
{
    unsigned int n_pkts = 0, n_used = 0, n_slots = 0;
    unsigned int slot = vq->idx;
    bool wrap = vq->wrap;

    prefetch_buffer(vq, vq->packed ? slot : split_head(vq, vq->idx));
    while (n_used < n_avail && vq->work < VDPA_VIRTQ_MAX_WORK) {
        enum outcome outcome;
        struct chain chain;
        uint16_t head;

        if (vq->packed) {
            if (n_used && !packed_is_avail(vq, slot, wrap)) {
                break;
            }
            head = slot;
            prefetch_buffer(vq, slot + 1);
        } else {
            head = split_head(vq, vq->idx + n_used);
            if (n_used + 1 < n_avail) {
                prefetch_buffer(vq, split_head(vq, vq->idx + n_used + 1));
            }
        }
        chain_begin(&chain, vq, head);
        outcome = receive_chain(&chain, pkts[n_pkts], pool, linear);
        vq->work += chain.n;
        if (OVS_LIKELY(outcome == TAKEN)) {
            n_pkts++;
        } else {
            empty_packet(pkts[n_pkts]);
            if (outcome != DROPPED) {
                break;
            }
            virtq_drop(vq);
        }

        if (vq->packed) {
            n_slots += chain.n_slots;
            if (OVS_UNLIKELY(n_slots > vq->size)) {
                virtq_break(vq, "more descriptors are available than a ring "
                            "has");
                break;
            }
            vq->shadow[n_used].slot = slot;
            vq->shadow[n_used].id = chain.id;
            vq->shadow[n_used].len = 0;
            vq->shadow[n_used].chained = chain.n_slots > 1;
            wrap ^= chain.slot <= slot;
            slot = chain.slot;
        } else {
            split_put_used(vq, vq->idx + n_used, head, 0);
        }
        n_used++;
    }

    if (n_used) {
        if (vq->packed) {
            packed_publish(vq, n_used, false, false);
            vq->idx = slot;
            vq->wrap = wrap;
        } else {
            vq->idx += n_used;
            split_publish(vq);
            n_slots = n_used;
        }
        virtq_call(vq, n_slots);
    }
    return n_pkts;
}

/* Receives up to 'max' packets, VDPA_VIRTQ_BURST at most, that the guest sends
 * on 'vq' into 'pkts', whose buffers come from 'pool'.  Packets have one
 * segment each if 'linear' is true: others are dropped.  The packets' receive
 * flags have the guest's requests, as vdpa_requests_from_guest() takes them.
 * Returns the number of packets. */
unsigned int
vdpa_virtq_receive(struct vdpa_virtq *vq, struct rte_mempool *pool,
                   bool linear, struct rte_mbuf **pkts, unsigned int max)
{
    unsigned int n_avail, n = 0;

    if (OVS_UNLIKELY(vdpa_virtq_stopped(vq)) || virtq_lacks_memory(vq)) {
        return 0;
    }
    vq->work = 0;
    virtq_begin(vq);
    n_avail = count_avail(vq, MIN(max, VDPA_VIRTQ_BURST));
    if (n_avail && !rte_pktmbuf_alloc_bulk(pool, pkts, n_avail)) {
        n = receive_burst(vq, pool, linear, pkts, n_avail);
        if (n < n_avail) {
            rte_pktmbuf_free_bulk(pkts + n, n_avail - n);
        }
    }
    virtq_end(vq);
    return n;
}

/* Sending
 * ======= */

/* A packet on its way into buffers: its virtio-net header first, then its
 * segments. */
struct source {
    const struct rte_mbuf *seg; /* The one that follows 'p'. */
    const uint8_t *p;
    uint32_t len;               /* Bytes at 'p'. */
    uint32_t left;              /* Bytes altogether. */
    uint32_t done;
    uint8_t *num_buffers[2];    /* Where these bytes of the header went. */
};

static void
source_init(struct source *source, const struct rte_mbuf *pkt,
            const struct virtio_net_hdr_mrg_rxbuf *hdr, unsigned int hdr_len)
{
    source->seg = pkt;
    source->p = (const void *) hdr;
    source->len = hdr_len;
    source->left = hdr_len + pkt->pkt_len;
    source->done = 0;
    source->num_buffers[0] = source->num_buffers[1] = NULL;
}

/* Copies 'len' bytes of 'source', that must have them, to 'p'. */
static inline void
source_copy(struct source *source, uint8_t *p, uint32_t len)
{
    const uint32_t field = offsetof(struct virtio_net_hdr_mrg_rxbuf,
                                    num_buffers);

    if (OVS_UNLIKELY(source->done <= field + 1)) {
        for (uint32_t i = 0; i < 2; i++) {
            if (source->done <= field + i && source->done + len > field + i) {
                source->num_buffers[i] = p + (field + i - source->done);
            }
        }
    }
    source->done += len;
    source->left -= len;
    while (len) {
        uint32_t n;

        while (!source->len) {
            source->p = rte_pktmbuf_mtod(source->seg, const uint8_t *);
            source->len = source->seg->data_len;
            source->seg = source->seg->next;
        }
        n = MIN(len, source->len);
        rte_memcpy(p, source->p, n);
        source->p += n;
        source->len -= n;
        p += n;
        len -= n;
    }
}

/* Copies of 'source' what the buffer of 'chain' has room for.  Returns the
 * number of bytes. */
static inline uint32_t
send_chain(struct chain *chain, struct source *source)
{
    const struct vdpa_virtq *vq = chain->vq;
    uint32_t before = source->left;
    struct piece piece;

    /* What is left of a chain matters only for where the next one begins, in a
     * packed ring. */
    while ((source->left || (vq->packed && !chain->n_table))
           && chain_next(chain, &piece)) {
        if (OVS_UNLIKELY(!piece.writable)) {
            chain_break(chain, "a buffer for receiving cannot be written to");
            break;
        }
        piece.len = MIN(piece.len, source->left);
        while (piece.len) {
            uint64_t gpa = piece.gpa;
            uint32_t len;
            uint8_t *p = piece_map(chain, &piece, &len);

            if (OVS_UNLIKELY(!p)) {
                break;
            }
            source_copy(source, p, len);
            vdpa_guest_memory_log(vq->memory, gpa, len);
        }
    }
    return before - source->left;
}

/* Copies 'source' into as many of the buffers of 'vq' as are needed, from
 * position 'idx' on.  Stores their number into '*n_usedp', and if the ring is
 * packed, that of their descriptors into '*n_slotsp'. */
static inline enum outcome
send_source(struct vdpa_virtq *vq, struct source *source,
            unsigned int n_avail, unsigned int *n_usedp,
            unsigned int *n_slotsp)
{
    unsigned int n = 0, n_slots = 0, work = 0;
    unsigned int slot = vq->idx;
    bool wrap = vq->wrap;

    do {
        struct chain chain;
        uint32_t len;

        if (n >= n_avail
            || (vq->packed && !packed_is_avail(vq, slot, wrap))) {
            return NO_ROOM;
        }
        chain_begin(&chain, vq, vq->packed ? slot : split_head(vq,
                                                               vq->idx + n));
        len = send_chain(&chain, source);
        work += chain.n;
        vq->work += chain.n;
        if (OVS_UNLIKELY(chain.broken)) {
            return BROKEN;
        }
        n_slots += chain.n_slots;
        if (OVS_UNLIKELY(n_slots > vq->size)) {
            virtq_break(vq, "more descriptors are available than a ring has");
            return BROKEN;
        }
        vq->shadow[n].slot = slot;
        vq->shadow[n].id = chain.id;
        vq->shadow[n].len = len;
        vq->shadow[n].chained = chain.n_slots > 1;
        n++;
        if (vq->packed) {
            wrap ^= chain.slot <= slot;
            slot = chain.slot;
        }
        if (source->left
            && (!vq->mergeable || work >= VDPA_VIRTQ_MAX_CHAIN)) {
            return DROPPED;
        }
    } while (source->left);
    *n_usedp = n;
    *n_slotsp = n_slots;
    return TAKEN;
}

/* Stores 'byte' into the guest's memory at 'p'. */
static void
put_byte(struct vdpa_virtq *vq, uint8_t *p, uint8_t byte)
{
    uint64_t gpa;

    *p = byte;
    if (OVS_UNLIKELY(vq->memory->log)
        && vdpa_guest_memory_gpa(vq->memory, p, 1, &gpa)) {
        vdpa_guest_memory_log(vq->memory, gpa, 1);
    }
}

/* Makes the header for 'pkt', whose transmit flags say what is left to do. */
static void
make_header(struct rte_mbuf *pkt, struct virtio_net_hdr_mrg_rxbuf *hdr)
{
    memset(hdr, 0, sizeof *hdr);
    hdr->num_buffers = 1;
    if (OVS_UNLIKELY(pkt->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) {
        rte_net_intel_cksum_prepare(pkt);
        hdr->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        hdr->hdr.gso_type = (pkt->ol_flags & RTE_MBUF_F_TX_IPV4
                             ? VIRTIO_NET_HDR_GSO_TCPV4
                             : VIRTIO_NET_HDR_GSO_TCPV6);
        hdr->hdr.gso_size = pkt->tso_segsz;
        hdr->hdr.hdr_len = pkt->l2_len + pkt->l3_len + pkt->l4_len;
        hdr->hdr.csum_start = pkt->l2_len + pkt->l3_len;
        hdr->hdr.csum_offset = offsetof(struct rte_tcp_hdr, cksum);
    }
}

/* Sends 'pkt' to the guest.  '*n_availp' is the number of buffers that are
 * available, at most that if the ring is packed.  Adds what virtq_call() wants
 * to know to '*movedp'. */
static enum outcome
send_packet(struct vdpa_virtq *vq, struct rte_mbuf *pkt,
            unsigned int *n_availp, unsigned int *movedp)
{
    struct virtio_net_hdr_mrg_rxbuf hdr;
    unsigned int n_used, n_slots;
    struct source source;
    enum outcome outcome;

    make_header(pkt, &hdr);
    source_init(&source, pkt, &hdr, vq->hdr_len);
    outcome = send_source(vq, &source, *n_availp, &n_used, &n_slots);
    if (outcome != TAKEN) {
        return outcome;
    }

    if (n_used > 1) {
        /* The guest's numbers are little-endian, whatever this machine's. */
        put_byte(vq, source.num_buffers[0], n_used & 0xff);
        put_byte(vq, source.num_buffers[1], n_used >> 8);
    }
    if (vq->packed) {
        packed_publish(vq, n_used, true, true);
        packed_advance(vq, n_slots);
        *movedp += n_slots;
    } else {
        for (unsigned int i = 0; i < n_used; i++) {
            split_put_used(vq, vq->idx + i, vq->shadow[i].id,
                           vq->shadow[i].len);
        }
        vq->idx += n_used;
        *n_availp -= n_used;
        *movedp += n_used;
    }
    return TAKEN;
}

/* Sends up to 'n' packets in 'pkts' to the guest, VDPA_VIRTQ_BURST at most, in
 * buffers that it made available on 'vq'.  A packet that would take more than
 * VDPA_VIRTQ_MAX_CHAIN descriptors is dropped.  The packets' transmit flags
 * have what vdpa_requests_to_guest() made of them.  Returns the number of
 * packets that were dealt with, fewer than 'n' if there is no room now; they
 * are still the caller's.  Adds the number of those of them that were dropped,
 * since no buffer could hold them, to '*n_droppedp', and their bytes to
 * '*bytes_droppedp'. */
unsigned int
vdpa_virtq_send(struct vdpa_virtq *vq, struct rte_mbuf *const *pkts,
                unsigned int n, unsigned int *n_droppedp,
                uint64_t *bytes_droppedp)
{
    unsigned int n_avail = vq->size, i;
    unsigned int n_used = 0;

    if (OVS_UNLIKELY(vdpa_virtq_stopped(vq)) || virtq_lacks_memory(vq)) {
        return 0;
    }
    vq->work = 0;
    virtq_begin(vq);
    if (!vq->packed && !split_count_avail(vq, &n_avail)) {
        n = 0;
    }
    n = MIN(n, VDPA_VIRTQ_BURST);
    for (i = 0; i < n && vq->work < VDPA_VIRTQ_MAX_WORK; i++) {
        enum outcome outcome = send_packet(vq, pkts[i], &n_avail, &n_used);

        if (OVS_LIKELY(outcome == TAKEN)) {
            /* The next one. */
        } else if (outcome == DROPPED) {
            virtq_drop(vq);
            *n_droppedp += 1;
            *bytes_droppedp += pkts[i]->pkt_len;
        } else {
            break;
        }
    }
    if (n_used) {
        if (!vq->packed) {
            split_publish(vq);
        }
        virtq_call(vq, n_used);
    }
    virtq_end(vq);
    return i;
}
