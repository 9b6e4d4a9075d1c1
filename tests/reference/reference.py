#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compare Ringfence with real Linux, and count.

    reference.py BUILD [PART...] [--sequences N] [--seed S] [--script PART]... [--topology NAME]...
                 [--record]

PART is topologies, scripts or random; all of them without. Each topology, script and random
sequence counts one; the last line is `N passed, N failed, N skipped`. The kernel is that of
scripts/reference-kernel, built when it is not there. BUILD/reference/out keeps what the guests said.

--sequences N    how many random sequences (10,000)
--seed S         of the first; printed. Without it a fresh one
--script PART    only the scripts with PART in their names; may be given several times, and plays
                 nothing but scripts where no part is named
--topology NAME  only that one of groups/topologies.json; may be given several times
--record         keep what Linux says of the topologies as groups/NAME.fixture

The parts scripts and random are programs beside this one, called as

    run-scripts --build BUILD --kernel BZIMAGE --out DIR
    run-random  --build BUILD --kernel BZIMAGE --out DIR --sequences N --seed S

that tell what they do as lines and end with a count of the same form.
"""
import argparse
import os
import re
import secrets
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from groups import topologies  # noqa: E402  pylint: disable=wrong-import-position

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("topologies", "scripts", "random")
COUNT = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


class Tally:
    """Results, told as they come."""

    def __init__(self):
        self.count = {"passed": 0, "failed": 0, "skipped": 0}

    def take(self, result, name, details=()):
        self.count[result] += 1
        word = {"passed": "ok     ", "failed": "FAILED ", "skipped": "skipped"}[result]
        print(f"{word} {name}", flush=True)
        for line in details:
            print(f"        {line}", flush=True)

    def __str__(self):
        return "{passed} passed, {failed} failed, {skipped} skipped".format(**self.count)


def kernel(build):
    """The path of the bzImage, which is built if it is not there."""
    path = ""
    with subprocess.Popen(["scripts/reference-kernel", build], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout:
            path = line.strip()
            print(line if not path.endswith("/bzImage") else f"Linux is {line}", end="", flush=True)
    if program.returncode:
        print("0 passed, 1 failed, 0 skipped")
        sys.exit(1)
    return path


def run_program(part, words, tally):
    """run-PART: its lines are passed on, but for its count, which is added to ours."""
    command = [f"{HERE}/run-{part}", *words]
    last = None
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          errors="replace") as program:
        for line in program.stdout:
            if last is not None:
                print(last, flush=True)
            last = line.rstrip("\n")
        status = program.wait()
    counted = COUNT.match(last or "")
    if not counted:
        if last is not None:
            print(last)
        tally.take("failed", f"run-{part} ended with status {status} and no count")
        return
    for result, number in zip(tally.count, counted.groups()):
        tally.count[result] += int(number)
    if status and counted[2] == "0":
        tally.take("failed", f"run-{part} ended with status {status}")


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False, usage=argparse.SUPPRESS,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("parts", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--sequences", type=int, default=10000, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--script", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--topology", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--record", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_intermixed_args(words)
    for part in args.parts:
        if part not in PARTS:
            parser.error(f"no such part: {part} (topologies, scripts, random)")
    known = [topology["name"] for topology in topologies.table()]
    for name in args.topology:
        if name not in known:
            parser.error(f"no such topology: {name} ({', '.join(known)})")
    if args.script or args.topology or args.record:
        alone = ["scripts"] if args.script else []
        alone += ["topologies"] if args.topology or args.record else []
        args.parts = args.parts or alone
    args.seed = secrets.randbelow(2 ** 32) if args.seed is None else args.seed
    return args


def main():
    args = arguments()
    image = kernel(args.build)
    tally = Tally()
    for part in args.parts or PARTS:
        began = time.monotonic()
        out = os.path.abspath(f"{args.build}/reference/out/{part}")
        os.makedirs(out, exist_ok=True)
        words = ["--build", args.build, "--kernel", image, "--out", out]
        if part == "random":
            print(f"seed {args.seed}, {args.sequences} sequences: "
                  f"make reference SEED={args.seed} SEQUENCES={args.sequences}", flush=True)
            words += ["--sequences", str(args.sequences), "--seed", str(args.seed)]
        if part == "scripts":
            words += args.script
        if part == "topologies":
            topologies.run(image, f"{args.build}/ringfence", args.topology, args.record, tally.take)
        else:
            run_program(part, words, tally)
        print(f"{part}: {time.monotonic() - began:.0f} s", flush=True)
    print(tally)
    sys.exit(tally.count["failed"] != 0 or tally.count["passed"] == 0)


if __name__ == "__main__":
    main()
