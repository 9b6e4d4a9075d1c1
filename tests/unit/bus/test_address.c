/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "fixture.h"

static void address_is_read_with_and_without_domain(void **state)
{
	struct pci_address a;

	assert_int_equal(pci_address_parse("abcd:1f:0A.7", &a), 0);
	assert_int_equal(a.domain, 0xabcd);
	assert_int_equal(a.bus, 0x1f);
	assert_int_equal(a.slot, 0x0a);
	assert_int_equal(a.function, 7);
	assert_int_equal(pci_address_parse("01:00.0", &a), 0);
	assert_int_equal(a.domain, 0);
	assert_int_equal(a.bus, 1);
}

static void domains_have_up_to_eight_digits(void **state)
{
	struct pci_address a;

	assert_int_equal(pci_address_parse("10000:e1:00.0", &a), 0);
	assert_int_equal(a.domain, 0x10000);
	assert_int_equal(a.bus, 0xe1);
	assert_int_equal(pci_address_parse("fffffff0:00:1f.7", &a), 0);
	assert_int_equal(a.domain, 0xfffffff0);
	assert_int_equal(pci_address_parse("1fffffff0:00:1f.7", &a), -EINVAL);
	assert_int_equal(pci_address_parse("100000000000", &a), -EINVAL);
	assert_int_equal(pci_address_parse("abcde", &a), -EINVAL);
}

static void address_refuses_anything_else(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"0000:01:00.0 ",
		"0000:01:00.0x",
		"0000:01:00",
		"0000:01:00.8",
		"0000:01:20.0",
		"000:01:00.0",
		"00000:01:00.0",
		"1:0.0",
		"0000:01:00.00",
		" 01:00.0",
		"g1:00.0",
		"0000:01-00.0",
		"0000:01:00.",
	};
	struct pci_address a;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(pci_address_parse(bad[i], &a), -EINVAL);
}

static void addresses_sort_as_sysfs_lists_them(void **state)
{
	static const char *const sorted[] = { "0000:00:00.0", "0000:00:00.1", "0000:00:1f.0",
					      "0000:01:00.0", "0001:00:00.0" };
	struct pci_address a, b;

	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < 5; j++) {
			assert_int_equal(pci_address_parse(sorted[i], &a), 0);
			assert_int_equal(pci_address_parse(sorted[j], &b), 0);
			assert_int_equal(pci_address_compare(&a, &b), (i > j) - (i < j));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_read_with_and_without_domain),
		cmocka_unit_test(domains_have_up_to_eight_digits),
		cmocka_unit_test(address_refuses_anything_else),
		cmocka_unit_test(addresses_sort_as_sysfs_lists_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
