/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Rules and how a packet finds its own.
 * =====================================
 *
 * A group has one subtable for each pair of priority and mask that its rules
 * have, in the order of priorities.  A subtable is a hash table over the
 * masked words of the key, so a lookup costs one probe per subtable down to
 * the one that has a matching rule, however many rules there are.
 *
 * The table also tells the parser what its rules have to see, and counts those
 * that use a meter.
 *
 * The hash table is by linear hashing: it grows by one bucket per rule, so no
 * insertion ever has to move more than one bucket's rules while packets wait.
 * (rte_hash has a fixed size: to grow one means to insert all rules into
 * another, which for 100,000 stops the pipeline for tens of milliseconds, and
 * to make each as big as the whole table costs megabytes per mask.  Here rules
 * are linked into buckets, which also saves a copy of each key.) */

#ifndef NICSIM_RULE_TABLE_H
#define NICSIM_RULE_TABLE_H 1

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"
#include "parser.h"

struct meters;
struct rule_table;
struct subtable;

/* A rule in the table.  What a lookup reads is together at the end, followed
 * by the actions. */
struct rule {
    struct subtable *subtable;
    uint64_t id;
    struct rule *id_next;               /* In the table of ids. */
    struct rule *newer, *older;         /* In the order of ids. */
    uint32_t fn;                        /* By which it was made. */
    uint32_t items;                     /* NICSIM_ITEM_*. */
    uint32_t data_len;                  /* Behind the actions. */

    _Alignas(64) struct rule *next;     /* In the bucket. */
    uint32_t hash;
    uint16_t n_actions;
    uint8_t n_words;                    /* In 'words'. */
    bool decrements_ttl;                /* It has a DEC_TTL. */
    struct nicsim_counter counter;
    uint64_t words[];                   /* Of the masked key. */
};

static inline const struct nicsim_action *
rule_actions(const struct rule *rule)
{
    return (const struct nicsim_action *) &rule->words[rule->n_words];
}

/* The headers that the rule's actions push. */
static inline const uint8_t *
rule_data(const struct rule *rule)
{
    return (const uint8_t *) &rule_actions(rule)[rule->n_actions];
}

/* For rule_table_flush(). */
#define RULES_OF_ALL UINT32_MAX

struct rule_table *rule_table_create(uint32_t max_rules, struct meters *);
void rule_table_destroy(struct rule_table *);

int rule_table_check(const struct rule_table *, const struct nicsim_rule *);
int rule_table_insert(struct rule_table *, const struct nicsim_rule *,
                      uint32_t fn, uint64_t *id);
void rule_table_remove(struct rule_table *, struct rule *);
void rule_table_flush(struct rule_table *, uint32_t fn);

struct rule *rule_table_find(const struct rule_table *, uint64_t id);
struct rule *rule_table_after(const struct rule_table *, uint64_t id);
void rule_table_export(const struct rule *, struct nicsim_rule *);
uint32_t rule_table_count(const struct rule_table *);
uint32_t rule_table_max(const struct rule_table *);
uint32_t rule_table_n_masks(const struct rule_table *);
bool rule_table_has_mask(struct rule_table *, const struct nicsim_rule *);
const struct parser *rule_table_parser(const struct rule_table *);
bool rule_table_has_encaps(const struct rule_table *);

void rule_table_lookup(const struct rule_table *, uint32_t group,
                       struct packet **, unsigned int n);

#endif /* nicsim/device/rule-table.h */
