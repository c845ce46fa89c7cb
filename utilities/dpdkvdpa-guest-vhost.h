/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef DPDKVDPA_GUEST_VHOST_H
#define DPDKVDPA_GUEST_VHOST_H 1

/* Front end of vhost-user, in server mode
 * =======================================
 *
 * What a hypervisor does: listens on a Unix socket, and hands guest memory and
 * virtqueues over to the back end (the switch) that connects.  The order of
 * calls is
 *
 *     vhost_listen()
 *        vhost_accept()
 *           vhost_negotiate()      features, number of queues
 *           vhost_start()          memory and rings: traffic may flow
 *              vhost_set_log()     as for a migration
 *           vhost_stop()           the back end lets go of the rings
 *        vhost_disconnect()        at any time after vhost_accept()
 *     vhost_unlisten()
 *
 *
 * Thread-safety
 * =============
 *
 * None.  Calls that wait for the back end's answer wait REPLY_TIMEOUT_MS at
 * most, and give up with EINTR when a signal that 'wait_sigmask' lets through
 * arrives.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct virtq;

#define VHOST_USER_F_PROTOCOL_FEATURES 30

struct vhost {
    const char *path;           /* Of the socket. */
    int listen_fd;
    int conn_fd;                /* -1 without a back end. */
    uint64_t features;          /* Negotiated. */
    uint64_t protocol_features; /* Negotiated. */
    bool can_log;               /* The back end can keep a dirty log. */
    const sigset_t *wait_sigmask;
};

/* The guest's memory: one region. */
struct vhost_memory {
    int fd;
    void *addr;
    uint64_t gpa;
    uint64_t size;
};

int vhost_listen(struct vhost *, const char *path,
                 const sigset_t *wait_sigmask);
void vhost_unlisten(struct vhost *);
int vhost_accept(struct vhost *);
int vhost_negotiate(struct vhost *, uint64_t wanted, int *n_pairs);
int vhost_start(struct vhost *, const struct vhost_memory *,
                struct virtq *rings[], int n_rings);
int vhost_stop(struct vhost *, struct virtq *rings[], int n_rings,
               int *n_wrong);
int vhost_set_log(struct vhost *, struct virtq *rings[], int n_rings, int fd,
                  uint64_t size);
void vhost_disconnect(struct vhost *);

#endif /* dpdkvdpa-guest-vhost.h */
