/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-guest-memory.h"

#include <rte_vhost.h>

#include "guest-call.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vdpa_guest_memory);

/* Page of a guest's memory, for which the log has a bit. */
#define LOG_PAGE 4096

/* Returns the memory of librte_vhost's guest 'vid', that negotiated 'features'
 * and has 'share', for the caller to free, or NULL if there is none.  To be
 * called from librte_vhost's callbacks while the guest has memory. */
struct vdpa_guest_memory *
vdpa_guest_memory_create(int vid, uint64_t features,
                         const struct vdpa_guest_share *share)
{
    struct vdpa_guest_memory *memory;
    struct rte_vhost_memory *table;
    uint64_t log_base, log_size;

    if (rte_vhost_get_mem_table(vid, &table)) {
        return NULL;
    }
    memory = xzalloc(sizeof *memory);
    memory->share = share;
    for (uint32_t i = 0; i < MIN(table->nregions, VDPA_MAX_REGIONS); i++) {
        const struct rte_vhost_mem_region *r = &table->regions[i];

        memory->regions[i].gpa = r->guest_phys_addr;
        memory->regions[i].size = r->size;
        memory->regions[i].map = (void *) (uintptr_t) r->host_user_addr;
        memory->n_regions++;
    }
    free(table);

    if (features & (UINT64_C(1) << VHOST_F_LOG_ALL)
        && !rte_vhost_get_log_base(vid, &log_base, &log_size) && log_base) {
        memory->log = (void *) (uintptr_t) log_base;
        memory->log_size = log_size;
    }
    return memory;
}

/* Stores the guest's address of the 'len' bytes at 'p', where they are mapped,
 * into '*gpap' and returns true, or returns false if they are not in one
 * region of 'memory'. */
bool
vdpa_guest_memory_gpa(const struct vdpa_guest_memory *memory, const void *p,
                      size_t len, uint64_t *gpap)
{
    for (unsigned int i = 0; i < memory->n_regions; i++) {
        const struct vdpa_guest_region *r = &memory->regions[i];
        uint64_t ofs = (uintptr_t) p - (uintptr_t) r->map;

        if (ofs < r->size && len <= r->size - ofs) {
            *gpap = r->gpa + ofs;
            return true;
        }
    }
    return false;
}

void
vdpa_guest_memory_log__(const struct vdpa_guest_memory *memory, uint64_t gpa,
                        uint64_t len)
{
    uint64_t last = (gpa + len - 1) / LOG_PAGE;

    if (!len || gpa + len < gpa || last / 8 >= memory->log_size) {
        return;
    }

    /* A bit that is set already may be about to be cleared by the hypervisor,
     * which then reads the page: so there is no look before, and what was
     * written is there when the bit is seen. */
    for (uint64_t page = gpa / LOG_PAGE; page <= last; page++) {
        __atomic_fetch_or(&memory->log[page / 8], 1u << page % 8,
                          __ATOMIC_SEQ_CST);
    }
}

/* What is mapped
 * ============== */

/* Has a hypervisor that takes memory away, or does to an eventfd what it
 * likes, harm nobody but its guest.  May be called more than once, from the
 * main thread, before DPDK is initialized, that catches SIGBUS itself. */
void
vdpa_guest_memory_init(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        int error = guest_sigbus_init();

        if (error) {
            VLOG_WARN("SIGBUS cannot be caught (%s): a hypervisor that "
                      "shortens a guest's memory ends this process",
                      ovs_strerror(error));
        }
        error = guest_call_init();
        if (error) {
            VLOG_WARN("guests cannot be interrupted by asynchronous I/O (%s): "
                      "a hypervisor can stop a PMD thread.  Raise "
                      "fs.aio-max-nr, or use a kernel with AIO",
                      ovs_strerror(error));
        }
        ovsthread_once_done(&once);
    }
}

/* Registers the 'len' bytes at 'start'.  If that fails, SIGBUS there would end
 * the process: so the guest is taken to have lost its memory. */
static void
share_add_mapping(struct vdpa_guest_share *share, void *start, size_t len)
{
    if (guest_sigbus_add(&share->sigbus, start, len)) {
        __atomic_store_n(&share->sigbus.broken, true, __ATOMIC_RELAXED);
    }
}

/* Adds the mappings that librte_vhost has for its guest 'vid' to 'share'. */
static void
share_add(struct vdpa_guest_share *share, int vid)
{
    struct rte_vhost_memory *table;
    uint64_t log_base, log_size;

    guest_sigbus_remove(&share->sigbus, NULL);
    share->sigbus.n_files = 0;
    if (share->has_memory && !rte_vhost_get_mem_table(vid, &table)) {
        for (uint32_t i = 0; i < table->nregions; i++) {
            const struct rte_vhost_mem_region *r = &table->regions[i];
            struct guest_file file;

            share_add_mapping(share, r->mmap_addr, r->mmap_size);
            if (!guest_file_examine(r->fd, &file)) {
                guest_sigbus_add_file(&share->sigbus, &file);
            }
        }
        free(table);
    }
    if (share->has_log && !rte_vhost_get_log_base(vid, &log_base, &log_size)
        && log_base) {
        uint64_t page_size = share->log_file.page_size;

        share_add_mapping(share, (void *) (uintptr_t) log_base,
                          ROUND_UP(log_size, page_size));
        guest_sigbus_add_file(&share->sigbus, &share->log_file);
    }
}

/* Is to be called before librte_vhost deals with a message that came with the
 * 'n_fds' files 'fds', and after which it may have other mappings than before
 * if 'remaps' is true. */
void
vdpa_guest_share_before_message(struct vdpa_guest_share *share, bool remaps,
                                const int *fds, unsigned int n_fds)
{
    for (unsigned int i = 0; remaps && i < n_fds; i++) {
        struct guest_file file;

        if (!guest_file_examine(fds[i], &file)) {
            guest_sigbus_add_file(&share->sigbus, &file);
            share->last_file = file;
        }
    }
    if (remaps) {
        guest_sigbus_remove(&share->sigbus, NULL);
    }
    guest_sigbus_expect(&share->sigbus);
}

/* Is to be called after librte_vhost has dealt with a message of its guest
 * 'vid', with 'remaps' as before.  'memory' is true if that was SET_MEM_TABLE,
 * and 'log' if it was SET_LOG_BASE. */
void
vdpa_guest_share_after_message(struct vdpa_guest_share *share, int vid,
                               bool remaps, bool memory, bool log)
{
    if (remaps) {
        if (log) {
            share->has_log = true;
            share->log_file = share->last_file;
        } else {
            share->has_memory = memory;
        }
        share_add(share, vid);
    }
    guest_sigbus_expect(NULL);
}

/* Is to be called when the connection ends, before librte_vhost unmaps what
 * there is, when no other thread uses it any more. */
void
vdpa_guest_share_end(struct vdpa_guest_share *share)
{
    guest_sigbus_expect(NULL);
    guest_sigbus_remove(&share->sigbus, NULL);
    memset(share, 0, sizeof *share);
}
