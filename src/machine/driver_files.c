/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bare system calls throughout: in a process of the session, libc's names are
 * the interposer's, which would take a path below the session for the
 * program's /sys and refuse to change it.
 */
#include "machine/driver_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

#define LOCK_NAME    "lock/drivers"
#define SCRATCH_NAME "lock/.new"
#define LOCK_EX	     2
#define DIR_BUFFER   32768u

static long answer(long ret)
{
	return ret < 0 ? -errno : ret;
}

static int open_at(int dir, const char *path, int flags, int mode)
{
	return (int)answer(syscall(SYS_openat, dir, path, flags | O_CLOEXEC, mode));
}

static int rename_at(const struct session_files *files, const char *from, const char *to)
{
	return (int)answer(syscall(SYS_renameat, files->root, from, files->root, to));
}

bool path_print(char path[PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(path, PATH_MAX, fmt, ap);
	va_end(ap);
	return len >= 0 && len < PATH_MAX;
}

int files_open(struct session_files *files, const char *session, bool turn)
{
	int err;

	files->lock = -1;
	files->root = sys_open(session, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (files->root < 0 || !turn)
		return files->root < 0 ? files->root : 0;
	files->lock = open_at(files->root, LOCK_NAME, O_RDWR | O_CREAT, 0600);
	if (files->lock < 0) {
		err = files->lock;
		sys_close(files->root);
		return err;
	}
	while (syscall(SYS_flock, files->lock, LOCK_EX) < 0)
		if (errno != EINTR) {
			err = -errno;
			files_close(files);
			return err;
		}
	return 0;
}

void files_close(struct session_files *files)
{
	if (files->lock >= 0)
		sys_close(files->lock);
	sys_close(files->root);
}

bool link_name(const struct session_files *files, const char *path, char name[NAME_SIZE])
{
	char target[PATH_MAX], *slash;
	long len = syscall(SYS_readlinkat, files->root, path, target, sizeof(target) - 1);

	if (len < 0)
		return false;
	target[len] = '\0';
	slash = strrchr(target, '/');
	return snprintf(name, NAME_SIZE, "%s", slash ? slash + 1 : target) < (int)NAME_SIZE;
}

int link_set(const struct session_files *files, const char *target, const char *path)
{
	int ret;

	syscall(SYS_unlinkat, files->root, SCRATCH_NAME, 0);
	ret = (int)answer(syscall(SYS_symlinkat, target, files->root, SCRATCH_NAME));
	return ret ? ret : rename_at(files, SCRATCH_NAME, path);
}

bool file_exists(const struct session_files *files, const char *path)
{
	struct stat st;

	return !syscall(SYS_newfstatat, files->root, path, &st, AT_SYMLINK_NOFOLLOW);
}

ssize_t file_read(const struct session_files *files, const char *path, char *buf, size_t size)
{
	int fd = open_at(files->root, path, O_RDONLY, 0);
	size_t used = 0;
	ssize_t len;

	buf[0] = '\0';
	if (fd < 0)
		return fd;
	while (used < size - 1) {
		len = sys_read(fd, buf + used, size - 1 - used);
		if (len == -EINTR)
			continue;
		if (len <= 0)
			break;
		used += (size_t)len;
	}
	sys_close(fd);
	buf[used] = '\0';
	return (ssize_t)used;
}

int file_replace(const struct session_files *files, const char *path, const char *text)
{
	size_t len = strlen(text);
	struct stat st;
	ssize_t done;
	int fd, ret;

	if (syscall(SYS_newfstatat, files->root, path, &st, 0))
		return -errno;
	syscall(SYS_unlinkat, files->root, SCRATCH_NAME, 0);
	fd = open_at(files->root, SCRATCH_NAME, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	done = sys_write(fd, text, len);
	ret = done < 0 ? (int)done : (size_t)done != len ? -ENOSPC : 0;
	if (!ret)
		ret = (int)answer(syscall(SYS_fchmod, fd, st.st_mode & 0777));
	sys_close(fd);
	return ret ? ret : rename_at(files, SCRATCH_NAME, path);
}

int file_remove(const struct session_files *files, const char *path)
{
	int ret = (int)answer(syscall(SYS_unlinkat, files->root, path, 0));

	return ret == -ENOENT ? 0 : ret;
}

int file_hide(const struct session_files *files, const char *path, const char *key)
{
	char spare[PATH_MAX];
	int ret;

	if (!path_print(spare, "spare/%s", key))
		return -ENAMETOOLONG;
	ret = rename_at(files, path, spare);
	return ret == -ENOENT ? 0 : ret;
}

int file_show(const struct session_files *files, const char *path, const char *key)
{
	char spare[PATH_MAX];
	int ret;

	if (!path_print(spare, "spare/%s", key))
		return -ENAMETOOLONG;
	ret = rename_at(files, spare, path);
	return ret == -ENOENT ? 0 : ret;
}

/* As getdents64() writes them. */
struct dir_entry {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* Every name of the directory, one behind the other, each ended by a zero byte; and one more. */
static char *read_names(int dir, int *err)
{
	char *names = NULL, *chunk = malloc(DIR_BUFFER);
	size_t used = 0;
	long len;

	*err = -ENOMEM;
	while (chunk && (len = syscall(SYS_getdents64, dir, chunk, DIR_BUFFER)) != 0) {
		char *more;

		if (len < 0) {
			*err = -errno;
			goto fail;
		}
		more = realloc(names, used + (size_t)len + 1);
		if (!more)
			goto fail;
		names = more;
		for (long at = 0; at < len;) {
			struct dir_entry *entry = (struct dir_entry *)(void *)(chunk + at);
			size_t size = strlen(entry->name) + 1;

			at += entry->reclen;
			if (!strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
				continue;
			memcpy(names + used, entry->name, size);
			used += size;
		}
		names[used] = '\0';
	}
	free(chunk);
	if (!names && chunk)
		names = calloc(1, 1);
	return names;
fail:
	free(chunk);
	free(names);
	return NULL;
}

int files_each(const struct session_files *files, const char *path,
	       int (*fn)(const struct session_files *files, const char *name, void *arg), void *arg)
{
	int dir = open_at(files->root, path, O_RDONLY | O_DIRECTORY, 0);
	int ret = 0;
	char *names;

	if (dir < 0)
		return dir;
	names = read_names(dir, &ret);
	sys_close(dir);
	if (!names)
		return ret;
	ret = 0;
	for (char *name = names; *name && !ret; name += strlen(name) + 1)
		ret = fn(files, name, arg);
	free(names);
	return ret;
}

bool device_directory(const struct session_files *files, const char *address, char path[PATH_MAX])
{
	char link[PATH_MAX], target[PATH_MAX];
	long len;

	if (strchr(address, '/') || !path_print(link, "sys/bus/pci/devices/%s", address))
		return false;
	len = syscall(SYS_readlinkat, files->root, link, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	return !strncmp(target, "../../../", 9) && path_print(path, "sys/%s", target + 9);
}

unsigned device_number(const struct session_files *files, const char *address, const char *file)
{
	char path[PATH_MAX], text[32];

	if (!path_print(path, "sys/bus/pci/devices/%s/%s", address, file) ||
	    file_read(files, path, text, sizeof(text)) <= 0)
		return 0;
	return (unsigned)strtoul(text, NULL, 16);
}
