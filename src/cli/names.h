/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of devices, from the PCI id database of this host; nothing is fetched.
 */
#ifndef RF_CLI_NAMES_H
#define RF_CLI_NAMES_H

#include <stddef.h>

#include "bus/topology.h"

struct names;

/* Without a database every name is a number. NULL without memory. */
struct names *names_new(void);
void names_free(struct names *names);

/* "Intel Corporation I210 Gigabit Network Connection"; returns @text. */
const char *names_device(struct names *names, const struct pci_function *fn, char *text,
			 size_t size);

#endif
