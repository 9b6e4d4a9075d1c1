/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What vfio asks of an open /dev/iommu: to own a device and to point it at an
 * address space. The two API modules do not include each other; the file's
 * operations carry this table (base/file.h), so whoever holds a descriptor's
 * file can tell that it is an iommufd and use it.
 *
 * A bound device belongs to whoever bound it: bind, attach, detach and unbind
 * of one struct iommufd_device never overlap (the caller's lock sees to it).
 * They take iommufd's locks, so the caller holds none that is taken below it:
 * order is the caller's device set, iommufd objects, group, ioas, device.
 */
#ifndef RF_BASE_IOMMUFD_LINK_H
#define RF_BASE_IOMMUFD_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct file;
struct rf_device;
struct rf_group;
struct iommufd_device; /* a device bound to an iommufd */

/**
 * struct iommufd_link_ops - an iommufd, seen from vfio
 * @bind: own @dev (and so its group) and give it an object id in @id. Keeps a
 *	reference to @file until unbind. -EINVAL, -ENODEV without a group, -EPERM
 *	when the group belongs to somebody else or its interrupts are not
 *	isolated, -ENOMEM. The caller keeps the device's group until unbind
 * @unbind: detaches first if need be, and ends the object. Never fails
 * @attach: point the device at *@pt_id, an IOAS or HWPT, from nothing or, when
 *	it is attached, from what it had, in one step; *@pt_id becomes the HWPT.
 *	-ENOENT, -EINVAL, -EADDRINUSE, -ENOMEM ...; nothing changes on failure
 * @detach: undo attach; nothing when it is not attached
 * @attached: whether it is
 * @file: the iommufd that the device is bound to, without a new reference
 * @id: the object id of a bound device
 * @has_group: whether a device of the group is bound to this iommufd
 * @compat_create: a group is put into this iommufd as into a container: make the
 *	compatibility IOAS unless there is one. -ENOMEM
 * @compat_id: the id of the compatibility IOAS; -ENODEV without one
 */
struct iommufd_link_ops {
	int (*bind)(struct file *file, struct rf_device *dev, struct iommufd_device **out,
		    uint32_t *id);
	void (*unbind)(struct iommufd_device *idev);
	int (*attach)(struct iommufd_device *idev, uint32_t *pt_id);
	void (*detach)(struct iommufd_device *idev);
	bool (*attached)(const struct iommufd_device *idev);
	struct file *(*file)(const struct iommufd_device *idev);
	uint32_t (*id)(const struct iommufd_device *idev);
	bool (*has_group)(struct file *file, const struct rf_group *group);
	int (*compat_create)(struct file *file);
	int (*compat_id)(struct file *file, uint32_t *id);
};

#endif
