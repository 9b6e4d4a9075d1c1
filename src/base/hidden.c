/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hidden.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "base/sys.h"

/* Higher than this the kernel's own table would grow without need; programs rarely come here. */
#define CEILING 8192
#define ROOM	1024

void (*hidden_hook)(struct hidden *h, bool hidden);
struct gate hidden_gate;

int hidden_floor(void)
{
	struct rlimit limit;
	unsigned top = CEILING;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < top)
		top = (unsigned)limit.rlim_cur;
	return (int)(top - (top / 4 < ROOM ? top / 4 : ROOM));
}

static void hidden_take(struct hidden *h, int fd)
{
	__atomic_store_n(&h->fd, fd, __ATOMIC_RELEASE);
	if (hidden_hook)
		hidden_hook(h, true);
}

int hidden_copy(struct hidden *h, int fd)
{
	int copy = sys_fcntl(fd, F_DUPFD_CLOEXEC, hidden_floor());

	if (copy < 0)
		copy = sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	*h = HIDDEN_NONE;
	if (copy < 0)
		return copy;
	hidden_take(h, copy);
	return 0;
}

void hidden_keep(struct hidden *h, int fd)
{
	int copy = sys_fcntl(fd, F_DUPFD_CLOEXEC, hidden_floor());

	if (copy >= 0)
		sys_close(fd);
	else
		copy = fd;
	hidden_take(h, copy);
}

void hidden_close(struct hidden *h)
{
	if (h->fd < 0)
		return;
	if (hidden_hook)
		hidden_hook(h, false);
	else
		sys_close(h->fd);
	__atomic_store_n(&h->fd, -1, __ATOMIC_RELAXED);
}
