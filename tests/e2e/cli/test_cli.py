#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The ringfence command: what it refuses, what it passes on, what it leaves.

usage: test_cli.py RINGFENCE COUNTER.so; prints TAP.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import tap
from tap import expect

script = os.path.abspath(__file__)
ringfence, counter = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
scratch = tempfile.mkdtemp(prefix="rf-cli-test-")
sessions = os.path.join(scratch, "sessions")
os.mkdir(sessions)
os.chdir(scratch)
environment = {k: v for k, v in os.environ.items()
               if k not in ("XDG_RUNTIME_DIR", "LD_PRELOAD", "RINGFENCE_SESSION")}
environment["TMPDIR"] = sessions
environment["LSAN_OPTIONS"] = "detect_leaks=0"


def command(*args, **kwargs):
    return subprocess.run([ringfence, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, env={**environment, **kwargs})


def write(name, text):
    with open(name, "w") as f:
        f.write(text)
    return name


def left():
    return os.listdir(sessions)


def refused(args, line):
    """One line, just this one; exit status 2; nothing left behind."""
    done = command(*args)
    expect(done.returncode == 2, f"{args}: exit {done.returncode}: {done.stderr}")
    expect(done.stdout == "", f"{args}: printed {done.stdout}")
    expect(done.stderr == f"ringfence: {line}\n", f"{args}: said {done.stderr}")
    expect(left() == [], f"{args}: left {left()}")


def bad_command_lines_are_one_line_and_status_2():
    refused(["rum"], "unknown command 'rum' (did you mean 'run'?)")
    refused(["frobnicate"], "unknown command 'frobnicate'; see 'ringfence --help'")
    refused(["run"], "run: no program is named; see 'ringfence run --help'")
    refused(["run", "--devce", "edu"],
            "run: unknown option '--devce' (did you mean '--device'?)")
    refused(["run", "-x", "true"], "run: unknown option '-x'; see 'ringfence run --help'")
    refused(["run", "--device"], "run: option '--device' needs a value")
    refused(["run", "--quiet=no", "true"], "run: option '--quiet' takes no value")
    refused(["run", "--session", ".", "--device", "edu", "true"],
            "run: --session has its machine; --device and --machine cannot change it")
    refused(["devices", "--al"], "devices: unknown option '--al'; see 'ringfence devices --help'")


def bad_devices_are_one_line_and_status_2():
    def device(spec, line):
        refused(["run", "--device", spec, "--", "true"], f"--device {spec}: {line}")

    device("nvmee", 'no model "nvmee" (did you mean "nvme"?)')
    device("zork", "no model \"zork\"; 'ringfence devices' lists them")
    device("", "no model is named")
    device("edu,addr=0000:00:20.0",
           'bad address "0000:00:20.0": expected DOMAIN:BUS:DEVICE.FUNCTION, e.g. 0000:01:00.0')
    device("edu,addr=", 'bad address "": expected DOMAIN:BUS:DEVICE.FUNCTION, e.g. 0000:01:00.0')
    device("nvme,sise=1G", 'unknown property "sise" (did you mean "size"?)')
    device("nvme,size=1X", 'nvme: size: "1X" is not a size')
    device("./missing.so", "./missing.so: No such file or directory")
    refused(["run", "--device", "edu", "--device", "edu,addr=01:00.0", "--device", "edu,addr=1:0.0",
             "true"], "--device edu,addr=1:0.0: bad address \"1:0.0\": expected "
            "DOMAIN:BUS:DEVICE.FUNCTION, e.g. 0000:01:00.0")
    refused(["run", "--device", "edu,addr=01:00.0", "--device", "edu,addr=01:00.0", "true"],
            "--device edu,addr=01:00.0: address 0000:01:00.0 is taken")


def bad_machine_files_name_their_line():
    def machine(text, line):
        refused(["run", "--machine", write("machine.json", text), "true"], line)

    machine('{\n  "devices": [\n    { "modle": "edu" } ]\n}',
            'machine.json:3: devices[0]: unknown key "modle" (did you mean "model"?)')
    machine('{\n  "devices": [\n', "machine.json:3:0: ']' expected near end of file")
    machine("", "machine.json:1:0: '[' or '{' expected near end of file")
    machine('{ "devices": [ { "model": "edu" },\n { "model": "edu", "address": "01:00.0" },\n'
            ' { "model": "edu", "address": "01:00.0" } ] }',
            "machine.json:3: devices[2]: address 0000:01:00.0 is taken")
    refused(["run", "--machine", "nowhere.json", "true"],
            "nowhere.json: No such file or directory")
    refused(["run", "--machine", scratch, "true"], f"{scratch}: Is a directory")
    with open("zero.json", "wb") as f:
        f.write(b'{ "devices": [] }\0 ')
    refused(["run", "--machine", "zero.json", "true"],
            "zero.json: has a zero byte in it: not a text file")


def a_missing_program_is_told():
    refused(["run", "qemu-ioo"], "qemu-ioo: no such program")
    refused(["run", "--", "./qemu-ioo", "--help"], "./qemu-ioo: no such program")
    refused(["run", ""], ": no such program")
    refused(["run", write("data", "x")], "data: no such program")
    refused(["run", "./data"], "./data: Permission denied")
    refused(["run", "/"], "/: Permission denied")
    os.chmod(write("broken", "#!/nowhere/sh\n"), 0o755)
    refused(["run", "./broken"], "./broken: cannot be executed: No such file or directory")


def bad_media_is_told_with_its_device():
    for spec, words in (("nvme,file=/nowhere/disk.img", "/nowhere/disk.img"),
                        (f"nvme,file={scratch}", scratch),
                        (f"nvme,file={write('small.img', 'x' * 100)}", "small.img")):
        done = command("run", "--device", spec, "--", "true")
        expect(done.returncode == 2, f"{spec}: exit {done.returncode}: {done.stderr}")
        expect(done.stderr.startswith(f"ringfence: --device {spec}: ") and words in done.stderr
               and "0000:01:00.0" in done.stderr and done.stderr.count("\n") == 1, done.stderr)
        expect(left() == [], f"{spec}: left {left()}")


def the_status_is_the_programs():
    for code in (0, 1, 3, 255):
        done = command("run", "--quiet", "--", "sh", "-c", f"exit {code}")
        expect(done.returncode == code and done.stderr == "", f"{done.returncode} {done.stderr}")
    done = command("run", "sh", "-c", "kill -SEGV $$")
    expect(done.returncode == 128 + signal.SIGSEGV, f"{done.returncode}")
    expect("sh was killed by SIGSEGV" in done.stderr, done.stderr)
    expect(left() == [], left())


def output_and_input_are_the_programs():
    done = subprocess.run([ringfence, "run", "--device", "edu", "cat"], input="one\ntwo\n",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=environment, timeout=60)
    expect(done.stdout == "one\ntwo\n", done.stdout)
    expect(done.stderr.startswith("ringfence: cat exited with status 0 after "), done.stderr)
    expect(command("run", "--device", "edu", "printf", "%s|", "-x", "--quiet", "a b").stdout ==
           "-x|--quiet|a b|", "arguments")


def the_environment_is_ours_in_front_of_the_users():
    done = command("run", "--quiet", "env", LD_PRELOAD="libm.so.6")
    env = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    expect(re.search(r"libringfence-preload\.so:libm\.so\.6$", env["LD_PRELOAD"]),
           env["LD_PRELOAD"])
    expect(env["RINGFENCE_SESSION"].startswith(sessions + "/ringfence-"), env["RINGFENCE_SESSION"])


def a_kept_session_can_be_joined():
    done = command("run", "--keep", "--device", "edu,addr=00:04.0", "true")
    found = re.search(r"ringfence: the session is kept in (\S+)\n", done.stderr)
    expect(found, done.stderr)
    kept = found.group(1)
    try:
        with open(f"{kept}/machine.json") as f:
            expect(json.load(f)["devices"][0]["address"] == "0000:00:04.0", "machine.json")
        done = command("run", "--quiet", "--session", kept, "sh", "-c", "echo $RINGFENCE_SESSION")
        expect(done.stdout == kept + "\n" and done.returncode == 0, done.stdout + done.stderr)
        expect(os.path.isdir(kept), "joining removed it")

        os.truncate(f"{kept}/machine.json", 60)
        done = command("run", "--session", kept, "true")
        expect(done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr)
        expect(done.stderr.startswith(f"ringfence: session {kept} is damaged: machine.json:"),
               done.stderr)
        shutil.rmtree(f"{kept}/stats")
        done = command("run", "--session", kept, "true")
        expect(done.stderr == f"ringfence: session {kept} is damaged: stats: "
               "No such file or directory\n", done.stderr)
    finally:
        shutil.rmtree(kept)
    refused(["run", "--session", "/usr", "true"], '/usr is no session: it has no file "session"')
    refused(["run", "--session", "gone", "true"], "run: session gone: No such file or directory")


def start(*args):
    process = subprocess.Popen([ringfence, "run", *args], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment)
    expect(process.stdout.readline() == "ready\n", "not ready")
    return process


def signals_reach_the_program_and_the_session_goes():
    script = "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    process = start("--quiet", "--device", "edu", "sh", "-c", script)
    expect(len(left()) == 1, left())
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    expect(process.returncode == 7 and out == "got\n", f"{process.returncode} {out}")
    expect(left() == [], left())

    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        process = start("--quiet", "sh", "-c", "echo ready; exec sleep 30")
        time.sleep(0.1)
        process.send_signal(number)
        process.communicate(timeout=30)
        expect(process.returncode == 128 + number, f"{number}: {process.returncode}")
        expect(left() == [], left())


def a_reader_that_goes_away_leaves_no_session():
    done = subprocess.run(["sh", "-c", f"{ringfence} run --device edu -- "
                           "sh -c 'seq 1000; sleep 0.3; seq 1000' 2>&1 | head -1"], env=environment,
                          stdout=subprocess.PIPE, text=True, timeout=60)
    expect(done.stdout == "1\n", done.stdout)
    for _ in range(100):
        if not left():
            return
        time.sleep(0.05)
    expect(False, left())


def a_killed_command_takes_its_program_along_and_is_cleaned_up_after():
    process = start("--quiet", "--device", "edu", "sh", "-c", "echo ready; echo $$; exec sleep 60")
    program = int(process.stdout.readline())
    process.kill()
    process.communicate(timeout=30)
    expect(len(left()) == 1, left())
    for _ in range(100):
        if not os.path.exists(f"/proc/{program}") or \
                open(f"/proc/{program}/stat").read().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        expect(False, "the program lives on")
    expect(command("run", "--quiet", "true").returncode == 0, "run")
    expect(left() == [], left())


def two_sessions_do_not_meet():
    script = "echo ready; read x; ls /sys/bus/pci/devices 2>/dev/null; echo $RINGFENCE_SESSION"
    runs = [subprocess.Popen([ringfence, "run", "--quiet", "--device", f"edu,addr=0000:0{i}:00.0",
                              "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, env=environment) for i in (3, 4)]
    out = [process.communicate("\n", timeout=30)[0].split() for process in runs]
    expect(out[0][1:2] == ["0000:03:00.0"] and out[1][1:2] == ["0000:04:00.0"], out)
    expect(out[0][2] != out[1][2] and left() == [], out)


def the_program_sees_the_machine():
    done = command("run", "--quiet", "--device", "edu", "--device", "nvme,size=1M", "sh", "-c",
                   "cat /sys/bus/pci/devices/*/vendor; readlink "
                   "/sys/bus/pci/devices/0000:02:00.0/iommu_group; ls /dev/vfio")
    expect(done.stdout == "0x1234\n0x1b36\n../../../kernel/iommu_groups/2\n1\n2\ndevices\nvfio\n",
           done.stdout + done.stderr)


def a_shared_object_is_a_model():
    shutil.copy(counter, "counter.so")
    for spec in ("./counter.so", "counter.so", counter):
        done = command("run", "--quiet", "--device", spec, "sh", "-c",
                       "cd /; cat /sys/bus/pci/devices/0000:01:00.0/device")
        expect(done.returncode == 0 and done.stdout == "0xc0de\n", done.stdout + done.stderr)
    done = command("devices", "./counter.so")
    expect(done.stdout.startswith("counter ") and done.returncode == 0, done.stdout + done.stderr)


def a_static_program_is_warned_about():
    done = subprocess.run(["cc", "-static", "-x", "c", "-o", "static", "-"],
                          input="int main(void) { return 4; }", text=True,
                          stderr=subprocess.PIPE)
    expect(done.returncode == 0, done.stderr)
    done = command("run", "--quiet", "./static")
    expect(done.returncode == 4, done.returncode)
    expect(done.stderr == "ringfence: ./static is statically linked: it will not see the "
           "machine\n", done.stderr)


def a_sanitized_driver_runs():
    source = os.path.join(os.path.dirname(script),
                          "../../../examples/edu/edu.c")
    for kind in ("address", "thread"):
        done = subprocess.run(["cc", f"-fsanitize={kind}", "-o", f"edu-{kind}", source],
                              stderr=subprocess.PIPE, text=True)
        expect(done.returncode == 0, done.stderr)
        done = command("run", "--quiet", "--device", "edu", f"./edu-{kind}", "0000:01:00.0")
        expect(done.returncode == 0 and done.stdout.endswith("ok\n") and done.stderr == "",
               f"{kind}: {done.returncode} {done.stdout} {done.stderr}")


def help_and_version_go_to_stdout():
    for args, word in ((["--help"], "usage: ringfence COMMAND"),
                       (["run", "--help"], "usage: ringfence run"),
                       (["devices", "--help"], "usage: ringfence devices"),
                       (["--version"], "ringfence 0.")):
        done = command(*args)
        expect(done.returncode == 0 and done.stdout.startswith(word) and done.stderr == "",
               f"{args}: {done.stdout} {done.stderr}")
    done = command()
    expect(done.returncode == 2 and done.stdout == "" and "usage:" in done.stderr, done.stderr)


def devices_lists_models_and_properties():
    done = command("devices")
    expect(re.search(r"^nvme +1b36:0010 +\S", done.stdout, re.M), done.stdout)
    expect(re.search(r"^  size=SIZE +\S", done.stdout, re.M), done.stdout)
    expect(re.search(r"^edu +1234:11e8 +\S", done.stdout, re.M), done.stdout)
    refused(["devices", "./none.so"], "devices: ./none.so: No such file or directory")


tests = [bad_command_lines_are_one_line_and_status_2, bad_devices_are_one_line_and_status_2,
         bad_machine_files_name_their_line, a_missing_program_is_told,
         bad_media_is_told_with_its_device, the_status_is_the_programs,
         output_and_input_are_the_programs, the_environment_is_ours_in_front_of_the_users,
         a_kept_session_can_be_joined, signals_reach_the_program_and_the_session_goes,
         a_reader_that_goes_away_leaves_no_session,
         a_killed_command_takes_its_program_along_and_is_cleaned_up_after,
         two_sessions_do_not_meet, the_program_sees_the_machine, a_shared_object_is_a_model,
         a_static_program_is_warned_about, a_sanitized_driver_runs, help_and_version_go_to_stdout,
         devices_lists_models_and_properties]
passed = tap.run(tests)
shutil.rmtree(scratch)
sys.exit(not passed)
