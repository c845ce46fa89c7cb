/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Checksums: to fill, to check, and to mend after a rewrite. */

#ifndef NICSIM_CHECKSUM_H
#define NICSIM_CHECKSUM_H 1

#include <stdbool.h>
#include <stdint.h>

struct packet;

bool checksum_fill(struct packet *);
bool checksum_fill_partial(struct packet *, uint32_t start, uint32_t offset);
void checksum_verify(struct packet *);
uint16_t checksum_pseudo(const uint8_t *l3, bool ipv6, uint8_t proto,
                         uint32_t l4_len);
void checksum_fill_ipv4(uint8_t *l3);
void checksum_fill_l4(struct packet *, uint16_t l3_ofs, bool ipv6,
                      uint8_t proto, uint32_t l4_ofs, uint32_t field_ofs,
                      uint32_t l4_len);
void checksum_fill_gre(struct packet *, uint32_t ofs, uint32_t n);
void checksum_update(uint8_t *field, const void *old, const void *new,
                     unsigned int n);
uint8_t *checksum_l4_field(struct packet *);

#endif /* nicsim/device/checksum.h */
