/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-flow.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ethdev_driver.h>
#include <rte_errno.h>
#include <rte_flow_driver.h>

#include "nicsim-flow-trait.h"
#include "nicsim-host.h"
#include "nicsim-log.h"
#include "nicsim-personality.h"
#include "nicsim-port.h"
#include "nicsim-util.h"

struct rte_flow {
    LIST_ENTRY(rte_flow) node;          /* In 'port->flows'. */
    uint64_t id;                        /* The NIC's. */
    uint32_t group, priority;
    uint32_t items;                     /* NICSIM_ITEM_*. */
    uint32_t n_actions;
    bool counted;
    struct nicsim_cache cache;
    struct nicsim_twin *twin;           /* Its 'id' counts, if not NULL. */
    uint64_t held;                      /* By the personality. */
};

/* The NIC's id of 'flow', or 0 if the NIC does not have it yet. */
static uint64_t
flow_id(const struct rte_flow *flow)
{
    return flow->twin ? nicsim_twin_id(flow->twin) : flow->id;
}

/* Refusing. */

int
nicsim_flow_refuse(struct rte_flow_error *error, int code,
                   enum rte_flow_error_type type, const void *cause,
                   const char *format, ...)
{
    static __thread char message[256];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return rte_flow_error_set(error, code, type, cause, message);
}

/* Writes the name that rte_flow_conv() has for 'type' into 'name'. */
static const char *
convert_name(enum rte_flow_conv_op op, int type, char *name, size_t size)
{
    const char *known = NULL;
    size_t i;

    if (rte_flow_conv(op, &known, sizeof known, (void *) (uintptr_t) type,
                      NULL) <= 0 || !known) {
        snprintf(name, size, "of type %d", type);
        return name;
    }
    for (i = 0; known[i] && i < size - 1; i++) {
        name[i] = tolower((unsigned char) known[i]);
    }
    name[i] = '\0';
    return name;
}

const char *
nicsim_flow_item_name(int type, char *name, size_t size)
{
    return convert_name(RTE_FLOW_CONV_OP_ITEM_NAME_PTR, type, name, size);
}

const char *
nicsim_flow_action_name(int type, char *name, size_t size)
{
    return convert_name(RTE_FLOW_CONV_OP_ACTION_NAME_PTR, type, name, size);
}

const char *
nicsim_flow_find_vport(const struct nicsim_port *port, uint32_t port_id,
                       uint32_t *vport)
{
    const struct nicsim_port *other = nicsim_port_from_id(port_id);

    if (!other) {
        return "there is no port of a nicsim NIC with this id";
    }
    if (!other->host || other->host != port->host) {
        return "the port with this id belongs to another NIC";
    }
    if (nicsim_port_kind(other) == NICSIM_FN_VF) {
        return "the port with this id is a VF; name its representor";
    }
    *vport = nicsim_port_vport(other);
    return NULL;
}

/* The text of what the device said, or of 'code'. */
static const char *
device_text(const struct nicsim_msg *msg, int code)
{
    return msg->text[0] ? msg->text : rte_strerror(code);
}

/* Refuses with the device's 'text' about the 'kind' ("item" or "action")
 * 'name', which the text may name already. */
static int
refuse_with_text(struct rte_flow_error *error, int code,
                 enum rte_flow_error_type type, const void *cause,
                 const char *kind, const char *name, const char *text)
{
    size_t n = strlen(name);

    if (!strncmp(text, kind, strlen(kind))) {
        return nicsim_flow_refuse(error, code, type, cause, "%s", text);
    }
    if (!strncmp(text, name, n) && !strncmp(text + n, ": ", 2)) {
        text += n + 2;
    }
    return nicsim_flow_refuse(error, code, type, cause, "%s %s: %s", kind,
                              name, text);
}

/* Turns the device's refusal of a rule into rte_flow's words. */
static int
refuse_by_device(const struct nicsim_msg *msg, int code,
                 const struct rte_flow_attr *attr,
                 const struct rte_flow_item pattern[],
                 const struct rte_flow_action *const origins[],
                 struct rte_flow_error *error)
{
    const struct nicsim_rule_op *op = &msg->rule;
    const char *text = device_text(msg, code);
    const struct rte_flow_item *item;
    char name[32];

    switch (op->culprit) {
    case NICSIM_CULPRIT_ATTR:
        return nicsim_flow_refuse(error, code, RTE_FLOW_ERROR_TYPE_ATTR, attr,
                                  "attributes: %s", text);

    case NICSIM_CULPRIT_ITEM:
        for (item = pattern; item->type != RTE_FLOW_ITEM_TYPE_END; item++) {
            if (nicsim_flow_item_bit(item->type) & op->culprit_arg) {
                nicsim_flow_item_name(item->type, name, sizeof name);
                return refuse_with_text(error, code,
                                        RTE_FLOW_ERROR_TYPE_ITEM, item,
                                        "item", name, text);
            }
        }
        break;

    case NICSIM_CULPRIT_ACTION:
        if (op->culprit_arg < op->rule.n_actions) {
            const struct rte_flow_action *action = origins[op->culprit_arg];

            nicsim_flow_action_name(action->type, name, sizeof name);
            return refuse_with_text(error, code, RTE_FLOW_ERROR_TYPE_ACTION,
                                    action, "action", name, text);
        }
        break;

    default:
        break;
    }
    return nicsim_flow_refuse(error, code, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
                              NULL, "%s", text);
}

static int
refuse_dead(struct rte_flow_error *error)
{
    return nicsim_flow_refuse(error, EIO, RTE_FLOW_ERROR_TYPE_UNSPECIFIED,
                              NULL, "the NIC is gone");
}

/* Making rules. */

static int
check_port(const struct nicsim_port *port, const struct rte_flow_attr *attr,
           struct rte_flow_error *error)
{
    if (nicsim_port_is_dead(port)) {
        return refuse_dead(error);
    }
    if (nicsim_port_kind(port) == NICSIM_FN_VF) {
        return nicsim_flow_refuse(error, EPERM,
                                  RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
                                  "a VF can not change the switch's rules; "
                                  "use the PF or a representor");
    }
    if (!attr) {
        return nicsim_flow_refuse(error, EINVAL, RTE_FLOW_ERROR_TYPE_ATTR,
                                  NULL, "there are no attributes");
    }
    return 0;
}

static int
check_attr(const struct rte_flow_attr *attr, struct rte_flow_error *error)
{
    if (attr->egress) {
        return nicsim_flow_refuse(error, ENOTSUP,
                                  RTE_FLOW_ERROR_TYPE_ATTR_EGRESS, attr,
                                  "egress: the NIC has transfer rules only");
    }
    if (!attr->transfer) {
        return nicsim_flow_refuse(error, ENOTSUP,
                                  RTE_FLOW_ERROR_TYPE_ATTR_TRANSFER, attr,
                                  "the NIC has transfer rules only, and this "
                                  "one is none");
    }
    if (attr->group > NICSIM_MAX_GROUP) {
        return nicsim_flow_refuse(error, ENOTSUP,
                                  RTE_FLOW_ERROR_TYPE_ATTR_GROUP, attr,
                                  "group: the highest is %d",
                                  NICSIM_MAX_GROUP);
    }
    if (attr->priority > NICSIM_MAX_PRIO) {
        return nicsim_flow_refuse(error, ENOTSUP,
                                  RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY, attr,
                                  "priority: the lowest is %d",
                                  NICSIM_MAX_PRIO);
    }
    return 0;
}

/* Asks the personality of the NIC of 'port', which knows of rules of the
 * switch only. */
static int
ask_personality(struct nicsim_port *port, uint32_t type,
                const struct rte_flow_attr *attr,
                const struct rte_flow_item pattern[],
                const struct rte_flow_action actions[],
                struct nicsim_personality_question *question,
                struct rte_flow_error *error)
{
    memset(question, 0, sizeof *question);
    if (!attr->transfer || !pattern || !actions) {
        return 0;
    }
    question->port_id = port->dev->data->port_id;
    question->create = type == NICSIM_RULE_CREATE;
    question->started = port->dev->data->dev_started;
    question->attr = attr;
    question->pattern = pattern;
    question->actions = actions;
    return nicsim_personality_ask(port->vdev->personality, question, error);
}

/* Translates a rule and sends it to the device as a message of 'type', whose
 * reply is left in 'msg'.  Returns 0 or, with 'error' filled, a negative
 * errno: -EEXIST only if all that is wrong is that the NIC has it already.
 * '*held' is what the personality holds for the rule then, else 0. */
static int
send_rule(struct nicsim_port *port, uint32_t type,
          const struct rte_flow_attr *attr,
          const struct rte_flow_item pattern[],
          const struct rte_flow_action actions[], struct nicsim_msg *msg,
          uint64_t *held, struct rte_flow_error *error)
{
    const struct rte_flow_action *origins[NICSIM_MAX_ACTIONS];
    struct nicsim_personality *personality = port->vdev->personality;
    struct nicsim_personality_question question;
    struct nicsim_rule *rule = &msg->rule.rule;
    int ret;

    *held = 0;
    memset(msg, 0, sizeof *msg);
    msg->type = type;
    msg->rule.fn = port->fn;
    ret = check_port(port, attr, error);
    if (!ret) {
        ret = ask_personality(port, type, attr, pattern, actions, &question,
                              error);
    }
    if (ret) {
        return ret;
    }
    ret = check_attr(attr, error);
    if (!ret) {
        rule->group = attr->group;
        rule->priority = attr->priority;
        ret = nicsim_flow_parse_pattern(port, attr, pattern, rule, error);
    }
    if (!ret) {
        ret = nicsim_flow_parse_actions(port, attr, actions, rule, origins,
                                        error);
    }
    if (!ret) {
        int code;

        nicsim_trait_apply(nicsim_personality_traits(personality),
                           question.drops, rule);
        code = nicsim_port_call(port, msg, NULL);
        if (code) {
            ret = (nicsim_port_is_dead(port) ? refuse_dead(error)
                   : refuse_by_device(msg, code, attr, pattern, origins,
                                      error));
        }
    }
    if (ret && ret != -EEXIST) {
        nicsim_personality_release(personality, question.held);
    } else {
        *held = question.held;
    }
    return ret;
}

/* Whether rules of 'port' that are there already are accepted. */
static bool
takes_twins(const struct nicsim_port *port)
{
    return nicsim_personality_traits(port->vdev->personality)->duplicates;
}

static int
flow_validate(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
              const struct rte_flow_item pattern[],
              const struct rte_flow_action actions[],
              struct rte_flow_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct nicsim_msg msg;
    uint64_t held;
    int ret;

    ret = send_rule(port, NICSIM_RULE_VALIDATE, attr, pattern, actions, &msg,
                    &held, error);
    return ret == -EEXIST && takes_twins(port) ? 0 : ret;
}

static struct rte_flow *
flow_create(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
            const struct rte_flow_item pattern[],
            const struct rte_flow_action actions[],
            struct rte_flow_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct nicsim_rule *rule;
    struct nicsim_msg msg;
    struct rte_flow *flow;
    int ret;

    flow = nicsim_zalloc(sizeof *flow);
    if (!flow) {
        nicsim_flow_refuse(error, ENOMEM, RTE_FLOW_ERROR_TYPE_HANDLE, NULL,
                           "out of memory");
        return NULL;
    }
    rule = &msg.rule.rule;
    ret = send_rule(port, NICSIM_RULE_CREATE, attr, pattern, actions, &msg,
                    &flow->held, error);
    if (ret == -EEXIST && takes_twins(port)) {
        flow->twin = nicsim_twin_create(port, rule);
        /* The other one may be gone by now. */
        nicsim_twins_wake(port);
    }
    if (ret && !flow->twin) {
        nicsim_personality_release(port->vdev->personality, flow->held);
        free(flow);
        return NULL;
    }
    flow->id = msg.rule.id;
    flow->group = attr->group;
    flow->priority = attr->priority;
    flow->items = rule->items;
    flow->n_actions = rule->n_actions;
    flow->counted = rule->actions[0].type == NICSIM_ACT_COUNT;
    nicsim_cache_init(&flow->cache);
    LIST_INSERT_HEAD(&port->flows, flow, node);
    return flow;
}

/* Frees 'flow', which the NIC does not have any more. */
static void
free_flow(struct nicsim_port *port, struct rte_flow *flow)
{
    nicsim_personality_release(port->vdev->personality, flow->held);
    nicsim_twin_destroy(flow->twin);
    LIST_REMOVE(flow, node);
    free(flow);
}

static int
flow_destroy(struct rte_eth_dev *dev, struct rte_flow *flow,
             struct rte_flow_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct nicsim_msg msg = { .type = NICSIM_RULE_DESTROY };
    int code;

    msg.rule.fn = port->fn;
    msg.rule.id = flow_id(flow);
    code = msg.rule.id ? nicsim_port_call(port, &msg, NULL) : 0;
    if (code && code != ENOENT && !nicsim_port_is_dead(port)) {
        return nicsim_flow_refuse(error, code, RTE_FLOW_ERROR_TYPE_HANDLE,
                                  flow, "%s", device_text(&msg, code));
    }
    /* A rule that went with the NIC, or with the PF, is gone as well. */
    free_flow(port, flow);
    nicsim_twins_wake(port);
    return 0;
}

/* Forgets all rules made through 'port'. */
static void
free_flows(struct nicsim_port *port)
{
    struct rte_flow *flow;

    while ((flow = LIST_FIRST(&port->flows))) {
        free_flow(port, flow);
    }
    nicsim_twins_wake(port);
}

static int
flow_flush(struct rte_eth_dev *dev, struct rte_flow_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct nicsim_msg msg = { .type = NICSIM_RULE_FLUSH };
    int code;

    msg.rule.fn = port->fn;
    code = LIST_EMPTY(&port->flows) ? 0 : nicsim_port_call(port, &msg, NULL);
    if (code && !nicsim_port_is_dead(port)) {
        return nicsim_flow_refuse(error, code,
                                  RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
                                  "%s", device_text(&msg, code));
    }
    free_flows(port);
    return 0;
}

void
nicsim_flow_uninit(struct nicsim_port *port)
{
    struct nicsim_msg msg = { .type = NICSIM_RULE_FLUSH };

    msg.rule.fn = port->fn;
    if (!LIST_EMPTY(&port->flows) && !nicsim_port_is_dead(port)) {
        nicsim_port_call(port, &msg, "remove its rules");
    }
    free_flows(port);
}

/* Asking about rules. */

static int
query_device(struct nicsim_port *port, const struct rte_flow *flow,
             bool reset, struct nicsim_counter *counter,
             struct rte_flow_error *error)
{
    struct nicsim_msg msg = { .type = NICSIM_RULE_QUERY };
    int code;

    msg.rule.fn = port->fn;
    msg.rule.id = flow_id(flow);
    msg.rule.reset = reset;
    code = msg.rule.id ? nicsim_port_call(port, &msg, NULL) : 0;
    if (code) {
        return nicsim_flow_refuse(error, code, RTE_FLOW_ERROR_TYPE_HANDLE,
                                  flow, "%s", device_text(&msg, code));
    }
    *counter = msg.rule.counter;
    return 0;
}

/* As query_device(), with counters as old as the NIC's are. */
static int
query_cache(struct nicsim_port *port, struct rte_flow *flow, bool reset,
            struct nicsim_counter *counter, struct rte_flow_error *error)
{
    uint32_t period = nicsim_cache_period(port);
    int ret = 0;

    if (!period) {
        return query_device(port, flow, reset, counter, error);
    }
    if (nicsim_cache_is_old(&flow->cache, period)) {
        ret = query_device(port, flow, false, counter, error);
        if (!ret) {
            nicsim_cache_set(&flow->cache, counter);
        }
    }
    *counter = nicsim_cache_read(&flow->cache, reset);
    return ret;
}

static int
flow_query(struct rte_eth_dev *dev, struct rte_flow *flow,
           const struct rte_flow_action *action, void *data,
           struct rte_flow_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct rte_flow_query_count *query;
    struct nicsim_counter counter;
    char name[32];
    int ret;

    for (; action->type == RTE_FLOW_ACTION_TYPE_VOID; action++) {
        continue;
    }
    if (action->type != RTE_FLOW_ACTION_TYPE_COUNT) {
        return nicsim_flow_refuse(
            error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action,
            "action %s: can not be queried, only count can",
            nicsim_flow_action_name(action->type, name, sizeof name));
    }
    if (!flow->counted) {
        return nicsim_flow_refuse(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
                                  action,
                                  "action count: the rule has none");
    }
    query = data;
    ret = query_cache(port, flow, query->reset, &counter, error);
    if (!ret) {
        query->hits_set = 1;
        query->bytes_set = 1;
        query->hits = counter.packets;
        query->bytes = counter.bytes;
    }
    return ret;
}

static int
flow_isolate(struct rte_eth_dev *dev __rte_unused, int enable,
             struct rte_flow_error *error)
{
    return (enable
            ? nicsim_flow_refuse(error, ENOTSUP,
                                 RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
                                 "isolated mode: what matches no rule always "
                                 "goes to software")
            : 0);
}

static int
flow_pick_transfer_proxy(struct rte_eth_dev *dev, uint16_t *proxy_port_id,
                         struct rte_flow_error *error)
{
    const struct nicsim_port *port = dev->data->dev_private;
    uint16_t id;

    /* Any PF of the NIC in this process will do, also for its VFs. */
    RTE_ETH_FOREACH_DEV (id) {
        const struct nicsim_port *other = nicsim_port_from_id(id);

        if (other && nicsim_port_kind(other) == NICSIM_FN_PF
            && other->host && other->host == port->host) {
            *proxy_port_id = id;
            return 0;
        }
    }
    if (nicsim_port_kind(port) == NICSIM_FN_VF) {
        return nicsim_flow_refuse(error, ENOTSUP,
                                  RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
                                  "this process does not have the NIC's PF");
    }
    *proxy_port_id = dev->data->port_id;
    return 0;
}

static int
dump_flow(struct nicsim_port *port, const struct rte_flow *flow, FILE *file,
          struct rte_flow_error *error)
{
    struct nicsim_counter counter;
    int ret = query_device(port, flow, false, &counter, error);

    if (!ret) {
        fprintf(file, "rule %"PRIu64": function %#x group %u priority %u "
                "items %#x actions %u packets %"PRIu64" bytes %"PRIu64"\n",
                flow_id(flow), port->fn, flow->group, flow->priority,
                flow->items, flow->n_actions, counter.packets, counter.bytes);
    }
    return ret;
}

static int
flow_dev_dump(struct rte_eth_dev *dev, struct rte_flow *flow, FILE *file,
              struct rte_flow_error *error)
{
    struct nicsim_port *port = dev->data->dev_private;
    int ret = 0;

    if (flow) {
        return dump_flow(port, flow, file, error);
    }
    LIST_FOREACH (flow, &port->flows, node) {
        ret = dump_flow(port, flow, file, error);
        if (ret) {
            break;
        }
    }
    return ret;
}

const struct rte_flow_ops nicsim_flow_ops = {
    .validate = flow_validate,
    .create = flow_create,
    .destroy = flow_destroy,
    .flush = flow_flush,
    .query = flow_query,
    .isolate = flow_isolate,
    .dev_dump = flow_dev_dump,
    .pick_transfer_proxy = flow_pick_transfer_proxy,
};
