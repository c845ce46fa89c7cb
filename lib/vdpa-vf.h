/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_VF_H
#define VDPA_VF_H 1

/* The relay's side towards the NIC
 * ================================
 *
 * A 'struct vdpa_vf' is the Ethernet device of a guest's virtual function,
 * opened, configured with one receive and one transmit queue per queue pair
 * that the guest may use, and started.
 *
 * Memory
 * ------
 *
 * Each VF has one pool of buffers, for both directions.  It is sized so that
 * it does not run dry: all descriptors of all queues in both directions, for
 * up to four queue pairs a burst of the largest packets a guest may hand over
 * for segmentation, and what the caches of the threads that serve it may hold
 * back.  Buffers are of 2 kB, and larger frames span several; only a device
 * that cannot do that gets buffers that hold a whole frame.  With 512
 * descriptors per queue that is 5.6 MB of buffers for one queue pair, and 57
 * MB for sixteen.
 *
 * Thread-safety
 * -------------
 *
 * The functions must be called from the main thread, vdpa_vf_reset() holding
 * no lock, but for vdpa_vf_get_stats(), that one other thread may call.  What
 * sets the device up anew waits for that to return.
 *
 * The members that the packet path reads are constant from vdpa_vf_open() to
 * vdpa_vf_close(), except 'limits.max_frame' and 'pool', which change only
 * while no thread polls the port, and 'running': a thread that finds it false
 * leaves the device alone, and one that does not has done with it when it next
 * quiesces.
 *
 * Resets
 * ------
 *
 * When the NIC's physical function is reset, a VF's driver asks for a reset of
 * the VF.  DPDK tells that in a thread of its own, where nothing can be done
 * about it, so 'changed_cb' is called from there, and whoever has the VF is to
 * call vdpa_vf_reset() as long as vdpa_vf_wants_reset() says so. */

#include <stdbool.h>
#include <stdint.h>

#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "util.h"
#include "vdpa-devargs.h"
#include "vdpa-requests.h"

struct rte_eth_stats;
struct rte_mempool;

/* Queue pairs of a VF that can be used at most. */
#define VDPA_MAX_QUEUES 16

/* Virtqueues of a guest that has as many. */
#define VDPA_MAX_RINGS (VDPA_MAX_QUEUES * 2)

/* Descriptors per queue of a VF, if the device takes that many. */
#define VDPA_VF_DESCRIPTORS 512

struct vdpa_vf {
    /* For the packet path. */
    uint16_t port_id;
    unsigned int n_queues;
    struct rte_mempool *pool;
    struct vdpa_requests_limits limits;
    atomic_bool running;

    struct vdpa_devargs devargs;
    char *owner;                /* Name of the port, for messages. */
    bool probed;                /* Added to DPDK by us, so ours to remove. */
    bool linear;                /* Packets are one segment each. */
    atomic_bool removed;        /* The device has gone, */
    atomic_bool closed;         /* and 'port_id' is not ours any more. */
    atomic_bool wants_reset;
    int reset_error;            /* Of the last try, or 0. */
    int promiscuous_error;      /* Why it is not promiscuous, or 0. */
    void (*changed_cb)(void *aux);
    void *aux;
    int mtu;
    int max_mtu;
    int socket_id;
    uint16_t n_rxd, n_txd;
    uint16_t reta_size;         /* 0 if spreading cannot be controlled. */
    uint32_t spread;            /* Queues to spread to, 0 for all. */
    uint64_t rx_offloads;
    uint64_t rss_hf;

    /* Held by who asks for statistics, and by who sets queues up anew, of
     * which drivers count. */
    struct ovs_mutex queues_mutex;
};

int vdpa_vf_open(const struct vdpa_devargs *, const char *owner,
                 unsigned int max_queues, int mtu,
                 void (*changed_cb)(void *aux), void *aux, struct vdpa_vf **,
                 char **errorp);
void vdpa_vf_close(struct vdpa_vf *);

int vdpa_vf_set_mtu(struct vdpa_vf *, int mtu);
int vdpa_vf_set_spread(struct vdpa_vf *, uint32_t queues);
void vdpa_vf_try_promiscuous(struct vdpa_vf *);
bool vdpa_vf_wants_reset(const struct vdpa_vf *);
void vdpa_vf_reset(struct vdpa_vf *);
void vdpa_vf_get_stats(const struct vdpa_vf *, struct rte_eth_stats *);
char *vdpa_vf_problem(const struct vdpa_vf *);

/* Returns true if the device of 'vf' has gone: nothing may be asked of its
 * 'port_id' any more.  May be called from any thread. */
static inline bool
vdpa_vf_is_removed(const struct vdpa_vf *vf)
{
    bool removed;

    atomic_read_relaxed(&CONST_CAST(struct vdpa_vf *, vf)->removed, &removed);
    return removed;
}

#endif /* vdpa-vf.h */
