/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows of the hardware's own: which can be made, and what they are set to.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "iommu/window.h"

#define KIB  (1ull << 10)
#define MIB  (1ull << 20)
#define GIB  (1ull << 30)
#define HIGH (1ull << 59)

static int check(const struct iommu_windows *w, uint64_t first, uint64_t length, uint64_t page)
{
	const struct iommu_range range = { first, first + length - 1 };

	return iommu_window_check(w, &range, page);
}

static void make(struct iommu_windows *w, uint64_t first, uint64_t length, uint64_t page)
{
	const struct iommu_range range = { first, first + length - 1 };

	assert_int_equal(iommu_window_check(w, &range, page), 0);
	iommu_window_make(w, &range, page);
}

static void most_iommus_have_any_number(void **state)
{
	struct iommu_windows w = { .kind = iommu_kind_find(NULL) };

	for (unsigned i = 0; i < 10; i++)
		make(&w, i * GIB, GIB, 4 * KIB);
	assert_true(iommu_windows_left(&w) == UINT32_MAX);
	assert_int_equal(check(&w, (1ull << 48) - GIB, GIB, 4 * KIB), 0);
	assert_int_equal(check(&w, (1ull << 48) - GIB, 2 * GIB, 4 * KIB), -EOPNOTSUPP);
	assert_int_equal(check(&w, 0, GIB, 2 * KIB), -EOPNOTSUPP);
}

static void power_has_two(void **state)
{
	struct iommu_windows w = { .kind = iommu_kind_find("spapr") };
	const struct iommu_range high = { HIGH, HIGH + (1ull << 40) - 1 };

	assert_int_equal(iommu_windows_left(&w), 2);
	assert_int_equal(check(&w, 0, 2 * GIB, 4 * KIB), 0);
	assert_int_equal(check(&w, 0, 2 * GIB + 4 * KIB, 4 * KIB), -EOPNOTSUPP);
	assert_int_equal(check(&w, HIGH - 4 * KIB, 8 * KIB, 4 * KIB), -EOPNOTSUPP);
	assert_int_equal(check(&w, HIGH, 1ull << 55, 4 * KIB), 0);
	assert_int_equal(check(&w, HIGH, (1ull << 55) + 4 * KIB, 4 * KIB), -EOPNOTSUPP);
	make(&w, HIGH, 1ull << 40, 64 * KIB);
	assert_int_equal(iommu_windows_left(&w), 1);
	assert_int_equal(check(&w, HIGH + (1ull << 50), GIB, 4 * KIB), -ENOSPC);
	assert_int_equal(check(&w, 0, GIB, 4 * KIB), 0);
	iommu_window_remove(&w, &high);
	assert_int_equal(iommu_windows_left(&w), 2);
	assert_int_equal(check(&w, HIGH + (1ull << 50), GIB, 4 * KIB), 0);
}

static void tables_begin_at_the_base_and_are_powers_of_two(void **state)
{
	static const struct {
		uint64_t first, length, page, table_length, table_page;
	} cases[] = {
		{ 0, 4 * KIB, 4 * KIB, 4 * KIB, 4 * KIB },
		{ 0, GIB, 8 * KIB, GIB, 4 * KIB },
		{ 0, GIB + 4 * KIB, 4 * KIB, 2 * GIB, 4 * KIB },
		{ 256 * MIB, 300 * MIB, MIB, GIB, 64 * KIB },
		{ HIGH, 48 * MIB, 16 * MIB, 64 * MIB, 16 * MIB },
		{ HIGH + 64 * MIB, 64 * MIB, 64 * MIB, 128 * MIB, 16 * MIB },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct iommu_windows w = { .kind = iommu_kind_find("spapr") };
		const struct iommu_window *hw = &w.windows[cases[i].first >= HIGH];
		uint64_t base = cases[i].first & HIGH;

		make(&w, cases[i].first, cases[i].length, cases[i].page);
		assert_true(hw->made && hw->range.first == base);
		assert_true(hw->range.last == base + cases[i].table_length - 1);
		assert_true(hw->page == cases[i].table_page);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_iommus_have_any_number),
		cmocka_unit_test(power_has_two),
		cmocka_unit_test(tables_begin_at_the_base_and_are_powers_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
