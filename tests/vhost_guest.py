# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""A guest that puts into its rings what a test wants there.

A Guest serves a vhost-user socket as a hypervisor does and drives its rings
(see vhost_rings.py) as a guest's driver does, but is neither well-behaved nor
fast: any virtio-net header, any descriptor, any message and any order of
events can be had.

    with Guest("vdpa0.sock") as a, Guest("vdpa1.sock", packed=True) as b:
        a.connect()
        b.connect()
        a.send(frame, Header(flags=NEEDS_CSUM, csum_start=34, csum_offset=16))
        header, frame = b.receive()

Whatever the switch owes and does not do within TIMEOUT seconds raises
TimeoutError, so that a script never hangs.
"""

import mmap
import os
import socket
import struct
import time

from vhost_rings import *

TIMEOUT = 20

# Requests of the vhost-user protocol.
GET_FEATURES = 1
SET_FEATURES = 2
SET_OWNER = 3
SET_MEM_TABLE = 5
SET_VRING_NUM = 8
SET_VRING_ADDR = 9
SET_VRING_BASE = 10
GET_VRING_BASE = 11
SET_VRING_KICK = 12
SET_VRING_CALL = 13
GET_PROTOCOL_FEATURES = 15
SET_PROTOCOL_FEATURES = 16
GET_QUEUE_NUM = 17
SET_VRING_ENABLE = 18

REPLY_FLAG = 4
NEED_REPLY_FLAG = 8
PROTOCOL_F_MQ = 1 << 0
PROTOCOL_F_REPLY_ACK = 1 << 3

# Feature bits of virtio.
F_CSUM = 1 << 0
F_GUEST_CSUM = 1 << 1
F_HOST_TSO4 = 1 << 11
F_HOST_TSO6 = 1 << 12
F_MRG_RXBUF = 1 << 15
F_MQ = 1 << 22
F_INDIRECT = 1 << 28
F_EVENT_IDX = 1 << 29
F_PROTOCOL_FEATURES = 1 << 30
F_VERSION_1 = 1 << 32
F_PACKED = 1 << 34

FEATURES = (F_CSUM | F_GUEST_CSUM | F_HOST_TSO4 | F_HOST_TSO6 | F_MRG_RXBUF
            | F_MQ | F_PROTOCOL_FEATURES | F_VERSION_1)

# Of a virtio-net header.
NEEDS_CSUM = 1
GSO_NONE = 0
GSO_TCPV4 = 1
GSO_UDP = 3
GSO_TCPV6 = 4

HEADER = struct.Struct("<BBHHHHH")

RX_BUFFER = 2048

# Packets that send_later() may have under way.
TX_BUFFERS = 64


class Header:
    """A virtio-net header."""

    def __init__(self, flags=0, gso_type=0, hdr_len=0, gso_size=0,
                 csum_start=0, csum_offset=0, num_buffers=0):
        self.flags = flags
        self.gso_type = gso_type
        self.hdr_len = hdr_len
        self.gso_size = gso_size
        self.csum_start = csum_start
        self.csum_offset = csum_offset
        self.num_buffers = num_buffers

    def pack(self):
        return HEADER.pack(self.flags, self.gso_type, self.hdr_len,
                           self.gso_size, self.csum_start, self.csum_offset,
                           self.num_buffers)


def wait(condition, what):
    """Waits until condition() is true, for TIMEOUT seconds."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("gave up waiting until " + what)
        time.sleep(0.001)


class Disconnected(Exception):
    """The switch ended the connection."""


class Guest:
    """A guest with 'pairs' queue pairs, whose driver wants 'features' and, if
    'packed' is set, packed rings.  The hypervisor says that memory ends 'tail'
    bytes before it does."""

    def __init__(self, path, pairs=1, packed=False, features=FEATURES, tail=0):
        self.path = path
        self.pairs = pairs
        self.wanted = features | (F_PACKED if packed else 0)
        self.features = 0
        self.memory_fd = os.memfd_create("guest")
        self.size = pairs * 2 * RING_MEMORY
        os.ftruncate(self.memory_fd, self.size)
        self.memory = mmap.mmap(self.memory_fd, self.size)
        self.regions = [(BASE, self.size - tail, BASE, 0)]
        self.connection = None
        self.acks = False
        self.filled = True          # Receive buffers are put.
        self.reset_rings()
        self.listener = None
        self.listen()

    def listen(self):
        """Serves the socket as a hypervisor does that has just started: it is
        another one than that which was there before, and there is no moment
        without one."""
        listener = socket.socket(socket.AF_UNIX)
        new = self.path + ".new"
        if os.path.exists(new):
            os.unlink(new)
        listener.bind(new)
        listener.listen()
        listener.settimeout(TIMEOUT)
        os.rename(new, self.path)
        if self.listener:
            self.listener.close()
        self.listener = listener

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.disconnect()
        self.listener.close()
        self.memory.close()
        os.close(self.memory_fd)

    def reset_rings(self):
        self.memory[:] = bytes(self.size)
        kind = PackedRing if self.features & F_PACKED else SplitRing
        self.rings = [kind(self.memory, i) for i in range(self.pairs * 2)]
        self.free_idents = [list(range(TX_BUFFERS))
                            for _ in range(self.pairs)]

    # The vhost-user protocol.

    def send_message(self, request, payload=b"", fds=(), flags=1):
        message = struct.pack("<III", request, flags, len(payload)) + payload
        socket.send_fds(self.connection, [message], fds)

    def receive_exactly(self, length):
        data = self.connection.recv(length, socket.MSG_WAITALL)
        if len(data) < length:
            raise Disconnected()
        return data

    def receive_reply(self, request):
        answer, flags, size = struct.unpack("<III", self.receive_exactly(12))
        assert answer == request and flags & REPLY_FLAG, (answer, flags)
        return self.receive_exactly(size) if size else b""

    def request(self, request, payload=b"", fds=(), reply=False):
        acked = self.acks and not reply
        self.send_message(request, payload, fds,
                          1 | NEED_REPLY_FLAG if acked else 1)
        if not reply and not acked:
            return b""
        payload = self.receive_reply(request)
        if not reply:
            assert struct.unpack("<Q", payload) == (0,), \
                "request %d was refused" % request
        return payload

    def get(self, request):
        return struct.unpack("<Q", self.request(request, reply=True))[0]

    def accept(self):
        """Waits until the switch connects, and negotiates features."""
        self.acks = False
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(TIMEOUT)
        self.offered = self.get(GET_FEATURES)
        protocol = (self.get(GET_PROTOCOL_FEATURES)
                    & (PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK))
        self.request(SET_PROTOCOL_FEATURES, struct.pack("<Q", protocol))
        self.acks = bool(protocol & PROTOCOL_F_REPLY_ACK)
        self.queue_num = self.get(GET_QUEUE_NUM)
        self.request(SET_OWNER)
        self.set_features()

    def set_features(self):
        self.features = self.wanted & self.offered
        assert self.features & F_PACKED == self.wanted & F_PACKED
        self.request(SET_FEATURES, struct.pack("<Q", self.features))

    def set_memory(self):
        self.request(SET_MEM_TABLE, struct.pack("<II", len(self.regions), 0)
                     + b"".join(struct.pack("<QQQQ", *region)
                                for region in self.regions),
                     [self.memory_fd] * len(self.regions))

    def set_ring_addresses(self, i):
        ring = self.rings[i]
        self.request(SET_VRING_ADDR, struct.pack(
            "<IIQQQQ", i, 0, ring.addr(0), ring.addr(USED), ring.addr(AVAIL),
            0))

    def set_up_ring(self, i, position=None):
        """Gives the switch the ring 'i', whose device goes on at 'position',
        by default at that of a ring that is new."""
        ring = self.rings[i]
        if position is None:
            position = 1 << 15 if ring.packed else 0
        self.request(SET_VRING_NUM, struct.pack("<II", i, ring.size))
        self.request(SET_VRING_BASE, struct.pack("<II", i, position))
        self.set_ring_addresses(i)
        self.close_ring_fds(ring)
        ring.call_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.request(SET_VRING_CALL, struct.pack("<Q", i), [ring.call_fd])
        ring.kick_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.request(SET_VRING_KICK, struct.pack("<Q", i), [ring.kick_fd])

    def set_up_rings(self, positions=None):
        """Gives the switch memory and rings, none of them enabled."""
        self.set_memory()
        for i in range(len(self.rings)):
            self.set_up_ring(i, positions[i] if positions else None)

    def enable(self, pair, on=True):
        for ring in (pair * 2, pair * 2 + 1):
            self.request(SET_VRING_ENABLE, struct.pack("<II", ring, on))

    def stop_ring(self, i):
        """Stops ring 'i', and with it the device, and returns the ring's
        position."""
        index, position = struct.unpack("<II", self.request(
            GET_VRING_BASE, struct.pack("<II", i, 0), reply=True))
        assert index == i
        self.close_ring_fds(self.rings[i])
        return position

    def stop(self):
        """Stops all rings as a hypervisor does whose guest is reset, and
        returns their positions."""
        for pair in range(self.pairs):
            self.enable(pair, False)
        return [self.stop_ring(i) for i in range(len(self.rings))]

    def start(self, enabled=None, positions=None):
        """Hands rings over: afterwards packets flow on the queue pairs
        'enabled', by default all."""
        self.set_up_rings(positions)
        for pair in range(self.pairs) if enabled is None else enabled:
            self.enable(pair)
        for ring in self.rings:
            ring.kick()

    def fill_receive_rings(self):
        for ring in self.rings[::2] if self.filled else ():
            for i in range(ring.size):
                self.put_receive_buffer(ring, i)

    @staticmethod
    def put_receive_buffer(ring, i):
        ring.put(i, [(ring.addr(BUFFERS + i * RX_BUFFER), RX_BUFFER,
                      DESC_WRITE)])

    def connect(self, enabled=None):
        """All of it: afterwards packets flow on the queue pairs 'enabled',
        by default all."""
        self.accept()
        self.reset_rings()
        self.fill_receive_rings()
        self.start(enabled)

    def restart(self, enabled=None, **changes):
        """Resets the device and starts it with new rings and with 'changes' to
        the guest, such as 'wanted' features, on the same connection."""
        self.stop()
        for name, value in changes.items():
            setattr(self, name, value)
        self.set_features()
        self.reset_rings()
        self.fill_receive_rings()
        self.start(enabled)

    @staticmethod
    def close_ring_fds(ring):
        for fd in ring.call_fd, ring.kick_fd:
            if fd is not None:
                os.close(fd)
        ring.call_fd = ring.kick_fd = None

    def disconnect(self):
        """Goes as a process does that is killed."""
        if self.connection:
            self.connection.close()
            self.connection = None
        for ring in self.rings:
            self.close_ring_fds(ring)

    # Packets.

    def send(self, frame, header=Header(), pair=0, cuts=()):
        """Sends 'frame' and waits until the switch has taken it.  'cuts' are
        offsets at which a new descriptor begins, of the frame with its
        header."""
        ring = self.rings[pair * 2 + 1]
        data = header.pack() + frame
        ring.write(BUFFERS, data)
        begins = [0] + list(cuts)
        ring.put(0, [(ring.addr(BUFFERS + begin), end - begin, 0)
                     for begin, end in zip(begins,
                                           list(cuts) + [len(data)])])
        wait(ring.all_used, "the switch takes a packet")
        if not ring.packed:
            ring.used_idx = ring.used()

    def send_later(self, frame, pair=0, pieces=1):
        """Makes 'frame' available, in so many descriptors, if there is room,
        and does not wait.  Returns true if there was."""
        ring = self.rings[pair * 2 + 1]
        free = self.free_idents[pair]
        for ident, _ in iter(ring.take_used, None):
            free.append(ident // (1 if ring.packed else pieces))
        if not free:
            return False
        ident = free.pop(0)
        data = Header().pack() + frame
        ofs = BUFFERS + ident * RX_BUFFER
        ring.write(ofs, data)
        ends = [len(data) * (i + 1) // pieces for i in range(pieces)]
        ring.put(ident * (1 if ring.packed else pieces),
                 [(ring.addr(ofs + begin), end - begin, 0)
                  for begin, end in zip([0] + ends, ends)])
        return True

    def reconnect(self, enabled=None):
        """Waits until the switch is back after it died, and hands the rings
        over as they are.  As QEMU does, it takes a split ring's position from
        the ring and knows none of a packed ring but where that began."""
        self.disconnect()
        self.accept()
        self.start(enabled, [1 << 15 if ring.packed else ring.position()
                             for ring in self.rings])

    def try_receive(self, pair):
        """The next (header, frame) that came on 'pair', or None."""
        ring = self.rings[pair * 2]
        used = ring.take_used()
        if not used:
            return None
        data = self.take_buffer(ring, used)
        header = Header(*HEADER.unpack(data[:HEADER.size]))
        if self.features & F_MRG_RXBUF:
            for _ in range(header.num_buffers - 1):
                more = []

                def look():
                    more.append(ring.take_used())
                    return more[-1]

                wait(look, "the switch completes a packet")
                data += self.take_buffer(ring, more[-1])
        return header, data[HEADER.size:]

    def take_buffer(self, ring, used):
        ident, length = used
        data = ring.read(BUFFERS + ident * RX_BUFFER, length)
        self.put_receive_buffer(ring, ident)
        return data

    def receive(self, wanted=lambda frame: True):
        """The next (header, frame) on any queue pair whose frame wanted()
        likes.  Others are dropped."""
        found = []

        def look():
            for pair in range(self.pairs):
                packet = self.try_receive(pair)
                if packet and wanted(packet[1]):
                    found.append(packet)
                    return True
            return False

        wait(look, "a packet comes")
        return found[0]
