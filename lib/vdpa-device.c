/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-device.h"

#include <errno.h>
#include <linux/virtio_config.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_vdpa.h>
#include <rte_vhost.h>

#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "util.h"
#include "vdpa-features.h"
#include "vdpa-vf.h"
#include "vdpa-vhost.h"
#include "vdpa-watch.h"

VLOG_DEFINE_THIS_MODULE(vdpa_device);

/* Finding the device
 * ------------------ */

/* Returns true if nothing keeps 'dev', of which DPDK has made the Ethernet
 * device 'port_id' or, if that is RTE_MAX_ETHPORTS, nothing that is left, from
 * being taken away: no representor stands on it, and nobody has said that it
 * is his. */
static bool
is_free(const struct rte_device *dev, uint16_t port_id)
{
    struct rte_eth_dev_owner owner;
    uint16_t other;

    RTE_ETH_FOREACH_DEV_OF (other, dev) {
        if (other != port_id) {
            return false;
        }
    }
    return (port_id >= RTE_MAX_ETHPORTS
            || (!rte_eth_dev_owner_get(port_id, &owner)
                && owner.id == RTE_ETH_DEV_NO_OWNER));
}

/* Takes away what DPDK has made of the function of 'device' before, if
 * anything.  Returns 0 if nothing is left, otherwise a positive errno value,
 * with '*reasonp' set. */
static int
device_clear(struct vdpa_device *device, char **reasonp)
{
    const char *name = device->devargs.name;
    struct rte_device *dev = vdpa_devargs_find_device(&device->devargs);
    uint16_t port_id;
    char *former;
    int error;

    if (!dev) {
        return 0;
    }
    port_id = vdpa_devargs_find_ethdev(&device->devargs);
    if (!is_free(dev, port_id)) {
        *reasonp = xasprintf("%s is an Ethernet device that is in use", name);
        return EBUSY;
    }
    former = vdpa_devargs_describe(dev);
    error = vdpa_devargs_remove(&device->devargs);
    if (error) {
        free(former);
        *reasonp = xasprintf("%s is probed already, and cannot be removed "
                             "(%s)", name, ovs_strerror(error));
        return error;
    }
    if (port_id < RTE_MAX_ETHPORTS) {
        device->former = former;
    } else {
        free(former);
    }
    return 0;
}

/* Has DPDK probe the function of 'device' for its vDPA side. */
static int
device_probe(struct vdpa_device *device, char **reasonp)
{
    /* "vdpa=1" is how Intel's ifc is told, that knows of no class. */
    bool told = vdpa_devargs_find(&device->devargs, "vdpa") != NULL;
    int error;

    vdpa_devargs_set_quiet(&device->devargs, true);
    error = vdpa_devargs_probe(&device->devargs, told ? NULL : "vdpa");
    vdpa_devargs_set_quiet(&device->devargs, false);
    if (error) {
        *reasonp = xasprintf("%s has no vDPA device: probing it%s failed (%s)",
                             device->devargs.name,
                             told ? "" : " with class=vdpa",
                             ovs_strerror(error));
        /* Some buses keep a device that no driver took. */
        vdpa_devargs_remove(&device->devargs);
        return error;
    }
    device->probed = true;

    device->vdpa = rte_vdpa_find_device_by_name(device->devargs.name);
    if (!device->vdpa) {
        /* The driver does not know "class" and brought up something else. */
        *reasonp = xasprintf("%s has no vDPA device", device->devargs.name);
        return ENODEV;
    }
    return 0;
}

/* Finds the vDPA device of 'device', having DPDK probe it if needed. */
static int
device_find(struct vdpa_device *device, char **reasonp)
{
    const char *class = vdpa_devargs_find(&device->devargs, "class");
    int error;

    if (class && strncmp(class, "vdpa", 4)) {
        *reasonp = xasprintf("options:vdpa-accelerator-devargs=%s asks for "
                             "another class", device->devargs.string);
        return EINVAL;
    }
    device->vdpa = rte_vdpa_find_device_by_name(device->devargs.name);
    if (device->vdpa) {
        return 0;
    }
    error = device_clear(device, reasonp);
    return error ? error : device_probe(device, reasonp);
}

/* Reads what the device can do. */
static int
device_choose(struct vdpa_device *device, unsigned int max_queues,
              char **reasonp)
{
    const char *name = device->devargs.name;
    uint64_t protocol_features;
    uint32_t device_queues;

    if (!vdpa_watch_is_net(device->vdpa)) {
        *reasonp = xasprintf("vDPA device %s is no network device", name);
        return ENODEV;
    }
    if (rte_vdpa_get_queue_num(device->vdpa, &device_queues) < 0
        || rte_vdpa_get_features(device->vdpa, &device->features) < 0
        || rte_vdpa_get_protocol_features(device->vdpa,
                                          &protocol_features) < 0) {
        *reasonp = xasprintf("vDPA device %s does not say what it can do",
                             name);
        return EIO;
    }
    if (!device_queues) {
        *reasonp = xasprintf("vDPA device %s has no queues", name);
        return ENODEV;
    }
    if (!(device->features & (UINT64_C(1) << VIRTIO_F_VERSION_1))) {
        *reasonp = xasprintf("vDPA device %s lacks VIRTIO_F_VERSION_1", name);
        return EOPNOTSUPP;
    }

    device->device_queues = MIN(device_queues, VDPA_MAX_QUEUES);
    device->n_queues = MIN(max_queues ? max_queues : VDPA_MAX_QUEUES,
                           device_queues);
    if (max_queues > device_queues) {
        VLOG_INFO("%s: vDPA device %s has %"PRIu32" queue pairs, below "
                  "options:vdpa-max-queues=%u", device->owner, name,
                  device_queues, max_queues);
    }
    device->socket_id
        = MAX(rte_dev_numa_node(rte_vdpa_get_rte_device(device->vdpa)), 0);
    return 0;
}

/* Returns true if DPDK still has the device: nothing of it may be touched
 * otherwise.  May be called from any thread. */
bool
vdpa_device_is_there(const struct vdpa_device *device)
{
    return (device->vdpa
            && rte_vdpa_find_device_by_name(device->devargs.name)
               == device->vdpa);
}

/* Life
 * ---- */

/* Returns true if the function of 'device' was unplugged. */
bool
vdpa_device_is_removed(const struct vdpa_device *device)
{
    bool removed;

    atomic_read(&CONST_CAST(struct vdpa_device *, device)->removed, &removed);
    return removed;
}

/* The driver has configured the device for a guest, or has not. */
static void
device_configured_cb(int vid, int error, void *device_)
{
    struct vdpa_device *device = device_;

    atomic_store(&device->error, error);
    if (!error) {
        /* Should it have gone, it is back. */
        atomic_store(&device->removed, false);
        atomic_store(&device->served, true);
    }
    vdpa_vhost_notify_vid(vid);
}

/* Something happened to the device, says its bus or its driver. */
static void
device_event_cb(const char *name, enum rte_dev_event_type type, void *device_)
{
    struct vdpa_device *device = device_;

    if (type == RTE_DEV_EVENT_REMOVE && name
        && !strcmp(name, device->devargs.name)) {
        if (!vdpa_device_is_removed(device)) {
            atomic_store(&device->removed, true);
            VLOG_WARN("%s: vDPA device %s was removed", device->owner, name);
            vdpa_vhost_notify(device->vhost);
        }
        ovsrcu_quiesce_start();
    }
}

/* Returns the device of the function that 'devargs' means, for the port
 * 'owner', that has nothing of it yet. */
static struct vdpa_device *
device_create(const struct vdpa_devargs *devargs, const char *owner)
{
    struct vdpa_device *device = xzalloc(sizeof *device);

    device->owner = xstrdup(owner);
    vdpa_devargs_clone(&device->devargs, devargs);
    atomic_init(&device->removed, false);
    atomic_init(&device->error, 0);
    atomic_init(&device->served, false);
    return device;
}

/* Asks the vDPA device of the function that 'devargs' means, that no port has,
 * what it can offer, and leaves everything as it was.  Stores the answer into
 * '*side', if there is one. */
void
vdpa_device_ask(const struct vdpa_devargs *devargs, const char *owner,
                struct vdpa_side *side)
{
    struct vdpa_device *device = device_create(devargs, owner);
    char *reason = NULL;

    if (!device_find(device, &reason)
        && !device_choose(device, 0, &reason)) {
        vdpa_device_get_side(device, side);
    }
    free(reason);
    vdpa_device_close(device);
}

/* Has '*side' say what 'device' can offer. */
void
vdpa_device_get_side(const struct vdpa_device *device, struct vdpa_side *side)
{
    side->known = true;
    side->features = vdpa_features_offered(device->features);
    side->n_queues = device->device_queues;
}

/* Attaches the vDPA device of the function that 'devargs' means to the guest
 * on the vhost-user socket 'socket_path', for the port 'owner', with up to
 * 'max_queues' queue pairs, or as many as can be used if that is 0, but with
 * nothing that 'other', if nonnull, could not offer too.  Calls 'changed_cb'
 * with 'aux' when the guest comes, goes or changes its queues, or when
 * something happens to the device.
 *
 * Returns 0 if successful.  Otherwise returns a positive errno value, stores
 * NULL into '*devicep' and the reason, that the caller must free, into
 * '*reasonp', and leaves everything as it was. */
int
vdpa_device_open(const struct vdpa_devargs *devargs, const char *owner,
                 const char *socket_path, unsigned int max_queues,
                 const struct vdpa_side *other,
                 void (*changed_cb)(void *aux), void *aux,
                 struct vdpa_device **devicep, char **reasonp)
{
    struct vdpa_device *device = device_create(devargs, owner);
    int error;

    *devicep = NULL;
    error = device_find(device, reasonp);
    if (!error) {
        error = device_choose(device, max_queues, reasonp);
    }
    if (!error && other) {
        device->n_queues = MIN(device->n_queues, other->n_queues);
    }
    if (!error) {
        struct vdpa_vhost_config config = {
            .path = socket_path,
            .name = owner,
            .max_pairs = device->n_queues,
            .unsupported_features
                = other ? vdpa_features_withheld(other->features) : 0,
            .device = device->vdpa,
            .changed_cb = changed_cb,
            .aux = aux,
        };

        device->watch = vdpa_watch_begin(device->vdpa, device_configured_cb,
                                         device);
        error = vdpa_vhost_open(&config, &device->vhost, reasonp);
    }
    if (error) {
        vdpa_device_close(device);
        return error;
    }
    rte_dev_event_callback_register(device->devargs.name, device_event_cb,
                                    device);
    *devicep = device;
    return 0;
}

/* Parts 'device', if nonnull, from its guest and gives the function back to
 * the NIC, as it was before vdpa_device_open().  No thread may be able to find
 * 'device' any more. */
void
vdpa_device_close(struct vdpa_device *device)
{
    if (!device) {
        return;
    }

    if (device->vhost) {
        while (rte_dev_event_callback_unregister(device->devargs.name,
                                                 device_event_cb, device)
               == -EAGAIN) {
            /* It is being called. */
        }
        vdpa_vhost_close(device->vhost);
    }
    vdpa_watch_end(device->watch, vdpa_device_is_there(device));
    if (device->probed) {
        vdpa_devargs_remove(&device->devargs);
    }
    if (device->former) {
        rte_dev_probe(device->former);
        free(device->former);
    }
    vdpa_devargs_destroy(&device->devargs);
    free(device->owner);
    free(device);
}

/* Does what 'device' has to do now and then.  To be called when it may have
 * changed. */
void
vdpa_device_periodic(struct vdpa_device *device)
{
    vdpa_vhost_run(device->vhost);
}

/* Returns 0, or a positive errno value if the driver of 'device' refuses to
 * serve the guest, although the device is there. */
int
vdpa_device_get_error(const struct vdpa_device *device)
{
    int error;

    atomic_read(&CONST_CAST(struct vdpa_device *, device)->error, &error);
    return vdpa_device_is_removed(device) ? 0 : error;
}

/* Returns true if the driver of 'device' has ever agreed to serve a guest. */
bool
vdpa_device_has_served(const struct vdpa_device *device)
{
    bool served;

    atomic_read(&CONST_CAST(struct vdpa_device *, device)->served, &served);
    return served;
}
