/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for the edu device by iommufd: no group, no container. The device is
 * opened by itself, bound to an iommufd, and pointed at I/O address spaces, one
 * after the other. Knows nothing of Ringfence. The rest of a driver, interrupts
 * among it, is the same as by groups: see ../edu.
 *
 *	edu-iommufd BDF
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

#define EDU_ID		 0x010000edu
#define EDU_BUFFER	 0x40000u /* the device's own address of its buffer */
#define PAGE		 4096u
#define PCI_COMMAND	 0x04
#define PCI_COMMAND_BITS 0x6 /* memory, bus master */

#define REG_ID		 0x00
#define REG_DMA_SRC	 0x80
#define REG_DMA_DST	 0x88
#define REG_DMA_COUNT	 0x90
#define REG_DMA_CMD	 0x98
#define DMA_START	 0x1u
#define DMA_TO_MEMORY	 0x2u

/* The device drives 28 address bits only. */
#define IOVA 0x100000u

/* An I/O address space, and the page that is mapped in it at IOVA. */
struct space {
	uint32_t id;
	uint8_t *page;
};

struct edu {
	int iommufd;
	int device;
	uint64_t bar_size;
	volatile uint8_t *bar;
	struct space first, second;
};

static bool fail(const char *what)
{
	fprintf(stderr, "edu-iommufd: %s: %s\n", what, strerror(errno));
	return false;
}

static bool wrong(const char *what, uint64_t want, uint64_t got)
{
	fprintf(stderr, "edu-iommufd: %s: expected 0x%" PRIx64 ", got 0x%" PRIx64 "\n", what, want,
		got);
	return false;
}

/* The device's own node is named by the only entry of its directory vfio-dev. */
static bool open_device(struct edu *edu, const char *bdf)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return fail(path);
	do
		entry = readdir(dir);
	while (entry && strncmp(entry->d_name, "vfio", 4) != 0);
	if (entry)
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
	closedir(dir);
	if (!entry) {
		fprintf(stderr, "edu-iommufd: %s is empty\n", path);
		return false;
	}
	edu->device = open(path, O_RDWR | O_CLOEXEC);
	if (edu->device < 0)
		return fail(path);
	printf("device    %s\n", path);
	return true;
}

/* Until this is done the device answers nothing. It is ours alone from then on. */
static bool bind_device(struct edu *edu)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };

	edu->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (edu->iommufd < 0)
		return fail("/dev/iommu");
	bind.iommufd = edu->iommufd;
	if (ioctl(edu->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return fail("VFIO_DEVICE_BIND_IOMMUFD");
	printf("iommufd   bound as object %u\n", bind.out_devid);
	return true;
}

static bool enable_device(struct edu *edu)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	struct vfio_region_info bar = {
		.argsz = sizeof(bar),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	uint16_t command = PCI_COMMAND_BITS;
	void *at;

	if (ioctl(edu->device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    ioctl(edu->device, VFIO_DEVICE_GET_REGION_INFO, &bar))
		return fail("VFIO_DEVICE_GET_REGION_INFO");
	if (pwrite(edu->device, &command, 2, (off_t)config.offset + PCI_COMMAND) != 2)
		return fail("write of COMMAND");
	at = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, edu->device,
		  (off_t)bar.offset);
	if (at == MAP_FAILED)
		return fail("mmap of BAR 0");
	edu->bar = at;
	edu->bar_size = bar.size;
	if (*(volatile uint32_t *)(edu->bar + REG_ID) != EDU_ID)
		return wrong("identification", EDU_ID, *(volatile uint32_t *)(edu->bar + REG_ID));
	return true;
}

/* An address space of its own, with a fresh page at IOVA. No device uses it yet. */
static bool make_space(struct edu *edu, struct space *space, uint8_t fill)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.length = PAGE,
		.iova = IOVA,
	};
	void *page;

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return fail("mmap");
	space->page = page;
	memset(page, fill, PAGE);
	if (ioctl(edu->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return fail("IOMMU_IOAS_ALLOC");
	space->id = alloc.out_ioas_id;
	map.ioas_id = space->id;
	map.user_va = (uintptr_t)page;
	if (ioctl(edu->iommufd, IOMMU_IOAS_MAP, &map))
		return fail("IOMMU_IOAS_MAP");
	printf("space     object %u: a page of 0x%02x at IOVA 0x%x\n", space->id, fill, IOVA);
	return true;
}

/* Attaching while attached replaces: DMA sees the one space or the other, never none. */
static bool attach(struct edu *edu, const struct space *space)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = space->id,
	};

	if (ioctl(edu->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		return fail("VFIO_DEVICE_ATTACH_IOMMUFD_PT");
	printf("attached  to space %u by page table %u\n", space->id, attach.pt_id);
	return true;
}

static void run_dma(struct edu *edu, uint64_t src, uint64_t dst, uint32_t cmd)
{
	*(volatile uint64_t *)(edu->bar + REG_DMA_SRC) = src;
	*(volatile uint64_t *)(edu->bar + REG_DMA_DST) = dst;
	*(volatile uint64_t *)(edu->bar + REG_DMA_COUNT) = PAGE;
	*(volatile uint32_t *)(edu->bar + REG_DMA_CMD) = DMA_START | cmd;
	while (*(volatile uint32_t *)(edu->bar + REG_DMA_CMD) & DMA_START)
		;
}

/* The page at IOVA goes into the device's buffer, whichever space that is in. */
static void dma_in(struct edu *edu)
{
	run_dma(edu, IOVA, EDU_BUFFER, 0);
}

static void dma_out(struct edu *edu)
{
	run_dma(edu, EDU_BUFFER, IOVA, DMA_TO_MEMORY);
}

static bool page_is(const char *what, const uint8_t *page, uint8_t want)
{
	for (unsigned i = 0; i < PAGE; i++)
		if (page[i] != want)
			return wrong(what, want, page[i]);
	return true;
}

/* Carry the first space's page over to the second's, by nothing but DMA. */
static bool check_replace(struct edu *edu)
{
	if (!attach(edu, &edu->first))
		return false;
	dma_in(edu);
	if (!attach(edu, &edu->second))
		return false;
	dma_out(edu);
	if (!page_is("the second space's page", edu->second.page, 0x11) ||
	    !page_is("the first space's page", edu->first.page, 0x11))
		return false;
	printf("DMA       from the first space to the second\n");
	return true;
}

/* A device that is attached to nothing reaches nothing. */
static bool check_detach(struct edu *edu)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	if (ioctl(edu->device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach))
		return fail("VFIO_DEVICE_DETACH_IOMMUFD_PT");
	memset(edu->first.page, 0x33, PAGE);
	memset(edu->second.page, 0x33, PAGE);
	dma_out(edu);
	if (!page_is("after detaching, the first space's page", edu->first.page, 0x33) ||
	    !page_is("after detaching, the second space's page", edu->second.page, 0x33))
		return false;
	printf("detached  DMA goes nowhere\n");
	return true;
}

static bool destroy_space(struct edu *edu, struct space *space)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = space->id };

	return !ioctl(edu->iommufd, IOMMU_DESTROY, &destroy) || fail("IOMMU_DESTROY");
}

static void close_all(struct edu *edu)
{
	if (edu->bar)
		munmap((void *)edu->bar, edu->bar_size);
	if (edu->device >= 0)
		close(edu->device);
	if (edu->iommufd >= 0)
		close(edu->iommufd);
	if (edu->first.page)
		munmap(edu->first.page, PAGE);
	if (edu->second.page)
		munmap(edu->second.page, PAGE);
}

int main(int argc, char **argv)
{
	struct edu edu = { .iommufd = -1, .device = -1 };
	bool ok;

	if (argc != 2) {
		fprintf(stderr, "usage: edu-iommufd BDF\n");
		return 1;
	}
	ok = open_device(&edu, argv[1]) && bind_device(&edu) && enable_device(&edu) &&
	     make_space(&edu, &edu.first, 0x11) && make_space(&edu, &edu.second, 0x22) &&
	     check_replace(&edu) && check_detach(&edu) && destroy_space(&edu, &edu.first) &&
	     destroy_space(&edu, &edu.second);
	close_all(&edu);
	if (ok)
		puts("ok");
	return ok ? 0 : 1;
}
