/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names that come back (readlink, realpath), and names that change.
 *
 * What the kernel answers about a file of the session carries the session's
 * directory in front: it is cut off, so the program sees /sys/devices/...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "interpose/paths.h"

ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room);
ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t size, size_t room);
char *__realpath_chk(const char *path, char *resolved, size_t room);
void __chk_fail(void) __attribute__((noreturn));

static NOINLINE ssize_t readlink_viewed(int dirfd, const char *path, char *buf, size_t size)
{
	char target[PATH_MAX];
	struct view view;
	const char *name;
	ssize_t len;

	if (!view_found(&view, dirfd, path))
		return -1;
	name = view.fd >= 0 ? fd_path(view.fd) : NULL;
	if (!name) {
		if (size > INT_MAX || !size) { /* EINVAL */
			return REAL(readlinkat)(dirfd, view.path, buf, size);
		}
		len = REAL(readlinkat)(dirfd, view.path, target, sizeof(target) - 1);
		if (len < 0)
			return len;
		target[len] = 0;
		view_unmap(target);
		name = target;
	}
	len = (ssize_t)strlen(name);
	if ((size_t)len > size)
		len = (ssize_t)size;
	memcpy(buf, name, (size_t)len);
	return len;
}

INTERPOSED ssize_t readlink(const char *path, char *buf, size_t size)
{
	if (!view_wants(AT_FDCWD, path))
		return REAL(readlink)(path, buf, size);
	return readlink_viewed(AT_FDCWD, path, buf, size);
}

INTERPOSED ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size)
{
	if (!view_wants(dirfd, path))
		return REAL(readlinkat)(dirfd, path, buf, size);
	return readlink_viewed(dirfd, path, buf, size);
}

INTERPOSED ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room)
{
	if (size > room || !view_wants(AT_FDCWD, path))
		return REAL(__readlink_chk)(path, buf, size, room);
	return readlink_viewed(AT_FDCWD, path, buf, size);
}

INTERPOSED ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t size,
				    size_t room)
{
	if (size > room || !view_wants(dirfd, path))
		return REAL(__readlinkat_chk)(dirfd, path, buf, size, room);
	return readlink_viewed(dirfd, path, buf, size);
}

/* realpath stops where libc stops; what it found so far is the program's to read, so cut that too. */
static NOINLINE char *realpath_viewed(const char *path, char *resolved)
{
	char found[PATH_MAX];
	struct view view;
	const char *name;
	char *ret;

	if (!view_found(&view, AT_FDCWD, path))
		return NULL;
	name = view.fd >= 0 ? fd_path(view.fd) : NULL;
	if (name && name[0] == '/') {
		strcpy(found, name);
		ret = found;
	} else {
		found[0] = 0;
		ret = REAL(realpath)(view.path, found);
		view_unmap(found);
	}
	if (resolved) {
		strcpy(resolved, found);
		return ret ? resolved : NULL;
	}
	return ret ? strdup(found) : NULL;
}

INTERPOSED char *realpath(const char *path, char *resolved)
{
	if (!view_wants(AT_FDCWD, path))
		return REAL(realpath)(path, resolved);
	return realpath_viewed(path, resolved);
}

INTERPOSED char *__realpath_chk(const char *path, char *resolved, size_t room)
{
	if (room < PATH_MAX || !view_wants(AT_FDCWD, path))
		return REAL(__realpath_chk)(path, resolved, room);
	return realpath_viewed(path, resolved);
}

INTERPOSED char *canonicalize_file_name(const char *path)
{
	if (!view_wants(AT_FDCWD, path))
		return REAL(canonicalize_file_name)(path);
	return realpath_viewed(path, NULL);
}

int view_refusal(const struct view *view, bool makes, int flags)
{
	char parent[PATH_MAX];
	struct stat st;
	char *slash;

	if (!REAL(fstatat)(AT_FDCWD, view->path, &st, AT_SYMLINK_NOFOLLOW)) {
		if (makes)
			return EEXIST;
		if ((flags & AT_REMOVEDIR) && !S_ISDIR(st.st_mode))
			return ENOTDIR;
		if (!(flags & AT_REMOVEDIR) && S_ISDIR(st.st_mode))
			return EISDIR;
		return EPERM;
	}
	if (!makes || errno != ENOENT)
		return errno;
	strcpy(parent, view->path);
	slash = strrchr(parent, '/');
	*slash = 0;
	return REAL(fstatat)(AT_FDCWD, parent, &st, 0) ? errno : EPERM;
}

CHANGE_WRAPPER(int, unlink, (const char *path), (path), AT_FDCWD, path, (view.path), false, 0)
CHANGE_WRAPPER(int, unlinkat, (int dirfd, const char *path, int flags), (dirfd, path, flags), dirfd,
	       path, (dirfd, view.path, flags), false, flags)
CHANGE_WRAPPER(int, rmdir, (const char *path), (path), AT_FDCWD, path, (view.path), false,
	       AT_REMOVEDIR)
CHANGE_WRAPPER(int, mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path,
	       (view.path, mode), true, 0)
CHANGE_WRAPPER(int, mkdirat, (int dirfd, const char *path, mode_t mode), (dirfd, path, mode), dirfd,
	       path, (dirfd, view.path, mode), true, 0)
CHANGE_WRAPPER(int, mkfifo, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path,
	       (view.path, mode), true, 0)
CHANGE_WRAPPER(int, mkfifoat, (int dirfd, const char *path, mode_t mode), (dirfd, path, mode),
	       dirfd, path, (dirfd, view.path, mode), true, 0)
CHANGE_WRAPPER(int, mknod, (const char *path, mode_t mode, dev_t dev), (path, mode, dev), AT_FDCWD,
	       path, (view.path, mode, dev), true, 0)
CHANGE_WRAPPER(int, mknodat, (int dirfd, const char *path, mode_t mode, dev_t dev),
	       (dirfd, path, mode, dev), dirfd, path, (dirfd, view.path, mode, dev), true, 0)
/* The target of a new link is text and stays the program's. */
CHANGE_WRAPPER(int, symlink, (const char *target, const char *path), (target, path), AT_FDCWD, path,
	       (target, view.path), true, 0)
CHANGE_WRAPPER(int, symlinkat, (const char *target, int dirfd, const char *path),
	       (target, dirfd, path), dirfd, path, (target, dirfd, view.path), true, 0)

/* remove() calls unlink and rmdir inside libc. */
INTERPOSED int remove(const char *path)
{
	if (!view_wants(AT_FDCWD, path))
		return REAL(remove)(path);
	if (!unlink(path))
		return 0;
	return errno == EISDIR ? rmdir(path) : -1;
}

/* Calls with two paths. Between the tree and the host they are two filesystems. */
struct view_pair {
	struct view from;
	struct view to;
};

static bool pair_found(struct view_pair *pair, int fromfd, const char *from, int tofd,
		       const char *to)
{
	if (!view_found(&pair->from, fromfd, from) || !view_found(&pair->to, tofd, to))
		return false;
	if (!pair->from.shown != !pair->to.shown)
		errno = EXDEV;
	else if (pair->to.shown && view_is_sysfs(pair->to.shown))
		errno = EPERM;
	else if (pair->from.shown && view_is_sysfs(pair->from.shown))
		errno = EPERM;
	else
		return true;
	return false;
}

#define PAIR_WRAPPER(fn, params, args, fromfd, tofd, mapped)            \
	static NOINLINE int fn##_viewed params                          \
	{                                                               \
		struct view_pair pair;                                  \
                                                                        \
		if (!pair_found(&pair, fromfd, from, tofd, to))         \
			return -1;                                      \
		return REAL(fn) mapped;                                 \
	}                                                               \
                                                                        \
	INTERPOSED int fn params                                        \
	{                                                               \
		if (!view_wants(fromfd, from) && !view_wants(tofd, to)) \
			return REAL(fn) args;                           \
		return fn##_viewed args;                                \
	}

PAIR_WRAPPER(rename, (const char *from, const char *to), (from, to), AT_FDCWD, AT_FDCWD,
	     (pair.from.path, pair.to.path))
PAIR_WRAPPER(renameat, (int fromfd, const char *from, int tofd, const char *to),
	     (fromfd, from, tofd, to), fromfd, tofd, (fromfd, pair.from.path, tofd, pair.to.path))
PAIR_WRAPPER(renameat2, (int fromfd, const char *from, int tofd, const char *to, unsigned flags),
	     (fromfd, from, tofd, to, flags), fromfd, tofd,
	     (fromfd, pair.from.path, tofd, pair.to.path, flags))
PAIR_WRAPPER(link, (const char *from, const char *to), (from, to), AT_FDCWD, AT_FDCWD,
	     (pair.from.path, pair.to.path))
PAIR_WRAPPER(linkat, (int fromfd, const char *from, int tofd, const char *to, int flags),
	     (fromfd, from, tofd, to, flags), fromfd, tofd,
	     (fromfd, pair.from.path, tofd, pair.to.path, flags))

PATH_WRAPPER(int, -1, chmod, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path,
	     (view.path, mode))
PATH_WRAPPER(int, -1, lchmod, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path,
	     (view.path, mode))
PATH_WRAPPER(int, -1, fchmodat, (int dirfd, const char *path, mode_t mode, int flags),
	     (dirfd, path, mode, flags), dirfd, path, (dirfd, view.path, mode, flags))
PATH_WRAPPER(int, -1, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), AT_FDCWD,
	     path, (view.path, uid, gid))
PATH_WRAPPER(int, -1, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), AT_FDCWD,
	     path, (view.path, uid, gid))
PATH_WRAPPER(int, -1, fchownat, (int dirfd, const char *path, uid_t uid, gid_t gid, int flags),
	     (dirfd, path, uid, gid, flags), dirfd, path, (dirfd, view.path, uid, gid, flags))
PATH_WRAPPER(int, -1, truncate, (const char *path, off_t size), (path, size), AT_FDCWD, path,
	     (view.path, size))
PATH_WRAPPER(int, -1, truncate64, (const char *path, off64_t size), (path, size), AT_FDCWD, path,
	     (view.path, size))
PATH_WRAPPER(int, -1, utime, (const char *path, const struct utimbuf *times), (path, times),
	     AT_FDCWD, path, (view.path, times))
PATH_WRAPPER(int, -1, utimes, (const char *path, const struct timeval times[2]), (path, times),
	     AT_FDCWD, path, (view.path, times))
PATH_WRAPPER(int, -1, lutimes, (const char *path, const struct timeval times[2]), (path, times),
	     AT_FDCWD, path, (view.path, times))
PATH_WRAPPER(int, -1, futimesat, (int dirfd, const char *path, const struct timeval times[2]),
	     (dirfd, path, times), dirfd, path, (dirfd, view.path, times))
PATH_WRAPPER(int, -1, utimensat,
	     (int dirfd, const char *path, const struct timespec times[2], int flags),
	     (dirfd, path, times, flags), dirfd, path, (dirfd, view.path, times, flags))
PATH_WRAPPER(long, -1, pathconf, (const char *path, int name), (path, name), AT_FDCWD, path,
	     (view.path, name))
PATH_WRAPPER(int, -1, inotify_add_watch, (int fd, const char *path, uint32_t mask),
	     (fd, path, mask), AT_FDCWD, path, (fd, view.path, mask))
PATH_WRAPPER(ssize_t, -1, getxattr, (const char *path, const char *name, void *value, size_t size),
	     (path, name, value, size), AT_FDCWD, path, (view.path, name, value, size))
PATH_WRAPPER(ssize_t, -1, lgetxattr, (const char *path, const char *name, void *value, size_t size),
	     (path, name, value, size), AT_FDCWD, path, (view.path, name, value, size))
PATH_WRAPPER(ssize_t, -1, listxattr, (const char *path, char *list, size_t size),
	     (path, list, size), AT_FDCWD, path, (view.path, list, size))
PATH_WRAPPER(ssize_t, -1, llistxattr, (const char *path, char *list, size_t size),
	     (path, list, size), AT_FDCWD, path, (view.path, list, size))
