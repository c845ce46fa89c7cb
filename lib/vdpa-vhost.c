/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-vhost.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <rte_vhost.h>

#include "coverage.h"
#include "hash.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vdpa-guest-memory.h"

VLOG_DEFINE_THIS_MODULE(vdpa_vhost);

COVERAGE_DEFINE(vdpa_guest_connected);
COVERAGE_DEFINE(vdpa_guest_disconnected);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Messages of the vhost-user protocol that are not left to librte_vhost alone,
 * and as much of any message as is read of it. */
enum {
    VHOST_USER_SET_FEATURES = 2,
    VHOST_USER_RESET_OWNER = 4,
    VHOST_USER_SET_MEM_TABLE = 5,
    VHOST_USER_SET_LOG_BASE = 6,
    VHOST_USER_SET_VRING_NUM = 8,
    VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10,
    VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_SEND_RARP = 19,
};
OVS_PACKED(
struct vhost_user_msg {
    uint32_t request;
    uint32_t flags;
    uint32_t size;
    union {
        uint64_t u64;
        uint32_t ring;
    };
});

/* For how long a hypervisor may leave a message unfinished, or not read an
 * answer, in milliseconds.  Meanwhile no other guest's messages are read. */
#define MESSAGE_PATIENCE 500

/* Where this process's open files are listed. */
#define OPEN_FILES "/proc/self/fd"

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

static inline uint32_t
ring_bit(unsigned int ring)
{
    return UINT32_C(1) << ring;
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
        new->paused = vhost->paused;
        for (unsigned int i = 0; i < vhost->max_pairs; i++) {
            uint32_t bit = UINT32_C(1) << i;

            if (vhost->device || vhost->started & ring_bit(i * 2)) {
                new->rx_enabled |= vhost->rx_ready & bit;
            }
            if (vhost->device || vhost->started & ring_bit(i * 2 + 1)) {
                new->tx_enabled |= vhost->tx_ready & bit;
            }
        }
        if (vhost->paused) {
            new->rx_enabled = new->tx_enabled = 0;
        }
        conn_map_rx(new, vhost->max_pairs);
    }

    old = ovsrcu_get_protected(struct vdpa_vhost_conn *, &vhost->conn);
    ovsrcu_set(&vhost->conn, new);
    if (old) {
        ovsrcu_postpone(free, old);
    }
    vhost_tell(vhost);
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
static void
vhost_warn_ring(struct vdpa_vhost *vhost, unsigned int i)
{
    const char *reason = vdpa_virtq_stopped(&vhost->virtqs[i]);
    uint32_t told;

    if (!reason) {
        return;
    }
    atomic_or(&vhost->told_stopped, ring_bit(i), &told);
    if (!(told & ring_bit(i))) {
        VLOG_WARN_RL(&rl, "%s: the queue on which the guest %s, of queue pair "
                     "%u, is not served any more: %s.  Reset the guest's "
                     "network driver; if that happens again, it is faulty or "
                     "malicious", vhost->name, i % 2 ? "sends" : "receives",
                     i / 2, reason);
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
    if (setup.call_fd >= 0) {
        /* No thread that moves packets is to wait for whoever reads it. */
        int flags = fcntl(setup.call_fd, F_GETFL);

        if (flags >= 0) {
            fcntl(setup.call_fd, F_SETFL, flags | O_NONBLOCK);
        }
    }
    if (!vdpa_virtq_start(&vhost->virtqs[ring], &setup, &reason)) {
        VLOG_WARN_RL(&rl, "%s: queue %u of the guest on %s cannot be used: %s",
                     vhost->name, ring, vhost->path, reason);
        return false;
    }
    atomic_and(&vhost->told_stopped, ~ring_bit(ring), &told);
    return true;
}

/* Stops serving 'rings' of 'vhost', that no thread may be able to find any
 * more, and has librte_vhost know how far they were served. */
static void
vhost_stop_rings(struct vdpa_vhost *vhost, int vid, uint32_t rings)
{
    for (unsigned int i = 0; i < vhost->max_pairs * 2; i++) {
        if (rings & ring_bit(i)) {
            uint16_t position;

            vhost_warn_ring(vhost, i);
            position = vdpa_virtq_stop(&vhost->virtqs[i]);
            rte_vhost_set_vring_base(vid, i, position, position);
        }
    }
}

/* Makes a new description of the guest's memory for 'vhost', none of whose
 * rings may be served. */
static void
vhost_update_memory(struct vdpa_vhost *vhost, int vid)
{
    uint64_t features = 0;

    free(vhost->memory);
    rte_vhost_get_negotiated_features(vid, &features);
    vhost->memory = vdpa_guest_memory_create(vid, features);
}

/* Serves all rings of 'vhost' that are ready. */
static void
vhost_resume(struct vdpa_vhost *vhost, int vid)
{
    uint32_t ready, started = 0;

    ovs_mutex_lock(&vhost->mutex);
    ready = vhost_ready_rings(vhost);
    ovs_mutex_unlock(&vhost->mutex);

    vhost_update_memory(vhost, vid);
    for (unsigned int i = 0; vhost->memory && i < vhost->max_pairs * 2; i++) {
        if (ready & ring_bit(i) && vhost_start_ring(vhost, vid, i)) {
            started |= ring_bit(i);
        }
    }

    ovs_mutex_lock(&vhost->mutex);
    vhost->paused = false;
    vhost->started = started;
    vhost_publish(vhost);
    ovs_mutex_unlock(&vhost->mutex);
}

/* Has no thread serve a ring of 'vhost' from now on until vhost_resume().
 * Packets for the guest wait. */
static void
vhost_pause(struct vdpa_vhost *vhost)
{
    uint32_t started = 0;
    int vid;

    ovs_mutex_lock(&vhost->mutex);
    vid = vhost->vid;
    if (vid >= 0 && !vhost->paused) {
        started = vhost->started;
        vhost->started = 0;
        vhost->paused = true;
        vhost_publish(vhost);
    }
    ovs_mutex_unlock(&vhost->mutex);
    if (started) {
        ovsrcu_synchronize();
        vhost_stop_rings(vhost, vid, started);
    }
}

/* Callbacks of librte_vhost
 * -------------------------
 *
 * They come from its threads or, for what vdpa_vhost_open() and
 * vdpa_vhost_close() bring about, from the main thread.  Most come with the
 * locks of all of the guest's virtqueues held, so no other thread may call a
 * function of librte_vhost's that takes these: it would not quiesce, and
 * callbacks wait for that.
 *
 * A thread of librte_vhost's takes part in RCU only while it runs one of these
 * functions: each puts it back into the quiescent state. */

/* Does what has to be done before librte_vhost deals with a message.
 *
 * The hypervisor's question for the number of queue pairs is answered with
 * what the port has, so that a guest with more is refused when it starts, in
 * the hypervisor's words, instead of having queues that nobody serves. */
static enum rte_vhost_msg_result
vhost_before_message(struct vdpa_vhost *vhost, struct vhost_user_msg *msg)
{
    bool ready;

    switch (msg->request) {
    case VHOST_USER_GET_QUEUE_NUM:
        msg->u64 = vhost->max_pairs;
        msg->size = sizeof msg->u64;
        return RTE_VHOST_MSG_RESULT_REPLY;

    case VHOST_USER_SET_MEM_TABLE:
    case VHOST_USER_RESET_OWNER:
        ovs_mutex_lock(&vhost->mutex);
        vhost->has_memory = false;
        ovs_mutex_unlock(&vhost->mutex);
        vhost_pause(vhost);
        break;

    case VHOST_USER_SET_FEATURES:
    case VHOST_USER_SET_LOG_BASE:
        vhost_pause(vhost);
        break;

    case VHOST_USER_SET_VRING_NUM:
    case VHOST_USER_SET_VRING_ADDR:
    case VHOST_USER_SET_VRING_BASE:
        ovs_mutex_lock(&vhost->mutex);
        ready = (msg->ring < vhost->max_pairs * 2
                 && vhost->started & ring_bit(msg->ring));
        ovs_mutex_unlock(&vhost->mutex);
        if (ready) {
            vhost_pause(vhost);
        }
        break;

    case VHOST_USER_SEND_RARP:
        memcpy(vhost->announce_mac, &msg->u64, sizeof vhost->announce_mac);
        atomic_store(&vhost->announce, true);
        break;
    }
    return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result
before_message(int vid, void *msg)
{
    bool quiescent = ovsrcu_is_quiescent();
    struct vdpa_vhost *vhost = vhost_from_vid(vid);
    enum rte_vhost_msg_result result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;

    if (vhost) {
        const struct vhost_user_msg *m = msg;

        if (!vhost->device || m->request == VHOST_USER_GET_QUEUE_NUM) {
            result = vhost_before_message(vhost, msg);
        }
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }

    /* librte_vhost looks into rings. */
    vdpa_guest_memory_begin();
    return result;
}

/* Does what has to be done after librte_vhost has dealt with a message.  It is
 * not called if that failed. */
static enum rte_vhost_msg_result
after_message(int vid, void *msg_)
{
    const struct vhost_user_msg *msg = msg_;
    struct vdpa_vhost *vhost = vhost_from_vid(vid);
    bool quiescent = ovsrcu_is_quiescent();
    bool resume;

    vdpa_guest_memory_end();
    if (vhost && !vhost->device) {
        ovs_mutex_lock(&vhost->mutex);
        if (msg->request == VHOST_USER_SET_MEM_TABLE) {
            vhost->has_memory = true;
        }
        resume = vhost->vid == vid && vhost->paused && vhost->has_memory;
        ovs_mutex_unlock(&vhost->mutex);
        if (resume) {
            vhost_resume(vhost, vid);
        }
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
    return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops message_ops = {
    .pre_msg_handle = before_message,
    .post_msg_handle = after_message,
};

/* Returns the last part of 'path', of at most 'max' bytes. */
static const char *
file_name(const char *path, size_t max)
{
    const char *slash = memrchr(path, '/', strnlen(path, max));

    return slash ? slash + 1 : path;
}

/* Has librte_vhost's thread, that serves all sockets, not wait for long for
 * the hypervisor of 'vhost'.  librte_vhost does not tell which of this
 * process's files the connection is.  That it has the right name suffices:
 * the path may be one of the hypervisor's own view. */
static void
limit_patience(const struct vdpa_vhost *vhost)
{
    const struct timeval patience = { .tv_usec = MESSAGE_PATIENCE * 1000 };
    struct dirent *entry;
    DIR *dir;

    dir = opendir(OPEN_FILES);
    while (dir && (entry = readdir(dir))) {
        struct sockaddr_un sun;
        socklen_t len = sizeof sun - 1;
        int fd;

        if (str_to_int(entry->d_name, 10, &fd)) {
            memset(&sun, 0, sizeof sun);
            if (!getpeername(fd, (struct sockaddr *) &sun, &len)
                && sun.sun_family == AF_UNIX
                && !strcmp(file_name(sun.sun_path, sizeof sun.sun_path),
                           file_name(vhost->path, PATH_MAX))) {
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                           sizeof patience);
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
                           sizeof patience);
            }
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static int
new_connection(int vid)
{
    bool quiescent = ovsrcu_is_quiescent();
    struct vdpa_vhost *vhost = vhost_from_vid(vid);

    if (!vhost) {
        return -1;
    }
    ovs_mutex_lock(&vhost->mutex);
    vhost->tx_ready = vhost->rx_ready = 0;
    vhost->paused = vhost->has_memory = false;
    ovs_mutex_unlock(&vhost->mutex);

    limit_patience(vhost);
    if (rte_vhost_extern_callback_register(vid, &message_ops, NULL)) {
        VLOG_WARN_RL(&rl, "%s: messages of the hypervisor on %s cannot be "
                     "seen", vhost->name, vhost->path);
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
    return 0;
}

static void
destroy_connection(int vid)
{
    bool quiescent = ovsrcu_is_quiescent();
    struct vdpa_vhost *vhost = vhost_from_vid(vid);

    if (vhost) {
        ovs_mutex_lock(&vhost->mutex);
        vhost->guest_left = true;
        vhost_tell(vhost);
        ovs_mutex_unlock(&vhost->mutex);
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
}

static int
new_device(int vid)
{
    bool quiescent = ovsrcu_is_quiescent();
    struct vdpa_vhost *vhost = vhost_from_vid(vid);
    uint16_t n_rings = rte_vhost_get_vring_num(vid);

    if (!vhost) {
        return -1;
    }

    ovs_mutex_lock(&vhost->mutex);
    vhost->vid = vid;
    vhost->serial++;
    vhost->guest_left = false;
    if (vhost->device) {
        vhost_publish(vhost);
    }
    ovs_mutex_unlock(&vhost->mutex);
    if (!vhost->device) {
        vhost_resume(vhost, vid);
    }

    COVERAGE_INC(vdpa_guest_connected);
    VLOG_INFO_RL(&rl, "%s: guest on %s is there, with %u queue pairs",
                 vhost->name, vhost->path, n_rings / 2);
    if (n_rings / 2 > vhost->max_pairs) {
        VLOG_WARN_RL(&rl, "%s: guest has %u queue pairs, but only the first "
                     "%u are served: raise options:vdpa-max-queues or lower "
                     "the guest's number of queues",
                     vhost->name, n_rings / 2, vhost->max_pairs);
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
    return 0;
}

static void
destroy_device(int vid)
{
    bool quiescent = ovsrcu_is_quiescent();
    struct vdpa_vhost *vhost = vhost_from_vid(vid);
    uint32_t started = 0;
    bool known = false;

    if (vhost) {
        ovs_mutex_lock(&vhost->mutex);
        if (vhost->vid == vid) {
            vhost->vid = -1;
            started = vhost->started;
            vhost->started = 0;
            vhost->paused = false;
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
        vhost_stop_rings(vhost, vid, started);
        free(vhost->memory);
        vhost->memory = NULL;
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
}

/* Starts or stops serving 'ring' of the guest 'vid', that is the one of
 * 'vhost', none of whose other rings is touched. */
static void
vhost_change_ring(struct vdpa_vhost *vhost, int vid, unsigned int ring,
                  bool enable)
{
    uint32_t bit = ring_bit(ring);
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
    vhost_publish(vhost);
    ovs_mutex_unlock(&vhost->mutex);
    if (!enable && bit) {
        ovsrcu_synchronize();
        vhost_stop_rings(vhost, vid, bit);
    }
}

static int
vring_state_changed(int vid, uint16_t ring, int enable)
{
    bool quiescent = ovsrcu_is_quiescent();
    struct vdpa_vhost *vhost = vhost_from_vid(vid);

    if (vhost && ring / 2 < vhost->max_pairs) {
        uint32_t bit = UINT32_C(1) << ring / 2;
        bool serve = false;
        uint32_t *ready;
        uint32_t new;

        ovs_mutex_lock(&vhost->mutex);
        ready = ring % 2 ? &vhost->tx_ready : &vhost->rx_ready;
        new = enable ? *ready | bit : *ready & ~bit;
        if (new != *ready) {
            *ready = new;
            if (vhost->vid == vid) {
                serve = !vhost->device && !vhost->paused;
                if (!serve) {
                    vhost_publish(vhost);
                }
            }
        }
        ovs_mutex_unlock(&vhost->mutex);
        if (serve) {
            vhost_change_ring(vhost, vid, ring, enable);
        }
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
    return 0;
}

static const struct rte_vhost_device_ops device_ops = {
    .new_device = new_device,
    .destroy_device = destroy_device,
    .vring_state_changed = vring_state_changed,
    .new_connection = new_connection,
    .destroy_connection = destroy_connection,
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
                      | RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS);
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
    atomic_init(&vhost->told_stopped, 0);
    atomic_init(&vhost->changed, false);
    atomic_init(&vhost->announce, false);
    vdpa_guest_memory_catch_sigbus();

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
    bool quiescent = ovsrcu_is_quiescent();
    struct vdpa_vhost *vhost = vhost_from_vid(vid);

    if (vhost) {
        vdpa_vhost_notify(vhost);
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
}

/* Returns true if the hypervisor of 'vhost' has ended a connection and no
 * guest drives its device since, though the hypervisor may be back: whoever
 * serves the rings can be replaced now without a guest's noticing.  A guest
 * that only resets its device does not count.  To be called from the main
 * thread. */
bool
vdpa_vhost_has_guest_left(struct vdpa_vhost *vhost)
{
    bool guest_left;

    ovs_mutex_lock(&vhost->mutex);
    guest_left = vhost->guest_left;
    ovs_mutex_unlock(&vhost->mutex);
    return guest_left;
}

/* Returns the connection of 'vhost' if it changed since the last call, so that
 * the caller can do what librte_vhost's thread must not be kept waiting for,
 * otherwise NULL.  To be called from the main thread. */
const struct vdpa_vhost_conn *
vdpa_vhost_run(struct vdpa_vhost *vhost)
{
    bool changed;

    atomic_read_relaxed(&vhost->changed, &changed);
    if (!changed) {
        return NULL;
    }
    atomic_store(&vhost->changed, false);
    return vdpa_vhost_get_conn(vhost);
}

/* Says in the log which rings of the guest of 'vhost', if any, are not served
 * any more since they broke the rules.  To be called now and then, from the
 * main thread: a guest that stays is to be told of before it goes. */
void
vdpa_vhost_warn(struct vdpa_vhost *vhost)
{
    const struct vdpa_vhost_conn *conn = vdpa_vhost_get_conn(vhost);

    if (!conn || vhost->device) {
        return;
    }
    for (unsigned int i = 0; i < conn->n_pairs * 2; i++) {
        uint32_t enabled = i % 2 ? conn->tx_enabled : conn->rx_enabled;

        if (enabled & (UINT32_C(1) << i / 2)) {
            vhost_warn_ring(vhost, i);
        }
    }
}
