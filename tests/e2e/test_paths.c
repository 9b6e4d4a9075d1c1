/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every path entry point, called by a program of the session: what it says of
 * the machine (one edu at 0000:01:00.0) and what it says of the host.
 */
#include "paths.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);
int __xstat(int version, const char *path, struct stat *st);
int __xstat64(int version, const char *path, struct stat64 *st);
int __lxstat(int version, const char *path, struct stat *st);
int __lxstat64(int version, const char *path, struct stat64 *st);
int __fxstat(int version, int fd, struct stat *st);
int __fxstat64(int version, int fd, struct stat64 *st);
int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int flags);
int __fxstatat64(int version, int dirfd, const char *path, struct stat64 *st, int flags);
int __statfs(const char *path, struct statfs *st);
ssize_t __readlink_chk(const char *path, char *buf, size_t size, size_t room);
ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t size, size_t room);
char *__realpath_chk(const char *path, char *resolved, size_t room);
char *__getcwd_chk(char *buf, size_t size, size_t room);
char *__getwd_chk(char *buf, size_t room);

/* The group's node: its number is the machine's choice. */
static char group[64];

static void find_group(void)
{
	char target[PATH_MAX];
	ssize_t len = readlink(LINK "/iommu_group", target, sizeof(target) - 1);

	assert_true(len > 0);
	target[len] = 0;
	snprintf(group, sizeof(group), "/dev/vfio%s", strrchr(target, '/'));
}

static void is_container(int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, GET_API), 0);
	assert_int_equal(close(fd), 0);
}

static void is_vendor(int fd)
{
	char text[16] = "";

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 7);
	assert_string_equal(text, "0x1234\n");
	assert_int_equal(close(fd), 0);
}

static void every_open_reaches_the_device(void **state)
{
	int dir;

	is_container(open(CONTAINER, O_RDWR));
	is_container(open64(CONTAINER, O_RDWR | O_CLOEXEC));
	is_container(__open(CONTAINER, O_RDWR));
	is_container(__open64(CONTAINER, O_RDWR));
	is_container(__open_2(CONTAINER, O_RDWR));
	is_container(__open64_2(CONTAINER, O_RDWR));
	is_container(openat(AT_FDCWD, CONTAINER, O_RDWR));
	is_container(openat64(AT_FDCWD, CONTAINER, O_RDWR));
	is_container(__openat_2(AT_FDCWD, CONTAINER, O_RDWR));
	is_container(__openat64_2(AT_FDCWD, CONTAINER, O_RDWR));
	is_container(creat(CONTAINER, 0600));
	is_container(creat64(CONTAINER, 0600));
	is_container(open("/dev//./vfio/../vfio/vfio", O_RDWR));
	dir = open("/dev/vfio", O_RDONLY);
	is_container(openat(dir, "vfio", O_RDWR));
	is_container(openat(dir, "../vfio/vfio", O_RDWR));
	close(dir);
	assert_int_equal(chdir("/dev"), 0);
	is_container(open("vfio/vfio", O_RDWR));
	assert_int_equal(chdir("/"), 0);
	is_container(open("dev/vfio/vfio", O_RDWR));
}

static void every_open_reads_the_sessions_files(void **state)
{
	int dir = open("/sys/bus/pci", O_RDONLY | O_DIRECTORY);

	is_vendor(open(VENDOR, O_RDONLY));
	is_vendor(open64(VENDOR, O_RDONLY));
	is_vendor(__open_2(VENDOR, O_RDONLY));
	is_vendor(openat(dir, "devices/" BDF "/vendor", O_RDONLY));
	is_vendor(openat64(dir, "/sys/devices/pci0000:01/" BDF "/vendor", O_RDONLY));
	is_vendor(__openat_2(dir, "../../bus/pci/devices/" BDF "/vendor", O_RDONLY));
	close(dir);
}

static void device_opens_fail_as_in_linux(void **state)
{
	assert_fails(open("/dev/vfio/4711", O_RDWR), ENOENT);
	assert_fails(open("/dev/vfio/none", O_RDWR), ENOENT);
	assert_fails(open("/dev/vfio", O_RDWR), EISDIR);
	assert_fails(open(CONTAINER, O_RDWR | O_DIRECTORY), ENOTDIR);
	assert_fails(open(CONTAINER, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	assert_fails(open(CONTAINER "/", O_RDWR), ENOTDIR);
	assert_fails(open((const char *)1, O_RDWR), EFAULT);
	assert_fails(openat(-1, "vfio", O_RDWR), EBADF);
	assert_fails(open("", O_RDWR), ENOENT);
}

static void sysfs_files_are_opened_by_the_rules_of_sysfs(void **state)
{
	assert_fails(open(VENDOR, O_WRONLY), EACCES);
	assert_fails(open(VENDOR, O_RDWR | O_TRUNC), EACCES);
	assert_fails(open(LINK "/nothing", O_RDONLY), ENOENT);
	assert_fails(open(LINK "/nothing", O_WRONLY | O_CREAT, 0600), EACCES);
	assert_fails(open(LINK "/no/thing", O_WRONLY | O_CREAT, 0600), ENOENT);
	assert_fails(open(VENDOR, O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	assert_fails(creat(LINK "/nothing", 0600), EACCES);
	assert_null(fopen(LINK "/nothing", "w"));
	assert_int_equal(errno, EACCES);
}

static void the_hosts_pci_bus_is_not_there(void **state)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	int devices = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.') {
			assert_string_equal(entry->d_name, BDF);
			devices++;
		}
	closedir(dir);
	assert_int_equal(devices, 1);
	assert_fails(access("/sys/kernel/debug/iommu", F_OK), ENOENT);
	assert_fails(access("/proc/bus/pci/devices", F_OK), ENOENT);
}

static void the_rest_of_the_host_is(void **state)
{
	struct stat st;

	assert_int_equal(access("/sys/kernel", F_OK), 0);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	assert_int_equal(access("/proc/self/maps", R_OK), 0);
}

static void streams_open_both(void **state)
{
	char line[16];
	FILE *f = fopen(VENDOR, "r");

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_string_equal(line, "0x1234\n");
	f = freopen("/sys/bus/pci/devices/" BDF "/device", "r", f);
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_string_equal(line, "0x11e8\n");
	f = freopen64(VENDOR, "re", f);
	assert_non_null(f);
	assert_true(fcntl(fileno(f), F_GETFD) & FD_CLOEXEC);
	fclose(f);
	f = fopen64(CONTAINER, "r+");
	assert_non_null(f);
	assert_int_equal(ioctl(fileno(f), GET_API), 0);
	fclose(f);
	assert_null(fopen(VENDOR, "z"));
	assert_int_equal(errno, EINVAL);
}

static void is_char_device(const struct stat *st, unsigned major_number)
{
	assert_true(S_ISCHR(st->st_mode));
	assert_int_equal(major(st->st_rdev), major_number);
	assert_int_equal(st->st_size, 0);
}

static void every_stat_shows_a_character_device(void **state)
{
	struct statx stx;
	struct stat st;

#define IS_CONTAINER(call)                                  \
	do {                                                \
		memset(&st, 0, sizeof(st));                 \
		assert_int_equal(call, 0);                  \
		is_char_device(&st, 10);                    \
		assert_int_equal(minor(st.st_rdev), 196);   \
		assert_int_equal(st.st_mode & 07777, 0666); \
	} while (0)
#define ST64 ((struct stat64 *)&st)

	IS_CONTAINER(stat(CONTAINER, &st));
	IS_CONTAINER(stat64(CONTAINER, ST64));
	IS_CONTAINER(lstat(CONTAINER, &st));
	IS_CONTAINER(lstat64(CONTAINER, ST64));
	IS_CONTAINER(fstatat(AT_FDCWD, CONTAINER, &st, 0));
	IS_CONTAINER(fstatat64(AT_FDCWD, CONTAINER, ST64, AT_SYMLINK_NOFOLLOW));
	IS_CONTAINER(__xstat(1, CONTAINER, &st));
	IS_CONTAINER(__xstat64(1, CONTAINER, ST64));
	IS_CONTAINER(__lxstat(1, CONTAINER, &st));
	IS_CONTAINER(__lxstat64(1, CONTAINER, ST64));
	IS_CONTAINER(__fxstatat(1, AT_FDCWD, CONTAINER, &st, 0));
	IS_CONTAINER(__fxstatat64(1, AT_FDCWD, CONTAINER, ST64, 0));
	assert_int_equal(stat(group, &st), 0);
	is_char_device(&st, 511);
	assert_int_equal(statx(AT_FDCWD, CONTAINER, 0, STATX_BASIC_STATS, &stx), 0);
	assert_true(S_ISCHR(stx.stx_mode));
	assert_int_equal(stx.stx_rdev_major, 10);
	assert_int_equal(stx.stx_rdev_minor, 196);
}

static void every_fstat_of_a_descriptor_does_too(void **state)
{
	int fd = open(CONTAINER, O_RDWR), groupfd = open(group, O_RDWR);
	char link[64];
	struct statx stx;
	struct stat st;

	IS_CONTAINER(fstat(fd, &st));
	IS_CONTAINER(fstat64(fd, ST64));
	IS_CONTAINER(__fxstat(1, fd, &st));
	IS_CONTAINER(__fxstat64(1, fd, ST64));
	IS_CONTAINER(fstatat(fd, "", &st, AT_EMPTY_PATH));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	IS_CONTAINER(stat(link, &st));
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx), 0);
	assert_true(S_ISCHR(stx.stx_mode));
	assert_true(groupfd >= 0);
	assert_int_equal(fstat(groupfd, &st), 0);
	is_char_device(&st, 511);
	assert_int_equal(st.st_mode & 07777, 0600);
	close(groupfd);
	close(fd);
}

static void sysfs_is_a_sysfs(void **state)
{
	struct statfs64 st64;
	struct statvfs64 sv64;
	struct statvfs sv;
	struct statfs st;
	int dir;

	assert_int_equal(statfs(LINK, &st), 0);
	assert_int_equal(st.f_type, SYSFS_MAGIC);
	assert_int_equal(statfs64(LINK, &st64), 0);
	assert_int_equal(st64.f_type, SYSFS_MAGIC);
	assert_int_equal(__statfs(LINK, &st), 0);
	assert_int_equal(st.f_type, SYSFS_MAGIC);
	dir = open(LINK, O_RDONLY | O_DIRECTORY);
	assert_int_equal(fstatfs(dir, &st), 0);
	assert_int_equal(st.f_type, SYSFS_MAGIC);
	assert_int_equal(fstatfs64(dir, &st64), 0);
	assert_int_equal(st64.f_type, SYSFS_MAGIC);
	close(dir);
	dir = open("/usr", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fstatfs(dir, &st), 0);
	assert_int_not_equal(st.f_type, SYSFS_MAGIC);
	close(dir);
	assert_int_equal(statvfs(LINK, &sv), 0);
	assert_int_equal(statvfs64(LINK, &sv64), 0);
	assert_fails(statfs(LINK "/nothing", &st), ENOENT);
	assert_int_equal(pathconf(LINK, _PC_NAME_MAX), 255);
	assert_fails(pathconf(LINK "/nothing", _PC_NAME_MAX), ENOENT);
}

static void access_tells_what_is_there(void **state)
{
	char value[16];

	assert_int_equal(access(VENDOR, R_OK), 0);
	assert_int_equal(access(CONTAINER, R_OK | W_OK), 0);
	assert_int_equal(faccessat(AT_FDCWD, VENDOR, R_OK, 0), 0);
	assert_int_equal(euidaccess(VENDOR, R_OK), 0);
	assert_int_equal(eaccess(VENDOR, R_OK), 0);
	assert_fails(access(LINK "/nothing", F_OK), ENOENT);
	assert_fails(faccessat(AT_FDCWD, LINK "/nothing", F_OK, 0), ENOENT);
	assert_fails(euidaccess("/dev/vfio/4711", F_OK), ENOENT);
	assert_fails(eaccess("/dev/vfio/4711", F_OK), ENOENT);
	assert_fails(getxattr(VENDOR, "user.none", value, sizeof(value)), ENODATA);
	assert_fails(lgetxattr(LINK "/nothing", "user.none", value, sizeof(value)), ENOENT);
	assert_int_equal(listxattr(VENDOR, value, 0), 0);
	assert_fails(llistxattr(LINK "/nothing", value, 0), ENOENT);
}

static void every_readlink_gives_linux_names(void **state)
{
	char text[PATH_MAX], want[64], small[4];
	int dir = open(LINK, O_RDONLY | O_DIRECTORY);

	snprintf(want, sizeof(want), "../../../kernel/iommu_groups%s", strrchr(group, '/'));

#define READS(call)                              \
	do {                                     \
		ssize_t len_ = call;             \
		assert_true(len_ > 0);           \
		text[len_] = 0;                  \
		assert_string_equal(text, want); \
	} while (0)

	READS(readlink(LINK "/iommu_group", text, sizeof(text)));
	READS(readlinkat(dir, "iommu_group", text, sizeof(text)));
	READS(__readlink_chk(LINK "/iommu_group", text, sizeof(text), sizeof(text)));
	READS(__readlinkat_chk(dir, "iommu_group", text, sizeof(text), sizeof(text)));
	assert_int_equal(readlink(LINK "/iommu_group", small, sizeof(small)), sizeof(small));
	assert_memory_equal(small, "../.", 4);
	assert_fails(readlink(VENDOR, text, sizeof(text)), EINVAL);
	assert_fails(readlink(LINK "/nothing", text, sizeof(text)), ENOENT);
	close(dir);
}

static void proc_names_descriptors_as_linux_does(void **state)
{
	int fd = open(CONTAINER, O_RDWR), dir = open(LINK, O_RDONLY | O_DIRECTORY), again;
	char link[64], text[PATH_MAX], want[PATH_MAX];
	int proc = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);

	strcpy(want, CONTAINER);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	READS(readlink(link, text, sizeof(text)));
	assert_string_equal(realpath(link, text), CONTAINER);
	again = open(link, O_RDWR);
	is_container(again);
	snprintf(link, sizeof(link), "%d", fd);
	READS(readlinkat(proc, link, text, sizeof(text)));
	snprintf(link, sizeof(link), "/proc/%d/fd/%d", getpid(), fd);
	READS(readlink(link, text, sizeof(text)));
	snprintf(link, sizeof(link), "/proc/thread-self/fd/%d", fd);
	READS(readlink(link, text, sizeof(text)));
	snprintf(link, sizeof(link), "/dev/fd/%d", fd);
	READS(readlink(link, text, sizeof(text)));
	strcpy(want, DEVICE);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	READS(readlink(link, text, sizeof(text)));
	close(proc);
	close(dir);
	close(fd);
}

static void every_realpath_gives_linux_names(void **state)
{
	char text[PATH_MAX], want[64], *made;

	snprintf(want, sizeof(want), "/sys/kernel/iommu_groups%s", strrchr(group, '/'));
	assert_ptr_equal(realpath(LINK "/iommu_group", text), text);
	assert_string_equal(text, want);
	assert_ptr_equal(__realpath_chk(LINK "/iommu_group", text, sizeof(text)), text);
	assert_string_equal(text, want);
	made = realpath(LINK, NULL);
	assert_string_equal(made, DEVICE);
	free(made);
	made = canonicalize_file_name(LINK "/driver");
	assert_string_equal(made, "/sys/bus/pci/drivers/vfio-pci");
	free(made);
	assert_string_equal(realpath(LINK "/../../../kernel/../class", text), "/sys/class");
	assert_null(realpath(LINK "/nothing", NULL));
	assert_int_equal(errno, ENOENT);
}

static void the_working_directory_is_named_as_in_linux(void **state)
{
	char text[PATH_MAX], small[4], *made, *(*old_getwd)(char *);
	int dir = open("/sys/kernel/iommu_groups", O_RDONLY | O_DIRECTORY);

	assert_int_equal(chdir(LINK), 0);
	assert_string_equal(getcwd(text, sizeof(text)), DEVICE);
	assert_string_equal(__getcwd_chk(text, sizeof(text), sizeof(text)), DEVICE);
	/* Called as old programs do; a linker of today warns of the name. */
	old_getwd = (char *(*)(char *))dlsym(RTLD_DEFAULT, "getwd");
	assert_string_equal(old_getwd(text), DEVICE);
	assert_string_equal(__getwd_chk(text, sizeof(text)), DEVICE);
	made = getcwd(NULL, 0);
	assert_string_equal(made, DEVICE);
	free(made);
	unsetenv("PWD");
	made = get_current_dir_name();
	assert_string_equal(made, DEVICE);
	free(made);
	setenv("PWD", LINK, 1);
	made = get_current_dir_name();
	assert_string_equal(made, LINK);
	free(made);
	assert_null(getcwd(small, sizeof(small)));
	assert_int_equal(errno, ERANGE);
	is_vendor(open("vendor", O_RDONLY));
	assert_int_equal(chdir("../.."), 0);
	assert_string_equal(getcwd(text, sizeof(text)), "/sys/devices");
	assert_int_equal(fchdir(dir), 0);
	assert_string_equal(getcwd(text, sizeof(text)), "/sys/kernel/iommu_groups");
	assert_int_equal(chdir("/usr"), 0);
	assert_string_equal(getcwd(text, sizeof(text)), "/usr");
	assert_fails(chdir(LINK "/nothing"), ENOENT);
	assert_fails(chdir(VENDOR), ENOTDIR);
	close(dir);
}

static void nothing_is_made_or_removed_in_sysfs(void **state)
{
	assert_fails(unlink(VENDOR), EPERM);
	assert_fails(unlink(LINK "/nothing"), ENOENT);
	assert_fails(unlink("/sys/bus/pci/devices"), EISDIR);
	assert_fails(unlinkat(AT_FDCWD, VENDOR, 0), EPERM);
	assert_fails(remove(VENDOR), EPERM);
	assert_fails(rmdir("/sys/bus/pci/devices"), EPERM);
	assert_fails(rmdir(VENDOR), ENOTDIR);
	assert_fails(mkdir("/sys/bus/pci/new", 0755), EPERM);
	assert_fails(mkdir("/sys/bus/pci/devices", 0755), EEXIST);
	assert_fails(mkdir("/sys/bus/pci/no/where", 0755), ENOENT);
	assert_fails(mkdirat(AT_FDCWD, "/sys/bus/pci/new", 0755), EPERM);
	assert_fails(mkfifo("/sys/bus/pci/new", 0644), EPERM);
	assert_fails(mkfifoat(AT_FDCWD, "/sys/bus/pci/new", 0644), EPERM);
	assert_fails(mknod("/sys/bus/pci/new", S_IFREG | 0644, 0), EPERM);
	assert_fails(mknodat(AT_FDCWD, "/sys/bus/pci/new", S_IFREG | 0644, 0), EPERM);
	assert_fails(symlink("x", "/sys/bus/pci/new"), EPERM);
	assert_fails(symlinkat("x", AT_FDCWD, "/sys/bus/pci/new"), EPERM);
	assert_fails(link(VENDOR, "/sys/bus/pci/new"), EPERM);
	assert_fails(linkat(AT_FDCWD, VENDOR, AT_FDCWD, "/sys/bus/pci/new", 0), EPERM);
	assert_fails(rename(VENDOR, LINK "/new"), EPERM);
	assert_fails(renameat(AT_FDCWD, VENDOR, AT_FDCWD, LINK "/new"), EPERM);
	assert_fails(renameat2(AT_FDCWD, VENDOR, AT_FDCWD, "/tmp/new", 0), EXDEV);
	assert_int_equal(access(VENDOR, F_OK), 0);
}

static void attributes_of_session_files_can_be_changed(void **state)
{
	struct timespec times[2] = { { 1000, 0 }, { 2000, 0 } };
	struct timeval old[2] = { { 10, 0 }, { 20, 0 } };
	const char *path = LINK "/driver_override";
	struct utimbuf early = { 30, 40 };
	struct stat st;

#define MTIME_IS(call, time)                          \
	do {                                          \
		assert_int_equal(call, 0);            \
		assert_int_equal(stat(path, &st), 0); \
		assert_int_equal(st.st_mtime, time);  \
	} while (0)

	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(fchmodat(AT_FDCWD, path, 0640, 0), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(chmod(path, 0644), 0);
	assert_fails(lchmod(LINK "/nothing", 0644), ENOENT);
	assert_int_equal(chown(path, getuid(), getgid()), 0);
	assert_int_equal(lchown(path, getuid(), getgid()), 0);
	assert_int_equal(fchownat(AT_FDCWD, path, getuid(), getgid(), 0), 0);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(truncate64(path, 0), 0);
	MTIME_IS(utimensat(AT_FDCWD, path, times, 0), 2000);
	MTIME_IS(utimes(path, old), 20);
	MTIME_IS(utime(path, &early), 40);
	MTIME_IS(lutimes(path, old), 20);
	MTIME_IS(futimesat(AT_FDCWD, path, old), 20);
}

static void watches_are_set_in_the_session(void **state)
{
	int fd = inotify_init1(IN_NONBLOCK);
	struct inotify_event event;
	FILE *f;

	assert_true(inotify_add_watch(fd, LINK "/driver_override", IN_MODIFY) >= 0);
	assert_fails(inotify_add_watch(fd, LINK "/nothing", IN_MODIFY), ENOENT);
	f = fopen(LINK "/driver_override", "w");
	fputs("vfio-pci\n", f);
	fclose(f);
	assert_true(read(fd, &event, sizeof(event)) >= (ssize_t)sizeof(event));
	close(fd);
}

static void bad_pointers_give_efault(void **state)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat st;
	char text[16];

	assert_fails(open(page, O_RDONLY), EFAULT);
	assert_fails(stat(page, &st), EFAULT);
	assert_fails(access(page, F_OK), EFAULT);
	assert_fails(readlink(page, text, sizeof(text)), EFAULT);
	assert_fails(chdir(page), EFAULT);
	munmap(page, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_open_reaches_the_device),
		cmocka_unit_test(every_open_reads_the_sessions_files),
		cmocka_unit_test(device_opens_fail_as_in_linux),
		cmocka_unit_test(sysfs_files_are_opened_by_the_rules_of_sysfs),
		cmocka_unit_test(the_hosts_pci_bus_is_not_there),
		cmocka_unit_test(the_rest_of_the_host_is),
		cmocka_unit_test(streams_open_both),
		cmocka_unit_test(every_stat_shows_a_character_device),
		cmocka_unit_test(every_fstat_of_a_descriptor_does_too),
		cmocka_unit_test(sysfs_is_a_sysfs),
		cmocka_unit_test(access_tells_what_is_there),
		cmocka_unit_test(every_readlink_gives_linux_names),
		cmocka_unit_test(proc_names_descriptors_as_linux_does),
		cmocka_unit_test(every_realpath_gives_linux_names),
		cmocka_unit_test(the_working_directory_is_named_as_in_linux),
		cmocka_unit_test(nothing_is_made_or_removed_in_sysfs),
		cmocka_unit_test(attributes_of_session_files_can_be_changed),
		cmocka_unit_test(watches_are_set_in_the_session),
		cmocka_unit_test(bad_pointers_give_efault),
	};

	find_group();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
