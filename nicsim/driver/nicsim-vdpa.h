/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * vDPA devices
 * ============
 *
 * A VF that is probed with class=vdpa is an rte_vdpa device instead of an
 * ethdev: librte_vhost speaks vhost-user with the hypervisor, and hands the
 * guest over to us, and so to the NIC, which serves the guest's rings itself.
 * No packet passes this process.
 *
 *     nicsim-vdpa.c        the device: opening, librte_vhost's callbacks
 *     nicsim-vdpa-guest.c  handing a guest over to the NIC, and back
 *     nicsim-vdpa-log.c    a file descriptor for the guest's dirty log
 *     nicsim-vdpa-stats.c  statistics
 *
 * A device serves one guest, which is named by librte_vhost's 'vid', from the
 * first ring that is ready until the connection ends.  The guest is *handed
 * over* between dev_conf and dev_close.
 *
 * A device whose NIC died stays there, as an ethdev does: all that is asked of
 * it fails with EIO, RTE_DEV_EVENT_REMOVE is reported for it, and the next
 * guest to be configured looks for the NIC again.
 *
 * Thread-safety
 * -------------
 *
 * librte_vhost calls from its own thread and from those of its users.  Each
 * device has a mutex, which is held while the NIC is asked; librte_vhost's
 * functions that are called meanwhile take no lock but a ring's. */

#ifndef NICSIM_VDPA_H
#define NICSIM_VDPA_H 1

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "hw.h"

struct nicsim_host;
struct rte_device;
struct rte_vdpa_device;

/* A ring of the guest that is handed over. */
struct nicsim_vring {
    bool on;                        /* librte_vhost says that it is ready. */
    bool set_up;                    /* The NIC has it, as follows. */
    uint16_t size;
    uint64_t desc, avail, used;     /* Guest-physical. */
};

struct nicsim_vdpa {
    LIST_ENTRY(nicsim_vdpa) node;       /* In the list of vDPA devices. */
    TAILQ_ENTRY(nicsim_vdpa) host_node; /* In 'host->vdpas'. */
    struct rte_vdpa_device *vdpa;
    const char *name;                   /* Of the vdev. */
    const char *path;                   /* Of the NIC's socket. */
    uint32_t fn;                        /* NICSIM_FN(). */

    /* What the NIC said of itself.  Constant. */
    unsigned int n_queues;              /* Queue pairs. */
    uint64_t features;
    unsigned int max_mtu;
    uint8_t mac[6];

    pthread_mutex_t mutex;              /* Guards what follows. */
    struct nicsim_host *host;           /* NULL: there is no NIC. */
    int vid;                            /* Of the guest, or -1. */
    bool handed_over;
    bool logging;                       /* The NIC has the dirty log. */
    struct nicsim_vring vrings[NICSIM_MAX_VQS];

    /* Limits the rate of messages about this guest.  Used by the interrupt
     * thread only. */
    int64_t event_window;               /* When it began, in seconds. */
    unsigned int n_events;              /* In this window. */
};

/* Opens VF 'vf' of the NIC at 'path' as vDPA device and registers it for
 * 'dev'.  'path' must stay valid.  Returns 0 and stores the device in
 * '*vdpap', or returns a positive errno after logging why. */
int nicsim_vdpa_create(struct rte_device *dev, const char *path,
                       unsigned int vf, struct nicsim_vdpa **vdpap);

/* Unregisters and closes 'vdpa', which is ignored if NULL.  Returns 0, or
 * EBUSY, after logging that, while a guest is handed over. */
int nicsim_vdpa_destroy(struct nicsim_vdpa *vdpa);

/* Returns the device that librte_vhost knows as 'dev', or NULL. */
struct nicsim_vdpa *nicsim_vdpa_find(const struct rte_vdpa_device *dev);

/* Sends 'msg' with 'n_fds' descriptors of the caller's and overwrites it with
 * the reply.  Returns 0 or a positive errno: EIO if there is no NIC.  Logs
 * failures, with 'what' ("start") in the sentence, unless that is NULL.
 * 'vdpa->mutex' is held. */
int nicsim_vdpa_request(struct nicsim_vdpa *vdpa, struct nicsim_msg *msg,
                        const int *fds, unsigned int n_fds, const char *what);

/* The NIC says of 'vdpa' that 'event' happened.  In the interrupt thread, with
 * 'host->ports_mutex' held. */
void nicsim_vdpa_handle_event(struct nicsim_vdpa *vdpa,
                              const struct nicsim_event *event);

/* A name for 'error' (enum nicsim_vq_error), as words of a sentence. */
const char *nicsim_vdpa_error_name(unsigned int error);

#endif /* nicsim-vdpa.h */
