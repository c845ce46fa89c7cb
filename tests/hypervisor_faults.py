# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""What hypervisor-faults.at has hypervisors say that they should not.

Each function that @fault is before plays one hypervisor, up to what ends its
connection.  What reason is given for which message is vdpa-message.at's
matter.
"""

import fcntl
import itertools
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time

import fuse_file
from frames import *
from guest_faults import Clumsy, Cut, CUTS, ask, connect_and_ask
from vhost_guest import *

RESET_OWNER = 4
SET_LOG_BASE = 6
SET_VRING_ERR = 14
SEND_RARP = 19
NET_SET_MTU = 20
SET_BACKEND_REQ_FD = 21
SET_STATUS = 39

PROTOCOL_F_LOG_SHMFD = 1 << 1
F_LOG_ALL = 1 << 26

NO_FILE = 1 << 8


def vswitchd():
    with open(os.path.join(os.environ["SANDBOX_DIR"],
                           "ovs-vswitchd.pid")) as f:
        return int(f.read())


def coverage(counter):
    return int(subprocess.check_output(
        ["ovs-appctl", "coverage/read-counter", counter], text=True))


class Hypervisor(Guest):
    """One that negotiates what it likes."""

    protocol = PROTOCOL_F_MQ | PROTOCOL_F_LOG_SHMFD | PROTOCOL_F_REPLY_ACK

    def greet(self):
        """The switch connects; nothing is said yet."""
        self.acks = False
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(TIMEOUT)

    def own(self):
        self.greet()
        self.offered = self.get(GET_FEATURES)
        self.protocol &= self.get(GET_PROTOCOL_FEATURES)
        self.request(SET_PROTOCOL_FEATURES, struct.pack("<Q", self.protocol))
        self.request(SET_OWNER)

    def accept(self):
        self.own()
        self.set_features()

    def table(self, regions, fds, request=SET_MEM_TABLE):
        self.send_message(request, struct.pack("<II", len(regions), 0)
                          + b"".join(struct.pack("<QQQQ", *region)
                                     for region in regions), fds)

    def state(self, request, index, value, flags=1):
        self.send_message(request, struct.pack("<II", index, value), (), flags)

    def file(self, request, value, *fds):
        self.send_message(request, struct.pack("<Q", value), fds)

    def log(self, size, offset, fd):
        self.send_message(SET_LOG_BASE, struct.pack("<QQ", size, offset), [fd])

    def wait_for_end(self):
        """Waits until the switch ends the connection."""
        end = time.monotonic() + TIMEOUT
        try:
            while self.connection.recv(4096):
                if time.monotonic() > end:
                    raise TimeoutError("the switch answers on and on")
        except ConnectionError:
            pass

    def play(self, play):
        """Does play(self), during which the switch may end the connection, and
        sees that it does."""
        try:
            play(self)
        except ConnectionError:
            pass
        self.wait_for_end()


FAULTS = []


def fault(begin):
    """Before a function that begins where begin(hypervisor) has ended."""
    def add(play):
        FAULTS.append((play.__name__, begin, play))
        return play
    return add


GREETED = Hypervisor.greet
OWNED = Hypervisor.own
ACCEPTED = Hypervisor.accept
RUNNING = Hypervisor.connect


def memfd(size, seals=0):
    fd = os.memfd_create("file", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def eventfd():
    return os.eventfd(0, os.EFD_NONBLOCK)


def disk_file(size=1 << 20):
    f = tempfile.TemporaryFile(dir=".")
    f.truncate(size)
    return os.dup(f.fileno())


# Requests that were not offered.

@fault(ACCEPTED)
def asks_for_a_table_of_64_gib(h):
    h.send_message(31, struct.pack("<QQHH4x", 0, 0, 1024, 65535))


@fault(ACCEPTED)
def gives_a_table_that_is_too_small(h):
    h.send_message(32, struct.pack("<QQHH4x", 4096, 0, 256, 65535),
                   [memfd(4096)], 9)


@fault(ACCEPTED)
def begins_to_copy_later(h):
    h.send_message(28)


@fault(ACCEPTED)
def copies_later(h):
    h.send_message(29, flags=9)


@fault(ACCEPTED)
def asks_for_too_much_config(h):
    h.send_message(24, struct.pack("<III", 0, 100000, 0) + bytes(8), flags=9)


@fault(ACCEPTED)
def asks_for_config(h):
    h.send_message(24, struct.pack("<III", 0, 12, 0) + bytes(12))


@fault(ACCEPTED)
def sets_config(h):
    h.send_message(25, struct.pack("<III", 0, 12, 0) + bytes(12), flags=9)


@fault(ACCEPTED)
def makes_a_session(h):
    h.send_message(26, bytes(128))


@fault(ACCEPTED)
def translates(h):
    h.send_message(22, bytes(32))


@fault(ACCEPTED)
def asks_nothing(h):
    h.send_message(0)


@fault(ACCEPTED)
def asks_what_nobody_knows(h):
    h.send_message(200, bytes(8), flags=9)


@fault(ACCEPTED)
def asks_what_the_switch_asks(h):
    h.send_message(0x66656e63)


# Rings that the port does not have.

@fault(ACCEPTED)
def sizes_a_foreign_ring(h):
    h.state(SET_VRING_NUM, 254, 32768)


@fault(ACCEPTED)
def sizes_a_ring_beyond(h):
    h.state(SET_VRING_NUM, h.queue_num * 2 if h.acks else 2, 256, 9)


@fault(ACCEPTED)
def calls_for_a_foreign_ring(h):
    h.file(SET_VRING_CALL, 200, eventfd())


@fault(RUNNING)
def stops_a_foreign_ring(h):
    h.state(GET_VRING_BASE, 255, 0)


@fault(RUNNING)
def enables_a_foreign_ring(h):
    h.state(SET_VRING_ENABLE, 40, 1)


@fault(ACCEPTED)
def sizes_a_ring_to_nothing(h):
    h.state(SET_VRING_NUM, 0, 0)


@fault(ACCEPTED)
def sizes_a_ring_to_three(h):
    h.state(SET_VRING_NUM, 0, 3)


@fault(ACCEPTED)
def sizes_a_ring_to_too_much(h):
    h.state(SET_VRING_NUM, 1, 1 << 31)


# Messages that are not what they are called.

@fault(GREETED)
def sends_a_size_without_an_end(h):
    h.connection.sendall(struct.pack("<III", GET_FEATURES, 1, 0xfffffff0))


@fault(ACCEPTED)
def sends_too_little(h):
    h.send_message(SET_VRING_NUM, bytes(4))


@fault(ACCEPTED)
def sends_too_much(h):
    h.send_message(SET_VRING_NUM, bytes(200))


@fault(GREETED)
def answers(h):
    h.send_message(GET_FEATURES, flags=5)


@fault(GREETED)
def has_another_version(h):
    h.send_message(GET_FEATURES, flags=2)


@fault(GREETED)
def wants_acknowledgements(h):
    h.send_message(SET_OWNER, flags=9)


# Before their turn.

@fault(GREETED)
def begins_with_memory(h):
    h.table(h.regions, [h.memory_fd])


@fault(GREETED)
def begins_with_the_protocol(h):
    h.send_message(SET_PROTOCOL_FEATURES, struct.pack("<Q", 0xffff))


@fault(OWNED)
def kicks_before_there_is_memory(h):
    h.file(SET_VRING_KICK, 0, eventfd())


@fault(OWNED)
def logs_before_there_is_memory(h):
    h.log(65536, 0, memfd(65536))


@fault(OWNED)
def takes_what_was_not_offered(h):
    h.send_message(SET_FEATURES, struct.pack("<Q", (1 << 64) - 1))


@fault(GREETED)
def takes_a_protocol_that_was_not_offered(h):
    h.get(GET_FEATURES)
    h.get(GET_PROTOCOL_FEATURES)
    h.send_message(SET_PROTOCOL_FEATURES, struct.pack("<Q", 1 << 12 | 1 << 8))


@fault(ACCEPTED)
def announces_what_was_not_negotiated(h):
    h.send_message(SEND_RARP, bytes(8))


# Files.

@fault(ACCEPTED)
def sends_a_file_with_features(h):
    h.send_message(SET_FEATURES, struct.pack("<Q", h.features),
                   [h.memory_fd])


@fault(ACCEPTED)
def sends_memory_without_a_file(h):
    h.table(h.regions, [])


@fault(ACCEPTED)
def sends_memory_with_many_files(h):
    h.table(h.regions, [h.memory_fd] * 8)


@fault(ACCEPTED)
def sends_more_files_than_any_message_has(h):
    h.table(h.regions, [h.memory_fd] * 200)


@fault(ACCEPTED)
def sends_files_in_pieces(h):
    data = struct.pack("<III", SET_MEM_TABLE, 1, 40)
    for i in range(12):
        socket.send_fds(h.connection, [data[i:i + 1]], [h.memory_fd])


@fault(ACCEPTED)
def calls_a_pipe(h):
    h.file(SET_VRING_CALL, 0, os.pipe()[1])


@fault(RUNNING)
def kicks_with_memory(h):
    h.file(SET_VRING_KICK, 0, h.memory_fd)


@fault(ACCEPTED)
def sends_no_file_and_a_file(h):
    h.file(SET_VRING_CALL, NO_FILE, eventfd())


@fault(ACCEPTED)
def has_memory_on_disk(h):
    h.table(h.regions, [disk_file()])


@fault(ACCEPTED)
def has_memory_in_a_pipe(h):
    h.table(h.regions, [os.pipe()[0]])


# Memory.

@fault(ACCEPTED)
def has_no_memory(h):
    h.table([], [])


@fault(ACCEPTED)
def has_much_memory(h):
    h.table([(i << 32, 4096, i << 32, 0) for i in range(9)],
            [h.memory_fd] * 9)


@fault(ACCEPTED)
def has_memory_twice(h):
    h.table([(0, 8192, 0, 0), (4096, 8192, 1 << 20, 0)], [h.memory_fd] * 2)


@fault(ACCEPTED)
def has_memory_around_the_end(h):
    h.table([((1 << 64) - 4096, 8192, 0, 0)], [h.memory_fd])


@fault(ACCEPTED)
def has_more_memory_than_file(h):
    h.table([(BASE, h.size + 1, BASE, 0)], [h.memory_fd])


@fault(RUNNING)
def replaces_memory_by_a_pipe(h):
    h.table([(BASE, h.size * 2, BASE, 0)], [os.pipe()[0]])


@fault(RUNNING)
def replaces_memory_and_is_acknowledged(h):
    h.send_message(SET_MEM_TABLE, struct.pack("<II", 1, 0) + struct.pack(
        "<QQQQ", BASE, h.size * 2, BASE, 0), [os.pipe()[0]], flags=9)


# Memory that cannot be mapped.

@fault(ACCEPTED)
def has_memory_that_nobody_may_write(h):
    h.table([(BASE, h.size, BASE, 0)], [memfd(h.size, fcntl.F_SEAL_WRITE)])


@fault(RUNNING)
def replaces_memory_by_some_that_nobody_may_write(h):
    h.table([(BASE << 8, h.size, BASE << 8, 0)],
            [memfd(h.size, fcntl.F_SEAL_WRITE)])


@fault(RUNNING)
def replaces_memory_and_stops(h):
    h.send_message(SET_MEM_TABLE, struct.pack("<II", 1, 0) + struct.pack(
        "<QQQQ", BASE << 8, h.size, BASE << 8, 0),
        [memfd(h.size, fcntl.F_SEAL_WRITE)], flags=9)
    h.state(GET_VRING_BASE, 0, 0)


# What librte_vhost refuses.

@fault(RUNNING)
def changes_features_while_rings_run(h):
    h.send_message(SET_FEATURES, struct.pack("<Q", h.features ^ F_MRG_RXBUF))


@fault(RUNNING)
def changes_features_and_is_acknowledged(h):
    h.send_message(SET_FEATURES, struct.pack("<Q", h.features ^ F_MRG_RXBUF),
                   flags=9)
    h.state(GET_VRING_BASE, 0, 0)


@fault(RUNNING)
def shares_half_of_all_addresses(h):
    h.table([(0, 1 << 46, 0, 0)], [memfd(1 << 46)])


# The log of a migration.

@fault(RUNNING)
def logs_behind_the_log(h):
    h.log(65536, 65536, memfd(1 << 20))


@fault(RUNNING)
def logs_far_behind_the_log(h):
    h.log(65536, 0x200000000000, memfd(65536))


@fault(RUNNING)
def logs_nothing(h):
    h.log(0, 0, memfd(65536))


@fault(RUNNING)
def logs_more_than_the_file(h):
    h.log(65536, 0, memfd(4096))


@fault(RUNNING)
def logs_the_universe(h):
    h.log(1 << 45, 0, memfd(1 << 45))


@fault(RUNNING)
def logs_to_disk(h):
    h.log(65536, 0, disk_file())


@fault(RUNNING)
def has_its_log_forgotten(h):
    h.log(65536, 0, memfd(65536))
    h.send_message(RESET_OWNER)


def begin_again(path, packed):
    """Has a guest with two queue pairs begin again by RESET_OWNER, as front
    ends do that know no better way, and sees that both are served."""
    with Guest(path, pairs=2, packed=packed) as guest:
        guest.connect()
        guest.send(arp_request(A, "10.0.0.77", "10.0.0.1"), pair=1)
        guest.request(RESET_OWNER)
        guest.set_features()
        guest.reset_rings()
        guest.fill_receive_rings()
        guest.set_memory()
        for pair in 0, 1:
            guest.set_up_ring(pair * 2)
            guest.set_up_ring(pair * 2 + 1)
            guest.enable(pair)
            guest.send(arp_request(A, "10.0.0.77", "10.0.0.1"), pair=pair)


def be_refused(path):
    """Plays all faults: each ends the connection of who plays it, and an
    honest guest is served afterwards."""
    refused = coverage("vdpa_message_refused")
    for name, begin, play in FAULTS:
        print(name, flush=True)
        with Hypervisor(path) as h:
            begin(h)
            h.play(play)
    with Guest(path) as guest:
        connect_and_ask(guest)
    wait(lambda: coverage("vdpa_message_refused") - refused >= len(FAULTS),
         "each of %d is counted" % len(FAULTS))


# Others' time.

def hold_messages(path, other_paths):
    """While hypervisors hold the rest of a message back, or do not read,
    others connect as always; and who takes its time loses nothing by that."""
    with Guest(path) as other:
        held = []
        for other_path in other_paths:
            h = Hypervisor(other_path)
            h.accept()
            h.set_memory()
            h.connection.sendall(struct.pack("<III", SET_VRING_NUM, 9, 8))
            held.append(h)
        for _ in range(5):
            other.connect()
            ask(other)
            other.disconnect()
        for h in held:
            h.connection.sendall(struct.pack("<II", 1, 256))
            h.receive_reply(SET_VRING_NUM)
            h.reset_rings()
            h.fill_receive_rings()
            h.start()
            ask(h)

            # Now it reads no answers.
            h.connection.settimeout(0.1)
            try:
                while True:
                    h.send_message(GET_FEATURES)
            except OSError:
                pass
        other.connect()
        ask(other)
        for h in held:
            h.__exit__()


class Attackers:
    """Threads that do attack(hypervisor) at each of 'paths', again and
    again."""

    def __init__(self, paths, attack, pairs=1):
        self.stopped = False
        self.n = dict.fromkeys(paths, 0)
        self.threads = [threading.Thread(target=self.run,
                                         args=(path, attack, pairs))
                        for path in paths]

    def run(self, path, attack, pairs):
        with Hypervisor(path, pairs) as h:
            h.listener.settimeout(1)
            while not self.stopped:
                try:
                    attack(h)
                except (OSError, Disconnected, AssertionError, struct.error):
                    pass
                h.disconnect()
                self.n[path] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait(lambda: all(self.n.values()), "all attack")
        return self

    def __exit__(self, *_):
        self.stopped = True
        for thread in self.threads:
            thread.join()


def cut_in_header(h):
    h.greet()
    h.connection.settimeout(3)
    h.connection.sendall(struct.pack("<III", SET_VRING_NUM, 1, 8))
    h.connection.recv(1)


def start_and_go(h):
    h.accept()
    h.start()


def change_memory(h):
    h.accept()
    h.start()
    for i in range(50):
        h.regions = [(BASE + (i % 2 << 40), h.size, BASE + (i % 2 << 40), 0)]
        h.set_memory()


def connect_meanwhile(path, attackers):
    """Connects a guest while others do all they can to be in the way.  How
    long that takes is printed; that it is not slowed is vdpa-message.at's
    matter."""
    def handshake():
        begin = time.monotonic()
        guest.accept()
        guest.reset_rings()
        guest.fill_receive_rings()
        guest.start()
        took = time.monotonic() - begin
        ask(guest)
        guest.disconnect()
        return took

    with Guest(path) as guest:
        handshake()
        alone = sorted(handshake() for _ in range(10))
        print("alone: %.1f ms, at most %.1f" % (alone[5] * 1e3,
                                               alone[9] * 1e3))
        for attack in cut_in_header, start_and_go, change_memory:
            with Attackers(attackers, attack) as others:
                times = sorted(handshake() for _ in range(10))
                print("%s: %.1f ms, at most %.1f; attacks: %s"
                      % (attack.__name__, times[5] * 1e3, times[9] * 1e3,
                         list(others.n.values())), flush=True)


# What a NIC's driver wants of a hypervisor.

PROTOCOL_F_BACKEND_REQ = 1 << 5
PROTOCOL_F_BACKEND_SEND_FD = 1 << 10
PROTOCOL_F_HOST_NOTIFIER = 1 << 11
HOST_NOTIFIER = 3


class Mapper(Hypervisor):
    """One that could map doorbells for its guest."""

    protocol = (Hypervisor.protocol | PROTOCOL_F_BACKEND_REQ
                | PROTOCOL_F_BACKEND_SEND_FD | PROTOCOL_F_HOST_NOTIFIER)

    def give_channel(self):
        ours, theirs = socket.socketpair()
        self.request(SET_BACKEND_REQ_FD, b"", [theirs.fileno()])
        theirs.close()
        ours.settimeout(TIMEOUT)
        return ours


def map_no_doorbells(path):
    """A driver asks for doorbells of a hypervisor that does not answer, and
    one that is not there to hear it: nobody waits for either."""
    for gone in False, True:
        with Mapper(path, features=F_VERSION_1 | F_PROTOCOL_FEATURES) as h:
            h.accept()
            channel = h.give_channel()
            if gone:
                channel.close()
            h.reset_rings()
            h.start()
            assert h.get(GET_FEATURES) == h.offered
            for ring in range(0 if gone else 2):
                data, fds, _, _ = socket.recv_fds(channel, 36, 4)
                request, flags, size, value, length, offset = struct.unpack(
                    "<IIIQQQ", data)
                for fd in fds:
                    os.close(fd)
                got = (request, flags & NEED_REPLY_FLAG, size, value & 0xff,
                       length, offset, len(fds))
                assert got == (HOST_NOTIFIER, 0, 24, ring, 4096, ring * 4096,
                               1), got
            h.stop()
            assert h.get(GET_FEATURES) == h.offered


# Files that make others wait.

def send_files_that_wait(path, other_path):
    """Another guest connects all the same, as does the next one here."""
    for held in ("getattr",), ("read", "write"), ("flush",):
        for play in ("memory", "call", "features"):
            print(held, play, flush=True)
            with fuse_file.FuseFile("mnt", 1 << 24) as fuse, \
                 Guest(other_path) as other:
                h = Hypervisor(path)
                h.accept()
                f = fuse.open()
                fuse.hold(*held)
                if play == "memory":
                    h.table(h.regions, [f])
                elif play == "call":
                    h.file(SET_VRING_CALL, 0, f)
                else:
                    h.file(SET_FEATURES, h.features, f)
                h.wait_for_end()
                other.connect()
                ask(other)
                h.disconnect()
                h.listener.close()
            try:
                os.close(f)         # It would take its time before.
            except OSError:
                pass
    with Guest(path) as guest:
        connect_and_ask(guest)


# Nothing is left of anybody.

def memory_of(pid):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])


def dpdk_heap():
    text = subprocess.check_output(["ovs-appctl", "dpdk/get-malloc-stats"],
                                   text=True)
    return [line.strip() for line in text.splitlines()
            if line.strip().startswith(("Alloc_count", "Alloc_size"))]


def what_is_used():
    pid = vswitchd()
    return (len(os.listdir("/proc/%d/fd" % pid)), dpdk_heap(),
            len(os.listdir("/proc/%d/task" % pid)))


def come_and_go(path, n):
    """Plays 'n' hypervisors that are refused, or leave whenever they like."""
    played = itertools.cycle(FAULTS)
    for i in range(n // 4):
        with Hypervisor(path) as h:
            _, begin, play = next(played)
            begin(h)
            h.play(play)
    at = 0
    with Clumsy(path) as guest:
        for i in range(n - n // 4):
            guest.reset(CUTS[i % len(CUTS)], at)
            at = (at + 1) % 24
            try:
                guest.accept()
                guest.connection.settimeout(1)
                guest.start()
            except (Cut, Disconnected, OSError, AssertionError, struct.error):
                pass
            guest.listen()
            guest.disconnect()


def files_called(name):
    """How many files of the switch are the memfd 'name'."""
    fds = "/proc/%d/fd" % vswitchd()
    n = 0
    for fd in os.listdir(fds):
        try:
            target = os.readlink(os.path.join(fds, fd))
            n += target.startswith("/memfd:" + name)
        except FileNotFoundError:
            pass
    return n


def share_the_same_elsewhere(path):
    """Says that the guest's memory is where it was, in other files.
    librte_vhost then keeps the first ones, which its thread would have to free
    if the screen did not keep them, too."""
    with Guest(path) as guest:
        guest.accept()
        for name in "first", "second":
            fd = os.memfd_create(name)
            os.ftruncate(fd, 1 << 20)
            guest.request(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0,
                                                     1 << 20, 0, 0), [fd])
            os.close(fd)
        wait(lambda: files_called("second") == 0, "the second one is closed")
        assert files_called("first") == 2, files_called("first")


def forget_rings(path, n):
    """Has the switch make large rings and forget them by RESET_OWNER, again
    and again: each time it gives back what it had for them."""
    with Guest(path) as guest:
        guest.accept()

        def begin_again():
            for ring in 0, 1:
                guest.request(SET_VRING_NUM, struct.pack("<II", ring, 32768))
            guest.request(RESET_OWNER)
            guest.set_features()

        begin_again()
        before = dpdk_heap()
        for _ in range(n):
            begin_again()
        after = dpdk_heap()
        print("DPDK's heap: %s, then %s" % (before, after))
        wait(lambda: dpdk_heap() == before, "all is given back")


def leave_nothing(path, n):
    come_and_go(path, n // 4)
    time.sleep(0.5)
    before, memory = what_is_used(), memory_of(vswitchd())
    come_and_go(path, n)
    wait(lambda: what_is_used() == before, "all is given back: %s, not %s"
         % (before, what_is_used()))
    grown = memory_of(vswitchd()) - memory
    print("after %d connections: %d KiB more, %s" % (n, grown, before))
    assert grown < 8192, grown
    with Guest(path) as guest:
        connect_and_ask(guest)
