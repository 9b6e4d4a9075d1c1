/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topologies for the tests of this folder, written as tables, and groups written
 * as text: the functions of a group between blanks, groups between bars.
 */
#ifndef TEST_GROUP_TOPOLOGIES_H
#define TEST_GROUP_TOPOLOGIES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "group/pci.h"

#define ACS_OK	       .has_acs = true, .acs_cap = ACS_ISOLATION, .acs_ctrl = ACS_ISOLATION
#define ACS_OFF	       .has_acs = true, .acs_cap = ACS_ISOLATION
#define ACS_NONE       .has_acs = false

#define COMMON	       .pe = PCI_PE_NONE, .group = PCI_GROUP_NONE, .caps_known = true
#define AT(d, b, s, f) .address = { .domain = (d), .bus = (b), .slot = (s), .function = (f) }

/*
 * Functions of bus @b; what else there is to say of one is given last. A bridge leads
 * to one bus unless .subordinate says otherwise.
 */
#define BRIDGE(b, s, f, type, to, ...)                                                  \
	{                                                                               \
		COMMON, AT(0, b, s, f), .header = PCI_HEADER_BRIDGE, .class = 0x060400, \
					.pcie = (type), .secondary = (to), __VA_ARGS__  \
	}
#define EXPRESS(b, s, f, type, ...)                                 \
	{                                                           \
		COMMON, AT(0, b, s, f), .pcie = (type), __VA_ARGS__ \
	}
#define ENDPOINT(b, s, f, ...) EXPRESS(b, s, f, PCIE_ENDPOINT, __VA_ARGS__)
#define CONVENTIONAL(b, s, f, ...)                                     \
	{                                                              \
		COMMON, AT(0, b, s, f), .pcie = PCIE_NONE, __VA_ARGS__ \
	}
#define IDS(v, d)    .vendor = (v), .device = (d)
#define MULTI	     .multifunction = true

#define BUILD(table) build(table, sizeof(table) / sizeof(*(table)))

static inline void link_it(struct pci_topology *topology)
{
	const struct pci_function *blame;
	char *error;

	if (topology_link(topology, &blame, &error))
		fail_msg("%s", error);
}

static inline struct pci_topology *build(const struct pci_function *table, size_t nr)
{
	struct pci_topology *topology = topology_new();
	struct pci_function *fn;

	assert_non_null(topology);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(topology_add(topology, &table[i], &fn), 0);
		if (!fn->subordinate)
			fn->subordinate = fn->secondary;
	}
	link_it(topology);
	return topology;
}

static inline struct pci_function *at(struct pci_topology *topology, const char *address)
{
	struct pci_address a;
	struct pci_function *fn;

	assert_int_equal(pci_address_parse(address, &a), 0);
	fn = topology_find(topology, &a);
	assert_non_null(fn);
	return fn;
}

/* Functions of domain 0 without it, in the order of addresses, by group number. */
static inline void groups_text(struct pci_topology *topology, char *text, size_t size)
{
	int nr = 0;
	size_t used = 0;

	text[0] = '\0';
	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn))
		if (fn->group >= nr)
			nr = fn->group + 1;
	for (int g = 0; g < nr; g++) {
		if (g)
			used += (size_t)snprintf(text + used, size - used, " |");
		for (struct pci_function *fn = topology_first(topology); fn;
		     fn = topology_next(fn)) {
			const char *name = strncmp(fn->name, "0000:", 5) ? fn->name : fn->name + 5;

			if (fn->group == g)
				used += (size_t)snprintf(text + used, size - used, "%s%s",
							 used ? " " : "", name);
			assert_true(used < size);
		}
	}
}

static inline void expect_groups_by(struct pci_topology *topology, enum pci_grouping grouping,
				    const char *expected)
{
	char text[4096];

	pci_groups_compute(topology, grouping);
	groups_text(topology, text, sizeof(text));
	assert_string_equal(text, expected);
}

static inline void expect_groups(struct pci_topology *topology, const char *expected)
{
	expect_groups_by(topology, PCI_GROUPS_BY_ISOLATION, expected);
}

#endif
