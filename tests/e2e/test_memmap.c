/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that change a program's memory map while a device may reach it: run
 * below `ringfence run --device edu`, prints TAP. A call that fails changes
 * nothing, one that succeeds takes nothing away from the device. Nothing here
 * knows of Ringfence: the answers are the kernel's.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/shm.h>

#include "../container.h"
#include "edu_bar.h"
#include "tap.h"

#define PAGE  4096ul
#define MIB   (1ul << 20)
#define OTHER 0x900000u

#define RW    (PROT_READ | PROT_WRITE)
#define ANON  (MAP_PRIVATE | MAP_ANONYMOUS)

static const char *address = ADDRESS;
static struct vfio vfio;
static volatile uint8_t *bar;
static uint8_t *aside; /* a page that is always mapped, at OTHER */

static bool dma_map(void *p, size_t len, uint64_t iova)
{
	return vfio_map(vfio.container, p, len, iova);
}

static bool dma_unmap(size_t len, uint64_t iova)
{
	return vfio_unmap(vfio.container, len, iova);
}

static bool driver_open(void)
{
	CHECK(vfio_open(&vfio, address));
	bar = mmap(NULL, BAR_SIZE, RW, MAP_SHARED, vfio.device, 0);
	CHECK(bar != MAP_FAILED);
	CHECK(*bar_reg(bar, ID) == EDU_ID);
	aside = mmap(NULL, PAGE, RW, ANON, -1, 0);
	CHECK(aside != MAP_FAILED && dma_map(aside, PAGE, OTHER));
	return true;
}

static void dma(uint64_t iova, bool to_memory)
{
	bar_dma(bar, iova, to_memory);
}

/* What the device finds at an address; it writes what is put() there. */
static int seen(uint64_t iova)
{
	memset(aside, 0xee, 64);
	dma(OTHER, false);
	dma(iova, false);
	dma(OTHER, true);
	return aside[0];
}

static void put(uint64_t iova, uint8_t value)
{
	memset(aside, value, 64);
	dma(OTHER, false);
	dma(iova, true);
}

static uint8_t *pages(size_t len, int value)
{
	uint8_t *p = mmap(NULL, len, RW, ANON, -1, 0);

	memset(p, value, len);
	return p;
}

/* Calls that fail. */

static bool calls_that_fail_change_nothing(void)
{
	uint8_t *p = pages(4 * PAGE, 0x77);
	int fd = open("/dev/null", O_RDONLY);

	CHECK(dma_map(p, 4 * PAGE, IOVA));
	CHECK(mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, 9999, 0) == MAP_FAILED);
	CHECK(errno == EBADF && p[0] == 0x77);
	CHECK(mmap(p, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED);
	CHECK(errno == ENODEV && p[0] == 0x77);
	CHECK(mmap(p, PAGE, RW, MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
	CHECK(errno == EINVAL && p[0] == 0x77);
	CHECK(mmap(p, PAGE, RW, MAP_PRIVATE | MAP_FIXED, vfio.device, 0) == MAP_FAILED);
	CHECK(errno == EINVAL && p[0] == 0x77);
	CHECK(mmap(p, 2 * BAR_SIZE, RW, MAP_SHARED | MAP_FIXED, vfio.device, 0) == MAP_FAILED);
	CHECK(errno == EINVAL && p[0] == 0x77);
	CHECK(mmap(p, 1ul << 62, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED);
	CHECK(errno == ENOMEM && p[0] == 0x77);
	CHECK(mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
	CHECK(errno == EEXIST && p[0] == 0x77);
	CHECK(munmap(p, 1ul << 62) < 0 && errno == EINVAL && p[0] == 0x77);
	CHECK(munmap(p + 1, PAGE) < 0 && errno == EINVAL && p[0] == 0x77);
	CHECK(munmap(p, 0) < 0 && errno == EINVAL && p[0] == 0x77);
	CHECK(mremap(p, PAGE, PAGE, MREMAP_FIXED, p + PAGE) == MAP_FAILED);
	CHECK(errno == EINVAL && p[PAGE] == 0x77);
	CHECK(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + PAGE) == MAP_FAILED);
	CHECK(errno == EINVAL && p[0] == 0x77 && p[PAGE] == 0x77 && p[2 * PAGE] == 0x77);
	CHECK(mremap(p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p + 2 * PAGE + 1) == MAP_FAILED);
	CHECK(errno == EINVAL && p[2 * PAGE] == 0x77);
	CHECK(mremap(p, 4 * PAGE, PAGE, 64, NULL) == MAP_FAILED);
	CHECK(errno == EINVAL && p[PAGE] == 0x77);
	CHECK(mremap(p, 4 * PAGE, 0, MREMAP_MAYMOVE, NULL) == MAP_FAILED);
	CHECK(errno == EINVAL && p[0] == 0x77);
	CHECK(madvise(p + 1, PAGE, MADV_DONTNEED) < 0 && errno == EINVAL && p[0] == 0x77);
	p[0] = 0x78;
	CHECK(seen(IOVA) == 0x78);
	put(IOVA + PAGE, 0x79);
	CHECK(p[PAGE] == 0x79);
	CHECK(dma_unmap(4 * PAGE, IOVA) && !munmap(p, 4 * PAGE) && !close(fd));
	return true;
}

static bool locked_pages_are_not_discarded(void)
{
	uint8_t *p = pages(3 * PAGE, 0x66);

	CHECK(dma_map(p, 3 * PAGE, IOVA));
	CHECK(!mlock(p + PAGE, PAGE));
	CHECK(madvise(p, 3 * PAGE, MADV_DONTNEED) < 0 && errno == EINVAL);
	CHECK(p[0] == 0 && p[PAGE] == 0x66 && p[2 * PAGE] == 0x66); /* in order, up to the lock */
	CHECK(seen(IOVA) == 0x66);
	put(IOVA + PAGE, 0x67);
	CHECK(p[PAGE] == 0x67);
	CHECK(dma_unmap(3 * PAGE, IOVA) && !munmap(p, 3 * PAGE));
	return true;
}

static bool a_private_mapping_cannot_be_punched(void)
{
	uint8_t *p = pages(PAGE, 0x55);

	CHECK(dma_map(p, PAGE, IOVA));
	CHECK(madvise(p, PAGE, MADV_REMOVE) < 0 && p[0] == 0x55);
	CHECK(dma_unmap(PAGE, IOVA) && !munmap(p, PAGE));
	return true;
}

static bool a_device_is_not_punched(void)
{
	void *page = (void *)bar;

	CHECK(madvise(page, PAGE, MADV_REMOVE) < 0 && errno == ENODEV);
	CHECK(madvise(page, PAGE, MADV_PAGEOUT) < 0 && errno == EINVAL);
	CHECK(madvise(page, PAGE, MADV_DONTNEED) < 0 && errno == EINVAL);
	CHECK(*bar_reg(bar, ID) == EDU_ID);
	return true;
}

/* Calls that succeed. */

static bool what_is_mapped_over_pages_leaves_them_to_the_device(void)
{
	int fd = memfd_create("over", 0);
	uint8_t *p = pages(4 * PAGE, 0x77);

	CHECK(!ftruncate(fd, 2 * PAGE) && pwrite(fd, "x", 1, PAGE) == 1);
	CHECK(dma_map(p, 4 * PAGE, IOVA));
	CHECK(mmap(p, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p && p[0] == 0);
	CHECK(mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, PAGE) == p + PAGE);
	CHECK(p[PAGE] == 'x' && p[2 * PAGE] == 0x77);
	CHECK(mmap(p + 2 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, vfio.device, 0) == p + 2 * PAGE);
	CHECK(*(volatile uint32_t *)(p + 2 * PAGE) == EDU_ID && p[3 * PAGE] == 0x77);
	for (unsigned i = 0; i < 4; i++)
		CHECK(seen(IOVA + i * PAGE) == 0x77);
	put(IOVA + PAGE, 1);
	CHECK(p[PAGE] == 'x' && seen(IOVA + PAGE) == 1);
	CHECK(dma_unmap(4 * PAGE, IOVA));
	CHECK(!munmap(p, 4 * PAGE) && !close(fd));
	return true;
}

static bool an_empty_target_of_mremap_keeps_its_pages(void)
{
	int fd = memfd_create("shared", 0);
	uint8_t *p, *q = pages(PAGE, 0x21);

	CHECK(!ftruncate(fd, PAGE) && pwrite(fd, "y", 1, 0) == 1);
	p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(dma_map(q, PAGE, IOVA));
	CHECK(mremap(p, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	CHECK(q[0] == 'y' && p[0] == 'y');
	CHECK(seen(IOVA) == 0x21);
	put(IOVA, 3);
	CHECK(q[0] == 'y');
	CHECK(dma_unmap(PAGE, IOVA) && !munmap(p, PAGE) && !munmap(q, PAGE) && !close(fd));
	return true;
}

static bool rights_taken_away_stay_with_the_device(void)
{
	static const int rights[] = { PROT_READ, PROT_NONE };
	int fd = memfd_create("shared", 0);
	uint8_t *p, *view, *own = pages(PAGE, 0x11);

	CHECK(!ftruncate(fd, PAGE));
	view = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	for (unsigned i = 0; i < 4; i++) {
		p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
		view[0] = 0;
		CHECK(dma_map(p, PAGE, IOVA));
		if (i < 2)
			CHECK(!mprotect(p, PAGE, rights[i]));
		else
			CHECK(!pkey_mprotect(p, PAGE, rights[i - 2], -1));
		put(IOVA, 0x42);
		CHECK(view[0] == 0x42 && seen(IOVA) == 0x42);
		CHECK(!mprotect(p, PAGE, RW));
		put(IOVA, 0x43);
		CHECK(p[0] == 0x43 && view[0] == 0x43);
		CHECK(!munmap(p, PAGE));
		put(IOVA, 0x44);
		CHECK(view[0] == 0x44);
		CHECK(dma_unmap(PAGE, IOVA));
	}
	CHECK(dma_map(own, PAGE, IOVA) && !mprotect(own, PAGE, PROT_NONE));
	put(IOVA, 0x45);
	CHECK(!mprotect(own, PAGE, RW) && own[0] == 0x45);
	CHECK(dma_unmap(PAGE, IOVA));
	CHECK(!munmap(view, PAGE) && !munmap(own, PAGE) && !close(fd));
	return true;
}

static bool pages_that_could_be_freed_are_still_shared_with_the_device(void)
{
	uint8_t *p = pages(3 * PAGE, 1);

	CHECK(dma_map(p + PAGE, PAGE, IOVA));
	CHECK(!madvise(p, 3 * PAGE, MADV_FREE));
	p[PAGE + 1] = 2;
	put(IOVA, 0x5a);
	CHECK(p[PAGE] == 0x5a);
	CHECK(!mlock(p, 3 * PAGE));
	CHECK(madvise(p, 3 * PAGE, MADV_FREE) < 0 && errno == EINVAL);
	CHECK(dma_unmap(PAGE, IOVA) && !munmap(p, 3 * PAGE));
	return true;
}

static bool a_segment_that_is_detached_stays_with_the_device(void)
{
	int id = shmget(IPC_PRIVATE, 16 * PAGE, 0600 | IPC_CREAT);
	uint8_t *p = shmat(id, NULL, 0), *view = shmat(id, NULL, 0), *q;

	CHECK(p != (void *)-1 && view != (void *)-1);
	CHECK(!shmctl(id, IPC_RMID, NULL));
	CHECK(dma_map(p, 16 * PAGE, IOVA));
	CHECK(shmdt(p + 1) < 0 && errno == EINVAL);
	CHECK(!shmdt(p));
	q = mmap(p, 16 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == p);
	put(IOVA + 15 * PAGE, 0x42);
	CHECK(view[15 * PAGE] == 0x42 && q[15 * PAGE] == 0);
	CHECK(dma_unmap(16 * PAGE, IOVA));
	CHECK(!munmap(q, 16 * PAGE) && !shmdt(view));
	return true;
}

static bool a_segment_over_pages_leaves_them_to_the_device(void)
{
	int id = shmget(IPC_PRIVATE, 2 * PAGE, 0600 | IPC_CREAT);
	uint8_t *p = pages(2 * PAGE, 0x31);

	CHECK(dma_map(p, 2 * PAGE, IOVA));
	CHECK(shmat(-1, p, SHM_REMAP) == (void *)-1 && errno == EINVAL && p[0] == 0x31);
	CHECK(shmat(id, p + 1, SHM_REMAP) == (void *)-1 && errno == EINVAL && p[0] == 0x31);
	CHECK(shmat(id, p, 0) == (void *)-1 && errno == EINVAL && p[0] == 0x31);
	CHECK(shmat(id, p, SHM_REMAP) == p);
	CHECK(!shmctl(id, IPC_RMID, NULL));
	CHECK(p[0] == 0 && seen(IOVA + PAGE) == 0x31);
	put(IOVA, 5);
	CHECK(p[0] == 0);
	CHECK(dma_unmap(2 * PAGE, IOVA) && !shmdt(p));
	return true;
}

/* The heap. */

static bool small_blocks_stay_where_the_device_sees_them(void)
{
	uint8_t *a = malloc(100000), *keep = malloc(64), *page, *b;

	page = (uint8_t *)(((uintptr_t)a + PAGE - 1) & ~(PAGE - 1));
	CHECK(keep && dma_map(page, PAGE, IOVA));
	free(a);
	b = malloc(100000);
	CHECK(b == a); /* no more than a premise */
	page[0] = 0x5a;
	CHECK(seen(IOVA) == 0x5a);
	b = realloc(b, 90000);
	CHECK(b == a && page[0] == 0x5a);
	page[0] = 0x5b;
	CHECK(seen(IOVA) == 0x5b);
	CHECK(dma_unmap(PAGE, IOVA));
	free(b);
	free(keep);
	return true;
}

static bool large_blocks_outlive_free(void)
{
	uint8_t *p = malloc(64 * MIB), *page;

	memset(p, 0x23, 64 * MIB);
	page = (uint8_t *)((uintptr_t)p & ~(PAGE - 1)); /* the first, which libc uses as well */
	CHECK(dma_map(page, 2 * PAGE, IOVA));
	free(p);
	CHECK(seen(IOVA + 64) == 0x23);
	put(IOVA + 64, 0x24);
	CHECK(seen(IOVA + 64) == 0x24 && seen(IOVA + PAGE) == 0x23);
	CHECK(dma_unmap(2 * PAGE, IOVA));
	return true;
}

static bool blocks_that_grow_keep_the_devices_pages(void)
{
	uint8_t *p = malloc(64 * MIB), *page;
	volatile size_t huge = 1ul << 40;

	memset(p, 0x33, 64 * MIB);
	page = (uint8_t *)(((uintptr_t)p + PAGE - 1) & ~(PAGE - 1));
	CHECK(dma_map(page, PAGE, IOVA));
	p = reallocarray(p, 80, MIB);
	CHECK(p && p[0] == 0x33 && p[64 * MIB - 1] == 0x33);
	put(IOVA, 0x34);
	CHECK(seen(IOVA) == 0x34);
	CHECK(dma_unmap(PAGE, IOVA));
	CHECK(!reallocarray(p, huge, huge) && errno == ENOMEM && p[0] == 0x33);
	CHECK(dma_map((uint8_t *)(((uintptr_t)p + PAGE - 1) & ~(PAGE - 1)), PAGE, IOVA));
	CHECK(!realloc(p, 0));
	put(IOVA, 0x35);
	CHECK(seen(IOVA) == 0x35);
	CHECK(dma_unmap(PAGE, IOVA));
	return true;
}

/* BARs. */

/* Whether anything is mapped in a range: asked without the help of libc, which may map. */
static bool is_empty(void *at, size_t len)
{
	unsigned char there;

	for (size_t off = 0; off < len; off += PAGE)
		if (!mincore((uint8_t *)at + off, PAGE, &there))
			return false;
	return true;
}

static bool an_unmapped_bar_leaves_an_empty_hole(void)
{
	void *fill[64], *w = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, vfio.device, 0);
	unsigned nr = 0;

	CHECK(w != MAP_FAILED);
	/* until what is mapped next comes to lie below it */
	do
		fill[nr] = mmap(NULL, PAGE, RW, ANON, -1, 0);
	while (fill[nr] > w && ++nr < 64);
	CHECK(!munmap(w, 16 * PAGE));
	CHECK(is_empty(w, 16 * PAGE));
	CHECK(mmap(w, 16 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == w);
	memset(w, 0xff, 16 * PAGE);
	CHECK(*bar_reg(bar, ID) == EDU_ID);
	CHECK(!munmap(w, 16 * PAGE));
	w = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, vfio.device, 0);
	CHECK(mremap(w, 16 * PAGE, PAGE, 0) == w);
	CHECK(is_empty((uint8_t *)w + PAGE, 15 * PAGE));
	CHECK(*(volatile uint32_t *)w == EDU_ID);
	CHECK(!munmap(w, PAGE));
	return true;
}

static bool what_is_no_longer_a_bar_cannot_be_mapped(void)
{
	uint8_t *w = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, vfio.device, 0);

	CHECK(w != MAP_FAILED);
	CHECK(dma_map(w, 16 * PAGE, IOVA) && dma_unmap(16 * PAGE, IOVA));
	CHECK(!munmap(w + 4 * PAGE, PAGE));
	CHECK(!dma_map(w, 16 * PAGE, IOVA) && errno == EFAULT);
	CHECK(!dma_map(w + 4 * PAGE, PAGE, IOVA) && errno == EFAULT);
	CHECK(dma_map(w, 4 * PAGE, IOVA) && dma_map(w + 5 * PAGE, 11 * PAGE, IOVA + 5 * PAGE));
	CHECK(dma_unmap(4 * PAGE, IOVA) && dma_unmap(11 * PAGE, IOVA + 5 * PAGE));
	CHECK(mmap(w, PAGE, RW, MAP_SHARED | MAP_FIXED, vfio.device, 0) == w);
	CHECK(!munmap(w, 16 * PAGE));
	CHECK(!dma_map(w, PAGE, IOVA) && errno == EFAULT);
	CHECK(!dma_map(w + 8 * PAGE, PAGE, IOVA) && errno == EFAULT);
	return true;
}

static sigjmp_buf jump;
static volatile int fault_signal, fault_code;
static void *volatile fault_at;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	fault_signal = sig;
	fault_code = info->si_code;
	fault_at = info->si_addr;
	siglongjmp(jump, 1);
}

/* The signal that an access is answered with; 0: none. */
static int access_faults(volatile uint32_t *p, bool store)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, segv, bus;

	fault_signal = 0;
	sigaction(SIGSEGV, &act, &segv);
	sigaction(SIGBUS, &act, &bus);
	if (!sigsetjmp(jump, 1)) {
		if (store)
			*p = 0;
		else
			(void)*p;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return fault_signal && fault_at != (void *)p ? -1 : fault_signal;
}

static bool many_pieces_are_protected_at_once(void)
{
	uint8_t *w = mmap(NULL, 64 * PAGE, PROT_NONE, ANON, -1, 0);
	unsigned i;

	for (i = 0; i < 64; i += 2)
		CHECK(mmap(w + i * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, vfio.device, 0) ==
		      w + i * PAGE);
	CHECK(access_faults((uint32_t *)(w + 4), true) == SIGSEGV);
	CHECK(!mprotect(w, 64 * PAGE, RW));
	for (i = 0; i < 64; i += 2) {
		CHECK(!access_faults((uint32_t *)(w + i * PAGE + 4), true));
		CHECK(!access_faults((uint32_t *)(w + i * PAGE + PAGE), true));
	}
	/* up to a hole, which the call fails at */
	CHECK(!munmap(w + 41 * PAGE, PAGE));
	CHECK(mprotect(w, 64 * PAGE, PROT_READ) < 0 && errno == ENOMEM);
	CHECK(access_faults((uint32_t *)(w + 40 * PAGE + 4), true) == SIGSEGV);
	CHECK(!access_faults((uint32_t *)(w + 42 * PAGE + 4), true));
	CHECK(!munmap(w, 64 * PAGE));
	return true;
}

static bool a_bar_is_gone_while_memory_is_disabled(void)
{
	uint32_t value = 0;

	CHECK(vfio_command(vfio.device, 4));
	CHECK(access_faults(bar_reg(bar, ID), false) == SIGBUS && fault_code == BUS_ADRERR);
	CHECK(access_faults(bar_reg(bar, 4), true) == SIGBUS && fault_code == BUS_ADRERR);
	CHECK(pread(vfio.device, &value, 4, 0) < 0 && errno == EIO);
	CHECK(pwrite(vfio.device, &value, 4, 4) < 0 && errno == EIO);
	CHECK(vfio_command(vfio.device, 6));
	CHECK(*bar_reg(bar, ID) == EDU_ID);
	CHECK(!access_faults(bar_reg(bar, 4), true));
	CHECK(!ioctl(vfio.device, VFIO_DEVICE_RESET) || errno == EINVAL);
	CHECK(*bar_reg(bar, ID) == EDU_ID);

	return true;
}

/* A gap that the program leaves is its own: it may map there with MAP_FIXED. */
static bool what_is_unmapped_stays_empty(void)
{
	const unsigned pages = 8192;
	const size_t len = 64u << 10;
	char *many = mmap(NULL, pages * PAGE, RW, ANON | MAP_NORESERVE, -1, 0);
	char *hole;

	CHECK(many != MAP_FAILED);
	hole = mmap(NULL, len, RW, ANON, -1, 0);
	CHECK(hole != MAP_FAILED && !munmap(hole, len));
	for (unsigned i = 0; i < pages; i++)
		CHECK(dma_map(many + i * PAGE, PAGE, 0x10000000 + 2ul * i * PAGE));
	CHECK(mmap(hole, len, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == hole);
	for (unsigned i = 0; i < pages; i++)
		CHECK(dma_unmap(PAGE, 0x10000000 + 2ul * i * PAGE));
	CHECK(!munmap(hole, len) && !munmap(many, pages * PAGE));
	return true;
}

/* Last: nobody has the device open any more, so that a child may. */
static bool who_does_not_expect_it_dies_of_it(void)
{
	pid_t child;
	int status;

	CHECK(!munmap((void *)bar, BAR_SIZE));
	CHECK(vfio_close(&vfio));
	fflush(stdout);
	child = fork();
	if (!child) {
		signal(SIGBUS, SIG_DFL);
		if (driver_open() && vfio_command(vfio.device, 4))
			(void)*bar_reg(bar, ID);
		_exit(1);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	return driver_open();
}

/* Races. */

static atomic_bool racing;
static uint8_t *raced;
static int letters; /* a file of pages that each hold a letter of their own */

/* Has another page in the place all the time; each call is one that takes pages away. */
static void *racer(void *arg)
{
	uint8_t *spare = mmap(NULL, PAGE, PROT_NONE, ANON, -1, 0);

	for (unsigned n = 0; racing; n++) {
		off_t page = (off_t)(n % 8 * PAGE);

		if (n % 3 == 0) {
			mmap(raced, PAGE, RW, MAP_PRIVATE | MAP_FIXED, letters, page);
		} else if (n % 3 == 1) {
			mmap(spare, PAGE, RW, MAP_PRIVATE | MAP_FIXED, letters, page);
			mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, raced);
		} else {
			munmap(raced, PAGE);
			mmap(raced, PAGE, RW, MAP_PRIVATE | MAP_FIXED, letters, page);
		}
	}
	return NULL;
}

/* A mapping is refused, or leads to one page to its end. */
static bool a_page_that_is_mapped_in_a_race_stays(void)
{
	unsigned mapped = 0;
	pthread_t thread;

	letters = memfd_create("letters", MFD_CLOEXEC);
	CHECK(letters >= 0 && !ftruncate(letters, 8 * PAGE));
	for (uint8_t i = 0; i < 8; i++) {
		uint8_t line[64];

		memset(line, 'a' + i, sizeof(line));
		CHECK(pwrite(letters, line, sizeof(line), i * (off_t)PAGE) == sizeof(line));
	}
	raced = pages(PAGE, 0);
	mmap(raced, PAGE, RW, MAP_PRIVATE | MAP_FIXED, letters, 0);
	racing = true;
	CHECK(!pthread_create(&thread, NULL, racer, NULL));
	for (unsigned n = 0; n < 3000; n++) {
		int first;

		if (!dma_map(raced, PAGE, IOVA)) {
			CHECK(errno == EFAULT);
			continue;
		}
		mapped++;
		first = seen(IOVA);
		CHECK(first >= 'a' && first < 'a' + 8);
		for (unsigned i = 0; i < 3; i++)
			CHECK(seen(IOVA) == first);
		CHECK(dma_unmap(PAGE, IOVA));
	}
	racing = false;
	CHECK(!pthread_join(thread, NULL));
	CHECK(mapped > 0);
	CHECK(!munmap(raced, PAGE) && !close(letters));
	return true;
}

static const struct test tests[] = {
	TEST(calls_that_fail_change_nothing),
	TEST(locked_pages_are_not_discarded),
	TEST(a_private_mapping_cannot_be_punched),
	TEST(a_device_is_not_punched),
	TEST(what_is_mapped_over_pages_leaves_them_to_the_device),
	TEST(an_empty_target_of_mremap_keeps_its_pages),
	TEST(rights_taken_away_stay_with_the_device),
	TEST(pages_that_could_be_freed_are_still_shared_with_the_device),
	TEST(a_segment_that_is_detached_stays_with_the_device),
	TEST(a_segment_over_pages_leaves_them_to_the_device),
	TEST(small_blocks_stay_where_the_device_sees_them),
	TEST(large_blocks_outlive_free),
	TEST(blocks_that_grow_keep_the_devices_pages),
	TEST(an_unmapped_bar_leaves_an_empty_hole),
	TEST(what_is_no_longer_a_bar_cannot_be_mapped),
	TEST(many_pieces_are_protected_at_once),
	TEST(a_bar_is_gone_while_memory_is_disabled),
	TEST(what_is_unmapped_stays_empty),
	TEST(who_does_not_expect_it_dies_of_it),
	TEST(a_page_that_is_mapped_in_a_race_stays),
};

int main(int argc, char **argv)
{
	bool all = true;

	if (argc > 1)
		address = argv[1];
	if (!driver_open()) {
		printf("Bail out! no device %s\n", address);
		return 1;
	}
	plan(NR_TESTS(tests));
	for (unsigned i = 0; i < NR_TESTS(tests); i++) {
		if (report(tests[i].run(), i + 1, tests[i].name))
			continue;
		all = false;
		/* what one test left mapped is not the next one's affair */
		vfio_unmap(vfio.container, OTHER - IOVA, IOVA);
	}
	return all ? 0 : 1;
}
