/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machines: devices behind an IOMMU, built from a description.
 */
#ifndef RINGFENCE_MACHINE_H
#define RINGFENCE_MACHINE_H

#include <ringfence/types.h>

/**
 * rf_machine_new() - build a machine
 * @json: its description (ringfence-machine(5)); NULL: the default, no devices
 * @name: what error messages call the description, e.g. a file name
 * @machine: filled with the machine
 * @error: filled with one line (to be freed by the caller) when it fails; may
 *	be NULL
 *
 * Return: 0; -EINVAL for a bad description; what a model's init returned;
 * -ENOMEM.
 */
RF_API int rf_machine_new(const char *json, const char *name, struct rf_machine **machine,
			  char **error);

/** rf_machine_free() - take it down; no address space may be in use. Never fails */
RF_API void rf_machine_free(struct rf_machine *machine);

/**
 * rf_machine_add_device() - add a device as --device does
 * @machine: the machine
 * @spec: MODEL[,addr=BDF][,NAME=VALUE]...
 * @dev: filled with the device; may be NULL
 * @error: as for rf_machine_new()
 *
 * Return: as rf_machine_new(); -EEXIST when the address is taken.
 */
RF_API int rf_machine_add_device(struct rf_machine *machine, const char *spec,
				 struct rf_device **dev, char **error);

/** rf_machine_find() - the device at "0000:01:00.0" (or "01:00.0"), or NULL */
RF_API struct rf_device *rf_machine_find(struct rf_machine *machine, const char *address);

/*
 * Driving a device without a process in front of it, as a VMM does with an
 * emulated device: configuration space and BARs as the CPU sees them.
 */

/** rf_device_config_read() - 1, 2 or 4 aligned bytes; all ones beyond its end */
RF_API uint32_t rf_device_config_read(struct rf_device *dev, unsigned off, unsigned size);
/** rf_device_config_write() - 1, 2 or 4 aligned bytes */
RF_API void rf_device_config_write(struct rf_device *dev, unsigned off, uint32_t val,
				   unsigned size);
/** rf_device_mmio_read() - 1, 2, 4 or 8 aligned bytes of a BAR; all ones when COMMAND.MEMORY is 0 */
RF_API uint64_t rf_device_mmio_read(struct rf_device *dev, unsigned bar, uint64_t off,
				    unsigned size);
/** rf_device_mmio_write() - 1, 2, 4 or 8 aligned bytes of a BAR */
RF_API void rf_device_mmio_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
				 unsigned size);
/** rf_device_reset() - what a function level reset does */
RF_API void rf_device_reset(struct rf_device *dev);

/**
 * rf_device_set_irq() - where one vector goes
 * @dev: the device
 * @vector: MSI or MSI-X vector; UINT32_MAX: INTx
 * @eventfd: written with 1 per interrupt, -1: nowhere; stays the caller's
 *
 * MSI-X (or MSI, without MSI-X) is enabled with the first vector set and
 * disabled with the last removed.
 *
 * Return: 0; -EINVAL for a vector the device does not have; -ENOMEM.
 */
RF_API int rf_device_set_irq(struct rf_device *dev, uint32_t vector, int eventfd);

#endif
