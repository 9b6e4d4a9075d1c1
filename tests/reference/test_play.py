#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_play.py PLAYER: what compares two sides tells what differs, and holds the list of differences against it."""
import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import play  # noqa: E402
import reference  # noqa: E402
from random_play import generate, shrink  # noqa: E402

TABLE = """
| script | action | on Linux | here | why | remedy |
|---|---|---|---|---|---|
| `a/*:1` | `ioctl x \\|peek` | 1 | 2 | why | what |
| `never` | `.` | 1 | 2 | why | what |
"""
LINUX = ["1: open x = 0", "2: ioctl x Y n=1 = 1", "3: peek m = 5"]
HERE_TOO = ["1: open x = 0", "2: ioctl x Y n=1 = 2", "3: peek m = 6"]


def program(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(HERE / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def table(text=TABLE):
    with tempfile.NamedTemporaryFile("w", suffix=".md") as file:
        file.write(text)
        file.flush()
        return play.Differences(pathlib.Path(file.name))


run_scripts = program("run-scripts")


def the_same_answers_pass():
    assert not run_scripts.judge("a/b:1", LINUX, list(LINUX), table(""))


def an_unlisted_difference_fails():
    shown = run_scripts.judge("a/b:2", LINUX, HERE_TOO, table())
    assert shown == [f"{side}{line}" for a, b in zip(LINUX[1:], HERE_TOO[1:])
                     for side, line in (("Linux      ", a), ("Ringfence  ", b))], shown


def another_action_of_a_listed_script_fails():
    assert run_scripts.judge("a/b:1", ["1: close x = 0"], ["1: close x = 1"], table())


def a_listed_difference_passes():
    differences = table()
    assert not run_scripts.judge("a/b:1", LINUX, HERE_TOO, differences)
    assert differences.count() == 1


def a_listed_difference_that_is_gone_is_told():
    differences = table()
    run_scripts.judge("a/b:1", LINUX, HERE_TOO, differences)
    assert not differences.gone()
    differences = table()
    run_scripts.judge("a/b:1", LINUX, list(LINUX), differences)
    assert differences.gone() == [("a/b:1", "ioctl x Y n=1"), ("a/b:1", "peek m")]


def a_listed_difference_that_is_gone_of_one_variant_or_action_is_told():
    differences = table()
    run_scripts.judge("a/b:1", LINUX, HERE_TOO, differences)
    run_scripts.judge("a/c:1", LINUX, [*HERE_TOO[:2], LINUX[2]], differences)
    run_scripts.judge("a/d:1", LINUX[:1], LINUX[:1], differences)
    assert differences.gone() == [("a/c:1", "peek m"), ("a/d:1", "ioctl x |peek")]


def a_listed_difference_of_a_script_that_is_not_played_is_not_gone():
    differences = table()
    run_scripts.judge("b/b:1", LINUX, list(LINUX), differences)
    assert not differences.gone()


def a_listed_difference_is_one_only_with_the_answers_it_tells():
    told = "| `a/b` | `peek` | %s | %s | why | what |\n"
    lines = ["1: peek m = -1 EFAULT"], ["1: peek m = 0 flags=0x3"]
    for linux, here in (("`EFAULT`", "`0`"), ("`-1 EFAULT`", "`0 flags=.*`"), ("`E.*` (of old)", "works"),
                        ("fails, see `x`", "`0 flags=(0x1\\|0x3)`")):
        differences = table(told % (linux, here))
        assert not run_scripts.judge("a/b", *lines, differences), (linux, here)
        assert not differences.gone()
    for linux, here in (("`EINVAL`", "`0`"), ("`EFAULT`", "`1`"), ("`EF`", "`0`"), ("`EFAULT`", "`0x`"),
                        ("`0`", "`EFAULT`")):
        differences = table(told % (linux, here))
        assert run_scripts.judge("a/b", *lines, differences), (linux, here)
        assert differences.gone() == [("a/b", "peek m")]


def an_answer_too_few_or_too_many_fails():
    assert run_scripts.judge("x", LINUX, LINUX[:2], table())
    assert run_scripts.judge("x", LINUX[:2], LINUX, table())


def a_side_that_did_not_play_fails():
    assert run_scripts.judge("a/b:1", None, LINUX, table())
    assert run_scripts.judge("a/b:1", LINUX, None, table())


def an_error_in_a_script_fails_though_both_have_it():
    bad = ["SCRIPT ERROR line 1: no such action"]
    assert run_scripts.judge("x", bad, list(bad), table())


def every_row_of_the_list_is_read():
    path = HERE.parent.parent / "docs" / "differences.md"
    written = [x for x in path.read_text().splitlines() if x.startswith("| `")]
    assert len(play.Differences(path).rows) == len(written) > 10


def every_listed_script_is_there():
    names = [name for name, _ in play.all_scripts()]
    for row in play.Differences(HERE.parent.parent / "docs" / "differences.md").rows:
        assert any(play.fnmatch.fnmatchcase(name, row["script"]) for name in names), row["script"]


AUDITS = {
    "coverage-vfio.md": ("container", "group", "map", "unmap", "dirty", "memory"),
    "coverage-iommufd.md": ("iommufd", "mock"),
    "coverage-device.md": ("device", "config", "region", "irq", "cdev", "reset"),
}
UNIT_TESTS = {"vfio/container", "vfio/type1", "iommufd/ioas", "ioas/access", "unit/vfio"}


def each_audit_names_every_script_of_its_files_and_none_that_is_not():
    names = {name.rsplit(":", 1)[0] for name, _ in play.all_scripts()}
    for audit, files in AUDITS.items():
        text = (HERE / audit).read_text()
        told = set(re.findall(r"`([a-z]+/[\w-]+)`", text)) - UNIT_TESTS
        assert told <= names, told - names
        missing = {name for name in names if name.split("/")[0] in files} - told
        assert not missing, missing


def refused(call, *words):
    """What it says, which has these words."""
    try:
        call()
    except play.ScriptError as error:
        assert all(word in str(error) for word in words), error
        return
    assert False, "it is taken"


def a_heading_that_is_not_understood_is_refused():
    for heading in ("== a/b {x=1} {y=2}", "== a/b more", "==a/b", "== "):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "some.play"
            path.write_text(f"== a/a\nshow 1\n{heading}\nshow 2\n")
            refused(lambda path=path: play.read_scripts(path, {}), "some.play", heading)


def a_macro_that_is_not_there_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "some.play"
        path.write_text("== a/a\nuse edo 3\n")
        refused(lambda: play.read_scripts(path, {"edu": []}), "some.play", "a/a", "use edo 3", "edu")


def a_name_that_no_script_has_is_refused():
    scripts = [("map/a", ""), ("map/b", "")]
    assert run_scripts.chosen(scripts, []) == scripts
    assert run_scripts.chosen(scripts, ["/b"]) == [("map/b", "")]
    refused(lambda: run_scripts.chosen(scripts, ["map", "nosuch"]), "nosuch")


def played(text):
    """What the player prints of a script that needs no device."""
    with tempfile.NamedTemporaryFile("w", suffix=".play") as file:
        file.write(f"== a/a\n{text}")
        file.flush()
        run = subprocess.run([sys.argv[1], file.name], stdout=subprocess.PIPE, text=True, timeout=60,
                             stderr=subprocess.DEVNULL, check=False)
        return play.parse(run.stdout)["a/a"]


def a_word_that_no_action_reads_is_refused():
    for line in ("f = open /dev/null r0", "f = open /dev/null ro wo", "m = mmap 4K huuge",
                 "ioctl 1 VFIO_GROUP_GET_STATUS junk", "ioctl 1 VFIO_CHECK_EXTENSION arg=1 argsz=8",
                 "show 1 1", "let n 1 2", "exit 0 1", "kill self self", "sleep 0 tally",
                 "fork junk\nend", "spawn a b\nend", "for n 0 1 1 tolly\nend", "n = sleep 0",
                 "fork\nend junk", "drop lock", "dma 0 into 0 1"):
        lines = played(f"{line}\nshow 5\n")
        assert any(x.startswith("SCRIPT ERROR") for x in lines), (line, lines)
        assert not any(x.endswith("show 5 = 0x5") for x in lines), (line, lines)


def a_word_that_an_action_reads_is_taken_also_when_it_fails():
    lines = played("poke 16 u32 1 2 3\npeek 16 u32 4\nf = open cdev:none ro cloexec\n"
                   "m = mmap 4K r private\npoke m u8 1 2\nn = load 16 u8\npass 99 gone\n"
                   "f = memfd 4K\npwrite f 0 u8 1 2\nioctl f 0x3b64 room=8 u32[1,2]\nfork\n"
                   "kill self\nend\nspawn a\nshow 1\nend\njoin a\nfor n 0 1 1 tally\nshow n\nend\n")
    assert not any(x.startswith("SCRIPT ERROR") for x in lines) and len(lines) > 14, lines


def what_is_named_is_all_that_is_compared():
    asked = {"": [], "--script irq/ --script map/limit": ["scripts"], "--topology switch": ["topologies"],
             "random --seed 1": ["random"], "scripts random --script irq/": ["scripts", "random"]}
    for words, parts in asked.items():
        args = reference.arguments(["build", *words.split()])
        assert args.parts == parts, (words, args.parts)
        assert ("irq/" in args.script) == ("irq/" in words)


def each_script_is_played_in_one_boot_and_mock_devices_apart():
    scripts = [(f"s/{n}", "show 1\n" if n % 3 else "ioctl i TEST/MOCK_DOMAIN id=1\n")
               for n in range(5000)]
    linux = play.Linux("build", "bzImage")
    boots = linux.boots(scripts, pathlib.Path("out"))
    assert sorted(s for boot in boots for s in boot[0]) == sorted(scripts)
    assert len({boot[1] for boot in boots}) == len(boots) > 2
    for part, _, words in boots:
        assert len(part) <= play.MOST_OF_A_BOOT
        assert len({"MOCK" in text for _, text in part}) == 1
        assert ("none" in words) == ("MOCK" in part[0][1])


def a_seed_gives_the_same_sequences_again():
    assert [generate.sequence(7, n) for n in range(40)] == [generate.sequence(7, n)
                                                            for n in range(40)]
    assert generate.sequence(7, 1)[1] != generate.sequence(8, 1)[1]


def shrunk(text, bad, action=None):
    """What remains of a text whose `bad N` differ where bad(text) holds; a text in rounds."""
    rounds = []

    def both(scripts):
        rounds.append(len(scripts))
        linux = {name: [f"{n}: {x} = 0" for n, x in enumerate(text.splitlines(), 1)]
                 for name, text in scripts}
        here = {name: [x.replace("= 0", "= 1") if "bad" in x and bad(text) else x
                       for x in linux[name]] for name, text in scripts}
        return linux, here

    small = shrink.shrink([("r", text)], table(""), both, {"r": action} if action else None)
    return small["r"][0], len(rounds)


def shrinking_keeps_to_the_difference_that_was_seen():
    text = "show 1\nbad 1 of some length\nbad 2\n"
    assert shrunk(text, lambda text: True)[0] == "bad 2\n"
    small = shrunk(text, lambda text: True, "bad 1 of some length")[0]
    assert small == "bad 1 of some length\n", small


def shrinking_leaves_the_line_that_differs():
    text = "".join(f"show {n}\n" for n in range(9)) + "fork\nbad 1\nend\n" + "show 10\n"
    assert shrunk(text, lambda text: True)[0] == "bad 1\n"
    small = shrunk(text, lambda text: "fork" in text)[0]
    assert small == "fork\nbad 1\nend\n", small


def shrinking_keeps_what_empties_a_buffer_that_is_read():
    empties = f"{shrink.EMPTIES} 2048\n"
    text = f"show 1\n{empties}dma bar to 0 64\nbad 1\n"
    assert shrunk(text, lambda text: "dma bar to" in text)[0] == text.replace("show 1\n", "")
    assert shrunk(text, lambda text: True)[0] == "bad 1\n"


def shrinking_leaves_out_what_is_inside_of_blocks():
    text = "fork\nshow 1\nfork\nshow 2\nbad 1\nend\nshow 3\nend\n"
    small = shrunk(text, lambda text: text.count("fork") == 2)[0]
    assert small == "fork\nfork\nbad 1\nend\nend\n", small


def shrinking_leaves_out_at_once_what_can_each_be_left_out():
    needed = [f"show {n}\n" for n in range(0, 96, 4)]
    text = "".join(f"show {n}\n" for n in range(96)) + "bad 1\n"
    small, rounds = shrunk(text, lambda text: all(line in text for line in needed))
    assert small == "".join(needed) + "bad 1\n", small
    assert rounds <= 6, rounds


TESTS = [the_same_answers_pass, an_unlisted_difference_fails,
         another_action_of_a_listed_script_fails, a_listed_difference_passes,
         a_listed_difference_that_is_gone_is_told,
         a_listed_difference_that_is_gone_of_one_variant_or_action_is_told,
         a_listed_difference_of_a_script_that_is_not_played_is_not_gone,
         a_listed_difference_is_one_only_with_the_answers_it_tells, an_answer_too_few_or_too_many_fails,
         a_side_that_did_not_play_fails, an_error_in_a_script_fails_though_both_have_it,
         every_row_of_the_list_is_read, every_listed_script_is_there,
         each_audit_names_every_script_of_its_files_and_none_that_is_not,
         a_heading_that_is_not_understood_is_refused, a_macro_that_is_not_there_is_refused,
         a_name_that_no_script_has_is_refused, a_word_that_no_action_reads_is_refused,
         a_word_that_an_action_reads_is_taken_also_when_it_fails, what_is_named_is_all_that_is_compared,
         each_script_is_played_in_one_boot_and_mock_devices_apart,
         a_seed_gives_the_same_sequences_again, shrinking_keeps_to_the_difference_that_was_seen,
         shrinking_leaves_the_line_that_differs,
         shrinking_keeps_what_empties_a_buffer_that_is_read,
         shrinking_leaves_out_what_is_inside_of_blocks,
         shrinking_leaves_out_at_once_what_can_each_be_left_out]


def main():
    print(f"1..{len(TESTS)}")
    status = 0
    for n, test in enumerate(TESTS, 1):
        try:
            test()
            print(f"ok {n} {test.__name__}")
        except AssertionError as error:
            status = 1
            print(f"not ok {n} {test.__name__}\n# {error}")
    sys.exit(status)


main()
