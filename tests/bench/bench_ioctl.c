/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an ioctl costs in an interposed program: mapping and unmapping a page
 * through a container, and calls on a descriptor that is none of ours, with the
 * interposer in between and straight into libc.
 *
 * Run below `ringfence run --device edu`; prints a JSON list.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 21
#define TIMES  20000

typedef int ioctl_fn(int fd, unsigned long cmd, ...);

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), compare);
	return v[ROUNDS / 2];
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int container_open(const char *address, int *device)
{
	char path[128], target[256];
	int container, group;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		die(path);
	target[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	container = open("/dev/vfio/vfio", O_RDWR);
	group = open(path, O_RDWR);
	if (container < 0 || group < 0)
		die(path);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die("container");
	*device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (*device < 0)
		die(address);
	return container;
}

static double map_unmap(int container, void *page)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)page,
		.iova = 0x100000,
		.size = 4096,
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = 0x100000,
		.size = 4096,
	};
	double v[ROUNDS], start;

	for (int r = 0; r < ROUNDS; r++) {
		start = now_ns();
		for (int i = 0; i < TIMES; i++) {
			unmap.size = 4096;
			if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ||
			    ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap))
				die("map");
		}
		v[r] = (now_ns() - start) / TIMES;
	}
	return median(v);
}

static double call(ioctl_fn *fn, int fd, unsigned long cmd)
{
	double v[ROUNDS], start;
	int arg;

	for (int r = 0; r < ROUNDS; r++) {
		start = now_ns();
		for (int i = 0; i < TIMES; i++)
			fn(fd, cmd, &arg);
		v[r] = (now_ns() - start) / TIMES;
	}
	return median(v);
}

static void print(const char *name, double value, double peer, const char *peer_name,
		  const char *aim)
{
	static bool more;

	printf("%s{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"ns\"", more ? ",\n" : "[\n", name,
	       value);
	if (peer_name)
		printf(", \"peer\": %.1f, \"peer_name\": \"%s\"", peer, peer_name);
	if (aim)
		printf(", \"aim\": \"%s\"", aim);
	printf("}");
	more = true;
}

int main(int argc, char **argv)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	ioctl_fn *direct = (ioctl_fn *)dlsym(libc, "ioctl");
	int container, device, other = eventfd(0, 0);
	void *page;

	if (!direct || other < 0)
		die("libc");
	container = container_open(argc > 1 ? argv[1] : "0000:01:00.0", &device);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		    -1, 0);
	if (page == MAP_FAILED)
		die("mmap");
	/* Linux 6.12, one domain attached: 1,250 + 617, the whole system calls */
	print("ioctl: map+unmap of one 4 KiB page", map_unmap(container, page), 1867,
	      "Linux 6.12 iommufd, measured as user-mode Linux", "250");
	print("ioctl: VFIO_GET_API_VERSION", call(ioctl, container, VFIO_GET_API_VERSION), 0, NULL,
	      NULL);
	print("ioctl on another's descriptor", call(ioctl, other, FIONREAD),
	      call(direct, other, FIONREAD), "straight into libc", "less than 5 more");
	printf("\n]\n");
	return 0;
}
