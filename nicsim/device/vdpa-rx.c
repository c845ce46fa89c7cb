/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Frames to guests. */

#include "vdpa.h"

#include <rte_prefetch.h>

#include "checksum.h"
#include "coalesce.h"
#include "function.h"
#include "log.h"
#include "nic.h"
#include "packet.h"
#include "parser.h"
#include "rss.h"
#include "util.h"
#include "virtq.h"
#include "vnet.h"

/* Chains that one frame may take. */
#define MAX_CHAINS VIRTQ_MAX_PIECES

/* Room for a frame in a guest's memory: chains from the ring's position on,
 * none of which was given back yet. */
struct room {
    struct virtq_chain chains[MAX_CHAINS];
    uint32_t n;                         /* Of them. */
    uint16_t n_pieces;
    uint32_t n_slots;                   /* That the chains take. */
    struct packet_frag pieces[VIRTQ_MAX_PIECES];
    struct virtq_pos end;               /* Behind the chains. */
    uint64_t len;                       /* Bytes of them all. */
};

/* Where the next byte goes. */
struct cursor {
    const struct packet_frag *piece;
    uint32_t ofs;
};

/* The one frame that may still grow: it is in a guest's memory, but the guest
 * was not told of it. */
struct vdpa_growing {
    struct virtq *vq;                   /* NULL: there is none. */
    struct coalescer frame;
    struct room room;
    struct cursor end;                  /* Of the frame. */
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

/* Writes 'p' but for its first 'skip' bytes, which are headers. */
static void
scatter_packet(struct cursor *at, const struct packet *p, uint32_t skip)
{
    scatter(at, p->data + skip, p->local_len - skip);
    for (uint16_t i = 0; i < p->n_frags; i++) {
        scatter(at, p->frags[i].data, p->frags[i].len);
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

static void
room_init(struct room *room, const struct virtq *vq)
{
    room->n = 0;
    room->n_pieces = 0;
    room->n_slots = 0;
    room->end = vq->pos;
    room->len = 0;
}

/* Adds chains of 'vq' to 'room' until it has 'len' bytes: as many as it takes
 * if 'mergeable', else only if it has none.  On failure 'room' may have some
 * of them. */
static enum nicsim_vq_error
room_extend(struct virtq *vq, uint32_t len, uint32_t header_len,
            bool mergeable, struct room *room)
{
    while (room->len < len) {
        struct virtq_chain *c = &room->chains[room->n];

        if (unlikely((room->n && !mergeable) || room->n == MAX_CHAINS
                     || vq->unpublished + room->n_slots >= vq->size
                     || !virtq_fetch(vq, room->end, true, c,
                                     &room->pieces[room->n_pieces],
                                     VIRTQ_MAX_PIECES - room->n_pieces))) {
            return NICSIM_VQ_NO_BUFFER;
        }
        if (unlikely(c->error == NICSIM_VQ_TOO_MANY && room->n)) {
            return NICSIM_VQ_NO_BUFFER; /* Together, that is. */
        }
        if (unlikely(vq->unpublished + room->n_slots + c->n_slots
                     > vq->size)) {
            /* They were made available while we looked. */
            virtq_break(vq, NICSIM_VQ_BAD_WRAP);
            return NICSIM_VQ_NO_BUFFER;
        }
        room->n_slots += c->n_slots;
        room->n++;
        if (unlikely(c->error || c->len < header_len)) {
            return c->error ? c->error : NICSIM_VQ_BAD_LENGTH;
        }
        room->n_pieces += c->n;
        room->len += c->len;
        virtq_advance(vq, &room->end, c);
    }
    return NICSIM_VQ_OK;
}

/* Gives the chains of 'room' back, with a frame of 'len' bytes in them, its
 * virtio-net header included, or without one if 'len' is 0. */
static void
room_put(struct virtq *vq, const struct room *room, uint32_t len)
{
    if (vq->vdpa->log) {
        log_room(vq->vdpa, room, len);
    }
    for (uint32_t i = 0; i < room->n; i++) {
        uint32_t n = room->chains[i].len < len ? room->chains[i].len : len;

        virtq_put(vq, &room->chains[i], n);
        len -= n;
    }
    if (room->n) {
        mark_dirty(vq->vdpa->fn->nic, vq);
    }
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
    vq->ahead = (vq->unpublished < vq->size
                 && virtq_fetch_single(vq, vq->pos, true, &vq->next,
                                       &vq->next_piece));
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
    struct cursor at = { .ofs = 0 };
    enum nicsim_vq_error error;
    struct room room;

    vq->ahead = false;
    room_init(&room, vq);
    error = room_extend(vq, len, vdpa->header_len, vdpa->mergeable, &room);
    if (error) {
        /* Bad chains go back; good ones do for a shorter frame. */
        if (error != NICSIM_VQ_NO_BUFFER) {
            room_put(vq, &room, 0);
        }
        return error;
    }
    h->num_buffers = room.n;
    at.piece = room.pieces;
    scatter(&at, (const uint8_t *) h, vdpa->header_len);
    scatter_packet(&at, p, 0);
    room_put(vq, &room, len);
    return NICSIM_VQ_OK;
}

/* Gives the guest the frame that may still grow, if there is one. */
static void
stop_growing(struct vdpa_growing *g)
{
    struct coalescer *frame = &g->frame;
    struct virtq *vq = g->vq;
    struct cursor at = { .piece = g->room.pieces };
    vnet_header h;

    if (!vq) {
        return;
    }
    g->vq = NULL;
    coalesce_finish(frame, &h);
    h.num_buffers = g->room.n;
    scatter(&at, (const uint8_t *) &h, vq->vdpa->header_len);
    scatter(&at, frame->headers, frame->header_len);
    room_put(vq, &g->room, vq->vdpa->header_len + frame->len);
}

/* Has 'p' be the beginning of a frame that may grow.  Returns false if it
 * can't be. */
static bool
start_growing(struct vdpa_growing *g, struct virtq *vq,
              const struct packet *p)
{
    struct vdpa *vdpa = vq->vdpa;

    if (!(p->key.k.present & NICSIM_P_IPV4 ? vdpa->guest_tso4
          : vdpa->guest_tso6)
        || !coalesce_start(&g->frame, p)) {
        return false;
    }
    vq->ahead = false;
    room_init(&g->room, vq);
    if (room_extend(vq, vdpa->header_len + p->len, vdpa->header_len,
                    vdpa->mergeable, &g->room)) {
        return false;
    }
    g->end = (struct cursor) { .piece = g->room.pieces };
    /* Both headers are written when the frame is complete. */
    scatter(&g->end, (const uint8_t *) &(vnet_header) { 0 },
            vdpa->header_len);
    scatter_packet(&g->end, p, 0);
    g->vq = vq;
    return true;
}

/* Adds 'p' to the frame that may still grow.  Returns false if it does not
 * follow, or finds no room there. */
static bool
grow(struct vdpa_growing *g, const struct packet *p)
{
    struct virtq *vq = g->vq;
    struct vdpa *vdpa = vq->vdpa;
    uint32_t n = g->room.n;

    if (!coalesce_fits(&g->frame, p)) {
        return false;
    }
    if (room_extend(vq, vdpa->header_len + g->frame.len + p->len
                    - g->frame.header_len, vdpa->header_len, vdpa->mergeable,
                    &g->room)) {
        /* What is wrong with the next chain is the next frame's business. */
        g->room.n = n;
        return false;
    }
    scatter_packet(&g->end, p, g->frame.header_len);
    coalesce_add(&g->frame, p);
    vq->joined++;
    return true;
}

/* Puts 'p' into 'vq' as a frame, or a part of one, that may grow.  Returns
 * false if it can't be one. */
static bool
deliver_growing(struct vdpa_growing *g, struct virtq *vq,
                const struct packet *p)
{
    if (g->vq == vq && vq->running && grow(g, p)) {
        return true;
    }
    stop_growing(g);
    return vq->running && start_growing(g, vq, p);
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
    uint64_t descs;
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
    descs = vq->descs;
    if (unlikely(p->len > fn->mtu + FRAME_OVERHEAD)) {
        error = NICSIM_VQ_BAD_LENGTH;
        goto drop;
    }
    if (unlikely(!vdpa_may_work(vdpa))) {
        error = NICSIM_VQ_NO_BUFFER;
        goto drop;
    }
    if (vdpa->guest_csum) {
        if (!(p->flags & PACKET_PARSED)) {
            packet_parse(p);
        }
        checksum_verify(p);
    }
    if (vdpa->guest_tso4 || vdpa->guest_tso6) {
        if (deliver_growing(fn->nic->growing, vq, p)) {
            goto out;
        }
        if (unlikely(!vq->running)) {   /* Broken just now. */
            error = NICSIM_VQ_NO_BUFFER;
            goto drop;
        }
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
out:
    count(&fn->stats.rx, p->len);
    count(&fn->stats.rxq[vq->index / 2], p->len);
    return true;

drop:
    vdpa->wasted += vq->descs - descs;
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
    stop_growing(nic->growing);
    for (uint32_t i = 0; i < nic->n_dirty_vqs; i++) {
        struct virtq *vq = nic->dirty_vqs[i];

        vq->dirty = false;
        virtq_publish(vq);
    }
    nic->n_dirty_vqs = 0;
}

/* Returns where frames grow, or NULL without memory. */
struct vdpa_growing *
vdpa_growing_create(void)
{
    return zalloc(1, sizeof(struct vdpa_growing));
}
