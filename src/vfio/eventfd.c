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
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
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

/* Not the program's allocator: one may be dropped in a handler of SIGSEGV, which interrupts it. */
static int eventfd_dup(int fd, struct eventfd *out)
{
	int flags = sys_fcntl(fd, F_GETFL, 0);
	struct hidden *hidden;
	int ret;

	if (flags < 0)
		return flags;
	hidden = alloc_small(sizeof(*hidden));
	if (!hidden)
		return -ENOMEM;
	ret = hidden_copy(hidden, fd);
	if (ret) {
		alloc_small_free(hidden, sizeof(*hidden));
		return ret;
	}
	*out = (struct eventfd){ .hidden = hidden, .blocks = !(flags & O_NONBLOCK) };
	return 0;
}

/* "eventfd-id:" + a number, unless the kernel is older than 5.2. */
static unsigned long eventfd_id_of(int fd)
{
	char path[40], text[256];
	unsigned long id = EVENTFD_NO_ID;
	const char *at;
	ssize_t n;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (info < 0)
		return EVENTFD_NO_ID;
	n = sys_read(info, text, sizeof(text) - 1);
	sys_close(info);
	text[n < 0 ? 0 : n] = '\0';
	at = strstr(text, "eventfd-id:");
	if (at && sscanf(at, "eventfd-id: %lu", &id) == 1)
		return id + 1; /* the first one is 0 */
	return EVENTFD_NO_ID;
}

unsigned long eventfd_id(const struct eventfd *ev)
{
	unsigned token = hidden_enter();
	unsigned long id = eventfd_id_of(hidden_number(ev->hidden));

	hidden_leave(token);
	return id;
}

/* What getdents64 gives: a record. */
struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short length;
	unsigned char type;
	char name[];
};

/* Whether one of the descriptors listed in @buf is the program's, and of counter @id. */
static bool entries_have(const char *buf, long n, unsigned long id, int floor)
{
	for (long at = 0; at < n;) {
		const struct entry *entry = (const void *)(buf + at);
		int fd = -1;

		if (sscanf(entry->name, "%d", &fd) == 1 && fd < floor && eventfd_is(fd) &&
		    eventfd_id_of(fd) == id)
			return true;
		at += entry->length;
	}
	return false;
}

bool eventfd_is_orphan(const struct eventfd *ev)
{
	_Alignas(8) char buf[1024];
	unsigned long id = eventfd_id(ev);
	int dir = sys_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	bool found = id == EVENTFD_NO_ID || dir < 0;
	long n;

	while (!found && (n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		found = entries_have(buf, n, id, hidden_floor());
	if (dir >= 0)
		sys_close(dir);
	return !found;
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
	if (ev->hidden) {
		hidden_close(ev->hidden);
		alloc_small_free(ev->hidden, sizeof(*ev->hidden));
	}
	*ev = EVENTFD_NONE;
}

static bool eventfd_is_ready(int fd, short event)
{
	struct pollfd p = { .fd = fd, .events = event };

	return sys_poll(&p, 1, 0) == 1 && p.revents & event;
}

void eventfd_signal(const struct eventfd *ev)
{
	const uint64_t one = 1;
	unsigned token;
	int fd;

	if (!ev->hidden)
		return;
	token = hidden_enter();
	fd = hidden_number(ev->hidden);
	if (!ev->blocks || eventfd_is_ready(fd, POLLOUT))
		sys_write(fd, &one, sizeof(one));
	hidden_leave(token);
}

void eventfd_drain(const struct eventfd *ev)
{
	unsigned token = hidden_enter();
	int fd = hidden_number(ev->hidden);
	uint64_t count;

	if (eventfd_is_ready(fd, POLLIN))
		sys_read(fd, &count, sizeof(count));
	hidden_leave(token);
}
