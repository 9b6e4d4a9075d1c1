/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bits of taken numbers, against an array of bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "pasid/ids.h"

#define ALL (1u << IDS_BITS)

static struct ids *ids;
static uint8_t *model;

static int setup(void **state)
{
	ids = calloc(1, sizeof(*ids));
	model = calloc(1, ALL);
	assert_non_null(ids);
	assert_non_null(model);
	ids_init(ids);
	model[0] = 1;
	return 0;
}

static int teardown(void **state)
{
	free(ids);
	free(model);
	return 0;
}

static void zero_is_never_free(void **state)
{
	assert_true(ids_test(ids, 0));
	assert_int_equal(ids_find(ids, 0, 0), IDS_NONE);
	assert_int_equal(ids_find(ids, 0, ALL - 1), 1);
}

static void every_number_is_given_once_in_ascending_order(void **state)
{
	for (uint32_t id = 1; id < ALL; id++) {
		assert_int_equal(ids_find(ids, 1, ALL - 1), id);
		ids_take(ids, id);
	}
	assert_int_equal(ids_find(ids, 1, ALL - 1), IDS_NONE);
	ids_give(ids, ALL - 1);
	ids_give(ids, 4096);
	assert_int_equal(ids_find(ids, 1, ALL - 1), 4096);
	assert_int_equal(ids_find(ids, 4097, ALL - 1), ALL - 1);
	assert_int_equal(ids_find(ids, 4097, ALL - 2), IDS_NONE);
}

static uint32_t model_find(uint32_t min, uint32_t max)
{
	for (uint32_t id = min; id <= max; id++)
		if (!model[id])
			return id;
	return IDS_NONE;
}

static void toggle(uint32_t id)
{
	assert_int_equal(ids_test(ids, id), model[id]);
	model[id] ? ids_give(ids, id) : ids_take(ids, id);
	model[id] ^= 1;
}

static void any_order_agrees_with_plain_bytes(void **state)
{
	uint64_t rnd = 1;

	for (unsigned round = 0; round < 3000; round++) {
		/* runs, so that words of every level fill up and empty */
		uint32_t length = 1u << random_below(&rnd, 14);
		uint32_t at = 1 + (uint32_t)random_below(&rnd, ALL - 1);
		uint32_t max;

		if (round % 4) {
			toggle(at);
		} else {
			for (uint32_t id = at; id < ALL && id - at < length; id++)
				toggle(id);
		}
		at = (uint32_t)random_below(&rnd, ALL);
		max = at + (uint32_t)random_below(&rnd, ALL - at);
		assert_int_equal(ids_find(ids, at, max), model_find(at, max));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(zero_is_never_free, setup, teardown),
		cmocka_unit_test_setup_teardown(every_number_is_given_once_in_ascending_order,
						setup, teardown),
		cmocka_unit_test_setup_teardown(any_order_agrees_with_plain_bytes, setup, teardown),
	};

	return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
