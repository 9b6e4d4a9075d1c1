/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls that give, copy, pass and close descriptors, and ioctl(). What is
 * not ours goes on to libc after a look at one byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interpose/attr.h"
#include "interpose/bar.h"
#include "interpose/enter.h"
#include "interpose/fd.h"
#include "interpose/fork.h"
#include "interpose/internal.h"
#include "interpose/ready.h"
#include "interpose/real.h"
#include "interpose/renew.h"
#include "interpose/service.h"

static inline long ioctl_inside(int fd, unsigned long cmd, unsigned long arg)
{
	struct open_file *of;
	long ret;
	int err;

	of = fd_get(fd, &err);
	if (unlikely(!of))
		return err;
	if (likely(of->file->ops->ioctl != NULL))
		ret = of->file->ops->ioctl(of->file, engine_caller(), cmd, arg);
	else
		ret = -ENOTTY;
	if (unlikely(ret == -EBUSY))
		ret = fd_ioctl_again(of->file, engine_caller(), cmd, arg);
	ready_settle(of->file, fd);
	bar_follow_memory();
	fd_put(of);
	return ret;
}

static __attribute__((noinline)) int our_ioctl(int fd, unsigned long cmd, unsigned long arg)
{
	long ret = ENGINE_VALUE(ioctl_inside(fd, cmd, arg));

	if (unlikely(ret < 0) && !renew_is_ours(fd))
		return REAL(ioctl)(fd, cmd, arg);
	return (int)result(ret);
}

INTERPOSED int ioctl(int fd, unsigned long cmd, ...)
{
	unsigned long arg;
	va_list args;

	va_start(args, cmd);
	arg = va_arg(args, unsigned long);
	va_end(args);
	if (unlikely(fd_is_ours(fd)))
		return our_ioctl(fd, cmd, arg);
	return REAL(ioctl)(fd, cmd, arg);
}

INTERPOSED int close(int fd)
{
	if (unlikely(fd_is_ours(fd)))
		return ENGINE_CALL(fd_close(fd));
	if (unlikely(attr_any()))
		attr_flush(fd);
	return REAL(close)(fd);
}

INTERPOSED int close_range(unsigned first, unsigned last, int flags)
{
	return ENGINE_CALL(fd_close_range(first, last, (unsigned)flags));
}

/* libc's own would close what is ours: only where nothing is. */
INTERPOSED void closefrom(int first)
{
	unsigned from = first > 0 ? (unsigned)first : 0;
	rlim_t last = FD_MAX;
	struct rlimit limit;

	if (!fd_any() && !engine_owner()) {
		REAL(closefrom)(first);
		return;
	}
	if (!ENGINE_VALUE(fd_close_range(from, UINT_MAX, 0)))
		return;
	/* A kernel, or a filter, without close_range(). */
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur > last)
		last = limit.rlim_cur < INT_MAX ? limit.rlim_cur : INT_MAX;
	for (unsigned fd = from; fd < last; fd++)
		close((int)fd);
}

INTERPOSED int dup(int fd)
{
	if (unlikely(fd_is_ours(fd)))
		return ENGINE_CALL(fd_dup(fd, 0, false));
	return renewed(REAL(dup)(fd));
}

INTERPOSED int dup2(int fd, int to)
{
	if (unlikely(attr_any()) && fd != to)
		attr_flush(to);
	if (unlikely(fd_is_ours(fd)) || unlikely(fd_is_ours(to)))
		return ENGINE_CALL(fd_dup_to(fd, to, 0, true));
	return REAL(dup2)(fd, to);
}

INTERPOSED int dup3(int fd, int to, int flags)
{
	if (unlikely(attr_any()) && fd != to)
		attr_flush(to);
	if (unlikely(fd_is_ours(fd)) || unlikely(fd_is_ours(to)))
		return ENGINE_CALL(fd_dup_to(fd, to, flags, false));
	return REAL(dup3)(fd, to, flags);
}

/* The flags of the open, where the socket would show its own. */
static int our_getfl(int fd)
{
	int err, flags, now = REAL(fcntl)(fd, F_GETFL);
	struct open_file *of;

	of = fd_get(fd, &err);
	if (!of || now < 0) {
		if (of)
			fd_put(of);
		return now;
	}
	flags = (now & ~O_ACCMODE) | (of->oflags & O_ACCMODE) |
		0100000; /* the kernel's O_LARGEFILE */
	fd_put(of);
	return flags;
}

INTERPOSED int fcntl(int fd, int cmd, ...)
{
	unsigned long arg;
	va_list args;

	va_start(args, cmd);
	arg = va_arg(args, unsigned long);
	va_end(args);
	if (unlikely(fd_is_ours(fd))) {
		if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
			return ENGINE_CALL(fd_dup(fd, (int)arg, cmd == F_DUPFD_CLOEXEC));
		if (fd_mark(fd) == FD_HIDDEN && engine_owned())
			return (int)result(-EBADF);
		if (cmd == F_GETFL)
			return our_getfl(fd);
	}
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return renewed(REAL(fcntl)(fd, cmd, arg));
	return REAL(fcntl)(fd, cmd, arg);
}

INTERPOSED int fcntl64(int fd, int cmd, ...) __attribute__((alias("fcntl")));

/* Whether @fn is true of a descriptor in the message; of none after it is asked. */
static bool each_descriptor(const struct msghdr *msg, bool (*fn)(int fd))
{
	struct cmsghdr *c;
	size_t nr;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < nr; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (fn(fd))
				return true;
		}
	}
	return false;
}

static bool leaves(int fd)
{
	return fd_mark(fd) == FD_FILE;
}

/* Whoever gets a descriptor of ours will want to be served. */
static void before_sending(const struct msghdr *msg)
{
	if (msg->msg_controllen && each_descriptor(msg, leaves))
		service_start();
}

INTERPOSED ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (unlikely(fd_any()))
		before_sending(msg);
	return REAL(sendmsg)(fd, msg, flags);
}

INTERPOSED int sendmmsg(int fd, struct mmsghdr *msgs, unsigned nr, int flags)
{
	for (unsigned i = 0; unlikely(fd_any()) && i < nr; i++)
		before_sending(&msgs[i].msg_hdr);
	return REAL(sendmmsg)(fd, msgs, nr, flags);
}

static bool arrives(int fd)
{
	fd_recognise(renewed(fd));
	return false;
}

/* A descriptor that was sent to ourselves is ours again; one of another process is held. */
static void recognise(const struct msghdr *msg)
{
	if (msg->msg_controllen)
		each_descriptor(msg, arrives);
}

/* Those that came over exec. From now on a child of vfork, which has our table, is known as one. */
__attribute__((constructor)) static void recognise_inherited(void)
{
	if (engine_active() && !fork_watch())
		fd_recognise_all();
}

INTERPOSED ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t ret = REAL(recvmsg)(fd, msg, flags);

	if (unlikely(engine_active()) && ret >= 0)
		recognise(msg);
	return ret;
}

INTERPOSED int recvmmsg(int fd, struct mmsghdr *msgs, unsigned nr, int flags,
			struct timespec *timeout)
{
	int ret = REAL(recvmmsg)(fd, msgs, nr, flags, timeout);

	for (int i = 0; unlikely(engine_active()) && i < ret; i++)
		recognise(&msgs[i].msg_hdr);
	return ret;
}
