# SPDX-License-Identifier: BSD-3-Clause
"""Tests that are functions, reported as TAP: one that raises has failed."""


class Skip(Exception):
    """Raised by a test that cannot be run here."""


def expect(condition, said):
    if not condition:
        raise AssertionError(said)


def passes(number, function):
    name = function.__name__
    try:
        function()
        print(f"ok {number} - {name}", flush=True)
    except Skip as why:
        print(f"ok {number} - {name} # SKIP {why}", flush=True)
    except Exception as error:
        print(f"not ok {number} - {name}", flush=True)
        for line in f"{type(error).__name__}: {error}".splitlines():
            print(f"# {line}", flush=True)
        return False
    return True


def run(tests):
    """All of them, in order; whether all passed."""
    print(f"1..{len(tests)}", flush=True)
    return all([passes(number, function) for number, function in enumerate(tests, 1)])
