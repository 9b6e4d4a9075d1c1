/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our wire format is the kernel's.
 */
#include "../abi.h"

static void every_name_means_what_the_system_says(void **state)
{
	/* none on a system older than Linux 6.2, which has no such header */
	abi_compare();
}

/* From Linux 6.12, for systems whose headers do not say. */
static void numbers_are_those_of_linux(void **state)
{
	static const struct abi_entry known[] = {
		{ "IOMMU_DESTROY", 0x3b80 },	       { "IOMMU_IOAS_MAP", 0x3b85 },
		{ "IOMMU_IOAS_MAP_FILE", 0x3b8f },     { "IOMMU_HWPT_ALLOC", 0x3b89 },
		{ "IOMMU_FAULT_QUEUE_ALLOC", 0x3b8e }, { "sizeof iommu_ioas_map", 40 },
		{ "sizeof iommu_hw_info", 40 },	       { "sizeof iommu_hwpt_pgfault", 40 },
		{ "IOMMU_IOAS_MAP_READABLE", 4 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const struct abi_entry *ours = abi_find(known[i].name);

		assert_non_null(ours);
		assert_true(ours->value == known[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_means_what_the_system_says),
		cmocka_unit_test(numbers_are_those_of_linux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
