/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device-side cache: never an answer that no longer holds.
 */
#include <pthread.h>
#include <ringfence/devtlb.h>
#include <sched.h>
#include <stdatomic.h>

#include "../random.h"
#include "fixture.h"

#define ENTRIES 4u

static struct rf_devtlb *tlb;
static uint64_t used_target, used_length;

static int setup(void **state)
{
	if (make_region(state))
		return -1;
	return rf_devtlb_new(region, ENTRIES, &tlb);
}

static int teardown(void **state)
{
	rf_devtlb_free(tlb);
	return drop_region(state);
}

static int use(void *arg, uint64_t target, uint64_t length)
{
	used_target = target;
	used_length = length;
	return 42;
}

static int access_page(uint64_t page, uint32_t perm)
{
	return rf_devtlb_access(tlb, page * PAGE, perm, use, NULL);
}

static void assert_counts(uint64_t hits, uint64_t misses, uint64_t dropped)
{
	struct rf_devtlb_counts counts;

	rf_devtlb_count(tlb, &counts);
	assert_int_equal(counts.hits, hits);
	assert_int_equal(counts.misses, misses);
	assert_int_equal(counts.dropped, dropped);
}

static void only_unmap_is_wanted(void **state)
{
	assert_int_equal(rf_region_wanted(region), U);
	assert_int_equal(told, 1);
	rf_devtlb_free(tlb);
	tlb = NULL;
	assert_int_equal(told_wanted, 0);
}

static void a_page_is_asked_for_once(void **state)
{
	announce(2, 3, 0x12, RF_READ);
	assert_int_equal(access_page(2, RF_READ), 42);
	assert_int_equal(used_target, 0x12 * PAGE);
	assert_int_equal(used_length, PAGE);
	assert_counts(1, 1, 0);
	assert_int_equal(rf_devtlb_access(tlb, 2 * PAGE + 100, RF_READ, use, NULL), 42);
	assert_int_equal(used_target, 0x12 * PAGE + 100);
	assert_int_equal(used_length, PAGE - 100);
	assert_counts(2, 1, 0);
	assert_int_equal(access_page(2, RF_WRITE), -EFAULT);
	assert_int_equal(access_page(4, RF_READ), -EFAULT);
	assert_int_equal(access_page(16, RF_READ), -EFAULT);
	assert_counts(2, 4, 0);
}

static void what_no_longer_holds_is_dropped(void **state)
{
	announce(0, 7, 0x10, RW);
	for (unsigned i = 0; i < ENTRIES; i++)
		access_page(i, RW);
	assert_counts(ENTRIES, ENTRIES, 0);
	/* a replacement of another page drops nothing, one of this page does */
	announce(6, 6, 0x30, RW);
	assert_counts(ENTRIES, ENTRIES, 0);
	announce(2, 2, 0x40, RW);
	assert_counts(ENTRIES, ENTRIES, 1);
	assert_int_equal(access_page(2, RW), 42);
	assert_int_equal(used_target, 0x40 * PAGE);
	/* more pages than there are entries */
	announce(0, 15, 0, 0);
	assert_counts(ENTRIES + 1, ENTRIES + 1, 1 + ENTRIES);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(access_page(i, RF_READ), -EFAULT);
}

static void pages_share_entries(void **state)
{
	announce(0, 15, 0x10, RW);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(access_page(i, RW), 42);
		assert_int_equal(used_target, (0x10 + i) * PAGE);
	}
	assert_counts(16, 16, 0);
	/* the entry of page 15, not of 11, is there */
	announce(11, 11, 0, 0);
	assert_counts(16, 16, 0);
	announce(15, 15, 0, 0);
	assert_counts(16, 16, 1);
}

static void bad_arguments_are_refused(void **state)
{
	const struct rf_region_ops ops = { .name = "bytes" };
	struct rf_region *bytes;
	struct rf_devtlb *none = NULL;

	assert_int_equal(rf_devtlb_new(region, 0, &none), -EINVAL);
	assert_int_equal(rf_devtlb_new(region, 3, &none), -EINVAL);
	assert_int_equal(rf_devtlb_new(region, 1u << 17, &none), -EINVAL);
	assert_int_equal(rf_region_new(&ops, UINT64_MAX, 2, NULL, &bytes), 0);
	assert_int_equal(rf_devtlb_new(bytes, 4, &none), -EINVAL);
	rf_region_free(bytes);
	assert_null(none);
	assert_int_equal(access_page(0, 0), -EINVAL);
	assert_int_equal(access_page(0, RW << 1), -EINVAL);
	alloc_fail_nth(1);
	assert_int_equal(rf_devtlb_new(region, 4, &none), -ENOMEM);
	alloc_fail_nth(2);
	assert_int_equal(rf_devtlb_new(region, 4, &none), -ENOMEM);
	alloc_fail_nth(0);
	rf_devtlb_free(NULL);
}

/*
 * Devices access while pages are replaced: each target page may be used exactly
 * while it is announced.
 */
#define NR_TARGETS 8u

static atomic_bool live[NR_TARGETS];
static atomic_uint page_of[NR_TARGETS]; /* of one that is live */
static atomic_bool stop;
static atomic_uint stale, uses;

static int use_live(void *arg, uint64_t target, uint64_t length)
{
	unsigned nr = atomic_fetch_add(&uses, 1);
	bool was_live = atomic_load(&live[target / PAGE]) &&
			atomic_load(&page_of[target / PAGE]) == *(unsigned *)arg;

	/* until the end */
	if (nr % 16 == 0)
		sched_yield();
	if (!was_live || !atomic_load(&live[target / PAGE]))
		atomic_fetch_add(&stale, 1);
	return 0;
}

static void *device(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (!atomic_load(&stop)) {
		unsigned page = (unsigned)random_below(&seed, 6);
		int ret = rf_devtlb_access(tlb, page * PAGE, RF_READ, use_live, &page);

		if (ret && ret != -EFAULT)
			atomic_fetch_add(&stale, 1);
	}
	return NULL;
}

static void nothing_is_used_once_it_is_gone(void **state)
{
	pthread_t threads[2];
	uint64_t seed = 9;
	int at[6] = { -1, -1, -1, -1, -1, -1 };

	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, device, (void *)(i + 1)), 0);
	for (unsigned round = 0; round < 20000 || atomic_load(&uses) < 20000; round++) {
		uint64_t page = random_below(&seed, 6);
		uint64_t target = random_below(&seed, NR_TARGETS);

		if (atomic_load(&live[target])) {
			assert_int_equal(announce(page, page, 0, 0), 0);
			target = NR_TARGETS;
		} else {
			atomic_store(&page_of[target], (unsigned)page);
			atomic_store(&live[target], true);
			assert_int_equal(announce(page, page, target, RF_READ), 0);
		}
		/* nobody is in there any more */
		if (at[page] >= 0)
			atomic_store(&live[at[page]], false);
		at[page] = target < NR_TARGETS ? (int)target : -1;
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&stale), 0);
}

/*
 * Two devices quarrel over one entry; what is mapped never changes. The moment that
 * matters is short.
 */
#ifdef __SANITIZE_THREAD__
#define QUARRELS 200000u
#else
#define QUARRELS 3000000u
#endif

static int use_own(void *arg, uint64_t target, uint64_t length)
{
	atomic_fetch_add(&uses, 1);
	if (target / PAGE != 0x10 + *(unsigned *)arg)
		atomic_fetch_add(&stale, 1);
	return 0;
}

static void *quarrel(void *arg)
{
	unsigned page = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < QUARRELS; i++) {
		page ^= 4;
		if (rf_devtlb_access(tlb, page * PAGE, RF_READ, use_own, &page))
			atomic_fetch_add(&stale, 1);
	}
	return NULL;
}

static void an_entry_is_never_half_of_another(void **state)
{
	pthread_t threads[2];

	announce(0, 15, 0x10, RW);
	atomic_store(&stale, 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, quarrel, (void *)(4 * i)), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&stale), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(only_unmap_is_wanted),
		TEST(a_page_is_asked_for_once),
		TEST(what_no_longer_holds_is_dropped),
		TEST(pages_share_entries),
		TEST(bad_arguments_are_refused),
		TEST(nothing_is_used_once_it_is_gone),
		TEST(an_entry_is_never_half_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
