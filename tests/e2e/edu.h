/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An edu device driven by iommufd, for tests that are programs of a session.
 */
#ifndef TEST_E2E_EDU_H
#define TEST_E2E_EDU_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../examples/edu-iommufd/abi.h"
#include "edu_bar.h"
#include "tap.h"

#define CDEV  "/dev/vfio/devices/vfio0"
#define GROUP "/dev/vfio/1"

struct edu {
	int device;
	int iommufd;
	uint32_t ioas;
	volatile uint8_t *bar;
};

static inline int bind_to(int device, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };

	return ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

static inline int attach_to(int device, uint32_t id)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = id };

	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

static inline int detach(int device)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	return ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach);
}

static inline uint32_t new_ioas(int iommufd)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	return ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc) ? 0 : alloc.out_ioas_id;
}

static inline int map_at(int iommufd, uint32_t ioas, void *p, size_t len, uint64_t iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)p,
		.length = len,
		.iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP, &map);
}

static inline int unmap_at(int iommufd, uint32_t ioas, size_t len, uint64_t iova)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = len
	};

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap);
}

static inline int destroy(int iommufd, uint32_t id)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = id };

	return ioctl(iommufd, IOMMU_DESTROY, &destroy);
}

static inline volatile uint32_t *reg(const struct edu *e, unsigned off)
{
	return bar_reg(e->bar, off);
}

static inline bool edu_map_bar(struct edu *e)
{
	e->bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, e->device, 0);
	CHECK(e->bar != MAP_FAILED);
	CHECK(*reg(e, ID) == EDU_ID);
	return true;
}

/* Opened, bound, enabled, with an empty space that it is not attached to. */
static inline bool edu_open(struct edu *e)
{
	uint16_t command = 6; /* memory, bus master */

	e->device = open(CDEV, O_RDWR | O_CLOEXEC);
	CHECK(e->device >= 0);
	e->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	CHECK(e->iommufd >= 0);
	CHECK(!bind_to(e->device, e->iommufd));
	CHECK(pwrite(e->device, &command, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4) == 2);
	e->ioas = new_ioas(e->iommufd);
	CHECK(e->ioas);
	return edu_map_bar(e);
}

static inline bool edu_close(struct edu *e)
{
	CHECK(!munmap((void *)e->bar, BAR_SIZE));
	CHECK(!close(e->device));
	CHECK(!close(e->iommufd));
	return true;
}

/* 64 bytes between memory and the device's buffer. */
static inline void dma(const struct edu *e, uint64_t iova, bool to_memory)
{
	bar_dma(e->bar, iova, to_memory);
}

/* One interrupt of @index is told to @fd, or comes from it. */
static inline int set_irq(int device, uint32_t index, uint32_t action, int fd)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} arg = {
		.set = {
			.argsz = sizeof(arg),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | action,
			.index = index,
			.count = 1,
		},
		.fd = fd,
	};

	return ioctl(device, VFIO_DEVICE_SET_IRQS, &arg);
}

static inline void *pages(size_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

#endif
