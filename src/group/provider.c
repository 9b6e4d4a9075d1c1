/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Providers: who puts devices into groups.
 *
 * A provider is a member of the chain of each bus it serves (bus/notifier.h). It
 * claims a device by putting it into a group; a provider that says it has, or has
 * not, while the facts are otherwise is set right and told about in the log, as
 * is one that claims a device twice.
 *
 * Groups outlive their provider as long as there are devices in them: somebody
 * may be using them. They are then nobody's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "group/set.h"

struct provider_bus {
	struct bus_notifier notifier; /* first */
	struct rf_provider *provider;
	struct rf_bus *bus;
};

struct rf_provider {
	struct rf_provider_ops ops;
	void *data;
	struct group_set *set;
	struct rf_provider *next;
	bool gone; /* unregistered from inside its own callback */
	unsigned calls; /* under way */
	unsigned nr_buses;
	struct provider_bus buses[];
};

static void provider_bug(const struct rf_provider *provider, const struct rf_device *dev,
			 const char *what)
{
	log_line(LOG_ERROR, "provider \"%s\" is wrong about %s: %s", provider->ops.name, dev->name,
		 what);
}

static void provider_end_call(struct rf_provider *provider)
{
	if (!--provider->calls && provider->gone)
		free(provider);
}

/* What it says against what it did. */
static int provider_settle(const struct rf_provider *provider, struct rf_device *dev, int ret)
{
	if (ret < 0 || ret == RF_NOT_MINE) {
		if (dev->group) {
			if (ret == RF_NOT_MINE)
				provider_bug(provider, dev, "not its own, but put into a group");
			group_remove_device(dev);
		}
		return ret < 0 ? ret : BUS_PASSED;
	}
	if (ret > RF_NOT_MINE) {
		provider_bug(provider, dev, "neither claimed nor not its own");
		group_remove_device(dev);
		return -EINVAL;
	}
	if (!dev->group)
		dev->no_group = "its provider gives it no group";
	return BUS_CLAIMED;
}

static void provider_let_go(struct rf_provider *provider, struct rf_device *dev)
{
	if (provider->ops.removed)
		provider->ops.removed(provider, dev);
	group_remove_device(dev);
}

static int provider_notify(struct bus_notifier *notifier, enum bus_event event,
			   struct rf_device *dev)
{
	struct rf_provider *provider = ((struct provider_bus *)notifier)->provider;
	int ret = BUS_PASSED;

	provider->calls++;
	if (event == BUS_DEVICE_ADDED) {
		dev->no_group = NULL;
		ret = provider->ops.added(provider, dev);
		ret = provider_settle(provider, dev, ret);
	} else {
		provider_let_go(provider, dev);
	}
	provider_end_call(provider);
	return ret;
}

static unsigned count_names(const char *const *names)
{
	unsigned n = 0;

	while (names && names[n])
		n++;
	return n;
}

static struct rf_provider *provider_new(struct group_set *set, const struct rf_provider_ops *ops,
					void *data)
{
	unsigned nr_buses = count_names(ops->buses);
	struct rf_provider *provider;

	provider = alloc_zeroed(sizeof(*provider) + nr_buses * sizeof(struct provider_bus));
	if (!provider)
		return NULL;
	provider->ops = *ops;
	provider->data = data;
	provider->set = set;
	provider->nr_buses = nr_buses;
	for (unsigned i = 0; i < nr_buses; i++) {
		struct provider_bus *pb = &provider->buses[i];

		pb->notifier.kind = NOTIFIER_PROVIDER;
		pb->notifier.notify = provider_notify;
		pb->provider = provider;
		pb->bus = bus_get(&set->buses, ops->buses[i]);
		if (!pb->bus) {
			alloc_free(provider);
			return NULL;
		}
	}
	return provider;
}

/* Its empty groups go, the others are nobody's from now on. */
static void provider_leave_groups(struct rf_provider *provider)
{
	struct group_set *set = provider->set;

	for (unsigned i = set->nr; i-- > 0;) {
		struct rf_group *group = set->groups[i];

		if (group->provider != provider)
			continue;
		group->provider = NULL;
		group->had_devices = true;
		group_set_collect(group);
	}
}

/* Devices it claimed in vain leave again, as if it had never been. */
static void provider_take_back(struct rf_provider *provider, unsigned nr_buses)
{
	for (unsigned i = 0; i < nr_buses; i++) {
		struct provider_bus *pb = &provider->buses[i];

		struct bus_walk walk = bus_walk_begin(pb->bus);
		struct rf_device *dev;

		while ((dev = bus_walk_next(pb->bus, &walk)))
			if (dev->claimed_by == &pb->notifier) {
				provider_let_go(provider, dev);
				dev->claimed_by = NULL;
			}
		bus_walk_end(pb->bus);
		bus_notifier_unregister(pb->bus, &pb->notifier);
	}
}

static void provider_unlink(struct rf_provider *provider)
{
	struct rf_provider **link = &provider->set->providers;

	while (*link != provider)
		link = &(*link)->next;
	*link = provider->next;
}

static int provider_join_buses(struct rf_provider *provider)
{
	int ret = 0;

	for (unsigned i = 0; i < provider->nr_buses && !provider->gone; i++) {
		struct provider_bus *pb = &provider->buses[i];

		ret = bus_notifier_register(pb->bus, &pb->notifier, true);
		if (ret) {
			provider_take_back(provider, i);
			break;
		}
	}
	return ret;
}

int provider_register(struct group_set *set, const struct rf_provider_ops *ops, void *data,
		      struct rf_provider **out)
{
	struct rf_provider *provider;
	int ret;

	if (!ops->name || !ops->added || !count_names(ops->buses))
		return -EINVAL;
	bus_set_lock(&set->buses);
	ret = -ENOMEM;
	provider = provider_new(set, ops, data);
	if (!provider)
		goto out;
	provider->next = set->providers;
	set->providers = provider;
	if (out)
		*out = provider;
	provider->calls++; /* keep it over its playback */
	ret = provider_join_buses(provider);
	if (ret && !provider->gone) {
		provider_leave_groups(provider);
		provider_unlink(provider);
		provider->gone = true;
	}
	if (provider->gone && out)
		*out = NULL;
	provider_end_call(provider);
out:
	bus_set_unlock(&set->buses);
	return ret;
}

void rf_provider_unregister(struct rf_provider *provider)
{
	struct group_set *set;

	if (!provider || provider->gone)
		return;
	set = provider->set;
	bus_set_lock(&set->buses);
	for (unsigned i = 0; i < provider->nr_buses; i++)
		bus_notifier_unregister(provider->buses[i].bus, &provider->buses[i].notifier);
	provider_leave_groups(provider);
	provider_unlink(provider);
	provider->gone = true;
	provider->calls++;
	provider_end_call(provider);
	bus_set_unlock(&set->buses);
}

void *rf_provider_data(const struct rf_provider *provider)
{
	return provider->data;
}

struct group_set *provider_set(const struct rf_provider *provider)
{
	return provider->set;
}

int rf_group_new(struct rf_provider *provider, const char *name, struct rf_group **out)
{
	struct group_set *set = provider->set;
	struct rf_group *group;
	char *copy = NULL;
	int ret;

	if (name) {
		copy = alloc_should_fail() ? NULL : strdup(name);
		if (!copy)
			return -ENOMEM;
	}
	bus_set_lock(&set->buses);
	ret = group_set_make(set, GROUP_ANY_ID, &group);
	bus_set_unlock(&set->buses);
	if (ret) {
		free(copy);
		return ret;
	}
	group->name = copy;
	group->provider = provider;
	*out = group;
	return 0;
}

int rf_group_add_device(struct rf_group *group, struct rf_device *dev)
{
	const char *who = group->provider ? group->provider->ops.name : "of nobody";
	int ret = group_add_device(group, dev);

	if (ret == -EBUSY)
		log_line(LOG_ERROR,
			 "provider \"%s\" is wrong about %s: it is in group %u and cannot be put "
			 "into group %u too",
			 who, dev->name, dev->group->id, group->id);
	return ret;
}

void rf_group_remove_device(struct rf_device *dev)
{
	struct rf_group *group = dev->group;
	struct group_set *set = group ? group->set : NULL;

	if (set)
		bus_set_lock(&set->buses);
	group_remove_device(dev);
	if (set)
		bus_set_unlock(&set->buses);
}
