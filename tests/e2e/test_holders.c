/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors in other processes than the one that opened them: children, programs
 * that those execute, strangers that are sent one. The program runs itself as the
 * other side:
 *
 *	test_holders FUNCTION DESCRIPTOR...
 *
 * or to receive them over a socket. With a test's name it runs only that.
 */
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "edu.h"
#include "messages.h"

extern char **environ;

static const char *self;

/* What a child answers with: its exit status. */
#define IN_CHILD(condition)             \
	do {                            \
		bool ok_ = (condition); \
                                        \
		fflush(stdout);         \
		_exit(ok_ ? 0 : 1);     \
	} while (0)

static bool dma_moves(const struct edu *e, volatile char *page)
{
	page[0] = 'x';
	page[63] = 'y';
	dma(e, IOVA, false);
	page[0] = 0;
	page[63] = 0;
	dma(e, IOVA, true);
	return page[0] == 'x' && page[63] == 'y';
}

/* Children. */

static bool child_uses_its_own_memory(struct edu *e)
{
	char *mine = pages(8192, MAP_PRIVATE);
	uint32_t space = new_ioas(e->iommufd);

	CHECK(mine && space && space != e->ioas);
	CHECK(!map_at(e->iommufd, space, mine, 8192, IOVA));
	FAILS(map_at(e->iommufd, space, mine, 8192, IOVA), EEXIST);
	FAILS(map_at(e->iommufd, e->ioas, (void *)4096, 4096, IOVA), EFAULT);
	CHECK(!attach_to(e->device, space));
	CHECK(dma_moves(e, mine));
	CHECK(!unmap_at(e->iommufd, space, 8192, IOVA));
	mine[0] = 1;
	dma(e, IOVA, true);
	CHECK(mine[0] == 1);
	CHECK(!attach_to(e->device, e->ioas) && !destroy(e->iommufd, space));
	return true;
}

static bool a_child_maps_memory_of_its_own(void)
{
	struct edu e;
	pid_t child;

	CHECK(edu_open(&e) && !attach_to(e.device, e.ioas));
	child = fork();
	if (!child)
		IN_CHILD(child_uses_its_own_memory(&e));
	CHECK(wait_for(child) == 0);
	return edu_close(&e);
}

/* The child has mapped its page, tells so, and waits to be killed. */
static pid_t start_mapper(struct edu *e, char **page)
{
	int told[2];
	char byte;
	pid_t child;

	*page = pages(4096, MAP_PRIVATE);
	if (!*page || pipe(told))
		return -1;
	child = fork();
	if (!child) {
		memset(*page, 'c', 4096);
		if (!map_at(e->iommufd, e->ioas, *page, 4096, IOVA) && write(told[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(told[1]);
	if (read(told[0], &byte, 1) != 1)
		child = -1;
	close(told[0]);
	return child;
}

static bool pinned_pages_outlive_their_process(void)
{
	char *page, *mine = pages(4096, MAP_PRIVATE);
	uint32_t other;
	struct edu e;
	pid_t child;

	CHECK(edu_open(&e) && !attach_to(e.device, e.ioas) && mine);
	child = start_mapper(&e, &page);
	CHECK(child > 0);
	dma(&e, IOVA, false);
	CHECK(!kill(child, SIGKILL) && wait_for(child) == 256 + SIGKILL);
	dma(&e, IOVA, true);
	dma(&e, IOVA, false);

	/* what came from there is what the child had */
	other = new_ioas(e.iommufd);
	CHECK(other && !map_at(e.iommufd, other, mine, 4096, IOVA) && !attach_to(e.device, other));
	dma(&e, IOVA, true);
	CHECK(mine[0] == 'c' && mine[63] == 'c' && !page[0]);

	/* nothing holds the pages now */
	FAILS(attach_to(e.device, e.ioas), EFAULT);
	CHECK(!unmap_at(e.iommufd, e.ioas, 4096, IOVA));
	CHECK(!munmap(page, 4096));
	CHECK(edu_close(&e));
	return !munmap(mine, 4096);
}

static bool unpinned_pages_go_with_their_process(void)
{
	struct edu e;
	pid_t child;
	char *page;

	CHECK(edu_open(&e));
	child = start_mapper(&e, &page);
	CHECK(child > 0);
	CHECK(!attach_to(e.device, e.ioas) && !detach(e.device));
	CHECK(!kill(child, SIGKILL) && wait_for(child) == 256 + SIGKILL);
	FAILS(attach_to(e.device, e.ioas), EFAULT);
	CHECK(!munmap(page, 4096));
	return edu_close(&e);
}

static bool child_takes_interrupts(struct edu *e)
{
	struct pollfd p = { .events = POLLIN };
	int pad[40], event;

	/* numbers of the child that mean nothing, or something else, in the parent */
	for (int i = 0; i < 40; i++)
		pad[i] = dup(0);
	p.fd = event = eventfd(0, EFD_CLOEXEC);
	CHECK(event >= 0 &&
	      !set_irq(e->device, VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, event));
	*reg(e, IRQ_RAISE) = 1;
	CHECK(poll(&p, 1, 5000) == 1);
	FAILS(set_irq(e->device, VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 999), EBADF);
	FAILS(set_irq(e->device, VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, pad[0]),
	      EINVAL);
	return true;
}

static bool a_child_takes_interrupts_by_its_own_eventfd(void)
{
	struct edu e;
	pid_t child;

	CHECK(edu_open(&e));
	child = fork();
	if (!child)
		IN_CHILD(child_takes_interrupts(&e));
	CHECK(wait_for(child) == 0);
	return edu_close(&e);
}

/* All of it from the start, on descriptors that the parent only opened. */
static bool child_binds(struct edu *e)
{
	char config[4], *page = pages(4096, MAP_PRIVATE);
	const off_t at = (off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40;
	uint16_t command = 6;

	FAILS(bind_to(e->device, 4711), EBADF);
	FAILS(bind_to(e->device, 0), EBADFD);
	CHECK(!bind_to(e->device, e->iommufd));
	CHECK(pwrite(e->device, &command, 2, at + 4) == 2);
	CHECK(pread(e->device, config, 4, at) == 4 && config[0] == 0x34 && config[1] == 0x12);
	FAILS(pread(e->device, (void *)4096, 4, at), EFAULT);
	FAILS(pread(e->device, config, 4, -1), EINVAL);
	e->ioas = new_ioas(e->iommufd);
	CHECK(e->ioas && !attach_to(e->device, e->ioas));
	CHECK(page && !map_at(e->iommufd, e->ioas, page, 4096, IOVA));
	CHECK(edu_map_bar(e) && dma_moves(e, page));
	CHECK(fcntl(e->device, F_GETFL) >= 0 && (fcntl(e->device, F_GETFL) & O_ACCMODE) == O_RDWR);
	CHECK(!munmap((void *)e->bar, BAR_SIZE) && !close(e->device) && !close(e->iommufd));
	return true;
}

static bool a_child_binds_what_its_parent_opened(void)
{
	struct edu e = { .device = open(CDEV, O_RDWR), .iommufd = open("/dev/iommu", O_RDWR) };
	int again;
	pid_t child;

	CHECK(e.device >= 0 && e.iommufd >= 0);
	child = fork();
	if (!child)
		IN_CHILD(child_binds(&e));
	CHECK(wait_for(child) == 0);
	again = open(CDEV, O_RDWR);
	FAILS(bind_to(again, e.iommufd), EINVAL);
	CHECK(!close(e.device) && !bind_to(again, e.iommufd));
	return !close(again) && !close(e.iommufd);
}

static bool child_opens_a_device(int container, int group)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int device, own_group = dup(group);

	CHECK(!ioctl(own_group, VFIO_GROUP_SET_CONTAINER, &container));
	CHECK(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, ADDRESS);
	CHECK(device > group && fcntl(device, F_GETFD) == FD_CLOEXEC);
	CHECK(!ioctl(device, VFIO_DEVICE_GET_INFO, &info) && info.num_regions == 9);
	CHECK(!close(device));
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, ADDRESS);
	CHECK(device >= 0);
	return true; /* left open */
}

static bool a_child_gets_new_descriptors(void)
{
	int container = open("/dev/vfio/vfio", O_RDWR), group = open(GROUP, O_RDWR);
	pid_t child;

	CHECK(container >= 0 && group >= 0);
	child = fork();
	if (!child)
		IN_CHILD(child_opens_a_device(container, group));
	CHECK(wait_for(child) == 0);
	CHECK(!close(group) && !close(container));
	group = open(GROUP, O_RDWR);
	CHECK(group >= 0);
	return !close(group);
}

static bool a_grandchild_is_served_too(void)
{
	struct edu e;
	pid_t child;

	CHECK(edu_open(&e) && !attach_to(e.device, e.ioas));
	child = fork();
	if (!child) {
		pid_t grandchild;

		if (*reg(&e, ID) != EDU_ID)
			_exit(2);
		grandchild = fork();
		if (!grandchild)
			IN_CHILD(child_uses_its_own_memory(&e));
		IN_CHILD(wait_for(grandchild) == 0 && child_uses_its_own_memory(&e));
	}
	CHECK(wait_for(child) == 0);
	return edu_close(&e);
}

static bool children_do_not_meet(void)
{
	pid_t children[4];
	struct edu e;

	CHECK(edu_open(&e));
	for (unsigned i = 0; i < 4; i++) {
		children[i] = fork();
		if (!children[i]) {
			for (unsigned n = 0; n < 100; n++) {
				uint32_t space = new_ioas(e.iommufd);

				if (!space || destroy(e.iommufd, space) || *reg(&e, ID) != EDU_ID)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (unsigned i = 0; i < 4; i++)
		CHECK(wait_for(children[i]) == 0);
	return edu_close(&e);
}

/* Its device and its iommufd. */
static bool receive_edu(int sock, struct edu *e)
{
	int fds[2];

	if (!receive_fds(sock, fds, 2))
		return false;
	e->device = fds[0];
	e->iommufd = fds[1];
	return true;
}

/* Programs. */

static int executed(int argc, char **argv)
{
	struct edu e = { .device = atoi(argv[2]), .iommufd = argc > 3 ? atoi(argv[3]) : -1 };

	if (!strcmp(argv[1], "bind"))
		return !child_binds(&e);
	if (!strcmp(argv[1], "receive"))
		return !receive_edu(atoi(argv[2]), &e) || !child_binds(&e);
	return 2;
}

static bool a_program_inherits_descriptors(void)
{
	char device[12], iommufd[12];
	char *argv[] = { (char *)self, (char *)"bind", device, iommufd, NULL };
	struct edu e;
	pid_t child;

	for (volatile int way = 0; way < 3; way++) {
		e.device = open(CDEV, O_RDWR);
		e.iommufd = open("/dev/iommu", O_RDWR);
		CHECK(e.device >= 0 && e.iommufd >= 0);
		snprintf(device, sizeof(device), "%d", e.device);
		snprintf(iommufd, sizeof(iommufd), "%d", e.iommufd);
		if (way == 0) {
			CHECK(!posix_spawn(&child, self, NULL, NULL, argv, environ));
		} else {
			child = way == 1 ? vfork() : fork();
			if (!child) {
				execv(self, argv);
				_exit(127);
			}
		}
		CHECK(wait_for(child) == 0);
		CHECK(!close(e.device) && !close(e.iommufd));
	}
	return true;
}

/* The other process was there first, and has nothing of us. */
static bool stranger_uses_what_it_is_sent(bool executes)
{
	int pair[2], device, iommufd;
	char sock[12];
	char *argv[] = { (char *)self, (char *)"receive", sock, NULL };
	pid_t child;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	snprintf(sock, sizeof(sock), "%d", pair[1]);
	child = fork();
	if (!child) {
		struct edu e;

		if (executes) {
			execv(self, argv);
			_exit(127);
		}
		IN_CHILD(receive_edu(pair[1], &e) && child_binds(&e));
	}
	device = open(CDEV, O_RDWR | O_CLOEXEC);
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	CHECK(device >= 0 && iommufd >= 0);
	CHECK(send_fds(pair[0], (int[]){ device, iommufd }, 2));
	CHECK(wait_for(child) == 0);
	return !close(device) && !close(iommufd) && !close(pair[0]) && !close(pair[1]);
}

static bool a_stranger_uses_what_it_is_sent(void)
{
	CHECK(stranger_uses_what_it_is_sent(false));
	return stranger_uses_what_it_is_sent(true);
}

static bool the_last_holder_closes_the_device(void)
{
	int pair[2], device, iommufd, again;
	char byte;
	pid_t child;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	child = fork();
	if (!child) {
		struct edu e;

		if (!receive_edu(pair[1], &e) || write(pair[1], "x", 1) != 1 ||
		    read(pair[1], &byte, 1) != 1)
			_exit(2);
		IN_CHILD(edu_map_bar(&e));
	}
	device = open(CDEV, O_RDWR | O_CLOEXEC);
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	CHECK(device >= 0 && !bind_to(device, iommufd));
	CHECK(send_fds(pair[0], (int[]){ device, iommufd }, 2) && read(pair[0], &byte, 1) == 1);
	CHECK(!close(device) && !close(iommufd));
	FAILS(open(GROUP, O_RDWR), EBUSY);
	CHECK(write(pair[0], "x", 1) == 1 && wait_for(child) == 0);
	again = open(GROUP, O_RDWR);
	CHECK(again >= 0);
	return !close(again) && !close(pair[0]) && !close(pair[1]);
}

/* The end of the process that opened it. */
static bool when_the_opener_dies_so_does_the_device(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int pair[2], again;
	char byte;
	pid_t opener;
	struct edu e;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	opener = fork();
	if (!opener) {
		if (edu_open(&e) && send_fds(pair[1], (int[]){ e.device, e.iommufd }, 2))
			pause();
		_exit(1);
	}
	CHECK(receive_edu(pair[0], &e));
	CHECK(edu_map_bar(&e));
	CHECK(!ioctl(e.device, VFIO_DEVICE_GET_INFO, &info));
	CHECK(!kill(opener, SIGKILL) && wait_for(opener) == 256 + SIGKILL);
	FAILS(ioctl(e.device, VFIO_DEVICE_GET_INFO, &info), ENODEV);
	FAILS(pread(e.device, &byte, 1, 0), ENODEV);
	FAILS(ioctl(e.iommufd, IOMMU_IOAS_ALLOC, NULL), ENODEV);
	CHECK(*reg(&e, ID) == ~0u);
	*reg(&e, LIVENESS) = 1;
	CHECK(edu_close(&e));
	again = open(GROUP, O_RDWR);
	CHECK(again >= 0);
	return !close(again) && !close(pair[0]) && !close(pair[1]);
}

static const struct test tests[] = {
	TEST(a_child_maps_memory_of_its_own),
	TEST(pinned_pages_outlive_their_process),
	TEST(unpinned_pages_go_with_their_process),
	TEST(a_child_takes_interrupts_by_its_own_eventfd),
	TEST(a_child_binds_what_its_parent_opened),
	TEST(a_child_gets_new_descriptors),
	TEST(a_grandchild_is_served_too),
	TEST(children_do_not_meet),
	TEST(a_program_inherits_descriptors),
	TEST(a_stranger_uses_what_it_is_sent),
	TEST(the_last_holder_closes_the_device),
	TEST(when_the_opener_dies_so_does_the_device),
};

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 2)
		return executed(argc, argv);
	return run_tests(tests, NR_TESTS(tests), argv[1]);
}
