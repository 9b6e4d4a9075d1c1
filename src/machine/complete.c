/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completing a description does what a machine's firmware does: it decides
 * where devices sit. (BARs are firmware.c's: how large they are is known once the
 * devices are made.) The choices are boring on purpose, so that a command line
 * gives the same machine every time:
 *
 *	addresses	0000:01:00.0, 0000:02:00.0, ... in the order written
 *	groups		1, 2, ... in the order of addresses
 *	interrupt line	10 or 11, where the model has a pin
 *
 * What the user wrote is placed first and never moved. Each choice is then
 * marked as made, so completing again serves only what has been added since.
 */
#include "machine/description.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "machine/fail.h"
#include "machine/topology.h"

static struct device_desc *device_at(const struct description *desc, const struct pci_address *at,
				     const struct device_desc *but)
{
	for (size_t i = 0; i < desc->nr_devices; i++) {
		struct device_desc *dev = desc->devices[i];

		if (dev != but && dev->address_set && !pci_address_compare(&dev->address, at))
			return dev;
	}
	return NULL;
}

static int complete_address(const struct description *desc, struct device_desc *dev, char **error)
{
	struct pci_address at = { 0 };

	if (dev->address_set) {
		at = dev->address;
		if (!device_at(desc, &at, dev))
			return 0;
		fail(-EEXIST, error, "address " BDF_FMT " is taken", at.domain, at.bus, at.slot,
		     at.function);
		return description_blame(desc, dev, -EEXIST, error);
	}
	if (desc->topology) {
		dev->address_set = topology_vacancy(desc, &dev->address);
		if (dev->address_set)
			return 0;
		fail(-EINVAL, error, "no port of the topology is free; give it an address");
		return description_blame(desc, dev, -EINVAL, error);
	}
	for (unsigned bus = 1; bus < 256; bus++) {
		at.bus = (uint8_t)bus;
		if (!device_at(desc, &at, NULL)) {
			dev->address = at;
			dev->address_set = true;
			return 0;
		}
	}
	fail(-EINVAL, error, "no free bus is left; give it an address");
	return description_blame(desc, dev, -EINVAL, error);
}

/* Blame the later of two devices at one address: check in the order written. */
static int complete_addresses(struct description *desc, char **error)
{
	for (int given = 1; given >= 0; given--)
		for (size_t i = desc->nr_devices; i-- > 0;) {
			struct device_desc *dev =
				desc->devices[given ? i : desc->nr_devices - 1 - i];
			int ret;

			if (dev->address_set != given)
				continue;
			ret = complete_address(desc, dev, error);
			if (ret)
				return ret;
		}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct device_desc *const *x = a, *const *y = b;

	return pci_address_compare(&(*x)->address, &(*y)->address);
}

static bool group_used(const struct description *desc, int group)
{
	for (size_t i = 0; i < desc->nr_devices; i++)
		if (desc->devices[i]->group == group)
			return true;
	return false;
}

static void complete_groups(struct description *desc)
{
	int next = 1;

	for (size_t i = 0; i < desc->nr_devices; i++) {
		if (desc->devices[i]->group != GROUP_AUTO)
			continue;
		while (group_used(desc, next))
			next++;
		desc->devices[i]->group = next;
	}
}

/* What boards usually wire: INTA# to INTD# of neighbouring slots take turns. */
static int irq_line_of(const struct device_desc *dev)
{
	if (!dev->model->int_pin)
		return 0;
	return 10 + ((dev->address.slot + dev->model->int_pin - 1) >> 1 & 1);
}

int description_complete(struct description *desc, char **error)
{
	int ret = complete_addresses(desc, error);

	if (ret)
		return ret;
	if (desc->nr_devices)
		qsort(desc->devices, desc->nr_devices, sizeof(*desc->devices), by_address);
	if (!desc->topology)
		complete_groups(desc);
	ret = topology_complete(desc, error);
	if (ret)
		return ret;

	for (size_t i = 0; i < desc->nr_devices; i++)
		if (desc->devices[i]->irq_line == IRQ_LINE_AUTO &&
		    !desc->devices[i]->model->declare)
			desc->devices[i]->irq_line = irq_line_of(desc->devices[i]);
	return 0;
}
