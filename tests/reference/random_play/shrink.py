# SPDX-License-Identifier: BSD-3-Clause
"""Shrink sequences that differ: leave out what is not needed to show it.

A boot costs seconds and a sequence milliseconds, so in each round every sequence that is being
shrunk gives all its tries at once: the halves, quarters, ... and single lines left out. The
shortest try that still differs goes on.
"""
import time

import play

ROUNDS = 24
SECONDS = 100  # and no round is begun after these


def first_difference(name, linux, ringfence, differences):
    """(action, on Linux, on Ringfence), or None. After one that is listed nothing is judged."""
    wrong = play.compare(linux or ["(not played)"], ringfence or ["(not played)"])
    if not wrong or differences.listed(name, wrong[0][0]):
        return None
    return wrong[0]


def differs(name, linux, ringfence, differences):
    return first_difference(name, linux, ringfence, differences) is not None


def blocks(lines):
    """What can be left out together: single lines, and a fork with its end."""
    units, n = [], 0
    while n < len(lines):
        end = n
        if lines[n].split()[0] in ("fork", "for", "thread", "spawn"):
            while lines[end] != "end":
                end += 1
        units.append(lines[n:end + 1])
        n = end + 1
    return units


def tries(text):
    """Shorter texts, shortest first."""
    units = blocks(text.splitlines())
    seen, found = set(), []
    size = max(1, len(units) // 2)
    while True:
        for at in range(0, len(units), size):
            rest = units[:at] + units[at + size:]
            short = "".join(f"{line}\n" for unit in rest for line in unit)
            if short and short not in seen:
                seen.add(short)
                found.append(short)
        if size == 1:
            break
        size //= 2
    return found


def shrink(scripts, differences, both):
    """{name: (text, [what differs])}; both(scripts) plays on both sides."""
    now = dict(scripts)
    shown = {}
    active = set(now)
    end = time.monotonic() + SECONDS
    for _ in range(ROUNDS):
        if time.monotonic() > end:
            break
        batch = [(f"{name}#{n}", text) for name in sorted(active)
                 for n, text in enumerate(tries(now[name]))]
        batch += [(f"{name}#", now[name]) for name in sorted(active)]
        if not batch:
            break
        linux, ringfence = both(batch)
        texts = dict(batch)
        for name in sorted(active):
            good = [key for key in texts if key.startswith(f"{name}#") and
                    differs(name, linux.get(key), ringfence.get(key), differences)]
            if not good:
                active.discard(name)
                shown.setdefault(name, ["it does not differ when it is played again"])
                continue
            best = min(good, key=lambda key: len(texts[key]))
            what = first_difference(name, linux.get(best), ringfence.get(best), differences)
            shown[name] = [f"Linux      {what[1]}", f"Ringfence  {what[2]}"]
            if texts[best] == now[name]:
                active.discard(name)
            now[name] = texts[best]
    return {name: (now[name], shown.get(name, ["no time to shrink it"])) for name in now}
