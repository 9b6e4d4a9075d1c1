/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA: a model's way to the driver's memory.
 *
 * No lock. The device enters its gate, loads its domain, and until it leaves
 * whatever a translation says stays true: who takes a mapping or the domain
 * away waits for the gate. So the copy happens inside, and every wait (for
 * pages on the move, memory/pin.h) outside.
 *
 * A DMA that cannot be done is dropped, as an IOMMU drops it: the model gets
 * an errno, the session a count, and the user a line.
 */
#include <errno.h>
#include <stdio.h>

#include "base/stats.h"
#include "bus/internal.h"
#include "memory/owner.h"
#include "memory/pin.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define NO_PASID  UINT32_MAX
/* Compiled twice, for tagged DMA and for all other, so that neither pays for the question. */
#define FOR_BOTH inline __attribute__((always_inline))

/**
 * struct dma - one DMA of a device
 * @dev: the device
 * @iova: its first IOVA
 * @buf: the model's memory; only read for RF_WRITE
 * @len: bytes
 * @prot: RF_READ: the device reads memory; RF_WRITE: it writes
 * @pasid: what it is tagged with, or NO_PASID
 * @done: bytes copied
 * @domain: by which domain they were
 * @switches: rf_device.switches when that try ended
 * @why: what stopped it, NULL: nothing
 */
struct dma {
	struct rf_device *dev;
	uint64_t iova;
	uint8_t *buf;
	size_t len;
	uint32_t prot;
	uint32_t pasid;
	size_t done;
	const struct domain *domain;
	unsigned switches;
	const char *why;
};

static int dma_copy(const struct dma *dma, const struct translation *to, size_t len)
{
	uint8_t *buf = dma->buf + dma->done;

	if (dma->prot == RF_WRITE)
		return owner_dma_write(to->owner, to->addr, buf, len);
	return owner_dma_read(to->owner, buf, to->addr, len);
}

/* Inside the gate: there is no translation with the right; is there one without? */
static const char *dma_refusal(const struct dma *dma, const struct domain *domain)
{
	struct translation to;

	if (domain_translate(domain, dma->iova + dma->done, dma->prot ^ (RF_READ | RF_WRITE), &to))
		return "not mapped";
	return dma->prot == RF_WRITE ? "no right to write" : "no right to read";
}

/* Pages on the move have no translation that would say whose they are: remember. */
static void dma_note_owner(struct rf_device *dev, struct rf_owner *owner)
{
	if (atomic_load_explicit(&dev->owner, memory_order_relaxed) != owner && owner_moves(owner))
		atomic_store_explicit(&dev->owner, owner, memory_order_relaxed);
}

/* Copy as far as it goes. Inside the gate. */
static FOR_BOTH int dma_step(struct dma *dma, struct domain *domain)
{
	struct translation to;
	size_t len;
	int ret;

	while (dma->done < dma->len) {
		ret = domain_translate(domain, dma->iova + dma->done, dma->prot, &to);
		if (ret) {
			dma->why = dma_refusal(dma, domain);
			return ret;
		}
		len = dma->len - dma->done;
		if (len > to.length)
			len = to.length;
		ret = dma_copy(dma, &to, len);
		if (ret) {
			dma->why = "memory is gone";
			return ret;
		}
		if (dma->prot == RF_WRITE && domain_tracks_dirty(domain))
			domain_mark_dirty(domain, dma->iova + dma->done,
					  dma->iova + dma->done + (len - 1));
		dma->done += len;
		dma_note_owner(dma->dev, to.owner);
	}
	return 0;
}

/* Inside the gate: what translates for it, or NULL. */
static FOR_BOTH struct domain *dma_domain(const struct dma *dma, bool tagged)
{
	if (tagged)
		return pasids_domain(dma->dev, dma->pasid);
	return atomic_load_explicit(&dma->dev->domain, memory_order_acquire);
}

/*
 * One DMA sees one domain: what another has done of it is done again. The address alone
 * does not tell, as another domain may have been made where the first one was freed. The
 * count does: inside the gate nothing is freed that was there, so whatever went in and was
 * counted by the end of a try lies elsewhere, and what goes in later is counted anew.
 */
static bool dma_elsewhere(const struct dma *dma, const struct domain *domain)
{
	return dma->domain != domain || dma->switches != atomic_load(&dma->dev->switches);
}

static FOR_BOTH int dma_try(struct dma *dma, bool tagged)
{
	struct gate *gate = &dma->dev->gate;
	unsigned token = gate_enter(gate);
	struct domain *domain = dma_domain(dma, tagged);
	int ret = -ENODEV;

	if (!likely(!dma->done) && dma_elsewhere(dma, domain))
		dma->done = 0;
	dma->domain = domain;
	if (likely(domain && !device_gone(dma->dev)))
		ret = dma_step(dma, domain);
	else if (device_gone(dma->dev))
		dma->why = "the device was removed";
	else if (tagged)
		dma->why = "no address space is attached to that PASID";
	else
		dma->why = dma->dev->quarantined ?
				   "its group's address space could not be attached" :
				   "no address space is attached";
	if (!likely(!ret) && domain &&
	    !atomic_load_explicit(&dma->dev->owner, memory_order_relaxed))
		dma_note_owner(dma->dev, domain_some_owner(domain));
	if (!likely(!ret))
		dma->switches = atomic_load(&dma->dev->switches);
	gate_leave(gate, token);
	return ret;
}

/*
 * The same, again for as long as the pages it needs were on the move. A device's
 * first DMA does not know yet whose moves to look for: if it fails, the second try
 * does.
 */
static FOR_BOTH int dma_try_moving(struct dma *dma, bool tagged)
{
	struct rf_owner *owner;
	unsigned seq;
	int ret;

	do {
		owner = atomic_load_explicit(&dma->dev->owner, memory_order_relaxed);
		seq = owner ? pin_move_seq(owner) : 0;
		ret = dma_try(dma, tagged);
	} while (ret == -EFAULT &&
		 (owner ? pin_moved_since(owner, seq) :
			  atomic_load_explicit(&dma->dev->owner, memory_order_relaxed) != NULL));
	return ret;
}

static FOR_BOTH int dma_check(struct dma *dma)
{
	if (!(config_byte(dma->dev, CFG_COMMAND) & COMMAND_MASTER)) {
		dma->why = "bus mastering is off (COMMAND.MASTER=0)";
		return -EPERM;
	}
	if (dma->len && dma->iova + (dma->len - 1) < dma->iova) {
		dma->why = "it wraps around the end of the address space";
		return -EFAULT;
	}
	return 0;
}

static int dma_check_pasid(struct dma *dma)
{
	const struct rf_device *dev = dma->dev;

	if (!dev->cap_pasid) {
		dma->why = "the device has no PASID capability";
		return -EPERM;
	}
	if (!(config_byte(dev, dev->cap_pasid + PASID_CTRL) & PASID_CTRL_ENABLE)) {
		dma->why = "PASIDs are not enabled (PASID Control.Enable=0)";
		return -EPERM;
	}
	if (dma->pasid >> dev->model->pasid_bits) {
		dma->why = "the device has fewer PASID bits";
		return -EINVAL;
	}
	return 0;
}

static void __attribute__((cold, noinline)) dma_report(const struct dma *dma)
{
	char tag[32] = "";
	unsigned long long iova = dma->iova, at = dma->iova + dma->done;
	const char *what = dma->prot == RF_WRITE ? "write" : "read";
	const char *to = dma->prot == RF_WRITE ? "to" : "from";

	if (dma->pasid != NO_PASID)
		snprintf(tag, sizeof(tag), " of PASID 0x%x", dma->pasid);
	stats_add(&stats()->faults, 1);
	if (dma->done)
		device_complain(dma->dev,
				"DMA %s of %zu bytes %s IOVA 0x%llx%s: %s at 0x%llx; dropped", what,
				dma->len, to, iova, tag, dma->why, at);
	else
		device_complain(dma->dev, "DMA %s of %zu bytes %s IOVA 0x%llx%s: %s; dropped", what,
				dma->len, to, iova, tag, dma->why);
}

static FOR_BOTH int dma_run(struct dma *dma, bool tagged)
{
	int ret;

	ret = dma_check(dma);
	if (tagged && likely(!ret))
		ret = dma_check_pasid(dma);
	if (likely(!ret))
		ret = dma_try_moving(dma, tagged);
	if (!likely(!ret))
		dma_report(dma);
	return ret;
}

int rf_dma_read(struct rf_device *dev, uint64_t iova, void *buf, size_t len)
{
	struct dma dma = {
		.dev = dev, .iova = iova, .pasid = NO_PASID, .buf = buf, .len = len, .prot = RF_READ
	};
	int ret = dma_run(&dma, false);

	stats_add(&stats()->dma_read, dma.done);
	return ret;
}

int rf_dma_write(struct rf_device *dev, uint64_t iova, const void *buf, size_t len)
{
	struct dma dma = { .dev = dev,
			   .iova = iova,
			   .pasid = NO_PASID,
			   .buf = (uint8_t *)buf,
			   .len = len,
			   .prot = RF_WRITE };
	int ret = dma_run(&dma, false);

	stats_add(&stats()->dma_written, dma.done);
	return ret;
}

int rf_dma_read_pasid(struct rf_device *dev, uint32_t pasid, uint64_t iova, void *buf, size_t len)
{
	struct dma dma = {
		.dev = dev, .iova = iova, .pasid = pasid, .buf = buf, .len = len, .prot = RF_READ
	};
	int ret = dma_run(&dma, true);

	stats_add(&stats()->dma_read, dma.done);
	return ret;
}

int rf_dma_write_pasid(struct rf_device *dev, uint32_t pasid, uint64_t iova, const void *buf,
		       size_t len)
{
	struct dma dma = { .dev = dev,
			   .iova = iova,
			   .pasid = pasid,
			   .buf = (uint8_t *)buf,
			   .len = len,
			   .prot = RF_WRITE };
	int ret = dma_run(&dma, true);

	stats_add(&stats()->dma_written, dma.done);
	return ret;
}

/*
 * Attachment. The new domain learns of the gate before the device can see it,
 * and the old one forgets it only after nobody inside can have seen it.
 */
static void device_switch(struct rf_device *dev, struct domain *domain)
{
	struct domain *old;

	atomic_fetch_add(&dev->switches, 1);
	old = atomic_exchange(&dev->domain, domain);
	if (!old)
		return;
	gate_sync(&dev->gate);
	domain_del_gate(old, &dev->gate);
}

int device_prepare_attach(struct rf_device *dev, struct domain *domain)
{
	int ret;

	if (atomic_load(&dev->domain) == domain)
		return 0;
	ret = domain_add_gate(domain, &dev->gate);
	if (!ret)
		dev->next_domain = domain;
	return ret;
}

void device_finish_attach(struct rf_device *dev)
{
	if (dev->next_domain)
		device_switch(dev, dev->next_domain);
	dev->next_domain = NULL;
}

void device_abandon_attach(struct rf_device *dev)
{
	if (dev->next_domain)
		domain_del_gate(dev->next_domain, &dev->gate);
	dev->next_domain = NULL;
}

int device_attach(struct rf_device *dev, struct domain *domain)
{
	int ret = device_prepare_attach(dev, domain);

	if (!ret)
		device_finish_attach(dev);
	return ret;
}

void device_detach(struct rf_device *dev)
{
	device_switch(dev, NULL);
}
