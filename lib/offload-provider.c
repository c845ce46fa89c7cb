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
#include "offload-flow.h"
#include "offload-form.h"
#include "offload-group.h"
#include "offload-match.h"
#include "offload-meter.h"
#include "offload-miss.h"
#include "offload-port-number.h"
#include "offload-reach.h"
#include "offload-refusal.h"
#include "offload-retry.h"
#include "offload-rule.h"
#include "offload-sample.h"
#include "offload-tunnel.h"
#include "openvswitch/match.h"
#include "openvswitch/vlog.h"
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

/* A megaflow on its way to a rule. */
struct put {
    const struct offload_flow *flow;
    const char *dpif_type;
    uint16_t domain;            /* The NIC where its packets are. */
    struct offload_place place; /* Where they are. */
    struct offload_place target;        /* Where its jump leads, if any. */
    struct offload_ties *ties;  /* Of the rule to be. */
};

static bool
resolve_netdev(const struct netdev *netdev, struct put *put, int growth,
               uint16_t *port_id, struct offload_refusal *refusal)
{
    const char *type = netdev_get_type(netdev);
    const char *name = netdev_get_name(netdev);
    uint16_t domain;
    int id;

    if (netdev_is_dpdkvdpa(netdev)
        && !netdev_dpdkvdpa_has_representor(netdev)) {
        return offload_refuse_words(refusal,
                                    OFFLOAD_REFUSAL_PORT_NO_REPRESENTOR,
                                    "%s", name);
    }
    if (!netdev_is_dpdkvdpa(netdev) && strcmp(type, "dpdk")) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_CLASS,
                                    "%s, type %s", name, type);
    }
    if (!is_served(netdev)) {
        /* Being removed: see flow_flush(). */
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_UNKNOWN,
                                    "%s", name);
    }

    id = netdev_dpdk_get_port_id(CONST_CAST(struct netdev *, netdev));
    if (!get_switch_domain(id, &domain, refusal)) {
        return false;
    }
    if (domain != put->domain) {
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_OTHER_NIC,
                                    "%s", name);
    }
    if (!offload_port_settings_check_output(put->ties->port,
                                            offload_port_get(netdev), growth,
                                            refusal)) {
        return false;
    }
    *port_id = id;
    offload_ties_add_output(put->ties, offload_port_get(netdev));
    return true;
}

static bool
put_output(odp_port_t port_no, int growth, uint16_t *port_id,
           struct offload_refusal *refusal, void *put_)
{
    struct put *put = put_;
    struct netdev *netdev;
    bool ok;

    netdev = netdev_ports_get(port_no, put->dpif_type);
    if (!netdev) {
        /* Open vSwitch offers internal and tap ports to no provider. */
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_UNKNOWN,
                                    OFFLOAD_PORT_NUMBER_FORMAT, port_no);
    }
    ok = resolve_netdev(netdev, put, growth, port_id, refusal);
    netdev_close(netdev);
    return ok;
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
        struct netdev *netdev = netdev_ports_get(tnl_port, put->dpif_type);
        bool served = netdev && is_served(netdev);

        netdev_close(netdev);
        if (!served || put->place.tunnel != ODPP_NONE) {
            return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_TNL_POP);
        }
    }
    target = offload_group_ref(put->domain, &place);
    if (!target) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_GROUP);
    }
    if (offload_group_add_miss(target, put->ties->port, refusal)) {
        offload_group_unref(target);
        return false;
    }
    if (hash_gone) {
        offload_group_set_hash_gone(target);
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
    struct offload_sample *sample = NULL;

    if (put->place.tunnel == ODPP_NONE) {
        sample = offload_sample_create(userspace, put->place.recirc_id);
    }
    if (!sample) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_USERSPACE);
    }
    offload_ties_add_sample(put->ties, sample);
    *mark = offload_sample_mark(sample);
    *port_id = netdev_dpdk_get_port_id(put->ties->port->netdev);
    return true;
}

static const struct offload_actions_ops put_ops = {
    .output = put_output,
    .jump = put_jump,
    .meter = put_meter,
    .userspace = put_userspace,
};

/* Returns the port by which the packets of 'flow' enter the NIC: that of the
 * megaflow or, if that is a tunnel's, the one that the packet came by which
 * made the megaflow.  Packets of the tunnel from elsewhere stay in
 * software. */
static struct offload_port *
get_physical_port(const struct offload_flow *flow, const char *dpif_type)
    OVS_REQUIRES(flow->mutex)
{
    struct offload_port *port = flow->port;

    if (port->is_tunnel) {
        struct netdev *netdev = netdev_ports_get(flow->orig_in_port,
                                                 dpif_type);

        port = netdev && is_served(netdev) ? offload_port_get(netdev) : NULL;
        netdev_close(netdev);
    }
    return port && !port->is_tunnel ? port : NULL;
}

/* Checks that packets come to where 'flow' is to have its rule, or else has it
 * wait for that. */
static bool
check_reached(struct offload_flow *flow, const struct put *put,
              struct offload_refusal *refusal)
    OVS_REQUIRES(flow->mutex)
{
    const struct offload_reach where = {
        put->domain, put->place, put->ties->port
    };

    if (!put->ties->group
        || offload_reach_check(flow, put->ties->group, &where)) {
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
    struct netdev *netdev = put->ties->port->netdev;
    struct offload_match_params params = {
        .port_id = netdev_dpdk_get_port_id(netdev),
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
        error = offload_rule_create(netdev, attr.group, &om, &oa, &flow->rule,
                                    refusal);
        if (error == ENOTSUP) {
            offload_form_learn_shape(put->domain, &attr, om.items,
                                     oa.actions, refusal->words);
        }
    }
    if (!error) {
        if (put->ties->target) {
            offload_reach_found(&(struct offload_reach) {
                put->domain, put->target, put->ties->port });
        }
        offload_form_trial_succeed(trial, used);
    } else if (refusal->code == OFFLOAD_REFUSAL_NIC) {
        *again = offload_form_trial_next(trial, used);
    }
    return error;
}

/* Makes a rule for 'flow', which has none, of 'match' and 'actions', in
 * whatever form the NIC takes.  Returns 0, or a positive errno and
 * '*refusal'. */
static int
offload_flow_make_rule(struct offload_flow *flow, const struct match *match,
                       const struct nlattr *actions, size_t actions_len,
                       struct offload_refusal *refusal)
    OVS_REQUIRES(flow->mutex)
{
    struct put put = {
        .flow = flow,
        .dpif_type = netdev_get_dpif_type(flow->port->netdev),
        .place = {
            .recirc_id = match->flow.recirc_id,
            .tunnel = (flow->port->is_tunnel ? match->flow.in_port.odp_port
                       : ODPP_NONE),
        },
        .ties = &flow->ties,
    };
    struct offload_port *port = get_physical_port(flow, put.dpif_type);
    struct offload_form_trial trial;
    bool again = true;
    int error = 0;

    if (!port) {
        offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_TUNNEL_PORT);
        return EOPNOTSUPP;
    }
    if (!get_switch_domain(netdev_dpdk_get_port_id(port->netdev), &put.domain,
                           refusal)
        || !offload_port_settings_check_input(port, refusal)) {
        return EOPNOTSUPP;
    }

    offload_form_trial_init(&trial, put.domain);
    while (again) {
        struct offload_refusal trial_refusal;

        flow->ties.port = port;
        if (put.place.recirc_id || put.place.tunnel != ODPP_NONE) {
            flow->ties.group = offload_group_ref(put.domain, &put.place);
            if (!flow->ties.group) {
                offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_GROUP);
                return EOPNOTSUPP;
            }
        }
        error = make_rule(flow, match, actions, actions_len, &trial, &put,
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
                 odp_port_t orig_in_port)
    OVS_REQUIRES(flow->mutex) OVS_EXCLUDED(flow->port->mutex)
{
    struct offload_port *port = flow->port;
    struct offload_refusal refusal;
    bool modify = flow->rule != NULL;
    int error = 0;

    if (modify) {
        if (flow->actions_len == actions_len
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
    }

    offload_flow_set_megaflow(flow, match, actions, actions_len,
                              orig_in_port);
    if (!error) {
        error = offload_flow_make_rule(flow, match, actions, actions_len,
                                       &refusal);
    }
    offload_flow_set_state(flow, error ? &refusal : NULL);
    if (error && refusal.code == OFFLOAD_REFUSAL_NIC_FULL) {
        offload_retry_add(flow, false);
    }

    ovs_mutex_lock(&port->mutex);
    port->n_puts++;
    port->n_refusals += error != 0;
    ovs_mutex_unlock(&port->mutex);

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

/* Offers a few megaflows again that were refused, or lost their rule, for a
 * reason that has passed.  The ports of all of them stay, since the caller has
 * dpif-netdev's port_rwlock. */
static void
run_retries(void)
{
    for (int i = 0; i < 4; i++) {
        struct offload_flow *flow = offload_retry_pop();

        if (!flow) {
            break;
        }
        ovs_mutex_lock(&flow->mutex);
        if (!flow->dead && !flow->rule && flow->actions
            && is_served(flow->port->netdev)) {
            struct nlattr *actions = xmemdup(flow->actions,
                                             MAX(flow->actions_len, 1));
            struct match match;

            minimatch_expand(&flow->match, &match);
            COVERAGE_INC(offload_flow_retry);
            offload_flow_put(flow, &match, actions, flow->actions_len,
                             flow->orig_in_port);
            free(actions);
        }
        ovs_mutex_unlock(&flow->mutex);
        offload_flow_unref(flow);
    }
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
    struct offload_flow *flow;
    bool dead;

    if (!port) {
        return EOPNOTSUPP;
    }
    offload_port_retry(port);

    /* A record that is removed meanwhile is of no use: take another. */
    do {
        flow = offload_flow_obtain(port, ufid);
        ovs_mutex_lock(&flow->mutex);
        dead = flow->dead;
        if (!dead) {
            offload_flow_put(flow, match, actions, actions_len,
                             info->orig_in_port);
            if (stats) {
                offload_flow_tell_stats(flow, stats);
            }
        }
        ovs_mutex_unlock(&flow->mutex);
        offload_flow_unref(flow);
    } while (dead);
    run_retries();

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
    offload_port_retry(port);
    flow = offload_flow_find(port, ufid);
    if (!flow) {
        return ENOENT;
    }

    ovs_mutex_lock(&flow->mutex);
    if (flow->dead) {
        error = ENOENT;
    } else {
        COVERAGE_INC(offload_flow_delete);
        if (flow->rule) {
            error = offload_flow_drop_rule(flow);
        }
        if (stats) {
            offload_flow_tell_stats(flow, stats);
        }
        offload_flow_remove(flow);
    }
    ovs_mutex_unlock(&flow->mutex);
    offload_flow_unref(flow);
    run_retries();
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

    ovs_mutex_lock(&flow->mutex);
    if (flow->rule && offload_flow_count(flow)) {
        offload_flow_lose_rule(flow, OFFLOAD_REFUSAL_NIC_GONE);
    }
    if (flow->rule && flow->ties.group
        && !offload_group_is_reached(flow->ties.group, flow->ties.port)) {
        offload_flow_lose_rule(flow, OFFLOAD_REFUSAL_NOT_REACHED);
        offload_retry_add(flow, true);
    }
    if (flow->dead) {
        error = ENOENT;
    } else if (flow->rule) {
        attrs->offloaded = true;
        attrs->dp_layer = "dpdk";
    } else if (!flow->past.n_packets) {
        error = ENOENT;
    }
    if (error) {
        offload_flow_get_stats(flow, stats);
    } else {
        offload_flow_tell_stats(flow, stats);
    }
    ovs_mutex_unlock(&flow->mutex);
    offload_flow_unref(flow);
    run_retries();
    return error;
}

/* Called in each offload thread when a port is removed.  Other threads may
 * still put megaflows until they come here too: the last one sees all. */
static int
offload_provider_flow_flush(struct netdev *netdev)
{
    struct offload_port *port = offload_port_get(netdev);

    if (!port) {
        return EOPNOTSUPP;
    }
    offload_port_purge(port);
    return 0;
}

static int
offload_provider_flow_get_n_flows(struct netdev *netdev, uint64_t *n_flows)
{
    struct offload_port *port = offload_port_get(netdev);

    if (!port) {
        return EOPNOTSUPP;
    }
    ovs_mutex_lock(&port->mutex);
    memcpy(n_flows, port->n_in_nic,
           netdev_offload_thread_nb() * sizeof *n_flows);
    ovs_mutex_unlock(&port->mutex);
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
    return 0;
}

/* dpif-netdev has flushed already, except when a whole datapath goes. */
static void
offload_provider_uninit_flow_api(struct netdev *netdev)
{
    struct offload_port *port = offload_port_get(netdev);

    if (port) {
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

/* OVS has the NIC forget rules when it stops a port to reconfigure it, unless
 * the driver keeps them. */
void
offload_provider_reconfigure(struct netdev *netdev)
{
    struct rte_eth_dev_info info;
    struct offload_port *port;
    int port_id;

    if (!is_served(netdev)) {
        return;
    }
    port = offload_port_get(netdev);
    port_id = netdev_dpdk_get_port_id(netdev);
    if (port && port_id >= 0 && !rte_eth_dev_info_get(port_id, &info)
        && !(info.dev_capa & RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP)) {
        offload_port_lose_rules(port);
    }
}

void
offload_provider_settings_changed(struct netdev *netdev)
{
    if (is_served(netdev)) {
        offload_port_settings_run(offload_port_get(netdev));
    }
}

void
offload_provider_set_policed(struct netdev *netdev, bool policed)
{
    if (is_served(netdev)) {
        offload_port_settings_set_policed(offload_port_get(netdev), policed);
    }
}

void
offload_provider_init(void)
{
    dpdkvdpa_unixctl_init();
}
