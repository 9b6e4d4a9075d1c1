/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "../random.h"
#include "base/alloc.h"
#include "bus/topology.h"
#include "fixture.h"

static struct pci_topology *topology;

static int setup(void **state)
{
	topology = topology_new();
	assert_non_null(topology);
	return 0;
}

static int teardown(void **state)
{
	alloc_fail_nth(0);
	topology_free(topology);
	return 0;
}

static struct pci_function *add(const char *address)
{
	struct pci_function values = PCI_FUNCTION_INIT, *fn;

	assert_int_equal(pci_address_parse(address, &values.address), 0);
	assert_int_equal(topology_add(topology, &values, &fn), 0);
	return fn;
}

static struct pci_function *add_bridge(const char *address, uint8_t first, uint8_t last)
{
	struct pci_function *fn = add(address);

	fn->header = PCI_HEADER_BRIDGE;
	fn->pcie = PCIE_ROOT_PORT;
	fn->secondary = first;
	fn->subordinate = last;
	return fn;
}

static void expect_link(void)
{
	const struct pci_function *blame;
	char *error;

	if (topology_link(topology, &blame, &error))
		fail_msg("%s", error);
}

static void expect_refusal(const struct pci_function *whose, const char *why)
{
	const struct pci_function *blame;
	char *error;

	assert_int_equal(topology_link(topology, &blame, &error), -EINVAL);
	assert_ptr_equal(blame, whose);
	assert_string_equal(error, why);
	free(error);
}

static void functions_are_found_by_address(void **state)
{
	struct pci_function values = PCI_FUNCTION_INIT, *fn = add("0000:01:1f.7");
	struct pci_function *far = add("10000:e0:00.0");

	values.address = fn->address;
	assert_ptr_equal(topology_find(topology, &fn->address), fn);
	assert_ptr_equal(topology_find(topology, &far->address), far);
	assert_string_equal(far->name, "10000:e0:00.0");
	assert_int_equal(topology_add(topology, &values, &fn), -EEXIST);
	values.address.function = 6;
	assert_null(topology_find(topology, &values.address));
	values.address.domain = 1;
	assert_null(topology_find(topology, &values.address));
	values.address.slot = 32;
	assert_int_equal(topology_add(topology, &values, &fn), -EINVAL);
	assert_int_equal(topology_count(topology), 2);
}

static void functions_are_walked_by_address(void **state)
{
	uint64_t seed = 7;
	struct pci_function *last = NULL;
	size_t nr = 0;

	for (unsigned i = 0; i < 2000; i++) {
		struct pci_function values = PCI_FUNCTION_INIT, *fn;

		values.address.domain = (uint32_t)random_below(&seed, 3);
		values.address.bus = (uint8_t)random_below(&seed, 256);
		values.address.slot = (uint8_t)random_below(&seed, 32);
		values.address.function = (uint8_t)random_below(&seed, 8);
		nr += !topology_add(topology, &values, &fn);
	}
	assert_int_equal(topology_count(topology), nr);
	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn)) {
		if (last)
			assert_true(pci_address_compare(&last->address, &fn->address) < 0);
		last = fn;
		nr--;
	}
	assert_int_equal(nr, 0);
	/* every other one goes */
	for (struct pci_function *fn = topology_first(topology), *next; fn; fn = next) {
		next = topology_next(fn);
		if (random_below(&seed, 2)) {
			struct pci_address at = fn->address;

			topology_remove(topology, fn);
			assert_null(topology_find(topology, &at));
		}
	}
	expect_link();
	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn))
		nr++;
	assert_int_equal(topology_count(topology), nr);
}

static void bridges_lead_to_what_is_below_them(void **state)
{
	struct pci_function *below = add("03:00.0"), *middle = add_bridge("02:00.0", 3, 3);
	struct pci_function *top = add_bridge("00:01.0", 2, 3), *later;

	expect_link();
	assert_ptr_equal(below->parent, middle);
	assert_ptr_equal(middle->parent, top);
	assert_null(top->parent);
	later = add("03:01.0");
	expect_link();
	assert_ptr_equal(later->parent, middle);
	/* a bridge that comes last takes over what was on a root bus of its own */
	later = add("07:00.0");
	expect_link();
	assert_null(later->parent);
	top = add_bridge("00:02.0", 7, 7);
	expect_link();
	assert_ptr_equal(later->parent, top);
}

static void bridges_that_lead_nowhere_are_refused(void **state)
{
	struct pci_function *fn = add_bridge("00:01.0", 0, 3);

	expect_refusal(fn, "0000:00:01.0: this bridge leads nowhere: its secondary bus is 00");
	fn->secondary = 4;
	fn->subordinate = 3;
	expect_refusal(fn, "0000:00:01.0: this bridge leads nowhere: its last bus, 03, is before "
			   "its first, 04");
}

/* Firmware gave it no numbers, and what is on bus 00 is none of its business. */
static void a_bridge_that_nobody_configured_leads_nowhere(void **state)
{
	struct pci_function *fn = add_bridge("00:01.0", 0, 0), *host = add("00:00.0");

	assert_true(pci_bridge_unconfigured(fn));
	expect_link();
	assert_null(fn->parent);
	assert_null(host->parent);
	assert_null(host->bus->bridge);
	fn->subordinate = 3;
	assert_false(pci_bridge_unconfigured(fn));
}

/* A switch that is powered down does not say where it leads; its parent's range does. */
static void buses_behind_a_silent_bridge_hang_on_the_nearest(void **state)
{
	struct pci_function *port = add_bridge("00:01.0", 1, 3), *dead = add("01:00.0");
	struct pci_function *one = add("03:00.0"), *other = add("03:00.1");

	dead->silent = true;
	dead->class = 0x060400;
	expect_link();
	assert_ptr_equal(one->parent, port);
	assert_ptr_equal(other->parent, port);
	topology_remove(topology, port);
	assert_null(other->parent);
	add_bridge("00:01.0", 1, 3);
	dead->class = 0x020000;
	expect_refusal(one, "0000:03:00.0: no bridge leads to bus 03, though it is one of those "
			    "below 0000:00:01.0");
}

static void circles_are_refused(void **state)
{
	struct pci_function *fn;

	add_bridge("01:00.0", 2, 3);
	add_bridge("02:00.0", 3, 3);
	fn = add_bridge("03:00.0", 1, 3);
	expect_refusal(fn, "0000:03:00.0: this bridge leads in a circle: bus 01 is not below bus "
			   "03, on which it is");
	fn->secondary = fn->subordinate = 3;
	expect_refusal(fn, "0000:03:00.0: this bridge leads in a circle: bus 03 is not below bus "
			   "03, on which it is");
}

static void two_bridges_to_one_bus_are_refused(void **state)
{
	struct pci_function *fn;

	add_bridge("00:01.0", 2, 2);
	fn = add_bridge("00:02.0", 2, 2);
	expect_refusal(fn, "0000:00:02.0: this bridge leads to bus 02, but so does 0000:00:01.0");
}

static void a_bus_between_bridges_is_refused(void **state)
{
	struct pci_function *fn;

	add_bridge("00:01.0", 2, 4);
	fn = add("03:00.0");
	add("03:00.1");
	add("0001:03:00.0"); /* another domain's */
	expect_refusal(fn, "0000:03:00.0: no bridge leads to bus 03, though it is one of those "
			   "below 0000:00:01.0");
}

static void functions_beyond_the_first_are_multifunction(void **state)
{
	struct pci_function *first = add("01:00.0"), *single = add("02:00.0"), *port, *ari;

	add("01:00.3");
	expect_link();
	assert_true(first->multifunction);
	assert_false(single->multifunction);
	port = add_bridge("00:01.0", 5, 5);
	port->ari = true;
	ari = add("05:01.0"); /* function 8 */
	expect_link();
	assert_true(ari->multifunction);
}

static void ports_of_the_wrong_kind_are_set_right(void **state)
{
	struct pci_function *up, *down;

	add_bridge("00:01.0", 1, 3);
	up = add_bridge("01:00.0", 2, 3);
	up->pcie = PCIE_DOWNSTREAM;
	down = add_bridge("02:00.0", 3, 3);
	down->pcie = PCIE_UPSTREAM;
	expect_link();
	assert_int_equal(up->pcie, PCIE_UPSTREAM);
	assert_int_equal(down->pcie, PCIE_DOWNSTREAM);
	expect_link();
	assert_int_equal(up->pcie, PCIE_UPSTREAM);
}

static void nothing_points_to_a_function_that_went(void **state)
{
	struct pci_function *port = add_bridge("00:01.0", 1, 1);
	struct pci_function *pf = add("01:00.0"), *vf = add("01:00.1"), *vmd = add("00:0e.0");
	struct pci_function *user = add("10000:00:00.0");

	pf->nr_vfs = 1;
	pf->vf_offset = 1;
	user->dma_device = vmd;
	expect_link();
	assert_ptr_equal(vf->physfn, pf);
	assert_ptr_equal(vf->parent, port);
	topology_remove(topology, vmd);
	assert_null(user->dma_device);
	topology_remove(topology, pf);
	assert_null(vf->physfn);
	topology_remove(topology, port);
	assert_null(vf->parent);
	assert_int_equal(topology_count(topology), 2);
}

static void acs_is_enabled_where_it_is_implemented(void **state)
{
	struct pci_function *fn = add("00:01.0");
	char names[ACS_NAMES_SIZE];

	fn->has_acs = true;
	fn->acs_cap = ACS_SV | ACS_TB | ACS_RR;
	topology_enable_acs(topology);
	assert_int_equal(fn->acs_ctrl, ACS_SV | ACS_RR);
	acs_names(0x7f, names);
	assert_string_equal(names, "SV TB RR CR UF EC DT");
	acs_names(0, names);
	assert_string_equal(names, "");
}

static void every_allocation_may_fail(void **state)
{
	struct pci_function values = PCI_FUNCTION_INIT, *fn = NULL;
	const struct pci_function *blame;
	char driver[] = "nvme", *error;
	unsigned nth;
	int ret = 0;

	values.driver = driver;
	values.header = PCI_HEADER_BRIDGE;
	values.secondary = values.subordinate = 9;
	for (nth = 1; nth < 20; nth++) {
		alloc_fail_nth(nth);
		ret = topology_add(topology, &values, &fn);
		if (!alloc_has_failed())
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(topology_count(topology), 0);
	}
	assert_int_equal(ret, 0);
	assert_true(nth > 2);
	assert_string_equal(fn->driver, "nvme");
	alloc_fail_nth(1);
	assert_int_equal(topology_link(topology, &blame, &error), -ENOMEM);
	assert_null(error);
	alloc_fail_nth(0);
	expect_link();
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(functions_are_found_by_address),
		CASE(functions_are_walked_by_address),
		CASE(bridges_lead_to_what_is_below_them),
		CASE(bridges_that_lead_nowhere_are_refused),
		CASE(a_bridge_that_nobody_configured_leads_nowhere),
		CASE(buses_behind_a_silent_bridge_hang_on_the_nearest),
		CASE(circles_are_refused),
		CASE(two_bridges_to_one_bus_are_refused),
		CASE(a_bus_between_bridges_is_refused),
		CASE(functions_beyond_the_first_are_multifunction),
		CASE(ports_of_the_wrong_kind_are_set_right),
		CASE(nothing_points_to_a_function_that_went),
		CASE(acs_is_enabled_where_it_is_implemented),
		CASE(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
