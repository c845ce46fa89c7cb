/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include "dpdkvdpa-guest-virtq.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_ALIGN 4096u

#define PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED (1u << VRING_PACKED_DESC_F_USED)

static size_t
align_up(size_t n)
{
    return (n + RING_ALIGN - 1) & ~(size_t) (RING_ALIGN - 1);
}

/* The split layout has descriptors and the available ring on the first pages,
 * the used ring on the next.  The packed layout needs less in both places. */
static size_t
used_offset(uint16_t size)
{
    return align_up(sizeof(struct vring_desc) * size
                    + sizeof(uint16_t) * (3 + size));
}

static size_t
buffers_offset(uint16_t size)
{
    return used_offset(size)
           + align_up(sizeof(uint16_t) * 3
                      + sizeof(struct vring_used_elem) * size);
}

/* Returns the bytes of shared memory that a queue of 'size' entries with
 * buffers of 'buffer_size' bytes needs: a multiple of the page size. */
size_t
virtq_mem_size(uint16_t size, uint32_t buffer_size)
{
    return buffers_offset(size) + align_up((size_t) size * buffer_size);
}

/* Initializes 'vq', of 'size' entries (a power of 2, at most VIRTQ_MAX_SIZE),
 * over 'mem', virtq_mem_size() bytes of zeroed, page-aligned shared memory
 * that the device knows as guest-physical address 'gpa' and that must outlive
 * 'vq'. virtq_reset() must follow. Returns 0 or a positive errno. */
int
virtq_init(struct virtq *vq, uint16_t size, uint32_t buffer_size,
           void *mem, uint64_t gpa)
{
    uint8_t *base = mem;
    int error;

    memset(vq, 0, sizeof *vq);
    vq->size = size;
    vq->buffer_size = buffer_size;
    vq->desc = mem;
    vq->avail = (void *) (base + sizeof(struct vring_desc) * size);
    vq->used = (void *) (base + used_offset(size));
    vq->pdesc = mem;
    vq->driver_event = (void *) vq->avail;
    vq->device_event = (void *) vq->used;
    vq->buffers = base + buffers_offset(size);
    vq->buffers_gpa = gpa + buffers_offset(size);
    vq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    vq->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (vq->kick_fd < 0 || vq->call_fd < 0) {
        error = errno;
        virtq_uninit(vq);
        return error;
    }
    return 0;
}

/* Closes what virtq_init() opened.  The shared memory is the caller's. */
void
virtq_uninit(struct virtq *vq)
{
    if (vq->kick_fd >= 0) {
        close(vq->kick_fd);
    }
    if (vq->call_fd >= 0) {
        close(vq->call_fd);
    }
    vq->kick_fd = vq->call_fd = -1;
}

static void
next_slot(const struct virtq *vq, uint16_t *slot, bool *wrap)
{
    *slot += 1;
    if (*slot == vq->size) {
        *slot = 0;
        *wrap = !*wrap;
    }
}

/* Tells whether the device has given back 'slot' of a packed ring. */
static bool
is_used(const struct virtq *vq, uint16_t slot, bool wrap)
{
    uint16_t flags = __atomic_load_n(&vq->pdesc[slot].flags,
                                     __ATOMIC_ACQUIRE);

    return !!(flags & PACKED_AVAIL) == wrap && !!(flags & PACKED_USED) == wrap;
}

/* Makes 'vq' an empty ring of the given kind: all buffers are free, the device
 * has seen nothing.  No device may be using the ring. */
void
virtq_reset(struct virtq *vq, bool packed, bool event_idx)
{
    vq->packed = packed;
    vq->event_idx = event_idx;
    vq->next_avail = 0;
    vq->kicked_avail = 0;
    vq->next_used = 0;
    vq->avail_wrap = true;
    vq->used_wrap = true;

    memset(vq->desc, 0, (size_t) (vq->buffers - (uint8_t *) vq->desc));
    memset(vq->lent, 0, sizeof vq->lent);
    memset(vq->given, 0, sizeof vq->given);
    memset(vq->n_returned, 0, sizeof vq->n_returned);
    vq->n_free = vq->size;
    for (uint16_t i = 0; i < vq->size; i++) {
        vq->free_ids[i] = vq->size - 1 - i;
    }
    virtq_drain_call(vq);
    virtq_disable_calls(vq);
}

/* Makes 'vq', that no device is using, ready for another device, and returns
 * the position where that must start, in the format of
 * VHOST_USER_SET_VRING_BASE.  It goes on where the last device left the ring,
 * whatever became of that one: what was not given back is done again. */
uint32_t
virtq_resume(struct virtq *vq)
{
    uint16_t slot = vq->next_used;
    bool wrap = vq->used_wrap;
    uint16_t base;

    if (!vq->packed) {
        return __atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE);
    }
    while (is_used(vq, slot, wrap)
           && (slot != vq->next_avail || wrap != vq->avail_wrap)) {
        next_slot(vq, &slot, &wrap);
    }
    base = slot | (uint16_t) wrap << 15;

    /* A device that died may have given back a burst from its end. */
    while (slot != vq->next_avail || wrap != vq->avail_wrap) {
        vq->pdesc[slot] = vq->given[slot];
        next_slot(vq, &slot, &wrap);
    }
    return base;
}

/* Begins to count, in 'vq->n_returned', what the device gives back from now
 * on.  Only for a packed ring. */
void
virtq_count_returned(struct virtq *vq)
{
    uint16_t slot = vq->next_used;
    bool wrap = vq->used_wrap;

    memset(vq->n_returned, 0, sizeof vq->n_returned);

    /* What virtq_get() has yet to find was given back before. */
    for (uint16_t i = 0; i < vq->size && is_used(vq, slot, wrap); i++) {
        vq->n_returned[slot] = -1;
        next_slot(vq, &slot, &wrap);
    }
}

/* Returns the id of a free buffer, which the caller then owns, or -1. */
int
virtq_take(struct virtq *vq)
{
    return vq->n_free ? vq->free_ids[--vq->n_free] : -1;
}

/* Gives buffer 'id', that the caller owns, back to the free list. */
void
virtq_put(struct virtq *vq, uint16_t id)
{
    vq->free_ids[vq->n_free++] = id;
}

/* Gives the first 'len' bytes of buffer 'id' to the device, to be written by
 * it if 'device_writes', else to be read. */
void
virtq_add(struct virtq *vq, uint16_t id, uint32_t len, bool device_writes)
{
    uint64_t gpa = vq->buffers_gpa + (uint64_t) id * vq->buffer_size;
    uint16_t flags = device_writes ? VRING_DESC_F_WRITE : 0;

    vq->lent[id] = true;
    if (vq->packed) {
        struct vring_packed_desc *d = &vq->pdesc[vq->next_avail];

        d->addr = gpa;
        d->len = len;
        d->id = id;
        flags |= vq->avail_wrap ? PACKED_AVAIL : PACKED_USED;

        vq->given[vq->next_avail] = (struct vring_packed_desc) {
            gpa, len, id, flags
        };

        /* The device may read the rest as soon as it sees the flags. */
        __atomic_store_n(&d->flags, flags, __ATOMIC_RELEASE);
        next_slot(vq, &vq->next_avail, &vq->avail_wrap);
        vq->kicked_avail++;     /* Counts those since the last publish. */
    } else {
        struct vring_desc *d = &vq->desc[id];

        d->addr = gpa;
        d->len = len;
        d->flags = flags;
        vq->avail->ring[vq->next_avail & (vq->size - 1)] = id;
        vq->next_avail++;
    }
}

static bool
device_wants_kick(struct virtq *vq)
{
    uint16_t old = vq->kicked_avail;

    if (vq->packed) {
        uint16_t added = vq->kicked_avail;
        uint16_t flags, off_wrap, event;

        vq->kicked_avail = 0;
        flags = __atomic_load_n(&vq->device_event->flags, __ATOMIC_RELAXED);
        if (flags != VRING_PACKED_EVENT_FLAG_DESC) {
            return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
        }
        off_wrap = __atomic_load_n(&vq->device_event->off_wrap,
                                   __ATOMIC_RELAXED);
        event = off_wrap & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
        if ((off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR) != vq->avail_wrap) {
            event -= vq->size;
        }
        return vring_need_event(event, vq->next_avail,
                                vq->next_avail - added);
    }

    vq->kicked_avail = vq->next_avail;
    if (vq->event_idx) {
        uint16_t *event = (uint16_t *) &vq->used->ring[vq->size];

        return vring_need_event(__atomic_load_n(event, __ATOMIC_RELAXED),
                                vq->next_avail, old);
    }
    return !(__atomic_load_n(&vq->used->flags, __ATOMIC_RELAXED)
             & VRING_USED_F_NO_NOTIFY);
}

/* Shows the device all that was added since the last call, and wakes it if it
 * asked for that. */
void
virtq_publish(struct virtq *vq)
{
    if (vq->packed ? !vq->kicked_avail : vq->kicked_avail == vq->next_avail) {
        return;
    }
    if (!vq->packed) {
        /* Descriptors and ring entries must be visible before the index. */
        __atomic_store_n(&vq->avail->idx, vq->next_avail, __ATOMIC_RELEASE);
    }

    /* The device must see the index before we look whether it sleeps: it looks
     * at the index once more after it has said that it will sleep. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (device_wants_kick(vq)) {
        uint64_t one = 1;

        /* A full counter (EAGAIN) is a kick as well. */
        (void) !write(vq->kick_fd, &one, sizeof one);
    }
}

static bool
has_used(const struct virtq *vq)
{
    if (vq->packed) {
        return is_used(vq, vq->next_used, vq->used_wrap);
    }
    return (__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE)
            != vq->next_used);
}

/* Returns the id of the next buffer that the device is done with, which the
 * caller then owns, and stores the bytes that the device wrote there into
 * '*len', at most the buffer's size.  Returns -1 if there is none. */
int
virtq_get(struct virtq *vq, uint32_t *len)
{
    while (has_used(vq)) {
        uint32_t id;

        if (vq->packed) {
            const struct vring_packed_desc *d = &vq->pdesc[vq->next_used];

            id = d->id;
            *len = d->len;
            if (vq->n_returned[vq->next_used] < 1) {
                vq->n_returned[vq->next_used]++;
            }
            next_slot(vq, &vq->next_used, &vq->used_wrap);
        } else {
            const struct vring_used_elem *e
                = &vq->used->ring[vq->next_used & (vq->size - 1)];

            id = e->id;
            *len = e->len;
            vq->next_used++;
        }

        if (id < vq->size && vq->lent[id] && *len <= vq->buffer_size) {
            vq->lent[id] = false;
            return id;
        }
        vq->n_bad_used++;
    }
    return -1;
}

/* Asks the device to signal 'call_fd' from now on.  Returns true if there is
 * something to virtq_get() already, in which case no signal may come. */
bool
virtq_enable_calls(struct virtq *vq)
{
    if (vq->packed) {
        vq->driver_event->off_wrap
            = vq->next_used | vq->used_wrap << VRING_PACKED_EVENT_F_WRAP_CTR;
        __atomic_store_n(&vq->driver_event->flags,
                         (vq->event_idx ? VRING_PACKED_EVENT_FLAG_DESC
                          : VRING_PACKED_EVENT_FLAG_ENABLE),
                         __ATOMIC_RELEASE);
    } else {
        vq->avail->ring[vq->size] = vq->next_used;
        __atomic_store_n(&vq->avail->flags, 0, __ATOMIC_RELEASE);
    }

    /* The wish must be visible before we look for the last time. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return has_used(vq);
}

/* Asks the device not to signal 'call_fd'.  It may do so all the same. */
void
virtq_disable_calls(struct virtq *vq)
{
    if (vq->packed) {
        __atomic_store_n(&vq->driver_event->flags,
                         VRING_PACKED_EVENT_FLAG_DISABLE, __ATOMIC_RELAXED);
    } else {
        /* With VIRTIO_RING_F_EVENT_IDX the flag does not count, but an index
         * that lies behind is not reached for a long time. */
        vq->avail->ring[vq->size] = vq->next_used - 1;
        __atomic_store_n(&vq->avail->flags, VRING_AVAIL_F_NO_INTERRUPT,
                         __ATOMIC_RELAXED);
    }
}

/* Takes a signal from 'call_fd', if there is one. */
void
virtq_drain_call(struct virtq *vq)
{
    uint64_t count;

    (void) !read(vq->call_fd, &count, sizeof count);
}
