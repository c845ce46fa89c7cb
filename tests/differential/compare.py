# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""The differences between what two worlds made of one case.

What comes out of a port is compared byte for byte, without regard to order
between flows: software and NIC work side by side.  Within a flow, which is
frames that differ in their payload only, the order counts.
"""

import re
import socket
from collections import Counter

from packets import MARK


TUNNEL_PORTS = ((4789).to_bytes(2, "big"), (6081).to_bytes(2, "big"))


def flow_of(frame):
    """What frames of one TCP or UDP flow, of one length, have in common, or
    None for other frames."""
    ofs = 12
    while frame[ofs:ofs + 2] in (b"\x81\x00", b"\x88\xa8"):
        ofs += 4
    l3, kind = ofs + 2, frame[ofs:ofs + 2]
    if kind == b"\x08\x00" and frame[l3:l3 + 1] == b"\x45":
        proto, l4 = frame[l3 + 9:l3 + 10], l3 + 20
    elif kind == b"\x86\xdd":
        proto, l4 = frame[l3 + 6:l3 + 7], l3 + 40
    else:
        return None
    if proto == b"\x06":
        return len(frame), frame[:l4 + 16]
    if proto == b"\x11" and frame[l4 + 2:l4 + 4] not in TUNNEL_PORTS:
        return len(frame), frame[:l4 + 6]
    return None


# Where software knows of no hash.  It does not calculate one for packets of
# megaflows that it finds by port, EtherType and tag alone.
NO_HASH_PORT = (32768).to_bytes(2, "big")


def without_hash(frame):
    """A frame of VXLAN or Geneve as it would be if its source port said
    nothing, or None for others."""
    kind = frame[12:14]
    l4 = 34 if kind == b"\x08\x00" else 54 if kind == b"\x86\xdd" else None
    if l4 is None or frame[l4 + 2:l4 + 4] not in TUNNEL_PORTS:
        return None
    checksum = frame[l4 + 6:l4 + 8]
    return (frame[:l4] + frame[l4 + 2:l4 + 6]
            + (b"0" if checksum == b"\0\0" else b"1") + frame[l4 + 8:])


def forget_hashes(only_a, only_b):
    """Takes frames away that differ because software, 'only_a', had no
    hash."""
    others = {without_hash(frame): frame for frame in only_b}
    for frame in list(only_a):
        bare = without_hash(frame)
        l4 = 34 if frame[12:14] == b"\x08\x00" else 54
        if (bare and frame[l4:l4 + 2] == NO_HASH_PORT and bare in others
                and only_a[frame] == only_b[others[bare]]):
            del only_a[frame], only_b[others[bare]]


def compare_outputs(left, right, number, flows, differences):
    for port in left:
        a, b = left[port], right[port]
        if a == b:
            continue
        only_a = Counter(a) - Counter(b)
        only_b = Counter(b) - Counter(a)
        equal = not only_a and not only_b
        forget_hashes(only_a, only_b)
        for who, only in (("only without offload", only_a),
                          ("only with offload", only_b)):
            for frame, n in sorted(only.items()):
                differences.append("round %d, out of %s, %s: %s%s" % (
                    number, port, who, frame.hex(),
                    " (%d times)" % n if n > 1 else ""))
        # While rules are made, packets of a flow may overtake others.
        if equal and number % 2 == 0:
            compare_order(a, b, port, flows, differences)


def mark_of(frame):
    """The generator's number of a packet, if that is there."""
    i = frame.rfind(MARK)
    return frame[i - 2:i] if i > 1 else None


def flows_of(case):
    """{mark: flow} of the packets of 'case' that are TCP or UDP."""
    flows = {}
    for port, frame, _ in case.packets:
        flow, mark = flow_of(frame), mark_of(frame)
        if flow and mark:
            flows[mark] = (port, flow)
    return flows


def compare_order(a, b, port, flows, differences):
    """'a' and 'b' have the same frames, of the 'flows' from flows_of()."""
    orders = {}
    for side, frames in enumerate((a, b)):
        for mark in map(mark_of, frames):
            if mark in flows:
                order = orders.setdefault(flows[mark], ([], []))[side]
                # One that comes out twice may do so at once, or batch after
                # batch.
                if mark not in order:
                    order.append(mark)
    for flow, (one, other) in orders.items():
        if one != other:
            differences.append("round 2, out of %s, another order within the"
                               " flow of %s from %s" % (port, flow[1][1].hex(),
                                                        flow[0]))


def compare_counters(what, left, right, differences):
    for key in sorted(set(left) | set(right)):
        a, b = left.get(key), right.get(key)
        if a != b:
            differences.append("%s %s: %s without offload, %s with" % (
                what, key,
                *("absent" if x is None else "%d packets, %d bytes" % x
                  for x in (a, b))))


def sum_megaflows(flows):
    """{text: (packets, bytes)}."""
    sums = {}
    for flow in flows:
        packets, n_bytes = sums.get(flow.text, (0, 0))
        sums[flow.text] = packets + flow.packets, n_bytes + flow.bytes
    return sums


def number_of(text):
    """The number that a value is, or the text if it is none."""
    try:
        if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", text):
            return int(text.replace(":", ""), 16)
        if ":" in text:
            return int.from_bytes(socket.inet_pton(socket.AF_INET6, text),
                                  "big")
        if re.fullmatch(r"(\d+\.){3}\d+", text):
            return int.from_bytes(socket.inet_aton(text), "big")
        return int(text, 0)
    except (ValueError, OSError):
        return text


def geneve_option(match):
    """An option by class and type, if anything of it is matched."""
    words = match.group(1).split(",")
    if words[-1].endswith("/0"):
        return ""
    words = [word.partition("/")[0] for word in words[:2]] + words[-1:]
    return "option(%s=%s)" % ("".join(words[:-1]).replace("=", ""), words[-1])


def fields_of(text):
    """A megaflow's match as {name: (value, mask)}."""
    fields = {}
    names = []
    text = re.sub(r"\{(.*?)\}", geneve_option,
                  text.partition(" actions:")[0])
    tags = 0
    for token in re.findall(r"[^(),]*\(|\)|[^(),]+", text):
        if token == ")":
            names = names[:-1]
            continue
        if token.endswith("("):
            # What is behind tags has names like what is behind none.
            name = token[:-1]
            tags += name == "vlan"
            names.append({"encap": "", "vlan": "vlan%d" % tags}.get(name,
                                                                    name))
            continue
        name, _, value = token.rpartition("=")
        value, slash, mask = value.partition("/")
        value = number_of(value)
        mask = number_of(mask) if slash else -1
        if isinstance(value, str) or isinstance(mask, str):
            value, mask = token, None
        name = "/".join(filter(None, names + [name]))
        if name == "eth_type":
            fields.pop(name, None)
        while name in fields:   # Another MPLS label.
            name += "'"
        fields[name] = (value, mask)
    # Whether there is a second tag may be left open.
    fields["tagged"] = (tags > 0, -1)
    return fields


def overlap(a, b):
    """Whether a packet may match both."""
    for name, (value, mask) in a.items():
        other = b.get(name)
        if other is None:
            continue
        if mask is None or other[1] is None:
            if value != other[0]:
                return False
        elif (value ^ other[0]) & mask & other[1]:
            return False
    return True


def compare_megaflows(left, right, differences):
    """Of megaflows that overlap, which have the same actions, either may take
    a packet: they count together."""
    left, right = sum_megaflows(left), sum_megaflows(right)
    if left == right:
        return
    if set(left) != set(right):
        compare_counters("megaflow", left, right, differences)
        return
    texts = sorted(left)
    fields = [fields_of(text) for text in texts]
    leader = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            if (leader[i] != leader[j]
                    and texts[i].partition(" actions:")[2]
                    == texts[j].partition(" actions:")[2]
                    and overlap(fields[i], fields[j])):
                old, new = leader[i], leader[j]
                leader = [new if x == old else x for x in leader]
    for first in sorted(set(leader)):
        group = [texts[i] for i, x in enumerate(leader) if x == first]
        a, b = (tuple(map(sum, zip(*(side[text] for text in group))))
                for side in (left, right))
        if a != b:
            compare_counters("megaflow", {text: left[text] for text in group},
                             {text: right[text] for text in group},
                             differences)


def compare(case, left, right):
    """Returns a list of texts, empty if there is no difference."""
    differences = []
    flows = flows_of(case)
    for number, (a, b) in enumerate(zip(left.outputs, right.outputs), 1):
        compare_outputs(a, b, number, flows, differences)
    for a, b in zip(left.megaflows, right.megaflows):
        compare_megaflows(a, b, differences)
    compare_counters("flow", left.flows, right.flows, differences)
    compare_counters("", left.others, right.others, differences)
    return differences + left.problems + right.problems
