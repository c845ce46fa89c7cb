/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * DMA: a host's memory as the device sees it.
 * ===========================================
 *
 * Concepts:
 *
 * - A window is a range of host addresses.  For each, the device reserves as
 *   much of its own address space, where nothing can be read or written.
 *
 * - To map is to put pages of a file of the host's there, at the same offset.
 *   A bitmap tells which pages of a window are populated.
 *
 * - dma_at() turns a host address into a pointer, or NULL if any byte is not
 *   populated: a DMA fault.  Packets come from few windows, so the last one
 *   used is looked at first.
 *
 * - A window can also be one file as a whole, all of it populated: a guest's
 *   memory, or its dirty log (dma_map_file()).
 *
 * Mapped pages stay valid when the host dies, since the mapping keeps the file
 * alive.  They do not when the host makes the file shorter after it was
 * mapped: that raises SIGBUS, upon which guest/guest-sigbus.h puts zeroed
 * memory of the device's in the window's place and marks whose it is: a host
 * is then disconnected, a guest's queues stop.
 * (A file's length is checked when it is mapped, but a seal against shrinking
 * can't be insisted on: files in hugetlbfs and DPDK's memfds have none.) */

#ifndef NICSIM_DMA_H
#define NICSIM_DMA_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-sigbus.h"
#include "nicsim/hw.h"

struct dma_window {
    uint64_t base, len;                 /* Of the host; 'len' 0: unused. */
    unsigned int page_shift;
    uint8_t *mirror;                    /* Where 'base' is here. */
    uint64_t *populated;                /* Bitmap of pages. */
    uint8_t *map;                       /* By dma_map_file(): what was
                                         * mapped, else NULL, ... */
    uint64_t map_len;                   /* ... as so many bytes. */
};

struct dma {
    struct dma_window *last;            /* Never NULL. */
    struct dma_window windows[NICSIM_MAX_WINDOWS];
    struct guest_sigbus *sigbus;        /* Whose memory it is. */
};

void dma_init(struct dma *, struct guest_sigbus *);
void dma_uninit(struct dma *);
int dma_window(struct dma *, const struct nicsim_mem_window *, char *why);
int dma_map(struct dma *, const struct nicsim_mem_map *, const int *fds,
            char *why);
int dma_unmap(struct dma *, const struct nicsim_mem_map *, char *why);
int dma_map_file(struct dma *, uint32_t id, uint64_t base, uint64_t len,
                 int fd, uint64_t fd_offset, char *why);
void dma_unmap_all(struct dma *);
void *dma_at_most(struct dma *, uint64_t addr, uint64_t *len);
uint64_t dma_address(const struct dma *, const void *);
void *dma_at_slow(struct dma *, uint64_t addr, uint64_t len);

static inline bool
dma_is_populated(const struct dma_window *w, uint64_t page)
{
    return w->populated[page / 64] >> (page % 64) & 1;
}

/* Returns where the 'len' bytes at the host's address 'addr' are, or NULL.
 * 'len' is not 0. */
static inline void *
dma_at(struct dma *dma, uint64_t addr, uint64_t len)
{
    const struct dma_window *w = dma->last;
    uint64_t ofs = addr - w->base;

    if (ofs < w->len && len <= w->len - ofs) {
        uint64_t first = ofs >> w->page_shift;
        uint64_t last = (ofs + len - 1) >> w->page_shift;

        if (dma_is_populated(w, first)
            && (first == last
                || (first + 1 == last && dma_is_populated(w, last)))) {
            return w->mirror + ofs;
        }
    }
    return dma_at_slow(dma, addr, len);
}

/* The same for 'dma' that has nothing but files. */
static inline void *
dma_in_file(struct dma *dma, uint64_t addr, uint64_t len)
{
    const struct dma_window *w = dma->last;
    uint64_t ofs = addr - w->base;

    if (ofs < w->len && len <= w->len - ofs) {
        return w->mirror + ofs;
    }
    return dma_at_slow(dma, addr, len);
}

#endif /* nicsim/device/dma.h */
