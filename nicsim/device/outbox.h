/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Outbox: frames of one function on their way to the pipeline.
 *
 * It does what the sender asked for by NICSIM_TX_*, be it an ethdev's driver
 * or a guest: checksums are filled, a tag is inserted, long frames are cut. */

#ifndef NICSIM_OUTBOX_H
#define NICSIM_OUTBOX_H 1

#include <stdbool.h>
#include <rte_branch_prediction.h>

#include "checksum.h"
#include "edit.h"
#include "nic.h"
#include "packet.h"
#include "pipeline.h"

/* A burst ends when it has so many bytes: frames to segment are long, and
 * others wait. */
#define BURST_BYTES 65536

#define OUTBOX_CSUM (NICSIM_TX_IPV4_CSUM | NICSIM_TX_TCP_CSUM \
                     | NICSIM_TX_UDP_CSUM | NICSIM_TX_SCTP_CSUM)

struct outbox {
    struct function *fn;
    struct packet *packets[BURST];
    unsigned int n;
    unsigned int n_segments;            /* Used of nic->segments. */
};

bool outbox_send_segments(struct outbox *, const struct packet *);

static inline void
outbox_init(struct outbox *box, struct function *fn)
{
    box->fn = fn;
    box->n = box->n_segments = 0;
}

/* Sends what is in 'box'.  The packets may be used again then. */
static inline void
outbox_flush(struct outbox *box)
{
    if (box->n) {
        pipeline_send(box->fn, box->packets, box->n);
    }
    box->n = box->n_segments = 0;
}

/* Does to one frame or segment what its sender asked for.  Returns false if
 * that can't be done. */
static inline bool
outbox_finish(struct packet *p)
{
    if (p->tx_flags & OUTBOX_CSUM && !checksum_fill(p)) {
        return false;
    }
    if (p->tx_flags & NICSIM_TX_VLAN) {
        p->l3_ofs = p->l4_ofs = 0;
        edit_push_vlan(p, 0x8100, p->tx_tci);
    }
    return true;
}

static inline void
outbox_put(struct outbox *box, struct packet *p)
{
    box->packets[box->n++] = p;
    if (box->n == BURST) {
        outbox_flush(box);
    }
}

/* Puts 'p', a frame with its headers in the local copy, into 'box', and sends
 * that if it is full.  'p' has to stay as it is until outbox_flush().  Returns
 * false if what the sender asked for can't be done. */
static inline bool
outbox_send(struct outbox *box, struct packet *p)
{
    if (unlikely(p->tx_flags & NICSIM_TX_TSO)) {
        return outbox_send_segments(box, p);
    }
    if (unlikely(!outbox_finish(p))) {
        return false;
    }
    outbox_put(box, p);
    return true;
}

#endif /* nicsim/device/outbox.h */
