/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A process in front of /dev/vfio, without a process: devices in groups, a
 * table of descriptors, and the calls a program would make. Descriptors of
 * ours are numbered from RIG_FD; smaller numbers are this process's own.
 */
#ifndef TEST_VFIO_RIG_H
#define TEST_VFIO_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../faults.h"
#include "bus/device.h"
#include "group/group.h"
#include "memory/fault.h"
#include "memory/owner.h"
#include "vfio/abi.h"
#include "vfio/vfio.h"

#define RIG_FD	    100000
#define RIG_FILES   64
#define RIG_DEVICES 4

struct rig {
	struct file_caller caller; /* first: callbacks get a pointer to it */
	struct vfio_options options;
	struct rf_device *list; /* of all devices, as a machine has it */
	struct rf_device *devices[RIG_DEVICES];
	struct rf_group *groups[RIG_DEVICES];
	unsigned nr;
	struct file *files[RIG_FILES];
	int last_oflags;
};

static inline int rig_install(struct file_caller *caller, struct file *file, int oflags)
{
	struct rig *rig = (struct rig *)caller;

	for (int i = 0; i < RIG_FILES; i++) {
		if (!rig->files[i]) {
			rig->files[i] = file;
			rig->last_oflags = oflags;
			return RIG_FD + i;
		}
	}
	return -EMFILE;
}

static inline struct file *rig_file(struct rig *rig, int fd)
{
	unsigned i = (unsigned)(fd - RIG_FD);

	return fd >= RIG_FD && i < RIG_FILES ? rig->files[i] : NULL;
}

static inline struct file *rig_lookup(struct file_caller *caller, int fd, int *err)
{
	struct file *file = rig_file((struct rig *)caller, fd);

	if (file)
		return file_get(file);
	*err = fcntl(fd, F_GETFD) < 0 ? -EBADF : -EBADFD;
	return NULL;
}

static const struct file_caller_ops rig_caller_ops = {
	.install = rig_install,
	.lookup = rig_lookup,
};

static inline void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	assert_int_equal(fault_install(), 0);
	rig->caller.owner = owner_new_self();
	assert_non_null(rig->caller.owner);
	rig->caller.ops = &rig_caller_ops;
	rig->options = (struct vfio_options){
		.entry_limit = 65535,
		.memlock = UINT64_MAX,
		.devices = &rig->list,
	};
}

static char rig_driver[] = "vfio-pci";

/* Devices are added in the order of their addresses; each is group 1, 2, ... alone. */
static inline struct rf_device *rig_add(struct rig *rig, const struct rf_pci_model *model,
					const char *address, const struct iommu_kind *kind,
					const struct prop_value *values)
{
	struct rf_device *dev, **end = &rig->list;
	struct pci_address at;
	char *error = NULL;

	assert_int_equal(pci_address_parse(address, &at), 0);
	if (device_new(model, &at, values, &dev, &error))
		fail_msg("%s: %s", address, error);
	dev->iommu = kind;
	dev->host_driver = rig_driver;
	assert_int_equal(group_new(rig->nr + 1, &rig->groups[rig->nr]), 0);
	assert_int_equal(group_add_device(rig->groups[rig->nr], dev), 0);
	while (*end)
		end = &(*end)->next;
	*end = dev;
	return rig->devices[rig->nr++] = dev;
}

static inline void rig_close(struct rig *rig, int fd)
{
	struct file *file = rig_file(rig, fd);

	if (!file)
		return;
	rig->files[fd - RIG_FD] = NULL;
	file_put(file);
}

static inline void rig_fini(struct rig *rig)
{
	for (int i = 0; i < RIG_FILES; i++)
		rig_close(rig, RIG_FD + i);
	for (unsigned i = 0; i < rig->nr; i++) {
		group_free(rig->groups[i]);
		device_free(rig->devices[i]);
	}
	owner_free(rig->caller.owner);
}

/* A descriptor, or a negative errno. */
static inline int rig_open_container(struct rig *rig)
{
	struct file *file;
	int ret = vfio_open_container(&rig->options, &file);

	return ret ? ret : rig_install(&rig->caller, file, O_RDWR);
}

static inline int rig_open_group(struct rig *rig, unsigned id)
{
	struct file *file;
	int ret;

	if (!id || id > rig->nr)
		return -ENOENT;
	ret = vfio_open_group(rig->groups[id - 1], &rig->options, &file);
	return ret ? ret : rig_install(&rig->caller, file, O_RDWR);
}

static inline long rig_ioctl_number(struct rig *rig, int fd, unsigned long cmd, unsigned long arg)
{
	struct file *file = rig_file(rig, fd);

	take_faults();
	return file ? file->ops->ioctl(file, &rig->caller, cmd, arg) : -EBADF;
}

static inline long rig_ioctl(struct rig *rig, int fd, unsigned long cmd, const void *arg)
{
	return rig_ioctl_number(rig, fd, cmd, (unsigned long)arg);
}

static inline ssize_t rig_pread(struct rig *rig, int fd, void *buf, size_t len, uint64_t off)
{
	struct file *file = rig_file(rig, fd);

	take_faults();
	return file->ops->pread ? file->ops->pread(file, &rig->caller, buf, len, off) : -EINVAL;
}

static inline ssize_t rig_pwrite(struct rig *rig, int fd, const void *buf, size_t len, uint64_t off)
{
	struct file *file = rig_file(rig, fd);

	take_faults();
	return file->ops->pwrite ? file->ops->pwrite(file, &rig->caller, buf, len, off) : -EINVAL;
}

static inline int rig_mmap(struct rig *rig, int fd, uint64_t off, uint64_t len, int prot, int flags,
			   struct file_mapping *out)
{
	struct file *file = rig_file(rig, fd);

	return file->ops->mmap ? file->ops->mmap(file, off, len, prot, flags, out) : -ENODEV;
}

/* The usual way in: container and group of device @id, type1 of @type; *c and *g filled. */
static inline void rig_attach(struct rig *rig, unsigned id, unsigned long type, int *c, int *g)
{
	*c = rig_open_container(rig);
	*g = rig_open_group(rig, id);
	assert_true(*c >= 0 && *g >= 0);
	assert_int_equal(rig_ioctl(rig, *g, VFIO_GROUP_SET_CONTAINER, c), 0);
	assert_int_equal(rig_ioctl_number(rig, *c, VFIO_SET_IOMMU, type), 0);
}

static inline int rig_device(struct rig *rig, int g, unsigned id)
{
	return (int)rig_ioctl(rig, g, VFIO_GROUP_GET_DEVICE_FD, rig->devices[id - 1]->name);
}

#endif
