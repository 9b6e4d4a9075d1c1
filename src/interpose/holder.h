/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of another process that this one holds a descriptor of: inherited by fork
 * or exec, or received. See holder.c.
 */
#ifndef RF_INTERPOSE_HOLDER_H
#define RF_INTERPOSE_HOLDER_H

#include <ringfence/device.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

/*
 * The file behind @fd, if it is one of another process of the session: 0, with
 * *inode of its descriptors and *oflags of its open; -EBADF when it is not; -ENOMEM,
 * -EMFILE.
 */
int holder_new(int fd, struct file **file, ino_t *inode, int *oflags);

/* Whether a file is of this kind. */
bool holder_is(const struct file *file);

/* Whether the file behind it has a poll operation. */
bool holder_polls(const struct file *file);

/* What is common to all descriptors of the file of a holder. */
ino_t holder_inode(const struct file *file);

/* read() and write(), at the position that all holders share. */
ssize_t holder_io_here(struct file *file, void *buf, size_t len, bool writing);

/*
 * Map: *memfd, the caller's to close, is the BAR's memory, and *bar and *offset say
 * what of it. 0 or a negative errno.
 */
int holder_mmap(struct file *file, uint64_t off, uint64_t len, int prot, int flags, int *memfd,
		unsigned *bar, uint64_t *offset);
enum rf_area_kind holder_page_kind(const struct file *file, unsigned bar, uint64_t off);
/* In a child: what the parent knew of a BAR that it had mapped. */
void holder_areas(const struct file *file, unsigned bar, struct rf_bar_area *areas);
void holder_set_areas(struct file *file, unsigned bar, const struct rf_bar_area *areas);

/*
 * Loads and stores. 0; -EIO while the device's memory is disabled. Ones and nothing when
 * nobody answers any more: -ENODEV.
 */
int holder_load(struct file *file, unsigned bar, uint64_t off, void *buf, unsigned size);
int holder_store(struct file *file, unsigned bar, uint64_t off, const void *buf, unsigned size);

#endif
