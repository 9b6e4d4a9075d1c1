/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices come and go; see bus.h.
 *
 * A device has one reference of its bus's, and one for each user. The last to go
 * ends it: that is the moment at which it leaves its bus.
 */
#include "bus/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/internal.h"

#define FEWEST_PLACES 16u

int bus_set_init(struct bus_set *set)
{
	set->buses = NULL;
	return lock_init_recursive(&set->lock);
}

void bus_set_destroy(struct bus_set *set)
{
	while (set->buses) {
		struct rf_bus *bus = set->buses;

		set->buses = bus->next;
		free(bus->devices);
		free(bus);
	}
	pthread_mutex_destroy(&set->lock);
}

struct rf_bus *bus_get(struct bus_set *set, const char *name)
{
	size_t len = strlen(name);
	struct rf_bus *bus;

	if (!len || len >= sizeof(bus->name))
		return NULL;
	bus_set_lock(set);
	for (bus = set->buses; bus; bus = bus->next)
		if (strcmp(bus->name, name) == 0)
			goto out;
	bus = alloc_should_fail() ? NULL : calloc(1, sizeof(*bus));
	if (!bus)
		goto out;
	memcpy(bus->name, name, len);
	bus->set = set;
	if (set->fallback) {
		bus->fallback.kind = NOTIFIER_FALLBACK;
		bus->fallback.notify = set->fallback;
		chain_insert(&bus->chain, &bus->fallback);
	}
	bus->next = set->buses;
	set->buses = bus;
out:
	bus_set_unlock(set);
	return bus;
}

static int bus_grow(struct rf_bus *bus)
{
	unsigned max = bus->max_places ? bus->max_places * 2 : FEWEST_PLACES;
	struct rf_device **devices;

	if (bus->nr_places < bus->max_places)
		return 0;
	devices = alloc_should_fail() ? NULL :
					realloc(bus->devices, max * sizeof(struct rf_device *));
	if (!devices)
		return -ENOMEM;
	bus->devices = devices;
	bus->max_places = max;
	return 0;
}

static int bus_link(struct rf_bus *bus, struct rf_device *dev)
{
	if (bus_grow(bus))
		return -ENOMEM;
	dev->bus = bus;
	dev->bus_place = bus->nr_places;
	bus->devices[bus->nr_places++] = dev;
	bus->nr_devices++;
	return 0;
}

/* Places of devices that have gone go too, when they are most of them and nobody is on the way. */
static void bus_compact(struct rf_bus *bus)
{
	unsigned nr = 0;

	if (bus->walks)
		return;
	while (bus->nr_places && !bus->devices[bus->nr_places - 1])
		bus->nr_places--;
	if (bus->nr_places <= FEWEST_PLACES || bus->nr_devices > bus->nr_places / 2)
		return;
	for (unsigned i = 0; i < bus->nr_places; i++) {
		if (!bus->devices[i])
			continue;
		bus->devices[nr] = bus->devices[i];
		bus->devices[nr]->bus_place = nr;
		nr++;
	}
	bus->nr_places = nr;
}

static void bus_unlink(struct rf_device *dev)
{
	struct rf_bus *bus = dev->bus;

	bus->devices[dev->bus_place] = NULL;
	bus->nr_devices--;
	dev->bus = NULL;
	bus_compact(bus);
}

/* PCI addresses are told apart by who describes the machine. */
static bool bus_has_name(const struct rf_bus *bus, const struct rf_device *dev)
{
	if (dev->model || dev->function)
		return false;
	for (unsigned i = 0; i < bus->nr_places; i++) {
		const struct rf_device *d = bus->devices[i];

		if (d && d->name_hash == dev->name_hash && strcmp(d->name, dev->name) == 0)
			return true;
	}
	return false;
}

int bus_add_device(struct rf_bus *bus, struct rf_device *dev)
{
	int ret = -EBUSY;

	bus_set_lock(bus->set);
	if (dev->bus)
		goto out;
	ret = -EEXIST;
	if (bus_has_name(bus, dev))
		goto out;
	ret = bus_link(bus, dev);
	if (ret)
		goto out;
	if (dev->parent)
		device_get(dev->parent);
	ret = chain_added(&bus->chain, dev);
	if (ret) {
		bus_unlink(dev);
		if (dev->parent)
			device_put(dev->parent);
	}
out:
	bus_set_unlock(bus->set);
	return ret;
}

/* Nobody has it any more. */
static void bus_release_device(struct rf_device *dev)
{
	struct rf_device *parent = dev->parent;
	struct rf_bus *bus = dev->bus;
	struct bus_set *set;

	if (bus) {
		set = bus->set;
		bus_set_lock(set);
		chain_removed(&bus->chain, dev);
		bus_unlink(dev);
		bus_set_unlock(set);
	} else {
		parent = NULL;
	}
	device_free(dev);
	if (parent)
		device_put(parent);
}

void device_put(struct rf_device *dev)
{
	if (atomic_fetch_sub(&dev->users, 1) == 1)
		bus_release_device(dev);
}

void bus_remove_device(struct rf_device *dev)
{
	if (device_depart(dev))
		device_put(dev);
}

/* Whether a newcomer of this kind is to hear of a device that was there before. */
static bool playback_concerns(const struct bus_notifier *notifier, const struct rf_device *dev)
{
	return notifier->kind == NOTIFIER_OBSERVER || (!dev->claimed_by && !dev->group);
}

/* The devices before place @end that it has been told of. */
static void playback_undo(struct rf_bus *bus, struct bus_notifier *notifier, unsigned end)
{
	struct bus_walk walk = { .end = end };
	struct rf_device *dev;

	while ((dev = bus_walk_next(bus, &walk))) {
		if (notifier->kind != NOTIFIER_OBSERVER && dev->claimed_by != notifier)
			continue;
		notifier->notify(notifier, BUS_DEVICE_REMOVED, dev);
		if (dev->claimed_by == notifier)
			dev->claimed_by = NULL;
	}
}

/* Tell of the devices that are there: 0, or the errno of the one that failed. */
static int playback(struct rf_bus *bus, struct bus_notifier *notifier)
{
	struct bus_walk walk = bus_walk_begin(bus);
	struct rf_device *dev;
	int ret = 0;

	while ((dev = bus_walk_next(bus, &walk))) {
		if (!playback_concerns(notifier, dev))
			continue;
		ret = notifier->notify(notifier, BUS_DEVICE_ADDED, dev);
		if (!chain_has(&bus->chain, notifier)) {
			ret = 0; /* it has had enough */
			break;
		}
		if (ret < 0) {
			playback_undo(bus, notifier, walk.at - 1);
			chain_remove(&bus->chain, notifier);
			break;
		}
		/* unless it has let go of it as well */
		if (ret == BUS_CLAIMED && notifier->kind != NOTIFIER_OBSERVER &&
		    bus->devices[walk.at - 1] == dev)
			dev->claimed_by = notifier;
		ret = 0;
	}
	bus_walk_end(bus);
	return ret;
}

int bus_notifier_register(struct rf_bus *bus, struct bus_notifier *notifier, bool play)
{
	int ret = 0;

	bus_set_lock(bus->set);
	chain_insert(&bus->chain, notifier);
	if (play)
		ret = playback(bus, notifier);
	bus_set_unlock(bus->set);
	return ret;
}

void bus_notifier_unregister(struct rf_bus *bus, struct bus_notifier *notifier)
{
	struct bus_walk walk;
	struct rf_device *dev;

	bus_set_lock(bus->set);
	chain_remove(&bus->chain, notifier);
	walk = bus_walk_begin(bus);
	while ((dev = bus_walk_next(bus, &walk)))
		if (dev->claimed_by == notifier)
			dev->claimed_by = NULL;
	bus_walk_end(bus);
	bus_set_unlock(bus->set);
}
