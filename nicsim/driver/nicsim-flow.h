/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * rte_flow
 * ========
 *
 * Rules of the NIC's eSwitch: 'transfer' rules in groups, made through the PF
 * or a representor.  A pattern and a list of actions are translated into a
 * 'struct nicsim_rule' (nicsim-flow-pattern.c, nicsim-flow-action.c), which
 * the device checks once more and takes or refuses.  Whatever the NIC can't
 * do is refused by name; nothing is accepted and ignored.
 *
 * A rule without a port item matches what comes from the entity that the
 * ethdev represents: the wire for the PF, the VF for a representor.
 *
 * The 'message' of a struct rte_flow_error points to a buffer of the calling
 * thread: it is good until this thread's next failing rte_flow call to this
 * driver. */

#ifndef NICSIM_FLOW_H
#define NICSIM_FLOW_H 1

#include <stdint.h>

#include <rte_flow.h>

#include "hw.h"

struct nicsim_port;

extern const struct rte_flow_ops nicsim_flow_ops;

/* Removes the rules that were made through 'port', which is being closed. */
void nicsim_flow_uninit(struct nicsim_port *);

/* Fills 'rule->items', 'key' and 'mask' from 'pattern'.  Returns 0, or a
 * negative errno with 'error' filled in. */
int nicsim_flow_parse_pattern(const struct nicsim_port *,
                              const struct rte_flow_attr *,
                              const struct rte_flow_item pattern[],
                              struct nicsim_rule *rule,
                              struct rte_flow_error *error);

/* Fills 'rule->actions' and 'n_actions', and in 'origins' which action each
 * was made of.  Returns 0, or a negative errno with 'error' filled in. */
int nicsim_flow_parse_actions(
    const struct nicsim_port *, const struct rte_flow_attr *,
    const struct rte_flow_action actions[], struct nicsim_rule *rule,
    const struct rte_flow_action *origins[NICSIM_MAX_ACTIONS],
    struct rte_flow_error *error);

/* The NICSIM_ITEM_* bit of an item's type, or 0. */
uint32_t nicsim_flow_item_bit(enum rte_flow_item_type);

/* Writes the name of an item or action, in small letters as testpmd takes
 * them, into 'name' and returns it. */
const char *nicsim_flow_item_name(int type, char *name, size_t size);
const char *nicsim_flow_action_name(int type, char *name, size_t size);

/* Fills 'error' (which may be NULL) and rte_errno.  Returns -code. */
int nicsim_flow_refuse(struct rte_flow_error *error, int code,
                       enum rte_flow_error_type, const void *cause,
                       const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Finds the vport that ethdev 'port_id' represents and stores it in '*vport'.
 * Returns NULL, or the sentence why 'port' can't name that one. */
const char *nicsim_flow_find_vport(const struct nicsim_port *port,
                                   uint32_t port_id, uint32_t *vport);

#endif /* nicsim-flow.h */
