/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "rule-table.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <rte_branch_prediction.h>
#include <rte_hash_crc.h>
#include <rte_prefetch.h>

#include "meter.h"
#include "nic.h"
#include "util.h"

#define MIN_BUCKETS 64

/* Linear hashing: 'n' buckets, from 'low' to 2 * 'low' - 1, of which the first
 * n - low have been split in two. */
struct buckets {
    struct rule **heads;
    uint32_t n, low;
    uint32_t room;                      /* Allocated. */
};

struct subtable {
    struct subtable *next;              /* In the group, by priority. */
    uint32_t priority;
    uint32_t group;
    uint32_t n_rules;
    uint8_t n_words;                    /* Words of the mask that are not 0 */
    uint8_t index[KEY_WORDS];           /* and where they are in the key. */
    uint64_t words[KEY_WORDS];
    struct buckets buckets;
    union key mask;
};

struct rule_table {
    uint32_t n_rules, max_rules, n_subtables;
    uint64_t last_id;
    struct subtable *groups[NICSIM_MAX_GROUP + 1];
    struct buckets ids;
    struct rule *oldest, *newest;
    struct parser parser;
    uint32_t n_encaps;                  /* ENCAP actions. */
    struct meters *meters;
};

/* Buckets. */

static bool
buckets_init(struct buckets *b)
{
    b->heads = zalloc(MIN_BUCKETS, sizeof *b->heads);
    b->n = b->low = b->room = MIN_BUCKETS;
    return b->heads != NULL;
}

static inline struct rule **
bucket_at(const struct buckets *b, uint32_t hash)
{
    uint32_t i = hash & (2 * b->low - 1);

    return &b->heads[i < b->n ? i : i - b->low];
}

/* Ids are consecutive, so they are their own hash. */
static struct rule **
id_bucket(const struct rule_table *t, uint64_t id)
{
    return bucket_at(&t->ids, id);
}

/* Makes one bucket more.  'by_id' says by what the rules are linked.  If there
 * is no memory the buckets just get fuller. */
static void
buckets_grow(struct buckets *b, bool by_id)
{
    struct rule **from, **to, *rule, *next;

    if (b->n == b->room) {
        struct rule **heads = reallocarray(b->heads, 2 * (size_t) b->room,
                                           sizeof *heads);

        if (!heads) {
            return;
        }
        b->heads = heads;
        b->room *= 2;
    }
    from = &b->heads[b->n - b->low];
    to = &b->heads[b->n];
    rule = *from;
    *from = *to = NULL;
    for (; rule; rule = next) {
        struct rule **link = by_id ? &rule->id_next : &rule->next;
        uint32_t hash = by_id ? (uint32_t) rule->id : rule->hash;
        struct rule **head = hash & b->low ? to : from;

        next = *link;
        *link = *head;
        *head = rule;
    }
    if (++b->n == 2 * b->low) {
        b->low = b->n;
    }
}

/* Subtables. */

static inline uint32_t
hash_words(const uint64_t *words, uint32_t n)
{
    uint32_t hash = 0;

    for (uint32_t i = 0; i < n; i++) {
        hash = rte_hash_crc_8byte(words[i], hash);
    }
    return hash;
}

/* Takes from 'key' what counts in 't' to 'words'. */
static inline void
mask_key(const struct subtable *t, const union key *key, uint64_t *words)
{
    for (uint32_t i = 0; i < t->n_words; i++) {
        words[i] = key->w[t->index[i]] & t->words[i];
    }
}

static inline bool
words_equal(const uint64_t *a, const uint64_t *b, uint32_t n)
{
    uint64_t differ = 0;

    for (uint32_t i = 0; i < n; i++) {
        differ |= a[i] ^ b[i];
    }
    return !differ;
}

static struct rule *
subtable_find(const struct subtable *t, const uint64_t *words, uint32_t hash)
{
    struct rule *rule;

    for (rule = *bucket_at(&t->buckets, hash); rule; rule = rule->next) {
        if (rule->hash == hash && words_equal(rule->words, words,
                                              t->n_words)) {
            break;
        }
    }
    return rule;
}

/* The place in the list of 'group' where the subtable for 'priority' and
 * 'mask' is, or should be. */
static struct subtable **
subtable_place(struct rule_table *rt, uint32_t group, uint32_t priority,
               const union key *mask)
{
    struct subtable **tp;

    for (tp = &rt->groups[group]; *tp && (*tp)->priority <= priority;
         tp = &(*tp)->next) {
        if ((*tp)->priority == priority
            && !memcmp(&(*tp)->mask, mask, sizeof *mask)) {
            break;
        }
    }
    return tp;
}

static bool
is_subtable_of(const struct subtable *t, uint32_t priority,
               const union key *mask)
{
    return t && t->priority == priority && !memcmp(&t->mask, mask,
                                                   sizeof *mask);
}

static struct subtable *
subtable_create(const struct nicsim_rule *nr, const union key *mask)
{
    struct subtable *t = zalloc(1, sizeof *t);

    if (!t) {
        return NULL;
    }
    if (!buckets_init(&t->buckets)) {
        free(t);
        return NULL;
    }
    t->group = nr->group;
    t->priority = nr->priority;
    t->mask = *mask;
    for (uint8_t i = 0; i < KEY_WORDS; i++) {
        if (mask->w[i]) {
            t->index[t->n_words] = i;
            t->words[t->n_words++] = mask->w[i];
        }
    }
    return t;
}

static void
subtable_destroy(struct subtable *t)
{
    free(t->buckets.heads);
    free(t);
}

/* The table. */

/* Returns a table for 'max_rules' rules, which may use 'meters', or NULL
 * without memory. */
struct rule_table *
rule_table_create(uint32_t max_rules, struct meters *meters)
{
    struct rule_table *rt = zalloc(1, sizeof *rt);

    if (rt) {
        rt->max_rules = max_rules;
        rt->meters = meters;
        if (!buckets_init(&rt->ids)) {
            free(rt);
            return NULL;
        }
    }
    return rt;
}

void
rule_table_destroy(struct rule_table *rt)
{
    if (rt) {
        rule_table_flush(rt, RULES_OF_ALL);
        free(rt->ids.heads);
        free(rt);
    }
}

/* Splits what 'nr' matches into key and mask. */
static void
get_match(const struct nicsim_rule *nr, union key *key, union key *mask)
{
    key->match = nr->key;
    mask->match = nr->mask;
}

/* Tells others of 'nr', which comes (+1) or goes (-1). */
static void
account(struct rule_table *rt, const struct nicsim_match *key,
        const struct nicsim_match *mask, const struct nicsim_action *actions,
        uint32_t n_actions, int change)
{
    if (change > 0) {
        parser_learn(&rt->parser, key, mask);
    } else {
        parser_forget(&rt->parser, key, mask);
    }
    for (uint32_t i = 0; i < n_actions; i++) {
        if (actions[i].type == NICSIM_ACT_ENCAP) {
            rt->n_encaps += change;
        } else if (actions[i].type == NICSIM_ACT_METER) {
            if (change > 0) {
                meter_use(rt->meters, actions[i].arg);
            } else {
                meter_release(rt->meters, actions[i].arg);
            }
        }
    }
}

/* Returns whether 'nr' could be inserted: 0, EEXIST, ENOSPC, or ENOTSUP if the
 * parser can't learn the port of its tunnel. */
int
rule_table_check(const struct rule_table *rt, const struct nicsim_rule *nr)
{
    uint64_t words[KEY_WORDS];
    union key key, mask;
    struct subtable *t;

    get_match(nr, &key, &mask);
    t = *subtable_place((struct rule_table *) rt, nr->group, nr->priority,
                        &mask);
    if (is_subtable_of(t, nr->priority, &mask)) {
        mask_key(t, &key, words);
        if (subtable_find(t, words, hash_words(words, t->n_words))) {
            return EEXIST;
        }
    }
    return (rt->n_rules >= rt->max_rules ? ENOSPC
            : parser_check(&rt->parser, &nr->key, &nr->mask)
            ? ENOTSUP : 0);
}

/* Inserts 'nr', which was checked, as made by function 'fn', and sets '*id' to
 * its number.  Returns 0, EEXIST, ENOSPC, ENOTSUP or ENOMEM. */
int
rule_table_insert(struct rule_table *rt, const struct nicsim_rule *nr,
                  uint32_t fn, uint64_t *id)
{
    struct subtable **place, *t;
    union key key, mask;
    struct rule *rule;
    struct rule **head;
    size_t size;
    int error;

    error = rule_table_check(rt, nr);
    if (error) {
        return error;
    }
    get_match(nr, &key, &mask);
    place = subtable_place(rt, nr->group, nr->priority, &mask);
    t = *place;
    if (!is_subtable_of(t, nr->priority, &mask)) {
        t = subtable_create(nr, &mask);
        if (!t) {
            return ENOMEM;
        }
        t->next = *place;
    }
    size = offsetof(struct rule, words[t->n_words])
           + nr->n_actions * sizeof nr->actions[0] + nr->data_len;
    rule = aligned_alloc(64, (size + 63) & ~(size_t) 63);
    if (!rule) {
        if (t != *place) {
            subtable_destroy(t);
        }
        return ENOMEM;
    }
    memset(rule, 0, size);
    if (t != *place) {
        *place = t;
        rt->n_subtables++;
    }

    rule->subtable = t;
    rule->fn = fn;
    rule->items = nr->items;
    rule->n_words = t->n_words;
    mask_key(t, &key, rule->words);
    rule->hash = hash_words(rule->words, t->n_words);
    rule->n_actions = nr->n_actions;
    rule->data_len = nr->data_len;
    memcpy(&rule->words[t->n_words], nr->actions,
           nr->n_actions * sizeof nr->actions[0]);
    memcpy((uint8_t *) rule_data(rule), nr->data, nr->data_len);
    account(rt, &nr->key, &nr->mask, nr->actions, nr->n_actions, 1);
    for (uint32_t i = 0; i < nr->n_actions; i++) {
        if (nr->actions[i].type == NICSIM_ACT_DEC_TTL) {
            rule->decrements_ttl = true;
        }
    }

    if (++t->n_rules > t->buckets.n) {
        buckets_grow(&t->buckets, false);
    }
    head = bucket_at(&t->buckets, rule->hash);
    rule->next = *head;
    *head = rule;

    rule->id = ++rt->last_id;
    if (++rt->n_rules > rt->ids.n) {
        buckets_grow(&rt->ids, true);
    }
    head = id_bucket(rt, rule->id);
    rule->id_next = *head;
    *head = rule;
    rule->older = rt->newest;
    *(rt->newest ? &rt->newest->newer : &rt->oldest) = rule;
    rt->newest = rule;
    *id = rule->id;
    return 0;
}

/* Sets '*key' to that of 'rule'. */
static void
rule_key(const struct rule *rule, union key *key)
{
    const struct subtable *t = rule->subtable;

    memset(key, 0, sizeof *key);
    for (uint32_t i = 0; i < t->n_words; i++) {
        key->w[t->index[i]] = rule->words[i];
    }
}

/* Removes 'rule' and frees it. */
void
rule_table_remove(struct rule_table *rt, struct rule *rule)
{
    struct subtable *t = rule->subtable;
    union key key;
    struct rule **rp;

    rule_key(rule, &key);
    account(rt, &key.match, &t->mask.match, rule_actions(rule),
            rule->n_actions, -1);
    for (rp = bucket_at(&t->buckets, rule->hash); *rp != rule;
         rp = &(*rp)->next) {
        continue;
    }
    *rp = rule->next;
    if (!--t->n_rules) {
        struct subtable **tp;

        for (tp = &rt->groups[t->group]; *tp != t; tp = &(*tp)->next) {
            continue;
        }
        *tp = t->next;
        subtable_destroy(t);
        rt->n_subtables--;
    }

    for (rp = id_bucket(rt, rule->id); *rp != rule; rp = &(*rp)->id_next) {
        continue;
    }
    *rp = rule->id_next;
    *(rule->older ? &rule->older->newer : &rt->oldest) = rule->newer;
    *(rule->newer ? &rule->newer->older : &rt->newest) = rule->older;
    rt->n_rules--;
    free(rule);
}

/* Removes the rules that were made through function 'fn', or all of them if
 * that is RULES_OF_ALL. */
void
rule_table_flush(struct rule_table *rt, uint32_t fn)
{
    struct rule *rule, *next;

    for (rule = rt->oldest; rule; rule = next) {
        next = rule->newer;
        if (fn == RULES_OF_ALL || rule->fn == fn) {
            rule_table_remove(rt, rule);
        }
    }
}

/* Returns the rule with number 'id', or NULL. */
struct rule *
rule_table_find(const struct rule_table *rt, uint64_t id)
{
    struct rule *rule;

    for (rule = *id_bucket(rt, id); rule && rule->id != id;
         rule = rule->id_next) {
        continue;
    }
    return rule;
}

/* Returns the first rule with a greater number than 'id', or NULL. */
struct rule *
rule_table_after(const struct rule_table *rt, uint64_t id)
{
    struct rule *rule = rule_table_find(rt, id);

    if (rule) {
        return rule->newer;
    }
    for (rule = rt->oldest; rule && rule->id <= id; rule = rule->newer) {
        continue;
    }
    return rule;
}

/* Sets '*nr' to what 'rule' was made of. */
void
rule_table_export(const struct rule *rule, struct nicsim_rule *nr)
{
    const struct subtable *t = rule->subtable;
    union key key;

    memset(nr, 0, sizeof *nr);
    rule_key(rule, &key);
    nr->group = t->group;
    nr->priority = t->priority;
    nr->items = rule->items;
    nr->n_actions = rule->n_actions;
    nr->data_len = rule->data_len;
    nr->key = key.match;
    nr->mask = t->mask.match;
    memcpy(nr->actions, rule_actions(rule),
           rule->n_actions * sizeof nr->actions[0]);
    memcpy(nr->data, rule_data(rule), rule->data_len);
}

uint32_t
rule_table_count(const struct rule_table *rt)
{
    return rt->n_rules;
}

uint32_t
rule_table_max(const struct rule_table *rt)
{
    return rt->max_rules;
}

/* Returns the number of subtables: different masks, or the same with different
 * priorities. */
uint32_t
rule_table_n_masks(const struct rule_table *rt)
{
    return rt->n_subtables;
}

/* Returns true if 'nr' would not add to them. */
bool
rule_table_has_mask(struct rule_table *rt, const struct nicsim_rule *nr)
{
    union key key, mask;

    get_match(nr, &key, &mask);
    return is_subtable_of(*subtable_place(rt, nr->group, nr->priority, &mask),
                          nr->priority, &mask);
}

/* Returns what the parser has to look for. */
const struct parser *
rule_table_parser(const struct rule_table *rt)
{
    return &rt->parser;
}

/* Returns whether there is a rule that pushes a tunnel's headers. */
bool
rule_table_has_encaps(const struct rule_table *rt)
{
    return rt->n_encaps > 0;
}

/* Sets the 'rule' of each of the 'n' packets, at most BURST, to the one that
 * it matches in 'group', or to NULL.
 *
 * The packets go through each step together, so that the memory that one step
 * finds out about is on its way while the others of the burst are served. */
void
rule_table_lookup(const struct rule_table *rt, uint32_t group,
                  struct packet **packets, unsigned int n)
{
    uint64_t words[BURST][KEY_WORDS];
    struct rule **heads[BURST];
    struct packet *left[BURST];
    uint32_t hashes[BURST];
    struct subtable *t;

    for (unsigned int i = 0; i < n; i++) {
        left[i] = packets[i];
        left[i]->rule = NULL;
    }
    for (t = rt->groups[group]; t && n; t = t->next) {
        unsigned int n_left = 0;

        for (unsigned int i = 0; i < n; i++) {
            mask_key(t, &left[i]->key, words[i]);
            hashes[i] = hash_words(words[i], t->n_words);
            heads[i] = bucket_at(&t->buckets, hashes[i]);
            rte_prefetch0(heads[i]);
        }
        for (unsigned int i = 0; i < n; i++) {
            struct rule *rule = *heads[i];

            if (rule) {
                rte_prefetch0(&rule->next);
                rte_prefetch0((const uint8_t *) &rule->next + 64);
            }
        }
        for (unsigned int i = 0; i < n; i++) {
            struct rule *rule;

            for (rule = *heads[i]; rule; rule = rule->next) {
                if (rule->hash == hashes[i]
                    && likely(words_equal(rule->words, words[i],
                                          t->n_words))) {
                    break;
                }
            }
            left[i]->rule = rule;
            if (!rule) {
                left[n_left++] = left[i];
            }
        }
        n = n_left;
    }
}
