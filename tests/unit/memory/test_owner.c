/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owners: what can be copied, what DMA can still reach, and what may be mapped.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "../faults.h"
#include "base/alloc.h"
#include "memory/owner.h"
#include "memory/vma.h"

#define PAGE 4096ul

static struct rf_owner *owner;

static int make_owner(void **state)
{
	owner = owner_new_self();
	return owner ? 0 : -1;
}

static int drop_owner(void **state)
{
	owner_free(owner);
	return 0;
}

static char *pages(size_t nr, int prot)
{
	char *p = mmap(NULL, nr * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void copies_both_ways_and_faults_with_an_errno(void **state)
{
	char *p = pages(2, PROT_READ | PROT_WRITE);
	char buf[16] = "";

	take_faults();
	assert_int_equal(owner_write(owner, (uintptr_t)p + PAGE - 3, "abcdef", 6), 0);
	assert_int_equal(owner_read(owner, buf, (uintptr_t)p + PAGE - 3, 6), 0);
	assert_string_equal(buf, "abcdef");

	assert_int_equal(mprotect(p + PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(owner_write(owner, (uintptr_t)p + PAGE - 3, "uvwxyz", 6), -EFAULT);
	assert_int_equal(owner_read(owner, buf, (uintptr_t)p + PAGE, 3), 0);
	assert_int_equal(mprotect(p + PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(owner_read(owner, buf, (uintptr_t)p + PAGE, 3), -EFAULT);
	assert_int_equal(owner_read(owner, buf, 8, 1), -EFAULT);
	assert_int_equal(owner_read(owner, buf, 0xdead000000000000, 1), -EFAULT);
	munmap(p, 2 * PAGE);
}

static void dma_reaches_pages_that_the_program_protected(void **state)
{
	char *p = pages(3, PROT_READ | PROT_WRITE);
	char buf[8] = "";

	take_faults();
	strcpy(p + PAGE - 2, "four");
	assert_int_equal(mprotect(p + PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(owner_dma_read(owner, buf, (uintptr_t)p + PAGE - 2, 5), 0);
	assert_string_equal(buf, "four");
	assert_int_equal(owner_dma_write(owner, (uintptr_t)p + 2 * PAGE - 2, "five", 4), 0);
	assert_int_equal(mprotect(p + PAGE, PAGE, PROT_READ), 0);
	assert_memory_equal(p + 2 * PAGE - 2, "five", 4);

	munmap(p + PAGE, PAGE);
	assert_int_equal(owner_dma_read(owner, buf, (uintptr_t)p + PAGE - 2, 5), -EFAULT);
	assert_int_equal(owner_dma_write(owner, (uintptr_t)p + PAGE, "x", 1), -EFAULT);
	munmap(p, 3 * PAGE);
}

/* A few pages are touched, many are looked up: the answers must agree. */
static void probe(size_t nr)
{
	char *p = pages(nr + 2, PROT_READ | PROT_WRITE);
	uintptr_t addr = (uintptr_t)p + PAGE;
	uint64_t len = nr * PAGE;

	munmap(p, PAGE);
	munmap(p + PAGE + len, PAGE);
	assert_int_equal(owner_probe(owner, addr, len, RF_READ), 0);
	assert_int_equal(owner_probe(owner, addr, len, RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr - PAGE, len, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, addr, len + PAGE, RF_READ), -EFAULT);

	assert_int_equal(mprotect(p + PAGE + len - PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(owner_probe(owner, addr, len, RF_READ), 0);
	assert_int_equal(owner_probe(owner, addr, len, RF_WRITE), -EFAULT);
	assert_int_equal(owner_probe(owner, addr, len, RF_READ | RF_WRITE), -EFAULT);
	assert_int_equal(mprotect(p + PAGE + len - PAGE, PAGE, PROT_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr, len, RF_READ | RF_WRITE), 0);
	assert_int_equal(mprotect(p + PAGE + len / 2 / PAGE * PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(owner_probe(owner, addr, len, RF_READ), -EFAULT);
	munmap(p + PAGE, len);
}

static void probe_of_a_few_pages(void **state)
{
	take_faults();
	probe(3);
	probe(16);
}

static void probe_of_many_pages(void **state)
{
	take_faults();
	probe(17);
	probe(5000);
}

static void probe_without_a_descriptor_to_spare(void **state)
{
	struct rlimit saved;
	struct rlimit none;

	take_faults();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	none = saved;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	probe(100);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
}

static void probe_leaves_the_bytes_alone(void **state)
{
	char *p = pages(3, PROT_READ | PROT_WRITE);

	memset(p, 0xa5, 3 * PAGE);
	take_faults();
	assert_int_equal(owner_probe(owner, (uintptr_t)p, 3 * PAGE, RF_WRITE), 0);
	for (size_t i = 0; i < 3 * PAGE; i++)
		assert_int_equal((unsigned char)p[i], 0xa5);
	munmap(p, 3 * PAGE);
}

static void probe_refuses_what_is_not_the_programs(void **state)
{
	take_faults();
	assert_int_equal(owner_probe(owner, 0, PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, -PAGE, PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, -PAGE, 2 * PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, 0xffffffffff600000, PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, 0x0010000000000000, PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, 0x0010000000000000, 100 * PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, 0, 1ull << 62, RF_READ), -EFAULT);
}

static void probe_refuses_a_mapping_beyond_the_end_of_its_file(void **state)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	char *p;

	take_faults();
	assert_int_equal(ftruncate(fd, 30 * PAGE), 0);
	p = mmap(NULL, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	assert_int_equal(owner_probe(owner, (uintptr_t)p, 30 * PAGE, RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, (uintptr_t)p, 40 * PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, (uintptr_t)p + 28 * PAGE, 4 * PAGE, RF_READ), -EFAULT);
	munmap(p, 40 * PAGE);
	close(fd);
}

static void device_ranges_pass_though_inaccessible(void **state)
{
	char *p = pages(40, PROT_READ | PROT_WRITE);
	uintptr_t addr = (uintptr_t)p;

	take_faults();
	assert_int_equal(mprotect(p + 10 * PAGE, 4 * PAGE, PROT_NONE), 0);
	assert_int_equal(mprotect(p + 20 * PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(owner_probe(owner, addr, 40 * PAGE, RF_WRITE), -EFAULT);
	assert_int_equal(owner_add_device_range(owner, addr + 20 * PAGE, PAGE, RF_READ | RF_WRITE),
			 0);
	assert_int_equal(
		owner_add_device_range(owner, addr + 10 * PAGE, 4 * PAGE, RF_READ | RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr + 11 * PAGE, PAGE, RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr, 40 * PAGE, RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr + 8 * PAGE, 5 * PAGE, RF_WRITE), 0);
	assert_true(owner_touches_device(owner, addr, 11 * PAGE));
	assert_true(owner_touches_device(owner, addr + 13 * PAGE, 1));
	assert_true(owner_touches_device(owner, addr, 30 * PAGE));
	assert_false(owner_touches_device(owner, addr, 10 * PAGE));
	assert_false(owner_touches_device(owner, addr + 14 * PAGE, 6 * PAGE));
	owner_del_device_range(owner, addr + 10 * PAGE, 4 * PAGE);
	assert_int_equal(owner_probe(owner, addr + 11 * PAGE, PAGE, RF_WRITE), -EFAULT);
	assert_int_equal(owner_probe(owner, addr + 20 * PAGE, PAGE, RF_WRITE), 0);
	owner_del_device_range(owner, addr + 20 * PAGE, PAGE);
	assert_int_equal(owner_probe(owner, addr + 20 * PAGE, PAGE, RF_WRITE), -EFAULT);
	munmap(p, 40 * PAGE);
}

static void part_of_a_device_range_can_be_removed(void **state)
{
	char *p = pages(16, PROT_NONE);
	uintptr_t addr = (uintptr_t)p;

	take_faults();
	assert_int_equal(owner_add_device_range(owner, addr, 16 * PAGE, RF_READ | RF_WRITE), 0);
	owner_del_device_range(owner, addr + 4 * PAGE, PAGE);
	assert_int_equal(owner_probe(owner, addr, 4 * PAGE, RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr + 4 * PAGE, PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, addr + 5 * PAGE, 11 * PAGE, RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr, 16 * PAGE, RF_WRITE), -EFAULT);
	/* again over itself: one range all the same */
	assert_int_equal(owner_add_device_range(owner, addr, 6 * PAGE, RF_READ | RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr, 16 * PAGE, RF_WRITE), 0);
	owner_del_device_range(owner, addr - PAGE, 9 * PAGE);
	assert_int_equal(owner_probe(owner, addr, PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, addr + 8 * PAGE, 8 * PAGE, RF_READ), 0);
	owner_del_device_range(owner, 0, -1ull);
	assert_int_equal(owner_probe(owner, addr + 8 * PAGE, 8 * PAGE, RF_READ), -EFAULT);
	munmap(p, 16 * PAGE);
}

static void device_ranges_have_the_rights_that_were_said(void **state)
{
	char *p = pages(8, PROT_READ | PROT_WRITE);
	uintptr_t addr = (uintptr_t)p;

	take_faults();
	assert_int_equal(owner_add_device_range(owner, addr, 6 * PAGE, RF_READ), 0);
	assert_int_equal(owner_probe(owner, addr, PAGE, RF_READ), 0);
	assert_int_equal(owner_probe(owner, addr, PAGE, RF_WRITE), -EFAULT);
	assert_int_equal(owner_probe(owner, addr, PAGE, RF_READ | RF_WRITE), -EFAULT);
	assert_int_equal(owner_add_device_range(owner, addr + 2 * PAGE, PAGE, RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr + 2 * PAGE, PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_probe(owner, addr + 2 * PAGE, PAGE, RF_READ | RF_WRITE), 0);
	/* what is left on both sides keeps what it had */
	assert_int_equal(owner_add_device_range(owner, addr + 2 * PAGE, PAGE, 0), 0);
	assert_int_equal(owner_probe(owner, addr, 2 * PAGE, RF_READ), 0);
	assert_int_equal(owner_probe(owner, addr + 3 * PAGE, 5 * PAGE, RF_READ), 0);
	assert_int_equal(owner_probe(owner, addr + 3 * PAGE, 4 * PAGE, RF_WRITE), -EFAULT);
	assert_int_equal(owner_probe(owner, addr + 6 * PAGE, 2 * PAGE, RF_WRITE), 0);
	assert_int_equal(owner_probe(owner, addr, 3 * PAGE, RF_READ), -EFAULT);
	owner_del_device_range(owner, addr, 8 * PAGE);
	munmap(p, 8 * PAGE);
}

static void too_many_device_ranges_are_refused(void **state)
{
	uint64_t nr = 0;

	while (!owner_add_device_range(owner, (nr + 1) << 32, PAGE, RF_READ | RF_WRITE))
		nr++;
	assert_int_equal(owner_add_device_range(owner, 1, PAGE, RF_READ | RF_WRITE), -ENOSPC);
	assert_true(nr >= 200);
	while (nr--)
		owner_del_device_range(owner, (nr + 1) << 32, PAGE);
	assert_int_equal(owner_add_device_range(owner, PAGE, PAGE, RF_READ | RF_WRITE), 0);
	owner_del_device_range(owner, PAGE, PAGE);
}

/* Both ways of asking the kernel must see the same mappings. */
static void the_map_reads_the_same_by_ioctl_and_by_text(void **state)
{
	char *p = pages(9, PROT_READ);
	struct vma_walk walks[2];
	struct vma vmas[2];
	uintptr_t addr = (uintptr_t)p;
	unsigned nr = 0;

	assert_int_equal(mprotect(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	munmap(p + 5 * PAGE, PAGE);
	assert_true(mmap(p + 7 * PAGE, PAGE, PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) != MAP_FAILED);
	assert_int_equal(vma_walk_begin(&walks[0]), 0);
	assert_int_equal(vma_walk_begin(&walks[1]), 0);
	walks[1].reads = true;
	while (addr < (uintptr_t)p + 9 * PAGE) {
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(vma_walk_find(&walks[i], addr, &vmas[i]), 0);
		assert_int_equal(vmas[0].first, vmas[1].first);
		assert_int_equal(vmas[0].last, vmas[1].last);
		assert_int_equal(vmas[0].readable, vmas[1].readable);
		assert_int_equal(vmas[0].writable, vmas[1].writable);
		assert_int_equal(vmas[0].shared, vmas[1].shared);
		assert_int_equal(vmas[0].offset, vmas[1].offset);
		assert_int_equal(vmas[0].inode, vmas[1].inode);
		assert_int_equal(vmas[0].device, vmas[1].device);
		if (vmas[0].first == (uintptr_t)p + 7 * PAGE) {
			assert_true(vmas[0].shared && vmas[0].writable && !vmas[0].readable);
			nr++;
		}
		if (vmas[0].first == (uintptr_t)p + 2 * PAGE) {
			assert_true(vmas[0].last == (uintptr_t)p + 3 * PAGE - 1);
			assert_true(!vmas[0].shared && vmas[0].writable && vmas[0].readable);
			nr++;
		}
		addr = vmas[0].last + 1;
	}
	assert_int_equal(nr, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vma_walk_find(&walks[i], UINTPTR_MAX, &vmas[i]), -ENOENT);
		vma_walk_end(&walks[i]);
	}
	munmap(p, 9 * PAGE);
}

struct seen {
	struct vma vmas[3];
	unsigned nr;
	unsigned most;
};

static bool see_vma(const struct vma *vma, void *arg)
{
	struct seen *seen = arg;

	seen->vmas[seen->nr++] = *vma;
	return seen->nr < seen->most;
}

static void mappings_are_told_from_an_address_on(void **state)
{
	int fd = memfd_create("visited", MFD_CLOEXEC);
	char *p = mmap(NULL, 5 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct seen seen = { .most = 3 };

	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_true(mmap(p + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 2 * PAGE) ==
		    p + PAGE);
	assert_true(mmap(p + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 0) == p + 3 * PAGE);
	assert_false(owner_each_vma(owner, (uintptr_t)p + PAGE + 1, see_vma, &seen));
	assert_int_equal(seen.nr, 3);
	assert_int_equal(seen.vmas[0].first, (uintptr_t)p + PAGE);
	assert_int_equal(seen.vmas[0].offset, 2 * PAGE);
	assert_int_equal(seen.vmas[1].first, (uintptr_t)p + 2 * PAGE);
	assert_false(seen.vmas[1].shared);
	assert_int_equal(seen.vmas[2].offset, 0);
	assert_int_equal(seen.vmas[0].inode, seen.vmas[2].inode);
	assert_int_equal(seen.vmas[0].device, seen.vmas[2].device);
	assert_int_not_equal(seen.vmas[0].inode, seen.vmas[1].inode);
	assert_true(owner_each_vma(owner, UINTPTR_MAX - PAGE, see_vma, &seen));
	munmap(p, 5 * PAGE);
	close(fd);
}

static bool see_owner(struct rf_owner *other, void *arg)
{
	struct rf_owner **wanted = arg;

	return other != *wanted;
}

static void every_owner_is_told_until_it_goes(void **state)
{
	struct rf_owner *a = owner_new_self();
	struct rf_owner *b = owner_new_self();

	assert_false(owner_each(see_owner, &a));
	assert_false(owner_each(see_owner, &b));
	assert_false(owner_each(see_owner, &owner));
	owner_free(a);
	assert_true(owner_each(see_owner, &a));
	assert_false(owner_each(see_owner, &b));
	owner_free(b);
	assert_true(owner_each(see_owner, &b));
	assert_false(owner_each(see_owner, &owner));
}

static void no_memory_no_owner(void **state)
{
	for (long nth = 1; nth <= 2; nth++) {
		alloc_fail_nth(nth);
		assert_null(owner_new_self());
		assert_true(alloc_has_failed());
	}
	alloc_fail_nth(0);
	owner_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_both_ways_and_faults_with_an_errno),
		cmocka_unit_test(dma_reaches_pages_that_the_program_protected),
		cmocka_unit_test(probe_of_a_few_pages),
		cmocka_unit_test(probe_of_many_pages),
		cmocka_unit_test(probe_without_a_descriptor_to_spare),
		cmocka_unit_test(probe_leaves_the_bytes_alone),
		cmocka_unit_test(probe_refuses_what_is_not_the_programs),
		cmocka_unit_test(probe_refuses_a_mapping_beyond_the_end_of_its_file),
		cmocka_unit_test(device_ranges_pass_though_inaccessible),
		cmocka_unit_test(part_of_a_device_range_can_be_removed),
		cmocka_unit_test(device_ranges_have_the_rights_that_were_said),
		cmocka_unit_test(too_many_device_ranges_are_refused),
		cmocka_unit_test(the_map_reads_the_same_by_ioctl_and_by_text),
		cmocka_unit_test(mappings_are_told_from_an_address_on),
		cmocka_unit_test(every_owner_is_told_until_it_goes),
		cmocka_unit_test(no_memory_no_owner),
	};

	return cmocka_run_group_tests_name("owner", tests, make_owner, drop_owner);
}
