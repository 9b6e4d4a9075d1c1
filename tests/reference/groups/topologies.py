# SPDX-License-Identifier: BSD-3-Clause
"""Boots real Linux on each machine of topologies.json and compares its groups with Ringfence's."""
import concurrent.futures
import json
import os
import subprocess
import tarfile
import tempfile

from . import fixture

HERE = os.path.dirname(os.path.abspath(__file__))
BOOT_SECONDS = 90


def table():
    with open(f"{HERE}/topologies.json", encoding="utf-8") as file:
        return json.load(file)


def recorded(name):
    return f"{HERE}/{name}.fixture"


def numbered(topology):
    """Whether Linux met all functions at boot, in their order: only then do numbers mean anything."""
    return "sriov" not in topology and "bind" not in topology


def command(topology, kernel, out):
    """The words of reference-boot."""
    words = ["scripts/reference-boot", "--kernel", kernel, "--out", out, "--cpus", "1",
             "--memory", "512M", "--timeout", str(BOOT_SECONDS), "--each", str(BOOT_SECONDS),
             "--iommu", topology.get("iommu", "intel")]
    for number in range(topology.get("media", 0)):
        words += ["--qemu", f"-blockdev null-co,node-name=n{number},size=16777216,read-zeroes=on"]
    for device in topology["devices"]:
        words += ["--device", device]
    if "serial" in topology:
        words += ["--serial", topology["serial"]]
    for word in topology.get("append", []):
        words += ["--append", word]
    words += ["--file", f"{HERE}/dump:dump", "--", "dump"]
    words += ["all"] if topology.get("bind") == "all" else []
    for address, count in topology.get("sriov", {}).items():
        words += [f"0000:{address}", str(count)]
    return words


def record(topology, kernel, folder):
    """Boot it: (functions, Linux's version). Raises ValueError with what went wrong."""
    out = f"{folder}/boot"
    done = subprocess.run(command(topology, kernel, out), capture_output=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.decode("utf-8", "replace").strip())
    with tarfile.open(f"{out}/stdout") as archive:
        archive.extractall(f"{folder}/dump")
    with open(f"{folder}/dump/linux", encoding="ascii") as file:
        version = file.read().strip()
    return fixture.from_sysfs(f"{folder}/dump/sys"), version


def check(topology, kernel, ringfence, recording):
    """One topology: the lines that tell what is wrong; none when all is well."""
    name = topology["name"]
    with tempfile.TemporaryDirectory(prefix="reference-") as folder:
        try:
            functions, version = record(topology, kernel, folder)
            linux = fixture.linux_groups(functions)
            wrong = fixture.differences(ringfence, functions, folder, numbered(topology))
        except (ValueError, OSError, subprocess.SubprocessError) as error:
            return [str(error)]
    if recording:
        heading = [topology["about"], f"Linux {version} in QEMU"]
        with open(recorded(name), "w", encoding="ascii") as file:
            file.write(fixture.to_text(functions, heading))
    if not os.path.exists(recorded(name)):
        wrong.append("not recorded yet: reference.py --record")
    elif fixture.linux_groups(fixture.load(recorded(name))) != linux:
        wrong.append(f"Linux does not answer as it was recorded in {recorded(name)}")
    return wrong


def run(kernel, ringfence, only, recording, tell):
    """All of the table, or those named in only; tell(result, name, lines) for each."""
    chosen = [topology for topology in table() if not only or topology["name"] in only]
    # QEMU emulates with as many threads as the guest has processors: one.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(check, topology, kernel, ringfence, recording) for topology in chosen]
        for topology, job in zip(chosen, jobs):
            wrong = job.result()
            tell("failed" if wrong else "passed", f"topology {topology['name']}", wrong)
