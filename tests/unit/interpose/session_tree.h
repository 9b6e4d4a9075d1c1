/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session made by hand: a directory with the tree of one device, and this
 * program started again in it. The engine reads its environment before main()
 * runs, so there is no later way in.
 */
#ifndef RF_TESTS_SESSION_TREE_H
#define RF_TESTS_SESSION_TREE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TREE_BDF     "0000:01:00.0"
#define TREE_DEVICE  "/sys/devices/pci0000:01/" TREE_BDF
#define TREE_SESSION "RINGFENCE_SESSION"

static inline void tree_fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(99);
}

/* The directories above the last '/' of a path. */
static inline void tree_parents(char *path, size_t from)
{
	for (char *slash = strchr(path + from + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			tree_fail(path);
		*slash = '/';
	}
}

static inline void tree_file(const char *dir, const char *name, mode_t mode, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	tree_parents(path, strlen(dir));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) || close(fd))
		tree_fail(path);
}

static inline void tree_link(const char *dir, const char *name, const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	tree_parents(path, strlen(dir));
	if (symlink(target, path))
		tree_fail(path);
}

static inline void tree_make(const char *dir)
{
	tree_file(dir, TREE_DEVICE "/vendor", 0444, "0x1234\n");
	tree_file(dir, TREE_DEVICE "/driver_override", 0644, "vfio-pci\n");
	tree_link(dir, TREE_DEVICE "/iommu_group", "../../../kernel/iommu_groups/7");
	tree_link(dir, TREE_DEVICE "/subsystem", "../../../bus/pci");
	tree_link(dir, "/sys/bus/pci/devices/" TREE_BDF, "../../../devices/pci0000:01/" TREE_BDF);
	tree_link(dir, "/sys/kernel/iommu_groups/7/devices/" TREE_BDF,
		  "../../../../devices/pci0000:01/" TREE_BDF);
	tree_file(dir, "/sys/kernel/iommu_groups/7/type", 0644, "DMA-FQ\n");
	tree_file(dir, "/sys/module/vfio_pci/initstate", 0444, "live\n");
	tree_file(dir, "/dev/vfio/vfio", 0666, "");
	tree_file(dir, "/dev/vfio/7", 0600, "");
}

/*
 * Called first in main(): returns the session's directory in the program
 * started again; the first one waits for it, cleans up and exits as it did.
 * @preload: what to preload, or NULL.
 */
static inline const char *tree_enter(char **argv, const char *preload)
{
	const char *inside = getenv(TREE_SESSION);
	char dir[] = "/tmp/ringfence-test-XXXXXX", command[PATH_MAX];
	int status;
	pid_t pid;

	if (inside)
		return inside;
	if (!mkdtemp(dir))
		tree_fail(dir);
	tree_make(dir);
	pid = fork();
	if (pid < 0)
		tree_fail("fork");
	if (!pid) {
		setenv(TREE_SESSION, dir, 1);
		if (preload)
			setenv("LD_PRELOAD", preload, 1);
		execv("/proc/self/exe", argv);
		tree_fail("exec");
	}
	waitpid(pid, &status, 0);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		tree_fail(command);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

#endif
