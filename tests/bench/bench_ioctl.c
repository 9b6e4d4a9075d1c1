/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an ioctl costs in an interposed program: mapping and unmapping a page
 * through a container, and calls on a descriptor that is none of ours, with the
 * interposer in between and straight into libc.
 *
 * Run below `ringfence run --device edu`; prints a JSON list.
 */
#include <dlfcn.h>
#include <sys/eventfd.h>

#include "../container.h"
#include "bench.h"

#define PAGE  4096u
#define IOVA  0x100000u
#define TIMES 20000

typedef int ioctl_fn(int fd, unsigned long cmd, ...);

static struct vfio vfio;
static void *page;

static void map_unmap(uint64_t count)
{
	while (count--)
		must(!vfio_map(vfio.container, page, PAGE, IOVA) ||
			     !vfio_unmap(vfio.container, PAGE, IOVA),
		     "map and unmap");
}

static ioctl_fn *called;
static int called_on;
static unsigned long called_with;

static void call(uint64_t count)
{
	int arg;

	while (count--)
		called(called_on, called_with, &arg);
}

static double call_cost(ioctl_fn *fn, int fd, unsigned long cmd)
{
	called = fn;
	called_on = fd;
	called_with = cmd;
	return median(call, TIMES);
}

int main(int argc, char **argv)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	ioctl_fn *direct = (ioctl_fn *)dlsym(libc, "ioctl");
	int other = eventfd(0, 0);

	must(!direct || other < 0, "libc");
	must(!vfio_open(&vfio, argc > 1 ? argv[1] : "0000:01:00.0"), "device");
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		    -1, 0);
	must(page == MAP_FAILED, "mmap");
	/* Linux 6.12, one domain attached: 1,250 + 617, the whole system calls */
	row("ioctl: map+unmap of one 4 KiB page", median(map_unmap, TIMES), "ns", 1867,
	    "Linux 6.12 iommufd, measured as user-mode Linux", "250");
	row("ioctl: VFIO_GET_API_VERSION", call_cost(ioctl, vfio.container, VFIO_GET_API_VERSION),
	    "ns", 0, "", "");
	row("ioctl on another's descriptor", call_cost(ioctl, other, FIONREAD), "ns",
	    call_cost(direct, other, FIONREAD), "straight into libc", "less than 5 more");
	rows_end();
	return 0;
}
