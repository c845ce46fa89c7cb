/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-rule.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "coverage.h"
#include "offload-actions.h"
#include "offload-ethdev.h"
#include "offload-form.h"
#include "offload-match.h"
#include "offload-refusal.h"
#include "offload-rule-format.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(offload_rule);

COVERAGE_DEFINE(offload_rule_create);
COVERAGE_DEFINE(offload_rule_destroy);
COVERAGE_DEFINE(offload_rule_query);
COVERAGE_DEFINE(offload_rule_nic_error);
COVERAGE_DEFINE(offload_rule_forgotten);

/* A NIC that is out of order fails each operation: a few lines will do. */
static struct vlog_rate_limit error_rl = VLOG_RATE_LIMIT_INIT(1, 5);
static struct vlog_rate_limit debug_rl = VLOG_RATE_LIMIT_INIT(600, 600);

struct offload_rule {
    struct offload_ethdev ethdev;       /* That it was made by. */
    struct rte_flow *flow;
    size_t overhead;            /* Bytes of each packet that do not count:
                                 * the outer headers of a tunnel. */
    char *text;
};

void
offload_rule_attr(struct rte_flow_attr *attr, uint32_t group)
{
    *attr = (struct rte_flow_attr) {
        .group = group,
        .transfer = 1,
    };
}

static const char *
nic_words(const struct rte_flow_error *error, int err)
{
    return error->message ? error->message : ovs_strerror(err);
}

/* Returns the errno of an rte_flow function that failed.  A driver that sets
 * none has refused all the same. */
static int
flow_errno(void)
{
    return rte_errno ? rte_errno : EINVAL;
}

static void
refuse_by_nic(struct offload_refusal *refusal, bool gone, int err,
              const char *words)
{
    enum offload_refusal_code code;

    code = (gone ? OFFLOAD_REFUSAL_NIC_GONE
            : err == EEXIST ? OFFLOAD_REFUSAL_NIC_DUPLICATE
            : err == ENOSPC || err == ENOMEM ? OFFLOAD_REFUSAL_NIC_FULL
            : OFFLOAD_REFUSAL_NIC);
    offload_refuse_words(refusal, code, "%s", words);
}

static char *
rule_to_text(uint16_t port_id, const struct rte_flow_attr *attr,
             const struct rte_flow_item *items,
             const struct rte_flow_action *actions)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    offload_rule_format(&s, port_id, attr, items, actions);
    return ds_steal_cstr(&s);
}

static int
create_rule(const char *name, uint16_t port_id,
            const struct rte_flow_attr *attr,
            const struct rte_flow_item *items,
            const struct rte_flow_action *actions,
            struct offload_rule **rulep, struct offload_refusal *refusal)
{
    struct offload_ethdev ethdev = offload_ethdev_get(port_id);
    struct rte_flow_error error;
    struct rte_flow *flow;
    char *text;

    *rulep = NULL;
    memset(&error, 0, sizeof error);
    rte_errno = 0;
    flow = rte_flow_create(port_id, attr, items, actions, &error);
    if (!flow) {
        int err = flow_errno();
        bool gone = offload_ethdev_is_gone(&ethdev);

        refuse_by_nic(refusal, gone, err, nic_words(&error, err));
        COVERAGE_INC(offload_rule_nic_error);
        if (!VLOG_DROP_DBG(&debug_rl)) {
            text = rule_to_text(port_id, attr, items, actions);
            VLOG_DBG("%s: %s: %s", name, refusal->words, text);
            free(text);
        }
        if (gone) {
            VLOG_WARN_RL(&error_rl, "%s: the NIC can't take rules: %s", name,
                         refusal->words);
        }
        return gone ? ENODEV : err;
    }

    COVERAGE_INC(offload_rule_create);
    text = rule_to_text(port_id, attr, items, actions);
    VLOG_DBG_RL(&debug_rl, "%s: created: %s", name, text);
    *rulep = xmalloc(sizeof **rulep);
    **rulep = (struct offload_rule) {
        .ethdev = ethdev,
        .flow = flow,
        .text = text,
    };
    return 0;
}

int
offload_rule_create(const char *name, uint16_t port_id, uint32_t group,
                    const struct offload_match *om,
                    const struct offload_actions *oa,
                    struct offload_rule **rulep,
                    struct offload_refusal *refusal)
{
    struct rte_flow_attr attr;
    int error;

    offload_rule_attr(&attr, group);
    error = create_rule(name, port_id, &attr, om->items, oa->actions, rulep,
                        refusal);
    if (!error) {
        (*rulep)->overhead = om->tunnel.header_len;
    }
    return error;
}

int
offload_rule_create_miss(const char *name, uint16_t port_id, bool any,
                         uint32_t group, uint32_t mark, uint16_t domain,
                         struct offload_rule **rulep,
                         struct offload_refusal *refusal)
{
    struct rte_flow_action_mark mark_conf = { .id = mark };
    struct rte_flow_action_ethdev ethdev_conf = { .port_id = port_id };
    struct rte_flow_action_count count_conf = { .id = 0 };
    /* Nobody wants the count: a rule that has one can be asked whether it is
     * there. */
    struct rte_flow_action actions[] = {
        { .type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &count_conf },
        { .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark_conf },
        { .type = RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR,
          .conf = &ethdev_conf },
        { .type = RTE_FLOW_ACTION_TYPE_END },
    };
    struct rte_flow_item_ethdev port_spec = { .port_id = port_id };
    struct rte_flow_item_ethdev port_mask = { .port_id = UINT16_MAX };
    struct rte_flow_item_port_id id_spec = { .id = port_id };
    struct rte_flow_item_port_id id_mask = { .id = UINT32_MAX };
    struct offload_form_trial trial;
    struct rte_flow_attr attr;
    int error;

    offload_rule_attr(&attr, group);
    attr.priority = 1;
    offload_form_trial_init(&trial, domain);
    do {
        bool by_id = trial.forms & OFFLOAD_FORM_ITEM_PORT_ID;
        struct rte_flow_item items[] = {
            { .type = by_id ? RTE_FLOW_ITEM_TYPE_PORT_ID
                      : RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT,
              .spec = any ? NULL : by_id ? (void *) &id_spec : &port_spec,
              .mask = any ? NULL : by_id ? (void *) &id_mask : &port_mask },
            { .type = RTE_FLOW_ITEM_TYPE_END },
        };

        error = create_rule(name, port_id, &attr, items, actions, rulep,
                            refusal);
    } while (error && error != ENODEV
             && offload_form_trial_next(&trial, OFFLOAD_FORM_ITEM_PORT_ID));
    if (!error) {
        offload_form_trial_succeed(&trial, OFFLOAD_FORM_ITEM_PORT_ID);
    }
    return error;
}

int
offload_rule_destroy(struct offload_rule *rule)
{
    struct rte_flow_error error;

    memset(&error, 0, sizeof error);
    rte_errno = 0;
    if (offload_ethdev_is_current(&rule->ethdev)
        && rte_flow_destroy(rule->ethdev.port_id, rule->flow, &error)) {
        int err = flow_errno();

        COVERAGE_INC(offload_rule_nic_error);
        if (err != ENOENT && !offload_ethdev_is_gone(&rule->ethdev)) {
            VLOG_WARN_RL(&error_rl, "ethdev %u: the NIC did not remove a "
                         "rule: %s", rule->ethdev.port_id,
                         nic_words(&error, err));
            return err;
        }
    }

    COVERAGE_INC(offload_rule_destroy);
    offload_rule_abandon(rule);
    return 0;
}

void
offload_rule_abandon(struct offload_rule *rule)
{
    free(rule->text);
    free(rule);
}

const char *
offload_rule_text(const struct offload_rule *rule)
{
    return rule->text;
}

const struct offload_ethdev *
offload_rule_ethdev(const struct offload_rule *rule)
{
    return &rule->ethdev;
}

/* Returns true if an rte_flow_query() that failed with 'err' says nothing of
 * whether there is such a rule.  What drivers answer for one that they do not
 * know differs: ENOENT, EINVAL, EIO. */
static bool
is_passing_error(int err)
{
    return (err == EAGAIN || err == EBUSY || err == EINTR || err == ENOMEM
            || err == ETIMEDOUT || err == ENOTSUP || err == ENOSYS);
}

int
offload_rule_query(struct offload_rule *rule,
                   struct offload_rule_stats *stats)
{
    static const struct rte_flow_action_count count = { .id = 0 };
    static const struct rte_flow_action actions[] = {
        { .type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &count },
        { .type = RTE_FLOW_ACTION_TYPE_END },
    };
    struct rte_flow_query_count query;
    struct rte_flow_error error;

    if (!offload_ethdev_is_current(&rule->ethdev)) {
        return ENOENT;
    }
    memset(&query, 0, sizeof query);
    memset(&error, 0, sizeof error);
    rte_errno = 0;
    if (rte_flow_query(rule->ethdev.port_id, rule->flow, actions, &query,
                       &error)) {
        int err = flow_errno();

        COVERAGE_INC(offload_rule_nic_error);
        if (offload_ethdev_is_gone(&rule->ethdev)) {
            VLOG_WARN_RL(&error_rl, "ethdev %u: the NIC is gone: %s",
                         rule->ethdev.port_id, nic_words(&error, err));
            return ENODEV;
        }
        if (is_passing_error(err)) {
            VLOG_WARN_RL(&error_rl, "ethdev %u: the NIC did not tell a rule's "
                         "counters: %s", rule->ethdev.port_id,
                         nic_words(&error, err));
            return err;
        }
        VLOG_INFO_RL(&error_rl, "ethdev %u: the NIC has forgotten a rule, "
                     "which will be made again: %s", rule->ethdev.port_id,
                     nic_words(&error, err));
        COVERAGE_INC(offload_rule_forgotten);
        return ENOENT;
    }

    COVERAGE_INC(offload_rule_query);
    if (query.hits_set) {
        stats->n_packets = query.hits;
    }
    if (query.bytes_set) {
        stats->n_bytes = query.bytes - stats->n_packets * rule->overhead;
    }
    return 0;
}
