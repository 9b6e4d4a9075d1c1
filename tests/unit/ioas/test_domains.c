/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several domains in one address space: all hold every mapping, and what may be
 * mapped is what all can address.
 */
#include "../random.h"
#include "fixture.h"
#include "ioas/domains.h"
#include "ioas/space.h"

static struct domain *get(const char *kind)
{
	struct domain *got;

	assert_int_equal(ioas_get_domain(ioas, iommu_kind_find(kind), &got), 0);
	return got;
}

static int make_bare(void **state)
{
	owner = owner_new_self();
	return owner ? ioas_new(&ioas) : -1;
}

static bool leads(struct domain *d, uint64_t iova)
{
	struct translation t;

	return !domain_translate(d, iova, 0, &t) && t.addr == 0x100000000000 + iova;
}

static void a_domain_is_filled_when_it_comes(void **state)
{
	assert_int_equal(map_blind(0, 8 * PAGE), 0);
	assert_int_equal(map_blind(GIB, 3 * GIB / 2), 0);
	domain = get(NULL);
	assert_true(leads(domain, 0));
	assert_true(leads(domain, 2 * GIB));
	assert_int_equal(lookup(8 * PAGE), 0);
	unmap(0, 8 * PAGE);
	assert_int_equal(lookup(0), 0);
}

static void devices_of_one_kind_share_a_domain(void **state)
{
	struct domain *again;

	domain = get(NULL);
	again = get("x86");
	assert_ptr_equal(domain, again);
	ioas_put_domain(ioas, again);
	assert_int_equal(map_blind(0, PAGE), 0);
	assert_true(leads(domain, 0));
}

static void every_domain_holds_every_mapping(void **state)
{
	struct domain *narrow;

	domain = get(NULL);
	assert_int_equal(map_blind(0, PAGE), 0);
	narrow = get("x86-39");
	assert_ptr_not_equal(narrow, domain);
	assert_int_equal(map_blind(PAGE, PAGE), 0);
	for (uint64_t iova = 0; iova < 2 * PAGE; iova += PAGE)
		assert_true(leads(narrow, iova) && leads(domain, iova));
	unmap(0, PAGE);
	assert_false(leads(narrow, 0));
	assert_false(leads(domain, 0));
	ioas_put_domain(ioas, narrow);
	assert_true(leads(domain, PAGE));
}

static void only_what_all_can_address_may_be_mapped(void **state)
{
	struct iommu_range ranges[4];
	struct domain *narrow;

	assert_int_equal(ioas_ranges(ioas, ranges, 4), 1);
	assert_true(ranges[0].first == 0 && ranges[0].last == UINT64_MAX);
	domain = get("x86-57");
	assert_int_equal(ioas_ranges(ioas, ranges, 4), 2);
	assert_true(ranges[0].last == 0xfedfffff && ranges[1].first == 0xfef00000);
	assert_true(ranges[1].last == (1ull << 57) - 1);
	narrow = get("x86-39");
	assert_int_equal(ioas_ranges(ioas, ranges, 1), 2);
	assert_int_equal(ioas_ranges(ioas, ranges, 4), 2);
	assert_true(ranges[1].last == (1ull << 39) - 1);
	assert_int_equal(map_blind(1ull << 39, PAGE), -EINVAL);
	ioas_put_domain(ioas, narrow);
	assert_int_equal(ioas_ranges(ioas, ranges, 4), 2);
	assert_true(ranges[1].last == (1ull << 57) - 1);
	assert_int_equal(map_blind(1ull << 39, PAGE), 0);
}

static void ranges_of_kinds_with_different_holes_intersect(void **state)
{
	static const struct iommu_kind holes = {
		.name = "holes",
		.page_sizes = PAGE,
		.aperture = { 0x1000, 0x1ffffffff },
		.resv = { { { 0x10000, 0x1ffff }, IOMMU_RESV_RESERVED },
			  { { 0xfee80000, 0xfeffffff }, IOMMU_RESV_RESERVED } },
		.nr_resv = 2,
	};
	struct iommu_range ranges[4];
	struct domain *other;

	domain = get(NULL);
	assert_int_equal(ioas_get_domain(ioas, &holes, &other), 0);
	assert_int_equal(ioas_ranges(ioas, ranges, 4), 3);
	assert_true(ranges[0].first == 0x1000 && ranges[0].last == 0xffff);
	assert_true(ranges[1].first == 0x20000 && ranges[1].last == 0xfedfffff);
	assert_true(ranges[2].first == 0xff000000 && ranges[2].last == 0x1ffffffff);
	ioas_put_domain(ioas, other);
}

static void a_kind_that_cannot_reach_a_mapping_is_refused(void **state)
{
	struct iommu_range ranges[4];
	struct domain *got = NULL;

	domain = get(NULL);
	assert_int_equal(map_blind(1ull << 40, PAGE), 0);
	assert_int_equal(ioas_get_domain(ioas, iommu_kind_find("x86-39"), &got), -EADDRINUSE);
	assert_null(got);
	assert_int_equal(ioas_ranges(ioas, ranges, 4), 2);
	assert_true(ranges[1].last == (1ull << 48) - 1);
	assert_true(leads(domain, 1ull << 40));
	unmap(1ull << 40, PAGE);
	got = get("x86-39");
	ioas_put_domain(ioas, got);
}

static void a_mapping_across_the_reserved_range_refuses_a_domain(void **state)
{
	struct domain *got;

	assert_int_equal(map_blind(0xfedff000, 2 * MIB), 0);
	assert_int_equal(ioas_get_domain(ioas, iommu_kind_find(NULL), &got), -EADDRINUSE);
	unmap(0xfedff000, 2 * MIB);
	domain = get(NULL);
}

static void each_allocation_of_a_new_domain_may_fail(void **state)
{
	struct iommu_range ranges[4];
	struct domain *got;
	int ret = -ENOMEM;

	domain = get(NULL);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(map_blind(i * 4 * PAGE, PAGE), 0);
	for (long nth = 1; ret; nth++) {
		alloc_fail_nth(nth);
		ret = ioas_get_domain(ioas, iommu_kind_find("x86-39"), &got);
		if (alloc_has_failed()) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(ioas_ranges(ioas, ranges, 4), 2);
			assert_true(ranges[1].last == (1ull << 48) - 1);
		} else {
			assert_int_equal(ret, 0);
			assert_true(nth > 5);
		}
	}
	alloc_fail_nth(0);
	for (uint64_t i = 0; i < 20; i++)
		assert_true(leads(got, i * 4 * PAGE));
	ioas_put_domain(ioas, got);
}

static void a_map_that_fails_in_the_second_domain_leaves_the_first(void **state)
{
	struct domain *other;
	bool failed = true;

	domain = get(NULL);
	other = get("x86-39");
	for (long nth = 1; failed; nth++) {
		int ret;

		assert_int_equal(map_blind(0, PAGE), 0);
		alloc_fail_nth(nth);
		ret = map_blind(PAGE, PAGE);
		failed = alloc_has_failed();
		alloc_fail_nth(0);
		assert_int_equal(ret, failed ? -ENOMEM : 0);
		assert_int_equal(leads(domain, PAGE), !failed);
		assert_int_equal(leads(other, PAGE), !failed);
		assert_true(leads(domain, 0) && leads(other, 0));
		assert_int_equal(ioas_nr_areas(ioas), failed ? 1 : 2);
		unmap(0, GIB);

		/* new domains have no tables left over */
		ioas_put_domain(ioas, domain);
		ioas_put_domain(ioas, other);
		domain = get(NULL);
		other = get("x86-39");
	}
	ioas_put_domain(ioas, other);
}

/* Who reserved what, as a plain list. */
enum { WHOS = 24, OF_EACH = 3, UNITS = 64 };

struct wish {
	uint64_t first;
	uint64_t last;
};

static struct wish wishes[WHOS][OF_EACH];
static unsigned nr_wishes[WHOS];

static bool is_reserved(uint64_t unit)
{
	for (unsigned w = 0; w < WHOS; w++)
		for (unsigned i = 0; i < nr_wishes[w]; i++)
			if (wishes[w][i].first <= unit && unit <= wishes[w][i].last)
				return true;
	return false;
}

static void ranges_are_those_of_the_list(void)
{
	struct iommu_range ranges[UNITS + 2];
	unsigned nr = ioas_ranges(ioas, ranges, UNITS + 2), n = 0;

	for (uint64_t unit = 0; unit <= UNITS; unit++) {
		bool begins = !is_reserved(unit) && (!unit || is_reserved(unit - 1));
		bool ends = !is_reserved(unit) && (unit == UNITS || is_reserved(unit + 1));

		if (begins)
			assert_true(n < nr && ranges[n].first == unit * PAGE);
		if (ends)
			assert_true(ranges[n++].last ==
				    (unit == UNITS ? UINT64_MAX : (unit + 1) * PAGE - 1));
	}
	assert_int_equal(n, nr);
}

/* Many want the same few ranges, others overlap. */
static void reserved_ranges_are_like_a_plain_list(void **state)
{
	uint64_t rnd = 11;

	memset(nr_wishes, 0, sizeof(nr_wishes));
	for (unsigned step = 0; step < 4000; step++) {
		unsigned w = (unsigned)random_below(&rnd, WHOS);
		struct wish wish = { .first = random_below(&rnd, UNITS) };

		if (random_below(&rnd, 4) == 0 || nr_wishes[w] == OF_EACH) {
			ioas_unreserve(ioas, &nr_wishes[w]);
			nr_wishes[w] = 0;
		} else {
			wish.first -= random_below(&rnd, 2) ? wish.first % 16 : 0;
			wish.last = wish.first + random_below(&rnd, 4);
			wish.last = wish.last < UNITS ? wish.last : UNITS - 1;
			assert_int_equal(ioas_reserve(ioas, wish.first * PAGE,
						      (wish.last + 1) * PAGE - 1, &nr_wishes[w]),
					 0);
			wishes[w][nr_wishes[w]++] = wish;
		}
		ranges_are_those_of_the_list();
	}
	for (unsigned w = 0; w < WHOS; w++)
		ioas_unreserve(ioas, &nr_wishes[w]);
	assert_int_equal(ioas->nr_holes, 0);
	/* what is nobody's goes with the space */
	assert_int_equal(ioas_reserve(ioas, 0, PAGE - 1, NULL), 0);
}

/* Any order, and those that are shared are found among those that are not. */
static void domains_go_in_any_order(void **state)
{
	static const char *const kinds[] = { "x86", "x86-39" };
	struct domain *own[60], *shared[2];

	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(ioas_add_domain(ioas, iommu_kind_find(kinds[i % 2]), 0, &own[i]),
				 0);
	for (unsigned i = 0; i < 2; i++)
		shared[i] = get(kinds[i]);
	assert_int_equal(map_blind(0, PAGE), 0);
	assert_ptr_equal(get(kinds[0]), shared[0]);
	ioas_put_domain(ioas, shared[0]);
	for (unsigned i = 0; i < 60; i++) {
		assert_true(leads(own[i * 7 % 60], 0) && leads(shared[0], 0));
		ioas_del_domain(ioas, own[i * 7 % 60]);
	}
	assert_ptr_equal(get(kinds[1]), shared[1]);
	ioas_put_domain(ioas, shared[1]);
	assert_int_equal(map_blind(1ull << 40, PAGE), -EINVAL);
	ioas_put_domain(ioas, shared[1]);
	assert_int_equal(map_blind(1ull << 40, PAGE), 0);
	ioas_put_domain(ioas, shared[0]);
	assert_null(ioas->domains);
	assert_int_equal(ioas->nr_reserved, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_bare, drop_space)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_domain_is_filled_when_it_comes),
		TEST(devices_of_one_kind_share_a_domain),
		TEST(every_domain_holds_every_mapping),
		TEST(only_what_all_can_address_may_be_mapped),
		TEST(ranges_of_kinds_with_different_holes_intersect),
		TEST(a_kind_that_cannot_reach_a_mapping_is_refused),
		TEST(a_mapping_across_the_reserved_range_refuses_a_domain),
		TEST(each_allocation_of_a_new_domain_may_fail),
		TEST(a_map_that_fails_in_the_second_domain_leaves_the_first),
		TEST(reserved_ranges_are_like_a_plain_list),
		TEST(domains_go_in_any_order),
	};

	return cmocka_run_group_tests_name("domains", tests, NULL, NULL);
}
