# SPDX-License-Identifier: BSD-3-Clause
"""Page faults of mock devices: queues, page tables that deliver to them, and responses.

A fault reaches its queue by a work item of the kernel's, so each is waited for.
"""
from .maker import common_memory
from .mock import mock_domain
from .spaces import ioas_alloc

NESTED = "data_type=IOMMU_HWPT_DATA_SELFTEST data_len=4 data_uptr=b+8K"


def queue(mk):
    mk.say(f"ioctl i IOMMU_FAULT_QUEUE_ALLOC flags={mk.often([0], [1, -1], 0.95)} out_fault_id>q "
           f"out_fault_fd>{mk.pick(['f', 'f', 'f2'])}")
    mk.made("fault")


def which(mk):
    return mk.pick(["q", "q", "q0"]) if mk.rng.random() < 0.8 else mk.ident("fault", "ioas")


def table(mk):
    flags = mk.often([4, 4, 4, 0], [5, 6, 7, 1, 2, 12])
    mk.say(f"ioctl i IOMMU_HWPT_ALLOC flags={flags} dev_id={mk.ident('idev')} "
           f"pt_id={mk.pick([mk.ident('hwpt'), 'parent', 'parent', 'parent'])} {NESTED} "
           f"fault_id={which(mk)} out_hwpt_id>n")
    mk.made("hwpt")


def plain(mk):
    mk.say(f"ioctl i IOMMU_HWPT_ALLOC flags={mk.pick([4, 5, 1, 0])} dev_id={mk.ident('idev')} "
           f"pt_id={mk.ident('ioas')} fault_id={which(mk)} out_hwpt_id>n")
    mk.made("hwpt")


def replace(mk):
    target = mk.pick(["n", "n", "n0", "parent", mk.ident("ioas", "hwpt")])
    mk.say(f"ioctl i TEST/MOCK_DOMAIN_REPLACE id={mk.ident('std')} pt_id={target}")


def trigger(mk):
    mk.say(f"ioctl i TEST/TRIGGER_IOPF dev_id={mk.ident('idev')} pasid={mk.pick([0, 1, -1, 1 << 20])} "
           f"grpid={mk.rng.randint(0, 3)} perm={mk.rng.randint(0, 16)} "
           f"addr={mk.pick(['0', '0x1000', '-1', '0xdeadbeaf'])}")
    mk.say("poll f 10")


def take(mk):
    mk.say(f"read {mk.often(['f'], ['f2', 'i'], 0.9)} {mk.often([40, 80, 120], [0, 39, 41, 8])}")


def respond(mk):
    values = " ".join(str(mk.rng.randint(0, 4)) if n % 2 == 0 else str(mk.often([0, 1], [2, -1]))
                      for n in range(mk.pick([2, 2, 2, 4, 1, 3])))
    mk.say(f"write {mk.often(['f'], ['f2'], 0.9)} u32 {values}")


def look(mk):
    mk.say(f"poll {mk.pick(['f', 'f2'])} 0")


def destroy(mk):
    mk.say(f"ioctl i IOMMU_DESTROY id={mk.pick(['q', 'q0', 'n', 'n0', 'parent', mk.ident('std', 'idev')])}")


def doors(mk):
    mk.say(mk.pick(["close f", "close f2", "f = dup f2", "f2 = dup f", "f = pass f gone", "close i",
                    "i = pass i gone", "ftruncate f 0", "m = mmap 4K fd=f", "pread f 40 0"]))


def child(mk):
    mk.say("fork")
    mk.pick([take, respond, look, destroy, trigger])(mk)
    mk.say("end")


def faults(mk):
    common_memory(mk)
    mk.say("i = open iommu")
    ioas_alloc(mk)
    mk.say("ioctl i TEST/MOCK_DOMAIN id=1")
    mk.made("std", "idev", "hwpt")
    mk.say("ioctl i IOMMU_HWPT_ALLOC flags=1 dev_id=3 pt_id=1 out_hwpt_id>parent")
    mk.made("hwpt")
    mk.say("ioctl i IOMMU_FAULT_QUEUE_ALLOC out_fault_id>q out_fault_fd>f")
    mk.made("fault")
    mk.say("let q0 q")
    mk.say("let f2 -1")
    mk.say("poke b+8K u32 0x1234")
    mk.say(f"ioctl i IOMMU_HWPT_ALLOC flags=4 dev_id=3 pt_id=parent {NESTED} fault_id=q out_hwpt_id>n")
    mk.made("hwpt")
    mk.say("let n0 n")
    mk.say("ioctl i TEST/MOCK_DOMAIN_REPLACE id=2 pt_id=n")
    mk.play([(queue, 2), (table, 3), (plain, 1), (replace, 5), (trigger, 9), (take, 6), (respond, 6),
             (look, 1), (destroy, 2), (doors, 1), (child, 1), (mock_domain, 1)])
    mk.say("poll f 0")
