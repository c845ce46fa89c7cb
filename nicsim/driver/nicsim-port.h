/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Ports and vdevs
 * ===============
 *
 * A 'struct nicsim_port' is the private data of one ethdev: a function of the
 * NIC (PF, representor or VF) that this process has opened.
 *
 * A 'struct nicsim_vdev' is a plugged vdev.  "net_nicsim<N>" holds the PF and
 * the representors, "net_nicsim<N>_vf<I>" a VF: its port, or its vDPA device
 * (nicsim-vdpa.h).  A port may be closed while its vdev stays plugged and
 * other ports of it are in use, and be wanted again later: see nicsim-probe.c
 * for how it comes back.
 *
 * A port whose NIC died stays there, with its link down, and all that is asked
 * of it fails with EIO, until it is closed or configured anew: configuring
 * looks for the NIC again, as a card that was reset comes back. */

#ifndef NICSIM_PORT_H
#define NICSIM_PORT_H 1

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_ether.h>

#include "hw.h"

struct nicsim_host;
struct nicsim_personality;
struct nicsim_vdpa;
struct rte_eth_dev;
struct rte_flow;
struct rte_vdev_device;

/* Bytes around the IP packet in the longest frame: Ethernet, two tags. */
#define NICSIM_L2_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * 4)

struct nicsim_vdev {
    LIST_ENTRY(nicsim_vdev) node;
    struct rte_vdev_device *dev;
    char *path;                         /* Of the NIC's socket. */
    bool is_vf;
    unsigned int vf;                    /* If 'is_vf'. */
    const char *args_seen;              /* Devargs that were last handled;
                                         * to compare, not to read. */
    bool removing;

    /* The thread that puts a new PF into the place of a closed one. */
    pthread_t respawner;
    bool respawning;                    /* It was started, not joined yet. */
    bool unannounced;                   /* Applications don't know of it. */

    /* [0] is the PF or the VF, [1 + i] the representor of VF i; NULL where
     * none is open.  Guarded by a mutex of nicsim-probe.c. */
    struct nicsim_port *ports[1 + NICSIM_MAX_VFS];

    struct nicsim_vdpa *vdpa;           /* Of a VF, if probed as such. */
    struct nicsim_personality *personality;     /* Of a PF; NULL: ideal. */
    char *spec;                         /* What it was made of; NULL: it was
                                         * not chosen yet. */
};

struct nicsim_port {
    TAILQ_ENTRY(nicsim_port) host_node; /* In 'host->ports'. */
    struct rte_eth_dev *dev;
    struct nicsim_vdev *vdev;
    uint32_t fn;                        /* NICSIM_FN(). */
    uint32_t dead;                      /* Atomic; read by packet loops. */

    /* Of the NIC; changed only while the port is stopped. */
    struct nicsim_host *host;           /* NULL: there is no NIC. */
    volatile struct nicsim_bar *bar;    /* NULL as 'host'. */
    size_t bar_len;
    int doorbell;                       /* Eventfd, or -1. */
    unsigned int n_vfs;
    unsigned int max_queues;
    unsigned int max_mtu;
    bool keeps_rules;           /* While it is stopped. */

    struct rte_ether_addr mac;          /* ethdev's mac_addrs. */
    uint64_t rss_hf;                    /* RTE_ETH_RSS_* that hold. */
    uint8_t rss_key[NICSIM_RSS_KEY];
    uint8_t reta[NICSIM_RETA_SIZE];

    LIST_HEAD(, rte_flow) flows;        /* Guarded by ethdev's flow mutex. */
};

/* Creates the ethdev of function 'fn' of the NIC of 'vdev', which has to be
 * announced by rte_eth_dev_probing_finish().  Its id is above 'min_id'.
 * Returns 0 and stores the port in '*portp', or returns a positive errno after
 * logging why.  If the NIC can't be reached but 'old' is not NULL, the port is
 * made as 'old' was, and without a NIC.  It goes when its ethdev is closed. */
int nicsim_port_create(struct nicsim_vdev *vdev, uint32_t fn, int min_id,
                       const struct nicsim_port *old,
                       struct nicsim_port **portp);

/* To be called last when the ethdev of a port of 'vdev' is being closed. */
void nicsim_vdev_forget(struct nicsim_vdev *vdev, struct nicsim_port *port);

/* The id of the PF's ethdev of 'vdev', or RTE_MAX_ETHPORTS. */
uint16_t nicsim_vdev_pf_id(const struct nicsim_vdev *vdev);

/* Opens the function of 'port', whose NIC died, at the NIC that is there now.
 * The port must be stopped.  Returns 0 or a positive errno. */
int nicsim_port_reopen(struct nicsim_port *port);

/* Closes the function.  The ethdev must have no queues any more. */
void nicsim_port_shut(struct nicsim_port *port);

bool nicsim_port_is_dead(const struct nicsim_port *port);

/* As nicsim_host_call(); EIO if there is no NIC.  Logs failures, with 'what'
 * ("set the MTU") in the sentence, unless that is NULL. */
int nicsim_port_call(struct nicsim_port *port, struct nicsim_msg *msg,
                     const char *what);

/* Copies the link state from BAR to ethdev.  Returns true if it changed.  The
 * port must not be shut meanwhile. */
bool nicsim_port_update_link(struct nicsim_port *port);

/* The ethdev with 'port_id' as a port of this driver, or NULL. */
struct nicsim_port *nicsim_port_from_id(uint32_t port_id);

/* A name for log messages. */
const char *nicsim_port_name(const struct nicsim_port *port);

static inline enum nicsim_fn_kind
nicsim_port_kind(const struct nicsim_port *port)
{
    return NICSIM_FN_KIND(port->fn);
}

/* The vport that 'port' faces. */
static inline uint32_t
nicsim_port_vport(const struct nicsim_port *port)
{
    return (nicsim_port_kind(port) == NICSIM_FN_PF ? NICSIM_VPORT_UPLINK
            : NICSIM_VPORT_VF(NICSIM_FN_INDEX(port->fn)));
}

#endif /* nicsim-port.h */
