/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The order of the offload provider's locks
 * =========================================
 *
 * A thread takes locks in the order of the list below, the first first, and
 * none of them under another of the same rank.  Builds without NDEBUG assert
 * it.
 *
 *    1. Open vSwitch's: dpif-netdev's port_rwlock, which offload threads have
 *       for reading during flow_put, flow_del and flow_flush; then those of
 *       netdev-offload.c and netdev.c (netdev_mutex), and a netdev's own.
 *
 *    2. OFFLOAD_RANK_PORTS: the list of ports.
 *
 *    3. OFFLOAD_RANK_FLOW: a record's.  Held during operations on the NIC.
 *
 *    4. OFFLOAD_RANK_GROUP: that of the groups.  Held during operations on
 *       the NIC.
 *
 *    5. OFFLOAD_RANK_METER: that of the meters.  Held during operations on
 *       the NIC.
 *
 *    6. OFFLOAD_RANK_PORT: a port's.
 *
 *    7. OFFLOAD_RANK_REACH: that of the records that wait for a jump.
 *
 *    8. OFFLOAD_RANK_LEAF: all others, which are held for a few instructions.
 *
 * So nothing of Open vSwitch's that takes a lock is called while one of ours
 * is held.  To take or to drop a reference to a netdev is such a thing:
 * netdev_close() may be the last one, and comes back to us then
 * (uninit_flow_api) with netdev_mutex held.  offload_lock_assert_none() stands
 * where that is done.
 *
 * Gates
 * -----
 *
 * A thread that makes rules enters the ports that they will depend on, and
 * who takes a port away closes it and waits until all have left
 * (offload-port.h).  Who has entered a port may take ranks 3 to 8, but none of
 * 1 and 2, so that whatever the waiting thread holds of those is not missed.
 * Who waits holds none of 3 to 8. */

#ifndef OFFLOAD_LOCK_H
#define OFFLOAD_LOCK_H 1

#include "openvswitch/thread.h"

enum offload_rank {
    OFFLOAD_RANK_PORTS,
    OFFLOAD_RANK_FLOW,
    OFFLOAD_RANK_GROUP,
    OFFLOAD_RANK_METER,
    OFFLOAD_RANK_PORT,
    OFFLOAD_RANK_REACH,
    OFFLOAD_RANK_LEAF,
};

#ifndef NDEBUG
void offload_lock_push(enum offload_rank);
void offload_lock_pop(enum offload_rank);
void offload_lock_enter(void);
void offload_lock_leave(void);
void offload_lock_assert_none(void);
#else
static inline void
offload_lock_push(enum offload_rank rank OVS_UNUSED)
{
}

static inline void
offload_lock_pop(enum offload_rank rank OVS_UNUSED)
{
}

static inline void
offload_lock_enter(void)
{
}

static inline void
offload_lock_leave(void)
{
}

static inline void
offload_lock_assert_none(void)
{
}
#endif

/* ovs_mutex_lock() and ovs_mutex_unlock() of 'MUTEX', whose rank is 'RANK'
 * without the prefix. */
#define offload_lock(MUTEX, RANK) \
    (offload_lock_push(OFFLOAD_RANK_##RANK), ovs_mutex_lock(MUTEX))
#define offload_unlock(MUTEX, RANK) \
    (ovs_mutex_unlock(MUTEX), offload_lock_pop(OFFLOAD_RANK_##RANK))

#endif /* offload-lock.h */
