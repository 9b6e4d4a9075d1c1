/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A space that follows a region, as a device attached to it sees it.
 */
#include <pthread.h>
#include <ringfence/shadow.h>
#include <sys/mman.h>

#include "../random.h"
#include "fixture.h"
#include "ioas/ioas.h"
#include "memory/owner.h"

#define RAM_PAGES 64u
#define HOLE	  40u /* pages of guest addresses from here to HOLE_END are no memory */
#define HOLE_END  44u

static struct rf_owner *owner;
static struct rf_ioas *ioas;
static struct domain *domain;
static struct rf_shadow *shadow;
static char *ram;
static unsigned located;
static uint64_t fail_again; /* not 0: allocations fail after each locate(), too */

static int locate(void *arg, uint64_t target, struct rf_shadow_memory *memory)
{
	uint64_t page = target / PAGE;

	located++;
	if (fail_again)
		alloc_fail_nth((long)random_below(&fail_again, 4));
	assert_ptr_equal(arg, &ram);
	if (page >= RAM_PAGES)
		return -ENXIO;
	if (page >= HOLE && page < HOLE_END) {
		memory->length = (HOLE_END - page) * PAGE;
		return -EFAULT;
	}
	memory->owner = owner;
	memory->addr = ram + target;
	memory->length = ((page < HOLE ? HOLE : RAM_PAGES) - page) * PAGE;
	return 0;
}

static const struct rf_shadow_ops shadow_ops = { .name = "shadow", .locate = locate };

static int setup(void **state)
{
	owner = owner_new_self();
	ram = mmap(NULL, RAM_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	located = 0;
	if (make_region(state) || ioas_new(&ioas))
		return -1;
	return ioas_get_domain(ioas, iommu_kind_find(NULL), &domain);
}

static int teardown(void **state)
{
	alloc_fail_nth(0);
	rf_shadow_free(shadow);
	shadow = NULL;
	/* nothing is left behind */
	assert_int_equal(ioas_nr_areas(ioas), 0);
	drop_region(state);
	ioas_put_domain(ioas, domain);
	ioas_put(ioas);
	munmap(ram, RAM_PAGES * PAGE);
	owner_free(owner);
	return 0;
}

static void follow(uint64_t first, uint64_t last, uint64_t offset)
{
	assert_int_equal(
		rf_shadow_new(region, first, last, ioas, offset, &shadow_ops, &ram, &shadow), 0);
}

/* The page of the guest's memory that a device finds at page @i, -1: none. */
static int device_sees(uint64_t i)
{
	struct translation t;

	if (domain_translate(domain, i * PAGE, 0, &t))
		return -1;
	return (int)((t.addr - (uintptr_t)ram) / PAGE);
}

static bool device_may(uint64_t i, uint32_t prot)
{
	struct translation t;

	return !domain_translate(domain, i * PAGE, prot, &t);
}

static void what_is_mapped_already_is_shadowed(void **state)
{
	announce(1, 3, 11, RW);
	announce(7, 7, 3, RF_READ);
	follow(0, UINT64_MAX, 0);
	assert_int_equal(device_sees(0), -1);
	assert_int_equal(device_sees(1), 11);
	assert_int_equal(device_sees(3), 13);
	assert_int_equal(device_sees(7), 3);
	assert_true(device_may(1, RW));
	assert_false(device_may(7, RF_WRITE));
	assert_int_equal(ioas_nr_areas(ioas), 2);
}

static void changes_are_followed(void **state)
{
	follow(0, UINT64_MAX, 0);
	assert_int_equal(announce(4, 4, 9, RW), 0);
	assert_int_equal(device_sees(4), 9);
	assert_int_equal(announce(4, 4, 10, RF_READ), 0);
	assert_int_equal(device_sees(4), 10);
	assert_false(device_may(4, RF_WRITE));
	assert_int_equal(announce(4, 4, 0, 0), 0);
	assert_int_equal(device_sees(4), -1);
	/* one page of many, which the space has as one mapping */
	assert_int_equal(announce(0, 7, 16, RW), 0);
	assert_int_equal(announce(3, 3, 0, 0), 0);
	assert_int_equal(announce(5, 5, 1, RW), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(device_sees(i), i == 3 ? -1 : i == 5 ? 1 : (int)(16 + i));
	assert_int_equal(ioas_nr_areas(ioas), 4);
}

static void a_shadow_has_its_range_and_its_offset(void **state)
{
	announce(0, 15, 16, RW);
	follow(4 * PAGE, 6 * PAGE - 1, 0x40000000);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(device_sees(i), -1);
		assert_int_equal(device_sees(0x40000 + i), i == 4 || i == 5 ? (int)(16 + i) : -1);
	}
	announce(5, 9, 0, 0);
	assert_int_equal(device_sees(0x40005), -1);
	assert_int_equal(device_sees(0x40004), 20);
}

static void what_is_no_memory_is_left_out_and_reported(void **state)
{
	int error;

	follow(0, UINT64_MAX, 0);
	announce(0, 11, 1, RW);
	located = 0;
	assert_int_equal(announce(0, 11, HOLE - 4, RW), 1);
	assert_int_equal(rf_listener_failures(rf_shadow_listener(shadow), &error), 1);
	assert_int_equal(error, -EFAULT);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(device_sees(i), i >= 4 && i < 8 ? -1 : (int)(HOLE - 4 + i));
	assert_int_equal(located, 3);
	/* where it is not even said how far: a page at a time */
	assert_int_equal(announce(0, 3, RAM_PAGES, RW), 1);
	assert_int_equal(device_sees(0), -1);
	assert_int_equal(device_sees(3), -1);
	assert_int_equal(device_sees(8), HOLE + 4);
}

static void what_the_space_may_not_map_is_left_out(void **state)
{
	int error;

	/* pages 4 to 7 would lie in the MSI window's beginning */
	follow(0, 8 * PAGE - 1, 0xfee00000 - 4 * PAGE);
	assert_int_equal(announce(0, 7, 8, RW), 1);
	assert_int_equal(rf_listener_failures(rf_shadow_listener(shadow), &error), 1);
	assert_int_equal(error, -EINVAL);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(device_sees(0xfee00 - 4 + i), i < 4 ? (int)(8 + i) : -1);
	assert_int_equal(announce(0, 7, 20, RW), 1);
	assert_int_equal(device_sees(0xfee00 - 1), 23);
	assert_int_equal(announce(0, 7, 0, 0), 0);
	assert_int_equal(device_sees(0xfee00 - 1), -1);
}

static void windows_are_kept_to(void **state)
{
	const struct rf_window want = { .page_size = PAGE, .iova = 0 };
	const struct rf_window high = { .page_size = PAGE, .iova = 8 * PAGE, .prot = RF_READ };

	assert_int_equal(rf_ioas_create_window(ioas, &want, 4 * PAGE, RF_WINDOW_FIXED, NULL), 0);
	assert_int_equal(rf_ioas_create_window(ioas, &high, 4 * PAGE, RF_WINDOW_FIXED, NULL), 0);
	follow(0, UINT64_MAX, 0);
	assert_int_equal(announce(0, 15, 16, RF_READ), 1);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(device_sees(i), i / 4 % 2 ? -1 : (int)(16 + i));
	/* a right that one window lacks */
	assert_int_equal(announce(2, 9, 1, RW), 1);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(device_sees(i), i < 2	? (int)(16 + i) :
						 i < 4	? (int)(i - 1) :
						 i < 10 ? -1 :
							  (int)(16 + i));
	assert_int_equal(announce(0, 15, 0, 0), 0);
	assert_int_equal(ioas_nr_areas(ioas), 0);
}

/* More windows than a few, each a page: what goes over them is mapped in all. */
static void any_number_of_windows_is_kept_to(void **state)
{
	const struct rf_region_ops ops = { .name = "wide" };
	struct rf_region *wide;
	struct rf_mapping now;

	for (uint64_t i = 0; i < 160; i += 2) {
		const struct rf_window want = { .page_size = PAGE, .iova = i * PAGE };

		assert_int_equal(rf_ioas_create_window(ioas, &want, PAGE, RF_WINDOW_FIXED, NULL),
				 0);
	}
	assert_int_equal(rf_region_new(&ops, 160 * PAGE - 1, PAGE, NULL, &wide), 0);
	assert_int_equal(rf_shadow_new(wide, 0, UINT64_MAX, ioas, 0, &shadow_ops, &ram, &shadow),
			 0);
	for (uint64_t target = 16; target <= 24; target += 4) {
		now = pages(120, 135, target, RW);
		assert_int_equal(rf_region_announce(wide, &now), 1);
		for (unsigned i = 0; i < 16; i++)
			assert_int_equal(device_sees(120 + i), i % 2 ? -1 : (int)(target + i));
	}
	now = pages(128, 129, 0, 0);
	assert_int_equal(rf_region_announce(wide, &now), 0);
	assert_int_equal(device_sees(128), -1);
	assert_int_equal(device_sees(130), 34);
	rf_shadow_free(shadow);
	shadow = NULL;
	rf_region_free(wide);
}

/* Granules of four pages, of which the second page of target 0 is no memory. */
static int locate_gap(void *arg, uint64_t target, struct rf_shadow_memory *memory)
{
	uint64_t page = target / PAGE;

	if (page == 1)
		return -EFAULT;
	*memory = (struct rf_shadow_memory){ owner, ram + target,
					     (page ? RAM_PAGES - page : 1) * PAGE };
	return 0;
}

static void what_is_no_memory_ends_with_its_granule(void **state)
{
	const struct rf_shadow_ops gap_ops = { .name = "gap", .locate = locate_gap };
	const struct rf_region_ops ops = { .name = "coarse" };
	struct rf_mapping now = pages(0, 7, 0, RW);
	struct rf_region *coarse;

	assert_int_equal(rf_region_new(&ops, LAST, 4 * PAGE, NULL, &coarse), 0);
	assert_int_equal(rf_shadow_new(coarse, 0, LAST, ioas, 0, &gap_ops, NULL, &shadow), 0);
	assert_int_equal(rf_region_announce(coarse, &now), 1);
	assert_int_equal(device_sees(0), 0);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(device_sees(i), -1);
	for (unsigned i = 4; i < 8; i++)
		assert_int_equal(device_sees(i), (int)i);
	rf_shadow_free(shadow);
	shadow = NULL;
	rf_region_free(coarse);
}

/* A listener that is told before the shadow is, and ends it. */

static void end_shadow(struct rf_listener *listener, const struct rf_notice *notice)
{
	rf_shadow_free(shadow);
	shadow = NULL;
}

static void a_shadow_that_ends_before_it_is_told_leaves_nothing(void **state)
{
	for (unsigned perm = 0; perm <= RF_READ; perm++) {
		struct ear ear = { .then = end_shadow };
		struct rf_listener *listener;

		announce(2, 9, 16, RW);
		listener = listen(&ear, U);
		follow(PAGE * 4, PAGE * 12 - 1, 0);
		assert_int_equal(device_sees(5), 19);
		assert_int_equal(announce(5, 10, 40, perm), 0);
		assert_null(shadow);
		assert_int_equal(ioas_nr_areas(ioas), 0);
		rf_listener_unregister(listener);
		announce(0, 15, 0, 0);
	}
}

static void let_go(void *arg, uint64_t first, uint64_t last)
{
	rf_access_unpin(*(struct rf_access **)arg, 6 * PAGE, PAGE);
}

static void what_an_access_holds_is_unmapped_all_the_same(void **state)
{
	const struct rf_access_ops ops = { .unmap = let_go };
	struct rf_pinned_page page;
	struct rf_access *access;

	follow(0, UINT64_MAX, 0);
	announce(4, 11, 20, RW);
	assert_int_equal(rf_access_new(&ops, &access, &access), 0);
	assert_int_equal(rf_access_attach(access, ioas), 0);
	assert_int_equal(rf_access_pin(access, 6 * PAGE, PAGE, &page, 0), 0);
	/* in the middle of one mapping: it goes, and the rest comes back */
	assert_int_equal(announce(6, 7, 0, 0), 0);
	for (unsigned i = 4; i < 12; i++)
		assert_int_equal(device_sees(i), i == 6 || i == 7 ? -1 : (int)(16 + i));
	announce(6, 6, 3, RW);
	assert_int_equal(rf_access_pin(access, 6 * PAGE, PAGE, &page, 0), 0);
	assert_int_equal(announce(4, 8, 30, RW), 0);
	for (unsigned i = 4; i < 12; i++)
		assert_int_equal(device_sees(i), (i < 9 ? 26 : 16) + i);
	rf_access_free(access);
}

static void a_shadow_that_ends_maps_nothing_again(void **state)
{
	const struct rf_access_ops ops = { .unmap = let_go };
	struct ear ear = { .then = end_shadow };
	struct rf_pinned_page page;
	struct rf_access *access;

	announce(4, 11, 20, RW);
	listen(&ear, U);
	follow(0, UINT64_MAX, 0);
	assert_int_equal(rf_access_new(&ops, &access, &access), 0);
	assert_int_equal(rf_access_attach(access, ioas), 0);
	assert_int_equal(rf_access_pin(access, 6 * PAGE, PAGE, &page, 0), 0);
	located = 0;
	/* its mapping cannot be cut, and around what goes it is true still */
	assert_int_equal(announce(7, 8, 0, 0), 0);
	assert_null(shadow);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	assert_int_equal(located, 0);
	rf_access_free(access);
}

static void refusals_change_nothing(void **state)
{
	const struct rf_shadow_ops no_ops = { .name = "none" };

	announce(1, 1, 1, RW);
	refuse = -ENOTSUP;
	assert_int_equal(rf_shadow_new(region, 0, LAST, ioas, 0, &shadow_ops, &ram, &shadow),
			 -ENOTSUP);
	refuse = 0;
	told = 0;
	assert_int_equal(rf_shadow_new(region, 0, LAST, ioas, 1, &shadow_ops, &ram, &shadow),
			 -EINVAL);
	assert_int_equal(rf_shadow_new(region, 1, LAST, ioas, 0, &shadow_ops, &ram, &shadow),
			 -EINVAL);
	assert_int_equal(rf_shadow_new(region, 0, LAST + 1, ioas, 0, &shadow_ops, &ram, &shadow),
			 -EINVAL);
	assert_int_equal(rf_shadow_new(region, PAGE, PAGE - 1, ioas, 0, &shadow_ops, &ram, &shadow),
			 -EINVAL);
	assert_int_equal(rf_shadow_new(region, 0, LAST, ioas, -PAGE, &shadow_ops, &ram, &shadow),
			 -EINVAL);
	assert_int_equal(rf_shadow_new(region, 0, LAST, ioas, 0, &no_ops, &ram, &shadow), -EINVAL);
	assert_int_equal(told, 0);
	/* what is mapped cannot be: the MSI window */
	assert_int_equal(rf_shadow_new(region, 0, LAST, ioas, 0xfee00000, &shadow_ops, &ram,
				       &shadow),
			 -EINVAL);
	assert_int_equal(rf_region_wanted(region), 0);
	assert_null(shadow);
	assert_int_equal(ioas_nr_areas(ioas), 0);
}

static void every_allocation_for_it_may_fail(void **state)
{
	unsigned failures = 0;

	announce(1, 3, 1, RW);
	announce(5, 5, 9, RF_READ);
	for (long nth = 1;; nth++) {
		bool failed;
		int ret;

		alloc_fail_nth(nth);
		ret = rf_shadow_new(region, 0, LAST, ioas, 0, &shadow_ops, &ram, &shadow);
		failed = alloc_has_failed();
		alloc_fail_nth(0);
		if (!ret)
			break;
		assert_true(failed);
		failures++;
		assert_int_equal(ret, -ENOMEM);
		assert_null(shadow);
		assert_int_equal(rf_region_wanted(region), 0);
		assert_int_equal(ioas_nr_areas(ioas), 0);
	}
	assert_true(failures >= 2);
	assert_int_equal(device_sees(2), 2);
	assert_int_equal(device_sees(5), 9);
}

/* Random changes, and allocations that fail: nothing stale, and a replay heals. */

static void check_pages(const int *truth, bool all)
{
	for (unsigned i = 0; i < 16; i++) {
		int sees = device_sees(i);

		assert_true(sees == truth[i] || (!all && sees == -1));
	}
}

static void nothing_is_stale_whatever_fails(void **state)
{
	uint64_t seed = 5;
	unsigned failures = 0;
	unsigned missing = 0;
	int truth[16];

	for (unsigned i = 0; i < 16; i++)
		truth[i] = -1;
	follow(0, UINT64_MAX, 0);
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t first = random_below(&seed, 16);
		uint64_t last = first + random_below(&seed, 16 - first);
		uint64_t target = random_below(&seed, HOLE - 16);
		bool map = random_below(&seed, 3);
		int ret;

		alloc_fail_nth((long)random_below(&seed, 12));
		fail_again = round % 2 ? seed : 0;
		ret = announce(first, last, target, map ? RW : 0);
		fail_again = 0;
		alloc_fail_nth(0);
		if (ret < 0) {
			failures++;
			assert_int_equal(ret, -ENOMEM);
		} else {
			for (uint64_t i = first; i <= last; i++)
				truth[i] = map ? (int)(target + i - first) : -1;
		}
		if (ret > 0) {
			missing++;
			check_pages(truth, false);
			assert_int_equal(rf_listener_replay(rf_shadow_listener(shadow), 0, LAST),
					 0);
		}
		check_pages(truth, true);
	}
	assert_true(failures > 100);
	assert_true(missing > 10);
}

/* A device reads while pages around it come, go and are replaced. */

static struct gate gate;
static atomic_bool stop;
static atomic_uint holes, laps; /* what the device met, and how often it went round */

static void *device(void *arg)
{
	while (!atomic_load(&stop)) {
		for (unsigned i = 0; i < 4; i++) {
			unsigned token = gate_enter(&gate);
			struct translation t;

			if (domain_translate(domain, (4 + i) * PAGE, RF_READ, &t) ||
			    *(volatile char *)t.addr != (char)('a' + i))
				atomic_fetch_add(&holes, 1);
			gate_leave(&gate, token);
		}
		atomic_fetch_add(&laps, 1);
	}
	return NULL;
}

static void a_replaced_page_has_no_hole(void **state)
{
	uint64_t seed = 3;
	pthread_t thread;

	for (unsigned i = 0; i < 4; i++)
		ram[(4 + i) * PAGE] = ram[(20 + i) * PAGE] = (char)('a' + i);
	follow(0, UINT64_MAX, 0);
	announce(4, 7, 4, RW);
	assert_int_equal(domain_add_gate(domain, &gate), 0);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, device, NULL), 0);
	for (unsigned round = 0; round < 20000 || atomic_load(&laps) < 20000; round++) {
		uint64_t first = 4 + random_below(&seed, 4);
		uint64_t last = first + random_below(&seed, 8 - first);
		uint64_t target = first + 16 * random_below(&seed, 2);

		assert_int_equal(announce(first, last, target, RW), 0);
		assert_int_equal(announce(8, 8 + round % 8, 30, round % 3 ? RW : 0), 0);
		assert_int_equal(announce(round % 4, 3, 30, round % 2 ? RW : 0), 0);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	domain_del_gate(domain, &gate);
	assert_int_equal(atomic_load(&holes), 0);
	assert_int_equal(rf_listener_failures(rf_shadow_listener(shadow), NULL), 0);
}

/* Shadows that come and go while pages do leave nothing behind. */

static void *change(void *arg)
{
	uint64_t seed = 11;

	while (!atomic_load(&stop)) {
		uint64_t first = random_below(&seed, 16);

		announce(first, 15, first, random_below(&seed, 2) ? RW : 0);
		atomic_fetch_add(&laps, 1);
	}
	return NULL;
}

static void a_shadow_may_end_while_others_announce(void **state)
{
	pthread_t thread;

	atomic_store(&stop, false);
	atomic_store(&laps, 0);
	assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
	for (unsigned round = 0; round < 1000 || atomic_load(&laps) < 1000; round++) {
		follow(0, UINT64_MAX, 0);
		if (round % 4 == 0)
			sched_yield();
		rf_shadow_free(shadow);
		assert_int_equal(ioas_nr_areas(ioas), 0);
	}
	shadow = NULL;
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_mapped_already_is_shadowed),
		TEST(changes_are_followed),
		TEST(a_shadow_has_its_range_and_its_offset),
		TEST(what_is_no_memory_is_left_out_and_reported),
		TEST(what_the_space_may_not_map_is_left_out),
		TEST(windows_are_kept_to),
		TEST(any_number_of_windows_is_kept_to),
		TEST(what_is_no_memory_ends_with_its_granule),
		TEST(a_shadow_that_ends_before_it_is_told_leaves_nothing),
		TEST(what_an_access_holds_is_unmapped_all_the_same),
		TEST(a_shadow_that_ends_maps_nothing_again),
		TEST(refusals_change_nothing),
		TEST(every_allocation_for_it_may_fail),
		TEST(nothing_is_stale_whatever_fails),
		TEST(a_replaced_page_has_no_hole),
		TEST(a_shadow_may_end_while_others_announce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
