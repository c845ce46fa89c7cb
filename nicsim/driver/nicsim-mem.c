/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal_memconfig.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "nicsim-host.h"
#include "nicsim-log.h"

/* Regions that wait to be told to the device in one message. */
struct batch {
    struct nicsim_host *host;
    struct nicsim_msg msg;
    int fds[NICSIM_MAX_MAPS];
    int error;                      /* The first one. */
};

static void
batch_init(struct batch *batch, struct nicsim_host *host, uint32_t type)
{
    memset(batch, 0, sizeof *batch);
    batch->host = host;
    batch->msg.type = type;
}

static void
batch_flush(struct batch *batch)
{
    struct nicsim_mem_map *map = &batch->msg.map;
    uint32_t window = map->window;
    uint32_t type = batch->msg.type;
    uint32_t n = map->n;
    int error;

    if (n) {
        error = nicsim_host_request(batch->host, &batch->msg, batch->fds,
                                    type == NICSIM_MEM_MAP ? n : 0, NULL, 0);
        if (error && !batch->error) {
            batch->error = error;
            NICSIM_LOG(ERR, "%s: the NIC can not %s %u pieces of memory: %s",
                       batch->host->path,
                       type == NICSIM_MEM_MAP ? "map" : "unmap", n,
                       batch->msg.text[0] ? batch->msg.text
                       : rte_strerror(error));
        }
    }
    memset(&batch->msg, 0, sizeof batch->msg);
    batch->msg.type = type;
    batch->msg.map.window = window;
}

/* Adds 'len' bytes at 'offset' of 'window', which are found at 'fd_offset' of
 * 'fd' (-1 to unmap).  What continues the last region becomes part of it. */
static void
batch_add(struct batch *batch, uint32_t window, uint64_t offset, uint64_t len,
          int fd, uint64_t fd_offset)
{
    struct nicsim_mem_map *map = &batch->msg.map;

    if (map->n && map->window == window) {
        uint32_t i = map->n - 1;

        if (map->regions[i].offset + map->regions[i].len == offset
            && batch->fds[i] == fd
            && (fd < 0 || (map->regions[i].fd_offset + map->regions[i].len
                           == fd_offset))) {
            map->regions[i].len += len;
            return;
        }
    }
    if (map->n == NICSIM_MAX_MAPS || (map->n && map->window != window)) {
        batch_flush(batch);
    }
    map->window = window;
    map->regions[map->n].offset = offset;
    map->regions[map->n].len = len;
    map->regions[map->n].fd_offset = fd < 0 ? 0 : fd_offset;
    batch->fds[map->n++] = fd;
}

/* The number of the window of 'msl', which is announced if 'create' and it is
 * new; -1 if there is none. */
static int
window_of(struct nicsim_host *host, const struct rte_memseg_list *msl,
          bool create)
{
    uint64_t base = (uintptr_t) msl->base_va;
    struct nicsim_msg msg = { .type = NICSIM_MEM_WINDOW };
    struct nicsim_window *w;
    unsigned int i;
    int error;

    for (i = 0; i < host->n_windows; i++) {
        if (host->windows[i].base == base) {
            return i;
        }
    }
    if (!create) {
        return -1;
    }
    if (i == NICSIM_MAX_WINDOWS) {
        if (!host->mem_warned) {
            host->mem_warned = true;
            NICSIM_LOG(ERR, "%s: EAL has more than %d memory segment lists, "
                       "the NIC can not reach them all",
                       host->path, NICSIM_MAX_WINDOWS);
        }
        return -1;
    }
    w = &host->windows[i];
    w->base = base;
    w->len = msl->len;
    w->page_size = msl->page_sz;
    msg.window.id = i;
    msg.window.base = w->base;
    msg.window.len = w->len;
    msg.window.page_size = w->page_size;
    error = nicsim_host_call(host, &msg);
    if (error) {
        NICSIM_LOG(ERR, "%s: the NIC refused a memory window of %"PRIu64
                   " MiB: %s", host->path, w->len >> 20,
                   msg.text[0] ? msg.text : rte_strerror(error));
        return -1;
    }
    host->n_windows++;
    return i;
}

/* Adds the page of 'ms' to 'batch'. */
static void
add_page(struct batch *batch, const struct rte_memseg_list *msl,
         const struct rte_memseg *ms)
{
    struct nicsim_host *host = batch->host;
    size_t fd_offset;
    int window;
    int fd;

    if (msl->external) {
        return;
    }
    fd = rte_memseg_get_fd_thread_unsafe(ms);
    if (fd < 0
        || rte_memseg_get_fd_offset_thread_unsafe(ms, &fd_offset) < 0) {
        if (!host->mem_warned) {
            host->mem_warned = true;
            NICSIM_LOG(ERR, "%s: memory at %p has no file descriptor (%s), "
                       "the NIC can not reach it",
                       host->path, ms->addr, rte_strerror(rte_errno));
        }
        return;
    }
    window = window_of(host, msl, true);
    if (window >= 0) {
        batch_add(batch, window, (uintptr_t) ms->addr
                  - (uintptr_t) msl->base_va, ms->len, fd, fd_offset);
    }
}

static int
add_page_cb(const struct rte_memseg_list *msl, const struct rte_memseg *ms,
            void *batch)
{
    add_page(batch, msl, ms);
    return 0;
}

/* EAL calls this with its memory hotplug lock held. */
static void
mem_event(enum rte_mem_event event, const void *addr, size_t len, void *host_)
{
    const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(addr);
    struct nicsim_host *host = host_;
    struct batch batch;

    if (!msl || msl->external || nicsim_host_is_dead(host)) {
        return;
    }
    batch_init(&batch, host, event == RTE_MEM_EVENT_ALLOC ? NICSIM_MEM_MAP
               : NICSIM_MEM_UNMAP);
    if (event == RTE_MEM_EVENT_ALLOC) {
        for (size_t done = 0; done < len; done += msl->page_sz) {
            const struct rte_memseg *ms;

            ms = rte_mem_virt2memseg(RTE_PTR_ADD(addr, done), msl);
            if (ms) {
                add_page(&batch, msl, ms);
            }
        }
    } else {
        int window = window_of(host, msl, false);

        if (window >= 0) {
            batch_add(&batch, window,
                      (uintptr_t) addr - (uintptr_t) msl->base_va, len,
                      -1, 0);
        }
    }
    batch_flush(&batch);
}

int
nicsim_mem_register(struct nicsim_host *host)
{
    static unsigned int n_names;
    struct batch batch;
    int error;

    snprintf(host->mem_name, sizeof host->mem_name, "nicsim%u",
             __atomic_fetch_add(&n_names, 1, __ATOMIC_RELAXED));
    batch_init(&batch, host, NICSIM_MEM_MAP);

    /* No page may come between the walk and the first event. */
    rte_mcfg_mem_read_lock();
    error = 0;
    if (rte_mem_event_callback_register(host->mem_name, mem_event, host)) {
        /* Legacy memory: what there is now is all there will be. */
        error = rte_errno == ENOTSUP ? 0 : rte_errno;
    } else {
        host->mem_registered = true;
    }
    if (!error) {
        rte_memseg_walk_thread_unsafe(add_page_cb, &batch);
        batch_flush(&batch);
        error = batch.error;
    }
    rte_mcfg_mem_read_unlock();

    if (error) {
        NICSIM_LOG(ERR, "%s: this process's memory can not be given to the "
                   "NIC (%s)", host->path, rte_strerror(error));
        nicsim_mem_unregister(host);
    }
    return error;
}

void
nicsim_mem_unregister(struct nicsim_host *host)
{
    if (host->mem_registered) {
        host->mem_registered = false;
        rte_mem_event_callback_unregister(host->mem_name, host);
    }
}
