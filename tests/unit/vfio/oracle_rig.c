/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The oracle program (tests/oracle/oracle.c), unchanged, with the few calls it
 * makes about VFIO led to a rig instead of the kernel.
 *
 * A mapped BAR is an ordinary page that holds the one register the program
 * loads: trapping loads is the interposer's business and is tested there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "oracle_rig.h"
#include "rig.h"

/* The wire format is ours, not that of an older <linux/vfio.h>. */
#define VFIO_H
#define _UAPIVFIO_H

static struct rig *rig;

static int result(long ret)
{
	if (ret >= 0)
		return (int)ret;
	errno = (int)-ret;
	return -1;
}

static int oracle_open(const char *path, int flags)
{
	unsigned id;

	if (!strcmp(path, "/dev/vfio/vfio"))
		return result(rig_open_container(rig));
	if (sscanf(path, "/dev/vfio/%u", &id) == 1)
		return result(rig_open_group(rig, id));
	return open(path, flags);
}

static int oracle_close(int fd)
{
	if (fd < RIG_FD)
		return close(fd);
	rig_close(rig, fd);
	return 0;
}

static int oracle_ioctl(int fd, unsigned long cmd, void *arg)
{
	return result(rig_ioctl(rig, fd, cmd, arg));
}

static ssize_t oracle_pread(int fd, void *buf, size_t len, off_t off)
{
	return result(rig_pread(rig, fd, buf, len, (uint64_t)off));
}

static ssize_t oracle_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return result(rig_pwrite(rig, fd, buf, len, (uint64_t)off));
}

static void *oracle_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct file_mapping map;
	uint32_t *page;

	if (fd < RIG_FD)
		return mmap(addr, len, prot, flags, fd, off);
	if (result(rig_mmap(rig, fd, (uint64_t)off, len, prot, flags, &map)))
		return MAP_FAILED;
	page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED)
		*page = (uint32_t)bar_read(map.dev, map.bar, map.offset, 4);
	return page;
}

static ssize_t oracle_readlink(const char *path, char *buf, size_t len)
{
	for (unsigned i = 0; i < rig->nr; i++) {
		if (strstr(path, rig->devices[i]->name))
			return snprintf(buf, len, "../../../kernel/iommu_groups/%u",
					rig->groups[i]->id);
	}
	errno = ENOENT;
	return -1;
}

int oracle_main(int argc, char **argv);

#undef _GNU_SOURCE /* the program defines it itself */
#define open	 oracle_open
#define close	 oracle_close
#define ioctl	 oracle_ioctl
#define pread	 oracle_pread
#define pwrite	 oracle_pwrite
#define mmap	 oracle_mmap
#define readlink oracle_readlink
#define main	 oracle_main
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wwrite-strings"
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wpedantic"
#include "../../oracle/oracle.c"
#pragma GCC diagnostic pop

int oracle_run(struct rig *with, const char *bdf)
{
	char name[] = "oracle", address[32];
	char *argv[] = { name, address, NULL };

	rig = with;
	snprintf(address, sizeof(address), "%s", bdf);
	return oracle_main(2, argv);
}
