/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "mlx5-order.h"

#include <errno.h>
#include <stddef.h>

#include <rte_flow.h>

/* rdma-core's hardware actions, as far as the driver makes them for rules of
 * the switch.  Counters are left out: they may stand anywhere, and the driver
 * puts them at the end (mlx5_flow_dv.c, flow_dv_translate()). */
enum hw_action {
    HW_NONE,                            /* Nothing was done yet. */
    HW_DECAP,
    HW_POP,                             /* VLAN. */
    HW_MODIFY,                          /* All rewrites of a rule are one. */
    HW_PUSH,                            /* VLAN. */
    HW_ENCAP,
    HW_METER,                           /* ASO_FLOW_METER. */
    HW_SAMPLE,                          /* SAMPLER or DEST_ARRAY. */
    HW_VPORT,
    HW_TABLE,                           /* FT: a jump. */
    HW_DROP,
    HW_TAG,                             /* Never in the switch. */
    N_HW
};

#define B(ACTION) (1u << HW_##ACTION)

/* What may follow.  Each line is from rdma-core's
 * providers/mlx5/dr_action.c, table next_action_state, as of version 44 (the
 * lines that matter here are the same in 65), state DR_ACTION_STATE_*, of
 * DR_ACTION_DOMAIN_FDB_INGRESS (from the wire) and FDB_EGRESS (from VFs).  It
 * is looked up by dr_action_validate_and_get_next_state(), which says
 * EOPNOTSUPP. */
static const unsigned int from_wire[N_HW] = {
    /* NO_ACTION, NON_TERM */
    [HW_NONE] = B(DECAP) | B(POP) | B(MODIFY) | B(PUSH) | B(ENCAP) | B(METER)
                | B(SAMPLE) | B(VPORT) | B(TABLE) | B(DROP),
    /* DECAP */
    [HW_DECAP] = B(POP) | B(MODIFY) | B(PUSH) | B(ENCAP) | B(METER)
                 | B(SAMPLE) | B(VPORT) | B(TABLE),
    /* POP_VLAN */
    [HW_POP] = B(POP) | B(MODIFY) | B(ENCAP) | B(METER) | B(SAMPLE)
               | B(VPORT) | B(TABLE),
    /* MODIFY_HDR */
    [HW_MODIFY] = B(PUSH) | B(ENCAP) | B(METER) | B(SAMPLE) | B(VPORT)
                  | B(TABLE),
    /* PUSH_VLAN */
    [HW_PUSH] = B(PUSH) | B(ENCAP) | B(METER) | B(SAMPLE) | B(VPORT)
                | B(TABLE),
    /* ENCAP */
    [HW_ENCAP] = B(SAMPLE) | B(VPORT) | B(TABLE),
};

static const unsigned int from_vf[N_HW] = {
    /* NO_ACTION, NON_TERM */
    [HW_NONE] = B(POP) | B(MODIFY) | B(PUSH) | B(ENCAP) | B(METER)
                | B(SAMPLE) | B(VPORT) | B(TABLE) | B(DROP),
    /* POP_VLAN */
    [HW_POP] = B(POP) | B(MODIFY) | B(PUSH) | B(ENCAP) | B(SAMPLE)
               | B(VPORT) | B(TABLE),
    /* MODIFY_HDR */
    [HW_MODIFY] = B(PUSH) | B(ENCAP) | B(SAMPLE) | B(VPORT) | B(TABLE),
    /* PUSH_VLAN */
    [HW_PUSH] = B(PUSH) | B(ENCAP) | B(SAMPLE) | B(VPORT) | B(TABLE),
    /* ENCAP */
    [HW_ENCAP] = B(SAMPLE) | B(VPORT) | B(TABLE),
};

/* dr_action.c, dr_actions_build_ste_arr(), cases POP_VLAN, PUSH_VLAN and
 * L2_TO_TNL_L2: EINVAL where 'actions_caps' lacks TX_POP, RX_PUSH, RX_ENCAP.
 * The ConnectX-5 has none of them (dr_ste_v0.c, ste_ctx_v0), later cards have
 * all (dr_ste_v1.c, ste_ctx_v1). */
#define FORMAT_0_NOT_FROM_WIRE (B(PUSH) | B(ENCAP))
#define FORMAT_0_NOT_FROM_VF   B(POP)

/* dr_actions_build_ste_arr(): 'max_actions_type' is MAX_VLANS for these. */
#define MAX_VLANS 2

/* The hardware action that the driver makes of 'action', or HW_NONE
 * (mlx5_flow_dv.c, flow_dv_translate()). */
static enum hw_action
to_hw(const struct mlx5_order *order, const struct rte_flow_action *action,
      bool pushed)
{
    switch ((int) action->type) {
    case RTE_FLOW_ACTION_TYPE_VXLAN_DECAP:
    case RTE_FLOW_ACTION_TYPE_NVGRE_DECAP:
    case RTE_FLOW_ACTION_TYPE_RAW_DECAP:
        return HW_DECAP;

    case RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP:
    case RTE_FLOW_ACTION_TYPE_NVGRE_ENCAP:
    case RTE_FLOW_ACTION_TYPE_RAW_ENCAP:
        return HW_ENCAP;

    case RTE_FLOW_ACTION_TYPE_OF_POP_VLAN:
        return HW_POP;

    case RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN:
        return HW_PUSH;

    case RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_VID:
        /* Behind a push it is part of that (mlx5_update_vlan_vid_pcp()). */
        return pushed ? HW_NONE : HW_MODIFY;

    case RTE_FLOW_ACTION_TYPE_MARK:
    case RTE_FLOW_ACTION_TYPE_FLAG:
        return order->mark_is_tag ? HW_TAG : HW_MODIFY;

    case RTE_FLOW_ACTION_TYPE_SET_META:
    case RTE_FLOW_ACTION_TYPE_SET_TAG:
    case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_DST:
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_DST:
    case RTE_FLOW_ACTION_TYPE_SET_TP_SRC:
    case RTE_FLOW_ACTION_TYPE_SET_TP_DST:
    case RTE_FLOW_ACTION_TYPE_SET_TTL:
    case RTE_FLOW_ACTION_TYPE_DEC_TTL:
    case RTE_FLOW_ACTION_TYPE_SET_IPV4_DSCP:
    case RTE_FLOW_ACTION_TYPE_SET_IPV6_DSCP:
    case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD:
        return HW_MODIFY;

    case RTE_FLOW_ACTION_TYPE_METER:
        return HW_METER;

    case RTE_FLOW_ACTION_TYPE_SAMPLE:
        return HW_SAMPLE;

    case RTE_FLOW_ACTION_TYPE_PORT_ID:
    case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
        return HW_VPORT;

    case RTE_FLOW_ACTION_TYPE_JUMP:
        return HW_TABLE;

    case RTE_FLOW_ACTION_TYPE_DROP:
        return HW_DROP;

    default:
        return HW_NONE;
    }
}

/* dr_action.c, dr_actions_build_ste_arr(), case FT: EINVAL before version 48,
 * a debug message since.  The level of group G is 10 * (G + 1)
 * (mlx5_flow.c, mlx5_flow_group_to_table()). */
static bool
jumps_back(const struct mlx5_order *order, const struct rte_flow_attr *attr,
           const struct rte_flow_action *action)
{
    const struct rte_flow_action_jump *jump = action->conf;

    return order->rdma_core < 48 && jump->group <= attr->group;
}

/* dr_matcher.c, dr_mask_is_icmp(): without dr_matcher_supp_icmp_v4() or _v6()
 * the mask is not consumed and the matcher not made. */
static bool
wants_icmp(const struct rte_flow_item *item)
{
    const struct rte_flow_item_icmp *icmp;
    const struct rte_flow_item_icmp6 *icmp6;

    if (!item->spec) {
        return false;
    }
    if (item->type == RTE_FLOW_ITEM_TYPE_ICMP) {
        icmp = item->mask ? item->mask : &rte_flow_item_icmp_mask;
        return (icmp->hdr.icmp_type || icmp->hdr.icmp_code
                || icmp->hdr.icmp_ident || icmp->hdr.icmp_seq_nb);
    } else if (item->type == RTE_FLOW_ITEM_TYPE_ICMP6) {
        icmp6 = item->mask ? item->mask : &rte_flow_item_icmp6_mask;
        return icmp6->type || icmp6->code;
    }
    return false;
}

struct mlx5_order_refusal
mlx5_order_check(const struct mlx5_order *order, bool rx, bool to_wire,
                 const struct rte_flow_attr *attr,
                 const struct rte_flow_item pattern[],
                 const struct rte_flow_action actions[], bool *drops)
{
    static const char no[] = "hardware refuses to create flow";
    const unsigned int *next = rx ? from_wire : from_vf;
    unsigned int missing = (!order->format_0 ? 0 : rx ? FORMAT_0_NOT_FROM_WIRE
                            : FORMAT_0_NOT_FROM_VF);
    enum hw_action state = HW_NONE;
    unsigned int n_pops = 0;
    bool modified = false;
    bool pushed = false;

    *drops = false;
    if (order->format_0 && !order->icmp_parser) {
        for (; pattern->type != RTE_FLOW_ITEM_TYPE_END; pattern++) {
            if (wants_icmp(pattern)) {
                /* mlx5_flow_dv.c, flow_dv_matcher_register(), whatever errno
                 * rdma-core had. */
                return (struct mlx5_order_refusal) {
                    ENOMEM, "cannot allocate ref memory"
                };
            }
        }
    }

    for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++) {
        enum hw_action hw = to_hw(order, actions, pushed);

        if (hw == HW_NONE || (hw == HW_MODIFY && modified)) {
            continue;
        }
        if (missing & (1u << hw)) {
            return (struct mlx5_order_refusal) { EINVAL, no };
        }
        if (hw == HW_POP && ++n_pops > MAX_VLANS) {
            return (struct mlx5_order_refusal) { EINVAL, no };
        }
        if (!(next[state] & (1u << hw))) {
            return (struct mlx5_order_refusal) { EOPNOTSUPP, no };
        }
        if (hw == HW_TABLE && jumps_back(order, attr, actions)) {
            return (struct mlx5_order_refusal) { EINVAL, no };
        }
        modified |= hw == HW_MODIFY;
        pushed |= hw == HW_PUSH;
        state = hw;
        if (hw == HW_METER || hw == HW_SAMPLE) {
            state = HW_NONE;
            modified = false;
        }
    }
    /* dr_action.c, dr_actions_build_ste_arr(), case VPORT. */
    *drops = rx && to_wire && order->rdma_core >= 50;
    return (struct mlx5_order_refusal) { 0, NULL };
}
