/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions of a machine, found by address.
 *
 * Two indexes: an array of functions, which is sorted when somebody wants to
 * walk it, and a hash table of buses, each with a slot per devfn. So adding,
 * finding and removing a function cost O(1) however many there are, and a walk of
 * a bus looks at no other bus.
 */
#include "bus/topology_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define SLOTS_LEAST 64u
#define ARRAY_LEAST 64u

struct pci_topology *topology_new(void)
{
	struct pci_topology *topology = alloc_should_fail() ? NULL : calloc(1, sizeof(*topology));

	if (topology)
		topology->sorted = true;
	return topology;
}

static void function_free(struct pci_function *fn)
{
	free(fn->config);
	free(fn->driver);
	free(fn);
}

void topology_free(struct pci_topology *topology)
{
	if (!topology)
		return;
	for (size_t i = 0; i < topology->nr; i++)
		function_free(topology->functions[i]);
	for (size_t i = 0; i < topology->nr_slots; i++)
		free(topology->buses[i]);
	free(topology->functions);
	free(topology->buses);
	free(topology);
}

static size_t bus_hash(uint32_t domain, uint8_t bus)
{
	return (size_t)((((uint64_t)domain << 8 | bus) * 0x9e3779b97f4a7c15ull) >> 32);
}

/* Its slot, or the free one where it would go. */
static struct pci_bus **bus_slot(struct pci_bus **buses, size_t nr_slots, uint32_t domain,
				 uint8_t bus)
{
	size_t at = bus_hash(domain, bus) & (nr_slots - 1);

	while (buses[at] && (buses[at]->domain != domain || buses[at]->number != bus))
		at = (at + 1) & (nr_slots - 1);
	return &buses[at];
}

static int buses_grow(struct pci_topology *topology)
{
	size_t nr_slots = topology->nr_slots ? topology->nr_slots * 2 : SLOTS_LEAST;
	struct pci_bus **buses;

	if (topology->nr_buses * 2 < topology->nr_slots)
		return 0;
	buses = alloc_should_fail() ? NULL : calloc(nr_slots, sizeof(struct pci_bus *));
	if (!buses)
		return -ENOMEM;
	for (size_t i = 0; i < topology->nr_slots; i++) {
		struct pci_bus *bus = topology->buses[i];

		if (bus)
			*bus_slot(buses, nr_slots, bus->domain, bus->number) = bus;
	}
	free(topology->buses);
	topology->buses = buses;
	topology->nr_slots = nr_slots;
	return 0;
}

struct pci_bus *topology_bus(const struct pci_topology *topology, uint32_t domain, uint8_t bus)
{
	if (!topology->nr_slots)
		return NULL;
	return *bus_slot(topology->buses, topology->nr_slots, domain, bus);
}

struct pci_bus *topology_make_bus(struct pci_topology *topology, uint32_t domain, uint8_t number)
{
	struct pci_bus *bus = topology_bus(topology, domain, number);

	if (bus)
		return bus;
	if (buses_grow(topology))
		return NULL;
	bus = alloc_should_fail() ? NULL : calloc(1, sizeof(*bus));
	if (!bus)
		return NULL;
	bus->domain = domain;
	bus->number = number;
	*bus_slot(topology->buses, topology->nr_slots, domain, number) = bus;
	topology->nr_buses++;
	return bus;
}

static int functions_grow(struct pci_topology *topology)
{
	size_t max = topology->max ? topology->max * 2 : ARRAY_LEAST;
	struct pci_function **functions;

	if (topology->nr < topology->max)
		return 0;
	functions = alloc_should_fail() ?
			    NULL :
			    realloc(topology->functions, max * sizeof(struct pci_function *));
	if (!functions)
		return -ENOMEM;
	topology->functions = functions;
	topology->max = max;
	return 0;
}

/* A copy that shares nothing with @values. */
static struct pci_function *function_copy(const struct pci_function *values)
{
	struct pci_function *fn = alloc_should_fail() ? NULL : malloc(sizeof(*fn));

	if (!fn)
		return NULL;
	*fn = *values;
	fn->config = NULL;
	fn->config_size = 0;
	fn->parent = NULL;
	fn->alias_counted = false;
	fn->lends_id = false;
	fn->next = NULL;
	fn->driver = NULL;
	snprintf(fn->name, sizeof(fn->name), BDF_FMT, fn->address.domain, fn->address.bus,
		 fn->address.slot & 0x1fu, fn->address.function & 7u);
	if (!values->driver)
		return fn;
	fn->driver = alloc_should_fail() ? NULL : strdup(values->driver);
	if (!fn->driver) {
		free(fn);
		return NULL;
	}
	return fn;
}

static void topology_append(struct pci_topology *topology, struct pci_function *fn)
{
	if (topology->nr && topology->sorted) {
		struct pci_function *last = topology->functions[topology->nr - 1];

		topology->sorted = pci_address_compare(&last->address, &fn->address) < 0;
		last->next = fn;
	}
	topology->functions[topology->nr++] = fn;
}

int topology_add(struct pci_topology *topology, const struct pci_function *values,
		 struct pci_function **out)
{
	const struct pci_address *at = &values->address;
	struct pci_function *fn;
	struct pci_bus *bus;

	if (at->slot > 0x1f || at->function > 7)
		return -EINVAL;
	if (topology_find(topology, at))
		return -EEXIST;
	if (functions_grow(topology))
		return -ENOMEM;
	bus = topology_make_bus(topology, at->domain, at->bus);
	fn = bus ? function_copy(values) : NULL;
	if (!fn)
		return -ENOMEM;
	fn->bus = bus;
	bus->at[pci_function_devfn(fn)] = fn;
	bus->nr_functions++;
	topology_append(topology, fn);
	*out = fn;
	return 0;
}

/* Nobody may point to a function that goes. */
static void topology_forget(struct pci_topology *topology, const struct pci_function *fn)
{
	if (!fn->nr_vfs && !fn->lends_id && !pci_function_is_bridge(fn))
		return;
	for (size_t i = 0; i < topology->nr; i++) {
		struct pci_function *other = topology->functions[i];

		if (other->physfn == fn)
			other->physfn = NULL;
		if (other->parent == fn)
			other->parent = NULL;
		if (other->dma_device == fn)
			other->dma_device = NULL;
	}
}

void topology_remove(struct pci_topology *topology, struct pci_function *fn)
{
	size_t at = 0;

	topology_sort(topology);
	for (size_t end = topology->nr; at < end;) {
		size_t middle = (at + end) / 2;

		if (pci_address_compare(&topology->functions[middle]->address, &fn->address) < 0)
			at = middle + 1;
		else
			end = middle;
	}
	if (at)
		topology->functions[at - 1]->next = fn->next;
	memmove(topology->functions + at, topology->functions + at + 1,
		(topology->nr - at - 1) * sizeof(struct pci_function *));
	topology->nr--;
	topology->nr_linked = 0;

	if (fn->alias_counted)
		fn->bus->nr_aliases--;
	fn->bus->at[pci_function_devfn(fn)] = NULL;
	fn->bus->nr_functions--;
	if (pci_function_is_bridge(fn)) {
		struct pci_bus *below = topology_bus(topology, fn->address.domain, fn->secondary);

		if (below && below->bridge == fn)
			below->bridge = NULL;
	}
	topology_forget(topology, fn);
	function_free(fn);
}

static int by_address(const void *a, const void *b)
{
	const struct pci_function *const *x = a, *const *y = b;

	return pci_address_compare(&(*x)->address, &(*y)->address);
}

void topology_sort(struct pci_topology *topology)
{
	if (topology->sorted)
		return;
	qsort(topology->functions, topology->nr, sizeof(struct pci_function *), by_address);
	for (size_t i = 0; i < topology->nr; i++)
		topology->functions[i]->next =
			i + 1 < topology->nr ? topology->functions[i + 1] : NULL;
	topology->sorted = true;
	topology->nr_linked = 0;
}

struct pci_function *topology_find(const struct pci_topology *topology,
				   const struct pci_address *address)
{
	struct pci_bus *bus = topology_bus(topology, address->domain, address->bus);

	if (!bus || address->slot > 0x1f || address->function > 7)
		return NULL;
	return bus->at[address->slot << 3 | address->function];
}

struct pci_function *topology_first(struct pci_topology *topology)
{
	topology_sort(topology);
	return topology->nr ? topology->functions[0] : NULL;
}

size_t topology_count(const struct pci_topology *topology)
{
	return topology->nr;
}

void topology_set_no_ivrs(struct pci_topology *topology)
{
	topology->no_ivrs = true;
}

bool topology_no_ivrs(const struct pci_topology *topology)
{
	return topology->no_ivrs;
}

void topology_enable_acs(struct pci_topology *topology)
{
	for (size_t i = 0; i < topology->nr; i++) {
		struct pci_function *fn = topology->functions[i];

		fn->acs_ctrl |= fn->acs_cap & ACS_ISOLATION;
		fn->acs_ctrl_wide |= fn->acs_cap & ACS_ISOLATION;
	}
}

bool pci_functions_alias(const struct pci_function *a, const struct pci_function *b)
{
	unsigned x = pci_function_devfn(a), y = pci_function_devfn(b);

	if (a->dma_device == b || b->dma_device == a)
		return true;
	return a->bus == b->bus &&
	       ((a->aliases[y / 64] >> (y % 64) & 1) || (b->aliases[x / 64] >> (x % 64) & 1));
}

const char *pci_function_kind(const struct pci_function *fn)
{
	switch ((enum pcie_type)fn->pcie) {
	case PCIE_ENDPOINT:
		return "PCIe endpoint";
	case PCIE_LEGACY_ENDPOINT:
		return "legacy PCIe endpoint";
	case PCIE_ROOT_PORT:
		return "root port";
	case PCIE_UPSTREAM:
		return "switch upstream port";
	case PCIE_DOWNSTREAM:
		return "switch downstream port";
	case PCIE_TO_PCI_BRIDGE:
		return "PCIe-to-PCI bridge";
	case PCI_TO_PCIE_BRIDGE:
		return "PCI-to-PCIe bridge";
	case PCIE_RC_ENDPOINT:
		return "root complex integrated endpoint";
	case PCIE_RC_EVENT_COLLECTOR:
		return "root complex event collector";
	case PCIE_NONE:
		break;
	}
	if (fn->silent)
		return pci_function_is_bridge(fn) ? "bridge that does not answer" :
						    "function that does not answer";
	if (fn->header == PCI_HEADER_CARDBUS)
		return "CardBus bridge";
	return fn->header == PCI_HEADER_BRIDGE ? "PCI bridge" : "conventional PCI function";
}
