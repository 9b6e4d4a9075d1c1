/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "interpose/doorbell_policy.h"

static struct doorbell_policy policy;
static uint64_t now, work;

static int setup(void **state)
{
	memset(&policy, 0, sizeof(policy));
	now = 1000000;
	work = 0;
	return 0;
}

/* @n doorbells that trap, @step ns apart, @gain work each: whether one asked for polling. */
static bool ring(unsigned n, uint64_t step, uint64_t gain)
{
	for (unsigned i = 0; i < n; i++) {
		now += step;
		work += gain;
		if (doorbell_policy_rung(&policy, now, work))
			return true;
	}
	return false;
}

/* Poll for @time ns, finding a doorbell every time, at @gain work a microsecond: whether it ended. */
static bool poll(uint64_t time, uint64_t gain)
{
	for (uint64_t end = now + time; now < end;) {
		if (doorbell_policy_looked(&policy, now, work, true))
			return true;
		now += 1000;
		work += gain;
	}
	return false;
}

static void start_trial(uint64_t gain)
{
	assert_true(ring(2 * DOORBELL_BURST, 5000, gain));
	assert_int_equal(policy.mode, DOORBELL_TRIAL);
}

static void slow_doorbells_stay_inline(void **state)
{
	assert_false(ring(10000, DOORBELL_WINDOW / 16, 4096));
	assert_int_equal(policy.mode, DOORBELL_INLINE);
}

static void a_burst_starts_a_trial(void **state)
{
	assert_false(ring(DOORBELL_BURST - 1, 5000, 4096));
	assert_true(ring(1, 5000, 4096));
	assert_int_equal(policy.mode, DOORBELL_TRIAL);
}

static void a_better_trial_goes_on(void **state)
{
	start_trial(5 * 4096); /* 4096 a microsecond */
	assert_false(poll(3 * DOORBELL_WINDOW, 6000));
	assert_int_equal(policy.mode, DOORBELL_POLLED);
}

static void a_trial_must_win_clearly(void **state)
{
	start_trial(5 * 4096);
	assert_true(poll(3 * DOORBELL_WINDOW, 4500));
	assert_int_equal(policy.mode, DOORBELL_INLINE);
}

static void failed_trials_wait_twice_as_long_each_time(void **state)
{
	uint64_t wait = DOORBELL_BACKOFF, ended;

	for (unsigned i = 0; i < 12; i++) {
		start_trial(5 * 4096);
		assert_true(poll(3 * DOORBELL_WINDOW, 100));
		ended = now;
		assert_int_equal(policy.retry_at - ended, wait);
		while (now + 400000 < policy.retry_at)
			assert_false(ring(64, 5000, 5 * 4096));
		now = policy.retry_at;
		wait = 2 * wait < DOORBELL_BACKOFF_MAX ? 2 * wait : DOORBELL_BACKOFF_MAX;
	}
	assert_int_equal(wait, DOORBELL_BACKOFF_MAX);
}

static void a_good_trial_forgives_the_bad_ones(void **state)
{
	start_trial(5 * 4096);
	assert_true(poll(3 * DOORBELL_WINDOW, 100));
	now = policy.retry_at;
	start_trial(5 * 4096);
	assert_false(poll(3 * DOORBELL_WINDOW, 9000));
	assert_int_equal(policy.backoff, DOORBELL_BACKOFF);
}

static void another_load_is_tried_at_once(void **state)
{
	for (unsigned i = 0; i < 12; i++) {
		start_trial(5 * 4096);
		assert_true(poll(3 * DOORBELL_WINDOW, 100));
		now = policy.retry_at;
	}
	now -= DOORBELL_BACKOFF_MAX / 2;
	assert_false(ring(64, 5000, 6 * 4096)); /* about the same */
	assert_true(ring(64, 5000, 8 * 4096));
	assert_true(poll(3 * DOORBELL_WINDOW, 100));
	assert_int_equal(policy.retry_at - now, DOORBELL_BACKOFF);
	now += DOORBELL_BACKOFF / 4;
	assert_false(ring(64, 5000, 8 * 4096));
	assert_true(ring(64, 5000, 4 * 4096));
}

static void polling_that_gets_worse_ends(void **state)
{
	start_trial(5 * 4096);
	assert_false(poll(2 * DOORBELL_WINDOW, 9000));
	assert_int_equal(policy.mode, DOORBELL_POLLED);
	assert_true(poll(3 * DOORBELL_WINDOW, 3000));
	assert_true(policy.retry_at > now);
}

static void idle_polling_ends_and_may_start_again_at_once(void **state)
{
	start_trial(5 * 4096);
	assert_false(poll(2 * DOORBELL_WINDOW, 9000));
	now += DOORBELL_IDLE / 2;
	assert_false(doorbell_policy_looked(&policy, now, work, false));
	now += DOORBELL_IDLE;
	assert_true(doorbell_policy_looked(&policy, now, work, false));
	assert_int_equal(policy.mode, DOORBELL_INLINE);
	start_trial(5 * 4096);
}

static void long_polling_is_questioned(void **state)
{
	start_trial(5 * 4096);
	assert_true(poll(2 * DOORBELL_STRETCH, 9000));
	assert_true(now - policy.polled_since >= DOORBELL_STRETCH);
	/* By one burst, and then it goes on. */
	assert_false(ring(DOORBELL_BURST - 1, 5000, 4096));
	assert_true(ring(1, 5000, 4096));
}

static void never_is_never(void **state)
{
	policy.choice = DOORBELL_NEVER;
	assert_false(ring(1000, 1000, 4096));
}

static void always_polls_until_idle(void **state)
{
	policy.choice = DOORBELL_ALWAYS;
	assert_true(ring(1, 1000, 0));
	assert_false(poll(10 * DOORBELL_WINDOW, 0));
	now += 2 * DOORBELL_IDLE;
	assert_true(doorbell_policy_looked(&policy, now, work, false));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(slow_doorbells_stay_inline),
		TEST(a_burst_starts_a_trial),
		TEST(a_better_trial_goes_on),
		TEST(a_trial_must_win_clearly),
		TEST(failed_trials_wait_twice_as_long_each_time),
		TEST(a_good_trial_forgives_the_bad_ones),
		TEST(another_load_is_tried_at_once),
		TEST(polling_that_gets_worse_ends),
		TEST(idle_polling_ends_and_may_start_again_at_once),
		TEST(long_polling_is_questioned),
		TEST(never_is_never),
		TEST(always_polls_until_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
