/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "edit.h"

#include <netinet/in.h>
#include <rte_byteorder.h>

#include "checksum.h"
#include "packet.h"

#define MACS_LEN 12
#define TAG_LEN   4
#define ETH_LEN  14
#define IPV4_LEN 20
#define IPV6_LEN 40
#define UDP_LEN   8u
#define MPLS_LEN  4

/* Ports of tunnels, from and up to before. */
#define MIN_PORT 32768
#define MAX_PORT 61000

/* All of a packet's checksums that are known. */
#define CSUM_FLAGS (PACKET_IP_CSUM | PACKET_L4_CSUM | PACKET_CSUM_CHECKED)

static uint16_t
get_be16(const uint8_t *p)
{
    uint16_t x;

    memcpy(&x, p, 2);
    return rte_be_to_cpu_16(x);
}

static void
put_be16(uint8_t *p, uint16_t x)
{
    x = rte_cpu_to_be_16(x);
    memcpy(p, &x, 2);
}

static bool
is_tag(uint16_t type)
{
    return type == 0x8100 || type == 0x88a8;
}

static bool
is_mpls(uint16_t type)
{
    return type == 0x8847 || type == 0x8848;
}

/* Moves all offsets of headers behind Ethernet's by 'n' bytes. */
static void
move_offsets(struct packet *p, int n)
{
    p->l3_ofs += p->l3_ofs ? n : 0;
    p->l4_ofs += p->l4_ofs ? n : 0;
    p->inner.ofs += p->inner.ofs ? n : 0;
    p->inner.l3_ofs += p->inner.l3_ofs ? n : 0;
    p->inner.l4_ofs += p->inner.l4_ofs ? n : 0;
}

/* Inserts a tag.  'tpid' and 'tci' are in host order.  Returns false if there
 * is no room for it.  This works on a packet that was not parsed, too. */
bool
edit_push_vlan(struct packet *p, uint16_t tpid, uint16_t tci)
{
    uint16_t tag[2] = { rte_cpu_to_be_16(tpid), rte_cpu_to_be_16(tci) };

    if (p->data - p->room < TAG_LEN) {
        return false;
    }
    memmove(p->data - TAG_LEN, p->data, MACS_LEN);
    p->data -= TAG_LEN;
    memcpy(p->data + MACS_LEN, tag, sizeof tag);
    p->local_len += TAG_LEN;
    p->len += TAG_LEN;
    move_offsets(p, TAG_LEN);
    p->flags &= ~PACKET_PARSED;
    return true;
}

/* Removes the outer tag. */
void
edit_pop_vlan(struct packet *p)
{
    memmove(p->data + TAG_LEN, p->data, MACS_LEN);
    p->data += TAG_LEN;
    p->local_len -= TAG_LEN;
    p->len -= TAG_LEN;
    move_offsets(p, -TAG_LEN);
    p->flags &= ~PACKET_PARSED;
}

static bool
is_ipv4(const struct packet *p)
{
    return p->data[p->l3_ofs] >> 4 == 4;
}

/* Returns whether a router would not send 'p' on. */
bool
edit_ttl_expires(const struct packet *p)
{
    return p->data[p->l3_ofs + (is_ipv4(p) ? 8 : 7)] <= 1;
}

/* Mends the checksum of layer 4, if there is one, for 'n' bytes at 'ofs' that
 * are about to be overwritten by 'new'. */
static void
mend_l4(struct packet *p, uint32_t ofs, const void *new, uint32_t n)
{
    uint8_t *field = checksum_l4_field(p);

    if (field) {
        checksum_update(field, p->data + ofs, new, n);
        if (p->l4_proto == IPPROTO_UDP && !field[0] && !field[1]) {
            field[0] = field[1] = 0xff;
        }
    }
}

static void
set_address(struct packet *p, uint32_t ofs, const void *new, uint32_t n)
{
    ofs += p->l3_ofs;
    if (n == 4) {
        checksum_update(p->data + p->l3_ofs + 10, p->data + ofs, new, n);
    }
    mend_l4(p, ofs, new, n);
    memcpy(p->data + ofs, new, n);
}

/* Sets byte 'ofs' of the IPv4 header to 'value'. */
static void
set_ipv4_byte(struct packet *p, uint32_t ofs, uint8_t value)
{
    uint8_t *word = p->data + p->l3_ofs + (ofs & ~1u);
    uint8_t new[2] = { word[0], word[1] };

    new[ofs & 1] = value;
    checksum_update(p->data + p->l3_ofs + 10, word, new, 2);
    memcpy(word, new, 2);
}

static void
set_ttl(struct packet *p, uint8_t ttl)
{
    if (is_ipv4(p)) {
        set_ipv4_byte(p, 8, ttl);
    } else {
        p->data[p->l3_ofs + 7] = ttl;
    }
}

static void
set_port(struct packet *p, uint32_t ofs, const void *new)
{
    mend_l4(p, p->l4_ofs + ofs, new, 2);
    memcpy(p->data + p->l4_ofs + ofs, new, 2);
}

/* Puts 'n' bytes of the new 'value' in place of those bits of 'old' that
 * 'mask' has. */
static void
merge(uint8_t *new, const uint8_t *old, const struct nicsim_action *action,
      uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        new[i] = (old[i] & ~action->mask[i])
                 | (action->value[i] & action->mask[i]);
    }
}

/* Changes bits of the TOS or traffic class: those of the action's value and
 * mask, 'shift' places further to the left. */
static void
set_tos(struct packet *p, const struct nicsim_action *action, int shift)
{
    uint8_t mask = action->mask[0] << shift;
    uint8_t value = (action->value[0] << shift) & mask;
    uint8_t *l3 = p->data + p->l3_ofs;

    if (is_ipv4(p)) {
        set_ipv4_byte(p, 1, (l3[1] & ~mask) | value);
    } else {
        uint8_t tc = l3[0] << 4 | l3[1] >> 4;

        tc = (tc & ~mask) | value;
        l3[0] = (l3[0] & 0xf0) | tc >> 4;
        l3[1] = (l3[1] & 0x0f) | tc << 4;
    }
}

static void
set_field(struct packet *p, const struct nicsim_action *action)
{
    uint8_t *l3 = p->data + p->l3_ofs;
    uint8_t *l4 = p->data + p->l4_ofs;
    uint8_t new[16];

    switch (action->field) {
    case NICSIM_F_ETH_DST:
        merge(p->data, p->data, action, 6);
        break;

    case NICSIM_F_ETH_SRC:
        merge(p->data + 6, p->data + 6, action, 6);
        break;

    case NICSIM_F_IPV4_SRC:
        merge(new, l3 + 12, action, 4);
        set_address(p, 12, new, 4);
        break;

    case NICSIM_F_IPV4_DST:
        merge(new, l3 + 16, action, 4);
        set_address(p, 16, new, 4);
        break;

    case NICSIM_F_IPV6_SRC:
        merge(new, l3 + 8, action, 16);
        set_address(p, 8, new, 16);
        break;

    case NICSIM_F_IPV6_DST:
        merge(new, l3 + 24, action, 16);
        set_address(p, 24, new, 16);
        break;

    case NICSIM_F_IP_TTL:
        merge(new, l3 + (is_ipv4(p) ? 8 : 7), action, 1);
        set_ttl(p, new[0]);
        break;

    case NICSIM_F_IPV4_DSCP:
    case NICSIM_F_IPV6_DSCP:
        set_tos(p, action, 2);
        break;

    case NICSIM_F_IPV4_ECN:
    case NICSIM_F_IPV6_ECN:
        set_tos(p, action, 0);
        break;

    case NICSIM_F_TP_SRC:
        merge(new, l4, action, 2);
        set_port(p, 0, new);
        break;

    case NICSIM_F_TP_DST:
        merge(new, l4 + 2, action, 2);
        set_port(p, 2, new);
        break;

    case NICSIM_F_VLAN_VID:
        merge(p->data + MACS_LEN + 2, p->data + MACS_LEN + 2, action, 2);
        break;
    }
}

/* Removes the first label stack entry and says that what is behind it is of
 * 'type'.  Returns false if there is none, though the packet was parsed. */
static bool
pop_mpls(struct packet *p, uint16_t type)
{
    uint32_t ofs = MACS_LEN;

    while (ofs + 2 + MPLS_LEN <= p->local_len
           && is_tag(get_be16(p->data + ofs))) {
        ofs += TAG_LEN;
    }
    if (ofs + 2 + MPLS_LEN > p->local_len) {
        return false;
    }
    memmove(p->data + MPLS_LEN, p->data, ofs);
    p->data += MPLS_LEN;
    p->local_len -= MPLS_LEN;
    p->len -= MPLS_LEN;
    put_be16(p->data + ofs, type);
    return true;
}

/* Removes the first 'n' bytes, of layer 2.  What is known of the layers above
 * is of no use any more: there will be a label in front of them. */
static bool
decap_l2(struct packet *p, uint32_t n)
{
    if (p->local_len < n) {
        return false;
    }
    p->data += n;
    p->local_len -= n;
    p->len -= n;
    p->l3_ofs = p->l4_ofs = p->inner.ofs = 0;
    p->flags &= ~CSUM_FLAGS;
    return true;
}

/* Removes all that is in front of the inner headers. */
static bool
decap(struct packet *p)
{
    const struct packet_inner inner = p->inner;
    uint32_t n = inner.ofs;

    if (!n || p->local_len < n + ETH_LEN) {
        return false;
    }
    p->data += n;
    p->local_len -= n;
    p->len -= n;
    p->l3_ofs = inner.l3_ofs ? inner.l3_ofs - n : 0;
    p->l4_ofs = inner.l4_ofs ? inner.l4_ofs - n : 0;
    p->l4_proto = inner.l4_proto;
    p->l3_len = inner.l3_len;
    p->inner.ofs = 0;
    p->flags &= ~CSUM_FLAGS;
    return true;
}

/* Takes the 'n' bytes of 'data', to be pushed, apart into 'e'.  Returns NULL,
 * or why that can't be done. */
const char *
edit_check_encap(const uint8_t *data, uint32_t n, struct encap *e)
{
    uint32_t ofs = MACS_LEN;
    uint16_t type, gre;

    memset(e, 0, sizeof *e);
    if (n > NICSIM_MAX_ENCAP) {
        return "the header is too long";
    }
    while (ofs + 2 <= n && is_tag(get_be16(data + ofs))) {
        ofs += TAG_LEN;
        e->n_tags++;
    }
    if (ofs + 2 > n) {
        return "there is no Ethernet header";
    }
    if (e->n_tags > 2) {
        return "there is a third tag";
    }
    type = get_be16(data + ofs);
    if (is_mpls(type)) {
        e->mpls = true;
        return (ofs + 2 + MPLS_LEN == n ? NULL
                : "Ethernet of MPLS is not followed by one label");
    }
    e->l3_ofs = ofs + 2;
    e->ipv6 = type == 0x86dd;
    e->l4_ofs = e->l3_ofs + (e->ipv6 ? IPV6_LEN : IPV4_LEN);
    if ((type != 0x0800 && !e->ipv6) || e->l4_ofs > n
        || (e->ipv6 ? data[e->l3_ofs] >> 4 != 6
            : data[e->l3_ofs] != 0x45)) {
        return "Ethernet is not followed by IPv6, or by IPv4 without options";
    }
    if (!e->ipv6 && get_be16(data + e->l3_ofs + 6) & 0x3fff) {
        return "the IPv4 header is a fragment's";
    }
    e->l4_proto = data[e->l3_ofs + (e->ipv6 ? 6 : 9)];
    if (e->l4_proto == IPPROTO_UDP) {
        return e->l4_ofs + UDP_LEN <= n ? NULL : "the UDP header is cut";
    }
    if (e->l4_proto != IPPROTO_GRE) {
        return "IP is followed neither by UDP nor by GRE";
    }
    if (e->l4_ofs + 4u > n) {
        return "the GRE header is cut";
    }
    gre = get_be16(data + e->l4_ofs);
    if (gre & 0x1000) {
        return "GRE's sequence numbers";
    }
    if (gre & ~0xa000) {
        return "unknown flags of GRE";
    }
    return (e->l4_ofs + 4u + (gre & 0x8000 ? 4 : 0) + (gre & 0x2000 ? 4 : 0)
            == n ? NULL : "the GRE header has another length than it says");
}

/* Pushes the 'n' bytes of 'data', which were checked, in front of 'p' and
 * fills in what depends on 'p'. */
static bool
encap(struct packet *p, const uint8_t *data, uint32_t n)
{
    uint32_t l3_len, l4_len;
    struct encap e;
    uint8_t *l3, *l4;

    if ((uint32_t) (p->data - p->room) < n || edit_check_encap(data, n, &e)
        || p->len + n - e.l3_ofs > UINT16_MAX) {
        return false;
    }
    p->data -= n;
    p->local_len += n;
    p->len += n;
    memcpy(p->data, data, n);
    if (e.mpls) {
        return true;
    }
    l3 = p->data + e.l3_ofs;
    l4 = p->data + e.l4_ofs;
    l3_len = p->len - e.l3_ofs;
    l4_len = p->len - e.l4_ofs;
    p->flags &= ~CSUM_FLAGS;
    if (e.ipv6) {
        put_be16(l3 + 4, l4_len);
    } else {
        put_be16(l3 + 2, l3_len);
        checksum_fill_ipv4(l3);
        p->flags |= PACKET_IP_CSUM_GOOD;
    }
    if (e.l4_proto == IPPROTO_UDP) {
        if (!l4[0] && !l4[1]) {
            put_be16(l4, MIN_PORT + ((uint64_t) p->entropy
                                     * (MAX_PORT - MIN_PORT) >> 32));
        }
        put_be16(l4 + 4, l4_len);
        if (l4[6] || l4[7]) {
            checksum_fill_l4(p, e.l3_ofs, e.ipv6, IPPROTO_UDP, e.l4_ofs, 6,
                             l4_len);
            p->flags |= PACKET_L4_CSUM_GOOD;
        }
    } else if (l4[0] & 0x80) {
        checksum_fill_gre(p, e.l4_ofs, l4_len);
    }
    p->l3_ofs = e.l3_ofs;
    p->l4_ofs = e.l4_proto == IPPROTO_UDP ? e.l4_ofs : 0;
    p->l4_proto = IPPROTO_UDP;
    p->l3_len = l3_len;
    p->inner.ofs = 0;
    return true;
}

/* Does 'action', one of those that change the packet, of a rule with 'data'.
 * Returns false if it can't be done. */
bool
edit_apply(struct packet *p, const struct nicsim_action *action,
           const uint8_t *data)
{
    uint8_t *tci = p->data + MACS_LEN + 2;
    uint8_t *l3 = p->data + p->l3_ofs;

    p->flags &= ~PACKET_PARSED;
    switch (action->type) {
    case NICSIM_ACT_SET_FIELD:
        set_field(p, action);
        return true;

    case NICSIM_ACT_DEC_TTL:
        set_ttl(p, l3[is_ipv4(p) ? 8 : 7] - 1);
        return true;

    case NICSIM_ACT_DECAP:
        return (action->arg && action->arg <= NICSIM_MAX_L2
                ? decap_l2(p, action->arg) : decap(p));

    case NICSIM_ACT_ENCAP:
        return encap(p, data + action->arg, action->field);

    case NICSIM_ACT_POP_MPLS:
        return pop_mpls(p, action->arg);

    case NICSIM_ACT_POP_VLAN:
        edit_pop_vlan(p);
        return true;

    case NICSIM_ACT_PUSH_VLAN:
        return edit_push_vlan(p, action->arg, 0);

    case NICSIM_ACT_SET_VLAN_VID:
        tci[0] = (tci[0] & 0xf0) | action->arg >> 8;
        tci[1] = action->arg;
        return true;

    case NICSIM_ACT_SET_VLAN_PCP:
        tci[0] = (tci[0] & 0x1f) | action->arg << 5;
        return true;

    default:
        return false;
    }
}
