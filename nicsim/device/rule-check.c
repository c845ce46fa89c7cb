/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "rule-check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "log.h"
#include "nic.h"
#include "nicsim/rule-format.h"

#define ALL_ITEMS   ((NICSIM_ITEM_MARK << 1) - 1)
#define ALL_PRESENT ((NICSIM_P_SOUND << 1) - 1)

#define P_IP   (NICSIM_P_IPV4 | NICSIM_P_IPV6)
#define P_L4   (NICSIM_P_TCP | NICSIM_P_UDP | NICSIM_P_SCTP)
#define P_ICMP (NICSIM_P_ICMP | NICSIM_P_ICMP6)
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
    PART(ip_src, P_IP, NICSIM_ITEM_IPV4),
    PART(ip_dst, P_IP, NICSIM_ITEM_IPV4),
    PART(ip6_label, NICSIM_P_IPV6, NICSIM_ITEM_IPV6),
    PART(tcp_flags, NICSIM_P_TCP, NICSIM_ITEM_TCP),
    PART(l4_src, P_L4, NICSIM_ITEM_TCP),
    PART(l4_dst, P_L4, NICSIM_ITEM_TCP),
    PART(icmp_type, P_ICMP, NICSIM_ITEM_ICMP),
    PART(icmp_code, P_ICMP, NICSIM_ITEM_ICMP),
#undef PART
};

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
check_match(const struct nic *nic, struct nicsim_rule_op *op, char *why)
{
    const struct nicsim_rule *rule = &op->rule;
    const struct nicsim_key *key = &rule->key;
    const struct nicsim_key *mask = &rule->mask;
    uint32_t present = key->present;
    uint32_t refused = rule->items & nic->opts.refuse_items;

    if (rule->items & ~ALL_ITEMS) {
        return culprit(op, NICSIM_CULPRIT_ITEM, rule->items & ~ALL_ITEMS,
                       refuse(ENOTSUP, why, "unknown item"));
    }
    if (refused) {
        refused &= -refused;
        return culprit(op, NICSIM_CULPRIT_ITEM, refused,
                       refuse(ENOTSUP, why, "item %s is not supported",
                              rule_item_name(refused)));
    }
    for (size_t i = 0; i < sizeof *key; i++) {
        if (((const uint8_t *) key)[i] & ~((const uint8_t *) mask)[i]) {
            return culprit(op, NICSIM_CULPRIT_ITEM, 0,
                           refuse(EINVAL, why, "the key has bits outside the "
                                  "mask"));
        }
    }
    if (mask->present & ~ALL_PRESENT || mask->pad
        || !is_zero(mask->pad2, sizeof mask->pad2)) {
        return culprit(op, NICSIM_CULPRIT_ITEM, 0,
                       refuse(EINVAL, why, "the mask has bits without a "
                              "meaning"));
    }
    if (mask->vport && (mask->vport != UINT16_MAX
                        || key->vport >= nic->n_vports)) {
        return culprit(op, NICSIM_CULPRIT_ITEM, NICSIM_ITEM_PORT,
                       refuse(EINVAL, why, "there is no port %d, mask %#x",
                              key->vport, mask->vport));
    }

    /* Headers that exclude each other: one at most of each kind. */
    if (__builtin_popcount(present & P_IP) > 1
        || __builtin_popcount(present & (P_L4 | P_ICMP)) > 1
        || (present & (P_L4 | P_ICMP) && present & NICSIM_P_LATER_FRAG)
        || (present & NICSIM_P_ICMP && present & NICSIM_P_IPV6)
        || (present & NICSIM_P_ICMP6 && present & NICSIM_P_IPV4)
        || (present & P_EXT && present & NICSIM_P_IPV4)
        || (present & NICSIM_P_IP_OPTIONS && present & NICSIM_P_IPV6)) {
        return culprit(op, NICSIM_CULPRIT_ITEM, 0,
                       refuse(EINVAL, why, "no packet can have all these "
                              "headers"));
    }
    if (present & (P_L4 | P_ICMP) && !(present & P_IP)) {
        return culprit(op, NICSIM_CULPRIT_ITEM, 0,
                       refuse(EINVAL, why, "layer 4 without ipv4 or ipv6"));
    }
    if (present & NICSIM_P_VLAN2 && !(present & NICSIM_P_VLAN)) {
        return culprit(op, NICSIM_CULPRIT_ITEM, NICSIM_ITEM_VLAN,
                       refuse(EINVAL, why, "inner tag without an outer one"));
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
    if (present & NICSIM_P_IPV4
        && (!is_zero(mask->ip_src + 4, 12) || !is_zero(mask->ip_dst + 4, 12)
            || mask->ip6_label)) {
        return culprit(op, NICSIM_CULPRIT_ITEM, NICSIM_ITEM_IPV4,
                       refuse(EINVAL, why, "an IPv4 address has 4 bytes"));
    }
    return 0;
}

/* What is known, while the actions are gone through, of each packet that they
 * will be applied to. */
struct known {
    uint32_t present;                   /* NICSIM_P_*: headers. */
    int n_tags;
    bool set_ttl, dec_ttl;
};

static int
check_set_field(const struct nicsim_action *action, struct known *known,
                char *why)
{
    const char *name = rule_action_name(rule_action_number(action));
    uint32_t needed;

    switch (action->field) {
    case NICSIM_F_ETH_DST:
    case NICSIM_F_ETH_SRC:
        return 0;

    case NICSIM_F_IPV4_DSCP:
    case NICSIM_F_IPV6_DSCP:
        if (action->value[0] > 63) {
            return refuse(EINVAL, why, "%s: %d, must be 0 to 63", name,
                          action->value[0]);
        }
        needed = (action->field == NICSIM_F_IPV4_DSCP
                  ? NICSIM_P_IPV4 : NICSIM_P_IPV6);
        break;

    case NICSIM_F_IPV4_SRC:
    case NICSIM_F_IPV4_DST:
        needed = NICSIM_P_IPV4;
        break;

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

    default:
        return refuse(ENOTSUP, why, "unknown field %d", action->field);
    }
    if (!(known->present & needed)) {
        return refuse(EINVAL, why, "%s: the match does not say that there is "
                      "such a header", name);
    }
    return 0;
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

static int
check_action(const struct nic *nic, const struct nicsim_rule *rule,
             uint32_t i, struct known *known, char *why)
{
    const struct nicsim_action *action = &rule->actions[i];
    int number = rule_action_number(action);
    const char *name = rule_action_name(number);
    bool last = i == rule->n_actions - 1;
    bool fate = false;

    if (number < 0) {
        return refuse(ENOTSUP, why, "unknown action");
    }
    if (nic->opts.refuse_actions >> number & 1) {
        return refuse(ENOTSUP, why, "action %s is not supported", name);
    }
    switch (action->type) {
    case NICSIM_ACT_DROP:
        fate = true;
        break;

    case NICSIM_ACT_OUTPUT:
    case NICSIM_ACT_TO_SOFTWARE:
        fate = true;
        if (action->arg >= nic->n_vports) {
            return refuse(EINVAL, why, "%s: there is no port %"PRIu32, name,
                          action->arg);
        }
        break;

    case NICSIM_ACT_JUMP:
        fate = true;
        if (action->arg <= rule->group || action->arg > NICSIM_MAX_GROUP) {
            return refuse(EINVAL, why, "jump from group %"PRIu32" to %"PRIu32
                          ", must be a higher one up to %d", rule->group,
                          action->arg, NICSIM_MAX_GROUP);
        }
        break;

    case NICSIM_ACT_COUNT:
    case NICSIM_ACT_MARK:
        break;

    case NICSIM_ACT_DEC_TTL:
        if (!(known->present & P_IP)) {
            return refuse(EINVAL, why, "%s: the match does not say that there "
                          "is such a header", name);
        }
        if (known->dec_ttl || known->set_ttl) {
            return refuse(ENOTSUP, why, "%s after another change of the TTL",
                          name);
        }
        known->dec_ttl = true;
        break;

    case NICSIM_ACT_SET_FIELD: {
        int error = check_set_field(action, known, why);

        if (error) {
            return error;
        }
        break;
    }

    default: {
        int error = check_vlan_action(action, known, why);

        if (error) {
            return error;
        }
        break;
    }
    }

    if (fate && !last) {
        return refuse(EINVAL, why, "%s is not the last action", name);
    }
    if (!fate && last) {
        return refuse(EINVAL, why, "the last action is %s, which says not "
                      "where the packet goes", name);
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
        .present = rule->key.present,
        .n_tags = !!(rule->key.present & NICSIM_P_VLAN)
                  + !!(rule->key.present & NICSIM_P_VLAN2),
    };
    int error;

    error = check_attr(op, why);
    if (!error) {
        error = check_match(nic, op, why);
    }
    if (!error && (!rule->n_actions || rule->n_actions > NICSIM_MAX_ACTIONS)) {
        error = culprit(op, NICSIM_CULPRIT_ACTION, 0,
                        refuse(EINVAL, why, "%"PRIu32" actions, must be 1 to "
                               "%d", rule->n_actions, NICSIM_MAX_ACTIONS));
    }
    for (uint32_t i = 0; !error && i < rule->n_actions; i++) {
        error = check_action(nic, rule, i, &known, why);
        if (error) {
            culprit(op, NICSIM_CULPRIT_ACTION, i, error);
        }
    }
    return error;
}
