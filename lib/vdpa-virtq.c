/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-virtq.h"

#include <linux/vhost_types.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "guest-position.h"
#include "util.h"
#include "vdpa-guest-memory.h"

#define FEATURE(NAME) (UINT64_C(1) << (NAME))

/* Returns true if 'p' is 'len' bytes of the guest's memory, with 'alignment'.
 * Stores the guest's address into '*gpap'. */
static bool
check_area(const struct vdpa_virtq *vq, const void *p, size_t len,
           size_t alignment, uint64_t *gpap)
{
    return (p && (uintptr_t) p % alignment == 0
            && vdpa_guest_memory_gpa(vq->memory, p, len, gpap));
}

static bool
check_ring(struct vdpa_virtq *vq)
{
    size_t event = vq->event_idx ? sizeof(uint16_t) : 0;
    size_t n = vq->size;
    uint64_t gpa;

    if (vq->packed) {
        return (check_area(vq, vq->packed_desc, n * sizeof *vq->packed_desc,
                           16, &vq->log_gpa)
                && check_area(vq, vq->driver_event, sizeof *vq->driver_event,
                              4, &gpa)
                && check_area(vq, vq->device_event, sizeof *vq->device_event,
                              4, &gpa));
    }
    return (check_area(vq, vq->desc, n * sizeof *vq->desc, 16, &gpa)
            && check_area(vq, vq->avail,
                          (sizeof *vq->avail + n * sizeof(uint16_t) + event),
                          2, &gpa)
            && check_area(vq, vq->used,
                          (sizeof *vq->used
                           + n * sizeof(struct vring_used_elem) + event), 4,
                          &vq->log_gpa));
}

/* Says whether the guest is to ring the bell for what it makes available. */
static void
want_kicks(struct vdpa_virtq *vq, bool want)
{
    if (vq->packed) {
        uint64_t gpa;

        vq->device_event->flags = (want ? VRING_PACKED_EVENT_FLAG_ENABLE
                                   : VRING_PACKED_EVENT_FLAG_DISABLE);
        if (vdpa_guest_memory_gpa(vq->memory, vq->device_event,
                                  sizeof *vq->device_event, &gpa)) {
            vdpa_guest_memory_log(vq->memory, gpa, sizeof *vq->device_event);
        }
    } else {
        vq->used->flags = want ? 0 : VRING_USED_F_NO_NOTIFY;
        vdpa_guest_memory_log(vq->memory, vq->log_gpa, sizeof *vq->used);
    }
}

/* Returns false if the guest wants no interrupts at all now. */
static bool
virtq_takes_calls(const struct vdpa_virtq *vq)
{
    if (vq->packed) {
        return vq->driver_event->flags != VRING_PACKED_EVENT_FLAG_DISABLE;
    }
    return vq->event_idx || !(vq->avail->flags & VRING_AVAIL_F_NO_INTERRUPT);
}

/* Starts serving the ring that 'setup' describes, by polling, with 'vq', that
 * is zeroed or was stopped.  The guest is interrupted: whoever served the ring
 * before may have used buffers and died before it said so.  Returns
 * true if successful, otherwise false, with the reason in '*reasonp'. */
bool
vdpa_virtq_start(struct vdpa_virtq *vq, const struct vdpa_virtq_setup *setup,
                 const char **reasonp)
{
    uint64_t features = setup->features;
    bool takes_calls;

    vq->memory = setup->memory;
    vq->desc = setup->desc;
    vq->avail = setup->driver;
    vq->used = setup->device;
    vq->size = setup->size;
    vq->packed = features & FEATURE(VIRTIO_F_RING_PACKED);
    vq->event_idx = features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
    vq->mergeable = features & FEATURE(VIRTIO_NET_F_MRG_RXBUF);
    vq->has_requests = features & (FEATURE(VIRTIO_NET_F_CSUM)
                                   | FEATURE(VIRTIO_NET_F_HOST_TSO4)
                                   | FEATURE(VIRTIO_NET_F_HOST_TSO6));
    vq->hdr_len = (features & (FEATURE(VIRTIO_F_VERSION_1)
                               | FEATURE(VIRTIO_NET_F_MRG_RXBUF)
                               | FEATURE(VIRTIO_F_RING_PACKED))
                   ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
                   : sizeof(struct virtio_net_hdr));
    vq->call_fd = setup->call_fd;
    vq->hint = 0;
    atomic_store_relaxed(&vq->stopped, NULL);

    if (!setup->size || setup->size > VDPA_VIRTQ_MAX_SIZE
        || (!vq->packed && !is_pow2(setup->size))) {
        *reasonp = "a ring has no size that virtio allows";
        return false;
    }
    if (!check_ring(vq)) {
        *reasonp = "a ring is outside of the guest's memory";
        return false;
    }

    if (vq->packed) {
        uint16_t position = guest_position_find(
            vq->packed_desc, vq->size, setup->position,
            features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC));

        vq->idx = position & ~GUEST_POSITION_WRAP;
        vq->wrap = position & GUEST_POSITION_WRAP;
    } else {
        /* All that was used before is published there. */
        vq->idx = __atomic_load_n(&vq->used->idx, __ATOMIC_RELAXED);
    }
    want_kicks(vq, false);
    takes_calls = virtq_takes_calls(vq);
    if (vdpa_guest_share_is_broken(vq->memory->share)) {
        *reasonp = VDPA_VIRTQ_NO_MEMORY;
        return false;
    }

    vq->shadow = xmalloc(vq->size * sizeof *vq->shadow);
    if (takes_calls) {
        vdpa_virtq_interrupt(vq);
    }
    return true;
}

/* Ends what vdpa_virtq_start() began, if that was successful.  Returns the
 * position at which another device goes on. */
uint16_t
vdpa_virtq_stop(struct vdpa_virtq *vq)
{
    want_kicks(vq, true);
    free(vq->shadow);
    vq->shadow = NULL;
    vq->memory = NULL;
    return (vq->packed
            ? vq->idx | (vq->wrap ? GUEST_POSITION_WRAP : 0) : vq->idx);
}
