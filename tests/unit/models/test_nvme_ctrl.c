/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVMe model's registers: enable, disable, shutdown, bad configurations. */
#include "nvme_host.h"

static void capabilities_are_those_of_the_reference(void **state)
{
	struct host *h = host_new(NULL);

	assert_int_equal(fake_read(h->dev, NVME_REG_CAP, 8), 0x004018200f0107ffull);
	assert_int_equal(fake_read(h->dev, NVME_REG_CAP, 4), 0x0f0107ff);
	assert_int_equal(fake_read(h->dev, NVME_REG_CAP + 4, 4), 0x00401820);
	assert_int_equal(fake_read(h->dev, NVME_REG_CAP + 2, 2), 0x0f01);
	assert_int_equal(fake_read(h->dev, NVME_REG_VS, 4), NVME_VERSION_1_4);
	assert_int_equal(host_csts(h), 0);
	host_free(h);
}

static void read_only_registers_keep_their_value(void **state)
{
	struct host *h = host_new(NULL);

	fake_write(h->dev, NVME_REG_CAP, UINT64_MAX, 8);
	fake_write(h->dev, NVME_REG_VS, 0, 4);
	fake_write(h->dev, 0x800, 1, 4);
	assert_int_equal(fake_read(h->dev, NVME_REG_CAP, 4), 0x0f0107ff);
	assert_int_equal(fake_read(h->dev, NVME_REG_VS, 4), NVME_VERSION_1_4);
	assert_int_equal(fake_read(h->dev, 0x800, 4), 0);
	assert_true(h->dev->warnings);
	host_free(h);
}

static void wide_registers_take_halves_in_either_order(void **state)
{
	struct host *h = host_new(NULL);

	fake_write(h->dev, NVME_REG_ASQ + 4, 0x12, 4);
	fake_write(h->dev, NVME_REG_ASQ, 0x34567000, 4);
	assert_int_equal(fake_read(h->dev, NVME_REG_ASQ, 8), 0x1234567000ull);
	fake_write(h->dev, NVME_REG_ACQ, 0x89abcfff, 4);
	fake_write(h->dev, NVME_REG_ACQ + 4, 0x7, 4);
	assert_int_equal(fake_read(h->dev, NVME_REG_ACQ, 8), 0x789abc000ull);
	fake_write(h->dev, NVME_REG_ASQ, 0xfedcba9876543000ull, 8);
	assert_int_equal(fake_read(h->dev, NVME_REG_ASQ, 8), 0xfedcba9876543000ull);
	host_free(h);
}

static void narrow_register_writes_are_dropped_with_a_warning(void **state)
{
	struct host *h = host_new(NULL);

	fake_write(h->dev, NVME_REG_AQA, 0x55, 1);
	fake_write(h->dev, NVME_REG_AQA, 0x5555, 2);
	assert_int_equal(fake_read(h->dev, NVME_REG_AQA, 4), 0);
	assert_int_equal(h->dev->warnings, 2);
	host_free(h);
}

static void enable_is_ready_at_once_and_disable_resets(void **state)
{
	struct host *h = host_ready(NULL);

	fake_write(h->dev, NVME_REG_CC, 0, 4);
	assert_int_equal(host_csts(h), 0);
	/* a controller reset keeps the admin queue registers */
	assert_int_equal(fake_read(h->dev, NVME_REG_AQA, 4), HOST_AQA);
	assert_int_equal(fake_read(h->dev, NVME_REG_ASQ, 8), HOST_SQ(0));
	assert_int_equal(fake_read(h->dev, NVME_REG_ACQ, 8), HOST_CQ(0));
	/* ... and no queue */
	host_enable(h);
	assert_int_equal(host_admin(h,
				    (struct nvme_sqe){ .opcode = NVME_ADMIN_DELETE_SQ, .cdw10 = 1 },
				    NULL),
			 NVME_SC_QID_INVALID);
	host_create_pair(h, 1, 64);
	host_free(h);
}

static void expect_fatal(uint32_t aqa, uint64_t asq, uint64_t acq, uint32_t cc)
{
	struct host *h = host_new(NULL);

	fake_write(h->dev, NVME_REG_AQA, aqa, 4);
	fake_write(h->dev, NVME_REG_ASQ, asq, 8);
	fake_write(h->dev, NVME_REG_ACQ, acq, 8);
	fake_write(h->dev, NVME_REG_CC, cc, 4);
	assert_int_equal(host_csts(h), NVME_CSTS_CFS);
	assert_int_equal(h->dev->warnings, 1);
	/* disabling is the way out */
	fake_write(h->dev, NVME_REG_CC, 0, 4);
	assert_int_equal(host_csts(h), 0);
	host_enable(h);
	host_free(h);
}

static void bad_configurations_are_fatal_until_disabled(void **state)
{
	uint64_t sq = HOST_SQ(0), cq = HOST_CQ(0);

	expect_fatal(0x000f0000, sq, cq, HOST_CC); /* no submission entries */
	expect_fatal(0x0000000f, sq, cq, HOST_CC); /* no completion entries */
	expect_fatal(HOST_AQA, sq, cq, HOST_CC | 5 << 7); /* pages of 128 KiB */
	expect_fatal(HOST_AQA, sq + 0x1000, cq, HOST_CC | 1 << 7); /* 4 KiB in pages of 8 */
	expect_fatal(HOST_AQA, sq, cq + 0x1000, HOST_CC | 1 << 7);
	expect_fatal(HOST_AQA, sq, cq, HOST_CC | 1 << 11); /* weighted round robin */
	expect_fatal(HOST_AQA, sq, cq, HOST_CC | 1 << 4); /* a reserved command set */
}

static void shutdown_completes_and_stops_the_controller(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;

	fake_write(h->dev, NVME_REG_CC, HOST_CC | 1 << 14, 4);
	assert_int_equal(host_csts(h), NVME_CSTS_RDY | NVME_CSTS_SHST_DONE);
	host_queue(h, 1, (struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .nsid = 1 });
	host_kick(h, 1);
	assert_false(host_reap(h, 1, &cqe));
	assert_int_equal(h->dev->warnings, 1);
	/* a controller reset starts it again */
	fake_write(h->dev, NVME_REG_CC, 0, 4);
	assert_int_equal(host_csts(h), 0);
	host_enable(h);
	host_free(h);
}

static void abrupt_shutdown_while_disabled_completes(void **state)
{
	struct host *h = host_new(NULL);

	fake_write(h->dev, NVME_REG_CC, 2 << 14, 4);
	assert_int_equal(host_csts(h), NVME_CSTS_SHST_DONE);
	host_enable(h);
	host_free(h);
}

static void reset_with_events_outstanding_forgets_them_and_keeps_media(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;

	memset(fake_at(h->dev, HOST_DATA), 0x5a, 4096);
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_WRITE, 8, 8, HOST_DATA, 0), NULL), 0);
	host_queue(h, 0, (struct nvme_sqe){ .opcode = NVME_ADMIN_ASYNC_EVENT });
	host_kick(h, 0);
	h->dev->model->reset(h->dev);

	assert_int_equal(host_csts(h), 0);
	assert_int_equal(fake_read(h->dev, NVME_REG_CC, 4), 0);
	assert_int_equal(fake_read(h->dev, NVME_REG_AQA, 4), 0);
	assert_int_equal(fake_read(h->dev, NVME_REG_ASQ, 8), 0);
	assert_int_equal(fake_read(h->dev, host_doorbell(0, false), 4), 0);
	host_enable(h);
	assert_false(host_reap(h, 0, &cqe));
	host_create_pair(h, 1, 64);
	memset(fake_at(h->dev, HOST_DATA), 0, 4096);
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_READ, 8, 8, HOST_DATA, 0), NULL), 0);
	assert_int_equal(((uint8_t *)fake_at(h->dev, HOST_DATA))[4095], 0x5a);
	host_free(h);
}

static void larger_memory_pages_are_honoured(void **state)
{
	struct host *h = host_new(NULL);
	uint8_t *data = fake_at(h->dev, HOST_DATA);
	unsigned i;

	fake_write(h->dev, NVME_REG_AQA, HOST_AQA, 4);
	fake_write(h->dev, NVME_REG_ASQ, HOST_SQ(0), 8);
	fake_write(h->dev, NVME_REG_ACQ, HOST_CQ(0), 8);
	host_ring_init(h, 0, HOST_ADMIN_SIZE, HOST_ADMIN_SIZE);
	fake_write(h->dev, NVME_REG_CC, HOST_CC | 4 << 7, 4);
	assert_int_equal(host_csts(h), NVME_CSTS_RDY);
	host_create_pair(h, 1, 64);
	/* 64 KiB with an offset of 512: two pointers are enough */
	for (i = 0; i < 65536; i++)
		data[512 + i] = i * 7 >> 3;
	assert_int_equal(
		host_run(h, 1, host_rw(NVME_IO_WRITE, 0, 128, HOST_DATA + 512, HOST_DATA + 65536),
			 NULL),
		0);
	memset(data, 0, 131072);
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_READ, 0, 128, HOST_DATA, 0), NULL), 0);
	for (i = 0; i < 65536; i++)
		assert_int_equal(data[i], (uint8_t)(i * 7 >> 3));
	host_free(h);
}

static void interrupt_masks_set_clear_and_read_back(void **state)
{
	struct host *h = host_new(NULL);

	fake_write(h->dev, NVME_REG_INTMS, 0xf0, 4);
	fake_write(h->dev, NVME_REG_INTMS, 0x0f, 4);
	fake_write(h->dev, NVME_REG_INTMC, 0x81, 4);
	assert_int_equal(fake_read(h->dev, NVME_REG_INTMS, 4), 0x7e);
	assert_int_equal(fake_read(h->dev, NVME_REG_INTMC, 4), 0x7e);
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_are_those_of_the_reference),
		cmocka_unit_test(read_only_registers_keep_their_value),
		cmocka_unit_test(wide_registers_take_halves_in_either_order),
		cmocka_unit_test(narrow_register_writes_are_dropped_with_a_warning),
		cmocka_unit_test(enable_is_ready_at_once_and_disable_resets),
		cmocka_unit_test(bad_configurations_are_fatal_until_disabled),
		cmocka_unit_test(shutdown_completes_and_stops_the_controller),
		cmocka_unit_test(abrupt_shutdown_while_disabled_completes),
		cmocka_unit_test(reset_with_events_outstanding_forgets_them_and_keeps_media),
		cmocka_unit_test(larger_memory_pages_are_honoured),
		cmocka_unit_test(interrupt_masks_set_clear_and_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
