/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "virtq-driver.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util.h"

#define AVAIL_FLAG (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED_FLAG (1u << VRING_PACKED_DESC_F_USED)

/* Memory
 * ------ */

static uint8_t *
map_region(void)
{
    uint8_t *map = mmap(NULL, REGION_SIZE + 2 * PAGE, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    ovs_assert(map != MAP_FAILED);
    ovs_assert(!mprotect(map + PAGE, REGION_SIZE, PROT_READ | PROT_WRITE));
    return map + PAGE;
}

/* Returns where 'gpa' is, that the guest must have. */
void *
driver_ptr(const struct driver *d, uint64_t gpa)
{
    unsigned int hint = 0;
    uint64_t len = 1;
    void *p = vdpa_guest_memory_find(&d->memory, &hint, gpa, &len);

    ovs_assert(p);
    return p;
}

void
driver_write(const struct driver *d, uint64_t gpa, const void *data,
             size_t len)
{
    for (size_t i = 0; i < len; i++) {
        *(uint8_t *) driver_ptr(d, gpa + i) = ((const uint8_t *) data)[i];
    }
}

void
driver_read(const struct driver *d, uint64_t gpa, void *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *) data)[i] = *(uint8_t *) driver_ptr(d, gpa + i);
    }
}

/* Life
 * ---- */

/* Makes 'd' a guest with a ring of 'size' descriptors, packed or split, that
 * is not started, and which has negotiated 'features' beside those that any
 * has. */
void
driver_init(struct driver *d, bool packed, unsigned int size,
            uint64_t features)
{
    memset(d, 0, sizeof *d);
    d->packed = packed;
    d->size = size;
    d->features = (features | UINT64_C(1) << VIRTIO_F_VERSION_1
                   | (uint64_t) packed << VIRTIO_F_RING_PACKED);
    d->desc = RING_DESC;
    d->driver = RING_DRIVER;
    d->device = RING_DEVICE;
    d->call_fd = eventfd(0, EFD_NONBLOCK);
    d->memory.share = &d->share;
    d->memory.n_regions = 2;
    for (int i = 0; i < 2; i++) {
        d->memory.regions[i].gpa = i ? REGION_1 : REGION_0;
        d->memory.regions[i].size = REGION_SIZE;
        d->memory.regions[i].map = map_region();
    }
    d->counts = xcalloc(UINT16_MAX + 1, sizeof *d->counts);
    driver_reset(d);
}

/* Has the driver begin anew, with a ring of zeros. */
void
driver_reset(struct driver *d)
{
    if (d->vq.memory) {
        vdpa_virtq_stop(&d->vq);
    }
    memset(driver_ptr(d, RING_DESC), 0, d->size * sizeof(struct vring_desc));
    memset(driver_ptr(d, RING_DRIVER), 0, 6 + d->size * sizeof(uint16_t));
    memset(driver_ptr(d, RING_DEVICE), 0,
           6 + d->size * sizeof(struct vring_used_elem));
    d->next = d->used = 0;
    d->wrap = d->used_wrap = true;
    driver_calls(d);
}

void
driver_destroy(struct driver *d)
{
    if (d->vq.memory) {
        vdpa_virtq_stop(&d->vq);
    }
    for (int i = 0; i < 2; i++) {
        munmap(d->memory.regions[i].map - PAGE, REGION_SIZE + 2 * PAGE);
    }
    free(d->counts);
    close(d->call_fd);
}

/* Starts the device's side at 'position'.  Returns NULL, or why it could
 * not. */
const char *
driver_start(struct driver *d, uint16_t position)
{
    struct vdpa_virtq_setup setup = {
        .memory = &d->memory,
        .features = d->features,
        .desc = driver_ptr(d, d->desc),
        .driver = driver_ptr(d, d->driver),
        .device = driver_ptr(d, d->device),
        .size = d->size,
        .position = position,
        .call_fd = d->call_fd,
    };
    const char *reason = NULL;

    return vdpa_virtq_start(&d->vq, &setup, &reason) ? NULL : reason;
}

/* Buffers
 * ------- */

/* Makes the buffer 'id' available, whose descriptors are the 'n' in 'parts':
 * 'id' and those that follow it, in a split ring. */
void
driver_put(struct driver *d, unsigned int id, const struct part *parts,
           unsigned int n)
{
    if (d->packed) {
        struct vring_packed_desc *ring = driver_ptr(d, d->desc);
        unsigned int head = d->next;
        uint16_t head_flags = 0;

        d->counts[id] = n;
        for (unsigned int i = 0; i < n; i++) {
            struct vring_packed_desc *desc = &ring[d->next];
            uint16_t flags = (parts[i].flags
                              | (i < n - 1 ? VRING_DESC_F_NEXT : 0)
                              | (d->wrap ? AVAIL_FLAG : USED_FLAG));

            desc->addr = parts[i].gpa;
            desc->len = parts[i].len;
            desc->id = id;
            if (i) {
                desc->flags = flags;
            } else {
                head_flags = flags;
            }
            if (++d->next == d->size) {
                d->next = 0;
                d->wrap = !d->wrap;
            }
        }
        __atomic_store_n(&ring[head].flags, head_flags, __ATOMIC_RELEASE);
    } else {
        struct vring_desc *desc = driver_ptr(d, d->desc);
        struct vring_avail *avail = driver_ptr(d, d->driver);

        for (unsigned int i = 0; i < n; i++) {
            unsigned int at = (id + i) % d->size;

            desc[at].addr = parts[i].gpa;
            desc[at].len = parts[i].len;
            desc[at].flags = (parts[i].flags
                              | (i < n - 1 ? VRING_DESC_F_NEXT : 0));
            desc[at].next = (at + 1) % d->size;
        }
        avail->ring[d->next % d->size] = id;
        d->next++;
        __atomic_store_n(&avail->idx, d->next, __ATOMIC_RELEASE);
    }
}

/* The same with an indirect table at 'table'. */
void
driver_put_table(struct driver *d, unsigned int id, uint64_t table,
                 const struct part *parts, unsigned int n)
{
    struct part entry = { table, n * sizeof(struct vring_desc),
                          VRING_DESC_F_INDIRECT };

    for (unsigned int i = 0; i < n; i++) {
        if (d->packed) {
            struct vring_packed_desc desc = {
                parts[i].gpa, parts[i].len, 0, parts[i].flags };

            driver_write(d, table + i * sizeof desc, &desc, sizeof desc);
        } else {
            struct vring_desc desc = {
                parts[i].gpa, parts[i].len,
                parts[i].flags | (i < n - 1 ? VRING_DESC_F_NEXT : 0), i + 1 };

            driver_write(d, table + i * sizeof desc, &desc, sizeof desc);
        }
    }
    driver_put(d, id, &entry, 1);
}

/* Takes the next buffer that was used, if any: its name, and the bytes that
 * were written. */
bool
driver_take_used(struct driver *d, unsigned int *idp, uint32_t *lenp)
{
    if (d->packed) {
        struct vring_packed_desc *ring = driver_ptr(d, d->desc);
        uint16_t flags = __atomic_load_n(&ring[d->used].flags,
                                         __ATOMIC_ACQUIRE);
        uint16_t id;

        if (!!(flags & USED_FLAG) != d->used_wrap
            || !!(flags & AVAIL_FLAG) != d->used_wrap) {
            return false;
        }
        id = ring[d->used].id;
        *idp = id;
        *lenp = ring[d->used].len;
        d->used += d->counts[id];
        if (d->used >= d->size) {
            d->used -= d->size;
            d->used_wrap = !d->used_wrap;
        }
    } else {
        struct vring_used *used = driver_ptr(d, d->device);

        if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE)
            == (uint16_t) d->used) {
            return false;
        }
        *idp = used->ring[d->used % d->size].id;
        *lenp = used->ring[d->used % d->size].len;
        d->used++;
    }
    return true;
}

/* Interrupts
 * ---------- */

void
driver_disable_calls(struct driver *d)
{
    if (d->packed) {
        struct vring_packed_desc_event *event = driver_ptr(d, d->driver);

        event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
    } else {
        struct vring_avail *avail = driver_ptr(d, d->driver);

        avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
    }
}

/* Asks for an interrupt when what is at 'position' has been used: of a split
 * ring that counts on, of a packed one it is modulo twice its size, and its
 * first time around the ring has the wrap counter 1. */
void
driver_want_call_at(struct driver *d, unsigned int position)
{
    if (d->packed) {
        struct vring_packed_desc_event *event = driver_ptr(d, d->driver);
        unsigned int at = position % (2 * d->size);

        event->off_wrap = (at % d->size
                           | (at < d->size) << VRING_PACKED_EVENT_F_WRAP_CTR);
        event->flags = VRING_PACKED_EVENT_FLAG_DESC;
    } else {
        struct vring_avail *avail = driver_ptr(d, d->driver);

        avail->ring[d->size] = position;
    }
}

/* Returns how often the guest was interrupted since the last call. */
unsigned int
driver_calls(struct driver *d)
{
    uint64_t n;

    return eventfd_read(d->call_fd, &n) ? 0 : n;
}

/* Traps
 * ----- */

static uint8_t *trap_page;
static void (*trap_cb)(void *aux);
static void *trap_aux;

static void
handle_segv(int sig OVS_UNUSED, siginfo_t *info, void *context OVS_UNUSED)
{
    uint8_t *page = trap_page;

    if (!page || (uint8_t *) info->si_addr < page
        || (uint8_t *) info->si_addr >= page + PAGE) {
        /* It comes again, and ends the process. */
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    trap_clear();
    trap_cb(trap_aux);
}

/* Has 'cb' called with 'aux' when somebody does with the page at 'page' what
 * 'prot', as for mprotect(), does not allow. */
void
trap_set(void *page, int prot, void (*cb)(void *aux), void *aux)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_sigaction = handle_segv;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ovs_assert(!sigaction(SIGSEGV, &action, NULL));
    trap_page = page;
    trap_cb = cb;
    trap_aux = aux;
    ovs_assert(!mprotect(page, PAGE, prot));
}

/* Removes the trap, if it is still there. */
void
trap_clear(void)
{
    if (trap_page) {
        ovs_assert(!mprotect(trap_page, PAGE, PROT_READ | PROT_WRITE));
        trap_page = NULL;
    }
}
