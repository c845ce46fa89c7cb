# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""
The ways to connect a guest, on one NIC and one Open vSwitch
============================================================

In each mode the guest is a dpdk-testpmd that forwards between its own network
device and a VF of the same NIC, which stands for the rest of the network.  A
few hundred packets go round in each direction, fewer than any ring on the way
has room for, so that none has to be dropped; the NIC's own counters of that
other VF tell how many passed.

testpmd has one core, nicsimd and Open vSwitch's PMD thread have the other: in
the modes in which Open vSwitch moves no packets it sleeps, and what is
measured is the NIC.  In the others the two share that core, and wake each
other up for every few packets.  So beside the packets that got through there
is the CPU time that nicsimd and ovs-vswitchd took for each.
"""

import json
import os
import re
import subprocess
import time

from .figures import format_spread, spread
from .ovs import OpenVswitch
from .process import BenchError, Process, run, wait_until

# Packets that go round in each direction, in bursts of 32.
BURSTS = 8

# Longest sleep of an idle PMD thread, in microseconds.
MAX_SLEEP = 500


def cpu_seconds(pid):
    """Returns the CPU time of all threads of the process, ended ones too."""
    # The kernel's encoding of a process's CPU clock; see clock_getres(2).
    return time.clock_gettime(((~pid) << 3) | 2)


class Mode:
    """One way to connect a guest, with the guest."""

    WHAT = None
    OFFLOADED = True

    def __init__(self, bench, name, index, modes):
        self.bench = bench
        self.name = name
        self.modes = modes
        self.guest_vf = 2 * index
        self.far_vf = 2 * index + 1
        self.socket = os.path.join(bench.dir, name + ".sock")

    def ports(self):
        """Returns the name and the settings of the guest's port."""
        raise NotImplementedError

    def device(self):
        """Returns the guest's device, as an EAL argument to --vdev."""
        return ("net_virtio_user0,path=%s,server=1,queues=1,queue_size=1024,"
                "mac=02:00:00:00:00:%02x" % (self.socket, self.guest_vf))

    def representor(self, vf):
        return 'options:dpdk-devargs="net_nicsim0,representor=[%d]"' % vf

    def connect(self, switch):
        """Adds the ports, and has the switch connect them."""
        guest, far = self.name + "-guest", self.name + "-far"
        settings = self.ports()
        switch.add_port(guest, *settings,
                        "ofport_request=%d" % (self.guest_vf + 10))
        switch.add_port(far, "type=dpdk", self.representor(self.far_vf),
                        "ofport_request=%d" % (self.far_vf + 10))
        for source, destination in ((self.guest_vf, self.far_vf),
                                    (self.far_vf, self.guest_vf)):
            switch.flow("in_port=%d,actions=output:%d" % (source + 10,
                                                          destination + 10))

    def start(self, size):
        """Starts the guest, and its packets."""
        opt = self.bench.opt
        core = opt.cores[0]
        eal = ["--no-pci", "--no-telemetry", "--single-file-segments",
               "--file-prefix", "bench-" + self.name,
               "--lcores", "0@%d,1@%d" % (core, core),
               "-d", self.bench.places.driver,
               "--vdev", "net_nicsim0_vf%d" % self.far_vf,
               "--vdev", self.device()]
        if opt.no_huge:
            eal += ["--no-huge", "--no-shconf", "-m", "96"]
        else:
            eal += ["--in-memory", "-m", "96"]
        self.process = Process(
            self.bench, self.name,
            ["dpdk-testpmd", *eal, "--", "-i", "--forward-mode=io",
             "--nb-cores=1", "--total-num-mbufs=16384", "--txd=1024",
             "--rxd=1024", "--txpkts=%d" % size, "--no-flush-rx"],
            stdin=subprocess.PIPE, text=True,
            env={**os.environ, "NICSIM_RUNDIR": self.modes.dir})
        self._wait_for_link()
        self._command("start tx_first %d" % BURSTS)
        wait_until(self.name + ": packets go round", self._settled)
        self.process.pause()

    def _command(self, command):
        self.process.check()
        self.process.popen.stdin.write(command + "\n")
        self.process.popen.stdin.flush()

    def _wait_for_link(self):
        """Waits until both of testpmd's ports are up."""
        def up():
            self._command("show port summary all")
            with open(self.process.log, errors="replace",
                      encoding="utf-8") as log:
                table = log.read().rpartition("Number of available ports")[2]
            return len(re.findall(r"\bup\b", table)) == 2
        wait_until(self.name + ": the guest's link", up)

    def _settled(self):
        """Returns true if packets go both ways, and by rules if they can."""
        before = self._sample()
        time.sleep(0.1)
        after = self._sample()
        return (after["to_guest"] > before["to_guest"]
                and after["from_guest"] > before["from_guest"]
                and (not self.OFFLOADED
                     or after["switched"] == before["switched"]))

    def measure(self):
        """Measures for a moment."""
        opt = self.bench.opt
        self.process.resume()
        time.sleep(opt.warm_up)
        before = self._sample()
        time.sleep(opt.seconds)
        after = self._sample()
        self.process.pause()
        self.process.check()
        sample = {key: after[key] - before[key] for key in before}
        packets = sample["to_guest"] + sample["from_guest"]
        if not sample["to_guest"] or not sample["from_guest"]:
            raise BenchError("%s: packets have stopped going round"
                             % self.name)
        sample["pps"] = packets / sample["seconds"]
        for name in "nic", "ovs":
            sample[name + "_cycles"] = (sample[name + "_cpu"]
                                        * self.modes.hz / packets)
        return sample

    def _sample(self):
        to_guest, from_guest = self.modes.passed(self.far_vf)
        return {"seconds": time.monotonic(), "to_guest": to_guest,
                "from_guest": from_guest,
                "switched": self.modes.switch.received(),
                "nic_cpu": cpu_seconds(self.modes.nic.pid),
                "ovs_cpu": cpu_seconds(self.modes.switch.process.pid)}

    def finish(self):
        self.process.kill()


class Passthrough(Mode):
    """The guest's driver drives the VF."""

    WHAT = "the VF itself, by its own driver"

    def ports(self):
        return ["type=dpdk", self.representor(self.guest_vf)]

    def device(self):
        return "net_nicsim0_vf%d" % self.guest_vf


class Vdpa(Mode):
    """A dpdkvdpa port."""

    SOFTWARE = None

    def ports(self):
        return ["type=dpdkvdpa", "options:vdpa-sw=" + self.SOFTWARE,
                "options:vdpa-socket-path=" + self.socket,
                "options:vdpa-max-queues=1",
                "options:vdpa-accelerator-devargs=net_nicsim0_vf%d"
                % self.guest_vf, self.representor(self.guest_vf)]


class Hardware(Vdpa):
    """... whose rings the NIC serves."""

    WHAT = "virtio, dpdkvdpa port in hardware mode"
    SOFTWARE = "false"

    def start(self, size):
        super().start(size)
        mode = self.modes.switch.vsctl("get", "Interface",
                                       self.name + "-guest", "status:mode")
        if mode.strip().strip('"') != "hw":
            raise BenchError("the port %s-guest fell back to software: see "
                             "its status, and %s" % (
                                 self.name, self.modes.switch.process.log))


class Software(Vdpa):
    """... with the relay between."""

    WHAT = "virtio, dpdkvdpa port in software mode (relay)"
    SOFTWARE = "true"


class Vhost(Mode):
    """Switched by Open vSwitch."""

    WHAT = "virtio, dpdkvhostuserclient port, switched by Open vSwitch"
    OFFLOADED = False

    def ports(self):
        return ["type=dpdkvhostuserclient",
                "options:vhost-server-path=" + self.socket]


MODES = {"passthrough": Passthrough, "hw": Hardware, "sw": Software,
         "vhost": Vhost}


class Modes:
    """The NIC and the switch that all modes share."""

    def __init__(self, bench, names):
        self.dir = bench.dir
        core = bench.opt.cores[1]
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            self.hz = 1e6 * float(re.search(r"^cpu MHz\s*: (.*)$", f.read(),
                                            re.MULTILINE).group(1))
        self.ctl = os.path.join(bench.dir, "nicsim0.sock")
        self.nic = Process(bench, "nicsimd", [
            bench.places.nicsimd, "--socket", self.ctl, "--vfs",
            str(2 * len(names)), "--core", str(core)])
        wait_until("nicsimd", lambda: self.nic.check() or
                   os.path.exists(self.ctl))
        self.switch = OpenVswitch(
            bench, "ovs", bench.places.driver,
            {"hw-offload": "true", "pmd-maxsleep": str(MAX_SLEEP),
             "per-port-memory": "false"},
            {"NICSIM_RUNDIR": self.dir})
        self.switch.add_port("p0", "type=dpdk",
                             "options:dpdk-devargs=net_nicsim0")
        self.modes = {name: MODES[name](bench, name, i, self)
                      for i, name in enumerate(names)}
        for mode in self.modes.values():
            mode.connect(self.switch)
        self.switch.check()

    def passed(self, vf):
        """Returns the packets that the VF's driver has sent and received."""
        stats = json.loads(run(["nicsimctl", "--socket", self.ctl, "--json",
                                "stats"]))
        function, = (function for vport in stats["vports"]
                     for function in vport["functions"]
                     if function["name"] == "vf%d" % vf)
        return function["tx"]["packets"], function["rx"]["packets"]


def bench_modes(bench):
    """Measures the guest in all modes.  Returns the results."""
    opt = bench.opt
    bench.take_memory(512 + 112 * len(opt.modes))
    results = []
    for size in opt.sizes:
        title = "%d B" % size
        bench.screen.step("Measuring at " + title)
        with bench.point():
            bench.screen.progress(title + ": starting the NIC and the switch")
            modes = Modes(bench, opt.modes)
            for name, mode in modes.modes.items():
                bench.screen.progress("%s: starting the guest of %s"
                                      % (title, name))
                mode.start(size)
            samples = bench.alternate(title, {
                name: mode.measure for name, mode in modes.modes.items()})
            result = {"size": size, "contestants": {}}
            for name in modes.modes:
                figures = {key: spread([s[key] for s in samples[name]])
                           for key in ("pps", "nic_cycles", "ovs_cycles")}
                figures["switched"] = sum(s["switched"]
                                          for s in samples[name])
                figures["samples"] = samples[name]
                if "passthrough" in samples:
                    figures["ratio"] = spread([
                        s["pps"] / first["pps"] for s, first
                        in zip(samples[name], samples["passthrough"])])
                result["contestants"][name] = figures
            bench.screen.progress(title + ": ending")
            for mode in modes.modes.values():
                mode.finish()
            modes.switch.end()
            modes.nic.kill()
        results.append(result)
    return results


def print_modes(opt, results):
    """Prints the results of bench_modes() as a table."""
    print("Packets per second from and to a guest, both directions together:")
    print("median (min..max) of %d rounds of %g s each."
          % (opt.rounds, opt.seconds))
    for name in opt.modes:
        print("  %-12s %s" % (name, MODES[name].WHAT))
    print("One core has the guest, the other the NIC and Open vSwitch.")
    for result in results:
        print("\n%d B" % result["size"])
        print("  %-12s %-23s %-21s %-25s %s" % (
            "", "Mpps", "of passthrough", "cycles per packet: NIC", "OVS"))
        for name, figures in result["contestants"].items():
            ratio = figures.get("ratio")
            print("  %-12s %-23s %-21s %-25s %s" % (
                name, format_spread(figures["pps"], 1e6),
                format_spread(ratio) if ratio else "",
                format_spread(figures["nic_cycles"], digits=0),
                format_spread(figures["ovs_cycles"], digits=0)))
