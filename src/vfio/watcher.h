/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watchers: what a device does when the program signals an eventfd, as INTx
 * unmask and IOEVENTFD ask for.
 *
 * One thread a device, made when the first eventfd is to be watched (few
 * programs ever ask) and gone with the last descriptor of the device. It has
 * every signal blocked but those of faults. Programs that forbid threads by seccomp lose these two
 * features and nothing else.
 */
#ifndef RF_VFIO_WATCHER_H
#define RF_VFIO_WATCHER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/hidden.h"
#include "vfio/eventfd.h"

struct rf_device;

/**
 * struct watch - one eventfd being watched; embedded in what it is for
 * @ev: our descriptor of it
 * @id: eventfd_id(): one count fires every watch of the same eventfd
 * @fired: it was signalled; with the device's lock held, on the watcher's thread
 */
struct watch {
	struct eventfd ev;
	unsigned long id;
	void (*fired)(struct watch *watch);
	unsigned long serial;
	struct watch *next;
};

/* The list is under the device's lock. */
struct watcher {
	struct rf_device *dev;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	struct hidden epoll;
	struct eventfd wake;
	struct watch *watches;
	unsigned long serial;
};

void watcher_init(struct watcher *w, struct rf_device *dev);
/* Every watch has been deleted; without the device's lock, as it waits for the thread. */
void watcher_destroy(struct watcher *w);

/*
 * Watch the program's descriptor @fd; with the device's lock held. A count that
 * is there already fires at once. -EBADF, -EINVAL: as eventfd_take(); -EMFILE,
 * -ENOMEM, -ENOSPC; -EAGAIN when no thread can be made.
 */
int watch_add(struct watcher *w, struct watch *watch, int fd, void (*fired)(struct watch *));
/* With the device's lock held: fired is not running and will not again. */
void watch_del(struct watcher *w, struct watch *watch);

#endif
