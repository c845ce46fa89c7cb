/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef NETDEV_DPDK_GUARD_H
#define NETDEV_DPDK_GUARD_H 1

/* Keeps OVS's dpdk ports from dpdkvdpa ports' VFs
 * ===============================================
 *
 * OVS's "dpdk" class takes every Ethernet device that no port of its own has,
 * and command "netdev-dpdk/detach" takes it away from DPDK.  A relay that had
 * it would go on with what is another's, or is not there any more.
 *
 * So what OVS registers as "dpdk" is a copy of its class that asks first, and
 * so is the command.  Both are refused by the name of the port whose VF it
 * is; see vdpa-claim.h.  (DPDK's own notion of an owner would not do: OVS
 * does not look at it.)
 *
 * Thread-safety
 * -------------
 *
 * To be called from the main thread. */

#include "unixctl.h"

struct netdev_class;

const struct netdev_class *netdev_dpdk_guard_class(
    const struct netdev_class *);
const struct netdev_class *netdev_dpdk_guard_get_class(void);
unixctl_cb_func *netdev_dpdk_guard_detach(unixctl_cb_func *);

#endif /* netdev-dpdk-guard.h */
