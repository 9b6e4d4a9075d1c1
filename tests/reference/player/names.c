/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scripts call devices, and the files that these names stand for:
 *
 *	container	/dev/vfio/vfio
 *	iommu		/dev/iommu
 *	group:NAME	/dev/vfio/N, the group that sysfs says the device is in
 *	cdev:NAME	/dev/vfio/devices/vfioN
 *	sys:NAME/FILE	/sys/bus/pci/devices/BDF/FILE
 *
 * Numbers of groups and devices are the system's, so no script holds one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "player.h"

static struct {
	char name[NAME_SIZE];
	char address[16];
} names[MAX_DEVICES];
static unsigned nnames;

void names_add(const char *name_is_address)
{
	size_t length = strcspn(name_is_address, "=");

	if (nnames == MAX_DEVICES || !name_is_address[length] || length >= NAME_SIZE ||
	    strlen(name_is_address + length + 1) >= sizeof(names->address)) {
		fprintf(stderr, "player: -d NAME=BDF, not %s\n", name_is_address);
		exit(2);
	}
	memcpy(names[nnames].name, name_is_address, length);
	strcpy(names[nnames++].address, name_is_address + length + 1);
}

/* What tells another player of them: two arguments each; how many. */
unsigned names_args(const char **args)
{
	char *arg;

	for (unsigned i = 0; i < nnames; i++) {
		args[2 * i] = "-d";
		if (asprintf(&arg, "%s=%s", names[i].name, names[i].address) < 0)
			exit(2);
		args[2 * i + 1] = arg;
	}
	return 2 * nnames;
}

const char *names_address(const char *name)
{
	for (unsigned i = 0; i < nnames; i++) {
		if (!strcmp(names[i].name, name))
			return names[i].address;
	}
	return NULL;
}

static bool group_path(char *path, size_t size, const char *address)
{
	char link[PATH_MAX], *target;
	ssize_t n;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", address);
	target = realpath(link, NULL);
	if (!target)
		return false;
	n = snprintf(path, size, "/dev/vfio/%s", basename(target));
	free(target);
	return n > 0;
}

static bool cdev_path(char *path, size_t size, const char *address)
{
	char folder[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s/vfio-dev", address);
	dir = opendir(folder);
	if (!dir)
		return false;
	while ((entry = readdir(dir)) && strncmp(entry->d_name, "vfio", 4))
		;
	if (entry)
		snprintf(path, size, "/dev/vfio/devices/%s", entry->d_name);
	closedir(dir);
	return entry;
}

/* The path that a script's name stands for; false: of no device. */
bool names_path(char *path, size_t size, const char *given)
{
	char name[NAME_SIZE], *colon, *rest;
	const char *address;

	if (!strcmp(given, "container") || !strcmp(given, "iommu")) {
		snprintf(path, size, "/dev/%s", *given == 'c' ? "vfio/vfio" : given);
		return true;
	}
	snprintf(path, size, "%s", given);
	snprintf(name, sizeof(name), "%s", given);
	colon = strchr(name, ':');
	if (*given == '/' || !colon)
		return true;
	*colon++ = '\0';
	rest = strchr(colon, '/');
	if (rest)
		*rest++ = '\0';
	address = names_address(colon);
	if (!address)
		return false;
	if (!strcmp(name, "group"))
		return group_path(path, size, address);
	if (!strcmp(name, "cdev"))
		return cdev_path(path, size, address);
	snprintf(path, size, "/sys/bus/pci/devices/%s/%s", address, rest ? rest : "");
	return true;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path);
	if (fd >= 0)
		close(fd);
}

void names_bind(void)
{
	char path[PATH_MAX];

	for (unsigned i = 0; i < nnames; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", names[i].address);
		if (!access(path, F_OK))
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
			 names[i].address);
		put(path, "vfio-pci");
		put("/sys/bus/pci/drivers_probe", names[i].address);
	}
}
