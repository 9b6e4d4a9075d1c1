/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds among allocations, frees and changes of private data, whose objects are
 * poisoned and freed after rf_pasid_sync(). No find may see poison, or an object of
 * another set or type; ThreadSanitizer checks the order.
 */
#include <pthread.h>

#include "../faults.h"
#include "../random.h"
#include "fixture.h"

#if UNDER_TSAN
#define ROUNDS 3000u
#else
#define ROUNDS 20000u
#endif
#define WRITERS 2u
#define READERS 2u
#define RANGE	8u /* all fight for the same few numbers */
#define POISON	0xdeadu

static struct rf_pasid_set *sets[WRITERS];
static const struct rf_pasid_type *const types[WRITERS] = { &sva, &aux };
static atomic_bool stop;
static atomic_uint found;

static struct object *new_object(unsigned value)
{
	struct object *object = malloc(sizeof(*object));

	assert_non_null(object);
	atomic_init(&object->refs, 1);
	object->value = value;
	return object;
}

static void object_put(struct object *object)
{
	if (atomic_fetch_sub(&object->refs, 1) != 1)
		return;
	object->value = POISON;
	free(object);
}

/* The order that the header demands: taken away, waited, let go. */
static void retire(struct object *object)
{
	assert_int_equal(rf_pasid_sync(), 0);
	object_put(object);
}

static void *write_all(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t rnd = me;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct object *object = new_object(me);
		uint32_t pasid;
		void *old;

		if (rf_pasid_alloc(sets[me], 1, RANGE, object, &pasid)) {
			object_put(object); /* nobody saw it */
			continue;
		}
		if (random_below(&rnd, 2)) {
			struct object *next = new_object(me);

			assert_int_equal(rf_pasid_set_data(sets[me], pasid, next, &old), 0);
			assert_ptr_equal(old, object);
			retire(object);
			object = next;
		}
		if (random_below(&rnd, 4) == 0) {
			assert_int_equal(rf_pasid_get(sets[me], pasid), 0);
			assert_int_equal(rf_pasid_free(sets[me], pasid), 0);
			assert_int_equal(rf_pasid_put(sets[me], pasid), 0);
		} else {
			assert_int_equal(rf_pasid_free(sets[me], pasid), 0);
		}
		retire(object);
		if (round % 64 == 63) {
			rf_pasid_set_free(sets[me]);
			sets[me] = new_set(types[me], &alice, 4);
		}
	}
	return NULL;
}

static void *read_typed(void *arg)
{
	uint64_t rnd = 77;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		unsigned of = (unsigned)random_below(&rnd, WRITERS);
		uint32_t pasid = 1 + (uint32_t)random_below(&rnd, RANGE);
		struct object *object = pasid_find_typed(space, types[of], pasid, object_tryget);

		if (!object)
			continue;
		assert_int_equal(object->value, of);
		atomic_fetch_add_explicit(&found, 1, memory_order_relaxed);
		object_put(object);
	}
	return NULL;
}

static void finds_see_no_poison_and_nothing_of_others(void **state)
{
	pthread_t writers[WRITERS], readers[READERS];

	for (unsigned i = 0; i < WRITERS; i++)
		sets[i] = new_set(types[i], &alice, 4);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_typed, NULL), 0);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_all, (void *)i), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	for (unsigned i = 0; i < WRITERS; i++)
		rf_pasid_set_free(sets[i]);
	assert_true(atomic_load(&found) > 0);
}

/* The same by set, which stays; its objects are changed under the readers' hands. */
static uint32_t shared[RANGE];

static void *read_set(void *arg)
{
	uint64_t rnd = 78;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint32_t pasid = 1 + (uint32_t)random_below(&rnd, RANGE);
		struct object *object = rf_pasid_find(sets[0], pasid, object_tryget);

		if (!object)
			continue;
		assert_int_equal(object->value, pasid);
		atomic_fetch_add_explicit(&found, 1, memory_order_relaxed);
		object_put(object);
	}
	return NULL;
}

static void *change_set(void *arg)
{
	uint64_t rnd = (uintptr_t)arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t pasid = 1 + (uint32_t)random_below(&rnd, RANGE);
		struct object *object = new_object(pasid);
		void *old = NULL;

		if (random_below(&rnd, 3) == 0 && !rf_pasid_free(sets[1], pasid))
			fail_msg("a PASID of another set was freed");
		assert_int_equal(rf_pasid_set_data(sets[0], pasid, object, &old), 0);
		retire(old);
	}
	return NULL;
}

static void data_changes_under_the_hands_of_readers(void **state)
{
	pthread_t writers[WRITERS], readers[READERS];

	atomic_store(&stop, false);
	atomic_store(&found, 0);
	for (unsigned i = 0; i < WRITERS; i++)
		sets[i] = new_set(&sva, &alice, RANGE);
	for (unsigned i = 0; i < RANGE; i++)
		shared[i] = alloc(sets[0], new_object(i + 1));
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_set, NULL), 0);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, change_set, (void *)i), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	for (unsigned i = 0; i < RANGE; i++)
		object_put(rf_pasid_find(sets[0], shared[i], NULL));
	for (unsigned i = 0; i < WRITERS; i++)
		rf_pasid_set_free(sets[i]);
	assert_true(atomic_load(&found) > 0);
}

/* One number goes from set to set as fast as can be: whose pointer is it? */
static struct object lasting[WRITERS] = { { 1, 0 }, { 1, 1 } };

static void *change_hands(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (unsigned round = 0; round < 10 * ROUNDS; round++) {
		uint32_t pasid;

		if (!rf_pasid_alloc(sets[me], 1, 1, &lasting[me], &pasid))
			assert_int_equal(rf_pasid_free(sets[me], pasid), 0);
	}
	return NULL;
}

static void *read_changing(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct object *object = pasid_find_typed(space, types[0], 1, NULL);

		assert_true(!object || object == &lasting[0]);
		object = rf_pasid_find(sets[1], 1, NULL);
		assert_true(!object || object == &lasting[1]);
	}
	return NULL;
}

static void a_number_that_changes_hands_is_never_mixed_up(void **state)
{
	pthread_t writers[WRITERS], reader;

	atomic_store(&stop, false);
	for (unsigned i = 0; i < WRITERS; i++)
		sets[i] = new_set(types[i], &alice, 1);
	assert_int_equal(pthread_create(&reader, NULL, read_changing, NULL), 0);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, change_hands, (void *)i), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&stop, true);
	pthread_join(reader, NULL);
	for (unsigned i = 0; i < WRITERS; i++)
		rf_pasid_set_free(sets[i]);
}

/* A host that gives numbers to several threads at once, and counts what is out. */
static atomic_uint taken[RANGE + 1], outstanding;

static int host_alloc(void *data, uint32_t min, uint32_t max, uint32_t *pasid)
{
	for (uint32_t id = min; id <= max && id <= RANGE; id++) {
		if (atomic_exchange(&taken[id], 1))
			continue;
		atomic_fetch_add(&outstanding, 1);
		*pasid = id;
		return 0;
	}
	return -ENOSPC;
}

static void host_free(void *data, uint32_t pasid)
{
	atomic_fetch_sub(&outstanding, 1);
	if (!atomic_exchange(&taken[pasid], 0))
		fail_msg("given back twice");
}

static void *use_host(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint32_t pasid;

	for (unsigned round = 0; round < ROUNDS; round++) {
		int ret = rf_pasid_alloc(sets[me], 1, RANGE, &lasting[me], &pasid);

		if (ret)
			fail_msg("%d", ret); /* there are enough for all */
		if (round % 2) {
			assert_int_equal(rf_pasid_get(sets[me], pasid), 0);
			assert_int_equal(rf_pasid_free(sets[me], pasid), 0);
			assert_int_equal(rf_pasid_put(sets[me], pasid), 0);
		} else {
			assert_int_equal(rf_pasid_free(sets[me], pasid), 0);
		}
	}
	alloc(sets[me], NULL); /* goes with the set */
	return NULL;
}

static void an_allocator_serves_many_threads(void **state)
{
	static const struct rf_pasid_allocator host = { "host", host_alloc, host_free };
	pthread_t threads[WRITERS];

	assert_int_equal(pasid_allocator_register(space, &host, NULL), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		sets[i] = new_set(types[i], &alice, 2);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_host, (void *)i), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&outstanding), WRITERS);
	assert_int_equal(pasid_allocator_unregister(space, &host), -EAGAIN);
	for (unsigned i = 0; i < WRITERS; i++)
		rf_pasid_set_free(sets[i]);
	assert_int_equal(atomic_load(&outstanding), 0);
	assert_int_equal(pasid_allocator_unregister(space, &host), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_see_no_poison_and_nothing_of_others, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_allocator_serves_many_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(a_number_that_changes_hands_is_never_mixed_up,
						setup, teardown),
		cmocka_unit_test_setup_teardown(data_changes_under_the_hands_of_readers, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
