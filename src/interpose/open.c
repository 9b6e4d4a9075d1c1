/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening what only we have: containers, groups, devices, iommufds.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "interpose/claim.h"
#include "interpose/engine.h"
#include "interpose/fd.h"
#include "interpose/internal.h"
#include "machine/driver.h"
#include "machine/machine.h"

/* A group has a node in /dev while vfio-pci has one of its devices. */
static bool group_has_node(const struct rf_group *group)
{
	for (unsigned i = 0; i < group->nr_devices; i++) {
		const char *driver = group->devices[i]->host_driver;

		if (driver && !strcmp(driver, "vfio-pci"))
			return true;
	}
	return false;
}

/* A group of functions that are only described can be named, but not given to anybody. */
static void group_explain(const struct rf_group *group)
{
	for (unsigned i = 0; i < group->nr_devices; i++)
		if (group->devices[i]->model)
			return;
	if (group->nr_devices)
		log_line(LOG_WARN,
			 "/dev/vfio/%u: %s is described but has no model; add --device "
			 "MODEL,addr=%s",
			 group->id, group->devices[0]->name, group->devices[0]->name);
}

static int group_open(struct rf_machine *machine, unsigned id, struct file **file)
{
	struct rf_group *group = machine_group(machine, id);
	void *claim;
	int ret;

	if (!group || !group_has_node(group))
		return -ENOENT;
	ret = claim_group(id, &claim);
	if (ret)
		return ret;
	ret = vfio_open_group(group, &machine->vfio, file);
	if (ret) {
		claim_group_drop(claim);
		if (ret == -ENODEV)
			group_explain(group);
		return ret;
	}
	(*file)->gone = claim_group_drop;
	(*file)->gone_arg = claim;
	return 0;
}

static int cdev_open(struct rf_machine *machine, unsigned index, struct file **file)
{
	struct rf_device *dev = machine_cdev(machine, index);

	return dev ? vfio_open_device(dev, index, &machine->vfio, file) : -ENOENT;
}

/* What follows @prefix in @path, if it is a number and nothing else: true. */
static bool path_number(const char *path, const char *prefix, unsigned *number)
{
	unsigned long n;
	char *end;

	if (strncmp(path, prefix, strlen(prefix)) != 0)
		return false;
	path += strlen(prefix);
	if (path[0] < '0' || path[0] > '9' || (path[0] == '0' && path[1]))
		return false;
	n = strtoul(path, &end, 10);
	*number = (unsigned)n;
	return !*end && n <= UINT_MAX;
}

static int device_file(struct rf_machine *machine, const char *path, struct file **file)
{
	unsigned number;

	if (!strncmp(path, "/dev/vfio/", 10))
		driver_refresh(engine_session(), machine); /* who is bound to what by now */
	if (path_number(path, "/dev/vfio/", &number))
		return group_open(machine, number, file);
	if (path_number(path, "/dev/vfio/devices/vfio", &number))
		return cdev_open(machine, number, file);
	if (!strcmp(path, "/dev/vfio/vfio"))
		return vfio_open_container(&machine->vfio, file);
	if (!strcmp(path, "/dev/iommu"))
		return iommufd_open(&machine->iommufd, file);
	if (!strncmp(path, "/proc/", 6))
		return fail_nth_open(path, file);
	return -ENOENT;
}

int device_open(const char *path, int oflags)
{
	struct rf_machine *machine = engine_machine();
	struct file *file;
	int ret;

	if (!machine)
		return -ENOENT;
	fd_sweep();
	ret = device_file(machine, path, &file);
	if (ret)
		return ret;
	ret = fd_install(file, oflags);
	if (ret < 0)
		file_put(file);
	return ret;
}
