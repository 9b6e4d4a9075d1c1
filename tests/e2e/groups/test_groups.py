#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""ringfence groups and topology: what they show, draw, explain and import.

usage: test_groups.py RINGFENCE TOPOLOGIES; prints TAP. With UPDATE_GOLDEN set in the
environment, writes what golden/ holds anew.
"""
import json
import os
import re
import shutil
import sys
import tempfile

from rig import (command, expect, expected, golden, groups, in_session, machine, refused,
                 ringfence, run_tests, said, same, scratch, Skip, test, topologies, write)


@test
def topologies_have_their_groups():
    names = sorted(n[:-5] for n in os.listdir(topologies) if n.endswith(".json"))
    expect(len(names) >= 7, names)
    for name in names:
        same(groups("--machine", machine(name)), expected(name))


@test
def a_table_shows_groups_drivers_and_viability():
    lines = said("groups", "--machine", machine("nic-no-acs")).splitlines()
    same(lines[0].split(), ["GROUP", "VIABLE", "ADDRESS", "DRIVER", "DEVICE"])
    same([line.split()[:4] for line in lines[1:3]],
         [["0", "yes", "0000:00:01.0", "pcieport"], ["1", "no", "0000:01:00.0", "mlx5_core"]])
    same(lines[3].split()[:2], ["0000:01:00.1", "mlx5_core"])
    expect(all(re.search(r"\[[0-9a-f]{4}:[0-9a-f]{4}\]$", line) for line in lines[1:]), lines)


@test
def json_says_what_each_device_is():
    shown = json.loads(said("groups", "--json", "--machine", machine("sriov")))
    device = shown["groups"][4]["devices"][0]
    same({k: device[k] for k in ("address", "id", "driver", "parent", "class", "kind")},
         {"address": "0000:01:10.0", "id": "8086:10ed", "driver": "vfio-pci",
          "parent": "0000:00:03.0", "class": "020000", "kind": "PCIe endpoint"})
    same([g["viable"] for g in shown["groups"]],
         [True, True, False, False, True, True, True, False, True, True])


@test
def why_names_the_port_its_bits_and_who_has_which_driver():
    text = " ".join(said("groups", "--machine", machine("server-switch"), "--why",
                         "05:00.1").split())
    for words in ("It is in group 5.", "0000:02:02.0", "RR CR", "What it would take to split it",
                  "0000:05:00.0 is bound to ice: bind it to vfio-pci, or to nothing."):
        expect(words in text, f"{words!r} is not in {text!r}")
    text = " ".join(said("groups", "--machine", machine("server-switch"), "--why",
                         "0000:03:00.0").split())
    expect("is alone" in text and "Yes: no device of its group" in text, text)


@test
def why_explains_a_group_that_is_only_described():
    text = " ".join(said("groups", "--device", "edu,group=7", "--why", "01:00.0").split())
    expect("It is in group 7." in text and "description" in text, text)
    text = said("groups", "--device", "edu,group=none", "--why", "01:00.0")
    expect("can never be given away" in text, text)


@test
def drawings_hold_every_function():
    for option, sign in (("--dot", "digraph"), ("--svg", "<svg")):
        text = said("groups", option, "--machine", machine("desktop"))
        expect(text.startswith(sign), text[:80])
        for addresses in expected("desktop").values():
            for address in addresses:
                expect(address in text, f"{address} is not in {option}")
    import xml.dom.minidom
    document = xml.dom.minidom.parseString(said("groups", "--svg", "--machine",
                                                machine("desktop")))
    same(len(document.getElementsByTagName("g")), 12)


@test
def what_is_printed_is_what_it_was():
    """Every form of output, to the byte, of a machine whose ids no database knows."""
    os.chdir(golden)
    try:
        for name, args in (("table.txt", []), ("groups.json", ["--json"]),
                           ("groups.dot", ["--dot"]), ("groups.svg", ["--svg"]),
                           ("why-port.txt", ["--why", "02:00.1"]),
                           ("why-bridge.txt", ["--why", "0000:04:01.0"]),
                           ("why-alone.txt", ["--why", "01:00.0"]),
                           ("why-none.txt", ["--why", "00:1f.0"])):
            text = said("groups", "--machine", "machine.json", *args)
            if "UPDATE_GOLDEN" in os.environ:
                write(name, text)
            with open(name) as f:
                same(text, f.read())
    finally:
        os.chdir(scratch)


def functions(shown):
    """{address: (group, its JSON)}, in the order shown."""
    return {d["address"]: (g["group"], d) for g in shown["groups"] for d in g["devices"]}


def each_topology():
    for name in sorted(n[:-5] for n in os.listdir(topologies) if n.endswith(".json")):
        yield machine(name), json.loads(said("groups", "--json", "--machine", machine(name)))
    path = f"{golden}/machine.json"
    yield path, json.loads(said("groups", "--json", "--machine", path))


@test
def the_table_says_what_json_says():
    for path, shown in each_topology():
        group, rows = None, []
        for line in said("groups", "--machine", path).splitlines()[1:]:
            words = line.split()
            if not line.startswith("         "):
                group, viable = words.pop(0), words.pop(0)
            rows.append((group, viable, words[0], words[1], line[-10:-1]))
        same(rows, [("none" if g["group"] is None else str(g["group"]),
                     "-" if g["group"] is None else "yes" if g["viable"] else "no",
                     d["address"], d["driver"] or "-", d["id"])
                    for g in shown["groups"] for d in g["devices"]])
        for g in shown["groups"]:
            harmless = all(d["driver"] in (None, "vfio-pci", "pci-stub", "pcieport")
                           for d in g["devices"])
            same(g["viable"], g["group"] is not None and harmless)


def same_partition(groups_of, colours, path):
    """Functions have one colour just when they are in one group."""
    same(set(colours), set(groups_of))
    pairs = {(groups_of[a], colours[a]) for a in colours}
    same((path, len(pairs)), (path, len(set(colours.values()))))
    same((path, len(pairs)), (path, len(set(groups_of.values()))))


@test
def dot_says_what_json_says():
    for path, shown in each_topology():
        all_ = functions(shown)
        text = said("groups", "--dot", "--machine", path)
        colours = dict(re.findall(r'^\t"([0-9a-f:.]+)" \[fillcolor="(#\w+)"', text, re.M))
        same_partition({a: g for a, (g, d) in all_.items()}, colours, path)
        edges = dict(reversed(e) for e in re.findall(r'^\t"([^"]+)" -> "([^"]+)";', text, re.M))
        same(edges, {a: d["parent"] or "bus " + a[:-5] for a, (g, d) in all_.items()})


@test
def svg_says_what_json_says():
    import xml.dom.minidom
    for path, shown in each_topology():
        all_ = functions(shown)
        document = xml.dom.minidom.parseString(said("groups", "--svg", "--machine", path))
        colours, places = {}, set()
        for g in document.getElementsByTagName("g"):
            address = g.getElementsByTagName("title")[0].firstChild.data.split()[0]
            box, badge = g.getElementsByTagName("rect")
            number = [t.firstChild.data for t in g.getElementsByTagName("text")
                      if t.getAttribute("class") == "g"]
            same(number, ["\N{EN DASH}" if all_[address][0] is None else str(all_[address][0])])
            colours[address] = box.getAttribute("fill")
            places.add((box.getAttribute("x"), int(box.getAttribute("y"))))
        same_partition({a: g for a, (g, d) in all_.items()}, colours, path)
        same(len(places), len(all_))
        for x, y in places:  # a box is 50 high
            expect(not any(x == x2 and 0 < abs(y - y2) < 50 for x2, y2 in places), (path, x, y))
        lines = [p for p in document.getElementsByTagName("path")]
        same(len(lines), len(all_))


@test
def why_is_told_of_every_function():
    for path, shown in each_topology():
        groups_ = {g["group"]: g for g in shown["groups"]}
        for address, (group, d) in functions(shown).items():
            text = said("groups", "--machine", path, "--why", address)
            same(text.splitlines()[0].split()[0], address)
            if group is None:
                expect("It is in no group" in text and "\nWith it" not in text, text)
                continue
            expect(f"It is in group {group}." in text and "\nWhy:\n  * " in text, text)
            others = re.findall(r"^  ([0-9a-f:.]{12,})  ", text.partition("\nWith it")[2], re.M)
            same(others, [o["address"] for o in groups_[group]["devices"]
                          if o["address"] != address])
            expect(("\n  Yes" in text) == groups_[group]["viable"], text)
            # who is not alone is told why, and everybody's reasons are said once
            alone = "is alone" in " ".join(text.split())
            expect("partitionable" in text or alone == (len(groups_[group]["devices"]) == 1), text)
            points = [" ".join(p.split()) for p in re.split(r"^  \* |\n\n", text, flags=re.M)]
            points = [p for p in points if p]
            same(len(points), len(set(points)))


@test
def a_remedy_for_two_reasons_is_said_once():
    path = write("siblings.json", {"topology": [{"address": "00:01.0", "acs": True, "below": [
        {"address": f"01:00.{n}"} for n in range(4)]}]})
    text = said("groups", "--machine", path, "--why", "01:00.2")
    why, split = text.partition("\nWith it")[0].split("What it would take to split it:\n")
    same(why.count("  * "), 3)
    same(" ".join(split.split()), "* none: the functions of 0000:01:00 are one device, which does "
         "not keep them apart.")


no_model = """
import errno, os, sys
try: os.open("/dev/vfio/1", os.O_RDWR)
except OSError as e: print(errno.errorcode[e.errno])
"""


@test
def a_group_that_is_only_described_cannot_be_opened():
    path = write("described.json", {"topology": [{"address": "00:01.0", "acs": True, "below": [
        {"address": "01:00.0", "driver": "vfio-pci"}]}]})
    write("no_model.py", no_model)
    lines = in_session(f"{sys.executable} {scratch}/no_model.py", description=path)
    same(sorted(lines), ["ENODEV", "ringfence: /dev/vfio/1: 0000:01:00.0 is described but has no "
                         "model; add --device MODEL,addr=0000:01:00.0"])


@test
def ten_thousand_devices_take_less_than_a_second():
    roots = [{"address": f"{d:04x}:00:{b // 8:02x}.{b % 8}", "bus": b + 1, "acs": True, "below": [
        {"address": f"{s:02x}.0"} for s in range(2)]} for d in range(14) for b in range(240)]
    path = write("large.json", {"topology": roots})
    # timed twice, as a busy machine is no slow program
    import time
    best = 60
    for _ in range(3):
        start = time.monotonic()
        text = said("groups", "--machine", path)
        best = min(best, time.monotonic() - start)
    same(len(text.splitlines()), 14 * 240 * 3 + 1)
    print(f"# 10,080 functions in {best:.2f} s")
    expect(best < 1, f"{best:.1f} s")


@test
def bad_command_lines_are_one_line():
    refused(["groups", "x"], "groups: what is 'x' for? See 'ringfence groups --help'")
    refused(["groups", "--jsno"], "groups: unknown option '--jsno' (did you mean '--json'?)")
    refused(["groups", "--json", "--svg"], "groups: choose one of --json, --dot and --svg")
    refused(["groups", "--device", "edu", "--host"], "groups: --machine or --device, --session, "
            "--sysfs and --host exclude each other")
    refused(["groups", "--device", "edu", "--why", "09:00.0"],
            "groups: --why 09:00.0: there is no such device")
    refused(["groups", "--device", "edu", "--why", "x"],
            "groups: --why x: expected an address like 0000:01:00.0")
    refused(["groups", "--sysfs", "/nowhere"],
            "/nowhere/bus/pci/devices: No such file or directory")
    refused(["topology"], "topology: what to do? See 'ringfence topology --help'")
    refused(["topology", "imprt"], "topology: cannot 'imprt' (did you mean 'import'?); see "
            "'ringfence topology --help'")
    refused(["topology", "import", "/nowhere"], "/nowhere: No such file or directory")


def dump(config):
    return "".join("%02x: %s\n" % (i, " ".join("%02x" % b for b in config[i:i + 16]))
                   for i in range(0, len(config), 16))


def config(vendor, device, bridge=0, size=256):
    bytes_ = bytearray(4096)
    bytes_[0:4] = vendor.to_bytes(2, "little") + device.to_bytes(2, "little")
    bytes_[6] = 0x10
    bytes_[0x34], bytes_[0x40], bytes_[0x42] = 0x40, 0x10, 0x42 if bridge else 2
    bytes_[0xa:0xc] = b"\x04\x06" if bridge else b"\x00\x02"
    if bridge:
        bytes_[0xe], bytes_[0x19], bytes_[0x1a] = 1, bridge, bridge
    if bridge and size == 4096:
        bytes_[0x100:0x108] = b"\x0d\x00\x01\x00\x1d\x00\x1d\x00"
    return bytes(bytes_[:size])


def printed(size):
    return ("00:01.0 PCI bridge [0604]: Port [1b36:000c]\n\tKernel driver in use: pcieport\n" +
            dump(config(0x1b36, 0xc, bridge=1, size=4096)) + "\n" +
            "01:00.0 Ethernet controller [0200]: NIC [8086:1533]\n\tKernel driver in use: igb\n" +
            dump(config(0x8086, 0x1533, size=size)) + "\n")


saved, whole = printed(256), printed(4096)


@test
def what_lspci_printed_becomes_a_machine():
    text = said("topology", "import", write("saved.txt", whole))
    same(text, said("topology", "import", "-", stdin=whole))
    same(groups("--machine", write("imported.json", text)),
         {0: ["0000:00:01.0"], 1: ["0000:01:00.0"]})
    shown = json.loads(said("groups", "--json", "--machine", "imported.json"))
    same(shown["groups"][1]["devices"][0]["driver"], "igb")


@test
def a_file_that_was_cut_is_refused():
    refused(["topology", "import", write("cut.txt", saved[:-20])],
            "cut.txt:277: 0000:01:00.0: cut short: line f0 has 10 of 16 bytes")
    refused(["topology", "import", write("cut.txt", saved[:-53])],
            "cut.txt:276: 0000:01:00.0: its configuration space is cut short after 240 bytes")
    refused(["topology", "import", write("cut.txt", saved)],
            "cut.txt:277: 0000:01:00.0: cut short after 256 of 4096 bytes, or saved with -xxx")


@test
def garbage_is_refused():
    refused(["topology", "import", write("garbage.txt", "MZ\x90")],
            "garbage.txt:1: not what lspci prints: \"MZ\\xc2\\x90\"")
    refused(["topology", "import", write("empty.txt", "")],
            "empty.txt: no device in it: expected the output of lspci -xxxx")


def make_sysfs(size):
    """A copy of a host's /sys with what the kernel thinks of it."""
    root = tempfile.mkdtemp(dir=scratch)
    devices = os.path.join(root, "bus/pci/devices")
    for address, bytes_, group in (("0000:00:01.0", config(0x1b36, 0xc, 1, size), 0),
                                   ("0000:01:00.0", config(0x8086, 0x1533, 0, size), 1)):
        os.makedirs(os.path.join(devices, address))
        with open(os.path.join(devices, address, "config"), "wb") as f:
            f.write(bytes_)
        for name, value in (("vendor", bytes_[0:2]), ("device", bytes_[2:4])):
            with open(os.path.join(devices, address, name), "w") as f:
                f.write(f"0x{int.from_bytes(value, 'little'):04x}\n")
        os.symlink(f"../../../../kernel/iommu_groups/{group}",
                   os.path.join(devices, address, "iommu_group"))
    return root


@test
def a_host_is_compared_with_its_kernel():
    text = said("groups", "--sysfs", make_sysfs(4096))
    expect("has the same groups" in text, text)


@test
def what_has_no_group_on_a_host_has_none_here():
    root = make_sysfs(4096)
    os.unlink(f"{root}/bus/pci/devices/0000:01:00.0/iommu_group")
    same(groups("--sysfs", root), {0: ["0000:00:01.0"], None: ["0000:01:00.0"]})
    text = said("groups", "--sysfs", root, "--why", "01:00.0")
    expect("no IOMMU above it" in text, text)
    imported = write("ungrouped.json", said("topology", "import", "--sysfs", root))
    same(groups("--machine", imported), {0: ["0000:00:01.0"], None: ["0000:01:00.0"]})
    shutil.rmtree(root)


@test
def what_only_root_can_read_is_said():
    root = make_sysfs(64)
    text = said("groups", "--sysfs", root)
    for words in ("first 64 bytes", "sudo lspci -xxxx", "groups otherwise",
                  "0000:01:00.0  here in group 0, on this host in group 1"):
        expect(words in text, f"{words!r} is not in {text}")
    done = command("topology", "import", "--sysfs", root)
    same(done.returncode, 0)
    expect("first 64 bytes" in done.stderr and "root" in done.stderr, done.stderr)
    json.loads(done.stdout)


@test
def this_host_can_be_looked_at():
    if not os.path.isdir("/sys/bus/pci/devices") or not os.listdir("/sys/bus/pci/devices"):
        raise Skip("no PCI devices here")
    shown = {d for g in groups("--host").values() for d in g}
    same(shown, set(os.listdir("/sys/bus/pci/devices")))


run_tests()
