/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding the reasons; see why.h.
 *
 * Where pci.c stops at the first group it finds, this goes all the way up and
 * sideways, so that the answer does not depend on who was grouped first.
 */
#include "group/why.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "group/pci_isolation.h"

#define ARRAY_LEAST 8u

struct finding {
	const struct pci_topology *topology;
	struct group_reason *reasons;
	size_t nr, max;
	int err;
	uint64_t seen[PCI_DEVFNS / 64];
};

static void find_add(struct finding *f, const struct group_reason *reason)
{
	struct group_reason *reasons;
	size_t max = f->max ? f->max * 2 : ARRAY_LEAST;

	if (f->err)
		return;
	if (f->nr == f->max) {
		reasons = alloc_should_fail() ? NULL : realloc(f->reasons, max * sizeof(*reasons));
		if (!reasons) {
			f->err = -ENOMEM;
			return;
		}
		f->reasons = reasons;
		f->max = max;
	}
	f->reasons[f->nr++] = *reason;
}

static void find_unknown(struct finding *f, const struct pci_function *fn)
{
	if (!fn->caps_known)
		find_add(f, &(struct group_reason){ .kind = REASON_CAPS_UNKNOWN, .subject = fn });
}

/* Step 1 of pci.c. */
static const struct pci_function *find_bridges(struct finding *f, const struct pci_function *fn)
{
	const struct pci_function *at = fn, *bridge;

	if (fn->dma_device) {
		at = fn->dma_device;
		find_add(f, &(struct group_reason){
				    .kind = REASON_DMA_DEVICE, .subject = fn, .cause = at });
	}
	for (bridge = at->parent; bridge && !bridge->translation_root; bridge = bridge->parent) {
		if (!pci_bridge_hides(bridge))
			continue;
		find_add(f, &(struct group_reason){ .kind = REASON_BRIDGE,
						    .subject = at,
						    .cause = bridge,
						    .text = pci_alias_quirk(bridge) });
		at = bridge;
	}
	return at;
}

/* Step 2: every port that lets peers through; the highest is where the group is. */
static const struct pci_function *find_ports(struct finding *f, const struct pci_function *fn)
{
	const struct pci_function *at = fn, *bridge;

	for (bridge = fn->parent; bridge; bridge = bridge->parent) {
		struct acs_verdict acs = acs_check(f->topology, bridge);

		if (acs.isolated)
			continue;
		find_unknown(f, bridge);
		find_add(f, &(struct group_reason){ .kind = REASON_NO_ACS,
						    .subject = fn,
						    .cause = bridge,
						    .acs = acs });
		at = bridge;
	}
	return at;
}

static void find_aliases(struct finding *f, const struct pci_function *fn);

static void find_siblings(struct finding *f, const struct pci_function *fn)
{
	struct acs_verdict acs = acs_check(f->topology, fn);

	if (!fn->multifunction || acs.isolated)
		return;
	for (unsigned i = 0; i < 8; i++) {
		const struct pci_function *other = fn->bus->at[fn->address.slot << 3 | i];
		struct acs_verdict others;

		if (!other || other == fn)
			continue;
		others = acs_check(f->topology, other);
		if (others.isolated)
			continue;
		find_add(f, &(struct group_reason){ .kind = REASON_SIBLING,
						    .subject = fn,
						    .cause = other,
						    .acs = acs,
						    .cause_acs = others });
		find_aliases(f, other);
	}
}

static void find_phantoms(struct finding *f, const struct pci_function *fn)
{
	const char *text = pci_alias_quirk(fn);

	for (unsigned i = 0; i < PCI_DEVFNS; i++) {
		if (!(fn->aliases[i / 64] >> (i % 64) & 1) || fn->bus->at[i])
			continue;
		find_add(f, &(struct group_reason){ .kind = REASON_PHANTOM,
						    .subject = fn,
						    .text = text,
						    .devfn = (uint8_t)i });
		return; /* one stands for all */
	}
}

static void find_aliases(struct finding *f, const struct pci_function *fn)
{
	unsigned devfn = pci_function_devfn(fn);

	if (f->seen[devfn / 64] >> (devfn % 64) & 1)
		return;
	f->seen[devfn / 64] |= 1ull << (devfn % 64);
	for (unsigned i = 0; fn->bus->nr_aliases && i < PCI_DEVFNS; i++) {
		const struct pci_function *other = fn->bus->at[i];
		const char *text;

		if (!other || other == fn || !pci_functions_alias(fn, other))
			continue;
		if (f->seen[i / 64] >> (i % 64) & 1)
			continue;
		text = pci_alias_quirk(fn);
		find_add(f, &(struct group_reason){ .kind = REASON_ALIAS,
						    .subject = fn,
						    .cause = other,
						    .text = text ? text : pci_alias_quirk(other) });
		find_aliases(f, other);
		find_siblings(f, other);
	}
	find_phantoms(f, fn);
}

/* Whom @fn itself lets through, or lends its id: they are with it. */
static void find_below(struct finding *f, const struct pci_function *fn)
{
	const struct pci_bus *bus = NULL;
	const struct pci_function *child = NULL;
	struct acs_verdict acs = acs_check(f->topology, fn);

	if (pci_function_is_bridge(fn))
		bus = topology_bus(f->topology, fn->address.domain, fn->secondary);
	for (unsigned i = 0; bus && bus->bridge == fn && !child && i < PCI_DEVFNS; i++)
		if (bus->at[i] && !bus->at[i]->no_iommu && !bus->at[i]->dma_device)
			child = bus->at[i];
	if (!child)
		return;
	if (pci_bridge_hides(fn) && !fn->translation_root) {
		find_add(f, &(struct group_reason){ .kind = REASON_BRIDGE,
						    .subject = child,
						    .cause = fn,
						    .text = pci_alias_quirk(fn) });
	} else if (!acs.isolated) {
		find_add(f, &(struct group_reason){ .kind = REASON_NO_ACS,
						    .subject = child,
						    .cause = fn,
						    .acs = acs });
	}
}

static void find_borrower(struct finding *f, const struct pci_function *fn)
{
	const struct pci_function *other = topology_first((struct pci_topology *)f->topology);

	while (fn->lends_id && other && (other->dma_device != fn || other->no_iommu))
		other = topology_next(other);
	if (fn->lends_id && other)
		find_add(f, &(struct group_reason){
				    .kind = REASON_DMA_DEVICE, .subject = other, .cause = fn });
}

static bool joins_others(const struct group_reason *reason)
{
	return reason->kind != REASON_PHANTOM && reason->kind != REASON_CAPS_UNKNOWN;
}

static void find_by_isolation(struct finding *f, const struct pci_function *fn)
{
	const struct pci_function *at, *start;
	bool joined = false;

	find_unknown(f, fn);
	start = find_bridges(f, fn);
	at = find_ports(f, start);
	if (at != start) { /* what would join it yet if the ports were other ones */
		find_aliases(f, start);
		find_siblings(f, start);
		memset(f->seen, 0, sizeof(f->seen));
	}
	find_aliases(f, at);
	find_siblings(f, at);
	find_below(f, fn);
	find_borrower(f, fn);
	for (size_t i = 0; i < f->nr; i++)
		joined |= joins_others(&f->reasons[i]);
	if (!joined)
		find_add(f, &(struct group_reason){ .kind = REASON_ALONE,
						    .subject = fn,
						    .acs = acs_check(f->topology, fn) });
}

static void find_by_pe(struct finding *f, const struct pci_function *fn)
{
	const struct pci_function *top = fn->parent;

	if (fn->pe != PCI_PE_NONE) {
		find_add(f, &(struct group_reason){
				    .kind = REASON_PE_NUMBER, .subject = fn, .pe = fn->pe });
		return;
	}
	if (fn->physfn) {
		find_add(f, &(struct group_reason){
				    .kind = REASON_PE_VF, .subject = fn, .cause = fn->physfn });
		return;
	}
	for (const struct pci_function *b = fn->parent; b; b = b->parent)
		if (b->pcie == PCIE_TO_PCI_BRIDGE)
			top = b;
	find_add(f, &(struct group_reason){ .kind = REASON_PE_BUS, .subject = fn, .cause = top });
}

int why_function(const struct pci_topology *topology, const struct pci_function *fn,
		 enum pci_grouping grouping, struct group_reason **reasons, size_t *nr)
{
	struct finding f = { .topology = topology };

	if (fn->no_iommu)
		find_add(&f, &(struct group_reason){ .kind = REASON_NO_IOMMU, .subject = fn });
	else if (grouping == PCI_GROUPS_BY_PE)
		find_by_pe(&f, fn);
	else
		find_by_isolation(&f, fn);
	if (f.err) {
		free(f.reasons);
		return f.err;
	}
	*reasons = f.reasons;
	*nr = f.nr;
	return 0;
}
