/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This process's memory map, looked up a mapping at a time.
 *
 * Linux 6.11 and newer answer an ioctl on /proc/self/maps; before, the file is
 * read. It is opened for each walk: a descriptor kept open could be closed
 * and its number reused by the program, and after fork it would show the parent.
 * Bare system calls only.
 */
#ifndef RF_MEMORY_VMA_H
#define RF_MEMORY_VMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct vma - a mapping
 * @offset: of its first byte in what is mapped
 * @inode: what is mapped, with @device: two shared mappings of the same are the same
 *	memory where offsets meet. 0: nothing that has a name
 * @device: numbers of what @inode is one of
 */
struct vma {
	uintptr_t first;
	uintptr_t last;
	bool readable;
	bool writable;
	bool shared;
	uint64_t offset;
	uint64_t inode;
	uint64_t device;
};

/**
 * struct vma_walk - a walk in ascending order
 * @fd: /proc/self/maps
 * @reads: the ioctl is missing: the text is read
 * @pos: next byte in @buf
 * @len: bytes in @buf
 * @seen: the mapping read last
 */
struct vma_walk {
	int fd;
	bool reads;
	unsigned pos;
	unsigned len;
	struct vma seen;
	char buf[2048];
};

/* 0, or the negative errno of opening the file. */
int vma_walk_begin(struct vma_walk *walk);
void vma_walk_end(struct vma_walk *walk);
/* The same over an open map, of whatever process, which stays open: no vma_walk_end(). */
void vma_walk_begin_fd(struct vma_walk *walk, int fd);
/*
 * The mapping that holds @addr, or the first above it: 0, or -ENOENT for none.
 * @addr never goes down from call to call.
 */
int vma_walk_find(struct vma_walk *walk, uintptr_t addr, struct vma *out);

#endif
