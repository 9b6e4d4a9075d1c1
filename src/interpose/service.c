/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service: a thread that answers holders of our files in other processes.
 *
 * It is made when a descriptor may leave the process for the first time: before
 * a fork, an exec in a child, a sendmsg() with a descriptor of ours in it. It
 * waits for what comes through the open files' own sockets, which can only be the
 * wish to be connected, and for requests on the connections made. One request is
 * served at a time; the holder waits for it, so its memory is read meanwhile.
 *
 * A connection does not keep its file open: the holder's descriptors do that. So
 * when the last of them is closed the file goes at once, whatever is still to be
 * read here.
 *
 * A program that wants to know when it shall let go of a device has the thread as
 * well: it waits for that, too (request.c).
 *
 * All signals but those of faults are blocked in the thread.
 *
 * Lock: none of its own. The thread alone knows the connections; the set of open
 * files is the descriptor table's, which tells of new ones through service_fd.
 */
#include "interpose/service.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "interpose/connection.h"
#include "interpose/fd.h"
#include "interpose/internal.h"
#include "interpose/lock.h"
#include "interpose/request.h"

#define SERVICE_STACK (256u << 10)
#define EVENTS	      16
#define REQUESTS      2u /* as what an event speaks of; no pointer is that */

enum { STOPPED, STARTING, RUNNING };

static atomic_int state;
static int epoll_fd = -1;

/*
 * Ask to be told of what comes through @sock; @what is an open file or, with the low bit
 * set, a connection.
 */
static void service_watch(int sock, void *what, bool connection)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)(uintptr_t)what | connection,
	};

	syscall(SYS_epoll_ctl, (long)epoll_fd, (long)EPOLL_CTL_ADD, (long)sock, &event);
}

/*
 * Closing it would not do as long as a child has a copy. Nor does this if the
 * program took our number for itself meanwhile (fd_hide()): then an event may come
 * until the child has executed or ended.
 */
static void service_unwatch(int sock)
{
	struct epoll_event none = { 0 };
	int saved = errno;

	syscall(SYS_epoll_ctl, (long)epoll_fd, (long)EPOLL_CTL_DEL, (long)sock, &none);
	errno = saved;
}

/* The descriptor table has a new file. With its lock held. */
static void service_opened(struct open_file *d)
{
	service_watch(d->peer, d, false);
}

static void service_hello(struct open_file *d)
{
	struct connection *c;
	int fds[WIRE_FDS];
	struct wire w;
	int ret;

	ret = fd_receive(d, &w, fds);
	if (ret == -EPIPE) {
		fd_sweep(); /* the last copy was closed in another process */
		return;
	}
	if (ret)
		return;
	if (w.op == WIRE_HELLO && w.arg[0] == WIRE_MAGIC && fds[2] >= 0) {
		c = connection_new(d, fds);
		if (c)
			service_watch(c->sock, c, true);
	}
	wire_drop(fds);
}

static void service_request(struct connection *c)
{
	int fds[WIRE_FDS];
	struct wire w;
	int ret;

	if (c->sock < 0)
		return; /* see service_unwatch() */
	ret = wire_recv(c->sock, &w, fds, true);
	if (ret == -EAGAIN)
		return;
	if (!ret)
		ret = connection_serve(c, &w, fds);
	if (!ret)
		wire_drop(fds);
	if (ret) {
		service_unwatch(c->sock);
		connection_free(c);
	}
}

/* Again and again is as good as once. */
void service_requests(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = REQUESTS };
	int saved = errno;

	if (epoll_fd >= 0 && request_fd() >= 0)
		syscall(SYS_epoll_ctl, (long)epoll_fd, (long)EPOLL_CTL_ADD, (long)request_fd(),
			&event);
	errno = saved;
}

static void *service_thread(void *arg)
{
	uint64_t mask = signals_thread();
	struct epoll_event events[EVENTS];

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	pthread_setname_np(pthread_self(), "rf-service");
	for (;;) {
		/* one at a time: serving may end what a later event speaks of */
		long n = syscall(SYS_epoll_wait, (long)epoll_fd, events, 1l, -1l);

		if (n < 1)
			continue;
		if (events[0].data.u64 == REQUESTS)
			request_serve();
		else if (events[0].data.u64 & 1)
			service_request((void *)(uintptr_t)(events[0].data.u64 & ~1ull));
		else
			service_hello((void *)(uintptr_t)events[0].data.u64);
	}
	return NULL;
}

static bool service_run(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return false;
	fd_hide(&epoll_fd);
	fd_each_open(service_opened);
	service_requests();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, SERVICE_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&thread, &attr, service_thread, NULL);
	pthread_attr_destroy(&attr);
	if (!ret)
		return true;
	fd_each_open(NULL);
	fd_hidden_close(&epoll_fd);
	return false;
}

void service_start(void)
{
	int stopped = STOPPED, saved = errno;

	if (!fd_any_local() || atomic_load(&state) == RUNNING ||
	    !atomic_compare_exchange_strong(&state, &stopped, STARTING))
		return;
	if (service_run()) {
		atomic_store(&state, RUNNING);
	} else {
		log_line(LOG_WARN, "no thread to serve descriptors in other processes");
		atomic_store(&state, STOPPED);
	}
	errno = saved;
}

void service_start_for_exec(void)
{
	if (fd_any_local() && atomic_load(&state) != RUNNING && fd_any_inherited())
		service_start();
}

void service_abandon(void)
{
	atomic_store(&state, STOPPED);
	epoll_fd = -1; /* the descriptor table has closed it */
}
