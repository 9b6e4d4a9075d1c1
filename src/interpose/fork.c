/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fork. A child has a copy of all our memory, and of it nothing is its own:
 * the model's state is the parent's device, the locks on groups are the
 * parent's, our ends of the socket pairs keep the parent's files alive, the
 * polling threads are not there at all. So a child drops the engine without
 * releasing anything: it closes our descriptors, and otherwise forgets. What it
 * opens itself it gets from a fresh engine. What it inherited, numbers and BAR
 * mappings, goes on through the parent's engine as long as that is there (holder.c),
 * which the thread for that (service.c) is started before; afterwards it is ENODEV.
 *
 * How a child is known: the kernel wipes one page of ours in it
 * (MADV_WIPEONFORK), so that every way of forking is seen at the next entry,
 * also those that run no handlers, for the price of a load. pthread_atfork
 * does it at once, and keeps our locks consistent meanwhile.
 *
 * A child of vfork has the parent's memory itself, so the page does not tell;
 * whoever changes what belongs to a descriptor table asks fork_here().
 */
#include "interpose/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/apart.h"
#include "base/sys.h"
#include "interpose/bar.h"
#include "interpose/claim.h"
#include "interpose/doorbell.h"
#include "interpose/engine.h"
#include "interpose/fd.h"
#include "interpose/internal.h"
#include "interpose/request.h"
#include "interpose/service.h"
#include "memory/owner.h"

enum ownership { WIPED, SETTLING, OWNED };

static atomic_uint *owned;
static int owner_pid;

bool engine_owned(void)
{
	return owned && atomic_load_explicit(owned, memory_order_relaxed) == OWNED;
}

bool fork_here(void)
{
	return sys_getpid() == owner_pid;
}

static void abandon(void)
{
	owner_pid = sys_getpid();
	alloc_small_abandon();
	owner_abandon_all();
	doorbell_abandon();
	fd_abandon();
	bar_abandon();
	service_abandon();
	request_abandon();
	claim_abandon();
	engine_abandon();
}

void fork_settle(void)
{
	unsigned state = WIPED;

	if (!owned || atomic_load_explicit(owned, memory_order_acquire) == OWNED)
		return;
	if (atomic_compare_exchange_strong(owned, &state, SETTLING)) {
		abandon();
		atomic_store_explicit(owned, OWNED, memory_order_release);
		return;
	}
	while (atomic_load_explicit(owned, memory_order_acquire) != OWNED)
		__builtin_ia32_pause();
}

static void before_fork(void)
{
	fork_settle();
	service_start(); /* the child will hold our files */
	/* In the order of the locks: making a BAR's memory hides its descriptor. */
	bar_fork_prepare();
	fd_fork_prepare();
}

static void after_fork_in_parent(void)
{
	fd_fork_parent();
	bar_fork_parent();
}

static void after_fork_in_child(void)
{
	after_fork_in_parent();
	fork_settle();
}

int fork_watch(void)
{
	atomic_uint *page;

	if (owned)
		return 0;
	page = apart_mmap(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(page))
		return sys_error(page);
	if (madvise(page, 4096, MADV_WIPEONFORK)) {
		sys_munmap(page, 4096);
		return -ENOSYS;
	}
	owner_pid = sys_getpid();
	atomic_store(page, OWNED);
	owned = page;
	return -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
