/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Frames to guests. */

#include "vdpa.h"

#include <rte_prefetch.h>

#include "checksum.h"
#include "function.h"
#include "log.h"
#include "nic.h"
#include "packet.h"
#include "parser.h"
#include "rss.h"
#include "virtq.h"
#include "vnet.h"

/* Chains that one frame may take. */
#define MAX_CHAINS VIRTQ_MAX_PIECES

/* Room for a frame in a guest's memory. */
struct room {
    struct virtq_chain chains[MAX_CHAINS];
    uint32_t n;                         /* Of them. */
    uint16_t n_pieces;
    struct packet_frag pieces[VIRTQ_MAX_PIECES];
};

/* Where the next byte goes. */
struct cursor {
    const struct packet_frag *piece;
    uint32_t ofs;
};

/* Writes 'n' bytes, for which there is room. */
static void
scatter(struct cursor *at, const uint8_t *src, uint32_t n)
{
    while (n) {
        uint32_t chunk = at->piece->len - at->ofs;

        chunk = chunk < n ? chunk : n;
        memcpy((uint8_t *) at->piece->data + at->ofs, src, chunk);
        src += chunk;
        n -= chunk;
        at->ofs += chunk;
        if (at->ofs == at->piece->len) {
            at->piece++;
            at->ofs = 0;
        }
    }
}

static void
scatter_packet(const struct room *room, const vnet_header *h,
               uint32_t header_len, const struct packet *p)
{
    struct cursor at = { .piece = room->pieces };

    scatter(&at, (const uint8_t *) h, header_len);
    scatter(&at, p->data, p->local_len);
    for (uint16_t i = 0; i < p->n_frags; i++) {
        scatter(&at, p->frags[i].data, p->frags[i].len);
    }
}

/* Marks the first 'len' bytes of 'room' as written to. */
static void
log_room(struct vdpa *vdpa, const struct room *room, uint32_t len)
{
    for (const struct packet_frag *piece = room->pieces; len; piece++) {
        uint32_t n = piece->len < len ? piece->len : len;

        vdpa_log(vdpa, dma_address(&vdpa->dma, piece->data), n);
        len -= n;
    }
}

static void
mark_dirty(struct nic *nic, struct virtq *vq)
{
    if (!vq->dirty) {
        vq->dirty = true;
        nic->dirty_vqs[nic->n_dirty_vqs++] = vq;
    }
}

/* Finds room for 'len' bytes in 'vq', in several chains if 'mergeable'.  If an
 * error is returned, the chains in 'room' that there are have to be given back
 * without a frame. */
static enum nicsim_vq_error
find_room(struct virtq *vq, uint32_t len, uint32_t header_len, bool mergeable,
          struct room *room)
{
    struct virtq_pos at = vq->pos;
    uint64_t found = 0;

    room->n = 0;
    room->n_pieces = 0;
    do {
        struct virtq_chain *c = &room->chains[room->n];

        if (unlikely(room->n == MAX_CHAINS
                     || !virtq_fetch(vq, at, true, c,
                                     &room->pieces[room->n_pieces],
                                     VIRTQ_MAX_PIECES - room->n_pieces))) {
            room->n = 0;
            return NICSIM_VQ_NO_BUFFER;
        }
        if (unlikely(c->error == NICSIM_VQ_TOO_MANY && room->n)) {
            room->n = 0;                /* Together, that is. */
            return NICSIM_VQ_NO_BUFFER;
        }
        room->n++;
        if (unlikely(c->error || c->len < header_len)) {
            return c->error ? c->error : NICSIM_VQ_BAD_LENGTH;
        }
        room->n_pieces += c->n;
        found += c->len;
        virtq_advance(vq, &at, c);
    } while (unlikely(found < len) && mergeable);
    if (unlikely(found < len)) {
        room->n = 0;                    /* Good for a shorter frame. */
        return NICSIM_VQ_NO_BUFFER;
    }
    return NICSIM_VQ_OK;
}

/* Chooses the queue pair by a hash of 'p''s headers. */
static struct virtq *
choose_queue(struct vdpa *vdpa, struct packet *p)
{
    const struct rss *rss = &vdpa->fn->rss;
    uint32_t queue, hash;

    if (!(p->flags & PACKET_PARSED)) {
        packet_parse(p);
    }
    queue = rss->reta[rss_hash(rss, p, &hash) ? hash % NICSIM_RETA_SIZE : 0];
    return &vdpa->vqs[2 * queue];
}

/* Has the usual chain at hand for the next frame, if there is one, and its
 * buffer in the cache. */
static inline bool
fetch_ahead(struct virtq *vq)
{
    vq->ahead = virtq_fetch_single(vq, vq->pos, true, &vq->next,
                                   &vq->next_piece);
    if (likely(vq->ahead)) {
        __builtin_prefetch(vq->next_piece.data, 1);
        __builtin_prefetch(vq->next_piece.data + RTE_CACHE_LINE_SIZE, 1);
    }
    return vq->ahead;
}

/* Puts 'p' into several pieces or chains of 'vq', or finds that it can't be
 * done.  Returns the error. */
static enum nicsim_vq_error __attribute__((noinline))
deliver_slowly(struct vdpa *vdpa, struct virtq *vq, const struct packet *p,
               vnet_header *h)
{
    uint32_t len = vdpa->header_len + p->len;
    enum nicsim_vq_error error;
    struct room room;

    vq->ahead = false;
    error = find_room(vq, len, vdpa->header_len, vdpa->mergeable, &room);
    if (error) {
        for (uint32_t i = 0; i < room.n; i++) {
            virtq_put(vq, &room.chains[i], 0);
            mark_dirty(vdpa->fn->nic, vq);
        }
        return error;
    }
    h->num_buffers = room.n;
    scatter_packet(&room, h, vdpa->header_len, p);
    if (vdpa->log) {
        log_room(vdpa, &room, len);
    }
    for (uint32_t i = 0; i < room.n; i++) {
        uint32_t n = room.chains[i].len < len ? room.chains[i].len : len;

        virtq_put(vq, &room.chains[i], n);
        len -= n;
    }
    mark_dirty(vdpa->fn->nic, vq);
    return NICSIM_VQ_OK;
}

/* Puts 'p' into a receive queue of 'fn', which is open as vDPA device.
 * Returns false, and counts why, if that can't be done.  The guest sees it
 * only after vdpa_rx_flush(). */
bool
vdpa_rx_deliver(struct function *fn, struct packet *p)
{
    struct vdpa *vdpa = fn->vdpa;
    enum nicsim_vq_error error;
    struct virtq *vq;
    vnet_header h;

    if (unlikely(!vdpa->n_rx)) {
        return false;
    }
    vq = (vdpa->n_rx == 1 ? &vdpa->vqs[2 * vdpa->first_rx]
          : choose_queue(vdpa, p));
    if (unlikely(!vq->running)) {
        fn->stats.rx_missed++;
        return false;
    }
    if (unlikely(p->len > fn->mtu + FRAME_OVERHEAD)) {
        error = NICSIM_VQ_BAD_LENGTH;
        goto drop;
    }
    if (vdpa->guest_csum) {
        if (!(p->flags & PACKET_PARSED)) {
            packet_parse(p);
        }
        checksum_verify(p);
    }
    vnet_to_guest(p, &h, vdpa->guest_csum);
    if (likely((vq->ahead || fetch_ahead(vq))
               && vq->next_piece.len >= sizeof h + p->len
               && vdpa->header_len == sizeof h)) {
        uint8_t *dst = (uint8_t *) vq->next_piece.data;

        memcpy(dst, &h, sizeof h);
        packet_read(p, 0, dst + sizeof h, p->len);
        if (unlikely(vdpa->log)) {
            vdpa_log(vdpa, dma_address(&vdpa->dma, dst), sizeof h + p->len);
        }
        virtq_put(vq, &vq->next, sizeof h + p->len);
        mark_dirty(fn->nic, vq);
        fetch_ahead(vq);
    } else {
        error = deliver_slowly(vdpa, vq, p, &h);
        if (unlikely(error)) {
            goto drop;
        }
    }
    count(&fn->stats.rx, p->len);
    count(&fn->stats.rxq[vq->index / 2], p->len);
    return true;

drop:
    virtq_error(vq, error);
    if (error == NICSIM_VQ_NO_BUFFER) {
        fn->stats.rx_missed++;
    } else {
        fn->stats.rx_errors++;
    }
    return false;
}

/* Shows guests what vdpa_rx_deliver() has put into their rings. */
void
vdpa_rx_flush(struct nic *nic)
{
    for (uint32_t i = 0; i < nic->n_dirty_vqs; i++) {
        struct virtq *vq = nic->dirty_vqs[i];

        vq->dirty = false;
        virtq_publish(vq);
    }
    nic->n_dirty_vqs = 0;
}
