/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-vf.h"

#include <errno.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "openvswitch/list.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vdpa_vf);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Bytes of a frame that its MTU does not count: Ethernet header and two VLAN
 * tags. */
#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

/* Packets that the relay holds per queue pair, segments of 2 kB that each of
 * them has at most, and queue pairs that hold as much at the same time. */
#define BURST_SIZE 32
#define MAX_TSO_SEGS 34
#define MAX_TSO_QUEUES 4

/* Packets that may be on their way from one thread to another, per queue
 * pair. */
#define HANDED_OVER 128

/* Buffers that a thread may keep in its cache. */
#define POOL_CACHE 256

/* Transmit offloads that are used if the device has them. */
#define WANTED_TX_OFFLOADS (RTE_ETH_TX_OFFLOAD_MULTI_SEGS       \
                            | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM     \
                            | RTE_ETH_TX_OFFLOAD_TCP_CKSUM      \
                            | RTE_ETH_TX_OFFLOAD_UDP_CKSUM      \
                            | RTE_ETH_TX_OFFLOAD_SCTP_CKSUM     \
                            | RTE_ETH_TX_OFFLOAD_TCP_TSO)

static int
device_gone_cb(uint16_t port_id OVS_UNUSED,
               enum rte_eth_event_type event OVS_UNUSED, void *vf_,
               void *ret_param OVS_UNUSED)
{
    struct vdpa_vf *vf = vf_;

    atomic_store_relaxed(&vf->removed, true);
    VLOG_WARN("%s: device %s was removed", vf->owner, vf->devargs.string);
    return 0;
}

/* Somebody closes the Ethernet device of 'vf', whose id another one may get
 * next. */
static int
device_closed_cb(uint16_t port_id OVS_UNUSED,
                 enum rte_eth_event_type event OVS_UNUSED, void *vf_,
                 void *ret_param OVS_UNUSED)
{
    struct vdpa_vf *vf = vf_;

    atomic_store(&vf->running, false);
    atomic_store(&vf->closed, true);
    atomic_store_relaxed(&vf->removed, true);
    VLOG_WARN("%s: device %s was closed by somebody else", vf->owner,
              vf->devargs.string);
    return 0;
}

/* The NIC's physical function was reset.  Nothing can be done about it in
 * DPDK's thread that calls this. */
static int
device_reset_cb(uint16_t port_id OVS_UNUSED,
                enum rte_eth_event_type event OVS_UNUSED, void *vf_,
                void *ret_param OVS_UNUSED)
{
    struct vdpa_vf *vf = vf_;

    VLOG_WARN_RL(&rl, "%s: device %s asks for a reset", vf->owner,
                 vf->devargs.string);
    atomic_store(&vf->wants_reset, true);
    vf->changed_cb(vf->aux);
    return 0;
}

/* What DPDK tells of a VF. */
static const struct {
    enum rte_eth_event_type event;
    rte_eth_dev_cb_fn cb;
} vf_events[] = {
    { RTE_ETH_EVENT_INTR_RMV, device_gone_cb },
    { RTE_ETH_EVENT_DESTROY, device_closed_cb },
    { RTE_ETH_EVENT_INTR_RESET, device_reset_cb },
};

/* Finds the Ethernet device of 'vf', having DPDK probe it if needed. */
static int
vf_find(struct vdpa_vf *vf, char **errorp)
{
    int error;

    vf->port_id = vdpa_devargs_find_ethdev(&vf->devargs);
    if (vf->port_id < RTE_MAX_ETHPORTS) {
        return 0;
    }

    error = vdpa_devargs_probe(&vf->devargs, NULL);
    if (error == EEXIST) {
        /* Somebody closed its port, but left the device there: that does not
         * come back before the device does. */
        error = vdpa_devargs_remove(&vf->devargs);
        if (!error) {
            error = vdpa_devargs_probe(&vf->devargs, NULL);
        }
    }
    if (error && rte_eth_dev_count_total() >= RTE_MAX_ETHPORTS) {
        *errorp = xasprintf("device \"%s\" cannot be opened: DPDK's table of "
                            "Ethernet devices is full, with %d "
                            "(RTE_MAX_ETHPORTS): delete a port, or use "
                            "hardware mode, that needs no Ethernet device for "
                            "the VF", vf->devargs.string, RTE_MAX_ETHPORTS);
        return ENOSPC;
    }
    if (error) {
        *errorp = xasprintf("device \"%s\" was not found or has no driver "
                            "(%s)", vf->devargs.string, ovs_strerror(error));
        return error;
    }
    vf->probed = true;

    vf->port_id = vdpa_devargs_find_ethdev(&vf->devargs);
    if (vf->port_id >= RTE_MAX_ETHPORTS) {
        *errorp = xasprintf("device \"%s\" is no network device",
                            vf->devargs.string);
        return ENODEV;
    }
    return 0;
}

/* Reads what the device can do and chooses how to use it. */
static int
vf_choose(struct vdpa_vf *vf, unsigned int max_queues, char **errorp)
{
    struct rte_eth_dev_info info;
    unsigned int device_queues;
    int error;

    error = -rte_eth_dev_info_get(vf->port_id, &info);
    if (error) {
        *errorp = xasprintf("device \"%s\" does not answer (%s)",
                            vf->devargs.string, ovs_strerror(error));
        return error;
    }

    device_queues = MIN(info.max_rx_queues, info.max_tx_queues);
    if (max_queues > device_queues) {
        *errorp = xasprintf("options:vdpa-max-queues=%u is above the %u "
                            "queue pairs of device \"%s\": lower it or leave "
                            "it out", max_queues, device_queues,
                            vf->devargs.string);
        return EINVAL;
    }
    vf->n_queues = max_queues ? max_queues : MIN(device_queues,
                                                 VDPA_MAX_QUEUES);
    if (!vf->n_queues) {
        *errorp = xasprintf("device \"%s\" has no queues",
                            vf->devargs.string);
        return EINVAL;
    }

    vf->n_rxd = vf->n_txd = VDPA_VF_DESCRIPTORS;
    error = -rte_eth_dev_adjust_nb_rx_tx_desc(vf->port_id, &vf->n_rxd,
                                              &vf->n_txd);
    if (error) {
        *errorp = xasprintf("device \"%s\" refuses queues of %d descriptors",
                            vf->devargs.string, VDPA_VF_DESCRIPTORS);
        return error;
    }

    vf->limits.tx_offloads = info.tx_offload_capa & WANTED_TX_OFFLOADS;
    vf->limits.max_segs = (info.tx_desc_lim.nb_seg_max == UINT16_MAX
                           ? 0 : info.tx_desc_lim.nb_seg_max);
    vf->rx_offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
    vf->linear = (!vf->rx_offloads
                  || !(vf->limits.tx_offloads
                       & RTE_ETH_TX_OFFLOAD_MULTI_SEGS));
    if (vf->linear) {
        vf->rx_offloads = 0;
        vf->limits.tx_offloads &= ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    }
    vf->rss_hf = (info.flow_type_rss_offloads
                  & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP));
    vf->reta_size = info.reta_size;
    vf->max_mtu = info.max_mtu;
    vf->socket_id = rte_eth_dev_socket_id(vf->port_id);
    if (vf->socket_id < 0) {
        vf->socket_id = 0;
    }
    return 0;
}

/* Frees 'pool', if nonnull, as well as pools that could not be freed earlier.
 *
 * A device that stays after its port has gone may keep buffers in its queues,
 * and so may the devices that it passed them on to.  A pool waits for the last
 * of its buffers. */
static void
vf_release_pool(struct rte_mempool *pool)
{
    static struct ovs_list waiting = OVS_LIST_INITIALIZER(&waiting);
    struct waiting_pool {
        struct ovs_list node;
        struct rte_mempool *pool;
    } *wp;

    if (pool) {
        wp = xmalloc(sizeof *wp);
        wp->pool = pool;
        ovs_list_push_back(&waiting, &wp->node);
    }
    LIST_FOR_EACH_SAFE (wp, node, &waiting) {
        if (rte_mempool_full(wp->pool)) {
            ovs_list_remove(&wp->node);
            rte_mempool_free(wp->pool);
            free(wp);
        }
    }
}

/* Gives 'vf' a pool of buffers for frames of MTU 'mtu'. */
static struct rte_mempool *
vf_create_pool(const struct vdpa_vf *vf, int mtu)
{
    /* The name has to be unique also while a port's pools of before and after
     * a change of its MTU exist together. */
    static unsigned int serial;
    char name[RTE_MEMPOOL_NAMESIZE];
    unsigned int n_waiting = (vf->linear ? vf->n_queues * BURST_SIZE
                              : (MIN(vf->n_queues, MAX_TSO_QUEUES)
                                 * BURST_SIZE * MAX_TSO_SEGS));
    unsigned int n = (vf->n_queues * (vf->n_rxd + vf->n_txd + POOL_CACHE
                                      + HANDED_OVER)
                      + n_waiting);
    unsigned int room = RTE_MBUF_DEFAULT_DATAROOM;

    vf_release_pool(NULL);
    if (vf->linear) {
        room = MAX(room, ROUND_UP(mtu + FRAME_OVERHEAD, 1024));
    }
    snprintf(name, sizeof name, "vdpa%u", serial++);
    return rte_pktmbuf_pool_create(name, n, POOL_CACHE, 0,
                                   room + RTE_PKTMBUF_HEADROOM,
                                   vf->socket_id);
}

/* Has the device of 'vf', that is started, spread what it receives as
 * 'vf->spread' says.  Returns 0 or a positive errno value. */
static int
vf_apply_spread(const struct vdpa_vf *vf)
{
    struct rte_eth_rss_reta_entry64 *reta;
    size_t n_groups;
    int queue = -1;
    int error;

    if (!vf->spread || vf->n_queues == 1) {
        return 0;
    }
    if (!vf->reta_size || !vf->rss_hf) {
        return EOPNOTSUPP;
    }

    n_groups = DIV_ROUND_UP(vf->reta_size, RTE_ETH_RETA_GROUP_SIZE);
    reta = xcalloc(n_groups, sizeof *reta);
    for (unsigned int i = 0; i < vf->reta_size; i++) {
        struct rte_eth_rss_reta_entry64 *group;

        do {
            queue = (queue + 1) % vf->n_queues;
        } while (!(vf->spread & (UINT32_C(1) << queue)));

        group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];
        group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
        group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = queue;
    }
    error = -rte_eth_dev_rss_reta_update(vf->port_id, reta, vf->reta_size);
    free(reta);
    return error == ENOTSUP ? EOPNOTSUPP : error;
}

/* Has the device of 'vf' receive what is for any address: the guest chooses
 * its own.  To be tried again now and then, as an administrator may allow it
 * meanwhile. */
void
vdpa_vf_try_promiscuous(struct vdpa_vf *vf)
{
    int error;

    if (rte_eth_promiscuous_get(vf->port_id) == 1) {
        vf->promiscuous_error = 0;
        return;
    }
    error = -rte_eth_promiscuous_enable(vf->port_id);
    if (error != vf->promiscuous_error) {
        vf->promiscuous_error = error;
        if (error) {
            char *problem = vdpa_vf_problem(vf);

            VLOG_WARN("%s: device %s %s", vf->owner, vf->devargs.string,
                      problem);
            free(problem);
        } else {
            VLOG_INFO("%s: device %s may be promiscuous now", vf->owner,
                      vf->devargs.string);
        }
    }
}

/* Configures and starts the device of 'vf', that is stopped, for 'mtu', with
 * buffers from 'pool'. */
static int
vf_start(struct vdpa_vf *vf, int mtu, struct rte_mempool *pool)
{
    struct rte_eth_conf conf = {
        .rxmode = {
            .mtu = mtu,
            .mq_mode = (vf->n_queues > 1 && vf->rss_hf
                        ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE),
            .offloads = vf->rx_offloads,
        },
        .rx_adv_conf.rss_conf.rss_hf = vf->n_queues > 1 ? vf->rss_hf : 0,
        .txmode.offloads = vf->limits.tx_offloads,
    };
    int retval;

    retval = rte_eth_dev_configure(vf->port_id, vf->n_queues, vf->n_queues,
                                   &conf);
    if (retval) {
        return -retval;
    }
    for (unsigned int i = 0; i < vf->n_queues; i++) {
        retval = rte_eth_rx_queue_setup(vf->port_id, i, vf->n_rxd,
                                        vf->socket_id, NULL, pool);
        if (!retval) {
            retval = rte_eth_tx_queue_setup(vf->port_id, i, vf->n_txd,
                                            vf->socket_id, NULL);
        }
        if (retval) {
            return -retval;
        }
    }

    retval = rte_eth_dev_set_mtu(vf->port_id, mtu);
    if (retval && retval != -ENOTSUP) {
        return -retval;
    }
    retval = rte_eth_dev_start(vf->port_id);
    if (retval) {
        return -retval;
    }

    vdpa_vf_try_promiscuous(vf);
    rte_eth_allmulticast_enable(vf->port_id);

    /* That was lost with the configuration.  A device that cannot be told has
     * said so before. */
    vf_apply_spread(vf);
    return 0;
}

static int
check_mtu(const struct vdpa_vf *vf, int mtu)
{
    return mtu < RTE_ETHER_MIN_MTU || mtu > vf->max_mtu ? EINVAL : 0;
}

/* Opens the device that 'devargs' means, for the port named 'owner', whose
 * 'changed_cb' is called with 'aux' when the device wants a reset, and starts
 * it with 'max_queues' queue pairs, or with as many as can be used if
 * that is 0, and with 'mtu' bytes of MTU.  Stores it into '*vfp' and returns 0
 * if successful.  Otherwise returns a positive errno value, stores NULL into
 * '*vfp' and a description, that the caller must free, into '*errorp', and
 * leaves the device as it was. */
int
vdpa_vf_open(const struct vdpa_devargs *devargs, const char *owner,
             unsigned int max_queues, int mtu, void (*changed_cb)(void *aux),
             void *aux, struct vdpa_vf **vfp, char **errorp)
{
    struct vdpa_vf *vf = xzalloc(sizeof *vf);
    char *unused;
    int error;

    *vfp = NULL;
    vf->port_id = RTE_MAX_ETHPORTS;
    vf->owner = xstrdup(owner);
    vf->changed_cb = changed_cb;
    vf->aux = aux;
    atomic_init(&vf->removed, false);
    atomic_init(&vf->wants_reset, false);
    atomic_init(&vf->running, true);
    atomic_init(&vf->closed, false);
    ovs_mutex_init(&vf->queues_mutex);
    error = vdpa_devargs_parse(devargs->string, &vf->devargs, &unused);
    ovs_assert(!error);

    error = vf_find(vf, errorp);
    if (!error) {
        error = vf_choose(vf, max_queues, errorp);
    }
    if (error) {
        goto error;
    }

    error = check_mtu(vf, mtu);
    if (error) {
        *errorp = xasprintf("device \"%s\" takes no MTU of %d, only up to "
                            "%d: change mtu_request", devargs->string, mtu,
                            vf->max_mtu);
        goto error;
    }
    vf->pool = vf_create_pool(vf, mtu);
    if (!vf->pool) {
        error = rte_errno;
        *errorp = xasprintf("no memory for the buffers of %u queue pairs "
                            "(%s): lower options:vdpa-max-queues or raise "
                            "other_config:dpdk-socket-mem", vf->n_queues,
                            rte_strerror(error));
        goto error;
    }

    /* Before the device is started: events do not wait. */
    for (size_t i = 0; i < ARRAY_SIZE(vf_events); i++) {
        rte_eth_dev_callback_register(vf->port_id, vf_events[i].event,
                                      vf_events[i].cb, vf);
    }
    if (!vf->probed) {
        /* It was there before, so it may be running. */
        rte_eth_dev_stop(vf->port_id);
    }
    error = vf_start(vf, mtu, vf->pool);
    if (error) {
        *errorp = xasprintf("device \"%s\" cannot be started with %u queue "
                            "pairs (%s)", devargs->string, vf->n_queues,
                            ovs_strerror(error));
        goto error;
    }
    vf->mtu = mtu;
    vf->limits.max_frame = mtu + FRAME_OVERHEAD;

    *vfp = vf;
    return 0;

error:
    vdpa_vf_close(vf);
    return error;
}

/* Returns true if other Ethernet devices, representors for example, stand on
 * the device of 'vf'. */
static bool
vf_has_siblings(const struct vdpa_vf *vf)
{
    uint16_t port_id;

    RTE_ETH_FOREACH_DEV_SIBLING (port_id, vf->port_id) {
        if (port_id != vf->port_id) {
            return true;
        }
    }
    return false;
}

/* Stops the device of 'vf', takes it away from DPDK if vdpa_vf_open() added
 * it, and frees 'vf'.  No thread may use it any more. */
void
vdpa_vf_close(struct vdpa_vf *vf)
{
    bool closed;

    if (!vf) {
        return;
    }

    for (size_t i = 0; i < ARRAY_SIZE(vf_events); i++) {
        /* Names no port: what DPDK has noted for one stays when that has
         * gone. */
        while (rte_eth_dev_callback_unregister(RTE_ETH_ALL,
                                               vf_events[i].event,
                                               vf_events[i].cb, vf)
               == -EAGAIN) {
            /* It is being called. */
        }
    }
    atomic_read(&vf->closed, &closed);
    if (!closed && rte_eth_dev_is_valid_port(vf->port_id)) {
        rte_eth_dev_stop(vf->port_id);
        if (vf->probed) {
            bool siblings = vf_has_siblings(vf);

            rte_eth_dev_close(vf->port_id);
            if (!siblings) {
                vdpa_devargs_remove(&vf->devargs);
            }
        }
    } else if (vf->probed) {
        vdpa_devargs_remove(&vf->devargs);
    }
    vf_release_pool(vf->pool);
    ovs_mutex_destroy(&vf->queues_mutex);
    vdpa_devargs_destroy(&vf->devargs);
    free(vf->owner);
    free(vf);
}

/* Changes the MTU of 'vf' to 'mtu' bytes, for which the device is stopped for
 * a moment.  No thread may poll the port meanwhile.  Returns 0 if successful;
 * otherwise a positive errno value, and the MTU is as it was. */
int
vdpa_vf_set_mtu(struct vdpa_vf *vf, int mtu)
{
    struct rte_mempool *pool = vf->pool;
    bool running;
    int error;

    if (mtu == vf->mtu) {
        return 0;
    }
    error = check_mtu(vf, mtu);
    if (error) {
        return error;
    }
    if (vf->linear) {
        pool = vf_create_pool(vf, mtu);
        if (!pool) {
            return rte_errno;
        }
    }

    /* A device that is being reset takes it when that is done. */
    atomic_read_relaxed(&vf->running, &running);
    ovs_mutex_lock(&vf->queues_mutex);
    if (running) {
        rte_eth_dev_stop(vf->port_id);
        error = vf_start(vf, mtu, pool);
    }
    if (error) {
        vf->reset_error = vf_start(vf, vf->mtu, vf->pool);
        if (vf->reset_error) {
            VLOG_ERR("%s: device %s does not start again (%s), it will be "
                     "reset", vf->owner, vf->devargs.string,
                     ovs_strerror(vf->reset_error));
            atomic_store(&vf->running, false);
            atomic_store(&vf->wants_reset, true);
        }
    }
    ovs_mutex_unlock(&vf->queues_mutex);
    if (error) {
        if (pool != vf->pool) {
            /* The device may have taken buffers from it. */
            vf_release_pool(pool);
        }
        return error;
    }
    if (pool != vf->pool) {
        vf_release_pool(vf->pool);
        vf->pool = pool;
    }
    vf->mtu = mtu;
    vf->limits.max_frame = mtu + FRAME_OVERHEAD;
    return 0;
}

/* Has the device spread what it receives over the queues whose bits are set in
 * 'queues', from now on, also when it is set up anew.  With none set, nothing
 * changes: the guest takes no packets anyway.  Returns 0 if successful,
 * EOPNOTSUPP if the device cannot be told, otherwise another positive errno
 * value. */
int
vdpa_vf_set_spread(struct vdpa_vf *vf, uint32_t queues)
{
    queues &= (UINT32_C(1) << vf->n_queues) - 1;
    if (!queues) {
        return 0;
    }
    vf->spread = queues;
    return vf_apply_spread(vf);
}

/* Returns true if the device of 'vf' wants to be reset. */
bool
vdpa_vf_wants_reset(const struct vdpa_vf *vf)
{
    bool wanted;

    atomic_read_relaxed(&CONST_CAST(struct vdpa_vf *, vf)->wants_reset,
                        &wanted);
    return wanted;
}

/* Resets the device of 'vf', and has it as it was: its MTU, where it spreads
 * packets to, and so on.  What was in its queues is lost.  If that fails, the
 * device stays as it is, no thread touches it, and it still wants a reset. */
void
vdpa_vf_reset(struct vdpa_vf *vf)
{
    int error;

    /* Only what comes from here on wants another one. */
    atomic_store(&vf->wants_reset, false);
    atomic_store(&vf->running, false);
    ovsrcu_synchronize();

    ovs_mutex_lock(&vf->queues_mutex);
    error = -rte_eth_dev_reset(vf->port_id);
    if (error == ENOTSUP) {
        error = -rte_eth_dev_stop(vf->port_id);
    }
    if (!error) {
        error = vf_start(vf, vf->mtu, vf->pool);
    }
    ovs_mutex_unlock(&vf->queues_mutex);
    vf->reset_error = error;
    if (error) {
        VLOG_WARN_RL(&rl, "%s: device %s could not be reset (%s), it is tried "
                     "again", vf->owner, vf->devargs.string,
                     ovs_strerror(error));
        atomic_store(&vf->wants_reset, true);
    } else {
        VLOG_INFO("%s: device %s was reset", vf->owner, vf->devargs.string);
        atomic_store(&vf->running, true);
    }
}

/* Stores the statistics of the device of 'vf' into '*stats', all 0 if it has
 * none. */
void
vdpa_vf_get_stats(const struct vdpa_vf *vf, struct rte_eth_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    ovs_mutex_lock(&vf->queues_mutex);
    if (!vdpa_vf_is_removed(vf) && rte_eth_stats_get(vf->port_id, stats)) {
        memset(stats, 0, sizeof *stats);
    }
    ovs_mutex_unlock(&vf->queues_mutex);
}

/* Returns what is wrong with the device of 'vf', as a sentence whose subject
 * that is and which the caller must free, or NULL if none is known. */
char *
vdpa_vf_problem(const struct vdpa_vf *vf)
{
    if (vdpa_vf_wants_reset(vf)) {
        return (vf->reset_error
                ? xasprintf("was reset by its physical function and cannot be "
                            "set up again yet (%s)",
                            ovs_strerror(vf->reset_error))
                : xstrdup("was reset by its physical function"));
    } else if (vf->promiscuous_error) {
        return xasprintf("may not be promiscuous (%s), so its guest receives "
                         "nothing for addresses other than the VF's own: "
                         "have the host's administrator run \"ip link set PF "
                         "vf N trust on\", then reset the guest's network "
                         "driver", ovs_strerror(vf->promiscuous_error));
    }
    return NULL;
}
