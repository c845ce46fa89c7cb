/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-port.h"

#include <errno.h>

#include <rte_ethdev.h>

#include "hash.h"
#include "netdev-provider.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"
#include "vdpa-status.h"
#include "vdpa-vhost.h"

VLOG_DEFINE_THIS_MODULE(dpdkvdpa);

/* How often to look at what only polling tells, in milliseconds. */
#define POLL_INTERVAL 1000

/* How long a driver that refused a guest is left alone, in milliseconds: so
 * long after the first one, twice as long after each further one. */
#define MIN_RETRY_INTERVAL 1000
#define MAX_RETRY_INTERVAL 64000

/* All ports that have a netdev, and those that only wait to be closed. */
static struct ovs_mutex ports_mutex = OVS_MUTEX_INITIALIZER;
static struct cmap ports = CMAP_INITIALIZER;
static struct ovs_list retired OVS_GUARDED_BY(ports_mutex)
    = OVS_LIST_INITIALIZER(&retired);

/* Changes whenever vdpa_ports_run() may have something to do. */
static struct seq *
run_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

static uint64_t last_run_seq;
static long long int next_poll;

/* Returns the state of 'netdev', or NULL if it is not a dpdkvdpa port. */
struct vdpa_port *
vdpa_port_from_netdev(const struct netdev *netdev)
{
    struct vdpa_port *port;

    CMAP_FOR_EACH_WITH_HASH (port, cmap_node, hash_pointer(netdev, 0),
                             &ports) {
        if (port->netdev == netdev) {
            return port;
        }
    }
    return NULL;
}

/* Creates and returns the state of 'netdev', that is being constructed. */
struct vdpa_port *
vdpa_port_create(const struct netdev *netdev)
{
    struct vdpa_port *port = xzalloc(sizeof *port);

    port->netdev = netdev;
    port->name = xstrdup(netdev_get_name(netdev));
    ovsrcu_init(&port->relay, NULL);
    ovsrcu_init(&port->device, NULL);
    ovs_mutex_init(&port->mutex);
    ovs_mutex_lock(&port->mutex);
    port->mtu = port->requested_mtu = RTE_ETHER_MTU;
    ovs_mutex_unlock(&port->mutex);
    atomic_init(&port->tx_dropped, 0);
    atomic_init(&port->changed, false);

    ovs_mutex_lock(&ports_mutex);
    cmap_insert(&ports, &port->cmap_node, hash_pointer(netdev, 0));
    ovs_mutex_unlock(&ports_mutex);
    return port;
}

/* Parts 'port' from its netdev, that is being freed. */
void
vdpa_port_retire(struct vdpa_port *port)
{
    struct vdpa_vhost *vhost = vdpa_port_get_vhost(port);

    if (vhost) {
        vdpa_vhost_silence(vhost);
    }
    ovs_mutex_lock(&ports_mutex);
    cmap_remove(&ports, &port->cmap_node, hash_pointer(port->netdev, 0));
    ovs_list_push_back(&retired, &port->list_node);
    ovs_mutex_unlock(&ports_mutex);
    seq_change(run_seq());
}

static void
port_free(struct vdpa_port *port)
{
    ovs_mutex_lock(&port->mutex);
    vdpa_options_destroy(&port->options);
    free(port->fallback_reason);
    ovs_mutex_unlock(&port->mutex);
    ovs_mutex_destroy(&port->mutex);
    free(port->name);
    free(port);
}

/* Closes what joins guest and VF of 'port', if anything.  Packets that other
 * threads are moving are moved to the end before. */
static void
port_part(struct vdpa_port *port)
{
    struct vdpa_relay *relay
        = ovsrcu_get_protected(struct vdpa_relay *, &port->relay);
    struct vdpa_device *device
        = ovsrcu_get_protected(struct vdpa_device *, &port->device);

    if (relay || device) {
        ovsrcu_set(&port->relay, NULL);
        ovsrcu_set(&port->device, NULL);
        ovsrcu_synchronize();
        vdpa_relay_close(relay);
        vdpa_device_close(device);
    }
}

static void
close_retired(void)
{
    for (;;) {
        struct vdpa_port *port = NULL;

        ovs_mutex_lock(&ports_mutex);
        if (!ovs_list_is_empty(&retired)) {
            port = CONTAINER_OF(ovs_list_pop_front(&retired),
                                struct vdpa_port, list_node);
        }
        ovs_mutex_unlock(&ports_mutex);
        if (!port) {
            return;
        }
        port_part(port);
        ovsrcu_postpone(port_free, port);
    }
}

/* A guest came, went, or changed its queues.  Called from librte_vhost's
 * threads.
 *
 * OVS is told by the main thread: netdev_change_seq_changed() wakes it up
 * before it counts the change, so that from another thread the main thread can
 * look in between, and the status would stay as it was. */
static void
guest_changed(void *port_)
{
    struct vdpa_port *port = port_;

    atomic_store(&port->changed, true);
    seq_change(run_seq());
}

/* Checks that no other port has the socket or the device of 'options'. */
static int
check_other_ports(const struct vdpa_port *port,
                  const struct vdpa_options *options, char **errorp)
{
    struct vdpa_port *other;
    int error = 0;

    CMAP_FOR_EACH (other, cmap_node, &ports) {
        if (other == port || error) {
            continue;
        }
        ovs_mutex_lock(&other->mutex);
        if (!vdpa_port_is_joined(other)) {
            /* It has nothing. */
        } else if (!strcmp(other->options.socket_id, options->socket_id)) {
            *errorp = xasprintf("options:vdpa-socket-path=%s is already used "
                                "by port '%s': choose another socket",
                                options->socket_path, other->name);
            error = EADDRINUSE;
        } else if (vdpa_devargs_same_device(&other->options.accelerator,
                                            &options->accelerator)) {
            *errorp = xasprintf("options:vdpa-accelerator-devargs=%s is "
                                "already used by port '%s': choose another VF",
                                options->accelerator.string, other->name);
            error = EADDRINUSE;
        }
        ovs_mutex_unlock(&other->mutex);
    }
    return error;
}

/* Checks that the representor of 'options' is not a VF that a port joins to
 * its guest: OVS would take that one over.  Returns 0 if all is well,
 * otherwise a positive errno value, and a description, that the caller must
 * free, in '*errorp'. */
int
vdpa_port_check_representor(const struct vdpa_port *port,
                            const struct vdpa_options *options,
                            char **errorp)
{
    struct vdpa_devargs devargs;
    struct vdpa_port *other;
    int error = 0;
    char *reason;

    if (!strncmp(options->representor, "class=", 6)) {
        /* It names no device, only what the port's address is. */
        return 0;
    }
    error = vdpa_devargs_parse(options->representor, &devargs, &reason);
    if (error) {
        *errorp = xasprintf("options:dpdk-devargs: %s", reason);
        free(reason);
        return error;
    }
    if (!strstr(options->representor, "representor=")
        && vdpa_devargs_same_device(&devargs, &options->accelerator)) {
        *errorp = xasprintf("options:dpdk-devargs=%s is the VF itself: set "
                            "it to the VF's representor, or leave it out",
                            options->representor);
        error = EINVAL;
    }
    CMAP_FOR_EACH (other, cmap_node, &ports) {
        ovs_mutex_lock(&other->mutex);
        if (!error && other != port && vdpa_port_is_joined(other)
            && vdpa_devargs_same_device(&other->options.accelerator,
                                        &devargs)) {
            *errorp = xasprintf("options:dpdk-devargs=%s is the VF of port "
                                "'%s': set it to the representor of this "
                                "port's VF", options->representor,
                                other->name);
            error = EADDRINUSE;
        }
        ovs_mutex_unlock(&other->mutex);
    }
    vdpa_devargs_destroy(&devargs);
    return error;
}

/* Joins guest and VF of 'port', that are not, as 'options' say: in hardware,
 * if 'hardware' is true and that can be had, otherwise by a relay.  A nonnull
 * 'reason', that this function takes ownership of, says in words why hardware
 * could not be had the last time.
 *
 * Returns 0 if successful, otherwise a positive errno value, and a
 * description, that the caller must free, in '*errorp'. */
static int
port_join(struct vdpa_port *port, const struct vdpa_options *options,
          bool hardware, char *reason, char **errorp)
{
    struct vdpa_device *device = NULL;
    struct vdpa_relay *relay = NULL;
    int error = 0;
    int mtu;

    ovs_mutex_lock(&port->mutex);
    mtu = port->mtu;
    ovs_mutex_unlock(&port->mutex);

    if (hardware) {
        char *new_reason;

        if (vdpa_device_open(&options->accelerator, port->name,
                             options->socket_path, options->max_queues,
                             guest_changed, port, &device, &new_reason)) {
            free(reason);
            reason = new_reason;
        }
    }
    if (!device) {
        error = vdpa_relay_open(port->name, options->socket_path,
                                &options->accelerator, options->max_queues,
                                mtu, guest_changed, port, &relay, errorp);
    }
    if (error) {
        free(reason);
        return error;
    }

    if (device) {
        VLOG_INFO("%s: vDPA device %s serves the guest on %s, with up to %u "
                  "queue pairs", port->name, device->devargs.string,
                  device->vhost->path, device->n_queues);
    } else {
        if (reason) {
            VLOG_WARN("%s: falling back to software vDPA: %s; "
                      "options:vdpa-sw=true asks for that", port->name,
                      reason);
        }
        VLOG_INFO("%s: relaying between %s and device %s, with up to %u queue "
                  "pairs", port->name, relay->vhost->path,
                  relay->vf->devargs.string, relay->vf->n_queues);
    }
    ovs_mutex_lock(&port->mutex);
    free(port->fallback_reason);
    port->fallback_reason = reason;
    ovs_mutex_unlock(&port->mutex);
    port->told_removed = false;
    ovsrcu_set(&port->relay, relay);
    ovsrcu_set(&port->device, device);
    guest_changed(port);
    return 0;
}

/* Joins guest and VF of 'port' as 'options' say, of which it takes ownership,
 * leaving '*options' empty, if successful.  What was there before is closed
 * first, unless it can stay as it is.  Returns 0 if successful, otherwise a
 * positive errno value, and a description, that the caller must free, in
 * '*errorp'. */
int
vdpa_port_configure(struct vdpa_port *port, struct vdpa_options *options,
                    char **errorp)
{
    bool same;
    int error;

    close_retired();

    ovs_mutex_lock(&port->mutex);
    same = (vdpa_port_is_joined(port)
            && vdpa_options_same_join(&port->options, options));
    ovs_mutex_unlock(&port->mutex);
    if (!same) {
        error = check_other_ports(port, options, errorp);
        if (error) {
            return error;
        }
        port_part(port);
        port->retry_interval = 0;
        error = port_join(port, options, !options->sw, NULL, errorp);
        if (error) {
            return error;
        }
    }

    ovs_mutex_lock(&port->mutex);
    vdpa_options_destroy(&port->options);
    port->options = *options;
    memset(options, 0, sizeof *options);
    ovs_mutex_unlock(&port->mutex);
    return 0;
}

/* Joins guest and VF of 'port' anew, with 'hardware' and 'reason' as for
 * port_join(). */
static void
port_rejoin(struct vdpa_port *port, bool hardware, char *reason)
{
    struct vdpa_options options;
    char *description;

    ovs_mutex_lock(&port->mutex);
    vdpa_options_clone(&options, &port->options);
    ovs_mutex_unlock(&port->mutex);

    port_part(port);
    if (port_join(port, &options, hardware, reason, &description)) {
        VLOG_ERR("%s: guest and VF are not joined any more: %s", port->name,
                 description);
        free(description);
        guest_changed(port);
    }
    vdpa_options_destroy(&options);
}

/* Notes that hardware was tried for 'port' and did not serve the guest. */
static void
port_refused(struct vdpa_port *port)
{
    port->retry_interval = (port->retry_interval
                            ? MIN(port->retry_interval * 2, MAX_RETRY_INTERVAL)
                            : MIN_RETRY_INTERVAL);
    port->next_try = time_msec() + port->retry_interval;
}

/* Has a relay take the place of the device of 'port', whose driver refuses to
 * serve the guest. */
static void
port_fall_back(struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    char *reason;

    reason = xasprintf("vDPA device %s refused to serve the guest (%s)",
                       device->devargs.name,
                       ovs_strerror(vdpa_device_get_error(device)));
    port_refused(port);
    port_rejoin(port, false, reason);
}

/* Returns true if it is time to try hardware again for 'port', which has
 * 'relay' since a guest was refused. */
static bool
port_may_retry(const struct vdpa_port *port, const struct vdpa_relay *relay)
{
    return (port->retry_interval && time_msec() >= port->next_try
            && vdpa_vhost_has_guest_left(relay->vhost));
}

/* Has the device take the place of the relay of 'port' again. */
static void
port_retry(struct vdpa_port *port)
{
    char *reason;

    VLOG_INFO("%s: trying hardware vDPA again, since the guest has left",
              port->name);
    ovs_mutex_lock(&port->mutex);
    reason = nullable_xstrdup(port->fallback_reason);
    ovs_mutex_unlock(&port->mutex);
    port_rejoin(port, true, reason);
    if (!vdpa_port_get_device(port)) {
        port_refused(port);
    }
}

/* Forgets that hardware could not be had for 'port', if that is so, since now
 * the driver serves the guest. */
static void
port_forget_refusals(struct vdpa_port *port)
{
    if (port->retry_interval) {
        port->retry_interval = 0;
        ovs_mutex_lock(&port->mutex);
        free(port->fallback_reason);
        port->fallback_reason = NULL;
        ovs_mutex_unlock(&port->mutex);
        VLOG_INFO("%s: the guest has hardware vDPA again", port->name);
        netdev_change_seq_changed(port->netdev);
    }
}

/* Returns true if the VF of 'port' takes an MTU of 'mtu' bytes.  A vDPA device
 * is not asked: its guest and the NIC's switch know their MTUs. */
bool
vdpa_port_is_mtu_ok(const struct vdpa_port *port, int mtu)
{
    struct vdpa_relay *relay = vdpa_port_get_relay(port);

    if (relay && mtu > relay->vf->max_mtu) {
        VLOG_WARN("%s: device %s takes no MTU of %d, only up to %d",
                  port->name, relay->vf->devargs.string, mtu,
                  relay->vf->max_mtu);
        return false;
    }
    return true;
}

/* Has the VF of 'port' take an MTU of 'mtu' bytes.  No thread may poll the
 * port meanwhile.  Returns 0 if successful, otherwise a positive errno
 * value. */
int
vdpa_port_set_mtu(struct vdpa_port *port, int mtu)
{
    struct vdpa_relay *relay = vdpa_port_get_relay(port);

    if (relay) {
        int error = vdpa_vf_set_mtu(relay->vf, mtu);

        if (error) {
            VLOG_WARN("%s: device %s takes no MTU of %d (%s)", port->name,
                      relay->vf->devargs.string, mtu, ovs_strerror(error));
            return error;
        }
    }
    ovs_mutex_lock(&port->mutex);
    port->mtu = mtu;
    ovs_mutex_unlock(&port->mutex);
    return 0;
}

/* Returns whether the VF of 'port' was unplugged. */
bool
vdpa_port_is_removed(const struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);
    bool removed = false;

    if (device) {
        removed = vdpa_device_is_removed(device);
    } else if (relay) {
        atomic_read_relaxed(&relay->vf->removed, &removed);
    }
    return removed;
}

/* Returns whether the link of the VF of 'port' is up, and stores into
 * '*resets', if nonnull, how often that changed.  DPDK does not tell of the
 * link of a vDPA device: that is up as long as there is the device. */
bool
vdpa_port_get_link(struct vdpa_port *port, long long int *resets)
{
    struct vdpa_relay *relay = vdpa_port_get_relay(port);
    bool changed, up;

    if (relay) {
        struct rte_eth_link link;

        memset(&link, 0, sizeof link);
        rte_eth_link_get_nowait(relay->vf->port_id, &link);
        up = link.link_status == RTE_ETH_LINK_UP;
    } else {
        up = vdpa_port_get_device(port) && !vdpa_port_is_removed(port);
    }

    ovs_mutex_lock(&port->mutex);
    changed = up != port->link_up;
    port->link_up = up;
    port->link_resets += changed;
    if (resets) {
        *resets = port->link_resets;
    }
    ovs_mutex_unlock(&port->mutex);
    if (changed) {
        netdev_change_seq_changed(port->netdev);
    }
    return up;
}

/* Returns how many queue pairs the guest of 'port' may use. */
unsigned int
vdpa_port_n_queues(const struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);

    return device ? device->n_queues : relay ? relay->vf->n_queues : 0;
}

/* Returns the NUMA node of the VF of 'port'. */
int
vdpa_port_get_numa_id(const struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);

    return device ? device->socket_id : relay ? relay->vf->socket_id : 0;
}

/* Adds the options of 'port' to 'args'. */
void
vdpa_port_get_config(struct vdpa_port *port, struct smap *args)
{
    ovs_mutex_lock(&port->mutex);
    if (port->options.socket_path) {
        vdpa_options_format(&port->options, args);
    }
    ovs_mutex_unlock(&port->mutex);
}

/* Adds a description of all ports, one after the other, to 's'. */
void
vdpa_ports_format(struct ds *s)
{
    struct vdpa_port *port;

    CMAP_FOR_EACH (port, cmap_node, &ports) {
        vdpa_status_format(port, s);
    }
}

/* Looks at what only polling tells about 'port'. */
static void
port_poll(struct vdpa_port *port)
    OVS_REQUIRES(ports_mutex)
{
    bool alone;

    ovs_mutex_lock(&port->mutex);
    alone = !port->options.representor;
    ovs_mutex_unlock(&port->mutex);
    if (alone) {
        vdpa_port_get_link(port, NULL);
    }

    if (port->told_removed != vdpa_port_is_removed(port)) {
        port->told_removed = !port->told_removed;
        netdev_change_seq_changed(port->netdev);
    }
}

/* Changes how guest and VF are joined of those of the ports called 'names' for
 * which that is due.  To be called with no lock held, as closing what joins
 * them waits for other threads.  So it takes references to keep the netdevs
 * from being freed. */
static void
change_joins(const struct sset *names)
{
    const char *name;

    SSET_FOR_EACH (name, names) {
        struct netdev *netdev = netdev_from_name(name);
        struct vdpa_port *port = netdev ? vdpa_port_from_netdev(netdev) : NULL;
        struct vdpa_device *device = port ? vdpa_port_get_device(port) : NULL;
        struct vdpa_relay *relay = port ? vdpa_port_get_relay(port) : NULL;

        if (device && vdpa_device_get_error(device)) {
            port_fall_back(port);
        } else if (relay && vdpa_vf_wants_reset(relay->vf)) {
            vdpa_vf_reset(relay->vf);
            guest_changed(port);
        } else if (relay && port_may_retry(port, relay)) {
            port_retry(port);
        }
        netdev_close(netdev);
    }
}

/* Closes ports that OVS has destroyed, and does for the others what has to be
 * done outside the packet path. */
void
vdpa_ports_run(void)
{
    struct sset changing = SSET_INITIALIZER(&changing);
    bool poll = time_msec() >= next_poll;
    uint64_t new_seq = seq_read(run_seq());
    struct vdpa_port *port;

    if (new_seq == last_run_seq && !poll) {
        return;
    }
    last_run_seq = new_seq;
    if (poll) {
        next_poll = time_msec() + POLL_INTERVAL;
    }

    close_retired();

    /* The mutex keeps netdevs from being freed. */
    ovs_mutex_lock(&ports_mutex);
    CMAP_FOR_EACH (port, cmap_node, &ports) {
        struct vdpa_device *device = vdpa_port_get_device(port);
        struct vdpa_relay *relay = vdpa_port_get_relay(port);
        bool changed;

        atomic_read(&port->changed, &changed);
        if (changed) {
            atomic_store(&port->changed, false);
            netdev_change_seq_changed(port->netdev);
        }
        if (device) {
            vdpa_device_periodic(device);
            if (poll) {
                vdpa_device_warn(device);
            }
            if (vdpa_device_get_error(device)) {
                sset_add(&changing, port->name);
            } else if (vdpa_device_has_served(device)) {
                port_forget_refusals(port);
            }
        } else if (relay) {
            vdpa_relay_periodic(relay);
            if (port_may_retry(port, relay)
                || (vdpa_vf_wants_reset(relay->vf)
                    && (poll || !relay->vf->reset_error))) {
                sset_add(&changing, port->name);
            }
        }
        if (poll && (device || relay)) {
            port_poll(port);
        }
    }
    ovs_mutex_unlock(&ports_mutex);

    change_joins(&changing);
    sset_destroy(&changing);
}

/* Arranges for the main thread to wake up when vdpa_ports_run() is to be
 * called. */
void
vdpa_ports_wait(void)
{
    seq_wait(run_seq(), last_run_seq);
    if (!cmap_is_empty(&ports)) {
        poll_timer_wait_until(next_poll);
    }
}
