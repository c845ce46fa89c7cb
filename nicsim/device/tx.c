/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "tx.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "function.h"
#include "host.h"
#include "log.h"
#include "nic.h"
#include "outbox.h"
#include "packet.h"
#include "pipeline.h"

/* What gather() found. */
enum gathered {
    GATHERED,                   /* A frame. */
    INCOMPLETE,                 /* No frame yet, or none any more. */
    BAD,                        /* One that can't be sent. */
};

/* Describes in 'p' the frame that begins at descriptor '*at' of 'ring', and
 * moves '*at' behind it. */
static enum gathered
gather(struct ring *ring, uint32_t *at, uint32_t tail, struct packet *p)
{
    const struct nicsim_tx_desc *descs = ring->desc;
    struct dma *dma = &ring->fn->host->dma;
    uint64_t len = 0;
    uint32_t i = *at;
    bool bad = false;
    uint16_t flags;

    p->n_frags = 0;
    do {
        struct nicsim_tx_desc desc;
        const uint8_t *data;

        if (i == tail) {
            /* What is bad already needs no end to be skipped, and a frame for
             * which the ring is too small never has one. */
            if (bad || i - ring->head == ring->n_desc) {
                ring->skipping = true;
                break;
            }
            return INCOMPLETE;
        }

        /* The driver could change it while we look. */
        memcpy(&desc, &descs[i++ & ring->mask], sizeof desc);
        flags = desc.flags;
        if (!len) {
            p->tx_flags = flags;
            p->tx_mss = desc.mss;
            p->tx_l2_len = desc.l2_len;
            p->tx_l3_len = desc.l3_len;
            p->tx_l4_len = desc.l4_len;
            p->tx_tci = desc.vlan_tci;
        }
        if (unlikely(bad)) {
            continue;
        }
        len += desc.len;
        if (unlikely(!desc.len || p->n_frags == NICSIM_MAX_TX_SEGS)) {
            bad = true;
            continue;
        }
        data = dma_at(dma, desc.addr, desc.len);
        if (unlikely(!data)) {
            bad = true;
            ring->fn->nic->dma_faults++;
            LOG_FUNCTION(ring->fn, LOG_DMA_FAULT,
                         "%s: tx ring %u: DMA fault at %#llx",
                         function_name(ring->fn), ring->queue,
                         (unsigned long long) desc.addr);
            continue;
        }
        if (!p->n_frags) {
            rte_prefetch0(data);
        }
        p->frags[p->n_frags].data = data;
        p->frags[p->n_frags++].len = desc.len;
    } while (!(flags & NICSIM_TX_EOP));

    *at = i;
    if (bad || ring->skipping || len < 14
        || len > (p->tx_flags & NICSIM_TX_TSO
                  ? NICSIM_MAX_TSO : NICSIM_MAX_MTU + FRAME_OVERHEAD)) {
        return BAD;
    }
    p->len = len;
    return GATHERED;
}

/* Passes over the rest of a frame that makes no sense. */
static uint32_t
skip(struct ring *ring, uint32_t at, uint32_t tail)
{
    const struct nicsim_tx_desc *descs = ring->desc;

    while (ring->skipping && at != tail) {
        ring->skipping = !(descs[at++ & ring->mask].flags & NICSIM_TX_EOP);
    }
    return at;
}

/* Sends a burst of frames from 'ring', which has its descriptors.  Returns the
 * number of frames. */
unsigned int
tx_poll(struct ring *ring)
{
    struct function *fn = ring->fn;
    struct packet *frames = fn->nic->frames;
    struct outbox box;
    uint64_t n_bytes = 0;
    uint32_t tail, at;
    unsigned int n = 0, n_bad = 0;

    tail = __atomic_load_n(&ring->regs->tail, __ATOMIC_ACQUIRE);
    at = ring->head;
    if (likely(tail == at)) {
        return 0;
    }
    if (unlikely(tail - at > ring->n_desc)) {
        LOG_FUNCTION(fn, LOG_RING_STOPPED,
                     "%s: tx ring %u stopped: tail %#x, head %#x",
                     function_name(fn), ring->queue, tail, at);
        fn->stats.tx_errors++;
        ring->desc = NULL;
        return 0;
    }
    if (unlikely(ring->skipping)) {
        at = skip(ring, at, tail);
    }

    while (n < BURST && at != tail && n_bytes < BURST_BYTES) {
        enum gathered result = gather(ring, &at, tail, &frames[n]);

        if (result == GATHERED) {
            n_bytes += frames[n++].len;
        } else if (result == INCOMPLETE) {
            break;
        } else {
            n_bad++;
        }
    }

    outbox_init(&box, fn);
    for (unsigned int i = 0; i < n; i++) {
        struct packet *p = &frames[i];
        uint32_t len = p->len;

        packet_pull(p);
        if (unlikely(!outbox_send(&box, p))) {
            n_bad++;
            continue;
        }
        count(&fn->stats.tx, len);
        count(&fn->stats.txq[ring->queue], len);
    }
    outbox_flush(&box);
    pipeline_flush(fn->nic);
    fn->stats.tx_errors += n_bad;

    /* The sender may have its memory back. */
    ring->head = at;
    __atomic_store_n(&ring->regs->head, at, __ATOMIC_RELEASE);
    return n + n_bad;
}
