/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#define _GNU_SOURCE 1

#include "dpdkvdpa-guest-dirty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dpdkvdpa-guest-virtq.h"

#define PAGE 4096u

/* Has the back end log what it writes into the 'n_rings' rings and buffers in
 * 'mem', even of which are receive rings.  Returns 0 or a positive errno. */
int
dirty_start(struct dirty *d, struct vhost *vh, const struct vhost_memory *mem,
            struct virtq *rings[], int n_rings)
{
    int error;

    memset(d, 0, sizeof *d);
    d->size = (mem->gpa + mem->size) / PAGE / 8 + 1;
    d->size = (d->size + PAGE - 1) / PAGE * PAGE;
    d->log = MAP_FAILED;
    d->fd = memfd_create("dirty-log", MFD_CLOEXEC);
    d->copy = reallocarray(NULL, 1, mem->size);
    if (d->fd < 0 || !d->copy || ftruncate(d->fd, d->size)) {
        error = errno;
        goto error;
    }
    d->log = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
    if (d->log == MAP_FAILED) {
        error = errno;
        goto error;
    }

    /* The copy is made while the back end logs already, so that nothing can be
     * written between the two. */
    error = vhost_set_log(vh, rings, n_rings, d->fd, d->size);
    if (error) {
        goto error;
    }
    memcpy(d->copy, mem->addr, mem->size);
    for (int i = 0; i < n_rings; i++) {
        if (rings[i]->packed) {
            virtq_count_returned(rings[i]);
        }
    }
    d->on = true;
    return 0;

error:
    dirty_end(d);
    return error;
}

static bool
is_logged(const struct dirty *d, uint64_t gpa)
{
    return d->log[gpa / PAGE / 8] & 1u << gpa / PAGE % 8;
}

/* Looks at the pages of 'mem' from 'start' to 'end'. */
static void
compare(const struct dirty *d, const struct vhost_memory *mem,
        const void *start, const void *end, struct dirty_result *r)
{
    const uint8_t *mem_addr = mem->addr;
    uint64_t from = (const uint8_t *) start - mem_addr;
    uint64_t to = (const uint8_t *) end - mem_addr;

    for (uint64_t i = from / PAGE * PAGE; i < to; i += PAGE) {
        if (memcmp(mem_addr + i, d->copy + i, PAGE)) {
            r->changed++;
            r->missed += !is_logged(d, mem->gpa + i);
        }
    }
}

/* Looks at the pages of the packed ring 'vq'. */
static void
compare_returned(const struct dirty *d, const struct vhost_memory *mem,
                 const struct virtq *vq, struct dirty_result *r)
{
    uint64_t gpa = (mem->gpa + ((const uint8_t *) vq->pdesc
                                - (const uint8_t *) mem->addr));
    unsigned int per_page = PAGE / sizeof vq->pdesc[0];

    for (unsigned int i = 0; i < vq->size; i += per_page) {
        bool changed = false;

        for (unsigned int j = i; j < i + per_page && j < vq->size; j++) {
            changed |= vq->n_returned[j] > 0;
        }
        r->changed += changed;
        r->missed += changed && !is_logged(d, gpa + i * sizeof vq->pdesc[0]);
    }
}

/* Compares log and memory, which the back end must have let go of. */
void
dirty_compare(const struct dirty *d, const struct vhost_memory *mem,
              struct virtq *rings[], int n_rings, struct dirty_result *r)
{
    memset(r, 0, sizeof *r);
    for (uint64_t i = 0; i < d->size; i++) {
        r->logged += __builtin_popcount(d->log[i]);
    }
    for (int i = 0; i < n_rings; i++) {
        const struct virtq *vq = rings[i];
        bool receive = i % 2 == 0;

        compare(d, mem, vq->used, vq->buffers, r);
        if (receive) {
            compare(d, mem, vq->buffers,
                    virtq_buffer(vq, 0) + (size_t) vq->size * vq->buffer_size,
                    r);
        }
        if (vq->packed) {
            compare_returned(d, mem, vq, r);
        }
    }
}

/* Frees the log.  The back end should have been told. */
void
dirty_end(struct dirty *d)
{
    if (d->log && d->log != MAP_FAILED) {
        munmap(d->log, d->size);
    }
    if (d->fd >= 0) {
        close(d->fd);
    }
    free(d->copy);
    memset(d, 0, sizeof *d);
    d->fd = -1;
}
