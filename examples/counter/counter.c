/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device model of one's own, as a shared object:
 *
 *	ringfence run --device ./counter.so -- ./my-driver 0000:01:00.0
 *
 * The device counts. A store of an I/O virtual address to register 0x08 adds
 * one, writes the new count (4 bytes) to that address and sends MSI-X vector 0;
 * register 0x00 reads the count.
 */
#include <ringfence/device.h>

struct counter {
	uint32_t value;
};

static uint64_t counter_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	struct counter *counter = rf_device_data(dev);

	return off == 0x00 ? counter->value : 0;
}

static void counter_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
			  unsigned size)
{
	struct counter *counter = rf_device_data(dev);

	if (off != 0x08)
		return;
	counter->value++;
	if (!rf_dma_write(dev, val, &counter->value, sizeof(counter->value)))
		rf_irq_raise(dev, 0);
}

static int counter_init(struct rf_device *dev)
{
	struct counter *counter = rf_device_data(dev);

	counter->value = (uint32_t)rf_prop_uint(dev, "start");
	return 0;
}

static void counter_reset(struct rf_device *dev)
{
	counter_init(dev);
}

static const struct rf_prop counter_props[] = {
	{ "start", RF_PROP_UINT, "0", "what it counts from" },
	{ 0 },
};

RF_PCI_MODEL(counter, .summary = "an example: counts, and tells by DMA and interrupt",
	     .vendor = 0x1234, .device = 0xc0de, .class = 0xff0000,
	     .bars = { { .size = 4096, .read = counter_read, .write = counter_write } },
	     .msix_vectors = 1, .props = counter_props, .data_size = sizeof(struct counter),
	     .init = counter_init, .reset = counter_reset);
