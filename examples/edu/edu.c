/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VFIO driver for the edu device, in one file: what every user-space driver
 * does, in the order in which it must be done. Knows nothing of Ringfence.
 *
 *	edu BDF [intx|msi]
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define EDU_ID		 0x010000edu
#define EDU_BUFFER	 0x40000u /* the device's own address of its buffer */
#define EDU_BUFFER_SIZE	 4096u
#define PCI_COMMAND	 0x04
#define PCI_COMMAND_BITS 0x6 /* memory, bus master */

#define REG_ID		 0x00
#define REG_LIVENESS	 0x04
#define REG_FACTORIAL	 0x08
#define REG_STATUS	 0x20
#define REG_IRQ_STATUS	 0x24
#define REG_IRQ_ACK	 0x64
#define REG_DMA_SRC	 0x80
#define REG_DMA_DST	 0x88
#define REG_DMA_COUNT	 0x90
#define REG_DMA_CMD	 0x98
#define STATUS_COMPUTING 0x01u
#define STATUS_IRQ	 0x80u
#define DMA_START	 0x1u
#define DMA_TO_MEMORY	 0x2u
#define DMA_IRQ		 0x4u

/* The device drives 28 address bits only. */
#define IOVA 0x100000u

struct edu {
	int container;
	int group;
	int device;
	unsigned irq_index;
	int irq; /* eventfd */
	uint64_t bar_size;
	volatile uint8_t *bar;
	uint8_t *memory; /* two pages, mapped for the device at IOVA */
};

static bool fail(const char *what)
{
	fprintf(stderr, "edu: %s: %s\n", what, strerror(errno));
	return false;
}

static bool wrong(const char *what, uint64_t want, uint64_t got)
{
	fprintf(stderr, "edu: %s: expected 0x%" PRIx64 ", got 0x%" PRIx64 "\n", what, want, got);
	return false;
}

static uint32_t reg_read(const struct edu *edu, unsigned off)
{
	return *(volatile uint32_t *)(edu->bar + off);
}

static void reg_write(const struct edu *edu, unsigned off, uint32_t val)
{
	*(volatile uint32_t *)(edu->bar + off) = val;
}

static void reg_write64(const struct edu *edu, unsigned off, uint64_t val)
{
	*(volatile uint64_t *)(edu->bar + off) = val;
}

/* The device's group is the number that its link iommu_group points to. */
static bool open_group(struct edu *edu, const char *bdf)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return fail(path);
	target[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%.16s", basename(target));
	edu->group = open(path, O_RDWR | O_CLOEXEC);
	if (edu->group < 0)
		return fail(path);
	if (ioctl(edu->group, VFIO_GROUP_GET_STATUS, &status))
		return fail("VFIO_GROUP_GET_STATUS");
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		fprintf(stderr, "edu: %s: not viable; bind all its devices to vfio-pci\n", path);
		return false;
	}
	printf("group     %s\n", path);
	return true;
}

/* Group into container, IOMMU onto the container, device out of the group. */
static bool open_device(struct edu *edu, const char *bdf)
{
	edu->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (edu->container < 0)
		return fail("/dev/vfio/vfio");
	if (ioctl(edu->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    !ioctl(edu->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU)) {
		fprintf(stderr, "edu: no type 1 version 2 IOMMU here\n");
		return false;
	}
	if (!open_group(edu, bdf))
		return false;
	if (ioctl(edu->group, VFIO_GROUP_SET_CONTAINER, &edu->container))
		return fail("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(edu->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return fail("VFIO_SET_IOMMU");
	edu->device = ioctl(edu->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (edu->device < 0)
		return fail("VFIO_GROUP_GET_DEVICE_FD");
	printf("device    %s\n", bdf);
	return true;
}

/* Devices are handed over with bus mastering off: without this no DMA. */
static bool enable_device(struct edu *edu)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;

	if (ioctl(edu->device, VFIO_DEVICE_GET_REGION_INFO, &config))
		return fail("configuration space");
	if (pread(edu->device, &command, 2, (off_t)config.offset + PCI_COMMAND) != 2)
		return fail("read of COMMAND");
	command |= PCI_COMMAND_BITS;
	if (pwrite(edu->device, &command, 2, (off_t)config.offset + PCI_COMMAND) != 2)
		return fail("write of COMMAND");
	return true;
}

static bool map_bar(struct edu *edu)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	void *bar;

	if (ioctl(edu->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return fail("BAR 0");
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP)) {
		fprintf(stderr, "edu: BAR 0 cannot be mapped\n");
		return false;
	}
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, edu->device,
		   (off_t)info.offset);
	if (bar == MAP_FAILED)
		return fail("mmap of BAR 0");
	edu->bar = bar;
	edu->bar_size = info.size;
	printf("BAR 0     %" PRIu64 " KiB mapped\n", (uint64_t)info.size / 1024);
	return true;
}

static bool map_memory(struct edu *edu)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = IOVA,
		.size = 2 * EDU_BUFFER_SIZE,
	};
	void *memory;

	memory = mmap(NULL, map.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return fail("mmap");
	edu->memory = memory;
	map.vaddr = (uintptr_t)memory;
	if (ioctl(edu->container, VFIO_IOMMU_MAP_DMA, &map))
		return fail("VFIO_IOMMU_MAP_DMA");
	printf("memory    %u KiB at IOVA 0x%x\n", 2 * EDU_BUFFER_SIZE / 1024, IOVA);
	return true;
}

static bool enable_irq(struct edu *edu)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} arg = {
		.set = {
			.argsz = sizeof(arg),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = edu->irq_index,
			.count = 1,
		},
	};

	edu->irq = eventfd(0, EFD_CLOEXEC);
	if (edu->irq < 0)
		return fail("eventfd");
	arg.fd = edu->irq;
	if (ioctl(edu->device, VFIO_DEVICE_SET_IRQS, &arg))
		return fail("VFIO_DEVICE_SET_IRQS");
	printf("interrupt %s\n", edu->irq_index == VFIO_PCI_MSI_IRQ_INDEX ? "MSI" : "INTx");
	return true;
}

/* VFIO masks a level-triggered interrupt as it arrives; unmask it for the next. */
static bool unmask_irq(struct edu *edu)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};

	if (edu->irq_index != VFIO_PCI_INTX_IRQ_INDEX)
		return true;
	return !ioctl(edu->device, VFIO_DEVICE_SET_IRQS, &set) || fail("unmask of INTx");
}

/* Wait for one interrupt with the status @want, acknowledge it. */
static bool wait_irq(struct edu *edu, uint32_t want)
{
	struct pollfd pfd = { .fd = edu->irq, .events = POLLIN };
	uint64_t count;
	uint32_t status;

	if (poll(&pfd, 1, 5000) != 1) {
		fprintf(stderr, "edu: no interrupt within 5 seconds\n");
		return false;
	}
	if (read(edu->irq, &count, sizeof(count)) != sizeof(count))
		return fail("eventfd");
	status = reg_read(edu, REG_IRQ_STATUS);
	if (status != want)
		return wrong("interrupt status", want, status);
	reg_write(edu, REG_IRQ_ACK, status);
	return unmask_irq(edu);
}

static bool check_registers(struct edu *edu)
{
	uint32_t id = reg_read(edu, REG_ID);

	if (id != EDU_ID)
		return wrong("identification", EDU_ID, id);
	reg_write(edu, REG_LIVENESS, 0x12345678);
	if (reg_read(edu, REG_LIVENESS) != ~0x12345678u)
		return wrong("liveness", ~0x12345678u, reg_read(edu, REG_LIVENESS));
	printf("registers identification 0x%08x, liveness ok\n", id);
	return true;
}

static bool check_factorial(struct edu *edu)
{
	uint32_t result;

	reg_write(edu, REG_STATUS, STATUS_IRQ);
	reg_write(edu, REG_FACTORIAL, 10);
	if (!wait_irq(edu, 0x1))
		return false;
	if (reg_read(edu, REG_STATUS) & STATUS_COMPUTING) {
		fprintf(stderr, "edu: still computing after its interrupt\n");
		return false;
	}
	result = reg_read(edu, REG_FACTORIAL);
	if (result != 3628800)
		return wrong("10!", 3628800, result);
	printf("factorial 10! = %u, by interrupt\n", result);
	return true;
}

static bool run_dma(struct edu *edu, uint64_t src, uint64_t dst, uint32_t cmd)
{
	reg_write64(edu, REG_DMA_SRC, src);
	reg_write64(edu, REG_DMA_DST, dst);
	reg_write64(edu, REG_DMA_COUNT, EDU_BUFFER_SIZE);
	reg_write64(edu, REG_DMA_CMD, DMA_START | DMA_IRQ | cmd);
	return wait_irq(edu, 0x100);
}

/* First page to the device's buffer, buffer to the second page. */
static bool check_dma(struct edu *edu)
{
	uint8_t *from = edu->memory, *to = edu->memory + EDU_BUFFER_SIZE;

	for (unsigned i = 0; i < EDU_BUFFER_SIZE; i++)
		from[i] = (uint8_t)(i * 7 + i / 256);
	if (!run_dma(edu, IOVA, EDU_BUFFER, 0) ||
	    !run_dma(edu, EDU_BUFFER, IOVA + EDU_BUFFER_SIZE, DMA_TO_MEMORY))
		return false;
	for (unsigned i = 0; i < EDU_BUFFER_SIZE; i++)
		if (to[i] != from[i]) {
			fprintf(stderr, "edu: byte %u: sent 0x%02x, came back 0x%02x\n", i, from[i],
				to[i]);
			return false;
		}
	printf("DMA       %u bytes to the device and back, by interrupt\n", EDU_BUFFER_SIZE);
	return true;
}

static bool unmap_memory(struct edu *edu)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = IOVA,
		.size = 2 * EDU_BUFFER_SIZE,
	};

	if (ioctl(edu->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return fail("VFIO_IOMMU_UNMAP_DMA");
	if (unmap.size != 2 * EDU_BUFFER_SIZE)
		return wrong("bytes unmapped", 2 * EDU_BUFFER_SIZE, unmap.size);
	return true;
}

static void close_all(struct edu *edu)
{
	if (edu->bar)
		munmap((void *)edu->bar, edu->bar_size);
	if (edu->irq >= 0)
		close(edu->irq);
	if (edu->device >= 0)
		close(edu->device);
	if (edu->group >= 0)
		close(edu->group);
	if (edu->container >= 0)
		close(edu->container);
	if (edu->memory)
		munmap(edu->memory, 2 * EDU_BUFFER_SIZE);
}

int main(int argc, char **argv)
{
	struct edu edu = { .container = -1, .group = -1, .device = -1, .irq = -1 };
	const char *irq = argc == 3 ? argv[2] : "msi";
	bool ok;

	if (argc < 2 || argc > 3 || (strcmp(irq, "msi") && strcmp(irq, "intx"))) {
		fprintf(stderr, "usage: edu BDF [intx|msi]\n");
		return 1;
	}
	edu.irq_index = strcmp(irq, "msi") ? VFIO_PCI_INTX_IRQ_INDEX : VFIO_PCI_MSI_IRQ_INDEX;
	ok = open_device(&edu, argv[1]) && enable_device(&edu) && map_bar(&edu) &&
	     map_memory(&edu) && enable_irq(&edu) && check_registers(&edu) &&
	     check_factorial(&edu) && check_dma(&edu) && unmap_memory(&edu);
	close_all(&edu);
	if (ok)
		puts("ok");
	return ok ? 0 : 1;
}
