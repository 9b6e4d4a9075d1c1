/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes between a program and its device: signal handlers in the middle of a
 * call, cancellation, libc closing a number by itself, bad vectors. Run below
 * `ringfence run --device edu`, prints TAP; the answers are the kernel's.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "../container.h"
#include "tap.h"

#define PAGE 4096u

static struct vfio vfio;
static volatile sig_atomic_t signals;
static void *other;

static bool map(void *p, uint64_t iova)
{
	return vfio_map(vfio.container, p, PAGE, iova);
}

static bool unmap(uint64_t iova)
{
	return vfio_unmap(vfio.container, PAGE, iova);
}

static void *page(void *at)
{
	return mmap(at, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
}

static void intrude(int sig)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

	ioctl(vfio.container, VFIO_IOMMU_GET_INFO, &info);
	munmap(other, PAGE);
	page(other);
	signals++;
}

static bool handlers_may_use_what_they_interrupt(void)
{
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { 0 };
	struct sigaction shown;
	void *mine = page(NULL);

	other = page(NULL);
	CHECK(signal(SIGALRM, intrude) == SIG_DFL);
	CHECK(!sigaction(SIGALRM, NULL, &shown) && shown.sa_handler == intrude);
	CHECK(!setitimer(ITIMER_REAL, &often, NULL));
	while (signals < 100) {
		CHECK(map(mine, 0x100000));
		CHECK(map(other, 0x200000));
		CHECK(unmap(0x100000));
		CHECK(unmap(0x200000));
	}
	CHECK(!setitimer(ITIMER_REAL, &never, NULL));
	CHECK(signal(SIGALRM, SIG_DFL) == intrude);
	return true;
}

static void *map_for_ever(void *arg)
{
	void *mine = page(NULL);
	int type;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	for (;;) {
		map(mine, 0x300000);
		unmap(0x300000);
	}
	return NULL;
}

static bool a_cancelled_thread_leaves_no_lock(void)
{
	pthread_t thread;

	for (int i = 0; i < 50; i++) {
		CHECK(!pthread_create(&thread, NULL, map_for_ever, NULL));
		usleep(500);
		CHECK(!pthread_cancel(thread));
		CHECK(!pthread_join(thread, NULL));
	}
	unmap(0x300000);
	CHECK(map(page(NULL), 0x300000));
	CHECK(unmap(0x300000));
	return true;
}

static bool a_number_closed_by_libc_is_anybodys(void)
{
	int fd = open("/dev/vfio/vfio", O_RDWR), ends[2], now;
	char bytes[4] = "abc";
	FILE *stream;

	CHECK(fd >= 0);
	stream = fdopen(fd, "r+");
	CHECK(stream && !fclose(stream));
	CHECK(open("/dev/zero", O_RDONLY) == fd);
	CHECK(read(fd, bytes, 4) == 4 && !bytes[0]);
	CHECK(!close(fd));
	/* without libc: the kernel gives out the same number */
	for (int i = 0; i < 3; i++) {
		fd = open("/dev/vfio/vfio", O_RDWR);
		CHECK(fd >= 0);
		syscall(SYS_close, fd);
		now = i == 0 ? eventfd(3, 0) : i == 1 ? dup(0) : open("/dev/zero", O_RDONLY);
		CHECK(now == fd);
		errno = 0;
		CHECK(ioctl(fd, VFIO_GET_API_VERSION) < 0 && errno == ENOTTY);
		CHECK(!close(fd));
	}
	/* nor does anybody tell us here */
	fd = open("/dev/vfio/vfio", O_RDWR);
	syscall(SYS_close, fd);
	CHECK(syscall(SYS_pipe, ends) == 0 && (ends[0] == fd || ends[1] == fd));
	CHECK(write(ends[1], "abc", 3) == 3);
	CHECK(read(ends[0], bytes, 4) == 3 && bytes[0] == 'a');
	CHECK(!close(ends[0]) && !close(ends[1]));
	return true;
}

static bool bad_vectors_are_refused(void)
{
	struct iovec *volatile wild = (void *)8;
	volatile int none = -1;
	struct iovec huge = { .iov_base = &huge, .iov_len = SIZE_MAX };

	CHECK(readv(vfio.device, wild, 1) == -1 && errno == EFAULT);
	CHECK(preadv(vfio.device, wild, 1, 0) == -1 && errno == EFAULT);
	CHECK(writev(vfio.device, wild, 1) == -1 && errno == EFAULT);
	CHECK(preadv(vfio.device, &huge, 1, 0) == -1 && errno == EINVAL);
	CHECK(readv(vfio.device, wild, none) == -1 && errno == EINVAL);
	return true;
}

static const struct test tests[] = {
	TEST(handlers_may_use_what_they_interrupt),
	TEST(a_cancelled_thread_leaves_no_lock),
	TEST(a_number_closed_by_libc_is_anybodys),
	TEST(bad_vectors_are_refused),
};

int main(void)
{
	if (!vfio_open(&vfio, "0000:01:00.0")) {
		printf("Bail out! no device\n");
		return 1;
	}
	return run_tests(tests, NR_TESTS(tests), NULL);
}
