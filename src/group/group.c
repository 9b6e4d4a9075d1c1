/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Isolation groups: attached and detached as one.
 *
 * A group that is attached holds a reference to the address space and one get
 * of its domain; every device of the group has that domain. Attaching is all
 * or nothing: when one device cannot follow, those before it are detached
 * again. A device that joins an attached group is attached as it joins, or does
 * not join.
 *
 * Every group of today has one kind of IOMMU above it, that of its first device.
 *
 * Locks: whoever attaches, detaches or adds devices takes turns (the container
 * that holds the group, or the machine while it is built).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "group/group.h"
#include "ioas/ioas.h"

int group_new(unsigned id, struct rf_group **out)
{
	struct rf_group *group = alloc_zeroed(sizeof(*group));

	if (!group)
		return -ENOMEM;
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
	free(group->devices);
	pthread_mutex_destroy(&group->lock);
	alloc_free(group);
}

int group_add_device(struct rf_group *group, struct rf_device *dev)
{
	struct rf_device **devices;
	int ret;

	if (dev->group)
		return -EBUSY;
	if (!dev->iommu || (group->nr_devices && dev->iommu != group->devices[0]->iommu))
		return -EINVAL;
	devices = alloc_should_fail() ?
			  NULL :
			  realloc(group->devices, (group->nr_devices + 1) * sizeof(*devices));
	if (!devices)
		return -ENOMEM;
	group->devices = devices;
	if (group->domain) {
		ret = device_attach(dev, group->domain);
		if (ret)
			return ret;
	}
	devices[group->nr_devices++] = dev;
	dev->group = group;
	return 0;
}

static bool device_viable(const struct rf_device *dev)
{
	const char *driver = dev->host_driver;

	return !driver || !strcmp(driver, "vfio-pci");
}

bool group_viable(const struct rf_group *group)
{
	for (unsigned i = 0; i < group->nr_devices; i++)
		if (!device_viable(group->devices[i]))
			return false;
	return true;
}

/* All devices, or none. */
static int group_attach_devices(struct rf_group *group, struct domain *domain)
{
	unsigned n;
	int ret;

	for (n = 0; n < group->nr_devices; n++) {
		ret = device_attach(group->devices[n], domain);
		if (ret)
			goto undo;
	}
	return 0;
undo:
	while (n--)
		device_detach(group->devices[n]);
	return ret;
}

int group_attach(struct rf_group *group, struct rf_ioas *ioas)
{
	struct domain *domain;
	int ret;

	if (!group || !group->nr_devices || !group_viable(group))
		return -EPERM;
	if (group->ioas || group->dma_claims)
		return -EBUSY;
	ret = ioas_get_domain(ioas, group->devices[0]->iommu, &domain);
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

void group_detach(struct rf_group *group)
{
	struct rf_ioas *ioas;

	if (!group || !group->ioas)
		return;
	for (unsigned i = 0; i < group->nr_devices; i++)
		device_detach(group->devices[i]);
	ioas = group->ioas;
	ioas_put_domain(ioas, group->domain);
	group->ioas = NULL;
	group->domain = NULL;
	ioas_put(ioas);
}

int group_claim_dma(struct rf_group *group, const void *owner)
{
	if (group->dma_claims ? group->dma_owner != owner : !group_viable(group))
		return -EPERM;
	if (group->ioas)
		return -EBUSY;
	group->dma_owner = owner;
	group->dma_claims++;
	return 0;
}

void group_release_dma(struct rf_group *group)
{
	if (!--group->dma_claims)
		group->dma_owner = NULL;
}

int group_set_domain(struct rf_group *group, struct domain *domain)
{
	unsigned n;
	int ret;

	for (n = 0; domain && n < group->nr_devices; n++) {
		ret = device_attach(group->devices[n], domain);
		if (ret)
			goto undo;
	}
	for (n = 0; !domain && n < group->nr_devices; n++)
		device_detach(group->devices[n]);
	group->domain = domain;
	return 0;
undo:
	/* its place there was only just given up; should it be gone, the device is blocked */
	while (n--)
		if (!group->domain || device_attach(group->devices[n], group->domain))
			device_detach(group->devices[n]);
	return ret;
}

struct rf_group *rf_device_group(const struct rf_device *dev)
{
	return dev->group;
}

unsigned rf_group_id(const struct rf_group *group)
{
	return group->id;
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
