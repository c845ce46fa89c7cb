/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_flow.h>

#include "nicsim-flow.h"
#include "nicsim-port.h"

/* A list of actions on its way into a rule. */
struct actions {
    const struct nicsim_port *port;
    const struct rte_flow_attr *attr;
    struct nicsim_rule *rule;
    const struct rte_flow_action **origins;
    struct rte_flow_error *error;
    const struct rte_flow_action *fate; /* What ends the rule, or NULL. */
    const struct rte_flow_action *count;
};

/* How an action is translated.  Those without a function of their own copy
 * 'size' bytes of their configuration into nicsim_action.value. */
struct action_info {
    enum rte_flow_action_type type;
    enum nicsim_action_type hw_type;
    enum nicsim_field field;
    size_t size;                        /* 0: takes no configuration. */
    bool fate;
    int (*parse)(struct actions *, const struct rte_flow_action *,
                 struct nicsim_action *);
};

static int
refuse_action(struct actions *a, const struct rte_flow_action *action,
              enum rte_flow_error_type type, const char *why)
{
    char name[32];

    return nicsim_flow_refuse(
        a->error, ENOTSUP, type,
        type == RTE_FLOW_ERROR_TYPE_ACTION_CONF ? action->conf : action,
        "action %s: %s",
        nicsim_flow_action_name(action->type, name, sizeof name), why);
}

static int
refuse_conf(struct actions *a, const struct rte_flow_action *action,
            const char *why)
{
    return refuse_action(a, action, RTE_FLOW_ERROR_TYPE_ACTION_CONF, why);
}

static int
parse_output(struct actions *a, const struct rte_flow_action *action,
             uint32_t port_id, struct nicsim_action *hw)
{
    const char *why = nicsim_flow_find_vport(a->port, port_id, &hw->arg);

    return why ? refuse_conf(a, action, why) : 0;
}

static int
parse_port_id(struct actions *a, const struct rte_flow_action *action,
              struct nicsim_action *hw)
{
    const struct rte_flow_action_port_id *conf = action->conf;

    if (conf->original || conf->reserved) {
        return refuse_conf(a, action, "there is no other port than the one "
                           "with this id (original)");
    }
    return parse_output(a, action, conf->id, hw);
}

static int
parse_ethdev(struct actions *a, const struct rte_flow_action *action,
             struct nicsim_action *hw)
{
    const struct rte_flow_action_ethdev *conf = action->conf;

    return parse_output(a, action, conf->port_id, hw);
}

static int
parse_jump(struct actions *a, const struct rte_flow_action *action,
           struct nicsim_action *hw)
{
    const struct rte_flow_action_jump *conf = action->conf;

    if (conf->group > NICSIM_MAX_GROUP) {
        return refuse_conf(a, action, "the NIC has no group of this number");
    }
    if (conf->group <= a->attr->group) {
        return refuse_conf(a, action, "leads to no higher-numbered group "
                           "than the rule's own");
    }
    hw->arg = conf->group;
    return 0;
}

static int
parse_mark(struct actions *a __rte_unused,
           const struct rte_flow_action *action, struct nicsim_action *hw)
{
    const struct rte_flow_action_mark *conf = action->conf;

    hw->arg = conf->id;
    return 0;
}

static int
parse_dscp(struct actions *a, const struct rte_flow_action *action,
           struct nicsim_action *hw)
{
    const struct rte_flow_action_set_dscp *conf = action->conf;

    if (conf->dscp > 63) {
        return refuse_conf(a, action, "a DSCP has 6 bits");
    }
    hw->value[0] = conf->dscp;
    return 0;
}

static int
parse_push_vlan(struct actions *a, const struct rte_flow_action *action,
                struct nicsim_action *hw)
{
    const struct rte_flow_action_of_push_vlan *conf = action->conf;

    hw->arg = rte_be_to_cpu_16(conf->ethertype);
    if (hw->arg != RTE_ETHER_TYPE_VLAN && hw->arg != RTE_ETHER_TYPE_QINQ) {
        return refuse_conf(a, action, "a tag has type 0x8100 or 0x88a8");
    }
    return 0;
}

static int
parse_vlan_vid(struct actions *a, const struct rte_flow_action *action,
               struct nicsim_action *hw)
{
    const struct rte_flow_action_of_set_vlan_vid *conf = action->conf;

    hw->arg = rte_be_to_cpu_16(conf->vlan_vid);
    return hw->arg > 4095 ? refuse_conf(a, action, "a VLAN id has 12 bits")
           : 0;
}

static int
parse_vlan_pcp(struct actions *a, const struct rte_flow_action *action,
               struct nicsim_action *hw)
{
    const struct rte_flow_action_of_set_vlan_pcp *conf = action->conf;

    hw->arg = conf->vlan_pcp;
    return hw->arg > 7 ? refuse_conf(a, action, "a priority has 3 bits") : 0;
}

#define SET(TYPE, FIELD, STRUCT)                                        \
    { RTE_FLOW_ACTION_TYPE_##TYPE, NICSIM_ACT_SET_FIELD,                \
      NICSIM_F_##FIELD, sizeof(struct STRUCT), false, NULL }
#define PARSED(TYPE, HW, STRUCT, PARSE)                                 \
    { RTE_FLOW_ACTION_TYPE_##TYPE, NICSIM_ACT_##HW, 0,                  \
      sizeof(struct STRUCT), false, PARSE }
#define PLAIN(TYPE, HW)                                                 \
    { RTE_FLOW_ACTION_TYPE_##TYPE, NICSIM_ACT_##HW, 0, 0, false, NULL }
#define FATE(TYPE, HW, STRUCT, PARSE)                                   \
    { RTE_FLOW_ACTION_TYPE_##TYPE, NICSIM_ACT_##HW, 0,                  \
      sizeof(struct STRUCT), true, PARSE }

static const struct action_info action_infos[] = {
    PLAIN(COUNT, COUNT),
    { RTE_FLOW_ACTION_TYPE_DROP, NICSIM_ACT_DROP, 0, 0, true, NULL },
    FATE(PORT_ID, OUTPUT, rte_flow_action_port_id, parse_port_id),
    FATE(REPRESENTED_PORT, OUTPUT, rte_flow_action_ethdev, parse_ethdev),
    FATE(PORT_REPRESENTOR, TO_SOFTWARE, rte_flow_action_ethdev,
         parse_ethdev),
    FATE(JUMP, JUMP, rte_flow_action_jump, parse_jump),
    PARSED(MARK, MARK, rte_flow_action_mark, parse_mark),
    SET(SET_MAC_SRC, ETH_SRC, rte_flow_action_set_mac),
    SET(SET_MAC_DST, ETH_DST, rte_flow_action_set_mac),
    SET(SET_IPV4_SRC, IPV4_SRC, rte_flow_action_set_ipv4),
    SET(SET_IPV4_DST, IPV4_DST, rte_flow_action_set_ipv4),
    SET(SET_IPV6_SRC, IPV6_SRC, rte_flow_action_set_ipv6),
    SET(SET_IPV6_DST, IPV6_DST, rte_flow_action_set_ipv6),
    SET(SET_TTL, IP_TTL, rte_flow_action_set_ttl),
    SET(SET_TP_SRC, TP_SRC, rte_flow_action_set_tp),
    SET(SET_TP_DST, TP_DST, rte_flow_action_set_tp),
    { RTE_FLOW_ACTION_TYPE_SET_IPV4_DSCP, NICSIM_ACT_SET_FIELD,
      NICSIM_F_IPV4_DSCP, sizeof(struct rte_flow_action_set_dscp), false,
      parse_dscp },
    { RTE_FLOW_ACTION_TYPE_SET_IPV6_DSCP, NICSIM_ACT_SET_FIELD,
      NICSIM_F_IPV6_DSCP, sizeof(struct rte_flow_action_set_dscp), false,
      parse_dscp },
    PLAIN(DEC_TTL, DEC_TTL),
    PLAIN(OF_POP_VLAN, POP_VLAN),
    PARSED(OF_PUSH_VLAN, PUSH_VLAN, rte_flow_action_of_push_vlan,
           parse_push_vlan),
    PARSED(OF_SET_VLAN_VID, SET_VLAN_VID, rte_flow_action_of_set_vlan_vid,
           parse_vlan_vid),
    PARSED(OF_SET_VLAN_PCP, SET_VLAN_PCP, rte_flow_action_of_set_vlan_pcp,
           parse_vlan_pcp),
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
parse_count(struct actions *a, const struct rte_flow_action *action)
{
    if (a->count) {
        return refuse_action(a, action, RTE_FLOW_ERROR_TYPE_ACTION,
                             "a rule has one counter");
    }
    a->count = action;
    return 0;
}

static int
parse_action(struct actions *a, const struct rte_flow_action *action)
{
    const struct action_info *info = find_action(action->type);
    /* One slot stays free for COUNT. */
    uint32_t i = a->rule->n_actions;
    struct nicsim_action *hw = &a->rule->actions[i];
    int error = 0;

    if (!info) {
        return refuse_action(a, action, RTE_FLOW_ERROR_TYPE_ACTION,
                             "the NIC can not do this");
    }
    if (action->type == RTE_FLOW_ACTION_TYPE_COUNT) {
        return parse_count(a, action);
    }
    if (a->fate) {
        char name[32];
        char why[64];

        snprintf(why, sizeof why, "stands behind %s, which ends the rule",
                 nicsim_flow_action_name(a->fate->type, name, sizeof name));
        return refuse_action(a, action, RTE_FLOW_ERROR_TYPE_ACTION, why);
    }
    if (i >= NICSIM_MAX_ACTIONS - 1) {
        return refuse_action(a, action, RTE_FLOW_ERROR_TYPE_ACTION_NUM,
                             "is one more than the NIC can do");
    }
    if (info->size && !action->conf) {
        return refuse_conf(a, action, "needs a configuration");
    }
    memset(hw, 0, sizeof *hw);
    hw->type = info->hw_type;
    hw->field = info->field;
    if (info->parse) {
        error = info->parse(a, action, hw);
    } else if (info->size) {
        memcpy(hw->value, action->conf, info->size);
    }
    if (!error) {
        a->origins[i] = action;
        a->rule->n_actions++;
        if (info->fate) {
            a->fate = action;
        }
    }
    return error;
}

int
nicsim_flow_parse_actions(
    const struct nicsim_port *port, const struct rte_flow_attr *attr,
    const struct rte_flow_action actions[], struct nicsim_rule *rule,
    const struct rte_flow_action *origins[NICSIM_MAX_ACTIONS],
    struct rte_flow_error *error)
{
    struct actions a = {
        .port = port,
        .attr = attr,
        .rule = rule,
        .origins = origins,
        .error = error,
    };
    const struct rte_flow_action *action;

    if (!actions) {
        return nicsim_flow_refuse(error, EINVAL,
                                  RTE_FLOW_ERROR_TYPE_ACTION_NUM, NULL,
                                  "there are no actions");
    }
    rule->n_actions = 0;
    for (action = actions; action->type != RTE_FLOW_ACTION_TYPE_END;
         action++) {
        if (action->type != RTE_FLOW_ACTION_TYPE_VOID) {
            int ret = parse_action(&a, action);

            if (ret) {
                return ret;
            }
        }
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
