/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine, seen from the files beside it; the rest sees engine.h.
 */
#ifndef RF_INTERPOSE_INTERNAL_H
#define RF_INTERPOSE_INTERNAL_H

#include <errno.h>

#include "base/file.h"
#include "interpose/engine.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* On whose behalf calls of this process run; valid once a file is open. */
struct file_caller *engine_caller(void);

/* The owner of this process's memory once something may be pinned; NULL before: one load. */
struct rf_owner *engine_owner(void);

/* The file of /proc/self/task/TID/fail-nth: 0; -EACCES for another thread's; -ENOMEM. */
int fail_nth_open(const char *path, struct file **out);

/* Whether the kernel would take the range for one of this address space, holes or not. */
bool range_is_valid(void *addr, size_t len);

/* In a child of fork: forget the machine, its locks and counters. */
void engine_abandon(void);

/* As libc returns: -1 and errno for a negative errno. */
static inline long result(long ret)
{
	if (likely(ret >= 0))
		return ret;
	errno = (int)-ret;
	return -1;
}

#endif
