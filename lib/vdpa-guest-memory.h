/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_GUEST_MEMORY_H
#define VDPA_GUEST_MEMORY_H 1

/* A guest's memory
 * ================
 *
 * A 'struct vdpa_guest_memory' says where the memory of a guest, that its
 * hypervisor shares with this process, is mapped, and has the log of what was
 * written to it while the guest migrates.  It is constant, but for the log's
 * bits.
 *
 * Everything in that memory may change at any time and be anything.  So a
 * value is copied out of it once, checked in the copy, and used from there.
 *
 * Memory that is not there
 * ------------------------
 *
 * The hypervisor may make the file shorter that it shares, and reading beyond
 * its end raises SIGBUS.  guest/guest-sigbus.h says how this costs the guest
 * alone.  For this, a 'struct vdpa_guest_share' keeps account of what
 * librte_vhost has mapped of a guest, in both modes: what the relay,
 * librte_vhost, or a vDPA device's driver does with it.  Whoever serves the
 * guest asks vdpa_guest_share_is_broken() in between, and ends the connection.
 *
 * Thread-safety
 * -------------
 *
 * Any thread may read a 'struct vdpa_guest_memory', log to it, and call
 * vdpa_guest_share_is_broken().  The other functions for a 'struct
 * vdpa_guest_share' are called from librte_vhost's callbacks, one at a
 * time. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-sigbus.h"
#include "openvswitch/compiler.h"

/* Regions of memory that librte_vhost lets a hypervisor share. */
#define VDPA_MAX_REGIONS 8

struct vdpa_guest_region {
    uint64_t gpa;               /* Where the guest sees it. */
    uint64_t size;              /* In bytes. */
    uint8_t *map;               /* Where this process sees it. */
};

/* What a guest shares with this process, by librte_vhost.  All zeros, if that
 * is nothing. */
struct vdpa_guest_share {
    struct guest_sigbus sigbus;
    struct guest_file last_file; /* That came with a message. */
    struct guest_file log_file; /* If 'has_log'. */
    bool has_memory;
    bool has_log;
};

struct vdpa_guest_memory {
    const struct vdpa_guest_share *share;
    unsigned int n_regions;
    struct vdpa_guest_region regions[VDPA_MAX_REGIONS];

    /* A bit for each page of the guest that was written to, or NULL. */
    uint8_t *log;
    uint64_t log_size;          /* In bytes. */
};

void vdpa_guest_memory_init(void);

void vdpa_guest_share_before_message(struct vdpa_guest_share *, bool remaps,
                                     const int *fds, unsigned int n_fds);
void vdpa_guest_share_after_message(struct vdpa_guest_share *, int vid,
                                    bool remaps, bool memory, bool log);
void vdpa_guest_share_end(struct vdpa_guest_share *);

/* Returns true if memory that 'share' is about was not there. */
static inline bool
vdpa_guest_share_is_broken(const struct vdpa_guest_share *share)
{
    return guest_sigbus_is_broken(&share->sigbus);
}

struct vdpa_guest_memory *vdpa_guest_memory_create(
    int vid, uint64_t features, const struct vdpa_guest_share *);

/* Returns where the guest's address 'gpa' is mapped, or NULL if it has no
 * memory there.  Reduces '*lenp', that must not be 0, to the number of bytes
 * that are mapped one after the other from there.  '*hintp' is the number of
 * the region that was used last. */
static inline uint8_t *
vdpa_guest_memory_find(const struct vdpa_guest_memory *memory,
                       unsigned int *hintp, uint64_t gpa, uint64_t *lenp)
{
    const struct vdpa_guest_region *region = memory->regions + (*hintp);

    if (OVS_UNLIKELY(gpa - region->gpa >= region->size)) {
        unsigned int i;

        for (i = 0; i < memory->n_regions; i++) {
            region = &memory->regions[i];
            if (gpa - region->gpa < region->size) {
                *hintp = i;
                break;
            }
        }
        if (i >= memory->n_regions) {
            return NULL;
        }
    }
    if (*lenp > region->size - (gpa - region->gpa)) {
        *lenp = region->size - (gpa - region->gpa);
    }
    return region->map + (gpa - region->gpa);
}

bool vdpa_guest_memory_gpa(const struct vdpa_guest_memory *, const void *,
                           size_t len, uint64_t *gpap);

void vdpa_guest_memory_log__(const struct vdpa_guest_memory *, uint64_t gpa,
                             uint64_t len);

/* Logs that 'len' bytes at the guest's address 'gpa' were written. */
static inline void
vdpa_guest_memory_log(const struct vdpa_guest_memory *memory, uint64_t gpa,
                      uint64_t len)
{
    if (OVS_UNLIKELY(memory->log)) {
        vdpa_guest_memory_log__(memory, gpa, len);
    }
}

#endif /* vdpa-guest-memory.h */
