/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Groups: megaflows beyond the first
 * ==================================
 *
 * A packet that recirculates, or that leaves a tunnel, goes on with another
 * lookup.  In the NIC, each place where such a lookup begins is a group of
 * rules:
 *
 *    - {recirc_id}: after action recirc.
 *
 *    - {tunnel port}: after action tnl_pop.  The packet still has its outer
 *      headers, see offload-tunnel.h.
 *
 *    - {tunnel port, recirc_id}: after recirc of such a packet.
 *
 * A group comes with its first user and goes with its last.  Its users are
 * rules: those in it, and those that jump to it; megaflows are offloaded in
 * any order, so that either may be first.
 *
 * Misses
 * ------
 *
 * What a NIC does with a packet that misses in such a group is not defined, so
 * each group has rules of lowest priority, one for each port whose packets get
 * there, or one for all if they may come by any: they mark the packet with the
 * group's number and send it to software.  There the number tells where the
 * packet was (offload-miss.h).  These rules are no megaflow's.
 *
 * Before another rule counts on one, the NIC is asked whether it still has it,
 * and it is made again if not.  One that the NIC does not give up stays, and
 * its group with it, for who needs it next, and is tried again every second.
 *
 * A number is not given to another group for a while after its group went,
 * since marked packets may still be on their way.
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread; offload-lock.h has the order of
 * locks. */

#ifndef OFFLOAD_GROUP_H
#define OFFLOAD_GROUP_H 1

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/types.h"

struct ds;
struct offload_group;
struct offload_port;
struct offload_refusal;

/* Where packets are that enter a group. */
struct offload_place {
    uint32_t recirc_id;         /* 0 if they did not recirculate. */
    odp_port_t tunnel;          /* The tunnel port that they entered by, or
                                 * ODPP_NONE. */
};

/* Returns a reference to the group for 'place' in the NIC of 'domain', or NULL
 * if there are no more groups. */
struct offload_group *offload_group_ref(uint16_t domain,
                                        const struct offload_place *place);

/* Gives a reference back.  'group' may be NULL. */
void offload_group_unref(struct offload_group *);

/* Sees to it that packets from 'port', which the caller has entered, whose
 * ethdev is 'port_id', and that miss in 'group', are sent to software, and can
 * be told there.  Returns 0, and the caller has a reference to the miss rule,
 * or a positive errno and '*refusal'. */
int offload_group_add_miss(struct offload_group *group,
                           struct offload_port *port, uint16_t port_id,
                           struct offload_refusal *refusal);

/* Gives that reference back.  'port' is NULL if it is gone: then its miss
 * rules are, too, but those for packets of all ports. */
void offload_group_remove_miss(struct offload_group *group,
                               struct offload_port *port);

/* Returns false if the NIC has forgotten the miss rule of 'port' in 'group'.
 * It is asked at most once a second. */
bool offload_group_has_miss(struct offload_group *group,
                            struct offload_port *port);

/* Tries again to remove miss rules that nobody needs. */
void offload_groups_retry(void);

/* Enters one of the ports whose packets come to the group of 'place', of
 * whatever NIC, and returns it, or NULL if there is none. */
struct offload_port *offload_group_enter_port(const struct offload_place *);

/* Returns true if packets from 'port', or for a group of a tunnel's packets
 * those from any port, may come to the group: a rule jumps there, or is being
 * made. */
bool offload_group_is_reached(struct offload_group *,
                              const struct offload_port *port);

/* Returns the group's number, in rte_flow's terms. */
uint32_t offload_group_number(const struct offload_group *);

/* Notes that for Open vSwitch packets that come to 'group' have no hash any
 * more: whatever made them recirculate has made it forget theirs. */
void offload_group_set_hash_gone(struct offload_group *);

/* Finds the place of group 'number', as packets are marked with it, and stores
 * in '*hash_gone' whether offload_group_set_hash_gone() was called for it.
 * Returns true if successful.  May be called by PMD threads. */
bool offload_group_find_place(uint32_t number, struct offload_place *place,
                              bool *hash_gone);

/* Rids all groups of what they have in the NIC by 'port', which is closed. */
void offload_group_purge_port(struct offload_port *port);

/* Appends one line for each group that has users. */
void offload_groups_format(struct ds *);

#endif /* offload-group.h */
