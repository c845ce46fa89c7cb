/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The personality "mlx5-dv": what DPDK's own mlx5 driver says to a rule, with
 * dv_flow_en=1, about a card in switchdev mode.
 *
 *     personality=mlx5-dv[,card=cx5|cx6dx|bf2][,dv_xmeta_en=0|1|2]
 *                [,flex_profile=0|2][,rdma_core=VERSION]
 *
 * Its validation is not imitated: it is the driver's, from the archive that
 * DPDK was installed with (mlx5-world.c), asked about ports that are fakes
 * (mlx5-fake.h).  What it leaves to rdma-core is a table (mlx5-order.h); what
 * it leaves to firmware, nobody here knows. */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ethdev_driver.h>
#include <rte_errno.h>
#include <rte_flow_driver.h>

#include "mlx5-fake.h"
#include "mlx5-order.h"
#include "nicsim/driver/nicsim-personality.h"

/* How old counters may be, in milliseconds: mlx5_flow.c,
 * MLX5_POOL_QUERY_FREQ_US. */
#define COUNTER_PERIOD 1000

/* Debian 12's. */
#define DEFAULT_RDMA_CORE 44

static bool
parse_number(const char *s, unsigned int max, unsigned int *number)
{
    unsigned long value;
    char *end;

    errno = 0;
    value = strtoul(s, &end, 10);
    if (errno || end == s || *end || *s == '-' || *s == '+' || value > max) {
        return false;
    }
    *number = value;
    return true;
}

static bool
parse_arg(const char *key, const char *value, struct mlx5_fake_config *config)
{
    if (!strcmp(key, "card")) {
        config->card = mlx5_fake_card_find(value);
        return config->card != NULL;
    } else if (!strcmp(key, "dv_xmeta_en")) {
        return parse_number(value, 2, &config->dv_xmeta_en);
    } else if (!strcmp(key, "flex_profile")) {
        return (parse_number(value, 2, &config->flex_profile)
                && config->flex_profile != 1);
    } else if (!strcmp(key, "rdma_core")) {
        return parse_number(value, 999, &config->rdma_core);
    }
    return false;
}

static int
parse_args(const char *args, struct mlx5_fake_config *config, char *why,
           size_t size)
{
    char copy[256];
    char *save;

    config->card = mlx5_fake_card_find("cx6dx");
    config->dv_xmeta_en = 0;
    config->flex_profile = 0;
    config->rdma_core = DEFAULT_RDMA_CORE;
    if (strlen(args) >= sizeof copy) {
        snprintf(why, size, "too many parameters");
        return EINVAL;
    }
    snprintf(copy, sizeof copy, "%s", args);
    for (char *key = strtok_r(copy, ",", &save); key;
         key = strtok_r(NULL, ",", &save)) {
        char *value = strchr(key, '=');

        if (value) {
            *value++ = '\0';
        }
        if (!parse_arg(key, value ? value : "", config)) {
            snprintf(why, size, "\"%s%s%s\" can't be: there are "
                     "card=cx5|cx6dx|bf2, dv_xmeta_en=0|1|2, "
                     "flex_profile=0|2 and rdma_core=VERSION", key,
                     value ? "=" : "", value ? value : "");
            return EINVAL;
        }
    }
    return 0;
}

static char not_understood[128];

static void
look_at_layout(void)
{
    mlx5_fake_is_understood(not_understood, sizeof not_understood);
}

static int
dv_create(const char *args, void **auxp,
          struct nicsim_personality_traits *traits, char *why, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct mlx5_fake_config config;
    int error;

    error = parse_args(args, &config, why, size);
    if (error) {
        return error;
    }
    pthread_once(&once, look_at_layout);
    if (not_understood[0]) {
        snprintf(why, size, "DPDK's archive was compiled with other structs "
                 "than this personality (%s): build it again, with the "
                 "headers of the installed DPDK and rdma-core",
                 not_understood);
        return ELIBBAD;
    }
    *auxp = mlx5_fake_create(&config);
    if (!*auxp) {
        snprintf(why, size, "out of memory");
        return ENOMEM;
    }
    traits->counter_period = COUNTER_PERIOD;
    traits->duplicates = true;
    traits->own_udp_source = true;
    return 0;
}

static void
dv_destroy(void *fake)
{
    mlx5_fake_destroy(fake);
}

static int
dv_add_port(void *fake, uint16_t port_id, bool uplink, unsigned int vf)
{
    return mlx5_fake_add_port(fake, port_id, uplink, vf);
}

static void
dv_remove_port(void *fake, uint16_t port_id)
{
    mlx5_fake_remove_port(fake, port_id);
}

static int
dv_add_meter(void *fake, uint16_t port_id, uint32_t mtr_id)
{
    return mlx5_fake_add_meter(fake, port_id, mtr_id);
}

static void
dv_remove_meter(void *fake, uint16_t port_id, uint32_t mtr_id)
{
    mlx5_fake_remove_meter(fake, port_id, mtr_id);
}

/* The driver would follow a handle of its own.  nicsim has none to give. */
static bool
has_handles(const struct rte_flow_action actions[])
{
    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
        if (actions->type == RTE_FLOW_ACTION_TYPE_INDIRECT
            || actions->type == RTE_FLOW_ACTION_TYPE_CONNTRACK) {
            return true;
        }
    }
    return false;
}

/* The port whose packets 'pattern' matches: the one that an item names, else
 * 'port_id', on which the rule is made. */
static uint16_t
source_port(const struct rte_flow_item pattern[], uint16_t port_id)
{
    const struct rte_flow_item_port_id *id;
    const struct rte_flow_item_ethdev *ethdev;

    for (; pattern->type != RTE_FLOW_ITEM_TYPE_END; pattern++) {
        if (pattern->type == RTE_FLOW_ITEM_TYPE_PORT_ID && pattern->spec) {
            id = pattern->spec;
            return id->id;
        } else if (pattern->type == RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT
                   && pattern->spec) {
            ethdev = pattern->spec;
            return ethdev->port_id;
        }
    }
    return port_id;
}

static bool
is_uplink(const struct mlx5_fake *fake, uint16_t port_id)
{
    const struct mlx5_priv *priv = mlx5_fake_port(fake, port_id);

    return priv && priv->representor_id == UINT16_MAX;
}

/* Whether the last output of 'actions' is to the wire. */
static bool
goes_to_wire(const struct mlx5_fake *fake,
             const struct rte_flow_action actions[])
{
    const struct rte_flow_action_port_id *id;
    const struct rte_flow_action_ethdev *ethdev;
    bool wire = false;

    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
        if (actions->type == RTE_FLOW_ACTION_TYPE_PORT_ID) {
            id = actions->conf;
            wire = !id->original && is_uplink(fake, id->id);
        } else if (actions->type == RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT) {
            ethdev = actions->conf;
            wire = is_uplink(fake, ethdev->port_id);
        }
    }
    return wire;
}

/* Takes the card's only type of Geneve options for the rule, which was
 * validated, as flow_dev_geneve_tlv_option_resource_register() does. */
static uint64_t
hold_geneve(struct mlx5_fake *fake, const struct rte_flow_item pattern[])
{
    const struct rte_flow_item_geneve_opt *opt;

    for (; pattern->type != RTE_FLOW_ITEM_TYPE_END; pattern++) {
        if (pattern->type == RTE_FLOW_ITEM_TYPE_GENEVE_OPT) {
            opt = pattern->spec;
            fake->geneve.option_class = opt->option_class;
            fake->geneve.option_type = opt->option_type;
            fake->geneve.length = opt->option_len;
            fake->geneve.refcnt++;
            fake->sh->geneve_tlv_option_resource = &fake->geneve;
            return 1;
        }
    }
    return 0;
}

static void
dv_release(void *fake_, uint64_t held __rte_unused)
{
    struct mlx5_fake *fake = fake_;

    if (!--fake->geneve.refcnt) {
        fake->sh->geneve_tlv_option_resource = NULL;
    }
}

static int
dv_ask(void *fake_, struct nicsim_personality_question *question,
       struct rte_flow_error *error)
{
    struct rte_eth_dev *dev = &rte_eth_devices[question->port_id];
    struct mlx5_order_refusal refusal;
    struct mlx5_fake *fake = fake_;
    int ret;

    if (!mlx5_fake_port(fake, question->port_id)) {
        return rte_flow_error_set(error, ENODEV,
                                  RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
                                  "no such port");
    }
    if (has_handles(question->actions)) {
        return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION,
                                  NULL, "action not supported");
    }
    dev->data->dev_started = question->started;
    if (question->create && !question->started) {
        /* mlx5_flow_create(), mlx5_flow.c. */
        return rte_flow_error_set(error, ENODEV,
                                  RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
                                  "port not started");
    }
    ret = mlx5_flow_validate(dev, question->attr, question->pattern,
                             question->actions, error);
    if (ret || !question->create) {
        return ret;
    }
    refusal = mlx5_order_check(
        &fake->order,
        is_uplink(fake, source_port(question->pattern, question->port_id)),
        goes_to_wire(fake, question->actions), question->attr,
        question->pattern, question->actions, &question->drops);
    if (refusal.code) {
        return rte_flow_error_set(error, refusal.code,
                                  RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
                                  refusal.words);
    }
    question->held = hold_geneve(fake, question->pattern);
    return 0;
}

extern const struct nicsim_personality_class nicsim_personality_class;

const struct nicsim_personality_class nicsim_personality_class = {
    .abi = NICSIM_PERSONALITY_ABI,
    .create = dv_create,
    .destroy = dv_destroy,
    .add_port = dv_add_port,
    .remove_port = dv_remove_port,
    .add_meter = dv_add_meter,
    .remove_meter = dv_remove_meter,
    .ask = dv_ask,
    .release = dv_release,
};
