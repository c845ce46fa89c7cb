/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-group.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "cmap.h"
#include "hash.h"
#include "netdev.h"
#include "odp-util.h"
#include "offload-flow.h"
#include "offload-form.h"
#include "offload-refusal.h"
#include "offload-rule.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/thread.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(offload_group);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

/* Group 0 is where packets enter the NIC.  Some NICs have 16 bits for it. */
#define MAX_NUMBER 0xfffe

/* How long a group is remembered that has no users, in ms. */
#define LINGER_MS 5000

/* A rule for packets of one port that miss. */
struct miss {
    struct ovs_list node;       /* In a group's 'misses'. */
    struct offload_port *port;
    struct offload_rule *rule;
    unsigned int n_refs;
};

struct offload_group {
    struct hmap_node place_node;        /* In 'groups'. */
    struct cmap_node number_node;       /* In 'numbers'. */
    struct ovs_list idle_node;          /* In 'idle' if it has no users. */

    uint16_t domain;
    struct offload_place place;
    uint32_t number;
    atomic_bool hash_gone;
    unsigned int n_refs;
    long long int idle_since;
    struct ovs_list misses;             /* Has "struct miss"es. */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct hmap groups OVS_GUARDED_BY(mutex) = HMAP_INITIALIZER(&groups);

/* Groups without users, the longest idle first. */
static struct ovs_list idle OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&idle);

/* The same groups by number, for readers that take no lock. */
static struct cmap numbers = CMAP_INITIALIZER;

static uint32_t
hash_place(uint16_t domain, const struct offload_place *place)
{
    return hash_3words(domain, place->recirc_id, odp_to_u32(place->tunnel));
}

static struct offload_group *
find_number(uint32_t number)
{
    struct offload_group *group;

    CMAP_FOR_EACH_WITH_HASH (group, number_node, hash_int(number, 0),
                             &numbers) {
        if (group->number == number) {
            return group;
        }
    }
    return NULL;
}

/* Returns a number that no group has, or 0.  Goes through all numbers in turn,
 * so that one is not used again soon. */
static uint32_t
allocate_number(void)
    OVS_REQUIRES(mutex)
{
    static uint32_t last;

    for (uint32_t i = 0; i < MAX_NUMBER; i++) {
        last = last % MAX_NUMBER + 1;
        if (!find_number(last)) {
            return last;
        }
    }
    return 0;
}

static void
forget_idle_groups(void)
    OVS_REQUIRES(mutex)
{
    long long int deadline = time_msec() - LINGER_MS;
    struct offload_group *group;

    LIST_FOR_EACH_SAFE (group, idle_node, &idle) {
        if (group->idle_since > deadline) {
            break;
        }
        ovs_list_remove(&group->idle_node);
        hmap_remove(&groups, &group->place_node);
        cmap_remove(&numbers, &group->number_node,
                    hash_int(group->number, 0));
        ovsrcu_postpone(free, group);
    }
}

struct offload_group *
offload_group_ref(uint16_t domain, const struct offload_place *place)
    OVS_EXCLUDED(mutex)
{
    uint32_t hash = hash_place(domain, place);
    struct offload_group *group;
    uint32_t number;

    ovs_mutex_lock(&mutex);
    HMAP_FOR_EACH_WITH_HASH (group, place_node, hash, &groups) {
        if (group->domain == domain
            && group->place.recirc_id == place->recirc_id
            && group->place.tunnel == place->tunnel) {
            if (!group->n_refs++) {
                ovs_list_remove(&group->idle_node);
            }
            goto out;
        }
    }

    forget_idle_groups();
    number = allocate_number();
    if (number) {
        group = xzalloc(sizeof *group);
        group->domain = domain;
        group->place = *place;
        group->number = number;
        atomic_init(&group->hash_gone, false);
        group->n_refs = 1;
        ovs_list_init(&group->misses);
        hmap_insert(&groups, &group->place_node, hash);
        cmap_insert(&numbers, &group->number_node, hash_int(number, 0));
    } else {
        group = NULL;
    }
out:
    ovs_mutex_unlock(&mutex);
    return group;
}

void
offload_group_unref(struct offload_group *group)
    OVS_EXCLUDED(mutex)
{
    if (!group) {
        return;
    }
    ovs_mutex_lock(&mutex);
    if (!--group->n_refs) {
        group->idle_since = time_msec();
        ovs_list_push_back(&idle, &group->idle_node);
    }
    forget_idle_groups();
    ovs_mutex_unlock(&mutex);
}

static struct miss *
find_miss(struct offload_group *group, const struct offload_port *port)
    OVS_REQUIRES(mutex)
{
    struct miss *miss;

    LIST_FOR_EACH (miss, node, &group->misses) {
        if (miss->port == port) {
            return miss;
        }
    }
    return NULL;
}

int
offload_group_add_miss(struct offload_group *group, struct offload_port *port,
                       struct offload_refusal *refusal)
    OVS_EXCLUDED(mutex)
{
    struct miss *miss;
    int error = 0;

    ovs_mutex_lock(&mutex);
    miss = find_miss(group, port);
    if (!miss) {
        struct offload_rule *rule;

        error = offload_rule_create_miss(port->netdev, group->number,
                                         group->number, group->domain, &rule,
                                         refusal);
        if (!error) {
            miss = xzalloc(sizeof *miss);
            miss->port = port;
            miss->rule = rule;
            ovs_list_push_back(&group->misses, &miss->node);
        }
    }
    if (miss) {
        miss->n_refs++;
    }
    ovs_mutex_unlock(&mutex);
    return error;
}

static void
miss_destroy(struct miss *miss)
    OVS_REQUIRES(mutex)
{
    int error = offload_rule_destroy(miss->rule);

    if (error) {
        VLOG_ERR_RL(&rl, "%s: a rule for packets that miss is still in the "
                    "NIC: %s", netdev_get_name(miss->port->netdev),
                    ovs_strerror(error));
        offload_rule_abandon(miss->rule);
    }
    ovs_list_remove(&miss->node);
    free(miss);
}

void
offload_group_remove_miss(struct offload_group *group,
                          struct offload_port *port)
    OVS_EXCLUDED(mutex)
{
    struct miss *miss;

    ovs_mutex_lock(&mutex);
    miss = find_miss(group, port);
    if (miss && !--miss->n_refs) {
        miss_destroy(miss);
    }
    ovs_mutex_unlock(&mutex);
}

bool
offload_group_is_reached(struct offload_group *group,
                         const struct offload_port *port)
    OVS_EXCLUDED(mutex)
{
    bool reached;

    ovs_mutex_lock(&mutex);
    reached = find_miss(group, port) != NULL;
    ovs_mutex_unlock(&mutex);
    return reached;
}

uint32_t
offload_group_number(const struct offload_group *group)
{
    return group->number;
}

void
offload_group_set_hash_gone(struct offload_group *group)
{
    atomic_store_relaxed(&group->hash_gone, true);
}

bool
offload_group_find_place(uint32_t number, struct offload_place *place,
                         bool *hash_gone)
{
    struct offload_group *group = find_number(number);

    if (group) {
        *place = group->place;
        atomic_read_relaxed(&group->hash_gone, hash_gone);
    }
    return group != NULL;
}

void
offload_group_purge_port(struct offload_port *port)
    OVS_EXCLUDED(mutex)
{
    struct offload_group *group;

    ovs_mutex_lock(&mutex);
    HMAP_FOR_EACH (group, place_node, &groups) {
        struct miss *miss = find_miss(group, port);

        if (miss) {
            miss_destroy(miss);
        }
    }
    ovs_mutex_unlock(&mutex);
}

void
offload_groups_format(struct ds *s)
    OVS_EXCLUDED(mutex)
{
    struct offload_group *group;

    ovs_mutex_lock(&mutex);
    HMAP_FOR_EACH (group, place_node, &groups) {
        if (group->n_refs) {
            ds_put_format(s, "group %"PRIu32": recirc_id %"PRIu32,
                          group->number, group->place.recirc_id);
            if (group->place.tunnel != ODPP_NONE) {
                ds_put_format(s, ", tunnel port %"PRIu32,
                              group->place.tunnel);
            }
            ds_put_format(s, ", %u users\n", group->n_refs);
        }
    }
    ovs_mutex_unlock(&mutex);
}
