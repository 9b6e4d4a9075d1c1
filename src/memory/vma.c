/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking the memory map; see vma.h. The structure and numbers of the ioctl are
 * ours, from the facts of the ABI: the headers of Debian 12 are older than it.
 */
#include "memory/vma.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

struct map_query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start;
	uint64_t vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t vma_name_size;
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};
static_assert(sizeof(struct map_query) == 104, "the ABI's size");

#define MAP_QUERY	   _IOWR('f', 17, struct map_query)
#define MAP_QUERY_READABLE 0x01
#define MAP_QUERY_WRITABLE 0x02
#define MAP_QUERY_SHARED   0x08
#define MAP_QUERY_OR_NEXT  0x10

static void walk_init(struct vma_walk *walk, int fd)
{
	walk->fd = fd;
	walk->reads = false;
	walk->pos = 0;
	walk->len = 0;
	walk->seen = (struct vma){ .first = 0, .last = 0 };
}

int vma_walk_begin(struct vma_walk *walk)
{
	walk_init(walk, sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0));
	return walk->fd < 0 ? walk->fd : 0;
}

void vma_walk_begin_fd(struct vma_walk *walk, int fd)
{
	walk_init(walk, fd);
	syscall(SYS_lseek, fd, 0L, SEEK_SET);
}

void vma_walk_end(struct vma_walk *walk)
{
	sys_close(walk->fd);
}

/* The next character of the text, or -1 at its end. */
static int walk_getc(struct vma_walk *walk)
{
	if (walk->pos == walk->len) {
		ssize_t got = sys_read(walk->fd, walk->buf, sizeof(walk->buf));

		if (got <= 0)
			return -1;
		walk->len = (unsigned)got;
		walk->pos = 0;
	}
	return (unsigned char)walk->buf[walk->pos++];
}

/* A hexadecimal number; *@end is the character behind it. */
static uintptr_t walk_hex(struct vma_walk *walk, int *end)
{
	uintptr_t value = 0;

	for (;;) {
		int c = walk_getc(walk);

		if (c >= '0' && c <= '9') {
			value = value << 4 | (uintptr_t)(c - '0');
		} else if (c >= 'a' && c <= 'f') {
			value = value << 4 | (uintptr_t)(c - 'a' + 10);
		} else {
			*end = c;
			return value;
		}
	}
}

/* The same in decimal; the space behind it is read, too. */
static uint64_t walk_decimal(struct vma_walk *walk, int *end)
{
	uint64_t value = 0;
	int c;

	while ((c = walk_getc(walk)) >= '0' && c <= '9')
		value = value * 10 + (uint64_t)(c - '0');
	*end = c;
	return value;
}

/* Reads one line, "7f00-7f01 rw-p 1000 08:01 123 /a/name", into walk->seen. */
static int walk_line(struct vma_walk *walk)
{
	uint64_t major;
	int c;

	walk->seen.first = walk_hex(walk, &c);
	if (c != '-')
		return -ENOENT;
	walk->seen.last = walk_hex(walk, &c) - 1;
	walk->seen.readable = walk_getc(walk) == 'r';
	walk->seen.writable = walk_getc(walk) == 'w';
	walk_getc(walk);
	walk->seen.shared = walk_getc(walk) == 's';
	walk_getc(walk);
	walk->seen.offset = walk_hex(walk, &c);
	major = walk_hex(walk, &c);
	walk->seen.device = major << 32 | walk_hex(walk, &c);
	walk->seen.inode = walk_decimal(walk, &c);
	while (c != '\n' && c != -1)
		c = walk_getc(walk);
	return 0;
}

int vma_walk_find(struct vma_walk *walk, uintptr_t addr, struct vma *out)
{
	if (!walk->reads) {
		struct map_query query = {
			.size = sizeof(query),
			.query_flags = MAP_QUERY_OR_NEXT,
			.query_addr = addr,
		};
		int ret = sys_ioctl(walk->fd, MAP_QUERY, &query);

		if (!ret) {
			out->first = query.vma_start;
			out->last = query.vma_end - 1;
			out->readable = query.vma_flags & MAP_QUERY_READABLE;
			out->writable = query.vma_flags & MAP_QUERY_WRITABLE;
			out->shared = query.vma_flags & MAP_QUERY_SHARED;
			out->offset = query.vma_offset;
			out->inode = query.inode;
			out->device = (uint64_t)query.dev_major << 32 | query.dev_minor;
			return 0;
		}
		if (ret == -ENOENT)
			return ret;
		walk->reads = true;
	}
	while (!walk->seen.last || walk->seen.last < addr) {
		int ret = walk_line(walk);

		if (ret)
			return ret;
	}
	*out = walk->seen;
	return 0;
}
