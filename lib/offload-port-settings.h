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
 * setting can be seen already.
 *
 * The MTU is different, since devices have it as well.  A NIC drops what is
 * longer than the MTU of the port that it is to leave by, and so nothing is
 * left to do, unless the operator says that the NIC does not:
 * other_config:dpdkvdpa-mtu=software.
 *
 * Thread-safety
 * -------------
 *
 * What checks may be called from any thread, what tells of changes from the
 * main thread only. */

#ifndef OFFLOAD_PORT_SETTINGS_H
#define OFFLOAD_PORT_SETTINGS_H 1

#include <stdbool.h>

#include "ovs-atomic.h"

struct netdev;
struct offload_port;
struct offload_refusal;
struct smap;

/* Part of a struct offload_port. */
struct offload_port_settings {
    atomic_bool policed;        /* Open vSwitch tells nobody later. */

    /* For the main thread: when it last looked. */
    bool up, had_policing, had_qos;
    int mtu;
};

/* To be called when 'port' is made. */
void offload_port_settings_init(struct offload_port *port);

/* Checks that software would do nothing to a packet that comes from 'port'
 * before it looks for megaflows.  Returns true if so, otherwise false with
 * '*refusal'. */
bool offload_port_settings_check_input(struct offload_port *port,
                                       struct offload_refusal *refusal);

/* Checks that software would do nothing to a packet that came from 'input' and
 * leaves by 'output'.  Actions and tags make its frame 'growth' bytes longer
 * than Ethernet's header and an IP packet.  Returns true if so, otherwise
 * false with '*refusal'. */
bool offload_port_settings_check_output(struct offload_port *input,
                                        struct offload_port *output,
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
