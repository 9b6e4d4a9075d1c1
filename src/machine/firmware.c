/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Giving BARs their addresses, as firmware does at boot: downwards from
 * 0xfebfffff, aligned to their size; 64-bit BARs that do not fit below 4 GiB
 * upwards from 0x380000000000. Addresses that the user wrote are checked first
 * and never moved. A choice is marked as made, so a device that is added later
 * finds its place among the others.
 */
#include "machine/firmware.h"

#include <errno.h>
#include <inttypes.h>

#include "machine/fail.h"

#define IO_FIRST   0x1000ull
#define IO_LAST	   0xffffull
#define LOW_FIRST  0x80000000ull
#define LOW_LAST   0xfebfffffull
#define HIGH_FIRST 0x380000000000ull
#define HIGH_LAST  0x3fffffffffffull

/* The last BAR placed that touches [first, last], if any. */
static const struct device_desc *bar_overlap(const struct description *desc, uint64_t first,
					     uint64_t last, const struct device_desc *but_dev,
					     unsigned but_bar, uint64_t *at)
{
	for (size_t i = 0; i < desc->nr_devices; i++) {
		const struct device_desc *dev = desc->devices[i];

		for (unsigned b = 0; b < RF_PCI_BARS; b++) {
			uint64_t size = bar_size(dev->made, b);

			if (!dev->bar_set[b] || !size || (dev == but_dev && b == but_bar) ||
			    bar_is_io(dev->made, b) != bar_is_io(but_dev->made, but_bar))
				continue;
			if (dev->bars[b] <= last && dev->bars[b] + (size - 1) >= first) {
				*at = dev->bars[b];
				return dev;
			}
		}
	}
	return NULL;
}

static int check_bar(const struct description *desc, const struct device_desc *dev, unsigned b,
		     char **error)
{
	const struct rf_bar *bar = dev->made->bars[b].decl;
	const struct device_desc *other;
	uint64_t at = dev->bars[b], hit;

	if (!bar->size)
		return fail(-EINVAL, error, "bars[%u]: the device has no such BAR", b);
	if (at & (bar->size - 1))
		return fail(-EINVAL, error,
			    "bars[%u]: 0x%" PRIx64 " is not aligned to its size, 0x%" PRIx64, b, at,
			    bar->size);
	if (bar->flags & RF_BAR_IO && at + (bar->size - 1) > IO_LAST)
		return fail(-EINVAL, error, "bars[%u]: I/O ports cannot lie at 0x%" PRIx64, b, at);
	if (!(bar->flags & RF_BAR_64) && at + (bar->size - 1) > UINT32_MAX)
		return fail(-EINVAL, error, "bars[%u]: a 32-bit BAR cannot lie at 0x%" PRIx64, b,
			    at);
	other = bar_overlap(desc, at, at + (bar->size - 1), dev, b, &hit);
	if (other)
		return fail(-EINVAL, error,
			    "bars[%u]: 0x%" PRIx64 " overlaps a BAR of " BDF_FMT " at 0x%" PRIx64,
			    b, at, other->address.domain, other->address.bus, other->address.slot,
			    other->address.function, hit);
	return 0;
}

/* Downwards below 4 GiB, jumping below each BAR in the way. */
static bool place_low(const struct description *desc, struct device_desc *dev, unsigned b)
{
	uint64_t size = bar_size(dev->made, b), hit;
	bool io = bar_is_io(dev->made, b);
	uint64_t end = io ? IO_LAST + 1 : LOW_LAST + 1;

	while (end >= size) {
		uint64_t at = (end - size) & ~(size - 1);

		if (at < (io ? IO_FIRST : LOW_FIRST))
			break;
		if (!bar_overlap(desc, at, at + (size - 1), dev, b, &hit)) {
			dev->bars[b] = at;
			return true;
		}
		end = hit < at ? hit : at;
	}
	return false;
}

static bool place_high(const struct description *desc, struct device_desc *dev, unsigned b)
{
	uint64_t size = bar_size(dev->made, b), hit;
	uint64_t at = (HIGH_FIRST + size - 1) & ~(size - 1);

	for (; at <= HIGH_LAST && HIGH_LAST - at >= size - 1; at += size) {
		if (!bar_overlap(desc, at, at + (size - 1), dev, b, &hit)) {
			dev->bars[b] = at;
			return true;
		}
	}
	return false;
}

/* Where an image of the device's configuration space has the BAR, if that is free. */
static bool place_as_saved(const struct description *desc, struct device_desc *dev, unsigned b)
{
	uint64_t size = bar_size(dev->made, b), at = dev->made->bars[b].address, hit;

	if (!at || bar_overlap(desc, at, at + (size - 1), dev, b, &hit))
		return false;
	dev->bars[b] = at;
	return true;
}

static int complete_bars(const struct description *desc, struct device_desc *dev, char **error)
{
	for (unsigned b = 0; b < RF_PCI_BARS; b++) {
		const struct rf_bar *bar = dev->made->bars[b].decl;

		if (dev->bar_set[b] || !bar->size)
			continue;
		if (!place_as_saved(desc, dev, b) && !place_low(desc, dev, b) &&
		    !((bar->flags & RF_BAR_64) && place_high(desc, dev, b)))
			return fail(-EINVAL, error, "BAR %u: no room for 0x%" PRIx64 " bytes%s", b,
				    bar->size,
				    bar->flags & (RF_BAR_64 | RF_BAR_IO) ? "" : " below 4 GiB");
		dev->bar_set[b] = true;
	}
	return 0;
}

static int check_bars(const struct description *desc, const struct device_desc *dev, char **error)
{
	int ret = 0;

	for (unsigned b = 0; b < RF_PCI_BARS && !ret; b++)
		if (dev->bar_set[b])
			ret = check_bar(desc, dev, b, error);
	return ret;
}

int firmware_place_bars(struct description *desc, char **error)
{
	int ret;

	for (size_t i = 0; i < desc->nr_devices; i++) {
		ret = check_bars(desc, desc->devices[i], error);
		if (ret)
			return description_blame(desc, desc->devices[i], ret, error);
	}
	for (size_t i = 0; i < desc->nr_devices; i++) {
		struct device_desc *dev = desc->devices[i];

		ret = complete_bars(desc, dev, error);
		if (ret)
			return description_blame(desc, dev, ret, error);
		for (unsigned b = 0; b < RF_PCI_BARS; b++)
			if (dev->bar_set[b] && dev->made->bars[b].address != dev->bars[b])
				device_set_bar_address(dev->made, b, dev->bars[b]);
	}
	return 0;
}
