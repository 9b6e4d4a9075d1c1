/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What callbacks may do, and what an IOMMU's tables add to it.
 */
#include "fixture.h"

static struct ear others[4];
static struct rf_listener *target; /* whom a callback makes leave */
static struct rf_listener *joined;
static int answers[8];

static void let_target_go(struct rf_listener *listener, const struct rf_notice *notice)
{
	rf_listener_unregister(target);
	target = NULL;
}

static void a_callback_may_make_another_leave(void **state)
{
	struct ear first = { .then = let_target_go }, second = { 0 }, third = { 0 };

	/* the next one, that is never told */
	listen(&first, M);
	target = listen(&second, M);
	listen(&third, M);
	announce(1, 1, 0xa, RW);
	assert_heard(&second, "");
	assert_heard(&third, "M 1-1>a");
	/* one that has been told already */
	target = NULL;
	first.then = NULL;
	third.then = let_target_go;
	target = listen(&second, M);
	rf_listener_unregister(target);
	target = NULL;
	announce(2, 2, 0xc, RW);
	assert_heard(&third, "M 2-2>c");
}

static void all_may_leave_at_once(void **state)
{
	struct ear ears[3] = { 0 };
	struct rf_listener *listeners[3];

	for (unsigned i = 0; i < 3; i++)
		listeners[i] = listen(&ears[i], M);
	ears[0].then = let_target_go;
	target = listeners[0];
	announce(1, 1, 0xa, RW);
	ears[1].then = let_target_go;
	target = listeners[2];
	announce(2, 2, 0xc, RW);
	ears[1].then = let_target_go;
	target = listeners[1];
	announce(3, 3, 0xe, RW);
	assert_int_equal(rf_region_wanted(region), 0);
	announce(4, 4, 0xf, RW);
	assert_heard(&ears[0], "M 1-1>a");
	assert_heard(&ears[1], "M 1-1>a, M 2-2>c, M 3-3>e");
	assert_heard(&ears[2], "M 1-1>a");
}

static void let_one_join(struct rf_listener *listener, const struct rf_notice *notice)
{
	if (!joined)
		joined = listen(&others[0], U | M);
}

static void a_newcomer_hears_what_comes_after(void **state)
{
	struct ear first = { .then = let_one_join }, second = { 0 };
	struct rf_mapping batch[2] = { pages(1, 1, 0xa, RW), pages(2, 2, 0xc, RW) };

	memset(others, 0, sizeof(others));
	joined = NULL;
	listen(&first, U | M);
	/* before whom it does not come */
	listen(&second, U | M);
	announce(5, 5, 0xe, RW);
	/* nothing of the change under way, neither of its UNMAP nor of its MAP */
	assert_heard(&others[0], "");
	rf_listener_unregister(joined);
	joined = NULL;
	announce(5, 5, 0xf, RW);
	assert_heard(&others[0], "");
	/* of a batch, what comes true after it joined */
	rf_listener_unregister(joined);
	joined = NULL;
	assert_int_equal(rf_region_announce_batch(region, batch, 2), 0);
	assert_heard(&others[0], "M 2-2>c");
}

static void try_everything(struct rf_listener *listener, const struct rf_notice *notice)
{
	const struct rf_listener_ops ops = {
		.kinds = M, .last = LAST, .replay = true, .notify = hear
	};
	struct rf_listener *none = NULL;
	struct rf_mapping now;

	answers[0] = announce(3, 3, 1, RW);
	answers[1] = rf_region_refresh(region, 0, LAST);
	answers[2] = rf_listener_replay(listener, 0, LAST);
	answers[3] = rf_listener_register(region, &ops, NULL, &none);
	assert_null(none);
	/* what is told is true already */
	answers[4] = rf_region_lookup(region, notice->iova, &now);
	assert_int_equal(now.target, notice->target);
	assert_int_equal(now.perm, notice->perm);
}

static void what_would_tell_inside_telling_is_refused(void **state)
{
	struct ear ear = { .then = try_everything };

	listen(&ear, U | M);
	assert_int_equal(announce(1, 1, 0xa, RW), 0);
	assert_int_equal(answers[0], -EDEADLK);
	assert_int_equal(answers[1], -EOPNOTSUPP);
	assert_int_equal(answers[2], -EDEADLK);
	assert_int_equal(answers[3], -EDEADLK);
	assert_int_equal(answers[4], 0);
	assert_int_equal(announce(1, 1, 0, 0), 0);
	assert_heard(&ear, "M 1-1>a, U 1-1<a");
}

/* An operation of the IOMMU that joins, and one that holds on to what is wanted no more. */
static int join_inside(struct rf_region *r, uint32_t old, uint32_t wanted)
{
	const struct rf_listener_ops ops = { .kinds = M, .last = UINT64_MAX, .notify = hear };
	struct rf_listener *none = NULL;
	struct rf_mapping now;

	answers[0] = rf_listener_register(r, &ops, NULL, &none);
	answers[1] = rf_region_announce_batch(r, NULL, 0);
	answers[2] = rf_region_lookup(r, 0, &now);
	assert_null(none);
	return wanted & ~old ? 0 : -EIO;
}

static void inside_an_operation_there_is_only_looking(void **state)
{
	const struct rf_region_ops ops = { .name = "joiner", .flags_changed = join_inside };
	const struct rf_listener_ops listens = { .kinds = U, .last = UINT64_MAX, .notify = hear };
	struct rf_listener *listener;
	struct rf_region *joiner;
	struct ear ear = { 0 };

	assert_int_equal(rf_region_new(&ops, LAST, PAGE, NULL, &joiner), 0);
	assert_int_equal(rf_listener_register(joiner, &listens, &ear, &listener), 0);
	assert_int_equal(answers[0], -EDEADLK);
	assert_int_equal(answers[1], -EDEADLK);
	assert_int_equal(answers[2], 0);
	assert_int_equal(rf_region_wanted(joiner), U);
	/* it cannot refuse that somebody leaves */
	rf_listener_unregister(listener);
	assert_int_equal(rf_region_wanted(joiner), 0);
	rf_region_free(joiner);
}

static void leave(struct rf_listener *listener, const struct rf_notice *notice)
{
	rf_listener_unregister(listener);
}

static void a_listener_may_leave_while_it_is_replayed_to(void **state)
{
	struct ear ear = { .then = leave };
	const struct rf_listener_ops ops = {
		.kinds = M, .last = LAST, .replay = true, .notify = hear
	};
	struct rf_listener *listener;

	announce(1, 1, 1, RW);
	announce(3, 3, 1, RW);
	assert_int_equal(rf_listener_register(region, &ops, &ear, &listener), 0);
	assert_null(listener);
	assert_heard(&ear, "M 1-1>1");
	ear.then = NULL;
	listener = listen(&ear, M);
	ear.then = leave;
	assert_int_equal(rf_listener_replay(listener, 0, LAST), 0);
	assert_heard(&ear, "M 1-1>1");
}

static void a_notice_that_is_the_last_may_fail(void **state)
{
	struct ear ear = { .then = leave, .answer = -EIO };

	listen(&ear, M);
	assert_int_equal(announce(1, 1, 1, RW), 1);
	assert_int_equal(rf_region_wanted(region), 0);
}

static void a_region_takes_its_listeners_with_it(void **state)
{
	struct ear ears[2] = { 0 };

	listen(&ears[0], U | M);
	listen(&ears[1], M);
	announce(1, 1, 1, RW);
	rf_region_free(region);
	region = NULL;
	assert_heard(&ears[0], "M 1-1>1");
}

/* Two IOMMUs one behind the other: what the first maps is looked up in the second. */

static struct rf_region *outer;

static int pass_on(struct rf_listener *listener, const struct rf_notice *notice)
{
	struct rf_mapping now = { notice->iova, notice->last, notice->target + 0x100 * PAGE,
				  notice->perm };

	return rf_region_announce(outer, &now);
}

static void a_listener_may_announce_to_another_region(void **state)
{
	const struct rf_region_ops ops = { .name = "outer" };
	const struct rf_listener_ops passes = { .kinds = U | M | R,
						.last = LAST,
						.notify = pass_on };
	const struct rf_listener_ops hears = { .kinds = U | M, .last = LAST, .notify = hear };
	struct rf_listener *listener;
	struct ear ear = { 0 };

	assert_int_equal(rf_region_new(&ops, LAST, PAGE, NULL, &outer), 0);
	assert_int_equal(rf_listener_register(region, &passes, NULL, &listener), 0);
	assert_int_equal(rf_listener_register(outer, &hears, &ear, &listener), 0);
	assert_int_equal(announce(2, 3, 0xa, RW), 0);
	assert_int_equal(announce(3, 3, 0xc, RW), 0);
	assert_int_equal(announce(2, 2, 0, 0), 0);
	assert_heard(&ear, "M 2-3>10a, U 3-3<10b, M 3-3>10c, U 2-2<10a");
	rf_region_free(outer);
}

/* An IOMMU with tables. */

static uint64_t table[16]; /* target page * 4 + rights */
static int table_error;
static uint64_t table_skew; /* of targets */
static uint64_t asked[64];
static unsigned nr_asked;
static unsigned entry_pages = 1; /* an entry speaks for so many */
static uint64_t table_strays; /* it answers for another address */

static int translate(struct rf_region *r, struct rf_mapping *now)
{
	uint64_t page = now->iova / PAGE;

	assert_int_equal(now->last, now->iova + PAGE - 1);
	assert_true(nr_asked < 64);
	asked[nr_asked++] = page;
	if (table_error && page == 9)
		return table_error;
	now->target = table[page] / 4 * PAGE + table_skew;
	now->perm = table[page] % 4;
	now->last += (entry_pages - 1) * PAGE;
	now->iova += table_strays;
	now->last += table_strays;
	return 0;
}

static int make_table(void **state)
{
	const struct rf_region_ops ops = { .name = "table",
					   .flags_changed = flags_changed,
					   .translate = translate };

	memset(table, 0, sizeof(table));
	table_error = 0;
	table_skew = 0;
	nr_asked = 0;
	entry_pages = 1;
	told = 0;
	refuse = 0;
	log_set_level(LOG_ERROR);
	return rf_region_new(&ops, LAST, PAGE, NULL, &region);
}

static void replay_walks_the_iommus_table(void **state)
{
	struct ear ear = { 0 }, other = { 0 };
	struct rf_listener *listener;
	const struct rf_listener_ops ops = { .kinds = U | M,
					     .first = 2 * PAGE,
					     .last = UINT64_MAX,
					     .replay = true,
					     .notify = hear };

	for (unsigned i = 1; i < 5; i++)
		table[i] = (0x10 + i) * 4 + RW;
	table[7] = 0x17 * 4 + RF_READ;
	listen(&other, U | M);
	assert_heard(&other, "");
	assert_int_equal(rf_listener_register(region, &ops, &ear, &listener), 0);
	/* at the IOMMU's own granularity: once a page, in order */
	assert_int_equal(nr_asked, 14);
	for (unsigned i = 0; i < nr_asked; i++)
		assert_int_equal(asked[i], 2 + i);
	/* in ranges as large as contiguous */
	assert_heard(&ear, "M 2-4>12, M 7-7>17r");
	/* what was found is true, for everybody */
	assert_heard(&other, "M 2-4>12, M 7-7>17r");
	/* later changes that nobody announced are found, too */
	table[3] = 0;
	table[7] = 0x27 * 4 + RF_READ;
	assert_int_equal(rf_listener_replay(listener, 0, LAST), 0);
	assert_heard(&other, "U 3-3<13, U 7-7<17r, M 7-7>27r");
	assert_heard(&ear, "U 3-3<13, U 7-7<17r, M 7-7>27r, M 2-2>12, M 4-4>14, M 7-7>27r");
}

static void refresh_announces_what_the_table_says(void **state)
{
	struct ear ear = { 0 };

	listen(&ear, U | M);
	for (unsigned i = 0; i < 16; i++)
		table[i] = (0x10 + i) * 4 + RW;
	assert_int_equal(rf_region_refresh(region, 4 * PAGE, 8 * PAGE - 1), 0);
	assert_int_equal(nr_asked, 4);
	assert_heard(&ear, "M 4-7>14");
	table[5] = 0;
	assert_int_equal(rf_region_refresh(region, 0, LAST), 0);
	assert_heard(&ear, "M 0-3>10, U 5-5<15, M 8-f>18");
	/* nothing new */
	assert_int_equal(rf_region_refresh(region, 0, LAST), 0);
	assert_heard(&ear, "");
}

static void large_entries_are_asked_for_once(void **state)
{
	struct ear ear = { 0 };

	listen(&ear, U | M);
	for (unsigned i = 0; i < 16; i++)
		table[i] = (0x10 + i) * 4 + RW;
	entry_pages = 4;
	assert_int_equal(rf_region_refresh(region, 0, LAST), 0);
	assert_int_equal(nr_asked, 4);
	assert_heard(&ear, "M 0-f>10");
	/* of the last one only what was asked for is announced */
	for (unsigned i = 0; i < 16; i++)
		table[i] = 0;
	assert_int_equal(rf_region_refresh(region, 0, 6 * PAGE - 1), 0);
	assert_heard(&ear, "U 0-5<10");
}

static void a_walk_that_fails_has_told_the_truth_until_there(void **state)
{
	struct ear ear = { 0 }, late = { 0 };
	const struct rf_listener_ops ops = {
		.kinds = M, .last = LAST, .replay = true, .notify = hear
	};
	struct rf_listener *listener = NULL;
	struct rf_mapping now;

	listen(&ear, U);
	table[1] = 4 + RW;
	table[4] = 4 + RW;
	table_error = -ENXIO;
	told = 0;
	assert_int_equal(rf_listener_register(region, &ops, &late, &listener), -ENXIO);
	assert_null(listener);
	/* the kinds it wanted are wanted no more */
	assert_int_equal(told, 2);
	assert_int_equal(rf_region_wanted(region), U);
	assert_heard(&late, "");
	assert_int_equal(rf_region_lookup(region, PAGE, &now), 0);
	assert_int_equal(now.perm, RW);
	/* an answer that is no mapping */
	table_error = 0;
	table_skew = 1;
	assert_int_equal(rf_region_refresh(region, 0, LAST), -EIO);
	table_skew = 0;
	table_strays = PAGE;
	assert_int_equal(rf_region_refresh(region, 0, 4 * PAGE - 1), -EIO);
	table_strays = 0;
	assert_int_equal(rf_region_refresh(region, 0, LAST), 0);
}

static void let_replayed_go(struct rf_listener *listener, const struct rf_notice *notice)
{
	rf_listener_unregister(target);
	target = NULL;
}

static void who_is_replayed_to_may_be_made_to_leave_by_what_is_found(void **state)
{
	struct ear ear = { 0 }, other = { .then = let_replayed_go };

	listen(&other, M);
	target = listen(&ear, M);
	table[1] = 4 + RW;
	assert_int_equal(rf_listener_replay(target, 0, LAST), 0);
	assert_null(target);
	assert_heard(&ear, "");
}

int main(void)
{
#define TEST(name)	 cmocka_unit_test_setup_teardown(name, make_region, drop_region)
#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, make_table, drop_region)
	const struct CMUnitTest tests[] = {
		TEST(a_callback_may_make_another_leave),
		TEST(all_may_leave_at_once),
		TEST(a_newcomer_hears_what_comes_after),
		TEST(what_would_tell_inside_telling_is_refused),
		TEST(inside_an_operation_there_is_only_looking),
		TEST(a_listener_may_leave_while_it_is_replayed_to),
		TEST(a_notice_that_is_the_last_may_fail),
		TEST(a_region_takes_its_listeners_with_it),
		TEST(a_listener_may_announce_to_another_region),
		TABLE_TEST(replay_walks_the_iommus_table),
		TABLE_TEST(refresh_announces_what_the_table_says),
		TABLE_TEST(large_entries_are_asked_for_once),
		TABLE_TEST(a_walk_that_fails_has_told_the_truth_until_there),
		TABLE_TEST(who_is_replayed_to_may_be_made_to_leave_by_what_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
