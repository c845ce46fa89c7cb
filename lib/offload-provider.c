/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-provider.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_ethdev.h>

#include "coverage.h"
#include "dpdkvdpa-unixctl.h"
#include "dpif.h"
#include "netdev.h"
#include "netdev-dpdk.h"
#include "netdev-dpdkvdpa.h"
#include "netdev-offload-provider.h"
#include "netdev-provider.h"
#include "odp-util.h"
#include "offload-actions.h"
#include "offload-copy.h"
#include "offload-ethdev.h"
#include "offload-flow.h"
#include "offload-form.h"
#include "offload-group.h"
#include "offload-lock.h"
#include "offload-match.h"
#include "offload-meter.h"
#include "offload-miss.h"
#include "offload-port.h"
#include "offload-port-number.h"
#include "offload-port-settings.h"
#include "offload-reach.h"
#include "offload-refusal.h"
#include "offload-retry.h"
#include "offload-rule.h"
#include "offload-sample.h"
#include "offload-tunnel.h"
#include "openvswitch/match.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(offload);

COVERAGE_DEFINE(offload_flow_add);
COVERAGE_DEFINE(offload_flow_modify);
COVERAGE_DEFINE(offload_flow_delete);
COVERAGE_DEFINE(offload_flow_refused);
COVERAGE_DEFINE(offload_flow_retry);

static struct vlog_rate_limit debug_rl = VLOG_RATE_LIMIT_INIT(600, 600);

/* Returns true if 'netdev', any netdev, is one that the provider serves. */
static bool
is_served(const struct netdev *netdev)
{
    return (ovsrcu_get(const struct netdev_flow_api *, &netdev->flow_api)
            == &offload_provider_api);
}

/* Whether what was refused is to be offered again. */
static atomic_bool retry_refused = ATOMIC_VAR_INIT(false);

/* Has the thread offer again what was refused, as it may not be now.  The
 * caller may hold locks of Open vSwitch's, and a record's. */
static void
want_retry_refused(void)
{
    atomic_store(&retry_refused, true);
    offload_retry_hurry();
}

/* Putting. */

/* Checks that 'port_id' is a port of an eSwitch and stores which in
 * '*domain'. */
static bool
get_switch_domain(int port_id, uint16_t *domain,
                  struct offload_refusal *refusal)
{
    struct rte_eth_dev_info info;

    if (port_id < 0 || !rte_eth_dev_is_valid_port(port_id)
        || rte_eth_dev_info_get(port_id, &info)) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_PORT_NO_DEVICE);
    }
    if (info.switch_info.domain_id == RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_PORT_NO_SWITCH);
    }
    *domain = info.switch_info.domain_id;
    return true;
}

/* A port that a megaflow names. */
struct put_port {
    odp_port_t port_no;
    char *name, *type;          /* NULL if there is no such port. */
    bool served;
    bool no_representor;        /* Of type dpdkvdpa, but without. */
    struct offload_port *port;  /* NULL if not served. */
    int port_id;                /* Its ethdev, or -1. */
};

/* A megaflow on its way to a rule. */
struct put {
    const struct offload_flow *flow;
    uint16_t domain;            /* The NIC where its packets are. */
    uint16_t port_id;           /* The ethdev that makes the rule. */
    struct offload_place place; /* Where they are. */
    struct offload_place target;        /* Where its jump leads, if any. */
    struct offload_ties *ties;  /* Of the rule to be. */

    /* Found before any lock was taken. */
    struct put_port *ports;
    size_t n_ports, allocated_ports;
    struct offload_port **entered;      /* To be left. */
    size_t n_entered, allocated_entered;
};

static struct put_port *
put_find(struct put *put, odp_port_t port_no)
{
    for (size_t i = 0; i < put->n_ports; i++) {
        if (put->ports[i].port_no == port_no) {
            return &put->ports[i];
        }
    }
    return NULL;
}

/* Finds out about 'port_no'.  Takes locks of Open vSwitch. */
static void
put_look_up(struct put *put, odp_port_t port_no, const char *dpif_type)
{
    struct netdev *netdev;
    struct put_port *pp;

    offload_lock_assert_none();
    if (port_no == ODPP_NONE || put_find(put, port_no)) {
        return;
    }
    if (put->n_ports >= put->allocated_ports) {
        put->ports = x2nrealloc(put->ports, &put->allocated_ports,
                                sizeof *put->ports);
    }
    pp = &put->ports[put->n_ports++];
    *pp = (struct put_port) { .port_no = port_no, .port_id = -1 };
    netdev = netdev_ports_get(port_no, dpif_type);
    if (!netdev) {
        return;
    }
    pp->name = xstrdup(netdev_get_name(netdev));
    pp->type = xstrdup(netdev_get_type(netdev));
    pp->served = is_served(netdev);
    pp->no_representor = (netdev_is_dpdkvdpa(netdev)
                          && !netdev_dpdkvdpa_has_representor(netdev));
    if (pp->served) {
        pp->port = offload_port_get(netdev);
        pp->served = pp->port != NULL;
    }
    if (pp->served && !pp->port->is_tunnel) {
        pp->port_id = netdev_dpdk_get_port_id(netdev);
    }
    netdev_close(netdev);
}

/* Finds out about all ports that 'actions' name. */
static void
put_look_up_actions(struct put *put, const struct nlattr *actions, size_t len,
                    const char *dpif_type)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH_UNSAFE (a, left, actions, len) {
        const struct nlattr *list = NULL;

        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_OUTPUT:
        case OVS_ACTION_ATTR_TUNNEL_POP:
            put_look_up(put, nl_attr_get_odp_port(a), dpif_type);
            break;
        case OVS_ACTION_ATTR_CLONE:
            list = a;
            break;
        case OVS_ACTION_ATTR_SAMPLE:
            list = nl_attr_find_nested(a, OVS_SAMPLE_ATTR_ACTIONS);
            break;
        default:
            break;
        }
        if (list) {
            put_look_up_actions(put, nl_attr_get(list),
                                nl_attr_get_size(list), dpif_type);
        }
    }
}

/* Notes that 'put' has entered 'port'. */
static void
put_add_entered(struct put *put, struct offload_port *port)
{
    if (put->n_entered >= put->allocated_entered) {
        put->entered = x2nrealloc(put->entered, &put->allocated_entered,
                                  sizeof *put->entered);
    }
    put->entered[put->n_entered++] = port;
}

static bool
put_enter(struct put *put, struct offload_port *port)
{
    if (!offload_port_enter(port)) {
        return false;
    }
    put_add_entered(put, port);
    return true;
}

static void
put_leave_all(struct put *put)
{
    while (put->n_entered) {
        offload_port_leave(put->entered[--put->n_entered]);
    }
}

static void
put_uninit(struct put *put)
{
    put_leave_all(put);
    free(put->entered);
    for (size_t i = 0; i < put->n_ports; i++) {
        free(put->ports[i].name);
        free(put->ports[i].type);
    }
    free(put->ports);
}

static bool
put_output(odp_port_t port_no, int growth, uint16_t *port_id,
           struct offload_refusal *refusal, void *put_)
{
    struct put *put = put_;
    const struct put_port *pp = put_find(put, port_no);
    uint16_t domain;

    if (!pp || !pp->name) {
        /* Open vSwitch offers internal and tap ports to no provider. */
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_UNKNOWN,
                                    OFFLOAD_PORT_NUMBER_FORMAT, port_no);
    }
    if (pp->no_representor) {
        return offload_refuse_words(refusal,
                                    OFFLOAD_REFUSAL_PORT_NO_REPRESENTOR,
                                    "%s", pp->name);
    }
    if (strcmp(pp->type, "dpdk") && strcmp(pp->type, "dpdkvdpa")) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_CLASS,
                                    "%s, type %s", pp->name, pp->type);
    }
    if (pp->served && !put_enter(put, pp->port)
        && !offload_port_is_gone(pp->port)) {
        /* It will be back. */
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_NIC_RESTART,
                                    "%s", pp->name);
    }
    if (!pp->served || offload_port_is_gone(pp->port)) {
        /* Being removed. */
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_UNKNOWN,
                                    "%s", pp->name);
    }

    if (!get_switch_domain(pp->port_id, &domain, refusal)) {
        return false;
    }
    if (domain != put->domain) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_OTHER_NIC,
                                    "%s", pp->name);
    }
    /* Packets of a tunnel may come by any port: see put_enter_physical(). */
    if (!offload_port_settings_check_output(put->place.tunnel == ODPP_NONE
                                            ? put->ties->port : NULL,
                                            pp->port, growth, refusal)) {
        return false;
    }
    *port_id = pp->port_id;
    offload_ties_add_output(put->ties, pp->port);
    return true;
}

/* Packets that recirculate stay packets of their tunnel. */
static bool
put_jump(uint32_t recirc_id, odp_port_t tnl_port, bool hash_gone,
         uint32_t *group, struct offload_refusal *refusal, void *put_)
{
    struct put *put = put_;
    struct offload_place place = {
        .recirc_id = recirc_id,
        .tunnel = recirc_id ? put->place.tunnel : tnl_port,
    };
    struct offload_group *target;

    if (!recirc_id) {
        const struct put_port *pp = put_find(put, tnl_port);

        if (!pp || !pp->served || put->place.tunnel != ODPP_NONE) {
            return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_TNL_POP);
        }
    }
    target = offload_group_ref(put->domain, &place);
    if (!target) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_GROUP);
    }
    if (offload_group_add_miss(target, put->ties->port, put->port_id,
                               refusal)) {
        offload_group_unref(target);
        return false;
    }
    if (hash_gone) {
        offload_group_set_hash_gone(target);
    }
    if (!recirc_id) {
        /* The tunnel's megaflows may have waited for a port. */
        want_retry_refused();
    }
    put->ties->target = target;
    put->target = place;
    *group = offload_group_number(target);
    return true;
}

static bool
put_meter(uint32_t id, uint32_t *mtr_id, struct offload_refusal *refusal,
          void *put_)
{
    struct put *put = put_;
    struct offload_meter *meter;

    meter = offload_meter_ref(put->domain, id, mtr_id, refusal);
    if (meter) {
        offload_ties_add_meter(put->ties, meter);
    }
    return meter != NULL;
}

/* What collectors are told of a packet includes its tunnel, which the copy of
 * a packet that was taken out of one does not show. */
static bool
put_userspace(const struct nlattr *userspace, uint32_t *mark,
              uint16_t *port_id, struct offload_refusal *refusal, void *put_)
{
    struct put *put = put_;
    struct offload_sample *sample;

    if (put->place.tunnel != ODPP_NONE) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_USERSPACE);
    }
    sample = offload_sample_ref(userspace, put->place.recirc_id, refusal);
    if (!sample) {
        return false;
    }
    offload_ties_add_sample(put->ties, sample);
    *mark = offload_sample_mark(sample);
    *port_id = put->port_id;
    return true;
}

static const struct offload_actions_ops put_ops = {
    .output = put_output,
    .jump = put_jump,
    .meter = put_meter,
    .userspace = put_userspace,
};

/* Enters a port by which packets of the megaflow get into the NIC, and returns
 * it and its ethdev: the megaflow's, or, if that is a tunnel's, the one that
 * the packet came by which made the megaflow, or one whose packets are sent
 * into the tunnel's group.  A rule in that group is for packets from all
 * ports. */
static struct offload_port *
put_enter_physical(struct put *put, odp_port_t in_port,
                   odp_port_t orig_in_port, bool is_tunnel)
{
    const struct put_port *pp = put_find(put, is_tunnel ? orig_in_port
                                         : in_port);
    struct offload_port *port;

    if (pp && pp->served && pp->port_id >= 0 && put_enter(put, pp->port)) {
        put->port_id = pp->port_id;
        return pp->port;
    }
    if (!is_tunnel) {
        return NULL;
    }
    port = offload_group_enter_port(&put->place);
    if (port) {
        int port_id = offload_port_id(port);

        put_add_entered(put, port);
        if (port_id < 0) {
            return NULL;
        }
        put->port_id = port_id;
    }
    return port;
}

/* Checks that packets come to where 'flow' is to have its rule, or else has it
 * wait for that. */
static bool
check_reached(struct offload_flow *flow, const struct put *put,
              struct offload_refusal *refusal)
    OVS_REQUIRES(flow->mutex)
{
    if (!put->ties->group
        || offload_reach_check(flow, put->ties->group, put->domain,
                               &put->place, put->ties->port)) {
        return true;
    }
    return (put->place.recirc_id
            ? offload_refuse_words(refusal, OFFLOAD_REFUSAL_NOT_REACHED,
                                   "recirc_id %#"PRIx32,
                                   put->place.recirc_id)
            : offload_refuse_words(refusal, OFFLOAD_REFUSAL_NOT_REACHED, "%s",
                                   netdev_get_name(flow->port->netdev)));
}

/* Makes a rule in one form.  On failure 'put->ties' has what is to be
 * cleared. */
static int
make_rule(struct offload_flow *flow, const struct match *match,
          const struct nlattr *actions, size_t actions_len,
          struct offload_form_trial *trial, struct put *put,
          struct offload_refusal *refusal, bool *again)
    OVS_REQUIRES(flow->mutex)
{
    struct offload_match_params params = {
        .port_id = put->port_id,
        .tunnel = flow->port->is_tunnel ? flow->port->netdev : NULL,
        .forms = trial->forms,
    };
    struct offload_group *group = put->ties->group;
    struct rte_flow_attr attr;
    struct offload_actions oa;
    struct offload_match om;
    unsigned int used;
    int error;

    *again = false;
    if (!offload_match_init(&om, match, &params, refusal)
        || !offload_actions_init(&oa, actions, actions_len, &om, trial->forms,
                                 &put_ops, put, refusal)) {
        return EOPNOTSUPP;
    }

    offload_rule_attr(&attr, group ? offload_group_number(group) : 0);
    used = om.forms_used | oa.forms_used;
    if (!check_reached(flow, put, refusal)) {
        error = EOPNOTSUPP;
    } else if (!offload_form_check_shape(put->domain, &attr, om.items,
                                         oa.actions, refusal)) {
        error = ENOTSUP;
    } else {
        error = offload_rule_create(netdev_get_name(put->ties->port->netdev),
                                    put->port_id, attr.group, &om, &oa,
                                    &flow->rule, refusal);
        if (error == ENOTSUP) {
            offload_form_learn_shape(put->domain, &attr, om.items,
                                     oa.actions, refusal->words);
        }
    }
    if (!error) {
        if (put->ties->target) {
            offload_reach_found(put->domain, &put->target, put->ties->port);
        }
        offload_form_trial_succeed(trial, used);
    } else if (refusal->code == OFFLOAD_REFUSAL_NIC) {
        *again = offload_form_trial_next(trial, used);
    }
    return error;
}

/* Returns true if a meter of the rule of 'flow', which others can find now,
 * was changed while the rule was made. */
static bool
has_stale_meter(const struct offload_flow *flow)
    OVS_REQUIRES(flow->mutex)
{
    for (size_t i = 0; i < flow->ties.n_meters; i++) {
        if (!offload_meter_is_current(flow->ties.meters[i])) {
            return true;
        }
    }
    return false;
}

/* Makes a rule for 'flow', which has none, of 'match' and 'actions', in
 * whatever form the NIC takes.  Returns 0, or a positive errno and
 * '*refusal'. */
static int
offload_flow_make_rule(struct offload_flow *flow, const struct match *match,
                       const struct nlattr *actions, size_t actions_len,
                       struct put *put, struct offload_refusal *refusal)
    OVS_REQUIRES(flow->mutex)
{
    bool is_tunnel = flow->port->is_tunnel;
    struct offload_form_trial trial;
    struct offload_port *port;
    bool again = true;
    int error = 0;

    put->flow = flow;
    put->ties = &flow->ties;
    put->place.recirc_id = match->flow.recirc_id;
    put->place.tunnel = (is_tunnel ? match->flow.in_port.odp_port
                         : ODPP_NONE);

    if (!put_enter(put, flow->port)) {
        offload_refuse(refusal, OFFLOAD_REFUSAL_NIC_RESTART);
        return EOPNOTSUPP;
    }
    port = put_enter_physical(put, match->flow.in_port.odp_port,
                              flow->orig_in_port, is_tunnel);
    if (!port) {
        offload_refuse(refusal, is_tunnel ? OFFLOAD_REFUSAL_MATCH_TUNNEL_PORT
                       : OFFLOAD_REFUSAL_NIC_RESTART);
        return EOPNOTSUPP;
    }
    if (!get_switch_domain(put->port_id, &put->domain, refusal)
        || (!is_tunnel
            && !offload_port_settings_check_input(port, refusal))) {
        return EOPNOTSUPP;
    }

    offload_form_trial_init(&trial, put->domain);
    while (again) {
        struct offload_refusal trial_refusal;

        flow->ties.port = port;
        if (put->place.recirc_id || put->place.tunnel != ODPP_NONE) {
            flow->ties.group = offload_group_ref(put->domain, &put->place);
            if (!flow->ties.group) {
                offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_GROUP);
                offload_ties_clear(&flow->ties);
                return EOPNOTSUPP;
            }
        }
        error = make_rule(flow, match, actions, actions_len, &trial, put,
                          &trial_refusal, &again);
        if (!error) {
            return 0;
        }
        offload_ties_clear(&flow->ties);
        if (trial.n <= 1) {
            /* What the NIC says of the form that is tried first tells users
             * most. */
            *refusal = trial_refusal;
        }
    }
    return error;
}

/* Puts 'flow' into the NIC, or, if it is there, gives it other actions.  The
 * old rule goes first: a NIC may refuse a second rule with the same match, or
 * take either for packets.  In between packets go to software, which has the
 * new actions already. */
static void
offload_flow_put(struct offload_flow *flow, const struct match *match,
                 const struct nlattr *actions, size_t actions_len,
                 odp_port_t orig_in_port, struct put *put)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    struct offload_port *port = flow->port;
    struct offload_refusal refusal;
    bool modify = flow->rule != NULL;
    int error;

    flow->orphan = false;
    if (modify && flow->actions && flow->actions_len == actions_len
        && !memcmp(flow->actions, actions, actions_len)
        && !offload_flow_count(flow)) {
        /* Another PMD thread's copy of the megaflow. */
        return;
    }
    error = offload_flow_drop_rule(flow);
    if (error) {
        offload_refuse_words(&refusal, OFFLOAD_REFUSAL_NIC_STUCK, "%s",
                             ovs_strerror(error));
    }

    offload_flow_set_megaflow(flow, match, actions, actions_len,
                              orig_in_port);
    if (!error) {
        error = offload_flow_make_rule(flow, match, actions, actions_len, put,
                                       &refusal);
    }
    if (!error || refusal.code != OFFLOAD_REFUSAL_MATCH_TUNNEL_PORT
        || offload_flow_refusal(flow) != OFFLOAD_REFUSAL_INPUT_REMOVED) {
        offload_flow_set_state(flow, error ? &refusal : NULL);
    } /* Otherwise there is still no other port: the reason is the same. */
    if (error && refusal.code == OFFLOAD_REFUSAL_NIC_FULL) {
        offload_retry_add(flow, OFFLOAD_RETRY_ROOM);
    } else if (error && refusal.code == OFFLOAD_REFUSAL_NIC_RESTART) {
        offload_retry_add(flow, OFFLOAD_RETRY_LATER);
    } else if (!error && has_stale_meter(flow)) {
        offload_flow_lose_rule_and_retry(flow, OFFLOAD_REFUSAL_ACTION_METER);
    }
    put_leave_all(put);

    offload_lock(&port->mutex, PORT);
    port->n_puts++;
    port->n_refusals += error != 0;
    offload_unlock(&port->mutex, PORT);

    if (error) {
        COVERAGE_INC(offload_flow_refused);
        VLOG_DBG_RL(&debug_rl, "%s: ufid "UUID_FMT" refused: %s: %s%s%s",
                    netdev_get_name(port->netdev),
                    UUID_ARGS((struct uuid *) &flow->ufid),
                    offload_refusal_code(refusal.code),
                    offload_refusal_sentence(refusal.code),
                    refusal.words[0] ? ": " : "", refusal.words);
    } else if (modify) {
        COVERAGE_INC(offload_flow_modify);
    } else {
        COVERAGE_INC(offload_flow_add);
    }
}

/* Records whose time has come. */

/* What is to be offered. */
struct offer {
    struct match match;
    struct nlattr *actions;
    size_t actions_len;
    odp_port_t orig_in_port;
    unsigned int version;
};

/* Looks after 'flow' as far as that needs no port.  Returns true if it is to
 * be offered, as '*offer'. */
static bool
tend_prepare(struct offload_flow *flow, struct offer *offer)
    OVS_EXCLUDED(flow->mutex)
{
    const struct nlattr *new = NULL;
    size_t new_len = 0;
    bool wanted = false;

    offload_lock(&flow->mutex, FLOW);
    if (flow->dead) {
        goto out;
    }
    if (flow->orphan) {
        offload_flow_end(flow);
        goto out;
    }
    if (flow->leaving && offload_flow_drop_rule(flow)) {
        goto out;
    }
    if (flow->actions) {
        bool same = offload_copies_have_actions(&flow->copies, flow->actions,
                                                flow->actions_len, &new,
                                                &new_len);

        wanted = !flow->rule || !same;
        if (wanted) {
            minimatch_expand(&flow->match, &offer->match);
            offer->actions_len = same ? flow->actions_len : new_len;
            offer->actions = xmalloc(MAX(offer->actions_len, 1));
            memcpy(offer->actions, same ? flow->actions : new,
                   offer->actions_len);
            offer->orig_in_port = flow->orig_in_port;
            offer->version = flow->version;
        }
    }
out:
    offload_unlock(&flow->mutex, FLOW);
    return wanted;
}

static void
tend(struct offload_flow *flow)
{
    struct offload_port *port = flow->port;
    struct put put = { .n_ports = 0 };
    struct offer offer;

    if (!tend_prepare(flow, &offer)) {
        return;
    }
    put_look_up(&put, offer.match.flow.in_port.odp_port, port->dpif_type);
    put_look_up(&put, offer.orig_in_port, port->dpif_type);
    put_look_up_actions(&put, offer.actions, offer.actions_len,
                        port->dpif_type);

    offload_lock(&flow->mutex, FLOW);
    if (!flow->dead && !flow->orphan && flow->version == offer.version) {
        COVERAGE_INC(offload_flow_retry);
        offload_flow_put(flow, &offer.match, offer.actions, offer.actions_len,
                         offer.orig_in_port, &put);
    }
    offload_unlock(&flow->mutex, FLOW);
    put_uninit(&put);
    free(offer.actions);
}

static void *
tend_main(void *arg OVS_UNUSED)
{
    long long int next = 0;

    for (;;) {
        uint64_t seq = offload_retry_seq();
        bool yes = true;
        struct offload_flow *flow;

        if (atomic_compare_exchange_strong(&retry_refused, &yes, false)) {
            offload_flows_retry_refused();
        }

        while ((flow = offload_retry_pop())) {
            tend(flow);
            offload_flow_unref(flow);
            ovsrcu_quiesce();
        }
        if (time_msec() >= next) {
            offload_flows_retry_orphans();
            offload_groups_retry();
            next = time_msec() + OFFLOAD_RETRY_MS;
        }
        coverage_try_clear();

        offload_retry_wait(seq);
        poll_timer_wait_until(next);
        poll_block();
    }
    return NULL;
}

/* netdev_flow_api. */

/* Succeeds for a refused megaflow too: dpif-netdev would forget a megaflow
 * whose put or modification failed, and neither tell of its end nor of what it
 * is modified to later.  That it is not in the NIC is told by flow_get(). */
static int
offload_provider_flow_put(struct netdev *netdev, struct match *match,
                          struct nlattr *actions, size_t actions_len,
                          const ovs_u128 *ufid,
                          struct offload_info *info,
                          struct dpif_flow_stats *stats)
{
    struct offload_port *port = offload_port_get(netdev);
    struct put put = { .n_ports = 0 };
    struct offload_flow *flow;
    bool dead;

    if (!port || offload_port_is_gone(port)) {
        return EOPNOTSUPP;
    }
    put_look_up(&put, match->flow.in_port.odp_port, port->dpif_type);
    put_look_up(&put, info->orig_in_port, port->dpif_type);
    put_look_up_actions(&put, actions, actions_len, port->dpif_type);

    /* A record that is removed meanwhile is of no use: take another. */
    do {
        flow = offload_flow_obtain(port, ufid);
        offload_lock(&flow->mutex, FLOW);
        dead = flow->dead;
        if (!dead) {
            offload_copies_add(&flow->copies, ufid);
            offload_flow_put(flow, match, actions, actions_len,
                             info->orig_in_port, &put);
            if (stats) {
                offload_flow_tell_stats(flow, ufid, stats);
            }
            if (offload_port_is_gone(port)) {
                /* Its other records have gone meanwhile. */
                offload_flow_purge(flow);
            }
        }
        offload_unlock(&flow->mutex, FLOW);
        offload_flow_unref(flow);
    } while (dead);
    put_uninit(&put);

    /* Offload threads have no poll loop that would publish their counts. */
    coverage_try_clear();
    return 0;
}

/* Returns ENOENT for megaflows that were never here, or are no longer. */
static int
offload_provider_flow_del(struct netdev *netdev, const ovs_u128 *ufid,
                          struct dpif_flow_stats *stats)
{
    struct offload_port *port = offload_port_get(netdev);
    struct offload_flow *flow;
    int error = 0;

    if (!port) {
        return ENOENT;
    }
    flow = offload_flow_find(port, ufid);
    if (!flow) {
        return ENOENT;
    }

    offload_lock(&flow->mutex, FLOW);
    if (flow->dead) {
        error = ENOENT;
    } else {
        COVERAGE_INC(offload_flow_delete);
        if (stats) {
            offload_flow_tell_stats(flow, ufid, stats);
        }
        offload_flow_end(flow);
    }
    offload_unlock(&flow->mutex, FLOW);
    offload_flow_unref(flow);
    return error;
}

/* Fills all of '*stats' and '*attrs', which come uninitialized.  'match',
 * 'actions' and 'buf' are not looked at by dpif-netdev, who knows them. */
static int
offload_provider_flow_get(struct netdev *netdev,
                          struct match *match OVS_UNUSED,
                          struct nlattr **actions OVS_UNUSED,
                          const ovs_u128 *ufid,
                          struct dpif_flow_stats *stats,
                          struct dpif_flow_attrs *attrs,
                          struct ofpbuf *buf OVS_UNUSED)
{
    struct offload_port *port = offload_port_get(netdev);
    struct offload_flow *flow;
    int error = 0;

    memset(stats, 0, sizeof *stats);
    memset(attrs, 0, sizeof *attrs);
    attrs->dp_layer = "ovs";

    flow = port ? offload_flow_find(port, ufid) : NULL;
    if (!flow) {
        return ENOENT;
    }

    offload_lock(&flow->mutex, FLOW);
    if (flow->dead) {
        error = ENOENT;
        goto out;
    }
    offload_copies_add(&flow->copies, ufid);
    error = offload_flow_count(flow);
    if (flow->rule) {
        const struct nlattr *new;
        size_t new_len;

        if (error == ENODEV) {
            offload_flow_lose_rule(flow, OFFLOAD_REFUSAL_NIC_GONE);
        } else if (error) {
            offload_flow_lose_rule_and_retry(flow,
                                             OFFLOAD_REFUSAL_NIC_RESTART);
        } else if (flow->actions
                   && !offload_copies_have_actions(&flow->copies,
                                                   flow->actions,
                                                   flow->actions_len,
                                                   &new, &new_len)) {
            /* The rule's are those of a copy that is dead, whose successor
             * dpif-netdev did not offer. */
            offload_retry_add(flow, OFFLOAD_RETRY_LATER);
        }
    }
    if (flow->rule && flow->ties.group
        && !offload_group_is_reached(flow->ties.group, flow->ties.port)) {
        offload_flow_lose_rule_and_retry(flow, OFFLOAD_REFUSAL_NOT_REACHED);
    }
    offload_flow_tell_stats(flow, ufid, stats);
    error = 0;
    if (flow->rule) {
        attrs->offloaded = true;
        attrs->dp_layer = "dpdk";
    } else if (!stats->n_packets) {
        error = ENOENT;
    }
out:
    offload_unlock(&flow->mutex, FLOW);
    offload_flow_unref(flow);
    return error;
}

/* Called in each offload thread when a port is removed: nothing else has it
 * called. */
static int
offload_provider_flow_flush(struct netdev *netdev)
{
    struct offload_port *port = offload_port_get(netdev);

    if (!port) {
        return EOPNOTSUPP;
    }
    if (offload_port_close_for_good(port)) {
        offload_flows_purge_port(port);
    }
    return 0;
}

static int
offload_provider_flow_get_n_flows(struct netdev *netdev, uint64_t *n_flows)
{
    struct offload_port *port = offload_port_get(netdev);

    if (!port) {
        return EOPNOTSUPP;
    }
    offload_lock(&port->mutex, PORT);
    memcpy(n_flows, port->n_in_nic,
           netdev_offload_thread_nb() * sizeof *n_flows);
    offload_unlock(&port->mutex, PORT);
    return 0;
}

/* Tunnel ports only of the userspace datapath; those of the kernel's are
 * another provider's. */
static int
offload_provider_init_flow_api(struct netdev *netdev)
{
    bool is_tunnel = offload_tunnel_type_of(netdev) != OFFLOAD_TUNNEL_NONE;

    if (is_tunnel ? strcmp(netdev_get_dpif_type(netdev), "netdev")
        : netdev_is_dpdkvdpa(netdev)
        ? !netdev_dpdkvdpa_has_representor(netdev)
        : strcmp(netdev_get_type(netdev), "dpdk")) {
        return EOPNOTSUPP;
    }

    offload_port_create(netdev, is_tunnel);
    want_retry_refused();
    return 0;
}

/* dpif-netdev has flushed already, or offload_provider_reconfigured() has done
 * so, so that there is nothing left to be done that takes long: if this is the
 * last netdev_close(), netdev_mutex is held. */
static void
offload_provider_uninit_flow_api(struct netdev *netdev)
{
    struct offload_port *port = offload_port_get(netdev);

    if (port) {
        if (offload_port_close_for_good(port)) {
            offload_flows_purge_port(port);
        }
        offload_port_destroy(port);
    }
}

const struct netdev_flow_api offload_provider_api = {
    .type = "dpdk_flow_api",
    .flow_put = offload_provider_flow_put,
    .flow_del = offload_provider_flow_del,
    .flow_get = offload_provider_flow_get,
    .flow_flush = offload_provider_flow_flush,
    .flow_get_n_flows = offload_provider_flow_get_n_flows,
    .hw_miss_packet_recover = offload_miss_recover,
    .init_flow_api = offload_provider_init_flow_api,
    .uninit_flow_api = offload_provider_uninit_flow_api,
};

/* Returns the port of 'netdev', or NULL if it is not served. */
static struct offload_port *
get_served_port(struct netdev *netdev)
{
    return is_served(netdev) ? offload_port_get(netdev) : NULL;
}

/* Open vSwitch has the NIC forget rules when it stops a port to reconfigure
 * it, unless the driver keeps them. */
void
offload_provider_reconfigure(struct netdev *netdev)
{
    struct offload_port *port = get_served_port(netdev);
    int port_id;

    if (!port || port->is_tunnel) {
        return;
    }
    port_id = netdev_dpdk_get_port_id(netdev);
    if (port_id >= 0 && !offload_ethdev_keeps_rules(port_id)) {
        offload_port_close(port);
        offload_flows_lose_port(port);
    }
}

/* dpif-netdev destroys a port that could not be reconfigured without a word,
 * and goes on offering megaflows that output to it. */
void
offload_provider_reconfigured(struct netdev *netdev, int error)
{
    struct offload_port *port = get_served_port(netdev);

    if (port && error && error != EOPNOTSUPP) {
        if (offload_port_close_for_good(port)) {
            offload_flows_purge_port(port);
        }
        netdev_uninit_flow_api(netdev);
    } else if (port && !port->is_tunnel) {
        offload_port_open(port);
    }
    if (!error && !strncmp(netdev_get_type(netdev), "dpdk", 4)) {
        /* A NIC's device has come (back). */
        want_retry_refused();
    }
}

void
offload_provider_settings_changed(struct netdev *netdev)
{
    struct offload_port *port = get_served_port(netdev);

    if (port) {
        offload_port_settings_run(port);
    }
}

static bool
add_name(struct offload_port *port, void *names_)
{
    struct sset *names = names_;

    sset_add(names, netdev_get_name(port->netdev));
    return true;
}

void
offload_provider_all_settings_changed(void)
{
    struct sset names = SSET_INITIALIZER(&names);
    const char *name;

    offload_ports_for_each(add_name, &names);
    SSET_FOR_EACH (name, &names) {
        struct netdev *netdev = netdev_from_name(name);

        if (netdev) {
            offload_provider_settings_changed(netdev);
            netdev_close(netdev);
        }
    }
    sset_destroy(&names);
}

void
offload_provider_set_policed(struct netdev *netdev, bool policed)
{
    struct offload_port *port = get_served_port(netdev);

    if (port) {
        offload_port_settings_set_policed(port, policed);
    }
}

void
offload_provider_init(void)
{
    dpdkvdpa_unixctl_init();
    offload_ethdev_init();
    ovs_thread_create("offload_tend", tend_main, NULL);
}
