/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-vhost-ring.h"

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_vhost.h>

#include "openvswitch/vlog.h"
#include "util.h"
#include "vdpa-guest-memory.h"

VLOG_DEFINE_THIS_MODULE(vdpa_vhost_ring);

/* Has the port of 'vhost' look at it. */
void
vdpa_vhost_tell(struct vdpa_vhost *vhost)
    OVS_REQUIRES(vhost->mutex)
{
    atomic_store(&vhost->changed, true);
    if (vhost->changed_cb) {
        vhost->changed_cb(vhost->aux);
    }
}

/* Publishes the present state of 'vhost' and has the port know of it. */
void
vdpa_vhost_publish(struct vdpa_vhost *vhost)
    OVS_REQUIRES(vhost->mutex)
{
    struct vdpa_vhost_conn *old, *new = NULL;

    if (vhost->vid >= 0) {
        new = xzalloc(sizeof *new);
        new->vid = vhost->vid;
        new->serial = vhost->serial;
        rte_vhost_get_negotiated_features(vhost->vid, &new->features);
        if (new->features & (UINT64_C(1) << VIRTIO_NET_F_MTU)) {
            rte_vhost_get_mtu(vhost->vid, &new->mtu);
        }
        new->n_pairs = MIN(rte_vhost_get_vring_num(vhost->vid) / 2,
                           vhost->max_pairs);
        new->paused = vhost->paused;
        for (unsigned int i = 0; i < vhost->max_pairs; i++) {
            uint32_t bit = UINT32_C(1) << i;

            if (vhost->device || vhost->started & vdpa_ring_bit(i * 2)) {
                new->rx_enabled |= vhost->rx_ready & bit;
            }
            if (vhost->device || vhost->started & vdpa_ring_bit(i * 2 + 1)) {
                new->tx_enabled |= vhost->tx_ready & bit;
            }
        }
        if (vhost->paused) {
            new->rx_enabled = new->tx_enabled = 0;
        }
    }

    old = ovsrcu_get_protected(struct vdpa_vhost_conn *, &vhost->conn);
    ovsrcu_set(&vhost->conn, new);
    if (old) {
        ovsrcu_postpone(free, old);
    }
    vdpa_vhost_tell(vhost);
}

/* The guest's rings
 * -----------------
 *
 * These functions are called from librte_vhost's callbacks, one at a time for
 * one guest. */

/* Returns a bit for each ring that guest and hypervisor have made ready. */
static uint32_t
vhost_ready_rings(const struct vdpa_vhost *vhost)
    OVS_REQUIRES(vhost->mutex)
{
    uint32_t rings = 0;

    for (unsigned int i = 0; i < vhost->max_pairs; i++) {
        rings |= (((vhost->rx_ready >> i) & 1) << (i * 2)
                  | ((vhost->tx_ready >> i) & 1) << (i * 2 + 1));
    }
    return rings;
}

/* Says in the log, once, that ring 'i' of the guest of 'vhost' is not served
 * any more, if that is so.  Any thread. */
void
vdpa_vhost_warn_ring(struct vdpa_vhost *vhost, unsigned int i)
{
    const char *reason = vdpa_virtq_stopped(&vhost->virtqs[i]);
    uint32_t told;

    if (!reason) {
        return;
    }
    atomic_or(&vhost->told_stopped, vdpa_ring_bit(i), &told);
    if (!(told & vdpa_ring_bit(i))) {
        VLOG_WARN_RL(&vhost->rl, "%s: the queue on which the guest %s, of "
                     "queue pair %u, is not served any more: %s.  Reset the "
                     "guest's network driver; if that happens again, it is "
                     "faulty or malicious", vhost->name,
                     i % 2 ? "sends" : "receives", i / 2, reason);
    }
}

/* Starts serving 'ring' of 'vhost'.  Returns true if successful. */
static bool
vhost_start_ring(struct vdpa_vhost *vhost, int vid, unsigned int ring)
{
    struct vdpa_virtq_setup setup;
    struct rte_vhost_vring vring;
    uint16_t position, used;
    const char *reason;
    uint32_t told;

    memset(&setup, 0, sizeof setup);
    memset(&vring, 0, sizeof vring);
    if (rte_vhost_get_negotiated_features(vid, &setup.features)
        || rte_vhost_get_vhost_vring(vid, ring, &vring)
        || rte_vhost_get_vring_base(vid, ring, &position, &used)) {
        return false;
    }
    setup.memory = vhost->memory;
    setup.desc = vring.desc;
    setup.driver = vring.avail;
    setup.device = vring.used;
    setup.size = vring.size;
    setup.position = position;
    setup.call_fd = vring.callfd;
    if (!vdpa_virtq_start(&vhost->virtqs[ring], &setup, &reason)) {
        VLOG_WARN_RL(&vhost->rl, "%s: queue %u of the guest on %s cannot be "
                     "used: %s", vhost->name, ring, vhost->path, reason);
        return false;
    }
    atomic_and(&vhost->told_stopped, ~vdpa_ring_bit(ring), &told);
    return true;
}

/* Stops serving 'rings' of 'vhost', that no thread may be able to find any
 * more, and has librte_vhost know how far they were served. */
void
vdpa_vhost_stop_rings(struct vdpa_vhost *vhost, int vid, uint32_t rings)
{
    for (unsigned int i = 0; i < vhost->max_pairs * 2; i++) {
        if (rings & vdpa_ring_bit(i)) {
            uint16_t position;

            vdpa_vhost_warn_ring(vhost, i);
            position = vdpa_virtq_stop(&vhost->virtqs[i]);
            rte_vhost_set_vring_base(vid, i, position, position);
        }
    }
}

/* Makes a new description of the guest's memory for 'vhost', none of whose
 * rings may be served, or none unless 'has_memory': librte_vhost would look
 * for a table that is not there. */
static void
vhost_update_memory(struct vdpa_vhost *vhost, int vid, bool has_memory)
{
    uint64_t features = 0;

    free(vhost->memory);
    vhost->memory = NULL;
    if (has_memory) {
        rte_vhost_get_negotiated_features(vid, &features);
        vhost->memory = vdpa_guest_memory_create(vid, features,
                                                 &vhost->share);
    }
}

/* Serves all rings of 'vhost' that are ready. */
void
vdpa_vhost_resume(struct vdpa_vhost *vhost, int vid)
{
    uint32_t ready, started = 0;
    bool has_memory;

    ovs_mutex_lock(&vhost->mutex);
    ready = vhost_ready_rings(vhost);
    has_memory = vhost->has_memory;
    ovs_mutex_unlock(&vhost->mutex);

    vhost_update_memory(vhost, vid, has_memory);
    for (unsigned int i = 0; vhost->memory && i < vhost->max_pairs * 2; i++) {
        if (ready & vdpa_ring_bit(i) && vhost_start_ring(vhost, vid, i)) {
            started |= vdpa_ring_bit(i);
        }
    }

    ovs_mutex_lock(&vhost->mutex);
    vhost->paused = false;
    vhost->started = started;
    vdpa_vhost_publish(vhost);
    ovs_mutex_unlock(&vhost->mutex);
}

/* Has no thread serve a ring of 'vhost' from now on until vdpa_vhost_resume().
 * Packets for the guest wait. */
void
vdpa_vhost_pause(struct vdpa_vhost *vhost)
{
    uint32_t started = 0;
    int vid;

    ovs_mutex_lock(&vhost->mutex);
    vid = vhost->vid;
    if (vid >= 0 && !vhost->paused) {
        started = vhost->started;
        vhost->started = 0;
        vhost->paused = true;
        vdpa_vhost_publish(vhost);
    }
    ovs_mutex_unlock(&vhost->mutex);
    if (started) {
        ovsrcu_synchronize();
        vdpa_vhost_stop_rings(vhost, vid, started);
    }
}

/* Starts or stops serving 'ring' of the guest 'vid', that is the one of
 * 'vhost', none of whose other rings is touched. */
void
vdpa_vhost_change_ring(struct vdpa_vhost *vhost, int vid, unsigned int ring,
                       bool enable)
{
    uint32_t bit = vdpa_ring_bit(ring);
    uint32_t started;

    ovs_mutex_lock(&vhost->mutex);
    started = vhost->started;
    ovs_mutex_unlock(&vhost->mutex);
    if (enable && !(started & bit) && vhost->memory
        && vhost_start_ring(vhost, vid, ring)) {
        started |= bit;
    } else if (!enable) {
        started &= ~bit;
    }

    ovs_mutex_lock(&vhost->mutex);
    bit &= vhost->started;
    vhost->started = started;
    vdpa_vhost_publish(vhost);
    ovs_mutex_unlock(&vhost->mutex);
    if (!enable && bit) {
        ovsrcu_synchronize();
        vdpa_vhost_stop_rings(vhost, vid, bit);
    }
}
