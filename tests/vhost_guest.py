# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""A guest that puts into its rings what a test wants there.

A Guest serves a vhost-user socket as a hypervisor does and drives split rings
as a guest's driver does, but is neither well-behaved nor fast: any virtio-net
header, any descriptor and any order of events can be had.

    with Guest("vdpa0.sock") as a, Guest("vdpa1.sock") as b:
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
F_PROTOCOL_FEATURES = 1 << 30
F_VERSION_1 = 1 << 32

FEATURES = (F_CSUM | F_GUEST_CSUM | F_HOST_TSO4 | F_HOST_TSO6 | F_MRG_RXBUF
            | F_MQ | F_PROTOCOL_FEATURES | F_VERSION_1)

# Of a virtio-net header.
NEEDS_CSUM = 1
GSO_NONE = 0
GSO_TCPV4 = 1
GSO_UDP = 3
GSO_TCPV6 = 4

# Of a descriptor.
DESC_NEXT = 1
DESC_WRITE = 2

HEADER = struct.Struct("<BBHHHHH")

# Where the guest's memory begins, for guest and hypervisor.
BASE = 0x10000000

RING_SIZE = 256
RX_BUFFER = 2048

# Layout of a ring's part of memory: descriptors, available ring, used ring,
# buffers.
AVAIL = 0x1000
USED = 0x2000
BUFFERS = 0x4000
RING_MEMORY = 1 << 20


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


class Ring:
    """A split ring, at 'index' among the guest's."""

    def __init__(self, memory, index):
        self.memory = memory
        self.ofs = index * RING_MEMORY
        self.avail_idx = 0
        self.used_idx = 0
        self.room = BUFFERS

    def addr(self, ofs):
        return BASE + self.ofs + ofs

    def write(self, ofs, data):
        self.memory[self.ofs + ofs:self.ofs + ofs + len(data)] = data

    def read(self, ofs, length):
        return self.memory[self.ofs + ofs:self.ofs + ofs + length]

    def set_descriptor(self, i, addr, length, flags=0, following=0):
        self.write(i * 16, struct.pack("<QIHH", addr, length, flags,
                                       following))

    def expose(self, head):
        """Hands the descriptor chain that begins at 'head' to the switch."""
        self.write(AVAIL + 4 + self.avail_idx % RING_SIZE * 2,
                   struct.pack("<H", head))
        self.avail_idx = (self.avail_idx + 1) & 0xffff
        self.write(AVAIL + 2, struct.pack("<H", self.avail_idx))

    def used(self):
        """The used ring's index, as the switch wrote it."""
        return struct.unpack("<H", self.read(USED + 2, 2))[0]

    def take_used(self):
        """The next (head, length) that the switch gave back, or None."""
        if self.used() == self.used_idx:
            return None
        entry = self.read(USED + 4 + self.used_idx % RING_SIZE * 8, 8)
        self.used_idx = (self.used_idx + 1) & 0xffff
        return struct.unpack("<II", entry)


class Guest:
    def __init__(self, path, pairs=1):
        self.path = path
        self.pairs = pairs
        self.features = 0
        fd = os.memfd_create("guest")
        self.memory_fd = fd
        self.size = pairs * 2 * RING_MEMORY
        os.ftruncate(fd, self.size)
        self.memory = mmap.mmap(fd, self.size)
        self.connection = None
        self.fds = []
        self.reset_rings()
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.listener.settimeout(TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.disconnect()
        self.listener.close()

    def reset_rings(self):
        self.memory[:] = bytes(self.size)
        self.rings = [Ring(self.memory, i) for i in range(self.pairs * 2)]

    # The vhost-user protocol.

    def request(self, request, payload=b"", fds=(), reply=False):
        flags = 1 if reply else 1 | NEED_REPLY_FLAG if self.acks else 1
        message = struct.pack("<III", request, flags, len(payload)) + payload
        socket.send_fds(self.connection, [message], fds)
        if not reply and not self.acks:
            return b""
        answer, flags, size = struct.unpack(
            "<III", self.connection.recv(12, socket.MSG_WAITALL))
        assert answer == request and flags & REPLY_FLAG, (answer, flags)
        payload = self.connection.recv(size, socket.MSG_WAITALL)
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
        self.features = FEATURES & self.offered
        protocol = (self.get(GET_PROTOCOL_FEATURES)
                    & (PROTOCOL_F_MQ | PROTOCOL_F_REPLY_ACK))
        self.request(SET_PROTOCOL_FEATURES, struct.pack("<Q", protocol))
        self.acks = bool(protocol & PROTOCOL_F_REPLY_ACK)
        self.queue_num = self.get(GET_QUEUE_NUM)
        self.request(SET_OWNER)
        self.request(SET_FEATURES, struct.pack("<Q", self.features))

    def set_up_rings(self):
        """Gives the switch memory and rings, none of them enabled."""
        self.request(SET_MEM_TABLE,
                     struct.pack("<IIQQQQ", 1, 0, BASE, self.size, BASE, 0),
                     [self.memory_fd])
        for i, ring in enumerate(self.rings):
            self.request(SET_VRING_NUM, struct.pack("<II", i, RING_SIZE))
            self.request(SET_VRING_BASE, struct.pack("<II", i, 0))
            self.request(SET_VRING_ADDR, struct.pack(
                "<IIQQQQ", i, 0, ring.addr(0), ring.addr(USED),
                ring.addr(AVAIL), 0))
            for request in (SET_VRING_CALL, SET_VRING_KICK):
                fd = os.eventfd(0)
                self.fds.append(fd)
                self.request(request, struct.pack("<Q", i), [fd])

    def enable(self, pair, on=True):
        for ring in (pair * 2, pair * 2 + 1):
            self.request(SET_VRING_ENABLE, struct.pack("<II", ring, on))

    def connect(self, enabled=None):
        """All of it: afterwards packets flow on the queue pairs 'enabled',
        by default all."""
        self.accept()
        self.reset_rings()
        self.set_up_rings()
        for ring in self.rings[::2]:
            for i in range(RING_SIZE):
                ring.set_descriptor(i, ring.addr(BUFFERS + i * RX_BUFFER),
                                    RX_BUFFER, DESC_WRITE)
                ring.expose(i)
        for pair in range(self.pairs) if enabled is None else enabled:
            self.enable(pair)

    def disconnect(self):
        """Goes as a process does that is killed."""
        if self.connection:
            self.connection.close()
            self.connection = None
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    # Packets.

    def send(self, frame, header=Header(), pair=0, cuts=()):
        """Sends 'frame' and waits until the switch has taken it.  'cuts' are
        offsets at which a new descriptor begins, of the frame with its
        header."""
        ring = self.rings[pair * 2 + 1]
        data = header.pack() + frame
        ring.write(BUFFERS, data)
        ends = list(cuts) + [len(data)]
        begin = 0
        for i, end in enumerate(ends):
            last = end == len(data)
            ring.set_descriptor(i, ring.addr(BUFFERS + begin), end - begin,
                                0 if last else DESC_NEXT, 0 if last else i + 1)
            begin = end
        ring.expose(0)
        wait(lambda: ring.used() == ring.avail_idx,
             "the switch takes a packet")
        ring.used_idx = ring.used()

    def try_receive(self, pair):
        """The next (header, frame) that came on 'pair', or None."""
        ring = self.rings[pair * 2]
        used = ring.take_used()
        if not used:
            return None
        data = self.take_buffer(ring, used)
        header = Header(*HEADER.unpack(data[:HEADER.size]))
        for _ in range(header.num_buffers - 1):
            wait(lambda: ring.used() != ring.used_idx,
                 "the switch completes a packet")
            data += self.take_buffer(ring, ring.take_used())
        return header, data[HEADER.size:]

    @staticmethod
    def take_buffer(ring, used):
        head, length = used
        data = ring.read(BUFFERS + head * RX_BUFFER, length)
        ring.expose(head)
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
