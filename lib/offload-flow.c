/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-flow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "dpif.h"
#include "hash.h"
#include "netdev.h"
#include "netdev-offload.h"
#include "netdev-provider.h"
#include "netlink.h"
#include "odp-util.h"
#include "offload-credit.h"
#include "offload-group.h"
#include "offload-meter.h"
#include "offload-reach.h"
#include "offload-retry.h"
#include "offload-sample.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(offload_flow);

COVERAGE_DEFINE(offload_flow_lost);
COVERAGE_DEFINE(offload_rule_stuck);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

/* All ports. */
static struct ovs_mutex ports_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list ports OVS_GUARDED_BY(ports_mutex)
    = OVS_LIST_INITIALIZER(&ports);

static size_t
ufid_hash(const ovs_u128 *ufid)
{
    return hash_bytes(ufid, sizeof *ufid, 0);
}

/* Ties. */

void
offload_ties_add_output(struct offload_ties *ties, struct offload_port *port)
{
    if (ties->n_outputs >= ties->allocated_outputs) {
        ties->outputs = x2nrealloc(ties->outputs, &ties->allocated_outputs,
                                   sizeof *ties->outputs);
    }
    ties->outputs[ties->n_outputs++] = port;
}

void
offload_ties_add_sample(struct offload_ties *ties,
                        struct offload_sample *sample)
{
    if (ties->n_samples >= ties->allocated_samples) {
        ties->samples = x2nrealloc(ties->samples, &ties->allocated_samples,
                                   sizeof *ties->samples);
    }
    ties->samples[ties->n_samples++] = sample;
}

void
offload_ties_add_meter(struct offload_ties *ties, struct offload_meter *meter)
{
    if (ties->n_meters >= ties->allocated_meters) {
        ties->meters = x2nrealloc(ties->meters, &ties->allocated_meters,
                                  sizeof *ties->meters);
    }
    ties->meters[ties->n_meters++] = meter;
}

void
offload_ties_clear(struct offload_ties *ties)
{
    if (ties->target) {
        offload_group_remove_miss(ties->target, ties->port);
        offload_group_unref(ties->target);
    }
    offload_group_unref(ties->group);
    for (size_t i = 0; i < ties->n_samples; i++) {
        offload_sample_destroy(ties->samples[i]);
    }
    free(ties->samples);
    for (size_t i = 0; i < ties->n_meters; i++) {
        offload_meter_unref(ties->meters[i]);
    }
    free(ties->meters);
    free(ties->outputs);
    memset(ties, 0, sizeof *ties);
}

/* Returns true if 'ties' are to 'port'. */
static bool
ties_have_port(const struct offload_ties *ties,
               const struct offload_port *port)
{
    if (ties->port == port) {
        return true;
    }
    for (size_t i = 0; i < ties->n_outputs; i++) {
        if (ties->outputs[i] == port) {
            return true;
        }
    }
    return false;
}

/* Records. */

void
offload_flow_unref(struct offload_flow *flow)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    if (flow && ovs_refcount_unref(&flow->ref_cnt) == 1) {
        if (flow->actions) {
            minimatch_destroy(&flow->match);
            free(flow->actions);
        }
        ovs_mutex_destroy(&flow->mutex);
        free(flow->words);
        free(flow);
    }
}

static struct offload_flow *
offload_flow_find__(struct offload_port *port, const ovs_u128 *ufid)
    OVS_REQUIRES(port->mutex)
{
    struct offload_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, node, ufid_hash(ufid), &port->flows) {
        if (ovs_u128_equals(flow->ufid, *ufid)) {
            return flow;
        }
    }
    return NULL;
}

struct offload_flow *
offload_flow_find(struct offload_port *port, const ovs_u128 *ufid)
    OVS_EXCLUDED(port->mutex)
{
    struct offload_flow *flow;

    ovs_mutex_lock(&port->mutex);
    flow = offload_flow_find__(port, ufid);
    if (flow) {
        ovs_refcount_ref(&flow->ref_cnt);
    }
    ovs_mutex_unlock(&port->mutex);
    return flow;
}

struct offload_flow *
offload_flow_obtain(struct offload_port *port, const ovs_u128 *ufid)
    OVS_EXCLUDED(port->mutex)
{
    struct offload_flow *flow;

    ovs_mutex_lock(&port->mutex);
    flow = offload_flow_find__(port, ufid);
    if (!flow) {
        flow = xzalloc(sizeof *flow);
        flow->port = port;
        flow->ufid = *ufid;
        flow->orig_in_port = ODPP_NONE;
        offload_credit_take(ufid, &flow->past);
        flow->used = flow->past.n_packets ? time_msec() : 0;
        ovs_refcount_init(&flow->ref_cnt);
        ovs_mutex_init(&flow->mutex);
        hmap_insert(&port->flows, &flow->node, ufid_hash(ufid));
    }
    ovs_refcount_ref(&flow->ref_cnt);
    ovs_mutex_unlock(&port->mutex);
    return flow;
}

void
offload_flow_set_megaflow(struct offload_flow *flow,
                          const struct match *match,
                          const struct nlattr *actions, size_t actions_len,
                          odp_port_t orig_in_port)
    OVS_REQUIRES(flow->mutex)
{
    if (flow->actions) {
        minimatch_destroy(&flow->match);
        free(flow->actions);
    } else {
        /* dpif-netdev's ufid is of the packet that made the megaflow. */
        odp_flow_key_hash(&match->flow, sizeof match->flow, &flow->dp_ufid);
    }
    minimatch_init(&flow->match, match);
    /* Even if there are none: "there is a megaflow". */
    flow->actions = xmalloc(MAX(actions_len, 1));
    memcpy(flow->actions, actions, actions_len);
    flow->actions_len = actions_len;
    if (orig_in_port != ODPP_NONE) {
        flow->orig_in_port = orig_in_port;
    }
}

void
offload_flow_set_state(struct offload_flow *flow,
                       const struct offload_refusal *refusal)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    unsigned int tid = netdev_offload_ufid_to_thread_id(flow->ufid);
    struct offload_port *port = flow->port;
    bool in_nic = !refusal;

    ovs_mutex_lock(&port->mutex);
    if (in_nic != flow->in_nic) {
        port->n_in_nic[tid] += in_nic ? 1 : -1;
        flow->in_nic = in_nic;
    }
    flow->refusal = refusal ? refusal->code : OFFLOAD_REFUSAL_NONE;
    free(flow->words);
    flow->words = (refusal && refusal->words[0] ? xstrdup(refusal->words)
                   : NULL);
    ovs_mutex_unlock(&port->mutex);
}

void
offload_flow_remove(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    struct offload_port *port = flow->port;

    ovs_assert(!flow->rule);
    if (flow->dead) {
        return;
    }

    flow->dead = true;
    offload_reach_forget(flow);
    offload_retry_remove(flow);
    if (flow->past.n_packets > flow->told.n_packets) {
        struct offload_rule_stats late = {
            .n_packets = flow->past.n_packets - flow->told.n_packets,
            .n_bytes = flow->past.n_bytes - flow->told.n_bytes,
        };

        offload_credit_give(&flow->ufid, &late);
    }
    ovs_mutex_lock(&port->mutex);
    hmap_remove(&port->flows, &flow->node);
    if (flow->in_nic) {
        port->n_in_nic[netdev_offload_ufid_to_thread_id(flow->ufid)]--;
        flow->in_nic = false;
    }
    ovs_mutex_unlock(&port->mutex);
    offload_flow_unref(flow);
}

/* A rule that did not go. */
struct stuck_rule {
    struct ovs_list node;       /* In a port's 'stuck'. */
    struct offload_rule *rule;
};

void
offload_port_retry(struct offload_port *port)
    OVS_EXCLUDED(port->mutex)
{
    struct ovs_list stuck;
    struct stuck_rule *sr;

    ovs_mutex_lock(&port->mutex);
    if (OVS_LIKELY(ovs_list_is_empty(&port->stuck))) {
        ovs_mutex_unlock(&port->mutex);
        return;
    }
    ovs_list_move(&stuck, &port->stuck);
    ovs_list_init(&port->stuck);
    ovs_mutex_unlock(&port->mutex);

    LIST_FOR_EACH_SAFE (sr, node, &stuck) {
        if (!offload_rule_destroy(sr->rule)) {
            ovs_list_remove(&sr->node);
            free(sr);
        }
    }

    ovs_mutex_lock(&port->mutex);
    if (!ovs_list_is_empty(&stuck)) {
        ovs_list_splice(&port->stuck, ovs_list_front(&stuck), &stuck);
    }
    ovs_mutex_unlock(&port->mutex);
}

int
offload_flow_count(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex)
{
    uint64_t n_packets = flow->now.n_packets;
    int error = offload_rule_query(flow->rule, &flow->now);

    if (flow->now.n_packets != n_packets) {
        flow->used = time_msec();
    }
    return offload_rule_nic_gone(error) ? ENODEV : 0;
}

int
offload_flow_drop_rule(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    int error;

    offload_flow_count(flow);
    flow->past.n_packets += flow->now.n_packets;
    flow->past.n_bytes += flow->now.n_bytes;
    flow->now.n_packets = flow->now.n_bytes = 0;

    error = offload_rule_destroy(flow->rule);
    if (error) {
        struct stuck_rule *sr = xmalloc(sizeof *sr);

        COVERAGE_INC(offload_rule_stuck);
        VLOG_ERR_RL(&rl, "%s: a rule of ufid "UUID_FMT" is still in the NIC "
                    "(%s), and will be removed later",
                    netdev_get_name(flow->port->netdev),
                    UUID_ARGS((struct uuid *) &flow->ufid),
                    ovs_strerror(error));
        sr->rule = flow->rule;
        ovs_mutex_lock(&flow->port->mutex);
        ovs_list_push_back(&flow->port->stuck, &sr->node);
        ovs_mutex_unlock(&flow->port->mutex);
    }
    flow->rule = NULL;
    offload_ties_clear(&flow->ties);
    offload_retry_room();
    return error;
}

static void
lose_rule(struct offload_flow *flow, const struct offload_refusal *refusal)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    COVERAGE_INC(offload_flow_lost);
    offload_flow_drop_rule(flow);
    offload_flow_set_state(flow, refusal);
}

void
offload_flow_lose_rule(struct offload_flow *flow,
                       enum offload_refusal_code code)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    struct offload_refusal refusal;

    offload_refuse(&refusal, code);
    lose_rule(flow, &refusal);
}

void
offload_flow_get_stats(const struct offload_flow *flow,
                       struct dpif_flow_stats *stats)
    OVS_REQUIRES(flow->mutex)
{
    memset(stats, 0, sizeof *stats);
    stats->n_packets = flow->past.n_packets + flow->now.n_packets;
    stats->n_bytes = flow->past.n_bytes + flow->now.n_bytes;
    stats->used = flow->used;
}

void
offload_flow_tell_stats(struct offload_flow *flow,
                        struct dpif_flow_stats *stats)
    OVS_REQUIRES(flow->mutex)
{
    offload_flow_get_stats(flow, stats);
    flow->told.n_packets = stats->n_packets;
    flow->told.n_bytes = stats->n_bytes;
}

/* Ports. */

struct offload_port *
offload_port_get(const struct netdev *netdev)
{
    return ovsrcu_get(void *, &netdev->hw_info.offload_data);
}

void
offload_port_create(struct netdev *netdev, bool is_tunnel)
    OVS_EXCLUDED(ports_mutex)
{
    struct offload_port *port = xzalloc(sizeof *port);

    port->netdev = netdev;
    port->is_tunnel = is_tunnel;
    ovs_mutex_init(&port->mutex);
    ovs_mutex_lock(&port->mutex);
    hmap_init(&port->flows);
    port->n_in_nic = xcalloc(netdev_offload_thread_nb(),
                             sizeof *port->n_in_nic);
    ovs_list_init(&port->stuck);
    ovs_mutex_unlock(&port->mutex);
    offload_port_settings_init(port);

    ovs_mutex_lock(&ports_mutex);
    ovs_list_push_back(&ports, &port->node);
    ovs_mutex_unlock(&ports_mutex);

    ovsrcu_set(&netdev->hw_info.offload_data, (void *) port);
}

static void
offload_port_free(struct offload_port *port)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    hmap_destroy(&port->flows);
    free(port->n_in_nic);
    ovs_mutex_destroy(&port->mutex);
    free(port);
}

void
offload_port_destroy(struct offload_port *port)
    OVS_EXCLUDED(ports_mutex)
{
    struct stuck_rule *sr;

    ovsrcu_set(&port->netdev->hw_info.offload_data, NULL);
    offload_port_purge(port);

    ovs_mutex_lock(&ports_mutex);
    ovs_list_remove(&port->node);
    ovs_mutex_unlock(&ports_mutex);

    ovs_mutex_lock(&port->mutex);
    LIST_FOR_EACH_POP (sr, node, &port->stuck) {
        /* The device is closed next, and its rules with it. */
        VLOG_ERR("%s: a rule was still in the NIC when the port was removed",
                 netdev_get_name(port->netdev));
        offload_rule_abandon(sr->rule);
        free(sr);
    }
    ovs_mutex_unlock(&port->mutex);
    ovsrcu_postpone(offload_port_free, port);
}

/* References to records. */
struct flow_list {
    struct offload_flow **flows;
    size_t n, allocated;
};

/* Collects records that are in the NIC, and all of port 'all_of', or of all
 * ports if 'all'. */
static void
collect_flows__(struct flow_list *list, const struct offload_port *all_of,
                bool all)
    OVS_EXCLUDED(ports_mutex)
{
    struct offload_port *port;
    struct offload_flow *flow;

    memset(list, 0, sizeof *list);
    ovs_mutex_lock(&ports_mutex);
    LIST_FOR_EACH (port, node, &ports) {
        ovs_mutex_lock(&port->mutex);
        HMAP_FOR_EACH (flow, node, &port->flows) {
            if (all || port == all_of || flow->in_nic) {
                if (list->n >= list->allocated) {
                    list->flows = x2nrealloc(list->flows, &list->allocated,
                                             sizeof *list->flows);
                }
                ovs_refcount_ref(&flow->ref_cnt);
                list->flows[list->n++] = flow;
            }
        }
        ovs_mutex_unlock(&port->mutex);
    }
    ovs_mutex_unlock(&ports_mutex);
}

static void
collect_flows(struct flow_list *list, const struct offload_port *all_of)
    OVS_EXCLUDED(ports_mutex)
{
    collect_flows__(list, all_of, false);
}

void
offload_port_purge(struct offload_port *gone)
    OVS_EXCLUDED(ports_mutex)
{
    struct flow_list list;

    offload_port_retry(gone);
    collect_flows(&list, gone);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        ovs_mutex_lock(&flow->mutex);
        if (flow->port == gone) {
            if (flow->rule) {
                offload_flow_drop_rule(flow);
            }
            offload_flow_remove(flow);
        } else if (flow->rule && ties_have_port(&flow->ties, gone)) {
            struct offload_refusal refusal;

            offload_refuse_words(&refusal, (flow->ties.port == gone
                                            ? OFFLOAD_REFUSAL_INPUT_REMOVED
                                            : OFFLOAD_REFUSAL_PORT_REMOVED),
                                 "%s", netdev_get_name(gone->netdev));
            lose_rule(flow, &refusal);
        }
        ovs_mutex_unlock(&flow->mutex);
        offload_flow_unref(flow);
    }
    free(list.flows);
    offload_group_purge_port(gone);
}

/* Has 'flow', which has a rule, lose it and be offered again. */
static void
lose_and_retry(struct offload_flow *flow, enum offload_refusal_code code)
    OVS_REQUIRES(flow->mutex)
{
    offload_flow_lose_rule(flow, code);
    offload_retry_add(flow, true);
}

void
offload_flows_lose_meter(const struct offload_meter *meter)
    OVS_EXCLUDED(ports_mutex)
{
    struct flow_list list;

    collect_flows(&list, NULL);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        ovs_mutex_lock(&flow->mutex);
        for (size_t j = 0; flow->rule && j < flow->ties.n_meters; j++) {
            if (flow->ties.meters[j] == meter) {
                lose_and_retry(flow, OFFLOAD_REFUSAL_ACTION_METER);
            }
        }
        ovs_mutex_unlock(&flow->mutex);
        offload_flow_unref(flow);
    }
    free(list.flows);
}

void
offload_port_lose_rules(struct offload_port *port)
    OVS_EXCLUDED(ports_mutex)
{
    struct flow_list list;

    collect_flows(&list, NULL);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        ovs_mutex_lock(&flow->mutex);
        if (flow->rule && flow->ties.port == port) {
            lose_and_retry(flow, OFFLOAD_REFUSAL_NIC_RESTART);
        }
        ovs_mutex_unlock(&flow->mutex);
        offload_flow_unref(flow);
    }
    free(list.flows);
    offload_group_purge_port(port);
}

/* Returns true if 'flow' was refused for what a port is set to. */
static bool
is_refused_for_setting(const struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    enum offload_refusal_code code;

    ovs_mutex_lock(&flow->port->mutex);
    code = flow->refusal;
    ovs_mutex_unlock(&flow->port->mutex);
    return (code == OFFLOAD_REFUSAL_PORT_DOWN
            || code == OFFLOAD_REFUSAL_PORT_POLICED
            || code == OFFLOAD_REFUSAL_OUTPUT_DOWN
            || code == OFFLOAD_REFUSAL_OUTPUT_QOS
            || code == OFFLOAD_REFUSAL_OUTPUT_MTU);
}

/* All records are looked at, not only those in the NIC: one that is on its way
 * there has its lock until it is. */
void
offload_port_revisit(const struct offload_port *port)
    OVS_EXCLUDED(ports_mutex)
{
    struct flow_list list;

    collect_flows__(&list, NULL, true);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        ovs_mutex_lock(&flow->mutex);
        if (flow->dead) {
            /* Nothing to be done. */
        } else if (flow->rule) {
            if (!port || ties_have_port(&flow->ties, port)) {
                lose_and_retry(flow, OFFLOAD_REFUSAL_PORT_CHANGED);
            }
        } else if (is_refused_for_setting(flow)) {
            offload_retry_add(flow, true);
        }
        ovs_mutex_unlock(&flow->mutex);
        offload_flow_unref(flow);
    }
    free(list.flows);
}

void
offload_ports_for_each(bool (*cb)(struct offload_port *, void *aux), void *aux)
    OVS_EXCLUDED(ports_mutex)
{
    struct offload_port *port;

    ovs_mutex_lock(&ports_mutex);
    LIST_FOR_EACH (port, node, &ports) {
        if (!cb(port, aux)) {
            break;
        }
    }
    ovs_mutex_unlock(&ports_mutex);
}
