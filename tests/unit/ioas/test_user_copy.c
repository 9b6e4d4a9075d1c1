/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies share pages: what is pinned once is pinned for all, charged once, and in
 * the same place. And accounts, which copies are the test of.
 */
#include "user_fixture.h"

static struct rf_ioas *other;
static struct account *account;

static int make_two(void **state)
{
	account = account_new(8 * PAGE);
	if (!account || make_empty(state) || ioas_new(&other))
		return -1;
	ioas_set_account(ioas, account, ACCOUNT_USER);
	ioas_set_account(other, account, ACCOUNT_USER);
	return 0;
}

static int drop_two(void **state)
{
	rf_ioas_free(other);
	drop_empty(state);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);
	account_free(account);
	return 0;
}

static int copy_at(struct rf_ioas *dst, struct rf_ioas *src, uint64_t from, uint64_t length,
		   uint32_t prot, uint64_t to)
{
	return ioas_user_copy(dst, src, from, length, prot, true, &to);
}

static unsigned charged(void)
{
	return (unsigned)account_pages(account, ACCOUNT_USER);
}

static void a_copy_spans_areas_at_any_byte(void **state)
{
	struct rf_ioas *bytes;
	uint64_t iova = 0;
	char *p = pages(4);
	struct ioas_access *access;
	static const struct ioas_access_ops ops = { NULL };
	char got[20];

	assert_int_equal(ioas_new(&bytes), 0);
	memcpy(p + 100, "first", 5);
	memcpy(p + PAGE + 7, "second", 6);
	assert_int_equal(user_map_at(1000, p + 100, 5), 0);
	assert_int_equal(user_map_at(1005, p + PAGE + 7, 6), 0);
	assert_int_equal(copy_at(bytes, ioas, 1001, 9, RW, 77), 0);
	assert_int_equal(ioas_nr_areas(bytes), 2);
	assert_int_equal(ioas_access_new(&ops, NULL, &access), 0);
	assert_int_equal(ioas_access_replace(access, bytes), 0);
	assert_int_equal(ioas_access_rw(access, 77, got, 9, 0), 0);
	assert_memory_equal(got, "irstsecon", 9);
	assert_int_equal(ioas_access_rw(access, 76, got, 9, 0), -ENOENT);

	/* a place of the space's choice keeps the first byte's offset in its page */
	assert_int_equal(ioas_user_copy(bytes, ioas, 1001, 9, RF_READ, false, &iova), 0);
	assert_int_equal(iova, PAGE + 101);
	ioas_access_free(access);
	rf_ioas_free(bytes);
	munmap(p, 4 * PAGE);
}

static void what_is_not_there_or_not_allowed_is_refused(void **state)
{
	uint64_t iova = 8 * PAGE;
	char *p = pages(4);

	assert_int_equal(user_map_at(0, p, 2 * PAGE), 0);
	assert_int_equal(user_map_at(3 * PAGE, p, PAGE), 0);
	assert_int_equal(user_map_in(ioas, p, PAGE, RF_READ, true, &iova), 0);
	assert_int_equal(copy_at(other, ioas, 0, 0, RW, 0), -EINVAL);
	assert_int_equal(copy_at(other, ioas, UINT64_MAX, 2, RW, 0), -EOVERFLOW);
	assert_int_equal(copy_at(other, ioas, PAGE, 3 * PAGE, RW, 0), -ENOENT);
	assert_int_equal(copy_at(other, ioas, 4 * PAGE, PAGE, RW, 0), -ENOENT);
	assert_int_equal(copy_at(other, ioas, iova, PAGE, RW, 0), -EPERM);
	assert_int_equal(copy_at(other, ioas, iova, PAGE, RF_READ, UINT64_MAX), -EOVERFLOW);
	assert_int_equal(copy_at(ioas, ioas, 0, PAGE, RW, PAGE), -EEXIST);
	assert_int_equal(ioas_nr_areas(other), 0);
	/* what was mapped to be written may be again, though a copy in between was not */
	assert_int_equal(copy_at(other, ioas, 0, PAGE, RF_READ, 0), 0);
	assert_int_equal(copy_at(other, other, 0, PAGE, RW, PAGE), 0);
	munmap(p, 4 * PAGE);
}

static void a_page_is_charged_once_however_many_hold_it(void **state)
{
	struct domain *a = add_mock(ioas);
	struct domain *b = add_mock(other);
	struct domain *c = add_mock(ioas);
	char *p = pages(8);

	assert_int_equal(user_map_at(MOCK_BASE, p, 6 * PAGE), 0);
	assert_int_equal(charged(), 6);
	assert_int_equal(copy_at(other, ioas, MOCK_BASE, 6 * PAGE, RW, MOCK_BASE), 0);
	assert_int_equal(copy_at(other, ioas, MOCK_BASE + PAGE, 2 * PAGE, RW, 2 * MOCK_BASE), 0);
	assert_int_equal(charged(), 6);
	assert_int_equal(pages_pin_count(owner, (uintptr_t)p + PAGE), 1);
	/* the same memory mapped anew is other pages */
	assert_int_equal(user_map_at(4 * MOCK_BASE, p, 2 * PAGE), 0);
	assert_int_equal(charged(), 8);
	assert_int_equal(pages_pin_count(owner, (uintptr_t)p + PAGE), 2);
	assert_int_equal(user_map_at(5 * MOCK_BASE, p + 6 * PAGE, PAGE), -ENOMEM);
	assert_int_equal(charged(), 8);

	assert_int_equal(user_unmap(MOCK_BASE, 6 * PAGE), 0);
	assert_int_equal(charged(), 8);
	ioas_del_domain(ioas, a);
	assert_int_equal(charged(), 8);
	ioas_del_domain(ioas, c);
	assert_int_equal(charged(), 6);
	ioas_del_domain(other, b);
	assert_int_equal(charged(), 0);
	assert_int_equal(pages_pin_count(owner, (uintptr_t)p + PAGE), 0);
	munmap(p, 8 * PAGE);
}

static void parts_of_pages_are_charged_as_they_are_held(void **state)
{
	struct domain *mock = add_mock(other);
	char *p = pages(8);

	assert_int_equal(user_map_at(MOCK_BASE, p + MOCK_PAGE, 7 * PAGE), 0);
	assert_int_equal(charged(), 0);
	assert_int_equal(copy_at(other, ioas, MOCK_BASE, MOCK_PAGE, RW, MOCK_BASE), 0);
	assert_int_equal(charged(), 1);
	assert_int_equal(copy_at(other, ioas, MOCK_BASE + MOCK_PAGE, PAGE, RW, 2 * MOCK_BASE), 0);
	assert_int_equal(charged(), 2);
	assert_int_equal(copy_at(other, ioas, MOCK_BASE, 2 * PAGE, RW, 3 * MOCK_BASE), 0);
	assert_int_equal(charged(), 3);
	assert_int_equal(device_reads(mock, 3 * MOCK_BASE + PAGE - MOCK_PAGE), 'b');
	ioas_del_domain(other, mock);
	assert_int_equal(charged(), 0);
	munmap(p, 8 * PAGE);
}

static void the_modes_are_counted_apart(void **state)
{
	struct rf_ioas *third;
	struct domain *a = add_mock(ioas);
	struct domain *b;
	char *p = pages(8);
	uint64_t iova = MOCK_BASE;

	assert_int_equal(ioas_new(&third), 0);
	ioas_set_account(third, account, ACCOUNT_PROCESS);
	b = add_mock(third);
	assert_int_equal(user_map_at(MOCK_BASE, p, 8 * PAGE), 0);
	assert_int_equal(user_map_in(third, p, 8 * PAGE, RW, true, &iova), 0);
	assert_int_equal(account_pages(account, ACCOUNT_PROCESS), 8);
	assert_int_equal(charged(), 8);
	/* too late to change who pays */
	ioas_set_account(third, NULL, ACCOUNT_USER);
	ioas_del_domain(third, b);
	assert_int_equal(account_pages(account, ACCOUNT_PROCESS), 0);
	ioas_del_domain(ioas, a);
	rf_ioas_free(third);
	munmap(p, 8 * PAGE);
}

static void a_domain_beyond_the_limit_changes_nothing(void **state)
{
	struct domain *mock = NULL;
	char *p = pages(9);

	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(user_map_at(MOCK_BASE + i * PAGE, p + i * PAGE, PAGE), 0);
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(0), 0, &mock), -ENOMEM);
	assert_null(mock);
	assert_int_equal(charged(), 0);
	assert_false(pin_any(owner));
	assert_int_equal(user_unmap(MOCK_BASE, PAGE), 0);
	mock = add_mock(ioas);
	assert_int_equal(charged(), 8);
	ioas_del_domain(ioas, mock);
	munmap(p, 9 * PAGE);
}

/* The page that the program let go is the same one for whoever copies later. */
static void a_copy_finds_pages_that_the_program_let_go(void **state)
{
	struct domain *a = add_mock(ioas);
	struct domain *b = add_mock(other);
	char *p = pages(4);

	assert_int_equal(user_map_at(MOCK_BASE, p, 4 * PAGE), 0);
	program_unmaps(p + PAGE, PAGE);
	assert_int_equal(copy_at(other, ioas, MOCK_BASE, 3 * PAGE, RW, MOCK_BASE), 0);
	assert_int_equal(user_unmap(MOCK_BASE, 4 * PAGE), 0);
	assert_int_equal(device_reads(b, MOCK_BASE), 'a');
	assert_int_equal(device_reads(b, MOCK_BASE + PAGE), 'b');
	assert_int_equal(device_reads(b, MOCK_BASE + 2 * PAGE + 1), 0);
	assert_int_equal(ioas_nr_areas(other), 1);
	/* and of a copy */
	program_unmaps(p, PAGE);
	assert_int_equal(copy_at(ioas, other, MOCK_BASE, 2 * PAGE, RW, 2 * MOCK_BASE), 0);
	assert_int_equal(device_reads(a, 2 * MOCK_BASE), 'a');
	assert_int_equal(device_reads(a, 2 * MOCK_BASE + PAGE), 'b');
	assert_int_equal(charged(), 3);
	ioas_del_domain(ioas, a);
	ioas_del_domain(other, b);
	munmap(p + 2 * PAGE, 2 * PAGE);
}

static void nobody_holding_them_pages_are_the_programs_again(void **state)
{
	struct domain *a = add_mock(ioas);
	char *p = pages(2);

	assert_int_equal(user_map_at(MOCK_BASE, p, 2 * PAGE), 0);
	assert_int_equal(copy_at(other, ioas, MOCK_BASE, 2 * PAGE, RW, MOCK_BASE), 0);
	program_unmaps(p, PAGE);
	assert_ptr_equal(mmap(p, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 p);
	p[0] = 'n';
	assert_int_equal(device_reads(a, MOCK_BASE), 'a');
	ioas_del_domain(ioas, a);
	a = add_mock(other);
	assert_int_equal(device_reads(a, MOCK_BASE), 'n');
	assert_int_equal(device_reads(a, MOCK_BASE + PAGE), 'b');
	ioas_del_domain(other, a);
	munmap(p, 2 * PAGE);
}

static void the_programs_own_mremap_is_followed_by_copies(void **state)
{
	struct domain *a = add_mock(ioas);
	struct domain *b;
	char *p = pages(4);
	char *q = pages(2);

	assert_int_equal(user_map_at(MOCK_BASE, p, 4 * PAGE), 0);
	assert_int_equal(copy_at(other, ioas, MOCK_BASE, 4 * PAGE, RW, MOCK_BASE), 0);
	pin_remap_begin(owner, (uintptr_t)p + PAGE, 2 * PAGE, NULL, 0);
	assert_ptr_equal(mremap(p + PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q), q);
	pin_remap_end(owner, (uintptr_t)p + PAGE, 2 * PAGE, (uintptr_t)q);
	b = add_mock(other);
	q[0] = 'm';
	assert_int_equal(device_reads(a, MOCK_BASE + PAGE), 'm');
	assert_int_equal(device_reads(b, MOCK_BASE + PAGE), 'm');
	assert_int_equal(device_reads(b, MOCK_BASE + 2 * PAGE), 'c');
	assert_int_equal(device_reads(b, MOCK_BASE + 3 * PAGE), 'd');
	assert_int_equal(charged(), 4);
	program_unmaps(q, 2 * PAGE);
	assert_int_equal(device_reads(b, MOCK_BASE + PAGE), 'm');
	assert_int_equal(device_reads(a, MOCK_BASE + 2 * PAGE), 'c');
	ioas_del_domain(ioas, a);
	ioas_del_domain(other, b);
	assert_int_equal(charged(), 0);
	munmap(p, PAGE);
	munmap(p + 3 * PAGE, PAGE);
}

/* The file's offsets choose; where we have it mapped is nobody's business. */
static void a_copy_of_a_file_is_placed_by_its_offset(void **state)
{
	const uint64_t huge = 2ul << 20;
	struct user_map map = { .owner = owner, .prot = RW, .fixed = true, .length = huge };
	uint64_t iova;

	map.memfd = memfd_create("guest", MFD_CLOEXEC);
	assert_true(map.memfd >= 0);
	assert_int_equal(ftruncate(map.memfd, 8 * huge), 0);
	map.addr = huge;
	map.iova = 64 * huge;
	assert_int_equal(ioas_user_map(ioas, &map, &iova), 0);
	map.addr = huge + PAGE;
	map.iova = 66 * huge;
	assert_int_equal(ioas_user_map(ioas, &map, &iova), 0);
	close(map.memfd);
	assert_int_equal(ioas_user_copy(other, ioas, 66 * huge, huge, RW, false, &iova), 0);
	assert_int_equal(iova, PAGE);
	assert_int_equal(ioas_user_copy(other, ioas, 64 * huge, huge, RW, false, &iova), 0);
	assert_int_equal(iova, 2 * huge);
	/* as deep in the area as the range begins */
	assert_int_equal(
		ioas_user_copy(other, ioas, 64 * huge + 3 * PAGE + 5, PAGE, RW, false, &iova), 0);
	assert_int_equal(iova % PAGE, 5);
}

static void many_small_areas_copy_as_one_range(void **state)
{
	enum { N = 300 };
	char *p = pages(N);
	uint64_t iova = 0;

	ioas_set_account(ioas, NULL, ACCOUNT_USER);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(user_map_at(MOCK_BASE + i * PAGE, p + i * PAGE, PAGE), 0);
	assert_int_equal(ioas_user_copy(other, ioas, MOCK_BASE, N * PAGE, RW, false, &iova), 0);
	assert_int_equal(ioas_nr_areas(other), N);
	assert_int_equal(iova % PAGE, 0);
	munmap(p, N * PAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_two, drop_two)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_copy_spans_areas_at_any_byte),
		TEST(what_is_not_there_or_not_allowed_is_refused),
		TEST(a_page_is_charged_once_however_many_hold_it),
		TEST(parts_of_pages_are_charged_as_they_are_held),
		TEST(the_modes_are_counted_apart),
		TEST(a_domain_beyond_the_limit_changes_nothing),
		TEST(a_copy_finds_pages_that_the_program_let_go),
		TEST(nobody_holding_them_pages_are_the_programs_again),
		TEST(the_programs_own_mremap_is_followed_by_copies),
		TEST(a_copy_of_a_file_is_placed_by_its_offset),
		TEST(many_small_areas_copy_as_one_range),
	};

	return cmocka_run_group_tests_name("user_copy", tests, NULL, NULL);
}
