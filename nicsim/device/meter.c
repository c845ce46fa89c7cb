/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "meter.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_cycles.h>

#include "log.h"
#include "nic.h"
#include "util.h"

/* More than any link carries, and little enough for sums not to overflow. */
#define MAX_RATE  (UINT64_C(1) << 40)
#define MAX_BURST (UINT64_C(1) << 40)

enum color { GREEN, YELLOW, RED };

struct bucket {
    uint64_t tokens;
    uint64_t rest;                      /* Of a token: parts of 1/Hz. */
};

struct meter {
    struct nicsim_meter conf;
    uint32_t fn;                        /* By which it was made. */
    uint32_t n_rules;                   /* That use it. */
    bool orphan;                        /* Its function has gone. */
    uint64_t last;                      /* TSC of the last refill. */
    struct bucket committed, excess;    /* 'excess' is the peak bucket of a
                                         * meter with two rates. */
    struct nicsim_counter colors[3];
};

struct meters {
    struct meter *by_id[NICSIM_MAX_METERS + 1];
};

struct meters *
meters_create(void)
{
    return zalloc(1, sizeof(struct meters));
}

void
meters_destroy(struct meters *m)
{
    if (m) {
        for (uint32_t id = 1; id <= NICSIM_MAX_METERS; id++) {
            free(m->by_id[id]);
        }
        free(m);
    }
}

static struct meter *
find(const struct meters *m, uint32_t id)
{
    return id <= NICSIM_MAX_METERS ? m->by_id[id] : NULL;
}

static int
check(const struct nicsim_meter *conf, char *why)
{
    if (conf->two_rates > 1 || conf->in_packets > 1 || conf->drop_yellow > 1) {
        return refuse(EINVAL, why, "a meter's flag is neither 0 nor 1");
    }
    if (!conf->cir || conf->cir > MAX_RATE || conf->pir > MAX_RATE) {
        return refuse(EINVAL, why, "a meter's rate must be 1 to %"PRIu64,
                      MAX_RATE);
    }
    if (!conf->cbs || conf->cbs > MAX_BURST || conf->ebs > MAX_BURST) {
        return refuse(EINVAL, why, "a meter's burst must be 1 to %"PRIu64,
                      MAX_BURST);
    }
    if (conf->two_rates && (conf->pir < conf->cir || !conf->ebs)) {
        return refuse(EINVAL, why, "a meter's peak rate must not be below its "
                      "committed rate, and needs a burst");
    }
    if (!conf->two_rates && conf->pir) {
        return refuse(EINVAL, why, "a meter with one rate has no peak rate");
    }
    return 0;
}

/* Makes a meter and sets its id. */
int
meter_create(struct meters *m, struct nicsim_meter_op *op, char *why)
{
    int error = check(&op->meter, why);
    struct meter *meter;
    uint32_t id;

    if (error) {
        return error;
    }
    for (id = 1; id <= NICSIM_MAX_METERS && m->by_id[id]; id++) {
        continue;
    }
    if (id > NICSIM_MAX_METERS) {
        return refuse(ENOSPC, why, "all %d meters are in use",
                      NICSIM_MAX_METERS);
    }
    meter = zalloc(1, sizeof *meter);
    if (!meter) {
        return refuse(ENOMEM, why, "out of memory");
    }
    op->meter.id = id;
    meter->conf = op->meter;
    meter->fn = op->fn;
    meter->last = rte_rdtsc();
    meter->committed.tokens = op->meter.cbs;
    meter->excess.tokens = op->meter.ebs;
    m->by_id[id] = meter;
    return 0;
}

/* Returns the meter that 'op' is about, or NULL with the reason in 'why'. */
static struct meter *
get(const struct meters *m, const struct nicsim_meter_op *op, char *why)
{
    struct meter *meter = find(m, op->meter.id);

    if (!meter || meter->orphan || meter->fn != op->fn) {
        refuse(ENOENT, why, "there is no meter %"PRIu32, op->meter.id);
        return NULL;
    }
    return meter;
}

static void
limit(struct bucket *b, uint64_t burst)
{
    if (b->tokens >= burst) {
        b->tokens = burst;
        b->rest = 0;
    }
}

/* Gives a meter another configuration. */
int
meter_update(struct meters *m, const struct nicsim_meter_op *op, char *why)
{
    struct meter *meter = get(m, op, why);
    int error = meter ? check(&op->meter, why) : ENOENT;

    if (error) {
        return error;
    }
    if (op->meter.in_packets != meter->conf.in_packets) {
        /* Tokens are of another kind. */
        meter->committed.tokens = op->meter.cbs;
        meter->excess.tokens = op->meter.ebs;
    }
    meter->conf = op->meter;
    limit(&meter->committed, op->meter.cbs);
    limit(&meter->excess, op->meter.ebs);
    return 0;
}

/* Reports what a meter is and has counted. */
int
meter_query(struct meters *m, struct nicsim_meter_op *op, char *why)
{
    struct meter *meter = get(m, op, why);

    if (!meter) {
        return ENOENT;
    }
    op->meter = meter->conf;
    memcpy(op->colors, meter->colors, sizeof op->colors);
    if (op->reset) {
        memset(meter->colors, 0, sizeof meter->colors);
    }
    return 0;
}

int
meter_delete(struct meters *m, const struct nicsim_meter_op *op, char *why)
{
    struct meter *meter = get(m, op, why);

    if (!meter) {
        return ENOENT;
    }
    if (meter->n_rules) {
        return refuse(EBUSY, why, "%"PRIu32" rules use meter %"PRIu32,
                      meter->n_rules, op->meter.id);
    }
    m->by_id[op->meter.id] = NULL;
    free(meter);
    return 0;
}

/* Removes the meters that were made through function 'fn', which closes. */
void
meters_flush(struct meters *m, uint32_t fn)
{
    for (uint32_t id = 1; id <= NICSIM_MAX_METERS; id++) {
        struct meter *meter = m->by_id[id];

        if (!meter || meter->orphan || meter->fn != fn) {
            continue;
        }
        if (meter->n_rules) {
            meter->orphan = true;
        } else {
            m->by_id[id] = NULL;
            free(meter);
        }
    }
}

int
meter_function(const struct meters *m, uint32_t id)
{
    const struct meter *meter = find(m, id);

    return meter && !meter->orphan ? (int) meter->fn : -1;
}

void
meter_use(struct meters *m, uint32_t id)
{
    find(m, id)->n_rules++;
}

void
meter_release(struct meters *m, uint32_t id)
{
    struct meter *meter = find(m, id);

    if (!--meter->n_rules && meter->orphan) {
        m->by_id[id] = NULL;
        free(meter);
    }
}

/* Adds what 'cycles' bring at 'rate'. */
static void
fill(struct bucket *b, uint64_t cycles, uint64_t rate)
{
    uint64_t hz = rte_get_tsc_hz();
    unsigned __int128 sum = (unsigned __int128) cycles * rate + b->rest;

    b->tokens += sum / hz;
    b->rest = sum % hz;
}

static void
refill(struct meter *meter)
{
    const struct nicsim_meter *conf = &meter->conf;
    uint64_t now = rte_rdtsc();
    uint64_t cycles = now - meter->last;
    uint64_t max = rte_get_tsc_hz() * 3600;

    cycles = cycles < max ? cycles : max;
    meter->last = now;
    fill(&meter->committed, cycles, conf->cir);
    if (conf->two_rates) {
        fill(&meter->excess, cycles, conf->pir);
    } else if (meter->committed.tokens > conf->cbs) {
        meter->excess.tokens += meter->committed.tokens - conf->cbs;
    }
    limit(&meter->committed, conf->cbs);
    limit(&meter->excess, conf->ebs);
}

static enum color
color(struct meter *meter, uint32_t need)
{
    uint64_t *committed = &meter->committed.tokens;
    uint64_t *excess = &meter->excess.tokens;

    if (meter->conf.two_rates) {
        if (*excess < need) {
            return RED;
        }
        *excess -= need;
        if (*committed < need) {
            return YELLOW;
        }
        *committed -= need;
        return GREEN;
    }
    if (*committed >= need) {
        *committed -= need;
        return GREEN;
    }
    if (*excess >= need) {
        *excess -= need;
        return YELLOW;
    }
    return RED;
}

bool
meter_passes(struct meters *m, uint32_t id, uint32_t len)
{
    struct meter *meter = find(m, id);
    enum color c;

    refill(meter);
    c = color(meter, meter->conf.in_packets ? 1 : len);
    count(&meter->colors[c], len);
    return c == GREEN || (c == YELLOW && !meter->conf.drop_yellow);
}
