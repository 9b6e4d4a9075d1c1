/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slabs: what they hand out, reservations, and failing on demand.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void fresh_objects_are_zero_and_apart(void **state)
{
	struct slab slab;
	uint64_t *seen[1000];

	slab_init(&slab, 36, 4096);
	assert_int_equal(slab.size, 40);
	for (unsigned i = 0; i < 1000; i++) {
		seen[i] = slab_alloc(&slab);
		assert_non_null(seen[i]);
		for (unsigned j = 0; j < 5; j++)
			assert_int_equal(seen[i][j], 0);
		memset(seen[i], 0xff, 40);
	}
	for (unsigned i = 0; i < 1000; i++)
		for (unsigned j = 0; j < 5; j++)
			assert_true(seen[i][j] == UINT64_MAX);
	slab_destroy(&slab);
}

static void objects_come_back_as_they_were_given_back(void **state)
{
	struct slab slab;
	uint64_t *a;
	uint64_t *b;

	slab_init(&slab, 24, 4096);
	a = slab_alloc(&slab);
	a[0] = 1;
	a[2] = 3;
	slab_free(&slab, a);
	b = slab_alloc(&slab);
	assert_ptr_equal(a, b);
	assert_int_equal(b[0], 0);
	assert_int_equal(b[2], 3);
	slab_destroy(&slab);
}

static void the_chosen_allocation_fails_and_no_other(void **state)
{
	struct slab slab;

	slab_init(&slab, 16, 4096);
	alloc_fail_nth(2);
	assert_non_null(slab_alloc(&slab));
	assert_false(alloc_has_failed());
	assert_null(slab_alloc(&slab));
	assert_true(alloc_has_failed());
	assert_non_null(slab_alloc(&slab));
	alloc_fail_nth(1);
	assert_null(alloc_zeroed(10));
	alloc_fail_nth(0);
	assert_false(alloc_has_failed());
	slab_destroy(&slab);
}

static void reserved_allocations_do_not_fail(void **state)
{
	struct slab slab;

	slab_init(&slab, 1000, 4096);
	alloc_fail_nth(1);
	assert_int_equal(slab_reserve(&slab, 10), -ENOMEM);
	alloc_fail_nth(0);
	assert_int_equal(slab_reserve(&slab, 10), 0);
	assert_int_equal(slab_reserve(&slab, 5), 0);
	assert_true(slab.nr_free >= 15);
	alloc_fail_nth(1);
	for (unsigned i = 0; i < 15; i++)
		assert_non_null(slab_alloc(&slab));
	assert_false(alloc_has_failed());
	assert_null(slab_alloc(&slab));
	assert_int_equal(slab_reserve(&slab, 3), 0);
	slab_unreserve(&slab);
	alloc_fail_nth(1);
	assert_null(slab_alloc(&slab));
	alloc_fail_nth(0);
	slab_destroy(&slab);
}

static void counts_what_is_free(void **state)
{
	struct slab slab;
	void *object;
	size_t free;

	slab_init(&slab, 64, 4096);
	assert_int_equal(slab_reserve(&slab, 70), 0);
	free = slab.nr_free;
	object = slab_alloc(&slab);
	assert_int_equal(slab.nr_free, free - 1);
	slab_free(&slab, object);
	assert_int_equal(slab.nr_free, free);
	for (size_t i = 0; i < free; i++)
		assert_non_null(slab_alloc(&slab));
	assert_int_equal(slab.nr_free, 0);
	slab_destroy(&slab);
}

static void direct_allocations_are_zero_and_of_any_size(void **state)
{
	static const size_t sizes[] = { 1, 64, 4032, 4033, 100000 };

	for (unsigned i = 0; i < 5; i++) {
		unsigned char *p = alloc_direct(sizes[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 64, 0);
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(p[j], 0);
		memset(p, 0xff, sizes[i]);
		alloc_direct_free(p);
	}
	alloc_direct_free(NULL);
	alloc_fail_nth(1);
	assert_null(alloc_direct(1));
	alloc_fail_nth(0);
}

static void small_allocations_are_zero_and_apart(void **state)
{
	static const size_t sizes[] = { 1, 32, 33, 64, 100, 256, 257, ALLOC_SMALL_MAX };
	unsigned char *p[8][3];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			for (unsigned n = 0; n < 3; n++) {
				p[i][n] = alloc_small(sizes[i]);
				assert_non_null(p[i][n]);
				for (size_t j = 0; j < sizes[i]; j++)
					assert_int_equal(p[i][n][j], 0);
				memset(p[i][n], (int)(i * 3 + n + 1), sizes[i]);
			}
		}
		for (unsigned i = 0; i < 8; i++) {
			for (unsigned n = 0; n < 3; n++) {
				for (size_t j = 0; j < sizes[i]; j++)
					assert_int_equal(p[i][n][j], i * 3 + n + 1);
				alloc_small_free(p[i][n], sizes[i]);
			}
		}
	}
	alloc_small_free(NULL, 7);
	alloc_fail_nth(1);
	assert_null(alloc_small(8));
	alloc_fail_nth(0);
}

static void a_child_of_fork_begins_anew(void **state)
{
	unsigned char *old = alloc_small(64);
	unsigned char *fresh;

	memset(old, 7, 64);
	alloc_small_abandon();
	fresh = alloc_small(64);
	assert_non_null(fresh);
	assert_ptr_not_equal(fresh, old);
	for (unsigned i = 0; i < 64; i++)
		assert_true(old[i] == 7 && !fresh[i]);
	alloc_small_free(fresh, 64);
}

static void *allocate(void *arg)
{
	void *p = alloc_small(8);

	assert_int_equal(alloc_fail_left(), 0);
	alloc_small_free(p, 8);
	return p;
}

static void only_the_thread_that_asked_fails(void **state)
{
	pthread_t thread;
	void *got;

	alloc_fail_nth(2);
	assert_int_equal(pthread_create(&thread, NULL, allocate, NULL), 0);
	pthread_join(thread, &got);
	assert_non_null(got);
	assert_int_equal(alloc_fail_left(), 2);
	alloc_free(alloc_zeroed(1));
	assert_int_equal(alloc_fail_left(), 1);
	assert_false(alloc_has_failed());
	assert_null(alloc_zeroed(1));
	assert_int_equal(alloc_fail_left(), 0);
	assert_true(alloc_has_failed());
	alloc_fail_nth(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_objects_are_zero_and_apart),
		cmocka_unit_test(objects_come_back_as_they_were_given_back),
		cmocka_unit_test(the_chosen_allocation_fails_and_no_other),
		cmocka_unit_test(reserved_allocations_do_not_fail),
		cmocka_unit_test(counts_what_is_free),
		cmocka_unit_test(direct_allocations_are_zero_and_of_any_size),
		cmocka_unit_test(small_allocations_are_zero_and_apart),
		cmocka_unit_test(a_child_of_fork_begins_anew),
		cmocka_unit_test(only_the_thread_that_asked_fails),
	};

	return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
