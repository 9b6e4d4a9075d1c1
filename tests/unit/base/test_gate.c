/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gates: a writer goes only when everybody who came before its change has left.
 */
#include <unistd.h>

#include "base/gate.h"
#include "replaced.h"

static struct gate gate;
static atomic_bool synced;

static void *sync_once(void *arg)
{
	gate_sync(&gate);
	atomic_store(&synced, true);
	return NULL;
}

static void an_empty_gate_lets_the_writer_through(void **state)
{
	gate_leave(&gate, gate_enter(&gate));
	gate_sync(&gate);
	gate_sync(&gate);
	assert_int_equal(atomic_load(&gate.inside), 0);
}

static void the_writer_waits_for_who_is_inside(void **state)
{
	unsigned outer = gate_enter(&gate);
	unsigned inner = gate_enter(&gate);
	pthread_t writer;

	atomic_store(&synced, false);
	assert_int_equal(pthread_create(&writer, NULL, sync_once, NULL), 0);
	usleep(20000);
	assert_false(atomic_load(&synced));
	gate_leave(&gate, inner);
	usleep(20000);
	assert_false(atomic_load(&synced));
	gate_leave(&gate, outer);
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_true(atomic_load(&synced));
}

static void wait_for_turn(unsigned turn)
{
	while ((atomic_load(&gate.turn) & 1) != turn)
		usleep(100);
}

static void newcomers_do_not_hold_the_writer_up(void **state)
{
	unsigned token = gate_enter(&gate);
	unsigned newcomer;
	pthread_t writer;

	atomic_store(&synced, false);
	assert_int_equal(pthread_create(&writer, NULL, sync_once, NULL), 0);
	wait_for_turn(!token);
	newcomer = gate_enter(&gate);
	assert_int_not_equal(newcomer, token);
	gate_leave(&gate, token);

	/* it looks at the other side once, but a third is not waited for */
	wait_for_turn(token);
	token = gate_enter(&gate);
	gate_leave(&gate, newcomer);
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_true(atomic_load(&synced));
	gate_leave(&gate, token);
}

static unsigned enter(void)
{
	return gate_enter(&gate);
}

static void leave(unsigned token)
{
	gate_leave(&gate, token);
}

static void gate_synced(void)
{
	gate_sync(&gate);
}

static void nobody_inside_sees_what_was_taken_away(void **state)
{
	const struct replaced_ways ways = { enter, leave, gate_synced, 2000, NULL };

	replaced_stress(&ways);
	assert_int_equal(atomic_load(&gate.inside), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_gate_lets_the_writer_through),
		cmocka_unit_test(the_writer_waits_for_who_is_inside),
		cmocka_unit_test(newcomers_do_not_hold_the_writer_up),
		cmocka_unit_test(nobody_inside_sees_what_was_taken_away),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
