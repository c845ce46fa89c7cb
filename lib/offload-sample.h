/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Samples for collectors
 * ======================
 *
 * sFlow, IPFIX and flow-based sampling have the datapath send one packet in N
 * to ovs-vswitchd, with metadata that says what for (a cookie).  In the NIC,
 * a rule's SAMPLE sends a copy of one packet in N, as it is at that point, to
 * the software side of its port, with a mark.  The mark stands for the
 * userspace action, which the PMD thread that received it then has dpif-netdev
 * execute on the copy, and nothing else: the packet itself went on in the NIC.
 * It has to be that thread.  Open vSwitch tells collectors of a packet's fate
 * (whether it was dropped, say) if it finds the megaflow, for which it looks
 * among those of the PMD thread that the upcall comes from.
 *
 * Other uses of userspace (slow path, packets for a controller) are refused.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread. */

#ifndef OFFLOAD_SAMPLE_H
#define OFFLOAD_SAMPLE_H 1

#include <stdbool.h>
#include <stdint.h>

struct dp_packet;
struct dpif;
struct nlattr;
struct offload_refusal;
struct offload_sample;

/* Returns a reference to the sample of 'userspace', an
 * OVS_ACTION_ATTR_USERSPACE, for packets that have 'recirc_id' at that point:
 * all that are equal have one mark.  Returns NULL and '*refusal' if the action
 * is not one for collectors, or if there is no mark left. */
struct offload_sample *offload_sample_ref(const struct nlattr *userspace,
                                          uint32_t recirc_id,
                                          struct offload_refusal *refusal);

/* Gives a reference back.  'sample' may be NULL.  With the last one, marks of
 * packets that are still on their way are forgotten. */
void offload_sample_unref(struct offload_sample *sample);

/* Returns the mark that packets are to have. */
uint32_t offload_sample_mark(const struct offload_sample *);

/* Returns true if 'mark' may be that of a sample, and is of nothing else. */
bool offload_sample_is_mark(uint32_t mark);

/* Tells of the datapath that executes actions: 'dpif' until the next call,
 * NULL for none.  Returns when nobody uses the former one any more. */
void offload_sample_set_dpif(struct dpif *dpif);

/* Takes 'packet', which has arrived with 'mark', and its metadata. */
void offload_sample_receive(uint32_t mark, struct dp_packet *packet);

#endif /* offload-sample.h */
