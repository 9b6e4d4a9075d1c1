/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups as a table for people, and as JSON for programs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/groups.h"
#include "group/group.h"

bool function_viable(const struct pci_function *fn)
{
	return !fn->driver || driver_manages_dma(fn->driver);
}

bool group_is_viable(const struct groups_view *view, size_t first, size_t *end)
{
	bool viable = true;
	size_t i;

	for (i = first; i < view->nr && view->functions[i]->group == view->functions[first]->group;
	     i++)
		viable = viable && function_viable(view->functions[i]);
	*end = i;
	return viable;
}

/* The kernel put it elsewhere than we do: into the group of other functions. */
static bool differs(const struct groups_view *view, size_t first, size_t end, size_t i)
{
	const struct pci_function *fn = view->functions[i];
	int kernel = import_host_group(view->host, &fn->address);

	for (size_t j = first; j < end; j++)
		if (import_host_group(view->host, &view->functions[j]->address) != kernel)
			return true;
	/* somebody else is in the kernel's group */
	for (size_t j = 0; j < view->host->nr_groups; j++) {
		const struct host_group *other = &view->host->groups[j];
		const struct pci_function *member;

		if (other->group != kernel)
			continue;
		member = topology_find(view->topology, &other->address);
		if (member && member->group != fn->group)
			return true;
	}
	return false;
}

static void print_comparison(const struct groups_view *view, FILE *out)
{
	size_t end, wrong = 0;

	for (size_t i = 0; i < view->nr; i = end) {
		group_is_viable(view, i, &end);
		for (size_t j = i; j < end; j++) {
			const struct pci_function *fn = view->functions[j];
			int kernel = import_host_group(view->host, &fn->address);

			if (kernel == PCI_GROUP_NONE || !differs(view, i, end, j))
				continue;
			if (!wrong++)
				fputs("\nThe kernel groups otherwise:\n", out);
			fprintf(out, "  %-13s here in group %d, on this host in group %d\n",
				fn->name, fn->group, kernel);
		}
	}
	if (!wrong)
		fputs("\nThe kernel of this host has the same groups.\n", out);
	else if (view->host->nr_headers)
		fputs("  Ringfence could not see which ports isolate; as root it can.\n", out);
}

static void print_notes(const struct groups_view *view, FILE *out)
{
	const struct import *host = view->host;

	if (!host)
		return;
	if (host->nr_headers)
		fprintf(out,
			"\nOf %zu functions only the start of configuration space is known (the "
			"first 64 bytes\nwithout root, 256 with lspci -xxx), so which ports "
			"isolate "
			"(ACS) is unknown: these\nare the groups if none does. For more: sudo "
			"ringfence groups, or, elsewhere,\nsudo lspci -xxxx.\n",
			host->nr_headers);
	if (host->nr_groups)
		print_comparison(view, out);
	else
		fputs("\nNo IOMMU is on at this host, so its kernel has no groups: these are the "
		      "groups it\nwould have.\n",
		      out);
}

/* The longest driver's name, for the width of the column. */
static int driver_width(const struct groups_view *view)
{
	size_t width = strlen("DRIVER");

	for (size_t i = 0; i < view->nr; i++)
		if (view->functions[i]->driver && strlen(view->functions[i]->driver) > width)
			width = strlen(view->functions[i]->driver);
	return width > 24 ? 24 : (int)width;
}

void groups_print_table(const struct groups_view *view, FILE *out)
{
	int width = driver_width(view);
	char name[256];
	size_t end;

	fprintf(out, "%5s  %-6s  %-12s  %-*s  %s\n", "GROUP", "VIABLE", "ADDRESS", width, "DRIVER",
		"DEVICE");
	for (size_t i = 0; i < view->nr; i = end) {
		bool viable = group_is_viable(view, i, &end);

		for (size_t j = i; j < end; j++) {
			const struct pci_function *fn = view->functions[j];
			char group[16] = "";

			if (j == i && fn->group == PCI_GROUP_NONE)
				strcpy(group, "none");
			else if (j == i)
				snprintf(group, sizeof(group), "%d", fn->group);
			fprintf(out, "%5s  %-6s  %-12s  %-*s  %s [%04x:%04x]\n", group,
				j > i			    ? "" :
				fn->group == PCI_GROUP_NONE ? "-" :
				viable			    ? "yes" :
							      "no",
				fn->name, width, fn->driver ?: "-",
				names_device(view->names, fn, name, sizeof(name)), fn->vendor,
				fn->device);
		}
	}
	print_notes(view, out);
}

/* Takes over @value; false without memory. */
static bool put(json_t *object, const char *key, json_t *value)
{
	return !json_object_set_new(object, key, value);
}

static json_t *json_function(const struct groups_view *view, const struct pci_function *fn)
{
	int kernel = view->host ? import_host_group(view->host, &fn->address) : PCI_GROUP_NONE;
	json_t *object = json_object();
	char name[256], id[16], class[16];

	snprintf(id, sizeof(id), "%04x:%04x", fn->vendor, fn->device);
	snprintf(class, sizeof(class), "%06x", fn->class);
	if (put(object, "address", json_string(fn->name)) && put(object, "id", json_string(id)) &&
	    put(object, "class", json_string(class)) &&
	    put(object, "kind", json_string(pci_function_kind(fn))) &&
	    put(object, "name", json_string(names_device(view->names, fn, name, sizeof(name)))) &&
	    put(object, "driver", fn->driver ? json_string(fn->driver) : json_null()) &&
	    put(object, "parent", fn->parent ? json_string(fn->parent->name) : json_null()) &&
	    (kernel == PCI_GROUP_NONE || put(object, "kernel-group", json_integer(kernel))))
		return object;
	json_decref(object);
	return NULL;
}

static json_t *json_group(const struct groups_view *view, size_t first, size_t *end)
{
	bool viable = group_is_viable(view, first, end);
	int group = view->functions[first]->group;
	json_t *object = json_object(), *devices = json_array();

	for (size_t i = first; i < *end; i++)
		if (json_array_append_new(devices, json_function(view, view->functions[i])))
			goto fail;
	if (!put(object, "group", group == PCI_GROUP_NONE ? json_null() : json_integer(group)) ||
	    !put(object, "viable", json_boolean(viable && group != PCI_GROUP_NONE)))
		goto fail;
	if (put(object, "devices", devices))
		return object;
	devices = NULL;
fail:
	json_decref(devices);
	json_decref(object);
	return NULL;
}

int groups_print_json(const struct groups_view *view, FILE *out)
{
	json_t *root = json_object(), *groups = json_array();
	int ret = -ENOMEM;
	size_t end;

	for (size_t i = 0; i < view->nr; i = end)
		if (json_array_append_new(groups, json_group(view, i, &end)))
			goto out;
	if (view->host &&
	    !put(root, "unknown-capabilities", json_integer((json_int_t)view->host->nr_headers)))
		goto out;
	if (!json_object_set(root, "groups", groups) &&
	    !json_dumpf(root, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER)) {
		fputc('\n', out);
		ret = 0;
	}
out:
	json_decref(groups);
	json_decref(root);
	return ret;
}
