#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""TCP streams of which each byte is checked, at both ends.

    streams.py serve PORT
    streams.py run ADDRESS PORT STREAM BYTES
    streams.py hold PID

"serve" sends back what it receives.  "run" sends BYTES of stream STREAM (1 to
255), and compares what comes back; STREAM says which bytes these are.  A
checksum says that a packet is what the last one who filled it in sent, and
that can be a NIC which sent something else: so nothing but the bytes counts.

"hold" stops a process for a while, again and again, until it is told to end.
"""

import os
import random
import select
import signal
import socket
import struct
import sys
import threading
import time

# No two pieces of any two streams are the same: a prime, so that no power of
# two of bytes is a period.
PERIOD = 1000003

# Without a byte for so long, in seconds, a stream is stuck.
PATIENCE = 45

CHUNK = 65536

# How long "hold" stops and lets run.
STOPPED = 0.03, 0.06
RUNNING = 0.01, 0.05


def pattern(stream):
    return random.Random(stream).randbytes(PERIOD)


class Check:
    """Compares a stream, as it comes, with what it has to be."""

    def __init__(self, stream):
        self.stream = stream
        self.pattern = pattern(stream)
        self.done = 0

    def feed(self, data):
        """Raises ValueError if 'data' is not what follows."""
        at = 0
        while at < len(data):
            ofs = self.done % PERIOD
            want = self.pattern[ofs:ofs + len(data) - at]
            got = data[at:at + len(want)]
            if got != want:
                n = next(i for i in range(len(want)) if got[i] != want[i])
                raise ValueError("stream %d: wrong from byte %d on: %s, not %s"
                                 % (self.stream, self.done + n,
                                    got[n:n + 16].hex(),
                                    want[n:n + 16].hex()))
            at += len(want)
            self.done += len(want)


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise EOFError("a stream without a number")
        data += more
    return data


def serve_one(sock):
    """The client sees the connection end early if what came was wrong."""
    with sock:
        try:
            check = Check(struct.unpack("!I", read_exactly(sock, 4))[0])
            while True:
                data = sock.recv(CHUNK)
                if not data:
                    break
                check.feed(data)
                sock.sendall(data)
        except (EOFError, OSError, ValueError) as error:
            print("server: %s" % error, flush=True)


def serve(port):
    with socket.socket(socket.AF_INET6) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", port))
        listener.listen(64)
        print("ready", flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve_one, args=(sock,),
                             daemon=True).start()


def run(address, port, stream, n_bytes):
    """Returns what is to be said in the end."""
    check = Check(stream)
    data = check.pattern + check.pattern[:CHUNK]
    sent = 0
    with socket.create_connection((address, port), PATIENCE) as sock:
        sock.sendall(struct.pack("!I", stream))
        sock.setblocking(False)
        while check.done < n_bytes:
            readable, writable, _ = select.select(
                [sock], [sock] if sent < n_bytes else [], [], PATIENCE)
            if readable:
                got = sock.recv(CHUNK)
                if not got:
                    raise ValueError("stream %d: ended after %d of %d bytes"
                                     % (stream, check.done, n_bytes))
                check.feed(got)
            if writable:
                ofs = sent % PERIOD
                n = min(CHUNK, n_bytes - sent)
                sent += sock.send(data[ofs:ofs + n])
            if not readable and not writable:
                raise ValueError("stream %d: stuck after %d of %d bytes"
                                 % (stream, check.done, n_bytes))
    return "stream %d: %d bytes, all right" % (stream, check.done)


def hold(pid):
    """SIGTERM ends this between two stops."""
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    chance = random.Random(1)
    print("ready", flush=True)
    while not end.is_set():
        os.kill(pid, signal.SIGSTOP)
        time.sleep(chance.uniform(*STOPPED))
        os.kill(pid, signal.SIGCONT)
        end.wait(chance.uniform(*RUNNING))


def main(argv):
    if argv[0] == "serve":
        serve(int(argv[1]))
    elif argv[0] == "hold":
        hold(int(argv[1]))
    else:
        try:
            print(run(argv[1], int(argv[2]), int(argv[3]), int(argv[4])))
        except (OSError, ValueError) as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
