/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program may do with its descriptors, its BAR mappings and its memory
 * while a device is open: run below `ringfence run --device edu`, prints TAP.
 * Nothing here knows of Ringfence: the answers are the kernel's.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <ucontext.h>

#include "../container.h"
#include "edu_bar.h"
#include "messages.h"
#include "tap.h"

#define MIB (1ul << 20)

static const char *address = ADDRESS;
static char group_path[64];

struct driver {
	struct vfio vfio;
	volatile uint8_t *bar;
};

static volatile uint32_t *reg(struct driver *d, unsigned off)
{
	return bar_reg(d->bar, off);
}

static void *bar_map(struct driver *d, void *at, size_t len, int prot, int flags, off_t off)
{
	return mmap(at, len, prot, MAP_SHARED | flags, d->vfio.device,
		    ((off_t)VFIO_PCI_BAR0_REGION_INDEX << 40) + off);
}

static bool driver_open(struct driver *d)
{
	CHECK(vfio_open(&d->vfio, address));
	d->bar = bar_map(d, NULL, BAR_SIZE, PROT_READ | PROT_WRITE, 0, 0);
	CHECK(d->bar != MAP_FAILED);
	CHECK(*reg(d, ID) == EDU_ID);
	return true;
}

static bool driver_close(struct driver *d)
{
	CHECK(!munmap((void *)d->bar, BAR_SIZE));
	CHECK(vfio_close(&d->vfio));
	return true;
}

static bool dma_map(struct driver *d, void *p, size_t len, uint64_t iova)
{
	return vfio_map(d->vfio.container, p, len, iova);
}

static bool dma_unmap(struct driver *d, size_t len, uint64_t iova)
{
	return vfio_unmap(d->vfio.container, len, iova);
}

static void dma(struct driver *d, uint64_t iova, bool to_memory)
{
	bar_dma(d->bar, iova, to_memory);
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
	CHECK(!close(d.vfio.device) && !close(d.vfio.group) && !close(d.vfio.container));
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
	CHECK(d.vfio.container == probe && d.vfio.group == probe + 1 && d.vfio.device == probe + 2);
	fd = dup(0);
	CHECK(fd == probe + 3);
	close(fd);
	CHECK((fcntl(d.vfio.device, F_GETFL) & O_ACCMODE) == O_RDWR);
	CHECK(lseek(d.vfio.device, 0, SEEK_CUR) < 0 && errno == ESPIPE);
	CHECK(fcntl(d.vfio.group, F_GETFD) == FD_CLOEXEC);
	return driver_close(&d);
}

static bool duplicates_are_the_same_device(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct driver d;
	int two, three;

	CHECK(driver_open(&d));
	two = dup(d.vfio.device);
	three = fcntl(d.vfio.device, F_DUPFD_CLOEXEC, 700);
	CHECK(two >= 0 && three >= 700);
	CHECK(!close(d.vfio.device));
	CHECK(!ioctl(two, VFIO_DEVICE_GET_INFO, &info) && info.num_regions == 9);
	CHECK(dup2(two, three) == three);
	CHECK(!close(two));
	CHECK(ioctl(two, VFIO_DEVICE_GET_INFO, &info) < 0 && errno == EBADF);
	CHECK(!ioctl(three, VFIO_DEVICE_GET_INFO, &info));
	d.vfio.device = three;
	CHECK(alive(&d));
	return driver_close(&d);
}

static bool descriptors_travel_through_sockets(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct driver d;
	int pair[2];

	CHECK(driver_open(&d));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	CHECK(send_fds(pair[0], &d.vfio.device, 1));
	CHECK(!close(d.vfio.device));
	CHECK(receive_fds(pair[1], &d.vfio.device, 1));
	CHECK(!ioctl(d.vfio.device, VFIO_DEVICE_GET_INFO, &info) && info.num_regions == 9);
	CHECK(!close(pair[0]) && !close(pair[1]));
	return driver_close(&d);
}

static bool closing_everything_closes_the_device(void)
{
	struct driver d;

	CHECK(driver_open(&d));
	CHECK(!munmap((void *)d.bar, BAR_SIZE));
	closefrom(d.vfio.container);
	CHECK(fcntl(d.vfio.device, F_GETFD) < 0 && errno == EBADF);
	CHECK(driver_open(&d));
	CHECK(!close_range((unsigned)d.vfio.device + 1, ~0u, 0));
	CHECK(alive(&d));
	return driver_close(&d);
}

static bool bad_calls_get_their_errno(void)
{
	struct driver d;
	char buf[4];

	CHECK(driver_open(&d));
	CHECK(read(d.vfio.container, buf, 4) < 0 && errno == EINVAL);
	CHECK(pread(d.vfio.device, buf, 4, -5) < 0 && errno == EINVAL);
	CHECK(ioctl(d.vfio.device, 0x1234, 0) < 0 && errno == ENOTTY);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, d.vfio.container, 0) == MAP_FAILED);
	CHECK(open("/dev/vfio/4711", O_RDWR) < 0 && errno == ENOENT);
	CHECK(bar_map(&d, NULL, 2 * BAR_SIZE, PROT_READ, 0, 0) == MAP_FAILED && errno == EINVAL);
	return driver_close(&d);
}

/* Processes. */

static bool child_drives_the_device(struct driver *d)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	CHECK(!ioctl(d->vfio.device, VFIO_DEVICE_GET_INFO, &info) && info.num_regions == 9);
	CHECK(*reg(d, ID) == EDU_ID);
	CHECK(*reg(d, LIVENESS) == ~0x77u);
	*reg(d, LIVENESS) = 5;
	CHECK(open(group_path, O_RDWR) < 0 && errno == EBUSY);
	CHECK(!close(d->vfio.device) && !close(d->vfio.group) && !close(d->vfio.container));
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
		close(d.vfio.device);
		dup2(0, d.vfio.group);
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
	CHECK(!close(d.vfio.device) && !close(d.vfio.group) && !close(d.vfio.container));
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

static const struct test tests[] = {
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

int main(int argc, char **argv)
{
	if (argc > 1)
		address = argv[1];
	if (!vfio_group_path(address, group_path, sizeof(group_path))) {
		printf("Bail out! no device %s\n", address);
		return 1;
	}
	return run_tests(tests, NR_TESTS(tests), NULL);
}
