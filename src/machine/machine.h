/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machines: the devices, groups and options of one description.
 *
 * Built once and then only read: nothing here changes while a machine is in
 * use, apart from rf_machine_add_device(), which its caller keeps apart from
 * all other use of the machine.
 */
#ifndef RF_MACHINE_MACHINE_H
#define RF_MACHINE_MACHINE_H

#include <ringfence/machine.h>

#include "bus/device.h"
#include "group/group.h"
#include "iommufd/iommufd.h"
#include "pasid/pasid.h"
#include "vfio/vfio.h"

struct description;
struct group_set;

struct rf_machine {
	struct description *desc;
	struct iommu_kind kind; /* the description's, with its choice of remapping */
	const struct iommu_kind *iommu; /* &kind */
	struct vfio_options vfio;
	struct iommufd_options iommufd;
	struct rf_device *devices; /* by address */
	struct rf_group *groups; /* by id */
	struct rf_owner *self;
	struct group_set *set; /* the groups, and the buses that devices are on */
	struct pasid_space *pasids;
};

/*
 * Build what a description says; takes it over, also on failure. 0; -EINVAL or
 * what a model's init returned, with *error; -ENOMEM.
 */
int machine_build(struct description *desc, struct rf_machine **out, char **error);

struct rf_group *machine_group(struct rf_machine *machine, unsigned id);

/*
 * The number in a device's name /dev/vfio/devices/vfioN: counted by address
 * over all devices that have a group, whatever driver they are bound to, so that it stays.
 */
unsigned machine_cdev_index(const struct rf_machine *machine, const struct rf_device *dev);
/* The device of that number, or NULL. */
struct rf_device *machine_cdev(struct rf_machine *machine, unsigned index);

/* Whether the IOMMU shows itself as Intel's do: /sys/class/iommu/dmar0. */
bool machine_is_x86(const struct rf_machine *machine);

/*
 * The session's view: below the directory @dirfd make sys/, dev/ and so on for
 * the machine, as Linux shows them. 0 or a negative errno with *error.
 */
int view_build(const struct rf_machine *machine, int dirfd, char **error);

#endif
