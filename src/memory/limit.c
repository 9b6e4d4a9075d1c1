/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory/limit.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

bool thread_may(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[0].effective & (1u << capability);
}

uint64_t limit_now(uint64_t setting)
{
	struct rlimit limit;

	if (setting != LIMIT_HOST)
		return setting;
	/* the kernel counts what a process with the capability pins, and refuses it nothing */
	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY ||
	    thread_may(CAP_IPC_LOCK))
		return LIMIT_NONE;
	return limit.rlim_cur;
}

/* The line may be far down: the list of groups, which stands before it, has any length. */
uint64_t limit_mlocked(pid_t pid)
{
	const size_t kept = 64; /* what is read last comes again before what is read next */
	char path[32], text[2048 + 1];
	unsigned long kilobytes = 0;
	const char *line = NULL;
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	while (!line && (n = sys_read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
		len += (size_t)n;
		text[len] = '\0';
		line = strstr(text, "\nVmLck:");
		if (line && !strchr(line + 1, '\n'))
			line = NULL; /* the rest of it is to come */
		if (!line && len > kept) {
			memmove(text, text + len - kept, kept);
			len = kept;
		}
	}
	sys_close(fd);
	if (line)
		sscanf(line, "\nVmLck: %lu", &kilobytes);
	return (uint64_t)kilobytes << 10;
}
