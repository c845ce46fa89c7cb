/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_FEATURES_H
#define VDPA_FEATURES_H 1

/* Virtio features by their names
 * ==============================
 *
 * A set of features is a 64-bit number with 1 << VIRTIO_*_F_* for each.
 *
 * A guest, and its hypervisor, keep what they have negotiated when whoever
 * serves the rings is replaced: QEMU refuses a successor that lacks any of it,
 * and has the guest see what was offered first until its device is plugged
 * anew.  So what matters when a port changes its mode are names that one side
 * has and the other does not, as a 'struct vdpa_side' each tells them.
 *
 * Thread-safety
 * -------------
 *
 * vdpa_side_ask_device() and vdpa_side_ask_vf() must be called from the main
 * thread.  They have a driver probe the function, unless it is probed, and
 * wait for that.  The other functions may be called from any thread. */

#include <stdbool.h>
#include <stdint.h>

struct ds;
struct vdpa_devargs;

/* What one mode can offer to a guest. */
struct vdpa_side {
    bool known;                 /* Otherwise the rest means nothing. */
    uint64_t features;
    unsigned int n_queues;      /* Queue pairs. */
};

void vdpa_side_ask_vf(const struct vdpa_devargs *, struct vdpa_side *);
void vdpa_side_set_vf(struct vdpa_side *, uint64_t tx_offloads,
                      unsigned int n_queues);

uint64_t vdpa_features_offered(uint64_t features);
uint64_t vdpa_features_withheld(uint64_t features);
void vdpa_features_format(uint64_t features, struct ds *);

#endif /* vdpa-features.h */
