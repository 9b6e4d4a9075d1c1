# SPDX-License-Identifier: BSD-3-Clause
"""Real DMA, by edu's engine, while memory and mappings change; then memory is compared.

edu drives 28 bits of address. What is mapped for writing only lies by itself and is only written:
whether it can be read differs (map/write-only-devices in docs/differences.md).
"""
from .spaces import ioas_allow, ioas_destroy, ioas_option, ioas_ranges

BASES = ["0", "0", "4K", "8K", "12K", "16K", "64K", "68K", "1M", "2M", "2M+4K"]
FAR = ["(1<<28)-4K", "(1<<28)", "1G", "0xfedff000", "(1<<39)-4K", "0xfee00000"]
WRITE_ONLY = "128M"
SIZES = ["4K", "8K", "12K", "16K", "64K", "32K", "48K"]
PLACES = ["m", "m", "m+4K", "m+16K", "m+32K", "p", "p+4K", "p+32K", "s", "s+8K", "q"]
PARTS = ["m", "m+4K", "m+8K", "m+16K", "p", "p+4K", "p+8K", "p+32K", "s", "s+4K", "q"]
SPANS = ["4K", "4K", "8K", "16K", "32K"]


def start(mk):
    mk.say("m = mmap 64K")
    mk.say("fill m 64K 1")
    mk.say("p = mmap 64K private")
    mk.say("fill p 64K 2")
    mk.say("f = memfd 64K")
    mk.say("s = mmap 64K fd=f")
    mk.say("fill s 64K 3")
    mk.say("q = mmap 64K fd=f private")
    mk.say("z = mmap 4K")
    mk.say("b = mmap 64K")
    mk.say("spare = mmap 64K none")
    mk.say("let x spare")


def finish(mk):
    for what in ("m", "p", "s", "q"):
        mk.say(f"hash {what} 16K")
        mk.say(f"hash {what}+16K 48K")
    mk.say("hash spare 16K")


def device(mk):
    """edu's own buffer outlasts a sequence, so it is filled with zeroes from iova 256M-64K."""
    mk.say("pwrite d (7<<40)+4 u16 6")
    mk.say("bar = mmap 1M fd=d off=0")
    mk.say("dma bar from (1<<28)-64K 2048")
    mk.say("dma bar from (1<<28)-64K 2047 2048")


def where(mk):
    base = mk.often(BASES, FAR, 0.93)
    return f"{base}+{mk.pick([0, 0, 0, 1, 3, 100, 2048, 4000, 4095, 4096, 8192, 61440])}"


def transfer(mk):
    """From somewhere to somewhere else, or but one of the two."""
    length = mk.pick([1, 7, 64, 2048, 2048, 4000, 4095])
    place = mk.pick([0, 0, 1, 2048])
    if length + place >= 4096:
        place = 0
    more = f" {place}" if place else ""
    if mk.rng.random() < 0.8:
        mk.say(f"dma bar from {where(mk)} {length}{more}")
    to = f"{WRITE_ONLY}+{mk.pick([0, 100, 4000])}" if mk.rng.random() < 0.1 else where(mk)
    mk.say(f"dma bar to {to} {length}{more}")


def memory(mk):
    at, span = mk.pick(PARTS), mk.pick(SPANS)
    # newer hosts move several VMAs at once, so one page; and what an iommufd lets go of and pins
    # again is elsewhere (cdev/moved-and-attached-again)
    moved = [f"mremap {at} 4K 4K at=spare", f"x = mremap {at} 4K 128K"]
    line = mk.pick([
        f"munmap {at} {span}", f"mprotect {at} {span} none", f"mprotect {at} {span} r",
        f"mprotect {at} {span} rw", f"fill {at} {span} {mk.rng.randint(4, 9)}",
        f"madvise {at} {span} dontneed", f"hash {at} {span}",
        f"mmap {span} at={at}", f"mmap {span} private at={at}", f"mmap {span} r private at={at}",
        f"mmap {span} at={at} fd=f off={mk.pick(['0', '4K', '32K'])}",
        *(moved if mk.moves_memory else []),
        "hash x 4K", f"fill x 4K {mk.rng.randint(4, 9)}",
        f"pwrite f {mk.pick(['0', '4K', '8K'])} u64 0x1122334455667788 {mk.rng.randint(0, 99)}",
        f"mlock {at} {span}", f"munlock {at} {span}"])
    mk.say(line)


def command(mk):
    mk.say(f"pwrite d (7<<40)+4 u16 {mk.often([6], [2, 0, 4, 7])}")


def again(mk):
    """Bus mastering on, and a look at what can be seen."""
    mk.say("pwrite d (7<<40)+4 u16 6")
    mk.say(f"hash {mk.pick(PARTS)} 4K")


def child(mk, *actions):
    """Memory first: what a child takes away after it has mapped it is gone for devices here
    (memory/taken-away-by-a-child)."""
    chosen = [mk.pick([memory, *actions]) for _ in range(mk.rng.randint(1, 3))]
    mk.say("fork")
    for action in sorted(chosen, key=lambda action: action is not memory):
        action(mk)
    mk.say("end")


# ---- type1 ------------------------------------------------------------------


def reads(mk):
    """The flag to write, and a place: of a private file mapping that is mapped for reading Linux
    gives the page up when it is mapped (memory/private-file-before-it-is-written)."""
    place = mk.pick(PLACES)
    return (place == "q" or mk.rng.random() < 0.75), place


def map_dma(mk):
    if mk.rng.random() < 0.1:
        mk.say(f"ioctl c VFIO_IOMMU_MAP_DMA flags=2 vaddr={mk.pick(PLACES)} iova={WRITE_ONLY} "
               f"size={mk.pick(SIZES)}")
        return
    write, place = reads(mk)
    mk.say(f"ioctl c VFIO_IOMMU_MAP_DMA flags={3 if write else 1} vaddr={place} "
           f"iova={mk.often(BASES, FAR, 0.95)} size={mk.pick(SIZES)}")


def unmap_dma(mk):
    if mk.rng.random() < 0.1:
        mk.say("ioctl c VFIO_IOMMU_UNMAP_DMA flags=2")
        return
    mk.say(f"ioctl c VFIO_IOMMU_UNMAP_DMA iova={mk.often(BASES, [WRITE_ONLY], 0.95)} "
           f"size={mk.pick(SIZES)}")


def vaddr(mk):
    """Leave the memory, as before an exec of QEMU's, and come back to other memory."""
    iova, size = mk.pick(BASES[:4]), mk.pick(SIZES)
    mk.say(f"ioctl c VFIO_IOMMU_UNMAP_DMA flags=4 iova={iova} size={size}")
    mk.say(f"ioctl c VFIO_IOMMU_MAP_DMA flags=4 vaddr={mk.pick(PLACES)} iova={iova} size={size}")


def bitmap(mk):
    mk.say(f"ioctl c VFIO_IOMMU_DIRTY_PAGES flags={mk.pick([1, 1, 2])}")


def type1_child(mk):
    child(mk, map_dma, unmap_dma, transfer)


def moves(mk):
    """Doors that close and open again below a device that is in use."""
    mk.say(mk.pick(["close c", "close g", "ioctl g VFIO_GROUP_UNSET_CONTAINER",
                    "c = pass c gone", "d = pass d gone", "x = dup c",
                    "ioctl h VFIO_GROUP_SET_CONTAINER fd=c", "close h",
                    "ioctl h VFIO_GROUP_UNSET_CONTAINER"]))


CONTAINER_ACTIONS = [(map_dma, 10), (unmap_dma, 4), (memory, 8), (transfer, 7), (type1_child, 2),
                     (command, 1), (again, 2), (moves, 1)]


def container(mk, version):
    mk.say("ioctl g VFIO_GROUP_SET_CONTAINER fd=c")
    mk.say(f"ioctl c VFIO_SET_IOMMU arg={version}")
    mk.say("ioctl c VFIO_IOMMU_MAP_DMA flags=3 vaddr=z iova=(1<<28)-64K size=4K")
    mk.say("d = ioctl g VFIO_GROUP_GET_DEVICE_FD str=edu")
    device(mk)
    mk.say("ioctl c VFIO_IOMMU_UNMAP_DMA iova=(1<<28)-64K size=4K")
    for base, place in (("0", "m"), ("64K", "p"), ("1M", "s")):
        mk.say(f"ioctl c VFIO_IOMMU_MAP_DMA flags=3 vaddr={place} iova={base} "
               f"size={mk.pick(['16K', '32K', '64K'])}")


def dma_type1(mk):
    mk.moves_memory = True
    start(mk)
    mk.say("h = open group:nvme")
    mk.say("c = open container")
    mk.say("g = open group:edu")
    container(mk, mk.pick([1, 3]))
    mk.play([*CONTAINER_ACTIONS, (vaddr, 1), (bitmap, 1)], 6, 24)
    transfer(mk)
    finish(mk)


def dma_compat(mk):
    start(mk)
    mk.say("h = open group:nvme")
    mk.say("i = open iommu")
    mk.say("c = dup i")
    mk.say("g = open group:edu")
    container(mk, mk.pick([1, 3]))
    mk.made("ioas", "idev", "hwpt")
    mk.play([*CONTAINER_ACTIONS, (map_ioas, 2), (unmap_ioas, 1)], 6, 24)
    transfer(mk)
    finish(mk)


# ---- a device by itself ------------------------------------------------------


def space(mk):
    return mk.pick(["one", "one", "two"])


def map_ioas(mk):
    ioas = mk.ident("ioas") if "ioas" in mk.ids else space(mk)
    if mk.rng.random() < 0.1:
        mk.say(f"ioctl i IOMMU_IOAS_MAP ioas_id={ioas} flags=3 user_va={mk.pick(PLACES)} "
               f"length={mk.pick(SIZES)} iova={WRITE_ONLY}")
        return
    write, place = reads(mk)
    mk.say(f"ioctl i IOMMU_IOAS_MAP ioas_id={ioas} flags={7 if write else 5} "
           f"user_va={place} length={mk.pick(SIZES)} iova={mk.often(BASES, FAR, 0.95)}")


def unmap_ioas(mk):
    ioas = mk.ident("ioas") if "ioas" in mk.ids else space(mk)
    iova, length = ("0", "-1") if mk.rng.random() < 0.1 else (mk.pick(BASES), mk.pick(SIZES))
    mk.say(f"ioctl i IOMMU_IOAS_UNMAP ioas_id={ioas} iova={iova} length={length}")


def copy_ioas(mk):
    mk.say(f"ioctl i IOMMU_IOAS_COPY flags={mk.pick([7, 7, 5])} dst_ioas_id={space(mk)} "
           f"src_ioas_id={space(mk)} length={mk.pick(SIZES)} dst_iova={mk.pick(BASES)} "
           f"src_iova={mk.pick(BASES)}")


def attach(mk):
    mk.say(f"ioctl d VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id={mk.pick(['one', 'two', 'two', 'h'])}")


def detach(mk):
    mk.say("ioctl d VFIO_DEVICE_DETACH_IOMMUFD_PT")


def table(mk):
    mk.say(f"ioctl i IOMMU_HWPT_ALLOC dev_id=dev pt_id={space(mk)} out_hwpt_id>h")


def cdev_child(mk):
    child(mk, map_ioas, unmap_ioas, attach, transfer)


def cdev_moves(mk):
    mk.say(mk.pick(["i = pass i gone", "d = pass d gone", "close i", "x = dup i"]))


def other_device(mk):
    mk.say(mk.pick(["ioctl n VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id=one",
                    "ioctl n VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id=two",
                    "ioctl n VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id=h",
                    "ioctl n VFIO_DEVICE_DETACH_IOMMUFD_PT", "close n"]))


def dma_cdev(mk):
    start(mk)
    mk.say("n = open cdev:nvme")
    mk.say("i = open iommu")
    mk.say("d = open cdev:edu")
    mk.say("ioctl d VFIO_DEVICE_BIND_IOMMUFD iommufd=i out_devid>dev")
    if mk.rng.random() < 0.3:
        mk.say("ioctl n VFIO_DEVICE_BIND_IOMMUFD iommufd=i")
    mk.say("ioctl i IOMMU_IOAS_ALLOC out_ioas_id>one")
    mk.say("ioctl i IOMMU_IOAS_ALLOC out_ioas_id>two")
    mk.say("ioctl i IOMMU_HWPT_ALLOC dev_id=dev pt_id=one out_hwpt_id>h")
    mk.say("ioctl d VFIO_DEVICE_ATTACH_IOMMUFD_PT pt_id=one")
    mk.say("ioctl i IOMMU_IOAS_MAP ioas_id=one flags=7 user_va=z length=4K iova=(1<<28)-64K")
    device(mk)
    mk.say("ioctl i IOMMU_IOAS_UNMAP ioas_id=one iova=(1<<28)-64K length=4K")
    for ioas, base, place in (("one", "0", "m"), ("one", "64K", "p"), ("two", "0", "s")):
        mk.say(f"ioctl i IOMMU_IOAS_MAP ioas_id={ioas} flags=7 user_va={place} iova={base} "
               f"length={mk.pick(['16K', '32K', '64K'])}")
    mk.play([(map_ioas, 10), (unmap_ioas, 4), (copy_ioas, 4), (memory, 8), (transfer, 8),
             (attach, 4), (detach, 1), (table, 1), (cdev_child, 2), (command, 1), (again, 2),
             (cdev_moves, 1), (other_device, 1), (ioas_ranges, 1), (ioas_allow, 1),
             (ioas_option, 1), (ioas_destroy, 1)], 6, 28)
    transfer(mk)
    finish(mk)
