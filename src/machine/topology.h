/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The topology of a machine: which functions there are besides the devices
 * that are modelled, and where those sit among them.
 */
#ifndef RF_MACHINE_TOPOLOGY_H
#define RF_MACHINE_TOPOLOGY_H

#include "bus/topology.h"
#include "group/set.h"
#include "machine/description.h"

/*
 * Complete the topology of a description that has one: every device has its
 * place in it, every function its parent. Called again after devices were added.
 * 0; -EINVAL or -EEXIST with *error; -ENOMEM.
 */
int topology_complete(struct description *desc, char **error);

/* machine.c: by whose rules its functions are grouped: a host's with isolation, or POWER's. */
enum pci_grouping machine_grouping(const struct description *desc);

/* What is known without a description of firmware: whether it describes an AMD IOMMU. */
void topology_set_firmware(struct pci_topology *topology);

/* Where a device without an address goes: false when every place is taken. */
bool topology_vacancy(const struct description *desc, struct pci_address *out);

/*
 * The configuration space of a function, as it was read or as its fields would
 * have it, into @bytes: its size.
 */
unsigned topology_config(const struct pci_function *fn, uint8_t bytes[PCI_CONFIG_EXT_SIZE]);

/* "devices" of sysfs: "pci0000:00/0000:00:01.0/0000:01:00.0", as long as it fits. */
void topology_path(const struct pci_function *fn, char *path, size_t size);

#endif
