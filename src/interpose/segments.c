/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System V shared memory that is mapped for DMA: attached over pinned pages, or
 * detached with pages that are pinned. As memmap.c does for other mappings.
 *
 * How long a segment is its attachment does not say, so shmdt() keeps by what
 * is mapped there: a second view for the device of all shared pages that follow
 * is harmless, whether or not they go.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "base/sys.h"
#include "interpose/bar.h"
#include "interpose/enter.h"
#include "interpose/internal.h"
#include "interpose/real.h"
#include "memory/pin.h"
#include "memory/vma.h"

#define PAGE 4096ul

static bool watched(void)
{
	return unlikely(engine_owner() != NULL) && engine_owned();
}

/*
 * Attach elsewhere first: what fails there would fail here, and then nothing may
 * have changed. The size in pages, 0: refused.
 */
static size_t attach_size(int id, const void *at, int flags)
{
	struct shmid_ds segment;
	void *p;

	if (!at || ((uintptr_t)at % PAGE && !(flags & SHM_RND)))
		return 0;
	p = REAL(shmat)(id, NULL, flags & ~(SHM_REMAP | SHM_RND));
	if (p == (void *)-1)
		return 0;
	if (shmctl(id, IPC_STAT, &segment))
		segment.shm_segsz = 0;
	REAL(shmdt)(p);
	return (segment.shm_segsz + PAGE - 1) & ~(PAGE - 1);
}

static void *attach(int id, const void *at, int flags, uintptr_t first, size_t len)
{
	struct pin_leaving leaving;
	void *p;
	int err;

	if (!len || !watched())
		return REAL(shmat)(id, at, flags);
	engine_enter();
	if (pin_leave_begin(&leaving, engine_owner(), first, len))
		pin_leave_keep(&leaving, engine_owner(), first, len, PIN_UNMAP);
	p = REAL(shmat)(id, at, flags);
	err = errno;
	pin_leave_end(&leaving);
	engine_leave();
	errno = err;
	return p;
}

INTERPOSED void *shmat(int id, const void *at, int flags)
{
	uintptr_t first = (uintptr_t)at & ~(PAGE - 1);
	size_t len = 0;
	void *p;

	if (unlikely(flags & SHM_REMAP) && (watched() || bar_any()))
		len = attach_size(id, at, flags);
	p = attach(id, at, flags, first, len);
	if (len && p != (void *)-1 && bar_touches(first, len))
		bar_forget(first, len);
	return p;
}

/* As much as may belong to the segment at @first. */
static size_t attached_size(uintptr_t first)
{
	uintptr_t next = first;
	struct vma_walk walk;
	struct vma vma;

	if (first % PAGE || vma_walk_begin(&walk))
		return 0;
	while (!vma_walk_find(&walk, next, &vma) && vma.first <= next && vma.shared)
		next = vma.last + 1;
	vma_walk_end(&walk);
	return next - first;
}

static int detach_watched(const void *at)
{
	uintptr_t first = (uintptr_t)at;
	struct pin_leaving leaving;
	size_t len;
	int ret;

	/* as long as nothing is pinned above, it does not matter where the segment ends */
	if (pin_leave_begin(&leaving, engine_owner(), first, -PAGE - first)) {
		len = attached_size(first);
		if (pin_leave_begin(&leaving, engine_owner(), first, len))
			pin_leave_keep(&leaving, engine_owner(), first, len, PIN_PROTECT);
	}
	ret = REAL(shmdt)(at) ? -errno : 0;
	pin_leave_end(&leaving);
	return ret;
}

INTERPOSED int shmdt(const void *at)
{
	if (watched())
		return ENGINE_CALL(detach_watched(at));
	return REAL(shmdt)(at);
}
