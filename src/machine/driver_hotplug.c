/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever may show later was made when the session was (view.c) and waits in
 * spare/; so showing and hiding are renames, and nothing is composed here but
 * links and the one line of uevent.
 *
 *	spare/dev-N, class-N, link-N	the group's node, its class device and link
 *	spare/vfio-ADDRESS, ...		the same of a device's own node
 *	spare/bus-ADDRESS, dir-, in-, dmar-	a device that was removed
 *	spare/group-N			a group without devices
 *	spare/off-ADDRESS, virtfnN-	a virtual function (driver_sriov.c)
 */
#include "machine/driver_hotplug.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"

#define UEVENT_MAX 1024u
#define DMAR	   "sys/devices/virtual/iommu/dmar0/devices"

static bool lock_held(const struct session_files *files, const char *kind, const char *name)
{
	char path[PATH_MAX];
	bool used = false;
	int fd;

	if (!path_print(path, "lock/%s-%s", kind, name))
		return false;
	fd = (int)syscall(SYS_openat, files->root, path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	used = syscall(SYS_flock, fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	sys_close(fd);
	return used;
}

bool group_in_use(const struct session_files *files, const char *group)
{
	return lock_held(files, "dma", group);
}

bool device_in_use(const struct session_files *files, const char *address)
{
	return lock_held(files, "open", address);
}

/* Who has it open watches the file that says so. */
void device_request(const struct session_files *files, const char *address)
{
	char path[PATH_MAX];

	if (path_print(path, "lock/open-%s", address))
		syscall(SYS_utimensat, files->root, path, NULL, 0);
}

static bool device_group(const struct session_files *files, const char *address,
			 char group[NAME_SIZE])
{
	char path[PATH_MAX];

	return path_print(path, "sys/bus/pci/devices/%s/iommu_group", address) &&
	       link_name(files, path, group);
}

static bool device_driver(const struct session_files *files, const char *address,
			  char driver[NAME_SIZE])
{
	char path[PATH_MAX];

	return path_print(path, "sys/bus/pci/devices/%s/driver", address) &&
	       link_name(files, path, driver);
}

static int show_or_hide(const struct session_files *files, bool show, const char *path,
			const char *key)
{
	return show ? file_show(files, path, key) : file_hide(files, path, key);
}

/* One of the group's links: 1 when it is of a device of vfio-pci. */
static int link_is_vfio(const struct session_files *files, const char *name, void *arg)
{
	char path[PATH_MAX], address[NAME_SIZE], driver[NAME_SIZE];

	if (!path_print(path, "sys/kernel/iommu_groups/%s/devices/%s", (const char *)arg, name) ||
	    !link_name(files, path, address))
		return 0;
	return device_driver(files, address, driver) && !strcmp(driver, "vfio-pci");
}

static int group_show_nodes(const struct session_files *files, const char *group)
{
	char path[PATH_MAX], key[NAME_SIZE + 16];
	int ret;
	bool show;

	if (!path_print(path, "sys/kernel/iommu_groups/%s/devices", group))
		return -ENAMETOOLONG;
	show = files_each(files, path, link_is_vfio, (void *)group) > 0;

	path_print(path, "sys/devices/virtual/vfio/%s", group);
	snprintf(key, sizeof(key), "class-%s", group);
	ret = show_or_hide(files, show, path, key);
	if (!ret) {
		path_print(path, "sys/class/vfio/%s", group);
		snprintf(key, sizeof(key), "link-%s", group);
		ret = show_or_hide(files, show, path, key);
	}
	if (!ret) {
		path_print(path, "dev/vfio/%s", group);
		snprintf(key, sizeof(key), "dev-%s", group);
		ret = show_or_hide(files, show, path, key);
	}
	return ret;
}

struct cdev_change {
	const char *address;
	bool show;
};

/* The class link and the node of "vfioN" in a device's vfio-dev directory. */
static int cdev_show(const struct session_files *files, const char *name, void *arg)
{
	const struct cdev_change *change = arg;
	char path[PATH_MAX], key[NAME_SIZE + 16];
	int ret = 0;

	if (strncmp(name, "vfio", 4) != 0)
		return 0;
	if (path_print(path, "sys/class/vfio-dev/%s", name)) {
		snprintf(key, sizeof(key), "cdev-%s", name);
		ret = show_or_hide(files, change->show, path, key);
	}
	if (!ret && path_print(path, "dev/vfio/devices/%s", name)) {
		snprintf(key, sizeof(key), "node-%s", name);
		ret = show_or_hide(files, change->show, path, key);
	}
	return ret;
}

static int device_show_cdev(const struct session_files *files, const char *address, bool show)
{
	struct cdev_change change = { .address = address, .show = show };
	char dir[PATH_MAX], path[PATH_MAX], key[NAME_SIZE];
	int ret;

	if (!device_directory(files, address, dir) || !path_print(path, "%s/vfio-dev", dir))
		return -ENODEV;
	snprintf(key, sizeof(key), "vfio-%.200s", address);
	if (show) {
		ret = file_show(files, path, key);
		if (ret)
			return ret;
	}
	ret = files_each(files, path, cdev_show, &change);
	if (ret && ret != -ENOENT)
		return ret;
	return show ? 0 : file_hide(files, path, key);
}

int device_show_vfio(const struct session_files *files, const char *address)
{
	char driver[NAME_SIZE], group[NAME_SIZE];
	bool bound = device_driver(files, address, driver) && !strcmp(driver, "vfio-pci");
	int ret = device_show_cdev(files, address, bound);

	if (!ret && device_group(files, address, group))
		ret = group_show_nodes(files, group);
	return ret;
}

/* The first line of uevent names the driver, if there is one. */
static int uevent_set_driver(const struct session_files *files, const char *dir, const char *driver)
{
	char path[PATH_MAX], text[UEVENT_MAX], fresh[UEVENT_MAX + NAME_SIZE + 16], *rest = text;

	if (!path_print(path, "%s/uevent", dir))
		return -ENAMETOOLONG;
	if (file_read(files, path, text, sizeof(text)) < 0)
		return 0;
	if (!strncmp(rest, "DRIVER=", 7)) {
		rest = strchrnul(rest, '\n');
		rest += *rest == '\n';
	}
	snprintf(fresh, sizeof(fresh), "%s%s%s%s", driver ? "DRIVER=" : "", driver ?: "",
		 driver ? "\n" : "", rest);
	return file_replace(files, path, fresh);
}

/* "../../../": out of @dir, up to sys/. */
static void climb(char *out, size_t size, const char *dir)
{
	size_t used = 0;

	out[0] = '\0';
	for (const char *at = dir; (at = strchr(at, '/')) && used + 4 < size; at++)
		used += (size_t)snprintf(out + used, size - used, "../");
}

static int driver_unlink(const struct session_files *files, const char *dir, const char *address,
			 const char *driver)
{
	char path[PATH_MAX];
	int ret;

	path_print(path, "sys/bus/pci/drivers/%s/%s", driver, address);
	ret = file_remove(files, path);
	if (!ret && path_print(path, "%s/driver", dir))
		ret = file_remove(files, path);
	return ret ? ret : uevent_set_driver(files, dir, NULL);
}

static int driver_link(const struct session_files *files, const char *dir, const char *address,
		       const char *driver)
{
	char path[PATH_MAX], target[PATH_MAX], up[256];
	int ret;

	path_print(path, "sys/bus/pci/drivers/%s/%s", driver, address);
	if (!path_print(target, "../../../../%s", dir + strlen("sys/")))
		return -ENAMETOOLONG;
	ret = link_set(files, target, path);
	if (ret)
		return ret;
	climb(up, sizeof(up), dir);
	if (!path_print(target, "%sbus/pci/drivers/%s", up, driver) ||
	    !path_print(path, "%s/driver", dir))
		return -ENAMETOOLONG;
	ret = link_set(files, target, path);
	return ret ? ret : uevent_set_driver(files, dir, driver);
}

int device_set_driver(const struct session_files *files, const char *address, const char *driver)
{
	char dir[PATH_MAX], now[NAME_SIZE];
	int ret = 0;

	if (!device_directory(files, address, dir))
		return -ENODEV;
	if (device_driver(files, address, now))
		ret = driver_unlink(files, dir, address, now);
	if (!ret && driver)
		ret = driver_link(files, dir, address, driver);
	return ret ? ret : device_show_vfio(files, address);
}

/* Links to a device, in its group and elsewhere, that come and go with it. */
static int device_show_links(const struct session_files *files, const char *address, bool show)
{
	char path[PATH_MAX], key[NAME_SIZE + 16], group[NAME_SIZE];
	int ret;

	path_print(path, DMAR "/%s", address);
	snprintf(key, sizeof(key), "dmar-%.200s", address);
	ret = show_or_hide(files, show, path, key);
	if (ret || !device_group(files, address, group))
		return ret;
	if (show) {
		path_print(path, "sys/kernel/iommu_groups/%s", group);
		snprintf(key, sizeof(key), "group-%s", group);
		ret = file_show(files, path, key);
	}
	if (!ret) {
		path_print(path, "sys/kernel/iommu_groups/%s/devices/%s", group, address);
		snprintf(key, sizeof(key), "in-%.200s", address);
		ret = show_or_hide(files, show, path, key);
	}
	return ret;
}

static int first_name(const struct session_files *files, const char *name, void *arg)
{
	return 1;
}

static int group_hide_empty(const struct session_files *files, const char *group)
{
	char path[PATH_MAX], key[NAME_SIZE + 16];

	path_print(path, "sys/kernel/iommu_groups/%s/devices", group);
	if (files_each(files, path, first_name, NULL))
		return 0;
	path_print(path, "sys/kernel/iommu_groups/%s", group);
	snprintf(key, sizeof(key), "group-%s", group);
	return file_hide(files, path, key);
}

static int remove_one(const struct session_files *files, const char *address)
{
	char dir[PATH_MAX], path[PATH_MAX], key[NAME_SIZE + 16], group[NAME_SIZE];
	bool grouped = device_group(files, address, group);
	int ret = device_set_driver(files, address, NULL);

	if (!ret)
		ret = device_show_links(files, address, false);
	if (!ret && grouped)
		ret = group_hide_empty(files, group);
	if (ret || !device_directory(files, address, dir))
		return ret;
	snprintf(key, sizeof(key), "bus-%.200s", address);
	path_print(path, "sys/bus/pci/devices/%s", address);
	ret = file_hide(files, path, key);
	snprintf(key, sizeof(key), "dir-%.200s", address);
	return ret ? ret : file_hide(files, dir, key);
}

struct below {
	const char *dir;
	size_t length;
};

/* A device whose directory is below another's leaves before it. */
static int remove_below(const struct session_files *files, const char *address, void *arg)
{
	const struct below *below = arg;
	char dir[PATH_MAX];

	if (!device_directory(files, address, dir) ||
	    strncmp(dir, below->dir, below->length) != 0 || dir[below->length] != '/')
		return 0;
	return device_remove(files, address);
}

int device_remove(const struct session_files *files, const char *address)
{
	char dir[PATH_MAX];
	struct below below = { .dir = dir };
	int ret;

	if (!device_directory(files, address, dir))
		return -ENODEV;
	below.length = strlen(dir);
	ret = sriov_disable(files, address);
	if (!ret)
		ret = files_each(files, "sys/bus/pci/devices", remove_below, &below);
	return ret ? ret : remove_one(files, address);
}

struct rescan {
	size_t depth; /* of the directories to put back now */
	bool deeper; /* there are others further down */
};

static size_t path_depth(const char *path)
{
	size_t depth = 0;

	while ((path = strchr(path, '/'))) {
		path++;
		depth++;
	}
	return depth;
}

/* Where the directory of a removed device belongs. */
static bool removed_directory(const struct session_files *files, const char *address,
			      char dir[PATH_MAX])
{
	char path[PATH_MAX], target[PATH_MAX];
	long len;

	if (!path_print(path, "spare/bus-%s", address))
		return false;
	len = syscall(SYS_readlinkat, files->root, path, target, sizeof(target) - 1);
	if (len < 10)
		return false;
	target[len] = '\0';
	return path_print(dir, "sys/%s", target + 9);
}

int device_restore(const struct session_files *files, const char *address)
{
	char dir[PATH_MAX], path[PATH_MAX], key[NAME_SIZE + 16], text[8];
	int ret;

	if (!removed_directory(files, address, dir))
		return -ENODEV;
	snprintf(key, sizeof(key), "dir-%.200s", address);
	ret = file_show(files, dir, key);
	if (!ret) {
		path_print(path, "sys/bus/pci/devices/%s", address);
		snprintf(key, sizeof(key), "bus-%.200s", address);
		ret = file_show(files, path, key);
	}
	if (!ret)
		ret = device_show_links(files, address, true);
	if (!ret) {
		path_print(path, "sys/bus/pci/devices/%s/driver_override", address);
		ret = file_replace(files, path, "(null)\n");
	}
	if (ret)
		return ret;
	file_read(files, "sys/bus/pci/drivers_autoprobe", text, sizeof(text));
	return text[0] != '0' ? device_probe(files, address) : 0;
}

static int restore_one(const struct session_files *files, const char *name, void *arg)
{
	struct rescan *rescan = arg;
	char dir[PATH_MAX];
	size_t depth;

	if (strncmp(name, "bus-", 4) != 0 || !removed_directory(files, name + 4, dir))
		return 0;
	depth = path_depth(dir);
	rescan->deeper = rescan->deeper || depth > rescan->depth;
	return depth == rescan->depth ? device_restore(files, name + 4) : 0;
}

int bus_rescan(const struct session_files *files)
{
	struct rescan rescan = { .deeper = true };
	int ret = 0;

	while (!ret && rescan.deeper) {
		rescan.deeper = false;
		ret = files_each(files, "spare", restore_one, &rescan);
		rescan.depth++;
	}
	return ret;
}
