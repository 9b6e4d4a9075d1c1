/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See eventfd.h. Bare system calls throughout: the libc names are interposed,
 * and signalling happens in signal handlers with a device's lock held.
 */
#include "vfio/eventfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/hidden.h"
#include "base/sys.h"

/* Where the process shows what a descriptor is, it must say eventfd. */
static bool eventfd_is(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char path[40], is[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = sys_readlink(path, is, sizeof(is));
	if (n < 0)
		return true; /* no /proc here: trust the program */
	return (size_t)n == sizeof(want) - 1 && !memcmp(is, want, sizeof(want) - 1);
}

static int eventfd_dup(int fd, struct eventfd *out)
{
	int flags = sys_fcntl(fd, F_GETFL, 0);
	int copy;

	if (flags < 0)
		return flags;
	copy = hidden_dup(fd);
	if (copy < 0)
		return copy;
	*out = (struct eventfd){ .fd = copy, .blocks = !(flags & O_NONBLOCK) };
	return 0;
}

int eventfd_take(int fd, struct eventfd *out)
{
	if (fd < 0 || sys_fcntl(fd, F_GETFD, 0) < 0)
		return -EBADF;
	if (!eventfd_is(fd))
		return -EINVAL;
	return eventfd_dup(fd, out);
}

int eventfd_make(struct eventfd *out)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = eventfd_dup(fd, out);
	sys_close(fd);
	return ret;
}

void eventfd_drop(struct eventfd *ev)
{
	if (ev->fd >= 0)
		hidden_close(ev->fd);
	*ev = EVENTFD_NONE;
}

void eventfd_signal(const struct eventfd *ev)
{
	const uint64_t one = 1;

	if (ev->fd < 0)
		return;
	if (ev->blocks) {
		struct pollfd p = { .fd = ev->fd, .events = POLLOUT };

		if (sys_poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
			return;
	}
	sys_write(ev->fd, &one, sizeof(one));
}

void eventfd_drain(const struct eventfd *ev)
{
	struct pollfd p = { .fd = ev->fd, .events = POLLIN };
	uint64_t count;

	if (sys_poll(&p, 1, 0) == 1 && p.revents & POLLIN)
		sys_read(ev->fd, &count, sizeof(count));
}
