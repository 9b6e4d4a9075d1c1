/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The groups of a machine, by number; and what happens to devices nobody claims.
 */
#include "group/set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "group/pci.h"

#define ARRAY_LEAST 16u

struct driver_name {
	struct driver_name *next;
	char name[];
};

/* Where @id is, or would have to go. */
static unsigned set_position(const struct group_set *set, unsigned id)
{
	unsigned first = 0, end = set->nr;

	if (id < set->dense)
		return id;
	if (end && set->groups[end - 1]->id < id)
		return end;
	while (first < end) {
		unsigned middle = first + (end - first) / 2;

		if (set->groups[middle]->id < id)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

struct rf_group *group_set_find(const struct group_set *set, unsigned id)
{
	unsigned at = set_position(set, id);

	return at < set->nr && set->groups[at]->id == id ? set->groups[at] : NULL;
}

static void set_link(struct group_set *set, unsigned at)
{
	struct rf_group *next = at + 1 < set->nr ? set->groups[at + 1] : NULL;

	set->groups[at]->next = next;
}

static void set_relink(struct group_set *set, unsigned at)
{
	if (at < set->nr)
		set_link(set, at);
	if (at)
		set_link(set, at - 1);
	*set->head = set->nr ? set->groups[0] : NULL;
}

static int set_grow(struct group_set *set)
{
	unsigned max = set->max ? set->max * 2 : ARRAY_LEAST;
	struct rf_group **groups;

	if (set->nr < set->max)
		return 0;
	groups = alloc_should_fail() ? NULL : realloc(set->groups, max * sizeof(struct rf_group *));
	if (!groups)
		return -ENOMEM;
	set->groups = groups;
	set->max = max;
	return 0;
}

static void set_insert(struct group_set *set, struct rf_group *group)
{
	unsigned at = set_position(set, group->id);

	memmove(set->groups + at + 1, set->groups + at, (set->nr - at) * sizeof(struct rf_group *));
	set->groups[at] = group;
	set->nr++;
	group->set = set;
	while (set->dense < set->nr && set->groups[set->dense]->id == set->dense)
		set->dense++;
	set_relink(set, at);
}

void group_set_forget(struct rf_group *group)
{
	struct group_set *set = group->set;
	unsigned at = set_position(set, group->id);

	memmove(set->groups + at, set->groups + at + 1,
		(set->nr - at - 1) * sizeof(struct rf_group *));
	set->nr--;
	if (set->dense > at)
		set->dense = at;
	set_relink(set, at);
	group->set = NULL;
}

int group_set_make(struct group_set *set, unsigned id, struct rf_group **out)
{
	struct rf_group *group;
	int ret;

	if (id == GROUP_ANY_ID)
		id = set->dense;
	else if (group_set_find(set, id))
		return -EEXIST;
	ret = set_grow(set);
	if (!ret)
		ret = group_new(id, &group);
	if (ret)
		return ret;
	set_insert(set, group);
	*out = group;
	return 0;
}

void group_set_collect(struct rf_group *group)
{
	if (!group->nr_devices && group->had_devices && !atomic_load(&group->users))
		group_free(group);
}

/* The group of the nearest device above that has one. */
static struct rf_device *above_with_group(const struct rf_device *dev)
{
	struct rf_device *above = dev->parent;

	while (above && !above->group)
		above = above->parent;
	return above;
}

static int fallback_added(struct rf_device *dev)
{
	struct rf_device *above = above_with_group(dev);
	const struct iommu_kind *own = dev->iommu;
	int ret;

	if (!above || dev->group || dev->group_wish == DEVICE_NO_GROUP)
		return BUS_PASSED;
	dev->iommu = above->iommu;
	ret = group_add_device(above->group, dev);
	if (ret)
		dev->iommu = own;
	return ret ? ret : BUS_CLAIMED;
}

static int set_fallback(struct bus_notifier *notifier, enum bus_event event, struct rf_device *dev)
{
	if (event == BUS_DEVICE_ADDED)
		return fallback_added(dev);
	group_remove_device(dev);
	return BUS_PASSED;
}

/* The built-in provider of groups that a description names. */
static int described_added(struct rf_provider *provider, struct rf_device *dev)
{
	struct group_set *set = provider_set(provider);
	struct rf_group *group;
	int ret = 0;

	if (dev->group_wish < 0)
		return RF_NOT_MINE;
	group = group_set_find(set, (unsigned)dev->group_wish);
	if (!group)
		ret = group_set_make(set, (unsigned)dev->group_wish, &group);
	if (ret)
		return ret;
	ret = group_add_device(group, dev);
	if (ret && !group->had_devices)
		group_free(group);
	return ret;
}

static const char *const pci_buses[] = { "pci", NULL };

static const struct rf_provider_ops described_ops = {
	.name = "description",
	.buses = pci_buses,
	.added = described_added,
};

static int topology_added(struct rf_provider *provider, struct rf_device *dev)
{
	return pci_provider_added(provider_set(provider), dev);
}

static void topology_removed(struct rf_provider *provider, struct rf_device *dev)
{
	struct pci_function *fn = dev->function;

	/* another device may have come in its place while it was still open */
	if (!fn->dev || fn->dev == dev)
		fn->group = PCI_GROUP_NONE;
}

static const struct rf_provider_ops topology_ops = {
	.name = "pci topology",
	.buses = pci_buses,
	.added = topology_added,
	.removed = topology_removed,
};

int group_set_new(struct rf_group **head, struct group_set **out)
{
	struct group_set *set = alloc_zeroed(sizeof(*set));
	int ret;

	if (!set)
		return -ENOMEM;
	ret = bus_set_init(&set->buses);
	if (ret) {
		alloc_free(set);
		return ret;
	}
	set->buses.fallback = set_fallback;
	set->head = head;
	ret = provider_register(set, &described_ops, NULL, &set->described);
	if (ret) {
		group_set_free(set);
		return ret;
	}
	*out = set;
	return 0;
}

static void bus_forget_devices(struct rf_bus *bus)
{
	unsigned nr = bus->nr_places;

	bus->nr_places = bus->nr_devices = 0;
	for (unsigned i = 0; i < nr; i++) {
		struct rf_device *dev = bus->devices[i];

		if (!dev)
			continue;
		dev->bus = NULL;
		dev->claimed_by = NULL;
		if (dev->of_set)
			device_free(dev);
	}
}

void group_set_free(struct group_set *set)
{
	if (!set)
		return;
	while (set->nr)
		group_free(set->groups[set->nr - 1]);
	for (struct rf_bus *bus = set->buses.buses; bus; bus = bus->next)
		bus_forget_devices(bus);
	while (set->providers)
		rf_provider_unregister(set->providers);
	while (set->drivers) {
		struct driver_name *driver = set->drivers;

		set->drivers = driver->next;
		free(driver);
	}
	bus_set_destroy(&set->buses);
	free(set->groups);
	alloc_free(set);
}

int group_set_use_topology(struct group_set *set, struct pci_topology *topology,
			   enum pci_grouping grouping)
{
	int ret = 0;

	if (!set->by_topology)
		ret = provider_register(set, &topology_ops, NULL, &set->by_topology);
	if (ret)
		return ret;
	set->topology = topology;
	set->grouping = grouping;
	return 0;
}

int group_set_add_device(struct group_set *set, const char *bus, struct rf_device *dev)
{
	struct rf_bus *found = bus_get(&set->buses, bus);
	struct pci_function *above = dev->function ? dev->function->parent : NULL;

	if (above && !dev->parent)
		dev->parent = above->dev;
	return found ? bus_add_device(found, dev) : -ENOMEM;
}

const char *group_set_driver(struct group_set *set, const char *name)
{
	size_t size = strlen(name) + 1;
	struct driver_name *driver;

	for (driver = set->drivers; driver; driver = driver->next)
		if (strcmp(driver->name, name) == 0)
			return driver->name;
	driver = alloc_should_fail() ? NULL : malloc(sizeof(*driver) + size);
	if (!driver)
		return NULL;
	memcpy(driver->name, name, size);
	driver->next = set->drivers;
	set->drivers = driver;
	return driver->name;
}
