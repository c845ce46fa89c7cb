/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-miss.h"

#include <errno.h>
#include <string.h>

#include "coverage.h"
#include "dp-packet.h"
#include "flow.h"
#include "netdev.h"
#include "netdev-offload.h"
#include "netdev-provider.h"
#include "odp-util.h"
#include "offload-group.h"
#include "offload-sample.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(offload_miss);

COVERAGE_DEFINE(offload_miss_restored);
COVERAGE_DEFINE(offload_miss_unknown);
COVERAGE_DEFINE(offload_miss_tunnel_error);

/* The packet that was restored last, by this thread. */
static __thread const struct dp_packet *restored;

/* Only PMD threads with offloaded ports come here, and the kinds of packets
 * that go by the hook are few. */
static bool
take_mark(struct dp_packet *packet, uint32_t *mark)
{
    if (OVS_LIKELY(!dp_packet_has_flow_mark(packet, mark))) {
        return false;
    }
    *dp_packet_ol_flags_ptr(packet) &= ~DP_PACKET_OL_FLOW_MARK;
    return true;
}

/* Does what tnl_pop does.  Returns false if 'packet' was of no use, and is
 * gone. */
static bool
pop_tunnel(struct dp_packet *packet, odp_port_t tunnel, const char *dpif_type)
{
    struct dp_packet_batch batch;
    struct netdev *netdev;
    struct flow flow;
    bool ok = false;

    netdev = netdev_ports_get(tunnel, dpif_type);
    if (!netdev) {
        dp_packet_delete(packet);
        return false;
    }

    /* Finds the headers, which the port wants to know. */
    flow_extract(packet, &flow);
    if (!netdev_has_tunnel_push_pop(netdev) || !dp_packet_l3(packet)
        || !dp_packet_l4(packet)) {
        dp_packet_delete(packet);
    } else {
        dp_packet_batch_init_packet(&batch, packet);
        netdev_pop_header(netdev, &batch);
        if (!dp_packet_batch_is_empty(&batch)) {
            packet->md.in_port.odp_port = tunnel;
            ok = true;
        }
    }
    netdev_close(netdev);
    return ok;
}

int
offload_miss_recover(struct netdev *netdev, struct dp_packet *packet)
{
    struct offload_place place;
    bool hash_gone;
    uint32_t mark;

    restored = NULL;
    if (OVS_LIKELY(!take_mark(packet, &mark))) {
        return 0;
    }
    if (offload_sample_is_mark(mark)) {
        offload_sample_receive(mark, packet);
        return EINPROGRESS;
    }
    if (!offload_group_find_place(mark, &place, &hash_gone)) {
        /* Rewritten by who knows what. */
        COVERAGE_INC(offload_miss_unknown);
        dp_packet_delete(packet);
        return ENOENT;
    }
    if (place.tunnel != ODPP_NONE
        && !pop_tunnel(packet, place.tunnel, netdev_get_dpif_type(netdev))) {
        COVERAGE_INC(offload_miss_tunnel_error);
        return EINVAL;
    }

    if (hash_gone) {
        /* Open vSwitch's own is made of the packet as it is now; the NIC's is
         * another. */
        *dp_packet_ol_flags_ptr(packet) &= ~DP_PACKET_OL_RSS_HASH;
    }

    COVERAGE_INC(offload_miss_restored);
    packet->md.recirc_id = place.recirc_id;
    restored = packet;
    return 0;
}

void
offload_miss_hide_tci(const struct dp_packet *packet, ovs_be16 *vlan_tci)
{
    if (OVS_UNLIKELY(packet == restored)) {
        /* A VLAN id without the bit that says that there is a tag. */
        *vlan_tci = htons(1);
        restored = NULL;
    }
}

void
offload_miss_split(struct dp_packet_batch *batch,
                   void (*input)(void *aux, struct dp_packet_batch *),
                   void *aux)
{
    struct dp_packet *packet;
    struct dp_packet_batch part;
    uint32_t part_mark = 0;
    bool any = false;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        uint32_t mark;

        any |= dp_packet_has_flow_mark(packet, &mark);
    }
    if (OVS_LIKELY(!any)) {
        input(aux, batch);
        return;
    }

    dp_packet_batch_init(&part);
    part.trunc = batch->trunc;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        uint32_t mark = 0;

        if (!dp_packet_has_flow_mark(packet, &mark)) {
            mark = 0;
        }
        if (mark != part_mark && !dp_packet_batch_is_empty(&part)) {
            input(aux, &part);
            dp_packet_batch_init(&part);
            part.trunc = batch->trunc;
        }
        part_mark = mark;
        dp_packet_batch_add(&part, packet);
    }
    input(aux, &part);
    dp_packet_batch_init(batch);
}

bool
offload_miss_impl_ok(const char *name)
{
    if (!netdev_is_flow_api_enabled() || !strcmp(name, "dpif_scalar")) {
        return true;
    }
    VLOG_WARN("%s can't be used with other_config:hw-offload=true: packets "
              "that the NIC did not finish would be lost", name);
    return false;
}
