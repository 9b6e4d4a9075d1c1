/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parts of the view, shared between its files; view_build() is in machine.h.
 */
#ifndef RF_MACHINE_VIEW_H
#define RF_MACHINE_VIEW_H

#include "machine/layout.h"
#include "machine/machine.h"

#define CPU_TEXT 512

/* The host's processors as sysfs writes them: a list ("0-3") or a mask ("f"). Returns @text. */
const char *view_cpus(char text[CPU_TEXT], bool list);

/* A device directory's power/, and then the directory itself. */
void view_power(struct layout *layout, const char *dir);

/* sys/devices/pciDDDD:BB/DDDD:BB:DD.F */
void view_device(struct layout *layout, struct rf_device *dev);
/* sys/class/iommu, for an IOMMU that shows itself there. */
void view_iommu(struct layout *layout, const struct rf_machine *machine);

/* The device as it is opened without its group: vfio-dev/vfioN and /dev/vfio/devices/vfioN. */
void view_cdev(struct layout *layout, struct rf_device *dev);
/* What the kernel's own iommufd tests set up in debugfs. */
void view_selftest(struct layout *layout);

#endif
