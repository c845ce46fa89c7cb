/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_DEVICE_H
#define VDPA_DEVICE_H 1

/* Hardware vDPA
 * =============
 *
 * A NIC function whose driver has a vDPA side can own a guest's virtio rings
 * itself: it reads and writes them, takes the guest's kicks and interrupts the
 * guest.  OVS only brings the two together.  A 'struct vdpa_device' is such a
 * function, attached to the vhost-user socket of a guest.
 *
 * Which device it is
 * ------------------
 *
 * The driver brings its vDPA side up if it is told to by "class=vdpa" in the
 * device arguments; DPDK then lists a vDPA device by the function's name.  A
 * driver with a word of its own for that ("vdpa=1" of Intel's ifc) is asked
 * with the arguments as the user wrote them.  An Ethernet device that DPDK
 * made of the function when it started, and that nobody uses, is taken away
 * for it.
 *
 * vdpa_device_open() succeeds or leaves everything as it was: what was probed
 * in vain is removed, and what was removed is probed again.  So the relay
 * starts from a clean state.
 *
 * What can go wrong later
 * -----------------------
 *
 * The driver sees the guest only when that connects, and may then refuse to
 * serve it: see vdpa_device_get_error().  The function may vanish: see
 * vdpa_device_is_removed().  It may be back when the next guest connects.
 *
 * Thread-safety
 * -------------
 *
 * Everything is to be called from the main thread, but vdpa_device_is_there()
 * and the three that read what became of the guest.  vdpa_device_open() and
 * vdpa_device_close() must be called with no lock held (see vdpa-vhost.h). */

#include <stdbool.h>
#include <stdint.h>

#include "ovs-atomic.h"
#include "vdpa-devargs.h"
#include "vdpa-vf.h"

struct rte_vdpa_device;
struct vdpa_side;
struct vdpa_vhost;
struct vdpa_watch;

struct vdpa_device {
    struct rte_vdpa_device *vdpa;
    struct vdpa_vhost *vhost;
    struct vdpa_devargs devargs;
    char *owner;                /* Name of the port, for messages. */
    bool probed;                /* Added to DPDK by us, so ours to remove. */
    char *former;               /* Device arguments of the Ethernet device that
                                 * was there before, or NULL. */
    unsigned int n_queues;      /* Queue pairs that a guest may use, */
    unsigned int device_queues; /* and that could be used. */
    uint64_t features;          /* That the device offers. */
    int socket_id;
    atomic_bool removed;        /* The function has gone. */

    struct vdpa_watch *watch;
    atomic_int error;           /* Of the driver, with the present guest. */
    atomic_bool served;         /* It took one, if not the present one. */
};

int vdpa_device_open(const struct vdpa_devargs *, const char *owner,
                     const char *socket_path, unsigned int max_queues,
                     const struct vdpa_side *other,
                     void (*changed_cb)(void *aux), void *aux,
                     struct vdpa_device **, char **reasonp);
void vdpa_device_close(struct vdpa_device *);

void vdpa_device_periodic(struct vdpa_device *);
bool vdpa_device_is_there(const struct vdpa_device *);
bool vdpa_device_is_removed(const struct vdpa_device *);
int vdpa_device_get_error(const struct vdpa_device *);
bool vdpa_device_has_served(const struct vdpa_device *);

void vdpa_device_ask(const struct vdpa_devargs *, const char *owner,
                     struct vdpa_side *);
void vdpa_device_get_side(const struct vdpa_device *, struct vdpa_side *);

#endif /* vdpa-device.h */
