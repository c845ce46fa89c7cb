/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Hosts: connections to the device, and the messages that come over them. */

#ifndef NICSIM_HOST_H
#define NICSIM_HOST_H 1

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dma.h"

struct function;
struct nic;

struct host {
    struct host *next;                  /* In nic->hosts. */
    struct nic *nic;
    int fd;
    int event_fd;                       /* Our end, or -1. */
    bool greeted;                       /* HELLO was there. */
    bool dead;                          /* To be closed soon. */
    struct guest_sigbus sigbus;         /* Broken: it took memory away. */
    uint32_t pid;
    char program[NICSIM_NAME_LEN];
    struct dma dma;
    struct function *functions;         /* Open ones. */

    /* A reply that is held back (--rule-latency), or NULL. */
    struct nicsim_msg *reply;
    uint64_t reply_at;                  /* TSC. */
};

int host_listen(const char *path);
void host_accept(struct nic *);
void host_serve(struct host *, uint32_t events);
void host_post(struct host *, const struct nicsim_event *);
uint64_t host_run(struct nic *, uint64_t now);
void host_close_all(struct nic *);

#endif /* nicsim/device/host.h */
