/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVMe model's admin commands: Identify, features, logs, events, Abort. */
#include "nvme_host.h"

static uint16_t identify(struct host *h, uint8_t cns, uint32_t nsid, uint32_t cdw11)
{
	memset(fake_at(h->dev, HOST_DATA), 0xff, 4096);
	return host_admin(h,
			  (struct nvme_sqe){ .opcode = NVME_ADMIN_IDENTIFY,
					     .nsid = nsid,
					     .prp1 = HOST_DATA,
					     .cdw10 = cns,
					     .cdw11 = cdw11 },
			  NULL);
}

static void identify_controller_says_what_it_is(void **state)
{
	const char *props[] = { "serial", "S123",	"model", "Tester", "mdts",
				"5",	  "namespaces", "3",	 NULL };
	struct host *h = host_ready(props);
	struct nvme_id_ctrl *id = fake_at(h->dev, HOST_DATA);

	assert_int_equal(identify(h, NVME_CNS_CTRL, 0, 0), 0);
	assert_int_equal(id->vid, 0x1b36);
	assert_int_equal(id->ssvid, 0x1af4);
	assert_memory_equal(id->sn, "S123                ", 20);
	assert_memory_equal(id->mn, "Tester                                  ", 40);
	assert_int_equal(id->mdts, 5);
	assert_int_equal(id->ver, 0x10400);
	assert_int_equal(id->nn, 3);
	assert_int_equal(id->sqes, 0x66);
	assert_int_equal(id->cqes, 0x44);
	assert_int_equal(id->vwc & 1, 1);
	assert_int_equal(id->oacs, 0); /* no doorbell buffers, among others */
	assert_int_equal(id->sgls, 0);
	assert_int_equal(strncmp(id->subnqn, "nqn.2014-08.org.nvmexpress:uuid:", 32), 0);
	assert_int_equal(strlen(id->subnqn), 32 + 36);
	host_free(h);
}

static void identify_namespace_gives_size_and_format(void **state)
{
	const char *props[] = { "size", "3M", "namespaces", "3", "block-size", "4096", NULL };
	struct host *h = host_ready(props);
	struct nvme_id_ns *id = fake_at(h->dev, HOST_DATA);

	assert_int_equal(identify(h, NVME_CNS_NS, 3, 0), 0);
	assert_int_equal(id->nsze, 256);
	assert_int_equal(id->ncap, 256);
	assert_int_equal(id->nlbaf, 0);
	assert_int_equal(id->lbaf[0].ds, 12);
	assert_int_equal(id->nvmcap[0], 1 << 20);
	assert_int_equal(identify(h, NVME_CNS_NS, NVME_NSID_ALL, 0), 0);
	assert_int_equal(id->nsze, 0);
	assert_int_equal(id->lbaf[0].ds, 12);
	assert_int_equal(identify(h, NVME_CNS_NS, 0, 0), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(h, NVME_CNS_NS, 4, 0), NVME_SC_INVALID_NAMESPACE);
	host_free(h);
}

static void identify_lists_active_namespaces_after_an_id(void **state)
{
	const char *props[] = { "namespaces", "3", "size", "3M", NULL };
	struct host *h = host_ready(props);
	uint32_t *list = fake_at(h->dev, HOST_DATA);

	assert_int_equal(identify(h, NVME_CNS_ACTIVE_NS, 0, 0), 0);
	assert_int_equal(list[0], 1);
	assert_int_equal(list[2], 3);
	assert_int_equal(list[3], 0);
	assert_int_equal(identify(h, NVME_CNS_ACTIVE_NS, 2, 0), 0);
	assert_int_equal(list[0], 3);
	assert_int_equal(list[1], 0);
	assert_int_equal(identify(h, NVME_CNS_ACTIVE_NS, NVME_NSID_ALL, 0),
			 NVME_SC_INVALID_NAMESPACE);
	host_free(h);
}

static void identify_descriptors_and_command_sets(void **state)
{
	const char *props[] = { "wzsl", "6", NULL };
	struct host *h = host_ready(props);
	uint8_t *page = fake_at(h->dev, HOST_DATA);

	assert_int_equal(identify(h, NVME_CNS_NS_DESCRIPTORS, 1, 0), 0);
	assert_int_equal(page[0], 2);
	assert_int_equal(page[1], 16);
	assert_int_equal(page[20], 4);
	assert_int_equal(page[21], 1);
	assert_int_equal(page[24], 0);
	assert_int_equal(page[25], 0);
	assert_int_equal(identify(h, NVME_CNS_NS_DESCRIPTORS, 2, 0), NVME_SC_INVALID_NAMESPACE);
	assert_int_equal(identify(h, NVME_CNS_COMMAND_SETS, 0, 0), 0);
	assert_int_equal(page[0], 1);
	assert_int_equal(identify(h, NVME_CNS_CSI_CTRL, 0, 0), 0);
	assert_int_equal(page[1], 6);
	assert_int_equal(identify(h, NVME_CNS_CSI_CTRL, 0, 2 << 24), NVME_SC_INVALID_FIELD);
	assert_int_equal(identify(h, 0x10, 0, 0), NVME_SC_INVALID_FIELD);
	assert_int_equal(identify(h, 0xff, 0, 0), NVME_SC_INVALID_FIELD);
	host_free(h);
}

static void identify_follows_split_buffers_and_reports_bad_ones(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_sqe sqe = { .opcode = NVME_ADMIN_IDENTIFY, .cdw10 = NVME_CNS_CTRL };

	sqe.prp1 = HOST_DATA + 4096 - 64;
	sqe.prp2 = HOST_DATA + 8192;
	assert_int_equal(host_admin(h, sqe, NULL), 0);
	assert_int_equal(*(uint16_t *)fake_at(h->dev, sqe.prp1), 0x1b36);
	assert_int_equal(((uint8_t *)fake_at(h->dev, HOST_DATA + 8192))[77 - 64], 7);
	sqe.prp2 = HOST_DATA + 8192 + 512;
	assert_int_equal(host_admin(h, sqe, NULL), NVME_SC_PRP_OFFSET);
	sqe.prp1 = 0x1000;
	assert_int_equal(host_admin(h, sqe, NULL), NVME_SC_DATA_TRANSFER);
	assert_int_equal(host_csts(h), NVME_CSTS_RDY);
	host_free(h);
}

static void unsupported_commands_are_invalid_opcodes(void **state)
{
	/* firmware, attach, security, doorbell buffers, keep alive, format, vendor */
	static const uint8_t opcodes[] = { 0x10, 0x11, 0x15, 0x18, 0x19, 0x1a, 0x7c,
					   0x80, 0x81, 0x82, 0x84, 0xc0, 0xff };
	struct host *h = host_ready(NULL);
	unsigned i;

	for (i = 0; i < sizeof(opcodes); i++)
		assert_int_equal(host_admin(h, (struct nvme_sqe){ .opcode = opcodes[i] }, NULL),
				 NVME_SC_INVALID_OPCODE);
	assert_int_equal(host_admin(h,
				    (struct nvme_sqe){ .opcode = NVME_ADMIN_IDENTIFY,
						       .flags = 0x40,
						       .cdw10 = 1,
						       .prp1 = HOST_DATA },
				    NULL),
			 NVME_SC_INVALID_FIELD);
	host_free(h);
}

static uint16_t feature_set(struct host *h, uint32_t cdw10, uint32_t val, uint32_t *result)
{
	return host_admin(h,
			  (struct nvme_sqe){ .opcode = NVME_ADMIN_SET_FEATURES,
					     .nsid = NVME_NSID_ALL,
					     .cdw10 = cdw10,
					     .cdw11 = val },
			  result);
}

static uint32_t feature_get(struct host *h, uint32_t cdw10, uint32_t cdw11)
{
	uint32_t result = 0xdead;

	assert_int_equal(host_admin(h,
				    (struct nvme_sqe){ .opcode = NVME_ADMIN_GET_FEATURES,
						       .nsid = 1,
						       .cdw10 = cdw10,
						       .cdw11 = cdw11 },
				    &result),
			 0);
	return result;
}

static void features_are_set_read_and_reset(void **state)
{
	static const struct {
		uint8_t id;
		uint32_t set, get, def;
	} cases[] = {
		{ NVME_FEAT_ARBITRATION, 0x01020303, 0x01020303, 7 },
		{ NVME_FEAT_POWER, 0, 0, 0 },
		{ NVME_FEAT_TEMPERATURE, 400, 400, 343 },
		{ NVME_FEAT_ERROR_RECOVERY, 0x1234, 0x1234, 0 },
		{ NVME_FEAT_WRITE_CACHE, 0, 0, 1 },
		{ NVME_FEAT_IRQ_COALESCING, 0x0a0b, 0x0a0b, 0 },
		{ NVME_FEAT_ATOMICITY, 1, 1, 0 },
		{ NVME_FEAT_ASYNC_EVENTS, 0x1f, 0x1f, 0 },
		{ NVME_FEAT_COMMAND_SETS, 0, 0, 0 },
	};
	struct host *h = host_ready(NULL);
	unsigned i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(feature_get(h, cases[i].id, 0), cases[i].def);
		assert_int_equal(feature_set(h, cases[i].id, cases[i].set, NULL), 0);
		assert_int_equal(feature_get(h, cases[i].id, 0), cases[i].get);
		assert_int_equal(feature_get(h, cases[i].id | 1 << 8, 0), cases[i].def);
		assert_int_equal(feature_get(h, cases[i].id | 2 << 8, 0), cases[i].def);
		assert_int_equal(feature_get(h, cases[i].id | 3 << 8, 0) & 4, 4);
		assert_int_equal(feature_set(h, cases[i].id | 1u << 31, cases[i].set, NULL),
				 NVME_SC_NOT_SAVEABLE);
	}
	fake_write(h->dev, NVME_REG_CC, 0, 4);
	host_enable(h);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(feature_get(h, cases[i].id, 0), cases[i].def);
	host_free(h);
}

static void queue_count_is_told_and_only_before_queues_exist(void **state)
{
	const char *props[] = { "queues", "5", NULL };
	struct host *h = host_new(props);
	uint32_t result;

	host_enable(h);
	assert_int_equal(feature_set(h, NVME_FEAT_QUEUES, 31 << 16 | 31, &result), 0);
	assert_int_equal(result, 4 << 16 | 4);
	assert_int_equal(feature_get(h, NVME_FEAT_QUEUES, 0), 4 << 16 | 4);
	assert_int_equal(feature_set(h, NVME_FEAT_QUEUES, 0xffff, NULL), NVME_SC_INVALID_FIELD);
	host_create_pair(h, 1, 8);
	assert_int_equal(feature_set(h, NVME_FEAT_QUEUES, 0, NULL), NVME_SC_SEQUENCE);
	host_free(h);
}

static void bad_feature_values_are_refused(void **state)
{
	struct host *h = host_ready(NULL);

	assert_int_equal(feature_set(h, 0x03, 0, NULL), NVME_SC_INVALID_FIELD);
	assert_int_equal(feature_set(h, 0x0f, 1000, NULL), NVME_SC_INVALID_FIELD);
	assert_int_equal(feature_set(h, NVME_FEAT_POWER, 1, NULL), NVME_SC_INVALID_FIELD);
	assert_int_equal(feature_set(h, NVME_FEAT_IRQ_VECTOR, 65, NULL), NVME_SC_INVALID_FIELD);
	assert_int_equal(feature_set(h, NVME_FEAT_IRQ_VECTOR, 1 << 16 | 64, NULL), 0);
	assert_int_equal(feature_get(h, NVME_FEAT_IRQ_VECTOR, 64), 1 << 16 | 64);
	assert_int_equal(feature_set(h, NVME_FEAT_TEMPERATURE, 3 << 16 | 300, NULL),
			 NVME_SC_INVALID_FIELD);
	assert_int_equal(feature_set(h, NVME_FEAT_ERROR_RECOVERY, 1 << 16, NULL),
			 NVME_SC_INVALID_FIELD);
	assert_int_equal(feature_set(h, NVME_FEAT_COMMAND_SETS, 1, NULL), NVME_SC_COMMAND_SET);
	host_free(h);
}

static uint16_t get_log(struct host *h, uint8_t id, uint32_t bytes, uint64_t off, bool retain)
{
	memset(fake_at(h->dev, HOST_DATA), 0xee, 8192);
	return host_admin(h,
			  (struct nvme_sqe){ .opcode = NVME_ADMIN_GET_LOG,
					     .nsid = NVME_NSID_ALL,
					     .prp1 = HOST_DATA,
					     .prp2 = HOST_DATA + 4096,
					     .cdw10 = (bytes / 4 - 1) << 16 |
						      (retain ? 1 << 15 : 0) | id,
					     .cdw12 = (uint32_t)off,
					     .cdw13 = (uint32_t)(off >> 32) },
			  NULL);
}

static void smart_log_counts_what_was_done(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_smart *smart = fake_at(h->dev, HOST_DATA);
	unsigned i;

	for (i = 0; i < 3; i++)
		assert_int_equal(host_run(h, 1, host_rw(NVME_IO_WRITE, 0, 8, HOST_DATA, 0), NULL),
				 0);
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_READ, 0, 8, HOST_DATA, 0), NULL), 0);
	assert_int_equal(get_log(h, NVME_LOG_SMART, 512, 0, false), 0);
	assert_int_equal(smart->critical_warning, 0);
	assert_int_equal(smart->temperature[0] | smart->temperature[1] << 8, 323);
	assert_int_equal(smart->spare, 100);
	assert_int_equal(smart->host_writes[0], 3);
	assert_int_equal(smart->host_reads[0], 1);
	assert_int_equal(smart->units_written[0], 1);
	assert_int_equal(((uint8_t *)smart)[512], 0xee);
	host_free(h);
}

static void error_log_keeps_the_newest_failures_first(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_error_entry *errors = fake_at(h->dev, HOST_DATA);
	unsigned i;

	for (i = 0; i < 6; i++)
		host_run(h, 1, host_rw(NVME_IO_READ, (1ull << 40) + i, 1, HOST_DATA, 0), NULL);
	assert_int_equal(get_log(h, NVME_LOG_ERROR, 256, 0, false), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(errors[i].count, 6 - i);
		assert_int_equal(errors[i].sqid, 1);
		assert_int_equal(errors[i].lba, (1ull << 40) + 5 - i);
		assert_int_equal(errors[i].status >> 1 & 0x7ff, NVME_SC_LBA_RANGE);
	}
	host_free(h);
}

static void logs_are_read_in_parts_and_bad_ones_refused(void **state)
{
	struct host *h = host_ready(NULL);
	uint8_t *data = fake_at(h->dev, HOST_DATA);
	uint32_t *effects = fake_at(h->dev, HOST_DATA);

	assert_int_equal(get_log(h, NVME_LOG_FIRMWARE, 512, 0, false), 0);
	assert_int_equal(data[0], 1);
	assert_memory_equal(data + 8, "1.0     ", 8);
	assert_int_equal(get_log(h, NVME_LOG_FIRMWARE, 4, 8, false), 0);
	assert_memory_equal(data, "1.0 ", 4);
	assert_int_equal(data[4], 0xee);
	assert_int_equal(get_log(h, NVME_LOG_EFFECTS, 4096, 0, false), 0);
	assert_int_equal(effects[NVME_ADMIN_IDENTIFY], 1);
	assert_int_equal(effects[256 + NVME_IO_WRITE], 3);
	assert_int_equal(effects[0x7c], 0);
	/* longer than the log: what there is */
	assert_int_equal(get_log(h, NVME_LOG_SMART, 8192, 0, false), 0);
	assert_int_equal(data[512], 0xee);
	assert_int_equal(get_log(h, NVME_LOG_SMART, 512, 2, false), NVME_SC_INVALID_FIELD);
	assert_int_equal(get_log(h, NVME_LOG_SMART, 512, 516, false), NVME_SC_INVALID_FIELD);
	assert_int_equal(get_log(h, NVME_LOG_SMART, 512, 1ull << 40, false), NVME_SC_INVALID_FIELD);
	assert_int_equal(get_log(h, 0x00, 512, 0, false), NVME_SC_LOG_PAGE);
	assert_int_equal(get_log(h, 0x04, 512, 0, false), NVME_SC_LOG_PAGE);
	host_free(h);
}

static uint16_t request_event(struct host *h)
{
	uint16_t cid = host_queue(h, 0, (struct nvme_sqe){ .opcode = NVME_ADMIN_ASYNC_EVENT });

	host_kick(h, 0);
	return cid;
}

static void a_bad_doorbell_completes_an_event_request_once(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;
	uint16_t first, second;

	first = request_event(h);
	second = request_event(h);
	assert_false(host_reap(h, 0, &cqe));
	host_ring_doorbell(h, 5, false, 1);
	assert_true(host_reap(h, 0, &cqe));
	assert_int_equal(cqe.cid, first);
	assert_int_equal(cqe.status >> 1, 0);
	assert_int_equal(cqe.result,
			 NVME_LOG_ERROR << 16 | NVME_ERROR_BAD_DOORBELL << 8 | NVME_EVENT_ERROR);
	host_ack(h, 0);
	/* masked until the log was read */
	host_ring_doorbell(h, 1, false, 99);
	assert_false(host_reap(h, 0, &cqe));
	assert_int_equal(get_log(h, NVME_LOG_SMART, 512, 0, false), 0);
	assert_false(host_reap(h, 0, &cqe));
	assert_int_equal(get_log(h, NVME_LOG_ERROR, 64, 0, true), 0);
	assert_false(host_reap(h, 0, &cqe));
	assert_int_equal(get_log(h, NVME_LOG_ERROR, 64, 0, false), 0);
	assert_true(host_reap(h, 0, &cqe));
	assert_int_equal(cqe.cid, second);
	assert_int_equal(cqe.result,
			 NVME_LOG_ERROR << 16 | NVME_ERROR_BAD_VALUE << 8 | NVME_EVENT_ERROR);
	host_free(h);
}

static void a_temperature_event_needs_to_be_enabled(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_smart *smart = fake_at(h->dev, HOST_DATA);
	struct nvme_cqe cqe;

	request_event(h);
	assert_int_equal(feature_set(h, NVME_FEAT_TEMPERATURE, 300, NULL), 0);
	assert_false(host_reap(h, 0, &cqe));
	assert_int_equal(get_log(h, NVME_LOG_SMART, 512, 0, false), 0);
	assert_int_equal(smart->critical_warning, 2);
	assert_int_equal(feature_set(h, NVME_FEAT_TEMPERATURE, 400, NULL), 0);
	assert_int_equal(feature_set(h, NVME_FEAT_ASYNC_EVENTS, 2, NULL), 0);
	assert_int_equal(feature_set(h, NVME_FEAT_TEMPERATURE, 300, NULL), 0);
	assert_true(host_reap(h, 0, &cqe));
	assert_int_equal(cqe.result,
			 NVME_LOG_SMART << 16 | NVME_SMART_TEMPERATURE << 8 | NVME_EVENT_SMART);
	host_free(h);
}

static void a_fifth_event_request_is_over_the_limit(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;
	unsigned i;

	for (i = 0; i < 4; i++)
		request_event(h);
	assert_false(host_reap(h, 0, &cqe));
	request_event(h);
	assert_true(host_reap(h, 0, &cqe));
	assert_int_equal(cqe.status >> 1 & 0x7ff, NVME_SC_AER_LIMIT);
	host_free(h);
}

static void abort_ends_an_event_request_before_itself(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;
	uint16_t event = request_event(h);
	uint16_t abort_cid;

	abort_cid = host_queue(h, 0,
			       (struct nvme_sqe){ .opcode = NVME_ADMIN_ABORT,
						  .cdw10 = (uint32_t)event << 16 });
	host_kick(h, 0);
	assert_true(host_reap(h, 0, &cqe));
	assert_int_equal(cqe.cid, event);
	assert_int_equal(cqe.status >> 1 & 0x7ff, NVME_SC_ABORT_REQUESTED);
	assert_true(host_reap(h, 0, &cqe));
	assert_int_equal(cqe.cid, abort_cid);
	assert_int_equal(cqe.result, 0);
	host_ack(h, 0);
	host_free(h);
}

static void abort_of_what_is_not_there_says_so(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_sqe sqe = { .opcode = NVME_ADMIN_ABORT, .cdw10 = 0x77 << 16 | 1 };
	uint32_t result;

	assert_int_equal(host_admin(h, sqe, &result), 0);
	assert_int_equal(result & 1, 1);
	sqe.cdw10 = 9;
	assert_int_equal(host_admin(h, sqe, NULL), NVME_SC_INVALID_FIELD);
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identify_controller_says_what_it_is),
		cmocka_unit_test(identify_namespace_gives_size_and_format),
		cmocka_unit_test(identify_lists_active_namespaces_after_an_id),
		cmocka_unit_test(identify_descriptors_and_command_sets),
		cmocka_unit_test(identify_follows_split_buffers_and_reports_bad_ones),
		cmocka_unit_test(unsupported_commands_are_invalid_opcodes),
		cmocka_unit_test(features_are_set_read_and_reset),
		cmocka_unit_test(queue_count_is_told_and_only_before_queues_exist),
		cmocka_unit_test(bad_feature_values_are_refused),
		cmocka_unit_test(smart_log_counts_what_was_done),
		cmocka_unit_test(error_log_keeps_the_newest_failures_first),
		cmocka_unit_test(logs_are_read_in_parts_and_bad_ones_refused),
		cmocka_unit_test(a_bad_doorbell_completes_an_event_request_once),
		cmocka_unit_test(a_temperature_event_needs_to_be_enabled),
		cmocka_unit_test(a_fifth_event_request_is_over_the_limit),
		cmocka_unit_test(abort_ends_an_event_request_before_itself),
		cmocka_unit_test(abort_of_what_is_not_there_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
