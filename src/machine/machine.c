/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building a machine: first every device, then what firmware and the IOMMU
 * driver do with them (BAR addresses, groups), so a failure at any point finds
 * nothing but devices and groups to free, in the reverse order.
 *
 * Adding a device later goes the same way: the device joins the description,
 * the description is completed again, and whatever was not made yet is made.
 */
#include "machine/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ringfence/ioas.h>

#include "group/set.h"
#include "ioas/user_map.h"
#include "machine/description.h"
#include "machine/fail.h"
#include "machine/firmware.h"
#include "machine/topology.h"
#include "memory/fault.h"
#include "memory/limit.h"
#include "memory/owner.h"

#define CFG_INTERRUPT_LINE 0x3c

static uint64_t memlock_limit(const struct description *desc)
{
	switch (desc->memlock) {
	case MEMLOCK_BYTES:
		return desc->memlock_bytes;
	case MEMLOCK_HOST:
		return LIMIT_HOST;
	case MEMLOCK_NONE:
		break;
	}
	return LIMIT_NONE;
}

static void machine_set_options(struct rf_machine *machine)
{
	const struct description *desc = machine->desc;

	machine->kind = *desc->iommu;
	machine->kind.irq_remapping = desc->irq_remapping;
	machine->iommu = &machine->kind;
	machine->vfio.entry_limit = desc->entry_limit;
	machine->vfio.unsafe_interrupts = desc->unsafe_interrupts;
	/* where IOMMUs have windows of their own, Linux is not built with type1 */
	machine->vfio.no_type1 = desc->iommu->nr_windows;
	machine->vfio.hide_mmap = desc->hide_mmap;
	machine->vfio.memlock = memlock_limit(desc);
	machine->vfio.devices = &machine->devices;
	machine->iommufd.selftest = desc->iommufd_selftest;
	machine->iommufd.unsafe_interrupts = desc->unsafe_interrupts;
	/* who has the host's limits has the host's rights over them */
	machine->iommufd.host_rights = desc->memlock == MEMLOCK_HOST;
}

static void machine_insert_device(struct rf_machine *machine, struct rf_device *dev)
{
	struct rf_device **at = &machine->devices;

	while (*at && pci_address_compare(&(*at)->address, &dev->address) < 0)
		at = &(*at)->next;
	dev->next = *at;
	*at = dev;
}

/* A PE is what firmware says; where it says none, isolation decides. */
enum pci_grouping machine_grouping(const struct description *desc)
{
	for (struct pci_function *fn = topology_first(desc->topology); fn; fn = topology_next(fn))
		if (fn->pe != PCI_PE_NONE)
			return PCI_GROUPS_BY_PE;
	return strncmp(desc->iommu->name, "spapr", 5) ? PCI_GROUPS_BY_ISOLATION : PCI_GROUPS_BY_PE;
}

/* What the file says of the function whose place the device takes. */
static void describe(const struct rf_machine *machine, const struct device_desc *desc,
		     struct described *out)
{
	const struct pci_function *fn = NULL;

	if (machine->desc->topology)
		fn = topology_find(machine->desc->topology, &desc->address);
	*out = (struct described){ 0 };
	if (!fn)
		return;
	out->config = fn->config;
	out->size = fn->config_size;
	memcpy(out->bar_size, fn->bar_size, sizeof(out->bar_size));
}

static int make_device(struct rf_machine *machine, struct device_desc *desc, char **error)
{
	struct described described;
	struct rf_device *dev;
	int ret;

	describe(machine, desc, &described);
	ret = device_new_described(desc->model, &desc->address, desc->props, &described, &dev,
				   error);
	if (ret)
		return description_blame(machine->desc, desc, ret, error);
	if (desc->driver) {
		dev->host_driver = (char *)group_set_driver(machine->set, desc->driver);
		if (!dev->host_driver) {
			device_free(dev);
			return -ENOMEM;
		}
	}
	dev->machine = machine;
	dev->iommu = desc->group == GROUP_NONE ? NULL : machine->iommu;
	dev->group_wish = desc->group; /* GROUP_AUTO and GROUP_NONE are the same words there */
	atomic_store_explicit(&dev->owner, machine->self, memory_order_relaxed);
	/* a device that is made for what it is described as may have been given one there */
	if (desc->irq_line == IRQ_LINE_AUTO)
		desc->irq_line = (int)config_read(dev, CFG_INTERRUPT_LINE, 1);
	config_write(dev, CFG_INTERRUPT_LINE, (uint32_t)desc->irq_line, 1);
	desc->made = dev;
	return 0;
}

static int add_to_bus(struct rf_machine *machine, struct rf_device *dev)
{
	return dev->bus ? 0 : group_set_add_device(machine->set, "pci", dev);
}

/* A function without a model is a plain device: in a group, with a driver, not to be opened. */
static int make_plain(struct rf_machine *machine, struct pci_function *fn)
{
	struct rf_device *dev;
	int ret = device_new_plain(fn->name, &dev);

	if (ret)
		return ret;
	dev->address = fn->address;
	dev->machine = machine;
	dev->function = fn;
	dev->iommu = fn->no_iommu ? NULL : machine->iommu;
	dev->group_wish = fn->no_iommu ? GROUP_NONE : GROUP_AUTO;
	if (fn->driver)
		dev->host_driver = (char *)group_set_driver(machine->set, fn->driver);
	if (fn->driver && !dev->host_driver) {
		device_free(dev);
		return -ENOMEM;
	}
	fn->dev = dev;
	return 0;
}

/* Put everything on the bus, from the root downward: the order of addresses. */
static int machine_populate(struct rf_machine *machine, bool first)
{
	struct description *desc = machine->desc;
	struct pci_function *fn;
	int ret = 0;

	for (size_t i = 0; i < desc->nr_devices && !ret; i++) {
		struct rf_device *dev = desc->devices[i]->made;

		if (!desc->topology) {
			ret = add_to_bus(machine, dev);
			continue;
		}
		fn = topology_find(desc->topology, &dev->address);
		dev->function = fn;
		fn->dev = dev;
	}
	if (!desc->topology)
		return ret;
	for (fn = topology_first(desc->topology); fn && !ret; fn = topology_next(fn)) {
		if (!fn->dev && first)
			ret = make_plain(machine, fn);
		if (!ret && fn->dev)
			ret = add_to_bus(machine, fn->dev);
		if (!ret && fn->dev) /* also where the description named the group */
			fn->group = fn->dev->group ? (int)fn->dev->group->id : PCI_GROUP_NONE;
	}
	return ret;
}

/* Of several functions in a slot the first one says that it is not alone. */
static void mark_multifunction(const struct description *desc)
{
	for (size_t i = 0; i + 1 < desc->nr_devices; i++) {
		const struct pci_address *a = &desc->devices[i]->address;
		const struct pci_address *b = &desc->devices[i + 1]->address; /* they are sorted */

		if (!a->function && a->domain == b->domain && a->bus == b->bus &&
		    a->slot == b->slot)
			device_set_multifunction(desc->devices[i]->made);
	}
}

static struct rf_device *machine_device(struct rf_machine *machine,
					const struct pci_address *address)
{
	struct rf_device *dev = machine->devices;

	while (dev && pci_address_compare(&dev->address, address))
		dev = dev->next;
	return dev;
}

/* Make what the complete description has and the machine has not. */
static int machine_grow(struct rf_machine *machine, bool first, char **error)
{
	struct description *desc = machine->desc;
	int ret;

	for (size_t i = 0; i < desc->nr_devices; i++) {
		if (desc->devices[i]->made)
			continue;
		ret = make_device(machine, desc->devices[i], error);
		if (ret)
			return ret;
	}
	ret = firmware_place_bars(desc, error);
	if (ret)
		return ret;
	mark_multifunction(desc);
	ret = machine_populate(machine, first);
	if (ret)
		return ret;
	for (size_t i = 0; i < desc->nr_devices; i++) {
		struct rf_device *dev = desc->devices[i]->made;

		if (!machine_device(machine, &dev->address))
			machine_insert_device(machine, dev);
	}
	return 0;
}

int machine_build(struct description *desc, struct rf_machine **out, char **error)
{
	struct rf_machine *machine = calloc(1, sizeof(*machine));
	int ret;

	if (!machine) {
		description_free(desc);
		return -ENOMEM;
	}
	machine->desc = desc;
	machine_set_options(machine);
	ret = -ENOMEM;
	machine->self = owner_new_self();
	machine->iommufd.account = account_new(machine->vfio.memlock);
	if (!machine->self || !machine->iommufd.account)
		goto fail;
	ret = group_set_new(&machine->groups, &machine->set);
	if (!ret)
		ret = pasid_space_new(&machine->pasids);
	if (!ret)
		pasid_space_set_machine(machine->pasids, machine);
	if (!ret)
		ret = description_complete(desc, error);
	if (!ret && desc->topology)
		ret = group_set_use_topology(machine->set, desc->topology, machine_grouping(desc));
	if (!ret)
		ret = machine_grow(machine, true, error);
	if (ret)
		goto fail;
	*out = machine;
	return 0;
fail:
	rf_machine_free(machine);
	return ret;
}

int rf_machine_new(const char *json, const char *name, struct rf_machine **machine, char **error)
{
	struct description *desc;
	int ret;

	if (error)
		*error = NULL;
	ret = fault_install();
	if (ret)
		return ret;
	ret = description_new(json, name, &desc, error);
	return ret ? ret : machine_build(desc, machine, error);
}

void rf_machine_free(struct rf_machine *machine)
{
	if (!machine)
		return;
	group_set_free(machine->set);
	if (machine->desc->topology)
		for (struct pci_function *fn = topology_first(machine->desc->topology); fn;
		     fn = topology_next(fn))
			if (fn->dev && !fn->dev->model)
				device_free(fn->dev);
	for (size_t i = 0; i < machine->desc->nr_devices; i++)
		if (machine->desc->devices[i]->made)
			device_free(machine->desc->devices[i]->made);
	pasid_space_free(machine->pasids);
	if (machine->iommufd.account)
		account_free(machine->iommufd.account);
	if (machine->self)
		owner_free(machine->self);
	description_free(machine->desc);
	free(machine);
}

/* What description_add() appended: it joined neither a group nor the list of devices. */
static void take_back(struct rf_machine *machine, struct device_desc *added)
{
	struct pci_function *fn = NULL;

	if (machine->desc->topology && added->address_set)
		fn = topology_find(machine->desc->topology, &added->address);
	if (fn && !fn->line && (!fn->dev || fn->dev == added->made))
		topology_remove(machine->desc->topology, fn);
	if (added->made)
		device_free(added->made);
	device_desc_remove(machine->desc, added);
}

int rf_machine_add_device(struct rf_machine *machine, const char *spec, struct rf_device **dev,
			  char **error)
{
	struct device_desc *added;
	int ret;

	if (error)
		*error = NULL;
	ret = description_add(machine->desc, spec, error);
	if (ret)
		return ret;
	added = machine->desc->devices[machine->desc->nr_devices - 1];
	ret = description_complete(machine->desc, error);
	if (!ret)
		ret = machine_grow(machine, false, error);
	if (ret) {
		take_back(machine, added);
		return ret;
	}
	if (dev)
		*dev = added->made;
	return 0;
}

struct rf_group *machine_group(struct rf_machine *machine, unsigned id)
{
	return group_set_find(machine->set, id);
}

unsigned machine_cdev_index(const struct rf_machine *machine, const struct rf_device *dev)
{
	unsigned index = 0;

	for (const struct rf_device *d = machine->devices; d != dev; d = d->next)
		index += d->group != NULL;
	return index;
}

struct rf_device *machine_cdev(struct rf_machine *machine, unsigned index)
{
	struct rf_device *dev = machine->devices;

	for (; dev; dev = dev->next)
		if (dev->group && !index--)
			break;
	return dev;
}

struct rf_device *rf_machine_find(struct rf_machine *machine, const char *address)
{
	struct pci_address at;

	if (pci_address_parse(address, &at))
		return NULL;
	return machine_device(machine, &at);
}

struct rf_owner *rf_owner_self(struct rf_machine *machine)
{
	return machine->self;
}

bool machine_is_x86(const struct rf_machine *machine)
{
	return !strncmp(machine->iommu->name, "x86", 3);
}
