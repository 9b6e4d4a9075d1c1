/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Following the rules; see pci.h.
 *
 * Three steps, each of which ends where a group is found:
 *
 * 1. Up to the last function that gives the DMA its requester id: behind a
 *    conventional bridge nothing can be told apart, so the bridge stands for all.
 * 2. From there up, past every bridge from which the way to the root lets peers
 *    talk to each other unseen.
 * 3. Sideways, among the functions of the bus reached: those that use each
 *    other's requester ids, and those of one slot that are exposed to each other,
 *    transitively. A function is looked at once, however they are entangled.
 *
 * A bus without odd requester ids (nearly all) is never searched as a whole, so
 * a function costs its depth plus the eight functions of its slot.
 */
#include "group/pci.h"

#include <errno.h>

#include "group/pci_isolation.h"

struct search {
	const struct pci_topology *topology;
	uint64_t seen[PCI_DEVFNS / 64];
};

bool pci_bridge_hides(const struct pci_function *bridge)
{
	switch (bridge->pcie) {
	case PCIE_TO_PCI_BRIDGE:
	case PCI_TO_PCIE_BRIDGE:
	case PCIE_NONE:
		return true;
	default:
		return false;
	}
}

/* Whether peers of everything on the way up from @fn, itself included, are kept apart. */
static bool pci_path_isolated(const struct pci_topology *topology, const struct pci_function *fn)
{
	for (; fn; fn = fn->parent)
		if (!acs_check(topology, fn).isolated)
			return false;
	return true;
}

bool pci_function_exposed(const struct pci_topology *topology, const struct pci_function *fn)
{
	return fn->multifunction && !acs_check(topology, fn).isolated;
}

static int search_aliases(struct search *s, const struct pci_function *fn);

/* Functions of the same slot that are exposed to @fn, and whom they share ids with. */
static int search_slot(struct search *s, const struct pci_function *fn)
{
	if (!pci_function_exposed(s->topology, fn))
		return PCI_GROUP_NONE;
	for (unsigned f = 0; f < 8; f++) {
		const struct pci_function *other = fn->bus->at[fn->address.slot << 3 | f];
		int group;

		if (!other || other == fn || acs_check(s->topology, other).isolated)
			continue;
		group = search_aliases(s, other);
		if (group != PCI_GROUP_NONE)
			return group;
	}
	return PCI_GROUP_NONE;
}

/* @fn's own group, or that of any function it shares requester ids with. */
static int search_aliases(struct search *s, const struct pci_function *fn)
{
	unsigned devfn = pci_function_devfn(fn);
	int group;

	if (s->seen[devfn / 64] >> (devfn % 64) & 1)
		return PCI_GROUP_NONE;
	s->seen[devfn / 64] |= 1ull << (devfn % 64);
	if (fn->group != PCI_GROUP_NONE)
		return fn->group;
	for (unsigned i = 0; fn->bus->nr_aliases && i < PCI_DEVFNS; i++) {
		const struct pci_function *other = fn->bus->at[i];

		if (!other || other == fn || !pci_functions_alias(fn, other))
			continue;
		group = search_aliases(s, other);
		if (group == PCI_GROUP_NONE)
			group = search_slot(s, other);
		if (group != PCI_GROUP_NONE)
			return group;
	}
	return PCI_GROUP_NONE;
}

/* Step 1: who gives the DMA its id in the end. A group on the way is the answer. */
static const struct pci_function *climb_aliases(const struct pci_function *fn, int *group)
{
	const struct pci_function *at = fn->dma_device ? fn->dma_device : fn;
	const struct pci_function *bridge;

	*group = at == fn ? PCI_GROUP_NONE : at->group;
	for (bridge = at->parent; *group == PCI_GROUP_NONE && bridge; bridge = bridge->parent) {
		if (bridge->translation_root)
			break;
		if (!pci_bridge_hides(bridge))
			continue;
		at = bridge;
		*group = bridge->group;
	}
	return at;
}

/* Step 2. */
static const struct pci_function *climb_exposed(const struct pci_topology *topology,
						const struct pci_function *fn, int *group)
{
	const struct pci_function *bridge = fn->parent;

	while (*group == PCI_GROUP_NONE && bridge && !pci_path_isolated(topology, bridge)) {
		fn = bridge;
		*group = bridge->group;
		bridge = bridge->parent;
	}
	return fn;
}

static int find_by_isolation(const struct pci_topology *topology, const struct pci_function *fn)
{
	struct search s = { .topology = topology };
	int group;

	fn = climb_aliases(fn, &group);
	if (group == PCI_GROUP_NONE)
		fn = climb_exposed(topology, fn, &group);
	if (group == PCI_GROUP_NONE)
		group = search_aliases(&s, fn);
	if (group == PCI_GROUP_NONE)
		group = search_slot(&s, fn);
	return group;
}

/*
 * Partitionable endpoints: what firmware says; else a virtual function is one by
 * itself, and all functions of a bus are one, a PCIe-to-PCI bridge's buses
 * counting as a single bus.
 */
static const struct pci_bus *pe_bus(const struct pci_topology *topology,
				    const struct pci_function *fn)
{
	const struct pci_bus *bus = fn->bus;

	for (const struct pci_function *b = fn->parent; b; b = b->parent)
		if (b->pcie == PCIE_TO_PCI_BRIDGE)
			bus = topology_bus(topology, b->address.domain, b->secondary);
	return bus;
}

static int find_numbered_pe(const struct pci_topology *topology, const struct pci_function *fn)
{
	const struct pci_function *other = topology_first((struct pci_topology *)topology);

	for (; other; other = topology_next(other))
		if (other->pe == fn->pe && other->address.domain == fn->address.domain &&
		    other->group != PCI_GROUP_NONE)
			return other->group;
	return PCI_GROUP_NONE;
}

static int find_by_pe(const struct pci_topology *topology, const struct pci_function *fn)
{
	const struct pci_bus *bus;

	if (fn->pe != PCI_PE_NONE)
		return find_numbered_pe(topology, fn);
	if (fn->physfn)
		return PCI_GROUP_NONE;
	bus = pe_bus(topology, fn);
	for (unsigned i = 0; bus && i < PCI_DEVFNS; i++) {
		const struct pci_function *other = bus->at[i];

		if (other && other->group != PCI_GROUP_NONE && other->pe == PCI_PE_NONE &&
		    !other->physfn)
			return other->group;
	}
	return PCI_GROUP_NONE;
}

int pci_group_find(const struct pci_topology *topology, const struct pci_function *fn,
		   enum pci_grouping grouping)
{
	if (grouping == PCI_GROUPS_BY_PE)
		return find_by_pe(topology, fn);
	return find_by_isolation(topology, fn);
}

int pci_groups_compute(struct pci_topology *topology, enum pci_grouping grouping)
{
	struct pci_function *fn;
	int nr = 0;

	for (fn = topology_first(topology); fn; fn = topology_next(fn))
		fn->group = PCI_GROUP_NONE;
	for (fn = topology_first(topology); fn; fn = topology_next(fn)) {
		if (fn->no_iommu)
			continue;
		fn->group = pci_group_find(topology, fn, grouping);
		if (fn->group == PCI_GROUP_NONE)
			fn->group = nr++;
	}
	return nr;
}

int pci_provider_added(struct group_set *set, struct rf_device *dev)
{
	struct pci_function *fn = dev->function;
	struct rf_group *group;
	int id, ret;

	if (!fn || fn->no_iommu || dev->group_wish == DEVICE_NO_GROUP)
		return RF_NOT_MINE;
	id = pci_group_find(set->topology, fn, set->grouping);
	group = id == PCI_GROUP_NONE ? NULL : group_set_find(set, (unsigned)id);
	ret = group ? 0 : group_set_make(set, GROUP_ANY_ID, &group);
	if (ret)
		return ret;
	ret = group_add_device(group, dev);
	if (!ret)
		fn->group = (int)group->id;
	else if (!group->had_devices)
		group_free(group);
	return ret;
}
