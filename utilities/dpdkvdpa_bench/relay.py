# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""The relay, and other ways to do its job."""

import os
import re
import subprocess
import time

from .contestant import Contestant
from .figures import figures_of, format_spread, marks, ratios
from .ovs import OpenVswitch
from .process import BenchError, Generator, PATIENCE, Process, wait_until

class Forwarder(Contestant):
    """Something that forwards between a guest and a VF."""

    THREADS = ()            # Names of the thread that does it.
    FANS_OUT = all          # It brings packets on all of the guest's queues.

    def __init__(self, bench, name, point):
        super().__init__(bench, name, point)
        self.socket = os.path.join(bench.dir, name + ".sock")
        self.vf = bench.opt.vf.format(size=point["size"],
                                      flows=bench.opt.flows)
        self.needs_driver = self.vf.startswith("net_bench")
        command = [bench.places.guest, "--socket", self.socket,
                   "--queues", str(point["queues"]),
                   "--size", str(point["size"]),
                   "--flows", str(bench.opt.flows)]
        self.generator = Generator(bench, name + "-guest", command)
        self.process = self.launch()
        self.generator.ask("wait %d" % PATIENCE)
        self._wait_for_traffic()
        tid = self.process.find_thread(self.THREADS)
        if tid is None:
            raise BenchError(name + ": no forwarding thread")
        self.watch(tid)
        self.process.pause()

    def launch(self):
        """Starts the process that forwards, and returns it."""
        raise NotImplementedError

    def vf_sent(self):
        """Returns the packets that went out at the VF so far."""
        raise NotImplementedError

    def _wait_for_traffic(self):
        def flowing():
            self.process.check()
            pairs = self.generator.ask("run 0 0.05")["pairs"]
            return (all(pair["tx"] for pair in pairs)
                    and self.FANS_OUT(pair["rx"] for pair in pairs))
        wait_until(self.name + ": traffic on all queues", flowing)

    def finish(self):
        """Ends it all.  Returns the packets that the guest sent ever, and
        those of them that did not come out at the VF."""
        self.process.resume()
        sent = self.generator.ask("total")["tx"]
        arrived = self.vf_sent()
        self.process.kill()
        self.generator.kill()
        return sent, sent - arrived


class Testpmd(Forwarder):
    """DPDK's own program for such things: the bare loop over net_vhost and
    the VF."""

    THREADS = ("rte-worker", "lcore-worker")
    WHAT = "dpdk-testpmd, io mode, net_vhost"

    def launch(self):
        generator, core = self.opt.cores
        eal = ["--no-pci", "--no-telemetry", "-l", "%d,%d" % (generator, core),
               "--main-lcore", str(generator),
               "--vdev", "net_vhost0,iface=%s,client=1,queues=%d"
               % (self.socket, self.point["queues"]),
               "--vdev", self.vf]
        if self.opt.no_huge:
            eal += ["--no-huge", "--no-shconf", "-m", "256"]
        else:
            eal += ["--in-memory"]
        if self.needs_driver:
            eal += ["-d", self.bench.places.bench_vf]
        queues = str(self.point["queues"])
        command = ["dpdk-testpmd", *eal, "--", "-i", "--auto-start",
                   "--forward-mode=io", "--nb-cores=1", "--rxq=" + queues,
                   "--txq=" + queues, "--total-num-mbufs=32768",
                   "--no-flush-rx"]
        return Process(self.bench, self.name, command, stdin=subprocess.PIPE,
                       text=True)

    def vf_sent(self):
        # It writes into a file only what it has a lot of, until it ends.
        self.process.popen.stdin.write("stop\nshow port stats 1\nquit\n")
        self.process.popen.stdin.flush()
        try:
            self.process.popen.wait(PATIENCE)
        except subprocess.TimeoutExpired as e:
            raise BenchError("testpmd does not quit") from e
        with open(self.process.log, errors="replace", encoding="utf-8") as log:
            return int(re.search(r"NIC statistics for port 1.*?"
                                 r"TX-packets: (\d+)", log.read(),
                                 re.DOTALL).group(1))


class Ovs(Forwarder):
    """A whole Open vSwitch, with its database, below the bench's directory."""

    THREADS = ("pmd-",)

    def launch(self):
        self.switch = OpenVswitch(
            self.bench, self.name,
            self.bench.places.bench_vf if self.needs_driver else None)
        self.add_ports()
        self.switch.check()
        return self.switch.process

    def add_ports(self):
        """Adds the ports between which it forwards."""
        raise NotImplementedError

    def port_statistic(self, port, key):
        """Returns a counter of the database after its next update, of which
        there is one every 5 seconds."""
        deadline = time.monotonic() + 6
        sent = self.generator.ask("total")["tx"]
        while True:
            text = self.switch.vsctl("--if-exists", "get", "Interface", port,
                                     "statistics:" + key).strip()
            value = int(text) if text.isdigit() else 0
            if value >= sent or time.monotonic() > deadline:
                return value
            time.sleep(0.2)

    def finish(self):
        result = super().finish()
        self.switch.end()
        return result


class Relay(Ovs):
    """Ours."""

    WHAT = "ovs-vswitchd with a dpdkvdpa port"

    def add_ports(self):
        self.switch.add_port(
            "vdpa0", "type=dpdkvdpa", "options:vdpa-sw=true",
            "options:vdpa-socket-path=" + self.socket,
            'options:vdpa-accelerator-devargs="%s"' % self.vf,
            "options:vdpa-max-queues=%d" % self.point["queues"])

    def vf_sent(self):
        return self.port_statistic("vdpa0", "VF_tx_packets")


class Switch(Ovs):
    """The usual way: both are ports of a bridge."""

    # A PMD thread of Open vSwitch sends to one queue of a port only.
    FANS_OUT = any
    WHAT = "ovs-vswitchd, dpdkvhostuserclient port and VF as dpdk port"

    def add_ports(self):
        self.switch.add_port(
            "guest", "type=dpdkvhostuserclient", "ofport_request=1",
            "options:vhost-server-path=" + self.socket)
        self.switch.add_port(
            "vf", "type=dpdk", "ofport_request=2",
            'options:dpdk-devargs="%s"' % self.vf,
            "options:n_rxq=%d" % self.point["queues"])
        self.switch.flow("in_port=1,actions=output:2")
        self.switch.flow("in_port=2,actions=output:1")

    def vf_sent(self):
        return self.port_statistic("vf", "tx_packets")

FORWARDERS = {"relay": Relay, "testpmd": Testpmd, "switch": Switch}

def bench_relay(bench):
    """Measures all contestants at all points.  Returns the results."""
    opt = bench.opt
    bench.take_memory(512)
    results = []
    for queues in opt.queues:
        for size in opt.sizes:
            point = {"size": size, "queues": queues}
            title = "%d B, %d queue pair%s" % (size, queues,
                                               "s" if queues > 1 else "")
            bench.screen.step("Measuring at " + title)
            with bench.point():
                contestants = {}
                for name in opt.contestants:
                    bench.screen.progress("%s: starting %s" % (title, name))
                    contestants[name] = FORWARDERS[name](bench, name, point)
                samples = bench.alternate(title, {
                    name: contestant.measure
                    for name, contestant in contestants.items()})
                result = {**point, "contestants": {}, "ratios": {}}
                for name, contestant in contestants.items():
                    bench.screen.progress("%s: ending %s" % (title, name))
                    figures = figures_of(samples[name])
                    sent, lost = contestant.finish()
                    figures["sent"] = sent
                    figures["lost"] = lost
                    result["contestants"][name] = figures
            if "relay" in samples:
                for other in samples:
                    if other != "relay":
                        result["ratios"]["relay/" + other] = ratios(
                            samples["relay"], samples[other])
            results.append(result)
    return results

def print_relay(opt, results):
    """Prints the results of bench_relay() as a table."""
    print("Packets per second of one forwarding core, both directions "
          "together:")
    print("median (min..max) of %d rounds of %g s each."
          % (opt.rounds, opt.seconds))
    for name in opt.contestants:
        print("  %-8s %s" % (name, FORWARDERS[name].WHAT))
    print("VF: %s" % opt.vf)
    notes = []
    for result in results:
        print("\n%d B, %d queue pair%s" % (
            result["size"], result["queues"],
            "s" if result["queues"] > 1 else ""))
        print("  %-10s %-26s %-25s %s" % ("", "Mpps per core",
                                          "cycles per packet",
                                          "relay is faster by"))
        for name, figures in result["contestants"].items():
            ratio = result["ratios"].get("relay/" + name)
            print(("  %-10s %-26s %-25s %s" % (
                name + marks(figures, notes),
                format_spread(figures["pps_per_core"], 1e6),
                format_spread(figures["cycles_per_packet"], digits=1),
                format_spread(ratio) if ratio else "")).rstrip())
    for note in dict.fromkeys(notes):
        print(note)
