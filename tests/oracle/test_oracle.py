#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The oracle as a whole program under `ringfence run`: what real Linux answered, line by line.

usage: test_oracle.py RINGFENCE ORACLE-PROGRAM DIRECTORY
"""
import pathlib
import subprocess
import sys

ROUND = 382  # lines of one round: the second asks the same with type1 v2


def listed(path):
    """The numbers of lines that may differ."""
    numbers = set()
    for line in path.read_text().splitlines():
        first = line.split(maxsplit=1)[0] if line.strip() else "#"
        if first.isdigit():
            numbers |= {int(first), int(first) + ROUND}
    return numbers


def differences(ringfence, program, where, name, address, allowed):
    run = subprocess.run([ringfence, "run", "--quiet", "--machine", where / "machine.json", "--",
                          program, address], capture_output=True, text=True, timeout=60)
    want = (where / f"oracle-{name}.txt").read_text().splitlines()
    got = run.stdout.splitlines()
    wrong = [f"status {run.returncode}: {run.stderr.strip()}"] if run.returncode else []
    if len(want) != len(got):
        wrong.append(f"{len(got)} lines instead of {len(want)}")
    for w, g in zip(want, got):
        number = w.split(maxsplit=1)[0]
        if w != g and not (number.isdigit() and int(number) in allowed):
            wrong += [f"want {w}", f"got  {g}"]
    return wrong


def main():
    ringfence, program, where = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    nvme = listed(where / "nvme-differences.txt")
    cases = [("edu", "0000:00:04.0", set()), ("nvme", "0000:00:05.0", nvme)]
    print(f"1..{len(cases)}")
    for n, (name, address, allowed) in enumerate(cases, 1):
        wrong = differences(ringfence, program, where, name, address, allowed)
        print(f"{'not ok' if wrong else 'ok'} {n} - {name} answers as Linux does")
        for line in wrong[:40]:
            print(f"# {line}")


main()
