/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "rx.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "checksum.h"
#include "function.h"
#include "host.h"
#include "log.h"
#include "nic.h"
#include "packet.h"
#include "parser.h"
#include "rss.h"

/* More descriptors than one frame may need. */
#define MAX_RX_SEGS 64

/* Descriptors of a frame: our copy of what the driver wrote there. */
struct rx_room {
    struct nicsim_rx_desc *desc;
    uint8_t *data;
    uint32_t len;
};

static void
mark_dirty(struct nic *nic, struct ring *ring)
{
    if (!ring->dirty) {
        ring->dirty = true;
        nic->dirty[nic->n_dirty++] = ring;
    }
}

/* Returns how many descriptors there are in 'ring' that are not used yet, by
 * the driver's index, or 0 if that makes no sense, for which the ring is
 * stopped. */
static uint32_t
ring_reload(struct ring *ring)
{
    ring->tail = __atomic_load_n(&ring->regs->tail, __ATOMIC_ACQUIRE);
    if (unlikely(ring->tail - ring->head > ring->n_desc)) {
        LOG_FUNCTION(ring->fn, LOG_RING_STOPPED,
                     "%s: rx ring %u stopped: tail %#x, head %#x",
                     function_name(ring->fn), ring->queue, ring->tail,
                     ring->head);
        ring->tail = ring->head;
        ring->desc = NULL;
        ring->fn->stats.rx_errors++;
    }
    return ring->tail - ring->head;
}

/* Gives 'n' descriptors back to the driver without a frame. */
static void
return_empty(struct ring *ring, const struct rx_room *rooms, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct nicsim_rx_desc *desc = rooms[i].desc;

        desc->len = 0;
        desc->frame_len = 0;
        desc->flags = NICSIM_RX_EOP | NICSIM_RX_ERROR;
    }
    ring->head += n;
    mark_dirty(ring->fn->nic, ring);
}

static uint16_t
desc_flags(const struct nic *nic, const struct packet *p)
{
    uint16_t flags = 0;

    if (p->flags & PACKET_IP_CSUM_GOOD) {
        flags |= NICSIM_RX_IP_GOOD;
    } else if (p->flags & PACKET_IP_CSUM_BAD) {
        flags |= NICSIM_RX_IP_BAD;
    }
    if (p->flags & PACKET_L4_CSUM_GOOD) {
        flags |= NICSIM_RX_L4_GOOD;
    } else if (p->flags & PACKET_L4_CSUM_BAD) {
        flags |= NICSIM_RX_L4_BAD;
    }
    if (p->flags & PACKET_MARKED && !nic->opts.trouble.no_mark) {
        flags |= NICSIM_RX_MARK;
    }
    if (p->flags & PACKET_META) {
        flags |= NICSIM_RX_META;
    }
    return flags;
}

/* Finds room for the whole of 'p' in 'ring'.  Returns the number of
 * descriptors, which are in 'rooms', or 0 if there is not enough room.
 * '*fault' says that a descriptor could not be used. */
static uint32_t
find_room(struct ring *ring, const struct packet *p, struct rx_room *rooms,
          bool *fault)
{
    struct nicsim_rx_desc *descs = ring->desc;
    struct dma *dma = &ring->fn->host->dma;
    uint32_t available = ring->tail - ring->head;
    uint32_t ofs, n;

    *fault = false;
    for (n = ofs = 0; ofs < p->len; n++) {
        struct nicsim_rx_desc *desc = &descs[(ring->head + n) & ring->mask];
        struct rx_room *room = &rooms[n];
        uint64_t addr;

        if (n == MAX_RX_SEGS) {
            *fault = true;
            return n;
        }
        if (n >= available) {
            available = ring_reload(ring);
            if (n >= available) {
                return 0;
            }
        }
        room->desc = desc;
        addr = __atomic_load_n(&desc->addr, __ATOMIC_RELAXED);
        room->len = __atomic_load_n(&desc->len, __ATOMIC_RELAXED);
        if (room->len > p->len - ofs) {
            room->len = p->len - ofs;
        }
        room->data = room->len ? dma_at(dma, addr, room->len) : NULL;
        if (unlikely(!room->data)) {
            *fault = true;
            return n + 1;
        }
        ofs += room->len;
    }
    return n;
}

/* Puts 'p' into a receive ring of 'fn'.  Returns false, and counts why, if
 * that can't be done.  The driver sees it only after rx_flush(). */
bool
rx_deliver(struct function *fn, struct packet *p)
{
    struct rx_room rooms[MAX_RX_SEGS];
    struct nicsim_rx_desc *desc;
    uint32_t queue, hash, n;
    struct ring *ring;
    uint16_t flags;
    bool hashed, fault;

    if (!fn->started) {
        return false;
    }
    if (unlikely(p->len > fn->mtu + FRAME_OVERHEAD)) {
        fn->stats.rx_errors++;
        return false;
    }
    if (!(p->flags & PACKET_PARSED)) {
        packet_parse(p);
    }
    checksum_verify(p);
    hashed = rss_hash(&fn->rss, p, &hash);
    queue = fn->rss.reta[hashed ? hash % NICSIM_RETA_SIZE : 0];
    ring = &fn->rx[queue];
    if (unlikely(!ring->desc)) {
        fn->stats.rx_missed++;
        return false;
    }

    n = find_room(ring, p, rooms, &fault);
    if (unlikely(!n)) {
        fn->stats.rx_missed++;
        return false;
    }
    if (unlikely(fault)) {
        fn->stats.rx_errors++;
        fn->nic->dma_faults++;
        LOG_FUNCTION(fn, LOG_DMA_FAULT, "%s: rx ring %u: DMA fault",
                     function_name(fn), queue);
        return_empty(ring, rooms, n);
        return false;
    }

    flags = desc_flags(fn->nic, p) | (hashed ? NICSIM_RX_HASH : 0);
    desc = rooms[0].desc;
    desc->in_vport = p->in_vport;
    desc->hash = hashed ? hash : 0;
    desc->mark = p->flags & PACKET_MARKED ? p->key.meta.mark : 0;
    desc->meta = p->flags & PACKET_META ? p->key.meta.meta : 0;
    desc->frame_len = p->len;
    if (likely(n == 1)) {
        packet_read(p, 0, rooms[0].data, p->len);
        desc->len = p->len;
        desc->flags = flags | NICSIM_RX_EOP;
    } else {
        uint32_t ofs = 0;

        for (uint32_t i = 0; i < n; i++) {
            packet_read(p, ofs, rooms[i].data, rooms[i].len);
            ofs += rooms[i].len;
            rooms[i].desc->len = rooms[i].len;
            rooms[i].desc->flags = ((i ? 0 : flags)
                                    | (i == n - 1 ? NICSIM_RX_EOP : 0));
        }
    }
    ring->head += n;
    mark_dirty(fn->nic, ring);
    count(&fn->stats.rx, p->len);
    count(&fn->stats.rxq[queue], p->len);
    return true;
}

/* Shows the drivers what rx_deliver() has put into their rings. */
void
rx_flush(struct nic *nic)
{
    for (uint32_t i = 0; i < nic->n_dirty; i++) {
        struct ring *ring = nic->dirty[i];

        ring->dirty = false;
        __atomic_store_n(&ring->regs->head, ring->head, __ATOMIC_RELEASE);
    }
    nic->n_dirty = 0;
}
