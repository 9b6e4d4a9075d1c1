/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What isolation groups cost, as the number of devices grows: reading a topology
 * and grouping it, adding devices to their bus where providers decide, finding a
 * device's group, telling observers. Beside each figure stands what it would be at the
 * pace of the smallest machine: linear growth is a ratio of 1.
 *
 * The machine: root ports with ACS, below each a bus of slots of four functions; in
 * every other slot these have ACS and so are alone. 256 buses to a domain; more
 * devices mean more domains.
 */
#include "bench.h"
#include "group/pci.h"
#include "group/set.h"

#define SIZES	  3
#define OBSERVERS 8
#define LOOKUPS	  1000000u
#define PER_BUS	  39u /* about 10,000 devices on 256 buses */

static const unsigned sizes[SIZES] = { 1000, 10000, 100000 };

enum figure { LINK, COMPUTE, ADD, PLAYBACK, DEVICE, NUMBER, REMOVE, FIGURES };
static const char *const names[FIGURES] = {
	[LINK] = "build and link a topology",  [COMPUTE] = "compute all groups",
	[ADD] = "add to the bus and group",    [PLAYBACK] = "play back to 8 observers",
	[DEVICE] = "group of a device",	       [NUMBER] = "group by its number",
	[REMOVE] = "remove, with 8 observers",
};
static double pace[FIGURES]; /* ns a device, of the smallest size */

static void figure_row(enum figure figure, unsigned size, double value, double peer,
		       const char *unit, const char *peer_name)
{
	char name[100];

	snprintf(name, sizeof(name), "%s, %u devices", names[figure], sizes[size]);
	row(name, value, unit, peer, peer_name,
	    figure == ADD && sizes[size] == 10000 ? "<= 1000 ms" : "");
}

/* @total ns for all devices; beside it stands what it would be at the smallest size's pace. */
static void row_all(enum figure figure, unsigned size, double total)
{
	if (!size)
		pace[figure] = total / sizes[0];
	figure_row(figure, size, total / 1e6, pace[figure] * sizes[size] / 1e6, "ms",
		   "at the pace of 1000 devices");
}

static void row_each(enum figure figure, unsigned size, double ns)
{
	if (!size)
		pace[figure] = ns;
	figure_row(figure, size, ns, pace[figure], "ns", "among 1000 devices");
}

/* Function @n of a bus: slots of four functions, every other slot without ACS. */
static struct pci_function endpoint(uint32_t domain, uint8_t bus, unsigned n)
{
	struct pci_function fn = PCI_FUNCTION_INIT;

	fn.address = (struct pci_address){
		.domain = domain, .bus = bus, .slot = (uint8_t)(n / 4), .function = n % 4
	};
	fn.vendor = 0x8086;
	fn.device = 0x1572;
	fn.pcie = PCIE_ENDPOINT;
	fn.multifunction = true;
	fn.has_acs = n / 4 % 2;
	fn.acs_cap = fn.acs_ctrl = ACS_RR | ACS_CR;
	return fn;
}

static struct pci_function port(uint32_t domain, uint8_t to)
{
	struct pci_function fn = PCI_FUNCTION_INIT;

	/* 255 ports on bus 0: 32 slots of 8 functions */
	fn.address = (struct pci_address){ .domain = domain,
					   .slot = (to - 1) / 8,
					   .function = (to - 1) % 8 };
	fn.vendor = 0x8086;
	fn.device = 0x2030;
	fn.header = PCI_HEADER_BRIDGE;
	fn.pcie = PCIE_ROOT_PORT;
	fn.secondary = fn.subordinate = to;
	fn.has_acs = true;
	fn.acs_cap = fn.acs_ctrl = ACS_ISOLATION;
	return fn;
}

static struct pci_topology *make_topology(unsigned devices)
{
	struct pci_topology *topology = topology_new();
	struct pci_function values, *fn;
	unsigned made = 0;

	must(!topology, "no memory");
	for (unsigned domain = 0; made < devices; domain++)
		for (unsigned bus = 1; bus < 256 && made < devices; bus++) {
			values = port(domain, (uint8_t)bus);
			must(topology_add(topology, &values, &fn), "add a port");
			made++;
			for (unsigned n = 0; n < PER_BUS && made < devices; n++, made++) {
				values = endpoint(domain, (uint8_t)bus, n);
				must(topology_add(topology, &values, &fn), "add a function");
			}
		}
	return topology;
}

static void link_topology(struct pci_topology *topology)
{
	const struct pci_function *blame;
	char *error;

	must(topology_link(topology, &blame, &error), "link");
}

static int observed;

static int observe(struct bus_notifier *notifier, enum bus_event event, struct rf_device *dev)
{
	observed++;
	return BUS_PASSED;
}

static uint64_t sink;

static void bench_lookup(unsigned size, struct rf_device *const *devices,
			 const struct group_set *set)
{
	uint64_t at = 1;
	double start = now();

	for (unsigned i = 0; i < LOOKUPS; i++) {
		at = at * 6364136223846793005ull + 1442695040888963407ull;
		sink += rf_group_id(rf_device_group(devices[(at >> 33) % sizes[size]]));
	}
	row_each(DEVICE, size, (now() - start) / LOOKUPS);
	start = now();
	for (unsigned i = 0; i < LOOKUPS; i++) {
		at = at * 6364136223846793005ull + 1442695040888963407ull;
		sink += (uintptr_t)group_set_find(set, (unsigned)((at >> 33) % set->nr));
	}
	row_each(NUMBER, size, (now() - start) / LOOKUPS);
}

static struct rf_device **make_devices(struct pci_topology *topology, unsigned n)
{
	struct rf_device **devices = calloc(n, sizeof(*devices));
	unsigned i = 0;

	must(!devices, "no memory");
	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn)) {
		must(device_new_plain(fn->name, &devices[i]), "device");
		devices[i]->function = fn;
		devices[i]->iommu = iommu_kind_find(NULL);
		devices[i]->of_set = true;
		fn->dev = devices[i++];
	}
	must(i != n, "count");
	return devices;
}

static void bench_bus(unsigned size, struct pci_topology *topology)
{
	struct bus_notifier observers[OBSERVERS];
	struct rf_device **devices = make_devices(topology, sizes[size]);
	struct rf_group *groups = NULL;
	struct group_set *set;
	double start;

	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn))
		fn->group = PCI_GROUP_NONE;
	must(group_set_new(&groups, &set), "set");
	must(group_set_use_topology(set, topology, PCI_GROUPS_BY_ISOLATION), "topology");
	start = now();
	for (unsigned i = 0; i < sizes[size]; i++)
		must(group_set_add_device(set, "pci", devices[i]), "add");
	row_all(ADD, size, now() - start);

	start = now();
	for (unsigned i = 0; i < OBSERVERS; i++) {
		observers[i] = (struct bus_notifier){ NOTIFIER_OBSERVER, observe, NULL, 0 };
		must(bus_notifier_register(bus_get(&set->buses, "pci"), &observers[i], true),
		     "register");
	}
	row_all(PLAYBACK, size, now() - start);
	bench_lookup(size, devices, set);
	start = now();
	for (unsigned i = sizes[size]; i-- > 0;)
		bus_remove_device(devices[i]);
	row_all(REMOVE, size, now() - start);
	must(groups != NULL || observed != (int)(2 * OBSERVERS * sizes[size]), "all gone");
	observed = 0;
	group_set_free(set);
	free(devices);
}

int main(void)
{
	for (unsigned size = 0; size < SIZES; size++) {
		double start = now();
		struct pci_topology *topology = make_topology(sizes[size]);

		link_topology(topology);
		row_all(LINK, size, now() - start);
		start = now();
		pci_groups_compute(topology, PCI_GROUPS_BY_ISOLATION);
		row_all(COMPUTE, size, now() - start);
		bench_bus(size, topology);
		topology_free(topology);
	}
	rows_end();
	return sink == 42;
}
