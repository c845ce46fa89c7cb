/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What software does at ports
 * ===========================
 *
 * When Open vSwitch receives a packet from a DPDK port, or sends one, it looks
 * at more than megaflows: at whether the port is up, at ingress policing, at
 * QoS, at the MTU.  A rule takes a packet past all that.  So a megaflow whose
 * packets enter or leave by a port with such a setting is refused, for as long
 * as the setting is there.
 *
 * Each change of a setting passes a seam (vswitchd/seams.c), behind which no
 * rule is left that knows nothing of it: rules that enter or leave by the port
 * are taken out of the NIC, and their megaflows are offered again, as are
 * those that were refused for a setting.  A megaflow that is on its way to the
 * NIC meanwhile has a record that is looked at too, or is made when the
 * setting can be seen already.  What checks has a record's lock, under which
 * Open vSwitch cannot be asked: it sees what the main thread saw when it
 * looked last, before it looked for records.
 *
 * The MTU is different, since devices have it as well.  A NIC drops what is
 * longer than the MTU of the port that it is to leave by, and so nothing is
 * left to do, unless the operator says that the NIC does not:
 * other_config:dpdkvdpa-mtu=software.  Packets of a tunnel may come by any
 * port, so that theirs may be as long as the largest MTU of all ports allows.
 *
 * Thread-safety
 * -------------
 *
 * What checks may be called from any thread, under any of our locks, what
 * tells of changes from the main thread only, under none. */

#ifndef OFFLOAD_PORT_SETTINGS_H
#define OFFLOAD_PORT_SETTINGS_H 1

#include <stdbool.h>

#include "ovs-atomic.h"

struct netdev;
struct offload_port;
struct offload_refusal;
struct smap;

/* Part of a struct offload_port: how it was when the main thread last looked.
 * Written by that only. */
struct offload_port_settings {
    atomic_bool up;
    atomic_bool policed;        /* Open vSwitch tells nobody later. */
    ATOMIC(const char *) qos_type;      /* A constant, or NULL. */
    atomic_int mtu;
};

/* To be called when 'port' is made, before others can find it. */
void offload_port_settings_init(struct offload_port *port);

/* Checks that software would do nothing to a packet that comes from 'port'
 * before it looks for megaflows.  Returns true if so, otherwise false with
 * '*refusal'. */
bool offload_port_settings_check_input(const struct offload_port *port,
                                       struct offload_refusal *refusal);

/* Checks that software would do nothing to a packet that came from 'input', or
 * from whichever port if that is NULL, and leaves by 'output'.  Actions and
 * tags make its frame 'growth' bytes longer than Ethernet's header and an IP
 * packet.  Returns true if so, otherwise false with '*refusal'. */
bool offload_port_settings_check_output(const struct offload_port *input,
                                        const struct offload_port *output,
                                        int growth,
                                        struct offload_refusal *refusal);

/* Tells that 'port' has, or no longer has, ingress policing. */
void offload_port_settings_set_policed(struct offload_port *port,
                                       bool policed);

/* To be called when a setting of 'port' may have changed. */
void offload_port_settings_run(struct offload_port *port);

/* Takes other_config of the Open_vSwitch table. */
void offload_port_settings_configure(const struct smap *other_config);

#endif /* offload-port-settings.h */
