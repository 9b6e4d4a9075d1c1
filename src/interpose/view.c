/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The view: which of the program's paths lead into the session's tree.
 *
 * The tree holds what Linux would show of the modelled machine under /sys,
 * /dev and /proc. A covered path is replaced, not merged: what the tree lacks
 * does not exist, whatever the host has there. Everything else is the host's,
 * and so are the listings of the directories above covered ones (/dev, /sys/bus).
 *
 * Links of the tree are relative, so below a covered path the kernel follows
 * them by itself. Only ".." can lead out of the tree to a place that only the
 * host has (/sys/kernel/mm): it is resolved here, by asking the kernel where
 * the path before it leads, so that links count as they do on Linux.
 *
 * A relative path matters when its base is in the tree or above it: the
 * working directory (watched by chdir), or a directory descriptor once any
 * such directory was opened. Both are one flag; the truth is then asked of
 * the kernel, so descriptors duplicated behind our back are no problem. A path
 * that leaves some other host directory by ".." to reach /sys is not seen.
 *
 * No locks, no memory; bare system calls, and errno stays as it was.
 */
#include "interpose/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/sys.h"
#include "memory/fault.h"

#define PAGE	     4096u
#define SELFTEST_DIR "/sys/kernel/debug/failslab"
#define FAIL_NTH     "/proc/fail-nth" /* what stands in the tree for every thread's */

/* Device numbers: misc devices share major 10; the others are dynamic on Linux. */
enum { MAJOR_MISC = 10, MINOR_VFIO = 196, MINOR_IOMMU = 126, MAJOR_GROUP = 511, MAJOR_CDEV = 510 };

static const struct {
	const char *name; /* from behind the first component */
	bool loose; /* covers every name that begins so */
} covered_sys[] = {
	{ "bus/pci", false },
	{ "kernel/iommu_groups", false },
	{ "kernel/debug/iommu", true },
	{ "kernel/debug/vfio", false },
	{ "kernel/debug", false }, /* see view_state.selftest */
	{ "class/iommu", false },
	{ "class/vfio", false },
	{ "class/vfio-dev", false },
	{ "class/pci_bus", false },
	{ "class/misc/vfio", false },
	{ "class/misc/iommu", false },
	{ "devices/pci", true },
	{ "devices/virtual/iommu", false },
	{ "devices/virtual/dmar", false },
	{ "devices/virtual/vfio", false },
	{ "devices/virtual/misc/vfio", false },
	{ "devices/virtual/misc/iommu", false },
	{ "module", false },
};

static struct {
	atomic_bool ready;
	atomic_bool cwd_matters;
	atomic_bool dirs_matter;
	bool selftest; /* the session has what the kernel's iommufd tests want to be there */
	size_t length;
	char session[PATH_MAX / 2];
} view_state;

/* The string at @path without trusting it: its length, -EFAULT or -ENAMETOOLONG. */
static long path_fetch(char *buf, size_t size, const char *path)
{
	size_t done = 0;

	while (done < size) {
		size_t chunk = PAGE - ((uintptr_t)(path + done) & (PAGE - 1));
		const char *end;

		if (chunk > 64)
			chunk = 64;
		if (chunk > size - done)
			chunk = size - done;
		if (fault_copy(buf + done, path + done, chunk))
			return -EFAULT;
		end = memchr(buf + done, 0, chunk);
		if (end)
			return end - buf;
		done += chunk;
	}
	return -ENAMETOOLONG;
}

/* Where a descriptor leads, as the kernel names it: the length or a negative errno. */
static long fd_name(int fd, char *buf, size_t size)
{
	char link[32] = "/proc/self/fd/", digits[12];
	size_t at = strlen(link), n = 0;
	unsigned number = (unsigned)fd;
	int saved = errno;
	long len;

	do {
		digits[n++] = (char)('0' + number % 10);
	} while (number /= 10);
	while (n)
		link[at++] = digits[--n];
	link[at] = 0;
	len = syscall(SYS_readlink, link, buf, size - 1);
	if (len < 0)
		len = -errno;
	else
		buf[len] = 0;
	errno = saved;
	return len;
}

static long cwd_name(char *buf, size_t size)
{
	int saved = errno;
	long len = syscall(SYS_getcwd, buf, size);

	if (len < 0)
		len = -errno;
	errno = saved;
	return len < 0 ? len : len - 1;
}

/* Whether the tree has a file of that name. */
static bool view_has(const char *name)
{
	char path[PATH_MAX];
	int fd;

	memcpy(path, view_state.session, view_state.length);
	strcpy(path + view_state.length, name);
	fd = sys_open(path, O_PATH | O_CLOEXEC, 0);
	if (fd >= 0)
		sys_close(fd);
	return fd >= 0;
}

/* The session's name as the kernel would spell it, for comparing. */
static void view_init(void)
{
	const char *given = engine_session();
	char name[PATH_MAX];
	long len = -ENOENT;
	int fd;

	if (!given)
		return;
	fd = sys_open(given, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd >= 0) {
		len = fd_name(fd, name, sizeof(name));
		sys_close(fd);
	}
	if (len < 0 || (size_t)len >= sizeof(view_state.session)) {
		len = (long)strnlen(given, sizeof(view_state.session) - 1);
		memcpy(name, given, (size_t)len);
	}
	/* Racing threads write the same bytes. */
	memcpy(view_state.session, name, (size_t)len);
	view_state.length = (size_t)len;
	view_state.selftest = view_has(SELFTEST_DIR);
	atomic_store_explicit(&view_state.ready, true, memory_order_release);
	view_note_cwd();
	signals_install(); /* path_fetch() relies on it */
}

static bool view_ready(void)
{
	if (__builtin_expect(!atomic_load_explicit(&view_state.ready, memory_order_acquire), 0))
		view_init();
	return view_state.length;
}

static bool name_begins(const char *path, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(path, name, len) && (!path[len] || path[len] == '/');
}

size_t view_prefix(const char *path)
{
	const char *rest = path + view_state.length;

	if (!view_state.length || strncmp(path, view_state.session, view_state.length))
		return 0;
	if (!name_begins(rest, "/sys") && !name_begins(rest, "/dev") && !name_begins(rest, "/proc"))
		return 0;
	return view_state.length;
}

void view_unmap(char *path)
{
	size_t cut = view_prefix(path);

	if (cut)
		memmove(path, path + cut, strlen(path + cut) + 1);
}

/* Whether the tree takes the place of @name, absolute and without dots. */
static bool view_covers(const char *name)
{
	if (!strncmp(name, "/sys/", 5)) {
		for (size_t i = 0; i < sizeof(covered_sys) / sizeof(covered_sys[0]); i++) {
			const char *want = covered_sys[i].name;

			if (name[5] != want[0])
				continue;
			if (!strcmp(want, "kernel/debug") && !view_state.selftest)
				continue;
			if (covered_sys[i].loose ? !strncmp(name + 5, want, strlen(want)) :
						   name_begins(name + 5, want))
				return true;
		}
		return false;
	}
	return name_begins(name, "/dev/vfio") || name_begins(name, "/dev/iommu") ||
	       name_begins(name, "/proc/bus/pci");
}

/* Whether a relative path from here could reach the tree. */
static bool base_matters(const char *base)
{
	return !strcmp(base, "/") || name_begins(base, "/sys") || name_begins(base, "/dev") ||
	       name_begins(base, "/proc") || view_prefix(base);
}

void view_note_cwd(void)
{
	char base[PATH_MAX];

	if (!engine_active() || !view_ready())
		return;
	atomic_store_explicit(&view_state.cwd_matters,
			      cwd_name(base, sizeof(base)) > 0 && base_matters(base),
			      memory_order_relaxed);
}

void view_note_dir(int fd)
{
	int saved = errno;
	struct stat st;

	if (fd < 0 || atomic_load_explicit(&view_state.dirs_matter, memory_order_relaxed))
		return;
	if (!syscall(SYS_fstat, fd, &st) && S_ISDIR(st.st_mode))
		atomic_store_explicit(&view_state.dirs_matter, true, memory_order_relaxed);
	errno = saved;
}

bool view_cwd(char *buf)
{
	size_t cut;

	if (!engine_active() || !view_ready() ||
	    !atomic_load_explicit(&view_state.cwd_matters, memory_order_relaxed))
		return false;
	if (cwd_name(buf, PATH_MAX) < 0)
		return false;
	cut = view_prefix(buf);
	if (!cut)
		return false;
	memmove(buf, buf + cut, strlen(buf + cut) + 1);
	return true;
}

bool view_wants(int dirfd, const char *path)
{
	uintptr_t at = (uintptr_t)path;
	char head[8] = "";
	size_t len = sizeof(head);

	if (__builtin_expect(!engine_active(), 1) || !path || !view_ready())
		return false;
	if (PAGE - (at & (PAGE - 1)) < len)
		len = PAGE - (at & (PAGE - 1));
	if (fault_copy(head, path, len))
		return false; /* the kernel says EFAULT */
	if (head[0] == '/') {
		switch (head[1]) {
		case 's':
			return len < 5 || !memcmp(head + 1, "sys", 3);
		case 'd':
			return len < 5 || !memcmp(head + 1, "dev", 3);
		case 'p':
			return len < 6 || !memcmp(head + 1, "proc", 4);
		case '/':
		case '.':
		case 0:
			return true;
		default:
			return false;
		}
	}
	if (!head[0])
		return false;
	return atomic_load_explicit(dirfd == AT_FDCWD ? &view_state.cwd_matters :
							&view_state.dirs_matter,
				    memory_order_relaxed);
}

/* Put @name, absolute and without dots, behind the session's prefix where the tree covers it. */
static const char *view_place(const char *name, char *buf)
{
	size_t len = strlen(name);

	if (!view_covers(name))
		return name;
	if (view_state.length + len >= PATH_MAX)
		return NULL;
	memcpy(buf, view_state.session, view_state.length);
	memcpy(buf + view_state.length, name, len + 1);
	return buf;
}

/* Replace @name by where it leads, every link followed: what ".." starts from. */
static __attribute__((noinline)) long view_follow(char *name, size_t size)
{
	char buf[PATH_MAX];
	const char *place = view_place(*name ? name : "/", buf);
	long len;
	int fd;

	if (!place)
		return -ENAMETOOLONG;
	fd = sys_open(place, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	len = fd_name(fd, buf, sizeof(buf));
	sys_close(fd);
	if (len < 0)
		return len;
	view_unmap(buf);
	len = (long)strlen(buf);
	if ((size_t)len >= size)
		return -ENAMETOOLONG;
	memcpy(name, buf, (size_t)len + 1);
	return len == 1 ? 0 : len; /* the root is the empty name */
}

/*
 * Append the components of @rest to the @len bytes of @name. *followed: there
 * was a "..". The new length or a negative errno.
 */
static long name_append(char *name, size_t size, long len, const char *rest, bool *followed)
{
	bool slash = false;

	while (*rest) {
		const char *end = strchrnul(rest, '/');
		size_t part = (size_t)(end - rest);

		slash = *end || part == 0;
		if (part == 2 && rest[0] == '.' && rest[1] == '.') {
			name[len] = 0;
			len = view_follow(name, size);
			if (len < 0)
				return len;
			while (len > 0 && name[--len] != '/')
				;
			*followed = true;
		} else if (part == 1 && rest[0] == '.') {
			slash = true;
		} else if (part) {
			if ((size_t)len + part + 2 >= size)
				return -ENAMETOOLONG;
			name[len++] = '/';
			memcpy(name + len, rest, part);
			len += (long)part;
		}
		rest = end + (*end == '/');
	}
	/* A slash at the end still asks for a directory. */
	if (slash || !len)
		name[len++] = '/';
	name[len] = 0;
	return len;
}

static bool parse_number(const char **at, int *out)
{
	const char *p = *at;
	long value = 0;

	if (*p < '0' || *p > '9')
		return false;
	while (*p >= '0' && *p <= '9' && value < 100000000)
		value = value * 10 + (*p++ - '0');
	*at = p;
	*out = (int)value;
	return true;
}

/* What follows in a name of this process's directory in /proc, or of a thread's; NULL: it is none. */
static const char *view_proc_self(const char *name)
{
	int pid;

	if (strncmp(name, "/proc/", 6))
		return NULL;
	name += 6;
	if (!strncmp(name, "self/", 5))
		name += 5;
	else if (!strncmp(name, "thread-self/", 12))
		name += 12;
	else if (parse_number(&name, &pid) && *name == '/' && pid == sys_getpid())
		name++;
	else
		return NULL;
	if (!strncmp(name, "task/", 5)) {
		name += 5;
		if (!parse_number(&name, &pid) || *name++ != '/')
			return NULL;
	}
	return name;
}

static bool view_is_fail_nth(const char *name)
{
	const char *rest = view_state.selftest ? view_proc_self(name) : NULL;

	return rest && !strcmp(rest, "fail-nth");
}

/* The descriptor that a name like /proc/self/fd/3 stands for, if it is ours; else -1. */
static int view_proc_fd(const char *name)
{
	const char *rest = view_proc_self(name);
	int fd;

	if (!strncmp(name, "/dev/fd/", 8))
		name += 8;
	else if (rest && !strncmp(rest, "fd/", 3))
		name = rest + 3;
	else
		return -1;
	if (!parse_number(&name, &fd) || *name || !fd_is_ours(fd))
		return -1;
	return fd;
}

/* @name is a file at another place of the tree. */
static void view_show_at(struct view *view, const char *name, const char *place)
{
	size_t at = view_state.length + strlen(place) + 1, len = strlen(name) + 1;

	if (at + len > sizeof(view->buf))
		return;
	memmove(view->buf + at, name, len);
	memcpy(view->buf, view_state.session, view_state.length);
	strcpy(view->buf + view_state.length, place);
	view->path = view->buf;
	view->shown = view->buf + at;
}

int view_resolve(struct view *view, int dirfd, const char *path)
{
	size_t room = sizeof(view->buf) - view_state.length;
	char *name = view->buf + view_state.length;
	char given[PATH_MAX];
	bool followed = false;
	long len = 0;

	view->path = path;
	view->shown = NULL;
	view->fd = -1;
	if (path_fetch(given, sizeof(given), path) <= 0)
		return 0;
	if (given[0] != '/') {
		len = dirfd == AT_FDCWD ? cwd_name(name, room) : fd_name(dirfd, name, room);
		if (len < 0 || !base_matters(name))
			return 0;
		if (view_prefix(name)) {
			view_unmap(name);
			len = (long)strlen(name);
			followed = true; /* from the tree to the host, perhaps */
		}
		if (len == 1)
			len = 0;
	}
	len = name_append(name, room, len, given, &followed);
	if (len < 0)
		return (int)len;
	if (view_covers(name)) {
		memcpy(view->buf, view_state.session, view_state.length);
		view->path = view->buf;
		view->shown = name;
		return 0;
	}
	if (view_is_fail_nth(name)) {
		view_show_at(view, name, FAIL_NTH);
		return 0;
	}
	view->fd = view_proc_fd(name);
	if (followed)
		view->path = name;
	return 0;
}

bool view_found(struct view *view, int dirfd, const char *path)
{
	int ret = view_resolve(view, dirfd, path);

	if (ret < 0)
		errno = -ret;
	return !ret;
}

const char *view_path(int dirfd, const char *path, char *buf)
{
	struct view view;

	if (!view_wants(dirfd, path))
		return path;
	if (!view_found(&view, dirfd, path))
		return NULL;
	if (view.path == path)
		return path;
	strcpy(buf, view.path);
	return buf;
}

bool view_is_answered(const char *path)
{
	return view_is_device(path) || view_is_fail_nth(path);
}

/* What follows /dev/vfio/ in the name of a device: "vfio", "7", "noiommu-7", "devices/vfio7". */
bool view_is_device(const char *path)
{
	int number;

	if (!strcmp(path, "/dev/iommu"))
		return true;
	if (strncmp(path, "/dev/vfio/", 10))
		return false;
	path += 10;
	if (!strcmp(path, "vfio"))
		return true;
	if (!strncmp(path, "noiommu-", 8))
		path += 8;
	else if (!strncmp(path, "devices/vfio", 12))
		path += 12;
	return parse_number(&path, &number) && !*path;
}

bool view_is_empty(const char *path)
{
	char first;

	return !fault_copy(&first, path, 1) && !first;
}

bool view_is_sysfs(const char *shown)
{
	return name_begins(shown, "/sys");
}

bool view_fd_is_sysfs(int fd)
{
	char name[PATH_MAX];
	size_t cut;

	if (!engine_active() || !view_ready() || fd_name(fd, name, sizeof(name)) < 0)
		return false;
	cut = view_prefix(name);
	return cut && view_is_sysfs(name + cut);
}

dev_t view_rdev(const char *shown)
{
	int number = 0;

	if (!strcmp(shown, "/dev/vfio/vfio"))
		return makedev(MAJOR_MISC, MINOR_VFIO);
	if (!strcmp(shown, "/dev/iommu"))
		return makedev(MAJOR_MISC, MINOR_IOMMU);
	if (!view_is_device(shown))
		return 0;
	shown += strlen("/dev/vfio/");
	if (!strncmp(shown, "noiommu-", 8))
		shown += 8;
	if (parse_number(&shown, &number))
		return makedev(MAJOR_GROUP, (unsigned)number);
	shown += strlen("devices/vfio");
	parse_number(&shown, &number);
	return makedev(MAJOR_CDEV, (unsigned)number);
}

void view_fix_stat(const char *shown, struct stat *st)
{
	if (!S_ISREG(st->st_mode) || !view_is_device(shown))
		return;
	st->st_mode = S_IFCHR | (st->st_mode & 07777);
	st->st_rdev = view_rdev(shown);
	st->st_size = 0;
	st->st_blocks = 0;
}

static mode_t device_mode(const char *name)
{
	if (!strcmp(name, "/dev/vfio/vfio"))
		return 0666;
	return strcmp(name, "/dev/iommu") ? 0600 : 0660;
}

void view_fix_fstat(int fd, struct stat *st)
{
	const char *name = fd_path(fd);

	if (!name)
		return;
	st->st_size = 0;
	st->st_blocks = 0;
	if (view_is_device(name)) {
		st->st_mode = S_IFCHR | device_mode(name);
		st->st_rdev = view_rdev(name);
	} else if (view_is_fail_nth(name)) {
		st->st_mode = S_IFREG | 0644;
		st->st_rdev = 0;
	} else {
		st->st_mode = S_IRUSR | S_IWUSR; /* an anonymous inode has no type */
		st->st_rdev = 0;
	}
}
