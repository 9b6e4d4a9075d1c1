/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/iommu from many threads at once: map, copy, unmap, attach, replace, page
 * tables and accesses that come and go, and a device that does DMA all the
 * while. Two promises are checked, and ThreadSanitizer checks the rest:
 *
 * When an unmap returns, no DMA lands on the page any more. Whoever unmapped it
 * from every space the device may be in writes a word there, waits, and must
 * find the word again.
 *
 * A device that is moved from one space to another sees the old or the new,
 * never a hole: what both map is always there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/iommufd_link.h"
#include "base/log.h"
#include "bus/device.h"
#include "group/group.h"
#include "iommufd/abi.h"
#include "iommufd/iommufd.h"
#include "iommufd/selftest.h"
#include "memory/owner.h"
#include "table.h"

#define PAGE	4096ul
#define SLOT	(2ul << 20) /* a large leaf: one translation, and a DMA that takes its time */
#define SLOTS	8u
#define MAPPERS 2u
#define ROUNDS	150u
#define BASE	0x2000000ul /* of the slots; the page that is always there comes after them */
#define ALWAYS	(BASE + SLOTS * SLOT)
#define MEMORY	(SLOTS * SLOT + PAGE)
#define QUIET	0x5157494554ull
#define LOUD	0x4c4f5544ull

static const struct rf_pci_model model = { .abi = RF_MODEL_ABI, .name = "busy" };

static struct table table;
static struct rf_device *dev;
static struct rf_group *group;
static int fd;
static const struct iommufd_link_ops *link_ops;
static struct iommufd_device *bound;
static uint32_t ioas[2];
static uint8_t *memory; /* the slots, and a page */
static uint8_t *loud; /* what the device writes over a slot */
static atomic_bool stop;
static atomic_uint landed; /* DMA after unmap */
static atomic_uint holes;
static atomic_uint failures;
static atomic_ulong dmas;

static int iommu(unsigned long cmd, void *arg)
{
	return table_ioctl(&table, fd, cmd, arg);
}

static void expect(int ret, int wanted)
{
	if (ret != wanted)
		atomic_fetch_add(&failures, 1);
}

static uint8_t *slot_at(unsigned slot)
{
	return memory + slot * SLOT;
}

static uint64_t slot_size(unsigned slot)
{
	return slot == SLOTS ? PAGE : SLOT;
}

/* The last of a slot: what a DMA reaches last. */
static _Atomic uint64_t *word(unsigned slot)
{
	return (_Atomic uint64_t *)(slot_at(slot) + slot_size(slot)) - 1;
}

static int map(uint32_t space, unsigned slot)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = space,
		.user_va = (uintptr_t)slot_at(slot),
		.length = slot_size(slot),
		.iova = BASE + slot * SLOT,
	};

	return iommu(IOMMU_IOAS_MAP, &cmd);
}

static int copy(unsigned slot)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.dst_ioas_id = ioas[1],
		.src_ioas_id = ioas[0],
		.length = SLOT,
		.dst_iova = BASE + slot * SLOT,
		.src_iova = BASE + slot * SLOT,
	};

	return iommu(IOMMU_IOAS_COPY, &cmd);
}

static int unmap(uint32_t space, unsigned slot)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = space,
		.iova = BASE + slot * SLOT,
		.length = SLOT,
	};

	return iommu(IOMMU_IOAS_UNMAP, &cmd);
}

static int destroy(uint32_t id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return iommu(IOMMU_DESTROY, &cmd);
}

static uint32_t space_new(void)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };

	assert_int_equal(iommu(IOMMU_IOAS_ALLOC, &cmd), 0);
	return cmd.out_ioas_id;
}

/* The threads. */

static void *mapper(void *arg)
{
	unsigned mine = (unsigned)(uintptr_t)arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned slot = (round * MAPPERS + mine) % SLOTS;

		expect(map(ioas[0], slot), 0);
		expect(copy(slot), 0);
		if (round % 4 == 0)
			usleep(50);
		/* in either order */
		expect(unmap(ioas[round % 2], slot), 0);
		expect(unmap(ioas[1 - round % 2], slot), 0);
		atomic_store_explicit(word(slot), QUIET, memory_order_relaxed);
		usleep(300);
		if (atomic_load_explicit(word(slot), memory_order_relaxed) != QUIET)
			atomic_fetch_add(&landed, 1);
	}
	return NULL;
}

static void *busy_device(void *arg)
{
	for (unsigned n = 0; !atomic_load_explicit(&stop, memory_order_relaxed); n++) {
		rf_dma_write(dev, BASE + n * 3 % SLOTS * SLOT, loud, SLOT);
		atomic_fetch_add_explicit(&dmas, 1, memory_order_relaxed);
	}
	return NULL;
}

static void *watchful_device(void *arg)
{
	uint64_t value;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		value = 0;
		if (rf_dma_read(dev, ALWAYS + PAGE - sizeof(value), &value, sizeof(value)) ||
		    value != LOUD)
			atomic_fetch_add(&holes, 1);
		atomic_fetch_add_explicit(&dmas, 1, memory_order_relaxed);
	}
	return NULL;
}

/* Moves the device between the spaces, and to page tables of its own in them. */
static void *replacer(void *arg)
{
	uint32_t id = link_ops->id(bound);

	for (unsigned round = 0; !atomic_load_explicit(&stop, memory_order_relaxed); round++) {
		struct iommu_hwpt_alloc cmd = {
			.size = sizeof(cmd),
			.dev_id = id,
			.pt_id = ioas[round % 2],
		};
		uint32_t pt = ioas[round % 2];

		if (round % 3) {
			expect(link_ops->attach(bound, &pt), 0);
			continue;
		}
		expect(iommu(IOMMU_HWPT_ALLOC, &cmd), 0);
		pt = cmd.out_hwpt_id;
		expect(link_ops->attach(bound, &pt), 0);
		expect(destroy(cmd.out_hwpt_id), -EBUSY);
		pt = ioas[0];
		expect(link_ops->attach(bound, &pt), 0);
		expect(destroy(cmd.out_hwpt_id), 0);
	}
	return NULL;
}

/* Other devices come and go, so domains are filled and emptied. */
static void *attacher(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct iommu_test_cmd cmd = {
			.size = sizeof(cmd),
			.op = IOMMU_TEST_OP_MOCK_DOMAIN,
			.id = ioas[1],
		};

		expect(iommu(IOMMU_TEST_CMD, &cmd), 0);
		expect(destroy(cmd.mock_domain.out_stdev_id), 0);
	}
	return NULL;
}

/* An access that pins what it finds; unmaps ask it to let go. */
static void *accessor(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct iommu_test_cmd cmd = {
			.size = sizeof(cmd),
			.op = IOMMU_TEST_OP_CREATE_ACCESS,
			.id = ioas[0],
			.create_access = { .flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES },
		};
		int access;

		expect(iommu(IOMMU_TEST_CMD, &cmd), 0);
		access = (int)cmd.create_access.out_access_fd;
		for (unsigned slot = 0; slot < SLOTS; slot += 3) {
			cmd = (struct iommu_test_cmd){
				.size = sizeof(cmd),
				.op = IOMMU_TEST_OP_ACCESS_PAGES,
				.id = (uint32_t)access,
				.access_pages = { .iova = BASE + slot * SLOT,
						  .length = PAGE,
						  .uptr = (uintptr_t)slot_at(slot) },
			};
			/* it may not be mapped just now */
			iommu(IOMMU_TEST_CMD, &cmd);
		}
		table_close(&table, access);
	}
	return NULL;
}

/* Setting up. */

static int setup(void **state)
{
	static const struct iommufd_options options = { .selftest = true };
	const struct pci_address at = { .bus = 1 };
	struct file *file;
	char *error;

	log_set_level(LOG_ERROR);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	loud = malloc(SLOT);
	assert_non_null(loud);
	for (uint64_t *w = (uint64_t *)loud; w < (uint64_t *)(loud + SLOT); w++)
		*w = LOUD;
	table_init(&table, owner_new_self());
	assert_int_equal(device_new(&model, &at, NULL, &dev, &error), 0);
	dev->iommu = iommu_kind_find(NULL);
	config_write(dev, 4, 4, 2);
	assert_int_equal(group_new(1, &group), 0);
	assert_int_equal(group_add_device(group, dev), 0);
	assert_int_equal(iommufd_open(&options, &file), 0);
	link_ops = file->ops->iommufd;
	fd = table_install(&table.caller, file, O_RDWR);
	for (int i = 0; i < 2; i++) {
		ioas[i] = space_new();
		assert_int_equal(map(ioas[i], SLOTS), 0);
	}
	atomic_store(word(SLOTS), LOUD);
	assert_int_equal(link_ops->bind(file, dev, &bound, &(uint32_t){ 0 }), 0);
	assert_int_equal(link_ops->attach(bound, &(uint32_t){ ioas[0] }), 0);
	atomic_store(&stop, false);
	atomic_store(&landed, 0);
	atomic_store(&holes, 0);
	atomic_store(&failures, 0);
	atomic_store(&dmas, 0);
	return 0;
}

static int teardown(void **state)
{
	link_ops->unbind(bound);
	table_close_all(&table);
	group_free(group);
	device_free(dev);
	owner_free(table.caller.owner);
	munmap(memory, MEMORY);
	free(loud);
	return 0;
}

struct threads {
	pthread_t ids[8];
	unsigned nr;
};

static void spawn(struct threads *t, void *(*run)(void *arg), uintptr_t arg)
{
	assert_int_equal(pthread_create(&t->ids[t->nr++], NULL, run, (void *)arg), 0);
}

static void join(const struct threads *t)
{
	for (unsigned i = 0; i < t->nr; i++)
		pthread_join(t->ids[i], NULL);
}

static void no_dma_lands_after_unmap(void **state)
{
	struct threads mappers = { 0 }, others = { 0 };

	spawn(&others, busy_device, 0);
	spawn(&others, replacer, 0);
	spawn(&others, attacher, 0);
	spawn(&others, accessor, 0);
	for (uintptr_t i = 0; i < MAPPERS; i++)
		spawn(&mappers, mapper, i);
	join(&mappers);
	atomic_store(&stop, true);
	join(&others);
	assert_int_equal(atomic_load(&landed), 0);
	assert_int_equal(atomic_load(&failures), 0);
	assert_true(atomic_load(&dmas) > 0);
}

static void a_device_that_moves_sees_no_hole(void **state)
{
	struct threads others = { 0 };

	spawn(&others, watchful_device, 0);
	spawn(&others, replacer, 0);
	spawn(&others, attacher, 0);
	usleep(300000);
	atomic_store(&stop, true);
	join(&others);
	assert_int_equal(atomic_load(&holes), 0);
	assert_int_equal(atomic_load(&failures), 0);
	assert_true(atomic_load(&dmas) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_dma_lands_after_unmap),
		TEST(a_device_that_moves_sees_no_hole),
	};

	return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
