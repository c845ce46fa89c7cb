/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VIRTQ_DRIVER_H
#define VIRTQ_DRIVER_H 1

/* A guest in this process
 * =======================
 *
 * A 'struct driver' is the memory of a guest and one virtqueue in it, with
 * the driver's side of that here and the device's side in 'vq', whose
 * functions are what is to be tested.  No socket, no thread and no switch is
 * needed, so that a test, or a fuzzer, can put anything into the ring.
 *
 * The memory is two regions, one after the other for the guest, but not here:
 * where the process has the end of each there are pages that must not be
 * touched, so that whoever leaves a region dies of it.
 *
 * A trap is a page that somebody is about to touch, or to write to, for the
 * first time: trap_set() has a function called at that moment, so that
 * "meanwhile" can be tested without a second thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vdpa-guest-memory.h"
#include "vdpa-virtq.h"

#define PAGE 4096u

/* What the guest has where.  Addresses are the guest's. */
#define REGION_SIZE (8u << 20)
#define REGION_0 UINT64_C(0x40000000)
#define REGION_1 (REGION_0 + REGION_SIZE)
#define MEMORY_END (REGION_1 + REGION_SIZE)
#define RING_DESC REGION_0                      /* 512 kB at most. */
#define RING_DRIVER (REGION_0 + 0x100000)
#define RING_DEVICE (REGION_0 + 0x200000)
#define TABLES (REGION_0 + 0x300000)            /* Indirect ones. */
#define BUFFERS (REGION_0 + 0x400000)

/* A descriptor. */
struct part {
    uint64_t gpa;
    uint32_t len;
    uint16_t flags;             /* VRING_DESC_F_WRITE and others. */
};

struct driver {
    struct vdpa_virtq vq;
    struct vdpa_guest_share share; /* Of memory that is always there. */
    struct vdpa_guest_memory memory;
    uint64_t features;
    bool packed;
    unsigned int size;
    uint64_t desc, driver, device; /* Where the ring is. */
    int call_fd;

    /* The driver's side. */
    unsigned int next;          /* Of a packed ring; 'avail_idx' else. */
    bool wrap;
    unsigned int used;          /* What it looks at next. */
    bool used_wrap;
    uint16_t *counts;           /* Of a packed ring: descriptors of a name. */
};

void driver_init(struct driver *, bool packed, unsigned int size,
                 uint64_t features);
void driver_destroy(struct driver *);
void driver_reset(struct driver *);

const char *driver_start(struct driver *, uint16_t position);

void *driver_ptr(const struct driver *, uint64_t gpa);
void driver_write(const struct driver *, uint64_t gpa, const void *,
                  size_t len);
void driver_read(const struct driver *, uint64_t gpa, void *, size_t len);

void driver_put(struct driver *, unsigned int id, const struct part *,
                unsigned int n);
void driver_put_table(struct driver *, unsigned int id, uint64_t table,
                      const struct part *, unsigned int n);
bool driver_take_used(struct driver *, unsigned int *idp, uint32_t *lenp);

void driver_disable_calls(struct driver *);
void driver_want_call_at(struct driver *, unsigned int position);
unsigned int driver_calls(struct driver *);

void trap_set(void *page, int prot, void (*cb)(void *aux), void *aux);
void trap_clear(void);

#endif /* virtq-driver.h */
