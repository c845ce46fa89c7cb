/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-port-number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "dpif.h"
#include "netdev-offload.h"
#include "odp-util.h"
#include "openvswitch/list.h"
#include "timeval.h"
#include "util.h"

/* Revalidators are through with all megaflows much earlier. */
#define LINGER_MS 60000

/* A number that is not to be given away. */
struct released {
    struct ovs_list node;       /* In 'released', the oldest first. */
    odp_port_t port_no;
    long long int since;
};

static struct ovs_list released = OVS_LIST_INITIALIZER(&released);

/* There is only one userspace datapath, for all bridges. */
static bool
is_served(const struct dpif *dpif)
{
    return netdev_is_flow_api_enabled() && !strcmp(dpif_type(dpif), "netdev");
}

static void
forget_old(void)
{
    long long int deadline = time_msec() - LINGER_MS;
    struct released *r;

    LIST_FOR_EACH_SAFE (r, node, &released) {
        if (r->since > deadline) {
            break;
        }
        ovs_list_remove(&r->node);
        free(r);
    }
}

odp_port_t
offload_port_number_choose(const struct dpif *dpif)
{
    odp_port_t port_no = ODPP_NONE;
    struct dpif_port_dump dump;
    struct dpif_port port;
    unsigned long *taken;
    struct released *r;
    size_t i;

    forget_old();
    if (!is_served(dpif) || ovs_list_is_empty(&released)) {
        return ODPP_NONE;
    }

    /* Like dpif-netdev: the lowest number, up to UINT16_MAX. */
    taken = bitmap_allocate(UINT16_MAX + 1);
    DPIF_PORT_FOR_EACH (&port, &dump, dpif) {
        if (odp_to_u32(port.port_no) <= UINT16_MAX) {
            bitmap_set1(taken, odp_to_u32(port.port_no));
        }
    }
    LIST_FOR_EACH (r, node, &released) {
        bitmap_set1(taken, odp_to_u32(r->port_no));
    }
    i = bitmap_scan(taken, 0, 1, UINT16_MAX + 1);
    if (i <= UINT16_MAX) {
        port_no = u32_to_odp(i);
    }
    free(taken);
    return port_no;
}

void
offload_port_number_release(const struct dpif *dpif, odp_port_t port_no)
{
    if (is_served(dpif) && odp_to_u32(port_no) <= UINT16_MAX) {
        struct released *r = xmalloc(sizeof *r);

        r->port_no = port_no;
        r->since = time_msec();
        ovs_list_push_back(&released, &r->node);
        forget_old();
    }
}

char *
offload_port_number_to_name(const char *words)
{
    char *name = NULL;
    struct dpif *dpif;
    uint32_t number;
    int n = 0;

    if (sscanf(words, "datapath port %"SCNu32"%n", &number, &n) != 1
        || words[n]) {
        return xstrdup(words);
    }
    if (!dpif_open("ovs-netdev", "netdev", &dpif)) {
        struct dpif_port port;

        if (!dpif_port_query_by_number(dpif, u32_to_odp(number), &port)) {
            name = xstrdup(port.name);
            dpif_port_destroy(&port);
        }
        dpif_close(dpif);
    }
    return name ? name : xasprintf("%s, which is gone", words);
}
