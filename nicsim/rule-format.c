/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "rule-format.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "nicsim/bytes.h"

/* The first name of an item is the one that is shown. */
static const struct {
    const char *name;
    uint32_t item;
} item_names[] = {
    { "represented_port", NICSIM_ITEM_PORT },
    { "port_id", NICSIM_ITEM_PORT_ID },
    { "port", NICSIM_ITEM_PORT | NICSIM_ITEM_PORT_ID },
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
    { "meta", NICSIM_ITEM_META },
    { "tag", NICSIM_ITEM_TAG },
    { "arp_eth_ipv4", NICSIM_ITEM_ARP },
    { "mpls", NICSIM_ITEM_MPLS },
    { "icmp6_nd_ns", NICSIM_ITEM_ND_NS },
    { "icmp6_nd_na", NICSIM_ITEM_ND_NA },
    { "icmp6_nd_opt_sla_eth", NICSIM_ITEM_ND_SLA },
    { "icmp6_nd_opt_tla_eth", NICSIM_ITEM_ND_TLA },
    { "integrity", NICSIM_ITEM_INTEGRITY },
    { "vxlan", NICSIM_ITEM_VXLAN },
    { "vxlan_gpe", NICSIM_ITEM_VXLAN_GPE },
    { "geneve", NICSIM_ITEM_GENEVE },
    { "geneve_opt", NICSIM_ITEM_GENEVE_OPT },
    { "gre", NICSIM_ITEM_GRE },
    { "gre_key", NICSIM_ITEM_GRE_KEY },
};

/* An action's number is its place here. */
static const struct {
    const char *name;
    uint16_t type;
    uint16_t field;
    uint32_t form;
} action_names[] = {
#define PLAIN(NAME, TYPE) { NAME, NICSIM_ACT_##TYPE, 0, NICSIM_FORM_PLAIN }
#define FORM(NAME, TYPE, FORM) \
    { NAME, NICSIM_ACT_##TYPE, 0, NICSIM_FORM_##FORM }
#define SET(NAME, FIELD) \
    { NAME, NICSIM_ACT_SET_FIELD, NICSIM_F_##FIELD, NICSIM_FORM_PLAIN }
    PLAIN("count", COUNT),
    PLAIN("drop", DROP),
    PLAIN("represented_port", OUTPUT),
    FORM("port_id", OUTPUT, PORT_ID),
    PLAIN("port_representor", TO_SOFTWARE),
    PLAIN("jump", JUMP),
    PLAIN("mark", MARK),
    SET("set_mac_dst", ETH_DST),
    SET("set_mac_src", ETH_SRC),
    SET("set_ipv4_src", IPV4_SRC),
    SET("set_ipv4_dst", IPV4_DST),
    SET("set_ipv6_src", IPV6_SRC),
    SET("set_ipv6_dst", IPV6_DST),
    SET("set_ttl", IP_TTL),
    SET("set_ipv4_dscp", IPV4_DSCP),
    SET("set_ipv6_dscp", IPV6_DSCP),
    SET("set_tp_src", TP_SRC),
    SET("set_tp_dst", TP_DST),
    SET("set_meta", META),
    SET("set_tag", TAG),
    FORM("modify_field", SET_FIELD, MODIFY_FIELD),
    PLAIN("dec_ttl", DEC_TTL),
    PLAIN("of_pop_vlan", POP_VLAN),
    PLAIN("of_push_vlan", PUSH_VLAN),
    PLAIN("of_set_vlan_vid", SET_VLAN_VID),
    PLAIN("of_set_vlan_pcp", SET_VLAN_PCP),
    PLAIN("sample", SAMPLE),
    PLAIN("raw_decap", DECAP),
    FORM("vxlan_decap", DECAP, VXLAN),
    PLAIN("raw_encap", ENCAP),
    FORM("vxlan_encap", ENCAP, VXLAN),
    PLAIN("meter", METER),
    PLAIN("of_pop_mpls", POP_MPLS),
#undef PLAIN
#undef FORM
#undef SET
};

#define ARRAY_LEN(A) (sizeof (A) / sizeof (A)[0])
_Static_assert(ARRAY_LEN(action_names) <= 64, "a set of them is 64 bits");

/* The fields that can be set, by number; tags are one. */
static const struct {
    const char *name;                   /* testpmd's for modify_field. */
    uint8_t size;                       /* Bytes. */
    uint8_t first;                      /* Bits of the first byte. */
} fields[] = {
    [NICSIM_F_ETH_DST] = { "mac_dst", 6, 0xff },
    [NICSIM_F_ETH_SRC] = { "mac_src", 6, 0xff },
    [NICSIM_F_IPV4_SRC] = { "ipv4_src", 4, 0xff },
    [NICSIM_F_IPV4_DST] = { "ipv4_dst", 4, 0xff },
    [NICSIM_F_IPV6_SRC] = { "ipv6_src", 16, 0xff },
    [NICSIM_F_IPV6_DST] = { "ipv6_dst", 16, 0xff },
    [NICSIM_F_IP_TTL] = { "ttl", 1, 0xff },
    [NICSIM_F_IPV4_DSCP] = { "ipv4_dscp", 1, 0x3f },
    [NICSIM_F_IPV6_DSCP] = { "ipv6_dscp", 1, 0x3f },
    [NICSIM_F_TP_SRC] = { "port_src", 2, 0xff },
    [NICSIM_F_TP_DST] = { "port_dst", 2, 0xff },
    [NICSIM_F_IPV4_ECN] = { "ipv4_ecn", 1, 0x03 },
    [NICSIM_F_IPV6_ECN] = { "ipv6_ecn", 1, 0x03 },
    [NICSIM_F_VLAN_VID] = { "vlan_id", 2, 0x0f },
    [NICSIM_F_META] = { "meta", 4, 0xff },
    [NICSIM_F_TAG] = { "tag", 4, 0xff },
};

static uint16_t
field_index(uint16_t field)
{
    return (field > NICSIM_F_TAG && field < NICSIM_N_FIELDS ? NICSIM_F_TAG
            : field <= NICSIM_F_TAG ? field : 0);
}

uint32_t
rule_field_mask(uint16_t field, uint8_t *mask)
{
    uint16_t i = field_index(field);

    memset(mask, 0, 16);
    if (fields[i].size) {
        memset(mask, 0xff, fields[i].size);
        mask[0] = fields[i].first;
    }
    return fields[i].size;
}

/* Returns the name of the item whose bit is 'item', or of the first of
 * several. */
const char *
rule_item_name(uint32_t item)
{
    for (size_t i = 0; i < ARRAY_LEN(item_names); i++) {
        if (item_names[i].item & item) {
            return item_names[i].name;
        }
    }
    return "unknown item";
}

/* Returns the bits of the items called 'name', or 0. */
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
    uint16_t type = action->type;
    uint16_t field = field_index(action->field);

    if (action->form == NICSIM_FORM_MODIFY_FIELD && type == NICSIM_ACT_MARK) {
        type = NICSIM_ACT_SET_FIELD;
    }
    for (size_t i = 0; i < ARRAY_LEN(action_names); i++) {
        if (action_names[i].type == type
            && action_names[i].form == action->form
            && (!action_names[i].field || action_names[i].field == field)) {
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
put_absent(struct text *t, const char *where, uint32_t absent)
{
    static const char *const names[] = {
        "vlan", "vlan2", "ipv4", "ipv6", "frag", "later_frag", "tcp", "udp",
        "sctp", "icmp", "icmp6", "ip_options", "ext_hop", "ext_route",
        "ext_frag", "ext_auth", "ext_esp", "ext_dest", "ext_mobil", "ext_hip",
        "ext_shim6", "sound", "mpls", "arp", "nd", "udp_csum", "ip_csum_ok",
        "l4_csum_ok",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (absent >> i & 1) {
            put_item(t, "no ");
            put(t, "%s%s", where, names[i]);
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
        { NICSIM_P_IP_OK, "ip_csum_ok" },
        { NICSIM_P_L4_OK, "l4_csum_ok" },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (present & names[i].bit) {
            put(t, " %s", names[i].name);
        }
    }
}

static void
put_hex(struct text *t, const uint8_t *data, uint32_t n)
{
    while (n--) {
        put(t, "%02x", *data++);
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

static void
put_layer3(struct text *t, const struct nicsim_key *key,
           const struct nicsim_key *mask, uint32_t present)
{
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
        put_number(t, "frag_next", "u", key->ip6_frag_next,
                   mask->ip6_frag_next, 0xff);
        put_features(t, present);
    }
    if (present & NICSIM_P_ARP) {
        put_item(t, "arp_eth_ipv4");
        put_number(t, "op", "u", ntohs(key->arp_oper), ntohs(mask->arp_oper),
                   0xffff);
        put_mac_match(t, "sha", key->arp_sha, mask->arp_sha);
        put_ip_match(t, "spa", AF_INET, key->ip_src, mask->ip_src);
        put_mac_match(t, "tha", key->arp_tha, mask->arp_tha);
        put_ip_match(t, "tpa", AF_INET, key->ip_dst, mask->ip_dst);
    }
    if (present & NICSIM_P_MPLS) {
        uint32_t value = ntohl(key->mpls), bits = ntohl(mask->mpls);

        put_item(t, "mpls");
        put_number(t, "label", "u", value >> 12, bits >> 12, 0xfffff);
        put_number(t, "tc", "u", value >> 9 & 7, bits >> 9 & 7, 7);
        put_number(t, "s", "u", value >> 8 & 1, bits >> 8 & 1, 1);
        put_number(t, "ttl", "u", value & 0xff, bits & 0xff, 0xff);
    }
}

static void
put_layer4(struct text *t, const struct nicsim_key *key,
           const struct nicsim_key *mask, uint32_t present)
{
    if (present & (NICSIM_P_TCP | NICSIM_P_UDP | NICSIM_P_SCTP)) {
        put_item(t, present & NICSIM_P_TCP ? "tcp"
                    : present & NICSIM_P_UDP ? "udp" : "sctp");
        put_number(t, "src", "u", ntohs(key->l4_src), ntohs(mask->l4_src),
                   0xffff);
        put_number(t, "dst", "u", ntohs(key->l4_dst), ntohs(mask->l4_dst),
                   0xffff);
        put_number(t, "flags", "x", ntohs(key->tcp_flags),
                   ntohs(mask->tcp_flags), 0xfff);
        if (present & NICSIM_P_UDP_CSUM) {
            put(t, " csum");
        }
    }
    if (present & (NICSIM_P_ICMP | NICSIM_P_ICMP6)) {
        put_item(t, present & NICSIM_P_ICMP ? "icmp" : "icmp6");
        put_number(t, "type", "u", key->icmp_type, mask->icmp_type, 0xff);
        put_number(t, "code", "u", key->icmp_code, mask->icmp_code, 0xff);
    }
    if (present & NICSIM_P_ND) {
        put_item(t, "nd");
        put_ip_match(t, "target_addr", AF_INET6, key->nd_target,
                     mask->nd_target);
        put_mac_match(t, "sla", key->arp_sha, mask->arp_sha);
        put_mac_match(t, "tla", key->arp_tha, mask->arp_tha);
    }
}

/* A stack of headers, with Ethernet if 'eth' or if a field of it is asked. */
static void
put_stack(struct text *t, const struct nicsim_key *key,
          const struct nicsim_key *mask, bool eth)
{
    uint32_t present = key->present & mask->present;

    if (eth || mask->eth_type || !is_zero(mask->eth_dst, 6)
        || !is_zero(mask->eth_src, 6)) {
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
    put_layer3(t, key, mask, present);
    put_layer4(t, key, mask, present);
}

/* Bytes of a header and, unless all of them are asked, their mask. */
static void
put_bytes(struct text *t, const char *name, const uint8_t *value,
          const uint8_t *mask, uint32_t n)
{
    if (!is_zero(mask, n)) {
        put(t, " %s 0x", name);
        put_hex(t, value, n);
        if (prefix_len(mask, n) != (int) n * 8) {
            put(t, "/0x");
            put_hex(t, mask, n);
        }
    }
}

static void
put_tunnel(struct text *t, const struct nicsim_tunnel *key,
           const struct nicsim_tunnel *mask)
{
    static const char *const names[] = {
        [NICSIM_TUNNEL_VXLAN] = "vxlan",
        [NICSIM_TUNNEL_VXLAN_GPE] = "vxlan_gpe",
        [NICSIM_TUNNEL_GENEVE] = "geneve",
        [NICSIM_TUNNEL_GRE] = "gre",
    };
    const uint8_t *h = key->header, *m = mask->header;
    uint32_t n = NICSIM_GENEVE_OPTS;

    if (key->type >= ARRAY_LEN(names) || !names[key->type]) {
        return;
    }
    put_item(t, names[key->type]);
    if (key->type == NICSIM_TUNNEL_GRE) {
        put_bytes(t, "c_rsvd0_ver", h, m, 2);
        put_bytes(t, "protocol", h + 2, m + 2, 2);
        if (!is_zero(m + 4, 4)) {
            put_item(t, "gre_key");
            put_bytes(t, "value", h + 4, m + 4, 4);
        }
        return;
    }
    put_number(t, "vni", "u", h[4] << 16 | h[5] << 8 | h[6],
               m[4] << 16 | m[5] << 8 | m[6], 0xffffff);
    put_bytes(t, "header", h, m, 4);
    put_bytes(t, "last_rsvd", h + 7, m + 7, 1);
    while (n && !mask->options[n - 1]) {
        n--;
    }
    put_bytes(t, "options", key->options, mask->options, (n + 3) & ~3u);
}

/* Writes what 'rule' matches to 'buf'. */
void
rule_format_match(const struct nicsim_rule *rule, char *buf, size_t size)
{
    const struct nicsim_match *key = &rule->key;
    const struct nicsim_match *mask = &rule->mask;
    struct text text = { buf, size, 0 }, *t = &text;

    buf[0] = '\0';
    if (mask->meta.vport) {
        char name[16];

        rule_format_vport(key->meta.vport, name, sizeof name);
        put_item(t, "port ");
        put(t, "%s", name);
    }
    if (mask->meta.mark) {
        put_item(t, "mark");
        put_number(t, "id", "u", key->meta.mark, mask->meta.mark, UINT32_MAX);
    }
    if (mask->meta.meta) {
        put_item(t, "meta");
        put_number(t, "data", "u", key->meta.meta, mask->meta.meta,
                   UINT32_MAX);
    }
    for (int i = 0; i < NICSIM_N_TAGS; i++) {
        if (mask->meta.tags[i]) {
            put_item(t, "tag");
            put(t, " index %d", i);
            put_number(t, "data", "u", key->meta.tags[i], mask->meta.tags[i],
                       UINT32_MAX);
        }
    }
    put_stack(t, &key->outer, &mask->outer, rule->items & NICSIM_ITEM_ETH
                                            && !mask->tunnel.type);
    if (mask->tunnel.type) {
        put_tunnel(t, &key->tunnel, &mask->tunnel);
        put_stack(t, &key->inner, &mask->inner, true);
    }
    put_absent(t, "", mask->outer.present & ~key->outer.present);
    put_absent(t, "inner ", mask->inner.present & ~key->inner.present);
    if (!t->len) {
        put(t, "any");
    }
}

/* A value of a field and, unless it is the whole field, the mask. */
static void
put_value(struct text *t, uint16_t field, const uint8_t *value,
          const uint8_t *mask)
{
    uint8_t full[16];
    uint32_t n = rule_field_mask(field, full);
    bool whole = !memcmp(mask, full, sizeof full);
    uint32_t number = 0;

    for (int i = 0; i < (whole ? 1 : 2); i++) {
        const uint8_t *bytes = i ? mask : value;

        put(t, i ? "/" : " ");
        switch (field) {
        case NICSIM_F_ETH_DST:
        case NICSIM_F_ETH_SRC:
            put_mac(t, bytes);
            break;

        case NICSIM_F_IPV4_SRC:
        case NICSIM_F_IPV4_DST:
            put_ip(t, AF_INET, bytes);
            break;

        case NICSIM_F_IPV6_SRC:
        case NICSIM_F_IPV6_DST:
            put_ip(t, AF_INET6, bytes);
            break;

        default:
            number = 0;
            for (uint32_t j = 0; j < n; j++) {
                number = number << 8 | bytes[j];
            }
            put(t, i ? "%#x" : "%u", number);
            break;
        }
    }
}

static void
put_action(struct text *t, const struct nicsim_rule *rule,
           const struct nicsim_action *action)
{
    const char *name = rule_action_name(rule_action_number(action));
    char vport[16];

    put(t, "%s", name ? name : "?");
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
    case NICSIM_ACT_POP_MPLS:
        put(t, " %#x", action->arg);
        break;

    case NICSIM_ACT_MARK:
        if (action->form == NICSIM_FORM_MODIFY_FIELD) {
            put(t, " mark");
        }
        put(t, " %u", action->arg);
        break;

    case NICSIM_ACT_SET_VLAN_VID:
    case NICSIM_ACT_SET_VLAN_PCP:
    case NICSIM_ACT_METER:
        put(t, " %u", action->arg);
        break;

    case NICSIM_ACT_SAMPLE:
        put(t, " ratio %u", action->arg);
        break;

    case NICSIM_ACT_DECAP:
        if (action->arg) {
            put(t, " size %u", action->arg);
        }
        break;

    case NICSIM_ACT_ENCAP:
        if (action->arg <= NICSIM_RULE_DATA
            && action->field <= NICSIM_RULE_DATA - action->arg) {
            put(t, " ");
            put_hex(t, rule->data + action->arg, action->field);
        }
        break;

    case NICSIM_ACT_SET_FIELD:
        if (action->form == NICSIM_FORM_MODIFY_FIELD) {
            put(t, " %s", fields[field_index(action->field)].name);
        }
        if (action->field >= NICSIM_F_TAG) {
            put(t, " index %u data", action->field - NICSIM_F_TAG);
        }
        put_value(t, action->field, action->value, action->mask);
        break;
    }
}

/* Writes the actions of 'rule' to 'buf'. */
void
rule_format_actions(const struct nicsim_rule *rule, char *buf, size_t size)
{
    struct text text = { buf, size, 0 }, *t = &text;
    uint32_t sample_end = 0;

    buf[0] = '\0';
    for (uint32_t i = 0; i < rule->n_actions && i < NICSIM_MAX_ACTIONS; i++) {
        const struct nicsim_action *action = &rule->actions[i];

        put_action(t, rule, action);
        if (action->type == NICSIM_ACT_SAMPLE) {
            sample_end = i + action->field;
            put(t, " { ");
            continue;
        }
        if (sample_end && i == sample_end) {
            put(t, " }");
            sample_end = 0;
        }
        if (i + 1 < rule->n_actions) {
            put(t, " / ");
        }
    }
}
