/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A walk of a chain keeps the member it will call next where chain_remove() can
 * find and move it. So a member can be unlinked, and its memory reused, at any
 * time. A mark on each walk keeps out those who joined since it began: what they
 * have missed is played back to them when they register.
 */
#include "bus/notifier.h"

#include <stddef.h>

#include "bus/device.h"

/**
 * struct chain_walk - one event on its way along a chain
 * @next: who is called next; NULL: nobody
 * @mark: how many had joined when it began
 * @outer: the walk from inside which this one was started
 */
struct chain_walk {
	struct bus_notifier *next;
	unsigned long mark;
	struct chain_walk *outer;
};

static void walk_begin(struct notifier_chain *chain, struct chain_walk *walk)
{
	walk->next = chain->first;
	walk->mark = chain->joins;
	walk->outer = chain->walks;
	chain->walks = walk;
}

static struct bus_notifier *walk_step(struct chain_walk *walk)
{
	struct bus_notifier *n;

	do {
		n = walk->next;
		if (n)
			walk->next = n->next;
	} while (n && n->joined > walk->mark);
	return n;
}

static void walk_end(struct notifier_chain *chain, struct chain_walk *walk)
{
	chain->walks = walk->outer;
}

void chain_insert(struct notifier_chain *chain, struct bus_notifier *notifier)
{
	struct bus_notifier **link = &chain->first;

	while (*link && (*link)->kind <= notifier->kind)
		link = &(*link)->next;
	notifier->next = *link;
	notifier->joined = ++chain->joins;
	*link = notifier;
}

void chain_remove(struct notifier_chain *chain, struct bus_notifier *notifier)
{
	struct bus_notifier **link = &chain->first;

	while (*link && *link != notifier)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = notifier->next;
	for (struct chain_walk *walk = chain->walks; walk; walk = walk->outer)
		if (walk->next == notifier)
			walk->next = notifier->next;
}

bool chain_has(const struct notifier_chain *chain, const struct bus_notifier *notifier)
{
	const struct bus_notifier *n = chain->first;

	while (n && n != notifier)
		n = n->next;
	return n;
}

/*
 * In reverse of the order of adding, observers come first: they may look at the
 * group that whoever claimed the device then takes it out of. The fallback hears
 * of every device, as it may be in a group that nobody claimed it for.
 *
 * @until: only those before what this walk would call next; NULL: all.
 */
static void chain_tell_removed(struct notifier_chain *chain, struct rf_device *dev, bool observers,
			       const struct chain_walk *until, const struct bus_notifier *except)
{
	struct chain_walk walk;
	struct bus_notifier *n;

	walk_begin(chain, &walk);
	while ((n = walk_step(&walk)) && !(until && n == until->next)) {
		if (n == except || observers != (n->kind == NOTIFIER_OBSERVER))
			continue;
		if (n == dev->claimed_by || n->kind != NOTIFIER_PROVIDER)
			n->notify(n, BUS_DEVICE_REMOVED, dev);
	}
	walk_end(chain, &walk);
}

void chain_removed(struct notifier_chain *chain, struct rf_device *dev)
{
	chain_tell_removed(chain, dev, true, NULL, NULL);
	chain_tell_removed(chain, dev, false, NULL, NULL);
	dev->claimed_by = NULL;
}

int chain_added(struct notifier_chain *chain, struct rf_device *dev)
{
	struct bus_notifier *n, *failed = NULL;
	struct chain_walk walk;
	bool claimed = false;
	int ret = 0;

	walk_begin(chain, &walk);
	while (ret >= 0 && (n = walk_step(&walk))) {
		bool decides = n->kind != NOTIFIER_OBSERVER;

		if (claimed && decides)
			continue;
		failed = n;
		ret = n->notify(n, BUS_DEVICE_ADDED, dev);
		if (ret != BUS_CLAIMED || !decides)
			continue;
		claimed = true;
		if (chain_has(chain, n)) /* it may have left, and be no more */
			dev->claimed_by = n;
	}
	if (ret < 0) {
		chain_tell_removed(chain, dev, true, &walk, failed);
		chain_tell_removed(chain, dev, false, &walk, failed);
		dev->claimed_by = NULL;
	}
	walk_end(chain, &walk);
	return ret < 0 ? ret : 0;
}
