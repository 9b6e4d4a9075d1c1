/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: from the model's call to the sink's.
 *
 * MSI-X. The table (16 bytes a vector) and the pending bits are the truth:
 * the driver reaches them through the BAR, the host side through
 * irq_mask_vector(). A vector that is raised is delivered when MSI-X is
 * enabled and neither the function nor the entry is masked; otherwise its
 * pending bit is set, and it is delivered exactly once when the last of those
 * obstacles goes. Pending bits survive a disable (the interrupt is still owed)
 * but no reset.
 *
 * MSI has no mask bits here: what is raised while it is disabled is lost,
 * unless the device has MSI-X too, where it is then pending.
 *
 * A message is a write to memory by the device, so it needs COMMAND.MASTER as
 * any DMA does: without it the message is lost, and the driver's author is told.
 *
 * INTx. The model's level is shown in STATUS at all times; it reaches the sink
 * only while neither MSI nor MSI-X is enabled and COMMAND does not disable it.
 *
 * All under dev->lock.
 */
#include <errno.h>

#include "base/alloc.h"
#include "base/stats.h"
#include "bus/internal.h"

struct irq_state {
	bool line; /* what the model drives */
	bool asserted; /* what the sink was told last */
	unsigned owed; /* pending bits set */
	uint64_t *pending;
	uint32_t *table; /* four words a vector */
};

int irq_new(struct rf_device *dev)
{
	unsigned vectors = dev->model->msix_vectors;
	unsigned words = (vectors + 63) / 64;
	struct irq_state *irq;

	irq = alloc_zeroed(sizeof(*irq) + words * 8 + vectors * (size_t)MSIX_ENTRY_SIZE);
	if (!irq)
		return -ENOMEM;
	irq->pending = (uint64_t *)(irq + 1);
	irq->table = (uint32_t *)(irq->pending + words);
	dev->irq = irq;
	return 0;
}

void irq_free(struct rf_device *dev)
{
	alloc_free(dev->irq);
	dev->irq = NULL;
}

static bool msix_enabled(const struct rf_device *dev)
{
	return dev->cap_msix && config_word(dev, dev->cap_msix + MSIX_FLAGS) & MSIX_FLAGS_ENABLE;
}

static bool msi_enabled(const struct rf_device *dev)
{
	return dev->cap_msi && config_word(dev, dev->cap_msi + MSI_FLAGS) & MSI_FLAGS_ENABLE;
}

/* Enabled, and the function's mask is clear. */
static bool msix_open(const struct rf_device *dev)
{
	uint16_t flags;

	if (!dev->cap_msix)
		return false;
	flags = config_word(dev, dev->cap_msix + MSIX_FLAGS);
	return (flags & (MSIX_FLAGS_ENABLE | MSIX_FLAGS_MASK)) == MSIX_FLAGS_ENABLE;
}

static uint32_t *msix_ctrl(const struct rf_device *dev, unsigned vector)
{
	return &dev->irq->table[vector * 4 + MSIX_ENTRY_CTRL / 4];
}

static bool msix_pending(const struct rf_device *dev, unsigned vector)
{
	return dev->irq->pending[vector / 64] >> (vector % 64) & 1;
}

static void irq_signal(struct rf_device *dev, enum irq_index index, unsigned vector)
{
	if (device_gone(dev))
		return;
	if (index != IRQ_INTX && !(config_byte(dev, CFG_COMMAND) & COMMAND_MASTER)) {
		stats_add(&stats()->faults, 1);
		device_complain(dev,
				"interrupt on vector %u: bus mastering is off "
				"(COMMAND.MASTER=0); lost",
				vector);
		return;
	}
	if (dev->sink)
		dev->sink->signal(dev->sink, index, vector);
}

/* Deliver what is owed on one vector, if nothing stands in its way. */
static void msix_flush(struct rf_device *dev, unsigned vector)
{
	struct irq_state *irq = dev->irq;

	if (!msix_pending(dev, vector) || *msix_ctrl(dev, vector) & MSIX_CTRL_MASK ||
	    !msix_open(dev))
		return;
	irq->pending[vector / 64] &= ~(1ull << (vector % 64));
	irq->owed--;
	irq_signal(dev, IRQ_MSIX, vector);
}

static void msix_raise(struct rf_device *dev, unsigned vector)
{
	struct irq_state *irq = dev->irq;

	if (msix_open(dev) && !(*msix_ctrl(dev, vector) & MSIX_CTRL_MASK)) {
		irq_signal(dev, IRQ_MSIX, vector);
		return;
	}
	if (msix_pending(dev, vector))
		return;
	irq->pending[vector / 64] |= 1ull << (vector % 64);
	irq->owed++;
}

static void intx_update(struct rf_device *dev)
{
	struct irq_state *irq = dev->irq;
	uint16_t status = config_word(dev, CFG_STATUS) & (uint16_t)~STATUS_INTERRUPT;
	bool asserted = irq->line && !msi_enabled(dev) && !msix_enabled(dev) &&
			!(config_word(dev, CFG_COMMAND) & COMMAND_INTX_DISABLE);

	config_set(dev, CFG_STATUS, status | (irq->line ? STATUS_INTERRUPT : 0), 2);
	if (asserted == irq->asserted)
		return;
	irq->asserted = asserted;
	irq_signal(dev, IRQ_INTX, asserted);
}

void irq_update(struct rf_device *dev)
{
	intx_update(dev);
	for (unsigned v = 0; dev->irq->owed && v < dev->model->msix_vectors; v++)
		msix_flush(dev, v);
}

void irq_reset(struct rf_device *dev)
{
	struct irq_state *irq = dev->irq;

	irq->line = false;
	irq->owed = 0;
	for (unsigned v = 0; v < dev->model->msix_vectors; v++) {
		irq->pending[v / 64] = 0;
		irq->table[v * 4] = 0;
		irq->table[v * 4 + 1] = 0;
		irq->table[v * 4 + 2] = 0;
		*msix_ctrl(dev, v) = MSIX_CTRL_MASK;
	}
	intx_update(dev);
}

/* The BAR's view: aligned words of the table's and the pending bits' pages. */

uint32_t irq_table_read(struct rf_device *dev, uint64_t off)
{
	if (off >= dev->model->msix_vectors * (uint64_t)MSIX_ENTRY_SIZE)
		return 0;
	return dev->irq->table[off / 4];
}

void irq_table_write(struct rf_device *dev, uint64_t off, uint32_t val)
{
	if (off >= dev->model->msix_vectors * (uint64_t)MSIX_ENTRY_SIZE)
		return;
	if (off % MSIX_ENTRY_SIZE == 0)
		val &= ~3u; /* message addresses are words */
	if (off % MSIX_ENTRY_SIZE == MSIX_ENTRY_CTRL)
		val &= MSIX_CTRL_MASK;
	dev->irq->table[off / 4] = val;
	msix_flush(dev, (unsigned)(off / MSIX_ENTRY_SIZE));
}

uint32_t irq_pba_read(struct rf_device *dev, uint64_t off)
{
	if (off / 8 >= (dev->model->msix_vectors + 63u) / 64)
		return 0;
	return (uint32_t)(dev->irq->pending[off / 8] >> (off % 8 * 8));
}

/* The host side. */

unsigned irq_count(const struct rf_device *dev, enum irq_index index)
{
	switch (index) {
	case IRQ_INTX:
		return dev->model->int_pin ? 1 : 0;
	case IRQ_MSI:
		return dev->model->msi_vectors;
	case IRQ_MSIX:
		return dev->model->msix_vectors;
	case IRQ_ERR:
		return dev->cap_pcie ? 1 : 0;
	case IRQ_REQ:
		return 1;
	case IRQ_INDEXES:
		break;
	}
	return 0;
}

struct irq_sink *irq_set_sink(struct rf_device *dev, struct irq_sink *sink)
{
	struct irq_sink *old;

	device_lock(dev);
	old = dev->sink;
	dev->sink = sink;
	device_unlock(dev);
	return old;
}

static void irq_set_enable(struct rf_device *dev, enum irq_index index, bool enable)
{
	unsigned cap = index == IRQ_MSI ? dev->cap_msi : dev->cap_msix;
	uint16_t bit = index == IRQ_MSI ? MSI_FLAGS_ENABLE : MSIX_FLAGS_ENABLE;
	uint16_t flags;

	if (!cap || (index != IRQ_MSI && index != IRQ_MSIX))
		return;
	device_lock(dev);
	flags = config_word(dev, cap + 2) & (uint16_t)~bit;
	if (index == IRQ_MSIX)
		flags &= (uint16_t)~MSIX_FLAGS_MASK;
	config_set(dev, cap + 2, flags | (enable ? bit : 0), 2);
	irq_update(dev);
	device_unlock(dev);
}

void irq_enable(struct rf_device *dev, enum irq_index index)
{
	irq_set_enable(dev, index, true);
}

void irq_disable(struct rf_device *dev, enum irq_index index)
{
	irq_set_enable(dev, index, false);
}

void irq_mask_vector(struct rf_device *dev, unsigned vector, bool masked)
{
	if (vector >= dev->model->msix_vectors)
		return;
	device_lock(dev);
	*msix_ctrl(dev, vector) = masked ? MSIX_CTRL_MASK : 0;
	msix_flush(dev, vector);
	device_unlock(dev);
}

bool irq_line(struct rf_device *dev)
{
	bool line;

	device_lock(dev);
	line = dev->irq->line;
	device_unlock(dev);
	return line;
}

/* The model's side. */

enum rf_irq_mode rf_irq_mode(const struct rf_device *dev)
{
	if (msix_enabled(dev))
		return RF_IRQ_MSIX;
	return msi_enabled(dev) ? RF_IRQ_MSI : RF_IRQ_INTX;
}

int rf_irq_raise(struct rf_device *dev, unsigned vector)
{
	const struct rf_pci_model *model = dev->model;

	if (vector >= model->msi_vectors && vector >= model->msix_vectors)
		return -EINVAL;
	device_lock(dev);
	if (msi_enabled(dev) && !msix_enabled(dev)) {
		if (vector < model->msi_vectors)
			irq_signal(dev, IRQ_MSI, vector);
	} else if (vector < model->msix_vectors) {
		msix_raise(dev, vector);
	}
	device_unlock(dev);
	return 0;
}

void rf_intx_set(struct rf_device *dev, bool asserted)
{
	if (!dev->model->int_pin)
		return;
	device_lock(dev);
	dev->irq->line = asserted;
	intx_update(dev);
	device_unlock(dev);
}
