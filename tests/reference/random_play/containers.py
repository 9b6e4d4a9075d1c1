# SPDX-License-Identifier: BSD-3-Clause
"""Containers: type1, and an iommufd that stands in for one."""
from .maker import common_memory
from .spaces import ioas_alloc, ioas_copy, ioas_destroy, ioas_map, ioas_ranges, ioas_unmap


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
