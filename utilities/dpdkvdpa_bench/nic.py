# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""The emulated NIC, from VF to VF by rules."""

import functools
import os

from .contestant import Contestant
from .figures import figures_of, format_spread, marks, ratios
from .process import Generator, Process, wait_until

class Nic(Contestant):
    """nicsimd with so many rules, moving packets from VF to VF."""

    def __init__(self, bench, name, point):
        super().__init__(bench, name, point)
        core = self.opt.cores[1]
        socket = os.path.join(bench.dir, name + ".sock")
        self.process = Process(bench, name, [
            bench.places.nicsimd, "--socket", socket, "--vfs", "2",
            "--table-size", str(2 * point["rules"]), "--core", str(core)])
        wait_until("nicsimd", lambda: self.process.check() or
                   os.path.exists(socket))
        command = [bench.places.bench_nic, "--driver", bench.places.driver,
                   "--nic", socket, "--size", str(point["size"]),
                   "--rules", str(point["rules"])]
        self.generator = Generator(bench, name + "-driver", command)
        self.watch(self.process.pid)
        started = self.generator.started
        self.rules_per_second = started["rules"] / started["rule_seconds"]
        self.process.pause()


def bench_nic(bench):
    """Measures nicsimd with all numbers of rules.  Returns the results."""
    opt = bench.opt
    bench.take_memory(512)
    results = []
    for size in opt.sizes:
        bench.screen.step("Measuring at %d B" % size)
        with bench.point():
            nics = {}
            measures = {}
            for rules in opt.rules:
                bench.screen.progress("%d B: making %d rules"
                                      % (size, 2 * rules))
                nic = Nic(bench, "nic-%d" % rules,
                          {"size": size, "rules": rules})
                for used in ["one", "all"] if rules > 1 else ["one"]:
                    name = "%d-%s" % (rules, used)
                    nics[name] = nic
                    measures[name] = functools.partial(nic.measure,
                                                       "run " + used)
            samples = bench.alternate("%d B" % size, measures)
            result = {"size": size, "contestants": {}}
            first = next(iter(samples.values()))
            for name, nic in nics.items():
                figures = figures_of(samples[name])
                figures["rules"] = nic.point["rules"]
                figures["all_used"] = name.endswith("all")
                figures["ratio"] = ratios(samples[name], first)
                figures["rules_per_second"] = nic.rules_per_second
                result["contestants"][name] = figures
        results.append(result)
    return results

def print_nic(opt, results):
    """Prints the results of bench_nic() as a table."""
    print("Packets per second of nicsimd's core, from VF to VF by rules:")
    print("median (min..max) of %d rounds of %g s each."
          % (opt.rounds, opt.seconds))
    notes = []
    for result in results:
        print("\n%d B" % result["size"])
        print("  %-18s %-23s %-24s %-19s %s" % (
            "rules each way", "Mpps per core", "cycles per packet",
            "of the first", "rules/s"))
        for figures in result["contestants"].values():
            what = "%d" % figures["rules"]
            if figures["rules"] > 1:
                what += ", all used" if figures["all_used"] else ", 1 used"
            print("  %-18s %-23s %-24s %-19s %.0f" % (
                what + marks(figures, notes),
                format_spread(figures["pps_per_core"], 1e6),
                format_spread(figures["cycles_per_packet"], digits=1),
                format_spread(figures["ratio"]),
                figures["rules_per_second"]))
    for note in dict.fromkeys(notes):
        print(note)
