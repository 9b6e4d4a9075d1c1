# SPDX-License-Identifier: BSD-3-Clause
"""Makes the lines of a sequence: values from few choices, ids of what exists."""

PAGE = 4096
IOVAS = ["0", "4K", "8K", "64K", "68K", "128K", "1M", "2M", "2M+4K", "4M", "1G", "0xfee00000",
         "0xfedff000", "0xfef00000", "(1<<39)-4K", "(1<<39)-64K", "1<<39", "1<<48", "-4096", "-1",
         "1", "2K", "4095"]
MOCK = 0x1000000
SIZES = ["4K", "8K", "12K", "64K", "60K", "128K", "1M", "0", "1", "2K", "4095", "-1", "-4096"]


class Maker:
    def __init__(self, rng):
        self.rng = rng
        self.lines = []
        self.ids = {}
        self.last_id = 0
        self.moves_memory = False

    def made(self, *kinds):
        """An object of each kind, if the call succeeds: a guess at its id, for later calls."""
        for kind in kinds:
            self.last_id += 1
            self.ids.setdefault(kind, []).append(self.last_id)

    def ident(self, *kinds):
        """The id of something of these kinds, now and then of anything or nothing."""
        known = [i for kind in kinds for i in self.ids.get(kind, [])]
        if known and self.rng.random() < 0.85:
            return self.pick(known)
        return self.often(range(1, 9), [0, 9, 99, -1], 0.9)

    def say(self, line):
        self.lines.append(line)

    def pick(self, choices):
        return self.rng.choice(choices)

    def often(self, usual, seldom, chance=0.85):
        """One of the usual values, now and then of the others."""
        return self.pick(usual if self.rng.random() < chance else seldom)

    def iova(self):
        return self.often(IOVAS[:11], IOVAS[11:])

    def size(self):
        return self.often(SIZES[:7], SIZES[7:])

    def memory(self):
        return self.often(["m", "m+4K", "m+64K", "m+128K", "m+1M", "p", "p+64K"],
                          ["m+2K", "m+1", "r", "0", "-4096", "hole", "hole+32K"])

    def play(self, actions, least=4, most=24):
        names = [a for a, weight in actions for _ in range(weight)]
        for _ in range(self.rng.randint(least, most)):
            self.pick(names)(self)


def common_memory(mk):
    mk.say("m = mmap 4M")
    mk.say("p = mmap 1M private")
    mk.say("r = mmap 64K r private")
    mk.say("hole = mmap 128K")
    mk.say("mprotect hole+64K 4K none")  # unmapped, something else might come to lie there
    mk.say("b = mmap 64K")
