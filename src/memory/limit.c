/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory/limit.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

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
