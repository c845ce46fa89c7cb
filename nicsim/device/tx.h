/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * From a driver to the device: transmit rings. */

#ifndef NICSIM_TX_H
#define NICSIM_TX_H 1

struct ring;

unsigned int tx_poll(struct ring *);

#endif /* nicsim/device/tx.h */
