/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moving devices from one address space to another in one step: a DMA sees the old
 * space or the new, never none and never parts of both.
 */
#include <pthread.h>

#include "fixture.h"
#include "ioas/ioas.h"
#include "memory/owner.h"
#include "memory/pin.h"

#define PAGE	4096ul
#define PAGES	16ul
#define SIZE	(PAGES * PAGE)
#define IOVA	0x100000ul
#define DEVICES 3
#define ROUNDS	3000u

static const struct rf_pci_model model = { .abi = RF_MODEL_ABI, .name = "moving" };

static struct rf_device *devs[DEVICES];
static struct rf_owner *owner;
static struct rf_group *group;
static struct rf_ioas *spaces[2];
static uint8_t *memory[2];

static int setup_spaces(void **state)
{
	assert_int_equal(setup(state), 0);
	owner = owner_new_self();
	assert_non_null(owner);
	for (unsigned i = 0; i < DEVICES; i++) {
		const struct pci_address at = { .bus = 1, .slot = (uint8_t)i };
		char *error;

		assert_int_equal(device_new(&model, &at, NULL, &devs[i], &error), 0);
		devs[i]->iommu = iommu_kind_find(NULL);
		devs[i]->group_wish = 1;
		devs[i]->of_set = true;
		config_write(devs[i], 4, 6, 2);
		assert_int_equal(group_set_add_device(set, "pci", devs[i]), 0);
	}
	group = rf_device_group(devs[0]);
	for (unsigned s = 0; s < 2; s++) {
		memory[s] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
		assert_ptr_not_equal(memory[s], MAP_FAILED);
		memset(memory[s], (int)(s + 1), SIZE);
		assert_int_equal(rf_ioas_new(NULL, 0, &spaces[s]), 0);
	}
	return 0;
}

static int teardown_spaces(void **state)
{
	alloc_fail_nth(0);
	rf_group_detach(group);
	for (unsigned s = 0; s < 2; s++) {
		rf_ioas_free(spaces[s]);
		munmap(memory[s], SIZE);
	}
	assert_int_equal(teardown(state), 0);
	owner_free(owner);
	return 0;
}

/* Page by page, the last first, so that a DMA over all of it takes many translations. */
static void map_pages(unsigned s)
{
	for (unsigned i = 0; i < PAGES; i++) {
		uint64_t iova = IOVA + i * PAGE;

		assert_int_equal(rf_ioas_map(spaces[s], owner, memory[s] + (PAGES - 1 - i) * PAGE,
					     PAGE, RF_READ | RF_WRITE, RF_MAP_FIXED, &iova),
				 0);
	}
}

static int byte_at(unsigned dev, uint64_t iova)
{
	uint8_t byte;

	return rf_dma_read(devs[dev], iova, &byte, 1) ? -1 : byte;
}

static void every_device_goes_over(void **state)
{
	map_pages(0);
	map_pages(1);
	assert_int_equal(rf_group_replace(group, spaces[0]), -EINVAL); /* from nothing */
	assert_int_equal(rf_group_replace(NULL, spaces[0]), -EPERM);
	assert_int_equal(rf_group_attach(group, spaces[0]), 0);
	assert_int_equal(rf_group_attach(group, spaces[1]), -EBUSY);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(byte_at(i, IOVA), 1);
	assert_int_equal(rf_group_replace(group, spaces[1]), 0);
	assert_int_equal(rf_group_replace(group, spaces[1]), 0); /* it is there */
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(byte_at(i, IOVA), 2);
	/* nobody holds the old one: it may go, and comes back new */
	rf_ioas_free(spaces[0]);
	assert_int_equal(rf_ioas_new(NULL, 0, &spaces[0]), 0);
	assert_int_equal(rf_group_replace(group, spaces[0]), 0);
	assert_int_equal(byte_at(0, IOVA), -1);
}

static void a_space_that_does_not_fit_changes_nothing(void **state)
{
	const struct rf_window msi = { .iova = 0xfee00000 };
	uint64_t iova = 1ull << 50;

	map_pages(0);
	assert_int_equal(rf_group_attach(group, spaces[0]), 0);
	assert_int_equal(
		rf_ioas_map(spaces[1], owner, memory[1], PAGE, RF_READ, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(rf_group_replace(group, spaces[1]), -EADDRINUSE);
	assert_int_equal(rf_ioas_unmap(spaces[1], iova, PAGE, 0, NULL), 0);
	assert_int_equal(rf_ioas_create_window(spaces[1], &msi, PAGE, RF_WINDOW_FIXED, NULL), 0);
	assert_int_equal(rf_group_replace(group, spaces[1]), -EADDRINUSE);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(byte_at(i, IOVA), 1);
	assert_int_equal(rf_ioas_remove_window(spaces[1], 0xfee00000), 0);
	assert_int_equal(rf_group_replace(group, spaces[1]), 0);
}

static void every_allocation_of_it_may_fail(void **state)
{
	unsigned failures = 0;

	map_pages(0);
	map_pages(1);
	assert_int_equal(rf_group_attach(group, spaces[0]), 0);
	for (long nth = 1;; nth++) {
		bool failed;
		int ret;

		alloc_fail_nth(nth);
		ret = rf_group_replace(group, spaces[1]);
		failed = alloc_has_failed();
		alloc_fail_nth(0);
		for (unsigned i = 0; i < DEVICES; i++)
			assert_int_equal(byte_at(i, IOVA), failed ? 1 : 2);
		if (!failed) {
			assert_int_equal(ret, 0);
			break;
		}
		assert_int_equal(ret, -ENOMEM);
		failures++;
	}
	assert_true(failures > 3);
}

/* What the thread's design does where the hardware's windows are fixed. */
static void windows_change_by_another_space(void **state)
{
	const struct rf_window narrow = { .iova = IOVA }, wide = { .iova = 0 };
	uint64_t iova = IOVA;

	assert_int_equal(rf_ioas_create_window(spaces[0], &narrow, SIZE, RF_WINDOW_FIXED, NULL), 0);
	map_pages(0);
	assert_int_equal(rf_group_attach(group, spaces[0]), 0);
	assert_int_equal(rf_ioas_create_window(spaces[1], &wide, 1ul << 30, RF_WINDOW_FIXED, NULL),
			 0);
	assert_int_equal(rf_ioas_copy(spaces[1], spaces[0], IOVA, SIZE, RF_READ | RF_WRITE,
				      RF_MAP_FIXED, &iova),
			 0);
	assert_int_equal(rf_group_replace(group, spaces[1]), 0);
	rf_ioas_free(spaces[0]);
	assert_int_equal(rf_ioas_new(NULL, 0, &spaces[0]), 0);
	memory[0][0] = 77;
	assert_int_equal(byte_at(0, IOVA + SIZE - PAGE), 77);
	iova = 0;
	assert_int_equal(
		rf_ioas_map(spaces[1], owner, memory[1], PAGE, RF_READ, RF_MAP_FIXED, &iova), 0);
	assert_int_equal(byte_at(1, 0), 2);
}

static atomic_bool stop;
static atomic_uint seen[2];

static void *read_on(void *arg)
{
	struct rf_device *dev = arg;
	uint8_t *buf = malloc(SIZE);

	assert_non_null(buf);
	while (!atomic_load(&stop)) {
		memset(buf, 0, SIZE);
		assert_int_equal(rf_dma_read(dev, IOVA, buf, SIZE), 0);
		assert_true(buf[0] == 1 || buf[0] == 2);
		for (size_t i = 1; i < SIZE; i++)
			assert_int_equal(buf[i], buf[0]);
		atomic_fetch_add(&seen[buf[0] - 1], 1);
	}
	free(buf);
	return NULL;
}

static void dma_sees_one_space_or_the_other(void **state)
{
	pthread_t threads[DEVICES];

	map_pages(0);
	map_pages(1);
	assert_int_equal(rf_group_attach(group, spaces[0]), 0);
	atomic_store(&stop, false);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, devs[i]), 0);
	for (unsigned i = 0; i < ROUNDS || !atomic_load(&seen[0]) || !atomic_load(&seen[1]); i++)
		assert_int_equal(rf_group_replace(group, spaces[(i + 1) % 2]), 0);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void *write_on(void *arg)
{
	struct rf_device *dev = arg;
	uint8_t *buf = malloc(SIZE);

	assert_non_null(buf);
	for (uint8_t value = 1; !atomic_load(&stop); value = (uint8_t)(value + 1)) {
		memset(buf, value, SIZE);
		assert_int_equal(rf_dma_write(dev, IOVA, buf, SIZE), 0);
	}
	free(buf);
	return NULL;
}

/* When replace has returned, nothing more comes into the old space; and what came was whole. */
static void writes_are_whole_and_stop(void **state)
{
	pthread_t thread;

	map_pages(0);
	map_pages(1);
	assert_int_equal(rf_group_attach(group, spaces[0]), 0);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, write_on, devs[0]), 0);
	for (unsigned i = 0; i < 500; i++) {
		unsigned old = i % 2;

		assert_int_equal(rf_group_replace(group, spaces[!old]), 0);
		for (size_t at = 1; at < SIZE; at++)
			assert_int_equal(memory[old][at], memory[old][0]);
	}
	atomic_store(&stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

#define MOVED 200u
static atomic_uint current, reads;

/* Two pages at a time, the second of which may be on the move. */
static void *read_moving(void *arg)
{
	static uint8_t buf[2 * PAGE];

	while (!atomic_load(&stop)) {
		uint64_t iova = IOVA + atomic_load(&current) * PAGE;

		assert_int_equal(rf_dma_read(arg, iova, buf, sizeof(buf)), 0);
		for (size_t i = 1; i < sizeof(buf); i++)
			assert_int_equal(buf[i], buf[0]);
		atomic_fetch_add(&reads, 1);
	}
	return NULL;
}

static void *replace_on(void *arg)
{
	for (unsigned i = 0; !atomic_load(&stop); i++)
		assert_int_equal(rf_group_replace(group, spaces[i % 2]), 0);
	return NULL;
}

static void so_it_is_when_pages_move_meanwhile(void **state)
{
	pthread_t threads[2];
	uint8_t *many[2];

	for (unsigned s = 0; s < 2; s++) {
		uint64_t iova = IOVA;

		many[s] = mmap(NULL, (MOVED + 1) * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(many[s], MAP_FAILED);
		memset(many[s], (int)(s + 1), (MOVED + 1) * PAGE);
		assert_int_equal(rf_ioas_map(spaces[s], owner, many[s], (MOVED + 1) * PAGE, RF_READ,
					     RF_MAP_FIXED, &iova),
				 0);
	}
	assert_int_equal(rf_group_attach(group, spaces[0]), 0);
	atomic_store(&stop, false);
	atomic_store(&current, 0);
	assert_int_equal(pthread_create(&threads[0], NULL, read_moving, devs[0]), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, replace_on, NULL), 0);
	for (unsigned i = 0; i < MOVED; i++) {
		unsigned before = atomic_load(&reads);

		atomic_store(&current, i);
		while (atomic_load(&reads) < before + 2)
			sched_yield();
		for (unsigned s = 0; s < 2; s++) {
			uint8_t *page = many[s] + (i + 1) * PAGE;

			assert_int_equal(pin_keep(owner, (uintptr_t)page, PAGE, PIN_UNMAP), 1);
			assert_int_equal(munmap(page, PAGE), 0);
		}
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned s = 0; s < 2; s++)
		munmap(many[s], PAGE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup_spaces, teardown_spaces)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_device_goes_over),
		CASE(a_space_that_does_not_fit_changes_nothing),
		CASE(every_allocation_of_it_may_fail),
		CASE(windows_change_by_another_space),
		CASE(dma_sees_one_space_or_the_other),
		CASE(writes_are_whole_and_stop),
		CASE(so_it_is_when_pages_move_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
