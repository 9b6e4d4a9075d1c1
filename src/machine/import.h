/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topologies of real machines: from a live host's sysfs, or from what lspci
 * printed on one.
 */
#ifndef RF_MACHINE_IMPORT_H
#define RF_MACHINE_IMPORT_H

#include "bus/topology.h"

/**
 * struct host_group - what the host's kernel decided for a function
 */
struct host_group {
	struct pci_address address;
	int group;
};

/**
 * struct import - a topology, and where it came from
 * @topology: linked
 * @name: the file or directory, for messages; the caller's
 * @nr_headers: functions whose capabilities are not known, as too little of their
 *	configuration space is there
 * @groups: @nr_groups: the kernel's own groups, by address; none without an IOMMU
 */
struct import {
	struct pci_topology *topology;
	const char *name;
	size_t nr_headers;
	struct host_group *groups;
	size_t nr_groups;
};

/*
 * Output of lspci -xxxx, with whatever else lspci prints among it (-nn, -k, -v,
 * -t). 0; -EINVAL with *error, which names file, line and address; -ENOMEM.
 */
int import_lspci(const char *text, const char *name, struct import *out, char **error);

/* A /sys, at @root ("/sys"). 0; -EINVAL or what opening it failed with, with *error; -ENOMEM. */
int import_sysfs(const char *root, struct import *out, char **error);

void import_release(struct import *import);

/* The kernel's group of a function, or PCI_GROUP_NONE. */
int import_host_group(const struct import *import, const struct pci_address *address);

/*
 * A machine file that describes the topology; @name_of says what a function is, or
 * is NULL. To be freed; NULL without memory.
 */
char *import_write(const struct import *import,
		   const char *(*name_of)(const struct pci_function *fn, void *arg), void *arg);

/* import_*.c share: link what was read. */
int import_link(struct import *import, char **error);

#endif
