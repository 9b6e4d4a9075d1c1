/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same address of the same owner is the same memory. So is the same place of
 * the same file in two shared mappings: a program may have several, and where it
 * lets one go, devices keep a view of their own. That is looked up in the
 * process's memory map, which a test may take the time for.
 */
#include "iommufd/same_page.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"

/**
 * struct origin - what is mapped at an address
 * @left: bytes from the address to the end of its mapping
 */
struct origin {
	bool shared;
	uint64_t offset;
	uint64_t inode;
	unsigned major, minor;
	uint64_t left;
};

/* A line of the memory map that holds @addr. */
static bool origin_parse(const char *line, uintptr_t addr, struct origin *out)
{
	uint64_t first, end;
	char rights[8];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64, &first, &end,
		   rights, &out->offset, &out->major, &out->minor, &out->inode) != 7 ||
	    addr < first || addr >= end)
		return false;
	out->shared = rights[3] == 's';
	out->offset += addr - first;
	out->left = end - addr;
	return true;
}

static bool origin_find(uintptr_t addr, struct origin *out)
{
	char buf[8192];
	size_t len = 0;
	bool found = false;
	ssize_t got;
	int fd;

	fd = sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	while (!found && (got = sys_read(fd, buf + len, sizeof(buf) - 1 - len)) > 0) {
		char *line = buf, *end;

		len += (size_t)got;
		buf[len] = '\0';
		for (; !found && (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			found = origin_parse(line, addr, out);
		}
		len -= (size_t)(line - buf);
		memmove(buf, line, len);
	}
	sys_close(fd);
	return found;
}

bool same_memory(struct rf_owner *a, uintptr_t addr_a, struct rf_owner *b, uintptr_t addr_b,
		 uint64_t length)
{
	struct origin x, y;

	if (a != b || addr_a == addr_b)
		return a == b;
	while (length) {
		uint64_t n;

		if (!origin_find(addr_a, &x) || !origin_find(addr_b, &y))
			return false;
		if (!x.shared || !y.shared || x.inode != y.inode || x.major != y.major ||
		    x.minor != y.minor || x.offset != y.offset)
			return false;
		n = x.left < y.left ? x.left : y.left;
		if (n >= length)
			break;
		length -= n;
		addr_a += n;
		addr_b += n;
	}
	return true;
}
