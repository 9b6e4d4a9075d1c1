/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices opened by themselves, from a program of the session: what is refused
 * when, who may have a device with whom, and where its DMA goes. The machine is
 * iommufd.json: two edu devices that share bus and group, and a third one.
 */
#include <sys/sysmacros.h>

#include "edu.h"

#define SECOND_CDEV "/dev/vfio/devices/vfio1"
#define THIRD_CDEV  "/dev/vfio/devices/vfio2"
#define THIRD_GROUP "/dev/vfio/2"
#define DEVID_OWNED 0
#define DEVID_NONE  ~0u

/*
 * In a group's or a device's hot reset info; the headers of Debian 12 have neither the
 * union nor the flags.
 */
struct hot_reset_info {
	uint32_t argsz, flags, count;
	struct {
		uint32_t id;
		uint16_t segment;
		uint8_t bus, devfn;
	} devices[4];
};
#define RESET_DEV_ID	   1u
#define RESET_DEV_ID_OWNED 2u

static bool nodes_have_the_numbers_that_sysfs_tells(void)
{
	unsigned major, minor;
	struct stat st, seen;
	FILE *f;
	int fd;

	f = fopen("/sys/bus/pci/devices/" ADDRESS "/vfio-dev/vfio0/dev", "r");
	CHECK(f && fscanf(f, "%u:%u", &major, &minor) == 2);
	fclose(f);
	fd = open(CDEV, O_RDWR);
	CHECK(fd >= 0 && !fstat(fd, &st) && !stat(CDEV, &seen));
	CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(major, minor));
	CHECK(S_ISCHR(seen.st_mode) && seen.st_rdev == st.st_rdev);
	CHECK(!close(fd));
	f = fopen("/sys/class/misc/iommu/dev", "r");
	CHECK(f && fscanf(f, "%u:%u", &major, &minor) == 2);
	fclose(f);
	fd = open("/dev/iommu", O_RDWR);
	CHECK(fd >= 0 && !fstat(fd, &st));
	CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(major, minor) &&
	      (st.st_mode & 0777) == 0660);
	FAILS(open("/dev/vfio/devices/vfio3", O_RDWR), ENOENT);
	return !close(fd);
}

static bool an_unbound_device_refuses_everything(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = open(CDEV, O_RDWR);
	uint32_t id;

	CHECK(fd >= 0);
	FAILS(ioctl(fd, VFIO_DEVICE_GET_INFO, &info), EINVAL);
	FAILS(ioctl(fd, VFIO_DEVICE_RESET), EINVAL);
	FAILS(ioctl(fd, 0x1234, 0), EINVAL);
	FAILS(attach_to(fd, 1), EINVAL);
	FAILS(detach(fd), EINVAL);
	FAILS(pread(fd, &id, 4, 0), EINVAL);
	FAILS(pwrite(fd, &id, 4, 0), EINVAL);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL);
	return !close(fd);
}

static bool bind_checks_what_it_is_given(void)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = -1 };
	int fd = open(CDEV, O_RDWR), again = open(CDEV, O_RDWR);
	int iommufd = open("/dev/iommu", O_RDWR), file = open("/dev/null", O_RDWR);

	CHECK(fd >= 0 && again >= 0 && iommufd >= 0 && file >= 0);
	FAILS(ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, NULL), EFAULT);
	FAILS(ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), EINVAL);
	bind.iommufd = iommufd;
	bind.flags = 1;
	FAILS(ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), EINVAL);
	bind.flags = 0;
	bind.argsz--;
	FAILS(ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), EINVAL);
	FAILS(bind_to(fd, 4711), EBADF);
	FAILS(bind_to(fd, file), EBADFD);
	FAILS(bind_to(fd, fd), EBADFD);
	bind.argsz++;
	CHECK(!ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) && bind.out_devid);
	FAILS(bind_to(fd, iommufd), EINVAL);
	FAILS(bind_to(again, iommufd), EINVAL);
	FAILS(destroy(iommufd, bind.out_devid), EBUSY);
	CHECK(!close(fd) && !bind_to(again, iommufd));
	return !close(again) && !close(iommufd) && !close(file);
}

static bool a_group_and_its_devices_exclude_each_other(void)
{
	int group = open(GROUP, O_RDWR), fd = open(CDEV, O_RDWR), other = open(THIRD_CDEV, O_RDWR);
	int iommufd = open("/dev/iommu", O_RDWR);

	CHECK(group >= 0 && fd >= 0 && other >= 0 && iommufd >= 0);
	FAILS(bind_to(fd, iommufd), EBUSY);
	CHECK(!bind_to(other, iommufd));
	CHECK(!close(group));
	CHECK(!bind_to(fd, iommufd));
	FAILS(open(GROUP, O_RDWR), EBUSY);
	FAILS(open(THIRD_GROUP, O_RDWR), EBUSY);
	CHECK(!close(fd) && !close(other));
	group = open(GROUP, O_RDWR);
	CHECK(group >= 0);
	return !close(group) && !close(iommufd);
}

static bool devices_of_a_group_have_one_iommufd(void)
{
	int first = open(CDEV, O_RDWR), second = open(SECOND_CDEV, O_RDWR);
	int mine = open("/dev/iommu", O_RDWR), theirs = open("/dev/iommu", O_RDWR);

	CHECK(first >= 0 && second >= 0 && mine >= 0 && theirs >= 0);
	CHECK(!bind_to(first, mine));
	FAILS(bind_to(second, theirs), EPERM);
	CHECK(!bind_to(second, mine));
	CHECK(!close(first) && !close(second));
	second = open(SECOND_CDEV, O_RDWR);
	CHECK(second >= 0 && !bind_to(second, theirs));
	return !close(second) && !close(mine) && !close(theirs);
}

static bool other_processes_are_told_too(void)
{
	int fd = open(CDEV, O_RDWR), iommufd = open("/dev/iommu", O_RDWR);
	pid_t child;

	CHECK(fd >= 0 && iommufd >= 0 && !bind_to(fd, iommufd));
	child = fork();
	if (!child) {
		int own = open("/dev/iommu", O_RDWR), same = open(CDEV, O_RDWR);
		int neighbour = open(SECOND_CDEV, O_RDWR);
		bool ok = own >= 0 && same >= 0 && neighbour >= 0;

		ok = ok && bind_to(same, own) < 0 && errno == EINVAL;
		ok = ok && bind_to(neighbour, own) < 0 && errno == EPERM;
		ok = ok && open(GROUP, O_RDWR) < 0 && errno == EBUSY;
		_exit(!ok);
	}
	CHECK(wait_for(child) == 0);
	return !close(fd) && !close(iommufd);
}

static bool dma_goes_where_the_device_is_attached(void)
{
	char *a = pages(4096, MAP_PRIVATE), *b = pages(4096, MAP_PRIVATE);
	struct edu e;
	uint32_t second;

	CHECK(edu_open(&e) && a && b);
	second = new_ioas(e.iommufd);
	CHECK(second && !map_at(e.iommufd, e.ioas, a, 4096, IOVA) &&
	      !map_at(e.iommufd, second, b, 4096, IOVA));
	memset(a, 'a', 4096);
	FAILS(attach_to(e.device, 4711), ENOENT);
	CHECK(!attach_to(e.device, e.ioas));
	dma(&e, IOVA, false);
	FAILS(destroy(e.iommufd, e.ioas), EBUSY);
	FAILS(attach_to(e.device, 4711), ENOENT); /* and is still where it was */
	CHECK(!attach_to(e.device, second));
	dma(&e, IOVA, true);
	CHECK(b[0] == 'a' && b[63] == 'a' && !b[64]);
	CHECK(!destroy(e.iommufd, e.ioas));
	CHECK(!detach(e.device) && !detach(e.device));
	memset(b, 0, 4096);
	dma(&e, IOVA, true);
	CHECK(!b[0]);
	CHECK(!destroy(e.iommufd, second));
	CHECK(!munmap(a, 4096) && !munmap(b, 4096));
	return edu_close(&e);
}

static bool closing_the_iommufd_first_changes_nothing(void)
{
	char *a = pages(4096, MAP_PRIVATE);
	struct edu e;

	CHECK(edu_open(&e) && a && !map_at(e.iommufd, e.ioas, a, 4096, IOVA));
	CHECK(!attach_to(e.device, e.ioas));
	CHECK(!close(e.iommufd));
	dma(&e, IOVA, false);
	memset(a, 1, 4096);
	dma(&e, IOVA, true);
	CHECK(!a[0]);
	CHECK(!munmap((void *)e.bar, BAR_SIZE) && !close(e.device));
	e.device = open(CDEV, O_RDWR);
	CHECK(e.device >= 0);
	return !close(e.device) && !munmap(a, 4096);
}

/* A second process's view of a device is not needed for reset: the iommufd says who owns what. */
static bool a_bus_is_reset_by_who_owns_all_of_it(void)
{
	struct hot_reset_info info = { .argsz = sizeof(info) };
	struct {
		uint32_t argsz, flags, count;
		int32_t fds[1];
	} reset = { .argsz = sizeof(reset) };
	int group = open(THIRD_GROUP, O_RDWR), neighbour;
	struct edu e;

	CHECK(group >= 0 && edu_open(&e));
	CHECK(!ioctl(e.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info));
	CHECK(info.count == 2 && info.flags == (RESET_DEV_ID | RESET_DEV_ID_OWNED));
	CHECK(info.devices[0].id && info.devices[0].id != DEVID_NONE);
	CHECK(info.devices[1].id == DEVID_OWNED && info.devices[1].devfn == 8);
	neighbour = open(SECOND_CDEV, O_RDWR);
	CHECK(neighbour >= 0 && !bind_to(neighbour, e.iommufd));
	CHECK(!ioctl(e.device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info));
	CHECK(info.devices[1].id && info.devices[1].id != info.devices[0].id);

	*reg(&e, LIVENESS) = 5;
	reset.count = 1;
	reset.fds[0] = group;
	FAILS(ioctl(e.device, VFIO_DEVICE_PCI_HOT_RESET, &reset), EINVAL);
	CHECK(*reg(&e, LIVENESS) == ~5u);
	reset.count = 0;
	CHECK(!ioctl(e.device, VFIO_DEVICE_PCI_HOT_RESET, &reset));
	CHECK(*reg(&e, LIVENESS) != ~5u);
	CHECK(!close(neighbour) && !close(group));
	return edu_close(&e);
}

static bool a_group_takes_an_iommufd_for_a_container(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = IOVA,
		.size = 4096,
	};
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int group = open(THIRD_GROUP, O_RDWR), iommufd = open("/dev/iommu", O_RDWR);
	char *a = pages(4096, MAP_PRIVATE);
	uint16_t command = 6;
	struct edu e;

	CHECK(group >= 0 && iommufd >= 0 && a);
	CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &iommufd));
	FAILS(ioctl(group, VFIO_GROUP_SET_CONTAINER, &iommufd), EINVAL);
	CHECK(!ioctl(group, VFIO_GROUP_GET_STATUS, &status) &&
	      status.flags == (VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET));
	CHECK(!ioctl(iommufd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	map.vaddr = (uintptr_t)a;
	CHECK(!ioctl(iommufd, VFIO_IOMMU_MAP_DMA, &map));
	e.device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "0000:02:00.0");
	CHECK(e.device >= 0 && edu_map_bar(&e));
	CHECK(pwrite(e.device, &command, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4) == 2);
	a[0] = 'x';
	dma(&e, IOVA, false);
	a[0] = 0;
	dma(&e, IOVA, true);
	CHECK(a[0] == 'x');
	FAILS(attach_to(e.device, 1), ENOTTY);
	FAILS(bind_to(e.device, iommufd), EINVAL);
	CHECK(!ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	FAILS(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), EINVAL);
	a[0] = 0;
	dma(&e, IOVA, true); /* a device that is open stays attached */
	CHECK(a[0] == 'x');
	CHECK(!munmap((void *)e.bar, BAR_SIZE) && !close(e.device) && !close(group));
	return !close(iommufd) && !munmap(a, 4096);
}

static const struct test tests[] = {
	TEST(nodes_have_the_numbers_that_sysfs_tells),
	TEST(an_unbound_device_refuses_everything),
	TEST(bind_checks_what_it_is_given),
	TEST(a_group_and_its_devices_exclude_each_other),
	TEST(devices_of_a_group_have_one_iommufd),
	TEST(other_processes_are_told_too),
	TEST(dma_goes_where_the_device_is_attached),
	TEST(closing_the_iommufd_first_changes_nothing),
	TEST(a_bus_is_reset_by_who_owns_all_of_it),
	TEST(a_group_takes_an_iommufd_for_a_container),
};

int main(void)
{
	return run_tests(tests, NR_TESTS(tests), NULL);
}
