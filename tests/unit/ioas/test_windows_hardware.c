/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOVA windows and what devices' IOMMUs can do: whether windows fit, what is chosen for
 * them, and IOMMUs with a fixed number of their own.
 */
#include "window_fixture.h"

#define HIGH (1ull << 59) /* where the second window of a POWER IOMMU begins */

static void attaching_verifies_the_windows(void **state)
{
	char *memory = pages(1);

	/* beyond the aperture */
	assert_int_equal(create_at(1ull << 47, MIB, 0), 0);
	assert_int_equal(map_rw(1ull << 47, memory, PAGE), 0);
	assert_int_equal(attach("x86-39"), -EADDRINUSE);
	assert_null(ioas->domains);
	assert_int_equal(ioas->nr_reserved, 0);
	assert_int_equal(attach("x86"), 0);
	detach();
	/* over what is reserved */
	assert_int_equal(create_at(0xfed00000, 4 * MIB, 0), 0);
	assert_int_equal(attach("x86"), -EADDRINUSE);
	assert_int_equal(ioas_reserve(ioas, 0xfee00000, 0xfeefffff, memory), -EADDRINUSE);
	assert_int_equal(ioas_reserve(ioas, 0xfe000000, 0xfeefffff, memory), -EADDRINUSE);
	assert_int_equal(ioas_reserve(ioas, 0, 0xfecfffff, memory), 0);
	ioas_unreserve(ioas, memory);
	assert_int_equal(rf_ioas_remove_window(ioas, 0xfed00000), 0);
	assert_int_equal(attach("x86"), 0);
	assert_true(lookup(1ull << 47) == (uintptr_t)memory);
	munmap(memory, PAGE);
}

static void windows_are_made_where_attached_devices_can_reach(void **state)
{
	assert_int_equal(attach("x86-39"), 0);
	assert_int_equal(create_at(1ull << 47, MIB, 0), -EOPNOTSUPP);
	assert_int_equal(create_at((1ull << 39) - MIB, 2 * MIB, 0), -EOPNOTSUPP);
	assert_int_equal(create_at(0xfee00000, PAGE, 0), -EADDRINUSE);
	assert_int_equal(create_at(0, 8 * GIB, 0), -EADDRINUSE);
	assert_int_equal(create_at(MIB, MIB, 2048), -EOPNOTSUPP);
	assert_int_equal(create_any(1ull << 40, 0), -ENOSPC);
	assert_false(limits().windowed);
	assert_int_equal(create_at((1ull << 39) - MIB, MIB, 0), 0);
	assert_int_equal(create_at(0, 0xfee00000, 0), 0);
	assert_int_equal(limits().left, UINT32_MAX);
	assert_true(limits().page_sizes == (1ull << 12 | 1ull << 21 | 1ull << 30));
}

static void what_is_not_asked_for_is_chosen_for_the_devices(void **state)
{
	const struct rf_window anything = { .iova = 12345, .last = 3 };
	struct domain *mock;

	/* nobody is there: a page of memory */
	assert_int_equal(rf_ioas_create_window(ioas, &anything, 4 * MIB, 0, &got), 0);
	assert_true(got.iova == PAGE && got.last == 4 * MIB + PAGE - 1);
	assert_true(got.page_size == PAGE && got.prot == RW);
	assert_int_equal(rf_ioas_remove_window(ioas, PAGE), 0);
	/* pages of 2 MiB fit, and never address 0 */
	assert_int_equal(attach(NULL), 0);
	assert_int_equal(create_any(4 * MIB, 0), 0);
	assert_true(got.iova == 2 * MIB && got.page_size == PAGE);
	assert_int_equal(create_any(MIB, 0), 0);
	assert_true(got.iova == PAGE);
	assert_int_equal(create_any(MIB, 0), 0); /* no room in front any more */
	assert_true(got.iova == 6 * MIB);
	/* around the reserved range, and as large a page as that has room for */
	assert_int_equal(create_any(2 * GIB, 0), 0);
	assert_true(got.iova == GIB);
	assert_int_equal(create_any(2 * GIB, 0), 0);
	assert_true(got.iova == 4 * GIB);
	assert_int_equal(create_any(2 * GIB, 2 * GIB), 0);
	assert_true(got.iova == 6 * GIB && got.page_size == 2 * GIB);
	detach();
	while (nr_windows()) {
		rf_ioas_get_windows(ioas, &got, 1, NULL);
		assert_int_equal(rf_ioas_remove_window(ioas, got.iova), 0);
	}
	/* an aperture that begins elsewhere, pages of 2 KiB: one of memory is enough */
	mock = add_mock(ioas);
	assert_int_equal(create_any(MIB, 0), 0);
	assert_true(got.iova == MOCK_BASE && got.page_size == PAGE);
	assert_int_equal(create_any(MIB, MOCK_PAGE), 0);
	assert_true(got.page_size == MOCK_PAGE);
	ioas_del_domain(ioas, mock);
}

static void a_crowded_space_is_filled_hole_by_hole(void **state)
{
	assert_int_equal(attach("x86-39"), 0);
	assert_int_equal(create_at(0x100000000, (1ull << 39) - 0x100000000, 0), 0);
	assert_int_equal(create_at(2 * PAGE, 0xfe000000 - 2 * PAGE, 0), 0);
	/* there are [0, 0x1fff], [0xfe000000, 0xfedfffff] and [0xfef00000, 0xffffffff] */
	assert_int_equal(create_any(12 * MIB, 0), 0);
	assert_true(got.iova == 0xfe000000);
	assert_int_equal(create_any(16 * MIB, 0), 0);
	assert_true(got.iova == 0xff000000);
	for (uint64_t iova = 0xfec00000; iova < 0xff000000; iova += MIB) {
		if (iova == 0xfee00000)
			continue; /* MSI */
		assert_int_equal(create_any(MIB, 0), 0);
		assert_true(got.iova == iova);
	}
	assert_int_equal(create_any(2 * MIB, 0), -ENOSPC);
}

static void a_hole_of_2_mib_is_taken_unaligned(void **state)
{
	assert_int_equal(attach("x86-39"), 0);
	assert_int_equal(create_at(0x100000000, (1ull << 39) - 0x100000000, 0), 0);
	assert_int_equal(create_at(0xfef00000, 0x1100000, 0), 0);
	assert_int_equal(create_at(3 * MIB + PAGE, 0xfee00000 - 3 * MIB - PAGE, 0), 0);
	assert_int_equal(create_any(3 * MIB, 0), 0); /* at 2 MiB it would not fit */
	assert_true(got.iova == PAGE);
}

/* POWER: two windows, which begin at 0 and at 2^59. */
static struct iommu_window *hardware(unsigned n)
{
	return &ioas->domains->hardware.windows[n];
}

static void an_iommu_of_two_windows_makes_two(void **state)
{
	char *memory = pages(1);

	assert_int_equal(attach("spapr"), 0);
	assert_int_equal(limits().left, 2);
	assert_int_equal(create_any(GIB, 0), 0);
	assert_true(got.iova == 0 && got.page_size == PAGE);
	assert_true(hardware(0)->made && !hardware(1)->made);
	assert_true(hardware(0)->range.last == GIB - 1 && hardware(0)->page == PAGE);
	assert_int_equal(limits().left, 1);
	/* inside the first's reach, but its hardware is taken */
	assert_int_equal(create_at(GIB, MIB, 0), -ENOSPC);
	/* larger than the first could be, and with pages that it has itself */
	assert_int_equal(create_any(16 * GIB, 16 * MIB), 0);
	assert_true(got.iova == HIGH && hardware(1)->page == 16 * MIB);
	assert_int_equal(limits().left, 0);
	assert_int_equal(create_any(MIB, 0), -ENOSPC);
	assert_int_equal(nr_windows(), 2);
	assert_int_equal(map_rw(0, memory, PAGE), 0);
	assert_true(lookup(0) == (uintptr_t)memory);
	/* the guest is reset */
	assert_int_equal(rf_ioas_remove_window(ioas, HIGH), 0);
	assert_false(hardware(1)->made);
	assert_int_equal(create_any(4 * GIB, 65536), 0);
	assert_true(got.iova == HIGH && hardware(1)->page == 65536);
	munmap(memory, PAGE);
}

static void a_window_may_be_less_than_the_hardwares(void **state)
{
	assert_int_equal(attach("spapr"), 0);
	assert_int_equal(create_at(HIGH - MIB, 2 * MIB, 0), -EOPNOTSUPP);
	assert_int_equal(create_at(0, 4 * GIB, 0), -EOPNOTSUPP);
	assert_int_equal(create_at(8 * GIB, GIB, 0), -EOPNOTSUPP);
	assert_int_equal(create_at(0, MIB, 1024), -EOPNOTSUPP);
	assert_int_equal(create_at(256 * MIB, 300 * MIB, 32768), 0);
	/* its table begins at 0, is a power of two long, and of the largest pages that do */
	assert_true(hardware(0)->range.first == 0 && hardware(0)->range.last == GIB - 1);
	assert_true(hardware(0)->page == PAGE);
	assert_int_equal(map_blind(128 * MIB, 32768), -EINVAL);
	assert_int_equal(map_blind(256 * MIB, 32768), 0);
}

static void a_plain_space_has_all_that_two_windows_can_reach(void **state)
{
	struct iommu_range ranges[4];

	assert_int_equal(attach("spapr"), 0);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 4), 2);
	assert_true(ranges[0].first == 0 && ranges[0].last == 2 * GIB - 1);
	assert_true(ranges[1].first == HIGH && ranges[1].last == HIGH + (1ull << 55) - 1);
	assert_int_equal(map_blind(2 * GIB, PAGE), -EINVAL);
	assert_int_equal(map_blind(2 * GIB - PAGE, PAGE), 0);
	assert_int_equal(map_blind(HIGH + (1ull << 54), GIB), 0);
	assert_true(lookup(HIGH + (1ull << 54) + MIB) != 0);
}

static void windows_from_before_must_fit_the_two_of_a_newcomer(void **state)
{
	assert_int_equal(create_at(0, GIB, 0), 0);
	assert_int_equal(create_at(GIB, MIB, 0), 0);
	assert_int_equal(attach("spapr"), -EADDRINUSE); /* both would need the first */
	assert_null(ioas->domains);
	assert_int_equal(rf_ioas_remove_window(ioas, GIB), 0);
	assert_int_equal(attach("spapr"), 0);
	assert_true(hardware(0)->made && !hardware(1)->made);
	detach();
	assert_int_equal(create_at(3 * GIB, MIB, 0), 0);
	assert_int_equal(attach("spapr"), -EADDRINUSE); /* between them */
	assert_int_equal(attach("x86"), 0);
}

static void every_domain_has_to_make_a_window(void **state)
{
	struct domain *second, *third;

	assert_int_equal(attach("spapr"), 0);
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_find("spapr"), 0, &second), 0);
	assert_int_equal(create_any(GIB, 65536), 0);
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		assert_true(d->hardware.windows[0].made && d->hardware.windows[0].page == 65536);
	ioas_del_domain(ioas, second);
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_find("x86"), 0, &second), 0);
	assert_int_equal(limits().left, 1);
	/* whichever came first */
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_find("spapr"), 0, &third), 0);
	detach();
	assert_int_equal(limits().left, 1);
	assert_int_equal(attach("spapr"), 0);
	ioas_del_domain(ioas, third);
	assert_true(limits().page_sizes == PAGE);
	assert_int_equal(create_at(HIGH, GIB, 0), -EOPNOTSUPP); /* one can, the other cannot */
	assert_int_equal(create_any(GIB, 0), -ENOSPC);
	assert_false(hardware(1)->made);
	assert_int_equal(rf_ioas_remove_window(ioas, 0), 0);
	for (struct ioas_domain *d = ioas->domains; d; d = d->next)
		assert_false(d->hardware.windows[0].made);
	ioas_del_domain(ioas, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WINDOWED(attaching_verifies_the_windows),
		PLAIN(windows_are_made_where_attached_devices_can_reach),
		WINDOWED(what_is_not_asked_for_is_chosen_for_the_devices),
		WINDOWED(a_crowded_space_is_filled_hole_by_hole),
		WINDOWED(a_hole_of_2_mib_is_taken_unaligned),
		WINDOWED(an_iommu_of_two_windows_makes_two),
		WINDOWED(a_window_may_be_less_than_the_hardwares),
		PLAIN(a_plain_space_has_all_that_two_windows_can_reach),
		WINDOWED(windows_from_before_must_fit_the_two_of_a_newcomer),
		WINDOWED(every_domain_has_to_make_a_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
