/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libpci looks names up; it reads its database at the first question and caches
 * what it finds. Only names are wanted, so the library's access to hardware is
 * never set up, and what that would have set is set here.
 */
#include "cli/names.h"

#include <stdio.h>
#include <stdlib.h>

#include <pci/pci.h>

struct names {
	struct pci_access *access;
};

#define LOOKUP PCI_LOOKUP_NO_HWDB

static void say_nothing(char *fmt, ...)
{
}

struct names *names_new(void)
{
	struct names *names = malloc(sizeof(*names));

	if (!names)
		return NULL;
	names->access = pci_alloc();
	names->access->warning = say_nothing;
	names->access->debug = say_nothing;
	return names;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	pci_cleanup(names->access);
	free(names);
}

const char *names_device(struct names *names, const struct pci_function *fn, char *text,
			 size_t size)
{
	if (!pci_lookup_name(names->access, text, (int)size,
			     LOOKUP | PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, fn->vendor,
			     fn->device))
		snprintf(text, size, "Device %04x:%04x", fn->vendor, fn->device);
	return text;
}
