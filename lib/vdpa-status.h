/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_STATUS_H
#define VDPA_STATUS_H 1

/* What a dpdkvdpa port says of itself
 * ===================================
 *
 * Interface:status and Interface:statistics in the database, and
 * "ovs-appctl dpdkvdpa/show".  The names of keys and statistics are what
 * users' tools look for.
 *
 * Thread-safety
 * -------------
 *
 * To be called from the main thread. */

struct ds;
struct netdev_custom_stats;
struct smap;
struct vdpa_port;

void vdpa_status_get(struct vdpa_port *, struct smap *);
void vdpa_status_get_custom_stats(const struct vdpa_port *,
                                  struct netdev_custom_stats *);
void vdpa_status_format(struct vdpa_port *, struct ds *);

#endif /* vdpa-status.h */
