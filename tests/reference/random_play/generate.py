# SPDX-License-Identifier: BSD-3-Clause
"""Sequences of calls at random, as scripts of the player.

The same seed and number give the same sequence, whatever else is generated. Values come from
few choices, so that calls meet: mappings overlap, ids are those of objects, ranges end where
others begin. Each line stands alone: it names descriptors that the first lines open, and
objects by their numbers; so any line can be left out, which is what shrinking does.
"""
import random

PAGE = 4096
IOVAS = ["0", "4K", "8K", "64K", "68K", "128K", "1M", "2M", "2M+4K", "4M", "1G", "0xfee00000",
         "0xfedff000", "0xfef00000", "(1<<39)-4K", "(1<<39)-64K", "1<<39", "1<<48", "-4096", "-1",
         "1", "2K", "4095"]
MOCK = 0x1000000
SIZES = ["4K", "8K", "12K", "64K", "60K", "128K", "1M", "0", "1", "2K", "4095", "-1", "-4096"]


class Maker:
    def __init__(self, rng):
        self.rng = rng
        self.lines = []
        self.ids = {}
        self.last_id = 0

    def made(self, *kinds):
        """An object of each kind, if the call succeeds: a guess at its id, for later calls."""
        for kind in kinds:
            self.last_id += 1
            self.ids.setdefault(kind, []).append(self.last_id)

    def ident(self, *kinds):
        """The id of something of these kinds, now and then of anything or nothing."""
        known = [i for kind in kinds for i in self.ids.get(kind, [])]
        if known and self.rng.random() < 0.85:
            return self.pick(known)
        return self.often(range(1, 9), [0, 9, 99, -1], 0.9)

    def say(self, line):
        self.lines.append(line)

    def pick(self, choices):
        return self.rng.choice(choices)

    def often(self, usual, seldom, chance=0.85):
        """One of the usual values, now and then of the others."""
        return self.pick(usual if self.rng.random() < chance else seldom)

    def iova(self):
        return self.often(IOVAS[:11], IOVAS[11:])

    def size(self):
        return self.often(SIZES[:7], SIZES[7:])

    def memory(self):
        return self.often(["m", "m+4K", "m+64K", "m+128K", "m+1M", "p", "p+64K"],
                          ["m+2K", "m+1", "r", "0", "-4096", "hole", "hole+32K"])

    def play(self, actions, least=4, most=24):
        names = [a for a, weight in actions for _ in range(weight)]
        for _ in range(self.rng.randint(least, most)):
            self.pick(names)(self)


def common_memory(mk):
    mk.say("m = mmap 4M")
    mk.say("p = mmap 1M private")
    mk.say("r = mmap 64K r private")
    mk.say("hole = mmap 128K")
    mk.say("mprotect hole+64K 4K none")  # unmapped, something else might come to lie there
    mk.say("b = mmap 64K")


# ---- type1 ------------------------------------------------------------------


def type1_map(mk):
    flags = mk.often([3, 3, 3, 1, 2], [0, 4, 5, 7, 8, -1])
    mk.say(f"ioctl c VFIO_IOMMU_MAP_DMA flags={flags} vaddr={mk.memory()} iova={mk.iova()} "
           f"size={mk.size()}")


def type1_unmap(mk):
    flags = mk.often([0], [1, 2, 3, 4, 6, 8])
    whole = flags in (2, 6) and mk.rng.random() < 0.7
    iova, size = ("0", "0") if whole else (mk.iova(), mk.size())
    mk.say(f"ioctl c VFIO_IOMMU_UNMAP_DMA flags={flags} iova={iova} size={size}")


def type1_unmap_bitmap(mk):
    mk.say(f"ioctl c VFIO_IOMMU_UNMAP_DMA/bitmap flags=1 iova={mk.iova()} size={mk.size()} "
           f"bitmap.pgsize={mk.often(['4K'], ['8K', '0', '2M'])} "
           f"bitmap.size={mk.often(['32', '8', '4K'], ['1', '0', '31'])} bitmap.data=b")


def type1_dirty(mk):
    mk.say(f"ioctl c VFIO_IOMMU_DIRTY_PAGES flags={mk.often([1, 1, 2], [0, 3, 4, 8])}")


def type1_get_dirty(mk):
    # what it writes is asked by scripts: Linux adds bits of former times
    mk.say(f"ioctl c VFIO_IOMMU_DIRTY_PAGES/get flags=4 iova={mk.iova()} size={mk.size()} "
           f"bitmap.pgsize={mk.often(['4K'], ['8K', '0'])} "
           f"bitmap.size={mk.often(['32', '8', '64'], ['1', '0', '4K'])} bitmap.data=b")


def type1_info(mk):
    mk.say(f"ioctl c VFIO_IOMMU_GET_INFO argsz={mk.rng.randint(0, 140)} room=140 fill=0xa5")


GROUP_CALLS = ["ioctl g VFIO_GROUP_GET_STATUS", "ioctl h VFIO_GROUP_GET_STATUS",
               "ioctl h VFIO_GROUP_SET_CONTAINER fd=c", "ioctl h VFIO_GROUP_UNSET_CONTAINER",
               "ioctl g VFIO_GROUP_UNSET_CONTAINER", "ioctl g VFIO_GROUP_SET_CONTAINER fd=c",
               "ioctl c VFIO_SET_IOMMU arg=1", "ioctl c VFIO_SET_IOMMU arg=3"]


def type1_group(mk):
    mk.say(mk.pick(GROUP_CALLS + [
        "d = ioctl g VFIO_GROUP_GET_DEVICE_FD str=edu", "close d", "close h",
        "h = open group:nvme", "close c", "c = open container"]))


def type1_extension(mk):
    mk.say(f"ioctl c VFIO_CHECK_EXTENSION arg={mk.rng.randint(0, 12)}")


def type1_child(mk):
    mk.say("fork")
    mk.pick([type1_map, type1_unmap, type1_info])(mk)
    mk.say("end")


def type1(mk):
    common_memory(mk)
    mk.say("d = eventfd")
    mk.say("h = open group:nvme")
    mk.say("c = open container")
    mk.say("g = open group:edu")
    mk.say("ioctl g VFIO_GROUP_SET_CONTAINER fd=c")
    mk.say(f"ioctl c VFIO_SET_IOMMU arg={mk.pick([1, 3, 3])}")
    mk.play([(type1_map, 12), (type1_unmap, 8), (type1_unmap_bitmap, 2), (type1_dirty, 1),
             (type1_get_dirty, 2), (type1_info, 1), (type1_group, 1), (type1_extension, 1),
             (type1_child, 1)])
    mk.say("ioctl c VFIO_IOMMU_UNMAP_DMA flags=2")
    mk.say("ioctl c VFIO_IOMMU_GET_INFO argsz=140 room=140")


def compat(mk):
    """The same calls on an iommufd that stands in for a container."""
    common_memory(mk)
    mk.say("d = eventfd")
    mk.say("e = eventfd")
    mk.say("h = open group:nvme")
    mk.say("i = open iommu")
    mk.say("c = dup i")
    mk.say("g = open group:edu")
    mk.say("ioctl g VFIO_GROUP_SET_CONTAINER fd=c")
    mk.say(f"ioctl c VFIO_SET_IOMMU arg={mk.pick([1, 3, 3])}")
    mk.say("d = ioctl g VFIO_GROUP_GET_DEVICE_FD str=edu")
    mk.made("idev", "ioas", "hwpt")
    mk.play([(type1_map, 10), (type1_unmap, 8), (type1_dirty, 1), (type1_info, 2),
             (type1_extension, 1), (ioas_map, 2), (ioas_unmap, 2),
             (ioas_copy, 1), (ioas_ranges, 1), (compat_ioas, 1), (ioas_alloc, 1),
             (ioas_destroy, 1), (compat_group, 2)])
    mk.say("ioctl c VFIO_IOMMU_UNMAP_DMA flags=2")


def compat_group(mk):
    mk.say(mk.pick(GROUP_CALLS + [
        "e = ioctl g VFIO_GROUP_GET_DEVICE_FD str=edu", "close e", "close d",
                    "close g", "g = open group:edu"]))


def compat_ioas(mk):
    mk.say(f"ioctl i IOMMU_VFIO_IOAS op={mk.pick([0, 0, 1, 2])} ioas_id={mk.ident('ioas')}")


# ---- iommufd ----------------------------------------------------------------


def ioas_iova(mk):
    if mk.rng.random() < 0.85:
        return f"{MOCK + mk.pick([0, 1, 2, 3, 4, 8, 16, 17, 32, 256]) * PAGE:#x}"
    return mk.pick(["0", "4K", "-1", "-4096", "0x80000000", "0x7ffff000", "0xfff000", "0x1000001",
                    "0x1000800"])


def ioas_length(mk):
    return mk.often(["4K", "8K", "12K", "64K", "60K", "128K"],
                    ["0", "1", "2K", "4095", "-1", "1M", "5000"])


def ioas_alloc(mk):
    mk.say("ioctl i IOMMU_IOAS_ALLOC")
    mk.made("ioas")


def ioas_map(mk):
    flags = mk.often([7, 7, 7, 6, 6, 5, 3, 4, 2], [0, 1, 8, 15])
    mk.say(f"ioctl i IOMMU_IOAS_MAP ioas_id={mk.ident('ioas')} flags={flags} user_va={mk.memory()} "
           f"length={ioas_length(mk)} iova={ioas_iova(mk)}")


def ioas_unmap(mk):
    iova, length = ("0", "-1") if mk.rng.random() < 0.15 else (ioas_iova(mk), ioas_length(mk))
    mk.say(f"ioctl i IOMMU_IOAS_UNMAP ioas_id={mk.ident('ioas')} iova={iova} length={length}")


def ioas_copy(mk):
    flags = mk.often([7, 7, 6, 6, 4, 5], [0, 3, 8])
    mk.say(f"ioctl i IOMMU_IOAS_COPY flags={flags} dst_ioas_id={mk.ident('ioas')} "
           f"src_ioas_id={mk.ident('ioas')} length={ioas_length(mk)} dst_iova={ioas_iova(mk)} "
           f"src_iova={ioas_iova(mk)}")


def ioas_ranges(mk):
    mk.say("fill b 128 1")
    mk.say(f"ioctl i IOMMU_IOAS_IOVA_RANGES ioas_id={mk.ident('ioas')} "
           f"num_iovas={mk.rng.randint(0, 5)} allowed_iovas=b")
    mk.say("hash b 128")


def ioas_allow(mk):
    first = mk.pick([0, MOCK, MOCK + 0x10000, MOCK + 0x3000])
    last = first + mk.pick([0xfff, 0xffff, 0xfffff, 0x7fffffff, 5, -2])
    more = mk.pick([0x100000, 1, 0])
    mk.say(f"poke b+4K u64 {first:#x} {last:#x} {last + more:#x} {last + more + 0xffff:#x}")
    mk.say(f"ioctl i IOMMU_IOAS_ALLOW_IOVAS ioas_id={mk.ident('ioas')} "
           f"num_iovas={mk.rng.randint(0, 2)} allowed_iovas=b+4K")


def ioas_destroy(mk):
    mk.say(f"ioctl i IOMMU_DESTROY id={mk.ident('ioas', 'hwpt', 'idev', 'std')}")


def ioas_reserved(mk):
    mk.say(f"ioctl i TEST/ADD_RESERVED id={mk.ident('ioas')} start={ioas_iova(mk)} "
           f"length={mk.pick(['4K', '64K', '1'])}")


def ioas_option(mk):
    mk.say(f"ioctl i IOMMU_OPTION option_id={mk.often([1], [0, 2])} op={mk.pick([0, 1])} "
           f"object_id={mk.ident('ioas')} val64={mk.pick([0, 1])}")


def ioas_access(mk):
    mk.say(f"ioctl i TEST/CREATE_ACCESS id={mk.ident('ioas')} flags={mk.often([0], [1, 2])} "
           f"out_access_fd>a")


def access_rw(mk):
    mk.say(f"ioctl i TEST/ACCESS_RW id=a iova={ioas_iova(mk)} length={mk.pick(['4K', '8K', '100', '64K', '1'])} "
           f"uptr=b flags={mk.pick([0, 0, 1, 1, 4, 5])}")
    mk.say("hash b 64K")


def access_pages(mk):
    mk.say(f"ioctl i TEST/ACCESS_PAGES id=a iova={ioas_iova(mk)} length={mk.pick(['4K', '8K', '100'])} "
           f"uptr={mk.memory()} flags={mk.pick([0, 1])} out_access_pages_id>ap")


def access_unpin(mk):
    mk.say("ioctl i TEST/DESTROY_ACCESS_PAGES id=a access_pages_id=ap")


def access_replace(mk):
    mk.say(f"ioctl i TEST/ACCESS_REPLACE_IOAS id=a ioas_id={mk.ident('ioas')}")


def access_close(mk):
    mk.say(mk.pick(["close a", "let a -1"]))


def check_refs(mk):
    mk.say(f"ioctl i TEST/MD_CHECK_REFS length={mk.pick(['4K', '64K', '12K'])} "
           f"uptr={mk.pick(['m', 'm+4K', 'm+64K', 'p'])} refs={mk.pick([0, 1, 2])}")


def ioas_child(mk):
    mk.say("fork")
    mk.pick([ioas_map, ioas_unmap, ioas_alloc, ioas_copy, ioas_ranges, check_refs])(mk)
    mk.say("end")


def program_memory(mk):
    line = mk.pick(["munmap m+64K 4K", "fill m 64K 5", "mprotect m+4K 4K r", "mprotect m+4K 4K rw",
                    "m = mmap 4M at=m", "madvise p 64K dontneed", "hash m 256K", "hash p 128K"])
    mk.say(line)


IOAS_ACTIONS = [(ioas_map, 14), (ioas_unmap, 8), (ioas_copy, 6), (ioas_ranges, 2), (ioas_allow, 2),
                (ioas_destroy, 2), (ioas_alloc, 2), (ioas_option, 1), (check_refs, 2),
                (program_memory, 2), (ioas_child, 1)]


def ioas(mk):
    common_memory(mk)
    mk.say("let a -1")
    mk.say("let ap 0")
    mk.say("i = open iommu")
    for _ in range(mk.rng.randint(1, 3)):
        ioas_alloc(mk)
    mk.play([*IOAS_ACTIONS, (ioas_reserved, 2), (ioas_access, 2), (access_rw, 4),
             (access_pages, 2), (access_unpin, 1), (access_replace, 1), (access_close, 1)])
    mk.say("hash m 256K")


# ---- mock devices -----------------------------------------------------------


def mock_domain(mk):
    mk.say(f"ioctl i TEST/MOCK_DOMAIN id={mk.ident('ioas', 'hwpt')}")
    mk.made("std", "idev")


def mock_flags(mk):
    mk.say(f"ioctl i TEST/MOCK_DOMAIN_FLAGS id={mk.ident('ioas')} dev_flags={mk.pick([0, 1, 2])}")


def mock_replace(mk):
    mk.say(f"ioctl i TEST/MOCK_DOMAIN_REPLACE id={mk.ident('std')} pt_id={mk.ident('ioas', 'hwpt')}")


def mock_check(mk):
    mk.say(f"ioctl i TEST/MD_CHECK_MAP id={mk.ident('hwpt')} iova={ioas_iova(mk)} length={mk.pick(['4K', '64K'])} "
           f"uptr={mk.pick(['m', 'm+4K', 'm+64K', 'p'])}")


def hwpt_alloc(mk):
    mk.say(f"ioctl i IOMMU_HWPT_ALLOC flags={mk.often([0, 1, 2, 3], [4, 8])} dev_id={mk.ident('idev')} "
           f"pt_id={mk.ident('ioas', 'hwpt')}")
    mk.made("hwpt")


def hwpt_nested(mk):
    mk.say("poke b+8K u32 0x1234")
    mk.say(f"ioctl i IOMMU_HWPT_ALLOC flags={mk.often([0], [1, 2, 4])} dev_id={mk.ident('idev')} "
           f"pt_id={mk.ident('hwpt')} data_type=IOMMU_HWPT_DATA_SELFTEST data_len=4 data_uptr=b+8K")
    mk.made("hwpt")


def hwpt_invalidate(mk):
    mk.say(f"poke b+8K u32 {mk.pick([0, 1, 2])} {mk.rng.randint(0, 4)} 0 1")
    mk.say(f"ioctl i IOMMU_HWPT_INVALIDATE hwpt_id={mk.ident('hwpt')} data_uptr=b+8K "
           f"data_type=IOMMU_HWPT_INVALIDATE_DATA_SELFTEST entry_len={mk.often([8], [4, 12])} "
           f"entry_num={mk.rng.randint(0, 2)}")


def hwpt_iotlb(mk):
    mk.say(f"ioctl i TEST/MD_CHECK_IOTLB id={mk.ident('hwpt')} iotlb_id={mk.rng.randint(0, 4)} "
           f"iotlb={mk.pick(['0', '0x1234'])}")


def hwpt_tracking(mk):
    mk.say(f"ioctl i IOMMU_HWPT_SET_DIRTY_TRACKING hwpt_id={mk.ident('hwpt')} "
           f"flags={mk.often([0, 1, 1], [2])}")


def hwpt_dirty(mk):
    mk.say("fill b 4K 0")
    mk.say("poke b+16K u64 0x8421 0 0xff")
    mk.say(f"ioctl i TEST/DIRTY id={mk.ident('hwpt')} iova={MOCK:#x} length=64K page_size=4K uptr=b+16K")


def hwpt_bitmap(mk):
    mk.say("fill b 128 3")
    mk.say(f"ioctl i IOMMU_HWPT_GET_DIRTY_BITMAP hwpt_id={mk.ident('hwpt')} flags={mk.pick([0, 0, 1])} "
           f"iova={ioas_iova(mk)} length={mk.pick(['64K', '4K', '128K'])} "
           f"page_size={mk.often(['4K', '2K'], ['64K', '0', '1K', '3'])} data=b")
    mk.say("hash b 128")


def mock_hw_info(mk):
    mk.say(f"ioctl i IOMMU_GET_HW_INFO dev_id={mk.ident('idev')} data_len={mk.pick([0, 4, 8, 16])} "
           f"data_uptr=b+20K")


def mock(mk):
    common_memory(mk)
    mk.say("let a -1")
    mk.say("let ap 0")
    mk.say("i = open iommu")
    ioas_alloc(mk)
    mk.say("ioctl i TEST/MOCK_DOMAIN id=1")
    mk.made("std", "idev", "hwpt")
    mk.say("ioctl i TEST/MOCK_DOMAIN id=1")
    mk.made("std", "idev")
    mk.play([*IOAS_ACTIONS, (mock_domain, 2), (mock_flags, 1), (mock_replace, 4), (mock_check, 3),
             (hwpt_alloc, 4), (hwpt_nested, 2), (hwpt_invalidate, 1), (hwpt_iotlb, 1),
             (hwpt_tracking, 2), (hwpt_dirty, 1), (hwpt_bitmap, 2), (mock_hw_info, 1),
             (ioas_access, 1), (access_rw, 1)])
    mk.say("hash m 256K")


# ---- devices ----------------------------------------------------------------


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


def config_access(mk):
    where = mk.rng.choice([mk.rng.randint(0, 0x46), 4, 0x10, 0x40, 0x3c])
    if mk.rng.random() < 0.4:
        mk.say(f"pread d {mk.pick([1, 2, 3, 4, 8])} (7<<40)+{where:#x}")
        return
    kind, values = mk.pick([("u8", 0xff), ("u16", 0xffff), ("u32", 0xffffffff)])
    value = mk.pick([0, values, mk.rng.randint(0, values), 6])
    mk.say(f"pwrite d (7<<40)+{where:#x} {kind} {value:#x}")


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
    mk.say(f"ioctl d VFIO_DEVICE_SET_IRQS flags={data | act:#x} index={index} start={start} "
           f"count={count}{items[data]}")


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
    mk.say(f"ioctl d VFIO_DEVICE_FEATURE flags=({mk.rng.randint(0, 7)}<<16)|{mk.rng.randint(0, 12)}")


def device_start(mk, name):
    mk.say("c = open container")
    mk.say(f"g = open group:{name}")
    mk.say("ioctl g VFIO_GROUP_SET_CONTAINER fd=c")
    mk.say("ioctl c VFIO_SET_IOMMU arg=3")
    mk.say(f"d = ioctl g VFIO_GROUP_GET_DEVICE_FD str={name}")
    mk.say("e = eventfd")
    mk.say("f = eventfd")
    mk.say("k = eventfd")


def regions(mk):
    device_start(mk, "edu")
    mk.say("pwrite d (7<<40)+4 u16 6")
    mk.play([(config_access, 8), (region_access, 4), (region_map, 2)])
    mk.say("pread d 64 7<<40")
    mk.say("pread d 32 (7<<40)+0x40")


def irqs(mk, name="edu"):
    device_start(mk, name)
    mk.play([(irq_set, 10), (irq_disable, 2), (irq_trigger, 4), (irq_info, 1), (irq_ioeventfd, 1),
             (device_feature, 1)])
    mk.say("pread d 32 (7<<40)+0x40")


def irqs_msix(mk):
    irqs(mk, "nvme")


# What a sequence is about. A real nvme takes its time to be reset, so it comes seldom.
KINDS = [(type1, 70), (ioas, 60), (mock, 60), (compat, 20), (cdev, 25), (regions, 12), (irqs, 12),
         (irqs_msix, 2)]


def sequence(seed, number):
    """The script of that number: (name, text)."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choice([k for k, weight in KINDS for _ in range(weight)])
    mk = Maker(rng)
    kind(mk)
    return f"random/{seed}/{number}/{kind.__name__}", "\n".join(mk.lines) + "\n"
