/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The NIC and its parts: what the files of nicsimd share.
 * =======================================================
 *
 * nicsimd is one process with one thread of its own.  It moves packets in
 * bursts and, between bursts, serves the hosts' messages: so nothing here has
 * a lock, a rule is never half there, and a message costs the packets the
 * time that it takes (some microseconds, of which a rule is less than one).
 *
 * A host may be wrong, hostile or dead.  Whatever is read from its memory, its
 * BARs or its messages is copied first, checked, and used from the copy. */

#ifndef NICSIM_NIC_H
#define NICSIM_NIC_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "nicsim/hw.h"
#include "trouble.h"

struct function;
struct host;
struct meters;
struct packet;
struct rule_table;
struct vdpa;
struct virtq;
struct wire;

#define BURST 32                /* Packets. */
#define MAX_COPIES 8            /* Of one packet, at a time. */
#define MAX_FUNCTIONS (1 + 2 * NICSIM_MAX_VFS)

/* The greatest frame for an MTU that is received: Ethernet header and two
 * tags; and that is sent: with one tag, as DPDK's applications have it. */
#define SENT_OVERHEAD 18
#define FRAME_OVERHEAD (14 + 2 * 4)

/* One descriptor ring.  'regs' and 'desc' are in memory that the host can
 * write at any time. */
struct ring {
    struct nicsim_ring_regs *regs;      /* In the function's BAR. */
    void *desc;                 /* NULL while the ring can not be used. */
    uint32_t mask;              /* Number of descriptors - 1. */
    uint32_t head;              /* Our own truth about regs->head ... */
    uint32_t tail;              /* ... and the last regs->tail we saw. */
    bool dirty;                 /* RX: 'head' has to be published. */
    bool skipping;              /* TX: within a frame that makes no sense. */
    uint16_t queue;
    struct function *fn;

    /* As the host set it up. */
    uint64_t addr;
    uint32_t n_desc;            /* 0: no such ring. */
};

/* A Toeplitz hash, by tables of what each half byte of the input adds. */
#define RSS_INPUT 36            /* Two IPv6 addresses and two ports. */
struct rss {
    uint32_t types;             /* NICSIM_RSS_*. */
    uint8_t key[NICSIM_RSS_KEY];
    uint8_t reta[NICSIM_RETA_SIZE];
    uint32_t table[RSS_INPUT * 2][16];
};

/* PF, representor or VF. */
struct function {
    struct nic *nic;
    uint32_t id;                        /* NICSIM_FN(). */
    uint32_t vport;                     /* That it faces or is. */
    uint8_t permanent_mac[6];
    struct log_limit log_limits[LOG_N_KINDS];   /* Whoever has it. */

    /* While a host has it. */
    struct host *host;
    struct nicsim_bar *bar;
    int doorbell;                       /* eventfd, or -1. */
    bool started;
    bool promisc;
    uint8_t mac[6];
    uint32_t mtu;
    struct rss rss;
    struct ring tx[NICSIM_MAX_QUEUES];
    struct ring rx[NICSIM_MAX_QUEUES];
    struct nicsim_fn_stats stats;
    struct nicsim_vport_stats vport_before;     /* When it was opened. */
    struct function *next;              /* Of the same host. */

    /* A VF's vDPA side, or NULL if it was never used.  A function that a host
     * has without 'bar' is open as vDPA device. */
    struct vdpa *vdpa;
};

/* What the operator asked for. */
struct options {
    char *socket;
    char *wire;                         /* vdev string, or NULL. */
    char *pidfile;
    char *log_file;
    uint32_t n_vfs;
    uint32_t n_queues;
    uint32_t wire_mtu;
    uint32_t table_size;
    uint32_t rule_latency;              /* us. */
    uint32_t idle_spin;                 /* us. */
    uint32_t mem;                       /* MiB. */
    uint32_t refuse_items;              /* NICSIM_ITEM_*. */
    uint64_t refuse_actions;            /* Bits of rule_format's indexes. */
    int core;                           /* Or -1. */
    bool keep_rules;                    /* Of functions that are stopped. */
    bool detach;
    const char *personality;            /* Drivers' default, or "". */
    uint32_t counter_period;            /* ms, or NICSIM_PERIOD_ANY. */
    struct trouble trouble;
};

struct nic {
    struct options opts;
    char name[NICSIM_NAME_LEN];
    uint16_t switch_domain;
    uint32_t n_vports;                  /* 1 + number of VFs. */
    struct function pf;
    struct function reps[NICSIM_MAX_VFS];
    struct function vfs[NICSIM_MAX_VFS];
    struct nicsim_vport_stats vports[1 + NICSIM_MAX_VFS];
    struct rule_table *rules;
    struct meters *meters;
    struct wire *wire;                  /* NULL: no cable. */
    struct host *hosts;                 /* All connections. */
    int listen_fd;
    int epoll_fd;

    /* The rings that the loop polls. */
    struct ring *tx_rings[MAX_FUNCTIONS * NICSIM_MAX_QUEUES];
    uint32_t n_tx_rings;
    /* RX rings whose head is to be published at the end of the burst. */
    struct ring *dirty[MAX_FUNCTIONS * NICSIM_MAX_QUEUES];
    uint32_t n_dirty;

    /* The same for virtqueues. */
    struct virtq *tx_vqs[NICSIM_MAX_VFS * NICSIM_MAX_QUEUES];
    uint32_t n_tx_vqs;
    bool vqs_without_kick;              /* One of these has no doorbell. */
    struct virtq *dirty_vqs[NICSIM_MAX_VFS * NICSIM_MAX_QUEUES];
    uint32_t n_dirty_vqs;
    struct vdpa_growing *growing;       /* A frame to one of them. */

    /* Where packets in flight are: as they were fetched, and cut ones. */
    struct packet *frames;              /* BURST. */
    struct packet *segments;            /* BURST. */
    struct packet *copies;              /* MAX_COPIES, for SAMPLE ... */
    uint32_t n_copies;                  /* ... of which these are in use. */
    uint64_t round;                     /* Of poll_all(). */
    uint64_t random;                    /* State of a generator, not 0. */

    uint64_t rule_ops;
    uint64_t rules_refused;
    uint64_t dma_faults;
    uint64_t jumps_exceeded;            /* Packets that jumped too often. */
    bool link_up;                       /* The wire's ... */
    uint32_t link_speed;                /* ... and Mbit/s. */
};

/* What in epoll_event.data says whose a pointer is: with these bits a
 * function's doorbell or a virtqueue's kick fd, without a host's socket. */
#define EV_DOORBELL 1
#define EV_KICK     2
#define EV_TYPE     3

/* Whether 'fn' is open as vDPA device. */
static inline bool
is_vdpa(const struct function *fn)
{
    return fn->host && !fn->bar;
}

static inline void
count(struct nicsim_counter *counter, uint32_t len)
{
    counter->packets++;
    counter->bytes += len;
}

/* The VF whose vport is 'vport', which is not the uplink. */
static inline struct function *
vport_vf(struct nic *nic, uint32_t vport)
{
    return &nic->vfs[vport - 1];
}

/* The function that software sees a vport through: PF or representor. */
static inline struct function *
vport_software(struct nic *nic, uint32_t vport)
{
    return vport == NICSIM_VPORT_UPLINK ? &nic->pf : &nic->reps[vport - 1];
}

#endif /* nicsim/device/nic.h */
