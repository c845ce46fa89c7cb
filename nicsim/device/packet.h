/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * A packet in flight.
 * ===================
 *
 * The headers are a copy of the device's own, with head room for tags, since
 * they are looked at more than once and rewritten, and the sender could change
 * them in between.  What comes behind stays where the sender put it, in its
 * memory or in an mbuf of the wire, and is copied once, to the receiver.
 *
 * A packet lives no longer than the burst in which it was fetched. */

#ifndef NICSIM_PACKET_H
#define NICSIM_PACKET_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "nicsim/hw.h"

#define PACKET_HEADROOM  256    /* For tags and a tunnel's headers. */
#define PACKET_LOCAL     192    /* Bytes that are copied at first; headers
                                 * have to be within these ... */
#define PACKET_TUNNEL    448    /* ... or, both stacks of a packet in a
                                 * tunnel, within these. */

/* What is known about a packet's checksums. */
#define PACKET_IP_CSUM_GOOD  (1 << 0)
#define PACKET_IP_CSUM_BAD   (1 << 1)
#define PACKET_L4_CSUM_GOOD  (1 << 2)
#define PACKET_L4_CSUM_BAD   (1 << 3)
#define PACKET_IP_CSUM (PACKET_IP_CSUM_GOOD | PACKET_IP_CSUM_BAD)
#define PACKET_L4_CSUM (PACKET_L4_CSUM_GOOD | PACKET_L4_CSUM_BAD)
#define PACKET_CSUM_CHECKED  (1 << 4)   /* All that could be was checked. */
#define PACKET_PARSED        (1 << 5)   /* 'key' and offsets are right. */
#define PACKET_MARKED        (1 << 6)   /* 'key.meta.mark' is to be shown. */
#define PACKET_META          (1 << 7)   /* 'key.meta.meta' is to be shown. */
#define PACKET_COPY          (1 << 8)   /* Made by SAMPLE: not counted. */

/* What rules match, also as words to be masked and hashed. */
#define KEY_WORDS 42
union key {
    struct nicsim_match match;
    struct {
        struct nicsim_meta meta;
        struct nicsim_key k;            /* The outer headers. */
        struct nicsim_tunnel tunnel;
        struct nicsim_key inner;
    };
    uint64_t w[KEY_WORDS];
};
_Static_assert(sizeof(struct nicsim_match) == KEY_WORDS * 8,
               "KEY_WORDS is the size of struct nicsim_match");

/* Where the headers in a tunnel are, counted from the packet's start. */
struct packet_inner {
    uint16_t ofs;               /* Of Ethernet, or 0 without a tunnel. */
    uint16_t l3_ofs, l4_ofs;
    uint8_t l4_proto;
    uint32_t l3_len;
};

struct packet_frag {
    const uint8_t *data;
    uint32_t len;
};

struct packet {
    uint8_t *data;              /* First byte, in 'room'. */
    uint32_t local_len;         /* Bytes there are at 'data' ... */
    uint32_t len;               /* ... of so many in all, with 'frags'. */
    uint16_t n_frags;
    uint16_t flags;             /* PACKET_*. */
    uint16_t in_vport;

    /* Set by packet_parse(). */
    uint16_t l3_ofs;            /* 0 if there is no (sound) layer 3. */
    uint16_t l4_ofs;            /* 0 if there is no (sound) layer 4. */
    uint8_t l4_proto;           /* IPPROTO_TCP, UDP, SCTP, ICMP, ICMPV6. */
    uint32_t l3_len;            /* Bytes of layer 3 and all that it holds. */

    /* Set by packet_parse_tunnel(). */
    struct packet_inner inner;

    /* What the sender asked for. */
    uint16_t tx_flags;          /* NICSIM_TX_*. */
    uint16_t tx_l2_len, tx_l3_len, tx_l4_len, tx_mss, tx_tci;

    struct rule *rule;          /* Result of a lookup. */
    uint32_t group;             /* Where to look it up. */
    uint32_t entropy;           /* Hash for the source ports of tunnels. */
    uint16_t n_jumps;           /* So far. */
    union key key;

    _Alignas(64) uint8_t room[PACKET_HEADROOM + PACKET_TUNNEL];
    struct packet_frag frags[NICSIM_MAX_TX_SEGS + 1];   /* A segment has one
                                                         * more. */
};

/* Takes the first bytes of 'frags' to the local copy.  'len' and 'frags' were
 * set by the caller. */
static inline void
packet_pull(struct packet *p)
{
    struct packet_frag *frag = p->frags;

    p->data = p->room + PACKET_HEADROOM;
    p->flags = 0;
    if (frag->len > PACKET_LOCAL) {
        memcpy(p->data, frag->data, PACKET_LOCAL);
        frag->data += PACKET_LOCAL;
        frag->len -= PACKET_LOCAL;
        p->local_len = PACKET_LOCAL;
    } else if (p->n_frags == 1) {
        memcpy(p->data, frag->data, frag->len);
        p->local_len = frag->len;
        p->n_frags = 0;
    } else {
        uint32_t ofs = 0;
        uint16_t i;

        for (i = 0; i < p->n_frags && ofs < PACKET_LOCAL; i++) {
            uint32_t n = p->frags[i].len;

            if (n > PACKET_LOCAL - ofs) {
                n = PACKET_LOCAL - ofs;
            }
            memcpy(p->data + ofs, p->frags[i].data, n);
            ofs += n;
            if (n < p->frags[i].len) {
                p->frags[i].data += n;
                p->frags[i].len -= n;
                break;
            }
        }
        memmove(p->frags, p->frags + i,
                (p->n_frags - i) * sizeof p->frags[0]);
        p->n_frags -= i;
        p->local_len = ofs;
    }
}

/* Takes bytes to the local copy until it has 'n', as far as there is room for
 * them, or all. */
static inline void
packet_pull_more(struct packet *p, uint32_t n)
{
    uint32_t room = p->room + sizeof p->room - p->data;
    uint16_t i = 0;

    n = n < room ? n : room;
    while (p->local_len < n && i < p->n_frags) {
        struct packet_frag *frag = &p->frags[i];
        uint32_t chunk = n - p->local_len;

        chunk = chunk < frag->len ? chunk : frag->len;
        memcpy(p->data + p->local_len, frag->data, chunk);
        p->local_len += chunk;
        frag->data += chunk;
        frag->len -= chunk;
        i += !frag->len;
    }
    if (i) {
        p->n_frags -= i;
        memmove(p->frags, p->frags + i, p->n_frags * sizeof p->frags[0]);
    }
}

/* Makes 'to' a packet of its own that is as 'from' is now; what is behind the
 * local copy is shared. */
static inline void
packet_copy(struct packet *to, const struct packet *from)
{
    size_t ofs = from->data - from->room;

    memcpy(to, from, offsetof(struct packet, room));
    to->data = to->room + ofs;
    memcpy(to->data, from->data, from->local_len);
    memcpy(to->frags, from->frags, from->n_frags * sizeof from->frags[0]);
}

/* Copies 'n' bytes from offset 'ofs' of the packet to 'dst'.  The caller
 * ensures that there are as many. */
static inline void
packet_read(const struct packet *p, uint32_t ofs, uint8_t *dst, uint32_t n)
{
    uint16_t i = 0;

    if (ofs < p->local_len) {
        uint32_t chunk = p->local_len - ofs;

        chunk = chunk < n ? chunk : n;
        memcpy(dst, p->data + ofs, chunk);
        dst += chunk;
        n -= chunk;
        ofs = 0;
    } else {
        ofs -= p->local_len;
    }
    while (n) {
        const struct packet_frag *frag = &p->frags[i++];
        uint32_t chunk;

        if (ofs >= frag->len) {
            ofs -= frag->len;
            continue;
        }
        chunk = frag->len - ofs;
        chunk = chunk < n ? chunk : n;
        memcpy(dst, frag->data + ofs, chunk);
        dst += chunk;
        n -= chunk;
        ofs = 0;
    }
}

#endif /* nicsim/device/packet.h */
