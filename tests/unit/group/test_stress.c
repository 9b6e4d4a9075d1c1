/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices come and go while their group is attached, detached, looked at and
 * used for DMA, with and without PASIDs.
 */
#include <pthread.h>

#include "fixture.h"
#include "ioas/ioas.h"
#include "member.h"
#include "memory/owner.h"
#include "pasid/pasid.h"

#define ROUNDS 2000u
#define PAGE   4096u
#define MAPPED 0x10000u

static const struct rf_pci_model model = { .abi = RF_MODEL_ABI, .name = "member" };
static const struct rf_pci_model tagging_model = {
	.abi = RF_MODEL_ABI,
	.name = "tagging",
	.caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_PASID,
	.pasid_bits = 20,
};

static _Alignas(4096) uint8_t memory[PAGE];
static struct rf_owner *owner;
static struct rf_ioas *ioas;
static struct rf_device *stays;
static struct rf_group *group;
static atomic_bool stop;

static struct rf_device *member(unsigned slot)
{
	return member_of(&model, slot, 1);
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

#define PASIDS 3u

static struct rf_device *wanderer;
static struct rf_pasid_set *pasids;
static atomic_uint attachments;

/* Whatever the others do, what has left reaches nothing. */
static void *leave_and_join(void *arg)
{
	for (unsigned i = 0; i < ROUNDS || !atomic_load(&attachments); i++) {
		uint8_t byte;

		sched_yield();
		group_remove_device(wanderer);
		for (unsigned n = 0; n < 10 * PASIDS; n++) /* a while: who is late comes now */
			assert_int_equal(rf_dma_read_pasid(wanderer, 1 + n % PASIDS, MAPPED, &byte,
							   1),
					 -ENODEV);
		assert_int_equal(group_add_device(group, wanderer), 0);
	}
	atomic_store(&stop, true);
	return NULL;
}

static void *attach_pasids(void *arg)
{
	for (unsigned i = 0; !atomic_load(&stop); i++) {
		uint32_t pasid = 1 + i % PASIDS;
		uint8_t byte;
		int ret = rf_pasid_attach(wanderer, pasids, pasid, ioas);

		assert_true(!ret || ret == -EPERM || ret == -EBUSY);
		atomic_fetch_add(&attachments, !ret);
		ret = rf_dma_read_pasid(wanderer, pasid, MAPPED, &byte, 1);
		assert_true(!ret || ret == -ENODEV);
		ret = rf_pasid_replace(wanderer, pasids, pasid, ioas);
		assert_true(!ret || ret == -EPERM || ret == -EINVAL);
		if (i & 1)
			continue;
		ret = rf_pasid_detach(wanderer, pasids, pasid);
		assert_true(!ret || ret == -ENOENT);
	}
	return NULL;
}

static void pasids_are_attached_while_their_device_leaves(void **state)
{
	static const struct rf_pasid_type type = { "test" };
	struct pasid_space *space;
	pthread_t threads[3];
	uint64_t unmapped;
	uint32_t pasid;

	log_set_level(LOG_ERROR);
	atomic_store(&stop, false);
	owner = owner_new_self();
	assert_int_equal(ioas_new(&ioas), 0);
	assert_int_equal(ioas_map_fixed(ioas, owner, (uintptr_t)memory, MAPPED, PAGE,
					RF_READ | RF_WRITE, false),
			 0);
	assert_int_equal(pasid_space_new(&space), 0);
	assert_int_equal(pasid_set_new(space, &type, &type, PASIDS, &pasids), 0);
	for (unsigned i = 0; i < PASIDS; i++)
		assert_int_equal(rf_pasid_alloc(pasids, 1, PASIDS, NULL, &pasid), 0);
	assert_int_equal(group_set_add_device(set, "pci", member(0)), 0);
	wanderer = member_of(&tagging_model, 1, 1);
	config_write(wanderer, wanderer->cap_pasid + 6u, 1, 2);
	assert_int_equal(group_set_add_device(set, "pci", wanderer), 0);
	group = rf_device_group(wanderer);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						i ? attach_pasids : leave_and_join, NULL),
				 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);

	group_remove_device(wanderer); /* and nothing holds the numbers any more */
	for (uint32_t i = 1; i <= PASIDS; i++) {
		assert_int_equal(rf_pasid_free(pasids, i), 0);
		assert_int_equal(rf_pasid_alloc(pasids, i, i, NULL, &pasid), 0);
	}
	assert_int_equal(ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, false, &unmapped),
			 0);
	ioas_put(ioas);
	group_set_free(set);
	assert_int_equal(group_set_new(&groups, &set), 0);
	pasid_space_free(space);
	owner_free(owner);
	log_set_level(LOG_WARN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(devices_come_and_go_in_the_midst_of_everything,
						setup, teardown),
		cmocka_unit_test_setup_teardown(pasids_are_attached_while_their_device_leaves,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
