/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_VIRTQ_H
#define VDPA_VIRTQ_H 1

/* A guest's virtqueue
 * ===================
 *
 * A 'struct vdpa_virtq' is one virtqueue of a guest, a split or a packed ring,
 * from its device's side: vdpa_virtq_receive() takes the packets that the
 * guest sends, vdpa_virtq_send() gives it packets.  Every packet is copied.
 *
 * librte_vhost has functions that do the same, but none that a guest cannot
 * lead beyond its memory (see Documentation/design.md).  Here nothing that the
 * guest wrote is believed, and each value is read once:
 *
 *   - A ring that breaks the rules of virtio is stopped, until the guest's
 *     driver sets up the device anew.  'stopped' says why.
 *
 *   - A packet that cannot be what the guest meant, for example one that is
 *     shorter than its headers, is dropped and counted in 'errors', and its
 *     buffer goes back.
 *
 *   - What a guest can make a call do is bounded, whatever its descriptors
 *     are: a call looks at fewer than VDPA_VIRTQ_MAX_WORK + 2 *
 *     VDPA_VIRTQ_MAX_CHAIN of them, 'work' says at how many, and copies
 *     VDPA_VIRTQ_BURST packets at most.
 *
 * Buffers are used in the order in which they were made available, and the
 * guest sees them used one after the other.  So whoever takes over, at
 * whichever moment this process dies, finds in the ring what is left to do.
 *
 * Thread-safety
 * -------------
 *
 * A virtqueue is started, served, and stopped by one thread at a time, with
 * whatever passes it on to the next ordering that.  'stopped' and 'errors' may
 * be read by any thread. */

#include <stdbool.h>
#include <stdint.h>

#include "guest-call.h"
#include "ovs-atomic.h"

struct rte_mbuf;
struct rte_mempool;
struct vdpa_guest_memory;
struct vring_avail;
struct vring_desc;
struct vring_packed_desc;
struct vring_packed_desc_event;
struct vring_used;

/* Packets that a call moves at most. */
#define VDPA_VIRTQ_BURST 32

/* Descriptors of a chain, or of all chains that one packet is sent into, far
 * more than any driver makes. */
#define VDPA_VIRTQ_MAX_CHAIN 1024

/* Descriptors after which a call ends early. */
#define VDPA_VIRTQ_MAX_WORK 4096

/* Descriptors that virtio lets a ring have. */
#define VDPA_VIRTQ_MAX_SIZE 32768

/* A reason for stopping that comes from more than one place. */
#define VDPA_VIRTQ_NO_MEMORY \
    "its hypervisor took away memory that it had shared"

/* A buffer that was used, before the guest is told. */
struct vdpa_virtq_used {
    uint32_t len;               /* Bytes written. */
    uint16_t id;                /* The guest's name for it. */
    uint16_t slot;              /* Where it begins, in a packed ring. */
    bool chained;               /* It has more than one descriptor there. */
};

struct vdpa_virtq {
    /* What the guest's driver and its hypervisor set up. */
    union {
        const struct vring_desc *desc;
        struct vring_packed_desc *packed_desc;
    };
    union {
        const struct vring_avail *avail;
        const struct vring_packed_desc_event *driver_event;
    };
    union {
        struct vring_used *used;
        struct vring_packed_desc_event *device_event;
    };
    const struct vdpa_guest_memory *memory;
    uint64_t log_gpa;           /* Guest's address of what is written to. */
    uint16_t size;
    uint8_t hdr_len;            /* Of the virtio-net header. */
    bool packed;
    bool event_idx;
    bool mergeable;
    bool has_requests;          /* The guest may ask for offloads. */
    int call_fd;                /* -1 if the guest polls. */

    /* How far it was served.  The server's own. */
    uint16_t idx;               /* Of a split ring, it counts on. */
    bool wrap;                  /* Of a packed ring. */
    unsigned int hint;          /* Region that was used last. */
    unsigned int work;          /* Descriptors that a call looked at. */
    struct vdpa_virtq_used *shadow; /* 'size' elements. */

    ATOMIC(const void *) server; /* Thread in one of the functions below. */
    atomic_uint64_t errors;
    ATOMIC(const char *) stopped; /* NULL while the ring is served. */
};

/* What vdpa_virtq_start() wants to know of a ring.  The pointers are where it
 * is mapped. */
struct vdpa_virtq_setup {
    const struct vdpa_guest_memory *memory;
    uint64_t features;          /* Negotiated, as 1 << VIRTIO_*. */
    void *desc, *driver, *device;
    uint32_t size;
    uint16_t position;          /* As in VHOST_USER_SET_VRING_BASE. */
    int call_fd;
};

bool vdpa_virtq_start(struct vdpa_virtq *, const struct vdpa_virtq_setup *,
                      const char **reasonp);
uint16_t vdpa_virtq_stop(struct vdpa_virtq *);

unsigned int vdpa_virtq_receive(struct vdpa_virtq *, struct rte_mempool *,
                                bool linear, struct rte_mbuf **pkts,
                                unsigned int max);
unsigned int vdpa_virtq_send(struct vdpa_virtq *, struct rte_mbuf *const *pkts,
                             unsigned int n, unsigned int *n_droppedp,
                             uint64_t *bytes_droppedp);

/* Interrupts the guest of 'vq', unless it polls. */
static inline void
vdpa_virtq_interrupt(const struct vdpa_virtq *vq)
{
    if (vq->call_fd >= 0) {
        guest_call(vq->call_fd);
    }
}

/* Returns why 'vq' is not served any more, or NULL. */
static inline const char *
vdpa_virtq_stopped(const struct vdpa_virtq *vq)
{
    const char *reason;

    atomic_read_relaxed(&CONST_CAST(struct vdpa_virtq *, vq)->stopped,
                        &reason);
    return reason;
}

#endif /* vdpa-virtq.h */
