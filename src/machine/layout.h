/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trees of small files, written in one go.
 *
 * The first failure sticks: later calls do nothing, and layout_end() reports it
 * with the name it happened at. So code that lays out a tree reads like the
 * tree.
 */
#ifndef RF_MACHINE_LAYOUT_H
#define RF_MACHINE_LAYOUT_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * struct layout - a tree of files being written
 * @root: the directory everything is below; the caller's
 * @dir: the current directory
 * @base: its name, relative to @root
 * @err: the first failure, a negative errno
 * @failed: the name it happened at
 */
struct layout {
	int root;
	int dir;
	char base[PATH_MAX];
	int err;
	char failed[PATH_MAX];
};

void layout_start(struct layout *layout, int root);
/* 0 or the first failure, with *error. */
int layout_end(struct layout *layout, char **error);

/* Make a directory below the root, with those above it, and make it the current one. */
void layout_enter(struct layout *layout, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* In the current directory: */
void layout_file(struct layout *layout, mode_t mode, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void layout_bytes(struct layout *layout, mode_t mode, const char *name, const void *bytes,
		  size_t len);
void layout_link(struct layout *layout, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Remove everything below the directory @fd, following no link. Never fails; what cannot go stays. */
void layout_remove(int fd);

#endif
