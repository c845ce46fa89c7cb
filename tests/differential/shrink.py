# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

"""Makes a failing case smaller as long as it fails."""

import re
import time


def split_list(text, separator=","):
    """Splits at commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == separator and not depth:
            parts.append(text[start:i])
            start = i + 1
    return parts + [text[start:]]


class Shrinker:
    """'fails' tells whether a case still fails."""

    def __init__(self, fails, seconds):
        self.fails = fails
        self.deadline = time.time() + seconds
        self.n_tries = 0

    def attempt(self, case):
        if time.time() > self.deadline:
            return False
        self.n_tries += 1
        return self.fails(case)

    def without_parts(self, case, name):
        """Takes away as many elements of list 'name' as possible."""
        size = max(len(getattr(case, name)) // 2, 1)
        while size:
            i = 0
            while i < len(getattr(case, name)):
                items = getattr(case, name)
                smaller = case.copy(**{name: items[:i] + items[i + size:]})
                if self.attempt(smaller):
                    case = smaller
                else:
                    i += size
            size //= 2
        return case

    def simpler_flows(self, case, name):
        """Takes matches and actions out of flows."""
        for i in range(len(getattr(case, name))):
            progress = True
            while progress:
                progress = False
                flow = getattr(case, name)[i]
                for simpler in self.simpler_texts(flow):
                    flows = list(getattr(case, name))
                    flows[i] = simpler
                    smaller = case.copy(**{name: flows})
                    if self.attempt(smaller):
                        case, progress = smaller, True
                        break
        return case

    @staticmethod
    def simpler_texts(flow):
        match, _, acts = flow.partition("actions=")
        parts = split_list(match.rstrip(","))
        for i, part in enumerate(parts):
            if not re.match(r"(table|priority|group_id|type)=", part):
                rest = parts[:i] + parts[i + 1:]
                yield ",".join(rest + ["actions=" + acts])
        acts = split_list(acts)
        for i in range(len(acts)):
            if len(acts) > 1:
                rest = acts[:i] + acts[i + 1:]
                yield ",".join(parts + ["actions=" + ",".join(rest)])

    def shrink(self, case):
        if case.sequential:
            plain = case.copy(sequential=False)
            if self.attempt(plain):
                case = plain
        before = None
        while before != case.to_text() and time.time() < self.deadline:
            before = case.to_text()
            for name in ("packets", "changes", "flows", "phys_flows",
                         "groups", "meters"):
                case = self.without_parts(case, name)
            for name in ("flows", "phys_flows", "changes"):
                case = self.simpler_flows(case, name)
        return case
