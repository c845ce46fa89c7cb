/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-port.h"

#include <stdlib.h>

#include "netdev.h"
#include "netdev-dpdk.h"
#include "netdev-offload.h"
#include "netdev-provider.h"
#include "offload-lock.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"

/* All ports. */
static struct ovs_mutex ports_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list ports OVS_GUARDED_BY(ports_mutex)
    = OVS_LIST_INITIALIZER(&ports);

struct offload_port *
offload_port_get(const struct netdev *netdev)
{
    return ovsrcu_get(void *, &netdev->hw_info.offload_data);
}

static int
get_port_id(const struct offload_port *port)
{
    return port->is_tunnel ? -1 : netdev_dpdk_get_port_id(port->netdev);
}

void
offload_port_create(struct netdev *netdev, bool is_tunnel)
    OVS_EXCLUDED(ports_mutex)
{
    struct offload_port *port = xzalloc(sizeof *port);

    port->netdev = netdev;
    port->dpif_type = netdev_get_dpif_type(netdev);
    port->is_tunnel = is_tunnel;
    ovs_mutex_init(&port->mutex);
    xpthread_cond_init(&port->left, NULL);
    ovs_mutex_lock(&port->mutex);
    port->port_id = get_port_id(port);
    hmap_init(&port->flows);
    port->n_in_nic = xcalloc(netdev_offload_thread_nb(),
                             sizeof *port->n_in_nic);
    ovs_mutex_unlock(&port->mutex);
    offload_port_settings_init(port);

    offload_lock(&ports_mutex, PORTS);
    ovs_list_push_back(&ports, &port->node);
    offload_unlock(&ports_mutex, PORTS);

    ovsrcu_set(&netdev->hw_info.offload_data, (void *) port);
}

static void
offload_port_free(struct offload_port *port)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    hmap_destroy(&port->flows);
    free(port->n_in_nic);
    xpthread_cond_destroy(&port->left);
    ovs_mutex_destroy(&port->mutex);
    free(port);
}

void
offload_port_destroy(struct offload_port *port)
    OVS_EXCLUDED(ports_mutex)
{
    ovsrcu_set(&port->netdev->hw_info.offload_data, NULL);
    offload_lock(&ports_mutex, PORTS);
    ovs_list_remove(&port->node);
    offload_unlock(&ports_mutex, PORTS);
    ovsrcu_postpone(offload_port_free, port);
}

bool
offload_port_enter(struct offload_port *port)
    OVS_EXCLUDED(port->mutex)
{
    bool ok;

    offload_lock(&port->mutex, PORT);
    ok = port->state == OFFLOAD_PORT_OPEN;
    if (ok) {
        port->n_entered++;
    }
    offload_unlock(&port->mutex, PORT);
    if (ok) {
        offload_lock_enter();
    }
    return ok;
}

void
offload_port_leave(struct offload_port *port)
    OVS_EXCLUDED(port->mutex)
{
    offload_lock_leave();
    offload_lock(&port->mutex, PORT);
    if (!--port->n_entered) {
        xpthread_cond_broadcast(&port->left);
    }
    offload_unlock(&port->mutex, PORT);
}

/* Returns true if 'port' was not in 'state' yet, nor gone. */
static bool
close_port(struct offload_port *port, enum offload_port_state state)
    OVS_EXCLUDED(port->mutex)
{
    bool changed;

    offload_lock_assert_none();
    offload_lock(&port->mutex, PORT);
    changed = port->state != OFFLOAD_PORT_GONE && port->state != state;
    if (changed) {
        port->state = state;
    }
    while (port->n_entered) {
        ovs_mutex_cond_wait(&port->left, &port->mutex);
    }
    offload_unlock(&port->mutex, PORT);
    return changed;
}

void
offload_port_close(struct offload_port *port)
{
    close_port(port, OFFLOAD_PORT_CLOSED);
}

bool
offload_port_close_for_good(struct offload_port *port)
{
    return close_port(port, OFFLOAD_PORT_GONE);
}

void
offload_port_open(struct offload_port *port)
    OVS_EXCLUDED(port->mutex)
{
    int port_id = get_port_id(port);

    offload_lock(&port->mutex, PORT);
    if (port->state == OFFLOAD_PORT_CLOSED) {
        port->state = OFFLOAD_PORT_OPEN;
    }
    port->port_id = port_id;
    offload_unlock(&port->mutex, PORT);
}

int
offload_port_id(struct offload_port *port)
    OVS_EXCLUDED(port->mutex)
{
    int port_id;

    offload_lock(&port->mutex, PORT);
    port_id = port->port_id;
    offload_unlock(&port->mutex, PORT);
    return port_id;
}

bool
offload_port_is_gone(struct offload_port *port)
    OVS_EXCLUDED(port->mutex)
{
    bool gone;

    offload_lock(&port->mutex, PORT);
    gone = port->state == OFFLOAD_PORT_GONE;
    offload_unlock(&port->mutex, PORT);
    return gone;
}

void
offload_ports_for_each(bool (*cb)(struct offload_port *, void *aux), void *aux)
    OVS_EXCLUDED(ports_mutex)
{
    struct offload_port *port;

    offload_lock(&ports_mutex, PORTS);
    LIST_FOR_EACH (port, node, &ports) {
        if (!cb(port, aux)) {
            break;
        }
    }
    offload_unlock(&ports_mutex, PORTS);
}

struct find_ethdev {
    int port_id;
    struct offload_port *found;
};

static bool
find_ethdev_cb(struct offload_port *port, void *find_)
    OVS_EXCLUDED(port->mutex)
{
    struct find_ethdev *find = find_;
    bool same;

    offload_lock(&port->mutex, PORT);
    same = (port->port_id == find->port_id
            && port->state == OFFLOAD_PORT_OPEN);
    offload_unlock(&port->mutex, PORT);
    if (same) {
        find->found = port;
    }
    return !same;
}

struct offload_port *
offload_port_enter_by_ethdev(uint16_t port_id)
{
    struct find_ethdev find = { .port_id = port_id };

    offload_ports_for_each(find_ethdev_cb, &find);
    return find.found && offload_port_enter(find.found) ? find.found : NULL;
}
