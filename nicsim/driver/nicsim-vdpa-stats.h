/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Statistics of a vDPA device, one set for each virtqueue: "packets", "bytes",
 * "errors" (frames and chains that the guest got wrong), "dropped" (frames for
 * which the guest had no buffer), "kicks", "calls", and each kind of error. */

#ifndef NICSIM_VDPA_STATS_H
#define NICSIM_VDPA_STATS_H 1

struct rte_vdpa_device;
struct rte_vdpa_stat;
struct rte_vdpa_stat_name;

/* As rte_vdpa.h has them: negative errno.  A virtqueue that is not set up has
 * no statistics: 0 entries. */
int nicsim_vdpa_get_stats_names(struct rte_vdpa_device *,
                                struct rte_vdpa_stat_name *names,
                                unsigned int size);
int nicsim_vdpa_get_stats(struct rte_vdpa_device *, int queue,
                          struct rte_vdpa_stat *stats, unsigned int n);
int nicsim_vdpa_reset_stats(struct rte_vdpa_device *, int queue);

#endif /* nicsim-vdpa-stats.h */
