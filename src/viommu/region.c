/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions: what is true, and how it comes to be.
 *
 * A change is checked, its memory reserved, made true, and told, in this order:
 * so nobody hears of what is then not remembered, and a listener that looks, or
 * is registered meanwhile, finds the truth.
 *
 * Locks: region->lock, outermost of the library's: it is held while listeners map
 * and unmap. Announcing takes it even though that is a hot path: listeners must
 * hear of changes in one order, and uncontended it is a few nanoseconds.
 */
#include "viommu/region.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>

bool region_enter(struct rf_region *region)
{
	uintptr_t self = (uintptr_t)pthread_self();

	if (atomic_load_explicit(&region->inside, memory_order_relaxed) == self)
		return false;
	pthread_mutex_lock(&region->lock);
	atomic_store_explicit(&region->inside, self, memory_order_relaxed);
	region->round = (struct round){ 0 };
	return true;
}

void region_leave(struct rf_region *region)
{
	atomic_store_explicit(&region->inside, 0, memory_order_relaxed);
	pthread_mutex_unlock(&region->lock);
}

bool region_holds(const struct rf_region *region, uint64_t first, uint64_t last)
{
	return first <= last && last <= region->last &&
	       !((first | (last + 1)) & (region->granularity - 1));
}

int region_failures(const struct rf_region *region)
{
	return region->round.failures > INT_MAX ? INT_MAX : (int)region->round.failures;
}

int rf_region_new(const struct rf_region_ops *ops, uint64_t last, uint64_t granularity, void *data,
		  struct rf_region **out)
{
	struct rf_region *region;

	if (!granularity || granularity & (granularity - 1) || (last + 1) & (granularity - 1))
		return -EINVAL;
	region = alloc_zeroed(sizeof(*region));
	if (!region)
		return -ENOMEM;
	pthread_mutex_init(&region->lock, NULL);
	region->ops = *ops;
	region->data = data;
	region->last = last;
	region->granularity = granularity;
	extents_init(&region->extents);
	*out = region;
	return 0;
}

void rf_region_free(struct rf_region *region)
{
	if (!region)
		return;
	assert(!region->inside);
	while (region->listeners)
		rf_listener_unregister(region->listeners);
	extents_destroy(&region->extents);
	pthread_mutex_destroy(&region->lock);
	alloc_free(region);
}

void *rf_region_data(const struct rf_region *region)
{
	return region->data;
}

uint64_t rf_region_last(const struct rf_region *region)
{
	return region->last;
}

uint64_t rf_region_granularity(const struct rf_region *region)
{
	return region->granularity;
}

uint32_t rf_region_wanted(const struct rf_region *region)
{
	return atomic_load_explicit(&region->wanted, memory_order_relaxed);
}

/* Whether @now could be true. */
static bool mapping_valid(const struct rf_region *region, const struct rf_mapping *now)
{
	if (!region_holds(region, now->iova, now->last) || now->perm & ~PERM_ALL)
		return false;
	return !now->perm || (!(now->target & (region->granularity - 1)) &&
			      now->target + (now->last - now->iova) >= now->target);
}

/* Memory is reserved. */
static void region_change(struct rf_region *region, const struct rf_mapping *now)
{
	struct extent *gone;

	if (!extents_change(&region->extents, now, &gone))
		return;
	listeners_tell(region, now, gone);
	extents_release(&region->extents, gone);
}

int rf_region_announce(struct rf_region *region, const struct rf_mapping *now)
{
	return rf_region_announce_batch(region, now, 1);
}

/* How many changes a batch is, neighbours that continue each other being one; 0: it is invalid. */
static size_t batch_changes(const struct rf_region *region, const struct rf_mapping *now, size_t nr)
{
	size_t changes = 1;

	for (size_t i = 0; i < nr; i++) {
		if (!mapping_valid(region, &now[i]))
			return 0;
		if (i && !mapping_continues(&now[i - 1], &now[i]))
			changes++;
	}
	return changes;
}

int rf_region_announce_batch(struct rf_region *region, const struct rf_mapping *now, size_t nr)
{
	size_t changes = batch_changes(region, now, nr);
	int ret;

	if (!changes)
		return -EINVAL;
	if (!region_enter(region))
		return -EDEADLK;
	ret = extents_reserve(&region->extents, changes);
	if (ret)
		goto leave;
	for (size_t i = 0; i < nr; i++) {
		struct rf_mapping run = now[i];

		for (; i + 1 < nr && mapping_continues(&now[i], &now[i + 1]); i++)
			run.last = now[i + 1].last;
		region_change(region, &run);
	}
	extents_unreserve(&region->extents);
	ret = region_failures(region);
leave:
	region_leave(region);
	return ret;
}

/* Ask the IOMMU what is true at @iova, to @last at most. */
static int region_ask(struct rf_region *region, uint64_t iova, uint64_t last,
		      struct rf_mapping *now)
{
	int ret;

	*now = (struct rf_mapping){ .iova = iova, .last = iova | (region->granularity - 1) };
	region->asking = true;
	ret = region->ops.translate(region, now);
	region->asking = false;
	if (ret < 0)
		return ret;
	if (now->last > last)
		now->last = last;
	return now->iova == iova && mapping_valid(region, now) ? 0 : -EIO;
}

static int region_announce_run(struct rf_region *region, const struct rf_mapping *run)
{
	int ret = extents_reserve(&region->extents, 1);

	if (ret)
		return ret;
	region_change(region, run);
	extents_unreserve(&region->extents);
	return 0;
}

int region_refresh(struct rf_region *region, uint64_t first, uint64_t last)
{
	struct rf_mapping run;
	struct rf_mapping now;
	int ret = region_ask(region, first, last, &run);

	while (!ret && run.last < last) {
		ret = region_ask(region, run.last + 1, last, &now);
		if (ret)
			break;
		if (mapping_continues(&run, &now)) {
			run.last = now.last;
		} else {
			ret = region_announce_run(region, &run);
			run = now;
		}
	}
	return ret ? ret : region_announce_run(region, &run);
}

int rf_region_refresh(struct rf_region *region, uint64_t first, uint64_t last)
{
	int ret;

	if (!region_holds(region, first, last))
		return -EINVAL;
	if (!region->ops.translate)
		return -EOPNOTSUPP;
	if (!region_enter(region))
		return -EDEADLK;
	ret = region_refresh(region, first, last);
	if (!ret)
		ret = region_failures(region);
	region_leave(region);
	return ret;
}

int rf_region_lookup(struct rf_region *region, uint64_t iova, struct rf_mapping *now)
{
	bool entered;

	if (iova > region->last)
		return -EINVAL;
	entered = region_enter(region);
	extents_lookup(&region->extents, iova, region->last, now);
	if (entered)
		region_leave(region);
	return 0;
}
