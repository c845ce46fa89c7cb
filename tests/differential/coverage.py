# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Whether each match and action that lib/offload-support.h says is translated
was in a megaflow that was in the NIC.

What is translated is read there.  Here stands how one sees it in a megaflow;
an entry that is new there and missing here counts as one that never occurred.
"""

import os
import re

from compare import fields_of


def matched(*names):
    """The match is on one of the fields 'names', as compare.py has them."""
    def detector(fields, _):
        return any(fields.get(name, (0, 0))[1] != 0 for name in names)
    return detector


def value(name, *texts):
    """The value of field 'name' is one of 'texts'."""
    def detector(fields, _):
        return str(fields.get(name, ("",))[0]) in texts
    return detector


def action(regex):
    def detector(_, text):
        return re.search(regex, text)
    return detector


def tunnel(port, address):
    """The packets came out of a tunnel."""
    def detector(fields, _):
        return (fields.get("in_port", ("",))[0] == port
                and "tunnel/" + address in fields)
    return detector


TUNNELS = {"VXLAN": "vxlan_sys_4789", "Geneve": "genev_sys_6081",
           "GRE": "gre_sys"}

# What has to occur for an entry, each by a name and a detector: of those that
# stand in several items or headers, each.
DETECTORS = {
    "in_port": {"": matched("in_port")},
    "recirc_id": {"": lambda fields, _: fields.get("recirc_id",
                                                   (0,))[0] not in (0, "0")},
    "tunnel": {"%s over %s" % (name, version): tunnel(port, address)
               for name, port in TUNNELS.items()
               for version, address in (("IPv4", "src"),
                                        ("IPv6", "ipv6_src"))},
    "dl_dst": {"": matched("eth/dst")},
    "dl_src": {"": matched("eth/src")},
    "dl_type": {"": matched("eth_type")},
    "vlans": {"one tag": matched("vlan1/vid", "vlan1/pcp"),
              "two tags": matched("vlan2/vid", "vlan2/pcp")},
    "mpls_lse": {"": matched("mpls/label", "mpls/lse0", "mpls/tc")},
    "nw_src": {"IPv4": matched("ipv4/src"), "ARP": matched("arp/sip")},
    "nw_dst": {"IPv4": matched("ipv4/dst"), "ARP": matched("arp/tip")},
    "ipv6_src": {"": matched("ipv6/src")},
    "ipv6_dst": {"": matched("ipv6/dst")},
    "ipv6_label": {"": matched("ipv6/label")},
    "nw_frag": {"IPv4, first": value("ipv4/frag", "frag=first", "first"),
                "IPv4, later": value("ipv4/frag", "frag=later", "later"),
                "IPv6, first": value("ipv6/frag", "frag=first", "first"),
                "IPv6, later": value("ipv6/frag", "frag=later", "later")},
    "nw_tos": {"IPv4": matched("ipv4/tos"), "IPv6": matched("ipv6/tclass")},
    "nw_ttl": {"IPv4": matched("ipv4/ttl"), "IPv6": matched("ipv6/hlimit")},
    "nw_proto": {"IPv4": matched("ipv4/proto"),
                 "IPv6": matched("ipv6/proto"), "ARP": matched("arp/op")},
    "nd_target": {"": matched("nd/target")},
    "arp_sha": {"ARP": matched("arp/sha"), "ND": matched("nd/sll")},
    "arp_tha": {"ARP": matched("arp/tha"), "ND": matched("nd/tll")},
    "tcp_flags": {"": matched("tcp_flags")},
    "tp_src": {name: matched(name + "/src") for name in ("tcp", "udp",
                                                         "sctp")},
    "tp_dst": {name: matched(name + "/dst") for name in ("tcp", "udp",
                                                         "sctp")},
    "OUTPUT": {"": action(r"\b[pr]\d\b"),
               "to several": action(r"\b[pr]\d\b.*\b[pr]\d\b")},
    "DROP": {"": action(r"^drop")},
    "SET_MASKED": {"": action(r"set\([^)]*/")},
    "PUSH_VLAN": {"": action(r"push_vlan\(")},
    "POP_VLAN": {"": action(r"pop_vlan")},
    "PUSH_MPLS": {"": action(r"push_mpls\(")},
    "POP_MPLS": {"": action(r"pop_mpls\(")},
    "TUNNEL_PUSH": {"%s over %s" % (name, version): action(
        r"tnl_push\(tnl_port\(%s.*?%s\(" % (port, version.lower()))
                    for name, port in TUNNELS.items()
                    for version in ("IPv4", "IPv6")},
    "TUNNEL_POP": {name: action(r"tnl_pop\(" + port)
                   for name, port in TUNNELS.items()},
    "RECIRC": {"": action(r"recirc\(")},
    "CLONE": {"": action(r"clone\(")},
    "SAMPLE": {"": action(r"sample\(sample=")},
    "USERSPACE": {"": action(r"userspace\(.*flow_sample")},
    "METER": {"": action(r"meter\(")},
    "ETHERNET": {"": action(r"set\(eth\(")},
    "IPV4": {"": action(r"set\(ipv4\(")},
    "IPV6": {"": action(r"set\(ipv6\(")},
    "TCP": {"": action(r"set\(tcp\(")},
    "UDP": {"": action(r"set\(udp\(")},
    "MPLS": {"": action(r"set\(mpls\(")},
}
for _name in ("tp_src", "tp_dst"):
    _what = "type" if _name == "tp_src" else "code"
    DETECTORS[_name].update({"ICMP": matched("icmp/" + _what),
                             "ICMPv6": matched("icmpv6/" + _what)})

# What Open vSwitch does not make of such pipelines, and where it is tested.
ELSEWHERE = {
    "SET": "ofproto makes masked ones only: tests/test-offload",
    "CT_CLEAR": "only behind ct: tests/test-offload",
}


def translated(path):
    """Names of the entries that are translated, in the order of the header
    'path'."""
    with open(path, encoding="ascii") as file:
        text = file.read().replace("\\\n", " ")
    names = re.findall(r"OFFLOAD_FIELD\((\w+), \"", text)
    return names + [
        name for name, rest in re.findall(
            r"OFFLOAD_(?:ACTION|SET)\((\w+),\s*(\"[^()]*(?:\([^()]*\))?[^()]*)"
            r"\)", text) if re.search(r",\s*NONE\s*$", rest)]


class Coverage:
    def __init__(self, top):
        self.entries = [name for name in translated(
            os.path.join(top, "lib", "offload-support.h"))
                        if name not in ELSEWHERE]
        # Those that did not occur yet: of (entry, what, detector).
        self.missing = [(entry, what, detector) for entry in self.entries
                        for what, detector in DETECTORS.get(
                            entry, {"": lambda *_: False}).items()]

    def add(self, megaflows):
        """Takes notice of 'megaflows', of those that are in the NIC."""
        for flow in megaflows:
            if not self.missing:
                return
            if flow.offloaded == "no":
                continue
            fields = fields_of(flow.text)
            text = flow.text.partition(" actions:")[2]
            self.missing = [x for x in self.missing
                            if not x[2](fields, text)]

    def report(self):
        """Prints what did not occur.  Returns true if there is none."""
        entries = {x[0] for x in self.missing}
        print("%d of %d translated matches and actions were in megaflows in"
              " the NIC" % (len(self.entries) - len(entries),
                            len(self.entries)))
        for entry, what, _ in self.missing:
            print("  not %s%s" % (entry, what and ", " + what))
        return not self.missing
