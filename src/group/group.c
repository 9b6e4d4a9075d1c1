/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Isolation groups: attached and detached as one.
 *
 * A group that is attached holds a reference to the address space and one get
 * of its domain; every device of the group has that domain. Attaching is all
 * or nothing: when one device cannot follow, those before it are detached
 * again.
 *
 * A device that joins an attached group is attached as it joins. If that fails
 * it is in the group all the same, as it can reach what the others reach, but it
 * is quarantined: no domain, so none of its DMA goes anywhere, and the group is
 * not viable until it leaves.
 *
 * Every group has one kind of IOMMU above it, that of its first device.
 */
#include "group/group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "bus/bus.h"
#include "group/set.h"
#include "ioas/ioas.h"

int group_new(unsigned id, struct rf_group **out)
{
	struct rf_group *group = alloc_zeroed(sizeof(*group));

	if (!group)
		return -ENOMEM;
	if (lock_init_recursive(&group->members)) {
		alloc_free(group);
		return -ENOMEM;
	}
	group->id = id;
	pthread_mutex_init(&group->lock, NULL);
	*out = group;
	return 0;
}

void group_free(struct rf_group *group)
{
	if (!group)
		return;
	group_detach(group);
	for (unsigned i = 0; i < group->nr_devices; i++)
		group->devices[i]->group = NULL;
	if (group->set)
		group_set_forget(group);
	free(group->devices);
	free(group->name);
	pthread_mutex_destroy(&group->members);
	pthread_mutex_destroy(&group->lock);
	alloc_free(group);
}

void group_put(struct rf_group *group)
{
	struct group_set *set = group->set;

	if (!set) {
		atomic_fetch_sub(&group->users, 1);
		return;
	}
	bus_set_lock(&set->buses);
	atomic_fetch_sub(&group->users, 1);
	group_set_collect(group);
	bus_set_unlock(&set->buses);
}

void group_link_name(const struct rf_device *dev, char name[GROUP_LINK_SIZE])
{
	if (dev->group_suffix)
		snprintf(name, GROUP_LINK_SIZE, "%s.%u", dev->name, dev->group_suffix);
	else
		snprintf(name, GROUP_LINK_SIZE, "%s", dev->name);
}

static bool group_has_link(const struct rf_group *group, const char *name)
{
	char other[GROUP_LINK_SIZE];

	for (unsigned i = 0; i < group->nr_devices; i++) {
		group_link_name(group->devices[i], other);
		if (strcmp(name, other) == 0)
			return true;
	}
	return false;
}

/* Names are unique on a bus, so only where several meet can they be taken. */
static void group_choose_link(struct rf_group *group, struct rf_device *dev)
{
	char name[GROUP_LINK_SIZE];

	dev->group_suffix = 0;
	if (group->nr_devices && group->devices[0]->bus != dev->bus)
		group->many_buses = true;
	if (!group->many_buses)
		return;
	group_link_name(dev, name);
	while (group_has_link(group, name)) {
		dev->group_suffix++;
		group_link_name(dev, name);
	}
}

static int group_grow(struct rf_group *group)
{
	unsigned max = group->max_devices ? group->max_devices * 2 : 1;
	struct rf_device **devices;

	if (group->nr_devices < group->max_devices)
		return 0;
	devices = alloc_should_fail() ? NULL :
					realloc(group->devices, max * sizeof(struct rf_device *));
	if (!devices)
		return -ENOMEM;
	group->devices = devices;
	group->max_devices = max;
	return 0;
}

static void group_quarantine(struct rf_group *group, struct rf_device *dev, int err)
{
	log_line(LOG_WARN,
		 "group %u: %s cannot be attached to the group's address space (%s): it is "
		 "quarantined and the group not viable until it is removed",
		 group->id, dev->name, strerror(-err));
	if (group->manager && group->manager->quarantined)
		group->manager->quarantined(group, dev, err, group->manager_data);
}

static int group_add_locked(struct rf_group *group, struct rf_device *dev)
{
	int ret;

	if (dev->group)
		return -EBUSY;
	if (!dev->iommu || (group->nr_devices && dev->iommu != group->devices[0]->iommu))
		return -EINVAL;
	ret = group_grow(group);
	if (ret)
		return ret;
	group_choose_link(group, dev);
	if (group->domain)
		ret = device_attach(dev, group->domain);
	group->devices[group->nr_devices++] = dev;
	group->had_devices = true;
	group->nr_quarantined += ret != 0;
	/* quarantined first: who attaches a PASID takes no lock of ours, and looks at both */
	__atomic_store_n(&dev->quarantined, ret != 0, __ATOMIC_RELAXED);
	__atomic_store_n(&dev->group, group, __ATOMIC_RELEASE);
	if (group->manager && group->manager->added)
		group->manager->added(group, dev, group->manager_data);
	if (ret && dev->group == group)
		group_quarantine(group, dev, ret);
	return 0;
}

int group_add_device(struct rf_group *group, struct rf_device *dev)
{
	int ret;

	group_lock_members(group);
	ret = group_add_locked(group, dev);
	group_unlock_members(group);
	return ret;
}

static void group_drop(struct rf_group *group, const struct rf_device *dev)
{
	unsigned at = 0;

	while (group->devices[at] != dev)
		at++;
	memmove(group->devices + at, group->devices + at + 1,
		(group->nr_devices - at - 1) * sizeof(struct rf_device *));
	group->nr_devices--;
}

void group_remove_device(struct rf_device *dev)
{
	struct rf_group *group = dev->group;

	if (!group)
		return;
	group_lock_members(group);
	device_detach(dev);
	group_drop(group, dev);
	if (dev->quarantined)
		group->nr_quarantined--;
	dev->group_suffix = 0;
	__atomic_store_n(&dev->group, NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&dev->quarantined, false, __ATOMIC_RELAXED);
	device_detach_pasids(dev);
	if (group->manager && group->manager->removed)
		group->manager->removed(group, dev, group->manager_data);
	group_unlock_members(group);
	if (group->set)
		group_set_collect(group);
}

bool group_viable(const struct rf_group *group)
{
	struct rf_group *locked = (struct rf_group *)group;
	bool viable;

	group_lock_members(locked);
	viable = !group->nr_quarantined;
	for (unsigned i = 0; viable && i < group->nr_devices; i++)
		viable = driver_manages_dma(group->devices[i]->host_driver);
	group_unlock_members(locked);
	return viable;
}

bool group_dma_claimed(const struct rf_group *group)
{
	struct rf_group *locked = (struct rf_group *)group;
	bool claimed;

	group_lock_members(locked);
	claimed = group->dma_claims;
	group_unlock_members(locked);
	return claimed;
}

/* One that was removed is on its way out; one that is quarantined stays so. */
static bool device_stays_out(const struct rf_device *dev)
{
	return device_gone(dev) || dev->quarantined;
}

/* All devices, or none; each goes from what it had to @domain in one step. */
static int group_attach_devices(struct rf_group *group, struct domain *domain)
{
	unsigned n;
	int ret;

	for (n = 0; n < group->nr_devices; n++) {
		if (device_stays_out(group->devices[n]))
			continue;
		ret = device_prepare_attach(group->devices[n], domain);
		if (ret)
			goto undo;
	}
	for (n = 0; n < group->nr_devices; n++)
		device_finish_attach(group->devices[n]);
	return 0;
undo:
	while (n--)
		device_abandon_attach(group->devices[n]);
	return ret;
}

/* Into a space's domain; what they leave is the caller's to put. */
static int group_enter(struct rf_group *group, struct rf_ioas *ioas, const struct iommu_kind *kind)
{
	struct domain *domain;
	int ret;

	ret = ioas_get_domain(ioas, kind, &domain);
	if (ret)
		return ret;
	ret = group_attach_devices(group, domain);
	if (ret) {
		ioas_put_domain(ioas, domain);
		return ret;
	}
	group->ioas = ioas_get(ioas);
	group->domain = domain;
	return 0;
}

static int group_attach_locked(struct rf_group *group, struct rf_ioas *ioas)
{
	if (!group->nr_devices || !group_viable(group))
		return -EPERM;
	if (group->ioas || group->dma_claims)
		return -EBUSY;
	return group_enter(group, ioas, group->devices[0]->iommu);
}

int group_attach(struct rf_group *group, struct rf_ioas *ioas)
{
	int ret;

	if (!group)
		return -EPERM;
	group_lock_members(group);
	ret = group_attach_locked(group, ioas);
	group_unlock_members(group);
	return ret;
}

static int group_replace_locked(struct rf_group *group, struct rf_ioas *ioas)
{
	struct rf_ioas *left = group->ioas;
	struct domain *domain = group->domain;
	int ret;

	if (!left)
		return -EINVAL;
	if (left == ioas)
		return 0;
	ret = group_enter(group, ioas, domain_kind(domain));
	if (ret)
		return ret;
	ioas_put_domain(left, domain);
	ioas_put(left);
	return 0;
}

int rf_group_replace(struct rf_group *group, struct rf_ioas *ioas)
{
	int ret;

	if (!group)
		return -EPERM;
	group_lock_members(group);
	ret = group_replace_locked(group, ioas);
	group_unlock_members(group);
	return ret;
}

void group_detach(struct rf_group *group)
{
	struct rf_ioas *ioas;

	if (!group)
		return;
	group_lock_members(group);
	ioas = group->ioas;
	if (ioas) {
		for (unsigned i = 0; i < group->nr_devices; i++)
			device_detach(group->devices[i]);
		ioas_put_domain(ioas, group->domain);
		group->ioas = NULL;
		group->domain = NULL;
		ioas_put(ioas);
	}
	group_unlock_members(group);
}

static int group_claim_dma_locked(struct rf_group *group, const void *owner)
{
	if (group->dma_claims ? group->dma_owner != owner : !group_viable(group))
		return -EPERM;
	if (group->ioas)
		return -EBUSY;
	if (group->manager)
		return -EPERM;
	group->dma_owner = owner;
	group->dma_claims++;
	return 0;
}

int group_claim_dma(struct rf_group *group, const void *owner)
{
	int ret;

	group_lock_members(group);
	ret = group_claim_dma_locked(group, owner);
	group_unlock_members(group);
	return ret;
}

void group_release_dma(struct rf_group *group)
{
	group_lock_members(group);
	if (!--group->dma_claims)
		group->dma_owner = NULL;
	group_unlock_members(group);
}

static int group_set_domain_locked(struct rf_group *group, struct domain *domain)
{
	int ret = domain ? group_attach_devices(group, domain) : 0;

	if (ret)
		return ret;
	for (unsigned n = 0; !domain && n < group->nr_devices; n++)
		device_detach(group->devices[n]);
	group->domain = domain;
	return 0;
}

int group_set_domain(struct rf_group *group, struct domain *domain)
{
	int ret;

	group_lock_members(group);
	ret = group_set_domain_locked(group, domain);
	group_unlock_members(group);
	return ret;
}

struct rf_group *rf_device_group(const struct rf_device *dev)
{
	return dev->group;
}

const char *rf_device_no_group(const struct rf_device *dev)
{
	if (dev->group)
		return NULL;
	return dev->no_group ? dev->no_group : "no IOMMU above it";
}

unsigned rf_group_id(const struct rf_group *group)
{
	return group->id;
}

const char *rf_group_name(const struct rf_group *group)
{
	return group->name;
}

unsigned rf_group_nr_devices(const struct rf_group *group)
{
	return group->nr_devices;
}

struct rf_device *rf_group_device(const struct rf_group *group, unsigned n)
{
	return n < group->nr_devices ? group->devices[n] : NULL;
}

bool rf_group_viable(const struct rf_group *group)
{
	return group_viable(group);
}

int rf_group_attach(struct rf_group *group, struct rf_ioas *ioas)
{
	return group_attach(group, ioas);
}

void rf_group_detach(struct rf_group *group)
{
	group_detach(group);
}
