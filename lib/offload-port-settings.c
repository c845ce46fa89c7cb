/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-port-settings.h"

#include <string.h>

#include <rte_ether.h>

#include "netdev.h"
#include "offload-flow.h"
#include "offload-lock.h"
#include "offload-port.h"
#include "offload-refusal.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(offload_port_settings);

/* What netdev-dpdk lets a frame have beyond the MTU. */
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN)

/* Whether rules must not let frames out that are longer than a port's MTU,
 * since the NIC would. */
static atomic_bool check_mtu = ATOMIC_VAR_INIT(false);

/* The largest MTU of all ports, or of one that was there lately. */
static atomic_int largest_mtu = ATOMIC_VAR_INIT(0);

static bool
ask_up(const struct netdev *netdev)
{
    enum netdev_flags flags;

    /* A port that can't be asked is on its way out. */
    return netdev_get_flags(netdev, &flags) || flags & NETDEV_UP;
}

/* Returns the type of QoS that 'netdev' has, a constant, or NULL. */
static const char *
ask_qos_type(const struct netdev *netdev)
{
    struct smap details = SMAP_INITIALIZER(&details);
    const char *type;

    if (netdev_get_qos(netdev, &type, &details) || !type[0]) {
        type = NULL;
    }
    smap_destroy(&details);
    return type;
}

static int
ask_mtu(const struct netdev *netdev)
{
    int mtu;

    return netdev_get_mtu(netdev, &mtu) ? 0 : mtu;
}

static int
get_mtu(const struct offload_port *port)
{
    int mtu;

    atomic_read_relaxed(&port->settings.mtu, &mtu);
    return mtu;
}

bool
offload_port_settings_check_input(const struct offload_port *port,
                                  struct offload_refusal *refusal)
{
    const char *name = netdev_get_name(port->netdev);
    bool up, policed;

    atomic_read_relaxed(&port->settings.up, &up);
    atomic_read_relaxed(&port->settings.policed, &policed);
    if (!up) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_DOWN,
                                    "%s", name);
    }
    if (policed) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_POLICED,
                                    "%s", name);
    }
    return true;
}

bool
offload_port_settings_check_output(const struct offload_port *input,
                                   const struct offload_port *output,
                                   int growth,
                                   struct offload_refusal *refusal)
{
    const char *name = netdev_get_name(output->netdev);
    const char *qos_type;
    bool check, up;

    atomic_read_relaxed(&output->settings.up, &up);
    atomic_read_relaxed(&output->settings.qos_type, &qos_type);
    if (!up) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_OUTPUT_DOWN,
                                    "%s", name);
    }
    if (qos_type) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_OUTPUT_QOS,
                                    "%s, %s", name, qos_type);
    }
    atomic_read_relaxed(&check_mtu, &check);
    if (check) {
        int mtu = get_mtu(output);
        int longest;

        if (input) {
            longest = get_mtu(input);
        } else {
            atomic_read_relaxed(&largest_mtu, &longest);
        }
        longest += growth;
        if (longest + RTE_ETHER_HDR_LEN > mtu + FRAME_OVERHEAD) {
            return offload_refuse_words(refusal, OFFLOAD_REFUSAL_OUTPUT_MTU,
                                        "%s has MTU %d, packets from %s may "
                                        "have %d", name, mtu,
                                        (input
                                         ? netdev_get_name(input->netdev)
                                         : "tunnels"),
                                        longest);
        }
    }
    return true;
}

static bool
add_mtu(struct offload_port *port, void *largest_)
{
    int *largest = largest_;

    if (!port->is_tunnel) {
        *largest = MAX(*largest, get_mtu(port));
    }
    return true;
}

/* Finds out the largest MTU of all ports, to which 'port' belongs or will.
 * Rules that count on a smaller one go. */
static void
look_for_largest_mtu(struct offload_port *port)
{
    int largest = 0;
    bool check;
    int before;

    add_mtu(port, &largest);
    offload_ports_for_each(add_mtu, &largest);
    atomic_read_relaxed(&largest_mtu, &before);
    if (largest != before) {
        atomic_store_relaxed(&largest_mtu, largest);
        atomic_read_relaxed(&check_mtu, &check);
        if (check) {
            offload_flows_revisit(NULL);
        }
    }
}

/* Notes what 'port' is set to.  Returns true if that is a change. */
static bool
look(struct offload_port *port)
{
    struct offload_port_settings *settings = &port->settings;
    const char *old_qos_type, *qos_type;
    bool old_up, up;
    int old_mtu, mtu;

    offload_lock_assert_none();
    up = ask_up(port->netdev);
    qos_type = ask_qos_type(port->netdev);
    mtu = ask_mtu(port->netdev);
    atomic_read_relaxed(&settings->up, &old_up);
    atomic_read_relaxed(&settings->qos_type, &old_qos_type);
    atomic_read_relaxed(&settings->mtu, &old_mtu);
    atomic_store_relaxed(&settings->up, up);
    atomic_store_relaxed(&settings->qos_type, qos_type);
    atomic_store_relaxed(&settings->mtu, mtu);
    if (mtu != old_mtu) {
        look_for_largest_mtu(port);
    }
    return up != old_up || qos_type != old_qos_type || mtu != old_mtu;
}

void
offload_port_settings_init(struct offload_port *port)
{
    atomic_init(&port->settings.up, false);
    atomic_init(&port->settings.policed, false);
    atomic_init(&port->settings.qos_type, NULL);
    atomic_init(&port->settings.mtu, 0);
    look(port);
}

void
offload_port_settings_run(struct offload_port *port)
{
    if (look(port)) {
        offload_flows_revisit(port);
    }
}

void
offload_port_settings_set_policed(struct offload_port *port, bool policed)
{
    bool before;

    atomic_read_relaxed(&port->settings.policed, &before);
    atomic_store_relaxed(&port->settings.policed, policed);
    if (look(port) || policed != before) {
        offload_flows_revisit(port);
    }
}

void
offload_port_settings_configure(const struct smap *other_config)
{
    const char *who = smap_get_def(other_config, "dpdkvdpa-mtu", "nic");
    bool check = !strcmp(who, "software");
    bool before;

    if (!check && strcmp(who, "nic")) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_WARN_RL(&rl, "other_config:dpdkvdpa-mtu=%s is neither \"nic\" "
                     "nor \"software\": \"nic\" is taken", who);
    }
    atomic_read_relaxed(&check_mtu, &before);
    if (check != before) {
        atomic_store_relaxed(&check_mtu, check);
        offload_flows_revisit(NULL);
    }
}
