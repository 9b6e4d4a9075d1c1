#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The preloaded library takes every libc name on the list, and no other.

usage: test_entry_points.py LIBRARY LIST; prints TAP.
"""
import subprocess
import sys

library, listed = sys.argv[1:]

with open(listed) as f:
    required = {name for line in f if not line.startswith("#") for name in line.split()}

# Number: value size type bind visibility index name
symbols = subprocess.run(["readelf", "-W", "--dyn-syms", library], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
fields = [line.split() for line in symbols.splitlines()]
exported = {f[7].split("@")[0] for f in fields
            if len(f) == 8 and f[5] == "DEFAULT" and f[6].isdigit()}
taken = {name for name in exported if not name.startswith("rf_")}

print("1..2")
for number, (what, wrong) in enumerate([
        ("every_listed_name_is_exported", required - taken),
        ("nothing_else_is_exported_but_the_public_interface", taken - required)], 1):
    print("not ok" if wrong else "ok", number, "-", what)
    for name in sorted(wrong):
        print(f"# {name}")
sys.exit(bool(required ^ taken))
