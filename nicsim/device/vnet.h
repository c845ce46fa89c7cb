/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The virtio-net header: what a guest asks for with a frame that it sends, and
 * what it is told of one that it receives. */

#ifndef NICSIM_VNET_H
#define NICSIM_VNET_H 1

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_net.h>
#include <rte_branch_prediction.h>

#include "packet.h"

typedef struct virtio_net_hdr_v1 vnet_header;

bool vnet_request(struct packet *, const vnet_header *, uint64_t features);

/* Sets what the sender of 'p', whose headers are in the local copy, asked for
 * by 'h', under the 'features' that were negotiated.  Returns false if that
 * makes no sense. */
static inline bool
vnet_from_guest(struct packet *p, const vnet_header *h, uint64_t features)
{
    p->tx_flags = 0;
    if (likely(!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && !h->gso_type)) {
        return true;
    }
    return vnet_request(p, h, features);
}

/* Makes '*h' the header that goes to the guest with 'p', if that is in one
 * buffer.  'csum' says whether the guest is told of checksums. */
static inline void
vnet_to_guest(const struct packet *p, vnet_header *h, bool csum)
{
    memset(h, 0, sizeof *h);
    if (csum && p->flags & PACKET_L4_CSUM_GOOD) {
        h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
    }
    h->num_buffers = 1;
}

#endif /* nicsim/device/vnet.h */
