/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-port-settings.h"

#include <string.h>

#include <rte_ether.h>

#include "netdev.h"
#include "offload-flow.h"
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

static bool
is_up(const struct netdev *netdev)
{
    enum netdev_flags flags;

    /* A port that can't be asked is on its way out. */
    return netdev_get_flags(netdev, &flags) || flags & NETDEV_UP;
}

static bool
is_policed(struct offload_port *port)
{
    bool policed;

    atomic_read_relaxed(&port->settings.policed, &policed);
    return policed;
}

/* Returns the type of QoS that 'netdev' has, a constant, or NULL. */
static const char *
get_qos_type(const struct netdev *netdev)
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
get_mtu(const struct netdev *netdev)
{
    int mtu;

    return netdev_get_mtu(netdev, &mtu) ? 0 : mtu;
}

bool
offload_port_settings_check_input(struct offload_port *port,
                                  struct offload_refusal *refusal)
{
    const char *name = netdev_get_name(port->netdev);

    if (!is_up(port->netdev)) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_DOWN,
                                    "%s", name);
    }
    if (is_policed(port)) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_POLICED,
                                    "%s", name);
    }
    return true;
}

bool
offload_port_settings_check_output(struct offload_port *input,
                                   struct offload_port *output, int growth,
                                   struct offload_refusal *refusal)
{
    const char *name = netdev_get_name(output->netdev);
    const char *qos_type = get_qos_type(output->netdev);
    bool check;

    if (!is_up(output->netdev)) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_OUTPUT_DOWN,
                                    "%s", name);
    }
    if (qos_type) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_OUTPUT_QOS,
                                    "%s, %s", name, qos_type);
    }
    atomic_read_relaxed(&check_mtu, &check);
    if (check) {
        int longest = get_mtu(input->netdev) + growth;
        int mtu = get_mtu(output->netdev);

        if (longest + RTE_ETHER_HDR_LEN > mtu + FRAME_OVERHEAD) {
            return offload_refuse_words(refusal, OFFLOAD_REFUSAL_OUTPUT_MTU,
                                        "%s has MTU %d, packets from %s may "
                                        "have %d", name, mtu,
                                        netdev_get_name(input->netdev),
                                        longest);
        }
    }
    return true;
}

/* Notes what 'port' is set to.  Returns true if that is a change. */
static bool
look(struct offload_port *port)
{
    struct offload_port_settings *settings = &port->settings;
    bool up = is_up(port->netdev);
    bool policed = is_policed(port);
    bool qos = get_qos_type(port->netdev) != NULL;
    int mtu = get_mtu(port->netdev);
    bool changed = (up != settings->up || policed != settings->had_policing
                    || qos != settings->had_qos || mtu != settings->mtu);

    settings->up = up;
    settings->had_policing = policed;
    settings->had_qos = qos;
    settings->mtu = mtu;
    return changed;
}

void
offload_port_settings_init(struct offload_port *port)
{
    atomic_init(&port->settings.policed, false);
    look(port);
}

void
offload_port_settings_run(struct offload_port *port)
{
    if (look(port)) {
        offload_port_revisit(port);
    }
}

void
offload_port_settings_set_policed(struct offload_port *port, bool policed)
{
    atomic_store_relaxed(&port->settings.policed, policed);
    offload_port_settings_run(port);
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
        offload_port_revisit(NULL);
    }
}
