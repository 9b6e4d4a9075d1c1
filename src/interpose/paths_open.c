/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * open and its family.
 *
 * A name under /dev that stands for one of our devices goes to device_open();
 * every other name of the session's tree is a file there, opened under the
 * rules of sysfs: nothing is created, and what has no write bit is not written
 * even by root.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "interpose/attr.h"
#include "interpose/enter.h"
#include "interpose/paths.h"
#include "interpose/renew.h"

int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

static int fail_with(int error)
{
	errno = error;
	return -1;
}

/* The file of a device, for a descriptor's number reopened or a name: or -2 when it is neither. */
static int open_device(const struct view *view, int flags)
{
	const char *name = view->shown;
	int fd;

	if (view->fd >= 0)
		name = fd_path(view->fd);
	if (!name || !view_is_answered(name) || (flags & O_PATH))
		return -2;
	if (view->fd >= 0 && (flags & O_NOFOLLOW))
		return -2; /* ELOOP, says the kernel */
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) || (flags & O_DIRECTORY))
		return -2; /* so does it EEXIST and ENOTDIR */
	engine_enter();
	fd = device_open(name, flags);
	engine_leave();
	return fd < 0 ? fail_with(-fd) : fd;
}

/* What sysfs refuses before the kernel, who sees ordinary files, would agree. */
static int open_check_sysfs(const struct view *view, int *flags)
{
	struct stat st;

	if ((*flags & O_CREAT) && REAL(stat)(view->path, &st) && errno == ENOENT) {
		char parent[PATH_MAX], *slash;

		strcpy(parent, view->path);
		slash = strrchr(parent, '/');
		*slash = 0;
		return fail_with(REAL(stat)(parent, &st) ? errno : EACCES);
	}
	if ((*flags & O_TMPFILE) == O_TMPFILE)
		return fail_with(EOPNOTSUPP);
	if ((*flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return 0; /* EEXIST, says the kernel */
	/* an attribute without the method refuses root, too */
	if (!(*flags & O_PATH) && !REAL(stat)(view->path, &st) && S_ISREG(st.st_mode) &&
	    (((*flags & O_ACCMODE) != O_RDONLY && !(st.st_mode & 0222)) ||
	     ((*flags & O_ACCMODE) != O_WRONLY && !(st.st_mode & 0444))))
		return fail_with(EACCES);
	*flags &= ~(O_CREAT | O_TRUNC); /* what is there stays */
	return 0;
}

static NOINLINE int open_viewed(int dirfd, const char *path, int flags, mode_t mode)
{
	int saved = errno;
	struct view view;
	int fd;

	if (!view_found(&view, dirfd, path))
		return -1;
	fd = open_device(&view, flags);
	if (fd != -2)
		return fd;
	if (view.shown && view_is_sysfs(view.shown)) {
		if (open_check_sysfs(&view, &flags) < 0)
			return -1;
		errno = saved;
	}
	fd = renewed(REAL(openat)(dirfd, view.path, flags, mode));
	if (fd >= 0 && (flags & O_ACCMODE) == O_RDONLY)
		view_note_dir(fd);
	else if (fd >= 0 && view.shown && view_is_sysfs(view.shown))
		fd = attr_open(fd, flags);
	return fd < -1 ? fail_with(-fd) : fd;
}

static inline mode_t open_mode(int flags, va_list args)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

#define OPEN_WRAPPER(fn)                                             \
	INTERPOSED int fn(const char *path, int flags, ...)          \
	{                                                            \
		va_list args;                                        \
		mode_t mode;                                         \
                                                                     \
		va_start(args, flags);                               \
		mode = open_mode(flags, args);                       \
		va_end(args);                                        \
		if (!view_wants(AT_FDCWD, path))                     \
			return renewed(REAL(fn)(path, flags, mode)); \
		return open_viewed(AT_FDCWD, path, flags, mode);     \
	}

#define OPENAT_WRAPPER(fn)                                                  \
	INTERPOSED int fn(int dirfd, const char *path, int flags, ...)      \
	{                                                                   \
		va_list args;                                               \
		mode_t mode;                                                \
                                                                            \
		va_start(args, flags);                                      \
		mode = open_mode(flags, args);                              \
		va_end(args);                                               \
		if (!view_wants(dirfd, path))                               \
			return renewed(REAL(fn)(dirfd, path, flags, mode)); \
		return open_viewed(dirfd, path, flags, mode);               \
	}

/* The fortified forms: libc's own stop a program that creates without a mode. */
#define OPEN_2_WRAPPER(fn)                                            \
	INTERPOSED int fn(const char *path, int flags)                \
	{                                                             \
		if ((flags & O_CREAT) || !view_wants(AT_FDCWD, path)) \
			return renewed(REAL(fn)(path, flags));        \
		return open_viewed(AT_FDCWD, path, flags, 0);         \
	}

#define OPENAT_2_WRAPPER(fn)                                          \
	INTERPOSED int fn(int dirfd, const char *path, int flags)     \
	{                                                             \
		if ((flags & O_CREAT) || !view_wants(dirfd, path))    \
			return renewed(REAL(fn)(dirfd, path, flags)); \
		return open_viewed(dirfd, path, flags, 0);            \
	}

OPEN_WRAPPER(open)
OPEN_WRAPPER(open64)
OPEN_WRAPPER(__open)
OPEN_WRAPPER(__open64)
OPENAT_WRAPPER(openat)
OPENAT_WRAPPER(openat64)
OPEN_2_WRAPPER(__open_2)
OPEN_2_WRAPPER(__open64_2)
OPENAT_2_WRAPPER(__openat_2)
OPENAT_2_WRAPPER(__openat64_2)

INTERPOSED int creat(const char *path, mode_t mode)
{
	if (!view_wants(AT_FDCWD, path))
		return renewed(REAL(creat)(path, mode));
	return open_viewed(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

INTERPOSED int creat64(const char *path, mode_t mode)
{
	if (!view_wants(AT_FDCWD, path))
		return renewed(REAL(creat64)(path, mode));
	return open_viewed(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* The flags of a mode string, as fopen reads it; -1 for one that it refuses. */
static int stream_flags(const char *mode)
{
	int flags;

	switch (*mode) {
	case 'r':
		flags = O_RDONLY;
		break;
	case 'w':
		flags = O_WRONLY | O_CREAT | O_TRUNC;
		break;
	case 'a':
		flags = O_WRONLY | O_CREAT | O_APPEND;
		break;
	default:
		return -1;
	}
	while (*++mode && *mode != ',') {
		if (*mode == '+')
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		else if (*mode == 'x')
			flags |= O_EXCL;
		else if (*mode == 'e')
			flags |= O_CLOEXEC;
	}
	return flags;
}

static NOINLINE FILE *fopen_viewed(const char *path, const char *mode)
{
	int flags = stream_flags(mode);
	FILE *stream;
	int fd, saved;

	if (flags < 0) {
		errno = EINVAL;
		return NULL;
	}
	fd = open_viewed(AT_FDCWD, path, flags, 0666);
	if (fd < 0)
		return NULL;
	stream = fdopen(fd, mode);
	if (!stream) {
		saved = errno;
		close(fd);
		errno = saved;
	}
	return stream;
}

static inline FILE *stream_renewed(FILE *stream)
{
	if (stream)
		renewed(fileno(stream));
	return stream;
}

INTERPOSED FILE *fopen(const char *path, const char *mode)
{
	if (!view_wants(AT_FDCWD, path))
		return stream_renewed(REAL(fopen)(path, mode));
	return fopen_viewed(path, mode);
}

INTERPOSED FILE *fopen64(const char *path, const char *mode)
{
	if (!view_wants(AT_FDCWD, path))
		return stream_renewed(REAL(fopen64)(path, mode));
	return fopen_viewed(path, mode);
}

/*
 * freopen keeps the stream and, when it can, its descriptor. So libc opens a
 * stand-in, and what the program asked for takes its place under that number.
 */
static NOINLINE FILE *freopen_viewed(const char *path, const char *mode, FILE *stream)
{
	int flags = stream_flags(mode);
	int fd, saved;
	FILE *ret;

	if (flags < 0) {
		fclose(stream);
		errno = EINVAL;
		return NULL;
	}
	fd = open_viewed(AT_FDCWD, path, flags, 0666);
	saved = errno;
	if (fd < 0) {
		fclose(stream);
		errno = saved;
		return NULL;
	}
	ret = REAL(freopen)("/dev/null", mode, stream);
	if (ret && dup3(fd, fileno(ret), flags & O_CLOEXEC) < 0) {
		saved = errno;
		fclose(ret);
		errno = saved;
		ret = NULL;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}

INTERPOSED FILE *freopen(const char *path, const char *mode, FILE *stream)
{
	if (!view_wants(AT_FDCWD, path))
		return stream_renewed(REAL(freopen)(path, mode, stream));
	return freopen_viewed(path, mode, stream);
}

INTERPOSED FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
	if (!view_wants(AT_FDCWD, path))
		return stream_renewed(REAL(freopen64)(path, mode, stream));
	return freopen_viewed(path, mode, stream);
}
