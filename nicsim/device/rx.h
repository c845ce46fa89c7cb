/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * From the device to a driver: receive rings. */

#ifndef NICSIM_RX_H
#define NICSIM_RX_H 1

#include <stdbool.h>

struct function;
struct nic;
struct packet;

bool rx_deliver(struct function *, struct packet *);
void rx_flush(struct nic *);

#endif /* nicsim/device/rx.h */
