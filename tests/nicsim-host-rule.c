/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host's commands for rules. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
match_present(const char *word, struct nicsim_rule *rule)
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
    };
    bool no = !strncmp(word, "no_", 3);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(names[i].name, word + (no ? 3 : 0))) {
            rule->mask.present |= names[i].bit;
            if (!no) {
                rule->key.present |= names[i].bit;
                rule->items |= names[i].item;
            }
            return true;
        }
    }
    return false;
}

static void
parse_match(char **words, int n, struct nicsim_rule *rule)
{
    struct nicsim_key *key = &rule->key, *mask = &rule->mask;

    for (int i = 0; i < n; i++) {
        char *name = words[i];
        char *value = strchr(name, '=');

        if (match_present(name, rule)) {
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
        NUMBER("flags", tcp_flags, 0xfff)
        NUMBER("label", ip6_label, 0xfffff)
        NUMBER("sport", l4_src, 0xffff)
        NUMBER("dport", l4_dst, 0xffff)
        NUMBER("kind", icmp_type, 0xff)
        NUMBER("code", icmp_code, 0xff)
#undef NUMBER
        if (!strcmp(name, "port")) {
            key->vport = parse_vport(value);
            mask->vport = UINT16_MAX;
            rule->items |= NICSIM_ITEM_PORT;
        } else if (!strcmp(name, "mark")) {
            key->mark = atoi(value);
            mask->mark = UINT32_MAX;
            rule->items |= NICSIM_ITEM_MARK;
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
            ((uint8_t *) key)[atoi(value)] ^= 0xff;
        } else if (!strcmp(name, "maskbyte")) {
            ((uint8_t *) mask)[atoi(value)] ^= 0xff;
        } else {
            die("match \"%s\"", name);
        }
    }
}

static void
parse_action(char *word, struct nicsim_action *action)
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
        { "field99", NICSIM_ACT_SET_FIELD, 99 }, { "action99", 99, 0 },
    };
    char *value = strchr(word, '=');
    size_t i;

    if (value) {
        *value++ = '\0';
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
    switch (action->field) {
    case NICSIM_F_ETH_DST:
    case NICSIM_F_ETH_SRC:
        parse_mac(value, action->value);
        break;

    case NICSIM_F_IPV4_SRC:
    case NICSIM_F_IPV4_DST:
        inet_pton(AF_INET, value, action->value);
        break;

    case NICSIM_F_IPV6_SRC:
    case NICSIM_F_IPV6_DST:
        inet_pton(AF_INET6, value, action->value);
        break;

    case NICSIM_F_TP_SRC:
    case NICSIM_F_TP_DST: {
        uint16_t port = htons(atoi(value));

        memcpy(action->value, &port, 2);
        break;
    }

    case 0:
        action->arg = parse_vport(value);
        break;

    default:
        action->value[0] = atoi(value);
        break;
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
        parse_action(words[i], &rule->actions[rule->n_actions++]);
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
        struct nicsim_key *key = &rule->key, *mask = &rule->mask;
        uint32_t addr = htonl(0x0a010000 + i);

        clear();
        msg.rule.fn = NICSIM_FN(NICSIM_FN_PF, 0);
        rule->priority = word_number(words, n, "prio", 0);
        rule->n_actions = 2;
        rule->actions[0].type = NICSIM_ACT_COUNT;
        rule->actions[1].type = NICSIM_ACT_OUTPUT;
        rule->actions[1].arg = NICSIM_VPORT_VF(1);
        key->vport = NICSIM_VPORT_VF(0);
        mask->vport = UINT16_MAX;
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
