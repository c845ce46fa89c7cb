/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-lock.h"

#include "util.h"

#ifndef NDEBUG
/* Ranks of locks that this thread holds, one bit each, and how many gates it
 * has entered. */
static __thread unsigned int held;
static __thread unsigned int n_entered;

void
offload_lock_push(enum offload_rank rank)
{
    ovs_assert(!(held >> rank));
    ovs_assert(rank > OFFLOAD_RANK_PORTS || !n_entered);
    held |= 1u << rank;
}

void
offload_lock_pop(enum offload_rank rank)
{
    ovs_assert(held & (1u << rank));
    held &= ~(1u << rank);
}

void
offload_lock_enter(void)
{
    n_entered++;
}

void
offload_lock_leave(void)
{
    ovs_assert(n_entered);
    n_entered--;
}

void
offload_lock_assert_none(void)
{
    ovs_assert(!held && !n_entered);
}
#endif
