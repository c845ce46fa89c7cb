#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""A collector of sFlow (version 5) and IPFIX, for one UDP port of 127.0.0.1.

    collector.py PORT FILE

Appends a line to FILE for each sample or flow record: its kind, then what
exporters number by themselves, " | ", and what the sampled packet determines.
Runs until it is killed.
"""

import socket
import struct
import sys

# Information elements of IPFIX, those that are printed.
ELEMENTS = {
    1: "octets", 2: "packets", 4: "proto", 7: "sport", 8: "src",
    10: "in", 11: "dport", 12: "dst", 14: "out", 61: "direction",
    82: "name", 132: "dropped-octets", 133: "dropped", 138: "point",
    352: "l2-octets", 56: "smac", 80: "dmac", 58: "vlan",
}
TEXTS = ("name",)
ADDRESSES = ("src", "dst")
BYTES = ("smac", "dmac")

# Records within a sample of sFlow.
SFLOW_HEADER, SFLOW_SWITCH = 1, 1001


class Reader:
    """Takes big-endian fields off a buffer."""

    def __init__(self, data):
        self.data = data

    def take(self, fmt):
        size = struct.calcsize("!" + fmt)
        values = struct.unpack("!" + fmt, self.data[:size])
        self.data = self.data[size:]
        return values if len(values) > 1 else values[0]

    def bytes(self, n):
        data, self.data = self.data[:n], self.data[n:]
        if len(data) < n:
            raise struct.error("cut short")
        return data


def sflow_record(tag, body):
    if tag == SFLOW_HEADER:
        protocol, length, stripped, n = body.take("IIII")
        return "header=%d/%d/%d/%s" % (protocol, length, stripped,
                                       body.bytes(n).hex())
    if tag == SFLOW_SWITCH:
        return "switch=%d/%d/%d/%d" % body.take("IIII")
    return "record-%d=%s" % (tag, body.data.hex())


def sflow(data):
    reader = Reader(data)
    version, family = reader.take("II")
    if version != 5 or family != 1:
        raise ValueError("not sFlow 5 of an IPv4 agent")
    agent = socket.inet_ntoa(reader.bytes(4))
    _, sequence, _, n = reader.take("IIII")
    for _ in range(n):
        tag, length = reader.take("II")
        sample = Reader(reader.bytes(length))
        if tag != 1:
            continue            # Counters of a port.
        number, source, rate, pool, drops, port_in, port_out, m = \
            sample.take("IIIIIIII")
        records = []
        for _ in range(m):
            kind, size = sample.take("II")
            records.append(sflow_record(kind, Reader(
                sample.bytes((size + 3) & ~3))))
        yield ("sflow datagram=%d number=%d pool=%d drops=%d | agent=%s"
               " source=%d rate=%d in=%d out=%d %s" % (
                   sequence, number, pool, drops, agent, source, rate,
                   port_in, port_out, " ".join(sorted(records))))


class Ipfix:
    def __init__(self):
        self.templates = {}     # (domain, id) -> [(element, length)].

    def learn(self, domain, body):
        while len(body.data) >= 4:
            number, n = body.take("HH")
            fields = []
            for _ in range(n):
                element, length = body.take("HH")
                if element & 0x8000:
                    body.take("I")
                    element = None
                fields.append((element, length))
            self.templates[domain, number] = fields

    def records(self, fields, body):
        least = sum(length if length != 0xffff else 1 for _, length in fields)
        while len(body.data) >= least:
            words = []
            for element, length in fields:
                if length == 0xffff:
                    length = body.take("B")
                    if length == 255:
                        length = body.take("H")
                value = body.bytes(length)
                name = ELEMENTS.get(element)
                if name in TEXTS:
                    words.append("%s=%s" % (name, value.rstrip(b"\0").decode()))
                elif name in ADDRESSES:
                    words.append("%s=%s" % (name, socket.inet_ntoa(value)))
                elif name in BYTES:
                    words.append("%s=%s" % (name, value.hex()))
                elif name:
                    words.append("%s=%d" % (name, int.from_bytes(value,
                                                                 "big")))
            yield " ".join(words)

    def parse(self, data):
        reader = Reader(data)
        version, _, _, sequence, domain = reader.take("HHIII")
        if version != 10:
            raise ValueError("not IPFIX")
        while len(reader.data) >= 4:
            number, length = reader.take("HH")
            body = Reader(reader.bytes(length - 4))
            if number == 2:
                self.learn(domain, body)
            elif (domain, number) in self.templates:
                for text in self.records(self.templates[domain, number],
                                         body):
                    if "packets=" in text:
                        yield "ipfix sequence=%d | domain=%d %s" % (
                            sequence, domain, text)


def main():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33),
                 1 << 22)
    s.bind(("127.0.0.1", int(sys.argv[1])))
    ipfix = Ipfix()
    with open(sys.argv[2], "a", encoding="ascii", buffering=1) as out:
        while True:
            data = s.recv(65536)
            parse = ipfix.parse if data[:2] == b"\0\x0a" else sflow
            try:
                for line in parse(data):
                    out.write(line + "\n")
            except (ValueError, struct.error) as error:
                out.write("malformed: %s: %s\n" % (error, data.hex()))


if __name__ == "__main__":
    main()
