/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * A guest of a vDPA device: its memory, and the driver's side of its virtio
 * rings.
 *
 * The driver relies on the device to give chains back in order, and says so
 * when it does not.  Slots of the descriptor table or ring are taken by turns;
 * slot i has buffer i. */

#ifndef NICSIM_GUEST_H
#define NICSIM_GUEST_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "nicsim/hw.h"

#define GUEST_MEMORY (64 << 20)
#define GUEST_LOW    0xa0000            /* A hole follows, up to ... */
#define GUEST_HIGH   0x100000           /* ... here. */
#define GUEST_SPLIT  0x2000000          /* Here another region begins. */
#define GUEST_PAGE   4096

#define MAX_SIZE     4096               /* Of a ring. */
#define MAX_PIECES   2048               /* Of a chain ... */
#define MAX_TABLE    80                 /* ... in an indirect table. */
#define VRING_F_BIT(BIT) (UINT64_C(1) << (BIT))

typedef struct virtio_net_hdr_v1 header;

struct chain {
    uint16_t slot;
    uint16_t n;                         /* Slots. */
};

struct queue {
    uint16_t size;                      /* 0: not set up. */
    uint64_t desc, avail, used;         /* Guest-physical. */
    uint64_t bufs, tables;
    uint32_t buf_size;
    int kick, call;                     /* eventfds. */

    uint16_t slot;                      /* Next to make available, ... */
    bool wrap;                          /* ... for packed rings. */
    uint16_t avail_idx;                 /* Split. */
    uint16_t used_idx;                  /* Split: a count, packed: a slot. */
    bool used_wrap;
    uint16_t n_free;                    /* Slots. */
    struct chain chains[MAX_SIZE];      /* That the device has: from ... */
    uint32_t first, last;               /* ... to before. */
};

struct guest {
    char name[16];
    int fd;
    uint8_t *mem;
    uint64_t top;                       /* Of the memory in use. */
    uint64_t features;
    uint32_t header_len;
    struct queue queues[NICSIM_MAX_VQS];

    /* The dirty log, and memory as it was. */
    int log_fd;
    uint8_t *log;
    uint8_t *copy;
};

/* What a chain looks like, and what is wrong with it. */
struct shape {
    uint32_t pieces[MAX_TABLE];         /* Bytes; the last one repeated. */
    int n_pieces;
    bool indirect;
    bool write;                         /* For the device to write. */
    uint64_t addr;                      /* In place of the buffer's. */
    int64_t len;                        /* Of the last piece, or -1. */
    uint16_t flip;                      /* Flags of the first descriptor. */
    int64_t next;                       /* Split: the last one goes on there,
                                         * or -1. */
    int64_t head;                       /* Split: said to be the head. */
    int64_t table_len;                  /* Bytes, or -1. */
    bool used;                          /* Packed: marked as used. */
};

struct guest *get_guest(const char *name);      /* nicsim-host-vdpa.c. */
struct guest *guest_create(const char *name);
bool guest_has(const struct guest *, unsigned int feature);
void *guest_at(struct guest *, uint64_t addr);
uint64_t guest_alloc(struct guest *, uint64_t n);
void queue_create(struct guest *, struct queue *, uint16_t size,
                  uint32_t buf_size);
bool queue_add(struct guest *, struct queue *, uint32_t len,
               const struct shape *);
void queue_kick(struct guest *, struct queue *, uint16_t n_added);
bool queue_has_used(struct guest *, struct queue *);
uint64_t queue_take_used(struct guest *, struct queue *, uint32_t *len);
void queue_want_call(struct guest *, struct queue *, bool);
bool queue_called(struct queue *, int ms);
uint64_t queue_buffer(const struct queue *);

#endif /* tests/nicsim-guest.h */
