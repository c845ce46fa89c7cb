/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-port.h"

#include <errno.h>

#include <rte_ethdev.h>

#include "hash.h"
#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "vdpa-device.h"
#include "vdpa-vhost.h"

VLOG_DEFINE_THIS_MODULE(dpdkvdpa);

/* How often to look at what only polling tells, in milliseconds. */
#define POLL_INTERVAL 1000

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
    ovs_mutex_init(&port->mutex);
    ovs_mutex_lock(&port->mutex);
    port->mtu = port->requested_mtu = RTE_ETHER_MTU;
    ovs_mutex_unlock(&port->mutex);
    atomic_init(&port->tx_dropped, 0);

    ovs_mutex_lock(&ports_mutex);
    cmap_insert(&ports, &port->cmap_node, hash_pointer(netdev, 0));
    ovs_mutex_unlock(&ports_mutex);
    return port;
}

/* Parts 'port' from its netdev, that is being freed. */
void
vdpa_port_retire(struct vdpa_port *port)
{
    struct vdpa_relay *relay = vdpa_port_get_relay(port);

    if (relay) {
        vdpa_vhost_silence(relay->vhost);
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
port_close_relay(struct vdpa_port *port)
{
    struct vdpa_relay *relay
        = ovsrcu_get_protected(struct vdpa_relay *, &port->relay);

    if (relay) {
        ovsrcu_set(&port->relay, NULL);
        ovsrcu_synchronize();
        vdpa_relay_close(relay);
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
        port_close_relay(port);
        ovsrcu_postpone(port_free, port);
    }
}

/* A guest came, went, or changed its queues.  Called from librte_vhost's
 * threads. */
static void
guest_changed(void *port_)
{
    struct vdpa_port *port = port_;

    netdev_change_seq_changed(port->netdev);
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
        if (!vdpa_port_get_relay(other)) {
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
        if (!error && other != port && vdpa_port_get_relay(other)
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

/* Looks for a hardware vDPA device for 'options', in vain unless the NIC has
 * one that this version knows how to drive.  Returns in words, for the caller
 * to free, why there is none. */
static char *
try_hardware(const struct vdpa_options *options)
{
    char *reason;

    if (vdpa_device_find(&options->accelerator, &reason)) {
        reason = xasprintf("%s has a vDPA device, but this version drives "
                           "none", options->accelerator.name);
        vdpa_devargs_remove(&options->accelerator);
    }
    return reason;
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
    struct vdpa_relay *relay = vdpa_port_get_relay(port);
    char *fallback_reason;
    bool same;
    int error;
    int mtu;

    close_retired();

    ovs_mutex_lock(&port->mutex);
    same = relay && vdpa_options_same_relay(&port->options, options);
    mtu = port->mtu;
    ovs_mutex_unlock(&port->mutex);
    if (!same) {
        error = check_other_ports(port, options, errorp);
        if (error) {
            return error;
        }

        port_close_relay(port);
        fallback_reason = options->sw ? NULL : try_hardware(options);
        error = vdpa_relay_open(port->name, options->socket_path,
                                &options->accelerator, options->max_queues,
                                mtu, guest_changed, port, &relay, errorp);
        if (error) {
            free(fallback_reason);
            return error;
        }
        if (fallback_reason) {
            VLOG_WARN("%s: falling back to software vDPA: %s; "
                      "options:vdpa-sw=true asks for that", port->name,
                      fallback_reason);
        }
        ovs_mutex_lock(&port->mutex);
        free(port->fallback_reason);
        port->fallback_reason = fallback_reason;
        ovs_mutex_unlock(&port->mutex);
        port->told_removed = false;
    }

    ovs_mutex_lock(&port->mutex);
    vdpa_options_destroy(&port->options);
    port->options = *options;
    memset(options, 0, sizeof *options);
    ovs_mutex_unlock(&port->mutex);
    if (!same) {
        ovsrcu_set(&port->relay, relay);
        VLOG_INFO("%s: relaying between %s and device %s, with up to %u queue "
                  "pairs", port->name, relay->vhost->path,
                  relay->vf->devargs.string, relay->vf->n_queues);
        guest_changed(port);
    }
    return 0;
}

/* Returns true if the VF of 'port' takes an MTU of 'mtu' bytes. */
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
    int error;

    error = vdpa_vf_set_mtu(relay->vf, mtu);
    if (error) {
        VLOG_WARN("%s: device %s takes no MTU of %d (%s)", port->name,
                  relay->vf->devargs.string, mtu, ovs_strerror(error));
        return error;
    }
    ovs_mutex_lock(&port->mutex);
    port->mtu = mtu;
    ovs_mutex_unlock(&port->mutex);
    return 0;
}

/* Returns whether the link of the VF of 'port' is up, and stores into
 * '*resets', if nonnull, how often that changed. */
bool
vdpa_port_get_link(struct vdpa_port *port, long long int *resets)
{
    struct vdpa_relay *relay = vdpa_port_get_relay(port);
    struct rte_eth_link link;
    bool changed, up;

    memset(&link, 0, sizeof link);
    if (relay) {
        rte_eth_link_get_nowait(relay->vf->port_id, &link);
    }
    up = link.link_status == RTE_ETH_LINK_UP;

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

/* Adds to 'args' how guest and VF of 'port' are joined. */
void
vdpa_port_get_status(struct vdpa_port *port, struct smap *args)
{
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);
    const struct vdpa_vhost_conn *conn;
    bool removed;

    if (!relay) {
        return;
    }

    smap_add(args, "mode", "sw");
    smap_add(args, "vdpa_device", relay->vf->devargs.name);
    smap_add_format(args, "vdpa_queues", "%u", relay->vf->n_queues);
    atomic_read_relaxed(&relay->vf->removed, &removed);
    smap_add(args, "vdpa_device_state", removed ? "removed" : "present");

    conn = vdpa_vhost_get_conn(relay->vhost);
    smap_add(args, "vhost_state", conn ? "connected" : "disconnected");
    if (conn) {
        smap_add_format(args, "vhost_features", "0x%016"PRIx64,
                        conn->features);
        smap_add_format(args, "vhost_queues", "%u", conn->n_pairs);
        smap_add_format(args, "vhost_queues_enabled", "%u",
                        count_1bits(conn->rx_enabled));
    }

    ovs_mutex_lock(&port->mutex);
    if (port->fallback_reason) {
        smap_add(args, "fallback_reason", port->fallback_reason);
    }
    ovs_mutex_unlock(&port->mutex);
}

static void OVS_PRINTF_FORMAT(3, 4)
add_stat(struct netdev_custom_stats *stats, uint64_t value,
         const char *format, ...)
{
    struct netdev_custom_counter *counter = &stats->counters[stats->size++];
    va_list args;

    va_start(args, format);
    vsnprintf(counter->name, sizeof counter->name, format, args);
    va_end(args);
    counter->value = value;
}

/* Statistics that a port has at most beside those of its queues, and those of
 * a queue pair. */
#define MAX_PORT_STATS 16
#define QUEUE_STATS 8

/* Adds the statistics of what joins guest and VF of 'port' to 'stats', that
 * may have some already. */
void
vdpa_port_get_custom_stats(const struct vdpa_port *port,
                           struct netdev_custom_stats *stats)
{
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);
    struct vdpa_relay_stats queues[VDPA_MAX_QUEUES], sum;
    const struct vdpa_vhost_conn *conn;
    struct rte_eth_stats vf;
    unsigned int n;

    conn = relay ? vdpa_vhost_get_conn(relay->vhost) : NULL;
    n = conn ? conn->n_pairs : 0;
    stats->counters = xrealloc(stats->counters,
                               (stats->size + MAX_PORT_STATS
                                + n * QUEUE_STATS)
                               * sizeof *stats->counters);
    add_stat(stats, 0, "HW mode");
    if (!conn) {
        add_stat(stats, 1, "Disconnected");
        return;
    }

    memset(&sum, 0, sizeof sum);
    for (unsigned int i = 0; i < relay->vf->n_queues; i++) {
        struct vdpa_relay_stats q;

        vdpa_relay_get_stats(relay, i, &q);
        sum.vm_rx_packets += q.vm_rx_packets;
        sum.vm_rx_bytes += q.vm_rx_bytes;
        sum.vm_tx_packets += q.vm_tx_packets;
        sum.vm_tx_bytes += q.vm_tx_bytes;
        sum.vf_tx_drops += q.vf_tx_drops;
        queues[i] = q;
    }
    if (rte_eth_stats_get(relay->vf->port_id, &vf)) {
        memset(&vf, 0, sizeof vf);
    }

    add_stat(stats, sum.vm_rx_packets, "VM_rx_packets");
    add_stat(stats, sum.vm_rx_bytes, "VM_rx_bytes");
    add_stat(stats, sum.vm_tx_packets, "VM_tx_packets");
    add_stat(stats, sum.vm_tx_bytes, "VM_tx_bytes");
    add_stat(stats, vf.ipackets, "VF_rx_packets");
    add_stat(stats, vf.ibytes, "VF_rx_bytes");
    add_stat(stats, vf.ierrors, "VF_rx_errors");
    add_stat(stats, vf.rx_nombuf, "VF_rx_no_mbuf");
    add_stat(stats, vf.imissed, "VF_rx_miss");
    add_stat(stats, vf.opackets, "VF_tx_packets");
    add_stat(stats, vf.obytes, "VF_tx_bytes");
    add_stat(stats, vf.oerrors + sum.vf_tx_drops, "VF_tx_errors");
    for (unsigned int i = 0; i < n; i++) {
        const struct vdpa_relay_stats *q = &queues[i];

        add_stat(stats, q->vm_rx_packets, "VM_rxq%u_pkts", i);
        add_stat(stats, q->vm_rx_bytes, "VM_rxq%u_bytes", i);
        add_stat(stats, q->vm_tx_packets, "VM_txq%u_pkts", i);
        add_stat(stats, q->vm_tx_bytes, "VM_txq%u_bytes", i);
        add_stat(stats, q->vf_rx_packets, "VF_rxq%u_pkts", i);
        add_stat(stats, q->vf_rx_bytes, "VF_rxq%u_bytes", i);
        add_stat(stats, q->vf_tx_packets, "VF_txq%u_pkts", i);
        add_stat(stats, q->vf_tx_bytes, "VF_txq%u_bytes", i);
    }
}

static void
format_port(const struct vdpa_port *port, struct ds *s)
{
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);
    const struct vdpa_vhost_conn *conn;

    ds_put_format(s, "%s:\n", port->name);
    if (!relay) {
        ds_put_cstr(s, "  not configured\n");
        return;
    }

    conn = vdpa_vhost_get_conn(relay->vhost);
    ds_put_format(s, "  mode: software relay\n"
                  "  socket: %s, guest %s\n"
                  "  device: %s, DPDK port %"PRIu16", MTU %d, %u queue "
                  "pairs\n", relay->vhost->path,
                  conn ? "connected" : "disconnected",
                  relay->vf->devargs.string, relay->vf->port_id,
                  relay->vf->mtu, relay->vf->n_queues);
    if (conn) {
        ds_put_format(s, "  guest: features 0x%016"PRIx64", %u queue pairs, "
                      "sending on 0x%04"PRIx32", receiving on 0x%04"PRIx32
                      "\n", conn->features, conn->n_pairs, conn->tx_enabled,
                      conn->rx_enabled);
    }
    for (unsigned int i = 0; i < relay->vf->n_queues; i++) {
        struct vdpa_relay_stats q;

        vdpa_relay_get_stats(relay, i, &q);
        if (q.vm_rx_packets || q.vf_rx_packets) {
            ds_put_format(s, "  queue pair %u: from guest %"PRIu64", to VF "
                          "%"PRIu64" (%"PRIu64" dropped); from VF %"PRIu64
                          ", to guest %"PRIu64" (%"PRIu64" dropped)\n", i,
                          q.vm_rx_packets, q.vf_tx_packets, q.vf_tx_drops,
                          q.vf_rx_packets, q.vm_tx_packets, q.vm_tx_drops);
        }
    }
}

/* Adds a description of all ports, one after the other, to 's'. */
void
vdpa_ports_format(struct ds *s)
{
    struct vdpa_port *port;

    CMAP_FOR_EACH (port, cmap_node, &ports) {
        ovs_mutex_lock(&port->mutex);
        format_port(port, s);
        if (port->fallback_reason) {
            ds_put_format(s, "  no hardware: %s\n", port->fallback_reason);
        }
        ovs_mutex_unlock(&port->mutex);
    }
}

/* Looks at what only polling tells about 'port'. */
static void
port_poll(struct vdpa_port *port, const struct vdpa_relay *relay)
    OVS_REQUIRES(ports_mutex)
{
    bool removed, alone;

    ovs_mutex_lock(&port->mutex);
    alone = !port->options.representor;
    ovs_mutex_unlock(&port->mutex);
    if (alone) {
        vdpa_port_get_link(port, NULL);
    }

    atomic_read_relaxed(&relay->vf->removed, &removed);
    if (removed && !port->told_removed) {
        port->told_removed = true;
        netdev_change_seq_changed(port->netdev);
    }
}

/* Closes ports that OVS has destroyed, and does for the others what has to be
 * done outside the packet path. */
void
vdpa_ports_run(void)
{
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
        struct vdpa_relay *relay = vdpa_port_get_relay(port);

        if (relay) {
            vdpa_relay_periodic(relay);
            if (poll) {
                port_poll(port, relay);
            }
        }
    }
    ovs_mutex_unlock(&ports_mutex);
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
