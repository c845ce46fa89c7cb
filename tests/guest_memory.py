# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""What guest-memory.at has hypervisors do to files that they share."""

import fcntl
import fuse_file
import os
import subprocess
import threading

from guest_faults import *


def set_nonblock(fd, on):
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_NONBLOCK if on
                else flags & ~os.O_NONBLOCK)


class Forever:
    """Has 'action' done all the time, in a thread of its own."""

    def __init__(self, action):
        self.action = action

    def __enter__(self):
        self.end = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __exit__(self, *_):
        self.end = True
        self.thread.join()

    def run(self):
        while not self.end:
            self.action()


def fill(fd):
    set_nonblock(fd, True)
    try:
        os.eventfd_read(fd)
    except BlockingIOError:
        pass
    os.eventfd_write(fd, 2 ** 64 - 2)
    set_nonblock(fd, False)


def fill_interrupts(port):
    """The guest's interrupts cannot take any more, and who writes to them
    waits.  Its port goes on, as if nobody had anything against it."""
    for packed in False, True:
        with Guest(port + ".sock", packed=packed) as guest:
            guest.connect()
            ask(guest)
            for ring in guest.rings:
                fill(ring.call_fd)
            with Forever(lambda: [set_nonblock(ring.call_fd, False)
                                  for ring in guest.rings]):
                for _ in range(200):
                    guest.send(GOOD)
                ask(guest)
            # A reader finds them full, and gets new ones.
            for ring in guest.rings:
                set_nonblock(ring.call_fd, True)
                assert os.eventfd_read(ring.call_fd) >= 2 ** 64 - 2
            guest.send(GOOD)
            wait(lambda: os.eventfd_read(guest.rings[1].call_fd) > 0,
                 "the guest is interrupted")


def empty_kicks(port):
    """Whoever kicks takes that back before it is seen, and who reads waits.
    The same for each of the guest's kicks."""
    for packed in False, True:
        with Guest(port + ".sock", packed=packed) as guest:
            guest.connect()
            ask(guest)
            fd = guest.rings[1].kick_fd
            own = os.dup(fd)

            def kick():
                os.eventfd_write(own, 1)
                set_nonblock(own, True)
                try:
                    os.eventfd_read(own)
                except BlockingIOError:
                    pass
                set_nonblock(own, False)

            # The NIC reads kicks only when it had nothing to do.
            children = []
            for _ in range(2):
                pid = os.fork()
                if not pid:
                    while True:
                        kick()
                children.append(pid)
            time.sleep(2)
            for pid in children:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            set_nonblock(own, True)
            ask(guest)
            os.close(own)


def lose_nic_and_memory(split_port, packed_port):
    """The NIC dies, so that its driver looks into the rings when the guests
    go; but there is no memory any more."""
    with Guest(split_port + ".sock") as split, \
            Guest(packed_port + ".sock", packed=True) as packed:
        guests = split, packed
        for guest in guests:
            guest.connect()
        for guest in guests:
            guest.send(GOOD)
        assert sandbox("stop-nic", "KILL").wait() == 0
        for guest in guests:
            os.ftruncate(guest.memory_fd, 0)
            guest.rings = []            # This process would die of it, too.


class Holes(Guest):
    """A guest with a GiB of memory, of which the file has the beginning once
    it was shared."""

    def set_memory(self):
        size = os.fstat(self.memory_fd).st_size
        self.regions = [(BASE, 1 << 30, BASE, 0)]
        os.ftruncate(self.memory_fd, 1 << 30)
        super().set_memory()
        os.ftruncate(self.memory_fd, size)


def send_from_holes(guest, n=4, pieces=1023):
    """Packets of many pieces, each where there is no page."""
    ring = guest.rings[1]
    for i in range(n):
        table = b"".join(
            struct.pack("<QIHH",
                        BASE + (4 << 20) + (i * pieces + j) * 8192, 1,
                        1 if j < pieces - 1 else 0, j + 1)
            for j in range(pieces))
        ring.write(BUFFERS + i * 16384, table)
        ring.set_descriptor(i, ring.addr(BUFFERS + i * 16384), len(table),
                            DESC_INDIRECT, 0)
        ring.write(AVAIL + 4 + i * 2, struct.pack("<H", i))
    ring.set_avail(n)


def map_count():
    with open("ovs-vswitchd.pid") as file:
        return len(open("/proc/%d/maps" % int(file.read())).readlines())


def grow_heap(port, other, rounds=8):
    """DPDK's heap grows, for which DPDK catches SIGBUS itself, while a PMD
    thread touches memory that is not there."""
    def change_mtu(i):
        subprocess.check_call(["ovs-vsctl", "--timeout=60", "set", "Interface",
                               other, "mtu_request=%d" % (1500 + 1500 * i)])

    for i in range(rounds):
        with Holes(port + ".sock", features=FEATURES | F_INDIRECT) as guest:
            guest.filled = False
            guest.connect()
            before = errors(port)
            thread = threading.Thread(target=change_mtu, args=(i % 5,))
            thread.start()
            time.sleep(0.02 * (i % 4))
            send_from_holes(guest)
            wait(lambda: errors(port) > before, "it is counted")
            thread.join()
    with Guest(port + ".sock") as guest:
        connect_and_ask(guest)


def holes_cost_no_mappings(port):
    """The kernel lets a process have only so many mappings."""
    before = map_count()
    for _ in range(3):
        with Holes(port + ".sock", features=FEATURES | F_INDIRECT) as guest:
            guest.filled = False
            guest.connect()
            n = errors(port)
            send_from_holes(guest)
            wait(lambda: errors(port) > n, "it is counted")
            assert map_count() < before + 100, (map_count(), before)


def give_nic_dead_files():
    """A host sends the NIC files that nobody can get rid of: to close them
    takes an answer of their file system's."""
    with fuse_file.FuseFile("mnt", 1 << 20) as files:
        fds = [os.open(files.file, os.O_RDWR) for _ in range(4)]
        files.stop_answering()
        connections = []
        for _ in range(3):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            connection.settimeout(TIMEOUT)
            connection.connect("nicsim0.sock")
            socket.send_fds(connection, [bytes(64)], fds)
            connections.append(connection)
            # It is refused, and the NIC is there for the next one.  (No other
            # program may be started here: that closes files, too.)
            assert connection.recv(1 << 16)
    for connection in connections:
        connection.close()
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            pass                        # Its file system has gone.
