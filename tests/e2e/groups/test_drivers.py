#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Driver binding, and groups as /sys of a session shows them, as programs use it.

usage: test_drivers.py RINGFENCE TOPOLOGIES; prints TAP.
"""
import os
import re
import shutil
import sys

from rig import (Skip, board, in_session, machine, ringfence, run_tests, same, scratch, test,
                 topologies, write)


@test
def groups_of_firmware_have_names():
    lines = in_session("cat /sys/kernel/iommu_groups/*/name",
                       description=os.path.join(topologies, "power-pe.json"))
    same(sorted(lines), ["domain1-pe1", "domain1-pe4", "domain1-pe5"])
    same(in_session("ls /sys/kernel/iommu_groups/*/name 2>/dev/null"), [])


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
import errno, fcntl, os, struct, threading, time
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
threading.Timer(0.5, os.close, [device]).start()
start = time.monotonic()
write("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:02:00.0")
print(time.monotonic() - start > 0.4)
print(os.path.exists("/sys/bus/pci/devices/0000:02:00.0/driver"))
"""


@test
def only_what_is_open_or_claimed_keeps_drivers():
    write("unbinding.py", unbinding)
    same(in_session(f"{sys.executable} {scratch}/unbinding.py"),
         ["None", "EBUSY", "True", "False"])


listening = """
import fcntl, os, select, signal, struct, subprocess, sys, time
how, attribute, text = sys.argv[1:]
container, group = (os.open(f"/dev/vfio/{n}", os.O_RDWR) for n in ("vfio", "3"))
fcntl.ioctl(group, 0x3b68, struct.pack("i", container))
fcntl.ioctl(container, 0x3b66, 1)
device = fcntl.ioctl(group, 0x3b6a, bytearray(b"0000:02:00.0\\0"), True)
wish = os.eventfd(0)
if how != "deaf":
    fcntl.ioctl(device, 0x3b6e, struct.pack("5Ii", 24, 0x24, 4, 0, 1, wish))
start = time.monotonic()
shell = subprocess.Popen(["/bin/sh", "-c", f"echo {text} > {attribute} && echo let go"])
def asked(seconds):
    return bool(select.select([wish], [], [], seconds)[0]) and os.eventfd_read(wish)
print("asked", asked(3), flush=True)
if how == "stubborn":
    print("asked again", asked(60), time.monotonic() - start > 9, shell.poll(), flush=True)
if how == "deaf":
    shell.send_signal(signal.SIGINT)
else:
    os.close(device)
shell.wait()
print(shell.returncode, os.path.exists("/sys/bus/pci/devices/0000:02:00.0/driver"))
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
    waits = f"ringfence: {address} is open: waiting until its program lets go of it"
    same(in_session(f"{run} listens {drivers}/vfio-pci/unbind {address}", description=path),
         ["asked 1", "let go", "0 False"])
    same(in_session(f"{run} listens {devices}/{address}/remove 1", description=path),
         ["asked 1", "let go", "0 False"])
    # it waits for as long as it takes, and asks again every ten seconds; but it can be killed
    same(in_session(f"{run} stubborn {drivers}/vfio-pci/unbind {address}", description=path),
         ["asked 1", waits, "asked again 1 True None", "let go", "0 False"])
    same(in_session(f"{run} deaf {drivers}/vfio-pci/unbind {address}", description=path),
         ["asked False", "-2 True"])


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


run_tests()
