/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll(), ppoll() and epoll_ctl(), where one of ours is among the descriptors.
 *
 * The kernel's files for containers, groups, devices and iommufds have no poll
 * operation: they are ready at once for whatever is usual, and epoll refuses them.
 * Those are answered here, beside what the kernel says of the others, in a copy of
 * the program's array. A file that has one (a fault queue) is the kernel's to
 * watch, by the byte in its socket (ready.c); but a socket says more than the file
 * would, so only what the file can say is asked for, and a byte that it no longer means (other
 * calls emptied the queue) is taken out first. select() is right by itself, but for such a byte.
 *
 * Where nothing has been opened there is no look at the array.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/alloc.h"
#include "interpose/enter.h"
#include "interpose/fd.h"
#include "interpose/holder.h"
#include "interpose/internal.h"
#include "interpose/ready.h"
#include "interpose/real.h"
#include "interpose/signals.h"
#include "memory/fault.h"

#define FEW	64
#define USUAL	(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM) /* the kernel's DEFAULT_POLLMASK */
#define POLLING (POLLIN | POLLRDNORM | POLLOUT) /* what poll operations say */

extern void __chk_fail(void) __attribute__((noreturn));
int __poll_chk(struct pollfd *fds, nfds_t nr, int timeout, size_t room);

/* What a number is to whoever waits for it. */
enum waiting {
	WAIT_KERNEL, /* none of ours, or ended */
	WAIT_NOT_OPEN,
	WAIT_ALWAYS_READY,
	WAIT_POLLS,
};

/* A byte that no longer means anything; who made the file knows, and tells with any answer. */
static void drop_stale_byte(struct file *file, int fd)
{
	if (holder_is(file))
		holder_io_here(file, NULL, 0, false);
	else
		ready_settle(file, fd);
}

static enum waiting waiting_of(int fd)
{
	enum waiting is = WAIT_KERNEL;
	struct open_file *of;
	bool polls;
	int err;

	if (fd_mark(fd) == FD_HIDDEN)
		return engine_owned() ? WAIT_NOT_OPEN : WAIT_KERNEL;
	of = fd_get(fd, &err);
	if (of) {
		polls = holder_is(of->file) ? holder_polls(of->file) : of->file->ops->poll != NULL;
		is = polls ? WAIT_POLLS : WAIT_ALWAYS_READY;
		if (polls)
			drop_stale_byte(of->file, fd);
		fd_put(of);
	}
	return is;
}

/* Whether the array can be read and has one of ours in it. */
static bool any_of_ours(struct pollfd *fds, nfds_t nr)
{
	struct pollfd some[FEW];

	if (!__atomic_load_n(&fd_ever, __ATOMIC_RELAXED) || nr > FD_MAX)
		return false;
	for (nfds_t done = 0, n; done < nr; done += n) {
		n = nr - done < FEW ? nr - done : FEW;
		if (fault_copy(some, fds + done, n * sizeof(*some)))
			return false;
		for (nfds_t i = 0; i < n; i++)
			if (fd_is_ours(some[i].fd))
				return true;
	}
	return false;
}

/**
 * struct polling - a call with some of ours
 * @now: what the kernel is asked. Those that are answered here have the number -1,
 *	which it passes over, and their answer for events
 * @nr: entries
 * @ready: how many are answered here with something
 * @few: @now, when they are few
 */
struct polling {
	struct pollfd *now;
	nfds_t nr;
	int ready;
	struct pollfd few[FEW];
};

static void polling_answer(struct polling *p, struct pollfd *entry, int revents)
{
	entry->fd = -1;
	entry->events = (short)revents;
	p->ready += revents != 0;
}

static int polling_begin(struct polling *p, struct pollfd *fds, nfds_t nr)
{
	p->nr = nr;
	p->ready = 0;
	p->now = nr <= FEW ? p->few : alloc_direct(nr * sizeof(*fds));
	if (!p->now)
		return -ENOMEM;
	if (fault_copy(p->now, fds, nr * sizeof(*fds)))
		return -EFAULT;
	for (nfds_t i = 0; i < nr; i++) {
		struct pollfd *entry = &p->now[i];

		if (entry->fd < 0)
			entry->events = 0;
		if (!fd_is_ours(entry->fd))
			continue;
		switch (waiting_of(entry->fd)) {
		case WAIT_NOT_OPEN:
			polling_answer(p, entry, POLLNVAL);
			break;
		case WAIT_ALWAYS_READY:
			polling_answer(p, entry, entry->events & USUAL);
			break;
		case WAIT_POLLS:
			entry->events &= POLLING;
			break;
		case WAIT_KERNEL:
			break;
		}
	}
	return 0;
}

/* @n: what the kernel's call came to, errno with it. */
static int polling_end(struct polling *p, struct pollfd *fds, int n)
{
	/* a signal is no reason to come back empty-handed */
	if (n < 0 && errno == EINTR && p->ready)
		n = 0;
	for (nfds_t i = 0; n >= 0 && i < p->nr; i++) {
		const struct pollfd *entry = &p->now[i];
		short revents = entry->fd < 0 ? entry->events : entry->revents;

		if (fault_copy(&fds[i].revents, &revents, sizeof(revents)))
			n = (int)result(-EFAULT);
	}
	if (p->now != p->few)
		alloc_direct_free(p->now);
	return n < 0 ? n : n + p->ready;
}

/* True: it has been refused. */
static bool polling_refused(struct polling *p, struct pollfd *fds, nfds_t nr)
{
	int ret = ENGINE_VALUE(polling_begin(p, fds, nr));

	if (!ret)
		return false;
	if (p->now && p->now != p->few)
		alloc_direct_free(p->now);
	errno = -ret;
	return true;
}

/* Behind ppoll(), which is where masks are (signals_mask.c). */
static int ppoll_masked(struct pollfd *fds, nfds_t nr, const struct timespec *timeout,
			const sigset_t *mask)
{
	const struct timespec now = { 0 };
	struct polling p;

	if (likely(!any_of_ours(fds, nr)))
		return REAL(ppoll)(fds, nr, timeout, mask);
	if (polling_refused(&p, fds, nr))
		return -1;
	return polling_end(&p, fds, REAL(ppoll)(p.now, nr, p.ready ? &now : timeout, mask));
}

__attribute__((constructor)) static void poll_start(void)
{
	signals_ppoll = ppoll_masked;
}

INTERPOSED int poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	struct polling p;

	if (likely(!any_of_ours(fds, nr)))
		return REAL(poll)(fds, nr, timeout);
	if (polling_refused(&p, fds, nr))
		return -1;
	return polling_end(&p, fds, REAL(poll)(p.now, nr, p.ready ? 0 : timeout));
}

INTERPOSED int __poll_chk(struct pollfd *fds, nfds_t nr, int timeout, size_t room)
{
	if (room / sizeof(*fds) < nr)
		__chk_fail();
	return poll(fds, nr, timeout);
}

/* In the order of the kernel's own checks. */
static int our_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	const uint32_t never = EPOLLPRI | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | EPOLLMSG;
	struct epoll_event copy = { 0 };
	enum waiting is = ENGINE_VALUE(waiting_of(fd));

	if (is == WAIT_KERNEL)
		return REAL(epoll_ctl)(epfd, op, fd, event);
	if (op != EPOLL_CTL_DEL && fault_copy(&copy, event, sizeof(copy)))
		return (int)result(-EFAULT);
	if (is == WAIT_NOT_OPEN || !fd_is_there(epfd))
		return (int)result(-EBADF);
	if (is == WAIT_ALWAYS_READY)
		return (int)result(-EPERM);
	copy.events &= ~never;
	return REAL(epoll_ctl)(epfd, op, fd, &copy);
}

INTERPOSED int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (unlikely(fd_mark(epfd) == FD_HIDDEN) && engine_owned())
		return (int)result(-EBADF);
	if (unlikely(fd_is_ours(fd)))
		return our_epoll_ctl(epfd, op, fd, event);
	return REAL(epoll_ctl)(epfd, op, fd, event);
}
