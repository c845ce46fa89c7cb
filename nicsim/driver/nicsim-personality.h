/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Personalities: NICs that refuse
 * ===============================
 *
 * nicsim takes every rule that it can carry out, and it can carry out more
 * than any card.  A *personality* is a second opinion: it is asked about each
 * rule, as the application gave it, before the rule is translated, and
 * answers as the driver of some real NIC would.  Its errno and its words are
 * passed on as they are.  What it accepts is carried out by the ideal
 * pipeline.
 *
 * A personality is a shared object "nicsim-NAME.so" in the driver's directory
 * that defines 'nicsim_personality_class'.  It is loaded when a PF asks for it
 *
 *     net_nicsim0,personality=mlx5-dv,card=cx6dx,dv_xmeta_en=1
 *
 * or when the NIC says so and the PF does not (nicsimd --personality), and
 * stays loaded as long as the process lives.  "ideal" is none.
 *
 * Beside the answers there are *traits*: how a NIC of this kind behaves with
 * rules that it has accepted.  The driver carries them out.
 *
 * Ports and meters are told by the ids that the application knows, and items
 * and actions of a question name them by the same ids.
 *
 * Thread-safety
 * -------------
 *
 * The driver's side may be called by any thread.  The class's functions are
 * called with a mutex of the personality held, so one at a time for each
 * object; two objects may be asked at once. */

#ifndef NICSIM_PERSONALITY_H
#define NICSIM_PERSONALITY_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_flow_action;
struct rte_flow_attr;
struct rte_flow_error;
struct rte_flow_item;

/* Of everything in this part.  Another one's objects are refused. */
#define NICSIM_PERSONALITY_ABI 1

struct nicsim_personality_traits {
    unsigned int counter_period;    /* In milliseconds: counters are read from
                                     * a cache this old.  0: they are exact. */
    bool duplicates;                /* A rule that is there already is taken,
                                     * and has no effect before the other one
                                     * goes. */
    bool own_udp_source;            /* The source port of a UDP header that is
                                     * pushed is the NIC's to choose. */
};

struct nicsim_personality_question {
    uint16_t port_id;               /* Of the ethdev the rule is made on. */
    bool create;                    /* Or only validate. */
    bool started;                   /* The ethdev. */
    const struct rte_flow_attr *attr;
    const struct rte_flow_item *pattern;
    const struct rte_flow_action *actions;

    /* Answers, beside success. */
    bool drops;                     /* Accepted, but what matches is dropped
                                     * where it should leave by a port. */
    uint64_t held;                  /* Not 0: something is held for the rule
                                     * until release(). */
};

struct nicsim_personality_class {
    uint32_t abi;                   /* NICSIM_PERSONALITY_ABI. */

    /* Makes the personality of one NIC from 'args', "KEY=VALUE,..." or "".
     * Returns 0, or a positive errno and why in 'why'. */
    int (*create)(const char *args, void **auxp,
                  struct nicsim_personality_traits *traits, char *why,
                  size_t size);
    void (*destroy)(void *aux);

    /* An ethdev of the NIC comes or goes: the uplink's, or the representor of
     * 'vf'.  Returns 0 or a positive errno. */
    int (*add_port)(void *aux, uint16_t port_id, bool uplink,
                    unsigned int vf);
    void (*remove_port)(void *aux, uint16_t port_id);

    /* A meter of the ethdev 'port_id' comes or goes. */
    int (*add_meter)(void *aux, uint16_t port_id, uint32_t mtr_id);
    void (*remove_meter)(void *aux, uint16_t port_id, uint32_t mtr_id);

    /* Returns 0 if the rule is accepted.  Otherwise fills 'error', and returns
     * a negative errno, as functions of rte_flow do. */
    int (*ask)(void *aux, struct nicsim_personality_question *question,
               struct rte_flow_error *error);
    void (*release)(void *aux, uint64_t held);
};

/* The driver's side. */

struct nicsim_personality;

/* Loads and creates what 'spec' says, "NAME[,KEY=VALUE...]", and stores it in
 * '*personalityp', NULL for "ideal".  Returns 0, or a positive errno after
 * logging why, with 'who' in the sentence. */
int nicsim_personality_create(const char *who, const char *spec,
                              struct nicsim_personality **personalityp);
void nicsim_personality_destroy(struct nicsim_personality *);

/* All that follow may be called with NULL, the ideal NIC. */

const struct nicsim_personality_traits *nicsim_personality_traits(
    const struct nicsim_personality *);

int nicsim_personality_add_port(struct nicsim_personality *,
                                uint16_t port_id, bool uplink,
                                unsigned int vf);
void nicsim_personality_remove_port(struct nicsim_personality *,
                                    uint16_t port_id);
int nicsim_personality_add_meter(struct nicsim_personality *,
                                 uint16_t port_id, uint32_t mtr_id);
void nicsim_personality_remove_meter(struct nicsim_personality *,
                                     uint16_t port_id, uint32_t mtr_id);
int nicsim_personality_ask(struct nicsim_personality *,
                           struct nicsim_personality_question *,
                           struct rte_flow_error *);
void nicsim_personality_release(struct nicsim_personality *, uint64_t held);

#endif /* nicsim-personality.h */
