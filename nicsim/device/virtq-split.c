/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Split virtqueues: a descriptor table, a ring of heads that the guest made
 * available, and one of heads that were used. */

#include "virtq.h"

#include <errno.h>

#include "log.h"
#include "nic.h"
#include "vdpa.h"

/* Behind the last element of each ring is the index at which the other side
 * wants to be told. */
static uint16_t *
used_event(const struct virtq *vq)
{
    return &vq->avail->ring[vq->size];
}

static uint16_t *
avail_event(const struct virtq *vq)
{
    return (uint16_t *) &vq->used->ring[vq->size];
}

static void
log_flags(struct virtq *vq)
{
    vdpa_log(vq->vdpa, vq->used_addr, sizeof vq->used->flags);
}

/* Lets the device touch the ring, from where its used index is: everything
 * that a device used before is published there, and what one had taken but
 * not used has to be taken again. */
int
split_start(struct virtq *vq, char *why)
{
    uint32_t size = vq->setup_size;

    vq->desc = dma_at(vq->dma, vq->desc_addr, size * sizeof *vq->desc);
    vq->avail = dma_at(vq->dma, vq->avail_addr,
                       sizeof *vq->avail + (size + 1) * sizeof(uint16_t));
    vq->used = dma_at(vq->dma, vq->used_addr,
                      sizeof *vq->used + size * sizeof vq->used->ring[0]
                      + sizeof(uint16_t));
    if (!vq->desc || !vq->avail || !vq->used) {
        return refuse(EFAULT, why, "virtqueue %u: the ring is outside the "
                      "guest's memory", vq->index);
    }
    vq->mask = size - 1;
    vq->pos.idx = __atomic_load_n(&vq->used->idx, __ATOMIC_RELAXED);
    vq->pos.wrap = false;
    vq->avail_seen = vq->published = vq->pos.idx;
    if (vq->pos.idx != vq->given) {
        LOG_FUNCTION(vq->vdpa->fn, LOG_POSITION,
                     "%s: virtqueue %u starts at its used index, %u, although "
                     "%u was given", vdpa_name(vq->vdpa), vq->index,
                     vq->pos.idx, vq->given);
    }
    /* The index at which to kick is never reached, but for once in 2**16. */
    if (vq->event_idx) {
        *avail_event(vq) = vq->pos.idx - 1;
        vdpa_log(vq->vdpa,
                 vq->used_addr + ((uint8_t *) avail_event(vq)
                                  - (uint8_t *) vq->used),
                 sizeof(uint16_t));
    }
    return 0;
}

/* See virtq_fetch(). */
bool
split_fetch(struct virtq *vq, struct virtq_pos at, bool write,
            struct virtq_chain *c, struct packet_frag *pieces, uint16_t max)
{
    uint32_t left = vq->size;
    uint16_t head, next;

    if (at.idx == vq->avail_seen) {
        uint16_t avail = __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE);

        if (avail == at.idx) {
            return false;
        }
        /* What the guest has not been shown as used, it can't make available
         * again: no more than a ring's worth is ever unpublished. */
        if (unlikely((uint16_t) (avail - vq->published) > vq->size)) {
            virtq_break(vq, NICSIM_VQ_BAD_INDEX);
            return false;
        }
        vq->avail_seen = avail;
    }

    head = __atomic_load_n(&vq->avail->ring[at.idx & vq->mask],
                           __ATOMIC_RELAXED);
    c->len = 0;
    c->id = head;
    c->n_slots = 1;
    c->n = 0;
    c->error = NICSIM_VQ_OK;
    next = head;
    for (;;) {
        uint64_t addr, rest;
        uint16_t flags;

        if (unlikely(next >= vq->size)) {
            virtq_break(vq, c->n ? NICSIM_VQ_BAD_CHAIN : NICSIM_VQ_BAD_INDEX);
            return false;
        }
        virtq_read(&vq->desc[next], &addr, &rest);
        flags = rest >> 32;
        next = rest >> 48;
        if (unlikely(flags & VRING_DESC_F_INDIRECT)) {
            if (flags & VRING_DESC_F_NEXT || !vq->indirect) {
                virtq_break(vq, NICSIM_VQ_BAD_INDIRECT);
                return false;
            }
            virtq_fetch_indirect(vq, write, c, pieces, addr, rest, max);
            return vq->running;
        }
        virtq_add(vq, write, c, pieces, addr, rest, flags, max);
        if (likely(!(flags & VRING_DESC_F_NEXT))) {
            return true;
        }
        if (unlikely(!--left)) {
            virtq_break(vq, NICSIM_VQ_BAD_CHAIN);
            return false;
        }
        if (unlikely(c->error)) {
            return true;                /* No need to look further. */
        }
    }
}

/* Marks what was written to the ring since 'old'. */
void
split_log(struct virtq *vq, struct virtq_pos old)
{
    uint16_t first = old.idx & vq->mask;
    uint16_t n = vq->pos.idx - old.idx;
    uint16_t chunk = vq->size - first < n ? vq->size - first : n;
    const uint64_t ring = vq->used_addr + sizeof *vq->used;

    vdpa_log(vq->vdpa, ring + first * sizeof vq->used->ring[0],
             chunk * sizeof vq->used->ring[0]);
    if (chunk < n) {
        vdpa_log(vq->vdpa, ring, (n - chunk) * sizeof vq->used->ring[0]);
    }
    vdpa_log(vq->vdpa, vq->used_addr, sizeof *vq->used);
}

/* Whether the guest wants to be interrupted for what was published since
 * 'old'. */
bool
split_wants_call(struct virtq *vq, struct virtq_pos old)
{
    /* The used index has to be there before this is read, since the guest
     * asks for an interrupt and then looks at the index once more. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (vq->event_idx) {
        uint16_t event = __atomic_load_n(used_event(vq), __ATOMIC_RELAXED);

        return vring_need_event(event, vq->pos.idx, old.idx);
    }
    return !(__atomic_load_n(&vq->avail->flags, __ATOMIC_RELAXED)
             & VRING_AVAIL_F_NO_INTERRUPT);
}

/* Says whether the guest has to kick when it makes a chain available. */
void
split_want_kick(struct virtq *vq, bool want)
{
    if (!vq->event_idx) {
        __atomic_store_n(&vq->used->flags, want ? 0 : VRING_USED_F_NO_NOTIFY,
                         __ATOMIC_RELAXED);
        log_flags(vq);
    } else if (want) {
        __atomic_store_n(avail_event(vq), vq->pos.idx, __ATOMIC_RELAXED);
        vdpa_log(vq->vdpa,
                 vq->used_addr + ((uint8_t *) avail_event(vq)
                                  - (uint8_t *) vq->used),
                 sizeof(uint16_t));
    }
}
