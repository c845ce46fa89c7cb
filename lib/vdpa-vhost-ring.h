/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_VHOST_RING_H
#define VDPA_VHOST_RING_H 1

/* The life of a guest's rings
 * ===========================
 *
 * What librte_vhost's callbacks (vdpa-vhost.c) do to the rings of a guest in
 * software mode, and what is published of that.  A ring is served from when
 * guest and hypervisor have made it ready until either changes it, the memory
 * or the features; all of them pause meanwhile.
 *
 * Thread-safety
 * -------------
 *
 * librte_vhost calls back for one guest at a time, so all of these are called
 * by one thread at a time, except for vdpa_vhost_tell() and
 * vdpa_vhost_warn_ring(), that any thread may call.  Whatever takes rings away
 * from the threads that move packets waits until these have quiesced, so no
 * lock may be held that one of them waits for. */

#include "vdpa-vhost.h"

/* Sets of rings are kept as bits. */
static inline uint32_t
vdpa_ring_bit(unsigned int ring)
{
    BUILD_ASSERT(VDPA_MAX_RINGS <= 32);
    return UINT32_C(1) << ring;
}

void vdpa_vhost_tell(struct vdpa_vhost *vhost)
    OVS_REQUIRES(vhost->mutex);
void vdpa_vhost_publish(struct vdpa_vhost *vhost)
    OVS_REQUIRES(vhost->mutex);

void vdpa_vhost_pause(struct vdpa_vhost *);
void vdpa_vhost_resume(struct vdpa_vhost *, int vid);
void vdpa_vhost_change_ring(struct vdpa_vhost *, int vid, unsigned int ring,
                            bool enable);
void vdpa_vhost_stop_rings(struct vdpa_vhost *, int vid, uint32_t rings);
void vdpa_vhost_warn_ring(struct vdpa_vhost *, unsigned int ring);

#endif /* vdpa-vhost-ring.h */
