/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What is in the NIC, and what is not
 * ===================================
 *
 * The tables that offload-match.c, offload-actions.c and offload-set.c are
 * made with, and that the documentation is made of.  Each names everything
 * that there is: a field of struct flow, an action or a key that is missing
 * here does not compile.
 *
 * An entry is NAME, what users call it; RTE_FLOW, how it is said, or a limit;
 * and REFUSAL, of offload-refusal.h, NONE if it is translated. */

#ifndef OFFLOAD_SUPPORT_H
#define OFFLOAD_SUPPORT_H 1

/* Fields of struct flow that packets have zeros in when they come from a port,
 * so that a match on zero is none, and others are refused: OFFLOAD_ZERO(FIELD,
 * NAME, REFUSAL). */
#define OFFLOAD_ZERO_FIELDS                                                   \
    OFFLOAD_ZERO(packet_type, "packet_type", MATCH_PACKET_TYPE)               \
    OFFLOAD_ZERO(ct_state, "ct_state", MATCH_CT)                              \
    OFFLOAD_ZERO(ct_zone, "ct_zone", MATCH_CT)                                \
    OFFLOAD_ZERO(ct_mark, "ct_mark", MATCH_CT)                                \
    OFFLOAD_ZERO(ct_label, "ct_label", MATCH_CT)                              \
    OFFLOAD_ZERO(ct_nw_proto, "ct_nw_proto", MATCH_CT)                        \
    OFFLOAD_ZERO(ct_nw_src, "ct_nw_src", MATCH_CT)                            \
    OFFLOAD_ZERO(ct_nw_dst, "ct_nw_dst", MATCH_CT)                            \
    OFFLOAD_ZERO(ct_ipv6_src, "ct_ipv6_src", MATCH_CT)                        \
    OFFLOAD_ZERO(ct_ipv6_dst, "ct_ipv6_dst", MATCH_CT)                        \
    OFFLOAD_ZERO(ct_tp_src, "ct_tp_src", MATCH_CT)                            \
    OFFLOAD_ZERO(ct_tp_dst, "ct_tp_dst", MATCH_CT)                            \
    OFFLOAD_ZERO(dp_hash, "dp_hash", MATCH_DP_HASH)                           \
    OFFLOAD_ZERO(skb_priority, "skb_priority", MATCH_SKB_PRIORITY)            \
    OFFLOAD_ZERO(pkt_mark, "skb_mark", MATCH_SKB_MARK)                        \
    OFFLOAD_ZERO(metadata, "metadata", MATCH_METADATA)                        \
    OFFLOAD_ZERO(regs, "registers", MATCH_METADATA)                           \
    OFFLOAD_ZERO(conj_id, "conj_id", MATCH_METADATA)                          \
    OFFLOAD_ZERO(actset_output, "actset_output", MATCH_METADATA)

/* The others: OFFLOAD_FIELD(FIELD, NAME, RTE_FLOW). */
#define OFFLOAD_FIELDS                                                        \
    OFFLOAD_FIELD(in_port, "in_port", "represented_port or port_id")          \
    OFFLOAD_FIELD(recirc_id, "recirc_id", "the rule's group")                 \
    OFFLOAD_FIELD(tunnel, "tunnel of VXLAN, Geneve with options, GRE with "   \
                  "key, over IPv4 and IPv6",                                  \
                  "integrity, outer eth, ipv4 or ipv6, udp; vxlan, geneve, "  \
                  "geneve_opt, gre, gre_key; in the tunnel port's group")     \
    OFFLOAD_FIELD(dl_dst, "Ethernet destination", "eth, any mask")            \
    OFFLOAD_FIELD(dl_src, "Ethernet source", "eth, any mask")                 \
    OFFLOAD_FIELD(dl_type, "EtherType", "eth or vlan, whole or not at all")   \
    OFFLOAD_FIELD(vlans, "two VLAN tags",                                     \
                  "vlan, VID and PCP under any mask, TPID whole")             \
    OFFLOAD_FIELD(mpls_lse, "top MPLS label", "mpls, any mask")               \
    OFFLOAD_FIELD(nw_src, "IPv4 source, ARP sender",                          \
                  "ipv4 or arp_eth_ipv4, any mask")                           \
    OFFLOAD_FIELD(nw_dst, "IPv4 destination, ARP target",                     \
                  "ipv4 or arp_eth_ipv4, any mask")                           \
    OFFLOAD_FIELD(ipv6_src, "IPv6 source", "ipv6, any mask")                  \
    OFFLOAD_FIELD(ipv6_dst, "IPv6 destination", "ipv6, any mask")             \
    OFFLOAD_FIELD(ipv6_label, "IPv6 flow label", "ipv6, any mask")            \
    OFFLOAD_FIELD(nw_frag, "fragments",                                       \
                  "ipv4 fragment_offset; ipv6 has_frag_ext, ipv6_frag_ext")   \
    OFFLOAD_FIELD(nw_tos, "TOS, traffic class", "ipv4 or ipv6, any mask")     \
    OFFLOAD_FIELD(nw_ttl, "TTL, hop limit", "ipv4 or ipv6, any mask")         \
    OFFLOAD_FIELD(nw_proto, "IP protocol, ARP operation",                     \
                  "ipv4 or arp_eth_ipv4 under any mask, ipv6 whole")          \
    OFFLOAD_FIELD(nd_target, "IPv6 ND target",                                \
                  "icmp6_nd_ns or icmp6_nd_na, any mask")                     \
    OFFLOAD_FIELD(arp_sha, "ARP sender and ND source hardware address",       \
                  "arp_eth_ipv4 or icmp6_nd_opt_sla_eth, any mask")           \
    OFFLOAD_FIELD(arp_tha, "ARP and ND target hardware address",              \
                  "arp_eth_ipv4 or icmp6_nd_opt_tla_eth, any mask")           \
    OFFLOAD_FIELD(tcp_flags, "TCP flags", "tcp flags and data_off, any mask") \
    OFFLOAD_FIELD(tp_src, "source port, ICMP type",                           \
                  "tcp, udp, sctp, icmp, icmp6, any mask")                    \
    OFFLOAD_FIELD(tp_dst, "destination port, ICMP code",                      \
                  "tcp, udp, sctp, icmp, icmp6, any mask")

/* Fields that can't be matched: OFFLOAD_NO_FIELD(FIELD, NAME, REFUSAL). */
#define OFFLOAD_NO_FIELDS                                                     \
    OFFLOAD_NO_FIELD(nsh, "network service header", MATCH_NSH)                \
    OFFLOAD_NO_FIELD(igmp_group_ip4, "IGMP group", MATCH_L4_OTHER)

/* Actions: OFFLOAD_ACTION(OVS_ACTION_ATTR, NAME, RTE_FLOW, REFUSAL). */
#define OFFLOAD_ACTIONS                                                       \
    OFFLOAD_ACTION(OUTPUT, "output",                                          \
                   "represented_port or port_id; any but the last in sample " \
                   "with ratio 1", NONE)                                      \
    OFFLOAD_ACTION(DROP, "drop", "drop", NONE)                                \
    OFFLOAD_ACTION(SET, "set", "see below", NONE)                             \
    OFFLOAD_ACTION(SET_MASKED, "set, masked", "see below", NONE)              \
    OFFLOAD_ACTION(PUSH_VLAN, "push_vlan",                                    \
                   "of_push_vlan, of_set_vlan_vid, of_set_vlan_pcp, up to "   \
                   "two tags", NONE)                                          \
    OFFLOAD_ACTION(POP_VLAN, "pop_vlan", "of_pop_vlan", NONE)                 \
    OFFLOAD_ACTION(PUSH_MPLS, "push_mpls",                                    \
                   "raw_decap of layer 2, raw_encap of it and the label; "    \
                   "for the addresses and tags of the packet that made the "  \
                   "megaflow", NONE)                                          \
    OFFLOAD_ACTION(POP_MPLS, "pop_mpls", "of_pop_mpls", NONE)                 \
    OFFLOAD_ACTION(TUNNEL_PUSH, "tnl_push of VXLAN, Geneve, GRE",             \
                   "vxlan_encap or raw_encap", NONE)                          \
    OFFLOAD_ACTION(TUNNEL_POP, "tnl_pop of VXLAN, Geneve, GRE",               \
                   "jump; then vxlan_decap or raw_decap", NONE)               \
    OFFLOAD_ACTION(RECIRC, "recirc", "jump, last in the list", NONE)          \
    OFFLOAD_ACTION(CLONE, "clone",                                            \
                   "sample with ratio 1: rewrites and one output; any last "  \
                   "in the list", NONE)                                       \
    OFFLOAD_ACTION(SAMPLE, "sample",                                          \
                   "sample, mark, port_representor: one in N to sFlow or "    \
                   "IPFIX", NONE)                                             \
    OFFLOAD_ACTION(USERSPACE, "userspace for sFlow and IPFIX",                \
                   "sample, mark, port_representor; others are refused",      \
                   NONE)                                                      \
    OFFLOAD_ACTION(METER, "meter", "meter, of one band (rte_mtr)", NONE)      \
    OFFLOAD_ACTION(CT_CLEAR, "ct_clear", "nothing to be done", NONE)          \
    OFFLOAD_ACTION(HASH, "hash", "", ACTION_HASH)                             \
    OFFLOAD_ACTION(CT, "ct", "", ACTION_CT)                                   \
    OFFLOAD_ACTION(TRUNC, "trunc", "", ACTION_TRUNC)                          \
    OFFLOAD_ACTION(CHECK_PKT_LEN, "check_pkt_len", "", ACTION_CHECK_PKT_LEN)  \
    OFFLOAD_ACTION(LB_OUTPUT, "lb_output", "", ACTION_LB_OUTPUT)              \
    OFFLOAD_ACTION(ADD_MPLS, "add_mpls", "", ACTION_ADD_MPLS)                 \
    OFFLOAD_ACTION(PUSH_ETH, "push_eth", "", ACTION_ETH)                      \
    OFFLOAD_ACTION(POP_ETH, "pop_eth", "", ACTION_ETH)                        \
    OFFLOAD_ACTION(PUSH_NSH, "push_nsh", "", ACTION_NSH)                      \
    OFFLOAD_ACTION(POP_NSH, "pop_nsh", "", ACTION_NSH)

/* Keys that are set: OFFLOAD_SET(OVS_KEY_ATTR, NAME, RTE_FLOW, REFUSAL). */
#define OFFLOAD_SETS                                                          \
    OFFLOAD_SET(ETHERNET, "set Ethernet addresses",                           \
                "set_mac_*; modify_field for a part", NONE)                   \
    OFFLOAD_SET(IPV4, "set IPv4 addresses, TOS, TTL",                         \
                "set_ipv4_*, set_ttl; modify_field for ECN and parts", NONE)  \
    OFFLOAD_SET(IPV6, "set IPv6 addresses, traffic class, hop limit",         \
                "set_ipv6_*, set_ttl; modify_field for ECN and parts; no "    \
                "flow label", NONE)                                           \
    OFFLOAD_SET(TCP, "set TCP ports",                                         \
                "set_tp_*; modify_field for a part", NONE)                    \
    OFFLOAD_SET(UDP, "set UDP ports",                                         \
                "set_tp_*; modify_field for a part", NONE)                    \
    OFFLOAD_SET(SCTP, "set SCTP ports", "", SET_SCTP)                         \
    OFFLOAD_SET(ICMP, "set ICMP type, code", "", SET_ICMP)                    \
    OFFLOAD_SET(ICMPV6, "set ICMPv6 type, code", "", SET_ICMP)                \
    OFFLOAD_SET(ARP, "set ARP fields", "", SET_ARP)                           \
    OFFLOAD_SET(ND, "set ND fields", "", SET_ND)                              \
    OFFLOAD_SET(ND_EXTENSIONS, "set ND options", "", SET_ND)                  \
    OFFLOAD_SET(MPLS, "set MPLS label",                                       \
                "raw_decap, raw_encap as push_mpls", NONE)                    \
    OFFLOAD_SET(NSH, "set network service header", "", SET_NSH)               \
    OFFLOAD_SET(TUNNEL, "set tunnel", "", SET_TUNNEL)                         \
    OFFLOAD_SET(TUNNEL_INFO, "set tunnel (kernel)", "", SET_TUNNEL)           \
    OFFLOAD_SET(PRIORITY, "set skb_priority", "", SET_METADATA)               \
    OFFLOAD_SET(SKB_MARK, "set skb_mark", "", SET_METADATA)                   \
    OFFLOAD_SET(DP_HASH, "set dp_hash", "", SET_METADATA)                     \
    OFFLOAD_SET(RECIRC_ID, "set recirc_id", "", SET_METADATA)                 \
    OFFLOAD_SET(CT_STATE, "set ct_state", "", SET_METADATA)                   \
    OFFLOAD_SET(CT_ZONE, "set ct_zone", "", SET_METADATA)                     \
    OFFLOAD_SET(CT_MARK, "set ct_mark", "", SET_METADATA)                     \
    OFFLOAD_SET(CT_LABELS, "set ct_label", "", SET_METADATA)                  \
    OFFLOAD_SET(CT_ORIG_TUPLE_IPV4, "set ct tuple", "", SET_METADATA)         \
    OFFLOAD_SET(CT_ORIG_TUPLE_IPV6, "set ct tuple of IPv6", "", SET_METADATA)

#endif /* offload-support.h */
