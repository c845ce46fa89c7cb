/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * vDPA: a VF that serves a guest's virtio-net rings itself.
 * =========================================================
 *
 * See "vDPA" in nicsim/hw.h for what a host may ask for.  A frame that the
 * guest sends becomes a struct packet whose pieces stay in the guest's memory
 * (vdpa-tx.c) and enters the pipeline like one of an ethdev; one that the
 * pipeline delivers is copied to the guest's buffers at once (vdpa-rx.c).  So
 * between guests a frame is copied once.
 *
 * All is done in bursts that leave no buffer behind: what is between two
 * bursts, in particular each message of a host and its death, finds the rings
 * at a packet boundary. */

#ifndef NICSIM_VDPA_H
#define NICSIM_VDPA_H 1

#include <stdbool.h>
#include <stdint.h>
#include <rte_branch_prediction.h>

#include "nic.h"
#include "virtq.h"

struct function;
struct host;
struct nic;
struct packet;
struct vdpa_growing;

struct vdpa {
    struct function *fn;
    bool open;
    bool started;
    bool mergeable;                     /* MRG_RXBUF. */
    bool guest_csum;                    /* GUEST_CSUM, ... */
    bool guest_tso4, guest_tso6;        /* ... and with it GUEST_TSO4, 6. */
    uint8_t header_len;                 /* Of the virtio-net header. */
    uint8_t n_rx;                       /* Queue pairs that receive, ... */
    uint8_t first_rx;                   /* ... and the first one. */
    uint64_t features;                  /* Negotiated. */
    uint8_t *log;                       /* The dirty log, or NULL, ... */
    uint64_t log_len;                   /* ... and its bytes. */
    struct dma dma;                     /* The guest's memory ... */
    struct dma log_dma;                 /* ... and where 'log' is. */
    uint32_t n_regions;
    struct guest_sigbus sigbus;         /* Broken: memory was taken away. */
    uint64_t round;                     /* 'wasted' is of that one. */
    uint32_t wasted;                    /* See vdpa_may_work(). */
    struct virtq vqs[NICSIM_MAX_VQS];
};

/* Messages.  All return 0 or a positive errno with the reason in 'why'. */
int vdpa_open(struct function *, struct host *, struct nicsim_vdpa_info *,
              char *why);
void vdpa_close(struct function *);
int vdpa_serve(struct function *, struct nicsim_msg *, int *fds, int n_fds,
               char *why);
void vdpa_show(const struct function *, struct nicsim_ctl_vdpa *);
int vdpa_show_queue(struct function *, struct nicsim_vdpa_queue *, char *why);

/* The loop. */
void vdpa_check_memory(struct nic *);
void vdpa_want_kick(struct nic *, bool);
unsigned int vdpa_tx_poll(struct virtq *);
bool vdpa_rx_deliver(struct function *, struct packet *);
void vdpa_rx_flush(struct nic *);
struct vdpa_growing *vdpa_growing_create(void);

/* For virtq*.c. */
const char *vdpa_name(const struct vdpa *);
void vdpa_queue_broken(struct virtq *);
void vdpa_memory_gone(struct vdpa *);
void vdpa_log_slow(struct vdpa *, uint64_t addr, uint64_t len);

/* Descriptors of one guest, of all its queues, that are read in one round of
 * the loop for frames that come to nothing.  One frame or burst more can begin
 * before that is reached. */
#define VDPA_MAX_WASTE 1024

/* Returns true if rings of 'vdpa' may be looked at in this round of the loop.
 * What a guest puts into its rings decides how much a frame costs that fails:
 * other guests are not to wait for it. */
static inline bool
vdpa_may_work(struct vdpa *vdpa)
{
    uint64_t round = vdpa->fn->nic->round;

    if (vdpa->round != round) {
        vdpa->round = round;
        vdpa->wasted = 0;
    }
    return likely(vdpa->wasted < VDPA_MAX_WASTE);
}

/* Marks 'len' bytes of guest memory at 'addr', not 0, as written to. */
static inline void
vdpa_log(struct vdpa *vdpa, uint64_t addr, uint64_t len)
{
    if (unlikely(vdpa->log)) {
        vdpa_log_slow(vdpa, addr, len);
    }
}

#endif /* nicsim/device/vdpa.h */
