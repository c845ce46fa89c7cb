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
bool edit_apply(struct packet *, const struct nicsim_action *,
                const uint8_t *data);
bool edit_ttl_expires(const struct packet *);

/* A header that ENCAP pushes, taken apart. */
struct encap {
    bool mpls;                          /* It is layer 2 with a label: the
                                         * rest but 'n_tags' is not set. */
    uint16_t l3_ofs, l4_ofs;            /* 'l4' is UDP or GRE. */
    uint8_t n_tags;
    uint8_t l4_proto;
    bool ipv6;
};

const char *edit_check_encap(const uint8_t *data, uint32_t n, struct encap *);

#endif /* nicsim/device/edit.h */
