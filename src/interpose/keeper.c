/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keepers: tasks that share this process's memory, and do nothing but wait for a
 * pipe to hang up.
 *
 * A process that maps memory for DMA through another one's engine may end while
 * a device still uses it; the kernel's pins would keep the pages. Here the memory
 * of a process lives as long as any task uses it, so a task is made for that,
 * which is none of the program's: no thread of it, so that it survives its end and
 * exec; no child that wait() would report; without any of its descriptors, whose
 * closing others wait for; deaf to signals. It runs on a stack of its own and makes
 * bare system calls only, as the program's thread storage is not its own.
 */
#include "interpose/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/sys.h"
#include "interpose/lock.h"

#define STACK_SIZE 16384ul

static inline long bare(long number, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

/**
 * struct keeper - what its maker tells it; at the lowest end of its stack
 * @pipe: the end to be read
 * @alone: it has let go of its maker's descriptors
 */
struct keeper {
	int pipe;
	atomic_int alone;
};

__attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector)) static int
keeper_run(void *arg)
{
	struct keeper *keeper = arg;
	char byte;

	bare(SYS_dup2, keeper->pipe, 0, 0);
	bare(SYS_close_range, 1, (long)UINT_MAX, 0);
	atomic_store(&keeper->alone, 1);
	bare(SYS_futex, (long)&keeper->alone, FUTEX_WAKE, 1);
	bare(SYS_prctl, PR_SET_NAME, (long)"rf-keeper", 0);
	bare(SYS_setsid, 0, 0, 0);
	while (bare(SYS_read, 0, (long)&byte, 1) == -EINTR)
		;
	bare(SYS_exit, 0, 0, 0);
	__builtin_unreachable();
}

/*
 * Until then this process's end could not be told by its descriptors. Not for ever:
 * somebody may have killed it.
 */
static void keeper_await(struct keeper *keeper)
{
	const struct timespec second = { .tv_sec = 1 };

	while (!atomic_load(&keeper->alone))
		if (syscall(SYS_futex, &keeper->alone, FUTEX_WAIT, 0, &second, NULL, 0) &&
		    errno == ETIMEDOUT)
			break;
}

int keeper_start(void)
{
	int ends[2], ret, saved = errno;
	struct keeper *keeper;
	uint64_t mask;
	char *stack;

	if (syscall(SYS_pipe2, ends, O_CLOEXEC)) {
		ret = -errno;
		errno = saved;
		return ret;
	}
	/* never unmapped: somebody may still run on it, and nobody says when he is done */
	stack = apart_mmap(STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	ret = sys_failed(stack) ? sys_error(stack) : 0;
	if (!ret) {
		keeper = (struct keeper *)stack;
		keeper->pipe = ends[0];
		mask = signals_hold();
		ret = clone(keeper_run, stack + STACK_SIZE, CLONE_VM, keeper);
		ret = ret < 0 ? -errno : 0;
		if (!ret)
			keeper_await(keeper);
		signals_release(mask);
		if (ret)
			sys_munmap(stack, STACK_SIZE);
	}
	errno = saved;
	sys_close(ends[0]);
	if (ret) {
		sys_close(ends[1]);
		return ret;
	}
	return ends[1];
}
