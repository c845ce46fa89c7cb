/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-tunnel.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>

#include "flow.h"
#include "netdev.h"
#include "netdev-native-tnl.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "offload-actions.h"
#include "offload-form.h"
#include "offload-match.h"
#include "offload-refusal.h"
#include "packets.h"
#include "unaligned.h"
#include "util.h"

#define VXLAN_SIZE  (UDP_HEADER_LEN + sizeof(struct vxlanhdr))
#define GENEVE_SIZE (UDP_HEADER_LEN + sizeof(struct genevehdr))

/* Flags that native tunnels take from packets. */
#define KNOWN_FLAGS (FLOW_TNL_F_OAM | FLOW_TNL_F_DONT_FRAGMENT  \
                     | FLOW_TNL_F_CSUM | FLOW_TNL_F_KEY)

enum offload_tunnel_type
offload_tunnel_type_of(const struct netdev *netdev)
{
    const char *type = netdev_get_type(netdev);

    return (!strcmp(type, "vxlan") ? OFFLOAD_TUNNEL_VXLAN
            : !strcmp(type, "geneve") ? OFFLOAD_TUNNEL_GENEVE
            : !strcmp(type, "gre") ? OFFLOAD_TUNNEL_GRE
            : OFFLOAD_TUNNEL_NONE);
}

/* Matching. */

/* IPv4 without options, whole, with a checksum that is right. */
static void
match_ipv4(struct offload_match *om, const struct flow_tnl *tnl,
           const struct flow_tnl *mask, uint8_t proto)
{
    struct offload_tunnel_match *tm = &om->tunnel;
    struct rte_ipv4_hdr *s = &tm->ipv4.spec.hdr;
    struct rte_ipv4_hdr *m = &tm->ipv4.mask.hdr;

    s->version_ihl = RTE_IPV4_VHL_DEF;
    m->version_ihl = UINT8_MAX;
    s->type_of_service = tnl->ip_tos;
    m->type_of_service = mask->ip_tos;
    m->fragment_offset = htons(RTE_IPV4_HDR_MF_FLAG
                               | RTE_IPV4_HDR_OFFSET_MASK);
    s->time_to_live = tnl->ip_ttl;
    m->time_to_live = mask->ip_ttl;
    s->next_proto_id = proto;
    m->next_proto_id = UINT8_MAX;
    s->src_addr = tnl->ip_src;
    m->src_addr = mask->ip_src;
    s->dst_addr = tnl->ip_dst;
    m->dst_addr = mask->ip_dst;
    offload_match_add(om, RTE_FLOW_ITEM_TYPE_IPV4, &tm->ipv4.spec,
                      &tm->ipv4.mask, NULL);
}

static void
match_ipv6(struct offload_match *om, const struct flow_tnl *tnl,
           const struct flow_tnl *mask, uint8_t proto)
{
    struct offload_tunnel_match *tm = &om->tunnel;
    struct rte_ipv6_hdr *s = &tm->ipv6.spec.hdr;
    struct rte_ipv6_hdr *m = &tm->ipv6.mask.hdr;

    s->vtc_flow = htonl((uint32_t) tnl->ip_tos << RTE_IPV6_HDR_TC_SHIFT);
    m->vtc_flow = htonl((uint32_t) mask->ip_tos << RTE_IPV6_HDR_TC_SHIFT);
    s->hop_limits = tnl->ip_ttl;
    m->hop_limits = mask->ip_ttl;
    s->proto = proto;
    m->proto = UINT8_MAX;
    memcpy(s->src_addr, &tnl->ipv6_src, sizeof s->src_addr);
    memcpy(m->src_addr, &mask->ipv6_src, sizeof m->src_addr);
    memcpy(s->dst_addr, &tnl->ipv6_dst, sizeof s->dst_addr);
    memcpy(m->dst_addr, &mask->ipv6_dst, sizeof m->dst_addr);
    offload_match_add(om, RTE_FLOW_ITEM_TYPE_IPV6, &tm->ipv6.spec,
                      &tm->ipv6.mask, NULL);
}

/* A checksum of 0 is none; that there is one is a range.  In a range, the
 * item's other fields have ranges of one value. */
static void
match_udp(struct offload_match *om, const struct netdev *netdev,
          const struct flow_tnl *tnl, const struct flow_tnl *mask)
{
    struct offload_tunnel_match *tm = &om->tunnel;
    struct rte_udp_hdr *s = &tm->udp.spec.hdr;
    struct rte_udp_hdr *m = &tm->udp.mask.hdr;
    const void *last = NULL;

    s->src_port = tnl->tp_src;
    m->src_port = mask->tp_src;
    s->dst_port = netdev_get_tunnel_config(netdev)->dst_port;
    m->dst_port = OVS_BE16_MAX;
    if (mask->flags & FLOW_TNL_F_CSUM) {
        m->dgram_cksum = OVS_BE16_MAX;
        if (tnl->flags & FLOW_TNL_F_CSUM) {
            s->dgram_cksum = htons(1);
            tm->udp.last = tm->udp.spec;
            tm->udp.last.hdr.dgram_cksum = OVS_BE16_MAX;
            last = &tm->udp.last;
        }
    }
    offload_match_add(om, RTE_FLOW_ITEM_TYPE_UDP, &tm->udp.spec,
                      &tm->udp.mask, last);
}

/* Open vSwitch takes a header with flag I only, and zeros in all reserved
 * fields. */
static bool
match_vxlan(struct offload_match *om, const struct flow_tnl *tnl,
            const struct flow_tnl *mask, struct offload_refusal *refusal)
{
    struct offload_tunnel_match *tm = &om->tunnel;
    ovs_be64 id = tnl->tun_id;
    ovs_be64 id_mask = mask->tun_id;

    if (ntohll(id) >> 24) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
    }
    tm->vxlan.spec.hdr.vx_flags = htonl(VXLAN_FLAGS);
    tm->vxlan.mask.hdr.vx_flags = OVS_BE32_MAX;
    tm->vxlan.spec.hdr.vx_vni = htonl(ntohll(id) << 8);
    tm->vxlan.mask.hdr.vx_vni = htonl((ntohll(id_mask) << 8) | 0xff);
    offload_match_add(om, RTE_FLOW_ITEM_TYPE_VXLAN, &tm->vxlan.spec,
                      &tm->vxlan.mask, NULL);
    tm->header_len += VXLAN_SIZE;
    return true;
}

/* Geneve's options are matched as they stand in the packet, one after the
 * other, and so is their length.  In the megaflow they are raw, too. */
static bool
match_geneve_opts(struct offload_match *om, const struct flow_tnl *key,
                  const struct flow_tnl *mask,
                  struct offload_refusal *refusal)
{
    size_t len = key->flags & FLOW_TNL_F_UDPIF ? key->metadata.present.len : 0;
    const uint8_t *opt = key->metadata.opts.u8;
    const uint8_t *opt_mask = mask->metadata.opts.u8;
    struct offload_tunnel_match *tm = &om->tunnel;

    if (is_all_zeros(opt_mask, len)) {
        return true;
    }
    for (size_t i = 0; len; i++) {
        const struct geneve_opt *o = (const void *) opt;
        const struct geneve_opt *om_ = (const void *) opt_mask;
        size_t data_len = o->length * 4;

        if (len < sizeof *o + data_len || i >= ARRAY_SIZE(tm->opts)
            || data_len > OFFLOAD_MAX_GENEVE_LEN) {
            return offload_refuse(refusal,
                                  OFFLOAD_REFUSAL_MATCH_GENEVE_OPTS);
        }
        tm->opts[i].spec.option_class = o->opt_class;
        tm->opts[i].mask.option_class = om_->opt_class;
        tm->opts[i].spec.option_type = o->type;
        tm->opts[i].mask.option_type = om_->type;
        tm->opts[i].spec.option_len = o->length;
        tm->opts[i].mask.option_len = 0x1f;
        memcpy(tm->opts[i].data_mask, om_ + 1, data_len);
        for (size_t j = 0; j < data_len; j++) {
            ((uint8_t *) tm->opts[i].data)[j]
                = ((const uint8_t *) (o + 1))[j]
                  & ((const uint8_t *) (om_ + 1))[j];
        }
        tm->opts[i].spec.data = tm->opts[i].data;
        tm->opts[i].mask.data = tm->opts[i].data_mask;
        offload_match_add(om, RTE_FLOW_ITEM_TYPE_GENEVE_OPT,
                          &tm->opts[i].spec, &tm->opts[i].mask, NULL);

        opt += sizeof *o + data_len;
        opt_mask += sizeof *o + data_len;
        len -= sizeof *o + data_len;
    }
    return true;
}

/* Version 0, Ethernet inside. */
static bool
match_geneve(struct offload_match *om, const struct flow_tnl *key,
             const struct flow_tnl *tnl, const struct flow_tnl *mask,
             struct offload_refusal *refusal)
{
    size_t len = key->flags & FLOW_TNL_F_UDPIF ? key->metadata.present.len : 0;
    struct offload_tunnel_match *tm = &om->tunnel;
    struct rte_flow_item_geneve *s = &tm->geneve.spec;
    struct rte_flow_item_geneve *m = &tm->geneve.mask;
    uint64_t id = ntohll(tnl->tun_id);
    uint64_t id_mask = ntohll(mask->tun_id);

    if (id >> 24) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
    }
    s->ver_opt_len_o_c_rsvd0 = htons((len / 4) << 8);
    m->ver_opt_len_o_c_rsvd0 = htons(0xff00);
    if (mask->flags & FLOW_TNL_F_OAM) {
        s->ver_opt_len_o_c_rsvd0 |= htons(tnl->flags & FLOW_TNL_F_OAM
                                          ? 0x80 : 0);
        m->ver_opt_len_o_c_rsvd0 |= htons(0x80);
    }
    s->protocol = htons(ETH_TYPE_TEB);
    m->protocol = OVS_BE16_MAX;
    for (size_t i = 0; i < 3; i++) {
        s->vni[i] = id >> (16 - 8 * i);
        m->vni[i] = id_mask >> (16 - 8 * i);
    }
    offload_match_add(om, RTE_FLOW_ITEM_TYPE_GENEVE, s, m, NULL);
    tm->header_len += GENEVE_SIZE + len;
    return match_geneve_opts(om, key, mask, refusal);
}

/* The flags of the packet at hand: a key or none.  Open vSwitch verifies a
 * checksum, which no item says, and does not look at sequence numbers. */
static bool
match_gre(struct offload_match *om, const struct flow_tnl *key,
          const struct flow_tnl *tnl, const struct flow_tnl *mask,
          struct offload_refusal *refusal)
{
    struct offload_tunnel_match *tm = &om->tunnel;
    bool has_key = (key->flags & FLOW_TNL_F_KEY) != 0;

    if (key->flags & FLOW_TNL_F_CSUM) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_GRE_CSUM);
    }
    if (ntohll(tnl->tun_id) >> 32 || (!has_key && tnl->tun_id)) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
    }
    tm->gre.spec.c_rsvd0_ver = htons(has_key ? GRE_KEY : 0);
    tm->gre.mask.c_rsvd0_ver = OVS_BE16_MAX;
    tm->gre.spec.protocol = htons(ETH_TYPE_TEB);
    tm->gre.mask.protocol = OVS_BE16_MAX;
    offload_match_add(om, RTE_FLOW_ITEM_TYPE_GRE, &tm->gre.spec,
                      &tm->gre.mask, NULL);
    tm->header_len += sizeof(struct gre_base_hdr);
    if (has_key) {
        tm->gre_key.spec = be64_to_be32(tnl->tun_id);
        tm->gre_key.mask = be64_to_be32(mask->tun_id);
        if (tm->gre_key.mask) {
            offload_match_add(om, RTE_FLOW_ITEM_TYPE_GRE_KEY,
                              &tm->gre_key.spec, &tm->gre_key.mask, NULL);
        }
        tm->header_len += sizeof(ovs_be32);
    }
    return true;
}

/* Fields of struct flow_tnl that no native tunnel of these types sets. */
static bool
check_foreign_fields(const struct flow_tnl *tnl)
{
    return (!tnl->gbp_id && !tnl->gbp_flags && !tnl->erspan_ver
            && !tnl->erspan_idx && !tnl->erspan_dir && !tnl->erspan_hwid
            && !tnl->gtpu_flags && !tnl->gtpu_msgtype);
}

bool
offload_tunnel_match(struct offload_match *om, const struct netdev *netdev,
                     const struct flow *key, const struct flow *flow,
                     struct flow *mask, struct offload_refusal *refusal)
{
    struct offload_tunnel_match *tm = &om->tunnel;
    enum offload_tunnel_type type = offload_tunnel_type_of(netdev);
    const struct flow_tnl *tnl = &flow->tunnel;
    struct flow_tnl tmask = mask->tunnel;
    bool v4 = key->tunnel.ip_dst != 0;
    uint8_t proto = type == OFFLOAD_TUNNEL_GRE ? IPPROTO_GRE : IPPROTO_UDP;
    bool ok;

    /* Native tunnels set DF in no packet's metadata, whatever the header
     * says. */
    if (!flow_tnl_dst_is_set(&key->tunnel)
        || tmask.flags & ~(KNOWN_FLAGS | FLOW_TNL_F_UDPIF)
        || !check_foreign_fields(tnl)
        || netdev_get_tunnel_config(netdev)->exts) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_TUNNEL);
    }
    if (tnl->flags & FLOW_TNL_F_DONT_FRAGMENT
        || (type != OFFLOAD_TUNNEL_GENEVE && tnl->flags & FLOW_TNL_F_OAM)) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
    }
    if (type != OFFLOAD_TUNNEL_GRE
        && !(key->tunnel.flags & FLOW_TNL_F_KEY)) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_IMPOSSIBLE);
    }

    tm->type = type;
    tm->header_len = ETH_HEADER_LEN + (v4 ? IP_HEADER_LEN : IPV6_HEADER_LEN);

    /* Whatever NICs mean by ok for what there is not, is so for UDP's absent
     * checksum. */
    tm->integrity.spec.ipv4_csum_ok = tm->integrity.mask.ipv4_csum_ok = v4;
    tm->integrity.spec.l4_csum_ok = tm->integrity.mask.l4_csum_ok
        = proto == IPPROTO_UDP;
    if (v4 || proto == IPPROTO_UDP) {
        offload_match_add(om, RTE_FLOW_ITEM_TYPE_INTEGRITY,
                          &tm->integrity.spec, &tm->integrity.mask, NULL);
    }

    tm->eth.spec.type = htons(v4 ? ETH_TYPE_IP : ETH_TYPE_IPV6);
    tm->eth.mask.type = OVS_BE16_MAX;
    tm->eth.mask.has_vlan = 1;
    offload_match_add(om, RTE_FLOW_ITEM_TYPE_ETH, &tm->eth.spec,
                      &tm->eth.mask, NULL);
    if (v4) {
        match_ipv4(om, tnl, &tmask, proto);
    } else {
        match_ipv6(om, tnl, &tmask, proto);
    }
    if (proto == IPPROTO_UDP) {
        match_udp(om, netdev, tnl, &tmask);
    }

    switch (type) {
    case OFFLOAD_TUNNEL_VXLAN:
        ok = match_vxlan(om, tnl, &tmask, refusal);
        break;
    case OFFLOAD_TUNNEL_GENEVE:
        ok = match_geneve(om, &key->tunnel, tnl, &tmask, refusal);
        break;
    case OFFLOAD_TUNNEL_GRE:
        ok = match_gre(om, &key->tunnel, tnl, &tmask, refusal);
        break;
    case OFFLOAD_TUNNEL_NONE:
    default:
        ok = offload_refuse(refusal, OFFLOAD_REFUSAL_MATCH_TUNNEL);
        break;
    }
    memset(&mask->tunnel, 0, sizeof mask->tunnel);
    return ok;
}

/* Taking off. */

bool
offload_tunnel_pop(struct offload_action_list *list,
                   const struct offload_tunnel_match *match)
{
    list->packet.growth -= match->header_len;
    if (match->type == OFFLOAD_TUNNEL_VXLAN) {
        list->oa->forms_used |= OFFLOAD_FORM_RAW_DECAP;
        if (!(list->forms & OFFLOAD_FORM_RAW_DECAP)) {
            offload_action_add_bare(list, RTE_FLOW_ACTION_TYPE_VXLAN_DECAP);
            return true;
        }
    }
    offload_action_add(list, RTE_FLOW_ACTION_TYPE_RAW_DECAP)->raw_decap.size
        = match->header_len;
    return true;
}

/* Putting on. */

/* The definition of vxlan_encap is of whole headers. */
static const uint8_t whole_header[64] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

/* Adds an item of the definition of vxlan_encap. */
static void
define(struct offload_header *header, size_t *n, enum rte_flow_item_type type,
       const void *spec)
{
    BUILD_ASSERT_DECL(sizeof(struct rte_flow_item_ipv6)
                      <= sizeof whole_header);
    header->items[(*n)++] = (struct rte_flow_item) {
        .type = type,
        .spec = spec,
        .mask = whole_header,
    };
}

/* Takes the header apart into the items that vxlan_encap wants.  Returns false
 * if it is not one of VXLAN as they say it: VXLAN-GPE's is not, which has
 * flags and a protocol where VXLAN has reserved bits. */
static bool
define_vxlan(struct offload_header *header, bool v4)
{
    const uint8_t *p = header->bytes;
    size_t n = 0;
    ovs_be32 flags;

    if (header->size != ETH_HEADER_LEN
                        + (v4 ? IP_HEADER_LEN : IPV6_HEADER_LEN)
                        + VXLAN_SIZE) {
        return false;
    }
    memcpy(&flags, p + header->size - sizeof(struct vxlanhdr), sizeof flags);
    if (flags != htonl(VXLAN_FLAGS)) {
        return false;
    }
    memset(&header->eth, 0, sizeof header->eth);
    memcpy(&header->eth.dst, p, ETH_ADDR_LEN);
    memcpy(&header->eth.src, p + ETH_ADDR_LEN, ETH_ADDR_LEN);
    memcpy(&header->eth.type, p + 2 * ETH_ADDR_LEN, sizeof header->eth.type);
    define(header, &n, RTE_FLOW_ITEM_TYPE_ETH, &header->eth);
    p += ETH_HEADER_LEN;

    if (v4) {
        memset(&header->ipv4, 0, sizeof header->ipv4);
        memcpy(&header->ipv4.hdr, p, IP_HEADER_LEN);
        define(header, &n, RTE_FLOW_ITEM_TYPE_IPV4, &header->ipv4);
        p += IP_HEADER_LEN;
    } else {
        memset(&header->ipv6, 0, sizeof header->ipv6);
        memcpy(&header->ipv6.hdr, p, IPV6_HEADER_LEN);
        define(header, &n, RTE_FLOW_ITEM_TYPE_IPV6, &header->ipv6);
        p += IPV6_HEADER_LEN;
    }
    memcpy(&header->udp.hdr, p, UDP_HEADER_LEN);
    define(header, &n, RTE_FLOW_ITEM_TYPE_UDP, &header->udp);
    memcpy(&header->vxlan.hdr, p + UDP_HEADER_LEN, sizeof(struct vxlanhdr));
    define(header, &n, RTE_FLOW_ITEM_TYPE_VXLAN, &header->vxlan);
    header->items[n] = (struct rte_flow_item) {
        .type = RTE_FLOW_ITEM_TYPE_END,
    };
    return true;
}

/* Decides on the source port of UDP.  For IP packets as the NIC received them
 * that is 0, for the NIC to make of the packet's hash as software does.  For
 * others, software's hash is its own. */
static bool
choose_src_port(struct offload_action_list *list, ovs_be16 *port)
{
    struct offload_match *om = list->om;
    bool in_tunnel = om->tunnel.type != OFFLOAD_TUNNEL_NONE;
    ovs_be16 eth_type = om->packet.eth_type;
    uint32_t hash;

    if (!in_tunnel && !om->recirculated
        && (eth_type == htons(ETH_TYPE_IP)
            || eth_type == htons(ETH_TYPE_IPV6))) {
        *port = 0;
        return true;
    }
    if ((om->recirculated && !in_tunnel)
        || !offload_match_pin_hash(om, &hash)) {
        return offload_refuse(list->refusal,
                              OFFLOAD_REFUSAL_TNL_PUSH_SRC_PORT);
    }
    *port = htons(((uint64_t) hash
                   * (tnl_udp_port_max - tnl_udp_port_min) >> 32)
                  + tnl_udp_port_min);
    return true;
}

bool
offload_tunnel_push(struct offload_action_list *list,
                    const struct ovs_action_push_tnl *push)
{
    const uint8_t *bytes = (const uint8_t *) push->header;
    struct offload_actions *oa = list->oa;
    struct offload_packet *packet = &list->packet;
    struct offload_header *header;
    const struct eth_header *eth;
    size_t l4_ofs;
    bool v4, defined;

    if (oa->n_headers >= OFFLOAD_MAX_HEADERS
        || push->header_len > OFFLOAD_HEADER_SIZE) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_TOO_MANY);
    }
    header = &oa->headers[oa->n_headers++];
    header->size = push->header_len;
    packet->growth += push->header_len;
    memcpy(header->bytes, bytes, header->size);
    eth = (const void *) bytes;
    v4 = eth->eth_type == htons(ETH_TYPE_IP);
    l4_ofs = ETH_HEADER_LEN + (v4 ? IP_HEADER_LEN : IPV6_HEADER_LEN);

    switch (push->tnl_type) {
    case OVS_VPORT_TYPE_VXLAN:
    case OVS_VPORT_TYPE_GENEVE: {
        ovs_be16 port = 0;

        if (header->size < l4_ofs + UDP_HEADER_LEN) {
            return offload_refuse(list->refusal,
                                  OFFLOAD_REFUSAL_ACTION_MALFORMED);
        }
        if (!choose_src_port(list, &port)) {
            return false;
        }
        memcpy(header->bytes + l4_ofs, &port, sizeof port);
        break;
    }

    case OVS_VPORT_TYPE_GRE:
    case OVS_VPORT_TYPE_IP6GRE: {
        ovs_be16 flags;

        if (header->size < l4_ofs + sizeof(struct gre_base_hdr)) {
            return offload_refuse(list->refusal,
                                  OFFLOAD_REFUSAL_ACTION_MALFORMED);
        }
        memcpy(&flags, header->bytes + l4_ofs, sizeof flags);
        if (flags & htons(GRE_CSUM | GRE_SEQ)) {
            return offload_refuse(list->refusal,
                                  OFFLOAD_REFUSAL_TNL_PUSH_GRE);
        }
        break;
    }

    default:
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_TNL_PUSH);
    }

    defined = (push->tnl_type == OVS_VPORT_TYPE_VXLAN
               && define_vxlan(header, v4));
    if (defined) {
        oa->forms_used |= OFFLOAD_FORM_RAW_ENCAP;
    }
    if (defined && !(list->forms & OFFLOAD_FORM_RAW_ENCAP)) {
        offload_action_add(list, RTE_FLOW_ACTION_TYPE_VXLAN_ENCAP)
            ->vxlan_encap.definition = header->items;
    } else {
        union offload_action_conf *conf;

        conf = offload_action_add(list, RTE_FLOW_ACTION_TYPE_RAW_ENCAP);
        conf->raw_encap.data = header->bytes;
        conf->raw_encap.size = header->size;
    }

    /* The packet is the outer one from here on.  Its fragment bits, protocol
     * and so on are the header's, but nobody has matched them. */
    packet->n_vlans = packet->n_pushed = 0;
    packet->eth_type = 0;
    packet->ip_proto_known = false;
    packet->unfragmented = false;
    packet->ecn_known = false;
    packet->encapsulated = true;
    return true;
}
