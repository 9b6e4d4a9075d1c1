/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Media: the bytes of all namespaces, in one mapping. Device DMA copies
 * straight between it and the driver's memory.
 *
 * Memory media are the device's scratch memory, which all programs of a session
 * share; reserved but not committed, so a terabyte costs what is written to it.
 * File media are a shared mapping of the file, and nothing else: no descriptor is
 * kept, for a program may close any number it likes. A store that the file system cannot take (truncated
 * under us, disk full) faults. The engine's DMA copies turn that into an
 * error; what else touches file media here asks the kernel to do the copy
 * (process_vm_readv and writev of ourselves), which fails instead of faulting.
 *
 * The calls are bare: this code runs inside the signal handler of a program
 * whose libc names may be wrapped, and leaves that program's errno alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "models/nvme.h"

#define MEDIA_DEFAULT_SIZE (1ull << 30)
#define MEDIA_PAGE	   4096ull

/* Below this, writing zeroes is cheaper than giving pages back. */
#define MEDIA_PUNCH_MIN (64ull << 10)

/* A system call, answering with its result or a negative errno. */
#define media_call(...)                           \
	({                                        \
		int saved_ = errno;               \
		long ret_ = syscall(__VA_ARGS__); \
                                                  \
		if (ret_ < 0) {                   \
			ret_ = -errno;            \
			errno = saved_;           \
		}                                 \
		ret_;                             \
	})

static int media_map(struct nvme_media *media, int fd, int flags)
{
	/* not media_call(): an address may look negative */
	void *base =
		(void *)syscall(SYS_mmap, NULL, media->size, PROT_READ | PROT_WRITE, flags, fd, 0L);

	if (base == MAP_FAILED)
		return -errno;
	media->base = base;
	return 0;
}

static int media_open_memory(struct nvme_media *media, struct rf_device *dev)
{
	void *mem;
	int ret = rf_device_scratch(dev, media->size, &mem);

	if (ret) {
		rf_device_error(dev, "size %llu: %s", (unsigned long long)media->size,
				strerror(-ret));
		return ret;
	}
	media->base = mem;
	return 0;
}

/* Open or create the file; *created says which. A descriptor or a negative errno. */
static int media_open_fd(struct rf_device *dev, const char *path, bool sized, bool *created)
{
	int fd = media_call(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);

	*created = false;
	if (fd == -ENOENT && sized) {
		fd = media_call(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL,
				0644);
		*created = fd >= 0;
		/* another process of the session was faster */
		if (fd == -EEXIST)
			fd = media_call(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	}
	if (fd == -ENOENT && !sized)
		rf_device_error(dev, "file %s: %s (with size=N it is created)", path,
				strerror(ENOENT));
	else if (fd < 0)
		rf_device_error(dev, "file %s: %s", path, strerror(-fd));
	return fd;
}

/* Settle the size from what was asked and what the file has. */
static int media_size_file(struct nvme_media *media, int fd, struct rf_device *dev,
			   const char *path, uint64_t unit)
{
	struct stat st;
	int ret;

	ret = media_call(SYS_fstat, fd, &st);
	if (ret) {
		rf_device_error(dev, "file %s: %s", path, strerror(-ret));
		return ret;
	}
	if (!S_ISREG(st.st_mode)) {
		rf_device_error(dev, "file %s: not a regular file", path);
		return -EINVAL;
	}
	if (media->size && (uint64_t)st.st_size < media->size) {
		rf_device_error(dev, "file %s: media file too small: %lld bytes, size=%llu asked",
				path, (long long)st.st_size, (unsigned long long)media->size);
		return -EINVAL;
	}
	if (media->size)
		return 0;
	if (!st.st_size) {
		rf_device_error(dev, "file %s: media file too small: 0 bytes", path);
		return -EINVAL;
	}
	if (st.st_size % unit) {
		rf_device_error(dev, "file %s: %lld bytes, not a multiple of %llu", path,
				(long long)st.st_size, (unsigned long long)unit);
		return -EINVAL;
	}
	media->size = st.st_size;
	return 0;
}

static int media_open_file(struct nvme_media *media, struct rf_device *dev, const char *path,
			   uint64_t unit)
{
	bool created;
	int ret = 0, fd = media_open_fd(dev, path, media->size != 0, &created);

	if (fd < 0)
		return fd;
	if (created) {
		ret = media_call(SYS_ftruncate, fd, media->size);
		if (ret)
			rf_device_error(dev, "file %s: size %llu: %s", path,
					(unsigned long long)media->size, strerror(-ret));
	}
	if (!ret)
		ret = media_size_file(media, fd, dev, path, unit);
	if (!ret) {
		ret = media_map(media, fd, MAP_SHARED);
		if (ret)
			rf_device_error(dev, "file %s: cannot be mapped: %s", path, strerror(-ret));
	}
	if (ret && created)
		media_call(SYS_unlinkat, AT_FDCWD, path, 0);
	media_call(SYS_close, fd);
	return ret;
}

/* @unit: the size is a multiple of this. */
int nvme_media_open(struct nvme_media *media, struct rf_device *dev, uint64_t unit)
{
	const char *path = rf_prop_string(dev, "file");

	media->file = path != NULL;
	media->size = rf_prop_uint(dev, "size");
	if (rf_prop_isset(dev, "size") && (!media->size || media->size % unit)) {
		rf_device_error(dev, "size: %llu bytes, not a multiple of %llu",
				(unsigned long long)media->size, (unsigned long long)unit);
		return -EINVAL;
	}
	if (media->size > INT64_MAX) {
		rf_device_error(dev, "size %llu: %s", (unsigned long long)media->size,
				strerror(EFBIG));
		return -EFBIG;
	}
	if (path)
		return media_open_file(media, dev, path, unit);
	if (!media->size)
		media->size = MEDIA_DEFAULT_SIZE / unit * unit;
	return media_open_memory(media, dev);
}

void nvme_media_close(struct nvme_media *media)
{
	if (media->file)
		media_call(SYS_munmap, media->base, media->size);
	media->base = NULL;
}

/*
 * Copy between @buf and file media without faulting: 0, or -EFAULT where the
 * file has no such bytes or cannot store them.
 */
static int media_copy(const struct nvme_media *media, uint64_t off, void *buf, size_t len,
		      bool write)
{
	uint8_t *at = buf;

	while (len) {
		struct iovec local = { at, len };
		struct iovec remote = { media->base + off, len };
		long pid = syscall(SYS_getpid); /* a child of fork has its own */
		long got = media_call(write ? SYS_process_vm_writev : SYS_process_vm_readv, pid,
				      &local, 1, &remote, 1, 0);

		if (got <= 0)
			return got ? got : -EFAULT;
		at += got;
		off += got;
		len -= got;
	}
	return 0;
}

int nvme_media_check(const struct nvme_media *media, uint64_t off, uint64_t len, bool write)
{
	uint64_t last = off + len - 1;
	uint8_t byte;
	int ret = 0;

	if (!media->file)
		return 0;
	/* a byte of each page is enough; stored back, it makes room for a store */
	for (; !ret; off = (off | (MEDIA_PAGE - 1)) + 1) {
		if (off > last)
			break;
		ret = media_copy(media, off, &byte, 1, false);
		if (!ret && write)
			ret = media_copy(media, off, &byte, 1, true);
	}
	return ret;
}

int nvme_media_read(const struct nvme_media *media, uint64_t off, void *buf, size_t len)
{
	if (media->file)
		return media_copy(media, off, buf, len, false);
	memcpy(buf, media->base + off, len);
	return 0;
}

/* Zeroes, stored. */
static int media_fill(const struct nvme_media *media, uint64_t off, uint64_t len)
{
	static uint8_t zeroes[MEDIA_PUNCH_MIN];
	int ret = 0;

	if (!media->file) {
		memset(media->base + off, 0, len);
		return 0;
	}
	while (len && !ret) {
		uint64_t piece = len < sizeof(zeroes) ? len : sizeof(zeroes);

		ret = media_copy(media, off, zeroes, piece, true);
		off += piece;
		len -= piece;
	}
	return ret;
}

int nvme_media_zero(const struct nvme_media *media, uint64_t off, uint64_t len)
{
	uint64_t first = (off + MEDIA_PAGE - 1) & ~(MEDIA_PAGE - 1);
	uint64_t end = (off + len) & ~(MEDIA_PAGE - 1);
	int ret;

	if (len < MEDIA_PUNCH_MIN)
		return media_fill(media, off, len);
	/* a hole beyond the end of a truncated file would be no error */
	ret = nvme_media_check(media, off + len - 1, 1, false);
	if (ret)
		return ret;
	if (media_call(SYS_madvise, media->base + first, end - first, MADV_REMOVE))
		return media_fill(media, off, len);
	ret = media_fill(media, off, first - off);
	return ret ? ret : media_fill(media, end, off + len - end);
}

int nvme_media_sync(const struct nvme_media *media)
{
	return media->file ? media_call(SYS_msync, media->base, media->size, MS_SYNC) : 0;
}
