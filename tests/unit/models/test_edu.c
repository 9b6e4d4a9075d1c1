/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edu as its documentation has it, driven as a VMM would.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <ringfence/machine.h>

#include "base/log.h"
#include "base/stats.h"
#include "bus/device.h"
#include "memory/owner.h"
#include "models/models.h"

#define PAGE   4096u
#define IOVA   0x200000u
#define BUFFER 0x40000u
#define ID     0x010000edu

static _Alignas(4096) uint8_t memory[2 * PAGE];
static struct rf_owner *owner;
static struct domain *domain;
static struct segment seg;
static struct rf_device *dev;
static int irq;

static struct rf_device *edu_new(const char *dma_mask)
{
	const struct prop_value values[] = { { dma_mask ? "dma-mask" : NULL, dma_mask },
					     { NULL, NULL } };
	const struct pci_address at = { .slot = 4 };
	struct rf_device *edu;
	char *error;

	if (device_new(&edu_model, &at, values, &edu, &error))
		fail_msg("%s", error);
	assert_int_equal(device_attach(edu, domain), 0);
	rf_device_config_write(edu, 4, 6, 2);
	return edu;
}

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	owner = owner_new_self();
	assert_non_null(owner);
	assert_int_equal(domain_new(iommu_kind_find(NULL), &domain), 0);
	seg = (struct segment){ .first = IOVA,
				.last = IOVA + sizeof(memory) - 1,
				.addr = (uintptr_t)memory,
				.owner = owner,
				.prot = RF_READ | RF_WRITE };
	assert_int_equal(domain_map(domain, &seg), 0);
	memset(memory, 0, sizeof(memory));
	dev = edu_new(NULL);
	irq = eventfd(0, EFD_NONBLOCK);
	return 0;
}

static int teardown(void **state)
{
	device_free(dev);
	domain_unmap(domain, 0, UINT64_MAX);
	domain_free(domain);
	owner_free(owner);
	close(irq);
	return 0;
}

static uint32_t get(unsigned off)
{
	return (uint32_t)rf_device_mmio_read(dev, 0, off, 4);
}

static void put(unsigned off, uint64_t val, unsigned size)
{
	rf_device_mmio_write(dev, 0, off, val, size);
}

static uint64_t interrupts(void)
{
	uint64_t count;

	return read(irq, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void dma(uint64_t src, uint64_t dst, uint64_t count, uint32_t cmd)
{
	put(0x80, src, 8);
	put(0x88, dst, 8);
	put(0x90, count, 8);
	put(0x98, cmd, 8);
}

static void registers_identify_and_invert(void **state)
{
	assert_int_equal(get(0x00), ID);
	put(0x00, 0, 4);
	assert_int_equal(get(0x00), ID);
	assert_int_equal(get(0x04), 0);
	put(0x04, 0x12345678, 4);
	assert_int_equal(get(0x04), 0xedcba987);
	assert_int_equal(get(0x0c), 0xffffffff);
}

static void access_sizes_are_those_documented(void **state)
{
	assert_int_equal(rf_device_mmio_read(dev, 0, 0, 8), UINT64_MAX);
	assert_int_equal(rf_device_mmio_read(dev, 0, 2, 2), 0);
	put(0x00, 0x1122334455667788, 8);
	put(0x04, 0xff, 1);
	assert_int_equal(get(0x04), 0);
	put(0x80, 0x1122334455667788, 8);
	assert_int_equal(rf_device_mmio_read(dev, 0, 0x80, 8), 0x1122334455667788);
	assert_int_equal(get(0x80), 0x55667788);
	put(0x80, 0x99, 4);
	assert_int_equal(rf_device_mmio_read(dev, 0, 0x80, 8), 0x99);
}

static void factorials_are_modulo_a_word(void **state)
{
	static const struct {
		uint32_t n, result;
	} cases[] = { { 0, 1 },		  { 1, 1 },	      { 5, 120 }, { 10, 3628800 },
		      { 13, 1932053504 }, { 33, 2147483648 }, { 34, 0 },  { UINT32_MAX, 0 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put(0x08, cases[i].n, 4);
		assert_int_equal(get(0x20) & 1, 0);
		assert_int_equal(get(0x08), cases[i].result);
	}
	assert_int_equal(get(0x24), 0); /* no interrupt asked for */
}

static void only_the_interrupt_bit_of_status_is_writable(void **state)
{
	put(0x20, 0xffffffff, 4);
	assert_int_equal(get(0x20), 0x80);
	put(0x20, 0, 4);
	assert_int_equal(get(0x20), 0);
}

static void line_stays_up_until_all_is_acknowledged(void **state)
{
	assert_int_equal(rf_device_set_irq(dev, UINT32_MAX, irq), 0);
	put(0x20, 0x80, 4);
	put(0x08, 4, 4);
	assert_int_equal(interrupts(), 1);
	put(0x60, 0x6, 4);
	assert_int_equal(get(0x24), 0x7);
	assert_int_equal(rf_device_config_read(dev, 6, 2), 0x18);
	assert_int_equal(interrupts(), 0); /* it was up already */
	put(0x64, 0x3, 4);
	assert_int_equal(get(0x24), 0x4);
	assert_int_equal(rf_device_config_read(dev, 6, 2), 0x18);
	put(0x64, 0x4, 4);
	assert_int_equal(rf_device_config_read(dev, 6, 2), 0x10);
	put(0x60, 0x1, 4);
	assert_int_equal(interrupts(), 1);
}

static void messages_are_sent_once_each(void **state)
{
	assert_int_equal(rf_device_set_irq(dev, 0, irq), 0);
	put(0x60, 0x1, 4);
	put(0x60, 0x2, 4);
	assert_int_equal(interrupts(), 2);
	assert_int_equal(rf_device_config_read(dev, 6, 2), 0x10);
	put(0x64, 0x3, 4);
	assert_int_equal(interrupts(), 0);
	assert_int_equal(get(0x24), 0);
	assert_int_equal(rf_device_set_irq(dev, 1, irq), -EINVAL);
}

static void pages_go_to_the_device_and_back(void **state)
{
	assert_int_equal(rf_device_set_irq(dev, 0, irq), 0);
	for (unsigned i = 0; i < PAGE; i++)
		memory[i] = (uint8_t)(i * 13 + i / 256);
	dma(IOVA, BUFFER, PAGE, 0x1);
	assert_int_equal(interrupts(), 0); /* not asked for */
	dma(BUFFER, IOVA + PAGE, PAGE, 0x1 | 0x2 | 0x4);
	assert_memory_equal(memory, memory + PAGE, PAGE);
	assert_int_equal(interrupts(), 1);
	assert_int_equal(get(0x24), 0x100);
	assert_int_equal(get(0x98), 0x6); /* the start bit is down again */

	dma(BUFFER + 100, IOVA, 8, 0x3);
	assert_memory_equal(memory, memory + PAGE + 100, 8);
	assert_memory_equal(memory + 8, memory + PAGE + 8, PAGE - 8);
}

static void a_command_without_start_does_nothing(void **state)
{
	memory[0] = 1;
	dma(BUFFER, IOVA, 16, 0x2 | 0x4);
	assert_int_equal(memory[0], 1);
	assert_int_equal(get(0x98), 0);
	assert_int_equal(get(0x24), 0);
}

static void the_buffers_end_is_kept(void **state)
{
	uint64_t warnings = atomic_load(&stats()->warnings);

	memory[0] = 1;
	dma(BUFFER + 1, IOVA, PAGE, 0x3);
	dma(BUFFER + PAGE, IOVA, 1, 0x3);
	dma(BUFFER - 1, IOVA, 1, 0x3);
	dma(UINT64_MAX, IOVA, 2, 0x3);
	dma(BUFFER, IOVA, UINT64_MAX, 0x3);
	dma(IOVA, 0, 4, 0x1);
	assert_int_equal(memory[0], 1);
	assert_int_equal(atomic_load(&stats()->warnings) - warnings, 6);
	dma(BUFFER + PAGE - 1, IOVA, 1, 0x3);
	assert_int_equal(memory[0], 0);
}

static void addresses_lose_bits_beyond_the_mask(void **state)
{
	uint64_t warnings = atomic_load(&stats()->warnings);

	memory[0] = 42;
	dma(0x10000000 | IOVA, BUFFER, 1, 0x1); /* bit 28 is not driven */
	assert_int_equal(atomic_load(&stats()->warnings) - warnings, 1);
	dma(BUFFER, IOVA + 1, 1, 0x3);
	assert_int_equal(memory[1], 42);
	assert_int_equal(atomic_load(&stats()->warnings) - warnings, 1);
}

static void a_wider_mask_reaches_further(void **state)
{
	uint64_t faults = atomic_load(&stats()->faults);
	struct rf_device *wide = edu_new("0xffffffffffffffff");

	rf_device_mmio_write(wide, 0, 0x80, 0x10000000 | IOVA, 8);
	rf_device_mmio_write(wide, 0, 0x88, BUFFER, 8);
	rf_device_mmio_write(wide, 0, 0x90, 1, 8);
	rf_device_mmio_write(wide, 0, 0x98, 1, 8);
	assert_int_equal(atomic_load(&stats()->faults) - faults, 1); /* not mapped there */
	device_free(wide);
}

static void a_mask_with_holes_is_refused(void **state)
{
	const struct prop_value values[] = { { "dma-mask", "0xff00" }, { NULL, NULL } };
	const struct pci_address at = { .slot = 4 };
	struct rf_device *edu;
	char *error;

	assert_int_equal(device_new(&edu_model, &at, values, &edu, &error), -EINVAL);
	assert_string_equal(error, "edu 0000:00:04.0: dma-mask: 0xff00 is not one less than a "
				   "power of two");
	free(error);
}

static void failed_dma_is_a_fault_not_a_hang(void **state)
{
	uint64_t faults = atomic_load(&stats()->faults);

	dma(BUFFER, 0x5000, 64, 0x3 | 0x4);
	assert_int_equal(atomic_load(&stats()->faults) - faults, 1);
	assert_int_equal(get(0x98) & 1, 0);
	assert_int_equal(get(0x24), 0x100);
}

static void a_page_that_is_not_mapped_does_not_keep_it_from_others(void **state)
{
	uint64_t faults = atomic_load(&stats()->faults);

	for (unsigned i = 0; i < PAGE; i++)
		memory[i] = (uint8_t)(i * 7 + 1);
	dma(IOVA, BUFFER, 64, 0x1);
	dma(BUFFER, IOVA - 16, 64, 0x3);
	assert_int_equal(atomic_load(&stats()->faults) - faults, 1);
	for (unsigned i = 0; i < 48; i++)
		assert_int_equal(memory[i], (uint8_t)((i + 16) * 7 + 1));
	dma(IOVA - 16, BUFFER, 64, 0x1);
	assert_int_equal(atomic_load(&stats()->faults) - faults, 2);
	dma(BUFFER, IOVA + PAGE, 64, 0x3);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(memory[PAGE + i], i < 16 ? 0 : memory[i - 16]);
}

static void reset_restores_the_registers(void **state)
{
	put(0x04, 1, 4);
	put(0x20, 0x80, 4);
	put(0x60, 1, 4);
	dma(IOVA, BUFFER, 16, 0x1);
	rf_device_reset(dev);
	assert_int_equal(get(0x00), UINT32_MAX); /* memory decoding is off */
	rf_device_config_write(dev, 4, 6, 2);
	assert_int_equal(rf_device_config_read(dev, 6, 2), 0x10);
	for (unsigned off = 4; off < 0xa0; off += 4)
		if (get(off) != UINT32_MAX)
			assert_int_equal(get(off), 0);
	put(0x80, IOVA | 0x10000000, 8);
	dma(IOVA, BUFFER, 16, 0x1);
	assert_int_equal(get(0x80), IOVA);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(registers_identify_and_invert),
		CASE(access_sizes_are_those_documented),
		CASE(factorials_are_modulo_a_word),
		CASE(only_the_interrupt_bit_of_status_is_writable),
		CASE(line_stays_up_until_all_is_acknowledged),
		CASE(messages_are_sent_once_each),
		CASE(pages_go_to_the_device_and_back),
		CASE(a_command_without_start_does_nothing),
		CASE(the_buffers_end_is_kept),
		CASE(addresses_lose_bits_beyond_the_mask),
		CASE(a_wider_mask_reaches_further),
		CASE(a_mask_with_holes_is_refused),
		CASE(failed_dma_is_a_fault_not_a_hang),
		CASE(a_page_that_is_not_mapped_does_not_keep_it_from_others),
		CASE(reset_restores_the_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
