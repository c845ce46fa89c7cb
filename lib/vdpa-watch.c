/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-watch.h"

#include <errno.h>

#include <rte_vhost.h>
#include <vdpa_driver.h>

#include "util.h"

struct vdpa_watch {
    struct rte_vdpa_dev_ops ops;    /* The driver's, but for two of them. */
    struct rte_vdpa_dev_ops *real;  /* The driver's own. */
    struct rte_vdpa_device *device;
    vdpa_watch_cb *cb;
    void *aux;
    int refusal;                    /* Of the present guest, by the driver. */
};

/* Returns true if 'device' is a network device.  librte_vhost tells that only
 * of a socket that the device is attached to, and a socket that is closed
 * without having been started loses a file descriptor. */
bool
vdpa_watch_is_net(const struct rte_vdpa_device *device)
{
    return device->type == RTE_VHOST_VDPA_DEVICE_TYPE_NET;
}

static int
watched_dev_conf(int vid)
{
    struct rte_vdpa_device *device = rte_vhost_get_vdpa_device(vid);
    struct vdpa_watch *watch = CONTAINER_OF(device->ops, struct vdpa_watch,
                                            ops);
    int retval;

    /* librte_vhost asks again after each message, though the answer has been
     * told, and the guest is about to be parted from the device. */
    if (watch->refusal) {
        return watch->refusal;
    }
    retval = watch->refusal = watch->real->dev_conf(vid);

    /* Some drivers return a negative errno value, some just -1, which is
     * EPERM and not meant. */
    watch->cb(vid, !retval ? 0 : retval < -1 ? -retval : EIO, watch->aux);
    return retval;
}

static int
watched_dev_close(int vid)
{
    struct rte_vdpa_device *device = rte_vhost_get_vdpa_device(vid);
    struct vdpa_watch *watch = CONTAINER_OF(device->ops, struct vdpa_watch,
                                            ops);

    watch->refusal = 0;
    return watch->real->dev_close(vid);
}

/* Begins to watch 'device', that must not be watched yet, and returns the
 * watch. */
struct vdpa_watch *
vdpa_watch_begin(struct rte_vdpa_device *device, vdpa_watch_cb *cb, void *aux)
{
    struct vdpa_watch *watch = xmalloc(sizeof *watch);

    watch->ops = *device->ops;
    watch->ops.dev_conf = watched_dev_conf;
    if (device->ops->dev_close) {
        watch->ops.dev_close = watched_dev_close;
    }
    watch->real = device->ops;
    watch->device = device;
    watch->cb = cb;
    watch->aux = aux;
    watch->refusal = 0;
    device->ops = &watch->ops;
    return watch;
}

/* Ends 'watch', if nonnull.  'there' must say whether DPDK still has its
 * device. */
void
vdpa_watch_end(struct vdpa_watch *watch, bool there)
{
    if (watch) {
        if (there) {
            watch->device->ops = watch->real;
        }
        free(watch);
    }
}
