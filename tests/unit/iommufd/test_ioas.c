/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of an address space: arguments, errnos, and options.
 */
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../faults.h"
#include "ioas/user_map.h"
#include "memory/limit.h"
#include "rig.h"

#define ACCESS (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static void flags_that_are_unknown_or_reserved_are_not_supported(void **state)
{
	struct rig *rig = *state;
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc), .flags = 1 };
	struct iommu_ioas_map map = {
		.size = sizeof(map), .flags = ACCESS, .ioas_id = 99, .__reserved = 1
	};
	struct iommu_ioas_copy copy = { .size = sizeof(copy), .flags = 1u << 31 };
	struct iommu_ioas_iova_ranges ranges = { .size = sizeof(ranges), .__reserved = 1 };
	struct iommu_ioas_allow_iovas allow = { .size = sizeof(allow), .__reserved = 1 };
	struct iommu_vfio_ioas vfio = { .size = sizeof(vfio), .__reserved = 1 };
	struct iommu_option option = { .size = sizeof(option), .__reserved = 1 };

	assert_int_equal(call(rig, IOMMU_IOAS_ALLOC, &alloc), -EOPNOTSUPP);
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -EOPNOTSUPP);
	map.__reserved = 0;
	map.flags = 1u << 31;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -EOPNOTSUPP);
	assert_int_equal(call(rig, IOMMU_IOAS_COPY, &copy), -EOPNOTSUPP);
	assert_int_equal(call(rig, IOMMU_IOAS_IOVA_RANGES, &ranges), -EOPNOTSUPP);
	assert_int_equal(call(rig, IOMMU_IOAS_ALLOW_IOVAS, &allow), -EOPNOTSUPP);
	assert_int_equal(call(rig, IOMMU_VFIO_IOAS, &vfio), -EOPNOTSUPP);
	assert_int_equal(call(rig, IOMMU_OPTION, &option), -EOPNOTSUPP);
	option.__reserved = 0;
	option.option_id = 77;
	assert_int_equal(call(rig, IOMMU_OPTION, &option), -EOPNOTSUPP);
}

static void mapping_checks_in_linux_order(void **state)
{
	struct rig *rig = *state;
	struct iommu_ioas_map map = { .size = sizeof(map), .length = UINT64_MAX };

	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -EOVERFLOW);
	map.length = 1;
	map.iova = UINT64_MAX;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -EOVERFLOW);
	map.iova = 0;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -EINVAL); /* no right at all */
	map.flags = ACCESS;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -ENOENT);
	map.ioas_id = ioas_new_id(rig);
	map.user_va = UINT64_MAX - 10;
	map.length = 100;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -EOVERFLOW);
	map.length = 0;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -EINVAL);
	map.user_va = (uintptr_t)rig->buf;
	map.length = 10;
	map.iova = 5;
	map.flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), 0); /* to the byte, without an IOMMU */
	map.iova = 14;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -EEXIST);
}

static void a_file_is_mapped_by_its_descriptor(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), hwpt;
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = ACCESS | IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.fd = -1,
		.start = PAGE,
		.length = 4 * PAGE,
		.iova = BASE,
	};
	uint8_t *view;
	int fd;

	assert_int_equal(call(rig, IOMMU_IOAS_MAP_FILE, &cmd), -EBADF);
	cmd.fd = rig->fd;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP_FILE, &cmd), -EINVAL);
	fd = memfd_create("guest", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8 * PAGE), 0);
	view = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	cmd.fd = fd;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP_FILE, &cmd), 0);
	close(fd);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, &hwpt, NULL), 0);
	assert_int_equal(check_map(rig, hwpt, BASE, 4 * PAGE, view + PAGE), 0);
	assert_int_equal(check_map(rig, hwpt, BASE, 4 * PAGE, view), -EINVAL);
	munmap(view, 8 * PAGE);
}

static void a_copy_shares_pages_and_names_what_is_missing(void **state)
{
	struct rig *rig = *state;
	uint32_t from = ioas_new_id(rig), to = ioas_new_id(rig), hwpt;
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd), .dst_ioas_id = to, .src_ioas_id = from, .src_iova = BASE
	};

	assert_int_equal(map_fixed(rig, from, rig->buf, 8 * PAGE, BASE), 0);
	assert_int_equal(call(rig, IOMMU_IOAS_COPY, &cmd), -EINVAL); /* no right */
	cmd.flags = ACCESS;
	cmd.length = UINT64_MAX;
	assert_int_equal(call(rig, IOMMU_IOAS_COPY, &cmd), -EOVERFLOW);
	cmd.length = 0;
	cmd.dst_ioas_id = 77;
	assert_int_equal(call(rig, IOMMU_IOAS_COPY, &cmd), -EINVAL);
	cmd.length = PAGE;
	assert_int_equal(call(rig, IOMMU_IOAS_COPY, &cmd), -ENOENT);
	cmd.dst_ioas_id = to;
	cmd.src_iova = BASE + 8 * PAGE;
	assert_int_equal(call(rig, IOMMU_IOAS_COPY, &cmd), -ENOENT);
	assert_int_equal(mock_domain(rig, from, 0, NULL, NULL, NULL), 0);
	assert_int_equal(mock_domain(rig, to, 0, NULL, &hwpt, NULL), 0);
	cmd.src_iova = BASE + PAGE;
	cmd.length = 4 * PAGE;
	assert_int_equal(call(rig, IOMMU_IOAS_COPY, &cmd), 0);
	assert_int_equal(check_map(rig, hwpt, cmd.dst_iova, 4 * PAGE, rig->buf + PAGE), 0);
	assert_int_equal(check_refs(rig, rig->buf, 8 * PAGE, 1), 0); /* pinned once */
	assert_int_equal(unmap(rig, from, BASE, 8 * PAGE, NULL), 0);
	assert_int_equal(check_refs(rig, rig->buf + PAGE, 4 * PAGE, 1), 0);
	assert_int_equal(check_refs(rig, rig->buf, PAGE, 0), 0);
	assert_int_equal(check_map(rig, hwpt, cmd.dst_iova, 4 * PAGE, rig->buf + PAGE), 0);
}

static void unmapping_tells_how_much(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	uint64_t n;

	assert_int_equal(unmap(rig, 77, 0, PAGE, NULL), -ENOENT);
	assert_int_equal(unmap(rig, ioas, 0, PAGE, NULL), -ENOENT);
	assert_int_equal(unmap(rig, ioas, 0, 0, NULL), -EINVAL);
	assert_int_equal(unmap(rig, ioas, UINT64_MAX, PAGE, NULL), -EOVERFLOW);
	assert_int_equal(unmap(rig, ioas, PAGE, UINT64_MAX, NULL), -EOVERFLOW);
	assert_int_equal(unmap(rig, ioas, UINT64_MAX - 1, PAGE, NULL), -EOVERFLOW);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE + 2 * i * PAGE), 0);
	assert_int_equal(unmap(rig, ioas, BASE + 10, PAGE, NULL), -ENOENT);
	assert_int_equal(unmap(rig, ioas, BASE, 3 * PAGE, &n), 0);
	assert_int_equal(n, 2 * PAGE);
	assert_int_equal(unmap(rig, ioas, 0, UINT64_MAX, &n), 0);
	assert_int_equal(n, 2 * PAGE);
	assert_int_equal(unmap(rig, ioas, 0, UINT64_MAX, &n), 0);
	assert_int_equal(n, 0);
}

static int ranges(struct rig *rig, uint32_t ioas, struct iommu_iova_range *out, uint32_t *nr,
		  uint64_t *alignment)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = *nr,
		.allowed_iovas = (uintptr_t)out,
	};
	int ret = call(rig, IOMMU_IOAS_IOVA_RANGES, &cmd);

	*nr = cmd.num_iovas;
	*alignment = cmd.out_iova_alignment;
	return ret;
}

static void ranges_say_how_many_there_are(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), nr = 0;
	struct iommu_iova_range out[4] = { 0 };
	struct iommu_test_cmd reserve = {
		.size = sizeof(reserve),
		.op = IOMMU_TEST_OP_ADD_RESERVED,
		.id = ioas,
		.add_reserved = { .start = 0x30000000, .length = PAGE },
	};
	uint64_t alignment;

	take_faults();
	assert_int_equal(ranges(rig, 77, out, &nr, &alignment), -ENOENT);
	assert_int_equal(ranges(rig, ioas, NULL, &nr, &alignment), -EMSGSIZE);
	assert_int_equal(nr, 1);
	assert_int_equal(ranges(rig, ioas, out, &nr, &alignment), 0);
	assert_int_equal(out[0].start, 0);
	assert_true(out[0].last == UINT64_MAX);
	assert_int_equal(alignment, 1);

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	assert_int_equal(call(rig, IOMMU_TEST_CMD, &reserve), 0);
	nr = 1;
	memset(out, 0, sizeof(out));
	assert_int_equal(ranges(rig, ioas, out, &nr, &alignment), -EMSGSIZE);
	assert_int_equal(nr, 2);
	assert_int_equal(alignment, 2048);
	assert_int_equal(out[0].last, 0x2fffffff);
	assert_int_equal(out[1].start, 0); /* untouched */
	assert_int_equal(ranges(rig, ioas, out, &nr, &alignment), 0);
	assert_int_equal(out[0].start, MOCK_APERTURE_START);
	assert_int_equal(out[1].start, 0x30001000);
	assert_int_equal(out[1].last, MOCK_APERTURE_LAST);
	assert_int_equal(ranges(rig, ioas, (void *)8, &nr, &alignment), -EFAULT);
}

static int allow(struct rig *rig, uint32_t ioas, const struct iommu_iova_range *list, uint32_t nr)
{
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = nr,
		.allowed_iovas = (uintptr_t)list,
	};

	return call(rig, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

static void allowed_ranges_bound_what_the_space_chooses(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct iommu_iova_range list[40], *edge;
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = ACCESS,
		.ioas_id = ioas,
		.user_va = (uintptr_t)rig->buf,
		.length = 2 * PAGE,
	};

	take_faults();
	assert_int_equal(allow(rig, 77, NULL, 0), -ENOENT);
	list[0] = (struct iommu_iova_range){ 0x1000, 0x1000 };
	assert_int_equal(allow(rig, ioas, list, 1), -EINVAL);
	list[0].last = 0x1fff;
	list[1] = (struct iommu_iova_range){ 0x1fff, 0x5fff };
	assert_int_equal(allow(rig, ioas, list, 2), -EINVAL);
	assert_int_equal(allow(rig, ioas, (void *)8, 1), -EFAULT);
	/* a count that no memory could hold is not believed */
	edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap((uint8_t *)edge + PAGE, PAGE);
	for (unsigned i = 0; i < PAGE / sizeof(*edge); i++)
		edge[i] = (struct iommu_iova_range){ 0x10000ul * i, 0x10000ul * i + 0xfff };
	assert_int_equal(allow(rig, ioas, edge, UINT32_MAX), -EFAULT);
	munmap(edge, PAGE);

	for (unsigned i = 0; i < 40; i++) /* one page each, and out of order */
		list[i] = (struct iommu_iova_range){ (0x100ul + i * 7 % 40 * 2) * PAGE,
						     (0x101ul + i * 7 % 40 * 2) * PAGE - 1 };
	assert_int_equal(allow(rig, ioas, list, 40), 0);
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), -ENOSPC);
	map.length = PAGE;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), 0);
	assert_in_range(map.iova, 0x100 * PAGE, 0x14f * PAGE);
	/* a fixed one may be anywhere */
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, 0x5000000), 0);
	assert_int_equal(allow(rig, ioas, NULL, 0), 0);
	map.length = 2 * PAGE;
	assert_int_equal(call(rig, IOMMU_IOAS_MAP, &map), 0);
}

static int option(struct rig *rig, uint32_t id, uint16_t op, uint32_t object, uint64_t *val)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd), .option_id = id, .op = op, .object_id = object, .val64 = *val
	};
	int ret = call(rig, IOMMU_OPTION, &cmd);

	*val = cmd.val64;
	return ret;
}

static void the_account_is_chosen_before_anything_is_made(void **state)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct had[_LINUX_CAPABILITY_U32S_3], less[_LINUX_CAPABILITY_U32S_3];
	struct rig *rig = *state;
	uint64_t val = 9;

	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 1, &val),
			 -EOPNOTSUPP);
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, 7, 0, &val), -EOPNOTSUPP);
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &val), 0);
	assert_int_equal(val, 0);
	val = 2;
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val),
			 -EINVAL);
	val = 1;
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val), 0);
	val = 5;
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &val), 0);
	assert_int_equal(val, 1);
	ioas_new_id(rig);
	val = 0;
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val),
			 -EBUSY);
	rig->options.host_rights = true;
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val),
			 thread_may(CAP_SYS_RESOURCE) ? -EBUSY : -EPERM);
	assert_int_equal(syscall(SYS_capget, &header, had), 0);
	memcpy(less, had, sizeof(less));
	less[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	assert_int_equal(syscall(SYS_capset, &header, less), 0);
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val),
			 -EPERM);
	assert_int_equal(syscall(SYS_capset, &header, had), 0);
	assert_int_equal(option(rig, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &val), 0);
}

static void pages_beyond_the_limit_are_not_pinned(void **state)
{
	struct rig *rig = *state;
	struct account *account = account_new(8 * PAGE);
	uint32_t ioas[2];

	table_close(&rig->table, rig->fd);
	rig->options.account = account;
	rig->fd = rig_open(rig);
	for (unsigned i = 0; i < 2; i++) {
		ioas[i] = ioas_new_id(rig);
		assert_int_equal(mock_domain(rig, ioas[i], 0, NULL, NULL, NULL), 0);
	}
	assert_int_equal(map_fixed(rig, ioas[0], rig->buf, 6 * PAGE, BASE), 0);
	assert_int_equal(map_fixed(rig, ioas[1], rig->buf, 3 * PAGE, BASE), -ENOMEM);
	assert_int_equal(map_fixed(rig, ioas[1], rig->buf, 2 * PAGE, BASE), 0);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 8);
	assert_int_equal(unmap(rig, ioas[0], BASE, 6 * PAGE, NULL), 0);
	assert_int_equal(map_fixed(rig, ioas[1], rig->buf, 3 * PAGE, BASE + 8 * PAGE), 0);
	table_close_all(&rig->table);
	assert_int_equal(account_pages(account, ACCOUNT_USER), 0);
	account_free(account);
}

static void huge_pages_are_given_up_only_while_nothing_is_mapped(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	uint64_t val = 0;

	assert_int_equal(option(rig, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, 77, &val),
			 -ENOENT);
	assert_int_equal(option(rig, IOMMU_OPTION_HUGE_PAGES, 7, ioas, &val), -EOPNOTSUPP);
	assert_int_equal(option(rig, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, ioas, &val), 0);
	assert_int_equal(val, 1);
	val = 0;
	assert_int_equal(option(rig, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &val), 0);
	val = 1;
	assert_int_equal(option(rig, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &val), 0);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE), 0);
	val = 0;
	assert_int_equal(option(rig, IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, ioas, &val),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(flags_that_are_unknown_or_reserved_are_not_supported),
		RIG_TEST(mapping_checks_in_linux_order),
		RIG_TEST(a_file_is_mapped_by_its_descriptor),
		RIG_TEST(a_copy_shares_pages_and_names_what_is_missing),
		RIG_TEST(unmapping_tells_how_much),
		RIG_TEST(ranges_say_how_many_there_are),
		RIG_TEST(allowed_ranges_bound_what_the_space_chooses),
		RIG_TEST(the_account_is_chosen_before_anything_is_made),
		RIG_TEST(pages_beyond_the_limit_are_not_pinned),
		RIG_TEST(huge_pages_are_given_up_only_while_nothing_is_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
