# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Pipelines as they are in use: switches with VLANs, routers, access lists,
load balancers, overlays.  Hosts behind the ports speak with one another; few
of their packets are odd.
"""

import tunnels
from case import INJECT
from packets import (ARP, ICMP, ICMP6, IPV4, IPV6, MPLS, Packet, QINQ, TCP, UDP,
                     VLAN, spoil)

GATEWAY_MAC = 0x02000000fe01
GATEWAY_MAC_TEXT = "02:00:00:00:fe:01"
SERVICE = (10 << 24 | 255 << 8 | 1, "10.0.255.1")
SERVICE_MAC = 0x02000000fe02


class Host:
    """Behind each port there are two, in one network; each has a network of
    its own if hosts are routed to."""

    def __init__(self, port, number):
        self.port = port
        self.number = number
        self.vlan = 0           # Its tag on the way, if it sends tagged.
        self.outer_vlan = 0     # And that in front of it.
        self.mac = 0x020000001000 + number
        self.ip = 10 << 24 | number << 8 | 10 + number
        self.ip6 = 0xfd00 << 112 | number << 64 | 0x10 + number

    def mac_text(self):
        return ":".join("%02x" % byte for byte in self.mac.to_bytes(6, "big"))

    def subnet(self):
        return "10.0.%d.0/24" % self.number

    def subnet6(self):
        return "fd00:0:0:%x::/64" % self.number


def conversation(rnd, a, b):
    """A packet that host 'a' sends to host 'b'."""
    kind = rnd.choice(("tcp", "tcp", "udp", "icmp", "tcp6", "udp6", "icmp6",
                       "arp"))
    if kind == "arp":
        packet = Packet(ARP)
        packet.arp_op = rnd.choice((1, 2))
        packet.arp_spa, packet.arp_tpa = a.ip, b.ip
        packet.arp_sha = a.mac
        packet.arp_tha = b.mac if packet.arp_op == 2 else 0
    else:
        l3 = IPV6 if kind.endswith("6") else IPV4
        proto = {"tcp": TCP, "udp": UDP, "icm": ICMP6 if l3 == IPV6
                 else ICMP}[kind[:3]]
        packet = Packet(l3, proto)
        packet.ip_src, packet.ip_dst = a.ip, b.ip
        packet.ipv6_src, packet.ipv6_dst = a.ip6, b.ip6
        packet.tp_src = rnd.choice((40000, 40001, 52123))
        packet.tp_dst = rnd.choice((22, 53, 80, 443, 8080))
        packet.icmp_type = rnd.choice((128, 129) if l3 == IPV6 else (8, 0))
        packet.tcp_flags = rnd.choice((0x02, 0x10, 0x10, 0x18, 0x11))
    packet.eth_src, packet.eth_dst = a.mac, b.mac
    if kind == "arp" and packet.arp_op == 1:
        packet.eth_dst = (1 << 48) - 1
    if a.vlan:
        packet.tags = [(VLAN, a.vlan)]
    if a.outer_vlan:
        packet.tags.insert(0, (rnd.choice((QINQ, VLAN)), a.outer_vlan))
    packet.payload = bytes(rnd.choice((0, 0, 40, 300, 1300)))
    return packet


def forward(gen, hosts, table, before=""):
    """Rules of 'table' that send to hosts by their MACs, and what is for all
    to all."""
    lines = ["table=%d,priority=5,%sdl_dst=%s,actions=%s%s" % (
        table, before, host.mac_text(), host.way, "output:%d"
        % gen.port_number(host.port)) for host in hosts]
    ports = sorted({gen.port_number(host.port) for host in hosts})
    lines.append("table=%d,priority=5,%sdl_dst=ff:ff:ff:ff:ff:ff,actions=%s"
                 % (table, before, ",".join("output:%d" % port
                                            for port in ports)))
    return lines


def switch(gen, hosts):
    """Some ports are in one VLAN without tags, others take tags."""
    rnd = gen.rnd
    lines = []
    vlan = rnd.randrange(1, 4095)
    trunks = rnd.sample(INJECT, 2)
    for port in INJECT:
        number = gen.port_number(port)
        if port in trunks:
            lines.append("table=0,priority=5,in_port=%d,dl_vlan=%d,"
                         "actions=resubmit(,1)" % (number, vlan))
        else:
            lines.append("table=0,priority=5,in_port=%d,vlan_tci=0/0x1fff,"
                         "actions=push_vlan:0x8100,set_field:%d->vlan_vid,"
                         "resubmit(,1)" % (number, 0x1000 | vlan))
    for host in hosts:
        if host.port in trunks:
            host.vlan = vlan
        else:
            host.way = "pop_vlan,"
    unicast = forward(gen, hosts, 1, "dl_vlan=%d," % vlan)[:-1]
    flood = ["output:%d" % gen.port_number(port) for port in trunks]
    flood += ["pop_vlan"] + ["output:%d" % gen.port_number(port)
                             for port in INJECT if port not in trunks]
    return lines + unicast + [
        "table=1,priority=4,dl_vlan=%d,dl_dst=ff:ff:ff:ff:ff:ff,actions=%s"
        % (vlan, ",".join(flood))]


def provider_edge(gen, hosts):
    """Customers' tags come within a tag of the provider's, whose network is
    behind p0."""
    rnd = gen.rnd
    gen.pushes = False
    outer = rnd.randrange(1, 4095)
    customers = rnd.sample(range(1, 4095), 2)
    lines = ["table=0,priority=5,in_port=%d,dl_vlan=%d,actions=%spop_vlan,"
             "resubmit(,1)" % (gen.port_number("p0"), outer,
                               gen.realistic_extra)]
    for host in hosts:
        host.vlan = rnd.choice(customers)
        if host.port == "p0":
            host.outer_vlan = outer
        else:
            lines.append("table=1,priority=5,dl_vlan=%d,dl_dst=%s,actions="
                         "%soutput:%d" % (host.vlan, host.mac_text(),
                                          rnd.choice(("", "pop_vlan,")),
                                          gen.port_number(host.port)))
    return lines


def router(gen, hosts):
    """Each host is in a network of its own."""
    lines = ["table=0,priority=5,dl_dst=%s,%s,actions=%sresubmit(,1)" % (
        GATEWAY_MAC_TEXT, kind, gen.realistic_extra) for kind in ("ip",
                                                                  "ipv6")]
    lines.append("table=0,priority=4,arp,arp_op=1,actions=drop")
    for host in hosts:
        host.gateway = True
        for match in ("ip,nw_dst=" + host.subnet(),
                      "ipv6,ipv6_dst=" + host.subnet6()):
            lines.append(
                "table=1,priority=5,%s,actions=dec_ttl,mod_dl_src:%s,"
                "mod_dl_dst:%s,output:%d" % (
                    match, GATEWAY_MAC_TEXT, host.mac_text(),
                    gen.port_number(host.port)))
    return lines


def label_edge(gen, hosts):
    """Packets come with a label, which says that they are to be routed."""
    labels = gen.rnd.sample(range(16, 1 << 20), 2)
    lines = ["table=0,priority=5,mpls,mpls_label=%d,mpls_bos=1,actions=%s"
             "pop_mpls:%#06x,resubmit(,1)" % (label, gen.realistic_extra, kind)
             for label, kind in zip(labels, (IPV4, IPV6))]
    for host in hosts:
        host.gateway = True
        host.labels = dict(zip((IPV4, IPV6), labels))
    return lines + router(gen, hosts)


def access_list(gen, hosts):
    """Who may speak with whom, in front of a switch."""
    rnd = gen.rnd
    lines = ["table=0,priority=1,actions=resubmit(,1)",
             "table=0,priority=9,arp,actions=resubmit(,1)"]
    for _ in range(rnd.randint(3, 8)):
        host = rnd.choice(hosts)
        match = rnd.choice((
            "tcp,nw_src=%s,tp_dst=%d" % (host.subnet(),
                                         rnd.choice((22, 80, 443))),
            "tcp,nw_dst=%s,tcp_flags=+syn-ack" % host.subnet(),
            "udp,nw_dst=%s,tp_dst=53" % host.subnet(),
            "tcp6,ipv6_dst=%s,tp_dst=0x1f90/0xfff0" % host.subnet6(),
            "in_port=%d,icmp,icmp_type=8" % gen.port_number(host.port),
            "in_port=%d,dl_src=%s,ip,nw_src=%s" % (
                gen.port_number(host.port), host.mac_text(), host.subnet()),
            "ip,ip_frag=later"))
        lines.append("table=0,priority=%d,%s,actions=%s" % (
            rnd.randint(2, 8), match, rnd.choice((
                "drop", gen.realistic_extra + "resubmit(,1)"))))
    return lines + forward(gen, hosts, 1)


def balancer(gen, hosts):
    """A service's address becomes that of a host, and back."""
    server = gen.rnd.choice(hosts)
    port = gen.port_number(server.port)
    service = Host(None, 255)
    service.ip = SERVICE[0]
    service.mac = SERVICE_MAC
    gen.realistic_extra_hosts.append(service)
    lines = []
    for name in ("tcp", "udp"):
        lines.append(
            "table=0,priority=8,%s,nw_dst=%s,tp_dst=80,actions=%s"
            "mod_nw_dst:10.0.%d.%d,mod_tp_dst:8080,mod_dl_dst:%s,output:%d"
            % (name, SERVICE[1], gen.realistic_extra, server.number,
               10 + server.number, server.mac_text(), port))
        lines.append(
            "table=0,priority=8,in_port=%d,%s,nw_src=10.0.%d.%d,tp_src=40000,"
            "actions=mod_nw_src:%s,mod_tp_src:80,resubmit(,1)"
            % (port, name, server.number, 10 + server.number, SERVICE[1]))
    lines.append("table=0,priority=1,actions=resubmit(,1)")
    return lines + forward(gen, hosts, 1)


def overlay(gen, hosts):
    """Some hosts are behind tunnels."""
    rnd = gen.rnd
    names = gen.tunnels
    tun_id = gen.tunnel_ids[0]
    lines = []
    for name in names:
        lines.append("table=0,priority=9,in_port=%d,tun_id=%#x,"
                     "actions=resubmit(,1)" % (gen.port_number(name), tun_id))
    lines += ["table=0,priority=5,in_port=%d,actions=resubmit(,1)"
              % gen.port_number(port) for port in INJECT[1:]]
    for host in hosts:
        if host.port == "p0":
            host.tunnel = rnd.choice(names)
            options = tunnels.PORTS[host.tunnel][2]
            version = tunnels.PORTS[host.tunnel][1]
            way = "set_field:%#x->tun_id," % tun_id
            if options["remote_ip"] == "flow":
                way += "set_field:%s->%s," % (
                    tunnels.REMOTE[version][0],
                    "tun_dst" if version == 4 else "tun_ipv6_dst")
            lines.append("table=1,priority=5,dl_dst=%s,actions=%soutput:%d"
                         % (host.mac_text(), way,
                            gen.port_number(host.tunnel)))
    local = [host for host in hosts if host.port != "p0"]
    return lines + forward(gen, local, 1)


def make(gen, n_packets):
    """Fills the case of 'gen', of a generator, and returns packets."""
    rnd = gen.rnd
    case = gen.case
    hosts = [Host(port, 2 * i + j + 1) for i, port in enumerate(INJECT)
             for j in range(2)]
    for host in hosts:
        host.way, host.tunnel, host.gateway = "", None, False
        host.labels = None
    kinds = [switch, provider_edge, router, access_list, balancer]
    if gen.has("mpls"):
        kinds.append(label_edge)
    if gen.has("tunnels"):
        kinds += [overlay, overlay]
    kind = rnd.choice(kinds)
    if kind == overlay:
        gen.tunnels = tunnels.choose(gen)
    elif case.topology == "bridged":
        tunnels.flows(gen)
    gen.realistic_extra, gen.realistic_extra_hosts = "", []
    if kind != overlay and gen.has("meters", .3):
        case.meters.append("meter=1,kbps,stats,band=type=drop,rate=4000000")
        gen.realistic_extra += "meter:1,"
    if kind != overlay and gen.has("sample", .3):
        gen.realistic_extra += gen.sample() + ","
    case.flows += kind(gen, hosts)
    if rnd.random() < .5:
        case.flows.append("table=1,priority=0,actions=drop")
    packets = []
    while len(packets) < n_packets:
        a, b = rnd.sample(hosts + gen.realistic_extra_hosts, 2)
        if a.port is None:
            continue
        packet = conversation(rnd, a, b)
        if a.gateway and packet.l3 != ARP:
            packet.eth_dst = GATEWAY_MAC
            if a.labels and rnd.random() < .8:
                packet.defects["below_mpls"] = packet.l3
                packet.mpls = [[a.labels[packet.l3], 0, 64]]
                packet.l3 = MPLS
        remark = spoil(packet, rnd) if rnd.random() < .05 else ""
        if a.tunnel:
            version = tunnels.PORTS[a.tunnel][1]
            values = {"tun_id": gen.tunnel_ids[0], "metadata": None,
                      "remote": tunnels.REMOTE[version][0]}
            packet = tunnels.wrap(gen, a.tunnel, values, packet)
            remark = ", ".join(filter(None, (a.tunnel, remark)))
        for _ in range(rnd.choice((1, 1, 2))):
            packets.append((a.port, packet.copy(), remark))
    return packets
