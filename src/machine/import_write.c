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

#include "base/log.h"
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

/* Up to the last that is known. */
static json_t *write_bar_sizes(const struct pci_function *fn)
{
	json_t *sizes = json_array();
	unsigned nr = RF_PCI_BARS + 1;

	while (nr && !fn->bar_size[nr - 1])
		nr--;
	for (unsigned i = 0; i < nr; i++)
		json_array_append_new(sizes, json_integer((json_int_t)fn->bar_size[i]));
	if (json_array_size(sizes) == nr)
		return sizes;
	json_decref(sizes);
	return NULL;
}

static bool bar_sizes_known(const struct pci_function *fn)
{
	for (unsigned i = 0; i <= RF_PCI_BARS; i++)
		if (fn->bar_size[i])
			return true;
	return false;
}

static json_t *write_bus(const struct writer *w, const struct pci_bus *bus);

/* What a function that does not answer cannot say itself. */
static bool write_silent(const struct pci_function *fn, json_t *object)
{
	char class[16];
	json_t *buses;

	snprintf(class, sizeof(class), "%06x", fn->class);
	if (fn->class && !put(object, "class", json_string(class)))
		return false;
	if (!pci_function_is_bridge(fn))
		return true;
	buses = json_pack("[i,i]", fn->secondary, fn->subordinate);
	return put(object, "type", json_string("pci-bridge")) && put(object, "bus", buses);
}

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
	       ((!fn->physfn && !fn->silent) || put(object, "id", json_string(id))) &&
	       (!fn->silent || write_silent(fn, object)) &&
	       (!fn->no_iommu || put(object, "no-iommu", json_true())) &&
	       put(object, "driver", json_string(fn->driver ?: "none")) &&
	       put(object, "config-size", json_integer(fn->config_size)) &&
	       put(object, "config", write_config(fn)) &&
	       (!bar_sizes_known(fn) || put(object, "bar-sizes", write_bar_sizes(fn))) &&
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

/* "0000:01:00.0 and 2 others" that @test holds for; "": none. */
static void import_those(const struct import *import, bool (*test)(const struct pci_function *fn),
			 char *text, size_t size)
{
	const struct pci_function *first = NULL;
	unsigned nr = 0;

	for (struct pci_function *fn = topology_first(import->topology); fn;
	     fn = topology_next(fn)) {
		if (test(fn) && !nr++)
			first = fn;
	}
	text[0] = '\0';
	if (nr == 1)
		snprintf(text, size, "%s", first->name);
	else if (nr)
		snprintf(text, size, "%s and %u other%s", first->name, nr - 1, nr > 2 ? "s" : "");
}

static bool is_silent(const struct pci_function *fn)
{
	return fn->silent;
}

/* What was taken though it may not be the whole truth, a line each. */
static void import_warn(const struct import *import)
{
	char those[PCI_NAME_SIZE + 32];

	import_those(import, is_silent, those, sizeof(those));
	if (those[0])
		log_line(LOG_WARN,
			 "%s: %s: configuration space reads as ones (powered down, or gone): taken "
			 "as plain functions, whose capabilities are not known",
			 import->name, those);
	import_those(import, pci_aliases_unread, those, sizeof(those));
	if (those[0])
		log_line(LOG_WARN,
			 "%s: %s: a Switchtec bridge whose DMA carries ids that are in its memory, "
			 "which is not read: say \"aliases\" in the machine file",
			 import->name, those);
	import_those(import, pci_bridge_unconfigured, those, sizeof(those));
	if (those[0])
		log_line(LOG_WARN,
			 "%s: %s: a bridge without bus numbers, which nobody configured: nothing "
			 "can be below",
			 import->name, those);
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
	if (!ret)
		import_warn(import);
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
