#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Compares the rules of a sandbox's NIC with Open vSwitch's megaflows.

    offload_rules.py agree
        Waits until they agree:
          - the provider knows the very megaflows that Open vSwitch has of its
            ports, with the same actions, and those that it says are in the
            NIC are those that Open vSwitch says are;
          - the NIC has the rule of each of these: in the same group, made by
            the same port, with the addresses, ports and actions that the
            provider tells of;
          - it has a rule for packets that miss, for each group and port that
            one of those rules jumps from;
          - and no other rule.
    offload_rules.py end [--without nic|switch]
        The same; then silences guests and wire, and waits until the NIC has
        no rule, and the provider no record, when Open vSwitch has no
        megaflow.  A test that took NIC or switch away on purpose says so:
        then the other alone must have nothing left.

A sandbox's environment has to be set.  Exits with 1, and says what differed
last, after 30 seconds."""

import argparse
import collections
import hashlib
import json
import os
import re
import subprocess
import sys
import time

TIMEOUT = 30
FEW_SECONDS = 20


class Differs(Exception):
    """What disagrees, or is still there."""


def run(*command):
    result = subprocess.run(command, capture_output=True, encoding="utf-8",
                            timeout=FEW_SECONDS, check=False)
    if result.returncode:
        raise Differs("%s: %s" % (" ".join(command), result.stderr.strip()))
    return result.stdout


def appctl(*command):
    return run("ovs-appctl", *command)


class Ports:
    """Names of the provider's ports, as Open vSwitch and as the NIC says, and
    their numbers in the datapath, which has names of its own for tunnels."""

    def __init__(self):
        devargs = {}
        table = json.loads(run("ovs-vsctl", "--timeout=%d" % FEW_SECONDS,
                               "-vtimeval:off", "--format=json",
                               "--columns=name,options", "list",
                               "Interface"))
        for name, (_, options) in table["data"]:
            devargs[name] = dict(options).get("dpdk-devargs", "")
        self.by_ethdev = {}
        self.stuck = 0
        for port in json.loads(appctl("dpdkvdpa/offload-show", "--json")):
            self.stuck += port["stuck-rules"]
            if port["ethdev"] >= 0:
                self.by_ethdev[str(port["ethdev"])] = self.vport(
                    devargs.get(port["port"], ""))

        text = appctl("dpctl/show", "netdev@ovs-netdev")
        number = dict((name, n) for n, name in
                      re.findall(r"^ *port (\d+): (\S+)", text, re.M))
        self.numbers = {number[port["datapath-port"]] for port in json.loads(
            appctl("dpdkvdpa/offload-show", "--json"))
                        if port["datapath-port"] in number}

    @staticmethod
    def vport(devargs):
        """The NIC's word for the port of a device."""
        match = re.search(r"representor=(?:pf\d+)?(?:vf)?\[?(\d+)", devargs)
        return "vf" + match[1] if match else "uplink"


# A megaflow is known by its match, which has the in_port.
MEGAFLOW = re.compile(r"^(?:ufid:\S+ )?(\S+), packets:.*, actions:(.*)$")


def dump_flows(ports, *arguments):
    """Megaflows of the provider's ports: match -> set of actions (each PMD
    thread has megaflows of its own)."""
    flows = collections.defaultdict(set)
    for line in appctl("dpctl/dump-flows", "netdev@ovs-netdev",
                       *arguments).splitlines():
        match = MEGAFLOW.match(line)
        if match:
            in_port = re.search(r"in_port\((\d+)\)", match[1])
            if in_port and in_port[1] in ports.numbers:
                flows[match[1]].add(match[2])
    return flows


# 'port' is who made it, and ANY if it is for packets of all ports.
Rule = collections.namedtuple("Rule", "group port values actions")
ANY = ", for any port"

# Fields that are matched as a whole are written in the same way by both.
VALUES = r"\b(src|dst|spa|tpa|vni)%s([0-9a-f.:]+)(?![0-9a-f.:/])"


def simplify(actions, ports):
    """The names of actions and where they lead.  'ports' is the NIC's
    names by ethdev, or None if they are these already."""
    words = []
    actions = re.sub(r"vxlan_encap \{[^}]*\}", "vxlan_encap", actions)
    for action in re.split(r"[/{}]", actions):
        action = action.split()
        if not action or action[0] == "end":
            continue
        if action[0] in ("represented_port", "port_id", "port_representor"):
            last = action[-1]
            words.append(action[0] + " "
                         + (ports.get(last, last) if ports else last))
        elif action[0] == "jump":
            words.append("jump " + action[-1])
        else:
            words.append(action[0])
    return " / ".join(words)


def expect(record, ports):
    """The Rule of a megaflow, from its "flow create" command."""
    match = re.match(r"flow create (\d+) group (\d+) .*? pattern (.*?) / end"
                     r" actions (.*)$", record["rules"][0])
    ethdev, group, pattern, actions = match.groups()
    values = sorted(re.findall(VALUES % " is ", pattern))
    port = ports.by_ethdev.get(ethdev, "ethdev " + ethdev)
    if re.match(r"(represented_port|port_id) /", pattern):
        port += ANY
    return Rule(int(group), port, tuple(values),
                simplify(actions, ports.by_ethdev))


def miss(rule):
    """The Rule that has to be where 'rule' jumps to, or None."""
    match = re.search(r"jump (\d+)$", rule.actions)
    return match and Rule(int(match[1]), rule.port, (),
                          "count / mark / port_representor "
                          + rule.port.replace(ANY, ""))


def nic_rules():
    """The NIC's own rules."""
    rules = []
    for rule in json.loads(run("nicsimctl", "--json", "rules"))["rules"]:
        made_by = re.sub(r"^representor", "vf", rule["made_by"])
        values = sorted(re.findall(VALUES % " ", rule["match"]))
        port = re.sub("^pf$", "uplink", made_by)
        if not rule["match"].startswith("port "):
            port += ANY
        elif not re.match(r"port %s\b" % port, rule["match"]):
            raise Differs("%s made a rule for another: %s" % (made_by, rule))
        rules.append(Rule(rule["group"], port, tuple(values),
                          simplify(rule["actions"], None)))
    return collections.Counter(rules)


def show_difference(what, left, right, left_name, right_name):
    """Raises Differs unless 'left' and 'right', sets or counters, are
    equal."""
    if left != right:
        raise Differs("\n".join(
            ["%s differ:" % what]
            + ["  %s only: %s" % (left_name, x) for x in left - right]
            + ["  %s only: %s" % (right_name, x) for x in right - left]))


def agree():
    """Raises Differs unless NIC, provider and Open vSwitch agree."""
    ports = Ports()
    records = json.loads(appctl("dpdkvdpa/offload-why", "all", "--json"))
    flows = dump_flows(ports)
    offloaded = dump_flows(ports, "type=offloaded")
    have = nic_rules()

    if ports.stuck:
        raise Differs("%d rules are stuck in the NIC" % ports.stuck)
    known = {(record["match"], record["actions"]) for record in records}
    show_difference("megaflows", known,
                    {(m, a) for m, actions in flows.items() for a in actions},
                    "provider", "Open vSwitch")
    in_nic = [record for record in records if record["in-nic"]]
    show_difference("megaflows in the NIC",
                    {record["match"] for record in in_nic}, set(offloaded),
                    "provider", "Open vSwitch")

    rules = [expect(record, ports) for record in in_nic]
    misses = set(filter(None, map(miss, rules)))
    show_difference("rules", collections.Counter(rules + list(misses)), have,
                    "provider", "NIC")
    return "%d megaflows, %d in the NIC, %d rules for packets that miss" % (
        len(flows), len(in_nic), len(misses))


def empty_nic():
    have = nic_rules()
    if have:
        raise Differs("the NIC still has %s" % "\n".join(map(str, have)))
    return "the NIC has no rules"


def empty_switch():
    """Nothing is left in the provider, where Open vSwitch has nothing."""
    ports = Ports()
    flows = dump_flows(ports)
    if flows:
        raise Differs("Open vSwitch still has %s" % "\n".join(flows))
    records = json.loads(appctl("dpdkvdpa/offload-why", "all", "--json"))
    if records:
        raise Differs("the provider still has %s" % records)
    if ports.stuck:
        raise Differs("%d rules are stuck in the NIC" % ports.stuck)
    groups = re.findall(r"^group .*", appctl("dpdkvdpa/offload-show"), re.M)
    if groups:
        raise Differs("there is still %s" % groups)
    return "Open vSwitch has no megaflows"


def purge():
    appctl("revalidator/purge")
    return "%s, and %s" % (empty_switch(), empty_nic())


def switch_without_nic():
    """What OVS says once it noticed."""
    for port in json.loads(appctl("dpdkvdpa/offload-show", "--json")):
        if port["in-nic"]:
            raise Differs("%s counts %d rules in a NIC that is gone" % (
                port["port"], port["in-nic"]))
    return "Open vSwitch has nothing in a NIC that is gone"


def silence():
    """Nobody sends any more."""
    prefix = "sandbox-%s-" % hashlib.sha256(
        os.environ["SANDBOX_DIR"].encode()).hexdigest()[:8]
    names = [line.split()[0] for line in run("ip", "netns",
                                             "list").splitlines() if line]
    for name in names:
        if re.fullmatch(re.escape(prefix) + r"(vm\d+|wire)", name):
            subprocess.run(["ip", "-n", name, "link", "set", "eth0", "down"],
                           stderr=subprocess.DEVNULL, timeout=FEW_SECONDS,
                           check=False)


def wait(what, pause=0.02):
    """Calls 'what' until it raises nothing."""
    start = time.monotonic()
    while True:
        try:
            text = what()
            print("%s, after %d ms" % (text,
                                       (time.monotonic() - start) * 1000))
            return
        except (Differs, subprocess.TimeoutExpired) as error:
            if time.monotonic() > start + TIMEOUT:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 0.5)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("command", choices=["agree", "end"])
    parser.add_argument("--without", choices=["nic", "switch"])
    args = parser.parse_args()
    try:
        if args.without == "switch":
            wait(empty_nic)
        elif args.without == "nic":
            wait(switch_without_nic)
        else:
            wait(agree)
            if args.command == "end":
                silence()
                wait(purge, 0.1)
    except (Differs, subprocess.TimeoutExpired) as error:
        print("gave up after %d seconds: %s" % (TIMEOUT, error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
