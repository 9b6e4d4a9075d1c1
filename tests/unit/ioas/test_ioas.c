/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mapping and unmapping: the rules of type1 v1 and v2, the errnos, and the
 * public calls.
 */
#include "fixture.h"

#include "base/stats.h"

static uint64_t unmapped;

static int v1(uint64_t iova, uint64_t length)
{
	return ioas_unmap_range(ioas, iova, iova + length - 1, IOAS_CUT_BY_FIRST, false, &unmapped);
}

static int v2(uint64_t iova, uint64_t length)
{
	return ioas_unmap_range(ioas, iova, iova + length - 1, IOAS_CUT_REFUSE, false, &unmapped);
}

static void a_mapping_can_be_found_translated_and_unmapped(void **state)
{
	struct area_info info;
	char *p = pages(4);
	uintptr_t addr;
	uint64_t length;

	take_faults();
	assert_int_equal(map_at(0x10000, p, 4 * PAGE), 0);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	assert_true(ioas_find(ioas, 0x10000 + 5000, &info));
	assert_true(info.first == 0x10000 && info.last == 0x13fff);
	assert_int_equal(info.addr, (uintptr_t)p);
	assert_int_equal(info.prot, RW);
	assert_false(ioas_find(ioas, 0xffff, &info));
	assert_false(ioas_find(ioas, 0x14000, &info));
	assert_true(ioas_find_first(ioas, 0, UINT64_MAX, &info));
	assert_false(ioas_find_first(ioas, 0, 0xffff, &info));

	assert_int_equal(rf_ioas_translate(ioas, 0x10010, RF_WRITE, &addr, &length), 0);
	assert_int_equal(addr, (uintptr_t)p + 0x10);
	assert_true(length == 4 * PAGE - 0x10);
	assert_int_equal(unmap(0x10000, 4 * PAGE), 4 * PAGE);
	assert_int_equal(rf_ioas_translate(ioas, 0x10010, RF_WRITE, &addr, &length), -EFAULT);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	munmap(p, 4 * PAGE);
}

static void arguments_are_checked_in_linuxs_order(void **state)
{
	char *p = pages(2);
	uintptr_t addr = (uintptr_t)p;

	take_faults();
	assert_int_equal(ioas_map_fixed(ioas, owner, addr, 0, 0, RW, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, addr + 1, 0, PAGE, RW, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, addr, 1, PAGE, RW, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, addr, 0, PAGE + 1, RW, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, addr, 0, PAGE, 0, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, addr, 0, PAGE, 4, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, addr, -PAGE, 2 * PAGE, RW, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, -PAGE, 0, 2 * PAGE, RW, false), -EINVAL);

	/* EEXIST before the usable ranges, those before the memory */
	assert_int_equal(map_blind(0xfedff000, PAGE), 0);
	assert_int_equal(ioas_map_fixed(ioas, owner, 0, 0xfedff000, 4 * PAGE, RW, false), -EEXIST);
	assert_int_equal(ioas_map_fixed(ioas, owner, 0, 0xfee00000, PAGE, RW, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, 0, 0xfeeff000, 2 * PAGE, RW, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, 0, 1ull << 48, PAGE, RW, false), -EINVAL);
	assert_int_equal(ioas_map_fixed(ioas, owner, 0, 0xfef00000, PAGE, RW, false), -EFAULT);
	munmap(p + PAGE, PAGE);
	assert_int_equal(map_at(0, p, 2 * PAGE), -EFAULT);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	assert_int_equal(map_at(0, p, PAGE), 0);
	assert_int_equal(map_at((1ull << 48) - PAGE, p, PAGE), 0);
	munmap(p, PAGE);
}

static void overlaps_are_refused_on_every_side(void **state)
{
	assert_int_equal(map_blind(4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(map_blind(4 * PAGE, 4 * PAGE), -EEXIST);
	assert_int_equal(map_blind(0, 5 * PAGE), -EEXIST);
	assert_int_equal(map_blind(7 * PAGE, 2 * PAGE), -EEXIST);
	assert_int_equal(map_blind(5 * PAGE, PAGE), -EEXIST);
	assert_int_equal(map_blind(0, 20 * PAGE), -EEXIST);
	assert_int_equal(map_blind(0, 4 * PAGE), 0);
	assert_int_equal(map_blind(8 * PAGE, PAGE), 0);
	assert_int_equal(ioas_nr_areas(ioas), 3);
}

static void v2_refuses_to_bisect_and_changes_nothing(void **state)
{
	assert_int_equal(map_blind(4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(map_blind(8 * PAGE, 4 * PAGE), 0);
	assert_int_equal(v2(5 * PAGE, PAGE), -EINVAL);
	assert_int_equal(v2(4 * PAGE, PAGE), -EINVAL);
	assert_int_equal(v2(7 * PAGE, PAGE), -EINVAL);
	assert_int_equal(v2(0, 9 * PAGE), -EINVAL);
	assert_int_equal(v2(7 * PAGE, 9 * PAGE), -EINVAL);
	assert_int_equal(unmapped, 0);
	assert_int_equal(ioas_nr_areas(ioas), 2);
	assert_int_not_equal(lookup(5 * PAGE), 0);

	assert_int_equal(v2(0, 4 * PAGE), 0);
	assert_int_equal(unmapped, 0);
	assert_int_equal(v2(0, 8 * PAGE), 0);
	assert_int_equal(unmapped, 4 * PAGE);
	assert_int_equal(lookup(5 * PAGE), 0);
	assert_int_not_equal(lookup(8 * PAGE), 0);
	assert_int_equal(v2(8 * PAGE, 4 * PAGE), 0);
	assert_int_equal(unmapped, 4 * PAGE);
	assert_int_equal(v2(0, 1ull << 40), 0);
	assert_int_equal(unmapped, 0);
}

static void v1_unmaps_whole_what_begins_in_the_range(void **state)
{
	assert_int_equal(map_blind(4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(map_blind(8 * PAGE, 4 * PAGE), 0);

	/* inside a mapping: success, nothing unmapped */
	assert_int_equal(v1(5 * PAGE, PAGE), 0);
	assert_int_equal(unmapped, 0);
	/* from inside one into the next: the first stays, and ends it */
	assert_int_equal(v1(5 * PAGE, 7 * PAGE), 0);
	assert_int_equal(unmapped, 0);
	assert_int_equal(ioas_nr_areas(ioas), 2);
	/* the first address of a mapping takes all of it */
	assert_int_equal(v1(8 * PAGE, PAGE), 0);
	assert_int_equal(unmapped, 4 * PAGE);
	assert_int_equal(lookup(11 * PAGE), 0);
	/* from before it, ending inside it */
	assert_int_equal(v1(0, 5 * PAGE), 0);
	assert_int_equal(unmapped, 4 * PAGE);
	assert_int_equal(lookup(7 * PAGE), 0);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	assert_int_equal(v1(0, PAGE), 0);
	assert_int_equal(unmapped, 0);
}

static void the_lowest_place_is_chosen(void **state)
{
	char *p = pages(4);
	uint64_t iova = 77;

	take_faults();
	assert_int_equal(map_blind(2 * PAGE, PAGE), 0);
	assert_int_equal(map_blind(4 * PAGE, PAGE), 0);
	assert_int_equal(rf_ioas_map(ioas, owner, p, 2 * PAGE, RW, 0, &iova), 0);
	assert_true(iova == 0);
	assert_int_equal(rf_ioas_map(ioas, owner, p, 2 * PAGE, RW, 0, &iova), 0);
	assert_true(iova == 5 * PAGE);
	assert_int_equal(rf_ioas_map(ioas, owner, p, PAGE, RW, 0, &iova), 0);
	assert_true(iova == 3 * PAGE);
	assert_int_equal(ioas_map_anywhere(ioas, owner, (uintptr_t)p, PAGE, RW, MIB, &iova), 0);
	assert_true(iova == MIB);
	assert_int_equal(ioas_map_anywhere(ioas, owner, (uintptr_t)p, PAGE, RW, MIB, &iova), 0);
	assert_true(iova == 2 * MIB);
	assert_int_equal(ioas_map_anywhere(ioas, owner, (uintptr_t)p, PAGE, RW, 3, &iova), -EINVAL);
	munmap(p, 4 * PAGE);
}

static void a_chosen_place_avoids_the_reserved_range(void **state)
{
	char *p = pages(2);
	uint64_t iova;

	take_faults();
	assert_int_equal(map_blind(0, 0xfedff000), 0);
	assert_int_equal(rf_ioas_map(ioas, owner, p, 2 * PAGE, RW, 0, &iova), 0);
	assert_true(iova == 0xfef00000);
	assert_int_equal(rf_ioas_map(ioas, owner, p, PAGE, RW, 0, &iova), 0);
	assert_true(iova == 0xfedff000);
	assert_int_equal(map_blind(0xfef02000, (1ull << 48) - 0xfef02000 - PAGE), 0);
	assert_int_equal(rf_ioas_map(ioas, owner, p, 2 * PAGE, RW, 0, &iova), -ENOSPC);
	assert_int_equal(rf_ioas_map(ioas, owner, p, PAGE, RW, 0, &iova), 0);
	assert_true(iova == (1ull << 48) - PAGE);
	iova = 123;
	assert_int_equal(rf_ioas_map(ioas, owner, p, PAGE, RW, 0, &iova), -ENOSPC);
	assert_true(iova == 123);
	munmap(p, 2 * PAGE);
}

static void the_whole_of_64_bits_can_be_used_without_devices(void **state)
{
	ioas_put_domain(ioas, domain);
	domain = NULL;
	assert_int_equal(map_blind(-PAGE, PAGE), 0);
	assert_int_equal(map_blind(0, PAGE), 0);
	assert_int_equal(map_blind(0xfee00000, PAGE), 0);
	assert_int_equal(v2(-PAGE, PAGE), 0);
	assert_int_equal(unmapped, PAGE);
	assert_int_equal(map_blind(-2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(v2(-PAGE, PAGE), -EINVAL);
	assert_int_equal(v1(-3 * PAGE, 2 * PAGE), 0);
	assert_int_equal(unmapped, 2 * PAGE);
	assert_int_equal(ioas_nr_areas(ioas), 2);
}

static void public_calls_have_their_documented_errnos(void **state)
{
	char *p = pages(4);
	uint64_t iova = 0;
	uintptr_t addr;
	struct rf_ioas *other;

	take_faults();
	assert_int_equal(rf_ioas_new(NULL, 1, &other), -EINVAL);
	assert_int_equal(rf_ioas_new(NULL, 0, &other), 0);
	assert_int_equal(rf_ioas_translate(other, 0, 0, &addr, NULL), -ENODEV);
	rf_ioas_free(other);
	rf_ioas_free(NULL);

	assert_int_equal(rf_ioas_map(ioas, owner, p, PAGE, RW, 8, &iova), -EINVAL);
	assert_int_equal(rf_ioas_map(ioas, owner, p, 4 * PAGE, RW, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(rf_ioas_map(ioas, owner, p, PAGE, RW, RF_MAP_FIXED, &iova), -EEXIST);
	assert_int_equal(rf_ioas_unmap(ioas, 0, PAGE, 0, &unmapped), -ENOENT);
	assert_int_equal(unmapped, 0);
	assert_int_equal(rf_ioas_unmap(ioas, 8 * PAGE, PAGE, 0, NULL), -ENOENT);
	assert_int_equal(rf_ioas_unmap(ioas, 0, 0, 0, NULL), -EINVAL);
	assert_int_equal(rf_ioas_unmap(ioas, -PAGE, 2 * PAGE, 0, NULL), -EINVAL);
	assert_int_equal(rf_ioas_unmap(ioas, 0, PAGE, 2, NULL), -EINVAL);
	assert_int_equal(rf_ioas_unmap(ioas, 0, PAGE, RF_UNMAP_ALL, NULL), -EINVAL);
	assert_int_equal(rf_ioas_unmap(ioas, 0, 4 * PAGE, 0, &unmapped), 0);
	assert_int_equal(unmapped, 4 * PAGE);
	assert_int_equal(rf_ioas_unmap(ioas, 0, 0, RF_UNMAP_ALL, &unmapped), 0);
	assert_int_equal(unmapped, 0);
	munmap(p, 4 * PAGE);
}

static void what_ends_a_mapping_is_counted(void **state)
{
	struct stats before = *stats();

	assert_int_equal(map_blind(0, 4 * PAGE), 0);
	assert_int_equal(map_blind(8 * PAGE, PAGE), 0);
	assert_int_equal(map_blind(9 * PAGE, PAGE), 0);
	assert_int_equal(map_blind(0, PAGE), -EEXIST);
	assert_int_equal(v2(0, 4 * PAGE), 0);
	assert_int_equal(ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, true, &unmapped),
			 0);
	assert_int_equal(unmapped, 2 * PAGE);
	assert_int_equal(stats()->maps - before.maps, 3);
	assert_int_equal(stats()->mapped_bytes - before.mapped_bytes, 6 * PAGE);
	assert_int_equal(stats()->unmaps - before.unmaps, 1);
	assert_int_equal(stats()->maps_dropped - before.maps_dropped, 2);
}

static void each_allocation_may_fail(void **state)
{
	char *p = pages(2);
	uint64_t iova;

	take_faults();
	/* neighbours, so that mapping needs tables */
	assert_int_equal(map_at(0, p, PAGE), 0);
	for (long nth = 1;; nth++) {
		int ret;

		alloc_fail_nth(nth);
		ret = rf_ioas_map(ioas, owner, p, PAGE, RW, 0, &iova);
		if (!alloc_has_failed()) {
			assert_int_equal(ret, 0);
			assert_true(nth > 3);
			break;
		}
		alloc_fail_nth(0);
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(ioas_nr_areas(ioas), 1);
		assert_int_equal(lookup(0), (uintptr_t)p);
		assert_int_equal(lookup(PAGE), 0);
		/* tables stay: begin anew */
		drop_space(state);
		assert_int_equal(make_space(state), 0);
		assert_int_equal(map_at(0, p, PAGE), 0);
	}
	alloc_fail_nth(1);
	assert_int_equal(unmap(0, 2 * PAGE), 2 * PAGE);
	assert_false(alloc_has_failed());
	munmap(p, 2 * PAGE);
}

static void memory_lives_as_long_as_references(void **state)
{
	struct rf_ioas *other;

	assert_int_equal(ioas_new(&other), 0);
	assert_ptr_equal(ioas_get(other), other);
	assert_int_equal(ioas_map_fixed(other, owner, PAGE, 0, PAGE, RW, true), 0);
	rf_ioas_free(other);
	assert_int_equal(ioas_nr_areas(other), 0);
	ioas_put(other);

	alloc_fail_nth(1);
	assert_int_equal(ioas_new(&other), -ENOMEM);
	alloc_fail_nth(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_space, drop_space)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mapping_can_be_found_translated_and_unmapped),
		TEST(arguments_are_checked_in_linuxs_order),
		TEST(overlaps_are_refused_on_every_side),
		TEST(v2_refuses_to_bisect_and_changes_nothing),
		TEST(v1_unmaps_whole_what_begins_in_the_range),
		TEST(the_lowest_place_is_chosen),
		TEST(a_chosen_place_avoids_the_reserved_range),
		TEST(the_whole_of_64_bits_can_be_used_without_devices),
		TEST(public_calls_have_their_documented_errnos),
		TEST(what_ends_a_mapping_is_counted),
		TEST(each_allocation_may_fail),
		TEST(memory_lives_as_long_as_references),
	};

	return cmocka_run_group_tests_name("ioas", tests, NULL, NULL);
}
