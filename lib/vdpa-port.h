/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_PORT_H
#define VDPA_PORT_H 1

/* State of a dpdkvdpa port
 * ========================
 *
 * OVS's "dpdk" class has no room for what a dpdkvdpa port needs beyond it, so
 * that stands here, found by the port's 'struct netdev'.
 *
 * Guest and VF of a port are joined either by a vDPA device, which the port
 * tries first unless told not to, or by a relay, to which it falls back if the
 * device cannot be had or, later, if the device's driver refuses the guest.
 *
 * From one to the other, the hypervisor's connection is made anew.  A guest
 * that was refused pays that once, then keeps its relay.  The driver is asked
 * again when that guest has left, its connection included, at the expense of
 * nobody; and less and less often if it refuses one guest after the other.
 * So that a guest can have its connection made anew, it is offered what both
 * have; where it has more, a change of the options waits until it leaves.
 *
 * If neither can be had, or the VF is unplugged, the port tries again by
 * itself, less and less often.
 *
 * Thread-safety
 * -------------
 *
 * vdpa_port_configure(), vdpa_port_unconfigure(), vdpa_ports_run() and
 * vdpa_ports_wait() must be called from the main thread, holding no lock.
 * Opening, closing and probing devices waits for the NIC, as do MTU and RSS of
 * a relay's VF; 'ports_mutex' is not held meanwhile.  So does
 * vdpa_port_set_mtu().  vdpa_port_retire() may be called
 * from any thread and under any of OVS's locks: it only puts the port aside
 * for vdpa_ports_run() to close.
 *
 * vdpa_port_from_netdev(), vdpa_port_get_relay(), vdpa_port_get_device(),
 * vdpa_port_get_stats() and vdpa_port_get_vhost() take no lock.  What they
 * return is valid until the calling thread quiesces.  The other functions may
 * be called from any thread that holds a reference to the netdev. */

#include <stdbool.h>
#include <stdint.h>

#include "cmap.h"
#include "openvswitch/list.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "vdpa-device.h"
#include "vdpa-features.h"
#include "vdpa-options.h"
#include "vdpa-relay.h"

struct ds;
struct netdev;
struct smap;
struct vdpa_stats;
struct vdpa_vhost;

struct vdpa_port {
    struct cmap_node cmap_node; /* In the index by 'netdev'. */
    const struct netdev *netdev;
    char *name;                 /* Outlives the netdev's own. */
    struct ovs_list list_node;  /* Among those to be closed. */

    /* What joins guest and VF: at most one of these is nonnull. */
    OVSRCU_TYPE(struct vdpa_relay *) relay;
    OVSRCU_TYPE(struct vdpa_device *) device;
    OVSRCU_TYPE(struct vdpa_stats *) stats; /* Of either. */

    struct ovs_mutex mutex;
    struct vdpa_options options OVS_GUARDED;
    char *fallback_reason OVS_GUARDED; /* Why hardware was tried in vain. */
    char *switch_refused OVS_GUARDED; /* Why the guest keeps the other mode. */
    char *error OVS_GUARDED;    /* Why there is nothing that joins them. */

    /* What the modes can offer, [0] software, [1] hardware, whether those that
     * do not tell were asked, and the VF that this holds for. */
    struct vdpa_side sides[2] OVS_GUARDED;
    bool asked[2] OVS_GUARDED;
    char *sides_of OVS_GUARDED;

    /* The main thread's own. */
    bool configured;            /* The last configuration was good. */
    struct vdpa_options way;    /* The options that say how guest and VF are
                                 * joined now, the others unset. */
    bool removed;               /* The VF had gone when they were parted. */
    bool must_rejoin;           /* What joins them is of no use. */
    long long int join_interval; /* Between attempts to join them, */
    long long int next_join;    /* and earliest time of the next one. */
    bool told_removed;
    long long int retry_interval; /* Since the driver refused a guest, else 0.
                                   * In ms, as is: */
    long long int next_try;       /* Earliest time to ask it again. */

    int mtu OVS_GUARDED;

    /* For a port without a representor, that has no other place for it. */
    int requested_mtu OVS_GUARDED;

    /* Also for one with a representor whose link follows the guest. */
    bool link_up OVS_GUARDED;
    long long int link_resets OVS_GUARDED;
    atomic_uint64_t tx_dropped;

    atomic_bool changed;        /* OVS is to be told of a change of status. */
};

/* All ports that have a netdev.  For VDPA_PORT_FOR_EACH() only. */
extern struct cmap vdpa_ports;

#define VDPA_PORT_FOR_EACH(PORT) CMAP_FOR_EACH (PORT, cmap_node, &vdpa_ports)

struct vdpa_port *vdpa_port_create(const struct netdev *);
void vdpa_port_retire(struct vdpa_port *);
struct vdpa_port *vdpa_port_from_netdev(const struct netdev *);

int vdpa_port_configure(struct vdpa_port *, struct vdpa_options *,
                        char **errorp);
void vdpa_port_unconfigure(struct vdpa_port *);
void vdpa_port_set_mtu(struct vdpa_port *, int mtu);
bool vdpa_port_is_mtu_ok(const struct vdpa_port *, int mtu);
bool vdpa_port_get_link(struct vdpa_port *, long long int *resets);
bool vdpa_port_limit_link(struct vdpa_port *, bool up, long long int *resets);
bool vdpa_port_is_removed(const struct vdpa_port *);
unsigned int vdpa_port_n_queues(const struct vdpa_port *);
int vdpa_port_get_numa_id(const struct vdpa_port *);

void vdpa_port_get_config(struct vdpa_port *, struct smap *);
void vdpa_ports_format(struct ds *);

void vdpa_ports_run(void);
void vdpa_ports_wait(void);

static inline struct vdpa_relay *
vdpa_port_get_relay(const struct vdpa_port *port)
{
    return ovsrcu_get(struct vdpa_relay *, &port->relay);
}

static inline struct vdpa_device *
vdpa_port_get_device(const struct vdpa_port *port)
{
    return ovsrcu_get(struct vdpa_device *, &port->device);
}

static inline struct vdpa_stats *
vdpa_port_get_stats(const struct vdpa_port *port)
{
    return ovsrcu_get(struct vdpa_stats *, &port->stats);
}

/* Returns true if 'port' is one that is meant to work: guest and VF are
 * joined, or it is tried again and again to join them. */
static inline bool
vdpa_port_is_configured(const struct vdpa_port *port)
{
    return port->configured;
}

/* Returns true if guest and VF of 'port' are joined, whether or not there is a
 * guest. */
static inline bool
vdpa_port_is_joined(const struct vdpa_port *port)
{
    return vdpa_port_get_relay(port) || vdpa_port_get_device(port);
}

/* Returns the socket of 'port', or NULL if it has none. */
static inline struct vdpa_vhost *
vdpa_port_get_vhost(const struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);

    return device ? device->vhost : relay ? relay->vhost : NULL;
}

#endif /* vdpa-port.h */
