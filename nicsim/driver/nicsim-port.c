/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "nicsim-ethdev.h"
#include "nicsim-host.h"
#include "nicsim-log.h"
#include "nicsim-personality.h"
#include "nicsim-rxtx.h"

const char *
nicsim_port_name(const struct nicsim_port *port)
{
    return port->dev->data->name;
}

struct nicsim_port *
nicsim_port_from_id(uint32_t port_id)
{
    struct rte_eth_dev *dev;

    if (port_id >= RTE_MAX_ETHPORTS) {
        return NULL;
    }
    dev = &rte_eth_devices[port_id];
    return (dev->state != RTE_ETH_DEV_UNUSED
            && dev->dev_ops == &nicsim_eth_dev_ops
            ? dev->data->dev_private : NULL);
}

bool
nicsim_port_is_dead(const struct nicsim_port *port)
{
    return !port->host || nicsim_host_is_dead(port->host);
}

int
nicsim_port_call(struct nicsim_port *port, struct nicsim_msg *msg,
                 const char *what)
{
    int error;

    if (!port->host) {
        snprintf(msg->text, sizeof msg->text, "the NIC is gone");
        error = EIO;
    } else {
        error = nicsim_host_call(port->host, msg);
    }
    if (error && what) {
        NICSIM_LOG(ERR, "%s: could not %s: %s", nicsim_port_name(port), what,
                   msg->text[0] ? msg->text : rte_strerror(error));
    }
    return error;
}

bool
nicsim_port_update_link(struct nicsim_port *port)
{
    struct rte_eth_link link = {
        .link_speed = RTE_ETH_SPEED_NUM_NONE,
        .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
        .link_autoneg = RTE_ETH_LINK_FIXED,
        .link_status = RTE_ETH_LINK_DOWN,
    };

    if (!nicsim_port_is_dead(port) && port->bar->link_up) {
        link.link_status = RTE_ETH_LINK_UP;
        link.link_speed = port->bar->link_speed;
    }
    return rte_eth_linkstatus_set(port->dev, &link) == 0;
}

/* Opens the function at the NIC and maps its BAR. */
static int
port_open(struct nicsim_port *port, struct rte_ether_addr *mac)
{
    struct nicsim_msg msg = { .type = NICSIM_FN_OPEN };
    struct nicsim_host *host;
    void *bar;
    int error;
    int fds[2];

    error = nicsim_host_get(port->vdev->path, &host);
    if (error) {
        return error;
    }
    msg.fn_info.fn = port->fn;
    error = nicsim_host_request(host, &msg, NULL, 0, fds, 2);
    if (error) {
        NICSIM_LOG(ERR, "%s: could not open the function: %s",
                   nicsim_port_name(port),
                   msg.text[0] ? msg.text : rte_strerror(error));
        goto error;
    }
    if (msg.fn_info.bar_len < sizeof(struct nicsim_bar)) {
        error = EPROTO;
        bar = MAP_FAILED;
    } else {
        bar = mmap(NULL, msg.fn_info.bar_len, PROT_READ | PROT_WRITE,
                   MAP_SHARED, fds[0], 0);
        error = bar == MAP_FAILED ? errno : 0;
    }
    close(fds[0]);
    if (error) {
        NICSIM_LOG(ERR, "%s: could not map the function's BAR (%s)",
                   nicsim_port_name(port), rte_strerror(error));
        close(fds[1]);
        goto error;
    }

    port->bar = bar;
    port->bar_len = msg.fn_info.bar_len;
    port->doorbell = fds[1];
    port->n_vfs = host->n_vfs;
    port->max_queues = RTE_MIN(msg.fn_info.n_queues,
                               (uint32_t) NICSIM_MAX_QUEUES);
    port->max_mtu = RTE_MIN(msg.fn_info.max_mtu, (uint32_t) NICSIM_MAX_MTU);
    port->keeps_rules = msg.fn_info.keeps_rules;
    memcpy(mac->addr_bytes, msg.fn_info.mac, sizeof mac->addr_bytes);
    port->host = host;
    nicsim_host_watch(host, port);
    return 0;

error:
    nicsim_host_put(host);
    return error;
}

void
nicsim_port_shut(struct nicsim_port *port)
{
    struct nicsim_host *host = port->host;
    struct nicsim_msg msg = { .type = NICSIM_FN_CLOSE };

    if (!host) {
        return;
    }
    nicsim_host_unwatch(host, port);
    if (!nicsim_host_is_dead(host)) {
        msg.fn_info.fn = port->fn;
        nicsim_port_call(port, &msg, "close the function");
    }
    munmap((void *) (uintptr_t) port->bar, port->bar_len);
    close(port->doorbell);
    port->bar = NULL;
    port->doorbell = -1;
    port->host = NULL;
    port->dead = 1;
    nicsim_host_put(host);
}

int
nicsim_port_reopen(struct nicsim_port *port)
{
    struct rte_ether_addr mac;
    int error;

    nicsim_port_shut(port);
    error = port_open(port, &mac);
    if (!error) {
        /* What ethdev's user was shown stays: addresses are set again when
         * the port starts. */
        port->dev->state = RTE_ETH_DEV_ATTACHED;
        port->dev->data->representor_id = NICSIM_FN_INDEX(port->fn);
        nicsim_port_update_link(port);
        NICSIM_LOG(NOTICE, "%s: the NIC is back", nicsim_port_name(port));
    }
    return error;
}

static void
port_name(const struct nicsim_vdev *vdev, uint32_t fn, char *name,
          size_t size)
{
    const char *base = rte_vdev_device_name(vdev->dev);

    if (NICSIM_FN_KIND(fn) == NICSIM_FN_REP) {
        snprintf(name, size, "%s_representor_vf%u", base,
                 (unsigned int) NICSIM_FN_INDEX(fn));
    } else {
        snprintf(name, size, "%s", base);
    }
}

/* Allocates an ethdev whose id is above 'min_id'. */
static struct rte_eth_dev *
allocate_ethdev(const char *name, int min_id)
{
    struct rte_eth_dev *low[RTE_MAX_ETHPORTS];
    struct rte_eth_dev *dev;
    unsigned int n_low = 0;

    while ((dev = rte_eth_dev_allocate(name))
           && dev->data->port_id <= min_id) {
        /* Keep this id until we have a higher one. */
        snprintf(dev->data->name, sizeof dev->data->name, "%.32s~%u", name,
                 n_low);
        low[n_low++] = dev;
    }
    while (n_low) {
        rte_eth_dev_release_port(low[--n_low]);
    }
    return dev;
}

int
nicsim_port_create(struct nicsim_vdev *vdev, uint32_t fn, int min_id,
                   const struct nicsim_port *old, struct nicsim_port **portp)
{
    char name[RTE_ETH_NAME_MAX_LEN];
    struct nicsim_port *port;
    struct rte_eth_dev *dev;
    int error;

    port_name(vdev, fn, name, sizeof name);
    dev = allocate_ethdev(name, min_id);
    if (!dev) {
        return ENOSPC;
    }
    dev->device = &vdev->dev->device;
    dev->data->numa_node = vdev->dev->device.numa_node;
    port = rte_zmalloc_socket(name, sizeof *port, RTE_CACHE_LINE_SIZE,
                              dev->data->numa_node);
    if (!port) {
        error = ENOMEM;
        goto error;
    }
    dev->data->dev_private = port;
    port->dev = dev;
    port->vdev = vdev;
    port->fn = fn;
    port->doorbell = -1;
    port->dead = 1;
    LIST_INIT(&port->flows);

    error = port_open(port, &port->mac);
    if (error && !old) {
        goto error;
    }
    if (error) {
        port->n_vfs = old->n_vfs;
        port->max_queues = old->max_queues;
        port->max_mtu = old->max_mtu;
        port->keeps_rules = old->keeps_rules;
        port->mac = old->mac;
    }
    dev->data->mac_addrs = &port->mac;
    dev->dev_ops = &nicsim_eth_dev_ops;
    nicsim_rxtx_set_functions(dev);
    dev->data->dev_flags = (RTE_ETH_DEV_INTR_LSC | RTE_ETH_DEV_INTR_RMV
                            | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS);
    /* The VF of a guest is always open to multicast, and the PF and the
     * representors get whatever the switch sends them. */
    dev->data->all_multicast = 1;
    if (nicsim_port_kind(port) != NICSIM_FN_VF) {
        dev->data->promiscuous = 1;
    }
    if (nicsim_port_kind(port) == NICSIM_FN_REP) {
        dev->data->dev_flags |= RTE_ETH_DEV_REPRESENTOR;
        dev->data->representor_id = NICSIM_FN_INDEX(fn);
        dev->data->backer_port_id = dev->data->port_id;
    }
    nicsim_port_update_link(port);
    error = nicsim_personality_add_port(
        vdev->personality, dev->data->port_id,
        nicsim_port_kind(port) == NICSIM_FN_PF, NICSIM_FN_INDEX(fn));
    if (error) {
        nicsim_port_shut(port);
        dev->data->mac_addrs = NULL;
        goto error;
    }
    *portp = port;
    return 0;

error:
    rte_eth_dev_release_port(dev);
    return error;
}
