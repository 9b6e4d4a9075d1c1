/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The view: what a program of the session finds in /sys and /dev.
 *
 * A real directory tree, so every tool reads it as it reads the kernel's, and
 * links lead where Linux's lead. In a machine with a topology a device sits below
 * its bridges; in one without, below a host bridge of its own bus
 * (pci0000:01/0000:01:00.0). Files hold what Linux 6.12 shows for a device that
 * nobody has opened; those that driver binding changes are driver.h's.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine/description.h"
#include "machine/driver.h"
#include "machine/layout.h"
#include "machine/machine.h"
#include "machine/topology.h"
#include "machine/view.h"

#define VFIO_MAJOR  511
#define DRIVERS_MAX 512u
#define MISC_MAJOR  10
#define VFIO_MINOR  196 /* of misc: the container */
#define IOMMU_MINOR 126 /* of misc, where Linux takes whatever is free */

struct rf_device *view_next(const struct rf_machine *machine, const struct rf_device *dev)
{
	struct pci_function *fn;

	if (!machine->desc->topology)
		return dev ? dev->next : machine->devices;
	fn = dev ? topology_next(dev->function) : topology_first(machine->desc->topology);
	while (fn && !fn->dev)
		fn = topology_next(fn);
	return fn ? fn->dev : NULL;
}

const char *view_where(const struct rf_device *dev, char path[VIEW_PATH])
{
	if (dev->function)
		topology_path(dev->function, path, VIEW_PATH);
	else
		snprintf(path, VIEW_PATH, "pci%04x:%02x/%s", dev->address.domain, dev->address.bus,
			 dev->name);
	return path;
}

const char *view_up(const char *path, char up[VIEW_PATH])
{
	size_t used = (size_t)snprintf(up, VIEW_PATH, "../..");

	while ((path = strchr(path, '/')) && used + 4 < VIEW_PATH) {
		used += (size_t)snprintf(up + used, VIEW_PATH - used, "/..");
		path++;
	}
	return up;
}

static bool bound_to(const struct rf_device *dev, const char *driver)
{
	return dev->host_driver && !strcmp(dev->host_driver, driver);
}

void view_power(struct layout *layout, const char *dir)
{
	layout_enter(layout, "%s/power", dir);
	layout_file(layout, 0644, "control", "on\n");
	layout_file(layout, 0444, "runtime_status", "active\n");
	layout_file(layout, 0444, "runtime_active_time", "0\n");
	layout_file(layout, 0444, "runtime_suspended_time", "0\n");
	layout_enter(layout, "%s", dir);
}

/* A bus, in the directory of the bridge that leads to it, or of its host bridge. */
static void view_bus(struct layout *layout, const struct rf_device *dev)
{
	char bus[24], cpus[CPU_TEXT], path[VIEW_PATH], dir[VIEW_PATH + 64], up[VIEW_PATH];
	char *slash;

	snprintf(bus, sizeof(bus), "%04x:%02x", dev->address.domain, dev->address.bus);
	view_where(dev, path);
	slash = strrchr(path, '/');
	*slash = '\0';
	if (!strchr(path, '/')) {
		snprintf(dir, sizeof(dir), "sys/devices/%s", path);
		view_power(layout, dir);
		layout_file(layout, 0644, "uevent", "%s", "");
	}
	snprintf(dir, sizeof(dir), "sys/devices/%s/pci_bus/%s", path, bus);
	view_power(layout, dir);
	layout_file(layout, 0444, "cpuaffinity", "%s\n", view_cpus(cpus, false));
	layout_file(layout, 0444, "cpulistaffinity", "%s\n", view_cpus(cpus, true));
	layout_file(layout, 0200, "rescan", "%s", "");
	layout_file(layout, 0644, "uevent", "%s", "");
	slash = strrchr(path, '/');
	layout_link(layout, "device", "../../../%s", slash ? slash + 1 : path);
	layout_link(layout, "subsystem", "../../%s/class/pci_bus", view_up(path, up));

	layout_enter(layout, "sys/class/pci_bus");
	layout_link(layout, bus, "../../devices/%s/pci_bus/%s", path, bus);
}

/* VFs may lie on a bus number that has no directory of its own. */
static bool has_own_bus(const struct rf_device *dev)
{
	const struct pci_function *fn = dev->function;

	return !fn || !fn->physfn || fn->bus->bridge || !fn->parent;
}

static void view_buses(struct layout *layout, const struct rf_machine *machine)
{
	const struct rf_device *last = NULL;

	layout_enter(layout, "sys/class/pci_bus");
	for (const struct rf_device *dev = view_next(machine, NULL); dev;
	     last = dev, dev = view_next(machine, dev))
		if ((!last || last->address.domain != dev->address.domain ||
		     last->address.bus != dev->address.bus) &&
		    has_own_bus(dev))
			view_bus(layout, dev);
}

static void view_driver(struct layout *layout, const struct rf_machine *machine, const char *driver)
{
	char path[VIEW_PATH], module[MODULE_NAME];

	layout_enter(layout, "sys/bus/pci/drivers/%s", driver);
	layout_file(layout, 0200, "bind", "%s", "");
	layout_file(layout, 0200, "unbind", "%s", "");
	layout_file(layout, 0200, "new_id", "%s", "");
	layout_file(layout, 0200, "remove_id", "%s", "");
	layout_file(layout, 0200, "uevent", "%s", "");
	layout_link(layout, "module", "../../../../module/%s", view_module(driver, module));
	for (const struct rf_device *dev = view_next(machine, NULL); dev;
	     dev = view_next(machine, dev))
		if (bound_to(dev, driver))
			layout_link(layout, dev->name, "../../../../devices/%s",
				    view_where(dev, path));
}

/* Every driver that has, or could have, one of the devices; each once. */
static void view_drivers(struct layout *layout, const struct rf_machine *machine)
{
	const char *seen[DRIVERS_MAX];
	unsigned n = 0;

	seen[n++] = "vfio-pci";
	view_driver(layout, machine, "vfio-pci");
	for (struct rf_device *dev = view_next(machine, NULL); dev; dev = view_next(machine, dev)) {
		unsigned class = dev->model    ? config_read(dev, 0x08, 4) >> 8 :
				 dev->function ? dev->function->class :
						 0;
		const char *wanted[] = { dev->host_driver, driver_native(class) };

		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
			unsigned at = 0;

			while (at < n && wanted[i] && strcmp(seen[at], wanted[i]) != 0)
				at++;
			if (!wanted[i] || at < n || n == DRIVERS_MAX)
				continue;
			seen[n++] = wanted[i];
			view_driver(layout, machine, wanted[i]);
		}
	}
}

static void view_bus_pci(struct layout *layout, const struct rf_machine *machine)
{
	char path[VIEW_PATH];

	layout_enter(layout, "sys/bus/pci/slots");
	layout_enter(layout, "sys/bus/pci");
	layout_file(layout, 0200, "drivers_probe", "%s", "");
	layout_file(layout, 0644, "drivers_autoprobe", "1\n");
	layout_file(layout, 0200, "rescan", "%s", "");
	layout_file(layout, 0644, "resource_alignment", "\n");
	layout_file(layout, 0200, "uevent", "%s", "");

	layout_enter(layout, "sys/bus/pci/devices");
	for (const struct rf_device *dev = view_next(machine, NULL); dev;
	     dev = view_next(machine, dev))
		layout_link(layout, dev->name, "../../../devices/%s", view_where(dev, path));

	view_drivers(layout, machine);
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

static void view_reserved(struct layout *layout, const struct iommu_kind *kind)
{
	char text[IOMMU_MAX_RESV * 64] = "";
	size_t used = 0;

	for (unsigned i = 0; i < kind->nr_resv; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "0x%016llx 0x%016llx %s\n",
					 (unsigned long long)kind->resv[i].range.first,
					 (unsigned long long)kind->resv[i].range.last,
					 resv_name(kind->resv[i].type));
	layout_file(layout, 0444, "reserved_regions", "%s", text);
}

/* Only groups that firmware made have a name: that of a PE (powerpc's kernel/iommu.c). */
static void view_group_name(struct layout *layout, const struct rf_group *group)
{
	const struct pci_function *fn = group->nr_devices ? group->devices[0]->function : NULL;

	if (fn && fn->pe != PCI_PE_NONE)
		layout_file(layout, 0444, "name", "domain%u-pe%x\n", fn->address.domain,
			    (unsigned)fn->pe);
}

static void view_groups(struct layout *layout, const struct rf_machine *machine)
{
	layout_enter(layout, "sys/kernel/iommu_groups");
	for (const struct rf_group *group = machine->groups; group; group = group->next) {
		layout_enter(layout, "sys/kernel/iommu_groups/%u", group->id);
		view_reserved(layout, machine->iommu);
		layout_file(layout, 0644, "type", "DMA-FQ\n");
		view_group_name(layout, group);
		layout_enter(layout, "sys/kernel/iommu_groups/%u/devices", group->id);
		for (unsigned i = 0; i < group->nr_devices; i++) {
			const struct rf_device *dev = group->devices[i];
			char name[GROUP_LINK_SIZE], path[VIEW_PATH];

			group_link_name(dev, name);
			layout_link(layout, name, "../../../../devices/%s", view_where(dev, path));
		}
	}
}

static void view_char_device(struct layout *layout, const char *class, const char *name,
			     const char *devname, unsigned major, unsigned minor)
{
	char dir[96];

	snprintf(dir, sizeof(dir), "sys/devices/virtual/%s/%s", class, name);
	view_power(layout, dir);
	layout_file(layout, 0444, "dev", "%u:%u\n", major, minor);
	layout_file(layout, 0644, "uevent", "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", major, minor,
		    devname);
	layout_link(layout, "subsystem", "../../../../class/%s", class);
	layout_enter(layout, "sys/class/%s", class);
	layout_link(layout, name, "../../devices/virtual/%s/%s", class, name);
}

/* The nodes are plain files: opening them is answered by the interposer. */
static void view_dev(struct layout *layout, const struct rf_machine *machine)
{
	view_char_device(layout, "misc", "vfio", "vfio/vfio", MISC_MAJOR, VFIO_MINOR);
	layout_enter(layout, "dev/vfio");
	layout_file(layout, 0666, "vfio", "%s", "");
	view_char_device(layout, "misc", "iommu", "iommu", MISC_MAJOR, IOMMU_MINOR);
	layout_enter(layout, "dev");
	layout_file(layout, 0660, "iommu", "%s", "");
	layout_enter(layout, "sys/class/vfio-dev");
	for (struct rf_device *dev = machine->devices; dev; dev = dev->next)
		view_cdev(layout, dev);
	layout_enter(layout, "sys/class/vfio");
	for (const struct rf_group *group = machine->groups; group; group = group->next) {
		char id[16], devname[32];

		snprintf(id, sizeof(id), "%u", group->id);
		snprintf(devname, sizeof(devname), "vfio/%u", group->id);
		view_char_device(layout, "vfio", id, devname, VFIO_MAJOR, group->id);
		layout_enter(layout, "dev/vfio");
		layout_file(layout, 0600, id, "%s", "");
	}
}

int view_build(const struct rf_machine *machine, int dirfd, char **error)
{
	struct layout layout;
	int ret;

	layout_start(&layout, dirfd);
	view_buses(&layout, machine);
	for (struct rf_device *dev = view_next(machine, NULL); dev; dev = view_next(machine, dev))
		view_device(&layout, dev);
	view_bus_pci(&layout, machine);
	view_groups(&layout, machine);
	view_iommu(&layout, machine);
	view_modules(&layout, machine);
	view_dev(&layout, machine);
	if (machine->desc->iommufd_selftest)
		view_selftest(&layout);
	driver_layout(&layout, machine);
	ret = layout_end(&layout, error);
	return ret ? ret : driver_settle(dirfd, error);
}
