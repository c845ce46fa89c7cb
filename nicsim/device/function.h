/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Functions: PF, representors and VFs, from open to close.
 *
 * The functions that return int return 0 or a positive errno, with the reason
 * in 'why', of NICSIM_TEXT_LEN bytes. */

#ifndef NICSIM_FUNCTION_H
#define NICSIM_FUNCTION_H 1

#include <stdbool.h>
#include <stdint.h>

struct function;
struct host;
struct nic;
struct nicsim_fn_config;
struct nicsim_ring_setup;
struct nicsim_vport_stats;

void functions_init(struct nic *);
struct function *function_by_id(struct nic *, uint32_t id);
const char *function_name(const struct function *);

int function_refuse_busy(const struct function *, char *why);
void function_attach(struct function *, struct host *);
void function_detach(struct function *);
int function_open(struct function *, struct host *, int *fds, char *why);
void function_close(struct function *);
int function_configure(struct function *, const struct nicsim_fn_config *,
                       char *why);
int function_setup_ring(struct function *, const struct nicsim_ring_setup *,
                        char *why);
int function_start(struct function *, char *why);
void function_stop(struct function *);
void function_reset_stats(struct function *);
void function_get_vport_stats(const struct function *,
                              struct nicsim_vport_stats *);
void functions_check_rings(struct host *);
void functions_set_link(struct nic *, bool wire_up, uint32_t speed);
void functions_want_kick(struct nic *, bool);

#endif /* nicsim/device/function.h */
