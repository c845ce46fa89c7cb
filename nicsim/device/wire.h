/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The wire: any DPDK port, at the other side of the uplink. */

#ifndef NICSIM_WIRE_H
#define NICSIM_WIRE_H 1

#include <stdbool.h>
#include <stdint.h>

struct nic;
struct nicsim_counter;
struct packet;

void wire_open(struct nic *);
void wire_close(struct nic *);
unsigned int wire_poll(struct nic *);
bool wire_send(struct nic *, struct packet *);
void wire_flush(struct nic *);
void wire_check_link(struct nic *);
bool wire_has_interrupt(const struct nic *);
void wire_arm(struct nic *);
void wire_stats(const struct nic *, struct nicsim_counter *rx,
                struct nicsim_counter *tx, uint64_t *tx_dropped);

#endif /* nicsim/device/wire.h */
