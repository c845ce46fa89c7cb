/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The offload provider: megaflows into the NIC
 * ============================================
 *
 * Takes the place of Open vSwitch's own provider for DPDK ports.  Serves ports
 * of types dpdk and dpdkvdpa (if they have a representor), and those of VXLAN,
 * Geneve and GRE tunnels of the userspace datapath.
 *
 * A megaflow comes with its ufid, match and actions, in an offload thread.
 * offload-match.h and offload-actions.h turn these into items and actions,
 * offload-rule.h puts them into the NIC, and offload-flow.h remembers what
 * became of the megaflow.  What can't be done at once, because the NIC has no
 * room, does not give up a rule, or has forgotten one, is done by a thread of
 * the provider's own, which holds no lock of Open vSwitch's.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread.  offload-lock.h has the order
 * of locks, and offload-port.h how a port is kept from going while a rule is
 * made that depends on it. */

#ifndef OFFLOAD_PROVIDER_H
#define OFFLOAD_PROVIDER_H 1

#include <stdbool.h>

struct netdev;
struct netdev_flow_api;

extern const struct netdev_flow_api offload_provider_api;

/* Prepares the provider and registers the "ovs-appctl" commands.  To be called
 * from the main thread, before offload_provider_api is registered. */
void offload_provider_init(void);

/* To be called before and after 'netdev', any netdev, is reconfigured, which
 * ended with 'error', from the main thread. */
void offload_provider_reconfigure(struct netdev *netdev);
void offload_provider_reconfigured(struct netdev *netdev, int error);

/* To be called by the main thread when a setting of 'netdev', any netdev, may
 * have changed: see offload-port-settings.h. */
void offload_provider_settings_changed(struct netdev *netdev);

/* The same, for all netdevs. */
void offload_provider_all_settings_changed(void);

/* The same, when 'netdev' has got, or has no longer, ingress policing. */
void offload_provider_set_policed(struct netdev *netdev, bool policed);

#endif /* offload-provider.h */
