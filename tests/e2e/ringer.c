/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that shows the last value written to its doorbell, for
 * test_doorbells.c.
 *
 *	0x0000	READABLE	the last value seen; stores set the address to which
 *			it is written by DMA
 *	0x1000	DOORBELL
 */
#include <ringfence/device.h>

#define SHOWN	 0x0000u
#define DOORBELL 0x1000u

struct ringer {
	uint64_t iova;
	uint32_t seen;
};

static uint32_t *word(struct rf_device *dev, unsigned off)
{
	return (uint32_t *)((uint8_t *)rf_bar_mem(dev, 0) + off);
}

static void ringer_see(struct rf_device *dev, uint32_t val)
{
	struct ringer *r = rf_device_data(dev);

	r->seen = val;
	if (r->iova)
		rf_dma_write(dev, r->iova, &val, sizeof(val));
	__atomic_store_n(word(dev, SHOWN), val, __ATOMIC_RELEASE);
}

static void ringer_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
			 unsigned size)
{
	struct ringer *r = rf_device_data(dev);

	if (off == DOORBELL)
		ringer_see(dev, (uint32_t)val);
	else if (off == SHOWN && size == 8)
		r->iova = val;
}

static unsigned ringer_poll(struct rf_device *dev)
{
	struct ringer *r = rf_device_data(dev);
	uint32_t val = __atomic_load_n(word(dev, DOORBELL), __ATOMIC_ACQUIRE);

	if (val == r->seen)
		return 0;
	ringer_see(dev, val);
	return 1;
}

static void ringer_reset(struct rf_device *dev)
{
	struct ringer *r = rf_device_data(dev);

	r->iova = 0;
	r->seen = 0;
	*word(dev, SHOWN) = 0;
	*word(dev, DOORBELL) = 0;
}

RF_PCI_MODEL(
	ringer, .vendor = 0x1af4, .device = 0x10ff, .class = 0xff0000,
	.bars = { { .size = 0x4000,
		    .write = ringer_write,
		    .areas = { { .offset = 0, .size = 4096, .kind = RF_AREA_READABLE },
			       { .offset = DOORBELL, .size = 4096, .kind = RF_AREA_DOORBELL } } } },
	.data_size = sizeof(struct ringer), .reset = ringer_reset, .poll = ringer_poll);
