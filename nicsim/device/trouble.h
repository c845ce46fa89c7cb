/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What the operator wants to go wrong with rules
 * ==============================================
 *
 * Real cards refuse rules for reasons that depend on where an action stands,
 * on what else is in the table, or on nothing that anybody outside knows.
 * Each option here is one such habit, to be had from any driver that uses
 * nicsim.  "Refusals" are of kind: the same rule is refused again.  "Failures"
 * are of the moment: the same operation succeeds when it is tried again. */

#ifndef NICSIM_TROUBLE_H
#define NICSIM_TROUBLE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nic;
struct nicsim_rule_op;

struct trouble {
    /* Actions, bits of rule_format's indexes. */
    uint64_t refuse_in_sample;
    uint64_t refuse_from_wire;
    uint64_t refuse_from_vf;
    int refuse_errno;                   /* Of these, and of --refuse-item and
                                         * --refuse-action. */
    uint32_t max_samples;               /* Of one rule, or UINT32_MAX. */
    uint32_t max_masks;                 /* Of all rules, or UINT32_MAX. */
    bool proxy_only;                    /* Rules are made on the PF. */
    bool no_mark;                       /* MARK is taken, and lost. */

    uint32_t fail_every;                /* Every so many operations, or 0. */
    int fail_errno;
    uint32_t full_percent;              /* Of creations. */

    /* State. */
    uint32_t n_ops;                     /* Since the last failure. */
    uint32_t random;
};

/* Options that all have an argument. */
enum trouble_option {
    TROUBLE_REFUSE_IN_SAMPLE,
    TROUBLE_REFUSE_FROM_WIRE,
    TROUBLE_REFUSE_FROM_VF,
    TROUBLE_REFUSE_ERRNO,
    TROUBLE_MAX_SAMPLES,
    TROUBLE_MAX_MASKS,
    TROUBLE_FAIL_EVERY,
    TROUBLE_FAIL_ERRNO,
    TROUBLE_FULL_PERCENT,
    TROUBLE_N_OPTIONS
};

extern const char *const trouble_options[TROUBLE_N_OPTIONS];

/* Nothing goes wrong. */
void trouble_init(struct trouble *);

/* Sets option 'option' to 'value'.  Returns false if it can't be, and says
 * what is wanted in 'why', with at least 'size' bytes. */
bool trouble_set(struct trouble *, enum trouble_option option,
                 const char *value, char *why, size_t size);

/* Returns 0, or a positive errno if the rule in 'op', which the NIC could
 * have, is refused, with the reason in 'why' and in 'op'. */
int trouble_refuses(struct nic *, struct nicsim_rule_op *op, char *why);

/* Returns 0, or a positive errno if an operation that would be done now fails,
 * with the reason in 'why'.  'create' says whether it makes a rule. */
int trouble_fails(struct nic *, bool create, char *why);

#endif /* nicsim/device/trouble.h */
