#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Traffic of which every packet and byte is accounted for.

    traffic.py echo ADDRESS PORT
        Sends UDP packets back and serves, by TCP on the same port, what
        "fetch" asks for, until it is killed.  Address :: stands for all, of
        IPv4 too.
    traffic.py count ADDRESS PORT FILE
        Sends numbered packets to an "echo", one each 2 milliseconds but with
        64 unanswered at most, until SIGTERM.  Then waits for the answers that
        are missing, and prints, and writes into FILE,
        "sent N lost N late N doubled N".  Before, FILE has the number of
        answers.  Exits with 1 if one was lost, which is so after 15 seconds.
        ADDRESS may stand for several hosts: FILE.who has the number of the
        last packet that was sent, and for each host that answered its address
        and the number of the last packet that it answered.
    traffic.py pingpong ADDRESS PORT N
        N packets to an "echo", each sent when the last was answered; one that
        is not answered within a second is sent again.
    traffic.py flows ADDRESS PORT N
        A packet from each of N source ports to an "echo"; all must be
        answered, within 15 seconds.
    traffic.py stream ADDRESS PORT FILE
        Sends random bytes by TCP without end to what sends them back, and
        compares each, until SIGTERM; then waits for the rest, prints, and
        writes into FILE, "bytes N silence M ms": M is the longest time in
        which nothing came.  Before, FILE has the number of bytes that came
        back.  Exits with 1 if one was wrong or missing.
    traffic.py flood ADDRESS PORT BYTES
        Sends UDP packets of a mark and so many random bytes, as fast as they
        go, until it is killed.
    traffic.py compare FILE FILE
        Compares two images of a guest's memory, of which only the pages with
        packets of "flood" count: those that a device wrote to.  Exits with 1
        if one differs, or if there are none.
    traffic.py fetch ADDRESS PORT BYTES
        Sends that many random bytes to an "echo" by TCP and gets them back
        and compares their checksums.
"""

import hashlib
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

LOST_AFTER = 15
WINDOW = 64
FLOOD_MARK = b"dpdkvdpa flood: "


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp_socket(address):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return s


def receive_exactly(s, length, update):
    while length:
        data = s.recv(min(length, 1 << 18))
        if not data:
            raise EOFError("connection ended early")
        update(data)
        length -= len(data)


def serve_tcp(s):
    """Takes a length, then gives back as many bytes as it is, once all of
    them are there."""
    try:
        length, = struct.unpack("!Q", s.recv(8, socket.MSG_WAITALL))
        data = bytearray()
        receive_exactly(s, length, data.extend)
        s.sendall(data)
    finally:
        s.close()


def echo(address, port):
    udp = udp_socket(address)
    udp.bind((address, port))
    tcp = socket.socket(family(address))
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((address, port))
    tcp.listen()
    while True:
        for s in select.select([udp, tcp], [], [])[0]:
            if s is udp:
                data, peer = udp.recvfrom(65536)
                udp.sendto(data, peer)
            else:
                threading.Thread(target=serve_tcp, args=[tcp.accept()[0]],
                                 daemon=True).start()


def write_file(name, text):
    with open(name + ".new", "w") as f:
        f.write(text + "\n")
    os.rename(name + ".new", name)


def write_who(name, sent, who):
    write_file(name + ".who", "\n".join(
        ["sent %d" % (sent - 1)]
        + ["%s %d" % (peer, last) for peer, last in sorted(who.items())]))


def count(address, port, name):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    s = udp_socket(address)
    s.setblocking(False)
    pending = {}
    who = {}
    sent = late = answered = doubled = 0
    end = None
    while not stop or pending:
        now = time.monotonic()
        if not stop and len(pending) < WINDOW:
            try:
                s.sendto(struct.pack("!Q", sent), (address, port))
                pending[sent] = now
                sent += 1
            except OSError:
                pass                # No room, or no route yet.
        if stop and end is None:
            end = now + LOST_AFTER
        if end and now > end:
            break
        if select.select([s], [], [], 0.002)[0]:
            try:
                data, peer = s.recvfrom(100)
                number, = struct.unpack("!Q", data)
            except OSError:
                continue
            then = pending.pop(number, None)
            who[peer[0]] = max(number, who.get(peer[0], 0))
            if then:
                answered += 1
                late += time.monotonic() - then > 1
                if answered % 16 == 0:
                    write_who(name, sent, who)
                    write_file(name, str(answered))
            else:
                doubled += 1
            time.sleep(0.002)
        for number in [n for n, then in pending.items()
                       if now - then > LOST_AFTER]:
            # It stays counted as lost.
            del pending[number]
    text = "sent %d lost %d late %d doubled %d" % (sent, sent - answered,
                                                   late, doubled)
    write_who(name, sent, who)
    write_file(name, text)
    print(text)
    return sent != answered or not sent


def pingpong(address, port, n):
    s = udp_socket(address)
    s.connect((address, port))
    s.settimeout(1)
    again = 0
    for i in range(n):
        while True:
            s.send(struct.pack("!Q", i))
            try:
                if struct.unpack("!Q", s.recv(100)) == (i,):
                    break
            except OSError:
                again += 1
                if again > 20:
                    return 1
    return 0


def flows(address, port, n):
    end = time.monotonic() + LOST_AFTER
    sockets = set()
    for _ in range(n):
        s = udp_socket(address)
        s.connect((address, port))
        s.send(b"flow")
        sockets.add(s)
    while sockets and time.monotonic() < end:
        for s in select.select(list(sockets), [], [], 1)[0]:
            s.recv(100)
            sockets.remove(s)
    print("%d of %d flows answered" % (n - len(sockets), n))
    return bool(sockets)


def stream(address, port, name):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    # Bytes that are lost or doubled shift what comes after them.
    pattern = os.urandom(1000003)
    sent = received = 0
    silence = 0.0
    told = last = time.monotonic()
    s = socket.create_connection((address, port), 30)
    s.setblocking(False)
    while True:
        writing = [s] if not stop else []
        if stop and stop[0]:
            s.shutdown(socket.SHUT_WR)
            stop[0] = False
        readable, writable, _ = select.select([s], writing, [], 0.5)
        now = time.monotonic()
        if readable:
            data = s.recv(1 << 16)
            if not data:
                break
            silence = max(silence, now - last)
            last = now
            while data:
                at = received % len(pattern)
                part = data[:len(pattern) - at]
                if part != pattern[at:at + len(part)]:
                    print("byte %d or one soon after is wrong" % received)
                    return 1
                received += len(part)
                data = data[len(part):]
        elif now > last + 2 * LOST_AFTER:
            print("stalled after %d of %d bytes" % (received, sent))
            return 1
        if now > told + 0.1:
            told = now
            write_file(name, str(received))
        if writable and not stop:
            at = sent % len(pattern)
            sent += s.send(pattern[at:at + (1 << 16)])
    text = "bytes %d silence %d ms" % (received, silence * 1000)
    write_file(name, text)
    print(text)
    return sent != received or not sent


def flood(address, port, length):
    s = udp_socket(address)
    while True:
        try:
            s.sendto(FLOOD_MARK + os.urandom(length), (address, port))
        except OSError:
            pass                    # No room, or nobody there.


def compare(name_a, name_b):
    """Exits with 0 if what was flooded is the same in both."""
    flooded = different = 0
    with open(name_a, "rb") as file_a, open(name_b, "rb") as file_b:
        for page, data in enumerate(iter(lambda: file_a.read(4096), b"")):
            other = file_b.read(4096)
            if FLOOD_MARK in data or FLOOD_MARK in other:
                flooded += 1
                if data != other:
                    different += 1
                    print("page %d differs" % page)
    print("%d of %d pages with packets differ" % (different, flooded))
    return different or not flooded


def fetch(address, port, length):
    data = os.urandom(length)
    digest = hashlib.sha256()
    with socket.create_connection((address, port), 30) as s:
        s.sendall(struct.pack("!Q", length) + data)
        receive_exactly(s, length, digest.update)
    return digest.digest() != hashlib.sha256(data).digest()


def main():
    if sys.argv[1] == "compare":
        return compare(*sys.argv[2:])
    command, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rest = sys.argv[4:]
    if command == "echo":
        return echo(address, port)
    if command in ("count", "stream"):
        return {"count": count, "stream": stream}[command](address, port,
                                                           *rest)
    return {"pingpong": pingpong, "flows": flows, "flood": flood,
            "fetch": fetch}[command](address, port, int(rest[0]))


sys.exit(main())
