/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The steps from a function upward that decide its group, shared by those who
 * follow them (pci.c) and those who explain them (why.c).
 */
#ifndef RF_GROUP_PCI_ISOLATION_H
#define RF_GROUP_PCI_ISOLATION_H

#include "bus/topology.h"

/*
 * Whether a bridge gives the DMA of what is below it an id of its own: then
 * nothing below can be told apart.
 */
bool pci_bridge_hides(const struct pci_function *bridge);
/* A function of a multifunction device without isolation among its functions. */
bool pci_function_exposed(const struct pci_topology *topology, const struct pci_function *fn);

#endif
