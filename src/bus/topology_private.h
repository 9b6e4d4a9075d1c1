/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the topology's files tell each other.
 */
#ifndef RF_BUS_TOPOLOGY_PRIVATE_H
#define RF_BUS_TOPOLOGY_PRIVATE_H

#include "bus/topology.h"

/**
 * struct pci_topology - all functions
 * @functions: in the order they came; by address where @sorted
 * @nr_linked: how many of the first have been linked; 0 once an order or a
 *	bridge has changed
 * @buses: a hash table of @nr_slots (a power of two) slots, open addressing
 */
struct pci_topology {
	struct pci_function **functions;
	size_t nr, max;
	size_t nr_linked;
	bool sorted;
	bool no_ivrs;
	struct pci_bus **buses;
	size_t nr_buses, nr_slots;
};

/* The bus, made if it is not there; NULL without memory. */
struct pci_bus *topology_make_bus(struct pci_topology *topology, uint32_t domain, uint8_t bus);
/* By address, and linked by next. */
void topology_sort(struct pci_topology *topology);
/* quirks.c: aliases and odd bridges. The parent is known. */
void quirks_apply(struct pci_function *fn);

static inline bool pcie_is(const struct pci_function *fn, enum pcie_type type)
{
	return fn->pcie == type;
}

static inline void function_add_alias(struct pci_function *fn, unsigned devfn)
{
	fn->aliases[devfn / 64] |= 1ull << (devfn % 64);
}

static inline bool function_has_aliases(const struct pci_function *fn)
{
	return fn->dma_device || fn->aliases[0] | fn->aliases[1] | fn->aliases[2] | fn->aliases[3];
}

#endif
