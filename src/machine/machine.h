/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machines: the devices, groups and options of one description.
 */
#ifndef RF_MACHINE_MACHINE_H
#define RF_MACHINE_MACHINE_H

#include <ringfence/machine.h>

#include "bus/device.h"
#include "group/group.h"
#include "vfio/vfio.h"

struct rf_machine {
	const struct iommu_kind *iommu;
	struct vfio_options vfio;
	struct rf_device *devices; /* by address */
	struct rf_group *groups;   /* by id */
	struct rf_owner *self;
};

/*
 * A model by name or, with a '/' in it, by the path of a shared object (opened
 * once, never closed). 0; -ENOENT or -EINVAL with *error, to be freed.
 */
int model_find(const char *name, const struct rf_pci_model **out, char **error);

struct rf_device *machine_device(struct rf_machine *machine, const struct pci_address *address);
struct rf_group *machine_group(struct rf_machine *machine, unsigned id);

/*
 * The description with every --device merged in, written out as JSON again:
 * what a session's processes read. To be freed.
 */
int machine_describe(const char *json, const char *name, char *const *devices,
		     char **out, char **error);

/*
 * The session's view: below @dir make sys/, dev/ and so on for the machine, as
 * Linux shows them. 0 or a negative errno with *error.
 */
int view_build(const struct rf_machine *machine, const char *dir, char **error);

#endif
