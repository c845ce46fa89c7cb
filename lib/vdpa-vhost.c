/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-vhost.h"

#include <errno.h>
#include <limits.h>
#include <linux/virtio_net.h>

#include <rte_vhost.h>

#include "coverage.h"
#include "hash.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vdpa_vhost);

COVERAGE_DEFINE(vdpa_guest_connected);
COVERAGE_DEFINE(vdpa_guest_disconnected);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Message of the vhost-user protocol by which the hypervisor asks for the
 * number of queue pairs, and as much of any message as is read of it. */
#define VHOST_USER_GET_QUEUE_NUM 17
OVS_PACKED(
struct vhost_user_msg {
    uint32_t request;
    uint32_t flags;
    uint32_t size;
    uint64_t u64;
});

/* All sockets, by their path.  librte_vhost's callbacks know the path only. */
static struct ovs_mutex vhosts_mutex = OVS_MUTEX_INITIALIZER;
static struct hmap vhosts OVS_GUARDED_BY(vhosts_mutex)
    = HMAP_INITIALIZER(&vhosts);

static struct vdpa_vhost *
vhost_lookup__(const char *path)
    OVS_REQUIRES(vhosts_mutex)
{
    struct vdpa_vhost *vhost;

    HMAP_FOR_EACH_WITH_HASH (vhost, node, hash_string(path, 0), &vhosts) {
        if (!strcmp(vhost->path, path)) {
            return vhost;
        }
    }
    return NULL;
}

/* Returns the socket that librte_vhost's 'vid' came from.  To be used in
 * callbacks: the socket cannot be closed while one of them runs. */
static struct vdpa_vhost *
vhost_from_vid(int vid)
    OVS_EXCLUDED(vhosts_mutex)
{
    struct vdpa_vhost *vhost = NULL;
    char path[PATH_MAX];

    if (!rte_vhost_get_ifname(vid, path, sizeof path)) {
        ovs_mutex_lock(&vhosts_mutex);
        vhost = vhost_lookup__(path);
        ovs_mutex_unlock(&vhosts_mutex);
    }
    return vhost;
}

/* Fills in the map from the VF's receive queues to the guest's. */
static void
conn_map_rx(struct vdpa_vhost_conn *conn, unsigned int max_pairs)
{
    unsigned int enabled[VDPA_MAX_QUEUES];
    unsigned int n = 0;

    for (unsigned int i = 0; i < max_pairs; i++) {
        if (conn->rx_enabled & (UINT32_C(1) << i)) {
            enabled[n++] = i;
        }
    }
    for (unsigned int i = 0; i < max_pairs; i++) {
        conn->rx_map[i] = (conn->rx_enabled & (UINT32_C(1) << i) ? i
                           : n ? enabled[i % n] : VDPA_NO_QUEUE);
    }
}

/* Has the port of 'vhost' look at it. */
static void
vhost_tell(struct vdpa_vhost *vhost)
    OVS_REQUIRES(vhost->mutex)
{
    atomic_store(&vhost->changed, true);
    if (vhost->changed_cb) {
        vhost->changed_cb(vhost->aux);
    }
}

/* Publishes the present state of 'vhost' and has the port know of it. */
static void
vhost_publish(struct vdpa_vhost *vhost)
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
        new->tx_enabled = vhost->tx_ready;
        new->rx_enabled = vhost->rx_ready;
        conn_map_rx(new, vhost->max_pairs);
    }

    old = ovsrcu_get_protected(struct vdpa_vhost_conn *, &vhost->conn);
    ovsrcu_set(&vhost->conn, new);
    if (old) {
        ovsrcu_postpone(free, old);
    }
    vhost_tell(vhost);
}

/* Callbacks of librte_vhost
 * -------------------------
 *
 * They come from its thread or, for what vdpa_vhost_close() brings about, from
 * the main thread.  vring_state_changed() may come with the locks of all
 * virtqueues held, that a PMD thread may be spinning for: so it must neither
 * wait for anything nor call a function that takes such a lock.
 *
 * A thread of librte_vhost's takes part in RCU only while it runs one of these
 * functions: each puts it back into the quiescent state. */

/* Answers the hypervisor's question for the number of queue pairs with what
 * the port has, so that a guest with more is refused when it starts, in the
 * hypervisor's words, instead of having queues that nobody serves. */
static enum rte_vhost_msg_result
handle_message(int vid, void *msg_)
{
    struct vhost_user_msg *msg = msg_;
    struct vdpa_vhost *vhost;

    if (msg->request != VHOST_USER_GET_QUEUE_NUM) {
        return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
    }
    vhost = vhost_from_vid(vid);
    if (!vhost) {
        return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
    }
    msg->u64 = vhost->max_pairs;
    msg->size = sizeof msg->u64;
    return RTE_VHOST_MSG_RESULT_REPLY;
}

static const struct rte_vhost_user_extern_ops message_ops = {
    .pre_msg_handle = handle_message,
};

static int
new_connection(int vid)
{
    struct vdpa_vhost *vhost = vhost_from_vid(vid);

    if (!vhost) {
        return -1;
    }
    ovs_mutex_lock(&vhost->mutex);
    vhost->tx_ready = vhost->rx_ready = 0;
    ovs_mutex_unlock(&vhost->mutex);

    if (rte_vhost_extern_callback_register(vid, &message_ops, NULL)) {
        VLOG_WARN_RL(&rl, "%s: hypervisor is not told that only %u queue "
                     "pairs can be used", vhost->name, vhost->max_pairs);
    }
    ovsrcu_quiesce_start();
    return 0;
}

static int
new_device(int vid)
{
    struct vdpa_vhost *vhost = vhost_from_vid(vid);
    uint16_t n_rings = rte_vhost_get_vring_num(vid);

    if (!vhost) {
        return -1;
    }

    ovs_mutex_lock(&vhost->mutex);
    vhost->vid = vid;
    vhost->serial++;
    vhost_publish(vhost);
    ovs_mutex_unlock(&vhost->mutex);

    COVERAGE_INC(vdpa_guest_connected);
    VLOG_INFO_RL(&rl, "%s: guest on %s is there, with %u queue pairs",
                 vhost->name, vhost->path, n_rings / 2);
    if (n_rings / 2 > vhost->max_pairs) {
        VLOG_WARN_RL(&rl, "%s: guest has %u queue pairs, but only the first "
                     "%u are served: raise options:vdpa-max-queues or lower "
                     "the guest's number of queues",
                     vhost->name, n_rings / 2, vhost->max_pairs);
    }
    ovsrcu_quiesce_start();
    return 0;
}

static void
destroy_device(int vid)
{
    struct vdpa_vhost *vhost = vhost_from_vid(vid);
    bool known = false;

    if (vhost) {
        ovs_mutex_lock(&vhost->mutex);
        if (vhost->vid == vid) {
            vhost->vid = -1;
            vhost_publish(vhost);
            known = true;
        }
        ovs_mutex_unlock(&vhost->mutex);
    }
    if (known) {
        COVERAGE_INC(vdpa_guest_disconnected);
        VLOG_INFO_RL(&rl, "%s: guest on %s has gone", vhost->name,
                     vhost->path);

        /* librte_vhost unmaps the guest's memory next. */
        ovsrcu_synchronize();
    }
    ovsrcu_quiesce_start();
}

static int
vring_state_changed(int vid, uint16_t ring, int enable)
{
    struct vdpa_vhost *vhost = vhost_from_vid(vid);

    if (vhost && ring / 2 < vhost->max_pairs) {
        uint32_t bit = UINT32_C(1) << ring / 2;
        uint32_t *ready;
        uint32_t new;

        ovs_mutex_lock(&vhost->mutex);
        ready = ring % 2 ? &vhost->tx_ready : &vhost->rx_ready;
        new = enable ? *ready | bit : *ready & ~bit;
        if (new != *ready) {
            *ready = new;
            if (vhost->vid == vid) {
                vhost_publish(vhost);
            }
        }
        ovs_mutex_unlock(&vhost->mutex);
    }
    ovsrcu_quiesce_start();
    return 0;
}

static const struct rte_vhost_device_ops device_ops = {
    .new_device = new_device,
    .destroy_device = destroy_device,
    .vring_state_changed = vring_state_changed,
    .new_connection = new_connection,
};

static void
vhost_free(struct vdpa_vhost *vhost)
{
    ovs_mutex_lock(&vhosts_mutex);
    hmap_remove(&vhosts, &vhost->node);
    ovs_mutex_unlock(&vhosts_mutex);

    ovs_assert(!ovsrcu_get_protected(struct vdpa_vhost_conn *, &vhost->conn));
    ovs_mutex_destroy(&vhost->mutex);
    free(vhost->path);
    free(vhost->name);
    free(vhost);
}

/* Opens the vhost-user socket that 'config' describes.
 *
 * Returns 0 if successful.  Otherwise returns a positive errno value, stores
 * NULL into '*vhostp' and a description, that the caller must free, into
 * '*errorp', and nothing is left of it.  To be called from the main thread. */
int
vdpa_vhost_open(const struct vdpa_vhost_config *config,
                struct vdpa_vhost **vhostp, char **errorp)
{
    const char *path = config->path;
    uint64_t flags = (RTE_VHOST_USER_CLIENT
                      | RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS
                      | (config->linear
                         ? RTE_VHOST_USER_LINEARBUF_SUPPORT : 0));
    struct vdpa_vhost *vhost;
    bool ours;

    /* librte_vhost registers a path twice without complaint.  Of what finds a
     * path, only this function does not log an error if it is not there; a
     * socket of OVS's own ports, that it might find, has no vDPA device. */
    *vhostp = NULL;
    ovs_mutex_lock(&vhosts_mutex);
    ours = vhost_lookup__(path) != NULL;
    ovs_mutex_unlock(&vhosts_mutex);
    if (ours || !rte_vhost_driver_detach_vdpa_device(path)) {
        *errorp = xasprintf("options:vdpa-socket-path=%s is already used by "
                            "another port: choose another socket", path);
        return EADDRINUSE;
    }
    if (rte_vhost_driver_register(path, flags)) {
        *errorp = xasprintf("options:vdpa-socket-path=%s cannot be "
                            "registered", path);
        return EINVAL;
    }

    vhost = xzalloc(sizeof *vhost);
    vhost->path = xstrdup(path);
    vhost->name = xstrdup(config->name);
    vhost->max_pairs = config->max_pairs;
    vhost->device = config->device;
    ovsrcu_init(&vhost->conn, NULL);
    ovs_mutex_init(&vhost->mutex);
    ovs_mutex_lock(&vhost->mutex);
    vhost->vid = -1;
    vhost->changed_cb = config->changed_cb;
    vhost->aux = config->aux;
    ovs_mutex_unlock(&vhost->mutex);
    atomic_init(&vhost->changed, false);

    /* The callbacks must find the port before the first guest can come. */
    ovs_mutex_lock(&vhosts_mutex);
    hmap_insert(&vhosts, &vhost->node, hash_string(path, 0));
    ovs_mutex_unlock(&vhosts_mutex);

    if (rte_vhost_driver_callback_register(path, &device_ops)
        || rte_vhost_driver_disable_features(path,
                                             config->unsupported_features)
        || (config->device
            && rte_vhost_driver_attach_vdpa_device(path, config->device))
        || rte_vhost_driver_start(path)) {
        *errorp = xasprintf("options:vdpa-socket-path=%s cannot be opened",
                            path);
        vdpa_vhost_close(vhost);
        return EINVAL;
    }
    *vhostp = vhost;
    return 0;
}

/* Closes 'vhost', whose guest, if any, stays and may be taken over by the next
 * port with the same socket.  To be called from the main thread, holding no
 * lock. */
void
vdpa_vhost_close(struct vdpa_vhost *vhost)
{
    if (!vhost) {
        return;
    }

    /* librte_vhost waits here for a callback that is running, and that one may
     * be waiting for this thread to quiesce. */
    ovsrcu_quiesce_start();
    rte_vhost_driver_unregister(vhost->path);
    ovsrcu_quiesce_end();
    vhost_free(vhost);
}

/* Has 'vhost' not call its 'changed_cb' any more.  May be called from any
 * thread. */
void
vdpa_vhost_silence(struct vdpa_vhost *vhost)
{
    ovs_mutex_lock(&vhost->mutex);
    vhost->changed_cb = NULL;
    ovs_mutex_unlock(&vhost->mutex);
}

/* Has 'vhost' tell its port of a change, as if its guest had brought that
 * about.  May be called from any thread. */
void
vdpa_vhost_notify(struct vdpa_vhost *vhost)
{
    ovs_mutex_lock(&vhost->mutex);
    vhost_tell(vhost);
    ovs_mutex_unlock(&vhost->mutex);
}

/* The same for the socket that librte_vhost's 'vid' came from.  To be called
 * from what librte_vhost calls, also before vdpa_vhost_open() has returned. */
void
vdpa_vhost_notify_vid(int vid)
{
    struct vdpa_vhost *vhost = vhost_from_vid(vid);

    if (vhost) {
        vdpa_vhost_notify(vhost);
    }
    ovsrcu_quiesce_start();
}

/* Does for 'vhost' what librte_vhost's thread must not be kept waiting for.
 * Returns the connection if it changed since the last call, so that the caller
 * can do the same, otherwise NULL.  To be called from the main thread. */
const struct vdpa_vhost_conn *
vdpa_vhost_run(struct vdpa_vhost *vhost)
{
    const struct vdpa_vhost_conn *conn;
    bool changed;

    atomic_read_relaxed(&vhost->changed, &changed);
    if (!changed) {
        return NULL;
    }
    atomic_store(&vhost->changed, false);

    conn = vdpa_vhost_get_conn(vhost);
    if (conn && !vhost->device) {
        /* The rings are polled, so the guest need not kick. */
        for (unsigned int i = 0; i < conn->n_pairs * 2; i++) {
            rte_vhost_enable_guest_notification(conn->vid, i, 0);
        }
    }
    return conn;
}
