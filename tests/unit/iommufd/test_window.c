/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of IOVA windows: arguments, errnos, and what attached devices make of
 * them.
 */
#include <ringfence/uapi.h>

#include "../faults.h"
#include "base/alloc.h"
#include "rig.h"
#include "vfio/abi.h"

#define ACCESS	       (RF_IOAS_WINDOW_READABLE | RF_IOAS_WINDOW_WRITEABLE)
#define MOCK_PAGE      2048ul
#define MOCK_HUGE_PAGE (1ul << 20)

static int create(struct rig *rig, uint32_t ioas, uint32_t flags, uint64_t iova, uint64_t length,
		  struct rf_ioas_create_window *out)
{
	struct rf_ioas_create_window cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.length = length,
		.iova = iova,
	};
	int ret = call(rig, RF_IOAS_CREATE_WINDOW, &cmd);

	if (out)
		*out = cmd;
	return ret;
}

static int create_at(struct rig *rig, uint32_t ioas, uint64_t iova, uint64_t length)
{
	return create(rig, ioas, RF_IOAS_WINDOW_FIXED_IOVA, iova, length, NULL);
}

static int remove_at(struct rig *rig, uint32_t ioas, uint64_t iova)
{
	struct rf_ioas_remove_window cmd = { .size = sizeof(cmd), .ioas_id = ioas, .iova = iova };

	return call(rig, RF_IOAS_REMOVE_WINDOW, &cmd);
}

static int get(struct rig *rig, uint32_t ioas, struct rf_ioas_window *windows, uint32_t room,
	       struct rf_ioas_get_windows *out)
{
	struct rf_ioas_get_windows cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_windows = room,
		.windows = (uintptr_t)windows,
	};
	int ret = call(rig, RF_IOAS_GET_WINDOWS, &cmd);

	*out = cmd;
	return ret;
}

static uint32_t nr_windows(struct rig *rig, uint32_t ioas)
{
	struct rf_ioas_get_windows cmd;

	get(rig, ioas, NULL, 0, &cmd);
	return cmd.num_windows;
}

static void structures_are_checked_as_linux_checks_its_own(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct {
		struct rf_ioas_create_window cmd;
		uint64_t more;
	} longer = { .cmd = { .size = sizeof(longer), .ioas_id = ioas, .length = PAGE } };
	struct rf_ioas_create_window create_cmd = {
		.size = sizeof(create_cmd) - 1,
		.ioas_id = ioas,
		.length = PAGE,
	};
	struct rf_ioas_remove_window remove_cmd = { .size = sizeof(remove_cmd) - 1 };
	struct rf_ioas_get_windows get_cmd = { .size = sizeof(get_cmd) - 1, .ioas_id = ioas };

	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, &create_cmd), -EINVAL);
	assert_int_equal(call(rig, RF_IOAS_REMOVE_WINDOW, &remove_cmd), -EINVAL);
	assert_int_equal(call(rig, RF_IOAS_GET_WINDOWS, &get_cmd), -EINVAL);
	take_faults();
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, NULL), -EFAULT);
	longer.more = 1;
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, &longer), -E2BIG);
	longer.more = 0;
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, &longer), 0);
	create_cmd.size++;
	create_cmd.__reserved = 1;
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, &create_cmd), -EOPNOTSUPP);
	create_cmd.__reserved = 0;
	create_cmd.flags = 1u << 3;
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, &create_cmd), -EOPNOTSUPP);
	get_cmd.size++;
	get_cmd.__reserved = 1;
	assert_int_equal(call(rig, RF_IOAS_GET_WINDOWS, &get_cmd), -EOPNOTSUPP);
	/* what is behind them, and what has their number but another form */
	assert_int_equal(call(rig, _IO(';', 0xE3), &create_cmd), -ENOTTY);
	assert_int_equal(call(rig, _IOW(';', 0xE0, uint64_t), &create_cmd), -ENOTTY);
	assert_int_equal(nr_windows(rig, ioas), 1);
}

static void only_address_spaces_have_windows(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), hwpt;
	struct rf_ioas_get_windows cmd;

	assert_int_equal(create_at(rig, 99, 0, PAGE), -ENOENT);
	assert_int_equal(remove_at(rig, 99, 0), -ENOENT);
	assert_int_equal(get(rig, 99, NULL, 0, &cmd), -ENOENT);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, &hwpt, NULL), 0);
	assert_int_equal(create_at(rig, hwpt, BASE, PAGE), -ENOENT);
	assert_int_equal(remove_at(rig, ioas, BASE), -ENOENT);
}

static void every_bad_wish_has_its_errno(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct rf_ioas_create_window cmd = {
		.size = sizeof(cmd), .ioas_id = ioas, .length = MOCK_PAGE, .page_size = 3
	};

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, &cmd), -EINVAL);
	cmd.page_size = MOCK_PAGE / 2;
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, &cmd), -EOPNOTSUPP);
	assert_int_equal(create_at(rig, ioas, BASE, 0), -EINVAL);
	assert_int_equal(create_at(rig, ioas, BASE, PAGE + 1), -EINVAL);
	assert_int_equal(create_at(rig, ioas, BASE + 1, PAGE), -EINVAL);
	assert_int_equal(create_at(rig, ioas, 0 - PAGE, 2 * PAGE), -EOVERFLOW);
	assert_int_equal(create_at(rig, ioas, 0, PAGE), -EOPNOTSUPP); /* below the aperture */
	assert_int_equal(create_at(rig, ioas, MOCK_APERTURE_LAST + 1 - PAGE, 2 * PAGE),
			 -EOPNOTSUPP);
	assert_int_equal(create(rig, ioas, 0, 0, 1ull << 40, NULL), -ENOSPC);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE), 0);
	assert_int_equal(create_at(rig, ioas, BASE, PAGE), -EBUSY);
	assert_int_equal(unmap(rig, ioas, BASE, PAGE, NULL), 0);
	assert_int_equal(nr_windows(rig, ioas), 0);
	assert_int_equal(create_at(rig, ioas, BASE, PAGE), 0);
	assert_int_equal(create_at(rig, ioas, BASE, PAGE), -EADDRINUSE);
}

static void what_is_chosen_is_told(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), hwpt;
	struct rf_ioas_create_window made;

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, &hwpt, NULL), 0);
	assert_int_equal(create(rig, ioas, 0, 77, 8 * PAGE, &made), 0);
	assert_true(made.iova == BASE && made.page_size == PAGE && made.length == 8 * PAGE);
	assert_int_equal(made.flags, ACCESS);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, 8 * PAGE, made.iova), 0);
	assert_int_equal(check_map(rig, hwpt, made.iova, 8 * PAGE, rig->buf), 0);
	assert_int_equal(create(rig, ioas, RF_IOAS_WINDOW_READABLE, 0, PAGE, &made), 0);
	assert_int_equal(made.flags, RF_IOAS_WINDOW_READABLE);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, made.iova), -EPERM);
}

static void what_the_program_cannot_be_told_is_not_made(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct rf_ioas_create_window *cmd;
	struct rf_ioas_get_windows left;

	take_faults();
	cmd = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(cmd, MAP_FAILED);
	*cmd = (struct rf_ioas_create_window){ .size = sizeof(*cmd),
					       .ioas_id = ioas,
					       .length = PAGE };
	assert_int_equal(mprotect(cmd, PAGE, PROT_READ), 0);
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, cmd), -EFAULT);
	assert_int_equal(get(rig, ioas, NULL, 0, &left), 0);
	assert_int_equal(left.num_windows, 0);
	/* and a plain space is still one */
	assert_int_equal(left.out_flags, 0);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE), 0);
	munmap(cmd, PAGE);
}

static void windows_are_listed_as_far_as_there_is_room(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct rf_ioas_window windows[3];
	struct rf_ioas_get_windows cmd;

	memset(windows, 0xff, sizeof(windows));
	assert_int_equal(get(rig, ioas, windows, 3, &cmd), 0);
	assert_true(!cmd.num_windows && !cmd.out_flags && cmd.out_left == UINT32_MAX);
	assert_int_equal(create_at(rig, ioas, 2 * BASE, 4 * PAGE), 0);
	assert_int_equal(create(rig, ioas, RF_IOAS_WINDOW_FIXED_IOVA | RF_IOAS_WINDOW_WRITEABLE,
				BASE, PAGE, NULL),
			 0);
	assert_int_equal(get(rig, ioas, windows, 1, &cmd), -EMSGSIZE);
	assert_int_equal(cmd.num_windows, 2);
	assert_int_equal(cmd.out_flags, RF_IOAS_WINDOWS_ONLY);
	assert_true(windows[0].iova == BASE && windows[0].last == BASE + PAGE - 1);
	assert_true(windows[0].page_size == PAGE && !windows[0].__reserved);
	assert_int_equal(windows[0].flags, RF_IOAS_WINDOW_WRITEABLE);
	assert_true(windows[1].iova == UINT64_MAX);
	assert_int_equal(mock_domain(rig, ioas, MOCK_FLAGS_DEVICE_HUGE_IOVA, NULL, NULL, NULL), 0);
	assert_int_equal(get(rig, ioas, windows, 3, &cmd), 0);
	assert_true(windows[1].iova == 2 * BASE && windows[1].last == 2 * BASE + 4 * PAGE - 1);
	assert_int_equal(windows[1].flags, ACCESS);
	assert_true(windows[2].iova == UINT64_MAX);
	assert_true(cmd.out_page_sizes == (MOCK_PAGE | MOCK_HUGE_PAGE));
	take_faults();
	assert_int_equal(get(rig, ioas, (void *)8, 2, &cmd), -EFAULT);
}

static void ranges_are_the_windows_from_the_first_on(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct iommu_iova_range ranges[4];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = 4,
		.allowed_iovas = (uintptr_t)ranges,
	};

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	assert_int_equal(call(rig, IOMMU_IOAS_IOVA_RANGES, &cmd), 0);
	assert_true(cmd.num_iovas == 1 && ranges[0].last == MOCK_APERTURE_LAST);
	assert_int_equal(create_at(rig, ioas, 2 * BASE, PAGE), 0);
	cmd.num_iovas = 4;
	assert_int_equal(call(rig, IOMMU_IOAS_IOVA_RANGES, &cmd), 0);
	assert_true(cmd.num_iovas == 1 && ranges[0].start == 2 * BASE);
	assert_true(ranges[0].last == 2 * BASE + PAGE - 1);
}

static void a_space_may_be_windowed_when_it_is_made(void **state)
{
	struct rig *rig = *state;
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd), .flags = RF_IOAS_WINDOWED };
	struct rf_ioas_get_windows windows;

	assert_int_equal(call(rig, IOMMU_IOAS_ALLOC, &cmd), 0);
	assert_int_equal(get(rig, cmd.out_ioas_id, NULL, 0, &windows), 0);
	assert_int_equal(windows.out_flags, RF_IOAS_WINDOWS_ONLY);
	assert_int_equal(map_fixed(rig, cmd.out_ioas_id, rig->buf, PAGE, BASE), -EINVAL);
	assert_int_equal(create_at(rig, cmd.out_ioas_id, BASE, PAGE), 0);
	assert_int_equal(map_fixed(rig, cmd.out_ioas_id, rig->buf, PAGE, BASE), 0);
	cmd.flags |= 1u << 30;
	assert_int_equal(call(rig, IOMMU_IOAS_ALLOC, &cmd), -EOPNOTSUPP);
}

static void attaching_verifies_the_windows(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), stdev, hwpt, other = ioas_new_id(rig), pt;

	assert_int_equal(create_at(rig, ioas, 0, PAGE), 0); /* below the mock's aperture */
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), -EADDRINUSE);
	/* nor may a device move in, and it stays where it was */
	assert_int_equal(mock_domain(rig, other, 0, &stdev, &hwpt, NULL), 0);
	assert_int_equal(map_fixed(rig, other, rig->buf, PAGE, BASE), 0);
	pt = ioas;
	assert_int_equal(mock_replace(rig, stdev, &pt), -EADDRINUSE);
	assert_int_equal(check_map(rig, hwpt, BASE, PAGE, rig->buf), 0);
	assert_int_equal(remove_at(rig, ioas, 0), 0);
	assert_int_equal(create_at(rig, ioas, BASE, PAGE), 0);
	assert_int_equal(mock_replace(rig, stdev, &pt), 0);
}

static void a_modelled_device_brings_what_it_reserves(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	struct rf_device *dev = rig_device(iommu_kind_find(NULL), 0);
	uint32_t ioas = ioas_new_id(rig), pt, id;
	struct iommufd_device *idev;
	struct rf_group *group;
	uint64_t word;

	assert_int_equal(group_new(1, &group), 0);
	assert_int_equal(rf_group_add_device(group, dev), 0);
	assert_int_equal(link->bind(rig_file(rig), dev, &idev, &id), 0);
	assert_int_equal(create_at(rig, ioas, 0xfee00000, PAGE), 0);
	pt = ioas;
	assert_int_equal(link->attach(idev, &pt), -EADDRINUSE);
	assert_int_equal(remove_at(rig, ioas, 0xfee00000), 0);
	assert_int_equal(create_at(rig, ioas, 0x10000, PAGE), 0);
	assert_int_equal(link->attach(idev, &pt), 0);
	assert_int_equal(create_at(rig, ioas, 0xfee00000, PAGE), -EADDRINUSE);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, 0x10000), 0);
	assert_int_equal(rf_dma_read(dev, 0x10000, &word, sizeof(word)), 0);
	assert_true(word == 0x5a5a5a5a5a5a5a5a);
	assert_int_equal(remove_at(rig, ioas, 0x10000), 0);
	assert_int_equal(rf_dma_read(dev, 0x10000, &word, sizeof(word)), -EFAULT);
	link->detach(idev);
	link->unbind(idev);
	group_free(group);
	device_free(dev);
}

static void a_container_keeps_to_the_windows_of_its_space(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct iommu_vfio_ioas set = { .size = sizeof(set),
				       .ioas_id = ioas,
				       .op = IOMMU_VFIO_IOAS_SET };
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = (uintptr_t)rig->buf,
		.iova = BASE,
		.size = 2 * PAGE,
	};
	struct vfio_iommu_type1_dma_unmap gone = { .argsz = sizeof(gone),
						   .iova = BASE,
						   .size = 2 * PAGE };

	assert_int_equal(call(rig, IOMMU_VFIO_IOAS, &set), 0);
	assert_int_equal(create_at(rig, ioas, BASE, PAGE), 0);
	assert_int_equal(call(rig, VFIO_IOMMU_MAP_DMA, &map), -EINVAL);
	map.size = PAGE;
	assert_int_equal(call(rig, VFIO_IOMMU_MAP_DMA, &map), 0);
	assert_int_equal(call(rig, VFIO_IOMMU_UNMAP_DMA, &gone), -EINVAL);
	gone.size = PAGE;
	assert_int_equal(call(rig, VFIO_IOMMU_UNMAP_DMA, &gone), 0);
	assert_int_equal(gone.size, PAGE);
}

static uint64_t page_sizes(struct rig *rig)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

	assert_int_equal(call(rig, VFIO_IOMMU_GET_INFO, &info), 0);
	return info.iova_pgsizes;
}

/* A program maps in the smallest size it is told, wherever it has a range. */
static void a_container_is_told_sizes_that_do_in_every_window(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct iommu_vfio_ioas set = { .size = sizeof(set),
				       .ioas_id = ioas,
				       .op = IOMMU_VFIO_IOAS_SET };
	struct rf_ioas_create_window cmd = {
		.size = sizeof(cmd),
		.flags = RF_IOAS_WINDOW_FIXED_IOVA,
		.ioas_id = ioas,
		.length = 1 << 16,
		.iova = BASE,
		.page_size = 1 << 16,
	};

	assert_int_equal(call(rig, IOMMU_VFIO_IOAS, &set), 0);
	assert_int_equal(create_at(rig, ioas, 2 * BASE, PAGE), 0);
	assert_int_equal(page_sizes(rig) & -page_sizes(rig), PAGE);
	assert_int_equal(call(rig, RF_IOAS_CREATE_WINDOW, &cmd), 0);
	assert_int_equal(page_sizes(rig) & -page_sizes(rig), 1 << 16);
	assert_int_equal(remove_at(rig, ioas, BASE), 0);
	assert_int_equal(page_sizes(rig) & -page_sizes(rig), PAGE);
}

/* The nth allocation of every call fails: -ENOMEM, and nothing has changed. */
static void every_allocation_may_fail(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig);
	struct rf_ioas_get_windows cmd;
	unsigned failures = 0;
	int ret;

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), 0);
	for (unsigned n = 0; n < 20; n++) {
		uint64_t iova = BASE + n * PAGE;

		for (long nth = 1;; nth++) {
			bool failed;

			alloc_fail_nth(nth);
			ret = create_at(rig, ioas, iova, PAGE);
			failed = alloc_has_failed();
			alloc_fail_nth(0);
			if (!failed)
				break;
			failures++;
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(nr_windows(rig, ioas), n);
		}
		assert_int_equal(ret, 0);
	}
	assert_int_equal(failures, 3); /* room for 8, 16, 32 */
	alloc_fail_nth(1);
	assert_int_equal(get(rig, ioas, NULL, 0, &cmd), -ENOMEM);
	alloc_fail_nth(1);
	assert_int_equal(remove_at(rig, ioas, BASE), 0);
	assert_false(alloc_has_failed());
	alloc_fail_nth(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(structures_are_checked_as_linux_checks_its_own),
		RIG_TEST(only_address_spaces_have_windows),
		RIG_TEST(every_bad_wish_has_its_errno),
		RIG_TEST(what_is_chosen_is_told),
		RIG_TEST(what_the_program_cannot_be_told_is_not_made),
		RIG_TEST(windows_are_listed_as_far_as_there_is_room),
		RIG_TEST(ranges_are_the_windows_from_the_first_on),
		RIG_TEST(a_space_may_be_windowed_when_it_is_made),
		RIG_TEST(attaching_verifies_the_windows),
		RIG_TEST(a_modelled_device_brings_what_it_reserves),
		RIG_TEST(a_container_keeps_to_the_windows_of_its_space),
		RIG_TEST(a_container_is_told_sizes_that_do_in_every_window),
		RIG_TEST(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
