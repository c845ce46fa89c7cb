# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Random OpenFlow pipelines, valid ones, and packets around their edges.

A pipeline's rules match few values that differ in few bits, under masks of any
bits, so that rules overlap and packets that miss one by a bit hit another.
"""

import actions
import bonds
import realistic
import tunnels
from case import Case, INJECT, PATCH, PORTS, TUNNELS
from packets import (ARP, FIELDS, GRE, ICMP, ICMP6, IGMP, IPV4, IPV6, MARK,
                     MPLS, MPLS_MC, Packet, QINQ, RARP, SCTP, TCP, UDP, VLAN,
                     has_addresses, spoil)

# What a pipeline may have, beside matches and single outputs.
FEATURES = ("set", "vlan", "vlan2", "tables", "outputs", "masked-set", "arp",
            "mpls", "groups", "meters", "normal", "recirc", "tunnels",
            "changes", "sample", "realistic")

KINDS = (
    # (weight, name, EtherType, protocol, feature)
    (3, "tcp", IPV4, TCP, None), (3, "udp", IPV4, UDP, None),
    (1, "sctp", IPV4, SCTP, None), (2, "icmp", IPV4, ICMP, None),
    (2, "ip", IPV4, None, None), (1, "ip", IPV4, GRE, None),
    (3, "tcp6", IPV6, TCP, None), (3, "udp6", IPV6, UDP, None),
    (1, "sctp6", IPV6, SCTP, None), (2, "icmp6", IPV6, ICMP6, None),
    (2, "ipv6", IPV6, None, None), (1, "nd", IPV6, ICMP6, "arp"),
    (2, "arp", ARP, None, "arp"), (.2, "rarp", RARP, None, "arp"),
    (2, "mpls", MPLS, None, "mpls"), (1, "other", 0x88b7, None, None),
    (2, None, None, None, None),
)

# How many of the pipelines are such as are in use.
REALISTIC = .3

# What any port takes.
MAX_FRAME = 1500

# The fields that a rule of each kind may match beside Ethernet's.
IP_FIELDS = ("ip_src", "ip_dst", "tos", "ttl", "frag")
IP6_FIELDS = ("ipv6_src", "ipv6_dst", "tos", "ttl", "frag", "ipv6_label")
KIND_FIELDS = {
    "tcp": IP_FIELDS + ("tp_src", "tp_dst", "tcp_flags"),
    "udp": IP_FIELDS + ("tp_src", "tp_dst"),
    "sctp": IP_FIELDS + ("tp_src", "tp_dst"),
    "icmp": IP_FIELDS + ("icmp_type", "icmp_code"),
    "ip": IP_FIELDS + ("proto",),
    "tcp6": IP6_FIELDS + ("tp_src", "tp_dst", "tcp_flags"),
    "udp6": IP6_FIELDS + ("tp_src", "tp_dst"),
    "sctp6": IP6_FIELDS + ("tp_src", "tp_dst"),
    "icmp6": IP6_FIELDS + ("icmp_type", "icmp_code"),
    "ipv6": IP6_FIELDS + ("proto",),
    "nd": ("ipv6_src", "ipv6_dst", "nd_target", "nd_sll", "nd_tll"),
    "arp": ("arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"),
    "rarp": ("arp_op", "arp_spa"),
    "mpls": ("mpls_label", "mpls_tc", "mpls_ttl"),
    "other": (), None: (),
}

# Fields that OpenFlow matches as a whole only.
WHOLE = ("tos", "ttl", "proto", "icmp_type", "icmp_code", "arp_op",
         "mpls_label", "mpls_tc", "mpls_ttl", "frag")


class Match:
    """What a rule matches: {field: (value, mask)}."""

    def __init__(self, gen, kind, eth_type, proto):
        self.gen = gen
        self.kind, self.eth_type, self.proto = kind, eth_type, proto
        self.in_port = None
        self.fields = {}
        self.frag = None
        self.metadata = None
        self.tunnel = None      # What its packets have, if from a tunnel.

    def has_tag(self):
        value, mask = self.fields.get("vlan_tci", (0, 0))
        return bool(value & mask & 0x1000)

    def put_into(self, packet):
        """Makes 'packet', of the match's kind, match."""
        for field, (value, mask) in self.fields.items():
            old = packet.get(field)
            packet.set(field, old & ~mask | value)
        if self.frag:
            packet.frag = {"no": 0, "first": 0x2000, "later": 7,
                           "yes": 0x2001, "not_later": 0x2000}[self.frag]
        if self.proto is not None:
            packet.proto = self.proto

    def to_text(self):
        words = []
        if self.tunnel:
            words += self.tunnel[0]
        if self.in_port:
            words.append("in_port=%d" % self.gen.port_number(self.in_port))
        if self.metadata is not None:
            words.append(self.metadata)
        if self.kind == "nd":
            kind = self.fields.get("icmp_type", (135, 0))[0]
            words += ["icmp6", "icmpv6_type=%d" % kind, "icmpv6_code=0"]
        elif self.kind == "ip" and self.proto is not None:
            words += ["ip", "nw_proto=%d" % self.proto]
        elif self.kind == "mpls":
            words.append("mpls" if self.eth_type == MPLS else "mplsm")
        elif self.kind == "other":
            words.append("dl_type=%#x" % self.eth_type)
        elif self.kind:
            words.append(self.kind)
        for field, (value, mask) in sorted(self.fields.items()):
            if self.kind == "nd" and field in ("icmp_type", "icmp_code"):
                continue
            words.append(field_text(field, value, mask, self.eth_type))
        if self.frag:
            words.append("ip_frag=" + self.frag)
        return ",".join(words)


def mac_text(value):
    return ":".join("%02x" % byte for byte in value.to_bytes(6, "big"))


def ip_text(value):
    return ".".join(str(byte) for byte in value.to_bytes(4, "big"))


def ip6_text(value):
    groups = ["%x" % (value >> shift & 0xffff)
              for shift in range(112, -16, -16)]
    text = ":".join(groups)
    if groups[0] == "0":
        # ovs-ofctl takes a mask that begins with a digit for a prefix length.
        n = next((i for i, group in enumerate(groups) if group != "0"), 8)
        text = "::" + ":".join(groups[n:])
    return text


FIELD_NAMES = {
    "eth_dst": "dl_dst", "eth_src": "dl_src", "ip_src": "nw_src",
    "ip_dst": "nw_dst", "ttl": "nw_ttl", "proto": "nw_proto",
}


def field_text(field, value, mask, eth_type):
    name = FIELD_NAMES.get(field, field)
    if field == "tos":
        return "nw_tos=%d,nw_ecn=%d" % (value & 0xfc, value & 3)
    if field in ("icmp_type", "icmp_code") and eth_type == IPV6:
        name = "icmpv6" + field[4:]
    if FIELDS[field] == 48:
        text = mac_text
    elif FIELDS[field] == 32:
        text = ip_text
    elif FIELDS[field] == 128:
        text = ip6_text
    elif field in ("vlan_tci", "tcp_flags", "ipv6_label", "tp_src", "tp_dst"):
        text = hex
    else:
        text = str
    if mask == (1 << FIELDS[field]) - 1:
        return "%s=%s" % (name, text(value))
    return "%s=%s/%s" % (name, text(value), text(mask))


class Generator:
    """Makes one case, from one random.Random."""

    def __init__(self, rnd, features, topology):
        self.rnd = rnd
        self.features = features
        self.case = Case(topology)
        self.values = {}
        self.kinds = [kind for kind in KINDS
                      if kind[4] is None or kind[4] in features]
        # A pipeline is about a few kinds of packets.
        chosen = rnd.sample(range(len(self.kinds)),
                            min(len(self.kinds), rnd.randint(2, 6)))
        self.kinds = [self.kinds[i] for i in chosen]
        self.n_tables = rnd.choice((1, 1, 2, 3)) if "tables" in features else 1
        self.rules = []         # (table, Match, text up to the actions).
        self.group_ids = []
        self.meter_ids = []
        self.tunnels = []       # Names of ports.
        # Either tags are pushed or packets have two.  Open vSwitch's megaflows
        # for packets with one tag leave open whether there is a second, which
        # a push depends on, and NORMAL behind a pop.
        self.pushes = rnd.random() < .6

    def port_number(self, name):
        """Of a port on br0, or that leads there."""
        if name == "p0" and self.case.topology == "bridged":
            return PATCH
        return PORTS.get(name) or TUNNELS[name]

    def port_numbers(self):
        return [self.port_number(name) for name in PORTS]

    def has(self, feature, chance=1.0):
        return feature in self.features and self.rnd.random() < chance

    def sample(self):
        """An action that has no effect on packets."""
        return "sample(probability=%d,collector_set_id=1)" % (
            65535 // self.rnd.choice((1, 1, 3, 5)))

    # Values that are near one another.

    def value(self, field):
        rnd = self.rnd
        if field not in self.values:
            base = self.base_value(field)
            values = [base]
            for _ in range(3):
                values.append(base ^ 1 << rnd.randrange(FIELDS[field]))
            if field in ("eth_dst", "eth_src"):
                values = [value & ~(1 << 40) for value in values]
                if field == "eth_dst" and rnd.random() < .2:
                    values.append((1 << 48) - 1)
            self.values[field] = values
        return rnd.choice(self.values[field])

    def base_value(self, field):
        rnd = self.rnd
        special = {
            "tos": (0, 0, 4, 0x2e << 2, 3, 1, 0xff), "ttl": (64, 64, 255, 255, 33, 2, 1),
            "proto": (TCP, UDP, ICMP, 132, 50, 253, ICMP6, IGMP),
            "icmp_type": (8, 0, 128, 129, 3), "icmp_code": (0, 1),
            "arp_op": (1, 2), "tcp_flags": (2, 0x12, 0x10, 0x11, 4, 0x100),
            "vlan_tci": (0x1000 | rnd.randrange(4096),
                         0x1000 | rnd.randrange(4096) | rnd.randrange(8) << 13)
        }
        if field in special:
            return rnd.choice(special[field])
        return rnd.getrandbits(FIELDS[field])

    def mask(self, field):
        mask = self.any_mask(field)
        if FIELDS[field] == 128 and mask >> 112 \
                and ("%x" % (mask >> 112))[0].isdigit():
            mask |= 0xa << 124  # See ip6_text().
        return mask

    def any_mask(self, field):
        rnd = self.rnd
        bits = FIELDS[field]
        whole = (1 << bits) - 1
        way = rnd.random()
        if field in WHOLE or way < .5:
            return whole
        if way < .7:
            return whole ^ whole >> rnd.randint(1, bits)
        if way < .8:
            return whole ^ 1 << rnd.randrange(bits)
        if way < .9:
            return 1 << rnd.randrange(bits)
        return rnd.getrandbits(bits) or whole

    # Rules.

    def make_match(self, table):
        rnd = self.rnd
        _, kind, eth_type, proto, _ = rnd.choices(
            self.kinds, [k[0] for k in self.kinds])[0]
        match = Match(self, kind, eth_type, proto)
        if kind == "other":
            match.eth_type = rnd.choice((0x88b7, 0x88b7, 0x9000, 0x8902))
        if not table and self.tunnels and rnd.random() < .4:
            match.in_port = rnd.choice(self.tunnels)
            match.tunnel = tunnels.match_words(self, match.in_port)
        elif not table and rnd.random() < .75:
            match.in_port = rnd.choice(INJECT)
        if table and rnd.random() < .2:
            match.metadata = "reg0=%d" % rnd.randrange(3)
        fields = [f for f in ("eth_src", "eth_dst") if rnd.random() < .25]
        if self.has("vlan", .3):
            fields.append("vlan_tci")
        own = KIND_FIELDS[kind]
        fields += rnd.sample(own, min(len(own), rnd.choice((0, 1, 1, 2, 3))))
        for field in fields:
            if field == "frag":
                match.frag = rnd.choice(("no", "first", "later", "yes",
                                         "not_later"))
                continue
            if field == "proto" and match.proto is not None:
                continue
            mask = self.mask(field)
            match.fields[field] = (self.value(field) & mask, mask)
        self.mend_match(match)
        return match

    def mend_match(self, match):
        """Gives 'match' what its fields require."""
        rnd = self.rnd
        if "vlan_tci" in match.fields:
            value, mask = match.fields["vlan_tci"]
            if rnd.random() < .15:
                value, mask = 0, 0x1fff     # No tag.
            elif rnd.random() < .2:
                value, mask = 0x1000, 0x1000
            else:
                value, mask = value | 0x1000, mask | 0x1000
            match.fields["vlan_tci"] = (value & mask, mask)
        if match.kind == "nd":
            kind = rnd.choice((135, 136))
            match.fields["icmp_type"] = (kind, 0xff)
            match.fields["icmp_code"] = (0, 0xff)
            match.fields.pop("nd_tll" if kind == 135 else "nd_sll", None)
        if match.frag == "later":
            for field in ("tp_src", "tp_dst", "tcp_flags", "icmp_type",
                          "icmp_code"):
                match.fields.pop(field, None)

    def make_rule(self, table):
        rnd = self.rnd
        match = self.make_match(table)
        text = match.to_text()
        text = "table=%d,priority=%d,%sactions=" % (
            table, rnd.randint(1, 9), text + "," if text else "")
        self.rules.append((table, match, text))
        return text + actions.make(self, match, table)

    def make_changes(self):
        """Gives some rules other actions."""
        for table, match, text in self.rnd.sample(self.rules,
                                                  min(len(self.rules), 3)):
            self.case.changes.append(text + actions.make(self, match, table))

    def make(self, n_packets):
        """Makes the whole case."""
        rnd = self.rnd
        case = self.case
        if case.topology != "bonded" and self.has("realistic", REALISTIC):
            case.realistic = self.pushes = True
            self.put(realistic.make(self, n_packets), n_packets)
            return case
        if case.topology == "bonded":
            bonds.choose(self)
        if self.has("tunnels", .5):
            self.tunnels = tunnels.choose(self)
        elif case.topology == "bridged":
            tunnels.flows(self)
        actions.make_groups(self)
        for table in range(self.n_tables):
            for _ in range(rnd.randint(4, 12) if not table
                           else rnd.randint(2, 6)):
                case.flows.append(self.make_rule(table))
            if table or rnd.random() < .5:
                case.flows.append("table=%d,priority=0,actions=%s" % (
                    table, rnd.choice(("drop", "output:%d" % rnd.choice(
                        self.port_numbers())))))
        if case.topology == "bonded":
            case.flows.append(bonds.last_flow())
        # Revalidators learn addresses anew, from megaflows in any order, of
        # which several ports may have the same.
        if not case.sequential and self.has("changes", .2):
            self.make_changes()
        self.put(self.make_packets(n_packets), n_packets)
        return case

    # Packets.

    def make_packet(self, kind):
        """A packet of a kind with the pipeline's values."""
        rnd = self.rnd
        _, name, eth_type, proto, _ = kind
        if name is None:
            eth_type = rnd.choice((IPV4, IPV4, IPV6, IPV6, ARP, ARP, 0x88b7,
                                   0x88b7, VLAN, VLAN, IPV4,
                                   IPV6, 46))
        packet = Packet(eth_type, proto or 0)
        if proto is None and eth_type in (IPV4, IPV6):
            packet.proto = rnd.choice((TCP, UDP, SCTP, 253,
                                       ICMP if eth_type == IPV4 else ICMP6,
                                       rnd.randrange(256)))
        if eth_type == VLAN:
            packet.l3 = IPV4
            packet.tags = [(rnd.choice((VLAN, QINQ)), rnd.randrange(4096)),
                           (VLAN, rnd.randrange(4096))]
        for field in FIELDS:
            if field in ("vlan_tci", "proto", "tun_id", "nd_sll", "nd_tll"):
                continue
            if field in ("ttl", "tos", "ipv6_label") and rnd.random() < .6:
                continue
            packet.set(field, self.value(field))
        if "vlan" in self.features and rnd.random() < .25 \
                and not packet.tags:
            packet.vlan_tci = self.value("vlan_tci") | 0x1000
        if name == "mpls":
            packet.mpls = [[self.value("mpls_label"), self.value("mpls_tc"),
                            self.value("mpls_ttl")]]
            if rnd.random() < .06:
                packet.mpls.append([7, 0, 64])
            packet.defects["below_mpls"] = rnd.choice((IPV4, IPV4, IPV6))
            packet.proto = rnd.choice((TCP, UDP))
        if name == "nd":
            packet.icmp_type = rnd.choice((135, 136))
            packet.icmp_code = 0
            if packet.icmp_type == 135:
                packet.nd_sll = self.value("nd_sll")
            else:
                packet.nd_tll = self.value("nd_tll")
            packet.ttl = 255
        return packet

    def kind_of(self, match):
        for kind in self.kinds:
            if kind[1] == match.kind and (match.kind != "ip"
                                          or kind[3] == match.proto):
                return kind
        return self.rnd.choice(self.kinds)

    def flip(self, packet, match):
        """Makes 'packet' miss 'match' by a bit, if that has fields."""
        fields = [f for f in match.fields if f != "vlan_tci"]
        if fields:
            field = self.rnd.choice(fields)
            value, mask = match.fields[field]
            bits = [i for i in range(FIELDS[field]) if mask >> i & 1]
            if bits:
                bit = 1 << self.rnd.choice(bits)
                packet.set(field, packet.get(field) ^ bit)

    def make_packets(self, n_packets):
        rnd = self.rnd
        packets = []            # (port, Packet, remark).
        first = [match for table, match, _ in self.rules if not table]
        later = [match for table, match, _ in self.rules if table]
        match = None
        while len(packets) < n_packets:
            if match and rnd.random() < .3:
                # Like the last one but for one thing.
                packets.append(self.sibling(match, bare, port))
                continue
            match = rnd.choice(first)
            packet = self.make_packet(self.kind_of(match))
            # A rule of a later table, too, may want it.
            if later and rnd.random() < .6:
                other = rnd.choice(later)
                if other.kind in (match.kind, None):
                    other.put_into(packet)
                elif match.kind == "mpls" and other.eth_type in (IPV4, IPV6):
                    packet.defects["below_mpls"] = other.eth_type
                    other.put_into(packet)
                elif match.kind is None:
                    packet = self.make_packet(self.kind_of(other))
                    other.put_into(packet)
            match.put_into(packet)
            if match.kind == "other":
                packet.l3 = match.eth_type
            elif match.kind == "mpls" and rnd.random() < .2:
                packet.l3 = MPLS_MC
            port = match.in_port or rnd.choice(INJECT)
            if match.tunnel:
                port = "p0"
            elif rnd.random() < .04:
                port = rnd.choice(INJECT)
            bare = packet.copy()
            remark = ""
            way = rnd.random()
            if way < .25:
                self.flip(packet, match)
                remark = "one bit off"
            elif way < .5:
                remark = spoil(packet, rnd)
                if rnd.random() < .2:
                    remark += ", " + spoil(packet, rnd)
            if match.tunnel:
                packet = tunnels.wrap(self, match.in_port, match.tunnel[1],
                                      packet)
                remark = ", ".join(filter(None, (match.in_port, remark)))
            for _ in range(rnd.choice((1, 1, 1, 2, 3))):
                packets.append((port, packet.copy(), remark))
        return packets

    def sibling(self, match, packet, port):
        """'packet', of 'match', with one bit or header changed."""
        packet = packet.copy()
        way = self.rnd.random()
        if way < .3:
            self.flip(packet, match)
            remark = "sibling, one bit off"
        elif way < .6 and packet.frag:
            packet.frag = self.rnd.choice((0, 1, 0x2000, 0x2000, 0x2001,
                                           0x2064))
            remark = "sibling, another fragment"
        elif way < .6 and packet.l3 == ARP:
            # Open vSwitch has 0 for operations above 255.
            packet.arp_op ^= self.rnd.choice((0x100, 0xff00))
            remark = "sibling, another operation"
        else:
            remark = "sibling, " + spoil(packet, self.rnd)
        if match.tunnel:
            packet = tunnels.wrap(self, match.in_port, match.tunnel[1],
                                  packet)
        return port, packet, remark

    def put(self, packets, n_packets):
        """Puts 'n_packets' of 'packets' into the case, without what Open
        vSwitch does not treat alike each time."""
        rnd = self.rnd
        del packets[n_packets:]
        for packet in [y for _, x, _ in packets for y in (x, x.inner) if y]:
            if self.pushes or self.case.sequential:
                del packet.tags[1:]
            if self.case.topology == "mirrored":
                # Open vSwitch's megaflows for VLAN 0 do not say that they
                # depend on the priority, as mirrors make them do.
                packet.tags = [(tpid, tci | (not tci & 0xfff))
                               for tpid, tci in packet.tags]
        rnd.shuffle(packets)
        # Without addresses a packet's dp_hash is 0, which Open vSwitch takes
        # for none: it recirculates until it is dropped, by a megaflow that
        # takes packets of other hashes, too.
        selects = any("type=select" in group for group in self.case.groups)
        # Few bursts, each from one port.
        rounds = rnd.choice((1, 1, 2))
        size = (len(packets) + rounds - 1) // rounds
        for i in range(rounds):
            some = packets[i * size:(i + 1) * size]
            some.sort(key=lambda x: INJECT.index(x[0]))
            for port, packet, remark in some:
                number = len(self.case.packets)
                inner = packet.inner or packet
                inner.payload = (number.to_bytes(2, "big")
                                 + (inner.payload or MARK))
                frame = packet.build()
                if selects and not (has_addresses(frame)
                                    and has_addresses(inner.build())):
                    continue
                if len(frame) <= MAX_FRAME:
                    self.case.packets.append((port, frame, remark))
