/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-stats.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <ethdev_driver.h>

#include "nicsim-port.h"
#include "nicsim-rxtx.h"

/* Counters of the driver's own, one per queue each. */
struct queue_counter {
    const char *name;                   /* With a %u for the queue. */
    bool is_tx;
    size_t offset;                      /* In the queue's struct. */
};

static const struct queue_counter queue_counters[] = {
    { "rx_q%u_mbuf_allocation_errors", false,
      offsetof(struct nicsim_rxq, no_mbuf) },
    { "rx_q%u_buffer_faults", false, offsetof(struct nicsim_rxq, errors) },
    { "tx_q%u_refused_packets", true, offsetof(struct nicsim_txq, refused) },
    { "tx_q%u_doorbells", true, offsetof(struct nicsim_txq, kicks) },
};

/* Counters of the port of the eSwitch that the PF or a representor stands for,
 * with the names that mlx5 has for them: 'rx' is from the VF or the wire into
 * the eSwitch. */
struct vport_counter {
    const char *name;
    size_t offset;                      /* In struct nicsim_vport_stats. */
};

static const struct vport_counter vport_counters[] = {
    { "rx_vport_packets", offsetof(struct nicsim_vport_stats, in.packets) },
    { "rx_vport_bytes", offsetof(struct nicsim_vport_stats, in.bytes) },
    { "tx_vport_packets", offsetof(struct nicsim_vport_stats, out.packets) },
    { "tx_vport_bytes", offsetof(struct nicsim_vport_stats, out.bytes) },
};

static unsigned int
n_vport_counters(const struct rte_eth_dev *dev)
{
    const struct nicsim_port *port = dev->data->dev_private;

    return (NICSIM_FN_KIND(port->fn) == NICSIM_FN_VF
            ? 0 : RTE_DIM(vport_counters));
}

static unsigned int
n_queues(const struct rte_eth_dev *dev, const struct queue_counter *c)
{
    return c->is_tx ? dev->data->nb_tx_queues : dev->data->nb_rx_queues;
}

/* The counter 'c' of queue 'i', or NULL if that is not set up. */
static uint64_t *
counter_of(struct rte_eth_dev *dev, const struct queue_counter *c,
           unsigned int i)
{
    void *queue = (c->is_tx ? dev->data->tx_queues[i]
                   : dev->data->rx_queues[i]);

    return queue ? (uint64_t *) ((char *) queue + c->offset) : NULL;
}

static uint64_t
sum_queues(struct rte_eth_dev *dev, bool is_tx, size_t offset)
{
    const struct queue_counter c = { .is_tx = is_tx, .offset = offset };
    uint64_t sum = 0;

    for (unsigned int i = 0; i < n_queues(dev, &c); i++) {
        const uint64_t *counter = counter_of(dev, &c, i);

        sum += counter ? __atomic_load_n(counter, __ATOMIC_RELAXED) : 0;
    }
    return sum;
}

int
nicsim_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct nicsim_msg msg = { .type = NICSIM_FN_STATS };
    const struct nicsim_fn_stats *s = &msg.stats.stats;
    int error;

    msg.stats.fn = port->fn;
    error = nicsim_port_call(port, &msg, NULL);
    if (error) {
        return -error;
    }
    stats->ipackets = s->rx.packets;
    stats->ibytes = s->rx.bytes;
    stats->opackets = s->tx.packets;
    stats->obytes = s->tx.bytes;
    stats->imissed = s->rx_missed;
    stats->ierrors = s->rx_errors;
    stats->oerrors = s->tx_errors + sum_queues(
        dev, true, offsetof(struct nicsim_txq, refused));
    if (n_vport_counters(dev)) {
        stats->oerrors += msg.stats.vport.out_too_long;
    }
    stats->rx_nombuf = sum_queues(dev, false,
                                  offsetof(struct nicsim_rxq, no_mbuf));
    for (int i = 0; i < RTE_MIN(NICSIM_MAX_QUEUES,
                                RTE_ETHDEV_QUEUE_STAT_CNTRS); i++) {
        stats->q_ipackets[i] = s->rxq[i].packets;
        stats->q_ibytes[i] = s->rxq[i].bytes;
        stats->q_opackets[i] = s->txq[i].packets;
        stats->q_obytes[i] = s->txq[i].bytes;
    }
    return 0;
}

int
nicsim_stats_reset(struct rte_eth_dev *dev)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct nicsim_msg msg = { .type = NICSIM_FN_STATS_RESET };

    msg.stats.fn = port->fn;
    for (unsigned int i = 0; i < RTE_DIM(queue_counters); i++) {
        const struct queue_counter *c = &queue_counters[i];

        for (unsigned int q = 0; q < n_queues(dev, c); q++) {
            uint64_t *counter = counter_of(dev, c, q);

            if (counter) {
                __atomic_store_n(counter, 0, __ATOMIC_RELAXED);
            }
        }
    }
    return -nicsim_port_call(port, &msg, "reset the statistics");
}

static unsigned int
count_xstats(const struct rte_eth_dev *dev)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < RTE_DIM(queue_counters); i++) {
        n += n_queues(dev, &queue_counters[i]);
    }
    return n + n_vport_counters(dev);
}

int
nicsim_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *xstats,
                  unsigned int n)
{
    struct nicsim_port *port = dev->data->dev_private;
    struct nicsim_msg msg = { .type = NICSIM_FN_STATS };
    unsigned int total = count_xstats(dev);
    unsigned int id = 0;
    int error;

    if (!xstats || n < total) {
        return total;
    }
    msg.stats.fn = port->fn;
    error = n_vport_counters(dev) ? nicsim_port_call(port, &msg, NULL) : 0;
    if (error) {
        return -error;
    }
    for (unsigned int i = 0; i < RTE_DIM(queue_counters); i++) {
        const struct queue_counter *c = &queue_counters[i];

        for (unsigned int q = 0; q < n_queues(dev, c); q++, id++) {
            const uint64_t *counter = counter_of(dev, c, q);

            xstats[id].id = id;
            xstats[id].value = (counter ? __atomic_load_n(counter,
                                                          __ATOMIC_RELAXED)
                                : 0);
        }
    }
    for (unsigned int i = 0; i < n_vport_counters(dev); i++, id++) {
        xstats[id].id = id;
        memcpy(&xstats[id].value,
               (const char *) &msg.stats.vport + vport_counters[i].offset,
               sizeof xstats[id].value);
    }
    return total;
}

int
nicsim_xstats_get_names(struct rte_eth_dev *dev,
                        struct rte_eth_xstat_name *names, unsigned int n)
{
    unsigned int total = count_xstats(dev);
    unsigned int id = 0;

    if (!names || n < total) {
        return total;
    }
    for (unsigned int i = 0; i < RTE_DIM(queue_counters); i++) {
        const struct queue_counter *c = &queue_counters[i];

        for (unsigned int q = 0; q < n_queues(dev, c); q++) {
            /* The format is one of the table above. */
            const char *u = strstr(c->name, "%u");

            snprintf(names[id].name, sizeof names[id].name, "%.*s%u%s",
                     (int) (u - c->name), c->name, q, u + 2);
            id++;
        }
    }
    for (unsigned int i = 0; i < n_vport_counters(dev); i++) {
        snprintf(names[id].name, sizeof names[id].name, "%s",
                 vport_counters[i].name);
        id++;
    }
    return total;
}
