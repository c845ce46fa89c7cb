/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "virtq.h"

#include <errno.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <rte_errno.h>

#include "guest-call.h"
#include "log.h"
#include "nic.h"
#include "nicsim/vdpa-format.h"
#include "vdpa.h"

/* Makes 'vq' number 'index' of 'vdpa', not set up. */
void
virtq_init(struct virtq *vq, struct vdpa *vdpa, uint16_t index)
{
    memset(vq, 0, sizeof *vq);
    vq->vdpa = vdpa;
    vq->dma = &vdpa->dma;
    vq->index = index;
    vq->kick_fd = vq->call_fd = -1;
}

/* Sets size, addresses and position, as 'req' has them; the memory need not be
 * there yet.  Returns 0 or a positive errno with the reason in 'why'.  Whether
 * the ring is packed is known only when the device is started. */
int
virtq_setup(struct virtq *vq, const struct nicsim_vdpa_ring *req,
            bool packed, char *why)
{
    if (req->size > NICSIM_MAX_VQ_SIZE) {
        return refuse(EINVAL, why, "virtqueue %u: %u descriptors, the most "
                      "are %d", req->queue, req->size, NICSIM_MAX_VQ_SIZE);
    }
    vq->setup_size = req->size;
    vq->desc_addr = req->desc;
    vq->avail_addr = req->avail;
    vq->used_addr = req->used;
    vq->given = req->avail_idx;
    vq->fresh = true;
    vq->why = NICSIM_VQ_OK;
    return packed ? virtq_check(vq, packed, why) : 0;
}

/* Returns 0 if 'vq', which is set up, can be started as far as its numbers
 * tell, or a positive errno with the reason in 'why'. */
int
virtq_check(const struct virtq *vq, bool packed, char *why)
{
    if (!packed && vq->setup_size & (vq->setup_size - 1)) {
        return refuse(EINVAL, why, "virtqueue %u: %u descriptors, must be a "
                      "power of 2", vq->index, vq->setup_size);
    }
    if (packed && (virtq_position(vq) & 0x7fff) >= vq->setup_size) {
        return refuse(EINVAL, why, "virtqueue %u: position %u of %u slots",
                      vq->index, virtq_position(vq) & 0x7fff,
                      vq->setup_size);
    }
    if (vq->desc_addr % 16 || vq->avail_addr % (packed ? 4 : 2)
        || vq->used_addr % 4) {
        return refuse(EINVAL, why, "virtqueue %u: misaligned", vq->index);
    }
    return 0;
}

/* Lets the device touch 'vq', which is set up and was checked.  Returns 0 or a
 * positive errno with the reason in 'why'. */
int
virtq_start(struct virtq *vq, uint64_t features, char *why)
{
    int error;

    vq->given = virtq_position(vq);
    vq->packed = features >> VIRTIO_F_RING_PACKED & 1;
    vq->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
    vq->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
    vq->size = vq->setup_size;
    vq->unpublished = 0;
    vq->ahead = false;
    error = vq->packed ? packed_start(vq, why) : split_start(vq, why);
    if (error) {
        return error;
    }
    vq->running = true;
    vq->fresh = false;
    vq->why = NICSIM_VQ_OK;
    virtq_want_kick(vq, false);
    return 0;
}

/* Ends that.  Nothing is unpublished then.  The position stays. */
void
virtq_stop(struct virtq *vq)
{
    vq->running = false;
}

/* Counts a packet that was dropped because of 'error'. */
void
virtq_error(struct virtq *vq, enum nicsim_vq_error error)
{
    vq->errors[error]++;
    if (error != NICSIM_VQ_NO_BUFFER) {
        LOG_FUNCTION(vq->vdpa->fn, LOG_DROPPED,
                     "%s: virtqueue %u: packet dropped: %s",
                     vdpa_name(vq->vdpa), vq->index, vdpa_error_name(error));
    }
}

/* Stops 'vq' since its guest broke it.  What was given back before is still to
 * be published. */
void
virtq_break(struct virtq *vq, enum nicsim_vq_error error)
{
    if (guest_sigbus_is_broken(&vq->vdpa->sigbus)
        && error != NICSIM_VQ_MEMORY_GONE) {
        /* What makes no sense are the zeros that took the memory's place. */
        vdpa_memory_gone(vq->vdpa);
        return;
    }
    vq->errors[error]++;
    if (vq->running) {
        vq->running = false;
        vq->why = error;
        LOG_FUNCTION(vq->vdpa->fn, LOG_QUEUE_STOPPED,
                     "%s: virtqueue %u stopped: %s", vdpa_name(vq->vdpa),
                     vq->index, vdpa_error_name(error));
        vdpa_queue_broken(vq);
    }
}

/* virtq_add() for what is not in one piece here, or not there at all. */
void
virtq_add_slow(struct virtq *vq, struct virtq_chain *c,
               struct packet_frag *pieces, uint64_t addr, uint32_t len,
               uint16_t max)
{
    uint16_t n = c->n;
    uint64_t left = len;

    /* The guest may have put one buffer across two regions. */
    while (left) {
        uint64_t chunk = left;
        const uint8_t *data = dma_at_most(vq->dma, addr, &chunk);

        if (!data || n >= max) {
            c->error = data ? NICSIM_VQ_TOO_MANY : NICSIM_VQ_BAD_ADDRESS;
            return;
        }
        pieces[n].data = data;
        pieces[n++].len = chunk;
        addr += chunk;
        left -= chunk;
    }
    c->n = n;
    c->len += len;
}

/* Adds what the indirect table of 'len' bytes at 'addr' describes to 'c' and
 * 'pieces'.  Breaks the queue if the table makes no sense. */
void
virtq_fetch_indirect(struct virtq *vq, bool write, struct virtq_chain *c,
                     struct packet_frag *pieces, uint64_t addr, uint32_t len,
                     uint16_t max)
{
    uint32_t n = len / sizeof(struct vring_desc);
    uint32_t i = 0, left = n;

    _Static_assert(sizeof(struct vring_desc)
                   == sizeof(struct vring_packed_desc), "same size");
    if (!len || len % sizeof(struct vring_desc)
        || n > NICSIM_MAX_VQ_SIZE) {
        virtq_break(vq, NICSIM_VQ_BAD_INDIRECT);
        return;
    }

    /* One entry after the other, for the table may be in two regions.  In a
     * packed ring's table, entries follow each other; else they are linked. */
    while (!c->error) {
        uint64_t entry = addr + (uint64_t) i * sizeof(struct vring_desc);
        const void *desc = dma_in_file(vq->dma, entry,
                                       sizeof(struct vring_desc));
        uint64_t data, rest;
        uint16_t flags;

        if (!desc) {
            c->error = NICSIM_VQ_BAD_ADDRESS;
            return;
        }
        virtq_read(desc, &data, &rest);
        flags = vq->packed ? rest >> 48 : rest >> 32;
        if (flags & VRING_DESC_F_INDIRECT) {
            virtq_break(vq, NICSIM_VQ_BAD_INDIRECT);
            return;
        }
        virtq_add(vq, write, c, pieces, data, rest, flags, max);
        left--;
        if (vq->packed ? !left : !(flags & VRING_DESC_F_NEXT)) {
            return;
        }
        i = vq->packed ? i + 1 : rest >> 48;
        if (i >= n || !left) {
            virtq_break(vq, NICSIM_VQ_BAD_CHAIN);
            return;
        }
    }
}

/* Interrupts the guest. */
void
virtq_call(struct virtq *vq)
{
    if (vq->call_fd >= 0) {
        int error = guest_call(vq->call_fd);

        if (error) {
            LOG_FUNCTION(vq->vdpa->fn, LOG_CALL,
                         "%s: virtqueue %u: call: %s", vdpa_name(vq->vdpa),
                         vq->index, rte_strerror(error));
        }
        vq->calls++;
    }
}

/* Takes the guest's doorbell, which rang. */
void
virtq_kicked(struct virtq *vq)
{
    uint64_t n;

    if (vq->kick_fd >= 0) {
        switch (guest_kick_take(vq->kick_fd, &n)) {
        case 0:
            vq->kicks += n;
            break;

        case EOPNOTSUPP:
            vq->kicks++;
            break;
        }
    }
}

/* Shows the guest what was given back, and interrupts it if it wants that. */
void
virtq_publish(struct virtq *vq)
{
    struct virtq_pos old;
    uint16_t n = vq->unpublished;

    if (!n) {
        return;
    }
    vq->unpublished = 0;
    if (vq->packed) {
        __atomic_store_n(&vq->ring[vq->first_slot].flags, vq->first_flags,
                         __ATOMIC_RELEASE);
        old.idx = vq->first_slot;
        if (unlikely(vq->vdpa->log)) {
            packed_log(vq, old);
        }
        if (packed_wants_call(vq, n)) {
            virtq_call(vq);
        }
    } else {
        old.idx = vq->published;
        __atomic_store_n(&vq->used->idx, vq->pos.idx, __ATOMIC_RELEASE);
        vq->published = vq->pos.idx;
        if (unlikely(vq->vdpa->log)) {
            split_log(vq, old);
        }
        if (split_wants_call(vq, old)) {
            virtq_call(vq);
        }
    }
}

/* Has the guest kick, or not, when it makes a chain available. */
void
virtq_want_kick(struct virtq *vq, bool want)
{
    if (vq->packed) {
        packed_want_kick(vq, want);
    } else {
        split_want_kick(vq, want);
    }
}

/* The position of 'vq' as VHOST_GET_VRING_BASE has it. */
uint16_t
virtq_position(const struct virtq *vq)
{
    return (!vq->setup_size ? 0
            : vq->fresh ? vq->given
            : vq->packed ? vq->pos.idx | vq->pos.wrap << 15
            : vq->pos.idx);
}
