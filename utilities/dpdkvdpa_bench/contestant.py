# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""What is measured."""

import os

class Contestant:
    """A process with a thread that forwards, and its generator."""

    def __init__(self, bench, name, point):
        self.bench = bench
        self.opt = bench.opt
        self.name = name
        self.point = point

    def watch(self, tid):
        """Makes 'tid' the thread that is measured."""
        self.tid = tid
        self.generator.ask("watch %d" % tid)

    def _set_policy(self, policy, priority):
        if self.opt.priority:
            for tid in self.tid, self.generator.pid:
                os.sched_setscheduler(tid, policy, os.sched_param(priority))

    def measure(self, how="run"):
        """Measures for a moment, by the generator's command 'how'."""
        self.process.resume()
        self._set_policy(os.SCHED_FIFO, 1)
        sample = self.generator.ask("%s %g %g" % (how, self.opt.warm_up,
                                                  self.opt.seconds))
        self._set_policy(os.SCHED_OTHER, 0)
        self.process.pause()
        self.process.check()
        return sample
