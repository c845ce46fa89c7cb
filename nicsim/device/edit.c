/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "edit.h"

#include <netinet/in.h>
#include <rte_byteorder.h>

#include "checksum.h"
#include "packet.h"

#define MACS_LEN 12
#define TAG_LEN   4

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
    p->l3_ofs += p->l3_ofs ? TAG_LEN : 0;
    p->l4_ofs += p->l4_ofs ? TAG_LEN : 0;
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
    p->l3_ofs -= p->l3_ofs ? TAG_LEN : 0;
    p->l4_ofs -= p->l4_ofs ? TAG_LEN : 0;
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

static void
set_field(struct packet *p, const struct nicsim_action *action)
{
    const uint8_t *value = action->value;
    uint8_t *l3 = p->data + p->l3_ofs;

    switch (action->field) {
    case NICSIM_F_ETH_DST:
        memcpy(p->data, value, 6);
        break;

    case NICSIM_F_ETH_SRC:
        memcpy(p->data + 6, value, 6);
        break;

    case NICSIM_F_IPV4_SRC:
        set_address(p, 12, value, 4);
        break;

    case NICSIM_F_IPV4_DST:
        set_address(p, 16, value, 4);
        break;

    case NICSIM_F_IPV6_SRC:
        set_address(p, 8, value, 16);
        break;

    case NICSIM_F_IPV6_DST:
        set_address(p, 24, value, 16);
        break;

    case NICSIM_F_IP_TTL:
        set_ttl(p, value[0]);
        break;

    case NICSIM_F_IPV4_DSCP:
        set_ipv4_byte(p, 1, value[0] << 2 | (l3[1] & 3));
        break;

    case NICSIM_F_IPV6_DSCP:
        l3[0] = (l3[0] & 0xf0) | value[0] >> 2;
        l3[1] = (l3[1] & 0x3f) | (value[0] & 3) << 6;
        break;

    case NICSIM_F_TP_SRC:
        set_port(p, 0, value);
        break;

    case NICSIM_F_TP_DST:
        set_port(p, 2, value);
        break;
    }
}

/* Does 'action', one of those that change the packet.  Returns false if it
 * can't be done. */
bool
edit_apply(struct packet *p, const struct nicsim_action *action)
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
