/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A function made of its configuration space: QEMU's e1000e.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../logged.h"
#include "bus/device.h"
#include "models/models.h"

#define CONFIG_SIZE 4096u

/* What is not zero, line by line. */
static const struct {
	unsigned at;
	uint8_t bytes[16];
} e1000e[] = {
	{ 0x000, { 0x86, 0x80, 0xd3, 0x10, 7, 1, 0x10, 0x08, 0, 0, 0, 2, 0x10, 0, 0, 0 } },
	{ 0x010, { 0, 0, 0x50, 0xfe, 0, 0, 0x52, 0xfe, 0x81, 0xc0, 0, 0, 0, 0x40, 0x54, 0xfe } },
	{ 0x020, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0x80, 0, 0 } },
	{ 0x030, { 0, 0x80, 0x54, 0xfe, 0xc8, 0, 0, 0, 0, 0, 0, 0, 0x0b, 1, 0, 0 } },
	{ 0x0a0, { 0x11, 0, 4, 0x80, 3, 0, 0, 0, 3, 0x20, 0, 0, 0, 0, 0, 0 } },
	{ 0x0c0, { 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xd0, 0x22, 0, 3, 0x81, 0, 0 } },
	{ 0x0d0, { 5, 0xe0, 0x81, 0, 0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0x21, 0, 0, 0 } },
	{ 0x0e0, { 0x10, 0xa0, 0x91, 0, 0, 0x80, 0, 0, 0x10, 0x28, 9, 0, 0x11, 4, 0, 0 } },
	{ 0x100, { 1, 0, 2, 0x14, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x30, 0x20, 0x46, 0 } },
	{ 0x110, { 0, 0, 0, 0, 0, 0xe0, 0, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0 } },
	{ 0x140, { 3, 0, 1, 0, 0x56, 0x34, 0x12, 0xff, 0xff, 0, 0x54, 0x52, 0, 0, 0, 0 } },
};

static void image(uint8_t bytes[CONFIG_SIZE])
{
	memset(bytes, 0, CONFIG_SIZE);
	for (size_t i = 0; i < sizeof(e1000e) / sizeof(*e1000e); i++)
		memcpy(bytes + e1000e[i].at, e1000e[i].bytes, 16);
}

static int make(const struct described *described, const struct prop_value *values,
		struct rf_device **out, char **error)
{
	const struct pci_address at = { .slot = 6 };

	return device_new_described(&inert_model, &at, values, described, out, error);
}

static struct rf_device *made(const struct prop_value *values)
{
	uint8_t bytes[CONFIG_SIZE];
	const struct described described = {
		.config = bytes,
		.size = CONFIG_SIZE,
		.bar_size = { 0x20000, 0x20000, 0x20, 0x4000, 0, 0, 0x800 },
	};
	struct rf_device *dev;
	char *error;

	image(bytes);
	if (make(&described, values, &dev, &error))
		fail_msg("%s", error);
	return dev;
}

static void identity_and_capabilities_are_the_images(void **state)
{
	struct rf_device *dev = made(NULL);

	assert_int_equal(config_read(dev, 0x00, 4), 0x10d38086);
	assert_int_equal(config_read(dev, 0x08, 4), 0x02000000);
	assert_int_equal(config_read(dev, 0x2c, 4), 0x00008086);
	assert_int_equal(config_read(dev, 0x34, 1), 0xc8);
	assert_int_equal(config_read(dev, 0xc8, 4), 0x0022d001);
	assert_int_equal(config_read(dev, 0x144, 4), 0xff123456);
	assert_int_equal(dev->config_size, CONFIG_SIZE);
	assert_int_equal(irq_count(dev, IRQ_INTX), 1);
	assert_int_equal(irq_count(dev, IRQ_MSI), 1);
	assert_int_equal(irq_count(dev, IRQ_MSIX), 5);
	assert_int_equal(irq_count(dev, IRQ_ERR), 1);
	assert_true(device_can_reset(dev));
	assert_false(device_can_flr(dev));
	device_free(dev);
}

/* It was saved while a driver had it: in D3, with interrupts on and errors seen. */
static void it_begins_as_after_power_on(void **state)
{
	struct rf_device *dev = made(NULL);

	assert_int_equal(config_read(dev, 0x04, 4), 0x00100000);
	assert_int_equal(config_read(dev, 0x0c, 4), 0x10);
	assert_int_equal(config_read(dev, 0xcc, 4), 0);
	assert_int_equal(config_read(dev, 0xd2, 2), 0x0080);
	assert_int_equal(config_read(dev, 0xd4, 4), 0);
	assert_int_equal(config_read(dev, 0xdc, 2), 0);
	assert_int_equal(config_read(dev, 0xa2, 2), 0x0004);
	assert_int_equal(config_read(dev, 0xea, 2), 0);
	assert_int_equal(config_read(dev, 0x104, 4), 0);
	/* what firmware chose stays */
	assert_int_equal(config_read(dev, 0x10, 4), 0xfe500000);
	assert_int_equal(config_read(dev, 0x18, 4), 0xc081);
	assert_int_equal(config_read(dev, 0x30, 4), 0xfe548000);
	assert_int_equal(config_read(dev, 0x3c, 2), 0x010b);
	assert_int_equal(config_read(dev, 0xe8, 2), 0x2810);
	assert_int_equal(config_read(dev, 0x10c, 4), 0x00462030);
	device_free(dev);
}

static void written(struct rf_device *dev, unsigned off, uint32_t ones, uint32_t zeros)
{
	config_write(dev, off, UINT32_MAX, 4);
	assert_int_equal(config_read(dev, off, 4), ones);
	config_write(dev, off, 0, 4);
	assert_int_equal(config_read(dev, off, 4), zeros);
}

/* As QEMU's has it, but for the mask of uncorrectable errors, which that has not. */
static void bits_that_a_driver_can_write_are_known(void **state)
{
	struct rf_device *dev = made(NULL);

	written(dev, 0x00, 0x10d38086, 0x10d38086);
	written(dev, 0x04, 0x00100507, 0x00100000);
	written(dev, 0x10, 0xfffe0000, 0);
	written(dev, 0x18, 0xffffffe1, 1);
	written(dev, 0x1c, 0xffffc000, 0);
	written(dev, 0x20, 0, 0);
	written(dev, 0x30, 0xfffff801, 0);
	written(dev, 0xa0, 0xc0040011, 0x00040011);
	written(dev, 0xa4, 3, 3);
	written(dev, 0xcc, 0x1f03, 0);
	written(dev, 0xd0, 0x0081e005, 0x0080e005);
	written(dev, 0xd4, 0xfffffffc, 0);
	written(dev, 0x104, 0, 0);
	written(dev, 0x108, 0x03fff030, 0);
	written(dev, 0x10c, 0x03fff030, 0);
	written(dev, 0x114, 0xf1c1, 0);
	written(dev, 0x118, 0x1e0, 0xa0);
	written(dev, 0x140, 0x00010003, 0x00010003);
	written(dev, 0x80, 0, 0);
	device_reset(dev);
	assert_int_equal(config_read(dev, 0x10c, 4), 0x00462030);
	assert_int_equal(config_read(dev, 0xcc, 4), 0);
	device_free(dev);
}

static void bars_are_memory_until_a_reset(void **state)
{
	struct rf_device *dev = made(NULL);

	assert_true(bar_is_io(dev, 2));
	assert_false(bar_is_io(dev, 0));
	assert_int_equal(bar_size(dev, 3), 0x4000);
	assert_int_equal(bar_page_kind(dev, 0, 0), RF_AREA_RAM);
	for (unsigned bar = 0; bar < 3; bar++) {
		bar_write(dev, bar, 0x18, 0x12345678 + bar, 4);
		assert_int_equal(bar_read(dev, bar, 0x18, 4), 0x12345678 + bar);
		assert_int_equal(bar_read(dev, bar, 0x1a, 2), 0x1234);
	}
	bar_write(dev, 0, 0x1fff8, UINT64_MAX, 8);
	device_reset(dev);
	for (unsigned bar = 0; bar < 3; bar++)
		assert_int_equal(bar_read(dev, bar, 0x18, 4), 0);
	assert_int_equal(bar_read(dev, 0, 0x1fff8, 8), 0);
	device_free(dev);
}

/* The table is where the image says, and what else is in its page is memory. */
static void the_msix_table_lies_in_its_bar(void **state)
{
	struct rf_device *dev = made(NULL);

	assert_int_equal(bar_page_kind(dev, 3, 0), RF_AREA_TRAP);
	assert_int_equal(bar_page_kind(dev, 3, 0x1000), RF_AREA_RAM);
	assert_int_equal(bar_page_kind(dev, 3, 0x2000), RF_AREA_TRAP);
	assert_int_equal(bar_read(dev, 3, 4 * 16 + 12, 4), 1);
	bar_write(dev, 3, 4 * 16 + 12, 0, 4);
	assert_int_equal(bar_read(dev, 3, 4 * 16 + 12, 4), 0);
	assert_int_equal(bar_read(dev, 3, 5 * 16 + 12, 4), 0);
	bar_write(dev, 3, 5 * 16 + 12, 0xabcd, 4);
	assert_int_equal(bar_read(dev, 3, 5 * 16 + 12, 4), 0xabcd);
	bar_write(dev, 3, 0x2000, UINT64_MAX, 8);
	assert_int_equal(bar_read(dev, 3, 0x2000, 8), 0);
	bar_write(dev, 3, 0x2008, 7, 8);
	assert_int_equal(bar_read(dev, 3, 0x2008, 8), 7);
	device_free(dev);
}

static void write_file(char *path, const void *bytes, size_t size)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void a_file_can_say_all(void **state)
{
	char path[] = "/tmp/ringfence-inert-XXXXXX", text[] = "/tmp/ringfence-inert-XXXXXX";
	const struct prop_value sized[] = { { "config", path },
					    { "bar-sizes", "64K:0x10000:::0:0:2K" },
					    { "rom", path },
					    { NULL, NULL } };
	const struct prop_value printed[] = { { "config", text },
					      { "bar-sizes", "16" },
					      { NULL, NULL } };
	static const char lspci[] = "06:00.0 Ethernet controller: Intel\n"
				    "\tKernel driver in use: e1000e\n"
				    "00: 86 80 d3 10 03 01 00 00 00 00 00 02 00 00 00 00\n"
				    "10: 00 00 50 fe 00 00 00 00 00 00 00 00 00 00 00 00\n";
	uint8_t bytes[CONFIG_SIZE], rom[260];
	char lines[16 * 64] = "";
	struct rf_device *dev;
	char *error = NULL;

	image(bytes);
	write_file(path, bytes, 256);
	if (make(NULL, sized, &dev, &error))
		fail_msg("%s", error);
	assert_int_equal(bar_size(dev, 0), 0x10000);
	assert_int_equal(bar_size(dev, 1), 0x10000);
	assert_int_equal(bar_size(dev, 3), 0x4000); /* guessed */
	assert_int_equal(dev->model->rom_size, 2048);
	rom_read_bytes(dev, 0, rom, sizeof(rom));
	assert_memory_equal(rom, bytes, 256);
	assert_int_equal(rom[256], 0);
	device_free(dev);
	unlink(path);

	strcpy(lines, lspci);
	for (unsigned at = 0x20; at < 0x100; at += 0x10) {
		char line[64];

		snprintf(line, sizeof(line), "%02x:%s\n", at,
			 " 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
		strcat(lines, line);
	}
	write_file(text, lines, strlen(lines));
	if (make(NULL, printed, &dev, &error))
		fail_msg("%s", error);
	assert_int_equal(config_read(dev, 0, 4), 0x10d38086);
	assert_int_equal(bar_size(dev, 0), 16);
	assert_int_equal(dev->config_size, 256);
	device_free(dev);
	unlink(text);
}

static void sizes_that_nobody_knows_are_guessed_and_said(void **state)
{
	uint8_t bytes[CONFIG_SIZE];
	const struct described described = { .config = bytes, .size = CONFIG_SIZE };
	struct rf_device *dev;
	char *error;

	image(bytes);
	log_set_level(LOG_WARN);
	log_begins();
	assert_int_equal(make(&described, NULL, &dev, &error), 0);
	logged_has("guessed");
	log_ends();
	log_set_level(LOG_ERROR);
	/* aligned to 1 MiB, but the next one is 128 KiB further */
	assert_int_equal(bar_size(dev, 0), 0x20000);
	assert_int_equal(bar_size(dev, 1), 0x20000);
	assert_int_equal(bar_size(dev, 2), 0x80);
	assert_int_equal(bar_size(dev, 3), 0x4000);
	assert_int_equal(bar_size(dev, 4), 0);
	assert_int_equal(dev->model->rom_size, 0x800);
	device_free(dev);
}

static void refused(const struct described *described, const struct prop_value *values,
		    const char *why)
{
	struct rf_device *dev;
	char *error = NULL;

	assert_true(make(described, values, &dev, &error) < 0);
	assert_non_null(error);
	if (!strstr(error, why))
		fail_msg("expected \"%s\", got \"%s\"", why, error);
	free(error);
}

static void what_cannot_be_is_refused_with_a_reason(void **state)
{
	uint8_t bytes[CONFIG_SIZE];
	struct described described = { .config = bytes, .size = CONFIG_SIZE };
	const struct prop_value odd[] = { { "bar-sizes", "3K" }, { NULL, NULL } };
	const struct prop_value word[] = { { "bar-sizes", "large" }, { NULL, NULL } };
	const struct prop_value many[] = { { "bar-sizes", "1:2:3:4:5:6:7:8" }, { NULL, NULL } };
	const struct prop_value none[] = { { "config", "/nonexistent/file" }, { NULL, NULL } };

	image(bytes);
	refused(NULL, NULL, "no configuration space");
	refused(&described, odd, "power of two");
	refused(&described, word, "bar-sizes");
	refused(&described, many, "bar-sizes");
	refused(&described, none, "No such file");
	described.size = 64;
	refused(&described, NULL, "64 bytes");
	described.size = CONFIG_SIZE;
	bytes[0x0e] = 1;
	refused(&described, NULL, "not an endpoint's");
}

/* Whatever the bytes say, nothing outside of them is touched. */
static void any_bytes_make_a_device_or_a_reason(void **state)
{
	uint8_t bytes[CONFIG_SIZE];
	const struct described described = { .config = bytes,
					     .size = CONFIG_SIZE,
					     .bar_size = { 4096, 0, 0, 0, 16384 } };
	unsigned worked = 0;

	srandom(7);
	for (unsigned round = 0; round < 3000; round++) {
		struct rf_device *dev;
		char *error = NULL;

		image(bytes);
		for (unsigned n = 0; n < 40; n++) {
			unsigned at = (unsigned)random() % (n % 2 ? 256 : CONFIG_SIZE);

			bytes[at] = (uint8_t)(random() % 3 ? random() : 0xff);
		}
		bytes[0x0e] = 0;
		bytes[0x06] |= 0x10;
		if (make(&described, NULL, &dev, &error)) {
			assert_non_null(error);
			free(error);
			continue;
		}
		for (unsigned off = 0; off < dev->config_size; off += 4)
			config_write(dev, off, (uint32_t)random(), 4);
		for (unsigned bar = 0; bar < RF_PCI_BARS; bar++)
			for (uint64_t off = 0; off < bar_size(dev, bar); off += 0x408)
				bar_write(dev, bar, off, (uint64_t)random(), 8);
		device_reset(dev);
		device_free(dev);
		worked++;
	}
	assert_true(worked > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_and_capabilities_are_the_images),
		cmocka_unit_test(it_begins_as_after_power_on),
		cmocka_unit_test(bits_that_a_driver_can_write_are_known),
		cmocka_unit_test(bars_are_memory_until_a_reset),
		cmocka_unit_test(the_msix_table_lies_in_its_bar),
		cmocka_unit_test(a_file_can_say_all),
		cmocka_unit_test(sizes_that_nobody_knows_are_guessed_and_said),
		cmocka_unit_test(what_cannot_be_is_refused_with_a_reason),
		cmocka_unit_test(any_bytes_make_a_device_or_a_reason),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
