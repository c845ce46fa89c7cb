/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "dpif.h"
#include "netdev.h"
#include "netdev-dpdk.h"
#include "netdev-offload.h"
#include "netdev-vport.h"
#include "offload-flow.h"
#include "offload-form.h"
#include "offload-group.h"
#include "offload-lock.h"
#include "offload-port-number.h"
#include "offload-refusal.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "util.h"

/* Megaflows of one port that were refused for the same reason. */
struct refusal_count {
    enum offload_refusal_code code;
    const char *words;          /* Empty if there are none. */
    size_t n;
};

/* What there is to tell of a port. */
struct port_summary {
    char *name;
    char *dpif_name;            /* As the datapath has it: tunnel ports of one
                                 * kind share one. */
    int port_id;                /* -1 for a tunnel's. */
    int domain;                 /* The NIC, or -1. */
    uint64_t n_in_nic;
    uint64_t n_refused;
    uint64_t n_stuck;
    uint64_t n_puts, n_refusals;
    struct shash refusals;      /* Has "struct refusal_count"s. */
};

static int
compare_refusal_counts(const void *a_, const void *b_)
{
    const struct shash_node *const *a = a_;
    const struct shash_node *const *b = b_;
    const struct refusal_count *ra = (*a)->data;
    const struct refusal_count *rb = (*b)->data;

    return (ra->n != rb->n ? (ra->n < rb->n ? 1 : -1)
            : strcmp((*a)->name, (*b)->name));
}

/* Returns the switch domain of an ethdev, or -1. */
static int
get_domain(int port_id)
{
    struct rte_eth_dev_info info;

    return (port_id >= 0 && !rte_eth_dev_info_get(port_id, &info)
            ? info.switch_info.domain_id : -1);
}

static void
summarize_port(struct offload_port *port, struct port_summary *summary)
    OVS_EXCLUDED(port->mutex)
{
    char namebuf[NETDEV_VPORT_NAME_BUFSIZE];
    struct offload_flow *flow;

    memset(summary, 0, sizeof *summary);
    summary->name = xstrdup(netdev_get_name(port->netdev));
    summary->dpif_name = xstrdup(
        netdev_vport_get_dpif_port(port->netdev, namebuf, sizeof namebuf));
    summary->port_id = offload_port_id(port);
    summary->domain = get_domain(summary->port_id);
    shash_init(&summary->refusals);

    offload_lock(&port->mutex, PORT);
    for (unsigned int i = 0; i < netdev_offload_thread_nb(); i++) {
        summary->n_in_nic += port->n_in_nic[i];
    }
    summary->n_puts = port->n_puts;
    summary->n_refusals = port->n_refusals;

    HMAP_FOR_EACH (flow, node, &port->flows) {
        const char *words = flow->words ? flow->words : "";
        struct refusal_count *rc;
        char *key;

        summary->n_stuck += flow->stuck;
        if (!flow->refusal) {
            continue;
        }
        summary->n_refused++;
        key = xasprintf("%s %s", offload_refusal_code(flow->refusal), words);
        rc = shash_find_data(&summary->refusals, key);
        if (!rc) {
            struct shash_node *node;

            rc = xzalloc(sizeof *rc);
            rc->code = flow->refusal;
            node = shash_add_nocopy(&summary->refusals, key, rc);
            rc->words = node->name + strlen(offload_refusal_code(rc->code))
                        + 1;
        } else {
            free(key);
        }
        rc->n++;
    }
    offload_unlock(&port->mutex, PORT);
}

/* Returns the refusals of 'summary', most frequent first, to be freed. */
static const struct shash_node **
sort_refusals(const struct port_summary *summary)
{
    const struct shash_node **nodes = shash_sort(&summary->refusals);

    qsort(nodes, shash_count(&summary->refusals), sizeof *nodes,
          compare_refusal_counts);
    return nodes;
}

static void
format_port_summary(struct ds *s, const struct port_summary *summary)
{
    const struct shash_node **nodes = sort_refusals(summary);

    ds_put_cstr(s, summary->name);
    if (summary->port_id >= 0) {
        ds_put_format(s, " (ethdev %d)", summary->port_id);
    } else {
        ds_put_cstr(s, " (tunnel)");
    }
    ds_put_format(s, ": %"PRIu64" megaflows in the NIC, %"PRIu64" refused\n",
                  summary->n_in_nic, summary->n_refused);
    for (size_t i = 0; i < shash_count(&summary->refusals); i++) {
        const struct refusal_count *rc = nodes[i]->data;
        char *words = offload_port_number_to_name(rc->words);

        ds_put_format(s, "  %"PRIuSIZE" %s: %s%s%s%s\n", rc->n,
                      offload_refusal_code(rc->code),
                      offload_refusal_sentence(rc->code),
                      words[0] ? " (" : "", words, words[0] ? ")" : "");
        free(words);
    }
    if (summary->n_stuck) {
        ds_put_format(s, "  %"PRIu64" rules that the NIC does not give up\n",
                      summary->n_stuck);
    }
    if (summary->domain >= 0) {
        offload_form_format(s, summary->domain);
    }
    ds_put_format(s, "  since the port was added: %"PRIu64" requests, "
                  "%"PRIu64" refused\n", summary->n_puts,
                  summary->n_refusals);
    free(nodes);
}

/* Returns how many requests the offload threads have not looked at yet, as
 * "ovs-appctl dpctl/offload-stats-show" tells. */
static uint64_t
count_pending(void)
{
    struct netdev_custom_stats stats = { 0, NULL };
    struct dpif *dpif;
    uint64_t n = 0;

    if (!dpif_open("ovs-netdev", "netdev", &dpif)) {
        if (!dpif_offload_stats_get(dpif, &stats) && stats.size) {
            n = stats.counters[0].value;
        }
        netdev_free_custom_stats_counters(&stats);
        dpif_close(dpif);
    }
    return n;
}

static struct json *
port_summary_to_json(const struct port_summary *summary)
{
    const struct shash_node **nodes = sort_refusals(summary);
    struct json *refusals = json_array_create_empty();
    struct json *json = json_object_create();

    for (size_t i = 0; i < shash_count(&summary->refusals); i++) {
        const struct refusal_count *rc = nodes[i]->data;
        struct json *refusal = json_object_create();

        json_object_put(refusal, "megaflows", json_integer_create(rc->n));
        json_object_put_string(refusal, "code",
                               offload_refusal_code(rc->code));
        json_object_put_string(refusal, "reason",
                               offload_refusal_sentence(rc->code));
        if (rc->words[0]) {
            char *words = offload_port_number_to_name(rc->words);

            json_object_put_string(refusal, "words", words);
            free(words);
        }
        json_array_add(refusals, refusal);
    }
    free(nodes);

    json_object_put_string(json, "port", summary->name);
    json_object_put_string(json, "datapath-port", summary->dpif_name);
    json_object_put(json, "ethdev", json_integer_create(summary->port_id));
    json_object_put(json, "in-nic", json_integer_create(summary->n_in_nic));
    json_object_put(json, "refused",
                    json_integer_create(summary->n_refused));
    json_object_put(json, "pending-all-ports",
                    json_integer_create(count_pending()));
    json_object_put(json, "refusals", refusals);
    json_object_put(json, "stuck-rules",
                    json_integer_create(summary->n_stuck));
    json_object_put(json, "requests-total",
                    json_integer_create(summary->n_puts));
    json_object_put(json, "refused-total",
                    json_integer_create(summary->n_refusals));
    return json;
}

/* One request to tell of ports. */
struct show {
    const char *port_name;      /* NULL for all. */
    struct port_summary **summaries;
    size_t n, allocated;
};

static bool
summarize_port_cb(struct offload_port *port, void *show_)
{
    struct show *show = show_;

    if (show->port_name
        && strcmp(show->port_name, netdev_get_name(port->netdev))) {
        return true;
    }
    if (show->n >= show->allocated) {
        show->summaries = x2nrealloc(show->summaries, &show->allocated,
                                     sizeof *show->summaries);
    }
    show->summaries[show->n] = xmalloc(sizeof **show->summaries);
    summarize_port(port, show->summaries[show->n++]);
    return true;
}

/* Appends what there is to tell of 'port_name', or of all ports, to 's' or
 * 'json', of which one is nonnull.  Returns false if there is no such port.
 * The datapath is asked for names when the ports' lock is no longer held. */
static bool
show_ports(const char *port_name, struct ds *s, struct json *json)
{
    struct show show = { .port_name = port_name };

    offload_ports_for_each(summarize_port_cb, &show);
    for (size_t i = 0; i < show.n; i++) {
        struct port_summary *summary = show.summaries[i];

        if (s) {
            format_port_summary(s, summary);
        } else {
            json_array_add(json, port_summary_to_json(summary));
        }
        shash_destroy_free_data(&summary->refusals);
        free(summary->name);
        free(summary->dpif_name);
        free(summary);
    }
    free(show.summaries);
    return show.n > 0;
}

bool
offload_show_format(struct ds *s, const char *port_name)
{
    bool found = show_ports(port_name, s, NULL);

    if (!port_name) {
        offload_groups_format(s);
        ds_put_format(s, "%"PRIu64" requests wait for an offload thread\n",
                      count_pending());
    }
    if (!found && !port_name) {
        ds_put_cstr(s, "no port takes megaflows"
                    " (other_config:hw-offload must be true)\n");
    }
    return found || !port_name;
}

struct json *
offload_show_to_json(const char *port_name)
{
    struct json *json = json_array_create_empty();

    if (!show_ports(port_name, NULL, json) && port_name) {
        json_destroy(json);
        return NULL;
    }
    return json;
}
