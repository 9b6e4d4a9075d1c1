/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups of PCI functions, from the topology alone.
 *
 * The answers are those of Linux 6.12: a function joins the group of an upstream
 * function whose requester id its DMA may carry; of the highest bridge above it
 * from which peers can be reached; or of functions of its slot with which it has
 * no isolation. Otherwise it has a group of its own.
 */
#ifndef RF_GROUP_PCI_H
#define RF_GROUP_PCI_H

#include "bus/topology.h"
#include "group/set.h"

/*
 * The group that @fn belongs to, out of those that other functions are in;
 * PCI_GROUP_NONE: a new one. Functions above it must have been grouped before.
 */
int pci_group_find(const struct pci_topology *topology, const struct pci_function *fn,
		   enum pci_grouping grouping);

/*
 * Number the groups of all functions from 0, in the order of addresses, as a
 * host does at boot. Functions without an IOMMU get none. The topology is linked.
 * Returns the number of groups.
 */
int pci_groups_compute(struct pci_topology *topology, enum pci_grouping grouping);

/* set.c: the built-in provider's part. */
int pci_provider_added(struct group_set *set, struct rf_device *dev);

#endif
