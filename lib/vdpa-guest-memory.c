/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-guest-memory.h"

#include <signal.h>
#include <sys/mman.h>

#include <rte_vhost.h>

#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vdpa_guest_memory);

/* Page of a guest's memory, for which the log has a bit. */
#define LOG_PAGE 4096

/* What the calling thread does with a guest's memory. */
static __thread volatile sig_atomic_t touching;
static __thread volatile sig_atomic_t missed;

static struct sigaction former_action;

/* Returns the memory of librte_vhost's guest 'vid', that negotiated
 * 'features', for the caller to free, or NULL if there is none.  To be called
 * from librte_vhost's callbacks while the guest has memory. */
struct vdpa_guest_memory *
vdpa_guest_memory_create(int vid, uint64_t features)
{
    struct vdpa_guest_memory *memory;
    struct rte_vhost_memory *table;
    uint64_t log_base, log_size;

    if (rte_vhost_get_mem_table(vid, &table)) {
        return NULL;
    }
    memory = xzalloc(sizeof *memory);
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

/* mmap() is not among what POSIX lets a signal's handler call, but it is
 * nothing more than a system call.  Pages of a file on a hugetlbfs can be
 * replaced as a whole only. */
static void
handle_sigbus(int sig OVS_UNUSED, siginfo_t *info, void *context OVS_UNUSED)
{
    static const unsigned int page_shifts[] = { 12, 16, 21, 30 };

    for (size_t i = 0; touching && i < ARRAY_SIZE(page_shifts); i++) {
        uintptr_t size = (uintptr_t) 1 << page_shifts[i];
        uintptr_t page = (uintptr_t) info->si_addr & ~(size - 1);

        if (mmap((void *) page, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                 0) != MAP_FAILED) {
            missed = true;
            return;
        }
    }

    /* It comes again, to whom it came before. */
    sigaction(SIGBUS, &former_action, NULL);
}

/* Has vdpa_guest_memory_begin() work.  May be called more than once, from the
 * main thread, after DPDK's initialization, that has a handler of its own. */
void
vdpa_guest_memory_catch_sigbus(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        struct sigaction action;

        memset(&action, 0, sizeof action);
        action.sa_sigaction = handle_sigbus;
        action.sa_flags = SA_SIGINFO;
        sigemptyset(&action.sa_mask);
        if (sigaction(SIGBUS, &action, &former_action)) {
            VLOG_WARN("SIGBUS cannot be caught (%s): a hypervisor that "
                      "shortens a guest's memory ends this process",
                      ovs_strerror(errno));
        }
        ovsthread_once_done(&once);
    }
}

/* The calling thread is going to touch the memory of a guest. */
void
vdpa_guest_memory_begin(void)
{
    missed = false;
    touching = true;
}

/* The calling thread has done so.  Returns false if some of the memory was not
 * there. */
bool
vdpa_guest_memory_end(void)
{
    touching = false;
    return !missed;
}
