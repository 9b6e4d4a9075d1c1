/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that insist on huge pages, on hosts that have none set aside (a
 * container, a CI runner): with "emulate-huge-pages" in the machine file they
 * get ordinary pages, aligned and rounded as huge ones are. To a device behind
 * an IOMMU that makes no difference, and Ringfence's leaves do not depend on it.
 *
 * Real ones are asked for first. What remains visible: munmap of a part smaller
 * than a huge page works here, and /proc/meminfo counts none.
 *
 * The session says it by a file (machine/session.h) rather than the machine,
 * as allocators call mmap with their locks held, where no machine can be built.
 */
#include "interpose/hugepages.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "interpose/engine.h"
#include "machine/session.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MAP_HUGE_MASK
#define MAP_HUGE_MASK 0x3f
#endif
#define SHIFT_2M 21
#define SHIFT_1G 30

static bool emulated(void)
{
	char path[PATH_MAX];
	int fd;

	if (!engine_active())
		return false;
	snprintf(path, sizeof(path), "%s/%s", engine_session(), SESSION_HUGE_PAGES);
	fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	sys_close(fd);
	return true;
}

static void *failed(int err)
{
	return (void *)(intptr_t)err;
}

/* Somewhere at a multiple of @huge: reserve more than is needed, give the ends back. */
static void *map_aligned(size_t len, size_t huge, int prot, int flags)
{
	uintptr_t start, first, last;
	void *p;

	p = sys_mmap(NULL, len + huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		     0);
	if (sys_failed(p))
		return p;
	start = (uintptr_t)p;
	first = (start + huge - 1) & ~(huge - 1);
	last = start + len + huge;
	p = sys_mmap((void *)first, len, prot, flags | MAP_FIXED, -1, 0);
	if (sys_failed(p)) {
		sys_munmap((void *)start, len + huge);
		return p;
	}
	if (first > start)
		sys_munmap((void *)start, first - start);
	if (first + len < last)
		sys_munmap((void *)(first + len), last - first - len);
	return p;
}

void *hugepages_mmap(void *addr, size_t len, int prot, int flags)
{
	unsigned shift = ((unsigned)flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
	size_t huge;

	if (!shift)
		shift = SHIFT_2M;
	if ((shift != SHIFT_2M && shift != SHIFT_1G) || !emulated())
		return failed(-ENOMEM);
	huge = (size_t)1 << shift;
	if (!len || len > SIZE_MAX / 4)
		return failed(-ENOMEM);
	len = (len + huge - 1) & ~(huge - 1);
	flags &= ~(MAP_HUGETLB | (int)((unsigned)MAP_HUGE_MASK << MAP_HUGE_SHIFT));
	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)))
		return map_aligned(len, huge, prot, flags);
	if ((uintptr_t)addr & (huge - 1))
		return failed(-EINVAL);
	return sys_mmap(addr, len, prot, flags, -1, 0);
}
