/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-flow-trait.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "nicsim-host.h"
#include "nicsim-personality.h"
#include "nicsim-port.h"
#include "nicsim-util.h"

/* Rules. */

/* The offset of the UDP header in 'len' bytes of headers at 'p', or 0. */
static size_t
find_udp(const uint8_t *p, size_t len)
{
    size_t ofs = RTE_ETHER_HDR_LEN;
    uint16_t type;

    if (len < ofs) {
        return 0;
    }
    type = p[12] << 8 | p[13];
    while ((type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ)
           && len >= ofs + 4) {
        type = p[ofs + 2] << 8 | p[ofs + 3];
        ofs += 4;
    }
    if (type == RTE_ETHER_TYPE_IPV4 && len >= ofs + 20
        && p[ofs + 9] == IPPROTO_UDP) {
        ofs += (p[ofs] & 0xf) * 4;
    } else if (type == RTE_ETHER_TYPE_IPV6 && len >= ofs + 40
               && p[ofs + 6] == IPPROTO_UDP) {
        ofs += 40;
    } else {
        return 0;
    }
    return len >= ofs + 8 ? ofs : 0;
}

void
nicsim_trait_apply(const struct nicsim_personality_traits *traits, bool drops,
                   struct nicsim_rule *rule)
{
    for (uint32_t i = 0; i < rule->n_actions; i++) {
        struct nicsim_action *action = &rule->actions[i];

        if (action->type == NICSIM_ACT_ENCAP && traits->own_udp_source) {
            uint8_t *header = rule->data + action->arg;
            size_t udp = find_udp(header, action->field);

            /* 0 is the device's own choice, see hw.h. */
            if (udp) {
                memset(header + udp, 0, 2);
            }
        } else if (action->type == NICSIM_ACT_OUTPUT && drops
                   && action->arg == NICSIM_VPORT_UPLINK
                   && i == rule->n_actions - 1) {
            action->type = NICSIM_ACT_DROP;
            action->arg = 0;
        }
    }
}

/* Twins. */

struct nicsim_twin {
    LIST_ENTRY(nicsim_twin) node;       /* In 'sleeping', while 'id' is 0. */
    struct nicsim_port *port;
    uint64_t id;
    struct nicsim_rule rule;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, nicsim_twin) sleeping = LIST_HEAD_INITIALIZER(sleeping);

struct nicsim_twin *
nicsim_twin_create(struct nicsim_port *port, const struct nicsim_rule *rule)
{
    struct nicsim_twin *twin = nicsim_zalloc(sizeof *twin);

    if (twin) {
        twin->port = port;
        twin->rule = *rule;
        pthread_mutex_lock(&mutex);
        LIST_INSERT_HEAD(&sleeping, twin, node);
        pthread_mutex_unlock(&mutex);
    }
    return twin;
}

void
nicsim_twin_destroy(struct nicsim_twin *twin)
{
    if (twin) {
        pthread_mutex_lock(&mutex);
        if (!twin->id) {
            LIST_REMOVE(twin, node);
        }
        pthread_mutex_unlock(&mutex);
        free(twin);
    }
}

uint64_t
nicsim_twin_id(const struct nicsim_twin *twin)
{
    uint64_t id;

    pthread_mutex_lock(&mutex);
    id = twin->id;
    pthread_mutex_unlock(&mutex);
    return id;
}

void
nicsim_twins_wake(const struct nicsim_port *port)
{
    struct nicsim_twin *twin, *next;

    pthread_mutex_lock(&mutex);
    for (twin = LIST_FIRST(&sleeping); twin; twin = next) {
        struct nicsim_msg msg = { .type = NICSIM_RULE_CREATE };

        next = LIST_NEXT(twin, node);
        if (twin->port->host != port->host) {
            continue;
        }
        msg.rule.fn = twin->port->fn;
        msg.rule.rule = twin->rule;
        if (!nicsim_port_call(twin->port, &msg, NULL)) {
            twin->id = msg.rule.id;
            LIST_REMOVE(twin, node);
        }
    }
    pthread_mutex_unlock(&mutex);
}

/* Counters. */

static uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

uint32_t
nicsim_cache_period(const struct nicsim_port *port)
{
    if (port->host && port->host->counter_period != NICSIM_PERIOD_ANY) {
        return port->host->counter_period;
    }
    return nicsim_personality_traits(port->vdev->personality)->counter_period;
}

void
nicsim_cache_init(struct nicsim_cache *cache)
{
    memset(cache, 0, sizeof *cache);
    cache->seen_at = now_ms();
}

bool
nicsim_cache_is_old(const struct nicsim_cache *cache, uint32_t period)
{
    return now_ms() - cache->seen_at >= period;
}

void
nicsim_cache_set(struct nicsim_cache *cache,
                 const struct nicsim_counter *counter)
{
    cache->seen = *counter;
    cache->seen_at = now_ms();
}

struct nicsim_counter
nicsim_cache_read(struct nicsim_cache *cache, bool reset)
{
    struct nicsim_counter shown = {
        .packets = cache->seen.packets - cache->base.packets,
        .bytes = cache->seen.bytes - cache->base.bytes,
    };

    if (reset) {
        cache->base = cache->seen;
    }
    return shown;
}
