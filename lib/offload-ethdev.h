/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Devices that rules were made by
 * ===============================
 *
 * A rule is known to the driver of the ethdev that it was made by.  When that
 * is closed the driver frees what it knows, and DPDK gives the number to
 * another: what was kept of the rule must not be shown to a driver any more.
 * So an ethdev is named by its number and a generation, which changes when the
 * number becomes free.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread.  An ethdev that is current may
 * become stale at once, unless the caller has entered its port
 * (offload-port.h). */

#ifndef OFFLOAD_ETHDEV_H
#define OFFLOAD_ETHDEV_H 1

#include <stdbool.h>
#include <stdint.h>

struct offload_ethdev {
    uint16_t port_id;
    unsigned int generation;
};

/* To be called once, before there are any rules. */
void offload_ethdev_init(void);

/* Returns the name of the ethdev that 'port_id' is now. */
struct offload_ethdev offload_ethdev_get(uint16_t port_id);

/* Returns true if that ethdev is still there. */
bool offload_ethdev_is_current(const struct offload_ethdev *);

/* Returns true if the ethdev is not there any more, or its NIC was removed:
 * then the NIC has none of its rules. */
bool offload_ethdev_is_gone(const struct offload_ethdev *);

/* Returns true if rules that are made by 'port_id' stay while it is
 * stopped. */
bool offload_ethdev_keeps_rules(uint16_t port_id);

#endif /* offload-ethdev.h */
