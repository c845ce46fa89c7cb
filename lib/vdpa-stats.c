/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-stats.h"

#include <rte_ethdev.h>
#include <rte_vdpa.h>

#include "latch.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "seq.h"
#include "timeval.h"
#include "util.h"
#include "vdpa-device.h"
#include "vdpa-vhost.h"

VLOG_DEFINE_THIS_MODULE(vdpa_stats);

/* How often the NIC is asked if nobody else does, in milliseconds. */
#define INTERVAL 1000

/* From when on an answer is called old, in milliseconds. */
#define OLD 3000

#define N_RINGS (VDPA_MAX_QUEUES * 2)

/* What a statistic of a queue counts. */
enum stat_kind {
    STAT_OTHER,
    STAT_PACKETS,
    STAT_ERRORS,
};

/* Answers about a virtqueue. */
struct ring_stats {
    bool valid;
    uint64_t packets;
    uint64_t errors;
};

struct vdpa_stats {
    pthread_t thread;
    struct latch exit_latch;
    struct seq *wanted;         /* Changes when somebody wants an answer. */

    /* Who is asked: one of these is nonnull. */
    const struct vdpa_device *device;
    const struct vdpa_vf *vf;

    /* Statistics of a queue that the driver of the vDPA device has, what each
     * one counts, and room to read them.  Constant, or the thread's own. */
    unsigned int n_stats;
    uint8_t *kinds;
    struct rte_vdpa_stat *values;
    struct rte_vdpa_stat_name *names;

    /* How often the guest broke the rules, on each virtqueue, as far as the
     * log says.  The thread's own. */
    uint64_t faults[N_RINGS];
    struct vlog_rate_limit rl;

    struct ovs_mutex mutex;
    unsigned int n_requests OVS_GUARDED;
    unsigned int n_answers OVS_GUARDED; /* Equal unless the thread waits. */
    long long int last OVS_GUARDED;     /* Time of the last request that was
                                         * answered. */
    struct ring_stats rings[N_RINGS] OVS_GUARDED;
    struct rte_eth_stats eth OVS_GUARDED;
};

/* When a reader last waited in vain. */
static ATOMIC(long long int) gave_up = ATOMIC_VAR_INIT(-INTERVAL);

/* Names
 * ----- */

/* Returns what the statistic called 'name' counts.  Drivers call them as they
 * like.  Those of mlx5 are about descriptors: one that was completed is a
 * packet, or a part of one, moved. */
static enum stat_kind
classify_stat(const char *name)
{
    static const char *const errors[] = {
        "error", "drop", "bad", "invalid", "exceed", "fail",
    };

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        if (strcasestr(name, errors[i])) {
            return STAT_ERRORS;
        }
    }
    return (!strcmp(name, "packets") || !strcmp(name, "completed_descriptors")
            ? STAT_PACKETS : STAT_OTHER);
}

/* Decides what each of the 'n' statistics called 'names' counts.  One that is
 * called just "errors" is the sum of the others, but for what was dropped
 * since the guest had no room. */
static void
classify_stats(const struct rte_vdpa_stat_name *names, int n, uint8_t *kinds)
{
    bool sum = false;

    for (int i = 0; i < n; i++) {
        kinds[i] = classify_stat(names[i].name);
        sum |= !strcmp(names[i].name, "errors");
    }
    for (int i = 0; sum && i < n; i++) {
        if (kinds[i] == STAT_ERRORS && strcmp(names[i].name, "errors")
            && !strcasestr(names[i].name, "drop")) {
            kinds[i] = STAT_OTHER;
        }
    }
}

/* Reads which statistics the driver has for a queue.  Some have none. */
static void
init_names(struct vdpa_stats *stats)
{
    struct rte_vdpa_device *vdpa = stats->device->vdpa;
    int n = rte_vdpa_get_stats_names(vdpa, NULL, 0);
    struct rte_vdpa_stat_name *names;

    if (n <= 0) {
        return;
    }
    names = xcalloc(n, sizeof *names);
    n = rte_vdpa_get_stats_names(vdpa, names, n);
    if (n > 0) {
        stats->n_stats = n;
        stats->kinds = xcalloc(n, sizeof *stats->kinds);
        stats->values = xcalloc(n, sizeof *stats->values);
        stats->names = names;
        classify_stats(names, n, stats->kinds);
    } else {
        free(names);
    }
}

/* Returns true if the statistic called 'name' counts what is a guest's own
 * fault. */
static bool
is_guests_fault(const char *name)
{
    static const char *const words[] = {
        "bad", "invalid", "exceed", "too many", "gone",
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcasestr(name, words[i])) {
            return true;
        }
    }
    return false;
}

/* The thread
 * ---------- */

/* Says in the log what the guest got wrong on virtqueue 'i', of which the
 * first 'n' values have been read, since the last call. */
static void
warn_of_faults(struct vdpa_stats *stats, unsigned int i, int n)
{
    const char *what = NULL;
    uint64_t faults = 0;

    for (int j = 0; j < n; j++) {
        const struct rte_vdpa_stat *value = &stats->values[j];

        if (value->id < stats->n_stats && value->value
            && is_guests_fault(stats->names[value->id].name)) {
            faults += value->value;
            what = stats->names[value->id].name;
        }
    }
    if (what && faults > stats->faults[i]) {
        VLOG_WARN_RL(&stats->rl, "%s: what the guest %s on queue pair %u "
                     "breaks the rules of virtio, %"PRIu64" times up to now "
                     "(\"%s\"), so the device drops it or has stopped the "
                     "queue.  Reset the guest's network driver; if that "
                     "happens again, it is faulty or malicious",
                     stats->device->owner, i % 2 ? "sends" : "receives in",
                     i / 2, faults, what);
    }
    stats->faults[i] = faults;
}

/* Asks for the statistics of virtqueue 'i'. */
static void
ask_ring(struct vdpa_stats *stats, unsigned int i, struct ring_stats *ring)
{
    int n = 0;

    memset(ring, 0, sizeof *ring);
    if (stats->n_stats && vdpa_device_is_there(stats->device)) {
        n = rte_vdpa_get_stats(stats->device->vdpa, i, stats->values,
                               stats->n_stats);
    }
    ring->valid = n > 0;
    for (int j = 0; j < n; j++) {
        const struct rte_vdpa_stat *value = &stats->values[j];

        if (value->id < stats->n_stats) {
            switch ((enum stat_kind) stats->kinds[value->id]) {
            case STAT_PACKETS:
                ring->packets += value->value;
                break;
            case STAT_ERRORS:
                ring->errors += value->value;
                break;
            case STAT_OTHER:
                break;
            }
        }
    }
    warn_of_faults(stats, i, n);
}

/* Returns which virtqueues of the device of 'stats' the guest has enabled. */
static uint32_t
enabled_rings(const struct vdpa_stats *stats)
{
    const struct vdpa_vhost_conn *conn
        = vdpa_vhost_get_conn(stats->device->vhost);
    uint32_t rings = 0;

    for (unsigned int i = 0; conn && i < MIN(conn->n_pairs, N_RINGS / 2);
         i++) {
        rings |= (conn->rx_enabled >> i & UINT32_C(1)) << i * 2;
        rings |= (conn->tx_enabled >> i & UINT32_C(1)) << (i * 2 + 1);
    }
    return rings;
}

static void
ask(struct vdpa_stats *stats)
{
    uint32_t enabled = stats->device ? enabled_rings(stats) : 0;
    struct ring_stats rings[N_RINGS];
    long long int now = time_msec();
    struct rte_eth_stats eth;

    ovs_mutex_lock(&stats->mutex);
    stats->n_requests++;
    ovs_mutex_unlock(&stats->mutex);

    /* Nobody who waits for all threads to quiesce waits for the NIC. */
    ovsrcu_quiesce_start();
    memset(rings, 0, sizeof rings);
    memset(&eth, 0, sizeof eth);
    if (stats->vf) {
        vdpa_vf_get_stats(stats->vf, &eth);
    }
    for (unsigned int i = 0; i < N_RINGS && enabled >> i; i++) {
        if (enabled & (UINT32_C(1) << i)) {
            if (latch_is_set(&stats->exit_latch)) {
                break;
            }
            ask_ring(stats, i, &rings[i]);
        }
    }
    ovsrcu_quiesce_end();

    ovs_mutex_lock(&stats->mutex);
    stats->n_answers = stats->n_requests;
    stats->last = now;
    memcpy(stats->rings, rings, sizeof rings);
    stats->eth = eth;
    ovs_mutex_unlock(&stats->mutex);
}

static void *
stats_main(void *stats_)
{
    struct vdpa_stats *stats = stats_;

    while (!latch_is_set(&stats->exit_latch)) {
        uint64_t seqno = seq_read(stats->wanted);

        ask(stats);
        seq_wait(stats->wanted, seqno);
        latch_wait(&stats->exit_latch);
        poll_timer_wait(INTERVAL);
        poll_block();
    }
    return NULL;
}

static struct vdpa_stats *
stats_create(const struct vdpa_device *device, const struct vdpa_vf *vf)
{
    struct vdpa_stats *stats = xzalloc(sizeof *stats);

    stats->device = device;
    stats->vf = vf;
    stats->rl = (struct vlog_rate_limit) VLOG_RATE_LIMIT_INIT(5, 5);
    stats->wanted = seq_create();
    latch_init(&stats->exit_latch);
    ovs_mutex_init(&stats->mutex);
    ovs_mutex_lock(&stats->mutex);
    stats->last = time_msec();
    ovs_mutex_unlock(&stats->mutex);
    if (device) {
        init_names(stats);
    }
    stats->thread = ovs_thread_create("vdpa_stats", stats_main, stats);
    return stats;
}

/* Returns the statistics of 'device', which has to outlive them. */
struct vdpa_stats *
vdpa_stats_create_device(const struct vdpa_device *device)
{
    return stats_create(device, NULL);
}

/* Returns the statistics of 'vf', which has to outlive them. */
struct vdpa_stats *
vdpa_stats_create_vf(const struct vdpa_vf *vf)
{
    return stats_create(NULL, vf);
}

/* Ends 'stats', if nonnull, that nobody may be able to find any more. */
void
vdpa_stats_destroy(struct vdpa_stats *stats)
{
    if (stats) {
        latch_set(&stats->exit_latch);
        xpthread_join(stats->thread, NULL);
        latch_destroy(&stats->exit_latch);
        seq_destroy(stats->wanted);
        ovs_mutex_destroy(&stats->mutex);
        free(stats->kinds);
        free(stats->values);
        free(stats->names);
        free(stats);
    }
}

/* Readers
 * ------- */

/* Has the NIC be asked soon: there is reason to believe that the answer has
 * changed. */
void
vdpa_stats_refresh(struct vdpa_stats *stats)
{
    seq_change(stats->wanted);
}

static bool
is_answered(struct vdpa_stats *stats, unsigned int request)
{
    bool answered;

    ovs_mutex_lock(&stats->mutex);
    answered = stats->n_answers - request < UINT_MAX / 2;
    ovs_mutex_unlock(&stats->mutex);
    return answered;
}

/* Has the NIC be asked, and waits a little for the answer.  To be called
 * before statistics are read that are to be those of now. */
void
vdpa_stats_update(struct vdpa_stats *stats)
{
    const struct timespec ms = { 0, 1000 * 1000 };
    long long int start = time_msec();
    long long int last_gave_up;
    unsigned int request;

    ovs_mutex_lock(&stats->mutex);
    request = stats->n_requests + 1;
    ovs_mutex_unlock(&stats->mutex);
    seq_change(stats->wanted);

    atomic_read_relaxed(&gave_up, &last_gave_up);
    if (start - last_gave_up < INTERVAL) {
        return;
    }
    while (!is_answered(stats, request)) {
        if (time_msec() - start >= VDPA_STATS_PATIENCE) {
            atomic_store_relaxed(&gave_up, time_msec());
            break;
        }
        nanosleep(&ms, NULL);
    }
}

/* Returns how old the answer is, in seconds, or 0 if it is one of now. */
unsigned int
vdpa_stats_get_age(struct vdpa_stats *stats)
{
    long long int age;

    ovs_mutex_lock(&stats->mutex);
    age = time_msec() - stats->last;
    ovs_mutex_unlock(&stats->mutex);
    return age >= OLD ? age / 1000 : 0;
}

/* Stores how many packets the device moved on 'virtqueue', the guest's receive
 * queue of pair i if that is 2 * i and its transmit queue if it is 2 * i + 1,
 * into '*packets', and how many errors it met into '*errors'.  Returns false
 * if there are no statistics of that queue: it may be disabled. */
bool
vdpa_stats_get_ring(struct vdpa_stats *stats, unsigned int virtqueue,
                    uint64_t *packets, uint64_t *errors)
{
    struct ring_stats ring;

    ovs_mutex_lock(&stats->mutex);
    ring = stats->rings[virtqueue];
    ovs_mutex_unlock(&stats->mutex);
    *packets = ring.packets;
    *errors = ring.errors;
    return ring.valid;
}

/* Copies the statistics of the VF's Ethernet device to '*eth'. */
void
vdpa_stats_get_vf(struct vdpa_stats *stats, struct rte_eth_stats *eth)
{
    ovs_mutex_lock(&stats->mutex);
    *eth = stats->eth;
    ovs_mutex_unlock(&stats->mutex);
}
