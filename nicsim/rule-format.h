/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Rules as text, in words that are testpmd's where it has them, and the names
 * of items and actions. */

#ifndef NICSIM_RULE_FORMAT_H
#define NICSIM_RULE_FORMAT_H 1

#include <stddef.h>
#include <stdint.h>

#include "nicsim/hw.h"

/* Enough for any match or action list. */
#define RULE_TEXT_LEN 8192

void rule_format_match(const struct nicsim_rule *, char *buf, size_t size);
void rule_format_actions(const struct nicsim_rule *, char *buf, size_t size);
void rule_format_vport(uint32_t vport, char *buf, size_t size);

const char *rule_item_name(uint32_t item);
uint32_t rule_item_from_name(const char *name);

/* Sets 'mask', of 16 bytes, to the bits that nicsim_action.value may have for
 * the field.  Returns the number of bytes, or 0 if there is no such field. */
uint32_t rule_field_mask(uint16_t field, uint8_t *mask);

/* Actions are numbered, below 64, by their names: each field that can be set
 * is an action of its own, and so is each form. */
int rule_action_number(const struct nicsim_action *);
const char *rule_action_name(int number);
uint64_t rule_actions_from_name(const char *name);

#endif /* nicsim/rule-format.h */
