/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An edu device driven by iommufd, for tests that are programs of a session.
 */
#ifndef TEST_E2E_EDU_H
#define TEST_E2E_EDU_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../examples/edu-iommufd/abi.h"

#define ID	   0x00
#define LIVENESS   0x04
#define IRQ_RAISE  0x60
#define DMA_SRC	   0x80
#define DMA_DST	   0x88
#define DMA_COUNT  0x90
#define DMA_CMD	   0x98
#define EDU_BUFFER 0x40000u
#define EDU_ID	   0x010000edu
#define BAR_SIZE   (1ul << 20)
#define IOVA	   0x100000u
#define CDEV	   "/dev/vfio/devices/vfio0"
#define GROUP	   "/dev/vfio/1"
#define ADDRESS	   "0000:01:00.0"

#define CHECK(cond)                                                                   \
	do {                                                                          \
		if (!(cond)) {                                                        \
			printf("# line %d: %s (errno %d)\n", __LINE__, #cond, errno); \
			fflush(stdout);                                               \
			return false;                                                 \
		}                                                                     \
	} while (0)

#define FAILS(call, err) CHECK((call) < 0 && errno == (err))

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
	return (volatile uint32_t *)(e->bar + off);
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
	*(volatile uint64_t *)(e->bar + DMA_SRC) = to_memory ? EDU_BUFFER : iova;
	*(volatile uint64_t *)(e->bar + DMA_DST) = to_memory ? iova : EDU_BUFFER;
	*(volatile uint64_t *)(e->bar + DMA_COUNT) = 64;
	*reg(e, DMA_CMD) = 1 | (to_memory ? 2 : 0);
	while (*reg(e, DMA_CMD) & 1)
		;
}

static inline void *pages(size_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* What a child ends with: its exit status, or 256 and more for a signal. */
static inline int wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

#endif
