/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-claim.h"

#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>

#include "util.h"
#include "vdpa-devargs.h"
#include "vdpa-options.h"
#include "vdpa-port.h"

/* Checks that no port but 'port' has the socket or the device of 'options'.
 * Returns 0 if so, otherwise a positive errno value, and a description, that
 * the caller must free, in '*errorp'. */
int
vdpa_claim_check_options(const struct vdpa_port *port,
                         const struct vdpa_options *options, char **errorp)
{
    struct vdpa_port *other;
    int error = 0;

    VDPA_PORT_FOR_EACH (other) {
        if (other == port || error) {
            continue;
        }
        ovs_mutex_lock(&other->mutex);
        if (!other->options.socket_path) {
            /* It has nothing. */
        } else if (!strcmp(other->options.socket_id, options->socket_id)) {
            *errorp = xasprintf("options:vdpa-socket-path=%s is already used "
                                "by port '%s': choose another socket",
                                options->socket_path, other->name);
            error = EADDRINUSE;
        } else if (vdpa_devargs_same_device(&other->options.accelerator,
                                            &options->accelerator)) {
            *errorp = xasprintf("options:vdpa-accelerator-devargs=%s is "
                                "already used by port '%s': choose another VF",
                                options->accelerator.string, other->name);
            error = EADDRINUSE;
        }
        ovs_mutex_unlock(&other->mutex);
    }
    return error;
}

/* Returns true if the Ethernet devices 'a' and 'b' are the same or, if
 * 'siblings' is true, of the same function. */
static bool
is_same_ethdev(uint16_t a, uint16_t b, bool siblings)
{
    struct rte_eth_dev_info a_info, b_info;

    return (a == b
            || (siblings
                && !rte_eth_dev_info_get(a, &a_info)
                && !rte_eth_dev_info_get(b, &b_info)
                && a_info.device == b_info.device));
}

/* Returns the port other than 'except' whose relay has the Ethernet device
 * 'port_id', or one of the same function if 'siblings' is true. */
static const struct vdpa_port *
find_relay(uint16_t port_id, const struct vdpa_port *except, bool siblings)
{
    const struct vdpa_port *port, *found = NULL;

    VDPA_PORT_FOR_EACH (port) {
        const struct vdpa_relay *relay = vdpa_port_get_relay(port);

        if (port != except && relay && !vdpa_port_is_removed(port)
            && is_same_ethdev(port_id, relay->vf->port_id, siblings)) {
            found = port;
        }
    }
    return found;
}

/* Returns the port other than 'except' that has the device called 'name' on
 * the bus that 'name' says, if any: also one that DPDK does not have now. */
static const struct vdpa_port *
find_by_name(const char *name, const struct vdpa_port *except)
{
    const struct vdpa_port *port, *found = NULL;
    struct vdpa_devargs devargs;
    char *reason;

    if (vdpa_devargs_parse(name, &devargs, &reason)) {
        free(reason);
        return NULL;
    }
    VDPA_PORT_FOR_EACH (port) {
        ovs_mutex_lock(&port->mutex);
        if (port != except && port->options.socket_path
            && vdpa_devargs_same_device(&port->options.accelerator,
                                        &devargs)) {
            found = port;
        }
        ovs_mutex_unlock(&port->mutex);
    }
    vdpa_devargs_destroy(&devargs);
    return found;
}

/* Returns the name, that the caller must free, of the port other than
 * 'except', which may be NULL, whose VF would be what OVS's "dpdk" class makes
 * of 'devargs', or NULL if there is none.  If 'siblings' is true, another
 * Ethernet device of the same function, such as a representor, is as good. */
char *
vdpa_claim_find_port(const char *devargs, const struct vdpa_port *except,
                     bool siblings)
{
    const struct vdpa_port *port = NULL;
    struct rte_dev_iterator it;
    uint16_t port_id;

    if (strncmp(devargs, "class=", 6)
        && (siblings || !strstr(devargs, "representor="))) {
        port = find_by_name(devargs, except);
    }
    if (!port) {
        /* The iteration has to run to its end. */
        RTE_ETH_FOREACH_MATCHING_DEV (port_id, devargs, &it) {
            port = port ? port : find_relay(port_id, except, siblings);
        }
    }
    return port ? xstrdup(port->name) : NULL;
}
