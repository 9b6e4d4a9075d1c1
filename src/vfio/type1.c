/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The type1 backend: MAP_DMA, UNMAP_DMA and IOMMU_GET_INFO on an address space.
 *
 * Two versions differ in one rule. v2 refuses an unmap that would split a
 * mapping. v1 takes a mapping whole when the range covers its first address,
 * and quietly does nothing, with size 0, when the range begins inside one.
 *
 * A mapping's vaddr can be invalidated (UNMAP with FLAG_VADDR) and given anew
 * (MAP with FLAG_VADDR), for programs that live on across exec. The pages stay
 * pinned and the device goes on meanwhile: here too, so all there is to keep is
 * which mappings are in that state, by their first IOVA. While there is one,
 * no group may be attached.
 *
 * The number of mappings is not counted one by one: @entries is an upper bound,
 * made exact only when it meets the limit.
 *
 * Locks: the container's, held by every caller.
 */
#include "vfio/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "group/group.h"
#include "ioas/ioas.h"
#include "memory/owner.h"
#include "vfio/abi.h"
#include "vfio/caps.h"

#define PAGE	   4096ull
#define MAX_RANGES 16u

_Static_assert(VFIO_DMA_MAP_FLAG_READ == RF_READ && VFIO_DMA_MAP_FLAG_WRITE == RF_WRITE,
	       "rights are passed on as they come");

bool type1_supports(unsigned long type)
{
	return type == VFIO_TYPE1_IOMMU || type == VFIO_TYPE1v2_IOMMU ||
	       type == VFIO_TYPE1_NESTING_IOMMU || type == VFIO_UNMAP_ALL;
}

int type1_open(struct type1 *t, unsigned long type, const struct vfio_options *options)
{
	struct rf_ioas *ioas;
	int ret;

	/*
	 * Nesting is a type that can be asked about and, with an IOMMU that
	 * cannot nest, never attached; all others here are no IOMMU at all.
	 */
	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	ret = ioas_new(&ioas);
	if (ret)
		return ret;
	*t = (struct type1){
		.ioas = ioas,
		.options = options,
		.v2 = type == VFIO_TYPE1v2_IOMMU,
		.page_sizes = ~(PAGE - 1),
	};
	return 0;
}

void type1_close(struct type1 *t)
{
	uint64_t unmapped;

	type1_uncharge_range(t, 0, UINT64_MAX);
	ioas_unmap_range(t->ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, true, &unmapped);
	ioas_put(t->ioas);
	free(t->excepts);
	free(t->stale);
	memset(t, 0, sizeof(*t));
}

int type1_attach(struct type1 *t, struct rf_group *group)
{
	const struct iommu_kind *kind = group->nr_devices ? group->devices[0]->iommu : NULL;
	int ret;

	if (t->nr_stale)
		return -EBUSY;
	/* where an IOMMU has windows of its own, Linux has no type1 */
	if (!kind || kind->nr_windows)
		return -ENODEV;
	if (!kind->irq_remapping && !t->options->unsafe_interrupts) {
		log_line(LOG_WARN,
			 "group %u: no interrupt remapping; the machine must allow unsafe "
			 "interrupts",
			 group->id);
		return -EPERM;
	}
	ret = group_attach(group, t->ioas);
	if (ret)
		return ret == -EADDRINUSE ? -EINVAL : ret;
	t->page_sizes &= kind->page_sizes;
	return 0;
}

void type1_detach(struct type1 *t, struct rf_group *group)
{
	group_detach(group);
}

static ssize_t type1_find_stale(const struct type1 *t, uint64_t first)
{
	for (size_t i = 0; i < t->nr_stale; i++) {
		if (t->stale[i] == first)
			return (ssize_t)i;
	}
	return -1;
}

/*
 * A range that ends with the last address there is: its end, one further, is 0, and
 * Linux, which compares ends, finds no mapping in it.
 */
static bool type1_finds_nothing(uint64_t last)
{
	return last == UINT64_MAX;
}

/* MAP_DMA with FLAG_VADDR: the mapping has a place in a program again. */
static int type1_restore_vaddr(struct type1 *t, const struct vfio_iommu_type1_dma_map *map)
{
	struct area_info area;
	ssize_t at;

	if (type1_finds_nothing(map->iova + map->size - 1) ||
	    !ioas_find_first(t->ioas, map->iova, map->iova + map->size - 1, &area))
		return -ENOENT;
	if (area.first != map->iova || area.last != map->iova + map->size - 1)
		return -EINVAL;
	at = type1_find_stale(t, area.first);
	if (at < 0)
		return -EINVAL;
	t->stale[at] = t->stale[--t->nr_stale];
	return 0;
}

/* Whether one more mapping is allowed; -EEXIST wins over -ENOSPC, as it is looked at first. */
static int type1_reserve_entry(struct type1 *t, uint64_t first, uint64_t last)
{
	struct area_info area;

	if (t->entries < t->options->entry_limit)
		return 0;
	t->entries = ioas_nr_areas(t->ioas);
	if (t->entries < t->options->entry_limit)
		return 0;
	return ioas_find_first(t->ioas, first, last, &area) ? -EEXIST : -ENOSPC;
}

/*
 * The limit on locked memory is met last of all, page by page: only what could
 * otherwise be mapped fails with -ENOMEM.
 */
static int type1_refuse_locked(struct type1 *t, struct file_caller *caller,
			       const struct vfio_iommu_type1_dma_map *map)
{
	uint64_t unmapped;
	int ret = ioas_map_fixed(t->ioas, caller->owner, map->vaddr, map->iova, map->size,
				 map->flags, false);

	if (ret)
		return ret;
	ioas_unmap_range(t->ioas, map->iova, map->iova + map->size - 1, IOAS_CUT_REFUSE, true,
			 &unmapped);
	return -ENOMEM;
}

static int type1_map(struct type1 *t, struct file_caller *caller, unsigned long arg)
{
	const uint32_t known =
		VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE | VFIO_DMA_MAP_FLAG_VADDR;
	struct vfio_iommu_type1_dma_map map;
	int ret;

	if (owner_read(caller->owner, &map, arg, sizeof(map)))
		return -EFAULT;
	if (map.argsz < sizeof(map) || map.flags & ~known)
		return -EINVAL;
	/* either rights for a new mapping, or a new vaddr for an old one */
	if (!map.flags ||
	    (map.flags & VFIO_DMA_MAP_FLAG_VADDR && map.flags != VFIO_DMA_MAP_FLAG_VADDR))
		return -EINVAL;
	if (!map.size || (map.size | map.iova | map.vaddr) & (type1_page_size(t) - 1))
		return -EINVAL;
	if (map.iova + map.size - 1 < map.iova || map.vaddr + map.size - 1 < map.vaddr)
		return -EINVAL;
	if (map.flags & VFIO_DMA_MAP_FLAG_VADDR)
		return type1_restore_vaddr(t, &map);

	if (type1_finds_nothing(map.iova + map.size - 1))
		return -EINVAL; /* no IOMMU reaches there, so that comes of it */
	ret = type1_reserve_entry(t, map.iova, map.iova + map.size - 1);
	if (ret)
		return ret;
	if (type1_charge(t, caller->owner, map.iova, map.vaddr, map.size))
		return type1_refuse_locked(t, caller, &map);
	ret = ioas_map_fixed(t->ioas, caller->owner, map.vaddr, map.iova, map.size, map.flags,
			     false);
	if (!ret && t->dirty && map.size / type1_page_size(t) > DIRTY_MAX_PAGES) {
		uint64_t unmapped;

		ioas_unmap_range(t->ioas, map.iova, map.iova + map.size - 1, IOAS_CUT_REFUSE, true,
				 &unmapped);
		ret = -EINVAL;
	}
	if (ret)
		type1_uncharge(t, caller->owner, map.iova, map.size);
	else
		t->entries++;
	return ret;
}

static int type1_add_stale(struct type1 *t, uint64_t first)
{
	if (t->nr_stale == t->max_stale) {
		size_t max = t->max_stale ? t->max_stale * 2 : 16;
		uint64_t *grown = realloc(t->stale, max * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->stale = grown;
		t->max_stale = max;
	}
	t->stale[t->nr_stale++] = first;
	return 0;
}

/* UNMAP_DMA with FLAG_VADDR: all mappings of the range, or none when one was invalid before. */
static int type1_invalidate(struct type1 *t, uint64_t first, uint64_t last, uint64_t *size)
{
	size_t before = t->nr_stale;
	struct area_info area;
	uint64_t from = first;
	int ret = 0;

	*size = 0;
	while (ioas_find_first(t->ioas, from, last, &area)) {
		ret = type1_find_stale(t, area.first) >= 0 ? -EINVAL :
							     type1_add_stale(t, area.first);
		if (ret) {
			t->nr_stale = before;
			break;
		}
		*size += area.last - area.first + 1;
		if (area.last >= last)
			break;
		from = area.last + 1;
	}
	return ret;
}

/* Forget what was invalid in a range and is not mapped any more. */
static void type1_prune_stale(struct type1 *t)
{
	struct area_info area;
	size_t kept = 0;

	for (size_t i = 0; i < t->nr_stale; i++) {
		if (ioas_find(t->ioas, t->stale[i], &area))
			t->stale[kept++] = t->stale[i];
	}
	t->nr_stale = kept;
}

/* v2: a mapping that reaches over either end of the range. */
static bool type1_would_split(struct type1 *t, uint64_t first, uint64_t last)
{
	struct area_info area;

	return (ioas_find(t->ioas, first, &area) && area.first != first) ||
	       (ioas_find(t->ioas, last, &area) && area.last != last);
}

/* v1: the range begins inside a mapping, so nothing is done. */
static bool type1_begins_inside(struct type1 *t, uint64_t first)
{
	struct area_info area;

	return ioas_find(t->ioas, first, &area) && area.first != first;
}

/* Take the mappings of [first, last] away, and count them off; *unmapped bytes. */
static int type1_drop(struct type1 *t, uint64_t first, uint64_t last, uint64_t *unmapped)
{
	bool stay = t->v2 ? type1_would_split(t, first, last) : type1_begins_inside(t, first);
	int ret;

	if (!stay)
		type1_uncharge_range(t, first, last);
	ret = ioas_unmap_range(t->ioas, first, last, t->v2 ? IOAS_CUT_REFUSE : IOAS_CUT_BY_FIRST,
			       false, unmapped);
	if (ret || !*unmapped)
		return ret;
	t->entries--;
	if (t->nr_stale)
		type1_prune_stale(t);
	return 0;
}

/*
 * The same, telling which pages are dirty. One mapping after the other, as Linux does it:
 * when the bitmap ends early, those before are gone.
 */
static int type1_drop_dirty(struct type1 *t, struct file_caller *caller,
			    const struct vfio_bitmap *bitmap, uint64_t first, uint64_t last,
			    uint64_t *unmapped)
{
	struct area_info area;
	uint64_t one;
	int ret = 0;

	*unmapped = 0;
	while (!ret && ioas_find_first(t->ioas, first, last, &area)) {
		ret = dirty_report_mapping(caller, bitmap, first, &area);
		if (!ret)
			ret = type1_drop(t, area.first, area.last, &one);
		if (!ret)
			*unmapped += one;
	}
	return ret;
}

static int type1_unmap_range(struct type1 *t, struct file_caller *caller,
			     struct vfio_iommu_type1_dma_unmap *unmap,
			     const struct vfio_bitmap *bitmap)
{
	bool all = unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL;
	uint64_t first = unmap->iova, last = first + unmap->size - 1;
	uint64_t page = type1_page_size(t);
	uint64_t unmapped;
	int ret;

	if (first & (page - 1))
		return -EINVAL;
	if (all) {
		if (first || unmap->size)
			return -EINVAL;
		last = UINT64_MAX;
	} else if (!unmap->size || unmap->size & (page - 1) || last < first) {
		return -EINVAL;
	}
	if (bitmap && (!t->dirty || bitmap->pgsize != page))
		return -EINVAL;

	unmap->size = 0;
	if (!all && type1_finds_nothing(last))
		return t->v2 && type1_would_split(t, first, last) ? -EINVAL : 0;
	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_VADDR) {
		if (!t->v2 && type1_begins_inside(t, first))
			return 0;
		if (t->v2 && !all && type1_would_split(t, first, last))
			return -EINVAL;
		ret = type1_invalidate(t, first, last, &unmapped);
		unmap->size = unmapped;
		return ret;
	}
	if (bitmap && type1_would_split(t, first, last))
		return -EINVAL;
	ret = bitmap ? type1_drop_dirty(t, caller, bitmap, first, last, &unmapped) :
		       type1_drop(t, first, last, &unmapped);
	if (!ret)
		unmap->size = unmapped;
	return ret;
}

static int type1_read_bitmap(struct file_caller *caller,
			     const struct vfio_iommu_type1_dma_unmap *unmap, unsigned long arg,
			     struct vfio_bitmap *bitmap)
{
	if (unmap->flags & (VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR))
		return -EINVAL;
	if (unmap->argsz < sizeof(*unmap) + sizeof(*bitmap))
		return -EINVAL;
	if (owner_read(caller->owner, bitmap, arg + sizeof(*unmap), sizeof(*bitmap)))
		return -EFAULT;
	return dirty_check_bitmap(bitmap, unmap->size);
}

static int type1_unmap(struct type1 *t, struct file_caller *caller, unsigned long arg)
{
	const uint32_t known = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | VFIO_DMA_UNMAP_FLAG_ALL |
			       VFIO_DMA_UNMAP_FLAG_VADDR;
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_bitmap bitmap, *wanted = NULL;
	int ret;

	if (owner_read(caller->owner, &unmap, arg, sizeof(unmap)))
		return -EFAULT;
	if (unmap.argsz < sizeof(unmap) || unmap.flags & ~known)
		return -EINVAL;
	if (unmap.flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) {
		ret = type1_read_bitmap(caller, &unmap, arg, &bitmap);
		if (ret)
			return ret;
		wanted = &bitmap;
	}
	ret = type1_unmap_range(t, caller, &unmap, wanted);
	if (ret)
		return ret;
	return owner_write(caller->owner, arg, &unmap, sizeof(unmap));
}

static int type1_info_caps(struct type1 *t, struct caps *caps)
{
	struct vfio_iommu_type1_info_cap_iova_range *range;
	struct vfio_iommu_type1_info_cap_migration *migration;
	struct vfio_iommu_type1_info_dma_avail *avail;
	struct iommu_range ranges[MAX_RANGES];
	unsigned nr = ioas_ranges(t->ioas, ranges, MAX_RANGES);
	uint64_t used = ioas_nr_areas(t->ioas);

	if (nr > MAX_RANGES)
		nr = MAX_RANGES;
	migration = caps_add(caps, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 1, sizeof(*migration));
	avail = caps_add(caps, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1, sizeof(*avail));
	range = caps_add(caps, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1,
			 sizeof(*range) + nr * sizeof(range->iova_ranges[0]));
	if (!migration || !avail || !range)
		return -ENOMEM;

	migration->pgsize_bitmap = type1_page_size(t);
	migration->max_dirty_bitmap_size = DIRTY_MAX_BYTES;
	avail->avail =
		used < t->options->entry_limit ? t->options->entry_limit - (uint32_t)used : 0;
	range->nr_iovas = nr;
	for (unsigned i = 0; i < nr; i++) {
		range->iova_ranges[i].start = ranges[i].first;
		range->iova_ranges[i].end = ranges[i].last;
	}
	return 0;
}

static int type1_get_info(struct type1 *t, struct file_caller *caller, unsigned long arg)
{
	const size_t least = offsetof(struct vfio_iommu_type1_info, cap_offset);
	struct vfio_iommu_type1_info info = { 0 };
	struct caps caps = { .size = 0 };
	size_t size;
	int ret;

	if (owner_read(caller->owner, &info, arg, least))
		return -EFAULT;
	if (info.argsz < least)
		return -EINVAL;
	size = info.argsz < sizeof(info) ? info.argsz : sizeof(info);

	ret = type1_info_caps(t, &caps);
	if (ret)
		return ret;
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info.iova_pgsizes = t->page_sizes;
	ret = caps_put(&caps, caller, arg, sizeof(info), &info.argsz, &info.cap_offset);
	if (ret)
		return ret;
	return owner_write(caller->owner, arg, &info, size);
}

long type1_ioctl(struct type1 *t, struct file_caller *caller, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case VFIO_IOMMU_MAP_DMA:
		return type1_map(t, caller, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return type1_unmap(t, caller, arg);
	case VFIO_IOMMU_GET_INFO:
		return type1_get_info(t, caller, arg);
	case VFIO_IOMMU_DIRTY_PAGES:
		return type1_dirty_ioctl(t, caller, arg);
	default:
		return -ENOTTY;
	}
}
