/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Megaflows that no rule leads to
 * ===============================
 *
 * A megaflow beyond the first lookup is of use in the NIC only if a rule jumps
 * to its group, from the same port or, if its packets left a tunnel, from any:
 * rules for these do not ask by which port they came.  Often none will: what
 * recirculated behind connection tracking, say.  And dpif-netdev offers such
 * megaflows before those that lead to them.  So a megaflow in a group without
 * a jump is refused, and waits here for one.
 *
 * A group has a jump from a port for as long as somebody needs a rule for that
 * port's packets that miss (offload-group.h).  When the last one goes, the
 * group's megaflows leave the NIC at the next look at their counters: rules
 * are often made anew at once.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread; offload-lock.h has the order of
 * locks. */

#ifndef OFFLOAD_REACH_H
#define OFFLOAD_REACH_H 1

#include <stdbool.h>
#include <stdint.h>

#include "offload-group.h"

struct offload_flow;
struct offload_port;

/* Has 'flow' wait for a rule that takes packets from 'port' to 'place' in NIC
 * 'domain', for which 'group' stands, if there is none.  Returns true if there
 * is one.  The caller has the record's lock. */
bool offload_reach_check(struct offload_flow *flow,
                         struct offload_group *group, uint16_t domain,
                         const struct offload_place *place,
                         const struct offload_port *port);

/* Has 'flow' no longer wait. */
void offload_reach_forget(struct offload_flow *flow);

/* To be called when there is a rule that takes packets from 'port' to 'place'
 * in NIC 'domain': has those that waited for it be offered again. */
void offload_reach_found(uint16_t domain, const struct offload_place *place,
                         const struct offload_port *port);

#endif /* offload-reach.h */
