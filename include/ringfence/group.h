/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Isolation groups: the smallest sets of devices that can be given away
 * safely.
 */
#ifndef RINGFENCE_GROUP_H
#define RINGFENCE_GROUP_H

#include <ringfence/types.h>

/** rf_device_group() - the device's group; NULL: it can never be assigned */
RF_API struct rf_group *rf_device_group(const struct rf_device *dev);

/** rf_group_id() - its number, as in /dev/vfio/N */
RF_API unsigned rf_group_id(const struct rf_group *group);

/**
 * rf_group_viable() - whether no device of the group is in use by a host driver
 */
RF_API bool rf_group_viable(const struct rf_group *group);

/**
 * rf_group_attach() - point every device of the group at an address space
 * @group: the group
 * @ioas: the space; the group holds a reference until it is detached
 *
 * Return: 0; -EPERM with @group NULL (no IOMMU above the device) or not
 * viable; -EBUSY when attached already; -EADDRINUSE where a mapping lies
 * outside what the devices' IOMMU can address; -ENOMEM. Nothing changes on
 * failure.
 */
RF_API int rf_group_attach(struct rf_group *group, struct rf_ioas *ioas);

/** rf_group_detach() - undo rf_group_attach(); DMA is refused from then on */
RF_API void rf_group_detach(struct rf_group *group);

#endif
