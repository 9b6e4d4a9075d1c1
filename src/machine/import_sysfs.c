/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A live host. Without privilege the kernel lets everybody read the first 64
 * bytes of configuration space: who is where, but no capability, so not which
 * port isolates. Everything else here is readable by anybody.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/fail.h"
#include "machine/import.h"

#define CLASS_BRIDGE 0x0604u

struct sysfs {
	struct import *import;
	int dir; /* bus/pci/devices */
	size_t room; /* of import->groups */
	char **error;
};

/* The last part of where a link of a device leads; false where there is none. */
static bool device_link(const struct sysfs *s, const char *device, const char *name, char *out,
			size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", device, name);
	len = readlinkat(s->dir, path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	slash = strrchr(target, '/');
	return snprintf(out, size, "%s", slash ? slash + 1 : target) < (int)size;
}

/* A number in a file of a device; 0 where there is none. */
static unsigned device_number(const struct sysfs *s, const char *device, const char *name, int base)
{
	char path[PATH_MAX], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", device, name);
	fd = openat(s->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return (unsigned)strtoul(text, NULL, base);
}

/* What the kernel remembers of a function, in case it does not answer. */
static void device_remembered(const struct sysfs *s, const char *device, struct pci_function *fn)
{
	fn->vendor = (uint16_t)device_number(s, device, "vendor", 16);
	fn->device = (uint16_t)device_number(s, device, "device", 16);
	fn->class = device_number(s, device, "class", 16);
	if (fn->class >> 8 != CLASS_BRIDGE)
		return;
	fn->header = PCI_HEADER_BRIDGE;
	fn->secondary = (uint8_t)device_number(s, device, "secondary_bus_number", 10);
	fn->subordinate = (uint8_t)device_number(s, device, "subordinate_bus_number", 10);
}

/* *whole: the function has no more than that; without ECAM nothing has more than 256. */
static int device_config(const struct sysfs *s, const char *device, uint8_t *bytes, size_t *size,
			 bool *whole)
{
	char path[PATH_MAX];
	struct stat st;
	ssize_t len = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/config", device);
	fd = openat(s->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*size = 0;
	while (*size < PCI_CONFIG_EXT_SIZE &&
	       (len = read(fd, bytes + *size, PCI_CONFIG_EXT_SIZE - *size)) > 0)
		*size += (size_t)len;
	*whole = !fstat(fd, &st) && (size_t)st.st_size == *size && *size >= PCI_CONFIG_SIZE;
	close(fd);
	return len < 0 ? -errno : 0;
}

/* A line of "resource" is a BAR: first, last, flags. The seventh is the ROM's. */
static void device_bar_sizes(const struct sysfs *s, const char *device, struct pci_function *fn)
{
	char path[PATH_MAX], text[64 * (RF_PCI_BARS + 2)] = "";
	const char *at = text;
	int fd;

	snprintf(path, sizeof(path), "%s/resource", device);
	fd = openat(s->dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	for (unsigned i = 0; i <= RF_PCI_BARS && at; i++) {
		unsigned long long first, last, flags;

		if (sscanf(at, "%llx %llx %llx", &first, &last, &flags) == 3 && last > first &&
		    !((last - first + 1) & (last - first)))
			fn->bar_size[i] = last - first + 1;
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
}

static int device_keep_group(struct sysfs *s, const struct pci_address *at, const char *group)
{
	struct import *import = s->import;
	struct host_group *groups;

	if (import->nr_groups == s->room) {
		s->room = s->room ? 2 * s->room : 64;
		groups = realloc(import->groups, s->room * sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		import->groups = groups;
	}
	import->groups[import->nr_groups++] =
		(struct host_group){ .address = *at, .group = atoi(group) };
	return 0;
}

static int device_read(struct sysfs *s, const char *device)
{
	struct pci_function values = PCI_FUNCTION_INIT, *fn;
	uint8_t bytes[PCI_CONFIG_EXT_SIZE];
	char driver[256], group[64], *why = NULL;
	size_t size = 0;
	bool whole = false;
	int ret;

	if (pci_address_parse(device, &values.address))
		return 0;
	device_remembered(s, device, &values);
	if (device_link(s, device, "driver", driver, sizeof(driver)))
		values.driver = driver;
	if (!pci_function_is_bridge(&values))
		device_bar_sizes(s, device, &values);
	ret = device_config(s, device, bytes, &size, &whole);
	if (ret)
		return fail(ret, s->error, "%s: %s: config: %s", s->import->name, device,
			    strerror(-ret));
	ret = topology_add(s->import->topology, &values, &fn);
	if (!ret)
		ret = pci_function_decode(fn, bytes, size, &why);
	if (ret == -EINVAL)
		fail(ret, s->error, "%s: %s: %s", s->import->name, device, why ?: "cannot be");
	free(why);
	if (!ret && whole && !fn->silent)
		fn->caps_known = true;
	if (!ret && !fn->caps_known && !fn->silent)
		s->import->nr_headers++;
	if (!ret && device_link(s, device, "iommu_group", group, sizeof(group)))
		ret = device_keep_group(s, &values.address, group);
	return ret;
}

/*
 * The VMD endpoint that a domain is behind: a function's real path has it before
 * the domain's root, .../0000:00:0e.0/pci10000:00/10000:00:00.0. NULL: there is none.
 */
static struct pci_function *device_behind(const struct sysfs *s, const char *device)
{
	char target[PATH_MAX], *before = NULL, *part, *rest = target;
	ssize_t len = readlinkat(s->dir, device, target, sizeof(target) - 1);
	struct pci_address at;

	if (len < 0)
		return NULL;
	target[len] = '\0';
	while ((part = strsep(&rest, "/"))) {
		if (before && !strncmp(part, "pci", 3) && strchr(part, ':') &&
		    !pci_address_parse(before, &at))
			return topology_find(s->import->topology, &at);
		before = part;
	}
	return NULL;
}

/* Whose VF a function is, and whose id its DMA carries, once all are there. */
static int devices_link_others(const struct sysfs *s)
{
	struct pci_topology *topology = s->import->topology;
	char name[64];

	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn)) {
		struct pci_address at;

		fn->dma_device = device_behind(s, fn->name);
		if (device_link(s, fn->name, "physfn", name, sizeof(name)) &&
		    !pci_address_parse(name, &at))
			fn->physfn = topology_find(topology, &at);
	}
	return 0;
}

/* Where the kernel has groups, a function without one has no IOMMU above it. */
static void devices_mark_ungrouped(const struct import *import)
{
	if (!import->nr_groups)
		return;
	for (struct pci_function *fn = topology_first(import->topology); fn; fn = topology_next(fn))
		fn->no_iommu = import_host_group(import, &fn->address) == PCI_GROUP_NONE;
}

static int by_address(const void *a, const void *b)
{
	const struct host_group *x = a, *y = b;

	return pci_address_compare(&x->address, &y->address);
}

static int devices_read(struct sysfs *s)
{
	int copy = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return -errno;
	}
	while (!ret && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ret = device_read(s, entry->d_name);
	closedir(dir);
	if (!ret)
		ret = devices_link_others(s);
	if (s->import->nr_groups)
		qsort(s->import->groups, s->import->nr_groups, sizeof(struct host_group),
		      by_address);
	if (!ret)
		devices_mark_ungrouped(s->import);
	return ret;
}

int import_sysfs(const char *root, struct import *out, char **error)
{
	struct sysfs s = { .import = out, .error = error };
	char path[PATH_MAX];
	int ret = -ENOMEM;

	*out = (struct import){ .name = root };
	snprintf(path, sizeof(path), "%s/bus/pci/devices", root);
	s.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.dir < 0)
		return fail(-errno, error, "%s: %s", path, strerror(errno));
	out->topology = topology_new();
	if (out->topology)
		ret = devices_read(&s);
	close(s.dir);
	if (!ret)
		ret = import_link(out, error);
	if (ret)
		import_release(out);
	return ret;
}

int import_host_group(const struct import *import, const struct pci_address *address)
{
	struct host_group key = { .address = *address }, *found = NULL;

	if (import->nr_groups)
		found = bsearch(&key, import->groups, import->nr_groups, sizeof(key), by_address);
	return found ? found->group : PCI_GROUP_NONE;
}
