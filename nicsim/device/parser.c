/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "parser.h"

#include <netinet/in.h>
#include <rte_byteorder.h>

#include "packet.h"

#define ETH_LEN       14
#define IPV4_LEN      20
#define IPV6_LEN      40
#define TCP_LEN       20
#define UDP_LEN        8
#define SCTP_LEN      12
#define ICMP_LEN       8

#define TYPE_IPV4  RTE_BE16(0x0800)
#define TYPE_IPV6  RTE_BE16(0x86dd)
#define TYPE_VLAN  RTE_BE16(0x8100)
#define TYPE_QINQ  RTE_BE16(0x88a8)

/* IPv6 extension headers that <netinet/in.h> does not name. */
#define PROTO_HIP    139
#define PROTO_SHIM6  140

static inline uint16_t
get_be16(const uint8_t *p)
{
    uint16_t x;

    memcpy(&x, p, 2);
    return rte_be_to_cpu_16(x);
}

static inline bool
is_tag(uint16_t type)
{
    return type == TYPE_VLAN || type == TYPE_QINQ;
}

/* Parses layer 4 of protocol 'proto' at p->data + 'ofs', where the IP packet
 * has 'len' bytes left, of which 'room' are in the local copy.  Returns false
 * if it is not sound.  'is_frag' says that more of it is elsewhere.  'plain'
 * says that the key may have it. */
static bool
parse_l4(struct packet *p, uint8_t proto, uint32_t ofs, uint32_t len,
         bool is_frag, bool plain)
{
    struct nicsim_key *key = &p->key.k;
    const uint8_t *l4 = p->data + ofs;
    uint32_t room = p->local_len - ofs;
    uint32_t present, header;

    room = room < len ? room : len;
    switch (proto) {
    case IPPROTO_TCP:
        if (room < TCP_LEN) {
            return false;
        }
        header = (l4[12] >> 4) * 4;
        if (header < TCP_LEN || header > room) {
            return false;
        }
        present = NICSIM_P_TCP;
        break;

    case IPPROTO_UDP:
        if (room < UDP_LEN) {
            return false;
        }
        header = get_be16(l4 + 4);
        if (header < UDP_LEN || (!is_frag && header > len)) {
            return false;
        }
        present = NICSIM_P_UDP;
        break;

    case IPPROTO_SCTP:
        if (room < SCTP_LEN) {
            return false;
        }
        present = NICSIM_P_SCTP;
        break;

    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if (!(key->present & NICSIM_P_IPV4) != (proto == IPPROTO_ICMPV6)) {
            return true;        /* The other IP's: nothing special. */
        }
        if (room < ICMP_LEN) {
            return false;
        }
        present = proto == IPPROTO_ICMP ? NICSIM_P_ICMP : NICSIM_P_ICMP6;
        break;

    default:
        return true;
    }

    p->l4_ofs = ofs;
    p->l4_proto = proto;
    if (plain) {
        key->present |= present;
        if (present & (NICSIM_P_ICMP | NICSIM_P_ICMP6)) {
            key->icmp_type = l4[0];
            key->icmp_code = l4[1];
        } else {
            memcpy(&key->l4_src, l4, 2);
            memcpy(&key->l4_dst, l4 + 2, 2);
            if (present & NICSIM_P_TCP) {
                key->tcp_flags = rte_cpu_to_be_16(get_be16(l4 + 12) & 0xfff);
            }
        }
    }
    return true;
}

/* Parses IPv4 at offset 'ofs'.  Returns false if it, or what it holds, is not
 * sound. */
static bool
parse_ipv4(struct packet *p, uint32_t ofs)
{
    struct nicsim_key *key = &p->key.k;
    const uint8_t *l3 = p->data + ofs;
    uint32_t len, header;
    uint16_t frag;

    if (p->local_len < ofs + IPV4_LEN) {
        return false;
    }
    header = (l3[0] & 0xf) * 4;
    len = get_be16(l3 + 2);
    if (l3[0] >> 4 != 4 || header < IPV4_LEN || len < header
        || len > p->len - ofs || header > p->local_len - ofs) {
        return false;
    }
    p->l3_ofs = ofs;
    p->l3_len = len;
    key->present |= NICSIM_P_IPV4;
    if (header > IPV4_LEN) {
        key->present |= NICSIM_P_IP_OPTIONS;
    }
    key->ip_proto = l3[9];
    key->ip_tos = l3[1];
    key->ip_ttl = l3[8];
    memcpy(&key->ip_frag, l3 + 6, 2);
    memcpy(key->ip_src, l3 + 12, 4);
    memcpy(key->ip_dst, l3 + 16, 4);
    frag = rte_be_to_cpu_16(key->ip_frag);
    if (frag & 0x3fff) {
        key->present |= NICSIM_P_FRAG;
        if (frag & 0x1fff) {
            key->present |= NICSIM_P_LATER_FRAG;
            return true;
        }
    }
    return parse_l4(p, l3[9], ofs + header, len - header, frag & 0x3fff,
                    true);
}

/* The bit of an IPv6 extension header, or 0 if 'proto' is none. */
static uint32_t
ext_bit(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_HOPOPTS: return NICSIM_P_EXT_HOP;
    case IPPROTO_ROUTING: return NICSIM_P_EXT_ROUTE;
    case IPPROTO_FRAGMENT: return NICSIM_P_EXT_FRAG;
    case IPPROTO_AH: return NICSIM_P_EXT_AUTH;
    case IPPROTO_ESP: return NICSIM_P_EXT_ESP;
    case IPPROTO_DSTOPTS: return NICSIM_P_EXT_DEST;
    case IPPROTO_MH: return NICSIM_P_EXT_MOBIL;
    case PROTO_HIP: return NICSIM_P_EXT_HIP;
    case PROTO_SHIM6: return NICSIM_P_EXT_SHIM6;
    default: return 0;
    }
}

/* Parses IPv6 at offset 'ofs'.  Returns false if it, or what it holds, is not
 * sound. */
static bool
parse_ipv6(struct packet *p, uint32_t ofs)
{
    struct nicsim_key *key = &p->key.k;
    const uint8_t *l3 = p->data + ofs;
    uint32_t len, end, word, bit;
    bool plain = true;
    uint8_t proto;

    if (p->local_len < ofs + IPV6_LEN) {
        return false;
    }
    len = get_be16(l3 + 4) + IPV6_LEN;
    if (l3[0] >> 4 != 6 || len > p->len - ofs) {
        return false;
    }
    p->l3_ofs = ofs;
    p->l3_len = len;
    end = ofs + len;
    memcpy(&word, l3, 4);
    key->present |= NICSIM_P_IPV6;
    key->ip6_label = word & RTE_BE32(0xfffff);
    key->ip_tos = rte_be_to_cpu_32(word) >> 20;
    key->ip_proto = l3[6];
    key->ip_ttl = l3[7];
    memcpy(key->ip_src, l3 + 8, 16);
    memcpy(key->ip_dst, l3 + 24, 16);

    proto = l3[6];
    ofs += IPV6_LEN;
    while ((bit = ext_bit(proto)) != 0) {
        const uint8_t *ext = p->data + ofs;
        uint32_t header;

        plain = false;
        if (proto == IPPROTO_ESP) {
            key->present |= bit;        /* What follows is a secret. */
            return true;
        }
        if (ofs + 8 > p->local_len || ofs + 8 > end) {
            return false;
        }
        header = (proto == IPPROTO_FRAGMENT ? 8
                  : proto == IPPROTO_AH ? (ext[1] + 2) * 4
                  : (ext[1] + 1) * 8);
        if (ofs + header > p->local_len || ofs + header > end) {
            return false;
        }
        key->present |= bit;
        if (proto == IPPROTO_FRAGMENT) {
            memcpy(&key->ip_frag, ext + 2, 2);
            key->present |= NICSIM_P_FRAG;
            if (key->ip_frag & RTE_BE16(0xfff8)) {
                key->present |= NICSIM_P_LATER_FRAG;
                return true;
            }
        }
        proto = ext[0];
        ofs += header;
    }
    return parse_l4(p, proto, ofs, end - ofs, key->present & NICSIM_P_FRAG,
                    plain);
}

/* Fills 'p''s key, but for vport and mark, which it keeps, and the offsets of
 * its headers.  The packet has an Ethernet header at least. */
void
packet_parse(struct packet *p)
{
    struct nicsim_key *key = &p->key.k;
    uint32_t mark = key->mark;
    uint16_t vport = key->vport;
    const uint8_t *data = p->data;
    uint32_t ofs = ETH_LEN;
    uint16_t type;
    bool sound;

    memset(&p->key, 0, sizeof p->key);
    key->mark = mark;
    key->vport = vport;
    p->l3_ofs = p->l4_ofs = 0;
    p->l4_proto = 0;
    p->flags |= PACKET_PARSED;

    memcpy(key->eth_dst, data, 6);
    memcpy(key->eth_src, data + 6, 6);
    memcpy(&type, data + 12, 2);
    sound = true;
    if (is_tag(type)) {
        if (ofs + 4 > p->local_len) {
            key->eth_type = type;
            return;
        }
        key->present |= NICSIM_P_VLAN;
        key->vlan_tpid = type;
        memcpy(&key->vlan_tci, data + ofs, 2);
        memcpy(&type, data + ofs + 2, 2);
        ofs += 4;
        if (is_tag(type)) {
            if (ofs + 4 > p->local_len) {
                key->eth_type = type;
                return;
            }
            key->present |= NICSIM_P_VLAN2;
            key->vlan2_tpid = type;
            memcpy(&key->vlan2_tci, data + ofs, 2);
            memcpy(&type, data + ofs + 2, 2);
            ofs += 4;
        }
    }
    key->eth_type = type;
    if (type == TYPE_IPV4) {
        sound = parse_ipv4(p, ofs);
    } else if (type == TYPE_IPV6) {
        sound = parse_ipv6(p, ofs);
    }
    if (sound) {
        key->present |= NICSIM_P_SOUND;
    }
}
