/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's own locks. A program's signal handler may close a descriptor or
 * unmap a BAR, so whoever holds one of these locks has signals blocked: except
 * SIGSEGV and SIGBUS, on which fault-safe copies and traps depend.
 *
 * Order: the views', then the descriptor table's (making a BAR's memory hides its
 * descriptor).
 */
#ifndef RF_INTERPOSE_LOCK_H
#define RF_INTERPOSE_LOCK_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

struct engine_lock {
	pthread_mutex_t mutex;
	uint64_t mask; /* of the holder, to be restored */
};

#define ENGINE_LOCK_INIT                           \
	{                                          \
		.mutex = PTHREAD_MUTEX_INITIALIZER \
	}

/* All but those of faults. */
static inline uint64_t signals_all(void)
{
	return ~(1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1));
}

/* For a thread of ours: libc's setuid() and its like wait until each thread has taken signal 33. */
static inline uint64_t signals_thread(void)
{
	return signals_all() & ~(1ull << 31 | 1ull << 32);
}

static inline uint64_t signals_hold(void)
{
	uint64_t all = signals_all();
	uint64_t old = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, sizeof(all));
	return old;
}

static inline void signals_release(uint64_t old)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
}

static inline void engine_lock(struct engine_lock *lock)
{
	uint64_t mask = signals_hold();

	pthread_mutex_lock(&lock->mutex);
	lock->mask = mask;
}

static inline void engine_unlock(struct engine_lock *lock)
{
	uint64_t mask = lock->mask;

	pthread_mutex_unlock(&lock->mutex);
	signals_release(mask);
}

/* In a child of fork: whoever held it is not here. */
static inline void engine_lock_renew(struct engine_lock *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
}

#endif
