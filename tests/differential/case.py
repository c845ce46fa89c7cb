# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""A case of the differential test: a pipeline, and what is sent through it.

As text, one thing a line, in the order in which it is done:

    topology bridged
    meter meter=1,kbps,band=type=drop,rate=1000000
    group group_id=1,type=all,bucket=actions=output:2,bucket=actions=output:3
    flow table=0,priority=5,in_port=1,actions=group:1
    phys-flow in_port=1,actions=LOCAL
    send p0 0200000000020200000000010800...

All packets are sent twice; then the flows of "change" get other actions, and
all packets are sent twice again.

"flow" is for bridge br0, "phys-flow" for br-phy, which has the uplink where
the topology is "bridged".  Where it is "mirrored", what comes from r0 and r1 and
what goes to r2 and p0 goes to r4, too.  Where it is "bonded", r2 and r3 are a
bond, of which "bond" tells what it does.  "#" begins a comment.
"""

# OpenFlow port numbers, on whichever bridge a port is.
# Those that are sent to and from.
PORTS = {"p0": 1, "r0": 2, "r1": 3, "r2": 4, "r3": 5}
INJECT = ("p0", "r0", "r1", "r2", "r3")
TUNNELS = {"vxlan0": 10, "vxlan6": 11, "geneve0": 12, "geneve6": 13,
           "gre0": 14, "gre6": 15}
PATCH = 20                      # To the other bridge, if there is one.

MIRROR = "r4"                   # Takes copies in the topology "mirrored".
TOPOLOGIES = ("flat", "bridged", "mirrored", "bonded")

LEGEND = "".join("# %d is %s\n" % (number, name) for name, number in
                 sorted({**PORTS, **TUNNELS}.items(), key=lambda x: x[1]))


class Case:
    def __init__(self, topology="flat"):
        self.topology = topology
        self.flows = []         # Of texts as ovs-ofctl takes them.
        self.phys_flows = []
        self.groups = []
        self.meters = []
        self.bond = ""          # See bonds.py.
        self.changes = []       # Flows with other actions, later.
        self.packets = []       # Of (port, bytes, remark).
        self.sequential = False     # Each packet alone, as for learning.
        self.realistic = False      # As pipelines are in use.

    def copy(self, **changes):
        case = Case(self.topology)
        case.__dict__.update(self.__dict__)
        case.__dict__.update(changes)
        return case

    def bursts(self):
        """[(port, [frame, ...]), ...]: packets of one port that follow one
        another."""
        bursts = []
        for port, frame, _ in self.packets:
            if not bursts or bursts[-1][0] != port:
                bursts.append((port, []))
            bursts[-1][1].append(frame)
        return bursts

    def has_recirculation(self):
        """Which packet makes a megaflow behind a recirculation depends on what
        comes with it in one batch: there, packets go one by one at first."""
        text = " ".join(self.groups + self.flows + self.changes)
        return (self.sequential or self.topology != "flat"
                or any(word in text for word in ("type=select", "pop_mpls",
                                                 "output:%d" % PATCH))
                or any("output:%d" % port in text
                       for port in TUNNELS.values()))

    def to_text(self):
        lines = ["topology %s" % self.topology]
        if self.sequential:
            lines.append("sequential")
        if self.bond:
            lines.append("bond " + self.bond)
        lines += ["meter " + meter for meter in self.meters]
        lines += ["group " + group for group in self.groups]
        lines += ["flow " + flow for flow in self.flows]
        lines += ["phys-flow " + flow for flow in self.phys_flows]
        lines += ["change " + flow for flow in self.changes]
        lines += ["send %s %s%s" % (port, frame.hex(),
                                    "  # " + remark if remark else "")
                  for port, frame, remark in self.packets]
        return "\n".join(lines) + "\n"

    @staticmethod
    def from_text(text):
        case = Case()
        for line in text.splitlines():
            line = line.split("#")[0].strip()
            if not line:
                continue
            word, _, rest = line.partition(" ")
            if word == "topology":
                case.topology = rest
            elif word == "sequential":
                case.sequential = True
            elif word == "bond":
                case.bond = rest
            elif word == "meter":
                case.meters.append(rest)
            elif word == "group":
                case.groups.append(rest)
            elif word == "flow":
                case.flows.append(rest)
            elif word == "phys-flow":
                case.phys_flows.append(rest)
            elif word == "change":
                case.changes.append(rest)
            elif word == "send":
                port, frame = rest.split()
                case.packets.append((port, bytes.fromhex(frame), ""))
            else:
                raise ValueError("what is \"%s\"?" % line)
        return case
