/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#define DEVICE(text) "{\n \"devices\": [\n  { \"model\": \"edu\",\n    " text " } ]\n}"
#define AT	     "machine.json:4: devices[0]: "

static void syntax_errors_name_line_and_column(void **state)
{
	refused("{ \"devices\": [ }", -EINVAL, "machine.json:1:16: unexpected token near '}'");
	refused("{\n  \"iommu\": \"x86\"\n  \"devices\": []\n}", -EINVAL,
		"machine.json:3:11: '}' expected near '\"devices\"'");
	refused("", -EINVAL, "machine.json:1:0: '[' or '{' expected near end of file");
	refused("{\n\"iommu\": \"x86\",\n\"iommu\": \"x86\" }", -EINVAL,
		"machine.json:3:7: duplicate object key near '\"iommu\"'");
}

static void unknown_keys_are_refused_with_a_guess(void **state)
{
	refused("{\n\n \"device\": [] }", -EINVAL,
		"machine.json:3: unknown key \"device\" (did you mean \"devices\"?)");
	refused("{ \"colour\": 1 }", -EINVAL, "machine.json:1: unknown key \"colour\"");
	refused(DEVICE("\"adress\": \"0000:00:04.0\""), -EINVAL,
		AT "unknown key \"adress\" (did you mean \"address\"?)");
	refused(DEVICE("\"dma-msk\": 1"), -EINVAL,
		AT "unknown key \"dma-msk\" (did you mean \"dma-mask\"?)");
	refused(DEVICE("\"properties\": { \"adress\": 1 }"), -EINVAL, AT "unknown key \"adress\"");
	refused("{ \"devices\": [ {},\n {} ] }", -EINVAL,
		"machine.json:1: devices[0]: no \"model\" is named");
	refused("{ \"devices\": [\n { \"modle\": \"edu\" } ] }", -EINVAL,
		"machine.json:2: devices[0]: unknown key \"modle\" (did you mean \"model\"?)");
	refused("{ \"iommu\": { \"kid\": 1 } }", -EINVAL,
		"machine.json:1: unknown key \"kid\" (did you mean \"kind\"?)");
}

static void wrong_types_are_refused(void **state)
{
	refused("[]", -EINVAL, "machine.json:1: expected an object, found an array");
	refused("{ \"devices\": {} }", -EINVAL,
		"machine.json:1: \"devices\": expected an array, found an object");
	refused("{ \"devices\": [ 1.5 ] }", -EINVAL,
		"machine.json:1: devices[0]: expected an object, found a fraction");
	refused("{ \"hide-mmap\": 1 }", -EINVAL,
		"machine.json:1: \"hide-mmap\": expected true or false, found an integer");
	refused("{ \"dma-entry-limit\": true }", -EINVAL,
		"machine.json:1: \"dma-entry-limit\": expected a number, found a boolean");
	refused("{ \"iommu\": null }", -EINVAL,
		"machine.json:1: \"iommu\": expected the name of a kind, found null");
	refused(DEVICE("\"address\": 4"), -EINVAL,
		AT "\"address\": expected a string, found an integer");
	refused(DEVICE("\"bars\": \"0xfea00000\""), -EINVAL,
		AT "\"bars\": expected an array, found a string");
	refused(DEVICE("\"dma-mask\": [ 1 ]"), -EINVAL,
		AT "\"dma-mask\": expected a string, a number, true or false, found an array");
	refused(DEVICE("\"properties\": 1"), -EINVAL,
		AT "\"properties\": expected an object, found an integer");
}

static void values_out_of_range_are_refused(void **state)
{
	refused("{ \"iommu\": \"x68\" }", -EINVAL,
		"machine.json:1: \"iommu\": no kind \"x68\" (did you mean \"x86\"?)");
	refused("{ \"dma-entry-limit\": 4294967296 }", -EINVAL,
		"machine.json:1: \"dma-entry-limit\": at most 4294967295");
	refused("{ \"dma-entry-limit\": -1 }", -EINVAL,
		"machine.json:1: \"dma-entry-limit\": may not be negative");
	refused("{ \"memlock\": \"some\" }", -EINVAL,
		"machine.json:1: \"memlock\": expected \"none\", \"host\" or a number of bytes");
	refused(DEVICE("\"address\": \"00:04\""), -EINVAL,
		AT "bad address \"00:04\": expected DOMAIN:BUS:DEVICE.FUNCTION, e.g. 0000:01:00.0");
	refused(DEVICE("\"group\": -1"), -EINVAL, AT "\"group\": may not be negative");
	refused(DEVICE("\"irq-line\": 256"), -EINVAL, AT "\"irq-line\": at most 255");
	refused(DEVICE("\"driver\": \"../x\""), -EINVAL, AT "bad driver name \"../x\"");
	refused(DEVICE("\"bars\": [ \"0xfoo\" ]"), -EINVAL,
		AT "\"bars\": \"0xfoo\" is not a number");
	refused(DEVICE("\"bars\": [ 0, 0, 0, 0, 0, 0, 0 ]"), -EINVAL, AT "\"bars\": at most 6");
	refused(DEVICE("\"dma-mask\": 1, \"properties\": { \"dma-mask\": 2 }"), -EINVAL,
		AT "\"dma-mask\" is given twice");
}

static void a_bad_model_or_value_names_the_device(void **state)
{
	refused("{ \"devices\": [ { \"model\": \"edu\" },\n { \"model\": \"edo\" } ] }", -ENOENT,
		"machine.json:2: devices[1]: no model \"edo\" (did you mean \"edu\"?)");
	refused(DEVICE("\"dma-mask\": \"wide\""), -EINVAL,
		"machine.json:3: devices[0]: edu: dma-mask: \"wide\" is not a number");
	refused("{ \"devices\": [ { \"model\": \"edu\", \"address\": \"00:04.0\" },\n"
		" { \"model\": \"edu\", \"address\": \"0000:00:04.0\" } ] }",
		-EEXIST, "machine.json:2: devices[1]: address 0000:00:04.0 is taken");
}

static void options_are_read(void **state)
{
	struct rf_machine *machine =
		machine_of("{ \"iommu\": { \"kind\": \"x86-39\" }, \"interrupt-remapping\": false,"
			   " \"unsafe-interrupts\": true, \"hide-mmap\": true, \"memlock\": 8192,"
			   " \"dma-entry-limit\": \"0x10\", \"emulate-huge-pages\": true }");

	assert_int_equal(machine->iommu->aperture.last, (1ull << 39) - 1);
	assert_false(machine->iommu->irq_remapping);
	assert_true(machine->vfio.unsafe_interrupts);
	assert_true(machine->vfio.hide_mmap);
	assert_true(machine->desc->emulate_huge_pages);
	assert_int_equal(machine->vfio.memlock, 8192);
	assert_int_equal(machine->vfio.entry_limit, 16);
	assert_false(machine->vfio.no_type1);
	assert_null(machine->devices);
	rf_machine_free(machine);
	machine = machine_of("{ \"iommu\": \"spapr\" }");
	assert_true(machine->vfio.no_type1);
	rf_machine_free(machine);
}

static void no_description_is_the_default_machine(void **state)
{
	struct rf_machine *machine = machine_of(NULL);

	assert_int_equal(machine->iommu->aperture.last, (1ull << 48) - 1);
	assert_true(machine->iommu->irq_remapping);
	assert_false(machine->vfio.unsafe_interrupts);
	assert_false(machine->desc->emulate_huge_pages);
	assert_int_equal(machine->vfio.entry_limit, 65535);
	assert_int_equal(machine->vfio.memlock, UINT64_MAX);
	rf_machine_free(machine);
}

static void the_written_form_reads_back_the_same(void **state)
{
	struct rf_machine *machine =
		machine_of("{ \"iommu\": \"x86-39\", \"memlock\": \"host\", \"devices\": ["
			   "  { \"model\": \"edu\", \"address\": \"00:04.0\", \"irq-line\": 9,"
			   "    \"driver\": \"none\", \"dma-mask\": \"0xffff\" },"
			   "  { \"model\": \"nvme\", \"size\": \"1M\", \"group\": \"none\","
			   "    \"properties\": { \"model\": \"a, \\\"b\\\"\" } } ] }");
	char *first = description_write(machine->desc), *second;

	rf_machine_free(machine);
	machine = machine_of(first);
	second = description_write(machine->desc);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "\"memlock\": \"host\""));
	assert_null(machine->devices->host_driver);
	assert_string_equal(rf_prop_string(rf_machine_find(machine, "01:00.0"), "model"),
			    "a, \"b\"");
	rf_machine_free(machine);
	free(first);
	free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syntax_errors_name_line_and_column),
		cmocka_unit_test(unknown_keys_are_refused_with_a_guess),
		cmocka_unit_test(wrong_types_are_refused),
		cmocka_unit_test(values_out_of_range_are_refused),
		cmocka_unit_test(a_bad_model_or_value_names_the_device),
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(no_description_is_the_default_machine),
		cmocka_unit_test(the_written_form_reads_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
