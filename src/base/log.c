/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of the log. vsnprintf() into a local buffer, then one write: with the
 * conversions used here (%s %c %d %u %x %lx %p %zu and the like) glibc's
 * vsnprintf neither allocates nor locks, so it may run in a signal handler.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/sys.h"

#define LOG_LINE_MAX 1024

static atomic_int log_level_max = LOG_WARN;
static atomic_int log_fd = 2;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level_max, (int)level, memory_order_relaxed);
}

void log_set_fd(int fd)
{
	atomic_store_explicit(&log_fd, fd, memory_order_relaxed);
}

static void log_write(const char *fmt, va_list args)
{
	static const char prefix[] = "ringfence: ";
	char line[LOG_LINE_MAX];
	size_t len = sizeof(prefix) - 1;
	size_t room = sizeof(line) - len - 1;
	int ret;

	__builtin_memcpy(line, prefix, len);
	ret = vsnprintf(line + len, room, fmt, args);
	if (ret > 0)
		len += (size_t)ret < room ? (size_t)ret : room - 1;
	line[len++] = '\n';
	sys_write(atomic_load_explicit(&log_fd, memory_order_relaxed), line, len);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	if ((int)level > atomic_load_explicit(&log_level_max, memory_order_relaxed))
		return;
	va_start(args, fmt);
	log_write(fmt, args);
	va_end(args);
	errno = saved;
}
