/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose session it is. The command that made a session holds a lock on its
 * file "alive" as long as it runs; the kernel drops the lock however the
 * command ends. A session whose lock nobody holds was left by a command that
 * was killed, and the next one removes it.
 *
 * The file appears in the directory with its lock already taken, so a sweep
 * never meets it unlocked while its owner is well. A session that is kept on
 * purpose, or made by others than the command, has no such file.
 */
#include "machine/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define ALIVE "alive"
#define NAME  "ringfence-"

int session_hold(const char *dir)
{
	char path[PATH_MAX], self[64];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* a file system without O_TMPFILE: this session is not swept */
	if (fd < 0)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (flock(fd, LOCK_EX | LOCK_NB) ||
	    snprintf(path, sizeof(path), "%s/" ALIVE, dir) >= (int)sizeof(path) ||
	    linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW)) {
		int err = errno ? errno : ENAMETOOLONG;

		close(fd);
		return -err;
	}
	return fd;
}

void session_keep(const char *dir)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/" ALIVE, dir) < (int)sizeof(path))
		unlink(path);
}

/* Remove @dir if its owner is gone. */
static void sweep_one(const char *dir)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" ALIVE, dir) >= (int)sizeof(path))
		return;
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		session_remove(dir);
	close(fd);
}

void session_sweep(const char *dir)
{
	const char *slash = strrchr(dir, '/');
	char place[PATH_MAX], path[PATH_MAX + 1];
	struct dirent *entry;
	DIR *stream;

	if (!slash || slash == dir || slash - dir >= PATH_MAX)
		return;
	memcpy(place, dir, (size_t)(slash - dir));
	place[slash - dir] = '\0';
	stream = opendir(place);
	if (!stream)
		return;
	while ((entry = readdir(stream))) {
		if (strncmp(entry->d_name, NAME, sizeof(NAME) - 1) ||
		    snprintf(path, sizeof(path), "%s/%s", place, entry->d_name) >= PATH_MAX)
			continue;
		if (strcmp(path, dir))
			sweep_one(path);
	}
	closedir(stream);
}
