/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "coalesce.h"

#include <netinet/in.h>
#include <rte_byteorder.h>

#include "checksum.h"
#include "nicsim/hw.h"

#define IPV4_LEN      20
#define IPV4_LEN_OFS   2
#define IPV4_ID_OFS    4
#define IPV4_FRAG_OFS  6
#define IPV4_DF     0x40
#define IPV6_LEN      40
#define IPV6_LEN_OFS   4

#define TCP_LEN       20
#define TCP_SEQ_OFS    4
#define TCP_ACK_OFS    8
#define TCP_HLEN_OFS  12
#define TCP_FLAGS_OFS 13
#define TCP_WIN_OFS   14
#define TCP_CSUM_OFS  16
#define TCP_URG_OFS   18
#define TCP_PSH     0x08
#define TCP_ACK     0x10

static uint16_t
get16(const uint8_t *data)
{
    return data[0] << 8 | data[1];
}

static void
put16(uint8_t *data, uint16_t value)
{
    data[0] = value >> 8;
    data[1] = value;
}

static uint32_t
get_seq(const uint8_t *l4)
{
    return (uint32_t) get16(l4 + TCP_SEQ_OFS) << 16
           | get16(l4 + TCP_SEQ_OFS + 2);
}

/* Bytes of Ethernet, IP and TCP headers of 'p', if it is a segment of TCP that
 * says nothing but that there is data, and is known to be sound; else 0. */
static uint32_t
get_header_len(const struct packet *p)
{
    const uint8_t *l3 = p->data + p->l3_ofs;
    const uint8_t *l4 = p->data + p->l4_ofs;
    bool ipv6 = l3[0] >> 4 == 6;
    uint32_t tcp_len, n;

    /* No options of IPv4, no extension headers, no fragments, no padding. */
    if (!p->l4_ofs || p->l4_proto != IPPROTO_TCP
        || !(p->flags & PACKET_L4_CSUM_GOOD)
        || p->flags & PACKET_IP_CSUM_BAD
        || p->key.k.present & NICSIM_P_FRAG
        || p->l4_ofs != p->l3_ofs + (ipv6 ? IPV6_LEN : IPV4_LEN)
        || p->l3_ofs + p->l3_len != p->len
        || (l4[TCP_FLAGS_OFS] & ~TCP_PSH) != TCP_ACK) {
        return 0;
    }
    tcp_len = (l4[TCP_HLEN_OFS] >> 4) * 4;
    n = p->l4_ofs + tcp_len;
    return tcp_len >= TCP_LEN && n <= p->local_len && n <= PACKET_LOCAL
           && n < p->len ? n : 0;
}

/* Makes 'p', which was parsed and whose checksums were verified, the first
 * segment of a frame.  Returns false if no other can follow it. */
bool
coalesce_start(struct coalescer *c, const struct packet *p)
{
    uint32_t n = get_header_len(p);

    if (!n || p->data[p->l4_ofs + TCP_FLAGS_OFS] & TCP_PSH) {
        return false;
    }
    memcpy(c->headers, p->data, n);
    c->header_len = n;
    c->l3_ofs = p->l3_ofs;
    c->l4_ofs = p->l4_ofs;
    c->ipv6 = p->data[p->l3_ofs] >> 4 == 6;
    c->ended = c->push = false;
    c->mss = p->len - n;
    c->n = 1;
    c->next_seq = get_seq(p->data + p->l4_ofs) + c->mss;
    c->len = p->len;
    return true;
}

/* Whether the IP headers are those of one frame. */
static bool
same_l3(const struct coalescer *c, const uint8_t *b)
{
    const uint8_t *a = c->headers + c->l3_ofs;

    if (c->ipv6) {
        return !memcmp(a, b, IPV6_LEN_OFS)
               && !memcmp(a + IPV6_LEN_OFS + 2, b + IPV6_LEN_OFS + 2,
                          IPV6_LEN - IPV6_LEN_OFS - 2);
    }
    /* Where nobody may fragment, the identification says nothing. */
    return !memcmp(a, b, IPV4_LEN_OFS)
           && (b[IPV4_FRAG_OFS] & IPV4_DF
               || get16(b + IPV4_ID_OFS)
                  == (uint16_t) (get16(a + IPV4_ID_OFS) + c->n))
           && !memcmp(a + IPV4_FRAG_OFS, b + IPV4_FRAG_OFS, 4)
           && !memcmp(a + 12, b + 12, 8);
}

/* Returns true if 'p', which was parsed and whose checksums were verified, is
 * the segment that follows those of 'c'. */
bool
coalesce_fits(const struct coalescer *c, const struct packet *p)
{
    const uint8_t *a = c->headers + c->l4_ofs;
    const uint8_t *b = p->data + p->l4_ofs;
    uint32_t payload;

    if (c->ended || get_header_len(p) != c->header_len
        || p->l3_ofs != c->l3_ofs || p->l4_ofs != c->l4_ofs) {
        return false;
    }
    payload = p->len - c->header_len;
    return (payload <= c->mss
            && c->len + payload <= NICSIM_MAX_TSO
            && get_seq(b) == c->next_seq
            && !memcmp(c->headers, p->data, c->l3_ofs)
            && same_l3(c, p->data + p->l3_ofs)
            && !memcmp(a, b, TCP_SEQ_OFS)
            && !memcmp(a + TCP_ACK_OFS, b + TCP_ACK_OFS,
                       TCP_FLAGS_OFS - TCP_ACK_OFS)
            && !memcmp(a + TCP_WIN_OFS, b + TCP_WIN_OFS, 2)
            && !memcmp(a + TCP_URG_OFS, b + TCP_URG_OFS,
                       c->header_len - c->l4_ofs - TCP_URG_OFS));
}

/* Adds 'p', which fits.  Its payload is what is behind the headers. */
void
coalesce_add(struct coalescer *c, const struct packet *p)
{
    uint32_t payload = p->len - c->header_len;

    c->n++;
    c->len += payload;
    c->next_seq += payload;
    c->push = p->data[p->l4_ofs + TCP_FLAGS_OFS] & TCP_PSH;
    c->ended = c->push || payload < c->mss;
}

/* Makes c->headers those of the whole frame, if it has several segments, and
 * '*h' what the guest is to know of it. */
void
coalesce_finish(struct coalescer *c, vnet_header *h)
{
    uint8_t *l3 = c->headers + c->l3_ofs;
    uint8_t *l4 = c->headers + c->l4_ofs;
    uint32_t l4_len = c->len - c->l4_ofs;
    uint16_t sum;

    memset(h, 0, sizeof *h);
    if (c->n == 1) {
        h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
        return;
    }
    if (c->ipv6) {
        put16(l3 + IPV6_LEN_OFS, l4_len);
    } else {
        put16(l3 + IPV4_LEN_OFS, IPV4_LEN + l4_len);
        checksum_fill_ipv4(l3);
    }
    l4[TCP_FLAGS_OFS] |= c->push ? TCP_PSH : 0;

    /* As guests send such frames: the sum of the pseudo header only. */
    sum = checksum_pseudo(l3, c->ipv6, IPPROTO_TCP, l4_len);
    memcpy(l4 + TCP_CSUM_OFS, &sum, sizeof sum);
    h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    h->gso_type = c->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
                  : VIRTIO_NET_HDR_GSO_TCPV4;
    h->gso_size = c->mss;
    h->hdr_len = c->header_len;
    h->csum_start = c->l4_ofs;
    h->csum_offset = TCP_CSUM_OFS;
}
