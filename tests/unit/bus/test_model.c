/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "fixture.h"

static const struct rf_pci_model good = {
	.abi = RF_MODEL_ABI,
	.name = "good",
	.bars = { { .size = 16384, .flags = RF_BAR_64, .areas = { { 0, 4096, RF_AREA_READABLE } } },
		  { 0 },
		  { .size = 4096 } },
	.caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_FLR,
	.msix_vectors = 1,
	.msix_table = 0x2000,
	.msix_pba = 0x3000,
};

static void refused(const struct rf_pci_model *model, const char *want)
{
	const struct pci_address at = { .bus = 1 };
	struct rf_device *dev = NULL;
	char *error = NULL;

	assert_int_equal(device_new(model, &at, NULL, &dev, &error), -EINVAL);
	assert_null(dev);
	assert_non_null(strstr(error, want));
	assert_null(strchr(error, '\n'));
	free(error);
}

#define REFUSED(change, want)                 \
	do {                                  \
		struct rf_pci_model m = good; \
		change;                       \
		refused(&m, want);            \
	} while (0)

static void declarations_are_checked(void **state)
{
	device_free(fixture_device(&good));
	REFUSED(m.name = NULL, "name");
	REFUSED(m.name = "a b", "name");
	REFUSED(m.abi = 2, "good: bad model: built for model interface 2");
	REFUSED(m.class = 0x1000000, "class");
	REFUSED(m.int_pin = 5, "interrupt pin 5");
	REFUSED(m.msi_vectors = 3, "3 MSI vectors");
	REFUSED(m.msi_vectors = 64, "64 MSI vectors");
	REFUSED(m.msix_vectors = 2049, "2048");
	REFUSED(m.caps = RF_PCI_CAP_FLR, "PCI Express");
	REFUSED(m.caps = 1u << 31, "unknown capabilities");
}

static void bars_are_checked(void **state)
{
	REFUSED(m.bars[2].size = 8, "BAR 2: size");
	REFUSED(m.bars[2].size = 4097, "BAR 2: size");
	REFUSED(m.bars[2].size = 1ull << 32, "BAR 2: size");
	REFUSED(m.bars[2].flags = 1u << 7, "BAR 2: unknown flags");
	REFUSED(m.bars[1].size = 4096, "BAR 0: a 64-bit BAR needs the next slot");
	REFUSED(m.bars[5] = m.bars[0], "BAR 5: a 64-bit BAR needs the next slot");
	REFUSED(m.bars[0].areas[0].offset = 100, "BAR 0: area 0");
	REFUSED(m.bars[0].areas[0].size = 100, "BAR 0: area 0");
	REFUSED(m.bars[0].areas[0].size = 0x5000, "BAR 0: area 0");
	REFUSED(m.bars[0].areas[0].offset = 1ull << 63, "BAR 0: area 0");
	REFUSED(m.bars[0].areas[0].kind = (enum rf_area_kind)9, "no known kind");
	REFUSED(m.bars[0].areas[1] = m.bars[0].areas[0], "areas 0 and 1 overlap");
}

static void msix_needs_pages_of_its_own(void **state)
{
	REFUSED(m.msix_bar = 1, "no BAR 1 for MSI-X");
	REFUSED(m.msix_bar = 6, "no BAR 6 for MSI-X");
	REFUSED(m.msix_pba = 0x2000, "pages of their own");
	REFUSED(m.msix_pba = 0x4000, "pages of their own");
	REFUSED(m.msix_table = 0x2008, "pages of their own");
	REFUSED(m.msix_vectors = 257, "pages of their own"); /* two pages of table */
	REFUSED(m.msix_table = 0, "area 0 covers MSI-X pages");
}

static void capabilities_need_room(void **state)
{
	REFUSED(m.cap_offset.msix = 0x3c, "no room");
	REFUSED(m.cap_offset.msix = 0x42, "no room");
	REFUSED(m.cap_offset.pcie = 0xe0, "no room");
	REFUSED(m.cap_offset.pcie = 0x50; m.cap_offset.msix = 0x60, "no room");
}

static void msix_without_a_place_gets_a_bar(void **state)
{
	struct rf_pci_model m = good;
	struct rf_device *dev;

	m.msix_table = m.msix_pba = 0;
	m.msix_vectors = 2048;
	dev = fixture_device(&m);
	assert_int_equal(dev->msix_bar, 1 + 2);
	assert_int_equal(bar_size(dev, 3), 65536);
	assert_int_equal(config_read(dev, dev->cap_msix + 4u, 4), 3);
	assert_int_equal(config_read(dev, dev->cap_msix + 8u, 4), 0x8000 | 3);
	assert_int_equal(bar_read(dev, 3, 12, 4), 1); /* masked */
	device_free(dev);

	m.bars[3] = m.bars[4] = m.bars[5] = m.bars[2];
	refused(&m, "no BAR left for MSI-X");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(declarations_are_checked),
		cmocka_unit_test(bars_are_checked),
		cmocka_unit_test(msix_needs_pages_of_its_own),
		cmocka_unit_test(capabilities_need_room),
		cmocka_unit_test(msix_without_a_place_gets_a_bar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
