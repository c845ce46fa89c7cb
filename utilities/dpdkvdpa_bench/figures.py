# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""What comes of samples."""

import os
import re
import statistics

# A generator that let the measured thread wait in more than this part of its
# looks at the rings may have been the bottleneck; and so may one that had to
# wait in less than that part.
STARVED = 0.01
IDLE = 0.05

def spread(values):
    """Returns the least, the median and the greatest of 'values'."""
    return {"min": min(values), "median": statistics.median(values),
            "max": max(values)}


def figures_of(samples):
    """Returns what comes of a contestant's 'samples'."""
    for s in samples:
        s["pps"] = (s.get("tx", 0) + s["rx"]) / s["switch_cpu"]
        s["cycles"] = s["tsc_hz"] / s["pps"]
        if "tx" in s:
            starved = max(s["tx_starved"], s["rx_starved"]) / s["looks"]
            s["limited"] = starved > STARVED
        else:
            s["limited"] = s["idle_looks"] / s["looks"] < IDLE
    figures = {
        "pps_per_core": spread([s["pps"] for s in samples]),
        "cycles_per_packet": spread([s["cycles"] for s in samples]),
        "counted": (sum(s["counted"] for s in samples)
                    / sum(s["slices"] for s in samples)),
        "generator_limited": any(s["limited"] for s in samples),
        "samples": samples,
    }
    if "tx" in samples[0]:
        for name, key in ("from_guest_pps", "tx"), ("to_guest_pps", "rx"):
            figures[name] = spread([s[key] / s["switch_cpu"]
                                    for s in samples])
    return figures


def ratios(samples, other_samples):
    """Returns the ratio of packet rates, round by round."""
    return spread([s["pps"] / other["pps"]
                   for s, other in zip(samples, other_samples)])


def format_spread(s, scale=1.0, digits=2):
    return "%*.*f  (%.*f..%.*f)" % (6, digits, s["median"] / scale,
                                    digits, s["min"] / scale,
                                    digits, s["max"] / scale)


def machine():
    """Returns what the figures were measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"^model name\s*: (.*)$", f.read(), re.MULTILINE)
    with open("/proc/stat", encoding="utf-8") as f:
        cpu = [int(word) for word in f.readline().split()[1:]]
    with open("/proc/loadavg", encoding="utf-8") as f:
        load = float(f.read().split()[0])
    return {"cpu": model.group(1) if model else "unknown",
            "cores": os.cpu_count(), "kernel": os.uname().release,
            "load": load, "steal_ticks": cpu[7], "ticks": sum(cpu[:8])}


def marks(figures, notes):
    """Returns the marks of a row, and adds what they mean to 'notes'."""
    text = ""
    if figures["generator_limited"]:
        text += "*"
        notes.append("* The generator may have been the bottleneck.")
    if figures["counted"] < 0.5:
        text += "~"
        notes.append("~ Others had one of the cores for more than half of "
                     "the time, which did not count.")
    if figures.get("lost", 0) > 0:
        text += "!"
        notes.append("! Packets that the guest sent did not come out at the "
                     "VF: see \"lost\" with --json.")
    return text
