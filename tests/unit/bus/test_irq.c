/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ringfence/machine.h>

#include "fixture.h"

#define TABLE	0x2000u
#define PBA	0x3000u
#define CTRL(v) (TABLE + 16 * (v) + 12)

static const struct rf_pci_model model = {
	.abi = RF_MODEL_ABI,
	.name = "irqs",
	.int_pin = 1,
	.caps = RF_PCI_CAP_PCIE,
	.msi_vectors = 2,
	.msix_vectors = 65,
	.msix_table = TABLE,
	.msix_pba = PBA,
	.cap_offset = { .msix = 0x40, .msi = 0x50 },
	.bars = { { .size = 0x4000 } },
};
static const struct rf_pci_model silent = { .abi = RF_MODEL_ABI, .name = "silent" };

static struct rf_device *dev;
static struct recorder rec;

static int setup(void **state)
{
	dev = fixture_device(&model);
	config_write(dev, 0x04, 0x0004, 2); /* COMMAND.MASTER */
	recorder_init(&rec);
	assert_null(irq_set_sink(dev, &rec.sink));
	return 0;
}

static int teardown(void **state)
{
	assert_ptr_equal(irq_set_sink(dev, NULL), &rec.sink);
	device_free(dev);
	return 0;
}

static uint64_t pba(unsigned word)
{
	return bar_read(dev, 0, PBA + 8 * word, 8);
}

static void messages_need_bus_mastering(void **state)
{
	irq_enable(dev, IRQ_MSIX);
	irq_mask_vector(dev, 1, false);
	config_write(dev, 0x04, 0, 2);
	assert_int_equal(rf_irq_raise(dev, 1), 0);
	assert_int_equal(rec.count, 0);
	config_write(dev, 0x04, 0x0004, 2);
	assert_int_equal(rec.count, 0); /* lost, not late */
	assert_int_equal(rf_irq_raise(dev, 1), 0);
	assert_int_equal(rec.count, 1);
}

static void unmasked_vectors_fire_at_once(void **state)
{
	irq_enable(dev, IRQ_MSIX);
	irq_mask_vector(dev, 64, false);
	assert_int_equal(rf_irq_mode(dev), RF_IRQ_MSIX);
	assert_int_equal(rf_irq_raise(dev, 64), 0);
	assert_int_equal(rf_irq_raise(dev, 64), 0);
	assert_int_equal(rec.count, 2);
	assert_int_equal(rec.index, IRQ_MSIX);
	assert_int_equal(rec.vector, 64);
	assert_int_equal(rf_irq_raise(dev, 65), -EINVAL);
	assert_int_equal(rec.count, 2);
}

static void masked_vectors_pend_and_fire_once_at_unmask(void **state)
{
	irq_enable(dev, IRQ_MSIX);
	rf_irq_raise(dev, 3);
	rf_irq_raise(dev, 3);
	rf_irq_raise(dev, 64);
	assert_int_equal(rec.count, 0);
	assert_int_equal(pba(0), 8);
	assert_int_equal(pba(1), 1);
	assert_int_equal(bar_read(dev, 0, PBA + 8, 4), 1);
	assert_int_equal(bar_read(dev, 0, PBA, 1), 8);
	irq_mask_vector(dev, 3, false);
	assert_int_equal(rec.count, 1);
	assert_int_equal(rec.vector, 3);
	assert_int_equal(pba(0), 0);
	irq_mask_vector(dev, 3, true);
	irq_mask_vector(dev, 3, false);
	assert_int_equal(rec.count, 1);
	bar_write(dev, 0, CTRL(64), 0, 4); /* the driver unmasks */
	assert_int_equal(rec.count, 2);
	assert_int_equal(rec.vector, 64);
}

static void vectors_raised_before_enable_fire_then(void **state)
{
	irq_mask_vector(dev, 0, false);
	rf_irq_raise(dev, 0);
	rf_irq_raise(dev, 1);
	assert_int_equal(rec.count, 0);
	irq_enable(dev, IRQ_MSIX);
	assert_int_equal(rec.count, 1);
	assert_int_equal(rec.vector, 0);
	irq_disable(dev, IRQ_MSIX);
	irq_enable(dev, IRQ_MSIX);
	assert_int_equal(rec.count, 1);
	irq_mask_vector(dev, 1, false);
	assert_int_equal(rec.per_vector[1], 1);
}

static void function_mask_holds_all_vectors_back(void **state)
{
	irq_enable(dev, IRQ_MSIX);
	for (unsigned v = 0; v < 65; v++)
		irq_mask_vector(dev, v, false);
	config_write(dev, 0x42, 0xc000, 2);
	for (unsigned v = 0; v < 65; v++)
		rf_irq_raise(dev, v);
	assert_int_equal(rec.count, 0);
	assert_int_equal(pba(0), UINT64_MAX);
	config_write(dev, 0x43, 0x80, 1);
	assert_int_equal(rec.count, 65);
	for (unsigned v = 0; v < 65; v++)
		assert_int_equal(rec.per_vector[v], 1);
}

static void table_is_what_the_specification_says(void **state)
{
	assert_int_equal(bar_read(dev, 0, CTRL(0), 4), 1);
	assert_int_equal(bar_read(dev, 0, CTRL(64), 4), 1);
	assert_int_equal(bar_read(dev, 0, CTRL(65), 4), 0); /* beyond the last vector */
	bar_write(dev, 0, TABLE, 0x11223344fee00001, 8);
	bar_write(dev, 0, TABLE + 8, 0xffffffff00004021, 8);
	assert_int_equal(bar_read(dev, 0, TABLE, 8), 0x11223344fee00000);
	assert_int_equal(bar_read(dev, 0, TABLE + 8, 8), 0x100004021);
	assert_int_equal(bar_read(dev, 0, TABLE + 2, 2), 0xfee0);
	bar_write(dev, 0, CTRL(0), 0, 1); /* too narrow */
	assert_int_equal(bar_read(dev, 0, CTRL(0), 4), 1);
	bar_write(dev, 0, PBA, UINT64_MAX, 8); /* read-only */
	assert_int_equal(pba(0), 0);
	bar_write(dev, 0, CTRL(65), 0, 4);
	bar_write(dev, 0, TABLE + 0xff8, 0, 8);
	assert_int_equal(bar_read(dev, 0, PBA + 0xff8, 8), 0);
	assert_int_equal(bar_page_kind(dev, 0, TABLE), RF_AREA_TRAP);
}

static void reset_masks_and_forgets(void **state)
{
	irq_enable(dev, IRQ_MSIX);
	irq_mask_vector(dev, 0, false);
	rf_irq_raise(dev, 5);
	rf_intx_set(dev, true);
	device_reset(dev);
	assert_int_equal(pba(0), 0);
	assert_int_equal(bar_read(dev, 0, CTRL(0), 4), 1);
	assert_int_equal(rf_irq_mode(dev), RF_IRQ_INTX);
	assert_false(irq_line(dev));
	irq_enable(dev, IRQ_MSIX);
	irq_mask_vector(dev, 5, false);
	assert_int_equal(rec.count, 0);
}

static void msi_fires_only_while_enabled(void **state)
{
	config_write(dev, 0x52, 0x0001, 2); /* the driver's own enable */
	assert_int_equal(rf_irq_mode(dev), RF_IRQ_MSI);
	rf_irq_raise(dev, 1);
	assert_int_equal(rec.index, IRQ_MSI);
	assert_int_equal(rec.vector, 1);
	assert_int_equal(rf_irq_raise(dev, 2), 0); /* MSI-X has it, MSI has not */
	assert_int_equal(rec.count, 1);
	irq_disable(dev, IRQ_MSI);
	assert_int_equal(rf_irq_mode(dev), RF_IRQ_INTX);
}

static void line_changes_reach_the_sink(void **state)
{
	rf_intx_set(dev, true);
	rf_intx_set(dev, true);
	assert_int_equal(rec.count, 1);
	assert_int_equal(rec.index, IRQ_INTX);
	assert_int_equal(rec.vector, 1);
	assert_int_equal(config_read(dev, 6, 2), 0x0018);
	assert_true(irq_line(dev));
	rf_intx_set(dev, false);
	assert_int_equal(rec.count, 2);
	assert_int_equal(rec.vector, 0);
	assert_int_equal(config_read(dev, 6, 2), 0x0010);
}

static void command_disables_the_line_but_not_its_status(void **state)
{
	config_write(dev, 4, 0x0400, 2);
	rf_intx_set(dev, true);
	assert_int_equal(rec.count, 0);
	assert_int_equal(config_read(dev, 6, 2), 0x0018);
	config_write(dev, 4, 0, 2);
	assert_int_equal(rec.count, 1);
	assert_int_equal(rec.vector, 1);
	config_write(dev, 5, 0x04, 1);
	assert_int_equal(rec.count, 2);
	assert_int_equal(rec.vector, 0);
}

static void messages_take_the_place_of_the_line(void **state)
{
	rf_intx_set(dev, true);
	irq_enable(dev, IRQ_MSIX);
	assert_int_equal(rec.count, 2);
	assert_int_equal(rec.vector, 0);
	irq_disable(dev, IRQ_MSIX);
	assert_int_equal(rec.count, 3);
	assert_int_equal(rec.vector, 1);
}

static void counts_follow_the_declaration(void **state)
{
	struct rf_device *other = fixture_device(&silent);

	assert_int_equal(irq_count(dev, IRQ_INTX), 1);
	assert_int_equal(irq_count(dev, IRQ_MSI), 2);
	assert_int_equal(irq_count(dev, IRQ_MSIX), 65);
	assert_int_equal(irq_count(dev, IRQ_ERR), 1);
	assert_int_equal(irq_count(dev, IRQ_REQ), 1);
	assert_int_equal(irq_count(other, IRQ_INTX), 0);
	assert_int_equal(irq_count(other, IRQ_MSIX), 0);
	assert_int_equal(irq_count(other, IRQ_ERR), 0);
	assert_int_equal(rf_irq_raise(other, 0), -EINVAL);
	rf_intx_set(other, true);
	assert_false(irq_line(other));
	irq_enable(other, IRQ_MSIX);
	irq_mask_vector(other, 0, false);
	assert_int_equal(rf_irq_mode(other), RF_IRQ_INTX);
	device_free(other);
}

static uint64_t eventfd_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void embedders_get_eventfds(void **state)
{
	struct rf_device *own = fixture_device(&model);
	int a = eventfd(0, EFD_NONBLOCK), b = eventfd(0, EFD_NONBLOCK);

	config_write(own, 0x04, 0x0004, 2); /* COMMAND.MASTER */
	rf_irq_raise(own, 7);
	assert_int_equal(rf_device_set_irq(own, 7, a), 0);
	assert_int_equal(rf_irq_mode(own), RF_IRQ_MSIX);
	assert_int_equal(eventfd_take(a), 1);
	rf_irq_raise(own, 7);
	rf_irq_raise(own, 8);
	assert_int_equal(eventfd_take(a), 1);
	assert_int_equal(rf_device_set_irq(own, 8, b), 0);
	assert_int_equal(eventfd_take(b), 1);
	assert_int_equal(rf_device_set_irq(own, 7, -1), 0);
	rf_irq_raise(own, 7);
	assert_int_equal(eventfd_take(a), 0);
	assert_int_equal(rf_irq_mode(own), RF_IRQ_MSIX);
	assert_int_equal(rf_device_set_irq(own, 8, -1), 0);
	assert_int_equal(rf_irq_mode(own), RF_IRQ_INTX);
	assert_int_equal(rf_device_set_irq(own, 65, a), -EINVAL);

	rf_intx_set(own, true);
	assert_int_equal(rf_device_set_irq(own, UINT32_MAX, a), 0);
	assert_int_equal(eventfd_take(a), 1);
	rf_intx_set(own, false);
	rf_intx_set(own, true);
	assert_int_equal(eventfd_take(a), 1);
	device_free(own);
	close(a);
	close(b);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(messages_need_bus_mastering),
		CASE(unmasked_vectors_fire_at_once),
		CASE(masked_vectors_pend_and_fire_once_at_unmask),
		CASE(vectors_raised_before_enable_fire_then),
		CASE(function_mask_holds_all_vectors_back),
		CASE(table_is_what_the_specification_says),
		CASE(reset_masks_and_forgets),
		CASE(msi_fires_only_while_enabled),
		CASE(line_changes_reach_the_sink),
		CASE(command_disables_the_line_but_not_its_status),
		CASE(messages_take_the_place_of_the_line),
		CASE(counts_follow_the_declaration),
		CASE(embedders_get_eventfds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
