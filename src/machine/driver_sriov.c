/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions that come and go with sriov_numvfs, and leave with their
 * physical function or its driver. Those that are off do not come back by a
 * rescan; they wait in spare/:
 *
 *	spare/off-ADDRESS	the function's link of the bus, instead of bus-ADDRESS
 *	spare/virtfnN-ADDRESS	the physical function's link to it
 */
#include "machine/driver_hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIZE (NAME_SIZE + 32)

static void bus_link(const char *vf, char path[PATH_MAX], char key[KEY_SIZE])
{
	path_print(path, "spare/bus-%.200s", vf);
	snprintf(key, KEY_SIZE, "off-%.200s", vf);
}

static int vf_off(const struct session_files *files, const char *name, void *arg)
{
	char path[PATH_MAX], spare[PATH_MAX], key[KEY_SIZE], vf[NAME_SIZE];
	const char *pf = arg;
	int ret;

	if (strncmp(name, "virtfn", 6) != 0 ||
	    !path_print(path, "sys/bus/pci/devices/%s/%s", pf, name) || !link_name(files, path, vf))
		return 0;
	ret = device_remove(files, vf);
	if (ret && ret != -ENODEV) /* it may have been removed by itself */
		return ret;
	bus_link(vf, spare, key);
	ret = file_hide(files, spare, key);
	snprintf(key, sizeof(key), "%.30s-%.200s", name, pf);
	return ret ? ret : file_hide(files, path, key);
}

static int vf_on(const struct session_files *files, const char *pf, unsigned n)
{
	char path[PATH_MAX], spare[PATH_MAX], key[KEY_SIZE], vf[NAME_SIZE];
	int ret;

	path_print(path, "sys/bus/pci/devices/%s/virtfn%u", pf, n);
	snprintf(key, sizeof(key), "virtfn%u-%.200s", n, pf);
	ret = file_show(files, path, key);
	if (ret || !link_name(files, path, vf))
		return ret ? ret : -ENOMEM;
	bus_link(vf, spare, key);
	ret = file_show(files, spare, key);
	return ret ? ret : device_restore(files, vf);
}

/* A number in decimal; 0 where there is no such file. */
static unsigned long vf_count(const struct session_files *files, const char *pf, const char *file)
{
	char path[PATH_MAX], text[32];

	if (!path_print(path, "sys/bus/pci/devices/%s/%s", pf, file) ||
	    file_read(files, path, text, sizeof(text)) <= 0)
		return 0;
	return strtoul(text, NULL, 10);
}

static int count_set(const struct session_files *files, const char *pf, unsigned long count)
{
	char path[PATH_MAX], text[32];

	path_print(path, "sys/bus/pci/devices/%s/sriov_numvfs", pf);
	snprintf(text, sizeof(text), "%lu\n", count);
	return file_replace(files, path, text);
}

unsigned long sriov_count(const struct session_files *files, const char *pf)
{
	return vf_count(files, pf, "sriov_numvfs");
}

int sriov_disable(const struct session_files *files, const char *pf)
{
	char path[PATH_MAX];
	int ret;

	if (!sriov_count(files, pf))
		return 0;
	path_print(path, "sys/bus/pci/devices/%s", pf);
	ret = files_each(files, path, vf_off, (void *)pf);
	return ret ? ret : count_set(files, pf, 0);
}

int sriov_set(const struct session_files *files, const char *pf, unsigned long count)
{
	char path[PATH_MAX], driver[NAME_SIZE];
	unsigned long now = sriov_count(files, pf);
	int ret = 0;

	if (count > vf_count(files, pf, "sriov_totalvfs"))
		return -ERANGE;
	if (count == now)
		return 0;
	path_print(path, "sys/bus/pci/devices/%s/driver", pf);
	if (!link_name(files, path, driver) || !strcmp(driver, "pci-stub") ||
	    !strcmp(driver, "pcieport"))
		return -ENOENT; /* nobody there who could */
	if (!count)
		return sriov_disable(files, pf);
	if (now)
		return -EBUSY;
	ret = count_set(files, pf, count);
	for (unsigned n = 0; n < count && !ret; n++)
		ret = vf_on(files, pf, n);
	if (ret)
		sriov_disable(files, pf);
	return ret;
}
