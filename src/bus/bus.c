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

static void bus_link(struct rf_bus *bus, struct rf_device *dev)
{
	dev->bus = bus;
	dev->bus_next = NULL;
	dev->bus_prev = bus->last;
	if (bus->last)
		bus->last->bus_next = dev;
	else
		bus->first = dev;
	bus->last = dev;
	bus->nr_devices++;
}

static void bus_unlink(struct rf_device *dev)
{
	struct rf_bus *bus = dev->bus;

	if (dev->bus_prev)
		dev->bus_prev->bus_next = dev->bus_next;
	else
		bus->first = dev->bus_next;
	if (dev->bus_next)
		dev->bus_next->bus_prev = dev->bus_prev;
	else
		bus->last = dev->bus_prev;
	bus->nr_devices--;
	dev->bus = NULL;
}

/* PCI addresses are told apart by who describes the machine. */
static bool bus_has_name(const struct rf_bus *bus, const struct rf_device *dev)
{
	if (dev->model || dev->function)
		return false;
	for (const struct rf_device *d = bus->first; d; d = d->bus_next)
		if (d->name_hash == dev->name_hash && strcmp(d->name, dev->name) == 0)
			return true;
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
	bus_link(bus, dev);
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

static void playback_undo(struct rf_bus *bus, struct bus_notifier *notifier,
			  const struct rf_device *failed)
{
	for (struct rf_device *dev = bus->first; dev && dev != failed; dev = dev->bus_next) {
		if (notifier->kind != NOTIFIER_OBSERVER && dev->claimed_by != notifier)
			continue;
		notifier->notify(notifier, BUS_DEVICE_REMOVED, dev);
		if (dev->claimed_by == notifier)
			dev->claimed_by = NULL;
	}
}

int bus_notifier_register(struct rf_bus *bus, struct bus_notifier *notifier, bool playback)
{
	int ret = 0;

	bus_set_lock(bus->set);
	chain_insert(&bus->chain, notifier);
	for (struct rf_device *dev = playback ? bus->first : NULL; dev; dev = dev->bus_next) {
		if (!playback_concerns(notifier, dev))
			continue;
		ret = notifier->notify(notifier, BUS_DEVICE_ADDED, dev);
		if (!chain_has(&bus->chain, notifier)) {
			ret = 0; /* it has had enough */
			break;
		}
		if (ret < 0) {
			playback_undo(bus, notifier, dev);
			chain_remove(&bus->chain, notifier);
			break;
		}
		if (ret == BUS_CLAIMED && notifier->kind != NOTIFIER_OBSERVER)
			dev->claimed_by = notifier;
		ret = 0;
	}
	bus_set_unlock(bus->set);
	return ret;
}

void bus_notifier_unregister(struct rf_bus *bus, struct bus_notifier *notifier)
{
	bus_set_lock(bus->set);
	chain_remove(&bus->chain, notifier);
	for (struct rf_device *dev = bus->first; dev; dev = dev->bus_next)
		if (dev->claimed_by == notifier)
			dev->claimed_by = NULL;
	bus_set_unlock(bus->set);
}
