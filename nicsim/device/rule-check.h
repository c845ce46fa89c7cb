/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Which rules this NIC can do: what is not understood, or could not be done
 * to each packet that matches, is refused when the rule is made. */

#ifndef NICSIM_RULE_CHECK_H
#define NICSIM_RULE_CHECK_H 1

#include <stdint.h>

struct nic;
struct nicsim_rule_op;

int rule_check(const struct nic *, struct nicsim_rule_op *, char *why);

#endif /* nicsim/device/rule-check.h */
