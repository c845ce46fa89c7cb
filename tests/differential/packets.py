# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Packets of the differential test.

A Packet has fields by name, as OpenFlow knows them, so that a rule's match can
be put into it or missed by one bit, and *defects*: ways in which real packets
are cut, broken or odd.  build() makes bytes of it.
"""

import copy
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                ".."))
from frames import checksum  # noqa: E402

IPV4, IPV6, ARP, RARP = 0x0800, 0x86dd, 0x0806, 0x8035
MPLS, MPLS_MC, VLAN, QINQ = 0x8847, 0x8848, 0x8100, 0x88a8
ICMP, IGMP, TCP, UDP, GRE, ICMP6, SCTP = 1, 2, 6, 17, 47, 58, 132

# In payloads, behind the number of the packet.
MARK = b"12345678"

# IPv6 extension headers that Open vSwitch looks behind, and others.
EXTENSIONS = (0, 43, 60, 51)
ODD_EXTENSIONS = (50, 59, 135, 139)

# Bits of each field that OpenFlow can match and set.
FIELDS = {
    "eth_dst": 48, "eth_src": 48, "vlan_tci": 16, "ip_src": 32, "ip_dst": 32,
    "ipv6_src": 128, "ipv6_dst": 128, "ipv6_label": 20, "tos": 8, "ttl": 8,
    "proto": 8, "tp_src": 16, "tp_dst": 16, "tcp_flags": 12, "icmp_type": 8,
    "icmp_code": 8, "arp_op": 8, "arp_spa": 32, "arp_tpa": 32, "arp_sha": 48,
    "arp_tha": 48, "mpls_label": 20, "mpls_tc": 3, "mpls_ttl": 8,
    "nd_target": 128, "nd_sll": 48, "nd_tll": 48, "tun_id": 24,
}


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


class Packet:
    """One frame.  'l3' is an EtherType; 'l4' follows from 'proto'."""

    def __init__(self, l3, proto=0):
        self.eth_dst = 0x020000000002
        self.eth_src = 0x020000000001
        self.tags = []              # Of (TPID, TCI), the outer first.
        self.l3 = l3
        self.ip_src = self.ip_dst = 0
        self.ipv6_src = self.ipv6_dst = self.ipv6_label = 0
        self.tos, self.ttl, self.proto = 0, 64, proto
        self.ip_id, self.frag = 1, 0        # 'frag' as in IPv4's header.
        self.options = b""
        self.extensions = []
        self.tp_src, self.tp_dst, self.tcp_flags = 1000, 2000, 0x10
        self.icmp_type = self.icmp_code = 0
        self.arp_op, self.arp_spa, self.arp_tpa = 1, 0, 0
        self.arp_sha = self.arp_tha = 0
        self.mpls = []              # Of [label, TC, TTL].
        self.nd_target, self.nd_sll, self.nd_tll = 0, None, None
        self.tunnel = None          # (kind, bytes before the inner frame)
        self.inner = None           # The frame in a tunnel.
        self.payload = b""
        self.defects = {}

    def copy(self):
        return copy.deepcopy(self)

    # VLAN's and MPLS's fields by OpenFlow's names.

    @property
    def vlan_tci(self):
        """As Open vSwitch has it: CFI set says that there is a tag."""
        return self.tags[0][1] & 0xefff | 0x1000 if self.tags else 0

    @vlan_tci.setter
    def vlan_tci(self, tci):
        if not tci & 0x1000:
            del self.tags[:1]
        elif self.tags:
            self.tags[0] = (self.tags[0][0], tci & 0xefff)
        else:
            self.tags.insert(0, (VLAN, tci & 0xefff))

    def get(self, field):
        if field.startswith("mpls_"):
            index = ("label", "tc", "ttl").index(field[5:])
            return self.mpls[0][index] if self.mpls else 0
        return getattr(self, field) or 0

    def set(self, field, value):
        if field.startswith("mpls_"):
            if self.mpls:
                index = ("label", "tc", "ttl").index(field[5:])
                self.mpls[0][index] = value
        else:
            setattr(self, field, value)

    # Bytes.

    def _pseudo(self, length):
        if self.l3_type() == IPV4:
            return (self.ip_src.to_bytes(4, "big")
                    + self.ip_dst.to_bytes(4, "big")
                    + struct.pack("!HH", self.proto, length))
        return (self.ipv6_src.to_bytes(16, "big")
                + self.ipv6_dst.to_bytes(16, "big")
                + struct.pack("!II", length, self.proto))

    def l3_type(self):
        """Layer 3 behind MPLS too."""
        if self.l3 in (MPLS, MPLS_MC):
            return self.defects.get("below_mpls", IPV4)
        return self.l3

    def _summed(self, segment, ofs):
        """'segment' with its Internet checksum at 'ofs', right or wrong."""
        total = checksum(self._pseudo(len(segment))
                         if (self.proto, self.l3_type()) != (ICMP, IPV4)
                         else b"")
        value = 0xffff ^ checksum(segment, total)
        if self.proto == UDP and not value:
            value = 0xffff
        if self.proto == UDP and "no_csum" in self.defects:
            value = 0
        elif "bad_l4_csum" in self.defects:
            value ^= self.defects["bad_l4_csum"]
        return segment[:ofs] + struct.pack("!H", value) + segment[ofs + 2:]

    def _nd_options(self):
        data = b""
        if self.nd_sll is not None:
            data += b"\x01\x01" + self.nd_sll.to_bytes(6, "big")
        if self.nd_tll is not None:
            data += b"\x02\x01" + self.nd_tll.to_bytes(6, "big")
        if "nd_option_len" in self.defects:
            data = data[:1] + bytes([self.defects["nd_option_len"]]) + data[2:]
        return data

    def build_l4(self):
        payload = self.payload
        if self.tunnel:
            payload = self.tunnel[1] + self.inner.build()
        if self.frag & 0x1fff:
            return payload
        if self.proto == TCP:
            words = self.defects.get("doff", 5)
            options = b"\x01" * (max(words - 5, 0) * 4)
            return self._summed(
                struct.pack("!HHIIHHHH", self.tp_src, self.tp_dst, 1, 1,
                            words << 12 | self.tcp_flags, 1024, 0, 0)
                + options + payload, 16)
        if self.proto == UDP:
            length = self.defects.get("udp_len", 0) + 8 + len(payload)
            return self._summed(
                struct.pack("!HHHH", self.tp_src, self.tp_dst,
                            length & 0xffff, 0) + payload, 6)
        if self.proto == SCTP:
            segment = struct.pack("!HHII", self.tp_src, self.tp_dst, 7,
                                  0) + payload
            crc = crc32c(segment) ^ self.defects.get("bad_l4_csum", 0)
            return segment[:8] + struct.pack("<I", crc) + segment[12:]
        if self.proto == ICMP:
            return self._summed(
                struct.pack("!BBHHH", self.icmp_type, self.icmp_code, 0, 3,
                            4) + payload, 2)
        if self.proto == ICMP6:
            if self.icmp_type in (135, 136):
                payload = (self.nd_target.to_bytes(16, "big")
                           + self._nd_options() + payload
                           * (len(self.payload) % 8 == 0))
            return self._summed(
                struct.pack("!BBHI", self.icmp_type, self.icmp_code, 0,
                            0) + payload, 2)
        if self.proto == IGMP:
            return struct.pack("!BBHI", self.icmp_type, self.icmp_code, 0,
                               0xe0000001) + payload
        return payload

    def build_ipv4(self):
        body = self.build_l4()
        ihl = 5 + len(self.options) // 4
        total = ihl * 4 + len(body) + self.defects.get("ip_len", 0)
        header = struct.pack(
            "!BBHHHBBHII", self.defects.get("version", 4) << 4
            | self.defects.get("ihl", ihl), self.tos, total & 0xffff,
            self.ip_id, self.frag, self.ttl, self.proto, 0, self.ip_src,
            self.ip_dst) + self.options
        value = (0xffff ^ checksum(header)) ^ self.defects.get("bad_ip_csum",
                                                               0)
        return header[:10] + struct.pack("!H", value) + header[12:] + body

    def build_ipv6(self):
        body = self.build_l4()
        kinds = list(self.extensions)
        if self.frag & 0x3fff:
            kinds.append(44)
        next_header = self.proto
        for kind in reversed(kinds):
            if kind == 44:
                word = (self.frag & 0x1fff) << 3 | (self.frag >> 13 & 1)
                ext = struct.pack("!BBHI", next_header, 0, word, 99)
            elif kind == 51:
                ext = struct.pack("!BBHIII", next_header, 2, 0, 5, 6, 7)
            elif kind == 43:
                ext = bytes([next_header, 0, 4, 0]) + bytes(4)
            else:
                # Options: a pad of six bytes.
                ext = bytes([next_header, 0, 1, 4, 0, 0, 0, 0])
            if "ext_len" in self.defects:
                ext = ext[:1] + bytes([self.defects["ext_len"]]) + ext[2:]
            body = ext + body
            next_header = kind
        length = len(body) + self.defects.get("ip_len", 0)
        return struct.pack(
            "!IHBB", self.defects.get("version", 6) << 28 | self.tos << 20
            | self.ipv6_label, length & 0xffff, next_header,
            self.ttl) + (self.ipv6_src.to_bytes(16, "big")
                         + self.ipv6_dst.to_bytes(16, "big")) + body

    def build_l3(self, l3):
        if l3 == IPV4:
            return self.build_ipv4()
        if l3 == IPV6:
            return self.build_ipv6()
        if l3 in (ARP, RARP):
            return struct.pack(
                "!HHBBH", self.defects.get("arp_hw", 1), 0x0800,
                self.defects.get("arp_hlen", 6), 4, self.arp_op) + (
                    self.arp_sha.to_bytes(6, "big")
                    + self.arp_spa.to_bytes(4, "big")
                    + self.arp_tha.to_bytes(6, "big")
                    + self.arp_tpa.to_bytes(4, "big")) + self.payload
        if l3 in (MPLS, MPLS_MC):
            stack = b""
            for i, (label, tc, ttl) in enumerate(self.mpls):
                last = i == len(self.mpls) - 1 and "no_bos" not in self.defects
                stack += struct.pack("!I", label << 12 | tc << 9 | last << 8
                                     | ttl)
            return stack + self.build_l3(self.l3_type())
        return self.payload

    def build(self):
        frame = (self.eth_dst.to_bytes(6, "big")
                 + self.eth_src.to_bytes(6, "big"))
        for tpid, tci in self.tags:
            frame += struct.pack("!HH", tpid, tci)
        if self.l3 < 1536:
            # IEEE 802.3: a length, and LLC with or without SNAP.
            body = self.defects.get("llc", b"\x42\x42\x03") + self.payload
            frame += struct.pack("!H", len(body)) + body
        else:
            frame += struct.pack("!H", self.l3) + self.build_l3(self.l3)
        frame += b"\0" * self.defects.get("pad", 0)
        if "cut" in self.defects:
            frame = frame[:max(self.defects["cut"], 14)]
        return frame


def has_addresses(frame):
    """Whether Open vSwitch finds addresses in 'frame', if that is of IP.  What
    is below MPLS labels may be read as anything."""
    ofs = 12
    while frame[ofs:ofs + 2] in (b"\x81\x00", b"\x88\xa8"):
        ofs += 4
    kind, l3 = frame[ofs:ofs + 2], frame[ofs + 2:]
    if kind in (b"\x88\x47", b"\x88\x48"):
        return False
    if kind == b"\x08\x00":
        ihl = (l3[0] & 15) * 4 if l3 else 0
        return (20 <= ihl <= len(l3)
                and ihl <= int.from_bytes(l3[2:4], "big") <= len(l3))
    if kind == b"\x86\xdd":
        return 40 + int.from_bytes(l3[4:6], "big") <= len(l3)
    return True


def spoil(packet, rnd):
    """Gives 'packet' a defect at an edge of what parsers have to know."""
    length = len(packet.build())
    headers = 14 + 4 * len(packet.tags)
    ways = ["cut", "pad", "pad", "odd", "odd", "big"]
    if packet.l3 in (IPV4, IPV6) or packet.mpls:
        ways += ["version", "ip_len", "ip_len", "frag", "cut_header",
                 "cut_header", "csum", "csum", "proto"]
    if packet.l3_type() == IPV4:
        ways += ["ip_csum", "options", "options", "ihl"]
    if packet.l3_type() == IPV6:
        ways += ["ext", "ext_len"]
    if packet.proto == UDP:
        ways += ["udp_len", "no_csum"]
    if packet.proto == TCP:
        ways += ["doff"]
    if packet.l3 in (ARP, RARP):
        ways += ["arp_hlen", "arp_hw", "arp_op", "cut_header"]
    if packet.nd_sll is not None or packet.nd_tll is not None:
        ways += ["nd_option_len"]
    if packet.tags:
        ways += ["dei", "dei", "tpid", "no_tag", "no_tag", "two_tags",
                 "cut_tag"]
    else:
        ways += ["tag", "two_tags", "tag_0"]
    if packet.mpls:
        ways += ["no_bos", "more_mpls"]
    way = rnd.choice(ways)
    defects = packet.defects
    if way == "cut":
        defects["cut"] = rnd.randint(14, max(length - 1, 14))
    elif way == "cut_header":
        sizes = (0, 1, 4, 8, 19, 20, 21, 23, 24, 27, 28, 32, 33, 39, 40, 41,
                 43, 44, 47, 48, 52, 59, 60, 61)
        defects["cut"] = headers + rnd.choice(sizes)
    elif way == "cut_tag":
        defects["cut"] = rnd.randint(14, headers)
    elif way == "pad":
        defects["pad"] = rnd.choice((1, 2, 3, 7, 46))
    elif way == "odd":
        packet.payload += b"x" * rnd.choice((1, 3, 13))
    elif way == "big":
        packet.payload += bytes(max(0, rnd.choice((1400, 1330)) - length))
    elif way == "version":
        defects["version"] = rnd.choice((0, 4, 5, 6, 15))
    elif way == "ip_len":
        defects["ip_len"] = rnd.choice((-1, 1, -8, 8, -9, -20, -21, 1000,
                                        -len(packet.payload), 65000))
    elif way == "frag":
        packet.frag = rnd.choice((0x2000, 0x2000, 1, 0x2001, 0x1fff, 0x4000,
                                  0x6000, 0x8000, 0x2000 | 100))
    elif way == "csum":
        defects["bad_l4_csum"] = rnd.choice((1, 0x8000, 0xffff, 0x0100))
    elif way == "proto":
        packet.proto = rnd.choice((ICMP, IGMP, TCP, UDP, 47, 50, ICMP6, 59,
                                   SCTP, 136, 255))
    elif way == "ip_csum":
        defects["bad_ip_csum"] = rnd.choice((1, 0x8000, 0xffff))
    elif way == "options":
        packet.options = b"\x01" * rnd.choice((4, 8, 12, 40))
    elif way == "ihl":
        defects["ihl"] = rnd.choice((0, 4, 6, 10, 15))
    elif way == "ext":
        kinds = EXTENSIONS + (ODD_EXTENSIONS if rnd.random() < .3 else ())
        packet.extensions = [rnd.choice(kinds)
                             for _ in range(rnd.choice((1, 1, 2, 3)))]
    elif way == "ext_len":
        packet.extensions = [rnd.choice(EXTENSIONS)]
        defects["ext_len"] = rnd.choice((1, 2, 40, 255))
    elif way == "udp_len":
        defects["udp_len"] = rnd.choice((-1, 1, 8, -8, -9, 500, 65527))
    elif way == "no_csum":
        defects["no_csum"] = True
    elif way == "doff":
        defects["doff"] = rnd.choice((0, 4, 6, 8, 15))
    elif way == "arp_hlen":
        defects["arp_hlen"] = rnd.choice((0, 5, 7))
    elif way == "arp_hw":
        defects["arp_hw"] = rnd.choice((0, 6, 0x100))
    elif way == "arp_op":
        packet.arp_op = rnd.choice((0, 3, 255, 256, 257, 0xff01))
    elif way == "nd_option_len":
        defects["nd_option_len"] = rnd.choice((0, 2, 255))
    elif way == "dei":
        packet.tags[0] = (packet.tags[0][0], packet.tags[0][1] ^ 0x1000)
    elif way == "tpid":
        packet.tags[0] = (rnd.choice((QINQ, 0x9100)), packet.tags[0][1])
    elif way == "no_tag":
        packet.tags = []
    elif way == "tag":
        packet.tags = [(rnd.choice((VLAN, QINQ)), rnd.randrange(65536))]
    elif way == "tag_0":
        packet.tags = [(VLAN, rnd.choice((0, 0x2000, 0x1000)))]
    elif way == "two_tags":
        packet.tags = packet.tags[:1] or [(QINQ, rnd.randrange(4096))]
        packet.tags.append((rnd.choice((VLAN, VLAN, QINQ)),
                            rnd.randrange(65536)))
    elif way == "no_bos":
        defects["no_bos"] = True
    elif way == "more_mpls":
        packet.mpls.append([rnd.randrange(1 << 20), 0, 9])
    return way
