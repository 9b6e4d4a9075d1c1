#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Groups of recorded machines: Ringfence computes what real Linux said.

usage: test_fixtures.py RINGFENCE; prints TAP. The fixtures are made by `make reference-record`.
"""
import glob
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(HERE))

from groups import fixture, topologies  # noqa: E402  pylint: disable=wrong-import-position


def wrong_with(name, described, ringfence):
    functions = fixture.load(topologies.recorded(name))
    numbered = name in described and topologies.numbered(described[name])
    linux = fixture.linux_groups(functions)
    if len(functions) < 5 or len(linux) < 2:
        return ["the fixture is too short"]
    with tempfile.TemporaryDirectory(prefix="rf-groups-") as folder:
        try:
            return fixture.differences(ringfence, functions, folder, numbered)
        except ValueError as error:
            return [str(error)]


def main():
    ringfence = os.path.abspath(sys.argv[1])
    names = sorted(os.path.basename(path).removesuffix(".fixture")
                   for path in glob.glob(f"{HERE}/*.fixture"))
    described = {topology["name"]: topology for topology in topologies.table()}
    results = [(name, wrong_with(name, described, ringfence)) for name in names]
    results.append(("each topology is recorded", [] if sorted(described) == names else
                    [f"not in both: {' '.join(sorted(set(described) ^ set(names)))}"]))
    print(f"1..{len(results)}")
    for number, (name, wrong) in enumerate(results, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} {name}")
        for line in wrong:
            print(f"# {line}")
    sys.exit(any(wrong for _, wrong in results))


main()
