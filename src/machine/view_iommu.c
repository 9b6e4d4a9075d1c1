/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /sys/class/iommu/dmar0, as Intel's driver shows a VT-d unit. Programs read
 * its capability register to learn how many address bits there are, so the
 * register is composed of what the machine's kind says.
 */
#include "iommu/vtd.h"
#include "machine/view.h"

#define DMAR_ADDRESS 0xfed90000ull

void view_iommu(struct layout *layout, const struct rf_machine *machine)
{
	const char *dmar = "sys/devices/virtual/iommu/dmar0";
	char path[VIEW_PATH];
	unsigned used = 0;

	layout_enter(layout, "sys/class/iommu");
	if (!machine_is_x86(machine))
		return;
	layout_link(layout, "dmar0", "../../devices/virtual/iommu/dmar0");

	layout_enter(layout, "%s/devices", dmar);
	for (const struct rf_device *dev = view_next(machine, NULL); dev;
	     dev = view_next(machine, dev))
		if (dev->group)
			layout_link(layout, dev->name, "../../../../%s", view_where(dev, path));
	for (const struct rf_group *group = machine->groups; group; group = group->next)
		used++;

	layout_enter(layout, "%s/intel-iommu", dmar);
	layout_file(layout, 0444, "version", "1:0\n");
	layout_file(layout, 0444, "address", "%llx\n", DMAR_ADDRESS);
	layout_file(layout, 0444, "cap", "%llx\n", (unsigned long long)vtd_cap(machine->iommu));
	layout_file(layout, 0444, "ecap", "%llx\n", (unsigned long long)vtd_ecap(machine->iommu));
	layout_file(layout, 0444, "domains_supported", "%u\n", 1u << 16);
	layout_file(layout, 0444, "domains_used", "%u\n", used);

	layout_enter(layout, "%s", dmar);
	layout_file(layout, 0644, "uevent", "%s", "");
	layout_link(layout, "subsystem", "../../../../class/iommu");
}
