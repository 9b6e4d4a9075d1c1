/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects: their numbers, who keeps them, and what goes with the file.
 */
#include "rig.h"

static void an_id_is_the_smallest_free_number_from_one(void **state)
{
	struct rig *rig = *state;

	for (uint32_t id = 1; id <= 40; id++)
		assert_int_equal(ioas_new_id(rig), id);
	assert_int_equal(destroy(rig, 7), 0);
	assert_int_equal(destroy(rig, 3), 0);
	assert_int_equal(ioas_new_id(rig), 3);
	assert_int_equal(ioas_new_id(rig), 7);
	assert_int_equal(ioas_new_id(rig), 41);
}

static void what_is_not_there_cannot_be_destroyed(void **state)
{
	struct rig *rig = *state;
	uint32_t id = ioas_new_id(rig);

	assert_int_equal(destroy(rig, 0), -ENOENT);
	assert_int_equal(destroy(rig, id + 1), -ENOENT);
	assert_int_equal(destroy(rig, UINT32_MAX), -ENOENT);
	assert_int_equal(destroy(rig, id), 0);
	assert_int_equal(destroy(rig, id), -ENOENT);
}

static void what_is_used_is_busy_until_its_user_goes(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), stdev, hwpt, idev, own;

	assert_int_equal(mock_domain(rig, ioas, 0, &stdev, &hwpt, &idev), 0);
	assert_int_equal(destroy(rig, ioas), -EBUSY);
	assert_int_equal(destroy(rig, hwpt), -EBUSY);
	assert_int_equal(destroy(rig, idev), -EBUSY);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, 0, &own), 0);
	assert_int_equal(destroy(rig, stdev), 0);
	assert_int_equal(destroy(rig, hwpt), -ENOENT); /* it was automatic */
	assert_int_equal(destroy(rig, idev), -ENOENT);
	assert_int_equal(destroy(rig, ioas), -EBUSY);
	assert_int_equal(destroy(rig, own), 0);
	assert_int_equal(destroy(rig, ioas), 0);
}

static void an_access_keeps_its_space(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas[2] = { ioas_new_id(rig), ioas_new_id(rig) };
	struct iommu_test_cmd cmd = { .size = sizeof(cmd),
				      .op = IOMMU_TEST_OP_CREATE_ACCESS,
				      .id = ioas[0] };
	struct iommu_test_cmd replace = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ACCESS_REPLACE_IOAS,
		.access_replace_ioas = { .ioas_id = ioas[1] },
	};

	assert_int_equal(call(rig, IOMMU_TEST_CMD, &cmd), 0);
	assert_int_equal(destroy(rig, ioas[0]), -EBUSY);
	replace.id = cmd.create_access.out_access_fd;
	assert_int_equal(call(rig, IOMMU_TEST_CMD, &replace), 0);
	assert_int_equal(destroy(rig, ioas[0]), 0);
	assert_int_equal(destroy(rig, ioas[1]), -EBUSY);
	table_close(&rig->table, (int)cmd.create_access.out_access_fd);
	assert_int_equal(destroy(rig, ioas[1]), 0);
	replace.id = (uint32_t)rig->fd;
	assert_int_equal(call(rig, IOMMU_TEST_CMD, &replace), -EBADFD);
}

/* Whatever order they were made in: what the sanitizer finds left over is an error. */
static void closing_destroys_users_before_what_they_use(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), stdev, hwpt, idev, parent, nested, pt;

	assert_int_equal(map_fixed(rig, ioas, rig->buf, BUF_SIZE, BASE), 0);
	assert_int_equal(mock_domain(rig, ioas, 0, &stdev, &hwpt, &idev), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent), 0);
	assert_int_equal(nested_alloc(rig, idev, parent, 0, 0, &nested), 0);
	pt = nested;
	assert_int_equal(mock_replace(rig, stdev, &pt), 0);
	assert_int_equal(check_refs(rig, rig->buf, BUF_SIZE, 1), 0);
	table_close(&rig->table, rig->fd);
	rig->fd = rig_open(rig);
	assert_int_equal(check_refs(rig, rig->buf, BUF_SIZE, 0), 0);
}

static void an_access_keeps_the_file(void **state)
{
	struct rig *rig = *state;
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = ioas_new_id(rig),
		.create_access = { .flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES },
	};
	struct iommu_test_cmd pin = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ACCESS_PAGES,
		.access_pages = { .iova = BASE, .length = PAGE, .uptr = (uintptr_t)rig->buf },
	};

	assert_int_equal(map_fixed(rig, cmd.id, rig->buf, PAGE, BASE), 0);
	assert_int_equal(call(rig, IOMMU_TEST_CMD, &cmd), 0);
	pin.id = cmd.create_access.out_access_fd;
	assert_int_equal(call(rig, IOMMU_TEST_CMD, &pin), 0);
	table_close(&rig->table, rig->fd);
	rig->fd = rig_open(rig);
	assert_int_equal(check_refs(rig, rig->buf, PAGE, 1), 0);
	table_close(&rig->table, (int)cmd.create_access.out_access_fd);
	assert_int_equal(check_refs(rig, rig->buf, PAGE, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(an_id_is_the_smallest_free_number_from_one),
		RIG_TEST(what_is_not_there_cannot_be_destroyed),
		RIG_TEST(what_is_used_is_busy_until_its_user_goes),
		RIG_TEST(an_access_keeps_its_space),
		RIG_TEST(closing_destroys_users_before_what_they_use),
		RIG_TEST(an_access_keeps_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
