/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-virtq.h"

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>

#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_net.h>
#include <rte_prefetch.h>

#include "coverage.h"
#include "util.h"
#include "vdpa-guest-memory.h"
#include "vdpa-offload.h"

COVERAGE_DEFINE(vdpa_guest_queue_stopped);
COVERAGE_DEFINE(vdpa_guest_bad_packet);

/* Descriptors of a chain, far more than any driver makes. */
#define MAX_CHAIN 1024

/* Descriptors after which a call ends early. */
#define MAX_WORK 4096

/* Bytes of a frame: the largest datagram, its Ethernet header and two VLAN
 * tags. */
#define MAX_FRAME (UINT16_MAX + RTE_ETHER_HDR_LEN + 8)

#define PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED (1u << VRING_PACKED_DESC_F_USED)

static void
count_error(struct vdpa_virtq *vq)
{
    uint64_t errors;

    atomic_read_relaxed(&vq->errors, &errors);
    atomic_store_relaxed(&vq->errors, errors + 1);
}

/* Stops 'vq' for 'reason'. */
static void
virtq_break(struct vdpa_virtq *vq, const char *reason)
{
    COVERAGE_INC(vdpa_guest_queue_stopped);
    count_error(vq);
    atomic_store_relaxed(&vq->stopped, reason);
}

/* Counts a packet that is dropped, since it is none. */
static void
virtq_drop(struct vdpa_virtq *vq)
{
    COVERAGE_INC(vdpa_guest_bad_packet);
    count_error(vq);
}

/* Chains of descriptors
 * ===================== */

/* A buffer of the guest's, on the way through its descriptors. */
struct chain {
    struct vdpa_virtq *vq;
    uint64_t table;             /* Guest's address of an indirect table. */
    uint32_t n_table;           /* Its descriptors, 0 without a table. */
    uint32_t next;              /* Next descriptor in split ring or table. */
    uint16_t slot;              /* Next descriptor in packed ring. */
    uint32_t n;                 /* Descriptors up to now. */
    uint16_t n_slots;           /* Those of them in the ring itself. */
    uint16_t id;                /* The guest's name for the buffer. */
    bool more;
    bool broken;
};

/* A piece of a buffer. */
struct piece {
    uint64_t gpa;
    uint32_t len;
    bool writable;
};

static inline bool
packed_is_avail(const struct vdpa_virtq *vq, unsigned int slot, bool wrap)
{
    uint16_t flags = __atomic_load_n(&vq->packed_desc[slot].flags,
                                     __ATOMIC_ACQUIRE);

    return ((flags & (PACKED_AVAIL | PACKED_USED))
            == (wrap ? PACKED_AVAIL : PACKED_USED));
}

static inline void
chain_begin(struct chain *chain, struct vdpa_virtq *vq, unsigned int first)
{
    chain->vq = vq;
    chain->n_table = 0;
    chain->next = chain->slot = first;
    chain->n = chain->n_slots = 0;
    chain->id = first;
    chain->more = true;
    chain->broken = false;
}

static bool
chain_break(struct chain *chain, const char *reason)
{
    virtq_break(chain->vq, reason);
    chain->broken = true;
    chain->more = false;
    return false;
}

/* Goes on with the table that 'piece' has. */
static bool
chain_enter_table(struct chain *chain, const struct piece *piece)
{
    if (chain->n_table || chain->more) {
        return chain_break(chain, "an indirect descriptor is where virtio "
                           "allows none");
    }
    chain->table = piece->gpa;
    chain->n_table = piece->len / sizeof(struct vring_desc);
    chain->next = 0;
    chain->more = true;
    if (!chain->n_table || piece->len % sizeof(struct vring_desc)) {
        return chain_break(chain, "an indirect table has an odd size");
    }
    return true;
}

/* Copies the next descriptor of the table into 'desc'. */
static bool
chain_read_table(struct chain *chain, void *desc)
{
    struct vdpa_virtq *vq = chain->vq;
    uint64_t len = sizeof(struct vring_desc);
    const uint8_t *p;

    p = vdpa_guest_memory_find(vq->memory, &vq->hint,
                               chain->table + chain->next * len, &len);
    if (!p || len < sizeof(struct vring_desc)) {
        return chain_break(chain, "an indirect table is outside of the "
                           "guest's memory");
    }
    memcpy(desc, p, sizeof(struct vring_desc));
    return true;
}

static inline bool
chain_next_split(struct chain *chain, struct piece *piece, uint16_t *flagsp)
{
    struct vdpa_virtq *vq = chain->vq;
    struct vring_desc desc;

    if (OVS_UNLIKELY(chain->next >= (chain->n_table ? chain->n_table
                                     : vq->size))) {
        return chain_break(chain, "a descriptor's number is too high");
    }
    if (OVS_UNLIKELY(chain->n >= (chain->n_table ? MAX_CHAIN : vq->size))) {
        return chain_break(chain, "a chain of descriptors has no end");
    }
    if (OVS_LIKELY(!chain->n_table)) {
        memcpy(&desc, &vq->desc[chain->next], sizeof desc);
    } else if (!chain_read_table(chain, &desc)) {
        return false;
    }

    /* From here on nobody can change what was read. */
    atomic_signal_fence(memory_order_seq_cst);
    piece->gpa = desc.addr;
    piece->len = desc.len;
    *flagsp = desc.flags;
    chain->more = desc.flags & VRING_DESC_F_NEXT;
    chain->next = desc.next;
    return true;
}

static inline bool
chain_next_packed(struct chain *chain, struct piece *piece, uint16_t *flagsp)
{
    struct vdpa_virtq *vq = chain->vq;
    struct vring_packed_desc desc;

    if (OVS_UNLIKELY(chain->n_table)) {
        if (!chain_read_table(chain, &desc)) {
            return false;
        }
        chain->more = ++chain->next < chain->n_table;
    } else {
        if (OVS_UNLIKELY(chain->n_slots >= vq->size)) {
            return chain_break(chain, "a chain of descriptors is longer than "
                               "its ring");
        }
        memcpy(&desc, &vq->packed_desc[chain->slot], sizeof desc);
        atomic_signal_fence(memory_order_seq_cst);
        chain->n_slots++;
        chain->id = desc.id;
        chain->more = desc.flags & VRING_DESC_F_NEXT;
        if (++chain->slot >= vq->size) {
            chain->slot = 0;
        }
    }
    atomic_signal_fence(memory_order_seq_cst);
    piece->gpa = desc.addr;
    piece->len = desc.len;
    *flagsp = desc.flags;
    return true;
}

/* Stores the next piece of the buffer into '*piece' and returns true.  Returns
 * false if there is none: 'chain->broken' is true if that breaks the rules. */
static inline bool
chain_next(struct chain *chain, struct piece *piece)
{
    uint16_t flags;

    while (chain->more) {
        if (OVS_UNLIKELY(chain->n >= MAX_CHAIN)) {
            return chain_break(chain, "a chain of descriptors is too long");
        }
        if (!(chain->vq->packed ? chain_next_packed(chain, piece, &flags)
              : chain_next_split(chain, piece, &flags))) {
            return false;
        }
        chain->n++;
        if (OVS_UNLIKELY(flags & VRING_DESC_F_INDIRECT)) {
            if (!chain_enter_table(chain, piece)) {
                return false;
            }
            continue;
        }
        piece->writable = flags & VRING_DESC_F_WRITE;
        return true;
    }
    return false;
}

/* Returns where the next bytes of 'piece' are, as many as '*lenp' becomes, and
 * takes them off 'piece', that must not be empty. */
static inline uint8_t *
piece_map(struct chain *chain, struct piece *piece, uint32_t *lenp)
{
    struct vdpa_virtq *vq = chain->vq;
    uint64_t len = piece->len;
    uint8_t *p;

    p = vdpa_guest_memory_find(vq->memory, &vq->hint, piece->gpa, &len);
    if (OVS_UNLIKELY(!p)) {
        chain_break(chain, "a descriptor's address is outside of the guest's "
                    "memory");
        return NULL;
    }
    piece->gpa += len;
    piece->len -= len;
    *lenp = len;
    return p;
}

/* Used buffers
 * ============ */

/* Tells the guest of the 'n' buffers in 'vq->shadow', that were used one after
 * the other from 'vq->idx' on.  They appear one by one, or all at once if
 * 'whole' is true.  See vdpa-virtq.c for the flags that no driver minds. */
static void
packed_publish(struct vdpa_virtq *vq, unsigned int n, bool whole, bool writes)
{
    uint16_t flags = writes ? VRING_DESC_F_WRITE : 0;
    uint16_t first_flags = 0;

    for (unsigned int i = 0; i < n; i++) {
        const struct vdpa_virtq_used *used = &vq->shadow[i];
        struct vring_packed_desc *desc = &vq->packed_desc[used->slot];
        bool wrap = used->slot >= vq->idx ? vq->wrap : !vq->wrap;
        uint16_t now = (flags | (wrap ? PACKED_AVAIL | PACKED_USED : 0)
                        | (used->chained ? VRING_DESC_F_NEXT
                           : VRING_DESC_F_INDIRECT));

        desc->id = used->id;
        desc->len = used->len;
        vdpa_guest_memory_log(vq->memory,
                              vq->log_gpa + used->slot * sizeof *desc,
                              sizeof *desc);
        if (whole && !i) {
            first_flags = now;
        } else {
            __atomic_store_n(&desc->flags, now, __ATOMIC_RELEASE);
        }
    }
    if (whole && n) {
        __atomic_store_n(&vq->packed_desc[vq->shadow[0].slot].flags,
                         first_flags, __ATOMIC_RELEASE);
    }
}

static void
split_put_used(struct vdpa_virtq *vq, uint16_t idx, uint16_t id, uint32_t len)
{
    unsigned int i = idx & (vq->size - 1);

    vq->used->ring[i].id = id;
    vq->used->ring[i].len = len;
    vdpa_guest_memory_log(vq->memory,
                          vq->log_gpa + offsetof(struct vring_used, ring[i]),
                          sizeof vq->used->ring[i]);
}

static void
split_publish(struct vdpa_virtq *vq)
{
    __atomic_store_n(&vq->used->idx, vq->idx, __ATOMIC_RELEASE);
    vdpa_guest_memory_log(vq->memory,
                          vq->log_gpa + offsetof(struct vring_used, idx),
                          sizeof vq->used->idx);
}

/* Takes the 'n_slots' descriptors of buffers that were used off the packed
 * ring 'vq'. */
static inline void
packed_advance(struct vdpa_virtq *vq, unsigned int n_slots)
{
    unsigned int idx = vq->idx + n_slots;

    if (idx >= vq->size) {
        idx -= vq->size;
        vq->wrap = !vq->wrap;
    }
    vq->idx = idx;
}

/* Returns true if 'event' is among the 'moved' positions before 'now'. */
static inline bool
was_passed(uint16_t event, uint16_t now, uint16_t moved)
{
    return (uint16_t) (now - event - 1) < moved;
}

/* Interrupts the guest, if it wants that, because of what was used since the
 * last call, when 'vq' was at 'vq->called_idx'. */
static void
virtq_call(struct vdpa_virtq *vq)
{
    uint16_t before = vq->called_idx;
    bool valid = vq->called;
    bool call;

    /* What was used must be there before the guest's wish is read. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    vq->called = true;
    vq->called_idx = vq->idx;
    if (vq->packed) {
        uint32_t event = __atomic_load_n(
            (const uint32_t *) (const void *) vq->driver_event,
            __ATOMIC_RELAXED);
        uint16_t off_wrap = event & UINT16_MAX;
        uint16_t flags = event >> 16;

        if (flags == VRING_PACKED_EVENT_FLAG_DESC && vq->event_idx && valid) {
            uint16_t off = off_wrap & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
            bool wrap = off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR;
            uint16_t moved = (vq->idx + vq->size - before) % vq->size;

            if (wrap != vq->wrap) {
                off -= vq->size;
            }
            call = was_passed(off, vq->idx, moved ? moved : vq->size);
        } else {
            call = flags != VRING_PACKED_EVENT_FLAG_DISABLE;
        }
    } else if (vq->event_idx) {
        uint16_t event = __atomic_load_n(&vq->avail->ring[vq->size],
                                         __ATOMIC_RELAXED);

        call = !valid || was_passed(event, vq->idx, vq->idx - before);
    } else {
        call = !(__atomic_load_n(&vq->avail->flags, __ATOMIC_RELAXED)
                 & VRING_AVAIL_F_NO_INTERRUPT);
    }
    if (call && vq->call_fd >= 0) {
        eventfd_write(vq->call_fd, 1);
    }
}

/* Available buffers
 * ================= */

/* Stores how many buffers of the split ring 'vq' are available into '*np'.
 * Returns false if there cannot be that many. */
static inline bool
split_count_avail(struct vdpa_virtq *vq, unsigned int *np)
{
    uint16_t n = (__atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE)
                  - vq->idx);

    if (OVS_UNLIKELY(n > vq->size)) {
        virtq_break(vq, "the available index jumped");
        return false;
    }
    *np = n;
    return true;
}

static inline uint16_t
split_head(const struct vdpa_virtq *vq, uint16_t idx)
{
    return __atomic_load_n(&vq->avail->ring[idx & (vq->size - 1)],
                           __ATOMIC_RELAXED);
}

/* Returns how many buffers of 'vq' are available, of 'max' that are of
 * interest: if the ring is packed, maybe less. */
static unsigned int
count_avail(struct vdpa_virtq *vq, unsigned int max)
{
    unsigned int slot = vq->idx, n = 0;
    bool wrap = vq->wrap;

    if (!vq->packed) {
        return split_count_avail(vq, &n) ? MIN(n, max) : 0;
    }
    max = MIN(max, vq->size);
    while (n < max && packed_is_avail(vq, slot, wrap)) {
        n++;
        if (++slot >= vq->size) {
            slot = 0;
            wrap = !wrap;
        }
    }
    return n;
}

/* Has the first bytes of the buffer that begins with descriptor 'slot' in the
 * cache when they are needed. */
static inline void
prefetch_buffer(struct vdpa_virtq *vq, unsigned int slot)
{
    if (OVS_LIKELY(slot < vq->size)) {
        uint64_t gpa = (vq->packed ? vq->packed_desc[slot].addr
                        : vq->desc[slot].addr);
        uint64_t len = 1;
        const uint8_t *p;

        p = vdpa_guest_memory_find(vq->memory, &vq->hint, gpa, &len);
        if (p) {
            rte_prefetch0(p);
        }
    }
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
                && !vdpa_offload_read_request(pkt, &hdr.hdr)))) {
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
    unsigned int n_pkts = 0, n_used = 0, n_slots = 0, work = 0;
    unsigned int slot = vq->idx;
    bool wrap = vq->wrap;

    prefetch_buffer(vq, vq->packed ? slot : split_head(vq, vq->idx));
    while (n_used < n_avail && work < MAX_WORK) {
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
        work += chain.n;
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
        }
        virtq_call(vq);
    }
    return n_pkts;
}

/* Receives up to 'max' packets, VDPA_VIRTQ_BURST at most, that the guest sends
 * on 'vq' into 'pkts', whose buffers come from 'pool'.  Packets have one
 * segment each if 'linear' is true: others are dropped.  The packets' receive
 * flags have the guest's requests, as vdpa_offload_from_guest() takes them.
 * Returns the number of packets. */
unsigned int
vdpa_virtq_receive(struct vdpa_virtq *vq, struct rte_mempool *pool,
                   bool linear, struct rte_mbuf **pkts, unsigned int max)
{
    unsigned int n_avail, n = 0;

    if (OVS_UNLIKELY(vdpa_virtq_stopped(vq))) {
        return 0;
    }
    vdpa_guest_memory_begin();
    n_avail = count_avail(vq, MIN(max, VDPA_VIRTQ_BURST));
    if (n_avail && !rte_pktmbuf_alloc_bulk(pool, pkts, n_avail)) {
        n = receive_burst(vq, pool, linear, pkts, n_avail);
        if (n < n_avail) {
            rte_pktmbuf_free_bulk(pkts + n, n_avail - n);
        }
    }
    if (OVS_UNLIKELY(!vdpa_guest_memory_end())) {
        virtq_break(vq, VDPA_VIRTQ_NO_MEMORY);
    }
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

    /* Only of a packed ring it matters how long the chain is. */
    while ((source->left || vq->packed) && chain_next(chain, &piece)) {
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
    unsigned int n = 0, n_slots = 0;
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
        if (source->left && !vq->mergeable) {
            return DROPPED;
        }
    } while (source->left);
    *n_usedp = n;
    *n_slotsp = n_slots;
    return TAKEN;
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
 * available, at most that if the ring is packed. */
static enum outcome
send_packet(struct vdpa_virtq *vq, struct rte_mbuf *pkt,
            unsigned int *n_availp)
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
        *source.num_buffers[0] = n_used & 0xff;
        *source.num_buffers[1] = n_used >> 8;
    }
    if (vq->packed) {
        packed_publish(vq, n_used, true, true);
        packed_advance(vq, n_slots);
    } else {
        for (unsigned int i = 0; i < n_used; i++) {
            split_put_used(vq, vq->idx + i, vq->shadow[i].id,
                           vq->shadow[i].len);
        }
        vq->idx += n_used;
        *n_availp -= n_used;
    }
    return TAKEN;
}

/* Sends up to 'n' packets in 'pkts' to the guest, VDPA_VIRTQ_BURST at most, in
 * buffers that it made available on 'vq'.  The packets' transmit flags have
 * what vdpa_offload_to_guest() made of them.  Returns the number of packets
 * that were dealt with, fewer than 'n' if there is no room now; they are still
 * the caller's.  Adds the number of those of them that were dropped, since no
 * buffer could hold them, to '*n_droppedp', and their bytes to
 * '*bytes_droppedp'. */
unsigned int
vdpa_virtq_send(struct vdpa_virtq *vq, struct rte_mbuf *const *pkts,
                unsigned int n, unsigned int *n_droppedp,
                uint64_t *bytes_droppedp)
{
    unsigned int n_avail = vq->size, i;
    bool used = false;

    if (OVS_UNLIKELY(vdpa_virtq_stopped(vq))) {
        return 0;
    }
    vdpa_guest_memory_begin();
    if (!vq->packed && !split_count_avail(vq, &n_avail)) {
        n = 0;
    }
    n = MIN(n, VDPA_VIRTQ_BURST);
    for (i = 0; i < n; i++) {
        enum outcome outcome = send_packet(vq, pkts[i], &n_avail);

        if (OVS_LIKELY(outcome == TAKEN)) {
            used = true;
        } else if (outcome == DROPPED) {
            virtq_drop(vq);
            *n_droppedp += 1;
            *bytes_droppedp += pkts[i]->pkt_len;
        } else {
            break;
        }
    }
    if (used) {
        if (!vq->packed) {
            split_publish(vq);
        }
        virtq_call(vq);
    }
    if (OVS_UNLIKELY(!vdpa_guest_memory_end())) {
        virtq_break(vq, VDPA_VIRTQ_NO_MEMORY);
    }
    return i;
}
