/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty bits, alone and against an array of them.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "base/alloc.h"
#include "iommu/domain.h"

#define KIB  1024ull
#define MIB  (KIB * KIB)
#define BASE (16 * MIB)
#define PAGE 2048ull /* of the mock kind */

static struct domain *domain;
static struct segment seg;

/* What a reading reported: runs, as one string of [first-last] in pages from BASE. */
static char report[4096];

static void add_run(void *arg, uint64_t first, uint64_t last)
{
	size_t len = strlen(report);

	assert_int_equal(first % PAGE, 0);
	assert_int_equal((last + 1) % PAGE, 0);
	snprintf(report + len, sizeof(report) - len, "[%llu-%llu]",
		 (unsigned long long)((first - BASE) / PAGE),
		 (unsigned long long)((last - BASE) / PAGE));
}

static const char *read_dirty(uint64_t first, uint64_t last, bool keep)
{
	report[0] = 0;
	assert_int_equal(domain_read_dirty(domain, first, last, keep, add_run, NULL), 0);
	return report;
}

static void make(unsigned flags, uint64_t addr)
{
	assert_int_equal(domain_new(iommu_kind_mock(flags), &domain), 0);
	assert_int_equal(domain_enable_dirty_tracking(domain), 0);
	seg = (struct segment){
		.addr = addr,
		.first = BASE,
		.last = BASE + 64 * MIB - 1,
		.owner = (struct rf_owner *)0x1000,
		.prot = RF_WRITE,
	};
	assert_int_equal(domain_map(domain, &seg), 0);
}

static int make_mock(void **state)
{
	make(0, 1ull << 40);
	assert_int_equal(domain_set_dirty_tracking(domain, true), 0);
	return 0;
}

static int drop(void **state)
{
	alloc_fail_nth(0);
	domain_free(domain);
	return 0;
}

static void tracking_must_be_asked_for_and_turned_on(void **state)
{
	struct domain *plain;

	assert_int_equal(domain_new(iommu_kind_mock(0), &plain), 0);
	assert_int_equal(domain_set_dirty_tracking(plain, true), -EOPNOTSUPP);
	assert_int_equal(domain_read_dirty(plain, BASE, BASE, false, add_run, NULL), -EINVAL);
	domain_mark_dirty(plain, BASE, BASE);
	domain_free(plain);

	assert_true(domain_tracks_dirty(domain));
	domain_mark_dirty(domain, BASE, BASE);
	assert_int_equal(domain_set_dirty_tracking(domain, false), 0);
	assert_false(domain_tracks_dirty(domain));
	domain_mark_dirty(domain, BASE + PAGE, BASE + PAGE);
	assert_int_equal(domain_read_dirty(domain, BASE, BASE, false, add_run, NULL), -EINVAL);
	/* and begins clean */
	assert_int_equal(domain_set_dirty_tracking(domain, true), 0);
	assert_string_equal(read_dirty(0, UINT64_MAX, false), "");
}

static void runs_are_reported_in_order_and_taken(void **state)
{
	domain_mark_dirty(domain, BASE + 5 * PAGE + 7, BASE + 5 * PAGE + 7);
	domain_mark_dirty(domain, BASE + 63 * PAGE, BASE + 64 * PAGE);
	domain_mark_dirty(domain, BASE, BASE + PAGE);
	domain_mark_dirty(domain, BASE + 4095 * PAGE, BASE + 4096 * PAGE);
	assert_string_equal(read_dirty(BASE, BASE + 64 * MIB - 1, true),
			    "[0-1][5-5][63-64][4095-4096]");
	assert_string_equal(read_dirty(BASE + 64 * PAGE, BASE + 4095 * PAGE, false),
			    "[64-64][4095-4095]");
	assert_string_equal(read_dirty(BASE, UINT64_MAX, false), "[0-1][5-5][63-63][4096-4096]");
	assert_string_equal(read_dirty(0, UINT64_MAX, false), "");
}

static void a_run_of_any_length_is_one(void **state)
{
	domain_mark_dirty(domain, BASE + 3 * PAGE, BASE + 20000 * PAGE - 1);
	assert_string_equal(read_dirty(BASE, UINT64_MAX, true), "[3-19999]");
	assert_string_equal(read_dirty(BASE + 10 * PAGE, BASE + 10000 * PAGE - 1, false),
			    "[10-9999]");
	assert_string_equal(read_dirty(BASE, UINT64_MAX, false), "[3-9][10000-19999]");
}

static void what_is_unmapped_is_dirty_no_more(void **state)
{
	struct segment more = seg;

	more.first = seg.last + 1;
	more.last = seg.last + 4 * PAGE;
	assert_int_equal(domain_map(domain, &more), 0);
	domain_mark_dirty(domain, more.first - PAGE, more.last);
	domain_unmap(domain, more.first, more.last);
	domain_sync(domain);
	assert_string_equal(read_dirty(BASE, UINT64_MAX, false), "[32767-32767]");
}

static void the_last_page_of_the_aperture_counts(void **state)
{
	domain_mark_dirty(domain, (2048 * MIB) - 1, UINT64_MAX);
	assert_string_equal(read_dirty(BASE, UINT64_MAX, false), "[1040383-1040383]");
}

static int make_huge(void **state)
{
	make(IOMMU_MOCK_HUGE, 1ull << 40);
	return domain_set_dirty_tracking(domain, true);
}

static int make_huge_off(void **state)
{
	make(IOMMU_MOCK_HUGE, (1ull << 40) + 4096);
	return domain_set_dirty_tracking(domain, true);
}

static void a_large_page_is_dirty_as_a_whole(void **state)
{
	domain_mark_dirty(domain, BASE + 3 * MIB + 5, BASE + 3 * MIB + 5);
	domain_mark_dirty(domain, BASE + 8 * MIB - 1, BASE + 8 * MIB);
	assert_string_equal(read_dirty(BASE, UINT64_MAX, false), "[1536-2047][3584-4607]");
}

static void memory_that_is_not_aligned_has_small_pages(void **state)
{
	domain_mark_dirty(domain, BASE + 3 * MIB + 5, BASE + 3 * MIB + 5);
	assert_string_equal(read_dirty(BASE, UINT64_MAX, false), "[1536-1536]");
}

static void without_memory_everything_is_dirty(void **state)
{
	domain_mark_dirty(domain, BASE, BASE);
	alloc_fail_nth(1);
	domain_mark_dirty(domain, BASE + 32 * MIB, BASE + 32 * MIB);
	assert_true(alloc_has_failed());
	alloc_fail_nth(0);
	assert_string_equal(read_dirty(BASE + 8 * PAGE, BASE + 10 * PAGE - 1, false), "[8-9]");
	assert_string_equal(read_dirty(BASE + 8 * PAGE, BASE + 10 * PAGE - 1, false), "[8-9]");
	assert_int_equal(domain_set_dirty_tracking(domain, true), 0);
	assert_string_equal(read_dirty(BASE, UINT64_MAX, false), "");
}

#define NR (1u << 15)
static bool bits[NR];

struct model_walk {
	uint64_t next;
	uint64_t last;
};

/* Everything before a run is clean, everything in it dirty. */
static void check_run(void *arg, uint64_t first, uint64_t last)
{
	struct model_walk *walk = arg;

	first = (first - BASE) / PAGE;
	last = (last - BASE) / PAGE;
	assert_true(first >= walk->next && last <= walk->last);
	for (; walk->next < first; walk->next++)
		assert_false(bits[walk->next]);
	for (; walk->next <= last; walk->next++)
		assert_true(bits[walk->next]);
}

static void agree_with_an_array_of_bits(void **state)
{
	uint64_t rnd = 3;

	memset(bits, 0, sizeof(bits));
	for (unsigned step = 0; step < 4000; step++) {
		uint64_t first = random_below(&rnd, NR);
		uint64_t nr = 1 + random_below(&rnd, 1ull << random_below(&rnd, 13));
		uint64_t last = first + nr - 1 < NR ? first + nr - 1 : NR - 1;
		struct model_walk walk = { first, last };
		bool keep = random_below(&rnd, 2);

		if (random_below(&rnd, 3)) {
			domain_mark_dirty(domain, BASE + first * PAGE + 100,
					  BASE + last * PAGE + 200);
			memset(&bits[first], 1, last - first + 1);
			continue;
		}
		assert_int_equal(domain_read_dirty(domain, BASE + first * PAGE,
						   BASE + (last + 1) * PAGE - 1, keep, check_run,
						   &walk),
				 0);
		for (; walk.next <= last; walk.next++)
			assert_false(bits[walk.next]);
		if (!keep)
			memset(&bits[first], 0, last - first + 1);
	}
}

static void *marker(void *arg)
{
	uint64_t me = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < 20000; i++)
		domain_mark_dirty(domain, BASE + (i * 4 + me) * PAGE, BASE + (i * 4 + me) * PAGE);
	return NULL;
}

static uint64_t found;

static void count_pages(void *arg, uint64_t first, uint64_t last)
{
	found += (last - first + 1) / PAGE;
}

static void no_mark_is_lost_to_others(void **state)
{
	pthread_t threads[4];

	found = 0;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, marker, (void *)i), 0);
	for (unsigned i = 0; i < 20; i++)
		domain_read_dirty(domain, BASE, UINT64_MAX, false, count_pages, NULL);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	domain_read_dirty(domain, BASE, UINT64_MAX, false, count_pages, NULL);
	/* each page was marked once, so it is found once */
	assert_int_equal(found, 80000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_mock, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tracking_must_be_asked_for_and_turned_on),
		TEST(runs_are_reported_in_order_and_taken),
		TEST(a_run_of_any_length_is_one),
		TEST(what_is_unmapped_is_dirty_no_more),
		TEST(the_last_page_of_the_aperture_counts),
		cmocka_unit_test_setup_teardown(a_large_page_is_dirty_as_a_whole, make_huge, drop),
		cmocka_unit_test_setup_teardown(memory_that_is_not_aligned_has_small_pages,
						make_huge_off, drop),
		TEST(without_memory_everything_is_dirty),
		TEST(agree_with_an_array_of_bits),
		TEST(no_mark_is_lost_to_others),
	};

	return cmocka_run_group_tests_name("dirty", tests, NULL, NULL);
}
