/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "dpdkvdpa-unixctl.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "netdev-dpdkvdpa.h"
#include "odp-util.h"
#include "offload-show.h"
#include "offload-why.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "unixctl.h"
#include "util.h"
#include "uuid.h"

static void
unixctl_show(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    netdev_dpdkvdpa_format_status(&s);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

/* Arguments: "--json" anywhere, and others. */
struct args {
    bool json;
    const char *words[2];
    int n;
};

/* Takes 'argv' apart, with 'max' arguments beside "--json".  Replies, and
 * returns false, if they are not what they should be. */
static bool
parse_args(struct unixctl_conn *conn, int argc, const char *argv[], int max,
           struct args *args)
{
    memset(args, 0, sizeof *args);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) {
            args->json = true;
        } else if (argv[i][0] == '-' || args->n >= max) {
            struct ds s = DS_EMPTY_INITIALIZER;

            ds_put_format(&s, "%s: unexpected argument", argv[i]);
            unixctl_command_reply_error(conn, ds_cstr(&s));
            ds_destroy(&s);
            return false;
        } else {
            args->words[args->n++] = argv[i];
        }
    }
    return true;
}

static void
reply_no_port(struct unixctl_conn *conn, const char *port_name)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "%s: not a port of a NIC that takes megaflows",
                  port_name);
    unixctl_command_reply_error(conn, ds_cstr(&s));
    ds_destroy(&s);
}

/* Replies with 'json', and destroys it. */
static void
reply_json(struct unixctl_conn *conn, struct json *json)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    json_to_ds(json, JSSF_PRETTY | JSSF_SORT, &s);
    ds_put_char(&s, '\n');
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
    json_destroy(json);
}

static void
unixctl_offload_show(struct unixctl_conn *conn, int argc, const char *argv[],
                     void *aux OVS_UNUSED)
{
    const char *port_name;
    struct args args;

    if (!parse_args(conn, argc, argv, 1, &args)) {
        return;
    }
    port_name = args.words[0];

    if (args.json) {
        struct json *json = offload_show_to_json(port_name);

        if (json) {
            reply_json(conn, json);
        } else {
            reply_no_port(conn, port_name);
        }
    } else {
        struct ds s = DS_EMPTY_INITIALIZER;

        if (offload_show_format(&s, port_name)) {
            unixctl_command_reply(conn, ds_cstr(&s));
        } else {
            reply_no_port(conn, port_name);
        }
        ds_destroy(&s);
    }
}

static void
unixctl_offload_why(struct unixctl_conn *conn, int argc, const char *argv[],
                    void *aux OVS_UNUSED)
{
    struct json *array = json_array_create_empty();
    struct ds s = DS_EMPTY_INITIALIZER;
    struct offload_why why = { NULL, NULL };
    bool port_found = false;
    struct args args;
    ovs_u128 ufid;
    size_t n;

    if (!parse_args(conn, argc, argv, 2, &args)) {
        goto out;
    }
    if (!args.n) {
        unixctl_command_reply_error(conn, "a ufid or \"all\" is missing");
        goto out;
    }
    if (strcmp(args.words[0], "all")) {
        const char *text = args.words[0];

        if (odp_ufid_from_string(text, &ufid) <= 0
            && !uuid_from_string((struct uuid *) &ufid, text)) {
            ds_put_format(&s, "%s: not a ufid (ufid:...) nor \"all\"", text);
            unixctl_command_reply_error(conn, ds_cstr(&s));
            goto out;
        }
        why.ufid = &ufid;
    }
    why.port_name = args.words[1];

    n = (args.json ? offload_why_to_json(array, &why, &port_found)
         : offload_why_format(&s, &why, &port_found));
    if (why.port_name && !port_found) {
        reply_no_port(conn, why.port_name);
    } else if (why.ufid && !n) {
        ds_clear(&s);
        ds_put_format(&s, "%s: no megaflow that was offered to a NIC",
                      args.words[0]);
        unixctl_command_reply_error(conn, ds_cstr(&s));
    } else if (args.json) {
        reply_json(conn, array);
        array = NULL;
    } else {
        unixctl_command_reply(conn, ds_cstr(&s));
    }
out:
    json_destroy(array);
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
    unixctl_command_register("dpdkvdpa/offload-why",
                             "[--json] UFID|all [PORT]", 1, 3,
                             unixctl_offload_why, NULL);
}
