/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open files: how one gets a number, and how it ends.
 *
 * An open file ends when our end of its socket pair hangs up; one of another
 * process, which has no such end here, when no number of ours leads to it. Who
 * looks also releases, and whoever looks next waits for that: a group that was
 * closed by its last holder is free for the one who opens it afterwards.
 *
 * Locks: sweep_lock while files are dropped and released, then the table's.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "interpose/fd_private.h"
#include "interpose/fork.h"
#include "interpose/ready.h"
#include "interpose/wire.h"

static struct engine_lock sweep_lock = ENGINE_LOCK_INIT;
static uint64_t last_serial;

struct open_file *fd_open_locked(struct file *file, ino_t inode, int oflags, int peer)
{
	struct open_file *d = fd_free_list;

	if (d)
		fd_free_list = d->next;
	else
		d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->file = file;
	d->inode = inode;
	d->oflags = oflags;
	d->dev = NULL;
	d->pos = 0;
	d->serial = ++last_serial;
	d->peer = peer;
	if (peer >= 0)
		fd_hide_locked(&d->peer);
	d->next = fd_open_list;
	fd_open_list = d;
	atomic_fetch_add(&fd_nr_open, 1);
	atomic_store_explicit(&d->refs, 1, memory_order_release);
	if (peer >= 0 && fd_opened)
		fd_opened(d);
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

/* Both ends are made inside the lock, so that a fork sees none or a whole file. */
static int install_locked(struct file *file, int oflags, struct open_file **out)
{
	struct open_file *d;
	int ends[2], ret;
	ino_t inode;

	ret = socket_pair(ends, &inode);
	if (ret)
		return ret;
	d = fd_open_locked(file, inode, oflags, ends[1]);
	if (!d) {
		sys_close(ends[0]);
		sys_close(ends[1]);
		return -ENOMEM;
	}
	wire_name(d->peer, inode, oflags & ~O_CLOEXEC, file->path);
	*out = d;
	return ends[0];
}

/* It is not to be: nobody had it. The reference to the file is the caller's again. */
static void uninstall(struct file *file, int fd)
{
	file_get(file);
	engine_lock(&fd_table_lock);
	fd_forget(fd);
	sys_close(fd);
	engine_unlock(&fd_table_lock);
}

/* @here: for the program; else the number is going to another process. */
static int install(struct file *file, int oflags, bool here)
{
	struct open_file *d = NULL;
	int fd, ret;

	engine_lock(&fd_table_lock);
	fd = install_locked(file, oflags, &d);
	if (fd >= 0 && here) {
		if (!(oflags & O_CLOEXEC))
			RAW(SYS_fcntl, fd, F_SETFD, 0);
		fd_mean(fd, FD_FILE, d);
	}
	engine_unlock(&fd_table_lock);
	if (fd < 0)
		return fd;
	ret = ready_begin(file, &d->peer);
	if (ret)
		uninstall(file, fd);
	return ret ? ret : fd;
}

int fd_install(struct file *file, int oflags)
{
	fork_settle();
	return install(file, oflags, true);
}

int fd_install_away(struct file *file, int oflags)
{
	return install(file, oflags, false);
}

/* Dropping. */

static bool has_number(const struct open_file *d)
{
	for (int fd = fd_next(0, FD_MAX - 1); fd >= 0; fd = fd_next((unsigned)fd + 1, FD_MAX - 1))
		if (fd_mark(fd) == FD_FILE && fd_table[fd] == d)
			return true;
	return false;
}

static bool has_ended(const struct open_file *d)
{
	struct pollfd pfd = { .fd = d->peer };
	struct timespec now = { 0, 0 };

	if (d->peer < 0)
		return !has_number(d);
	return RAW(SYS_ppoll, &pfd, 1, &now, NULL, 0) == 1 && (pfd.revents & POLLHUP);
}

/* Take one that nobody holds any more off the list: the reference is the caller's to put. */
static struct open_file *sweep_one_locked(void)
{
	struct open_file **link, *d;
	int fd;

	for (link = &fd_open_list; *link && !has_ended(*link); link = &(*link)->next)
		;
	d = *link;
	if (!d)
		return NULL;
	*link = d->next;
	atomic_fetch_sub(&fd_nr_open, 1);
	if (d->peer >= 0)
		fd_hidden_close_locked(&d->peer);
	/* Numbers closed behind our back, by a bare system call. */
	for (fd = fd_next(0, FD_MAX - 1); fd >= 0; fd = fd_next((unsigned)fd + 1, FD_MAX - 1))
		if (fd_table[fd] == d)
			fd_forget(fd);
	return d;
}

void fd_sweep(void)
{
	struct open_file *d;

	engine_lock(&sweep_lock);
	do {
		engine_lock(&fd_table_lock);
		d = sweep_one_locked();
		engine_unlock(&fd_table_lock);
		if (d)
			fd_put(d);
	} while (d);
	engine_unlock(&sweep_lock);
}

/*
 * What stands in the way may be a file whose last descriptor was another process's, which
 * has ended: where there is a kernel that file is closed before anybody can know of the end,
 * and here not before the service gets to it. Refused calls have changed nothing.
 */
long fd_ioctl_again(struct file *file, struct file_caller *caller, unsigned long cmd,
		    unsigned long arg)
{
	fd_sweep();
	return file->ops->ioctl(file, caller, cmd, arg);
}

void fd_open_abandon(void)
{
	fd_open_list = NULL;
	fd_free_list = NULL;
	atomic_store(&fd_nr_open, 0);
	fd_opened = NULL;
	engine_lock_renew(&sweep_lock);
}
