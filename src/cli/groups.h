/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ringfence groups: what its files share.
 */
#ifndef RF_CLI_GROUPS_H
#define RF_CLI_GROUPS_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/names.h"
#include "group/set.h"
#include "machine/import.h"

/**
 * struct groups_view - a topology whose groups are known, ready to be shown
 * @functions: @nr of them, by group and then address; those without a group last
 * @host: the host it was read from, with the kernel's own groups; or NULL
 * @title: what it is, for a drawing
 * @grouping: by whose rules
 * @given: the machine's description says who is in which group, no topology
 */
struct groups_view {
	struct pci_topology *topology;
	struct pci_function **functions;
	size_t nr;
	struct names *names;
	const struct import *host;
	const char *title;
	enum pci_grouping grouping;
	bool given;
};

/* Whether nothing in the way of its group is bound to the function. */
bool function_viable(const struct pci_function *fn);
/* Whether the group that begins at @functions[first] is; *end: behind its last. */
bool group_is_viable(const struct groups_view *view, size_t first, size_t *end);

void groups_print_table(const struct groups_view *view, FILE *out);
/* 0, or -ENOMEM. */
int groups_print_json(const struct groups_view *view, FILE *out);
void groups_print_dot(const struct groups_view *view, FILE *out);
int groups_print_svg(const struct groups_view *view, FILE *out);
/* What puts @fn in its group, and what it would take to split it. */
int groups_print_why(const struct groups_view *view, const struct pci_function *fn, FILE *out);

#endif
