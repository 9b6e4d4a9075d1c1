# SPDX-License-Identifier: BSD-3-Clause
"""iommufd's mock devices: page tables, nesting, dirty pages."""
from .maker import MOCK, common_memory
from .spaces import IOAS_ACTIONS, access_rw, ioas_access, ioas_alloc, ioas_iova


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
