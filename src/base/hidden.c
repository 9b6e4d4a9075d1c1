/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hidden.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "base/sys.h"

/* Higher than this the kernel's own table would grow without need; programs rarely come here. */
#define CEILING 8192
#define ROOM	1024

void (*hidden_hook)(int fd, bool hidden);

int hidden_floor(void)
{
	struct rlimit limit;
	unsigned top = CEILING;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < top)
		top = (unsigned)limit.rlim_cur;
	return (int)(top - (top / 4 < ROOM ? top / 4 : ROOM));
}

int hidden_dup(int fd)
{
	int copy = sys_fcntl(fd, F_DUPFD_CLOEXEC, hidden_floor());

	if (copy < 0)
		copy = sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0 && hidden_hook)
		hidden_hook(copy, true);
	return copy;
}

int hidden_move(int fd)
{
	int copy = sys_fcntl(fd, F_DUPFD_CLOEXEC, hidden_floor());

	if (copy >= 0)
		sys_close(fd);
	else
		copy = fd;
	if (hidden_hook)
		hidden_hook(copy, true);
	return copy;
}

void hidden_close(int fd)
{
	if (hidden_hook)
		hidden_hook(fd, false);
	sys_close(fd);
}
