/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_VIRTQ_CHAIN_H
#define VDPA_VIRTQ_CHAIN_H 1

/* Buffers
 * =======
 *
 * A buffer of the guest's is a chain of descriptors, in the ring itself or in
 * an indirect table.  A 'struct chain' walks along it, piece by piece:
 *
 *     chain_begin(&chain, vq, first);
 *     while (chain_next(&chain, &piece)) {
 *         while (piece.len) {
 *             p = piece_map(&chain, &piece, &len);
 *             if (!p) {
 *                 break;
 *             }
 *             ...len bytes at p...
 *         }
 *     }
 *     if (chain.broken) {
 *         ...the queue is stopped...
 *     }
 *
 * The guest can change what it wrote at any time, and may lie: each descriptor
 * is copied once, and checked after that.  No walk is endless.
 *
 * Like vdpa-virtq-ring.h, this is for vdpa-virtq-move.c only. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "util.h"
#include "vdpa-guest-memory.h"
#include "vdpa-virtq-ring.h"
#include "vdpa-virtq.h"

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
    if (OVS_UNLIKELY(chain->n >= (chain->n_table ? VDPA_VIRTQ_MAX_CHAIN
                                  : vq->size))) {
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
        if (OVS_UNLIKELY(chain->n >= VDPA_VIRTQ_MAX_CHAIN)) {
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

#endif /* vdpa-virtq-chain.h */
