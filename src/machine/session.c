/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session is made whole or not at all: the marker file is written last, so a
 * directory that has it has everything. Removing insists on finding it open
 * for us, so a wrong path cannot cost anybody a directory.
 *
 * What runs in the session's processes (session_machine(), session_stats())
 * uses bare system calls: the interposer must not see its own files.
 */
#include "machine/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/hidden.h"
#include "base/sys.h"
#include "bus/device.h"
#include "machine/description.h"
#include "machine/fail.h"
#include "machine/layout.h"
#include "machine/machine.h"

#define MARKER	    "session"
#define MARKER_TEXT "ringfence session, format 1\n"
#define MACHINE_MAX (64u << 20)
#define DIR_FLAGS   (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* Tell a reader of a file from @fd whether it holds exactly the marker. */
static bool marker_fits(int fd)
{
	char text[sizeof(MARKER_TEXT)] = "";
	ssize_t len = sys_read(fd, text, sizeof(text));

	return len == sizeof(MARKER_TEXT) - 1 && !memcmp(text, MARKER_TEXT, (size_t)len);
}

/*
 * What a device stores lies in memory of this process, which keeps it until it
 * ends: for `ringfence run`, as long as the session is.
 */
static void scratch_layout(struct layout *layout, const struct rf_device *dev)
{
	int fd = dev->model ? scratch_fd(dev) : -ENOENT;

	if (fd < 0)
		return;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, hidden_floor());
	if (fd >= 0)
		layout_link(layout, dev->name, "/proc/%d/fd/%d", getpid(), fd);
}

static int session_fill(const struct rf_machine *machine, int fd, char **error)
{
	char *json = description_write(machine->desc);
	struct layout layout;
	int ret;

	if (!json)
		return -ENOMEM;
	ret = view_build(machine, fd, error);
	if (!ret) {
		layout_start(&layout, fd);
		layout_enter(&layout, "lock");
		for (const struct rf_group *group = machine->groups; group; group = group->next) {
			char name[32];

			snprintf(name, sizeof(name), "group-%u", group->id);
			layout_bytes(&layout, 0600, name, "", 0);
		}
		layout_enter(&layout, "media");
		for (struct rf_device *dev = machine->devices; dev; dev = dev->next)
			scratch_layout(&layout, dev);
		layout_enter(&layout, "stats");
		layout_enter(&layout, ".");
		layout_file(&layout, 0600, "machine.json", "%s\n", json);
		if (machine->desc->emulate_huge_pages)
			layout_file(&layout, 0600, SESSION_HUGE_PAGES, "%s", "");
		layout_file(&layout, 0600, MARKER, "%s", MARKER_TEXT);
		ret = layout_end(&layout, error);
	}
	free(json);
	return ret;
}

/* mkdtemp() in the first place that will have it; the hundred small files are cheapest in memory. */
static int session_mkdir(char **out, char **error)
{
	const char *places[] = { getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/dev/shm", "/tmp" };
	const char *tried = "/tmp";
	int err = -ENOENT;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		char *dir;

		if (!places[i] || places[i][0] != '/')
			continue;
		if (asprintf(&dir, "%s/ringfence-XXXXXX", places[i]) < 0)
			return -ENOMEM;
		if (mkdtemp(dir)) {
			*out = dir;
			return 0;
		}
		err = -errno;
		tried = places[i];
		free(dir);
	}
	return fail(err, error, "no room for a session in %s: %s", tried, strerror(-err));
}

int session_create(const struct rf_machine *machine, char **dir, char **error)
{
	char *made = NULL;
	int ret, fd;

	ret = session_mkdir(&made, error);
	if (ret)
		return ret;
	fd = open(made, DIR_FLAGS);
	ret = fd < 0 ? -errno : session_fill(machine, fd, error);
	if (!ret) {
		close(fd);
		*dir = made;
		return 0;
	}
	fail_prefix(ret, error, "%s", made);
	if (fd >= 0) {
		layout_remove(fd);
		close(fd);
	}
	rmdir(made);
	free(made);
	return ret;
}

void session_remove(const char *dir)
{
	int fd = open(dir, DIR_FLAGS | O_NOFOLLOW);
	int marker;

	if (fd < 0)
		return;
	marker = openat(fd, MARKER, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (marker >= 0 && marker_fits(marker)) {
		layout_remove(fd);
		rmdir(dir);
	}
	if (marker >= 0)
		close(marker);
	close(fd);
}

/* Its counters, in order, behind the magic number. */
#define STATS_COUNTERS (sizeof(struct stats) / sizeof(uint64_t) - 1)

static void stats_sum_file(int fd, struct stats *total)
{
	uint64_t one[1 + STATS_COUNTERS], *sum = (uint64_t *)total;

	if (read(fd, one, sizeof(one)) != sizeof(one) || one[0] != STATS_MAGIC)
		return;
	for (size_t i = 1; i <= STATS_COUNTERS; i++)
		sum[i] += one[i];
}

int session_sum(const char *dir, struct stats *total)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *stats;

	snprintf(path, sizeof(path), "%s/stats", dir);
	stats = opendir(path);
	if (!stats)
		return -errno;
	memset(total, 0, sizeof(*total));
	total->magic = STATS_MAGIC;
	while ((entry = readdir(stats))) {
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(stats), entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		stats_sum_file(fd, total);
		close(fd);
	}
	closedir(stats);
	return 0;
}

static int session_open(const char *dir, const char *name, int flags)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	return sys_open(path, flags | O_CLOEXEC, 0600);
}

static int session_check(const char *dir, char **error)
{
	static const char *const parts[] = { "sys/bus/pci/devices", "sys/kernel/iommu_groups",
					     "dev/vfio", "lock", "stats" };
	int fd = session_open(dir, "", O_RDONLY | O_DIRECTORY);
	bool fits;

	if (fd < 0)
		return fail(-EINVAL, error, "session %s: %s", dir, strerror(-fd));
	sys_close(fd);
	fd = session_open(dir, MARKER, O_RDONLY);
	if (fd < 0)
		return fail(-EINVAL, error, "%s is no session: it has no file \"%s\"", dir, MARKER);
	fits = marker_fits(fd);
	sys_close(fd);
	if (!fits)
		return fail(-EINVAL, error,
			    "%s is no session of this version of ringfence: see its file \"%s\"",
			    dir, MARKER);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		fd = session_open(dir, parts[i], O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return fail(-EINVAL, error, "session %s is damaged: %s: %s", dir, parts[i],
				    strerror(-fd));
		sys_close(fd);
	}
	return 0;
}

static pthread_mutex_t scratch_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *scratch_session; /* with the lock */

/*
 * The command may have ended, and its number be another process's: only a memory file of
 * that name will do.
 */
static int scratch_open(const struct rf_device *dev)
{
	static const char want[] = "/memfd:" SCRATCH_NAME;
	char path[PATH_MAX], link[PATH_MAX], is[sizeof(want)];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/media/%s", scratch_session, dev->name);
	len = sys_readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return (int)len;
	link[len] = 0;
	len = sys_readlink(link, is, sizeof(want) - 1);
	if (len < 0)
		return (int)len;
	if ((size_t)len != sizeof(want) - 1 || memcmp(is, want, sizeof(want) - 1) != 0)
		return -ENOENT;
	return sys_open(link, O_RDWR | O_CLOEXEC, 0);
}

static char *read_all(int fd, size_t size)
{
	char *text = malloc(size + 1);
	size_t used = 0;

	while (text && used < size) {
		ssize_t len = sys_read(fd, text + used, size - used);

		if (len == -EINTR)
			continue;
		if (len <= 0)
			break;
		used += (size_t)len;
	}
	if (text)
		text[used] = '\0';
	return text;
}

int session_machine(const char *dir, struct rf_machine **out, char **error)
{
	char *text, *name;
	struct stat st;
	int ret, fd;

	if (error)
		*error = NULL;
	ret = session_check(dir, error);
	if (ret)
		return ret;
	fd = session_open(dir, "machine.json", O_RDONLY);
	if (fd < 0)
		return fail(-EINVAL, error, "session %s is damaged: machine.json: %s", dir,
			    strerror(-fd));
	if (fstat(fd, &st) || st.st_size > MACHINE_MAX) {
		sys_close(fd);
		return fail(-EINVAL, error, "session %s is damaged: machine.json is too large",
			    dir);
	}
	text = read_all(fd, (size_t)st.st_size);
	sys_close(fd);
	if (!text || asprintf(&name, "session %s is damaged: machine.json", dir) < 0) {
		free(text);
		return -ENOMEM;
	}
	pthread_mutex_lock(&scratch_lock);
	scratch_session = dir;
	scratch_find = scratch_open;
	ret = rf_machine_new(text, name, out, error);
	scratch_find = NULL;
	pthread_mutex_unlock(&scratch_lock);
	free(name);
	free(text);
	return ret;
}

int session_stats(const char *dir, struct stats **out)
{
	struct stats empty = { .magic = STATS_MAGIC };
	ssize_t written;
	char name[64];
	void *mapped;
	int fd = -EEXIST;

	/* a process has one engine at a time, but may fork, exec or reuse a number */
	for (unsigned n = 0; fd == -EEXIST && n < 10000; n++) {
		snprintf(name, sizeof(name), "stats/%d.%u", sys_getpid(), n);
		fd = session_open(dir, name, O_RDWR | O_CREAT | O_EXCL);
	}
	if (fd < 0)
		return fd;
	written = sys_pwrite(fd, &empty, sizeof(empty), 0);
	if (written != sizeof(empty)) {
		sys_close(fd);
		return written < 0 ? (int)written : -ENOSPC;
	}
	mapped = apart_mmap(sizeof(empty), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sys_close(fd);
	if (sys_failed(mapped))
		return sys_error(mapped);
	*out = mapped;
	return 0;
}
