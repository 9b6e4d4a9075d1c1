/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public functions that take a machine to its buses and groups.
 */
#include <errno.h>
#include <stdlib.h>

#include "bus/bus.h"
#include "group/set.h"
#include "machine/description.h"
#include "machine/machine.h"

int rf_provider_register(struct rf_machine *machine, const struct rf_provider_ops *ops, void *data,
			 struct rf_provider **provider)
{
	return provider_register(machine->set, ops, data, provider);
}

int rf_bus_add_device(struct rf_machine *machine, const char *bus, const char *name,
		      struct rf_device *parent, struct rf_device **dev)
{
	struct rf_device *added;
	int ret = device_new_plain(name, &added);

	if (ret)
		return ret;
	added->machine = machine;
	added->iommu = parent ? parent->iommu : machine->iommu; /* if a provider says so */
	added->of_set = true;
	added->parent = parent;
	ret = group_set_add_device(machine->set, bus, added);
	if (ret) {
		device_put(added);
		return ret;
	}
	if (dev)
		*dev = added;
	return 0;
}

/* It is in the description no more: adding another device must not make it again. */
static void machine_forget(struct rf_machine *machine, struct rf_device *dev)
{
	struct description *desc = machine->desc;
	struct rf_device **at = &machine->devices;

	while (*at && *at != dev)
		at = &(*at)->next;
	if (*at)
		*at = dev->next;
	for (size_t i = 0; i < desc->nr_devices; i++)
		if (desc->devices[i]->made == dev) {
			device_desc_remove(desc, desc->devices[i]);
			break;
		}
	if (dev->function)
		dev->function->dev = NULL;
}

int rf_device_request(struct rf_device *dev)
{
	return device_ask(dev);
}

void rf_device_remove(struct rf_device *dev)
{
	if (dev->machine)
		machine_forget(dev->machine, dev);
	bus_remove_device(dev);
}
