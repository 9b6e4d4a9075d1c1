# SPDX-License-Identifier: BSD-3-Clause
"""Devices: attachment, regions, configuration space, interrupts."""
from .maker import common_memory
from .spaces import (ioas_alloc, ioas_allow, ioas_copy, ioas_destroy, ioas_map, ioas_option,
                     ioas_ranges, ioas_unmap)


def device_attach(mk):
    mk.say(f"ioctl d VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id={mk.ident('ioas', 'hwpt')}")


def device_detach(mk):
    mk.say("ioctl d VFIO_DEVICE_DETACH_IOMMUFD_PT")


def device_hwpt(mk):
    mk.say(f"ioctl i IOMMU_HWPT_ALLOC flags={mk.often([0], [1, 2, 4])} dev_id={mk.often([1], [2, 3])} "
           f"pt_id={mk.ident('ioas', 'hwpt')}")
    mk.made("hwpt")


def device_bind(mk):
    mk.say(mk.pick(["close d", "d = open cdev:edu", "ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i",
                    "ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i2", "g = open group:edu", "close g",
                    "d2 = open cdev:edu", "close d2"]))


def cdev(mk):
    common_memory(mk)
    mk.say("let g -1")
    mk.say("let d2 -1")
    mk.say("i2 = open iommu")
    mk.say("i = open iommu")
    mk.say("d = open cdev:edu")
    mk.say("ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i")
    mk.made("idev")
    ioas_alloc(mk)
    mk.play([(ioas_map, 10), (ioas_unmap, 6), (ioas_copy, 4), (ioas_ranges, 2), (ioas_allow, 1),
             (ioas_destroy, 2), (ioas_alloc, 2), (device_attach, 6), (device_detach, 2),
             (device_hwpt, 3), (device_bind, 1), (ioas_option, 1)])
    mk.say("ioctl i IOMMU_IOAS_UNMAP ioas_id=2 iova=0 length=-1")


# ---- two of them, and two iommufds --------------------------------------------


def pair_device(mk):
    return mk.pick(["d", "d", "n"])


def pair_attach(mk):
    target = mk.pick(["one", "two", "h", "h2", mk.ident("ioas", "hwpt")])
    mk.say(f"ioctl {pair_device(mk)} VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id={target}")


def pair_detach(mk):
    mk.say(f"ioctl {pair_device(mk)} VFIO_DEVICE_DETACH_IOMMUFD_PT")


def pair_table(mk):
    mk.say(f"ioctl {mk.often(['i'], ['i2'])} IOMMU_HWPT_ALLOC flags={mk.often([0], [1, 2])} "
           f"dev_id={mk.pick(['dev', 'dev2', mk.ident('idev')])} pt_id={mk.pick(['one', 'two', 'h'])} "
           f"out_hwpt_id>{mk.pick(['h', 'h2'])}")
    mk.made("hwpt")


def pair_map(mk):
    mk.say(f"ioctl {mk.often(['i'], ['i2'])} IOMMU_IOAS_MAP ioas_id={mk.pick(['one', 'two'])} "
           f"flags={mk.often([7, 6], [5, 3])} user_va={mk.memory()} "
           f"length={mk.often(['4K', '64K', '1M'], ['2K', '0'])} iova={mk.iova()}")


def pair_unmap(mk):
    iova, length = mk.pick([("0", "-1"), (mk.iova(), mk.size())])
    mk.say(f"ioctl i IOMMU_IOAS_UNMAP ioas_id={mk.pick(['one', 'two'])} iova={iova} length={length}")


def pair_destroy(mk):
    mk.say(f"ioctl {mk.often(['i'], ['i2'])} IOMMU_DESTROY "
           f"id={mk.pick(['one', 'two', 'h', 'h2', 'dev', 'dev2'])}")


def pair_bind(mk):
    mk.say(mk.pick(["close n", "close d", "n = open cdev:nvme", "d = open cdev:edu", "close i2",
                    "i2 = open iommu", "i2 = dup i", "n = pass n gone",
                    "ioctl n VFIO_DEVICE_BIND_IOMMUFD iommufd=i out_devid>dev2",
                    "ioctl n VFIO_DEVICE_BIND_IOMMUFD iommufd=i2 out_devid>dev2",
                    "ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i2 out_devid>dev",
                    "ioctl i2 IOMMU_IOAS_ALLOC out_ioas_id>two"]))


def pair_info(mk):
    mk.say(mk.pick(["ioctl i IOMMU_GET_HW_INFO dev_id=dev", "ioctl i IOMMU_GET_HW_INFO dev_id=dev2",
                    "ioctl i IOMMU_HWPT_SET_DIRTY_TRACKING hwpt_id=h flags=1",
                    "ioctl i IOMMU_HWPT_GET_DIRTY_BITMAP hwpt_id=h length=64K page_size=4K data=b",
                    "ioctl i IOMMU_VFIO_IOAS op=1 ioas_id=one", "ioctl i IOMMU_VFIO_IOAS op=0",
                    "ioctl i IOMMU_IOAS_COPY flags=7 dst_ioas_id=two src_ioas_id=one length=4K "
                    "dst_iova=4K src_iova=0",
                    "ioctl i IOMMU_IOAS_ALLOC out_ioas_id>two"]))


def pair_ranges(mk):
    mk.say("fill b 128 1")
    mk.say(f"ioctl i IOMMU_IOAS_IOVA_RANGES ioas_id={mk.pick(['one', 'two'])} num_iovas=5 "
           "allowed_iovas=b")
    mk.say("hash b 128")


def cdev_pair(mk):
    common_memory(mk)
    for line in ("i2 = open iommu", "i = open iommu", "d = open cdev:edu", "n = open cdev:nvme",
                 "ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i out_devid>dev",
                 f"ioctl n VFIO_DEVICE_BIND_IOMMUFD iommufd={mk.pick(['i', 'i', 'i2'])} out_devid>dev2",
                 "ioctl i IOMMU_IOAS_ALLOC out_ioas_id>one",
                 f"ioctl {mk.pick(['i', 'i', 'i2'])} IOMMU_IOAS_ALLOC out_ioas_id>two",
                 "let h 0", "let h2 0"):
        mk.say(line)
    mk.made("idev", "idev", "ioas", "ioas")
    mk.play([(pair_attach, 10), (pair_detach, 2), (pair_table, 6), (pair_map, 8), (pair_unmap, 4),
             (pair_destroy, 3), (pair_bind, 2), (pair_info, 2), (pair_ranges, 2)], 6, 30)
    mk.say("ioctl i IOMMU_IOAS_UNMAP ioas_id=one length=-1")


# ---- regions, configuration space --------------------------------------------

# What of it belongs to something: config/gaps
CONFIG = {"edu": [(0, 0x4d)], "nvme": [(0, 0x4b), (0x60, 0x67), (0x80, 0xbb)]}


def config_access(mk):
    first, last = mk.pick(CONFIG[mk.device])
    where = mk.often([mk.rng.randint(first, last), first + mk.pick([0, 2, 4])],
                     [4, 6, 0x10, 0x14, 0x3c, 0x30])
    kind, size, values = mk.pick([("u8", 1, 0xff), ("u16", 2, 0xffff), ("u32", 4, 0xffffffff)])
    if mk.rng.random() < 0.4:
        size = mk.pick([1, 2, 3, 4, 8])
        if any(first <= where and where + size - 1 <= last for first, last in CONFIG[mk.device]):
            mk.say(f"pread d {size} (7<<40)+{where:#x}")
        return
    if not any(first <= where and where + size - 1 <= last for first, last in CONFIG[mk.device]):
        return
    value = mk.pick([0, values, mk.rng.randint(0, values), 6])
    mk.say(f"pwrite d (7<<40)+{where:#x} {kind} {value:#x}")


def config_extended(mk):
    mk.say(mk.pick(["pread d 4 (7<<40)+0x100", "pwrite d (7<<40)+0x100 u32 -1",
                    "pread d 16 (7<<40)+0xff8", "pread d 4 (7<<40)+0x1000", "pread d 300 7<<40",
                    "ioctl d VFIO_DEVICE_RESET"])
           if mk.device == "nvme" else "ioctl d VFIO_DEVICE_RESET")


def region_access(mk):
    # QEMU's edu keeps its registers for the next who opens it, so none of those is read
    off = mk.pick(["0", "1M-4", "1M", "1M-2", "0xa0", "-1", "1<<40", "6<<40", "8<<40", "9<<40"])
    if mk.rng.random() < 0.7:
        mk.say(f"pread d {mk.pick([1, 2, 3, 4])} {off}")
    else:
        mk.say(f"pwrite d 4 u32 {mk.rng.randint(0, 99)}")


def region_map(mk):
    mk.say(f"x = mmap {mk.pick(['4K', '1M', '8K', '2M', '100'])} fd=d "
           f"off={mk.pick(['0', '4K', '1M-4K', '1M', '1<<40', '7<<40', '9<<40', '1'])} "
           f"{mk.pick(['', 'r', 'private', 'none'])}".strip())


def irq_set(mk):
    data = mk.pick([1, 2, 4, 4, 4, 0])
    act = mk.pick([8, 16, 32, 32, 32, 32])
    index = mk.often([0, 1, 2, 3, 4], [5, -1])
    start = mk.often([0, 0, 0, 1, 2], [64, 65, -1])
    count = mk.often([1, 1, 1, 0, 2], [3, 65, 1000])
    items = {1: "", 2: f" u8[{mk.pick(['1', '0'])},{mk.pick(['1', '0'])},1]",
             4: f" u32[{mk.pick(['e', 'f', '-1'])},{mk.often(['e', 'f'], ['-1', '999', 'c'])},e]", 0: ""}
    # what unmasks INTx must not be what it signals: whether that is read first is a matter of time
    what = items[data].translate({ord("e"): "w", ord("f"): "w"}) if act == 16 else items[data]
    mk.say(f"ioctl d VFIO_DEVICE_SET_IRQS flags={data | act:#x} index={index} start={start} "
           f"count={count}{what}")


def irq_disable(mk):
    mk.say(f"ioctl d VFIO_DEVICE_SET_IRQS flags=0x21 index={mk.rng.randint(0, 4)} count=0")


def irq_trigger(mk):
    mk.say(f"ioctl d VFIO_DEVICE_SET_IRQS flags=0x21 index={mk.rng.randint(0, 4)} "
           f"start={mk.pick([0, 0, 1, 2])} count=1")
    mk.say("wait e 0")
    mk.say("wait f 0")


def irq_info(mk):
    mk.say(f"ioctl d VFIO_DEVICE_GET_IRQ_INFO index={mk.rng.randint(0, 6)} "
           f"argsz={mk.rng.randint(0, 20)} room=20")
    mk.say(f"ioctl d VFIO_DEVICE_GET_REGION_INFO index={mk.rng.randint(0, 10)} "
           f"argsz={mk.rng.randint(0, 64)} room=64")


def irq_ioeventfd(mk):
    mk.say(f"ioctl d VFIO_DEVICE_IOEVENTFD flags={mk.often([4], [1, 2, 8, 3])} "
           f"offset={mk.pick(['4', '8', '0x80', '1', '1M', '1<<40'])} data={mk.pick([1, 2])} "
           f"fd={mk.pick(['k', 'k', '-1'])}")


def device_feature(mk):
    """The payload of whatever it is: descriptors, flags, sizes, ranges.

    Nobody waits for w: the guest's kernel, without power management, never wakes a device.
    """
    payload = mk.pick(["", "", " u32[w,0]", " u32[-1,0]", " u32[w,1]", " u64[0]", " u64[4096]",
                       " u32[4096,1] u64[b]", " u64[0,64K,4K,b]", " u32[0,0,0,0]", " u32[1]"])
    mk.say(f"ioctl d VFIO_DEVICE_FEATURE flags=({mk.rng.randint(0, 7)}<<16)|{mk.rng.randint(0, 12)}"
           f"{payload}")


def hot_reset(mk):
    if mk.rng.random() < 0.4:
        mk.say(f"ioctl d VFIO_DEVICE_GET_PCI_HOT_RESET_INFO argsz={mk.pick([12, 20, 28, 64, 8, 0])} "
               "room=64")
        return
    who = mk.pick(["", " u32[g]", " u32[c]", " u32[-1]", " u32[g,g]", " u32[d]", " u32[e]"])
    mk.say(f"ioctl d VFIO_DEVICE_PCI_HOT_RESET flags={mk.often([0], [1])} "
           f"count={mk.often([who.count(',') + 1 if who else 0], [0, 1, 2, 65536])}{who}")


def device_start(mk, name):
    mk.device = name
    mk.say("b = mmap 64K")
    mk.say("c = open container")
    mk.say(f"g = open group:{name}")
    mk.say("ioctl g VFIO_GROUP_SET_CONTAINER fd=c")
    mk.say("ioctl c VFIO_SET_IOMMU arg=3")
    mk.say(f"d = ioctl g VFIO_GROUP_GET_DEVICE_FD str={name}")
    mk.say("e = eventfd")
    mk.say("f = eventfd")
    mk.say("k = eventfd")
    mk.say("w = eventfd")


def regions(mk):
    device_start(mk, "edu")
    mk.say("pwrite d (7<<40)+4 u16 6")
    mk.play([(config_access, 8), (region_access, 4), (region_map, 2), (hot_reset, 1),
             (device_feature, 1)])
    mk.say("pread d 64 7<<40")
    mk.say("pread d 14 (7<<40)+0x40")


def config_nvme(mk):
    device_start(mk, "nvme")
    mk.play([(config_access, 16), (config_extended, 1), (hot_reset, 1), (device_feature, 1),
             (irq_set, 2)], 8, 40)
    mk.say("pread d 64 7<<40")
    mk.say("pread d 12 (7<<40)+0x40")
    mk.say("pread d 8 (7<<40)+0x60")
    mk.say("pread d 60 (7<<40)+0x80")


IRQ_ACTIONS = [(irq_set, 10), (irq_disable, 2), (irq_trigger, 4), (irq_info, 1), (irq_ioeventfd, 1),
               (device_feature, 1), (hot_reset, 1)]


def irqs(mk):
    device_start(mk, "edu")
    mk.play(IRQ_ACTIONS)
    mk.say("pread d 14 (7<<40)+0x40")


def irqs_msix(mk):
    device_start(mk, "nvme")
    mk.play([*IRQ_ACTIONS, (config_access, 1), (config_extended, 1)])
    mk.say("pread d 12 (7<<40)+0x40")
    mk.say("pread d 60 (7<<40)+0x80")
