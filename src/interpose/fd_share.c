/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that cross processes: numbers that came from elsewhere, and what the
 * service (service.c) asks of the files whose holders it serves.
 *
 * A number from elsewhere is FD_FOREIGN at first, which costs nothing. The first
 * call on it makes a stand-in (holder.c), and from then on it is a file like any
 * other; numbers of the same socket share it.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "interpose/fd_private.h"
#include "interpose/fork.h"
#include "interpose/holder.h"
#include "interpose/wire.h"

void (*fd_opened)(struct open_file *d);

static struct open_file *find_locked(ino_t inode)
{
	struct open_file *d = fd_open_list;

	while (d && d->inode != inode)
		d = d->next;
	return d;
}

int fd_settle_foreign(int fd)
{
	struct file *file;
	struct open_file *d;
	ino_t inode;
	int oflags;

	/* children of this process must find out that the connection is not theirs */
	if (fork_watch() || holder_new(fd, &file, &inode, &oflags))
		return -ENODEV;
	engine_lock(&fd_table_lock);
	d = find_locked(inode);
	if (!d) {
		d = fd_open_locked(file, inode, oflags, -1);
		if (d)
			file = NULL;
	}
	if (d && fd_mark(fd) == FD_FOREIGN)
		fd_mean(fd, FD_FILE, d);
	engine_unlock(&fd_table_lock);
	if (file)
		file_put(file);
	return d ? 0 : -ENOMEM;
}

void fd_recognise(int fd)
{
	char path[WIRE_PATH_MAX];
	struct open_file *d;
	ino_t inode;
	int oflags;

	if (fd < 0 || fd >= FD_MAX || !wire_known(fd, &inode, &oflags, path) || !fork_here())
		return;
	engine_lock(&fd_table_lock);
	d = find_locked(inode);
	fd_mean(fd, d ? FD_FILE : FD_FOREIGN, d);
	engine_unlock(&fd_table_lock);
}

int fd_adopt(int fd, int oflags)
{
	if (fd >= FD_MAX)
		return -EMFILE;
	RAW(SYS_fcntl, fd, F_SETFD, oflags & O_CLOEXEC ? FD_CLOEXEC : 0);
	engine_lock(&fd_table_lock);
	fd_mean(fd, FD_FOREIGN, NULL);
	engine_unlock(&fd_table_lock);
	return fd;
}

struct linux_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

void fd_recognise_all(void)
{
	_Alignas(struct linux_dirent) char buf[1024];
	int dir = sys_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int got;

	if (dir < 0)
		return;
	while ((got = RAW(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (int at = 0; at < got; at += ((struct linux_dirent *)(buf + at))->len) {
			const char *name = ((struct linux_dirent *)(buf + at))->name;
			int fd = 0;

			while (*name >= '0' && *name <= '9')
				fd = fd * 10 + (*name++ - '0');
			if (!*name && fd != dir)
				fd_recognise(fd);
		}
	}
	sys_close(dir);
}

/* A holder that belongs to a mapping is another one than that of the descriptor. */
int fd_of_file(const struct file *file)
{
	ino_t inode = holder_is(file) ? holder_inode(file) : 0;

	for (int fd = fd_next(0, FD_MAX - 1); fd >= 0; fd = fd_next((unsigned)fd + 1, FD_MAX - 1)) {
		const struct open_file *d = fd_table[fd];

		if (fd_mark(fd) == FD_FOREIGN && d &&
		    (d->file == file || (inode && d->inode == inode)))
			return fd;
	}
	return -1;
}

/* For the service. */

bool fd_any_local(void)
{
	bool any = false;

	if (!fd_any())
		return false;
	engine_lock(&fd_table_lock);
	for (struct open_file *d = fd_open_list; d && !any; d = d->next)
		any = d->peer >= 0;
	engine_unlock(&fd_table_lock);
	return any;
}

bool fd_any_inherited(void)
{
	for (int fd = fd_next(0, FD_MAX - 1); fd >= 0; fd = fd_next((unsigned)fd + 1, FD_MAX - 1))
		if (fd_mark(fd) == FD_FILE && !(RAW(SYS_fcntl, fd, F_GETFD) & FD_CLOEXEC))
			return true;
	return false;
}

void fd_each_open(void (*opened)(struct open_file *d))
{
	engine_lock(&fd_table_lock);
	fd_opened = opened;
	for (struct open_file *d = fd_open_list; d && opened; d = d->next)
		if (d->peer >= 0)
			opened(d);
	engine_unlock(&fd_table_lock);
}

int fd_receive(struct open_file *d, struct wire *w, int *fds)
{
	int ret = -EAGAIN;

	engine_lock(&fd_table_lock);
	if (d->peer >= 0 && atomic_load(&d->refs))
		ret = wire_recv(d->peer, w, fds, true);
	engine_unlock(&fd_table_lock);
	return ret;
}

struct open_file *fd_hold(struct open_file *d, uint64_t serial)
{
	if (!fd_tryget(d))
		return NULL;
	if (d->serial == serial)
		return d;
	fd_put(d);
	return NULL;
}

struct file *fd_file_behind(int fd)
{
	struct file *file = NULL;
	struct open_file *d;
	struct stat st;

	if (RAW(SYS_fstat, fd, &st) || !S_ISSOCK(st.st_mode))
		return NULL;
	engine_lock(&fd_table_lock);
	d = find_locked(st.st_ino);
	if (d && d->peer >= 0 && fd_tryget(d))
		file = file_get(d->file);
	else
		d = NULL;
	engine_unlock(&fd_table_lock);
	if (d)
		fd_put(d);
	return file;
}
