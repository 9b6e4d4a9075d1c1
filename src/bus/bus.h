/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buses: where devices are added and removed, and who is told.
 *
 * A machine has one set of buses, found by name and made when first named. A
 * device is on one bus from bus_add_device() until its last user has let go of it
 * after bus_remove_device().
 *
 * Removal. The hardware is gone at once: configuration space and BARs read as
 * ones, writes go nowhere, DMA is refused, no interrupt comes. The device request
 * interrupt (IRQ_REQ) tells its user. What is left of it stays on the bus, and in
 * its group, until the last user has closed it, as on Linux; then notifiers are
 * told, and it is freed.
 *
 * Locks: the set's, recursive, around adding, removing and registering, and held
 * while notifiers are called. Nobody who holds a device's or address space's lock
 * may take it.
 */
#ifndef RF_BUS_BUS_H
#define RF_BUS_BUS_H

#include <pthread.h>

#include "bus/device.h"
#include "bus/notifier.h"

/**
 * struct rf_bus - one bus
 * @devices: in the order they were added; NULL in the places of those that have gone
 * @nr_places: how many of both
 * @max_places: how many there is room for
 * @nr_devices: how many are there
 * @walks: under way: nothing changes its place meanwhile
 */
struct rf_bus {
	char name[DEVICE_NAME_SIZE];
	struct bus_set *set;
	struct notifier_chain chain;
	struct bus_notifier fallback;
	struct rf_device **devices;
	unsigned nr_places;
	unsigned max_places;
	unsigned nr_devices;
	unsigned walks;
	struct rf_bus *next;
};

/**
 * struct bus_walk - a walk over the devices of a bus, in the order they came
 * @at: the next place
 * @end: places there were as it began: who comes meanwhile is not met
 *
 * With the bus set's lock held. Devices may come and go, and be freed, at any time.
 */
struct bus_walk {
	unsigned at;
	unsigned end;
};

/**
 * struct bus_set - the buses of a machine
 * @fallback: decides about devices that no provider claims, on every bus; NULL:
 *	nobody does
 */
struct bus_set {
	pthread_mutex_t lock;
	struct rf_bus *buses;
	int (*fallback)(struct bus_notifier *notifier, enum bus_event event, struct rf_device *dev);
};

/* A mutex that its holder may take again: 0 or -ENOMEM. */
int lock_init_recursive(pthread_mutex_t *lock);

/* 0, or -ENOMEM. @fallback is set by the caller. */
int bus_set_init(struct bus_set *set);
/* Every bus is empty, or its devices are about to be freed. */
void bus_set_destroy(struct bus_set *set);

static inline void bus_set_lock(struct bus_set *set)
{
	pthread_mutex_lock(&set->lock);
}

static inline void bus_set_unlock(struct bus_set *set)
{
	pthread_mutex_unlock(&set->lock);
}

/* The bus of that name, made if need be; NULL without memory, or for a name too long or empty. */
struct rf_bus *bus_get(struct bus_set *set, const char *name);

/* How far ahead a walk asks for what it will look at: memory is slower than that is long. */
#define BUS_AHEAD 8u

static inline struct bus_walk bus_walk_begin(struct rf_bus *bus)
{
	bus->walks++;
	return (struct bus_walk){ .end = bus->nr_places };
}

/* The next device, or NULL: the end. */
static inline struct rf_device *bus_walk_next(const struct rf_bus *bus, struct bus_walk *walk)
{
	struct rf_device *dev = NULL;

	while (!dev && walk->at < walk->end) {
		dev = bus->devices[walk->at++];
		if (walk->at + BUS_AHEAD < walk->end)
			__builtin_prefetch(bus->devices[walk->at + BUS_AHEAD]);
	}
	return dev;
}

/* Always, however far it went. */
static inline void bus_walk_end(struct rf_bus *bus)
{
	bus->walks--;
}

/*
 * Add a device, below @dev->parent if that is set. 0; -EEXIST where the bus has
 * another device without model of that name; -ENOMEM; -EBUSY when it is on a bus already;
 * what a notifier returned; then nothing has changed.
 */
int bus_add_device(struct rf_bus *bus, struct rf_device *dev);
/*
 * Take the hardware away, and let go of the device: it is freed now or when its
 * last user lets go. Nothing happens the second time.
 */
void bus_remove_device(struct rf_device *dev);

/*
 * Register. With @playback, devices already there are told first: to a provider
 * those that nobody has claimed and that are in no group, to others all. 0; what
 * the notifier returned for one of them: it has then been told of the removal of
 * those before, and is not registered.
 */
int bus_notifier_register(struct rf_bus *bus, struct bus_notifier *notifier, bool playback);
/* From any context that may take the lock, its own callback included. */
void bus_notifier_unregister(struct rf_bus *bus, struct bus_notifier *notifier);

#endif
