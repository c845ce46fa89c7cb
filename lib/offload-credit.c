/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-credit.h"

#include <stdlib.h>

#include "coverage.h"
#include "hash.h"
#include "offload-lock.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/thread.h"
#include "ovs-atomic.h"
#include "timeval.h"
#include "util.h"

COVERAGE_DEFINE(offload_credit_lost);

/* A megaflow whose traffic goes on is back within a moment. */
#define LIFETIME_MS 60000
#define MAX_CREDITS 10000

struct credit {
    struct hmap_node node;      /* In 'credits', by 'ufid'. */
    struct ovs_list age_node;   /* In 'by_age'. */
    ovs_u128 ufid;
    uint32_t actions_hash;
    uint64_t generation;        /* When it was given. */
    struct offload_rule_stats stats;
    long long int expires;
};

/* Changes with what may have megaflows be of other OpenFlow rules. */
static atomic_uint64_t generation = ATOMIC_VAR_INIT(0);

static uint64_t
get_generation(void)
{
    uint64_t now;

    atomic_read_relaxed(&generation, &now);
    return now;
}

void
offload_credit_revalidate(void)
{
    uint64_t orig;

    atomic_add_relaxed(&generation, 1, &orig);
}

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct hmap credits OVS_GUARDED_BY(mutex) = HMAP_INITIALIZER(&credits);
static struct ovs_list by_age OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&by_age);

static struct credit *
find_credit(const ovs_u128 *ufid)
    OVS_REQUIRES(mutex)
{
    struct credit *credit;

    HMAP_FOR_EACH_WITH_HASH (credit, node, hash_bytes(ufid, sizeof *ufid, 0),
                             &credits) {
        if (ovs_u128_equals(credit->ufid, *ufid)) {
            return credit;
        }
    }
    return NULL;
}

static void
remove_credit(struct credit *credit)
    OVS_REQUIRES(mutex)
{
    hmap_remove(&credits, &credit->node);
    ovs_list_remove(&credit->age_node);
    free(credit);
}

static void
expire_credits(void)
    OVS_REQUIRES(mutex)
{
    long long int now = time_msec();
    struct credit *credit;

    LIST_FOR_EACH_SAFE (credit, age_node, &by_age) {
        if (credit->expires > now && hmap_count(&credits) < MAX_CREDITS) {
            break;
        }
        COVERAGE_INC(offload_credit_lost);
        remove_credit(credit);
    }
}

void
offload_credit_give(const ovs_u128 *ufid, const struct nlattr *actions,
                    size_t actions_len,
                    const struct offload_rule_stats *stats)
    OVS_EXCLUDED(mutex)
{
    uint32_t actions_hash = hash_bytes(actions, actions_len, 0);
    uint64_t now = get_generation();
    struct credit *credit;

    if (!stats->n_packets) {
        return;
    }
    offload_lock(&mutex, LEAF);
    expire_credits();
    credit = find_credit(ufid);
    if (credit && (credit->actions_hash != actions_hash
                   || credit->generation != now)) {
        COVERAGE_INC(offload_credit_lost);
        remove_credit(credit);
        credit = NULL;
    }
    if (!credit) {
        credit = xzalloc(sizeof *credit);
        credit->ufid = *ufid;
        credit->actions_hash = actions_hash;
        credit->generation = now;
        hmap_insert(&credits, &credit->node,
                    hash_bytes(ufid, sizeof *ufid, 0));
    } else {
        ovs_list_remove(&credit->age_node);
    }
    credit->stats.n_packets += stats->n_packets;
    credit->stats.n_bytes += stats->n_bytes;
    credit->expires = time_msec() + LIFETIME_MS;
    ovs_list_push_back(&by_age, &credit->age_node);
    offload_unlock(&mutex, LEAF);
}

void
offload_credit_take(const ovs_u128 *ufid, const struct nlattr *actions,
                    size_t actions_len, struct offload_rule_stats *stats)
    OVS_EXCLUDED(mutex)
{
    struct credit *credit;

    offload_lock(&mutex, LEAF);
    if (!hmap_is_empty(&credits)) {
        expire_credits();
        credit = find_credit(ufid);
        if (credit) {
            if (credit->generation == get_generation()
                && credit->actions_hash == hash_bytes(actions, actions_len,
                                                      0)) {
                stats->n_packets += credit->stats.n_packets;
                stats->n_bytes += credit->stats.n_bytes;
            } else {
                COVERAGE_INC(offload_credit_lost);
            }
            remove_credit(credit);
        }
    }
    offload_unlock(&mutex, LEAF);
}
