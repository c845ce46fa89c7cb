/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_VHOST_H
#define VDPA_VHOST_H 1

/* The relay's side towards the guest
 * ==================================
 *
 * A 'struct vdpa_vhost' is the client end of a vhost-user socket, whose server
 * is the guest's hypervisor.  Either end may come first, go, and come back.
 *
 * While a guest drives its device, there is a 'struct vdpa_vhost_conn', an
 * immutable description of the connection: who drives which virtqueues.  Every
 * change makes a new one.  A thread that moves packets fetches it with
 * vdpa_vhost_get_conn() once per burst and may use its 'vid' until the thread
 * next quiesces: a guest that goes is let go only after that.
 *
 * Thread-safety
 * -------------
 *
 * vdpa_vhost_open(), vdpa_vhost_close() and vdpa_vhost_run() must be called
 * from the main thread, holding no lock: closing waits for librte_vhost's
 * thread, that may be waiting for any other thread to quiesce.
 * vdpa_vhost_get_conn() may be called from any thread that is not quiescent.
 * The callback 'changed_cb' comes from librte_vhost's threads. */

#include <stdbool.h>
#include <stdint.h>

#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "openvswitch/hmap.h"
#include "openvswitch/types.h"
#include "vdpa-vf.h"

/* A VF queue whose packets no virtqueue of the guest takes. */
#define VDPA_NO_QUEUE UINT8_MAX

struct vdpa_vhost_conn {
    int vid;                    /* librte_vhost's name for the guest. */
    unsigned int serial;        /* Differs from guest to guest. */
    uint64_t features;          /* Negotiated, as 1 << VIRTIO_*_F_*. */
    unsigned int n_pairs;       /* Queue pairs that the guest set up. */
    uint32_t tx_enabled;        /* Queue pairs that the guest sends on. */
    uint32_t rx_enabled;        /* Queue pairs that the guest receives on. */

    /* For each receive queue of the VF, the queue pair of the guest that its
     * packets go to: the one with the same number, unless the guest disabled
     * that. */
    uint8_t rx_map[VDPA_MAX_QUEUES];
};

struct vdpa_vhost {
    struct hmap_node node;      /* In librte_vhost's callbacks' index. */
    char *path;                 /* Socket, as given to librte_vhost. */
    char *name;                 /* Of the port, for messages. */
    unsigned int max_pairs;

    OVSRCU_TYPE(struct vdpa_vhost_conn *) conn;

    struct ovs_mutex mutex;
    int vid OVS_GUARDED;                /* -1 if no guest is there. */
    unsigned int serial OVS_GUARDED;    /* Guests that there were. */
    uint32_t tx_ready OVS_GUARDED;      /* As in 'struct vdpa_vhost_conn', */
    uint32_t rx_ready OVS_GUARDED;      /* also before the guest is ready. */
    void (*changed_cb)(void *aux) OVS_GUARDED;
    void *aux OVS_GUARDED;

    atomic_bool changed;                /* For vdpa_vhost_run(). */
};

int vdpa_vhost_open(const char *path, const char *name,
                    unsigned int max_pairs, uint64_t unsupported_features,
                    bool linear, void (*changed_cb)(void *aux), void *aux,
                    struct vdpa_vhost **, char **errorp);
void vdpa_vhost_close(struct vdpa_vhost *);
void vdpa_vhost_silence(struct vdpa_vhost *);
const struct vdpa_vhost_conn *vdpa_vhost_run(struct vdpa_vhost *);

/* Returns the description of the guest that drives 'vhost', or NULL if there
 * is none. */
static inline const struct vdpa_vhost_conn *
vdpa_vhost_get_conn(const struct vdpa_vhost *vhost)
{
    return ovsrcu_get(struct vdpa_vhost_conn *, &vhost->conn);
}

#endif /* vdpa-vhost.h */
