/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "segment.h"

#include <rte_byteorder.h>

#include "packet.h"

/* A smaller one costs the NIC more than any stack asks for. */
#define MIN_MSS 48

#define TCP_SEQ_OFS    4
#define TCP_FLAGS_OFS 13
#define TCP_FIN     0x01
#define TCP_PSH     0x08
#define TCP_CWR     0x80

/* Prepares to cut 'frame', whose sender asked for it.  Returns false if that
 * makes no sense. */
bool
segment_start(struct segmenter *s, const struct packet *frame)
{
    bool ipv6 = frame->tx_flags & NICSIM_TX_IPV6;
    uint32_t l4_ofs = frame->tx_l2_len + frame->tx_l3_len;
    const uint8_t *l3 = frame->data + frame->tx_l2_len;
    const uint8_t *l4 = frame->data + l4_ofs;

    s->frame = frame;
    s->header = l4_ofs + frame->tx_l4_len;
    if (frame->tx_l2_len < 14 || frame->tx_l3_len < (ipv6 ? 40 : 20)
        || frame->tx_l4_len < 20 || frame->tx_l4_len > 60
        || frame->tx_mss < MIN_MSS || s->header > frame->local_len
        || l3[0] >> 4 != (ipv6 ? 6 : 4)) {
        return false;
    }
    s->payload = frame->len - s->header;
    s->done = 0;
    s->ended = false;
    s->frag = 0;
    s->frag_ofs = 0;
    memcpy(&s->ip_id, l3 + 4, 2);
    s->ip_id = rte_be_to_cpu_16(s->ip_id);
    memcpy(&s->seq, l4 + TCP_SEQ_OFS, 4);
    s->seq = rte_be_to_cpu_32(s->seq);
    return true;
}

/* Gives 'p' the next 'n' bytes of payload. */
static void
take_payload(struct segmenter *s, struct packet *p, uint32_t n)
{
    const struct packet *frame = s->frame;
    uint32_t local = frame->local_len - s->header;

    p->n_frags = 0;
    if (s->done < local) {
        uint32_t chunk = local - s->done;

        chunk = chunk < n ? chunk : n;
        p->frags[p->n_frags].data = frame->data + s->header + s->done;
        p->frags[p->n_frags++].len = chunk;
        n -= chunk;
    }
    while (n) {
        const struct packet_frag *frag = &frame->frags[s->frag];
        uint32_t chunk = frag->len - s->frag_ofs;

        chunk = chunk < n ? chunk : n;
        p->frags[p->n_frags].data = frag->data + s->frag_ofs;
        p->frags[p->n_frags++].len = chunk;
        n -= chunk;
        s->frag_ofs += chunk;
        if (s->frag_ofs == frag->len) {
            s->frag++;
            s->frag_ofs = 0;
        }
    }
}

/* Makes 'p' the next segment.  Returns false if there is none any more.  The
 * segment's checksums are still to be filled, as its flags say, and its
 * payload belongs to the frame. */
bool
segment_next(struct segmenter *s, struct packet *p)
{
    const struct packet *frame = s->frame;
    bool ipv6 = frame->tx_flags & NICSIM_TX_IPV6;
    uint32_t n = s->payload - s->done;
    uint8_t *l3, *l4;
    uint16_t x16;
    uint32_t x32;
    bool last;

    if (s->ended) {
        return false;
    }
    n = n < frame->tx_mss ? n : frame->tx_mss;
    last = s->done + n == s->payload;

    p->data = p->room + PACKET_HEADROOM;
    p->flags = 0;
    p->local_len = s->header;
    p->len = s->header + n;
    p->tx_flags = ((frame->tx_flags & ~NICSIM_TX_TSO) | NICSIM_TX_TCP_CSUM
                   | (ipv6 ? 0 : NICSIM_TX_IPV4_CSUM));
    p->tx_l2_len = frame->tx_l2_len;
    p->tx_l3_len = frame->tx_l3_len;
    p->tx_tci = frame->tx_tci;
    memcpy(p->data, frame->data, s->header);
    take_payload(s, p, n);

    l3 = p->data + p->tx_l2_len;
    l4 = l3 + p->tx_l3_len;
    x16 = p->tx_l3_len + frame->tx_l4_len + n - (ipv6 ? 40 : 0);
    x16 = rte_cpu_to_be_16(x16);
    memcpy(l3 + (ipv6 ? 4 : 2), &x16, 2);
    if (!ipv6) {
        x16 = rte_cpu_to_be_16(s->ip_id++);
        memcpy(l3 + 4, &x16, 2);
    }
    x32 = rte_cpu_to_be_32(s->seq + s->done);
    memcpy(l4 + TCP_SEQ_OFS, &x32, 4);
    if (!last) {
        l4[TCP_FLAGS_OFS] &= ~(TCP_FIN | TCP_PSH);
    }
    if (s->done) {
        l4[TCP_FLAGS_OFS] &= ~TCP_CWR;
    }
    s->done += n;
    s->ended = last;
    return true;
}
