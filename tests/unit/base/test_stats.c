/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics move to the session's block and leave nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/stats.h"

static void counts_are_carried_into_the_first_shared_block(void **state)
{
	static struct stats shared;
	static struct stats other;

	stats_add(&stats()->maps, 3);
	stats_add(&stats()->lost_pages, 2);
	stats_use(&shared);
	assert_ptr_equal(stats(), &shared);
	assert_true(shared.magic == STATS_MAGIC);
	stats_add(&stats()->maps, 1);
	assert_int_equal(shared.maps, 4);
	assert_int_equal(shared.lost_pages, 2);

	/* what was shared stays where it was counted */
	stats_use(&other);
	stats_add(&stats()->maps, 1);
	assert_int_equal(shared.maps, 4);
	assert_int_equal(other.maps, 1);
	assert_int_equal(other.lost_pages, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_carried_into_the_first_shared_block),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
