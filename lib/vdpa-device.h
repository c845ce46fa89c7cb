/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_DEVICE_H
#define VDPA_DEVICE_H 1

/* Hardware vDPA
 * =============
 *
 * A NIC function whose driver has a vDPA side can own a guest's virtio rings
 * itself.  The driver brings that side up if it is told to by "class=vdpa" in
 * the device arguments; DPDK then lists a vDPA device by the function's name.
 *
 * Finding such a device is where a port begins that was not told to relay in
 * software.  A port that finds none falls back to the relay.  A device that
 * was probed in search of a vDPA device is always taken away again if there is
 * none, so that the relay starts from a clean state.
 *
 * Thread-safety
 * -------------
 *
 * To be called from the main thread. */

struct rte_vdpa_device;
struct vdpa_devargs;

struct rte_vdpa_device *vdpa_device_find(const struct vdpa_devargs *,
                                         char **reasonp);

#endif /* vdpa-device.h */
