/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to let go of a device.
 *
 * Whoever unbinds or removes a device that is open elsewhere in the session
 * touches the file whose lock says so (machine/driver.c). A program that gave an
 * eventfd for the device request interrupt has that file watched, by inotify, and
 * the service's thread signals the eventfd: as Linux's vfio-pci does when its
 * driver is to leave the device. Programs that gave none cost nothing.
 *
 * Lock: listeners_lock around the list; the descriptor table's inside. Not held
 * while the device is told, which takes the device's: a reference keeps it.
 */
#include "interpose/request.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "interpose/engine.h"
#include "interpose/fd.h"
#include "interpose/lock.h"
#include "interpose/service.h"

struct listener {
	struct rf_device *dev;
	int watch;
	struct listener *next;
};

static struct listener *listeners;
static struct engine_lock listeners_lock = ENGINE_LOCK_INIT;
static int notify_fd = -1;

static int listener_watch(const struct listener *l)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/lock/open-%s", engine_session(), l->dev->name) >=
	    PATH_MAX)
		return -1;
	if (notify_fd < 0) {
		notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (notify_fd < 0)
			return -1;
		fd_hide(&notify_fd);
	}
	return inotify_add_watch(notify_fd, path, IN_ATTRIB);
}

struct listener *request_listen(struct rf_device *dev)
{
	struct listener *l = malloc(sizeof(*l));
	int saved = errno;

	if (l) {
		l->dev = dev;
		engine_lock(&listeners_lock);
		l->watch = listener_watch(l);
		if (l->watch >= 0) {
			l->next = listeners;
			listeners = l;
		}
		engine_unlock(&listeners_lock);
	}
	if (!l || l->watch < 0) {
		log_line(LOG_WARN, "%s: nobody will hear of requests to let go of it", dev->name);
		free(l);
		l = NULL;
	} else {
		service_start();
		service_requests();
	}
	errno = saved;
	return l;
}

void request_forget(struct listener *l)
{
	struct listener **link = &listeners;
	int saved = errno;

	engine_lock(&listeners_lock);
	while (*link && *link != l)
		link = &(*link)->next;
	if (*link) {
		*link = l->next;
		inotify_rm_watch(notify_fd, l->watch);
	}
	engine_unlock(&listeners_lock);
	free(l);
	errno = saved;
}

int request_fd(void)
{
	return notify_fd;
}

/* The device of a watch, with a reference; NULL: it was closed meanwhile. */
static struct rf_device *device_of(int watch)
{
	struct rf_device *dev = NULL;

	engine_lock(&listeners_lock);
	for (struct listener *l = listeners; l && !dev; l = l->next)
		if (l->watch == watch)
			dev = l->dev;
	if (dev)
		device_get(dev);
	engine_unlock(&listeners_lock);
	return dev;
}

void request_serve(void)
{
	union {
		struct inotify_event first; /* for its alignment */
		char bytes[1024];
	} buf;
	long len = syscall(SYS_read, (long)notify_fd, &buf, sizeof(buf));

	for (long at = 0; at < len;) {
		struct inotify_event event;
		struct rf_device *dev;

		memcpy(&event, buf.bytes + at, sizeof(event));
		at += (long)(sizeof(event) + event.len);
		dev = event.mask & IN_ATTRIB ? device_of(event.wd) : NULL;
		if (!dev)
			continue;
		device_ask(dev);
		device_put(dev);
	}
}

void request_abandon(void)
{
	listeners = NULL;
	notify_fd = -1; /* the descriptor table has closed it */
	engine_lock_renew(&listeners_lock);
}
