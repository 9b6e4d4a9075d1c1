/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See watcher.h.
 *
 * The thread waits by epoll, which goes by files: numbers may change meanwhile. What
 * it is told of it looks up by serial number, under the device's lock: a watch
 * deleted in the meantime is gone from the list, even if its address is in use
 * anew. Where the number has changed, the kernel still has the old one as long as
 * the program has the eventfd open; told of once, that is not asked for again.
 */
#include "vfio/watcher.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "bus/device.h"

void watcher_init(struct watcher *w, struct rf_device *dev)
{
	memset(w, 0, sizeof(*w));
	w->dev = dev;
	w->wake = EVENTFD_NONE;
	w->epoll = HIDDEN_NONE;
}

/* 0 or a negative errno. Waiting for what became ready is asked for again after each time. */
static int watcher_ctl(struct watcher *w, int op, const struct eventfd *ev, unsigned long serial)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = serial };
	unsigned token = hidden_enter();
	int saved = errno;
	int ret = (int)syscall(SYS_epoll_ctl, (long)hidden_number(&w->epoll), (long)op,
			       (long)hidden_number(ev->hidden), &event);

	ret = ret ? -errno : 0;
	hidden_leave(token);
	errno = saved;
	return ret;
}

/* What has got another number (base/hidden.h) is new to the kernel. */
static void watcher_again(struct watcher *w, const struct eventfd *ev, unsigned long serial)
{
	if (watcher_ctl(w, EPOLL_CTL_MOD, ev, serial) == -ENOENT)
		watcher_ctl(w, EPOLL_CTL_ADD, ev, serial);
}

static void watcher_unprepare(struct watcher *w)
{
	eventfd_drop(&w->wake);
	hidden_close(&w->epoll);
}

static void watcher_fire(struct watcher *w, unsigned long serial)
{
	struct watch *watch, *at;

	device_lock(w->dev);
	for (watch = w->watches; watch && watch->serial != serial; watch = watch->next)
		;
	if (watch)
		eventfd_drain(&watch->ev);
	for (at = watch ? w->watches : NULL; at; at = at->next) {
		if (at != watch && (at->id != watch->id || at->id == EVENTFD_NO_ID))
			continue;
		watcher_again(w, &at->ev, at->serial);
		at->fired(at);
	}
	device_unlock(w->dev);
}

static void *watcher_run(void *arg)
{
	struct watcher *w = arg;
	struct epoll_event event;

	while (!atomic_load(&w->stop)) {
		long n = syscall(SYS_epoll_wait, (long)hidden_number(&w->epoll), &event, 1l, -1l);

		if (n < 0 && errno != EINTR)
			sys_poll(NULL, 0, 10); /* its number is just being changed */
		else if (n == 1 && event.data.u64)
			watcher_fire(w, event.data.u64);
	}
	return NULL;
}

/* Makes what the thread waits with and is woken by. */
static int watcher_prepare(struct watcher *w)
{
	int ret, fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	hidden_keep(&w->epoll, fd);
	ret = eventfd_make(&w->wake);
	if (!ret)
		ret = watcher_ctl(w, EPOLL_CTL_ADD, &w->wake, 0);
	if (ret)
		watcher_unprepare(w);
	return ret;
}

static int watcher_start(struct watcher *w)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	sigset_t all, old;
	int ret;

	if (w->running)
		return 0;
	ret = watcher_prepare(w);
	if (ret)
		return ret;
	/* a model's DMA may meet a bad address: that is handled, and must not be blocked */
	sigfillset(&all);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&w->thread, NULL, watcher_run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret) {
		watcher_unprepare(w);
		return -ret;
	}
	w->running = true;
	return 0;
}

void watcher_destroy(struct watcher *w)
{
	if (w->running) {
		atomic_store(&w->stop, true);
		eventfd_signal(&w->wake);
		pthread_join(w->thread, NULL);
		watcher_unprepare(w);
	}
}

int watch_add(struct watcher *w, struct watch *watch, int fd, void (*fired)(struct watch *))
{
	struct eventfd ev;
	int ret = eventfd_take(fd, &ev);

	if (ret)
		return ret;
	ret = watcher_start(w);
	if (!ret)
		ret = watcher_ctl(w, EPOLL_CTL_ADD, &ev, w->serial + 1);
	if (ret) {
		eventfd_drop(&ev);
		return ret;
	}
	/* what it may be told of already has to wait for the device's lock */
	watch->ev = ev;
	watch->id = eventfd_id(&ev);
	watch->fired = fired;
	watch->serial = ++w->serial;
	watch->next = w->watches;
	w->watches = watch;
	return 0;
}

void watch_del(struct watcher *w, struct watch *watch)
{
	struct watch **link;

	for (link = &w->watches; *link != watch; link = &(*link)->next)
		;
	*link = watch->next;
	watcher_ctl(w, EPOLL_CTL_DEL, &watch->ev, 0);
	eventfd_drop(&watch->ev);
}
