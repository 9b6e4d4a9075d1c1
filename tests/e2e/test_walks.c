/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lists, matches and walks directories, called by a program of the session: the
 * names are Linux's.
 */
#include "paths.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void is_empty_list(int n, struct dirent **list)
{
	assert_int_equal(n, 1);
	assert_string_equal(list[0]->d_name, BDF);
	free(list[0]);
	free(list);
}

static int not_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int not_dots64(const struct dirent64 *entry)
{
	return entry->d_name[0] != '.';
}

static void every_scandir_lists_the_machine(void **state)
{
	int bus = open("/sys/bus/pci", O_RDONLY | O_DIRECTORY);
	struct dirent64 **list64;
	struct dirent **list;
	int n;

	n = scandir("/sys/bus/pci/devices", &list, not_dots, alphasort);
	is_empty_list(n, list);
	n = scandirat(bus, "devices", &list, not_dots, alphasort);
	is_empty_list(n, list);
	n = scandir64("/sys/bus/pci/devices", &list64, not_dots64, alphasort64);
	is_empty_list(n, (struct dirent **)list64);
	n = scandirat64(bus, "devices", &list64, not_dots64, alphasort64);
	is_empty_list(n, (struct dirent **)list64);
	assert_fails(scandir(LINK "/nothing", &list, not_dots, alphasort), ENOENT);
	close(bus);
}

static void every_glob_matches_the_machine(void **state)
{
	glob64_t found64;
	glob_t found;

	assert_int_equal(glob("/sys/bus/pci/devices/*/vend*", 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	assert_string_equal(found.gl_pathv[0], VENDOR);
	assert_int_equal(glob("/dev/{null,vfio/vf*}", GLOB_BRACE | GLOB_APPEND, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 3);
	assert_string_equal(found.gl_pathv[1], "/dev/null");
	globfree(&found);
	assert_int_equal(glob64("/sys/kernel/iommu_groups/*/devices/*", 0, NULL, &found64), 0);
	assert_int_equal(found64.gl_pathc, 1);
	globfree64(&found64);
	assert_int_equal(glob("/sys/bus/pci/devices/*/nothing", 0, NULL, &found), GLOB_NOMATCH);
	assert_int_equal(glob("/sys/bus/pci/*/" BDF "/device", GLOB_ONLYDIR, NULL, &found), 0);
	globfree(&found);
}

static int visited;

static int visit(const char *path, const struct stat *st, int type)
{
	assert_int_equal(strncmp(path, "/dev/vfio", 9), 0);
	visited++;
	if (!strcmp(path, CONTAINER))
		assert_true(S_ISCHR(st->st_mode));
	return 0;
}

static int visit64(const char *path, const struct stat64 *st, int type)
{
	return visit(path, (const struct stat *)st, type);
}

static int visit_deep(const char *path, const struct stat *st, int type, struct FTW *where)
{
	if (!strcmp(path, CONTAINER)) {
		assert_int_equal(where->level, 1);
		assert_string_equal(path + where->base, "vfio");
	}
	return visit(path, st, type);
}

static int visit_deep64(const char *path, const struct stat64 *st, int type, struct FTW *where)
{
	return visit_deep(path, (const struct stat *)st, type, where);
}

static void every_walk_reports_linux_names(void **state)
{
	visited = 0;
	assert_int_equal(ftw("/dev/vfio", visit, 8), 0);
	assert_int_equal(ftw64("/dev/vfio", visit64, 8), 0);
	assert_int_equal(nftw("/dev/vfio", visit_deep, 8, FTW_PHYS), 0);
	assert_int_equal(nftw64("/dev/vfio", visit_deep64, 8, FTW_PHYS | FTW_DEPTH), 0);
	/* the directory, the container, the group, devices and the device in it */
	assert_int_equal(visited, 4 * 5);
	assert_fails(nftw(LINK "/nothing", visit_deep, 8, 0), ENOENT);
}

/* Both forms of fts, which differ in their types' names only. */
#define WALKS_WITH(prefix, fts_type, entry_type, options)                                    \
	do {                                                                                 \
		fts_type *fts = prefix##_open(paths, options, NULL);                         \
		int links = 0, dirs = 0;                                                     \
		entry_type *entry;                                                           \
                                                                                             \
		assert_non_null(fts);                                                        \
		while ((entry = prefix##_read(fts))) {                                       \
			assert_memory_equal(entry->fts_path, paths[0], strlen(paths[0]));    \
			assert_int_equal(entry->fts_pathlen, strlen(entry->fts_path));       \
			links += entry->fts_info == FTS_SL && !strcmp(entry->fts_name, BDF); \
			dirs += entry->fts_info == FTS_D;                                    \
			if (entry->fts_info == FTS_D)                                        \
				prefix##_children(fts, 0);                                   \
		}                                                                            \
		assert_int_equal(errno, 0);                                                  \
		assert_int_equal(prefix##_close(fts), 0);                                    \
		assert_int_equal(links, 1);                                                  \
		assert_int_equal(dirs, 2);                                                   \
	} while (0)

static void fts_reports_linux_names(void **state)
{
	char *paths[] = { (char *)(uintptr_t) "/sys/bus/pci/drivers", NULL };

	WALKS_WITH(fts, FTS, FTSENT, FTS_PHYSICAL);
	WALKS_WITH(fts, FTS, FTSENT, FTS_PHYSICAL | FTS_NOCHDIR);
	WALKS_WITH(fts64, FTS64, FTSENT64, FTS_PHYSICAL);
	WALKS_WITH(fts64, FTS64, FTSENT64, FTS_PHYSICAL | FTS_NOCHDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scandir_lists_the_machine),
		cmocka_unit_test(every_glob_matches_the_machine),
		cmocka_unit_test(every_walk_reports_linux_names),
		cmocka_unit_test(fts_reports_linux_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
