/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices come and go while their group is attached, detached, looked at and
 * used for DMA.
 */
#include <pthread.h>

#include "fixture.h"
#include "ioas/ioas.h"
#include "memory/owner.h"

#define ROUNDS 2000u
#define PAGE   4096u
#define MAPPED 0x10000u

static const struct rf_pci_model model = { .abi = RF_MODEL_ABI, .name = "member" };

static _Alignas(4096) uint8_t memory[PAGE];
static struct rf_owner *owner;
static struct rf_ioas *ioas;
static struct rf_device *stays;
static struct rf_group *group;
static atomic_bool stop;

static struct rf_device *member(unsigned slot)
{
	const struct pci_address at = { .bus = 1, .slot = (uint8_t)slot };
	struct rf_device *dev;
	char *error;

	if (device_new(&model, &at, NULL, &dev, &error))
		return NULL;
	dev->iommu = iommu_kind_find(NULL);
	dev->group_wish = 1;
	dev->of_set = true;
	config_write(dev, 4, 6, 2);
	return dev;
}

/* Each newcomer is used by another thread for a while. */
static void *come_and_go(void *arg)
{
	unsigned slot = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct rf_device *dev = member(slot);
		uint8_t byte;
		int ret;

		assert_non_null(dev);
		assert_int_equal(group_set_add_device(set, "pci", dev), 0);
		device_get(dev);
		ret = rf_dma_read(dev, MAPPED, &byte, 1);
		assert_true(!ret || ret == -ENODEV);
		bus_remove_device(dev);
		assert_int_equal(rf_dma_read(dev, MAPPED, &byte, 1), -ENODEV);
		device_put(dev);
	}
	return NULL;
}

static void *attach_and_detach(void *arg)
{
	while (!atomic_load(&stop)) {
		assert_int_equal(rf_group_attach(group, ioas), 0);
		assert_int_equal(
			rf_group_claim(group, &(struct rf_manager_ops){ .name = "x" }, &stop), 0);
		rf_group_release(group, &stop);
		rf_group_detach(group);
	}
	return NULL;
}

static void *look(void *arg)
{
	char name[GROUP_LINK_SIZE];

	while (!atomic_load(&stop)) {
		assert_true(rf_group_viable(group));
		group_lock_members(group);
		for (unsigned i = 0; i < group->nr_devices; i++)
			group_link_name(group->devices[i], name);
		group_unlock_members(group);
	}
	return NULL;
}

static void *use(void *arg)
{
	uint8_t byte;

	while (!atomic_load(&stop))
		rf_dma_read(stays, MAPPED, &byte, 1);
	return NULL;
}

static void devices_come_and_go_in_the_midst_of_everything(void **state)
{
	void *(*const others[])(void *) = { attach_and_detach, look, use };
	pthread_t threads[3], movers[2];
	uint64_t unmapped;

	owner = owner_new_self();
	assert_int_equal(ioas_new(&ioas), 0);
	assert_int_equal(ioas_map_fixed(ioas, owner, (uintptr_t)memory, MAPPED, PAGE,
					RF_READ | RF_WRITE, false),
			 0);
	stays = member(0);
	assert_int_equal(group_set_add_device(set, "pci", stays), 0);
	group = rf_device_group(stays);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, others[i], NULL), 0);
	for (uintptr_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&movers[i], NULL, come_and_go, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(movers[i], NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(rf_group_nr_devices(group), 1);
	assert_int_equal(ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, false, &unmapped),
			 0);
	ioas_put(ioas);
	group_set_free(set);
	assert_int_equal(group_set_new(&groups, &set), 0);
	owner_free(owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(devices_come_and_go_in_the_midst_of_everything,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
