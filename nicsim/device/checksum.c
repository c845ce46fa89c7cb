/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "checksum.h"

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_hash_crc.h>

#include "packet.h"

/* Offsets of checksums in their headers. */
#define IPV4_CSUM_OFS 10
#define TCP_CSUM_OFS  16
#define UDP_CSUM_OFS   6
#define ICMP_CSUM_OFS  2
#define SCTP_CSUM_OFS  8

/* Returns the sum of 'n' bytes as big pieces: to be folded to 16 bits. */
static uint64_t
sum_bytes(const uint8_t *data, uint32_t n)
{
    uint64_t a = 0, b = 0, word;

    while (n >= 16) {
        uint64_t x, y;

        memcpy(&x, data, 8);
        memcpy(&y, data + 8, 8);
        a += (x & UINT32_MAX) + (x >> 32);
        b += (y & UINT32_MAX) + (y >> 32);
        data += 16;
        n -= 16;
    }
    a += b;
    while (n >= 4) {
        uint32_t x;

        memcpy(&x, data, 4);
        a += x;
        data += 4;
        n -= 4;
    }
    if (n) {
        word = 0;
        memcpy(&word, data, n);
        a += word;
    }
    return a;
}

static uint16_t
fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return sum;
}

/* Returns the folded sum of the 'n' bytes from offset 'ofs' of 'p', which is
 * below p->local_len. */
static uint16_t
sum_packet(const struct packet *p, uint32_t ofs, uint32_t n)
{
    uint32_t chunk = p->local_len - ofs;
    bool odd;
    uint64_t sum;

    chunk = chunk < n ? chunk : n;
    sum = sum_bytes(p->data + ofs, chunk);
    odd = chunk & 1;
    n -= chunk;
    for (uint16_t i = 0; n; i++) {
        uint16_t part;

        chunk = p->frags[i].len < n ? p->frags[i].len : n;
        part = fold(sum_bytes(p->frags[i].data, chunk));
        sum += odd ? rte_bswap16(part) : part;
        odd ^= chunk & 1;
        n -= chunk;
    }
    return fold(sum);
}

/* CRC32c of the 'n' bytes from offset 'ofs' of 'p', as SCTP has it, but with
 * the 4 bytes of its own field taken as 0. */
static uint32_t
crc_packet(struct packet *p, uint32_t ofs, uint32_t n)
{
    uint8_t *field = p->data + ofs + SCTP_CSUM_OFS;
    uint32_t chunk = p->local_len - ofs;
    uint32_t crc, saved;

    memcpy(&saved, field, sizeof saved);
    memset(field, 0, sizeof saved);
    chunk = chunk < n ? chunk : n;
    crc = rte_hash_crc(p->data + ofs, chunk, UINT32_MAX);
    n -= chunk;
    for (uint16_t i = 0; n; i++) {
        chunk = p->frags[i].len < n ? p->frags[i].len : n;
        crc = rte_hash_crc(p->frags[i].data, chunk, crc);
        n -= chunk;
    }
    memcpy(field, &saved, sizeof saved);
    return rte_cpu_to_le_32(~crc);
}

/* The folded sum of the pseudo header for the addresses in the IP header
 * 'l3'. */
uint16_t
checksum_pseudo(const uint8_t *l3, bool ipv6, uint8_t proto, uint32_t l4_len)
{
    uint64_t sum = rte_cpu_to_be_16(proto);

    sum += rte_cpu_to_be_32(l4_len);
    sum += ipv6 ? sum_bytes(l3 + 8, 32) : sum_bytes(l3 + 12, 8);
    return fold(sum);
}

/* Fills the checksum of an IPv4 header of 20 bytes. */
void
checksum_fill_ipv4(uint8_t *l3)
{
    uint16_t sum;

    memset(l3 + IPV4_CSUM_OFS, 0, 2);
    sum = ~fold(sum_bytes(l3, 20));
    memcpy(l3 + IPV4_CSUM_OFS, &sum, 2);
}

/* Fills the checksum, 'field_ofs' behind 'l4_ofs', of the TCP or UDP packet
 * there, of 'l4_len' bytes. */
void
checksum_fill_l4(struct packet *p, uint16_t l3_ofs, bool ipv6, uint8_t proto,
                 uint32_t l4_ofs, uint32_t field_ofs, uint32_t l4_len)
{
    uint8_t *field = p->data + l4_ofs + field_ofs;
    uint16_t sum;

    memset(field, 0, 2);
    sum = ~fold((uint64_t) sum_packet(p, l4_ofs, l4_len)
                + checksum_pseudo(p->data + l3_ofs, ipv6, proto, l4_len));
    if (proto == IPPROTO_UDP && !sum) {
        sum = UINT16_MAX;
    }
    memcpy(field, &sum, 2);
}

/* Fills the checksum of the 'n' bytes of GRE at offset 'ofs'. */
void
checksum_fill_gre(struct packet *p, uint32_t ofs, uint32_t n)
{
    uint8_t *field = p->data + ofs + 4;
    uint16_t sum;

    memset(field, 0, 2);
    sum = ~fold(sum_packet(p, ofs, n));
    memcpy(field, &sum, 2);
}

/* Does what the sender of 'p' asked for by NICSIM_TX_*_CSUM.  Returns false
 * if that makes no sense.  The packet need not have been parsed. */
bool
checksum_fill(struct packet *p)
{
    uint32_t l4_ofs = p->tx_l2_len + p->tx_l3_len;
    uint8_t *l3 = p->data + p->tx_l2_len;
    bool ipv6 = p->tx_flags & NICSIM_TX_IPV6;
    uint32_t l4_len;
    uint16_t sum;
    uint8_t *l4;

    if (p->tx_l2_len < 14 || l4_ofs > p->local_len
        || p->tx_l3_len < (ipv6 ? 40 : 20)) {
        return false;
    }
    if (p->tx_flags & NICSIM_TX_IPV4_CSUM) {
        if (ipv6) {
            return false;
        }
        memset(l3 + IPV4_CSUM_OFS, 0, 2);
        sum = ~fold(sum_bytes(l3, p->tx_l3_len));
        memcpy(l3 + IPV4_CSUM_OFS, &sum, 2);
        p->flags |= PACKET_IP_CSUM_GOOD;
    }
    if (!(p->tx_flags & (NICSIM_TX_TCP_CSUM | NICSIM_TX_UDP_CSUM
                         | NICSIM_TX_SCTP_CSUM))) {
        return true;
    }

    /* The frame may have padding behind the IP packet. */
    memcpy(&sum, l3 + (ipv6 ? 4 : 2), 2);
    l4_len = rte_be_to_cpu_16(sum) + (ipv6 ? 40 : 0);
    if (l4_len < p->tx_l3_len || p->tx_l2_len + l4_len > p->len) {
        return false;
    }
    l4_len -= p->tx_l3_len;
    l4 = p->data + l4_ofs;
    if (p->tx_flags & NICSIM_TX_SCTP_CSUM) {
        uint32_t crc;

        if (l4_len < 12 || l4_ofs + 12 > p->local_len) {
            return false;
        }
        crc = crc_packet(p, l4_ofs, l4_len);
        memcpy(l4 + SCTP_CSUM_OFS, &crc, 4);
    } else {
        bool tcp = p->tx_flags & NICSIM_TX_TCP_CSUM;
        uint32_t field_ofs = tcp ? TCP_CSUM_OFS : UDP_CSUM_OFS;
        uint32_t min = tcp ? 20 : 8;

        if (l4_len < min || l4_ofs + min > p->local_len) {
            return false;
        }
        checksum_fill_l4(p, p->tx_l2_len, ipv6,
                         tcp ? IPPROTO_TCP : IPPROTO_UDP, l4_ofs, field_ofs,
                         l4_len);
    }
    p->flags |= PACKET_L4_CSUM_GOOD;
    return true;
}

/* Replaces the 16 bits 'offset' bytes behind 'start' in 'p' by the Internet
 * checksum of all from 'start' to the end, in which they count.  Returns false
 * if they are not among the headers.  Whether that makes the packet's checksum
 * right is the sender's business. */
bool
checksum_fill_partial(struct packet *p, uint32_t start, uint32_t offset)
{
    uint16_t sum;

    if (start < 14 || start + offset + 2 > p->local_len) {
        return false;
    }
    sum = ~sum_packet(p, start, p->len - start);
    if (!sum) {
        sum = UINT16_MAX;               /* UDP: 0 would mean none. */
    }
    memcpy(p->data + start + offset, &sum, 2);
    return true;
}

/* Finds out which checksums of 'p', which was parsed, are right and which are
 * wrong, as far as that is not known yet. */
void
checksum_verify(struct packet *p)
{
    uint32_t present = p->key.k.present;
    uint16_t field, sum;
    bool good;

    if (p->flags & PACKET_CSUM_CHECKED) {
        return;
    }
    p->flags |= PACKET_CSUM_CHECKED;

    if (present & NICSIM_P_IPV4 && !(p->flags & PACKET_IP_CSUM)) {
        uint8_t *l3 = p->data + p->l3_ofs;

        sum = fold(sum_bytes(l3, (l3[0] & 0xf) * 4));
        p->flags |= (sum == UINT16_MAX ? PACKET_IP_CSUM_GOOD
                     : PACKET_IP_CSUM_BAD);
    }
    if (!p->l4_ofs || present & NICSIM_P_FRAG || p->flags & PACKET_L4_CSUM) {
        return;
    }
    if (p->l4_proto == IPPROTO_SCTP) {
        uint32_t l4_len = p->l3_ofs + p->l3_len - p->l4_ofs;
        uint32_t crc = crc_packet(p, p->l4_ofs, l4_len);

        good = !memcmp(&crc, p->data + p->l4_ofs + SCTP_CSUM_OFS, 4);
    } else if (p->l4_proto == IPPROTO_TCP || p->l4_proto == IPPROTO_UDP) {
        uint32_t l4_len = p->l3_ofs + p->l3_len - p->l4_ofs;

        if (p->l4_proto == IPPROTO_UDP) {
            memcpy(&field, p->data + p->l4_ofs + UDP_CSUM_OFS, 2);
            if (!field) {
                return;         /* Sent without: nothing can be said. */
            }
        }
        sum = fold((uint64_t) sum_packet(p, p->l4_ofs, l4_len)
                   + checksum_pseudo(p->data + p->l3_ofs,
                                     !(present & NICSIM_P_IPV4), p->l4_proto,
                                     l4_len));
        good = sum == UINT16_MAX;
    } else {
        return;
    }
    p->flags |= good ? PACKET_L4_CSUM_GOOD : PACKET_L4_CSUM_BAD;
}

/* Mends the checksum at 'field' after 'n' bytes that it covers, an even number
 * at an even offset, were changed from 'old' to 'new'.  A right one stays
 * right and a wrong one wrong (RFC 1624, equation 3). */
void
checksum_update(uint8_t *field, const void *old, const void *new,
                unsigned int n)
{
    uint64_t sum;
    uint16_t csum;

    memcpy(&csum, field, 2);
    sum = (uint16_t) ~csum;
    sum += (uint16_t) ~fold(sum_bytes(old, n));
    sum += fold(sum_bytes(new, n));
    csum = ~fold(sum);
    memcpy(field, &csum, 2);
}

/* Returns the checksum of 'p' that the IP addresses and the ports count in, or
 * NULL if there is none: no such layer 4, a later fragment, or UDP without.
 * The packet was parsed. */
uint8_t *
checksum_l4_field(struct packet *p)
{
    uint8_t *l4 = p->data + p->l4_ofs;

    if (!p->l4_ofs) {
        return NULL;
    }
    switch (p->l4_proto) {
    case IPPROTO_TCP:
        return l4 + TCP_CSUM_OFS;

    case IPPROTO_UDP:
        return l4[UDP_CSUM_OFS] || l4[UDP_CSUM_OFS + 1]
               ? l4 + UDP_CSUM_OFS : NULL;

    case IPPROTO_ICMPV6:
        return l4 + ICMP_CSUM_OFS;

    default:
        return NULL;
    }
}
