/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names are resolved relative to open directories, never from the root again:
 * what somebody renames or links meanwhile cannot lead us elsewhere.
 */
#include "machine/tree.h"

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

static void tree_fail(struct tree *tree, int err, const char *name)
{
	if (tree->err)
		return;
	tree->err = err;
	snprintf(tree->failed, sizeof(tree->failed), "%.2000s/%.1000s", tree->base, name);
}

static void tree_leave(struct tree *tree)
{
	if (tree->dir != tree->root)
		close(tree->dir);
	tree->dir = tree->root;
	tree->base[0] = '\0';
}

void tree_start(struct tree *tree, int root)
{
	tree->root = root;
	tree->dir = root;
	tree->base[0] = '\0';
	tree->err = 0;
}

int tree_end(struct tree *tree, char **error)
{
	tree_leave(tree);
	if (!tree->err)
		return 0;
	return fail(tree->err, error, "%s: %s", tree->failed, strerror(-tree->err));
}

static void tree_step(struct tree *tree, const char *name)
{
	int fd;

	if (mkdirat(tree->dir, name, 0755) && errno != EEXIST) {
		tree_fail(tree, -errno, name);
		return;
	}
	fd = openat(tree->dir, name, DIR_FLAGS);
	if (fd < 0) {
		tree_fail(tree, -errno, name);
		return;
	}
	if (tree->dir != tree->root)
		close(tree->dir);
	tree->dir = fd;
}

void tree_enter(struct tree *tree, const char *fmt, ...)
{
	char path[PATH_MAX], *rest = path, *name;
	va_list ap;

	if (tree->err)
		return;
	tree_leave(tree);
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	memcpy(tree->base, path, sizeof(path));
	while (!tree->err && (name = strsep(&rest, "/")))
		tree_step(tree, name);
}

void tree_bytes(struct tree *tree, mode_t mode, const char *name, const void *bytes, size_t len)
{
	ssize_t written;
	int fd;

	if (tree->err)
		return;
	fd = openat(tree->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		tree_fail(tree, -errno, name);
		return;
	}
	written = len ? write(fd, bytes, len) : 0;
	if (written < 0 || fchmod(fd, mode))
		tree_fail(tree, -errno, name);
	else if ((size_t)written != len)
		tree_fail(tree, -ENOSPC, name);
	close(fd);
}

void tree_file(struct tree *tree, mode_t mode, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	if (tree->err)
		return;
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0) {
		tree_fail(tree, -ENOMEM, name);
		return;
	}
	tree_bytes(tree, mode, name, text, (size_t)len);
	free(text);
}

void tree_link(struct tree *tree, const char *name, const char *fmt, ...)
{
	char target[PATH_MAX];
	va_list ap;

	if (tree->err)
		return;
	va_start(ap, fmt);
	vsnprintf(target, sizeof(target), fmt, ap);
	va_end(ap);
	if (symlinkat(target, tree->dir, name))
		tree_fail(tree, -errno, name);
}

void tree_remove(int fd)
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
		tree_remove(sub);
		close(sub);
		unlinkat(copy, entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
}
