# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of groups and drivers run: the command, and shells in a session.

A test imports this with the command and the folder of topologies as its arguments.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import tap
from tap import Skip, expect

ringfence, topologies = (os.path.abspath(arg) for arg in sys.argv[1:])
golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
scratch = tempfile.mkdtemp(prefix="rf-groups-test-")
environment = {k: v for k, v in os.environ.items()
               if k not in ("XDG_RUNTIME_DIR", "LD_PRELOAD", "RINGFENCE_SESSION")}
environment.update(TMPDIR=scratch, LSAN_OPTIONS="detect_leaks=0")
os.chdir(scratch)
tests = []


def test(function):
    tests.append(function)
    return function


def same(got, want):
    expect(got == want, f"got {got!r}\nwanted {want!r}")


def command(*args, stdin=None):
    return subprocess.run([ringfence, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          input=stdin, text=True, timeout=60, env=environment)


def said(*args, **kwargs):
    done = command(*args, **kwargs)
    expect(done.returncode == 0, f"{args}: status {done.returncode}: {done.stderr}")
    return done.stdout


def refused(args, line, stdin=None):
    done = command(*args, stdin=stdin)
    same((done.returncode, done.stdout, done.stderr), (2, "", f"ringfence: {line}\n"))


def write(name, text):
    with open(name, "w") as f:
        f.write(text if isinstance(text, str) else json.dumps(text))
    return name


def groups(*args):
    """{group: [addresses]} as --json says."""
    shown = json.loads(said("groups", "--json", *args))
    return {g["group"]: [d["address"] for d in g["devices"]] for g in shown["groups"]}


def expected(name):
    with open(f"{topologies}/{name}.expected") as f:
        words = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return {int(w[0]): w[1:] for w in words}


def machine(name):
    return f"{topologies}/{name}.json"


board = {
    "topology": [
        {"address": "00:01.0", "acs": True, "below": [
            {"address": "01:00.0", "class": "ethernet", "id": "8086:1533", "driver": "igb"}]},
        {"address": "00:02.0", "acs": True, "below": [
            {"address": "02:00.0"}, {"address": "02:00.1", "driver": "other"}]},
    ],
    "devices": [{"model": "edu", "address": "02:00.0"}],
}


def in_session(script, shell="bash", description=None):
    """What a shell's script in a session prints, both streams, line by line."""
    path = shutil.which(shell)
    if not path:
        raise Skip(f"no {shell}")
    done = subprocess.run([ringfence, "run", "--quiet", "--machine",
                           description or write("board.json", board),
                           "--", path, "-c", script], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, env=environment)
    return done.stdout.splitlines()


def run_tests():
    passed = tap.run(tests)
    shutil.rmtree(scratch)
    sys.exit(not passed)
