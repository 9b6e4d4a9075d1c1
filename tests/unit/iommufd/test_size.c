/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The size that every structure begins with, for every ioctl: shorter than the
 * first version, longer than ours, and pointers that lead nowhere.
 */
#include "../faults.h"
#include "rig.h"

#define END(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))

static const struct {
	const char *name;
	unsigned long cmd;
	uint32_t size; /* ours */
	uint32_t min; /* of the first version */
} calls[] = {
#define CALL(cmd, type, last)                                   \
	{                                                       \
#cmd, cmd, sizeof(struct type), END(type, last) \
	}
	CALL(IOMMU_DESTROY, iommu_destroy, id),
	CALL(IOMMU_IOAS_ALLOC, iommu_ioas_alloc, out_ioas_id),
	CALL(IOMMU_IOAS_ALLOW_IOVAS, iommu_ioas_allow_iovas, allowed_iovas),
	CALL(IOMMU_IOAS_COPY, iommu_ioas_copy, src_iova),
	CALL(IOMMU_IOAS_IOVA_RANGES, iommu_ioas_iova_ranges, out_iova_alignment),
	CALL(IOMMU_IOAS_MAP, iommu_ioas_map, iova),
	CALL(IOMMU_IOAS_MAP_FILE, iommu_ioas_map_file, iova),
	CALL(IOMMU_IOAS_UNMAP, iommu_ioas_unmap, length),
	CALL(IOMMU_OPTION, iommu_option, val64),
	CALL(IOMMU_VFIO_IOAS, iommu_vfio_ioas, __reserved),
	CALL(IOMMU_HWPT_ALLOC, iommu_hwpt_alloc, __reserved),
	CALL(IOMMU_GET_HW_INFO, iommu_hw_info, __reserved),
	CALL(IOMMU_HWPT_SET_DIRTY_TRACKING, iommu_hwpt_set_dirty_tracking, __reserved),
	CALL(IOMMU_HWPT_GET_DIRTY_BITMAP, iommu_hwpt_get_dirty_bitmap, data),
	CALL(IOMMU_HWPT_INVALIDATE, iommu_hwpt_invalidate, __reserved),
	CALL(IOMMU_FAULT_QUEUE_ALLOC, iommu_fault_alloc, out_fault_fd),
	CALL(IOMMU_TEST_CMD, iommu_test_cmd, last),
};

#define NR_CALLS    (sizeof(calls) / sizeof(*calls))
#define FOR_CALL(i) for (size_t i = 0; i < NR_CALLS; i++)

static void shorter_than_the_first_version_is_refused(void **state)
{
	struct rig *rig = *state;
	uint32_t buf[64] = { 0 };

	FOR_CALL(i)
	{
		buf[0] = calls[i].min - 1;
		if (call(rig, calls[i].cmd, buf) != -EINVAL)
			fail_msg("%s", calls[i].name);
		buf[0] = 0;
		assert_int_equal(call(rig, calls[i].cmd, buf), -EINVAL);
	}
}

static void longer_must_be_zero(void **state)
{
	struct rig *rig = *state;
	static uint8_t buf[3 * 4096];

	FOR_CALL(i)
	{
		uint32_t size = sizeof(buf);

		memset(buf, 0, sizeof(buf));
		memcpy(buf, &size, sizeof(size));
		buf[sizeof(buf) - 1] = 1;
		if (call(rig, calls[i].cmd, buf) != -E2BIG)
			fail_msg("%s", calls[i].name);
		buf[sizeof(buf) - 1] = 0;
		buf[calls[i].size] = 1;
		assert_int_equal(call(rig, calls[i].cmd, buf), -E2BIG);
		buf[calls[i].size] = 0;
		if (call(rig, calls[i].cmd, buf) == -E2BIG)
			fail_msg("%s", calls[i].name);
	}
}

static void a_pointer_to_nowhere_is_said(void **state)
{
	struct rig *rig = *state;
	uint8_t *edge;

	take_faults();
	edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(edge, MAP_FAILED);
	assert_int_equal(munmap(edge + PAGE, PAGE), 0);
	FOR_CALL(i)
	{
		uint32_t size = calls[i].size;

		assert_int_equal(call(rig, calls[i].cmd, (void *)1), -EFAULT);
		/* the size is there, the rest is not */
		memcpy(edge + PAGE - 4, &size, sizeof(size));
		if (call(rig, calls[i].cmd, edge + PAGE - 4) != -EFAULT)
			fail_msg("%s", calls[i].name);
		/* all but what would have to be zero */
		memset(edge, 0, PAGE);
		size += 8;
		memcpy(edge + PAGE - calls[i].size, &size, sizeof(size));
		if (call(rig, calls[i].cmd, edge + PAGE - calls[i].size) != -EFAULT)
			fail_msg("%s", calls[i].name);
		/* nor has it to be there once something before is not zero */
		size = PAGE;
		memset(edge + PAGE - calls[i].size - 8, 0, calls[i].size + 7);
		edge[PAGE - 1] = 1;
		memcpy(edge + PAGE - calls[i].size - 8, &size, sizeof(size));
		if (call(rig, calls[i].cmd, edge + PAGE - calls[i].size - 8) != -E2BIG)
			fail_msg("%s", calls[i].name);
	}
	munmap(edge, PAGE);
}

static void an_answer_is_cut_to_what_the_caller_knows(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), idev, first;
	struct {
		struct iommu_hwpt_alloc cmd;
		uint32_t after;
	} room = { .cmd = { .size = END(iommu_hwpt_alloc, __reserved) }, .after = 0xabcd };

	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, &idev), 0);
	room.cmd.dev_id = idev;
	room.cmd.pt_id = ioas;
	/* what an old caller does not know is not read: this would be invalid */
	room.cmd.data_type = 77;
	room.cmd.fault_id = 0x1234;
	assert_int_equal(call(rig, IOMMU_HWPT_ALLOC, &room.cmd), 0);
	first = room.cmd.out_hwpt_id;
	assert_int_not_equal(first, 0);
	assert_int_equal(room.cmd.data_type, 77);
	assert_int_equal(room.cmd.fault_id, 0x1234);
	assert_int_equal(room.after, 0xabcd);
}

static void unknown_numbers_are_no_ioctls(void **state)
{
	struct rig *rig = *state;
	uint32_t buf[64] = { sizeof(buf) };

	take_faults();
	assert_int_equal(call(rig, _IO(';', 0x90), buf), -ENOTTY);
	assert_int_equal(call(rig, _IO(';', 0xa1), buf), -ENOTTY);
	assert_int_equal(call(rig, _IO(':', 0x81), buf), -ENOTTY);
	assert_int_equal(call(rig, _IOR(';', 0x81, int), buf), -ENOTTY);
	assert_int_equal(call(rig, _IO(';', 0x7f), buf), -ENOTTY);
	/* a number of ours with another type is looked up after its size was read */
	assert_int_equal(call(rig, _IO(':', 0x81), (void *)1), -EFAULT);
	assert_int_equal(call(rig, _IO(';', 0x7f), (void *)1), -ENOTTY);
	/* one that Linux does not have is another's */
	assert_int_equal(call(rig, _IO(':', 0xe0), (void *)1), -ENOTTY);
	assert_int_equal(call(rig, _IO(';', 0xe0), (void *)1), -EFAULT);
}

static void without_the_option_there_is_no_test_command(void **state)
{
	struct rig *rig = *state;
	struct iommu_test_cmd cmd = { .size = sizeof(cmd), .op = IOMMU_TEST_OP_MOCK_DOMAIN };

	table_close(&rig->table, rig->fd);
	rig->options.selftest = false;
	rig->fd = rig_open(rig);
	assert_int_equal(call(rig, IOMMU_TEST_CMD, &cmd), -ENOTTY);
	assert_int_equal(call(rig, IOMMU_TEST_CMD, (void *)1), -ENOTTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(shorter_than_the_first_version_is_refused),
		RIG_TEST(longer_must_be_zero),
		RIG_TEST(a_pointer_to_nowhere_is_said),
		RIG_TEST(an_answer_is_cut_to_what_the_caller_knows),
		RIG_TEST(unknown_numbers_are_no_ioctls),
		RIG_TEST(without_the_option_there_is_no_test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
