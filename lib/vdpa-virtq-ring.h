/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_VIRTQ_RING_H
#define VDPA_VIRTQ_RING_H 1

/* Rings of buffers
 * ================
 *
 * What is in the guest's rings themselves, split and packed: which buffers are
 * available, which were used, and whether the guest wants to know.  What a
 * buffer consists of is vdpa-virtq-chain.h's.
 *
 * All of this is to be inlined where packets are moved: only
 * vdpa-virtq-move.c includes it, whose rules for threads hold. */

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include <rte_prefetch.h>

#include "coverage.h"
#include "guest-position.h"
#include "util.h"
#include "vdpa-guest-memory.h"
#include "vdpa-virtq.h"

COVERAGE_DEFINE(vdpa_guest_queue_stopped);

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

/* Stops 'vq' and returns true if its guest's memory is not there.  To be asked
 * before anything is taken from it and after something was: what is read in
 * between may be zeros in place of what was there. */
static inline bool
virtq_lacks_memory(struct vdpa_virtq *vq)
{
    if (OVS_UNLIKELY(vdpa_guest_share_is_broken(vq->memory->share))) {
        virtq_break(vq, VDPA_VIRTQ_NO_MEMORY);
        return true;
    }
    return false;
}

/* Available buffers
 * ----------------- */

static inline bool
packed_is_avail(const struct vdpa_virtq *vq, unsigned int slot, bool wrap)
{
    uint16_t flags = __atomic_load_n(&vq->packed_desc[slot].flags,
                                     __ATOMIC_ACQUIRE);

    return ((flags & (PACKED_AVAIL | PACKED_USED))
            == (wrap ? PACKED_AVAIL : PACKED_USED));
}

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

/* Used buffers
 * ------------ */

/* Logs that descriptor 'slot' of the packed ring 'vq' was written to. */
static inline void
packed_log(const struct vdpa_virtq *vq, unsigned int slot)
{
    vdpa_guest_memory_log(vq->memory,
                          vq->log_gpa + slot * sizeof *vq->packed_desc,
                          sizeof *vq->packed_desc);
}

/* Tells the guest of the 'n' buffers in 'vq->shadow', that were used one after
 * the other from 'vq->idx' on.  They appear one by one, or all at once if
 * 'whole' is true.  See guest-position.h for the flags that no driver
 * minds. */
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
                        | (used->chained ? GUEST_POSITION_CHAIN
                           : GUEST_POSITION_SINGLE));

        desc->id = used->id;
        desc->len = used->len;
        if (whole && !i) {
            first_flags = now;
        } else {
            __atomic_store_n(&desc->flags, now, __ATOMIC_RELEASE);
            packed_log(vq, used->slot);
        }
    }
    if (whole && n) {
        unsigned int slot = vq->shadow[0].slot;

        __atomic_store_n(&vq->packed_desc[slot].flags, first_flags,
                         __ATOMIC_RELEASE);
        packed_log(vq, slot);
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

/* Returns true if 'off_wrap', where the driver of the packed ring 'vq' asks
 * for an interrupt, is among the 'moved' descriptors before the present
 * position.  A call may have moved more of them than the ring has, as the
 * driver goes on meanwhile: so positions are taken modulo twice its size, as
 * the driver has them. */
static inline bool
packed_was_passed(const struct vdpa_virtq *vq, uint16_t off_wrap,
                  unsigned int moved)
{
    unsigned int event = off_wrap & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
    bool wrap = off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR;
    unsigned int distance = vq->idx + (wrap != vq->wrap ? vq->size : 0);

    if (OVS_UNLIKELY(event >= vq->size)) {
        /* There is no such place. */
        return true;
    }
    distance += distance <= event ? 2 * vq->size : 0;
    return distance - event - 1 < moved;
}

/* Interrupts the guest, if it wants that, because of the 'moved' buffers of a
 * split ring, or descriptors of a packed one, before the position of 'vq' that
 * were used since the last call. */
static void
virtq_call(struct vdpa_virtq *vq, unsigned int moved)
{
    bool call;

    /* What was used must be there before the guest's wish is read. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (vq->packed) {
        uint32_t event = __atomic_load_n(
            (const uint32_t *) (const void *) vq->driver_event,
            __ATOMIC_RELAXED);
        uint16_t flags = event >> 16;

        call = (flags == VRING_PACKED_EVENT_FLAG_DESC && vq->event_idx
                ? packed_was_passed(vq, event & UINT16_MAX, moved)
                : flags != VRING_PACKED_EVENT_FLAG_DISABLE);
    } else if (vq->event_idx) {
        uint16_t event = __atomic_load_n(&vq->avail->ring[vq->size],
                                         __ATOMIC_RELAXED);

        call = (uint16_t) (vq->idx - event - 1) < moved;
    } else {
        call = !(__atomic_load_n(&vq->avail->flags, __ATOMIC_RELAXED)
                 & VRING_AVAIL_F_NO_INTERRUPT);
    }
    if (call) {
        vdpa_virtq_interrupt(vq);
    }
}

#endif /* vdpa-virtq-ring.h */
