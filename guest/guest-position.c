/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "guest-position.h"

/* A packed ring, of 1 to 32768 slots. */
struct ring {
    const struct vring_packed_desc *desc;
    unsigned int size;
};

/* A place in it. */
struct place {
    unsigned int slot;
    bool wrap;
};

static uint16_t
read_flags(const struct ring *ring, unsigned int slot)
{
    /* What is read of a descriptor after its flags must be as new as they
     * are. */
    return __atomic_load_n(&ring->desc[slot].flags, __ATOMIC_ACQUIRE);
}

static uint16_t
read_id(const struct ring *ring, unsigned int slot)
{
    return __atomic_load_n(&ring->desc[slot].id, __ATOMIC_RELAXED);
}

static bool
flag_avail(uint16_t flags)
{
    return flags & (1u << VRING_PACKED_DESC_F_AVAIL);
}

static bool
looks_available(uint16_t flags)
{
    return flag_avail(flags) != !!(flags & (1u << VRING_PACKED_DESC_F_USED));
}

/* Returns where the driver goes on. */
static struct place
find_driver(const struct ring *ring)
{
    bool lap = flag_avail(read_flags(ring, 0));
    unsigned int slot;

    for (slot = 1; slot < ring->size; slot++) {
        if (flag_avail(read_flags(ring, slot)) != lap) {
            return (struct place) { .slot = slot, .wrap = lap };
        }
    }
    return (struct place) { .slot = 0, .wrap = !lap };
}

/* Returns the place that is 'n' slots, at most a ring's, before 'place'. */
static struct place
go_back(const struct ring *ring, struct place place, unsigned int n)
{
    if (n > place.slot) {
        place.slot += ring->size;
        place.wrap = !place.wrap;
    }
    place.slot -= n;
    return place;
}

/* Stores how many slots there are from 'from' to 'driver' into '*n'.  Returns
 * false if these are more than the ring has. */
static bool
count_slots(const struct ring *ring, struct place from, struct place driver,
            unsigned int *n)
{
    unsigned int lap = from.wrap != driver.wrap ? ring->size : 0;

    if (from.slot >= ring->size || from.slot > driver.slot + lap) {
        return false;
    }
    *n = driver.slot + lap - from.slot;
    return *n <= ring->size;
}

/* Returns how many slots there are from 'slot' on up to and with the first one
 * that has no NEXT, or 0 if that is not among the first 'max'. */
static unsigned int
chain_length(const struct ring *ring, unsigned int slot, unsigned int max)
{
    for (unsigned int n = 0; n < max; n++) {
        if (!(read_flags(ring, (slot + n) % ring->size)
              & VRING_DESC_F_NEXT)) {
            return n + 1;
        }
    }
    return 0;
}

/* Returns the position at which a device goes on with 'ring' of 'size' slots,
 * 1 to 32768, if it is 'given' according to the hypervisor.  'indirect' says
 * whether INDIRECT_DESC was negotiated. */
uint16_t
guest_position_find(const struct vring_packed_desc *desc, unsigned int size,
                    uint16_t given, bool indirect)
{
    const struct ring ring = { .desc = desc, .size = size };
    const struct place hint = {
        .slot = given & ~GUEST_POSITION_WRAP,
        .wrap = given & GUEST_POSITION_WRAP,
    };
    struct place driver = find_driver(&ring), place;
    unsigned int left, rest, used = 0, n_hint = 0;
    uint16_t used_flags = 0;
    bool plausible;

    /* How many slots up to the driver's look available? */
    for (left = 0; left < size; left++) {
        used = go_back(&ring, driver, left + 1).slot;
        used_flags = read_flags(&ring, used);
        if (!looks_available(used_flags)) {
            break;
        }
    }
    plausible = (count_slots(&ring, hint, driver, &n_hint)
                 && n_hint <= left);

    /* Do the first ones of them belong to a chain that was used? */
    if (left == size) {
        rest = chain_length(&ring, driver.slot, size);
        left -= plausible && n_hint + rest == size ? rest : 0;
    } else {
        rest = chain_length(&ring, (used + 1) % size, left);
        if (used_flags & GUEST_POSITION_CHAIN) {
            left -= rest;
        } else if (used_flags & GUEST_POSITION_SINGLE) {
            /* No. */
        } else if (plausible) {
            left = n_hint;
        } else if (rest && !indirect
                   && read_id(&ring, (used + rest) % size)
                      == read_id(&ring, used)) {
            left -= rest;
        }
    }

    place = go_back(&ring, driver, left);
    return place.slot | (place.wrap ? GUEST_POSITION_WRAP : 0);
}
