/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host's guest that writes nonsense to its rings. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nicsim-frame.h"
#include "nicsim-guest.h"
#include "nicsim-host.h"

static uint64_t state;

/* xorshift: the same sequence everywhere. */
static uint32_t
random_below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 16) % n;
}

static bool
one_in(uint32_t n)
{
    return !random_below(n);
}

/* An address that is good, or near a border, or anything. */
static uint64_t
random_addr(const struct queue *q)
{
    static const uint64_t borders[] = {
        0, GUEST_LOW, GUEST_HIGH, GUEST_SPLIT, GUEST_MEMORY, UINT64_MAX
    };

    switch (random_below(16)) {
    case 0:
        return borders[random_below(6)] + random_below(64) - 32;
    case 1:
        return (uint64_t) random_below(UINT32_MAX) << random_below(32);
    case 2:
        return q->desc + random_below(q->size * 16);
    default:
        return q->bufs + random_below(q->size * q->buf_size);
    }
}

static uint32_t
random_len(void)
{
    switch (random_below(8)) {
    case 0:
        return random_below(14);
    case 1:
        return random_below(100000);
    case 2:
        return one_in(8) ? UINT32_MAX - random_below(4) : 12;
    default:
        return 12 + random_below(2000);
    }
}

/* Writes a descriptor.  'tx' says whose it is, 'slot' where. */
static void
write_desc(struct guest *g, struct queue *q, uint64_t table, uint32_t slot,
           bool tx, bool indirect_too)
{
    uint64_t addr = random_addr(q);
    uint32_t len = random_len();
    uint16_t flags = tx == one_in(20) ? VRING_DESC_F_WRITE : 0;
    uint16_t word = one_in(20) ? random_below(UINT16_MAX)
                    : random_below(q->size);

    if (one_in(3)) {
        flags |= VRING_DESC_F_NEXT;
    }
    if (indirect_too && one_in(6)) {
        flags = VRING_DESC_F_INDIRECT | (one_in(20) ? flags : 0);
        addr = q->tables + (uint64_t) random_below(q->size) * 1024;
        len = one_in(20) ? random_len() : 16 * (1 + random_below(40));
    }
    if (guest_has(g, VIRTIO_F_RING_PACKED)) {
        struct vring_packed_desc *desc = guest_at(g, table);

        if (indirect_too) {
            flags |= q->wrap ? 1 << VRING_PACKED_DESC_F_AVAIL
                     : 1 << VRING_PACKED_DESC_F_USED;
            if (one_in(200)) {
                flags ^= 1 << VRING_PACKED_DESC_F_USED;
            }
        }
        desc[slot].addr = addr;
        desc[slot].len = len;
        desc[slot].id = word;
        __atomic_store_n(&desc[slot].flags, flags, __ATOMIC_RELEASE);
    } else {
        struct vring_desc *desc = guest_at(g, table);

        desc[slot].addr = addr;
        desc[slot].len = len;
        desc[slot].flags = flags;
        desc[slot].next = word;
    }
}

/* Makes some nonsense available in 'q'. */
static void
fuzz_queue(struct guest *g, struct queue *q, bool tx)
{
    bool packed = guest_has(g, VIRTIO_F_RING_PACKED);
    uint16_t n = 1 + random_below(8);

    for (int i = 0; i < 20; i++) {
        uint8_t *buf = guest_at(g, q->bufs + random_below(q->size)
                                   * q->buf_size);

        write_desc(g, q, q->tables + (uint64_t) random_below(q->size) * 1024,
                   random_below(64), tx, false);
        if (tx) {
            /* Among the virtio-net header and those of the frame. */
            buf[random_below(100)] = one_in(2) ? random_below(256)
                                     : random_below(6);
        }
    }
    for (uint16_t i = 0; i < n; i++) {
        if (packed) {
            write_desc(g, q, q->desc, q->slot, tx, true);
            if (++q->slot == q->size) {
                q->slot = 0;
                q->wrap = !q->wrap;
            }
        } else {
            struct vring_avail *avail = guest_at(g, q->avail);
            uint16_t head = random_below(q->size);

            write_desc(g, q, q->desc, random_below(q->size), tx, true);
            write_desc(g, q, q->desc, head, tx, true);
            avail->ring[q->avail_idx % q->size] = (one_in(500) ? q->size
                                                   : head);
            q->avail_idx += one_in(2000) ? random_below(UINT16_MAX) : 1;
            __atomic_store_n(&avail->idx, q->avail_idx, __ATOMIC_RELEASE);
        }
    }
    if (one_in(10)) {
        /* Events and flags that the guest has no business with. */
        uint8_t *area = guest_at(g, one_in(2) ? q->avail : q->used);

        area[random_below(packed ? 4 : 2)] = random_below(256);
    }
    queue_kick(g, q, n);
}

/* Has 'g', which is sound, send a frame, and take what it received. */
static void
exchange(struct guest *g)
{
    const struct shape send = { .len = -1, .next = -1, .head = -1,
                                .table_len = -1 };
    struct shape receive = send;
    struct queue *tx = &g->queues[1], *rx = &g->queues[0];
    uint8_t *buf = guest_at(g, queue_buffer(tx));
    uint32_t len;

    receive.write = true;
    while (queue_has_used(g, rx)) {
        queue_take_used(g, rx, &len);
        queue_add(g, rx, rx->buf_size, &receive);
    }
    while (queue_has_used(g, tx)) {
        queue_take_used(g, tx, &len);
    }
    memset(buf, 0, 14 + sizeof(header));
    if (queue_add(g, tx, sizeof(header) + 14
                         + random_below(tx->buf_size - 100), &send)) {
        queue_kick(g, tx, 1);
    }
}

/* vempty GUEST: takes what waits to be received, and forgets it. */
void
cmd_vempty(char **words, int n)
{
    struct guest *g = get_guest(words[0]);

    (void) n;
    while (queue_has_used(g, &g->queues[0])) {
        struct shape shape = { .write = true, .len = -1, .next = -1,
                               .head = -1, .table_len = -1 };
        uint32_t len;

        queue_take_used(g, &g->queues[0], &len);
        queue_add(g, &g->queues[0], g->queues[0].buf_size, &shape);
    }
}

/* Has the device take the queue 'index' again, if it has stopped it.  That is
 * a request, after which the device looks at the rings. */
static void
revive(const char *vf, struct guest *g, int index, uint64_t *errors)
{
    struct queue *q = &g->queues[index];
    char number[8];
    char *words[] = { (char *) vf, g->name, number };

    clear();
    msg.vdpa_queue.fn = parse_function(vf);
    msg.vdpa_queue.queue = index;
    if (!request("vqueue", NICSIM_VDPA_QUEUE, NULL, 0, NULL)) {
        die("no queue");
    }
    for (int i = 0; i < NICSIM_VQ_N_ERRORS; i++) {
        errors[i] += msg.vdpa_queue.errors[i];
    }
    if (msg.vdpa_queue.state != NICSIM_VQ_BROKEN) {
        return;
    }
    snprintf(number, sizeof number, "%d", index);
    queue_create(g, q, q->size, q->buf_size);
    cmd_vring(words, 3);
}

/* vfuzz VF GUEST PEER [seed=N] [rounds=N] [verbose]: the guest, which is at
 * that VF, writes nonsense to the rings of its first queue pair, and is set up
 * again when that has broken a queue.  Meanwhile PEER, where its frames go,
 * receives them and sends its own.  Says whether many kinds of errors came
 * up. */
void
cmd_vfuzz(char **words, int n)
{
    struct guest *g = get_guest(words[1]);
    uint32_t rounds = word_number(words, n, "rounds", 20000);
    uint64_t errors[NICSIM_VQ_N_ERRORS] = { 0 };
    int kinds = 0;

    state = word_number(words, n, "seed", 1) * 0x9e3779b97f4a7c15ull + 1;
    for (uint32_t i = 0; i < rounds; i++) {
        fuzz_queue(g, &g->queues[0], false);
        fuzz_queue(g, &g->queues[1], true);
        exchange(get_guest(words[2]));
        memset(errors, 0, sizeof errors);
        revive(words[0], g, 0, errors);
        revive(words[0], g, 1, errors);
    }
    for (int i = 0; i < NICSIM_VQ_N_ERRORS; i++) {
        kinds += errors[i] != 0;
        if (word_value(words, n, "verbose")) {
            printf("error %d: %"PRIu64"\n", i, errors[i]);
        }
    }
    printf("vfuzz: %s\n", kinds > 6 ? "many kinds of errors"
           : "few kinds of errors");
}
