/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Topologies in machine files: what is read, what is refused and how, and the groups
 * that real machines have (tests/topologies, with the rules cited there).
 */
#include <dirent.h>
#include <unistd.h>

#include "fixture.h"
#include "machine/topology.h"

static char *read_text(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(file);
	assert_true(getdelim(&text, &size, '\0', file) >= 0);
	fclose(file);
	return text;
}

/* "GROUP ADDRESS..." lines for all functions, as the .expected files have them. */
static char *groups_text(struct pci_topology *topology)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int last = -1;

	for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn))
		last = fn->group > last ? fn->group : last;
	for (int group = 0; group <= last; group++) {
		fprintf(out, "%d", group);
		for (struct pci_function *fn = topology_first(topology); fn; fn = topology_next(fn))
			if (fn->group == group)
				fprintf(out, " %s", fn->name);
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

static char *without_comments(char *text)
{
	char *out = text, *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		size_t len = strlen(line);

		if (line[0] == '#' || !len)
			continue;
		memmove(out, line, len);
		out += len;
		*out++ = '\n';
	}
	*out = '\0';
	return text;
}

static void check_file(const char *name)
{
	char path[512], *json, *want, *got, *again;
	struct rf_machine *machine, *copy;

	snprintf(path, sizeof(path), TOPOLOGIES "/%s.json", name);
	json = read_text(path);
	snprintf(path, sizeof(path), TOPOLOGIES "/%s.expected", name);
	want = without_comments(read_text(path));
	machine = machine_of(json);
	got = groups_text(machine->desc->topology);
	assert_string_equal(got, want);
	free(got);

	/* every process of a session reads the machine again: the same groups */
	again = description_write(machine->desc);
	assert_non_null(again);
	copy = machine_of(again);
	got = groups_text(copy->desc->topology);
	assert_string_equal(got, want);
	rf_machine_free(copy);
	rf_machine_free(machine);
	free(again);
	free(got);
	free(want);
	free(json);
}

static void real_machines_have_the_groups_that_the_rules_say(void **state)
{
	DIR *dir = opendir(TOPOLOGIES);
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char *dot = strstr(entry->d_name, ".json");

		if (!dot)
			continue;
		*dot = '\0';
		check_file(entry->d_name);
		n++;
	}
	closedir(dir);
	assert_true(n >= 7);
}

/* What a function's configuration space says is what its description said. */
static void configuration_space_tells_the_description(void **state)
{
	char *json = read_text(TOPOLOGIES "/sriov.json");
	struct rf_machine *machine = machine_of(json);
	struct pci_topology *copy = topology_new();
	unsigned n = 0;

	for (struct pci_function *fn = topology_first(machine->desc->topology); fn;
	     fn = topology_next(fn)) {
		struct pci_function values = PCI_FUNCTION_INIT, *made;
		uint8_t bytes[PCI_CONFIG_EXT_SIZE];
		unsigned size = topology_config(fn, bytes);
		char *error = NULL;

		values.address = fn->address;
		values.vendor = fn->vendor;
		values.device = fn->device;
		assert_int_equal(topology_add(copy, &values, &made), 0);
		assert_int_equal(pci_function_decode(made, bytes, size, &error), 0);
		assert_int_equal(made->vendor, fn->vendor);
		assert_int_equal(made->device, fn->device);
		assert_int_equal(made->class, fn->class);
		assert_int_equal(made->header, fn->header);
		assert_int_equal(made->pcie, fn->pcie);
		assert_int_equal(made->secondary, fn->secondary);
		assert_int_equal(made->subordinate, fn->subordinate);
		assert_int_equal(made->has_acs, fn->has_acs);
		assert_int_equal(made->acs_cap, fn->acs_cap);
		assert_int_equal(made->acs_ctrl, fn->acs_ctrl);
		assert_int_equal(made->ari, fn->ari);
		assert_int_equal(made->nr_vfs, fn->nr_vfs);
		assert_int_equal(made->vf_offset, fn->nr_vfs ? fn->vf_offset : made->vf_offset);
		assert_int_equal(made->subsystem_vendor, fn->subsystem_vendor);
		n++;
	}
	assert_int_equal(n, 10);
	topology_free(copy);
	rf_machine_free(machine);
	free(json);
}

static void defaults_are_a_plain_board(void **state)
{
	struct rf_machine *machine = machine_of(
		"{\"topology\": [ {\"below\": [ {}, {\"class\": \"nvme\"} ]},"
		" {\"class\": \"vga\"}, {\"below\": [ {\"below\": [ {\"below\": [ {} ]} ]} ]} ]}");
	static const struct {
		const char *name;
		uint8_t pcie;
		const char *driver;
	} want[] = {
		{ "0000:00:00.0", PCIE_ROOT_PORT, "pcieport" },
		{ "0000:00:01.0", PCIE_NONE, NULL },
		{ "0000:00:02.0", PCIE_ROOT_PORT, "pcieport" },
		{ "0000:01:00.0", PCIE_ENDPOINT, NULL },
		{ "0000:01:01.0", PCIE_ENDPOINT, "nvme" },
		{ "0000:02:00.0", PCIE_UPSTREAM, "pcieport" },
		{ "0000:03:00.0", PCIE_DOWNSTREAM, "pcieport" },
		{ "0000:04:00.0", PCIE_ENDPOINT, NULL },
	};
	struct pci_function *fn = topology_first(machine->desc->topology);

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++, fn = topology_next(fn)) {
		assert_non_null(fn);
		assert_string_equal(fn->name, want[i].name);
		assert_int_equal(fn->pcie, want[i].pcie);
		if (want[i].driver)
			assert_string_equal(fn->driver, want[i].driver);
		else
			assert_null(fn->driver);
	}
	assert_null(fn);
	fn = topology_first(machine->desc->topology);
	assert_int_equal(fn->secondary, 1);
	assert_int_equal(fn->subordinate, 1);
	rf_machine_free(machine);
}

static const struct {
	const char *topology, *line;
} bad_topologies[] = {
	{ "{}", "machine.json:1: \"topology\": expected an array, found an object" },
	{ "[ 7 ]", "machine.json:1: \"topology\": expected an object, found an integer" },
	{ "[ {},\n {\"address\": \"00:00.0\"} ]",
	  "machine.json:2: 0000:00:00.0: the address is taken by the function of line 1" },
	{ "[ {\"address\": \"00:20.0\"} ]",
	  "machine.json:1: bad address \"00:20.0\": expected DOMAIN:BUS:DEVICE.FUNCTION, "
	  "e.g. 0000:01:00.0, or DEVICE.FUNCTION" },
	{ "[ {\n\"type\": \"root-prot\"} ]",
	  "machine.json:2: 0000:00:00.0: \"type\": no type \"root-prot\" (did you mean "
	  "\"root-port\"?)" },
	{ "[ {\"clas\": \"vga\"} ]",
	  "machine.json:1: 0000:00:00.0: unknown key \"clas\" (did you mean \"class\"?)" },
	{ "[ {\"class\": \"vgaa\"} ]",
	  "machine.json:1: 0000:00:00.0: \"class\": no class \"vgaa\" (did you mean "
	  "\"vga\"?)" },
	{ "[ {\"id\": \"8086\"} ]",
	  "machine.json:1: 0000:00:00.0: \"id\": expected VENDOR:DEVICE in hexadecimal, "
	  "e.g. \"8086:1533\"" },
	{ "[ {\"acs\": [\"SV\", \"XX\"]} ]",
	  "machine.json:1: 0000:00:00.0: \"acs\": no bit \"XX\": expected SV, TB, RR, CR, "
	  "UF, EC or DT" },
	{ "[ {\"acs\": {\"capability\": [\"SV\"], \"control\": [\"RR\"]}} ]",
	  "machine.json:1: 0000:00:00.0: \"acs\": \"control\" has bits that "
	  "\"capability\" lacks" },
	{ "[ {\"type\": \"endpoint\", \"below\": [ {} ]} ]",
	  "machine.json:1: 0000:00:00.0: \"below\": nothing can be below this function: it "
	  "is no bridge" },
	/* a bridge that leads to its own bus, or up: a circle */
	{ "[ {\"address\": \"01:00.0\", \"bus\": 1} ]",
	  "machine.json:1: 0000:01:00.0: this bridge leads in a circle: bus 01 is not "
	  "below "
	  "bus 01, on which it is" },
	/* written below a port, on a bus that is not */
	{ "[ {\"address\": \"00:01.0\",\n \"below\": [ {\"address\": \"0000:00:02.0\"} ]} "
	  "]",
	  "machine.json:2: 0000:00:01.0: 0000:00:02.0 is not below this bridge, which "
	  "leads to bus 01" },
	/* two that lead to one bus */
	{ "[ {\"bus\": 5},\n {\"bus\": 5} ]",
	  "machine.json:2: 0000:00:01.0: this bridge leads to bus 05, but so does "
	  "0000:00:00.0" },
	/* a function where no bridge leads */
	{ "[ {\"bus\": [1, 3]},\n {\"address\": \"02:00.0\"} ]",
	  "machine.json:2: 0000:02:00.0: no bridge leads to bus 02, though it is one of "
	  "those "
	  "below 0000:00:00.0" },
	{ "[ {\"bus\": [3, 1]} ]",
	  "machine.json:1: 0000:00:00.0: this bridge leads nowhere: its last bus, 01, is "
	  "before its first, 03" },
	{ "[ {\"config\": []} ]", "machine.json:1: 0000:00:00.0: \"config\": expected an "
				  "array of lines like \"00: 86 "
				  "80 ...\"" },
	{ "[ {\"config\": [\"00: 86 80 57\"]} ]",
	  "machine.json:1: 0000:00:00.0: \"config\": line 1: expected an offset and "
	  "sixteen "
	  "bytes, found \"00: 86 80 57\"" },
	{ "[ {\"config\": [\"00: 86 80 57 0d 00 00 10 00 00 00 00 06 00 00 00 00\"],"
	  " \"config-size\": 100} ]",
	  "machine.json:1: 0000:00:00.0: \"config\": its configuration space is cut short "
	  "after 100 bytes" },
	{ "[ {\"config\": [\"00: 86 80 57 0d 00 00 10 00 00 00 00 06 00 00 07 00\"]} ]",
	  "machine.json:1: 0000:00:00.0: \"config\": header type 07 is unknown" },
	{ "[ {\"sr-iov\": {\"vfs\": 2, \"offset\": 0}} ]",
	  "machine.json:1: 0000:00:00.0: \"sr-iov\": \"offset\" 0 would put a VF on its "
	  "PF" },
	{ "[ {\"sr-iov\": {\"vfs\": 2, \"stride\": 0}} ]",
	  "machine.json:1: 0000:00:00.0: \"sr-iov\": \"stride\" 0 would put VFs on each "
	  "other" },
	{ "[ {\"address\": \"00:01.0\"}, {\"address\": \"00:00.0\", \"sr-iov\": 1} ]",
	  "machine.json:1: 0000:00:00.0: \"sr-iov\": the address of VF 0, 0000:00:01.0, is "
	  "taken" },
	{ "[ {\"dma-device\": 7} ]",
	  "machine.json:1: 0000:00:00.0: \"dma-device\": expected an address, e.g. "
	  "\"0000:00:0e.0\"" },
	{ "[ {},\n {\"dma-device\": \"0000:00:0e.0\"} ]",
	  "machine.json:2: \"dma-device\" of 0000:00:01.0: no other function is at "
	  "0000:00:0e.0" },
	{ "[ {\"dma-device\": \"0000:00:00.0\"} ]",
	  "machine.json:1: \"dma-device\" of 0000:00:00.0: no other function is at "
	  "0000:00:00.0" },
	{ "[ {\"config\": [\"00: 86 80 01 19 00 00 00 00 00 00 04 06 00 00 01 00\"], "
	  "\"config-size\": 64,\n \"below\": [ {} ]} ]",
	  "machine.json:2: 0000:00:00.0: \"below\": this bridge leads nowhere: its buses "
	  "are 00" },
	{ "[ {\"driver\": \"../x\"} ]", "machine.json:1: 0000:00:00.0: bad driver name \"../x\"" },
	{ "[ {\"pe\": 65536} ]", "machine.json:1: 0000:00:00.0: \"pe\": at most 65535" },
};

static void bad_topologies_name_line_and_address(void **state)
{
	for (size_t i = 0; i < sizeof(bad_topologies) / sizeof(*bad_topologies); i++) {
		char json[1024];

		snprintf(json, sizeof(json), "{\"topology\": %s}", bad_topologies[i].topology);
		refused(json, -EINVAL, bad_topologies[i].line);
	}
}

static void devices_take_their_place(void **state)
{
	struct rf_machine *machine = machine_of(
		"{\"topology\": [ {\"below\": [ {\"driver\": \"igb\"} ]},"
		" {\"address\": \"00:01.0\", \"bus\": 2, \"acs\": true}, {\"address\": "
		"\"00:02.0\", "
		"\"bus\": 3} ],\n"
		" \"devices\": [ {\"model\": \"edu\", \"address\": \"01:00.0\"}, {\"model\": "
		"\"edu\"} ]}");
	struct rf_device *first = rf_machine_find(machine, "01:00.0"), *second, *third;

	/* in the place of a described function; then the first free port */
	assert_non_null(first);
	assert_int_equal(first->function->vendor, 0x1234);
	assert_ptr_equal(first->function->dev, first);
	second = rf_machine_find(machine, "02:00.0");
	assert_non_null(second);
	third = add(machine, "edu");
	assert_string_equal(third->name, "0000:03:00.0");
	add_refused(machine, "edu", -EINVAL,
		    "--device edu: no port of the topology is free; give it an address");
	add_refused(machine, "edu,addr=07:00.0", -EINVAL,
		    "--device edu,addr=07:00.0: no bridge leads to bus 07");
	add_refused(machine, "edu,addr=00:02.0", -EINVAL,
		    "--device edu,addr=00:02.0: a model cannot take the place of the bridge "
		    "0000:00:02.0");
	/* a port without ACS is in the group, and bound to a driver that is no obstacle */
	assert_non_null(first->group);
	assert_int_equal(first->group->nr_devices, 2);
	assert_true(rf_group_viable(first->group));
	assert_int_equal(second->group->nr_devices, 1);
	rf_machine_free(machine);
}

static void a_host_driver_of_a_neighbour_blocks_the_group(void **state)
{
	struct rf_machine *machine = machine_of(
		"{\"topology\": [ {\"below\": [ {\"address\": \"01:00.0\"}, {\"address\": "
		"\"01:00.1\", \"driver\": \"igb\"} ]} ],"
		" \"devices\": [ {\"model\": \"edu\", \"address\": \"01:00.0\"} ]}");
	struct rf_device *dev = rf_machine_find(machine, "01:00.0");

	assert_int_equal(dev->group->nr_devices, 3);
	assert_false(rf_group_viable(dev->group));
	rf_machine_free(machine);
}

static void many_functions_are_read_in_a_moment(void **state)
{
	size_t size = 0;
	char *json = NULL;
	FILE *out = open_memstream(&json, &size);
	struct rf_machine *machine;

	fputs("{\"topology\": [\n", out);
	for (unsigned bus = 1; bus <= 255; bus++) {
		fprintf(out, "%s{\"address\": \"%04x:00:%02x.%x\", \"bus\": %u, \"below\": [\n",
			bus > 1 ? "," : "", 0, (bus - 1) / 8, (bus - 1) % 8, bus);
		for (unsigned n = 0; n < 32; n++)
			fprintf(out, "%s{\"address\": \"%02x.0\"}\n", n ? "," : "", n);
		fputs("]}\n", out);
	}
	fputs("]}", out);
	fclose(out);
	machine = machine_of(json);
	assert_int_equal(topology_count(machine->desc->topology), 255 * 33);
	rf_machine_free(machine);
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_machines_have_the_groups_that_the_rules_say),
		cmocka_unit_test(configuration_space_tells_the_description),
		cmocka_unit_test(defaults_are_a_plain_board),
		cmocka_unit_test(bad_topologies_name_line_and_address),
		cmocka_unit_test(devices_take_their_place),
		cmocka_unit_test(a_host_driver_of_a_neighbour_blocks_the_group),
		cmocka_unit_test(many_functions_are_read_in_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
