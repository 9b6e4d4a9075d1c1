/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA tagged with PASIDs: the capability, address spaces attached per PASID, and that
 * nothing reaches a page after unmap, detach or replace.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ringfence/ioas.h>

#include "../faults.h"
#include "../logged.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/stats.h"
#include "fixture.h"
#include "ioas/ioas.h"
#include "memory/owner.h"
#include "pasid/pasid.h"

#define PAGE	4096u
#define SPAN	(64 * PAGE) /* of a space: a DMA of all of it takes a while */
#define SPACES	3u
#define IOVA	0x100000u
#define CAP	0x100u
#define BITS	14u
#define COMMAND 4u
#define MASTER	4u
#define ENABLE	1u

static const struct rf_pci_model model = {
	.abi = RF_MODEL_ABI,
	.name = "tagging",
	.caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_FLR | RF_PCI_CAP_PASID,
	.pasid_bits = BITS,
};
static const struct rf_pci_model plain_model = { .abi = RF_MODEL_ABI, .name = "plain" };
static const struct rf_pasid_type type = { "test" };
static struct iommu_kind blind; /* an IOMMU that looks at no PASIDs */

static struct rf_device *dev, *other;
static struct rf_owner *owner;
static struct pasid_space *space;
static struct rf_pasid_set *set, *hers;
static struct rf_ioas *spaces[SPACES];
static struct domain *domain; /* of spaces[0] */
static uint8_t *memory;

static struct rf_device *device(const struct rf_pci_model *of, const char *address)
{
	struct rf_device *made = fixture_device_at(of, NULL, address);

	made->iommu = iommu_kind_find(NULL);
	made->group = (struct rf_group *)memory; /* some group */
	config_write(made, COMMAND, MASTER, 2);
	return made;
}

static void enable(struct rf_device *of, bool on)
{
	config_write(of, CAP + 6, on ? ENABLE : 0, 2);
}

/* Part @part of the memory at IOVA of the space. */
static void map(struct rf_ioas *ioas, unsigned part)
{
	assert_int_equal(ioas_map_fixed(ioas, owner, (uintptr_t)memory + part * SPAN, IOVA, SPAN,
					RF_READ | RF_WRITE, false),
			 0);
}

static void unmap(struct rf_ioas *ioas)
{
	uint64_t unmapped;

	assert_int_equal(ioas_unmap_range(ioas, IOVA, IOVA + SPAN - 1, IOAS_CUT_REFUSE, false,
					  &unmapped),
			 0);
	assert_int_equal(unmapped, SPAN);
}

static uint32_t alloc(void)
{
	uint32_t pasid;

	assert_int_equal(rf_pasid_alloc(set, 1, RF_PASID_MAX, NULL, &pasid), 0);
	return pasid;
}

static int setup(void **state)
{
	log_begins();
	memory = mmap(NULL, SPACES * SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	for (unsigned i = 0; i < SPACES; i++)
		memory[i * SPAN] = (uint8_t)(10 + i);
	owner = owner_new_self();
	assert_non_null(owner);
	blind = *iommu_kind_find(NULL);
	blind.pasid_bits = 0;
	assert_int_equal(pasid_space_new(&space), 0);
	assert_int_equal(pasid_set_new(space, &type, &model, 100, &set), 0);
	assert_int_equal(pasid_set_new(space, &type, &type, 100, &hers), 0);
	dev = device(&model, "0000:01:00.0");
	other = device(&model, "0000:02:00.0");
	enable(dev, true);
	enable(other, true);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ioas_new(&spaces[i]), 0);
		map(spaces[i], i);
	}
	assert_int_equal(ioas_get_domain(spaces[0], dev->iommu, &domain), 0);
	assert_int_equal(device_attach(dev, domain), 0);
	return 0;
}

static int teardown(void **state)
{
	alloc_fail_nth(0);
	device_free(dev);
	device_free(other);
	ioas_put_domain(spaces[0], domain);
	for (unsigned i = 0; i < 3; i++)
		ioas_put(spaces[i]);
	pasid_space_free(space);
	owner_free(owner);
	munmap(memory, SPACES * SPAN);
	log_ends();
	return 0;
}

/* The first byte at IOVA as the device sees it, or a negative errno. */
static int see(struct rf_device *of, uint32_t pasid)
{
	uint8_t val;
	int ret = pasid ? rf_dma_read_pasid(of, pasid, IOVA, &val, 1) :
			  rf_dma_read(of, IOVA, &val, 1);

	return ret ? ret : val;
}

static void the_capability_stands_in_extended_space(void **state)
{
	struct rf_device *plain = device(&plain_model, "0000:03:00.0");

	enable(dev, false);
	assert_int_equal(config_read(dev, CAP, 4), 0x0001001b);
	assert_int_equal(config_read(dev, CAP + 4, 2), BITS << 8);
	assert_int_equal(config_read(dev, CAP + 6, 2), 0);
	config_write(dev, CAP, UINT32_MAX, 4);
	config_write(dev, CAP + 4, UINT32_MAX, 4);
	assert_int_equal(config_read(dev, CAP, 4), 0x0001001b);
	assert_int_equal(config_read(dev, CAP + 4, 2), BITS << 8);
	assert_int_equal(config_read(dev, CAP + 6, 2), ENABLE);
	device_reset(dev);
	assert_int_equal(config_read(dev, CAP + 6, 2), 0);
	assert_int_equal(plain->cap_pasid, 0);
	assert_int_equal(plain->config_size, PCI_CONFIG_SIZE);
	device_free(plain);
}

static void tagged_dma_goes_where_its_pasid_is_attached(void **state)
{
	uint32_t one = alloc(), two = alloc();
	uint8_t val = 99;

	assert_int_equal(rf_pasid_attach(dev, set, one, spaces[1]), 0);
	assert_int_equal(rf_pasid_attach(dev, set, two, spaces[2]), 0);
	assert_int_equal(see(dev, 0), 10);
	assert_int_equal(see(dev, one), 11);
	assert_int_equal(see(dev, two), 12);
	assert_int_equal(rf_dma_write_pasid(dev, one, IOVA + 5, &val, 1), 0);
	assert_int_equal(memory[SPAN + 5], 99);
	assert_int_equal(memory[5], 0);
	assert_int_equal(memory[2 * SPAN + 5], 0);
	/* of this device only */
	assert_int_equal(see(other, one), -ENODEV);
	/* and whatever becomes of the rest */
	device_detach(dev);
	assert_int_equal(see(dev, 0), -ENODEV);
	assert_int_equal(see(dev, one), 11);
	assert_int_equal(device_attach(dev, domain), 0);
}

static void enable_gates_it(void **state)
{
	struct rf_device *plain = device(&plain_model, "0000:03:00.0");
	uint64_t faults = atomic_load(&stats()->faults);
	uint32_t pasid = alloc();

	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), 0);
	enable(dev, false);
	assert_int_equal(see(dev, pasid), -EPERM);
	logged_has("0000:01:00.0: DMA read of 1 bytes from IOVA 0x100000 of PASID 0x1: PASIDs are "
		   "not enabled (PASID Control.Enable=0); dropped\n");
	assert_int_equal(see(dev, 0), 10);
	enable(dev, true);
	assert_int_equal(see(dev, pasid), 11);
	config_write(dev, COMMAND, 0, 2);
	assert_int_equal(see(dev, pasid), -EPERM);
	logged_has("bus mastering is off");
	assert_int_equal(see(plain, pasid), -EPERM);
	logged_has("0000:03:00.0: DMA read of 1 bytes from IOVA 0x100000 of PASID 0x1: the device "
		   "has no PASID capability; dropped\n");
	assert_int_equal(atomic_load(&stats()->faults) - faults, 3);
	device_free(plain);
}

static void what_is_not_attached_is_a_fault_with_its_pasid(void **state)
{
	uint64_t faults = atomic_load(&stats()->faults);
	uint32_t pasid = alloc();
	uint8_t val = 1;

	assert_int_equal(rf_dma_write_pasid(dev, 0x123, IOVA, &val, 1), -ENODEV);
	logged_has("0000:01:00.0: DMA write of 1 bytes to IOVA 0x100000 of PASID 0x123: no address "
		   "space is attached to that PASID; dropped\n");
	assert_int_equal(rf_dma_write_pasid(dev, 0, IOVA, &val, 1), -ENODEV);
	assert_int_equal(rf_dma_write_pasid(dev, 1u << BITS, IOVA, &val, 1), -EINVAL);
	assert_int_equal(rf_dma_write_pasid(dev, UINT32_MAX, IOVA, &val, 1), -EINVAL);
	logged_has("fewer PASID bits");
	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), 0);
	assert_int_equal(rf_dma_write_pasid(dev, pasid, IOVA + SPAN, &val, 1), -EFAULT);
	logged_has("IOVA 0x140000 of PASID 0x1: not mapped; dropped");
	assert_int_equal(atomic_load(&stats()->faults) - faults, 5);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(memory[i * SPAN], 10 + i);
}

static void bad_arguments_attach_nothing(void **state)
{
	struct rf_device *plain = device(&plain_model, "0000:03:00.0");
	uint32_t pasid = alloc(), wide, freed = alloc();

	assert_int_equal(rf_pasid_alloc(set, 1u << BITS, RF_PASID_MAX, NULL, &wide), 0);
	assert_int_equal(rf_pasid_free(set, freed), 0);
	assert_int_equal(rf_pasid_attach(NULL, set, pasid, spaces[1]), -EINVAL);
	assert_int_equal(rf_pasid_attach(dev, NULL, pasid, spaces[1]), -EINVAL);
	assert_int_equal(rf_pasid_attach(dev, set, 0, spaces[1]), -EINVAL);
	assert_int_equal(rf_pasid_attach(dev, set, RF_PASID_MAX + 1, spaces[1]), -EINVAL);
	assert_int_equal(rf_pasid_attach(dev, set, pasid, NULL), -EINVAL);
	assert_int_equal(rf_pasid_attach(dev, set, wide, spaces[1]), -EINVAL);
	assert_int_equal(rf_pasid_attach(plain, set, pasid, spaces[1]), -EOPNOTSUPP);
	assert_int_equal(rf_pasid_attach(dev, set, freed, spaces[1]), -ENOENT);
	assert_int_equal(rf_pasid_attach(dev, hers, pasid, spaces[1]), -EACCES);
	assert_int_equal(rf_pasid_replace(dev, set, pasid, spaces[1]), -EINVAL);
	assert_int_equal(rf_pasid_detach(NULL, set, pasid), -EINVAL);
	assert_int_equal(rf_pasid_detach(dev, NULL, pasid), -EINVAL);
	assert_int_equal(rf_pasid_detach(dev, set, 0), -EINVAL);
	assert_int_equal(rf_pasid_detach(dev, set, pasid), -ENOENT);
	assert_int_equal(rf_pasid_detach(dev, set, wide), -ENOENT);
	assert_int_equal(rf_pasid_detach(plain, set, pasid), -ENOENT);

	dev->group = NULL;
	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), -EPERM);
	dev->group = other->group;
	dev->quarantined = true;
	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), -EPERM);
	dev->quarantined = false;
	dev->iommu = &blind;
	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), -EOPNOTSUPP);
	dev->iommu = other->iommu;
	assert_int_equal(see(dev, pasid), -ENODEV);

	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), 0);
	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[2]), -EBUSY);
	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), -EBUSY);
	assert_int_equal(see(dev, pasid), 11);
	device_free(plain);
}

static void a_hostile_owner_moves_nothing_of_others(void **state)
{
	uint32_t pasid = alloc();

	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), 0);
	assert_int_equal(rf_pasid_replace(dev, hers, pasid, spaces[2]), -EACCES);
	assert_int_equal(rf_pasid_detach(dev, hers, pasid), -EACCES);
	assert_int_equal(rf_pasid_free(hers, pasid), -EACCES);
	assert_int_equal(rf_pasid_put(set, pasid), -EINVAL); /* the device's hold is its own */
	assert_int_equal(see(dev, pasid), 11);
}

static void an_iommu_that_cannot_reach_a_mapping_refuses(void **state)
{
	uint32_t pasid = alloc();

	assert_int_equal(ioas_map_fixed(spaces[1], owner, (uintptr_t)memory, 1ull << 50, PAGE,
					RF_READ, false),
			 0);
	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), -EADDRINUSE);
	assert_int_equal(see(dev, pasid), -ENODEV);
	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[2]), 0);
	assert_int_equal(rf_pasid_replace(dev, set, pasid, spaces[1]), -EADDRINUSE);
	assert_int_equal(see(dev, pasid), 12);
}

static void freed_while_attached_stays_reserved(void **state)
{
	uint32_t pasid = alloc(), got;

	assert_int_equal(rf_pasid_attach(dev, set, pasid, spaces[1]), 0);
	assert_int_equal(rf_pasid_attach(other, set, pasid, spaces[2]), 0);
	assert_int_equal(rf_pasid_free(set, pasid), 0);
	assert_int_equal(rf_pasid_replace(dev, set, pasid, spaces[2]), -ENOENT);
	assert_int_equal(see(dev, pasid), 11);
	assert_int_equal(rf_pasid_detach(dev, set, pasid), 0);
	assert_int_equal(see(dev, pasid), -ENODEV);
	assert_int_equal(rf_pasid_alloc(hers, pasid, pasid, NULL, &got), -ENOSPC);
	rf_pasid_set_free(set); /* and with its set */
	assert_int_equal(see(other, pasid), 12);
	device_detach_pasids(other);
	assert_int_equal(see(other, pasid), -ENODEV);
	assert_int_equal(rf_pasid_alloc(hers, pasid, pasid, NULL, &got), 0);
}

/* What is attached keeps it, but its maps go. */
static void a_space_that_is_freed_while_attached_reaches_nothing(void **state)
{
	uint32_t pasid = alloc();
	struct rf_ioas *ioas;

	assert_int_equal(ioas_new(&ioas), 0);
	map(ioas, 1);
	assert_int_equal(rf_pasid_attach(dev, set, pasid, ioas), 0);
	assert_int_equal(see(dev, pasid), 11);
	rf_ioas_free(ioas);
	assert_int_equal(see(dev, pasid), -EFAULT);
	assert_int_equal(rf_pasid_replace(dev, set, pasid, spaces[2]), 0); /* and now it is gone */
	assert_int_equal(see(dev, pasid), 12);
	assert_int_equal(rf_pasid_detach(dev, set, pasid), 0);
}

static void a_device_that_leaves_takes_its_pasids_along(void **state)
{
	uint32_t got, pasids[3];

	pasids[0] = alloc();
	assert_int_equal(rf_pasid_alloc(set, 4096, 6000, NULL, &pasids[1]), 0);
	assert_int_equal(rf_pasid_alloc(set, (1u << BITS) - 1, RF_PASID_MAX, NULL, &pasids[2]), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rf_pasid_attach(dev, set, pasids[i], spaces[1]), 0);
	device_depart(dev);
	assert_int_equal(see(dev, pasids[0]), -ENODEV);
	logged_has("the device was removed");
	assert_int_equal(rf_pasid_replace(dev, set, pasids[0], spaces[2]), -ENODEV);
	dev->group = NULL;
	device_detach_pasids(dev);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rf_pasid_free(set, pasids[i]), 0);
		assert_int_equal(rf_pasid_alloc(hers, pasids[i], pasids[i], NULL, &got), 0);
	}
}

static void a_failed_allocation_changes_nothing(void **state)
{
	char *error = NULL;
	struct rf_device *made;
	uint32_t pasid = alloc(), got;
	long nth = 1;
	int ret;

	for (;; nth++) {
		alloc_fail_nth(nth);
		ret = rf_pasid_attach(other, set, pasid, spaces[1]);
		if (!alloc_has_failed())
			break;
		assert_int_equal(ret, -ENOMEM);
		alloc_fail_nth(0);
		assert_int_equal(see(other, pasid), -ENODEV);
	}
	assert_int_equal(ret, 0);
	assert_true(nth > 3);
	for (nth = 1;; nth++) {
		alloc_fail_nth(nth);
		ret = rf_pasid_replace(other, set, pasid, spaces[2]);
		if (!alloc_has_failed())
			break;
		assert_int_equal(ret, -ENOMEM);
		alloc_fail_nth(0);
		assert_int_equal(see(other, pasid), 11);
	}
	assert_int_equal(ret, 0);
	assert_true(nth > 1);
	alloc_fail_nth(1); /* what takes away needs nothing */
	assert_int_equal(rf_pasid_detach(other, set, pasid), 0);
	assert_int_equal(rf_pasid_free(set, pasid), 0);
	assert_false(alloc_has_failed());
	alloc_fail_nth(0);
	assert_int_equal(rf_pasid_alloc(hers, pasid, pasid, NULL, &got), 0);

	for (nth = 1;; nth++) {
		alloc_fail_nth(nth);
		ret = device_new(&model, &dev->address, NULL, &made, &error);
		free(error);
		if (!alloc_has_failed())
			break;
		assert_int_equal(ret, -ENOMEM);
	}
	alloc_fail_nth(0);
	assert_int_equal(ret, 0);
	device_free(made);
}

/* Strictness: a device that writes all the time. */
static atomic_bool stop;
static atomic_uint rounds;
static uint32_t tags[2];

static void *writer(void *arg)
{
	uint8_t *buf = malloc(SPAN);

	memset(buf, 0xee, SPAN);
	while (!atomic_load(&stop)) {
		rf_dma_write_pasid(dev, tags[0], IOVA, buf, SPAN);
		rf_dma_write_pasid(dev, tags[1], IOVA, buf, SPAN);
		atomic_fetch_add(&rounds, 1);
	}
	free(buf);
	return NULL;
}

/* Nobody writes there any more. */
static void stays_clean(unsigned part)
{
	uint8_t *at = memory + part * SPAN;
	unsigned before;

	/* from the end: a DMA that goes on comes toward us, and cannot stay ahead */
	for (unsigned page = SPAN / PAGE; page--;)
		memset(at + page * PAGE, 0, PAGE);
	before = atomic_load(&rounds);
	while (atomic_load(&rounds) < before + 2)
		sched_yield();
	for (unsigned i = 0; i < SPAN; i += 256)
		assert_int_equal(*(volatile uint8_t *)(at + i), 0);
}

/* The writer is in the midst of it, as often as not. */
static void wait_for_writes(unsigned part)
{
	while (!*(volatile uint8_t *)(memory + part * SPAN))
		sched_yield();
}

static pthread_t start_writer(void)
{
	pthread_t thread;

	log_set_level(LOG_ERROR);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
	return thread;
}

static void stop_writer(pthread_t thread)
{
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	log_set_level(LOG_WARN);
}

/*
 * Two PASIDs and the rest of the device in one space: when one of them goes, unmap must
 * still wait for the others.
 */
static void unmap_and_detach_wait_for_tagged_dma(void **state)
{
	pthread_t thread;

	tags[0] = alloc();
	tags[1] = alloc();
	assert_int_equal(rf_pasid_attach(dev, set, tags[0], spaces[0]), 0);
	assert_int_equal(rf_pasid_attach(dev, set, tags[1], spaces[0]), 0);
	thread = start_writer();
	for (unsigned round = 0; round < 200; round++) {
		wait_for_writes(0);
		switch (round % 3) {
		case 0:
			unmap(spaces[0]);
			stays_clean(0);
			map(spaces[0], 0);
			break;
		case 1: /* one goes, the other is still there to be waited for */
			assert_int_equal(rf_pasid_detach(dev, set, tags[round & 1]), 0);
			device_detach(dev);
			unmap(spaces[0]);
			stays_clean(0);
			map(spaces[0], 0);
			assert_int_equal(rf_pasid_attach(dev, set, tags[round & 1], spaces[0]), 0);
			assert_int_equal(device_attach(dev, domain), 0);
			break;
		default:
			for (unsigned i = 0; i < 2; i++)
				assert_int_equal(rf_pasid_detach(dev, set, tags[i]), 0);
			stays_clean(0);
			for (unsigned i = 0; i < 2; i++)
				assert_int_equal(rf_pasid_attach(dev, set, tags[i], spaces[0]), 0);
		}
	}
	stop_writer(thread);
}

static void replace_has_no_hole_and_no_rest(void **state)
{
	uint64_t faults = atomic_load(&stats()->faults);
	pthread_t thread;

	tags[0] = alloc();
	tags[1] = tags[0];
	assert_int_equal(rf_pasid_attach(dev, set, tags[0], spaces[1]), 0);
	thread = start_writer();
	for (unsigned round = 0; round < 200; round++) {
		unsigned to = 1 + round % 2, from = 3 - to;

		wait_for_writes(from);
		assert_int_equal(rf_pasid_replace(dev, set, tags[0], spaces[to]), 0);
		stays_clean(from);
	}
	stop_writer(thread);
	assert_int_equal(atomic_load(&stats()->faults), faults);
}

static void a_model_that_asks_for_the_impossible(void **state)
{
	struct rf_pci_model bad = model;
	struct pci_address at = { 0 };
	struct rf_device *made;
	char *error;

	for (unsigned bits = 0; bits <= 21; bits += 21) {
		bad.pasid_bits = (uint8_t)bits;
		assert_int_equal(device_new(&bad, &at, NULL, &made, &error), -EINVAL);
		assert_non_null(strstr(error, "bad model: PASIDs have 1 to 20 bits"));
		free(error);
	}
	bad.pasid_bits = 20;
	bad.caps = RF_PCI_CAP_PASID;
	assert_int_equal(device_new(&bad, &at, NULL, &made, &error), -EINVAL);
	assert_non_null(strstr(error, "PCI Express"));
	free(error);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_capability_stands_in_extended_space),
		TEST(tagged_dma_goes_where_its_pasid_is_attached),
		TEST(enable_gates_it),
		TEST(what_is_not_attached_is_a_fault_with_its_pasid),
		TEST(bad_arguments_attach_nothing),
		TEST(a_hostile_owner_moves_nothing_of_others),
		TEST(an_iommu_that_cannot_reach_a_mapping_refuses),
		TEST(freed_while_attached_stays_reserved),
		TEST(a_space_that_is_freed_while_attached_reaches_nothing),
		TEST(a_device_that_leaves_takes_its_pasids_along),
		TEST(a_failed_allocation_changes_nothing),
		TEST(unmap_and_detach_wait_for_tagged_dma),
		TEST(replace_has_no_hole_and_no_rest),
		TEST(a_model_that_asks_for_the_impossible),
	};

	return cmocka_run_group_tests_name("pasid", tests, NULL, NULL);
}
