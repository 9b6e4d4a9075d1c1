# SPDX-License-Identifier: BSD-3-Clause
"""Calls as no program makes them: numbers nobody knows, structures too short, too long, with
something behind them, in memory that ends or cannot be written, sent to the wrong descriptor."""
import re

from . import containers, devices, faults, mock, spaces
from .maker import Maker, common_memory

# What a descriptor is asked for, each made by what makes it elsewhere.
CONTAINER = [containers.type1_map, containers.type1_unmap, containers.type1_unmap_bitmap,
             containers.type1_dirty, containers.type1_get_dirty, containers.type1_info]
GROUP = ["ioctl g VFIO_GROUP_GET_STATUS", "ioctl g VFIO_GROUP_SET_CONTAINER fd=c"]
DEVICE = [devices.irq_set, devices.irq_info, devices.irq_ioeventfd, devices.device_feature,
          devices.hot_reset, devices.device_attach, devices.device_detach]
IOMMUFD = [spaces.ioas_alloc, spaces.ioas_map, spaces.ioas_unmap, spaces.ioas_copy,
           spaces.ioas_ranges, spaces.ioas_allow, spaces.ioas_destroy, spaces.ioas_option,
           containers.compat_ioas, faults.queue, mock.hwpt_alloc, mock.hwpt_tracking,
           mock.hwpt_bitmap, mock.mock_hw_info, mock.hwpt_invalidate]
DESCRIPTORS = ["c", "g", "d", "i", "v", "e", "h"]
# Ioctls that give a descriptor are called by their names only: numbers are not compared. And
# IOMMU_IOAS_MAP_FILE, and a flag of IOMMU_GET_HW_INFO, are of newer kernels (iommufd/map-file).
UNASKED = {0x3b6a, 0x3b8e, 0x3b8a, 0x3b8f, 0x3b90, 0x3b92, 0x3ba0}


def number(mk):
    low = mk.rng.randint(0x3b60, 0x3bb0)
    while low in UNASKED:
        low = mk.rng.randint(0x3b60, 0x3bb0)
    high = mk.often([0], [1 << 30, 2 << 30, (3 << 30) | (8 << 16), 4 << 16, (1 << 30) | (24 << 16),
                          1 << 32, -1 << 32], 0.7)
    return f"{(high | low) & (1 << 64) - 1:#x}"


def unknown(mk):
    """Of a structure only the size is known; or not even that."""
    fd = mk.pick(DESCRIPTORS)
    size = mk.pick([0, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80])
    if mk.rng.random() < 0.4:
        mk.say(f"ioctl {fd} {number(mk)} arg={mk.often([0, 1], [-1, 'm', 'hole', 'r'])}")
        return
    values = [str(mk.often([size], [0, 7, -1, 4096]))]
    values += [str(mk.often([0, 0, 1], [2, 3, -1])) for _ in range(mk.rng.randint(0, 5))]
    mk.say(f"ioctl {fd} {number(mk)} room={max(size, 4)} u32[{','.join(values)}]")


def wrong(mk, line):
    """The line, with something wrong about its structure or its descriptor."""
    size = "size" if re.search(r" IOMMU_| TEST/", line) else "argsz"
    if "GROUP_SET_CONTAINER" in line:
        size = "fd"  # which is all that it takes
    n = mk.often([4, 8, 12, 16, 20, 24, 28, 32, 40, 48], [0, 1, 3, 7, 56, 64, 100, 4096, -1])
    room = mk.often([n, n, 64, 96], [4, 8, 16])
    tail = mk.pick(["u32[0]", "u32[1]", "u64[0,0]", "u64[0,1]", "u8[0,0,1]", f"u32[{n},-1]"])
    how = mk.rng.random()
    if " room=" in line or "[" in line:
        how = max(how, 0.5)
    if how < 0.3 and isinstance(room, int) and 0 < room <= 4096:
        return f"{re.sub(f' {size}=[^ ]*', '', line)} {size}={n} room={room}"
    if how < 0.5:
        return f"{line} {tail}"
    if how < 0.6:
        return f"{line} readonly"
    if how < 0.7:
        bare = re.search(r"^.*\bioctl \S+ \S+", line)[0]  # there is no structure to put fields in
        return f"{bare} arg={mk.pick([0, 1, -1, -4096, 'hole', 'r', 'm'])}"
    if how < 0.85:
        return re.sub(r"\bioctl \w+", f"ioctl {mk.pick(DESCRIPTORS)}", line, count=1)
    return line


def known(mk):
    other = Maker(mk.rng)
    other.ids, other.last_id = mk.ids, mk.last_id
    made = mk.pick([*CONTAINER, *DEVICE, *IOMMUFD, *GROUP])
    if isinstance(made, str):
        other.say(made)
    else:
        made(other)
    for line in other.lines:
        mk.say(wrong(mk, line) if "ioctl" in line else line)


def doors(mk):
    mk.say(mk.pick(["close h", "h = open group:nvme", "h = open container", "h = dup i", "h = dup c",
                    "h = open cdev:nvme", "h = memfd 4K"]))


def calls(mk):
    common_memory(mk)
    for name in ("e", "f", "k", "w"):
        mk.say(f"{name} = eventfd")
    mk.say("h = open container")
    mk.say("v = open cdev:nvme")
    mk.say("i = open iommu")
    mk.say("ioctl v VFIO_DEVICE_BIND_IOMMUFD iommufd=i")
    mk.made("idev")
    spaces.ioas_alloc(mk)
    mk.say("c = open container")
    mk.say("g = open group:edu")
    mk.say("ioctl g VFIO_GROUP_SET_CONTAINER fd=c")
    mk.say(f"ioctl c VFIO_SET_IOMMU arg={mk.pick([1, 3])}")
    mk.say("d = ioctl g VFIO_GROUP_GET_DEVICE_FD str=edu")
    mk.play([(known, 12), (unknown, 8), (doors, 1)], 8, 40)
