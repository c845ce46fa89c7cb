/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The hardware interface of nicsim.
 * =================================
 *
 * What a driver and the device share, and nothing else.  The device is the
 * process nicsimd; a driver is any process that loaded librte_net_nicsim.so,
 * and nicsimctl, which only asks.  Everything here has a fixed size and no
 * pointers: the two sides run in different address spaces and trust each
 * other no more than a host and a card do.
 *
 * Concepts
 * --------
 *
 * - A *vport* is a port of the embedded switch (eSwitch): the uplink, or one
 *   virtual function (VF).
 *
 * - A *function* is what a driver opens: the PF (the uplink's ethdev), the
 *   representor of a VF, or the VF itself.  A function has up to
 *   NICSIM_MAX_QUEUES queue pairs.  It belongs to one host at a time.
 *
 * - A VF is opened in one of two roles: as *ethdev*, with descriptor rings and
 *   a BAR (NICSIM_FN_OPEN), or as *vDPA device* (NICSIM_VDPA_OPEN), which
 *   serves the virtio rings of a guest; see "vDPA" below.
 *
 * - A *host* is one connection to the device, normally one process.  It
 *   brings its memory (the device does DMA into it) and opens functions.
 *   When the connection ends, its functions are reset and, if it had the PF,
 *   all rules go.
 *
 * - The *BAR* of a function is a piece of memory made by the device and
 *   mapped by the driver: ring indexes and link state.
 *
 * - *Windows* are what the device may reach of the host's memory: address
 *   ranges of the host, populated page by page with file descriptors.  An
 *   address in a descriptor is a virtual address of the host; one outside the
 *   populated part of a window is a DMA fault, which is counted and costs that
 *   packet only.
 *
 * Control goes over a SOCK_SEQPACKET Unix socket: one message per packet,
 * each request is answered by one reply of the same 'type' and 'seq', with
 * 'status' 0 or a positive errno, and 'text' saying why not.  File descriptors
 * travel as SCM_RIGHTS.  A host may have one request under way at a time.
 *
 * Packets go over descriptor rings in the host's memory, one producer and one
 * consumer each.  'tail' counts the descriptors that the driver has handed
 * over since the queue was set up, 'head' those that the device is done with;
 * both run freely modulo 2**32, and a descriptor's slot is its count modulo
 * the ring's size, a power of 2.  The producer of an index fills descriptors
 * first and stores the index with release semantics; the reader loads it with
 * acquire semantics.
 *
 * Multi-byte fields that mirror packet contents (struct nicsim_key, struct
 * nicsim_tunnel) are in network byte order; all others in the machine's. */

#ifndef NICSIM_HW_H
#define NICSIM_HW_H 1

#include <stdint.h>

#define NICSIM_MAGIC       0x6e696373   /* "nics". */
#define NICSIM_HW_VERSION  4

#define NICSIM_MAX_VFS     64
#define NICSIM_MAX_QUEUES  16           /* Queue pairs of one function. */
#define NICSIM_MIN_DESC    64
#define NICSIM_MAX_DESC    4096         /* Per ring, a power of 2. */
#define NICSIM_MAX_MTU     9000         /* Of the IP packet. */
#define NICSIM_MIN_MTU     68
#define NICSIM_MAX_TSO     65535        /* Bytes of a frame to segment. */
#define NICSIM_MAX_TX_SEGS 64           /* Descriptors of one frame. */
#define NICSIM_RSS_KEY     40           /* Bytes of a Toeplitz key. */
#define NICSIM_RETA_SIZE   128          /* Entries, a power of 2. */
#define NICSIM_MAX_ACTIONS 64           /* Of one rule. */
#define NICSIM_RULE_DATA   1024         /* Bytes of headers to push in it. */
#define NICSIM_MAX_ENCAP   192          /* Bytes of one such header. */
#define NICSIM_MAX_L2      26           /* Bytes that DECAP takes of layer 2:
                                         * Ethernet, two tags, a label. */
#define NICSIM_MAX_JUMPS   16           /* Of one packet, then it goes. */
#define NICSIM_N_TAGS      4            /* Registers of a packet. */
#define NICSIM_GENEVE_OPTS 64           /* Bytes of options in a key. */
#define NICSIM_MAX_METERS  4096
#define NICSIM_MAX_WINDOWS 32           /* Of one host. */
#define NICSIM_MAX_MAPS    32           /* Of one NICSIM_MEM_MAP. */
#define NICSIM_MAX_GROUP   0xffff
#define NICSIM_MAX_PRIO    0xffff
#define NICSIM_TEXT_LEN    128
#define NICSIM_PERIOD_ANY  UINT32_MAX
#define NICSIM_NAME_LEN    64

/* Functions and vports.
 *
 * A function's number holds its kind and, but for the PF, the VF's index. */

enum nicsim_fn_kind {
    NICSIM_FN_PF  = 0,
    NICSIM_FN_REP = 1,
    NICSIM_FN_VF  = 2,
};

#define NICSIM_FN(KIND, INDEX)  ((uint32_t) (((KIND) << 8) | (INDEX)))
#define NICSIM_FN_KIND(FN)      ((enum nicsim_fn_kind) ((FN) >> 8))
#define NICSIM_FN_INDEX(FN)     ((FN) & 0xff)

#define NICSIM_VPORT_UPLINK     0
#define NICSIM_VPORT_VF(INDEX)  ((uint32_t) (INDEX) + 1)

/* BAR. */

/* Registers of one ring.  The two indexes are in cache lines of their own,
 * since each has one writer and the other side polls it. */
struct nicsim_ring_regs {
    uint32_t tail;                      /* Written by the driver. */
    uint32_t pad0[15];
    uint32_t head;                      /* Written by the device. */
    uint32_t pad1[15];
};

/* A driver that has moved any TX 'tail' makes that visible (full barrier),
 * then reads 'kick_wanted': if it is nonzero, the device may sleep, and the
 * driver swaps it for 0 and writes 1 to the function's doorbell eventfd, so
 * that one ring is enough until the device wants to sleep again.  The device
 * sets 'kick_wanted', full barrier, and looks at all rings once more before it
 * sleeps. */
struct nicsim_bar {
    uint32_t kick_wanted;               /* Set by the device, see above. */
    uint32_t link_up;                   /* Written by the device: 0 or 1. */
    uint32_t link_speed;                /* Mbit/s. */
    uint32_t pad[13];
    struct nicsim_ring_regs tx[NICSIM_MAX_QUEUES];
    struct nicsim_ring_regs rx[NICSIM_MAX_QUEUES];
};

/* Descriptors. */

/* Flags of a TX descriptor.  All but EOP and the address and length count on
 * the first descriptor of a frame only. */
#define NICSIM_TX_EOP        (1 << 0)   /* Last descriptor of the frame. */
#define NICSIM_TX_IPV4_CSUM  (1 << 1)   /* Fill the IPv4 header checksum. */
#define NICSIM_TX_TCP_CSUM   (1 << 2)   /* Fill the TCP checksum ... */
#define NICSIM_TX_UDP_CSUM   (1 << 3)   /* ... or the UDP checksum. */
#define NICSIM_TX_SCTP_CSUM  (1 << 4)   /* ... or SCTP's CRC32c. */
#define NICSIM_TX_TSO        (1 << 5)   /* Cut into TCP segments of 'mss'. */
#define NICSIM_TX_IPV6       (1 << 6)   /* Layer 3 is IPv6, else IPv4. */
#define NICSIM_TX_VLAN       (1 << 7)   /* Insert 'vlan_tci' (TPID 0x8100). */

struct nicsim_tx_desc {
    uint64_t addr;                      /* Host virtual address. */
    uint32_t len;                       /* Bytes at 'addr', not 0. */
    uint16_t flags;                     /* NICSIM_TX_*. */
    uint16_t mss;                       /* TCP payload of a segment. */
    uint16_t l2_len;                    /* Offset of layer 3. */
    uint16_t l3_len;                    /* Bytes of layer 3. */
    uint16_t l4_len;                    /* Bytes of the TCP header (TSO). */
    uint16_t vlan_tci;
    uint64_t reserved;
};

/* Flags of an RX descriptor, written by the device. */
#define NICSIM_RX_EOP        (1 << 0)   /* Last descriptor of the frame. */
#define NICSIM_RX_HASH       (1 << 1)   /* 'hash' is valid. */
#define NICSIM_RX_MARK       (1 << 2)   /* 'mark' is valid. */
#define NICSIM_RX_IP_GOOD    (1 << 3)   /* IPv4 header checksum is right ... */
#define NICSIM_RX_IP_BAD     (1 << 4)   /* ... or wrong, else unknown. */
#define NICSIM_RX_L4_GOOD    (1 << 5)   /* L4 checksum is right ... */
#define NICSIM_RX_L4_BAD     (1 << 6)   /* ... or wrong, else unknown. */
#define NICSIM_RX_ERROR      (1 << 7)   /* Nothing was written (DMA fault):
                                         * the buffer comes back, with EOP
                                         * and 'len' 0. */
#define NICSIM_RX_META       (1 << 8)   /* 'meta' is valid. */

/* The driver fills 'addr' and 'len' (room).  The device overwrites 'len' with
 * the bytes it wrote and fills the rest: 'flags' in each descriptor, the
 * others in the first of a frame. */
struct nicsim_rx_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;                     /* NICSIM_RX_*. */
    uint16_t in_vport;                  /* Where the frame entered. */
    uint32_t hash;                      /* Toeplitz. */
    uint32_t mark;                      /* Of a rule's MARK action. */
    uint32_t frame_len;                 /* Bytes of the whole frame. */
    uint32_t meta;                      /* Of a rule's SET_META action. */
};

/* Rules.
 *
 * A rule is in a group; a packet from the wire or from a VF starts in group 0
 * and goes to the rule of the lowest 'priority' number (0 first, as rte_flow)
 * whose every masked key bit is equal.  Two matching rules of one priority:
 * any of them.  The same key, mask, group and priority twice is EEXIST.
 *
 * What matches no rule of the group that it has come to goes to software as it
 * is then, with its mark and its meta word. */

/* What the parser found in a packet: bits of nicsim_key.present.  A rule asks
 * for a header by putting its bit in key and mask, for its absence by putting
 * it in the mask only. */
#define NICSIM_P_VLAN        (1u << 0)  /* A tag, TPID 0x8100 or 0x88a8. */
#define NICSIM_P_VLAN2       (1u << 1)  /* A second tag. */
#define NICSIM_P_IPV4        (1u << 2)
#define NICSIM_P_IPV6        (1u << 3)
#define NICSIM_P_FRAG        (1u << 4)  /* IPv4 or IPv6 fragment, any part. */
#define NICSIM_P_LATER_FRAG  (1u << 5)  /* Fragment offset not 0. */
#define NICSIM_P_TCP         (1u << 6)  /* The whole header, no later frag, */
#define NICSIM_P_UDP         (1u << 7)  /* and for IPv6 no extension header. */
#define NICSIM_P_SCTP        (1u << 8)
#define NICSIM_P_ICMP        (1u << 9)
#define NICSIM_P_ICMP6       (1u << 10)
#define NICSIM_P_IP_OPTIONS  (1u << 11) /* IPv4 header longer than 20 bytes. */
/* IPv6 extension headers that are there. */
#define NICSIM_P_EXT_HOP     (1u << 12)
#define NICSIM_P_EXT_ROUTE   (1u << 13)
#define NICSIM_P_EXT_FRAG    (1u << 14)
#define NICSIM_P_EXT_AUTH    (1u << 15)
#define NICSIM_P_EXT_ESP     (1u << 16)
#define NICSIM_P_EXT_DEST    (1u << 17)
#define NICSIM_P_EXT_MOBIL   (1u << 18)
#define NICSIM_P_EXT_HIP     (1u << 19)
#define NICSIM_P_EXT_SHIM6   (1u << 20)
/* The headers that the EtherType and protocol announce were all there and
 * sound (version, lengths); a packet without this bit matches on Ethernet and
 * VLAN only, since none of the bits of the broken layer and above are set. */
#define NICSIM_P_SOUND       (1u << 21)
#define NICSIM_P_MPLS        (1u << 22) /* EtherType 0x8847 or 0x8848. */
#define NICSIM_P_ARP         (1u << 23) /* ARP for IPv4 over Ethernet. */
#define NICSIM_P_ND          (1u << 24) /* Neighbor solicitation or
                                         * advertisement with its target. */
#define NICSIM_P_UDP_CSUM    (1u << 25) /* UDP with a checksum, not 0. */
/* Outer headers only, and for IP only. */
#define NICSIM_P_IP_OK       (1u << 26) /* No wrong IPv4 header checksum. */
#define NICSIM_P_L4_OK       (1u << 27) /* No wrong layer-4 checksum, that is
                                         * a right one or none. */

/* What the packet carries beside its bytes, all in host order.  All words are
 * 0 when it comes in. */
struct nicsim_meta {
    uint32_t mark;                      /* Set by MARK: shown to software. */
    uint32_t meta;                      /* Set by rules: shown to software. */
    uint32_t tags[NICSIM_N_TAGS];       /* Set by rules. */
    uint16_t vport;                     /* NICSIM_VPORT_*: it came from. */
    uint16_t pad[3];
};

/* One stack of headers. */
struct nicsim_key {
    uint32_t present;                   /* NICSIM_P_*, host order. */
    uint16_t eth_type;                  /* Behind all parsed tags. */
    uint16_t ip_frag;                   /* IPv4: flags and fragment offset.
                                         * IPv6: fragment header's word. */
    uint8_t  eth_dst[6];
    uint8_t  eth_src[6];
    uint16_t vlan_tpid, vlan_tci;       /* Outer tag. */
    uint16_t vlan2_tpid, vlan2_tci;     /* Inner tag. */
    uint8_t  ip_proto;                  /* IPv4 protocol; IPv6: the fixed
                                         * header's next header. */
    uint8_t  ip_tos;                    /* TOS or traffic class. */
    uint8_t  ip_ttl;                    /* TTL or hop limit. */
    uint8_t  ip6_frag_next;             /* Of the fragment header. */
    uint16_t tcp_flags;                 /* Low 12 bits. */
    uint8_t  icmp_type, icmp_code;      /* ICMP, ICMPv6. */
    uint32_t ip6_label;                 /* Flow label, low 20 bits. */
    uint8_t  ip_src[16];                /* IPv4 in the first 4 bytes, where */
    uint8_t  ip_dst[16];                /* ARP has its two addresses, too. */
    uint16_t l4_src, l4_dst;            /* Ports of TCP, UDP, SCTP. */
    uint32_t mpls;                      /* First label stack entry. */
    uint8_t  arp_sha[6], arp_tha[6];    /* ARP's hardware addresses; ND's link
                                         * layer address options. */
    uint16_t arp_oper;
    uint16_t pad;
    uint8_t  nd_target[16];
};

/* How a packet is wrapped.  UDP tunnels are known by their destination port,
 * which the parser learns from rules: as long as there is one that matches a
 * tunnel of some type behind a port, the port stands for this type. */
enum nicsim_tunnel_type {
    NICSIM_TUNNEL_NONE,
    NICSIM_TUNNEL_VXLAN,
    NICSIM_TUNNEL_VXLAN_GPE,
    NICSIM_TUNNEL_GENEVE,
    NICSIM_TUNNEL_GRE,                  /* Version 0, without routing. */
};

/* The tunnel's own header.  It counts as there only if its whole, and an
 * Ethernet header behind it, are. */
struct nicsim_tunnel {
    uint8_t  type;                      /* enum nicsim_tunnel_type. */
    uint8_t  pad[7];
    uint8_t  header[8];                 /* As it is; GRE: 4 bytes, and the
                                         * key or 0. */
    uint8_t  options[NICSIM_GENEVE_OPTS];       /* Geneve's, as they are. */
};

/* What a rule matches, and a mask for it. */
struct nicsim_match {
    struct nicsim_meta meta;
    struct nicsim_key outer;
    struct nicsim_tunnel tunnel;
    struct nicsim_key inner;            /* In the tunnel. */
};

/* The rte_flow items a rule was made of, so that the device can refuse one by
 * name (nicsimd --refuse-item). */
#define NICSIM_ITEM_PORT      (1u << 0) /* represented_port. */
#define NICSIM_ITEM_ETH       (1u << 1)
#define NICSIM_ITEM_VLAN      (1u << 2)
#define NICSIM_ITEM_IPV4      (1u << 3)
#define NICSIM_ITEM_IPV6      (1u << 4)
#define NICSIM_ITEM_TCP       (1u << 5)
#define NICSIM_ITEM_UDP       (1u << 6)
#define NICSIM_ITEM_SCTP      (1u << 7)
#define NICSIM_ITEM_ICMP      (1u << 8)
#define NICSIM_ITEM_ICMP6     (1u << 9)
#define NICSIM_ITEM_IPV6_FRAG (1u << 10)
#define NICSIM_ITEM_MARK      (1u << 11)
#define NICSIM_ITEM_META      (1u << 12)
#define NICSIM_ITEM_TAG       (1u << 13)
#define NICSIM_ITEM_PORT_ID   (1u << 14)
#define NICSIM_ITEM_ARP       (1u << 15)
#define NICSIM_ITEM_MPLS      (1u << 16)
#define NICSIM_ITEM_ND_NS     (1u << 17)
#define NICSIM_ITEM_ND_NA     (1u << 18)
#define NICSIM_ITEM_ND_SLA    (1u << 19)
#define NICSIM_ITEM_ND_TLA    (1u << 20)
#define NICSIM_ITEM_INTEGRITY (1u << 21)
#define NICSIM_ITEM_VXLAN     (1u << 22)
#define NICSIM_ITEM_VXLAN_GPE (1u << 23)
#define NICSIM_ITEM_GENEVE    (1u << 24)
#define NICSIM_ITEM_GENEVE_OPT (1u << 25)
#define NICSIM_ITEM_GRE       (1u << 26)
#define NICSIM_ITEM_GRE_KEY   (1u << 27)
#define NICSIM_ITEM_LAST      NICSIM_ITEM_GRE_KEY

enum nicsim_action_type {
    NICSIM_ACT_COUNT = 1,
    NICSIM_ACT_DROP,
    NICSIM_ACT_OUTPUT,                  /* 'arg': vport: to the VF or wire. */
    NICSIM_ACT_TO_SOFTWARE,             /* 'arg': vport: to its representor's
                                         * or the PF's ethdev. */
    NICSIM_ACT_JUMP,                    /* 'arg': another group. */
    NICSIM_ACT_MARK,                    /* 'arg'. */
    NICSIM_ACT_SET_FIELD,               /* 'field', 'value', 'mask'; 'arg':
                                         * NICSIM_P_* that have to be there
                                         * beside what the field needs. */
    NICSIM_ACT_DEC_TTL,                 /* A packet whose TTL would become 0
                                         * goes to software unchanged. */
    NICSIM_ACT_POP_VLAN,
    NICSIM_ACT_PUSH_VLAN,               /* 'arg': TPID, host order. */
    NICSIM_ACT_SET_VLAN_VID,            /* 'arg', host order. */
    NICSIM_ACT_SET_VLAN_PCP,            /* 'arg'. */
    NICSIM_ACT_SAMPLE,                  /* A copy of one in 'arg' packets goes
                                         * through the next 'field' actions,
                                         * the original passes over them. */
    NICSIM_ACT_DECAP,                   /* All up to the inner headers, or
                                         * layer 2, see below.  'arg': so many
                                         * bytes, or 0. */
    NICSIM_ACT_ENCAP,                   /* 'field' bytes at 'arg' of the
                                         * rule's data in front. */
    NICSIM_ACT_METER,                   /* 'arg': a meter. */
    NICSIM_ACT_POP_MPLS,                /* 'arg': EtherType, host order. */
};

/* By which of several rte_flow actions one was asked for, so that the device
 * can refuse one by name (nicsimd --refuse-action). */
enum nicsim_form {
    NICSIM_FORM_PLAIN,                  /* represented_port, set_*, raw_*. */
    NICSIM_FORM_PORT_ID,
    NICSIM_FORM_MODIFY_FIELD,
    NICSIM_FORM_VXLAN,                  /* vxlan_encap, vxlan_decap. */
};

enum nicsim_field {
    NICSIM_F_ETH_DST = 1,
    NICSIM_F_ETH_SRC,
    NICSIM_F_IPV4_SRC,
    NICSIM_F_IPV4_DST,
    NICSIM_F_IPV6_SRC,
    NICSIM_F_IPV6_DST,
    NICSIM_F_IP_TTL,                    /* IPv4 TTL, IPv6 hop limit. */
    NICSIM_F_IPV4_DSCP,                 /* 'value' is the DSCP, 0..63. */
    NICSIM_F_IPV6_DSCP,
    NICSIM_F_TP_SRC,                    /* TCP or UDP. */
    NICSIM_F_TP_DST,
    NICSIM_F_IPV4_ECN,                  /* 'value' is 0..3. */
    NICSIM_F_IPV6_ECN,
    NICSIM_F_VLAN_VID,                  /* 'value' is 2 bytes, 0..4095. */
    NICSIM_F_META,                      /* 4 bytes, as all that follow. */
    NICSIM_F_TAG,                       /* The first; the others follow. */
    NICSIM_N_FIELDS = NICSIM_F_TAG + NICSIM_N_TAGS
};

/* A rewrite of a header that the packet does not have, or that the rule's
 * match does not guarantee, is refused when the rule is made.  The device
 * mends all checksums that a rewrite touches, incrementally, so that a wrong
 * one stays wrong; a UDP checksum of 0 stays 0.
 *
 * ENCAP puts an Ethernet, IPv4 or IPv6, and UDP or GRE header in front, with
 * what else there is in the data, and fills in: the IP length and the IPv4
 * header's checksum; UDP's length, its checksum unless that is 0 in the data,
 * and its source port if that is 0 in the data; GRE's checksum if there is
 * one.  The source port is 32768 + (28232 * hash >> 32), the hash being the
 * one that the packet as it came in would have brought to its representor or
 * the PF, or 0.
 *
 * DECAP of at most NICSIM_MAX_L2 bytes takes Ethernet with all tags away, or
 * these and the first label of MPLS.  ENCAP comes directly behind, with
 * Ethernet, up to two tags and one label, which go in front of what is
 * left. */
struct nicsim_action {
    uint16_t type;                      /* enum nicsim_action_type. */
    uint16_t field;                     /* enum nicsim_field. */
    uint32_t arg;
    uint8_t  value[16];                 /* Network byte order. */
    uint8_t  mask[16];                  /* SET_FIELD: bits to change. */
    uint32_t form;                      /* enum nicsim_form. */
    uint32_t pad;
};

/* The last action is DROP, OUTPUT, TO_SOFTWARE or JUMP, and only the last; so
 * is the last one of those that belong to a SAMPLE. */
struct nicsim_rule {
    uint32_t group;
    uint32_t priority;
    uint32_t items;                     /* NICSIM_ITEM_*. */
    uint32_t n_actions;
    uint32_t data_len;
    uint32_t pad;
    struct nicsim_match key;            /* No bit outside 'mask'. */
    struct nicsim_match mask;
    struct nicsim_action actions[NICSIM_MAX_ACTIONS];
    uint8_t data[NICSIM_RULE_DATA];
};

/* Meters: token buckets, as in RFC 2697 (one rate, two bursts) or 2698 (two
 * rates), color-blind.  Red packets are dropped; yellow ones, if 'drop_yellow'
 * says so. */
struct nicsim_meter {
    uint32_t id;                        /* 1 to NICSIM_MAX_METERS, chosen by
                                         * the device. */
    uint32_t two_rates;
    uint32_t in_packets;                /* Rates and bursts are in packets,
                                         * else in bytes of frames. */
    uint32_t drop_yellow;
    uint64_t cir, cbs;                  /* Committed, per second. */
    uint64_t pir;                       /* Peak, with 'two_rates'. */
    uint64_t ebs;                       /* Excess or peak burst. */
};

/* Counters.  Packets and bytes of Ethernet frames without FCS. */

struct nicsim_counter {
    uint64_t packets;
    uint64_t bytes;
};

/* As the function's driver sees it: 'rx' is from device to driver. */
struct nicsim_fn_stats {
    struct nicsim_counter rx, tx;
    uint64_t rx_missed;                 /* No descriptor to put it in. */
    uint64_t rx_errors;                 /* Longer than the MTU allows, also
                                         * those that rules would have taken
                                         * elsewhere, or a DMA fault. */
    uint64_t tx_errors;                 /* DMA faults, descriptors that make
                                         * no sense. */
    struct nicsim_counter rxq[NICSIM_MAX_QUEUES];
    struct nicsim_counter txq[NICSIM_MAX_QUEUES];
};

/* What the eSwitch did with the frames that entered at a vport. */
struct nicsim_vport_stats {
    struct nicsim_counter in;           /* All that entered by this vport. */
    struct nicsim_counter by_rule;      /* Of these, those that rules sent on
                                         * to a vport or dropped. */
    struct nicsim_counter to_software;  /* Of these, misses and TO_SOFTWARE,
                                         * also of frames that went elsewhere
                                         * too, but not copies by SAMPLE. */
    struct nicsim_counter out;          /* Delivered to this vport by rules or
                                         * by its representor. */
    uint64_t out_dropped;               /* The same, but the VF had no room or
                                         * no driver, or the wire no room, or
                                         * it was ... */
    uint64_t out_too_long;              /* ... longer than the MTU allows that
                                         * the PF or representor has. */
};

/* Messages. */

enum nicsim_msg_type {
    NICSIM_HELLO = 1,       /* Reply: nicsim_hello, fd: the event socket. */
    NICSIM_MEM_WINDOW,
    NICSIM_MEM_MAP,         /* One fd per region. */
    NICSIM_MEM_UNMAP,
    NICSIM_FN_OPEN,         /* Reply: nicsim_fn_info; fds: BAR, doorbell. */
    NICSIM_FN_CLOSE,
    NICSIM_FN_CONFIG,
    NICSIM_RING_SETUP,
    NICSIM_FN_START,        /* From now on the device touches the rings. */
    NICSIM_FN_STOP,         /* From the reply on it does not. */
    NICSIM_FN_STATS,        /* Reply: nicsim_fn_stats. */
    NICSIM_FN_STATS_RESET,
    NICSIM_RULE_VALIDATE,
    NICSIM_RULE_CREATE,
    NICSIM_RULE_DESTROY,
    NICSIM_RULE_QUERY,
    NICSIM_RULE_FLUSH,      /* Those made through 'fn'. */
    NICSIM_METER_CREATE,
    NICSIM_METER_UPDATE,    /* Buckets keep what they have. */
    NICSIM_METER_DESTROY,   /* EBUSY while rules use it. */
    NICSIM_METER_QUERY,     /* Reply: counters by color. */
    NICSIM_CTL_INFO,        /* nicsimctl's: allowed to every connection. */
    NICSIM_CTL_RULES,
    NICSIM_CTL_VPORT,
    NICSIM_CTL_VDPA,
    NICSIM_CTL_VDPA_QUEUE,

    NICSIM_VDPA_OPEN = 32,  /* Reply: nicsim_vdpa_info. */
    NICSIM_VDPA_CLOSE,      /* Stops it first. */
    NICSIM_VDPA_MEM,        /* One fd per region. */
    NICSIM_VDPA_LOG,        /* One fd, or none: logging ends. */
    NICSIM_VDPA_RING,       /* Up to two fds. */
    NICSIM_VDPA_ENABLE,
    NICSIM_VDPA_START,      /* From now on the device touches the rings. */
    NICSIM_VDPA_STOP,       /* From the reply on it does not. */
    NICSIM_VDPA_QUEUE,      /* Reply: nicsim_vdpa_queue. */
};

struct nicsim_hello {
    uint32_t magic;
    uint32_t version;
    uint32_t pid;                       /* Of the host; for messages. */
    char     program[NICSIM_NAME_LEN];
    /* Reply. */
    uint32_t n_vfs;
    uint32_t n_queues;                  /* Queue pairs per function. */
    uint16_t switch_domain;             /* The same for all functions. */
    uint16_t pad;
    char     name[NICSIM_NAME_LEN];     /* Of the NIC. */
    uint32_t counter_period;            /* The driver shows counters of rules
                                         * this old, in milliseconds; or
                                         * NICSIM_PERIOD_ANY. */
    char     personality[NICSIM_TEXT_LEN];      /* Of drivers that were not
                                                 * told another one. */
};

/* A range of host addresses that may be populated later.  Windows must not
 * overlap.  'page_size' is the granularity of maps, a power of 2.  'len' 0
 * takes the window 'id' and all that is mapped in it away. */
struct nicsim_mem_window {
    uint32_t id;                        /* Below NICSIM_MAX_WINDOWS. */
    uint32_t pad;
    uint64_t base;
    uint64_t len;
    uint64_t page_size;
};

struct nicsim_mem_map {
    uint32_t window;
    uint32_t n;                         /* Regions; as many fds for MAP. */
    struct {
        uint64_t offset;                /* In the window. */
        uint64_t len;
        uint64_t fd_offset;
    } regions[NICSIM_MAX_MAPS];
};

struct nicsim_fn_info {
    uint32_t fn;                        /* Request. */
    /* Reply. */
    uint32_t n_queues;
    uint32_t max_mtu;
    uint32_t bar_len;                   /* Bytes to map. */
    uint8_t  mac[6];                    /* Permanent address. */
    uint8_t  keeps_rules;               /* 1 if rules that are made through it
                                         * outlast NICSIM_FN_STOP. */
    uint8_t  pad;
};

/* What of nicsim_fn_config is to be set. */
#define NICSIM_CFG_MAC     (1 << 0)
#define NICSIM_CFG_MTU     (1 << 1)
#define NICSIM_CFG_RSS     (1 << 2)     /* 'rss_types', 'rss_key'. */
#define NICSIM_CFG_RETA    (1 << 3)
#define NICSIM_CFG_PROMISC (1 << 4)     /* A VF that is not promiscuous gets
                                         * its own, multicast and broadcast
                                         * addresses only; PF and
                                         * representors get all they are
                                         * sent, whatever this says. */

/* Header combinations to hash; otherwise queue reta[0] and no hash. */
#define NICSIM_RSS_IP      (1 << 0)
#define NICSIM_RSS_TCP     (1 << 1)
#define NICSIM_RSS_UDP     (1 << 2)
#define NICSIM_RSS_SCTP    (1 << 3)

struct nicsim_fn_config {
    uint32_t fn;
    uint32_t what;                      /* NICSIM_CFG_*. */
    uint8_t  mac[6];
    uint8_t  promisc;
    uint8_t  pad;
    uint32_t mtu;
    uint32_t rss_types;                 /* NICSIM_RSS_*. */
    uint8_t  rss_key[NICSIM_RSS_KEY];
    uint8_t  reta[NICSIM_RETA_SIZE];    /* Queue numbers. */
};

/* Only while the function is stopped.  Indexes start at 0 again at every
 * NICSIM_FN_START.  'n_desc' 0 takes the ring away. */
struct nicsim_ring_setup {
    uint32_t fn;
    uint16_t queue;
    uint16_t is_tx;
    uint64_t ring;                      /* Host virtual address of n_desc
                                         * descriptors, contiguous. */
    uint32_t n_desc;
    uint32_t pad;
};

/* vDPA.
 *
 * A VF that is open as vDPA device serves the virtio rings (virtqueues) of a
 * virtio-net device itself, split or packed: it reads and writes the guest's
 * memory, takes its doorbells (kick) and interrupts it (call).  Virtqueue 2*i
 * is the guest's receive queue of queue pair 'i', 2*i + 1 its transmit queue.
 * The control queue is the hypervisor's.
 *
 * All addresses are guest-physical.  The order is: OPEN, MEM, RING for each
 * virtqueue that is set up, ENABLE, START.  RING and ENABLE may also come
 * while the device is started: a ring runs when it was set up, is enabled and
 * the device is started, whichever comes last.  MEM needs the device stopped,
 * RING with NICSIM_VRING_SETUP needs that ring stopped or disabled.
 *
 * The device never keeps buffers from one burst to the next: between two
 * messages, and so at STOP, CLOSE and when the connection ends, all that it
 * took from a ring has been given back there, and the ring's available and
 * used positions are the same.  Nothing is lost or doubled if another device
 * goes on where this one stopped:
 *
 * - Split: the used index in the ring is the truth.  A ring is started there,
 *   whatever position RING gave (that they differ is logged).
 *
 * - Packed: the descriptors' flags show the position, and RING's is asked
 *   only where they allow two (a hypervisor can't know the position when its
 *   back end has died).  So that they do not, the device sets one of two flags
 *   in each used descriptor, where drivers ignore them: NEXT if the chain has
 *   more slots behind that one, INDIRECT if not.
 *
 * With a dirty log, the device sets the bit of each 4 KiB page of guest memory
 * that it writes, buffers and rings alike, before the guest can see that the
 * buffer was used.  (Bit 'page % 8' of byte 'page / 8', as vhost has it.)
 *
 * A guest that breaks its ring's rules costs itself a packet or a queue.  An
 * error that can be passed over is counted in nicsim_vdpa_queue.errors; after
 * one that can't the queue is stopped, for which NICSIM_EV_VDPA_QUEUE is sent,
 * until the device is stopped and started, or the ring is set up, again. */

#define NICSIM_MAX_VQS     (2 * NICSIM_MAX_QUEUES)
#define NICSIM_MAX_CHAIN   1024         /* Slots of one chain in the ring. */
#define NICSIM_MAX_VQ_SIZE 32768

/* Errors of a virtqueue.  Those up to NICSIM_VQ_LAST_PASSED cost a packet, the
 * others stop the queue. */
enum nicsim_vq_error {
    NICSIM_VQ_OK,                       /* None. */
    NICSIM_VQ_NO_BUFFER,                /* Receive: the guest gave no (big
                                         * enough) buffer: dropped. */
    NICSIM_VQ_BAD_ADDRESS,              /* Outside the guest's memory. */
    NICSIM_VQ_BAD_LENGTH,               /* A piece of 0 bytes, a buffer too
                                         * short for header and frame, a frame
                                         * that is too long. */
    NICSIM_VQ_BAD_DIRECTION,            /* Device-writable where it is to be
                                         * read, or the other way round. */
    NICSIM_VQ_BAD_HEADER,               /* A virtio-net header that makes no
                                         * sense: offsets beyond the frame, a
                                         * kind of GSO not negotiated ... */
    NICSIM_VQ_TOO_MANY,                 /* More than NICSIM_MAX_TX_SEGS
                                         * pieces. */
    NICSIM_VQ_LAST_PASSED = NICSIM_VQ_TOO_MANY,
    NICSIM_VQ_BAD_INDEX,                /* Available index (split) jumped by
                                         * more than the ring's size, or it
                                         * names a descriptor that is not. */
    NICSIM_VQ_BAD_CHAIN,                /* A loop, or longer than the ring or
                                         * NICSIM_MAX_CHAIN, or it ends in
                                         * nothing. */
    NICSIM_VQ_BAD_INDIRECT,             /* A table of odd size, in a table, or
                                         * not negotiated. */
    NICSIM_VQ_BAD_WRAP,                 /* Packed: flags that no driver that
                                         * counts its wraps can set. */
    NICSIM_VQ_MEMORY_GONE,              /* The ring's or a buffer's memory was
                                         * taken away (file truncated). */
    NICSIM_VQ_N_ERRORS
};

struct nicsim_vdpa_info {
    uint32_t fn;                        /* Request: a VF.  OPEN, CLOSE. */
    /* Reply of OPEN. */
    uint32_t n_queues;                  /* Queue pairs. */
    uint64_t features;                  /* Bits of virtio and virtio-net, and
                                         * VHOST_F_LOG_ALL. */
    uint32_t max_vq_size;
    uint32_t max_mtu;
    uint8_t  mac[6];                    /* Permanent address. */
    uint8_t  pad[2];
};

/* The guest's memory, in place of what was there.  The device maps the files
 * as a whole page of theirs (be it huge), so offsets and lengths may be any
 * multiples of 4096.  0 regions take all away. */
struct nicsim_vdpa_mem {
    uint32_t fn;
    uint32_t n;                         /* Regions; as many fds. */
    struct {
        uint64_t guest_phys;
        uint64_t len;
        uint64_t fd_offset;
    } regions[NICSIM_MAX_WINDOWS];
};

/* The dirty log, at any time, also while packets flow.  'fd_offset' and 'len'
 * are in bytes and may be any. */
struct nicsim_vdpa_log {
    uint32_t fn;
    uint32_t pad;
    uint64_t fd_offset;
    uint64_t len;
};

/* What nicsim_vdpa_ring has. */
#define NICSIM_VRING_SETUP    (1 << 0)  /* Size, addresses and position. */
#define NICSIM_VRING_SET_KICK (1 << 1)  /* A new kick fd, or none if ... */
#define NICSIM_VRING_KICK     (1 << 2)  /* ... this bit is not set. */
#define NICSIM_VRING_SET_CALL (1 << 3)  /* The same for the call fd. */
#define NICSIM_VRING_CALL     (1 << 4)

/* One virtqueue.  The kick fd comes first, if both come.  Both must be
 * eventfds, which become non-blocking.  A ring of the guest's transmit side
 * without kick fd is polled.  'size' 0 takes the ring away. */
struct nicsim_vdpa_ring {
    uint32_t fn;
    uint16_t queue;                     /* Virtqueue. */
    uint16_t flags;                     /* NICSIM_VRING_*. */
    uint16_t size;                      /* Descriptors.  Split: a power of
                                         * 2. */
    uint16_t avail_idx, used_idx;       /* Positions as VHOST_SET_VRING_BASE
                                         * has them.  Packed: bit 15 is the
                                         * wrap counter. */
    uint16_t pad;
    uint64_t desc;                      /* Descriptor table or ring. */
    uint64_t avail;                     /* Packed: driver event area. */
    uint64_t used;                      /* Packed: device event area. */
};

struct nicsim_vdpa_enable {
    uint32_t fn;
    uint16_t queue;                     /* Virtqueue. */
    uint16_t on;
};

/* START and STOP. */
struct nicsim_vdpa_state {
    uint32_t fn;
    uint32_t pad;
    uint64_t features;                  /* START: negotiated. */
    struct {                            /* Reply: positions, 0 for a ring that
                                         * is not set up. */
        uint16_t avail_idx, used_idx;
    } vqs[NICSIM_MAX_VQS];
};

enum nicsim_vq_state {
    NICSIM_VQ_ABSENT,                   /* Not set up. */
    NICSIM_VQ_OFF,                      /* Disabled, or device stopped. */
    NICSIM_VQ_RUNNING,
    NICSIM_VQ_BROKEN,                   /* By its guest: 'why' says how. */
};

struct nicsim_vdpa_queue {
    uint32_t fn;                        /* Request.  For NICSIM_CTL_VDPA_QUEUE
                                         * a vport. */
    uint16_t queue;                     /* Virtqueue. */
    uint16_t reset;                     /* Counters to 0 afterwards. */
    /* Reply. */
    uint16_t size;
    uint16_t avail_idx, used_idx;
    uint8_t  state;                     /* enum nicsim_vq_state. */
    uint8_t  why;                       /* enum nicsim_vq_error. */
    uint8_t  enabled;
    uint8_t  pad[7];
    struct nicsim_counter done;         /* Frames, without virtio-net
                                         * headers. */
    uint64_t kicks;                     /* Doorbells taken. */
    uint64_t calls;                     /* Interrupts sent. */
    uint64_t joined;                    /* Of the frames, segments that became
                                         * part of the one before. */
    uint64_t descs;                     /* Descriptors read. */
    uint64_t errors[NICSIM_VQ_N_ERRORS];
};

/* A VF's vDPA side, for nicsimctl. */
struct nicsim_ctl_vdpa {
    uint32_t vport;                     /* Request. */
    /* Reply. */
    uint32_t open;                      /* As vDPA device. */
    uint32_t started;
    uint32_t logging;                   /* There is a dirty log. */
    uint32_t n_regions;
    uint32_t n_pairs;                   /* That receive. */
    uint64_t memory;                    /* Bytes of the guest. */
    uint64_t features;                  /* Negotiated, if started. */
};

/* Which part of a rule was refused. */
enum nicsim_culprit {
    NICSIM_CULPRIT_NONE,                /* The rule as such: EEXIST, ENOSPC. */
    NICSIM_CULPRIT_ATTR,
    NICSIM_CULPRIT_ITEM,                /* 'culprit_arg': NICSIM_ITEM_*. */
    NICSIM_CULPRIT_ACTION,              /* 'culprit_arg': its index. */
};

struct nicsim_rule_op {
    uint32_t fn;                        /* A function of this host. */
    uint32_t reset;                     /* QUERY: counter to 0 afterwards. */
    uint64_t id;                        /* DESTROY, QUERY; reply of CREATE. */
    struct nicsim_counter counter;      /* Reply of QUERY. */
    uint32_t culprit;                   /* Reply: enum nicsim_culprit. */
    uint32_t culprit_arg;
    struct nicsim_rule rule;            /* VALIDATE, CREATE. */
};

struct nicsim_meter_op {
    uint32_t fn;                        /* A function of this host. */
    uint32_t reset;                     /* QUERY: counters to 0 afterwards. */
    struct nicsim_meter meter;
    struct nicsim_counter colors[3];    /* Reply: green, yellow, red. */
};

/* Rules in the order of their ids, those above 'after', one per message;
 * ENOENT when there is none. */
struct nicsim_ctl_rule {
    uint64_t after;
    uint64_t id;                        /* Reply, and all that follows. */
    uint32_t fn;                        /* By which it was made. */
    uint32_t pad;
    struct nicsim_counter counter;
    struct nicsim_rule rule;
};

struct nicsim_ctl_info {
    char     name[NICSIM_NAME_LEN];
    char     wire[NICSIM_NAME_LEN];     /* Its vdev string, or "". */
    uint32_t n_vfs;
    uint32_t n_queues;
    uint32_t pid;
    uint32_t wire_up;
    uint64_t n_rules;
    uint64_t max_rules;
    uint64_t n_masks;                   /* Different masks in use. */
    uint64_t rule_ops;                  /* Creations and destructions. */
    uint64_t rules_refused;
    uint64_t dma_faults;
    uint64_t jumps_exceeded;            /* Packets that were dropped since
                                         * they jumped, or were copied, too
                                         * often. */
};

struct nicsim_ctl_vport {
    uint32_t vport;                     /* Request. */
    /* Reply.  Two functions face a VF's vport: [0] the representor (the PF
     * for the uplink), [1] the VF (nothing for the uplink). */
    struct {
        uint32_t open;                  /* 1: a driver has it ... */
        uint32_t started;
        uint32_t pid;                   /* ... of this process. */
        uint32_t mtu;
        uint32_t n_rxq, n_txq;          /* Rings that are set up; of a vDPA
                                         * device those that run. */
        uint8_t  mac[6];
        uint8_t  vdpa;                  /* 1: open as vDPA device. */
        uint8_t  pad[1];
        char     program[NICSIM_NAME_LEN];
        struct nicsim_fn_stats stats;
    } fn[2];
    struct nicsim_vport_stats stats;
    struct nicsim_counter wire_rx, wire_tx;     /* Uplink only. */
    uint64_t wire_tx_dropped;
};

struct nicsim_msg {
    uint32_t type;                      /* enum nicsim_msg_type. */
    uint32_t seq;                       /* Chosen by the asker. */
    uint32_t status;                    /* Reply: 0 or a positive errno. */
    uint32_t len;                       /* Bytes of the whole message. */
    char     text[NICSIM_TEXT_LEN];     /* Reply: why not, for a person. */
    union {
        struct nicsim_hello hello;
        struct nicsim_mem_window window;
        struct nicsim_mem_map map;
        struct nicsim_fn_info fn_info;  /* OPEN; CLOSE, START, STOP: 'fn'. */
        struct nicsim_fn_config config;
        struct nicsim_ring_setup ring;
        struct {
            uint32_t fn;
            uint32_t pad;
            struct nicsim_fn_stats stats;
            struct nicsim_vport_stats vport;    /* That it faces or is, since
                                                 * the function was opened. */
        } stats;
        struct nicsim_rule_op rule;
        struct nicsim_meter_op meter;
        struct nicsim_ctl_rule ctl_rule;
        struct nicsim_ctl_info ctl_info;
        struct nicsim_ctl_vport ctl_vport;
        struct nicsim_ctl_vdpa ctl_vdpa;
        struct nicsim_vdpa_info vdpa_info;
        struct nicsim_vdpa_mem vdpa_mem;
        struct nicsim_vdpa_log vdpa_log;
        struct nicsim_vdpa_ring vdpa_ring;
        struct nicsim_vdpa_enable vdpa_enable;
        struct nicsim_vdpa_state vdpa_state;
        struct nicsim_vdpa_queue vdpa_queue;
    };
};

/* Events, which the device sends unasked over the event socket that came with
 * the reply to NICSIM_HELLO (SOCK_SEQPACKET).  The device's death is that
 * socket's hang-up. */
enum nicsim_event_type {
    NICSIM_EV_LINK = 1,                 /* BAR's link_up changed. */
    NICSIM_EV_VDPA_QUEUE,               /* 'queue' was stopped since its guest
                                         * broke it: 'why'. */
};

struct nicsim_event {
    uint32_t type;                      /* enum nicsim_event_type. */
    uint32_t fn;
    uint16_t queue;                     /* Virtqueue. */
    uint16_t why;                       /* enum nicsim_vq_error. */
    uint32_t pad;
};

#endif /* nicsim/hw.h */
