/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libc's tree walkers. They read directories inside libc, so the root is
 * mapped before they start and the names that they report are cut on the way
 * out. A walk that starts above the tree ("/sys") sees the host only.
 */
#include <errno.h>
#include <fts.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "interpose/paths.h"

/* The program's function of the walk in progress; walks nest, so each restores the one before. */
static __thread union {
	__ftw_func_t ftw;
	__ftw64_func_t ftw64;
	__nftw_func_t nftw;
	__nftw64_func_t nftw64;
} walk;

/* The program sees a device where the walk found a file. */
static struct stat walk_stat(const char *name, const void *found)
{
	struct stat st = *(const struct stat *)found;

	view_fix_stat(name, &st);
	return st;
}

static int walk_ftw(const char *path, const struct stat *found, int type)
{
	const char *name = path + view_prefix(path);
	struct stat st = walk_stat(name, found);

	return walk.ftw(name, &st, type);
}

static int walk_ftw64(const char *path, const struct stat64 *found, int type)
{
	const char *name = path + view_prefix(path);
	struct stat st = walk_stat(name, found);

	return walk.ftw64(name, (const struct stat64 *)&st, type);
}

static int walk_nftw(const char *path, const struct stat *found, int type, struct FTW *where)
{
	size_t cut = view_prefix(path);
	struct stat st = walk_stat(path + cut, found);
	struct FTW shown = { where->base - (int)cut, where->level };

	return walk.nftw(path + cut, &st, type, &shown);
}

static int walk_nftw64(const char *path, const struct stat64 *found, int type, struct FTW *where)
{
	size_t cut = view_prefix(path);
	struct stat st = walk_stat(path + cut, found);
	struct FTW shown = { where->base - (int)cut, where->level };

	return walk.nftw64(path + cut, (const struct stat64 *)&st, type, &shown);
}

#define WALK_WRAPPER(fn, func, params, args, mapped)    \
	static NOINLINE int fn##_viewed params          \
	{                                               \
		__typeof__(walk) before = walk;         \
		struct view view;                       \
		int ret;                                \
                                                        \
		if (!view_found(&view, AT_FDCWD, path)) \
			return -1;                      \
		if (!view.shown)                        \
			return REAL(fn) args;           \
		walk.fn = func;                         \
		ret = REAL(fn) mapped;                  \
		walk = before;                          \
		return ret;                             \
	}                                               \
                                                        \
	INTERPOSED int fn params                        \
	{                                               \
		if (!view_wants(AT_FDCWD, path))        \
			return REAL(fn) args;           \
		return fn##_viewed args;                \
	}

WALK_WRAPPER(ftw, func, (const char *path, __ftw_func_t func, int fds), (path, func, fds),
	     (view.path, walk_ftw, fds))
WALK_WRAPPER(ftw64, func, (const char *path, __ftw64_func_t func, int fds), (path, func, fds),
	     (view.path, walk_ftw64, fds))
WALK_WRAPPER(nftw, func, (const char *path, __nftw_func_t func, int fds, int flags),
	     (path, func, fds, flags), (view.path, walk_nftw, fds, flags))
WALK_WRAPPER(nftw64, func, (const char *path, __nftw64_func_t func, int fds, int flags),
	     (path, func, fds, flags), (view.path, walk_nftw64, fds, flags))

/*
 * fts keeps one buffer for the path of the entry it is at; each entry points
 * at its beginning. The program gets the entry with that pointer moved behind
 * the session's prefix, and before libc looks at the entry again it is moved
 * back: an entry was moved if it does not point at the buffer's beginning.
 */
static char **fts_roots(char *const *paths, bool *mapped)
{
	size_t n = 0;
	char **roots;

	*mapped = false;
	while (paths[n])
		n++;
	roots = calloc(n + 1, sizeof(*roots));
	if (!roots)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char buf[PATH_MAX];
		const char *path = view_path(AT_FDCWD, paths[i], buf);

		roots[i] = path == buf ? strdup(buf) : paths[i];
		*mapped |= path == buf;
		if (!roots[i])
			roots[i] = paths[i];
	}
	return roots;
}

static void fts_roots_free(char **roots, char *const *paths)
{
	for (size_t i = 0; roots[i]; i++)
		if (roots[i] != paths[i])
			free(roots[i]);
	free(roots);
}

#define FTS_ENTRIES(suffix, fts_type, entry_type)                                        \
	static void entry_show##suffix(entry_type *entry)                                \
	{                                                                                \
		size_t cut = view_prefix(entry->fts_path);                               \
                                                                                         \
		if (!cut)                                                                \
			return;                                                          \
		/* Reached by its path, or by a name from where fts stands. */           \
		if (entry->fts_accpath == entry->fts_path)                               \
			entry->fts_accpath += cut;                                       \
		entry->fts_path += cut;                                                  \
		entry->fts_pathlen = (unsigned short)(entry->fts_pathlen - cut);         \
		if (entry->fts_statp)                                                    \
			view_fix_stat(entry->fts_path, (struct stat *)entry->fts_statp); \
	}                                                                                \
                                                                                         \
	static void entry_restore##suffix(const fts_type *fts)                           \
	{                                                                                \
		entry_type *entry = fts->fts_cur;                                        \
		ptrdiff_t cut;                                                           \
                                                                                         \
		if (!entry || !entry->fts_path || entry->fts_path == fts->fts_path)      \
			return;                                                          \
		cut = entry->fts_path - fts->fts_path;                                   \
		if (entry->fts_accpath == entry->fts_path)                               \
			entry->fts_accpath -= cut;                                       \
		entry->fts_path -= cut;                                                  \
		entry->fts_pathlen = (unsigned short)(entry->fts_pathlen + cut);         \
	}

#define FTS_WRAPPERS(prefix, suffix, fts_type, entry_type)                                         \
	FTS_ENTRIES(suffix, fts_type, entry_type)                                                  \
                                                                                                   \
	INTERPOSED fts_type *prefix##_open(char *const *paths, int options,                        \
					   int (*order)(const entry_type **, const entry_type **)) \
	{                                                                                          \
		char **roots;                                                                      \
		bool mapped;                                                                       \
		fts_type *fts;                                                                     \
                                                                                                   \
		if (!engine_active())                                                              \
			return REAL(prefix##_open)(paths, options, order);                         \
		roots = fts_roots(paths, &mapped);                                                 \
		if (!roots)                                                                        \
			return NULL;                                                               \
		fts = REAL(prefix##_open)(mapped ? roots : paths, options, order);                 \
		fts_roots_free(roots, paths);                                                      \
		return fts;                                                                        \
	}                                                                                          \
                                                                                                   \
	INTERPOSED entry_type *prefix##_read(fts_type *fts)                                        \
	{                                                                                          \
		entry_type *entry;                                                                 \
                                                                                                   \
		if (!engine_active())                                                              \
			return REAL(prefix##_read)(fts);                                           \
		entry_restore##suffix(fts);                                                        \
		entry = REAL(prefix##_read)(fts);                                                  \
		if (entry && entry == fts->fts_cur)                                                \
			entry_show##suffix(entry);                                                 \
		return entry;                                                                      \
	}                                                                                          \
                                                                                                   \
	INTERPOSED entry_type *prefix##_children(fts_type *fts, int options)                       \
	{                                                                                          \
		entry_type *children;                                                              \
                                                                                                   \
		if (!engine_active())                                                              \
			return REAL(prefix##_children)(fts, options);                              \
		entry_restore##suffix(fts);                                                        \
		children = REAL(prefix##_children)(fts, options);                                  \
		if (fts->fts_cur && fts->fts_cur->fts_level >= 0)                                  \
			entry_show##suffix(fts->fts_cur);                                          \
		return children;                                                                   \
	}                                                                                          \
                                                                                                   \
	INTERPOSED int prefix##_close(fts_type *fts)                                               \
	{                                                                                          \
		if (engine_active())                                                               \
			entry_restore##suffix(fts);                                                \
		return REAL(prefix##_close)(fts);                                                  \
	}

FTS_WRAPPERS(fts, , FTS, FTSENT)
FTS_WRAPPERS(fts64, 64, FTS64, FTSENT64)
