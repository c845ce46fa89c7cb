/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_RELAY_H
#define VDPA_RELAY_H 1

/* Software vDPA
 * =============
 *
 * A relay joins a VF to a guest's virtio device: what the guest sends on queue
 * pair i goes out on the VF's transmit queue i, what the VF's receive queue i
 * has goes to the guest's queue pair i.  It has no thread of its own.  Whoever
 * polls the port's receive queue r calls vdpa_relay_run(), and that serves the
 * queue pairs i with i % n_rxq == r, its share: a few bursts in each
 * direction, so that the time it takes is bounded whatever the guest does.
 *
 * The VF spreads what it receives over the queue pairs that the guest enabled,
 * if it can be told; see vdpa_relay_periodic().  What comes on another of its
 * receive queues goes to a pair that is enabled, of the same share if there is
 * one.  Otherwise it is handed over to the thread that serves the pair,
 * through a ring that each pair has: nobody but that thread touches the
 * guest's virtqueue.
 *
 * Packets that do not fit where they should go wait for the next poll, and
 * meanwhile the relay takes no others from where they came from: so a guest
 * that sends too fast is slowed down, and a burst that is too much for a guest
 * has the VF's own queue to wait in.  A packet that still does not fit after
 * VDPA_RELAY_PATIENCE is dropped and counted, and so is what the VF receives
 * while there is no guest.
 *
 * Thread-safety
 * -------------
 *
 * vdpa_relay_open(), vdpa_relay_close() and vdpa_relay_periodic() must be
 * called from the main thread, holding no lock (see vdpa-vhost.h).
 * vdpa_relay_run() may be called from several threads at once for different
 * receive queues, by one at a time for each, and with the same 'n_rxq' for
 * all: that, or which thread has which queue, may change only with something
 * in between that orders the calls, as Open vSwitch does it.  The statistics
 * may be read from any thread.
 *
 * Sleeping threads
 * ----------------
 *
 * OVS lets a PMD thread sleep that receives few packets.  It does not see what
 * a relay moves, so vdpa_relay_limit_sleep() must be asked how long the
 * calling thread may sleep. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "util.h"
#include "vdpa-vf.h"

struct rte_mbuf;
struct rte_ring;
struct vdpa_vhost;

/* Packets that are moved at a time. */
#define VDPA_RELAY_BURST 32

/* Packets that can be on their way to another thread, for each queue pair. */
#define VDPA_RELAY_HANDOVER 64

/* For how long packets wait for room, in milliseconds. */
#define VDPA_RELAY_PATIENCE 20

/* Packets on their way, from 'first' to 'n' - 1. */
struct vdpa_burst {
    struct rte_mbuf *pkts[VDPA_RELAY_BURST];
    unsigned int first, n;
    uint64_t bytes;
    uint64_t since;             /* Waiting since then, in TSC cycles, or 0. */
    unsigned int serial;        /* Of the guest that they are for. */
};

/* What was moved in one direction at one place. */
struct vdpa_counter {
    atomic_uint64_t packets;
    atomic_uint64_t bytes;
};

/* One queue pair.  Only the thread that serves the pair writes to it, but for
 * what it is handed over. */
struct vdpa_relay_queue {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        struct vdpa_counter vm_rx;      /* Received from the guest. */
        struct vdpa_counter vf_tx;      /* Sent to the VF. */
        atomic_uint64_t vf_tx_drops;    /* Requests that are wrong, or no
                                         * room in the VF's queue. */
        struct vdpa_burst to_vf;
    );
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        struct vdpa_counter vf_rx;      /* Received from the VF. */
        struct vdpa_counter vm_tx;      /* Sent to the guest. */
        atomic_uint64_t vm_tx_drops;    /* No guest, or none of its buffers. */
        struct vdpa_burst to_guest;

        /* What other threads received for this pair, NULL if none can, and
         * what was taken from there. */
        struct rte_ring *handover;
        struct vdpa_burst handed_over;
        unsigned int handover_serial; /* Of the guest that it is for. */
    );
};

struct vdpa_relay {
    struct vdpa_vf *vf;
    struct vdpa_vhost *vhost;
    bool spread_works;          /* The VF can be told where to spread to. */
    struct vdpa_relay_queue queues[VDPA_MAX_QUEUES];
};

int vdpa_relay_open(const char *name, const char *socket_path,
                    const struct vdpa_devargs *, unsigned int max_queues,
                    int mtu, uint64_t withheld,
                    void (*changed_cb)(void *aux), void *aux,
                    struct vdpa_relay **, char **errorp);
void vdpa_relay_close(struct vdpa_relay *);
void vdpa_relay_periodic(struct vdpa_relay *);

bool vdpa_relay_run(struct vdpa_relay *, unsigned int rxq,
                    unsigned int n_rxq);
uint64_t vdpa_relay_limit_sleep(uint64_t nsec);

/* A copy of a queue pair's counters. */
struct vdpa_relay_stats {
    uint64_t vm_rx_packets, vm_rx_bytes;
    uint64_t vm_tx_packets, vm_tx_bytes;
    uint64_t vf_rx_packets, vf_rx_bytes;
    uint64_t vf_tx_packets, vf_tx_bytes;
    uint64_t vm_tx_drops, vf_tx_drops;
    uint64_t vm_rx_errors, vm_tx_errors; /* The guest's fault. */
};

void vdpa_relay_get_stats(const struct vdpa_relay *, unsigned int queue,
                          struct vdpa_relay_stats *);

#endif /* vdpa-relay.h */
