/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our wire format is the kernel's.
 */
#include "../abi.h"

static void every_name_means_what_the_system_says(void **state)
{
	/* the oldest header we build with has all of the table but its end */
	assert_true(abi_compare() > 130);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_means_what_the_system_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
