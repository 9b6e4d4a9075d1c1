/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a user-space driver does with an IOVA window: attach the devices, say how much
 * IOVA it needs, and let the address space choose where. No guess about apertures or
 * reserved ranges, and a mapping that strays from the window is refused.
 *
 * Any number of edu devices share the space; data goes from one device's buffer to the
 * next one's. Not linked to Ringfence; but windows are Ringfence's, as <ringfence/uapi.h>
 * has them, and Linux knows none.
 *
 *	windows BDF...
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

#include <ringfence/uapi.h>

#include "../edu-iommufd/abi.h"

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

#define MAX_DEVICES	 8
#define WINDOW_SIZE	 (16u << 20)

struct edu {
	int fd;
	uint64_t bar_size;
	volatile uint8_t *bar;
};

/**
 * struct driver - all it has
 * @ioas: its address space
 * @window: all the IOVA it may use
 * @page: memory of one page for each device, and one more
 * @iova: where the devices see those
 */
struct driver {
	int iommufd;
	uint32_t ioas;
	struct edu devices[MAX_DEVICES];
	unsigned nr;
	struct rf_ioas_create_window window;
	uint8_t *page[MAX_DEVICES + 1];
	uint64_t iova[MAX_DEVICES + 1];
};

static bool fail(const char *what)
{
	fprintf(stderr, "windows: %s: %s\n", what, strerror(errno));
	return false;
}

static bool wrong(const char *what, uint64_t want, uint64_t got)
{
	fprintf(stderr, "windows: %s: expected 0x%" PRIx64 ", got 0x%" PRIx64 "\n", what, want,
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
		fprintf(stderr, "windows: %s is empty\n", path);
		return false;
	}
	edu->fd = open(path, O_RDWR | O_CLOEXEC);
	return edu->fd >= 0 || fail(path);
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

	if (ioctl(edu->fd, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    ioctl(edu->fd, VFIO_DEVICE_GET_REGION_INFO, &bar))
		return fail("VFIO_DEVICE_GET_REGION_INFO");
	if (pwrite(edu->fd, &command, 2, (off_t)config.offset + PCI_COMMAND) != 2)
		return fail("write of COMMAND");
	at = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, edu->fd, (off_t)bar.offset);
	if (at == MAP_FAILED)
		return fail("mmap of BAR 0");
	edu->bar = at;
	edu->bar_size = bar.size;
	if (*(volatile uint32_t *)(edu->bar + REG_ID) != EDU_ID)
		return wrong("identification", EDU_ID, *(volatile uint32_t *)(edu->bar + REG_ID));
	return true;
}

/* 1. An address space. */
static bool create_space(struct driver *d)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	d->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (d->iommufd < 0)
		return fail("/dev/iommu");
	if (ioctl(d->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return fail("IOMMU_IOAS_ALLOC");
	d->ioas = alloc.out_ioas_id;
	printf("space     object %u\n", d->ioas);
	return true;
}

/* 2. The devices: what they can do decides about the window. */
static bool attach_device(struct driver *d, const char *bdf)
{
	struct edu *edu = &d->devices[d->nr++];
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = d->iommufd };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = d->ioas };

	edu->fd = -1;
	if (!open_device(edu, bdf))
		return false;
	if (ioctl(edu->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return fail("VFIO_DEVICE_BIND_IOMMUFD");
	if (ioctl(edu->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		return fail("VFIO_DEVICE_ATTACH_IOMMUFD_PT");
	printf("attached  %s\n", bdf);
	return enable_device(edu);
}

/* 3. How much is needed; the rest is theirs to say. */
static bool create_window(struct driver *d)
{
	d->window = (struct rf_ioas_create_window){
		.size = sizeof(d->window),
		.ioas_id = d->ioas,
		.length = WINDOW_SIZE,
	};
	if (ioctl(d->iommufd, RF_IOAS_CREATE_WINDOW, &d->window))
		return fail(errno == ENOTTY ? "this /dev/iommu knows no windows" :
					      "RF_IOAS_CREATE_WINDOW");
	printf("window    0x%llx to 0x%llx, pages of %llu bytes\n",
	       (unsigned long long)d->window.iova,
	       (unsigned long long)(d->window.iova + d->window.length - 1),
	       (unsigned long long)d->window.page_size);
	return true;
}

/* 4. Buffers, wherever there is room in the window. */
static bool map_buffers(struct driver *d)
{
	for (unsigned i = 0; i <= d->nr; i++) {
		struct iommu_ioas_map map = {
			.size = sizeof(map),
			.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
			.ioas_id = d->ioas,
			.length = PAGE,
		};
		void *page;

		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			return fail("mmap");
		d->page[i] = page;
		map.user_va = (uintptr_t)page;
		if (ioctl(d->iommufd, IOMMU_IOAS_MAP, &map))
			return fail("IOMMU_IOAS_MAP");
		d->iova[i] = map.iova;
		printf("mapped    page %u at 0x%" PRIx64 "\n", i, d->iova[i]);
		if (map.iova < d->window.iova ||
		    map.iova + PAGE - 1 > d->window.iova + d->window.length - 1)
			return wrong("an IOVA of the window", d->window.iova, map.iova);
	}
	return true;
}

static void run_dma(const struct edu *edu, uint64_t src, uint64_t dst, uint32_t cmd)
{
	*(volatile uint64_t *)(edu->bar + REG_DMA_SRC) = src;
	*(volatile uint64_t *)(edu->bar + REG_DMA_DST) = dst;
	*(volatile uint64_t *)(edu->bar + REG_DMA_COUNT) = PAGE;
	*(volatile uint32_t *)(edu->bar + REG_DMA_CMD) = DMA_START | cmd;
	while (*(volatile uint32_t *)(edu->bar + REG_DMA_CMD) & DMA_START)
		;
}

/* 5. Work: each device takes the page that the one before has left. */
static bool do_work(struct driver *d)
{
	memset(d->page[0], 0x5a, PAGE);
	for (unsigned i = 0; i < d->nr; i++) {
		run_dma(&d->devices[i], d->iova[i], EDU_BUFFER, 0);
		run_dma(&d->devices[i], EDU_BUFFER, d->iova[i + 1], DMA_TO_MEMORY);
	}
	for (unsigned i = 0; i < PAGE; i++)
		if (d->page[d->nr][i] != 0x5a)
			return wrong("the last page", 0x5a, d->page[d->nr][i]);
	printf("DMA       from page 0 to page %u\n", d->nr);
	return true;
}

/* Outside the window nothing can be mapped, whatever the hardware could address. */
static bool stray(struct driver *d)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = d->ioas,
		.user_va = (uintptr_t)d->page[0],
		.length = PAGE,
		.iova = d->window.iova + d->window.length,
	};
	int err = ioctl(d->iommufd, IOMMU_IOAS_MAP, &map) ? errno : 0;

	if (err != EINVAL)
		return wrong("errno of a map behind the window", EINVAL, (uint64_t)err);
	printf("outside   nothing can be mapped\n");
	return true;
}

/* With the window its mappings go. */
static bool remove_window(struct driver *d)
{
	struct rf_ioas_remove_window gone = { .size = sizeof(gone),
					      .ioas_id = d->ioas,
					      .iova = d->window.iova };

	if (ioctl(d->iommufd, RF_IOAS_REMOVE_WINDOW, &gone))
		return fail("RF_IOAS_REMOVE_WINDOW");
	memset(d->page[d->nr], 0, PAGE);
	run_dma(&d->devices[0], EDU_BUFFER, d->iova[d->nr], DMA_TO_MEMORY);
	if (d->page[d->nr][0])
		return wrong("memory after its window went", 0, d->page[d->nr][0]);
	printf("removed   DMA goes nowhere\n");
	return true;
}

static void close_all(struct driver *d)
{
	for (unsigned i = 0; i < d->nr; i++) {
		if (d->devices[i].bar)
			munmap((void *)d->devices[i].bar, d->devices[i].bar_size);
		if (d->devices[i].fd >= 0)
			close(d->devices[i].fd);
	}
	if (d->iommufd >= 0)
		close(d->iommufd);
	for (unsigned i = 0; i <= d->nr; i++)
		if (d->page[i])
			munmap(d->page[i], PAGE);
}

int main(int argc, char **argv)
{
	struct driver d = { .iommufd = -1 };
	bool ok;

	if (argc < 2 || argc > MAX_DEVICES + 1) {
		fprintf(stderr, "usage: windows BDF...\n");
		return 1;
	}
	ok = create_space(&d);
	for (int i = 1; ok && i < argc; i++)
		ok = attach_device(&d, argv[i]);
	ok = ok && create_window(&d) && map_buffers(&d) && do_work(&d) && stray(&d) &&
	     remove_window(&d);
	close_all(&d);
	if (ok)
		puts("ok");
	return ok ? 0 : 1;
}
