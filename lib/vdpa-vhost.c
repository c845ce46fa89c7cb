/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_vhost.h>

#include "coverage.h"
#include "dirs.h"
#include "hash.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vdpa-guest-memory.h"
#include "vdpa-message.h"
#include "vdpa-screen.h"
#include "vdpa-vhost-ring.h"

VLOG_DEFINE_THIS_MODULE(vdpa_vhost);

COVERAGE_DEFINE(vdpa_guest_connected);
COVERAGE_DEFINE(vdpa_guest_disconnected);

/* A message with the files that came with it, as DPDK 22.11 hands it to
 * before_message() and after_message(): the largest is one about a session of
 * encryption, that has two pointers and two keys. */
struct vhost_message_context {
    uint8_t msg[VDPA_MESSAGE_HEADER_LEN + 40 + 2 * sizeof(void *) + 64 + 512];
    int fds[VDPA_MESSAGE_MAX_FILES];
    int n_fds;
};

/* Returns true if librte_vhost maps or unmaps memory because of 'msg'. */
static bool
message_remaps(const struct vdpa_message *msg)
{
    return (msg->request == VDPA_REQUEST_SET_MEM_TABLE
            || msg->request == VDPA_REQUEST_RESET_OWNER
            || msg->request == VDPA_REQUEST_SET_LOG_BASE);
}

/* All sockets, by librte_vhost's path, which is all that its callbacks
 * know. */
static struct ovs_mutex vhosts_mutex = OVS_MUTEX_INITIALIZER;
static struct hmap vhosts OVS_GUARDED_BY(vhosts_mutex)
    = HMAP_INITIALIZER(&vhosts);

static struct vdpa_vhost *
vhost_lookup__(const char *vhost_path)
    OVS_REQUIRES(vhosts_mutex)
{
    struct vdpa_vhost *vhost;

    HMAP_FOR_EACH_WITH_HASH (vhost, node, hash_string(vhost_path, 0),
                             &vhosts) {
        if (!strcmp(vhost->vhost_path, vhost_path)) {
            return vhost;
        }
    }
    return NULL;
}

/* Returns true if a port of ours has the hypervisor's socket 'path'. */
static bool
path_is_used(const char *path)
{
    struct vdpa_vhost *vhost;
    bool used = false;

    ovs_mutex_lock(&vhosts_mutex);
    HMAP_FOR_EACH (vhost, node, &vhosts) {
        used = used || !strcmp(vhost->path, path);
    }
    ovs_mutex_unlock(&vhosts_mutex);
    return used;
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

/* Does what has to be done before librte_vhost deals with a message, that is
 * one which vdpa-message.h has let pass: stops whatever touches what it
 * changes.  If librte_vhost then fails, the connection ends (vdpa-screen.h),
 * and nothing is started again. */
static void
vhost_before_message(struct vdpa_vhost *vhost, const struct vdpa_message *msg)
{
    uint32_t ring;
    bool started;

    switch (msg->request) {
    case VDPA_REQUEST_SET_MEM_TABLE:
    case VDPA_REQUEST_RESET_OWNER:
        ovs_mutex_lock(&vhost->mutex);
        vhost->has_memory = false;
        ovs_mutex_unlock(&vhost->mutex);
        vdpa_vhost_pause(vhost);
        break;

    case VDPA_REQUEST_SET_FEATURES:
    case VDPA_REQUEST_SET_LOG_BASE:
        vdpa_vhost_pause(vhost);
        break;

    case VDPA_REQUEST_SET_VRING_NUM:
    case VDPA_REQUEST_SET_VRING_ADDR:
    case VDPA_REQUEST_SET_VRING_BASE:
        ring = msg->payload.state.index;
        ovs_mutex_lock(&vhost->mutex);
        started = (ring < vhost->max_pairs * 2
                   && vhost->started & vdpa_ring_bit(ring));
        ovs_mutex_unlock(&vhost->mutex);
        if (started) {
            vdpa_vhost_pause(vhost);
        }
        break;

    case VDPA_REQUEST_SEND_RARP:
        memcpy(vhost->announce_mac, &msg->payload.u64,
               sizeof vhost->announce_mac);
        atomic_store(&vhost->announce, true);
        break;
    }
}

/* Has librte_vhost end the connection of 'vhost', whose memory is not there,
 * because of 'msg': it keeps those that are told of a failure. */
static enum rte_vhost_msg_result
end_connection(struct vdpa_vhost *vhost, struct vdpa_message *msg)
{
    VLOG_WARN_RL(&vhost->rl, "%s: the connection to %s is ended: "
                 VDPA_VIRTQ_NO_MEMORY, vhost->name, vhost->path);
    msg->flags &= ~VDPA_MESSAGE_NEED_REPLY;
    return RTE_VHOST_MSG_RESULT_ERR;
}

static enum rte_vhost_msg_result
before_message(int vid, void *msg_)
{
    bool quiescent = ovsrcu_is_quiescent();
    struct vdpa_vhost *vhost = vhost_from_vid(vid);
    enum rte_vhost_msg_result result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
    struct vdpa_message *msg = msg_;

    if (msg->request == VDPA_SCREEN_FENCE) {
        msg->payload.u64 = 0;
        msg->size = sizeof msg->payload.u64;
        result = RTE_VHOST_MSG_RESULT_REPLY;
    } else if (vhost && !vhost->device) {
        vhost_before_message(vhost, msg);
    }
    if (vhost) {
        const struct vhost_message_context *context = msg_;

        vdpa_guest_share_before_message(&vhost->share, message_remaps(msg),
                                        context->fds,
                                        MIN(MAX(context->n_fds, 0),
                                            VDPA_MESSAGE_MAX_FILES));
        if (vdpa_guest_share_is_broken(&vhost->share)) {
            result = end_connection(vhost, msg);
        }
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
    return result;
}

/* Does what has to be done after librte_vhost has dealt with a message.  It is
 * not called if that failed. */
static enum rte_vhost_msg_result
after_message(int vid, void *msg_)
{
    const struct vdpa_message *msg = msg_;
    enum rte_vhost_msg_result result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
    struct vdpa_vhost *vhost = vhost_from_vid(vid);
    bool quiescent = ovsrcu_is_quiescent();
    bool resume;

    if (vhost) {
        if (msg->request == VDPA_REQUEST_RESET_OWNER) {
            /* librte_vhost forgets that rings were ready, and does not tell
             * that they are not. */
            ovs_mutex_lock(&vhost->mutex);
            vhost->tx_ready = vhost->rx_ready = 0;
            ovs_mutex_unlock(&vhost->mutex);
        }
        vdpa_guest_share_after_message(
            &vhost->share, vid, message_remaps(msg),
            msg->request == VDPA_REQUEST_SET_MEM_TABLE,
            msg->request == VDPA_REQUEST_SET_LOG_BASE);
        if (vdpa_guest_share_is_broken(&vhost->share)) {
            result = end_connection(vhost, msg_);
        }
    }
    if (vhost && !vhost->device) {
        ovs_mutex_lock(&vhost->mutex);
        if (msg->request == VDPA_REQUEST_SET_MEM_TABLE) {
            vhost->has_memory = true;
        }
        resume = vhost->vid == vid && vhost->paused && vhost->has_memory;
        ovs_mutex_unlock(&vhost->mutex);
        if (resume) {
            vdpa_vhost_resume(vhost, vid);
        }
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
    }
    return result;
}

static const struct rte_vhost_user_extern_ops message_ops = {
    .pre_msg_handle = before_message,
    .post_msg_handle = after_message,
};

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

    if (rte_vhost_extern_callback_register(vid, &message_ops, NULL)) {
        VLOG_WARN_RL(&vhost->rl, "%s: messages of the hypervisor on %s cannot "
                     "be seen", vhost->name, vhost->path);
    }
    vdpa_screen_attached(vhost->screen);
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
        vdpa_guest_share_end(&vhost->share);
        ovs_mutex_lock(&vhost->mutex);
        vhost->guest_left = true;
        vdpa_vhost_tell(vhost);
        ovs_mutex_unlock(&vhost->mutex);
        vdpa_screen_detached(vhost->screen);
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
        vdpa_vhost_publish(vhost);
    }
    ovs_mutex_unlock(&vhost->mutex);
    if (!vhost->device) {
        vdpa_vhost_resume(vhost, vid);
    }

    COVERAGE_INC(vdpa_guest_connected);
    VLOG_INFO_RL(&vhost->rl, "%s: guest on %s is there, with %u queue pairs",
                 vhost->name, vhost->path, n_rings / 2);
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
            vdpa_vhost_publish(vhost);
            known = true;
        }
        ovs_mutex_unlock(&vhost->mutex);
    }
    if (known) {
        COVERAGE_INC(vdpa_guest_disconnected);
        VLOG_INFO_RL(&vhost->rl, "%s: guest on %s has gone", vhost->name,
                     vhost->path);

        /* librte_vhost unmaps the guest's memory next. */
        ovsrcu_synchronize();
        vdpa_vhost_stop_rings(vhost, vid, started);
        free(vhost->memory);
        vhost->memory = NULL;
    }
    if (vhost && vhost->closing) {
        vdpa_guest_share_end(&vhost->share);
    }
    if (quiescent) {
        ovsrcu_quiesce_start();
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
                    vdpa_vhost_publish(vhost);
                }
            }
        }
        ovs_mutex_unlock(&vhost->mutex);
        if (serve) {
            vdpa_vhost_change_ring(vhost, vid, ring, enable);
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
    free(vhost->vhost_path);
    free(vhost->path);
    free(vhost->name);
    free(vhost);
}

/* librte_vhost's own sockets
 * --------------------------
 *
 * librte_vhost listens on a socket that only the port's screen connects to.
 * It wants a path to bind it to, and that path is the port's name for it: in
 * messages too.  The file is there for a moment only. */

/* Returns the path for the port 'name', to be freed. */
static char *
vhost_path_create(const char *name)
{
    static int rundir_fd = -1;
    const size_t max = sizeof ((struct sockaddr_un *) NULL)->sun_path;
    char *file, *path;

    file = xasprintf("%.60s.vhost.%ld", name, (long) getpid());
    for (char *p = file; *p; p++) {
        *p = *p == '/' ? '_' : *p;
    }
    path = xasprintf("%s/%s", ovs_rundir(), file);
    if (strlen(path) >= max) {
        if (rundir_fd < 0) {
            rundir_fd = open(ovs_rundir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        free(path);
        path = xasprintf("%s%d/%s", "/proc/self/fd/", rundir_fd, file);
    }
    free(file);
    return path;
}

/* Finds out whether a socket can be bound to 'path', and leaves no file there.
 * If librte_vhost 22.11 cannot, it closes a file twice, perhaps somebody
 * else's.  Returns 0 or a positive errno value. */
static int
vhost_path_try(const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0) {
        return errno;
    }
    unlink(path);
    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    if (bind(fd, (struct sockaddr *) &sun, sizeof sun)) {
        error = errno;
    }
    unlink(path);
    close(fd);
    return error;
}

/* Has librte_vhost listen for 'vhost', and stores a file by which its socket
 * can be found into '*fdp'.  Returns 0 or a positive errno value. */
static int
vhost_listen(struct vdpa_vhost *vhost, int *fdp)
{
    mode_t old_mask;
    int error;

    old_mask = umask(0177);
    error = rte_vhost_driver_start(vhost->vhost_path) ? EIO : 0;
    umask(old_mask);
    if (!error) {
        *fdp = open(vhost->vhost_path, O_PATH | O_CLOEXEC);
        error = *fdp < 0 ? errno : 0;
        unlink(vhost->vhost_path);
    }
    return error;
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
    struct vdpa_screen_config screen_config = {
        .name = config->name,
        .path = config->path,
        .n_pairs = config->max_pairs,
    };
    struct vdpa_vhost *vhost;
    char *vhost_path;
    int error;

    /* Of what finds a path of librte_vhost's, only this function does not log
     * an error if it is not there; a socket of OVS's own ports, that it might
     * find, has no vDPA device. */
    *vhostp = NULL;
    if (path_is_used(config->path)
        || !rte_vhost_driver_detach_vdpa_device(config->path)) {
        *errorp = xasprintf("options:vdpa-socket-path=%s is already used by "
                            "another port: choose another socket",
                            config->path);
        return EADDRINUSE;
    }
    vhost_path = vhost_path_create(config->name);
    error = vhost_path_try(vhost_path);
    if (!error && rte_vhost_driver_register(
                      vhost_path, RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS)) {
        error = EINVAL;
    }
    if (error) {
        *errorp = xasprintf("no socket can be made in %s for librte_vhost "
                            "(%s): options:vdpa-socket-path=%s cannot be "
                            "served", ovs_rundir(), ovs_strerror(error),
                            config->path);
        free(vhost_path);
        return error;
    }

    vhost = xzalloc(sizeof *vhost);
    vhost->vhost_path = vhost_path;
    vhost->path = xstrdup(config->path);
    vhost->name = xstrdup(config->name);
    vhost->max_pairs = config->max_pairs;
    vhost->device = config->device;
    vhost->rl = (struct vlog_rate_limit) VLOG_RATE_LIMIT_INIT(20, 20);
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
    vdpa_guest_memory_init();

    /* The callbacks must find the port before the first guest can come. */
    ovs_mutex_lock(&vhosts_mutex);
    hmap_insert(&vhosts, &vhost->node, hash_string(vhost_path, 0));
    ovs_mutex_unlock(&vhosts_mutex);

    if (rte_vhost_driver_callback_register(vhost_path, &device_ops)
        || rte_vhost_driver_disable_features(vhost_path,
                                             config->unsupported_features)
        || (config->device
            && rte_vhost_driver_attach_vdpa_device(vhost_path,
                                                   config->device))
        || vhost_listen(vhost, &screen_config.vhost_fd)) {
        *errorp = xasprintf("options:vdpa-socket-path=%s cannot be opened",
                            config->path);
        vdpa_vhost_close(vhost);
        return EINVAL;
    }

    vdpa_screen_create(&screen_config, &vhost->screen);
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

    vdpa_screen_destroy(vhost->screen);

    /* librte_vhost waits here for a callback that is running, and that one may
     * be waiting for this thread to quiesce. */
    vhost->closing = true;
    ovsrcu_quiesce_start();
    rte_vhost_driver_unregister(vhost->vhost_path);
    ovsrcu_quiesce_end();
    vdpa_guest_share_end(&vhost->share);
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
    vdpa_vhost_tell(vhost);
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
            vdpa_vhost_warn_ring(vhost, i);
        }
    }
}
