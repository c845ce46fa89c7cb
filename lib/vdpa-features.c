/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-features.h"

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_vhost.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"
#include "vdpa-devargs.h"
#include "vdpa-requests.h"
#include "vdpa-vf.h"

#define FEATURE(NAME) { NAME, #NAME, true }
#define OTHER_FEATURE(NAME) { NAME, #NAME, false }

/* Features with a name.  Those that are offered are what librte_vhost can
 * negotiate and one of the two modes serve.  The others come from vDPA
 * devices, some of which say what only a hypervisor needs to know. */
static const struct feature {
    int bit;
    const char *name;
    bool offered;
} features[] = {
    FEATURE(VIRTIO_NET_F_CSUM),
    FEATURE(VIRTIO_NET_F_GUEST_CSUM),
    OTHER_FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS),
    FEATURE(VIRTIO_NET_F_MTU),
    OTHER_FEATURE(VIRTIO_NET_F_MAC),
    FEATURE(VIRTIO_NET_F_GSO),
    FEATURE(VIRTIO_NET_F_GUEST_TSO4),
    FEATURE(VIRTIO_NET_F_GUEST_TSO6),
    FEATURE(VIRTIO_NET_F_GUEST_ECN),
    FEATURE(VIRTIO_NET_F_GUEST_UFO),
    FEATURE(VIRTIO_NET_F_HOST_TSO4),
    FEATURE(VIRTIO_NET_F_HOST_TSO6),
    FEATURE(VIRTIO_NET_F_HOST_ECN),
    FEATURE(VIRTIO_NET_F_HOST_UFO),
    FEATURE(VIRTIO_NET_F_MRG_RXBUF),
    OTHER_FEATURE(VIRTIO_NET_F_STATUS),
    FEATURE(VIRTIO_NET_F_CTRL_VQ),
    FEATURE(VIRTIO_NET_F_CTRL_RX),
    OTHER_FEATURE(VIRTIO_NET_F_CTRL_VLAN),
    OTHER_FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA),
    FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE),
    FEATURE(VIRTIO_NET_F_MQ),
    OTHER_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR),
    OTHER_FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY),
    FEATURE(VHOST_F_LOG_ALL),
    FEATURE(VIRTIO_F_ANY_LAYOUT),
    FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
    FEATURE(VIRTIO_RING_F_EVENT_IDX),
    FEATURE(VHOST_USER_F_PROTOCOL_FEATURES),
    FEATURE(VIRTIO_F_VERSION_1),
    OTHER_FEATURE(VIRTIO_F_ACCESS_PLATFORM),
    FEATURE(VIRTIO_F_RING_PACKED),
    FEATURE(VIRTIO_F_IN_ORDER),
    OTHER_FEATURE(VIRTIO_F_ORDER_PLATFORM),
    OTHER_FEATURE(VIRTIO_F_SR_IOV),
    { 40, "VIRTIO_F_RING_RESET", false },
    { 54, "VIRTIO_NET_F_GUEST_USO4", false },
    { 55, "VIRTIO_NET_F_GUEST_USO6", false },
    { 56, "VIRTIO_NET_F_HOST_USO", false },
    OTHER_FEATURE(VIRTIO_NET_F_HASH_REPORT),
    { 59, "VIRTIO_NET_F_GUEST_HDRLEN", false },
    OTHER_FEATURE(VIRTIO_NET_F_RSS),
    OTHER_FEATURE(VIRTIO_NET_F_STANDBY),
    OTHER_FEATURE(VIRTIO_NET_F_SPEED_DUPLEX),
};

/* Returns those of 'set' that a port may offer at all. */
uint64_t
vdpa_features_offered(uint64_t set)
{
    uint64_t offered = 0;

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        if (features[i].offered) {
            offered |= UINT64_C(1) << features[i].bit;
        }
    }
    return set & offered;
}

/* Returns those that librte_vhost is to leave out for 'set' to be offered. */
uint64_t
vdpa_features_withheld(uint64_t set)
{
    return vdpa_features_offered(UINT64_MAX) & ~set;
}

/* Appends the names of 'set' to 's', "NAME, NAME". */
void
vdpa_features_format(uint64_t set, struct ds *s)
{
    const char *separator = "";

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        uint64_t bit = UINT64_C(1) << features[i].bit;

        if (set & bit) {
            ds_put_format(s, "%s%s", separator, features[i].name);
            separator = ", ";
            set &= ~bit;
        }
    }
    for (int i = 0; i < 64; i++) {
        if (set & (UINT64_C(1) << i)) {
            ds_put_format(s, "%sfeature %d", separator, i);
            separator = ", ";
        }
    }
}

/* Has '*side' say what a relay offers with a VF that has 'tx_offloads'
 * (RTE_ETH_TX_OFFLOAD_*) and 'n_queues' queue pairs. */
void
vdpa_side_set_vf(struct vdpa_side *side, uint64_t tx_offloads,
                 unsigned int n_queues)
{
    side->known = true;
    side->n_queues = n_queues;
    side->features = vdpa_features_offered(
        ~vdpa_requests_unsupported_features(tx_offloads));
}

/* Asks the Ethernet device of 'devargs', that no port has, what a relay can
 * offer with it.  If DPDK does not have that device, it has to probe it, and
 * leaves it as it was.  Stores the answer into '*side', if there is one. */
void
vdpa_side_ask_vf(const struct vdpa_devargs *devargs, struct vdpa_side *side)
{
    struct rte_eth_dev_info info;
    bool probed = false;
    uint16_t port_id;

    port_id = vdpa_devargs_find_ethdev(devargs);
    if (port_id >= RTE_MAX_ETHPORTS) {
        if (!vdpa_devargs_find_device(devargs)) {
            vdpa_devargs_set_quiet(devargs, true);
            probed = !vdpa_devargs_probe(devargs, NULL);
            vdpa_devargs_set_quiet(devargs, false);
        }
        port_id = vdpa_devargs_find_ethdev(devargs);
    }
    if (port_id < RTE_MAX_ETHPORTS && !rte_eth_dev_info_get(port_id, &info)) {
        unsigned int n = MIN(info.max_rx_queues, info.max_tx_queues);
        uint64_t offloads = info.tx_offload_capa;

        if (!(info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER)) {
            /* The relay uses neither if it can't have both. */
            offloads &= ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
        }
        vdpa_side_set_vf(side, offloads, MIN(n, VDPA_MAX_QUEUES));
    }
    if (probed) {
        vdpa_devargs_remove(devargs);
    }
}
