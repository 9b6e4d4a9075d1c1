/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See watcher.h.
 *
 * The thread polls copies of the descriptors. What it finds readable it looks
 * up again by serial number, under the device's lock: a watch deleted in the
 * meantime is gone from the list, even if its number or address is in use anew.
 */
#include "vfio/watcher.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "bus/device.h"

void watcher_init(struct watcher *w, struct rf_device *dev)
{
	memset(w, 0, sizeof(*w));
	w->dev = dev;
	w->wake = EVENTFD_NONE;
	pthread_mutex_init(&w->lock, NULL);
}

/**
 * struct watcher_poll - what one round of the thread polls
 * @fds: the wake-up first, then one a watch
 * @serials: which watch, for all but the first
 */
struct watcher_poll {
	struct pollfd *fds;
	unsigned long *serials;
	size_t nr;
	size_t max;
};

static bool watcher_poll_grow(struct watcher_poll *p)
{
	size_t max = p->max ? p->max * 2 : 8;
	struct pollfd *fds = realloc(p->fds, max * sizeof(*fds));
	unsigned long *serials;

	if (!fds)
		return false;
	p->fds = fds;
	serials = realloc(p->serials, max * sizeof(*serials));
	if (!serials)
		return false;
	p->serials = serials;
	p->max = max;
	return true;
}

/* Fills @p; false when it is time to end. Without memory for more, some wait for a later round. */
static bool watcher_collect(struct watcher *w, struct watcher_poll *p)
{
	bool go_on;

	pthread_mutex_lock(&w->lock);
	go_on = !w->stop;
	p->nr = 0;
	if (p->max || watcher_poll_grow(p)) {
		p->fds[p->nr++] = (struct pollfd){ .fd = w->wake.fd, .events = POLLIN };
		for (struct watch *watch = w->watches; watch; watch = watch->next) {
			if (p->nr == p->max && !watcher_poll_grow(p))
				break;
			p->serials[p->nr] = watch->serial;
			p->fds[p->nr++] = (struct pollfd){ .fd = watch->ev.fd, .events = POLLIN };
		}
	}
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static void watcher_fire(struct watcher *w, unsigned long serial)
{
	struct watch *watch;

	device_lock(w->dev);
	pthread_mutex_lock(&w->lock);
	for (watch = w->watches; watch && watch->serial != serial; watch = watch->next)
		;
	pthread_mutex_unlock(&w->lock);
	if (watch) {
		eventfd_drain(&watch->ev);
		watch->fired(watch);
	}
	device_unlock(w->dev);
}

static void *watcher_run(void *arg)
{
	struct watcher *w = arg;
	struct watcher_poll p = { 0 };

	while (watcher_collect(w, &p)) {
		if (!p.nr) {
			sys_poll(NULL, 0, 10); /* nothing to wait with: look again a little later */
			continue;
		}
		if (sys_poll(p.fds, p.nr, -1) <= 0)
			continue;
		if (p.fds[0].revents)
			eventfd_drain(&w->wake);
		for (size_t i = 1; i < p.nr; i++) {
			if (p.fds[i].revents & POLLIN)
				watcher_fire(w, p.serials[i]);
		}
	}
	free(p.fds);
	free(p.serials);
	return NULL;
}

static int watcher_start(struct watcher *w)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	sigset_t all, old;
	int ret;

	if (w->running)
		return 0;
	ret = eventfd_make(&w->wake);
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
		eventfd_drop(&w->wake);
		return -ret;
	}
	w->running = true;
	return 0;
}

void watcher_destroy(struct watcher *w)
{
	if (w->running) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_mutex_unlock(&w->lock);
		eventfd_signal(&w->wake);
		pthread_join(w->thread, NULL);
		eventfd_drop(&w->wake);
	}
	pthread_mutex_destroy(&w->lock);
}

int watch_add(struct watcher *w, struct watch *watch, int fd, void (*fired)(struct watch *))
{
	struct eventfd ev;
	int ret = eventfd_take(fd, &ev);

	if (ret)
		return ret;
	ret = watcher_start(w);
	if (ret) {
		eventfd_drop(&ev);
		return ret;
	}
	watch->ev = ev;
	watch->fired = fired;
	pthread_mutex_lock(&w->lock);
	watch->serial = ++w->serial;
	watch->next = w->watches;
	w->watches = watch;
	pthread_mutex_unlock(&w->lock);
	eventfd_signal(&w->wake);
	return 0;
}

void watch_del(struct watcher *w, struct watch *watch)
{
	struct watch **link;

	pthread_mutex_lock(&w->lock);
	for (link = &w->watches; *link != watch; link = &(*link)->next)
		;
	*link = watch->next;
	pthread_mutex_unlock(&w->lock);
	eventfd_signal(&w->wake);
	eventfd_drop(&watch->ev);
}
