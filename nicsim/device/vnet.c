/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "vnet.h"

#include <netinet/in.h>
#include <rte_byteorder.h>

#include "checksum.h"

#define TYPE_IPV4  RTE_BE16(0x0800)
#define TYPE_IPV6  RTE_BE16(0x86dd)
#define TYPE_VLAN  RTE_BE16(0x8100)
#define TYPE_QINQ  RTE_BE16(0x88a8)

/* Offsets in the headers of layer 4. */
#define TCP_CSUM_OFS   16
#define TCP_HLEN_OFS   12
#define UDP_CSUM_OFS    6
#define TCP_LEN        20

/* Finds out where in 'p' layer 3 begins and ends, if layer 4 is plain TCP or
 * UDP, and no fragment.  Returns the protocol, or 0. */
static uint8_t
find_l4(struct packet *p)
{
    uint32_t ofs = 14;
    const uint8_t *l3;
    uint16_t type;

    memcpy(&type, p->data + 12, sizeof type);
    for (int i = 0; i < 2 && (type == TYPE_VLAN || type == TYPE_QINQ); i++) {
        if (ofs + 4 > p->local_len) {
            return 0;
        }
        memcpy(&type, p->data + ofs + 2, sizeof type);
        ofs += 4;
    }
    l3 = p->data + ofs;
    p->tx_l2_len = ofs;
    if (type == TYPE_IPV4) {
        if (ofs + 20 > p->local_len || l3[0] >> 4 != 4
            || (l3[0] & 0xf) < 5 || l3[6] & 0x3f || l3[7]) {
            return 0;
        }
        p->tx_l3_len = (l3[0] & 0xf) * 4;
        return l3[9] == IPPROTO_TCP || l3[9] == IPPROTO_UDP ? l3[9] : 0;
    } else if (type == TYPE_IPV6) {
        if (ofs + 40 > p->local_len || l3[0] >> 4 != 6) {
            return 0;
        }
        p->tx_l3_len = 40;
        p->tx_flags |= NICSIM_TX_IPV6;
        return l3[6] == IPPROTO_TCP || l3[6] == IPPROTO_UDP ? l3[6] : 0;
    }
    return 0;
}

/* Returns true if 'features' have 'feature', or VIRTIO_NET_F_GSO, by which
 * drivers that are older than virtio 1.0 mean all kinds of it. */
static bool
may_request(uint64_t features, int feature)
{
    return (features >> feature | features >> VIRTIO_NET_F_GSO) & 1;
}

/* Asks for the frame to be cut as 'h' says. */
static bool
request_tso(struct packet *p, const vnet_header *h, uint64_t features)
{
    bool ipv6 = p->tx_flags & NICSIM_TX_IPV6;
    uint32_t l4_ofs = p->tx_l2_len + p->tx_l3_len;
    uint8_t type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

    if (type != (ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4)
        || !may_request(features, (ipv6 ? VIRTIO_NET_F_HOST_TSO6
                                   : VIRTIO_NET_F_HOST_TSO4))
        || (h->gso_type & VIRTIO_NET_HDR_GSO_ECN
            && !may_request(features, VIRTIO_NET_F_HOST_ECN))
        || !(p->tx_flags & NICSIM_TX_TCP_CSUM)
        || l4_ofs + TCP_LEN > p->local_len) {
        return false;
    }
    p->tx_l4_len = (p->data[l4_ofs + TCP_HLEN_OFS] >> 4) * 4;
    p->tx_mss = h->gso_size;
    p->tx_flags |= NICSIM_TX_TSO;
    return true;
}

/* vnet_from_guest() for a header that asks for something. */
bool
vnet_request(struct packet *p, const vnet_header *h, uint64_t features)
{
    uint16_t start = h->csum_start, offset = h->csum_offset;
    uint8_t proto;

    if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        || !(features >> VIRTIO_NET_F_CSUM & 1)) {
        return false;
    }
    proto = find_l4(p);
    if (proto && start == p->tx_l2_len + p->tx_l3_len) {
        if (proto == IPPROTO_TCP && offset == TCP_CSUM_OFS) {
            p->tx_flags |= NICSIM_TX_TCP_CSUM;
        } else if (proto == IPPROTO_UDP && offset == UDP_CSUM_OFS) {
            p->tx_flags |= NICSIM_TX_UDP_CSUM;
        }
    }
    if (h->gso_type) {
        return request_tso(p, h, features);
    }
    if (p->tx_flags & (NICSIM_TX_TCP_CSUM | NICSIM_TX_UDP_CSUM)) {
        return true;
    }

    /* Nothing that we know: the guest has put the rest of the sum there. */
    p->tx_flags = 0;
    return checksum_fill_partial(p, start, offset);
}
