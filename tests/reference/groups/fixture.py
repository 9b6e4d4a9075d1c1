# SPDX-License-Identifier: BSD-3-Clause
"""What a real Linux says of the PCI functions of a machine: kept as text, and as Ringfence reads it.

A fixture is a list of Function. As text it has, for each, a line with what /sys tells

    0000:01:00.0 size=4096 group=3 driver=pci-pf-stub physfn=- vendor=1b36 device=0010 class=010802

and then the lines of `hexdump` of its configuration space that are not all zero.
"""
import dataclasses
import hashlib
import json
import os
import re
import subprocess

BDF = re.compile(r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")


@dataclasses.dataclass
class Function:
    """One PCI function; group None, driver and physfn "" where there is none."""
    address: str
    config: bytes
    group: int
    driver: str
    physfn: str
    vendor: str
    device: str
    pci_class: str


def link(folder, name):
    path = f"{folder}/{name}"
    return os.path.basename(os.readlink(path)) if os.path.islink(path) else ""


def text(folder, name):
    with open(f"{folder}/{name}", encoding="ascii") as file:
        return file.read().strip().removeprefix("0x")


def from_sysfs(root):
    """The functions of a dumped /sys. ValueError where it contradicts itself."""
    functions = []
    for address in sorted(os.listdir(f"{root}/bus/pci/devices")):
        folder = f"{root}/bus/pci/devices/{address}"
        with open(f"{folder}/config", "rb") as file:
            config = file.read()
        group = link(folder, "iommu_group")
        functions.append(Function(address, config, int(group) if group else None,
                                  link(folder, "driver"), link(folder, "physfn"),
                                  text(folder, "vendor"), text(folder, "device"),
                                  text(folder, "class")))
    for group in os.listdir(f"{root}/kernel/iommu_groups"):
        members = [name for name in text(f"{root}/kernel/iommu_groups/{group}", "devices").split()
                   if BDF.match(name)]
        if members != [f.address for f in functions if f.group == int(group)]:
            raise ValueError(f"group {group} has {members} and they say otherwise")
    return functions


def to_text(functions, heading):
    lines = [f"# {line}" for line in heading]
    for f in functions:
        group = "-" if f.group is None else f.group
        lines.append(f"{f.address} size={len(f.config)} group={group} driver={f.driver or '-'} "
                     f"physfn={f.physfn or '-'} vendor={f.vendor} device={f.device} "
                     f"class={f.pci_class}")
        for at in range(0, len(f.config), 16):
            row = f.config[at:at + 16]
            if any(row):
                lines.append(f"{at:03x}: {row.hex(' ')}")
    return "\n".join(lines) + "\n"


def from_text(lines):
    functions = []
    for line in lines:
        words = line.split()
        if not words or words[0] == "#":
            continue
        if BDF.match(words[0]):
            said = dict(word.split("=") for word in words[1:])
            known = {key: "" if value == "-" else value for key, value in said.items()}
            functions.append(Function(words[0], bytes(int(known["size"])),
                                      int(known["group"]) if known["group"] else None,
                                      known["driver"], known["physfn"], known["vendor"],
                                      known["device"], known["class"]))
        else:
            at, row = int(words[0].rstrip(":"), 16), bytes.fromhex("".join(words[1:]))
            config = functions[-1].config
            functions[-1].config = config[:at] + row + config[at + len(row):]
    return functions


def load(path):
    with open(path, encoding="ascii") as file:
        return from_text(file)


def write_sysfs(functions, root):
    """The part of /sys that Ringfence reads."""
    for f in functions:
        folder = f"{root}/bus/pci/devices/{f.address}"
        os.makedirs(folder)
        with open(f"{folder}/config", "wb") as file:
            file.write(f.config)
        for name, value in (("vendor", f.vendor), ("device", f.device), ("class", f.pci_class)):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write(f"0x{value}\n")
        if f.driver:
            os.symlink(f"../../../bus/pci/drivers/{f.driver}", f"{folder}/driver")
        if f.physfn:
            os.symlink(f"../{f.physfn}", f"{folder}/physfn")
        if f.group is not None:
            os.symlink(f"../../../kernel/iommu_groups/{f.group}", f"{folder}/iommu_group")


def lspci(functions):
    """What `lspci -xxxx -nn -k -D` prints of them, as far as anybody reads it."""
    lines = []
    for f in functions:
        lines.append(f"{f.address} Class [{f.pci_class[:4]}]: Device [{f.vendor}:{f.device}]")
        if f.driver:
            lines.append(f"\tKernel driver in use: {f.driver}")
        lines += [f"{at:02x}: {f.config[at:at + 16].hex(' ')}"
                  for at in range(0, len(f.config), 16)]
        lines.append("")
    return "\n".join(lines) + "\n"


def linux_groups(functions):
    """Which functions are together: a sorted list of lists of addresses; those in no group alone,
    behind the word none."""
    together = {}
    for f in functions:
        together.setdefault(f.group, []).append(f.address)
    return as_said(together)


def as_said(together):
    return sorted(["none", *sorted(members)] if group is None else sorted(members)
                  for group, members in together.items())


def numbers(functions, ours):
    """Functions whose group has another number than on Linux, which counts as it finds them."""
    said = {address: number for number, members in ours.items() for address in members}
    return [f"{f.address}: group {f.group} on Linux, {said.get(f.address)} on Ringfence"
            for f in functions if f.group != said.get(f.address)]


def ringfence_groups(ringfence, *options):
    """{number or None: [address]} from `ringfence groups OPTION...`."""
    done = subprocess.run([ringfence, "groups", "--json", *options], capture_output=True, text=True,
                          timeout=60, check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip() or f"ringfence groups: status {done.returncode}")
    return {entry["group"]: [device["address"] for device in entry["devices"]]
            for entry in json.loads(done.stdout)["groups"]}


def without(groups, absent):
    """Without those functions, and without groups that had no other."""
    kept = [[address for address in group if address not in absent] for group in groups]
    return sorted(group for group in kept if group)


SHOW = """
for f in /sys/bus/pci/devices/*; do
	for link in iommu_group driver physfn; do
		[ -L $f/$link ] && basename "$(readlink $f/$link)" || echo -
	done
	md5sum <$f/config
done
"""


def session(ringfence, machine, functions, numbered):
    """What a program sees in /sys under `ringfence run`: lines for what is not as on Linux, but for
    groups: {number or None: [address]}."""
    done = subprocess.run([ringfence, "run", "--quiet", "--machine", machine, "--", "sh", "-c",
                           SHOW], capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout.split("\n")
    if done.returncode or len(said) != 4 * len(functions) + 1:
        raise ValueError(f"session: {done.stderr.strip() or 'not all functions are there'}")
    wrong, groups = [], {}
    for at, f in enumerate(functions):
        group, *others, config = said[4 * at:4 * at + 4]
        wanted = [f.driver or "-", f.physfn or "-"]
        if others != wanted:
            wrong.append(f"session: {f.address}: driver, physfn {others}, not {wanted}")
        if config.split()[0] != hashlib.md5(f.config).hexdigest():
            wrong.append(f"session: {f.address}: another configuration space")
        groups.setdefault(None if group == "-" else int(group), []).append(f.address)
    wrong += difference("session", linux_groups(functions), as_said(groups))
    return wrong + (numbers(functions, groups) if numbered else [])


def imported(ringfence, path, *options):
    """A machine file from `ringfence topology import OPTION...`."""
    done = subprocess.run([ringfence, "topology", "import", *options], check=False,
                          capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    with open(path, "w", encoding="utf-8") as file:
        file.write(done.stdout)
    return path


def differences(ringfence, functions, folder, numbered):
    """Groups as Ringfence computes them from the functions' configuration spaces, read in both ways
    that it has, and what a program sees: lines that say what differs from Linux; also numbers, if
    numbered, that is where no function came to Linux later than its neighbours. The folder is for
    files."""
    linux = linux_groups(functions)
    # What lspci prints does not tell which functions Linux translates nothing for.
    absent = ["none"] + [f.address for f in functions if f.group is None]
    write_sysfs(functions, f"{folder}/sys")
    with open(f"{folder}/lspci", "w", encoding="ascii") as file:
        file.write(lspci(functions))
    from_lspci = imported(ringfence, f"{folder}/lspci.json", f"{folder}/lspci")
    machine = imported(ringfence, f"{folder}/sysfs.json", "--sysfs", f"{folder}/sys")
    sysfs = ringfence_groups(ringfence, "--sysfs", f"{folder}/sys")
    listed = ringfence_groups(ringfence, "--machine", from_lspci)
    return (difference("sysfs", linux, as_said(sysfs)) +
            difference("lspci", without(linux, absent), without(as_said(listed), absent)) +
            (numbers(functions, sysfs) if numbered else []) +
            session(ringfence, machine, functions, numbered))


def difference(way, linux, ours):
    return ([f"{way}: only on Linux:     {' '.join(group)}" for group in linux
             if group not in ours] +
            [f"{way}: only on Ringfence: {' '.join(group)}" for group in ours
             if group not in linux])
