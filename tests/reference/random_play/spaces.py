# SPDX-License-Identifier: BSD-3-Clause
"""iommufd: address spaces, and accesses to them by its test driver."""
from .maker import MOCK, PAGE, common_memory


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
