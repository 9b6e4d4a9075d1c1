/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read(), write() and their kin: on our descriptors the file answers; on any
 * other one the only case of interest is a buffer in a BAR, which the kernel
 * finds inaccessible (EFAULT) as there is no signal to trap: then the bytes take
 * a detour through memory.
 *
 * A file of ours has a position, as the kernel's has; without lseek, ESPIPE,
 * which is what our sockets say by themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/sys.h"
#include "interpose/attr.h"
#include "interpose/bar.h"
#include "interpose/enter.h"
#include "interpose/fd.h"
#include "interpose/holder.h"
#include "interpose/internal.h"
#include "interpose/ready.h"
#include "interpose/real.h"
#include "interpose/renew.h"
#include "memory/fault.h"

#define BOUNCE_MAX  (1ul << 20)
#define IOV_LIMIT   1024 /* the kernel's */
#define AT_POSITION (-1) /* in place of an offset: the file's own position */

extern void __chk_fail(void) __attribute__((noreturn));
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t off, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t off, size_t room);

static bool mode_allows(const struct open_file *of, bool writing)
{
	return (of->oflags & O_ACCMODE) != (writing ? O_RDONLY : O_WRONLY);
}

static ssize_t file_io(struct open_file *of, void *buf, size_t len, uint64_t off, bool writing)
{
	const struct file_ops *ops = of->file->ops;

	if (!mode_allows(of, writing))
		return -EBADF;
	if (writing)
		return ops->pwrite ? ops->pwrite(of->file, engine_caller(), buf, len, off) :
				     -EINVAL;
	return ops->pread ? ops->pread(of->file, engine_caller(), buf, len, off) : -EINVAL;
}

static inline ssize_t io_inside(int fd, void *buf, size_t len, off_t off, bool positioned,
				bool writing)
{
	struct open_file *of;
	ssize_t ret;
	int err;

	if (positioned && off < 0)
		return -EINVAL;
	of = fd_get(fd, &err);
	if (!of)
		return err;
	if (holder_is(of->file) && !positioned && mode_allows(of, writing))
		ret = holder_io_here(of->file, buf, len, writing);
	else if (of->file->ops->stream)
		ret = positioned ? -ESPIPE : file_io(of, buf, len, 0, writing);
	else
		ret = file_io(of, buf, len, positioned ? (uint64_t)off : of->pos, writing);
	if (ret > 0 && !positioned)
		of->pos += (uint64_t)ret;
	ready_settle(of->file, fd);
	bar_follow_memory();
	fd_put(of);
	return ret;
}

/* One buffer to or from a file of ours. A count or a negative errno. */
static ssize_t our_io(int fd, void *buf, size_t len, off_t off, bool positioned, bool writing)
{
	ssize_t ret;

	engine_enter();
	ret = io_inside(fd, buf, len, off, positioned, writing);
	engine_leave();
	return ret;
}

/* A vector may be anywhere, a wild pointer included. */
static bool iov_fetch(struct iovec *one, const struct iovec *iov, int i)
{
	return !fault_copy(one, (const void *)((uintptr_t)iov + (size_t)i * sizeof(*iov)),
			   sizeof(*one));
}

/* As the kernel does for files without vectored operations: buffer by buffer, until one is short. */
static ssize_t our_iov(int fd, const struct iovec *iov, int nr, off_t off, bool positioned,
		       bool writing)
{
	ssize_t ret = 0, done = 0;
	struct iovec one;

	if (nr < 0 || nr > IOV_LIMIT)
		return -EINVAL;
	/* All of it is checked before anything is done. */
	for (int i = 0; i < nr; i++) {
		if (!iov_fetch(&one, iov, i))
			return -EFAULT;
		if ((ssize_t)one.iov_len < 0)
			return -EINVAL;
	}
	for (int i = 0; i < nr; i++) {
		if (!iov_fetch(&one, iov, i))
			return done ? done : -EFAULT;
		ret = our_io(fd, one.iov_base, one.iov_len, off + done, positioned, writing);
		if (ret < 0)
			return done ? done : ret;
		done += ret;
		if ((size_t)ret < one.iov_len)
			break;
	}
	return done;
}

/* The same call again with memory in place of the BAR. As libc: -1 and errno. */
static ssize_t bounce(int fd, void *buf, size_t len, off_t off, bool positioned, bool writing)
{
	size_t some = len < BOUNCE_MAX ? len : BOUNCE_MAX;
	void *memory;
	ssize_t ret;

	memory = apart_mmap(some, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(memory))
		return result(-ENOMEM);
	if (writing && bar_copy_from(memory, (uintptr_t)buf, some))
		ret = result(-EFAULT);
	else if (writing)
		ret = positioned ? pwrite(fd, memory, some, off) : write(fd, memory, some);
	else
		ret = positioned ? pread(fd, memory, some, off) : read(fd, memory, some);
	if (!writing && ret > 0 && bar_copy_to((uintptr_t)buf, memory, (size_t)ret))
		ret = result(-EFAULT);
	sys_munmap(memory, some);
	return ret;
}

/* Into ret; or false: the number has become another's. */
#define ANSWERED(fd, call) ((ret = (call)) >= 0 || renew_is_ours(fd))

static bool is_bar_fault(ssize_t ret, const void *buf, size_t len)
{
	return unlikely(ret < 0) && errno == EFAULT && bar_any() &&
	       bar_touches((uintptr_t)buf, len);
}

INTERPOSED ssize_t read(int fd, void *buf, size_t len)
{
	ssize_t ret;

	if (unlikely(fd_is_ours(fd)) && ANSWERED(fd, our_io(fd, buf, len, 0, false, false)))
		ret = result(ret);
	else
		ret = REAL(read)(fd, buf, len);
	return is_bar_fault(ret, buf, len) ? bounce(fd, buf, len, 0, false, false) : ret;
}

INTERPOSED ssize_t write(int fd, const void *buf, size_t len)
{
	ssize_t ret;

	if (unlikely(fd_is_ours(fd)) && ANSWERED(fd, our_io(fd, (void *)buf, len, 0, false, true)))
		ret = result(ret);
	else if (unlikely(attr_any()) && attr_write(fd, buf, len, &ret))
		return result(ret);
	else
		ret = REAL(write)(fd, buf, len);
	return is_bar_fault(ret, buf, len) ? bounce(fd, (void *)buf, len, 0, false, true) : ret;
}

INTERPOSED ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	ssize_t ret;

	if (unlikely(fd_is_ours(fd)) && ANSWERED(fd, our_io(fd, buf, len, off, true, false)))
		ret = result(ret);
	else
		ret = REAL(pread)(fd, buf, len, off);
	return is_bar_fault(ret, buf, len) ? bounce(fd, buf, len, off, true, false) : ret;
}

INTERPOSED ssize_t pread64(int fd, void *buf, size_t len, off64_t off)
	__attribute__((alias("pread")));

INTERPOSED ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	ssize_t ret;

	if (unlikely(fd_is_ours(fd)) && ANSWERED(fd, our_io(fd, (void *)buf, len, off, true, true)))
		ret = result(ret);
	else if (unlikely(attr_any()) && attr_write(fd, buf, len, &ret))
		return result(ret);
	else
		ret = REAL(pwrite)(fd, buf, len, off);
	return is_bar_fault(ret, buf, len) ? bounce(fd, (void *)buf, len, off, true, true) : ret;
}

INTERPOSED ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t off)
	__attribute__((alias("pwrite")));

INTERPOSED ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return read(fd, buf, len);
}

INTERPOSED ssize_t __pread_chk(int fd, void *buf, size_t len, off_t off, size_t room)
{
	if (len > room)
		__chk_fail();
	return pread(fd, buf, len, off);
}

INTERPOSED ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t off, size_t room)
	__attribute__((alias("__pread_chk")));

/* Vectors: one with a BAR in it goes buffer by buffer. */

static bool iov_is_bar_fault(ssize_t ret, const struct iovec *iov, int nr)
{
	struct iovec one;

	if (likely(ret >= 0) || errno != EFAULT || !bar_any() || nr > IOV_LIMIT)
		return false;
	for (int i = 0; i < nr && iov_fetch(&one, iov, i); i++)
		if (bar_touches((uintptr_t)one.iov_base, one.iov_len))
			return true;
	return false;
}

static ssize_t one_by_one(int fd, const struct iovec *iov, int nr, off_t off, bool writing)
{
	ssize_t ret = 0, done = 0;

	for (int i = 0; i < nr; i++) {
		struct iovec one;
		size_t len;
		void *buf;

		if (!iov_fetch(&one, iov, i)) {
			errno = EFAULT;
			return done ? done : -1;
		}
		buf = one.iov_base;
		len = one.iov_len;
		if (off == AT_POSITION)
			ret = writing ? write(fd, buf, len) : read(fd, buf, len);
		else
			ret = writing ? pwrite(fd, buf, len, off + done) :
					pread(fd, buf, len, off + done);
		if (ret < 0)
			return done ? done : ret;
		done += ret;
		if ((size_t)ret < len)
			break;
	}
	return done;
}

INTERPOSED ssize_t readv(int fd, const struct iovec *iov, int nr)
{
	ssize_t ret;

	if (unlikely(fd_is_ours(fd)) && ANSWERED(fd, our_iov(fd, iov, nr, 0, false, false)))
		ret = result(ret);
	else
		ret = REAL(readv)(fd, iov, nr);
	return iov_is_bar_fault(ret, iov, nr) ? one_by_one(fd, iov, nr, AT_POSITION, false) : ret;
}

INTERPOSED ssize_t writev(int fd, const struct iovec *iov, int nr)
{
	struct iovec first;
	ssize_t ret;

	if (unlikely(fd_is_ours(fd)) && ANSWERED(fd, our_iov(fd, iov, nr, 0, false, true)))
		ret = result(ret);
	else if (unlikely(attr_any()) && nr > 0 && iov_fetch(&first, iov, 0) &&
		 attr_write(fd, first.iov_base, first.iov_len, &ret))
		return result(ret); /* a short write: the next one brings the rest */
	else
		ret = REAL(writev)(fd, iov, nr);
	return iov_is_bar_fault(ret, iov, nr) ? one_by_one(fd, iov, nr, AT_POSITION, true) : ret;
}

INTERPOSED ssize_t preadv(int fd, const struct iovec *iov, int nr, off_t off)
{
	ssize_t ret;

	if (unlikely(fd_is_ours(fd)) && ANSWERED(fd, our_iov(fd, iov, nr, off, true, false)))
		ret = result(ret);
	else
		ret = REAL(preadv)(fd, iov, nr, off);
	return iov_is_bar_fault(ret, iov, nr) ? one_by_one(fd, iov, nr, off, false) : ret;
}

INTERPOSED ssize_t preadv64(int fd, const struct iovec *iov, int nr, off64_t off)
	__attribute__((alias("preadv")));

INTERPOSED ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t off)
{
	ssize_t ret;

	if (unlikely(fd_is_ours(fd)) && ANSWERED(fd, our_iov(fd, iov, nr, off, true, true)))
		ret = result(ret);
	else
		ret = REAL(pwritev)(fd, iov, nr, off);
	return iov_is_bar_fault(ret, iov, nr) ? one_by_one(fd, iov, nr, off, true) : ret;
}

INTERPOSED ssize_t pwritev64(int fd, const struct iovec *iov, int nr, off64_t off)
	__attribute__((alias("pwritev")));
