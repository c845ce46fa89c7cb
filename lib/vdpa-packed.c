/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

/* Where to go on with a packed ring
 * =================================
 *
 * A device that starts with a ring is told the position by the hypervisor, who
 * had it from the last device when that stopped.  If that was killed, nobody
 * could ask it.  Of a split ring the guest's memory has the position, as the
 * used index.  A packed ring has none: QEMU then hands over the ring's start,
 * and a device that believes it waits for a slot that the guest's driver will
 * not write before all others were used: neither ever goes on.
 *
 * But slots tell by AVAIL and USED in which lap of the ring they were written
 * by the driver, and whether a device has used them since: enough to find the
 * position. */

#include <config.h>
#include "vdpa-packed.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_vhost.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vdpa_packed);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* A slot, and the value of the wrap counter for it. */
struct position {
    uint16_t slot;
    bool wrap;
};

static uint16_t
slot_flags(const struct rte_vhost_vring *vring, uint16_t slot)
{
    return __atomic_load_n(&vring->desc_packed[slot].flags, __ATOMIC_RELAXED);
}

static bool
is_avail(uint16_t flags)
{
    return flags & 1u << VRING_PACKED_DESC_F_AVAIL;
}

static bool
is_used(uint16_t flags)
{
    return flags & 1u << VRING_PACKED_DESC_F_USED;
}

static struct position
next_position(const struct rte_vhost_vring *vring, struct position p)
{
    if (++p.slot == vring->size) {
        p.slot = 0;
        p.wrap = !p.wrap;
    }
    return p;
}

static struct position
previous_position(const struct rte_vhost_vring *vring, struct position p)
{
    if (!p.slot) {
        p.slot = vring->size;
        p.wrap = !p.wrap;
    }
    p.slot--;
    return p;
}

/* Returns where the driver writes next: the one place where AVAIL, which no
 * device changes, is that of another lap. */
static struct position
driver_position(const struct rte_vhost_vring *vring)
{
    bool lap = is_avail(slot_flags(vring, 0));
    struct position p = { .slot = 0, .wrap = lap };

    do {
        p = next_position(vring, p);
    } while (p.slot && is_avail(slot_flags(vring, p.slot)) == lap);
    return p;
}

static bool
position_equals(struct position a, struct position b)
{
    return a.slot == b.slot && a.wrap == b.wrap;
}

/* Returns the position to go on at, which is 'given' if that may be.
 *
 * Going back from the driver's position, slots have not been used, until one
 * that was: the device's position is behind it.  But of a chain only the first
 * slot changes when it is used: if that was a chain, those that follow look as
 * if they had not been, and have NEXT, all but the last.  So the position may
 * be behind that too. */
static struct position
find_position(const struct rte_vhost_vring *vring, struct position given)
{
    struct position first = driver_position(vring);
    struct position p;
    uint32_t n = 0;

    while (n < vring->size) {
        struct position before = previous_position(vring, first);
        uint16_t flags = slot_flags(vring, before.slot);

        if (is_avail(flags) == is_used(flags)) {
            break;
        }
        first = before;
        n++;
    }
    p = first;
    for (bool more = n && n < vring->size; more && n; n--) {
        more = slot_flags(vring, p.slot) & VRING_DESC_F_NEXT;
        p = next_position(vring, p);
    }
    return position_equals(p, given) ? given : first;
}

/* See vdpa-packed.h. */
void
vdpa_packed_resume(int vid, uint16_t ring, const char *name)
{
    struct position given, found;
    struct rte_vhost_vring vring;
    uint16_t avail, used;
    uint64_t features;

    if (rte_vhost_get_negotiated_features(vid, &features)
        || !(features & UINT64_C(1) << VIRTIO_F_RING_PACKED)
        || rte_vhost_get_vhost_vring(vid, ring, &vring)
        || !vring.desc_packed || !vring.size
        || rte_vhost_get_vring_base(vid, ring, &avail, &used)) {
        return;
    }

    given.slot = used & 0x7fff;
    given.wrap = used >> 15;
    found = find_position(&vring, given);
    if (!position_equals(found, given)) {
        VLOG_INFO_RL(&rl, "%s: ring %u goes on at slot %u, wrap %d, as it "
                     "shows, although slot %u, wrap %d was given", name, ring,
                     found.slot, found.wrap, given.slot, given.wrap);
        used = found.slot | found.wrap << 15;
        rte_vhost_set_vring_base(vid, ring, used, used);
    }
}
