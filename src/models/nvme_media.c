/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Media: the bytes of all namespaces, in one mapping. Device DMA copies
 * straight between it and the driver's memory.
 *
 * Memory media are private anonymous pages, reserved but not committed, so a
 * terabyte costs what is written to it. File media are a shared mapping of
 * the file; a store to it that the file system cannot take (truncated under
 * us, disk full) faults, and the engine's DMA copies turn that into an error.
 * Nothing else here may touch file media through the mapping: that goes by
 * system calls, which fail instead of faulting.
 *
 * The calls are bare: this code runs inside the signal handler of a program
 * whose libc names may be wrapped, and leaves that program's errno alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

static int media_map(struct nvme_media *media, int flags)
{
	/* not media_call(): an address may look negative */
	void *base = (void *)syscall(SYS_mmap, NULL, media->size, PROT_READ | PROT_WRITE, flags,
				     media->fd, 0L);

	if (base == MAP_FAILED)
		return -errno;
	media->base = base;
	return 0;
}

static int media_open_memory(struct nvme_media *media, struct rf_device *dev)
{
	int ret = media_map(media, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);

	if (ret)
		rf_device_error(dev, "size %llu: %s", (unsigned long long)media->size,
				strerror(-ret));
	return ret;
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
static int media_size_file(struct nvme_media *media, struct rf_device *dev, const char *path,
			   uint64_t unit)
{
	struct stat st;

	if (fstat(media->fd, &st)) {
		int ret = -errno;

		rf_device_error(dev, "file %s: %s", path, strerror(errno));
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
	int ret;

	media->fd = media_open_fd(dev, path, media->size != 0, &created);
	if (media->fd < 0)
		return media->fd;

	if (created) {
		ret = media_call(SYS_ftruncate, media->fd, media->size);
		if (ret) {
			rf_device_error(dev, "file %s: size %llu: %s", path,
					(unsigned long long)media->size, strerror(-ret));
			goto fail;
		}
	}
	ret = media_size_file(media, dev, path, unit);
	if (ret)
		goto fail;
	ret = media_map(media, MAP_SHARED);
	if (ret) {
		rf_device_error(dev, "file %s: cannot be mapped: %s", path, strerror(-ret));
		goto fail;
	}
	return 0;

fail:
	media_call(SYS_close, media->fd);
	if (created)
		media_call(SYS_unlinkat, AT_FDCWD, path, 0);
	return ret;
}

/* @unit: the size is a multiple of this. */
int nvme_media_open(struct nvme_media *media, struct rf_device *dev, uint64_t unit)
{
	const char *path = rf_prop_string(dev, "file");

	media->fd = -1;
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
	media_call(SYS_munmap, media->base, media->size);
	if (media->fd >= 0)
		media_call(SYS_close, media->fd);
	media->base = NULL;
	media->fd = -1;
}

int nvme_media_check(const struct nvme_media *media, uint64_t off, uint64_t len, bool write)
{
	struct stat st;
	int saved = errno;
	int ret = 0;

	if (media->fd < 0)
		return 0;
	if (fstat(media->fd, &st))
		ret = -errno;
	errno = saved;
	if (!ret && (uint64_t)st.st_size < off + len)
		ret = -ENXIO;
	if (!ret && write) {
		ret = media_call(SYS_fallocate, media->fd, FALLOC_FL_KEEP_SIZE, off, len);
		if (ret == -EOPNOTSUPP || ret == -EINTR)
			ret = 0;
	}
	return ret;
}

int nvme_media_read(const struct nvme_media *media, uint64_t off, void *buf, size_t len)
{
	uint8_t *to = buf;

	if (media->fd < 0) {
		memcpy(buf, media->base + off, len);
		return 0;
	}
	while (len) {
		ssize_t got = media_call(SYS_pread64, media->fd, to, len, off);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got ? got : -ENXIO;
		to += got;
		off += got;
		len -= got;
	}
	return 0;
}

static int media_zero_memory(const struct nvme_media *media, uint64_t off, uint64_t len)
{
	uint64_t first = (off + MEDIA_PAGE - 1) & ~(MEDIA_PAGE - 1);
	uint64_t end = (off + len) & ~(MEDIA_PAGE - 1);

	if (len < MEDIA_PUNCH_MIN ||
	    media_call(SYS_madvise, media->base + first, end - first, MADV_DONTNEED)) {
		memset(media->base + off, 0, len);
		return 0;
	}
	memset(media->base + off, 0, first - off);
	memset(media->base + end, 0, off + len - end);
	return 0;
}

static int media_zero_file(const struct nvme_media *media, uint64_t off, uint64_t len)
{
	static const uint8_t zeroes[MEDIA_PUNCH_MIN];

	while (len) {
		uint64_t piece = len < sizeof(zeroes) ? len : sizeof(zeroes);
		ssize_t put = media_call(SYS_pwrite64, media->fd, zeroes, piece, off);

		if (put == -EINTR)
			continue;
		if (put <= 0)
			return put ? put : -EIO;
		off += put;
		len -= put;
	}
	return 0;
}

int nvme_media_zero(const struct nvme_media *media, uint64_t off, uint64_t len)
{
	int ret;

	if (!len)
		return 0;
	if (media->fd < 0)
		return media_zero_memory(media, off, len);
	/* a write beyond the end of a truncated file would make it grow again */
	ret = nvme_media_check(media, off, len, false);
	if (ret)
		return ret;
	if (len >= MEDIA_PUNCH_MIN &&
	    !media_call(SYS_fallocate, media->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
			len))
		return 0;
	return media_zero_file(media, off, len);
}

int nvme_media_sync(const struct nvme_media *media)
{
	return media->fd < 0 ? 0 : media_call(SYS_fdatasync, media->fd);
}
