/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Meters in the NIC
 * =================
 *
 * dpif-netdev has no hook for meters, so that seams in vswitchd/seams.c tell
 * of them: when one is set, deleted, or asked for its statistics.  A meter
 * with one band becomes a meter of the NIC (rte_mtr) when the first rule uses
 * it, and goes with the last rule.  Several bands are refused.
 *
 * The software's meter and the NIC's have a bucket each: while some packets of
 * a flow are in software, up to twice the rate may pass, for as long as that
 * lasts.  Statistics are the sum of both.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread; offload-lock.h has the order of
 * locks. */

#ifndef OFFLOAD_METER_H
#define OFFLOAD_METER_H 1

#include <stdbool.h>
#include <stdint.h>

struct offload_meter;
struct offload_refusal;
struct ofputil_meter_config;
struct ofputil_meter_stats;

/* To be called when the datapath's meter 'id' was set to 'config'.  Rules that
 * use the meter go, and come back with the new one. */
void offload_meter_set(uint32_t id, const struct ofputil_meter_config *config);

/* To be called when meter 'id' was deleted.  Rules that use it go. */
void offload_meter_del(uint32_t id);

/* Adds to '*stats', with 'n_bands' bands, what the NICs' meters for 'id' have
 * seen. */
void offload_meter_add_stats(uint32_t id, struct ofputil_meter_stats *stats,
                             unsigned int n_bands);

/* Returns a reference to the meter of NIC 'domain' for the datapath's meter
 * 'id', and its number in '*mtr_id', or NULL and '*refusal'. */
struct offload_meter *offload_meter_ref(uint16_t domain, uint32_t id,
                                        uint32_t *mtr_id,
                                        struct offload_refusal *refusal);

/* Returns false if the datapath's meter was set or deleted since the reference
 * was taken: then what it polices by is out of date.  Who has made a rule with
 * it asks when others can find the rule. */
bool offload_meter_is_current(const struct offload_meter *);

/* Gives that back. */
void offload_meter_unref(struct offload_meter *);

#endif /* offload-meter.h */
