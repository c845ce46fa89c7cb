# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""A bond of two VFs' ports, in the topology "bonded".

Only modes whose choice of a member follows from the packet and from what a
case says: balance-slb, with every hash's member given, and active-backup.
Traffic takes a bond by action NORMAL, by which Open vSwitch learns addresses
as well: packets come one by one, and go to addresses that others come from.
"""

NAME = "bond0"
MEMBERS = ("r2", "r3")
N_HASHES = 256


def add(ports):
    """Arguments of ovs-vsctl that add the bond to br0.  'ports' are OpenFlow
    port numbers by name."""
    argv = ["--", "add-bond", "br0", NAME, *MEMBERS, "bond_mode=balance-slb",
            "other_config:bond-rebalance-interval=0"]
    for port in MEMBERS:
        argv += ["--", "set", "Interface", port, "type=dpdk",
                 "ofport_request=%d" % ports[port],
                 'options:dpdk-devargs="net_nicsim0,representor=[%s]"'
                 % port[1]]
    return argv


def choose(gen):
    """Makes the case of 'gen', which has no values yet, one of the bond."""
    rnd = gen.rnd
    gen.case.sequential = True
    if rnd.random() < .6:
        gen.case.bond = "balance-slb %d" % rnd.randrange(8)
    else:
        gen.case.bond = "active-backup " + rnd.choice(MEMBERS)
    gen.value("eth_src")
    gen.values["eth_dst"] = gen.values["eth_src"] + [(1 << 48) - 1]


def last_flow():
    """What no rule of the pipeline matches is switched."""
    return "table=0,priority=0,actions=NORMAL"


def apply(world, text):
    """Has the bond of 'world' do as 'text' says: "active-backup MEMBER", or
    "balance-slb BIT", where BIT is the one of a hash that chooses."""
    mode, argument = text.split()
    if world.bond_mode != mode:
        world.run("ovs-vsctl", "set", "Port", NAME, "bond_mode=" + mode)
        world.bond_mode = mode
    if mode == "active-backup":
        world.unixctl("bond/set-active-member", NAME, argument)
        return
    world.unixctl("bond/set-active-member", NAME, MEMBERS[0])
    for number in range(N_HASHES):
        world.unixctl("bond/migrate", NAME, str(number),
                      MEMBERS[number >> int(argument) & 1])
