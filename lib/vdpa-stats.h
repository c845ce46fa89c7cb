/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_STATS_H
#define VDPA_STATS_H 1

/* Statistics that a driver has to ask its NIC for
 * ===============================================
 *
 * A NIC that hangs keeps whoever asks it for statistics waiting, for seconds
 * or for ever.  That must not be the main thread.  So each port has a thread
 * that asks, of the vDPA device or of the VF's Ethernet device, once per
 * second and whenever somebody wants to know, and keeps the answer.  A hung
 * NIC holds up the threads of its own ports only.
 *
 * Only those virtqueues of a vDPA device are asked for that the guest has
 * enabled.  The same thread tells the log what the guest got wrong.
 *
 * How old the answer is
 * ---------------------
 *
 * Who calls vdpa_stats_update() before he reads gets what the NIC says now, if
 * it does so within VDPA_STATS_PATIENCE.  Otherwise he gets the last answer
 * that there was, and for the next second nobody waits for any NIC at all.
 *
 * Thread-safety
 * -------------
 *
 * Statistics are created and destroyed by the main thread, holding no lock.
 * vdpa_stats_destroy() waits for a request that is being made: for as long as
 * the driver takes to give up, as closing the device would.  The other
 * functions may be called from any thread. */

#include <stdbool.h>
#include <stdint.h>

struct rte_eth_stats;
struct vdpa_device;
struct vdpa_stats;
struct vdpa_vf;

/* How long a reader waits for the NIC at most, in milliseconds. */
#define VDPA_STATS_PATIENCE 50

struct vdpa_stats *vdpa_stats_create_device(const struct vdpa_device *);
struct vdpa_stats *vdpa_stats_create_vf(const struct vdpa_vf *);
void vdpa_stats_destroy(struct vdpa_stats *);

void vdpa_stats_refresh(struct vdpa_stats *);
void vdpa_stats_update(struct vdpa_stats *);
unsigned int vdpa_stats_get_age(struct vdpa_stats *);
bool vdpa_stats_get_ring(struct vdpa_stats *, unsigned int virtqueue,
                         uint64_t *packets, uint64_t *errors);
void vdpa_stats_get_vf(struct vdpa_stats *, struct rte_eth_stats *);

#endif /* vdpa-stats.h */
