/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Packed virtqueues: one ring of descriptors that guest and device write by
 * turns, with flags AVAIL and USED that tell whose a slot is. */

#include "virtq.h"

#include <errno.h>

#include "guest-position.h"
#include "log.h"
#include "nic.h"
#include "vdpa.h"

static bool
flag_avail(uint16_t flags)
{
    return flags & PACKED_AVAIL;
}

static bool
flag_used(uint16_t flags)
{
    return flags & PACKED_USED;
}

/* Lets the device touch the ring, from where the ring shows that the last
 * device stopped. */
int
packed_start(struct virtq *vq, char *why)
{
    uint16_t position;

    vq->ring = dma_at(vq->dma, vq->desc_addr,
                      vq->setup_size * sizeof *vq->ring);
    vq->driver_event = dma_at(vq->dma, vq->avail_addr,
                              sizeof *vq->driver_event);
    vq->device_event = dma_at(vq->dma, vq->used_addr,
                              sizeof *vq->device_event);
    if (!vq->ring || !vq->driver_event || !vq->device_event) {
        return refuse(EFAULT, why, "virtqueue %u: the ring is outside the "
                      "guest's memory", vq->index);
    }
    position = guest_position_find(vq->ring, vq->setup_size, vq->given,
                                   vq->indirect);
    vq->pos.idx = position & ~GUEST_POSITION_WRAP;
    vq->pos.wrap = position & GUEST_POSITION_WRAP;
    if (position != vq->given) {
        LOG_FUNCTION(vq->vdpa->fn, LOG_POSITION,
                     "%s: virtqueue %u starts at slot %u, wrap %d, as the "
                     "ring shows, although slot %u, wrap %d was given",
                     vdpa_name(vq->vdpa), vq->index, vq->pos.idx, vq->pos.wrap,
                     vq->given & ~GUEST_POSITION_WRAP,
                     !!(vq->given & GUEST_POSITION_WRAP));
    }
    return 0;
}

/* See virtq_fetch(). */
bool
packed_fetch(struct virtq *vq, struct virtq_pos at, bool write,
             struct virtq_chain *c, struct packet_frag *pieces, uint16_t max)
{
    uint32_t slot = at.idx;
    uint32_t n = 0;

    c->len = 0;
    c->n = 0;
    c->error = NICSIM_VQ_OK;
    for (;;) {
        uint64_t addr, rest;
        uint16_t flags;

        virtq_read(&vq->ring[slot], &addr, &rest);
        flags = rest >> 48;
        if (flag_avail(flags) != at.wrap || flag_used(flags) == at.wrap) {
            /* Nothing, or a slot of the former lap.  A slot that is used in
             * this lap before we did that, or a chain whose first slot was
             * made available before the others, is wrong. */
            if (n || flag_avail(flags) == at.wrap) {
                virtq_break(vq, NICSIM_VQ_BAD_WRAP);
            }
            return false;
        }
        n++;
        c->id = rest >> 32;
        if (unlikely(flags & VRING_DESC_F_INDIRECT)) {
            if (flags & VRING_DESC_F_NEXT || n > 1 || !vq->indirect) {
                virtq_break(vq, NICSIM_VQ_BAD_INDIRECT);
                return false;
            }
            virtq_fetch_indirect(vq, write, c, pieces, addr, rest, max);
            c->n_slots = 1;
            return vq->running;
        }
        virtq_add(vq, write, c, pieces, addr, rest, flags, max);
        if (likely(!(flags & VRING_DESC_F_NEXT))) {
            c->n_slots = n;
            return true;
        }
        if (unlikely(n == vq->size || n == NICSIM_MAX_CHAIN)) {
            virtq_break(vq, NICSIM_VQ_BAD_CHAIN);
            return false;
        }
        if (unlikely(c->error == NICSIM_VQ_TOO_MANY
                     && max < VIRTQ_MAX_PIECES)) {
            /* It stays where it is, for a frame that has room elsewhere. */
            c->n_slots = n;
            return true;
        }
        if (++slot == vq->size) {
            slot = 0;
            at.wrap = !at.wrap;
        }
    }
}

/* Marks what was written to the ring since 'old'. */
void
packed_log(struct virtq *vq, struct virtq_pos old)
{
    const uint64_t size = sizeof *vq->ring;

    if (vq->pos.idx > old.idx) {
        vdpa_log(vq->vdpa, vq->desc_addr + old.idx * size,
                 (vq->pos.idx - old.idx) * size);
    } else {
        vdpa_log(vq->vdpa, vq->desc_addr + old.idx * size,
                 (vq->size - old.idx) * size);
        if (vq->pos.idx) {
            vdpa_log(vq->vdpa, vq->desc_addr, vq->pos.idx * size);
        }
    }
}

/* Whether the guest wants to be interrupted for the last 'n_slots' that were
 * published. */
bool
packed_wants_call(struct virtq *vq, uint16_t n_slots)
{
    uint32_t word;
    uint16_t event, flags;

    /* As in split_wants_call(). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    word = __atomic_load_n((const uint32_t *) vq->driver_event,
                           __ATOMIC_RELAXED);
    flags = word >> 16;
    if (flags == VRING_PACKED_EVENT_FLAG_DESC && vq->event_idx) {
        event = word & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
        if ((word >> VRING_PACKED_EVENT_F_WRAP_CTR & 1) != vq->pos.wrap) {
            event -= vq->size;
        }
        return vring_need_event(event, vq->pos.idx, vq->pos.idx - n_slots);
    }
    return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
}

/* Says whether the guest has to kick when it makes a chain available. */
void
packed_want_kick(struct virtq *vq, bool want)
{
    uint16_t flags = VRING_PACKED_EVENT_FLAG_DISABLE;

    if (want) {
        flags = (vq->event_idx ? VRING_PACKED_EVENT_FLAG_DESC
                 : VRING_PACKED_EVENT_FLAG_ENABLE);
        __atomic_store_n(&vq->device_event->off_wrap,
                         vq->pos.idx
                         | vq->pos.wrap << VRING_PACKED_EVENT_F_WRAP_CTR,
                         __ATOMIC_RELAXED);
    }
    __atomic_store_n(&vq->device_event->flags, flags, __ATOMIC_RELEASE);
    vdpa_log(vq->vdpa, vq->used_addr, sizeof *vq->device_event);
}
