/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVMe model's queues: creation rules, rings, doorbells, interrupts. */
#include "nvme_host.h"

static struct nvme_sqe flush(void)
{
	return (struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .nsid = 1 };
}

static uint16_t create(struct host *h, uint8_t opcode, uint32_t id, uint32_t last, uint32_t cdw11,
		       uint64_t prp1)
{
	return host_admin(
		h,
		(struct nvme_sqe){
			.opcode = opcode, .prp1 = prp1, .cdw10 = last << 16 | id, .cdw11 = cdw11 },
		NULL);
}

static void completion_queue_creation_is_checked(void **state)
{
	const char *props[] = { "queues", "4", NULL };
	struct host *h = host_new(props);
	const uint8_t op = NVME_ADMIN_CREATE_CQ;

	host_enable(h);
	assert_int_equal(create(h, op, 0, 63, 3, HOST_CQ(1)), NVME_SC_QID_INVALID);
	assert_int_equal(create(h, op, 5, 63, 3, HOST_CQ(1)), NVME_SC_QID_INVALID);
	assert_int_equal(create(h, op, 1, 0, 3, HOST_CQ(1)), NVME_SC_QUEUE_SIZE);
	assert_int_equal(create(h, op, 1, 0x800, 3, HOST_CQ(1)), NVME_SC_QUEUE_SIZE);
	assert_int_equal(create(h, op, 1, 63, 2, HOST_CQ(1)), NVME_SC_INVALID_FIELD);
	assert_int_equal(create(h, op, 1, 63, 3, HOST_CQ(1) + 64), NVME_SC_PRP_OFFSET);
	assert_int_equal(create(h, op, 1, 63, 65 << 16 | 3, HOST_CQ(1)), NVME_SC_VECTOR_INVALID);
	assert_int_equal(create(h, op, 1, 0x7ff, 64 << 16 | 3, HOST_CQ(1)), NVME_SC_SUCCESS);
	assert_int_equal(create(h, op, 1, 63, 3, HOST_CQ(1)), NVME_SC_QID_INVALID);
	host_free(h);
}

static void submission_queue_creation_is_checked(void **state)
{
	const char *props[] = { "queues", "4", NULL };
	struct host *h = host_new(props);
	const uint8_t op = NVME_ADMIN_CREATE_SQ;

	host_enable(h);
	assert_int_equal(host_create_cq(h, 1, 64, 1), NVME_SC_SUCCESS);
	assert_int_equal(create(h, op, 0, 63, 1 << 16 | 1, HOST_SQ(1)), NVME_SC_QID_INVALID);
	assert_int_equal(create(h, op, 5, 63, 1 << 16 | 1, HOST_SQ(1)), NVME_SC_QID_INVALID);
	assert_int_equal(create(h, op, 1, 63, 0 << 16 | 1, HOST_SQ(1)), NVME_SC_QID_INVALID);
	assert_int_equal(create(h, op, 1, 63, 5 << 16 | 1, HOST_SQ(1)), NVME_SC_QID_INVALID);
	assert_int_equal(create(h, op, 1, 63, 2 << 16 | 1, HOST_SQ(1)), NVME_SC_CQ_INVALID);
	assert_int_equal(create(h, op, 1, 0, 1 << 16 | 1, HOST_SQ(1)), NVME_SC_QUEUE_SIZE);
	assert_int_equal(create(h, op, 1, 63, 1 << 16, HOST_SQ(1)), NVME_SC_INVALID_FIELD);
	assert_int_equal(create(h, op, 1, 63, 1 << 16 | 1, HOST_SQ(1) + 8), NVME_SC_PRP_OFFSET);
	assert_int_equal(create(h, op, 4, 63, 1 << 16 | 1, HOST_SQ(4)), NVME_SC_SUCCESS);
	assert_int_equal(create(h, op, 4, 63, 1 << 16 | 1, HOST_SQ(4)), NVME_SC_QID_INVALID);
	host_free(h);
}

static void queues_need_entry_sizes_in_cc(void **state)
{
	struct host *h = host_new(NULL);

	host_enable(h);
	fake_write(h->dev, NVME_REG_CC, NVME_CC_EN, 4);
	assert_int_equal(create(h, NVME_ADMIN_CREATE_CQ, 1, 63, 3, HOST_CQ(1)), NVME_SC_QUEUE_SIZE);
	fake_write(h->dev, NVME_REG_CC, HOST_CC, 4);
	assert_int_equal(create(h, NVME_ADMIN_CREATE_CQ, 1, 63, 3, HOST_CQ(1)), NVME_SC_SUCCESS);
	host_free(h);
}

static void queues_are_deleted_submission_first(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_sqe cq = { .opcode = NVME_ADMIN_DELETE_CQ, .cdw10 = 1 };

	assert_int_equal(host_admin(h, cq, NULL), NVME_SC_QUEUE_DELETION);
	host_delete(h, NVME_ADMIN_DELETE_SQ, 1);
	host_delete(h, NVME_ADMIN_DELETE_CQ, 1);
	assert_int_equal(host_admin(h, cq, NULL), NVME_SC_QID_INVALID);
	cq.cdw10 = 0;
	assert_int_equal(host_admin(h, cq, NULL), NVME_SC_QID_INVALID);
	/* and can be made again, with doorbells from 0 */
	host_create_pair(h, 1, 32);
	assert_int_equal(host_run(h, 1, flush(), NULL), 0);
	host_free(h);
}

static void phase_and_heads_stay_right_over_many_wraps(void **state)
{
	struct host *h = host_new(NULL);
	unsigned i;

	host_enable(h);
	host_ring_init(h, 1, 0, 5);
	assert_int_equal(host_create_cq(h, 1, 5, 1), 0);
	assert_int_equal(host_create_sq(h, 1, 1, 3), 0);
	for (i = 0; i < 64; i++)
		assert_int_equal(host_run(h, 1, flush(), NULL), 0);
	host_free(h);
}

static void a_batch_across_the_rings_end_completes_in_order(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;
	unsigned round, i;

	for (round = 0; round < 20; round++) {
		uint16_t first = 0;

		for (i = 0; i < 50; i++) {
			uint16_t cid = host_queue(h, 1, flush());

			if (!i)
				first = cid;
		}
		host_kick(h, 1);
		for (i = 0; i < 50; i++) {
			assert_true(host_reap(h, 1, &cqe));
			assert_int_equal(cqe.cid, (uint16_t)(first + i));
			assert_int_equal(cqe.status >> 1, 0);
		}
		assert_false(host_reap(h, 1, &cqe));
		host_ack(h, 1);
	}
	host_free(h);
}

static void a_full_completion_queue_stalls_until_it_is_read(void **state)
{
	struct host *h = host_new(NULL);
	struct nvme_cqe cqe;
	unsigned i, done = 0;

	host_enable(h);
	assert_int_equal(host_create_cq(h, 1, 4, 1), 0);
	assert_int_equal(host_create_sq(h, 1, 1, 64), 0);
	for (i = 0; i < 40; i++)
		host_queue(h, 1, flush());
	host_kick(h, 1);
	while (done < 40) {
		unsigned room = 0;

		while (host_reap(h, 1, &cqe))
			room++;
		/* never more than size - 1, and never none */
		assert_in_range(room, 1, 3);
		done += room;
		host_ack(h, 1);
	}
	assert_int_equal(done, 40);
	assert_false(host_reap(h, 1, &cqe));
	assert_int_equal(h->dev->warnings, 0);
	host_free(h);
}

static void queues_sharing_a_full_completion_queue_all_go_on(void **state)
{
	struct host *h = host_new(NULL);
	unsigned i, seen[3] = { 0 }, done = 0;
	struct nvme_cqe cqe;

	host_enable(h);
	assert_int_equal(host_create_cq(h, 1, 4, 1), 0);
	assert_int_equal(host_create_sq(h, 1, 1, 16), 0);
	assert_int_equal(host_create_sq(h, 2, 1, 16), 0);
	for (i = 0; i < 10; i++) {
		host_queue(h, 1, flush());
		host_queue(h, 2, flush());
	}
	host_kick(h, 1);
	host_kick(h, 2);
	while (done < 20) {
		assert_true(host_reap(h, 1, &cqe));
		assert_in_range(cqe.sq_id, 1, 2);
		seen[cqe.sq_id]++;
		done++;
		host_ack(h, 1);
	}
	assert_int_equal(seen[1], 10);
	assert_int_equal(seen[2], 10);
	host_free(h);
}

static void bad_doorbells_are_reported_and_ignored(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;

	host_ring_doorbell(h, 3, false, 1); /* no such queue */
	assert_int_equal(h->dev->warnings, 1);
	host_ring_doorbell(h, 3, true, 1);
	assert_int_equal(h->dev->warnings, 2);
	fake_write(h->dev, host_doorbell(65, false), 1, 4); /* beyond what there can be */
	assert_int_equal(h->dev->warnings, 3);
	host_ring_doorbell(h, 1, false, 64); /* beyond the size */
	assert_int_equal(h->dev->warnings, 4);
	host_ring_doorbell(h, 1, true, 1); /* nothing was posted */
	assert_int_equal(h->dev->warnings, 5);
	host_ring_doorbell(h, 1, true, 64);
	assert_int_equal(h->dev->warnings, 6);
	assert_false(host_reap(h, 1, &cqe));
	host_ring_doorbell(h, 1, true, 0);
	assert_int_equal(host_run(h, 1, flush(), NULL), 0);
	host_free(h);
}

static void a_tail_that_overtakes_the_head_is_refused(void **state)
{
	struct host *h = host_new(NULL);
	struct nvme_cqe cqe;
	unsigned i;

	host_enable(h);
	assert_int_equal(host_create_cq(h, 1, 2, 1), 0);
	assert_int_equal(host_create_sq(h, 1, 1, 8), 0);
	for (i = 0; i < 6; i++)
		host_queue(h, 1, flush());
	host_kick(h, 1); /* one runs, five wait: two are free */
	host_ring_doorbell(h, 1, false, 1);
	assert_int_equal(h->dev->warnings, 1);
	for (i = 0; i < 6; i++) {
		assert_true(host_reap(h, 1, &cqe));
		host_ack(h, 1);
	}
	assert_false(host_reap(h, 1, &cqe));
	host_free(h);
}

static void doorbells_before_ready_are_reported(void **state)
{
	struct host *h = host_new(NULL);

	host_ring_doorbell(h, 0, false, 1);
	assert_int_equal(h->dev->warnings, 1);
	host_enable(h);
	assert_int_equal(host_create_cq(h, 1, 8, 1), 0);
	host_free(h);
}

static void polling_finds_doorbells_and_reports_how_many(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;

	h->dev->polling = true;
	assert_int_equal(h->dev->model->poll(h->dev), 0);
	host_queue(h, 1, flush());
	fake_write(h->dev, host_doorbell(1, false), h->rings[1].sq_tail, 4);
	assert_false(host_reap(h, 1, &cqe));
	assert_int_equal(h->dev->model->poll(h->dev), 1);
	assert_true(host_reap(h, 1, &cqe));
	fake_write(h->dev, host_doorbell(1, true), h->rings[1].cq_head, 4);
	assert_int_equal(h->dev->model->poll(h->dev), 1);
	assert_int_equal(h->dev->model->poll(h->dev), 0);
	/* a read of a doorbell is what was stored */
	assert_int_equal(fake_read(h->dev, host_doorbell(1, true), 4), 1);
	host_free(h);
}

static void a_poll_is_bounded_and_asks_for_another(void **state)
{
	struct host *h = host_new(NULL);
	struct nvme_cqe cqe;
	unsigned i, more, done = 0, polls = 0;

	host_enable(h);
	host_create_pair(h, 1, 512);
	h->dev->polling = true;
	for (i = 0; i < 300; i++)
		host_queue(h, 1, flush());
	fake_write(h->dev, host_doorbell(1, false), h->rings[1].sq_tail, 4);
	do {
		unsigned before = done;

		more = h->dev->model->poll(h->dev);
		while (host_reap(h, 1, &cqe))
			done++;
		assert_in_range(done - before, 1, 64);
		polls++;
	} while (more);
	assert_int_equal(done, 300);
	assert_int_equal(polls, 5);
	host_free(h);
}

static void a_stalled_queue_does_not_keep_the_poller_busy(void **state)
{
	struct host *h = host_new(NULL);
	struct nvme_cqe cqe;
	unsigned i, done = 0;

	host_enable(h);
	assert_int_equal(host_create_cq(h, 1, 4, 1), 0);
	assert_int_equal(host_create_sq(h, 1, 1, 16), 0);
	h->dev->polling = true;
	for (i = 0; i < 10; i++)
		host_queue(h, 1, flush());
	host_kick(h, 1);
	assert_int_equal(h->dev->model->poll(h->dev), 0);
	while (host_reap(h, 1, &cqe)) {
		done++;
		host_ack(h, 1);
	}
	assert_int_equal(done, 10);
	host_free(h);
}

static void doorbells_before_and_after_a_switch_to_polling_are_one_stream(void **state)
{
	struct host *h = host_ready(NULL);
	unsigned i;

	for (i = 0; i < 200; i++) {
		h->dev->polling = i / 7 % 2;
		assert_int_equal(host_run(h, 1, flush(), NULL), 0);
	}
	assert_int_equal(h->dev->warnings, 0);
	host_free(h);
}

/* What a polling driver sees while the device writes. */
struct watcher {
	struct host *host;
	unsigned posted; /* entries whose phase was seen turning */
	bool torn;
};

static bool watcher_valid(struct watcher *w, unsigned index)
{
	struct nvme_cqe *cq = fake_at(w->host->dev, HOST_CQ(1));

	return (cq[index].status & 1) == 1;
}

static void watcher_look(struct rf_device *dev)
{
	struct watcher *w = dev->opaque;
	struct nvme_cqe *cq = fake_at(dev, HOST_CQ(1));

	/* like a driver: in order, stopping at the first that is not valid */
	for (; watcher_valid(w, w->posted); w->posted++)
		if (cq[w->posted].cid != 100 + w->posted || cq[w->posted].sq_id != 1 ||
		    cq[w->posted].sq_head != w->posted + 1)
			w->torn = true;
}

static void completions_become_visible_whole_and_in_order(void **state)
{
	struct host *h = host_ready(NULL);
	struct watcher w = { .host = h };
	unsigned i;

	h->next_cid = 99;
	for (i = 0; i < 40; i++)
		host_queue(h, 1, flush());
	h->dev->opaque = &w;
	h->dev->on_dma_write = watcher_look;
	host_kick(h, 1);
	watcher_look(h->dev);
	assert_int_equal(w.posted, 40);
	assert_false(w.torn);
	host_free(h);
}

static void one_interrupt_serves_a_batch(void **state)
{
	struct host *h = host_ready(NULL);
	unsigned i;

	memset(h->dev->irqs, 0, sizeof(h->dev->irqs));
	for (i = 0; i < 50; i++)
		host_queue(h, 1, flush());
	host_kick(h, 1);
	assert_int_equal(h->dev->irqs[1], 1);
	assert_int_equal(h->dev->irqs[0], 0);
	host_free(h);
}

static void queues_without_interrupts_raise_none(void **state)
{
	struct host *h = host_new(NULL);

	host_enable(h);
	host_ring_init(h, 1, 0, 64);
	assert_int_equal(create(h, NVME_ADMIN_CREATE_CQ, 1, 63, 1 << 16 | 1, HOST_CQ(1)), 0);
	assert_int_equal(host_create_sq(h, 1, 1, 64), 0);
	assert_int_equal(host_run(h, 1, flush(), NULL), 0);
	assert_int_equal(h->dev->irqs[1], 0);
	host_free(h);
}

static void intx_is_a_level_that_masks_and_clears(void **state)
{
	struct host *h = host_new(NULL);
	struct nvme_cqe cqe;

	h->dev->irq_mode = RF_IRQ_INTX;
	host_enable(h);
	host_ring_init(h, 1, 0, 64);
	assert_int_equal(create(h, NVME_ADMIN_CREATE_CQ, 1, 63, 3, HOST_CQ(1)), 0);
	assert_int_equal(host_create_sq(h, 1, 1, 64), 0);
	assert_false(h->dev->intx);
	host_queue(h, 1, flush());
	host_queue(h, 1, flush());
	host_kick(h, 1);
	assert_true(h->dev->intx);
	fake_write(h->dev, NVME_REG_INTMS, 1, 4);
	assert_false(h->dev->intx);
	fake_write(h->dev, NVME_REG_INTMC, 1, 4);
	assert_true(h->dev->intx);
	assert_true(host_reap(h, 1, &cqe));
	host_ack(h, 1);
	assert_true(h->dev->intx); /* one is left */
	assert_true(host_reap(h, 1, &cqe));
	host_ack(h, 1);
	assert_false(h->dev->intx);
	/* a reset lowers it */
	host_queue(h, 1, flush());
	host_kick(h, 1);
	assert_true(h->dev->intx);
	fake_write(h->dev, NVME_REG_CC, 0, 4);
	assert_false(h->dev->intx);
	host_free(h);
}

static void a_fetch_that_fails_is_fatal(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;

	h->dev->hole_first = HOST_SQ(1);
	h->dev->hole_last = HOST_SQ(1) + 0xfff;
	host_queue(h, 1, flush());
	host_kick(h, 1);
	assert_false(host_reap(h, 1, &cqe));
	assert_true(host_csts(h) & NVME_CSTS_CFS);
	/* silent until it is reset */
	host_queue(h, 0, (struct nvme_sqe){ .opcode = NVME_ADMIN_ABORT });
	host_kick(h, 0);
	assert_false(host_reap(h, 0, &cqe));
	fake_write(h->dev, NVME_REG_CC, 0, 4);
	h->dev->hole_last = 0;
	host_enable(h);
	host_free(h);
}

static void a_completion_that_cannot_be_written_is_fatal(void **state)
{
	struct host *h = host_ready(NULL);

	h->dev->hole_first = HOST_CQ(1);
	h->dev->hole_last = HOST_CQ(1) + 0xfff;
	host_queue(h, 1, flush());
	host_queue(h, 1, flush());
	host_kick(h, 1);
	assert_true(host_csts(h) & NVME_CSTS_CFS);
	host_free(h);
}

static void bus_mastering_off_is_fatal_at_the_first_command(void **state)
{
	struct host *h = host_new(NULL);

	h->dev->master_off = true;
	host_enable(h);
	host_queue(h, 0, (struct nvme_sqe){ .opcode = NVME_ADMIN_IDENTIFY });
	host_kick(h, 0);
	assert_true(host_csts(h) & NVME_CSTS_CFS);
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(completion_queue_creation_is_checked),
		cmocka_unit_test(submission_queue_creation_is_checked),
		cmocka_unit_test(queues_need_entry_sizes_in_cc),
		cmocka_unit_test(queues_are_deleted_submission_first),
		cmocka_unit_test(phase_and_heads_stay_right_over_many_wraps),
		cmocka_unit_test(a_batch_across_the_rings_end_completes_in_order),
		cmocka_unit_test(a_full_completion_queue_stalls_until_it_is_read),
		cmocka_unit_test(queues_sharing_a_full_completion_queue_all_go_on),
		cmocka_unit_test(bad_doorbells_are_reported_and_ignored),
		cmocka_unit_test(a_tail_that_overtakes_the_head_is_refused),
		cmocka_unit_test(doorbells_before_ready_are_reported),
		cmocka_unit_test(polling_finds_doorbells_and_reports_how_many),
		cmocka_unit_test(a_poll_is_bounded_and_asks_for_another),
		cmocka_unit_test(a_stalled_queue_does_not_keep_the_poller_busy),
		cmocka_unit_test(doorbells_before_and_after_a_switch_to_polling_are_one_stream),
		cmocka_unit_test(completions_become_visible_whole_and_in_order),
		cmocka_unit_test(one_interrupt_serves_a_batch),
		cmocka_unit_test(queues_without_interrupts_raise_none),
		cmocka_unit_test(intx_is_a_level_that_masks_and_clears),
		cmocka_unit_test(a_fetch_that_fails_is_fatal),
		cmocka_unit_test(a_completion_that_cannot_be_written_is_fatal),
		cmocka_unit_test(bus_mastering_off_is_fatal_at_the_first_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
