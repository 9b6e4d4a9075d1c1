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

/* Every PCI device of the machine by address, those without a model included: NULL begins and ends. */
struct rf_device *view_next(const struct rf_machine *machine, const struct rf_device *dev);

/*
 * Where a device is below sys/devices: "pci0000:00/0000:00:01.0/0000:01:00.0", or
 * "pci0000:01/0000:01:00.0" in a machine without bridges. Returns @path.
 */
#define VIEW_PATH 1024
const char *view_where(const struct rf_device *dev, char path[VIEW_PATH]);
/* "../../..": from a directory that is @path below sys/devices up to sys. Returns @up. */
const char *view_up(const char *path, char up[VIEW_PATH]);

/* The module of a driver: its name with '_' for '-'. Returns @module. */
#define MODULE_NAME 80
const char *view_module(const char *driver, char module[MODULE_NAME]);
/* sys/module, with those of the host beside ours. The drivers are there. */
void view_modules(struct layout *layout, const struct rf_machine *machine);

/* The device's directory. */
void view_device(struct layout *layout, struct rf_device *dev);
/* sys/class/iommu, for an IOMMU that shows itself there. */
void view_iommu(struct layout *layout, const struct rf_machine *machine);

/* The device as it is opened without its group: vfio-dev/vfioN and /dev/vfio/devices/vfioN. */
void view_cdev(struct layout *layout, struct rf_device *dev);
/* What the kernel's own iommufd tests set up in debugfs. */
void view_selftest(struct layout *layout);

#endif
