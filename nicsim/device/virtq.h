/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Virtqueues: a guest's virtio rings as the device serves them.
 * =============================================================
 *
 * Concepts:
 *
 * - A *chain* is one buffer of the guest: one or more pieces of its memory,
 *   described by descriptors in the ring or in an indirect table.
 *
 * - virtq_fetch() reads the chain at a position of the ring; it takes nothing
 *   away.  virtq_put() gives the chain at the ring's own position, vq->pos,
 *   back to the guest, who sees it after virtq_publish().  So a burst can be
 *   abandoned at any point before virtq_put(), chains are given back in the
 *   order in which they were made available, and when nothing is unpublished
 *   the position of the ring says all there is to know: the available and the
 *   used position are the same.
 *
 * - The guest can write rings, tables and buffers at any time, and may lie.
 *   Each descriptor is read once, to registers, and checked from there.  What
 *   can be passed over is an error of the chain; what can't breaks the queue,
 *   which is then not touched any more (virtq_break()).
 *
 * The layouts of rings are virtq-split.c's and virtq-packed.c's.  What costs
 * per packet is here, to be inlined.  Rings are little-endian, as are the
 * machines that this is for. */

#ifndef NICSIM_VIRTQ_H
#define NICSIM_VIRTQ_H 1

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_ring.h>
#include <rte_branch_prediction.h>

#include "dma.h"
#include "guest-position.h"
#include "nicsim/hw.h"
#include "packet.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "virtio rings are little-endian");

struct vdpa;

#define VIRTQ_MAX_PIECES NICSIM_MAX_TX_SEGS     /* Of one chain. */

#define PACKED_AVAIL (1 << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED  (1 << VRING_PACKED_DESC_F_USED)

/* Split: 'idx' counts chains modulo 2**16.  Packed: 'idx' is a slot, 'wrap'
 * the wrap counter there. */
struct virtq_pos {
    uint16_t idx;
    bool wrap;
};

struct virtq_chain {
    uint64_t len;                       /* Bytes of all pieces. */
    uint16_t id;                        /* To be given back. */
    uint16_t n_slots;                   /* That it takes in a packed ring. */
    uint16_t n;                         /* Pieces. */
    uint16_t error;                     /* enum nicsim_vq_error: if not OK,
                                         * the chain has to be passed over. */
};

struct virtq {
    /* What each packet needs. */
    struct vdpa *vdpa;
    struct dma *dma;                    /* The guest's memory. */
    bool running;
    bool packed;
    bool indirect;                      /* Negotiated: INDIRECT_DESC ... */
    bool event_idx;                     /* ... and EVENT_IDX. */
    uint16_t size, mask;                /* 'mask' is for split rings only. */
    struct virtq_pos pos;
    uint16_t avail_seen;                /* Split: available index as read. */
    uint16_t published;                 /* Split: used index as written. */
    uint16_t unpublished;               /* Slots given back since. */
    uint16_t first_slot, first_flags;   /* Packed: the first of these. */
    union {
        struct {                        /* Split. */
            struct vring_desc *desc;
            struct vring_avail *avail;
            struct vring_used *used;
        };
        struct {                        /* Packed. */
            struct vring_packed_desc *ring;
            struct vring_packed_desc_event *driver_event;
            struct vring_packed_desc_event *device_event;
        };
    };
    /* Receive queues: the chain at 'pos', if it was fetched ahead. */
    bool ahead;
    struct virtq_chain next;
    struct packet_frag next_piece;

    int call_fd;                        /* -1: none. */
    bool dirty;                         /* In nic->dirty_vqs. */

    /* The rest. */
    uint16_t index;                     /* Of the device's virtqueues. */
    bool enabled;
    uint8_t why;                        /* enum nicsim_vq_error: broken. */
    bool watched;                       /* 'kick_fd' is in the epoll set. */
    int kick_fd;                        /* -1: none. */
    uint16_t setup_size;                /* 0: not set up. */
    bool fresh;                         /* Not started since then: not 'pos'
                                         * but 'given', as VHOST_SET_VRING_BASE
                                         * has it, is the position. */
    uint16_t given;
    uint64_t desc_addr, avail_addr, used_addr;  /* Guest-physical. */
    uint64_t kicks, calls;
    uint64_t descs;                     /* Descriptors read. */
    uint64_t joined;                    /* Segments, to the one before. */
    uint64_t errors[NICSIM_VQ_N_ERRORS];
};

/* Split rings: virtq-split.c. */
int split_start(struct virtq *, char *why);
bool split_fetch(struct virtq *, struct virtq_pos, bool write,
                 struct virtq_chain *, struct packet_frag *, uint16_t max);
void split_log(struct virtq *, struct virtq_pos old);
bool split_wants_call(struct virtq *, struct virtq_pos old);
void split_want_kick(struct virtq *, bool);

/* Packed rings: virtq-packed.c. */
int packed_start(struct virtq *, char *why);
bool packed_fetch(struct virtq *, struct virtq_pos, bool write,
                  struct virtq_chain *, struct packet_frag *, uint16_t max);
void packed_log(struct virtq *, struct virtq_pos old);
bool packed_wants_call(struct virtq *, uint16_t n_slots);
void packed_want_kick(struct virtq *, bool);

void virtq_init(struct virtq *, struct vdpa *, uint16_t index);
int virtq_setup(struct virtq *, const struct nicsim_vdpa_ring *, bool packed,
                char *why);
int virtq_check(const struct virtq *, bool packed, char *why);
int virtq_start(struct virtq *, uint64_t features, char *why);
void virtq_stop(struct virtq *);
void virtq_error(struct virtq *, enum nicsim_vq_error);
void virtq_break(struct virtq *, enum nicsim_vq_error);
void virtq_call(struct virtq *);
void virtq_kicked(struct virtq *);
void virtq_want_kick(struct virtq *, bool);
uint16_t virtq_position(const struct virtq *);

/* Internal to virtq*.c. */
void virtq_add_slow(struct virtq *, struct virtq_chain *,
                    struct packet_frag *, uint64_t addr, uint32_t len,
                    uint16_t max);
void virtq_fetch_indirect(struct virtq *, bool write, struct virtq_chain *,
                          struct packet_frag *, uint64_t addr, uint32_t len,
                          uint16_t max);

/* The guest's receive queues are even. */
static inline bool
virtq_is_tx(const struct virtq *vq)
{
    return vq->index & 1;
}

/* Adds what a descriptor describes to 'c' and 'pieces', of which there may be
 * 'max'. */
static inline void
virtq_add(struct virtq *vq, bool write, struct virtq_chain *c,
          struct packet_frag *pieces, uint64_t addr, uint32_t len,
          uint16_t flags, uint16_t max)
{
    const uint8_t *data;

    vq->descs++;
    if (unlikely(c->error)) {
        return;
    }
    if (unlikely(!(flags & VRING_DESC_F_WRITE) == write)) {
        c->error = NICSIM_VQ_BAD_DIRECTION;
        return;
    }
    if (unlikely(!len)) {
        c->error = NICSIM_VQ_BAD_LENGTH;
        return;
    }
    if (unlikely(c->n >= max)) {
        c->error = NICSIM_VQ_TOO_MANY;
        return;
    }
    data = dma_in_file(vq->dma, addr, len);
    if (unlikely(!data)) {
        virtq_add_slow(vq, c, pieces, addr, len, max);
        return;
    }
    pieces[c->n].data = data;
    pieces[c->n++].len = len;
    c->len += len;
}

/* Reads a descriptor: its address, and in 'rest' its other fields. */
static inline void
virtq_read(const void *desc, uint64_t *addr, uint64_t *rest)
{
    const uint64_t *words = desc;

    /* Packed: the flags come with length and id; the address is valid if they
     * are. */
    *rest = __atomic_load_n(&words[1], __ATOMIC_ACQUIRE);
    *addr = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
}

/* virtq_fetch() for the usual: a chain that is one good descriptor.  Returns
 * false if there is anything else, or nothing as far as was seen, for
 * virtq_fetch() to look at. */
static inline bool
virtq_fetch_single(struct virtq *vq, struct virtq_pos at, bool write,
                   struct virtq_chain *c, struct packet_frag *piece)
{
    const uint16_t kind = (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE
                           | VRING_DESC_F_INDIRECT);
    const uint16_t good = write ? VRING_DESC_F_WRITE : 0;
    uint64_t addr, rest;
    uint32_t len;

    if (vq->packed) {
        const uint16_t available = at.wrap ? PACKED_AVAIL : PACKED_USED;

        virtq_read(&vq->ring[at.idx], &addr, &rest);
        if (((rest >> 48) & (kind | PACKED_AVAIL | PACKED_USED))
            != (good | available)) {
            return false;
        }
        c->id = rest >> 32;
    } else {
        uint16_t head;

        if (at.idx == vq->avail_seen) {
            return false;
        }
        head = __atomic_load_n(&vq->avail->ring[at.idx & vq->mask],
                               __ATOMIC_RELAXED);
        if (unlikely(head >= vq->size)) {
            return false;
        }
        virtq_read(&vq->desc[head], &addr, &rest);
        if ((rest >> 32 & kind) != good) {
            return false;
        }
        c->id = head;
    }
    vq->descs++;
    len = rest;
    piece->data = dma_in_file(vq->dma, addr, len);
    piece->len = len;
    c->n_slots = 1;
    c->n = 1;
    c->error = NICSIM_VQ_OK;
    c->len = len;
    return likely(len && piece->data);
}

/* Reads the chain at position 'at' of 'vq'.  'write' says whether its pieces
 * are to be written by us, or to be read.  Fills '*c' and up to 'max'
 * 'pieces'.  Returns false if there is no chain, or none any more because the
 * queue was broken. */
static inline bool
virtq_fetch(struct virtq *vq, struct virtq_pos at, bool write,
            struct virtq_chain *c, struct packet_frag *pieces, uint16_t max)
{
    return (vq->packed ? packed_fetch(vq, at, write, c, pieces, max)
            : split_fetch(vq, at, write, c, pieces, max));
}

/* Moves 'at' behind 'c', which is there. */
static inline void
virtq_advance(const struct virtq *vq, struct virtq_pos *at,
              const struct virtq_chain *c)
{
    if (vq->packed) {
        uint32_t slot = (uint32_t) at->idx + c->n_slots;

        if (slot >= vq->size) {
            slot -= vq->size;
            at->wrap = !at->wrap;
        }
        at->idx = slot;
    } else {
        at->idx++;
    }
}

/* Gives 'c', which is the chain at vq->pos, back to the guest, with 'len'
 * bytes written to it. */
static inline void
virtq_put(struct virtq *vq, const struct virtq_chain *c, uint32_t len)
{
    if (vq->packed) {
        struct vring_packed_desc *desc = &vq->ring[vq->pos.idx];
        uint16_t flags = vq->pos.wrap ? PACKED_AVAIL | PACKED_USED : 0;

        if (len) {
            flags |= VRING_DESC_F_WRITE;
        }
        /* For who takes the ring over: see guest-position.h. */
        flags |= (c->n_slots > 1 ? GUEST_POSITION_CHAIN
                  : GUEST_POSITION_SINGLE);
        desc->id = c->id;
        desc->len = len;

        /* The guest looks at one slot after the other: the first stays as it
         * is until all are there. */
        if (!vq->unpublished) {
            vq->first_slot = vq->pos.idx;
            vq->first_flags = flags;
        } else {
            __atomic_store_n(&desc->flags, flags, __ATOMIC_RELEASE);
        }
        vq->unpublished += c->n_slots;
    } else {
        struct vring_used_elem *elem;

        elem = &vq->used->ring[vq->pos.idx & vq->mask];
        elem->id = c->id;
        elem->len = len;
        vq->unpublished++;
    }
    virtq_advance(vq, &vq->pos, c);
}

void virtq_publish(struct virtq *);

#endif /* nicsim/device/virtq.h */
