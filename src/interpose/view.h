/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The view, as the path wrappers of this folder use it: a quick question first
 * (view_wants(), no buffers, no system calls), then the answer in full.
 */
#ifndef RF_INTERPOSE_VIEW_H
#define RF_INTERPOSE_VIEW_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "interpose/engine.h"

/**
 * struct view - where a path of the program leads
 * @path: what to hand to the kernel
 * @shown: the program's absolute name of it when it lies in the session's
 *	tree ("/dev/vfio/3"), without "." or doubled slashes; otherwise NULL
 * @fd: the descriptor of ours that /proc/self/fd/N names, or -1
 */
struct view {
	const char *path;
	const char *shown;
	int fd;
	char buf[PATH_MAX];
};

/* Whether a path may concern the view at all; false for nearly everything. */
bool view_wants(int dirfd, const char *path);

/*
 * Resolve. A pointer that cannot be read, or a name too long, is left for the
 * kernel to refuse: @view->path is then @path itself. 0; or a negative errno
 * when a ".." could not be followed (-ENOENT, -ENOTDIR, -EACCES, -ELOOP) or
 * the name does not fit behind the session's (-ENAMETOOLONG). errno unchanged;
 * async-signal-safe.
 */
int view_resolve(struct view *view, int dirfd, const char *path);

/* The same with errno set: false on failure. */
bool view_found(struct view *view, int dirfd, const char *path);

/* Whether @shown lies in /sys, where nothing can be made, renamed or removed. */
bool view_is_sysfs(const char *shown);

/* After a directory became the working directory, or was opened: are relative paths ours? */
void view_note_cwd(void);
void view_note_dir(int fd);

/*
 * The working directory's name as the program knows it, into PATH_MAX bytes: true when in
 * the session.
 */
bool view_cwd(char *buf);

/* Whether a descriptor is of a file in the session's /sys. */
bool view_fd_is_sysfs(int fd);

/* Where the device number of a name under /dev comes from; 0: none. */
dev_t view_rdev(const char *shown);

/* What Linux would have said of a file in the session, or of a descriptor of ours. */
void view_fix_stat(const char *shown, struct stat *st);
void view_fix_fstat(int fd, struct stat *st);

/* Whether @path is "", as calls with AT_EMPTY_PATH have it. */
bool view_is_empty(const char *path);

/*
 * Why sysfs refuses to make (@makes) or remove what @view shows: EEXIST,
 * ENOENT, ENOTDIR, EISDIR (of @flags AT_REMOVEDIR or 0) or, at last, EPERM.
 */
int view_refusal(const struct view *view, bool makes, int flags);

/* The length of the session's prefix in @path, if it has one, else 0. */
size_t view_prefix(const char *path);

#endif
