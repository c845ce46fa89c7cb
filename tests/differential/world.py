# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""One Open vSwitch with a NIC of its own, into which frames are put at the
VFs and at the wire's end.

Two of them, with offload and without, make the differential test.  Each is a
sandbox (utilities/dpdkvdpa-sandbox) whose representors are plain "dpdk" ports;
tests/nicsim-host is the driver of the VFs, and holds the wire's far end.
"""

import json
import os
import re
import socket
import subprocess
import time

import bonds
import tunnels
from case import Case, INJECT, MIRROR, PATCH, PORTS, TUNNELS

# What is behind each port.
FUNCTIONS = {"p0": "wire", "r0": "vf0", "r1": "vf1", "r2": "vf2", "r3": "vf3",
             "r4": "vf4"}
VPORTS = ("uplink", "vf0", "vf1", "vf2", "vf3")

BARRIER_TYPE = "0x88b6"

# Each pipeline has tables of its own.  What was deleted stays in Open
# vSwitch's classifiers for a grace period, where it makes megaflows narrower.
TABLES = 10                     # Of a pipeline.
SETS = 24
BARRIER_SECONDS = 30


class Broken(Exception):
    """The world does not work, which is no difference."""


class Refused(Exception):
    """Open vSwitch does not take the pipeline."""


class Result:
    """What became of a case."""

    def __init__(self):
        self.outputs = []       # Per round: {port: [frame, ...]}.
        self.megaflows = []     # Per two rounds: of Megaflow.
        self.flows = {}         # Text -> (packets, bytes).
        self.others = {}        # Groups and meters: the same.
        self.reasons = {}       # Code -> megaflows that are not in the NIC.
        self.n_in_nic = 0
        self.n_by_rule = 0      # Packets of the last round that rules took.
        self.n_entered = 0
        self.problems = []


class Megaflow:
    def __init__(self, line):
        self.line = line
        self.packets = int(re.search(r"packets:(\d+)", line).group(1))
        self.bytes = int(re.search(r"bytes:(\d+)", line).group(1))
        offloaded = re.search(r"offloaded:(\w+)", line)
        self.offloaded = offloaded.group(1) if offloaded else "no"
        self.is_barrier = "eth_type(%s)" % BARRIER_TYPE in line
        text = re.sub(r"^ufid:[-0-9a-f]+, ", "", line)
        text = re.sub(r", dp-extra-info:.*", "", text)
        text = re.sub(r" packets:.*? actions:", " actions:", text)
        # Numbers that each datapath chooses by itself.
        text = re.sub(r"recirc(_id)?([(=])(0x)?[1-9a-f][0-9a-f]*",
                      r"recirc\1\2N", text)
        text = re.sub(r"meter\(\d+\)", "meter(N)", text)
        # A flood has no order.
        match, _, actions = text.partition(" actions:")
        actions = re.sub(r"(?:\b[a-z]+\d\b,)+[a-z]+\d\b", lambda found: ",".join(
            sorted(found.group().split(","))), actions)
        self.text = match + " actions:" + actions


class World:
    def __init__(self, name, top, build, directory, offload, topology):
        self.name = name
        self.top = top
        self.directory = directory
        self.offload = offload
        self.sandbox = os.path.join(top, "utilities", "dpdkvdpa-sandbox")
        self.env = dict(os.environ, DPDKVDPA_BUILDDIR=build)
        self.host_program = os.path.join(build, "tests", "nicsim-host")
        self.number = 0
        self.topology = topology
        self.bridges = ["br0"] + ["br-phy"] * (topology == "bridged")
        # Where frames come out.
        self.captured = INJECT + (MIRROR,) * (topology == "mirrored")
        self.phys_flows = None  # What br-phy has.
        self.had_meters = False
        self.bond_mode = None
        # The first table of the pipeline, by bridge.
        self.table = dict.fromkeys(self.bridges, 0)
        self.host = None

    # Life.

    def run(self, *argv, check=True, text=None):
        done = subprocess.run(argv, env=self.env, input=text, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120,
                              check=False)
        if check and done.returncode:
            raise Broken("%s: %s\n%s%s" % (self.name, " ".join(argv),
                                           done.stdout, done.stderr))
        return done

    def start(self):
        options = ["--vfs", "5", "--no-ports", "--guests", "0",
                   "--ovs-other-config",
                   "vlan-limit=2 max-idle=600000 min-revalidate-pps=0"
                   " max-revalidator=100"]
        # On one processor the kernel keeps the order of the wire's frames.
        cpus = sorted(os.sched_getaffinity(0))
        options += ["--nicsim", "--core %d" % cpus[self.offload % len(cpus)]]
        if not self.offload:
            options.append("--no-offload")
        self.run(self.sandbox, "start", "--dir", self.directory, *options)
        env = self.run(self.sandbox, "env", "--dir", self.directory).stdout
        for name, value in re.findall(r"^export (\w+)=(.*)$", env, re.M):
            if name == "PATH":
                value = value.replace('"$PATH"', self.env["PATH"])
            self.env[name] = value.replace("\\", "")
        # Nobody but us speaks at the wire's end, or behind a bridge.
        self.run(self.sandbox, "exec", "--dir", self.directory, "wire",
                 "sh", "-c", "ip addr flush dev eth0;"
                 " ip link set eth0 arp off")
        self.set_up_switch()

    def set_up_switch(self):
        """Bridges, ports and the NIC's host, in a switch that has none."""
        argv = ["ovs-vsctl"]
        for bridge in self.bridges:
            argv += ["--", "--may-exist", "add-br", bridge, "--", "set",
                     "Bridge", bridge, "datapath_type=netdev",
                     "fail-mode=secure", "other_config:hwaddr=" +
                     ("02:00:00:00:31:01" if bridge == self.bridges[-1]
                      else "02:00:00:00:30:01")]
        bonded = bonds.MEMBERS * (self.topology == "bonded")
        if bonded:
            argv += bonds.add(PORTS)
        for port in INJECT + (MIRROR,):
            if port in bonded:
                continue
            devargs = ("net_nicsim0" if port == "p0" else
                       '"net_nicsim0,representor=[%s]"' % port[1])
            bridge = self.bridges[-1] if port == "p0" else "br0"
            argv += ["--", "add-port", bridge, port, "--", "set", "Interface",
                     port, "type=dpdk", "options:dpdk-devargs=" + devargs]
            if port in PORTS:
                argv.append("ofport_request=%d" % PORTS[port])
        for port, (kind, _, options) in tunnels.PORTS.items():
            argv += ["--", "add-port", "br0", port, "--", "set", "Interface",
                     port, "type=" + kind, "options:key=flow",
                     "ofport_request=%d" % TUNNELS[port]]
            argv += ["options:%s=\"%s\"" % item for item in options.items()]
        if self.topology == "bridged":
            for bridge, peer in (("br0", "br-phy"), ("br-phy", "br0")):
                argv += ["--", "add-port", bridge, "to-" + peer, "--", "set",
                         "Interface", "to-" + peer, "type=patch",
                         "options:peer=to-" + bridge,
                         "ofport_request=%d" % PATCH]
        # Nobody listens to what is sampled.
        argv += ["--", "--id=@br0", "get", "Bridge", "br0", "--", "--id=@i",
                 "create", "IPFIX", 'targets="127.0.0.1:4739"', "--",
                 "create", "Flow_Sample_Collector_Set", "id=1", "bridge=@br0",
                 "ipfix=@i"]
        if self.topology == "mirrored":
            for port in ("r0", "r1", "r2", "p0", MIRROR):
                argv += ["--", "--id=@" + port, "get", "Port", port]
            argv += ["--", "--id=@m", "create", "Mirror", "name=m",
                     "select_src_port=@r0,@r1", "select_dst_port=@r2,@p0",
                     "output_port=@" + MIRROR, "--", "set", "Bridge", "br0",
                     "mirrors=@m"]
        self.run(*argv)
        for port in ["br0"] + list(TUNNELS):
            self.run("ovs-ofctl", "mod-port", "br0", port, "no-flood")
        errors = self.run("ovs-vsctl", "--format=csv", "--data=bare",
                          "--no-headings", "--columns=name,error", "find",
                          "Interface", "error!=[]").stdout
        if errors.strip():
            raise Broken(errors)
        self.open_unixctl()
        self.set_up_tunnels()
        # Revalidators come when they like, and delete megaflows of packets
        # that are too odd for netlink attributes.
        self.unixctl("revalidator/pause")
        self.host = subprocess.Popen(
            [self.sandbox, "exec", "--dir", self.directory, "wire",
             self.host_program,
             os.path.join(self.directory, "nicsim0.sock")],
            env=dict(self.env, NICSIM_WIRE="eth0"), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.tell("connect A", "up vf0 vf1 vf2 vf3 vf4 desc=2048",
                  "wire room=16777216")
        self.wait_for_ports()

    def set_up_tunnels(self):
        """The local ends, and where the remote ones are."""
        bridge = self.bridges[-1]
        self.run(self.sandbox, "exec", "--dir", self.directory, "switch",
                 "sh", "-c",
                 "ip link set dev %s multicast off arp off up &&"
                 " ip addr add %s/24 dev %s &&"
                 " ip addr add %s/64 dev %s nodad" % (
                     bridge, tunnels.LOCAL[4], bridge, tunnels.LOCAL[6],
                     bridge))
        self.run("ovs-ofctl", "add-tlv-map", "br0",
                 "{class=%#x,type=%#x,len=4}->tun_metadata0" % (
                     tunnels.OPTION_CLASS, tunnels.OPTION_TYPE))
        self.wait(lambda: all("dev " + bridge in self.route_to(address)
                              for address in tunnels.REMOTE_MACS),
                  30, "no route to tunnels' ends")
        for address, mac in tunnels.REMOTE_MACS.items():
            self.unixctl("tnl/neigh/set", bridge, address, ":".join(
                "%02x" % byte for byte in mac.to_bytes(6, "big")))

    def route_to(self, address):
        """What Open vSwitch knows of it."""
        try:
            return self.unixctl("ovs/route/lookup", address)
        except Broken:
            return ""

    def wait_for_ports(self):
        """Waits until what is sent at any port comes out at all."""
        empty = Case(self.topology)
        if self.topology == "bridged":
            empty.phys_flows = ["table=0,in_port=1,actions=output:20",
                                "table=0,in_port=20,actions=output:1"]
        self.load_flows(empty)
        deadline = time.time() + BARRIER_SECONDS
        for port in INJECT:
            while self.exchange(port, [], 1)[1]:
                if time.time() > deadline:
                    raise Broken("%s: %s does not forward" % (self.name,
                                                              port))

    def stop(self):
        if self.host:
            self.host.kill()
            self.host.wait()
            self.host = None
        try:
            self.unixctl("revalidator/resume")
        except (Broken, AttributeError):
            pass
        self.run(self.sandbox, "stop", "--dir", self.directory, check=False)

    def alive(self):
        """Raises Broken if ovs-vswitchd is not the one that was started."""
        self.unixctl("version")

    # Asking.

    def open_unixctl(self):
        with open(os.path.join(self.directory, "ovs-vswitchd.pid"),
                  encoding="ascii") as file:
            pid = file.read().strip()
        self.ctl = socket.socket(socket.AF_UNIX)
        self.ctl.settimeout(60)
        self.ctl.connect(os.path.join(self.directory,
                                      "ovs-vswitchd.%s.ctl" % pid))

    def unixctl(self, command, *args):
        """Does what "ovs-appctl COMMAND ARGS" does, with less ado."""
        request = {"method": command, "params": list(args), "id": 0}
        reply = ""
        try:
            self.ctl.sendall(json.dumps(request).encode())
            while True:
                data = self.ctl.recv(1 << 20)
                if not data:
                    raise Broken("%s: ovs-vswitchd hung up" % self.name)
                reply += data.decode()
                try:
                    reply = json.loads(reply)
                    break
                except ValueError:
                    continue
        except OSError as error:
            raise Broken("%s: ovs-vswitchd: %s" % (self.name, error))
        if reply.get("error"):
            raise Broken("%s: %s: %s" % (self.name, command, reply["error"]))
        return reply["result"] or ""

    def tell(self, *lines):
        self.host.stdin.write("".join(line + "\n" for line in lines).encode())
        self.host.stdin.flush()

    def ask(self, line):
        self.tell(line)
        reply = self.host.stdout.readline().decode()
        if not reply:
            raise Broken("%s: nicsim-host ended" % self.name)
        return reply.split()

    def nic(self):
        """(rules, {port: (entered, by rules, no room)})."""
        words = self.ask("nic " + " ".join(VPORTS))
        counts = [tuple(int(x) for x in word.split("/")) for word in words[2:]]
        return int(words[1]), dict(zip(INJECT, counts))

    # Pipelines.

    def move_tables(self, text, first):
        """'text', a flow, in the tables from 'first' on."""
        text = re.sub(r"table=(\d+)", lambda match: "table=%d" % (
            first + int(match.group(1))), text)
        return re.sub(r"resubmit\(([^,]*),(\d+)\)", lambda match: (
            "resubmit(%s,%d)" % (match.group(1),
                                 first + int(match.group(2)))), text)

    def load_bridge(self, bridge, flows, groups, barriers):
        first = self.table[bridge] % (TABLES * SETS) + TABLES
        self.table[bridge] = first
        lines = ["flow delete", "group delete",
                 "flow add table=0,priority=0,actions=resubmit(,%d)" % first]
        lines += ["flow add table=0,priority=65535,dl_type=%s,%s"
                  % (BARRIER_TYPE, barrier) for barrier in barriers]
        if bridge == self.bridges[-1]:
            lines += ["flow add " + flow for flow in tunnels.local_flows()]
        lines += ["group add " + group for group in groups]
        lines += ["flow add " + self.move_tables(flow, first)
                  for flow in flows]
        done = self.run("ovs-ofctl", "-O", "OpenFlow15", "bundle", bridge,
                        "-", text="\n".join(lines) + "\n", check=False)
        if done.returncode:
            raise Refused(done.stderr)

    def load_flows(self, case):
        bridged = self.topology == "bridged"
        ports = ["output:%d" % (PATCH if bridged and port == "p0"
                                else PORTS[port]) for port in INJECT]
        self.load_bridge("br0", case.flows, case.groups,
                         ["actions=controller(max_len=16),%s,IN_PORT"
                          % ",".join(ports)])
        if bridged and case.phys_flows != self.phys_flows:
            self.load_bridge("br-phy", case.phys_flows, [],
                             ["in_port=1,actions=output:%d" % PATCH,
                              "in_port=%d,actions=output:1" % PATCH])
            self.phys_flows = case.phys_flows

    def load(self, case):
        """Replaces the pipeline by that of 'case'.  There are no megaflows
        then, nor rules in the NIC."""
        self.unixctl("revalidator/purge")
        self.unixctl("fdb/flush")
        if case.bond:
            bonds.apply(self, case.bond)
        if case.meters or self.had_meters:
            self.run("ovs-ofctl", "-O", "OpenFlow15", "del-meters", "br0")
        for meter in case.meters:
            done = self.run("ovs-ofctl", "-O", "OpenFlow15", "add-meter",
                            "br0", meter, check=False)
            if done.returncode:
                raise Refused(done.stderr)
        self.had_meters = bool(case.meters)
        self.load_flows(case)
        if self.offload:
            self.wait(lambda: not self.nic()[0], 20,
                      "the NIC has rules when there are no megaflows")

    def wait(self, condition, seconds, what):
        deadline = time.time() + seconds
        while not condition():
            if time.time() > deadline:
                raise Broken("%s: %s" % (self.name, what))
            time.sleep(0.004)

    # Packets.

    def exchange(self, port, frames, seconds=BARRIER_SECONDS, alone=False):
        """Sends 'frames' at 'port', each 'alone' or all at once.  Returns what
        came out, {port: [frame, ...]}, and at how many ports it may not be
        all."""
        functions = " ".join(FUNCTIONS[name] for name in self.captured)
        data = b"".join(len(frame).to_bytes(2, "little") + frame
                        for frame in frames)
        self.number += 1 + len(data)
        line = "bulk %s %d %d %s\n" % (FUNCTIONS[port], len(data),
                                       self.number, functions * alone)
        self.host.stdin.write(line.encode() + data)
        words = self.ask("drain %d %d %s" % (seconds * 1000, self.number,
                                             functions))
        if words[0] != "drain":
            raise Broken("%s: nicsim-host: %s" % (self.name,
                                                  " ".join(words)))
        data = self.host.stdout.read(int(words[2]))
        outputs = {name: [] for name in self.captured}
        i = 0
        while i < len(data):
            length = int.from_bytes(data[i + 1:i + 3], "little")
            outputs[self.captured[data[i]]].append(data[i + 3:i + 3 + length])
            i += 3 + length
        return outputs, len(self.captured) - int(words[3])

    def round(self, case, result, alone=False):
        """Sends all packets of 'case'."""
        outputs = {name: [] for name in self.captured}
        for port, frames in case.bursts():
            some, missing = self.exchange(port, frames, alone=alone)
            if missing:
                raise Broken("%s: a barrier from %s did not come out at %d"
                             " ports" % (self.name, port, missing))
            for name in self.captured:
                outputs[name] += some[name]
        result.outputs.append(outputs)

    # Megaflows.

    def megaflows(self):
        text = self.unixctl("dpctl/dump-flows", "-m", "netdev@ovs-netdev")
        flows = [Megaflow(line) for line in text.splitlines()
                 if line.startswith("ufid:")]
        # The kernel may say something by a bridge's own port.
        return [flow for flow in flows if not flow.is_barrier
                and "in_port(br" not in flow.text]

    def wait_quiescent(self):
        """Waits until each megaflow is in the NIC or was refused."""
        deadline = time.time() + 20
        settled = None
        not_offered = (0, 0)    # Of so many megaflows, so many.
        while time.time() < deadline:
            stats = self.unixctl("dpctl/offload-stats-show",
                                 "netdev@ovs-netdev")
            queued = sum(int(n) for n in re.findall(
                r"Total\s+Enqueued offloads:\s+(\d+)", stats))
            shown = json.loads(self.unixctl("dpdkvdpa/offload-show",
                                            "--json"))
            ports = shown["ports"] if isinstance(shown, dict) else shown
            known = sum(port["in-nic"] + port["refused"] for port in ports)
            n_megaflows = int(re.search(r"flows: (\d+)", self.unixctl(
                "dpctl/show", "netdev@ovs-netdev")).group(1))
            if (not queued and known < n_megaflows
                    and not_offered[0] != n_megaflows):
                # To list them takes long.
                not_offered = n_megaflows, self.count_not_offered()
            all_known = known + not_offered[1] >= n_megaflows
            state = (known, n_megaflows, queued)
            now = time.time()
            if settled is None or settled[0] != state:
                settled = (state, now)
            # What is no longer queued may be under way still.
            if not queued and now > settled[1] + (0.005 if all_known
                                                  else 0.3):
                return ports
            time.sleep(0.003)
        raise Broken("%s: offload does not come to rest" % self.name)

    def count_not_offered(self):
        """How many megaflows are of ports that have no offload at all."""
        text = self.unixctl("dpctl/dump-flows", "-m", "netdev@ovs-netdev")
        return len(re.findall(r"in_port\(br", text))

    def run_case(self, case):
        """Runs 'case' and tells what became of it."""
        result = Result()
        self.load(case)
        # A packet that makes a megaflow overtakes those of its batch that
        # have one: barriers shall have theirs.
        for port in INJECT:
            self.exchange(port, [])
        self.two_rounds(case, result)
        if case.changes:
            self.change(case)
            self.two_rounds(case, result)
        self.unixctl("revalidator/purge")
        for bridge in self.bridges:
            result.flows.update(self.openflow_counters(bridge))
        if case.groups:
            result.others.update(self.group_counters())
        if case.meters:
            result.others.update(self.meter_counters())
        return result

    def two_rounds(self, case, result):
        """Sends all packets twice: the second time the rules are in the
        NIC."""
        self.round(case, result, alone=case.has_recirculation())
        before = self.nic()[1]
        reasons = {}
        if self.offload:
            reasons = self.count_reasons(self.wait_quiescent())
            self.check_nic(result)
        self.round(case, result)
        after = self.nic()[1]
        for port in INJECT:
            entered, by_rule, no_room = (
                x - y for x, y in zip(after[port], before[port]))
            result.n_entered += entered
            result.n_by_rule += by_rule
            if no_room:
                raise Broken("%s: %d packets found no room at %s"
                             % (self.name, no_room, port))
        megaflows = self.megaflows()
        n_in_nic = sum(flow.offloaded != "no" for flow in megaflows)
        if self.offload:
            unknown = len(megaflows) - n_in_nic - sum(reasons.values())
            if unknown > 0:
                reasons["(nobody knows why)"] = unknown
        for code, n in reasons.items():
            result.reasons[code] = result.reasons.get(code, 0) + n
        result.megaflows.append(megaflows)
        result.n_in_nic += n_in_nic

    def change(self, case):
        """Gives the flows in 'case.changes' their actions, and lets megaflows
        follow."""
        first = self.table["br0"]
        lines = ["flow modify_strict " + self.move_tables(flow, first)
                 for flow in case.changes]
        done = self.run("ovs-ofctl", "-O", "OpenFlow15", "bundle", "br0", "-",
                        text="\n".join(lines) + "\n", check=False)
        if done.returncode:
            raise Refused(done.stderr)
        self.unixctl("revalidator/resume")
        # The end of one that began before it heard of the change says nothing.
        self.unixctl("revalidator/wait")
        self.unixctl("revalidator/wait")
        self.unixctl("revalidator/pause")
        # Until the NIC has heard of it, it does what it did.
        if self.offload:
            self.wait_quiescent()
        # Those of barriers may have gone.
        for port in INJECT:
            self.exchange(port, [])

    def check_nic(self, result):
        """Compares the NIC's rules with what Open vSwitch believes."""
        in_nic = sum(flow.offloaded != "no" for flow in self.megaflows())
        rules = self.nic()[0]
        if rules < in_nic or (rules and not in_nic):
            result.problems.append("%d megaflows are in the NIC, which has %d"
                                   " rules" % (in_nic, rules))

    def count_reasons(self, ports):
        """{code: megaflows that are not in the NIC}, without barriers'."""
        dump = self.unixctl("dpctl/dump-flows", "-m", "netdev@ovs-netdev")
        reasons = {"action-userspace": -dump.count("eth_type(%s)"
                                                   % BARRIER_TYPE)}
        for port in ports:
            for refusal in port["refusals"]:
                code = refusal["code"]
                if "words" in refusal:
                    code += " (%s)" % refusal["words"]
                reasons[code] = reasons.get(code, 0) + refusal["megaflows"]
        return reasons

    # OpenFlow's counters.

    def openflow_counters(self, bridge):
        counters = {}
        for line in self.unixctl("bridge/dump-flows",
                                 bridge).splitlines():
            match = re.match(r"table_id=(\d+), duration=\S+"
                             r" n_packets=(\d+), n_bytes=(\d+), (.*)", line)
            first = self.table[bridge]
            table = int(match.group(1)) - first if match else -1
            if 0 <= table < TABLES:
                # The pipeline's own numbers of its tables.
                flow = re.sub(r"resubmit\(([^,]*),(\d+)\)", lambda found: (
                    "resubmit(%s,%d)" % (found.group(1),
                                         int(found.group(2)) - first)),
                              match.group(4))
                counters["%s table=%d,%s" % (bridge, table, flow)] = (
                    int(match.group(2)), int(match.group(3)))
        return counters

    def group_counters(self):
        text = self.run("ovs-ofctl", "-O", "OpenFlow15", "dump-group-stats",
                        "br0").stdout
        return {"group %s %d" % (group, i):
                tuple(int(n) for n in counts)
                for group, rest in re.findall(r"group_id=(\d+),(.*)", text)
                for i, counts in enumerate(re.findall(
                    r"packet_count=(\d+),byte_count=(\d+)", rest))}

    def meter_counters(self):
        text = self.run("ovs-ofctl", "-O", "OpenFlow15", "meter-stats",
                        "br0").stdout
        return {"meter %s" % meter: (int(packets), int(n_bytes))
                for meter, packets, n_bytes in re.findall(
                    r"meter:(\d+).*?packet_in_count:(\d+)"
                    r" byte_in_count:(\d+)", text)}
