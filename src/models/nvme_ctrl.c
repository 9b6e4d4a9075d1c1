/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The controller's registers: enable, disable, shutdown, interrupt masks.
 *
 * CC.EN starts the controller with the admin queues that AQA, ASQ and ACQ
 * describe, or sets CSTS.CFS if it can't be done; clearing it is a controller
 * reset, after which only those three registers are left. All of it takes
 * effect before the store returns, so a driver that waits for CSTS.RDY never
 * waits.
 */
#include "models/nvme.h"

/*
 * Power-on values. CAP is what QEMU's controller shows: 2048 entries a queue,
 * contiguous ones only, 7.5 s to get ready, the NVM command set alone or as
 * one of the selectable sets, pages of 4 to 64 KiB.
 */
void nvme_ctrl_power_on(struct nvme *n)
{
	volatile struct nvme_regs *regs = n->regs;

	if ((regs->cc & NVME_CC_EN) && (regs->csts & NVME_CSTS_SHST_MASK) != NVME_CSTS_SHST_DONE)
		n->unsafe_shutdowns++;
	regs->csts = 0;
	regs->cc = 0;
	regs->aqa = 0;
	regs->asq = 0;
	regs->acq = 0;
	regs->intms = 0;
	regs->intmc = 0;
	regs->nssr = 0;
	regs->rsvd18 = 0;
	regs->vs = NVME_VERSION_1_4;
	regs->cap = NVME_MQES | NVME_CAP_CQR | 0xfull << NVME_CAP_TO_SHIFT | NVME_CAP_CSS_NVM |
		    NVME_CAP_CSS_SETS | NVME_CAP_CSS_ADMIN |
		    (uint64_t)NVME_MPS_MAX << NVME_CAP_MPSMAX_SHIFT;
	nvme_queues_reset(n);
	nvme_features_reset(n);
	nvme_events_reset(n);
}

bool nvme_ctrl_running(const struct nvme *n)
{
	return (n->regs->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS | NVME_CSTS_SHST_MASK)) ==
	       NVME_CSTS_RDY;
}

void nvme_ctrl_fatal(struct nvme *n, const char *why)
{
	n->regs->csts |= NVME_CSTS_CFS;
	n->runnable[0] = 0;
	n->runnable[1] = 0;
	rf_device_warn(n->dev, "controller fatal status (CSTS.CFS): %s", why);
}

/* Why the controller can't be enabled as it is set up, or NULL. */
static const char *ctrl_config_error(const struct nvme *n)
{
	uint32_t cc = n->regs->cc;
	uint32_t aqa = n->regs->aqa;
	uint64_t page = 4096ull << NVME_CC_MPS(cc);

	if (NVME_CC_MPS(cc) > NVME_MPS_MAX)
		return "CC.MPS is larger than CAP.MPSMAX";
	if (NVME_CC_CSS(cc) != NVME_CSS_NVM && NVME_CC_CSS(cc) != NVME_CSS_SETS &&
	    NVME_CC_CSS(cc) != NVME_CSS_ADMIN)
		return "CC.CSS is not a command set in CAP.CSS";
	if (NVME_CC_AMS(cc))
		return "CC.AMS is not round robin";
	if (!(aqa & 0xfff) || !(aqa >> 16 & 0xfff))
		return "AQA: an admin queue has fewer than 2 entries";
	if (n->regs->asq & (page - 1))
		return "ASQ is not aligned to a memory page";
	if (n->regs->acq & (page - 1))
		return "ACQ is not aligned to a memory page";
	return NULL;
}

static void ctrl_enable(struct nvme *n)
{
	const char *why = ctrl_config_error(n);
	uint32_t aqa = n->regs->aqa;

	n->regs->csts &= ~NVME_CSTS_SHST_MASK;
	if (why) {
		nvme_ctrl_fatal(n, why);
		return;
	}
	n->page_shift = 12 + NVME_CC_MPS(n->regs->cc);
	n->command_set = NVME_CC_CSS(n->regs->cc);
	nvme_cq_open(n, 0, n->regs->acq, (aqa >> 16 & 0xfff) + 1, true, 0);
	nvme_sq_open(n, 0, 0, n->regs->asq, (aqa & 0xfff) + 1);
	n->regs->csts |= NVME_CSTS_RDY;
}

static void ctrl_disable(struct nvme *n)
{
	n->regs->csts = 0;
	n->regs->intms = 0;
	n->regs->intmc = 0;
	nvme_queues_reset(n);
	nvme_features_reset(n);
	nvme_events_reset(n);
}

static void ctrl_shutdown(struct nvme *n)
{
	int ret = nvme_media_sync(&n->media);

	if (ret) {
		n->media_errors++;
		rf_device_warn(n->dev, "media file: flush at shutdown failed (errno %d)", -ret);
	}
	n->regs->csts = (n->regs->csts & ~NVME_CSTS_SHST_MASK) | NVME_CSTS_SHST_DONE;
}

static void ctrl_write_cc(struct nvme *n, uint32_t val)
{
	uint32_t old = n->regs->cc;

	n->regs->cc = val & NVME_CC_WRITABLE;
	if ((old & NVME_CC_EN) && !(val & NVME_CC_EN))
		ctrl_disable(n);
	if (!(old & NVME_CC_EN) && (val & NVME_CC_EN))
		ctrl_enable(n);
	if (NVME_CC_SHN(val) && !(n->regs->csts & NVME_CSTS_SHST_MASK))
		ctrl_shutdown(n);
}

static void ctrl_mask_irqs(struct nvme *n, uint32_t mask)
{
	n->regs->intms = mask;
	n->regs->intmc = mask;
	nvme_irq_update(n);
}

static uint64_t ctrl_half(uint64_t reg, uint64_t off, uint32_t val)
{
	if (off & 4)
		return (reg & 0xffffffffull) | (uint64_t)val << 32;
	return (reg & ~0xffffffffull) | val;
}

static void ctrl_write32(struct nvme *n, uint64_t off, uint32_t val)
{
	volatile struct nvme_regs *regs = n->regs;

	switch (off) {
	case NVME_REG_INTMS:
		ctrl_mask_irqs(n, regs->intms | val);
		break;
	case NVME_REG_INTMC:
		ctrl_mask_irqs(n, regs->intms & ~val);
		break;
	case NVME_REG_CC:
		ctrl_write_cc(n, val);
		break;
	case NVME_REG_AQA:
		regs->aqa = val & NVME_AQA_WRITABLE;
		break;
	case NVME_REG_ASQ:
	case NVME_REG_ASQ + 4:
		regs->asq = ctrl_half(regs->asq, off, val) & ~0xfffull;
		break;
	case NVME_REG_ACQ:
	case NVME_REG_ACQ + 4:
		regs->acq = ctrl_half(regs->acq, off, val) & ~0xfffull;
		break;
	case NVME_REG_CSTS:
	case NVME_REG_NSSR:
		/* nothing to clear: subsystem resets are not offered */
		break;
	default:
		rf_device_warn(n->dev, "write of 0x%x to read-only or reserved register 0x%x", val,
			       (unsigned)off);
	}
}

/**
 * nvme_ctrl_write() - a store to the register page
 * @n: the controller
 * @off: byte offset in the BAR
 * @val: the value
 * @size: 1, 2, 4 or 8 bytes; registers of 64 bits may be written by halves, in
 *	either order; narrower stores are dropped
 */
void nvme_ctrl_write(struct nvme *n, uint64_t off, uint64_t val, unsigned size)
{
	if (size < 4) {
		rf_device_warn(n->dev, "%u-byte write to register 0x%x: registers are 32 bits wide",
			       size, (unsigned)off);
		return;
	}
	ctrl_write32(n, off, (uint32_t)val);
	if (size == 8)
		ctrl_write32(n, off + 4, (uint32_t)(val >> 32));
}
