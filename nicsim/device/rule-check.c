/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "rule-check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "edit.h"
#include "function.h"
#include "log.h"
#include "meter.h"
#include "nic.h"
#include "nicsim/bytes.h"
#include "nicsim/rule-format.h"

#define ALL_ITEMS   ((NICSIM_ITEM_LAST << 1) - 1)
#define ALL_PRESENT ((NICSIM_P_L4_OK << 1) - 1)

#define P_IP   (NICSIM_P_IPV4 | NICSIM_P_IPV6)
#define P_L3   (P_IP | NICSIM_P_ARP | NICSIM_P_MPLS)
#define P_L4   (NICSIM_P_TCP | NICSIM_P_UDP | NICSIM_P_SCTP)
#define P_ICMP (NICSIM_P_ICMP | NICSIM_P_ICMP6)
#define P_CSUM (NICSIM_P_IP_OK | NICSIM_P_L4_OK)
#define P_EXT  (NICSIM_P_EXT_HOP | NICSIM_P_EXT_ROUTE | NICSIM_P_EXT_FRAG \
                | NICSIM_P_EXT_AUTH | NICSIM_P_EXT_ESP | NICSIM_P_EXT_DEST \
                | NICSIM_P_EXT_MOBIL | NICSIM_P_EXT_HIP \
                | NICSIM_P_EXT_SHIM6)

/* A part of the key and the headers of which one has to be asked for by a rule
 * that looks at it: without, its bytes are 0 for packets of all other kinds,
 * which nobody means to match. */
static const struct {
    size_t ofs, n;
    uint32_t any_of;
    uint32_t item;
} key_parts[] = {
#define PART(FIELD, ANY_OF, ITEM) \
    { offsetof(struct nicsim_key, FIELD), \
      sizeof(((struct nicsim_key *) 0)->FIELD), ANY_OF, ITEM }
    PART(vlan_tpid, NICSIM_P_VLAN, NICSIM_ITEM_VLAN),
    PART(vlan_tci, NICSIM_P_VLAN, NICSIM_ITEM_VLAN),
    PART(vlan2_tpid, NICSIM_P_VLAN2, NICSIM_ITEM_VLAN),
    PART(vlan2_tci, NICSIM_P_VLAN2, NICSIM_ITEM_VLAN),
    PART(ip_proto, P_IP, NICSIM_ITEM_IPV4),
    PART(ip_tos, P_IP, NICSIM_ITEM_IPV4),
    PART(ip_ttl, P_IP, NICSIM_ITEM_IPV4),
    PART(ip_frag, P_IP, NICSIM_ITEM_IPV4),
    PART(ip_src, P_IP | NICSIM_P_ARP, NICSIM_ITEM_IPV4),
    PART(ip_dst, P_IP | NICSIM_P_ARP, NICSIM_ITEM_IPV4),
    PART(ip6_label, NICSIM_P_IPV6, NICSIM_ITEM_IPV6),
    PART(ip6_frag_next, NICSIM_P_EXT_FRAG, NICSIM_ITEM_IPV6_FRAG),
    PART(tcp_flags, NICSIM_P_TCP, NICSIM_ITEM_TCP),
    PART(l4_src, P_L4, NICSIM_ITEM_TCP),
    PART(l4_dst, P_L4, NICSIM_ITEM_TCP),
    PART(icmp_type, P_ICMP, NICSIM_ITEM_ICMP),
    PART(icmp_code, P_ICMP, NICSIM_ITEM_ICMP),
    PART(mpls, NICSIM_P_MPLS, NICSIM_ITEM_MPLS),
    PART(arp_oper, NICSIM_P_ARP, NICSIM_ITEM_ARP),
    PART(arp_sha, NICSIM_P_ARP | NICSIM_P_ND, NICSIM_ITEM_ARP),
    PART(arp_tha, NICSIM_P_ARP | NICSIM_P_ND, NICSIM_ITEM_ARP),
    PART(nd_target, NICSIM_P_ND, NICSIM_ITEM_ND_NS),
#undef PART
};

static int
culprit(struct nicsim_rule_op *op, enum nicsim_culprit what, uint32_t arg,
        int error)
{
    op->culprit = what;
    op->culprit_arg = arg;
    return error;
}

static int
check_attr(struct nicsim_rule_op *op, char *why)
{
    const struct nicsim_rule *rule = &op->rule;

    if (rule->group > NICSIM_MAX_GROUP) {
        return culprit(op, NICSIM_CULPRIT_ATTR, 0,
                       refuse(ENOTSUP, why, "group %"PRIu32", must be 0 to %d",
                              rule->group, NICSIM_MAX_GROUP));
    }
    if (rule->priority > NICSIM_MAX_PRIO) {
        return culprit(op, NICSIM_CULPRIT_ATTR, 0,
                       refuse(ENOTSUP, why, "priority %"PRIu32", must be 0 to "
                              "%d", rule->priority, NICSIM_MAX_PRIO));
    }
    return 0;
}

static int
refuse_item(struct nicsim_rule_op *op, uint32_t item, char *why,
            const char *text)
{
    return culprit(op, NICSIM_CULPRIT_ITEM, item,
                   refuse(EINVAL, why, "%s", text));
}

/* Checks a stack of headers. */
static int
check_stack(struct nicsim_rule_op *op, const struct nicsim_key *key,
            const struct nicsim_key *mask, char *why)
{
    uint32_t present = key->present;

    if (mask->present & ~ALL_PRESENT || mask->pad) {
        return refuse_item(op, 0, why, "the mask has bits without a meaning");
    }

    /* Headers that exclude each other: one at most of each kind. */
    if (__builtin_popcount(present & P_L3) > 1
        || __builtin_popcount(present & (P_L4 | P_ICMP)) > 1
        || (present & (P_L4 | P_ICMP) && present & NICSIM_P_LATER_FRAG)
        || (present & NICSIM_P_ICMP && present & NICSIM_P_IPV6)
        || (present & NICSIM_P_ICMP6 && present & NICSIM_P_IPV4)
        || (present & P_EXT && present & NICSIM_P_IPV4)
        || (present & NICSIM_P_IP_OPTIONS && present & NICSIM_P_IPV6)) {
        return refuse_item(op, 0, why, "no packet can have all these headers");
    }
    if (present & (P_L4 | P_ICMP) && !(present & P_IP)) {
        return refuse_item(op, 0, why, "layer 4 without ipv4 or ipv6");
    }
    if (present & NICSIM_P_VLAN2 && !(present & NICSIM_P_VLAN)) {
        return refuse_item(op, NICSIM_ITEM_VLAN, why,
                           "inner tag without an outer one");
    }
    if (present & NICSIM_P_ND && !(present & NICSIM_P_ICMP6)) {
        return refuse_item(op, NICSIM_ITEM_ND_NS, why, "ND without icmp6");
    }
    if (mask->present & NICSIM_P_UDP_CSUM && !(present & NICSIM_P_UDP)) {
        return refuse_item(op, NICSIM_ITEM_UDP, why,
                           "UDP's checksum without udp");
    }
    if (mask->present & P_CSUM && !(present & P_IP)) {
        return refuse_item(op, NICSIM_ITEM_INTEGRITY, why,
                           "checksums without ipv4 or ipv6");
    }
    for (size_t i = 0; i < sizeof key_parts / sizeof key_parts[0]; i++) {
        if (!(present & key_parts[i].any_of)
            && !is_zero((const uint8_t *) mask + key_parts[i].ofs,
                        key_parts[i].n)) {
            return culprit(op, NICSIM_CULPRIT_ITEM, key_parts[i].item,
                           refuse(EINVAL, why, "a field of %s is matched but "
                                  "not the header",
                                  rule_item_name(key_parts[i].item)));
        }
    }
    if (present & (NICSIM_P_IPV4 | NICSIM_P_ARP)
        && (!is_zero(mask->ip_src + 4, 12) || !is_zero(mask->ip_dst + 4, 12)
            || mask->ip6_label)) {
        return refuse_item(op, NICSIM_ITEM_IPV4, why,
                           "an IPv4 address has 4 bytes");
    }
    return 0;
}

/* Checks the tunnel and what is in it. */
static int
check_tunnel(struct nicsim_rule_op *op, char *why)
{
    const struct nicsim_match *key = &op->rule.key;
    const struct nicsim_match *mask = &op->rule.mask;
    uint32_t outer = key->outer.present;

    if (!mask->tunnel.type) {
        return (is_zero(&mask->tunnel, sizeof mask->tunnel)
                && is_zero(&mask->inner, sizeof mask->inner) ? 0
                : refuse_item(op, 0, why, "what is in a tunnel is matched but "
                              "not its type"));
    }
    if (mask->tunnel.type != UINT8_MAX
        || !is_zero(mask->tunnel.pad, sizeof mask->tunnel.pad)) {
        return refuse_item(op, 0, why, "the mask has bits without a meaning");
    }
    switch (key->tunnel.type) {
    case NICSIM_TUNNEL_VXLAN:
    case NICSIM_TUNNEL_VXLAN_GPE:
    case NICSIM_TUNNEL_GENEVE:
        if (!(outer & NICSIM_P_UDP) || mask->outer.l4_dst != UINT16_MAX) {
            return refuse_item(op, NICSIM_ITEM_UDP, why, "a tunnel is matched "
                               "but not the UDP port behind which it is");
        }
        break;

    case NICSIM_TUNNEL_GRE:
        if (!(outer & P_IP) || mask->outer.ip_proto != UINT8_MAX
            || key->outer.ip_proto != IPPROTO_GRE) {
            return refuse_item(op, NICSIM_ITEM_GRE, why,
                               "GRE is matched but not IP's protocol");
        }
        if (!is_zero(mask->tunnel.header + 4, 4)
            && !(key->tunnel.header[0] & 0x20)) {
            return refuse_item(op, NICSIM_ITEM_GRE_KEY, why,
                               "GRE's key is matched but not that it is "
                               "there");
        }
        break;

    default:
        return refuse_item(op, 0, why, "there is no tunnel of this type");
    }
    if (key->tunnel.type != NICSIM_TUNNEL_GENEVE
        && !is_zero(mask->tunnel.options, sizeof mask->tunnel.options)) {
        return refuse_item(op, NICSIM_ITEM_GENEVE_OPT, why,
                           "only Geneve has options");
    }
    if (mask->inner.present & P_CSUM) {
        return refuse_item(op, NICSIM_ITEM_INTEGRITY, why,
                           "only outer checksums are checked");
    }
    return check_stack(op, &key->inner, &mask->inner, why);
}

static int
check_meta(const struct nic *nic, struct nicsim_rule_op *op, char *why)
{
    const struct nicsim_meta *key = &op->rule.key.meta;
    const struct nicsim_meta *mask = &op->rule.mask.meta;

    if (!is_zero(mask->pad, sizeof mask->pad)) {
        return refuse_item(op, 0, why, "the mask has bits without a meaning");
    }
    if (mask->vport && (mask->vport != UINT16_MAX
                        || key->vport >= nic->n_vports)) {
        return culprit(op, NICSIM_CULPRIT_ITEM, NICSIM_ITEM_PORT,
                       refuse(EINVAL, why, "there is no port %d, mask %#x",
                              key->vport, mask->vport));
    }
    return 0;
}

static int
check_match(const struct nic *nic, struct nicsim_rule_op *op, char *why)
{
    const struct nicsim_rule *rule = &op->rule;
    const uint8_t *key = (const uint8_t *) &rule->key;
    const uint8_t *mask = (const uint8_t *) &rule->mask;
    uint32_t refused = rule->items & nic->opts.refuse_items;
    int error;

    if (rule->items & ~ALL_ITEMS) {
        return culprit(op, NICSIM_CULPRIT_ITEM, rule->items & ~ALL_ITEMS,
                       refuse(ENOTSUP, why, "unknown item"));
    }
    if (refused) {
        refused &= -refused;
        return culprit(op, NICSIM_CULPRIT_ITEM, refused,
                       refuse(nic->opts.trouble.refuse_errno, why,
                              "item %s is not supported",
                              rule_item_name(refused)));
    }
    for (size_t i = 0; i < sizeof rule->key; i++) {
        if (key[i] & ~mask[i]) {
            return refuse_item(op, 0, why, "the key has bits outside the "
                               "mask");
        }
    }
    error = check_meta(nic, op, why);
    if (!error) {
        error = check_stack(op, &rule->key.outer, &rule->mask.outer, why);
    }
    return error ? error : check_tunnel(op, why);
}

/* What is known, while the actions are gone through, of each packet that they
 * will be applied to. */
struct known {
    uint32_t present;                   /* NICSIM_P_*: headers. */
    int n_tags;                         /* At least. */
    bool set_ttl, dec_ttl;
    bool tags_fixed;                    /* 'n_tags' are all. */
    bool tunnel;                        /* It is in the tunnel that the match
                                         * asks for. */
    bool moved;                         /* Out of one or into one, or there is
                                         * another label in front. */
    bool no_l2;                         /* Layer 2 was taken away. */
};

static int
count_tags(uint32_t present)
{
    return !!(present & NICSIM_P_VLAN) + !!(present & NICSIM_P_VLAN2);
}

/* Whether packets have no more tags than those of 'key', 'mask' being the
 * match's of the same headers.  A third one is not parsed. */
static bool
are_tags_fixed(const struct nicsim_key *key, const struct nicsim_key *mask)
{
    uint32_t next = (key->present & NICSIM_P_VLAN2 ? 0
                     : key->present & NICSIM_P_VLAN ? NICSIM_P_VLAN2
                     : NICSIM_P_VLAN);

    return (mask->present & next) == next;
}

static int
no_header(const char *name, char *why)
{
    return refuse(EINVAL, why, "%s: the match does not say that there is such "
                  "a header", name);
}

static int
check_set_field(const struct nicsim_action *action, struct known *known,
                char *why)
{
    const char *name = rule_action_name(rule_action_number(action));
    uint32_t needed, n;
    uint8_t full[16];

    n = rule_field_mask(action->field, full);
    if (!n) {
        return refuse(ENOTSUP, why, "unknown field %d", action->field);
    }
    for (uint32_t i = 0; i < sizeof full; i++) {
        if (action->mask[i] & ~full[i]
            || action->value[i] & ~action->mask[i]) {
            return refuse(EINVAL, why, "%s: bits outside the field, or the "
                          "mask", name);
        }
    }
    if (is_zero(action->mask, sizeof action->mask)) {
        return refuse(EINVAL, why, "%s: no bits to change", name);
    }
    if (action->arg & ~known->present) {
        return no_header(name, why);
    }
    switch (action->field) {
    case NICSIM_F_ETH_DST:
    case NICSIM_F_ETH_SRC:
    default:
        return 0;

    case NICSIM_F_IPV4_DSCP:
    case NICSIM_F_IPV4_ECN:
    case NICSIM_F_IPV4_SRC:
    case NICSIM_F_IPV4_DST:
        needed = NICSIM_P_IPV4;
        break;

    case NICSIM_F_IPV6_DSCP:
    case NICSIM_F_IPV6_ECN:
    case NICSIM_F_IPV6_SRC:
    case NICSIM_F_IPV6_DST:
        needed = NICSIM_P_IPV6;
        break;

    case NICSIM_F_IP_TTL:
        needed = P_IP;
        if (known->dec_ttl) {
            return refuse(ENOTSUP, why, "%s after dec_ttl", name);
        }
        known->set_ttl = true;
        break;

    case NICSIM_F_TP_SRC:
    case NICSIM_F_TP_DST:
        needed = NICSIM_P_TCP | NICSIM_P_UDP;
        break;

    case NICSIM_F_VLAN_VID:
        return known->n_tags ? 0
               : refuse(EINVAL, why, "%s: the match does not say that there "
                        "is a tag", name);
    }
    return known->present & needed ? 0 : no_header(name, why);
}

static int
check_vlan_action(const struct nicsim_action *action, struct known *known,
                  char *why)
{
    const char *name = rule_action_name(rule_action_number(action));

    if (action->type == NICSIM_ACT_PUSH_VLAN) {
        if (action->arg != 0x8100 && action->arg != 0x88a8) {
            return refuse(EINVAL, why, "%s: TPID %#"PRIx32", must be 0x8100 "
                          "or 0x88a8", name, action->arg);
        }
        if (known->n_tags == 2) {
            return refuse(ENOTSUP, why, "%s: a third tag", name);
        }
        known->n_tags++;
        return 0;
    }
    if (!known->n_tags) {
        return refuse(EINVAL, why, "%s: the match does not say that there is "
                      "a tag", name);
    }
    if (action->type == NICSIM_ACT_POP_VLAN) {
        known->n_tags--;
    } else if (action->arg > (action->type == NICSIM_ACT_SET_VLAN_VID
                              ? 4095 : 7)) {
        return refuse(EINVAL, why, "%s: %"PRIu32" is too much", name,
                      action->arg);
    }
    return 0;
}

/* Returns the length of all headers of the tunnel that 'rule' matches, if
 * 'n_tags' of its tags are left, or 0 if it is not the same for all such
 * packets. */
static uint32_t
tunnel_length(const struct nicsim_rule *rule, int n_tags)
{
    const struct nicsim_match *key = &rule->key, *mask = &rule->mask;
    uint8_t flags = key->tunnel.header[0];
    uint8_t known = mask->tunnel.header[0];
    uint32_t len = 14 + 4 * n_tags;

    if (!(mask->outer.present & (key->outer.present & NICSIM_P_VLAN
                                 ? NICSIM_P_VLAN2 : NICSIM_P_VLAN))) {
        return 0;
    }
    if (key->outer.present & NICSIM_P_IPV6) {
        len += 40;
    } else if (mask->outer.present & ~key->outer.present
               & NICSIM_P_IP_OPTIONS) {
        len += 20;
    } else {
        return 0;
    }
    switch (key->tunnel.type) {
    case NICSIM_TUNNEL_GRE:
        return ((known & 0xb0) == 0xb0
                ? len + 4 + 4 * __builtin_popcount(flags & 0xb0) : 0);

    case NICSIM_TUNNEL_GENEVE:
        return (known & 0x3f) == 0x3f ? len + 16 + 4 * (flags & 0x3f) : 0;

    default:
        return len + 16;
    }
}

/* DECAP of layer 2. */
static int
check_decap_l2(const struct nicsim_action *action, struct known *known,
               char *why)
{
    const char *name = rule_action_name(rule_action_number(action));
    uint32_t len = 14 + 4 * known->n_tags;

    if (!known->tags_fixed) {
        return refuse(ENOTSUP, why, "%s: the match does not fix the number of "
                      "tags", name);
    }
    if (action->arg != len && (action->arg != len + 4
                               || !(known->present & NICSIM_P_MPLS))) {
        return refuse(EINVAL, why, "%s: %"PRIu32" bytes, but Ethernet and its "
                      "tags have %"PRIu32, name, action->arg, len);
    }
    known->tunnel = false;
    known->moved = true;
    known->no_l2 = true;
    return 0;
}

static int
check_decap(const struct nicsim_rule *rule, const struct nicsim_action *action,
            struct known *known, char *why)
{
    const char *name = rule_action_name(rule_action_number(action));

    if (action->arg && action->arg <= NICSIM_MAX_L2) {
        return check_decap_l2(action, known, why);
    }
    if (!known->tunnel) {
        return refuse(EINVAL, why, "%s: the match does not say that there is "
                      "a tunnel", name);
    }
    if (action->form == NICSIM_FORM_VXLAN
        && rule->key.tunnel.type != NICSIM_TUNNEL_VXLAN
        && rule->key.tunnel.type != NICSIM_TUNNEL_VXLAN_GPE) {
        return refuse(EINVAL, why, "%s: the match asks for another tunnel",
                      name);
    }
    if (action->arg) {
        uint32_t len = tunnel_length(rule, known->n_tags);

        if (!len) {
            return refuse(ENOTSUP, why, "%s: the match does not fix the "
                          "length of the headers", name);
        }
        if (len != action->arg) {
            return refuse(EINVAL, why, "%s: %"PRIu32" bytes, but the headers "
                          "have %"PRIu32, name, action->arg, len);
        }
    }
    known->tunnel = false;
    known->moved = true;
    known->present = rule->key.inner.present;
    known->n_tags = count_tags(known->present);
    known->tags_fixed = are_tags_fixed(&rule->key.inner, &rule->mask.inner);
    return 0;
}

static int
check_encap(const struct nicsim_rule *rule, const struct nicsim_action *action,
            struct known *known, char *why)
{
    const char *name = rule_action_name(rule_action_number(action));
    const char *bad;
    struct encap e;

    if (action->arg > rule->data_len
        || action->field > rule->data_len - action->arg) {
        return refuse(EINVAL, why, "%s: the header is not in the data", name);
    }
    bad = edit_check_encap(rule->data + action->arg, action->field, &e);
    if (bad) {
        return refuse(ENOTSUP, why, "%s: %s", name, bad);
    }
    if (e.mpls != known->no_l2) {
        return refuse(ENOTSUP, why, "%s: %s", name,
                      e.mpls ? "a label goes where raw_decap took Ethernet "
                      "away" : "raw_decap took Ethernet away, only a label "
                      "can be put there");
    }
    known->tunnel = false;
    known->moved = true;
    known->no_l2 = false;
    known->present = (e.mpls ? NICSIM_P_MPLS
                      : (e.ipv6 ? NICSIM_P_IPV6 : NICSIM_P_IPV4)
                        | (e.l4_proto == IPPROTO_UDP ? NICSIM_P_UDP : 0));
    known->n_tags = e.n_tags;
    known->tags_fixed = true;
    return 0;
}

static int
check_meter(const struct nic *nic, const struct nicsim_rule_op *op,
            const struct nicsim_action *action, char *why)
{
    int fn = meter_function(nic->meters, action->arg);
    struct nic *n = (struct nic *) nic;

    return (fn >= 0 && (function_by_id(n, fn)->host
                        == function_by_id(n, op->fn)->host) ? 0
            : refuse(EINVAL, why, "meter: there is no meter %"PRIu32,
                     action->arg));
}

static bool
is_fate(const struct nicsim_action *action)
{
    return (action->type == NICSIM_ACT_DROP
            || action->type == NICSIM_ACT_OUTPUT
            || action->type == NICSIM_ACT_TO_SOFTWARE
            || action->type == NICSIM_ACT_JUMP);
}

/* Checks one action, but not the ones that belong to a SAMPLE. */
static int
check_action(const struct nic *nic, const struct nicsim_rule_op *op,
             const struct nicsim_action *action, struct known *known,
             bool in_sample, char *why)
{
    const struct nicsim_rule *rule = &op->rule;
    int number = rule_action_number(action);
    const char *name = rule_action_name(number);

    if (number < 0 || action->pad) {
        return refuse(ENOTSUP, why, "unknown action");
    }
    if (nic->opts.refuse_actions >> number & 1) {
        return refuse(nic->opts.trouble.refuse_errno, why,
                      "action %s is not supported", name);
    }
    if (known->no_l2 && action->type != NICSIM_ACT_ENCAP) {
        return refuse(ENOTSUP, why, "%s: the packet has no Ethernet header",
                      name);
    }
    if (in_sample && (action->type == NICSIM_ACT_COUNT
                      || action->type == NICSIM_ACT_SAMPLE
                      || action->type == NICSIM_ACT_DEC_TTL)) {
        return refuse(ENOTSUP, why, "%s in a sample", name);
    }
    switch (action->type) {
    case NICSIM_ACT_OUTPUT:
    case NICSIM_ACT_TO_SOFTWARE:
        if (action->arg >= nic->n_vports) {
            return refuse(EINVAL, why, "%s: there is no port %"PRIu32, name,
                          action->arg);
        }
        return 0;

    case NICSIM_ACT_JUMP:
        if (action->arg == rule->group || !action->arg
            || action->arg > NICSIM_MAX_GROUP) {
            return refuse(EINVAL, why, "jump from group %"PRIu32" to %"PRIu32
                          ", must be another one from 1 to %d", rule->group,
                          action->arg, NICSIM_MAX_GROUP);
        }
        return 0;

    case NICSIM_ACT_COUNT:
    case NICSIM_ACT_DROP:
    case NICSIM_ACT_MARK:
        return 0;

    case NICSIM_ACT_SAMPLE:
        return action->arg ? 0 : refuse(EINVAL, why, "%s: ratio 0", name);

    case NICSIM_ACT_METER:
        return check_meter(nic, op, action, why);

    case NICSIM_ACT_DECAP:
        return check_decap(rule, action, known, why);

    case NICSIM_ACT_ENCAP:
        return check_encap(rule, action, known, why);

    case NICSIM_ACT_POP_MPLS:
        if (!(known->present & NICSIM_P_MPLS)) {
            return no_header(name, why);
        }
        known->present &= ~NICSIM_P_MPLS;
        return action->arg >= 0x600 && action->arg <= UINT16_MAX ? 0
               : refuse(EINVAL, why, "%s: %#"PRIx32" is no EtherType", name,
                        action->arg);

    case NICSIM_ACT_DEC_TTL:
        if (!(known->present & P_IP)) {
            return no_header(name, why);
        }
        if (known->dec_ttl || known->set_ttl || known->moved) {
            return refuse(ENOTSUP, why, "%s after another change of the TTL",
                          name);
        }
        known->dec_ttl = true;
        return 0;

    case NICSIM_ACT_SET_FIELD:
        return check_set_field(action, known, why);

    default:
        return check_vlan_action(action, known, why);
    }
}

/* Checks the actions from 'i' to before 'end'. */
static int
check_actions(const struct nic *nic, struct nicsim_rule_op *op, uint32_t i,
              uint32_t end, struct known *known, bool in_sample, char *why)
{
    for (; i < end; i++) {
        const struct nicsim_action *action = &op->rule.actions[i];
        const char *name = rule_action_name(rule_action_number(action));
        bool last = i == end - 1;
        int error;

        error = check_action(nic, op, action, known, in_sample, why);
        if (!error && is_fate(action) != last) {
            error = (last
                     ? refuse(EINVAL, why, "the last action is %s, which says "
                              "not where the packet goes", name)
                     : refuse(EINVAL, why, "%s is not the last action",
                              name));
        }
        if (!error && action->type == NICSIM_ACT_SAMPLE) {
            struct known copy = *known;

            if (!action->field || action->field >= end - i - 1) {
                error = refuse(EINVAL, why, "%s: of %d actions", name,
                               action->field);
            } else {
                error = check_actions(nic, op, i + 1, i + 1 + action->field,
                                      &copy, true, why);
                if (error) {
                    return error;       /* The culprit is named. */
                }
                i += action->field;
            }
        }
        if (error) {
            return culprit(op, NICSIM_CULPRIT_ACTION, i, error);
        }
    }
    return 0;
}

/* Checks the rule in 'op'.  Returns 0, or a positive errno with the culprit in
 * 'op' and the reason in 'why'. */
int
rule_check(const struct nic *nic, struct nicsim_rule_op *op, char *why)
{
    const struct nicsim_rule *rule = &op->rule;
    struct known known = {
        .present = rule->key.outer.present,
        .n_tags = count_tags(rule->key.outer.present),
        .tags_fixed = are_tags_fixed(&rule->key.outer, &rule->mask.outer),
        .tunnel = rule->key.tunnel.type != NICSIM_TUNNEL_NONE,
    };
    int error;

    error = check_attr(op, why);
    if (!error) {
        error = check_match(nic, op, why);
    }
    if (error) {
        return error;
    }
    if (!rule->n_actions || rule->n_actions > NICSIM_MAX_ACTIONS
        || rule->data_len > NICSIM_RULE_DATA) {
        return culprit(op, NICSIM_CULPRIT_ACTION, 0,
                       refuse(EINVAL, why, "%"PRIu32" actions, must be 1 to "
                              "%d", rule->n_actions, NICSIM_MAX_ACTIONS));
    }
    return check_actions(nic, op, 0, rule->n_actions, &known, false, why);
}
