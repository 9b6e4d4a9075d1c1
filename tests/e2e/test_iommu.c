/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/iommu as a program meets it, alone and with its children: run below
 * `ringfence run --device edu`. Nothing here knows of Ringfence; only the structures
 * are ours, as distributions' headers do not have them yet.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "iommufd/abi.h"
#include "vfio/abi.h"

#define DEVICE	    "/sys/bus/pci/devices/0000:01:00.0"
#define PAGE	    4096ul
#define IOVA	    0x100000ul /* edu drives 28 address bits */
#define EDU_BUFFER  0x40000ul
#define DMA_SRC	    0x80
#define DMA_DST	    0x88
#define DMA_COUNT   0x90
#define DMA_CMD	    0x98
#define PCI_COMMAND 0x04
#define CONFIG	    ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)

struct driver {
	int iommu;
	int device;
	uint32_t devid;
	uint32_t ioas;
};

static uint8_t *memory; /* two pages, shared with children */

/* The name of the device's own node: vfio-dev/vfioN. */
static void cdev_name(char *name, size_t size)
{
	DIR *dir = opendir(DEVICE "/vfio-dev");
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) && entry->d_name[0] == '.')
		;
	assert_non_null(entry);
	snprintf(name, size, "%s", entry->d_name);
	closedir(dir);
}

static int cdev_open(void)
{
	char name[256], path[300];

	cdev_name(name, sizeof(name));
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	return open(path, O_RDWR | O_CLOEXEC);
}

static uint32_t ioas_alloc(int fd)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };

	assert_int_equal(ioctl(fd, IOMMU_IOAS_ALLOC, &cmd), 0);
	return cmd.out_ioas_id;
}

static int ioas_map(int fd, uint32_t ioas, void *addr, uint64_t length, uint64_t iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)addr,
		.length = length,
		.iova = iova,
	};

	return ioctl(fd, IOMMU_IOAS_MAP, &cmd);
}

static int ioas_unmap(int fd, uint32_t ioas)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.length = UINT64_MAX,
	};

	return ioctl(fd, IOMMU_IOAS_UNMAP, &cmd);
}

static int attach(struct driver *d, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt cmd = { .argsz = sizeof(cmd), .pt_id = pt };

	return ioctl(d->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static void start(struct driver *d)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	uint16_t command = 0x6;

	d->iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	assert_true(d->iommu >= 0);
	d->device = cdev_open();
	assert_true(d->device >= 0);
	bind.iommufd = d->iommu;
	assert_int_equal(ioctl(d->device, VFIO_DEVICE_BIND_IOMMUFD, &bind), 0);
	d->devid = bind.out_devid;
	assert_int_not_equal(d->devid, 0);
	d->ioas = ioas_alloc(d->iommu);
	assert_int_equal(attach(d, d->ioas), 0);
	assert_int_equal(pwrite(d->device, &command, 2, CONFIG + PCI_COMMAND), 2);
}

static void end(struct driver *d)
{
	assert_int_equal(close(d->device), 0);
	assert_int_equal(close(d->iommu), 0);
}

static void reg(struct driver *d, unsigned off, uint64_t value)
{
	assert_int_equal(pwrite(d->device, &value, 8, off), 8);
}

/* Let the device read a page and write it to another: true when it did. */
static bool dma_copies(struct driver *d, uint64_t from, uint64_t to)
{
	static uint8_t round;
	uint64_t cmd;

	memset(memory, ++round, PAGE);
	memset(memory + PAGE, 0, PAGE);
	reg(d, DMA_SRC, from);
	reg(d, DMA_DST, EDU_BUFFER);
	reg(d, DMA_COUNT, PAGE);
	reg(d, DMA_CMD, 1);
	do
		assert_int_equal(pread(d->device, &cmd, 8, DMA_CMD), 8);
	while (cmd & 1);
	reg(d, DMA_SRC, EDU_BUFFER);
	reg(d, DMA_DST, to);
	reg(d, DMA_CMD, 3);
	do
		assert_int_equal(pread(d->device, &cmd, 8, DMA_CMD), 8);
	while (cmd & 1);
	return memory[PAGE] == round && memory[2 * PAGE - 1] == round;
}

/* The tests. */

static void numbers_are_those_sysfs_announces(void **state)
{
	char name[256], path[PATH_MAX], text[32] = "", link[64] = "";
	unsigned major_nr, minor_nr;
	struct stat st, by_name;
	int fd, device;

	fd = open("/dev/iommu", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(stat("/dev/iommu", &by_name), 0);
	assert_int_equal(by_name.st_rdev, st.st_rdev);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	assert_string_equal(link, "/dev/iommu");
	close(fd);

	cdev_name(name, sizeof(name));
	snprintf(path, sizeof(path), DEVICE "/vfio-dev/%s/dev", name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_int_equal(sscanf(text, "%u:%u", &major_nr, &minor_nr), 2);
	device = cdev_open();
	assert_true(device >= 0);
	assert_int_equal(fstat(device, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(st.st_rdev, makedev(major_nr, minor_nr));
	close(device);
}

static void a_bound_device_reaches_what_is_mapped(void **state)
{
	struct driver d;

	start(&d);
	assert_false(dma_copies(&d, IOVA, IOVA + PAGE));
	assert_int_equal(ioas_map(d.iommu, d.ioas, memory, 2 * PAGE, IOVA), 0);
	assert_true(dma_copies(&d, IOVA, IOVA + PAGE));
	assert_int_equal(ioas_unmap(d.iommu, d.ioas), 0);
	assert_false(dma_copies(&d, IOVA, IOVA + PAGE));
	end(&d);
}

static void a_device_moves_to_another_space(void **state)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };
	struct driver d;
	uint32_t other;

	start(&d);
	other = ioas_alloc(d.iommu);
	assert_int_equal(ioas_map(d.iommu, d.ioas, memory, 2 * PAGE, IOVA), 0);
	assert_int_equal(ioas_map(d.iommu, other, memory, 2 * PAGE, 2 * IOVA), 0);
	assert_true(dma_copies(&d, IOVA, IOVA + PAGE));
	assert_int_equal(attach(&d, other), 0);
	assert_true(dma_copies(&d, 2 * IOVA, 2 * IOVA + PAGE));
	assert_false(dma_copies(&d, IOVA, IOVA + PAGE));
	assert_int_equal(ioctl(d.device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
	assert_false(dma_copies(&d, 2 * IOVA, 2 * IOVA + PAGE));
	end(&d);
}

/* What a child maps through the descriptor it inherited is the child's memory. */
static void a_child_maps_its_own_memory(void **state)
{
	int go[2], status;
	struct driver d;
	pid_t child;
	char byte;

	start(&d);
	assert_int_equal(pipe(go), 0);
	child = fork();
	if (!child) {
		int ret = ioas_map(d.iommu, d.ioas, memory, 2 * PAGE, IOVA);

		if (write(go[1], "x", 1) != 1)
			_exit(2);
		_exit(ret ? 1 : 0);
	}
	assert_true(child > 0);
	assert_int_equal(read(go[0], &byte, 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* the pages were pinned by then, and they are shared with us */
	assert_true(dma_copies(&d, IOVA, IOVA + PAGE));
	close(go[0]);
	close(go[1]);
	end(&d);
}

static void send_fd(int to, int fd)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	assert_int_equal(sendmsg(to, &msg, 0), 1);
}

static int receive_fd(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(from, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* A process that never opened it gets the descriptor over a socket. */
static void a_descriptor_works_where_it_was_sent(void **state)
{
	struct iommu_ioas_unmap none = { .size = sizeof(none), .iova = IOVA, .length = PAGE };
	int sock[2], status;
	struct driver d;
	pid_t child;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	child = fork();
	if (!child) {
		struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
		int fd;

		alarm(20);
		close(sock[0]);
		fd = receive_fd(sock[1]);
		none.ioas_id = 1;
		/* one that fails and one that works */
		if (ioctl(fd, IOMMU_IOAS_UNMAP, &none) != -1 || errno != ENOENT)
			_exit(1);
		if (ioctl(fd, IOMMU_IOAS_ALLOC, &cmd) || !cmd.out_ioas_id)
			_exit(2);
		_exit(0);
	}
	start(&d);
	send_fd(sock[0], d.iommu);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(sock[0]);
	close(sock[1]);
	end(&d);
}

static void errnos_are_the_kernel_s(void **state)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = 9 };
	struct iommu_test {
		uint32_t size;
		uint32_t op;
		uint32_t rest[32];
	} test = { .size = sizeof(test), .op = 2 };
	int fd = open("/dev/iommu", O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, IOMMU_DESTROY, &destroy), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(ioctl(fd, IOMMU_DESTROY, NULL), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(ioctl(fd, IOMMU_DESTROY, (void *)PAGE), -1);
	assert_int_equal(errno, EFAULT);
	destroy.size = 4;
	assert_int_equal(ioctl(fd, IOMMU_DESTROY, &destroy), -1);
	assert_int_equal(errno, EINVAL);
	/* the self-test's own calls are for machines that offer them */
	assert_int_equal(ioctl(fd, _IO(';', 0xa0), &test), -1);
	assert_int_equal(errno, ENOTTY);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_those_sysfs_announces),
		cmocka_unit_test(a_bound_device_reaches_what_is_mapped),
		cmocka_unit_test(a_device_moves_to_another_space),
		cmocka_unit_test(a_child_maps_its_own_memory),
		cmocka_unit_test(a_descriptor_works_where_it_was_sent),
		cmocka_unit_test(errnos_are_the_kernel_s),
	};

	memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	alarm(50); /* rather than wait for an answer that never comes */
	return cmocka_run_group_tests_name("iommu", tests, NULL, NULL);
}
