/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Features: settings of the controller, read and written by number.
 *
 * None can be saved, so the saved value of each is its default, and a reset
 * brings that back.
 */
#include "models/nvme.h"

enum feature_select { SELECT_CURRENT, SELECT_DEFAULT, SELECT_SAVED, SELECT_SUPPORTED };

#define FEATURE_PER_NAMESPACE (1u << 1)
#define FEATURE_CHANGEABLE    (1u << 2)

#define SET_SAVE	      (1u << 31) /* cdw10 */
#define THRESHOLD_TYPE(v)     ((v) >> 20 & 3) /* cdw11: over or under, and of which sensor */
#define THRESHOLD_SENSOR(v)   ((v) >> 16 & 0xf)
#define THRESHOLD_ALL	      0xf
#define RECOVERY_DULBE	      (1u << 16)
#define VECTOR_UNCOALESCED    (1u << 16)
#define ARBITRATION_BURST     0x7u /* no limit */

static const struct nvme_features feature_defaults = {
	.arbitration = ARBITRATION_BURST,
	.over_threshold = NVME_TEMPERATURE_WARN,
	.write_cache = 1,
};

void nvme_features_reset(struct nvme *n)
{
	n->features = feature_defaults;
}

static uint32_t feature_capabilities(uint8_t id)
{
	switch (id) {
	case NVME_FEAT_ERROR_RECOVERY:
		return FEATURE_CHANGEABLE | FEATURE_PER_NAMESPACE;
	case NVME_FEAT_ARBITRATION:
	case NVME_FEAT_POWER:
	case NVME_FEAT_TEMPERATURE:
	case NVME_FEAT_WRITE_CACHE:
	case NVME_FEAT_QUEUES:
	case NVME_FEAT_IRQ_COALESCING:
	case NVME_FEAT_IRQ_VECTOR:
	case NVME_FEAT_ATOMICITY:
	case NVME_FEAT_ASYNC_EVENTS:
	case NVME_FEAT_COMMAND_SETS:
		return FEATURE_CHANGEABLE;
	default:
		return 0;
	}
}

static const uint32_t *feature_threshold(const struct nvme_features *f, uint32_t cdw11)
{
	uint32_t sensor = THRESHOLD_SENSOR(cdw11);

	/* one sensor: the composite temperature */
	if (sensor && sensor != THRESHOLD_ALL)
		return NULL;
	switch (THRESHOLD_TYPE(cdw11)) {
	case 0:
		return &f->over_threshold;
	case 1:
		return &f->under_threshold;
	default:
		return NULL;
	}
}

static uint16_t feature_get(const struct nvme *n, const struct nvme_features *f,
			    const struct nvme_sqe *sqe, uint32_t *result)
{
	const uint32_t *threshold;
	uint32_t vector = sqe->cdw11 & 0xffff;

	switch (sqe->cdw10 & 0xff) {
	case NVME_FEAT_ARBITRATION:
		*result = f->arbitration;
		break;
	case NVME_FEAT_TEMPERATURE:
		threshold = feature_threshold(f, sqe->cdw11);
		if (!threshold || THRESHOLD_SENSOR(sqe->cdw11) == THRESHOLD_ALL)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		*result = *threshold;
		break;
	case NVME_FEAT_ERROR_RECOVERY:
		if (!sqe->nsid || sqe->nsid > n->namespaces)
			return NVME_SC_INVALID_NAMESPACE | NVME_SC_DNR;
		*result = f->error_recovery[sqe->nsid - 1];
		break;
	case NVME_FEAT_WRITE_CACHE:
		*result = f->write_cache;
		break;
	case NVME_FEAT_QUEUES:
		*result = (n->queues - 1) << 16 | (n->queues - 1);
		break;
	case NVME_FEAT_IRQ_COALESCING:
		*result = f->irq_coalescing;
		break;
	case NVME_FEAT_IRQ_VECTOR:
		if (vector >= NVME_VECTORS)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		*result = f->irq_vector[vector] | vector;
		break;
	case NVME_FEAT_ATOMICITY:
		*result = f->atomicity;
		break;
	case NVME_FEAT_ASYNC_EVENTS:
		*result = f->async_events;
		break;
	case NVME_FEAT_POWER:
	case NVME_FEAT_COMMAND_SETS:
		*result = 0; /* the only state, the only combination */
		break;
	}
	return NVME_SC_SUCCESS;
}

uint16_t nvme_get_features(struct nvme *n, struct nvme_request *req)
{
	const struct nvme_sqe *sqe = req->sqe;
	uint32_t capabilities = feature_capabilities(sqe->cdw10 & 0xff);

	if (!capabilities)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	switch (sqe->cdw10 >> 8 & 7) {
	case SELECT_CURRENT:
		return feature_get(n, &n->features, sqe, &req->result);
	case SELECT_DEFAULT:
	case SELECT_SAVED:
		return feature_get(n, &feature_defaults, sqe, &req->result);
	case SELECT_SUPPORTED:
		req->result = capabilities;
		return NVME_SC_SUCCESS;
	default:
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
}

static uint16_t feature_set_queues(const struct nvme *n, uint32_t val, uint32_t *result)
{
	unsigned id;

	if ((val & 0xffff) == 0xffff || val >> 16 == 0xffff)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	for (id = 1; id <= n->queues; id++)
		if (n->sq[id].live || n->cq[id].live)
			return NVME_SC_SEQUENCE | NVME_SC_DNR;
	/* all there are, whatever was asked: a driver may get more than it wants */
	*result = (n->queues - 1) << 16 | (n->queues - 1);
	return NVME_SC_SUCCESS;
}

static uint16_t feature_set_threshold(struct nvme *n, uint32_t val)
{
	uint8_t before = nvme_smart_warning(n);

	if (!feature_threshold(&n->features, val))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (THRESHOLD_TYPE(val))
		n->features.under_threshold = val & 0xffff;
	else
		n->features.over_threshold = val & 0xffff;
	if (nvme_smart_warning(n) & ~before)
		nvme_event_raise(n, NVME_EVENT_SMART, NVME_SMART_TEMPERATURE);
	return NVME_SC_SUCCESS;
}

static uint16_t feature_set_recovery(struct nvme *n, uint32_t nsid, uint32_t val)
{
	uint32_t first = nsid, last = nsid;

	if (nsid == NVME_NSID_ALL) {
		first = 1;
		last = n->namespaces;
	}
	if (!first || last > n->namespaces)
		return NVME_SC_INVALID_NAMESPACE | NVME_SC_DNR;
	/* reads of deallocated blocks never fail here */
	if (val & RECOVERY_DULBE)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	for (; first <= last; first++)
		n->features.error_recovery[first - 1] = val & 0xffff;
	return NVME_SC_SUCCESS;
}

uint16_t nvme_set_features(struct nvme *n, struct nvme_request *req)
{
	const struct nvme_sqe *sqe = req->sqe;
	struct nvme_features *f = &n->features;
	uint32_t val = sqe->cdw11;

	if (!feature_capabilities(sqe->cdw10 & 0xff))
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	if (sqe->cdw10 & SET_SAVE)
		return NVME_SC_NOT_SAVEABLE | NVME_SC_DNR;

	switch (sqe->cdw10 & 0xff) {
	case NVME_FEAT_ARBITRATION:
		f->arbitration = val;
		break;
	case NVME_FEAT_POWER:
		if (val & 0x1f)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		break;
	case NVME_FEAT_TEMPERATURE:
		return feature_set_threshold(n, val);
	case NVME_FEAT_ERROR_RECOVERY:
		return feature_set_recovery(n, sqe->nsid, val);
	case NVME_FEAT_WRITE_CACHE:
		f->write_cache = val & 1;
		/* what was cached is not, from now on */
		if (!f->write_cache && nvme_media_sync(&n->media))
			return NVME_SC_WRITE_FAULT;
		break;
	case NVME_FEAT_QUEUES:
		return feature_set_queues(n, val, &req->result);
	case NVME_FEAT_IRQ_COALESCING:
		f->irq_coalescing = val & 0xffff;
		break;
	case NVME_FEAT_IRQ_VECTOR:
		if ((val & 0xffff) >= NVME_VECTORS)
			return NVME_SC_INVALID_FIELD | NVME_SC_DNR;
		f->irq_vector[val & 0xffff] = val & VECTOR_UNCOALESCED;
		break;
	case NVME_FEAT_ATOMICITY:
		f->atomicity = val & 1;
		break;
	case NVME_FEAT_ASYNC_EVENTS:
		f->async_events = val;
		break;
	case NVME_FEAT_COMMAND_SETS:
		if (val & 0x1ff)
			return NVME_SC_COMMAND_SET | NVME_SC_DNR;
		break;
	}
	return NVME_SC_SUCCESS;
}
