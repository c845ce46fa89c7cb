/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host's commands for rules. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nicsim/rule-format.h"
#include "nicsim-frame.h"
#include "nicsim-host.h"

/* Splits "VALUE/MASK".  Returns the mask or NULL. */
static char *
split_mask(char *value)
{
    char *slash = strchr(value, '/');

    if (slash) {
        *slash++ = '\0';
    }
    return slash;
}

static void
match_number(const char *value, uint32_t full, int size, void *key,
             void *mask)
{
    char copy[64];
    char *m;
    uint32_t x, y;

    snprintf(copy, sizeof copy, "%s", value);
    m = split_mask(copy);
    y = m ? strtoul(m, NULL, 0) : full;
    x = strtoul(copy, NULL, 0) & y;
    if (size == 1) {
        *(uint8_t *) key |= x;
        *(uint8_t *) mask |= y;
    } else if (size == 2) {
        *(uint16_t *) key |= htons(x);
        *(uint16_t *) mask |= htons(y);
    } else {
        *(uint32_t *) key |= htonl(x);
        *(uint32_t *) mask |= htonl(y);
    }
}

static void
match_mac(const char *value, uint8_t *key, uint8_t *mask)
{
    char copy[64];
    char *m;

    snprintf(copy, sizeof copy, "%s", value);
    m = split_mask(copy);
    parse_mac(m ? m : "ff:ff:ff:ff:ff:ff", mask);
    parse_mac(copy, key);
}

static void
match_ip(const char *value, bool ipv6, uint8_t *key, uint8_t *mask)
{
    char copy[128];
    char *m;
    int n = ipv6 ? 16 : 4;

    snprintf(copy, sizeof copy, "%s", value);
    m = split_mask(copy);
    inet_pton(ipv6 ? AF_INET6 : AF_INET, copy, key);
    if (m) {
        inet_pton(ipv6 ? AF_INET6 : AF_INET, m, mask);
    } else {
        memset(mask, 0xff, n);
    }
    for (int i = 0; i < n; i++) {
        key[i] &= mask[i];
    }
}

/* Headers and features that a word asks for, or with "no_" excludes. */
static bool
match_present(const char *word, struct nicsim_rule *rule,
              struct nicsim_key *key, struct nicsim_key *mask)
{
    static const struct {
        const char *name;
        uint32_t bit, item;
    } names[] = {
        { "vlan", NICSIM_P_VLAN, NICSIM_ITEM_VLAN },
        { "vlan2", NICSIM_P_VLAN2, NICSIM_ITEM_VLAN },
        { "ipv4", NICSIM_P_IPV4, NICSIM_ITEM_IPV4 },
        { "ipv6", NICSIM_P_IPV6, NICSIM_ITEM_IPV6 },
        { "frag", NICSIM_P_FRAG, 0 },
        { "later", NICSIM_P_LATER_FRAG, 0 },
        { "tcp", NICSIM_P_TCP, NICSIM_ITEM_TCP },
        { "udp", NICSIM_P_UDP, NICSIM_ITEM_UDP },
        { "sctp", NICSIM_P_SCTP, NICSIM_ITEM_SCTP },
        { "icmp", NICSIM_P_ICMP, NICSIM_ITEM_ICMP },
        { "icmp6", NICSIM_P_ICMP6, NICSIM_ITEM_ICMP6 },
        { "options", NICSIM_P_IP_OPTIONS, 0 },
        { "hop", NICSIM_P_EXT_HOP, 0 },
        { "extfrag", NICSIM_P_EXT_FRAG, NICSIM_ITEM_IPV6_FRAG },
        { "sound", NICSIM_P_SOUND, 0 },
        { "mpls", NICSIM_P_MPLS, NICSIM_ITEM_MPLS },
        { "arp", NICSIM_P_ARP, NICSIM_ITEM_ARP },
        { "nd", NICSIM_P_ND, NICSIM_ITEM_ND_NS },
        { "udpcsum", NICSIM_P_UDP_CSUM, NICSIM_ITEM_UDP },
        { "ipok", NICSIM_P_IP_OK, NICSIM_ITEM_INTEGRITY },
        { "l4ok", NICSIM_P_L4_OK, NICSIM_ITEM_INTEGRITY },
    };
    bool no = !strncmp(word, "no_", 3);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(names[i].name, word + (no ? 3 : 0))) {
            mask->present |= names[i].bit;
            if (!no) {
                key->present |= names[i].bit;
                rule->items |= names[i].item;
            }
            return true;
        }
    }
    return false;
}

/* Bytes in hexadecimal, from offset 'ofs' of a header on. */
static void
match_hex(const char *value, uint8_t *key, uint8_t *mask, size_t size)
{
    for (size_t i = 0; i < size && value[0] && value[1]; i++, value += 2) {
        char byte[3] = { value[0], value[1], '\0' };

        if (strcmp(byte, "xx")) {       /* These do not matter. */
            key[i] = strtoul(byte, NULL, 16);
            mask[i] = 0xff;
        }
    }
}

/* A tunnel: what follows is about what is in it. */
static bool
match_tunnel(const char *name, struct nicsim_rule *rule)
{
    static const struct {
        const char *name;
        uint8_t type;
        uint32_t item;
    } names[] = {
        { "vxlan", NICSIM_TUNNEL_VXLAN, NICSIM_ITEM_VXLAN },
        { "vxlan_gpe", NICSIM_TUNNEL_VXLAN_GPE, NICSIM_ITEM_VXLAN_GPE },
        { "geneve", NICSIM_TUNNEL_GENEVE, NICSIM_ITEM_GENEVE },
        { "gre", NICSIM_TUNNEL_GRE, NICSIM_ITEM_GRE },
        { "tunnel99", 99, 0 },
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(names[i].name, name)) {
            rule->key.tunnel.type = names[i].type;
            rule->mask.tunnel.type = UINT8_MAX;
            rule->items |= names[i].item;
            return true;
        }
    }
    return false;
}

static void
parse_match(char **words, int n, struct nicsim_rule *rule)
{
    struct nicsim_key *key = &rule->key.outer, *mask = &rule->mask.outer;

    for (int i = 0; i < n; i++) {
        char *name = words[i];
        char *value = strchr(name, '=');

        if (match_present(name, rule, key, mask)) {
            continue;
        }
        if (match_tunnel(name, rule) || !strcmp(name, "inner")) {
            key = &rule->key.inner;
            mask = &rule->mask.inner;
            continue;
        }
        if (!value) {
            die("match \"%s\"", name);
        }
        *value++ = '\0';
#define NUMBER(NAME, FIELD, FULL)                                       \
        if (!strcmp(name, NAME)) {                                      \
            match_number(value, FULL, sizeof key->FIELD, &key->FIELD,   \
                         &mask->FIELD);                                 \
            continue;                                                   \
        }
        NUMBER("type", eth_type, 0xffff)
        NUMBER("tci", vlan_tci, 0xffff)
        NUMBER("vid", vlan_tci, 0xfff)
        NUMBER("tpid", vlan_tpid, 0xffff)
        NUMBER("tci2", vlan2_tci, 0xffff)
        NUMBER("proto", ip_proto, 0xff)
        NUMBER("tos", ip_tos, 0xff)
        NUMBER("ttl", ip_ttl, 0xff)
        NUMBER("fragword", ip_frag, 0xffff)
        NUMBER("fragnext", ip6_frag_next, 0xff)
        NUMBER("flags", tcp_flags, 0xfff)
        NUMBER("label", ip6_label, 0xfffff)
        NUMBER("sport", l4_src, 0xffff)
        NUMBER("dport", l4_dst, 0xffff)
        NUMBER("kind", icmp_type, 0xff)
        NUMBER("code", icmp_code, 0xff)
        NUMBER("lse", mpls, UINT32_MAX)
        NUMBER("op", arp_oper, 0xffff)
#undef NUMBER
        if (!strcmp(name, "port")) {
            rule->key.meta.vport = parse_vport(value);
            rule->mask.meta.vport = UINT16_MAX;
            rule->items |= NICSIM_ITEM_PORT;
        } else if (!strcmp(name, "mark")) {
            rule->key.meta.mark = atoi(value);
            rule->mask.meta.mark = UINT32_MAX;
            rule->items |= NICSIM_ITEM_MARK;
        } else if (!strcmp(name, "meta")) {
            rule->key.meta.meta = atoi(value);
            rule->mask.meta.meta = UINT32_MAX;
            rule->items |= NICSIM_ITEM_META;
        } else if (!strncmp(name, "tag", 3) && name[3] >= '0'
                   && name[3] < '0' + NICSIM_N_TAGS) {
            rule->key.meta.tags[name[3] - '0'] = atoi(value);
            rule->mask.meta.tags[name[3] - '0'] = UINT32_MAX;
            rule->items |= NICSIM_ITEM_TAG;
        } else if (!strcmp(name, "sha")) {
            match_mac(value, key->arp_sha, mask->arp_sha);
        } else if (!strcmp(name, "tha")) {
            match_mac(value, key->arp_tha, mask->arp_tha);
        } else if (!strcmp(name, "target")) {
            match_ip(value, true, key->nd_target, mask->nd_target);
        } else if (!strcmp(name, "header")) {
            match_hex(value, rule->key.tunnel.header, rule->mask.tunnel.header,
                      sizeof rule->key.tunnel.header);
        } else if (!strcmp(name, "options")) {
            match_hex(value, rule->key.tunnel.options,
                      rule->mask.tunnel.options,
                      sizeof rule->key.tunnel.options);
        } else if (!strcmp(name, "src")) {
            match_mac(value, key->eth_src, mask->eth_src);
            rule->items |= NICSIM_ITEM_ETH;
        } else if (!strcmp(name, "dst")) {
            match_mac(value, key->eth_dst, mask->eth_dst);
            rule->items |= NICSIM_ITEM_ETH;
        } else if (!strcmp(name, "from")) {
            match_ip(value, strchr(value, ':'), key->ip_src, mask->ip_src);
        } else if (!strcmp(name, "to")) {
            match_ip(value, strchr(value, ':'), key->ip_dst, mask->ip_dst);
        } else if (!strcmp(name, "group")) {
            rule->group = strtoul(value, NULL, 0);
        } else if (!strcmp(name, "prio")) {
            rule->priority = strtoul(value, NULL, 0);
        } else if (!strcmp(name, "items")) {
            rule->items |= strtoul(value, NULL, 0);
        } else if (!strcmp(name, "keybyte")) {
            ((uint8_t *) &rule->key)[atoi(value)] ^= 0xff;
        } else if (!strcmp(name, "maskbyte")) {
            ((uint8_t *) &rule->mask)[atoi(value)] ^= 0xff;
        } else {
            die("match \"%s\"", name);
        }
    }
}

/* Sets the field of 'action' to 'value', which may have "/MASK" behind it. */
static void
parse_field(char *value, struct nicsim_action *action)
{
    uint8_t full[16];
    uint32_t n = rule_field_mask(action->field, full);
    char *mask = split_mask(value);

    for (int i = 0; i < (mask ? 2 : 1); i++) {
        uint8_t *to = i ? action->mask : action->value;
        const char *s = i ? mask : value;

        switch (action->field) {
        case NICSIM_F_ETH_DST:
        case NICSIM_F_ETH_SRC:
            parse_mac(s, to);
            break;

        case NICSIM_F_IPV4_SRC:
        case NICSIM_F_IPV4_DST:
            inet_pton(AF_INET, s, to);
            break;

        case NICSIM_F_IPV6_SRC:
        case NICSIM_F_IPV6_DST:
            inet_pton(AF_INET6, s, to);
            break;

        default: {
            uint32_t number = htonl(strtoul(s, NULL, 0));

            memcpy(to, (uint8_t *) &number + 4 - (n ? n : 1), n ? n : 1);
            break;
        }
        }
    }
    if (!mask) {
        memcpy(action->mask, full, sizeof full);
    }
}

/* encap=HEX: the bytes go to the rule's data. */
static void
parse_encap(const char *value, struct nicsim_rule *rule,
            struct nicsim_action *action)
{
    action->arg = rule->data_len;
    for (; value[0] && value[1] && rule->data_len < NICSIM_RULE_DATA;
         value += 2) {
        char byte[3] = { value[0], value[1], '\0' };

        rule->data[rule->data_len++] = strtoul(byte, NULL, 16);
    }
    action->field = rule->data_len - action->arg;
}

static void
parse_action(char *word, struct nicsim_rule *rule,
             struct nicsim_action *action)
{
    static const struct {
        const char *name;
        uint16_t type, field;
    } names[] = {
        { "count", NICSIM_ACT_COUNT, 0 }, { "drop", NICSIM_ACT_DROP, 0 },
        { "output", NICSIM_ACT_OUTPUT, 0 },
        { "software", NICSIM_ACT_TO_SOFTWARE, 0 },
        { "jump", NICSIM_ACT_JUMP, 0 }, { "mark", NICSIM_ACT_MARK, 0 },
        { "dec_ttl", NICSIM_ACT_DEC_TTL, 0 },
        { "pop", NICSIM_ACT_POP_VLAN, 0 },
        { "push", NICSIM_ACT_PUSH_VLAN, 0 },
        { "vid", NICSIM_ACT_SET_VLAN_VID, 0 },
        { "pcp", NICSIM_ACT_SET_VLAN_PCP, 0 },
        { "dst", NICSIM_ACT_SET_FIELD, NICSIM_F_ETH_DST },
        { "src", NICSIM_ACT_SET_FIELD, NICSIM_F_ETH_SRC },
        { "from4", NICSIM_ACT_SET_FIELD, NICSIM_F_IPV4_SRC },
        { "to4", NICSIM_ACT_SET_FIELD, NICSIM_F_IPV4_DST },
        { "from6", NICSIM_ACT_SET_FIELD, NICSIM_F_IPV6_SRC },
        { "to6", NICSIM_ACT_SET_FIELD, NICSIM_F_IPV6_DST },
        { "ttl", NICSIM_ACT_SET_FIELD, NICSIM_F_IP_TTL },
        { "dscp4", NICSIM_ACT_SET_FIELD, NICSIM_F_IPV4_DSCP },
        { "dscp6", NICSIM_ACT_SET_FIELD, NICSIM_F_IPV6_DSCP },
        { "sport", NICSIM_ACT_SET_FIELD, NICSIM_F_TP_SRC },
        { "dport", NICSIM_ACT_SET_FIELD, NICSIM_F_TP_DST },
        { "ecn4", NICSIM_ACT_SET_FIELD, NICSIM_F_IPV4_ECN },
        { "ecn6", NICSIM_ACT_SET_FIELD, NICSIM_F_IPV6_ECN },
        { "setvid", NICSIM_ACT_SET_FIELD, NICSIM_F_VLAN_VID },
        { "meta", NICSIM_ACT_SET_FIELD, NICSIM_F_META },
        { "tag0", NICSIM_ACT_SET_FIELD, NICSIM_F_TAG },
        { "tag3", NICSIM_ACT_SET_FIELD, NICSIM_F_TAG + 3 },
        { "decap", NICSIM_ACT_DECAP, 0 },
        { "meter", NICSIM_ACT_METER, 0 },
        { "popmpls", NICSIM_ACT_POP_MPLS, 0 },
        { "field99", NICSIM_ACT_SET_FIELD, 99 }, { "action99", 99, 0 },
    };
    char *value = strchr(word, '=');
    size_t i;

    if (value) {
        *value++ = '\0';
    }
    if (value && !strcmp(word, "encap")) {
        action->type = NICSIM_ACT_ENCAP;
        parse_encap(value, rule, action);
        return;
    }
    if (value && !strcmp(word, "sample")) {
        /* sample=RATIO:N, of the next N actions. */
        action->type = NICSIM_ACT_SAMPLE;
        action->arg = strtoul(value, &value, 0);
        action->field = *value ? atoi(value + 1) : 1;
        return;
    }
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(names[i].name, word)) {
            break;
        }
    }
    if (i == sizeof names / sizeof names[0]) {
        die("action \"%s\"", word);
    }
    action->type = names[i].type;
    action->field = names[i].field;
    if (!value) {
        return;
    }
    if (action->field) {
        action->form = (action->field == NICSIM_F_IPV4_ECN
                        || action->field == NICSIM_F_IPV6_ECN
                        || action->field == NICSIM_F_VLAN_VID
                        ? NICSIM_FORM_MODIFY_FIELD : NICSIM_FORM_PLAIN);
        parse_field(value, action);
    } else {
        action->arg = parse_vport(value);
    }
}

static void
rule_request(char **words, int n, const char *what, uint32_t type)
{
    struct nicsim_rule *rule = &msg.rule.rule;
    int i;

    clear();
    msg.rule.fn = NICSIM_FN(NICSIM_FN_PF, 0);
    if (n && !strncmp(words[0], "fn=", 3)) {
        msg.rule.fn = parse_function(words[0] + 3);
        words++;
        n--;
    }
    for (i = 0; i < n && strcmp(words[i], "=>"); i++) {
        continue;
    }
    parse_match(words, i, rule);
    while (++i < n) {
        if (rule->n_actions == NICSIM_MAX_ACTIONS) {
            rule->n_actions++;          /* More than there may be. */
            break;
        }
        parse_action(words[i], rule, &rule->actions[rule->n_actions++]);
    }
    if (request(what, type, NULL, 0, NULL) && type == NICSIM_RULE_CREATE) {
        printf("rule %"PRIu64"\n", msg.rule.id);
    }
}

/* rule [fn=FN] MATCH... => ACTION...: prints its number. */
void
cmd_rule(char **words, int n)
{
    rule_request(words, n, "rule", NICSIM_RULE_CREATE);
}

/* validate [fn=FN] MATCH... => ACTION.... */
void
cmd_validate(char **words, int n)
{
    rule_request(words, n, "validate", NICSIM_RULE_VALIDATE);
}

/* query ID [fn=FN] [reset], destroy ID [fn=FN], flush FN. */
static bool
rule_op(char **words, int n, const char *what, uint32_t type)
{
    const char *fn = word_value(words, n, "fn");

    clear();
    msg.rule.fn = parse_function(fn ? fn : "pf");
    msg.rule.id = strtoull(words[0], NULL, 0);
    msg.rule.reset = word_value(words, n, "reset") != NULL;
    return request(what, type, NULL, 0, NULL);
}

void
cmd_query(char **words, int n)
{
    if (rule_op(words, n, "query", NICSIM_RULE_QUERY)) {
        printf("rule %s: %"PRIu64" packets, %"PRIu64" bytes\n", words[0],
               msg.rule.counter.packets, msg.rule.counter.bytes);
    }
}

void
cmd_destroy(char **words, int n)
{
    rule_op(words, n, "destroy", NICSIM_RULE_DESTROY);
}

void
cmd_flush(char **words, int n)
{
    (void) n;
    clear();
    msg.rule.fn = parse_function(words[0]);
    request("flush", NICSIM_RULE_FLUSH, NULL, 0, NULL);
}

/* rules N [per=N] [masks=N] [prio=N]: makes N rules for packets of vf0 to
 * UDP addresses and ports that differ, and says how long that took. */
void
cmd_rules(char **words, int n)
{
    uint32_t n_rules = atoi(words[0]);
    struct timespec start, now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint32_t i = 0; i < n_rules; i++) {
        struct nicsim_rule *rule = &msg.rule.rule;
        struct nicsim_key *key = &rule->key.outer, *mask = &rule->mask.outer;
        uint32_t addr = htonl(0x0a010000 + i);

        clear();
        msg.rule.fn = NICSIM_FN(NICSIM_FN_PF, 0);
        rule->priority = word_number(words, n, "prio", 0);
        rule->n_actions = 2;
        rule->actions[0].type = NICSIM_ACT_COUNT;
        rule->actions[1].type = NICSIM_ACT_OUTPUT;
        rule->actions[1].arg = NICSIM_VPORT_VF(1);
        rule->key.meta.vport = NICSIM_VPORT_VF(0);
        rule->mask.meta.vport = UINT16_MAX;
        key->present = NICSIM_P_IPV4 | NICSIM_P_UDP;
        mask->present = key->present | NICSIM_P_FRAG;
        key->eth_type = htons(0x800);
        mask->eth_type = UINT16_MAX;
        memset(mask->eth_dst, 0xff, 6);
        parse_mac("02:00:00:00:00:02", key->eth_dst);
        memcpy(key->ip_dst, &addr, 4);
        memset(mask->ip_dst, 0xff, 4);
        key->ip_proto = 17;
        mask->ip_proto = 255;
        if (!request("rules", NICSIM_RULE_CREATE, NULL, 0, NULL)) {
            return;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    fprintf(stderr, "%"PRIu32" rules in %.3f s\n", n_rules,
            now.tv_sec - start.tv_sec
            + (now.tv_nsec - start.tv_nsec) / 1e9);
}

/* meter [fn=FN] [id=N] [packets] [dropyellow] cir=N cbs=N [ebs=N] [pir=N]:
 * makes a meter, with two rates if there is a 'pir', or with 'id' changes one,
 * and prints its id. */
void
cmd_meter(char **words, int n)
{
    const char *fn = word_value(words, n, "fn");
    struct nicsim_meter *meter = &msg.meter.meter;
    uint32_t id = word_number(words, n, "id", 0);

    clear();
    msg.meter.fn = parse_function(fn ? fn : "pf");
    meter->id = id;
    meter->in_packets = word_value(words, n, "packets") != NULL;
    meter->drop_yellow = word_value(words, n, "dropyellow") != NULL;
    meter->cir = word_number(words, n, "cir", 0);
    meter->cbs = word_number(words, n, "cbs", 0);
    meter->ebs = word_number(words, n, "ebs", 0);
    meter->pir = word_number(words, n, "pir", 0);
    meter->two_rates = meter->pir > 0;
    if (request("meter", id ? NICSIM_METER_UPDATE : NICSIM_METER_CREATE, NULL,
                0, NULL)) {
        printf("meter %"PRIu32"\n", msg.meter.meter.id);
    }
}

static bool
meter_op(char **words, int n, const char *what, uint32_t type)
{
    const char *fn = word_value(words, n, "fn");

    clear();
    msg.meter.fn = parse_function(fn ? fn : "pf");
    msg.meter.meter.id = strtoul(words[0], NULL, 0);
    msg.meter.reset = word_value(words, n, "reset") != NULL;
    return request(what, type, NULL, 0, NULL);
}

/* qmeter ID [fn=FN] [reset], dmeter ID [fn=FN]. */
void
cmd_qmeter(char **words, int n)
{
    if (meter_op(words, n, "qmeter", NICSIM_METER_QUERY)) {
        const struct nicsim_counter *c3 = msg.meter.colors;

        printf("meter %s: green %"PRIu64"/%"PRIu64" yellow %"PRIu64"/%"PRIu64
               " red %"PRIu64"/%"PRIu64"\n", words[0], c3[0].packets,
               c3[0].bytes, c3[1].packets, c3[1].bytes, c3[2].packets,
               c3[2].bytes);
    }
}

void
cmd_dmeter(char **words, int n)
{
    meter_op(words, n, "dmeter", NICSIM_METER_DESTROY);
}
