/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Records of the offload provider
 * ===============================
 *
 *    - A *record* (struct offload_flow) stands for one megaflow, known by its
 *      ufid, of a port (offload-port.h).  It is "in the NIC", with a rule, or
 *      "refused", with a reason.  It keeps the megaflow's match and actions,
 *      to tell users of it and to offer it again.
 *
 *    - A rule has *ties* (struct offload_ties): the port by which it was made,
 *      which is not the megaflow's if that is a tunnel port; the ports that it
 *      outputs to; the group that it is in and the one that it jumps to.  When
 *      one of these ports goes, the rule goes.
 *
 *    - A rule that the NIC does not give up is *leaving*.  It keeps its ties,
 *      and its record stays, without a rule, even if the megaflow goes.  It is
 *      tried again every second (offload-retry.h).  If its port goes, too, it
 *      becomes an orphan, until the port's device is back, or closed for good.
 *
 *    - A record keeps count.  What rules of the same megaflow counted before
 *      the present one is added, so that a modified megaflow does not lose
 *      its past, nor one whose rule had to go.  The count is told to the
 *      megaflow's copies, of which each PMD thread may have one
 *      (offload-copy.h), each packet to one of them.
 *
 *    - A refused megaflow has a record too, so that users can be told of it
 *      and so that it keeps what it counted while it was in the NIC.
 *
 * Thread-safety
 * -------------
 *
 * Any thread may call any function; offload-lock.h has the order of locks.
 * Records are counted references. */

#ifndef OFFLOAD_FLOW_H
#define OFFLOAD_FLOW_H 1

#include <stdbool.h>
#include <stdint.h>

#include "offload-copy.h"
#include "offload-port.h"
#include "offload-refusal.h"
#include "offload-retry.h"
#include "offload-rule.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "openvswitch/thread.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"

struct dpif_flow_stats;
struct match;
struct nlattr;
struct offload_group;
struct offload_meter;
struct offload_sample;

/* What a rule depends on. */
struct offload_ties {
    struct offload_port *port;          /* By which it was made. */
    struct offload_port **outputs;      /* 'n_outputs' ports. */
    size_t n_outputs, allocated_outputs;
    struct offload_group *group;        /* That it is in, or NULL. */
    struct offload_group *target;       /* That it jumps to, or NULL. */
    struct offload_sample **samples;    /* 'n_samples' that it takes. */
    size_t n_samples, allocated_samples;
    struct offload_meter **meters;      /* 'n_meters' that it passes. */
    size_t n_meters, allocated_meters;
};

/* A record. */
struct offload_flow {
    struct offload_port *port;  /* Where packets enter.  Constant. */
    ovs_u128 ufid;              /* Of the megaflow.  Constant. */
    struct ovs_refcount ref_cnt;

    struct ovs_mutex mutex;
    bool dead OVS_GUARDED;              /* No longer in 'port->flows'. */
    struct offload_rule *rule OVS_GUARDED;      /* NULL if refused. */
    struct offload_ties ties OVS_GUARDED;       /* Of 'rule' or 'leaving'. */
    struct offload_rule *leaving OVS_GUARDED;   /* NULL if 'rule' is not. */
    bool orphan OVS_GUARDED;            /* The megaflow is gone. */
    struct offload_copies copies OVS_GUARDED;
    unsigned int version OVS_GUARDED;   /* Of 'match' and 'actions'. */
    ovs_u128 dp_ufid OVS_GUARDED;       /* As users see it in dumps. */
    struct minimatch match OVS_GUARDED; /* As last put ... */
    struct nlattr *actions OVS_GUARDED; /* ... NULL before. */
    size_t actions_len OVS_GUARDED;
    odp_port_t orig_in_port OVS_GUARDED;        /* ODPP_NONE if unknown. */
    struct offload_rule_stats past OVS_GUARDED; /* By former rules. */
    struct offload_rule_stats now OVS_GUARDED;  /* By 'rule' or 'leaving',
                                                 * last asked. */
    long long int used OVS_GUARDED;     /* In time_msec()'s terms, or 0. */

    /* Guarded by 'port->mutex'. */
    struct hmap_node node;      /* In 'port->flows'. */
    bool in_nic;                /* Is counted in 'port->n_in_nic'. */
    bool stuck;                 /* Has a rule that is leaving. */
    enum offload_refusal_code refusal;  /* NONE if 'in_nic' or new. */
    char *words;                /* With the refusal, or NULL. */

    /* Guarded by offload-retry.c's lock. */
    struct ovs_list retry_node;
    enum offload_retry retry;
    long long int retry_due;
};

/* Adds 'output' to the ports that 'ties' depend on. */
void offload_ties_add_output(struct offload_ties *, struct offload_port *);

/* Has 'ties' own the reference 'sample'. */
void offload_ties_add_sample(struct offload_ties *, struct offload_sample *);

/* Has 'ties' own the reference 'meter'. */
void offload_ties_add_meter(struct offload_ties *, struct offload_meter *);

/* Gives up what 'ties' refer to, and clears them. */
void offload_ties_clear(struct offload_ties *);

/* Returns a reference to the record of 'ufid', or NULL if there is none. */
struct offload_flow *offload_flow_find(struct offload_port *port,
                                       const ovs_u128 *ufid)
    OVS_EXCLUDED(port->mutex);

/* The same, but makes a new record if there is none.  The caller looks at
 * 'dead' when it has the record's lock: such a record is of no use. */
struct offload_flow *offload_flow_obtain(struct offload_port *port,
                                         const ovs_u128 *ufid)
    OVS_EXCLUDED(port->mutex);

/* Gives a reference back.  'flow' may be NULL. */
void offload_flow_unref(struct offload_flow *flow);

/* Has 'flow' keep its match and actions. */
void offload_flow_set_megaflow(struct offload_flow *flow,
                               const struct match *match,
                               const struct nlattr *actions,
                               size_t actions_len, odp_port_t orig_in_port)
    OVS_REQUIRES(flow->mutex);

/* Publishes what became of 'flow': in the NIC if 'refusal' is NULL. */
void offload_flow_set_state(struct offload_flow *flow,
                            const struct offload_refusal *refusal)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* Returns what 'flow' was last refused for, or NONE. */
enum offload_refusal_code offload_flow_refusal(const struct offload_flow *flow)
    OVS_EXCLUDED(flow->port->mutex);

/* Brings the counters of 'flow' up to date.  Returns 0; ENODEV if the NIC is
 * gone, and has taken the rule with it; ENOENT if the NIC is there, but has
 * forgotten the rule, or one that it depends on. */
int offload_flow_count(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex);

/* Takes the rule of 'flow', if it has one, or one that is leaving, out of the
 * NIC, keeping its counters.  Returns 0 or, if the NIC keeps the rule, a
 * positive errno; the rule is leaving then. */
int offload_flow_drop_rule(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* Takes the rule of 'flow' out of the NIC for the reason 'code', but keeps the
 * record, since the megaflow lives on and has counted. */
void offload_flow_lose_rule(struct offload_flow *flow,
                            enum offload_refusal_code code)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* The same, and has the megaflow offered again. */
void offload_flow_lose_rule_and_retry(struct offload_flow *flow,
                                      enum offload_refusal_code code)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* Removes 'flow', whose megaflow is gone, as soon as the NIC gives up its rule
 * and none of the megaflow's copies is alive. */
void offload_flow_end(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* Removes 'flow' at once, since its port is gone. */
void offload_flow_purge(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* Frees all records of 'gone', a port that is closed for good, and takes the
 * rules that depend on it out of the NIC.  The records of these stay: their
 * megaflows are still there until revalidators find out. */
void offload_flows_purge_port(struct offload_port *gone);

/* Takes all rules that use 'meter' out of the NIC.  Their megaflows are
 * offered again. */
void offload_flows_lose_meter(const struct offload_meter *meter);

/* Takes all rules that were made by 'port', which is closed, out of the NIC,
 * which would forget them.  Their megaflows are offered again. */
void offload_flows_lose_port(struct offload_port *port);

/* Takes all rules by which packets enter or leave by 'port', or all that there
 * are if that is NULL, out of the NIC.  Their megaflows are offered again, as
 * are those that were refused for the setting of a port. */
void offload_flows_revisit(const struct offload_port *port);

/* Has the megaflows offered again that were refused for a reason that may have
 * passed, since a device of a NIC has come back. */
void offload_flows_retry_refused(void);

/* Tries again to remove orphans. */
void offload_flows_retry_orphans(void);

/* Fills all of '*stats' with what was counted when last looked. */
void offload_flow_get_stats(const struct offload_flow *flow,
                            struct dpif_flow_stats *stats)
    OVS_REQUIRES(flow->mutex);

/* The same, for the copy of the megaflow that 'mega_ufid' points into. */
void offload_flow_tell_stats(struct offload_flow *flow,
                             const ovs_u128 *mega_ufid,
                             struct dpif_flow_stats *stats)
    OVS_REQUIRES(flow->mutex);

#endif /* offload-flow.h */
