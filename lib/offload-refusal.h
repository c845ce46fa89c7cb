/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Why a megaflow is not in the NIC
 * ================================
 *
 * A megaflow that the provider does not turn into a rule stays in software,
 * where it works as ever, only slower.  Users then ask why.  Each reason has
 *
 *    - a code, short and stable, that scripts and tests may look for;
 *
 *    - a sentence, which names the match field or action;
 *
 *    - where something outside of this code said no, that party's own words:
 *      the NIC's rte_flow_error message, the name of a port.
 *
 * The table OFFLOAD_REFUSALS is the only place where codes and sentences
 * stand; documentation is made of it.
 *
 * Thread-safety
 * -------------
 *
 * A struct offload_refusal belongs to its caller.  Everything else here is
 * constant. */

#ifndef OFFLOAD_REFUSAL_H
#define OFFLOAD_REFUSAL_H 1

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/compiler.h"

/* OFFLOAD_REFUSAL(ENUM, CODE, SENTENCE), each ENUM becomes
 * OFFLOAD_REFUSAL_<ENUM>. */
#define OFFLOAD_REFUSALS                                                      \
    /* Match. */                                                              \
    OFFLOAD_REFUSAL(MATCH_RECIRC, "match-recirc_id-masked",                   \
        "the match is on a part of recirc_id")                                \
    OFFLOAD_REFUSAL(MATCH_TUNNEL, "match-tunnel",                             \
        "the match is on metadata of a tunnel that is not translated")        \
    OFFLOAD_REFUSAL(MATCH_TUNNEL_PORT, "match-tunnel-port",                   \
        "the port by which packets of the tunnel arrive is not known")        \
    OFFLOAD_REFUSAL(MATCH_GENEVE_OPTS, "match-geneve-options",                \
        "the match is on more Geneve options than a rule holds")              \
    OFFLOAD_REFUSAL(MATCH_GRE_CSUM, "match-gre-checksum",                     \
        "the match is on GRE with a checksum, which NICs do not verify")      \
    OFFLOAD_REFUSAL(MATCH_CT, "match-ct",                                     \
        "the match is on connection tracking state (ct_*)")                   \
    OFFLOAD_REFUSAL(MATCH_DP_HASH, "match-dp_hash",                           \
        "the match is on dp_hash")                                            \
    OFFLOAD_REFUSAL(MATCH_SKB_PRIORITY, "match-skb_priority",                 \
        "the match is on skb_priority")                                       \
    OFFLOAD_REFUSAL(MATCH_SKB_MARK, "match-skb_mark",                         \
        "the match is on skb_mark (pkt_mark)")                                \
    OFFLOAD_REFUSAL(MATCH_METADATA, "match-metadata",                         \
        "the match is on OpenFlow metadata or registers")                     \
    OFFLOAD_REFUSAL(MATCH_PACKET_TYPE, "match-packet_type",                   \
        "the match is on a packet_type other than Ethernet")                  \
    OFFLOAD_REFUSAL(MATCH_ETH_TYPE_MASKED, "match-eth_type-masked",           \
        "the match is on a part of eth_type")                                 \
    OFFLOAD_REFUSAL(MATCH_ETH_TYPE_NONE, "match-eth_type-none",               \
        "the match is on frames without an EtherType (IEEE 802.2)")           \
    OFFLOAD_REFUSAL(MATCH_ETH_TYPE_VLAN, "match-eth_type-vlan",               \
        "the match takes a VLAN tag, cut short or ignored, for an EtherType") \
    OFFLOAD_REFUSAL(MATCH_VLAN_TPID, "match-vlan-tpid",                       \
        "the match is on a part of a VLAN tag's TPID")                        \
    OFFLOAD_REFUSAL(MATCH_VLAN_SECOND, "match-vlan-second",                   \
        "the match is on a second VLAN tag that Open vSwitch ignores")        \
    OFFLOAD_REFUSAL(MATCH_MPLS, "match-mpls-second",                          \
        "the match is on more than one MPLS label")                           \
    OFFLOAD_REFUSAL(MATCH_NSH, "match-nsh",                                   \
        "the match is on a network service header")                           \
    OFFLOAD_REFUSAL(MATCH_RARP, "match-rarp",                                 \
        "the match is on fields of RARP")                                     \
    OFFLOAD_REFUSAL(MATCH_IP_PROTO_MASKED, "match-ip_proto-masked",           \
        "the match is on a part of IPv6's protocol")                          \
    OFFLOAD_REFUSAL(MATCH_IPV6_EXT, "match-ipv6-ext",                         \
        "the match is on an IPv6 extension header as protocol")               \
    OFFLOAD_REFUSAL(MATCH_L4_NO_PROTO, "match-l4-without-proto",              \
        "the match is on layer 4 without the whole IP protocol")              \
    OFFLOAD_REFUSAL(MATCH_L4_OTHER, "match-l4-other",                         \
        "the match is on layer 4 of a protocol without an item (IGMP)")       \
    OFFLOAD_REFUSAL(MATCH_ND, "match-nd",                                     \
        "the match is on an option of IPv6 neighbor discovery that is "       \
        "absent, on which one is first, or on reserved bits")                 \
    OFFLOAD_REFUSAL(MATCH_IMPOSSIBLE, "match-impossible",                     \
        "the match is one that no packet fulfills")                           \
    OFFLOAD_REFUSAL(MATCH_OTHER, "match-other",                               \
        "the match is on a field that is not translated")                     \
                                                                              \
    /* Actions. */                                                            \
    OFFLOAD_REFUSAL(ACTION_USERSPACE, "action-userspace",                     \
        "action userspace: packets go to ovs-vswitchd")                       \
    OFFLOAD_REFUSAL(ACTION_RECIRC_NOT_LAST, "action-recirc-not-last",         \
        "action recirc or tnl_pop with other actions behind it")              \
    OFFLOAD_REFUSAL(ACTION_RECIRC_TUNNEL, "action-recirc-in-tunnel",          \
        "action recirc behind others, on packets that left a tunnel")         \
    OFFLOAD_REFUSAL(ACTION_RECIRC_ENCAP, "action-recirc-behind-tnl_push",     \
        "action recirc on packets that were put into a tunnel")               \
    OFFLOAD_REFUSAL(NOT_REACHED, "group-not-reached",                         \
        "no rule leads here: what recirculates to it, or leaves the tunnel, " \
        "is in software")                                                     \
    OFFLOAD_REFUSAL(ACTION_GROUP, "action-recirc-no-group",                   \
        "the NIC has no group for packets that recirculate")                  \
    OFFLOAD_REFUSAL(ACTION_HASH, "action-hash",                               \
        "action hash: a NIC's hash is not the datapath's")                    \
    OFFLOAD_REFUSAL(ACTION_SAMPLE, "action-sample",                           \
        "action sample of other than \"one in N to ovs-vswitchd\"")           \
    OFFLOAD_REFUSAL(ACTION_CLONE, "action-clone",                             \
        "action clone of other than rewrites and one output")                 \
    OFFLOAD_REFUSAL(ACTION_CT, "action-ct",                                   \
        "action ct")                                                          \
    OFFLOAD_REFUSAL(ACTION_METER, "action-meter",                             \
        "action meter: the NIC does not have the meter")                      \
    OFFLOAD_REFUSAL(METER_BANDS, "action-meter-bands",                        \
        "action meter: the meter has several bands")                          \
    OFFLOAD_REFUSAL(ACTION_TRUNC, "action-trunc",                             \
        "action trunc: rte_flow can not cut packets")                         \
    OFFLOAD_REFUSAL(ACTION_CHECK_PKT_LEN, "action-check_pkt_len",             \
        "action check_pkt_len: rte_flow can not match on the length")         \
    OFFLOAD_REFUSAL(ACTION_LB_OUTPUT, "action-lb_output",                     \
        "action lb_output: a NIC's hash is not the datapath's")               \
    OFFLOAD_REFUSAL(ACTION_TNL_PUSH, "action-tnl_push",                       \
        "action tnl_push for a tunnel other than VXLAN, Geneve and GRE")      \
    OFFLOAD_REFUSAL(TNL_PUSH_SRC_PORT, "action-tnl_push-src-port",            \
        "action tnl_push: the UDP source port would not be that of software") \
    OFFLOAD_REFUSAL(TNL_PUSH_GRE, "action-tnl_push-gre",                      \
        "action tnl_push for GRE with a checksum or sequence numbers")        \
    OFFLOAD_REFUSAL(ACTION_TNL_POP, "action-tnl_pop",                         \
        "action tnl_pop for a tunnel other than VXLAN, Geneve and GRE")       \
    OFFLOAD_REFUSAL(ACTION_PUSH_MPLS, "action-push_mpls",                     \
        "action push_mpls on a packet whose layer 2 is not known exactly: "   \
        "it was put into a tunnel, or has a tag that Open vSwitch ignores")   \
    OFFLOAD_REFUSAL(ACTION_ADD_MPLS, "action-add_mpls",                       \
        "action add_mpls: a label in front of Ethernet")                      \
    OFFLOAD_REFUSAL(ACTION_ETH, "action-eth",                                 \
        "actions push_eth and pop_eth")                                       \
    OFFLOAD_REFUSAL(ACTION_NSH, "action-nsh",                                 \
        "actions push_nsh and pop_nsh")                                       \
    OFFLOAD_REFUSAL(ACTION_OTHER, "action-other",                             \
        "an action that is not translated")                                   \
    OFFLOAD_REFUSAL(ACTION_TOO_MANY, "action-too-many",                       \
        "more actions than a rule holds")                                     \
    OFFLOAD_REFUSAL(ACTION_MALFORMED, "action-malformed",                     \
        "an action of a size or form that it can not have")                   \
    OFFLOAD_REFUSAL(VLAN_PUSH_THIRD, "action-push_vlan-third",                \
        "action push_vlan onto a packet that has two tags")                   \
    OFFLOAD_REFUSAL(VLAN_POP_NONE, "action-pop_vlan-untagged",                \
        "action pop_vlan on a packet that has no tag")                        \
    OFFLOAD_REFUSAL(SET_IPV6_LABEL, "set-ipv6_label",                         \
        "a rewrite of the IPv6 flow label")                                   \
    OFFLOAD_REFUSAL(SET_IPV6_EXT, "set-ipv6-ext",                             \
        "a rewrite of addresses in front of mobility, HIP or Shim6")          \
    OFFLOAD_REFUSAL(SET_SCTP, "set-sctp",                                     \
        "a rewrite of SCTP ports")                                            \
    OFFLOAD_REFUSAL(SET_ICMP, "set-icmp",                                     \
        "a rewrite of ICMP type or code")                                     \
    OFFLOAD_REFUSAL(SET_ARP, "set-arp",                                       \
        "a rewrite of ARP fields")                                            \
    OFFLOAD_REFUSAL(SET_ND, "set-nd",                                         \
        "a rewrite of IPv6 neighbor discovery fields")                        \
    OFFLOAD_REFUSAL(SET_MPLS, "set-mpls",                                     \
        "a rewrite of a part of an MPLS label")                               \
    OFFLOAD_REFUSAL(SET_NSH, "set-nsh",                                       \
        "a rewrite of a network service header")                              \
    OFFLOAD_REFUSAL(SET_TUNNEL, "set-tunnel",                                 \
        "action set(tunnel)")                                                 \
    OFFLOAD_REFUSAL(SET_METADATA, "set-metadata",                             \
        "a change of skb_mark, skb_priority or other metadata")               \
    OFFLOAD_REFUSAL(SET_FRAGMENT, "set-fragment",                             \
        "a rewrite of addresses or ports in IP fragments")                    \
    OFFLOAD_REFUSAL(SET_NO_HEADER, "set-without-header",                      \
        "a rewrite of a header that the match does not ask for")              \
                                                                              \
    /* Ports. */                                                              \
    OFFLOAD_REFUSAL(PORT_UNKNOWN, "output-port-unknown",                      \
        "output to an internal or tap port, or to one that is gone")          \
    OFFLOAD_REFUSAL(PORT_CLASS, "output-port-class",                          \
        "output to a port that is not of the NIC")                            \
    OFFLOAD_REFUSAL(PORT_NO_REPRESENTOR, "output-port-no-representor",        \
        "output to a dpdkvdpa port without a representor")                    \
    OFFLOAD_REFUSAL(PORT_OTHER_NIC, "output-port-other-nic",                  \
        "output to a port of another NIC")                                    \
    OFFLOAD_REFUSAL(PORT_NO_DEVICE, "port-no-device",                         \
        "the port's DPDK device is not there")                                \
    OFFLOAD_REFUSAL(PORT_NO_SWITCH, "port-no-switch",                         \
        "the port's DPDK device is not part of an eSwitch")                   \
    OFFLOAD_REFUSAL(PORT_REMOVED, "output-port-removed",                      \
        "the output port was removed, and the rule with it")                  \
    OFFLOAD_REFUSAL(INPUT_REMOVED, "input-port-removed",                      \
        "the port by which packets of the tunnel came was removed, and the "  \
        "rule with it")                                                       \
    OFFLOAD_REFUSAL(PORT_DOWN, "port-down",                                   \
        "the port that packets enter by is down")                             \
    OFFLOAD_REFUSAL(PORT_POLICED, "port-policed",                             \
        "the port that packets enter by has ingress policing")                \
    OFFLOAD_REFUSAL(OUTPUT_DOWN, "output-port-down",                          \
        "output to a port that is down")                                      \
    OFFLOAD_REFUSAL(OUTPUT_QOS, "output-port-qos",                            \
        "output to a port with QoS")                                          \
    OFFLOAD_REFUSAL(OUTPUT_MTU, "output-port-mtu",                            \
        "output to a port whose MTU packets may exceed, which the NIC is "    \
        "not trusted to enforce")                                             \
    OFFLOAD_REFUSAL(PORT_CHANGED, "port-changed",                             \
        "a setting of a port has changed, and the rule is made anew")         \
                                                                              \
    /* The NIC. */                                                            \
    OFFLOAD_REFUSAL(NIC, "nic-refused",                                       \
        "the NIC refused the rule")                                           \
    OFFLOAD_REFUSAL(NIC_FULL, "nic-full",                                     \
        "the NIC has no room for the rule")                                   \
    OFFLOAD_REFUSAL(NIC_DUPLICATE, "nic-duplicate",                           \
        "the NIC has a rule with the same match")                             \
    OFFLOAD_REFUSAL(NIC_GONE, "nic-gone",                                     \
        "the NIC was removed")                                                \
    OFFLOAD_REFUSAL(NIC_RESTART, "nic-restart",                               \
        "the NIC forgets rules while a port is reconfigured")                 \
    OFFLOAD_REFUSAL(NIC_STUCK, "nic-stuck",                                   \
        "the NIC did not give up an older rule of this megaflow")

enum offload_refusal_code {
    OFFLOAD_REFUSAL_NONE,
#define OFFLOAD_REFUSAL(ENUM, CODE, SENTENCE) OFFLOAD_REFUSAL_##ENUM,
    OFFLOAD_REFUSALS
#undef OFFLOAD_REFUSAL
    OFFLOAD_N_REFUSALS
};

#define OFFLOAD_REFUSAL_WORDS_LEN 128

struct offload_refusal {
    enum offload_refusal_code code;
    char words[OFFLOAD_REFUSAL_WORDS_LEN];  /* Empty if there are none. */
};

/* Returns the stable code, for example "match-recirc_id". */
const char *offload_refusal_code(enum offload_refusal_code);

/* Returns the sentence, without a full stop. */
const char *offload_refusal_sentence(enum offload_refusal_code);

/* Sets '*refusal' to 'code' without words.  Returns false, so that a parser
 * can end with "return offload_refuse(...);". */
bool offload_refuse(struct offload_refusal *refusal,
                    enum offload_refusal_code code);

/* The same with words, which are cut off where they are too long. */
bool offload_refuse_words(struct offload_refusal *refusal,
                          enum offload_refusal_code code,
                          const char *format, ...)
    OVS_PRINTF_FORMAT(3, 4);

#endif /* offload-refusal.h */
