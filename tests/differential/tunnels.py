# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Tunnels: what a pipeline needs for them, and packets that come in them.

The ends of all tunnels, LOCAL_IP and REMOTE_IP or their IPv6 kin, are in one
network.  Tunnel ports whose remote end is "flow" take packets from any and
want to be told where to.
"""

import socket
import struct

from packets import GRE, IPV4, IPV6, Packet, UDP, spoil

LOCAL_MAC = 0x020000003101
REMOTE_MACS = {"172.31.0.2": 0x020000003102, "172.31.0.3": 0x020000003103,
               "fc31::2": 0x020000003202, "fc31::3": 0x020000003203}
LOCAL = {4: "172.31.0.1", 6: "fc31::1"}
REMOTE = {4: ("172.31.0.2", "172.31.0.3"), 6: ("fc31::2", "fc31::3")}

# name: (type, IP version, options)
PORTS = {
    "vxlan0": ("vxlan", 4, {"remote_ip": "172.31.0.2"}),
    "vxlan6": ("vxlan", 6, {"remote_ip": "flow"}),
    "geneve0": ("geneve", 4, {"remote_ip": "flow"}),
    "geneve6": ("geneve", 6, {"remote_ip": "fc31::2"}),
    "gre0": ("gre", 4, {"remote_ip": "172.31.0.2"}),
    "gre6": ("gre", 6, {"remote_ip": "flow"}),
}
UDP_PORTS = {"vxlan": 4789, "geneve": 6081}
OPTION_CLASS, OPTION_TYPE = 0x0105, 0x21


def local_flows():
    """The flows by which what goes into tunnels leaves the bridge that has
    their local ends.  What the kernel has to say to packets that came out of
    no tunnel port is not let out."""
    lines = ["table=0,priority=65533,in_port=LOCAL,actions=drop"]
    for suffix in ("", "6"):
        lines += ["table=0,priority=65534,in_port=LOCAL,udp%s,tp_dst=%d,"
                  "actions=output:1" % (suffix, port)
                  for port in UDP_PORTS.values()]
        lines.append("table=0,priority=65534,in_port=LOCAL,%s,nw_proto=47,"
                     "actions=output:1" % ("ipv6" if suffix else "ip"))
    return lines


def ip_number(text):
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return int.from_bytes(socket.inet_pton(family, text), "big")


def flows(gen):
    """The flows of the pipeline, and of the uplink's bridge if that is
    another, by which tunnels' packets find their way."""
    rnd = gen.rnd
    bridged = gen.case.topology == "bridged"
    lines = []
    for version, name, field in ((4, "ip", "nw_dst"), (6, "ipv6",
                                                       "ipv6_dst")):
        match = "%s,%s=%s" % (name, field, LOCAL[version])
        way = rnd.random()
        if way < .3:
            match += ",nw_frag=no".replace("nw_frag", "ip_frag")
        elif way < .4:
            match += ",dl_dst=02:00:00:00:31:01"
        lines.append("table=0,priority=%d,in_port=1,%s,actions=LOCAL" % (
            rnd.choice((5, 100, 100)), match))
    if bridged:
        lines += ["table=0,priority=1,in_port=1,actions=output:20",
                  "table=0,priority=1,in_port=20,actions=output:1"]
        gen.case.phys_flows += lines
    else:
        gen.case.flows += lines


def choose(gen):
    """Which tunnel ports the pipeline is about."""
    names = gen.rnd.sample(sorted(PORTS), gen.rnd.randint(1, 3))
    gen.tunnel_ids = [gen.rnd.randrange(1 << 24)]
    # One length of options: Open vSwitch takes packets with other ones for
    # those of a megaflow that ignores them, whatever that does.
    gen.geneve_options = gen.rnd.choice(((), (1,), (1,), (1, 2)))
    gen.tunnel_ids += [gen.tunnel_ids[0] ^ 1 << gen.rnd.randrange(24)
                       for _ in range(2)]
    flows(gen)
    return names


def match_words(gen, name):
    """Words for a rule whose packets come from the tunnel port 'name'."""
    rnd = gen.rnd
    words = []
    kind, version, options = PORTS[name]
    values = {"tun_id": rnd.choice(gen.tunnel_ids), "metadata": None,
              "remote": REMOTE[version][0]}
    if rnd.random() < .5:
        if rnd.random() < .6:
            words.append("tun_id=%#x" % values["tun_id"])
        else:
            mask = rnd.getrandbits(24)
            words.append("tun_id=%#x/%#x" % (values["tun_id"] & mask, mask))
    if options["remote_ip"] == "flow" and rnd.random() < .4:
        values["remote"] = rnd.choice(REMOTE[version])
        words.append("%s=%s" % ("tun_src" if version == 4 else
                                "tun_ipv6_src", values["remote"]))
    if kind == "geneve" and rnd.random() < .4:
        values["metadata"] = rnd.getrandbits(32)
        mask = rnd.choice((0xffffffff, 0xffff0000, rnd.getrandbits(32)))
        words.append("tun_metadata0=%#x/%#x" % (values["metadata"] & mask,
                                                mask))
    return words, values


def output(gen, name):
    """Actions that send to the tunnel port 'name'."""
    rnd = gen.rnd
    kind, version, options = PORTS[name]
    acts = ["set_field:%#x->tun_id" % rnd.choice(gen.tunnel_ids)]
    if options["remote_ip"] == "flow":
        acts.append("set_field:%s->%s" % (
            rnd.choice(REMOTE[version]),
            "tun_dst" if version == 4 else "tun_ipv6_dst"))
    if kind == "geneve" and rnd.random() < .3:
        acts.append("set_field:%#x->tun_metadata0" % rnd.getrandbits(32))
    return ",".join(acts + ["output:%d" % gen.port_number(name)])


def header(gen, kind, values):
    """What is between the outer IP or UDP header and the inner frame."""
    rnd = gen.rnd
    odd = rnd.random() < .1
    tun_id = values["tun_id"]
    if kind == "vxlan":
        flags = rnd.choice((0, 0x0c000000, 0x08000001)) if odd else 0x08000000
        return struct.pack("!II", flags, tun_id << 8 | (odd and 1))
    if kind == "geneve":
        options = b""
        if 1 in gen.geneve_options:
            metadata = values["metadata"]
            options += struct.pack("!HBBI", OPTION_CLASS, OPTION_TYPE, 1,
                                   rnd.getrandbits(32) if metadata is None
                                   else metadata)
        if 2 in gen.geneve_options:
            # Not a critical one: of that Open vSwitch makes a megaflow that
            # drops other packets, too.  The same goes for malformed ones.
            options += struct.pack("!HBBI", 0x0106, 1, 1, 9)
        return struct.pack("!BBHI", len(options) // 4, 0x80 if odd else 0,
                           0x6558, tun_id << 8) + options
    if odd:
        return rnd.choice((
            struct.pack("!HH", 0, 0x6558),
            struct.pack("!HHII", 0x3000, 0x6558, tun_id, 77),
            struct.pack("!HHI", 0x2000, 0x0800, tun_id),
            struct.pack("!HHI", 0x2001, 0x6558, tun_id)))
    return struct.pack("!HHI", 0x2000, 0x6558, tun_id)


def wrap(gen, name, values, inner):
    """'inner' as it comes in the tunnel of port 'name'."""
    rnd = gen.rnd
    kind, version, _ = PORTS[name]
    udp = kind in UDP_PORTS
    outer = Packet(IPV4 if version == 4 else IPV6, UDP if udp else GRE)
    remote = values["remote"]
    if rnd.random() < .1:
        remote = rnd.choice(REMOTE[version])
    outer.eth_src = REMOTE_MACS[remote]
    outer.eth_dst = LOCAL_MAC
    outer.set("ip_src" if version == 4 else "ipv6_src", ip_number(remote))
    outer.set("ip_dst" if version == 4 else "ipv6_dst",
              ip_number(LOCAL[version]))
    if rnd.random() < .05:
        outer.ip_dst ^= 1
    outer.tos = rnd.choice((0, 0, 0, 3, 1, 0x28))
    outer.ttl = rnd.choice((64, 64, 64, 1, 255))
    if udp:
        outer.tp_src = rnd.choice((40000, 40001, 50000))
        outer.tp_dst = UDP_PORTS[kind]
        if rnd.random() < .02:
            outer.tp_dst ^= 1
        if version == 4 and rnd.random() < .8:
            outer.defects["no_csum"] = True
    outer.tunnel = (kind, header(gen, kind, values))
    outer.inner = inner
    if rnd.random() < .07:
        spoil(outer, rnd)
    return outer
