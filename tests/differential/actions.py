# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Random actions of a rule, and groups and meters."""

import tunnels
from packets import ARP, FIELDS, IPV4, IPV6, MPLS, SCTP, TCP, UDP


def output(gen, match):
    del match
    if gen.rnd.random() < .05:
        return "IN_PORT"
    if gen.tunnels and gen.rnd.random() < .3:
        return tunnels.output(gen, gen.rnd.choice(gen.tunnels))
    return "output:%d" % gen.rnd.choice(gen.port_numbers())


def set_field(gen, field, value, match):
    """Sets 'field', under a mask at times."""
    import generate
    bits = FIELDS[field]
    name = {"tp_src": {TCP: "tcp_src", UDP: "udp_src", SCTP: "sctp_src"},
            "tp_dst": {TCP: "tcp_dst", UDP: "udp_dst", SCTP: "sctp_dst"},
            }.get(field, {}).get(match.proto, field)
    name = {"ttl": "nw_ttl", "ipv6_label": "ipv6_label"}.get(name, name)
    if bits == 48:
        text = generate.mac_text
    elif bits == 32:
        text = generate.ip_text
    elif bits == 128:
        text = generate.ip6_text
    else:
        text = str
    if gen.has("masked-set", .35) and field not in ("ttl",):
        mask = gen.mask(field)
        return "set_field:%s/%s->%s" % (text(value & mask), text(mask), name)
    return "set_field:%s->%s" % (text(value), name)


def rewrites(gen, match):
    """Which fields may be rewritten, given the match.  What no NIC can do is
    rare, for it tests nothing."""
    rnd = gen.rnd
    fields = ["eth_src", "eth_dst"]
    if match.eth_type == IPV4:
        fields += ["ip_src", "ip_dst", "ttl", "dscp", "ecn", "dec_ttl"]
    elif match.eth_type == IPV6:
        fields += ["ipv6_src", "ipv6_dst", "ttl", "dscp", "ecn", "dec_ttl"]
        if gen.has("masked-set", .15):
            fields += ["ipv6_label"]
    elif match.eth_type == ARP and gen.has("masked-set", .3):
        fields += ["arp_spa", "arp_tha", "arp_op"]
    if match.proto in (TCP, UDP) and match.kind != "ip" \
            and match.frag != "later":
        fields += ["tp_src", "tp_dst"]
    if match.proto == SCTP and gen.has("masked-set", .3) \
            and match.frag != "later":
        fields += ["tp_src", "tp_dst"]
    if match.kind == "nd" and gen.has("masked-set", .2):
        fields += ["nd_target"]
    if match.kind == "mpls" and rnd.random() < .5:
        fields += ["mpls_label", "mpls_tc", "dec_mpls_ttl"]
    return fields


def rewrite(gen, match):
    rnd = gen.rnd
    field = rnd.choice(rewrites(gen, match))
    if field == "dec_ttl":
        return "dec_ttl"
    if field == "dec_mpls_ttl":
        return "dec_mpls_ttl"
    if field == "dscp":
        return "mod_nw_tos:%d" % (rnd.randrange(64) << 2)
    if field == "ecn":
        if not gen.has("masked-set"):
            return "mod_nw_tos:%d" % (rnd.randrange(64) << 2)
        return "set_field:%d->nw_ecn" % rnd.randrange(4)
    if field.startswith("mpls_"):
        return "set_field:%d->%s" % (rnd.randrange(8), field)
    if field == "arp_op":
        return "set_field:%d->arp_op" % rnd.choice((1, 2))
    if field in ("eth_src", "eth_dst"):
        return set_field(gen, field, gen.rnd.getrandbits(48) & ~(1 << 40),
                         match)
    return set_field(gen, field, rnd.getrandbits(FIELDS[field]), match)


def vlan(gen, tagged):
    """Returns an action on tags, and whether there is one then."""
    rnd = gen.rnd
    if tagged and rnd.random() < .5:
        return "pop_vlan", False
    if tagged and rnd.random() < .6:
        if rnd.random() < .5:
            return "mod_vlan_vid:%d" % rnd.randrange(4096), True
        return "mod_vlan_pcp:%d" % rnd.randrange(8), True
    if tagged and not (gen.pushes and gen.has("vlan2")):
        return "mod_vlan_vid:%d" % rnd.randrange(4096), True
    tpid = "0x88a8" if rnd.random() < .2 else "0x8100"
    text = "push_vlan:%s,set_field:%d->vlan_vid" % (
        tpid, 0x1000 | rnd.randrange(4096))
    if rnd.random() < .4:
        text += ",set_field:%d->vlan_pcp" % rnd.randrange(8)
    return text, True


def push_mpls(gen, match):
    """Actions that push a label or two, with outputs and tags behind."""
    rnd = gen.rnd
    acts = []
    for _ in range(rnd.choice((1, 1, 1, 2))):
        acts.append("push_mpls:" + rnd.choice(("0x8847", "0x8847", "0x8848")))
        if rnd.random() < .8:
            acts.append("set_field:%d->mpls_label" % rnd.randrange(1 << 20))
        if rnd.random() < .3:
            acts.append("set_mpls_ttl(%d)" % rnd.choice((1, 9, 255)))
        if rnd.random() < .4:
            acts.append(output(gen, match))
    if gen.pushes and not match.has_tag() and rnd.random() < .3:
        acts.append(vlan(gen, False)[0])
    if rnd.random() < .3:
        acts.append(set_field(gen, rnd.choice(("eth_src", "eth_dst")),
                              rnd.getrandbits(48) & ~(1 << 40), match))
    acts.append(output(gen, match))
    if rnd.random() < .2:
        acts += ["dec_mpls_ttl", output(gen, match)]
    if rnd.random() < .15:
        acts += ["pop_mpls:%#06x" % (match.eth_type or IPV4),
                 output(gen, match)]
    return acts


def mpls(gen, match, table):
    """Actions that change MPLS labels, and end with an output.  What is below
    a label is looked at after a recirculation."""
    rnd = gen.rnd
    if match.kind != "mpls" or rnd.random() < .2:
        return push_mpls(gen, match)
    below = FakeMatch()
    below.eth_type = rnd.choice((IPV4, IPV4, IPV6, MPLS))
    acts = ["pop_mpls:%#06x" % below.eth_type]
    if below.eth_type != MPLS and rnd.random() < .5:
        acts.append(rewrite(gen, below))
    if table + 1 < gen.n_tables and rnd.random() < .6:
        acts.append("resubmit(,%d)" % rnd.randint(table + 1,
                                                  gen.n_tables - 1))
    else:
        acts.append(output(gen, match))
    return acts


def changes(gen, match):
    """Rewrites and tags: a list of actions."""
    rnd = gen.rnd
    acts = []
    if gen.has("set", .45):
        acts += [rewrite(gen, match) for _ in range(rnd.choice((1, 1, 2, 3)))]
    if gen.has("vlan", .25):
        # Whether there is a tag has to be known for OpenFlow to allow it.
        tagged = match.has_tag()
        if tagged or gen.pushes:
            act, tagged = vlan(gen, tagged)
            acts.append(act)
    return acts


def bucket_changes(gen):
    """What any packet allows."""
    generic = FakeMatch()
    if gen.has("set", .4):
        return [rewrite(gen, generic)]
    return []


class FakeMatch:
    """A match of nothing."""
    kind = eth_type = proto = frag = None
    fields = {}

    @staticmethod
    def has_tag():
        return False


def make_groups(gen):
    rnd = gen.rnd
    if gen.has("meters", .3):
        for meter in range(1, rnd.randint(2, 3)):
            unit = rnd.choice(("kbps", "pktps"))
            gen.case.meters.append(
                "meter=%d,%s,stats,band=type=drop,rate=%d"
                % (meter, unit, rnd.choice((1000000, 4000000))))
            gen.meter_ids.append(meter)
    if gen.has("groups", .3):
        for group in range(1, rnd.randint(2, 4)):
            kind = rnd.choices(("all", "indirect", "select"),
                               (12, 6, 1))[0]
            if kind == "select" and not gen.has("recirc"):
                kind = "all"
            n = 1 if kind == "indirect" else rnd.randint(1, 3)
            buckets = "".join(
                ",bucket=" + ",".join(
                    ["weight:%d" % rnd.randint(1, 3)] * (kind == "select")
                    + ["actions=" + ",".join(bucket_changes(gen)
                                             + [output(gen, None)])])
                for _ in range(n))
            gen.case.groups.append("group_id=%d,type=%s%s" % (group, kind,
                                                              buckets))
            gen.group_ids.append(group)


def make(gen, match, table):
    """The actions of a rule of 'table' that matches 'match', as text."""
    rnd = gen.rnd
    acts = []
    if rnd.random() < .1:
        return "drop"
    if gen.meter_ids and rnd.random() < .4:
        acts.append("meter:%d" % rnd.choice(gen.meter_ids))
    if gen.has("sample", .05):
        acts.append(gen.sample())
    acts += changes(gen, match)
    if gen.group_ids and rnd.random() < .35:
        acts.append("group:%d" % rnd.choice(gen.group_ids))
        return ",".join(acts)
    if match.kind == "mpls" and gen.has("recirc", .5) or (
            match.eth_type and match.kind != "mpls" and gen.has("mpls", .08)):
        return ",".join(acts + mpls(gen, match, table))
    if table + 1 < gen.n_tables and rnd.random() < .4:
        if rnd.random() < .4:
            acts.append("set_field:%d->reg0" % rnd.randrange(3))
        acts.append("resubmit(,%d)" % rnd.randint(table + 1,
                                                  gen.n_tables - 1))
        if gen.has("outputs", .2):
            acts.append(output(gen, match))
        return ",".join(acts)
    if gen.case.sequential and rnd.random() < .4:
        acts.append("NORMAL")
        return ",".join(acts)
    acts.append(output(gen, match))
    while gen.has("outputs", .25):
        if rnd.random() < .5 and gen.has("set"):
            acts.append(rewrite(gen, match))
        acts.append(output(gen, match))
    return ",".join(acts)
