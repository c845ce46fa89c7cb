/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-virtq.h"

#include <linux/vhost_types.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "util.h"
#include "vdpa-guest-memory.h"

#define FEATURE(NAME) (UINT64_C(1) << (NAME))

/* Positions
 * =========
 *
 * A device goes on with a split ring where its used index is.  A packed ring
 * has no such index, so the hypervisor hands over the position.  But when a
 * device dies, QEMU knows only the position of when it started it.  What is
 * known then is in the descriptors:
 *
 *   - The driver marks a descriptor that it makes available with the value of
 *     its wrap counter, in the flag AVAIL, and the device leaves that flag as
 *     it is.  So AVAIL of the ring changes at one place only, and there the
 *     driver goes on, unless that is at the ring's beginning.
 *
 *   - All descriptors from the device's position up to there are available,
 *     and have different values in AVAIL and USED.  The device has used the
 *     one before its position.
 *
 * Of a chain of several descriptors the device marks the first as used only,
 * so the others look as if they were available, up to the first one without
 * NEXT.  Whether they are, this device tells by the flag that it leaves in a
 * used descriptor, where drivers ignore it: NEXT if others belong to it,
 * INDIRECT if not.  nicsimd does the same.  Of what other devices left, what
 * the hypervisor says is believed as long as the ring does not contradict
 * that; otherwise a guest that negotiated INDIRECT_DESC, as Linux does, is
 * taken not to have chains in its ring. */

static bool
flag_avail(uint16_t flags)
{
    return flags & (1u << VRING_PACKED_DESC_F_AVAIL);
}

static bool
flag_used(uint16_t flags)
{
    return flags & (1u << VRING_PACKED_DESC_F_USED);
}

static uint16_t
read_flags(const struct vdpa_virtq *vq, unsigned int slot)
{
    return __atomic_load_n(&vq->packed_desc[slot].flags, __ATOMIC_ACQUIRE);
}

/* Returns true if 'slot' looks as if it was available. */
static bool
looks_available(const struct vdpa_virtq *vq, unsigned int slot)
{
    uint16_t flags = read_flags(vq, slot);

    return flag_avail(flags) != flag_used(flags);
}

/* Stores where the driver of the packed ring 'vq' goes on. */
static void
find_driver_position(const struct vdpa_virtq *vq, unsigned int *slotp,
                     bool *wrapp)
{
    bool first = flag_avail(read_flags(vq, 0));
    unsigned int slot;

    for (slot = 1; slot < vq->size; slot++) {
        if (flag_avail(read_flags(vq, slot)) != first) {
            *slotp = slot;
            *wrapp = first;
            return;
        }
    }
    *slotp = 0;
    *wrapp = !first;
}

/* Returns true if all descriptors from 'slot' and 'wrap' on up to where the
 * driver goes on look as if they were available. */
static bool
is_plausible(const struct vdpa_virtq *vq, unsigned int slot, bool wrap,
             unsigned int driver, bool driver_wrap)
{
    unsigned int n = driver - slot + (driver_wrap != wrap ? vq->size : 0);

    if (slot >= vq->size || n > vq->size) {
        return false;
    }
    for (unsigned int i = 0; i < n; i++) {
        if (!looks_available(vq, (slot + i) % vq->size)) {
            return false;
        }
    }
    return true;
}

/* Sets the position of the packed ring 'vq', which is 'position' according to
 * the hypervisor. */
static void
set_packed_position(struct vdpa_virtq *vq, uint16_t position,
                    uint64_t features)
{
    unsigned int given = position & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
    bool given_wrap = position >> VRING_PACKED_EVENT_F_WRAP_CTR;
    unsigned int driver, left, n, slot = 0;
    uint16_t used_flags = 0;
    bool driver_wrap, chain;

    /* Where does what looks available begin, counted from its end? */
    find_driver_position(vq, &driver, &driver_wrap);
    for (left = 0; left < vq->size; left++) {
        slot = (driver + vq->size - left - 1) % vq->size;
        if (!looks_available(vq, slot)) {
            used_flags = read_flags(vq, slot);
            break;
        }
    }

    /* Does some of it belong to what was used last, if anything was? */
    if (left == vq->size) {
        chain = false;
    } else if (used_flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) {
        chain = used_flags & VRING_DESC_F_NEXT;
    } else if (is_plausible(vq, given, given_wrap, driver, driver_wrap)) {
        vq->idx = given;
        vq->wrap = given_wrap;
        return;
    } else {
        chain = !(features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
    }
    if (chain) {
        for (n = 1; n <= left; n++) {
            unsigned int i = (slot + n) % vq->size;

            if (!(read_flags(vq, i) & VRING_DESC_F_NEXT)) {
                if (vq->packed_desc[i].id == vq->packed_desc[slot].id
                    || used_flags & VRING_DESC_F_NEXT) {
                    left -= n;
                }
                break;
            }
        }
    }
    vq->idx = (driver + vq->size - left) % vq->size;
    vq->wrap = left > driver ? !driver_wrap : driver_wrap;
}

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

/* Starts serving the ring that 'setup' describes, by polling, with 'vq', that
 * is zeroed or was stopped.  Returns true if successful, otherwise false, with
 * the reason in '*reasonp'. */
bool
vdpa_virtq_start(struct vdpa_virtq *vq, const struct vdpa_virtq_setup *setup,
                 const char **reasonp)
{
    uint64_t features = setup->features;

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
    vq->called = false;
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

    vdpa_guest_memory_begin();
    if (vq->packed) {
        set_packed_position(vq, setup->position, features);
    } else {
        vq->idx = __atomic_load_n(&vq->used->idx, __ATOMIC_RELAXED);
    }
    want_kicks(vq, false);
    if (!vdpa_guest_memory_end()) {
        *reasonp = VDPA_VIRTQ_NO_MEMORY;
        return false;
    }

    vq->shadow = xmalloc(vq->size * sizeof *vq->shadow);
    return true;
}

/* Ends what vdpa_virtq_start() began, if that was successful.  Returns the
 * position at which another device goes on. */
uint16_t
vdpa_virtq_stop(struct vdpa_virtq *vq)
{
    vdpa_guest_memory_begin();
    want_kicks(vq, true);
    vdpa_guest_memory_end();

    free(vq->shadow);
    vq->shadow = NULL;
    vq->memory = NULL;
    return (vq->packed
            ? vq->idx | vq->wrap << VRING_PACKED_EVENT_F_WRAP_CTR : vq->idx);
}
