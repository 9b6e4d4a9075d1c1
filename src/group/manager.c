/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Managers: who gives the devices of a group away as one.
 *
 * A claimed group is out of the host's reach: no driver that would use DMA on the
 * host's behalf can take one of its devices. A group can only be claimed while no
 * such driver has one, which is what viable means.
 */
#include <errno.h>
#include <string.h>

#include "group/set.h"

/* Drivers that never touch DMA mappings; Linux marks them driver_managed_dma. */
static const char *const managed[] = {
	"vfio-pci",	   "pci-stub",		"pcieport",
	"mlx5_vfio_pci",   "hisi-acc-vfio-pci", "nvgrace-gpu-vfio-pci",
	"virtio-vfio-pci", "virtio_vfio_pci",	"pds_vfio_pci",
	"qat_vfio_pci",	   "vfio-platform",	"vfio-amba",
	"vfio-fsl-mc",	   "vfio-cdx",
};

bool driver_manages_dma(const char *driver)
{
	if (!driver)
		return true;
	for (size_t i = 0; i < sizeof(managed) / sizeof(*managed); i++)
		if (strcmp(driver, managed[i]) == 0)
			return true;
	return false;
}

int group_claim(struct rf_group *group, const struct rf_manager_ops *ops, void *data)
{
	int ret = 0;

	group_lock_members(group);
	if (group->manager || group->dma_claims)
		ret = -EBUSY;
	else if (!group->nr_devices || !group_viable(group))
		ret = -EPERM;
	else {
		group->manager = ops;
		group->manager_data = data;
	}
	group_unlock_members(group);
	return ret;
}

void group_unclaim(struct rf_group *group, const void *data)
{
	group_lock_members(group);
	if (group->manager && group->manager_data == data) {
		group->manager = NULL;
		group->manager_data = NULL;
	}
	group_unlock_members(group);
}

/*
 * Whether @driver may take @dev: 0; -EBUSY while its group is claimed, unless the
 * driver leaves DMA to others; -ENODEV when it was removed.
 */
static int device_may_bind(const struct rf_device *dev, const char *driver)
{
	struct rf_group *group = dev->group;
	int ret = 0;

	if (device_gone(dev))
		return -ENODEV;
	if (!group || driver_manages_dma(driver))
		return 0;
	group_lock_members(group);
	if (group->manager || group->dma_claims)
		ret = -EBUSY;
	group_unlock_members(group);
	return ret;
}

int rf_group_claim(struct rf_group *group, const struct rf_manager_ops *ops, void *data)
{
	int ret;

	if (!group)
		return -EPERM;
	if (!ops || !ops->name)
		return -EINVAL;
	ret = group_claim(group, ops, data);
	if (!ret)
		group_get(group);
	return ret;
}

void rf_group_release(struct rf_group *group, const void *data)
{
	bool mine;

	group_lock_members(group);
	mine = group->manager && group->manager_data == data;
	group_unclaim(group, data);
	group_unlock_members(group);
	if (mine)
		group_put(group);
}

const char *rf_group_manager(const struct rf_group *group)
{
	const struct rf_manager_ops *manager = group->manager;

	return manager ? manager->name : NULL;
}

const char *rf_device_driver(const struct rf_device *dev)
{
	return dev->host_driver;
}

/* The name is kept by the set; who has none keeps it himself. */
static int bind_name(struct rf_device *dev, const char *driver)
{
	struct bus_set *set = dev->bus ? dev->bus->set : NULL;

	if (set)
		driver = group_set_driver((struct group_set *)set, driver);
	if (!driver)
		return -ENOMEM;
	__atomic_store_n(&dev->host_driver, (void *)driver, __ATOMIC_RELEASE);
	return 0;
}

int rf_device_bind(struct rf_device *dev, const char *driver)
{
	struct rf_group *group = dev->group;
	int ret;

	if (!driver) {
		__atomic_store_n(&dev->host_driver, NULL, __ATOMIC_RELEASE);
		return 0;
	}
	if (group)
		group_lock_members(group);
	ret = device_may_bind(dev, driver);
	if (!ret && dev->host_driver)
		ret = -EBUSY;
	if (!ret)
		ret = bind_name(dev, driver);
	if (group)
		group_unlock_members(group);
	return ret;
}
