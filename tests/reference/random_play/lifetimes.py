# SPDX-License-Identifier: BSD-3-Clause
"""Descriptors copied, passed, inherited, closed in any order, with a look at what is left.

What a child opens itself belongs to another engine than what it inherited (container/children in
docs/differences.md), so children open nothing; and the first process, whose engine it is, does not
execute another program (device/executed).
"""
from .maker import common_memory

LOOKS = {
    "c": ["ioctl c VFIO_IOMMU_GET_INFO", "ioctl c VFIO_IOMMU_MAP_DMA flags=3 vaddr=m iova={n}M size=4K",
          "ioctl c VFIO_IOMMU_UNMAP_DMA iova={n}M size=4K", "ioctl c VFIO_CHECK_EXTENSION arg=1",
          "ioctl c VFIO_SET_IOMMU arg=3", "ioctl c VFIO_IOMMU_UNMAP_DMA flags=2"],
    "g": ["ioctl g VFIO_GROUP_GET_STATUS", "ioctl g VFIO_GROUP_UNSET_CONTAINER"],
    "h": ["ioctl h VFIO_GROUP_GET_STATUS", "ioctl h VFIO_GROUP_UNSET_CONTAINER"],
    "d": ["ioctl d VFIO_DEVICE_GET_INFO", "pread d 2 (7<<40)+4", "pread d 4 0",
          "ioctl d VFIO_DEVICE_RESET", "ioctl d VFIO_DEVICE_DETACH_IOMMUFD_PT",
          "ioctl d VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id=ioas",
          "ioctl d VFIO_DEVICE_SET_IRQS flags=0x24 index=1 count=1 u32[e]",
          "ioctl d VFIO_DEVICE_SET_IRQS flags=0x21 index=1 count=1"],
    "n": ["ioctl n VFIO_DEVICE_GET_INFO", "ioctl n VFIO_DEVICE_DETACH_IOMMUFD_PT",
          "ioctl n VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id=ioas", "pread n 2 (7<<40)+4"],
    "i": ["ioctl i IOMMU_IOAS_ALLOC", "ioctl i IOMMU_DESTROY id={n}",
          "ioctl i IOMMU_IOAS_MAP ioas_id=ioas flags=7 user_va=m length=4K iova={n}M",
          "ioctl i IOMMU_IOAS_UNMAP ioas_id=ioas iova={n}M length=4K",
          "ioctl i IOMMU_VFIO_IOAS op=0"],
    "e": ["wait e 0", "signal e"],
    "bar": ["peek bar u32", "poke bar+4 u32 5", "munmap bar 4K"],
}
MEMORY = ("MAP_DMA", "IOAS_MAP", "peek", "poke", "munmap")  # of no use after an exec


def name(mk):
    return mk.pick(mk.names)


def copy_name(mk, one):
    """A name that a copy of it may have."""
    return mk.pick([one, f"{one}2"])


def look(mk, inherited=False, after_exec=False):
    """An inherited mapping works only with its device's descriptor, which may be closed: a child
    leaves it alone (region/mapping-without-descriptor in docs/differences.md)."""
    one = name(mk)
    while inherited and one == "bar":
        one = name(mk)
    lines = [x for x in LOOKS[one] if not (after_exec and any(word in x for word in MEMORY))]
    line = mk.pick(lines or ["show 1"]).format(n=mk.rng.randint(1, 6))
    if one not in ("bar", "e") and mk.rng.random() < 0.3:
        line = line.replace(f"ioctl {one} ", f"ioctl {one}2 ").replace(f"pread {one} ", f"pread {one}2 ")
    mk.say(line)


def end(mk):
    one = name(mk)
    mk.say("munmap bar 4K" if one == "bar" else f"close {copy_name(mk, one)}")


def double(mk):
    one = name(mk)
    if one == "bar":
        mk.say("bar = mmap 4K fd=d")
        return
    way = mk.pick(["dup {}", "dup {}", "pass {}", "pass {} gone"])
    mk.say(f"{copy_name(mk, one)} = {way.format(copy_name(mk, one))}")


def over(mk):
    one, two = name(mk), name(mk)
    if "bar" not in (one, two):
        mk.say(f"dup2 {one} {copy_name(mk, two)}")


def reopen(mk):
    mk.say(mk.pick(mk.opens))


def child(mk):
    mk.say("fork")
    for _ in range(mk.rng.randint(1, 4)):
        if mk.rng.random() < 0.7:
            look(mk, True)
        else:
            end(mk)
    mk.say("end")


def executed(mk):
    mk.say("fork")
    mk.say("exec")
    for _ in range(mk.rng.randint(1, 4)):
        if mk.rng.random() < 0.7:
            look(mk, True, True)
        else:
            end(mk)
    mk.say("end")
    mk.say("end")


def beside(mk):
    """A thread, or a process that holds what it inherited while we go on."""
    kind = mk.pick(["thread", "spawn"])
    if kind == "spawn":
        mk.say("munmap bar 4K")  # or its device would be the child's, too
    mk.say(f"{kind} a")
    if kind == "spawn":
        mk.say("wait w 2000")
    for _ in range(mk.rng.randint(1, 3)):
        look(mk, kind == "spawn")
    mk.say("end")
    if kind == "thread":
        mk.say("join a")
        return
    for _ in range(mk.rng.randint(1, 3)):
        mk.pick([look, end, reopen])(mk)
    mk.say("signal w")
    mk.say("join a")
    look(mk)


def begin(mk):
    common_memory(mk)
    mk.say("w = eventfd")
    for one in ("c", "g", "h", "d", "n", "i", "e", "x"):
        mk.say(f"let {one} -1")
        mk.say(f"let {one}2 -1")
    mk.say("e = eventfd")
    mk.say("let bar 0")
    mk.say("let ioas 0")


def go_on(mk):
    mk.play([(look, 10), (end, 7), (double, 5), (over, 1), (reopen, 5), (child, 1), (executed, 1),
             (beside, 1)], 8, 32)


def life_group(mk):
    begin(mk)
    stand_in = mk.rng.random() < 0.3
    mk.names = ["c", "c", "g", "g", "h", "d", "d", "e", "bar"] + (["i"] if stand_in else [])
    first = "c = open iommu" if stand_in else "c = open container"
    mk.opens = [first, "g = open group:edu", "ioctl g VFIO_GROUP_SET_CONTAINER fd=c",
                "g2 = open group:edu", "h = open group:nvme", "ioctl h VFIO_GROUP_SET_CONTAINER fd=c",
                "d = ioctl g VFIO_GROUP_GET_DEVICE_FD str=edu",
                "d2 = ioctl g VFIO_GROUP_GET_DEVICE_FD str=edu", "ioctl c VFIO_SET_IOMMU arg=1",
                "ioctl g VFIO_GROUP_SET_CONTAINER fd=c2", "pwrite d (7<<40)+4 u16 6",
                "bar = mmap 4K fd=d"]
    for line in (first, "i = dup c" if stand_in else "let i -1", "g = open group:edu",
                 "ioctl g VFIO_GROUP_SET_CONTAINER fd=c", "ioctl c VFIO_SET_IOMMU arg=3",
                 "d = ioctl g VFIO_GROUP_GET_DEVICE_FD str=edu", "pwrite d (7<<40)+4 u16 6",
                 "bar = mmap 4K fd=d"):
        mk.say(line)
    go_on(mk)


def life_cdev(mk):
    begin(mk)
    mk.names = ["i", "i", "d", "d", "n", "e", "bar"]
    mk.opens = ["i = open iommu", "d = open cdev:edu", "n = open cdev:nvme", "d2 = open cdev:edu",
                "ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i",
                "ioctl d2 VFIO_DEVICE_BIND_IOMMUFD iommufd=i",
                "ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i2",
                "ioctl n VFIO_DEVICE_BIND_IOMMUFD iommufd=i", "g = open group:edu", "close g",
                "ioctl i IOMMU_IOAS_ALLOC out_ioas_id>ioas", "pwrite d (7<<40)+4 u16 6",
                "bar = mmap 4K fd=d"]
    for line in ("i = open iommu", "d = open cdev:edu", "n = open cdev:nvme",
                 "ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i",
                 "ioctl i IOMMU_IOAS_ALLOC out_ioas_id>ioas",
                 "ioctl d VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id=ioas", "pwrite d (7<<40)+4 u16 6",
                 "bar = mmap 4K fd=d"):
        mk.say(line)
    go_on(mk)
