# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Virtqueues as a guest's driver has them, split and packed.

Both kinds of ring have the same few functions:

    put(ident, parts)   makes a buffer available, under the name 'ident', of
                        the 'parts' (address, length, flags of a descriptor)
    take_used()         (ident, length) of the next buffer that came back, or
                        None
    all_used()          whether all buffers have come back
    position()          what SET_VRING_BASE takes: where the device goes on

What is below them may be used to do what no driver should.
"""

import os
import struct

# Of a descriptor.
DESC_NEXT = 1
DESC_WRITE = 2
DESC_INDIRECT = 4
DESC_AVAIL = 1 << 7
DESC_USED = 1 << 15

# Where the guest's memory begins, for guest and hypervisor.
BASE = 0x10000000

RING_SIZE = 256

# Layout of a ring's part of memory: descriptors, available ring or driver's
# area, used ring or device's area, indirect tables, buffers; and room to move
# all but the buffers to.
AVAIL = 0x1000
USED = 0x2000
TABLES = 0x3000
BUFFERS = 0x4000
SPARE = 0xc0000
RING_MEMORY = 1 << 20


class Ring:
    """What both kinds have: the ring at 'index' among the guest's."""

    packed = False

    def __init__(self, memory, index, size=RING_SIZE):
        self.memory = memory
        self.index = index
        self.ofs = index * RING_MEMORY
        self.size = size
        self.moved = 0
        self.kick_fd = None
        self.call_fd = None

    def at(self, ofs):
        return self.ofs + ofs + (self.moved if ofs < BUFFERS else 0)

    def addr(self, ofs):
        return BASE + self.at(ofs)

    def write(self, ofs, data):
        self.memory[self.at(ofs):self.at(ofs) + len(data)] = data

    def read(self, ofs, length):
        return self.memory[self.at(ofs):self.at(ofs) + length]

    def u16(self, ofs):
        return struct.unpack_from("<H", self.memory, self.at(ofs))[0]

    def move(self, to):
        """Moves everything but the buffers by 'to' from where it belongs."""
        data = self.read(0, BUFFERS)
        self.moved = to
        self.write(0, data)

    def set_descriptor(self, i, addr, length, flags=0, following=0):
        """'following' is the next descriptor's index in a split ring, and the
        buffer's id in a packed one."""
        words = (flags, following) if not self.packed else (following, flags)
        self.write(i * 16, struct.pack("<QIHH", addr, length, *words))

    def kick(self):
        if self.kick_fd is not None:
            os.eventfd_write(self.kick_fd, 1)

    def put_indirect(self, ident, parts, length=None):
        """A buffer whose 'parts' stand in a table of their own, of which
        'length' bytes are said to be there."""
        table = b""
        for i, (addr, size, flags) in enumerate(parts):
            if self.packed:
                table += struct.pack("<QIHH", addr, size, 0, flags)
            else:
                last = i == len(parts) - 1
                table += struct.pack("<QIHH", addr, size,
                                     flags | (0 if last else DESC_NEXT),
                                     0 if last else i + 1)
        self.write(TABLES, table)
        self.put(ident, [(self.addr(TABLES),
                          len(table) if length is None else length,
                          DESC_INDIRECT)])


class SplitRing(Ring):
    """A buffer's ident is its first descriptor, and the following ones are
    its others."""

    def __init__(self, memory, index, size=RING_SIZE):
        super().__init__(memory, index, size)
        self.avail_idx = 0
        self.used_idx = 0

    def put(self, ident, parts):
        for i, (addr, length, flags) in enumerate(parts):
            last = i == len(parts) - 1
            self.set_descriptor(ident + i, addr, length,
                                flags | (0 if last else DESC_NEXT),
                                0 if last else ident + i + 1)
        self.expose(ident)

    def expose(self, head):
        """Hands the descriptor chain that begins at 'head' to the switch."""
        self.write(AVAIL + 4 + self.avail_idx % self.size * 2,
                   struct.pack("<H", head))
        self.set_avail(self.avail_idx + 1)

    def set_avail(self, idx):
        self.avail_idx = idx & 0xffff
        self.write(AVAIL + 2, struct.pack("<H", self.avail_idx))
        self.kick()

    def used(self):
        """The used ring's index, as the switch wrote it."""
        return self.u16(USED + 2)

    def take_used(self):
        if self.used() == self.used_idx:
            return None
        entry = self.read(USED + 4 + self.used_idx % self.size * 8, 8)
        self.used_idx = (self.used_idx + 1) & 0xffff
        return struct.unpack("<II", entry)

    def all_used(self):
        return self.used() == self.avail_idx

    def position(self):
        return self.used()


class PackedRing(Ring):
    packed = True

    def __init__(self, memory, index, size=RING_SIZE):
        super().__init__(memory, index, size)
        self.next = 0
        self.wrap = 1
        self.next_used = 0
        self.used_wrap = 1
        self.counts = {}

    def flags(self, slot):
        return self.u16(slot * 16 + 14)

    def set_flags(self, slot, flags):
        self.write(slot * 16 + 14, struct.pack("<H", flags))

    def put(self, ident, parts):
        self.counts[ident] = len(parts)
        head, head_flags = self.next, None
        for i, (addr, length, flags) in enumerate(parts):
            flags |= DESC_AVAIL if self.wrap else DESC_USED
            if i < len(parts) - 1:
                flags |= DESC_NEXT
            # The head's flags are what makes all of it available.
            if head_flags is None:
                head_flags = flags
                flags = self.flags(head)
            self.set_descriptor(self.next, addr, length, flags, ident)
            self.next += 1
            if self.next == self.size:
                self.next = 0
                self.wrap ^= 1
        self.set_flags(head, head_flags)
        self.kick()

    def peek_used(self):
        flags = self.flags(self.next_used)
        return (bool(flags & DESC_USED) == bool(flags & DESC_AVAIL)
                == bool(self.used_wrap))

    def take_used(self):
        if not self.counts or not self.peek_used():
            return None
        length, ident = struct.unpack("<IH", self.read(
            self.next_used * 16 + 8, 6))
        if ident not in self.counts:
            raise AssertionError("buffer %d came back that is not out" % ident)
        self.next_used += self.counts.pop(ident)
        if self.next_used >= self.size:
            self.next_used -= self.size
            self.used_wrap ^= 1
        return ident, length

    def all_used(self):
        while self.take_used():
            pass
        return not self.counts

    def position(self):
        return self.next_used | self.used_wrap << 15
