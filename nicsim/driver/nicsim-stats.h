/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Statistics: the device counts packets and what it dropped, the driver what
 * it refused or had no buffer for. */

#ifndef NICSIM_STATS_H
#define NICSIM_STATS_H 1

#include <stdint.h>

struct rte_eth_dev;
struct rte_eth_stats;
struct rte_eth_xstat;
struct rte_eth_xstat_name;

/* ethdev operations. */
int nicsim_stats_get(struct rte_eth_dev *, struct rte_eth_stats *);
int nicsim_stats_reset(struct rte_eth_dev *);
int nicsim_xstats_get(struct rte_eth_dev *, struct rte_eth_xstat *,
                      unsigned int n);
int nicsim_xstats_get_names(struct rte_eth_dev *, struct rte_eth_xstat_name *,
                            unsigned int n);

#endif /* nicsim-stats.h */
