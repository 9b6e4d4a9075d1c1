/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device opened through its group and a container of type 1, as everybody opens
 * it: for tests and benchmarks that are programs of a session. Nothing here knows of
 * Ringfence.
 */
#ifndef TEST_CONTAINER_H
#define TEST_CONTAINER_H

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONFIG_AT ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)

struct vfio {
	int container;
	int group;
	int device;
};

/* /dev/vfio/N of a device, in @path. */
static inline bool vfio_group_path(const char *address, char *path, size_t size)
{
	char link[256], target[256];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", address);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	snprintf(path, size, "/dev/vfio/%s", strrchr(target, '/') + 1);
	return true;
}

static inline bool vfio_command(int device, uint16_t value)
{
	return pwrite(device, &value, sizeof(value), CONFIG_AT + 4) == sizeof(value);
}

/* Container, group and device in this order; memory and bus mastering are on. */
static inline bool vfio_open(struct vfio *v, const char *address)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	const char *what = address;
	char path[64];

	if (!vfio_group_path(address, path, sizeof(path)))
		goto failed;
	what = "/dev/vfio/vfio";
	v->container = open(what, O_RDWR | O_CLOEXEC);
	if (v->container < 0)
		goto failed;
	what = path;
	v->group = open(path, O_RDWR | O_CLOEXEC);
	if (v->group < 0 || ioctl(v->group, VFIO_GROUP_GET_STATUS, &status))
		goto failed;
	what = "viability";
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		goto failed;
	what = "container";
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->container) ||
	    ioctl(v->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		goto failed;
	what = "device";
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (v->device < 0 || !vfio_command(v->device, 6))
		goto failed;
	return true;
failed:
	perror(what);
	return false;
}

static inline bool vfio_close(const struct vfio *v)
{
	return !close(v->device) && !close(v->group) && !close(v->container);
}

static inline bool vfio_map(int container, const volatile void *p, size_t len, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)p,
		.iova = iova,
		.size = len,
	};

	return !ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

/* True if as much was mapped. */
static inline bool vfio_unmap(int container, size_t len, uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	return !ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) && unmap.size == len;
}

#endif
