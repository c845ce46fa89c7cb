/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-vdpa-stats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_vdpa.h>

#include "nicsim-host.h"
#include "nicsim-vdpa.h"

static const char *const names[] = {
    "packets", "bytes", "errors", "dropped", "kicks", "calls",
};

/* Those kinds of error of which each has a statistic of its own. */
#define FIRST_ERROR (NICSIM_VQ_NO_BUFFER + 1)
#define N_ERRORS (NICSIM_VQ_N_ERRORS - FIRST_ERROR)
#define N_STATS (RTE_DIM(names) + N_ERRORS)

int
nicsim_vdpa_get_stats_names(struct rte_vdpa_device *dev,
                            struct rte_vdpa_stat_name *out,
                            unsigned int size)
{
    if (!nicsim_vdpa_find(dev)) {
        return -ENODEV;
    }
    if (!out) {
        return N_STATS;
    }
    size = RTE_MIN(size, N_STATS);
    for (unsigned int i = 0; i < size; i++) {
        snprintf(out[i].name, sizeof out[i].name, "%s",
                 (i < RTE_DIM(names) ? names[i]
                  : nicsim_vdpa_error_name(FIRST_ERROR + i
                                           - RTE_DIM(names))));
    }
    return size;
}

/* Asks the NIC for the counters of 'queue', and has them set to 0 if
 * 'reset'. */
static int
ask(struct rte_vdpa_device *dev, int queue, bool reset, struct nicsim_msg *msg)
{
    struct nicsim_vdpa *vdpa = nicsim_vdpa_find(dev);
    int error;

    if (!vdpa) {
        return ENODEV;
    }
    if (queue < 0 || (unsigned int) queue >= 2 * vdpa->n_queues) {
        return E2BIG;
    }
    memset(msg, 0, sizeof *msg);
    msg->type = NICSIM_VDPA_QUEUE;
    msg->vdpa_queue.fn = vdpa->fn;
    msg->vdpa_queue.queue = queue;
    msg->vdpa_queue.reset = reset;
    pthread_mutex_lock(&vdpa->mutex);
    error = nicsim_vdpa_request(vdpa, msg, NULL, 0, NULL);
    pthread_mutex_unlock(&vdpa->mutex);
    return error;
}

int
nicsim_vdpa_get_stats(struct rte_vdpa_device *dev, int queue,
                      struct rte_vdpa_stat *stats, unsigned int n)
{
    const struct nicsim_vdpa_queue *q;
    uint64_t values[N_STATS];
    struct nicsim_msg msg;
    uint64_t errors = 0;
    int error;

    error = ask(dev, queue, false, &msg);
    if (error) {
        return -error;
    }
    q = &msg.vdpa_queue;
    if (q->state == NICSIM_VQ_ABSENT) {
        return 0;
    }
    for (unsigned int i = 0; i < N_ERRORS; i++) {
        values[RTE_DIM(names) + i] = q->errors[FIRST_ERROR + i];
        errors += q->errors[FIRST_ERROR + i];
    }
    values[0] = q->done.packets;
    values[1] = q->done.bytes;
    values[2] = errors;
    values[3] = q->errors[NICSIM_VQ_NO_BUFFER];
    values[4] = q->kicks;
    values[5] = q->calls;

    n = RTE_MIN(n, N_STATS);
    for (unsigned int i = 0; i < n; i++) {
        stats[i].id = i;
        stats[i].value = values[i];
    }
    return n;
}

int
nicsim_vdpa_reset_stats(struct rte_vdpa_device *dev, int queue)
{
    struct nicsim_msg msg;

    return -ask(dev, queue, true, &msg);
}
