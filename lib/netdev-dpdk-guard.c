/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "netdev-dpdk-guard.h"

#include <errno.h>

#include "netdev-provider.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "util.h"
#include "vdpa-claim.h"

VLOG_DEFINE_THIS_MODULE(netdev_dpdk_guard);

/* OVS's own class, and the copy that stands for it. */
static const struct netdev_class *original_class;
static struct netdev_class guarded_class;

/* OVS's own command. */
static unixctl_cb_func *original_detach;

static int
guarded_set_config(struct netdev *netdev, const struct smap *args,
                   char **errorp)
{
    const char *devargs = smap_get(args, "dpdk-devargs");
    char *port = devargs ? vdpa_claim_find_port(devargs, NULL, false) : NULL;

    if (port) {
        VLOG_WARN_BUF(errorp, "'%s': options:dpdk-devargs=%s is the VF of "
                      "port '%s': choose another device, or delete that port "
                      "first", netdev_get_name(netdev), devargs, port);
        free(port);
        return EADDRINUSE;
    }
    return original_class->set_config(netdev, args, errorp);
}

/* Returns the class that is to be registered in place of 'class', OVS's "dpdk"
 * class.  To be called once. */
const struct netdev_class *
netdev_dpdk_guard_class(const struct netdev_class *class)
{
    original_class = class;
    guarded_class = *class;
    guarded_class.set_config = guarded_set_config;
    return &guarded_class;
}

/* Returns the class that OVS's dpdk ports have. */
const struct netdev_class *
netdev_dpdk_guard_get_class(void)
{
    return &guarded_class;
}

static void
guarded_detach(struct unixctl_conn *conn, int argc, const char *argv[],
               void *aux)
{
    char *port = vdpa_claim_find_port(argv[1], NULL, true);

    if (port) {
        char *reply = xasprintf("Device '%s' is being used by the following "
                                "interfaces: %s. Remove them before "
                                "detaching.", argv[1], port);

        unixctl_command_reply_error(conn, reply);
        free(reply);
        free(port);
    } else {
        original_detach(conn, argc, argv, aux);
    }
}

/* Returns what is to be registered in place of 'cb' as OVS's command
 * "netdev-dpdk/detach".  To be called once. */
unixctl_cb_func *
netdev_dpdk_guard_detach(unixctl_cb_func *cb)
{
    original_detach = cb;
    return guarded_detach;
}
