/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space, as the function's hardware has it.
 *
 * Three arrays say everything: the bytes, the bits that a write may change
 * (config_wmask), and the bits that a written 1 clears (config_w1c). Sizing a
 * BAR needs no code then: its low address bits are simply not writable. A byte that
 * is all of both is memory, which no reset clears. A few
 * registers act when they are written; config_act() is the list of them.
 *
 * What VFIO lets a driver see and write of all this is the business of vfio/.
 */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "bus/internal.h"

/*
 * IO, memory, master, SERR, INTx disable. Parity, and what DEVCTL says of errors, a
 * function of the root complex may leave out, and QEMU's do.
 */
#define COMMAND_WRITABLE	 0x0507u
#define STATUS_W1C		 0xf900u /* errors seen */

#define CFG_HEADER		 0x0eu
#define HEADER_MULTIFUNCTION	 0x80u
#define ROM_ENABLE		 0x0001u
#define DEFAULT_SUBSYSTEM_VENDOR 0x1af4u
#define DEFAULT_SUBSYSTEM_DEVICE 0x1100u

static void config_mask(struct rf_device *dev, unsigned off, uint64_t mask, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		dev->config_wmask[off + i] = (uint8_t)(mask >> (8 * i));
}

static void config_build_bar(struct rf_device *dev, unsigned n)
{
	const struct rf_bar *bar = dev->bars[n].decl;
	unsigned off = CFG_BAR + 4 * n;
	unsigned size = bar->flags & RF_BAR_64 ? 8 : 4;
	uint64_t low = 0;

	if (!bar->size)
		return;
	if (bar->flags & RF_BAR_64)
		low |= 0x4;
	if (bar->flags & RF_BAR_PREFETCH)
		low |= 0x8;
	if (bar->flags & RF_BAR_IO)
		low |= 0x1;
	config_set(dev, off, (dev->bars[n].address & ~(bar->size - 1)) | low, size);
	config_mask(dev, off, ~(bar->size - 1) & ~(uint64_t)(bar->flags & RF_BAR_IO ? 0x3 : 0xf),
		    size);
}

/* Identity and what else the declaration says; an image has it already. */
static void config_build_identity(struct rf_device *dev)
{
	const struct rf_pci_model *model = dev->model;
	uint16_t subsystem_vendor = model->subsystem_vendor;
	uint16_t subsystem_device = model->subsystem_device;

	if (!subsystem_vendor && !subsystem_device) {
		subsystem_vendor = DEFAULT_SUBSYSTEM_VENDOR;
		subsystem_device = DEFAULT_SUBSYSTEM_DEVICE;
	}
	config_set(dev, 0x00, model->vendor, 2);
	config_set(dev, 0x02, model->device, 2);
	config_set(dev, 0x08, model->revision, 1);
	config_set(dev, 0x09, model->class, 3);
	config_set(dev, CFG_CACHE_LINE, 0, 4); /* and latency, header type, BIST */
	config_set(dev, 0x2c, subsystem_vendor, 2);
	config_set(dev, 0x2e, subsystem_device, 2);
	config_set(dev, CFG_INTERRUPT_PIN, model->int_pin, 1);
}

/* The ROM is where firmware put it, or nowhere. */
static void config_build_rom(struct rf_device *dev)
{
	uint64_t size = dev->model->rom_size;
	uint32_t at = config_word(dev, CFG_ROM) | (uint32_t)config_word(dev, CFG_ROM + 2) << 16;

	config_set(dev, CFG_ROM, size ? at & ~(size - 1) : 0, 4);
	if (size)
		config_mask(dev, CFG_ROM, ~(size - 1) | ROM_ENABLE, 4);
}

void config_build(struct rf_device *dev)
{
	uint16_t status = dev->config[CFG_CAPABILITIES] ? STATUS_CAP_LIST : 0;

	if (dev->model->config)
		status = config_word(dev, CFG_STATUS) & (uint16_t) ~(STATUS_W1C | STATUS_INTERRUPT);
	else
		config_build_identity(dev);
	config_set(dev, CFG_COMMAND, 0, 2);
	config_set(dev, CFG_STATUS, status, 2);
	for (unsigned i = 0; i < RF_PCI_BARS; i++) {
		const struct rf_bar *before = i ? dev->bars[i - 1].decl : NULL;

		if (!dev->bars[i].decl->size &&
		    !(before && before->size && before->flags & RF_BAR_64))
			config_set(dev, CFG_BAR + 4 * i, 0, 4);
		config_build_bar(dev, i);
	}
	config_build_rom(dev);

	config_mask(dev, CFG_COMMAND, COMMAND_WRITABLE, 2);
	dev->config_w1c[CFG_STATUS + 1] = STATUS_W1C >> 8;
	config_mask(dev, CFG_CACHE_LINE, 0xff, 1);
	config_mask(dev, CFG_INTERRUPT_LINE, 0xff, 1);
}

/* A byte of RF_PCI_CONFIG_MEMORY. */
static bool config_is_memory(const struct rf_device *dev, unsigned off)
{
	return dev->config_wmask[off] == 0xff && dev->config_w1c[off] == 0xff;
}

int config_keep(struct rf_device *dev)
{
	dev->power_on = alloc_zeroed(dev->config_size);
	if (!dev->power_on)
		return -ENOMEM;
	memcpy(dev->power_on, dev->config, dev->config_size);
	return 0;
}

atomic_uint config_memory_changes;

/* In D3 a function answers no memory access, whatever COMMAND says. */
bool config_memory_enabled(const struct rf_device *dev)
{
	if (atomic_load_explicit(&dev->asleep, memory_order_relaxed))
		return false;
	if (dev->cap_pm && (config_byte(dev, dev->cap_pm + PM_CTRL) & PM_CTRL_STATE) == 3)
		return false;
	return config_byte(dev, CFG_COMMAND) & COMMAND_MEMORY;
}

/* With the device's lock held, after what may have changed it; @before: what it was. */
static void config_memory_compare(const struct rf_device *dev, bool before)
{
	if (config_memory_enabled(dev) != before)
		atomic_fetch_add(&config_memory_changes, 1);
}

void device_set_asleep(struct rf_device *dev, bool asleep)
{
	bool enabled;

	device_lock(dev);
	enabled = config_memory_enabled(dev);
	atomic_store_explicit(&dev->asleep, asleep, memory_order_relaxed);
	config_memory_compare(dev, enabled);
	device_unlock(dev);
}

/* Everything but what firmware wrote once, which nobody would write again. */
void config_reset(struct rf_device *dev)
{
	uint8_t line = dev->config[CFG_INTERRUPT_LINE];
	uint8_t cache_line = dev->config[CFG_CACHE_LINE];
	bool enabled = config_memory_enabled(dev);

	for (unsigned i = 0; i < dev->config_size; i++)
		if (!config_is_memory(dev, i))
			config_set_byte(dev, i, dev->power_on[i]);
	for (unsigned i = 0; i < RF_PCI_BARS; i++)
		config_build_bar(dev, i);
	config_set_byte(dev, CFG_INTERRUPT_LINE, line);
	config_set_byte(dev, CFG_CACHE_LINE, cache_line);
	config_memory_compare(dev, enabled);
}

void device_set_bar_address(struct rf_device *dev, unsigned bar, uint64_t address)
{
	if (!bar_size(dev, bar))
		return;
	device_lock(dev);
	dev->bars[bar].address = address;
	config_build_bar(dev, bar);
	device_unlock(dev);
}

void device_set_multifunction(struct rf_device *dev)
{
	device_lock(dev);
	dev->power_on[CFG_HEADER] |= HEADER_MULTIFUNCTION;
	config_set_byte(dev, CFG_HEADER, dev->config[CFG_HEADER] | HEADER_MULTIFUNCTION);
	device_unlock(dev);
}

static bool config_access_valid(const struct rf_device *dev, unsigned off, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && off % size == 0 && off < dev->config_size;
}

uint32_t config_read(struct rf_device *dev, unsigned off, unsigned size)
{
	uint32_t val = 0;

	if (!config_access_valid(dev, off, size) || device_gone(dev))
		return UINT32_MAX >> (size < 4 ? 32 - 8 * size : 0);
	device_lock(dev);
	for (unsigned i = 0; i < size; i++)
		val |= (uint32_t)dev->config[off + i] << (8 * i);
	device_unlock(dev);
	return val;
}

/* Registers that do something. @off to @last: what was written, @val its value. */
static void config_act(struct rf_device *dev, unsigned off, uint32_t val, unsigned size)
{
	unsigned last = off + size - 1;
	unsigned devctl = dev->cap_pcie + PCIE_DEVCTL;

	if (off < CFG_COMMAND + 2 && last >= CFG_COMMAND)
		irq_update(dev);
	if (dev->cap_msi && off < dev->cap_msi + 4u && last >= dev->cap_msi)
		irq_update(dev);
	if (dev->cap_msix && off < dev->cap_msix + 4u && last >= dev->cap_msix)
		irq_update(dev);
	if (dev->model->caps & RF_PCI_CAP_FLR && off <= devctl + 1 && last >= devctl + 1 &&
	    (val >> (8 * (devctl + 1 - off))) & (PCIE_DEVCTL_FLR >> 8))
		device_reset(dev);
	if (dev->cap_af && off <= dev->cap_af + AF_CTRL && last >= dev->cap_af + AF_CTRL &&
	    (val >> (8 * (dev->cap_af + AF_CTRL - off))) & AF_CTRL_FLR)
		device_reset(dev);
}

void config_write(struct rf_device *dev, unsigned off, uint32_t val, unsigned size)
{
	bool enabled;

	if (!config_access_valid(dev, off, size) || device_gone(dev))
		return;
	device_lock(dev);
	enabled = config_memory_enabled(dev);
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(val >> (8 * i));
		uint8_t mask = dev->config_wmask[off + i];
		uint8_t old = dev->config[off + i];

		old &= (uint8_t) ~(byte & dev->config_w1c[off + i]);
		config_set_byte(dev, off + i, (uint8_t)((old & ~mask) | (byte & mask)));
	}
	config_memory_compare(dev, enabled);
	config_act(dev, off, val, size);
	device_unlock(dev);
}
