/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef NETDEV_DPDKVDPA_ALONE_H
#define NETDEV_DPDKVDPA_ALONE_H 1

/* The class of dpdkvdpa ports without a representor
 * =================================================
 *
 * Such a port joins guest and VF while the switching is done elsewhere, on a
 * DPU for example.  Open vSwitch polls it only so that the relay runs: it
 * never receives a packet from it, and what it sends to it is dropped. */

struct netdev_class;

extern struct netdev_class netdev_dpdkvdpa_alone_class;

#endif /* netdev-dpdkvdpa-alone.h */
