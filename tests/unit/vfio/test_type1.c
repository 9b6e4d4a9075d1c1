/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Type1 beyond what the oracle asks: limits, vaddr updates, dirty bitmaps.
 */
#include <sys/mman.h>

#include "ioas/ioas.h"
#include "iommu/kind.h"
#include "probe.h"

#define RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define K  4096ull

struct fixture {
	struct rig rig;
	char *mem; /* 1 MiB */
	int c, g;
};

static int setup_version(void **state, unsigned long type)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	rig_add(&f->rig, &probe_model, "0000:01:00.0", iommu_kind_find("x86"), NULL);
	rig_add(&f->rig, &plain_model, "0000:02:00.0", iommu_kind_find("x86"), NULL);
	f->mem = mmap(NULL, 256 * K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(f->mem, MAP_FAILED);
	rig_attach(&f->rig, 1, type, &f->c, &f->g);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_version(state, VFIO_TYPE1v2_IOMMU);
}

static int setup_v1(void **state)
{
	return setup_version(state, VFIO_TYPE1_IOMMU);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_fini(&f->rig);
	munmap(f->mem, 256 * K);
	free(f);
	return 0;
}

static long map(struct fixture *f, uint32_t flags, uint64_t at, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = flags,
		.vaddr = (uintptr_t)f->mem + at,
		.iova = iova,
		.size = size,
	};

	return rig_ioctl(&f->rig, f->c, VFIO_IOMMU_MAP_DMA, &m);
}

static long unmap(struct fixture *f, uint32_t flags, uint64_t iova, uint64_t size, uint64_t *got)
{
	struct vfio_iommu_type1_dma_unmap u = {
		.argsz = sizeof(u),
		.flags = flags,
		.iova = iova,
		.size = size,
	};
	long ret = rig_ioctl(&f->rig, f->c, VFIO_IOMMU_UNMAP_DMA, &u);

	if (got)
		*got = u.size;
	return ret;
}

/* The right to read does not come with the right to write. */
static void what_is_for_writing_only_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	struct rf_device *dev = f->rig.devices[0];
	int d = rig_device(&f->rig, f->g, 1);
	uint32_t word = 0x1234;

	probe_config_set(&f->rig, d, 0x04, 0x0006, 2);
	assert_int_equal(map(f, VFIO_DMA_MAP_FLAG_WRITE, 0, 0, K), 0);
	assert_int_equal(map(f, RW, 0, K, K), 0);
	assert_int_equal(rf_dma_write(dev, 8, &word, sizeof(word)), 0);
	word = 0;
	assert_int_equal(rf_dma_read(dev, K + 8, &word, sizeof(word)), 0);
	assert_int_equal(word, 0x1234);
	assert_true(rf_dma_read(dev, 8, &word, sizeof(word)) < 0);
	rig_close(&f->rig, d);
}

static void entry_limit_is_enospc_until_one_goes(void **state)
{
	struct fixture *f = *state;

	f->rig.options.entry_limit = 3;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(map(f, RW, 0, i * K, K), 0);
	assert_int_equal(map(f, RW, 0, 16 * K, K), -ENOSPC);
	assert_int_equal(map(f, RW, 0, 1 * K, K), -EEXIST);
	/* one unmap may free many: the count is exact when it matters */
	assert_int_equal(unmap(f, 0, 0, 2 * K, NULL), 0);
	assert_int_equal(map(f, RW, 0, 16 * K, K), 0);
	assert_int_equal(map(f, RW, 0, 17 * K, K), 0);
	assert_int_equal(map(f, RW, 0, 18 * K, K), -ENOSPC);
}

static void memory_limit_is_enomem_and_comes_last(void **state)
{
	struct fixture *f = *state;
	uint64_t got;

	f->rig.options.memlock = 8 * K;
	assert_int_equal(map(f, RW, 0, 0, 6 * K), 0);
	assert_int_equal(map(f, RW, 0, 64 * K, 3 * K), -ENOMEM);
	assert_int_equal(map(f, RW, 0, 4 * K, 4 * K), -EEXIST);
	assert_int_equal(map(f, RW, 0, 0xfee00000, 3 * K), -EINVAL);
	assert_int_equal(map(f, RW, 254 * K, 64 * K, UINT64_MAX & ~(K - 1)), -EINVAL);
	/* nothing is left of what failed */
	assert_int_equal(unmap(f, 0, 64 * K, 3 * K, &got), 0);
	assert_int_equal(got, 0);
	assert_int_equal(map(f, RW, 0, 64 * K, 2 * K), 0);
	assert_int_equal(unmap(f, 0, 0, 6 * K, NULL), 0);
	assert_int_equal(map(f, RW, 0, 0, 6 * K), 0);
}

static void memory_limit_spans_containers(void **state)
{
	struct fixture *f = *state;
	struct fixture other = { .mem = f->mem };
	_Atomic uint64_t *locked = owner_locked(f->rig.caller.owner);

	f->rig.options.memlock = 8 * K;
	assert_int_equal(map(f, RW, 0, 0, 6 * K), 0);
	assert_int_equal(*locked, 6 * K);

	rig_attach(&f->rig, 2, VFIO_TYPE1v2_IOMMU, &other.c, &other.g);
	f->c = other.c;
	assert_int_equal(map(f, RW, 0, 0, 3 * K), -ENOMEM);
	assert_int_equal(*locked, 6 * K);
	assert_int_equal(map(f, RW, 0, 0, 2 * K), 0);
	/* closing gives back what was left mapped */
	rig_close(&f->rig, f->g);
	assert_int_equal(*locked, 2 * K);
	rig_close(&f->rig, other.g);
	assert_int_equal(*locked, 0);
}

static void memory_limit_is_each_process_own(void **state)
{
	struct fixture *f = *state;
	struct rf_owner *parent = f->rig.caller.owner, *child = owner_new_self();

	assert_non_null(child);
	f->rig.options.memlock = 8 * K;
	assert_int_equal(map(f, RW, 0, 0, 8 * K), 0);
	f->rig.caller.owner = child;
	assert_int_equal(map(f, RW, 0, 16 * K, 6 * K), 0);
	assert_int_equal(map(f, RW, 0, 24 * K, 3 * K), -ENOMEM);
	/* who unmaps does not matter */
	assert_int_equal(unmap(f, 0, 0, 8 * K, NULL), 0);
	assert_int_equal(*owner_locked(parent), 0);
	assert_int_equal(map(f, RW, 0, 0, 8 * K), -ENOMEM);
	f->rig.caller.owner = parent;
	assert_int_equal(map(f, RW, 0, 0, 8 * K), 0);
	assert_int_equal(unmap(f, 0, 0, 24 * K, NULL), 0);
	assert_int_equal(*owner_locked(child), 0);
	assert_int_equal(*owner_locked(parent), 0);
	owner_free(child);
}

static void v1_counts_what_it_unmaps_off(void **state)
{
	struct fixture *f = *state;
	_Atomic uint64_t *locked = owner_locked(f->rig.caller.owner);

	f->rig.options.memlock = 8 * K;
	assert_int_equal(map(f, RW, 0, 0, 4 * K), 0);
	assert_int_equal(map(f, RW, 0, 4 * K, 4 * K), 0);
	assert_int_equal(unmap(f, 0, K, 8 * K, NULL), 0);
	assert_int_equal(*locked, 8 * K);
	assert_int_equal(unmap(f, 0, 0, 5 * K, NULL), 0);
	assert_int_equal(*locked, 0);
}

static void bars_do_not_count_as_memory(void **state)
{
	struct fixture *f = *state;
	struct rf_owner *owner = f->rig.caller.owner;
	uintptr_t bar = (uintptr_t)f->mem + 8 * K;

	f->rig.options.memlock = 8 * K;
	assert_int_equal(owner_add_device_range(owner, bar, 64 * K, RF_READ | RF_WRITE), 0);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(map(f, RW, 16 * K, (i + 1) * 64 * K, 32 * K), 0);
	assert_int_equal(*owner_locked(owner), 0);
	/* both in one mapping */
	assert_int_equal(map(f, RW, 0, 0, 16 * K), 0);
	assert_int_equal(*owner_locked(owner), 8 * K);
	assert_int_equal(map(f, RW, 7 * K, 32 * K, 4 * K), -ENOMEM);
	/* what was counted is counted off, whatever is there by then */
	owner_del_device_range(owner, bar, 64 * K);
	assert_int_equal(unmap(f, 0, 0, 16 * K, NULL), 0);
	assert_int_equal(*owner_locked(owner), 0);
	assert_int_equal(unmap(f, 0, 64 * K, 40 * 64 * K, NULL), 0);
	assert_int_equal(*owner_locked(owner), 0);
}

static void vaddr_can_be_taken_away_and_given_back(void **state)
{
	struct fixture *f = *state;
	struct area_info area;
	uint64_t got;

	assert_int_equal(map(f, RW, 0, 0, 4 * K), 0);
	assert_int_equal(map(f, RW, 0, 8 * K, 4 * K), 0);
	assert_int_equal(unmap(f, VFIO_DMA_UNMAP_FLAG_VADDR, 8 * K, 4 * K, &got), 0);
	assert_int_equal(got, 4 * K);
	/* the range holds one that is invalid already: none changes */
	assert_int_equal(unmap(f, VFIO_DMA_UNMAP_FLAG_VADDR, 0, 16 * K, NULL), -EINVAL);
	assert_int_equal(map(f, VFIO_DMA_MAP_FLAG_VADDR, 0, 0, 4 * K), -EINVAL);
	/* the device goes on meanwhile */
	assert_true(ioas_find(f->rig.groups[0]->ioas, 8 * K, &area));
	assert_int_equal(map(f, VFIO_DMA_MAP_FLAG_VADDR, 64 * K, 8 * K, 4 * K), 0);
	assert_int_equal(map(f, VFIO_DMA_MAP_FLAG_VADDR, 64 * K, 8 * K, 4 * K), -EINVAL);
	assert_int_equal(unmap(f, VFIO_DMA_UNMAP_FLAG_VADDR | VFIO_DMA_UNMAP_FLAG_ALL, 0, 0, &got),
			 0);
	assert_int_equal(got, 8 * K);
}

static void no_group_joins_while_a_vaddr_is_gone(void **state)
{
	struct fixture *f = *state;
	int other = rig_open_group(&f->rig, 2);

	assert_int_equal(map(f, RW, 0, 0, K), 0);
	assert_int_equal(unmap(f, VFIO_DMA_UNMAP_FLAG_VADDR, 0, K, NULL), 0);
	assert_int_equal(rig_ioctl(&f->rig, other, VFIO_GROUP_SET_CONTAINER, &f->c), -EBUSY);
	/* unmapping it is a way out, too */
	assert_int_equal(unmap(f, 0, 0, K, NULL), 0);
	assert_int_equal(rig_ioctl(&f->rig, other, VFIO_GROUP_SET_CONTAINER, &f->c), 0);
}

static void joining_group_must_reach_what_is_mapped(void **state)
{
	struct fixture *f = *state;
	int other = rig_open_group(&f->rig, 2);

	f->rig.devices[1]->iommu = iommu_kind_find("x86-39");
	assert_int_equal(map(f, RW, 0, 1ull << 40, K), 0);
	assert_int_equal(rig_ioctl(&f->rig, other, VFIO_GROUP_SET_CONTAINER, &f->c), -EINVAL);
	assert_int_equal(unmap(f, 0, 1ull << 40, K, NULL), 0);
	assert_int_equal(rig_ioctl(&f->rig, other, VFIO_GROUP_SET_CONTAINER, &f->c), 0);
	assert_int_equal(map(f, RW, 0, 1ull << 40, K), -EINVAL);
}

static void v1_vaddr_range_that_begins_inside_does_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t got;

	assert_int_equal(map(f, RW, 0, 0, 4 * K), 0);
	assert_int_equal(map(f, RW, 0, 4 * K, 4 * K), 0);
	assert_int_equal(unmap(f, VFIO_DMA_UNMAP_FLAG_VADDR, 2 * K, 6 * K, &got), 0);
	assert_int_equal(got, 0);
	assert_int_equal(unmap(f, 0, 2 * K, 6 * K, &got), 0);
	assert_int_equal(got, 0);
	assert_int_equal(map(f, VFIO_DMA_MAP_FLAG_VADDR, 0, 4 * K, 4 * K), -EINVAL);
}

/* As Linux has it: the end of such a range is 0, and everything lies behind it. */
static void ranges_that_end_at_the_top_hold_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t got = 1, lowest = -(uint64_t)(uintptr_t)f->mem;

	assert_int_equal(map(f, RW, 0, 4 * K, 4 * K), 0);
	assert_int_equal(unmap(f, 0, K, -K, &got), 0);
	assert_int_equal(got, 0);
	assert_int_equal(map(f, RW, lowest, K, -K), -EINVAL);
	assert_int_equal(map(f, VFIO_DMA_MAP_FLAG_VADDR, lowest, K, -K), -ENOENT);
	assert_int_equal(unmap(f, 0, 4 * K, 4 * K, &got), 0);
	assert_int_equal(got, 4 * K);
}

struct dirty_get {
	struct vfio_iommu_type1_dirty_bitmap head;
	struct vfio_iommu_type1_dirty_bitmap_get get;
};

static long dirty(struct fixture *f, uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap d = { .argsz = sizeof(d), .flags = flags };

	return rig_ioctl(&f->rig, f->c, VFIO_IOMMU_DIRTY_PAGES, &d);
}

static long dirty_bits(struct fixture *f, uint64_t iova, uint64_t size, void *bits, uint64_t bytes)
{
	struct dirty_get d = {
		.head = { .argsz = sizeof(d), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP },
		.get = { .iova = iova,
			 .size = size,
			 .bitmap = { .pgsize = K, .size = bytes, .data = bits } },
	};

	return rig_ioctl(&f->rig, f->c, VFIO_IOMMU_DIRTY_PAGES, &d);
}

static void mapped_pages_are_dirty_pages(void **state)
{
	struct fixture *f = *state;
	uint64_t bits[4];

	assert_int_equal(map(f, RW, 0, 2 * K, 3 * K), 0);
	assert_int_equal(map(f, RW, 0, 5 * K, 1 * K), 0);
	assert_int_equal(map(f, RW, 0, 70 * K, 100 * K), 0);
	assert_int_equal(dirty_bits(f, 0, 256 * K, bits, sizeof(bits)), -EINVAL);
	assert_int_equal(dirty(f, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);

	memset(bits, 0, sizeof(bits));
	assert_int_equal(dirty_bits(f, 0, 256 * K, bits, sizeof(bits)), 0);
	assert_int_equal(bits[0], 0x3c);
	assert_int_equal(bits[1], ~0x3full);
	assert_int_equal(bits[2], (1ull << 42) - 1);
	assert_int_equal(bits[3], 0);
	/* a mapping that begins inside a word adds to what the caller has there */
	memset(bits, 0xff, sizeof(bits));
	assert_int_equal(dirty_bits(f, 0, 64 * K, bits, 8), 0);
	assert_int_equal(bits[0], UINT64_MAX);
	assert_int_equal(bits[1], UINT64_MAX);

	assert_int_equal(dirty_bits(f, 3 * K, 64 * K, bits, sizeof(bits)), -EINVAL);
	assert_int_equal(dirty_bits(f, 0, 71 * K, bits, sizeof(bits)), -EINVAL);
	assert_int_equal(dirty_bits(f, 0, 256 * K, bits, 31), -EINVAL);
	assert_int_equal(dirty_bits(f, 0, 256 * K, NULL, 32), -EFAULT);
	assert_int_equal(dirty_bits(f, 0, 256 * K, (void *)(1ull << 63), 32), -EINVAL);
	assert_int_equal(dirty(f, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP), 0);
	assert_int_equal(dirty_bits(f, 0, 256 * K, bits, sizeof(bits)), -EINVAL);
	assert_int_equal(dirty(f, 0), -EINVAL);
	assert_int_equal(dirty(f, 3), -EINVAL);
}

static void unmap_hands_out_the_last_dirty_bits(void **state)
{
	struct fixture *f = *state;
	struct {
		struct vfio_iommu_type1_dma_unmap u;
		struct vfio_bitmap b;
	} req = {
		.u = { .argsz = sizeof(req),
		       .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		       .iova = 0,
		       .size = 64 * K },
		.b = { .pgsize = K, .size = 8 },
	};
	uint64_t bits = 0;

	assert_int_equal(map(f, RW, 0, 8 * K, 8 * K), 0);
	assert_int_equal(dirty(f, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);
	/* nowhere to write them: nothing is unmapped */
	assert_int_equal(rig_ioctl(&f->rig, f->c, VFIO_IOMMU_UNMAP_DMA, &req), -EFAULT);
	req.b.data = (void *)&bits;
	assert_int_equal(rig_ioctl(&f->rig, f->c, VFIO_IOMMU_UNMAP_DMA, &req), 0);
	assert_int_equal(req.u.size, 8 * K);
	assert_int_equal(bits, 0xff00);
	req.u.size = 64 * K;
	req.u.flags |= VFIO_DMA_UNMAP_FLAG_ALL;
	assert_int_equal(rig_ioctl(&f->rig, f->c, VFIO_IOMMU_UNMAP_DMA, &req), -EINVAL);
}

/* 2^31 - 1 pages: Linux counts the bits of one mapping in an int. */
static void a_mapping_too_long_to_track_is_refused(void **state)
{
	const uint64_t most = ((1ull << 31) - 1) * K;
	struct fixture *f = *state;
	char *mem = mmap(NULL, most + K, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t at = (uint64_t)(mem - f->mem), iova = 1ull << 40, got;

	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(map(f, RW, at, iova, most + K), 0);
	assert_int_equal(dirty(f, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), -EINVAL);
	assert_int_equal(unmap(f, 0, iova, most + K, &got), 0);
	assert_int_equal(got, most + K);
	assert_int_equal(map(f, RW, at, iova, most), 0);
	assert_int_equal(dirty(f, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);
	assert_int_equal(unmap(f, 0, iova, most, &got), 0);
	assert_int_equal(map(f, RW, at, iova, most + K), -EINVAL);
	assert_int_equal(unmap(f, 0, iova, most + K, &got), 0);
	assert_int_equal(got, 0);
	assert_int_equal(map(f, RW, at, iova, most), 0);
	assert_int_equal(unmap(f, 0, iova, most, &got), 0);
	munmap(mem, most + K);
}

/* As Linux has it: the mappings whose bits were written are gone, the others are not. */
static void unmap_that_cannot_write_bits_stops_there(void **state)
{
	struct fixture *f = *state;
	uint8_t *bits = (uint8_t *)f->mem + 250 * K;
	struct {
		struct vfio_iommu_type1_dma_unmap u;
		struct vfio_bitmap b;
	} req = {
		.u = { .argsz = sizeof(req),
		       .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		       .size = 32768 * K * 2 },
		.b = { .pgsize = K, .size = 2 * K, .data = (void *)bits },
	};
	uint64_t got;

	assert_int_equal(mprotect(bits + K, K, PROT_NONE), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(map(f, RW, 0, i * 16384 * K, 8 * K), 0);
	assert_int_equal(dirty(f, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), 0);
	assert_int_equal(rig_ioctl(&f->rig, f->c, VFIO_IOMMU_UNMAP_DMA, &req), -EFAULT);
	assert_int_equal(req.u.size, 32768 * K * 2);
	assert_int_equal(bits[0], 0xff);
	assert_int_equal(bits[2 * 1024], 0xff);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(unmap(f, 0, i * 16384 * K, 8 * K, &got), 0);
		assert_int_equal(got, i < 2 ? 0 : 8 * K);
	}
	assert_int_equal(mprotect(bits + K, K, PROT_READ | PROT_WRITE), 0);
}

static void bad_pointers_are_efault(void **state)
{
	struct fixture *f = *state;
	const unsigned long cmds[] = { VFIO_IOMMU_MAP_DMA, VFIO_IOMMU_UNMAP_DMA,
				       VFIO_IOMMU_GET_INFO, VFIO_IOMMU_DIRTY_PAGES };

	for (unsigned i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		assert_int_equal(rig_ioctl_number(&f->rig, f->c, cmds[i], 0), -EFAULT);
		assert_int_equal(rig_ioctl_number(&f->rig, f->c, cmds[i], 1ull << 63), -EFAULT);
	}
	assert_int_equal(rig_ioctl(&f->rig, f->c, VFIO_IOMMU_ENABLE, NULL), -ENOTTY);
}

static void unwritable_answer_is_efault(void **state)
{
	struct fixture *f = *state;
	struct vfio_iommu_type1_info *info = (void *)f->mem;

	info->argsz = sizeof(*info);
	assert_int_equal(mprotect(f->mem, K, PROT_READ), 0);
	assert_int_equal(rig_ioctl(&f->rig, f->c, VFIO_IOMMU_GET_INFO, info), -EFAULT);
}

static void info_tells_both_versions_of_the_range_list(void **state)
{
	struct fixture *f = *state;
	union {
		struct vfio_iommu_type1_info info;
		uint8_t bytes[256];
	} u = { .info.argsz = 8 };

	assert_int_equal(rig_ioctl(&f->rig, f->c, VFIO_IOMMU_GET_INFO, &u), -EINVAL);
	u.info.argsz = sizeof(u);
	assert_int_equal(rig_ioctl(&f->rig, f->c, VFIO_IOMMU_GET_INFO, &u), 0);
	assert_int_equal(u.info.argsz, sizeof(u)); /* it never goes down */
	assert_int_equal(u.info.flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
	for (uint32_t at = u.info.cap_offset; at;) {
		struct vfio_iommu_type1_info_cap_iova_range *cap = (void *)(u.bytes + at);

		at = cap->header.next;
		if (cap->header.id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			continue;
		assert_int_equal(cap->nr_iovas, 2);
		assert_int_equal(cap->iova_ranges[0].end, 0xfedfffff);
		assert_int_equal(cap->iova_ranges[1].end, (1ull << 48) - 1);
		return;
	}
	fail_msg("no list of ranges");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_for_writing_only_cannot_be_read),
		T(entry_limit_is_enospc_until_one_goes),
		T(memory_limit_is_enomem_and_comes_last),
		T(memory_limit_spans_containers),
		T(memory_limit_is_each_process_own),
		cmocka_unit_test_setup_teardown(v1_counts_what_it_unmaps_off, setup_v1, teardown),
		T(bars_do_not_count_as_memory),
		T(vaddr_can_be_taken_away_and_given_back),
		T(no_group_joins_while_a_vaddr_is_gone),
		T(joining_group_must_reach_what_is_mapped),
		cmocka_unit_test_setup_teardown(v1_vaddr_range_that_begins_inside_does_nothing,
						setup_v1, teardown),
		T(ranges_that_end_at_the_top_hold_nothing),
		cmocka_unit_test_setup_teardown(ranges_that_end_at_the_top_hold_nothing, setup_v1,
						teardown),
		T(mapped_pages_are_dirty_pages),
		T(unmap_hands_out_the_last_dirty_bits),
		T(unmap_that_cannot_write_bits_stops_there),
		T(a_mapping_too_long_to_track_is_refused),
		T(bad_pointers_are_efault),
		T(unwritable_answer_is_efault),
		T(info_tells_both_versions_of_the_range_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
