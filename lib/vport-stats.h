/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What a port of an eSwitch counts
 * ================================
 *
 * The ethdev of a representor or an uplink counts what its driver receives and
 * sends: what missed all rules.  Operators want to know what entered and left
 * the port, in software or in the NIC.  A NIC has counters for that, per port
 * of its eSwitch, which drivers show among their extended statistics.  These
 * take the place of the ethdev's own, which they include, so that no packet is
 * counted twice.
 *
 * Thread-safety: functions may be called from any thread. */

#ifndef VPORT_STATS_H
#define VPORT_STATS_H 1

struct netdev;
struct netdev_stats;

/* Replaces packets and bytes in '*stats', which 'netdev', any netdev, has
 * given, if it is a port of an eSwitch that tells what went by it. */
void vport_stats_get(struct netdev *netdev, struct netdev_stats *stats);

#endif /* vport-stats.h */
