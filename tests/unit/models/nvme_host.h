/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small NVMe driver for the tests: rings in the fake device's memory, one
 * command at a time or many before one doorbell.
 */
#ifndef TEST_MODELS_NVME_HOST_H
#define TEST_MODELS_NVME_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_device.h"
#include "models/models.h"
#include "models/nvme_spec.h"

#define HOST_QUEUES	8u
#define HOST_ADMIN_SIZE 16u

/* Where things are in the driver's memory: rings first, then buffers. */
#define HOST_SQ(id) (FAKE_IOVA + (id)*0x80000ull)
#define HOST_CQ(id) (HOST_SQ(id) + 0x40000ull)
#define HOST_LIST   (FAKE_IOVA + (8ull << 20)) /* PRP lists */
#define HOST_DATA   (FAKE_IOVA + (9ull << 20)) /* data */

#define HOST_CC	    (NVME_CC_EN | 6u << 16 | 4u << 20)
#define HOST_AQA    ((HOST_ADMIN_SIZE - 1) << 16 | (HOST_ADMIN_SIZE - 1))

struct host_ring {
	uint32_t sq_size, cq_size;
	uint32_t sq_tail, cq_head;
	bool phase;
};

struct host {
	struct rf_device *dev;
	struct host_ring rings[HOST_QUEUES];
	uint16_t next_cid;
};

static inline uint64_t host_doorbell(unsigned id, bool cq)
{
	return NVME_REG_DOORBELLS + 8ull * id + (cq ? 4 : 0);
}

static inline void host_ring_init(struct host *h, unsigned id, uint32_t sq_size, uint32_t cq_size)
{
	h->rings[id] = (struct host_ring){ .sq_size = sq_size, .cq_size = cq_size, .phase = true };
	memset(fake_at(h->dev, HOST_CQ(id)), 0, cq_size * sizeof(struct nvme_cqe));
}

/* A store of the driver; when the device is polled, it looks at once. */
static inline void host_ring_doorbell(struct host *h, unsigned id, bool cq, uint32_t val)
{
	fake_write(h->dev, host_doorbell(id, cq), val, 4);
	if (h->dev->polling)
		while (h->dev->model->poll(h->dev))
			;
}

/* Put a command in the ring without telling. Returns its id. */
static inline uint16_t host_queue(struct host *h, unsigned id, struct nvme_sqe sqe)
{
	struct host_ring *ring = &h->rings[id];
	struct nvme_sqe *sq = fake_at(h->dev, HOST_SQ(id));

	sqe.cid = ++h->next_cid;
	sq[ring->sq_tail] = sqe;
	ring->sq_tail = (ring->sq_tail + 1) % ring->sq_size;
	return sqe.cid;
}

static inline void host_kick(struct host *h, unsigned id)
{
	host_ring_doorbell(h, id, false, h->rings[id].sq_tail);
}

/* The next completion, if there is one. Does not tell the device. */
static inline bool host_reap(struct host *h, unsigned id, struct nvme_cqe *out)
{
	struct host_ring *ring = &h->rings[id];
	struct nvme_cqe *cq = fake_at(h->dev, HOST_CQ(id));

	*out = cq[ring->cq_head];
	if ((out->status & 1) != ring->phase)
		return false;
	if (++ring->cq_head == ring->cq_size) {
		ring->cq_head = 0;
		ring->phase = !ring->phase;
	}
	return true;
}

static inline void host_ack(struct host *h, unsigned id)
{
	host_ring_doorbell(h, id, true, h->rings[id].cq_head);
}

/* Submit, complete, acknowledge; the status without "do not retry". */
static inline uint16_t host_run(struct host *h, unsigned id, struct nvme_sqe sqe, uint32_t *result)
{
	uint16_t cid = host_queue(h, id, sqe);
	struct nvme_cqe cqe;

	host_kick(h, id);
	assert_true(host_reap(h, id, &cqe));
	assert_int_equal(cqe.cid, cid);
	assert_int_equal(cqe.sq_id, id);
	assert_int_equal(cqe.sq_head, h->rings[id].sq_tail);
	host_ack(h, id);
	if (result)
		*result = cqe.result;
	return cqe.status >> 1 & ~NVME_SC_DNR;
}

static inline uint16_t host_admin(struct host *h, struct nvme_sqe sqe, uint32_t *result)
{
	return host_run(h, 0, sqe, result);
}

static inline uint16_t host_create_cq(struct host *h, unsigned id, uint32_t size, unsigned vector)
{
	host_ring_init(h, id, h->rings[id].sq_size, size);
	return host_admin(h,
			  (struct nvme_sqe){ .opcode = NVME_ADMIN_CREATE_CQ,
					     .prp1 = HOST_CQ(id),
					     .cdw10 = (size - 1) << 16 | id,
					     .cdw11 = vector << 16 | 3 },
			  NULL);
}

static inline uint16_t host_create_sq(struct host *h, unsigned id, unsigned cqid, uint32_t size)
{
	h->rings[id].sq_size = size;
	h->rings[id].sq_tail = 0;
	return host_admin(h,
			  (struct nvme_sqe){ .opcode = NVME_ADMIN_CREATE_SQ,
					     .prp1 = HOST_SQ(id),
					     .cdw10 = (size - 1) << 16 | id,
					     .cdw11 = cqid << 16 | 1 },
			  NULL);
}

static inline void host_create_pair(struct host *h, unsigned id, uint32_t size)
{
	assert_int_equal(host_create_cq(h, id, size, id), NVME_SC_SUCCESS);
	assert_int_equal(host_create_sq(h, id, id, size), NVME_SC_SUCCESS);
}

static inline void host_delete(struct host *h, uint8_t opcode, unsigned id)
{
	assert_int_equal(host_admin(h, (struct nvme_sqe){ .opcode = opcode, .cdw10 = id }, NULL),
			 NVME_SC_SUCCESS);
}

static inline uint32_t host_csts(struct host *h)
{
	return fake_read(h->dev, NVME_REG_CSTS, 4);
}

static inline void host_enable(struct host *h)
{
	fake_write(h->dev, NVME_REG_AQA, HOST_AQA, 4);
	fake_write(h->dev, NVME_REG_ASQ, HOST_SQ(0), 8);
	fake_write(h->dev, NVME_REG_ACQ, HOST_CQ(0), 8);
	host_ring_init(h, 0, HOST_ADMIN_SIZE, HOST_ADMIN_SIZE);
	fake_write(h->dev, NVME_REG_CC, HOST_CC, 4);
	assert_int_equal(host_csts(h), NVME_CSTS_RDY);
}

static inline struct host *host_new(const char *const *props)
{
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->dev = fake_new(&nvme_model, props);
	if (!h->dev)
		fail_msg("init: %s", fake_error());
	return h;
}

/* An enabled controller with one I/O queue pair of 64 entries. */
static inline struct host *host_ready(const char *const *props)
{
	struct host *h = host_new(props);

	host_enable(h);
	host_create_pair(h, 1, 64);
	return h;
}

static inline void host_free(struct host *h)
{
	fake_free(h->dev);
	free(h);
}

/* Read or Write of @blocks at @slba with the given pointers. */
static inline struct nvme_sqe host_rw(uint8_t opcode, uint64_t slba, uint32_t blocks, uint64_t prp1,
				      uint64_t prp2)
{
	return (struct nvme_sqe){ .opcode = opcode,
				  .nsid = 1,
				  .prp1 = prp1,
				  .prp2 = prp2,
				  .cdw10 = (uint32_t)slba,
				  .cdw11 = (uint32_t)(slba >> 32),
				  .cdw12 = blocks - 1 };
}

#endif
