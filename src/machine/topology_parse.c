/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The "topology" of a machine file: an array of functions, each with what is
 * below it. Only what is peculiar need be said: addresses, buses, types and ids
 * have the defaults that a firmware and a plain board would give. A function may
 * instead bring its configuration space, which then says everything.
 *
 * Where a value stands is looked for only once it is wrong; and lines are counted
 * from the last function on, so that a file of 10,000 functions is read in
 * one pass.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/driver.h"
#include "machine/parse.h"
#include "machine/suggest.h"
#include "machine/topology.h"
#include "machine/topology_values.h"

#define DEPTH_MAX     16u
#define FUNCTIONS_MAX 200000u
#define SLOTS	      32u

/**
 * struct place - a bus that functions are being read for
 * @bus: its number
 * @parent: the bridge above, or NULL
 * @slot: the next one for a function without an address
 */
struct place {
	uint32_t domain;
	uint8_t bus;
	const struct pci_function *parent;
	unsigned slot;
};

/**
 * struct borrower - a function whose DMA carries the id of another
 * @lender: that one, which may be described further down
 * @spot: where that is said
 */
struct borrower {
	struct pci_function *fn;
	struct pci_address lender;
	struct spot spot;
};

/**
 * struct topology_reader - the array being read
 * @line: of @seen
 * @last_bus: the highest number given so far, whatever the domain
 * @deepest: the highest bus below the bridge being read
 * @borrowers: to be resolved once all functions are there
 */
struct topology_reader {
	struct reader *r;
	struct pci_topology *topology;
	const char *seen;
	unsigned line;
	unsigned last_bus;
	unsigned deepest;
	unsigned depth;
	struct borrower *borrowers;
	size_t nr_borrowers, max_borrowers;
};

static const char *const function_keys[] = {
	"address",     "type",		"id",	"subsystem", "class",	"revision",   "bus",
	"acs",	       "multifunction", "ari",	"sr-iov",    "pe",	"driver",     "config",
	"config-size", "below",		"name", "no-iommu",  "aliases", "dma-device", "bar-sizes",
	NULL,
};

/* Where a function is: as written, or the next slot of its bus. */
static int read_address(const struct reader *r, struct spot spot, const json_t *value,
			struct place *place, struct pci_address *at)
{
	const char *text = json_string_value(value);
	unsigned slot, function;
	int end = -1;

	*at = (struct pci_address){ .domain = place->domain, .bus = place->bus };
	if (!value) {
		if (place->slot >= SLOTS)
			return reader_fail(r, spot,
					   "no slot is left on bus %02x; give it an "
					   "address",
					   place->bus);
		at->slot = (uint8_t)place->slot;
	} else if (text && sscanf(text, "%2x.%1x%n", &slot, &function, &end) == 2 && end == 4 &&
		   !text[end] && slot < SLOTS && function < 8) {
		at->slot = (uint8_t)slot;
		at->function = (uint8_t)function;
	} else if (!text || pci_address_parse(text, at)) {
		return reader_fail(r, spot_member(spot, "address"),
				   "bad address \"%s\": expected DOMAIN:BUS:DEVICE.FUNCTION, e.g. "
				   "0000:01:00.0, or DEVICE.FUNCTION",
				   text ?: "?");
	}
	if (place->parent && (at->domain != place->domain || at->bus < place->bus))
		return reader_fail(r, spot_member(spot, "address"),
				   BDF_FMT " is not below this bridge, which leads to bus %02x",
				   at->domain, at->bus, at->slot, at->function, place->bus);
	if (place->slot <= at->slot)
		place->slot = at->slot + 1u;
	return 0;
}

/* The bus of the first function below that says it. */
static bool bus_below(const json_t *below, struct pci_address *at)
{
	for (size_t i = 0; i < json_array_size(below); i++) {
		const char *text =
			json_string_value(json_object_get(json_array_get(below, i), "address"));

		if (text && !pci_address_parse(text, at))
			return true;
	}
	return false;
}

static size_t default_type(const struct place *place, const json_t *object)
{
	const struct pci_function *parent = place->parent;
	const char *name = "endpoint";

	if (json_object_get(object, "below") || json_object_get(object, "bus"))
		name = !parent			     ? "root-port" :
		       parent->pcie == PCIE_UPSTREAM ? "downstream-port" :
		       parent->pcie == PCIE_ROOT_PORT || parent->pcie == PCIE_DOWNSTREAM ?
						       "upstream-port" :
						       "pci-bridge";
	else if (!parent)
		name = "pci";
	else if (parent->pcie == PCIE_TO_PCI_BRIDGE || parent->pcie == PCIE_NONE)
		name = "pci";
	for (size_t i = 0; i < FUNCTION_TYPES; i++)
		if (!strcmp(function_types[i].name, name))
			return i;
	return 0;
}

static int read_function_key(struct topology_reader *t, struct spot spot, const char *key,
			     json_t *value, struct pci_function *fn)
{
	const struct reader *r = t->r;
	uint64_t number;
	int ret;

	if (!strcmp(key, "id"))
		return value_ids(r, spot, key, value, &fn->vendor, &fn->device);
	if (!strcmp(key, "subsystem"))
		return value_ids(r, spot, key, value, &fn->subsystem_vendor, &fn->subsystem_device);
	if (!strcmp(key, "class"))
		return value_class(r, spot, value, fn);
	if (!strcmp(key, "bus"))
		return value_buses(r, spot, value, fn);
	if (!strcmp(key, "acs"))
		return value_acs(r, spot, value, fn);
	if (!strcmp(key, "multifunction"))
		return read_bool(r, spot_member(spot, key), key, value, &fn->multifunction);
	if (!strcmp(key, "ari"))
		return read_bool(r, spot_member(spot, key), key, value, &fn->ari);
	if (!strcmp(key, "no-iommu"))
		return read_bool(r, spot_member(spot, key), key, value, &fn->no_iommu);
	if (!strcmp(key, "aliases"))
		return value_aliases(r, spot, value, fn);
	if (!strcmp(key, "bar-sizes"))
		return value_bar_sizes(r, spot, value, fn);
	if (!strcmp(key, "revision") || !strcmp(key, "pe")) {
		bool pe = key[0] == 'p';

		ret = read_number(r, spot_member(spot, key), key, value, pe ? 65535 : 255, &number);
		if (!ret && pe)
			fn->pe = (int)number;
		else if (!ret)
			fn->revision = (uint8_t)number;
		return ret;
	}
	for (const char *const *known = function_keys; *known; known++)
		if (!strcmp(key, *known))
			return 0; /* read elsewhere */
	return read_unknown_key(r, spot_member(spot, key), key, suggest_word(key, function_keys));
}

static bool is_port(const struct pci_function *fn)
{
	return fn->pcie == PCIE_ROOT_PORT || fn->pcie == PCIE_UPSTREAM ||
	       fn->pcie == PCIE_DOWNSTREAM;
}

/* What the object says of the function itself; *driver to be freed. */
static int read_values(struct topology_reader *t, struct spot spot, json_t *object,
		       const struct place *place, struct pci_function *fn, char **driver)
{
	json_t *type_value = json_object_get(object, "type"), *value;
	size_t type = default_type(place, object);
	const char *key, *native;
	int ret = 0;

	if (type_value)
		ret = value_type(t->r, spot, type_value, &type);
	if (ret)
		return ret;
	fn->pcie = function_types[type].pcie;
	fn->header = function_types[type].header;
	fn->vendor = function_types[type].vendor;
	fn->device = function_types[type].device;
	fn->class = function_types[type].class;
	fn->subsystem_vendor = 0x1af4;
	fn->subsystem_device = 0x1100;
	json_object_foreach(object, key, value)
	{
		ret = read_function_key(t, spot, key, value, fn);
		if (ret)
			return ret;
	}
	value = json_object_get(object, "driver");
	if (value)
		return value_driver(t->r, spot_member(spot, "driver"), "driver", value, driver);
	native = is_port(fn) ? "pcieport" : driver_native(fn->class);
	if (native && !json_object_get(object, "config")) {
		*driver = strdup(native);
		return *driver ? 0 : -ENOMEM;
	}
	return 0;
}

static void use_bus(struct topology_reader *t, unsigned bus)
{
	if (t->last_bus < bus)
		t->last_bus = bus;
	if (t->deepest < bus)
		t->deepest = bus;
}

/* The buses of a bridge: as written, as those below say, or the next free one. */
static int choose_bus(struct topology_reader *t, struct spot spot, struct pci_function *fn,
		      const json_t *below)
{
	struct pci_address first;

	if (!fn->secondary && bus_below(below, &first))
		fn->secondary = first.bus;
	if (!fn->secondary) {
		if (t->last_bus >= 255)
			return reader_fail(t->r, spot, "no bus number is left; give it a \"bus\"");
		fn->secondary = (uint8_t)(t->last_bus + 1);
	}
	return 0;
}

/* The VFs that are not described by themselves. */
static int add_vfs(struct topology_reader *t, struct spot spot, struct pci_function *pf,
		   const char *driver)
{
	unsigned id = (unsigned)pf->address.bus << 8 | pci_function_devfn(pf);

	for (unsigned n = 0; n < pf->nr_vfs; n++) {
		unsigned at = id + pf->vf_offset + n * pf->vf_stride;
		struct pci_function vf = PCI_FUNCTION_INIT, *made;
		int ret;

		if (at > 0xffff)
			return reader_fail(t->r, spot, "\"sr-iov\": VF %u lies beyond bus ff", n);
		vf.address = (struct pci_address){ .domain = pf->address.domain,
						   .bus = (uint8_t)(at >> 8),
						   .slot = at >> 3 & 0x1f,
						   .function = at & 7 };
		vf.vendor = pf->vendor;
		vf.device = pf->vf_device ?: pf->device;
		vf.subsystem_vendor = pf->subsystem_vendor;
		vf.subsystem_device = pf->subsystem_device;
		vf.class = pf->class;
		vf.revision = pf->revision;
		vf.pcie = PCIE_ENDPOINT;
		vf.physfn = pf;
		vf.pe = pf->pe;
		vf.no_iommu = pf->no_iommu;
		vf.line = pf->line;
		vf.driver = (char *)driver;
		ret = topology_add(t->topology, &vf, &made);
		if (ret == -EEXIST)
			return reader_fail(t->r, spot,
					   "\"sr-iov\": the address of VF %u, " BDF_FMT
					   ", is taken",
					   n, vf.address.domain, vf.address.bus, vf.address.slot,
					   vf.address.function);
		if (ret)
			return ret;
		use_bus(t, vf.address.bus);
	}
	return 0;
}

static unsigned line_of(struct topology_reader *t, struct spot spot)
{
	for (; t->seen < spot.name; t->seen++)
		t->line += *t->seen == '\n';
	return t->line;
}

static int read_functions(struct topology_reader *t, struct spot spot, json_t *value,
			  struct place *place);

static int read_below(struct topology_reader *t, struct spot spot, json_t *object,
		      struct pci_function *fn)
{
	struct place place = { .domain = fn->address.domain, .bus = fn->secondary, .parent = fn };
	json_t *below = json_object_get(object, "below");
	int ret;

	use_bus(t, fn->secondary);
	if (!below)
		return 0;
	if (!pci_function_is_bridge(fn))
		return reader_fail(
			t->r, spot_member(spot, "below"),
			"\"below\": nothing can be below this function: it is no bridge");
	if (pci_bridge_unconfigured(fn))
		return reader_fail(t->r, spot_member(spot, "below"),
				   "\"below\": this bridge leads nowhere: its buses are 00");
	if (++t->depth > DEPTH_MAX)
		return reader_fail(t->r, spot, "more than %u bridges below each other", DEPTH_MAX);
	ret = read_functions(t, spot_member(spot, "below"), below, &place);
	t->depth--;
	return ret;
}

static int read_dma_device(struct topology_reader *t, struct spot spot, const json_t *value,
			   struct pci_function *fn)
{
	const char *text = json_string_value(value);
	size_t max = t->max_borrowers ? 2 * t->max_borrowers : 16;
	struct borrower *borrowers;
	struct pci_address at;

	if (!text || pci_address_parse(text, &at))
		return reader_fail(t->r, spot_member(spot, "dma-device"),
				   "\"dma-device\": expected an address, e.g. \"0000:00:0e.0\"");
	if (t->nr_borrowers == t->max_borrowers) {
		borrowers = realloc(t->borrowers, max * sizeof(*borrowers));
		if (!borrowers)
			return -ENOMEM;
		t->borrowers = borrowers;
		t->max_borrowers = max;
	}
	t->borrowers[t->nr_borrowers++] = (struct borrower){ .fn = fn, .lender = at, .spot = spot };
	return 0;
}

static int resolve_dma_devices(struct topology_reader *t)
{
	for (size_t i = 0; i < t->nr_borrowers; i++) {
		const struct borrower *b = &t->borrowers[i];
		struct pci_function *lender = topology_find(t->topology, &b->lender);

		if (!lender || lender == b->fn)
			return reader_fail(t->r, spot_member(b->spot, "dma-device"),
					   "\"dma-device\" of %s: no other function is at " BDF_FMT,
					   b->fn->name, b->lender.domain, b->lender.bus,
					   b->lender.slot, b->lender.function);
		b->fn->dma_device = lender;
	}
	return 0;
}

/* The function is in the topology; what is left is its own business. */
static int read_rest(struct topology_reader *t, struct spot spot, json_t *object,
		     struct pci_function *fn)
{
	json_t *config = json_object_get(object, "config"), *sriov, *below, *lender;
	char *vf_driver = NULL;
	unsigned above = t->deepest;
	int ret = 0;

	below = json_object_get(object, "below");
	if (config)
		ret = value_config(t->r, spot, config, json_object_get(object, "config-size"), fn);
	else if (pci_function_is_bridge(fn))
		ret = choose_bus(t, spot, fn, below);
	lender = json_object_get(object, "dma-device");
	if (!ret && lender)
		ret = read_dma_device(t, spot, lender, fn);
	sriov = json_object_get(object, "sr-iov");
	if (!ret && sriov)
		ret = value_sriov(t->r, spot, sriov, fn, &vf_driver);
	t->deepest = fn->secondary;
	if (!ret)
		ret = read_below(t, spot, object, fn);
	if (!ret && !config && pci_function_is_bridge(fn) && !fn->subordinate)
		fn->subordinate = (uint8_t)t->deepest;
	if (t->deepest < above)
		t->deepest = above;
	if (!ret && sriov)
		ret = add_vfs(t, spot, fn, vf_driver);
	free(vf_driver);
	return ret;
}

static int read_function(struct topology_reader *t, struct spot spot, json_t *object,
			 struct place *place)
{
	struct pci_function values = PCI_FUNCTION_INIT, *fn = NULL;
	struct reader *r = t->r;
	const char *above = r->function;
	char *driver = NULL, name[PCI_NAME_SIZE];
	int ret;

	if (!json_is_object(object))
		return read_wrong_type(r, spot, "topology", "an object", object);
	values.line = line_of(t, spot);
	ret = read_address(r, spot, json_object_get(object, "address"), place, &values.address);
	if (ret)
		return ret;
	snprintf(name, sizeof(name), BDF_FMT, values.address.domain, values.address.bus,
		 values.address.slot, values.address.function);
	r->function = name;
	ret = read_values(t, spot, object, place, &values, &driver);
	if (ret)
		goto out;
	if (topology_count(t->topology) >= FUNCTIONS_MAX) {
		ret = reader_fail(r, spot, "more than %u functions", FUNCTIONS_MAX);
		goto out;
	}
	values.driver = driver;
	ret = topology_add(t->topology, &values, &fn);
	if (ret == -EEXIST) {
		const struct pci_function *other = topology_find(t->topology, &values.address);

		ret = reader_fail(r, spot, "the address is taken by the function of line %u",
				  other->line);
	}
	if (!ret) {
		use_bus(t, values.address.bus);
		ret = read_rest(t, spot, object, fn);
	}
out:
	free(driver);
	r->function = above;
	return ret;
}

static int read_functions(struct topology_reader *t, struct spot spot, json_t *value,
			  struct place *place)
{
	struct spot at = spot_first(spot);
	int ret = 0;

	if (!json_is_array(value))
		return read_wrong_type(t->r, spot, place->parent ? "below" : "topology", "an array",
				       value);
	for (size_t i = 0; i < json_array_size(value) && !ret; i++, at = spot_next(at))
		ret = read_function(t, at, json_array_get(value, i), place);
	return ret;
}

int read_topology(struct reader *r, struct spot spot, json_t *value)
{
	struct topology_reader t = { .r = r, .seen = spot.text, .line = 1 };
	struct place root = { 0 };
	int ret;

	t.topology = topology_new();
	if (!t.topology)
		return -ENOMEM;
	topology_free(r->desc->topology);
	r->desc->topology = t.topology;
	r->desc->topology_text = json_dumps(value, JSON_COMPACT);
	if (!r->desc->topology_text)
		return -ENOMEM;
	ret = read_functions(&t, spot, value, &root);
	if (!ret)
		ret = resolve_dma_devices(&t);
	free(t.borrowers);
	return ret;
}
