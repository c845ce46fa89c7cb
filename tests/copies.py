#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Frames of which each copy is accounted for.

    copies.py send INTERFACE NAME COUNT [DST-MAC [MILLISECONDS]]
        Sends COUNT numbered IPv4 packets, of a protocol that nobody speaks,
        one each 2 (or MILLISECONDS) milliseconds.  They carry NAME.
    copies.py receive INTERFACE FILE
        Counts such packets until it is killed.  FILE has a line for each
        NAME: "NAME DIFFERENT TOTAL", where a packet that came twice counts
        once among DIFFERENT and twice in TOTAL.
    copies.py flows INTERFACE NAME COUNT N
        Sends as "send", but COUNT to each of N UDP ports.
"""

import os
import socket
import struct
import sys
import time

import frames

SIGN = b"dpdkvdpa copies:"
EXPERIMENT = 253
ANYONE = "02:00:00:00:00:99"
PACKET_OUTGOING = 4


def open_socket(interface, protocol=0):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                      socket.htons(protocol))
    s.bind((interface, protocol))
    return s


def payload(name, number):
    return SIGN + name.encode().ljust(16) + struct.pack("!I", number)


def transmit(s, frame):
    while True:
        try:
            s.send(frame)
            return
        except OSError:
            time.sleep(.001)        # No room.


def send(interface, name, count, dst=ANYONE, interval="2"):
    s = open_socket(interface)
    source = s.getsockname()[4]
    dst = bytes.fromhex(dst.replace(":", ""))
    for number in range(int(count)):
        transmit(s, frames.ether(source, dst, frames.ipv4(
            EXPERIMENT, payload(name, number))))
        time.sleep(int(interval) / 1000)


def flows(interface, name, count, n):
    s = open_socket(interface)
    source = s.getsockname()[4]
    dst = bytes.fromhex(ANYONE.replace(":", ""))
    for number in range(int(count)):
        for flow in range(int(n)):
            data = payload(name, number * int(n) + flow)
            # Without a checksum, as UDP allows.
            packet = frames.ipv4(EXPERIMENT, struct.pack(
                "!HHHH", 20000 + flow, 9, 8 + len(data), 0) + data)[1]
            packet = packet[:9] + bytes([frames.UDP, 0, 0]) + packet[12:]
            packet = (packet[:10] + struct.pack(
                "!H", 0xffff ^ frames.checksum(packet[:20])) + packet[12:])
            transmit(s, frames.ether(source, dst, (frames.IPV4, packet)))
        time.sleep(.002)


def receive(interface, file):
    s = open_socket(interface, 3)       # Of all protocols.
    s.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33),
                 1 << 22)
    # As a switch would: whatever address it is for.
    s.setsockopt(263, 1, struct.pack("iHH8x", socket.if_nametoindex(interface),
                                     1, 0))
    s.settimeout(.1)
    seen, totals = {}, {}
    changed = True
    told = 0
    while True:
        try:
            frame, address = s.recvfrom(9000)
            i = frame.find(SIGN)
            if i >= 0 and address[2] != PACKET_OUTGOING:
                i += len(SIGN)
                name = frame[i:i + 16].decode().strip()
                seen.setdefault(name, set()).add(frame[i + 16:i + 20])
                totals[name] = totals.get(name, 0) + 1
                changed = True
        except OSError:
            pass
        if changed and time.monotonic() > told + .1:
            told = time.monotonic()
            changed = False
            with open(file + ".new", "w", encoding="ascii") as out:
                out.writelines("%s %d %d\n" % (name, len(seen[name]), total)
                               for name, total in totals.items())
            os.rename(file + ".new", file)


if __name__ == "__main__":
    {"send": send, "flows": flows, "receive": receive}[sys.argv[1]](
        *sys.argv[2:])
