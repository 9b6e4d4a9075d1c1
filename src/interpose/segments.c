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

static bool pinned(void)
{
	struct rf_owner *owner = engine_owner();

	return unlikely(owner != NULL) && unlikely(pin_any(owner)) && engine_owned();
}

static void keep(uintptr_t first, size_t len, enum pin_event event)
{
	engine_enter();
	pin_keep(engine_owner(), first, len, event);
	engine_leave();
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

INTERPOSED void *shmat(int id, const void *at, int flags)
{
	uintptr_t first = (uintptr_t)at & ~(PAGE - 1);
	size_t len = 0;
	void *p;

	if (unlikely(flags & SHM_REMAP) && (pinned() || bar_any()))
		len = attach_size(id, at, flags);
	if (len && first + len - 1 >= first && pinned())
		keep(first, len, PIN_UNMAP);
	p = REAL(shmat)(id, at, flags);
	if (len && p != (void *)-1 && bar_touches(first, len))
		bar_forget(first, len);
	return p;
}

INTERPOSED int shmdt(const void *at)
{
	uintptr_t first = (uintptr_t)at, next = first;
	struct vma_walk walk;
	struct vma vma;

	if (pinned() && first % PAGE == 0 && !vma_walk_begin(&walk)) {
		while (!vma_walk_find(&walk, next, &vma) && vma.first <= next && vma.shared)
			next = vma.last + 1;
		vma_walk_end(&walk);
		if (next > first)
			keep(first, next - first, PIN_PROTECT);
	}
	return REAL(shmdt)(at);
}
