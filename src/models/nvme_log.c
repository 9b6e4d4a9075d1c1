/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log pages and asynchronous events: how the controller tells what went wrong.
 *
 * An event is told once: after that its type is masked until the driver reads
 * the log that explains it. Meanwhile the newest event of the type waits.
 */
#include <string.h>

#include "models/nvme.h"

#define LOG_RETAIN_EVENT (1u << 15) /* cdw10 */

/* Which log explains a type of event. */
static const uint8_t event_log[NVME_EVENT_TYPES] = {
	[NVME_EVENT_ERROR] = NVME_LOG_ERROR,
	[NVME_EVENT_SMART] = NVME_LOG_SMART,
};

static bool event_enabled(const struct nvme *n, enum nvme_event_type type)
{
	/* errors always are; SMART events by their critical warning bit */
	return type == NVME_EVENT_ERROR || (n->features.async_events & nvme_smart_warning(n));
}

void nvme_events_reset(struct nvme *n)
{
	n->nr_aers = 0;
	memset(n->events, 0, sizeof(n->events));
}

void nvme_event_raise(struct nvme *n, enum nvme_event_type type, uint8_t info)
{
	if (!event_enabled(n, type))
		return;
	n->events[type].pending = true;
	n->events[type].info = info;
}

/* Complete the oldest request, or the one at @index. The queue has room. */
static void event_complete(struct nvme *n, unsigned index, uint32_t result, uint16_t status)
{
	struct nvme_cqe cqe = { .result = result,
				.sq_head = n->sq[0].head,
				.cid = n->aers[index],
				.status = status << 1 };

	n->nr_aers--;
	memmove(n->aers + index, n->aers + index + 1, (n->nr_aers - index) * sizeof(n->aers[0]));
	nvme_cq_post(n, n->cq, &cqe, 1);
}

void nvme_events_deliver(struct nvme *n)
{
	unsigned type;

	for (type = 0; type < NVME_EVENT_TYPES; type++) {
		struct nvme_event *event = n->events + type;

		if (!event->pending || event->masked)
			continue;
		if (!n->nr_aers || !nvme_cq_room(n->cq))
			return;
		event->pending = false;
		event->masked = true;
		event_complete(n, 0, (uint32_t)event_log[type] << 16 | event->info << 8 | type,
			       NVME_SC_SUCCESS);
	}
}

uint16_t nvme_async_event(struct nvme *n, struct nvme_request *req)
{
	if (n->nr_aers == NVME_AERS)
		return NVME_SC_AER_LIMIT | NVME_SC_DNR;
	n->aers[n->nr_aers++] = req->sqe->cid;
	return NVME_NO_COMPLETION;
}

/*
 * Abort a waiting request; false when there is none of that id. Its completion
 * goes ahead of the Abort command's, so the queue must have room for both.
 */
bool nvme_abort_async_event(struct nvme *n, uint16_t cid)
{
	unsigned i;

	for (i = 0; i < n->nr_aers; i++)
		if (n->aers[i] == cid)
			break;
	if (i == n->nr_aers || nvme_cq_room(n->cq) < 2)
		return false;
	event_complete(n, i, 0, NVME_SC_ABORT_REQUESTED);
	return true;
}

/**
 * nvme_error_log() - enter a failed command in the error log
 * @n: the controller
 * @req: the command
 * @status: how it ended
 */
void nvme_error_log(struct nvme *n, const struct nvme_request *req, uint16_t status)
{
	const struct nvme_sqe *sqe = req->sqe;

	/* newest first, as it is read */
	memmove(n->errors + 1, n->errors, sizeof(n->errors) - sizeof(n->errors[0]));
	n->errors[0] = (struct nvme_error_entry){
		.count = ++n->error_count,
		.sqid = req->sq->id,
		.cid = sqe->cid,
		.status = status << 1,
		.location = NVME_ERROR_LOCATION_NONE,
		.nsid = sqe->nsid,
		.lba = req->sq->id ? (uint64_t)sqe->cdw11 << 32 | sqe->cdw10 : 0,
	};
}

uint8_t nvme_smart_warning(const struct nvme *n)
{
	if (NVME_TEMPERATURE >= n->features.over_threshold ||
	    NVME_TEMPERATURE <= n->features.under_threshold)
		return NVME_WARNING_TEMPERATURE;
	return 0;
}

static uint64_t log_data_units(uint64_t bytes)
{
	return (bytes + 512000 - 1) / 512000;
}

static void log_smart(const struct nvme *n, struct nvme_smart *smart)
{
	uint16_t temperature = NVME_TEMPERATURE;

	smart->critical_warning = nvme_smart_warning(n);
	memcpy(smart->temperature, &temperature, sizeof(temperature));
	smart->spare = 100;
	smart->spare_threshold = 10;
	smart->units_read[0] = log_data_units(n->bytes_read);
	smart->units_written[0] = log_data_units(n->bytes_written);
	smart->host_reads[0] = n->reads;
	smart->host_writes[0] = n->writes;
	smart->power_cycles[0] = 1;
	smart->unsafe_shutdowns[0] = n->unsafe_shutdowns;
	smart->media_errors[0] = n->media_errors;
	smart->error_entries[0] = n->error_count;
}

static void log_firmware(struct nvme_firmware_log *log)
{
	log->active = 1;
	memcpy(log->slots[0], "1.0     ", sizeof(log->slots[0]));
}

static void log_effects(struct nvme_effects_log *log)
{
	static const uint8_t admin[] = {
		NVME_ADMIN_DELETE_SQ,	NVME_ADMIN_CREATE_SQ,	 NVME_ADMIN_GET_LOG,
		NVME_ADMIN_DELETE_CQ,	NVME_ADMIN_CREATE_CQ,	 NVME_ADMIN_IDENTIFY,
		NVME_ADMIN_ABORT,	NVME_ADMIN_SET_FEATURES, NVME_ADMIN_GET_FEATURES,
		NVME_ADMIN_ASYNC_EVENT,
	};
	unsigned i;

	for (i = 0; i < sizeof(admin); i++)
		log->admin[admin[i]] = NVME_EFFECT_SUPPORTED;
	log->io[NVME_IO_FLUSH] = NVME_EFFECT_SUPPORTED;
	log->io[NVME_IO_READ] = NVME_EFFECT_SUPPORTED;
	log->io[NVME_IO_COMPARE] = NVME_EFFECT_SUPPORTED;
	log->io[NVME_IO_WRITE] = NVME_EFFECT_SUPPORTED | NVME_EFFECT_CONTENT;
	log->io[NVME_IO_WRITE_ZEROES] = NVME_EFFECT_SUPPORTED | NVME_EFFECT_CONTENT;
	log->io[NVME_IO_DSM] = NVME_EFFECT_SUPPORTED | NVME_EFFECT_CONTENT;
}

/* Fill @page with a log; its size in bytes, or 0 for one that does not exist. */
static size_t log_fill(const struct nvme *n, uint8_t id, uint8_t *page)
{
	switch (id) {
	case NVME_LOG_ERROR:
		memcpy(page, n->errors, sizeof(n->errors));
		return sizeof(n->errors);
	case NVME_LOG_SMART:
		log_smart(n, (struct nvme_smart *)page);
		return sizeof(struct nvme_smart);
	case NVME_LOG_FIRMWARE:
		log_firmware((struct nvme_firmware_log *)page);
		return sizeof(struct nvme_firmware_log);
	case NVME_LOG_EFFECTS:
		log_effects((struct nvme_effects_log *)page);
		return sizeof(struct nvme_effects_log);
	default:
		return 0;
	}
}

static void log_unmask(struct nvme *n, uint8_t id)
{
	unsigned type;

	for (type = 0; type < NVME_EVENT_TYPES; type++)
		if (event_log[type] == id)
			n->events[type].masked = false;
}

uint16_t nvme_get_log(struct nvme *n, struct nvme_request *req)
{
	const struct nvme_sqe *sqe = req->sqe;
	uint64_t len = (((uint64_t)(sqe->cdw11 & 0xffff) << 16 | sqe->cdw10 >> 16) + 1) * 4;
	uint64_t off = (uint64_t)sqe->cdw13 << 32 | sqe->cdw12;
	uint8_t id = sqe->cdw10 & 0xff;
	uint16_t status;
	size_t size;

	memset(n->page, 0, sizeof(n->page));
	size = log_fill(n, id, n->page);
	if (!size)
		return NVME_SC_LOG_PAGE | NVME_SC_DNR;
	/* health is kept for the controller, not for a namespace */
	if (id == NVME_LOG_SMART && sqe->nsid && sqe->nsid != NVME_NSID_ALL)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if ((off & 3) || off > size)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	/* beyond the log's end nothing is transferred */
	if (len > size - off)
		len = size - off;
	status = len ? nvme_prp_put(n, sqe, n->page + off, len) : NVME_SC_SUCCESS;
	if (!status && !(sqe->cdw10 & LOG_RETAIN_EVENT))
		log_unmask(n, id);
	return status;
}
