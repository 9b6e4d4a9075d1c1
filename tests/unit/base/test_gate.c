/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gates: a writer goes only when everybody who came before its change has left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/gate.h"

static struct gate gate;
static atomic_bool synced;
static atomic_bool stop;

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

/*
 * Stress: an object is replaced over and over, the old one is poisoned after
 * gate_sync(). Nobody inside may see poison; ThreadSanitizer checks the order.
 */
static _Atomic(uint64_t *) object;
static atomic_uint poisoned;

static void *reader(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		unsigned token = gate_enter(&gate);
		uint64_t *p = atomic_load_explicit(&object, memory_order_acquire);

		for (unsigned i = 0; i < 4; i++)
			if (p[i] != 7)
				atomic_fetch_add(&poisoned, 1);
		gate_leave(&gate, token);
	}
	return NULL;
}

static void *writer(void *arg)
{
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t *fresh = malloc(4 * sizeof(*fresh));
		uint64_t *old;

		for (unsigned j = 0; j < 4; j++)
			fresh[j] = 7;
		old = atomic_exchange(&object, fresh);
		gate_sync(&gate);
		for (unsigned j = 0; j < 4; j++)
			old[j] = 666;
		free(old);
	}
	return NULL;
}

static void nobody_inside_sees_what_was_taken_away(void **state)
{
	uint64_t *first = malloc(4 * sizeof(*first));
	pthread_t readers[3];
	pthread_t writers[2];

	for (unsigned i = 0; i < 4; i++)
		first[i] = 7;
	atomic_store(&object, first);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, reader, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, writer, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(atomic_load(&poisoned), 0);
	assert_int_equal(atomic_load(&gate.inside), 0);
	free(atomic_load(&object));
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
