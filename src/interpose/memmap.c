/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's changes to its memory map. Two things must survive them: pages
 * that are mapped for DMA, which stay with the device as the kernel's pins
 * would have it (memory/pin.h), and our knowledge of where BARs are mapped.
 *
 * With nothing pinned and no BAR mapped each call costs two loads more. The
 * calls themselves are made bare: libc does nothing else in them, and they must
 * work before libc's own can be looked up.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "interpose/bar.h"
#include "interpose/enter.h"
#include "interpose/fd.h"
#include "interpose/fork.h"
#include "interpose/hugepages.h"
#include "interpose/internal.h"
#include "interpose/real.h"
#include "memory/pin.h"

#define PAGE 4096ul

static bool pinned(void)
{
	struct rf_owner *owner = engine_owner();

	return unlikely(owner != NULL) && unlikely(pin_any(owner)) && engine_owned();
}

/* What is pinned in a range that is about to change stays with the device. */
static void keep(void *addr, size_t len, enum pin_event event)
{
	uintptr_t first = (uintptr_t)addr;

	len = (len + PAGE - 1) & ~(PAGE - 1);
	if (!len || first % PAGE || first + len - 1 < first)
		return;
	engine_enter();
	pin_keep(engine_owner(), first, len, event);
	engine_leave();
}

static void *mapped(void *p)
{
	if (likely(!sys_failed(p)))
		return p;
	errno = -sys_error(p);
	return MAP_FAILED;
}

INTERPOSED void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	bool over = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED;
	void *p;

	if (unlikely(over) && pinned())
		keep(addr, len, PIN_UNMAP);
	if (!(flags & MAP_ANONYMOUS) && unlikely(fd_is_ours(fd)))
		return mapped(ENGINE_VALUE(bar_mmap(addr, len, prot, flags, fd, off)));
	if (unlikely(over) && bar_any() && bar_touches((uintptr_t)addr, len))
		return mapped(ENGINE_VALUE(bar_mmap_over(addr, len, prot, flags, fd, off)));
	p = sys_mmap(addr, len, prot, flags, fd, off);
	if (unlikely(flags & MAP_HUGETLB) && (flags & MAP_ANONYMOUS) && sys_failed(p) &&
	    sys_error(p) == -ENOMEM)
		p = hugepages_mmap(addr, len, prot, flags);
	return mapped(p);
}

INTERPOSED void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t off)
	__attribute__((alias("mmap")));

INTERPOSED int munmap(void *addr, size_t len)
{
	if (pinned())
		keep(addr, len, PIN_UNMAP);
	if (unlikely(bar_any()) && bar_touches((uintptr_t)addr, len))
		return ENGINE_CALL(bar_munmap((uintptr_t)addr, len));
	return (int)result(sys_munmap(addr, len));
}

INTERPOSED int mprotect(void *addr, size_t len, int prot)
{
	if (unlikely(bar_any()) && bar_touches((uintptr_t)addr, len))
		return ENGINE_CALL(bar_mprotect((uintptr_t)addr, len, prot));
	return (int)result(sys_mprotect(addr, len, prot));
}

/* Move memory that is pinned: its holders follow. What it shrinks by, or lands on, is let go. */
static void *mremap_pinned(void *addr, size_t old_len, size_t new_len, int flags, void *to)
{
	size_t len = new_len < old_len ? new_len : old_len;
	uintptr_t from = (uintptr_t)addr;
	void *p;

	if (new_len < old_len)
		keep((uint8_t *)addr + ((new_len + PAGE - 1) & ~(PAGE - 1)), old_len - new_len,
		     PIN_UNMAP);
	if (flags & MREMAP_FIXED)
		keep(to, new_len, PIN_UNMAP);
	engine_enter();
	pin_remap_begin(engine_owner(), from, len);
	p = sys_mremap(addr, old_len, new_len, flags, to);
	pin_remap_end(engine_owner(), from, len, sys_failed(p) ? from : (uintptr_t)p);
	engine_leave();
	return p;
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
		return mapped(ENGINE_VALUE(
			bar_mremap((uintptr_t)addr, old_len, new_len, flags, (uintptr_t)to)));
	if (pinned() && old_len)
		p = mremap_pinned(addr, old_len, new_len, flags, to);
	else
		p = sys_mremap(addr, old_len, new_len, flags, to);
	if (to && bar_any() && !sys_failed(p) && bar_touches((uintptr_t)to, new_len))
		bar_forget((uintptr_t)to, new_len);
	return mapped(p);
}

INTERPOSED int madvise(void *addr, size_t len, int advice)
{
	bool discards = advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE;

	if (unlikely(discards) && pinned())
		keep(addr, len, PIN_DISCARD);
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
