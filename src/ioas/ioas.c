/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O address spaces: mapping and unmapping.
 *
 * A mapping is checked, its memory pinned and then looked for (memory/pin.h says why in
 * this order), entered into every domain, and put into the tree. An
 * unmap takes the leaves away, waits for DMA under way, and only then lets go of
 * the memory: when it returns no device can touch the pages.
 *
 * Locks: ioas->lock around all of it, taken after the owner's moving lock and
 * before the owner's lock (memory/pin.h).
 */
#include "ioas/ioas.h"

#include <assert.h>
#include <errno.h>

#include "base/stats.h"
#include "ioas/space.h"

#define PART_CHUNK (64u << 10)

int ioas_new(struct rf_ioas **out)
{
	struct rf_ioas *ioas = alloc_direct(sizeof(*ioas));

	if (!ioas)
		return -ENOMEM;
	if (ranges_init(ioas)) {
		alloc_direct_free(ioas);
		return -ENOMEM;
	}
	pthread_mutex_init(&ioas->lock, NULL);
	pthread_cond_init(&ioas->access_idle, NULL);
	atomic_init(&ioas->refs, 1);
	slab_init(&ioas->slab, sizeof(struct part), PART_CHUNK);
	ioas->holder.ops = &ioas_pin_ops;
	*out = ioas;
	return 0;
}

struct rf_ioas *ioas_get(struct rf_ioas *ioas)
{
	atomic_fetch_add_explicit(&ioas->refs, 1, memory_order_relaxed);
	return ioas;
}

void ioas_put(struct rf_ioas *ioas)
{
	uint64_t unmapped;

	if (atomic_fetch_sub_explicit(&ioas->refs, 1, memory_order_acq_rel) != 1)
		return;
	ioas_unmap_range(ioas, 0, UINT64_MAX, IOAS_CUT_REFUSE, true, &unmapped);
	assert(!ioas->domains && !ioas->accesses);
	slab_destroy(&ioas->slab);
	ranges_destroy(ioas);
	pthread_cond_destroy(&ioas->access_idle);
	pthread_mutex_destroy(&ioas->lock);
	alloc_direct_free(ioas);
}

/* What can be said of a mapping without looking into the space. */
static int map_check(uintptr_t addr, uint64_t iova, uint64_t length, uint32_t prot)
{
	if (!length || (addr | iova | length) & PAGE_MASK)
		return -EINVAL;
	if (iova + length - 1 < iova || addr + length - 1 < addr)
		return -EINVAL;
	if (!prot || prot & ~(RF_READ | RF_WRITE))
		return -EINVAL;
	return 0;
}

/* Make the mapping; its place is free and usable. */
static int ioas_map_locked(struct rf_ioas *ioas, struct rf_owner *owner, uintptr_t addr,
			   uint64_t iova, uint64_t length, uint32_t prot, bool probed)
{
	struct part *part = slab_alloc(&ioas->slab);
	int ret = 0;

	if (!part)
		return -ENOMEM;
	part->seg = (struct segment){
		.first = iova,
		.last = iova + length - 1,
		.addr = addr,
		.owner = owner,
		.prot = prot,
		.flags = PART_HELD,
	};
	part->slice = NULL;
	part->pin.last = addr + length - 1;
	part->pin.holder = &ioas->holder;
	owner_get(owner);
	pin_add(owner, &part->pin);
	if (!probed) {
		pin_settle(owner, addr, part->pin.last);
		ret = owner_probe(owner, addr, length, prot);
	}
	if (!ret)
		ret = ioas_enter(ioas, &part->seg);
	if (ret) {
		pin_del(owner, &part->pin);
		part_free(ioas, part);
		return ret;
	}
	part_insert(ioas, part);
	ioas->nr_areas++;
	stats_add(&stats()->maps, 1);
	stats_add(&stats()->mapped_bytes, length);
	return 0;
}

int ioas_map_fixed(struct rf_ioas *ioas, struct rf_owner *owner, uintptr_t addr, uint64_t iova,
		   uint64_t length, uint32_t prot, bool probed)
{
	uint64_t last = iova + length - 1;
	struct part *there;
	int ret = map_check(addr, iova, length, prot);

	if (ret)
		return ret;
	pthread_mutex_lock(&ioas->lock);
	there = part_from(ioas, iova);
	if (there && there->seg.first <= last)
		ret = -EEXIST;
	else
		ret = ioas_check_map(ioas, addr, iova, last, prot);
	if (!ret)
		ret = ioas_map_locked(ioas, owner, addr, iova, length, prot, probed);
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}

/* The lowest place for a mapping in any window that suits. */
static int ioas_find_in_windows(struct rf_ioas *ioas, uintptr_t addr, uint64_t length,
				uint32_t prot, uint64_t align, uint64_t *iova)
{
	for (unsigned i = 0; i < ioas->nr_windows; i++) {
		const struct window *w = &ioas->windows[i];

		if (window_suits(w, addr, length, prot) &&
		    part_find_gap(ioas, &w->range, length,
				  align > w->page_size ? align : w->page_size, 0, iova))
			return 0;
	}
	return -ENOSPC;
}

/* The lowest place for a mapping in any usable range. */
static int ioas_find_place(struct rf_ioas *ioas, uintptr_t addr, uint64_t length, uint32_t prot,
			   uint64_t align, uint64_t *iova)
{
	if (ioas_windowed(ioas))
		return ioas_find_in_windows(ioas, addr, length, prot, align, iova);
	for (unsigned i = 0; i < ioas->nr_ranges; i++)
		if (part_find_gap(ioas, &ioas->ranges[i], length, align, 0, iova))
			return 0;
	return -ENOSPC;
}

int ioas_map_anywhere(struct rf_ioas *ioas, struct rf_owner *owner, uintptr_t addr, uint64_t length,
		      uint32_t prot, uint64_t align, uint64_t *iova)
{
	uint64_t place;
	int ret = map_check(addr, 0, length, prot);

	if (ret)
		return ret;
	if (align & (align - 1))
		return -EINVAL;
	if (align <= PAGE_MASK)
		align = PAGE_MASK + 1;
	pthread_mutex_lock(&ioas->lock);
	ret = ioas_find_place(ioas, addr, length, prot, align, &place);
	if (!ret)
		ret = ioas_map_locked(ioas, owner, addr, place, length, prot, false);
	pthread_mutex_unlock(&ioas->lock);
	if (!ret)
		*iova = place;
	return ret;
}

static void area_fill_info(const struct rf_ioas *ioas, struct part *part, struct area_info *out)
{
	struct part *first = area_first(ioas, part);

	out->first = first->seg.first;
	out->last = area_last(ioas, part)->seg.last;
	out->addr = part_user_addr(first);
	out->prot = first->seg.prot;
	out->owner = first->seg.owner;
}

bool ioas_find(struct rf_ioas *ioas, uint64_t iova, struct area_info *out)
{
	return ioas_find_first(ioas, iova, iova, out);
}

bool ioas_find_first(struct rf_ioas *ioas, uint64_t first, uint64_t last, struct area_info *out)
{
	struct part *part;
	bool found;

	pthread_mutex_lock(&ioas->lock);
	part = part_from(ioas, first);
	found = part && part->seg.first <= last;
	if (found)
		area_fill_info(ioas, part, out);
	pthread_mutex_unlock(&ioas->lock);
	return found;
}

uint64_t ioas_nr_areas(struct rf_ioas *ioas)
{
	uint64_t nr;

	pthread_mutex_lock(&ioas->lock);
	nr = ioas->nr_areas;
	pthread_mutex_unlock(&ioas->lock);
	return nr;
}

int area_insert(struct rf_ioas *ioas, const struct segment *seg, struct slice *slice)
{
	struct part *part = slab_alloc(&ioas->slab);
	int ret = 0;

	if (!part)
		return -ENOMEM;
	part->seg = *seg;
	part->seg.flags = PART_LAZY;
	part->slice = slice;
	if (slice)
		slice->refs++;
	owner_get(seg->owner);
	part_insert(ioas, part);
	if (ioas->domains) {
		ret = area_hold(ioas, part, seg->last);
		if (ret)
			goto remove;
		ret = area_enter(ioas, part, seg->last);
		if (ret)
			goto release;
	}
	ioas->nr_areas++;
	return 0;

release:
	area_release(ioas, part);
remove:
	part_remove(ioas, part);
	owner_put(seg->owner);
	if (slice)
		slice->refs--;
	slab_free(&ioas->slab, part);
	return ret;
}

bool ioas_bisects(const struct rf_ioas *ioas, uint64_t iova)
{
	struct part *part = iova ? part_at(ioas, iova) : NULL;

	return part && (part->seg.first < iova || part->seg.flags & PART_JOINED);
}

bool ioas_reaches(const struct rf_ioas *ioas, const struct part *part, uint64_t last)
{
	if (part->seg.last >= last)
		return part->seg.last > last || part->seg.flags & PART_MORE;
	return last < UINT64_MAX && ioas_bisects(ioas, last + 1);
}

uint64_t areas_drop(struct rf_ioas *ioas, struct part *part, uint64_t last, uint64_t *bytes)
{
	uint64_t areas = 0;

	*bytes = 0;
	ioas_leave(ioas, part->seg.first, last);
	ioas_settle(ioas);
	while (part && part->seg.first <= last) {
		struct part *next = part->seg.last < last ? part_next(ioas, part) : NULL;

		*bytes += part->seg.last - part->seg.first + 1;
		areas += !(part->seg.flags & PART_JOINED);
		part_release(ioas, part);
		part_remove(ioas, part);
		part_free(ioas, part);
		part = next;
	}
	ioas->nr_areas -= areas;
	return areas;
}

int ioas_unmap_range(struct rf_ioas *ioas, uint64_t first, uint64_t last, enum ioas_cut cut,
		     bool dropped, uint64_t *unmapped)
{
	struct part *part;
	struct part *end;
	int ret = 0;

	*unmapped = 0;
	pthread_mutex_lock(&ioas->lock);
	part = part_from(ioas, first);
	if (cut == IOAS_CUT_ABSENT && ioas_windowed(ioas)) {
		ret = window_check_unmap(ioas, first, last);
		if (ret)
			goto unlock;
	}
	if (!part || part->seg.first > last)
		goto unlock;
	if (cut != IOAS_CUT_BY_FIRST) {
		if (part->seg.first < first || part->seg.flags & PART_JOINED ||
		    ioas_reaches(ioas, part, last)) {
			ret = cut == IOAS_CUT_ABSENT ? -ENOENT : -EINVAL;
			goto unlock;
		}
	} else {
		/* as Linux: one that begins before the range stays, and ends it */
		if (part->seg.first < first || part->seg.flags & PART_JOINED)
			goto unlock;
		end = part_at(ioas, last);
		if (end)
			last = area_last(ioas, end)->seg.last;
	}
	if (ioas->accesses) {
		ret = space_unmap(ioas, first, last, dropped, unmapped);
	} else {
		uint64_t areas = areas_drop(ioas, part, last, unmapped);

		stats_add(dropped ? &stats()->maps_dropped : &stats()->unmaps, areas);
	}
unlock:
	pthread_mutex_unlock(&ioas->lock);
	return ret;
}
