/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edu: a small device to learn drivers with, register for register the one
 * that QEMU documents (docs/specs/edu).
 *
 *	0x00  RO  identification, 0x010000ed
 *	0x04  RW  liveness: reads back inverted
 *	0x08  RW  factorial: write n, read n!
 *	0x20  RW  status: bit 0 computing (RO), bit 7 interrupt when computed
 *	0x24  RO  interrupt status: bit 0 factorial, bit 8 DMA, others as raised
 *	0x60  WO  raise the interrupt with these status bits
 *	0x64  WO  acknowledge these status bits
 *	0x80  RW  DMA source, 0x88 destination, 0x90 bytes
 *	0x98  RW  DMA command: bit 0 start (and running), bit 1 direction (1: to
 *		  memory), bit 2 interrupt when done
 *
 * Registers below 0x80 take accesses of 4 bytes, those above 4 or 8. The
 * device's own side of a DMA is its buffer, 4096 bytes at device address
 * 0x40000.
 *
 * What a driver starts is done when its store returns, so "computing" and
 * "running" are never seen set. A driver that polls them works, and one that
 * forgets to is not caught; its interrupts come as they should.
 */
#include <errno.h>
#include <ringfence/device.h>
#include <string.h>

#include "models/models.h"

#define EDU_ID		0x010000edu
#define EDU_BUFFER	0x40000u
#define EDU_BUFFER_SIZE 4096u
#define EDU_REQUEST	4096u

#define REG_ID		0x00
#define REG_LIVENESS	0x04
#define REG_FACTORIAL	0x08
#define REG_STATUS	0x20
#define REG_IRQ_STATUS	0x24
#define REG_IRQ_RAISE	0x60
#define REG_IRQ_ACK	0x64
#define REG_DMA		0x80 /* from here on 8 bytes are allowed */
#define REG_DMA_SRC	0x80
#define REG_DMA_DST	0x88
#define REG_DMA_COUNT	0x90
#define REG_DMA_CMD	0x98

#define STATUS_IRQ	0x80u

#define IRQ_FACTORIAL	0x001u
#define IRQ_DMA		0x100u

#define DMA_START	0x1u
#define DMA_TO_MEMORY	0x2u
#define DMA_IRQ		0x4u

struct edu {
	uint32_t liveness;
	uint32_t factorial;
	uint32_t status;
	uint32_t irq_status;
	uint64_t src;
	uint64_t dst;
	uint64_t count;
	uint64_t cmd;
	uint64_t dma_mask;
	uint8_t buffer[EDU_BUFFER_SIZE];
};

static void edu_raise(struct rf_device *dev, uint32_t bits)
{
	struct edu *edu = rf_device_data(dev);

	edu->irq_status |= bits;
	if (!edu->irq_status)
		return;
	if (rf_irq_mode(dev) == RF_IRQ_INTX)
		rf_intx_set(dev, true);
	else
		rf_irq_raise(dev, 0);
}

static void edu_acknowledge(struct rf_device *dev, uint32_t bits)
{
	struct edu *edu = rf_device_data(dev);

	edu->irq_status &= ~bits;
	if (!edu->irq_status)
		rf_intx_set(dev, false);
}

/* Modulo 2^32: from 34 on the product is 0 and stays so. */
static uint32_t factorial(uint32_t n)
{
	uint32_t product = 1;

	for (; n > 1 && product; n--)
		product *= n;
	return product;
}

static void edu_compute(struct rf_device *dev, uint32_t n)
{
	struct edu *edu = rf_device_data(dev);

	edu->factorial = factorial(n);
	if (edu->status & STATUS_IRQ)
		edu_raise(dev, IRQ_FACTORIAL);
}

/* Where in the buffer [addr, addr + count) lies; NULL: not all of it does. */
static uint8_t *edu_buffer(struct rf_device *dev, uint64_t addr, uint64_t count)
{
	struct edu *edu = rf_device_data(dev);

	if (addr < EDU_BUFFER || addr - EDU_BUFFER > EDU_BUFFER_SIZE ||
	    count > EDU_BUFFER_SIZE - (addr - EDU_BUFFER)) {
		rf_device_warn(dev,
			       "DMA command for %llu bytes at device address 0x%llx, outside the "
			       "buffer at 0x40000 to 0x40fff; ignored",
			       (unsigned long long)count, (unsigned long long)addr);
		return NULL;
	}
	return edu->buffer + (addr - EDU_BUFFER);
}

/* The device drives only so many address lines: higher bits are lost. */
static uint64_t edu_memory(struct rf_device *dev, uint64_t addr)
{
	struct edu *edu = rf_device_data(dev);
	uint64_t reached = addr & edu->dma_mask;

	if (reached != addr)
		rf_device_warn(dev,
			       "DMA address 0x%llx is wider than the device's mask 0x%llx; it "
			       "becomes 0x%llx",
			       (unsigned long long)addr, (unsigned long long)edu->dma_mask,
			       (unsigned long long)reached);
	return reached;
}

/*
 * No request crosses 4 KiB, and each is answered for itself: one that fails does not keep the
 * device from the others. It has been reported where it failed; the device itself cannot tell.
 */
static void edu_transfer(struct rf_device *dev, uint64_t addr, uint8_t *buffer, uint64_t count,
			 bool to_memory)
{
	while (count) {
		uint64_t n = EDU_REQUEST - addr % EDU_REQUEST;

		if (n > count)
			n = count;
		if (to_memory)
			rf_dma_write(dev, addr, buffer, n);
		else
			rf_dma_read(dev, addr, buffer, n);
		addr += n;
		buffer += n;
		count -= n;
	}
}

static void edu_dma(struct rf_device *dev)
{
	struct edu *edu = rf_device_data(dev);
	uint8_t *buffer;

	if (edu->cmd & DMA_TO_MEMORY) {
		buffer = edu_buffer(dev, edu->src, edu->count);
		if (buffer)
			edu_transfer(dev, edu_memory(dev, edu->dst), buffer, edu->count, true);
	} else {
		buffer = edu_buffer(dev, edu->dst, edu->count);
		if (buffer) {
			memset(buffer, 0, edu->count); /* what cannot be read is read as nothing */
			edu_transfer(dev, edu_memory(dev, edu->src), buffer, edu->count, false);
		}
	}
	edu->cmd &= ~(uint64_t)DMA_START;
	if (edu->cmd & DMA_IRQ)
		edu_raise(dev, IRQ_DMA);
}

static uint64_t edu_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	struct edu *edu = rf_device_data(dev);

	if (size < 4)
		return 0;
	if (size == 8 && off < REG_DMA)
		return UINT64_MAX;
	switch (off) {
	case REG_ID:
		return EDU_ID;
	case REG_LIVENESS:
		return edu->liveness;
	case REG_FACTORIAL:
		return edu->factorial;
	case REG_STATUS:
		return edu->status;
	case REG_IRQ_STATUS:
		return edu->irq_status;
	case REG_DMA_SRC:
		return edu->src;
	case REG_DMA_DST:
		return edu->dst;
	case REG_DMA_COUNT:
		return edu->count;
	case REG_DMA_CMD:
		return edu->cmd;
	}
	return UINT64_MAX;
}

static void edu_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
		      unsigned size)
{
	struct edu *edu = rf_device_data(dev);

	if (size < 4 || (size == 8 && off < REG_DMA))
		return;
	switch (off) {
	case REG_LIVENESS:
		edu->liveness = ~(uint32_t)val;
		break;
	case REG_FACTORIAL:
		edu_compute(dev, (uint32_t)val);
		break;
	case REG_STATUS:
		edu->status = (uint32_t)val & STATUS_IRQ;
		break;
	case REG_IRQ_RAISE:
		edu_raise(dev, (uint32_t)val);
		break;
	case REG_IRQ_ACK:
		edu_acknowledge(dev, (uint32_t)val);
		break;
	case REG_DMA_SRC:
		edu->src = val;
		break;
	case REG_DMA_DST:
		edu->dst = val;
		break;
	case REG_DMA_COUNT:
		edu->count = val;
		break;
	case REG_DMA_CMD:
		if (!(val & DMA_START))
			break;
		edu->cmd = val & (DMA_START | DMA_TO_MEMORY | DMA_IRQ);
		edu_dma(dev);
		break;
	}
}

static int edu_init(struct rf_device *dev)
{
	struct edu *edu = rf_device_data(dev);

	edu->dma_mask = rf_prop_uint(dev, "dma-mask");
	if (edu->dma_mask < 0xfff || edu->dma_mask & (edu->dma_mask + 1)) {
		rf_device_error(dev, "dma-mask: 0x%llx is not one less than a power of two",
				(unsigned long long)edu->dma_mask);
		return -EINVAL;
	}
	return 0;
}

static void edu_reset(struct rf_device *dev)
{
	struct edu *edu = rf_device_data(dev);
	uint64_t dma_mask = edu->dma_mask;

	memset(edu, 0, sizeof(*edu));
	edu->dma_mask = dma_mask;
}

static const struct rf_prop edu_props[] = {
	{ "dma-mask", RF_PROP_UINT, "0x0fffffff", "the DMA addresses it can drive" },
	{ 0 },
};

const struct rf_pci_model edu_model = {
	.abi = RF_MODEL_ABI,
	.name = "edu",
	.summary = "educational device: registers, interrupts and DMA to learn with",
	.vendor = 0x1234,
	.device = 0x11e8,
	.class = 0x00ff00,
	.revision = 0x10,
	.int_pin = 1,
	.caps = RF_PCI_CONFIG_MEMORY,
	.msi_vectors = 1,
	.bars = { { .size = 1 << 20, .read = edu_read, .write = edu_write } },
	.props = edu_props,
	.data_size = sizeof(struct edu),
	.init = edu_init,
	.reset = edu_reset,
};
