/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_flow.h>

#include "nicsim-flow.h"
#include "nicsim-flow-action.h"
#include "nicsim-mtr.h"
#include "nicsim-port.h"

/* How an action is translated.  Those without a function of their own copy
 * 'size' bytes of their configuration into nicsim_action.value. */
struct action_info {
    enum rte_flow_action_type type;
    enum nicsim_action_type hw_type;
    enum nicsim_field field;
    enum nicsim_form form;
    size_t size;                        /* 0: takes no configuration. */
    bool fate;
    int (*parse)(struct nicsim_actions *, const struct rte_flow_action *,
                 struct nicsim_action *);
};

int
nicsim_action_refuse(struct nicsim_actions *a,
                     const struct rte_flow_action *action,
                     enum rte_flow_error_type type, const char *why)
{
    char name[32];

    return nicsim_flow_refuse(
        a->error, ENOTSUP, type,
        type == RTE_FLOW_ERROR_TYPE_ACTION_CONF ? action->conf : action,
        "action %s: %s",
        nicsim_flow_action_name(action->type, name, sizeof name), why);
}

int
nicsim_action_refuse_conf(struct nicsim_actions *a,
                          const struct rte_flow_action *action,
                          const char *why)
{
    return nicsim_action_refuse(a, action, RTE_FLOW_ERROR_TYPE_ACTION_CONF,
                                why);
}

static int
parse_output(struct nicsim_actions *a, const struct rte_flow_action *action,
             uint32_t port_id, struct nicsim_action *hw)
{
    const char *why = nicsim_flow_find_vport(a->port, port_id, &hw->arg);

    return why ? nicsim_action_refuse_conf(a, action, why) : 0;
}

static int
parse_port_id(struct nicsim_actions *a, const struct rte_flow_action *action,
              struct nicsim_action *hw)
{
    const struct rte_flow_action_port_id *conf = action->conf;

    if (conf->original || conf->reserved) {
        return nicsim_action_refuse_conf(a, action, "there is no other port "
                                         "than the one with this id "
                                         "(original)");
    }
    return parse_output(a, action, conf->id, hw);
}

static int
parse_ethdev(struct nicsim_actions *a, const struct rte_flow_action *action,
             struct nicsim_action *hw)
{
    const struct rte_flow_action_ethdev *conf = action->conf;

    return parse_output(a, action, conf->port_id, hw);
}

static int
parse_jump(struct nicsim_actions *a, const struct rte_flow_action *action,
           struct nicsim_action *hw)
{
    const struct rte_flow_action_jump *conf = action->conf;

    if (conf->group > NICSIM_MAX_GROUP) {
        return nicsim_action_refuse_conf(a, action, "the NIC has no group of "
                                         "this number");
    }
    if (conf->group == a->attr->group || !conf->group) {
        return nicsim_action_refuse_conf(a, action, "leads to group 0 or to "
                                         "the rule's own group");
    }
    hw->arg = conf->group;
    return 0;
}

static int
parse_mark(struct nicsim_actions *a __rte_unused,
           const struct rte_flow_action *action, struct nicsim_action *hw)
{
    const struct rte_flow_action_mark *conf = action->conf;

    hw->arg = conf->id;
    return 0;
}

static int
parse_meta(struct nicsim_actions *a, const struct rte_flow_action *action,
           struct nicsim_action *hw)
{
    const struct rte_flow_action_set_meta *conf = action->conf;
    uint32_t value = rte_cpu_to_be_32(conf->data & conf->mask);
    uint32_t mask = rte_cpu_to_be_32(conf->mask);

    if (!mask) {
        return nicsim_action_refuse_conf(a, action, "sets no bits");
    }
    memcpy(hw->value, &value, sizeof value);
    memcpy(hw->mask, &mask, sizeof mask);
    return 0;
}

static int
parse_tag(struct nicsim_actions *a, const struct rte_flow_action *action,
          struct nicsim_action *hw)
{
    const struct rte_flow_action_set_tag *conf = action->conf;
    uint32_t value = rte_cpu_to_be_32(conf->data & conf->mask);
    uint32_t mask = rte_cpu_to_be_32(conf->mask);

    if (conf->index >= NICSIM_N_TAGS) {
        return nicsim_action_refuse_conf(a, action, "the NIC has no tag of "
                                         "this index");
    }
    if (!mask) {
        return nicsim_action_refuse_conf(a, action, "sets no bits");
    }
    hw->field += conf->index;
    memcpy(hw->value, &value, sizeof value);
    memcpy(hw->mask, &mask, sizeof mask);
    return 0;
}

static int
parse_meter(struct nicsim_actions *a, const struct rte_flow_action *action,
            struct nicsim_action *hw)
{
    const struct rte_flow_action_meter *conf = action->conf;

    hw->arg = nicsim_mtr_find(a->port, conf->mtr_id);
    return (hw->arg ? 0
            : nicsim_action_refuse_conf(a, action, "there is no meter with "
                                        "this id"));
}

static int
parse_pop_mpls(struct nicsim_actions *a __rte_unused,
               const struct rte_flow_action *action, struct nicsim_action *hw)
{
    const struct rte_flow_action_of_pop_mpls *conf = action->conf;

    hw->arg = rte_be_to_cpu_16(conf->ethertype);
    return 0;
}

static int
parse_dscp(struct nicsim_actions *a, const struct rte_flow_action *action,
           struct nicsim_action *hw)
{
    const struct rte_flow_action_set_dscp *conf = action->conf;

    if (conf->dscp > 63) {
        return nicsim_action_refuse_conf(a, action, "a DSCP has 6 bits");
    }
    hw->value[0] = conf->dscp;
    hw->mask[0] = 63;
    return 0;
}

static int
parse_push_vlan(struct nicsim_actions *a, const struct rte_flow_action *action,
                struct nicsim_action *hw)
{
    const struct rte_flow_action_of_push_vlan *conf = action->conf;

    hw->arg = rte_be_to_cpu_16(conf->ethertype);
    if (hw->arg != RTE_ETHER_TYPE_VLAN && hw->arg != RTE_ETHER_TYPE_QINQ) {
        return nicsim_action_refuse_conf(a, action, "a tag has type 0x8100 or "
                                         "0x88a8");
    }
    return 0;
}

static int
parse_vlan_vid(struct nicsim_actions *a, const struct rte_flow_action *action,
               struct nicsim_action *hw)
{
    const struct rte_flow_action_of_set_vlan_vid *conf = action->conf;

    hw->arg = rte_be_to_cpu_16(conf->vlan_vid);
    return (hw->arg > 4095
            ? nicsim_action_refuse_conf(a, action, "a VLAN id has 12 bits")
            : 0);
}

static int
parse_vlan_pcp(struct nicsim_actions *a, const struct rte_flow_action *action,
               struct nicsim_action *hw)
{
    const struct rte_flow_action_of_set_vlan_pcp *conf = action->conf;

    hw->arg = conf->vlan_pcp;
    return (hw->arg > 7
            ? nicsim_action_refuse_conf(a, action, "a priority has 3 bits")
            : 0);
}

#define ROW(TYPE, HW)                                                   \
    .type = RTE_FLOW_ACTION_TYPE_##TYPE, .hw_type = NICSIM_ACT_##HW
#define CONF(STRUCT) .size = sizeof(struct STRUCT)
#define SET(TYPE, FIELD, STRUCT)                                        \
    { ROW(TYPE, SET_FIELD), CONF(STRUCT), .field = NICSIM_F_##FIELD }

static const struct action_info action_infos[] = {
    { ROW(COUNT, COUNT) },
    { ROW(DROP, DROP), .fate = true },
    { ROW(PORT_ID, OUTPUT), CONF(rte_flow_action_port_id), .fate = true,
      .form = NICSIM_FORM_PORT_ID, .parse = parse_port_id },
    { ROW(REPRESENTED_PORT, OUTPUT), CONF(rte_flow_action_ethdev),
      .fate = true, .parse = parse_ethdev },
    { ROW(PORT_REPRESENTOR, TO_SOFTWARE), CONF(rte_flow_action_ethdev),
      .fate = true, .parse = parse_ethdev },
    { ROW(JUMP, JUMP), CONF(rte_flow_action_jump), .fate = true,
      .parse = parse_jump },
    { ROW(MARK, MARK), CONF(rte_flow_action_mark), .parse = parse_mark },
    { ROW(SET_META, SET_FIELD), CONF(rte_flow_action_set_meta),
      .field = NICSIM_F_META, .parse = parse_meta },
    { ROW(SET_TAG, SET_FIELD), CONF(rte_flow_action_set_tag),
      .field = NICSIM_F_TAG, .parse = parse_tag },
    SET(SET_MAC_SRC, ETH_SRC, rte_flow_action_set_mac),
    SET(SET_MAC_DST, ETH_DST, rte_flow_action_set_mac),
    SET(SET_IPV4_SRC, IPV4_SRC, rte_flow_action_set_ipv4),
    SET(SET_IPV4_DST, IPV4_DST, rte_flow_action_set_ipv4),
    SET(SET_IPV6_SRC, IPV6_SRC, rte_flow_action_set_ipv6),
    SET(SET_IPV6_DST, IPV6_DST, rte_flow_action_set_ipv6),
    SET(SET_TTL, IP_TTL, rte_flow_action_set_ttl),
    SET(SET_TP_SRC, TP_SRC, rte_flow_action_set_tp),
    SET(SET_TP_DST, TP_DST, rte_flow_action_set_tp),
    { ROW(SET_IPV4_DSCP, SET_FIELD), CONF(rte_flow_action_set_dscp),
      .field = NICSIM_F_IPV4_DSCP, .parse = parse_dscp },
    { ROW(SET_IPV6_DSCP, SET_FIELD), CONF(rte_flow_action_set_dscp),
      .field = NICSIM_F_IPV6_DSCP, .parse = parse_dscp },
    { ROW(MODIFY_FIELD, SET_FIELD), CONF(rte_flow_action_modify_field),
      .form = NICSIM_FORM_MODIFY_FIELD, .parse = nicsim_action_modify_field },
    { ROW(DEC_TTL, DEC_TTL) },
    { ROW(OF_POP_VLAN, POP_VLAN) },
    { ROW(OF_PUSH_VLAN, PUSH_VLAN), CONF(rte_flow_action_of_push_vlan),
      .parse = parse_push_vlan },
    { ROW(OF_SET_VLAN_VID, SET_VLAN_VID),
      CONF(rte_flow_action_of_set_vlan_vid), .parse = parse_vlan_vid },
    { ROW(OF_SET_VLAN_PCP, SET_VLAN_PCP),
      CONF(rte_flow_action_of_set_vlan_pcp), .parse = parse_vlan_pcp },
    { ROW(OF_POP_MPLS, POP_MPLS), CONF(rte_flow_action_of_pop_mpls),
      .parse = parse_pop_mpls },
    { ROW(RAW_ENCAP, ENCAP), CONF(rte_flow_action_raw_encap),
      .parse = nicsim_action_raw_encap },
    { ROW(RAW_DECAP, DECAP), CONF(rte_flow_action_raw_decap),
      .parse = nicsim_action_raw_decap },
    { ROW(VXLAN_ENCAP, ENCAP), CONF(rte_flow_action_vxlan_encap),
      .form = NICSIM_FORM_VXLAN, .parse = nicsim_action_vxlan_encap },
    { ROW(VXLAN_DECAP, DECAP), .form = NICSIM_FORM_VXLAN },
    { ROW(METER, METER), CONF(rte_flow_action_meter), .parse = parse_meter },
    { ROW(SAMPLE, SAMPLE), CONF(rte_flow_action_sample) },
};

static const struct action_info *
find_action(int type)
{
    for (unsigned int i = 0; i < RTE_DIM(action_infos); i++) {
        if ((int) action_infos[i].type == type) {
            return &action_infos[i];
        }
    }
    return NULL;
}

/* Adds the COUNT action, which counts the packets as they come and so has its
 * place before all others wherever it was written. */
static int
parse_count(struct nicsim_actions *a, const struct rte_flow_action *action)
{
    if (a->count) {
        return nicsim_action_refuse(a, action, RTE_FLOW_ERROR_TYPE_ACTION,
                             "a rule has one counter");
    }
    a->count = action;
    return 0;
}

static int parse_list(struct nicsim_actions *,
                      const struct rte_flow_action actions[]);

/* Adds the actions of SAMPLE, whose own is 'hw', behind it. */
static int
parse_sample(struct nicsim_actions *a, const struct rte_flow_action *action,
             struct nicsim_action *hw)
{
    const struct rte_flow_action_sample *conf = action->conf;
    uint32_t n = a->rule->n_actions;
    int error;

    if (!conf->ratio) {
        return nicsim_action_refuse_conf(a, action, "has ratio 0");
    }
    if (!conf->actions) {
        return nicsim_action_refuse_conf(a, action, "has no actions");
    }
    hw->arg = conf->ratio;
    a->in_sample = true;
    error = parse_list(a, conf->actions);
    a->in_sample = false;
    if (!error && !a->fate) {
        return nicsim_action_refuse_conf(a, action, "has no action that says "
                                         "where the packets go");
    }
    a->fate = NULL;
    hw->field = a->rule->n_actions - n;
    return error;
}

static int
parse_action(struct nicsim_actions *a, const struct rte_flow_action *action)
{
    const struct action_info *info = find_action(action->type);
    /* One slot stays free for COUNT. */
    uint32_t i = a->rule->n_actions;
    struct nicsim_action *hw = &a->rule->actions[i];
    int error = 0;

    if (!info) {
        return nicsim_action_refuse(a, action, RTE_FLOW_ERROR_TYPE_ACTION,
                                    "the NIC can not do this");
    }
    if (a->in_sample && (action->type == RTE_FLOW_ACTION_TYPE_COUNT
                         || action->type == RTE_FLOW_ACTION_TYPE_SAMPLE)) {
        return nicsim_action_refuse(a, action, RTE_FLOW_ERROR_TYPE_ACTION,
                                    "the NIC can not do this in a sample");
    }
    if (action->type == RTE_FLOW_ACTION_TYPE_COUNT) {
        return parse_count(a, action);
    }
    if (a->fate) {
        char name[32];
        char why[64];

        snprintf(why, sizeof why, "stands behind %s, which ends the rule",
                 nicsim_flow_action_name(a->fate->type, name, sizeof name));
        return nicsim_action_refuse(a, action, RTE_FLOW_ERROR_TYPE_ACTION,
                                    why);
    }
    if (i >= NICSIM_MAX_ACTIONS - 1) {
        return nicsim_action_refuse(a, action, RTE_FLOW_ERROR_TYPE_ACTION_NUM,
                                    "is one more than the NIC can do");
    }
    if (info->size && !action->conf) {
        return nicsim_action_refuse_conf(a, action, "needs a configuration");
    }
    memset(hw, 0, sizeof *hw);
    hw->type = info->hw_type;
    hw->field = info->field;
    hw->form = info->form;
    a->origins[i] = action;
    a->rule->n_actions++;
    if (action->type == RTE_FLOW_ACTION_TYPE_SAMPLE) {
        error = parse_sample(a, action, hw);
    } else if (info->parse) {
        error = info->parse(a, action, hw);
    } else if (info->size) {
        memcpy(hw->value, action->conf, info->size);
        memset(hw->mask, 0xff, info->size);
    }
    if (!error && info->fate) {
        a->fate = action;
    }
    return error;
}

/* Adds 'actions' up to their end. */
static int
parse_list(struct nicsim_actions *a, const struct rte_flow_action actions[])
{
    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
        if (actions->type != RTE_FLOW_ACTION_TYPE_VOID) {
            int error = parse_action(a, actions);

            if (error) {
                return error;
            }
        }
    }
    return 0;
}

int
nicsim_flow_parse_actions(
    const struct nicsim_port *port, const struct rte_flow_attr *attr,
    const struct rte_flow_action actions[], struct nicsim_rule *rule,
    const struct rte_flow_action *origins[NICSIM_MAX_ACTIONS],
    struct rte_flow_error *error)
{
    struct nicsim_actions a = {
        .port = port,
        .attr = attr,
        .rule = rule,
        .origins = origins,
        .error = error,
    };
    int ret;

    if (!actions) {
        return nicsim_flow_refuse(error, EINVAL,
                                  RTE_FLOW_ERROR_TYPE_ACTION_NUM, NULL,
                                  "there are no actions");
    }
    rule->n_actions = 0;
    rule->data_len = 0;
    ret = parse_list(&a, actions);
    if (ret) {
        return ret;
    }
    if (!a.fate) {
        return nicsim_flow_refuse(error, EINVAL,
                                  RTE_FLOW_ERROR_TYPE_ACTION_NUM, actions,
                                  "no action says where the packets go (drop, "
                                  "port_id, represented_port, "
                                  "port_representor or jump)");
    }
    if (a.count) {
        memmove(&rule->actions[1], &rule->actions[0],
                rule->n_actions * sizeof rule->actions[0]);
        memmove(&origins[1], &origins[0],
                rule->n_actions * sizeof origins[0]);
        memset(&rule->actions[0], 0, sizeof rule->actions[0]);
        rule->actions[0].type = NICSIM_ACT_COUNT;
        origins[0] = a.count;
        rule->n_actions++;
    }
    return 0;
}
