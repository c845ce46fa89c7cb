/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef NETDEV_DPDKVDPA_H
#define NETDEV_DPDKVDPA_H 1

/* The netdev class "dpdkvdpa"
 * ===========================
 *
 * A port of this class joins a guest's virtio device to a NIC's virtual
 * function.  If its options name a representor (dpdk-devargs), the port *is*
 * the representor's "dpdk" port for everything that Open vSwitch does with it:
 * the class is a copy of OVS's "dpdk" class with some functions replaced.
 *
 * Without a representor, there is nothing for the switch to receive from or to
 * send to, and no DPDK port that OVS's functions could work on.  Such a port
 * has a class of its own, "alone", that shares the type's name and nothing of
 * the "dpdk" class but how its memory is allocated.  Every port starts alone;
 * the first configuration with dpdk-devargs makes it a representor's.
 *
 * Life cycle
 * ----------
 *
 * All that a port needs is opened in set_config(), where errors can be told to
 * the user in words, and closed by the main thread with no lock held, since
 * that waits for other threads (see vdpa-vhost.h).  A port that OVS destroys,
 * perhaps in another thread and under OVS's locks, is therefore only put
 * aside.  The main thread closes it on its next round, or before it opens any
 * other. */

#include <stdbool.h>

struct ds;
struct netdev;
struct netdev_class;

void netdev_dpdkvdpa_register(const struct netdev_class *dpdk_class);

bool netdev_is_dpdkvdpa(const struct netdev *);
bool netdev_dpdkvdpa_has_representor(const struct netdev *);
void netdev_dpdkvdpa_format_status(struct ds *);

#endif /* netdev-dpdkvdpa.h */
