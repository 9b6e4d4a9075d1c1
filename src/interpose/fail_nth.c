/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /proc/self/task/TID/fail-nth, as a kernel with fault injection has it: writing
 * N lets the Nth allocation of the thread from then on fail, reading tells how
 * far it is, 0 once it has happened. What fails is an allocation of the core
 * (base/alloc.h), on whose behalf the thread calls.
 *
 * A thread has the file of no other: its count is in its own storage.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "interpose/internal.h"
#include "memory/owner.h"

#define TEXT 24

struct fail_nth {
	struct file file;
	char path[64];
	long tid;
};

static bool fail_nth_is_mine(struct file *file)
{
	return ((struct fail_nth *)file)->tid == syscall(SYS_gettid);
}

static ssize_t fail_nth_read(struct file *file, struct file_caller *caller, void *buf, size_t len,
			     uint64_t off)
{
	char text[TEXT];
	size_t size;

	if (!fail_nth_is_mine(file))
		return -ESRCH;
	size = (size_t)snprintf(text, sizeof(text), "%ld\n", alloc_fail_left());
	if (off >= size)
		return 0;
	if (len > size - off)
		len = size - off;
	return owner_write(caller->owner, (uintptr_t)buf, text + off, len) ? -EFAULT : (ssize_t)len;
}

static ssize_t fail_nth_write(struct file *file, struct file_caller *caller, const void *buf,
			      size_t len, uint64_t off)
{
	char text[TEXT] = "";
	unsigned long nth;
	char *end;

	if (!fail_nth_is_mine(file))
		return -ESRCH;
	if (len >= sizeof(text))
		return -EINVAL;
	if (owner_read(caller->owner, text, (uintptr_t)buf, len))
		return -EFAULT;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	nth = strtoul(text, &end, 0);
	end += *end == '\n';
	if (*end)
		return -EINVAL;
	if (errno || nth > UINT32_MAX)
		return -ERANGE;
	alloc_fail_nth((long)nth);
	return (ssize_t)len;
}

static void fail_nth_release(struct file *file)
{
	free(file);
}

static const struct file_ops fail_nth_ops = {
	.pread = fail_nth_read,
	.pwrite = fail_nth_write,
	.release = fail_nth_release,
};

int fail_nth_open(const char *path, struct file **out)
{
	const char *task = strstr(path, "/task/");
	long tid = task ? strtol(task + strlen("/task/"), NULL, 10) : syscall(SYS_gettid);
	struct fail_nth *f;

	if (tid != syscall(SYS_gettid))
		return -EACCES;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	snprintf(f->path, sizeof(f->path), "%s", path);
	file_init(&f->file, &fail_nth_ops, f->path);
	f->tid = tid;
	*out = &f->file;
	return 0;
}
