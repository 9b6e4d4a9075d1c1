/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names are resolved relative to open directories, never from the root again:
 * what somebody renames or links meanwhile cannot lead us elsewhere.
 */
#include "machine/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/fail.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static void layout_fail(struct layout *layout, int err, const char *name)
{
	if (layout->err)
		return;
	layout->err = err;
	snprintf(layout->failed, sizeof(layout->failed), "%.2000s/%.1000s", layout->base, name);
}

static void layout_leave(struct layout *layout)
{
	if (layout->dir != layout->root)
		close(layout->dir);
	layout->dir = layout->root;
	layout->base[0] = '\0';
}

void layout_start(struct layout *layout, int root)
{
	layout->root = root;
	layout->dir = root;
	layout->base[0] = '\0';
	layout->err = 0;
}

int layout_end(struct layout *layout, char **error)
{
	layout_leave(layout);
	if (!layout->err)
		return 0;
	return fail(layout->err, error, "%s: %s", layout->failed, strerror(-layout->err));
}

static void layout_step(struct layout *layout, const char *name)
{
	int fd = openat(layout->dir, name, DIR_FLAGS);

	if (fd < 0 && errno == ENOENT && !mkdirat(layout->dir, name, 0755))
		fd = openat(layout->dir, name, DIR_FLAGS);
	if (fd < 0) {
		layout_fail(layout, -errno, name);
		return;
	}
	if (layout->dir != layout->root)
		close(layout->dir);
	layout->dir = fd;
}

void layout_enter(struct layout *layout, const char *fmt, ...)
{
	char path[PATH_MAX], *rest = path, *name;
	va_list ap;

	if (layout->err)
		return;
	layout_leave(layout);
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	memcpy(layout->base, path, sizeof(path));
	while (!layout->err && (name = strsep(&rest, "/")))
		layout_step(layout, name);
}

void layout_bytes(struct layout *layout, mode_t mode, const char *name, const void *bytes,
		  size_t len)
{
	ssize_t written;
	int fd;

	if (layout->err)
		return;
	fd = openat(layout->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		layout_fail(layout, -errno, name);
		return;
	}
	written = len ? write(fd, bytes, len) : 0;
	if (written < 0 || fchmod(fd, mode))
		layout_fail(layout, -errno, name);
	else if ((size_t)written != len)
		layout_fail(layout, -ENOSPC, name);
	close(fd);
}

void layout_file(struct layout *layout, mode_t mode, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	if (layout->err)
		return;
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0) {
		layout_fail(layout, -ENOMEM, name);
		return;
	}
	layout_bytes(layout, mode, name, text, (size_t)len);
	free(text);
}

void layout_link(struct layout *layout, const char *name, const char *fmt, ...)
{
	char target[PATH_MAX];
	va_list ap;

	if (layout->err)
		return;
	va_start(ap, fmt);
	vsnprintf(target, sizeof(target), fmt, ap);
	va_end(ap);
	if (symlinkat(target, layout->dir, name))
		layout_fail(layout, -errno, name);
}

void layout_remove(int fd)
{
	int copy = openat(fd, ".", DIR_FLAGS);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((entry = readdir(dir))) {
		int sub;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (!unlinkat(copy, entry->d_name, 0) || errno != EISDIR)
			continue;
		sub = openat(copy, entry->d_name, DIR_FLAGS);
		if (sub < 0)
			continue;
		layout_remove(sub);
		close(sub);
		unlinkat(copy, entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
}
