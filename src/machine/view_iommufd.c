/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What iommufd adds to the view: devices that are opened by themselves, and what
 * the kernel's self-tests write before they let allocations fail.
 */
#include <stdio.h>
#include <string.h>

#include "machine/view.h"

#define CDEV_MAJOR 510

void view_cdev(struct layout *layout, struct rf_device *dev)
{
	unsigned index = machine_cdev_index(dev->machine, dev);
	char name[16], path[VIEW_PATH], dir[VIEW_PATH + 64], up[VIEW_PATH];

	if (!dev->group)
		return; /* what is not bound to vfio-pci is hidden afterwards: driver_settle() */
	snprintf(name, sizeof(name), "vfio%u", index);
	view_where(dev, path);
	snprintf(dir, sizeof(dir), "sys/devices/%s/vfio-dev/%s", path, name);
	view_power(layout, dir);
	layout_file(layout, 0444, "dev", "%u:%u\n", CDEV_MAJOR, index);
	layout_file(layout, 0644, "uevent", "MAJOR=%u\nMINOR=%u\nDEVNAME=vfio/devices/%s\n",
		    CDEV_MAJOR, index, name);
	layout_link(layout, "device", "../../../%s", dev->name);
	layout_link(layout, "subsystem", "../../%s/class/vfio-dev", view_up(path, up));

	layout_enter(layout, "sys/class/vfio-dev");
	layout_link(layout, name, "../../devices/%s/vfio-dev/%s", path, name);
	layout_enter(layout, "dev/vfio/devices");
	layout_file(layout, 0600, name, "%s", "");
}

/* The attributes of one kind of failure, with the kernel's defaults. */
static void view_failure(struct layout *layout, const char *kind)
{
	layout_enter(layout, "sys/kernel/debug/%s", kind);
	layout_file(layout, 0600, "ignore-gfp-wait", "Y\n");
	layout_file(layout, 0600, "interval", "1\n");
	layout_file(layout, 0600, "probability", "0\n");
	layout_file(layout, 0600, "space", "0\n");
	layout_file(layout, 0600, "task-filter", "N\n");
	layout_file(layout, 0600, "times", "1\n");
	layout_file(layout, 0600, "verbose", "2\n");
}

void view_selftest(struct layout *layout)
{
	view_failure(layout, "failslab");
	layout_file(layout, 0600, "cache-filter", "N\n");
	view_failure(layout, "fail_page_alloc");
	layout_file(layout, 0600, "ignore-gfp-highmem", "Y\n");
	layout_file(layout, 0600, "min-order", "1\n");
	layout_enter(layout, "proc");
	layout_file(layout, 0644, "fail-nth", "0\n");
}
