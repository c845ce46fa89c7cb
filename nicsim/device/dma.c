/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "dma.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <rte_errno.h>

#include "guest-file.h"
#include "log.h"

/* More pages than a host can mean: 1 TiB of 4 KiB pages. */
#define MAX_PAGES (UINT64_C(1) << 28)

#define MIN_PAGE_SIZE 4096
#define MAX_PAGE_SIZE (UINT64_C(1) << 30)

/* Prepares 'dma', without a window.  'sigbus' is told when memory is not
 * there, and has to outlive it. */
void
dma_init(struct dma *dma, struct guest_sigbus *sigbus)
{
    memset(dma, 0, sizeof *dma);
    dma->last = &dma->windows[0];
    dma->sigbus = sigbus;
}

/* Bytes of the bitmap of 'n_pages', which is mapped rather than allocated
 * since most of a window is never populated. */
static size_t
bitmap_size(uint64_t n_pages)
{
    return (n_pages / 64 + 1) * sizeof(uint64_t);
}

static void
window_remove(struct dma *dma, struct dma_window *w)
{
    if (w->map) {
        guest_sigbus_remove(dma->sigbus, w->map);
        munmap(w->map, w->map_len);
        memset(w, 0, sizeof *w);
    } else if (w->len) {
        guest_sigbus_remove(dma->sigbus, w->mirror);
        munmap(w->mirror, w->len);
        munmap(w->populated, bitmap_size(w->len >> w->page_shift));
        memset(w, 0, sizeof *w);
    }
}

/* Takes all windows of 'dma' away. */
void
dma_unmap_all(struct dma *dma)
{
    for (int i = 0; i < NICSIM_MAX_WINDOWS; i++) {
        window_remove(dma, &dma->windows[i]);
    }
}

/* Adds the window 'req', or takes it away if its length is 0.  Returns 0 or a
 * positive errno with the reason in 'why'. */
int
dma_window(struct dma *dma, const struct nicsim_mem_window *req, char *why)
{
    struct dma_window *w;
    uint64_t n_pages;
    void *mirror;

    if (req->id >= NICSIM_MAX_WINDOWS) {
        return refuse(EINVAL, why, "window %u: must be below %d", req->id,
                      NICSIM_MAX_WINDOWS);
    }
    w = &dma->windows[req->id];
    if (!req->len) {
        window_remove(dma, w);
        return 0;
    }
    if (w->len) {
        return refuse(EEXIST, why, "window %u is there already", req->id);
    }
    if (req->page_size & (req->page_size - 1)
        || req->page_size < MIN_PAGE_SIZE || req->page_size > MAX_PAGE_SIZE) {
        return refuse(EINVAL, why, "window %u: page size %#llx", req->id,
                      (unsigned long long) req->page_size);
    }
    n_pages = req->len / req->page_size;
    if ((req->base | req->len) & (req->page_size - 1)
        || req->base + req->len < req->base || n_pages > MAX_PAGES) {
        return refuse(EINVAL, why, "window %u: address or length makes no "
                      "sense", req->id);
    }
    for (int i = 0; i < NICSIM_MAX_WINDOWS; i++) {
        const struct dma_window *x = &dma->windows[i];

        if (x->len && req->base < x->base + x->len
            && x->base < req->base + req->len) {
            return refuse(EEXIST, why, "window %u overlaps window %d",
                          req->id, i);
        }
    }

    /* 2 MiB more than asked for, so that huge pages find their alignment. */
    {
        uint64_t align = req->page_size;
        uint64_t room = req->len + align;
        uint64_t start, end;

        mirror = mmap(NULL, room, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mirror == MAP_FAILED) {
            return refuse(ENOMEM, why, "window %u: no address space for "
                          "%llu bytes", req->id,
                          (unsigned long long) req->len);
        }
        start = ((uintptr_t) mirror + align - 1) & ~(align - 1);
        end = start + req->len;
        if (start > (uintptr_t) mirror) {
            munmap(mirror, start - (uintptr_t) mirror);
        }
        if ((uintptr_t) mirror + room > end) {
            munmap((void *) end, (uintptr_t) mirror + room - end);
        }
        mirror = (void *) start;
    }
    w->populated = mmap(NULL, bitmap_size(n_pages), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w->populated == MAP_FAILED
        || guest_sigbus_add(dma->sigbus, mirror, req->len)) {
        if (w->populated != MAP_FAILED) {
            munmap(w->populated, bitmap_size(n_pages));
        }
        munmap(mirror, req->len);
        return refuse(ENOMEM, why, "window %u: out of memory", req->id);
    }
    w->mirror = mirror;
    w->base = req->base;
    w->len = req->len;
    w->page_shift = __builtin_ctzll(req->page_size);
    return 0;
}

/* Checks the regions of 'req'.  Sets '*wp' to their window. */
static int
check_regions(struct dma *dma, const struct nicsim_mem_map *req,
              struct dma_window **wp, char *why)
{
    struct dma_window *w;

    if (req->window >= NICSIM_MAX_WINDOWS || !dma->windows[req->window].len) {
        return refuse(EINVAL, why, "there is no window %u", req->window);
    }
    if (!req->n || req->n > NICSIM_MAX_MAPS) {
        return refuse(EINVAL, why, "%u regions, must be 1 to %d", req->n,
                      NICSIM_MAX_MAPS);
    }
    w = &dma->windows[req->window];
    for (uint32_t i = 0; i < req->n; i++) {
        uint64_t ofs = req->regions[i].offset;
        uint64_t len = req->regions[i].len;

        if (!len || ofs > w->len || len > w->len - ofs) {
            return refuse(EINVAL, why, "region %u is outside the window", i);
        }
        if ((ofs | len) & ((UINT64_C(1) << w->page_shift) - 1)) {
            return refuse(EINVAL, why, "region %u is not of whole pages", i);
        }
    }
    *wp = w;
    return 0;
}

static void
set_populated(struct dma_window *w, uint64_t ofs, uint64_t len, bool on)
{
    uint64_t end = (ofs + len) >> w->page_shift;

    for (uint64_t page = ofs >> w->page_shift; page < end; page++) {
        uint64_t bit = UINT64_C(1) << (page % 64);

        if (on) {
            w->populated[page / 64] |= bit;
        } else {
            w->populated[page / 64] &= ~bit;
        }
    }
}

/* Makes a part of 'w' unreachable again. */
static void
depopulate(struct dma_window *w, uint64_t ofs, uint64_t len)
{
    set_populated(w, ofs, len, false);
    mmap(w->mirror + ofs, len, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* Looks at the file 'fd' of region 'id', of which 'len' bytes from 'offset' on
 * are to be mapped, and stores what it is into '*file'. */
static int
check_file(int fd, uint64_t offset, uint64_t len, uint32_t id,
           struct guest_file *file, char *why)
{
    int error = guest_file_examine(fd, file);

    if (error == EINVAL) {
        return refuse(EINVAL, why, "region %u: not a file in memory (memfd, "
                      "tmpfs or hugetlbfs)", id);
    } else if (error) {
        return refuse(error, why, "region %u: %s", id, rte_strerror(error));
    }
    if (offset > file->size || len > file->size - offset) {
        return refuse(EINVAL, why, "region %u is beyond the file's end", id);
    }
    return 0;
}

/* Maps the regions of 'req', one of 'fds' each, which stay the caller's.
 * Returns 0, or a positive errno with the reason in 'why'; then none of them
 * is mapped (and what was there before is gone). */
int
dma_map(struct dma *dma, const struct nicsim_mem_map *req, const int *fds,
        char *why)
{
    struct guest_file file;
    struct dma_window *w;
    uint32_t i;
    int error;

    error = check_regions(dma, req, &w, why);
    if (error) {
        return error;
    }
    for (i = 0; i < req->n; i++) {
        uint64_t fd_ofs = req->regions[i].fd_offset;
        uint64_t len = req->regions[i].len;

        error = check_file(fds[i], fd_ofs, len, i, &file, why);
        if (error) {
            return error;
        }
    }
    for (i = 0; i < req->n; i++) {
        uint64_t ofs = req->regions[i].offset;
        uint64_t len = req->regions[i].len;

        if (mmap(w->mirror + ofs, len, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, fds[i],
                 req->regions[i].fd_offset) == MAP_FAILED) {
            error = refuse(errno, why, "region %u: mmap failed: %s", i,
                           rte_strerror(errno));
            do {
                depopulate(w, req->regions[i].offset, req->regions[i].len);
            } while (i--);
            return error;
        }
        set_populated(w, ofs, len, true);
    }
    return 0;
}

/* Takes the regions of 'req' away.  Returns 0 or a positive errno with the
 * reason in 'why'. */
int
dma_unmap(struct dma *dma, const struct nicsim_mem_map *req, char *why)
{
    struct dma_window *w;
    int error;

    error = check_regions(dma, req, &w, why);
    if (!error) {
        for (uint32_t i = 0; i < req->n; i++) {
            depopulate(w, req->regions[i].offset, req->regions[i].len);
        }
    }
    return error;
}

/* Makes 'len' bytes of the file 'fd' from 'fd_offset' on, in pages of any
 * size, the window 'id', which is unused, at address 'base'.  'fd' stays the
 * caller's.  Returns 0 or a positive errno with the reason in 'why'. */
int
dma_map_file(struct dma *dma, uint32_t id, uint64_t base, uint64_t len,
             int fd, uint64_t fd_offset, char *why)
{
    static uint64_t all = UINT64_MAX;
    struct dma_window *w = &dma->windows[id];
    struct guest_file file;
    uint64_t start;
    void *map;
    int error;

    if (!len || base + len < base) {
        return refuse(EINVAL, why, "region %u: address or length makes no "
                      "sense", id);
    }
    for (int i = 0; i < NICSIM_MAX_WINDOWS; i++) {
        const struct dma_window *x = &dma->windows[i];

        if (x->len && base < x->base + x->len && x->base < base + len) {
            return refuse(EEXIST, why, "region %u overlaps region %d", id, i);
        }
    }
    error = check_file(fd, fd_offset, len, id, &file, why);
    if (error) {
        return error;
    }

    /* A file in hugetlbfs has to be mapped by whole pages. */
    start = fd_offset & ~(file.page_size - 1);
    w->map_len = ((fd_offset - start + len + file.page_size - 1)
                  & ~(file.page_size - 1));
    map = mmap(NULL, w->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
               start);
    if (map == MAP_FAILED) {
        return refuse(errno, why, "region %u: mmap failed: %s", id,
                      rte_strerror(errno));
    }
    if (guest_sigbus_add(dma->sigbus, map, w->map_len)) {
        munmap(map, w->map_len);
        return refuse(ENOMEM, why, "region %u: out of memory", id);
    }
    w->map = map;
    w->mirror = w->map + (fd_offset - start);
    w->base = base;
    w->len = len;
    w->page_shift = 63;                 /* One page, ... */
    w->populated = &all;                /* ... and it is there. */
    return 0;
}

/* Returns where the byte at the host's address 'addr' is, or NULL, and sets
 * '*len', not 0, to the number of bytes that there are in one piece, if that
 * is less.  For 'dma' that has nothing but files. */
void *
dma_at_most(struct dma *dma, uint64_t addr, uint64_t *len)
{
    for (int i = 0; i < NICSIM_MAX_WINDOWS; i++) {
        const struct dma_window *w = &dma->windows[i];
        uint64_t ofs = addr - w->base;

        if (ofs < w->len) {
            *len = *len < w->len - ofs ? *len : w->len - ofs;
            return w->mirror + ofs;
        }
    }
    return NULL;
}

/* Returns the host's address of what is at 'p', which dma_at() returned. */
uint64_t
dma_address(const struct dma *dma, const void *p)
{
    for (int i = 0; i < NICSIM_MAX_WINDOWS; i++) {
        const struct dma_window *w = &dma->windows[i];
        uint64_t ofs = (const uint8_t *) p - w->mirror;

        if (ofs < w->len) {
            return w->base + ofs;
        }
    }
    return UINT64_MAX;
}

/* dma_at() for what it does not find at once. */
void *
dma_at_slow(struct dma *dma, uint64_t addr, uint64_t len)
{
    for (int i = 0; i < NICSIM_MAX_WINDOWS; i++) {
        struct dma_window *w = &dma->windows[i];
        uint64_t ofs = addr - w->base;

        if (ofs < w->len && len <= w->len - ofs) {
            uint64_t last = (ofs + len - 1) >> w->page_shift;

            for (uint64_t page = ofs >> w->page_shift; page <= last; page++) {
                if (!dma_is_populated(w, page)) {
                    return NULL;
                }
            }
            dma->last = w;
            return w->mirror + ofs;
        }
    }
    return NULL;
}
