/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No doorbell is ever lost, whether it traps, is polled, or is rung just while
 * the one becomes the other. Drives ringer.c; prints TAP.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DOORBELL 0x1000u
#define IOVA	 0x100000u

static int container, group, device;
static volatile uint32_t *shown, *doorbell, *memory;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool device_open(const char *address)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = IOVA,
		.size = 4096,
	};
	uint16_t command = 6; /* memory, bus master */
	char path[128], target[256];
	ssize_t len;
	uint8_t *bar;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	container = open("/dev/vfio/vfio", O_RDWR);
	group = open(path, O_RDWR);
	if (container < 0 || group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return false;
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device < 0 ||
	    pwrite(device, &command, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4) != 2)
		return false;
	bar = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map.vaddr = (uintptr_t)memory;
	if (bar == MAP_FAILED || ioctl(container, VFIO_IOMMU_MAP_DMA, &map))
		return false;
	shown = (volatile uint32_t *)bar;
	doorbell = (volatile uint32_t *)(bar + DOORBELL);
	*(volatile uint64_t *)bar = IOVA;
	return true;
}

/* Ring; then the device must see it. */
static bool rung(uint32_t val)
{
	double end = 0;

	*doorbell = val;
	for (unsigned i = 0; *shown != val || *memory != val; i++) {
		if (i % 1024)
			continue;
		if (!end)
			end = now() + 10;
		else if (now() > end)
			return false;
	}
	return true;
}

static uint32_t counter;

static bool bursts_arrive(void)
{
	double end = now() + 0.3;

	while (now() < end)
		for (int i = 0; i < 100; i++)
			if (!rung(++counter))
				return false;
	return true;
}

/* Pauses about as long as it takes until polling ends. */
static bool pauses_lose_nothing(void)
{
	double end = now() + 0.7;
	unsigned seed = 1;

	while (now() < end) {
		struct timespec pause = { 0, rand_r(&seed) % 300000 };

		for (int i = rand_r(&seed) % 60; i >= 0; i--)
			if (!rung(++counter))
				return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Only the last of many counts, and it does. */
static bool the_newest_value_arrives(void)
{
	for (int i = 0; i < 2000; i++) {
		for (int j = 0; j < 20; j++)
			*doorbell = ++counter;
		if (!rung(++counter))
			return false;
	}
	return true;
}

static bool a_child_rings(void)
{
	uint32_t in_child;
	int status;
	pid_t child;

	for (int i = 0; i < 200; i++)
		if (!rung(++counter))
			return false;
	in_child = ++counter;
	child = fork();
	if (!child) {
		*doorbell = in_child;
		_exit(*shown == in_child ? 0 : 1);
	}
	if (waitpid(child, &status, 0) != child || status)
		return false;
	return *shown == in_child && *memory == in_child && rung(++counter);
}

static bool closing_while_polled_and_opening_again(const char *address)
{
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 200; i++)
			if (!rung(++counter))
				return false;
		*doorbell = ++counter; /* left for the poller, if it is quick enough */
		if (munmap((void *)shown, 0x4000) || munmap((void *)memory, 4096) ||
		    close(device) || close(group) || close(container) || !device_open(address))
			return false;
	}
	return true;
}

static bool all = true;

static void report(bool ok, int nr, const char *name)
{
	all &= ok;
	printf("%sok %d - %s\n", ok ? "" : "not ", nr, name);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *address = argc > 1 ? argv[1] : "0000:01:00.0";

	if (!device_open(address)) {
		printf("Bail out! cannot open %s\n", address);
		return 1;
	}
	printf("1..5\n");
	report(bursts_arrive(), 1, "bursts_arrive");
	report(pauses_lose_nothing(), 2, "pauses_lose_nothing");
	report(the_newest_value_arrives(), 3, "the_newest_value_arrives");
	fflush(stdout);
	report(a_child_rings(), 4, "a_child_rings");
	report(closing_while_polled_and_opening_again(address), 5,
	       "closing_while_polled_and_opening_again");
	return all ? 0 : 1;
}
