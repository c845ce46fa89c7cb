/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef DPDKVDPA_GUEST_DIRTY_H
#define DPDKVDPA_GUEST_DIRTY_H 1

/* Is the dirty log complete?
 * ==========================
 *
 * A hypervisor that migrates a guest copies its memory while the guest runs,
 * and then once more what the guest or a device has written since.  What the
 * device wrote it knows from a log only, which the device keeps: a page that
 * is missing there arrives with old contents.
 *
 * This keeps a copy of the guest's memory from the moment when logging begins.
 * When the device has let go of the rings, each page that it alone writes
 * (receive buffers, used rings) and that differs from the copy must be in the
 * log, and so must each page of a packed descriptor ring where it gave a
 * descriptor back.
 */

#include <stdbool.h>
#include <stdint.h>

#include "dpdkvdpa-guest-vhost.h"

struct virtq;

struct dirty {
    bool on;
    int fd;                     /* The log's file. */
    uint8_t *log;
    uint64_t size;              /* Bytes of the log. */
    uint8_t *copy;              /* Of the guest's memory. */
};

/* Pages. */
struct dirty_result {
    uint64_t logged;            /* In the log. */
    uint64_t changed;           /* By the device. */
    uint64_t missed;            /* Changed and not in the log. */
};

int dirty_start(struct dirty *, struct vhost *, const struct vhost_memory *,
                struct virtq *rings[], int n_rings);
void dirty_compare(const struct dirty *, const struct vhost_memory *,
                   struct virtq *rings[], int n_rings,
                   struct dirty_result *);
void dirty_end(struct dirty *);

#endif /* dpdkvdpa-guest-dirty.h */
