/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * How a NIC of some personality behaves with rules that it has accepted
 * =====================================================================
 *
 * (nicsim-personality.h)
 *
 * A *twin* is a rule that was accepted although another one with the same
 * match, group and priority was there.  It has no effect and counts nothing
 * until the other one goes; then it takes its place.
 *
 * Counters may be read from a cache: what is shown is as old as the NIC's
 * period, and a new rule shows nothing for one period.
 *
 * Twins are guarded by a mutex of their own, since the rule that a twin waits
 * for may be destroyed through any port of the NIC.  'struct nicsim_cache' is
 * its rule's. */

#ifndef NICSIM_FLOW_TRAIT_H
#define NICSIM_FLOW_TRAIT_H 1

#include <stdbool.h>
#include <stdint.h>

#include "hw.h"

struct nicsim_personality_traits;
struct nicsim_port;
struct nicsim_twin;

/* Changes 'rule', which is translated, as 'traits' say.  With 'drops', what it
 * would send to the wire is lost. */
void nicsim_trait_apply(const struct nicsim_personality_traits *traits,
                        bool drops, struct nicsim_rule *rule);

/* Makes a twin of 'rule', of 'port', or returns NULL. */
struct nicsim_twin *nicsim_twin_create(struct nicsim_port *port,
                                       const struct nicsim_rule *rule);
void nicsim_twin_destroy(struct nicsim_twin *);

/* The NIC's id of the rule, or 0 while it has no effect. */
uint64_t nicsim_twin_id(const struct nicsim_twin *);

/* To be called when rules of the NIC of 'port' have gone: twins that can now
 * be have an effect. */
void nicsim_twins_wake(const struct nicsim_port *port);

struct nicsim_cache {
    struct nicsim_counter seen;         /* What the NIC said last ... */
    uint64_t seen_at;                   /* ... and when, in milliseconds. */
    struct nicsim_counter base;         /* What was read and reset. */
};

/* The period of the counters of 'port' in milliseconds, 0 if they are
 * exact. */
uint32_t nicsim_cache_period(const struct nicsim_port *port);

void nicsim_cache_init(struct nicsim_cache *);

/* Whether the NIC is to be asked again.  If so, nicsim_cache_set() is to be
 * called with what it says. */
bool nicsim_cache_is_old(const struct nicsim_cache *, uint32_t period);
void nicsim_cache_set(struct nicsim_cache *, const struct nicsim_counter *);

/* What is shown of it. */
struct nicsim_counter nicsim_cache_read(struct nicsim_cache *, bool reset);

#endif /* nicsim-flow-trait.h */
