/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Actions
 * =======
 *
 * Each action is a row of the table in nicsim-flow-action.c.  Those that need
 * more than copying their configuration have a function: MODIFY_FIELD's is in
 * nicsim-flow-modify.c, those of tunnels are in nicsim-flow-encap.c. */

#ifndef NICSIM_FLOW_ACTION_H
#define NICSIM_FLOW_ACTION_H 1

#include <stdbool.h>
#include <stdint.h>

#include <rte_flow.h>

#include "hw.h"

struct nicsim_port;

/* A list of actions on its way into a rule. */
struct nicsim_actions {
    const struct nicsim_port *port;
    const struct rte_flow_attr *attr;
    struct nicsim_rule *rule;
    const struct rte_flow_action **origins;
    struct rte_flow_error *error;
    const struct rte_flow_action *fate; /* What ends the list, or NULL. */
    const struct rte_flow_action *count;
    bool in_sample;
};

/* Both return a negative errno, with the error filled in. */
int nicsim_action_refuse(struct nicsim_actions *,
                         const struct rte_flow_action *,
                         enum rte_flow_error_type, const char *why);
int nicsim_action_refuse_conf(struct nicsim_actions *,
                              const struct rte_flow_action *,
                              const char *why);

/* Functions of actions: fill in what the table does not say of '*hw'.  They
 * return 0 or a negative errno. */
int nicsim_action_modify_field(struct nicsim_actions *,
                               const struct rte_flow_action *,
                               struct nicsim_action *hw);
int nicsim_action_raw_encap(struct nicsim_actions *,
                            const struct rte_flow_action *,
                            struct nicsim_action *hw);
int nicsim_action_raw_decap(struct nicsim_actions *,
                            const struct rte_flow_action *,
                            struct nicsim_action *hw);
int nicsim_action_vxlan_encap(struct nicsim_actions *,
                              const struct rte_flow_action *,
                              struct nicsim_action *hw);

#endif /* nicsim-flow-action.h */
