/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device descriptor shows: regions, configuration space, BARs, mappings.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <linux/mman.h>

#include "fixture.h"
#include "probe.h"

static int setup(void **state)
{
	return fixture_open(state, &probe_model, "0000:01:00.0");
}

static struct vfio_region_info region(struct fixture *f, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_GET_REGION_INFO, &info), 0);
	return info;
}

static uint64_t bar(unsigned index, uint64_t off)
{
	return ((uint64_t)index << VFIO_PCI_OFFSET_SHIFT) + off;
}

static void regions_are_mappable_from_a_page_up(void **state)
{
	struct fixture *f = *state;
	struct vfio_region_info info = region(f, 0);

	assert_int_equal(info.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
					     VFIO_REGION_INFO_FLAG_MMAP |
					     VFIO_REGION_INFO_FLAG_CAPS);
	assert_int_equal(info.argsz, sizeof(info) + sizeof(struct vfio_info_cap_header));
	info = region(f, 1); /* the upper half of a 64-bit BAR */
	assert_int_equal(info.size, 0);
	assert_int_equal(info.flags, 0);
	info = region(f, 2);
	assert_int_equal(info.size, 256);
	assert_int_equal(info.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);

	f->rig.options.hide_mmap = true;
	info = region(f, 0);
	assert_int_equal(info.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
	assert_int_equal(info.argsz, sizeof(info));
}

static void mappings_are_checked(void **state)
{
	struct fixture *f = *state;
	struct file_mapping map;
	const int rw = PROT_READ | PROT_WRITE;

	assert_int_equal(rig_mmap(&f->rig, f->d, bar(0, 0x1000), 5000, rw, MAP_SHARED, &map), 0);
	assert_ptr_equal(map.dev, f->rig.devices[0]);
	assert_int_equal(map.bar, 0);
	assert_int_equal(map.offset, 0x1000);
	assert_int_equal(map.length, 0x2000);
	/* the table too: MSIX_MAPPABLE */
	assert_int_equal(rig_mmap(&f->rig, f->d, bar(0, 0), 0x4000, rw, MAP_SHARED, &map), 0);
	assert_int_equal(rig_mmap(&f->rig, f->d, bar(0, 0), 0x4001, rw, MAP_SHARED, &map), -EINVAL);
	assert_int_equal(rig_mmap(&f->rig, f->d, bar(0, 0x4000), 1, rw, MAP_SHARED, &map), -EINVAL);
	assert_int_equal(rig_mmap(&f->rig, f->d, bar(0, 8), 0x1000, rw, MAP_SHARED, &map), -EINVAL);
	assert_int_equal(rig_mmap(&f->rig, f->d, bar(0, 0), 0, rw, MAP_SHARED, &map), -EINVAL);
	assert_int_equal(rig_mmap(&f->rig, f->d, 0, UINT64_MAX, rw, MAP_SHARED, &map), -EINVAL);
	assert_int_equal(rig_mmap(&f->rig, f->d, 0, 4096, rw, MAP_PRIVATE, &map), -EINVAL);
	assert_int_equal(rig_mmap(&f->rig, f->d, 0, 4096, rw, MAP_SHARED_VALIDATE, &map), 0);
	assert_int_equal(rig_mmap(&f->rig, f->d, 0, 4096, rw, MAP_SHARED_VALIDATE | MAP_SYNC, &map),
			 -EOPNOTSUPP);
	assert_int_equal(rig_mmap(&f->rig, f->d, bar(2, 0), 4096, rw, MAP_SHARED, &map), -EINVAL);
	assert_int_equal(rig_mmap(&f->rig, f->d, bar(7, 0), 4096, rw, MAP_SHARED, &map), -EINVAL);
	f->rig.options.hide_mmap = true;
	assert_int_equal(rig_mmap(&f->rig, f->d, 0, 4096, rw, MAP_SHARED, &map), -EINVAL);
}

static void bar_accesses_are_as_wide_as_alignment_allows(void **state)
{
	struct fixture *f = *state;
	struct probe *p = probe_of(&f->rig, 1);
	uint8_t buf[1200];
	unsigned before = p->reads;

	assert_int_equal(rig_pread(&f->rig, f->d, buf, 8, bar(0, 0x100)), 8);
	assert_int_equal(p->reads - before, 1);
	assert_int_equal(p->last_size, 8);
	before = p->reads;
	assert_int_equal(rig_pread(&f->rig, f->d, buf, 7, bar(0, 0x101)), 7);
	assert_int_equal(p->reads - before, 3); /* 1, 2, 4 */
	assert_int_equal(p->last_size, 4);
	before = p->reads;
	assert_int_equal(rig_pread(&f->rig, f->d, buf, sizeof(buf), bar(0, 0x104)), sizeof(buf));
	assert_int_equal(p->reads - before, 1 + 149 + 1);
	/* what reaches over the end is cut */
	assert_int_equal(rig_pread(&f->rig, f->d, buf, 16, bar(2, 252)), 4);
	assert_int_equal(rig_pread(&f->rig, f->d, buf, 4, bar(2, 256)), -EINVAL);
	assert_int_equal(rig_pwrite(&f->rig, f->d, buf, 2, bar(0, 0x102)), 2);
	assert_int_equal(p->last_size, 2);
	assert_int_equal(p->last_off, 0x102);
}

static void msix_table_is_out_of_reach_of_pread(void **state)
{
	struct fixture *f = *state;
	uint32_t words[6] = { 0 }, ones = UINT32_MAX;

	assert_int_equal(rig_pwrite(&f->rig, f->d, words, 16, bar(0, 0x2000)), 16);
	assert_int_equal(rig_pread(&f->rig, f->d, words, sizeof(words), bar(0, 0x1ff8)),
			 sizeof(words));
	assert_int_equal(words[0], 0);
	assert_int_equal(words[1], 0);
	for (int i = 2; i < 6; i++)
		assert_int_equal(words[i], ones);
	/* 8 vectors of 16 bytes */
	assert_int_equal(rig_pread(&f->rig, f->d, words, 8, bar(0, 0x207c)), 8);
	assert_int_equal(words[0], ones);
	assert_int_equal(words[1], 0);
	/* the entry that was written to is masked as ever */
	assert_int_equal(bar_read(f->rig.devices[0], 0, 0x200c, 4), 1);
}

static void memory_disabled_is_eio(void **state)
{
	struct fixture *f = *state;
	uint32_t val;

	probe_config_set(&f->rig, f->d, 0x04, 0, 2);
	assert_int_equal(rig_pread(&f->rig, f->d, &val, 4, 0), -EIO);
	assert_int_equal(rig_pwrite(&f->rig, f->d, &val, 4, 0), -EIO);
	/* the table is not the device's to answer for */
	assert_int_equal(rig_pread(&f->rig, f->d, &val, 4, bar(0, 0x2000)), 4);
	probe_config_set(&f->rig, f->d, 0x04, 2, 1);
	assert_int_equal(rig_pread(&f->rig, f->d, &val, 4, 0), 4);
}

static void bad_buffers_are_efault(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rig_pread(&f->rig, f->d, (void *)8, 4, 0), -EFAULT);
	assert_int_equal(rig_pwrite(&f->rig, f->d, (void *)8, 4, 0), -EFAULT);
	assert_int_equal(rig_pread(&f->rig, f->d, (void *)8, 4, CONFIG), -EFAULT);
	assert_int_equal(rig_pread(&f->rig, f->d, (void *)8, 0, UINT64_MAX), 0);
	assert_int_equal(rig_pread(&f->rig, f->d, (void *)8, 1, UINT64_MAX), -EINVAL);
}

static void bars_size_like_hardware(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;

	device_set_bar_address(rig->devices[0], 0, 0x8000000000);
	rig_close(rig, f->d);
	f->d = rig_device(rig, f->g, 1);
	assert_int_equal(probe_config(rig, f->d, 0x10, 4), 0x0000000c);
	assert_int_equal(probe_config(rig, f->d, 0x14, 4), 0x80);
	probe_config_set(rig, f->d, 0x10, UINT32_MAX, 4);
	probe_config_set(rig, f->d, 0x14, UINT32_MAX, 4);
	probe_config_set(rig, f->d, 0x18, UINT32_MAX, 4);
	probe_config_set(rig, f->d, 0x1c, UINT32_MAX, 4);
	assert_int_equal(probe_config(rig, f->d, 0x10, 4), 0xffffc00c);
	assert_int_equal(probe_config(rig, f->d, 0x14, 4), UINT32_MAX);
	assert_int_equal(probe_config(rig, f->d, 0x18, 4), 0xffffff00);
	assert_int_equal(probe_config(rig, f->d, 0x1c, 4), 0);
	/* the device is where it was */
	assert_int_equal(config_read(rig->devices[0], 0x14, 4), 0x80);
}

static unsigned find_cap(struct fixture *f, unsigned id)
{
	unsigned at = probe_config(&f->rig, f->d, 0x34, 1);

	while (at && probe_config(&f->rig, f->d, at, 1) != id)
		at = probe_config(&f->rig, f->d, at + 1, 1);
	assert_true(at);
	return at;
}

static void function_level_reset_by_register(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	unsigned pcie = find_cap(f, 0x10), resets = probe_of(rig, 1)->resets;
	uint32_t control = probe_config(rig, f->d, pcie + 8, 2);

	probe_config_set(rig, f->d, 0x04, 0x0006, 2);
	probe_store(rig, f->d, PROBE_SCRATCH, 77);
	probe_config_set(rig, f->d, pcie + 8, control | 0x8000, 2);
	assert_int_equal(probe_of(rig, 1)->resets, resets + 1);
	assert_int_equal(probe_of(rig, 1)->scratch, 0x5a5a);
	/* reads as zero, and the rest of the registers are as the host restored them */
	assert_int_equal(probe_config(rig, f->d, pcie + 8, 2), control);
	assert_int_equal(probe_config(rig, f->d, 0x04, 2), 0x0006);
}

static void d3_takes_memory_away(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	unsigned pm = find_cap(f, 0x01);
	uint32_t val;

	probe_config_set(rig, f->d, pm + 4, 3, 2);
	assert_int_equal(probe_config(rig, f->d, pm + 4, 2) & 3, 3);
	assert_int_equal(rig_pread(rig, f->d, &val, 4, 0), -EIO);
	/* D1 is not there: nothing changes */
	probe_config_set(rig, f->d, pm + 4, 1, 2);
	assert_int_equal(probe_config(rig, f->d, pm + 4, 2) & 3, 3);
	probe_config_set(rig, f->d, pm + 4, 0, 2);
	assert_int_equal(rig_pread(rig, f->d, &val, 4, 0), 4);
	/* a reset wakes it */
	probe_config_set(rig, f->d, pm + 4, 3, 2);
	assert_int_equal(rig_ioctl(rig, f->d, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(rig_pread(rig, f->d, &val, 4, 0), 4);
}

static void read_only_capabilities_stay_as_they_are(void **state)
{
	struct fixture *f = *state;
	struct rig *rig = &f->rig;
	unsigned msix = find_cap(f, 0x11), flags = probe_config(rig, f->d, msix + 2, 2);

	probe_config_set(rig, f->d, msix + 2, 0xffff, 2);
	assert_int_equal(probe_config(rig, f->d, msix + 2, 2), flags);
	probe_config_set(rig, f->d, msix, 0xffff, 2);
	assert_int_equal(probe_config(rig, f->d, msix, 1), 0x11);
	/* what belongs to nothing is passed on, and the model's hardware ignores it */
	probe_config_set(rig, f->d, 0x800, UINT32_MAX, 4);
	assert_int_equal(probe_config(rig, f->d, 0x800, 4), 0);
}

/* A device with PASIDs: Linux hides the capability, and leaves its registers in reach. */
static void the_pasid_capability_is_hidden(void **state)
{
	static const struct rf_pci_model tagging = {
		.abi = RF_MODEL_ABI,
		.name = "tagging",
		.caps = RF_PCI_CAP_PCIE | RF_PCI_CAP_PASID,
		.pasid_bits = 20,
	};
	const uint64_t at = bar(VFIO_PCI_CONFIG_REGION_INDEX, 0x100);
	uint32_t word = 7;
	struct rig rig;
	int c, g, d;

	rig_init(&rig);
	rig_add(&rig, &tagging, "0000:01:00.0", iommu_kind_find("x86"), NULL);
	rig_attach(&rig, 1, VFIO_TYPE1v2_IOMMU, &c, &g);
	d = rig_device(&rig, g, 1);
	assert_true(config_read(rig.devices[0], 0x100, 4));
	assert_int_equal(rig_pread(&rig, d, &word, 4, at), 4);
	assert_int_equal(word, 0);
	word = UINT32_MAX;
	assert_int_equal(rig_pwrite(&rig, d, &word, 4, at), 4);
	assert_int_equal(rig_pread(&rig, d, &word, 2, at), 2);
	assert_int_equal(word, 0xffff0000);
	assert_int_equal(rig_pread(&rig, d, &word, 4, at + 4), 4);
	assert_int_equal(word, 20 << 8);
	rig_fini(&rig);
}

static void whole_configuration_space_in_one_read(void **state)
{
	struct fixture *f = *state;
	uint8_t all[4096 + 1];

	assert_int_equal(rig_pread(&f->rig, f->d, all, 4096, CONFIG), 4096);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(all[i], probe_config(&f->rig, f->d, i, 1));
	assert_int_equal(rig_pread(&f->rig, f->d, all, 4097, CONFIG), -EFAULT);
	assert_int_equal(rig_pread(&f->rig, f->d, all, 2, CONFIG + 4095), -EFAULT);
}

static void first_open_and_last_close_reset_the_device(void **state)
{
	struct fixture *f = *state;
	struct probe *p = probe_of(&f->rig, 1);
	unsigned resets = p->resets;
	int second = rig_device(&f->rig, f->g, 1);

	assert_int_equal(p->resets, resets);
	probe_config_set(&f->rig, f->d, 0x04, 0x0006, 2);
	rig_close(&f->rig, f->d);
	assert_int_equal(p->resets, resets);
	assert_int_equal(probe_config(&f->rig, second, 0x04, 2), 0x0006);
	rig_close(&f->rig, second);
	assert_int_equal(p->resets, resets + 1);
	/* no bus mastering is left on */
	assert_int_equal(config_read(f->rig.devices[0], 0x04, 2) & 0x4, 0);
	f->d = rig_device(&f->rig, f->g, 1);
	assert_int_equal(p->resets, resets + 2);
	assert_int_equal(probe_config(&f->rig, f->d, 0x04, 2), 0x0103);
}

static void bind_is_for_other_descriptors(void **state)
{
	struct fixture *f = *state;
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };

	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_BIND_IOMMUFD, &bind), -EINVAL);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_BIND_IOMMUFD, NULL), -EFAULT);
	assert_int_equal(rig_ioctl(&f->rig, f->d, VFIO_DEVICE_QUERY_GFX_PLANE, &bind), -ENOTTY);
}

/* Four registers' worth of a page's end, after which there is nothing. */
static uint32_t *words_before_a_hole(void)
{
	char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(two, MAP_FAILED);
	munmap(two + 4096, 4096);
	return (uint32_t *)(two + 4096 - 16);
}

static void what_lies_before_a_hole_is_written(void **state)
{
	struct fixture *f = *state;
	struct probe *p = probe_of(&f->rig, 1);
	uint32_t *words = words_before_a_hole();

	words[2] = 0x1234;
	words[3] = 5;
	assert_int_equal(rig_pwrite(&f->rig, f->d, words + 2, 16, bar(0, PROBE_SCRATCH)), -EFAULT);
	assert_int_equal(p->scratch, 0x1234);
	assert_int_equal(p->last_off, 0);
	assert_int_equal(p->last_size, 8);
	/* each register of the configuration space by itself: BAR 2, then it ends */
	words[3] = 0xffffffff;
	assert_int_equal(rig_pwrite(&f->rig, f->d, words + 3, 8, CONFIG + 0x18), -EFAULT);
	assert_int_equal(probe_config(&f->rig, f->d, 0x18, 4), 0xffffff00);
	assert_int_equal(probe_config(&f->rig, f->d, 0x1c, 4), 0);
	munmap((char *)words + 16 - 4096, 4096);
}

static void what_goes_nowhere_need_not_be_there(void **state)
{
	struct fixture *f = *state;
	struct probe *p = probe_of(&f->rig, 1);
	unsigned writes = p->writes;

	assert_int_equal(rig_pwrite(&f->rig, f->d, (void *)8, 16, bar(0, 0x2000)), 16);
	assert_int_equal(rig_pwrite(&f->rig, f->d, (void *)8, 16, bar(0, 0x1ff8)), -EFAULT);
	/* the capability of MSI-X cannot be written */
	assert_int_equal(rig_pwrite(&f->rig, f->d, (void *)8, 12, CONFIG + 0x40), 12);
	assert_int_equal(rig_pwrite(&f->rig, f->d, (void *)8, 12, CONFIG + 0x3c), -EFAULT);
	assert_int_equal(p->writes, writes);
}

static void info_ioctls_refuse_bad_pointers(void **state)
{
	struct fixture *f = *state;
	const unsigned long cmds[] = {
		VFIO_DEVICE_GET_INFO,	   VFIO_DEVICE_GET_REGION_INFO,
		VFIO_DEVICE_GET_IRQ_INFO,  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
		VFIO_DEVICE_PCI_HOT_RESET, VFIO_DEVICE_IOEVENTFD,
		VFIO_DEVICE_FEATURE,
	};

	for (unsigned i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		assert_int_equal(rig_ioctl_number(&f->rig, f->d, cmds[i], 16), -EFAULT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(regions_are_mappable_from_a_page_up),
		T(mappings_are_checked),
		T(bar_accesses_are_as_wide_as_alignment_allows),
		T(msix_table_is_out_of_reach_of_pread),
		T(what_lies_before_a_hole_is_written),
		T(what_goes_nowhere_need_not_be_there),
		T(memory_disabled_is_eio),
		T(bad_buffers_are_efault),
		T(bars_size_like_hardware),
		T(function_level_reset_by_register),
		T(d3_takes_memory_away),
		T(read_only_capabilities_stay_as_they_are),
		T(the_pasid_capability_is_hidden),
		T(whole_configuration_space_in_one_read),
		T(first_open_and_last_close_reset_the_device),
		T(bind_is_for_other_descriptors),
		T(info_ioctls_refuse_bad_pointers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
