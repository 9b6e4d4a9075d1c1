/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every allocation of every step fails in turn. A step that fails says -ENOMEM,
 * and leaves mappings, pins, charges and reserved ranges as they were; tried
 * again it works.
 */
#include "user_fixture.h"

static struct rf_ioas *other;
static struct account *account;
static struct domain *mock;
static struct domain *added;
static struct ioas_access *access_;
static struct ioas_pinned pinned[16];
static char *memory;

static void let_go(void *arg, uint64_t first, uint64_t last)
{
}

static const struct ioas_access_ops ops = { let_go };

static int make_all(void **state)
{
	account = account_new(UINT64_MAX);
	memory = pages(16);
	if (!account || make_empty(state) || ioas_new(&other))
		return -1;
	ioas_set_account(ioas, account, ACCOUNT_USER);
	ioas_set_account(other, account, ACCOUNT_USER);
	added = NULL;
	mock = NULL;
	return ioas_access_new(&ops, NULL, &access_);
}

static int drop_all(void **state)
{
	alloc_fail_nth(0);
	if (mock)
		ioas_del_domain(ioas, mock);
	if (added)
		ioas_del_domain(other, added);
	ioas_access_free(access_);
	rf_ioas_free(other);
	drop_empty(state);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);
	account_free(account);
	munmap(memory, 16 * PAGE);
	return 0;
}

/**
 * struct look - what must not change
 */
struct look {
	uint64_t areas[2];
	uint64_t charged;
	uint64_t alignment[2];
	unsigned ranges[2];
	unsigned pins;
	int bytes[8];
};

static struct look look(void)
{
	struct iommu_range ranges[1];
	struct look l = {
		.areas = { ioas_nr_areas(ioas), ioas_nr_areas(other) },
		.charged = account_pages(account, ACCOUNT_USER),
		.alignment = { ioas_alignment(ioas), ioas_alignment(other) },
		.ranges = { ioas_iova_ranges(ioas, ranges, 0), ioas_iova_ranges(other, ranges, 0) },
	};

	for (unsigned i = 0; i < 16; i++)
		l.pins = l.pins * 7 + pages_pin_count(owner, (uintptr_t)memory + i * PAGE);
	for (unsigned i = 0; i < 8; i++)
		l.bytes[i] = mock ? device_reads(mock, MOCK_BASE + i * PAGE) : 0;
	return l;
}

/* Run @step until no allocation of it fails; returns how many did. */
static unsigned fail_each(int (*step)(void))
{
	for (long nth = 1;; nth++) {
		struct look before = look();
		struct look after;
		bool failed;
		int ret;

		alloc_fail_nth(nth);
		ret = step();
		failed = alloc_has_failed();
		alloc_fail_nth(0);
		if (!failed) {
			assert_int_equal(ret, 0);
			return (unsigned)nth - 1;
		}
		assert_int_equal(ret, -ENOMEM);
		after = look();
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

static int step_map(void)
{
	return user_map_at(MOCK_BASE, memory, 8 * PAGE);
}

static int step_copy(void)
{
	uint64_t iova = MOCK_BASE + MOCK_PAGE;

	return ioas_user_copy(other, ioas, MOCK_BASE, 8 * PAGE, RW, true, &iova);
}

static int step_copy_back(void)
{
	uint64_t iova = 3 * MOCK_BASE;

	return ioas_user_copy(ioas, other, MOCK_BASE + MOCK_PAGE, 8 * PAGE, RW, true, &iova);
}

static int step_domain(void)
{
	return ioas_add_domain(ioas, iommu_kind_mock(0), DOMAIN_DIRTY_TRACKING, &mock);
}

static int step_domain_of_other(void)
{
	return ioas_add_domain(other, iommu_kind_mock(0), 0, &added);
}

static int step_attach(void)
{
	return ioas_access_replace(access_, ioas);
}

static int step_pin(void)
{
	return ioas_access_pin(access_, MOCK_BASE + PAGE, 6 * PAGE, pinned, 0);
}

static int step_pin_inside(void)
{
	return ioas_access_pin(access_, MOCK_BASE + 3 * PAGE, PAGE, pinned, 0);
}

static int step_reserve(void)
{
	return ioas_reserve(ioas, GIB, GIB + PAGE - 1, &access_);
}

static int step_allow(void)
{
	struct iommu_range allowed[2] = { { 5 * GIB / 4, 5 * GIB / 4 + MIB },
					  { MOCK_BASE, 2 * MOCK_BASE } };

	return ioas_set_allowed(ioas, allowed, 2);
}

static void each_allocation_of_mapping_may_fail(void **state)
{
	assert_true(fail_each(step_map) >= 1);
	assert_true(fail_each(step_domain) >= 3);
	assert_int_equal(device_reads(mock, MOCK_BASE + 7 * PAGE), 'h');
	assert_int_equal(user_unmap(MOCK_BASE, 8 * PAGE), 0);
	assert_true(fail_each(step_map) >= 1);
}

/* The program lets go of a page in the middle: three parts. */
static void hole(unsigned page)
{
	program_unmaps(memory + page * PAGE, PAGE);
	assert_ptr_equal(mmap(memory + page * PAGE, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 memory + page * PAGE);
}

static void each_allocation_of_copying_may_fail(void **state)
{
	assert_int_equal(step_map(), 0);
	assert_int_equal(step_domain(), 0);
	hole(3);
	assert_true(fail_each(step_copy) >= 4);
	/* a domain finds the copies of moved pages, each a part of its own */
	assert_true(fail_each(step_domain_of_other) >= 4);
	assert_int_equal(device_reads(added, MOCK_BASE + MOCK_PAGE + 3 * PAGE), 'd');
	hole(5);
	assert_true(fail_each(step_copy_back) >= 4);
	assert_int_equal(device_reads(mock, 3 * MOCK_BASE + 3 * PAGE), 'd');
	assert_int_equal(device_reads(mock, 3 * MOCK_BASE + 5 * PAGE), 'f');
	assert_int_equal(account_pages(account, ACCOUNT_USER), 8);
}

static void each_allocation_of_pinning_may_fail(void **state)
{
	assert_int_equal(step_map(), 0);
	assert_true(fail_each(step_attach) >= 1);
	assert_true(fail_each(step_pin) >= 4);
	hole(4);
	assert_true(fail_each(step_pin_inside) >= 3);
	assert_true(fail_each(step_domain) >= 4);
	assert_int_equal(device_reads(mock, MOCK_BASE + 4 * PAGE), 'e');
	ioas_access_unpin(access_, MOCK_BASE + 3 * PAGE, PAGE);
	ioas_access_unpin(access_, MOCK_BASE + PAGE, 6 * PAGE);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 8);
}

static void each_allocation_of_ranges_may_fail(void **state)
{
	assert_true(fail_each(step_allow) >= 1);
	assert_true(fail_each(step_reserve) >= 1);
	for (unsigned i = 0; i < 14; i++)
		assert_int_equal(ioas_reserve(ioas, 2 * GIB + 2 * i * PAGE,
					      2 * GIB + (2 * i + 1) * PAGE - 1, &other),
				 0);
	ioas_unreserve(ioas, &access_);
	assert_int_equal(ioas_reserve(ioas, 3 * GIB, 3 * GIB, &other), 0);
	assert_int_equal(ioas_reserve(ioas, 4 * GIB, 4 * GIB, &other), 0);
	/* now the list itself has to grow */
	assert_true(fail_each(step_reserve) >= 3);
}

static int step_cut(void)
{
	uint64_t unmapped;

	return ioas_compat_unmap(ioas, MOCK_BASE + 2 * PAGE, PAGE, &unmapped);
}

/* Here what fails may leave a cut behind, as on Linux: only what devices see stays. */
static void each_allocation_of_a_cut_may_fail(void **state)
{
	uint64_t unmapped;
	bool failed = true;

	assert_int_equal(ioas_set_huge_pages(ioas, 0), 0);
	assert_int_equal(step_map(), 0);
	assert_int_equal(step_domain(), 0);
	assert_int_equal(ioas_user_copy(other, ioas, MOCK_BASE, 8 * PAGE, RW, true,
					&(uint64_t){ MOCK_BASE }),
			 0);
	hole(2);
	for (long nth = 1; failed; nth++) {
		int ret;

		alloc_fail_nth(nth);
		ret = step_cut();
		failed = alloc_has_failed();
		alloc_fail_nth(0);
		assert_int_equal(ret, failed ? -ENOMEM : 0);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(device_reads(mock, MOCK_BASE + i * PAGE),
					 !failed && i == 2 ? -EFAULT : 'a' + (int)i);
	}
	assert_int_equal(ioas_nr_areas(ioas), 2);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 7);
	assert_int_equal(ioas_user_unmap(ioas, 0, UINT64_MAX, &unmapped), 0);
	assert_int_equal(unmapped, 7 * PAGE);
}

static int step_new(void)
{
	struct rf_ioas *space;
	int ret = ioas_new(&space);

	if (!ret)
		ioas_put(space);
	return ret;
}

static int step_access(void)
{
	struct ioas_access *a;
	int ret = ioas_access_new(&ops, NULL, &a);

	if (!ret)
		ioas_access_free(a);
	return ret;
}

static int step_account(void)
{
	struct account *a = account_new(1);

	account_free(a);
	return a ? 0 : -ENOMEM;
}

static void each_allocation_of_making_may_fail(void **state)
{
	assert_int_equal(fail_each(step_new), 3);
	assert_int_equal(fail_each(step_access), 1);
	assert_int_equal(fail_each(step_account), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_all, drop_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_allocation_of_mapping_may_fail),
		TEST(each_allocation_of_copying_may_fail),
		TEST(each_allocation_of_pinning_may_fail),
		TEST(each_allocation_of_ranges_may_fail),
		TEST(each_allocation_of_a_cut_may_fail),
		TEST(each_allocation_of_making_may_fail),
	};

	return cmocka_run_group_tests_name("user_fail", tests, NULL, NULL);
}
