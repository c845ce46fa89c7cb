/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "parser.h"

#include <errno.h>
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

#define ARP_LEN       28
#define ND_LEN        24        /* With the target, without options. */
#define MPLS_LEN       4
#define VXLAN_LEN      8        /* GPE's and Geneve's, too. */
#define GRE_LEN        4

#define TYPE_IPV4  RTE_BE16(0x0800)
#define TYPE_ARP   RTE_BE16(0x0806)
#define TYPE_MPLS  RTE_BE16(0x8847)
#define TYPE_MPLS2 RTE_BE16(0x8848)
#define TYPE_TEB   RTE_BE16(0x6558)
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

/* A stack of headers that is being parsed: outer or inner ones. */
struct stack {
    struct packet *p;
    struct nicsim_key *key;
    uint16_t l3_ofs, l4_ofs;            /* As in struct packet. */
    uint8_t l4_proto;
    uint32_t l3_len;
};

/* Takes the target and the link layer addresses from the 'len' bytes of a
 * neighbor solicitation or advertisement.  One that has an option twice, which
 * nobody can rely on, counts as none; what is behind an option without sense
 * is not looked at. */
static void
parse_nd(struct nicsim_key *key, const uint8_t *l4, uint32_t len)
{
    static const uint8_t zero[6];
    uint32_t ofs = ND_LEN;

    if (l4[1] || len < ND_LEN) {
        return;
    }
    while (len - ofs >= 8) {
        const uint8_t *opt = l4 + ofs;
        uint32_t n = opt[1] * 8;

        if (!n || n > len - ofs) {
            break;
        }
        if ((opt[0] == 1 || opt[0] == 2) && n == 8) {
            uint8_t *addr = opt[0] == 1 ? key->arp_sha : key->arp_tha;

            if (memcmp(addr, zero, sizeof zero)) {
                memset(key->arp_sha, 0, sizeof key->arp_sha);
                memset(key->arp_tha, 0, sizeof key->arp_tha);
                return;
            }
            memcpy(addr, opt + 2, 6);
        }
        ofs += n;
    }
    memcpy(key->nd_target, l4 + 8, 16);
    key->present |= NICSIM_P_ND;
}

/* Parses layer 4 of protocol 'proto' at p->data + 'ofs', where the IP packet
 * has 'len' bytes left, of which 'room' are in the local copy.  Returns false
 * if it is not sound.  'is_frag' says that more of it is elsewhere.  'plain'
 * says that the key may have it. */
static bool
parse_l4(struct stack *s, uint8_t proto, uint32_t ofs, uint32_t len,
         bool is_frag, bool plain)
{
    struct nicsim_key *key = s->key;
    const uint8_t *l4 = s->p->data + ofs;
    uint32_t room = s->p->local_len - ofs;
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

    s->l4_ofs = ofs;
    s->l4_proto = proto;
    if (plain) {
        key->present |= present;
        if (present & (NICSIM_P_ICMP | NICSIM_P_ICMP6)) {
            key->icmp_type = l4[0];
            key->icmp_code = l4[1];
            if (present & NICSIM_P_ICMP6 && (l4[0] == 135 || l4[0] == 136)
                && room == len) {
                parse_nd(key, l4, room);
            }
        } else {
            memcpy(&key->l4_src, l4, 2);
            memcpy(&key->l4_dst, l4 + 2, 2);
            if (present & NICSIM_P_TCP) {
                key->tcp_flags = rte_cpu_to_be_16(get_be16(l4 + 12) & 0xfff);
            } else if (present & NICSIM_P_UDP && (l4[6] || l4[7])) {
                key->present |= NICSIM_P_UDP_CSUM;
            }
        }
    }
    return true;
}

/* Parses IPv4 at offset 'ofs'.  Returns false if it, or what it holds, is not
 * sound. */
static bool
parse_ipv4(struct stack *s, uint32_t ofs)
{
    const struct packet *p = s->p;
    struct nicsim_key *key = s->key;
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
    s->l3_ofs = ofs;
    s->l3_len = len;
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
    return parse_l4(s, l3[9], ofs + header, len - header, frag & 0x3fff,
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
parse_ipv6(struct stack *s, uint32_t ofs)
{
    const struct packet *p = s->p;
    struct nicsim_key *key = s->key;
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
    s->l3_ofs = ofs;
    s->l3_len = len;
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

        /* Even if it is cut: who asks for a packet without extension headers
         * is not to get one whose chain breaks off. */
        key->present |= bit;
        plain = false;
        if (proto == IPPROTO_ESP) {
            return true;                /* What follows is a secret. */
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
        if (proto == IPPROTO_FRAGMENT) {
            key->ip6_frag_next = ext[0];
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
    return parse_l4(s, proto, ofs, end - ofs, key->present & NICSIM_P_FRAG,
                    plain);
}

/* Parses MPLS at offset 'ofs'.  What it holds is not announced. */
static bool
parse_mpls(struct stack *s, uint32_t ofs)
{
    if (s->p->local_len < ofs + MPLS_LEN) {
        return false;
    }
    memcpy(&s->key->mpls, s->p->data + ofs, MPLS_LEN);
    s->key->present |= NICSIM_P_MPLS;
    return true;
}

/* Parses ARP at offset 'ofs'.  Other forms than that for IPv4 over Ethernet
 * are nothing special. */
static bool
parse_arp(struct stack *s, uint32_t ofs)
{
    static const uint8_t form[] = { 0, 1, 8, 0, 6, 4 };
    const uint8_t *arp = s->p->data + ofs;
    struct nicsim_key *key = s->key;

    if (s->p->local_len < ofs + ARP_LEN || memcmp(arp, form, sizeof form)) {
        return true;
    }
    key->present |= NICSIM_P_ARP;
    memcpy(&key->arp_oper, arp + 6, 2);
    memcpy(key->arp_sha, arp + 8, 6);
    memcpy(key->ip_src, arp + 14, 4);
    memcpy(key->arp_tha, arp + 18, 6);
    memcpy(key->ip_dst, arp + 24, 4);
    return true;
}

/* Fills 's' and its key, which is zeroed, from the Ethernet header at offset
 * 'ofs' of the packet on. */
static void
parse_stack(struct stack *s, uint32_t ofs)
{
    const struct packet *p = s->p;
    struct nicsim_key *key = s->key;
    const uint8_t *data = p->data + ofs;
    uint16_t type;
    bool sound;

    memcpy(key->eth_dst, data, 6);
    memcpy(key->eth_src, data + 6, 6);
    memcpy(&type, data + 12, 2);
    ofs += ETH_LEN;
    sound = true;
    if (is_tag(type)) {
        if (ofs + 4 > p->local_len) {
            key->eth_type = type;
            return;
        }
        key->present |= NICSIM_P_VLAN;
        key->vlan_tpid = type;
        memcpy(&key->vlan_tci, p->data + ofs, 2);
        memcpy(&type, p->data + ofs + 2, 2);
        ofs += 4;
        if (is_tag(type)) {
            if (ofs + 4 > p->local_len) {
                key->eth_type = type;
                return;
            }
            key->present |= NICSIM_P_VLAN2;
            key->vlan2_tpid = type;
            memcpy(&key->vlan2_tci, p->data + ofs, 2);
            memcpy(&type, p->data + ofs + 2, 2);
            ofs += 4;
        }
    }
    key->eth_type = type;
    if (type == TYPE_IPV4) {
        sound = parse_ipv4(s, ofs);
    } else if (type == TYPE_IPV6) {
        sound = parse_ipv6(s, ofs);
    } else if (type == TYPE_ARP) {
        sound = parse_arp(s, ofs);
    } else if (type == TYPE_MPLS || type == TYPE_MPLS2) {
        sound = parse_mpls(s, ofs);
    }
    if (sound) {
        key->present |= NICSIM_P_SOUND;
    }
}

/* Fills the outer headers of 'p''s key, and says that there is no tunnel, and
 * the offsets of its headers.  The packet has an Ethernet header at least. */
void
packet_parse(struct packet *p)
{
    struct stack s = { .p = p, .key = &p->key.k };

    memset(&p->key.k, 0, sizeof p->key.k);
    if (p->key.tunnel.type) {
        memset(&p->key.tunnel, 0, sizeof p->key.tunnel);
        memset(&p->key.inner, 0, sizeof p->key.inner);
    }
    p->inner.ofs = 0;
    parse_stack(&s, 0);
    p->l3_ofs = s.l3_ofs;
    p->l4_ofs = s.l4_ofs;
    p->l4_proto = s.l4_proto;
    p->l3_len = s.l3_len;
    p->flags |= PACKET_PARSED;
}

/* Returns the length of the GRE header at 'gre', of which 'room' bytes are
 * there, or 0 if there is none that can be understood. */
static uint32_t
gre_length(const uint8_t *gre, uint32_t room)
{
    uint32_t len = GRE_LEN;

    /* Checksum, key and sequence number, each of 4 bytes, in this order. */
    if (room < GRE_LEN || gre[0] & 0x4f || gre[1]) {
        return 0;
    }
    len += gre[0] & 0x80 ? 4 : 0;
    len += gre[0] & 0x20 ? 4 : 0;
    len += gre[0] & 0x10 ? 4 : 0;
    return len <= room ? len : 0;
}

/* Takes the header of a tunnel of 'type' at offset 'ofs' of 'p' into
 * 'tunnel'.  Returns the offset of what is in it, or 0 if that is no Ethernet
 * frame. */
static uint32_t
parse_tunnel_header(const struct packet *p, uint8_t type, uint32_t ofs,
                    struct nicsim_tunnel *tunnel)
{
    const uint8_t *header = p->data + ofs;
    uint32_t room = p->local_len - ofs;
    uint32_t n_opts = 0, n;

    if (type == NICSIM_TUNNEL_GRE) {
        n = gre_length(header, room);
        if (!n || memcmp(header + 2, &(uint16_t) { TYPE_TEB }, 2)) {
            return 0;
        }
        memcpy(tunnel->header, header, GRE_LEN);
        if (header[0] & 0x20) {
            memcpy(tunnel->header + 4,
                   header + GRE_LEN + (header[0] & 0x80 ? 4 : 0), 4);
        }
        return ofs + n;
    }

    if (room < VXLAN_LEN) {
        return 0;
    }
    if (type == NICSIM_TUNNEL_GENEVE) {
        n_opts = (header[0] & 0x3f) * 4;
        if (header[0] >> 6 || room < VXLAN_LEN + n_opts
            || memcmp(header + 2, &(uint16_t) { TYPE_TEB }, 2)) {
            return 0;
        }
        n = n_opts < NICSIM_GENEVE_OPTS ? n_opts : NICSIM_GENEVE_OPTS;
        memcpy(tunnel->options, header + VXLAN_LEN, n);
    } else if (type == NICSIM_TUNNEL_VXLAN_GPE
               && header[3] != 3) {     /* Ethernet. */
        return 0;
    }
    memcpy(tunnel->header, header, VXLAN_LEN);
    return ofs + VXLAN_LEN + n_opts;
}

/* Looks for a tunnel in 'p', whose outer headers were parsed, and fills the
 * rest of its key. */
void
packet_parse_tunnel(const struct parser *parser, struct packet *p)
{
    struct nicsim_key *key = &p->key.k;
    uint8_t type = NICSIM_TUNNEL_NONE;
    struct nicsim_tunnel tunnel;
    uint32_t ofs;

    if (key->present & NICSIM_P_FRAG
        || !(key->present & (NICSIM_P_IPV4 | NICSIM_P_IPV6))) {
        return;
    }
    if (key->present & NICSIM_P_UDP) {
        for (uint32_t i = 0; i < PARSER_PORTS; i++) {
            if (parser->ports[i].n_rules
                && parser->ports[i].port == key->l4_dst) {
                type = parser->ports[i].type;
                break;
            }
        }
        ofs = p->l4_ofs + UDP_LEN;
    } else if (key->ip_proto == IPPROTO_GRE && parser->n_gre) {
        type = NICSIM_TUNNEL_GRE;
        ofs = p->l3_ofs + (key->present & NICSIM_P_IPV6 ? IPV6_LEN
                           : (p->data[p->l3_ofs] & 0xf) * 4);
    }
    if (type == NICSIM_TUNNEL_NONE) {
        return;
    }
    packet_pull_more(p, PACKET_TUNNEL);
    memset(&tunnel, 0, sizeof tunnel);
    ofs = parse_tunnel_header(p, type, ofs, &tunnel);
    if (ofs && ofs + ETH_LEN <= p->local_len
        && ofs + ETH_LEN <= p->l3_ofs + p->l3_len) {
        struct stack s = { .p = p, .key = &p->key.inner };

        memset(&p->key.inner, 0, sizeof p->key.inner);
        parse_stack(&s, ofs);
        p->inner.ofs = ofs;
        p->inner.l3_ofs = s.l3_ofs;
        p->inner.l4_ofs = s.l4_ofs;
        p->inner.l4_proto = s.l4_proto;
        p->inner.l3_len = s.l3_len;
        tunnel.type = type;
        p->key.tunnel = tunnel;
    }
}

/* The UDP port that 'match' is to find a tunnel behind, in network byte
 * order. */
static bool
tunnel_port(const struct nicsim_match *key, const struct nicsim_match *mask,
            uint16_t *port)
{
    *port = key->outer.l4_dst;
    return (mask->tunnel.type && key->tunnel.type != NICSIM_TUNNEL_NONE
            && key->tunnel.type != NICSIM_TUNNEL_GRE);
}

/* The place in 'parser' of 'port', or if it is in none the first free one, or
 * -1. */
static int
find_port(const struct parser *parser, uint16_t port)
{
    int place = -1;

    for (int i = 0; i < PARSER_PORTS; i++) {
        if (!parser->ports[i].n_rules) {
            place = place < 0 ? i : place;
        } else if (parser->ports[i].port == port) {
            return i;
        }
    }
    return place;
}

/* Returns 0 if 'parser' could learn what a rule has to match, EEXIST if the
 * port is another tunnel's, or ENOSPC. */
int
parser_check(const struct parser *parser, const struct nicsim_match *key,
             const struct nicsim_match *mask)
{
    uint16_t port;
    int i;

    if (!tunnel_port(key, mask, &port)) {
        return 0;
    }
    i = find_port(parser, port);
    return (i < 0 ? ENOSPC
            : parser->ports[i].n_rules
              && parser->ports[i].type != key->tunnel.type ? EEXIST
            : 0);
}

/* Counts a rule that parser_check() allowed. */
void
parser_learn(struct parser *parser, const struct nicsim_match *key,
             const struct nicsim_match *mask)
{
    uint16_t port;

    if (tunnel_port(key, mask, &port)) {
        int i = find_port(parser, port);

        parser->ports[i].port = port;
        parser->ports[i].type = key->tunnel.type;
        parser->ports[i].n_rules++;
        parser->n_tunnels++;
    } else if (mask->tunnel.type && key->tunnel.type == NICSIM_TUNNEL_GRE) {
        parser->n_gre++;
        parser->n_tunnels++;
    }
    if (mask->outer.present & (NICSIM_P_IP_OK | NICSIM_P_L4_OK)) {
        parser->n_checksums++;
    }
}

/* Takes back what parser_learn() did. */
void
parser_forget(struct parser *parser, const struct nicsim_match *key,
              const struct nicsim_match *mask)
{
    uint16_t port;

    if (tunnel_port(key, mask, &port)) {
        parser->ports[find_port(parser, port)].n_rules--;
        parser->n_tunnels--;
    } else if (mask->tunnel.type && key->tunnel.type == NICSIM_TUNNEL_GRE) {
        parser->n_gre--;
        parser->n_tunnels--;
    }
    if (mask->outer.present & (NICSIM_P_IP_OK | NICSIM_P_L4_OK)) {
        parser->n_checksums--;
    }
}
