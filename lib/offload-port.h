/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Ports of the offload provider
 * =============================
 *
 * A *port* is a netdev that the provider serves, from init_flow_api to
 * uninit_flow_api.  A megaflow belongs to the port where its packets enter.
 *
 * A port is a gate.  Who makes a rule enters each port that the rule will
 * depend on, and leaves them when the rule's record tells of it.  Who takes
 * the port or its device away closes the gate, which waits until all have
 * left, and finds all rules that depend on it then.  Nobody enters a closed
 * port: it is opened again when its device is back, or is gone for good.
 *
 * Thread-safety
 * -------------
 *
 * Any thread may call any function; offload-lock.h has the order of locks.  A
 * port stays as long as no thread that may have found it has quiesced since it
 * was destroyed; its netdev stays as long as somebody has entered it. */

#ifndef OFFLOAD_PORT_H
#define OFFLOAD_PORT_H 1

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "offload-ethdev.h"
#include "offload-port-settings.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/thread.h"

struct netdev;

enum offload_port_state {
    OFFLOAD_PORT_OPEN,
    OFFLOAD_PORT_CLOSED,        /* Until its device is back. */
    OFFLOAD_PORT_GONE,          /* For good. */
};

struct offload_port {
    struct ovs_list node;       /* In the list of all ports, by its lock. */
    struct netdev *netdev;      /* No reference: it has us, not we it. */
    const char *dpif_type;      /* Constant. */
    bool is_tunnel;             /* Has no device of its own.  Constant. */
    struct offload_port_settings settings;

    struct ovs_mutex mutex;
    enum offload_port_state state OVS_GUARDED;
    int port_id OVS_GUARDED;            /* Its ethdev, or -1. */
    unsigned int n_entered OVS_GUARDED;
    pthread_cond_t left;                /* Signalled when nobody is in. */
    struct hmap flows OVS_GUARDED;      /* Has "struct offload_flow"s. */
    uint64_t *n_in_nic OVS_GUARDED;     /* Per offload thread. */
    uint64_t n_puts OVS_GUARDED;        /* Since the port was added ... */
    uint64_t n_refusals OVS_GUARDED;    /* ... and how many were refused. */
};

/* Makes a port of 'netdev', a tunnel's if 'is_tunnel', to be found by
 * offload_port_get(). */
void offload_port_create(struct netdev *, bool is_tunnel);

/* Returns the port of 'netdev', a netdev of the provider's, or NULL if that
 * was destroyed. */
struct offload_port *offload_port_get(const struct netdev *);

/* Takes 'port', which is gone and has no records, out of the list, and frees
 * it after the next grace period. */
void offload_port_destroy(struct offload_port *port);

/* Enters 'port'.  Returns false if it is closed or gone. */
bool offload_port_enter(struct offload_port *port);
void offload_port_leave(struct offload_port *port);

/* Closes 'port' and waits until nobody is in it. */
void offload_port_close(struct offload_port *port);

/* The same, for good.  Returns true if that was not so yet: then the caller
 * sees to it that nothing depends on 'port' any more. */
bool offload_port_close_for_good(struct offload_port *port);

/* Opens 'port' again, unless it is gone, and finds out which ethdev it has. */
void offload_port_open(struct offload_port *port);

/* Returns the ethdev of 'port', or -1. */
int offload_port_id(struct offload_port *port);

/* Returns true if 'port' is gone for good. */
bool offload_port_is_gone(struct offload_port *port);

/* Calls 'cb' for each port in turn until it returns false.  'cb' must not
 * take a record's lock. */
void offload_ports_for_each(bool (*cb)(struct offload_port *, void *aux),
                            void *aux);

/* Enters a port that has ethdev 'port_id' and returns it, or NULL if there is
 * none that is open. */
struct offload_port *offload_port_enter_by_ethdev(uint16_t port_id);

#endif /* offload-port.h */
