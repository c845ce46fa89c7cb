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
#include "vdpa-vf.h"
#include "vdpa-vhost.h"
#include "vdpa-watch.h"

VLOG_DEFINE_THIS_MODULE(vdpa_device);

/* What a statistic of a queue counts. */
enum stat_kind {
    STAT_OTHER,
    STAT_PACKETS,
    STAT_ERRORS,
};

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
    int error;

    if (!dev) {
        return 0;
    }
    port_id = vdpa_devargs_find_ethdev(&device->devargs);
    if (!is_free(dev, port_id)) {
        *reasonp = xasprintf("%s is an Ethernet device that is in use", name);
        return EBUSY;
    }
    error = vdpa_devargs_remove(&device->devargs);
    if (error) {
        *reasonp = xasprintf("%s is probed already, and cannot be removed "
                             "(%s)", name, ovs_strerror(error));
        return error;
    }
    device->was_ethdev = port_id < RTE_MAX_ETHPORTS;
    return 0;
}

/* Has DPDK probe the function of 'device' for its vDPA side. */
static int
device_probe(struct vdpa_device *device, char **reasonp)
{
    /* "vdpa=1" is how Intel's ifc is told, that knows of no class. */
    bool told = vdpa_devargs_find(&device->devargs, "vdpa") != NULL;
    int error = vdpa_devargs_probe(&device->devargs, told ? NULL : "vdpa");

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

/* Statistics
 * ---------- */

/* Returns what the statistic called 'name' counts.  Drivers call them as they
 * like.  Those of mlx5 are about descriptors: one that was completed is a
 * packet, or a part of one, moved. */
static enum stat_kind
classify_stat(const char *name)
{
    static const char *const errors[] = {
        "error", "drop", "bad", "invalid", "exceed", "fail",
    };

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        if (strcasestr(name, errors[i])) {
            return STAT_ERRORS;
        }
    }
    return (!strcmp(name, "packets") || !strcmp(name, "completed_descriptors")
            ? STAT_PACKETS : STAT_OTHER);
}

/* Decides what each of the 'n' statistics called 'names' counts.  One that is
 * called just "errors" is the sum of the others, but for what was dropped
 * since the guest had no room. */
static void
classify_stats(const struct rte_vdpa_stat_name *names, int n, uint8_t *kinds)
{
    bool sum = false;

    for (int i = 0; i < n; i++) {
        kinds[i] = classify_stat(names[i].name);
        sum |= !strcmp(names[i].name, "errors");
    }
    for (int i = 0; sum && i < n; i++) {
        if (kinds[i] == STAT_ERRORS && strcmp(names[i].name, "errors")
            && !strcasestr(names[i].name, "drop")) {
            kinds[i] = STAT_OTHER;
        }
    }
}

/* Reads which statistics the driver has for a queue.  Some have none. */
static void
device_init_stats(struct vdpa_device *device)
{
    int n = rte_vdpa_get_stats_names(device->vdpa, NULL, 0);
    struct rte_vdpa_stat_name *names;

    if (n <= 0) {
        return;
    }
    names = xcalloc(n, sizeof *names);
    n = rte_vdpa_get_stats_names(device->vdpa, names, n);
    if (n > 0) {
        device->n_stats = n;
        device->stat_kinds = xcalloc(n, sizeof *device->stat_kinds);
        device->stats = xcalloc(n, sizeof *device->stats);
        device->stat_names = names;
        classify_stats(names, n, device->stat_kinds);
    } else {
        free(names);
    }
}

/* Returns true if DPDK still has the device: nothing of it may be touched
 * otherwise. */
static bool
device_is_there(const struct vdpa_device *device)
{
    return (device->vdpa
            && rte_vdpa_find_device_by_name(device->devargs.name)
               == device->vdpa);
}

/* Stores how many packets 'device' moved on 'virtqueue', the guest's receive
 * queue of pair i if that is 2 * i and its transmit queue if it is 2 * i + 1,
 * into '*packets', and how many errors it met into '*errors'.  Returns false
 * if there are no statistics of that queue: it may be disabled. */
bool
vdpa_device_get_stats(const struct vdpa_device *device,
                      unsigned int virtqueue, uint64_t *packets,
                      uint64_t *errors)
{
    int n = 0;

    *packets = *errors = 0;
    if (device->n_stats && device_is_there(device)) {
        n = rte_vdpa_get_stats(device->vdpa, virtqueue, device->stats,
                               device->n_stats);
    }
    for (int i = 0; i < n; i++) {
        const struct rte_vdpa_stat *stat = &device->stats[i];

        if (stat->id < device->n_stats) {
            switch ((enum stat_kind) device->stat_kinds[stat->id]) {
            case STAT_PACKETS:
                *packets += stat->value;
                break;
            case STAT_ERRORS:
                *errors += stat->value;
                break;
            case STAT_OTHER:
                break;
            }
        }
    }
    return n > 0;
}

/* Returns true if the statistic called 'name' counts what is a guest's own
 * fault. */
static bool
is_guests_fault(const char *name)
{
    static const char *const words[] = {
        "bad", "invalid", "exceed", "too many", "gone",
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcasestr(name, words[i])) {
            return true;
        }
    }
    return false;
}

/* Says in the log what the guest of 'device' got wrong since the last call.
 * To be called now and then. */
void
vdpa_device_warn(struct vdpa_device *device)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    const struct vdpa_vhost_conn *conn = vdpa_vhost_get_conn(device->vhost);
    unsigned int n_rings = conn ? conn->n_pairs * 2 : 0;

    if (!device->n_stats || !device_is_there(device)) {
        return;
    }
    for (unsigned int i = 0; i < MIN(n_rings, VDPA_MAX_RINGS); i++) {
        const char *what = NULL;
        uint64_t faults = 0;
        int n;

        n = rte_vdpa_get_stats(device->vdpa, i, device->stats,
                               device->n_stats);
        for (int j = 0; j < n; j++) {
            const struct rte_vdpa_stat *stat = &device->stats[j];

            if (stat->id < device->n_stats && stat->value
                && is_guests_fault(device->stat_names[stat->id].name)) {
                faults += stat->value;
                what = device->stat_names[stat->id].name;
            }
        }
        if (what && faults > device->faults[i]) {
            VLOG_WARN_RL(&rl, "%s: what the guest %s on queue pair %u breaks "
                         "the rules of virtio, %"PRIu64" times up to now "
                         "(\"%s\"), so the device drops it or has stopped the "
                         "queue.  Reset the guest's network driver; if that "
                         "happens again, it is faulty or malicious",
                         device->owner, i % 2 ? "sends" : "receives in", i / 2,
                         faults, what);
        }
        device->faults[i] = faults;
    }
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

/* Attaches the vDPA device of the function that 'devargs' means to the guest
 * on the vhost-user socket 'socket_path', for the port 'owner', with up to
 * 'max_queues' queue pairs, or as many as can be used if that is 0.  Calls
 * 'changed_cb' with 'aux' when the guest comes, goes or changes its queues, or
 * when something happens to the device.
 *
 * Returns 0 if successful.  Otherwise returns a positive errno value, stores
 * NULL into '*devicep' and the reason, that the caller must free, into
 * '*reasonp', and leaves everything as it was. */
int
vdpa_device_open(const struct vdpa_devargs *devargs, const char *owner,
                 const char *socket_path, unsigned int max_queues,
                 void (*changed_cb)(void *aux), void *aux,
                 struct vdpa_device **devicep, char **reasonp)
{
    struct vdpa_device *device = xzalloc(sizeof *device);
    int error;

    *devicep = NULL;
    device->owner = xstrdup(owner);
    vdpa_devargs_clone(&device->devargs, devargs);
    atomic_init(&device->removed, false);
    atomic_init(&device->error, 0);
    atomic_init(&device->served, false);

    error = device_find(device, reasonp);
    if (!error) {
        error = device_choose(device, max_queues, reasonp);
    }
    if (!error) {
        struct vdpa_vhost_config config = {
            .path = socket_path,
            .name = owner,
            .max_pairs = device->n_queues,
            .device = device->vdpa,
            .changed_cb = changed_cb,
            .aux = aux,
        };

        device_init_stats(device);
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
    vdpa_watch_end(device->watch, device_is_there(device));
    if (device->probed) {
        vdpa_devargs_remove(&device->devargs);
    }
    if (device->was_ethdev) {
        vdpa_devargs_probe(&device->devargs, NULL);
    }
    free(device->stat_kinds);
    free(device->stat_names);
    free(device->stats);
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
