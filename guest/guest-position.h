/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#ifndef GUEST_POSITION_H
#define GUEST_POSITION_H 1

/* Where a device goes on with a packed ring
 * =========================================
 *
 * A device goes on with a split ring where its used index is.  A packed ring
 * has no such index, so the hypervisor hands over the position.  But when a
 * device dies, QEMU knows only the position of when it started it.  What is
 * known then is in the descriptors:
 *
 *   - The driver marks a descriptor that it makes available with the value of
 *     its wrap counter, in the flag AVAIL, and the device leaves that flag as
 *     it is.  So AVAIL changes at one place of the ring only, and there the
 *     driver goes on, unless that is at the ring's beginning.
 *
 *   - All descriptors from the device's position up to there are available,
 *     and have different values in AVAIL and USED.  The device has used the
 *     one before its position.
 *
 * Of a chain of several descriptors the device marks the first as used only,
 * so the others look as if they were available, up to the first one without
 * NEXT.  Whether they are, the devices of this project tell by a flag that
 * they leave in a used descriptor, where drivers ignore it:
 *
 *   - GUEST_POSITION_CHAIN if others belong to it,
 *   - GUEST_POSITION_SINGLE if not.
 *
 * Of what other devices left, the position that the hypervisor says is
 * believed as long as the ring does not contradict it, that is, if all from
 * there up to where the driver goes on looks available.  Otherwise, what
 * follows a used descriptor is taken to be the rest of its chain if it looks
 * like one, has the same id, and the guest did not negotiate INDIRECT_DESC:
 * who did, as Linux, hardly ever has chains in the ring.
 *
 * If all descriptors look available, either they are, as in a receive ring
 * that the guest has filled again, or the driver has written over the first
 * descriptor of a chain that was used, whose rest is what follows.  It is the
 * latter if the hypervisor's position is right behind that rest.
 *
 * Both sides that serve rings, the relay and nicsimd, have to come to the same
 * position, since guests go from one to the other while they run.
 *
 * Thread-safety: pure functions.  The guest may write to the ring meanwhile,
 * and may have written anything: the position is one of the ring's in any case
 * and each descriptor is read a few times at most. */

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#define GUEST_POSITION_CHAIN  VRING_DESC_F_NEXT
#define GUEST_POSITION_SINGLE VRING_DESC_F_INDIRECT

/* The bit of a position that is the wrap counter; the others are a slot, as in
 * VHOST_USER_SET_VRING_BASE. */
#define GUEST_POSITION_WRAP (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

uint16_t guest_position_find(const struct vring_packed_desc *ring,
                             unsigned int size, uint16_t given,
                             bool indirect);

#endif /* guest-position.h */
