/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault queues: delivered in order, answered by cookie, ended with what they
 * belong to.
 */
#include <poll.h>

#include "../faults.h"
#include "rig.h"

struct faulting {
	uint32_t ioas, stdev, idev, parent, nested, queue;
	int fd;
	struct file *file;
};

static struct faulting faulting_new(struct rig *rig)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	struct faulting f = { .ioas = ioas_new_id(rig) };
	uint32_t pt;

	assert_int_equal(mock_domain(rig, f.ioas, 0, &f.stdev, NULL, &f.idev), 0);
	assert_int_equal(hwpt_alloc(rig, f.idev, f.ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, &f.parent),
			 0);
	assert_int_equal(call(rig, IOMMU_FAULT_QUEUE_ALLOC, &cmd), 0);
	f.queue = cmd.out_fault_id;
	f.fd = (int)cmd.out_fault_fd;
	f.file = table_file(&rig->table, f.fd);
	assert_non_null(f.file);
	assert_true(f.file->ops->stream);
	assert_int_equal(nested_alloc(rig, f.idev, f.parent, IOMMU_HWPT_FAULT_ID_VALID, f.queue,
				      &f.nested),
			 0);
	pt = f.nested;
	assert_int_equal(mock_replace(rig, f.stdev, &pt), 0);
	return f;
}

static int trigger(struct rig *rig, uint32_t idev, uint32_t pasid, uint64_t addr)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = { .dev_id = idev,
				  .pasid = pasid,
				  .grpid = 2,
				  .perm = IOMMU_PGFAULT_PERM_READ,
				  .addr = addr },
	};

	return call(rig, IOMMU_TEST_CMD, &cmd);
}

static ssize_t take(struct rig *rig, struct faulting *f, void *buf, size_t len)
{
	return f->file->ops->pread(f->file, &rig->table.caller, buf, len, 0);
}

static ssize_t answer(struct rig *rig, struct faulting *f, uint32_t cookie, uint32_t code)
{
	struct iommu_hwpt_page_response response = { .cookie = cookie, .code = code };

	return f->file->ops->pwrite(f->file, &rig->table.caller, &response, sizeof(response), 0);
}

static bool readable(struct faulting *f)
{
	return f->file->ops->poll(f->file) & POLLIN;
}

static void faults_are_read_in_order_and_answered_by_cookie(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);
	struct iommu_hwpt_pgfault msg[3];

	assert_false(readable(&f));
	assert_int_equal(f.file->ops->poll(f.file), POLLOUT);
	assert_int_equal(take(rig, &f, msg, sizeof(msg)), 0);
	assert_int_equal(trigger(rig, f.idev, 0, 0xdead0000), 0);
	assert_int_equal(trigger(rig, f.idev, 1, 0xbeef0000), 0);
	assert_true(readable(&f));
	assert_int_equal(take(rig, &f, msg, sizeof(msg)), 2 * sizeof(msg[0]));
	assert_false(readable(&f));
	assert_int_equal(msg[0].flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	assert_int_equal(msg[0].dev_id, f.idev);
	assert_int_equal(msg[0].grpid, 2);
	assert_int_equal(msg[0].perm, IOMMU_PGFAULT_PERM_READ);
	assert_int_equal(msg[0].addr, 0xdead0000);
	assert_int_equal(msg[1].addr, 0xbeef0000);
	assert_int_equal(msg[1].pasid, 1);
	assert_int_equal(msg[1].flags,
			 IOMMU_PGFAULT_FLAGS_LAST_PAGE | IOMMU_PGFAULT_FLAGS_PASID_VALID);
	assert_int_equal(msg[0].cookie, 1);
	assert_int_equal(msg[1].cookie, 2);
	assert_int_equal(answer(rig, &f, 2, 7), -EINVAL);
	assert_int_equal(answer(rig, &f, 3, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	assert_int_equal(answer(rig, &f, 1, IOMMUFD_PAGE_RESP_SUCCESS), 8);
	assert_int_equal(answer(rig, &f, 1, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	assert_int_equal(answer(rig, &f, 2, IOMMUFD_PAGE_RESP_INVALID), 8);
}

static void what_does_not_fit_stays_on_the_queue(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);
	struct iommu_hwpt_pgfault msg[2];

	take_faults();
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(trigger(rig, f.idev, 0, i << 12), 0);
	assert_int_equal(take(rig, &f, msg, sizeof(msg) - 1), -ESPIPE);
	assert_int_equal(take(rig, &f, msg, 0), -EINVAL);
	assert_int_equal(f.file->ops->pread(f.file, &rig->table.caller, msg, sizeof(msg), 8),
			 -ESPIPE);
	assert_int_equal(take(rig, &f, (void *)8, sizeof(msg)), -EFAULT);
	assert_int_equal(take(rig, &f, msg, sizeof(msg)), sizeof(msg));
	assert_int_equal(msg[1].addr, 0x1000);
	assert_true(readable(&f));
	assert_int_equal(take(rig, &f, msg, sizeof(msg)), sizeof(msg[0]));
	assert_int_equal(msg[0].addr, 0x2000);
	assert_int_equal(msg[0].cookie, 3);
}

static void several_answers_stop_at_the_first_bad_one(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);
	struct iommu_hwpt_page_response list[3] = { { .cookie = 1 },
						    { .cookie = 9 },
						    { .cookie = 2 } };
	struct iommu_hwpt_pgfault msg[2];

	assert_int_equal(trigger(rig, f.idev, 0, 0), 0);
	assert_int_equal(trigger(rig, f.idev, 0, 0), 0);
	assert_int_equal(take(rig, &f, msg, sizeof(msg)), sizeof(msg));
	assert_int_equal(f.file->ops->pwrite(f.file, &rig->table.caller, list, sizeof(list) - 4, 0),
			 -ESPIPE);
	assert_int_equal(f.file->ops->pwrite(f.file, &rig->table.caller, list, sizeof(list), 0),
			 sizeof(list[0]));
	assert_int_equal(answer(rig, &f, 1, 0), -EINVAL);
	assert_int_equal(answer(rig, &f, 2, 0), 8);
}

static void leaving_the_table_answers_its_faults(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);
	struct iommu_hwpt_pgfault msg[4];
	uint32_t pt = f.ioas, stdev, idev;

	/* another device on the same queue is not concerned */
	assert_int_equal(mock_domain(rig, f.nested, 0, &stdev, NULL, &idev), 0);
	assert_int_equal(trigger(rig, f.idev, 0, 0x1000), 0);
	assert_int_equal(trigger(rig, idev, 0, 0x2000), 0);
	assert_int_equal(take(rig, &f, msg, 2 * sizeof(msg[0])), 2 * sizeof(msg[0]));
	assert_int_equal(trigger(rig, idev, 0, 0x3000), 0);
	assert_int_equal(trigger(rig, f.idev, 0, 0x4000), 0);
	assert_int_equal(mock_replace(rig, f.stdev, &pt), 0);
	assert_int_equal(answer(rig, &f, 1, 0), -EINVAL);
	assert_int_equal(answer(rig, &f, 2, 0), 8);
	assert_int_equal(take(rig, &f, msg, sizeof(msg)), sizeof(msg[0]));
	assert_int_equal(msg[0].addr, 0x3000);
	/* attached to a table without a queue, a fault is nobody's */
	assert_int_equal(trigger(rig, f.idev, 0, 0x5000), 0);
	assert_false(readable(&f));
	/* back, it is new: its old faults are gone */
	pt = f.nested;
	assert_int_equal(mock_replace(rig, f.stdev, &pt), 0);
	assert_int_equal(trigger(rig, f.idev, 0, 0x6000), 0);
	assert_true(readable(&f));
	assert_int_equal(destroy(rig, f.stdev), 0);
	assert_false(readable(&f));
	assert_int_equal(destroy(rig, stdev), 0);
}

static void answering_cookie_0_makes_it_one(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);
	struct iommu_hwpt_pgfault msg[3];
	uint32_t pt = f.ioas;

	take_faults();
	assert_int_equal(answer(rig, &f, 0, 0), -EINVAL);
	for (uint64_t i = 0; i < 2; i++)
		assert_int_equal(trigger(rig, f.idev, 0, i), 0);
	assert_int_equal(take(rig, &f, msg, sizeof(msg[0])), sizeof(msg[0]));
	assert_int_equal(msg[0].cookie, 1); /* nothing was taken when 0 was answered */
	assert_int_equal(answer(rig, &f, 0, 0), -EINVAL);
	assert_int_equal(take(rig, &f, msg, sizeof(msg[0])), sizeof(msg[0]));
	assert_int_equal(msg[0].cookie, 0);
	assert_int_equal(trigger(rig, f.idev, 0, 2), 0);
	assert_int_equal(take(rig, &f, msg, sizeof(msg[0])), sizeof(msg[0]));
	assert_int_equal(msg[0].cookie, 2);
	assert_int_equal(answer(rig, &f, 0, 0), 8);
	assert_int_equal(answer(rig, &f, 0, 0), -EINVAL);
	assert_int_equal(trigger(rig, f.idev, 0, 3), 0);
	assert_int_equal(take(rig, &f, (void *)8, sizeof(msg[0])), -EFAULT);
	assert_int_equal(take(rig, &f, msg, sizeof(msg[0])), sizeof(msg[0]));
	assert_int_equal(msg[0].cookie, 0);
	/* and it goes with the others */
	assert_int_equal(mock_replace(rig, f.stdev, &pt), 0);
	for (uint32_t cookie = 0; cookie < 4; cookie++)
		assert_int_equal(answer(rig, &f, cookie, 0), -EINVAL);
	pt = f.nested;
	assert_int_equal(mock_replace(rig, f.stdev, &pt), 0);
	assert_int_equal(trigger(rig, f.idev, 0, 4), 0);
	assert_int_equal(take(rig, &f, msg, sizeof(msg[0])), sizeof(msg[0]));
	assert_int_equal(msg[0].cookie, 0);
}

static void without_a_descriptor_nothing_is_told(void **state)
{
	struct rig *rig = *state;
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd), .out_fault_id = 77 };
	int other = -1;

	for (unsigned i = 1; i < TABLE_FILES; i++)
		other = rig_open(rig);
	assert_int_equal(call(rig, IOMMU_FAULT_QUEUE_ALLOC, &cmd), -EMFILE);
	assert_int_equal(cmd.out_fault_id, 77);
	table_close(&rig->table, other);
	assert_int_equal(call(rig, IOMMU_FAULT_QUEUE_ALLOC, &cmd), 0);
	assert_int_equal(cmd.out_fault_id, 1);
}

static void a_queue_lasts_while_a_table_or_its_file_is_there(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);
	uint32_t pt = f.ioas;

	assert_int_equal(destroy(rig, f.queue), -EBUSY);
	table_close(&rig->table, f.fd);
	assert_int_equal(destroy(rig, f.queue), -EBUSY);
	assert_int_equal(trigger(rig, f.idev, 0, 0), 0); /* it goes with the queue */
	assert_int_equal(mock_replace(rig, f.stdev, &pt), 0);
	assert_int_equal(destroy(rig, f.nested), 0);
	assert_int_equal(destroy(rig, f.queue), 0);
}

static void a_queue_keeps_the_iommufd_open(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);

	table_close(&rig->table, rig->fd);
	f.file = table_file(&rig->table, f.fd);
	assert_false(readable(&f));
}

static void wrong_queues_are_not_found(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd), .flags = 1 };
	uint32_t out;

	assert_int_equal(call(rig, IOMMU_FAULT_QUEUE_ALLOC, &cmd), -EOPNOTSUPP);
	assert_int_equal(nested_alloc(rig, f.idev, f.parent, IOMMU_HWPT_FAULT_ID_VALID, f.ioas,
				      &out),
			 -ENOENT);
	assert_int_equal(trigger(rig, f.queue, 0, 0), -ENOENT);
}

static unsigned woken;

static void wake(void *arg)
{
	const struct file *file = arg;

	woken++;
	assert_true(file->ops->poll((struct file *)file) & POLLIN);
}

static void whoever_waits_is_woken_for_each(void **state)
{
	struct rig *rig = *state;
	struct faulting f = faulting_new(rig);

	woken = 0;
	f.file->wake = wake;
	f.file->wake_arg = f.file;
	assert_int_equal(trigger(rig, f.idev, 0, 0), 0);
	assert_int_equal(trigger(rig, f.idev, 0, 0), 0);
	assert_int_equal(woken, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(faults_are_read_in_order_and_answered_by_cookie),
		RIG_TEST(what_does_not_fit_stays_on_the_queue),
		RIG_TEST(several_answers_stop_at_the_first_bad_one),
		RIG_TEST(leaving_the_table_answers_its_faults),
		RIG_TEST(answering_cookie_0_makes_it_one),
		RIG_TEST(without_a_descriptor_nothing_is_told),
		RIG_TEST(a_queue_lasts_while_a_table_or_its_file_is_there),
		RIG_TEST(a_queue_keeps_the_iommufd_open),
		RIG_TEST(wrong_queues_are_not_found),
		RIG_TEST(whoever_waits_is_woken_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
