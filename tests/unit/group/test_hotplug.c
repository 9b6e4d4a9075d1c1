/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Managers, and devices that come and go while their group is in use.
 */
#include "fixture.h"
#include "ioas/ioas.h"
#include "member.h"
#include "memory/owner.h"
#include "pasid/pasid.h"

#define PAGE   4096u
#define MAPPED 0x10000u

static const struct rf_pci_model model = {
	.abi = RF_MODEL_ABI,
	.name = "member",
	.vendor = 0x1234,
	.int_pin = 1,
	.caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_PASID,
	.pasid_bits = 20,
	.bars = { { .size = 8192, .areas = { { 0, 4096, RF_AREA_RAM } } } },
};

static _Alignas(4096) uint8_t memory[PAGE];
static struct rf_owner *owner;
static struct rf_ioas *ioas;
static struct rf_group *group;
static struct rf_device *first;

/* What a manager was told, as text. */
static char told[256];
static const char *bind_newcomers;

static void manager_added(struct rf_group *g, struct rf_device *dev, void *data)
{
	assert_ptr_equal(data, told);
	strcat(strcat(told, "+"), dev->name);
	if (bind_newcomers)
		assert_int_equal(rf_device_bind(dev, bind_newcomers), 0);
}

static void manager_removed(struct rf_group *g, struct rf_device *dev, void *data)
{
	strcat(strcat(told, "-"), dev->name);
}

static void manager_quarantined(struct rf_group *g, struct rf_device *dev, int err, void *data)
{
	assert_int_equal(err, -ENOMEM);
	assert_false(rf_group_viable(g));
	strcat(strcat(told, "!"), dev->name);
}

static const struct rf_manager_ops manager = {
	.name = "tester",
	.added = manager_added,
	.removed = manager_removed,
	.quarantined = manager_quarantined,
};

static struct rf_device *member(unsigned slot)
{
	struct rf_device *dev = member_of(&model, slot, 4);

	assert_non_null(dev);
	return dev;
}

static struct rf_device *add_member(unsigned slot)
{
	struct rf_device *dev = member(slot);

	assert_int_equal(group_set_add_device(set, "pci", dev), 0);
	return dev;
}

static int begin(void **state)
{
	setup(state);
	told[0] = '\0';
	bind_newcomers = NULL;
	owner = owner_new_self();
	assert_non_null(owner);
	assert_int_equal(ioas_new(&ioas), 0);
	assert_int_equal(ioas_map_fixed(ioas, owner, (uintptr_t)memory, MAPPED, PAGE,
					RF_READ | RF_WRITE, false),
			 0);
	first = add_member(0);
	group = rf_device_group(first);
	assert_int_equal(rf_group_id(group), 4);
	return 0;
}

static int end(void **state)
{
	uint64_t unmapped;

	alloc_fail_nth(0);
	teardown(state);
	assert_int_equal(ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, false, &unmapped),
			 0);
	ioas_put(ioas);
	owner_free(owner);
	return 0;
}

static int dma(struct rf_device *dev)
{
	uint8_t byte;

	return rf_dma_read(dev, MAPPED, &byte, 1);
}

static void two_managers_cannot_hold_one_group(void **state)
{
	int other;

	assert_null(rf_group_manager(group));
	assert_int_equal(rf_group_claim(group, &(struct rf_manager_ops){ 0 }, told), -EINVAL);
	assert_int_equal(rf_group_claim(group, &manager, told), 0);
	assert_string_equal(rf_group_manager(group), "tester");
	assert_int_equal(rf_group_claim(group, &manager, &other), -EBUSY);
	assert_int_equal(rf_group_claim(group, &manager, told), -EBUSY);
	assert_int_equal(group_claim_dma(group, &other), -EPERM);
	rf_group_release(group, &other);
	assert_string_equal(rf_group_manager(group), "tester");
	rf_group_release(group, told);
	assert_int_equal(group_claim_dma(group, &other), 0);
	assert_int_equal(rf_group_claim(group, &manager, told), -EBUSY);
	group_release_dma(group);
	assert_int_equal(rf_group_claim(group, &manager, &other), 0);
	rf_group_release(group, &other);
}

static void host_drivers_stay_away_while_claimed(void **state)
{
	assert_int_equal(rf_device_bind(first, "nvme"), 0);
	assert_string_equal(rf_device_driver(first), "nvme");
	assert_int_equal(rf_device_bind(first, "vfio-pci"), -EBUSY);
	assert_int_equal(rf_group_claim(group, &manager, told), -EPERM);
	assert_int_equal(rf_device_bind(first, NULL), 0);
	assert_int_equal(rf_group_claim(group, &manager, told), 0);
	assert_int_equal(rf_device_bind(first, "nvme"), -EBUSY);
	assert_null(rf_device_driver(first));
	assert_int_equal(rf_device_bind(first, "vfio-pci"), 0);
	assert_int_equal(rf_device_bind(first, NULL), 0);
	rf_group_release(group, told);
	assert_int_equal(rf_device_bind(first, "nvme"), 0);
}

static void drivers_that_leave_dma_alone_do_no_harm(void **state)
{
	static const char *const harmless[] = { "vfio-pci", "pci-stub", "pcieport" };

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rf_device_bind(first, harmless[i]), 0);
		assert_true(rf_group_viable(group));
		assert_int_equal(rf_device_bind(first, NULL), 0);
	}
	assert_int_equal(rf_device_bind(first, "uio_pci_generic"), 0);
	assert_false(rf_group_viable(group));
}

static void a_manager_is_told_and_may_bind(void **state)
{
	struct rf_device *dev;

	assert_int_equal(rf_group_claim(group, &manager, told), 0);
	bind_newcomers = "vfio-pci";
	dev = add_member(1);
	assert_string_equal(told, "+0000:01:01.0");
	assert_string_equal(rf_device_driver(dev), "vfio-pci");
	assert_true(rf_group_viable(group));
	bus_remove_device(dev);
	assert_string_equal(told, "+0000:01:01.0-0000:01:01.0");
	rf_group_release(group, told);
	add_member(2);
	assert_string_equal(told, "+0000:01:01.0-0000:01:01.0");
}

/* Somebody who has claimed a group finds it there, though all devices are gone. */
static void a_claimed_group_outlives_its_devices(void **state)
{
	assert_int_equal(rf_group_claim(group, &manager, told), 0);
	bus_remove_device(first);
	assert_string_equal(told, "-0000:01:00.0");
	assert_int_equal(rf_group_nr_devices(group), 0);
	assert_ptr_equal(groups, group);
	first = add_member(0);
	assert_ptr_equal(rf_device_group(first), group);
	bus_remove_device(first);
	rf_group_release(group, told);
	assert_null(groups);
}

/* There is no group of everything: what has no IOMMU above it is nobody's to give. */
static void owning_every_group_gives_no_right_to_the_rest(void **state)
{
	struct rf_device *bare = member(1);

	bare->iommu = NULL;
	bare->group_wish = DEVICE_NO_GROUP;
	assert_int_equal(group_set_add_device(set, "pci", bare), 0);
	assert_int_equal(rf_group_claim(group, &manager, told), 0);
	assert_null(group->next);
	assert_null(rf_device_group(bare));
	assert_string_equal(rf_device_no_group(bare), "no IOMMU above it");
	assert_int_equal(rf_group_claim(rf_device_group(bare), &manager, &bare), -EPERM);
	assert_int_equal(rf_group_attach(rf_device_group(bare), ioas), -EPERM);
	assert_int_equal(rf_device_bind(bare, "nvme"), 0);
	rf_group_release(group, told);
}

static void a_newcomer_is_attached(void **state)
{
	struct rf_device *dev;

	assert_int_equal(rf_group_attach(group, ioas), 0);
	dev = add_member(1);
	assert_int_equal(dma(dev), 0);
	rf_group_detach(group);
	assert_int_equal(dma(dev), -ENODEV);
}

/* Others that wait for the domain, as many as it has room for without an allocation. */
static struct gate fillers[3];

/* The last allocation of adding is the one that attaching needs. */
static struct rf_device *add_member_that_cannot_attach(void)
{
	struct rf_device *dev;

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(domain_add_gate(group->domain, &fillers[i]), 0);
	for (unsigned nth = 1; nth < 20; nth++) {
		int ret;

		dev = member(1);
		alloc_fail_nth(nth);
		ret = group_set_add_device(set, "pci", dev);
		assert_true(alloc_has_failed());
		alloc_fail_nth(0);
		if (!ret) {
			for (unsigned i = 0; i < 3; i++)
				domain_del_gate(group->domain, &fillers[i]);
			return dev;
		}
		assert_int_equal(ret, -ENOMEM);
		assert_null(dev->group);
		device_free(dev);
	}
	fail();
	return NULL;
}

static void a_newcomer_that_cannot_be_attached_is_quarantined(void **state)
{
	struct rf_device *dev;

	assert_int_equal(rf_group_claim(group, &manager, told), 0);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	dev = add_member_that_cannot_attach();
	assert_ptr_equal(rf_device_group(dev), group);
	assert_true(dev->quarantined);
	assert_int_equal(dma(dev), -ENODEV);
	assert_int_equal(dma(first), 0);
	assert_false(rf_group_viable(group));
	assert_string_equal(told, "+0000:01:01.0!0000:01:01.0");
	assert_true(logged("0000:01:01.0 cannot be attached to the group's address space"));

	/* it stays out of whatever the group is given next */
	rf_group_detach(group);
	assert_int_equal(rf_group_attach(group, ioas), -EPERM);

	bus_remove_device(dev);
	assert_string_equal(told, "+0000:01:01.0!0000:01:01.0-0000:01:01.0");
	assert_true(rf_group_viable(group));
	assert_int_equal(rf_group_attach(group, ioas), 0);
	dev = add_member(1);
	assert_int_equal(dma(dev), 0);
	rf_group_release(group, told);
}

static void throw_out(struct rf_group *g, struct rf_device *dev, void *data)
{
	rf_group_remove_device(dev);
}

static void a_newcomer_that_is_thrown_out_at_once_is_not_quarantined(void **state)
{
	static const struct rf_manager_ops strict = {
		.name = "strict",
		.added = throw_out,
		.quarantined = manager_quarantined,
	};
	struct rf_device *dev;

	assert_int_equal(rf_group_claim(group, &strict, told), 0);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	dev = add_member_that_cannot_attach();
	assert_null(rf_device_group(dev));
	assert_false(dev->quarantined);
	assert_true(rf_group_viable(group));
	assert_string_equal(told, "");
	assert_int_equal(dma(first), 0);
	bus_remove_device(dev);
	rf_group_release(group, told);
}

static unsigned requests;

static void request_signal(struct irq_sink *sink, enum irq_index index, unsigned vector)
{
	requests += index == IRQ_REQ;
}

static void a_removed_device_reads_as_ones_and_reaches_nothing(void **state)
{
	struct irq_sink sink = { request_signal };
	struct rf_device *dev = add_member(1);
	uint8_t byte = 0;
	int fd;

	requests = 0;
	irq_set_sink(dev, &sink);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	assert_int_equal(dma(dev), 0);
	assert_int_equal(bar_read(dev, 0, 0, 4), 0);
	fd = bar_backing(dev, 0);
	assert_true(fd >= 0);

	device_get(dev); /* somebody has it open */
	bus_remove_device(dev);
	bus_remove_device(dev);
	assert_int_equal(requests, 1);
	assert_int_equal(config_read(dev, 0, 4), 0xffffffff);
	config_write(dev, 4, 0, 2);
	assert_int_equal(bar_read(dev, 0, 0, 4), 0xffffffff);
	assert_int_equal(bar_read(dev, 0, 4096, 8), UINT64_MAX);
	bar_write(dev, 0, 0, 0, 4);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 0xff);
	assert_int_equal(dma(dev), -ENODEV);
	assert_int_equal(rf_dma_write(dev, MAPPED, &byte, 1), -ENODEV);
	assert_true(logged("the device was removed"));
	rf_intx_set(dev, true);
	assert_int_equal(requests, 1);

	/* it is in its group until it is closed, but follows it nowhere */
	assert_ptr_equal(rf_device_group(dev), group);
	rf_group_detach(group);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	assert_int_equal(dma(dev), -ENODEV);
	assert_int_equal(dma(first), 0);
	assert_int_equal(rf_device_bind(dev, "vfio-pci"), -ENODEV);
	irq_set_sink(dev, NULL);
	device_put(dev);
	assert_int_equal(rf_group_nr_devices(group), 1);
}

static void a_parent_stays_as_long_as_its_children(void **state)
{
	struct rf_device *child = add_below("foo", "child", first);

	assert_ptr_equal(rf_device_group(child), group);
	bus_remove_device(first);
	assert_ptr_equal(rf_device_group(child), group);
	assert_int_equal(rf_group_nr_devices(group), 2);
	bus_remove_device(child);
	assert_null(groups);
}

static struct rf_pasid_set *newcomers;
static int newcomer_attached;

static void attach_newcomer(struct rf_group *g, struct rf_device *dev, void *data)
{
	uint32_t pasid;

	assert_int_equal(rf_pasid_alloc(newcomers, 1, RF_PASID_MAX, NULL, &pasid), 0);
	newcomer_attached = rf_pasid_attach(dev, newcomers, pasid, ioas);
}

/* Quarantine is of all DMA, also when its manager is quicker than we are. */
static void a_quarantined_newcomer_has_no_pasids_either(void **state)
{
	static const struct rf_pasid_type type = { "test" };
	static const struct rf_manager_ops quick = { .name = "quick", .added = attach_newcomer };
	struct pasid_space *space;
	struct rf_device *dev;
	uint8_t byte;

	assert_int_equal(pasid_space_new(&space), 0);
	assert_int_equal(pasid_set_new(space, &type, &type, 9, &newcomers), 0);
	assert_int_equal(rf_group_claim(group, &quick, told), 0);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	dev = add_member_that_cannot_attach();
	assert_true(dev->quarantined);
	assert_int_equal(newcomer_attached, -EPERM);
	config_write(dev, dev->cap_pasid + 6u, 1, 2);
	assert_int_equal(rf_dma_read_pasid(dev, 1, MAPPED, &byte, 1), -ENODEV);

	bus_remove_device(dev);
	dev = add_member(1);
	assert_int_equal(newcomer_attached, 0);
	config_write(dev, dev->cap_pasid + 6u, 1, 2);
	assert_int_equal(rf_dma_read_pasid(dev, 2, MAPPED, &byte, 1), 0);
	bus_remove_device(dev);
	rf_group_release(group, told);
	rf_pasid_set_free(newcomers);
	pasid_space_free(space);
}

/* The group functions do not touch them; leaving the group ends them. */
static void pasids_are_attached_until_the_device_leaves(void **state)
{
	static const struct rf_pasid_type type = { "test" };
	struct rf_device *dev = add_member(1);
	struct pasid_space *space;
	struct rf_pasid_set *pasids;
	uint32_t pasid, got;
	uint8_t byte;

	assert_int_equal(pasid_space_new(&space), 0);
	assert_int_equal(pasid_set_new(space, &type, &type, 9, &pasids), 0);
	assert_int_equal(rf_pasid_alloc(pasids, 1, RF_PASID_MAX, NULL, &pasid), 0);
	config_write(dev, dev->cap_pasid + 6u, 1, 2);
	assert_int_equal(rf_pasid_attach(dev, pasids, pasid, ioas), 0);
	assert_int_equal(rf_dma_read_pasid(dev, pasid, MAPPED, &byte, 1), 0);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	rf_group_detach(group);
	assert_int_equal(dma(dev), -ENODEV);
	assert_int_equal(rf_dma_read_pasid(dev, pasid, MAPPED, &byte, 1), 0);
	assert_int_equal(rf_pasid_free(pasids, pasid), 0);
	assert_int_equal(rf_pasid_alloc(pasids, pasid, pasid, NULL, &got), -ENOSPC);

	device_get(dev);
	rf_group_remove_device(dev);
	assert_int_equal(rf_dma_read_pasid(dev, pasid, MAPPED, &byte, 1), -ENODEV);
	assert_int_equal(rf_pasid_alloc(pasids, pasid, pasid, NULL, &got), 0);
	assert_int_equal(rf_pasid_attach(dev, pasids, pasid, ioas), -EPERM);
	bus_remove_device(dev);
	device_put(dev);
	rf_pasid_set_free(pasids);
	pasid_space_free(space);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(two_managers_cannot_hold_one_group),
		CASE(host_drivers_stay_away_while_claimed),
		CASE(drivers_that_leave_dma_alone_do_no_harm),
		CASE(a_manager_is_told_and_may_bind),
		CASE(a_claimed_group_outlives_its_devices),
		CASE(owning_every_group_gives_no_right_to_the_rest),
		CASE(a_newcomer_is_attached),
		CASE(a_newcomer_that_cannot_be_attached_is_quarantined),
		CASE(a_newcomer_that_is_thrown_out_at_once_is_not_quarantined),
		CASE(a_removed_device_reads_as_ones_and_reaches_nothing),
		CASE(a_quarantined_newcomer_has_no_pasids_either),
		CASE(pasids_are_attached_until_the_device_leaves),
		CASE(a_parent_stays_as_long_as_its_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
