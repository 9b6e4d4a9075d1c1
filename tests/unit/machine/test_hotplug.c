/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices and providers that come and go on a whole machine, as programs that
 * embed the library have them.
 */
#include "fixture.h"

#include <ringfence/group.h>
#include <ringfence/ioas.h>

static struct rf_machine *machine;
static _Alignas(4096) uint8_t memory[4096];

static int teardown(void **state)
{
	rf_machine_free(machine);
	return 0;
}

static int dma(struct rf_device *dev)
{
	uint8_t byte;

	rf_device_config_write(dev, 4, 6, 2);
	return rf_dma_read(dev, 0x10000, &byte, 1);
}

static struct rf_ioas *mapped(void)
{
	uint64_t iova = 0x10000;
	struct rf_ioas *ioas;

	assert_int_equal(rf_ioas_new(machine, 0, &ioas), 0);
	assert_int_equal(rf_ioas_map(ioas, rf_owner_self(machine), memory, sizeof(memory), RF_READ,
				     RF_MAP_FIXED, &iova),
			 0);
	return ioas;
}

static void a_device_can_be_removed_and_come_again(void **state)
{
	struct rf_device *a, *b;

	machine = machine_of(NULL);
	a = add(machine, "edu");
	b = add(machine, "edu,addr=0000:05:00.0");
	assert_int_equal(rf_group_id(rf_device_group(b)), 2);
	rf_device_remove(b);
	assert_null(rf_machine_find(machine, "05:00.0"));
	assert_null(machine_group(machine, 2));
	assert_ptr_equal(machine->devices, a);
	b = add(machine, "edu,addr=0000:05:00.0");
	assert_ptr_equal(rf_machine_find(machine, "05:00.0"), b);
	assert_int_equal(rf_group_id(rf_device_group(b)), 2);
	rf_device_remove(a);
	rf_device_remove(b);
	assert_null(machine->devices);
	assert_null(machine->groups);
}

static void a_newcomer_follows_its_attached_group(void **state)
{
	struct rf_device *first, *second;
	struct rf_group *group;
	struct rf_ioas *ioas;

	machine = machine_of(NULL);
	first = add(machine, "edu,group=3");
	group = rf_device_group(first);
	ioas = mapped();
	assert_int_equal(rf_group_attach(group, ioas), 0);
	second = add(machine, "edu,group=3");
	assert_ptr_equal(rf_device_group(second), group);
	assert_int_equal(dma(second), 0);
	rf_device_remove(first);
	assert_int_equal(rf_group_nr_devices(group), 1);
	assert_int_equal(dma(second), 0);
	rf_group_detach(group);
	assert_int_equal(dma(second), -ENODEV);
	rf_ioas_free(ioas);
}

/* What is in use stays until it is let go of; its address is free at once. */
static void a_device_in_use_makes_way(void **state)
{
	struct rf_device *old, *new;
	struct rf_group *group;

	machine =
		machine_of("{ \"topology\": [ { \"address\": \"00:01.0\", \"below\": ["
			   " { \"address\": \"01:00.0\" } ] } ],"
			   " \"devices\": [ { \"model\": \"edu\", \"address\": \"01:00.0\" } ] }");
	old = rf_machine_find(machine, "01:00.0");
	group = rf_device_group(old);
	assert_int_equal(rf_group_nr_devices(group), 2); /* the port has no ACS */
	device_get(old);
	rf_device_remove(old);
	assert_ptr_equal(rf_device_group(old), group);
	new = add(machine, "edu,addr=0000:01:00.0");
	assert_ptr_not_equal(new, old);
	assert_ptr_equal(rf_device_group(new), group);
	assert_int_equal(rf_group_nr_devices(group), 3);
	assert_int_equal(rf_device_config_read(old, 8, 4), UINT32_MAX);
	assert_int_not_equal(rf_device_config_read(new, 8, 4), UINT32_MAX);
	device_put(old);
	assert_int_equal(rf_group_nr_devices(group), 2);
	assert_int_equal(new->function->group, (int)rf_group_id(group));
	rf_device_remove(new);
	assert_int_equal(rf_group_nr_devices(group), 1);
}

static struct rf_group *foo_group;

static int foo_added(struct rf_provider *provider, struct rf_device *dev)
{
	struct rf_device *owner = rf_provider_data(provider);

	if (strncmp(rf_device_name(dev), "foo", 3) != 0)
		return RF_NOT_MINE;
	assert_non_null(owner);
	return rf_group_add_device(rf_device_group(owner), dev);
}

static void a_program_may_provide_groups(void **state)
{
	static const char *const buses[] = { "foobus", NULL };
	static const struct rf_provider_ops ops = { .name = "foobus",
						    .buses = buses,
						    .added = foo_added };
	struct rf_device *card, *early, *bar, *lone;
	struct rf_provider *provider;

	machine = machine_of(NULL);
	card = add(machine, "edu");
	foo_group = rf_device_group(card);
	assert_int_equal(rf_bus_add_device(machine, "foobus", "foo0", NULL, &early), 0);
	assert_null(rf_device_group(early));
	assert_int_equal(rf_provider_register(machine, &ops, card, &provider), 0);
	assert_ptr_equal(rf_device_group(early), foo_group);
	assert_int_equal(rf_bus_add_device(machine, "foobus", "bar0", card, &bar), 0);
	assert_ptr_equal(rf_device_group(bar), foo_group);
	assert_int_equal(rf_bus_add_device(machine, "foobus", "lone", NULL, &lone), 0);
	assert_string_equal(rf_device_no_group(lone), "no IOMMU above it");
	assert_int_equal(rf_bus_add_device(machine, "foobus", "bar0", card, NULL), -EEXIST);
	assert_int_equal(rf_bus_add_device(machine, "foobus", "", card, NULL), -EINVAL);
	assert_int_equal(rf_device_bind(bar, "foo-driver"), 0);
	assert_false(rf_group_viable(foo_group));
	rf_provider_unregister(provider);
	rf_device_remove(card);
	assert_int_equal(rf_group_nr_devices(foo_group), 3); /* bar0 is behind it still */
	rf_device_remove(bar);
	assert_int_equal(rf_group_nr_devices(foo_group), 1);
}

#define CASE(test) cmocka_unit_test_teardown(test, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_device_can_be_removed_and_come_again),
		CASE(a_newcomer_follows_its_attached_group),
		CASE(a_device_in_use_makes_way),
		CASE(a_program_may_provide_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
