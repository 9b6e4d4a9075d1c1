/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptor table, for the files that make it: fd.c (numbers), fd_open.c (open
 * files), fd_share.c (files that other processes hold, or that are theirs).
 */
#ifndef RF_INTERPOSE_FD_PRIVATE_H
#define RF_INTERPOSE_FD_PRIVATE_H

#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "interpose/fd.h"
#include "interpose/lock.h"

extern _Atomic(void *) fd_table[FD_MAX];

/* Under the lock: */
extern struct engine_lock fd_table_lock;
extern struct open_file *fd_open_list;
extern struct open_file *fd_free_list;
extern atomic_uint fd_nr_open;
/* Told of every file of ours that gets a descriptor; may be NULL. */
extern void (*fd_opened)(struct open_file *d);

/* A system call with a negative errno, as sys_*. */
#define RAW(...)                                  \
	({                                        \
		int saved_ = errno;               \
		long ret_ = syscall(__VA_ARGS__); \
                                                  \
		if (ret_ < 0)                     \
			ret_ = -errno;            \
		errno = saved_;                   \
		(int)ret_;                        \
	})

static inline void fd_mean(int fd, enum fd_mark mark, void *what)
{
	atomic_store_explicit(&fd_table[fd], what, memory_order_release);
	__atomic_store_n(&fd_marks[fd], mark, __ATOMIC_RELEASE);
	__atomic_store_n(&fd_ever, true, __ATOMIC_RELAXED);
}

/* The number is nobody's. What it meant until now, if it was a file. */
struct open_file *fd_forget(int fd);
/* The first number of ours in [from, last], or -1. */
int fd_next(unsigned from, unsigned last);
/* One reference more, unless there are none. */
bool fd_tryget(struct open_file *d);

void fd_hide_locked(int *slot);
void fd_hidden_close_locked(int *slot);

/*
 * A new open file in the list, with one reference: the list's. @peer: -1 for one of
 * another process. NULL: no memory.
 */
struct open_file *fd_open_locked(struct file *file, ino_t inode, int oflags, int peer);

#endif
