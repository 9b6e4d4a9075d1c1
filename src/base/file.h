/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open files: what stands behind a descriptor of /dev/vfio and /dev/iommu.
 *
 * The API modules (vfio, iommufd) make struct file and answer its operations;
 * who calls them (the interposer, a test, an embedder) owns the descriptor
 * numbers and gives every call a struct file_caller: whose memory user
 * pointers are in, and whose descriptor table numbers are from.
 *
 * Lifetime: counted. release runs when the last reference goes: the
 * descriptor's, or one that another file keeps (a group keeps its container).
 */
#ifndef RF_BASE_FILE_H
#define RF_BASE_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rf_owner;
struct rf_device;
struct file;
struct iommufd_link_ops;

/**
 * struct file_caller - on whose behalf an operation runs
 * @owner: the caller's memory; user pointers are read through it
 * @ops: its descriptor table
 */
struct file_caller {
	struct rf_owner *owner;
	const struct file_caller_ops *ops;
};

/**
 * struct file_caller_ops - the descriptor table of a caller
 * @install: give @file a descriptor (O_CLOEXEC and access mode in @oflags);
 *	consumes one reference when it succeeds; the number, or a negative errno
 * @lookup: the file behind a descriptor, with a new reference; or NULL with
 *	*@err -EBADF (no such descriptor) or -EBADFD (it is no file of ours)
 * @borrow: the number that a descriptor of the caller has in this process, until
 *	the operation returns; one that is not open when it is none of the
 *	caller's. NULL: the caller is this process
 */
struct file_caller_ops {
	int (*install)(struct file_caller *caller, struct file *file, int oflags);
	struct file *(*lookup)(struct file_caller *caller, int fd, int *err);
	int (*borrow)(struct file_caller *caller, int fd);
};

/* A descriptor number from the caller, as system calls made here understand it. */
static inline int caller_fd(struct file_caller *caller, int fd)
{
	return fd >= 0 && caller->ops->borrow ? caller->ops->borrow(caller, fd) : fd;
}

/**
 * struct file_mapping - what mmap of a file stands for
 * @dev: the device
 * @bar: BAR index
 * @offset: first byte in the BAR; a multiple of 4096
 * @length: bytes
 */
struct file_mapping {
	struct rf_device *dev;
	unsigned bar;
	uint64_t offset;
	uint64_t length;
};

/**
 * struct file_ops - what a file does
 * @ioctl: @arg as the caller passed it (a pointer in its memory, or a number);
 *	a result >= 0 or a negative errno
 * @pread: @buf in the caller's memory; bytes read or a negative errno
 * @pwrite: likewise
 * @mmap: check and describe a mapping; prot and flags are mmap's own; 0 or a
 *	negative errno. The caller makes it
 * @poll: what the file is ready for just now, POLLIN and POLLOUT; it must not
 *	wait. See @wake in struct file
 * @release: the last reference is gone; frees the file
 * @stream: read and write have no offset: pread and pwrite of the descriptor are
 *	-ESPIPE, and the operations get 0
 * @iommufd: the file is an iommufd, and this is what it does for vfio
 *
 * A NULL operation: ioctl -ENOTTY, pread and pwrite -EINVAL, mmap -ENODEV, poll
 * always ready.
 */
struct file_ops {
	long (*ioctl)(struct file *file, struct file_caller *caller, unsigned long cmd,
		      unsigned long arg);
	ssize_t (*pread)(struct file *file, struct file_caller *caller, void *buf, size_t len,
			 uint64_t off);
	ssize_t (*pwrite)(struct file *file, struct file_caller *caller, const void *buf,
			  size_t len, uint64_t off);
	int (*mmap)(struct file *file, uint64_t off, uint64_t len, int prot, int flags,
		    struct file_mapping *out);
	short (*poll)(struct file *file);
	void (*release)(struct file *file);
	bool stream;
	const struct iommufd_link_ops *iommufd;
};

/**
 * struct file - an open file; embedded first in the module's own structure
 * @path: as /proc/self/fd/N shows it: "/dev/vfio/vfio", "/dev/vfio/7",
 *	"anon_inode:[vfio-device]"; lives as long as the file
 * @gone: called once the file has been released, with @gone_arg: for what ends
 *	with the file but is no business of its module (a lock between
 *	processes); NULL: nothing
 * @wake: set, with @wake_arg, by whoever gave it a descriptor, before install
 *	returns, and left alone from then on: called, from any thread and
 *	possibly with locks of the module held, when poll would say more than it
 *	did. It may call poll, nothing else of the file. NULL: nobody waits
 */
struct file {
	const struct file_ops *ops;
	atomic_uint refs;
	const char *path;
	void (*gone)(void *arg);
	void *gone_arg;
	void (*wake)(void *arg);
	void *wake_arg;
};

static inline void file_init(struct file *file, const struct file_ops *ops, const char *path)
{
	file->ops = ops;
	file->path = path;
	file->gone = NULL;
	file->gone_arg = NULL;
	file->wake = NULL;
	file->wake_arg = NULL;
	atomic_init(&file->refs, 1);
}

/* A reference, unless the last one is gone and release under way. */
static inline bool file_try_get(struct file *file)
{
	unsigned refs = atomic_load(&file->refs);

	while (refs && !atomic_compare_exchange_weak(&file->refs, &refs, refs + 1))
		;
	return refs != 0;
}

static inline struct file *file_get(struct file *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
	return file;
}

static inline void file_put(struct file *file)
{
	if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) == 1) {
		void (*gone)(void *arg) = file->gone;
		void *arg = file->gone_arg;

		file->ops->release(file);
		if (gone)
			gone(arg);
	}
}

#endif
