/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Frames from guests. */

#include "vdpa.h"

#include <rte_prefetch.h>

#include "nic.h"
#include "outbox.h"
#include "packet.h"
#include "pipeline.h"
#include "virtq.h"
#include "vnet.h"

/* Descriptors after which a burst ends early: as many as it has with the
 * longest chains of which one can become a frame. */
#define MAX_DESCS (BURST * VIRTQ_MAX_PIECES)

/* Takes 'n' bytes, which there are, off the front of 'p', to 'dst'. */
static void
take_bytes(struct packet *p, uint8_t *dst, uint32_t n)
{
    uint16_t i = 0;

    while (n) {
        struct packet_frag *frag = &p->frags[i];
        uint32_t chunk = frag->len < n ? frag->len : n;

        memcpy(dst, frag->data, chunk);
        dst += chunk;
        n -= chunk;
        frag->data += chunk;
        frag->len -= chunk;
        if (!frag->len) {
            i++;
        }
    }
    if (i) {
        p->n_frags -= i;
        memmove(p->frags, p->frags + i, p->n_frags * sizeof p->frags[0]);
    }
}

/* Makes 'p', whose pieces are those of 'c', a frame to be sent: its header is
 * taken off and understood. */
static enum nicsim_vq_error
make_frame(const struct vdpa *vdpa, struct packet *p,
           const struct virtq_chain *c)
{
    const uint32_t header_len = vdpa->header_len;
    vnet_header h;

    if (unlikely(c->error)) {
        return c->error;
    }
    if (unlikely(c->len < header_len + 14
                 || c->len > header_len + NICSIM_MAX_TSO + FRAME_OVERHEAD)) {
        return NICSIM_VQ_BAD_LENGTH;
    }
    p->n_frags = c->n;
    p->len = c->len - header_len;
    if (likely(p->frags[0].len > header_len && header_len == sizeof h)) {
        memcpy(&h, p->frags[0].data, sizeof h);
        p->frags[0].data += sizeof h;
        p->frags[0].len -= sizeof h;
    } else {
        take_bytes(p, (uint8_t *) &h, header_len);
    }
    packet_pull(p);
    if (unlikely(!vnet_from_guest(p, &h, vdpa->features))) {
        return NICSIM_VQ_BAD_HEADER;
    }
    if (unlikely(p->len > NICSIM_MAX_MTU + FRAME_OVERHEAD
                 && !(p->tx_flags & NICSIM_TX_TSO))) {
        return NICSIM_VQ_BAD_LENGTH;
    }
    return NICSIM_VQ_OK;
}

/* Sends a burst of frames from 'vq', which is running.  Returns the number of
 * chains. */
unsigned int
vdpa_tx_poll(struct virtq *vq)
{
    struct function *fn = vq->vdpa->fn;
    struct packet *frames = fn->nic->frames;
    struct virtq_chain chains[BURST];
    struct virtq_pos at = vq->pos;
    uint64_t descs = vq->descs;
    uint64_t n_bytes = 0;
    unsigned int n = 0, n_slots = 0;
    bool failed = false;
    struct outbox box;

    if (unlikely(!vdpa_may_work(vq->vdpa))) {
        return 0;
    }
    while (n < BURST && n_bytes < BURST_BYTES
           && vq->descs - descs < MAX_DESCS) {
        struct virtq_chain *c = &chains[n];
        struct packet *p = &frames[n];

        if (unlikely(!virtq_fetch_single(vq, at, false, c, p->frags))
            && !virtq_fetch(vq, at, false, c, p->frags, VIRTQ_MAX_PIECES)) {
            break;
        }
        n_slots += c->n_slots;
        if (unlikely(n_slots > vq->size)) {
            /* Slots became available again while we looked. */
            virtq_break(vq, NICSIM_VQ_BAD_WRAP);
            break;
        }
        rte_prefetch0(p->frags[0].data);
        rte_prefetch0(p->frags[0].data + RTE_CACHE_LINE_SIZE);
        n_bytes += c->len;
        n++;
        virtq_advance(vq, &at, c);
    }
    if (!n) {
        return 0;
    }

    outbox_init(&box, fn);
    for (unsigned int i = 0; i < n; i++) {
        struct packet *p = &frames[i];
        enum nicsim_vq_error error = make_frame(vq->vdpa, p, &chains[i]);
        uint32_t len = p->len;

        if (likely(!error) && unlikely(!outbox_send(&box, p))) {
            error = NICSIM_VQ_BAD_HEADER;
        }
        if (likely(!error)) {
            count(&fn->stats.tx, len);
            count(&fn->stats.txq[vq->index / 2], len);
        } else {
            failed = true;
            fn->stats.tx_errors++;
            virtq_error(vq, error);
        }
    }
    outbox_flush(&box);
    pipeline_flush(fn->nic);

    if (unlikely(failed)) {
        vq->vdpa->wasted += vq->descs - descs;
    }

    /* All was copied: the guest may have its buffers back. */
    for (unsigned int i = 0; i < n; i++) {
        virtq_put(vq, &chains[i], 0);
    }
    virtq_publish(vq);
    return n;
}
