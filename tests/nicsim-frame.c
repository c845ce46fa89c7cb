/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the value of the word 'name' or "name=VALUE" ("" for the former), or
 * NULL if it is not among the 'n' words. */
const char *
word_value(char **words, int n, const char *name)
{
    size_t len = strlen(name);

    for (int i = 0; i < n; i++) {
        if (!strncmp(words[i], name, len)) {
            if (words[i][len] == '=') {
                return words[i] + len + 1;
            } else if (!words[i][len]) {
                return words[i] + len;
            }
        }
    }
    return NULL;
}

/* Returns the number "name=NUMBER", or 'value' if it is not there. */
uint64_t
word_number(char **words, int n, const char *name, uint64_t value)
{
    const char *s = word_value(words, n, name);

    return s && *s ? strtoull(s, NULL, 0) : value;
}

void
parse_mac(const char *s, uint8_t *mac)
{
    unsigned int x[6] = { 0, 0, 0, 0, 0, 0 };

    sscanf(s, "%x:%x:%x:%x:%x:%x", &x[0], &x[1], &x[2], &x[3], &x[4], &x[5]);
    for (int i = 0; i < 6; i++) {
        mac[i] = x[i];
    }
}

/* The Internet checksum's sum of 'n' bytes and 'sum', folded: as simply as can
 * be, for the device's is another. */
uint32_t
sum16(const uint8_t *data, uint32_t n, uint32_t sum)
{
    for (uint32_t i = 0; i < n; i++) {
        sum += i & 1 ? data[i] : data[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t
pseudo(const uint8_t *l3, uint8_t proto, uint32_t len)
{
    uint32_t sum = (l3[0] >> 4 == 4 ? sum16(l3 + 12, 8, 0)
                    : sum16(l3 + 8, 32, 0));

    sum += proto + len;
    return (sum & 0xffff) + (sum >> 16);
}

static uint32_t
crc32c(const uint8_t *data, uint32_t n)
{
    uint32_t crc = UINT32_MAX;

    for (uint32_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
        }
    }
    return ~crc;
}

static void
put16(uint8_t *p, uint32_t x)
{
    p[0] = x >> 8;
    p[1] = x;
}

static void
put32(uint8_t *p, uint32_t x)
{
    put16(p, x >> 16);
    put16(p + 2, x);
}

static uint32_t
get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t
get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

/* Where the checksum is in layer 4 of 'proto', or 0 if it has none. */
static uint32_t
csum_ofs(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_TCP: return 16;
    case IPPROTO_UDP: return 6;
    case IPPROTO_ICMP: return 2;
    case IPPROTO_ICMPV6: return 2;
    case IPPROTO_SCTP: return 8;
    default: return 0;
    }
}

/* Returns what the checksum field of the layer 4 packet should be, with the
 * field itself taken as 0. */
static uint32_t
l4_csum(const uint8_t *l3, const uint8_t *l4, uint32_t len, uint8_t proto)
{
    static uint8_t copy[FRAME_MAX];
    uint32_t sum;

    memcpy(copy, l4, len);
    memset(copy + csum_ofs(proto), 0, proto == IPPROTO_SCTP ? 4 : 2);
    if (proto == IPPROTO_SCTP) {
        return crc32c(copy, len);
    }
    sum = proto == IPPROTO_ICMP ? 0 : pseudo(l3, proto, len);
    sum = ~sum16(copy, len, sum) & 0xffff;
    return sum || proto != IPPROTO_UDP ? sum : 0xffff;
}

static uint32_t
make_l4(uint8_t *l4, uint8_t proto, char **words, int n)
{
    uint32_t flags = word_number(words, n, "flags", 0x10);

    switch (proto) {
    case IPPROTO_TCP: {
        uint32_t len = word_number(words, n, "doff", 5) * 4;

        memset(l4, 0, 60);
        put32(l4 + 4, word_number(words, n, "seq", 1));
        put16(l4 + 12, word_number(words, n, "doff", 5) << 12 | flags);
        put16(l4 + 14, 1000);
        put16(l4, word_number(words, n, "sport", 1));
        put16(l4 + 2, word_number(words, n, "dport", 2));
        return len < 20 ? 20 : len;
    }

    case IPPROTO_UDP:
    case IPPROTO_SCTP:
        memset(l4, 0, 12);
        put16(l4, word_number(words, n, "sport", 1));
        put16(l4 + 2, word_number(words, n, "dport", 2));
        return proto == IPPROTO_UDP ? 8 : 12;

    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        memset(l4, 0, 8);
        l4[0] = word_number(words, n, "kind",
                            proto == IPPROTO_ICMP ? 8 : 128);
        l4[1] = word_number(words, n, "code", 0);
        return 8;

    default:
        return 0;
    }
}

static uint8_t
l4_proto(char **words, int n)
{
    static const struct {
        const char *name;
        uint8_t proto;
    } protos[] = {
        { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },
        { "sctp", IPPROTO_SCTP }, { "icmp", IPPROTO_ICMP },
        { "icmp6", IPPROTO_ICMPV6 },
    };

    for (size_t i = 0; i < sizeof protos / sizeof protos[0]; i++) {
        if (word_value(words, n, protos[i].name)) {
            return protos[i].proto;
        }
    }
    return word_number(words, n, "proto", 253);
}

/* Has the checksum, 'offset' bytes behind 'start', of TCP or UDP in 'f', which
 * is IP, be that of the pseudo header alone, as guests leave it. */
void
frame_partial_csum(struct frame *f, uint32_t start, uint32_t offset)
{
    uint8_t proto = offset == 6 ? IPPROTO_UDP : IPPROTO_TCP;

    if (start + offset + 2 <= f->len) {
        put16(f->data + start + offset,
              pseudo(f->data + f->l2_len, proto, f->len - start));
    }
}

/* Writes IPv6 extension headers, of 8 bytes each, as the words "ext=PROTO"
 * say, and one of destination options, as long as "extlen=BYTES" says.
 * Returns their length. */
static uint32_t
make_ext(uint8_t *p, uint8_t *next, uint8_t proto, char **words, int n)
{
    uint32_t options = word_number(words, n, "extlen", 0);
    uint32_t len = 0;

    if (options) {
        *next = IPPROTO_DSTOPTS;
        memset(p, 0, options);          /* Padding. */
        p[1] = options / 8 - 1;
        next = p;
        len = options;
    }
    for (int i = 0; i < n; i++) {
        if (!strncmp(words[i], "ext=", 4)) {
            *next = strtoul(words[i] + 4, NULL, 0);
            memset(p + len, 0, 8);
            if (*next == IPPROTO_FRAGMENT) {
                put16(p + len + 2, word_number(words, n, "frag", 0));
            }
            next = p + len;
            len += 8;
        }
    }
    *next = proto;
    return len;
}

/* Reads bytes in hexadecimal.  Returns their number. */
static uint32_t
read_hex(const char *hex, uint8_t *data)
{
    uint32_t n = 0;

    for (; hex[0] && hex[1]; hex += 2) {
        char byte[3] = { hex[0], hex[1], '\0' };

        data[n++] = strtoul(byte, NULL, 16);
    }
    return n;
}

/* Returns the number of words behind "inner", which is taken off with them, or
 * -1. */
static int
cut_inner(char **words, int *n)
{
    for (int i = 0; i < *n; i++) {
        if (!strcmp(words[i], "inner")) {
            int n_inner = *n - i - 1;

            *n = i;
            return n_inner;
        }
    }
    return -1;
}

/* Makes the payload that the words "hex=" and those behind "inner", of which
 * there are 'n_inner', describe.  Returns its length, or UINT32_MAX if there
 * are none. */
static uint32_t
make_payload(uint8_t *data, char **words, int n, int n_inner)
{
    const char *hex = word_value(words, n, "hex");
    uint32_t len = hex ? read_hex(hex, data) : 0;

    if (n_inner >= 0) {
        struct frame inner;

        frame_make(&inner, words + n + 1, n_inner);
        memcpy(data + len, inner.data, inner.len);
        len += inner.len;
        return len;
    }
    return hex ? len : UINT32_MAX;
}

/* Makes the frame that the 'n' 'words' describe. */
void
frame_make(struct frame *f, char **words, int n)
{
    int n_inner = cut_inner(words, &n);
    bool ipv4 = word_value(words, n, "ipv4");
    bool ipv6 = word_value(words, n, "ipv6");
    const char *src = word_value(words, n, "src");
    const char *dst = word_value(words, n, "dst");
    const char *from = word_value(words, n, "from");
    const char *to = word_value(words, n, "to");
    uint8_t proto = l4_proto(words, n);
    uint8_t data[FRAME_MAX];    /* An inner frame has its own. */
    uint32_t n_data, payload;
    uint8_t *l3, *l4;
    uint32_t start;

    n_data = make_payload(data, words, n, n_inner);
    payload = (n_data != UINT32_MAX ? n_data
               : word_number(words, n, "len", 26));
    memset(f, 0, sizeof *f);
    parse_mac(dst ? dst : "02:00:00:00:00:02", f->data);
    parse_mac(src ? src : "02:00:00:00:00:01", f->data + 6);
    f->l2_len = 12;
    for (int i = 0; i < n; i++) {
        if (!strncmp(words[i], "vlan=", 5)) {
            char *end;

            put16(f->data + f->l2_len + 2, strtoul(words[i] + 5, &end, 0));
            put16(f->data + f->l2_len,
                  *end ? strtoul(end + 1, NULL, 0) : 0x8100);
            f->l2_len += 4;
        }
    }
    put16(f->data + f->l2_len,
          word_number(words, n, "type", ipv4 ? 0x800 : ipv6 ? 0x86dd
                                        : 0x88b5));
    f->l2_len += 2;

    l3 = f->data + f->l2_len;
    if (ipv4) {
        f->l3_len = 20 + word_number(words, n, "options", 0);
        l3[0] = word_number(words, n, "version", 4) << 4 | f->l3_len / 4;
        memset(l3 + 20, 1, f->l3_len - 20);     /* No-operation options. */
        l3[1] = word_number(words, n, "tos", 0);
        put16(l3 + 4, word_number(words, n, "id", 0x1234));
        put16(l3 + 6, word_number(words, n, "frag", 0));
        l3[8] = word_number(words, n, "ttl", 64);
        l3[9] = proto;
        inet_pton(AF_INET, from ? from : "10.0.0.1", l3 + 12);
        inet_pton(AF_INET, to ? to : "10.0.0.2", l3 + 16);
    } else if (ipv6) {
        put32(l3, word_number(words, n, "version", 6) << 28
                  | word_number(words, n, "tos", 0) << 20
                  | word_number(words, n, "label", 0));
        l3[7] = word_number(words, n, "ttl", 64);
        inet_pton(AF_INET6, from ? from : "fd00::1", l3 + 8);
        inet_pton(AF_INET6, to ? to : "fd00::2", l3 + 24);
        f->l3_len = 40 + make_ext(l3 + 40, l3 + 6, proto, words, n);
    }
    l4 = l3 + f->l3_len;
    f->l4_len = ipv4 || ipv6 ? make_l4(l4, proto, words, n) : 0;
    start = proto == IPPROTO_TCP ? word_number(words, n, "seq", 1) : 0;
    for (uint32_t i = 0; i < payload; i++) {
        l4[f->l4_len + i] = n_data != UINT32_MAX ? data[i] : start + i;
    }
    f->len = l4 + f->l4_len + payload - f->data;

    if (ipv4) {
        put16(l3 + 2, word_number(words, n, "iplen",
                                  f->l3_len + f->l4_len + payload));
        put16(l3 + 10, ~sum16(l3, f->l3_len, 0));
        if (word_value(words, n, "badip")) {
            l3[10] ^= 0x55;
        }
    } else if (ipv6) {
        put16(l3 + 4, word_number(words, n, "iplen",
                                  f->l3_len - 40 + f->l4_len + payload));
    }
    if ((ipv4 || ipv6) && proto == IPPROTO_UDP) {
        put16(l4 + 4, word_number(words, n, "udplen", 8 + payload));
    }
    if ((ipv4 || ipv6) && csum_ofs(proto)) {
        uint8_t *field = l4 + csum_ofs(proto);
        uint32_t csum = l4_csum(l3, l4, f->l4_len + payload, proto);

        if (word_value(words, n, "nocsum")) {
            /* It stays 0. */
        } else if (proto == IPPROTO_SCTP) {
            memcpy(field, &csum, 4);    /* Little endian. */
        } else {
            put16(field, csum);
        }
        if (word_value(words, n, "badcsum")) {
            field[0] ^= 0x55;
        }
    }
    f->len += word_number(words, n, "pad", 0);
    f->len = word_number(words, n, "cut", f->len);
}

static void
print_mac(const uint8_t *mac)
{
    printf("%02x:%02x:%02x:%02x:%02x:%02x",
           mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void print_stack(const uint8_t *, uint32_t len);

static void
print_hex(const uint8_t *data, uint32_t n)
{
    while (n--) {
        printf("%02x", *data++);
    }
}

/* Prints what is in the UDP packet for a tunnel's port, if it is one. */
static bool
print_tunnel(uint16_t port, const uint8_t *data, uint32_t len)
{
    uint32_t header = 8;

    if (port == 6081) {
        header += (data[0] & 0x3f) * 4;
    } else if (port != 4789) {
        return false;
    }
    if (len < header + 14) {
        return false;
    }
    printf(" data %u tunnel ", len);
    print_hex(data, header);
    printf(" {");
    print_stack(data + header, len - header);
    printf("}");
    return true;
}

static void
print_gre(const uint8_t *gre, uint32_t len)
{
    uint32_t header = 4;

    header += gre[0] & 0x80 ? 4 : 0;
    header += gre[0] & 0x20 ? 4 : 0;
    header += gre[0] & 0x10 ? 4 : 0;
    printf(" gre ");
    print_hex(gre, header);
    if (gre[0] & 0x80) {
        printf(" csum %s", sum16(gre, len, 0) == 0xffff ? "ok" : "wrong");
    }
    printf(" {");
    print_stack(gre + header, len - header);
    printf("}");
}

/* Prints layer 4, with whether its checksum and payload are right. */
static void
print_l4(const uint8_t *l3, const uint8_t *l4, uint32_t len, uint8_t proto)
{
    uint32_t header = 0, start = 0;
    bool ok = true;

    switch (proto) {
    case IPPROTO_TCP:
        header = (l4[12] >> 4) * 4;
        start = get32(l4 + 4);
        printf(" tcp %u>%u seq %u flags %#x", get16(l4), get16(l4 + 2), start,
               get16(l4 + 12) & 0xfff);
        break;

    case IPPROTO_UDP:
        header = 8;
        printf(" udp %u>%u", get16(l4), get16(l4 + 2));
        break;

    case IPPROTO_SCTP:
        header = 12;
        printf(" sctp %u>%u", get16(l4), get16(l4 + 2));
        break;

    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        header = 8;
        printf(" icmp %u/%u", l4[0], l4[1]);
        break;

    case IPPROTO_GRE:
        print_gre(l4, len);
        return;

    default:
        printf(" proto %u", proto);
        break;
    }
    if (header > len) {
        printf(" truncated");
        return;
    }
    if (csum_ofs(proto)) {
        uint32_t want = l4_csum(l3, l4, len, proto);
        const uint8_t *field = l4 + csum_ofs(proto);
        uint32_t is;

        if (proto == IPPROTO_SCTP) {
            memcpy(&is, field, 4);
        } else {
            is = get16(field);
        }
        printf(" csum %s", is == want ? "ok" : !is ? "none" : "wrong");
    }
    if (proto == IPPROTO_UDP && print_tunnel(get16(l4 + 2), l4 + header,
                                             len - header)) {
        return;
    }
    for (uint32_t i = header; i < len; i++) {
        ok = ok && l4[i] == (uint8_t) (start + i - header);
    }
    printf(" data %u %s", len - header, ok ? "ok" : "wrong");
}

/* Prints the frame at 'copy'; what is behind may be read, too. */
static void
print_stack(const uint8_t *copy, uint32_t len)
{
    const uint8_t *p = copy;
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    uint32_t type;

    print_mac(p + 6);
    printf(">");
    print_mac(p);
    p += 12;
    for (type = get16(p); type == 0x8100 || type == 0x88a8; type = get16(p)) {
        printf(" vlan %u pcp %u", get16(p + 2) & 0xfff, get16(p + 2) >> 13);
        if (type != 0x8100) {
            printf(" tpid %#x", type);
        }
        p += 4;
    }
    p += 2;
    if (type == 0x800 && len >= 34) {
        uint32_t header = (p[0] & 15) * 4;
        uint32_t ip_len = get16(p + 2);

        inet_ntop(AF_INET, p + 12, from, sizeof from);
        inet_ntop(AF_INET, p + 16, to, sizeof to);
        printf(" ipv4 %s>%s tos %#x ttl %u id %#x", from, to, p[1], p[8],
               get16(p + 4));
        if (get16(p + 6)) {
            printf(" frag %#x", get16(p + 6));
        }
        printf(" csum %s", sum16(p, header, 0) == 0xffff ? "ok" : "wrong");
        if (p + ip_len > copy + len || ip_len < header) {
            printf(" truncated");
        } else if (!(get16(p + 6) & 0x1fff)) {
            print_l4(p, p + header, ip_len - header, p[9]);
        }
    } else if (type == 0x86dd && len >= 54) {
        uint32_t ip_len = get16(p + 4) + 40;
        uint32_t header = 40, n_ext;
        uint8_t proto = p[6];

        inet_ntop(AF_INET6, p + 8, from, sizeof from);
        inet_ntop(AF_INET6, p + 24, to, sizeof to);
        printf(" ipv6 %s>%s tc %#x hop %u label %#x", from, to,
               get32(p) >> 20 & 255, p[7], get32(p) & 0xfffff);
        while (proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING
               || proto == IPPROTO_DSTOPTS || proto == IPPROTO_FRAGMENT) {
            printf(" ext %u", proto);
            n_ext = proto == IPPROTO_FRAGMENT ? 8 : p[header + 1] * 8 + 8;
            proto = p[header];
            header += n_ext;
            if (header > ip_len || p + header >= copy + len) {
                break;
            }
        }
        if (p + ip_len > copy + len || ip_len < header) {
            printf(" truncated");
        } else {
            print_l4(p, p + header, ip_len - header, proto);
        }
    } else {
        printf(" type %#x", type);
        if (type == 0x806 || type == 0x8847) {
            printf(" ");
            print_hex(p, copy + len - p);
        }
    }
}

/* Prints a frame on the rest of a line. */
void
frame_print(const uint8_t *data, uint32_t len)
{
    static uint8_t copy[FRAME_MAX + 128];

    memset(copy, 0, sizeof copy);
    memcpy(copy, data, len);
    print_stack(copy, len);
}
