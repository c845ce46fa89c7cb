/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Why a megaflow is, or is not, in the NIC: one megaflow at a time.
 *
 * Thread-safety: to be called from the main thread, which is also where ports
 * go. */

#ifndef OFFLOAD_WHY_H
#define OFFLOAD_WHY_H 1

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/types.h"

struct ds;
struct json;

/* What is asked for. */
struct offload_why {
    const ovs_u128 *ufid;       /* One megaflow, or NULL for all. */
    const char *port_name;      /* Those of one port, or NULL for all. */
};

/* Appends each megaflow that 'why' asks for, as "ovs-appctl dpctl/dump-flows"
 * prints it, and below it its rules, or why it has none.  A ufid is the one
 * that is printed there (with -m), or the megaflow's own, of logs.  Returns
 * how many there were, and stores in '*port_found' whether the port was. */
size_t offload_why_format(struct ds *, const struct offload_why *why,
                          bool *port_found);

/* The same as JSON, appended to 'array'. */
size_t offload_why_to_json(struct json *array, const struct offload_why *why,
                           bool *port_found);

#endif /* offload-why.h */
