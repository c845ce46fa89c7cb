/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * TCP segmentation.
 *
 * rte_gso of DPDK 22.11 segments TCP over IPv4 only, and mbufs only.  Here a
 * segment is a copy of the headers and a list of pieces of the payload, which
 * stays in the sender's memory. */

#ifndef NICSIM_SEGMENT_H
#define NICSIM_SEGMENT_H 1

#include <stdbool.h>
#include <stdint.h>

struct packet;

/* A frame that is being cut. */
struct segmenter {
    const struct packet *frame;
    uint32_t header;                    /* Bytes of headers. */
    uint32_t payload;                   /* Bytes of payload in all ... */
    uint32_t done;                      /* ... and in segments so far. */
    bool ended;                         /* The last one was made. */
    uint16_t frag;                      /* Where the next payload is ... */
    uint32_t frag_ofs;                  /* ... in frame->frags. */
    uint16_t ip_id;
    uint32_t seq;
};

bool segment_start(struct segmenter *, const struct packet *);
bool segment_next(struct segmenter *, struct packet *);

#endif /* nicsim/device/segment.h */
