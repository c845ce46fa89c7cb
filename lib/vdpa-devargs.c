/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-devargs.h"

#include <errno.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_pci.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vdpa_devargs);

/* Returns the canonical form of 'name', an address on 'bus', that the caller
 * must free.  Only PCI has more than one spelling of an address. */
static char *
canonical_name(const struct rte_bus *bus, const char *name)
{
    if (!strcmp(rte_bus_name(bus), "pci")) {
        struct rte_pci_addr addr;

        if (!rte_pci_addr_parse(name, &addr)) {
            char canonical[PCI_PRI_STR_SIZE];

            rte_pci_device_name(&addr, canonical, sizeof canonical);
            return xstrdup(canonical);
        }
    }
    return xstrdup(name);
}

/* Parses 'string' into '*devargs'.  Returns 0 if successful, in which case the
 * caller must eventually destroy '*devargs'.  Otherwise returns a positive
 * errno value and stores into '*errorp' a description that the caller must
 * free; '*devargs' then needs no destruction.  Whether such a device exists is
 * not looked at. */
int
vdpa_devargs_parse(const char *string, struct vdpa_devargs *devargs,
                   char **errorp)
{
    struct rte_devargs da;

    memset(devargs, 0, sizeof *devargs);
    if (!string[0]) {
        *errorp = xstrdup("is empty: give the device's address, as "
                          "[bus:]address[,args]");
        return EINVAL;
    }

    if (rte_devargs_parse(&da, string)) {
        *errorp = xasprintf("\"%s\" is not the address of a device on any "
                            "bus that DPDK knows: use [bus:]address[,args] "
                            "and see that the device's driver is loaded",
                            string);
        return EINVAL;
    }
    if (!da.bus || !da.name[0]) {
        rte_devargs_reset(&da);
        *errorp = xasprintf("\"%s\" names no device: use "
                            "[bus:]address[,args]", string);
        return EINVAL;
    }

    devargs->string = xstrdup(string);
    devargs->bus = da.bus;
    devargs->name = canonical_name(da.bus, da.name);
    rte_devargs_reset(&da);
    return 0;
}

/* Frees what 'devargs' holds, but not 'devargs' itself. */
void
vdpa_devargs_destroy(struct vdpa_devargs *devargs)
{
    free(devargs->string);
    free(devargs->name);
    memset(devargs, 0, sizeof *devargs);
}

/* Makes '*dst' a copy of 'src', that the caller must eventually destroy. */
void
vdpa_devargs_clone(struct vdpa_devargs *dst, const struct vdpa_devargs *src)
{
    dst->string = xstrdup(src->string);
    dst->bus = src->bus;
    dst->name = xstrdup(src->name);
}

/* Returns what follows the argument 'key' of 'devargs' and its equals sign, to
 * the string's end, or NULL if there is no such argument. */
const char *
vdpa_devargs_find(const struct vdpa_devargs *devargs, const char *key)
{
    size_t len = strlen(key);
    const char *s;

    for (s = strchr(devargs->string, ','); s; s = strchr(s, ',')) {
        s++;
        if (!strncmp(s, key, len) && s[len] == '=') {
            return s + len + 1;
        }
    }
    return NULL;
}

/* Returns true if 'a' and 'b' mean the same device, whatever arguments follow
 * its address. */
bool
vdpa_devargs_same_device(const struct vdpa_devargs *a,
                         const struct vdpa_devargs *b)
{
    return a->bus == b->bus && !strcmp(a->name, b->name);
}

static bool
is_device(const struct vdpa_devargs *devargs, const struct rte_device *dev)
{
    return rte_dev_bus(dev) == devargs->bus
           && !strcmp(rte_dev_name(dev), devargs->name);
}

/* Returns the device that 'devargs' means if DPDK drives it, otherwise NULL.
 * To be called from the main thread. */
struct rte_device *
vdpa_devargs_find_device(const struct vdpa_devargs *devargs)
{
    char *filter = xasprintf("bus=%s", rte_bus_name(devargs->bus));
    struct rte_device *found = NULL;
    struct rte_dev_iterator it;
    struct rte_device *dev;

    /* The iteration has nothing to release, so it can run to its end. */
    RTE_DEV_FOREACH (dev, filter, &it) {
        if (!found && is_device(devargs, dev) && rte_dev_is_probed(dev)) {
            found = dev;
        }
    }
    free(filter);
    return found;
}

/* Returns the id of the Ethernet device of the device that 'devargs' means,
 * leaving aside representors of other functions, or RTE_MAX_ETHPORTS if there
 * is none.  To be called from the main thread. */
uint16_t
vdpa_devargs_find_ethdev(const struct vdpa_devargs *devargs)
{
    uint16_t port_id;

    RTE_ETH_FOREACH_DEV (port_id) {
        struct rte_eth_dev_info info;

        if (!rte_eth_dev_info_get(port_id, &info) && info.device
            && is_device(devargs, info.device)
            && !(*info.dev_flags & RTE_ETH_DEV_REPRESENTOR)) {
            return port_id;
        }
    }
    return RTE_MAX_ETHPORTS;
}

/* Returns the string of 'devargs' with the argument "class=CLASS", in place of
 * any other class, if 'class' is nonnull.  If it is NULL, returns the string
 * without "class=vdpa".  The caller must free the result. */
static char *
string_with_class(const struct vdpa_devargs *devargs, const char *class)
{
    const char *value = vdpa_devargs_find(devargs, "class");
    const char *end, *start;

    if (!value || (!class && strncmp(value, "vdpa", 4))) {
        return (class ? xasprintf("%s,class=%s", devargs->string, class)
                : xstrdup(devargs->string));
    }
    start = value - strlen(",class=");
    end = value + strcspn(value, ",");
    return xasprintf("%.*s%s%s%s", (int) (start - devargs->string),
                     devargs->string, end, class ? ",class=" : "",
                     class ? class : "");
}

/* Has DPDK probe the device of 'devargs' for its side of kind 'class', such as
 * "vdpa", or, if that is NULL, with the arguments that the user wrote but
 * not for vDPA.  Returns 0 if successful, EEXIST if the device was there
 * before, otherwise another positive errno value.  To be called from the main
 * thread. */
int
vdpa_devargs_probe(const struct vdpa_devargs *devargs, const char *class)
{
    char *string = string_with_class(devargs, class);
    int error = rte_dev_probe(string);

    free(string);
    if (error > 0) {
        /* "No driver takes it", in the language of some buses. */
        return ENODEV;
    }
    return -error;
}

/* Has EAL and the bus of 'devargs' keep their errors to themselves, or say
 * them again if 'quiet' is false: where there may well be no such device, it
 * is for the caller to say so in his own words.  Whoever has asked for EAL's
 * debug messages gets all of it.  To be called from the main thread; calls may
 * be nested. */
void
vdpa_devargs_set_quiet(const struct vdpa_devargs *devargs, bool quiet)
{
    static int old_levels[2];
    static int depth = 0;
    char *bus = xasprintf("bus.%s", rte_bus_name(devargs->bus));
    const int types[] = { RTE_LOGTYPE_EAL, rte_log_register(bus) };

    free(bus);
    if (quiet ? depth++ : --depth) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i] < 0) {
            /* There is no such type. */
        } else if (!quiet) {
            rte_log_set_level(types[i], old_levels[i]);
        } else {
            old_levels[i] = rte_log_get_level(types[i]);
            if (old_levels[i] < (int) RTE_LOG_DEBUG) {
                rte_log_set_level(types[i], RTE_LOG_CRIT);
            }
        }
    }
}

/* Returns what rte_dev_probe() would have to be given for 'dev' to be probed
 * as it was.  The caller must free it. */
char *
vdpa_devargs_describe(const struct rte_device *dev)
{
    const struct rte_devargs *da = rte_dev_devargs(dev);
    const char *args = da && da->args ? da->args : "";

    return xasprintf("%s:%s%s%s", rte_bus_name(rte_dev_bus(dev)),
                     rte_dev_name(dev), args[0] ? "," : "", args);
}

/* Takes the device of 'devargs' away from DPDK, with all that stands on it.
 * Returns 0 if successful or if it was not there, otherwise a positive errno
 * value.  To be called from the main thread. */
int
vdpa_devargs_remove(const struct vdpa_devargs *devargs)
{
    struct rte_device *dev = vdpa_devargs_find_device(devargs);
    int error;

    if (!dev) {
        return 0;
    }
    error = rte_dev_remove(dev);
    if (error < 0) {
        VLOG_WARN("%s: device cannot be removed: %s", devargs->string,
                  ovs_strerror(-error));
        return -error;
    }
    return 0;
}
