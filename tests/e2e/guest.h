/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM with IOVA windows, for tests that are programs of a session: its devices, and
 * short ways to say what it asks of /dev/iommu. Every step of a machine's life is a test;
 * they run in order and share what they have made.
 */
#ifndef TEST_E2E_GUEST_H
#define TEST_E2E_GUEST_H

#include <ringfence/uapi.h>

#include "edu.h"

#if !__has_include(<linux/iommufd.h>)
#define IOMMU_IOAS_COPY IOMMUFD_NR(3)

struct iommu_ioas_copy {
	__u32 size;
	__u32 flags;
	__u32 dst_ioas_id;
	__u32 src_ioas_id;
	__aligned_u64 length;
	__aligned_u64 dst_iova;
	__aligned_u64 src_iova;
};
#endif

#define KIB   1024ul
#define MIB   (1024 * KIB)
#define GIB   (1024 * MIB)
#define FIXED RF_IOAS_WINDOW_FIXED_IOVA

static int iommufd;

static inline bool guest_open_device(struct edu *e, unsigned n)
{
	uint16_t command = 6; /* memory, bus master */
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u", n);
	e->device = open(path, O_RDWR | O_CLOEXEC);
	CHECK(e->device >= 0 && !bind_to(e->device, iommufd));
	CHECK(pwrite(e->device, &command, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4) == 2);
	return edu_map_bar(e);
}

static inline bool guest_close_device(struct edu *e)
{
	return !munmap((void *)e->bar, BAR_SIZE) && !close(e->device);
}

static inline uint32_t new_windowed_ioas(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc), .flags = RF_IOAS_WINDOWED };

	return ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc) ? 0 : alloc.out_ioas_id;
}

/* *iova is the base, wished for if FIXED, and got. */
static inline int create_window(uint32_t ioas, uint32_t flags, uint64_t *iova, uint64_t length,
				uint64_t page_size)
{
	struct rf_ioas_create_window cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.length = length,
		.page_size = page_size,
		.iova = *iova,
	};
	int ret = ioctl(iommufd, RF_IOAS_CREATE_WINDOW, &cmd);

	if (!ret)
		*iova = cmd.iova;
	return ret;
}

static inline int create_window_at(uint32_t ioas, uint64_t iova, uint64_t length)
{
	return create_window(ioas, FIXED, &iova, length, 0);
}

static inline int remove_window(uint32_t ioas, uint64_t iova)
{
	struct rf_ioas_remove_window cmd = { .size = sizeof(cmd), .ioas_id = ioas, .iova = iova };

	return ioctl(iommufd, RF_IOAS_REMOVE_WINDOW, &cmd);
}

static inline int copy_at(uint32_t to, uint64_t iova, uint32_t from, uint64_t from_iova,
			  uint64_t length)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.length = length,
		.dst_iova = iova,
		.src_iova = from_iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_COPY, &cmd);
}

/* The device carries 64 bytes from one IOVA to another. */
static inline void device_moves(const struct edu *e, uint64_t from, uint64_t to)
{
	dma(e, from, false);
	dma(e, to, true);
}

/* Whether what the device writes to @iova arrives at @where. */
static inline bool device_reaches(const struct edu *e, uint64_t iova, volatile uint8_t *where)
{
	uint8_t before = *where;
	bool reached;

	/* its buffer is as it was left; twice, as it may hold just what is there */
	*where = 0x11;
	dma(e, iova, true);
	reached = *where != 0x11;
	*where = 0x22;
	dma(e, iova, true);
	reached |= *where != 0x22;
	*where = before;
	return reached;
}

#endif
