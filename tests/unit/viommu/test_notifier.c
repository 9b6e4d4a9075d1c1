/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is announced, and what listeners hear of it.
 */
#include <sys/mman.h>

#include "../logged.h"
#include "fixture.h"

/* The decisions, one by one. */

static void unmap_depends_on_what_was_true(void **state)
{
	struct ear all = { 0 };

	listen(&all, U | M);
	/* nothing was mapped: nothing is taken away */
	assert_int_equal(announce(1, 3, 0, 0), 0);
	assert_heard(&all, "");
	assert_int_equal(announce(1, 1, 0xa, RF_READ), 0);
	assert_heard(&all, "M 1-1>ar");
	assert_int_equal(announce(3, 3, 0xb, RW), 0);
	assert_heard(&all, "M 3-3>b");
	/* of what is unmapped now, only that is told which was mapped */
	assert_int_equal(announce(0, 15, 0, 0), 0);
	assert_heard(&all, "U 1-1<ar, U 3-3<b");
	assert_int_equal(announce(0, 15, 0, 0), 0);
	assert_heard(&all, "");
}

static void an_entry_replaced_in_place_is_unmapped_first(void **state)
{
	struct ear all = { 0 };

	listen(&all, U | M);
	announce(4, 4, 0x10, RF_READ);
	assert_heard(&all, "M 4-4>10r");
	announce(4, 4, 0x20, RF_READ);
	assert_heard(&all, "U 4-4<10r, M 4-4>20r");
	/* so it is when only permissions change */
	announce(4, 4, 0x20, RW);
	assert_heard(&all, "U 4-4<20r, M 4-4>20");
}

static void a_replacement_is_one_notice_where_wanted(void **state)
{
	struct ear all = { 0 };
	struct ear replace = { 0 };

	listen(&all, U | M | R);
	listen(&replace, R);
	announce(4, 4, 0x10, RF_READ);
	announce(4, 4, 0x20, RF_READ);
	assert_heard(&all, "M 4-4>10r, R 4-4<10r>20r");
	announce(4, 4, 0, 0);
	assert_heard(&all, "U 4-4<20r");
	assert_heard(&replace, "R 4-4<10r>20r");
}

static void a_cache_hears_unmap_of_a_replacement(void **state)
{
	struct ear cache = { 0 };

	listen(&cache, U);
	announce(4, 5, 0x10, RF_READ);
	assert_heard(&cache, "");
	announce(0, 15, 0x20, RF_READ);
	assert_heard(&cache, "U 4-5<10r");
}

static void registering_for_nothing_is_refused(void **state)
{
	const struct rf_listener_ops ops = { .notify = hear, .last = UINT64_MAX };
	struct rf_listener *listener = (void *)&ops;

	assert_int_equal(rf_listener_register(region, &ops, NULL, &listener), -EINVAL);
	assert_ptr_equal(listener, (void *)&ops);
	assert_int_equal(told, 0);
}

static void the_iommu_is_told_which_kinds_are_wanted(void **state)
{
	struct ear ears[3] = { 0 };
	struct rf_listener *cache, *shadow, *other;

	cache = listen(&ears[0], U);
	assert_int_equal(told, 1);
	assert_int_equal(told_old, 0);
	assert_int_equal(told_wanted, U);
	other = listen(&ears[1], U);
	assert_int_equal(told, 1);
	shadow = listen(&ears[2], U | M);
	assert_int_equal(told, 2);
	assert_int_equal(told_old, U);
	assert_int_equal(told_wanted, U | M);
	assert_int_equal(rf_region_wanted(region), U | M);
	rf_listener_unregister(cache);
	assert_int_equal(told, 2);
	rf_listener_unregister(shadow);
	assert_int_equal(told, 3);
	assert_int_equal(told_wanted, U);
	/* the last one */
	refuse = -EPERM;
	rf_listener_unregister(other);
	assert_int_equal(told, 4);
	assert_int_equal(told_old, U);
	assert_int_equal(told_wanted, 0);
	assert_int_equal(rf_region_wanted(region), 0);
}

static void the_iommu_may_refuse_a_kind(void **state)
{
	struct ear cache = { 0 }, shadow = { 0 };
	const struct rf_listener_ops ops = {
		.name = "shadow", .kinds = U | M, .last = UINT64_MAX, .notify = hear
	};
	struct rf_listener *listener = NULL;

	listen(&cache, U);
	/* no caching mode: it would not see new entries */
	refuse = -ENOTSUP;
	assert_int_equal(rf_listener_register(region, &ops, &shadow, &listener), -ENOTSUP);
	assert_null(listener);
	assert_int_equal(rf_region_wanted(region), U);
	announce(1, 1, 2, RW);
	announce(1, 1, 0, 0);
	assert_heard(&shadow, "");
	assert_heard(&cache, "U 1-1<2");
	/* what is wanted already is no question */
	assert_int_equal(told, 2);
	listen(&shadow, U);
	assert_int_equal(told, 2);
}

static void replay_tells_ranges_as_large_as_contiguous(void **state)
{
	struct ear late = { 0 }, first = { 0 };
	struct rf_listener *listener;

	listen(&first, M);
	/* from above and from below: whoever announces, and how, does not matter */
	announce(3, 3, 0x13, RW);
	announce(1, 1, 0x11, RW);
	announce(2, 2, 0x12, RW);
	announce(4, 4, 0x14, RF_READ);
	announce(5, 5, 0x25, RF_READ);
	announce(7, 9, 0x27, RF_READ);
	assert_heard(&first, "M 3-3>13, M 1-1>11, M 2-2>12, M 4-4>14r, M 5-5>25r, M 7-9>27r");
	listener = listen(&late, U | M);
	assert_heard(&late, "");
	assert_int_equal(rf_listener_replay(listener, 0, UINT64_MAX), 0);
	assert_heard(&late, "M 1-3>11, M 4-4>14r, M 5-5>25r, M 7-9>27r");
	/* only the range asked for, and only this listener */
	assert_int_equal(rf_listener_replay(listener, 2 * PAGE, 8 * PAGE - 1), 0);
	assert_heard(&late, "M 2-3>12, M 4-4>14r, M 5-5>25r, M 7-7>27r");
	assert_heard(&first, "");
	/* and only its own */
	rf_listener_unregister(listener);
	listener = listen_in(&late, M, 8 * PAGE, 9 * PAGE - 1);
	assert_int_equal(rf_listener_replay(listener, 0, LAST), 0);
	assert_heard(&late, "M 8-8>28r");
	assert_int_equal(rf_listener_replay(listener, 9 * PAGE, LAST), 0);
	assert_heard(&late, "");
}

static void registration_can_replay_in_the_same_step(void **state)
{
	struct ear late = { 0 };
	const struct rf_listener_ops ops = {
		.kinds = M, .first = PAGE, .last = UINT64_MAX, .replay = true, .notify = hear
	};
	struct rf_listener *listener;

	announce(0, 1, 0x11, RW);
	announce(4, 4, 0x14, RW);
	assert_int_equal(rf_listener_register(region, &ops, &late, &listener), 0);
	assert_heard(&late, "M 1-1>12, M 4-4>14");
	announce(5, 5, 0x15, RW);
	assert_heard(&late, "M 5-5>15");
}

static void leave(struct rf_listener *listener, const struct rf_notice *notice)
{
	rf_listener_unregister(listener);
}

static void a_listener_may_leave_from_inside_its_own_callback(void **state)
{
	struct ear before = { 0 }, once = { .then = leave }, after = { 0 };

	listen(&before, U | M);
	listen(&once, U | M);
	listen(&after, U);
	announce(1, 1, 0xa, RW);
	announce(2, 2, 0xc, RW);
	assert_heard(&once, "M 1-1>a");
	announce(1, 2, 0, 0);
	assert_heard(&once, "");
	assert_heard(&before, "M 1-1>a, M 2-2>c, U 1-1<a, U 2-2<c");
	assert_heard(&after, "U 1-1<a, U 2-2<c");
}

/* The rest. */

static void what_does_not_change_is_not_told(void **state)
{
	struct ear all = { 0 }, replace = { 0 };

	listen(&all, U | M);
	listen(&replace, U | M | R);
	announce(2, 5, 0x12, RW);
	assert_heard(&all, "M 2-5>12");
	announce(3, 4, 0x13, RW);
	announce(2, 5, 0x12, RW);
	assert_heard(&all, "");
	/* around it something is new */
	announce(0, 7, 0x10, RW);
	assert_heard(&all, "M 0-1>10, M 6-7>16");
	/* two of these pages stay as they are, the others are replaced or new */
	announce(9, 9, 0x19, RW);
	announce(11, 11, 0x1b, RW);
	all.text[0] = replace.text[0] = 0;
	announce(0, 7, 0x20, RW);
	assert_heard(&all, "U 0-7<10, M 0-7>20");
	assert_heard(&replace, "R 0-7<10>20");
	announce(2, 2, 0x32, RW);
	announce(4, 4, 0x34, RW);
	all.text[0] = replace.text[0] = 0;
	announce(1, 8, 0x31, RW);
	assert_heard(&all, "U 1-1<21, U 3-3<23, U 5-7<25, M 1-1>31, M 3-3>33, M 5-8>35");
	assert_heard(&replace, "R 1-1<21>31, R 3-3<23>33, R 5-7<25>35, M 8-8>38");
}

static void pieces_taken_away_are_those_that_were(void **state)
{
	struct ear all = { 0 }, replace = { 0 };

	announce(0, 7, 0x10, RW);
	announce(9, 9, 0x50, RF_READ);
	listen(&all, U | M);
	listen(&replace, U | M | R);
	/* out of the middle */
	announce(2, 3, 0, 0);
	assert_heard(&all, "U 2-3<12");
	/* across a border, a hole and another border */
	announce(1, 9, 0x80, RW);
	assert_heard(&all, "U 1-1<11, U 4-7<14, U 9-9<50r, M 1-9>80");
	assert_heard(&replace, "U 2-3<12, R 1-1<11>80, M 2-3>81, R 4-7<14>83, M 8-8>87, "
			       "R 9-9<50r>88");
}

static void notices_are_cut_to_the_listeners_range(void **state)
{
	struct ear all = { 0 }, replace = { 0 };

	listen_in(&all, U | M, 4 * PAGE, 6 * PAGE - 1);
	listen_in(&replace, M | R, 4 * PAGE, 6 * PAGE - 1);
	announce(0, 15, 0x10, RW);
	announce(0, 3, 0x80, RW);
	announce(6, 15, 0x80, RW);
	announce(5, 6, 0x90, RW);
	announce(0, 15, 0, 0);
	assert_heard(&all, "M 4-5>14, U 5-5<15, M 5-5>90, U 4-4<14, U 5-5<90");
	assert_heard(&replace, "M 4-5>14, R 5-5<15>90");
}

static void a_batch_is_told_as_few_notices(void **state)
{
	struct ear all = { 0 };
	struct rf_mapping batch[6];

	listen(&all, U | M);
	for (unsigned i = 0; i < 4; i++)
		batch[i] = pages(i, i, 0x10 + i, RW);
	batch[4] = pages(4, 4, 0x30, RW);
	/* the later one holds */
	batch[5] = pages(0, 0, 0x40, RW);
	assert_int_equal(rf_region_announce_batch(region, batch, 6), 0);
	assert_heard(&all, "M 0-3>10, M 4-4>30, U 0-0<10, M 0-0>40");
	for (unsigned i = 0; i < 6; i++)
		batch[i] = pages(i, i, 0x77, 0);
	assert_int_equal(rf_region_announce_batch(region, batch, 6), 0);
	assert_heard(&all, "U 0-0<40, U 1-3<11, U 4-4<30");
	assert_int_equal(rf_region_announce_batch(region, NULL, 0), 0);
	assert_heard(&all, "");
}

static void a_batch_with_a_bad_entry_changes_nothing(void **state)
{
	struct ear all = { 0 };
	struct rf_mapping batch[3] = { pages(0, 0, 1, RW), pages(1, 1, 1, RW),
				       pages(15, 16, 1, RW) };
	struct rf_mapping now;

	listen(&all, U | M);
	assert_int_equal(rf_region_announce_batch(region, batch, 3), -EINVAL);
	assert_heard(&all, "");
	assert_int_equal(rf_region_lookup(region, 0, &now), 0);
	assert_int_equal(now.perm, 0);
	assert_int_equal(now.last, LAST);
}

static void assert_is(const struct rf_mapping *now, uint64_t first, uint64_t last, uint64_t target,
		      uint32_t perm)
{
	assert_true(now->iova == first * PAGE && now->last == last * PAGE + PAGE - 1);
	assert_int_equal(now->perm, perm);
	if (perm)
		assert_int_equal(now->target, target * PAGE);
}

static void lookup_finds_what_was_announced(void **state)
{
	struct rf_mapping now;

	announce(2, 2, 0x12, RW);
	announce(3, 3, 0x13, RW);
	announce(7, 7, 0x13, RW);
	assert_int_equal(rf_region_lookup(region, 3 * PAGE + 5, &now), 0);
	assert_is(&now, 2, 3, 0x12, RW);
	assert_int_equal(rf_region_lookup(region, 4 * PAGE, &now), 0);
	assert_is(&now, 4, 6, 0, 0);
	assert_int_equal(rf_region_lookup(region, 0, &now), 0);
	assert_is(&now, 0, 1, 0, 0);
	assert_int_equal(rf_region_lookup(region, LAST, &now), 0);
	assert_is(&now, 8, 15, 0, 0);
	assert_int_equal(rf_region_lookup(region, LAST + 1, &now), -EINVAL);
}

static void a_callback_that_fails_stops_nothing(void **state)
{
	struct ear bad = { .answer = -ENOMEM }, good = { 0 };
	struct rf_listener *listener = listen(&bad, U | M);
	int error;

	listen(&good, U | M);
	assert_int_equal(rf_listener_failures(listener, &error), 0);
	assert_int_equal(error, 0);
	assert_int_equal(announce(1, 1, 0xa, RW), 1);
	assert_int_equal(announce(1, 1, 0xb, RW), 2);
	assert_heard(&bad, "M 1-1>a, U 1-1<a, M 1-1>b");
	assert_heard(&good, "M 1-1>a, U 1-1<a, M 1-1>b");
	assert_int_equal(rf_listener_failures(listener, &error), 3);
	assert_int_equal(error, -ENOMEM);
	/* nothing is lost: it can be told again */
	bad.answer = 0;
	assert_int_equal(rf_listener_replay(listener, 0, UINT64_MAX), 0);
	assert_heard(&bad, "M 1-1>b");
	bad.answer = -EIO;
	assert_int_equal(rf_listener_replay(listener, 0, UINT64_MAX), 1);
	assert_int_equal(rf_listener_failures(listener, &error), 4);
	assert_int_equal(error, -EIO);
}

static void the_first_failure_of_a_listener_is_logged(void **state)
{
	struct ear bad = { .answer = -EIO };

	log_begins();
	log_set_level(LOG_WARN);
	listen(&bad, M);
	announce(1, 2, 0xa, RW);
	logged_has("test: listener ear failed at 0x1000-0x2fff: error 5");
	announce(4, 4, 0xa, RW);
	assert_string_equal(logged(), "");
	log_ends();
}

static void bad_announcements_change_nothing(void **state)
{
	struct ear all = { 0 };
	const struct rf_mapping bad[] = {
		{ .iova = 1, .last = PAGE, .perm = RW }, /* misaligned */
		{ .iova = 0, .last = PAGE, .perm = RW },
		{ .iova = PAGE, .last = PAGE - 1, .perm = RW }, /* empty */
		{ .iova = 0, .last = LAST + PAGE, .perm = RW }, /* outside */
		{ .iova = 0, .last = UINT64_MAX, .perm = 0 },
		{ .iova = LAST + 1, .last = LAST + PAGE, .perm = 0 },
		{ .iova = 0, .last = PAGE - 1, .perm = RW << 1 }, /* unknown */
		{ .iova = 0, .last = PAGE - 1, .perm = RW, .target = 1 }, /* misaligned */
		{ .iova = 0, .last = 2 * PAGE - 1, .perm = RW, .target = -PAGE }, /* wraps */
	};

	listen(&all, U | M);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(rf_region_announce(region, &bad[i]), -EINVAL);
	assert_heard(&all, "");
	/* the same, but allowed */
	assert_int_equal(announce(0, 0, (-PAGE) / PAGE, RW), 0);
	assert_int_equal(announce(0, 0, 0, 0), 0);
}

static void bad_listeners_are_not_registered(void **state)
{
	const struct rf_listener_ops good = { .kinds = M, .last = LAST, .notify = hear };
	struct rf_listener_ops ops[9];
	struct rf_listener *listener;
	struct ear ear = { 0 };

	for (unsigned i = 0; i < 9; i++)
		ops[i] = good;
	ops[0].kinds = 0;
	ops[1].kinds = M | 1 << 3;
	ops[2].notify = NULL;
	ops[3].first = 1;
	ops[4].last = LAST - 1;
	ops[5].last = LAST + PAGE;
	ops[6].first = LAST + 1;
	ops[7].first = 2 * PAGE, ops[7].last = PAGE - 1;
	ops[8].replay = true, ops[8].kinds = U;
	told = 0;
	for (unsigned i = 0; i < 9; i++) {
		listener = NULL;
		assert_int_equal(rf_listener_register(region, &ops[i], &ear, &listener), -EINVAL);
		assert_null(listener);
	}
	assert_int_equal(told, 0);
	rf_listener_unregister(NULL);
}

static void bad_replays_and_regions_are_refused(void **state)
{
	struct ear ear = { 0 };
	struct rf_listener *listener = listen(&ear, U);
	struct rf_region_ops no_ops = { 0 };
	struct rf_region *none = NULL;

	assert_int_equal(rf_listener_replay(listener, 0, LAST), -EINVAL);
	rf_listener_unregister(listener);
	listener = listen(&ear, M);
	assert_int_equal(rf_listener_replay(listener, 1, LAST), -EINVAL);
	assert_int_equal(rf_listener_replay(listener, 0, PAGE), -EINVAL);
	assert_int_equal(rf_listener_replay(listener, PAGE, PAGE - 1), -EINVAL);
	assert_int_equal(rf_listener_replay(listener, 0, LAST + PAGE), -EINVAL);

	assert_int_equal(rf_region_new(&no_ops, LAST, 0, NULL, &none), -EINVAL);
	assert_int_equal(rf_region_new(&no_ops, LAST, 3 * PAGE, NULL, &none), -EINVAL);
	assert_int_equal(rf_region_new(&no_ops, LAST - 1, PAGE, NULL, &none), -EINVAL);
	assert_null(none);
	assert_int_equal(rf_region_refresh(region, 0, LAST), -EOPNOTSUPP);
	assert_int_equal(rf_region_refresh(region, 1, LAST), -EINVAL);
}

static void the_whole_of_64_bits_is_fine(void **state)
{
	const struct rf_region_ops ops = { .name = "wide" };
	struct ear all = { 0 };
	const struct rf_listener_ops hears = { .kinds = U | M, .last = UINT64_MAX, .notify = hear };
	struct rf_listener *listener;
	struct rf_region *wide;
	struct rf_mapping now = { .iova = -PAGE, .last = UINT64_MAX, .target = -PAGE, .perm = RW };

	assert_int_equal(rf_region_new(&ops, UINT64_MAX, PAGE, &now, &wide), 0);
	assert_ptr_equal(rf_region_data(wide), &now);
	assert_true(rf_region_last(wide) == UINT64_MAX);
	assert_int_equal(rf_region_granularity(wide), PAGE);
	assert_int_equal(rf_listener_register(wide, &hears, &all, &listener), 0);
	assert_int_equal(rf_region_announce(wide, &now), 0);
	/* what comes behind the last target is no continuation of it */
	now = (struct rf_mapping){ .iova = 0, .last = PAGE - 1, .target = -PAGE, .perm = RW };
	assert_int_equal(rf_region_announce(wide, &now), 0);
	now = (struct rf_mapping){ .iova = PAGE, .last = 2 * PAGE - 1, .target = 0, .perm = RW };
	assert_int_equal(rf_region_announce(wide, &now), 0);
	all.text[0] = 0;
	assert_int_equal(rf_listener_replay(listener, 0, UINT64_MAX), 0);
	assert_heard(&all, "M 0-0>fffffffffffff, M 1-1>0, M fffffffffffff-fffffffffffff>"
			   "fffffffffffff");
	now = (struct rf_mapping){ .iova = 0, .last = UINT64_MAX, .target = 0, .perm = RF_READ };
	assert_int_equal(rf_region_announce(wide, &now), 0);
	assert_heard(&all, "U 0-0<fffffffffffff, U 1-1<0, U fffffffffffff-fffffffffffff<"
			   "fffffffffffff, M 0-fffffffffffff>0r");
	rf_region_free(wide);
	rf_region_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_region, drop_region)
	const struct CMUnitTest tests[] = {
		TEST(unmap_depends_on_what_was_true),
		TEST(an_entry_replaced_in_place_is_unmapped_first),
		TEST(a_replacement_is_one_notice_where_wanted),
		TEST(a_cache_hears_unmap_of_a_replacement),
		TEST(registering_for_nothing_is_refused),
		TEST(the_iommu_is_told_which_kinds_are_wanted),
		TEST(the_iommu_may_refuse_a_kind),
		TEST(replay_tells_ranges_as_large_as_contiguous),
		TEST(registration_can_replay_in_the_same_step),
		TEST(a_listener_may_leave_from_inside_its_own_callback),
		TEST(what_does_not_change_is_not_told),
		TEST(pieces_taken_away_are_those_that_were),
		TEST(notices_are_cut_to_the_listeners_range),
		TEST(a_batch_is_told_as_few_notices),
		TEST(a_batch_with_a_bad_entry_changes_nothing),
		TEST(lookup_finds_what_was_announced),
		TEST(a_callback_that_fails_stops_nothing),
		TEST(the_first_failure_of_a_listener_is_logged),
		TEST(bad_announcements_change_nothing),
		TEST(bad_listeners_are_not_registered),
		TEST(bad_replays_and_regions_are_refused),
		TEST(the_whole_of_64_bits_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
