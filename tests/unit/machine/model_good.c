/* SPDX-License-Identifier: BSD-3-Clause */
#include <ringfence/device.h>

static uint64_t good_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	return rf_prop_uint(dev, "value");
}

static const struct rf_prop props[] = {
	{ "value", RF_PROP_UINT, "1", "what every register reads" },
	{ 0 },
};

/* clang-format off */
RF_PCI_MODEL(good,
	.vendor = 0x1234, .device = 0xc0de, .class = 0xff0000,
	.bars = { { .size = 4096, .read = good_read } },
	.props = props);
