/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "dpdkvdpa-unixctl.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "netdev-dpdkvdpa.h"
#include "offload-show.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "unixctl.h"
#include "util.h"

static void
unixctl_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    netdev_dpdkvdpa_format_status(&s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static void
unixctl_offload_show(struct unixctl_conn *conn, int argc, const char *argv[],
                     void *aux OVS_UNUSED)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *port_name = NULL;
    bool json_wanted = false;
    bool found = false;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) {
            json_wanted = true;
        } else if (argv[i][0] == '-' || port_name) {
            ds_put_format(&s, "%s: unexpected argument", argv[i]);
            unixctl_command_reply_error(conn, ds_cstr(&s));
            ds_destroy(&s);
            return;
        } else {
            port_name = argv[i];
        }
    }

    if (json_wanted) {
        struct json *json = offload_show_to_json(port_name);

        if (json) {
            json_to_ds(json, JSSF_PRETTY | JSSF_SORT, &s);
            ds_put_char(&s, '\n');
            json_destroy(json);
            found = true;
        }
    } else {
        found = offload_show_format(&s, port_name);
    }

    if (found) {
        unixctl_command_reply(conn, ds_cstr(&s));
    } else {
        ds_put_format(&s, "%s: not a port of a NIC that takes megaflows",
                      port_name);
        unixctl_command_reply_error(conn, ds_cstr(&s));
    }
    ds_destroy(&s);
}

void
dpdkvdpa_unixctl_init(void)
{
    static bool registered;

    if (registered) {
        return;
    }
    registered = true;
    unixctl_command_register("dpdkvdpa/show", "", 0, 0, unixctl_show, NULL);
    unixctl_command_register("dpdkvdpa/offload-show", "[--json] [PORT]", 0, 2,
                             unixctl_offload_show, NULL);
}
