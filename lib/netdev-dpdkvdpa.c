/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "netdev-dpdkvdpa.h"

#include <errno.h>

#include <rte_ethdev.h>

#include "dp-packet.h"
#include "netdev-dpdk-guard.h"
#include "netdev-dpdk.h"
#include "netdev-dpdkvdpa-alone.h"
#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "util.h"
#include "vdpa-claim.h"
#include "vdpa-port.h"
#include "vdpa-status.h"

VLOG_DEFINE_THIS_MODULE(netdev_dpdkvdpa);

/* OVS's "dpdk" class, and our copy of it with some functions replaced. */
static const struct netdev_class *dpdk_class;
static struct netdev_class representor_class;

/* Returns true if 'netdev' is a dpdkvdpa port, with or without a
 * representor. */
bool
netdev_is_dpdkvdpa(const struct netdev *netdev)
{
    return (netdev->netdev_class == &representor_class
            || netdev->netdev_class == &netdev_dpdkvdpa_alone_class);
}

/* Returns true if 'netdev' is a dpdkvdpa port with a representor, so that
 * OVS's DPDK functions work on it. */
bool
netdev_dpdkvdpa_has_representor(const struct netdev *netdev)
{
    return netdev->netdev_class == &representor_class;
}

/* Adds a description of all dpdkvdpa ports to 's'. */
void
netdev_dpdkvdpa_format_status(struct ds *s)
{
    vdpa_ports_format(s);
}

static void
dpdkvdpa_run(const struct netdev_class *class OVS_UNUSED)
{
    vdpa_ports_run();
}

static void
dpdkvdpa_wait(const struct netdev_class *class OVS_UNUSED)
{
    vdpa_ports_wait();
}

static int
dpdkvdpa_construct(struct netdev *netdev)
{
    vdpa_port_create(netdev);
    netdev->netdev_class = &netdev_dpdkvdpa_alone_class;
    netdev_request_reconfigure(netdev);
    return 0;
}

static void
dpdkvdpa_dealloc(struct netdev *netdev)
{
    vdpa_port_retire(vdpa_port_from_netdev(netdev));
    dpdk_class->dealloc(netdev);
}

/* Checks that neither a port of OVS's own "dpdk" class nor another port's
 * representor is the Ethernet device of 'options'. */
static int
check_ethdev_unused(const struct vdpa_options *options, char **errorp)
{
    uint16_t port_id = vdpa_devargs_find_ethdev(&options->accelerator);
    struct shash netdevs = SHASH_INITIALIZER(&netdevs);
    struct shash_node *node;
    int error = 0;

    if (port_id >= RTE_MAX_ETHPORTS) {
        return 0;
    }

    netdev_get_devices(netdev_dpdk_guard_get_class(), &netdevs);
    netdev_get_devices(&representor_class, &netdevs);
    SHASH_FOR_EACH (node, &netdevs) {
        if (!error && netdev_dpdk_get_port_id(node->data) == port_id) {
            *errorp = xasprintf("options:vdpa-accelerator-devargs=%s is "
                                "already used by port '%s', as its DPDK "
                                "device: choose another VF",
                                options->accelerator.string, node->name);
            error = EADDRINUSE;
        }
        netdev_close(node->data);
    }
    shash_destroy(&netdevs);
    return error;
}

/* Checks that the representor of 'options' is none of the VFs that ports join
 * to their guests: OVS would take that one over. */
static int
check_representor(const struct vdpa_port *port,
                  const struct vdpa_options *options, char **errorp)
{
    struct vdpa_devargs devargs;
    bool is_vf = false;
    char *owner;

    if (strncmp(options->representor, "class=", 6)) {
        char *reason;
        int error = vdpa_devargs_parse(options->representor, &devargs,
                                       &reason);

        if (error) {
            *errorp = xasprintf("options:dpdk-devargs: %s", reason);
            free(reason);
            return error;
        }
        is_vf = (!strstr(options->representor, "representor=")
                 && vdpa_devargs_same_device(&devargs, &options->accelerator));
        vdpa_devargs_destroy(&devargs);
    }
    if (is_vf) {
        *errorp = xasprintf("options:dpdk-devargs=%s is the VF itself: set "
                            "it to the VF's representor, or leave it out",
                            options->representor);
        return EINVAL;
    }
    owner = vdpa_claim_find_port(options->representor, port, false);
    if (owner) {
        *errorp = xasprintf("options:dpdk-devargs=%s is the VF of port '%s': "
                            "set it to the representor of this port's VF",
                            options->representor, owner);
        free(owner);
        return EADDRINUSE;
    }
    return 0;
}

/* Checks that 'netdev', whose representor is open, can have as many receive
 * queues as 'options' ask for. */
static int
check_n_rxq(struct netdev *netdev, const struct vdpa_options *options,
            char **errorp)
{
    int port_id = netdev_dpdk_get_port_id(netdev);
    struct rte_eth_dev_info info;

    if (!rte_eth_dev_info_get(port_id, &info)
        && options->n_rxq > info.max_rx_queues) {
        *errorp = xasprintf("options:n_rxq=%u is above the %"PRIu16" receive "
                            "queues of representor %s: lower it",
                            options->n_rxq, info.max_rx_queues,
                            options->representor);
        return EINVAL;
    }
    return 0;
}

/* Appends to '*errorp', if nonnull, what OVS does not say of 'representor',
 * that cannot be had: which ones the NIC has. */
static void
explain_representor(const char *representor, char **errorp)
{
    struct rte_eth_representor_info *info;
    struct ds ranges = DS_EMPTY_INITIALIZER;
    struct vdpa_devargs devargs;
    uint16_t port_id;
    char *reason;
    int n;

    if (!*errorp || !strstr(*errorp, "Error attaching device")
        || !strstr(representor, "representor=")) {
        return;
    }
    if (vdpa_devargs_parse(representor, &devargs, &reason)) {
        free(reason);
        return;
    }
    port_id = vdpa_devargs_find_ethdev(&devargs);
    n = (port_id < RTE_MAX_ETHPORTS
         ? rte_eth_representor_info_get(port_id, NULL) : 0);
    if (n > 0) {
        info = xzalloc(sizeof *info + n * sizeof info->ranges[0]);
        info->nb_ranges_alloc = n;
        rte_eth_representor_info_get(port_id, info);
        for (uint32_t i = 0; i < MIN(info->nb_ranges, (uint32_t) n); i++) {
            const struct rte_eth_representor_range *range = &info->ranges[i];

            if (range->type == RTE_ETH_REPRESENTOR_VF) {
                int first = range->vf;
                int last = first + (range->id_end - range->id_base);

                ds_put_format(&ranges, "%s%d", ranges.length ? ", " : "",
                              first);
                if (last > first) {
                    ds_put_format(&ranges, " to %d", last);
                }
            }
        }
        free(info);
    }
    if (ranges.length) {
        reason = xasprintf("%s: %s has VFs %s", *errorp, devargs.name,
                           ds_cstr(&ranges));
        free(*errorp);
        *errorp = reason;
    } else if (rte_eth_dev_count_total() >= RTE_MAX_ETHPORTS) {
        reason = xasprintf("%s: DPDK's table of Ethernet devices is full, "
                           "with %d (RTE_MAX_ETHPORTS)", *errorp,
                           RTE_MAX_ETHPORTS);
        free(*errorp);
        *errorp = reason;
    }
    ds_destroy(&ranges);
    vdpa_devargs_destroy(&devargs);
}

/* Opens the representor of 'options', or applies 'args' to it if it is
 * open. */
static int
configure_representor(struct netdev *netdev, const struct smap *args,
                      const struct vdpa_options *options, char **errorp)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);
    int error;

    error = check_representor(port, options, errorp);
    if (error) {
        return error;
    }
    if (!netdev_dpdkvdpa_has_representor(netdev)) {
        error = dpdk_class->construct(netdev);
        if (error) {
            return error;
        }
        netdev->netdev_class = &representor_class;
    }

    error = dpdk_class->set_config(netdev, args, errorp);
    if (error) {
        explain_representor(options->representor, errorp);
        return error;
    }
    if (netdev_dpdk_get_port_id(netdev)
        == vdpa_devargs_find_ethdev(&options->accelerator)) {
        *errorp = xasprintf("options:dpdk-devargs=%s is the VF itself: set "
                            "it to the VF's representor, or leave it out",
                            options->representor);
        return EINVAL;
    }
    return check_n_rxq(netdev, options, errorp);
}

/* Checks that a port without a representor can have as many receive queues as
 * 'options' ask for, and has OVS open them if that is a change. */
static int
configure_alone(struct netdev *netdev, unsigned int n_rxq, char **errorp)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);
    unsigned int n_queues = vdpa_port_n_queues(port);

    if (n_rxq > n_queues) {
        *errorp = xasprintf("options:n_rxq=%u is above the %u queue pairs of "
                            "the port's device: lower it", n_rxq, n_queues);
        return EINVAL;
    }
    if (n_rxq != (unsigned int) netdev_n_rxq(netdev)) {
        netdev_request_reconfigure(netdev);
    }
    return 0;
}

static int
set_config__(struct netdev *netdev, const struct smap *args,
             struct vdpa_options *options, char **errorp)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);
    unsigned int n_rxq = options->n_rxq;
    int error;

    if (vdpa_port_is_configured(port)
        && netdev_dpdkvdpa_has_representor(netdev) != !!options->representor) {
        /* OVS then destroys the port and makes it anew. */
        *errorp = xstrdup("options:dpdk-devargs cannot be added to or removed "
                          "from a port: it is made anew");
        return EAGAIN;
    }

    error = check_ethdev_unused(options, errorp);
    if (error) {
        return error;
    }
    if (options->representor) {
        error = configure_representor(netdev, args, options, errorp);
        return error ? error : vdpa_port_configure(port, options, errorp);
    }
    error = vdpa_port_configure(port, options, errorp);
    return error ? error : configure_alone(netdev, n_rxq, errorp);
}

static int
dpdkvdpa_set_config(struct netdev *netdev, const struct smap *args,
                    char **errorp)
{
    struct vdpa_options options;
    char *reason = NULL;
    int error;

    error = vdpa_options_parse(args, &options, &reason);
    if (!error) {
        error = set_config__(netdev, args, &options, &reason);
        vdpa_options_destroy(&options);
    }
    if (error) {
        vdpa_port_unconfigure(vdpa_port_from_netdev(netdev));
    }
    if (error && reason) {
        VLOG_WARN_BUF(errorp, "'%s': %s", netdev_get_name(netdev), reason);
    }
    free(reason);
    return error;
}

static int
representor_get_config(const struct netdev *netdev, struct smap *args)
{
    int error = dpdk_class->get_config(netdev, args);

    if (!error) {
        vdpa_port_get_config(vdpa_port_from_netdev(netdev), args);
    }
    return error;
}

static int
representor_set_mtu(struct netdev *netdev, int mtu)
{
    return (vdpa_port_is_mtu_ok(vdpa_port_from_netdev(netdev), mtu)
            ? dpdk_class->set_mtu(netdev, mtu) : EINVAL);
}

static int
representor_reconfigure(struct netdev *netdev)
{
    struct vdpa_port *port = vdpa_port_from_netdev(netdev);
    int error;
    int mtu;

    if (!vdpa_port_is_configured(port)) {
        /* set_config() failed, so the representor may not be valid. */
        return ENODEV;
    }
    error = dpdk_class->reconfigure(netdev);
    if (!error) {
        dpdk_class->get_mtu(netdev, &mtu);
        vdpa_port_set_mtu(port, mtu);
    }
    return error;
}

static int
representor_get_status(const struct netdev *netdev, struct smap *args)
{
    int error = dpdk_class->get_status(netdev, args);

    vdpa_status_get(vdpa_port_from_netdev(netdev), args);
    return error;
}

static int
representor_get_carrier(const struct netdev *netdev, bool *carrier)
{
    int error = dpdk_class->get_carrier(netdev, carrier);

    if (!error) {
        *carrier = vdpa_port_limit_link(vdpa_port_from_netdev(netdev),
                                        *carrier, NULL);
    }
    return error;
}

static long long int
representor_get_carrier_resets(const struct netdev *netdev)
{
    long long int resets = 0;
    bool carrier;

    if (!dpdk_class->get_carrier(netdev, &carrier)) {
        vdpa_port_limit_link(vdpa_port_from_netdev(netdev), carrier, &resets);
    }
    return resets + dpdk_class->get_carrier_resets(netdev);
}

static int
representor_get_custom_stats(const struct netdev *netdev,
                             struct netdev_custom_stats *stats)
{
    struct netdev_custom_stats base;
    int error;

    memset(stats, 0, sizeof *stats);
    vdpa_status_get_custom_stats(vdpa_port_from_netdev(netdev), stats);

    memset(&base, 0, sizeof base);
    error = dpdk_class->get_custom_stats(netdev, &base);
    if (!error) {
        stats->counters = xrealloc(stats->counters,
                                   (stats->size + base.size)
                                   * sizeof *stats->counters);
        for (unsigned int i = 0; i < base.size; i++) {
            stats->counters[stats->size++] = base.counters[i];
        }
        netdev_free_custom_stats_counters(&base);
    }
    return 0;
}

static int
representor_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
                     int *qfill)
{
    struct vdpa_port *port = vdpa_port_from_netdev(rxq->netdev);
    struct vdpa_relay *relay = vdpa_port_get_relay(port);
    bool moved = (relay
                  && vdpa_relay_run(relay, rxq->queue_id,
                                    netdev_n_rxq(rxq->netdev)));
    int error = dpdk_class->rxq_recv(rxq, batch, qfill);

    if (error == EAGAIN && moved) {
        /* An empty batch: OVS then counts the time as this queue's work. */
        batch->count = 0;
        if (qfill) {
            *qfill = 0;
        }
        return 0;
    }
    return error;
}

/* Registers the class, derived from 'class', that must be OVS's "dpdk" class
 * and registered.  To be called once, from the main thread, before there are
 * any ports. */
void
netdev_dpdkvdpa_register(const struct netdev_class *class)
{
    struct netdev_class *alone = &netdev_dpdkvdpa_alone_class;

    dpdk_class = class;

    representor_class = *class;
    representor_class.type = "dpdkvdpa";
    representor_class.init = NULL;
    representor_class.run = dpdkvdpa_run;
    representor_class.wait = dpdkvdpa_wait;
    representor_class.construct = dpdkvdpa_construct;
    representor_class.dealloc = dpdkvdpa_dealloc;
    representor_class.get_config = representor_get_config;
    representor_class.set_config = dpdkvdpa_set_config;
    representor_class.set_mtu = representor_set_mtu;
    representor_class.get_carrier = representor_get_carrier;
    representor_class.get_carrier_resets = representor_get_carrier_resets;
    representor_class.get_custom_stats = representor_get_custom_stats;
    representor_class.get_status = representor_get_status;
    representor_class.reconfigure = representor_reconfigure;
    representor_class.rxq_recv = representor_rxq_recv;

    alone->alloc = class->alloc;
    alone->construct = dpdkvdpa_construct;
    alone->dealloc = dpdkvdpa_dealloc;
    alone->set_config = dpdkvdpa_set_config;
    alone->rxq_alloc = class->rxq_alloc;
    alone->rxq_dealloc = class->rxq_dealloc;

    netdev_register_provider(&representor_class);
}
