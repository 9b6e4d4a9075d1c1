/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stat, statx, statfs and access.
 *
 * A device is an ordinary file in the session's tree and a socket as a
 * descriptor; the program is told of a character device.
 */
#include <errno.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "interpose/paths.h"

/* What programs linked before glibc 2.33 call; the version is always 1 on x86-64. */
int __xstat(int version, const char *path, struct stat *st);
int __xstat64(int version, const char *path, struct stat64 *st);
int __lxstat(int version, const char *path, struct stat *st);
int __lxstat64(int version, const char *path, struct stat64 *st);
int __fxstat(int version, int fd, struct stat *st);
int __fxstat64(int version, int fd, struct stat64 *st);
int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int flags);
int __fxstatat64(int version, int dirfd, const char *path, struct stat64 *st, int flags);
int __statfs(const char *path, struct statfs *st);

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "x86-64 has one struct stat");

static NOINLINE int stat_viewed(int dirfd, const char *path, struct stat *st, int flags)
{
	struct view view;
	int ret;

	if (!view_found(&view, dirfd, path))
		return -1;
	ret = REAL(fstatat)(dirfd, view.path, st, flags);
	if (ret)
		return ret;
	if (view.shown)
		view_fix_stat(view.shown, st);
	else if (view.fd >= 0 && !(flags & AT_SYMLINK_NOFOLLOW))
		view_fix_fstat(view.fd, st);
	return 0;
}

/* fstatat(fd, "", AT_EMPTY_PATH) is fstat(fd). */
static inline int stat_fixed(int ret, int fd, struct stat *st)
{
	if (!ret && fd_is_ours(fd))
		view_fix_fstat(fd, st);
	return ret;
}

#define STAT_WRAPPER(fn, type, flags)                                         \
	INTERPOSED int fn(const char *path, type *st)                         \
	{                                                                     \
		if (!view_wants(AT_FDCWD, path))                              \
			return REAL(fn)(path, st);                            \
		return stat_viewed(AT_FDCWD, path, (struct stat *)st, flags); \
	}

#define XSTAT_WRAPPER(fn, type, flags)                                        \
	INTERPOSED int fn(int version, const char *path, type *st)            \
	{                                                                     \
		if (!view_wants(AT_FDCWD, path))                              \
			return REAL(fn)(version, path, st);                   \
		return stat_viewed(AT_FDCWD, path, (struct stat *)st, flags); \
	}

STAT_WRAPPER(stat, struct stat, 0)
STAT_WRAPPER(stat64, struct stat64, 0)
STAT_WRAPPER(lstat, struct stat, AT_SYMLINK_NOFOLLOW)
STAT_WRAPPER(lstat64, struct stat64, AT_SYMLINK_NOFOLLOW)
XSTAT_WRAPPER(__xstat, struct stat, 0)
XSTAT_WRAPPER(__xstat64, struct stat64, 0)
XSTAT_WRAPPER(__lxstat, struct stat, AT_SYMLINK_NOFOLLOW)
XSTAT_WRAPPER(__lxstat64, struct stat64, AT_SYMLINK_NOFOLLOW)

INTERPOSED int fstat(int fd, struct stat *st)
{
	return stat_fixed(REAL(fstat)(fd, st), fd, st);
}

INTERPOSED int fstat64(int fd, struct stat64 *st)
{
	return stat_fixed(REAL(fstat64)(fd, st), fd, (struct stat *)st);
}

INTERPOSED int __fxstat(int version, int fd, struct stat *st)
{
	return stat_fixed(REAL(__fxstat)(version, fd, st), fd, st);
}

INTERPOSED int __fxstat64(int version, int fd, struct stat64 *st)
{
	return stat_fixed(REAL(__fxstat64)(version, fd, st), fd, (struct stat *)st);
}

#define STATAT_BODY(call, flags)                                           \
	if (view_wants(dirfd, path))                                       \
		return stat_viewed(dirfd, path, (struct stat *)st, flags); \
	if (((flags)&AT_EMPTY_PATH) && view_is_empty(path))                \
		return stat_fixed(call, dirfd, (struct stat *)st);         \
	return call;

INTERPOSED int fstatat(int dirfd, const char *path, struct stat *st,
		       int flags){ STATAT_BODY(REAL(fstatat)(dirfd, path, st, flags), flags) }

INTERPOSED int fstatat64(int dirfd, const char *path, struct stat64 *st,
			 int flags){ STATAT_BODY(REAL(fstatat64)(dirfd, path, st, flags), flags) }

INTERPOSED int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int flags){
	STATAT_BODY(REAL(__fxstatat)(version, dirfd, path, st, flags), flags)
}

INTERPOSED int __fxstatat64(int version, int dirfd, const char *path, struct stat64 *st, int flags)
{
	STATAT_BODY(REAL(__fxstatat64)(version, dirfd, path, st, flags), flags)
}

/* statx has its own structure: what changes goes by way of a struct stat. */
static void statx_fix(const char *shown, int fd, struct statx *stx)
{
	struct stat st = { .st_mode = stx->stx_mode,
			   .st_rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
			   .st_size = (off_t)stx->stx_size,
			   .st_blocks = (blkcnt_t)stx->stx_blocks };

	if (shown)
		view_fix_stat(shown, &st);
	else
		view_fix_fstat(fd, &st);
	stx->stx_mode = (uint16_t)st.st_mode;
	stx->stx_rdev_major = major(st.st_rdev);
	stx->stx_rdev_minor = minor(st.st_rdev);
	stx->stx_size = (uint64_t)st.st_size;
	stx->stx_blocks = (uint64_t)st.st_blocks;
}

static NOINLINE int statx_viewed(int dirfd, const char *path, int flags, unsigned mask,
				 struct statx *stx)
{
	struct view view;
	int ret;

	if (!view_found(&view, dirfd, path))
		return -1;
	ret = REAL(statx)(dirfd, view.path, flags, mask, stx);
	if (ret)
		return ret;
	if (view.shown || (view.fd >= 0 && !(flags & AT_SYMLINK_NOFOLLOW)))
		statx_fix(view.shown, view.fd, stx);
	return 0;
}

INTERPOSED int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	int ret;

	if (view_wants(dirfd, path))
		return statx_viewed(dirfd, path, flags, mask, stx);
	ret = REAL(statx)(dirfd, path, flags, mask, stx);
	if (!ret && (flags & AT_EMPTY_PATH) && fd_is_ours(dirfd) && view_is_empty(path))
		statx_fix(NULL, dirfd, stx);
	return ret;
}

/* The tree's /sys claims to be a sysfs. */
#define STATFS_WRAPPER(fn, type)                                     \
	static NOINLINE int fn##_viewed(const char *path, type *st)  \
	{                                                            \
		struct view view;                                    \
		int ret;                                             \
                                                                     \
		if (!view_found(&view, AT_FDCWD, path))              \
			return -1;                                   \
		ret = REAL(fn)(view.path, st);                       \
		if (!ret && view.shown && view_is_sysfs(view.shown)) \
			st->f_type = SYSFS_MAGIC;                    \
		return ret;                                          \
	}                                                            \
                                                                     \
	INTERPOSED int fn(const char *path, type *st)                \
	{                                                            \
		if (!view_wants(AT_FDCWD, path))                     \
			return REAL(fn)(path, st);                   \
		return fn##_viewed(path, st);                        \
	}

STATFS_WRAPPER(statfs, struct statfs)
STATFS_WRAPPER(statfs64, struct statfs64)
STATFS_WRAPPER(__statfs, struct statfs)

INTERPOSED int fstatfs(int fd, struct statfs *st)
{
	int ret = REAL(fstatfs)(fd, st);

	if (!ret && view_fd_is_sysfs(fd))
		st->f_type = SYSFS_MAGIC;
	return ret;
}

INTERPOSED int fstatfs64(int fd, struct statfs64 *st)
{
	int ret = REAL(fstatfs64)(fd, st);

	if (!ret && view_fd_is_sysfs(fd))
		st->f_type = SYSFS_MAGIC;
	return ret;
}

PATH_WRAPPER(int, -1, statvfs, (const char *path, struct statvfs *st), (path, st), AT_FDCWD, path,
	     (view.path, st))
PATH_WRAPPER(int, -1, statvfs64, (const char *path, struct statvfs64 *st), (path, st), AT_FDCWD,
	     path, (view.path, st))

PATH_WRAPPER(int, -1, access, (const char *path, int mode), (path, mode), AT_FDCWD, path,
	     (view.path, mode))
PATH_WRAPPER(int, -1, euidaccess, (const char *path, int mode), (path, mode), AT_FDCWD, path,
	     (view.path, mode))
PATH_WRAPPER(int, -1, eaccess, (const char *path, int mode), (path, mode), AT_FDCWD, path,
	     (view.path, mode))
PATH_WRAPPER(int, -1, faccessat, (int dirfd, const char *path, int mode, int flags),
	     (dirfd, path, mode, flags), dirfd, path, (dirfd, view.path, mode, flags))
