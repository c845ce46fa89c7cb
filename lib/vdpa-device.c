/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-device.h"

#include <errno.h>

#include <rte_ethdev.h>
#include <rte_vdpa.h>

#include "util.h"
#include "vdpa-devargs.h"

/* Brings up the vDPA side of the device that 'devargs' means and returns it.
 * If it has none, or it cannot be had, returns NULL and stores the reason, in
 * words, into '*reasonp', that the caller must free.  The device is then again
 * as it was before the call. */
struct rte_vdpa_device *
vdpa_device_find(const struct vdpa_devargs *devargs, char **reasonp)
{
    struct rte_vdpa_device *device;
    int error;

    *reasonp = NULL;
    device = rte_vdpa_find_device_by_name(devargs->name);
    if (device) {
        return device;
    }
    if (vdpa_devargs_find_ethdev(devargs) < RTE_MAX_ETHPORTS) {
        *reasonp = xasprintf("%s is an Ethernet device already",
                             devargs->name);
        return NULL;
    }

    error = vdpa_devargs_probe(devargs, "vdpa");
    if (error == EEXIST) {
        *reasonp = xasprintf("%s is probed already, without a vDPA device",
                             devargs->name);
        return NULL;
    } else if (error) {
        *reasonp = xasprintf("%s has no vDPA device: probing it with "
                             "class=vdpa failed (%s)",
                             devargs->name, ovs_strerror(error));
        /* Some buses keep a device that no driver took. */
        vdpa_devargs_remove(devargs);
        return NULL;
    }

    device = rte_vdpa_find_device_by_name(devargs->name);
    if (!device) {
        /* The driver does not know "class" and brought up something else. */
        *reasonp = xasprintf("%s has no vDPA device", devargs->name);
        vdpa_devargs_remove(devargs);
    }
    return device;
}
