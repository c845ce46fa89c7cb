/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The ethdev operations of all functions: PF, representors and VFs. */

#ifndef NICSIM_ETHDEV_H
#define NICSIM_ETHDEV_H 1

struct eth_dev_ops;

extern const struct eth_dev_ops nicsim_eth_dev_ops;

#endif /* nicsim-ethdev.h */
