/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Meters
 * ======
 *
 * Token buckets that color packets green, yellow or red: RFC 2697 (one rate,
 * a committed and an excess burst) or RFC 2698 (two rates with a burst each),
 * color-blind.  Buckets are full at first.  Tokens are bytes of Ethernet
 * frames without FCS, or packets.
 *
 * A meter belongs to the function by which it was made.  It can't be destroyed
 * while rules use it; if its function goes first, the meter goes with the last
 * of the rules.
 *
 * The functions that return int return 0 or a positive errno, with the reason
 * in 'why', of NICSIM_TEXT_LEN bytes. */

#ifndef NICSIM_METER_H
#define NICSIM_METER_H 1

#include <stdbool.h>
#include <stdint.h>

struct meters;
struct nicsim_meter_op;

struct meters *meters_create(void);
void meters_destroy(struct meters *);

int meter_create(struct meters *, struct nicsim_meter_op *, char *why);
int meter_update(struct meters *, const struct nicsim_meter_op *, char *why);
int meter_query(struct meters *, struct nicsim_meter_op *, char *why);
int meter_delete(struct meters *, const struct nicsim_meter_op *, char *why);
void meters_flush(struct meters *, uint32_t fn);

/* By which function meter 'id' was made, or -1 if there is none. */
int meter_function(const struct meters *, uint32_t id);

/* Counts rules that use meter 'id', which there is. */
void meter_use(struct meters *, uint32_t id);
void meter_release(struct meters *, uint32_t id);

/* Sends a packet of 'len' bytes through meter 'id', which a rule uses.
 * Returns false if it is to be dropped. */
bool meter_passes(struct meters *, uint32_t id, uint32_t len);

#endif /* nicsim/device/meter.h */
