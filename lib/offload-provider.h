/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The offload provider: megaflows into the NIC
 * ============================================
 *
 * Takes the place of Open vSwitch's own provider for DPDK ports.  Serves ports
 * of types dpdk and dpdkvdpa (if they have a representor), and no others.
 *
 * A megaflow comes with its ufid, match and actions, in an offload thread.
 * offload-match.h and offload-actions.h turn these into items and actions,
 * offload-rule.h puts them into the NIC, and offload-flow.h remembers what
 * became of the megaflow.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread.  As dpif-netdev guarantees by
 * its port_rwlock, a port is not uninitialized while another callback runs for
 * it or outputs to it. */

#ifndef OFFLOAD_PROVIDER_H
#define OFFLOAD_PROVIDER_H 1

#include <stdbool.h>

struct netdev;
struct netdev_flow_api;

extern const struct netdev_flow_api offload_provider_api;

/* Prepares the provider and registers the "ovs-appctl" commands.  To be called
 * from the main thread, before offload_provider_api is registered. */
void offload_provider_init(void);

/* To be called before 'netdev', any netdev, is reconfigured. */
void offload_provider_reconfigure(struct netdev *netdev);

/* To be called by the main thread when a setting of 'netdev', any netdev, may
 * have changed: see offload-port-settings.h. */
void offload_provider_settings_changed(struct netdev *netdev);

/* The same, when 'netdev' has got, or has no longer, ingress policing. */
void offload_provider_set_policed(struct netdev *netdev, bool policed);

#endif /* offload-provider.h */
