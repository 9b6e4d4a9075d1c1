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
 *			number (FD_HIDDEN), NULL if a floor below holds it
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
 * Locks: table_lock around every change; not held while a file is released.
 */
#include "interpose/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/hidden.h"
#include "interpose/fork.h"
#include "interpose/lock.h"
#include "interpose/ready.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1u << 2)
#endif

uint8_t fd_marks[FD_MAX];
static _Atomic(void *) fd_table[FD_MAX];
static struct open_file *open_list;
static struct open_file *free_list;
static atomic_uint nr_open;
static struct engine_lock table_lock = ENGINE_LOCK_INIT;

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

bool fd_any(void)
{
	return atomic_load_explicit(&nr_open, memory_order_relaxed) != 0;
}

bool fd_is_there(int fd)
{
	return RAW(SYS_fcntl, fd, F_GETFD) >= 0;
}

static void table_set(int fd, enum fd_mark mark, void *what)
{
	atomic_store_explicit(&fd_table[fd], what, memory_order_release);
	__atomic_store_n(&fd_marks[fd], mark, __ATOMIC_RELEASE);
}

/* What the number meant until now, if it was a file. */
static struct open_file *table_forget(int fd)
{
	struct open_file *d = fd_mark(fd) == FD_FILE ? fd_table[fd] : NULL;

	__atomic_store_n(&fd_marks[fd], 0, __ATOMIC_RELEASE);
	atomic_store_explicit(&fd_table[fd], NULL, memory_order_release);
	return d;
}

/* The first number of ours in [from, last], or -1. */
static int table_next(unsigned from, unsigned last)
{
	if (last >= FD_MAX)
		last = FD_MAX - 1;
	while (from <= last && !fd_mark((int)from))
		from++;
	return from <= last ? (int)from : -1;
}

static bool open_file_tryget(struct open_file *d)
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
	*err = fd_mark(fd) == FD_FOREIGN ? -ENODEV : -EBADF;
	while (fd_mark(fd) == FD_FILE) {
		d = atomic_load_explicit(&fd_table[fd], memory_order_acquire);
		if (!d || !open_file_tryget(d))
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
	engine_lock(&table_lock);
	d->next = free_list;
	free_list = d;
	engine_unlock(&table_lock);
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

static void hide_locked(int *slot)
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
		table_set(*slot, FD_HIDDEN, slot);
}

void fd_hide(int *slot)
{
	engine_lock(&table_lock);
	hide_locked(slot);
	engine_unlock(&table_lock);
}

static void hidden_close_locked(int *slot)
{
	if (*slot < FD_MAX)
		table_forget(*slot);
	sys_close(*slot);
	*slot = -1;
}

int fd_hidden_use(const int *slot, int (*fn)(int fd))
{
	int ret;

	engine_lock(&table_lock);
	ret = fn(*slot);
	engine_unlock(&table_lock);
	return ret;
}

void fd_hidden_close(int *slot)
{
	engine_lock(&table_lock);
	hidden_close_locked(slot);
	engine_unlock(&table_lock);
}

/* The floors below keep descriptors too: not movable, as they do not say where they note them. */
static void hidden_by_others(int fd, bool hidden)
{
	if (fd < 0 || fd >= FD_MAX)
		return;
	engine_lock(&table_lock);
	if (hidden)
		table_set(fd, FD_HIDDEN, NULL);
	else
		table_forget(fd);
	engine_unlock(&table_lock);
}

__attribute__((constructor)) static void fd_init(void)
{
	hidden_hook = hidden_by_others;
}

/* The program wants the number @fd for itself. 0 or a negative errno. */
static int hidden_give_way(int fd)
{
	int *slot = fd_table[fd];
	int copy;

	if (!slot)
		return -EBUSY;
	copy = RAW(SYS_fcntl, fd, F_DUPFD_CLOEXEC, hidden_floor());

	if (copy < 0)
		return copy;
	*slot = copy;
	table_forget(fd);
	if (copy < FD_MAX)
		table_set(copy, FD_HIDDEN, slot);
	return 0;
}

/* Opening and dropping. */

static struct open_file *open_file_new_locked(void)
{
	struct open_file *d = free_list;

	if (d)
		free_list = d->next;
	else
		d = calloc(1, sizeof(*d));
	return d;
}

/* The two ends, close-on-exec both. 0 or a negative errno. */
static int socket_pair(int ends[2], ino_t *inode)
{
	struct stat st;
	int ret = RAW(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);

	if (ret)
		return ret;
	ret = ends[0] < FD_MAX ? RAW(SYS_fstat, ends[0], &st) : -EMFILE;
	if (ret) {
		sys_close(ends[0]);
		sys_close(ends[1]);
		return ret;
	}
	*inode = st.st_ino;
	return 0;
}

int fd_install(struct file *file, int oflags)
{
	struct open_file *d;
	int ends[2];
	ino_t inode;
	int ret;

	fork_settle();
	engine_lock(&table_lock);
	ret = socket_pair(ends, &inode);
	if (ret)
		goto unlock;
	d = open_file_new_locked();
	if (!d) {
		sys_close(ends[0]);
		sys_close(ends[1]);
		ret = -ENOMEM;
		goto unlock;
	}
	if (!(oflags & O_CLOEXEC))
		RAW(SYS_fcntl, ends[0], F_SETFD, 0);
	d->file = file;
	d->inode = inode;
	d->oflags = oflags;
	d->pos = 0;
	d->peer = ends[1];
	hide_locked(&d->peer);
	d->next = open_list;
	open_list = d;
	atomic_fetch_add(&nr_open, 1);
	atomic_store_explicit(&d->refs, 1, memory_order_release);
	table_set(ends[0], FD_FILE, d);
	engine_unlock(&table_lock);
	ret = ready_begin(file, &d->peer);
	if (ret) {
		file_get(file); /* the caller's, who keeps it when we fail */
		fd_close(ends[0]);
		return ret;
	}
	return ends[0];
unlock:
	engine_unlock(&table_lock);
	return ret;
}

static bool hung_up(const struct open_file *d)
{
	struct pollfd pfd = { .fd = d->peer };
	struct timespec now = { 0, 0 };

	return RAW(SYS_ppoll, &pfd, 1, &now, NULL, 0) == 1 && (pfd.revents & POLLHUP);
}

/* Take one that nobody holds any more off the list: the reference is the caller's to put. */
static struct open_file *sweep_one_locked(void)
{
	struct open_file **link, *d;
	int fd;

	for (link = &open_list; *link && !hung_up(*link); link = &(*link)->next)
		;
	d = *link;
	if (!d)
		return NULL;
	*link = d->next;
	atomic_fetch_sub(&nr_open, 1);
	hidden_close_locked(&d->peer);
	/* Numbers closed behind our back, by a bare system call. */
	for (fd = table_next(0, FD_MAX - 1); fd >= 0; fd = table_next(fd + 1, FD_MAX - 1))
		if (fd_table[fd] == d)
			table_forget(fd);
	return d;
}

void fd_sweep(void)
{
	struct open_file *d;

	do {
		engine_lock(&table_lock);
		d = sweep_one_locked();
		engine_unlock(&table_lock);
		if (d)
			fd_put(d);
	} while (d);
}

void fd_recognise(int fd)
{
	struct open_file *d;
	struct stat st;

	if (!fd_any() || fd < 0 || fd >= FD_MAX)
		return;
	if (RAW(SYS_fstat, fd, &st) || !S_ISSOCK(st.st_mode) || !fork_here())
		return;
	engine_lock(&table_lock);
	for (d = open_list; d && d->inode != st.st_ino; d = d->next)
		;
	if (d)
		table_set(fd, FD_FILE, d);
	engine_unlock(&table_lock);
}

/* The program's calls. */

int fd_close(int fd)
{
	struct open_file *d;
	int ret;

	fork_settle();
	if (!fork_here())
		return sys_close(fd);
	engine_lock(&table_lock);
	if (fd_mark(fd) == FD_HIDDEN) {
		engine_unlock(&table_lock);
		return -EBADF;
	}
	d = table_forget(fd);
	ret = sys_close(fd);
	engine_unlock(&table_lock);
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
	engine_lock(&table_lock);
	for (fd = table_next(first, last); fd >= 0; fd = table_next(fd + 1, last)) {
		if (fd_mark(fd) != FD_HIDDEN) {
			table_forget(fd);
			continue;
		}
		if ((unsigned)fd > next)
			ret = RAW(SYS_close_range, next, fd - 1, 0);
		next = (unsigned)fd + 1;
	}
	if (!ret && next <= last)
		ret = RAW(SYS_close_range, next, last, 0);
	engine_unlock(&table_lock);
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
	engine_lock(&table_lock);
	ret = fd_mark(fd) == FD_HIDDEN ? -EBADF : RAW(SYS_fcntl, fd, cmd, min);
	if (ret >= FD_MAX) {
		sys_close(ret);
		ret = -EMFILE;
	}
	if (ret >= 0 && fd_is_ours(fd))
		table_set(ret, fd_mark(fd), fd_table[fd]);
	engine_unlock(&table_lock);
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
		*closed = table_forget(to);
	if (fd_is_ours(fd))
		table_set(to, fd_mark(fd), fd_table[fd]);
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
	engine_lock(&table_lock);
	ret = dup_to_locked(fd, to, oflags, &closed);
	engine_unlock(&table_lock);
	if (closed)
		fd_sweep();
	return ret;
}

/* Fork. */

void fd_fork_prepare(void)
{
	engine_lock(&table_lock);
}

void fd_fork_parent(void)
{
	engine_unlock(&table_lock);
}

void fd_abandon(void)
{
	int fd;

	for (fd = table_next(0, FD_MAX - 1); fd >= 0; fd = table_next(fd + 1, FD_MAX - 1)) {
		if (fd_mark(fd) == FD_HIDDEN) {
			table_forget(fd);
			sys_close(fd);
		} else {
			table_set(fd, FD_FOREIGN, NULL);
		}
	}
	open_list = NULL;
	free_list = NULL;
	atomic_store(&nr_open, 0);
	engine_lock_renew(&table_lock);
}
