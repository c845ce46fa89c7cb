/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What DPDK's mlx5 driver leaves to rdma-core
 * ===========================================
 *
 * mlx5's validation looks at items and actions one by one.  When a rule is
 * created, the driver makes hardware actions of its actions and hands them to
 * rdma-core's direct rules (libmlx5), which has a mind of its own about their
 * order, about the direction of the packets and about the levels of tables.
 * It says no without words: the driver's are "hardware refuses to create
 * flow".
 *
 * This is a table of our own making, not libmlx5's: that one asks an open
 * device.  It knows
 *
 * - which hardware action may follow which, from the wire (RX) and from VFs
 *   (TX);
 * - what cards with the steering format of the ConnectX-5 can't do in one
 *   direction;
 * - that a jump goes to a higher table than its own, before version 48;
 * - that from version 50 on what came from the wire and would leave by the
 *   wire is dropped;
 * - that a mark is a tag of received packets with dv_xmeta_en=0, which the
 *   switch has not, and a register's with 1 or 2;
 * - that the ConnectX-5 sees ICMP's type and code only with a flex parser.
 *
 * It does not know how the driver splits a rule with a sample or a meter in
 * two: it takes what stands before such an action, and what stands behind it,
 * each for a rule of its own. */

#ifndef NICSIM_MLX5_ORDER_H
#define NICSIM_MLX5_ORDER_H 1

#include <stdbool.h>

struct rte_flow_action;
struct rte_flow_attr;
struct rte_flow_item;

struct mlx5_order {
    bool format_0;              /* Steering format of the ConnectX-5. */
    bool mark_is_tag;           /* dv_xmeta_en=0. */
    bool icmp_parser;           /* FLEX_PARSER_PROFILE_ENABLE=2. */
    unsigned int rdma_core;     /* Major version. */
};

struct mlx5_order_refusal {
    int code;                   /* Positive errno, 0 if there is none. */
    const char *words;          /* The driver's. */
};

/* Asks about a rule that mlx5's validation has accepted.  'from_wire' says
 * where the packets that it matches come from, and 'to_wire' whether it sends
 * them there.  '*drops' is set to whether they are lost instead. */
struct mlx5_order_refusal mlx5_order_check(
    const struct mlx5_order *, bool from_wire, bool to_wire,
    const struct rte_flow_attr *, const struct rte_flow_item *pattern,
    const struct rte_flow_action *actions, bool *drops);

#endif /* mlx5-order.h */
