/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <ringfence/machine.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../faults.h"
#include "base/hidden.h"
#include "fixture.h"

#define READABLE 0x1000u
#define RAM	 0x2000u
#define DOORBELL 0x3000u

struct access {
	char kind;
	unsigned bar;
	uint64_t off;
	uint64_t val;
	unsigned size;
};

static struct access seen[64];
static unsigned nr_seen;

static uint64_t log_read(struct rf_device *dev, unsigned bar, uint64_t off, unsigned size)
{
	seen[nr_seen++] = (struct access){ 'r', bar, off, 0, size };
	return 0x1122334455667788;
}

static void log_write(struct rf_device *dev, unsigned bar, uint64_t off, uint64_t val,
		      unsigned size)
{
	seen[nr_seen++] = (struct access){ 'w', bar, off, val, size };
}

static unsigned poll_doorbell(struct rf_device *dev)
{
	uint32_t *page = (uint32_t *)((char *)rf_bar_mem(dev, 0) + DOORBELL);

	return *page == 7;
}

static const struct rf_pci_model model = {
	.abi = RF_MODEL_ABI,
	.name = "bars",
	.bars = {
		{ .size = 0x8000,
		  .read = log_read,
		  .write = log_write,
		  .areas = { { READABLE, 4096, RF_AREA_READABLE },
			     { RAM, 4096, RF_AREA_RAM },
			     { DOORBELL, 8192, RF_AREA_DOORBELL } } },
		{ .size = 64, .read = log_read },
		{ .size = 4096 },
	},
	.data_size = 100,
	.poll = poll_doorbell,
};

static struct rf_device *dev;

static int setup(void **state)
{
	dev = fixture_device(&model);
	nr_seen = 0;
	return 0;
}

static int teardown(void **state)
{
	device_free(dev);
	return 0;
}

static void seen_is(unsigned n, char kind, uint64_t off, unsigned size, uint64_t val)
{
	assert_true(n < nr_seen);
	assert_int_equal(seen[n].kind, kind);
	assert_int_equal(seen[n].off, off);
	assert_int_equal(seen[n].size, size);
	assert_int_equal(seen[n].val, val);
}

static void trapped_pages_call_the_model(void **state)
{
	assert_int_equal(bar_read(dev, 0, 8, 4), 0x55667788);
	assert_int_equal(bar_read(dev, 1, 63, 1), 0x88);
	bar_write(dev, 0, 0x10, UINT64_MAX, 2);
	assert_int_equal(nr_seen, 3);
	seen_is(0, 'r', 8, 4, 0);
	seen_is(1, 'r', 63, 1, 0);
	seen_is(2, 'w', 0x10, 2, 0xffff);
	assert_int_equal(seen[1].bar, 1);
}

static void without_callbacks_reads_are_zero(void **state)
{
	assert_int_equal(bar_read(dev, 2, 0, 8), 0);
	bar_write(dev, 2, 0, 1, 8);
	bar_write(dev, 1, 0, 1, 8);
	assert_int_equal(bar_read(dev, 2, 0, 8), 0);
	assert_int_equal(nr_seen, 0);
}

static void accesses_outside_read_all_ones(void **state)
{
	assert_int_equal(bar_read(dev, 0, 0x8000, 4), 0xffffffff);
	assert_int_equal(bar_read(dev, 0, UINT64_MAX - 7, 8), UINT64_MAX);
	assert_int_equal(bar_read(dev, 1, 64, 1), 0xff);
	assert_int_equal(bar_read(dev, 3, 0, 2), 0xffff);
	assert_int_equal(bar_read(dev, 6, 0, 8), UINT64_MAX);
	assert_int_equal(bar_read(dev, 0, 2, 4), 0xffffffff); /* not aligned */
	assert_int_equal(bar_read(dev, 0, 0, 3), 0xffffff);
	bar_write(dev, 0, 0x8000, 1, 4);
	bar_write(dev, 6, 0, 1, 4);
	assert_int_equal(nr_seen, 0);
}

static void readable_pages_are_the_models_memory(void **state)
{
	uint8_t *mem = rf_bar_mem(dev, 0);

	mem[READABLE + 4] = 0xab;
	assert_int_equal(bar_read(dev, 0, READABLE + 4, 4), 0xab);
	assert_int_equal(nr_seen, 0);
	bar_write(dev, 0, READABLE + 4, 0x12345678, 4);
	seen_is(0, 'w', READABLE + 4, 4, 0x12345678);
	assert_int_equal(bar_read(dev, 0, READABLE + 4, 4), 0xab);
}

static void ram_never_reaches_the_model(void **state)
{
	uint8_t *mem = rf_bar_mem(dev, 0);

	for (unsigned size = 1; size <= 8; size *= 2) {
		bar_write(dev, 0, RAM + 8 * size, 0x8877665544332211, size);
		assert_int_equal(bar_read(dev, 0, RAM + 8 * size, 8),
				 0x8877665544332211 & (UINT64_MAX >> (64 - 8 * size)));
	}
	assert_int_equal(mem[RAM + 64], 0x11);
	assert_int_equal(nr_seen, 0);
}

static void doorbells_store_then_tell(void **state)
{
	bar_write(dev, 0, DOORBELL + 0x1008, 5, 4);
	seen_is(0, 'w', DOORBELL + 0x1008, 4, 5);
	assert_int_equal(bar_read(dev, 0, DOORBELL + 0x1008, 4), 5);
	assert_int_equal(nr_seen, 1);
	assert_int_equal(device_poll(dev), 0);
	((uint32_t *)((char *)rf_bar_mem(dev, 0) + DOORBELL))[0] = 7;
	assert_int_equal(device_poll(dev), 1);
}

static void page_kinds_follow_the_areas(void **state)
{
	assert_int_equal(bar_page_kind(dev, 0, 0xfff), RF_AREA_TRAP);
	assert_int_equal(bar_page_kind(dev, 0, READABLE), RF_AREA_READABLE);
	assert_int_equal(bar_page_kind(dev, 0, RAM + 0xfff), RF_AREA_RAM);
	assert_int_equal(bar_page_kind(dev, 0, DOORBELL + 0x1fff), RF_AREA_DOORBELL);
	assert_int_equal(bar_page_kind(dev, 0, DOORBELL + 0x2000), RF_AREA_TRAP);
	assert_int_equal(bar_page_kind(dev, 1, 0), RF_AREA_TRAP);
	assert_int_equal(bar_page_kind(dev, 9, 0), RF_AREA_TRAP);
}

static void wide_accesses_are_split_in_order(void **state)
{
	uint8_t buf[21];

	bar_read_bytes(dev, 0, 0x3, buf, 21);
	assert_int_equal(nr_seen, 4);
	seen_is(0, 'r', 0x3, 1, 0);
	seen_is(1, 'r', 0x4, 4, 0);
	seen_is(2, 'r', 0x8, 8, 0);
	seen_is(3, 'r', 0x10, 8, 0);
	assert_int_equal(buf[0], 0x88);
	assert_int_equal(buf[1], 0x88);
	assert_int_equal(buf[20], 0x11);

	nr_seen = 0;
	bar_write_bytes(dev, 0, 0x10, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 14);
	assert_int_equal(nr_seen, 3);
	seen_is(0, 'w', 0x10, 8, 0x0807060504030201);
	seen_is(1, 'w', 0x18, 4, 0x0c0b0a09);
	seen_is(2, 'w', 0x1c, 2, 0x0e0d);
}

static void a_mapping_shows_the_same_bytes(void **state)
{
	int fd = bar_backing(dev, 0);
	struct stat st;
	uint8_t *map;

	assert_true(fd >= hidden_floor());
	assert_int_equal(bar_backing(dev, 0), fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0x8000);
	map = mmap(NULL, 0x8000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	map[RAM] = 0x5a;
	assert_int_equal(bar_read(dev, 0, RAM, 1), 0x5a);
	munmap(map, 0x8000);

	assert_null(rf_bar_mem(dev, 1));
	fd = bar_backing(dev, 1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 4096);
	assert_null(rf_bar_mem(dev, 1)); /* it has no area */
	assert_true(bar_backing(dev, 3) < 0);
	assert_true(bar_backing(dev, 6) < 0);
}

/* Whoever has mapped the pages loses them, the model does not; and back again. */
static void lent_pages_follow_the_devices_memory(void **state)
{
	uint8_t *mem = rf_bar_mem(dev, 0), *map;
	const int fd = bar_backing(dev, 0);

	take_faults();
	rf_device_config_write(dev, 4, 2, 2);
	map = mmap(NULL, 0x8000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	mem[RAM + 5] = 0x5a;
	rf_device_config_write(dev, 4, 0, 2);
	bars_follow_memory(dev);
	assert_true(
		fault_can_read(map + RAM)); /* nobody else has it: our own mappings are protected */

	bar_lend(dev, 0);
	for (uint8_t i = 0; i < 3; i++) {
		bars_follow_memory(dev);
		assert_false(fault_can_read(map + RAM));
		assert_int_equal(mem[RAM + 5], 0x5a + i);
		mem[RAM + 5]++;
		rf_device_config_write(dev, 4, 2, 2);
		bars_follow_memory(dev);
		assert_int_equal(map[RAM + 5], 0x5b + i);
		map[RAM + 6] = i;
		assert_int_equal(mem[RAM + 6], i);
		rf_device_config_write(dev, 4, 0, 2);
	}
	munmap(map, 0x8000);
}

static void memory_decoding_off_hides_the_registers(void **state)
{
	assert_int_equal(rf_device_mmio_read(dev, 0, 0, 4), 0xffffffff);
	rf_device_mmio_write(dev, 0, 0, 1, 4);
	assert_int_equal(nr_seen, 0);
	rf_device_config_write(dev, 4, 2, 2);
	assert_int_equal(rf_device_config_read(dev, 4, 2), 2);
	assert_int_equal(rf_device_mmio_read(dev, 0, 0, 4), 0x55667788);
	rf_device_mmio_write(dev, 0, 0, 1, 4);
	assert_int_equal(nr_seen, 2);
}

static void private_data_is_zeroed_and_aligned(void **state)
{
	const uint8_t *data = rf_device_data(dev);

	assert_int_equal((uintptr_t)data % 64, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(data[i], 0);
	assert_string_equal(rf_device_name(dev), "0000:01:00.0");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(trapped_pages_call_the_model),
		CASE(without_callbacks_reads_are_zero),
		CASE(accesses_outside_read_all_ones),
		CASE(readable_pages_are_the_models_memory),
		CASE(ram_never_reaches_the_model),
		CASE(doorbells_store_then_tell),
		CASE(page_kinds_follow_the_areas),
		CASE(wide_accesses_are_split_in_order),
		CASE(a_mapping_shows_the_same_bytes),
		CASE(lent_pages_follow_the_devices_memory),
		CASE(memory_decoding_off_hides_the_registers),
		CASE(private_data_is_zeroed_and_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
