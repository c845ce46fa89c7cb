/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Ports and records of the offload provider
 * =========================================
 *
 *    - A *port* is a netdev that the provider serves, from init_flow_api to
 *      uninit_flow_api.  A megaflow belongs to the port where its packets
 *      enter.
 *
 *    - A *record* (struct offload_flow) stands for one megaflow, known by its
 *      ufid.  It is "in the NIC", with a rule, or "refused", with a reason.
 *      It keeps the megaflow's match and actions, to tell users of it and to
 *      offer it again.
 *
 *    - A rule has *users' ties* (struct offload_ties): the port by which it
 *      was made, which is not the megaflow's if that is a tunnel port; the
 *      ports that it outputs to; the group that it is in and the one that it
 *      jumps to.  When one of these ports goes, the rule goes.
 *
 *    - A record keeps count.  What rules of the same megaflow counted before
 *      the present one is added, so that a modified megaflow does not lose
 *      its past, nor one whose rule had to go.
 *
 *    - A refused megaflow has a record too, so that users can be told of it
 *      and so that it keeps what it counted while it was in the NIC.
 *
 * Thread-safety
 * -------------
 *
 * Any thread may call any function.  Locks are taken in this order: that of
 * the list of ports, a record's, a port's; that of the list is never held
 * while a record's is taken.  Only a record's lock is held during operations
 * on the NIC.  Records are counted references.  A port stays as long as no
 * thread that may have found it has quiesced since it was destroyed; its
 * caller sees to it that nothing is put into it, or made to output to it,
 * meanwhile. */

#ifndef OFFLOAD_FLOW_H
#define OFFLOAD_FLOW_H 1

#include <stdbool.h>
#include <stdint.h>

#include "offload-port-settings.h"
#include "offload-refusal.h"
#include "offload-rule.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "openvswitch/thread.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"

struct dpif_flow_stats;
struct match;
struct netdev;
struct nlattr;
struct offload_group;
struct offload_meter;
struct offload_sample;

struct offload_port {
    struct ovs_list node;       /* In the list of all ports, by its lock. */
    struct netdev *netdev;      /* No reference: it has us, not we it. */
    bool is_tunnel;             /* Has no device of its own.  Constant. */
    struct offload_port_settings settings;

    struct ovs_mutex mutex;
    struct hmap flows OVS_GUARDED;      /* Has "struct offload_flow"s. */
    uint64_t *n_in_nic OVS_GUARDED;     /* Per offload thread. */
    uint64_t n_puts OVS_GUARDED;        /* Since the port was added ... */
    uint64_t n_refusals OVS_GUARDED;    /* ... and how many were refused. */

    /* Rules that the NIC did not give up when their record went. */
    struct ovs_list stuck OVS_GUARDED;  /* See offload_port_retry(). */
};

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

/* Whether a record waits to be offered again: see offload-retry.h. */
enum offload_retry {
    OFFLOAD_RETRY_NO,
    OFFLOAD_RETRY_ROOM,
    OFFLOAD_RETRY_SOON,
};

/* A record. */
struct offload_flow {
    struct offload_port *port;  /* Where packets enter.  Constant. */
    ovs_u128 ufid;              /* Of the megaflow.  Constant. */
    struct ovs_refcount ref_cnt;

    struct ovs_mutex mutex;
    bool dead OVS_GUARDED;              /* No longer in 'port->flows'. */
    struct offload_rule *rule OVS_GUARDED;      /* NULL if refused. */
    struct offload_ties ties OVS_GUARDED;       /* Of 'rule'. */
    ovs_u128 dp_ufid OVS_GUARDED;       /* As users see it in dumps. */
    struct minimatch match OVS_GUARDED; /* As last put ... */
    struct nlattr *actions OVS_GUARDED; /* ... NULL before. */
    size_t actions_len OVS_GUARDED;
    odp_port_t orig_in_port OVS_GUARDED;        /* ODPP_NONE if unknown. */
    struct offload_rule_stats past OVS_GUARDED; /* By former rules. */
    struct offload_rule_stats now OVS_GUARDED;  /* By 'rule', last asked. */
    struct offload_rule_stats told OVS_GUARDED; /* To Open vSwitch. */
    long long int used OVS_GUARDED;     /* In time_msec()'s terms, or 0. */

    /* Guarded by 'port->mutex'. */
    struct hmap_node node;      /* In 'port->flows'. */
    bool in_nic;                /* Is counted in 'port->n_in_nic'. */
    enum offload_refusal_code refusal;  /* NONE if 'in_nic' or new. */
    char *words;                /* With the refusal, or NULL. */

    /* Guarded by offload-retry.c's lock. */
    struct ovs_list retry_node;
    enum offload_retry retry;
};

/* Makes a port of 'netdev', a tunnel's if 'is_tunnel', to be found by
 * offload_port_get(). */
void offload_port_create(struct netdev *, bool is_tunnel);

/* Returns the port of 'netdev', a netdev of the provider's, or NULL if that
 * was destroyed. */
struct offload_port *offload_port_get(const struct netdev *);

/* Adds 'output' to the ports that 'ties' depend on. */
void offload_ties_add_output(struct offload_ties *, struct offload_port *);

/* Has 'ties' own 'sample'. */
void offload_ties_add_sample(struct offload_ties *, struct offload_sample *);

/* Has 'ties' own the reference 'meter'. */
void offload_ties_add_meter(struct offload_ties *, struct offload_meter *);

/* Gives up what 'ties' refer to, and clears them. */
void offload_ties_clear(struct offload_ties *);

/* Purges 'port' and frees it after the next grace period. */
void offload_port_destroy(struct offload_port *port);

/* Frees all records of 'gone', and takes the rules that output to it out of
 * the NIC.  The records of these stay: their megaflows are still there until
 * revalidators find out. */
void offload_port_purge(struct offload_port *gone)
    OVS_EXCLUDED(gone->mutex);

/* Tries again to remove the rules that the NIC did not give up when their
 * record went. */
void offload_port_retry(struct offload_port *port)
    OVS_EXCLUDED(port->mutex);

/* Calls 'cb' for each port in turn until it returns false.  'cb' must not
 * take a record's lock. */
void offload_ports_for_each(bool (*cb)(struct offload_port *, void *aux),
                            void *aux);

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

/* Takes 'flow', which has no rule, out of its port's table, and so drops the
 * table's reference.  The caller has another. */
void offload_flow_remove(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* Brings the counters of 'flow', which has a rule, up to date.  A NIC that is
 * gone has taken its rules with it: then returns ENODEV, otherwise 0. */
int offload_flow_count(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex);

/* Takes the rule of 'flow', which has one, out of the NIC, keeping its
 * counters.  Returns 0 or, if the NIC keeps the rule, a positive errno; the
 * rule is then tried again later, and 'flow' is rid of it in any case. */
int offload_flow_drop_rule(struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* Takes the rule of 'flow' out of the NIC for the reason 'code', but keeps the
 * record, since the megaflow lives on and has counted. */
void offload_flow_lose_rule(struct offload_flow *flow,
                            enum offload_refusal_code code)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex);

/* Takes all rules that use 'meter' out of the NIC.  Their megaflows are
 * offered again. */
void offload_flows_lose_meter(const struct offload_meter *meter);

/* Takes all rules that were made by 'port' out of the NIC, which would forget
 * them.  Their megaflows are offered again. */
void offload_port_lose_rules(struct offload_port *port);

/* Takes all rules by which packets enter or leave by 'port', or all that there
 * are if that is NULL, out of the NIC.  Their megaflows are offered again, as
 * are those that were refused for the setting of a port. */
void offload_port_revisit(const struct offload_port *port);

/* Fills all of '*stats' with what was counted when last looked. */
void offload_flow_get_stats(const struct offload_flow *flow,
                            struct dpif_flow_stats *stats)
    OVS_REQUIRES(flow->mutex);

/* The same, for Open vSwitch: remembers what it was told. */
void offload_flow_tell_stats(struct offload_flow *flow,
                             struct dpif_flow_stats *stats)
    OVS_REQUIRES(flow->mutex);

#endif /* offload-flow.h */
