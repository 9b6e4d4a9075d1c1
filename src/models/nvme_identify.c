/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identify: what the controller and its namespaces are. Nothing is promised
 * here that the model does not do.
 */
#include <stdio.h>
#include <string.h>

#include "models/nvme.h"

/* ASCII fields are padded with spaces, not ended. */
static void identify_text(char *field, size_t size, const char *text)
{
	size_t len = strnlen(text, size);

	memset(field, ' ', size);
	memcpy(field, text, len);
}

static void identify_fill_ctrl(const struct nvme *n, struct nvme_id_ctrl *id)
{
	const uint8_t *u = n->uuid;

	id->vid = NVME_VENDOR;
	id->ssvid = NVME_SUBSYSTEM_VENDOR;
	identify_text(id->sn, sizeof(id->sn), n->serial);
	identify_text(id->mn, sizeof(id->mn), n->model);
	identify_text(id->fr, sizeof(id->fr), "1.0");
	id->rab = 6;
	id->mdts = n->mdts;
	id->ver = NVME_VERSION_1_4;
	id->cntrltype = 1;
	id->acl = NVME_ABORTS - 1;
	id->aerl = NVME_AERS - 1;
	id->frmw = NVME_FRMW_ONE_FIXED_SLOT;
	id->lpa = NVME_LPA_EFFECTS | NVME_LPA_EXTENDED;
	id->elpe = NVME_ERRORS - 1;
	id->wctemp = NVME_TEMPERATURE_WARN;
	id->cctemp = NVME_TEMPERATURE_WARN + 30;
	id->tnvmcap[0] = n->media.size;
	id->sqes = 0x66;
	id->cqes = 0x44;
	id->nn = n->namespaces;
	id->oncs = NVME_ONCS_COMPARE | NVME_ONCS_DSM | NVME_ONCS_WRITE_ZEROES | NVME_ONCS_SELECT;
	id->vwc = NVME_VWC_PRESENT | NVME_VWC_FLUSH_ALL;
	id->psd[0].max_power = 2500;
	id->psd[0].entry_us = 16;
	id->psd[0].exit_us = 4;
	snprintf(id->subnqn, sizeof(id->subnqn),
		 "nqn.2014-08.org.nvmexpress:uuid:"
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

/* A namespace's identifier: the subsystem's, with the namespace id folded in. */
static void identify_nguid(const struct nvme *n, uint32_t nsid, uint8_t *nguid)
{
	memcpy(nguid, n->uuid, 16);
	nguid[14] ^= nsid >> 8;
	nguid[15] ^= nsid;
}

static void identify_fill_ns(const struct nvme *n, uint32_t nsid, struct nvme_id_ns *id)
{
	id->nsze = n->blocks;
	id->ncap = n->blocks;
	id->nuse = n->blocks;
	id->dlfeat = NVME_DLFEAT_ZEROES | NVME_DLFEAT_WZ_DEALLOC;
	id->nvmcap[0] = n->blocks << n->block_shift;
	identify_nguid(n, nsid, id->nguid);
	id->lbaf[0].ds = n->block_shift;
}

static uint16_t identify_ns_list(const struct nvme *n, uint32_t after, uint32_t *list)
{
	uint32_t id;

	if (after >= NVME_NSID_ALL - 1)
		return NVME_SC_INVALID_NAMESPACE | NVME_SC_DNR;
	for (id = after + 1; id <= n->namespaces; id++)
		*list++ = id;
	return NVME_SC_SUCCESS;
}

static uint8_t *identify_descriptor(uint8_t *at, uint8_t type, uint8_t len)
{
	at[0] = type;
	at[1] = len;
	return at + 4;
}

static void identify_ns_descriptors(const struct nvme *n, uint32_t nsid, uint8_t *at)
{
	at = identify_descriptor(at, 2, 16); /* NGUID */
	identify_nguid(n, nsid, at);
	at = identify_descriptor(at + 16, 4, 1); /* command set identifier */
	*at = NVME_CSI_NVM;
}

static uint16_t identify_ns_exists(const struct nvme *n, uint32_t nsid)
{
	if (!nsid || nsid > n->namespaces)
		return NVME_SC_INVALID_NAMESPACE | NVME_SC_DNR;
	return NVME_SC_SUCCESS;
}

static uint16_t identify_fill(const struct nvme *n, const struct nvme_sqe *sqe, uint8_t *page)
{
	uint32_t cns = sqe->cdw10 & 0xff;
	uint32_t nsid = sqe->nsid;
	uint16_t status = NVME_SC_SUCCESS;

	if ((cns == NVME_CNS_CSI_NS || cns == NVME_CNS_CSI_CTRL || cns == NVME_CNS_CSI_ACTIVE_NS) &&
	    sqe->cdw11 >> 24 != NVME_CSI_NVM)
		return NVME_SC_INVALID_FIELD | NVME_SC_DNR;

	switch (cns) {
	case NVME_CNS_NS:
		/* all of them: what they have in common, which is the formats */
		if (nsid == NVME_NSID_ALL) {
			((struct nvme_id_ns *)page)->lbaf[0].ds = n->block_shift;
			break;
		}
		status = identify_ns_exists(n, nsid);
		if (!status)
			identify_fill_ns(n, nsid, (struct nvme_id_ns *)page);
		break;
	case NVME_CNS_CTRL:
		identify_fill_ctrl(n, (struct nvme_id_ctrl *)page);
		break;
	case NVME_CNS_ACTIVE_NS:
	case NVME_CNS_CSI_ACTIVE_NS:
		status = identify_ns_list(n, nsid, (uint32_t *)page);
		break;
	case NVME_CNS_NS_DESCRIPTORS:
		status = identify_ns_exists(n, nsid);
		if (!status)
			identify_ns_descriptors(n, nsid, page);
		break;
	case NVME_CNS_CSI_NS:
		/* nothing beyond the plain structure: no storage tags */
		status = identify_ns_exists(n, nsid);
		break;
	case NVME_CNS_CSI_CTRL:
		page[1] = n->wzsl;
		break;
	case NVME_CNS_COMMAND_SETS:
		/* combination 0: the NVM command set */
		page[0] = 1;
		break;
	default:
		status = NVME_SC_INVALID_FIELD | NVME_SC_DNR;
	}
	return status;
}

uint16_t nvme_identify(struct nvme *n, struct nvme_request *req)
{
	uint16_t status;

	memset(n->page, 0, sizeof(n->page));
	status = identify_fill(n, req->sqe, n->page);
	if (status)
		return status;
	return nvme_prp_put(n, req->sqe, n->page, sizeof(n->page));
}
