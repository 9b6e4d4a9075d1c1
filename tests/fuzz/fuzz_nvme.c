/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nvme against a driver that does anything: arbitrary register stores,
 * commands, doorbells, memory, and DMA that fails. The model must neither
 * crash, nor hang, nor reach outside its rings; and after a reset it must work.
 *
 * The input is a list of steps, each a byte that says what and the bytes that
 * it takes; what is missing reads as zero.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/models/fake_device.h"
#include "models/models.h"
#include "models/nvme.h"

#define ASQ	FAKE_IOVA
#define ACQ	(FAKE_IOVA + 0x10000)
#define SQ(id)	(FAKE_IOVA + 0x100000 + (id)*0x20000ull)
#define CQ(id)	(SQ(id) + 0x10000)
#define ENTRIES 8u
#define QUEUES	4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

struct driver {
	struct rf_device *dev;
	struct nvme *n;
	uint32_t tails[QUEUES];
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t val = 0;

	if (bytes > in->left)
		bytes = in->left;
	memcpy(&val, in->at, bytes);
	in->at += bytes;
	in->left -= bytes;
	return val;
}

static void insist(bool what, const char *said)
{
	if (!what) {
		fprintf(stderr, "%s\n", said);
		abort();
	}
}

/* What must hold whatever the driver does. */
static void check(const struct nvme *n)
{
	unsigned id;

	for (id = 0; id <= NVME_QUEUES; id++) {
		const struct nvme_sq *sq = n->sq + id;
		const struct nvme_cq *cq = n->cq + id;

		insist(!sq->live || (sq->head < sq->size && sq->tail < sq->size),
		       "a submission queue's index is beyond its size");
		insist(!cq->live || (cq->head < cq->size && cq->tail < cq->size),
		       "a completion queue's index is beyond its size");
		insist(!sq->live || n->cq[sq->cqid].live,
		       "a submission queue outlived its completion queue");
		insist(sq->live || !(n->runnable[id / 64] >> (id % 64) & 1),
		       "a queue that does not exist is to run");
	}
	insist(n->nr_aers <= NVME_AERS, "too many event requests");
}

static void ring(struct driver *d, unsigned id, bool cq, uint32_t val)
{
	fake_write(d->dev, NVME_REG_DOORBELLS + 8ull * id + (cq ? 4 : 0), val, 4);
}

static void submit(struct driver *d, unsigned id, const struct nvme_sqe *sqe)
{
	memcpy(fake_at(d->dev, (id ? SQ(id) : ASQ) + d->tails[id] * sizeof(*sqe)), sqe,
	       sizeof(*sqe));
	d->tails[id] = (d->tails[id] + 1) % ENTRIES;
	ring(d, id, false, d->tails[id]);
}

static void enable(struct driver *d)
{
	unsigned id;

	d->dev->polling = false;
	d->dev->dma_until_failure = 0;
	d->dev->hole_last = 0;
	fake_write(d->dev, NVME_REG_CC, 0, 4);
	fake_write(d->dev, NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
	fake_write(d->dev, NVME_REG_ASQ, ASQ, 8);
	fake_write(d->dev, NVME_REG_ACQ, ACQ, 8);
	fake_write(d->dev, NVME_REG_CC, 4u << 20 | 6u << 16 | NVME_CC_EN, 4);
	memset(d->tails, 0, sizeof(d->tails));
	insist(nvme_ctrl_running(d->n), "it cannot be enabled");
	for (id = 1; id < QUEUES; id++) {
		submit(d, 0,
		       &(struct nvme_sqe){ .opcode = NVME_ADMIN_CREATE_CQ,
					   .prp1 = CQ(id),
					   .cdw10 = (ENTRIES - 1) << 16 | id,
					   .cdw11 = id << 16 | 3 });
		submit(d, 0,
		       &(struct nvme_sqe){ .opcode = NVME_ADMIN_CREATE_SQ,
					   .prp1 = SQ(id),
					   .cdw10 = (ENTRIES - 1) << 16 | id,
					   .cdw11 = id << 16 | 1 });
		ring(d, 0, true, 2 * id);
	}
	insist(d->n->sq[QUEUES - 1].live, "queues cannot be created");
}

/* Mostly an address of the driver's memory; at times anything. */
static uint64_t take_address(struct input *in)
{
	uint64_t val = take(in, 4);

	if (val >> 28 == 0xf)
		return val << 32 | take(in, 4);
	if (val >> 28 & 1)
		val &= ~0xfffull;
	return FAKE_IOVA + (val & 0xffffff);
}

static void step_command(struct driver *d, struct input *in)
{
	unsigned id = take(in, 1) % QUEUES;
	struct nvme_sqe sqe = { 0 };

	sqe.opcode = take(in, 1) % 0x1a;
	sqe.flags = in->left & 0x1f ? 0 : take(in, 1);
	sqe.cid = take(in, 1);
	sqe.nsid = take(in, 1) % 4 ? 1 : take(in, 4);
	sqe.prp1 = take_address(in);
	sqe.prp2 = take_address(in);
	sqe.cdw10 = take(in, 4);
	sqe.cdw11 = take(in, 4);
	sqe.cdw12 = take(in, 2);
	sqe.cdw13 = take(in, 1);
	/* most slbas are below the end */
	if (id && sqe.cdw11 % 4)
		sqe.cdw11 = 0, sqe.cdw10 &= 0x7ff;
	submit(d, id, &sqe);
}

static void step_raw_command(struct driver *d, struct input *in)
{
	unsigned id = take(in, 1) % QUEUES;
	struct nvme_sqe sqe = { 0 };
	size_t i;

	for (i = 0; i < sizeof(sqe); i++)
		((uint8_t *)&sqe)[i] = take(in, 1);
	submit(d, id, &sqe);
}

/* A few words of memory: PRP lists, ranges, ring entries. */
static void step_memory(struct driver *d, struct input *in)
{
	uint64_t at = FAKE_IOVA + (take(in, 3) & 0xfffff8);
	unsigned i, words = take(in, 1) % 16;

	for (i = 0; i < words && at + 8 <= FAKE_IOVA + FAKE_MEMORY; i++, at += 8) {
		uint64_t val = take_address(in);

		memcpy(fake_at(d->dev, at), &val, sizeof(val));
	}
}

static void step(struct driver *d, struct input *in)
{
	unsigned size = 1u << take(in, 1) % 4;
	uint64_t off;

	switch (take(in, 1) % 12) {
	case 0:
		off = take(in, 2) % 0x40 / size * size;
		fake_write(d->dev, off, take(in, size), size);
		break;
	case 1:
		off = take(in, 2) % 0x2000 / size * size;
		fake_write(d->dev, off, take(in, size), size);
		break;
	case 2:
		ring(d, take(in, 1) % 8, take(in, 1) & 1, take(in, 1) % (2 * ENTRIES));
		break;
	case 3:
		d->dev->model->poll(d->dev);
		break;
	case 4:
		d->dev->polling = take(in, 1) & 1;
		break;
	case 5:
		d->dev->dma_until_failure = take(in, 1) % 16;
		break;
	case 6:
		d->dev->hole_first = take_address(in);
		d->dev->hole_last = d->dev->hole_first + take(in, 2);
		break;
	case 7:
		d->dev->irq_mode = take(in, 1) % 3;
		break;
	case 8:
		step_raw_command(d, in);
		break;
	case 9:
		step_memory(d, in);
		break;
	case 10:
		if (take(in, 1) & 1)
			enable(d);
		else
			d->dev->model->reset(d->dev);
		break;
	default:
		step_command(d, in);
	}
	check(d->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const props[] = { "size", "1M",   "namespaces", "2", "queues",
					     "4",    "mdts", "9",	   NULL };
	struct input in = { data, size };
	struct driver d = { .dev = fake_new(&nvme_model, props) };

	insist(d.dev, "init failed");
	d.n = rf_device_data(d.dev);
	enable(&d);
	while (in.left)
		step(&d, &in);
	/* whatever happened, a reset helps */
	d.dev->model->reset(d.dev);
	enable(&d);
	check(d.n);
	fake_free(d.dev);
	return 0;
}
