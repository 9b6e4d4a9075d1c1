/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver binding at the two ends of a session: what is written when it is made,
 * and what a process with a machine takes over from it.
 */
#include "machine/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "group/set.h"
#include "machine/description.h"
#include "machine/driver_files.h"
#include "machine/driver_hotplug.h"
#include "machine/fail.h"
#include "machine/view.h"

#define STAND_IN_VENDOR 0x1b36u
#define STAND_IN_DEVICE 0x0005u

static int add_ids_file(const struct session_files *files, const char *driver, void *arg)
{
	struct layout *layout = arg;

	layout_file(layout, 0600, driver, "%s", "");
	return 0;
}

/*
 * The device's driver has the device's ids built in; each once. Devices that the
 * description gives no id all have that of QEMU's test device: what they are of
 * is told by their class.
 */
static void add_builtin(const struct session_files *files, FILE *text, char **so_far,
			const struct rf_device *dev)
{
	unsigned vendor = device_number(files, dev->name, "vendor");
	unsigned device = device_number(files, dev->name, "device");
	bool stand_in = vendor == STAND_IN_VENDOR && device == STAND_IN_DEVICE;
	char line[NAME_SIZE + 64];

	snprintf(line, sizeof(line), "%s %04x %04x %06x %06x\n", (const char *)dev->host_driver,
		 vendor, device, stand_in ? device_number(files, dev->name, "class") : 0,
		 stand_in ? 0xffffffu : 0);
	if (!fflush(text) && *so_far && !strstr(*so_far, line))
		fputs(line, text);
}

void driver_layout(struct layout *layout, const struct rf_machine *machine)
{
	const struct session_files files = { .root = layout->root, .lock = -1 };
	char *native = NULL;
	size_t size = 0;
	FILE *text = open_memstream(&native, &size);

	layout_enter(layout, "spare");
	layout_enter(layout, "lock");
	layout_enter(layout, "drivers");
	if (!layout->err)
		files_each(&files, "sys/bus/pci/drivers", add_ids_file, layout);
	if (!text) {
		layout->err = layout->err ?: -ENOMEM;
		return;
	}
	for (const struct rf_device *dev = view_next(machine, NULL); dev;
	     dev = view_next(machine, dev))
		if (dev->host_driver && strcmp(dev->host_driver, "vfio-pci") != 0)
			add_builtin(&files, text, &native, dev);
	fclose(text);
	layout_bytes(layout, 0600, ".native", native, size);
	free(native);
}

static int settle_device(const struct session_files *files, const char *address, void *arg)
{
	return device_show_vfio(files, address);
}

int driver_settle(int session, char **error)
{
	const struct session_files files = { .root = session, .lock = -1 };
	int ret = files_each(&files, "sys/bus/pci/devices", settle_device, NULL);

	return ret ? fail(ret, error, "drivers: %s", strerror(-ret)) : 0;
}

static void refresh_device(const struct session_files *files, struct rf_machine *machine,
			   struct rf_device *dev)
{
	char path[PATH_MAX], name[NAME_SIZE];
	void *driver = NULL;

	path_print(path, "sys/bus/pci/devices/%s/driver", dev->name);
	if (link_name(files, path, name))
		driver = (char *)group_set_driver(machine->set, name);
	__atomic_store_n(&dev->host_driver, driver, __ATOMIC_RELEASE);
}

void driver_refresh(const char *session, struct rf_machine *machine)
{
	struct session_files files;
	int saved = errno;

	if (files_open(&files, session, true))
		return;
	for (struct rf_device *dev = view_next(machine, NULL); dev; dev = view_next(machine, dev))
		refresh_device(&files, machine, dev);
	files_close(&files);
	errno = saved;
}
