/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-why.h"

#include <stdlib.h>
#include <string.h>

#include "dpif.h"
#include "netdev.h"
#include "odp-util.h"
#include "offload-flow.h"
#include "offload-lock.h"
#include "offload-port-number.h"
#include "offload-refusal.h"
#include "offload-rule.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* One request. */
struct request {
    const struct offload_why *why;
    struct ds *s;               /* One of these is nonnull. */
    struct json *array;
    size_t n;
    bool port_found;
    struct offload_flow **flows;        /* References. */
    size_t n_flows, allocated_flows;
};

/* Appends the match as dpif-netdev has it dumped. */
static void
format_match(struct ds *s, const struct minimatch *minimatch)
{
    struct match match;
    struct odp_flow_key_parms parms = {
        .flow = &match.flow,
        .mask = &match.wc.masks,
        .support = {
            .max_vlan_headers = SIZE_MAX,
            .max_mpls_depth = SIZE_MAX,
            .recirc = true,
            .ct_state = true,
            .ct_zone = true,
            .ct_mark = true,
            .ct_label = true,
            .ct_state_nat = true,
            .ct_orig_tuple = true,
            .ct_orig_tuple6 = true,
        },
    };
    struct ofpbuf key, mask;

    minimatch_expand(minimatch, &match);
    ofpbuf_init(&key, 0);
    ofpbuf_init(&mask, 0);
    odp_flow_key_from_flow(&parms, &key);
    parms.key_buf = &key;
    odp_flow_key_from_mask(&parms, &mask);
    odp_flow_format(key.data, key.size, mask.data, mask.size, NULL, s, false);
    ofpbuf_uninit(&key);
    ofpbuf_uninit(&mask);
}

/* Appends "ufid:..., MATCH, STATISTICS, actions:...". */
static void
format_megaflow(struct ds *s, const struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex)
{
    struct dpif_flow_stats stats;

    odp_format_ufid(&flow->dp_ufid, s);
    ds_put_cstr(s, ", ");
    format_match(s, &flow->match);
    ds_put_cstr(s, ", ");
    offload_flow_get_stats(flow, &stats);
    dpif_flow_stats_format(&stats, s);
    ds_put_cstr(s, ", actions:");
    format_odp_actions(s, flow->actions, flow->actions_len, NULL);
}

/* Why a record has no rule. */
struct state {
    bool refused;               /* It has none. */
    enum offload_refusal_code refusal;
    char *words;                /* Or NULL. */
};

static struct state
get_state(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    struct state state = { .refused = !flow->rule };

    offload_lock(&flow->port->mutex, PORT);
    state.refusal = flow->refusal;
    state.words = nullable_xstrdup(flow->words);
    offload_unlock(&flow->port->mutex, PORT);
    return state;
}

static void
format_flow(struct ds *s, const struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex)
{
    ds_put_format(s, "%s: ", netdev_get_name(flow->port->netdev));
    format_megaflow(s, flow);
    if (flow->rule) {
        ds_put_format(s, "\n  in the NIC: %s\n",
                      offload_rule_text(flow->rule));
    }
}

static struct json *
flow_to_json(const struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex)
{
    struct json *json = json_object_create();
    struct dpif_flow_stats stats;
    struct ds s = DS_EMPTY_INITIALIZER;

    json_object_put_string(json, "port", netdev_get_name(flow->port->netdev));
    odp_format_ufid(&flow->dp_ufid, &s);
    json_object_put_string(json, "ufid", ds_cstr(&s) + strlen("ufid:"));
    ds_clear(&s);
    format_match(&s, &flow->match);
    json_object_put_string(json, "match", ds_cstr(&s));
    ds_clear(&s);
    format_odp_actions(&s, flow->actions, flow->actions_len, NULL);
    json_object_put_string(json, "actions", ds_cstr(&s));
    ds_destroy(&s);

    offload_flow_get_stats(flow, &stats);
    json_object_put(json, "packets", json_integer_create(stats.n_packets));
    json_object_put(json, "bytes", json_integer_create(stats.n_bytes));
    json_object_put(json, "in-nic", json_boolean_create(flow->rule != NULL));
    if (flow->rule) {
        struct json *rules = json_array_create_empty();

        json_array_add(rules, json_string_create(
                           offload_rule_text(flow->rule)));
        json_object_put(json, "rules", rules);
    }
    return json;
}

/* Says why a record has no rule, in 's' or 'json', of which one is nonnull.
 * No lock is held, since the datapath is asked for a port's name. */
static void
tell_refusal(struct ds *s, struct json *json, const struct state *state)
{
    const char *code = offload_refusal_code(state->refusal);
    const char *sentence = offload_refusal_sentence(state->refusal);
    char *words = (state->words ? offload_port_number_to_name(state->words)
                   : NULL);

    if (s) {
        ds_put_format(s, "\n  %s: %s%s%s%s\n", code, sentence,
                      words ? " (" : "", words ? words : "",
                      words ? ")" : "");
    } else {
        json_object_put_string(json, "code", code);
        json_object_put_string(json, "reason", sentence);
        if (words) {
            json_object_put_string(json, "words", words);
        }
    }
    free(words);
}

/* Takes references to the port's records: their locks come before the
 * port's. */
static bool
collect_port(struct offload_port *port, void *request_)
    OVS_EXCLUDED(port->mutex)
{
    struct request *request = request_;
    const char *name = request->why->port_name;
    struct offload_flow *flow;

    if (name && strcmp(name, netdev_get_name(port->netdev))) {
        return true;
    }
    request->port_found = true;
    offload_lock(&port->mutex, PORT);
    HMAP_FOR_EACH (flow, node, &port->flows) {
        if (request->n_flows >= request->allocated_flows) {
            request->flows = x2nrealloc(request->flows,
                                        &request->allocated_flows,
                                        sizeof *request->flows);
        }
        ovs_refcount_ref(&flow->ref_cnt);
        request->flows[request->n_flows++] = flow;
    }
    offload_unlock(&port->mutex, PORT);
    return true;
}

static void
answer(struct request *request)
{
    const ovs_u128 *ufid = request->why->ufid;

    offload_ports_for_each(collect_port, request);
    for (size_t i = 0; i < request->n_flows; i++) {
        struct offload_flow *flow = request->flows[i];
        struct state state = { .words = NULL };
        struct json *json = NULL;

        offload_lock(&flow->mutex, FLOW);
        if (flow->actions && !flow->dead && !(flow->orphan && !flow->rule)
            && (!ufid || ovs_u128_equals(*ufid, flow->ufid)
                || ovs_u128_equals(*ufid, flow->dp_ufid))) {
            offload_flow_count(flow);
            if (request->s) {
                format_flow(request->s, flow);
            } else {
                json = flow_to_json(flow);
                json_array_add(request->array, json);
            }
            state = get_state(flow);
            request->n++;
        }
        offload_unlock(&flow->mutex, FLOW);
        if (state.refused) {
            tell_refusal(request->s, json, &state);
        }
        free(state.words);
        offload_flow_unref(flow);
    }
    free(request->flows);
}

size_t
offload_why_format(struct ds *s, const struct offload_why *why,
                   bool *port_found)
{
    struct request request = { .why = why, .s = s };

    answer(&request);
    *port_found = request.port_found;
    return request.n;
}

size_t
offload_why_to_json(struct json *array, const struct offload_why *why,
                    bool *port_found)
{
    struct request request = { .why = why, .array = array };

    answer(&request);
    *port_found = request.port_found;
    return request.n;
}
