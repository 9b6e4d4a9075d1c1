/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kinds of IOMMU and the ranges that may be mapped behind them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "iommu/kind.h"

static void the_default_has_the_ranges_programs_know(void **state)
{
	struct iommu_range ranges[IOMMU_MAX_RESV + 1];
	const struct iommu_kind *kind = iommu_kind_find(NULL);

	assert_string_equal(kind->name, "x86");
	assert_true(kind->irq_remapping);
	assert_int_equal(iommu_kind_ranges(kind, ranges), 2);
	assert_true(ranges[0].first == 0 && ranges[0].last == 0xfedfffff);
	assert_true(ranges[1].first == 0xfef00000 && ranges[1].last == (1ull << 48) - 1);
}

static void every_kind_is_found_by_its_name(void **state)
{
	unsigned nr = 0;

	for (const struct iommu_kind *const *kind = iommu_kinds(); *kind; kind++, nr++) {
		assert_ptr_equal(iommu_kind_find((*kind)->name), *kind);
		assert_true((*kind)->page_sizes & 4096);
		assert_true((*kind)->nr_resv <= IOMMU_MAX_RESV);
	}
	assert_true(nr >= 2);
	assert_true(iommu_kind_find("x86-39")->aperture.last == (1ull << 39) - 1);
	assert_null(iommu_kind_find("x87"));
}

static void mock_kinds_are_what_the_kernels_are(void **state)
{
	for (unsigned flags = 0; flags < 4; flags++) {
		const struct iommu_kind *kind = iommu_kind_mock(flags);

		assert_null(iommu_kind_find(kind->name));
		assert_true(kind->mock && kind->nesting);
		assert_int_equal(iommu_kind_page(kind), 2048);
		assert_true(kind->aperture.first == 1ull << 24 &&
			    kind->aperture.last == (1ull << 31) - 1);
		assert_int_equal(kind->dirty_tracking, !(flags & IOMMU_MOCK_NO_DIRTY));
		assert_int_equal(!!(kind->page_sizes & 1 << 20), !!(flags & IOMMU_MOCK_HUGE));
		assert_int_equal(kind->coarse_dirty, !!(flags & IOMMU_MOCK_HUGE));
	}
}

static void reserved_ranges_cut_the_aperture(void **state)
{
	struct iommu_range out[IOMMU_MAX_RESV + 1];
	struct iommu_kind kind = {
		.aperture = { 0x1000, 0xffff },
		.resv = { { { 0, 0xfff }, IOMMU_RESV_DIRECT },
			  { { 0x1000, 0x1fff }, IOMMU_RESV_DIRECT },
			  { { 0x4000, 0x4fff }, IOMMU_RESV_RESERVED },
			  { { 0x5000, 0x5fff }, IOMMU_RESV_MSI },
			  { { 0xf000, 0x1ffff }, IOMMU_RESV_RESERVED },
			  { { 0x20000, 0x20fff }, IOMMU_RESV_RESERVED } },
		.nr_resv = 6,
	};

	assert_int_equal(iommu_kind_ranges(&kind, out), 2);
	assert_true(out[0].first == 0x2000 && out[0].last == 0x3fff);
	assert_true(out[1].first == 0x6000 && out[1].last == 0xefff);

	kind.nr_resv = 0;
	assert_int_equal(iommu_kind_ranges(&kind, out), 1);
	assert_true(out[0].first == 0x1000 && out[0].last == 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_has_the_ranges_programs_know),
		cmocka_unit_test(every_kind_is_found_by_its_name),
		cmocka_unit_test(mock_kinds_are_what_the_kernels_are),
		cmocka_unit_test(reserved_ranges_cut_the_aperture),
	};

	return cmocka_run_group_tests_name("kind", tests, NULL, NULL);
}
