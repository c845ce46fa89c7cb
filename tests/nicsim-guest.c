/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-guest.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nicsim-host.h"

#define F_AVAIL (1 << VRING_PACKED_DESC_F_AVAIL)
#define F_USED  (1 << VRING_PACKED_DESC_F_USED)

/* Returns a new guest, whose memory is a file of its own. */
struct guest *
guest_create(const char *name)
{
    struct guest *g = must(reallocarray(NULL, 1, sizeof *g));

    memset(g, 0, sizeof *g);
    snprintf(g->name, sizeof g->name, "%s", name);
    g->fd = memfd_create("nicsim-guest", MFD_CLOEXEC);
    if (g->fd < 0 || ftruncate(g->fd, GUEST_MEMORY)) {
        die("%m");
    }
    g->mem = must(mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED,
                       g->fd, 0));
    g->top = GUEST_HIGH;
    g->log_fd = -1;
    return g;
}

bool
guest_has(const struct guest *g, unsigned int feature)
{
    return g->features >> feature & 1;
}

/* Guest-physical addresses are offsets in the file, too. */
void *
guest_at(struct guest *g, uint64_t addr)
{
    if (addr >= GUEST_MEMORY) {
        die("the guest itself would access %#llx", (long long) addr);
    }
    return g->mem + addr;
}

uint64_t
guest_alloc(struct guest *g, uint64_t n)
{
    uint64_t addr = g->top;

    g->top += (n + GUEST_PAGE - 1) & ~(uint64_t) (GUEST_PAGE - 1);
    if (g->top > GUEST_MEMORY) {
        die("%s is out of memory", g->name);
    }
    return addr;
}

/* Makes 'q' a ring of 'size' with nothing in it. */
void
queue_create(struct guest *g, struct queue *q, uint16_t size,
             uint32_t buf_size)
{
    if (size > MAX_SIZE) {
        die("a ring of %d", size);
    }
    if (!q->size) {
        q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        q->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (q->size != size || q->buf_size != buf_size) {
        q->desc = guest_alloc(g, size * 16);
        q->avail = guest_alloc(g, 6 + 2 * size);
        q->used = guest_alloc(g, 6 + 8 * size);
        q->bufs = guest_alloc(g, (uint64_t) size * buf_size);
        q->tables = guest_alloc(g, (uint64_t) size * MAX_TABLE * 16);
    }
    memset(guest_at(g, q->desc), 0, size * 16);
    memset(guest_at(g, q->avail), 0, 6 + 2 * size);
    memset(guest_at(g, q->used), 0, 6 + 8 * size);
    q->size = q->n_free = size;
    q->buf_size = buf_size;
    q->slot = q->avail_idx = q->used_idx = 0;
    q->wrap = q->used_wrap = true;
    q->first = q->last = 0;
}

/* The buffer of the next slot. */
uint64_t
queue_buffer(const struct queue *q)
{
    return q->bufs + (uint64_t) q->slot * q->buf_size;
}

/* Cuts 'len' bytes as 'shape' says.  Returns the number of pieces. */
static int
cut(const struct shape *shape, uint32_t len, uint32_t *sizes)
{
    int n = 0;

    do {
        uint32_t size = len;

        if (shape->n_pieces) {
            size = shape->pieces[n < shape->n_pieces ? n
                                 : shape->n_pieces - 1];
            size = size && size < len ? size : len;
        }
        if (n == (shape->indirect ? MAX_TABLE : MAX_PIECES)) {
            die("too many pieces");
        }
        sizes[n++] = size;
        len -= size;
    } while (len);
    return n;
}

static void
next_slot(const struct queue *q, uint16_t *slot, bool *wrap)
{
    *slot += 1;
    if (*slot == q->size) {
        *slot = 0;
        *wrap = !*wrap;
    }
}

/* Makes 'len' bytes of the next slot's buffer available, as a chain of that
 * 'shape'.  Returns false if there are not enough slots. */
bool
queue_add(struct guest *g, struct queue *q, uint32_t len,
          const struct shape *shape)
{
    bool packed = guest_has(g, VIRTIO_F_RING_PACKED);
    struct vring_packed_desc *ring = guest_at(g, q->desc);
    struct vring_desc *desc = guest_at(g, q->desc);
    uint32_t sizes[MAX_PIECES];
    int n = cut(shape, len, sizes);
    int n_slots = shape->indirect ? 1 : n;
    uint64_t addr = shape->addr ? shape->addr : queue_buffer(q);
    uint64_t table = q->tables + (uint64_t) q->slot * MAX_TABLE * 16;
    uint16_t head = q->slot, slot = q->slot;
    uint16_t head_flags = 0;
    bool wrap = q->wrap;

    if (n_slots > q->n_free) {
        return false;
    }
    if (shape->len >= 0) {
        sizes[n - 1] = shape->len;
    }
    if (shape->indirect) {
        desc = guest_at(g, table);
        ring = guest_at(g, table);
        slot = 0;
    }
    for (int i = 0; i < n; i++) {
        uint16_t flags = shape->write ? VRING_DESC_F_WRITE : 0;
        uint16_t here = slot;

        flags ^= i ? 0 : shape->flip;
        if (i < n - 1) {
            flags |= VRING_DESC_F_NEXT;
        }
        if (shape->indirect) {
            slot++;
        } else {
            flags |= packed ? (wrap ? F_AVAIL : F_USED) : 0;
            if (packed && shape->used) {
                flags = wrap ? F_AVAIL | F_USED : 0;
            }
            next_slot(q, &slot, &wrap);
        }
        if (packed) {
            ring[here].addr = addr;
            ring[here].len = sizes[i];
            ring[here].id = head;
            if (i || shape->indirect) {
                __atomic_store_n(&ring[here].flags, flags, __ATOMIC_RELEASE);
            } else {
                head_flags = flags;
            }
        } else {
            desc[here].addr = addr;
            desc[here].len = sizes[i];
            desc[here].next = slot;
            if (i == n - 1 && shape->next >= 0) {
                flags |= VRING_DESC_F_NEXT;
                desc[here].next = shape->next;
            }
            desc[here].flags = flags;
        }
        addr += sizes[i];
    }
    if (shape->indirect) {
        uint32_t bytes = shape->table_len >= 0 ? shape->table_len : n * 16;

        desc = guest_at(g, q->desc);
        ring = guest_at(g, q->desc);
        slot = head;
        wrap = q->wrap;
        if (packed) {
            ring[head].addr = table;
            ring[head].len = bytes;
            ring[head].id = head;
            head_flags = (VRING_DESC_F_INDIRECT | (wrap ? F_AVAIL : F_USED));
        } else {
            desc[head] = (struct vring_desc) {
                .addr = table, .len = bytes, .flags = VRING_DESC_F_INDIRECT
            };
        }
        next_slot(q, &slot, &wrap);
    }

    q->slot = slot;
    q->wrap = wrap;
    q->n_free -= n_slots;
    q->chains[q->last++ % q->size] = (struct chain) {
        .slot = head, .n = n_slots
    };
    if (packed) {
        __atomic_store_n(&ring[head].flags, head_flags, __ATOMIC_RELEASE);
    } else {
        struct vring_avail *avail = guest_at(g, q->avail);

        avail->ring[q->avail_idx % q->size] = (shape->head >= 0 ? shape->head
                                               : head);
        __atomic_store_n(&avail->idx, ++q->avail_idx, __ATOMIC_RELEASE);
    }
    return true;
}

/* Rings the doorbell after 'n_added' chains (split) or slots (packed), if the
 * device wants that. */
void
queue_kick(struct guest *g, struct queue *q, uint16_t n_added)
{
    static const uint64_t one = 1;
    bool want;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (guest_has(g, VIRTIO_F_RING_PACKED)) {
        struct vring_packed_desc_event *e = guest_at(g, q->used);
        uint32_t word = __atomic_load_n((uint32_t *) e, __ATOMIC_RELAXED);
        uint16_t event = word & 0x7fff;

        want = word >> 16 != VRING_PACKED_EVENT_FLAG_DISABLE;
        if (word >> 16 == VRING_PACKED_EVENT_FLAG_DESC) {
            if ((word >> 15 & 1) != q->wrap) {
                event -= q->size;
            }
            want = vring_need_event(event, q->slot, q->slot - n_added);
        }
    } else {
        struct vring_used *used = guest_at(g, q->used);

        if (guest_has(g, VIRTIO_RING_F_EVENT_IDX)) {
            uint16_t event = __atomic_load_n(
                (uint16_t *) &used->ring[q->size], __ATOMIC_RELAXED);

            want = vring_need_event(event, q->avail_idx,
                                    q->avail_idx - n_added);
        } else {
            want = !(__atomic_load_n(&used->flags, __ATOMIC_RELAXED)
                     & VRING_USED_F_NO_NOTIFY);
        }
    }
    if (want && write(q->kick, &one, sizeof one) != sizeof one) {
        die("kick: %m");
    }
}

/* Whether the device has given a chain back. */
bool
queue_has_used(struct guest *g, struct queue *q)
{
    if (guest_has(g, VIRTIO_F_RING_PACKED)) {
        struct vring_packed_desc *ring = guest_at(g, q->desc);
        uint16_t flags = __atomic_load_n(&ring[q->used_idx].flags,
                                         __ATOMIC_ACQUIRE);

        return (q->first != q->last && !(flags & F_AVAIL) == !q->used_wrap
                && !(flags & F_USED) == !q->used_wrap);
    } else {
        struct vring_used *used = guest_at(g, q->used);

        return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != q->used_idx;
    }
}

/* Takes the chain that the device gave back, which is there.  Returns its
 * buffer and sets '*len' to what was written. */
uint64_t
queue_take_used(struct guest *g, struct queue *q, uint32_t *len)
{
    struct chain *chain = &q->chains[q->first++ % q->size];
    uint32_t id;

    if (guest_has(g, VIRTIO_F_RING_PACKED)) {
        struct vring_packed_desc *ring = guest_at(g, q->desc);

        id = ring[q->used_idx].id;
        *len = ring[q->used_idx].len;
        for (int i = 0; i < chain->n; i++) {
            next_slot(q, &q->used_idx, &q->used_wrap);
        }
    } else {
        struct vring_used *used = guest_at(g, q->used);
        struct vring_used_elem *elem = &used->ring[q->used_idx++ % q->size];

        id = elem->id;
        *len = elem->len;
    }
    if (id != chain->slot || (int32_t) (q->last - q->first) < 0) {
        die("%s: chain %u was used, not %u", g->name, id, chain->slot);
    }
    q->n_free += chain->n;
    return q->bufs + (uint64_t) chain->slot * q->buf_size;
}

/* Says whether the guest wants to be interrupted from now on. */
void
queue_want_call(struct guest *g, struct queue *q, bool want)
{
    bool event_idx = guest_has(g, VIRTIO_RING_F_EVENT_IDX);

    if (guest_has(g, VIRTIO_F_RING_PACKED)) {
        struct vring_packed_desc_event *e = guest_at(g, q->avail);

        e->off_wrap = q->used_idx | q->used_wrap << 15;
        __atomic_store_n(&e->flags,
                         (!want ? VRING_PACKED_EVENT_FLAG_DISABLE
                          : event_idx ? VRING_PACKED_EVENT_FLAG_DESC
                          : VRING_PACKED_EVENT_FLAG_ENABLE),
                         __ATOMIC_RELEASE);
    } else {
        struct vring_avail *avail = guest_at(g, q->avail);

        avail->flags = want || event_idx ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
        if (event_idx) {
            avail->ring[q->size] = q->used_idx + (want ? 0 : -1);
        }
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Waits for an interrupt.  Returns whether one came. */
bool
queue_called(struct queue *q, int ms)
{
    struct pollfd pfd = { .fd = q->call, .events = POLLIN };
    uint64_t n;

    return (poll(&pfd, 1, ms) == 1
            && read(q->call, &n, sizeof n) == sizeof n);
}
