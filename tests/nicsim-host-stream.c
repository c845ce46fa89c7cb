/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host's streams between two guests: one whose hosts come and go, and
 * one to see how fast it can be. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nicsim-frame.h"
#include "nicsim-guest.h"
#include "nicsim-host.h"

#define MIN_FRAME 60
#define SEQ_OFS   14
#define WINDOW     60           /* Frames under way, if none may be lost. */

struct stream {
    struct guest *from, *to;
    struct queue *tx, *rx;
    uint32_t count;
    uint32_t next;              /* To send, ... */
    uint32_t expected;          /* ... and to receive. */
    uint32_t received, missing;
};

/* The length of frame 'seq', and how it is cut. */
static uint32_t
frame_len(uint32_t seq)
{
    return MIN_FRAME + seq % 7 * 100;
}

static struct shape
frame_shape(uint32_t seq)
{
    struct shape shape = { .len = -1, .next = -1, .head = -1,
                           .table_len = -1 };

    if (seq % 5 == 1) {
        shape.pieces[0] = sizeof(header);
        shape.n_pieces = 1;
        shape.pieces[1] = 0;
        shape.n_pieces = 2;
    } else if (seq % 5 == 3) {
        shape.pieces[0] = 1;
        shape.pieces[1] = 11;
        shape.pieces[2] = 40;
        shape.pieces[3] = 0;
        shape.n_pieces = 4;
    }
    return shape;
}

/* Sends frames while there is room.  With 'all', none may be lost. */
static void
send_some(struct stream *s, bool all)
{
    struct guest *g = s->from;
    uint32_t first = s->tx->slot;
    uint16_t added = 0;
    uint32_t len;

    while (queue_has_used(g, s->tx)) {
        queue_take_used(g, s->tx, &len);
    }
    while (s->next < s->count
           && (!all || s->next - s->received < WINDOW)) {
        struct shape shape = frame_shape(s->next);
        uint8_t *buf = guest_at(g, queue_buffer(s->tx));

        len = frame_len(s->next);
        if (s->tx->n_free < 8) {
            break;
        }
        memset(buf, 0, sizeof(header));
        buf += sizeof(header);
        memset(buf, s->next, len);
        memcpy(buf, "\x02\0\0\0\0\2\x02\0\0\0\0\1\x88\xb5", SEQ_OFS);
        memcpy(buf + SEQ_OFS, &s->next, 4);
        queue_add(g, s->tx, sizeof(header) + len, &shape);
        s->next++;
        added++;
    }
    if (added) {
        if (guest_has(g, VIRTIO_F_RING_PACKED)) {
            added = (s->tx->slot + s->tx->size - first) % s->tx->size;
        }
        queue_kick(g, s->tx, added);
    }
}

static void
receive_some(struct stream *s)
{
    const struct shape shape = { .write = true, .len = -1, .next = -1,
                                 .head = -1, .table_len = -1 };
    struct guest *g = s->to;

    while (queue_has_used(g, s->rx)) {
        uint32_t len, seq;
        uint8_t *buf = guest_at(g, queue_take_used(g, s->rx, &len));

        memcpy(&seq, buf + sizeof(header) + SEQ_OFS, 4);
        if (seq < s->expected || seq >= s->next) {
            die("frame %"PRIu32" came, %"PRIu32" was expected", seq,
                s->expected);
        }
        if (len != sizeof(header) + frame_len(seq)
            || buf[len - 1] != (uint8_t) seq
            || buf[sizeof(header) + SEQ_OFS + 4] != (uint8_t) seq) {
            die("frame %"PRIu32" is not as it was sent", seq);
        }
        s->missing += seq - s->expected;
        s->expected = seq + 1;
        s->received++;
        queue_add(g, s->rx, s->rx->buf_size, &shape);
    }
}

/* Kills the host of 'vf' and makes a new one, which knows nothing of where the
 * rings are. */
static void
cut(const char *vf, const char *guest)
{
    char *name[] = { (char *) vf };
    char *words[] = { (char *) vf, (char *) guest };

    cmd_use(name, 1);
    cmd_disconnect(NULL, 0);
    cmd_connect(name, 1);
    cmd_vattach(words, 2);
}

/* How many frames to vf1 were dropped. */
static uint64_t
get_dropped(void)
{
    clear();
    msg.ctl_vport.vport = NICSIM_VPORT_VF(1);
    request("vport", NICSIM_CTL_VPORT, NULL, 0, NULL);
    return msg.ctl_vport.stats.out_dropped;
}

/* vstream [count=N] [every=N] [cut=vf0|vf1]: guest g0 at vf0 sends numbered
 * frames to guest g1 at vf1, of which each must come once, or be dropped for
 * want of a receiver.  After so many frames the host of a VF, the connection
 * of that name, is killed and comes back. */
void
cmd_vstream(char **words, int n)
{
    const char *victim = word_value(words, n, "cut");
    bool all = !victim || strcmp(victim, "vf1");
    uint32_t every = word_number(words, n, "every", UINT32_MAX);
    struct stream s = {
        .from = get_guest("g0"), .to = get_guest("g1"),
        .count = word_number(words, n, "count", 1000),
    };
    uint64_t dropped;
    struct timespec start;
    uint32_t next_cut = every;

    s.tx = &s.from->queues[1];
    s.rx = &s.to->queues[0];
    dropped = get_dropped();
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (s.next < s.count || s.tx->first != s.tx->last
           || (all && s.received < s.count)) {
        send_some(&s, all);
        if (victim && s.next >= next_cut && s.next < s.count) {
            cut(victim, all ? "g0" : "g1");
            next_cut += every;
        }
        receive_some(&s);
        if (passed(&start, 4 * TIMEOUT_MS)) {
            break;
        }
    }
    receive_some(&s);
    s.missing += s.next - s.expected;

    dropped = get_dropped() - dropped;
    if (!all && s.received && s.missing == dropped) {
        printf("vstream: %"PRIu32" sent, and none lost but those that were "
               "dropped\n", s.next);
    } else if (all && !s.missing) {
        printf("vstream: %"PRIu32" sent and received\n", s.next);
    } else {
        printf("vstream: %"PRIu32" sent, %"PRIu32" received, %"PRIu32
               " missing, %"PRIu64" dropped\n", s.next, s.received, s.missing,
               dropped);
    }
}

/* Makes chain 'i' of 'q', its only descriptor, available again. */
static void
offer(struct guest *g, struct queue *q, uint32_t len, bool write)
{
    if (guest_has(g, VIRTIO_F_RING_PACKED)) {
        struct vring_packed_desc *desc = guest_at(g, q->desc);

        desc += q->slot;
        desc->addr = queue_buffer(q);
        desc->len = len;
        desc->id = q->slot;
        __atomic_store_n(&desc->flags,
                         (write ? VRING_DESC_F_WRITE : 0)
                         | (q->wrap ? 1 << VRING_PACKED_DESC_F_AVAIL
                            : 1 << VRING_PACKED_DESC_F_USED),
                         __ATOMIC_RELEASE);
    }
    q->avail_idx++;
    if (++q->slot == q->size) {
        q->slot = 0;
        q->wrap = !q->wrap;
    }
}

/* Returns how many chains of 'q' the device has used since last time. */
static uint32_t
reap(struct guest *g, struct queue *q)
{
    uint32_t n = 0;

    if (guest_has(g, VIRTIO_F_RING_PACKED)) {
        const struct vring_packed_desc *ring = guest_at(g, q->desc);
        const uint16_t mask = (1 << VRING_PACKED_DESC_F_AVAIL
                               | 1 << VRING_PACKED_DESC_F_USED);

        while (n < q->size
               && (__atomic_load_n(&ring[q->used_idx].flags,
                                   __ATOMIC_ACQUIRE) & mask)
                  == (q->used_wrap ? mask : 0)) {
            n++;
            if (++q->used_idx == q->size) {
                q->used_idx = 0;
                q->used_wrap = !q->used_wrap;
            }
        }
    } else {
        const struct vring_used *used = guest_at(g, q->used);

        n = (uint16_t) (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE)
                        - q->used_idx);
        q->used_idx += n;
    }
    return n;
}

static void
show(struct guest *g, struct queue *q, uint16_t n)
{
    struct vring_avail *avail = guest_at(g, q->avail);

    if (n) {
        if (!guest_has(g, VIRTIO_F_RING_PACKED)) {
            __atomic_store_n(&avail->idx, q->avail_idx, __ATOMIC_RELEASE);
        }
        queue_kick(g, q, n);
    }
}

/* vbench pid=NICSIMD [seconds=N] [size=N] [flows=N]: as "bench", from guest g0
 * to guest g1, whose rings have just been made, without a chain. */
void
cmd_vbench(char **words, int n)
{
    static struct frame frame;
    struct guest *from = get_guest("g0"), *to = get_guest("g1");
    struct queue *tx = &from->queues[1], *rx = &to->queues[0];
    uint32_t flows = word_number(words, n, "flows", 1);
    uint32_t size = word_number(words, n, "size", 60);
    uint32_t seconds = word_number(words, n, "seconds", 2);
    int pid = word_number(words, n, "pid", 0);
    uint32_t tx_len = sizeof(header) + size;
    uint32_t flow = 0, tx_free = tx->size, rx_free = rx->size;
    char len[16];
    char *frame_words[] = { "ipv4", "udp", "to=10.1.0.0", len };
    struct timespec start;
    uint64_t n_rx = 0;
    double cpu;

    snprintf(len, sizeof len, "len=%u", size - 42);
    frame_make(&frame, frame_words, 4);
    frame.data[40] = frame.data[41] = 0;        /* No UDP checksum. */
    for (uint32_t i = 0; i < tx->size; i++) {
        uint8_t *buf = guest_at(from, tx->bufs + i * tx->buf_size);

        memset(buf, 0, sizeof(header));
        memcpy(buf + sizeof(header), frame.data, frame.len);
    }
    for (int i = 0; i < 2; i++) {
        struct guest *g = i ? to : from;
        struct queue *q = i ? rx : tx;

        if (!guest_has(g, VIRTIO_F_RING_PACKED)) {
            struct vring_desc *desc = guest_at(g, q->desc);
            struct vring_avail *avail = guest_at(g, q->avail);

            for (uint16_t j = 0; j < q->size; j++) {
                desc[j].addr = q->bufs + j * q->buf_size;
                desc[j].len = i ? q->buf_size : tx_len;
                desc[j].flags = i ? VRING_DESC_F_WRITE : 0;
                avail->ring[j] = j;
            }
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    cpu = cpu_seconds(pid);
    for (uint32_t i = 0;; i++) {
        uint32_t added;

        for (added = 0; tx_free; added++, tx_free--) {
            uint8_t *data = guest_at(from, queue_buffer(tx) + sizeof(header));
            uint32_t addr = htonl(0x0a010000 + flow);

            flow = (flow + 7919) % flows;
            memcpy(data + 30, &addr, 4);
            offer(from, tx, tx_len, false);
        }
        show(from, tx, added);
        for (added = 0; rx_free; added++, rx_free--) {
            offer(to, rx, rx->buf_size, true);
        }
        show(to, rx, added);
        tx_free += reap(from, tx);
        added = reap(to, rx);
        rx_free += added;
        n_rx += added;
        if (!(i & 255) && passed(&start, seconds * 1000)) {
            break;
        }
    }
    cpu = cpu_seconds(pid) - cpu;
    fprintf(stderr, "%"PRIu32" bytes, %"PRIu32" flows: %.2f Mpps, "
            "%.2f Mpps per second of nicsimd's CPU time\n", size, flows,
            n_rx / 1e6 / seconds, n_rx / 1e6 / cpu);
}
