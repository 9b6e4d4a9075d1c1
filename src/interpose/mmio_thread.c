/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A block is about 20 KiB and never unmapped. A thread that traps for the
 * first time takes over the block of a thread that is gone, found by asking
 * the kernel for the owner's thread id, so there are never more blocks than
 * there were threads trapping at one time. Thread-specific data would tell of
 * a thread's end, but its functions may allocate and this runs in a handler.
 *
 * Fork: blocks are wiped in the child (MADV_WIPEONFORK), for their arenas do
 * not come along; a block whose home is not the thread's own pointer counts as
 * none. The list ends at the first wiped block; what followed is lost, zeroed.
 *
 * No locks: blocks are only ever added to the list, and change owner by
 * compare-and-swap.
 */
#include "interpose/mmio_thread.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/sys.h"

static struct mmio_thread *blocks;
static __thread struct mmio_thread *self __attribute__((tls_model("initial-exec")));

static bool thread_is_gone(int tid)
{
	return !tid || syscall(SYS_tgkill, sys_getpid(), tid, 0) < 0;
}

/* The block of a dead thread, now ours, or NULL. */
static struct mmio_thread *take_over(int tid)
{
	struct mmio_thread *block = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE);

	for (; block; block = block->next) {
		int owner = __atomic_load_n(&block->owner, __ATOMIC_ACQUIRE);

		/* With our own id it was our predecessor's. */
		if (owner != tid && !thread_is_gone(owner))
			continue;
		if (__atomic_compare_exchange_n(&block->owner, &owner, tid, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return block;
	}
	return NULL;
}

static struct mmio_thread *make(int tid)
{
	size_t len = sizeof(struct mmio_thread);
	struct mmio_thread *block;

	block = apart_mmap(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(block))
		return NULL;
	if (syscall(SYS_madvise, block, len, MADV_WIPEONFORK) < 0) {
		sys_munmap(block, len);
		return NULL;
	}
	block->owner = tid;
	block->next = __atomic_load_n(&blocks, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&blocks, &block->next, block, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
	return block;
}

static struct mmio_thread *acquire(void)
{
	int saved = errno;
	int tid = (int)syscall(SYS_gettid);
	struct mmio_thread *block = take_over(tid);

	if (!block)
		block = make(tid);
	if (block) {
		/* What the thread that is gone did last, it did before this. */
		(void)__atomic_load_n(&block->busy, __ATOMIC_ACQUIRE);
		block->busy = false;
		block->home = &self;
	}
	self = block;
	errno = saved;
	return block;
}

struct mmio_thread *mmio_thread_self(void)
{
	struct mmio_thread *block = self;

	if (block && block->home == (const void *)&self)
		return block;
	return acquire();
}
