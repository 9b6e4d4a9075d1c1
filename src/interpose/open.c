/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening what only we have: the container, and groups.
 *
 * A group is open in one process of the session at a time: whoever opens it
 * holds SESSION/lock/group-N with flock() until the group's file is released.
 * The kernel drops the lock of a process that dies, however that happens. A
 * child of fork shares the lock with its parent, so the owner unlocks
 * explicitly, and a child closes its copy without a word.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "interpose/engine.h"
#include "interpose/fd.h"
#include "interpose/internal.h"
#include "machine/machine.h"
#include "vfio/vfio.h"

struct group_lock {
	int fd;
};

static void group_unlock(void *arg)
{
	struct group_lock *lock = arg;

	flock(lock->fd, LOCK_UN);
	fd_hidden_close(&lock->fd);
	free(lock);
}

/* NULL with *@err: -EBUSY when another process (or an open of this one) has it. */
static struct group_lock *group_lock(unsigned id, int *err)
{
	struct group_lock *lock;
	char path[PATH_MAX];
	int saved = errno;

	if (snprintf(path, sizeof(path), "%s/lock/group-%u", engine_session(), id) >= PATH_MAX) {
		*err = -ENAMETOOLONG;
		return NULL;
	}
	*err = -ENOMEM;
	lock = malloc(sizeof(*lock));
	if (!lock)
		return NULL;
	lock->fd = sys_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock->fd < 0) {
		*err = lock->fd;
		goto free_lock;
	}
	if (flock(lock->fd, LOCK_EX | LOCK_NB)) {
		*err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		errno = saved;
		goto close_lock;
	}
	fd_hide(&lock->fd);
	return lock;
close_lock:
	sys_close(lock->fd);
free_lock:
	free(lock);
	return NULL;
}

static struct file *group_open(struct rf_machine *machine, unsigned id, int *err)
{
	struct rf_group *group = machine_group(machine, id);
	struct group_lock *lock;
	struct file *file;

	*err = -ENOENT;
	if (!group)
		return NULL;
	lock = group_lock(id, err);
	if (!lock)
		return NULL;
	*err = vfio_open_group(group, &machine->vfio, &file);
	if (*err) {
		group_unlock(lock);
		return NULL;
	}
	file->gone = group_unlock;
	file->gone_arg = lock;
	return file;
}

/* "/dev/vfio/17": true with the number. */
static bool group_number(const char *path, unsigned *id)
{
	static const char prefix[] = "/dev/vfio/";
	unsigned long n;
	char *end;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return false;
	path += sizeof(prefix) - 1;
	if (path[0] < '0' || path[0] > '9' || (path[0] == '0' && path[1]))
		return false;
	n = strtoul(path, &end, 10);
	*id = (unsigned)n;
	return !*end && n <= UINT_MAX;
}

static struct file *device_file(struct rf_machine *machine, const char *path, int *err)
{
	struct file *file;
	unsigned id;

	if (group_number(path, &id))
		return group_open(machine, id, err);
	*err = -ENOENT;
	if (strcmp(path, "/dev/vfio/vfio") != 0)
		return NULL;
	*err = vfio_open_container(&machine->vfio, &file);
	return *err ? NULL : file;
}

int device_open(const char *path, int oflags)
{
	struct rf_machine *machine = engine_machine();
	struct file *file;
	int ret;

	if (!machine)
		return -ENOENT;
	fd_sweep();
	file = device_file(machine, path, &ret);
	if (!file)
		return ret;
	ret = fd_install(file, oflags);
	if (ret < 0)
		file_put(file);
	return ret;
}
