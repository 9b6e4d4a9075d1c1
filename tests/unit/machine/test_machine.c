/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <ringfence/ioas.h>
#include <unistd.h>

#include "memory/limit.h"

static void devices_get_a_bus_each(void **state)
{
	struct rf_machine *machine = machine_of(NULL);
	struct rf_device *a = add(machine, "edu"), *b = add(machine, "edu");
	struct rf_device *c = add(machine, "edu,addr=0000:00:04.0");

	assert_string_equal(rf_device_name(a), "0000:01:00.0");
	assert_string_equal(rf_device_name(b), "0000:02:00.0");
	assert_ptr_equal(rf_machine_find(machine, "01:00.0"), a);
	assert_ptr_equal(rf_machine_find(machine, "0000:02:00.0"), b);
	assert_null(rf_machine_find(machine, "0000:03:00.0"));
	assert_null(rf_machine_find(machine, "nonsense"));
	assert_ptr_equal(machine->devices, c);
	assert_ptr_equal(c->next, a);
	assert_ptr_equal(a->next, b);
	assert_null(b->next);
	rf_machine_free(machine);
}

static void a_free_bus_is_one_that_nobody_claims(void **state)
{
	struct rf_machine *machine = machine_of(
		"{ \"devices\": [ { \"model\": \"edu\" }, { \"model\": \"edu\","
		" \"address\": \"01:00.0\" }, { \"model\": \"edu\", \"address\": \"03:00.0\" },"
		" { \"model\": \"edu\" } ] }");

	assert_non_null(rf_machine_find(machine, "01:00.0"));
	assert_non_null(rf_machine_find(machine, "02:00.0"));
	assert_non_null(rf_machine_find(machine, "03:00.0"));
	assert_non_null(rf_machine_find(machine, "04:00.0"));
	rf_machine_free(machine);
}

static void groups_count_up_by_address(void **state)
{
	struct rf_machine *machine = machine_of(
		"{ \"devices\": [ { \"model\": \"edu\", \"address\": \"00:05.0\" },"
		" { \"model\": \"edu\", \"address\": \"00:04.0\" },"
		" { \"model\": \"edu\", \"address\": \"00:06.0\", \"group\": 2 },"
		" { \"model\": \"edu\", \"address\": \"00:07.0\", \"group\": \"none\" } ] }");
	struct rf_group *shared;

	assert_int_equal(rf_group_id(rf_device_group(rf_machine_find(machine, "00:04.0"))), 1);
	assert_int_equal(rf_group_id(rf_device_group(rf_machine_find(machine, "00:05.0"))), 3);
	assert_null(rf_device_group(rf_machine_find(machine, "00:07.0")));
	shared = machine_group(machine, 2);
	assert_int_equal(shared->nr_devices, 1);
	add(machine, "edu,group=2,driver=nvme");
	assert_int_equal(shared->nr_devices, 2);
	assert_false(rf_group_viable(shared));
	assert_true(rf_group_viable(machine_group(machine, 1)));
	assert_null(machine_group(machine, 4));
	rf_machine_free(machine);
}

static void devices_are_bound_to_vfio_unless_told_otherwise(void **state)
{
	struct rf_machine *machine = machine_of(NULL);

	assert_string_equal(add(machine, "edu")->host_driver, "vfio-pci");
	assert_null(add(machine, "edu,driver=none")->host_driver);
	assert_string_equal(add(machine, "edu,driver=e1000e")->host_driver, "e1000e");
	rf_machine_free(machine);
}

static void bars_lie_below_4g_and_do_not_overlap(void **state)
{
	struct rf_machine *machine = machine_of(NULL);
	uint64_t first[40];

	for (unsigned i = 0; i < 40; i++) {
		struct rf_device *dev = add(machine, "edu");

		first[i] = dev->bars[0].address;
		assert_int_equal(first[i] % bar_size(dev, 0), 0);
		assert_true(first[i] + bar_size(dev, 0) - 1 <= 0xfebfffff);
		assert_int_equal(rf_device_config_read(dev, 0x10, 4) & ~0xfu, first[i]);
		for (unsigned j = 0; j < i; j++)
			assert_true(first[j] - first[i] >= bar_size(dev, 0) &&
				    first[i] - first[j] >= bar_size(dev, 0));
	}
	rf_machine_free(machine);
}

static void written_bars_and_lines_stay(void **state)
{
	struct rf_machine *machine =
		machine_of("{ \"devices\": [ { \"model\": \"edu\", \"bars\": [ \"0xfeb00000\" ],"
			   " \"irq-line\": 10 }, { \"model\": \"edu\" } ] }");
	struct rf_device *dev = rf_machine_find(machine, "01:00.0");

	assert_int_equal(rf_device_config_read(dev, 0x10, 4), 0xfeb00000);
	assert_int_equal(rf_device_config_read(dev, 0x3c, 1), 10);
	rf_device_reset(dev);
	assert_int_equal(rf_device_config_read(dev, 0x10, 4), 0xfeb00000);
	assert_int_equal(rf_device_config_read(dev, 0x3c, 1), 10);
	assert_int_equal(rf_machine_find(machine, "02:00.0")->bars[0].address, 0xfea00000);
	rf_machine_free(machine);
}

#define BARS(bars) "{ \"devices\": [ { \"model\": \"edu\", \"bars\": [ " bars " ] } ] }"
#define AT	   "machine.json:1: devices[0]: "

static void impossible_bars_are_refused(void **state)
{
	refused(BARS("\"0xfea00010\""), -EINVAL,
		AT "bars[0]: 0xfea00010 is not aligned to its size, 0x100000");
	refused(BARS("null, 4096"), -EINVAL, AT "bars[1]: the device has no such BAR");
	refused(BARS("\"0x100000000\""), -EINVAL,
		AT "bars[0]: a 32-bit BAR cannot lie at 0x100000000");
	refused("{ \"devices\": [ { \"model\": \"edu\", \"bars\": [ \"0xfea00000\" ] },"
		" { \"model\": \"edu\", \"bars\": [ \"0xfea00000\" ] } ] }",
		-EINVAL, AT "bars[0]: 0xfea00000 overlaps a BAR of 0000:02:00.0 at 0xfea00000");
}

static void a_refused_device_leaves_no_trace(void **state)
{
	struct rf_machine *machine = machine_of("{ \"devices\": [ { \"model\": \"edu\" } ] }");
	char *before = description_write(machine->desc), *after;

	add_refused(machine, "edu,addr=01:00.0", -EEXIST,
		    "--device edu,addr=01:00.0: address 0000:01:00.0 is taken");
	add_refused(machine, "edo", -ENOENT,
		    "--device edo: no model \"edo\" (did you mean \"edu\"?)");
	add_refused(machine, "edu,dma-mask=x", -EINVAL,
		    "--device edu,dma-mask=x: edu: dma-mask: \"x\" is not a number");
	after = description_write(machine->desc);
	assert_string_equal(before, after);
	assert_null(machine->devices->next);
	assert_null(machine->groups->next);
	assert_string_equal(rf_device_name(add(machine, "edu")), "0000:02:00.0");
	rf_machine_free(machine);
	free(before);
	free(after);
}

static void bad_specs_say_what_is_wrong(void **state)
{
	struct rf_machine *machine = machine_of(NULL);

	add_refused(machine, "", -EINVAL, "--device : no model is named");
	add_refused(machine, "size=1G", -EINVAL,
		    "--device size=1G: the model comes first: MODEL,size=1G");
	add_refused(machine, "edu,", -EINVAL, "--device edu,: a property without a name");
	add_refused(machine, "edu,=x", -EINVAL, "--device edu,=x: a property without a name");
	add_refused(machine, "edu,addr", -EINVAL, "--device edu,addr: \"addr\" needs a value");
	add_refused(machine, "edu,adr=1", -EINVAL,
		    "--device edu,adr=1: unknown property \"adr\" (did you mean \"addr\"?)");
	add_refused(machine, "edu,group=x", -EINVAL,
		    "--device edu,group=x: bad group \"x\": expected a number or none");
	add_refused(machine, "edu,driver=", -EINVAL, "--device edu,driver=: bad driver name \"\"");
	add_refused(machine, "edu,dma-mask=1,dma-mask=2", -EINVAL,
		    "--device edu,dma-mask=1,dma-mask=2: property \"dma-mask\" is given twice");
	add_refused(machine, "edu,dma-mask", -EINVAL,
		    "--device edu,dma-mask: edu: dma-mask: needs a value");
	rf_machine_free(machine);
}

static void commas_are_doubled_in_values(void **state)
{
	struct rf_machine *machine = machine_of(NULL);
	struct rf_device *dev = add(machine, "nvme,size=1M,model=a,,b,,,,c,serial=S=1");

	assert_string_equal(rf_prop_string(dev, "model"), "a,b,,c");
	assert_string_equal(rf_prop_string(dev, "serial"), "S=1");
	rf_machine_free(machine);
}

static void a_relative_file_becomes_absolute(void **state)
{
	struct rf_machine *machine = machine_of(NULL);
	char name[] = "/tmp/rf-machine-XXXXXX", want[64];
	struct rf_device *dev;

	assert_non_null(mkdtemp(name));
	assert_int_equal(chdir(name), 0);
	dev = add(machine, "nvme,size=1M,file=disk.img");
	snprintf(want, sizeof(want), "%s/disk.img", name);
	assert_string_equal(rf_prop_string(dev, "file"), want);
	rf_machine_free(machine);
	unlink(want);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(name), 0);
}

static void the_hosts_limits_come_with_the_hosts_rights(void **state)
{
	static const struct {
		const char *text;
		bool hosts;
	} cases[] = {
		{ "{ \"memlock\": \"host\" }", true },
		{ "{ \"memlock\": \"none\" }", false },
		{ "{ \"memlock\": 8192 }", false },
		{ "{}", false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_machine *machine = machine_of(cases[i].text);

		assert_int_equal(machine->iommufd.host_rights, cases[i].hosts);
		assert_int_equal(machine->vfio.memlock == LIMIT_HOST, cases[i].hosts);
		rf_machine_free(machine);
	}
}

static void host_memlock_is_the_hosts(void **state)
{
	struct rf_machine *machine = machine_of("{ \"memlock\": \"host\" }");

	assert_int_equal(machine->vfio.memlock, LIMIT_HOST);
	assert_ptr_equal(machine->vfio.devices, &machine->devices);
	assert_ptr_equal(rf_owner_self(machine), machine->self);
	rf_machine_free(machine);
}

static void shared_objects_are_models(void **state)
{
	struct rf_machine *machine = machine_of(NULL);
	struct rf_device *dev = add(machine, MODEL_GOOD ",value=7");
	char *json = description_write(machine->desc);

	assert_string_equal(dev->model->name, "good");
	assert_int_equal(rf_device_mmio_read(dev, 0, 0, 4), 0xffffffff); /* COMMAND.MEMORY is 0 */
	rf_device_config_write(dev, 0x04, 2, 2);
	assert_int_equal(rf_device_mmio_read(dev, 0, 0, 4), 7);
	assert_non_null(strstr(json, MODEL_GOOD));
	rf_machine_free(machine);
	free(json);
}

static void what_is_no_model_is_refused(void **state)
{
	struct rf_machine *machine = machine_of(NULL);

	add_refused(machine, "./missing.so", -ENOENT,
		    "--device ./missing.so: ./missing.so: No such file or directory");
	add_refused(machine, "missing.so", -ENOENT,
		    "--device missing.so: missing.so: No such file or directory");
	add_refused(machine, MODEL_PLAIN, -EINVAL,
		    "--device " MODEL_PLAIN ": " MODEL_PLAIN
		    ": not a device model: no symbol rf_pci_model_entry (see RF_PCI_MODEL)");
	add_refused(machine, MODEL_FUTURE, -EINVAL,
		    "--device " MODEL_FUTURE ": " MODEL_FUTURE
		    ": built for version 4000 of the model interface; this is version 1");
	rf_machine_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_get_a_bus_each),
		cmocka_unit_test(a_free_bus_is_one_that_nobody_claims),
		cmocka_unit_test(groups_count_up_by_address),
		cmocka_unit_test(devices_are_bound_to_vfio_unless_told_otherwise),
		cmocka_unit_test(bars_lie_below_4g_and_do_not_overlap),
		cmocka_unit_test(written_bars_and_lines_stay),
		cmocka_unit_test(impossible_bars_are_refused),
		cmocka_unit_test(a_refused_device_leaves_no_trace),
		cmocka_unit_test(bad_specs_say_what_is_wrong),
		cmocka_unit_test(commas_are_doubled_in_values),
		cmocka_unit_test(a_relative_file_becomes_absolute),
		cmocka_unit_test(host_memlock_is_the_hosts),
		cmocka_unit_test(the_hosts_limits_come_with_the_hosts_rights),
		cmocka_unit_test(shared_objects_are_models),
		cmocka_unit_test(what_is_no_model_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
