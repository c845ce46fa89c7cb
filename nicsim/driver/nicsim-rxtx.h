/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Queues and packet loops
 * =======================
 *
 * A queue is a descriptor ring in this process's memory, an array of the mbufs
 * behind the descriptors, and a pair of indexes in the function's BAR (see
 * hw.h).  One thread at a time may use a queue, as everywhere in ethdev; two
 * queues share nothing that is written but the doorbell.
 *
 * The device takes checksums completely upon itself, pseudo header included:
 * what a transmitted packet has in its checksum fields does not matter. */

#ifndef NICSIM_RXTX_H
#define NICSIM_RXTX_H 1

#include <stdint.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "hw.h"

struct nicsim_port;
struct rte_eth_dev;
struct rte_eth_rxconf;
struct rte_eth_txconf;

struct nicsim_rxq {
    volatile struct nicsim_ring_regs *regs;     /* NULL while stopped. */
    struct nicsim_rx_desc *ring;
    struct rte_mbuf **mbufs;            /* By slot. */
    uint32_t mask;                      /* Descriptors minus 1. */
    uint32_t next;                      /* Count of those received. */
    uint32_t filled;                    /* Count of those handed over. */
    uint32_t refill_at;                 /* Free slots worth a refill. */
    uint32_t room;                      /* Bytes of a buffer. */
    uint64_t rearm;                     /* mbuf->rearm_data of a new one. */
    uint64_t ol_mask;                   /* RTE_MBUF_F_RX_* to report. */
    struct rte_mempool *mp;
    struct rte_mbuf *first;             /* Of an unfinished frame, or NULL. */
    struct rte_mbuf *last;
    uint64_t no_mbuf;                   /* Atomic: allocation failures. */
    uint64_t errors;                    /* Atomic: buffers that faulted. */

    /* Control path only. */
    struct nicsim_port *port;
    uint16_t queue_id;
    uint64_t offloads;
} __rte_cache_aligned;

struct nicsim_txq {
    volatile struct nicsim_ring_regs *regs;     /* NULL while stopped. */
    volatile struct nicsim_bar *bar;
    struct nicsim_tx_desc *ring;
    struct rte_mbuf **mbufs;            /* By slot: a packet's chain is at its
                                         * last descriptor, else NULL. */
    uint32_t mask;
    uint32_t tail;                      /* Count of those handed over. */
    uint32_t clean;                     /* Count of those given back. */
    uint32_t clean_at;                  /* Used slots worth cleaning. */
    const uint32_t *dead;               /* Of the port. */
    int doorbell;
    bool fast_free;                     /* One pool, no references. */
    uint64_t refused;                   /* Atomic: packets dropped here. */
    uint64_t kicks;                     /* Atomic: doorbell writes. */

    /* Control path only. */
    struct nicsim_port *port;
    uint16_t queue_id;
    uint64_t offloads;
} __rte_cache_aligned;

/* ethdev operations. */
int nicsim_rx_queue_setup(struct rte_eth_dev *, uint16_t queue_id,
                          uint16_t n_desc, unsigned int socket_id,
                          const struct rte_eth_rxconf *, struct rte_mempool *);
int nicsim_tx_queue_setup(struct rte_eth_dev *, uint16_t queue_id,
                          uint16_t n_desc, unsigned int socket_id,
                          const struct rte_eth_txconf *);
void nicsim_rx_queue_release(struct rte_eth_dev *, uint16_t queue_id);
void nicsim_tx_queue_release(struct rte_eth_dev *, uint16_t queue_id);
int nicsim_tx_done_cleanup(void *txq, uint32_t n);

/* Fills the burst functions of an ethdev in. */
void nicsim_rxtx_set_functions(struct rte_eth_dev *);

/* Gives all queues of a stopped port to the device.  Returns 0 or a positive
 * errno, after which nicsim_queues_stop() must be called all the same. */
int nicsim_queues_setup(struct nicsim_port *);

/* Lets the packets flow, once the function was started. */
void nicsim_queues_start(struct nicsim_port *);

/* Takes all queues of a stopped function away from the device and frees the
 * mbufs in them. */
void nicsim_queues_stop(struct nicsim_port *);

#endif /* nicsim-rxtx.h */
