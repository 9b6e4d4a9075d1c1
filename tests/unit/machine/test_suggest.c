/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include "machine/suggest.h"

static const char *const words[] = { "model", "address", "group", "driver", "bars", NULL };

static void a_slip_finds_its_word(void **state)
{
	assert_string_equal(suggest_word("modle", words), "model");
	assert_string_equal(suggest_word("adress", words), "address");
	assert_string_equal(suggest_word("addresss", words), "address");
	assert_string_equal(suggest_word("bar", words), "bars");
	assert_string_equal(suggest_word("Group", words), "group");
}

static void something_else_finds_nothing(void **state)
{
	char longest[200];

	memset(longest, 'm', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(suggest_word("iommu", words));
	assert_null(suggest_word("x", words));
	assert_null(suggest_word("", words));
	assert_null(suggest_word(longest, words));
	assert_null(suggest_word("model", (const char *const[]){ NULL }));
}

static void the_nearest_of_several_wins(void **state)
{
	const char *const near[] = { "sizes", "size", "sized", NULL };

	assert_string_equal(suggest_word("sise", near), "size");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_finds_its_word),
		cmocka_unit_test(something_else_finds_nothing),
		cmocka_unit_test(the_nearest_of_several_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
