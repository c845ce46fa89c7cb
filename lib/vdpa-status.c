/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-status.h"

#include <rte_ethdev.h>

#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "smap.h"
#include "util.h"
#include "vdpa-features.h"
#include "vdpa-port.h"
#include "vdpa-stats.h"
#include "vdpa-vhost.h"

/* Returns what is wrong with the device of 'relay', if nonnull, as
 * vdpa_vf_problem() does. */
static char *
relay_problem(const struct vdpa_relay *relay)
{
    return relay ? vdpa_vf_problem(relay->vf) : NULL;
}

static void
add_conn_status(const struct vdpa_vhost_conn *conn, struct smap *args)
{
    smap_add_format(args, "vhost_features", "0x%016"PRIx64, conn->features);
    smap_add_format(args, "vhost_queues", "%u", conn->n_pairs);
    smap_add_format(args, "vhost_queues_enabled", "%u",
                    count_1bits(conn->rx_enabled));
    if (conn->mtu) {
        smap_add_format(args, "vhost_mtu", "%"PRIu16, conn->mtu);
    }
}

/* What one mode of a port could offer to a guest, and the other could not. */
struct only {
    uint64_t hw;
    uint64_t sw;
};

static struct only
get_only(const struct vdpa_port *port)
    OVS_REQUIRES(port->mutex)
{
    const struct vdpa_side *sw = &port->sides[false];
    const struct vdpa_side *hw = &port->sides[true];
    struct only only = { 0, 0 };

    if (sw->known && hw->known) {
        only.hw = hw->features & ~sw->features;
        only.sw = sw->features & ~hw->features;
    }
    return only;
}

static void
add_features(struct smap *args, const char *key, uint64_t features)
{
    if (features) {
        struct ds names = DS_EMPTY_INITIALIZER;

        vdpa_features_format(features, &names);
        smap_add(args, key, ds_cstr(&names));
        ds_destroy(&names);
    }
}

static void
add_string(struct smap *args, const char *key, const char *value)
{
    if (value) {
        smap_add(args, key, value);
    }
}

/* Adds to 'args' how guest and VF of 'port' are joined. */
void
vdpa_status_get(struct vdpa_port *port, struct smap *args)
{
    const struct vdpa_vhost *vhost = vdpa_port_get_vhost(port);
    const struct vdpa_vhost_conn *conn;
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);
    char *problem;
    struct only only;

    if (!vdpa_port_is_configured(port)) {
        return;
    }

    smap_add(args, "mode", (vdpa_port_get_device(port) ? "hw"
                            : vdpa_port_get_relay(port) ? "sw" : "none"));
    if (vhost) {
        smap_add_format(args, "vdpa_queues", "%u", vdpa_port_n_queues(port));
    }
    if (vhost || vdpa_port_is_removed(port)) {
        smap_add(args, "vdpa_device_state",
                 vdpa_port_is_removed(port) ? "removed" : "present");
    }

    problem = relay_problem(relay);
    if (problem) {
        smap_add_nocopy(args, xstrdup("vdpa_device_problem"), problem);
    }

    conn = vhost ? vdpa_vhost_get_conn(vhost) : NULL;
    smap_add(args, "vhost_state", conn ? "connected" : "disconnected");
    if (conn) {
        add_conn_status(conn, args);
    }

    ovs_mutex_lock(&port->mutex);
    smap_add(args, "vdpa_device", port->options.accelerator.name);
    add_string(args, "vdpa_error", port->error);
    add_string(args, "fallback_reason", port->fallback_reason);
    add_string(args, "switch_refused", port->switch_refused);
    only = get_only(port);
    ovs_mutex_unlock(&port->mutex);
    add_features(args, "features_hw_only", only.hw);
    add_features(args, "features_sw_only", only.sw);
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

/* Adds the statistics of a device, 'device', whose guest has 'n' queue pairs.
 * A queue without statistics is disabled, or there are none of this device. */
static void
add_device_stats(struct vdpa_stats *device, unsigned int n,
                 struct netdev_custom_stats *stats)
{
    for (unsigned int i = 0; i < n * 2; i++) {
        const char *direction = i % 2 ? "tx" : "rx";
        uint64_t packets, errors;

        if (vdpa_stats_get_ring(device, i, &packets, &errors)) {
            add_stat(stats, packets, "Packets queue_%u_%s", i / 2, direction);
            add_stat(stats, errors, "Errors queue_%u_%s", i / 2, direction);
        }
    }
}

/* Adds the statistics of 'relay', of its VF, 'vf_stats', and of its guest's
 * 'n' queue pairs. */
static void
add_relay_stats(const struct vdpa_relay *relay, struct vdpa_stats *vf_stats,
                unsigned int n, struct netdev_custom_stats *stats)
{
    struct vdpa_relay_stats queues[VDPA_MAX_QUEUES], sum;
    struct rte_eth_stats vf;

    memset(&sum, 0, sizeof sum);
    for (unsigned int i = 0; i < relay->vf->n_queues; i++) {
        struct vdpa_relay_stats q;

        vdpa_relay_get_stats(relay, i, &q);
        sum.vm_rx_packets += q.vm_rx_packets;
        sum.vm_rx_bytes += q.vm_rx_bytes;
        sum.vm_tx_packets += q.vm_tx_packets;
        sum.vm_tx_bytes += q.vm_tx_bytes;
        sum.vf_tx_drops += q.vf_tx_drops;
        sum.vm_rx_errors += q.vm_rx_errors;
        sum.vm_tx_errors += q.vm_tx_errors;
        queues[i] = q;
    }
    vdpa_stats_get_vf(vf_stats, &vf);

    add_stat(stats, sum.vm_rx_packets, "VM_rx_packets");
    add_stat(stats, sum.vm_rx_bytes, "VM_rx_bytes");
    add_stat(stats, sum.vm_tx_packets, "VM_tx_packets");
    add_stat(stats, sum.vm_tx_bytes, "VM_tx_bytes");
    add_stat(stats, sum.vm_rx_errors, "VM_rx_errors");
    add_stat(stats, sum.vm_tx_errors, "VM_tx_errors");
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

    /* What the VF received on others, before it spread over these only. */
    for (unsigned int i = n; i < relay->vf->n_queues; i++) {
        if (queues[i].vf_rx_packets) {
            add_stat(stats, queues[i].vf_rx_packets, "VF_rxq%u_pkts", i);
            add_stat(stats, queues[i].vf_rx_bytes, "VF_rxq%u_bytes", i);
        }
    }
}

/* Adds the statistics of what joins guest and VF of 'port' to 'stats', that
 * may have some already. */
void
vdpa_status_get_custom_stats(const struct vdpa_port *port,
                             struct netdev_custom_stats *stats)
{
    const struct vdpa_vhost *vhost = vdpa_port_get_vhost(port);
    const struct vdpa_device *device = vdpa_port_get_device(port);
    struct vdpa_stats *nic = vdpa_port_get_stats(port);
    const struct vdpa_vhost_conn *conn;
    unsigned int n;

    conn = vhost ? vdpa_vhost_get_conn(vhost) : NULL;
    n = conn ? conn->n_pairs : 0;
    stats->counters = xrealloc(stats->counters,
                               (stats->size + MAX_PORT_STATS
                                + MAX(n, VDPA_MAX_QUEUES) * QUEUE_STATS)
                               * sizeof *stats->counters);
    add_stat(stats, device != NULL, "HW mode");
    if (!conn) {
        add_stat(stats, 1, "Disconnected");
        return;
    }
    vdpa_stats_update(nic);
    if (device) {
        add_device_stats(nic, n, stats);
    } else {
        add_relay_stats(vdpa_port_get_relay(port), nic, n, stats);
    }
}

static void
format_device_queues(struct vdpa_stats *stats, unsigned int n, struct ds *s)
{
    vdpa_stats_update(stats);
    for (unsigned int i = 0; i < n; i++) {
        uint64_t rx, rx_errors, tx, tx_errors;

        vdpa_stats_get_ring(stats, i * 2, &rx, &rx_errors);
        vdpa_stats_get_ring(stats, i * 2 + 1, &tx, &tx_errors);
        if (rx || tx || rx_errors || tx_errors) {
            ds_put_format(s, "  queue pair %u: from guest %"PRIu64" (%"PRIu64
                          " errors); to guest %"PRIu64" (%"PRIu64" errors)\n",
                          i, tx, tx_errors, rx, rx_errors);
        }
    }
}

static void
format_relay_queues(const struct vdpa_relay *relay, struct ds *s)
{
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

static void
format_features(const char *what, uint64_t features, struct ds *s)
{
    if (features) {
        ds_put_format(s, "  %s: ", what);
        vdpa_features_format(features, s);
        ds_put_char(s, '\n');
    }
}

/* Adds to 's' what is not as the options of 'port' ask for. */
static void
format_troubles(const struct vdpa_port *port, struct ds *s)
{
    struct only only;

    ovs_mutex_lock(&port->mutex);
    if (port->error) {
        ds_put_format(s, "  not joined: %s; that is tried again each %lld s\n",
                      port->error, port->join_interval / 1000);
    }
    if (port->fallback_reason) {
        ds_put_format(s, "  %s: %s\n", (vdpa_port_get_device(port)
                                       ? "tried again, after"
                                       : "no hardware"),
                      port->fallback_reason);
    }
    if (port->switch_refused) {
        ds_put_format(s, "  refused: %s\n", port->switch_refused);
    }
    only = get_only(port);
    ovs_mutex_unlock(&port->mutex);
    format_features("in hardware mode only", only.hw, s);
    format_features("in software mode only", only.sw, s);
}

/* Adds a description of what joins guest and VF of 'port' to 's'. */
static void
format_joined(struct vdpa_port *port, struct ds *s)
{
    const struct vdpa_vhost *vhost = vdpa_port_get_vhost(port);
    const struct vdpa_device *device = vdpa_port_get_device(port);
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);
    struct vdpa_stats *stats = vdpa_port_get_stats(port);
    const struct vdpa_vhost_conn *conn = vdpa_vhost_get_conn(vhost);
    unsigned int age;
    char *problem;

    ds_put_format(s, "  mode: %s\n  socket: %s, guest %s\n",
                  device ? "hardware" : "software relay", vhost->path,
                  conn ? "connected" : "disconnected");
    if (device) {
        ds_put_format(s, "  device: %s, features 0x%016"PRIx64", %u queue "
                      "pairs\n", device->devargs.string, device->features,
                      device->n_queues);
    } else {
        ds_put_format(s, "  device: %s, DPDK port %"PRIu16", MTU %d, %u queue "
                      "pairs\n", relay->vf->devargs.string,
                      relay->vf->port_id, relay->vf->mtu, relay->vf->n_queues);
    }
    problem = relay_problem(relay);
    if (problem) {
        ds_put_format(s, "  problem: the device %s\n", problem);
        free(problem);
    }
    if (conn) {
        ds_put_format(s, "  guest: features 0x%016"PRIx64", %u queue pairs, "
                      "sending on 0x%04"PRIx32", receiving on 0x%04"PRIx32
                      "\n", conn->features, conn->n_pairs, conn->tx_enabled,
                      conn->rx_enabled);
    }
    if (device) {
        format_device_queues(stats, conn ? conn->n_pairs : 0, s);
    } else {
        format_relay_queues(relay, s);
    }
    age = vdpa_stats_get_age(stats);
    if (age) {
        ds_put_format(s, "  the device does not answer: its statistics are "
                      "%u s old\n", age);
    }
}

/* Adds a description of 'port', several lines, to 's'. */
void
vdpa_status_format(struct vdpa_port *port, struct ds *s)
{
    ds_put_format(s, "%s:\n", port->name);
    if (vdpa_port_is_joined(port)) {
        format_joined(port, s);
    } else if (!vdpa_port_is_configured(port)) {
        ds_put_cstr(s, "  not configured\n");
    }
    format_troubles(port, s);
}
