/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which paths lead into the session, and how ".." and relative ones do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "interpose/view.h"
#include "session_tree.h"

static const char *session;

/* Where a path leads: with the session's directory as "S", or "same" for the caller's own pointer. */
static const char *leads(int dirfd, const char *path)
{
	static char text[PATH_MAX];
	struct view view;
	int ret;

	if (!view_wants(dirfd, path))
		return "same";
	ret = view_resolve(&view, dirfd, path);
	if (ret < 0) {
		snprintf(text, sizeof(text), "%s", strerrorname_np(-ret));
		return text;
	}
	if (view.path == path)
		return "same";
	if (view.shown) {
		assert_memory_equal(view.path, session, strlen(session));
		assert_string_equal(view.shown, view.path + strlen(session));
		snprintf(text, sizeof(text), "S%s", view.shown);
	} else {
		snprintf(text, sizeof(text), "%s", view.path);
	}
	return text;
}

#define assert_leads(path, where) assert_string_equal(leads(AT_FDCWD, path), where)

static void covered_paths_lead_into_the_session(void **state)
{
	static const char *const paths[] = {
		"/sys/bus/pci",
		"/sys/bus/pci/devices/" TREE_BDF "/vendor",
		"/sys/bus/pci/no/such/thing",
		"/sys/kernel/iommu_groups",
		"/sys/kernel/iommu_groups/7/devices",
		"/sys/kernel/debug/iommu",
		"/sys/kernel/debug/iommu_devices",
		"/sys/class/iommu",
		"/sys/class/vfio",
		"/sys/class/vfio-dev/vfio0",
		"/sys/devices/pci0000:00",
		"/sys/devices/pci0000:00/0000:00:02.0/config",
		"/sys/devices/virtual/iommu/dmar0",
		"/sys/module",
		"/sys/module/vfio",
		"/sys/module/vfio_iommu_type1/parameters",
		"/dev/vfio",
		"/dev/vfio/vfio",
		"/dev/vfio/",
		"/dev/iommu",
		"/proc/bus/pci/devices",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char want[PATH_MAX];

		snprintf(want, sizeof(want), "S%s", paths[i]);
		assert_leads(paths[i], want);
	}
}

static void other_paths_are_left_alone(void **state)
{
	static const char *const paths[] = {
		"/",
		"/sys",
		"/sys/",
		"/sys/bus",
		"/sys/bus/pcix",
		"/sys/bus/pci_express",
		"/sys/class/vfiox",
		"/sys/class/net",
		"/sys/devices",
		"/sys/devices/system/node",
		"/sys/kernel/mm/hugepages",
		"/system",
		"/dev",
		"/dev/null",
		"/dev/vfiox",
		"/dev/iommux",
		"/device/vfio",
		"/proc/self/maps",
		"/proc/bus/input",
		"/process",
		"/tmp/sys/bus/pci",
		"/tmp",
		"",
		"sys/bus/pci",
		".",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		assert_leads(paths[i], "same");
}

static void unrelated_paths_are_answered_without_resolving(void **state)
{
	assert_false(view_wants(AT_FDCWD, "/usr/lib/libc.so.6"));
	assert_false(view_wants(AT_FDCWD, "/home/sys/bus/pci"));
	assert_false(view_wants(AT_FDCWD, "relative/name"));
	assert_false(view_wants(AT_FDCWD, ""));
	assert_true(view_wants(AT_FDCWD, "/sys/bus/pci"));
}

static void slashes_and_dots_do_not_hide_a_path(void **state)
{
	assert_leads("//sys///bus/./pci", "S/sys/bus/pci");
	assert_leads("/./dev/vfio//vfio", "S/dev/vfio/vfio");
	assert_leads("/sys/bus/pci/.", "S/sys/bus/pci/");
	assert_leads("/dev/./vfio/7/", "S/dev/vfio/7/");
	assert_leads("/sys/kernel/../bus/pci/devices", "S/sys/bus/pci/devices");
	assert_leads("/dev/../sys/bus/pci", "S/sys/bus/pci");
	assert_leads("/../../sys/bus/pci", "S/sys/bus/pci");
}

static void dotdot_follows_links_as_the_kernel_does(void **state)
{
	assert_leads("/sys/bus/pci/devices/" TREE_BDF "/..", "S/sys/devices/pci0000:01");
	assert_leads("/sys/bus/pci/devices/" TREE_BDF "/iommu_group/../8",
		     "S/sys/kernel/iommu_groups/8");
	assert_leads("/sys/bus/pci/devices/" TREE_BDF "/../../../kernel/iommu_groups/7",
		     "S/sys/kernel/iommu_groups/7");
	assert_leads("/sys/bus/pci/devices/" TREE_BDF "/subsystem/../../module/vfio_pci",
		     "S/sys/module/vfio_pci");
}

static void dotdot_out_of_the_session_reaches_the_host(void **state)
{
	assert_leads("/sys/bus/pci/..", "/sys/bus");
	assert_leads("/sys/bus/pci/../../kernel/mm", "/sys/kernel/mm");
	assert_leads("/dev/vfio/../null", "/dev/null");
	assert_leads("/sys/bus/pci/../../../../../../dev/null", "/dev/null");
}

static void dotdot_behind_nothing_fails_as_in_linux(void **state)
{
	assert_leads("/sys/bus/pci/nothing/../devices", "ENOENT");
	assert_leads("/dev/vfio/vfio/../7", "ENOTDIR");
	assert_leads("/sys/bus/pci/devices/" TREE_BDF "/vendor/..", "ENOTDIR");
}

static void names_too_long_are_refused(void **state)
{
	static char path[2 * PATH_MAX];
	struct view view;

	memset(path, 'x', sizeof(path) - 1);
	memcpy(path, "/dev/vfio/", 10);
	/* Longer than any name: the kernel refuses it by itself. */
	assert_int_equal(view_resolve(&view, AT_FDCWD, path), 0);
	assert_ptr_equal(view.path, path);
	/* Too long only with the session in front. */
	path[PATH_MAX - 2] = 0;
	assert_int_equal(view_resolve(&view, AT_FDCWD, path), -ENAMETOOLONG);
}

static void relative_paths_count_from_the_working_directory(void **state)
{
	char cwd[PATH_MAX];

	assert_int_equal(chdir("/sys/bus/pci"), 0);
	assert_true(view_cwd(cwd));
	assert_string_equal(cwd, "/sys/bus/pci");
	assert_leads("devices", "S/sys/bus/pci/devices");
	assert_leads("../../kernel/mm", "/sys/kernel/mm");
	assert_leads("../../kernel/iommu_groups", "S/sys/kernel/iommu_groups");
	assert_int_equal(chdir("/"), 0);
	assert_false(view_cwd(cwd));
	assert_leads("sys/bus/pci", "S/sys/bus/pci");
	assert_leads("usr/bin", "same");
	assert_int_equal(chdir("/usr"), 0);
	assert_false(view_wants(AT_FDCWD, "sys/bus/pci"));
	assert_int_equal(chdir("/tmp"), 0);
}

static void relative_paths_count_from_a_directory_descriptor(void **state)
{
	int host = open("/usr", O_RDONLY | O_DIRECTORY);
	int dev, sys, copy;

	assert_false(view_wants(host, "sys/bus"));
	dev = open("/dev/vfio", O_RDONLY);
	sys = open("/sys", O_PATH);
	copy = dup(dev);
	assert_string_equal(leads(dev, "vfio"), "S/dev/vfio/vfio");
	assert_string_equal(leads(copy, "7"), "S/dev/vfio/7");
	assert_string_equal(leads(dev, "../null"), "/dev/null");
	assert_string_equal(leads(sys, "bus/pci/devices"), "S/sys/bus/pci/devices");
	assert_string_equal(leads(sys, "class/net"), "same");
	assert_string_equal(leads(host, "bin"), "same");
	assert_string_equal(leads(-1, "bin"), "same");
	assert_string_equal(leads(dev, "/sys/bus/pci"), "S/sys/bus/pci");
	close(copy);
	close(sys);
	close(dev);
	close(host);
}

static void bad_pointers_are_left_to_the_kernel(void **state)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct view view;
	char *edge = page + 4096;

	mprotect(edge, 4096, PROT_NONE);
	assert_false(view_wants(AT_FDCWD, NULL));
	assert_false(view_wants(AT_FDCWD, (const char *)1));
	assert_false(view_wants(AT_FDCWD, edge));
	assert_false(view_wants(AT_FDCWD, (const char *)0x800000000000));
	assert_int_equal(open((const char *)(uintptr_t)edge, O_RDONLY), -1);
	assert_int_equal(errno, EFAULT);

	/* A name that ends just before the edge is whole; one that runs over it is not. */
	memcpy(edge - 13, "/sys/bus/pci", 13);
	assert_leads(edge - 13, "S/sys/bus/pci");
	memcpy(edge - 3, "/s", 3);
	assert_leads(edge - 3, "same");
	memcpy(edge - 12, "/sys/bus/pci", 12);
	assert_int_equal(view_resolve(&view, AT_FDCWD, edge - 12), 0);
	assert_ptr_equal(view.path, edge - 12);
	assert_int_equal(open(edge - 12, O_RDONLY), -1);
	assert_int_equal(errno, EFAULT);
	munmap(page, 8192);
}

static void errno_is_left_alone(void **state)
{
	struct view view;

	errno = 77;
	view_wants(AT_FDCWD, "/sys/bus/pci");
	view_resolve(&view, AT_FDCWD, "/sys/bus/pci/nothing/../x");
	view_resolve(&view, -1, "x");
	assert_int_equal(errno, 77);
}

static void unmapping_cuts_the_session_off(void **state)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys/bus/pci", session);
	view_unmap(path);
	assert_string_equal(path, "/sys/bus/pci");
	snprintf(path, sizeof(path), "%s/sys", session);
	view_unmap(path);
	assert_string_equal(path, "/sys");
	snprintf(path, sizeof(path), "%s/machine.json", session);
	view_unmap(path);
	assert_memory_equal(path, session, strlen(session));
	snprintf(path, sizeof(path), "%sx/sys", session);
	view_unmap(path);
	assert_memory_equal(path, session, strlen(session));
	strcpy(path, "/sys/bus");
	view_unmap(path);
	assert_string_equal(path, "/sys/bus");
}

static void devices_are_known_by_their_names(void **state)
{
	assert_true(view_is_device("/dev/vfio/vfio"));
	assert_true(view_is_device("/dev/vfio/7"));
	assert_true(view_is_device("/dev/vfio/12345"));
	assert_true(view_is_device("/dev/vfio/noiommu-0"));
	assert_true(view_is_device("/dev/vfio/devices/vfio3"));
	assert_true(view_is_device("/dev/iommu"));
	assert_false(view_is_device("/dev/vfio"));
	assert_false(view_is_device("/dev/vfio/"));
	assert_false(view_is_device("/dev/vfio/7x"));
	assert_false(view_is_device("/dev/vfio/vfio/"));
	assert_false(view_is_device("/dev/vfio/devices"));
	assert_false(view_is_device("/dev/vfio/devices/vfio"));
	assert_false(view_is_device("/dev/null"));
	assert_false(view_is_device("vfio"));
	assert_int_equal(view_rdev("/dev/vfio/vfio"), makedev(10, 196));
	assert_int_equal(view_rdev("/dev/vfio/7"), makedev(511, 7));
	assert_int_equal(view_rdev("/dev/null"), 0);
}

static void view_path_fills_the_callers_buffer(void **state)
{
	char buf[PATH_MAX], want[PATH_MAX];
	const char *host = "/usr/bin";

	assert_ptr_equal(view_path(AT_FDCWD, host, buf), host);
	assert_ptr_equal(view_path(AT_FDCWD, "/sys/bus/pci", buf), buf);
	snprintf(want, sizeof(want), "%s/sys/bus/pci", session);
	assert_string_equal(buf, want);
	assert_null(view_path(AT_FDCWD, "/sys/bus/pci/nothing/..", buf));
	assert_int_equal(errno, ENOENT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covered_paths_lead_into_the_session),
		cmocka_unit_test(other_paths_are_left_alone),
		cmocka_unit_test(unrelated_paths_are_answered_without_resolving),
		cmocka_unit_test(slashes_and_dots_do_not_hide_a_path),
		cmocka_unit_test(dotdot_follows_links_as_the_kernel_does),
		cmocka_unit_test(dotdot_out_of_the_session_reaches_the_host),
		cmocka_unit_test(dotdot_behind_nothing_fails_as_in_linux),
		cmocka_unit_test(names_too_long_are_refused),
		cmocka_unit_test(relative_paths_count_from_the_working_directory),
		cmocka_unit_test(relative_paths_count_from_a_directory_descriptor),
		cmocka_unit_test(bad_pointers_are_left_to_the_kernel),
		cmocka_unit_test(errno_is_left_alone),
		cmocka_unit_test(unmapping_cuts_the_session_off),
		cmocka_unit_test(devices_are_known_by_their_names),
		cmocka_unit_test(view_path_fills_the_callers_buffer),
	};

	session = tree_enter(argv, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
