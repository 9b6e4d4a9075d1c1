/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directories: reading them, matching patterns in them, standing in them.
 *
 * readdir and its like need no wrapper: a stream of the session's directory
 * lists the session. glob reads directories by itself, inside libc; it gets
 * our functions by the way that libc has for that, GLOB_ALTDIRFUNC.
 */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interpose/paths.h"

/* The old names are wrapped because old programs use them. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

char *__getcwd_chk(char *buf, size_t size, size_t room);
char *__getwd_chk(char *buf, size_t room);

static NOINLINE DIR *opendir_viewed(const char *path)
{
	struct view view;
	DIR *dir;

	if (!view_found(&view, AT_FDCWD, path))
		return NULL;
	dir = REAL(opendir)(view.path);
	if (dir)
		view_note_dir(dirfd(dir));
	return dir;
}

INTERPOSED DIR *opendir(const char *path)
{
	if (!view_wants(AT_FDCWD, path))
		return REAL(opendir)(path);
	return opendir_viewed(path);
}

typedef int dirent_filter(const struct dirent *entry);
typedef int dirent_order(const struct dirent **a, const struct dirent **b);
typedef int dirent64_filter(const struct dirent64 *entry);
typedef int dirent64_order(const struct dirent64 **a, const struct dirent64 **b);

PATH_WRAPPER(int, -1, scandir,
	     (const char *path, struct dirent ***list, dirent_filter *filter, dirent_order *order),
	     (path, list, filter, order), AT_FDCWD, path, (view.path, list, filter, order))
PATH_WRAPPER(int, -1, scandir64,
	     (const char *path, struct dirent64 ***list, dirent64_filter *filter,
	      dirent64_order *order),
	     (path, list, filter, order), AT_FDCWD, path, (view.path, list, filter, order))
PATH_WRAPPER(int, -1, scandirat,
	     (int dirfd, const char *path, struct dirent ***list, dirent_filter *filter,
	      dirent_order *order),
	     (dirfd, path, list, filter, order), dirfd, path,
	     (dirfd, view.path, list, filter, order))
PATH_WRAPPER(int, -1, scandirat64,
	     (int dirfd, const char *path, struct dirent64 ***list, dirent64_filter *filter,
	      dirent64_order *order),
	     (dirfd, path, list, filter, order), dirfd, path,
	     (dirfd, view.path, list, filter, order))

static void *glob_opendir(const char *path)
{
	return opendir(path);
}

static void glob_closedir(void *dir)
{
	closedir(dir);
}

static struct dirent *glob_readdir(void *dir)
{
	return readdir(dir);
}

static struct dirent64 *glob_readdir64(void *dir)
{
	return readdir64(dir);
}

/* The functions in glob_t are the program's to keep: libc need not leave them alone otherwise. */
#define GLOB_WRAPPER(fn, type, readdir_fn, stat_fn, lstat_fn)                      \
	INTERPOSED int fn(const char *pattern, int flags,                          \
			  int (*failed)(const char *path, int error), type *found) \
	{                                                                          \
		type before;                                                       \
		int ret;                                                           \
                                                                                   \
		if (!engine_active() || (flags & GLOB_ALTDIRFUNC))                 \
			return REAL(fn)(pattern, flags, failed, found);            \
		before = *found;                                                   \
		found->gl_opendir = glob_opendir;                                  \
		found->gl_readdir = readdir_fn;                                    \
		found->gl_closedir = glob_closedir;                                \
		found->gl_stat = stat_fn;                                          \
		found->gl_lstat = lstat_fn;                                        \
		ret = REAL(fn)(pattern, flags | GLOB_ALTDIRFUNC, failed, found);   \
		found->gl_flags &= ~GLOB_ALTDIRFUNC;                               \
		found->gl_opendir = before.gl_opendir;                             \
		found->gl_readdir = before.gl_readdir;                             \
		found->gl_closedir = before.gl_closedir;                           \
		found->gl_stat = before.gl_stat;                                   \
		found->gl_lstat = before.gl_lstat;                                 \
		return ret;                                                        \
	}

GLOB_WRAPPER(glob, glob_t, glob_readdir, stat, lstat)
GLOB_WRAPPER(glob64, glob64_t, glob_readdir64, stat64, lstat64)

static NOINLINE int chdir_viewed(const char *path)
{
	struct view view;
	int ret;

	if (!view_found(&view, AT_FDCWD, path))
		return -1;
	ret = REAL(chdir)(view.path);
	if (!ret)
		view_note_cwd();
	return ret;
}

INTERPOSED int chdir(const char *path)
{
	int ret;

	if (view_wants(AT_FDCWD, path))
		return chdir_viewed(path);
	ret = REAL(chdir)(path);
	if (!ret)
		view_note_cwd();
	return ret;
}

INTERPOSED int fchdir(int fd)
{
	int ret = REAL(fchdir)(fd);

	if (!ret)
		view_note_cwd();
	return ret;
}

static NOINLINE char *getcwd_viewed(char *buf, size_t size, bool *ours)
{
	char name[PATH_MAX];
	size_t need;

	*ours = view_cwd(name);
	if (!*ours)
		return NULL;
	need = strlen(name) + 1;
	if (!buf && !size)
		return strdup(name);
	if (!size) {
		errno = EINVAL;
		return NULL;
	}
	if (size < need) {
		errno = ERANGE;
		return NULL;
	}
	if (!buf)
		buf = malloc(size);
	return buf ? memcpy(buf, name, need) : NULL;
}

INTERPOSED char *getcwd(char *buf, size_t size)
{
	char *ret;
	bool ours;

	if (!engine_active())
		return REAL(getcwd)(buf, size);
	ret = getcwd_viewed(buf, size, &ours);
	return ours ? ret : REAL(getcwd)(buf, size);
}

INTERPOSED char *__getcwd_chk(char *buf, size_t size, size_t room)
{
	if (size > room)
		return REAL(__getcwd_chk)(buf, size, room);
	return getcwd(buf, size);
}

INTERPOSED char *getwd(char *buf)
{
	char *ret;
	bool ours;

	if (!engine_active())
		return REAL(getwd)(buf);
	ret = getcwd_viewed(buf, PATH_MAX, &ours);
	return ours ? ret : REAL(getwd)(buf);
}

INTERPOSED char *__getwd_chk(char *buf, size_t room)
{
	if (room < PATH_MAX)
		return REAL(__getwd_chk)(buf, room);
	return getwd(buf);
}

/* $PWD is taken by libc when it names the working directory; in the tree it cannot tell. */
INTERPOSED char *get_current_dir_name(void)
{
	struct stat here, there;
	const char *pwd;
	char *ret;
	bool ours;

	if (!engine_active())
		return REAL(get_current_dir_name)();
	ret = getcwd_viewed(NULL, 0, &ours);
	if (!ours)
		return REAL(get_current_dir_name)();
	pwd = getenv("PWD");
	if (ret && pwd && pwd[0] == '/' && !stat(".", &here) && !stat(pwd, &there) &&
	    here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
		free(ret);
		ret = strdup(pwd);
	}
	return ret;
}
