/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's changes to its memory map. Two things must survive them: pages
 * that are mapped for DMA, which stay with the device as the kernel's pins
 * would have it (memory/pin.h), and our knowledge of where BARs are mapped.
 *
 * A call that fails changes nothing. So pages are moved out of the way only
 * when the kernel is known to accept the call: a range is checked by a mapping
 * that would replace nothing, and what MAP_FIXED brings is mapped elsewhere first
 * and then moved in. Only calls that meet pinned pages take this way.
 *
 * Another thread may just be pinning what goes away. So each change is announced first
 * (memory/pin.h), with the engine entered until it is done, as a handler of the program
 * might map the same memory, or never return.
 *
 * Before anything is opened each call costs two loads more. Then, with nothing pinned and
 * no BAR mapped, it is a few locked instructions, but no lock. The
 * calls themselves are made bare: libc does nothing else in them, and they must
 * work before libc's own can be looked up.
 */
#include <errno.h>
#include <linux/mman.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "interpose/bar.h"
#include "interpose/enter.h"
#include "interpose/fd.h"
#include "interpose/fork.h"
#include "interpose/hugepages.h"
#include "interpose/internal.h"
#include "interpose/real.h"
#include "memory/pin.h"
#include "memory/vma.h"

#define PAGE 4096ul

#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static size_t page_align(size_t len)
{
	return (len + PAGE - 1) & ~(PAGE - 1);
}

/* Whether memory of this process may be pinned, now or by another thread at any moment. */
static bool watched(void)
{
	return unlikely(engine_owner() != NULL) && engine_owned();
}

/* What is announced by a call that takes nothing away. */
static struct pin_leaving nothing;

/*
 * A range is about to change, in which the engine is entered until that is done. True:
 * some of it is pinned, and it is to be kept.
 */
static bool leave(struct pin_leaving *leaving, void *addr, size_t len)
{
	return pin_leave_begin(leaving, engine_owner(), (uintptr_t)addr, page_align(len));
}

/* What is pinned in the range stays with the device. */
static void keep(struct pin_leaving *leaving, void *addr, size_t len, enum pin_event event)
{
	pin_leave_keep(leaving, engine_owner(), (uintptr_t)addr, page_align(len), event);
}

bool range_is_valid(void *addr, size_t len)
{
	void *p =
		sys_mmap(addr, len, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (sys_failed(p))
		return sys_error(p) == -EEXIST;
	sys_munmap(p, len);
	return p == addr;
}

static void *mapped(void *p)
{
	if (likely(!sys_failed(p)))
		return p;
	errno = -sys_error(p);
	return MAP_FAILED;
}

/* @leaving: what the mapping replaces. */
static void *map(void *addr, size_t len, int prot, int flags, int fd, off_t off,
		 struct pin_leaving *leaving)
{
	bool over = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
	void *p;

	if (!(flags & MAP_ANONYMOUS) && unlikely(fd_is_ours(fd))) {
		/* it announces by itself, when it has asked the device */
		pin_leave_end(leaving);
		return ENGINE_VALUE(bar_mmap(addr, len, prot, flags, fd, off));
	}
	if (unlikely(over) && bar_any() && bar_touches((uintptr_t)addr, len))
		return ENGINE_VALUE(bar_mmap_over(addr, len, prot, flags, fd, off, leaving));
	p = sys_mmap(addr, len, prot, flags, fd, off);
	if (unlikely(flags & MAP_HUGETLB) && (flags & MAP_ANONYMOUS) && sys_failed(p) &&
	    sys_error(p) == -ENOMEM)
		p = hugepages_mmap(addr, len, prot, flags);
	return p;
}

static int unmap(void *p, size_t len, struct pin_leaving *leaving)
{
	if (unlikely(bar_any()) && bar_touches((uintptr_t)p, len))
		return ENGINE_VALUE(bar_munmap((uintptr_t)p, len, leaving));
	return sys_munmap(p, len);
}

/* What is mapped at @from goes to @to, over what is there; failed: still at @from. */
static void *move_in(void *from, size_t len, void *to, struct pin_leaving *leaving)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
	void *p;

	if (bar_touches((uintptr_t)from, len))
		return bar_mremap((uintptr_t)from, len, len, flags, (uintptr_t)to, leaving);
	p = sys_mremap(from, len, len, flags, to);
	if (!sys_failed(p) && bar_touches((uintptr_t)to, len)) {
		pin_leave_end(leaving);
		bar_forget((uintptr_t)to, len);
	}
	return p;
}

/*
 * MAP_FIXED over pinned pages. Huge pages have a length of their own, and a stack
 * that grows a gap below it: these are only tried elsewhere, not moved.
 */
static void *map_over_pinned(void *addr, size_t len, int prot, int flags, int fd, off_t off,
			     struct pin_leaving *leaving)
{
	bool moves = !(flags & (MAP_HUGETLB | MAP_GROWSDOWN));
	unsigned shift = ((unsigned)flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
	size_t unit = flags & MAP_HUGETLB ? 1ul << (shift ? shift : 21) : PAGE;
	void *p, *there;

	if (!range_is_valid(addr, len))
		return map(addr, len, prot, flags, fd, off, leaving);
	p = map(NULL, len, prot, flags & ~(MAP_FIXED | MAP_32BIT), fd, off, leaving);
	if (sys_failed(p))
		return p;
	keep(leaving, addr, len, PIN_UNMAP);
	there = moves ? move_in(p, len, addr, leaving) : (void *)-EINVAL;
	if (sys_failed(there))
		there = map(addr, len, prot, flags, fd, off, leaving);
	else
		p = NULL;
	pin_leave_end(leaving);
	if (p)
		unmap(p, (len + unit - 1) & ~(unit - 1), leaving);
	return there;
}

/* MAP_FIXED over whatever is there. */
static void *map_over(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct pin_leaving leaving;
	void *p;

	if (leave(&leaving, addr, len))
		p = map_over_pinned(addr, len, prot, flags, fd, off, &leaving);
	else
		p = map(addr, len, prot, flags, fd, off, &leaving);
	pin_leave_end(&leaving);
	return p;
}

INTERPOSED void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (unlikely((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED) && watched())
		return mapped(ENGINE_VALUE(map_over(addr, len, prot, flags, fd, off)));
	return mapped(map(addr, len, prot, flags, fd, off, &nothing));
}

INTERPOSED void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t off)
	__attribute__((alias("mmap")));

static int unmap_watched(void *addr, size_t len)
{
	struct pin_leaving leaving;
	int ret;

	if (leave(&leaving, addr, len) && range_is_valid(addr, len))
		keep(&leaving, addr, len, PIN_UNMAP);
	ret = unmap(addr, len, &leaving);
	pin_leave_end(&leaving);
	return ret;
}

INTERPOSED int munmap(void *addr, size_t len)
{
	if (watched())
		return ENGINE_CALL(unmap_watched(addr, len));
	return (int)result(unmap(addr, len, &nothing));
}

/*
 * A device keeps the rights that the program gives up. In between nothing is pinned by
 * rights that are there no more; the engine is entered until rights_taken().
 */
static bool take_rights(struct pin_leaving *leaving, void *addr, size_t len, int prot)
{
	if ((prot & (PROT_READ | PROT_WRITE)) == (PROT_READ | PROT_WRITE) || !watched())
		return false;
	engine_enter();
	if (leave(leaving, addr, len))
		keep(leaving, addr, len, PIN_PROTECT);
	return true;
}

static void rights_taken(struct pin_leaving *leaving)
{
	int err = errno;

	pin_leave_end(leaving);
	engine_leave();
	errno = err;
}

static int protect(void *addr, size_t len, int prot, struct pin_leaving *leaving)
{
	if (unlikely(bar_any()) && bar_touches((uintptr_t)addr, len)) {
		pin_leave_end(leaving); /* device memory has no rights for DMA to lose */
		return ENGINE_CALL(bar_mprotect((uintptr_t)addr, len, prot));
	}
	return (int)result(sys_mprotect(addr, len, prot));
}

INTERPOSED int mprotect(void *addr, size_t len, int prot)
{
	struct pin_leaving leaving;
	bool taken = take_rights(&leaving, addr, len, prot);
	int ret = protect(addr, len, prot, taken ? &leaving : &nothing);

	if (taken)
		rights_taken(&leaving);
	return ret;
}

static int pkey_protect(void *addr, size_t len, int prot, int key, struct pin_leaving *leaving)
{
	if (unlikely(bar_any()) && bar_touches((uintptr_t)addr, len)) {
		/* with an empty range the kernel says what it thinks of the key */
		if (REAL(pkey_mprotect)(addr, 0, prot, key))
			return -1;
		return protect(addr, len, prot, leaving);
	}
	return REAL(pkey_mprotect)(addr, len, prot, key);
}

/* A key does not stop what reaches memory without the program's instructions. */
INTERPOSED int pkey_mprotect(void *addr, size_t len, int prot, int key)
{
	struct pin_leaving leaving;
	bool taken;
	int ret;

	if (key == -1)
		return mprotect(addr, len, prot);
	taken = take_rights(&leaving, addr, len, prot);
	ret = pkey_protect(addr, len, prot, key, taken ? &leaving : &nothing);
	if (taken)
		rights_taken(&leaving);
	return ret;
}

/* Whether the kernel would get as far as to change something. */
static bool mremap_is_valid(void *addr, size_t old_len, size_t new_len, int flags, void *to)
{
	uintptr_t from = (uintptr_t)addr, at = (uintptr_t)to;
	unsigned char there;

	if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) || from % PAGE)
		return false;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE))
		return false;
	if (flags & MREMAP_DONTUNMAP && old_len != new_len)
		return false;
	if (new_len < old_len && !range_is_valid(addr, old_len))
		return false;
	old_len = page_align(old_len);
	new_len = page_align(new_len);
	if (!new_len)
		return false;
	if (flags & MREMAP_FIXED)
		return at % PAGE == 0 && !(at < from + old_len && from < at + new_len) &&
		       range_is_valid(to, new_len);
	return syscall(SYS_mincore, addr, PAGE, &there) == 0;
}

/* Move memory that is pinned: its holders follow. What it shrinks by, or lands on, is let go. */
static void *mremap_pinned(void *addr, size_t old_len, size_t new_len, int flags, void *to)
{
	size_t len = new_len < old_len ? new_len : old_len;
	struct pin_drop drops[PIN_DROPS];
	uintptr_t from = (uintptr_t)addr;
	unsigned nr = 0;
	void *p;

	if (!mremap_is_valid(addr, old_len, new_len, flags, to))
		return sys_mremap(addr, old_len, new_len, flags, to);
	if (new_len < old_len)
		drops[nr++] = (struct pin_drop){ from + page_align(new_len),
						 page_align(old_len) - page_align(new_len) };
	if (flags & MREMAP_FIXED)
		drops[nr++] = (struct pin_drop){ (uintptr_t)to, page_align(new_len) };
	pin_remap_begin(engine_owner(), from, len, drops, nr);
	p = sys_mremap(addr, old_len, new_len, flags, to);
	pin_remap_end(engine_owner(), from, len, sys_failed(p) ? from : (uintptr_t)p);
	return p;
}

static void *mremap_watched(void *addr, size_t old_len, size_t new_len, int flags, void *to)
{
	struct pin_leaving from, over = { .owner = NULL };
	bool pinned = leave(&from, addr, old_len) || (to && leave(&over, to, new_len));
	void *p = NULL;

	if (!pinned)
		p = sys_mremap(addr, old_len, new_len, flags, to);
	pin_leave_end(&from);
	pin_leave_end(&over);
	return pinned ? mremap_pinned(addr, old_len, new_len, flags, to) : p;
}

INTERPOSED void *mremap(void *addr, size_t old_len, size_t new_len, int flags, ...)
{
	void *to, *p;
	va_list args;

	va_start(args, flags);
	to = va_arg(args, void *);
	va_end(args);
	if (!(flags & MREMAP_FIXED))
		to = NULL;
	if (unlikely(bar_any()) && bar_touches((uintptr_t)addr, old_len))
		return mapped(ENGINE_VALUE(bar_mremap((uintptr_t)addr, old_len, new_len, flags,
						      (uintptr_t)to, &nothing)));
	if (watched())
		p = ENGINE_VALUE(mremap_watched(addr, old_len, new_len, flags, to));
	else
		p = sys_mremap(addr, old_len, new_len, flags, to);
	if (to && bar_any() && !sys_failed(p) && bar_touches((uintptr_t)to, new_len))
		bar_forget((uintptr_t)to, new_len);
	return mapped(p);
}

/*
 * MADV_COLD is refused for just the mappings that MADV_DONTNEED refuses (locked
 * ones, device memory), and changes nothing that a program can see.
 */
static int advise_cold(uintptr_t first, size_t len)
{
	return REAL(madvise)((void *)first, len, MADV_COLD) ? -errno : 0;
}

/* How much of the range is discarded: it is in order, and ends at a mapping that refuses. */
static size_t discarded(uintptr_t addr, size_t len)
{
	uintptr_t at = addr, last = addr + page_align(len) - 1;
	struct vma_walk walk;
	struct vma vma;

	if (addr % PAGE || last < addr)
		return 0;
	if (advise_cold(addr, len) != -EINVAL || advise_cold(addr, 0))
		return len;
	if (vma_walk_begin(&walk))
		return 0;
	while (at - 1 != last && !vma_walk_find(&walk, at, &vma) && vma.first <= last) {
		at = vma.first > at ? vma.first : at;
		if (advise_cold(at, (vma.last < last ? vma.last : last) - at + 1) == -EINVAL)
			break;
		at = (vma.last < last ? vma.last : last) + 1;
	}
	vma_walk_end(&walk);
	return at - addr;
}

static int advise_free(uintptr_t first, size_t len)
{
	return REAL(madvise)((void *)first, len, MADV_FREE) ? -errno : 0;
}

/* The kernel does not free a pinned page, and program and device go on sharing it. */
static int free_around_pinned(uintptr_t addr, size_t len)
{
	uintptr_t at = addr, last = addr + page_align(len) - 1;
	int err = 0;

	while (at - 1 != last) {
		struct pin_leaving leaving;
		uintptr_t first = at, end = last;
		bool found = pin_run(engine_owner(), &first, &end);

		if (!found)
			first = last + 1;
		if (first > at && pin_leave_begin(&leaving, engine_owner(), at, first - at))
			continue; /* since then */
		if (first > at) {
			int ret = advise_free(at, first - at);

			pin_leave_end(&leaving);
			err = ret ? ret : err;
		}
		if (found && (!err || err == -ENOMEM)) {
			int ret = advise_cold(first, end - first + 1);

			err = ret ? ret : err;
		}
		if (err && err != -ENOMEM)
			break;
		at = found ? end + 1 : first;
	}
	return err;
}

static int madvise_watched(void *addr, size_t len, int advice)
{
	struct pin_leaving leaving;
	int ret;

	if (leave(&leaving, addr, len)) {
		if (advice == MADV_FREE)
			return free_around_pinned((uintptr_t)addr, len);
		keep(&leaving, addr,
		     advice == MADV_DONTNEED ? discarded((uintptr_t)addr, len) : len, PIN_DISCARD);
	}
	ret = REAL(madvise)(addr, len, advice) ? -errno : 0;
	pin_leave_end(&leaving);
	return ret;
}

/* What is to be done to memory that a BAR is not: the errno of it, or 0. */
static int madvise_refuses_bars(const void *addr, int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return -EINVAL;
	case MADV_REMOVE: /* from a file; it is a device's */
		return (uintptr_t)addr % PAGE ? -EINVAL : -ENODEV;
	default:
		return 0;
	}
}

INTERPOSED int madvise(void *addr, size_t len, int advice)
{
	bool gives_up =
		advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED || advice == MADV_FREE;

	if (unlikely(bar_any()) && bar_touches((uintptr_t)addr, len)) {
		int ret = madvise_refuses_bars(addr, advice);

		if (ret)
			return (int)result(ret);
	}
	if (gives_up && watched())
		return ENGINE_CALL(madvise_watched(addr, len, advice));
	return REAL(madvise)(addr, len, advice);
}

/* Device memory cannot be locked, and the kernel skips it; our pages it could not read in. */
static int lock_piece(void *addr, size_t len, void *arg)
{
	return (int)(REAL(mlock)(addr, len) ? -errno : 0);
}

INTERPOSED int mlock(const void *addr, size_t len)
{
	if (unlikely(bar_any()) && bar_touches((uintptr_t)addr, len))
		return (int)result(bar_between((uintptr_t)addr, len, lock_piece, NULL));
	return REAL(mlock)(addr, len);
}
