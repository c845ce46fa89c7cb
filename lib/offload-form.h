/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What a NIC takes
 * ================
 *
 * rte_flow has several ways to say some things, and NICs differ in which they
 * take.  Each such choice is a *form*, one bit: 0 for what is tried first, 1
 * for the other way.  A rule is translated for a set of forms; what is refused
 * is translated again for another set, as long as there is one that makes a
 * difference to that rule.
 *
 * What was learned is kept for each NIC (eSwitch):
 *
 *    - A form with which a rule was taken that was refused without it is used
 *      at once from then on.
 *
 *    - A rule that was refused in all forms because it "is not supported"
 *      (ENOTSUP) is not offered again, nor are others of the same shape:
 *      the same items under the same masks and the same kinds of actions.
 *      The NIC's words are kept with the shape.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread. */

#ifndef OFFLOAD_FORM_H
#define OFFLOAD_FORM_H 1

#include <stdbool.h>
#include <stdint.h>

struct ds;
struct offload_refusal;
struct rte_flow_action;
struct rte_flow_attr;
struct rte_flow_item;

enum {
    /* Item port_id instead of represented_port. */
    OFFLOAD_FORM_ITEM_PORT_ID   = 1 << 0,
    /* Action port_id instead of represented_port. */
    OFFLOAD_FORM_ACTION_PORT_ID = 1 << 1,
    /* modify_field instead of set_* for whole fields. */
    OFFLOAD_FORM_MODIFY_FIELD   = 1 << 2,
    /* raw_encap instead of vxlan_encap. */
    OFFLOAD_FORM_RAW_ENCAP      = 1 << 3,
    /* raw_decap instead of vxlan_decap. */
    OFFLOAD_FORM_RAW_DECAP      = 1 << 4,

    OFFLOAD_N_FORMS = 5
};

/* The forms that NIC 'domain' (a switch domain of DPDK) is known to want. */
unsigned int offload_form_preferred(uint16_t domain);

/* A rule that is tried in several forms. */
struct offload_form_trial {
    uint16_t domain;
    unsigned int first;         /* Forms of the first attempt. */
    unsigned int forms;         /* Forms of the present attempt. */
    unsigned int n;             /* Attempts before the present one. */
};

/* Begins a trial, with '*trial' to be translated for 'trial->forms'. */
void offload_form_trial_init(struct offload_form_trial *trial,
                             uint16_t domain);

/* To be called when the NIC refused a rule for which the forms in 'used' make
 * a difference.  Returns true if there is another attempt to be made, with
 * 'trial->forms'. */
bool offload_form_trial_next(struct offload_form_trial *trial,
                             unsigned int used);

/* To be called when the NIC took a rule: remembers its forms if others were
 * refused. */
void offload_form_trial_succeed(const struct offload_form_trial *trial,
                                unsigned int used);

/* Returns false, with '*refusal', if the NIC is known to refuse rules of this
 * shape, otherwise true. */
bool offload_form_check_shape(uint16_t domain,
                              const struct rte_flow_attr *attr,
                              const struct rte_flow_item *items,
                              const struct rte_flow_action *actions,
                              struct offload_refusal *refusal);

/* Remembers that the NIC refuses rules of this shape in 'words'. */
void offload_form_learn_shape(uint16_t domain,
                              const struct rte_flow_attr *attr,
                              const struct rte_flow_item *items,
                              const struct rte_flow_action *actions,
                              const char *words);

/* Appends what was learned of 'domain', in lines that begin with two spaces;
 * nothing if that is nothing. */
void offload_form_format(struct ds *, uint16_t domain);

#endif /* offload-form.h */
