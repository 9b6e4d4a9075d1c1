#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""ringfence groups and topology, and driver binding in a session as programs do it.

usage: test_groups.py RINGFENCE TOPOLOGIES; prints TAP. With UPDATE_GOLDEN set in the
environment, writes what golden/ holds anew.
"""
import json
import os
import re
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


@test
def groups_of_firmware_have_names():
    lines = in_session("cat /sys/kernel/iommu_groups/*/name",
                       description=os.path.join(topologies, "power-pe.json"))
    same(sorted(lines), ["domain1-pe1", "domain1-pe4", "domain1-pe5"])
    same(in_session("ls /sys/kernel/iommu_groups/*/name 2>/dev/null"), [])


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


@test
def a_shell_unbinds_and_binds():
    for shell in ("bash", "dash"):
        same(in_session("""
            d=0000:02:00.0; cd /sys/bus/pci/devices/$d
            echo $d > driver/unbind; echo $?; test -e driver || echo gone; ls /dev/vfio
            echo vfio-pci > driver_override; cat driver_override
            echo $d > /sys/bus/pci/drivers_probe; echo $?; readlink driver; ls /dev/vfio
            grep DRIVER uevent; ls -d vfio-dev/*
            """, shell),
            ["0", "gone", "devices", "vfio", "vfio-pci", "0",
             "../../../../bus/pci/drivers/vfio-pci", "3", "devices", "vfio", "DRIVER=vfio-pci",
             "vfio-dev/vfio0"])


@test
def errors_are_the_kernels():
    lines = in_session("""
        d=0000:02:00.0; drivers=/sys/bus/pci/drivers
        echo $d > $drivers/igb/unbind                  # another driver's
        echo 0000:09:00.0 > $drivers/vfio-pci/unbind   # no such device
        echo $d > $drivers/vfio-pci/bind               # does not match, without override
        echo vfio-pci > /sys/bus/pci/devices/$d/driver_override
        echo $d > $drivers/vfio-pci/bind               # bound already
        echo x > $drivers/vfio-pci/new_id
        echo 8086 9999 > $drivers/vfio-pci/remove_id
        echo 8086 9999 > $drivers/vfio-pci/new_id
        echo 8086 9999 > $drivers/vfio-pci/new_id      # twice
        echo maybe > /sys/bus/pci/rescan
        echo vfio-pci > /sys/bus/pci/devices/0000:00:01.0/driver_override
        echo 0000:00:01.0 > $drivers/pcieport/unbind
        echo 0000:00:01.0 > $drivers/vfio-pci/bind     # a bridge
        """)
    same([line.split(": ")[-1] for line in lines],
         ["No such device", "No such device", "No such device", "Device or resource busy",
          "Invalid argument", "No such device", "File exists", "Invalid argument",
          "Invalid argument"])


@test
def attributes_that_cannot_be_read_refuse_root_too():
    lines = in_session("""
        cat /sys/bus/pci/drivers/vfio-pci/bind /sys/bus/pci/rescan \
            /sys/bus/pci/devices/0000:02:00.0/remove
        exec 3<> /sys/bus/pci/drivers/vfio-pci/unbind
        """)
    same([line.split(": ")[-1] for line in lines], ["Permission denied"] * 4)


@test
def the_type_of_a_groups_own_domain_is_chosen_as_linux_lets_it():
    lines = in_session("""
        cd /sys/kernel/iommu_groups
        g=$(basename $(readlink /sys/bus/pci/devices/0000:01:00.0/iommu_group))
        echo identity > $g/type; cat $g/type                # igb has it
        echo DMA-FQ > $g/type; cat $g/type
        echo 0000:01:00.0 > /sys/bus/pci/drivers/igb/unbind
        echo nonsense > $g/type; cat $g/type
        for type in identity DMA; do echo $type > $g/type && cat $g/type; done
        echo 8086 1533 > /sys/bus/pci/drivers/vfio-pci/new_id
        echo -n identity > $g/type && cat $g/type           # vfio-pci does not stand in the way
        echo auto > $g/type && cat $g/type
        echo DMA > $g/type; echo 8086 1533 > /sys/bus/pci/drivers/vfio-pci/remove_id
        echo 0000:01:00.0 > /sys/bus/pci/drivers/vfio-pci/unbind
        echo 0000:01:00.0 > /sys/bus/pci/drivers/igb/bind
        echo DMA-FQ > $g/type && cat $g/type                # the one change under a driver
        """)
    same([line.split(": ")[-1] for line in lines],
         ["Operation not permitted", "DMA-FQ", "Operation not permitted", "DMA-FQ",
          "Invalid argument", "DMA-FQ", "identity", "DMA", "identity", "DMA-FQ", "DMA-FQ"])


@test
def devices_without_an_id_are_told_apart_by_their_class():
    same(in_session("""
        cd /sys/bus/pci/devices; echo 1 > 0000:02:00.0/remove; echo 1 > 0000:01:00.0/remove
        echo 1 > ../rescan; for d in 0000:0[12]:00.0; do basename $(readlink $d/driver); done
        """, description=write("plain.json", {"topology": [
            {"address": "00:01.0", "below": [
                {"address": "01:00.0", "class": "ethernet", "driver": "ice"}]},
            {"address": "00:02.0", "below": [
                {"address": "02:00.0", "class": "nvme", "driver": "nvme"}]}], "devices": []})),
         ["ice", "nvme"])


@test
def programs_of_every_kind_get_their_errno():
    done = in_session("""
        u=/sys/bus/pci/drivers/igb/unbind
        /bin/echo 0000:09:00.0 > $u || echo echo
        printf 0000:09:00.0 > $u || echo printf
        printf 0000:09:00.0 | tee $u >/dev/null || echo tee
        printf 0000:09:00.0 | dd of=$u 2>/dev/null || echo dd
        printf 0000:09:00.0 | cat > $u || echo cat
        python3 -c 'import os; os.write(os.open("'$u'", os.O_WRONLY), b"x")' || echo python
        echo 0000:01:00.0 >> $u && echo appended
        test -e /sys/bus/pci/devices/0000:01:00.0/driver || echo unbound
        """)
    words = [line for line in done if re.fullmatch("[a-z]+", line)]
    same(words, ["echo", "printf", "tee", "dd", "cat", "python", "appended", "unbound"])


@test
def new_id_takes_devices_that_match():
    same(in_session("""
        echo 0000:01:00.0 > /sys/bus/pci/drivers/igb/unbind
        echo 8086 1533 > /sys/bus/pci/drivers/vfio-pci/new_id
        readlink /sys/bus/pci/devices/0000:01:00.0/driver
        echo 8086 1533 > /sys/bus/pci/drivers/vfio-pci/remove_id; echo $?
        """), ["../../../../bus/pci/drivers/vfio-pci", "0"])


@test
def built_in_ids_cannot_be_added():
    lines = in_session("""
        drivers=/sys/bus/pci/drivers
        echo 8086 1533 > $drivers/igb/new_id                               # a device of it
        echo 8086 1533 8086 0001 > $drivers/igb/new_id                     # part of one
        echo 8086 1533 8086 0001 0 0 0 > $drivers/igb/new_id; echo $?      # unless complete
        echo 1234 5678 ffffffff ffffffff 060400 ffffff > $drivers/pcieport/new_id  # its class
        echo 1234 5678 > $drivers/pcieport/new_id; echo $?
        echo 1234 5678 0 0 0 0 7 > $drivers/vfio-pci/new_id                # no such driver_data
        echo 1234 5678 0 0 0 0 0 > $drivers/vfio-pci/new_id; echo $?
        """)
    same([line.split(": ")[-1] for line in lines],
         ["File exists", "File exists", "0", "File exists", "0", "Invalid argument", "0"])


@test
def a_driver_takes_whatever_has_its_ids():
    same(in_session("""
        cd /sys/bus/pci/devices; readlink 0000:03:00.0/driver
        echo 0000:03:00.0 > ../drivers_probe; readlink 0000:03:00.0/driver
        """, description=write("twins.json", {"topology": [
            {"address": "00:01.0", "below": [
                {"address": "01:00.0", "id": "8086:1533", "class": "ethernet", "driver": "igb"}]},
            {"address": "00:02.0", "below": [{"address": "03:00.0", "id": "8086:1533",
                                              "class": "ethernet"}]}],
            "devices": []})),
         ["../../../../bus/pci/drivers/igb"])


@test
def removal_takes_what_is_below_and_rescan_brings_it_back():
    same(in_session("""
        echo 1 > /sys/bus/pci/devices/0000:00:02.0/remove
        ls /sys/bus/pci/devices /sys/kernel/iommu_groups; ls /dev/vfio
        echo 1 > /sys/bus/pci/rescan
        ls /sys/bus/pci/devices | wc -l; ls /sys/kernel/iommu_groups/3/devices
        readlink /sys/bus/pci/devices/0000:00:02.0/driver /sys/bus/pci/devices/0000:02:00.1/driver
        ls -d /sys/bus/pci/devices/0000:02:00.0/driver 2>/dev/null
        """), ["/sys/bus/pci/devices:", "0000:00:01.0", "0000:01:00.0", "",
               "/sys/kernel/iommu_groups:", "0", "2", "devices", "vfio", "5", "0000:02:00.0",
               "0000:02:00.1", "../../../bus/pci/drivers/pcieport",
               "../../../../bus/pci/drivers/other"])


viability = """
import fcntl, os, struct
def status():
    fd = os.open("/dev/vfio/3", os.O_RDWR)
    try:
        return struct.unpack("II", fcntl.ioctl(fd, 0x3b67, struct.pack("II", 8, 0)))[1]
    finally:
        os.close(fd)
def write(path, text):
    with open(path, "w") as f: f.write(text)
print(status())
write("/sys/bus/pci/drivers/other/unbind", "0000:02:00.1")
print(status())
write("/sys/bus/pci/drivers/other/bind", "0000:02:00.1\\n")
print(status())
write("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:02:00.0")
try: status()
except FileNotFoundError: print("no node")
"""


@test
def a_groups_viability_follows():
    write("viability.py", viability)
    same(in_session(f"{sys.executable} {scratch}/viability.py"), ["0", "1", "0", "no node"])


status_of_one_descriptor = """
import errno, fcntl, os, struct
def status():
    return struct.unpack("II", fcntl.ioctl(group, 0x3b67, struct.pack("II", 8, 0)))[1]
def write(path, text):
    with open(path, "w") as f: f.write(text)
def set_container():
    try: return fcntl.ioctl(group, 0x3b68, struct.pack("i", container))
    except OSError as e: return errno.errorcode[e.errno]
container = os.open("/dev/vfio/vfio", os.O_RDWR)
group = os.open("/dev/vfio/3", os.O_RDWR)
print(status(), set_container())
write("/sys/bus/pci/drivers/other/unbind", "0000:02:00.1")
print(status(), set_container() in (0, struct.pack("i", container)))
write("/sys/bus/pci/devices/0000:02:00.1/driver_override", "pcieport")
write("/sys/bus/pci/drivers/pcieport/bind", "0000:02:00.1")
write("/sys/bus/pci/drivers/pcieport/unbind", "0000:02:00.1")
write("/sys/bus/pci/devices/0000:02:00.1/driver_override", "\\n")
try: write("/sys/bus/pci/drivers/other/bind", "0000:02:00.1")
except OSError as e: print(errno.errorcode[e.errno])
"""


unbinding = """
import errno, fcntl, os, struct, time
def write(path, text):
    with open(path, "w") as f: f.write(text)
def bind_other():
    try: write("/sys/bus/pci/drivers/other/bind", "0000:02:00.1")
    except OSError as e: return errno.errorcode[e.errno]
write("/sys/bus/pci/drivers/other/unbind", "0000:02:00.1")
container = os.open("/dev/vfio/vfio", os.O_RDWR)
group = os.open("/dev/vfio/3", os.O_RDWR)
print(bind_other())
write("/sys/bus/pci/drivers/other/unbind", "0000:02:00.1")
fcntl.ioctl(group, 0x3b68, struct.pack("i", container))
fcntl.ioctl(container, 0x3b66, 1)
print(bind_other())
device = fcntl.ioctl(group, 0x3b6a, bytearray(b"0000:02:00.0\\0"), True)
start = time.monotonic()
try: write("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:02:00.0")
except OSError as e: print(errno.errorcode[e.errno], time.monotonic() - start > 2)
os.close(device)
write("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:02:00.0")
print(os.path.exists("/sys/bus/pci/devices/0000:02:00.0/driver"))
"""


@test
def only_what_is_open_or_claimed_keeps_drivers():
    write("unbinding.py", unbinding)
    same(in_session(f"{sys.executable} {scratch}/unbinding.py"),
         ["None", "EBUSY", "EBUSY True", "False"])


listening = """
import fcntl, os, select, struct, subprocess, sys, time
container, group = (os.open(f"/dev/vfio/{n}", os.O_RDWR) for n in ("vfio", "3"))
fcntl.ioctl(group, 0x3b68, struct.pack("i", container))
fcntl.ioctl(container, 0x3b66, 1)
device = fcntl.ioctl(group, 0x3b6a, bytearray(b"0000:02:00.0\\0"), True)
wish = os.eventfd(0)
if sys.argv[1] == "listens":
    fcntl.ioctl(device, 0x3b6e, struct.pack("5Ii", 24, 0x24, 4, 0, 1, wish))
start = time.monotonic()
shell = subprocess.Popen(["/bin/sh", "-c", "echo " + sys.argv[3] + " > " + sys.argv[2] +
                          " 2>/dev/null && echo let go || echo refused"])
print("asked" if select.select([wish], [], [], 3)[0] else "not asked", flush=True)
if sys.argv[1] == "listens":
    print(os.eventfd_read(wish), flush=True)
    os.close(device)
shell.wait()
print(time.monotonic() - start < 3, os.path.exists("/sys/bus/pci/devices/0000:02:00.0/driver"))
"""


@test
def a_program_that_listens_is_asked_to_let_go():
    write("listening.py", listening)
    run = f"{sys.executable} {scratch}/listening.py"
    drivers, devices = "/sys/bus/pci/drivers", "/sys/bus/pci/devices"
    open_board = dict(board, topology=[dict(port, below=[dict(d, driver="none") if d["address"]
                                                        == "02:00.1" else d
                                                        for d in port["below"]])
                                       for port in board["topology"]])
    path = write("open_board.json", open_board)
    address = "0000:02:00.0"
    same(in_session(f"{run} listens {drivers}/vfio-pci/unbind {address}", description=path),
         ["asked", "1", "let go", "True False"])
    same(in_session(f"{run} listens {devices}/{address}/remove 1", description=path),
         ["asked", "1", "let go", "True False"])
    same(in_session(f"{run} deaf {drivers}/vfio-pci/unbind {address}", description=path),
         ["not asked", "refused", "False True"])


@test
def an_open_groups_viability_follows():
    write("open_viability.py", status_of_one_descriptor)
    same(in_session(f"{sys.executable} {scratch}/open_viability.py"),
         ["0 EPERM", "1 True", "EBUSY"])


@test
def a_session_shows_its_groups_as_they_are_now():
    lines = in_session(f"""
        echo 0000:02:00.1 > /sys/bus/pci/drivers/other/unbind
        {ringfence} groups | awk '$1 == 3 {{ print $2, $3 }} /02:00.1/ {{ print $2 }}'
        """)
    same(lines, ["yes 0000:02:00.0", "-"])


@test
def virtual_functions_come_and_go():
    lines = in_session("""
        cd /sys/bus/pci/devices; pf=0000:01:00.0; vf=0000:01:10.0
        state() { echo $(cat $pf/sriov_numvfs) $(ls -d 0000:01:1* $pf/virtfn* 2>/dev/null); }
        echo 2 > $pf/sriov_numvfs            # there are 3
        echo 4 > $pf/sriov_numvfs
        echo 1 > $pf/enable
        echo 0 > $pf/sriov_numvfs; state
        echo 2 > $pf/sriov_numvfs; state; test -e $vf/driver || echo unbound
        echo vfio-pci > $vf/driver_override; echo $vf > ../drivers/vfio-pci/bind; echo $?
        echo $pf > $pf/driver/unbind; state
        echo 1 > $pf/sriov_numvfs
        echo 0 > $pf/enable
        echo 1 > $pf/enable; cat $pf/enable
        echo $pf > /sys/bus/pci/drivers/ixgbe/bind; echo 3 > $pf/sriov_numvfs; state
        echo 1 > $pf/remove; ls -d 0000:01:1* 2>/dev/null
        echo 1 > /sys/bus/pci/rescan; state
        """, description=machine("sriov"))
    same([line.split("write error: ")[-1] for line in lines],
         ["Device or resource busy", "Numerical result out of range", "Device or resource busy",
          "0", "2 0000:01:00.0/virtfn0 0000:01:00.0/virtfn1 0000:01:10.0 0000:01:10.2",
          "unbound", "0", "0", "No such file or directory", "Input/output error", "1",
          "3 0000:01:00.0/virtfn0 0000:01:00.0/virtfn1 0000:01:00.0/virtfn2 0000:01:10.0 "
          "0000:01:10.2 0000:01:10.4", "0"])


@test
def devbind_works():
    if not shutil.which("dpdk-devbind.py"):
        raise Skip("no dpdk-devbind.py")
    lines = in_session("""
        dpdk-devbind.py --status-dev net 2>/dev/null | grep 0000
        dpdk-devbind.py -b vfio-pci 0000:01:00.0 2>/dev/null; echo $?
        dpdk-devbind.py --status-dev net 2>/dev/null | grep 0000; ls /dev/vfio
        dpdk-devbind.py -b igb 0000:01:00.0 2>/dev/null
        dpdk-devbind.py --status 2>/dev/null | grep 0000
        """)
    same([re.search(r"drv=(\S+)", line).group(1) for line in lines if "drv=" in line],
         ["igb", "vfio-pci", "igb"])
    same([line for line in lines if "drv=" not in line], ["0", "2", "3", "devices", "vfio"])


passed = tap.run(tests)
shutil.rmtree(scratch)
sys.exit(not passed)
