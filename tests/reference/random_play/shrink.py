# SPDX-License-Identifier: BSD-3-Clause
"""Shrink sequences that differ: leave out what is not needed to show it.

A boot costs seconds and a sequence milliseconds, so in each round every sequence that is being
shrunk gives all its tries at once: the halves, quarters, ... and single lines left out. The
shortest try that still differs goes on; single lines that could be left out each for itself are
left out together in the next round.
"""
import time

import play

EMPTIES = "dma bar from (1<<28)-64K"  # dma.device()
AT_ONCE = 4  # the shortest first: few that are short tell more than many that are not
ROUNDS = 60
SECONDS = 100  # and no round is begun after these


def first_difference(name, linux, ringfence, differences):
    """(action, on Linux, on Ringfence), or None. After one that is listed nothing is judged."""
    wrong = play.compare(linux or ["(not played)"], ringfence or ["(not played)"])
    if not wrong or differences.listed(name, *wrong[0]):
        return None
    return wrong[0]


def differs(name, linux, ringfence, differences):
    return first_difference(name, linux, ringfence, differences) is not None


BLOCKS = ("fork", "for", "thread", "spawn", "exec")


def ends(lines):
    """Where each block that begins at a line ends."""
    found, open_blocks = {}, []
    for n, line in enumerate(lines):
        if line.split()[0] in BLOCKS:
            open_blocks.append(n)
        elif line == "end":
            found[open_blocks.pop()] = n
    return found


def units(lines):
    """What can be left out together, as sets of numbers of lines: a line, a block with its lines,
    a block but not its lines."""
    end = ends(lines)
    found = []
    for n, line in enumerate(lines):
        if n in end:
            found.append(frozenset(range(n, end[n] + 1)))
            found.append(frozenset((n, end[n])))
        elif line != "end":
            found.append(frozenset((n,)))
    return found


def without(lines, left_out):
    """The text, a block's word and its end only together. QEMU's edu keeps its buffer from one
    sequence to the next: what empties it stays while it is read."""
    end = ends(lines)
    if any(line.startswith("dma bar to") and n not in left_out for n, line in enumerate(lines)):
        left_out = {n for n in left_out if not "".join(lines[n:n + 1]).startswith(EMPTIES)}
    torn = {n for pair in end.items() for n in pair if len(left_out.intersection(pair)) == 1}
    return "".join(f"{line}\n" for n, line in enumerate(lines)
                   if n not in left_out or n in torn)


def tries(text, spare=()):
    """Shorter texts, and which lines are left out: all that were found to be spare at once, and
    halves of those; halves, quarters, ... of the lines; single lines and blocks."""
    lines = text.splitlines()
    sets = [frozenset(spare)] if spare else []
    ordered = sorted(spare)
    for size in (len(ordered) // 2, len(ordered) // 4):
        sets += [frozenset(ordered[at:at + size]) for at in range(0, len(ordered), size or 1)
                 if size > 1]
    size = len(lines) // 2
    while size > 1:
        sets += [frozenset(range(at, at + size)) for at in range(0, len(lines), size)]
        size //= 2
    sets += units(lines)
    found = {}
    for left_out in sets:
        short = without(lines, left_out)
        if short and short != text:
            found.setdefault(short, left_out)
    return found


class Shrinking:
    """A sequence on its way to few lines."""

    def __init__(self, name, text, wanted):
        self.name, self.text, self.wanted = name, text, wanted
        self.spare = ()
        self.shown = ["no time to shrink it"]
        self.active = True
        self.batch = {}

    def scripts(self):
        self.batch = tries(self.text, self.spare)
        self.batch[self.text] = frozenset()
        return [(f"{self.name}#{n}", text) for n, text in enumerate(self.batch)]

    def take(self, linux, ringfence, differences):
        """Go on with the shortest text that still differs."""
        good = []
        for n, text in enumerate(self.batch):
            key = f"{self.name}#{n}"
            what = first_difference(self.name, linux.get(key), ringfence.get(key), differences)
            if what and self.wanted in (None, what[0]):
                good.append((len(text), text, what))
        if not good:
            self.active = False
            if self.shown[0].startswith("no time"):
                self.shown = ["it does not differ when it is played again"]
            return
        _, best, what = min(good)
        self.shown = [f"Linux      {what[1]}", f"Ringfence  {what[2]}"]
        lines = self.text.splitlines()
        gone = self.batch[best]
        kept = [n for n in range(len(lines)) if n not in gone]
        place = {n: m for m, n in enumerate(kept)}
        if without(lines, gone) != "".join(f"{lines[n]}\n" for n in kept):
            place = {}  # a block's word stayed
        singles = [self.batch[text] for _, text, _ in good if len(self.batch[text]) == 1]
        self.spare = tuple(sorted(place[n] for one in singles for n in one if n in place))
        self.active = best != self.text
        self.text = best


def shrink(scripts, differences, both, actions=None, seconds=SECONDS):
    """{name: (text, [what differs])}; both(scripts) plays on both sides. actions: {name: that must
    stay the first that differs}, lest a shorter text shows another difference, perhaps a listed one.
    """
    every = [Shrinking(name, text, (actions or {}).get(name))
             for name, text in sorted(scripts, key=lambda s: len(s[1]))]
    end = time.monotonic() + seconds
    for _ in range(ROUNDS):
        active = [one for one in every if one.active][:AT_ONCE]
        if not active or time.monotonic() > end:
            break
        linux, ringfence = both([script for one in active for script in one.scripts()])
        for one in active:
            one.take(linux, ringfence, differences)
    return {one.name: (one.text, one.shown) for one in every}
