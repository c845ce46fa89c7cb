/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_DEVARGS_H
#define VDPA_DEVARGS_H 1

/* Device arguments
 * ================
 *
 * A user names the NIC function of a port by DPDK device arguments,
 * "[bus:]address[,args]", for example "0000:18:00.2", "pci:18:00.2,foo=1",
 * "auxiliary:mlx5_core.sf.63" or "net_ring0".  This module parses such a
 * string, finds the device that it means, adds the device to DPDK and takes
 * it away again.
 *
 * A device is always compared by bus and by its whole, canonical name: neither
 * a prefix nor another spelling of the same PCI address can be mistaken.
 *
 * Thread-safety
 * -------------
 *
 * Parsing and comparing are thread-safe.  Everything that looks at or changes
 * DPDK's lists of devices must be called from the main thread, as DPDK's
 * hotplug functions have no lock of their own. */

#include <stdbool.h>
#include <stdint.h>

struct rte_bus;
struct rte_device;

struct vdpa_devargs {
    char *string;               /* As the user wrote it. */
    const struct rte_bus *bus;
    char *name;                 /* Canonical name of the device on 'bus'. */
};

int vdpa_devargs_parse(const char *string, struct vdpa_devargs *,
                       char **errorp);
void vdpa_devargs_destroy(struct vdpa_devargs *);
void vdpa_devargs_clone(struct vdpa_devargs *, const struct vdpa_devargs *);
const char *vdpa_devargs_find(const struct vdpa_devargs *, const char *key);
bool vdpa_devargs_same_device(const struct vdpa_devargs *,
                              const struct vdpa_devargs *);

struct rte_device *vdpa_devargs_find_device(const struct vdpa_devargs *);
uint16_t vdpa_devargs_find_ethdev(const struct vdpa_devargs *);
int vdpa_devargs_probe(const struct vdpa_devargs *, const char *class);
int vdpa_devargs_remove(const struct vdpa_devargs *);
void vdpa_devargs_set_quiet(const struct vdpa_devargs *, bool quiet);
char *vdpa_devargs_describe(const struct rte_device *);

#endif /* vdpa-devargs.h */
