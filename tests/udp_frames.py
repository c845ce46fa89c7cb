#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""UDP packets, built by hand, so that no guest's kernel has a say in them.

    udp_frames.py send IFACE COUNT GAP [NAME=VALUE]...
        Sends COUNT frames, GAP seconds apart.  NAME is src, dst (addresses of
        Ethernet; source and destination are vm0 and vm1 otherwise), sip, dip,
        sport, dport, label (an MPLS label in front of IP), vni (then the
        frame goes in VXLAN, from 172.31.0.2 to 172.31.0.1 at outer), outer;
        sports, dsts: how many source ports, and destinations of Ethernet, are
        taken in turn, from sport and dst on.
    udp_frames.py receive IFACE FILE
        Writes into FILE, again and again until SIGTERM, lines
        "DIP COUNT": how many came for each address."""

import collections
import os
import signal
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33         # Which Python does not name.

DEFAULTS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02",
            "sip": "10.0.0.1", "dip": "10.0.0.2", "sport": "1000",
            "dport": "5001", "sports": "1", "dsts": "1", "label": "",
            "vni": "", "outer": ""}


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ipv4(source, destination, sport, dport, payload):
    udp = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64,
                       17, 0, socket.inet_aton(source),
                       socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def frame(options, number):
    sport = int(options["sport"]) + number % int(options["sports"])
    packet = ipv4(options["sip"], options["dip"], sport,
                  int(options["dport"]), b"x" * 20)
    destination = bytearray(mac(options["dst"]))
    destination[5] += number % int(options["dsts"])
    ether = bytes(destination) + mac(options["src"])
    if options["label"]:
        packet = struct.pack("!HI", 0x8847, int(options["label"]) << 12
                             | 1 << 8 | 64) + packet
    else:
        packet = b"\x08\x00" + packet
    if not options["vni"]:
        return ether + packet
    vxlan = struct.pack("!II", 0x08000000, int(options["vni"]) << 8)
    return (mac(options["outer"]) + mac("02:00:00:00:00:fe") + b"\x08\x00"
            + ipv4("172.31.0.2", "172.31.0.1", 40000 + number % 16, 4789,
                   vxlan + ether + packet))


def send(s, count, gap, options):
    due = time.monotonic()
    for number in range(count):
        s.send(frame(options, number))
        due += gap
        time.sleep(max(0, due - time.monotonic()))


def receive(s, path):
    counts = collections.Counter()
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    s.settimeout(0.05)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    due = 0
    while not stop:
        if time.monotonic() >= due:
            with open(path + ".new", "w", encoding="ascii") as file:
                for key, count in sorted(counts.items()):
                    print(key, count, file=file)
            os.rename(path + ".new", path)
            due = time.monotonic() + 0.1
        try:
            packet, address = s.recvfrom(9999)
        except socket.timeout:
            continue
        if (packet[12:14] == b"\x08\x00" and packet[23] == 17
                and address[2] != socket.PACKET_OUTGOING):
            counts[socket.inet_ntoa(packet[30:34])] += 1


def main():
    command, interface = sys.argv[1:3]
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                      socket.htons(3 if command == "receive" else 0))
    s.bind((interface, 3 if command == "receive" else 0))
    if command == "receive":
        receive(s, sys.argv[3])
    else:
        options = dict(DEFAULTS)
        options.update(x.split("=", 1) for x in sys.argv[5:])
        send(s, int(sys.argv[3]), float(sys.argv[4]), options)


if __name__ == "__main__":
    main()
