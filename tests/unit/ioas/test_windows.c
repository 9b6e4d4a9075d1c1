/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOVA windows: what may be made, what may be mapped in them, and in which order
 * things may come.
 */
#include "window_fixture.h"

static void a_windowed_space_maps_nothing_before_its_first_window(void **state)
{
	char *memory = pages(1);
	uint64_t iova = 0;

	assert_true(limits().windowed);
	assert_int_equal(map_rw(MIB, memory, PAGE), -EINVAL);
	assert_int_equal(rf_ioas_map(ioas, owner, memory, PAGE, RW, 0, &iova), -ENOSPC);
	assert_int_equal(user_map_at(MIB, memory, PAGE), -EINVAL);
	assert_int_equal(user_map_auto(memory, PAGE, &iova), -ENOSPC);
	assert_int_equal(attach(NULL), 0);
	assert_int_equal(map_rw(MIB, memory, PAGE), -EINVAL);
	assert_int_equal(create_at(MIB, MIB, 0), 0);
	assert_int_equal(map_rw(MIB, memory, PAGE), 0);
	assert_true(lookup(MIB) == (uintptr_t)memory);
	munmap(memory, PAGE);
}

static void a_plain_space_is_windowed_from_its_first_window_on(void **state)
{
	struct iommu_range ranges[4];
	char *memory = pages(1);

	assert_int_equal(attach(NULL), 0);
	assert_false(limits().windowed);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 4), 2); /* the aperture, without MSI */
	assert_int_equal(map_rw(MIB, memory, PAGE), 0);
	assert_int_equal(create_at(GIB, MIB, 0), -EBUSY);
	assert_false(limits().windowed);
	assert_int_equal(rf_ioas_unmap(ioas, MIB, PAGE, 0, NULL), 0);
	assert_int_equal(create_at(GIB, MIB, 0), 0);
	assert_true(limits().windowed);
	assert_int_equal(map_rw(MIB, memory, PAGE), -EINVAL);
	assert_int_equal(map_rw(GIB, memory, PAGE), 0);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 4), 1);
	assert_true(ranges[0].first == GIB && ranges[0].last == GIB + MIB - 1);
	/* and stays so */
	assert_int_equal(rf_ioas_remove_window(ioas, GIB), 0);
	assert_int_equal(map_rw(MIB, memory, PAGE), -EINVAL);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 4), 0);
	assert_int_equal(rf_ioas_new(NULL, RF_IOAS_WINDOWED | 1, &ioas), -EINVAL);
	munmap(memory, PAGE);
}

static void what_is_made_is_recorded(void **state)
{
	const struct rf_window read_only = { .iova = 2 * MIB, .page_size = 65536, .prot = RF_READ };
	struct rf_window list[4];

	memset(list, 0xff, sizeof(list));
	assert_int_equal(create_at(16 * MIB, MIB, 0), 0);
	assert_int_equal(rf_ioas_create_window(ioas, &read_only, MIB, RF_WINDOW_FIXED, NULL), 0);
	assert_int_equal(rf_ioas_get_windows(ioas, list, 1, NULL), 2);
	assert_true(list[0].iova == 2 * MIB && list[0].last == 3 * MIB - 1);
	assert_true(list[0].page_size == 65536 && list[0].prot == RF_READ);
	assert_true(list[1].iova == UINT64_MAX);
	assert_int_equal(rf_ioas_get_windows(ioas, list, 4, NULL), 2);
	assert_true(list[1].iova == 16 * MIB && list[1].last == 17 * MIB - 1);
	assert_true(list[1].page_size == PAGE && list[1].prot == RW);
	assert_true(list[2].iova == UINT64_MAX);
}

static void bad_wishes_are_refused_without_any_change(void **state)
{
	struct rf_window want = { .prot = 4 };

	memset(&got, 0x5a, sizeof(got));
	assert_int_equal(rf_ioas_create_window(ioas, &want, MIB, 0, &got), -EINVAL);
	want.prot = 0;
	assert_int_equal(rf_ioas_create_window(ioas, &want, MIB, 2, &got), -EINVAL);
	assert_int_equal(create_any(0, 0), -EINVAL);
	assert_int_equal(create_any(MIB, 3 * PAGE), -EINVAL);
	assert_int_equal(create_any(MIB + PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(create_any(MIB + 1, 0), -EINVAL);
	assert_int_equal(create_at(PAGE, MIB, 2 * PAGE), -EINVAL);
	assert_int_equal(create_at(PAGE / 2, MIB, 0), -EINVAL);
	assert_int_equal(create_at(0 - MIB, 2 * MIB, PAGE), -EOVERFLOW);
	assert_int_equal(create_at(0 - MIB, 2 * MIB, 0), -EOVERFLOW);
	assert_int_equal(nr_windows(), 0);
	assert_false(limits().windowed);
	assert_true(got.iova == 0x5a5a5a5a5a5a5a5a);
	assert_int_equal(create_at(0 - MIB, MIB, PAGE), 0); /* up to the very end */
	assert_true(got.last == UINT64_MAX);
	assert_int_equal(create_at(0 - PAGE, PAGE, PAGE), -EADDRINUSE);
}

static void windows_do_not_overlap_but_may_touch(void **state)
{
	assert_int_equal(create_at(4 * MIB, 4 * MIB, 0), 0);
	assert_int_equal(create_at(4 * MIB, 4 * MIB, 0), -EADDRINUSE);
	assert_int_equal(create_at(5 * MIB, PAGE, 0), -EADDRINUSE);
	assert_int_equal(create_at(0, 5 * MIB, 0), -EADDRINUSE);
	assert_int_equal(create_at(0, 64 * MIB, 0), -EADDRINUSE);
	assert_int_equal(create_at(7 * MIB, 4 * MIB, 0), -EADDRINUSE);
	assert_int_equal(create_at(8 * MIB, MIB, 0), 0);
	assert_int_equal(create_at(3 * MIB, MIB, 0), 0);
	assert_int_equal(nr_windows(), 3);
}

static void a_mapping_lies_in_one_window(void **state)
{
	char *memory = pages(4);
	uint64_t iova = 0;

	assert_int_equal(create_at(MIB, MIB, 0), 0);
	assert_int_equal(create_at(2 * MIB, MIB, 0), 0); /* right behind it */
	assert_int_equal(map_rw(MIB - PAGE, memory, 2 * PAGE), -EINVAL);
	assert_int_equal(map_rw(2 * MIB - PAGE, memory, 2 * PAGE), -EINVAL);
	assert_int_equal(user_map_at(2 * MIB - PAGE, memory, 2 * PAGE), -EINVAL);
	assert_int_equal(map_rw(3 * MIB - PAGE, memory, 2 * PAGE), -EINVAL);
	assert_int_equal(map_rw(2 * MIB - PAGE, memory, PAGE), 0);
	assert_int_equal(map_rw(2 * MIB, memory, PAGE), 0);
	/* chosen places, too: one page is left of the first, all but one of the second */
	assert_int_equal(rf_ioas_unmap(ioas, 2 * MIB - PAGE, PAGE, 0, NULL), 0);
	assert_int_equal(map_blind(MIB, MIB - PAGE), 0);
	assert_int_equal(rf_ioas_map(ioas, owner, memory, 2 * PAGE, RW, 0, &iova), 0);
	assert_true(iova == 2 * MIB + PAGE);
	assert_int_equal(user_map_auto(memory, 2 * PAGE, &iova), 0);
	assert_true(iova > 2 * MIB + PAGE && iova < 3 * MIB);
	munmap(memory, 4 * PAGE);
}

static void mappings_are_whole_pages_of_the_window(void **state)
{
	char *memory =
		mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *even = (char *)(((uintptr_t)memory + 65535) & ~65535ul);
	uint64_t iova = 0;

	assert_true(memory != MAP_FAILED);
	assert_int_equal(attach(NULL), 0);
	assert_int_equal(create_at(GIB, MIB, 65536), 0);
	/* the hardware has pages of 4 KiB, and would not mind */
	assert_int_equal(map_rw(GIB, even, PAGE), -EINVAL);
	assert_int_equal(map_rw(GIB + PAGE, even, 65536), -EINVAL);
	assert_int_equal(map_rw(GIB, even + PAGE, 65536), -EINVAL);
	assert_int_equal(user_map_at(GIB, even + PAGE, 65536), -EINVAL);
	assert_int_equal(rf_ioas_map(ioas, owner, even, PAGE, RW, 0, &iova), -ENOSPC);
	assert_int_equal(rf_ioas_map(ioas, owner, even + PAGE, 65536, RW, 0, &iova), -ENOSPC);
	assert_int_equal(user_map_auto(even + PAGE, 65536, &iova), -ENOSPC);
	assert_int_equal(map_rw(GIB + 65536, even, 131072), 0);
	assert_int_equal(rf_ioas_map(ioas, owner, even, 131072, RW, 0, &iova), 0);
	assert_true(iova == GIB + 3 * 65536);
	/* what begins inside a page of it is never unmapped */
	assert_int_equal(rf_ioas_unmap(ioas, GIB + 65536, 131072 + PAGE, 0, NULL), -EINVAL);
	assert_int_equal(rf_ioas_unmap(ioas, GIB + PAGE, 131072 + 65536, 0, NULL), -EINVAL);
	assert_int_equal(user_unmap(GIB + PAGE, 131072 + 65536), -EINVAL);
	assert_int_equal(user_unmap(GIB + 65536, 131072), 0);
	munmap(memory, 4 * MIB);
}

static void bytes_may_be_mapped_where_the_window_says_so(void **state)
{
	char *memory = pages(1);
	uint64_t iova = 0;

	assert_int_equal(create_at(MIB, PAGE, 512), 0);
	assert_int_equal(user_map_at(MIB + 512, memory + 1024, 1536), 0);
	assert_int_equal(user_map_at(MIB + 2048 + 64, memory, 512), -EINVAL);
	assert_int_equal(user_map_at(MIB + 2048, memory + 64, 512), -EINVAL);
	assert_int_equal(user_map_auto(memory + 512, 512, &iova), 0);
	assert_true(iova >= MIB && iova < MIB + PAGE && iova % 512 == 0);
	/* but not with an IOMMU that has no such pages */
	assert_int_equal(attach(NULL), -EADDRINUSE);
	assert_int_equal(user_unmap(0, UINT64_MAX), 0);
	assert_int_equal(attach(NULL), -EADDRINUSE);
	assert_int_equal(rf_ioas_remove_window(ioas, MIB), 0);
	assert_int_equal(attach(NULL), 0);
	assert_int_equal(create_at(MIB, PAGE, 512), -EOPNOTSUPP);
	munmap(memory, PAGE);
}

static void a_window_bounds_the_rights_of_its_mappings(void **state)
{
	const struct rf_window reading = { .iova = MIB, .prot = RF_READ };
	const struct rf_window writing = { .iova = 2 * MIB, .prot = RF_WRITE };
	char *memory = pages(2);
	uint64_t iova = MIB;

	assert_int_equal(rf_ioas_create_window(ioas, &reading, MIB, RF_WINDOW_FIXED, &got), 0);
	assert_int_equal(got.prot, RF_READ);
	assert_int_equal(map_rw(MIB, memory, PAGE), -EPERM);
	assert_int_equal(user_map_at(MIB, memory, PAGE), -EPERM);
	assert_int_equal(rf_ioas_map(ioas, owner, memory, PAGE, RF_WRITE, 0, &iova), -ENOSPC);
	assert_int_equal(rf_ioas_create_window(ioas, &writing, MIB, RF_WINDOW_FIXED, &got), 0);
	assert_int_equal(rf_ioas_map(ioas, owner, memory, PAGE, RF_WRITE, 0, &iova), 0);
	assert_true(iova == 2 * MIB);
	assert_int_equal(rf_ioas_map(ioas, owner, memory, PAGE, RF_READ, 0, &iova), 0);
	assert_true(iova == MIB);
	assert_int_equal(user_map_in(ioas, memory, PAGE, RF_WRITE, false, &iova), 0);
	assert_true(iova > 2 * MIB);
	assert_int_equal(user_map_auto(memory, PAGE, &iova), -ENOSPC);
	munmap(memory, 2 * PAGE);
}

static void unmapping_stays_in_one_window(void **state)
{
	char *memory = pages(4);
	uint64_t unmapped;

	assert_int_equal(create_at(MIB, MIB, 0), 0);
	assert_int_equal(create_at(2 * MIB, MIB, 0), 0);
	assert_int_equal(map_rw(2 * MIB - PAGE, memory, PAGE), 0);
	assert_int_equal(map_rw(2 * MIB, memory, PAGE), 0);
	assert_int_equal(rf_ioas_unmap(ioas, 2 * MIB - PAGE, 2 * PAGE, 0, NULL), -EINVAL);
	assert_int_equal(user_unmap(2 * MIB - PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(user_unmap(0, 4 * MIB), -EINVAL);
	assert_int_equal(user_unmap(MIB, MIB + PAGE), -EINVAL);
	assert_int_equal(ioas_compat_unmap(ioas, 2 * MIB - PAGE, 2 * PAGE, &unmapped), -EINVAL);
	assert_int_equal(ioas_compat_unmap(ioas, 8 * MIB, PAGE, &unmapped), -EINVAL);
	assert_int_equal(ioas_nr_areas(ioas), 2);
	assert_int_equal(rf_ioas_unmap(ioas, MIB + PAGE, PAGE, 0, NULL), -ENOENT);
	assert_int_equal(ioas_compat_unmap(ioas, MIB, MIB, &unmapped), 0);
	assert_int_equal(unmapped, PAGE);
	/* everything is everything */
	assert_int_equal(map_rw(MIB, memory, PAGE), 0);
	assert_int_equal(rf_ioas_unmap(ioas, 0, 0, RF_UNMAP_ALL, &unmapped), 0);
	assert_int_equal(unmapped, 2 * PAGE);
	assert_int_equal(user_map_at(MIB, memory, PAGE), 0);
	assert_int_equal(user_unmap(0, UINT64_MAX), 0);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	munmap(memory, 4 * PAGE);
}

static void a_cut_keeps_to_the_pages_of_the_window(void **state)
{
	char *memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *even = (char *)(((uintptr_t)memory + 65535) & ~65535ul);
	uint64_t unmapped;

	assert_true(memory != MAP_FAILED);
	assert_int_equal(ioas_set_huge_pages(ioas, 0), 0);
	assert_int_equal(create_at(GIB, MIB, 65536), 0);
	assert_int_equal(user_map_at(GIB, even, 4 * 65536), 0);
	assert_int_equal(ioas_compat_unmap(ioas, GIB + 2 * PAGE, PAGE, &unmapped), -EINVAL);
	/* nor does a range that wraps cut where it would end */
	assert_int_equal(create_at(2 * GIB, MIB, PAGE), 0);
	assert_int_equal(ioas_compat_unmap(ioas, 2 * GIB, 0 - GIB + PAGE, &unmapped), -EOVERFLOW);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	assert_int_equal(ioas_compat_unmap(ioas, GIB, 0, &unmapped), -EINVAL);
	assert_int_equal(ioas_compat_unmap(ioas, GIB + 65536, 65536, &unmapped), 0);
	assert_int_equal(unmapped, 65536);
	assert_int_equal(ioas_nr_areas(ioas), 2);
	munmap(memory, MIB);
}

static void removing_a_window_undoes_one_and_unmaps_what_is_in_it(void **state)
{
	char *memory = pages(4);

	assert_int_equal(attach(NULL), 0);
	assert_int_equal(create_at(MIB, MIB, 0), 0);
	assert_int_equal(create_at(2 * MIB, MIB, 0), 0);
	assert_int_equal(map_rw(MIB, memory, PAGE), 0);
	assert_int_equal(user_map_at(2 * MIB - PAGE, memory + PAGE, PAGE), 0);
	assert_int_equal(map_rw(2 * MIB, memory + 2 * PAGE, PAGE), 0);
	assert_int_equal(rf_ioas_remove_window(ioas, MIB + PAGE), -ENOENT);
	assert_int_equal(rf_ioas_remove_window(ioas, 3 * MIB), -ENOENT);
	assert_int_equal(rf_ioas_remove_window(ioas, MIB), 0);
	assert_int_equal(rf_ioas_remove_window(ioas, MIB), -ENOENT);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	assert_true(!lookup(MIB) && !lookup(2 * MIB - PAGE));
	assert_true(lookup(2 * MIB) == (uintptr_t)memory + 2 * PAGE);
	assert_int_equal(map_rw(MIB, memory, PAGE), -EINVAL);
	assert_int_equal(create_at(0, 2 * MIB, 0), 0); /* the place is free again */
	assert_int_equal(map_rw(MIB, memory, PAGE), 0);
	munmap(memory, 4 * PAGE);
}

static void copies_need_windows_that_agree(void **state)
{
	const struct rf_window reading = { .iova = 2 * GIB, .page_size = PAGE, .prot = RF_READ };
	char *memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *even = (char *)(((uintptr_t)memory + 65535) & ~65535ul);
	struct rf_ioas *coarse;
	uint64_t iova = GIB;

	assert_int_equal(rf_ioas_new(NULL, RF_IOAS_WINDOWED, &coarse), 0);
	assert_int_equal(create_in(coarse, GIB, MIB, 65536), 0);
	assert_int_equal(create_at(GIB, MIB, PAGE), 0);
	assert_int_equal(rf_ioas_create_window(ioas, &reading, MIB, RF_WINDOW_FIXED, NULL), 0);
	/* from small pages to large ones, however it is aligned */
	assert_int_equal(map_rw(GIB, even, 131072), 0);
	assert_int_equal(rf_ioas_copy(coarse, ioas, GIB, 131072, RW, RF_MAP_FIXED, &iova), -EINVAL);
	assert_int_equal(rf_ioas_unmap(ioas, GIB, 131072, 0, NULL), 0);
	/* from large ones to small ones */
	assert_int_equal(rf_ioas_map(coarse, owner, even, 131072, RW, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB + PAGE, PAGE, RW, RF_MAP_FIXED, &iova), 0);
	/* out of the window, over its end, into what is there */
	iova = 4 * GIB;
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, PAGE, RW, RF_MAP_FIXED, &iova), -EINVAL);
	iova = GIB + MIB - PAGE;
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, 2 * PAGE, RW, RF_MAP_FIXED, &iova),
			 -EINVAL);
	iova = GIB;
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, PAGE, RW, RF_MAP_FIXED, &iova), -EEXIST);
	assert_int_equal(rf_ioas_copy(ioas, coarse, 2 * GIB, PAGE, RW, 0, &iova), -ENOENT);
	/* rights of either window */
	iova = 2 * GIB;
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, PAGE, RW, RF_MAP_FIXED, &iova), -EPERM);
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, PAGE, RF_READ, RF_MAP_FIXED, &iova), 0);
	iova = GIB + 2 * PAGE;
	assert_int_equal(rf_ioas_copy(ioas, ioas, 2 * GIB, PAGE, RF_WRITE, RF_MAP_FIXED, &iova),
			 -EPERM);
	assert_int_equal(rf_ioas_copy(ioas, ioas, 2 * GIB, PAGE, RF_READ, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, PAGE, RW, 0, &iova), 0);
	assert_true(iova == GIB + PAGE);
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, PAGE / 2, RW, 0, &iova), -EINVAL);
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, 0, RW, 0, &iova), -EINVAL);
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, PAGE, RW, 2, &iova), -EINVAL);
	assert_int_equal(rf_ioas_copy(ioas, coarse, GIB, PAGE, 0, 0, &iova), -EINVAL);
	rf_ioas_free(coarse);
	munmap(memory, MIB);
}

static void copies_from_a_plain_space_need_its_memory_aligned(void **state)
{
	char *memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *even = (char *)(((uintptr_t)memory + 65535) & ~65535ul);
	struct rf_ioas *plain;
	uint64_t iova = 0;

	assert_int_equal(rf_ioas_new(NULL, 0, &plain), 0);
	assert_int_equal(rf_ioas_map(plain, owner, even, 262144, RW, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(create_at(GIB, MIB, 65536), 0);
	iova = GIB;
	assert_int_equal(rf_ioas_copy(ioas, plain, PAGE, 65536, RW, RF_MAP_FIXED, &iova), -EINVAL);
	assert_int_equal(rf_ioas_copy(ioas, plain, 65536, PAGE, RW, RF_MAP_FIXED, &iova), -EINVAL);
	assert_int_equal(rf_ioas_copy(ioas, plain, 65536, 131072, RW, RF_MAP_FIXED, &iova), 0);
	/* every mapping that is copied, not only the first */
	iova = 262144;
	assert_int_equal(rf_ioas_map(plain, owner, even + PAGE, 65536, RW, RF_MAP_FIXED, &iova), 0);
	iova = GIB + 262144;
	assert_int_equal(rf_ioas_copy(ioas, plain, 196608, 131072, RW, RF_MAP_FIXED, &iova),
			 -EINVAL);
	assert_int_equal(rf_ioas_copy(ioas, plain, 196608, 65536, RW, RF_MAP_FIXED, &iova), 0);
	/* and back to where nothing is asked */
	iova = 16 * MIB;
	assert_int_equal(rf_ioas_copy(plain, ioas, GIB + PAGE, PAGE, RW, RF_MAP_FIXED, &iova), 0);
	rf_ioas_free(plain);
	munmap(memory, MIB);
}

static void copies_over_two_windows_answer_to_both(void **state)
{
	const struct rf_window reading = { .iova = MIB, .prot = RF_READ };
	const struct rf_window both = { .iova = MIB + PAGE };
	char *memory = pages(2);
	struct rf_ioas *plain;
	uint64_t iova = MIB;

	assert_int_equal(rf_ioas_create_window(ioas, &reading, PAGE, RF_WINDOW_FIXED, NULL), 0);
	assert_int_equal(rf_ioas_create_window(ioas, &both, PAGE, RF_WINDOW_FIXED, NULL), 0);
	assert_int_equal(user_map_in(ioas, memory, PAGE, RF_READ, true, &iova), 0);
	assert_int_equal(user_map_at(MIB + PAGE, memory + PAGE, PAGE), 0);
	assert_int_equal(rf_ioas_new(NULL, 0, &plain), 0);
	iova = 0;
	assert_int_equal(rf_ioas_copy(plain, ioas, MIB, 2 * PAGE, RW, RF_MAP_FIXED, &iova), -EPERM);
	assert_int_equal(rf_ioas_copy(plain, ioas, MIB, 2 * PAGE, RF_READ, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(ioas_nr_areas(plain), 2);
	rf_ioas_free(plain);
	munmap(memory, 2 * PAGE);
}

static void copies_over_two_windows_have_the_smaller_page(void **state)
{
	char *memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *even = (char *)(((uintptr_t)memory + 65535) & ~65535ul);
	struct rf_ioas *coarse;

	assert_true(memory != MAP_FAILED);
	assert_int_equal(rf_ioas_new(NULL, RF_IOAS_WINDOWED, &coarse), 0);
	assert_int_equal(create_in(coarse, GIB, MIB, 65536), 0);
	for (unsigned fine = 0; fine < 2; fine++) {
		uint64_t iova = GIB;

		assert_int_equal(create_at(GIB, 65536, fine == 0 ? PAGE : 65536), 0);
		assert_int_equal(create_at(GIB + 65536, 65536, fine == 1 ? PAGE : 65536), 0);
		assert_int_equal(map_rw(GIB, even, 65536), 0);
		assert_int_equal(map_rw(GIB + 65536, even + 65536, 65536), 0);
		assert_int_equal(rf_ioas_copy(coarse, ioas, GIB, 131072, RW, RF_MAP_FIXED, &iova),
				 -EINVAL);
		assert_int_equal(rf_ioas_copy(coarse, ioas, fine ? GIB : GIB + 65536, 65536, RW,
					      RF_MAP_FIXED, &iova),
				 0);
		assert_int_equal(rf_ioas_unmap(coarse, GIB, 65536, 0, NULL), 0);
		assert_int_equal(rf_ioas_remove_window(ioas, GIB), 0);
		assert_int_equal(rf_ioas_remove_window(ioas, GIB + 65536), 0);
	}
	rf_ioas_free(coarse);
	munmap(memory, MIB);
}

static void allowed_ranges_and_windows_hold_together(void **state)
{
	const struct iommu_range allowed = { 3 * MIB, 4 * MIB - 1 };
	const struct iommu_range elsewhere = { 64 * MIB, 65 * MIB - 1 };
	const struct iommu_range inside = { GIB + 6 * MIB, GIB + 64 * MIB - 1 };
	char *memory = pages(1);
	uint64_t iova;

	assert_int_equal(create_at(2 * MIB, 8 * MIB, 0), 0);
	assert_int_equal(ioas_set_allowed(ioas, &allowed, 1), 0);
	assert_int_equal(user_map_auto(memory, PAGE, &iova), 0);
	assert_true(iova == 3 * MIB);
	assert_int_equal(ioas_set_allowed(ioas, &elsewhere, 1), 0);
	assert_int_equal(user_map_auto(memory, PAGE, &iova), -ENOSPC);
	assert_int_equal(user_map_at(2 * MIB, memory, PAGE), 0); /* only chosen ones are bound */
	munmap(memory, PAGE);
	/* where an allowed range begins inside a page of the window, the next whole one is chosen */
	assert_int_equal(create_at(GIB, 64 * MIB, 4 * MIB), 0);
	assert_int_equal(ioas_set_allowed(ioas, &inside, 1), 0);
	assert_int_equal(user_map_auto((void *)(4 * GIB), 4 * MIB, &iova), 0);
	assert_true(iova == GIB + 8 * MIB);
}

static void huge_pages_cannot_end_under_finer_windows(void **state)
{
	assert_int_equal(create_at(0, MIB, 512), 0);
	assert_int_equal(ioas_set_huge_pages(ioas, 0), -EADDRINUSE);
	assert_int_equal(rf_ioas_remove_window(ioas, 0), 0);
	assert_int_equal(ioas_set_huge_pages(ioas, 0), 0);
	assert_int_equal(create_at(0, MIB, 512), -EOPNOTSUPP);
}

/* An access that lets go when asked, after as many times as it likes. */
static struct rf_access *access_;
static unsigned asked;
static unsigned stubborn;
static bool removing;

static void let_go(void *arg, uint64_t first, uint64_t last)
{
	char *memory = arg;
	uint64_t iova = MIB + 8 * PAGE;

	if (!removing)
		return;
	asked++;
	/* the window is on its way out: nothing may come in, and it cannot leave twice */
	assert_int_equal(map_rw(iova, memory, PAGE), -EINVAL);
	assert_int_equal(rf_ioas_map(ioas, owner, memory, PAGE, RW, 0, &iova), -ENOSPC);
	assert_int_equal(user_map_auto(memory, PAGE, &iova), -ENOSPC);
	assert_int_equal(rf_ioas_remove_window(ioas, MIB), -EBUSY);
	assert_int_equal(create_at(MIB, MIB, 0), -EADDRINUSE);
	if (asked == 1) {
		assert_int_equal(create_at(0, MIB, PAGE), 0); /* others move it in the list */
		assert_int_equal(rf_ioas_remove_window(ioas, 0), 0);
	}
	if (asked <= stubborn)
		return;
	assert_int_equal(create_at(0, MIB, PAGE), 0);
	rf_access_unpin(access_, MIB, PAGE);
}

static const struct rf_access_ops access_ops = { let_go };

static void removal_asks_accesses_to_let_go(void **state)
{
	struct rf_pinned_page pinned;
	char *memory = pages(2);

	asked = 0;
	removing = true;
	stubborn = UINT32_MAX;
	assert_int_equal(rf_access_new(&access_ops, memory, &access_), 0);
	assert_int_equal(rf_access_attach(access_, ioas), 0);
	assert_int_equal(create_at(0, MIB, 512), -EOPNOTSUPP); /* it pins whole pages */
	assert_int_equal(create_at(MIB, MIB, 0), 0);
	assert_int_equal(user_map_at(MIB, memory, PAGE), 0);
	assert_int_equal(rf_access_pin(access_, MIB, PAGE, &pinned, RF_ACCESS_WRITE), 0);
	assert_int_equal(rf_ioas_remove_window(ioas, MIB), -EDEADLK);
	assert_int_equal(asked, 100);
	/* the window stays, and is one again */
	assert_int_equal(nr_windows(), 1);
	assert_int_equal(user_map_at(MIB + PAGE, memory + PAGE, PAGE), 0);
	asked = 0;
	stubborn = 1;
	assert_int_equal(rf_ioas_remove_window(ioas, MIB), 0);
	assert_int_equal(asked, 2);
	assert_int_equal(rf_ioas_get_windows(ioas, &got, 1, NULL), 1);
	assert_true(got.iova == 0);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	removing = false;
	rf_access_free(access_);
	munmap(memory, 2 * PAGE);
}

static void accesses_attach_where_windows_have_whole_pages(void **state)
{
	assert_int_equal(rf_access_new(&access_ops, NULL, &access_), 0);
	assert_int_equal(create_at(0, MIB, 512), 0);
	assert_int_equal(rf_access_attach(access_, ioas), -EADDRINUSE);
	assert_int_equal(rf_ioas_remove_window(ioas, 0), 0);
	assert_int_equal(rf_access_attach(access_, ioas), 0);
	rf_access_free(access_);
}

static void many_windows_are_kept_in_order(void **state)
{
	enum { NR = 500 };

	/* every second place, from both ends to the middle */
	for (unsigned i = 0; i < NR; i++) {
		unsigned n = i & 1 ? NR - 1 - i / 2 : i / 2;

		assert_int_equal(create_at((2 * n + 1) * MIB, MIB, 0), 0);
	}
	for (unsigned n = 0; n < NR; n++) {
		assert_int_equal(create_at((2 * n + 1) * MIB, PAGE, 0), -EADDRINUSE);
		assert_int_equal(map_blind((2 * n + 1) * MIB, MIB), 0);
		assert_int_equal(map_blind((2 * n + 2) * MIB, MIB), -EINVAL);
	}
	assert_int_equal(create_any(MIB, MIB), 0);
	assert_true(got.iova == 2 * MIB);
	for (unsigned n = 0; n < NR; n++)
		assert_int_equal(rf_ioas_remove_window(ioas, (2 * n + 1) * MIB), 0);
	assert_int_equal(nr_windows(), 1);
	assert_int_equal(ioas_nr_areas(ioas), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WINDOWED(a_windowed_space_maps_nothing_before_its_first_window),
		PLAIN(a_plain_space_is_windowed_from_its_first_window_on),
		WINDOWED(what_is_made_is_recorded),
		PLAIN(bad_wishes_are_refused_without_any_change),
		WINDOWED(windows_do_not_overlap_but_may_touch),
		WINDOWED(a_mapping_lies_in_one_window),
		WINDOWED(mappings_are_whole_pages_of_the_window),
		WINDOWED(bytes_may_be_mapped_where_the_window_says_so),
		WINDOWED(a_window_bounds_the_rights_of_its_mappings),
		WINDOWED(unmapping_stays_in_one_window),
		WINDOWED(a_cut_keeps_to_the_pages_of_the_window),
		WINDOWED(removing_a_window_undoes_one_and_unmaps_what_is_in_it),
		WINDOWED(copies_need_windows_that_agree),
		WINDOWED(copies_from_a_plain_space_need_its_memory_aligned),
		WINDOWED(copies_over_two_windows_answer_to_both),
		WINDOWED(copies_over_two_windows_have_the_smaller_page),
		WINDOWED(allowed_ranges_and_windows_hold_together),
		WINDOWED(huge_pages_cannot_end_under_finer_windows),
		WINDOWED(removal_asks_accesses_to_let_go),
		WINDOWED(accesses_attach_where_windows_have_whole_pages),
		WINDOWED(many_windows_are_kept_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
