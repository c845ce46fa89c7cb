/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-form.h"

#include <stdlib.h>
#include <string.h>

#include <rte_config.h>
#include <rte_flow.h>

#include "coverage.h"
#include "offload-lock.h"
#include "offload-refusal.h"
#include "offload-rule-format.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "openvswitch/thread.h"
#include "util.h"

COVERAGE_DEFINE(offload_form_retry);
COVERAGE_DEFINE(offload_shape_known);

/* Megaflows of one kind come in few shapes; a NIC that refuses this many has
 * nothing more to be learned. */
#define MAX_SHAPES 1024

/* What was learned of one NIC. */
struct nic {
    unsigned int settled;       /* Forms that were settled ... */
    unsigned int forms;         /* ... and how. */
    struct shash shapes;        /* Shapes that are refused: the words. */
    bool initialized;
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;

/* DPDK numbers switch domains like this. */
static struct nic nics[RTE_MAX_ETHPORTS] OVS_GUARDED_BY(mutex);

static const char *const form_names[OFFLOAD_N_FORMS][2] = {
    { "item represented_port", "item port_id" },
    { "action represented_port", "action port_id" },
    { "actions set_*", "action modify_field" },
    { "action vxlan_encap", "action raw_encap" },
    { "action vxlan_decap", "action raw_decap" },
};

/* Returns what was learned of 'domain', or NULL if that can't be. */
static struct nic *
get_nic(uint16_t domain)
    OVS_REQUIRES(mutex)
{
    struct nic *nic;

    if (domain >= ARRAY_SIZE(nics)) {
        return NULL;
    }
    nic = &nics[domain];
    if (!nic->initialized) {
        shash_init(&nic->shapes);
        nic->initialized = true;
    }
    return nic;
}

unsigned int
offload_form_preferred(uint16_t domain)
    OVS_EXCLUDED(mutex)
{
    unsigned int forms = 0;
    struct nic *nic;

    offload_lock(&mutex, LEAF);
    nic = get_nic(domain);
    if (nic) {
        forms = nic->forms;
    }
    offload_unlock(&mutex, LEAF);
    return forms;
}

void
offload_form_trial_init(struct offload_form_trial *trial, uint16_t domain)
{
    *trial = (struct offload_form_trial) {
        .domain = domain,
        .first = offload_form_preferred(domain),
    };
    trial->forms = trial->first;
}

/* The attempts are the subsets of the forms that make a difference and are not
 * settled: attempt N flips those that N, its bits spread over them, has. */
bool
offload_form_trial_next(struct offload_form_trial *trial, unsigned int used)
    OVS_EXCLUDED(mutex)
{
    unsigned int open = used;
    unsigned int flip = 0;
    struct nic *nic;
    unsigned int n;

    offload_lock(&mutex, LEAF);
    nic = get_nic(trial->domain);
    if (nic) {
        open &= ~nic->settled;
    }
    offload_unlock(&mutex, LEAF);

    n = ++trial->n;
    for (unsigned int i = 0; i < OFFLOAD_N_FORMS; i++) {
        if (open & (1u << i)) {
            flip |= n & 1 ? 1u << i : 0;
            n >>= 1;
        }
    }
    if (n) {
        return false;
    }
    COVERAGE_INC(offload_form_retry);
    trial->forms = trial->first ^ flip;
    return true;
}

void
offload_form_trial_succeed(const struct offload_form_trial *trial,
                           unsigned int used)
    OVS_EXCLUDED(mutex)
{
    struct nic *nic;

    if (!trial->n) {
        return;
    }
    offload_lock(&mutex, LEAF);
    nic = get_nic(trial->domain);
    if (nic) {
        /* Only what had to be flipped is known to be wanted so. */
        unsigned int flipped = (trial->forms ^ trial->first) & used;

        nic->settled |= flipped;
        nic->forms = (nic->forms & ~flipped) | (trial->forms & flipped);
    }
    offload_unlock(&mutex, LEAF);
}

/* A rule without its values: each item has its mask for a spec, and of actions
 * there are the names only.  To be freed. */
static char *
format_shape(const struct rte_flow_attr *attr,
             const struct rte_flow_item *items,
             const struct rte_flow_action *actions)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&s, attr->group ? "group / " : "");
    for (; items->type != RTE_FLOW_ITEM_TYPE_END; items++) {
        struct rte_flow_item shape = {
            .type = items->type,
            .spec = items->mask,
            .mask = items->mask,
        };

        offload_rule_format_item(&s, &shape);
        ds_put_cstr(&s, items->last ? " range / " : " / ");
    }
    offload_rule_format_action_names(&s, actions);
    return ds_steal_cstr(&s);
}

bool
offload_form_check_shape(uint16_t domain, const struct rte_flow_attr *attr,
                         const struct rte_flow_item *items,
                         const struct rte_flow_action *actions,
                         struct offload_refusal *refusal)
    OVS_EXCLUDED(mutex)
{
    bool ok = true;
    struct nic *nic;

    offload_lock(&mutex, LEAF);
    nic = get_nic(domain);
    if (nic && !shash_is_empty(&nic->shapes)) {
        char *shape = format_shape(attr, items, actions);
        const char *words = shash_find_data(&nic->shapes, shape);

        free(shape);
        if (words) {
            COVERAGE_INC(offload_shape_known);
            ok = offload_refuse_words(refusal, OFFLOAD_REFUSAL_NIC, "%s",
                                      words);
        }
    }
    offload_unlock(&mutex, LEAF);
    return ok;
}

void
offload_form_learn_shape(uint16_t domain, const struct rte_flow_attr *attr,
                         const struct rte_flow_item *items,
                         const struct rte_flow_action *actions,
                         const char *words)
    OVS_EXCLUDED(mutex)
{
    struct nic *nic;

    offload_lock(&mutex, LEAF);
    nic = get_nic(domain);
    if (nic && shash_count(&nic->shapes) < MAX_SHAPES) {
        char *shape = format_shape(attr, items, actions);

        free(shash_replace(&nic->shapes, shape, xstrdup(words)));
        free(shape);
    }
    offload_unlock(&mutex, LEAF);
}

void
offload_form_format(struct ds *s, uint16_t domain)
    OVS_EXCLUDED(mutex)
{
    struct nic *nic;

    offload_lock(&mutex, LEAF);
    nic = get_nic(domain);
    if (nic) {
        for (unsigned int i = 0; i < OFFLOAD_N_FORMS; i++) {
            if (nic->settled & (1u << i)) {
                bool other = (nic->forms & (1u << i)) != 0;

                ds_put_format(s, "  the NIC wants %s instead of %s\n",
                              form_names[i][other], form_names[i][!other]);
            }
        }
        if (!shash_is_empty(&nic->shapes)) {
            ds_put_format(s, "  %"PRIuSIZE" shapes of rules that the NIC is "
                          "known to refuse\n", shash_count(&nic->shapes));
        }
    }
    offload_unlock(&mutex, LEAF);
}
