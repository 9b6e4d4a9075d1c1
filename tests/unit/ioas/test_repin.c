/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mapped memory outlives what the program does to it: munmap, MADV_DONTNEED,
 * mremap, mprotect. Devices keep seeing the pages that were mapped, as with the
 * kernel's pins; the steps here are those of the interposed calls.
 */
#include "fixture.h"

#include <unistd.h>

#include "base/stats.h"
#include "memory/pin.h"

/* What a device reads at @iova. */
static int dma_byte(uint64_t iova)
{
	struct translation t;
	unsigned char byte;

	if (domain_translate(domain, iova, RF_READ, &t))
		return -1;
	return owner_dma_read(t.owner, &byte, t.addr, 1) ? -2 : byte;
}

static int dma_store(uint64_t iova, char byte)
{
	struct translation t;
	int ret = domain_translate(domain, iova, RF_WRITE, &t);

	return ret ? ret : owner_dma_write(t.owner, t.addr, &byte, 1);
}

static uint64_t munmap_kept(char *addr, size_t len)
{
	uint64_t kept = pin_keep(owner, (uintptr_t)addr, len, PIN_UNMAP);

	assert_int_equal(munmap(addr, len), 0);
	return kept;
}

static uint64_t discard_kept(char *addr, size_t len)
{
	uint64_t kept = pin_keep(owner, (uintptr_t)addr, len, PIN_DISCARD);

	assert_int_equal(madvise(addr, len, MADV_DONTNEED), 0);
	return kept;
}

static bool present(const void *addr)
{
	unsigned char vec;

	return mincore((void *)addr, PAGE, &vec) == 0;
}

static void pages_outlive_munmap(void **state)
{
	char *p = pages(4);
	uintptr_t hidden;

	take_faults();
	assert_int_equal(map_at(0x10000, p, 4 * PAGE), 0);
	assert_int_equal(munmap_kept(p, 4 * PAGE), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(dma_byte(0x10000 + i * PAGE), 'a' + i);
	assert_int_equal(dma_store(0x11000, 'X'), 0);
	assert_int_equal(dma_byte(0x11000), 'X');
	assert_false(pin_any(owner));
	hidden = lookup(0x10000);
	assert_true(present((void *)hidden));
	assert_int_equal(unmap(0x10000, 4 * PAGE), 4 * PAGE);
	assert_false(present((void *)hidden));
}

static void a_mapping_stays_one_after_parts_of_it_moved(void **state)
{
	struct area_info info;
	uint64_t unmapped;
	char *p = pages(8);

	take_faults();
	assert_int_equal(map_at(0, p, 8 * PAGE), 0);
	assert_int_equal(munmap_kept(p + 5 * PAGE, PAGE), 1);
	assert_int_equal(munmap_kept(p + 2 * PAGE, 2 * PAGE), 2);
	assert_int_equal(munmap_kept(p, PAGE), 1);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(dma_byte(i * PAGE), 'a' + i);
	p[PAGE] = 'B';
	p[4 * PAGE] = 'E';
	assert_int_equal(dma_byte(PAGE), 'B');
	assert_int_equal(dma_byte(4 * PAGE), 'E');

	assert_int_equal(ioas_nr_areas(ioas), 1);
	for (unsigned i = 0; i < 8; i++) {
		assert_true(ioas_find(ioas, i * PAGE, &info));
		assert_true(info.first == 0 && info.last == 8 * PAGE - 1);
		assert_int_equal(info.addr, (uintptr_t)p);
		assert_int_equal(map_blind(i * PAGE, PAGE), -EEXIST);
		if (i)
			assert_int_equal(ioas_unmap_range(ioas, i * PAGE, 20 * PAGE,
							  IOAS_CUT_REFUSE, false, &unmapped),
					 -EINVAL);
	}
	assert_int_equal(ioas_unmap_range(ioas, 0, 5 * PAGE - 1, IOAS_CUT_REFUSE, false, &unmapped),
			 -EINVAL);
	assert_int_equal(ioas_unmap_range(ioas, 2 * PAGE, GIB, IOAS_CUT_BY_FIRST, false, &unmapped),
			 0);
	assert_int_equal(unmapped, 0);
	/* v1: its first address takes all of it, cut or not */
	assert_int_equal(
		ioas_unmap_range(ioas, 0, 2 * PAGE - 1, IOAS_CUT_BY_FIRST, false, &unmapped), 0);
	assert_int_equal(unmapped, 8 * PAGE);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(dma_byte(i * PAGE), -1);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	assert_false(pin_any(owner));
	munmap(p, 8 * PAGE);
}

static void new_memory_at_the_old_place_is_not_touched(void **state)
{
	char *p = pages(2);

	take_faults();
	assert_int_equal(map_at(0, p, 2 * PAGE), 0);
	/* MAP_FIXED over pinned pages */
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 2 * PAGE, PIN_UNMAP), 2);
	assert_true(mmap(p, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	p[0] = 'N';
	assert_int_equal(dma_byte(0), 'a');
	assert_int_equal(dma_store(0, 'D'), 0);
	assert_int_equal(p[0], 'N');
	/* and it may be mapped itself */
	assert_int_equal(map_at(GIB, p, PAGE), 0);
	assert_int_equal(dma_byte(GIB), 'N');
	assert_int_equal(dma_byte(0), 'D');
	munmap_kept(p, 2 * PAGE);
	assert_int_equal(dma_byte(GIB), 'N');
}

static void memory_mapped_at_several_iovas_goes_with_the_last(void **state)
{
	char *p = pages(4);
	uintptr_t hidden;

	take_faults();
	assert_int_equal(map_at(0, p, 4 * PAGE), 0);
	assert_int_equal(map_at(GIB, p + PAGE, 2 * PAGE), 0);
	assert_int_equal(map_at(2 * GIB, p + PAGE, PAGE), 0);
	assert_int_equal(munmap_kept(p, 4 * PAGE), 4);
	assert_int_equal(dma_byte(PAGE), 'b');
	assert_int_equal(dma_byte(GIB), 'b');
	assert_int_equal(dma_byte(GIB + PAGE), 'c');
	assert_int_equal(dma_byte(2 * GIB), 'b');
	assert_int_equal(dma_store(GIB, 'Z'), 0);
	assert_int_equal(dma_byte(PAGE), 'Z');
	hidden = lookup(PAGE);
	assert_int_equal(lookup(2 * GIB), hidden);
	unmap(0, 4 * PAGE);
	unmap(GIB, 2 * PAGE);
	assert_int_equal(dma_byte(2 * GIB), 'Z');
	unmap(2 * GIB, PAGE);
	assert_false(present((void *)hidden));
}

static void mappings_of_two_spaces_both_follow(void **state)
{
	struct domain *first = domain;
	struct rf_ioas *other;
	char *p = pages(2);

	take_faults();
	assert_int_equal(ioas_new(&other), 0);
	assert_int_equal(map_at(0, p, 2 * PAGE), 0);
	assert_int_equal(ioas_map_fixed(other, owner, (uintptr_t)p, GIB, 2 * PAGE, RW, false), 0);
	munmap_kept(p, PAGE);
	assert_int_equal(ioas_get_domain(other, iommu_kind_find(NULL), &domain), 0);
	assert_int_equal(dma_byte(GIB), 'a');
	assert_int_equal(dma_byte(GIB + PAGE), 'b');
	ioas_put_domain(other, domain);
	domain = first;
	rf_ioas_free(other);
	assert_int_equal(dma_byte(0), 'a');
	assert_int_equal(dma_byte(PAGE), 'b');
	munmap(p, 2 * PAGE);
}

static void discarded_pages_are_zero_for_the_program_only(void **state)
{
	char *p = pages(4);

	take_faults();
	assert_int_equal(map_at(0, p, 4 * PAGE), 0);
	assert_int_equal(discard_kept(p + PAGE, 2 * PAGE), 2);
	assert_int_equal(p[PAGE], 0);
	assert_int_equal(dma_byte(PAGE), 'b');
	p[PAGE] = 'n';
	assert_int_equal(dma_byte(PAGE), 'b');
	assert_int_equal(dma_byte(2 * PAGE), 'c');
	assert_int_equal(p[3 * PAGE], 'd');
	p[3 * PAGE] = 'D';
	assert_int_equal(dma_byte(3 * PAGE), 'D');
	/* again: the pages there now are not pinned */
	assert_int_equal(discard_kept(p + PAGE, 2 * PAGE), 0);
	munmap(p, 4 * PAGE);
}

static void shared_memory_stays_the_same_memory(void **state)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);
	char *p;
	char *view;

	take_faults();
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	view = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED && view != MAP_FAILED);
	close(fd);
	p[PAGE] = 's';
	assert_int_equal(map_at(0, p, 4 * PAGE), 0);
	assert_int_equal(discard_kept(p, 4 * PAGE), 0);
	assert_int_equal(p[PAGE], 's');
	assert_int_equal(munmap_kept(p + PAGE, 2 * PAGE), 2);
	assert_int_equal(dma_byte(PAGE), 's');
	view[PAGE] = 'v';
	assert_int_equal(dma_byte(PAGE), 'v');
	assert_int_equal(dma_store(2 * PAGE, 'd'), 0);
	assert_int_equal(view[2 * PAGE], 'd');
	munmap(p, 4 * PAGE);
	munmap(view, 4 * PAGE);
}

static void huge_pages_move_whole(void **state)
{
	size_t len = 4 * MIB;
	char *area = mmap(NULL, 8 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *p = (char *)(((uintptr_t)area + 2 * MIB - 1) & ~(2 * MIB - 1));

	take_faults();
	assert_true(mmap(p, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == p);
	madvise(p, len, MADV_HUGEPAGE); /* refused where there are none */
	for (size_t i = 0; i < len; i += PAGE)
		p[i] = (char)(i >> 12);
	assert_int_equal(map_at(0, p, len), 0);
	assert_int_equal(munmap_kept(p, len), len / PAGE);
	assert_int_equal(lookup(0) & (2 * MIB - 1), (uintptr_t)p & (2 * MIB - 1));
	for (size_t i = 0; i < len; i += PAGE)
		assert_int_equal(dma_byte(i), (i >> 12) & 0xff);
	munmap(area, 8 * MIB);
}

static void several_kinds_of_memory_in_one_mapping(void **state)
{
	char *p = pages(6);
	uint64_t lost = stats()->lost_pages;

	take_faults();
	assert_true(mmap(p + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	p[2 * PAGE] = 'S';
	assert_int_equal(map_at(0, p, 6 * PAGE), 0);
	assert_int_equal(mprotect(p + 4 * PAGE, PAGE, PROT_NONE), 0);
	munmap(p + 3 * PAGE, PAGE); /* unseen, as within free() */
	assert_int_equal(munmap_kept(p, 6 * PAGE), 5);
	assert_int_equal(stats()->lost_pages - lost, 1);
	assert_int_equal(dma_byte(PAGE), 'b');
	assert_int_equal(dma_byte(2 * PAGE), 'S');
	assert_int_equal(dma_byte(3 * PAGE), -2);
	assert_int_equal(dma_byte(4 * PAGE), 'e');
	assert_int_equal(dma_byte(5 * PAGE), 'f');
}

static void mprotect_does_not_stop_the_device(void **state)
{
	char *p = pages(2);

	take_faults();
	assert_int_equal(map_at(0, p, 2 * PAGE), 0);
	assert_int_equal(mprotect(p, PAGE, PROT_NONE), 0);
	assert_int_equal(dma_byte(0), 'a');
	assert_int_equal(dma_store(0, 'w'), 0);
	assert_int_equal(mprotect(p, PAGE, PROT_READ), 0);
	assert_int_equal(p[0], 'w');
	munmap(p, 2 * PAGE);
}

static void a_device_still_writes_to_shared_pages_protected_later(void **state)
{
	uint64_t moved = stats()->pins_moved;
	char *p = pages(3);

	take_faults();
	assert_true(mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	p[PAGE] = 'S';
	assert_int_equal(map_at(0, p, 3 * PAGE), 0);
	assert_int_equal(pin_keep(owner, (uintptr_t)p, 3 * PAGE, PIN_PROTECT), 1);
	assert_int_equal(mprotect(p, 3 * PAGE, PROT_READ), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(dma_byte(i * PAGE), i == 1 ? 'S' : 'a' + i);
		assert_int_equal(dma_store(i * PAGE, 'w'), 0);
		assert_int_equal(p[i * PAGE], 'w');
	}
	assert_int_equal(stats()->pins_moved, moved);
	assert_int_equal(munmap_kept(p, 3 * PAGE), 2);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(dma_byte(i * PAGE), 'w');
}

static void the_programs_mremap_takes_the_device_along(void **state)
{
	char *p = pages(4);
	char *q;

	take_faults();
	assert_int_equal(map_at(0, p, 4 * PAGE), 0);
	q = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pin_remap_begin(owner, (uintptr_t)p + PAGE, 2 * PAGE, NULL, 0);
	assert_int_equal(dma_byte(0), -1);
	assert_true(mremap(p + PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	pin_remap_end(owner, (uintptr_t)p + PAGE, 2 * PAGE, (uintptr_t)q);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(dma_byte(i * PAGE), 'a' + i);
	q[0] = 'Q';
	assert_int_equal(dma_byte(PAGE), 'Q');
	/* still pinned there */
	assert_int_equal(munmap_kept(q, 2 * PAGE), 2);
	assert_int_equal(dma_byte(PAGE), 'Q');
	assert_int_equal(unmap(0, 4 * PAGE), 4 * PAGE);
	munmap(p, 4 * PAGE);
}

static void without_memory_the_device_keeps_the_rest(void **state)
{
	char *p = pages(4);
	bool failed = true;

	take_faults();
	for (long nth = 1; failed; nth++) {
		uint64_t kept;

		assert_int_equal(map_at(0, p, 4 * PAGE), 0);
		alloc_fail_nth(nth);
		kept = pin_keep(owner, (uintptr_t)p + PAGE, PAGE, PIN_DISCARD);
		failed = alloc_has_failed();
		alloc_fail_nth(0);
		assert_int_equal(kept, failed ? 0 : 1);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(dma_byte(i * PAGE), 'a' + i);
		assert_int_equal(unmap(0, 4 * PAGE), 4 * PAGE);
		assert_false(pin_any(owner));
	}
	munmap(p, 4 * PAGE);
}

static void many_small_mappings_of_one_buffer_all_move(void **state)
{
	enum { N = 300 };
	char *p = pages(N);

	take_faults();
	/* scattered, so that each lies among others in the domain */
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(map_at((i * 37 % N) * 3 * PAGE, p + i * PAGE, PAGE), 0);
	assert_int_equal(munmap_kept(p, N * PAGE), N);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(dma_byte((i * 37 % N) * 3 * PAGE), 'a' + i % 26);
	assert_int_equal(unmap(0, GIB), N * PAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_space, drop_space)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_outlive_munmap),
		TEST(a_mapping_stays_one_after_parts_of_it_moved),
		TEST(new_memory_at_the_old_place_is_not_touched),
		TEST(memory_mapped_at_several_iovas_goes_with_the_last),
		TEST(mappings_of_two_spaces_both_follow),
		TEST(discarded_pages_are_zero_for_the_program_only),
		TEST(shared_memory_stays_the_same_memory),
		TEST(huge_pages_move_whole),
		TEST(several_kinds_of_memory_in_one_mapping),
		TEST(mprotect_does_not_stop_the_device),
		TEST(a_device_still_writes_to_shared_pages_protected_later),
		TEST(the_programs_mremap_takes_the_device_along),
		TEST(without_memory_the_device_keeps_the_rest),
		TEST(many_small_mappings_of_one_buffer_all_move),
	};

	return cmocka_run_group_tests_name("repin", tests, NULL, NULL);
}
