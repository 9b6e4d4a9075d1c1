/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where iommufd's mappings go and what is refused: alignment, IOVAs of the
 * space's choice, allowed and reserved ranges, large pages, files.
 */
#include <fcntl.h>
#include <unistd.h>

#include "user_fixture.h"

static void without_domains_every_byte_counts(void **state)
{
	char *p = pages(2);
	uint64_t iova;

	assert_int_equal(ioas_alignment(ioas), 1);
	for (uint64_t length = 1; length <= PAGE + 3; length += 7) {
		assert_int_equal(user_map_auto(p + 5, length, &iova), 0);
		assert_int_equal(user_unmap(iova, length), 0);
	}
	assert_int_equal(user_map_at(12345, p + 3, 17), 0);
	assert_int_equal(user_map_at(12345 + 17, p, 1), 0);
	assert_int_equal(user_map_at(12344, p, 2), -EEXIST);
	assert_int_equal(user_map_at(12344, p, 1), 0);
	assert_int_equal(user_unmap(12344, 19), 0);
	assert_int_equal(ioas_nr_areas(ioas), 0);
	munmap(p, 2 * PAGE);
}

static void lengths_and_addresses_are_checked_first(void **state)
{
	uint64_t iova = 0;
	char *p = pages(1);

	assert_int_equal(user_map_at(0, p, 0), -EINVAL);
	assert_int_equal(user_map_at(0, p, UINT64_MAX - 100), -EINVAL);
	assert_int_equal(user_map_at(0, (void *)(UINTPTR_MAX - PAGE + 1), PAGE), -EOVERFLOW);
	assert_int_equal(user_map_at(UINT64_MAX - 10, p, 12), -EOVERFLOW);
	assert_int_equal(user_map_at(UINT64_MAX - 10, p, 11), 0);
	assert_int_equal(user_map_auto(NULL, UINT64_MAX / 2, &iova), -EOVERFLOW);
	munmap(p, PAGE);
}

/* Nothing looks at memory that no device can reach. */
static void memory_is_looked_at_when_a_domain_comes(void **state)
{
	struct domain *mock = NULL;
	char *p = pages(4);

	take_faults();
	munmap(p + 2 * PAGE, PAGE);
	assert_int_equal(user_map_at(MOCK_BASE, p, 2 * PAGE), 0);
	assert_int_equal(user_map_at(MOCK_BASE + 2 * PAGE, p, 4 * PAGE), 0);
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(0), 0, &mock), -EFAULT);
	assert_null(mock);
	assert_int_equal(ioas_alignment(ioas), 1);
	assert_false(pin_any(owner));
	assert_int_equal(user_unmap(MOCK_BASE + 2 * PAGE, 4 * PAGE), 0);
	mock = add_mock(ioas);
	assert_int_equal(device_reads(mock, MOCK_BASE + PAGE), 'b');
	assert_true(pin_any(owner));

	/* with a domain it is looked at at once */
	assert_int_equal(user_map_at(MOCK_BASE + 2 * PAGE, p, 4 * PAGE), -EFAULT);
	assert_int_equal(ioas_nr_areas(ioas), 1);
	ioas_del_domain(ioas, mock);
	assert_false(pin_any(owner));
	munmap(p, 4 * PAGE);
}

static void memory_that_cannot_be_written_is_refused_to_writers(void **state)
{
	struct domain *mock = add_mock(ioas);
	char *p = pages(32);
	uint64_t iova = MOCK_BASE;

	take_faults();
	mprotect(p + 20 * PAGE, PAGE, PROT_READ);
	assert_int_equal(user_map_at(iova, p, 32 * PAGE), -EFAULT);
	assert_int_equal(user_map_in(ioas, p, 32 * PAGE, RF_READ, true, &iova), 0);
	assert_int_equal(user_map_at(iova + GIB, p, 20 * PAGE), 0);
	ioas_del_domain(ioas, mock);
	munmap(p, 32 * PAGE);
}

static void a_domain_asks_for_its_page_size(void **state)
{
	struct domain *mock = add_mock(ioas);
	char *p = pages(3);
	uint64_t iova;

	assert_int_equal(ioas_alignment(ioas), MOCK_PAGE);
	assert_int_equal(user_map_at(MOCK_BASE, p, MOCK_PAGE - 1), -EINVAL);
	assert_int_equal(user_map_at(MOCK_BASE + 1, p, MOCK_PAGE), -EINVAL);
	assert_int_equal(user_map_at(MOCK_BASE, p + 1, MOCK_PAGE), -EINVAL);
	assert_int_equal(user_map_auto(p + 1, MOCK_PAGE, &iova), -EINVAL);
	assert_int_equal(user_map_at(MOCK_BASE + MOCK_PAGE, p, MOCK_PAGE), 0);
	assert_int_equal(user_map_at(MOCK_BASE, p + MOCK_PAGE, MOCK_PAGE), 0);
	p[0] = 'x';
	p[MOCK_PAGE] = 'y';
	assert_int_equal(device_reads(mock, MOCK_BASE), 'y');
	assert_int_equal(device_reads(mock, MOCK_BASE + MOCK_PAGE), 'x');
	ioas_del_domain(ioas, mock);
	assert_int_equal(ioas_alignment(ioas), 1);
	munmap(p, 3 * PAGE);
}

static void what_is_not_aligned_refuses_a_domain(void **state)
{
	struct domain *mock;
	char *p = pages(2);
	static const struct {
		uint64_t iova, offset, length;
	} bad[] = {
		{ MOCK_BASE + 1, 0, MOCK_PAGE },
		{ MOCK_BASE, 1, MOCK_PAGE },
		{ MOCK_BASE, 0, MOCK_PAGE + 1 },
		{ MOCK_BASE - MOCK_PAGE, 0, MOCK_PAGE }, /* outside the aperture */
		{ (2 * GIB), 0, MOCK_PAGE },
		{ (2 * GIB) - MOCK_PAGE, 0, 2 * MOCK_PAGE },
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(user_map_at(bad[i].iova, p + bad[i].offset, bad[i].length), 0);
		assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(0), 0, &mock), -EADDRINUSE);
		assert_int_equal(user_unmap(0, UINT64_MAX), 0);
	}
	assert_int_equal(user_map_at((2 * GIB) - MOCK_PAGE, p, MOCK_PAGE), 0);
	ioas_del_domain(ioas, add_mock(ioas));
	munmap(p, 2 * PAGE);
}

static void a_kind_with_larger_pages_than_ours_is_refused(void **state)
{
	static const struct iommu_kind large = {
		.name = "large",
		.page_sizes = 1 << 16,
		.aperture = { 0, UINT32_MAX },
	};
	struct domain *got;

	assert_int_equal(ioas_add_domain(ioas, &large, 0, &got), -EINVAL);
}

static void flags_that_a_kind_lacks_are_refused(void **state)
{
	struct domain *got;

	assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(IOMMU_MOCK_NO_DIRTY),
					 DOMAIN_DIRTY_TRACKING, &got),
			 -EOPNOTSUPP);
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(0), 1u << 7, &got), -EOPNOTSUPP);
}

static void chosen_iovas_are_lowest_and_aligned_like_the_memory(void **state)
{
	uint64_t a, b, c;

	/* never page 0; as much alignment as memory and length share, at most 2 MiB */
	assert_int_equal(user_map_auto((void *)(1ul << 31), PAGE, &a), 0);
	assert_int_equal(a, PAGE);
	assert_int_equal(user_map_auto((void *)(1ul << 31), 3 * PAGE, &b), 0);
	assert_int_equal(b, 4 * PAGE);
	assert_int_equal(user_map_auto((void *)(1ul << 40), 64 * MIB, &c), 0);
	assert_int_equal(c, 2 * MIB);
	/* memory that is less aligned goes into the gaps, with its offset in the page */
	assert_int_equal(user_map_auto((void *)((1ul << 31) + PAGE), 2 * PAGE, &a), 0);
	assert_int_equal(a, 2 * PAGE);
	assert_int_equal(user_map_auto((void *)((1ul << 31) + 0x800), 0x800, &a), 0);
	assert_int_equal(a, 7 * PAGE + 0x800);
	/* no address at all asks for the length's */
	assert_int_equal(user_map_auto(NULL, 8 * PAGE, &a), 0);
	assert_int_equal(a, 8 * PAGE);
}

static void the_last_page_is_never_chosen(void **state)
{
	struct iommu_range only = { UINT64_MAX - 2 * PAGE + 1, UINT64_MAX };
	uint64_t iova;

	assert_int_equal(ioas_set_allowed(ioas, &only, 1), 0);
	assert_int_equal(user_map_auto((void *)(1ul << 31), PAGE, &iova), 0);
	assert_int_equal(iova, only.first);
	assert_int_equal(user_map_auto((void *)(1ul << 31), PAGE, &iova), -ENOSPC);
}

static void reserved_ranges_are_left_alone(void **state)
{
	struct iommu_range ranges[4];
	int a = 0, b = 0;
	uint64_t iova;

	assert_int_equal(ioas_reserve(ioas, PAGE, 10 * PAGE - 1, &a), 0);
	assert_int_equal(ioas_reserve(ioas, 5 * PAGE, 20 * PAGE - 1, &b), 0);
	assert_int_equal(ioas_reserve(ioas, 5 * PAGE, 6 * PAGE - 1, &a), 0);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 4), 2);
	assert_true(!ranges[0].first && ranges[0].last == PAGE - 1);
	assert_true(ranges[1].first == 20 * PAGE && ranges[1].last == UINT64_MAX);
	assert_int_equal(user_map_at(19 * PAGE, NULL, 2 * PAGE), -EINVAL);
	assert_int_equal(user_map_auto((void *)(1ul << 31), PAGE, &iova), 0);
	assert_int_equal(iova, 20 * PAGE);

	/* over a mapping: no */
	assert_int_equal(ioas_reserve(ioas, 20 * PAGE + 5, 20 * PAGE + 5, &a), -EADDRINUSE);
	ioas_unreserve(ioas, &b);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 4), 2);
	assert_int_equal(ranges[1].first, 10 * PAGE);
	ioas_unreserve(ioas, &a);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 4), 1);
	assert_true(!ranges[0].first && ranges[0].last == UINT64_MAX);
}

static void any_number_of_ranges_may_be_reserved(void **state)
{
	struct iommu_range ranges[200];
	int who[2] = { 0 };

	for (uint64_t i = 0; i < 150; i++)
		assert_int_equal(ioas_reserve(ioas, (2 * i + 1) * PAGE, (2 * i + 2) * PAGE - 1,
					      &who[i % 2]),
				 0);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 200), 151);
	ioas_unreserve(ioas, &who[0]);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 200), 76);
	for (unsigned i = 1; i < 76; i++)
		assert_int_equal(ranges[i].first, 4 * i * PAGE);
	ioas_unreserve(ioas, &who[1]);
	assert_int_equal(ioas_iova_ranges(ioas, ranges, 200), 1);
}

static void allowed_ranges_bind_only_the_choice(void **state)
{
	struct iommu_range allowed[2] = { { 300 * PAGE, 310 * PAGE - 1 },
					  { 100 * PAGE, 101 * PAGE - 1 } };
	uint64_t iova;

	assert_int_equal(ioas_set_allowed(ioas, allowed, 2), 0);
	assert_int_equal(user_map_auto((void *)(1ul << 31), PAGE, &iova), 0);
	assert_int_equal(iova, 100 * PAGE);
	assert_int_equal(user_map_auto((void *)(1ul << 31), PAGE, &iova), 0);
	assert_int_equal(iova, 300 * PAGE);
	assert_int_equal(user_map_auto((void *)(1ul << 31), 10 * PAGE, &iova), -ENOSPC);
	assert_int_equal(user_map_at(7 * PAGE, NULL, PAGE), 0);
	assert_int_equal(ioas_set_allowed(ioas, NULL, 0), 0);
	assert_int_equal(user_map_auto((void *)(1ul << 31), 10 * PAGE, &iova), 0);
	assert_int_equal(iova, 16 * PAGE);
}

static void allowed_and_reserved_ranges_exclude_each_other(void **state)
{
	struct iommu_range allowed = { 100 * PAGE, 200 * PAGE - 1 };
	struct domain *mock;
	int who = 0;

	assert_int_equal(ioas_set_allowed(ioas, &allowed, 1), 0);
	assert_int_equal(ioas_reserve(ioas, 199 * PAGE, 300 * PAGE, &who), -EADDRINUSE);
	/* a domain reserves what is outside its aperture */
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(0), 0, &mock), -EADDRINUSE);
	assert_int_equal(ioas_reserve(ioas, 200 * PAGE, 300 * PAGE, &who), 0);
	allowed.last++;
	assert_int_equal(ioas_set_allowed(ioas, &allowed, 1), -EADDRINUSE);
	/* and the old one still binds */
	assert_int_equal(ioas_reserve(ioas, 199 * PAGE, 200 * PAGE - 1, &who), -EADDRINUSE);
}

static void allowed_ranges_are_checked(void **state)
{
	struct iommu_range bad[2] = { { 5, 5 }, { 0, 10 } };

	assert_int_equal(ioas_set_allowed(ioas, bad, 1), -EINVAL);
	bad[0] = (struct iommu_range){ 10, 20 };
	assert_int_equal(ioas_set_allowed(ioas, bad, 2), -EINVAL);
	bad[0].first = 11;
	assert_int_equal(ioas_set_allowed(ioas, bad, 2), 0);
}

static void without_large_pages_everything_is_aligned_to_4_kib(void **state)
{
	char *p = pages(2);
	struct domain *mock;

	assert_true(ioas_huge_pages(ioas));
	assert_int_equal(ioas_set_huge_pages(ioas, 2), -EINVAL);
	assert_int_equal(user_map_at(MOCK_BASE + PAGE, p + MOCK_PAGE, PAGE), 0);
	assert_int_equal(ioas_set_huge_pages(ioas, 0), -EADDRINUSE);
	assert_true(ioas_huge_pages(ioas));
	assert_int_equal(user_unmap(0, UINT64_MAX), 0);
	assert_int_equal(user_map_at(MOCK_BASE, p, PAGE), 0);
	assert_int_equal(ioas_set_huge_pages(ioas, 0), 0);
	assert_int_equal(ioas_set_huge_pages(ioas, 0), 0);
	assert_int_equal(user_map_at(MOCK_BASE + PAGE, p + MOCK_PAGE, PAGE), -EINVAL);
	mock = add_mock(ioas);
	assert_int_equal(ioas_alignment(ioas), PAGE);
	assert_int_equal(ioas_set_huge_pages(ioas, 1), 0);
	assert_int_equal(ioas_alignment(ioas), MOCK_PAGE);
	/* not while a domain has mappings */
	assert_int_equal(ioas_set_huge_pages(ioas, 0), -EINVAL);
	ioas_del_domain(ioas, mock);
	munmap(p, 2 * PAGE);
}

static void unmap_takes_whole_areas_in_order(void **state)
{
	uint64_t unmapped;
	char *p = pages(8);

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(user_map_at(i * 16 * PAGE, p, 8 * PAGE), 0);
	assert_int_equal(user_unmap(0, 0), -EINVAL);
	assert_int_equal(user_unmap(UINT64_MAX, 2), -EOVERFLOW);
	assert_int_equal(user_unmap(9 * PAGE, PAGE), -ENOENT);
	assert_int_equal(user_unmap(0, PAGE), -ENOENT);
	assert_int_equal(user_unmap(PAGE, 8 * PAGE), -ENOENT);
	assert_int_equal(ioas_nr_areas(ioas), 4);
	/* what comes before the one that is cut is gone by then */
	assert_int_equal(ioas_user_unmap(ioas, 0, 17 * PAGE, &unmapped), -ENOENT);
	assert_int_equal(unmapped, 8 * PAGE);
	assert_int_equal(ioas_nr_areas(ioas), 3);
	assert_int_equal(ioas_user_unmap(ioas, 0, 64 * PAGE, &unmapped), 0);
	assert_int_equal(unmapped, 24 * PAGE);
	assert_int_equal(user_unmap(0, UINT64_MAX), 0);
	munmap(p, 8 * PAGE);
}

static void devices_keep_memory_that_the_program_lets_go(void **state)
{
	struct domain *mock = add_mock(ioas);
	char *p = pages(6);

	take_faults();
	/* across pages and in the middle of them */
	assert_int_equal(user_map_at(MOCK_BASE, p + MOCK_PAGE, 4 * PAGE), 0);
	memset(p + 2 * PAGE, 'Q', PAGE);
	program_unmaps(p + 2 * PAGE, PAGE);
	assert_int_equal(device_reads(mock, MOCK_BASE + 2 * PAGE - MOCK_PAGE), 'Q');
	assert_int_equal(device_reads(mock, MOCK_BASE + 3 * PAGE - MOCK_PAGE - 1), 'Q');
	assert_int_equal(device_reads(mock, MOCK_BASE + PAGE - MOCK_PAGE), 'b');
	assert_int_equal(device_reads(mock, MOCK_BASE + 3 * PAGE - MOCK_PAGE), 'd');
	assert_int_equal(ioas_nr_areas(ioas), 1);
	/* without a domain the area is where the program's memory is, or is not */
	ioas_del_domain(ioas, mock);
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(0), 0, &mock), -EFAULT);
	assert_int_equal(user_unmap(MOCK_BASE, 4 * PAGE), 0);
	assert_false(pin_any(owner));
	munmap(p, 6 * PAGE);
}

static void the_compatible_container_cuts_areas(void **state)
{
	struct domain *mock;
	uint64_t unmapped;
	char *p = pages(8);

	assert_int_equal(user_map_at(MOCK_BASE, p, 8 * PAGE), 0);
	assert_int_equal(ioas_compat_unmap(ioas, MOCK_BASE + PAGE, PAGE, &unmapped), -ENOENT);
	assert_int_equal(ioas_set_huge_pages(ioas, 0), 0);
	mock = add_mock(ioas);
	assert_int_equal(ioas_compat_unmap(ioas, MOCK_BASE + 2 * PAGE, 2 * PAGE, &unmapped), 0);
	assert_int_equal(unmapped, 2 * PAGE);
	assert_int_equal(ioas_nr_areas(ioas), 2);
	assert_int_equal(device_reads(mock, MOCK_BASE + PAGE), 'b');
	assert_int_equal(device_reads(mock, MOCK_BASE + 2 * PAGE), -EFAULT);
	assert_int_equal(device_reads(mock, MOCK_BASE + 4 * PAGE), 'e');
	assert_int_equal(ioas_compat_unmap(ioas, MOCK_BASE + 7 * PAGE, MOCK_PAGE, &unmapped),
			 -EINVAL);
	assert_int_equal(ioas_compat_unmap(ioas, 2 * MOCK_BASE, PAGE, &unmapped), 0);
	assert_int_equal(unmapped, 0);
	assert_int_equal(ioas_compat_unmap(ioas, 0, MOCK_BASE + 5 * PAGE, &unmapped), 0);
	assert_int_equal(unmapped, 3 * PAGE);
	assert_int_equal(device_reads(mock, MOCK_BASE + 5 * PAGE), 'f');
	/* parts that were moved are cut as well */
	program_unmaps(p + 6 * PAGE, PAGE);
	assert_int_equal(ioas_compat_unmap(ioas, MOCK_BASE + 6 * PAGE, PAGE, &unmapped), 0);
	assert_int_equal(unmapped, PAGE);
	assert_int_equal(device_reads(mock, MOCK_BASE + 7 * PAGE), 'h');
	assert_int_equal(ioas_nr_areas(ioas), 2);
	ioas_del_domain(ioas, mock);
	munmap(p, 8 * PAGE);
}

static int memfd_of(size_t length)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)length), 0);
	return fd;
}

static int map_file(int fd, uint64_t offset, uint64_t length, uint32_t prot, uint64_t iova)
{
	struct user_map map = {
		.owner = owner,
		.addr = offset,
		.memfd = fd,
		.length = length,
		.prot = prot,
		.fixed = true,
		.iova = iova,
	};

	return ioas_user_map(ioas, &map, &iova);
}

static void a_file_stays_with_the_device(void **state)
{
	struct domain *mock = add_mock(ioas);
	int fd = memfd_of(4 * PAGE);
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct translation t;

	assert_true(p != MAP_FAILED);
	memcpy(p + PAGE + MOCK_PAGE, "hello", 5);
	assert_int_equal(map_file(fd, PAGE + MOCK_PAGE, 2 * PAGE, RW, MOCK_BASE), 0);
	close(fd);
	assert_int_equal(device_reads(mock, MOCK_BASE), 'h');
	assert_int_equal(domain_translate(mock, MOCK_BASE + 1, RF_WRITE, &t), 0);
	assert_int_equal(owner_dma_write(t.owner, t.addr, "E", 1), 0);
	assert_string_equal(p + PAGE + MOCK_PAGE, "hEllo");
	munmap(p, 4 * PAGE);
	assert_int_equal(device_reads(mock, MOCK_BASE + 1), 'E');
	assert_int_equal(user_unmap(MOCK_BASE, 2 * PAGE), 0);
	ioas_del_domain(ioas, mock);
}

static void files_that_cannot_be_pinned_fail_when_they_must_be(void **state)
{
	int fd = memfd_of(PAGE);
	int other = open("/proc/self/exe", O_RDONLY);
	struct domain *mock;

	take_faults();
	/* as long as nobody must pin it, its length is only a number */
	assert_int_equal(map_file(fd, 0, 1ull << 47, RW, 0), 0);
	assert_int_equal(user_unmap(0, 1ull << 47), 0);
	assert_int_equal(map_file(fd, 0, 2 * PAGE, RW, MOCK_BASE), 0);
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(0), 0, &mock), -EINVAL);
	assert_int_equal(user_unmap(MOCK_BASE, 2 * PAGE), 0);
	assert_int_equal(map_file(other, 0, PAGE, RF_READ, MOCK_BASE), 0);
	assert_int_equal(ioas_add_domain(ioas, iommu_kind_mock(0), 0, &mock), -EINVAL);
	assert_int_equal(user_unmap(MOCK_BASE, PAGE), 0);
	mock = add_mock(ioas);
	assert_int_equal(map_file(fd, 0, 2 * PAGE, RW, MOCK_BASE), -EINVAL);
	assert_int_equal(map_file(fd, 0, PAGE, RW, MOCK_BASE), 0);
	ioas_del_domain(ioas, mock);
	close(other);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_empty, drop_empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_domains_every_byte_counts),
		TEST(lengths_and_addresses_are_checked_first),
		TEST(memory_is_looked_at_when_a_domain_comes),
		TEST(memory_that_cannot_be_written_is_refused_to_writers),
		TEST(a_domain_asks_for_its_page_size),
		TEST(what_is_not_aligned_refuses_a_domain),
		TEST(a_kind_with_larger_pages_than_ours_is_refused),
		TEST(flags_that_a_kind_lacks_are_refused),
		TEST(chosen_iovas_are_lowest_and_aligned_like_the_memory),
		TEST(the_last_page_is_never_chosen),
		TEST(reserved_ranges_are_left_alone),
		TEST(any_number_of_ranges_may_be_reserved),
		TEST(allowed_ranges_bind_only_the_choice),
		TEST(allowed_and_reserved_ranges_exclude_each_other),
		TEST(allowed_ranges_are_checked),
		TEST(without_large_pages_everything_is_aligned_to_4_kib),
		TEST(unmap_takes_whole_areas_in_order),
		TEST(devices_keep_memory_that_the_program_lets_go),
		TEST(the_compatible_container_cuts_areas),
		TEST(a_file_stays_with_the_device),
		TEST(files_that_cannot_be_pinned_fail_when_they_must_be),
	};

	return cmocka_run_group_tests_name("user_map", tests, NULL, NULL);
}
