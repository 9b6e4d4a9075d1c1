/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The expected bytes are what Linux shows of the same devices in a virtual
 * machine (with the COMMAND register and BAR addresses of power-on).
 */
#include <stdio.h>

#include "fixture.h"

static const struct rf_pci_model edu_like = {
	.abi = RF_MODEL_ABI,
	.name = "edu-like",
	.vendor = 0x1234,
	.device = 0x11e8,
	.class = 0x00ff00,
	.revision = 0x10,
	.int_pin = 1,
	.msi_vectors = 1,
	.bars = { { .size = 1 << 20 } },
};

static unsigned resets;

static void count_reset(struct rf_device *dev)
{
	resets++;
}

static const struct rf_pci_model nvme_like = {
	.abi = RF_MODEL_ABI,
	.name = "nvme-like",
	.vendor = 0x1b36,
	.device = 0x0010,
	.class = 0x010802,
	.revision = 0x02,
	.int_pin = 1,
	.caps = RF_PCI_CAP_PM | RF_PCI_CAP_PCIE | RF_PCI_CAP_FLR,
	.msix_vectors = 65,
	.msix_table = 0x2000,
	.msix_pba = 0x3000,
	.cap_offset = { .msix = 0x40, .pcie = 0x80, .pm = 0x60 },
	.bars = { { .size = 0x4000, .flags = RF_BAR_64 } },
	.reset = count_reset,
};

static void config_is(struct rf_device *dev, unsigned off, const char *bytes)
{
	char got[3 * 16 + 1] = "";

	for (unsigned i = 0; i < 16; i++)
		snprintf(got + 3 * i, 4, i < 15 ? "%02x " : "%02x", config_read(dev, off + i, 1));
	assert_string_equal(got, bytes);
}

static void conventional_device_looks_as_linux_shows_it(void **state)
{
	struct rf_device *dev = fixture_device(&edu_like);

	device_set_bar_address(dev, 0, 0xfea00000);
	config_write(dev, 0x3c, 0x0a, 1);
	config_is(dev, 0x00, "34 12 e8 11 00 00 10 00 10 00 ff 00 00 00 00 00");
	config_is(dev, 0x10, "00 00 a0 fe 00 00 00 00 00 00 00 00 00 00 00 00");
	config_is(dev, 0x20, "00 00 00 00 00 00 00 00 00 00 00 00 f4 1a 00 11");
	config_is(dev, 0x30, "00 00 00 00 40 00 00 00 00 00 00 00 0a 01 00 00");
	config_is(dev, 0x40, "05 00 80 00 00 00 00 00 00 00 00 00 00 00 00 00");
	for (unsigned off = 0x50; off < 0x100; off += 16)
		config_is(dev, off, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	assert_int_equal(dev->config_size, 256);
	assert_false(device_can_reset(dev));
	device_free(dev);
}

static void express_device_looks_as_linux_shows_it(void **state)
{
	struct rf_device *dev = fixture_device_at(&nvme_like, NULL, "0000:00:05.0");

	device_set_bar_address(dev, 0, 0xfeb80000);
	config_is(dev, 0x00, "36 1b 10 00 00 00 10 00 02 02 08 01 00 00 00 00");
	config_is(dev, 0x10, "04 00 b8 fe 00 00 00 00 00 00 00 00 00 00 00 00");
	config_is(dev, 0x30, "00 00 00 00 40 00 00 00 00 00 00 00 00 01 00 00");
	config_is(dev, 0x40, "11 80 40 00 00 20 00 00 00 30 00 00 00 00 00 00");
	config_is(dev, 0x50, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	config_is(dev, 0x60, "01 00 03 00 08 00 00 00 00 00 00 00 00 00 00 00");
	config_is(dev, 0x80, "10 60 92 00 00 80 00 10 00 00 00 00 11 04 00 00");
	config_is(dev, 0x90, "00 00 11 00 00 00 00 00 00 00 00 00 00 00 00 00");
	config_is(dev, 0xa0, "00 00 00 00 00 00 30 00 00 00 00 00 00 00 00 00");
	config_is(dev, 0xf0, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	config_is(dev, 0x100, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	assert_int_equal(dev->config_size, 4096);
	assert_true(device_can_reset(dev));
	device_free(dev);
}

static void behind_a_bridge_an_express_device_is_an_endpoint(void **state)
{
	struct rf_device *dev = fixture_device_at(&nvme_like, NULL, "0000:01:00.0");

	assert_int_equal(config_read(dev, 0x82, 2), 0x0002);
	device_free(dev);
}

static void chosen_capabilities_avoid_each_other(void **state)
{
	struct rf_pci_model m = nvme_like;
	struct rf_device *dev;

	memset(&m.cap_offset, 0, sizeof(m.cap_offset));
	m.msi_vectors = 4;
	m.cap_offset.pm = 0x50;
	dev = fixture_device(&m);
	assert_int_equal(config_read(dev, 0x34, 1), 0x40);
	assert_int_equal(config_read(dev, 0x40, 2), 0x6011); /* MSI-X, then MSI */
	assert_int_equal(config_read(dev, 0x60, 4), 0x00847005);
	assert_int_equal(config_read(dev, 0x70, 2), 0x5010);
	assert_int_equal(config_read(dev, 0x50, 2), 0x0001);
	device_free(dev);
}

static void bars_answer_sizing(void **state)
{
	struct rf_device *dev = fixture_device(&edu_like);

	device_set_bar_address(dev, 0, 0xfea00000);
	config_write(dev, 0x10, 0xffffffff, 4);
	assert_int_equal(config_read(dev, 0x10, 4), 0xfff00000);
	config_write(dev, 0x10, 0x12345678, 4);
	assert_int_equal(config_read(dev, 0x10, 4), 0x12300000);
	config_write(dev, 0x14, 0xffffffff, 4);
	assert_int_equal(config_read(dev, 0x14, 4), 0);
	config_write(dev, 0x30, 0xffffffff, 4);
	assert_int_equal(config_read(dev, 0x30, 4), 0);
	device_free(dev);

	dev = fixture_device(&nvme_like);
	config_write(dev, 0x10, 0xffffffff, 4);
	config_write(dev, 0x14, 0xffffffff, 4);
	assert_int_equal(config_read(dev, 0x10, 4), 0xffffc004);
	assert_int_equal(config_read(dev, 0x14, 4), 0xffffffff);
	device_set_bar_address(dev, 0, 0x380000000000);
	assert_int_equal(config_read(dev, 0x14, 4), 0x3800);
	assert_int_equal(config_read(dev, 0x10, 4), 4);
	device_free(dev);
}

static void only_writable_bits_change(void **state)
{
	struct rf_device *dev = fixture_device(&nvme_like);

	config_write(dev, 0x00, 0xffffffff, 4);
	assert_int_equal(config_read(dev, 0x00, 4), 0x00101b36);
	config_write(dev, 0x04, 0xffff, 2);
	assert_int_equal(config_read(dev, 0x04, 2), 0x0507);
	config_write(dev, 0x3c, 0xffff, 2);
	assert_int_equal(config_read(dev, 0x3c, 2), 0x01ff);
	config_write(dev, 0x0c, 0xffffffff, 4);
	assert_int_equal(config_read(dev, 0x0c, 4), 0x000000ff);
	config_write(dev, 0x42, 0x3fff, 2);
	assert_int_equal(config_read(dev, 0x42, 2), 0x0040);
	config_write(dev, 0x64, 0xffff, 2);
	assert_int_equal(config_read(dev, 0x64, 2), 0x000b);
	device_free(dev);
}

static void status_errors_are_cleared_by_writing_ones(void **state)
{
	struct rf_device *dev = fixture_device(&edu_like);

	dev->config[7] = 0xf9;
	config_write(dev, 0x06, 0x8010, 2);
	assert_int_equal(config_read(dev, 0x06, 2), 0x7910);
	config_write(dev, 0x06, 0xffff, 2);
	assert_int_equal(config_read(dev, 0x06, 2), 0x0010);
	device_free(dev);
}

static void accesses_are_aligned_and_inside(void **state)
{
	struct rf_device *dev = fixture_device(&edu_like);

	assert_int_equal(config_read(dev, 0x100, 4), 0xffffffff);
	assert_int_equal(config_read(dev, 0x100, 1), 0xff);
	assert_int_equal(config_read(dev, 0x01, 2), 0xffff);
	assert_int_equal(config_read(dev, 0x00, 3), 0xffffff);
	config_write(dev, 0x03, 0xffff, 2);
	config_write(dev, UINT32_MAX - 3, 0, 4);
	assert_int_equal(config_read(dev, 0x04, 2), 0);
	device_free(dev);
}

static void memory_is_enabled_by_command_in_d0(void **state)
{
	struct rf_device *dev = fixture_device(&nvme_like);

	assert_false(config_memory_enabled(dev));
	config_write(dev, 0x04, 2, 2);
	assert_true(config_memory_enabled(dev));
	config_write(dev, 0x64, 3, 2);
	assert_false(config_memory_enabled(dev));
	config_write(dev, 0x64, 0, 2);
	assert_true(config_memory_enabled(dev));
	device_free(dev);
}

static void function_level_reset_goes_back_to_power_on(void **state)
{
	struct rf_device *dev = fixture_device(&nvme_like);

	resets = 0;
	device_set_bar_address(dev, 0, 0xfeb80000);
	config_write(dev, 0x10, 0xffffffff, 4);
	config_write(dev, 0x04, 0x0006, 2);
	config_write(dev, 0x3c, 0x0b, 1);
	config_write(dev, 0x42, 0x8000, 2);
	config_write(dev, 0x88, 0x8000 | 0x0f, 2);
	assert_int_equal(resets, 1);
	assert_int_equal(config_read(dev, 0x04, 2), 0);
	assert_int_equal(config_read(dev, 0x10, 4), 0xfeb80004);
	assert_int_equal(config_read(dev, 0x3c, 1), 0x0b);
	assert_int_equal(config_read(dev, 0x42, 2), 0x0040);
	assert_int_equal(config_read(dev, 0x88, 2), 0);

	config_write(dev, 0x89, 0x80, 1);
	assert_int_equal(resets, 2);
	config_write(dev, 0x88, 0xff, 1);
	config_write(dev, 0x89, 0x7f, 1);
	config_write(dev, 0x8c, 0xffffffff, 4);
	assert_int_equal(resets, 2);
	device_free(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conventional_device_looks_as_linux_shows_it),
		cmocka_unit_test(express_device_looks_as_linux_shows_it),
		cmocka_unit_test(behind_a_bridge_an_express_device_is_an_endpoint),
		cmocka_unit_test(chosen_capabilities_avoid_each_other),
		cmocka_unit_test(bars_answer_sizing),
		cmocka_unit_test(only_writable_bits_change),
		cmocka_unit_test(status_errors_are_cleared_by_writing_ones),
		cmocka_unit_test(accesses_are_aligned_and_inside),
		cmocka_unit_test(memory_is_enabled_by_command_in_d0),
		cmocka_unit_test(function_level_reset_goes_back_to_power_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
