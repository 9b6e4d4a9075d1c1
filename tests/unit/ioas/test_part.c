/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of an address space against a map of pages: holes, places chosen,
 * mappings found, through random maps and unmaps.
 */
#include "fixture.h"

#include "../random.h"
#include "ioas/space.h"

#define NR 512u /* pages */

static uint64_t rnd;
static uint16_t taken[NR + 1]; /* number of the mapping, 0: free */

/* The lowest place by trying all. */
static bool brute_place(unsigned first, unsigned last, unsigned length, unsigned align,
			unsigned *page)
{
	for (unsigned start = first; start + length - 1 <= last; start++) {
		unsigned i = 0;

		if (start % align)
			continue;
		while (i < length && !taken[start + i])
			i++;
		if (i == length) {
			*page = start;
			return true;
		}
	}
	return false;
}

static void check_place(void)
{
	unsigned first = (unsigned)random_below(&rnd, NR);
	unsigned last = first + (unsigned)random_below(&rnd, NR - first);
	unsigned length = 1 + (unsigned)random_below(&rnd, random_below(&rnd, 2) ? 8 : 64);
	unsigned align = 1u << random_below(&rnd, 5);
	struct iommu_range range = { first * PAGE, last * PAGE + PAGE - 1 };
	unsigned page;
	uint64_t iova;
	bool expected = brute_place(first, last, length, align, &page);

	assert_int_equal(part_find_gap(ioas, &range, (uint64_t)length * PAGE, align * PAGE, 0,
				       &iova),
			 expected);
	if (expected)
		assert_true(iova == page * PAGE);
}

static void check_find(void)
{
	unsigned page = (unsigned)random_below(&rnd, NR);
	unsigned last = page + (unsigned)random_below(&rnd, NR - page);
	struct area_info info;
	bool found = ioas_find(ioas, page * PAGE + random_below(&rnd, PAGE), &info);
	unsigned i = page;

	assert_int_equal(found, taken[page] != 0);
	if (found) {
		assert_int_equal(taken[info.first / PAGE], taken[page]);
		assert_int_equal(taken[info.last / PAGE], taken[page]);
		assert_int_not_equal(taken[info.last / PAGE + 1], taken[page]);
		if (info.first)
			assert_int_not_equal(taken[info.first / PAGE - 1], taken[page]);
	}
	while (i < last && !taken[i])
		i++;
	found = ioas_find_first(ioas, page * PAGE, last * PAGE, &info);
	assert_int_equal(found, taken[i] != 0);
	if (found)
		assert_int_equal(taken[info.first / PAGE], taken[i]);
}

static void agrees_with_a_map_of_pages(void **state)
{
	unsigned number = 0;

	for (unsigned step = 0; step < 20000; step++) {
		unsigned page = (unsigned)random_below(&rnd, NR);

		if (taken[page]) {
			struct area_info info;

			assert_true(ioas_find(ioas, page * PAGE, &info));
			assert_true(unmap(info.first, info.last - info.first + 1) ==
				    info.last - info.first + 1);
			for (uint64_t i = info.first / PAGE; i <= info.last / PAGE; i++)
				taken[i] = 0;
		} else {
			unsigned length = 1 + (unsigned)random_below(&rnd, 12);
			unsigned free = 0;

			while (free < length && page + free < NR && !taken[page + free])
				free++;
			number = number % 60000 + 1;
			assert_int_equal(map_blind(page * PAGE, length * PAGE),
					 free == length ? 0 : -EEXIST);
			for (unsigned i = 0; free == length && i < length; i++)
				taken[page + i] = (uint16_t)number;
		}
		check_place();
		check_find();
	}
}

/* What Linux does by scanning: it must stay cheap however full the space is. */
static void a_dense_space_is_searched_in_few_steps(void **state)
{
	enum { N = 100000 };
	struct iommu_range all = { 0, UINT64_MAX };
	uint64_t iova;

	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(map_blind(i * PAGE, PAGE), 0);
	for (unsigned i = 0; i < 100000; i++) {
		assert_true(part_find_gap(ioas, &all, PAGE, PAGE, 0, &iova));
		assert_true(iova == N * PAGE);
	}
	assert_int_equal(unmap(777 * PAGE, PAGE), PAGE);
	assert_true(part_find_gap(ioas, &all, PAGE, PAGE, 0, &iova));
	assert_true(iova == 777 * PAGE);
	assert_true(part_find_gap(ioas, &all, 2 * PAGE, PAGE, 0, &iova));
	assert_true(iova == N * PAGE);
}

/* Beyond the map of pages everything is taken, so that mappings cannot leave it. */
static int make_walled(void **state)
{
	int ret = make_space(state);

	rnd = 11;
	taken[NR] = UINT16_MAX;
	return ret ? ret : map_blind(NR * PAGE, GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(agrees_with_a_map_of_pages, make_walled,
						drop_space),
		cmocka_unit_test_setup_teardown(a_dense_space_is_searched_in_few_steps, make_space,
						drop_space),
	};

	return cmocka_run_group_tests_name("part", tests, NULL, NULL);
}
