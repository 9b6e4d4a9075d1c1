/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our wire format is the kernel's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi_tables.h"

static void every_name_means_what_the_system_says(void **state)
{
	unsigned compared = 0;

	for (const struct abi_entry *theirs = abi_system; theirs->name; theirs++) {
		const struct abi_entry *ours = abi_ours;

		while (ours->name && strcmp(ours->name, theirs->name))
			ours++;
		if (!ours->name)
			fail_msg("we lack %s", theirs->name);
		if (ours->value != theirs->value)
			fail_msg("%s is %#llx, not %#llx", ours->name, theirs->value, ours->value);
		compared++;
	}
	/* the oldest header we build with has all of the table but its end */
	assert_true(compared > 130);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_means_what_the_system_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
