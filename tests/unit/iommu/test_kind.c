/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kinds of IOMMU, and what each of them can do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "iommu/kind.h"

static void the_default_is_what_programs_know(void **state)
{
	const struct iommu_kind *kind = iommu_kind_find(NULL);

	assert_string_equal(kind->name, "x86");
	assert_true(kind->irq_remapping);
	assert_true(kind->aperture.first == 0 && kind->aperture.last == (1ull << 48) - 1);
	assert_int_equal(kind->nr_resv, 1);
	assert_int_equal(kind->resv[0].type, IOMMU_RESV_MSI);
	assert_true(kind->resv[0].range.first == 0xfee00000 &&
		    kind->resv[0].range.last == 0xfeefffff);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_is_what_programs_know),
		cmocka_unit_test(every_kind_is_found_by_its_name),
		cmocka_unit_test(mock_kinds_are_what_the_kernels_are),
	};

	return cmocka_run_group_tests_name("kind", tests, NULL, NULL);
}
