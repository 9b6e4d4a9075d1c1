/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptor table.
 *
 * Every number handed to the program is one end of a socket pair; we keep the
 * other. So the kernel itself knows how many copies there are, in this process,
 * in its children and in flight in SCM_RIGHTS messages, and tells us by a
 * hang-up when the last one is gone. We look when the program closes a number,
 * and at all of them before a device is opened: what a child still held may be
 * free by then.
 *
 * Three things lie behind a number:
 *
 *	fd_marks[fd]	one byte: is it ours at all. What every wrapper looks at
 *	fd_table[fd]	the open file (FD_FILE), or the slot that holds the
 *			number (FD_HIDDEN)
 *	struct open_file	shared by all numbers that were duplicated from another
 *
 * Calls find their open file without a lock. An open file's memory is never
 * given back, only used again, so fd_get() may look at one that is just being
 * dropped: it takes a reference unless there are none, and then looks whether
 * the number still leads there.
 *
 * A child of vfork shares this memory, but not the descriptors: what it closes
 * or duplicates must leave no trace here. Hence fork_here() before every
 * change.
 *
 * Numbers from FD_MAX up are never ours: whoever has that many files open gets
 * EMFILE from us.
 *
 * Locks: fd_table_lock around every change; not held while a file is released.
 */
#include "interpose/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/hidden.h"
#include "base/sys.h"
#include "interpose/fd_private.h"
#include "interpose/fork.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2)
#endif

uint8_t fd_marks[FD_MAX];
bool fd_ever;
_Atomic(void *) fd_table[FD_MAX];
struct open_file *fd_open_list;
struct open_file *fd_free_list;
atomic_uint fd_nr_open;
struct engine_lock fd_table_lock = ENGINE_LOCK_INIT;

bool fd_any(void)
{
	return atomic_load_explicit(&fd_nr_open, memory_order_relaxed) != 0;
}

bool fd_is_there(int fd)
{
	return RAW(SYS_fcntl, fd, F_GETFD) >= 0;
}

struct open_file *fd_forget(int fd)
{
	struct open_file *d = fd_mark(fd) == FD_FILE ? fd_table[fd] : NULL;

	__atomic_store_n(&fd_marks[fd], 0, __ATOMIC_RELEASE);
	atomic_store_explicit(&fd_table[fd], NULL, memory_order_release);
	return d;
}

int fd_next(unsigned from, unsigned last)
{
	if (last >= FD_MAX)
		last = FD_MAX - 1;
	while (from <= last && !fd_mark((int)from))
		from++;
	return from <= last ? (int)from : -1;
}

bool fd_tryget(struct open_file *d)
{
	unsigned refs = atomic_load_explicit(&d->refs, memory_order_relaxed);

	do {
		if (!refs)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&d->refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed));
	return true;
}

struct open_file *fd_get(int fd, int *err)
{
	struct open_file *d;

	fork_settle();
	*err = fd_mark(fd) == FD_FOREIGN ? fd_settle_foreign(fd) : -EBADF;
	if (!*err)
		*err = -EBADF;
	while (fd_mark(fd) == FD_FILE) {
		d = atomic_load_explicit(&fd_table[fd], memory_order_acquire);
		if (!d || !fd_tryget(d))
			return NULL;
		if (atomic_load_explicit(&fd_table[fd], memory_order_acquire) == d)
			return d;
		fd_put(d);
	}
	return NULL;
}

void fd_put(struct open_file *d)
{
	if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	file_put(d->file);
	d->file = NULL;
	engine_lock(&fd_table_lock);
	d->next = fd_free_list;
	fd_free_list = d;
	engine_unlock(&fd_table_lock);
}

const char *fd_path(int fd)
{
	const char *path;
	struct open_file *d;
	int err;

	d = fd_get(fd, &err);
	if (!d)
		return NULL;
	path = d->file->path;
	fd_put(d);
	return path;
}

/* Hidden numbers. */

void fd_hide_locked(int *slot)
{
	int high = RAW(SYS_fcntl, *slot, F_DUPFD_CLOEXEC, hidden_floor());

	/* No room up there: then it stays, out of the program's reach nonetheless. */
	if (high >= FD_MAX) {
		sys_close(high);
	} else if (high >= 0) {
		sys_close(*slot);
		*slot = high;
	}
	if (*slot < FD_MAX)
		fd_mean(*slot, FD_HIDDEN, slot);
}

void fd_hide(int *slot)
{
	engine_lock(&fd_table_lock);
	fd_hide_locked(slot);
	engine_unlock(&fd_table_lock);
}

void fd_hidden_close_locked(int *slot)
{
	if (*slot < FD_MAX)
		fd_forget(*slot);
	sys_close(*slot);
	*slot = -1;
}

int fd_hidden_use(const int *slot, int (*fn)(int fd))
{
	int ret;

	engine_lock(&fd_table_lock);
	ret = fn(*slot);
	engine_unlock(&fd_table_lock);
	return ret;
}

void fd_hidden_close(int *slot)
{
	engine_lock(&fd_table_lock);
	fd_hidden_close_locked(slot);
	engine_unlock(&fd_table_lock);
}

/* The floors below keep descriptors too. */
static void hidden_by_others(struct hidden *h, bool hidden)
{
	engine_lock(&fd_table_lock);
	if (!hidden)
		fd_hidden_close_locked(&h->fd);
	else if (h->fd < FD_MAX)
		fd_mean(h->fd, FD_HIDDEN, &h->fd);
	engine_unlock(&fd_table_lock);
}

__attribute__((constructor)) static void fd_init(void)
{
	hidden_hook = hidden_by_others;
}

/*
 * The program wants the number @fd for itself. Once nobody is just using it, it is
 * free to be taken: 0; or a negative errno.
 */
static int hidden_give_way(int fd)
{
	int *slot = fd_table[fd];
	int copy = RAW(SYS_fcntl, fd, F_DUPFD_CLOEXEC, hidden_floor());

	/* no room up there */
	if (copy == -EMFILE)
		copy = RAW(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return copy;
	__atomic_store_n(slot, copy, __ATOMIC_RELEASE);
	fd_forget(fd);
	if (copy < FD_MAX)
		fd_mean(copy, FD_HIDDEN, slot);
	gate_sync(&hidden_gate);
	return 0;
}

/* The program's calls. */

int fd_close(int fd)
{
	struct open_file *d;
	int ret;

	fork_settle();
	if (!fork_here())
		return sys_close(fd);
	engine_lock(&fd_table_lock);
	if (fd_mark(fd) == FD_HIDDEN) {
		engine_unlock(&fd_table_lock);
		return -EBADF;
	}
	d = fd_forget(fd);
	ret = sys_close(fd);
	engine_unlock(&fd_table_lock);
	if (d)
		fd_sweep();
	return ret;
}

int fd_close_range(unsigned first, unsigned last, unsigned flags)
{
	unsigned next = first;
	int fd, ret = 0;

	fork_settle();
	if (flags || first > last || !fork_here())
		return RAW(SYS_close_range, first, last, flags);
	engine_lock(&fd_table_lock);
	for (fd = fd_next(first, last); fd >= 0; fd = fd_next(fd + 1, last)) {
		if (fd_mark(fd) != FD_HIDDEN) {
			fd_forget(fd);
			continue;
		}
		if ((unsigned)fd > next)
			ret = RAW(SYS_close_range, next, fd - 1, 0);
		next = (unsigned)fd + 1;
	}
	if (!ret && next <= last)
		ret = RAW(SYS_close_range, next, last, 0);
	engine_unlock(&fd_table_lock);
	fd_sweep();
	return ret;
}

int fd_dup(int fd, int min, bool cloexec)
{
	int cmd = cloexec ? F_DUPFD_CLOEXEC : F_DUPFD;
	int ret;

	fork_settle();
	if (!fork_here())
		return RAW(SYS_fcntl, fd, cmd, min);
	engine_lock(&fd_table_lock);
	ret = fd_mark(fd) == FD_HIDDEN ? -EBADF : RAW(SYS_fcntl, fd, cmd, min);
	if (ret >= FD_MAX) {
		sys_close(ret);
		ret = -EMFILE;
	}
	if (ret >= 0 && fd_is_ours(fd))
		fd_mean(ret, fd_mark(fd), fd_table[fd]);
	engine_unlock(&fd_table_lock);
	return ret;
}

static int dup_to_locked(int fd, int to, int oflags, struct open_file **closed)
{
	int ret;

	if (fd_mark(fd) == FD_HIDDEN)
		return -EBADF;
	if (fd_is_ours(fd) && to >= FD_MAX)
		return -EMFILE;
	if (fd_mark(to) == FD_HIDDEN) {
		ret = hidden_give_way(to);
		if (ret)
			return ret;
	}
	ret = RAW(SYS_dup3, fd, to, oflags);
	if (ret < 0)
		return ret;
	if (fd_is_ours(to))
		*closed = fd_forget(to);
	if (fd_is_ours(fd))
		fd_mean(to, fd_mark(fd), fd_table[fd]);
	return ret;
}

int fd_dup_to(int fd, int to, int oflags, bool dup2)
{
	struct open_file *closed = NULL;
	int ret;

	fork_settle();
	if (fd == to)
		return dup2 ? RAW(SYS_dup2, fd, to) : -EINVAL;
	if (!fork_here())
		return RAW(SYS_dup3, fd, to, oflags);
	engine_lock(&fd_table_lock);
	ret = dup_to_locked(fd, to, oflags, &closed);
	engine_unlock(&fd_table_lock);
	if (closed)
		fd_sweep();
	return ret;
}

/* Fork. */

void fd_fork_prepare(void)
{
	engine_lock(&fd_table_lock);
}

void fd_fork_parent(void)
{
	engine_unlock(&fd_table_lock);
}

void fd_abandon(void)
{
	int fd;

	for (fd = fd_next(0, FD_MAX - 1); fd >= 0; fd = fd_next(fd + 1, FD_MAX - 1)) {
		if (fd_mark(fd) == FD_HIDDEN) {
			fd_forget(fd);
			sys_close(fd);
		} else {
			fd_mean(fd, FD_FOREIGN, fd_table[fd]); /* see fd_of_file() */
		}
	}
	fd_open_abandon();
	engine_lock_renew(&fd_table_lock);
}
