/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Coalescing: segments of TCP become one long frame again.
 *
 * Guests that negotiated GUEST_TSO4 or GUEST_TSO6 take long frames.  Those
 * segments are joined that segment.c could have cut from one frame: the joined
 * frame says, in its virtio-net header, into what it has to be cut to be on
 * the wire as it was.  Here is only what concerns headers; the payload goes
 * straight to where the guest wants it. */

#ifndef NICSIM_COALESCE_H
#define NICSIM_COALESCE_H 1

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"
#include "vnet.h"

/* A frame that grows. */
struct coalescer {
    uint8_t headers[PACKET_LOCAL];      /* Of its first segment, ... */
    uint16_t header_len;                /* ... so many bytes, and what is */
    uint16_t l3_ofs, l4_ofs;            /* where in them. */
    bool ipv6;
    bool ended;                         /* No segment can follow. */
    bool push;                          /* The last had PSH. */
    uint16_t mss;                       /* Bytes of payload of the first. */
    uint16_t n;                         /* Segments. */
    uint32_t next_seq;
    uint32_t len;                       /* Bytes of the frame. */
};

bool coalesce_start(struct coalescer *, const struct packet *);
bool coalesce_fits(const struct coalescer *, const struct packet *);
void coalesce_add(struct coalescer *, const struct packet *);
void coalesce_finish(struct coalescer *, vnet_header *);

#endif /* nicsim/device/coalesce.h */
