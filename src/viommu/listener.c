/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners: who is told, of what, and in which order.
 *
 * A round tells one change to one listener after the other. It keeps who is being told
 * and who comes next where rf_listener_unregister() finds and moves them, so any
 * listener may leave at any time. Those who join during a round are not told of its
 * change, by the number of their registration.
 *
 * Locks: the region's around everything. In a callback this thread has it already.
 */
#include <assert.h>
#include <errno.h>

#include "base/log.h"
#include "viommu/region.h"

/* Call the listener being told. False: it has left. */
static bool round_send(struct rf_region *region, const struct rf_notice *notice)
{
	struct rf_listener *listener = region->round.listener;
	const char *name = listener->ops.name;
	int ret;

	if (!(listener->ops.kinds & notice->kind))
		return true;
	ret = listener->ops.notify(listener, notice);
	if (ret >= 0)
		return region->round.listener;
	region->round.failures++;
	if (!region->round.listener)
		return false;
	atomic_store_explicit(&listener->error, ret, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&listener->failures, 1, memory_order_relaxed))
		return true;
	log_line(LOG_WARN,
		 "%s: listener %s failed at 0x%llx-0x%llx: error %d; later failures are not told",
		 region->ops.name ? region->ops.name : "region", name ? name : "?",
		 (unsigned long long)notice->iova, (unsigned long long)notice->last, -ret);
	return true;
}

static bool round_send_map(struct rf_region *region, const struct rf_mapping *now, uint64_t first,
			   uint64_t last)
{
	struct rf_notice notice = {
		.kind = RF_NOTIFY_MAP,
		.iova = first,
		.last = last,
		.target = now->target + (first - now->iova),
		.perm = now->perm,
	};

	return round_send(region, &notice);
}

/* What was true of [first, last], of which @piece is told, goes; with @now, gives way to it. */
static bool round_send_gone(struct rf_region *region, const struct rf_mapping *now,
			    const struct extent *piece, uint64_t first, uint64_t last)
{
	struct rf_notice notice = {
		.kind = now ? RF_NOTIFY_REPLACE : RF_NOTIFY_UNMAP,
		.iova = piece->first > first ? piece->first : first,
		.last = piece->last < last ? piece->last : last,
		.was_perm = piece->perm,
	};

	notice.was_target = piece->target + (notice.iova - piece->first);
	if (now) {
		notice.target = now->target + (notice.iova - now->iova);
		notice.perm = now->perm;
	}
	return round_send(region, &notice);
}

/* What is taken away from [first, last], a piece at a time. */
static bool round_tell_gone(struct rf_region *region, const struct extent *gone, uint64_t first,
			    uint64_t last)
{
	for (const struct extent *piece = gone; piece && piece->first <= last; piece = piece->next)
		if (!piece->same && piece->last >= first &&
		    !round_send_gone(region, NULL, piece, first, last))
			return false;
	return true;
}

/*
 * What is added to [first, last]: all but the pieces that stay the same. With
 * @replace, a piece that gives way is told by itself.
 */
static void round_tell_new(struct rf_region *region, const struct rf_mapping *now,
			   const struct extent *gone, uint64_t first, uint64_t last, bool replace)
{
	uint64_t from = first;

	for (const struct extent *piece = gone; piece && piece->first <= last;
	     piece = piece->next) {
		if (piece->last < first || (!piece->same && !replace))
			continue;
		if (piece->first > from && !round_send_map(region, now, from, piece->first - 1))
			return;
		if (!piece->same && !round_send_gone(region, now, piece, first, last))
			return;
		if (piece->last >= last)
			return;
		from = piece->last + 1;
	}
	round_send_map(region, now, from, last);
}

static void round_tell(struct rf_region *region, const struct rf_mapping *now,
		       const struct extent *gone)
{
	const struct rf_listener_ops *ops = &region->round.listener->ops;
	uint64_t first = now->iova > ops->first ? now->iova : ops->first;
	uint64_t last = now->last < ops->last ? now->last : ops->last;
	bool replace = now->perm && ops->kinds & RF_NOTIFY_REPLACE;

	if (first > last)
		return;
	if (!replace && ops->kinds & RF_NOTIFY_UNMAP && !round_tell_gone(region, gone, first, last))
		return;
	if (now->perm && ops->kinds & (RF_NOTIFY_MAP | RF_NOTIFY_REPLACE))
		round_tell_new(region, now, gone, first, last, replace);
}

void listeners_tell(struct rf_region *region, const struct rf_mapping *now,
		    const struct extent *gone)
{
	struct round *round = &region->round;
	uint64_t joins = region->joins;

	round->gone = gone;
	for (round->next = region->listeners; round->next;) {
		round->listener = round->next;
		round->next = round->listener->next;
		if (round->listener->joined <= joins && !round->listener->muted)
			round_tell(region, now, gone);
	}
	round->listener = NULL;
	round->gone = NULL;
}

/* Tell a listener of all that is mapped in [first, last]. False: it has left. */
static bool listener_tell_all(struct rf_listener *listener, uint64_t first, uint64_t last)
{
	struct rf_region *region = listener->region;
	const struct extent *extent = extents_from(&region->extents, first);
	bool there = true;

	region->round.listener = listener;
	for (; there && extent && extent->first <= last; extent = extent->next) {
		struct rf_mapping now = { extent->first, extent->last, extent->target,
					  extent->perm };

		there = round_send_map(region, &now, extent->first > first ? extent->first : first,
				       extent->last < last ? extent->last : last);
	}
	region->round.listener = NULL;
	return there;
}

/* The kinds wanted by all. */
static uint32_t listeners_want(const struct rf_region *region)
{
	uint32_t wanted = 0;

	for (const struct rf_listener *l = region->listeners; l; l = l->next)
		wanted |= l->ops.kinds;
	return wanted;
}

/* Tell the IOMMU if other kinds are wanted than before; what it returns. */
static int region_want(struct rf_region *region, uint32_t wanted)
{
	uint32_t old = rf_region_wanted(region);
	int ret = 0;

	if (wanted == old)
		return 0;
	if (region->ops.flags_changed) {
		region->asking = true;
		ret = region->ops.flags_changed(region, old, wanted);
		region->asking = false;
	}
	if (ret >= 0 || !(wanted & ~old))
		atomic_store_explicit(&region->wanted, wanted, memory_order_relaxed);
	return ret < 0 ? ret : 0;
}

static void listener_link(struct rf_listener *listener)
{
	struct rf_listener **link = &listener->region->listeners;

	while (*link)
		link = &(*link)->next;
	*link = listener;
}

static void listener_unlink(struct rf_listener *listener)
{
	struct round *round = &listener->region->round;
	struct rf_listener **link = &listener->region->listeners;

	while (*link != listener)
		link = &(*link)->next;
	*link = listener->next;
	if (round->next == listener)
		round->next = listener->next;
	if (round->listener == listener)
		round->listener = NULL;
	if (listener->region->replayed == listener)
		listener->region->replayed = NULL;
}

static bool listener_valid(const struct rf_region *region, const struct rf_listener_ops *ops)
{
	uint64_t last = ops->last == UINT64_MAX ? region->last : ops->last;

	return ops->notify && ops->kinds && !(ops->kinds & ~NOTIFY_ALL) &&
	       region_holds(region, ops->first, last) &&
	       (!ops->replay || ops->kinds & RF_NOTIFY_MAP);
}

/* With the lock held: join, the IOMMU willing. */
static int listener_join(struct rf_listener *listener)
{
	struct rf_region *region = listener->region;
	int ret = region_want(region, rf_region_wanted(region) | listener->ops.kinds);

	if (ret)
		return ret;
	listener->joined = ++region->joins;
	listener->muted = listener->ops.replay;
	listener_link(listener);
	if (!listener->ops.replay || !region->ops.translate)
		return 0;
	ret = region_refresh(region, listener->ops.first, listener->ops.last);
	if (ret) {
		listener_unlink(listener);
		region_want(region, listeners_want(region));
	}
	return ret;
}

int rf_listener_register(struct rf_region *region, const struct rf_listener_ops *ops, void *data,
			 struct rf_listener **out)
{
	struct rf_listener *listener;
	bool entered;
	int ret;

	if (!listener_valid(region, ops))
		return -EINVAL;
	listener = alloc_zeroed(sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->region = region;
	listener->ops = *ops;
	if (ops->last == UINT64_MAX)
		listener->ops.last = region->last;
	listener->data = data;
	entered = region_enter(region);
	if (!entered && (region->asking || ops->replay))
		ret = -EDEADLK;
	else
		ret = listener_join(listener);
	if (!ret) {
		*out = listener;
		if (listener->muted) {
			listener->muted = false;
			if (!listener_tell_all(listener, listener->ops.first, listener->ops.last))
				*out = NULL;
		}
	}
	if (entered)
		region_leave(region);
	if (ret)
		alloc_free(listener);
	return ret;
}

void rf_listener_unregister(struct rf_listener *listener)
{
	struct rf_region *region;
	bool entered;

	if (!listener)
		return;
	region = listener->region;
	entered = region_enter(region);
	assert(!region->asking);
	listener_unlink(listener);
	region_want(region, listeners_want(region));
	if (entered)
		region_leave(region);
	alloc_free(listener);
}

void *rf_listener_data(const struct rf_listener *listener)
{
	return listener->data;
}

struct rf_region *rf_listener_region(const struct rf_listener *listener)
{
	return listener->region;
}

uint64_t rf_listener_failures(const struct rf_listener *listener, int *error)
{
	if (error)
		*error = atomic_load_explicit(&listener->error, memory_order_relaxed);
	return atomic_load_explicit(&listener->failures, memory_order_relaxed);
}

int rf_listener_replay(struct rf_listener *listener, uint64_t first, uint64_t last)
{
	struct rf_region *region = listener->region;
	int ret = 0;

	if (last == UINT64_MAX)
		last = region->last;
	if (!region_holds(region, first, last) || !(listener->ops.kinds & RF_NOTIFY_MAP))
		return -EINVAL;
	if (first < listener->ops.first)
		first = listener->ops.first;
	if (last > listener->ops.last)
		last = listener->ops.last;
	if (!region_enter(region))
		return -EDEADLK;
	if (first > last)
		goto leave;
	region->replayed = listener;
	if (region->ops.translate)
		ret = region_refresh(region, first, last);
	if (!ret) {
		/* somebody may have made it leave meanwhile */
		if (region->replayed)
			listener_tell_all(listener, first, last);
		ret = region_failures(region);
	}
	region->replayed = NULL;
leave:
	region_leave(region);
	return ret;
}
