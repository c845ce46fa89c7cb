# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""What guest-faults.at has guests and hypervisors do that they should not."""

import json
import mmap
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import time

from frames import *
from vhost_guest import *


def ask(guest, target="10.0.0.1", ip="10.0.0.77"):
    """Has 'guest' ask the network for 'target', and waits for the answer: its
    port works in both directions."""
    def look():
        guest.send(arp_request(A, ip, target))
        end = time.monotonic() + 1
        while time.monotonic() < end:
            for pair in range(guest.pairs):
                packet = guest.try_receive(pair)
                if packet and is_arp_reply(packet[1], A):
                    return True
        return False

    wait(look, "the network answers")


def connect_and_ask(guest):
    """A port whose guest was refused tries hardware again when that guest has
    gone, which ends a connection that has just begun: this connects until one
    lasts, as hypervisors do."""
    def look():
        try:
            guest.connect()
            ask(guest)
            return True
        except (TimeoutError, Disconnected, OSError, AssertionError,
                struct.error) as error:
            print("connects again:", error)
            guest.disconnect()
            return False

    if not look() and not look():
        guest.connect()
        ask(guest)


def statistics(port):
    text = subprocess.check_output(["ovs-ofctl", "-O", "OpenFlow14",
                                    "dump-ports", "br0", port], text=True)
    return {key.strip(): int(value) for key, value in
            re.findall(r"([\w ]+)=(\d+)", text.split("CUSTOM", 1)[1])}


def errors(port):
    """What the port counted of its guest's faults: software, or hardware."""
    return sum(value for key, value in statistics(port).items()
               if re.match(r"VM_.x_errors|VF_tx_errors|Errors queue_", key))


def to_guest(port, mode):
    """Packets that the NIC had for the guest of 'port', named "vdpaI": the
    relay has tried to put those there, or the NIC has."""
    if mode == "sw":
        return statistics(port)["VF_rx_packets"]
    stats = json.loads(subprocess.check_output(["nicsimctl", "--json",
                                                "stats"]))
    vport, = (v for v in stats["vports"] if v["name"] == "vf" + port[4:])
    return vport["out"]["packets"] + vport["out_dropped"]


# A handshake that is not completed, or not as it should be.

class Cut(Exception):
    """The hypervisor goes in the middle of the handshake."""


class Clumsy(Guest):
    """A guest whose hypervisor makes 'mistake', a function of this class' name
    and the request, at the request number 'at' of the handshake."""

    def reset(self, mistake, at):
        self.mistake = mistake
        self.at = at
        self.n = 0
        self.held = None

    def request(self, request, payload=b"", fds=(), reply=False):
        n = self.n
        self.n += 1
        message = (request, payload, fds, reply)
        if self.held:
            held, self.held = self.held, None
            answer = super().request(*message)
            super().request(*held)
            return answer
        if n == self.at:
            return getattr(self, self.mistake)(*message)
        return super().request(*message)

    def raw(self, data, fds=()):
        socket.send_fds(self.connection, [data], fds)

    @staticmethod
    def message(request, payload, size=None, flags=1):
        return struct.pack("<III", request, flags, len(payload)
                           if size is None else size) + payload

    def goes(self, *_):
        raise Cut()

    def goes_in_header(self, request, payload, fds, reply):
        self.raw(self.message(request, payload)[:7], fds)
        raise Cut()

    def goes_after_header(self, request, payload, fds, reply):
        self.raw(self.message(request, payload or bytes(8))[:12], fds)
        raise Cut()

    def goes_in_payload(self, request, payload, fds, reply):
        payload = payload or bytes(8)
        self.raw(self.message(request, payload)[:-len(payload) // 2], fds)
        raise Cut()

    def without_fds(self, request, payload, fds, reply):
        return super().request(request, payload, (), reply)

    def with_fds(self, request, payload, fds, reply):
        return super().request(request, payload,
                               list(fds) + [self.memory_fd] * 3, reply)

    def with_stdin(self, request, payload, fds, reply):
        return super().request(request, payload, [0] * len(fds), reply)

    def shorter(self, request, payload, fds, reply):
        return super().request(request, payload[:-1], fds, reply)

    def longer(self, request, payload, fds, reply):
        return super().request(request, payload + bytes(40), fds, reply)

    def endless(self, request, payload, fds, reply):
        self.raw(self.message(request, payload, 0xfffffff0), fds)
        raise Cut()

    def ones(self, request, payload, fds, reply):
        return super().request(request, b"\xff" * len(payload), fds, reply)

    def twice(self, request, payload, fds, reply):
        super().request(request, payload, fds, reply)
        return super().request(request, payload, fds, reply)

    def later(self, *message):
        """After the next one."""
        if message[3]:
            return super().request(*message)
        self.held = message
        return b""

    def never(self, request, payload, fds, reply):
        return super().request(request, payload, fds, reply) if reply else b""

    def other(self, request, payload, fds, reply):
        """A request that nobody knows."""
        return super().request(200, payload, fds, reply)


CUTS = ("goes", "goes_in_header", "goes_after_header", "goes_in_payload")
MISTAKES = ("without_fds", "with_fds", "with_stdin", "shorter", "longer",
            "endless", "ones", "twice", "later", "never", "other")


def cut_handshakes(guest, mistakes):
    """Has 'guest' make each of 'mistakes' at each request in turn.  Returns
    the number of handshakes."""
    total = 0
    for mistake in mistakes:
        at = 0
        while True:
            guest.reset(mistake, at)
            try:
                guest.accept()
                # An answer that does not come is one way to take it.
                guest.connection.settimeout(0.5)
                guest.reset_rings()
                guest.fill_receive_rings()
                guest.start()
            except (Cut, Disconnected, OSError, AssertionError, struct.error):
                pass

            # Whoever was refused has to wait, and who comes next has not.
            guest.listen()
            guest.disconnect()
            total += 1
            if guest.n <= at:
                break
            at += 1
    guest.reset("goes", -1)
    return total


def cut_every_handshake(path):
    for packed in False, True:
        for pairs in 1, 4:
            with Clumsy(path, pairs, packed) as guest:
                guest.reset("goes", -1)
                print("packed", packed, "pairs", pairs, "handshakes",
                      cut_handshakes(guest, CUTS))
                connect_and_ask(guest)


def make_every_mistake(path):
    for packed, pairs in (False, 1), (True, 1), (False, 2):
        with Clumsy(path, pairs, packed) as guest:
            for mistake in MISTAKES:
                start = time.monotonic()
                n = cut_handshakes(guest, [mistake])
                print("packed", packed, "pairs", pairs, mistake, n,
                      "in %.1f s" % (time.monotonic() - start), flush=True)
            connect_and_ask(guest)


def leave_messages_unfinished(path, other_path):
    """Another guest can connect all the same."""
    with Guest(other_path) as other, Guest(path) as guest:
        guest.accept()
        guest.connection.sendall(struct.pack("<III", SET_VRING_NUM, 1, 8))
        other.connect()
        ask(other)
        other.disconnect()
        guest.disconnect()

        # Answers that are never read.
        guest.accept()
        guest.connection.settimeout(0.1)
        try:
            while True:
                guest.send_message(GET_FEATURES)
        except OSError:
            pass
        other.connect()
        ask(other)
        guest.disconnect()
        connect_and_ask(guest)


# Changes while traffic flows.

class Stream:
    """Numbered packets in both directions between 'guest', that changes, and
    'peer', that does not.  None may come twice, or out of order on its queue,
    and of what the guest sends none may be missing unless lose() says so.

    The guest sends no more at a time than the peer has buffers for: a PMD
    thread that was busy elsewhere passes all it finds at once, and this
    process reads nothing meanwhile."""

    WINDOW = RING_SIZE // 2

    def __init__(self, guest, peer):
        self.guest = guest
        self.peer = peer
        self.sent = 0               # By the guest.
        self.arrived = -1           # Of that, the last.
        self.back_sent = 0
        self.back_arrived = -1
        self.back_last = {}         # On each of the guest's queue pairs.
        self.back_seen = set()
        self.back = 0
        self.may_lose = 0           # Of that, what is before.
        self.probe = 0              # When one more may go all the same.

    @staticmethod
    def number(frame, src):
        if frame[6:12] != src or frame[42:46] != b"flow":
            return None
        return struct.unpack("!Q", frame[46:54])[0]

    def frame(self, src, dst, number):
        return ether(src, dst, ipv4(UDP, udp(b"flow" + struct.pack(
            "!Q", number) + bytes(number % 1000))))

    def may_send(self):
        """What got lost never arrives: now and then one packet goes that is
        beyond the window, and opens it when it comes."""
        if self.sent - self.arrived <= self.WINDOW:
            return True
        if time.monotonic() < self.probe:
            return False
        self.probe = time.monotonic() + 0.02
        return True

    def pump(self, sending=True):
        """One round."""
        guest, peer = self.guest, self.peer
        for pair in range(guest.pairs if sending else 0):
            if pair in self.pairs and self.may_send() and guest.send_later(
                    self.frame(A, B, self.sent), self.pairs[0], self.pieces):
                self.sent += 1
        if sending and peer.send_later(self.frame(B, A, self.back_sent)):
            self.back_sent += 1
        for packet in iter(lambda: peer.try_receive(0), None):
            number = self.number(packet[1], A)
            if number is not None:
                assert number > self.arrived, (number, self.arrived)
                assert number <= max(self.may_lose, self.arrived + 1), \
                    "lost %d to %d" % (self.arrived + 1, number - 1)
                self.arrived = number
        for pair in range(guest.pairs):
            for packet in iter(lambda: guest.try_receive(pair), None):
                number = self.number(packet[1], B)
                if number is not None:
                    # One queue may have older packets than another that was
                    # looked at before: the flow has moved.
                    assert number > self.back_last.get(pair, -1), \
                        (number, pair, self.back_last)
                    assert number not in self.back_seen, number
                    self.back_last[pair] = number
                    self.back_seen.add(number)
                    self.back_arrived = max(number, self.back_arrived)
                    self.back += 1

    pairs = [0]                     # The guest sends on the first.
    pieces = 1                      # Descriptors of a packet.

    def flow(self, n=200):
        """Goes on until 'n' more packets have come in each direction."""
        arrived, back = self.arrived + n, self.back + n

        def look():
            self.pump()
            return self.arrived >= arrived and self.back >= back

        wait(look, "packets flow in both directions (%d of %d, %d of %d)"
             % (self.arrived, arrived, self.back, back))

    def settle(self):
        """Waits until nothing is under way from the guest."""
        def look():
            self.pump(False)
            return self.arrived == self.sent - 1

        wait(look, "all packets have come")

    def lose(self):
        """What is in the rings now may get lost, by virtio's rules."""
        self.may_lose = self.sent


def change_all_the_time(path, peer_path):
    for packed in False, True:
        with Guest(path, 4, packed) as guest, Guest(peer_path) as peer:
            peer.connect()
            guest.connect(enabled=[0])
            stream = Stream(guest, peer)
            stream.flow()

            # Stopped and started again where the rings were.
            for _ in range(5):
                positions = guest.stop()
                stream.pump()
                guest.start([0], positions)
                stream.flow()

            # More memory, less, and the same at another place.
            memory = guest.regions
            for regions in (memory + [(BASE << 8, guest.size, BASE << 8, 0)],
                            [(BASE << 8, guest.size, BASE << 8, 0)] + memory,
                            memory):
                guest.regions = regions
                guest.set_memory()
                stream.flow()

            # A memory table that lacks the rings: they are not served, and
            # nothing else happens, until the next one and the rings' addresses
            # in it.
            guest.regions = [(BASE << 8, guest.size, BASE << 8, 0)]
            guest.set_memory()
            for _ in range(20):
                stream.pump()
                time.sleep(0.001)
            guest.regions = memory
            guest.set_memory()
            for i in range(len(guest.rings)):
                guest.set_ring_addresses(i)
            stream.flow()

            # The rings moved, with what is in them.
            positions = guest.stop()
            for ring in guest.rings:
                ring.move(SPARE)
            guest.start([0], positions)
            stream.flow()

            # Other queues; the guest sends on the lowest that is enabled.
            # What is on the others waits.
            for pairs in [0, 1, 2, 3], [0, 2], [0], [1], [2, 3], [0, 1]:
                stream.settle()
                for pair in range(4):
                    guest.enable(pair, pair in pairs)
                stream.pairs = pairs
                stream.flow()

            # New features, and what is in the rings is gone.
            for wanted in (FEATURES & ~F_MRG_RXBUF, FEATURES | F_PACKED,
                           (FEATURES | F_PACKED) & ~F_MRG_RXBUF,
                           FEATURES & ~F_CSUM, FEATURES | F_PACKED | F_INDIRECT,
                           FEATURES):
                stream.settle()
                guest.restart([0, 1], wanted=wanted)
                stream.flow()

            # At any moment.
            for i in range(10):
                stream.lose()
                guest.restart([0, 1], wanted=FEATURES ^ (F_PACKED * (i % 2)))
                stream.flow(50)


# Lies.

GOOD = ether(A, b"\xff" * 6, ipv4(UDP, udp(b"good" + bytes(100))))
PACKET = Header().pack() + GOOD


def part(ring, ofs=0, length=len(PACKET), flags=0):
    return ring.addr(BUFFERS + ofs), length, flags


def lies_in_sending(guest):
    """(name, what to do, whether that is allowed after all) of what a driver
    can say of a packet that it sends."""
    ring = guest.rings[1]
    size = len(PACKET)
    end = BASE + guest.regions[0][1]
    ring.write(BUFFERS, PACKET)

    def put(*parts):
        return lambda: ring.put(0, list(parts))

    def indirect(*parts, length=None):
        return lambda: ring.put_indirect(0, list(parts), length)

    def raw(flags, length=16, table=None):
        addr = ring.addr(TABLES) if table is None else table

        def say():
            ring.write(TABLES, struct.pack("<QIHH", ring.addr(TABLES), 16,
                                           *((0, DESC_INDIRECT) if ring.packed
                                             else (DESC_INDIRECT, 0))))
            ring.put(0, [(addr, length, flags)])
        return say

    for name, addr in (("at 0", 0), ("behind memory", end),
                       ("across the end", end - 10),
                       ("across the beginning", BASE - 10),
                       ("at the very end", 2 ** 64 - 8)):
        yield "address " + name, put((addr, size, 0)), False
        yield "second address " + name, put(part(ring, 0, 12),
                                            (addr, size - 12, 0)), False
        yield "indirect table " + name, raw(DESC_INDIRECT, 32, addr), False
        yield "indirect address " + name, indirect(part(ring, 0, 12),
                                                   (addr, 100, 0)), False
    yield "length of 4 GB", put(part(ring, 0, 2 ** 32 - 1)), False
    yield "length of 100 kB", put(part(ring, 0, 100000)), False
    yield "length 0", put(part(ring, 0, 0)), False
    yield "shorter than its header", put(part(ring, 0, 5)), False
    yield "only a header", put(part(ring, 0, 12)), False
    yield "not even a frame's header", put(part(ring, 0, 20)), False
    yield "writable", put(part(ring, flags=DESC_WRITE)), False
    yield "header of 1 + 11 bytes", put(part(ring, 0, 1), part(ring, 1, 11),
                                        part(ring, 12, size - 12)), True
    yield "header in single bytes", put(*[part(ring, i, 1) for i in range(12)],
                                        part(ring, 12, size - 12)), True
    yield "empty pieces", put(part(ring, 0, 0), part(ring, 0, 13),
                              part(ring, 0, 0), part(ring, 13, size - 13),
                              part(ring, 0, 0)), True
    yield "only empty pieces", put(*[part(ring, 0, 0)] * 8), False
    yield "indirect table", indirect(part(ring, 0, 1), part(ring, 1, 11),
                                     part(ring, 12, size - 12)), True
    yield "indirect table of no size", raw(DESC_INDIRECT, 0), False
    yield "indirect table of 17 bytes", raw(DESC_INDIRECT, 17), False
    yield "indirect table of 4 GB", raw(DESC_INDIRECT, 2 ** 32 - 16), False
    yield "indirect table in itself", raw(DESC_INDIRECT), False
    yield "indirect table in a chain", put(
        part(ring), (ring.addr(TABLES), 16, DESC_INDIRECT | DESC_WRITE),
        part(ring)), False

    def say_all(flags):
        for i in range(ring.size):
            ring.set_descriptor(i, *part(ring, 0, 1)[:2], flags, 0 if ring.packed
                                else (i + 1) % ring.size)

    if ring.packed:
        def endless():
            say_all(DESC_AVAIL | DESC_NEXT)
            ring.kick()

        def over_and_over():
            """Descriptors that are available again, in the next round, before
            they were used."""
            say_all(DESC_AVAIL)
            for i in range(ring.size // 2):
                ring.set_flags(i, DESC_USED)
            ring.kick()

        yield "chain as long as the ring", endless, False
        yield "wrong wrap", over_and_over, True
    else:
        def loop():
            say_all(DESC_NEXT)
            ring.expose(0)

        def itself():
            ring.set_descriptor(0, *part(ring, 0, 1)[:2], DESC_NEXT, 0)
            ring.expose(0)

        def beyond():
            ring.set_descriptor(0, *part(ring, 0, 1)[:2], DESC_NEXT, 60000)
            ring.expose(0)

        def table_loop():
            ring.write(TABLES, struct.pack("<QIHH", *part(ring, 0, 1)[:2],
                                           DESC_NEXT, 0))
            ring.put(0, [(ring.addr(TABLES), 16, DESC_INDIRECT)])

        def jump(by):
            def say():
                for i in range(ring.size):
                    ring.set_descriptor(i, *part(ring, 0, 1)[:2])
                ring.set_avail(ring.avail_idx + by)
            return say

        yield "loop of the whole ring", loop, False
        yield "loop of one", itself, False
        yield "loop in an indirect table", table_loop, False
        yield "next descriptor beyond the ring", beyond, False
        yield "first descriptor beyond the ring", \
            lambda: ring.expose(40000), False
        yield "index that jumps by 257", jump(257), False
        yield "index that jumps by 30000", jump(30000), False
        yield "index that goes back", jump(-1), False


def lies_in_headers(guest):
    """The same of what the virtio-net header can say."""
    long = ether(A, B, ipv4(TCP, tcp(bytes(5000))))
    short = ether(A, B, ipv4(TCP, tcp(bytes(100))))

    def send(frame, **fields):
        return lambda: guest.send(frame, Header(**fields))

    csum = dict(flags=NEEDS_CSUM, csum_start=34, csum_offset=16)
    tso = dict(csum, gso_type=GSO_TCPV4, hdr_len=54, gso_size=1000)
    yield "checksum begins at the end", send(
        short, **dict(csum, csum_start=len(short))), False
    yield "checksum begins beyond the packet", send(
        short, **dict(csum, csum_start=65535)), False
    yield "checksum is beyond the packet", send(
        short, **dict(csum, csum_offset=65535)), False
    yield "checksum is half in the packet", send(
        short, **dict(csum, csum_offset=len(short) - 34 - 1)), False
    yield "segments of nothing", send(long, **dict(tso, gso_size=0)), False
    yield "segments of one byte", send(long, **dict(tso, gso_size=1)), False
    yield "segments of what is no TCP", send(
        ether(A, B, (0x88b5, bytes(5000))), **tso), False
    yield "segmentation of an unknown kind", send(
        long, **dict(tso, gso_type=77)), False
    yield "headers of 65535 bytes", send(long, **dict(tso, hdr_len=65535)), \
        True
    yield "headers of no bytes", send(long, **dict(tso, hdr_len=0)), True
    yield "all ones", send(short, **dict.fromkeys(
        ("flags", "gso_type"), 255), **dict.fromkeys(
        ("hdr_len", "gso_size", "csum_start", "csum_offset", "num_buffers"),
        65535)), False


def lies_in_receiving(guest):
    """The same of what a driver can say of buffers to receive in."""
    ring = guest.rings[0]
    size = RX_BUFFER
    end = BASE + guest.regions[0][1]

    def everywhere(*parts):
        def say():
            for i in range(ring.size // len(parts)):
                ring.put(i * len(parts), [(addr, length, DESC_WRITE | flags)
                                          for addr, length, flags in parts])
        return say

    for name, addr in (("at 0", 0), ("behind memory", end),
                       ("across the end", end - 10),
                       ("at the very end", 2 ** 64 - 8)):
        yield "address " + name, everywhere((addr, size, 0)), False
        yield "second address " + name, everywhere(part(ring, 0, 12),
                                                   (addr, size, 0)), False
    # librte_vhost writes beyond the memory in these cases.
    yield "shorter than the header, at the end", everywhere((end - 5, 5, 0)), \
        True
    yield "header of 1 + 1 bytes, at the end", everywhere(
        (end - 1, 1, 0), (end - 1, 1, 0), part(ring, 0, size)), True
    yield "single bytes", everywhere(part(ring, 0, 1)), True
    yield "length 0", everywhere(part(ring, 0, 0)), True

    def readable():
        for i in range(ring.size):
            ring.put(i, [part(ring, 0, size)])

    yield "not writable", readable, False
    if not ring.packed:
        def jump():
            """With single bytes, so that a packet wants many."""
            for i in range(ring.size):
                ring.set_descriptor(i, *part(ring, i, 1)[:2], DESC_WRITE)
                ring.write(AVAIL + 4 + i * 2, struct.pack("<H", i))
            ring.set_avail(30000)

        def loop():
            for i in range(ring.size):
                ring.set_descriptor(i, *part(ring, 0, 1)[:2],
                                    DESC_WRITE | DESC_NEXT, i)
                ring.expose(i)

        yield "index that jumps", jump, False
        yield "loops", loop, False


CANARY = b"\xa5"


def is_told(port):
    with open("ovs-vswitchd.log", encoding="utf-8") as log:
        return port + ": what the guest " in log.read()


def tell_every_lie(port, mode, lies):
    """Has the guest of 'port' tell each of 'lies', a generator function, in
    split and packed rings.  That must be counted, unless it is allowed, and
    not a byte beyond the guest's memory may be written.

    In software mode that memory ends within a page, so that what follows it is
    mapped and would be written; a NIC wants whole pages."""
    receiving = lies is lies_in_receiving
    told = lies is lies_in_headers
    tail = 4000 if mode == "sw" else 4096
    with Guest("vdpa1.sock") as peer:
        peer.connect()
        for packed in False, True:
            with Guest(port + ".sock", packed=packed, tail=tail,
                       features=FEATURES | F_INDIRECT) as guest:
                connect_and_ask(guest)
                for i in range(len(list(lies(guest)))):
                    guest.filled = not receiving
                    guest.restart()
                    guest.memory[-tail:] = CANARY * tail
                    before = errors(port)
                    tried = to_guest(port, mode)
                    name, say, allowed = list(lies(guest))[i]
                    print("packed" if packed else "split", name, flush=True)
                    say()

                    def look():
                        if receiving:
                            # Of single bytes, two of the short ones want more
                            # than a ring has, each of the long ones does.
                            for length in [200] * 20 + [900] * 20:
                                peer.send_later(ether(B, A, ipv4(
                                    UDP, udp(bytes(length)))))
                            while peer.try_receive(0):
                                pass
                        return errors(port) > before

                    if receiving and allowed:
                        def is_tried():
                            look()
                            return to_guest(port, mode) >= tried + 80

                        wait(is_tried, "packets were put there, or not")
                    elif allowed:
                        for _ in range(3):
                            look()
                            time.sleep(0.01)
                    else:
                        wait(look, "it is counted")
                        if mode == "hw" and not told:
                            # Open vSwitch asks the device now and then.
                            told = wait(lambda: look() and is_told(port),
                                        "it is in the log") or True
                    assert guest.memory[-tail:] == CANARY * tail, \
                        "written beyond the guest's memory"
                guest.filled = True
                guest.restart()
                ask(guest)


# Work without end.

class Laborious(Guest):
    """A guest whose receive ring has as many descriptors as a ring can have,
    each of them a table of as many empty buffers as a table can have."""

    N = 32768
    TABLE = 1023

    def __init__(self, path, packed):
        super().__init__(path, packed=packed, features=FEATURES | F_INDIRECT)
        self.filled = False
        self.memory.close()
        self.ring = self.size
        self.size += 4 << 20
        os.ftruncate(self.memory_fd, self.size)
        self.memory = mmap.mmap(self.memory_fd, self.size)
        self.regions = [(BASE, self.size, BASE, 0)]

    def set_ring_addresses(self, i):
        if i:
            super().set_ring_addresses(i)
            return
        at = BASE + self.ring
        self.request(SET_VRING_ADDR, struct.pack(
            "<IIQQQQ", 0, 0, at, at + (2 << 20), at + (1 << 20), 0))

    def labor(self):
        self.accept()
        self.reset_rings()
        packed = self.rings[0].packed
        self.rings[0].size = self.N
        entries = b"".join(
            struct.pack("<QIHH", BASE + 0x20000, 0, 0, DESC_WRITE) if packed
            else struct.pack("<QIHH", BASE + 0x20000, 0, DESC_WRITE
                             | (DESC_NEXT if i < self.TABLE - 1 else 0), i + 1)
            for i in range(self.TABLE))
        self.memory[0x8000:0x8000 + len(entries)] = entries
        table = (BASE + 0x8000, len(entries))
        at = self.ring
        if packed:
            self.memory[at:at + self.N * 16] = struct.pack(
                "<QIHH", *table, 0, DESC_INDIRECT | DESC_AVAIL) * self.N
        else:
            self.memory[at:at + self.N * 16] = struct.pack(
                "<QIHH", *table, DESC_INDIRECT, 0) * self.N
            at += 1 << 20
            self.memory[at:at + 4 + self.N * 2] = struct.pack(
                "<HH%dH" % self.N, 0, self.N, *range(self.N))
        self.start()


def make_work(port, path, peer_path):
    """Two others have a conversation through the same thread, of which each
    packet waits for the last one: with a tenth of a second for each it would
    never end."""
    for packed in False, True:
        with Laborious(port + ".sock", packed) as guest, \
                Guest(path) as a, Guest(peer_path) as b:
            a.connect()
            b.connect()
            guest.labor()
            before = errors(port)
            # Where the guest is.
            guest.send(ether(b"\2\0\0\0\0\x77", b"\xff" * 6,
                             ipv4(UDP, udp(b"here I am"))))
            wait(lambda: b.send_later(ether(B, b"\2\0\0\0\0\x77", ipv4(
                UDP, udp(bytes(900))))) and errors(port) > before,
                 "it is counted")
            for i in range(500):
                for sender, receiver, src, dst in (a, b, A, B), (b, a, B, A):
                    payload = b"turn %d" % i
                    for _ in range(4):
                        b.send_later(ether(B, b"\2\0\0\0\0\x77",
                                           ipv4(UDP, udp(bytes(900)))))
                    sender.send_later(ether(src, dst,
                                            ipv4(UDP, udp(payload))))
                    receiver.receive(lambda f: payload in f)


def kick_all_the_time(path, peer_path):
    """Kicks without an end, and event indexes that are none."""
    for packed in False, True:
        with Guest(path, packed=packed, features=FEATURES | F_EVENT_IDX) \
                as guest, Guest(peer_path) as peer:
            peer.connect()
            guest.connect()
            stream = Stream(guest, peer)
            for _ in range(20):
                for ring in guest.rings:
                    for _ in range(1000):
                        ring.kick()
                    if packed:
                        ring.write(AVAIL, struct.pack(
                            "<HH", random.randrange(65536),
                            random.choice((0, 1, 2, 2, 2, 3, 0xffff))))
                    else:
                        ring.write(AVAIL + 4 + ring.size * 2, struct.pack(
                            "<H", random.randrange(65536)))
                stream.flow(50)


# Memory that goes.

def take_memory_away(port):
    """Its file becomes shorter, wholly and in part, in the middle of
    traffic, or is too short from the beginning."""
    for packed in False, True:
        for length in 0, RING_MEMORY:
            with Guest(port + ".sock", packed=packed) as guest:
                connect_and_ask(guest)
                before = errors(port)
                for _ in range(10):
                    guest.send_later(GOOD)
                os.ftruncate(guest.memory_fd, length)
                # From here on this process would die of it, too.
                for ring in guest.rings:
                    ring.kick()
                wait(lambda: errors(port) > before, "it is counted")
        with Guest(port + ".sock", packed=packed) as guest:
            # The rings are said to be where the file has no pages.
            guest.accept()
            guest.regions = [(BASE, 64 << 20, BASE, 0)]
            guest.reset_rings()
            for ring in guest.rings:
                ring.moved = 32 << 20
            try:
                guest.start()
                # It is noticed when the rings are looked at.
                wait(lambda: guest.get(GET_FEATURES) and False,
                     "the connection ends")
            except (Disconnected, OSError):
                pass
            guest.disconnect()
            guest.regions = [(BASE, guest.size, BASE, 0)]
            connect_and_ask(guest)


# A switch that dies.

def sandbox(*command):
    return subprocess.Popen([os.environ["DPDKVDPA_TOP"]
                             + "/utilities/dpdkvdpa-sandbox", command[0],
                             "--dir", "."] + list(command[1:]),
                            stdout=subprocess.DEVNULL)


def stall(stream):
    """The switch does nothing for a while, and loses nothing by it."""
    with open("ovs-vswitchd.pid") as file:
        pid = int(file.read())
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        stream.pump()
    os.kill(pid, signal.SIGCONT)
    stream.flow()


def die_in_traffic(path, peer_path, times):
    """No buffer of the guests is lost by it, or used twice, and no packet
    arrives twice."""
    for packed, pieces in (False, 1), (True, 1), (True, 3):
        with Guest(path, packed=packed) as guest, \
                Guest(peer_path, packed=packed) as peer:
            peer.connect()
            guest.connect()
            stream = Stream(guest, peer)
            stream.pieces = pieces
            stream.flow()
            stall(stream)
            for _ in range(times):
                end = time.monotonic() + random.random() / 10
                while time.monotonic() < end:
                    stream.pump()
                for command in ("stop-vswitchd", "KILL"), ("start-vswitchd",):
                    process = sandbox(*command)
                    while process.poll() is None:
                        stream.lose()
                        stream.pump()
                    assert process.returncode == 0, command
                arrived, back = stream.arrived, stream.back_arrived
                peer.reconnect()
                guest.reconnect()

                def again():
                    # Until the other's device is there too.
                    stream.lose()
                    stream.pump()
                    return (stream.arrived > arrived
                            and stream.back_arrived > back)

                wait(again, "packets flow again")
                stream.lose()
                stream.flow()
                print("packed" if packed else "split", "in pieces of", pieces,
                      "sent", stream.sent, "arrived before", arrived,
                      flush=True)
                for g in guest, peer:
                    # All buffers have come back, or will when there is a
                    # packet for them.
                    wait(lambda: stream.pump(False)
                         or g.send_later(bytes(14), pieces=pieces)
                         and len(g.free_idents[0]) == TX_BUFFERS - 1,
                         "all buffers for sending are back")
                    if packed:
                        assert len(g.rings[0].counts) == g.rings[0].size


# Interrupts

def count_interrupts(path):
    """A ring that is taken over may have buffers of which its guest was not
    told: it is, once."""
    with Guest(path, pairs=2) as guest:
        guest.connect()
        for i in range(3):
            for ring in guest.rings:
                wait(lambda: select.select([ring.call_fd], [], [], 0)[0],
                     "there is an interrupt")
            # What the switch does with the rings is done when it answers.
            guest.get(GET_FEATURES)
            guest.get(GET_FEATURES)
            for n, ring in enumerate(guest.rings):
                calls = os.eventfd_read(ring.call_fd)
                if calls != 1:
                    raise AssertionError("ring %d: %d interrupts"
                                         % (n, calls))
            guest.restart()
