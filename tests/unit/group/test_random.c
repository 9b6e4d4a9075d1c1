/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random topologies: groups against a second way to compute them, which joins
 * pairs by the rules and knows no order.
 */
#include <stdio.h>

#include "../random.h"
#include "group/pci_isolation.h"
#include "group/why.h"
#include "topologies.h"

#define ROUNDS	  400
#define FUNCTIONS 160u

static uint64_t seed;

static bool chance(unsigned percent)
{
	return random_below(&seed, 100) < percent;
}

static void random_acs(struct pci_function *fn)
{
	fn->has_acs = chance(70);
	fn->acs_cap = (uint16_t)(chance(80) ? ACS_ISOLATION : random_below(&seed, 0x80));
	fn->acs_ctrl = (uint16_t)(chance(70) ? ACS_ISOLATION : random_below(&seed, 0x80));
}

static uint8_t random_bridge_type(bool root)
{
	static const uint8_t types[] = { PCIE_ROOT_PORT,     PCIE_UPSTREAM, PCIE_DOWNSTREAM,
					 PCIE_TO_PCI_BRIDGE, PCIE_NONE,	    PCI_TO_PCIE_BRIDGE };

	if (root && chance(70))
		return PCIE_ROOT_PORT;
	return types[random_below(&seed, 6)];
}

static void random_alias(struct pci_function *fn)
{
	if (chance(6)) {
		unsigned devfn = (unsigned)random_below(&seed, 64);

		fn->aliases[devfn / 64] |= 1ull << (devfn % 64);
	}
}

/* A function on some bus that exists already; bridges lead to new ones. */
static void random_function(struct pci_topology *t, unsigned *buses)
{
	struct pci_function values = PCI_FUNCTION_INIT, *fn;
	unsigned bus = (unsigned)random_below(&seed, *buses);

	values.address.bus = (uint8_t)bus;
	values.address.slot = (uint8_t)random_below(&seed, 6);
	values.address.function = (uint8_t)(chance(50) ? 0 : random_below(&seed, 4));
	values.multifunction = chance(30);
	random_acs(&values);
	if (*buses < 60 && chance(30)) {
		values.header = PCI_HEADER_BRIDGE;
		values.pcie = random_bridge_type(!bus);
		values.secondary = values.subordinate = (uint8_t)*buses;
	} else {
		values.pcie = chance(80) ? PCIE_ENDPOINT : PCIE_NONE;
		random_alias(&values);
	}
	if (!topology_add(t, &values, &fn) && values.header)
		(*buses)++;
}

static struct pci_topology *random_topology(void)
{
	struct pci_topology *t = topology_new();
	unsigned buses = 1;

	for (unsigned i = 0; i < FUNCTIONS; i++)
		random_function(t, &buses);
	link_it(t);
	return t;
}

/* Union-find over the functions, each found by its position. */
static unsigned leader[FUNCTIONS];
static struct pci_function *all[FUNCTIONS];
static unsigned nr;

static unsigned find(unsigned i)
{
	while (leader[i] != i)
		i = leader[i] = leader[leader[i]];
	return i;
}

static unsigned position(const struct pci_function *fn)
{
	for (unsigned i = 0; i < nr; i++)
		if (all[i] == fn)
			return i;
	fail();
	return 0;
}

static void join(const struct pci_function *a, const struct pci_function *b)
{
	leader[find(position(a))] = find(position(b));
}

/* The highest function upward that @fn's DMA cannot be kept apart from. */
static const struct pci_function *stands_for(const struct pci_topology *t,
					     const struct pci_function *fn)
{
	const struct pci_function *top = fn;

	for (const struct pci_function *b = fn->parent; b; b = b->parent)
		if (pci_bridge_hides(b) || !acs_check(t, b).isolated)
			top = b;
	return top;
}

static void join_by_the_rules(struct pci_topology *t)
{
	nr = 0;
	for (struct pci_function *fn = topology_first(t); fn; fn = topology_next(fn)) {
		leader[nr] = nr;
		all[nr++] = fn;
	}
	for (unsigned i = 0; i < nr; i++) {
		join(all[i], stands_for(t, all[i]));
		for (unsigned j = 0; j < nr; j++) {
			bool slot = all[i]->bus == all[j]->bus &&
				    all[i]->address.slot == all[j]->address.slot;

			if (i == j || all[i]->bus != all[j]->bus)
				continue;
			if (pci_functions_alias(all[i], all[j]) ||
			    (slot && pci_function_exposed(t, all[i]) &&
			     !acs_check(t, all[j]).isolated))
				join(all[i], all[j]);
		}
	}
}

static void expect_the_same(void)
{
	for (unsigned i = 0; i < nr; i++) {
		assert_true(all[i]->group != PCI_GROUP_NONE);
		for (unsigned j = 0; j < i; j++)
			assert_int_equal(all[i]->group == all[j]->group, find(i) == find(j));
	}
}

/* Who is told to be alone is, and nobody else. */
static void expect_reasons(const struct pci_topology *t)
{
	for (unsigned i = 0; i < nr; i++) {
		struct group_reason *reasons;
		bool alone = false, with = false;
		size_t nr_reasons;

		assert_int_equal(
			why_function(t, all[i], PCI_GROUPS_BY_ISOLATION, &reasons, &nr_reasons), 0);
		for (size_t j = 0; j < nr_reasons; j++)
			alone |= reasons[j].kind == REASON_ALONE;
		for (unsigned j = 0; j < nr; j++)
			with |= i != j && all[i]->group == all[j]->group;
		assert_int_equal(alone, !with);
		free(reasons);
	}
}

static void groups_are_those_of_the_rules(void **state)
{
	for (seed = 1; seed < ROUNDS;) {
		uint64_t round = seed;
		struct pci_topology *t = random_topology();

		pci_groups_compute(t, PCI_GROUPS_BY_ISOLATION);
		join_by_the_rules(t);
		expect_the_same();
		expect_reasons(t);
		topology_free(t);
		seed = round + 1;
	}
}

/* Any order in which bridges come before what is below them. */
static void compute_in_random_order(const struct pci_topology *t)
{
	unsigned done = 0;
	int next = 0;

	for (unsigned i = 0; i < nr; i++)
		all[i]->group = PCI_GROUP_NONE;
	while (done < nr) {
		struct pci_function *fn = all[random_below(&seed, nr)];

		if (fn->group != PCI_GROUP_NONE ||
		    (fn->parent && fn->parent->group == PCI_GROUP_NONE))
			continue;
		fn->group = pci_group_find(t, fn, PCI_GROUPS_BY_ISOLATION);
		if (fn->group == PCI_GROUP_NONE)
			fn->group = next++;
		done++;
	}
}

static void order_changes_nothing(void **state)
{
	for (seed = 1; seed < ROUNDS;) {
		uint64_t round = seed;
		struct pci_topology *t = random_topology();

		join_by_the_rules(t);
		compute_in_random_order(t);
		expect_the_same();
		topology_free(t);
		seed = round + 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_those_of_the_rules),
		cmocka_unit_test(order_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
