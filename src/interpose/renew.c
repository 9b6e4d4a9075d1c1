/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers closed behind our back: by libc itself (fclose of a stream made with
 * fdopen), or by a bare system call. Two things keep us from taking what the
 * kernel then gives out under the same number for a file of ours: every call
 * that makes descriptors passes by here, and before a call on one of ours is
 * refused we look whether the number is still our socket's.
 *
 * A child of vfork has its own descriptors and our memory: it changes nothing.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "interpose/enter.h"
#include "interpose/fd.h"
#include "interpose/fork.h"
#include "interpose/real.h"
#include "interpose/renew.h"

void renew_forget(int fd)
{
	int saved = errno;

	fork_settle();
	if (!fork_here() || !fd_is_ours(fd))
		return;
	/* Nobody else marks a number that the kernel has just given to this thread. */
	__atomic_store_n(&fd_marks[fd], 0, __ATOMIC_RELEASE);
	renew_closed();
	errno = saved;
}

bool renew_closing(FILE *stream)
{
	int saved = errno, fd = fileno(stream);
	bool ours = fd_is_ours(fd);

	if (ours)
		renew_forget(fd);
	errno = saved;
	return ours;
}

void renew_closed(void)
{
	int saved = errno;

	engine_enter();
	fd_sweep();
	engine_leave();
	errno = saved;
}

bool renew_is_ours(int fd)
{
	int saved = errno, err;
	struct open_file *d;
	bool ours = true;
	struct stat st;

	if (fd_mark(fd) == FD_HIDDEN || syscall(SYS_fstat, fd, &st))
		goto out;
	d = fd_get(fd, &err);
	if (d) {
		ours = d->inode == st.st_ino && S_ISSOCK(st.st_mode);
		fd_put(d);
	} else {
		ours = S_ISSOCK(st.st_mode);
	}
	if (!ours)
		renew_forget(fd);
out:
	errno = saved;
	return ours;
}

/* NEW_WRAPPER(socket, (int domain, int type, int protocol), (domain, type, protocol)) */
#define NEW_WRAPPER(fn, params, args)          \
	INTERPOSED int fn params               \
	{                                      \
		return renewed(REAL(fn) args); \
	}

#define NEW_PAIR_WRAPPER(fn, params, args, pair) \
	INTERPOSED int fn params                 \
	{                                        \
		int ret = REAL(fn) args;         \
                                                 \
		if (!ret) {                      \
			renewed((pair)[0]);      \
			renewed((pair)[1]);      \
		}                                \
		return ret;                      \
	}

NEW_WRAPPER(socket, (int domain, int type, int protocol), (domain, type, protocol))
NEW_WRAPPER(accept, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
NEW_WRAPPER(accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags),
	    (fd, addr, len, flags))
NEW_WRAPPER(eventfd, (unsigned count, int flags), (count, flags))
NEW_WRAPPER(epoll_create, (int size), (size))
NEW_WRAPPER(epoll_create1, (int flags), (flags))
NEW_WRAPPER(timerfd_create, (clockid_t clock, int flags), (clock, flags))
NEW_WRAPPER(signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
NEW_WRAPPER(memfd_create, (const char *name, unsigned flags), (name, flags))
NEW_WRAPPER(inotify_init, (void), ())
NEW_WRAPPER(inotify_init1, (int flags), (flags))
NEW_WRAPPER(mkstemp, (char *name), (name))
NEW_WRAPPER(mkstemp64, (char *name), (name))
NEW_WRAPPER(mkostemp, (char *name, int flags), (name, flags))
NEW_WRAPPER(mkostemp64, (char *name, int flags), (name, flags))
NEW_PAIR_WRAPPER(socketpair, (int domain, int type, int protocol, int ends[2]),
		 (domain, type, protocol, ends), ends)
NEW_PAIR_WRAPPER(pipe, (int ends[2]), (ends), ends)
NEW_PAIR_WRAPPER(pipe2, (int ends[2], int flags), (ends, flags), ends)

INTERPOSED FILE *tmpfile(void)
{
	FILE *stream = REAL(tmpfile)();

	if (stream)
		renewed(fileno(stream));
	return stream;
}

INTERPOSED FILE *tmpfile64(void) __attribute__((alias("tmpfile")));
