# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Frames, made and looked into by the tests.

The functions that make headers are put one before the other:

    ether(A, B, vlan(5, ipv4(TCP, tcp(b"payload"))))

Checksums of transport headers are what a guest leaves to its device, the
pseudo header's, unless fill() completes them.
"""

import socket
import struct

TCP = 6
UDP = 17
ICMP = 1
SCTP = 132

VLAN = 0x8100
IPV4 = 0x0800
IPV6 = 0x86dd

# MAC addresses and IP addresses of the guests A and B.
A = bytes.fromhex("020000000a01")
B = bytes.fromhex("020000000b01")
IPV4_A = socket.inet_aton("10.9.0.1")
IPV4_B = socket.inet_aton("10.9.0.2")
IPV6_A = socket.inet_pton(socket.AF_INET6, "fd09::1")
IPV6_B = socket.inet_pton(socket.AF_INET6, "fd09::2")

CSUM_OFS = {TCP: 16, UDP: 6}


def checksum(data, start=0):
    """The sum, not complemented, that IP's checksums are made of."""
    if len(data) % 2:
        data += b"\0"
    total = start + sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def ether(src, dst, packet):
    """'packet' is (type, bytes), as the other functions return it.  As on a
    wire, there are at least 60 bytes."""
    return (dst + src + struct.pack("!H", packet[0]) + packet[1]).ljust(
        60, b"\0")


def vlan(vid, packet, tpid=VLAN):
    return tpid, struct.pack("!HH", vid, packet[0]) + packet[1]


def with_pseudo_sum(proto, src, dst, payload):
    ofs = CSUM_OFS.get(proto)
    if ofs is None or len(payload) < ofs + 2:
        return payload
    pseudo = checksum(src + dst + struct.pack("!II", len(payload), proto))
    return payload[:ofs] + struct.pack("!H", pseudo) + payload[ofs + 2:]


def ipv4(proto, payload, frag=0, options=b"", total=None):
    payload = with_pseudo_sum(proto, IPV4_A, IPV4_B, payload)
    ihl = 5 + len(options) // 4
    if total is None:
        total = ihl * 4 + len(payload)
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, total & 0xffff, 1,
                         frag, 64, proto, 0, IPV4_A, IPV4_B) + options
    header = (header[:10] + struct.pack("!H", 0xffff ^ checksum(header))
              + header[12:])
    return IPV4, header + payload


def ipv6(proto, payload, extensions=b"", first=None):
    """'extensions' are bytes before 'payload', 'first' their type."""
    body = extensions + with_pseudo_sum(proto, IPV6_A, IPV6_B, payload)
    return IPV6, struct.pack("!IHBB16s16s", 6 << 28, len(body) & 0xffff,
                             proto if first is None else first, 64, IPV6_A,
                             IPV6_B) + body


def tcp(payload, sport=1000, dport=2000, seq=1, words=5):
    return struct.pack("!HHIIBBHHH", sport, dport, seq, 1, words << 4, 0x10,
                       1024, 0, 0) + payload


def udp(payload, sport=1000, dport=2000):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


class Parsed:
    """What a frame with an IPv4 or IPv6 header says."""

    def __init__(self, frame):
        self.vlans = []
        self.src, self.dst = frame[6:12], frame[:6]
        ofs = 12
        kind, = struct.unpack_from("!H", frame, ofs)
        ofs += 2
        while kind in (VLAN, 0x88a8):
            tci, kind = struct.unpack_from("!HH", frame, ofs)
            self.vlans.append(tci)
            ofs += 4
        self.type = kind
        self.l3 = ofs
        if kind == IPV4:
            ihl = (frame[ofs] & 15) * 4
            self.ip_ok = checksum(frame[ofs:ofs + ihl]) == 0xffff
            self.length, = struct.unpack_from("!H", frame, ofs + 2)
            self.id, = struct.unpack_from("!H", frame, ofs + 4)
            self.proto = frame[ofs + 9]
            addrs = frame[ofs + 12:ofs + 20]
            self.l4 = ofs + ihl
            end = ofs + self.length
        else:
            assert kind == IPV6, hex(kind)
            self.ip_ok = True
            length, self.proto = struct.unpack_from("!HB", frame, ofs + 4)
            addrs = frame[ofs + 8:ofs + 40]
            self.l4 = ofs + 40
            end = self.l4 + length
            while self.proto in (0, 43, 60) and self.l4 + 2 <= len(frame):
                self.proto = frame[self.l4]
                self.l4 += (frame[self.l4 + 1] + 1) * 8
        transport = frame[self.l4:end]
        self.complete = len(frame) >= end
        self.l4_ok = checksum(addrs + struct.pack("!II", len(transport),
                                                  self.proto)
                              + transport) == 0xffff
        if self.proto == TCP:
            self.seq, = struct.unpack_from("!I", transport, 4)
            self.payload = transport[(transport[12] >> 4) * 4:]
        elif self.proto == UDP:
            self.payload = transport[8:]


def csum_request(frame):
    """(csum_start, csum_offset) for a TCP or UDP frame."""
    parsed = Parsed(frame)
    return parsed.l4, CSUM_OFS[parsed.proto]


ARP = 0x0806


def arp_request(src, ip, target):
    """Who has 'target'?  Asked by the interface 'src' with the address 'ip'."""
    return ether(src, b"\xff" * 6,
                 (ARP, struct.pack("!HHBBH6s4s6s4s", 1, IPV4, 6, 4, 1, src,
                                   socket.inet_aton(ip), bytes(6),
                                   socket.inet_aton(target)) + bytes(18)))


def is_arp_reply(frame, dst):
    return (frame[:6] == dst and frame[12:14] == struct.pack("!H", ARP)
            and frame[20:22] == b"\0\2")
