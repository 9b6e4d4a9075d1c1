/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices take their places in the topology: one at an address where the file
 * describes a function becomes that function, with the model's identity; one at
 * an address of its own joins the bus, which a bridge must lead to or some
 * function must be on.
 */
#include "machine/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/fail.h"

#define VENDOR_AMD	  0x1022
#define CLASS_HOST_BRIDGE 0x060000

#define CAP_PCIE	  0x40u
#define CAP_SUBSYSTEM	  0x80u
#define EXT_CAPS	  0x100u
#define DEVCAP2		  0x24u
#define DEVCTL2		  0x28u
#define ARI_BIT		  0x20u

static void put16(uint8_t *bytes, unsigned at, unsigned value)
{
	bytes[at] = (uint8_t)value;
	bytes[at + 1] = (uint8_t)(value >> 8);
}

static bool has_extended(const struct pci_function *fn)
{
	return fn->pcie != PCIE_NONE;
}

static void config_header(const struct pci_function *fn, uint8_t *bytes)
{
	put16(bytes, 0x00, fn->physfn ? 0xffff : fn->vendor);
	put16(bytes, 0x02, fn->physfn ? 0xffff : fn->device);
	bytes[0x08] = fn->revision;
	bytes[0x09] = (uint8_t)fn->class;
	put16(bytes, 0x0a, fn->class >> 8);
	bytes[0x0e] = (uint8_t)(fn->header | (fn->multifunction ? 0x80 : 0));
	if (fn->header == PCI_HEADER_NORMAL) {
		put16(bytes, 0x2c, fn->subsystem_vendor);
		put16(bytes, 0x2e, fn->subsystem_device);
		return;
	}
	bytes[0x18] = fn->address.bus;
	bytes[0x19] = fn->secondary;
	bytes[0x1a] = fn->subordinate;
	if (fn->header == PCI_HEADER_CARDBUS) {
		put16(bytes, 0x40, fn->subsystem_vendor);
		put16(bytes, 0x42, fn->subsystem_device);
	}
}

static void config_caps(const struct pci_function *fn, uint8_t *bytes)
{
	bool express = has_extended(fn), bridge = fn->header == PCI_HEADER_BRIDGE;
	unsigned first = express ? CAP_PCIE : bridge ? CAP_SUBSYSTEM : 0;

	if (!first)
		return;
	put16(bytes, 0x06, 0x0010); /* there is a list */
	bytes[0x34] = (uint8_t)first;
	if (express) {
		bytes[CAP_PCIE] = 0x10;
		bytes[CAP_PCIE + 1] = bridge ? CAP_SUBSYSTEM : 0;
		put16(bytes, CAP_PCIE + 2, 2u | (unsigned)fn->pcie << 4);
		if (bridge && fn->ari) {
			put16(bytes, CAP_PCIE + DEVCAP2, ARI_BIT);
			put16(bytes, CAP_PCIE + DEVCTL2, ARI_BIT);
		}
	}
	if (bridge) {
		bytes[CAP_SUBSYSTEM] = 0x0d;
		put16(bytes, CAP_SUBSYSTEM + 4, fn->subsystem_vendor);
		put16(bytes, CAP_SUBSYSTEM + 6, fn->subsystem_device);
	}
}

/* Put an extended capability behind the last; returns where the next goes. */
static unsigned config_ext(uint8_t *bytes, unsigned at, unsigned *last, unsigned id, unsigned size)
{
	put16(bytes, at, id);
	put16(bytes, at + 2, 1);
	if (*last)
		put16(bytes, *last + 2, 1u | at << 4);
	*last = at;
	return at + size;
}

static void config_ext_caps(const struct pci_function *fn, uint8_t *bytes)
{
	unsigned at = EXT_CAPS, last = 0;

	if (fn->has_acs) {
		put16(bytes, at + 4, fn->acs_cap);
		put16(bytes, at + 6, fn->acs_ctrl);
		at = config_ext(bytes, at, &last, 0x000d, 0x10);
	}
	if (fn->ari && !pci_function_is_bridge(fn))
		at = config_ext(bytes, at, &last, 0x000e, 0x10);
	if (fn->nr_vfs) {
		put16(bytes, at + 0x08, 0x0009); /* enabled, memory space on */
		put16(bytes, at + 0x0c, fn->nr_vfs);
		put16(bytes, at + 0x0e, fn->nr_vfs);
		put16(bytes, at + 0x10, fn->nr_vfs);
		put16(bytes, at + 0x14, fn->vf_offset);
		put16(bytes, at + 0x16, fn->vf_stride);
		put16(bytes, at + 0x1a, fn->vf_device ?: fn->device);
		config_ext(bytes, at, &last, 0x0010, 0x40);
	}
}

unsigned topology_config(const struct pci_function *fn, uint8_t bytes[PCI_CONFIG_EXT_SIZE])
{
	memset(bytes, 0, PCI_CONFIG_EXT_SIZE);
	if (fn->config) {
		memcpy(bytes, fn->config, fn->config_size);
		return fn->config_size;
	}
	config_header(fn, bytes);
	config_caps(fn, bytes);
	if (!has_extended(fn))
		return PCI_CONFIG_SIZE;
	config_ext_caps(fn, bytes);
	return PCI_CONFIG_EXT_SIZE;
}

void topology_path(const struct pci_function *fn, char *path, size_t size)
{
	const struct pci_function *chain[64] = { fn };
	size_t n = 1, used;

	for (const struct pci_function *at = fn->parent; at && n < 64; at = at->parent)
		chain[n++] = at;
	used = (size_t)snprintf(path, size, "pci%04x:%02x", chain[n - 1]->address.domain,
				chain[n - 1]->address.bus);
	while (n-- && used < size)
		used += (size_t)snprintf(path + used, size - used, "/%s", chain[n]->name);
}

/* What the model says, in place of what the file says. */
static void function_become(struct pci_function *fn, const struct device_desc *dev)
{
	const struct rf_pci_model *model = dev->model;

	fn->no_iommu = fn->no_iommu || dev->group == GROUP_NONE;
	if (model->declare)
		return; /* it takes the function for what it is described as */
	fn->vendor = model->vendor;
	fn->device = model->device;
	fn->subsystem_vendor = model->subsystem_vendor ?: 0x1af4;
	fn->subsystem_device = model->subsystem_device ?: 0x1100;
	fn->class = model->class;
	fn->revision = model->revision;
}

static int device_place(struct description *desc, struct device_desc *dev, char **error)
{
	struct pci_function *fn = topology_find(desc->topology, &dev->address), values;
	struct pci_bus *bus = topology_bus(desc->topology, dev->address.domain, dev->address.bus);
	char *driver = dev->driver ? strdup(dev->driver) : NULL;
	int ret = 0;

	if (dev->driver && !driver)
		return -ENOMEM;
	if (fn && pci_function_is_bridge(fn)) {
		free(driver);
		fail(-EINVAL, error, "a model cannot take the place of the bridge %s", fn->name);
		return description_blame(desc, dev, -EINVAL, error);
	}
	if (fn && fn->dev && fn->dev != dev->made) {
		free(driver);
		fail(-EEXIST, error, "address %s is taken", fn->name);
		return description_blame(desc, dev, -EEXIST, error);
	}
	if (!fn && !bus) {
		free(driver);
		fail(-EINVAL, error, "no bridge leads to bus %02x", dev->address.bus);
		return description_blame(desc, dev, -EINVAL, error);
	}
	if (!fn) {
		values = (struct pci_function)PCI_FUNCTION_INIT;
		values.address = dev->address;
		if (dev->model->caps & RF_PCI_CAP_PCIE)
			values.pcie = bus->bridge ? PCIE_ENDPOINT : PCIE_RC_ENDPOINT;
		values.line = dev->line;
		ret = topology_add(desc->topology, &values, &fn);
	}
	if (ret) {
		free(driver);
		return ret;
	}
	function_become(fn, dev);
	free(fn->driver);
	fn->driver = driver;
	return 0;
}

static int topology_link_all(struct description *desc, char **error)
{
	const struct pci_function *blame = NULL;
	char *why = NULL;
	int ret = topology_link(desc->topology, &blame, &why);

	if (ret) {
		fail(ret, error, "%s", why ?: strerror(-ret));
		fail_prefix(ret, error, "%s:%u", desc->name, blame ? blame->line : 1);
	}
	free(why);
	return ret;
}

/* The southbridge quirk of AMD counts only where firmware describes AMD's IOMMU. */
void topology_set_firmware(struct pci_topology *topology)
{
	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn))
		if (fn->class == CLASS_HOST_BRIDGE && fn->vendor == VENDOR_AMD)
			return;
	topology_set_no_ivrs(topology);
}

int topology_complete(struct description *desc, char **error)
{
	int ret;

	if (!desc->topology)
		return 0;
	ret = topology_link_all(desc, error);
	for (size_t i = 0; i < desc->nr_devices && !ret; i++)
		ret = device_place(desc, desc->devices[i], error);
	if (!ret)
		ret = topology_link_all(desc, error);
	if (ret)
		return ret;
	topology_set_firmware(desc->topology);
	if (desc->enable_acs)
		topology_enable_acs(desc->topology);
	return 0;
}

/* Whether a device that is not in the topology yet goes there. */
static bool bus_has_device(const struct description *desc, const struct pci_address *at)
{
	for (size_t i = 0; i < desc->nr_devices; i++) {
		const struct device_desc *dev = desc->devices[i];

		if (dev->address_set && dev->address.domain == at->domain &&
		    dev->address.bus == at->bus)
			return true;
	}
	return false;
}

bool topology_vacancy(const struct description *desc, struct pci_address *out)
{
	for (struct pci_function *fn = topology_first(desc->topology); fn; fn = topology_next(fn)) {
		struct pci_bus *bus;

		if ((fn->pcie != PCIE_ROOT_PORT && fn->pcie != PCIE_DOWNSTREAM) ||
		    pci_bridge_unconfigured(fn))
			continue;
		bus = topology_bus(desc->topology, fn->address.domain, fn->secondary);
		*out = (struct pci_address){ .domain = fn->address.domain, .bus = fn->secondary };
		if ((!bus || !bus->nr_functions) && !bus_has_device(desc, out))
			return true;
	}
	return false;
}
