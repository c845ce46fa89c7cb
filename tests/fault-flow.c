/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

/* A NIC whose rules go wrong
 * ==========================
 *
 * To be preloaded: takes the place of rte_flow's functions, and does what they
 * do, unless a file in the directory of the environment variable FAULT_FLOW
 * says otherwise:
 *
 *    keep     rte_flow_destroy() fails with EBUSY, and the rule stays.
 *
 *    forget   The NIC forgets each rule that is asked for, or removed: the
 *             real rule goes, and rte_flow_query() fails from then on.  With a
 *             number in it, only rules of this group are forgotten.
 *
 *    eio      rte_flow_create() fails with EIO, though the NIC is there.
 *
 *    hold     rte_flow_create() of a rule with a meter waits, once the rule is
 *             there, until this file is not; meanwhile there is a file "held".
 *
 * File "destroyed" is given a line for each rule whose removal was asked for
 * while it is there. */

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_flow.h>

#define REAL(FUNCTION) ((__typeof__(FUNCTION) *) dlsym(RTLD_NEXT, #FUNCTION))

/* Rules that the NIC has forgotten, whose handles stay valid, and the groups
 * of all others. */
#define N_RULES 65536

struct entry {
    struct rte_flow *flow;
    uint32_t group;
    bool forgotten;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct entry rules[N_RULES];

/* Finds the entry of 'flow', or with NULL one that is free, under 'mutex'. */
static struct entry *
find(struct rte_flow *flow)
{
    for (size_t i = 0; i < N_RULES; i++) {
        if (rules[i].flow == flow) {
            return &rules[i];
        }
    }
    return NULL;
}

static void
note(struct rte_flow *flow, uint32_t group)
{
    struct entry *entry;

    pthread_mutex_lock(&mutex);
    entry = find(flow);
    entry = entry ? entry : find(NULL);
    if (entry) {
        *entry = (struct entry) { .flow = flow, .group = group };
    }
    pthread_mutex_unlock(&mutex);
}

static void
erase(struct rte_flow *flow)
{
    struct entry *entry;

    pthread_mutex_lock(&mutex);
    entry = find(flow);
    if (entry) {
        entry->flow = NULL;
    }
    pthread_mutex_unlock(&mutex);
}

static FILE *
fault(const char *name, const char *mode)
{
    const char *dir = getenv("FAULT_FLOW");
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", dir ? dir : "", name);
    return dir && !access(path, F_OK) ? fopen(path, mode) : NULL;
}

static bool
is_forgotten(uint16_t port, struct rte_flow *flow)
{
    FILE *file = fault("forget", "r");
    struct entry *entry;
    bool forgotten;

    pthread_mutex_lock(&mutex);
    entry = find(flow);
    if (file && entry && !entry->forgotten) {
        unsigned int group;

        if (fscanf(file, "%u", &group) != 1 || entry->group == group) {
            REAL(rte_flow_destroy)(port, flow, NULL);
            entry->forgotten = true;
        }
    }
    forgotten = entry && entry->forgotten;
    pthread_mutex_unlock(&mutex);
    if (file) {
        fclose(file);
    }
    return forgotten;
}

static bool
has_meter(const struct rte_flow_action *actions)
{
    while (actions->type != RTE_FLOW_ACTION_TYPE_END
           && actions->type != RTE_FLOW_ACTION_TYPE_METER) {
        actions++;
    }
    return actions->type == RTE_FLOW_ACTION_TYPE_METER;
}

struct rte_flow *
rte_flow_create(uint16_t port, const struct rte_flow_attr *attr,
                const struct rte_flow_item pattern[],
                const struct rte_flow_action actions[],
                struct rte_flow_error *error)
{
    FILE *file = fault("eio", "r");
    struct rte_flow *flow;

    if (file) {
        fclose(file);
        rte_flow_error_set(error, EIO, RTE_FLOW_ERROR_TYPE_UNSPECIFIED, NULL,
                           "fault-flow: input/output error");
        return NULL;
    }
    flow = REAL(rte_flow_create)(port, attr, pattern, actions, error);
    if (flow) {
        note(flow, attr->group);
    }
    while (has_meter(actions) && (file = fault("hold", "r"))) {
        char path[4096];

        fclose(file);
        snprintf(path, sizeof path, "%s/held", getenv("FAULT_FLOW"));
        file = fopen(path, "w");
        if (file) {
            fclose(file);
        }
        usleep(10000);
    }
    return flow;
}

int
rte_flow_destroy(uint16_t port, struct rte_flow *flow,
                 struct rte_flow_error *error)
{
    FILE *file;

    if (is_forgotten(port, flow)) {
        erase(flow);
        return rte_flow_error_set(error, ENOENT, RTE_FLOW_ERROR_TYPE_HANDLE,
                                  flow, "fault-flow: no such rule");
    }
    file = fault("keep", "r");
    if (file) {
        fclose(file);
        return rte_flow_error_set(error, EBUSY, RTE_FLOW_ERROR_TYPE_HANDLE,
                                  flow, "fault-flow: busy");
    }
    file = fault("destroyed", "a");
    if (file) {
        fprintf(file, "%u\n", port);
        fclose(file);
    }
    erase(flow);
    return REAL(rte_flow_destroy)(port, flow, error);
}

int
rte_flow_query(uint16_t port, struct rte_flow *flow,
               const struct rte_flow_action *action, void *data,
               struct rte_flow_error *error)
{
    if (is_forgotten(port, flow)) {
        return rte_flow_error_set(error, ENOENT, RTE_FLOW_ERROR_TYPE_HANDLE,
                                  flow, "fault-flow: no such rule");
    }
    return REAL(rte_flow_query)(port, flow, action, data, error);
}
