/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Actions set and set_masked -> rte_flow actions
 * ==============================================
 *
 * A whole field is rewritten by the field's own action (set_mac_src, ...) or,
 * for NICs that want it, by modify_field; a part of a field by one
 * modify_field for each run of bits that its mask has.
 *
 * Thread-safety: offload-actions.h's. */

#ifndef OFFLOAD_SET_H
#define OFFLOAD_SET_H 1

#include <stdbool.h>

struct nlattr;
struct offload_action_list;

/* Adds to the list what 'set', an OVS_ACTION_ATTR_SET or, if 'masked',
 * OVS_ACTION_ATTR_SET_MASKED, does.  Returns false, with the reason in the
 * list's refusal, if it can't be said. */
bool offload_set_parse(struct offload_action_list *, const struct nlattr *set,
                       bool masked);

#endif /* offload-set.h */
