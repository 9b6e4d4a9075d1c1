/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shadows: a listener that maps into an address space.
 *
 * It keeps no account of what it has mapped. The space knows, and the region knows what
 * is true; a notice is carried out by making its range what the notice says, whatever is
 * there, so that a replay can tell the same again.
 *
 * What must go, goes: a device that still reaches a page the guest has taken back is worse
 * than one that faults. If the space cannot cut a mapping, all of it is taken
 * away and the rest, which the region remembers, is mapped again.
 *
 * Locks: the region's around everything, the space's inside it.
 */
#include <ringfence/shadow.h>

#include <errno.h>

#include "ioas/ioas.h"
#include "viommu/region.h"

#define PAGE 4096ull

/**
 * struct rf_shadow - a space that follows a region
 * @listener: to the region; NULL: it follows no more
 * @region: the region
 * @first: what it follows
 * @last: to there
 * @ioas: the space
 * @offset: from the region's addresses to the space's
 * @ops: as given
 * @arg: for them
 */
struct rf_shadow {
	struct rf_listener *listener;
	struct rf_region *region;
	uint64_t first;
	uint64_t last;
	struct rf_ioas *ioas;
	uint64_t offset;
	struct rf_shadow_ops ops;
	void *arg;
};

static int shadow_fill(struct rf_shadow *shadow, const struct rf_mapping *now, bool clean);

/* Map again what is true of [first, last], where nothing is in the space. */
static int shadow_refill(struct rf_shadow *shadow, uint64_t first, uint64_t last)
{
	const struct extents *extents = &shadow->region->extents;
	const struct extent *extent = extents_from(extents, first);
	int ret = 0;

	if (!shadow->listener)
		return 0;
	for (; extent && extent->first <= last; extent = extent->next) {
		struct rf_mapping now = { .iova = extent->first > first ? extent->first : first,
					  .last = extent->last < last ? extent->last : last,
					  .perm = extent->perm };
		int err;

		now.target = extent->target + (now.iova - extent->first);
		err = shadow_fill(shadow, &now, true);
		ret = ret ? ret : err;
	}
	return ret;
}

/*
 * Take [first, last] away where it could not be cut out: every mapping that touches it
 * goes, and what they mapped around it comes back.
 */
static int shadow_tear(struct rf_shadow *shadow, uint64_t first, uint64_t last)
{
	uint64_t low = first;
	uint64_t high = last;
	struct area_info area;
	int ret = 0;
	int err;

	while (!ret && ioas_find_first(shadow->ioas, first + shadow->offset, last + shadow->offset,
				       &area)) {
		ret = rf_ioas_unmap(shadow->ioas, area.first, area.last - area.first + 1, 0, NULL);
		if (area.first - shadow->offset < low)
			low = area.first - shadow->offset;
		if (area.last - shadow->offset > high)
			high = area.last - shadow->offset;
	}
	if (low < shadow->first)
		low = shadow->first;
	if (high > shadow->last)
		high = shadow->last;
	if (low < first) {
		err = shadow_refill(shadow, low, first - 1);
		ret = ret ? ret : err;
	}
	if (high > last) {
		err = shadow_refill(shadow, last + 1, high);
		ret = ret ? ret : err;
	}
	return ret;
}

static int shadow_remap(struct rf_shadow *shadow, uint64_t first, uint64_t last,
			const struct rf_shadow_memory *memory, uint32_t prot)
{
	return rf_ioas_remap(shadow->ioas, first + shadow->offset, last - first + 1, memory->owner,
			     memory->addr, prot);
}

static int shadow_set(struct rf_shadow *shadow, uint64_t first, uint64_t last,
		      const struct rf_shadow_memory *memory, uint32_t prot, bool clean);

/*
 * Where [first, last] touches what the space may not map (the window for interrupts, what
 * lies between its own windows), map the rest of it. False: that is not why.
 */
static bool shadow_set_usable(struct rf_shadow *shadow, uint64_t first, uint64_t last,
			      const struct rf_shadow_memory *memory, uint32_t prot, bool clean)
{
	uint64_t from = first + shadow->offset;
	uint64_t to = last + shadow->offset;
	struct iommu_range range;
	bool cut = false;

	for (uint64_t at = from; ioas_range_from(shadow->ioas, at, &range) && range.first <= to;
	     at = range.last + 1) {
		uint64_t low = from > range.first ? from : range.first;
		uint64_t high = to < range.last ? to : range.last;
		struct rf_shadow_memory part = { memory->owner, (char *)memory->addr + (low - from),
						 high - low + 1 };

		if (low == from && high == to)
			break;
		shadow_set(shadow, low - shadow->offset, high - shadow->offset, &part, prot, clean);
		cut = true;
		if (range.last >= to)
			break;
	}
	return cut;
}

/* Make [first, last] lead to @memory, or nowhere with no @prot. @clean: nothing is there. */
static int shadow_set(struct rf_shadow *shadow, uint64_t first, uint64_t last,
		      const struct rf_shadow_memory *memory, uint32_t prot, bool clean)
{
	int ret = shadow_remap(shadow, first, last, memory, prot);
	int torn;

	if (!ret)
		return 0;
	if (ret == -EINVAL && prot && shadow_set_usable(shadow, first, last, memory, prot, clean))
		return ret;
	if (clean)
		return ret;
	torn = shadow_tear(shadow, first, last);
	if (!prot || torn)
		return torn;
	return ret == -EBUSY || ret == -ENOMEM ? shadow_remap(shadow, first, last, memory, prot) :
						 ret;
}

/* Make a range what @now says, a run of memory at a time. The first error. */
static int shadow_fill(struct rf_shadow *shadow, const struct rf_mapping *now, bool clean)
{
	uint64_t granule = shadow->region->granularity;
	uint64_t at = now->iova;
	int ret = 0;

	for (;;) {
		struct rf_shadow_memory memory = { 0 };
		uint64_t left = now->last - at;
		int none = shadow->ops.locate(shadow->arg, now->target + (at - now->iova), &memory);
		uint64_t length = memory.length & ~(PAGE - 1);
		int err;

		if (!length) {
			none = none < 0 ? none : -EINVAL;
			length = granule - (at & (granule - 1));
		}
		if (left > length - 1)
			left = length - 1;
		err = shadow_set(shadow, at, at + left, &memory, none < 0 ? 0 : now->perm, clean);
		if (!ret)
			ret = none < 0 ? none : err;
		if (at + left == now->last)
			return ret;
		at += left + 1;
	}
}

static int shadow_notify(struct rf_listener *listener, const struct rf_notice *notice)
{
	struct rf_shadow *shadow = rf_listener_data(listener);
	const struct rf_mapping now = { notice->iova, notice->last, notice->target, notice->perm };

	if (notice->kind == RF_NOTIFY_UNMAP)
		return shadow_set(shadow, now.iova, now.last, &(struct rf_shadow_memory){ 0 }, 0,
				  false);
	return shadow_fill(shadow, &now, false);
}

int rf_shadow_new(struct rf_region *region, uint64_t first, uint64_t last, struct rf_ioas *ioas,
		  uint64_t offset, const struct rf_shadow_ops *ops, void *arg,
		  struct rf_shadow **out)
{
	const struct rf_listener_ops listens = {
		.name = ops->name,
		.kinds = NOTIFY_ALL,
		.first = first,
		.last = last,
		.replay = true,
		.notify = shadow_notify,
	};
	struct rf_shadow *shadow;
	int ret;

	if (last == UINT64_MAX)
		last = region->last;
	if (!region_holds(region, first, last) || region->granularity < PAGE || !ops->locate)
		return -EINVAL;
	if (offset & (PAGE - 1) || last + offset < offset)
		return -EINVAL;
	shadow = alloc_zeroed(sizeof(*shadow));
	if (!shadow)
		return -ENOMEM;
	*shadow = (struct rf_shadow){ .region = region,
				      .first = first,
				      .last = last,
				      .ioas = ioas,
				      .offset = offset,
				      .ops = *ops,
				      .arg = arg };
	ret = rf_listener_register(region, &listens, shadow, &shadow->listener);
	if (ret) {
		alloc_free(shadow);
		return ret;
	}
	if (rf_listener_failures(shadow->listener, &ret)) {
		rf_shadow_free(shadow);
		return ret;
	}
	*out = shadow;
	return 0;
}

/* What of the shadow's range is in @extent and those behind it is unmapped. */
static void shadow_clear(struct rf_shadow *shadow, const struct extent *extent)
{
	for (; extent && extent->first <= shadow->last; extent = extent->next) {
		uint64_t first = extent->first > shadow->first ? extent->first : shadow->first;
		uint64_t last = extent->last < shadow->last ? extent->last : shadow->last;

		if (first <= last)
			shadow_set(shadow, first, last, &(struct rf_shadow_memory){ 0 }, 0, false);
	}
}

void rf_shadow_free(struct rf_shadow *shadow)
{
	struct rf_region *region;
	bool entered;

	if (!shadow)
		return;
	region = shadow->region;
	/* in one step, or what is announced in between would stay */
	entered = region_enter(region);
	rf_listener_unregister(shadow->listener);
	shadow->listener = NULL;
	shadow_clear(shadow, extents_from(&region->extents, shadow->first));
	/* freed by a listener that is told before it, it has what was true before */
	shadow_clear(shadow, region->round.gone);
	if (entered)
		region_leave(region);
	alloc_free(shadow);
}

struct rf_listener *rf_shadow_listener(struct rf_shadow *shadow)
{
	return shadow->listener;
}
