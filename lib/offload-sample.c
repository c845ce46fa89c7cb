/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-sample.h"

#include <stdlib.h>
#include <string.h>

#include "cmap.h"
#include "coverage.h"
#include "dp-packet.h"
#include "dpif.h"
#include "flow.h"
#include "hash.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "openvswitch/list.h"
#include "openvswitch/thread.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(offload_sample);

COVERAGE_DEFINE(offload_sample_received);
COVERAGE_DEFINE(offload_sample_dropped);
COVERAGE_DEFINE(offload_sample_unknown);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

/* The datapath of all bridges of type netdev. */
#define DATAPATH_NAME "ovs-netdev"
#define DATAPATH_TYPE "netdev"

/* Groups have the marks below. */
#define FIRST_MARK 0x10000u
#define LAST_MARK  0xfffffu

/* Packets that wait for the thread.  More are dropped: a collector that gets
 * fewer samples reports less traffic, but the switch goes on. */
#define MAX_QUEUE 1024

struct offload_sample {
    struct cmap_node node;      /* In 'samples', by mark. */
    uint32_t mark;
    struct nlattr *userspace;   /* Copy of the action. */
};

/* A packet for the thread. */
struct job {
    struct ovs_list node;       /* In 'queue'. */
    struct dp_packet *packet;
    struct nlattr *userspace;
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct cmap samples = CMAP_INITIALIZER;  /* Written under 'mutex'. */

static struct ovs_list queue OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&queue);
static size_t n_queued OVS_GUARDED_BY(mutex);
static pthread_cond_t queue_cond = PTHREAD_COND_INITIALIZER;

static struct offload_sample *
find_sample(uint32_t mark)
{
    struct offload_sample *sample;

    CMAP_FOR_EACH_WITH_HASH (sample, node, hash_int(mark, 0), &samples) {
        if (sample->mark == mark) {
            return sample;
        }
    }
    return NULL;
}

/* Has 'dpif' execute the action, on a copy that is nobody else's. */
static void
execute(struct dpif *dpif, struct job *job)
{
    struct flow flow;
    struct dpif_execute request = {
        .actions = job->userspace,
        .actions_len = NLA_ALIGN(job->userspace->nla_len),
        .flow = &flow,
        .packet = job->packet,
    };

    flow_extract(job->packet, &flow);
    dpif_execute(dpif, &request);
}

/* The datapath is opened for a run of packets only: who has it open keeps it
 * from being removed. */
static void
run_jobs(struct ovs_list *jobs)
{
    struct dpif *dpif = NULL;
    struct job *job;
    int error;

    error = dpif_open(DATAPATH_NAME, DATAPATH_TYPE, &dpif);
    if (error) {
        VLOG_WARN_RL(&rl, "samples are lost: %s", ovs_strerror(error));
    }
    LIST_FOR_EACH_POP (job, node, jobs) {
        if (dpif) {
            execute(dpif, job);
        }
        dp_packet_delete(job->packet);
        free(job->userspace);
        free(job);
    }
    dpif_close(dpif);
}

static void *
sample_main(void *aux OVS_UNUSED)
{
    for (;;) {
        struct ovs_list jobs;

        ovs_mutex_lock(&mutex);
        while (ovs_list_is_empty(&queue)) {
            ovs_mutex_cond_wait(&queue_cond, &mutex);
        }
        ovs_list_move(&jobs, &queue);
        ovs_list_init(&queue);
        n_queued = 0;
        ovs_mutex_unlock(&mutex);

        run_jobs(&jobs);
        coverage_try_clear();
        ovsrcu_quiesce();
    }
    return NULL;
}

/* Returns true if 'userspace' is for collectors, which do not send the packet
 * on. */
static bool
is_for_collector(const struct nlattr *userspace)
{
    const struct nlattr *userdata
        = nl_attr_find_nested(userspace, OVS_USERSPACE_ATTR_USERDATA);
    struct user_action_cookie cookie;

    if (!userdata || nl_attr_get_size(userdata) != sizeof cookie) {
        return false;
    }
    memcpy(&cookie, nl_attr_get(userdata), sizeof cookie);
    return (cookie.type == USER_ACTION_COOKIE_SFLOW
            || cookie.type == USER_ACTION_COOKIE_FLOW_SAMPLE
            || cookie.type == USER_ACTION_COOKIE_IPFIX);
}

struct offload_sample *
offload_sample_create(const struct nlattr *userspace)
    OVS_EXCLUDED(mutex)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static uint32_t last_mark = FIRST_MARK - 1;
    struct offload_sample *sample;

    if (!is_for_collector(userspace)) {
        return NULL;
    }
    if (ovsthread_once_start(&once)) {
        ovs_thread_create("offload_sample", sample_main, NULL);
        ovsthread_once_done(&once);
    }

    sample = xzalloc(sizeof *sample);
    sample->userspace = xzalloc(NLA_ALIGN(userspace->nla_len));
    memcpy(sample->userspace, userspace, userspace->nla_len);
    ovs_mutex_lock(&mutex);
    do {
        last_mark = last_mark < LAST_MARK ? last_mark + 1 : FIRST_MARK;
    } while (find_sample(last_mark));
    sample->mark = last_mark;
    cmap_insert(&samples, &sample->node, hash_int(sample->mark, 0));
    ovs_mutex_unlock(&mutex);
    return sample;
}

static void
sample_free(struct offload_sample *sample)
{
    free(sample->userspace);
    free(sample);
}

void
offload_sample_destroy(struct offload_sample *sample)
    OVS_EXCLUDED(mutex)
{
    if (sample) {
        ovs_mutex_lock(&mutex);
        cmap_remove(&samples, &sample->node, hash_int(sample->mark, 0));
        ovs_mutex_unlock(&mutex);
        ovsrcu_postpone(sample_free, sample);
    }
}

uint32_t
offload_sample_mark(const struct offload_sample *sample)
{
    return sample->mark;
}

bool
offload_sample_is_mark(uint32_t mark)
{
    return mark >= FIRST_MARK && mark <= LAST_MARK;
}

void
offload_sample_receive(uint32_t mark, struct dp_packet *packet)
    OVS_EXCLUDED(mutex)
{
    const struct offload_sample *sample = find_sample(mark);
    struct job *job;

    if (!sample) {
        COVERAGE_INC(offload_sample_unknown);
        dp_packet_delete(packet);
        return;
    }

    /* The packet's own memory is the port's, and there is not much. */
    job = xmalloc(sizeof *job);
    job->packet = dp_packet_clone(packet);
    job->userspace = xmemdup(sample->userspace,
                             NLA_ALIGN(sample->userspace->nla_len));
    dp_packet_delete(packet);

    ovs_mutex_lock(&mutex);
    if (n_queued < MAX_QUEUE) {
        COVERAGE_INC(offload_sample_received);
        ovs_list_push_back(&queue, &job->node);
        n_queued++;
        xpthread_cond_signal(&queue_cond);
        job = NULL;
    }
    ovs_mutex_unlock(&mutex);

    if (job) {
        COVERAGE_INC(offload_sample_dropped);
        dp_packet_delete(job->packet);
        free(job->userspace);
        free(job);
    }
}
