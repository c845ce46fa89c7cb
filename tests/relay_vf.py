# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""What relay-vf.at does with a VF that sends back what it is sent."""

import re
import subprocess
import threading

from frames import *
from vhost_guest import *


def vsctl(*args):
    subprocess.check_call(["ovs-vsctl", "--timeout=30"] + list(args))


def statistic(port, name):
    text = subprocess.check_output(["ovs-ofctl", "-O", "OpenFlow14",
                                    "dump-ports", "br0", port], text=True)
    found = re.search(r"\b%s=(\d+)" % re.escape(name), text)
    return int(found.group(1)) if found else 0


def errors(port):
    return sum(statistic(port, name) for name in
               ("VM_rx_errors", "VM_tx_errors", "VF_tx_errors"))


class Echo:
    """Numbered packets of 64 flows, that the guest sends and that come back.
    Each flow's are in order as long as the queues don't change, and no
    buffer comes back twice: the rings see to that."""

    FLOWS = 64
    WINDOW = 48

    def __init__(self, guest):
        self.guest = guest
        self.sent = 0
        self.seen = set()
        self.under_way = {}             # When they were sent.
        self.lost = 0

    def pump(self, pairs):
        now = time.monotonic()
        for pair in pairs:
            if len(self.under_way) < self.WINDOW:
                frame = ether(A, A, ipv4(UDP, udp(
                    b"echo" + struct.pack("!Q", self.sent),
                    sport=1000 + self.sent % self.FLOWS)))
                if self.guest.send_later(frame, pair):
                    self.under_way[self.sent] = now
                    self.sent += 1
        for pair in range(self.guest.pairs):
            for _, frame in iter(lambda: self.guest.try_receive(pair), None):
                if frame[42:46] != b"echo":
                    continue
                number = struct.unpack("!Q", frame[46:54])[0]
                assert number not in self.seen, "%d came twice" % number
                assert number < self.sent
                self.seen.add(number)
                self.under_way.pop(number, None)
        for number, when in list(self.under_way.items()):
            if now - when > 1:
                del self.under_way[number]
                self.lost += 1

    def flow(self, pairs, n):
        """Until 'n' more have come back."""
        goal = len(self.seen) + n

        def look():
            self.pump(pairs)
            return len(self.seen) >= goal

        wait(look, "packets come back (%d of %d, %d lost)"
             % (len(self.seen), goal, self.lost))

    def lossless(self, pairs, n):
        """The same, and nothing may be lost."""
        while self.under_way:
            self.pump([])
        lost = self.lost
        self.flow(pairs, n)

        def look():
            self.pump([])
            return not self.under_way

        wait(look, "all have come back")
        assert self.lost == lost, "%d packets were lost" % (self.lost - lost)


def one_thread_per_queue(port, packed, reta):
    """Two threads serve the port, with pairs 0 and 2 the one and 1 and 3 the
    other.  Whatever the guest enables, and whatever is done to the VF, each of
    the guest's rings is one thread's."""
    with Guest(port + ".sock", 4, packed) as guest:
        guest.connect(enabled=[0])
        echo = Echo(guest)
        echo.flow([0], 100)
        echo.lossless([0], 5000)
        mtu = 1500
        for pairs in [0], [1], [2, 3], [0, 2], [1, 3], [3], [0, 1, 2, 3], [0]:
            for pair in range(4):
                guest.enable(pair, pair in pairs)
            echo.flow(pairs, 3000)
            echo.lossless(pairs, 500)
            # The VF is set up anew under traffic.
            mtu = 2900 - mtu
            thread = threading.Thread(target=vsctl, args=(
                "set", "Interface", port, "mtu_request=%d" % mtu))
            thread.start()
            while thread.is_alive():
                echo.pump(pairs)
            thread.join()
            echo.flow(pairs, 3000)
            echo.lossless(pairs, 500)
        # One thread for all, and two again.
        for n in 1, 2, 4, 2:
            thread = threading.Thread(target=vsctl, args=(
                "set", "Interface", port, "options:n_rxq=%d" % n))
            thread.start()
            while thread.is_alive():
                echo.pump([0])
            thread.join()
            echo.flow([0], 3000)
            echo.lossless([0], 500)
        # So are pairs that come and go all the time.
        for i in range(100):
            guest.enable(i % 3 + 1, i % 2 == 0)
            echo.flow([0], 100)
        for pair in 1, 2, 3:
            guest.enable(pair, False)
        echo.flow([0], 500)
        echo.lossless([0], 500)
        print("sent", echo.sent, "back", len(echo.seen), "lost", echo.lost)
        assert not errors(port), errors(port)


def show():
    return subprocess.check_output(["ovs-appctl", "dpdkvdpa/show"], text=True)


def log():
    with open("ovs-vswitchd.log", encoding="utf-8") as file:
        return file.read()


def last_set_up(text):
    """Waits until what the VF was told last is 'text'."""
    wait(lambda: re.findall(r"fakevf: [^:]*: (.*)", log())[-1] == text,
         "the VF is set up: " + text)


def echoes(port, pairs):
    """The port has so many queue pairs, and all of them work."""
    with Guest(port + ".sock", pairs) as guest:
        guest.connect()
        assert guest.queue_num == pairs, guest.queue_num
        echo = Echo(guest)
        echo.flow(range(pairs), 500)
        echo.lossless(range(pairs), 500)
        assert not errors(port)


def pads(port, packed):
    """Short frames come as long as frames are, with zeros, whatever was in
    memory before."""
    with Guest(port + ".sock", packed=packed) as guest:
        guest.connect()

        def sends(frame):
            # Something that fills the buffers before.
            for _ in range(20):
                guest.send(ether(A, A, (0x88b6, b"\xff" * 200)))
            guest.send(frame)
            return guest.receive(lambda f: f[12:14] != b"\x88\xb6")[1]

        for length in range(14, 70):
            frame = ether(A, A, (0x88b5, bytes(range(1, 57))))[:length]
            got = sends(frame)
            assert got == frame + bytes(max(60 - length, 0)), got.hex()
        assert not errors(port), errors(port)
