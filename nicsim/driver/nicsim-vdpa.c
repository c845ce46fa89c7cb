/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-vdpa.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/vhost_types.h>
#include <linux/virtio_net.h>

#include <dev_driver.h>
#include <rte_common.h>
#include <rte_errno.h>
#include <vdpa_driver.h>

#include "nicsim-host.h"
#include "nicsim-log.h"
#include "nicsim-util.h"
#include "nicsim-vdpa-guest.h"
#include "nicsim-vdpa-log.h"
#include "nicsim-vdpa-stats.h"

#define BIT(N) (UINT64_C(1) << (N))

/* Messages about what a guest did wrong, in a window of so many seconds. */
#define EVENT_WINDOW_S 10
#define MAX_EVENTS 5

static pthread_mutex_t vdpas_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, nicsim_vdpa) vdpas = LIST_HEAD_INITIALIZER(vdpas);

struct nicsim_vdpa *
nicsim_vdpa_find(const struct rte_vdpa_device *dev)
{
    struct nicsim_vdpa *vdpa;

    pthread_mutex_lock(&vdpas_mutex);
    LIST_FOREACH (vdpa, &vdpas, node) {
        if (vdpa->vdpa == dev) {
            break;
        }
    }
    pthread_mutex_unlock(&vdpas_mutex);
    return vdpa;
}

static struct nicsim_vdpa *
find_by_vid(int vid)
{
    struct rte_vdpa_device *dev = rte_vhost_get_vdpa_device(vid);

    return dev ? nicsim_vdpa_find(dev) : NULL;
}

int
nicsim_vdpa_request(struct nicsim_vdpa *vdpa, struct nicsim_msg *msg,
                    const int *fds, unsigned int n_fds, const char *what)
{
    int error;

    if (!vdpa->host) {
        snprintf(msg->text, sizeof msg->text, "the NIC is gone");
        error = EIO;
    } else {
        error = nicsim_host_request(vdpa->host, msg, fds, n_fds, NULL, 0);
    }
    if (error && what) {
        NICSIM_LOG(ERR, "%s: could not %s: %s", vdpa->name, what,
                   msg->text[0] ? msg->text : rte_strerror(error));
    }
    return error;
}

/* Opening. */

static int
vdpa_open(struct nicsim_vdpa *vdpa, struct nicsim_vdpa_info *info)
{
    struct nicsim_msg msg = { .type = NICSIM_VDPA_OPEN };
    struct nicsim_host *host;
    int error;

    error = nicsim_host_get(vdpa->path, &host);
    if (error) {
        return error;
    }
    if (NICSIM_FN_INDEX(vdpa->fn) >= host->n_vfs) {
        NICSIM_LOG(ERR, "%s: the NIC has %u VFs only", vdpa->name,
                   host->n_vfs);
        nicsim_host_put(host);
        return ENODEV;
    }
    msg.vdpa_info.fn = vdpa->fn;
    vdpa->host = host;
    error = nicsim_vdpa_request(vdpa, &msg, NULL, 0, "open the vDPA device");
    if (error) {
        vdpa->host = NULL;
        nicsim_host_put(host);
        return error;
    }
    nicsim_host_watch_vdpa(host, vdpa);
    *info = msg.vdpa_info;
    return 0;
}

static void
vdpa_shut(struct nicsim_vdpa *vdpa)
{
    struct nicsim_msg msg = { .type = NICSIM_VDPA_CLOSE };
    struct nicsim_host *host = vdpa->host;

    if (!host) {
        return;
    }
    nicsim_host_unwatch_vdpa(host, vdpa);
    if (!nicsim_host_is_dead(host)) {
        msg.vdpa_info.fn = vdpa->fn;
        nicsim_vdpa_request(vdpa, &msg, NULL, 0, "close the vDPA device");
    }
    vdpa->host = NULL;
    nicsim_host_put(host);
}

/* Looks for the NIC again if it died. */
static int
revive(struct nicsim_vdpa *vdpa)
{
    struct nicsim_vdpa_info info;
    int error;

    if (vdpa->host && !nicsim_host_is_dead(vdpa->host)) {
        return 0;
    }
    vdpa_shut(vdpa);
    error = vdpa_open(vdpa, &info);
    if (!error) {
        NICSIM_LOG(NOTICE, "%s: the NIC is back", vdpa->name);
    }
    return error;
}

/* Callbacks of librte_vhost: what the device can do.  Negative errno. */

static int
get_queue_num(struct rte_vdpa_device *dev, uint32_t *n)
{
    const struct nicsim_vdpa *vdpa = nicsim_vdpa_find(dev);

    if (!vdpa) {
        return -ENODEV;
    }
    *n = vdpa->n_queues;
    return 0;
}

static int
get_features(struct rte_vdpa_device *dev, uint64_t *features)
{
    const struct nicsim_vdpa *vdpa = nicsim_vdpa_find(dev);

    if (!vdpa) {
        return -ENODEV;
    }
    *features = vdpa->features | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
    return 0;
}

static int
get_protocol_features(struct rte_vdpa_device *dev, uint64_t *features)
{
    const struct nicsim_vdpa *vdpa = nicsim_vdpa_find(dev);

    if (!vdpa) {
        return -ENODEV;
    }
    /* No RARP: librte_vhost keeps the address that is to be announced to
     * itself, and a guest's address is not always its VF's.  A guest that
     * announces itself (VIRTIO_NET_F_GUEST_ANNOUNCE) needs none. */
    *features = (BIT(VHOST_USER_PROTOCOL_F_MQ)
                 | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK)
                 | BIT(VHOST_USER_PROTOCOL_F_NET_MTU)
                 | BIT(VHOST_USER_PROTOCOL_F_STATUS));
    if (vdpa->features & BIT(VHOST_F_LOG_ALL)) {
        *features |= BIT(VHOST_USER_PROTOCOL_F_LOG_SHMFD);
    }
    return 0;
}

static int
get_dev_type(struct rte_vdpa_device *dev __rte_unused, uint32_t *type)
{
    *type = RTE_VHOST_VDPA_DEVICE_TYPE_NET;
    return 0;
}

/* Callbacks of librte_vhost: a guest.  Negative errno. */

/* Locks the device of guest 'vid' and makes the guest its own if 'take' and it
 * has none.  Returns 0 or a positive errno, the device being unlocked. */
static int
lock_guest(int vid, bool take, struct nicsim_vdpa **vdpap)
{
    struct nicsim_vdpa *vdpa = find_by_vid(vid);

    if (!vdpa) {
        return ENODEV;
    }
    pthread_mutex_lock(&vdpa->mutex);
    if (vdpa->vid < 0 && take) {
        vdpa->vid = vid;
    }
    if (vdpa->vid != vid) {
        if (take) {
            NICSIM_LOG(ERR, "%s: has a guest already", vdpa->name);
        }
        pthread_mutex_unlock(&vdpa->mutex);
        return EBUSY;
    }
    *vdpap = vdpa;
    return 0;
}

static int
dev_conf(int vid)
{
    struct nicsim_vdpa *vdpa;
    int error;

    error = lock_guest(vid, true, &vdpa);
    if (error) {
        return -error;
    }
    if (vdpa->handed_over) {
        nicsim_vdpa_take_back(vdpa);
    }
    error = revive(vdpa);
    if (!error) {
        error = nicsim_vdpa_hand_over(vdpa);
    }
    pthread_mutex_unlock(&vdpa->mutex);
    return -error;
}

static int
dev_close(int vid)
{
    struct nicsim_vdpa *vdpa;
    int error;

    error = lock_guest(vid, false, &vdpa);
    if (error) {
        /* Perhaps it never had a ring that was ready. */
        return error == EBUSY ? 0 : -error;
    }
    if (vdpa->handed_over) {
        nicsim_vdpa_take_back(vdpa);
        NICSIM_LOG(INFO, "%s: gave its guest back", vdpa->name);
    }
    pthread_mutex_unlock(&vdpa->mutex);
    return 0;
}

/* The connection ends, or the hypervisor resets the device. */
static int
dev_cleanup(int vid)
{
    struct nicsim_vdpa *vdpa;
    int error;

    error = lock_guest(vid, false, &vdpa);
    if (error) {
        return error == EBUSY ? 0 : -error;
    }
    if (vdpa->handed_over) {
        nicsim_vdpa_take_back(vdpa);
    }
    vdpa->vid = -1;
    memset(vdpa->vrings, 0, sizeof vdpa->vrings);
    pthread_mutex_unlock(&vdpa->mutex);
    return 0;
}

/* librte_vhost says that a ring is ready before it has the device configured,
 * and does not say so again when it has it configured anew. */
static int
set_vring_state(int vid, int queue, int on)
{
    struct nicsim_vdpa *vdpa;
    int error;

    error = lock_guest(vid, on, &vdpa);
    if (error) {
        return error == EBUSY && !on ? 0 : -error;
    }
    if (queue < 0 || (unsigned int) queue >= 2 * vdpa->n_queues) {
        error = on ? E2BIG : 0;
        if (error) {
            NICSIM_LOG(ERR, "%s: there is no ring %d, the VF has %u queue "
                       "pairs", vdpa->name, queue, vdpa->n_queues);
        }
    } else {
        vdpa->vrings[queue].on = on;
        if (vdpa->handed_over) {
            error = nicsim_vdpa_update_vring(vdpa, queue);
        }
    }
    pthread_mutex_unlock(&vdpa->mutex);
    return -error;
}

/* All features but the dirty log wait for dev_conf(). */
static int
set_features(int vid)
{
    struct nicsim_vdpa *vdpa;
    uint64_t features = 0;
    int error;

    error = lock_guest(vid, false, &vdpa);
    if (error) {
        return error == EBUSY ? 0 : -error;
    }
    rte_vhost_get_negotiated_features(vid, &features);
    if (vdpa->handed_over
        && (features & BIT(VHOST_F_LOG_ALL) || vdpa->logging)) {
        error = nicsim_vdpa_update_log(vdpa, features);
        if (error) {
            /* librte_vhost does not tell the hypervisor.  A guest that stands
             * still is better than one that arrives with pieces missing. */
            NICSIM_LOG(ERR, "%s: its guest is stopped, since what it is "
                       "written would not be logged", vdpa->name);
            nicsim_vdpa_take_back(vdpa);
        }
    }
    pthread_mutex_unlock(&vdpa->mutex);
    return -error;
}

/* A front end for a network device has a configuration space of its own, and
 * need not ask for ours. */
static int
get_config(int vid, uint8_t *config, uint32_t size)
{
    struct nicsim_vdpa *vdpa = find_by_vid(vid);
    struct virtio_net_config c;

    if (!vdpa) {
        return -ENODEV;
    }
    memset(&c, 0, sizeof c);
    memcpy(c.mac, vdpa->mac, sizeof c.mac);
    pthread_mutex_lock(&vdpa->mutex);
    c.status = (vdpa->host && !nicsim_host_is_dead(vdpa->host)
                ? VIRTIO_NET_S_LINK_UP : 0);
    pthread_mutex_unlock(&vdpa->mutex);
    c.max_virtqueue_pairs = vdpa->n_queues;
    c.mtu = vdpa->max_mtu;
    memset(config, 0, size);
    memcpy(config, &c, RTE_MIN(size, sizeof c));
    return 0;
}

static int
set_config(int vid, uint8_t *config __rte_unused, uint32_t offset,
           uint32_t size, uint32_t flags __rte_unused)
{
    const struct nicsim_vdpa *vdpa = find_by_vid(vid);

    if (!vdpa) {
        return -ENODEV;
    }
    /* Since virtio 1.0 it is for the driver to read. */
    NICSIM_LOG(ERR, "%s: a guest can not write its configuration space "
               "(%u bytes at %u)", vdpa->name, size, offset);
    return -ENOTSUP;
}

/* There is no get_notify_area: doorbells are eventfds, which a hypervisor
 * needs no page of the device for. */
static struct rte_vdpa_dev_ops nicsim_vdpa_ops = {
    .get_queue_num = get_queue_num,
    .get_features = get_features,
    .get_protocol_features = get_protocol_features,
    .dev_conf = dev_conf,
    .dev_close = dev_close,
    .dev_cleanup = dev_cleanup,
    .set_vring_state = set_vring_state,
    .set_features = set_features,
    .get_stats_names = nicsim_vdpa_get_stats_names,
    .get_stats = nicsim_vdpa_get_stats,
    .reset_stats = nicsim_vdpa_reset_stats,
    .get_config = get_config,
    .set_config = set_config,
    .get_dev_type = get_dev_type,
};

/* Events, in the interrupt thread. */

const char *
nicsim_vdpa_error_name(unsigned int error)
{
    switch ((enum nicsim_vq_error) error) {
    case NICSIM_VQ_OK:
        return "nothing";
    case NICSIM_VQ_NO_BUFFER:
        return "no buffer";
    case NICSIM_VQ_BAD_ADDRESS:
        return "bad address";
    case NICSIM_VQ_BAD_LENGTH:
        return "bad length";
    case NICSIM_VQ_BAD_DIRECTION:
        return "bad direction";
    case NICSIM_VQ_BAD_HEADER:
        return "bad header";
    case NICSIM_VQ_TOO_MANY:
        return "too many pieces";
    case NICSIM_VQ_BAD_INDEX:
        return "bad index";
    case NICSIM_VQ_BAD_CHAIN:
        return "bad chain";
    case NICSIM_VQ_BAD_INDIRECT:
        return "bad indirect table";
    case NICSIM_VQ_BAD_WRAP:
        return "bad wrap counter";
    case NICSIM_VQ_MEMORY_GONE:
        return "memory gone";
    case NICSIM_VQ_N_ERRORS:
    default:
        return "unknown";
    }
}

void
nicsim_vdpa_handle_event(struct nicsim_vdpa *vdpa,
                         const struct nicsim_event *event)
{
    struct timespec now;

    if (event->type != NICSIM_EV_VDPA_QUEUE) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - vdpa->event_window >= EVENT_WINDOW_S) {
        vdpa->event_window = now.tv_sec;
        vdpa->n_events = 0;
    }
    if (vdpa->n_events++ < MAX_EVENTS) {
        NICSIM_LOG(ERR, "%s: the NIC stopped ring %u, which its guest broke: "
                   "%s%s", vdpa->name, event->queue,
                   nicsim_vdpa_error_name(event->why),
                   (vdpa->n_events == MAX_EVENTS
                    ? " (no more messages for a while)" : ""));
    }
}

/* Plugging. */

int
nicsim_vdpa_create(struct rte_device *dev, const char *path, unsigned int vf,
                   struct nicsim_vdpa **vdpap)
{
    struct nicsim_vdpa_info info;
    struct nicsim_vdpa *vdpa;
    int error;

    vdpa = nicsim_zalloc(sizeof *vdpa);
    if (!vdpa) {
        return ENOMEM;
    }
    vdpa->name = dev->name;
    vdpa->path = path;
    vdpa->fn = NICSIM_FN(NICSIM_FN_VF, vf);
    vdpa->vid = -1;
    pthread_mutex_init(&vdpa->mutex, NULL);

    error = vdpa_open(vdpa, &info);
    if (error) {
        goto error;
    }
    vdpa->n_queues = RTE_MIN(info.n_queues, (uint32_t) NICSIM_MAX_QUEUES);
    vdpa->max_mtu = RTE_MIN(info.max_mtu, (uint32_t) NICSIM_MAX_MTU);
    vdpa->features = info.features;
    memcpy(vdpa->mac, info.mac, sizeof vdpa->mac);
    if (!nicsim_vdpa_log_possible()) {
        vdpa->features &= ~BIT(VHOST_F_LOG_ALL);
        NICSIM_LOG(NOTICE, "%s: guests can not be migrated from this device, "
                   "since this process is not allowed to open "
                   "/proc/self/map_files", vdpa->name);
    }

    pthread_mutex_lock(&vdpas_mutex);
    vdpa->vdpa = rte_vdpa_register_device(dev, &nicsim_vdpa_ops);
    if (vdpa->vdpa) {
        LIST_INSERT_HEAD(&vdpas, vdpa, node);
    }
    pthread_mutex_unlock(&vdpas_mutex);
    if (!vdpa->vdpa) {
        NICSIM_LOG(ERR, "%s: librte_vhost has no room for it, or has one of "
                   "that name", vdpa->name);
        error = ENOSPC;
        goto error_shut;
    }
    *vdpap = vdpa;
    return 0;

error_shut:
    vdpa_shut(vdpa);
error:
    pthread_mutex_destroy(&vdpa->mutex);
    free(vdpa);
    return error;
}

int
nicsim_vdpa_destroy(struct nicsim_vdpa *vdpa)
{
    if (!vdpa) {
        return 0;
    }
    pthread_mutex_lock(&vdpa->mutex);
    if (vdpa->handed_over) {
        char path[256] = "";

        rte_vhost_get_ifname(vdpa->vid, path, sizeof path);
        NICSIM_LOG(ERR, "%s: can not be removed while it serves the guest on "
                   "%s", vdpa->name, path);
        pthread_mutex_unlock(&vdpa->mutex);
        return EBUSY;
    }
    pthread_mutex_lock(&vdpas_mutex);
    LIST_REMOVE(vdpa, node);
    pthread_mutex_unlock(&vdpas_mutex);
    rte_vdpa_unregister_device(vdpa->vdpa);
    vdpa_shut(vdpa);
    pthread_mutex_unlock(&vdpa->mutex);
    pthread_mutex_destroy(&vdpa->mutex);
    free(vdpa);
    return 0;
}
