/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef DPDKVDPA_GUEST_VIRTQ_H
#define DPDKVDPA_GUEST_VIRTQ_H 1

/* Driver side of a virtio queue
 * =============================
 *
 * One 'struct virtq' is one virtqueue, split or packed, as the driver in a
 * guest sees it.  Its memory (rings, then one buffer for each ring entry) lies
 * in a region that the caller shares with the device.
 *
 * Every buffer is one descriptor: buffer 'id' always is descriptor 'id', has a
 * fixed place, and belongs to exactly one of
 *
 *    - the free list (last in, first out, so that the buffers in use stay few
 *      and warm),
 *
 *    - the caller, after virtq_take() or virtq_get(),
 *
 *    - the device, after virtq_add() and virtq_publish().
 *
 *
 * Thread-safety
 * =============
 *
 * None: a queue belongs to one thread.  The other side of the rings is another
 * process, that is not trusted: whatever it writes there is checked before it
 * is used as an index.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_ring.h>

#define VIRTQ_MAX_SIZE 1024

struct virtq {
    uint16_t size;              /* Ring entries: a power of 2. */
    bool packed;                /* VIRTIO_F_RING_PACKED. */
    bool event_idx;             /* VIRTIO_RING_F_EVENT_IDX. */

    /* Split ring. */
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;

    /* Packed ring, in the same memory. */
    struct vring_packed_desc *pdesc;
    struct vring_packed_desc_event *driver_event;
    struct vring_packed_desc_event *device_event;

    uint16_t next_avail;        /* Where virtq_add() goes on. */
    uint16_t kicked_avail;      /* 'next_avail' at the last virtq_publish(). */
    uint16_t next_used;         /* Where virtq_get() goes on. */
    bool avail_wrap;            /* Packed ring only. */
    bool used_wrap;             /* Packed ring only. */

    uint8_t *buffers;           /* 'size' buffers of 'buffer_size' bytes. */
    uint64_t buffers_gpa;       /* Their guest-physical address. */
    uint32_t buffer_size;
    uint16_t n_free;
    uint16_t free_ids[VIRTQ_MAX_SIZE]; /* The first 'n_free' count. */
    bool lent[VIRTQ_MAX_SIZE];  /* By id: the device has the buffer. */
    uint64_t n_bad_used;        /* Nonsense in the used ring. */
    struct vring_packed_desc given[VIRTQ_MAX_SIZE]; /* Packed ring: what was
                                                     * put into each slot. */
    int8_t n_returned[VIRTQ_MAX_SIZE]; /* By slot of a packed ring: how often
                                        * the device gave a descriptor back
                                        * there since virtq_count_returned(),
                                        * up to 1. */

    int kick_fd;                /* We tell the device. */
    int call_fd;                /* The device tells us. */
};

size_t virtq_mem_size(uint16_t size, uint32_t buffer_size);
int virtq_init(struct virtq *, uint16_t size, uint32_t buffer_size,
               void *mem, uint64_t gpa);
void virtq_uninit(struct virtq *);
void virtq_reset(struct virtq *, bool packed, bool event_idx);
uint32_t virtq_resume(struct virtq *);
void virtq_count_returned(struct virtq *);

int virtq_take(struct virtq *);
void virtq_put(struct virtq *, uint16_t id);
void virtq_add(struct virtq *, uint16_t id, uint32_t len, bool device_writes);
void virtq_publish(struct virtq *);
int virtq_get(struct virtq *, uint32_t *len);
bool virtq_enable_calls(struct virtq *);
void virtq_disable_calls(struct virtq *);
void virtq_drain_call(struct virtq *);

/* Returns the guest-physical address of the used ring. */
static inline uint64_t
virtq_used_gpa(const struct virtq *vq)
{
    return vq->buffers_gpa - (vq->buffers - (const uint8_t *) vq->used);
}

/* Returns the address of buffer 'id'. */
static inline uint8_t *
virtq_buffer(const struct virtq *vq, uint16_t id)
{
    return vq->buffers + (size_t) id * vq->buffer_size;
}

#endif /* dpdkvdpa-guest-virtq.h */
