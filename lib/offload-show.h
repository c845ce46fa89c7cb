/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What the offload provider tells users.
 *
 * Thread-safety: to be called from the main thread, which is also where ports
 * go. */

#ifndef OFFLOAD_SHOW_H
#define OFFLOAD_SHOW_H 1

#include <stdbool.h>

struct ds;
struct json;

/* Appends, for the port called 'port_name', or for all if that is NULL, how
 * many megaflows are in the NIC and how many were refused, by reason.  Returns
 * false if there is no such port. */
bool offload_show_format(struct ds *, const char *port_name);

/* The same as JSON, to be destroyed by the caller.  Returns NULL if there is
 * no such port. */
struct json *offload_show_to_json(const char *port_name);

#endif /* offload-show.h */
