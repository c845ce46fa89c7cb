/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The connection of this process to one NIC
 * =========================================
 *
 * A 'struct nicsim_host' is what hw.h calls a host: one connection to one
 * nicsimd, shared by all vdevs of the process that name the same socket and
 * counted by reference.  It carries the requests, makes this process's memory
 * reachable for the device's DMA, and watches the event socket in EAL's
 * interrupt thread.
 *
 * A host dies once: when the device hangs up, or leaves a request unanswered
 * for NICSIM_REPLY_TIMEOUT_S.  From then on each request fails with EIO at
 * once.  Somebody who looks for the same socket afterwards gets a new
 * connection; a dead host never lives again.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called by any thread that is not an interrupt handler
 * of this host; requests are serialized by a mutex.  No function calls an
 * application back with a lock held.  rte_malloc() must not be called with
 * 'host->mutex' held: EAL may tell us about new memory from within it. */

#ifndef NICSIM_HOST_H
#define NICSIM_HOST_H 1

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "hw.h"

#define NICSIM_REPLY_TIMEOUT_S 10
#define NICSIM_MAX_MSG_FDS NICSIM_MAX_MAPS

struct nicsim_port;
struct nicsim_vdpa;
struct rte_intr_handle;

/* A range of addresses that the device knows, see nicsim-mem.c. */
struct nicsim_window {
    uint64_t base;
    uint64_t len;
    uint64_t page_size;
};

struct nicsim_host {
    LIST_ENTRY(nicsim_host) node;   /* In the list of hosts. */
    char *path;                     /* Of the NIC's socket. */
    unsigned int users;             /* Guarded by the list's mutex. */
    unsigned int refs;              /* Atomic: users, interrupt source. */

    /* What the NIC said of itself.  Constant. */
    unsigned int n_vfs;
    unsigned int n_queues;
    char name[NICSIM_NAME_LEN];
    char personality[NICSIM_TEXT_LEN];
    uint32_t counter_period;        /* Milliseconds or NICSIM_PERIOD_ANY. */
    uint16_t domain_id;             /* Switch domain in this process. */

    pthread_mutex_t mutex;          /* One request at a time. */
    int ctl_fd;
    uint32_t seq;
    uint32_t dead;                  /* Atomic. */

    int event_fd;
    struct rte_intr_handle *intr;

    pthread_mutex_t ports_mutex;    /* Guards the lists and BARs. */
    TAILQ_HEAD(, nicsim_port) ports;
    TAILQ_HEAD(, nicsim_vdpa) vdpas;

    /* Guarded by EAL's memory hotplug lock. */
    struct nicsim_window windows[NICSIM_MAX_WINDOWS];
    unsigned int n_windows;
    bool mem_registered;
    bool mem_warned;
    char mem_name[32];
};

/* Finds or makes the connection to the NIC that listens on 'path' and stores
 * it in '*hostp'.  Returns 0, or a positive errno after logging why.  Each
 * success must be balanced by nicsim_host_put(). */
int nicsim_host_get(const char *path, struct nicsim_host **hostp);

/* Gives back one reference; NULL is ignored.  The last one hangs up, which
 * makes the NIC reset all functions of this host. */
void nicsim_host_put(struct nicsim_host *);

bool nicsim_host_is_dead(const struct nicsim_host *);

/* Sends 'msg', whose 'type' and payload the caller filled, with 'n_fds' file
 * descriptors of the caller's, and overwrites it with the reply.  Up to
 * 'n_reply_fds' received descriptors are stored in 'reply_fds' and belong to
 * the caller; too few are an error, EPROTO.  Returns 0 or a positive errno:
 * the device's, with its words in msg->text, or EIO if the host is dead. */
int nicsim_host_request(struct nicsim_host *, struct nicsim_msg *msg,
                        const int *fds, unsigned int n_fds,
                        int *reply_fds, unsigned int n_reply_fds);

/* The same for requests without file descriptors. */
int nicsim_host_call(struct nicsim_host *, struct nicsim_msg *msg);

/* 'port' is told of link changes and of the NIC's death from the one call to
 * the other.  After nicsim_host_unwatch() nothing touches it any more. */
void nicsim_host_watch(struct nicsim_host *, struct nicsim_port *port);
void nicsim_host_unwatch(struct nicsim_host *, struct nicsim_port *port);

/* The same for a vDPA device, which is told of its own events.  The NIC's
 * death is reported to the application as RTE_DEV_EVENT_REMOVE. */
void nicsim_host_watch_vdpa(struct nicsim_host *, struct nicsim_vdpa *vdpa);
void nicsim_host_unwatch_vdpa(struct nicsim_host *, struct nicsim_vdpa *vdpa);

#endif /* nicsim-host.h */
