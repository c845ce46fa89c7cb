/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Changes of a packet's headers.  The packet was parsed and has the header in
 * question; its offsets stay right, its key does not. */

#ifndef NICSIM_EDIT_H
#define NICSIM_EDIT_H 1

#include <stdbool.h>
#include <stdint.h>

struct nicsim_action;
struct packet;

bool edit_push_vlan(struct packet *, uint16_t tpid, uint16_t tci);
void edit_pop_vlan(struct packet *);
bool edit_apply(struct packet *, const struct nicsim_action *);
bool edit_ttl_expires(const struct packet *);

#endif /* nicsim/device/edit.h */
