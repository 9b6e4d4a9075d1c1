/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "group/group.h"
#include "ioas/ioas.h"
#include "member.h"
#include "memory/fault.h"
#include "memory/owner.h"

#define PAGE 4096u

static const struct rf_pci_model model = { .abi = RF_MODEL_ABI, .name = "member" };

static _Alignas(4096) uint8_t memory[4 * PAGE];
static struct rf_owner *owner;
static struct rf_group *group;
static struct rf_device *devs[3];
static struct rf_ioas *ioas;

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	owner = owner_new_self();
	assert_non_null(owner);
	assert_int_equal(ioas_new(&ioas), 0);
	assert_int_equal(group_new(7, &group), 0);
	for (unsigned i = 0; i < 3; i++) {
		devs[i] = member_of(&model, i, DEVICE_NO_WISH);
		assert_non_null(devs[i]);
	}
	assert_int_equal(group_add_device(group, devs[0]), 0);
	assert_int_equal(group_add_device(group, devs[1]), 0);
	memset(memory, 0, sizeof(memory));
	return 0;
}

static int teardown(void **state)
{
	uint64_t unmapped;

	alloc_fail_nth(0);
	group_free(group);
	assert_int_equal(ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, false, &unmapped),
			 0);
	ioas_put(ioas);
	for (unsigned i = 0; i < 3; i++)
		device_free(devs[i]);
	owner_free(owner);
	return 0;
}

static void map(struct rf_ioas *to, unsigned page, uint64_t iova)
{
	assert_int_equal(ioas_map_fixed(to, owner, (uintptr_t)memory + page * PAGE, iova, PAGE,
					RF_READ | RF_WRITE, false),
			 0);
}

static int probe(struct rf_device *dev, uint64_t iova)
{
	uint8_t byte;

	return rf_dma_read(dev, iova, &byte, 1);
}

static void every_device_reaches_the_space_after_attach(void **state)
{
	map(ioas, 0, 0x10000);
	assert_int_equal(probe(devs[0], 0x10000), -ENODEV);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	assert_int_equal(probe(devs[0], 0x10000), 0);
	assert_int_equal(probe(devs[1], 0x10000), 0);
	map(ioas, 1, 0x20000);
	assert_int_equal(probe(devs[1], 0x20000), 0);
	rf_group_detach(group);
	assert_int_equal(probe(devs[0], 0x10000), -ENODEV);
	assert_int_equal(probe(devs[1], 0x20000), -ENODEV);
	rf_group_detach(group);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	assert_int_equal(probe(devs[1], 0x20000), 0);
}

static void no_group_is_no_permission(void **state)
{
	struct rf_group *empty;

	assert_null(rf_device_group(devs[2]));
	assert_int_equal(rf_group_attach(rf_device_group(devs[2]), ioas), -EPERM);
	assert_int_equal(group_new(8, &empty), 0);
	assert_int_equal(rf_group_attach(empty, ioas), -EPERM);
	group_free(empty);
}

static void a_host_driver_makes_the_group_not_viable(void **state)
{
	char nvme[] = "nvme", vfio[] = "vfio-pci";

	assert_true(rf_group_viable(group));
	devs[0]->host_driver = vfio;
	assert_true(rf_group_viable(group));
	devs[1]->host_driver = nvme;
	assert_false(rf_group_viable(group));
	assert_int_equal(rf_group_attach(group, ioas), -EPERM);
	assert_int_equal(probe(devs[0], 0), -ENODEV);
	devs[1]->host_driver = NULL;
	assert_int_equal(rf_group_attach(group, ioas), 0);
}

static void a_second_attach_is_busy(void **state)
{
	struct rf_ioas *other;

	map(ioas, 0, 0x10000);
	assert_int_equal(ioas_new(&other), 0);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	assert_int_equal(rf_group_attach(group, ioas), -EBUSY);
	assert_int_equal(rf_group_attach(group, other), -EBUSY);
	assert_int_equal(probe(devs[0], 0x10000), 0);
	ioas_put(other);
}

static void a_device_is_in_one_group(void **state)
{
	struct rf_group *other;

	assert_int_equal(group_new(8, &other), 0);
	assert_int_equal(group_add_device(other, devs[0]), -EBUSY);
	assert_ptr_equal(rf_device_group(devs[0]), group);
	assert_int_equal(rf_group_id(rf_device_group(devs[0])), 7);
	devs[2]->iommu = NULL;
	assert_int_equal(group_add_device(other, devs[2]), -EINVAL);
	assert_null(rf_device_group(devs[2]));
	devs[2]->iommu = iommu_kind_find("x86-39");
	assert_int_equal(group_add_device(group, devs[2]), -EINVAL);
	assert_int_equal(group_add_device(other, devs[2]), 0);
	group_free(other);
	assert_null(rf_device_group(devs[2]));
}

static void a_newcomer_follows_the_group(void **state)
{
	map(ioas, 0, 0x10000);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	assert_int_equal(group_add_device(group, devs[2]), 0);
	assert_int_equal(probe(devs[2], 0x10000), 0);
	rf_group_detach(group);
	assert_int_equal(probe(devs[2], 0x10000), -ENODEV);
}

static void a_mapping_that_the_iommu_cannot_reach_refuses_attach(void **state)
{
	struct rf_group *narrow;

	devs[2]->iommu = iommu_kind_find("x86-39");
	assert_int_equal(group_new(8, &narrow), 0);
	assert_int_equal(group_add_device(narrow, devs[2]), 0);
	map(ioas, 0, 1ull << 40);
	assert_int_equal(rf_group_attach(narrow, ioas), -EADDRINUSE);
	assert_int_equal(probe(devs[2], 1ull << 40), -ENODEV);
	assert_int_equal(rf_group_attach(group, ioas), 0);
	assert_int_equal(probe(devs[0], 1ull << 40), 0);
	group_free(narrow);
}

static void the_group_keeps_the_space_alive(void **state)
{
	struct rf_ioas *own;
	uint64_t unmapped;

	assert_int_equal(ioas_new(&own), 0);
	map(own, 0, 0x10000);
	assert_int_equal(rf_group_attach(group, own), 0);
	ioas_put(own);
	assert_int_equal(probe(devs[0], 0x10000), 0);
	assert_int_equal(ioas_unmap_range(own, 0, UINT64_MAX, IOAS_CUT_REFUSE, false, &unmapped),
			 0);
	assert_int_equal(unmapped, PAGE);
	rf_group_detach(group);
}

/* Each allocation on the way fails in turn; nothing must have changed then. */
static void a_failed_attach_leaves_every_device_alone(void **state)
{
	unsigned nth;
	int ret;

	map(ioas, 0, 0x10000);
	for (nth = 1; nth < 100; nth++) {
		alloc_fail_nth(nth);
		ret = rf_group_attach(group, ioas);
		if (!alloc_has_failed())
			break;
		alloc_fail_nth(0);
		assert_int_equal(ret, -ENOMEM);
		assert_null(group->ioas);
		assert_int_equal(probe(devs[0], 0x10000), -ENODEV);
		assert_int_equal(probe(devs[1], 0x10000), -ENODEV);
	}
	alloc_fail_nth(0);
	assert_true(nth > 1 && nth < 100);
	assert_int_equal(ret, 0);
	assert_int_equal(probe(devs[1], 0x10000), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* A copy looks at its memory when a device comes that may reach it. */
static void a_copy_whose_memory_is_gone_is_not_attached(void **state)
{
	char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rf_ioas *from;
	uint64_t iova = PAGE;

	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(fault_install(), 0);
	assert_int_equal(ioas_new(&from), 0);
	assert_int_equal(rf_ioas_map(from, owner, page, PAGE, RF_READ, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(rf_ioas_copy(ioas, from, PAGE, PAGE, RF_READ, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(rf_ioas_unmap(from, PAGE, PAGE, 0, NULL), 0);
	munmap(page, PAGE);
	assert_int_equal(group_attach(group, ioas), -EFAULT);
	assert_null(group->ioas);
	assert_null(devs[0]->domain);
	ioas_put(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_device_reaches_the_space_after_attach),
		CASE(no_group_is_no_permission),
		CASE(a_host_driver_makes_the_group_not_viable),
		CASE(a_second_attach_is_busy),
		CASE(a_device_is_in_one_group),
		CASE(a_copy_whose_memory_is_gone_is_not_attached),
		CASE(a_newcomer_follows_the_group),
		CASE(a_mapping_that_the_iommu_cannot_reach_refuses_attach),
		CASE(the_group_keeps_the_space_alive),
		CASE(a_failed_attach_leaves_every_device_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
