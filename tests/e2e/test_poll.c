/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What poll, select and epoll say of our descriptors. The kernel's files for groups,
 * containers, devices and iommufds have no poll operation: always ready for the
 * usual, and not for epoll. That of a fault queue has one.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

#include "edu.h"

#define EVERYTHING (POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND)
#define USUAL	   (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

/* What poll() and ppoll() say; -1 when they differ or count wrongly. */
static int polled(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events, .revents = 0x7777 };
	const struct timespec soon = { .tv_nsec = 1000000 };
	short first;
	int n = poll(&p, 1, 1);

	first = p.revents;
	if (n != !!first || p.events != events)
		return -1;
	p.revents = 0x7777;
	n = ppoll(&p, 1, &soon, NULL);
	return n == !!first && p.revents == first && p.events == events ? first : -1;
}

static bool ready_for_the_usual(int fd)
{
	CHECK(polled(fd, EVERYTHING) == USUAL);
	CHECK(polled(fd, POLLIN) == POLLIN);
	CHECK(polled(fd, POLLOUT | POLLWRBAND) == POLLOUT);
	CHECK(polled(fd, POLLWRBAND | POLLPRI) == 0);
	CHECK(polled(fd, 0) == 0);
	return true;
}

static bool selected(int fd)
{
	struct timeval now = { 0 };
	fd_set in, out, odd;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&odd);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	FD_SET(fd, &odd);
	CHECK(select(fd + 1, &in, &out, &odd, &now) == 2);
	return FD_ISSET(fd, &in) && FD_ISSET(fd, &out) && !FD_ISSET(fd, &odd);
}

static bool not_for_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(ep >= 0);
	FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), EPERM);
	FAILS(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event), EPERM);
	FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL), EPERM);
	FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, NULL), EFAULT);
	FAILS(epoll_ctl(0, EPOLL_CTL_ADD, fd, &event), EPERM);
	FAILS(epoll_ctl(999, EPOLL_CTL_ADD, fd, &event), EBADF);
	FAILS(epoll_ctl(fd, EPOLL_CTL_ADD, ep, &event), EINVAL);
	return !close(ep);
}

static bool always_ready(int fd)
{
	return ready_for_the_usual(fd) && selected(fd) && not_for_epoll(fd);
}

static bool in_a_child(bool (*fn)(int fd), int fd)
{
	pid_t child = fork();

	if (!child) {
		bool ok = fn(fd);

		fflush(stdout);
		_exit(ok ? 0 : 1);
	}
	return wait_for(child) == 0;
}

static bool files_without_poll_are_always_ready(void)
{
	int container = open("/dev/vfio/vfio", O_RDWR), group = open(GROUP, O_RDWR);
	int device;

	CHECK(container >= 0 && group >= 0 && always_ready(container) && always_ready(group));
	CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	CHECK(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, ADDRESS);
	CHECK(device >= 0 && always_ready(device));
	CHECK(in_a_child(always_ready, device) && in_a_child(always_ready, container));
	return !close(device) && !close(group) && !close(container);
}

static bool iommufds_and_their_devices_are_always_ready(void)
{
	struct edu e;

	CHECK(edu_open(&e));
	CHECK(always_ready(e.iommufd) && always_ready(e.device));
	CHECK(in_a_child(always_ready, e.iommufd));
	return edu_close(&e);
}

#define IOMMU_FAULT_QUEUE_ALLOC _IO(';', 0x8e)

struct iommu_fault_alloc {
	__u32 size;
	__u32 flags;
	__u32 out_fault_id;
	__u32 out_fault_fd;
};

static bool fault_queue_is_writable(int fd)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLWRBAND | EPOLLWRNORM | EPOLLRDNORM,
		.data.u64 = 7,
	};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK(polled(fd, EVERYTHING) == POLLOUT);
	CHECK(polled(fd, POLLIN | POLLWRBAND | POLLWRNORM) == 0);
	CHECK(ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	CHECK(epoll_wait(ep, &event, 1, 0) == 1);
	CHECK(event.events == EPOLLOUT && event.data.u64 == 7);
	event.events = EPOLLIN | EPOLLWRBAND;
	CHECK(!epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event) && epoll_wait(ep, &event, 1, 0) == 0);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	return !close(ep);
}

static bool a_fault_queue_without_faults_is_writable(void)
{
	struct iommu_fault_alloc alloc = { .size = sizeof(alloc) };
	int iommufd = open("/dev/iommu", O_RDWR);

	CHECK(iommufd >= 0 && !ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &alloc));
	CHECK(fault_queue_is_writable((int)alloc.out_fault_fd));
	CHECK(in_a_child(fault_queue_is_writable, (int)alloc.out_fault_fd));
	CHECK(!close((int)alloc.out_fault_fd) && !destroy(iommufd, alloc.out_fault_id));
	return !close(iommufd);
}

static bool others_beside_ours_are_what_they_are(void)
{
	int ev = eventfd(0, EFD_CLOEXEC), iommufd = open("/dev/iommu", O_RDWR);
	struct pollfd p[4] = {
		{ .fd = ev, .events = POLLIN },
		{ .fd = iommufd, .events = POLLWRBAND },
		{ .fd = 999, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	const struct timespec soon = { .tv_nsec = 1000000 };
	const uint64_t one = 1;

	CHECK(ev >= 0 && iommufd >= 0);
	CHECK(poll(p, 4, -1) == 1 && p[2].revents == POLLNVAL && !p[0].revents && !p[1].revents);
	p[2].fd = -1;
	CHECK(poll(p, 4, 1) == 0 && ppoll(p, 4, &soon, NULL) == 0);
	CHECK(write(ev, &one, sizeof(one)) == sizeof(one));
	CHECK(poll(p, 4, -1) == 1 && p[0].revents == POLLIN && !p[1].revents);
	p[1].events = POLLOUT;
	CHECK(poll(p, 4, -1) == 2 && p[0].revents == POLLIN && p[1].revents == POLLOUT);
	/* ready, so nobody waits, though the other is not */
	p[0].events = POLLPRI;
	CHECK(ppoll(p, 4, NULL, NULL) == 1 && !p[0].revents && p[1].revents == POLLOUT);
	return !close(ev) && !close(iommufd);
}

static bool bad_calls_are_refused(void)
{
	int iommufd = open("/dev/iommu", O_RDWR);
	struct pollfd *read_only = pages(4096, MAP_PRIVATE);

	CHECK(iommufd >= 0 && read_only);
	read_only->fd = iommufd;
	read_only->events = POLLIN;
	CHECK(!mprotect(read_only, 4096, PROT_READ));
	FAILS(poll(read_only, 1, 0), EFAULT);
	FAILS(poll((void *)4096, 1, 0), EFAULT);
	FAILS(poll(read_only, 1u << 30, 0), EINVAL);
	return !munmap(read_only, 4096) && !close(iommufd);
}

static void nothing(int sig)
{
}

/* The mask of ppoll() is in force while it waits. */
static bool signals_interrupt_it(void)
{
	struct sigaction act = { .sa_handler = nothing };
	int iommufd = open("/dev/iommu", O_RDWR);
	struct pollfd p = { .fd = iommufd, .events = POLLPRI };
	sigset_t usr, old;

	CHECK(iommufd >= 0 && !sigaction(SIGUSR1, &act, NULL));
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	CHECK(!sigprocmask(SIG_BLOCK, &usr, &old) && !raise(SIGUSR1));
	FAILS(ppoll(&p, 1, NULL, &old), EINTR);
	CHECK(!sigprocmask(SIG_SETMASK, &old, NULL));
	return !close(iommufd);
}

/* What the engine keeps is no descriptor of the program. */
static bool hidden_numbers_are_not_open(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), seen = 0;
	static bool inherited[8192];
	struct edu e;

	for (int fd = 0; fd < 8192; fd++)
		inherited[fd] = fcntl(fd, F_GETFD) >= 0;
	CHECK(ep >= 0 && edu_open(&e));
	for (int fd = 64; fd < 8192; fd++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (inherited[fd])
			continue;
		CHECK(fcntl(fd, F_GETFD) < 0);
		CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLNVAL);
		FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), EBADF);
		seen++;
	}
	CHECK(seen > 8000);
	return !close(ep) && edu_close(&e);
}

static const struct test tests[] = {
	TEST(files_without_poll_are_always_ready),
	TEST(iommufds_and_their_devices_are_always_ready),
	TEST(a_fault_queue_without_faults_is_writable),
	TEST(others_beside_ours_are_what_they_are),
	TEST(bad_calls_are_refused),
	TEST(signals_interrupt_it),
	TEST(hidden_numbers_are_not_open),
};

int main(void)
{
	return run_tests(tests, NR_TESTS(tests), NULL);
}
