/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Admin commands: queue management and Abort; the others have files of their
 * own.
 */
#include "models/nvme.h"

#define QUEUE_CONTIGUOUS  (1u << 0) /* cdw11 */
#define QUEUE_IRQ_ENABLED (1u << 1)

static bool queue_id_valid(const struct nvme *n, uint32_t id)
{
	return id && id <= n->queues;
}

/* What both Create commands check alike. */
static uint16_t queue_geometry(const struct nvme *n, const struct nvme_sqe *sqe, bool entry_size)
{
	uint32_t last = sqe->cdw10 >> 16;

	if (!last || last > NVME_MQES)
		return NVME_SC_QUEUE_SIZE | NVME_SC_DNR;
	if (!entry_size) {
		rf_device_warn(n->dev, "an I/O queue is created before CC.IOSQES and CC.IOCQES are "
				       "set to 6 and 4");
		return NVME_SC_QUEUE_SIZE | NVME_SC_DNR;
	}
	if (!(sqe->cdw11 & QUEUE_CONTIGUOUS))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (sqe->prp1 & ((1ull << n->page_shift) - 1))
		return NVME_SC_PRP_OFFSET | NVME_SC_DNR;
	return NVME_SC_SUCCESS;
}

static uint16_t admin_create_cq(struct nvme *n, const struct nvme_sqe *sqe)
{
	uint32_t id = sqe->cdw10 & 0xffff;
	uint32_t vector = sqe->cdw11 >> 16;
	uint16_t status;

	if (!queue_id_valid(n, id) || n->cq[id].live)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	status = queue_geometry(n, sqe, NVME_CC_IOCQES(n->regs->cc) == 4);
	if (status)
		return status;
	if (vector >= NVME_VECTORS)
		return NVME_SC_VECTOR_INVALID | NVME_SC_DNR;
	nvme_cq_open(n, id, sqe->prp1, (sqe->cdw10 >> 16) + 1, sqe->cdw11 & QUEUE_IRQ_ENABLED,
		     vector);
	return NVME_SC_SUCCESS;
}

static uint16_t admin_create_sq(struct nvme *n, const struct nvme_sqe *sqe)
{
	uint32_t id = sqe->cdw10 & 0xffff;
	uint32_t cqid = sqe->cdw11 >> 16;
	uint16_t status;

	if (!queue_id_valid(n, id) || n->sq[id].live)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (!queue_id_valid(n, cqid))
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (!n->cq[cqid].live)
		return NVME_SC_CQ_INVALID | NVME_SC_DNR;
	status = queue_geometry(n, sqe, NVME_CC_IOSQES(n->regs->cc) == 6);
	if (status)
		return status;
	nvme_sq_open(n, id, cqid, sqe->prp1, (sqe->cdw10 >> 16) + 1);
	return NVME_SC_SUCCESS;
}

static uint16_t admin_delete_sq(struct nvme *n, const struct nvme_sqe *sqe)
{
	uint32_t id = sqe->cdw10 & 0xffff;

	if (!queue_id_valid(n, id) || !n->sq[id].live)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	/* commands not fetched yet go without a completion, as the driver expects */
	nvme_sq_close(n, n->sq + id);
	return NVME_SC_SUCCESS;
}

static uint16_t admin_delete_cq(struct nvme *n, const struct nvme_sqe *sqe)
{
	uint32_t id = sqe->cdw10 & 0xffff;

	if (!queue_id_valid(n, id) || !n->cq[id].live)
		return NVME_SC_QID_INVALID | NVME_SC_DNR;
	if (n->cq[id].sqs)
		return NVME_SC_QUEUE_DELETION | NVME_SC_DNR;
	nvme_cq_close(n, n->cq + id);
	return NVME_SC_SUCCESS;
}

/*
 * Commands complete when they are fetched, so all there is to abort is an
 * asynchronous event request. Bit 0 of the result: not aborted.
 */
static uint16_t admin_abort(struct nvme *n, struct nvme_request *req)
{
	uint16_t sqid = req->sqe->cdw10 & 0xffff;
	uint16_t cid = req->sqe->cdw10 >> 16;

	if (sqid > n->queues || !n->sq[sqid].live)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	req->result = sqid || !nvme_abort_async_event(n, cid);
	return NVME_SC_SUCCESS;
}

/**
 * nvme_admin_execute() - execute a command of the admin queue
 * @n: the controller
 * @req: the command; its result is filled
 *
 * Return: its status, or NVME_NO_COMPLETION.
 */
uint16_t nvme_admin_execute(struct nvme *n, struct nvme_request *req)
{
	const struct nvme_sqe *sqe = req->sqe;

	if (sqe->flags & (NVME_FLAGS_FUSE | NVME_FLAGS_PSDT))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	switch (sqe->opcode) {
	case NVME_ADMIN_IDENTIFY:
		return nvme_identify(n, req);
	case NVME_ADMIN_CREATE_CQ:
		return admin_create_cq(n, sqe);
	case NVME_ADMIN_CREATE_SQ:
		return admin_create_sq(n, sqe);
	case NVME_ADMIN_DELETE_CQ:
		return admin_delete_cq(n, sqe);
	case NVME_ADMIN_DELETE_SQ:
		return admin_delete_sq(n, sqe);
	case NVME_ADMIN_GET_FEATURES:
		return nvme_get_features(n, req);
	case NVME_ADMIN_SET_FEATURES:
		return nvme_set_features(n, req);
	case NVME_ADMIN_GET_LOG:
		return nvme_get_log(n, req);
	case NVME_ADMIN_ABORT:
		return admin_abort(n, req);
	case NVME_ADMIN_ASYNC_EVENT:
		return nvme_async_event(n, req);
	default:
		return NVME_SC_INVALID_OPCODE | NVME_SC_DNR;
	}
}
