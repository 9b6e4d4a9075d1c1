/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls whose results are said: a number, the call, what it returned.
 */
#ifndef TEST_ORACLE_SAY_H
#define TEST_ORACLE_SAY_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static int n;
static const char *en(int e)
{
	const char *s = e ? strerrorname_np(e) : "";
	return s ? s : "E?";
}
static void out(int ret, int err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf("%03d ", ++n);
	vprintf(fmt, ap);
	printf(" = %d%s%s", ret, ret < 0 ? " " : "", ret < 0 ? en(err) : "");
	va_end(ap);
}
#define nl()	  putchar('\n')
#define line(...) (out(__VA_ARGS__), nl())

static int io(int fd, unsigned long cmd, void *arg, int *err)
{
	errno = 0;
	int r = ioctl(fd, cmd, arg);
	*err = errno;
	return r;
}

/* A call that fills nothing in. */
static int call(int fd, unsigned long cmd, void *arg, const char *what)
{
	int e, r = io(fd, cmd, arg, &e);

	line(r, e, "%s", what);
	return r;
}

/* Which descriptor it is does not matter. */
static int opened(int fd, int err, const char *what)
{
	line(fd < 0 ? -1 : 0, err, "%s", what);
	return fd;
}

#endif
