#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""The other switch of an LACP bond, at one of its links.

    lacp_peer.py INTERFACE PORT

Sends a LACPDU twice a second, as port number PORT of one and the same switch,
until it is killed.  Its partner is whoever was heard last.
"""

import select
import socket
import struct
import sys
import time

SLOW_PROTOCOLS = 0x8809
GROUP = bytes.fromhex("0180c2000002")
SYSTEM = bytes.fromhex("020000009900")

# Active, short time-out, aggregatable, in sync, collecting, distributing.
STATE = 0x3f


def info(kind, system, port, state):
    """TLV of an actor or a partner, of key 1."""
    return struct.pack("!BBH6sHHHB3x", kind, 20, 1, system, 1, 1, port, state)


def lacpdu(port, partner):
    return (struct.pack("!BB", 1, 1) + info(1, SYSTEM, port, STATE) + partner
            + struct.pack("!BBH12x", 3, 16, 0) + bytes(52))


def main():
    interface, port = sys.argv[1], int(sys.argv[2])
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                      socket.htons(SLOW_PROTOCOLS))
    s.bind((interface, SLOW_PROTOCOLS))
    # Without this a NIC drops what is sent to the group.
    index = socket.if_nametoindex(interface)
    s.setsockopt(263, 1, struct.pack("iHH8s", index, 0, 6, GROUP))
    source = s.getsockname()[4]
    partner = info(2, bytes(6), 0, 0)
    due = 0
    while True:
        now = time.monotonic()
        if now >= due:
            frame = (GROUP + source + struct.pack("!H", SLOW_PROTOCOLS)
                     + lacpdu(port, partner))
            try:
                s.send(frame)
            except OSError:
                pass                # The link is down.
            due = now + .5
        if select.select([s], [], [], max(due - now, .01))[0]:
            try:
                frame = s.recv(2048)
            except OSError:
                continue            # The link went down.
            if frame[6:12] != source and frame[14:17] == b"\1\1\1":
                # The sender's own information, as that of the partner.
                partner = b"\2" + frame[17:36]


if __name__ == "__main__":
    main()
