/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wrappers that only map one path, written as one line each.
 *
 * The mapped call is a function of its own, out of line: its PATH_MAX bytes of
 * stack are not taken from a program whose path is nobody's concern.
 */
#ifndef RF_INTERPOSE_PATHS_H
#define RF_INTERPOSE_PATHS_H

#include <fcntl.h>

#include "interpose/real.h"
#include "interpose/view.h"

#define NOINLINE __attribute__((noinline))

/* fn##_viewed is called for paths that may be the session's. */
#define VIEWED_WRAPPER(type, fn, params, args, dirfd, path) \
	INTERPOSED type fn params                           \
	{                                                   \
		if (!view_wants(dirfd, path))               \
			return REAL(fn) args;               \
		return fn##_viewed args;                    \
	}

/*
 * PATH_WRAPPER(int, -1, access, (const char *path, int mode), (path, mode),
 *		AT_FDCWD, path, (view.path, mode))
 *
 * @fail: the result when the path cannot be resolved, errno being set
 * @mapped: the arguments with view.path instead of the path
 */
#define PATH_WRAPPER(type, fail, fn, params, args, dirfd, path, mapped) \
	static NOINLINE type fn##_viewed params                         \
	{                                                               \
		struct view view;                                       \
                                                                        \
		if (!view_found(&view, dirfd, path))                    \
			return fail;                                    \
		return REAL(fn) mapped;                                 \
	}                                                               \
                                                                        \
	VIEWED_WRAPPER(type, fn, params, args, dirfd, path)

/* Likewise for calls that would make (or else remove) something: sysfs lets nobody. */
#define CHANGE_WRAPPER(type, fn, params, args, dirfd, path, mapped, makes, flags) \
	static NOINLINE type fn##_viewed params                                   \
	{                                                                         \
		struct view view;                                                 \
                                                                                  \
		if (!view_found(&view, dirfd, path))                              \
			return -1;                                                \
		if (view.shown && view_is_sysfs(view.shown)) {                    \
			errno = view_refusal(&view, makes, flags);                \
			return -1;                                                \
		}                                                                 \
		return REAL(fn) mapped;                                           \
	}                                                                         \
                                                                                  \
	VIEWED_WRAPPER(type, fn, params, args, dirfd, path)

#endif
