#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's user-space NVMe driver, unmodified, against the nvme model.

usage: test_qemu.py RINGFENCE; prints TAP.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

ringfence = sys.argv[1]
scratch = tempfile.mkdtemp(prefix="ringfence-test-")


def run(devices, command, machine=None, quiet=False):
    args = [ringfence, "run"] + (["--quiet"] if quiet else [])
    for device in devices:
        args += ["--device", device]
    if machine:
        args += ["--machine", machine]
    return subprocess.run(args + ["--"] + command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=240)


def check(condition, done):
    tap.expect(condition, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")


def path(name):
    return os.path.join(scratch, name)


def random_file(name, size):
    with open(path(name), "wb") as f:
        f.write(os.urandom(size))
    return path(name)


def same(a, b):
    return subprocess.run(["cmp", a, b]).returncode == 0


NVME = "nvme://0000:01:00.0/1"


def qemu_io_writes_and_reads_back_64_mib():
    done = run(["nvme,size=1G"], ["qemu-io", "-f", "raw", NVME, "-c", "write -P 0x5a 0 64M",
                                  "-c", "read -P 0x5a 0 64M"])
    check(done.returncode == 0, done)
    check("wrote 67108864/67108864 bytes at offset 0" in done.stdout, done)
    check("read 67108864/67108864 bytes at offset 0" in done.stdout, done)
    check("Pattern verification failed" not in done.stdout, done)


def qemu_io_sees_a_wrong_pattern():
    done = run(["nvme,size=1G"], ["qemu-io", "-f", "raw", NVME, "-c", "write -P 0x5a 0 1M",
                                  "-c", "read -P 0xa5 0 1M"])
    check("Pattern verification failed" in done.stdout, done)


def qemu_io_odd_offsets_and_lengths():
    done = run(["nvme,size=1G"], ["qemu-io", "-f", "raw", NVME,
                                  "-c", "write -P 1 512 1536", "-c", "write -P 2 4k 300k",
                                  "-c", "write -P 3 1023M 1M", "-c", "read -P 1 512 1536",
                                  "-c", "read -P 2 4k 300k", "-c", "read -P 3 1023M 1M",
                                  "-c", "read -P 0 0 512", "-c", "writev -P 4 8M 4k 8k 512",
                                  "-c", "readv -P 4 8M 512 4k 8k"])
    check(done.returncode == 0, done)
    check("failed" not in done.stdout, done)


def qemu_io_write_zeroes_discard_flush():
    done = run(["nvme,size=1G"], ["qemu-io", "-f", "raw", "-d", "unmap", NVME,
                                  "-c", "write -P 7 0 1M", "-c", "write -z 64k 64k",
                                  "-c", "discard 256k 64k", "-c", "flush",
                                  "-c", "read -P 7 0 64k", "-c", "read -P 0 64k 64k",
                                  "-c", "read -P 7 128k 128k"])
    check(done.returncode == 0, done)
    check("failed" not in done.stdout, done)


def qemu_img_convert_there_and_back():
    source = random_file("in.raw", 96 << 20)
    disk = path("convert.img")
    done = run([f"nvme,file={disk},size=96M"],
               ["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, NVME])
    check(done.returncode == 0, done)
    done = run([f"nvme,file={disk}"],
               ["qemu-img", "convert", "-f", "raw", "-O", "raw", NVME, path("out.raw")])
    check(done.returncode == 0, done)
    check(same(source, path("out.raw")), done)
    check(same(source, disk), done)


def qemu_img_convert_in_one_session():
    source = random_file("in1.raw", 32 << 20)
    done = run(["nvme,size=32M"],
               ["sh", "-c", f"qemu-img convert -n -f raw -O raw {source} {NVME}"])
    check(done.returncode == 0, done)


def qemu_img_bench_depth_64():
    for flags in ([], ["-w"]):
        for cache in ("none", "writeback"):
            done = run(["nvme,size=1G"], ["qemu-img", "bench", "-f", "raw", "-t", cache, "-c",
                                          "20000", "-d", "64", "-s", "4096"] + flags + [NVME])
            check(done.returncode == 0, done)
            check("Run completed" in done.stdout, done)


def qemu_img_bench_depth_1():
    done = run(["nvme,size=1G"], ["qemu-img", "bench", "-f", "raw", "-t", "none", "-c", "5000",
                                  "-d", "1", NVME])
    check("Run completed" in done.stdout, done)


def memory_media_are_the_session_s():
    done = run(["nvme,size=64M"],
               ["sh", "-c", f"qemu-io -f raw -c 'write -P 0x5a 1M 4M' {NVME} && "
                f"qemu-io -f raw -c 'read -P 0x5a 1M 4M' -c 'read -P 0 8M 1M' "
                f"-c 'discard 1M 2M' {NVME} && "
                f"qemu-io -f raw -c 'read -P 0x5a 3M 2M' {NVME}"])
    check(done.returncode == 0 and "failed" not in done.stdout, done)


def file_media_survive_between_runs():
    disk = path("disk.img")
    done = run([f"nvme,file={disk},size=64M"], ["qemu-io", "-f", "raw", NVME,
                                                "-c", "write -P 0x3c 1M 4M", "-c", "flush"])
    check(done.returncode == 0, done)
    done = run([f"nvme,file={disk}"], ["qemu-io", "-f", "raw", NVME, "-c", "read -P 0x3c 1M 4M",
                                       "-c", "read -P 0 5M 1M"])
    check(done.returncode == 0 and "failed" not in done.stdout, done)
    check(os.path.getsize(disk) == 64 << 20, done)


def two_devices_at_once():
    source = random_file("two.raw", 32 << 20)
    one, two = path("one.img"), path("two.img")
    shutil.copy(source, one)
    done = run([f"nvme,file={one}", f"nvme,file={two},size=32M"],
               ["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", NVME,
                "nvme://0000:02:00.0/1"])
    check(done.returncode == 0, done)
    check(same(source, two), done)


def two_programs_one_device_is_busy():
    done = run(["nvme,size=64M"],
               ["sh", "-c", f"qemu-io -f raw {NVME} -c 'sleep 1500' & sleep 0.5; "
                f"qemu-io -f raw {NVME} -c 'read 0 4k'; first=$?; wait; "
                f"qemu-io -f raw {NVME} -c 'read 0 4k'; echo first=$first second=$?"])
    check("first=1 second=0" in done.stdout, done)
    check("Device or resource busy" in done.stderr, done)


def summary_counts_what_happened():
    done = run(["nvme,size=64M"], ["qemu-io", "-f", "raw", NVME, "-c", "write 0 1M"])
    check(re.search(r"mapping", done.stderr), done)
    check(re.search(r"interrupt", done.stderr), done)
    done = run(["nvme,size=64M"], ["qemu-io", "-f", "raw", NVME, "-c", "write 0 1M"], quiet=True)
    check(done.stderr == "", done)


def the_program_s_exit_status_is_ours():
    check(run([], ["sh", "-c", "exit 7"]).returncode == 7, run([], ["true"]))
    done = run([], ["sh", "-c", "kill -TERM $$"])
    check(done.returncode == 128 + 15, done)


def nothing_is_left_behind():
    place = path("tmp")
    os.mkdir(place)
    env = dict(os.environ, TMPDIR=place)
    env.pop("XDG_RUNTIME_DIR", None)
    done = subprocess.run([ringfence, "run", "--device", "nvme,size=64M", "--", "sh", "-c",
                           f"ls -A {place}; qemu-io -f raw {NVME} -c 'write 0 1M'"], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check(done.returncode == 0 and "ringfence" in done.stdout, done)
    check(os.listdir(place) == [], done)


tests = [
    qemu_io_writes_and_reads_back_64_mib,
    qemu_io_sees_a_wrong_pattern,
    qemu_io_odd_offsets_and_lengths,
    qemu_io_write_zeroes_discard_flush,
    qemu_img_convert_there_and_back,
    qemu_img_convert_in_one_session,
    qemu_img_bench_depth_64,
    qemu_img_bench_depth_1,
    memory_media_are_the_session_s,
    file_media_survive_between_runs,
    two_devices_at_once,
    two_programs_one_device_is_busy,
    summary_counts_what_happened,
    the_program_s_exit_status_is_ours,
    nothing_is_left_behind,
]
try:
    passed = tap.run(tests)
finally:
    shutil.rmtree(scratch)
sys.exit(not passed)
