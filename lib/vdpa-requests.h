/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_REQUESTS_H
#define VDPA_REQUESTS_H 1

/* Checksum and segmentation requests
 * ==================================
 *
 * A guest may leave the TCP or UDP checksum of a packet to the device, and may
 * hand over a TCP packet that is larger than its MTU for the device to
 * segment.  vdpa_requests_read() makes receive flags of such a request,
 * the same as by which a NIC tells of what it received.
 * vdpa_requests_from_guest() turns them into the transmit flags and header
 * lengths that an Ethernet device wants.  A NIC that merged several packets of
 * a connection into one reports it in the same receive flags;
 * vdpa_requests_to_guest() turns that into what vdpa_virtq_send() passes on.
 *
 * Nothing that the guest wrote is believed: headers are parsed once more, with
 * every length checked against the first segment and against the bits that an
 * mbuf has for it, fragments are left out, and what does not fit is refused.
 * A checksum that a NIC might get wrong, since there are headers of IPv6
 * before the transport header, or they are longer than that, is made here.  A
 * packet without a request is not touched, unless it is shorter than frames
 * are, so no flag of it is ever left to chance.
 *
 * Thread-safety
 * -------------
 *
 * These functions work on the packet alone. */

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "openvswitch/compiler.h"

/* What the side that a packet goes to can do. */
struct vdpa_requests_limits {
    uint64_t tx_offloads;       /* RTE_ETH_TX_OFFLOAD_*. */
    uint32_t max_frame;         /* Bytes of a frame with its headers. */
    uint16_t max_segs;          /* Segments per packet, 0 for no limit. */
};

/* Bytes of the shortest frame, without its checksum. */
#define VDPA_REQUESTS_MIN_FRAME 60

bool vdpa_requests_from_guest__(struct rte_mbuf *,
                               const struct vdpa_requests_limits *);
bool vdpa_requests_pad__(struct rte_mbuf *);
bool vdpa_requests_to_guest__(struct rte_mbuf *, uint64_t virtio_features);

/* The receive flags that tell of a guest's request, and by which Ethernet
 * drivers tell of merged packets. */
#define VDPA_REQUESTS_RX_NEEDS_CSUM RTE_MBUF_F_RX_L4_CKSUM_NONE
#define VDPA_REQUESTS_RX_MERGED RTE_MBUF_F_RX_LRO

bool vdpa_requests_read__(struct rte_mbuf *,
                                 const struct virtio_net_hdr *);

/* Sets the receive flags of 'pkt', that a guest sent with 'hdr', by what it
 * asks for.  Returns false if that is nothing that can be done. */
static inline bool
vdpa_requests_read(struct rte_mbuf *pkt,
                          const struct virtio_net_hdr *hdr)
{
    return (OVS_LIKELY(!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
                       && hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE)
            || vdpa_requests_read__(pkt, hdr));
}

/* Prepares 'pkt', that came from a guest, for an Ethernet device with
 * 'limits': it has to pass rte_eth_tx_prepare() next.  Returns false if it has
 * to be dropped: its request cannot be fulfilled or it is larger than a frame
 * may be.  One that is smaller is padded with zeros: some NICs send what they
 * find in memory instead, and some stop. */
static inline bool
vdpa_requests_from_guest(struct rte_mbuf *pkt,
                         const struct vdpa_requests_limits *limits)
{
    bool ok;

    if (OVS_LIKELY(!(pkt->ol_flags
                     & (RTE_MBUF_F_RX_L4_CKSUM_MASK
                        | VDPA_REQUESTS_RX_MERGED)))) {
        ok = (pkt->pkt_len <= limits->max_frame
              && (!limits->max_segs || pkt->nb_segs <= limits->max_segs));
    } else {
        ok = vdpa_requests_from_guest__(pkt, limits);
    }
    if (OVS_UNLIKELY(pkt->pkt_len < VDPA_REQUESTS_MIN_FRAME)) {
        ok = ok && vdpa_requests_pad__(pkt);
    }
    return ok;
}

/* Prepares 'pkt', that came from an Ethernet device, for a guest that
 * negotiated 'virtio_features'.  Returns false if the guest cannot take it. */
static inline bool
vdpa_requests_to_guest(struct rte_mbuf *pkt, uint64_t virtio_features)
{
    /* vdpa_virtq_send() reads the transmit flags only.  What the driver
     * verified on receive must not look like a request to the guest. */
    pkt->ol_flags &= ~(RTE_MBUF_F_TX_OFFLOAD_MASK);
    return (OVS_LIKELY(!(pkt->ol_flags & VDPA_REQUESTS_RX_MERGED))
            || vdpa_requests_to_guest__(pkt, virtio_features));
}

uint64_t vdpa_requests_unsupported_features(uint64_t tx_offloads);

#endif /* vdpa-requests.h */
