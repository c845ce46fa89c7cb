/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-requests.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

/* VLAN tags that a frame may have in front of its network header. */
#define MAX_VLAN_TAGS 2

/* IPv6 extension headers that are walked over in search of the transport
 * header. */
#define MAX_EXT_HEADERS 8

/* The least payload of a segment that a guest may ask for: what is left of the
 * smallest IPv4 MTU after two full headers. */
#define MIN_SEGMENT 8

/* Where the headers of a packet are. */
struct headers {
    uint16_t l2_len;
    uint16_t l3_len;
    uint16_t l4_len;
    uint8_t ip_version;
    uint8_t proto;
};

/* Finds the transport header behind the IPv6 header at 'ofs' of 'data', whose
 * first 'len' bytes can be read.  Returns false if there is none. */
static bool
parse_ipv6(const uint8_t *data, uint32_t len, uint32_t ofs,
           struct headers *h)
{
    const struct rte_ipv6_hdr *ip6 = (const void *) (data + ofs);
    uint32_t l4_ofs = ofs + sizeof *ip6;

    if (len < l4_ofs || data[ofs] >> 4 != 6) {
        return false;
    }
    h->proto = ip6->proto;
    for (int i = 0; i < MAX_EXT_HEADERS; i++) {
        if (h->proto != IPPROTO_HOPOPTS && h->proto != IPPROTO_ROUTING
            && h->proto != IPPROTO_DSTOPTS) {
            h->ip_version = 6;
            h->l3_len = l4_ofs - ofs;
            return true;
        }
        if (len < l4_ofs + 8) {
            return false;
        }
        h->proto = data[l4_ofs];
        l4_ofs += (data[l4_ofs + 1] + 1) * 8;
    }
    return false;
}

/* Finds the transport header behind the IPv4 header at 'ofs' of 'data', whose
 * first 'len' bytes can be read.  Returns false if there is none, or if it is
 * the header of a datagram that was fragmented: what a NIC would write into a
 * fragment's checksum field is wrong. */
static bool
parse_ipv4(const uint8_t *data, uint32_t len, uint32_t ofs,
           struct headers *h)
{
    const struct rte_ipv4_hdr *ip = (const void *) (data + ofs);

    if (len < ofs + sizeof *ip || ip->version_ihl >> 4 != 4
        || rte_ipv4_hdr_len(ip) < sizeof *ip
        || ip->fragment_offset & htons(RTE_IPV4_HDR_MF_FLAG
                                       | RTE_IPV4_HDR_OFFSET_MASK)) {
        return false;
    }
    h->ip_version = 4;
    h->l3_len = rte_ipv4_hdr_len(ip);
    h->proto = ip->next_proto_id;
    return true;
}

/* Finds the headers of 'pkt', all of which have to be in its first segment.
 * Returns false if it is not TCP, UDP or SCTP over IP, or if one of them is
 * longer than an mbuf can say. */
static bool
parse_headers(const struct rte_mbuf *pkt, struct headers *h)
{
    const uint8_t *data = rte_pktmbuf_mtod(pkt, const uint8_t *);
    uint32_t len = rte_pktmbuf_data_len(pkt);
    uint32_t ofs = sizeof(struct rte_ether_hdr);
    rte_be16_t type;
    bool ip_ok;

    if (len < ofs) {
        return false;
    }
    type = ((const struct rte_ether_hdr *) data)->ether_type;
    for (int i = 0; i < MAX_VLAN_TAGS; i++) {
        const struct rte_vlan_hdr *vlan = (const void *) (data + ofs);

        if (type != htons(RTE_ETHER_TYPE_VLAN)
            && type != htons(RTE_ETHER_TYPE_QINQ)) {
            break;
        }
        if (len < ofs + sizeof *vlan) {
            return false;
        }
        type = vlan->eth_proto;
        ofs += sizeof *vlan;
    }

    h->l2_len = ofs;
    if (type == htons(RTE_ETHER_TYPE_IPV4)) {
        ip_ok = parse_ipv4(data, len, ofs, h);
    } else if (type == htons(RTE_ETHER_TYPE_IPV6)) {
        ip_ok = parse_ipv6(data, len, ofs, h);
    } else {
        ip_ok = false;
    }
    if (!ip_ok) {
        return false;
    }

    ofs += h->l3_len;
    if (h->proto == IPPROTO_TCP) {
        const struct rte_tcp_hdr *tcp = (const void *) (data + ofs);

        if (len < ofs + sizeof *tcp) {
            return false;
        }
        h->l4_len = (tcp->data_off >> 4) * 4;
        if (h->l4_len < sizeof *tcp) {
            return false;
        }
    } else if (h->proto == IPPROTO_UDP) {
        h->l4_len = sizeof(struct rte_udp_hdr);
    } else if (h->proto == IPPROTO_SCTP) {
        h->l4_len = sizeof(struct rte_sctp_hdr);
    } else {
        return false;
    }
    return (len >= ofs + h->l4_len
            && h->l2_len < 1u << RTE_MBUF_L2_LEN_BITS
            && h->l3_len < 1u << RTE_MBUF_L3_LEN_BITS
            && h->l4_len < 1u << RTE_MBUF_L4_LEN_BITS);
}

/* Returns true if there is something between IPv6 and transport header. */
static bool
has_extensions(const struct headers *h)
{
    return h->ip_version == 6 && h->l3_len > sizeof(struct rte_ipv6_hdr);
}

/* Writes 'h' into the fields of 'pkt' that transmit functions read. */
static void
set_header_lengths(struct rte_mbuf *pkt, const struct headers *h)
{
    pkt->l2_len = h->l2_len;
    pkt->l3_len = h->l3_len;
    pkt->l4_len = h->l4_len;
    pkt->outer_l2_len = 0;
    pkt->outer_l3_len = 0;
}

/* Completes the checksum that the guest wants at 'start' + 'offset' of 'pkt',
 * of everything from 'start' on, whatever that is: a packet that no NIC would
 * parse.  Returns false if the packet has no such place. */
static bool
sum_up(struct rte_mbuf *pkt, uint16_t start, uint16_t offset)
{
    uint32_t at = (uint32_t) start + offset;
    uint16_t sum;

    if (start >= rte_pktmbuf_pkt_len(pkt)
        || at + sizeof sum > rte_pktmbuf_data_len(pkt)
        || rte_raw_cksum_mbuf(pkt, start, rte_pktmbuf_pkt_len(pkt) - start,
                              &sum)) {
        return false;
    }

    /* Neither 0 nor 0xffff stands for 0 in both UDP and TCP: the latter
     * does. */
    if (sum != UINT16_MAX) {
        sum = ~sum;
    }
    memcpy(rte_pktmbuf_mtod_offset(pkt, void *, at), &sum, sizeof sum);
    return true;
}

/* Returns where the checksum is in the transport header of 'h'. */
static unsigned int
checksum_offset(const struct headers *h)
{
    return (h->proto == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
            : h->proto == IPPROTO_UDP ? offsetof(struct rte_udp_hdr,
                                                 dgram_cksum)
            : offsetof(struct rte_sctp_hdr, cksum));
}

/* The part of vdpa_requests_read() for a packet with a request. */
bool
vdpa_requests_read__(struct rte_mbuf *pkt,
                            const struct virtio_net_hdr *hdr)
{
    unsigned int gso_type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    struct headers h;

    if (gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        if (gso_type != VIRTIO_NET_HDR_GSO_TCPV4
            && gso_type != VIRTIO_NET_HDR_GSO_TCPV6) {
            return false;
        }
        pkt->tso_segsz = hdr->gso_size;
        pkt->ol_flags |= VDPA_REQUESTS_RX_MERGED | VDPA_REQUESTS_RX_NEEDS_CSUM;
        return true;
    }
    /* What drivers prepare for NICs to sum up, for example
     * rte_net_intel_cksum_prepare(), takes the first extension header of IPv6
     * for the transport protocol. */
    if (parse_headers(pkt, &h) && !has_extensions(&h)
        && hdr->csum_start == h.l2_len + h.l3_len
        && hdr->csum_offset == checksum_offset(&h)) {
        pkt->ol_flags |= VDPA_REQUESTS_RX_NEEDS_CSUM;
        return true;
    }
    return sum_up(pkt, hdr->csum_start, hdr->csum_offset);
}

/* Returns true if the request of 'pkt' to be segmented leaves it as it is:
 * then it may have padding, which is not to become part of a segment. */
static bool
is_one_segment(const struct rte_mbuf *pkt, const struct headers *h)
{
    uint32_t hdr_len = h->l2_len + h->l3_len + h->l4_len;

    return (h->proto == IPPROTO_TCP && !has_extensions(h)
            && pkt->tso_segsz >= MIN_SEGMENT && pkt->pkt_len > hdr_len
            && pkt->pkt_len - hdr_len <= pkt->tso_segsz);
}

/* Makes 'pkt' as long as the shortest frame there is, with zeros.  Returns
 * false if it has no room for them. */
bool
vdpa_requests_pad__(struct rte_mbuf *pkt)
{
    uint16_t n = VDPA_REQUESTS_MIN_FRAME - pkt->pkt_len;
    void *p = rte_pktmbuf_append(pkt, n);

    if (p) {
        memset(p, 0, n);
    }
    return p != NULL;
}

/* The part of vdpa_requests_from_guest() for a packet with a request. */
bool
vdpa_requests_from_guest__(struct rte_mbuf *pkt,
                          const struct vdpa_requests_limits *limits)
{
    bool merged = pkt->ol_flags & VDPA_REQUESTS_RX_MERGED;
    uint64_t needed, flags;
    struct headers h;

    if (!parse_headers(pkt, &h)) {
        return false;
    }
    if (merged && is_one_segment(pkt, &h)) {
        merged = false;
    }

    flags = h.ip_version == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
    if (merged) {
        uint32_t hdr_len = h.l2_len + h.l3_len + h.l4_len;

        if (h.proto != IPPROTO_TCP || pkt->tso_segsz < MIN_SEGMENT
            || hdr_len + pkt->tso_segsz > limits->max_frame
            || pkt->pkt_len <= hdr_len) {
            return false;
        }
        needed = RTE_ETH_TX_OFFLOAD_TCP_TSO;
        flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
        if (h.ip_version == 4) {
            /* Every segment has a header of its own. */
            flags |= RTE_MBUF_F_TX_IP_CKSUM;
        }
    } else {
        if (pkt->pkt_len > limits->max_frame) {
            return false;
        }
        pkt->tso_segsz = 0;
        if (h.proto == IPPROTO_TCP) {
            needed = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
            flags |= RTE_MBUF_F_TX_TCP_CKSUM;
        } else if (h.proto == IPPROTO_UDP) {
            needed = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
            flags |= RTE_MBUF_F_TX_UDP_CKSUM;
        } else {
            needed = RTE_ETH_TX_OFFLOAD_SCTP_CKSUM;
            flags |= RTE_MBUF_F_TX_SCTP_CKSUM;
        }
    }
    if (!(limits->tx_offloads & needed)
        || (limits->max_segs && pkt->nb_segs > limits->max_segs)) {
        return false;
    }

    set_header_lengths(pkt, &h);
    pkt->ol_flags = ((pkt->ol_flags & ~(RTE_MBUF_F_RX_L4_CKSUM_MASK
                                        | VDPA_REQUESTS_RX_MERGED
                                        | RTE_MBUF_F_TX_OFFLOAD_MASK))
                     | flags);
    return true;
}

/* The part of vdpa_requests_to_guest() for a packet that the NIC merged. */
bool
vdpa_requests_to_guest__(struct rte_mbuf *pkt, uint64_t virtio_features)
{
    struct headers h;
    int feature;

    if (!parse_headers(pkt, &h) || h.proto != IPPROTO_TCP
        || !pkt->tso_segsz) {
        return false;
    }
    feature = (h.ip_version == 4
               ? VIRTIO_NET_F_GUEST_TSO4 : VIRTIO_NET_F_GUEST_TSO6);
    if (!(virtio_features & (UINT64_C(1) << feature))) {
        return false;
    }

    set_header_lengths(pkt, &h);
    pkt->ol_flags &= ~VDPA_REQUESTS_RX_MERGED;
    pkt->ol_flags |= (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM
                      | (h.ip_version == 4
                         ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6));
    return true;
}

/* Returns the virtio-net feature bits that a guest must not be offered if its
 * packets leave by an Ethernet device with 'tx_offloads'
 * (RTE_ETH_TX_OFFLOAD_*). */
uint64_t
vdpa_requests_unsupported_features(uint64_t tx_offloads)
{
    const uint64_t csum = (RTE_ETH_TX_OFFLOAD_TCP_CKSUM
                           | RTE_ETH_TX_OFFLOAD_UDP_CKSUM);
    const uint64_t tso = (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | csum
                          | RTE_ETH_TX_OFFLOAD_TCP_TSO
                          | RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
    uint64_t features;

    /* No NIC segments UDP datagrams into fragments, and none tells of the ECN
     * bits of what it merged.  What it segments it has to send with CWR in the
     * first segment only (RFC 3168), as all do without being told. */
    features = (UINT64_C(1) << VIRTIO_NET_F_HOST_UFO
                | UINT64_C(1) << VIRTIO_NET_F_GUEST_UFO
                | UINT64_C(1) << VIRTIO_NET_F_GUEST_ECN);
    if ((tx_offloads & csum) != csum) {
        features |= UINT64_C(1) << VIRTIO_NET_F_CSUM;
    }
    if ((tx_offloads & tso) != tso) {
        features |= (UINT64_C(1) << VIRTIO_NET_F_GSO
                     | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4
                     | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO6
                     | UINT64_C(1) << VIRTIO_NET_F_HOST_ECN);
    }
    return features;
}
