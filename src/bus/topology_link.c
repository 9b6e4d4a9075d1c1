/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is below whom.
 *
 * A bridge's secondary bus has a higher number than the bus it is on: that is how
 * configuration requests find their way, and why bridges cannot form a circle.
 * So one pass in the order of addresses sees every parent before its children.
 *
 * Adding a plain function links only that one; a bridge, or a PF with VFs, has
 * everything linked anew, as it changes what others hang on.
 */
#include <errno.h>

#include "bus/internal.h"
#include "bus/topology_private.h"

#define CLASS_BRIDGE 0x0604u

static int refuse(const struct pci_function *fn, const struct pci_function **blame)
{
	*blame = fn;
	return -EINVAL;
}

/* Enter a bridge as the one that leads to its secondary bus. */
static int link_bridge(struct pci_topology *topology, struct pci_function *fn,
		       const struct pci_function **blame, char **error)
{
	struct pci_bus *below;

	if (pci_bridge_unconfigured(fn))
		return 0;
	if (!fn->secondary) {
		*error =
			message("%s: this bridge leads nowhere: its secondary bus is 00", fn->name);
		return refuse(fn, blame);
	}
	if (fn->secondary <= fn->address.bus) {
		*error = message("%s: this bridge leads in a circle: bus %02x is not below bus "
				 "%02x, on which it is",
				 fn->name, fn->secondary, fn->address.bus);
		return refuse(fn, blame);
	}
	if (fn->subordinate < fn->secondary) {
		*error = message("%s: this bridge leads nowhere: its last bus, %02x, is before "
				 "its first, %02x",
				 fn->name, fn->subordinate, fn->secondary);
		return refuse(fn, blame);
	}
	below = topology_make_bus(topology, fn->address.domain, fn->secondary);
	if (!below)
		return -ENOMEM;
	if (below->bridge && below->bridge != fn) {
		*error = message("%s: this bridge leads to bus %02x, but so does %s", fn->name,
				 fn->secondary, below->bridge->name);
		return refuse(fn, blame);
	}
	below->bridge = fn;
	return 0;
}

static struct pci_function *vf_at(const struct pci_topology *topology,
				  const struct pci_function *pf, unsigned n)
{
	unsigned id = (unsigned)pf->address.bus << 8 | pci_function_devfn(pf);
	struct pci_address at = { .domain = pf->address.domain };

	id += pf->vf_offset + n * pf->vf_stride;
	if (id > 0xffff)
		return NULL;
	at.bus = (uint8_t)(id >> 8);
	at.slot = id >> 3 & 0x1f;
	at.function = id & 7;
	return topology_find(topology, &at);
}

/* What a VF cannot say itself is what its PF says. */
static void link_vfs(const struct pci_topology *topology, struct pci_function *pf)
{
	for (unsigned n = 0; n < pf->nr_vfs; n++) {
		struct pci_function *vf = vf_at(topology, pf, n);

		if (vf && vf != pf && !vf->physfn && !pci_function_is_bridge(vf))
			vf->physfn = pf;
	}
}

static void link_identity(struct pci_function *vf)
{
	const struct pci_function *pf = vf->physfn;

	if (!vf->vendor || vf->vendor == 0xffff)
		vf->vendor = pf->vendor;
	if (!vf->device || vf->device == 0xffff)
		vf->device = pf->vf_device;
	vf->multifunction = false;
}

/* The nearest bridge in whose range a bus lies that is none's secondary bus. */
static struct pci_function *bus_owner(const struct pci_topology *topology,
				      const struct pci_bus *bus)
{
	struct pci_function *owner = NULL;

	for (size_t i = 0; i < topology->nr; i++) {
		struct pci_function *fn = topology->functions[i];

		if (pci_function_is_bridge(fn) && !pci_bridge_unconfigured(fn) &&
		    fn->address.domain == bus->domain && fn->secondary <= bus->number &&
		    bus->number <= fn->subordinate && (!owner || fn->secondary > owner->secondary))
			owner = fn;
	}
	return owner;
}

/* Whether a bridge below @owner does not say where it leads. */
static bool bus_behind_silence(const struct pci_topology *topology, const struct pci_bus *bus,
			       const struct pci_function *owner)
{
	for (size_t i = 0; i < topology->nr; i++) {
		const struct pci_function *fn = topology->functions[i];

		if (fn->silent && fn->class >> 8 == CLASS_BRIDGE && !fn->secondary &&
		    fn->address.domain == bus->domain && owner->secondary <= fn->address.bus &&
		    fn->address.bus < bus->number)
			return true;
	}
	return false;
}

static int link_parent(struct pci_topology *topology, struct pci_function *fn,
		       const struct pci_function **blame, char **error)
{
	struct pci_function *owner;

	fn->parent = fn->bus->bridge;
	if (fn->parent)
		return 0;
	if (fn->physfn) {
		fn->parent = fn->physfn->parent;
		return 0;
	}
	/* the first of its bus asks for all */
	for (unsigned devfn = 0; devfn < pci_function_devfn(fn); devfn++) {
		const struct pci_function *first = fn->bus->at[devfn];

		if (first && !first->physfn) {
			fn->parent = first->parent;
			return 0;
		}
	}
	owner = bus_owner(topology, fn->bus);
	if (!owner)
		return 0;
	if (bus_behind_silence(topology, fn->bus, owner)) {
		fn->parent = owner;
		return 0;
	}
	*error = message("%s: no bridge leads to bus %02x, though it is one of those below %s",
			 fn->name, fn->address.bus, owner->name);
	return refuse(fn, blame);
}

/* Functions beyond the first are there only in a multifunction device. */
static void link_multifunction(struct pci_function *fn)
{
	bool ari = fn->parent && fn->parent->ari && fn->bus->bridge == fn->parent;

	if (fn->physfn) {
		link_identity(fn);
		return;
	}
	if (fn->address.function || (ari && fn->address.slot))
		fn->multifunction = true;
	if (fn->address.function) {
		struct pci_function *first = fn->bus->at[fn->address.slot << 3];

		if (first && (!first->config || first->silent) && !first->physfn)
			first->multifunction = true;
	}
}

static bool port_leads_down(const struct pci_function *fn)
{
	return fn->pcie == PCIE_ROOT_PORT || fn->pcie == PCIE_DOWNSTREAM ||
	       fn->pcie == PCI_TO_PCIE_BRIDGE;
}

/* Some switches call their upstream port a downstream one, or the reverse. */
static void link_port_type(struct pci_function *fn)
{
	if (!fn->parent)
		return;
	if (fn->pcie == PCIE_DOWNSTREAM && port_leads_down(fn->parent))
		fn->pcie = PCIE_UPSTREAM;
	else if (fn->pcie == PCIE_UPSTREAM && fn->parent->pcie == PCIE_UPSTREAM)
		fn->pcie = PCIE_DOWNSTREAM;
}

static int link_function(struct pci_topology *topology, struct pci_function *fn,
			 const struct pci_function **blame, char **error)
{
	int ret = link_parent(topology, fn, blame, error);

	if (ret)
		return ret;
	link_multifunction(fn);
	link_port_type(fn);
	if (fn->dma_device)
		fn->dma_device->lends_id = true;
	quirks_apply(fn);
	return 0;
}

int topology_link(struct pci_topology *topology, const struct pci_function **blame, char **error)
{
	size_t first = topology->nr_linked;
	bool anew = false;
	int ret;

	*error = NULL;
	*blame = NULL;
	for (size_t i = first; i < topology->nr; i++) {
		struct pci_function *fn = topology->functions[i];

		if (pci_function_is_bridge(fn)) {
			ret = link_bridge(topology, fn, blame, error);
			if (ret)
				return ret;
		}
		anew |= pci_function_is_bridge(fn) || fn->nr_vfs || !topology->sorted;
	}
	if (anew) {
		topology_sort(topology);
		first = 0;
	}
	for (size_t i = first; i < topology->nr; i++)
		link_vfs(topology, topology->functions[i]);
	for (size_t i = first; i < topology->nr; i++) {
		ret = link_function(topology, topology->functions[i], blame, error);
		if (ret)
			return ret;
	}
	topology->nr_linked = topology->nr;
	return 0;
}
