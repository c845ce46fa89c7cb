/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-sample.h"

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
#include "offload-lock.h"
#include "offload-refusal.h"
#include "openvswitch/hmap.h"
#include "openvswitch/thread.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"

COVERAGE_DEFINE(offload_sample_received);
COVERAGE_DEFINE(offload_sample_dropped);
COVERAGE_DEFINE(offload_sample_unknown);

/* Groups have the marks below. */
#define FIRST_MARK 0x10000u
#define LAST_MARK  0xfffffu

struct offload_sample {
    struct cmap_node node;      /* In 'samples', by mark. */
    struct hmap_node action_node;       /* In 'by_action'. */
    unsigned int n_refs;
    uint32_t mark;
    struct nlattr *userspace;   /* Copy of the action. */
    uint32_t recirc_id;         /* That packets have. */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct cmap samples = CMAP_INITIALIZER;  /* Written under 'mutex'. */
static struct hmap by_action OVS_GUARDED_BY(mutex)
    = HMAP_INITIALIZER(&by_action);

/* Open vSwitch's own handle of the datapath, while it takes upcalls.  To open
 * another one takes a lock that is held while PMD threads are waited for. */
static struct ovs_rwlock dpif_rwlock = OVS_RWLOCK_INITIALIZER;
static struct dpif *dpif OVS_GUARDED_BY(dpif_rwlock);

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

static uint32_t
hash_action(const struct nlattr *userspace, uint32_t recirc_id)
{
    return hash_bytes(userspace, userspace->nla_len, recirc_id);
}

static struct offload_sample *
find_action(const struct nlattr *userspace, uint32_t recirc_id)
    OVS_REQUIRES(mutex)
{
    struct offload_sample *sample;

    HMAP_FOR_EACH_WITH_HASH (sample, action_node,
                             hash_action(userspace, recirc_id), &by_action) {
        if (sample->recirc_id == recirc_id
            && sample->userspace->nla_len == userspace->nla_len
            && !memcmp(sample->userspace, userspace, userspace->nla_len)) {
            return sample;
        }
    }
    return NULL;
}

/* Returns a mark that no sample has, or 0.  Goes through all marks in turn, so
 * that one is not used again soon. */
static uint32_t
allocate_mark(void)
    OVS_REQUIRES(mutex)
{
    static uint32_t last = FIRST_MARK - 1;

    if (hmap_count(&by_action) > LAST_MARK - FIRST_MARK) {
        return 0;
    }
    do {
        last = last < LAST_MARK ? last + 1 : FIRST_MARK;
    } while (find_sample(last));
    return last;
}

struct offload_sample *
offload_sample_ref(const struct nlattr *userspace, uint32_t recirc_id,
                   struct offload_refusal *refusal)
    OVS_EXCLUDED(mutex)
{
    struct offload_sample *sample;
    uint32_t mark;

    if (!is_for_collector(userspace)) {
        offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_USERSPACE);
        return NULL;
    }

    offload_lock(&mutex, LEAF);
    sample = find_action(userspace, recirc_id);
    mark = sample ? sample->mark : allocate_mark();
    if (!sample && mark) {
        sample = xzalloc(sizeof *sample);
        sample->recirc_id = recirc_id;
        sample->userspace = xzalloc(NLA_ALIGN(userspace->nla_len));
        memcpy(sample->userspace, userspace, userspace->nla_len);
        sample->mark = mark;
        cmap_insert(&samples, &sample->node, hash_int(mark, 0));
        hmap_insert(&by_action, &sample->action_node,
                    hash_action(userspace, recirc_id));
    }
    if (sample) {
        sample->n_refs++;
    }
    offload_unlock(&mutex, LEAF);
    if (!sample) {
        offload_refuse_words(refusal, OFFLOAD_REFUSAL_NIC_FULL,
                             "there are no more marks for samples");
    }
    return sample;
}

static void
sample_free(struct offload_sample *sample)
{
    free(sample->userspace);
    free(sample);
}

void
offload_sample_unref(struct offload_sample *sample)
    OVS_EXCLUDED(mutex)
{
    bool last;

    if (!sample) {
        return;
    }
    offload_lock(&mutex, LEAF);
    last = !--sample->n_refs;
    if (last) {
        cmap_remove(&samples, &sample->node, hash_int(sample->mark, 0));
        hmap_remove(&by_action, &sample->action_node);
    }
    offload_unlock(&mutex, LEAF);
    if (last) {
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
offload_sample_set_dpif(struct dpif *new_dpif)
    OVS_EXCLUDED(dpif_rwlock)
{
    ovs_rwlock_wrlock(&dpif_rwlock);
    dpif = new_dpif;
    ovs_rwlock_unlock(&dpif_rwlock);
}

/* Has the datapath execute the action, and nothing else, on 'packet'. */
static void
execute(const struct offload_sample *sample, struct dp_packet *packet)
    OVS_EXCLUDED(dpif_rwlock)
{
    struct flow flow;
    struct dpif_execute request = {
        .actions = sample->userspace,
        .actions_len = NLA_ALIGN(sample->userspace->nla_len),
        .flow = &flow,
        .packet = packet,
    };

    if (ovs_rwlock_tryrdlock(&dpif_rwlock)) {
        COVERAGE_INC(offload_sample_dropped);
        return;
    }
    if (dpif) {
        packet->md.recirc_id = sample->recirc_id;
        flow_extract(packet, &flow);
        dpif_execute(dpif, &request);
        COVERAGE_INC(offload_sample_received);
    } else {
        COVERAGE_INC(offload_sample_dropped);
    }
    ovs_rwlock_unlock(&dpif_rwlock);
}

void
offload_sample_receive(uint32_t mark, struct dp_packet *packet)
{
    const struct offload_sample *sample = find_sample(mark);
    struct dp_packet *copy;

    if (!sample) {
        COVERAGE_INC(offload_sample_unknown);
        dp_packet_delete(packet);
        return;
    }

    /* dpif_execute() has no use for packets in a port's memory. */
    copy = dp_packet_clone(packet);
    dp_packet_delete(packet);
    execute(sample, copy);
    dp_packet_delete(copy);
}
