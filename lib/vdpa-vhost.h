/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_VHOST_H
#define VDPA_VHOST_H 1

/* The side towards the guest
 * ==========================
 *
 * A 'struct vdpa_vhost' is a vhost-user socket, whose server is the guest's
 * hypervisor.  Either end may come first, go, and come back.  The relay and
 * hardware vDPA have this in common; they differ in who serves the guest's
 * rings once there is a guest: whoever calls the functions of vdpa-virtq.h for
 * 'virtqs', or a vDPA device that is attached to the socket before the first
 * guest can come.
 *
 * librte_vhost speaks the vhost-user protocol, and does not touch packets.  It
 * listens on a socket of its own: between it and the hypervisor's stands a
 * screen (vdpa-screen.h), and no message reaches it that may not.
 *
 * While a guest drives its device, there is a 'struct vdpa_vhost_conn', an
 * immutable description of the connection: who drives which virtqueues.  Every
 * change makes a new one.  A thread that moves packets fetches it with
 * vdpa_vhost_get_conn() once per burst and may use the virtqueues that it
 * names until the thread next quiesces: a guest that goes, or changes its
 * rings or its memory, has to wait for that.
 *
 * Thread-safety
 * -------------
 *
 * vdpa_vhost_open(), vdpa_vhost_close() and vdpa_vhost_run() must be called
 * from the main thread, holding no lock: closing waits for librte_vhost's
 * thread, that may be waiting for any other thread to quiesce.  It does not
 * wait for the hypervisor.  vdpa_vhost_get_conn() may be called from any
 * thread that is not quiescent.  The callback 'changed_cb' comes from
 * librte_vhost's thread, or from the main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "openvswitch/hmap.h"
#include "openvswitch/types.h"
#include "openvswitch/vlog.h"
#include "vdpa-guest-memory.h"
#include "vdpa-vf.h"
#include "vdpa-virtq.h"

struct rte_vdpa_device;

struct vdpa_vhost_conn {
    int vid;                    /* librte_vhost's name for the guest. */
    unsigned int serial;        /* Differs from guest to guest. */
    uint64_t features;          /* Negotiated, as 1 << VIRTIO_*_F_*. */
    uint16_t mtu;               /* That the guest was told, or 0. */
    unsigned int n_pairs;       /* Queue pairs that the guest set up. */
    uint32_t tx_enabled;        /* Queue pairs that the guest sends on. */
    uint32_t rx_enabled;        /* Queue pairs that the guest receives on. */
    bool paused;                /* The guest changes: its packets wait. */
};

struct vdpa_vhost {
    struct hmap_node node;      /* In librte_vhost's callbacks' index. */
    char *vhost_path;           /* librte_vhost's socket. */
    char *path;                 /* The hypervisor's. */
    char *name;                 /* Of the port, for messages. */
    unsigned int max_pairs;
    struct rte_vdpa_device *device; /* Serves the rings, if nonnull. */
    uint64_t screen;            /* Between hypervisor and librte_vhost. */

    OVSRCU_TYPE(struct vdpa_vhost_conn *) conn;

    /* The guest's virtqueues, as librte_vhost counts them: pair i receives on
     * 2 * i and sends on 2 * i + 1.  Served by whoever has them by 'conn';
     * otherwise librte_vhost's callbacks' own, as is 'memory'. */
    struct vdpa_virtq virtqs[VDPA_MAX_RINGS];
    struct vdpa_guest_memory *memory;
    struct vdpa_guest_share share;
    bool closing;               /* By vdpa_vhost_close(). */

    struct ovs_mutex mutex;
    int vid OVS_GUARDED;                /* -1 if no guest is there. */
    unsigned int serial OVS_GUARDED;    /* Guests that there were. */
    uint32_t tx_ready OVS_GUARDED;      /* As in 'struct vdpa_vhost_conn', */
    uint32_t rx_ready OVS_GUARDED;      /* also before the guest is ready. */
    uint32_t started OVS_GUARDED;       /* Of 'virtqs'. */
    bool guest_left OVS_GUARDED;        /* And none has come since. */
    bool paused OVS_GUARDED;
    bool has_memory OVS_GUARDED;        /* librte_vhost knows the guest's. */
    void (*changed_cb)(void *aux) OVS_GUARDED;
    void *aux OVS_GUARDED;

    struct vlog_rate_limit rl;          /* No guest's messages hide others'. */
    atomic_bool changed;                /* For vdpa_vhost_run(). */
    atomic_uint32_t told_stopped;       /* Of 'virtqs': named in the log. */

    /* What a guest that has moved here would announce itself by. */
    atomic_bool announce;
    uint8_t announce_mac[6];
};

/* What a socket is opened with.  All of it is copied. */
struct vdpa_vhost_config {
    const char *path;               /* Of the hypervisor's socket. */
    const char *name;               /* Of the port, for messages. */
    unsigned int max_pairs;         /* Queue pairs that a guest may use. */
    uint64_t unsupported_features;  /* Not to be offered, as 1 << VIRTIO_*. */

    /* Device that is to serve the guest's rings, or NULL. */
    struct rte_vdpa_device *device;

    /* Called with 'aux' upon every change of the connection. */
    void (*changed_cb)(void *aux);
    void *aux;
};

int vdpa_vhost_open(const struct vdpa_vhost_config *, struct vdpa_vhost **,
                    char **errorp);
void vdpa_vhost_close(struct vdpa_vhost *);
void vdpa_vhost_silence(struct vdpa_vhost *);
void vdpa_vhost_notify(struct vdpa_vhost *);
void vdpa_vhost_notify_vid(int vid);
bool vdpa_vhost_has_guest_left(struct vdpa_vhost *);
const struct vdpa_vhost_conn *vdpa_vhost_run(struct vdpa_vhost *);
void vdpa_vhost_warn(struct vdpa_vhost *);

/* Returns the description of the guest that drives 'vhost', or NULL if there
 * is none. */
static inline const struct vdpa_vhost_conn *
vdpa_vhost_get_conn(const struct vdpa_vhost *vhost)
{
    return ovsrcu_get(struct vdpa_vhost_conn *, &vhost->conn);
}

#endif /* vdpa-vhost.h */
