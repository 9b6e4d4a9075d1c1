/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bus notifiers: who is told of devices that come and go.
 *
 * A chain is ordered by kind, then by registration. A device that is added goes
 * along the providers until one claims it, which ends their part of the chain;
 * if none does, the fallback decides; in any case observers are told. Removal is
 * told to observers, to whoever claimed the device, and to the fallback.
 *
 * Any member may leave (and be freed) while the chain is being walked, from
 * inside its own callback or another's; who joins meanwhile is not called for
 * the event under way.
 *
 * Locks: the bus set's, around everything (bus/bus.h).
 */
#ifndef RF_BUS_NOTIFIER_H
#define RF_BUS_NOTIFIER_H

#include <stdbool.h>

struct rf_device;

enum notifier_kind { NOTIFIER_PROVIDER, NOTIFIER_FALLBACK, NOTIFIER_OBSERVER };
enum bus_event { BUS_DEVICE_ADDED, BUS_DEVICE_REMOVED };

#define BUS_CLAIMED 0
#define BUS_PASSED  1

/**
 * struct bus_notifier - a member of a chain
 * @kind: set by its owner before it is registered
 * @notify: of an added device: BUS_CLAIMED, BUS_PASSED, or a negative errno,
 *	which makes adding fail. Observers return BUS_PASSED. Of a removed
 *	device: the result means nothing
 */
struct bus_notifier {
	enum notifier_kind kind;
	int (*notify)(struct bus_notifier *notifier, enum bus_event event, struct rf_device *dev);
	struct bus_notifier *next; /* the chain's, as is the next */
	unsigned long joined;
};

struct chain_walk;

struct notifier_chain {
	struct bus_notifier *first;
	unsigned long joins; /* how many have ever joined */
	struct chain_walk *walks; /* under way, innermost first */
};

void chain_insert(struct notifier_chain *chain, struct bus_notifier *notifier);
/* Nothing if it is not in the chain. */
void chain_remove(struct notifier_chain *chain, struct bus_notifier *notifier);
bool chain_has(const struct notifier_chain *chain, const struct bus_notifier *notifier);

/*
 * Tell of a device that was added: 0, or the errno of the first that failed; then
 * those that had been told have been told of its removal.
 */
int chain_added(struct notifier_chain *chain, struct rf_device *dev);
void chain_removed(struct notifier_chain *chain, struct rf_device *dev);

#endif
