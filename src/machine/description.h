/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptions: what a machine shall be, before it is built.
 *
 *	description_new()	read the machine file, or start empty
 *	description_add()	one --device
 *	description_complete()	decide what was left open
 *	description_write()	write it out, everything explicit
 *
 * A description is plain data; only models are looked up (and their shared
 * objects opened). It remembers where each device was written, so that what
 * goes wrong later still names the line.
 */
#ifndef RF_MACHINE_DESCRIPTION_H
#define RF_MACHINE_DESCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/device.h"
#include "bus/topology.h"
#include "iommu/kind.h"

#define GROUP_AUTO    (-1)
#define GROUP_NONE    (-2) /* no IOMMU above the device */
#define IRQ_LINE_AUTO (-1)

/**
 * struct device_desc - a device to be
 * @line: where in the machine file, 0: on the command line
 * @index: its place in "devices"
 * @spec: the --device text, or NULL
 * @model_name: as it shall be found again: a name or an absolute path
 * @driver: the host driver it is bound to; NULL: none
 * @group: a number, GROUP_AUTO or GROUP_NONE
 * @bars: addresses; meaningful where @bar_set
 * @props: names and values, ended by a NULL name; both allocated
 * @made: the device, once a machine is built of the description
 */
struct device_desc {
	unsigned line;
	unsigned index;
	char *spec;
	char *model_name;
	const struct rf_pci_model *model;
	bool address_set;
	struct pci_address address;
	int group;
	char *driver;
	bool bar_set[RF_PCI_BARS];
	uint64_t bars[RF_PCI_BARS];
	int irq_line;
	struct prop_value *props;
	size_t nr_props;
	struct rf_device *made;
};

enum memlock { MEMLOCK_NONE, MEMLOCK_HOST, MEMLOCK_BYTES };

/**
 * struct description - a machine to be
 * @name: what messages call it
 * @devices: sorted by address once complete
 * @topology: every function, those of the devices included; NULL: each device is
 *	on a bus of its own
 * @topology_text: it as it was written, in JSON
 * @enable_acs: let ports isolate as far as they can, as Linux does at boot
 */
struct description {
	char *name;
	const struct iommu_kind *iommu;
	bool irq_remapping;
	bool unsafe_interrupts;
	bool hide_mmap;
	bool emulate_huge_pages;
	bool iommufd_selftest;
	enum memlock memlock;
	uint64_t memlock_bytes;
	uint32_t entry_limit;
	struct device_desc **devices;
	size_t nr_devices;
	struct pci_topology *topology;
	char *topology_text;
	bool enable_acs;
};

/* @json may be NULL: no devices. 0; -EINVAL with *error; -ENOMEM. */
int description_new(const char *json, const char *name, struct description **out, char **error);
void description_free(struct description *desc);

/* Append what a --device says. 0; -EINVAL with *error; -ENOMEM. */
int description_add(struct description *desc, const char *spec, char **error);

/*
 * Give every device an address, a group and an interrupt line.
 * What is decided stays: completing again only serves devices added since.
 * 0; -EEXIST for an address that is taken, -EINVAL for what cannot be; both
 * with *error.
 */
int description_complete(struct description *desc, char **error);

/* JSON that reads back as the same description; to be freed. NULL without memory. */
char *description_write(const struct description *desc);

/* Put where the device was written before a line that says what is wrong with it. */
int description_blame(const struct description *desc, const struct device_desc *dev, int err,
		      char **error);

/* Parts of the above, shared between the files. */
struct device_desc *device_desc_new(void);
void device_desc_free(struct device_desc *dev);
int device_desc_append(struct description *desc, struct device_desc *dev);
/* Takes @dev off the list; frees it. */
void device_desc_remove(struct description *desc, struct device_desc *dev);
int device_desc_set_model(struct device_desc *dev, const char *name, char **error);
int device_desc_set_address(struct device_desc *dev, const char *text, char **error);
int device_desc_set_driver(struct device_desc *dev, const char *text, char **error);
/*
 * A property of the model; @value NULL: it was given none. -ENOENT when it has none of that name, with
 * *suggestion NULL or what may have been meant, out of its properties and
 * @others.
 */
int device_desc_set_prop(struct device_desc *dev, const char *name, const char *value,
			 const char *const *others, const char **suggestion);
/* A whole number, decimal or 0x hexadecimal, and nothing behind it. */
bool number_parse(const char *text, uint64_t *out);

#endif
