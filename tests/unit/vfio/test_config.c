/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space of devices that have more than our models: which capabilities a
 * program gets, how long they are, and what it can write.
 */
#include "fixture.h"

#define CONFIG ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << VFIO_PCI_OFFSET_SHIFT)

/*
 * PM, VPD, one that nobody passes on (0x0d), vendor's own of 12 bytes, AF, MSI with masks,
 * HyperTransport, PCI Express; then PASID, which is hidden at the head, AER, one that is
 * unknown, DVSEC of 16 bytes, ARI.
 */
static const struct {
	unsigned at;
	uint8_t bytes[16];
} parts[] = {
	{ 0x000, { 0x86, 0x80, 0x72, 0x15, 0, 0, 0x10, 0, 0, 0, 0, 2 } },
	{ 0x030, { 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 1 } },
	{ 0x040, { 0x01, 0x48, 0x03, 0x06 } }, /* D1, D2 */
	{ 0x048, { 0x03, 0x50, 0, 0, 1, 2, 3, 4 } },
	{ 0x050, { 0x0d, 0x58 } },
	{ 0x058, { 0x09, 0x68, 12, 7, 8, 9 } },
	{ 0x068, { 0x13, 0x70, 6, 3 } },
	{ 0x070, { 0x05, 0x90, 0x8a, 0x01 } },
	{ 0x090, { 0x08, 0xb0, 0, 0x20 } },
	{ 0x0b0, { 0x10, 0, 0x92, 0, 0, 0x80 } },
	{ 0x0d4, { 0x80, 3, 0, 0, 0x40 } }, /* atomic operations: completes all, was let do some */
	{ 0x100, { 0x1b, 0, 0x01, 0x11, 0, 0x05 } },
	{ 0x110, { 0x01, 0, 0x01, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0x30, 0x20, 0x46 } },
	{ 0x150, { 0x1e, 0, 0x01, 0x16 } },
	{ 0x160, { 0x23, 0, 0x01, 0x18, 0x98, 0x1e, 0, 1, 0, 0, 0x55, 0x66 } },
	{ 0x180, { 0x0e, 0, 0x01, 0, 1 } },
};

static uint8_t image[4096];

static const struct rf_pci_model image_model = {
	.abi = RF_MODEL_ABI,
	.name = "image",
	.summary = "for tests",
	.config = image,
	.config_length = sizeof(image),
	.bars = { [0] = { .size = 4096 }, [1] = { .size = 256 } },
};

static int setup(void **state)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		memcpy(image + parts[i].at, parts[i].bytes, 16);
	return fixture_open(state, &image_model, "0000:00:03.0");
}

static uint32_t get(struct fixture *f, unsigned off, unsigned size)
{
	uint32_t val = 0;

	assert_int_equal(rig_pread(&f->rig, f->d, &val, size, CONFIG + off), size);
	return val;
}

static void put(struct fixture *f, unsigned off, uint32_t val, unsigned size)
{
	assert_int_equal(rig_pwrite(&f->rig, f->d, &val, size, CONFIG + off), size);
}

static void the_list_leads_around_what_is_not_passed_on(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, 0x34, 1), 0x40);
	assert_int_equal(get(f, 0x40, 2), 0x4801);
	assert_int_equal(get(f, 0x48, 2), 0x5803); /* not 0x50 */
	assert_int_equal(get(f, 0x58, 2), 0x6809);
	assert_int_equal(get(f, 0x90, 2), 0xb008);
	assert_int_equal(get(f, 0xb0, 2), 0x0010);
	/* PASID is a header that says nothing but where the next is */
	assert_int_equal(get(f, 0x100, 4), 0x11000000);
	assert_int_equal(get(f, 0x110, 4), 0x16010001); /* not 0x150 */
	assert_int_equal(get(f, 0x160, 4), 0x18010023);
	assert_int_equal(get(f, 0x180, 4), 0x0001000e);
}

static void each_capability_has_its_own_rights(void **state)
{
	struct fixture *f = *state;

	/* vital product data: the address is kept, no answer comes */
	put(f, 0x4a, 0x8004, 2);
	assert_int_equal(get(f, 0x4a, 2), 0x8004);
	put(f, 0x4a, 0x0004, 2);
	assert_int_equal(get(f, 0x4a, 2), 0x0004);
	/* links are read-only, of a vendor's own, too, where writes go to the device */
	put(f, 0x48, 0xffff, 2);
	put(f, 0x58, 0xffff, 2);
	assert_int_equal(get(f, 0x48, 2), 0x5803);
	assert_int_equal(get(f, 0x58, 2), 0x6809);
	assert_int_equal(get(f, 0x5b, 1), 7);
	/* error reporting, but for what is reserved */
	put(f, 0x11c, 0xffffffff, 4);
	assert_int_equal(get(f, 0x11c, 4), 0x03fff030);
	put(f, 0x110, 0, 4);
	assert_int_equal(get(f, 0x110, 4), 0x16010001);
	/* mask bits of MSI are the device's: 32 vectors */
	put(f, 0x80, 0xffffffff, 4);
	assert_int_equal(get(f, 0x80, 4), 0xffffffff);
	/* what is passed on as it is cannot be written */
	put(f, 0x184, 0xff, 1);
	assert_int_equal(get(f, 0x184, 1), 1);
	put(f, 0x92, 0xff, 1);
	assert_int_equal(get(f, 0x92, 1), 0);
}

static void an_advanced_feature_resets_the_function(void **state)
{
	struct fixture *f = *state;

	put(f, 0x80, 0x55, 4);
	put(f, 0x6c, 0xfe, 1);
	assert_int_equal(get(f, 0x80, 4), 0x55);
	put(f, 0x6c, 0x01, 1);
	assert_int_equal(get(f, 0x6c, 1), 0);
	assert_int_equal(get(f, 0x80, 4), 0);
}

static void states_go_deeper_or_back_to_d0(void **state)
{
	static const struct {
		unsigned asked, got;
	} steps[] = {
		{ 1, 1 }, { 2, 2 }, { 1, 2 }, { 3, 3 }, { 2, 3 }, { 1, 3 }, { 0, 0 }, { 2, 2 }
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		put(f, 0x44, steps[i].asked, 2);
		assert_int_equal(get(f, 0x44, 2) & 3, steps[i].got);
	}
}

static void a_pin_that_cannot_be_masked_is_hidden(void **state)
{
	struct fixture *f = *state;
	struct vfio_irq_info info = { .argsz = sizeof(info) };

	assert_int_equal(get(f, 0x3d, 1), 0);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_GET_IRQ_INFO, &info), 0);
	assert_int_equal(info.count, 0);
}

static void atomic_operations_are_told_where_somebody_enabled_them(void **state)
{
	struct fixture *f = *state;
	struct {
		struct vfio_device_info info;
		struct vfio_device_info_cap_pci_atomic_comp cap;
	} u = { .info.argsz = sizeof(u.info) };

	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_GET_INFO, &u), 0);
	assert_int_equal(u.info.flags,
			 VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_CAPS);
	assert_int_equal(u.info.argsz, sizeof(u.info) + 16);
	assert_int_equal(u.info.cap_offset, 0);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_GET_INFO, &u), 0);
	assert_int_equal(u.info.cap_offset, sizeof(u.info));
	assert_int_equal(u.cap.header.id, VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP);
	assert_int_equal(u.cap.header.version, 1);
	assert_int_equal(u.cap.header.next, 0);
	assert_int_equal(u.cap.flags, 7);
	/* it is the enable bit that says so */
	put(f, 0xd8, 0, 2);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_GET_INFO, &u), 0);
	assert_false(u.info.flags & VFIO_DEVICE_FLAGS_CAPS);
}

static void small_bars_are_mapped_by_whole_pages(void **state)
{
	struct fixture *f = *state;
	struct vfio_region_info info = { .argsz = sizeof(info), .index = 1 };
	struct file_mapping m;
	uint64_t at = 1ull << VFIO_PCI_OFFSET_SHIFT;

	device_set_bar_address(f->rig.devices[0], 0, 0xfeb01000);
	device_set_bar_address(f->rig.devices[0], 1, 0xfeb00100);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	assert_false(info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	assert_int_equal(rig_mmap(&f->rig, f->d, at, 256, 3, 1, &m), -EINVAL);
	device_set_bar_address(f->rig.devices[0], 1, 0xfeb00000);
	info.argsz = sizeof(info);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	assert_true(info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	assert_int_equal(info.size, 256);
	assert_int_equal(rig_mmap(&f->rig, f->d, at, 256, 3, 1, &m), 0);
	assert_int_equal(m.length, 4096);
	assert_int_equal(rig_mmap(&f->rig, f->d, at, 8192, 3, 1, &m), -EINVAL);
	assert_int_equal(rig_mmap(&f->rig, f->d, at + 4096, 4096, 3, 1, &m), -EINVAL);
}

/* A device of bus 0 without a reset: what a program leaves the next one finds. */
static void what_cannot_be_reset_is_kept(void **state)
{
	static const struct rf_pci_model kept_model = {
		.abi = RF_MODEL_ABI,
		.name = "kept",
		.summary = "for tests",
		.vendor = 1,
		.caps = RF_PCI_CONFIG_MEMORY,
		.bars = { { .size = 4096, .areas = { { 0, 4096, RF_AREA_RAM } } } },
	};
	struct rig rig;
	uint32_t val = 0x1234;
	int c, g, d;

	rig_init(&rig);
	rig_add(&rig, &kept_model, "0000:00:04.0", iommu_kind_find("x86"), NULL);
	rig_attach(&rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	for (unsigned i = 0; i < 2; i++) {
		d = rig_device(&rig, g, 1);
		assert_int_equal(rig_pwrite(&rig, d, &val, i ? 0 : 4, 8), i ? 0 : 4);
		assert_int_equal(rig_pwrite(&rig, d, &val, i ? 0 : 4, CONFIG + 0x80), i ? 0 : 4);
		val = 0;
		assert_int_equal(rig_pread(&rig, d, &val, 4, 8), 4);
		assert_int_equal(val, 0x1234);
		assert_int_equal(rig_pread(&rig, d, &val, 4, CONFIG + 0x80), 4);
		assert_int_equal(val, 0x1234);
		rig_close(&rig, d);
	}
	rig_fini(&rig);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_list_leads_around_what_is_not_passed_on),
		T(each_capability_has_its_own_rights),
		T(an_advanced_feature_resets_the_function),
		T(states_go_deeper_or_back_to_d0),
		T(a_pin_that_cannot_be_masked_is_hidden),
		T(atomic_operations_are_told_where_somebody_enabled_them),
		T(small_bars_are_mapped_by_whole_pages),
		cmocka_unit_test(what_cannot_be_reset_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
