/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The view: what a program of the session finds in /sys and /dev.
 *
 * A real directory tree, so every tool reads it as it reads the kernel's, and
 * links lead where Linux's lead. A device sits below a host bridge of its own
 * bus (pci0000:01/0000:01:00.0): a bridge between them would be a device too,
 * and one that is not modelled must not show. Files hold what Linux 6.12 shows
 * for a device bound to vfio-pci and not opened; they do not change.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/machine.h"
#include "machine/tree.h"
#include "machine/view.h"

#define VFIO_MAJOR 511
#define MISC_MAJOR 10
#define VFIO_MINOR 196 /* of misc: the container */

static bool bound_to(const struct rf_device *dev, const char *driver)
{
	return dev->host_driver && !strcmp(dev->host_driver, driver);
}

static void view_power(struct tree *tree, const char *dir)
{
	tree_enter(tree, "%s/power", dir);
	tree_file(tree, 0644, "control", "on\n");
	tree_file(tree, 0444, "runtime_status", "active\n");
	tree_file(tree, 0444, "runtime_active_time", "0\n");
	tree_file(tree, 0444, "runtime_suspended_time", "0\n");
	tree_enter(tree, "%s", dir);
}

static void view_bus(struct tree *tree, const struct pci_address *at)
{
	char bus[16], cpus[CPU_TEXT], dir[64];

	snprintf(bus, sizeof(bus), "%04x:%02x", at->domain, at->bus);
	snprintf(dir, sizeof(dir), "sys/devices/pci%s", bus);
	view_power(tree, dir);
	tree_file(tree, 0644, "uevent", "%s", "");

	snprintf(dir, sizeof(dir), "sys/devices/pci%s/pci_bus/%s", bus, bus);
	view_power(tree, dir);
	tree_file(tree, 0444, "cpuaffinity", "%s\n", view_cpus(cpus, false));
	tree_file(tree, 0444, "cpulistaffinity", "%s\n", view_cpus(cpus, true));
	tree_file(tree, 0200, "rescan", "%s", "");
	tree_file(tree, 0644, "uevent", "%s", "");
	tree_link(tree, "device", "../../../pci%s", bus);
	tree_link(tree, "subsystem", "../../../../class/pci_bus");

	tree_enter(tree, "sys/class/pci_bus");
	tree_link(tree, bus, "../../devices/pci%s/pci_bus/%s", bus, bus);
}

static void view_buses(struct tree *tree, const struct rf_machine *machine)
{
	const struct rf_device *last = NULL;

	tree_enter(tree, "sys/class/pci_bus");
	for (const struct rf_device *dev = machine->devices; dev; last = dev, dev = dev->next)
		if (!last || last->address.domain != dev->address.domain ||
		    last->address.bus != dev->address.bus)
			view_bus(tree, &dev->address);
}

static void view_driver(struct tree *tree, const struct rf_machine *machine, const char *driver,
			bool is_vfio)
{
	tree_enter(tree, "sys/bus/pci/drivers/%s", driver);
	tree_file(tree, 0200, "bind", "%s", "");
	tree_file(tree, 0200, "unbind", "%s", "");
	tree_file(tree, 0200, "new_id", "%s", "");
	tree_file(tree, 0200, "remove_id", "%s", "");
	tree_file(tree, 0200, "uevent", "%s", "");
	if (is_vfio)
		tree_link(tree, "module", "../../../../module/vfio_pci");
	for (const struct rf_device *dev = machine->devices; dev; dev = dev->next)
		if (bound_to(dev, driver))
			tree_link(tree, dev->name, "../../../../devices/pci%.7s/%s", dev->name,
				  dev->name);
}

/* Whether an earlier device has the same driver, so that it is there already. */
static bool driver_seen(const struct rf_machine *machine, const struct rf_device *dev)
{
	for (const struct rf_device *d = machine->devices; d != dev; d = d->next)
		if (bound_to(d, dev->host_driver))
			return true;
	return false;
}

static void view_bus_pci(struct tree *tree, const struct rf_machine *machine)
{
	tree_enter(tree, "sys/bus/pci/slots");
	tree_enter(tree, "sys/bus/pci");
	tree_file(tree, 0200, "drivers_probe", "%s", "");
	tree_file(tree, 0644, "drivers_autoprobe", "1\n");
	tree_file(tree, 0200, "rescan", "%s", "");
	tree_file(tree, 0644, "resource_alignment", "\n");
	tree_file(tree, 0200, "uevent", "%s", "");

	tree_enter(tree, "sys/bus/pci/devices");
	for (const struct rf_device *dev = machine->devices; dev; dev = dev->next)
		tree_link(tree, dev->name, "../../../devices/pci%.7s/%s", dev->name, dev->name);

	view_driver(tree, machine, "vfio-pci", true);
	for (const struct rf_device *dev = machine->devices; dev; dev = dev->next)
		if (dev->host_driver && !bound_to(dev, "vfio-pci") && !driver_seen(machine, dev))
			view_driver(tree, machine, dev->host_driver, false);
}

static const char *resv_name(enum iommu_resv_type type)
{
	switch (type) {
	case IOMMU_RESV_DIRECT:
		return "direct";
	case IOMMU_RESV_RESERVED:
		return "reserved";
	case IOMMU_RESV_MSI:
		break;
	}
	return "msi";
}

static void view_reserved(struct tree *tree, const struct iommu_kind *kind)
{
	char text[IOMMU_MAX_RESV * 64] = "";
	size_t used = 0;

	for (unsigned i = 0; i < kind->nr_resv; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "0x%016llx 0x%016llx %s\n",
					 (unsigned long long)kind->resv[i].range.first,
					 (unsigned long long)kind->resv[i].range.last,
					 resv_name(kind->resv[i].type));
	tree_file(tree, 0444, "reserved_regions", "%s", text);
}

/* A group shows in /dev once vfio-pci has one of its devices. */
static bool group_has_vfio(const struct rf_group *group)
{
	for (unsigned i = 0; i < group->nr_devices; i++)
		if (bound_to(group->devices[i], "vfio-pci"))
			return true;
	return false;
}

static void view_groups(struct tree *tree, const struct rf_machine *machine)
{
	tree_enter(tree, "sys/kernel/iommu_groups");
	for (const struct rf_group *group = machine->groups; group; group = group->next) {
		tree_enter(tree, "sys/kernel/iommu_groups/%u", group->id);
		view_reserved(tree, machine->iommu);
		tree_file(tree, 0644, "type", "DMA-FQ\n");
		tree_enter(tree, "sys/kernel/iommu_groups/%u/devices", group->id);
		for (unsigned i = 0; i < group->nr_devices; i++) {
			const char *name = group->devices[i]->name;

			tree_link(tree, name, "../../../../devices/pci%.7s/%s", name, name);
		}
	}
}

static void view_char_device(struct tree *tree, const char *class, const char *name,
			     const char *devname, unsigned major, unsigned minor)
{
	char dir[96];

	snprintf(dir, sizeof(dir), "sys/devices/virtual/%s/%s", class, name);
	view_power(tree, dir);
	tree_file(tree, 0444, "dev", "%u:%u\n", major, minor);
	tree_file(tree, 0644, "uevent", "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", major, minor, devname);
	tree_link(tree, "subsystem", "../../../../class/%s", class);
	tree_enter(tree, "sys/class/%s", class);
	tree_link(tree, name, "../../devices/virtual/%s/%s", class, name);
}

/* The nodes are plain files: opening them is answered by the interposer. */
static void view_dev(struct tree *tree, const struct rf_machine *machine)
{
	view_char_device(tree, "misc", "vfio", "vfio/vfio", MISC_MAJOR, VFIO_MINOR);
	tree_enter(tree, "dev/vfio");
	tree_file(tree, 0666, "vfio", "%s", "");
	tree_enter(tree, "sys/class/vfio");
	for (const struct rf_group *group = machine->groups; group; group = group->next) {
		char id[16], devname[32];

		if (!group_has_vfio(group))
			continue;
		snprintf(id, sizeof(id), "%u", group->id);
		snprintf(devname, sizeof(devname), "vfio/%u", group->id);
		view_char_device(tree, "vfio", id, devname, VFIO_MAJOR, group->id);
		tree_enter(tree, "dev/vfio");
		tree_file(tree, 0600, id, "%s", "");
	}
}

static void view_modules(struct tree *tree, const struct rf_machine *machine)
{
	static const char *const names[] = { "vfio", "vfio_iommu_type1", "vfio_pci",
					     "vfio_pci_core" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		tree_enter(tree, "sys/module/%s", names[i]);
		tree_file(tree, 0444, "initstate", "live\n");
		tree_file(tree, 0444, "refcnt", "0\n");
		tree_file(tree, 0200, "uevent", "%s", "");
	}
	tree_enter(tree, "sys/module/vfio/parameters");
	tree_file(tree, 0644, "enable_unsafe_noiommu_mode", "N\n");
	tree_enter(tree, "sys/module/vfio_iommu_type1/parameters");
	tree_file(tree, 0644, "allow_unsafe_interrupts", "%c\n",
		  machine->vfio.unsafe_interrupts ? 'Y' : 'N');
	tree_file(tree, 0644, "disable_hugepages", "N\n");
	tree_file(tree, 0644, "dma_entry_limit", "%u\n", machine->vfio.entry_limit);
	tree_enter(tree, "sys/module/vfio_pci/parameters");
	tree_file(tree, 0644, "disable_idle_d3", "N\n");
	tree_file(tree, 0444, "disable_vga", "N\n");
	tree_file(tree, 0644, "enable_sriov", "N\n");
	tree_file(tree, 0644, "nointxmask", "N\n");
	tree_enter(tree, "sys/module/vfio_pci/drivers");
	tree_link(tree, "pci:vfio-pci", "../../../bus/pci/drivers/vfio-pci");
}

int view_build(const struct rf_machine *machine, int dirfd, char **error)
{
	struct tree tree;

	tree_start(&tree, dirfd);
	view_buses(&tree, machine);
	for (struct rf_device *dev = machine->devices; dev; dev = dev->next)
		view_device(&tree, dev);
	view_bus_pci(&tree, machine);
	view_groups(&tree, machine);
	view_iommu(&tree, machine);
	view_modules(&tree, machine);
	view_dev(&tree, machine);
	return tree_end(&tree, error);
}
