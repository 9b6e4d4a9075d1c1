/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables: automatic and the program's own, nested ones, and what their
 * IOMMU says of itself.
 */
#include "rig.h"

static void devices_share_an_automatic_table(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), stdev[2], hwpt[2];

	assert_int_equal(mock_domain(rig, ioas, 0, &stdev[0], &hwpt[0], NULL), 0);
	assert_int_equal(mock_domain(rig, ioas, 0, &stdev[1], &hwpt[1], NULL), 0);
	assert_int_equal(hwpt[0], hwpt[1]);
	assert_int_equal(destroy(rig, stdev[0]), 0);
	assert_int_equal(destroy(rig, hwpt[0]), -EBUSY);
	assert_int_equal(destroy(rig, stdev[1]), 0);
	assert_int_equal(destroy(rig, hwpt[0]), -ENOENT);
}

static void a_table_of_the_program_is_never_taken_by_itself(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), other = ioas_new_id(rig);
	uint32_t stdev, idev, own, pt;

	assert_int_equal(mock_domain(rig, other, 0, &stdev, NULL, &idev), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, 0, &own), 0);
	pt = ioas;
	assert_int_equal(mock_replace(rig, stdev, &pt), 0);
	assert_int_not_equal(pt, own);
	pt = own;
	assert_int_equal(mock_replace(rig, stdev, &pt), 0);
	assert_int_equal(pt, own);
	assert_int_equal(destroy(rig, own), -EBUSY);
	pt = other;
	assert_int_equal(mock_replace(rig, stdev, &pt), 0);
	assert_int_equal(destroy(rig, own), 0);
}

static void a_table_is_filled_when_it_is_made_and_kept_so(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), idev, own, hwpt;

	assert_int_equal(map_fixed(rig, ioas, rig->buf, 4 * PAGE, BASE), 0);
	assert_int_equal(check_refs(rig, rig->buf, 4 * PAGE, 0), 0);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, &hwpt, &idev), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, 0, &own), 0);
	assert_int_equal(map_fixed(rig, ioas, rig->buf + 4 * PAGE, 4 * PAGE, BASE + 4 * PAGE), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(check_map(rig, i ? own : hwpt, BASE, 8 * PAGE, rig->buf), 0);
	assert_int_equal(check_map(rig, own, BASE, PAGE, rig->buf + PAGE), -EINVAL);
	assert_int_equal(check_map(rig, own, BASE + 8 * PAGE, PAGE, rig->buf), -EINVAL);
	/* two tables, one pin */
	assert_int_equal(check_refs(rig, rig->buf, 8 * PAGE, 1), 0);
	assert_int_equal(unmap(rig, ioas, BASE, 4 * PAGE, NULL), 0);
	assert_int_equal(check_map(rig, own, BASE, PAGE, rig->buf), -EINVAL);
	assert_int_equal(check_map(rig, own, BASE + 4 * PAGE, PAGE, rig->buf + 4 * PAGE), 0);
}

static void what_does_not_fit_the_mappings_is_refused(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), other = ioas_new_id(rig), idev, out;

	assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE - PAGE), 0);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, NULL), -EADDRINUSE);
	assert_int_equal(mock_domain(rig, other, 0, NULL, NULL, &idev), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, 0, &out), -EADDRINUSE);
	assert_int_equal(unmap(rig, ioas, BASE - PAGE, PAGE, NULL), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, 0, &out), 0);
}

static void flags_and_ids_are_checked_in_linux_order(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), stdev, hwpt, idev, plain, plain_dev, out;
	struct iommu_hwpt_alloc cmd = { .size = sizeof(cmd), .pt_id = ioas };

	assert_int_equal(mock_domain(rig, ioas, 0, &stdev, &hwpt, &idev), 0);
	assert_int_equal(
		mock_domain(rig, ioas, MOCK_FLAGS_DEVICE_NO_DIRTY, &plain, NULL, &plain_dev), 0);
	cmd.__reserved = 1;
	assert_int_equal(call(rig, IOMMU_HWPT_ALLOC, &cmd), -EOPNOTSUPP);
	cmd.__reserved = 0;
	cmd.data_len = 4;
	assert_int_equal(call(rig, IOMMU_HWPT_ALLOC, &cmd), -EINVAL);
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	assert_int_equal(call(rig, IOMMU_HWPT_ALLOC, &cmd), -ENOENT);
	cmd.dev_id = idev;
	assert_int_equal(call(rig, IOMMU_HWPT_ALLOC, &cmd), -EOPNOTSUPP);
	assert_int_equal(hwpt_alloc(rig, idev, 77, 0, &out), -EINVAL);
	assert_int_equal(hwpt_alloc(rig, idev, idev, 0, &out), -EINVAL);
	assert_int_equal(hwpt_alloc(rig, ioas, ioas, 0, &out), -ENOENT);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, 1u << 10, &out), -EOPNOTSUPP);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, IOMMU_HWPT_FAULT_ID_VALID, &out), -EOPNOTSUPP);
	assert_int_equal(hwpt_alloc(rig, plain_dev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &out),
			 -EOPNOTSUPP);
	/* a table with dirty bits is not for a device without */
	assert_int_equal(hwpt_alloc(rig, idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &out), 0);
	assert_int_equal(mock_replace(rig, plain, &out), -EINVAL);
	assert_int_equal(mock_replace(rig, stdev, &out), 0);
}

static void only_a_parent_can_be_nested_upon(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), stdev, hwpt, idev, plain, parent, nested, out, pt;
	struct iommu_hwpt_selftest data = { 5 };
	struct iommu_hwpt_alloc cmd = { .size = sizeof(cmd) };

	assert_int_equal(mock_domain(rig, ioas, 0, &stdev, &hwpt, &idev), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, 0, &plain), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent), 0);
	assert_int_equal(nested_alloc(rig, idev, hwpt, 0, 0, &out), -EINVAL);
	assert_int_equal(nested_alloc(rig, idev, plain, 0, 0, &out), -EINVAL);
	assert_int_equal(nested_alloc(rig, idev, parent, IOMMU_HWPT_ALLOC_NEST_PARENT, 0, &out),
			 -EOPNOTSUPP);
	assert_int_equal(hwpt_alloc(rig, idev, parent, 0, &out), -EOPNOTSUPP);
	assert_int_equal(nested_alloc(rig, idev, parent, 0, 0, &nested), 0);
	assert_int_equal(nested_alloc(rig, idev, nested, 0, 0, &out), -EINVAL);
	cmd.dev_id = idev;
	cmd.pt_id = parent;
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	cmd.data_len = sizeof(data);
	cmd.data_uptr = (uintptr_t)&data;
	assert_int_equal(call(rig, IOMMU_HWPT_ALLOC, &cmd), -EOPNOTSUPP);
	cmd.data_type = IOMMU_HWPT_DATA_SELFTEST;
	cmd.data_len = sizeof(data) - 1;
	assert_int_equal(call(rig, IOMMU_HWPT_ALLOC, &cmd), -EINVAL);
	cmd.data_len = sizeof(data) + 1;
	assert_int_equal(call(rig, IOMMU_HWPT_ALLOC, &cmd), -EINVAL);

	pt = nested;
	assert_int_equal(mock_replace(rig, stdev, &pt), 0);
	assert_int_equal(destroy(rig, parent), -EBUSY);
	assert_int_equal(destroy(rig, nested), -EBUSY);
	pt = ioas;
	assert_int_equal(mock_replace(rig, stdev, &pt), 0);
	assert_int_equal(destroy(rig, parent), -EBUSY);
	assert_int_equal(destroy(rig, nested), 0);
	assert_int_equal(destroy(rig, parent), 0);
}

static int iotlb_is(struct rig *rig, uint32_t hwpt, uint32_t entry, uint32_t value)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MD_CHECK_IOTLB,
		.id = hwpt,
		.check_iotlb = { .id = entry, .iotlb = value },
	};

	return call(rig, IOMMU_TEST_CMD, &cmd);
}

static int invalidate(struct rig *rig, uint32_t hwpt,
		      const struct iommu_hwpt_invalidate_selftest *array, uint32_t *nr)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.data_uptr = (uintptr_t)array,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(*array),
		.entry_num = *nr,
	};
	int ret = call(rig, IOMMU_HWPT_INVALIDATE, &cmd);

	*nr = cmd.entry_num;
	return ret;
}

static void invalidation_stops_at_the_first_bad_entry_and_says_where(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), idev, parent, nested, nr;
	struct iommu_hwpt_invalidate_selftest array[3] = { { .iotlb_id = 1 },
							   { .iotlb_id = 9 },
							   { .iotlb_id = 2 } };

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, &idev), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent), 0);
	assert_int_equal(nested_alloc(rig, idev, parent, 0, 0, &nested), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(iotlb_is(rig, nested, i, IOMMU_TEST_IOTLB_DEFAULT), 0);
	nr = 3;
	assert_int_equal(invalidate(rig, nested, array, &nr), -EINVAL);
	assert_int_equal(nr, 1);
	assert_int_equal(iotlb_is(rig, nested, 1, 0), 0);
	assert_int_equal(iotlb_is(rig, nested, 2, IOMMU_TEST_IOTLB_DEFAULT), 0);
	array[1] = (struct iommu_hwpt_invalidate_selftest){ .flags = 2 };
	nr = 3;
	assert_int_equal(invalidate(rig, nested, array, &nr), -EOPNOTSUPP);
	assert_int_equal(nr, 1);
	array[1].flags = IOMMU_TEST_INVALIDATE_FLAG_ALL;
	nr = 3;
	assert_int_equal(invalidate(rig, nested, array, &nr), 0);
	assert_int_equal(nr, 3);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(iotlb_is(rig, nested, i, 0), 0);
	nr = 1;
	assert_int_equal(invalidate(rig, parent, array, &nr), -ENOENT);
	assert_int_equal(nr, 0);
	nr = 0;
	assert_int_equal(invalidate(rig, nested, NULL, &nr), 0);
	nr = 1;
	assert_int_equal(invalidate(rig, nested, NULL, &nr), -EINVAL);
	nr = (1u << 19) + 1;
	assert_int_equal(invalidate(rig, nested, array, &nr), -EINVAL);
	assert_int_equal(nr, 0);
}

static void hw_info_is_cut_or_padded_to_the_buffer(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), idev, pasid;
	uint32_t buf[4];
	struct iommu_hw_info cmd = { .size = sizeof(cmd), .data_uptr = (uintptr_t)buf };

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, &idev), 0);
	assert_int_equal(mock_domain(rig, ioas,
				     MOCK_FLAGS_DEVICE_PASID | MOCK_FLAGS_DEVICE_NO_DIRTY, NULL,
				     NULL, &pasid),
			 0);
	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), -ENOENT);
	cmd.dev_id = idev;
	cmd.data_len = sizeof(buf);
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(cmd.data_len, sizeof(struct iommu_test_hw_info));
	assert_int_equal(cmd.out_data_type, IOMMU_HW_INFO_TYPE_SELFTEST);
	assert_int_equal(cmd.out_capabilities, IOMMU_HW_CAP_DIRTY_TRACKING);
	assert_int_equal(cmd.out_max_pasid_log2, 0);
	assert_int_equal(buf[0], 0);
	assert_int_equal(buf[1], IOMMU_HW_INFO_SELFTEST_REGVAL);
	assert_int_equal(buf[2] | buf[3], 0);

	memset(buf, 0xff, sizeof(buf));
	cmd.data_len = 4;
	cmd.dev_id = pasid;
	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(buf[0], 0);
	assert_int_equal(buf[1], 0xffffffff);
	assert_int_equal(cmd.data_len, sizeof(struct iommu_test_hw_info));
	assert_int_equal(cmd.out_max_pasid_log2, MOCK_PASID_WIDTH);
	assert_int_equal(cmd.out_capabilities, 0);

	cmd.flags = 2;
	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), -EOPNOTSUPP);
	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	cmd.in_data_type = IOMMU_HW_INFO_TYPE_SELFTEST;
	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), 0);
	cmd.in_data_type = IOMMU_HW_INFO_TYPE_INTEL_VTD;
	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), -EOPNOTSUPP);
	cmd.flags = 0;
	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), 0);
	cmd.__reserved[2] = 1;
	assert_int_equal(call(rig, IOMMU_GET_HW_INFO, &cmd), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(devices_share_an_automatic_table),
		RIG_TEST(a_table_of_the_program_is_never_taken_by_itself),
		RIG_TEST(a_table_is_filled_when_it_is_made_and_kept_so),
		RIG_TEST(what_does_not_fit_the_mappings_is_refused),
		RIG_TEST(flags_and_ids_are_checked_in_linux_order),
		RIG_TEST(only_a_parent_can_be_nested_upon),
		RIG_TEST(invalidation_stops_at_the_first_bad_entry_and_says_where),
		RIG_TEST(hw_info_is_cut_or_padded_to_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
