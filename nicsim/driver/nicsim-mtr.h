/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * rte_mtr: meters
 * ===============
 *
 * Profiles (RFC 2697 and 2698, of bytes or packets, color-blind) and policies
 * belong to the ethdev on which they were made and go with it.  So do meters,
 * but their ids are the NIC's in this process: a rule may use a meter that was
 * made on another port of the same NIC, as rules of one switch need it.  A
 * policy lets green packets pass, drops red ones, and does either with yellow
 * ones.
 *
 * The 'message' of a struct rte_mtr_error is good until the calling thread's
 * next failing call, as those of rte_flow are. */

#ifndef NICSIM_MTR_H
#define NICSIM_MTR_H 1

#include <stdint.h>

struct nicsim_port;
struct rte_eth_dev;

/* For 'struct eth_dev_ops'. */
int nicsim_mtr_ops_get(struct rte_eth_dev *, void *ops);

/* Returns the NIC's number for the meter that is called 'mtr_id' at the NIC of
 * 'port', or 0 if there is none. */
uint32_t nicsim_mtr_find(const struct nicsim_port *port, uint32_t mtr_id);

/* Removes all that was made on 'port', which is being closed and has no rules
 * any more. */
void nicsim_mtr_uninit(struct nicsim_port *);

#endif /* nicsim-mtr.h */
