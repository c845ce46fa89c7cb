/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "rule-format.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The first name of an item is the one that is shown. */
static const struct {
    const char *name;
    uint32_t item;
} item_names[] = {
    { "represented_port", NICSIM_ITEM_PORT },
    { "port_id", NICSIM_ITEM_PORT },
    { "port", NICSIM_ITEM_PORT },
    { "eth", NICSIM_ITEM_ETH },
    { "vlan", NICSIM_ITEM_VLAN },
    { "ipv4", NICSIM_ITEM_IPV4 },
    { "ipv6", NICSIM_ITEM_IPV6 },
    { "tcp", NICSIM_ITEM_TCP },
    { "udp", NICSIM_ITEM_UDP },
    { "sctp", NICSIM_ITEM_SCTP },
    { "icmp", NICSIM_ITEM_ICMP },
    { "icmp6", NICSIM_ITEM_ICMP6 },
    { "ipv6_frag_ext", NICSIM_ITEM_IPV6_FRAG },
    { "mark", NICSIM_ITEM_MARK },
};

/* An action's number is its place here. */
static const struct {
    const char *name;
    const char *alias;
    uint16_t type;
    uint16_t field;
} action_names[] = {
    { "count", NULL, NICSIM_ACT_COUNT, 0 },
    { "drop", NULL, NICSIM_ACT_DROP, 0 },
    { "represented_port", "port_id", NICSIM_ACT_OUTPUT, 0 },
    { "port_representor", NULL, NICSIM_ACT_TO_SOFTWARE, 0 },
    { "jump", NULL, NICSIM_ACT_JUMP, 0 },
    { "mark", NULL, NICSIM_ACT_MARK, 0 },
    { "set_mac_dst", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_ETH_DST },
    { "set_mac_src", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_ETH_SRC },
    { "set_ipv4_src", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_IPV4_SRC },
    { "set_ipv4_dst", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_IPV4_DST },
    { "set_ipv6_src", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_IPV6_SRC },
    { "set_ipv6_dst", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_IPV6_DST },
    { "set_ttl", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_IP_TTL },
    { "set_ipv4_dscp", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_IPV4_DSCP },
    { "set_ipv6_dscp", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_IPV6_DSCP },
    { "set_tp_src", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_TP_SRC },
    { "set_tp_dst", NULL, NICSIM_ACT_SET_FIELD, NICSIM_F_TP_DST },
    { "dec_ttl", NULL, NICSIM_ACT_DEC_TTL, 0 },
    { "of_pop_vlan", NULL, NICSIM_ACT_POP_VLAN, 0 },
    { "of_push_vlan", NULL, NICSIM_ACT_PUSH_VLAN, 0 },
    { "of_set_vlan_vid", NULL, NICSIM_ACT_SET_VLAN_VID, 0 },
    { "of_set_vlan_pcp", NULL, NICSIM_ACT_SET_VLAN_PCP, 0 },
};

#define ARRAY_LEN(A) (sizeof (A) / sizeof (A)[0])
_Static_assert(ARRAY_LEN(action_names) <= 64, "a set of them is 64 bits");

/* Returns the name of the item whose bit is 'item'. */
const char *
rule_item_name(uint32_t item)
{
    for (size_t i = 0; i < ARRAY_LEN(item_names); i++) {
        if (item_names[i].item == item) {
            return item_names[i].name;
        }
    }
    return "unknown item";
}

/* Returns the bit of the item called 'name', or 0. */
uint32_t
rule_item_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(item_names); i++) {
        if (!strcmp(item_names[i].name, name)) {
            return item_names[i].item;
        }
    }
    return 0;
}

/* Returns the number of 'action', or -1 if it is none that there is. */
int
rule_action_number(const struct nicsim_action *action)
{
    for (size_t i = 0; i < ARRAY_LEN(action_names); i++) {
        if (action_names[i].type == action->type
            && (action->type != NICSIM_ACT_SET_FIELD
                || action_names[i].field == action->field)) {
            return i;
        }
    }
    return -1;
}

/* Returns the name of the action with this number, or NULL. */
const char *
rule_action_name(int number)
{
    return (number >= 0 && (size_t) number < ARRAY_LEN(action_names)
            ? action_names[number].name : NULL);
}

/* Returns a set with the number of the action called 'name' in it, or 0.
 * "set_field" are all of that kind. */
uint64_t
rule_actions_from_name(const char *name)
{
    uint64_t set = 0;

    for (size_t i = 0; i < ARRAY_LEN(action_names); i++) {
        if (!strcmp(action_names[i].name, name)
            || (action_names[i].alias && !strcmp(action_names[i].alias, name))
            || (action_names[i].field && !strcmp("set_field", name))) {
            set |= UINT64_C(1) << i;
        }
    }
    return set;
}

/* Text that is being made. */
struct text {
    char *buf;
    size_t size, len;
};

__attribute__((format(printf, 2, 3)))
static void
put(struct text *t, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->buf + t->len, t->size - t->len, format, args);
    va_end(args);
    if (n > 0) {
        t->len += n;
        if (t->len > t->size - 1) {
            t->len = t->size - 1;
        }
    }
}

static bool
is_zero(const void *data_, size_t n)
{
    const uint8_t *data = data_;

    while (n--) {
        if (data[n]) {
            return false;
        }
    }
    return true;
}

/* Returns how many leading bits of 'mask' are 1, or -1 if there are others. */
static int
prefix_len(const uint8_t *mask, int n)
{
    int len = 0;

    while (len < n * 8 && mask[len / 8] >> (7 - len % 8) & 1) {
        len++;
    }
    for (int i = len; i < n * 8; i++) {
        if (mask[i / 8] >> (7 - i % 8) & 1) {
            return -1;
        }
    }
    return len;
}

static void
put_mac(struct text *t, const uint8_t *mac)
{
    put(t, "%02x:%02x:%02x:%02x:%02x:%02x",
        mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void
put_mac_match(struct text *t, const char *name, const uint8_t *mac,
              const uint8_t *mask)
{
    if (!is_zero(mask, 6)) {
        put(t, " %s ", name);
        put_mac(t, mac);
        if (prefix_len(mask, 6) != 48) {
            put(t, "/");
            put_mac(t, mask);
        }
    }
}

static void
put_ip(struct text *t, int family, const uint8_t *addr)
{
    char s[INET6_ADDRSTRLEN];

    inet_ntop(family, addr, s, sizeof s);
    put(t, "%s", s);
}

static void
put_ip_match(struct text *t, const char *name, int family,
             const uint8_t *addr, const uint8_t *mask)
{
    int n = family == AF_INET ? 4 : 16;
    int prefix = prefix_len(mask, n);

    if (prefix) {
        put(t, " %s ", name);
        put_ip(t, family, addr);
        if (prefix < 0) {
            put(t, "/");
            put_ip(t, family, mask);
        } else if (prefix < n * 8) {
            put(t, "/%d", prefix);
        }
    }
}

/* A number with its mask, unless that is 'full'. */
static void
put_number(struct text *t, const char *name, const char *format,
           uint32_t value, uint32_t mask, uint32_t full)
{
    if (mask) {
        char s[16];

        snprintf(s, sizeof s, !strcmp(format, "x") ? "%#x" : "%u", value);
        put(t, " %s %s", name, s);
        if (mask != full) {
            put(t, "/%#x", mask);
        }
    }
}

/* Begins an item. */
static void
put_item(struct text *t, const char *name)
{
    put(t, "%s%s", t->len ? " / " : "", name);
}

static void
put_vlan(struct text *t, const char *name, uint16_t tpid, uint16_t tpid_mask,
         uint16_t tci, uint16_t tci_mask)
{
    uint16_t value = ntohs(tci);
    uint16_t mask = ntohs(tci_mask);

    put_item(t, name);
    put_number(t, "tpid", "x", ntohs(tpid), ntohs(tpid_mask), 0xffff);
    put_number(t, "vid", "u", value & 0xfff, mask & 0xfff, 0xfff);
    put_number(t, "dei", "u", value >> 12 & 1, mask >> 12 & 1, 1);
    put_number(t, "pcp", "u", value >> 13, mask >> 13, 7);
}

/* What has to be absent. */
static void
put_absent(struct text *t, uint32_t absent)
{
    static const char *const names[] = {
        "vlan", "vlan2", "ipv4", "ipv6", "frag", "later_frag", "tcp", "udp",
        "sctp", "icmp", "icmp6", "ip_options", "ext_hop", "ext_route",
        "ext_frag", "ext_auth", "ext_esp", "ext_dest", "ext_mobil", "ext_hip",
        "ext_shim6", "sound",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (absent >> i & 1) {
            put_item(t, "no ");
            put(t, "%s", names[i]);
        }
    }
}

/* What has to be there and has no item of its own. */
static void
put_features(struct text *t, uint32_t present)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        { NICSIM_P_FRAG, "frag" },
        { NICSIM_P_LATER_FRAG, "later_frag" },
        { NICSIM_P_IP_OPTIONS, "ip_options" },
        { NICSIM_P_EXT_HOP, "ext_hop" },
        { NICSIM_P_EXT_ROUTE, "ext_route" },
        { NICSIM_P_EXT_FRAG, "ext_frag" },
        { NICSIM_P_EXT_AUTH, "ext_auth" },
        { NICSIM_P_EXT_ESP, "ext_esp" },
        { NICSIM_P_EXT_DEST, "ext_dest" },
        { NICSIM_P_EXT_MOBIL, "ext_mobil" },
        { NICSIM_P_EXT_HIP, "ext_hip" },
        { NICSIM_P_EXT_SHIM6, "ext_shim6" },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (present & names[i].bit) {
            put(t, " %s", names[i].name);
        }
    }
}

/* Writes the name of 'vport' to 'buf'. */
void
rule_format_vport(uint32_t vport, char *buf, size_t size)
{
    if (vport == NICSIM_VPORT_UPLINK) {
        snprintf(buf, size, "uplink");
    } else {
        snprintf(buf, size, "vf%u", vport - 1);
    }
}

/* Writes what 'rule' matches to 'buf'. */
void
rule_format_match(const struct nicsim_rule *rule, char *buf, size_t size)
{
    const struct nicsim_key *key = &rule->key;
    const struct nicsim_key *mask = &rule->mask;
    uint32_t present = key->present & mask->present;
    struct text text = { buf, size, 0 }, *t = &text;

    buf[0] = '\0';
    if (mask->vport) {
        char name[16];

        rule_format_vport(key->vport, name, sizeof name);
        put_item(t, "port ");
        put(t, "%s", name);
    }
    if (mask->mark) {
        put_item(t, "mark");
        put_number(t, "id", "u", key->mark, mask->mark, UINT32_MAX);
    }
    if (rule->items & NICSIM_ITEM_ETH || mask->eth_type
        || !is_zero(mask->eth_dst, 6) || !is_zero(mask->eth_src, 6)) {
        put_item(t, "eth");
        put_mac_match(t, "src", key->eth_src, mask->eth_src);
        put_mac_match(t, "dst", key->eth_dst, mask->eth_dst);
        put_number(t, "type", "x", ntohs(key->eth_type),
                   ntohs(mask->eth_type), 0xffff);
    }
    if (present & NICSIM_P_VLAN) {
        put_vlan(t, "vlan", key->vlan_tpid, mask->vlan_tpid, key->vlan_tci,
                 mask->vlan_tci);
    }
    if (present & NICSIM_P_VLAN2) {
        put_vlan(t, "vlan", key->vlan2_tpid, mask->vlan2_tpid, key->vlan2_tci,
                 mask->vlan2_tci);
    }
    if (present & (NICSIM_P_IPV4 | NICSIM_P_IPV6)) {
        int family = present & NICSIM_P_IPV4 ? AF_INET : AF_INET6;

        put_item(t, family == AF_INET ? "ipv4" : "ipv6");
        put_ip_match(t, "src", family, key->ip_src, mask->ip_src);
        put_ip_match(t, "dst", family, key->ip_dst, mask->ip_dst);
        put_number(t, "proto", "u", key->ip_proto, mask->ip_proto, 0xff);
        put_number(t, family == AF_INET ? "tos" : "tc", "x", key->ip_tos,
                   mask->ip_tos, 0xff);
        put_number(t, family == AF_INET ? "ttl" : "hop", "u", key->ip_ttl,
                   mask->ip_ttl, 0xff);
        put_number(t, "flow", "x", ntohl(key->ip6_label),
                   ntohl(mask->ip6_label), 0xfffff);
        put_number(t, "frag_word", "x", ntohs(key->ip_frag),
                   ntohs(mask->ip_frag), 0xffff);
        put_features(t, present);
    }
    if (present & (NICSIM_P_TCP | NICSIM_P_UDP | NICSIM_P_SCTP)) {
        put_item(t, present & NICSIM_P_TCP ? "tcp"
                    : present & NICSIM_P_UDP ? "udp" : "sctp");
        put_number(t, "src", "u", ntohs(key->l4_src), ntohs(mask->l4_src),
                   0xffff);
        put_number(t, "dst", "u", ntohs(key->l4_dst), ntohs(mask->l4_dst),
                   0xffff);
        put_number(t, "flags", "x", ntohs(key->tcp_flags),
                   ntohs(mask->tcp_flags), 0xfff);
    }
    if (present & (NICSIM_P_ICMP | NICSIM_P_ICMP6)) {
        put_item(t, present & NICSIM_P_ICMP ? "icmp" : "icmp6");
        put_number(t, "type", "u", key->icmp_type, mask->icmp_type, 0xff);
        put_number(t, "code", "u", key->icmp_code, mask->icmp_code, 0xff);
    }
    put_absent(t, mask->present & ~key->present);
    if (!t->len) {
        put(t, "any");
    }
}

/* Writes the actions of 'rule' to 'buf'. */
void
rule_format_actions(const struct nicsim_rule *rule, char *buf, size_t size)
{
    struct text text = { buf, size, 0 }, *t = &text;

    buf[0] = '\0';
    for (uint32_t i = 0; i < rule->n_actions && i < NICSIM_MAX_ACTIONS; i++) {
        const struct nicsim_action *action = &rule->actions[i];
        const char *name = rule_action_name(rule_action_number(action));
        char vport[16];
        uint16_t port;

        put_item(t, name ? name : "?");
        switch (action->type) {
        case NICSIM_ACT_OUTPUT:
        case NICSIM_ACT_TO_SOFTWARE:
            rule_format_vport(action->arg, vport, sizeof vport);
            put(t, " %s", vport);
            break;

        case NICSIM_ACT_JUMP:
            put(t, " group %u", action->arg);
            break;

        case NICSIM_ACT_PUSH_VLAN:
            put(t, " %#x", action->arg);
            break;

        case NICSIM_ACT_MARK:
        case NICSIM_ACT_SET_VLAN_VID:
        case NICSIM_ACT_SET_VLAN_PCP:
            put(t, " %u", action->arg);
            break;

        case NICSIM_ACT_SET_FIELD:
            put(t, " ");
            switch (action->field) {
            case NICSIM_F_ETH_DST:
            case NICSIM_F_ETH_SRC:
                put_mac(t, action->value);
                break;

            case NICSIM_F_IPV4_SRC:
            case NICSIM_F_IPV4_DST:
                put_ip(t, AF_INET, action->value);
                break;

            case NICSIM_F_IPV6_SRC:
            case NICSIM_F_IPV6_DST:
                put_ip(t, AF_INET6, action->value);
                break;

            case NICSIM_F_TP_SRC:
            case NICSIM_F_TP_DST:
                memcpy(&port, action->value, sizeof port);
                put(t, "%u", ntohs(port));
                break;

            default:
                put(t, "%u", action->value[0]);
                break;
            }
            break;
        }
    }
}
