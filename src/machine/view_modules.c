/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernel modules: those that the machine's drivers would be, which tools look for
 * before they bind a device, and links to the host's other ones.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "machine/driver_files.h"
#include "machine/view.h"

const char *view_module(const char *driver, char module[MODULE_NAME])
{
	snprintf(module, MODULE_NAME, "%s", driver);
	for (char *c = module; *c; c++)
		if (*c == '-')
			*c = '_';
	return module;
}

static void module_make(struct layout *layout, const char *name)
{
	layout_enter(layout, "sys/module/%s", name);
	layout_file(layout, 0444, "initstate", "live\n");
	layout_file(layout, 0444, "refcnt", "0\n");
	layout_file(layout, 0200, "uevent", "%s", "");
}

static void module_parameters(struct layout *layout, const struct rf_machine *machine)
{
	layout_enter(layout, "sys/module/vfio/parameters");
	layout_file(layout, 0644, "enable_unsafe_noiommu_mode", "N\n");
	layout_enter(layout, "sys/module/vfio_iommu_type1/parameters");
	layout_file(layout, 0644, "allow_unsafe_interrupts", "%c\n",
		    machine->vfio.unsafe_interrupts ? 'Y' : 'N');
	layout_file(layout, 0644, "disable_hugepages", "N\n");
	layout_file(layout, 0644, "dma_entry_limit", "%u\n", machine->vfio.entry_limit);
	layout_enter(layout, "sys/module/vfio_pci/parameters");
	layout_file(layout, 0644, "disable_idle_d3", "N\n");
	layout_file(layout, 0444, "disable_vga", "N\n");
	layout_file(layout, 0644, "enable_sriov", "N\n");
	layout_file(layout, 0644, "nointxmask", "N\n");
}

/* vfio-pci has its module like every driver. */
static int driver_module(const struct session_files *files, const char *driver, void *arg)
{
	struct layout *layout = arg;
	char module[MODULE_NAME];

	module_make(layout, view_module(driver, module));
	layout_enter(layout, "sys/module/%s/drivers", module);
	snprintf(module, sizeof(module), "pci:%.70s", driver);
	layout_link(layout, module, "../../../bus/pci/drivers/%s", driver);
	return 0;
}

/* What the host has besides: /sys/module is the session's as a whole. */
static void host_modules(struct layout *layout, const struct session_files *files)
{
	DIR *dir = opendir("/sys/module");
	struct dirent *entry;

	layout_enter(layout, "sys/module");
	while (dir && (entry = readdir(dir))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.' || !strncmp(entry->d_name, "vfio", 4) ||
		    !path_print(path, "sys/module/%s", entry->d_name) || file_exists(files, path))
			continue;
		layout_link(layout, entry->d_name, "/sys/module/%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
}

void view_modules(struct layout *layout, const struct rf_machine *machine)
{
	static const char *const names[] = { "iommufd", "vfio", "vfio_iommu_type1",
					     "vfio_pci_core" };
	const struct session_files files = { .root = layout->root, .lock = -1 };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		module_make(layout, names[i]);
	if (!layout->err)
		files_each(&files, "sys/bus/pci/drivers", driver_module, layout);
	module_parameters(layout, machine);
	host_modules(layout, &files);
}
