/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices with functions on bus 1, behind the usual IOMMU, as members of a group.
 */
#ifndef TEST_GROUP_MEMBER_H
#define TEST_GROUP_MEMBER_H

#include "bus/device.h"

/*
 * @wish: the number of the group that it is to be in, or DEVICE_NO_WISH. Bus mastering is
 * on. NULL: no memory.
 */
static inline struct rf_device *member_of(const struct rf_pci_model *model, unsigned slot, int wish)
{
	const struct pci_address at = { .bus = 1, .slot = (uint8_t)slot };
	struct rf_device *dev;
	char *error;

	if (device_new(model, &at, NULL, &dev, &error))
		return NULL;
	dev->iommu = iommu_kind_find(NULL);
	dev->group_wish = wish;
	dev->of_set = wish >= 0;
	config_write(dev, 4, 6, 2); /* memory and bus mastering */
	return dev;
}

#endif
