/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A topology as a machine file: functions below their bridges, each with its
 * address, its driver and its configuration space, lines of zeros left out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "machine/fail.h"
#include "machine/import.h"

struct writer {
	const struct import *import;
	const char *(*name_of)(const struct pci_function *fn, void *arg);
	void *arg;
	bool acs_off; /* no ACS is enabled anywhere: the host ran without its IOMMU */
};

/* Takes over @value; false without memory. */
static bool put(json_t *object, const char *key, json_t *value)
{
	return !json_object_set_new(object, key, value);
}

static json_t *write_config(const struct pci_function *fn)
{
	json_t *lines = json_array();

	for (unsigned at = 0; at < fn->config_size; at += 16) {
		char text[64];
		size_t used = (size_t)snprintf(text, sizeof(text), "%02x:", at);
		unsigned any = !at;

		for (unsigned i = 0; i < 16 && at + i < fn->config_size; i++) {
			any |= fn->config[at + i];
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %02x",
						 fn->config[at + i]);
		}
		if (any && json_array_append_new(lines, json_string(text))) {
			json_decref(lines);
			return NULL;
		}
	}
	return lines;
}

static json_t *write_bus(const struct writer *w, const struct pci_bus *bus);

static json_t *write_function(const struct writer *w, const struct pci_function *fn)
{
	const struct pci_bus *below = NULL;
	json_t *object = json_object();
	const char *name = w->name_of ? w->name_of(fn, w->arg) : NULL;
	char id[16];
	bool fine;

	snprintf(id, sizeof(id), "%04x:%04x", fn->vendor, fn->device);
	if (pci_function_is_bridge(fn))
		below = topology_bus(w->import->topology, fn->address.domain, fn->secondary);
	fine = put(object, "address", json_string(fn->name)) &&
	       (!name || put(object, "name", json_string(name))) &&
	       (!fn->dma_device || put(object, "dma-device", json_string(fn->dma_device->name))) &&
	       (!fn->physfn || put(object, "id", json_string(id))) &&
	       put(object, "driver", json_string(fn->driver ?: "none")) &&
	       put(object, "config-size", json_integer(fn->config_size)) &&
	       put(object, "config", write_config(fn)) &&
	       (!below || !below->nr_functions || below->bridge != fn ||
		put(object, "below", write_bus(w, below)));
	if (fine)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *write_bus(const struct writer *w, const struct pci_bus *bus)
{
	json_t *array = json_array();

	for (unsigned devfn = 0; devfn < PCI_DEVFNS; devfn++)
		if (bus->at[devfn] &&
		    json_array_append_new(array, write_function(w, bus->at[devfn]))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* Every bus to which no bridge leads. */
static json_t *write_roots(struct writer *w)
{
	struct pci_topology *topology = w->import->topology;
	json_t *array = json_array();

	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn))
		if (!fn->bus->bridge && json_array_append_new(array, write_function(w, fn))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

char *import_write(const struct import *import,
		   const char *(*name_of)(const struct pci_function *fn, void *arg), void *arg)
{
	struct writer w = { .import = import, .name_of = name_of, .arg = arg, .acs_off = true };
	json_t *root = json_object();
	bool has_acs = false;
	char *text = NULL;

	for (struct pci_function *fn = topology_first(import->topology); fn;
	     fn = topology_next(fn)) {
		has_acs = has_acs || fn->has_acs;
		w.acs_off = w.acs_off && !fn->acs_ctrl;
	}
	if ((!has_acs || !w.acs_off || put(root, "enable-acs", json_true())) &&
	    put(root, "topology", write_roots(&w)))
		text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	return text;
}

int import_link(struct import *import, char **error)
{
	const struct pci_function *blame = NULL;
	char *why = NULL;
	int ret = topology_link(import->topology, &blame, &why);

	if (ret) {
		fail(ret, error, "%s", why ?: strerror(-ret));
		if (blame && blame->line)
			fail_prefix(ret, error, "%s:%u", import->name, blame->line);
		else
			fail_prefix(ret, error, "%s", import->name);
	}
	free(why);
	return ret;
}

void import_release(struct import *import)
{
	topology_free(import->topology);
	free(import->groups);
	import->topology = NULL;
	import->groups = NULL;
	import->nr_groups = 0;
}
