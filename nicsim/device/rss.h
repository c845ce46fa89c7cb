/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Receive-side scaling: Toeplitz hash and indirection table. */

#ifndef NICSIM_RSS_H
#define NICSIM_RSS_H 1

#include <stdbool.h>
#include <stdint.h>

struct packet;
struct rss;

void rss_set_key(struct rss *, const uint8_t *key);
bool rss_hash(const struct rss *, const struct packet *, uint32_t *hash);

#endif /* nicsim/device/rss.h */
