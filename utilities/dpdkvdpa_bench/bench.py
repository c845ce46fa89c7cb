# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""What all measurements share."""

import contextlib
import shutil
import tempfile

from .process import BenchError, PROGRAM

# The generators count only what happens while nobody else has one of the two
# cores.  A round in which less than this part of the time is left to somebody
# is made again, up to so many times.
UNDISTURBED = 0.04
MORE_ROUNDS = 2


class Bench:
    """What all measurements share."""

    def __init__(self, opt, places, screen, stack):
        self.opt = opt
        self.places = places
        self.screen = screen
        self.stack = stack
        self.dir = tempfile.mkdtemp(prefix=PROGRAM + "-")
        stack.callback(shutil.rmtree, self.dir, ignore_errors=True)

    def on_exit(self, function):
        """Has 'function' called at the end, the last first."""
        self.stack.callback(function)

    def take_memory(self, mib):
        """Reserves 'mib' MiB of huge pages for this run."""
        if self.opt.no_huge:
            return
        self.on_exit(lambda: self.places.hugepages(
            'dpdkvdpa_hugepages_release "$2"'))
        if not self.places.hugepages(
                "dpdkvdpa_hugepages_take %d && "
                'dpdkvdpa_hugepages_hand_over "$2"' % mib):
            raise BenchError("no huge pages: --no-huge does without, for "
                             "figures that mean little")

    @contextlib.contextmanager
    def point(self):
        """Ends all that is started within.  That has a directory of its own:
        testpmd leaves its sockets, and does not take what it finds; and what
        others have logged must not be taken for its words."""
        outer = self.stack, self.dir
        with contextlib.ExitStack() as self.stack:
            self.dir = tempfile.mkdtemp(prefix="point-", dir=self.dir)
            yield
        self.stack, self.dir = outer

    def alternate(self, title, measures):
        """Calls each of the 'measures', a dictionary of functions, in each
        round.  Returns a dictionary of lists of samples."""
        rounds = []
        n_disturbed = 0
        while len(rounds) < self.opt.rounds:
            samples = {}
            for name, measure in measures.items():
                self.screen.progress("%s: round %d of %d, %s" % (
                    title, len(rounds) + 1, self.opt.rounds, name))
                samples[name] = measure()
            if all(s["seconds"] >= UNDISTURBED * self.opt.seconds
                   for s in samples.values()):
                rounds.append(samples)
            elif n_disturbed < MORE_ROUNDS * self.opt.rounds:
                n_disturbed += 1
            else:
                raise BenchError("others use the cores all the time: try "
                                 "again later, or --priority")
        return {name: [samples[name] for samples in rounds]
                for name in measures}
