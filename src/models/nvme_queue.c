/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues: rings in the driver's memory, doorbells, completions, interrupts.
 *
 * Doorbells are memory. Whether a store trapped or the engine polls, the
 * newest value is in the page, and n->seen remembers what was handled; a pair
 * that differs has been rung. So both ways share one scan, and an idle scan
 * compares eight bytes a queue.
 *
 * A submission queue is *runnable* when it has commands and its completion
 * queue has room. It runs in batches: as many commands as lie together, have
 * room for their completions and fit, are fetched with one copy, executed in
 * order, and completed with one post. Each command completes at once or not
 * at all (asynchronous events), so room reserved is room enough.
 *
 * A driver that polls sees a completion by its phase bit, and nothing of
 * entry k + 1 before entry k. So of the entries of a post all but the first
 * are written before the first, and of the first the dword with the phase is
 * written last, by a copy of its own.
 *
 * Invariant: head and tail of a live queue are below its size; a queue is
 * empty when they are equal, and holds at most size - 1 entries.
 */
#include <string.h>

#include "models/nvme.h"

#define CQE_VALID_OFFSET offsetof(struct nvme_cqe, cid) /* the dword that holds the phase */

static void runnable_set(struct nvme *n, unsigned id)
{
	n->runnable[id / 64] |= 1ull << (id % 64);
}

static void runnable_clear(struct nvme *n, unsigned id)
{
	n->runnable[id / 64] &= ~(1ull << (id % 64));
}

static uint32_t ring_used(uint32_t head, uint32_t tail, uint32_t size)
{
	return tail >= head ? tail - head : tail + size - head;
}

/* Entries that can be posted. */
uint32_t nvme_cq_room(const struct nvme_cq *cq)
{
	return cq->size - 1 - ring_used(cq->head, cq->tail, cq->size);
}

static void scan_update(struct nvme *n)
{
	unsigned id = NVME_QUEUES + 1;

	while (id && !n->sq[id - 1].live && !n->cq[id - 1].live)
		id--;
	n->scan = id;
}

/* A new queue starts with its doorbell at 0, whatever was there. */
static void doorbell_clear(struct nvme *n, unsigned id, unsigned half)
{
	volatile uint32_t *page = (volatile uint32_t *)(n->doorbells + id);
	uint32_t *seen = (uint32_t *)(n->seen + id);

	page[half] = 0;
	seen[half] = 0;
}

void nvme_sq_open(struct nvme *n, unsigned id, unsigned cqid, uint64_t iova, uint32_t size)
{
	n->sq[id] = (struct nvme_sq){
		.live = true, .id = id, .cqid = cqid, .size = size, .iova = iova
	};
	n->cq[cqid].sqs++;
	doorbell_clear(n, id, 0);
	scan_update(n);
}

void nvme_cq_open(struct nvme *n, unsigned id, uint64_t iova, uint32_t size, bool irq,
		  unsigned vector)
{
	n->cq[id] = (struct nvme_cq){ .live = true,
				      .id = id,
				      .size = size,
				      .iova = iova,
				      .phase = true,
				      .irq_enabled = irq,
				      .vector = vector };
	doorbell_clear(n, id, 1);
	scan_update(n);
}

void nvme_sq_close(struct nvme *n, struct nvme_sq *sq)
{
	n->cq[sq->cqid].sqs--;
	sq->live = false;
	runnable_clear(n, sq->id);
	scan_update(n);
}

void nvme_cq_close(struct nvme *n, struct nvme_cq *cq)
{
	cq->live = false;
	scan_update(n);
	nvme_irq_update(n);
}

void nvme_queues_reset(struct nvme *n)
{
	unsigned id;

	for (id = 0; id <= NVME_QUEUES; id++) {
		n->sq[id].live = false;
		n->cq[id].live = false;
		doorbell_clear(n, id, 0);
		doorbell_clear(n, id, 1);
	}
	n->runnable[0] = 0;
	n->runnable[1] = 0;
	n->scan = 0;
	nvme_irq_update(n);
}

/*
 * INTx is the level of "some completion queue has entries and is not masked";
 * with MSI-X the line stays low.
 */
void nvme_irq_update(struct nvme *n)
{
	bool level = false;
	unsigned id;

	if (rf_irq_mode(n->dev) == RF_IRQ_INTX)
		for (id = 0; id < n->scan && !level; id++) {
			const struct nvme_cq *cq = n->cq + id;

			level = cq->live && cq->irq_enabled && cq->head != cq->tail &&
				!(cq->vector < 32 && n->regs->intms >> cq->vector & 1);
		}
	if (level != n->intx) {
		n->intx = level;
		rf_intx_set(n->dev, level);
	}
}

static void irq_send(struct nvme *n, struct nvme_cq *cq)
{
	if (!cq->irq_owed)
		return;
	cq->irq_owed = false;
	if (!cq->irq_enabled)
		return;
	rf_irq_raise(n->dev, cq->vector);
	nvme_irq_update(n);
}

/* Write the entries [first, first + count) of the ring. */
static int cq_write(struct nvme *n, struct nvme_cq *cq, uint32_t first, const struct nvme_cqe *cqes,
		    unsigned count)
{
	if (!count)
		return 0;
	return rf_dma_write(n->dev, cq->iova + first * sizeof(*cqes), cqes, count * sizeof(*cqes));
}

void nvme_cq_post(struct nvme *n, struct nvme_cq *cq, struct nvme_cqe *cqes, unsigned count)
{
	unsigned i, straight = cq->size - cq->tail;
	uint32_t tail = cq->tail;
	bool phase = cq->phase;
	uint64_t iova = cq->iova + tail * sizeof(*cqes);
	int ret;

	if (straight > count)
		straight = count;
	for (i = 0; i < count; i++) {
		cqes[i].status = (cqes[i].status & ~1) | cq->phase;
		if (++cq->tail == cq->size) {
			cq->tail = 0;
			cq->phase = !cq->phase;
		}
	}
	ret = cq_write(n, cq, 0, cqes + straight, count - straight);
	if (!ret)
		ret = cq_write(n, cq, tail + 1, cqes + 1, straight - 1);
	if (!ret)
		ret = rf_dma_write(n->dev, iova, cqes, CQE_VALID_OFFSET);
	if (!ret)
		ret = rf_dma_write(n->dev, iova + CQE_VALID_OFFSET, &cqes->cid,
				   sizeof(*cqes) - CQE_VALID_OFFSET);
	if (ret) { /* there is nothing to interrupt for */
		cq->tail = tail;
		cq->phase = phase;
		nvme_ctrl_fatal(n, "a completion could not be written");
		return;
	}
	cq->irq_owed = true;
}

/* Execute the @count commands in n->sqes; their completions into n->cqes. Returns how many. */
static unsigned sq_execute(struct nvme *n, struct nvme_sq *sq, unsigned count)
{
	struct nvme_request req = { .sq = sq };
	unsigned i, done = 0;
	uint16_t status;

	for (i = 0; i < count; i++) {
		req.sqe = n->sqes + i;
		req.result = 0;
		if (++sq->head == sq->size)
			sq->head = 0;
		if (sq->id && i + 1 < count)
			nvme_io_prefetch(n, n->sqes + i + 1);
		status = sq->id ? nvme_io_execute(n, &req) : nvme_admin_execute(n, &req);
		if (status == NVME_NO_COMPLETION)
			continue;
		if (status)
			nvme_error_log(n, &req, status);
		n->cqes[done++] = (struct nvme_cqe){ .result = req.result,
						     .sq_head = sq->head,
						     .sq_id = sq->id,
						     .cid = req.sqe->cid,
						     .status = status << 1 };
	}
	return done;
}

/* The newest completion queue head, without waiting for the scan to come to it. */
static void cq_refresh(struct nvme *n, struct nvme_cq *cq);

/* Run a queue for up to @budget commands. It stays runnable if more could be done. */
static void sq_run(struct nvme *n, struct nvme_sq *sq, unsigned budget)
{
	struct nvme_cq *cq = n->cq + sq->cqid;
	/* admin commands may post completions of others, ahead of their own */
	unsigned batch = sq->id ? NVME_BATCH : 1;
	unsigned count, done;

	for (;;) {
		count = ring_used(sq->head, sq->tail, sq->size);
		if (count && !nvme_cq_room(cq))
			cq_refresh(n, cq);
		if (!count || !nvme_cq_room(cq)) {
			runnable_clear(n, sq->id);
			break;
		}
		if (!budget)
			break;
		if (count > sq->size - sq->head)
			count = sq->size - sq->head;
		if (count > nvme_cq_room(cq))
			count = nvme_cq_room(cq);
		if (count > batch)
			count = batch;
		if (count > budget)
			count = budget;
		if (rf_dma_read(n->dev, sq->iova + sq->head * sizeof(n->sqes[0]), n->sqes,
				count * sizeof(n->sqes[0]))) {
			nvme_ctrl_fatal(n, "a command could not be fetched");
			break;
		}
		budget -= count;
		done = sq_execute(n, sq, count);
		if (done)
			nvme_cq_post(n, cq, n->cqes, done);
		if (!nvme_ctrl_running(n))
			break;
	}
	irq_send(n, cq);
}

/* Run every runnable queue in turn, up to @budget commands each. */
static void queues_run(struct nvme *n, unsigned budget)
{
	unsigned word;

	for (word = 0; word < 2; word++) {
		uint64_t todo = n->runnable[word];

		while (todo) {
			unsigned id = word * 64 + __builtin_ctzll(todo);

			todo &= todo - 1;
			/* a queue before it may have deleted it, or stopped everything */
			if (n->runnable[word] >> (id % 64) & 1)
				sq_run(n, n->sq + id, budget);
		}
	}
	if (nvme_ctrl_running(n)) {
		nvme_events_deliver(n);
		irq_send(n, n->cq);
	}
}

static void doorbell_bad(struct nvme *n, uint8_t info, unsigned id, const char *what, uint32_t val)
{
	rf_device_warn(n->dev, "doorbell of queue %u: %s (value %u)", id, what, val);
	nvme_event_raise(n, NVME_EVENT_ERROR, info);
}

static void sq_doorbell(struct nvme *n, unsigned id, uint32_t tail)
{
	struct nvme_sq *sq = n->sq + id;
	uint32_t added;

	if (!sq->live) {
		doorbell_bad(n, NVME_ERROR_BAD_DOORBELL, id, "no such submission queue", tail);
		return;
	}
	if (tail >= sq->size) {
		doorbell_bad(n, NVME_ERROR_BAD_VALUE, id, "tail beyond the queue's size", tail);
		return;
	}
	added = ring_used(sq->tail, tail, sq->size);
	if (added > sq->size - 1 - ring_used(sq->head, sq->tail, sq->size)) {
		doorbell_bad(n, NVME_ERROR_BAD_VALUE, id, "tail overtakes the head", tail);
		return;
	}
	sq->tail = tail;
	runnable_set(n, id);
}

static void cq_doorbell(struct nvme *n, unsigned id, uint32_t head)
{
	struct nvme_cq *cq = n->cq + id;
	unsigned i;

	if (!cq->live) {
		doorbell_bad(n, NVME_ERROR_BAD_DOORBELL, id, "no such completion queue", head);
		return;
	}
	if (head >= cq->size) {
		doorbell_bad(n, NVME_ERROR_BAD_VALUE, id, "head beyond the queue's size", head);
		return;
	}
	if (ring_used(cq->head, head, cq->size) > ring_used(cq->head, cq->tail, cq->size)) {
		doorbell_bad(n, NVME_ERROR_BAD_VALUE, id, "head overtakes the tail", head);
		return;
	}
	/* those that waited for room */
	if (!nvme_cq_room(cq))
		for (i = 0; i < n->scan; i++)
			if (n->sq[i].live && n->sq[i].cqid == id && n->sq[i].head != n->sq[i].tail)
				runnable_set(n, i);
	cq->head = head;
	if (n->intx)
		nvme_irq_update(n);
}

/*
 * Handle what is new in one pair; returns the doorbells found changed. The
 * completion queue comes first: its head makes room for the commands.
 */
static unsigned doorbell_check(struct nvme *n, unsigned id)
{
	uint64_t now = n->doorbells[id];
	uint64_t change = now ^ n->seen[id];

	if (__builtin_expect(!change, 1))
		return 0;
	n->seen[id] = now;
	if (!nvme_ctrl_running(n)) {
		rf_device_warn(n->dev, "doorbell of queue %u while the controller is not ready",
			       id);
		return !!(change >> 32) + !!(uint32_t)change;
	}
	if (change >> 32)
		cq_doorbell(n, id, now >> 32);
	if ((uint32_t)change)
		sq_doorbell(n, id, (uint32_t)now);
	return !!(change >> 32) + !!(uint32_t)change;
}

static void cq_refresh(struct nvme *n, struct nvme_cq *cq)
{
	uint32_t head = ((volatile uint32_t *)(n->doorbells + cq->id))[1];
	uint32_t *seen = (uint32_t *)(n->seen + cq->id) + 1;

	if (head == *seen)
		return;
	*seen = head;
	cq_doorbell(n, cq->id, head);
}

/**
 * nvme_doorbell_write() - a store to the doorbell page that trapped
 * @n: the controller
 * @off: byte offset in the BAR; the value is in the page already
 * @size: bytes
 *
 * Does all that the driver has asked for before it returns.
 */
void nvme_doorbell_write(struct nvme *n, uint64_t off, unsigned size)
{
	uint64_t id = (off - NVME_REG_DOORBELLS) / sizeof(n->doorbells[0]);

	if (id <= NVME_QUEUES)
		doorbell_check(n, id);
	else if (nvme_ctrl_running(n))
		doorbell_bad(n, NVME_ERROR_BAD_DOORBELL, id, "no such queue",
			     (uint32_t)n->doorbells[id]);
	/* again, while one queue's room lets another go on */
	do
		queues_run(n, UINT32_MAX);
	while (n->runnable[0] || n->runnable[1]);
}

/**
 * nvme_doorbell_poll() - look at the doorbell page and do what it asks
 * @n: the controller
 *
 * Bounded: at most NVME_POLL_BUDGET commands a queue. Queues that have more
 * to do count as rung, so the engine looks again.
 *
 * Return: doorbells found changed, and queues with work left; 0: idle.
 */
unsigned nvme_doorbell_poll(struct nvme *n)
{
	unsigned id, found = 0;

	for (id = 0; id < n->scan; id++)
		found += doorbell_check(n, id);
	if (found || n->runnable[0] || n->runnable[1])
		queues_run(n, NVME_POLL_BUDGET);
	return found + __builtin_popcountll(n->runnable[0]) + __builtin_popcountll(n->runnable[1]);
}
