/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Going on in software
 * ====================
 *
 * A packet that missed in a group other than the first arrives with the
 * group's number as mark, rewritten as the rules before said, and counted by
 * them.  It goes on where it was: with the group's recirc_id, and behind its
 * tunnel port.  In the latter case it still has its outer headers, so that
 * Open vSwitch's own code takes them off and finds the tunnel's metadata.
 * Behind pop_mpls, which makes Open vSwitch forget a packet's hash, the hash
 * that the NIC delivers is forgotten, too.
 *
 * A packet with a sample's mark is a copy, for ovs-vswitchd alone
 * (offload-sample.h).
 *
 * Open vSwitch 3.1 has a hook for this, netdev_hw_miss_packet_recover(), and
 * three holes, which vswitchd/seams.c mends with the help of functions here:
 *
 *    1. A port that has nothing but simple megaflows is looked up in a table
 *       that knows no recirc_id.  offload_miss_hide_tci() makes the packet one
 *       that this table can't hold.
 *
 *    2. A batch of packets is looked up for the in_port of its first one.
 *       offload_miss_split() hands over packets of one place at a time.
 *
 *    3. The AVX512 implementation of dpif-netdev's input does not call the
 *       hook: offload_miss_impl_ok() refuses it, and if it was chosen before
 *       there was any offload, the scalar one takes its place.
 *
 * Thread-safety
 * -------------
 *
 * Called by PMD threads, each with packets of its own. */

#ifndef OFFLOAD_MISS_H
#define OFFLOAD_MISS_H 1

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/types.h"

struct dp_packet;
struct dp_packet_batch;
struct netdev;

/* netdev_flow_api's hw_miss_packet_recover.  Returns 0 if 'packet' is to go
 * on, otherwise a positive errno, never EOPNOTSUPP, and 'packet' is gone. */
int offload_miss_recover(struct netdev *, struct dp_packet *packet);

/* To be called with what parse_tcp_flags() found.  Makes '*vlan_tci' one that
 * no packet has if 'packet' is the one that offload_miss_recover() last
 * restored in this thread. */
void offload_miss_hide_tci(const struct dp_packet *packet,
                           ovs_be16 *vlan_tci);

/* Calls 'input' for the packets of 'batch', in order, as many at a time as are
 * of the same place.  'batch' is used up as 'input' does. */
void offload_miss_split(struct dp_packet_batch *batch,
                        void (*input)(void *aux, struct dp_packet_batch *),
                        void *aux);

/* Returns false, having logged why, if dpif-netdev's input implementation
 * 'name' can't be used because megaflows are offloaded. */
bool offload_miss_impl_ok(const char *name);

#endif /* offload-miss.h */
