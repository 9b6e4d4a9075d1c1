/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include "machine/spot.h"

static const char text[] = "\n"
			   "{ \"one\": \"}],{[\\\"\\\\\",\n"
			   "  \"two\": { \"deep\":\n"
			   "     [ 1,\n"
			   "       [ \"]\" ],\n"
			   "       { \"in\": null }\n"
			   "     ] },\n"
			   "  \"thr\\u0065e\"\n"
			   "  : true }\n";

static void a_member_is_found_on_the_line_of_its_key(void **state)
{
	struct spot root = spot_root(text);

	assert_int_equal(spot_line(root), 2);
	assert_int_equal(spot_line(spot_member(root, "one")), 2);
	assert_int_equal(spot_line(spot_member(root, "two")), 3);
	assert_int_equal(spot_line(spot_member(root, "three")), 8);
}

static void elements_are_counted_past_brackets_in_strings(void **state)
{
	struct spot deep = spot_member(spot_member(spot_root(text), "two"), "deep");
	struct spot at = spot_first(deep);

	assert_int_equal(spot_line(deep), 3);
	assert_int_equal(spot_line(at), 4);
	at = spot_next(at);
	assert_int_equal(spot_line(at), 5);
	at = spot_next(at);
	assert_int_equal(spot_line(at), 6);
	assert_int_equal(spot_line(spot_member(at, "in")), 6);
	assert_ptr_equal(spot_next(at).value, at.value);
}

static void what_is_not_there_is_told_by_its_holder(void **state)
{
	struct spot root = spot_root(text);
	struct spot one = spot_member(root, "one");

	assert_ptr_equal(spot_member(root, "four").value, root.value);
	assert_ptr_equal(spot_member(one, "x").value, one.value);
	assert_ptr_equal(spot_first(one).value, one.value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_is_found_on_the_line_of_its_key),
		cmocka_unit_test(elements_are_counted_past_brackets_in_strings),
		cmocka_unit_test(what_is_not_there_is_told_by_its_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
