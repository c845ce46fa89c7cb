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
#include "netlink.h"
#include "odp-util.h"
#include "offload-credit.h"
#include "offload-group.h"
#include "offload-lock.h"
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

/* A rule without a record. */
struct orphan {
    struct ovs_list node;       /* In 'orphans'. */
    struct offload_rule *rule;
    struct offload_ties ties;   /* Without ports. */
};

static struct ovs_mutex orphans_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list orphans OVS_GUARDED_BY(orphans_mutex)
    = OVS_LIST_INITIALIZER(&orphans);

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
        offload_sample_unref(ties->samples[i]);
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
        offload_copies_clear(&flow->copies);
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

    offload_lock(&port->mutex, PORT);
    flow = offload_flow_find__(port, ufid);
    if (flow) {
        ovs_refcount_ref(&flow->ref_cnt);
    }
    offload_unlock(&port->mutex, PORT);
    return flow;
}

struct offload_flow *
offload_flow_obtain(struct offload_port *port, const ovs_u128 *ufid)
    OVS_EXCLUDED(port->mutex)
{
    struct offload_flow *flow;

    offload_lock(&port->mutex, PORT);
    flow = offload_flow_find__(port, ufid);
    if (!flow) {
        flow = xzalloc(sizeof *flow);
        flow->port = port;
        flow->ufid = *ufid;
        flow->orig_in_port = ODPP_NONE;
        ovs_refcount_init(&flow->ref_cnt);
        ovs_mutex_init(&flow->mutex);
        hmap_insert(&port->flows, &flow->node, ufid_hash(ufid));
    }
    ovs_refcount_ref(&flow->ref_cnt);
    offload_unlock(&port->mutex, PORT);
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
        if (!flow->past.n_packets) {
            offload_credit_take(&flow->ufid, actions, actions_len,
                                &flow->past);
            flow->used = flow->past.n_packets ? time_msec() : 0;
        }
    }
    flow->version++;
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

    offload_lock(&port->mutex, PORT);
    if (in_nic != flow->in_nic) {
        port->n_in_nic[tid] += in_nic ? 1 : -1;
        flow->in_nic = in_nic;
    }
    flow->refusal = refusal ? refusal->code : OFFLOAD_REFUSAL_NONE;
    free(flow->words);
    flow->words = (refusal && refusal->words[0] ? xstrdup(refusal->words)
                   : NULL);
    offload_unlock(&port->mutex, PORT);
}

enum offload_refusal_code
offload_flow_refusal(const struct offload_flow *flow)
    OVS_EXCLUDED(flow->port->mutex)
{
    enum offload_refusal_code code;

    offload_lock(&flow->port->mutex, PORT);
    code = flow->refusal;
    offload_unlock(&flow->port->mutex, PORT);
    return code;
}

/* Takes 'flow', which has no rule, out of its port's table, and so drops the
 * table's reference.  The caller has another. */
static void
remove_flow(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    struct offload_port *port = flow->port;

    ovs_assert(!flow->rule && !flow->leaving);
    if (flow->dead) {
        return;
    }

    flow->dead = true;
    offload_reach_forget(flow);
    offload_retry_remove(flow);
    if (flow->actions && flow->past.n_packets > flow->copies.told.n_packets) {
        struct offload_rule_stats late = {
            .n_packets = flow->past.n_packets - flow->copies.told.n_packets,
            .n_bytes = flow->past.n_bytes - flow->copies.told.n_bytes,
        };

        offload_credit_give(&flow->ufid, flow->actions, flow->actions_len,
                            &late);
    }
    offload_copies_clear(&flow->copies);
    offload_lock(&port->mutex, PORT);
    hmap_remove(&port->flows, &flow->node);
    if (flow->in_nic) {
        port->n_in_nic[netdev_offload_ufid_to_thread_id(flow->ufid)]--;
        flow->in_nic = false;
    }
    offload_unlock(&port->mutex, PORT);
    offload_flow_unref(flow);
}

static void
set_stuck(struct offload_flow *flow, bool stuck)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    offload_lock(&flow->port->mutex, PORT);
    flow->stuck = stuck;
    offload_unlock(&flow->port->mutex, PORT);
}

/* Adds what the rule of 'flow', which is gone, counted to its past. */
static void
fold_counters(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex)
{
    flow->past.n_packets += flow->now.n_packets;
    flow->past.n_bytes += flow->now.n_bytes;
    flow->now.n_packets = flow->now.n_bytes = 0;
}

int
offload_flow_count(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex)
{
    struct offload_rule *rule = flow->rule ? flow->rule : flow->leaving;
    uint64_t n_packets = flow->now.n_packets;
    int error;

    if (!rule) {
        return 0;
    }
    error = offload_rule_query(rule, &flow->now);
    if (flow->now.n_packets != n_packets) {
        flow->used = time_msec();
    }
    if (!error && flow->rule && flow->ties.target
        && !offload_group_has_miss(flow->ties.target, flow->ties.port)) {
        error = ENOENT;
    }
    return error == ENODEV || error == ENOENT ? error : 0;
}

int
offload_flow_drop_rule(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    bool was_leaving = flow->leaving != NULL;
    int error;

    if (!flow->rule && !flow->leaving) {
        return 0;
    }
    offload_flow_count(flow);
    error = offload_rule_destroy(flow->rule ? flow->rule : flow->leaving);
    if (error) {
        if (!was_leaving) {
            COVERAGE_INC(offload_rule_stuck);
            VLOG_ERR_RL(&rl, "%s: a rule of ufid "UUID_FMT" is still in the "
                        "NIC (%s), and will be removed later",
                        netdev_get_name(flow->port->netdev),
                        UUID_ARGS((struct uuid *) &flow->ufid),
                        ovs_strerror(error));
            flow->leaving = flow->rule;
            flow->rule = NULL;
            set_stuck(flow, true);
        }
        offload_retry_add(flow, OFFLOAD_RETRY_LATER);
        return error;
    }
    flow->rule = flow->leaving = NULL;
    if (was_leaving) {
        set_stuck(flow, false);
    }
    fold_counters(flow);
    offload_ties_clear(&flow->ties);
    offload_retry_room();
    return 0;
}

/* Has the rule of 'flow' that is leaving leave without its record, since
 * 'gone' goes, by which it was made or which has the record.  If the NIC
 * forgets it then, it is gone. */
static void
make_orphan(struct offload_flow *flow, struct offload_port *gone)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    const struct offload_ethdev *ethdev = offload_rule_ethdev(flow->leaving);

    if (flow->ties.port == gone
        && !offload_ethdev_keeps_rules(ethdev->port_id)) {
        offload_rule_abandon(flow->leaving);
        offload_ties_clear(&flow->ties);
    } else {
        struct orphan *orphan = xzalloc(sizeof *orphan);

        orphan->rule = flow->leaving;
        orphan->ties = flow->ties;
        orphan->ties.port = NULL;
        orphan->ties.n_outputs = 0;
        memset(&flow->ties, 0, sizeof flow->ties);
        offload_lock(&orphans_mutex, LEAF);
        ovs_list_push_back(&orphans, &orphan->node);
        offload_unlock(&orphans_mutex, LEAF);
        VLOG_ERR_RL(&rl, "%s: a rule is still in the NIC when the port goes",
                    netdev_get_name(gone->netdev));
    }
    flow->leaving = NULL;
    fold_counters(flow);
    set_stuck(flow, false);
}

/* Tries to remove 'orphan'.  Its ethdev must not be closed meanwhile, so that
 * it has to be a port's that is open, or gone already. */
static bool
remove_orphan(struct orphan *orphan)
{
    const struct offload_ethdev *ethdev = offload_rule_ethdev(orphan->rule);
    struct offload_port *port = NULL;
    int error = EBUSY;

    if (!offload_ethdev_is_current(ethdev)) {
        error = offload_rule_destroy(orphan->rule);
    } else {
        port = offload_port_enter_by_ethdev(ethdev->port_id);
        if (port) {
            error = offload_rule_destroy(orphan->rule);
            offload_port_leave(port);
        }
    }
    if (!error) {
        offload_ties_clear(&orphan->ties);
        free(orphan);
    }
    return !error;
}

void
offload_flows_retry_orphans(void)
    OVS_EXCLUDED(orphans_mutex)
{
    struct orphan *orphan;
    struct ovs_list list;

    offload_lock(&orphans_mutex, LEAF);
    ovs_list_move(&list, &orphans);
    ovs_list_init(&orphans);
    offload_unlock(&orphans_mutex, LEAF);

    LIST_FOR_EACH_POP (orphan, node, &list) {
        if (!remove_orphan(orphan)) {
            offload_lock(&orphans_mutex, LEAF);
            ovs_list_push_back(&orphans, &orphan->node);
            offload_unlock(&orphans_mutex, LEAF);
        }
    }
}

static void
lose_rule(struct offload_flow *flow, const struct offload_refusal *refusal)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    int error;

    COVERAGE_INC(offload_flow_lost);
    error = offload_flow_drop_rule(flow);
    if (error) {
        struct offload_refusal stuck;

        offload_refuse_words(&stuck, OFFLOAD_REFUSAL_NIC_STUCK, "%s",
                             ovs_strerror(error));
        offload_flow_set_state(flow, &stuck);
    } else {
        offload_flow_set_state(flow, refusal);
    }
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
offload_flow_lose_rule_and_retry(struct offload_flow *flow,
                                 enum offload_refusal_code code)
    OVS_REQUIRES(flow->mutex)
{
    offload_flow_lose_rule(flow, code);
    offload_retry_add(flow, flow->leaving ? OFFLOAD_RETRY_LATER
                      : OFFLOAD_RETRY_SOON);
}

void
offload_flow_end(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    flow->orphan = true;
    if (offload_copies_alive(&flow->copies)) {
        /* One that is yet to be offered, or whose end is yet to come. */
        offload_retry_add(flow, OFFLOAD_RETRY_LATER);
    } else if (offload_flow_drop_rule(flow)) {
        struct offload_refusal refusal;

        offload_refuse(&refusal, OFFLOAD_REFUSAL_NIC_STUCK);
        offload_flow_set_state(flow, &refusal);
    } else {
        remove_flow(flow);
    }
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
offload_flow_tell_stats(struct offload_flow *flow, const ovs_u128 *mega_ufid,
                        struct dpif_flow_stats *stats)
    OVS_REQUIRES(flow->mutex)
{
    struct offload_rule_stats total = {
        .n_packets = flow->past.n_packets + flow->now.n_packets,
        .n_bytes = flow->past.n_bytes + flow->now.n_bytes,
    };
    struct offload_rule_stats own;

    offload_copies_tell(&flow->copies, mega_ufid, &total, &own);
    memset(stats, 0, sizeof *stats);
    stats->n_packets = own.n_packets;
    stats->n_bytes = own.n_bytes;
    stats->used = flow->used;
}

/* All records. */

/* References to records. */
struct flow_list {
    struct offload_flow **flows;
    size_t n, allocated;
};

/* What records are wanted: those with a rule, and all of port 'all_of', or
 * those that are refused, or all. */
struct collect {
    const struct offload_port *all_of;
    bool refused, all;
    struct flow_list *list;
};

static bool
collect_cb(struct offload_port *port, void *collect_)
    OVS_EXCLUDED(port->mutex)
{
    struct collect *collect = collect_;
    struct flow_list *list = collect->list;
    struct offload_flow *flow;

    offload_lock(&port->mutex, PORT);
    HMAP_FOR_EACH (flow, node, &port->flows) {
        if (collect->all ? true
            : collect->refused ? flow->refusal != OFFLOAD_REFUSAL_NONE
            : port == collect->all_of || flow->in_nic || flow->stuck) {
            if (list->n >= list->allocated) {
                list->flows = x2nrealloc(list->flows, &list->allocated,
                                         sizeof *list->flows);
            }
            ovs_refcount_ref(&flow->ref_cnt);
            list->flows[list->n++] = flow;
        }
    }
    offload_unlock(&port->mutex, PORT);
    return true;
}

static void
collect_flows(struct flow_list *list, const struct offload_port *all_of)
{
    struct collect collect = { .all_of = all_of, .list = list };

    memset(list, 0, sizeof *list);
    offload_ports_for_each(collect_cb, &collect);
}

void
offload_flow_purge(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex)
{
    if (offload_flow_drop_rule(flow)) {
        make_orphan(flow, flow->port);
    }
    remove_flow(flow);
}

static void
purge_flow(struct offload_flow *flow, struct offload_port *gone)
    OVS_REQUIRES(flow->mutex)
{
    if (flow->port == gone) {
        offload_flow_purge(flow);
    } else if (ties_have_port(&flow->ties, gone)) {
        bool by_other = flow->ties.port != flow->port;

        if (flow->rule) {
            struct offload_refusal refusal;

            offload_refuse_words(&refusal, (flow->ties.port == gone
                                            ? OFFLOAD_REFUSAL_INPUT_REMOVED
                                            : OFFLOAD_REFUSAL_PORT_REMOVED),
                                 "%s", netdev_get_name(gone->netdev));
            lose_rule(flow, &refusal);
            if (by_other) {
                /* A tunnel's packets may come by another port. */
                offload_retry_add(flow, OFFLOAD_RETRY_SOON);
            }
        }
        if (flow->leaving && offload_flow_drop_rule(flow)) {
            make_orphan(flow, gone);
        }
    }
}

void
offload_flows_purge_port(struct offload_port *gone)
{
    struct flow_list list;

    collect_flows(&list, gone);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        offload_lock(&flow->mutex, FLOW);
        if (!flow->dead) {
            purge_flow(flow, gone);
        }
        offload_unlock(&flow->mutex, FLOW);
        offload_flow_unref(flow);
    }
    free(list.flows);
    offload_group_purge_port(gone);
}

void
offload_flows_lose_meter(const struct offload_meter *meter)
{
    struct flow_list list;

    collect_flows(&list, NULL);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        offload_lock(&flow->mutex, FLOW);
        for (size_t j = 0; flow->rule && j < flow->ties.n_meters; j++) {
            if (flow->ties.meters[j] == meter) {
                offload_flow_lose_rule_and_retry(flow,
                                                 OFFLOAD_REFUSAL_ACTION_METER);
            }
        }
        offload_unlock(&flow->mutex, FLOW);
        offload_flow_unref(flow);
    }
    free(list.flows);
}

void
offload_flows_lose_port(struct offload_port *port)
{
    struct flow_list list;

    collect_flows(&list, NULL);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        offload_lock(&flow->mutex, FLOW);
        if (flow->ties.port == port) {
            if (flow->rule) {
                offload_flow_lose_rule(flow, OFFLOAD_REFUSAL_NIC_RESTART);
                offload_retry_add(flow, OFFLOAD_RETRY_LATER);
            }
            if (flow->leaving) {
                make_orphan(flow, port);
            }
        }
        offload_unlock(&flow->mutex, FLOW);
        offload_flow_unref(flow);
    }
    free(list.flows);
    offload_group_purge_port(port);
}

/* Returns true if 'code' is for what a port is set to. */
static bool
is_refused_for_setting(enum offload_refusal_code code)
{
    return (code == OFFLOAD_REFUSAL_PORT_DOWN
            || code == OFFLOAD_REFUSAL_PORT_POLICED
            || code == OFFLOAD_REFUSAL_OUTPUT_DOWN
            || code == OFFLOAD_REFUSAL_OUTPUT_QOS
            || code == OFFLOAD_REFUSAL_OUTPUT_MTU);
}

/* All records are looked at, not only those in the NIC: one that is on its way
 * there has its lock until it is. */
void
offload_flows_revisit(const struct offload_port *port)
{
    struct flow_list list = { NULL, 0, 0 };
    struct collect collect = { .all = true, .list = &list };

    offload_ports_for_each(collect_cb, &collect);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        offload_lock(&flow->mutex, FLOW);
        if (flow->dead) {
            /* Nothing to be done. */
        } else if (flow->rule) {
            if (!port || ties_have_port(&flow->ties, port)) {
                offload_flow_lose_rule_and_retry(
                    flow, OFFLOAD_REFUSAL_PORT_CHANGED);
            }
        } else if (is_refused_for_setting(offload_flow_refusal(flow))) {
            offload_retry_add(flow, OFFLOAD_RETRY_SOON);
        }
        offload_unlock(&flow->mutex, FLOW);
        offload_flow_unref(flow);
    }
    free(list.flows);
}

/* Returns true if what 'code' says may be different when a device is back. */
static bool
is_passing(enum offload_refusal_code code)
{
    return (code == OFFLOAD_REFUSAL_NIC || code == OFFLOAD_REFUSAL_NIC_GONE
            || code == OFFLOAD_REFUSAL_NIC_RESTART
            || code == OFFLOAD_REFUSAL_NIC_FULL
            || code == OFFLOAD_REFUSAL_PORT_NO_DEVICE
            || code == OFFLOAD_REFUSAL_MATCH_TUNNEL_PORT
            || code == OFFLOAD_REFUSAL_INPUT_REMOVED
            || code == OFFLOAD_REFUSAL_ACTION_METER);
}

void
offload_flows_retry_refused(void)
{
    struct flow_list list = { NULL, 0, 0 };
    struct collect collect = { .refused = true, .list = &list };

    offload_ports_for_each(collect_cb, &collect);
    for (size_t i = 0; i < list.n; i++) {
        struct offload_flow *flow = list.flows[i];

        offload_lock(&flow->mutex, FLOW);
        if (!flow->dead && !flow->rule && !flow->leaving
            && is_passing(offload_flow_refusal(flow))) {
            offload_retry_add(flow, OFFLOAD_RETRY_SOON);
        }
        offload_unlock(&flow->mutex, FLOW);
        offload_flow_unref(flow);
    }
    free(list.flows);
}
