/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scratch memory: what a device stores, as opposed to how it is doing.
 *
 * A model runs once in every process that opens a device; its state is that
 * process's, but what was stored on a disk must be there for the next one. So it
 * lies in a memory file. In a session the file is the command's, who keeps it
 * for as long as the session is (scratch_find()); elsewhere it is our own.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/hidden.h"
#include "base/sys.h"
#include "bus/internal.h"

int (*scratch_find)(const struct rf_device *dev);

static int scratch_make(uint64_t size)
{
	int fd = (int)syscall(SYS_memfd_create, SCRATCH_NAME, MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (syscall(SYS_ftruncate, fd, size)) {
		sys_close(fd);
		return -EFBIG;
	}
	return fd;
}

/* The session's, if it has one of that size. */
static int scratch_shared(const struct rf_device *dev, uint64_t size)
{
	int fd = scratch_find ? scratch_find(dev) : -ENOENT;
	struct stat st;

	if (fd >= 0 && (syscall(SYS_fstat, fd, &st) || (uint64_t)st.st_size != size)) {
		sys_close(fd);
		fd = -ESTALE;
	}
	return fd;
}

int rf_device_scratch(struct rf_device *dev, uint64_t size, void **mem)
{
	struct scratch *scratch = &dev->scratch;
	int shared, made = -1, saved = errno;
	void *p;

	if (!size || size > INT64_MAX)
		return size ? -EFBIG : -EINVAL;
	if (scratch->mem)
		return -EBUSY;
	shared = scratch_shared(dev, size);
	if (shared < 0)
		made = scratch_make(size);
	errno = saved;
	if (shared < 0 && made < 0)
		return made;
	p = apart_mmap(size, PROT_READ | PROT_WRITE, MAP_SHARED, shared < 0 ? made : shared, 0);
	if (shared >= 0)
		sys_close(shared);
	if (sys_failed(p)) {
		if (made >= 0)
			sys_close(made);
		return sys_error(p);
	}
	/* Where the system allows it, two mebibytes at a time. */
	syscall(SYS_madvise, p, size, MADV_HUGEPAGE);
	errno = saved;
	*scratch = (struct scratch){ .mem = p, .size = size, .file = HIDDEN_NONE };
	if (made >= 0)
		hidden_keep(&scratch->file, made);
	*mem = p;
	return 0;
}

int scratch_fd(const struct rf_device *dev)
{
	int fd = dev->scratch.mem ? hidden_number(&dev->scratch.file) : -1;

	return fd < 0 ? -ENOENT : fd;
}

void scratch_free(struct rf_device *dev)
{
	if (!dev->scratch.mem)
		return;
	sys_munmap(dev->scratch.mem, dev->scratch.size);
	hidden_close(&dev->scratch.file);
}
