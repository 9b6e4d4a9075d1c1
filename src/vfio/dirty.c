/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty page tracking as type1 has it.
 *
 * Tracking through the container can only see pages that a mediated device pins
 * one by one. A device behind an IOMMU writes where it likes, so as long as one
 * is attached every page of every mapping counts as dirty; and here one always
 * is. So a bitmap is computed, never kept: the only state is whether tracking
 * is on.
 *
 * Bit n of a caller's bitmap is the page at first + n * page size. A mapping
 * overwrites the words its bits lie in, but adds to the first where it begins
 * inside it: that word holds bits of the mapping before.
 */
#include <errno.h>

#include "ioas/ioas.h"
#include "memory/owner.h"
#include "vfio/abi.h"
#include "vfio/container.h"

/* Where a process's addresses end: a buffer beyond is refused before it is touched. */
#define USER_END 0x7ffffffff000ull

static uint64_t bitmap_bytes(uint64_t pages)
{
	return (pages + 63) / 64 * 8;
}

int dirty_check_bitmap(const struct vfio_bitmap *bitmap, uint64_t size)
{
	uint64_t data = (uintptr_t)bitmap->data;
	uint64_t pages;

	if (bitmap->size > USER_END || data > USER_END - bitmap->size)
		return -EINVAL;
	if (!bitmap->pgsize)
		return -EINVAL;
	pages = size >> __builtin_ctzll(bitmap->pgsize);
	if (!pages || !bitmap->size || bitmap->size > DIRTY_MAX_BYTES ||
	    bitmap->size < bitmap_bytes(pages))
		return -EINVAL;
	return 0;
}

/* Set bits [bit, bit + count) as one mapping of a dirty bitmap does. */
static int dirty_set(struct file_caller *caller, uintptr_t data, uint64_t bit, uint64_t count)
{
	uint64_t words[64], word, low = bit % 64, end = low + count, done;

	data += bit / 64 * 8;
	for (done = 0; done < end;) {
		size_t n = 0;

		for (; n < 64 && done < end; n++, done += 64) {
			words[n] = end - done >= 64 ? UINT64_MAX : (1ull << (end - done)) - 1;
			if (done || !low)
				continue;
			if (owner_read(caller->owner, &word, data, sizeof(word)))
				return -EFAULT;
			words[n] &= ~((1ull << low) - 1);
			words[n] |= word;
		}
		if (owner_write(caller->owner, data, words, n * 8))
			return -EFAULT;
		data += n * 8;
	}
	return 0;
}

int dirty_report_mapping(struct file_caller *caller, const struct vfio_bitmap *bitmap,
			 uint64_t first, const struct area_info *area)
{
	unsigned shift = (unsigned)__builtin_ctzll(bitmap->pgsize);

	return dirty_set(caller, (uintptr_t)bitmap->data, (area->first - first) >> shift,
			 (area->last - area->first + 1) >> shift);
}

static int dirty_report(struct type1 *t, struct file_caller *caller,
			const struct vfio_bitmap *bitmap, uint64_t first, uint64_t last)
{
	struct area_info area;
	uint64_t from = first;
	int ret;

	while (ioas_find_first(t->ioas, from, last, &area)) {
		ret = dirty_report_mapping(caller, bitmap, first, &area);
		if (ret)
			return ret;
		if (area.last >= last)
			break;
		from = area.last + 1;
	}
	return 0;
}

static int dirty_start(struct type1 *t)
{
	struct area_info area;
	uint64_t from = 0;

	if (t->dirty)
		return 0;
	while (ioas_find_first(t->ioas, from, UINT64_MAX, &area)) {
		if ((area.last - area.first + 1) / type1_page_size(t) > DIRTY_MAX_PAGES)
			return -EINVAL;
		if (area.last == UINT64_MAX)
			break;
		from = area.last + 1;
	}
	t->dirty = true;
	return 0;
}

/* A range that cuts a mapping at either end is refused, as unmap would. */
static bool dirty_splits(struct type1 *t, uint64_t first, uint64_t last)
{
	struct area_info area;

	return (ioas_find(t->ioas, first, &area) && area.first != first) ||
	       (ioas_find(t->ioas, last, &area) && area.last != last);
}

static int dirty_get(struct type1 *t, struct file_caller *caller, unsigned long arg, uint32_t argsz)
{
	const size_t header = sizeof(struct vfio_iommu_type1_dirty_bitmap);
	struct vfio_iommu_type1_dirty_bitmap_get range;
	uint64_t page = type1_page_size(t);
	int ret;

	if (argsz - header < sizeof(range))
		return -EINVAL;
	if (owner_read(caller->owner, &range, arg + header, sizeof(range)))
		return -EFAULT;
	if (range.iova + range.size < range.iova)
		return -EINVAL;
	ret = dirty_check_bitmap(&range.bitmap, range.size);
	if (ret)
		return ret;
	if (range.bitmap.pgsize != page || range.iova & (page - 1) || !range.size ||
	    range.size & (page - 1))
		return -EINVAL;
	if (!t->dirty || dirty_splits(t, range.iova, range.iova + range.size - 1))
		return -EINVAL;
	return dirty_report(t, caller, &range.bitmap, range.iova, range.iova + range.size - 1);
}

int type1_dirty_ioctl(struct type1 *t, struct file_caller *caller, unsigned long arg)
{
	struct vfio_iommu_type1_dirty_bitmap dirty;

	/* v1 has no mappings of its own to track, only what the IOMMU made of them */
	if (!t->v2)
		return -EACCES;
	if (owner_read(caller->owner, &dirty, arg, sizeof(dirty)))
		return -EFAULT;
	if (dirty.argsz < sizeof(dirty))
		return -EINVAL;
	switch (dirty.flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		return dirty_start(t);
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		t->dirty = false;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		return dirty_get(t, caller, arg, dirty.argsz);
	default:
		return -EINVAL;
	}
}
