/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-meter.h"

#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mtr.h>

#include "coverage.h"
#include "hash.h"
#include "offload-ethdev.h"
#include "offload-flow.h"
#include "offload-lock.h"
#include "offload-refusal.h"
#include "openflow/openflow-1.3.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/thread.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(offload_meter);

COVERAGE_DEFINE(offload_meter_create);
COVERAGE_DEFINE(offload_meter_destroy);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);

/* What all meters do: drop what is red. */
#define POLICY_ID 1

/* A meter of a NIC. */
struct offload_meter {
    struct ovs_list node;       /* In its meter's 'nic_meters'. */
    struct meter *meter;        /* NULL if the datapath's is gone. */
    uint16_t domain;
    struct offload_ethdev ethdev;       /* By which it was made. */
    uint32_t mtr_id;            /* Also the number of its profile. */
    unsigned int n_refs;
};

/* A meter of the datapath. */
struct meter {
    struct hmap_node node;      /* In 'meters', by 'id'. */
    uint32_t id;
    uint32_t flags;             /* OFPMF13_*. */
    unsigned int n_bands;
    struct ofputil_meter_band band;     /* The first one. */
    struct ovs_list nic_meters; /* Has "struct offload_meter"s. */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct hmap meters OVS_GUARDED_BY(mutex) = HMAP_INITIALIZER(&meters);

/* NICs that have the policy, by switch domain: the port that it is on. */
static bool have_policy[RTE_MAX_ETHPORTS] OVS_GUARDED_BY(mutex);
static struct offload_ethdev policy_port[RTE_MAX_ETHPORTS]
    OVS_GUARDED_BY(mutex);

/* Meters of the NICs are numbered through: one that is still in use may be of
 * a meter of the datapath whose number another has now. */
static uint32_t next_mtr_id OVS_GUARDED_BY(mutex) = 1;

static struct meter *
find_meter(uint32_t id)
    OVS_REQUIRES(mutex)
{
    struct meter *meter;

    HMAP_FOR_EACH_WITH_HASH (meter, node, hash_int(id, 0), &meters) {
        if (meter->id == id) {
            return meter;
        }
    }
    return NULL;
}

/* Finds the ethdev of the NIC's uplink, which meters are made on, or of
 * whatever port there is. */
static bool
find_uplink(uint16_t domain, uint16_t *port_id)
{
    bool found = false;
    uint16_t i;

    RTE_ETH_FOREACH_DEV (i) {
        struct rte_eth_dev_info info;

        if (!rte_eth_dev_info_get(i, &info)
            && info.switch_info.domain_id == domain) {
            bool uplink = !(*info.dev_flags & RTE_ETH_DEV_REPRESENTOR);

            if (!found || uplink) {
                *port_id = i;
                found = true;
            }
            if (uplink) {
                break;
            }
        }
    }
    return found;
}

static bool
refuse(struct offload_refusal *refusal, const struct rte_mtr_error *error)
{
    return offload_refuse_words(refusal, OFFLOAD_REFUSAL_ACTION_METER, "%s",
                                error->message ? error->message
                                : "the NIC gave no reason");
}

static bool
make_policy(uint16_t domain, uint16_t port_id,
            struct offload_refusal *refusal)
    OVS_REQUIRES(mutex)
{
    static const struct rte_flow_action pass[] = {
        { .type = RTE_FLOW_ACTION_TYPE_END },
    };
    static const struct rte_flow_action drop[] = {
        { .type = RTE_FLOW_ACTION_TYPE_DROP },
        { .type = RTE_FLOW_ACTION_TYPE_END },
    };
    struct rte_mtr_meter_policy_params policy = {
        .actions = {
            [RTE_COLOR_GREEN] = pass,
            [RTE_COLOR_YELLOW] = pass,
            [RTE_COLOR_RED] = drop,
        },
    };
    struct rte_mtr_error error;

    if (have_policy[domain] && policy_port[domain].port_id == port_id
        && offload_ethdev_is_current(&policy_port[domain])) {
        return true;
    }
    memset(&error, 0, sizeof error);
    if (rte_mtr_meter_policy_add(port_id, POLICY_ID, &policy, &error)) {
        return refuse(refusal, &error);
    }
    have_policy[domain] = true;
    policy_port[domain] = offload_ethdev_get(port_id);
    return true;
}

/* Makes a meter of NIC 'domain' for 'meter'.  Open vSwitch counts in packets,
 * or in thousands of bits, a second; rte_mtr in packets or bytes.  The
 * datapath's clock for meters has whole milliseconds, so that what comes
 * within one more than its burst allows may pass there: with a burst of 1,
 * that is most of the packets that keep to the rate. */
static struct offload_meter *
create_nic_meter(struct meter *meter, uint16_t domain,
                 struct offload_refusal *refusal)
    OVS_REQUIRES(mutex)
{
    bool packets = (meter->flags & OFPMF13_PKTPS) != 0;
    uint64_t unit = packets ? 1 : 125;
    uint64_t rate = meter->band.rate * unit;
    struct rte_mtr_meter_profile profile = {
        .alg = RTE_MTR_SRTCM_RFC2697,
        .srtcm_rfc2697 = {
            .cir = rate,
            .cbs = meter->band.burst_size * unit + (rate + 500) / 1000,
            .ebs = 0,
        },
        .packet_mode = packets,
    };
    struct rte_mtr_params params = {
        .meter_profile_id = next_mtr_id,
        .meter_enable = 1,
        .stats_mask = (RTE_MTR_STATS_N_PKTS_GREEN | RTE_MTR_STATS_N_PKTS_YELLOW
                       | RTE_MTR_STATS_N_BYTES_GREEN
                       | RTE_MTR_STATS_N_BYTES_YELLOW
                       | RTE_MTR_STATS_N_PKTS_DROPPED
                       | RTE_MTR_STATS_N_BYTES_DROPPED),
        .meter_policy_id = POLICY_ID,
    };
    struct offload_meter *om;
    struct rte_mtr_error error;
    uint16_t port_id;
    int error_no;

    if (domain >= ARRAY_SIZE(have_policy) || !find_uplink(domain, &port_id)) {
        offload_refuse(refusal, OFFLOAD_REFUSAL_PORT_NO_DEVICE);
        return NULL;
    }
    memset(&error, 0, sizeof error);
    if (!make_policy(domain, port_id, refusal)) {
        return NULL;
    }
    if (rte_mtr_meter_profile_add(port_id, next_mtr_id, &profile, &error)) {
        refuse(refusal, &error);
        return NULL;
    }
    error_no = rte_mtr_create(port_id, next_mtr_id, &params, 1, &error);
    if (error_no) {
        /* The policy went with an ethdev that was closed meanwhile? */
        have_policy[domain] = false;
        if (make_policy(domain, port_id, refusal)) {
            error_no = rte_mtr_create(port_id, next_mtr_id, &params, 1,
                                      &error);
        }
    }
    if (error_no) {
        refuse(refusal, &error);
        rte_mtr_meter_profile_delete(port_id, next_mtr_id, &error);
        return NULL;
    }

    COVERAGE_INC(offload_meter_create);
    om = xzalloc(sizeof *om);
    om->meter = meter;
    om->domain = domain;
    om->ethdev = offload_ethdev_get(port_id);
    om->mtr_id = next_mtr_id++;
    ovs_list_push_back(&meter->nic_meters, &om->node);
    return om;
}

static void
destroy_nic_meter(struct offload_meter *om)
    OVS_REQUIRES(mutex)
{
    struct rte_mtr_error error;

    memset(&error, 0, sizeof error);
    if (offload_ethdev_is_current(&om->ethdev)
        && (rte_mtr_destroy(om->ethdev.port_id, om->mtr_id, &error)
            || rte_mtr_meter_profile_delete(om->ethdev.port_id, om->mtr_id,
                                            &error))) {
        VLOG_WARN_RL(&rl, "the NIC did not remove meter %"PRIu32": %s",
                     om->mtr_id, error.message ? error.message : "no reason");
    }
    COVERAGE_INC(offload_meter_destroy);
    if (om->meter) {
        ovs_list_remove(&om->node);
    }
    free(om);
}

struct offload_meter *
offload_meter_ref(uint16_t domain, uint32_t id, uint32_t *mtr_id,
                  struct offload_refusal *refusal)
    OVS_EXCLUDED(mutex)
{
    struct offload_meter *om = NULL;
    struct offload_meter *other;
    struct meter *meter;

    offload_lock(&mutex, METER);
    meter = find_meter(id);
    if (!meter) {
        offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_METER);
    } else if (meter->n_bands != 1) {
        offload_refuse(refusal, OFFLOAD_REFUSAL_METER_BANDS);
    } else {
        LIST_FOR_EACH_SAFE (other, node, &meter->nic_meters) {
            if (other->domain != domain) {
                continue;
            }
            if (offload_ethdev_is_current(&other->ethdev)) {
                om = other;
            } else {
                /* It went with its ethdev. */
                ovs_list_remove(&other->node);
                other->meter = NULL;
                if (!other->n_refs) {
                    destroy_nic_meter(other);
                }
            }
        }
        if (!om) {
            om = create_nic_meter(meter, domain, refusal);
        }
    }
    if (om) {
        om->n_refs++;
        *mtr_id = om->mtr_id;
    }
    offload_unlock(&mutex, METER);
    return om;
}

/* What a meter of the NIC counted stays with the datapath's. */
static void
add_nic_stats(const struct offload_meter *om,
              struct ofputil_meter_stats *stats, unsigned int n_bands)
{
    struct rte_mtr_stats nic;
    struct rte_mtr_error error;
    uint64_t mask = 0;

    memset(&nic, 0, sizeof nic);
    memset(&error, 0, sizeof error);
    if (!offload_ethdev_is_current(&om->ethdev)
        || rte_mtr_stats_read(om->ethdev.port_id, om->mtr_id, &nic, &mask, 0,
                              &error)) {
        return;
    }
    stats->packet_in_count += (nic.n_pkts[RTE_COLOR_GREEN]
                               + nic.n_pkts[RTE_COLOR_YELLOW]
                               + nic.n_pkts_dropped);
    stats->byte_in_count += (nic.n_bytes[RTE_COLOR_GREEN]
                             + nic.n_bytes[RTE_COLOR_YELLOW]
                             + nic.n_bytes_dropped);
    if (n_bands) {
        stats->bands[0].packet_count += nic.n_pkts_dropped;
        stats->bands[0].byte_count += nic.n_bytes_dropped;
    }
}

void
offload_meter_unref(struct offload_meter *om)
    OVS_EXCLUDED(mutex)
{
    offload_lock(&mutex, METER);
    /* One of a meter that is still there stays, and its counters with it. */
    if (!--om->n_refs && !om->meter) {
        destroy_nic_meter(om);
    }
    offload_unlock(&mutex, METER);
}

bool
offload_meter_is_current(const struct offload_meter *om)
    OVS_EXCLUDED(mutex)
{
    bool current;

    offload_lock(&mutex, METER);
    current = om->meter != NULL;
    offload_unlock(&mutex, METER);
    return current;
}

/* Separates the NICs' meters from 'meter', which is no longer what it was, and
 * has the rules that use them go. */
static void
abandon_nic_meters(struct meter *meter)
    OVS_EXCLUDED(mutex)
{
    struct offload_meter **gone = NULL;
    size_t n = 0, allocated = 0;
    struct offload_meter *om;

    offload_lock(&mutex, METER);
    LIST_FOR_EACH_POP (om, node, &meter->nic_meters) {
        if (n >= allocated) {
            gone = x2nrealloc(gone, &allocated, sizeof *gone);
        }
        om->meter = NULL;
        om->n_refs++;
        gone[n++] = om;
    }
    offload_unlock(&mutex, METER);

    for (size_t i = 0; i < n; i++) {
        offload_flows_lose_meter(gone[i]);
        offload_meter_unref(gone[i]);
    }
    free(gone);
}

void
offload_meter_set(uint32_t id, const struct ofputil_meter_config *config)
    OVS_EXCLUDED(mutex)
{
    struct meter *meter;

    offload_lock(&mutex, METER);
    meter = find_meter(id);
    if (!meter) {
        meter = xzalloc(sizeof *meter);
        meter->id = id;
        ovs_list_init(&meter->nic_meters);
        hmap_insert(&meters, &meter->node, hash_int(id, 0));
    }
    meter->flags = config->flags;
    meter->n_bands = config->n_bands;
    meter->band = config->bands[0];
    if (!meter->band.burst_size) {
        meter->band.burst_size = meter->band.rate;
    }
    offload_unlock(&mutex, METER);

    abandon_nic_meters(meter);
}

void
offload_meter_del(uint32_t id)
    OVS_EXCLUDED(mutex)
{
    struct meter *meter;

    offload_lock(&mutex, METER);
    meter = find_meter(id);
    if (meter) {
        hmap_remove(&meters, &meter->node);
    }
    offload_unlock(&mutex, METER);

    if (meter) {
        abandon_nic_meters(meter);
        free(meter);
    }
}

void
offload_meter_add_stats(uint32_t id, struct ofputil_meter_stats *stats,
                        unsigned int n_bands)
    OVS_EXCLUDED(mutex)
{
    struct meter *meter;

    offload_lock(&mutex, METER);
    meter = find_meter(id);
    if (meter) {
        struct offload_meter *om;

        LIST_FOR_EACH (om, node, &meter->nic_meters) {
            add_nic_stats(om, stats, n_bands);
        }
    }
    offload_unlock(&mutex, METER);
}
