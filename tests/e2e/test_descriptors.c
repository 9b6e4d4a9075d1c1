/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program may do with its descriptors, its BAR mappings and its memory
 * while a device is open: run below `ringfence run --device edu`, prints TAP.
 * Nothing here knows of Ringfence: the answers are the kernel's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define ID	   0x00
#define LIVENESS   0x04
#define DMA_SRC	   0x80
#define DMA_DST	   0x88
#define DMA_COUNT  0x90
#define DMA_CMD	   0x98
#define EDU_BUFFER 0x40000u
#define EDU_ID	   0x010000edu
#define BAR_SIZE   (1ul << 20)
#define IOVA	   0x100000u
#define MIB	   (1ul << 20)

#define CHECK(cond)                                                                   \
	do {                                                                          \
		if (!(cond)) {                                                        \
			printf("# line %d: %s (errno %d)\n", __LINE__, #cond, errno); \
			return false;                                                 \
		}                                                                     \
	} while (0)

static const char *group_path, *address;

struct driver {
	int container, group, device;
	volatile uint8_t *bar;
};

static volatile uint32_t *reg(struct driver *d, unsigned off)
{
	return (volatile uint32_t *)(d->bar + off);
}

static void *bar_map(struct driver *d, void *at, size_t len, int prot, int flags, off_t off)
{
	return mmap(at, len, prot, MAP_SHARED | flags, d->device,
		    ((off_t)VFIO_PCI_BAR0_REGION_INDEX << 40) + off);
}

static bool driver_open(struct driver *d)
{
	uint16_t command = 6; /* memory, bus master */

	d->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	CHECK(d->container >= 0);
	d->group = open(group_path, O_RDWR | O_CLOEXEC);
	CHECK(d->group >= 0);
	CHECK(!ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &d->container));
	CHECK(!ioctl(d->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	d->device = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, address);
	CHECK(d->device >= 0);
	CHECK(pwrite(d->device, &command, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4) == 2);
	d->bar = bar_map(d, NULL, BAR_SIZE, PROT_READ | PROT_WRITE, 0, 0);
	CHECK(d->bar != MAP_FAILED);
	CHECK(*reg(d, ID) == EDU_ID);
	return true;
}

static bool driver_close(struct driver *d)
{
	CHECK(!munmap((void *)d->bar, BAR_SIZE));
	CHECK(!close(d->device));
	CHECK(!close(d->group));
	CHECK(!close(d->container));
	return true;
}

static bool dma_map(struct driver *d, void *p, size_t len, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)p,
		.iova = iova,
		.size = len,
	};

	return !ioctl(d->container, VFIO_IOMMU_MAP_DMA, &map);
}

static bool dma_unmap(struct driver *d, size_t len, uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	return !ioctl(d->container, VFIO_IOMMU_UNMAP_DMA, &unmap) && unmap.size == len;
}

/* 64 bytes between memory and the device's buffer. */
static void dma(struct driver *d, uint64_t iova, bool to_memory)
{
	*(volatile uint64_t *)(d->bar + DMA_SRC) = to_memory ? EDU_BUFFER : iova;
	*(volatile uint64_t *)(d->bar + DMA_DST) = to_memory ? iova : EDU_BUFFER;
	*(volatile uint64_t *)(d->bar + DMA_COUNT) = 64;
	*reg(d, DMA_CMD) = 1 | (to_memory ? 2 : 0);
	while (*reg(d, DMA_CMD) & 1)
		;
}

static bool alive(struct driver *d)
{
	*reg(d, LIVENESS) = 0x1234;
	return *reg(d, LIVENESS) == ~0x1234u;
}

/* Descriptors. */

static bool close_and_open_again(void)
{
	struct driver d;

	for (int i = 0; i < 20; i++) {
		CHECK(driver_open(&d));
		CHECK(open(group_path, O_RDWR) < 0 && errno == EBUSY);
		CHECK(driver_close(&d));
	}
	return true;
}

static bool a_mapping_keeps_the_device_open(void)
{
	struct driver d;

	CHECK(driver_open(&d));
	CHECK(!close(d.device) && !close(d.group) && !close(d.container));
	CHECK(alive(&d));
	CHECK(open(group_path, O_RDWR) < 0 && errno == EBUSY);
	CHECK(!munmap((void *)d.bar, BAR_SIZE));
	CHECK(driver_open(&d));
	return driver_close(&d);
}

static bool numbers_are_not_disturbed(void)
{
	int probe = dup(0), fd;
	struct driver d;

	close(probe);
	CHECK(driver_open(&d));
	CHECK(d.container == probe && d.group == probe + 1 && d.device == probe + 2);
	fd = dup(0);
	CHECK(fd == probe + 3);
	close(fd);
	CHECK((fcntl(d.device, F_GETFL) & O_ACCMODE) == O_RDWR);
	CHECK(lseek(d.device, 0, SEEK_CUR) < 0 && errno == ESPIPE);
	CHECK(fcntl(d.group, F_GETFD) == FD_CLOEXEC);
	return driver_close(&d);
}

static bool duplicates_are_the_same_device(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct driver d;
	int two, three;

	CHECK(driver_open(&d));
	two = dup(d.device);
	three = fcntl(d.device, F_DUPFD_CLOEXEC, 700);
	CHECK(two >= 0 && three >= 700);
	CHECK(!close(d.device));
	CHECK(!ioctl(two, VFIO_DEVICE_GET_INFO, &info) && info.num_regions == 9);
	CHECK(dup2(two, three) == three);
	CHECK(!close(two));
	CHECK(ioctl(two, VFIO_DEVICE_GET_INFO, &info) < 0 && errno == EBADF);
	CHECK(!ioctl(three, VFIO_DEVICE_GET_INFO, &info));
	d.device = three;
	CHECK(alive(&d));
	return driver_close(&d);
}

static bool descriptors_travel_through_sockets(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct driver d;
	int pair[2];

	CHECK(driver_open(&d));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &d.device, sizeof(int));
	CHECK(sendmsg(pair[0], &msg, 0) == 1);
	CHECK(!close(d.device));
	msg.msg_controllen = sizeof(control);
	CHECK(recvmsg(pair[1], &msg, 0) == 1);
	memcpy(&d.device, CMSG_DATA(&control.header), sizeof(int));
	CHECK(!ioctl(d.device, VFIO_DEVICE_GET_INFO, &info) && info.num_regions == 9);
	CHECK(!close(pair[0]) && !close(pair[1]));
	return driver_close(&d);
}

static bool closing_everything_closes_the_device(void)
{
	struct driver d;

	CHECK(driver_open(&d));
	CHECK(!munmap((void *)d.bar, BAR_SIZE));
	closefrom(d.container);
	CHECK(fcntl(d.device, F_GETFD) < 0 && errno == EBADF);
	CHECK(driver_open(&d));
	CHECK(!close_range((unsigned)d.device + 1, ~0u, 0));
	CHECK(alive(&d));
	return driver_close(&d);
}

static bool bad_calls_get_their_errno(void)
{
	struct driver d;
	char buf[4];

	CHECK(driver_open(&d));
	CHECK(read(d.container, buf, 4) < 0 && errno == EINVAL);
	CHECK(pread(d.device, buf, 4, -5) < 0 && errno == EINVAL);
	CHECK(ioctl(d.device, 0x1234, 0) < 0 && errno == ENOTTY);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, d.container, 0) == MAP_FAILED);
	CHECK(open("/dev/vfio/4711", O_RDWR) < 0 && errno == ENOENT);
	CHECK(bar_map(&d, NULL, 2 * BAR_SIZE, PROT_READ, 0, 0) == MAP_FAILED && errno == EINVAL);
	return driver_close(&d);
}

/* Processes. */

static int wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static bool child_drives_the_device(struct driver *d)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	CHECK(!ioctl(d->device, VFIO_DEVICE_GET_INFO, &info) && info.num_regions == 9);
	CHECK(*reg(d, ID) == EDU_ID);
	CHECK(*reg(d, LIVENESS) == ~0x77u);
	*reg(d, LIVENESS) = 5;
	CHECK(open(group_path, O_RDWR) < 0 && errno == EBUSY);
	CHECK(!close(d->device) && !close(d->group) && !close(d->container));
	CHECK(!munmap((void *)d->bar, BAR_SIZE));
	return true;
}

static bool children_drive_the_parents_device(void)
{
	struct driver d;
	pid_t child;

	CHECK(driver_open(&d));
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		*reg(&d, LIVENESS) = 0x77;
		child = fork();
		if (!child) {
			bool ok = child_drives_the_device(&d);

			fflush(stdout);
			_exit(ok ? 0 : 1);
		}
		CHECK(wait_for(child) == 0);
		CHECK(*reg(&d, LIVENESS) == ~5u);
	}
	CHECK(alive(&d));
	CHECK(driver_close(&d));
	CHECK(driver_open(&d));
	return driver_close(&d);
}

static bool a_child_opens_what_its_parent_closed(void)
{
	struct driver d, mine;
	pid_t child;

	CHECK(driver_open(&d));
	CHECK(driver_close(&d));
	fflush(stdout);
	child = fork();
	if (!child) {
		bool ok = driver_open(&mine) && alive(&mine);

		fflush(stdout);
		_exit(ok ? 0 : 1); /* without closing anything */
	}
	CHECK(wait_for(child) == 0);
	CHECK(driver_open(&d));
	return driver_close(&d);
}

static bool a_killed_driver_leaves_no_lock(void)
{
	int pipes[2];
	struct driver d;
	pid_t child;
	char byte;

	CHECK(!pipe(pipes));
	fflush(stdout);
	child = fork();
	if (!child) {
		if (driver_open(&d) && write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	CHECK(read(pipes[0], &byte, 1) == 1);
	CHECK(open(group_path, O_RDWR) < 0 && errno == EBUSY);
	CHECK(!kill(child, SIGKILL));
	CHECK(wait_for(child) == 256 + SIGKILL);
	CHECK(driver_open(&d));
	CHECK(!close(pipes[0]) && !close(pipes[1]));
	return driver_close(&d);
}

static bool a_vfork_child_may_close_and_exec(void)
{
	struct driver d;
	pid_t child;

	CHECK(driver_open(&d));
	child = vfork();
	if (!child) {
		close(d.device);
		dup2(0, d.group);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	CHECK(wait_for(child) == 0);
	CHECK(alive(&d));
	CHECK(driver_close(&d));
	CHECK(driver_open(&d));
	return driver_close(&d);
}

static bool a_child_that_lives_on_keeps_the_device(void)
{
	int pipes[2], fd;
	struct driver d;
	pid_t child;
	char byte;

	CHECK(driver_open(&d));
	CHECK(!pipe(pipes));
	child = fork();
	if (!child) {
		close(pipes[1]);
		_exit((int)read(pipes[0], &byte, 1));
	}
	CHECK(!close(pipes[0]));
	CHECK(driver_close(&d));
	CHECK(open(group_path, O_RDWR) < 0 && errno == EBUSY);
	CHECK(!close(pipes[1]));
	CHECK(wait_for(child) == 0);
	fd = open(group_path, O_RDWR);
	CHECK(fd >= 0);
	CHECK(!close(fd));
	return true;
}

/* Mappings. */

static sigjmp_buf jump;
static volatile uintptr_t fault_at;
static volatile int faults;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	fault_at = (uintptr_t)info->si_addr;
	faults++;
	siglongjmp(jump, 1);
}

static bool store_faults(volatile uint32_t *p)
{
	faults = 0;
	if (!sigsetjmp(jump, 1))
		*p = 1;
	return faults == 1 && fault_at == (uintptr_t)p;
}

static bool load_faults(volatile uint32_t *p)
{
	faults = 0;
	if (!sigsetjmp(jump, 1))
		(void)*p;
	return faults == 1 && fault_at == (uintptr_t)p;
}

static bool the_programs_own_faults_are_its_own(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old;
	volatile uint32_t *ro;
	struct driver d;
	void *none;

	CHECK(driver_open(&d));
	CHECK(!sigaction(SIGSEGV, &act, &old));
	none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(store_faults(none) && load_faults(none));
	CHECK(alive(&d));
	ro = bar_map(&d, NULL, 4096, PROT_READ, 0, 0);
	CHECK(ro != MAP_FAILED);
	CHECK(*ro == EDU_ID);
	CHECK(store_faults(ro + 1));
	CHECK(!mprotect((void *)ro, 4096, PROT_READ | PROT_WRITE));
	ro[1] = 5;
	CHECK(ro[1] == ~5u);
	CHECK(!mprotect((void *)ro, 4096, PROT_NONE));
	CHECK(load_faults(ro) && store_faults(ro + 1));
	CHECK(!munmap((void *)ro, 4096));
	CHECK(load_faults(ro));
	CHECK(!sigaction(SIGSEGV, &old, NULL));
	return driver_close(&d);
}

static bool memory_mapped_over_a_bar_is_memory(void)
{
	struct driver d;
	void *over;

	CHECK(driver_open(&d));
	over = mmap((void *)d.bar, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(over == d.bar);
	CHECK(*reg(&d, ID) == 0);
	*reg(&d, LIVENESS) = 3;
	CHECK(*reg(&d, LIVENESS) == 3);
	/* and back, over a reservation, as programs do */
	CHECK(bar_map(&d, over, 4096, PROT_READ | PROT_WRITE, MAP_FIXED, 0) == over);
	CHECK(*reg(&d, ID) == EDU_ID && alive(&d));
	return driver_close(&d);
}

static bool part_of_a_bar_can_be_unmapped_and_moved(void)
{
	volatile uint32_t *moved;
	struct driver d;
	void *to;

	CHECK(driver_open(&d));
	CHECK(!munmap((void *)(d.bar + 4096), BAR_SIZE - 4096));
	CHECK(alive(&d));
	to = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved = mremap((void *)d.bar, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(moved == to && *moved == EDU_ID);
	CHECK(mremap((void *)moved, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	CHECK(!munmap(to, 4096));
	CHECK(!close(d.device) && !close(d.group) && !close(d.container));
	CHECK(driver_open(&d));
	return driver_close(&d);
}

static bool system_calls_reach_registers(void)
{
	uint32_t val = 0xabcd, got[2] = { 0 };
	struct iovec iov[2];
	struct driver d;
	int pipes[2];

	CHECK(driver_open(&d));
	CHECK(!pipe(pipes));
	CHECK(write(pipes[1], &val, 4) == 4);
	CHECK(read(pipes[0], (void *)(d.bar + LIVENESS), 4) == 4);
	CHECK(*reg(&d, LIVENESS) == ~0xabcdu);
	CHECK(write(pipes[1], (void *)d.bar, 4) == 4);
	CHECK(write(pipes[1], (void *)(d.bar + LIVENESS), 4) == 4);
	CHECK(read(pipes[0], got, 8) == 8);
	CHECK(got[0] == EDU_ID && got[1] == ~0xabcdu);
	iov[0] = (struct iovec){ &val, 4 };
	iov[1] = (struct iovec){ (void *)d.bar, 4 };
	CHECK(writev(pipes[1], iov, 2) == 8);
	CHECK(read(pipes[0], got, 8) == 8);
	CHECK(got[0] == 0xabcd && got[1] == EDU_ID);
	CHECK(!close(pipes[0]) && !close(pipes[1]));
	return driver_close(&d);
}

static struct driver *shared;
static volatile bool small_ok;

static void on_small_stack(void)
{
	small_ok = alive(shared);
}

static bool registers_work_from_small_stacks(void)
{
	static char stack[8192];
	ucontext_t main_context, small;
	struct driver d;

	CHECK(driver_open(&d));
	shared = &d;
	small_ok = false;
	getcontext(&small);
	small.uc_stack.ss_sp = stack;
	small.uc_stack.ss_size = sizeof(stack);
	small.uc_link = &main_context;
	makecontext(&small, on_small_stack, 0);
	swapcontext(&main_context, &small);
	CHECK(small_ok);
	return driver_close(&d);
}

static void *hammer(void *arg)
{
	for (int i = 0; i < 2000; i++)
		if (*reg(arg, ID) != EDU_ID)
			return arg;
	return NULL;
}

static bool threads_trap_at_once(void)
{
	pthread_t threads[8];
	struct driver d;
	void *bad;

	CHECK(driver_open(&d));
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_create(&threads[i], NULL, hammer, &d));
	for (int i = 0; i < 8; i++) {
		CHECK(!pthread_join(threads[i], &bad));
		CHECK(!bad);
	}
	return driver_close(&d);
}

/* Memory. */

static bool pages_outlive_munmap(void)
{
	struct driver d;
	uint8_t *p, *q;

	CHECK(driver_open(&d));
	p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 0x5a, 16384);
	CHECK(dma_map(&d, p, 16384, IOVA));
	CHECK(!munmap(p, 16384));
	q = mmap(p, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(q == p && q[4096] == 0);
	dma(&d, IOVA + 4096, false); /* the old page to the device */
	dma(&d, IOVA + 8192, true); /* and into another old one */
	CHECK(q[8192] == 0);
	CHECK(dma_unmap(&d, 16384, IOVA));
	CHECK(dma_map(&d, q, 16384, IOVA));
	dma(&d, IOVA, true);
	CHECK(q[0] == 0x5a && q[63] == 0x5a && q[64] == 0);
	CHECK(dma_unmap(&d, 16384, IOVA));
	CHECK(!munmap(q, 16384));
	return driver_close(&d);
}

static bool pages_outlive_dontneed_and_free(void)
{
	struct driver d;
	uint8_t *p, *q;

	CHECK(driver_open(&d));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 0x11, 8192);
	CHECK(dma_map(&d, p, 8192, IOVA));
	CHECK(!madvise(p, 8192, MADV_DONTNEED));
	CHECK(p[0] == 0);
	dma(&d, IOVA, false);
	CHECK(dma_unmap(&d, 8192, IOVA));
	CHECK(!posix_memalign((void **)&q, 4096, MIB));
	memset(q, 0, MIB);
	CHECK(dma_map(&d, q, MIB, IOVA));
	dma(&d, IOVA, true);
	CHECK(q[0] == 0x11 && q[63] == 0x11 && q[64] == 0);
	free(q);
	dma(&d, IOVA + 4096, true);
	dma(&d, IOVA, false);
	CHECK(dma_unmap(&d, MIB, IOVA));
	CHECK(dma_map(&d, p, 4096, IOVA));
	dma(&d, IOVA, true);
	CHECK(p[0] == 0x11);
	CHECK(dma_unmap(&d, 4096, IOVA));
	CHECK(!munmap(p, 8192));
	return driver_close(&d);
}

static bool moved_and_grown_memory_stays_mapped(void)
{
	uint8_t *p, *q;
	struct driver d;
	void *to;

	CHECK(driver_open(&d));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 0x22, 8192);
	CHECK(dma_map(&d, p, 8192, IOVA));
	to = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	q = mremap(p, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(q == to);
	dma(&d, IOVA + 4096, false);
	memset(q, 0, 8192);
	dma(&d, IOVA, true);
	CHECK(q[0] == 0x22 && q[63] == 0x22 && q[64] == 0);
	CHECK(dma_unmap(&d, 8192, IOVA));
	CHECK(!munmap(q, 8192));

	p = malloc(MIB);
	memset(p, 0x33, MIB);
	q = (uint8_t *)(((uintptr_t)p + 4095) & ~4095ul);
	CHECK(dma_map(&d, q, 4096, IOVA));
	p = realloc(p, 4 * MIB);
	CHECK(p && p[0] == 0x33 && p[MIB - 1] == 0x33);
	dma(&d, IOVA, false);
	CHECK(dma_unmap(&d, 4096, IOVA));
	free(p);
	return driver_close(&d);
}

static bool parents_memory_is_its_own_after_fork(void)
{
	struct driver d;
	pid_t child;
	uint8_t *p;

	CHECK(driver_open(&d));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 0x44, 4096);
	CHECK(dma_map(&d, p, 4096, IOVA));
	child = fork();
	if (!child) {
		memset(p, 0x66, 4096);
		munmap(p, 4096);
		_exit(0);
	}
	CHECK(wait_for(child) == 0);
	dma(&d, IOVA, false);
	memset(p, 0, 4096);
	dma(&d, IOVA, true);
	CHECK(p[0] == 0x44);
	CHECK(dma_unmap(&d, 4096, IOVA));
	CHECK(!munmap(p, 4096));
	return driver_close(&d);
}

static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
#define TEST(name)          \
	{                   \
#name, name \
	}
	TEST(close_and_open_again),
	TEST(a_mapping_keeps_the_device_open),
	TEST(numbers_are_not_disturbed),
	TEST(duplicates_are_the_same_device),
	TEST(descriptors_travel_through_sockets),
	TEST(closing_everything_closes_the_device),
	TEST(bad_calls_get_their_errno),
	TEST(children_drive_the_parents_device),
	TEST(a_child_opens_what_its_parent_closed),
	TEST(a_killed_driver_leaves_no_lock),
	TEST(a_vfork_child_may_close_and_exec),
	TEST(a_child_that_lives_on_keeps_the_device),
	TEST(the_programs_own_faults_are_its_own),
	TEST(memory_mapped_over_a_bar_is_memory),
	TEST(part_of_a_bar_can_be_unmapped_and_moved),
	TEST(system_calls_reach_registers),
	TEST(registers_work_from_small_stacks),
	TEST(threads_trap_at_once),
	TEST(pages_outlive_munmap),
	TEST(pages_outlive_dontneed_and_free),
	TEST(moved_and_grown_memory_stays_mapped),
	TEST(parents_memory_is_its_own_after_fork),
};

/* /dev/vfio/N of the device. */
static const char *find_group(void)
{
	static char path[64];
	char link[256], target[256];
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", address);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return NULL;
	target[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(target, '/') + 1);
	return path;
}

int main(int argc, char **argv)
{
	unsigned nr = sizeof(tests) / sizeof(tests[0]);
	bool ok, all = true;

	address = argc > 1 ? argv[1] : "0000:01:00.0";
	group_path = find_group();
	if (!group_path) {
		printf("Bail out! no device %s\n", address);
		return 1;
	}
	printf("1..%u\n", nr);
	for (unsigned i = 0; i < nr; i++) {
		ok = tests[i].run();
		all &= ok;
		printf("%sok %u - %s\n", ok ? "" : "not ", i + 1, tests[i].name);
		fflush(stdout);
	}
	return all ? 0 : 1;
}
