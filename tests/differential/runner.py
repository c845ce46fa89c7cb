# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Runs cases in two worlds, shrinks those that differ, and keeps count."""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

from case import LEGEND
from compare import compare
from coverage import Coverage
from generate import FEATURES, Generator
from shrink import Shrinker
from world import Broken, Refused, World

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
MAX_FAILURES = 5


def add_arguments(parser):
    """Those that a Runner wants."""
    parser.add_argument("--build", default=os.environ.get(
        "DPDKVDPA_BUILDDIR", os.path.join(TOP, "_build")),
        help="build directory")
    parser.add_argument("--features", default=",".join(FEATURES),
                        help="what pipelines may have (all of: %s)"
                        % ",".join(FEATURES))
    parser.add_argument("--packets", type=int, default=150,
                        help="packets of one case (150)")
    parser.add_argument("--no-offload", action="store_true",
                        help="neither with offload: tests the test")
    parser.add_argument("--shrink", type=int, default=120, metavar="SECONDS",
                        help="for making a failure smaller (120)")


def check_arguments(parser, args):
    args.features = set(filter(None, args.features.split(",")))
    if not args.features <= set(FEATURES):
        parser.error("features are " + ",".join(FEATURES))


class Tally:
    """What was done and found."""

    def __init__(self):
        self.packets = self.cases = self.refused = 0
        self.megaflows = self.in_nic = self.entered = self.by_rule = 0
        self.failures = self.unstable = 0
        self.reasons = {}
        self.kinds = {}         # What pipelines: (megaflows, in the NIC).
        self.coverage = Coverage(TOP)
        self.start_time = self.report_time = time.time()

    def add(self, case, result):
        self.cases += 1
        self.packets += len(case.packets)
        n_megaflows = sum(map(len, result.megaflows))
        self.megaflows += n_megaflows
        self.in_nic += result.n_in_nic
        kind = "realistic" if case.realistic else "random"
        old = self.kinds.get(kind, (0, 0))
        self.kinds[kind] = old[0] + n_megaflows, old[1] + result.n_in_nic
        for megaflows in result.megaflows:
            self.coverage.add(megaflows)
        self.entered += result.n_entered
        self.by_rule += result.n_by_rule
        for code, n in result.reasons.items():
            self.reasons[code] = self.reasons.get(code, 0) + n

    def seconds(self):
        return time.time() - self.start_time

    def progress(self):
        """Says how far it is, every 10 seconds."""
        if time.time() >= self.report_time + 10:
            self.report_time = time.time()
            print("%d s: %d packets, %d of %d megaflows in the NIC" % (
                self.seconds(), self.packets, self.in_nic, self.megaflows),
                flush=True)

    def report(self, least_share, all_covered):
        """Prints the summary and returns the exit status: not 0 if there was a
        difference, less than 'least_share' percent of the megaflows were in
        the NIC, or, with 'all_covered', none of some kind."""
        print("%d packets in %d cases, %d s: %d differences (%d of them not"
              " again)" % (self.packets, self.cases, self.seconds(),
                           self.failures, self.unstable))
        share = self.in_nic / max(self.megaflows, 1) * 100
        print("%d of %d megaflows (%.1f %%) were in the NIC, which took %.1f"
              " %% of the packets of the second rounds" % (
                  self.in_nic, self.megaflows, share,
                  self.by_rule / max(self.entered, 1) * 100))
        for kind, (n_megaflows, in_nic) in sorted(self.kinds.items()):
            print("  of %s pipelines %d of %d (%.1f %%)" % (
                kind, in_nic, n_megaflows,
                in_nic / max(n_megaflows, 1) * 100))
        for code, n in sorted(self.reasons.items(), key=lambda x: -x[1]):
            if n > 0:
                print("%8d  %s" % (n, code))
        covered = self.coverage.report() or not all_covered
        if not covered:
            print("FAIL: something was not tried")
        if share < least_share:
            print("FAIL: less than %d %% of the megaflows were in the NIC" %
                  least_share)
        return int(self.failures > 0 or share < least_share or not covered)


class Runner:
    """Two worlds of one topology, in 'directory'."""

    def __init__(self, args, topology, directory):
        self.args = args
        self.topology = topology
        self.directory = directory
        self.worlds = [
            World(name, TOP, args.build, os.path.join(directory, name),
                  offload, topology)
            for name, offload in (("sw", False), ("hw", not args.no_offload))]
        self.pool = ThreadPoolExecutor(len(self.worlds))

    def both(self, what):
        """Does 'what' in both worlds at once."""
        return list(self.pool.map(what, self.worlds))

    def start(self):
        self.both(lambda world: world.start())

    def stop(self):
        self.both(lambda world: world.stop())

    def restart(self):
        self.stop()
        self.start()

    def run(self, case):
        """Returns (differences, result with offload)."""
        left, right = self.both(lambda world: world.run_case(case))
        return compare(case, left, right), right

    def fails(self, case):
        try:
            return bool(self.run(case)[0])
        except Refused:
            return False
        except Broken:
            self.restart()
            return True

    def shrink(self, case):
        """Returns a smaller case that fails, too, and its differences."""
        case = Shrinker(self.fails, self.args.shrink).shrink(case)
        try:
            return case, self.run(case)[0]
        except Broken as error:
            self.restart()
            return case, [str(error)]

    def fail(self, case, differences, name, tally):
        """Says what differs, in a case that is as small as possible."""
        tally.failures += 1
        print("FAIL: %s: %d differences, the first:\n  %s" % (
            name, len(differences), differences[0]), flush=True)
        if not self.fails(case):
            tally.unstable += 1
            print("  It did not differ again.")
        elif self.args.shrink:
            case, differences = self.shrink(case)
        path = os.path.join(self.directory, "failure-%d" % tally.failures)
        with open(path, "w", encoding="ascii") as file:
            file.write("# %s\n%s%s" % (name, LEGEND, case.to_text()))
        print("--- tests/differential/differential --replay /dev/stdin"
              " << 'EOF'")
        print(case.to_text() + "EOF")
        for difference in differences[:12]:
            print("  " + difference)
        print("--- (also in %s)" % path, flush=True)

    def make(self, seed, index):
        rnd = random.Random("%s/%d" % (seed, index))
        features = self.args.features
        generator = Generator(rnd, features, self.topology)
        if "normal" in features and rnd.random() < .05:
            generator.case.sequential = True
        return generator.make(self.args.packets)

    def run_one(self, seed, index, tally):
        case = self.make(seed, index)
        name = "--topology %s --seed %s --case %d" % (self.topology, seed,
                                                      index)
        try:
            differences, result = self.run(case)
        except Broken as error:
            self.restart()
            self.fail(case, [str(error)], name, tally)
            return
        except Refused as error:
            tally.refused += 1
            print("%s: refused by Open vSwitch: %s" % (
                name, str(error).strip().splitlines()[0]), flush=True)
            if tally.refused > 20 + tally.cases // 10:
                raise Broken("Open vSwitch refuses too many pipelines")
            return
        tally.add(case, result)
        if (differences and all(text.startswith(" group ")
                                for text in differences)
                and not self.fails(case)):
            # On a busy machine Open vSwitch, with or without offload, may
            # count a group's packets twice.
            tally.unstable += 1
            print("%s: differed in groups' counters, and not again: %s" % (
                name, differences[0]), flush=True)
        elif differences:
            self.fail(case, differences, name, tally)

    def run_many(self, seed, first, n_packets, tally):
        """Runs cases from 'first' on until 'n_packets' were sent."""
        end = tally.packets + n_packets
        index = first
        while tally.packets < end and tally.failures < MAX_FAILURES:
            self.run_one(seed, index, tally)
            tally.progress()
            index += 1
