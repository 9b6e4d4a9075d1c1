/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine's PASIDs, by the public functions alone.
 */
#include <errno.h>

#include <ringfence/ioas.h>
#include <ringfence/pasid.h>

#include "fixture.h"
#include "group/set.h"

static const struct rf_pasid_type sva = { "sva" }, aux = { "aux" };
static const char owner, stranger;

static int give_five(void *data, uint32_t min, uint32_t max, uint32_t *pasid)
{
	*pasid = 5;
	return 0;
}

static void take_back(void *data, uint32_t pasid)
{
	++*(unsigned *)data;
}

static void each_machine_has_its_own_numbers(void **state)
{
	struct rf_machine *one = machine_of(NULL), *two = machine_of(NULL);
	struct rf_pasid_set *sets[2];
	uint32_t pasid;
	int object;

	assert_int_equal(rf_pasid_set_new(one, &sva, &owner, RF_PASID_MAX, &sets[0]), 0);
	assert_int_equal(rf_pasid_set_new(two, &sva, &owner, RF_PASID_MAX, &sets[1]), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rf_pasid_alloc(sets[i], 1, RF_PASID_MAX, &object, &pasid), 0);
		assert_int_equal(pasid, 1);
	}
	assert_int_equal(rf_pasid_free(sets[1], 1), 0);
	assert_ptr_equal(rf_pasid_find_typed(one, &sva, 1, NULL), &object);
	assert_null(rf_pasid_find_typed(one, &aux, 1, NULL));
	assert_null(rf_pasid_find_typed(two, &sva, 1, NULL));
	assert_int_equal(rf_pasid_check_owner(one, 1, &owner), 0);
	assert_int_equal(rf_pasid_check_owner(one, 1, &stranger), -EACCES);
	assert_int_equal(rf_pasid_check_owner(two, 1, &owner), -ENOENT);
	rf_pasid_set_free(sets[0]);
	rf_machine_free(one);
	rf_machine_free(two); /* and the set that is left there */
}

static void an_allocator_is_registered_for_one_machine(void **state)
{
	static const struct rf_pasid_allocator five = { "five", give_five, take_back };
	struct rf_machine *one = machine_of(NULL), *two = machine_of(NULL);
	struct rf_pasid_set *sets[2];
	unsigned taken_back = 0;
	uint32_t pasid;

	assert_int_equal(rf_pasid_allocator_register(one, &five, &taken_back), 0);
	assert_int_equal(rf_pasid_set_new(one, &sva, &owner, 9, &sets[0]), 0);
	assert_int_equal(rf_pasid_set_new(two, &sva, &owner, 9, &sets[1]), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rf_pasid_alloc(sets[i], 1, 9, NULL, &pasid), 0);
		assert_int_equal(pasid, i ? 1 : 5);
		rf_pasid_set_free(sets[i]);
	}
	assert_int_equal(taken_back, 1);
	assert_int_equal(rf_pasid_allocator_unregister(one, &five), 0);
	/* what is left when the machine goes is given back, too */
	assert_int_equal(rf_pasid_allocator_register(one, &five, &taken_back), 0);
	assert_int_equal(rf_pasid_set_new(one, &sva, &owner, 9, &sets[0]), 0);
	assert_int_equal(rf_pasid_alloc(sets[0], 1, 9, NULL, &pasid), 0);
	assert_int_equal(rf_pasid_get(sets[0], pasid), 0);
	rf_machine_free(one);
	assert_int_equal(taken_back, 2);
	rf_machine_free(two);
}

static const struct rf_pci_model tagging = {
	.abi = RF_MODEL_ABI,
	.name = "tagging",
	.caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_PASID,
	.pasid_bits = 20,
};

static struct rf_device *tagging_device(struct rf_machine *machine)
{
	const struct pci_address at = { .bus = 0x42 };
	struct rf_device *dev;
	char *error;

	assert_int_equal(device_new(&tagging, &at, NULL, &dev, &error), 0);
	dev->machine = machine;
	dev->iommu = machine->iommu;
	dev->group_wish = 42;
	dev->of_set = true;
	assert_int_equal(group_set_add_device(machine->set, "pci", dev), 0);
	return dev;
}

/* Or one number would be two owners' at the same device. */
static void a_number_of_another_machine_is_none_of_its_devices(void **state)
{
	struct rf_machine *one = machine_of(NULL), *two = machine_of(NULL);
	struct rf_device *dev = tagging_device(one);
	struct rf_pasid_set *sets[2];
	struct rf_ioas *ioas;
	uint32_t pasid;

	assert_int_equal(rf_ioas_new(one, 0, &ioas), 0);
	assert_int_equal(rf_pasid_set_new(one, &sva, &owner, 9, &sets[0]), 0);
	assert_int_equal(rf_pasid_set_new(two, &sva, &stranger, 9, &sets[1]), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rf_pasid_alloc(sets[i], 1, 1, NULL, &pasid), 0);
		assert_int_equal(rf_pasid_attach(dev, sets[1], pasid, ioas), -EINVAL);
		assert_int_equal(rf_pasid_replace(dev, sets[1], pasid, ioas), -EINVAL);
	}
	assert_int_equal(rf_pasid_attach(dev, sets[0], pasid, ioas), 0);
	assert_int_equal(rf_pasid_replace(dev, sets[1], pasid, ioas), -EINVAL);
	assert_int_equal(rf_pasid_detach(dev, sets[1], pasid), -EACCES);
	assert_int_equal(rf_pasid_detach(dev, sets[0], pasid), 0);
	rf_ioas_free(ioas);
	rf_machine_free(one);
	rf_machine_free(two);
}

static void no_machine_has_none(void **state)
{
	static const struct rf_pasid_allocator five = { "five", give_five, take_back };
	struct rf_pasid_set *set = (void *)1;

	assert_int_equal(rf_pasid_set_new(NULL, &sva, &owner, 9, &set), -EINVAL);
	assert_ptr_equal(set, (void *)1);
	assert_null(rf_pasid_find_typed(NULL, &sva, 1, NULL));
	assert_int_equal(rf_pasid_check_owner(NULL, 1, &owner), -EINVAL);
	assert_int_equal(rf_pasid_allocator_register(NULL, &five, NULL), -EINVAL);
	assert_int_equal(rf_pasid_allocator_unregister(NULL, &five), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_machine_has_its_own_numbers),
		cmocka_unit_test(an_allocator_is_registered_for_one_machine),
		cmocka_unit_test(a_number_of_another_machine_is_none_of_its_devices),
		cmocka_unit_test(no_machine_has_none),
	};

	return cmocka_run_group_tests_name("pasid", tests, NULL, NULL);
}
