/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The importer: arbitrary text either is a topology, or is refused with one line;
 * and a topology, written as a machine file, reads back with the same groups.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "group/pci.h"
#include "machine/description.h"
#include "machine/import.h"
#include "machine/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool what, const char *said)
{
	if (!what) {
		fprintf(stderr, "%s\n", said);
		abort();
	}
}

static void same_groups(struct pci_topology *one, struct pci_topology *other)
{
	struct pci_function *b = topology_first(other);

	for (struct pci_function *a = topology_first(one); a; a = topology_next(a)) {
		insist(b && !strcmp(a->name, b->name), "read back with other functions");
		insist(a->group == b->group, "read back with other groups");
		b = topology_next(b);
	}
	insist(!b, "read back with more functions");
}

static void round_trip(const struct import *import)
{
	char *json = import_write(import, NULL, NULL), *error = NULL;
	struct rf_machine *machine;
	bool enabled;

	insist(json, "not written");
	enabled = strstr(json, "\"enable-acs\"");
	if (rf_machine_new(json, "again", &machine, &error))
		insist(false, error ? error : "refused without a line");
	if (enabled)
		topology_enable_acs(import->topology);
	if (topology_no_ivrs(machine->desc->topology))
		topology_set_no_ivrs(import->topology);
	pci_groups_compute(import->topology, PCI_GROUPS_BY_ISOLATION);
	same_groups(import->topology, machine->desc->topology);
	rf_machine_free(machine);
	free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *error = NULL;
	struct import import;
	int ret;

	insist(text, "no memory");
	memcpy(text, data, size);
	text[size] = '\0';
	ret = import_lspci(text, "saved.txt", &import, &error);
	if (ret) {
		insist(ret < 0, "a refusal without an errno");
		insist(error && *error && !strchr(error, '\n'), "a refusal without a line");
		insist(!strncmp(error, "saved.txt:", 10), "a refusal that does not name the file");
	} else {
		round_trip(&import);
		import_release(&import);
	}
	free(error);
	free(text);
	return 0;
}
