/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A descriptor table without a process, for tests that call the operations of
 * /dev/iommu's files directly. Numbers start at TABLE_FD, beyond this process's own.
 */
#ifndef TEST_IOMMUFD_TABLE_H
#define TEST_IOMMUFD_TABLE_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>

#include "base/file.h"

#define TABLE_FD    100000
#define TABLE_FILES 16

struct table {
	struct file_caller caller; /* first: callbacks get a pointer to it */
	struct file *files[TABLE_FILES];
};

static inline int table_install(struct file_caller *caller, struct file *file, int oflags)
{
	struct table *table = (struct table *)caller;

	for (int i = 0; i < TABLE_FILES; i++) {
		if (!table->files[i]) {
			table->files[i] = file;
			return TABLE_FD + i;
		}
	}
	return -EMFILE;
}

static inline struct file *table_file(struct table *table, int fd)
{
	return fd >= TABLE_FD && fd < TABLE_FD + TABLE_FILES ? table->files[fd - TABLE_FD] : NULL;
}

static inline struct file *table_lookup(struct file_caller *caller, int fd, int *err)
{
	struct file *file = table_file((struct table *)caller, fd);

	if (file)
		return file_get(file);
	*err = fcntl(fd, F_GETFD) < 0 ? -EBADF : -EBADFD;
	return NULL;
}

static inline void table_init(struct table *table, struct rf_owner *owner)
{
	static const struct file_caller_ops ops = {
		.install = table_install,
		.lookup = table_lookup,
	};

	*table = (struct table){ .caller = { .owner = owner, .ops = &ops } };
}

static inline void table_close(struct table *table, int fd)
{
	struct file *file = table_file(table, fd);

	if (file) {
		table->files[fd - TABLE_FD] = NULL;
		file_put(file);
	}
}

static inline void table_close_all(struct table *table)
{
	for (int fd = TABLE_FD; fd < TABLE_FD + TABLE_FILES; fd++)
		table_close(table, fd);
}

static inline int table_ioctl(struct table *table, int fd, unsigned long cmd, const void *arg)
{
	struct file *file = table_file(table, fd);

	return file ? (int)file->ops->ioctl(file, &table->caller, cmd, (unsigned long)arg) : -EBADF;
}

#endif
