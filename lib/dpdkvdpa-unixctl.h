/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#ifndef DPDKVDPA_UNIXCTL_H
#define DPDKVDPA_UNIXCTL_H 1

/* Registers the plugin's "ovs-appctl" commands:
 *
 *    - dpdkvdpa/show: dpdkvdpa ports, their guests and their VFs;
 *
 *    - dpdkvdpa/offload-show [--json] [PORT]: how many megaflows are in the
 *      NIC, how many were refused, and why.
 *
 * To be called from the main thread; later calls do nothing. */
void dpdkvdpa_unixctl_init(void);

#endif /* dpdkvdpa-unixctl.h */
