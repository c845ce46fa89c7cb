# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""An Open vSwitch of the bench's own."""

import os
import re
import shutil

from .process import BenchError, Process, run, wait_until


class OpenVswitch:
    """ovs-vswitchd with its database and the bridge br0, below the bench's
    directory."""

    def __init__(self, bench, name, driver=None, config=None, env=None):
        """Starts it.  'driver' is a DPDK driver to load, 'config' more
        settings of other_config, 'env' more environment."""
        self.bench = bench
        self.name = name
        self.dir = os.path.join(bench.dir, name)
        os.mkdir(self.dir)
        self.db = os.path.join(self.dir, "db.sock")
        self.env = {**os.environ, "OVS_RUNDIR": self.dir,
                    "OVS_LOGDIR": self.dir, "OVS_DBDIR": self.dir,
                    "OVS_SYSCONFDIR": self.dir, **(env or {})}
        generator, core = bench.opt.cores
        database = os.path.join(self.dir, "conf.db")
        run(["ovsdb-tool", "create", database, bench.places.schema])
        self.db_process = Process(
            bench, name + "-ovsdb",
            ["ovsdb-server", "--remote=punix:" + self.db,
             "--unixctl=" + os.path.join(self.dir, "ovsdb.ctl"),
             "--verbose=file:off", database], env=self.env)
        wait_until("ovsdb-server", lambda: os.path.exists(self.db))

        extra = "--no-pci"
        if bench.opt.no_huge:
            extra += " --no-huge --legacy-mem --no-shconf -m 256"
        if driver:
            extra += " -d " + driver
        config = {"dpdk-init": "true", "dpdk-extra": extra,
                  "dpdk-lcore-mask": hex(1 << generator),
                  "pmd-cpu-mask": hex(1 << core),
                  "per-port-memory": "true", **(config or {})}
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                   *('other_config:%s="%s"' % item
                     for item in config.items()))
        self.ctl = os.path.join(self.dir, "vswitchd.ctl")
        # Its tap devices have names that others use too.
        self.process = Process(
            bench, name,
            ["unshare", "--net", "taskset", "-c", str(generator),
             bench.places.vswitchd,
             "--unixctl=" + self.ctl, "--disable-system",
             "--verbose=file:off", "--verbose=console:info",
             "unix:" + self.db], env=self.env)
        wait_until("ovs-vswitchd", lambda: self.process.check() or
                   os.path.exists(self.ctl))
        self.vsctl("add-br", "br0", "--", "set", "Bridge", "br0",
                   "datapath_type=netdev", "fail-mode=secure")

    def vsctl(self, *args):
        return run(["ovs-vsctl", "--db=unix:" + self.db, "--timeout=20",
                    *args])

    def appctl(self, *args):
        return run(["ovs-appctl", "--target=" + self.ctl, *args])

    def add_port(self, name, *settings):
        """Adds the port 'name' to br0, with an interface so set."""
        self.vsctl("add-port", "br0", name, "--", "set", "Interface", name,
                   *settings)

    def flow(self, flow):
        run(["ovs-ofctl", "add-flow", "br0", flow], env=self.env)

    def received(self):
        """Returns the packets that PMD threads have received so far."""
        stats = self.appctl("dpif-netdev/pmd-stats-show")
        return sum(int(n) for n in re.findall(r"packets received: (\d+)",
                                              stats))

    def check(self):
        """Raises an error if an interface has one."""
        errors = self.vsctl("--bare", "--columns=error", "find", "Interface",
                            "error!=[]").strip()
        if errors:
            raise BenchError("%s: %s" % (self.name, errors))

    def end(self):
        """Ends it, and removes its files."""
        self.process.kill()
        self.db_process.kill()
        shutil.rmtree(self.dir)
