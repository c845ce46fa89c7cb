/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-ethdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>

#include "nicsim-flow.h"
#include "nicsim-host.h"
#include "nicsim-log.h"
#include "nicsim-mtr.h"
#include "nicsim-port.h"
#include "nicsim-rxtx.h"
#include "nicsim-stats.h"

#define RX_OFFLOADS                                                     \
    (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM       \
     | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_SCTP_CKSUM     \
     | RTE_ETH_RX_OFFLOAD_RSS_HASH | RTE_ETH_RX_OFFLOAD_SCATTER)

#define TX_OFFLOADS                                                     \
    (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM       \
     | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_SCTP_CKSUM     \
     | RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_VLAN_INSERT      \
     | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE)

/* What the device hashes, by its kinds of packets.  It makes no difference
 * between IPv4 and IPv6: a request for one gets both. */
#define RSS_IP                                                          \
    (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4                           \
     | RTE_ETH_RSS_NONFRAG_IPV4_OTHER | RTE_ETH_RSS_IPV6                \
     | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER           \
     | RTE_ETH_RSS_IPV6_EX)
#define RSS_TCP                                                         \
    (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP        \
     | RTE_ETH_RSS_IPV6_TCP_EX)
#define RSS_UDP                                                         \
    (RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP        \
     | RTE_ETH_RSS_IPV6_UDP_EX)
#define RSS_SCTP                                                        \
    (RTE_ETH_RSS_NONFRAG_IPV4_SCTP | RTE_ETH_RSS_NONFRAG_IPV6_SCTP)

static const struct {
    uint64_t rss_hf;
    uint32_t type;
} rss_types[] = {
    { RSS_IP, NICSIM_RSS_IP },
    { RSS_TCP, NICSIM_RSS_TCP },
    { RSS_UDP, NICSIM_RSS_UDP },
    { RSS_SCTP, NICSIM_RSS_SCTP },
};

/* The key of Microsoft's specification, whose results are published. */
static const uint8_t default_rss_key[NICSIM_RSS_KEY] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2,
    0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
    0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
    0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
    0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static struct nicsim_port *
port_of(struct rte_eth_dev *dev)
{
    return dev->data->dev_private;
}

/* Sends those parts of the port's configuration that 'what' names
 * (NICSIM_CFG_*); 'config' has them. */
static int
send_config(struct nicsim_port *port, const struct nicsim_fn_config *config,
            uint32_t what, const char *sentence)
{
    struct nicsim_msg msg = { .type = NICSIM_FN_CONFIG };

    msg.config = *config;
    msg.config.fn = port->fn;
    msg.config.what = what;
    return nicsim_port_call(port, &msg, sentence);
}

static uint32_t
rss_hf_to_types(uint64_t rss_hf)
{
    uint32_t types = 0;

    for (unsigned int i = 0; i < RTE_DIM(rss_types); i++) {
        if (rss_hf & rss_types[i].rss_hf) {
            types |= rss_types[i].type;
        }
    }
    return types;
}

static uint64_t
rss_types_to_hf(uint32_t types)
{
    uint64_t rss_hf = 0;

    for (unsigned int i = 0; i < RTE_DIM(rss_types); i++) {
        if (types & rss_types[i].type) {
            rss_hf |= rss_types[i].rss_hf;
        }
    }
    return rss_hf;
}

/* Configuring, starting, stopping. */

static int
dev_configure(struct rte_eth_dev *dev)
{
    const struct rte_eth_conf *conf = &dev->data->dev_conf;
    const struct rte_eth_rss_conf *rss = &conf->rx_adv_conf.rss_conf;
    struct nicsim_port *port = port_of(dev);

    if (nicsim_port_is_dead(port)) {
        int error;

        nicsim_mtr_uninit(port);
        error = nicsim_port_reopen(port);
        if (error) {
            return -EIO;
        }
        /* The NIC that came back may be another one. */
        if (dev->data->nb_rx_queues > port->max_queues
            || dev->data->nb_tx_queues > port->max_queues) {
            return -EINVAL;
        }
    }
    if (conf->rxmode.mq_mode & ~RTE_ETH_MQ_RX_RSS_FLAG
        || conf->txmode.mq_mode != RTE_ETH_MQ_TX_NONE
        || conf->link_speeds & RTE_ETH_LINK_SPEED_FIXED
        || conf->lpbk_mode) {
        NICSIM_LOG(ERR, "%s: DCB, VMDq, loopback and fixed speeds are not "
                   "supported", nicsim_port_name(port));
        return -ENOTSUP;
    }
    if (conf->intr_conf.rxq) {
        NICSIM_LOG(ERR, "%s: queues have no interrupts",
                   nicsim_port_name(port));
        return -ENOTSUP;
    }
    if (rss->rss_key && rss->rss_key_len
        && rss->rss_key_len != NICSIM_RSS_KEY) {
        NICSIM_LOG(ERR, "%s: an RSS key has %d bytes",
                   nicsim_port_name(port), NICSIM_RSS_KEY);
        return -EINVAL;
    }

    port->rss_hf = 0;
    if (conf->rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG) {
        port->rss_hf = rss_types_to_hf(rss_hf_to_types(rss->rss_hf));
    }
    memcpy(port->rss_key, rss->rss_key ? rss->rss_key : default_rss_key,
           NICSIM_RSS_KEY);
    for (unsigned int i = 0; i < NICSIM_RETA_SIZE; i++) {
        port->reta[i] = (dev->data->nb_rx_queues
                         ? i % dev->data->nb_rx_queues : 0);
    }
    return 0;
}

static int
stop_function(struct nicsim_port *port)
{
    struct nicsim_msg msg = { .type = NICSIM_FN_STOP };

    msg.fn_info.fn = port->fn;
    return (nicsim_port_is_dead(port) ? 0
            : nicsim_port_call(port, &msg, "stop the function"));
}

static int
dev_start(struct rte_eth_dev *dev)
{
    struct nicsim_msg msg = { .type = NICSIM_FN_START };
    struct nicsim_port *port = port_of(dev);
    struct nicsim_fn_config config;
    int error;

    if (nicsim_port_is_dead(port)) {
        return -EIO;
    }
    memset(&config, 0, sizeof config);
    memcpy(config.mac, port->mac.addr_bytes, sizeof config.mac);
    config.mtu = dev->data->mtu;
    config.promisc = dev->data->promiscuous;
    config.rss_types = rss_hf_to_types(port->rss_hf);
    memcpy(config.rss_key, port->rss_key, sizeof config.rss_key);
    memcpy(config.reta, port->reta, sizeof config.reta);
    error = nicsim_queues_setup(port);
    if (!error) {
        error = send_config(port, &config,
                            (NICSIM_CFG_MAC | NICSIM_CFG_MTU | NICSIM_CFG_RSS
                             | NICSIM_CFG_RETA | NICSIM_CFG_PROMISC),
                            "configure the function");
    }
    if (!error) {
        msg.fn_info.fn = port->fn;
        error = nicsim_port_call(port, &msg, "start the function");
    }
    if (error) {
        nicsim_queues_stop(port);
        return -error;
    }
    dev->data->scattered_rx = !!(dev->data->dev_conf.rxmode.offloads
                                 & RTE_ETH_RX_OFFLOAD_SCATTER);
    nicsim_queues_start(port);
    nicsim_port_update_link(port);
    return 0;
}

static int
dev_stop(struct rte_eth_dev *dev)
{
    struct nicsim_port *port = port_of(dev);

    /* If the device can't be told any more, it is because it died. */
    stop_function(port);
    nicsim_queues_stop(port);
    return 0;
}

static int
dev_close(struct rte_eth_dev *dev)
{
    struct nicsim_port *port = port_of(dev);

    nicsim_flow_uninit(port);
    nicsim_mtr_uninit(port);
    for (uint16_t i = 0; i < dev->data->nb_rx_queues; i++) {
        if (dev->data->rx_queues) {
            nicsim_rx_queue_release(dev, i);
            dev->data->rx_queues[i] = NULL;
        }
    }
    for (uint16_t i = 0; i < dev->data->nb_tx_queues; i++) {
        if (dev->data->tx_queues) {
            nicsim_tx_queue_release(dev, i);
            dev->data->tx_queues[i] = NULL;
        }
    }
    nicsim_port_shut(port);
    nicsim_vdev_forget(port->vdev, port);
    /* They are in 'port', which ethdev frees. */
    dev->data->mac_addrs = NULL;
    return 0;
}

static int
dev_is_removed(struct rte_eth_dev *dev)
{
    return nicsim_port_is_dead(port_of(dev));
}

/* Telling what there is. */

static int
dev_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
    struct nicsim_port *port = port_of(dev);

    info->min_mtu = NICSIM_MIN_MTU;
    info->max_mtu = port->max_mtu;
    info->min_rx_bufsize = 64;
    info->max_rx_pktlen = port->max_mtu + NICSIM_L2_OVERHEAD;
    info->max_rx_queues = port->max_queues;
    info->max_tx_queues = port->max_queues;
    info->max_mac_addrs = 1;
    info->rx_offload_capa = RX_OFFLOADS;
    info->tx_offload_capa = TX_OFFLOADS;
    info->reta_size = NICSIM_RETA_SIZE;
    info->hash_key_size = NICSIM_RSS_KEY;
    info->flow_type_rss_offloads = RSS_IP | RSS_TCP | RSS_UDP | RSS_SCTP;
    info->rx_desc_lim = (struct rte_eth_desc_lim) {
        .nb_max = NICSIM_MAX_DESC, .nb_min = NICSIM_MIN_DESC, .nb_align = 1,
    };
    info->tx_desc_lim = (struct rte_eth_desc_lim) {
        .nb_max = NICSIM_MAX_DESC, .nb_min = NICSIM_MIN_DESC, .nb_align = 1,
        .nb_seg_max = NICSIM_MAX_TX_SEGS,
        .nb_mtu_seg_max = NICSIM_MAX_TX_SEGS,
    };
    info->default_rxportconf = (struct rte_eth_dev_portconf) {
        .burst_size = 32, .ring_size = 1024, .nb_queues = 1,
    };
    info->default_txportconf = info->default_rxportconf;
    if (port->bar) {
        info->speed_capa = rte_eth_speed_bitflag(port->bar->link_speed,
                                                 RTE_ETH_LINK_FULL_DUPLEX);
    }
    info->dev_capa = (port->keeps_rules ? RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP
                      : 0);
    if (port->host) {
        info->switch_info.name = port->host->name;
        info->switch_info.domain_id = port->host->domain_id;
        info->switch_info.port_id = nicsim_port_vport(port);
    } else {
        info->switch_info.domain_id = RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID;
    }
    return 0;
}

static int
representor_info_get(struct rte_eth_dev *dev,
                     struct rte_eth_representor_info *info)
{
    struct nicsim_port *port = port_of(dev);
    struct rte_eth_representor_range *range;

    if (nicsim_port_kind(port) == NICSIM_FN_VF) {
        return -ENOTSUP;
    }
    if (!info) {
        return 1;
    }
    info->controller = 0;
    info->pf = 0;
    info->nb_ranges = 0;
    if (info->nb_ranges_alloc && port->n_vfs) {
        range = &info->ranges[info->nb_ranges++];
        range->type = RTE_ETH_REPRESENTOR_VF;
        range->controller = 0;
        range->pf = 0;
        range->vf = 0;
        range->id_base = 0;
        range->id_end = port->n_vfs - 1;
        snprintf(range->name, sizeof range->name, "pf0vf");
    }
    return 1;
}

static int
link_update(struct rte_eth_dev *dev, int wait __rte_unused)
{
    return nicsim_port_update_link(port_of(dev)) ? 0 : -1;
}

static void
rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id,
             struct rte_eth_rxq_info *info)
{
    const struct nicsim_rxq *rxq = dev->data->rx_queues[queue_id];

    info->mp = rxq->mp;
    info->conf.rx_free_thresh = rxq->refill_at;
    info->conf.rx_drop_en = 1;
    info->conf.offloads = rxq->offloads;
    info->scattered_rx = !!(rxq->offloads & RTE_ETH_RX_OFFLOAD_SCATTER);
    info->nb_desc = rxq->mask + 1;
    info->rx_buf_size = rxq->room;
}

static void
txq_info_get(struct rte_eth_dev *dev, uint16_t queue_id,
             struct rte_eth_txq_info *info)
{
    const struct nicsim_txq *txq = dev->data->tx_queues[queue_id];

    info->conf.offloads = txq->offloads;
    info->nb_desc = txq->mask + 1;
}

static int
burst_mode_get(struct rte_eth_dev *dev __rte_unused,
               uint16_t queue_id __rte_unused,
               struct rte_eth_burst_mode *mode)
{
    snprintf(mode->info, sizeof mode->info, "Scalar");
    return 0;
}

/* Setting this and that. */

static int
set_promiscuous(struct rte_eth_dev *dev, bool promisc)
{
    struct nicsim_port *port = port_of(dev);
    struct nicsim_fn_config config;

    if (nicsim_port_kind(port) != NICSIM_FN_VF) {
        /* They get what the switch sends them, always. */
        return promisc ? 0 : -ENOTSUP;
    }
    memset(&config, 0, sizeof config);
    config.promisc = promisc;
    return -send_config(port, &config, NICSIM_CFG_PROMISC,
                        "set the promiscuous mode");
}

static int
promiscuous_enable(struct rte_eth_dev *dev)
{
    return set_promiscuous(dev, true);
}

static int
promiscuous_disable(struct rte_eth_dev *dev)
{
    return set_promiscuous(dev, false);
}

static int
allmulticast_enable(struct rte_eth_dev *dev __rte_unused)
{
    return 0;
}

static int
allmulticast_disable(struct rte_eth_dev *dev __rte_unused)
{
    /* All functions get all multicast packets, always. */
    return -ENOTSUP;
}

static int
mac_addr_set(struct rte_eth_dev *dev, struct rte_ether_addr *mac)
{
    struct nicsim_port *port = port_of(dev);
    struct nicsim_fn_config config;

    memset(&config, 0, sizeof config);
    memcpy(config.mac, mac->addr_bytes, sizeof config.mac);
    return -send_config(port, &config, NICSIM_CFG_MAC, "set the address");
}

static int
mtu_set(struct rte_eth_dev *dev, uint16_t mtu)
{
    struct nicsim_port *port = port_of(dev);
    struct nicsim_fn_config config;

    for (uint16_t i = 0; dev->data->dev_started
         && i < dev->data->nb_rx_queues; i++) {
        const struct nicsim_rxq *rxq = dev->data->rx_queues[i];

        if (mtu + NICSIM_L2_OVERHEAD > (int) rxq->room
            && !(rxq->offloads & RTE_ETH_RX_OFFLOAD_SCATTER)) {
            NICSIM_LOG(ERR, "%s: an MTU of %u needs the scatter offload, or "
                       "buffers of more than %u bytes",
                       nicsim_port_name(port), mtu, rxq->room);
            return -EINVAL;
        }
    }
    memset(&config, 0, sizeof config);
    config.mtu = mtu;
    return -send_config(port, &config, NICSIM_CFG_MTU, "set the MTU");
}

static int
rss_hash_update(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf)
{
    struct nicsim_port *port = port_of(dev);
    struct nicsim_fn_config config;
    int error;

    if (conf->rss_key && conf->rss_key_len
        && conf->rss_key_len != NICSIM_RSS_KEY) {
        return -EINVAL;
    }
    memset(&config, 0, sizeof config);
    config.rss_types = rss_hf_to_types(conf->rss_hf);
    memcpy(config.rss_key, conf->rss_key ? conf->rss_key : port->rss_key,
           NICSIM_RSS_KEY);
    error = send_config(port, &config, NICSIM_CFG_RSS, "set RSS");
    if (!error) {
        port->rss_hf = rss_types_to_hf(config.rss_types);
        memcpy(port->rss_key, config.rss_key, NICSIM_RSS_KEY);
    }
    return -error;
}

static int
rss_hash_conf_get(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf)
{
    const struct nicsim_port *port = port_of(dev);

    if (conf->rss_key && conf->rss_key_len >= NICSIM_RSS_KEY) {
        memcpy(conf->rss_key, port->rss_key, NICSIM_RSS_KEY);
    }
    conf->rss_key_len = NICSIM_RSS_KEY;
    conf->rss_hf = port->rss_hf;
    return 0;
}

static int
reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *reta,
            uint16_t size)
{
    struct nicsim_port *port = port_of(dev);
    struct nicsim_fn_config config;
    int error;

    if (size != NICSIM_RETA_SIZE) {
        return -EINVAL;
    }
    memset(&config, 0, sizeof config);
    memcpy(config.reta, port->reta, sizeof config.reta);
    for (uint16_t i = 0; i < size; i++) {
        const struct rte_eth_rss_reta_entry64 *e;

        e = &reta[i / RTE_ETH_RETA_GROUP_SIZE];
        if (e->mask & (UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE))) {
            config.reta[i] = e->reta[i % RTE_ETH_RETA_GROUP_SIZE];
        }
    }
    error = send_config(port, &config, NICSIM_CFG_RETA, "set the RSS table");
    if (!error) {
        memcpy(port->reta, config.reta, sizeof port->reta);
    }
    return -error;
}

static int
reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *reta,
           uint16_t size)
{
    const struct nicsim_port *port = port_of(dev);

    if (size != NICSIM_RETA_SIZE) {
        return -EINVAL;
    }
    for (uint16_t i = 0; i < size; i++) {
        struct rte_eth_rss_reta_entry64 *e;

        e = &reta[i / RTE_ETH_RETA_GROUP_SIZE];
        if (e->mask & (UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE))) {
            e->reta[i % RTE_ETH_RETA_GROUP_SIZE] = port->reta[i];
        }
    }
    return 0;
}

static int
flow_ops_get(struct rte_eth_dev *dev __rte_unused,
             const struct rte_flow_ops **ops)
{
    *ops = &nicsim_flow_ops;
    return 0;
}

const struct eth_dev_ops nicsim_eth_dev_ops = {
    .dev_configure = dev_configure,
    .dev_start = dev_start,
    .dev_stop = dev_stop,
    .dev_close = dev_close,
    .is_removed = dev_is_removed,
    .dev_infos_get = dev_infos_get,
    .representor_info_get = representor_info_get,
    .link_update = link_update,
    .promiscuous_enable = promiscuous_enable,
    .promiscuous_disable = promiscuous_disable,
    .allmulticast_enable = allmulticast_enable,
    .allmulticast_disable = allmulticast_disable,
    .mac_addr_set = mac_addr_set,
    .mtu_set = mtu_set,
    .rss_hash_update = rss_hash_update,
    .rss_hash_conf_get = rss_hash_conf_get,
    .reta_update = reta_update,
    .reta_query = reta_query,
    .stats_get = nicsim_stats_get,
    .stats_reset = nicsim_stats_reset,
    .xstats_get = nicsim_xstats_get,
    .xstats_get_names = nicsim_xstats_get_names,
    .xstats_reset = nicsim_stats_reset,
    .rx_queue_setup = nicsim_rx_queue_setup,
    .rx_queue_release = nicsim_rx_queue_release,
    .tx_queue_setup = nicsim_tx_queue_setup,
    .tx_queue_release = nicsim_tx_queue_release,
    .tx_done_cleanup = nicsim_tx_done_cleanup,
    .rxq_info_get = rxq_info_get,
    .txq_info_get = txq_info_get,
    .rx_burst_mode_get = burst_mode_get,
    .tx_burst_mode_get = burst_mode_get,
    .flow_ops_get = flow_ops_get,
    .mtr_ops_get = nicsim_mtr_ops_get,
};
