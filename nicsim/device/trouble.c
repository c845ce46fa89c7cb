/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "trouble.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "nic.h"
#include "nicsim/rule-format.h"
#include "rule-table.h"
#include "util.h"

const char *const trouble_options[TROUBLE_N_OPTIONS] = {
    [TROUBLE_REFUSE_IN_SAMPLE] = "refuse-in-sample",
    [TROUBLE_REFUSE_FROM_WIRE] = "refuse-from-wire",
    [TROUBLE_REFUSE_FROM_VF] = "refuse-from-vf",
    [TROUBLE_REFUSE_ERRNO] = "refuse-errno",
    [TROUBLE_MAX_SAMPLES] = "max-samples",
    [TROUBLE_MAX_MASKS] = "max-masks",
    [TROUBLE_FAIL_EVERY] = "fail-every",
    [TROUBLE_FAIL_ERRNO] = "fail-errno",
    [TROUBLE_FULL_PERCENT] = "full-percent",
};

/* Those that drivers refuse rules with. */
static const struct {
    const char *name;
    int code;
} errnos[] = {
    { "EAGAIN", EAGAIN }, { "EBUSY", EBUSY }, { "EEXIST", EEXIST },
    { "EINVAL", EINVAL }, { "EIO", EIO }, { "ENODEV", ENODEV },
    { "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC }, { "ENOTSUP", ENOTSUP },
    { "EPERM", EPERM },
};

void
trouble_init(struct trouble *trouble)
{
    memset(trouble, 0, sizeof *trouble);
    trouble->refuse_errno = ENOTSUP;
    trouble->fail_errno = EAGAIN;
    trouble->max_samples = UINT32_MAX;
    trouble->max_masks = UINT32_MAX;
    trouble->random = 1;
}

static bool
set_number(uint32_t *number, const char *value, uint32_t min, uint32_t max,
           char *why, size_t size)
{
    unsigned long n;
    char *end;

    errno = 0;
    n = strtoul(value, &end, 10);
    if (errno || end == value || *end || *value == '-' || n < min || n > max) {
        snprintf(why, size, "\"%.32s\" is not a number from %"PRIu32" to %"
                 PRIu32, value, min, max);
        return false;
    }
    *number = n;
    return true;
}

static bool
set_errno(int *code, const char *value, char *why, size_t size)
{
    size_t n;

    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0]; i++) {
        if (!strcmp(errnos[i].name, value)) {
            *code = errnos[i].code;
            return true;
        }
    }
    n = snprintf(why, size, "\"%.32s\" is none of", value);
    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0] && n < size;
         i++) {
        n += snprintf(why + n, size - n, " %s", errnos[i].name);
    }
    return false;
}

static bool
add_actions(uint64_t *set, const char *value, char *why, size_t size)
{
    char copy[1024];
    char *save;

    snprintf(copy, sizeof copy, "%s", value);
    for (char *name = strtok_r(copy, ",", &save); name;
         name = strtok_r(NULL, ",", &save)) {
        uint64_t actions = rule_actions_from_name(name);

        if (!actions) {
            snprintf(why, size, "there is no action \"%.32s\"", name);
            return false;
        }
        *set |= actions;
    }
    return true;
}

bool
trouble_set(struct trouble *trouble, enum trouble_option option,
            const char *value, char *why, size_t size)
{
    switch (option) {
    case TROUBLE_REFUSE_IN_SAMPLE:
        return add_actions(&trouble->refuse_in_sample, value, why, size);

    case TROUBLE_REFUSE_FROM_WIRE:
        return add_actions(&trouble->refuse_from_wire, value, why, size);

    case TROUBLE_REFUSE_FROM_VF:
        return add_actions(&trouble->refuse_from_vf, value, why, size);

    case TROUBLE_REFUSE_ERRNO:
        return set_errno(&trouble->refuse_errno, value, why, size);

    case TROUBLE_MAX_SAMPLES:
        return set_number(&trouble->max_samples, value, 0, NICSIM_MAX_ACTIONS,
                          why, size);

    case TROUBLE_MAX_MASKS:
        return set_number(&trouble->max_masks, value, 1, 1u << 24, why, size);

    case TROUBLE_FAIL_EVERY:
        return set_number(&trouble->fail_every, value, 2, 1u << 24, why,
                          size);

    case TROUBLE_FAIL_ERRNO:
        return set_errno(&trouble->fail_errno, value, why, size);

    case TROUBLE_FULL_PERCENT:
        return set_number(&trouble->full_percent, value, 0, 99, why, size);

    case TROUBLE_N_OPTIONS:
    default:
        break;
    }
    snprintf(why, size, "no such option");
    return false;
}

/* Refuses action 'i' of the rule in 'op'. */
static int
refuse_action(const struct trouble *trouble, struct nicsim_rule_op *op,
              uint32_t i, const char *where, char *why)
{
    int number = rule_action_number(&op->rule.actions[i]);

    op->culprit = NICSIM_CULPRIT_ACTION;
    op->culprit_arg = i;
    return refuse(trouble->refuse_errno, why, "%s is not supported %s",
                  rule_action_name(number), where);
}

static int
check_actions(const struct trouble *trouble, struct nicsim_rule_op *op,
              char *why)
{
    const struct nicsim_rule *rule = &op->rule;
    bool known = rule->mask.meta.vport == UINT16_MAX;
    bool wire = rule->key.meta.vport == NICSIM_VPORT_UPLINK;
    uint32_t n_samples = 0;
    uint32_t sample_end = 0;

    for (uint32_t i = 0; i < rule->n_actions; i++) {
        const struct nicsim_action *action = &rule->actions[i];
        uint64_t bit = UINT64_C(1) << rule_action_number(action);

        if (i < sample_end && trouble->refuse_in_sample & bit) {
            return refuse_action(trouble, op, i, "in a sample", why);
        }
        if ((!known || wire) && trouble->refuse_from_wire & bit) {
            return refuse_action(trouble, op, i, "for what comes from the "
                                 "wire", why);
        }
        if ((!known || !wire) && trouble->refuse_from_vf & bit) {
            return refuse_action(trouble, op, i, "for what comes from a VF",
                                 why);
        }
        if (action->type == NICSIM_ACT_SAMPLE) {
            sample_end = i + 1 + action->field;
            if (++n_samples > trouble->max_samples) {
                return refuse_action(trouble, op, i, "so often", why);
            }
        }
    }
    return 0;
}

int
trouble_refuses(struct nic *nic, struct nicsim_rule_op *op, char *why)
{
    const struct trouble *trouble = &nic->opts.trouble;
    int error;

    if (trouble->proxy_only && NICSIM_FN_KIND(op->fn) != NICSIM_FN_PF) {
        return refuse(trouble->refuse_errno, why, "rules are made on the PF "
                      "only, the transfer proxy");
    }
    error = check_actions(trouble, op, why);
    if (error) {
        return error;
    }
    if (rule_table_n_masks(nic->rules) >= trouble->max_masks
        && !rule_table_has_mask(nic->rules, &op->rule)) {
        return refuse(ENOSPC, why, "all %"PRIu32" masks are in use",
                      trouble->max_masks);
    }
    return 0;
}

/* A number below 100.  Always the same series, so that a test can be run
 * again. */
static uint32_t
next_percent(struct trouble *trouble)
{
    trouble->random = trouble->random * 1664525 + 1013904223;
    return (trouble->random >> 16) % 100;
}

int
trouble_fails(struct nic *nic, bool create, char *why)
{
    struct trouble *trouble = &nic->opts.trouble;

    if (trouble->fail_every && ++trouble->n_ops >= trouble->fail_every) {
        trouble->n_ops = 0;
        return refuse(trouble->fail_errno, why, "this operation fails (every "
                      "%"PRIu32" do)", trouble->fail_every);
    }
    if (create && trouble->full_percent
        && next_percent(trouble) < trouble->full_percent) {
        return refuse(ENOSPC, why, "the table has no room just now");
    }
    return 0;
}
