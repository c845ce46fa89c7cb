#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""Frames that guests' kernels do not send, for tests of offload.

    tunnel_ping.py vxlan IFACE COUNT VNI MAC
                                           pings 10.0.0.1 from 10.0.0.99, both
                                           within VXLAN from 172.31.0.2 to
                                           172.31.0.1 at MAC, and prints how
                                           many replies came back in VXLAN
    tunnel_ping.py gpe ...                 the same with VXLAN-GPE, Ethernet
                                           inside
    tunnel_ping.py mpls IFACE COUNT PORT   sends UDP packets from PORT, from
                                           10.0.0.1 to 10.0.0.2, behind a
                                           label
    tunnel_ping.py ports IFACE COUNT VNI   says "listening", and when COUNT UDP
                                           packets came in VXLAN the source
                                           ports, inner and outer, that they
                                           had
"""

import socket
import struct
import sys
import time

WIRE = bytes.fromhex("0200000000fe")
VM0 = bytes.fromhex("020000000001")
VM1 = bytes.fromhex("020000000002")
FAR = bytes.fromhex("020000000099")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(src, dst, proto, payload, ident=0):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident,
                         0, 64, proto, 0, socket.inet_aton(src),
                         socket.inet_aton(dst))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] \
        + payload


def udp(src, dst, payload):
    return struct.pack("!HHHH", src, dst, 8 + len(payload), 0) + payload


def echo(seq):
    message = struct.pack("!BBHHH", 8, 0, 0, 7, seq) + b"p" * 56
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


VXLAN_FLAGS, GPE_FLAGS = 0x08000000, 0x0c000003


def vxlan_request(switch, vni, seq, flags):
    inner = VM0 + FAR + b"\x08\0" + ipv4("10.0.0.99", "10.0.0.1", 1,
                                         echo(seq))
    header = struct.pack("!II", flags, vni << 8)
    return switch + WIRE + b"\x08\0" + ipv4(
        "172.31.0.2", "172.31.0.1", 17, udp(40000, 4789, header + inner))


def is_vxlan_reply(frame, vni, flags):
    """Tells whether FRAME is an echo reply in VXLAN, as Open vSwitch makes it."""
    return (len(frame) > 84 and frame[12:14] == b"\x08\0"
            and frame[23] == 17 and frame[36:38] == struct.pack("!H", 4789)
            and 32768 <= struct.unpack("!H", frame[34:36])[0] <= 61000
            and frame[42:50] == struct.pack("!II", flags, vni << 8)
            and checksum(frame[14:34]) == 0
            and frame[50:56] == FAR and frame[84] == 0)


def vxlan(sock, count, vni, switch, flags=VXLAN_FLAGS):
    replies = 0
    for seq in range(count):
        sock.send(vxlan_request(switch, vni, seq, flags))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                if is_vxlan_reply(sock.recv(2048), vni, flags):
                    replies += 1
                    break
            except socket.timeout:
                break
    print(replies)


def mpls(sock, count, port):
    for i in range(count):
        packet = ipv4("10.0.0.1", "10.0.0.2", 17,
                      udp(port, 2000, b"m" * 20), i)
        label = struct.pack("!I", (16 << 12) | (1 << 8) | 64)
        sock.send(VM1 + VM0 + b"\x88\x47" + label + packet)


def ports(sock, count, vni):
    print("listening", flush=True)
    seen = []
    while len(seen) < count:
        frame = sock.recv(2048)
        if (frame[12:14] == b"\x08\0" and frame[23] == 17
                and frame[36:38] == struct.pack("!H", 4789)
                and frame[42:50] == struct.pack("!II", 0x08000000, vni << 8)
                and frame[73] == 17):
            seen.append(struct.unpack("!H", frame[84:86])
                        + struct.unpack("!H", frame[34:36]))
    for pair in sorted(set(seen)):
        print("%d %d" % pair)


def main():
    kind, iface, count, number = sys.argv[1:5]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(3))
    sock.bind((iface, 0))
    if kind in ("vxlan", "gpe"):
        vxlan(sock, int(count), int(number),
              bytes.fromhex(sys.argv[5].replace(":", "")),
              VXLAN_FLAGS if kind == "vxlan" else GPE_FLAGS)
    elif kind == "ports":
        ports(sock, int(count), int(number))
    else:
        mpls(sock, int(count), int(number))


if __name__ == "__main__":
    main()
