/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Where a device goes on with a packed ring (guest/guest-position.h).
 *
 *     test-guest-position ring GIVEN [indirect] SLOT...
 *
 * prints the position of a ring with these slots, where the hypervisor says
 * that it is GIVEN.  A position is a slot's number and a wrap counter, like
 * 3/1.  A slot is "-" if nobody ever wrote to it, else "a" if the driver wrote
 * last, "u" if the device did, followed by the wrap counter and any of these:
 *
 *     n    NEXT, in an available one
 *     c s  how devices of this project mark a used chain or a single one
 *     =ID  where the buffer's id is not the slot's number
 *
 *     test-guest-position random N SEED
 *
 * has drivers and devices go on with rings of all sizes N times, and compares
 * what is found in the ring with what the device knows.
 *
 *     test-guest-position noise N SEED
 *
 * does it with rings of which nothing makes sense. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-position.h"

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED (1u << VRING_PACKED_DESC_F_USED)
#define MAX_SIZE 32768

static struct vring_packed_desc ring[MAX_SIZE];

static unsigned int
below(unsigned int n)
{
    return (unsigned int) rand() % n;
}

/* Given rings. */

static bool
parse_slot(const char *s, unsigned int slot)
{
    bool wrap = s[1] == '1', used = s[0] == 'u';
    uint16_t flags = wrap ? AVAIL : 0;

    ring[slot].id = slot;
    if (!strcmp(s, "-")) {
        ring[slot].flags = 0;
        return true;
    }
    if (!strchr("au", s[0]) || !strchr("01", s[1])) {
        return false;
    }
    flags |= wrap == used ? USED : 0;
    for (s += 2; *s && *s != '='; s++) {
        flags |= (*s == 'n' ? VRING_DESC_F_NEXT
                  : *s == 'c' ? GUEST_POSITION_CHAIN
                  : *s == 's' ? GUEST_POSITION_SINGLE : 0);
    }
    if (*s == '=') {
        ring[slot].id = atoi(s + 1);
    }
    ring[slot].flags = flags;
    return true;
}

static void
print(uint16_t position)
{
    printf("%u/%d\n", position & ~GUEST_POSITION_WRAP,
           !!(position & GUEST_POSITION_WRAP));
}

static int
show_ring(char **words, int n)
{
    unsigned int slot = 0, wrap = 0, size = 0;
    bool indirect = false;

    if (n < 2 || sscanf(words[0], "%u/%u", &slot, &wrap) != 2) {
        return EXIT_FAILURE;
    }
    for (int i = 1; i < n; i++) {
        if (i == 1 && !strcmp(words[i], "indirect")) {
            indirect = true;
        } else if (!parse_slot(words[i], size++)) {
            return EXIT_FAILURE;
        }
    }
    print(guest_position_find(ring, size,
                              slot | (wrap ? GUEST_POSITION_WRAP : 0),
                              indirect));
    return EXIT_SUCCESS;
}

/* Rings that live. */

struct side {
    unsigned int slot;
    bool wrap;
};

static unsigned int size;
static struct side driver, device;
static unsigned int n_avail, n_used; /* Slots; the rest is the driver's. */
static unsigned int lengths[MAX_SIZE], first, last;     /* Of chains. */

static void
advance(struct side *side, unsigned int n)
{
    side->slot += n;
    if (side->slot >= size) {
        side->slot -= size;
        side->wrap = !side->wrap;
    }
}

static uint16_t
to_position(struct side side)
{
    return side.slot | (side.wrap ? GUEST_POSITION_WRAP : 0);
}

static void
drive(void)
{
    unsigned int room = size - n_avail - n_used;
    unsigned int n = 1 + below(4);
    uint16_t id = driver.slot;

    if (n > room) {
        return;
    }
    for (unsigned int i = 0; i < n; i++) {
        struct vring_packed_desc *desc = &ring[driver.slot];

        desc->id = id;
        desc->flags = ((driver.wrap ? AVAIL : USED)
                       | (i < n - 1 ? VRING_DESC_F_NEXT : 0));
        advance(&driver, 1);
    }
    lengths[last++ % MAX_SIZE] = n;
    n_avail += n;
}

static void
use(bool ours)
{
    unsigned int n;

    if (!n_avail) {
        return;
    }
    n = lengths[first++ % MAX_SIZE];
    ring[device.slot].flags = ((device.wrap ? AVAIL | USED : 0)
                               | (!ours ? 0
                                  : n > 1 ? GUEST_POSITION_CHAIN
                                  : GUEST_POSITION_SINGLE));
    advance(&device, n);
    n_avail -= n;
    n_used += n;
}

static bool
all_look_available(void)
{
    for (unsigned int i = 0; i < size; i++) {
        if (!(ring[i].flags & AVAIL) == !(ring[i].flags & USED)) {
            return false;
        }
    }
    return true;
}

static int
run_random(unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        bool ours = below(2);
        uint16_t stale, position;

        size = 1 + below(20);
        memset(ring, 0, size * sizeof *ring);
        driver = device = (struct side) { .slot = 0, .wrap = true };
        n_avail = n_used = first = last = 0;
        stale = to_position(device);
        for (unsigned int j = below(100); j; j--) {
            switch (below(4)) {
            case 0:
            case 1:
                drive();
                break;
            case 2:
                use(ours);
                break;
            case 3:
                n_used = 0;     /* The driver takes them back. */
                break;
            }
        }

        /* A device that hands the ring over says where it is. */
        position = guest_position_find(ring, size, to_position(device),
                                       below(2));
        if (position != to_position(device)) {
            printf("%u: ring of %u, %s device: ", i, size,
                   ours ? "our" : "other");
            print(position);
            return EXIT_FAILURE;
        }

        /* One that died does not. */
        position = guest_position_find(ring, size, stale, below(2));
        if (ours && position != to_position(device)
            && !all_look_available()) {
            printf("%u: ring of %u, dead device: ", i, size);
            print(position);
            return EXIT_FAILURE;
        }
    }
    printf("%u rings, all as the device knows\n", n);
    return EXIT_SUCCESS;
}

static int
run_noise(unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        uint16_t position;

        size = below(4) ? 1 + below(20) : 1 + below(MAX_SIZE);
        for (unsigned int j = 0; j < size; j++) {
            ring[j].flags = below(65536);
            ring[j].id = below(4);
        }
        position = guest_position_find(ring, size, below(65536), below(2));
        if ((position & ~GUEST_POSITION_WRAP) >= size) {
            printf("ring of %u: ", size);
            print(position);
            return EXIT_FAILURE;
        }
    }
    printf("%u rings, and no position beyond them\n", n);
    return EXIT_SUCCESS;
}

int
main(int argc, char *argv[])
{
    if (argc >= 4 && !strcmp(argv[1], "ring")) {
        return show_ring(argv + 2, argc - 2);
    } else if (argc == 4) {
        srand(atoi(argv[3]));
        if (!strcmp(argv[1], "random")) {
            return run_random(atoi(argv[2]));
        } else if (!strcmp(argv[1], "noise")) {
            return run_noise(atoi(argv[2]));
        }
    }
    printf("usage: see tests/test-guest-position.c\n");
    return EXIT_FAILURE;
}
