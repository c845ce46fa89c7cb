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
#include "offload-ethdev.h"
#include "offload-form.h"
#include "offload-lock.h"
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

/* A rule for packets of one port that miss or, in a group of packets that left
 * a tunnel and recirculated, of all ports. */
struct miss {
    struct ovs_list node;       /* In a group's 'misses'. */
    struct offload_port *port;  /* By which it was made. */
    struct offload_rule *rule;  /* NULL if no port could make it. */
    unsigned int n_refs;        /* 0 if the NIC does not give up 'rule': then
                                 * it has a reference to the group. */
    long long int checked;      /* When the NIC was last asked for it. */
};

/* Rules of ports that are gone, which the NIC did not give up. */
struct stray {
    struct ovs_list node;       /* In 'strays'. */
    struct offload_group *group;        /* A reference. */
    struct offload_rule *rule;
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

static struct ovs_list strays OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&strays);

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

    offload_lock(&mutex, GROUP);
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
    offload_unlock(&mutex, GROUP);
    return group;
}

static void
unref_group(struct offload_group *group)
    OVS_REQUIRES(mutex)
{
    if (!--group->n_refs) {
        group->idle_since = time_msec();
        ovs_list_push_back(&idle, &group->idle_node);
    }
}

void
offload_group_unref(struct offload_group *group)
    OVS_EXCLUDED(mutex)
{
    if (!group) {
        return;
    }
    offload_lock(&mutex, GROUP);
    unref_group(group);
    forget_idle_groups();
    offload_unlock(&mutex, GROUP);
}

/* Rules that lead to such a group are for packets of all ports, and for Open
 * vSwitch these are the tunnel's, whoever received them. */
static bool
is_for_all_ports(const struct offload_group *group)
{
    return group->place.recirc_id && group->place.tunnel != ODPP_NONE;
}

static struct miss *
find_miss(struct offload_group *group, const struct offload_port *port)
    OVS_REQUIRES(mutex)
{
    struct miss *miss;

    LIST_FOR_EACH (miss, node, &group->misses) {
        if (miss->port == port || is_for_all_ports(group)) {
            return miss;
        }
    }
    return NULL;
}

static int
create_miss_rule(const struct offload_group *group,
                 const struct offload_port *port, uint16_t port_id,
                 struct offload_rule **rulep,
                 struct offload_refusal *refusal)
{
    return offload_rule_create_miss(netdev_get_name(port->netdev), port_id,
                                    is_for_all_ports(group), group->number,
                                    group->number, group->domain, rulep,
                                    refusal);
}

/* Asks the NIC for the rule of 'miss'.  One that can't be asked for is
 * believed to be there. */
static bool
miss_is_there(struct miss *miss)
    OVS_REQUIRES(mutex)
{
    struct offload_rule_stats stats = { 0, 0 };
    int error;

    if (!miss->rule) {
        return false;
    }
    error = offload_rule_query(miss->rule, &stats);
    miss->checked = time_msec();
    return error != ENOENT && error != ENODEV;
}

int
offload_group_add_miss(struct offload_group *group, struct offload_port *port,
                       uint16_t port_id, struct offload_refusal *refusal)
    OVS_EXCLUDED(mutex)
{
    struct miss *miss;
    int error = 0;

    offload_lock(&mutex, GROUP);
    miss = find_miss(group, port);
    if (!miss || !miss_is_there(miss)) {
        struct offload_rule *rule;

        if (miss && miss->rule && offload_rule_destroy(miss->rule)) {
            offload_rule_abandon(miss->rule);
        }
        error = create_miss_rule(group, port, port_id, &rule, refusal);
        if (miss) {
            miss->rule = error ? NULL : rule;
            miss->port = port;
        }
        if (error) {
            miss = NULL;
        } else if (miss) {
            /* Made again. */
        } else {
            miss = xzalloc(sizeof *miss);
            miss->port = port;
            miss->rule = rule;
            miss->n_refs = 1;
            miss->checked = time_msec();
            ovs_list_push_back(&group->misses, &miss->node);
            goto out;
        }
    }
    if (miss && !miss->n_refs++) {
        unref_group(group);
    }
out:
    offload_unlock(&mutex, GROUP);
    return error;
}

static void
miss_free(struct miss *miss)
    OVS_REQUIRES(mutex)
{
    ovs_list_remove(&miss->node);
    free(miss);
}

void
offload_group_remove_miss(struct offload_group *group,
                          struct offload_port *port)
    OVS_EXCLUDED(mutex)
{
    struct miss *miss;

    offload_lock(&mutex, GROUP);
    miss = find_miss(group, port);
    if (miss && miss->n_refs && !--miss->n_refs) {
        int error = miss->rule ? offload_rule_destroy(miss->rule) : 0;

        if (error) {
            VLOG_ERR_RL(&rl, "group %"PRIu32": a rule for packets that miss "
                        "is still in the NIC (%s), and will be removed later",
                        group->number, ovs_strerror(error));
            group->n_refs++;
        } else {
            miss_free(miss);
        }
    }
    offload_unlock(&mutex, GROUP);
}

bool
offload_group_has_miss(struct offload_group *group, struct offload_port *port)
    OVS_EXCLUDED(mutex)
{
    struct miss *miss;
    bool ok = true;

    offload_lock(&mutex, GROUP);
    miss = find_miss(group, port);
    if (miss && (!miss->rule || time_msec() >= miss->checked + 1000)) {
        ok = miss_is_there(miss);
    }
    offload_unlock(&mutex, GROUP);
    return ok;
}

/* Their ethdev must not be closed meanwhile. */
static void
retry_strays(void)
    OVS_EXCLUDED(mutex)
{
    struct stray *stray;
    struct ovs_list list;

    offload_lock(&mutex, GROUP);
    ovs_list_move(&list, &strays);
    ovs_list_init(&strays);
    offload_unlock(&mutex, GROUP);

    LIST_FOR_EACH_POP (stray, node, &list) {
        const struct offload_ethdev *ethdev = offload_rule_ethdev(stray->rule);
        struct offload_port *port
            = offload_port_enter_by_ethdev(ethdev->port_id);
        int error = EBUSY;

        if (port || !offload_ethdev_is_current(ethdev)) {
            error = offload_rule_destroy(stray->rule);
        }
        if (port) {
            offload_port_leave(port);
        }
        offload_lock(&mutex, GROUP);
        if (error) {
            ovs_list_push_back(&strays, &stray->node);
        } else {
            unref_group(stray->group);
            free(stray);
        }
        offload_unlock(&mutex, GROUP);
    }
}

/* Ports that are closed meanwhile wait for the lock in
 * offload_group_purge_port(). */
void
offload_groups_retry(void)
    OVS_EXCLUDED(mutex)
{
    struct offload_group *group;

    retry_strays();
    offload_lock(&mutex, GROUP);
    HMAP_FOR_EACH (group, place_node, &groups) {
        struct miss *miss;

        LIST_FOR_EACH_SAFE (miss, node, &group->misses) {
            if (!miss->n_refs
                && !(miss->rule && offload_rule_destroy(miss->rule))) {
                miss_free(miss);
                unref_group(group);
            }
        }
    }
    forget_idle_groups();
    offload_unlock(&mutex, GROUP);
}

/* Enters a port that has a miss rule in a group of 'place', not 'except'. */
static struct offload_port *
enter_port(const struct offload_place *place,
           const struct offload_port *except)
    OVS_REQUIRES(mutex)
{
    struct offload_group *group;

    HMAP_FOR_EACH (group, place_node, &groups) {
        struct miss *miss;

        if (group->place.recirc_id != place->recirc_id
            || group->place.tunnel != place->tunnel) {
            continue;
        }
        LIST_FOR_EACH (miss, node, &group->misses) {
            if (miss->port != except && offload_port_enter(miss->port)) {
                return miss->port;
            }
        }
    }
    return NULL;
}

struct offload_port *
offload_group_enter_port(const struct offload_place *place)
    OVS_EXCLUDED(mutex)
{
    const struct offload_place entrance = { .tunnel = place->tunnel };
    struct offload_port *port;

    offload_lock(&mutex, GROUP);
    port = enter_port(place, NULL);
    if (!port) {
        port = enter_port(&entrance, NULL);
    }
    offload_unlock(&mutex, GROUP);
    return port;
}

/* Has another port than 'gone' make the rule for packets of all ports that
 * miss in 'group', which is still needed. */
static void
replace_miss(struct offload_group *group, struct miss *miss,
             const struct offload_port *gone)
    OVS_REQUIRES(mutex)
{
    const struct offload_place entrance = { .tunnel = group->place.tunnel };
    struct offload_port *port = enter_port(&entrance, gone);
    struct offload_refusal refusal;

    miss->rule = NULL;
    if (port) {
        int port_id = offload_port_id(port);

        if (port_id >= 0) {
            create_miss_rule(group, port, port_id, &miss->rule, &refusal);
            miss->port = port;
        }
        offload_port_leave(port);
    }
    if (!miss->rule) {
        miss->port = NULL;
    }
}

bool
offload_group_is_reached(struct offload_group *group,
                         const struct offload_port *port)
    OVS_EXCLUDED(mutex)
{
    bool any = group->place.tunnel != ODPP_NONE;
    bool reached = false;
    struct miss *miss;

    offload_lock(&mutex, GROUP);
    LIST_FOR_EACH (miss, node, &group->misses) {
        if ((any || miss->port == port) && miss->n_refs) {
            reached = true;
        }
    }
    offload_unlock(&mutex, GROUP);
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

    offload_lock(&mutex, GROUP);
    HMAP_FOR_EACH (group, place_node, &groups) {
        struct miss *miss = find_miss(group, port);
        const struct offload_ethdev *ethdev;
        bool had_group;

        if (!miss || miss->port != port) {
            continue;
        }
        had_group = !miss->n_refs;
        ethdev = offload_rule_ethdev(miss->rule);
        if (!offload_rule_destroy(miss->rule)) {
            /* It is gone. */
        } else if (!offload_ethdev_keeps_rules(ethdev->port_id)) {
            offload_rule_abandon(miss->rule);
        } else {
            struct stray *stray = xmalloc(sizeof *stray);

            stray->rule = miss->rule;
            stray->group = group;
            group->n_refs++;
            ovs_list_push_back(&strays, &stray->node);
        }
        if (is_for_all_ports(group) && miss->n_refs) {
            replace_miss(group, miss, port);
            continue;
        }
        miss_free(miss);
        if (had_group) {
            unref_group(group);
        }
    }
    offload_unlock(&mutex, GROUP);
}

void
offload_groups_format(struct ds *s)
    OVS_EXCLUDED(mutex)
{
    struct offload_group *group;

    offload_lock(&mutex, GROUP);
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
    offload_unlock(&mutex, GROUP);
}
