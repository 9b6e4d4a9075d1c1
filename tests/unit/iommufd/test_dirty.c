/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty tracking through the interface: what a device writes shows in the bitmap
 * once, by the caller's page size.
 */
#include "../faults.h"
#include "rig.h"

static int set_tracking(struct rig *rig, uint32_t hwpt, uint32_t flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = { .size = sizeof(cmd),
						     .flags = flags,
						     .hwpt_id = hwpt };

	return call(rig, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static int get_bitmap(struct rig *rig, uint32_t hwpt, uint64_t iova, uint64_t length,
		      uint64_t page_size, void *bits, uint32_t flags)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = flags,
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.data = (uintptr_t)bits,
	};

	return call(rig, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

/* As if a mock device had written the 2 KiB pages whose bits are set. */
static int mock_write(struct rig *rig, uint32_t hwpt, uint64_t length, const void *bits,
		      uint64_t *nr)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_DIRTY,
		.id = hwpt,
		.dirty = { .iova = BASE,
			   .length = length,
			   .page_size = 2048,
			   .uptr = (uintptr_t)bits },
	};
	int ret = call(rig, IOMMU_TEST_CMD, &cmd);

	*nr = cmd.dirty.out_nr_dirty;
	return ret;
}

struct tracked {
	uint32_t ioas, hwpt, other, idev, stdev;
};

static struct tracked tracked_new(struct rig *rig)
{
	struct tracked t = { .ioas = ioas_new_id(rig) };

	assert_int_equal(map_fixed(rig, t.ioas, rig->buf, BUF_SIZE, BASE), 0);
	assert_int_equal(mock_domain(rig, t.ioas, 0, &t.stdev, &t.other, &t.idev), 0);
	assert_int_equal(hwpt_alloc(rig, t.idev, t.ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &t.hwpt),
			 0);
	return t;
}

static void only_a_table_made_for_it_can_track(void **state)
{
	struct rig *rig = *state;
	struct tracked t = tracked_new(rig);
	uint64_t nr, bits = 1;

	assert_int_equal(set_tracking(rig, t.hwpt, 2), -EOPNOTSUPP);
	assert_int_equal(set_tracking(rig, 77, 1), -ENOENT);
	assert_int_equal(set_tracking(rig, t.other, 1), -EOPNOTSUPP);
	assert_int_equal(get_bitmap(rig, t.other, BASE, PAGE, 2048, &bits, 0), -EOPNOTSUPP);
	assert_int_equal(mock_write(rig, t.hwpt, 64 * 2048, &bits, &nr), -EINVAL); /* it is off */
	assert_int_equal(set_tracking(rig, t.hwpt, 1), 0);
	assert_int_equal(mock_write(rig, t.hwpt, 64 * 2048, &bits, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(set_tracking(rig, t.hwpt, 0), 0);
	assert_int_equal(mock_write(rig, t.hwpt, 64 * 2048, &bits, &nr), -EINVAL);
}

static void a_written_page_shows_once(void **state)
{
	struct rig *rig = *state;
	struct tracked t = tracked_new(rig);
	uint64_t wrote[2] = { 0x8000000000000011, 0x3 }, bits[3], nr;

	assert_int_equal(set_tracking(rig, t.hwpt, 1), 0);
	assert_int_equal(mock_write(rig, t.hwpt, BUF_SIZE, wrote, &nr), 0);
	assert_int_equal(nr, 5);
	memset(bits, 0, sizeof(bits));
	bits[2] = 0x77;
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, BUF_SIZE, 2048, bits,
				    IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR),
			 0);
	assert_memory_equal(bits, wrote, sizeof(wrote));
	assert_int_equal(bits[2], 0x77);
	/* bits of larger pages; and from the middle */
	memset(bits, 0, sizeof(bits));
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, BUF_SIZE, 4096, bits,
				    IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR),
			 0);
	assert_true(bits[0] == ((1ull << 0) | (1ull << 2) | (1ull << 31) | (1ull << 32)));
	memset(bits, 0, sizeof(bits));
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE + 4 * 2048, 60 * 2048, 2048, bits, 0), 0);
	assert_true(bits[0] == ((1ull << 0) | (1ull << 59)));
	/* those were read, the rest was not */
	memset(bits, 0, sizeof(bits));
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, BUF_SIZE, 2048, bits, 0), 0);
	assert_true(bits[0] == 1 && bits[1] == 3);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, BUF_SIZE, 2048, bits, 0), 0);
	assert_true(bits[0] == 1 && bits[1] == 3); /* bits are only ever set */
}

static void enabling_starts_clean(void **state)
{
	struct rig *rig = *state;
	struct tracked t = tracked_new(rig);
	uint64_t wrote = 0xff, bits = 0, nr;

	assert_int_equal(set_tracking(rig, t.hwpt, 1), 0);
	assert_int_equal(mock_write(rig, t.hwpt, 64 * 2048, &wrote, &nr), 0);
	assert_int_equal(set_tracking(rig, t.hwpt, 1), 0);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, 64 * 2048, 2048, &bits, 0), 0);
	assert_int_equal(bits, 0);
}

static void a_hole_ends_the_report(void **state)
{
	struct rig *rig = *state;
	uint32_t ioas = ioas_new_id(rig), hwpt, idev;
	uint64_t wrote = UINT64_MAX, bits = 0, nr;

	for (unsigned i = 0; i < 8; i++)
		if (i != 2)
			assert_int_equal(map_fixed(rig, ioas, rig->buf, PAGE, BASE + i * PAGE), 0);
	assert_int_equal(mock_domain(rig, ioas, 0, NULL, NULL, &idev), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt), 0);
	assert_int_equal(set_tracking(rig, hwpt, 1), 0);
	assert_int_equal(mock_write(rig, hwpt, 64 * 2048, &wrote, &nr), 0);
	assert_int_equal(nr, 14);
	assert_int_equal(get_bitmap(rig, hwpt, BASE, 8 * PAGE, 2048, &bits, 0), 0);
	assert_int_equal(bits, 0xf);
	bits = 0;
	assert_int_equal(get_bitmap(rig, hwpt, BASE + 2 * PAGE, 2 * PAGE, 2048, &bits, 0), 0);
	assert_int_equal(bits, 0);
	assert_int_equal(get_bitmap(rig, hwpt, BASE + 3 * PAGE, 2 * PAGE, 2048, &bits, 0), 0);
	assert_int_equal(bits, 0xf);
}

static void ranges_are_checked(void **state)
{
	struct rig *rig = *state;
	struct tracked t = tracked_new(rig);
	uint64_t bits;

	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, PAGE, 2048, &bits, 2), -EOPNOTSUPP);
	assert_int_equal(get_bitmap(rig, 77, BASE, PAGE, 2048, &bits, 0), -ENOENT);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, 0, 2048, &bits, 0), -EINVAL);
	assert_int_equal(get_bitmap(rig, t.hwpt, UINT64_MAX & ~(PAGE - 1), 2 * PAGE, 2048, &bits,
				    0),
			 -EOVERFLOW);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE + 1, PAGE - 1, 1, &bits, 0), -EINVAL);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, PAGE, 0, &bits, 0), -EINVAL);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, PAGE, 8192, &bits, 0), -EINVAL);
}

static void a_bitmap_that_is_not_there_is_not_complained_of(void **state)
{
	struct rig *rig = *state;
	struct tracked t = tracked_new(rig);
	uint64_t wrote = 1, bits = 0, nr;

	take_faults();
	assert_int_equal(set_tracking(rig, t.hwpt, 1), 0);
	assert_int_equal(mock_write(rig, t.hwpt, 64 * 2048, &wrote, &nr), 0);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, 64 * 2048, 2048, (void *)8, 0), 0);
	assert_int_equal(mock_write(rig, t.hwpt, 64 * 2048, (void *)8, &nr), -EFAULT);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, 64 * 2048, 2048, &bits, 0), 0);
	assert_int_equal(bits, 0);
}

static void the_rest_of_a_bitmap_is_written(void **state)
{
	struct rig *rig = *state;
	struct tracked t = tracked_new(rig);
	uint8_t *b =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t wrote[2] = { UINT64_MAX, UINT64_MAX }, nr;

	take_faults();
	assert_int_equal(set_tracking(rig, t.hwpt, 1), 0);
	assert_int_equal(mock_write(rig, t.hwpt, 128 * 2048, wrote, &nr), 0);
	assert_int_equal(nr, 128);
	mprotect(b + PAGE, PAGE, PROT_READ);
	/* a bit for 16 bytes: two pages of bits */
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, 128 * 2048, 16, b + 2048, 0), 0);
	mprotect(b + PAGE, PAGE, PROT_READ | PROT_WRITE);
	for (unsigned i = 0; i < 3 * PAGE; i++)
		assert_int_equal(b[i], i < 2048 || i / PAGE == 1 ? 0 :
				       i < 2048 + 128 * 16	 ? 0xff :
								   0);
	assert_int_equal(get_bitmap(rig, t.hwpt, BASE, 128 * 2048, 8, b + 2048, 0), 0);
	assert_int_equal(b[PAGE], 0); /* they are clean all the same */
	munmap(b, 3 * PAGE);
}

#define MIB (1ul << 20)

static void a_large_page_is_dirty_as_a_whole(void **state)
{
	struct rig *rig = *state;
	uint8_t *area =
		mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *buf = (uint8_t *)(((uintptr_t)area + MIB - 1) & ~(MIB - 1));
	uint32_t ioas = ioas_new_id(rig), idev, hwpt;
	struct iommu_option option = { .size = sizeof(option),
				       .option_id = IOMMU_OPTION_HUGE_PAGES,
				       .op = IOMMU_OPTION_OP_SET,
				       .object_id = ioas };
	uint64_t wrote = 4, bits[8], nr;

	assert_int_equal(mock_domain(rig, ioas, MOCK_FLAGS_DEVICE_HUGE_IOVA, NULL, NULL, &idev), 0);
	assert_int_equal(hwpt_alloc(rig, idev, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt), 0);
	assert_int_equal(set_tracking(rig, hwpt, 1), 0);
	for (unsigned small = 0; small < 2; small++) {
		option.val64 = !small;
		assert_int_equal(call(rig, IOMMU_OPTION, &option), 0);
		assert_int_equal(map_fixed(rig, ioas, buf, 2 * MIB, BASE), 0);
		assert_int_equal(mock_write(rig, hwpt, 64 * 2048, &wrote, &nr), 0);
		assert_int_equal(nr, 1);
		memset(bits, 0, sizeof(bits));
		assert_int_equal(get_bitmap(rig, hwpt, BASE, MIB, 4096, bits,
					    IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR),
				 0);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(bits[i], !small ? UINT64_MAX : i ? 0 : 2);
		/* whatever of it is asked for takes all */
		memset(bits, 0, sizeof(bits));
		assert_int_equal(get_bitmap(rig, hwpt, BASE + MIB / 2, MIB / 16, 2048, bits, 0), 0);
		assert_int_equal(bits[0], small ? 0 : UINT32_MAX);
		assert_int_equal(get_bitmap(rig, hwpt, BASE, MIB, 4096, bits, 0), 0);
		assert_int_equal(bits[2], 0);
		assert_int_equal(unmap(rig, ioas, 0, UINT64_MAX, NULL), 0);
	}
	munmap(area, 4 * MIB);
}

/* A modelled device's DMA, through the IOMMU that machines have. */
static void real_dma_dirties_what_it_writes(void **state)
{
	struct rig *rig = *state;
	const struct iommufd_link_ops *link = rig_link(rig);
	struct rf_device *dev = rig_device(iommu_kind_find(NULL), 1);
	struct iommufd_device *idev;
	struct rf_group *group;
	uint32_t ioas = ioas_new_id(rig), id, hwpt, pt;
	uint64_t bits = 0;
	uint32_t word = 0;

	assert_int_equal(group_new(1, &group), 0);
	assert_int_equal(group_add_device(group, dev), 0);
	assert_int_equal(map_fixed(rig, ioas, rig->buf, BUF_SIZE, 0x10000), 0);
	assert_int_equal(link->bind(rig_file(rig), dev, &idev, &id), 0);
	assert_int_equal(hwpt_alloc(rig, id, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt), 0);
	pt = hwpt;
	assert_int_equal(link->attach(idev, &pt), 0);
	assert_int_equal(rf_dma_write(dev, 0x10000, &word, 4), 0); /* not tracked yet */
	assert_int_equal(set_tracking(rig, hwpt, 1), 0);
	assert_int_equal(rf_dma_write(dev, 0x11ffe, &word, 4), 0);
	assert_int_equal(rf_dma_write(dev, 0x1f000, &word, 4), 0);
	assert_int_equal(rf_dma_read(dev, 0x15000, &word, 4), 0);
	assert_int_equal(get_bitmap(rig, hwpt, 0x10000, BUF_SIZE, PAGE, &bits, 0), 0);
	assert_true(bits == ((1ull << 1) | (1ull << 2) | (1ull << 15)));
	link->unbind(idev);
	group_free(group);
	device_free(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(only_a_table_made_for_it_can_track),
		RIG_TEST(a_written_page_shows_once),
		RIG_TEST(enabling_starts_clean),
		RIG_TEST(a_hole_ends_the_report),
		RIG_TEST(ranges_are_checked),
		RIG_TEST(a_bitmap_that_is_not_there_is_not_complained_of),
		RIG_TEST(the_rest_of_a_bitmap_is_written),
		RIG_TEST(a_large_page_is_dirty_as_a_whole),
		RIG_TEST(real_dma_dirties_what_it_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
