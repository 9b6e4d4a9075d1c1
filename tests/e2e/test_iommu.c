/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/iommu as a program meets it, alone and with its children: run below
 * `ringfence run --device edu`. Registers are reached by pread() and pwrite(). Nothing
 * here knows of Ringfence.
 */
#include <dirent.h>
#include <limits.h>
#include <sys/sysmacros.h>

#include "edu.h"
#include "messages.h"

#define PAGE	    4096ul
#define PCI_COMMAND 0x04
#define CONFIG	    ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40)

static uint8_t *memory; /* two pages, shared with children */

/* The name of the device's own node: vfio-dev/vfioN. */
static bool cdev_name(char *name, size_t size)
{
	DIR *dir = opendir("/sys/bus/pci/devices/" ADDRESS "/vfio-dev");
	struct dirent *entry;

	CHECK(dir);
	while ((entry = readdir(dir)) && entry->d_name[0] == '.')
		;
	CHECK(entry);
	snprintf(name, size, "%s", entry->d_name);
	return !closedir(dir);
}

static int cdev_open(void)
{
	char name[256], path[300];

	if (!cdev_name(name, sizeof(name)))
		return -1;
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* As edu_open(), by the name that sysfs tells, attached, and with no BAR mapped. */
static bool start(struct edu *e)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	uint16_t command = 0x6;

	e->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	CHECK(e->iommufd >= 0);
	e->device = cdev_open();
	CHECK(e->device >= 0);
	bind.iommufd = e->iommufd;
	CHECK(!ioctl(e->device, VFIO_DEVICE_BIND_IOMMUFD, &bind) && bind.out_devid);
	e->ioas = new_ioas(e->iommufd);
	CHECK(e->ioas);
	CHECK(!attach_to(e->device, e->ioas));
	CHECK(pwrite(e->device, &command, 2, CONFIG + PCI_COMMAND) == 2);
	return true;
}

static bool end(const struct edu *e)
{
	CHECK(!close(e->device));
	CHECK(!close(e->iommufd));
	return true;
}

static bool write_reg(const struct edu *e, unsigned off, uint64_t value)
{
	return pwrite(e->device, &value, 8, off) == 8;
}

static bool transfer(const struct edu *e, uint64_t from, uint64_t to, uint64_t cmd)
{
	CHECK(write_reg(e, DMA_SRC, from) && write_reg(e, DMA_DST, to));
	CHECK(write_reg(e, DMA_COUNT, PAGE) && write_reg(e, DMA_CMD, cmd));
	do
		CHECK(pread(e->device, &cmd, 8, DMA_CMD) == 8);
	while (cmd & 1);
	return true;
}

/* Let the device read a page and write it to another. */
enum copied { BROKEN, NOTHING, COPIED };

static enum copied dma_copies(const struct edu *e, uint64_t from, uint64_t to)
{
	static uint8_t round;

	memset(memory, ++round, PAGE);
	memset(memory + PAGE, 0, PAGE);
	if (!transfer(e, from, EDU_BUFFER, 1) || !transfer(e, EDU_BUFFER, to, 3))
		return BROKEN;
	return memory[PAGE] == round && memory[2 * PAGE - 1] == round ? COPIED : NOTHING;
}

/* The tests. */

static bool numbers_are_those_sysfs_announces(void)
{
	char name[256], path[PATH_MAX], text[32] = "", link[64] = "";
	unsigned major_nr, minor_nr;
	struct stat st, by_name;
	int fd, device;

	fd = open("/dev/iommu", O_RDWR);
	CHECK(fd >= 0 && !fstat(fd, &st) && S_ISCHR(st.st_mode));
	CHECK(!stat("/dev/iommu", &by_name) && by_name.st_rdev == st.st_rdev);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(readlink(path, link, sizeof(link) - 1) > 0);
	CHECK(!strcmp(link, "/dev/iommu"));
	close(fd);

	CHECK(cdev_name(name, sizeof(name)));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/" ADDRESS "/vfio-dev/%s/dev", name);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	CHECK(sscanf(text, "%u:%u", &major_nr, &minor_nr) == 2);
	device = cdev_open();
	CHECK(device >= 0 && !fstat(device, &st) && S_ISCHR(st.st_mode));
	CHECK(st.st_rdev == makedev(major_nr, minor_nr));
	return !close(device);
}

static bool a_bound_device_reaches_what_is_mapped(void)
{
	struct edu e;

	CHECK(start(&e));
	CHECK(dma_copies(&e, IOVA, IOVA + PAGE) == NOTHING);
	CHECK(!map_at(e.iommufd, e.ioas, memory, 2 * PAGE, IOVA));
	CHECK(dma_copies(&e, IOVA, IOVA + PAGE) == COPIED);
	CHECK(!unmap_at(e.iommufd, e.ioas, UINT64_MAX, 0));
	CHECK(dma_copies(&e, IOVA, IOVA + PAGE) == NOTHING);
	return end(&e);
}

static bool a_device_moves_to_another_space(void)
{
	struct edu e;
	uint32_t other;

	CHECK(start(&e));
	other = new_ioas(e.iommufd);
	CHECK(other);
	CHECK(!map_at(e.iommufd, e.ioas, memory, 2 * PAGE, IOVA));
	CHECK(!map_at(e.iommufd, other, memory, 2 * PAGE, 2 * IOVA));
	CHECK(dma_copies(&e, IOVA, IOVA + PAGE) == COPIED);
	CHECK(!attach_to(e.device, other));
	CHECK(dma_copies(&e, 2 * IOVA, 2 * IOVA + PAGE) == COPIED);
	CHECK(dma_copies(&e, IOVA, IOVA + PAGE) == NOTHING);
	CHECK(!detach(e.device));
	CHECK(dma_copies(&e, 2 * IOVA, 2 * IOVA + PAGE) == NOTHING);
	return end(&e);
}

/* What a child maps through the descriptor it inherited is the child's memory. */
static bool a_child_maps_its_own_memory(void)
{
	struct edu e;
	pid_t child;

	CHECK(start(&e));
	child = fork();
	if (!child)
		_exit(map_at(e.iommufd, e.ioas, memory, 2 * PAGE, IOVA) ? 1 : 0);
	CHECK(child > 0 && wait_for(child) == 0);
	/* the pages were pinned by then, and they are shared with us */
	CHECK(dma_copies(&e, IOVA, IOVA + PAGE) == COPIED);
	return end(&e);
}

static bool uses_what_it_is_sent(int sock)
{
	int fd;

	CHECK(receive_fds(sock, &fd, 1));
	/* one that fails and one that works */
	FAILS(unmap_at(fd, 1, PAGE, IOVA), ENOENT);
	return new_ioas(fd) != 0;
}

/* A process that never opened it gets the descriptor over a socket. */
static bool a_descriptor_works_where_it_was_sent(void)
{
	struct edu e;
	int sock[2];
	pid_t child;

	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock));
	child = fork();
	if (!child) {
		alarm(20);
		close(sock[0]);
		_exit(uses_what_it_is_sent(sock[1]) ? 0 : 1);
	}
	CHECK(start(&e));
	CHECK(send_fds(sock[0], &e.iommufd, 1));
	CHECK(wait_for(child) == 0);
	CHECK(!close(sock[0]) && !close(sock[1]));
	return end(&e);
}

static bool errnos_are_the_kernel_s(void)
{
	struct iommu_destroy cut = { .size = 4, .id = 9 };
	struct iommu_test {
		uint32_t size;
		uint32_t op;
		uint32_t rest[32];
	} test = { .size = sizeof(test), .op = 2 };
	int fd = open("/dev/iommu", O_RDWR);

	CHECK(fd >= 0);
	FAILS(destroy(fd, 9), ENOENT);
	FAILS(ioctl(fd, IOMMU_DESTROY, NULL), EFAULT);
	FAILS(ioctl(fd, IOMMU_DESTROY, (void *)PAGE), EFAULT);
	FAILS(ioctl(fd, IOMMU_DESTROY, &cut), EINVAL);
	/* the self-test's own calls are for machines that offer them */
	FAILS(ioctl(fd, _IO(';', 0xa0), &test), ENOTTY);
	return !close(fd);
}

static const struct test tests[] = {
	TEST(numbers_are_those_sysfs_announces),    TEST(a_bound_device_reaches_what_is_mapped),
	TEST(a_device_moves_to_another_space),	    TEST(a_child_maps_its_own_memory),
	TEST(a_descriptor_works_where_it_was_sent), TEST(errnos_are_the_kernel_s),
};

int main(void)
{
	memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	alarm(50); /* rather than wait for an answer that never comes */
	return run_tests(tests, NR_TESTS(tests), NULL);
}
