/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-flow-action.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

/* The fields that MODIFY_FIELD can set. */
static const struct modify_info {
    enum rte_flow_field_id id;
    enum nicsim_field field;
    uint32_t bits;                      /* Right-aligned in their bytes. */
    uint32_t present;                   /* NICSIM_P_*: what has to be there,
                                         * unless the field says it. */
} infos[] = {
    { RTE_FLOW_FIELD_MAC_DST, NICSIM_F_ETH_DST, 48, 0 },
    { RTE_FLOW_FIELD_MAC_SRC, NICSIM_F_ETH_SRC, 48, 0 },
    { RTE_FLOW_FIELD_VLAN_ID, NICSIM_F_VLAN_VID, 12, 0 },
    { RTE_FLOW_FIELD_IPV4_DSCP, NICSIM_F_IPV4_DSCP, 6, 0 },
    { RTE_FLOW_FIELD_IPV4_ECN, NICSIM_F_IPV4_ECN, 2, 0 },
    { RTE_FLOW_FIELD_IPV4_TTL, NICSIM_F_IP_TTL, 8, NICSIM_P_IPV4 },
    { RTE_FLOW_FIELD_IPV4_SRC, NICSIM_F_IPV4_SRC, 32, 0 },
    { RTE_FLOW_FIELD_IPV4_DST, NICSIM_F_IPV4_DST, 32, 0 },
    { RTE_FLOW_FIELD_IPV6_DSCP, NICSIM_F_IPV6_DSCP, 6, 0 },
    { RTE_FLOW_FIELD_IPV6_ECN, NICSIM_F_IPV6_ECN, 2, 0 },
    { RTE_FLOW_FIELD_IPV6_HOPLIMIT, NICSIM_F_IP_TTL, 8, NICSIM_P_IPV6 },
    { RTE_FLOW_FIELD_IPV6_SRC, NICSIM_F_IPV6_SRC, 128, 0 },
    { RTE_FLOW_FIELD_IPV6_DST, NICSIM_F_IPV6_DST, 128, 0 },
    { RTE_FLOW_FIELD_TCP_PORT_SRC, NICSIM_F_TP_SRC, 16, NICSIM_P_TCP },
    { RTE_FLOW_FIELD_TCP_PORT_DST, NICSIM_F_TP_DST, 16, NICSIM_P_TCP },
    { RTE_FLOW_FIELD_UDP_PORT_SRC, NICSIM_F_TP_SRC, 16, NICSIM_P_UDP },
    { RTE_FLOW_FIELD_UDP_PORT_DST, NICSIM_F_TP_DST, 16, NICSIM_P_UDP },
    { RTE_FLOW_FIELD_TAG, NICSIM_F_TAG, 32, 0 },
    { RTE_FLOW_FIELD_META, NICSIM_F_META, 32, 0 },
    { RTE_FLOW_FIELD_MARK, 0, 32, 0 },
};

static const struct modify_info *
find_info(enum rte_flow_field_id id)
{
    for (unsigned int i = 0; i < RTE_DIM(infos); i++) {
        if (infos[i].id == id) {
            return &infos[i];
        }
    }
    return NULL;
}

/* Sets value and mask for 'conf', which was checked.  Bit 0 of a field is the
 * most significant one of its first byte, and the source's bits are those of
 * the same place in a field of the same form. */
static void
set_bits(const struct modify_info *info,
         const struct rte_flow_action_modify_field *conf, const uint8_t *src,
         struct nicsim_action *hw)
{
    uint32_t n = (info->bits + 7) / 8;
    uint32_t first = n * 8 - info->bits + conf->dst.offset;

    for (uint32_t bit = first; bit < first + conf->width; bit++) {
        hw->mask[bit / 8] |= 0x80 >> bit % 8;
    }
    for (uint32_t i = 0; i < n; i++) {
        hw->value[i] = src[i] & hw->mask[i];
    }
}

/* MARK, META and TAG: numbers in host order, set as a whole. */
static int
set_register(struct nicsim_actions *a, const struct rte_flow_action *action,
             const uint8_t *src, struct nicsim_action *hw)
{
    const struct rte_flow_action_modify_field *conf = action->conf;
    uint32_t value;

    memcpy(&value, src, sizeof value);
    if (conf->width != 32 || conf->dst.offset) {
        return nicsim_action_refuse_conf(a, action, "sets mark, meta and tags "
                                         "as a whole only");
    }
    if (conf->dst.field == RTE_FLOW_FIELD_MARK) {
        hw->type = NICSIM_ACT_MARK;
        hw->field = 0;
        hw->arg = value;
        return 0;
    }
    if (conf->dst.field == RTE_FLOW_FIELD_TAG) {
        if (conf->dst.level >= NICSIM_N_TAGS) {
            return nicsim_action_refuse_conf(a, action, "the NIC has no tag "
                                             "of this index");
        }
        hw->field += conf->dst.level;
    }
    value = rte_cpu_to_be_32(value);
    memcpy(hw->value, &value, sizeof value);
    memset(hw->mask, 0xff, sizeof value);
    return 0;
}

int
nicsim_action_modify_field(struct nicsim_actions *a,
                           const struct rte_flow_action *action,
                           struct nicsim_action *hw)
{
    const struct rte_flow_action_modify_field *conf = action->conf;
    const struct modify_info *info = find_info(conf->dst.field);
    const uint8_t *src = conf->src.value;

    if (conf->operation != RTE_FLOW_MODIFY_SET) {
        return nicsim_action_refuse_conf(a, action, "the NIC can set, but not "
                                         "add or subtract");
    }
    if (!info) {
        return nicsim_action_refuse_conf(a, action, "the NIC can not change "
                                         "this field");
    }
    if (conf->src.field == RTE_FLOW_FIELD_POINTER) {
        src = conf->src.pvalue;
    } else if (conf->src.field != RTE_FLOW_FIELD_VALUE) {
        src = NULL;
    }
    if (!src) {
        return nicsim_action_refuse_conf(a, action, "the source can be a "
                                         "value only");
    }
    if (!conf->width || conf->width > info->bits
        || conf->dst.offset > info->bits - conf->width) {
        return nicsim_action_refuse_conf(a, action, "the field has no such "
                                         "bits");
    }
    hw->field = info->field;
    if (info->bits == 32 && (conf->dst.field == RTE_FLOW_FIELD_TAG
                             || conf->dst.field == RTE_FLOW_FIELD_META
                             || conf->dst.field == RTE_FLOW_FIELD_MARK)) {
        return set_register(a, action, src, hw);
    }
    if (conf->dst.level > 1) {
        return nicsim_action_refuse_conf(a, action, "the NIC can change the "
                                         "outermost headers only");
    }
    hw->arg = info->present;
    set_bits(info, conf, src, hw);
    return 0;
}
